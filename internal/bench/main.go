// Command bench measures our Modbus driver beside its peers, and prints what it
// saw as a Markdown table. From its own directory:
//
//	go run .
//
// Each client polls 125 holding registers (function 3), one request after the
// other, over loopback TCP from the same server, a libmodbus program in a process
// of its own. Each client is a process too, and accounts for its own processor
// time, so that all are measured by the same rule:
//
//   - fieldtap: drivers/modbus, from the wire to 125 samples in a Batch;
//   - fieldtap, 2 samples: the same request, of which only the first and last
//     register are wanted;
//   - fieldtap, window 16: up to 16 requests under way at once, each for 125
//     registers of its own, to samples;
//   - goburrow: the stock client of goburrow/modbus, to a slice of bytes;
//   - libmodbus: the C client, to an array of registers.
//
// The clients take turns in many short rounds, so that a change of the machine's
// speed meets all alike. Ratios are taken within a round; the table has their
// median and quartiles.
//
// On a machine with two processors or more, the client and the server run on one
// processor, on one each, and wherever the system puts them.
//
// It needs a C compiler, pkg-config, libmodbus (Debian: libmodbus-dev) and, for
// placing processes, taskset of util-linux.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"strings"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// settings are the flags.
type settings struct {
	client  string // set in the processes that are measured
	address string
	profile string

	rounds int
	warmup time.Duration
	each   time.Duration
	places string
}

func run(ctx context.Context, args []string, out io.Writer) error {
	var s settings
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.IntVar(&s.rounds, "rounds", 31, "`turns` of each client")
	flags.DurationVar(&s.each, "time", 200*time.Millisecond, "duration of one turn")
	flags.DurationVar(&s.warmup, "warmup", 50*time.Millisecond, "time before each turn that is not measured")
	flags.StringVar(&s.places, "places", "", "comma-separated `list` of same, cross and free; empty: all that can be had here")
	flags.StringVar(&s.client, "client", "", "be the client of this `name`: "+strings.Join(names(clients), ", "))
	flags.StringVar(&s.address, "address", "", "with -client: host and port of a server with registers 1 to 125 of unit 1")
	flags.StringVar(&s.profile, "cpuprofile", "", "with -client: write a processor profile to this `file`")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if s.client != "" {
		return beClient(ctx, s, out)
	}
	places, err := choose(s.places)
	if err != nil {
		return err
	}
	bench, err := newWorkshop(ctx)
	if err != nil {
		return err
	}
	defer bench.close()
	fmt.Fprintf(out, "%s, %d processors, %s %s/%s, %s.\n", processor(), runtime.NumCPU(),
		runtime.Version(), runtime.GOOS, runtime.GOARCH, time.Now().UTC().Format(time.DateOnly))
	fmt.Fprintf(out, "%d rounds of %s for each client.\n", s.rounds, s.each)
	for _, p := range places {
		rows, err := bench.measure(ctx, p, s)
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "\n%s:\n\n%s", p.title, table(rows))
	}
	return nil
}

// processor names the processor as the system does.
func processor() string {
	info, _ := os.ReadFile("/proc/cpuinfo") // elsewhere it stays unknown
	for line := range strings.Lines(string(info)) {
		if name, ok := strings.CutPrefix(line, "model name"); ok {
			return strings.Trim(name, "\t :\n")
		}
	}
	return "unknown processor"
}

func names(all []client) []string {
	list := make([]string, len(all))
	for i, c := range all {
		list[i] = c.name
	}
	slices.Sort(list)
	return list
}
