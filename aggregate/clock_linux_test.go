package aggregate_test

import (
	"syscall"
	"time"
)

// threadTime returns the processor time of the calling thread, which other work
// on the machine disturbs less than elapsed time.
func threadTime() time.Duration {
	const thread = 1 // RUSAGE_THREAD
	var use syscall.Rusage
	if err := syscall.Getrusage(thread, &use); err != nil {
		return 0
	}
	return time.Duration(use.Utime.Nano() + use.Stime.Nano())
}
