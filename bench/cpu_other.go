//go:build !linux

package bench

import "time"

// CPUTime is not known here.
func CPUTime(int) time.Duration { return 0 }
