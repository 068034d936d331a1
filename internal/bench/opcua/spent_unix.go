//go:build unix

package main

import (
	"syscall"
	"time"
)

// spent returns the seconds of processor time that this process has used.
func spent() (float64, error) {
	var u syscall.Rusage
	err := syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()).Seconds(), err
}
