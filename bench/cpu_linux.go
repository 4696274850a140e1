package bench

import (
	"syscall"
	"time"
	"unsafe"
)

// CPUTime returns the CPU time that a process has used so far, in the kernel and outside. Its clock is exact to the nanosecond,
// where /proc/<pid>/stat counts in hundredths of a second. 0: not known.
func CPUTime(pid int) time.Duration {
	if pid <= 0 {
		return 0
	}
	const scheduled = 2 // CPUCLOCK_SCHED: see clock_getcpuclockid(3)
	clock := ^int32(pid)<<3 | scheduled
	var t syscall.Timespec
	_, _, errno := syscall.Syscall(syscall.SYS_CLOCK_GETTIME, uintptr(clock), uintptr(unsafe.Pointer(&t)), 0)
	if errno != 0 {
		return 0
	}
	return time.Duration(t.Nano())
}
