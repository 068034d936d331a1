// Command opcua measures what values over OPC UA cost a client, beside gopcua's own client
// and node-opcua's. From its own directory:
//
//	go run .                        # notifications, and reads of 1,000 nodes
//	go run . -items 50000,200000    # monitored items on one connection of ours
//
// The clients take turns at the same server, a process of its own, without security:
//
//   - fieldtap: a Source, to samples in a Batch;
//   - gopcua: a Client with one subscription, to the values of its notifications;
//   - node-opcua: a ClientSubscription with its items in a group, to the values of its
//     events. It needs node, and npm ci in internal/interop/opcua/testdata; without them it
//     is left out, and that is said.
//
// All ask for the same: values that change every 10 ms, a queue that holds what changes
// between two publications, and a publication every 100 ms. Each client is a process with
// one processor to itself (taskset, GOMAXPROCS=1); the server has another. What is counted
// begins a second after the first value.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/fieldtap/fieldtap/drivers/opcua/opcuatest"
)

// What all clients ask for.
const (
	publishing = 100 * time.Millisecond
	step       = 10 * time.Millisecond // from change to change
	queue      = 20
	nodes      = 1000 // of one Read
)

// settings are the flags.
type settings struct {
	variables int
	rounds    int
	each      time.Duration
	items     string

	serve    int
	slow     bool
	client   string
	endpoint string
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "opcua:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	var s settings
	flags := flag.NewFlagSet("opcua", flag.ContinueOnError)
	flags.IntVar(&s.variables, "variables", 500, "`number` of variables, each of 100 values a second")
	flags.IntVar(&s.rounds, "rounds", 5, "`turns` of each client")
	flags.DurationVar(&s.each, "time", 3*time.Second, "duration of one turn")
	flags.StringVar(&s.items, "items", "", "in place of all that, measure subscriptions of these `numbers` of items, such as 50000,200000")
	flags.IntVar(&s.serve, "serve", 0, "be a server of this `number` of variables")
	flags.BoolVar(&s.slow, "slow", false, "with -serve: values change once a second")
	flags.StringVar(&s.client, "client", "", "be the client of this `name`: "+strings.Join(names(), ", "))
	flags.StringVar(&s.endpoint, "endpoint", "", "with -client: the server's URL")
	if err := flags.Parse(args); err != nil {
		return err
	}
	switch {
	case s.serve > 0:
		return serve(ctx, s, out)
	case s.client != "":
		return beClient(ctx, s, out)
	case s.items != "":
		return scale(ctx, s, out)
	}
	return compare(ctx, s, out)
}

// identifier names a variable of the server, which all clients call by number.
func identifier(i int) string { return "ns=2;i=" + strconv.Itoa(1000+i) }

// counting serves variables that count the steps since 1970.
func counting(variables int, step time.Duration) (*opcuatest.Server, error) {
	cfg := opcuatest.Config{}
	for i := range variables {
		cfg.Variables = append(cfg.Variables, opcuatest.Variable{
			ID: opcuatest.NodeID(identifier(i)), Name: strconv.Itoa(i), Step: step,
			Value: func(t time.Time) any { return float64(t.UnixNano() / int64(step)) },
		})
	}
	return opcuatest.Start(cfg)
}

// serve is the server until ctx or the input ends.
func serve(ctx context.Context, s settings, out io.Writer) error {
	each := step
	if s.slow {
		each = time.Second
	}
	server, err := counting(s.serve, each)
	if err != nil {
		return err
	}
	fmt.Fprintln(out, server.URL())
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

// place returns a command with a processor to itself, where there are two.
func place(ctx context.Context, processor int, program string, args ...string) *exec.Cmd {
	if _, err := exec.LookPath("taskset"); err != nil || runtime.NumCPU() < 2 {
		return exec.CommandContext(ctx, program, args...)
	}
	return exec.CommandContext(ctx, "taskset", append([]string{"-c", strconv.Itoa(processor), program}, args...)...)
}

// startServer starts a server in a process of its own, which ends with end.
func startServer(ctx context.Context, args ...string) (endpoint string, end func(), err error) {
	self, err := os.Executable()
	if err != nil {
		return "", nil, err
	}
	server := place(ctx, 1, self, args...)
	input, err := server.StdinPipe()
	if err != nil {
		return "", nil, err
	}
	output, err := server.StdoutPipe()
	if err != nil {
		return "", nil, err
	}
	server.Stderr = os.Stderr
	if err := server.Start(); err != nil {
		return "", nil, err
	}
	end = func() {
		_ = input.Close()
		_ = server.Wait()
	}
	line, err := bufio.NewReader(output).ReadString('\n')
	if err != nil {
		end()
		return "", nil, fmt.Errorf("the server did not start: %w", err)
	}
	return strings.TrimSpace(line), end, nil
}

// usage is what a turn of a client took.
type usage struct {
	Values int     // notifications, or values read
	Wall   float64 // seconds
	CPU    float64 // seconds of processor time, system included
	Allocs uint64
	Each   []float64 // seconds of each Read
	// Of subscriptions of many items.
	Ready  float64 // seconds until each item had a value
	Heap   uint64  // bytes in use then
	Memory uint64  // bytes of the process
	Lost   int     // values that did not come
}

// take gives a client a turn in a process of its own.
func take(ctx context.Context, s settings, name, endpoint string) (u usage, err error) {
	var turn *exec.Cmd
	if script, ok := strings.CutPrefix(name, "node-opcua"); ok {
		node, err := exec.LookPath("node")
		if err != nil {
			return u, errNoNode
		}
		packages, err := filepath.Abs(filepath.Join("..", "..", "interop", "opcua", "testdata", "node_modules"))
		if err != nil {
			return u, err
		}
		if _, err := os.Stat(filepath.Join(packages, "node-opcua", "package.json")); err != nil {
			return u, errNoNode
		}
		turn = place(ctx, 0, node, filepath.Join("testdata", "client.js"), strings.TrimPrefix(script, " "), endpoint,
			strconv.Itoa(s.variables), strconv.FormatInt(s.each.Milliseconds(), 10))
		turn.Env = append(os.Environ(), "NODE_PATH="+packages)
	} else {
		self, err := os.Executable()
		if err != nil {
			return u, err
		}
		turn = place(ctx, 0, self, "-client", name, "-endpoint", endpoint, "-variables", strconv.Itoa(s.variables), "-time", s.each.String())
		turn.Env = append(os.Environ(), "GOMAXPROCS=1")
	}
	turn.Stderr = os.Stderr
	text, err := turn.Output()
	if err != nil {
		return u, fmt.Errorf("%s: %w", name, err)
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &u); err != nil {
		return u, fmt.Errorf("%s: %w", name, err)
	}
	return u, nil
}

// errNoNode is why a client is left out.
var errNoNode = errors.New("left out: needs node, and npm ci in internal/interop/opcua/testdata")

// compare gives each client its turns, and prints the medians.
func compare(ctx context.Context, s settings, out io.Writer) error {
	endpoint, end, err := startServer(ctx, "-serve", strconv.Itoa(max(s.variables, nodes)))
	if err != nil {
		return err
	}
	defer end()
	for _, table := range []struct{ title, what string }{
		{fmt.Sprintf("%d items that change every %s, published every %s", s.variables, step, publishing), "subscribe"},
		{fmt.Sprintf("Read of %d nodes", nodes), "read"},
	} {
		turns := make(map[string][]usage)
		for range s.rounds {
			for _, c := range clients {
				if c.what != table.what {
					continue
				}
				u, err := take(ctx, s, c.name, endpoint)
				if errors.Is(err, errNoNode) {
					continue
				}
				if err != nil {
					return err
				}
				turns[c.name] = append(turns[c.name], u)
			}
		}
		fmt.Fprintf(out, "%s; medians of %d turns of %s.\n\n", table.title, s.rounds, s.each)
		if table.what == "subscribe" {
			fmt.Fprintln(out, "| client | values/s | CPU µs/value | ÷ fieldtap | allocations/value |")
			fmt.Fprintln(out, "|---|---:|---:|---:|---:|")
		} else {
			fmt.Fprintln(out, "| client | p50 ms | p95 ms | CPU ms | ÷ fieldtap | allocations |")
			fmt.Fprintln(out, "|---|---:|---:|---:|---:|---:|")
		}
		var ours []usage
		for _, c := range clients {
			if c.what != table.what {
				continue
			}
			us := turns[c.name]
			if us == nil {
				fmt.Fprintf(out, "| %s | %s |\n", c.title, errNoNode)
				continue
			}
			if ours == nil {
				ours = us
			}
			cost := func(u usage) float64 { return u.CPU / float64(u.Values) }
			ratio := make([]float64, len(us))
			for i := range us {
				ratio[i] = cost(us[i]) / cost(ours[i])
			}
			allocs := "-"
			if us[0].Allocs > 0 {
				allocs = fmt.Sprintf("%.2f", median(us, func(u usage) float64 { return float64(u.Allocs) / float64(u.Values) }))
			}
			if table.what == "subscribe" {
				fmt.Fprintf(out, "| %s | %.0f | %.3f | %.1f | %s |\n", c.title, median(us, func(u usage) float64 { return float64(u.Values) / u.Wall }),
					1e6*median(us, cost), middle(ratio), allocs)
				continue
			}
			if allocs != "-" {
				allocs = fmt.Sprintf("%.0f", median(us, func(u usage) float64 { return nodes * float64(u.Allocs) / float64(u.Values) }))
			}
			fmt.Fprintf(out, "| %s | %.2f | %.2f | %.2f | %.1f | %s |\n", c.title,
				1e3*median(us, func(u usage) float64 { return share(u.Each, 0.5) }), 1e3*median(us, func(u usage) float64 { return share(u.Each, 0.95) }),
				1e3*nodes*median(us, cost), middle(ratio), allocs)
		}
		fmt.Fprintln(out)
	}
	return nil
}

// scale measures subscriptions of many items, each of which changes once a second.
func scale(ctx context.Context, s settings, out io.Writer) error {
	fmt.Fprintf(out, "Items that change once a second on one connection of fieldtap's; %s each.\n\n", s.each)
	fmt.Fprintln(out, "| items | all with a value after s | heap MB | process MB | values/s | CPU µs/value | lost |")
	fmt.Fprintln(out, "|---:|---:|---:|---:|---:|---:|---:|")
	for text := range strings.SplitSeq(s.items, ",") {
		items, err := strconv.Atoi(text)
		if err != nil || items < 1 {
			return fmt.Errorf("%q is no number of items", text)
		}
		endpoint, end, err := startServer(ctx, "-serve", text, "-slow")
		if err != nil {
			return err
		}
		s.variables = items
		u, err := take(ctx, s, "many", endpoint)
		end()
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "| %d | %.2f | %.0f | %.0f | %.0f | %.3f | %d |\n", items, u.Ready, float64(u.Heap)/1e6, float64(u.Memory)/1e6,
			float64(u.Values)/u.Wall, 1e6*u.CPU/float64(u.Values), u.Lost)
	}
	return nil
}

func median(us []usage, of func(usage) float64) float64 {
	values := make([]float64, len(us))
	for i, u := range us {
		values[i] = of(u)
	}
	return middle(values)
}

func middle(values []float64) float64 { return share(values, 0.5) }

// share returns the value below which a share of values lies.
func share(values []float64, part float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[min(int(part*float64(len(sorted))), len(sorted)-1)]
}
