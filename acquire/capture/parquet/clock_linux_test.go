package parquet_test

import (
	"syscall"
	"time"
)

// processorTime returns what the process has used of its processors, which neighbours
// disturb less than they do the time of day.
func processorTime() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
