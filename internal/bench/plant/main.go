// Command plant measures how punctually, and at what cost, a thousand devices are
// polled in one process: 100 holding registers of each, once a second, or 60
// objects of each, once in ten. From its own directory:
//
//	go run .                  # Modbus/TCP
//	go run . -protocol snmp   # SNMP version 2c
//
// Three clients take turns at the same server, a process of its own:
//
//   - fieldtap: a source a device, merged into one stream, to samples;
//   - goburrow or gosnmp: a goroutine a device with a ticker and the stock client,
//     to a slice of bytes or of variables;
//   - telegraf: the input of Telegraf, a plugin and a goroutine a device with a
//     ticker, as its agent does it, to metrics.
//
// Each client is a process with one processor to itself (taskset, GOMAXPROCS=1); the
// server has another. The devices begin spread over the first second. A poll counts
// when its values are there; its period is the time since those before were.
package main

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/fieldtap/fieldtap/drivers/modbus/modbustest"
)

const registers = 100

// settings are the flags.
type settings struct {
	serve    bool
	protocol string
	client   string
	address  string
	devices  int
	rounds   int
	each     time.Duration
	period   time.Duration
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "plant:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	var s settings
	flags := flag.NewFlagSet("plant", flag.ContinueOnError)
	flags.IntVar(&s.devices, "devices", 1000, "`number` of devices")
	flags.IntVar(&s.rounds, "rounds", 3, "`turns` of each client")
	flags.StringVar(&s.protocol, "protocol", "modbus", "modbus or snmp")
	flags.DurationVar(&s.each, "time", 0, "duration of one turn (default 20 periods, and 4 of SNMP)")
	flags.DurationVar(&s.period, "period", 0, "time from poll to poll (default 1s, and 10s of SNMP)")
	flags.BoolVar(&s.serve, "serve", false, "be the devices")
	flags.StringVar(&s.client, "client", "", "be the client of this `name`: "+strings.Join(names(), ", "))
	flags.StringVar(&s.address, "address", "", "with -client: host and port of the devices")
	if err := flags.Parse(args); err != nil {
		return err
	}
	periods, period := 20, time.Second
	switch s.protocol {
	case "modbus":
	case "snmp":
		periods, period = 4, 10*time.Second
	default:
		return fmt.Errorf("unknown protocol %q", s.protocol)
	}
	s.period = cmp.Or(s.period, period)
	s.each = cmp.Or(s.each, time.Duration(periods)*s.period)
	switch {
	case s.serve:
		return serve(ctx, s.protocol, out)
	case s.client != "":
		return beClient(ctx, s, out)
	}
	return compare(ctx, s, out)
}

// counting is a device whose register r, counted from 0, holds r+1.
type counting struct{}

func (counting) ReadBits(modbustest.Table, uint16, []bool) modbustest.Exception {
	return modbustest.IllegalFunction
}

func (counting) ReadRegisters(_ modbustest.Table, address uint16, dst []uint16) modbustest.Exception {
	for i := range dst {
		dst[i] = address + uint16(i) + 1
	}
	return 0
}

// device is what all devices are: one, asked by all.
type device interface {
	Address() string
	Close() error
}

func start(protocol string) (device, error) {
	if protocol == "snmp" {
		return startAgent()
	}
	return modbustest.Start(modbustest.Config{Units: map[byte]modbustest.Device{1: counting{}}})
}

// serve is the devices, all behind one port, until ctx or the input ends.
func serve(ctx context.Context, protocol string, out io.Writer) error {
	server, err := start(protocol)
	if err != nil {
		return err
	}
	fmt.Fprintln(out, server.Address())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, _ = io.Copy(io.Discard, os.Stdin) // its end is what matters
	}()
	select {
	case <-ended:
	case <-ctx.Done():
	}
	return server.Close()
}

// usage is what a turn of a client took.
type usage struct {
	Polls    int
	Bad      int     // polls without all values
	P50, P99 float64 // of the deviation from the period, in ms
	Worst    float64
	CPU      float64 // share of one processor
	Memory   float64 // MiB, the most resident
	Allocs   float64 // on the heap, a poll
}

// log keeps when each device gave its values.
type log struct {
	mu     sync.Mutex
	period time.Duration
	latest []time.Time
	off    []float64 // ms
	polls  int
	bad    int
}

// note notes that device gave its values now, or that it did not.
func (l *log) note(device int, good bool) {
	now := time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.polls++
	if !good {
		l.bad++
	}
	if before := l.latest[device]; !before.IsZero() {
		off := now.Sub(before) - l.period
		l.off = append(l.off, max(off, -off).Seconds()*1000)
	}
	l.latest[device] = now
}

// reset forgets all but when devices were heard last.
func (l *log) reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.off, l.polls, l.bad = l.off[:0], 0, 0
}

func (l *log) quantile(q float64) float64 {
	if len(l.off) == 0 {
		return 0
	}
	return l.off[min(len(l.off)-1, int(q*float64(len(l.off))))]
}

// beClient polls, and prints the usage as JSON.
func beClient(ctx context.Context, s settings, out io.Writer) error {
	i := slices.IndexFunc(clients, func(c client) bool { return c.name == s.client && c.protocol == s.protocol })
	if i < 0 {
		return fmt.Errorf("no client %q of %s", s.client, s.protocol)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	l := &log{period: s.period, latest: make([]time.Time, s.devices)}
	failed := make(chan error, 1)
	go func() { failed <- clients[i].poll(ctx, s, l) }()
	wait := func(d time.Duration) error {
		select {
		case <-time.After(d):
			return nil
		case err := <-failed:
			return fmt.Errorf("ended early: %w", err)
		}
	}
	if err := wait(min(3*s.period, s.period+2*time.Second) + time.Second); err != nil { // until all are in their stride
		return err
	}
	debug.FreeOSMemory()
	l.reset()
	var before, after syscall.Rusage
	var heapBefore, heapAfter runtime.MemStats
	runtime.ReadMemStats(&heapBefore)
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &before); err != nil {
		return err
	}
	start := time.Now()
	if err := wait(s.each); err != nil {
		return err
	}
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &after); err != nil {
		return err
	}
	took := time.Since(start)
	runtime.ReadMemStats(&heapAfter)
	l.mu.Lock()
	defer l.mu.Unlock()
	slices.Sort(l.off)
	spent := func(u syscall.Rusage) float64 {
		return time.Duration(u.Utime.Nano() + u.Stime.Nano()).Seconds()
	}
	return json.NewEncoder(out).Encode(usage{
		Polls: l.polls, Bad: l.bad, P50: l.quantile(0.5), P99: l.quantile(0.99), Worst: l.quantile(1),
		CPU: (spent(after) - spent(before)) / took.Seconds(), Memory: float64(after.Maxrss) / 1024,
		Allocs: float64(heapAfter.Mallocs-heapBefore.Mallocs) / float64(max(1, l.polls)),
	})
}

// compare gives each client its turns, and prints the medians.
func compare(ctx context.Context, s settings, out io.Writer) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	place := func(processor int, args ...string) *exec.Cmd {
		if runtime.NumCPU() < 2 {
			return exec.CommandContext(ctx, self, args...)
		}
		return exec.CommandContext(ctx, "taskset", append([]string{"-c", strconv.Itoa(processor), self}, args...)...)
	}
	server := place(1, "-serve", "-protocol", s.protocol)
	input, err := server.StdinPipe()
	if err != nil {
		return err
	}
	output, err := server.StdoutPipe()
	if err != nil {
		return err
	}
	server.Stderr = os.Stderr
	if err := server.Start(); err != nil {
		return err
	}
	defer func() {
		_ = input.Close() // which ends it
		_ = server.Wait()
	}()
	address, err := bufio.NewReader(output).ReadString('\n')
	if err != nil {
		return fmt.Errorf("the devices did not start: %w", err)
	}
	clients := slices.DeleteFunc(slices.Clone(clients), func(c client) bool { return c.protocol != s.protocol })
	turns := make([][]usage, len(clients))
	for range s.rounds {
		for i, c := range clients {
			turn := place(0, "-protocol", s.protocol, "-client", c.name, "-address", strings.TrimSpace(address), "-devices", strconv.Itoa(s.devices),
				"-time", s.each.String(), "-period", s.period.String())
			turn.Env = append(os.Environ(), "GOMAXPROCS=1")
			turn.Stderr = os.Stderr
			text, err := turn.Output()
			if err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
			var u usage
			if err := json.Unmarshal(text, &u); err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
			turns[i] = append(turns[i], u)
		}
	}
	what := fmt.Sprintf("%d registers", registers)
	if s.protocol == "snmp" {
		what = fmt.Sprintf("%d objects", objects)
	}
	fmt.Fprintf(out, "%d devices, %s each, every %s; medians of %d turns of %s.\n\n", s.devices, what, s.period, s.rounds, s.each)
	fmt.Fprintln(out, "| client | polls | not whole | off the period, p50 ms | p99 ms | worst ms | share of one processor | MiB | allocations a poll |")
	fmt.Fprintln(out, "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
	for i, c := range clients {
		m := func(f func(usage) float64) float64 {
			values := make([]float64, len(turns[i]))
			for k, u := range turns[i] {
				values[k] = f(u)
			}
			slices.Sort(values)
			return values[len(values)/2]
		}
		fmt.Fprintf(out, "| %s | %.0f | %.0f | %.2f | %.2f | %.1f | %.1f %% | %.0f | %.1f |\n", c.title,
			m(func(u usage) float64 { return float64(u.Polls) }), m(func(u usage) float64 { return float64(u.Bad) }),
			m(func(u usage) float64 { return u.P50 }), m(func(u usage) float64 { return u.P99 }), m(func(u usage) float64 { return u.Worst }),
			100*m(func(u usage) float64 { return u.CPU }), m(func(u usage) float64 { return u.Memory }),
			m(func(u usage) float64 { return u.Allocs }))
	}
	return nil
}
