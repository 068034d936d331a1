//go:build !linux

package aggregate_test

import "time"

var clockStart = time.Now()

// threadTime is elapsed time where the processor time of a thread is not known.
func threadTime() time.Duration { return time.Since(clockStart) }
