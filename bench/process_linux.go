package bench

import (
	"os/exec"
	"syscall"
)

// bindToParent makes the child end with this process, also when this process is killed. To the kernel the parent is the thread
// that started it; threads of the Go run-time stay, unless a goroutine that was locked to one ends.
func bindToParent(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
}
