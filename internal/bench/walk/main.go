// Command walk measures what reading tables over SNMP version 2c costs, beside
// gosnmp and Net-SNMP's snmpbulkwalk. From its own directory:
//
//	go run .
//
// First, processor time: each client walks a table of 1,000 rows and 17 columns,
// ifTable, of an agent in a process of its own, again and again. What a process
// costs before its first and after its last object is measured by a walk of
// nothing, and taken off. All ask for 50 objects at once where they let one say so;
// ours finds out by itself.
//
//   - fieldtap walk: snmp.Agent.Walk, each object looked at;
//   - fieldtap table: a snmp.Source that polls the table, to samples;
//   - gosnmp: BulkWalk, to variables;
//   - snmpbulkwalk: Net-SNMP's tool, printing to nowhere in its shortest form.
//
// Then time: 4 columns of 200 rows of an agent that is 50 ms away, in one session.
//
// It needs Net-SNMP's tools (Debian: snmp).
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/gosnmp/gosnmp"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/drivers/snmp"
	"github.com/fieldtap/fieldtap/drivers/snmp/snmptest"
)

const (
	table   = "1.3.6.1.2.1.2.2.1" // ifEntry
	nothing = "1.3.6.1.2.1.99"
	columns = 17

	manyRows, farRows, farColumns = 1000, 200, 4
	latency                       = 50 * time.Millisecond
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "walk:", err)
		os.Exit(1)
	}
}

// settings are the flags.
type settings struct {
	rounds  int
	walks   int
	serve   int
	client  string
	address string
}

func run(ctx context.Context, args []string, out io.Writer) error {
	var s settings
	flags := flag.NewFlagSet("walk", flag.ContinueOnError)
	flags.IntVar(&s.rounds, "rounds", 7, "`turns` of each client")
	flags.IntVar(&s.walks, "walks", 10, "`walks` of a turn")
	flags.IntVar(&s.serve, "serve", 0, "be an agent with this `number` of rows")
	flags.StringVar(&s.client, "client", "", "be the client of this `name`: "+strings.Join(names(), ", "))
	flags.StringVar(&s.address, "address", "", "with -client: host and port of the agent")
	if err := flags.Parse(args); err != nil {
		return err
	}
	switch {
	case s.serve > 0:
		return serve(ctx, s.serve, out)
	case s.client != "":
		return beClient(ctx, s, out)
	}
	if err := costs(ctx, s, out); err != nil {
		return err
	}
	return times(ctx, s, out)
}

// agent starts an agent with a table of rows.
func agent(rows int) (*snmptest.Server, error) {
	served := snmptest.Objects{"1.3.6.1.2.1.1.3.0": snmptest.Uptime(), "1.3.6.1.4.1.8072.9999.1.0": snmptest.Text("the end")}
	for row := range rows {
		cells := make(map[uint32]snmptest.Object, columns)
		for column := range uint32(columns) {
			cells[column+1] = snmptest.Counter32(uint32(row)*1_000_003 + column)
		}
		served.Row(table, strconv.Itoa(row+1), cells)
	}
	mib, err := snmptest.NewMIB(served)
	if err != nil {
		return nil, err
	}
	return snmptest.Start(snmptest.Config{MIB: mib})
}

// serve is an agent until ctx or the input ends.
func serve(ctx context.Context, rows int, out io.Writer) error {
	server, err := agent(rows)
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

// client is one way to read a table.
type client struct {
	name  string
	title string
	// read reads what lies below root some times, and returns how many objects
	// that were. Programs of others are nil.
	read func(ctx context.Context, address, root string, columns, times int) (int, error)
}

var clients = []client{
	{"walk", "fieldtap, Agent.Walk", readWalk},
	{"table", "fieldtap, Source, to samples", readTable},
	{"gosnmp", "gosnmp v1.47.0, BulkWalk", readGosnmp},
	{"snmpbulkwalk", "Net-SNMP, snmpbulkwalk", nil},
}

func names() (list []string) {
	for _, c := range clients {
		list = append(list, c.name)
	}
	return list
}

func readWalk(ctx context.Context, address, root string, columns, times int) (int, error) {
	a, err := snmp.NewAgent(snmp.AgentConfig{Address: address, Community: "public", MaxObjects: 1 << 30})
	if err != nil {
		return 0, err
	}
	defer a.Close()
	count := 0
	for range times {
		for _, c := range below(root, columns) {
			for v, err := range a.Walk(ctx, snmp.OID(c)) {
				if err != nil {
					return 0, err
				}
				if _, ok := v.Uint64(); !ok {
					return 0, fmt.Errorf("%s is no counter", v)
				}
				count++
			}
		}
	}
	return count, nil
}

// below returns the columns of a table, or all of what lies below a root.
func below(root string, columns int) []string {
	if columns == 0 {
		return []string{root}
	}
	var list []string
	for c := range columns {
		list = append(list, root+"."+strconv.Itoa(c+1))
	}
	return list
}

func readTable(ctx context.Context, address, root string, columns, times int) (int, error) {
	if columns == 0 {
		columns = 17
	}
	cols := make([]snmp.Point, columns)
	for i, c := range below(root, columns) {
		cols[i] = snmp.Point{Name: strconv.Itoa(i), OID: snmp.OID(c), Type: snmp.Counter32}
	}
	source, err := snmp.NewSource(snmp.Config{
		Address: address, Community: "public", Catalog: acquire.NewCatalog(), Interval: -1,
		Tables: []snmp.Table{{Name: "{index}", Columns: cols}},
	})
	if err != nil {
		return 0, err
	}
	stream, err := source.Open(ctx)
	if err != nil {
		return 0, err
	}
	defer stream.Close()
	count := 0
	var b acquire.Batch
	for polls := 0; polls < times; {
		if err := stream.Next(ctx, &b); err != nil {
			return 0, err
		}
		for _, s := range b.Samples {
			if !s.Quality.IsGood() {
				return 0, fmt.Errorf("sample of quality %s", s.Quality)
			}
		}
		count += len(b.Samples)
		polls++
	}
	return count, nil
}

func readGosnmp(_ context.Context, address, root string, columns, times int) (int, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return 0, err
	}
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return 0, err
	}
	g := &gosnmp.GoSNMP{Target: host, Port: uint16(number), Community: "public", Version: gosnmp.Version2c, Timeout: 5 * time.Second, Retries: 1, MaxRepetitions: 50}
	if err := g.Connect(); err != nil {
		return 0, err
	}
	defer g.Conn.Close()
	count := 0
	for range times {
		for _, c := range below(root, columns) {
			err := g.BulkWalk(c, func(v gosnmp.SnmpPDU) error {
				if _, ok := v.Value.(uint); !ok {
					return fmt.Errorf("%s is no counter", v.Name)
				}
				count++
				return nil
			})
			if err != nil {
				return 0, err
			}
		}
	}
	return count, nil
}

// usage is what a turn of a client took.
type usage struct {
	Objects int
	CPU     float64 // seconds of processor time, system included
	Wall    float64 // seconds
	Allocs  uint64
}

func spent(who int) (float64, error) {
	var u syscall.Rusage
	err := syscall.Getrusage(who, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()).Seconds(), err
}

// beClient walks, and prints the usage as JSON.
func beClient(ctx context.Context, s settings, out io.Writer) error {
	i := slices.IndexFunc(clients, func(c client) bool { return c.name == s.client })
	if i < 0 {
		return fmt.Errorf("no client %q", s.client)
	}
	var u usage
	if clients[i].read == nil {
		for _, turn := range []struct {
			root string
			sign float64
		}{{table, 1}, {nothing, -1}} {
			before, _ := spent(syscall.RUSAGE_CHILDREN)
			start := time.Now()
			for range s.walks {
				lines, err := bulkwalk(ctx, s.address, turn.root)
				if err != nil {
					return err
				}
				if turn.sign > 0 {
					u.Objects += lines
				}
			}
			after, err := spent(syscall.RUSAGE_CHILDREN)
			if err != nil {
				return err
			}
			u.CPU += turn.sign * (after - before)
			u.Wall += turn.sign * time.Since(start).Seconds()
		}
		return json.NewEncoder(out).Encode(u)
	}
	if _, err := clients[i].read(ctx, s.address, table, 0, 1); err != nil { // warm
		return err
	}
	var heapBefore, heapAfter runtime.MemStats
	runtime.ReadMemStats(&heapBefore)
	before, err := spent(syscall.RUSAGE_SELF)
	if err != nil {
		return err
	}
	start := time.Now()
	if u.Objects, err = clients[i].read(ctx, s.address, table, 0, s.walks); err != nil {
		return err
	}
	u.Wall = time.Since(start).Seconds()
	after, err := spent(syscall.RUSAGE_SELF)
	u.CPU = after - before
	runtime.ReadMemStats(&heapAfter)
	u.Allocs = heapAfter.Mallocs - heapBefore.Mallocs
	return errors.Join(err, json.NewEncoder(out).Encode(u))
}

// bulkwalk runs Net-SNMP's tool once, and returns how many lines it printed.
func bulkwalk(ctx context.Context, address, root string) (int, error) {
	cmd := exec.CommandContext(ctx, "snmpbulkwalk", "-v2c", "-c", "public", "-m", "", "-Cr50", "-Onqt", address, "."+root)
	cmd.Env = append(os.Environ(), "MIBS=")
	text, err := cmd.Output()
	if err != nil {
		return 0, fmt.Errorf("snmpbulkwalk: %w", err)
	}
	return strings.Count(string(text), "\n"), nil
}

// costs gives each client its turns, and prints the medians.
func costs(ctx context.Context, s settings, out io.Writer) error {
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
	server := place(1, "-serve", strconv.Itoa(manyRows))
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
		return fmt.Errorf("the agent did not start: %w", err)
	}
	turns := make([][]usage, len(clients))
	for range s.rounds {
		for i, c := range clients {
			turn := place(0, "-client", c.name, "-address", strings.TrimSpace(address), "-walks", strconv.Itoa(s.walks))
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
			if want := s.walks * manyRows * columns; u.Objects != want {
				return fmt.Errorf("%s read %d objects, want %d", c.name, u.Objects, want)
			}
			turns[i] = append(turns[i], u)
		}
	}
	fmt.Fprintf(out, "A table of %d rows and %d columns; medians of %d turns of %d walks.\n\n", manyRows, columns, s.rounds, s.walks)
	fmt.Fprintln(out, "| client | CPU µs/object | ÷ snmpbulkwalk | ÷ gosnmp | objects/s | allocations/object |")
	fmt.Fprintln(out, "|---|---:|---:|---:|---:|---:|")
	ratio := func(i int, name string) float64 {
		k := slices.IndexFunc(clients, func(c client) bool { return c.name == name })
		values := make([]float64, s.rounds)
		for r := range values {
			values[r] = turns[i][r].CPU / turns[k][r].CPU
		}
		return median(values)
	}
	for i, c := range clients {
		m := func(f func(usage) float64) float64 {
			values := make([]float64, len(turns[i]))
			for k, u := range turns[i] {
				values[k] = f(u)
			}
			return median(values)
		}
		allocs := "-"
		if c.read != nil {
			allocs = fmt.Sprintf("%.3f", m(func(u usage) float64 { return float64(u.Allocs) / float64(u.Objects) }))
		}
		fmt.Fprintf(out, "| %s | %.2f | %.2f | %.2f | %.0f | %s |\n", c.title, m(func(u usage) float64 { return 1e6 * u.CPU / float64(u.Objects) }),
			ratio(i, "snmpbulkwalk"), ratio(i, "gosnmp"), m(func(u usage) float64 { return float64(u.Objects) / u.Wall }), allocs)
	}
	return nil
}

func median(values []float64) float64 {
	slices.Sort(values)
	return values[len(values)/2]
}

// times reads a table over a long line, and prints the medians.
func times(ctx context.Context, s settings, out io.Writer) error {
	server, err := agent(farRows)
	if err != nil {
		return err
	}
	defer server.Close()
	server.SetLatency(latency)
	fmt.Fprintf(out, "\n%d columns of %d rows, %s away; medians of %d turns, after a first one.\n\n", farColumns, farRows, latency, s.rounds)
	fmt.Fprintln(out, "| client | ms |")
	fmt.Fprintln(out, "|---|---:|")
	for _, c := range clients {
		if c.read == nil {
			continue
		}
		var took []float64
		// The first table is read again and again by one session: what it learns is part
		// of what it costs afterwards.
		first, err := timed(ctx, c, server.Address(), 1)
		if err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
		for range s.rounds {
			more, err := timed(ctx, c, server.Address(), 3)
			if err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
			took = append(took, float64((more-first).Milliseconds())/2)
		}
		fmt.Fprintf(out, "| %s | %.0f |\n", c.title, median(took))
	}
	return nil
}

func timed(ctx context.Context, c client, address string, times int) (time.Duration, error) {
	start := time.Now()
	n, err := c.read(ctx, address, table, farColumns, times)
	if err == nil && n != times*farRows*farColumns {
		err = fmt.Errorf("read %d objects", n)
	}
	return time.Since(start), err
}
