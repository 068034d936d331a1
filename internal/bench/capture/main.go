// Command capture measures package capture beside its peers on the same samples and
// prints what it saw as a Markdown table. From its own directory:
//
//	go run .
//
// The samples are those of 500 points read each second, as meters have them:
// voltages of float32, powers in steps of 0.1 W, registers in Wh, words of status;
// one in 2,000 failed. Files are in the directory for temporary files.
//
//   - fieldtap: the batches through a capture.Writer, and back through a Reader; the same
//     with a queue that is waited for, so that one goroutine encodes while another writes,
//     and larger blocks;
//     and with blocks compressed by zstd at its fastest;
//   - MCAP library: the reference writer in Go, a message of 24 bytes for each sample
//     (value, quality, kind; the time is that of the message, the point its channel),
//     compressed by zstd, with and without the index of messages that is its default;
//   - Parquet: a row for each sample, by parquet-go; times as deltas, points, kinds and
//     qualities as dictionaries, pages compressed by zstd;
//   - JSON Lines: our own text form, compressed by zstd, over fewer samples;
//   - SQLite: a row for each sample, 10,000 in a transaction, over fewer samples;
//   - replay into meters: drivers/replay as fast as it reads, into an
//     aggregate.Router whose meters take every sample: power and a register each.
//
// All write the same samples and are checked to read them back by a sum over times,
// values and qualities.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"syscall"
	"time"
)

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "capture:", err)
		os.Exit(1)
	}
}

func run(args []string, out io.Writer) error {
	flags := flag.NewFlagSet("capture", flag.ContinueOnError)
	samples := flags.Int("samples", 10_000_000, "samples, by 500")
	text := flags.Int("text", 1_000_000, "samples for JSON Lines and SQLite")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *samples < points || *text < points {
		return fmt.Errorf("fewer than %d samples", points)
	}
	dir, err := os.MkdirTemp("", "capture")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)

	fmt.Fprintf(out, "%s, %s/%s, %d processors\n\n", runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU())
	fmt.Fprintln(out, "| format | M samples | B/sample | write M/s | per CPU s | allocs a sample | read M/s | per CPU s | allocs a sample |")
	fmt.Fprintln(out, "| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
	plant := newRows(*samples/points, false)
	for _, c := range []contestant{ours{}, ours{queue: 2}, ours{zstd: true}, reference{}, reference{index: true}, columns{}, lines{}, database{}} {
		rows := plant
		switch c.(type) {
		case lines, database:
			rows = newRows(*text/points, false)
		}
		if err := compete(out, c, rows, dir); err != nil {
			return fmt.Errorf("%s: %w", c.name(), err)
		}
	}
	plant = nil
	return replayed(out, newRows(*samples/points, true), dir)
}

// contestant is a format.
type contestant interface {
	name() string
	write(file string, r *rows) error
	// read returns the sum of what is in file.
	read(file string) (sum, error)
}

func compete(out io.Writer, c contestant, r *rows, dir string) error {
	file := dir + "/file"
	defer os.Remove(file)
	written, err := measure(func() error { return c.write(file, r) })
	if err != nil {
		return err
	}
	stat, err := os.Stat(file)
	if err != nil {
		return err
	}
	var got sum
	read, err := measure(func() (err error) { got, err = c.read(file); return err })
	if err != nil {
		return err
	}
	if want := r.sum(); got != want {
		return fmt.Errorf("read %+v, wrote %+v", got, want)
	}
	n := float64(r.len())
	fmt.Fprintf(out, "| %s | %.1f | %.2f | %s | %s |\n", c.name(), n/1e6, float64(stat.Size())/n, written.per(n), read.per(n))
	return nil
}

// cost is what some work took.
type cost struct {
	wall, cpu time.Duration
	mallocs   uint64
}

func (c cost) per(n float64) string {
	return fmt.Sprintf("%.1f | %.1f | %.4f", n/c.wall.Seconds()/1e6, n/c.cpu.Seconds()/1e6, float64(c.mallocs)/n)
}

func measure(work func() error) (cost, error) {
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	cpu, wall := processorTime(), time.Now()
	err := work()
	c := cost{wall: time.Since(wall), cpu: processorTime() - cpu}
	runtime.ReadMemStats(&after)
	c.mallocs = after.Mallocs - before.Mallocs
	return c, err
}

// processorTime returns what this process has used, in all its threads.
func processorTime() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
