package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/pprof"
	"slices"
	"syscall"
	"time"
)

// usage is what one turn of a client took.
type usage struct {
	Requests int64
	Wall     float64 // seconds
	CPU      float64 // seconds of processor time of the whole process, system included
	Allocs   uint64  // on the Go heap; 0 for other languages
	Bytes    uint64
}

func (u usage) rate() float64   { return float64(u.Requests) / u.Wall }
func (u usage) cpu() float64    { return 1e6 * u.CPU / float64(u.Requests) } // µs a request
func (u usage) allocs() float64 { return float64(u.Allocs) / float64(u.Requests) }
func (u usage) bytes() float64  { return float64(u.Bytes) / float64(u.Requests) }

// betweenClocks is how many requests are made between two looks at the clock.
const betweenClocks = 64

// beClient measures a client of this program in this process, and prints the
// usage as JSON.
func beClient(ctx context.Context, s settings, out io.Writer) (err error) {
	i := slices.IndexFunc(clients, func(c client) bool { return c.name == s.client && c.connect != nil })
	if i < 0 {
		return fmt.Errorf("client %q is not part of this program", s.client)
	}
	poll, closer, err := clients[i].connect(ctx, s.address)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closer()) }()
	if s.profile != "" {
		f, err := os.Create(s.profile)
		if err != nil {
			return err
		}
		defer f.Close()
		if err := pprof.StartCPUProfile(f); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	if _, err := pollFor(s.warmup, poll, clients[i].per); err != nil {
		return err
	}
	u, err := account(func() (int64, error) { return pollFor(s.each, poll, clients[i].per) })
	if err != nil {
		return err
	}
	return json.NewEncoder(out).Encode(u)
}

// pollFor makes polls of per requests for d and returns how many requests.
func pollFor(d time.Duration, poll func() error, per int) (requests int64, err error) {
	for start := time.Now(); time.Since(start) < d; {
		for range max(1, betweenClocks/per) {
			if err := poll(); err != nil {
				return requests, err
			}
			requests += int64(per)
		}
	}
	return requests, nil
}

// account returns what f takes.
func account(f func() (requests int64, err error)) (usage, error) {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	used, err := processorTime()
	if err != nil {
		return usage{}, err
	}
	start := time.Now()
	requests, err := f()
	wall := time.Since(start)
	if err != nil {
		return usage{}, err
	}
	now, err := processorTime()
	if err != nil {
		return usage{}, err
	}
	runtime.ReadMemStats(&after)
	return usage{
		Requests: requests, Wall: wall.Seconds(), CPU: (now - used).Seconds(),
		Allocs: after.Mallocs - before.Mallocs, Bytes: after.TotalAlloc - before.TotalAlloc,
	}, nil
}

// processorTime is what this process has used since it started.
func processorTime() (time.Duration, error) {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0, fmt.Errorf("getrusage: %w", err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()), nil
}
