// Command aggregate measures package aggregate beside its peers on the same rows
// and prints what it saw as a Markdown table. From its own directory:
//
//	go run .
//
// The work is that of an energy bill: the kWh and the largest quarter hour of
// 10,000 meters, read every ten seconds, 50 million rows in the order of time.
//
//   - fieldtap Bank: the rows as columns through an aggregate.Bank, 10,000 a call;
//   - fieldtap Router: the rows as samples through an aggregate.Router, as they come
//     from a Stream, the filling of the batches included;
//   - DuckDB: the identical question in SQL over a table in memory, a trapezoid
//     between neighbours by window function; its results must be ours;
//   - DuckDB, bare scan: every row read once, for scale;
//   - Telegraf basicstats and derivative: the nearest that its aggregators do,
//     over fewer rows. Neither yields kWh or a block demand. Building the metrics is
//     not counted.
//
// Each engine accounts for the processor time of the process while it works. The
// engines take turns; the figures are medians over the rounds. It needs about 8 GB
// of memory and a C++ library, which the DuckDB module brings along.
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
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "aggregate:", err)
		os.Exit(1)
	}
}

// settings are the flags.
type settings struct {
	meters, each, telegraf int
	rounds, threads        int
}

func run(ctx context.Context, args []string, out io.Writer) error {
	var set settings
	flags := flag.NewFlagSet("aggregate", flag.ContinueOnError)
	flags.IntVar(&set.meters, "meters", 10000, "number of meters")
	flags.IntVar(&set.each, "each", 5000, "readings of each meter")
	flags.IntVar(&set.telegraf, "telegraf", 90, "readings of each meter for Telegraf")
	flags.IntVar(&set.rounds, "rounds", 5, "rounds")
	flags.IntVar(&set.threads, "threads", runtime.NumCPU(), "threads of DuckDB")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if set.meters < 1 || set.each < 2 || set.telegraf < 1 || set.rounds < 1 || set.threads < 1 {
		return errors.New("a count is too small")
	}
	engines, worst, err := measure(ctx, set)
	if err != nil {
		return err
	}
	report(out, set, engines, worst)
	return nil
}

// engine is one contestant and what its rounds took.
type engine struct {
	name   string
	rows   int
	result []bill                             // nil = it yields none
	work   func(bills []bill) error           // one round
	ready  func() (func([]bill) error, error) // makes work afresh before each round, outside the clock; may be nil

	cpu, wall []time.Duration
	mallocs   []uint64
}

// round runs and accounts for one round.
func (e *engine) round() error {
	if e.ready != nil {
		work, err := e.ready()
		if err != nil {
			return err
		}
		e.work = work
	}
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	cpu, wall := processorTime(), time.Now()
	if err := e.work(e.result); err != nil {
		return fmt.Errorf("%s: %w", e.name, err)
	}
	e.cpu, e.wall = append(e.cpu, processorTime()-cpu), append(e.wall, time.Since(wall))
	runtime.ReadMemStats(&after)
	e.mallocs = append(e.mallocs, after.Mallocs-before.Mallocs)
	return nil
}

// processorTime returns what this process has used, in all its threads.
func processorTime() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

func measure(ctx context.Context, set settings) (engines []*engine, worst float64, err error) {
	all := newRows(set.meters, set.each)
	few := newRows(set.meters, min(set.telegraf, set.each))
	metrics := newMetrics(few)
	db, err := openDatabase(ctx, set.meters, set.each, set.threads)
	if err != nil {
		return nil, 0, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()

	n := len(all.at)
	bank := &engine{name: "fieldtap Bank", rows: n, result: make([]bill, set.meters), ready: func() (func([]bill) error, error) {
		b, err := newBank(set.meters)
		return func(bills []bill) error { return b.bills(all, bills) }, err
	}}
	router := &engine{name: "fieldtap Router", rows: n, result: make([]bill, set.meters), ready: func() (func([]bill) error, error) {
		r, err := newRouter(set.meters)
		return func(bills []bill) error { r.observe(all); r.bills(bills); return nil }, err
	}}
	sql := &engine{name: "DuckDB " + db.version + ", the same query", rows: n, result: make([]bill, set.meters), work: func(bills []bill) error {
		return db.bills(ctx, bills)
	}}
	scan := &engine{name: "DuckDB, bare scan", rows: n, work: func([]bill) error { return db.scan(ctx) }}
	engines = []*engine{bank, router, sql, scan}
	for _, name := range []string{"basicstats", "derivative"} {
		engines = append(engines, &engine{name: "Telegraf 1.37.2 " + name, rows: len(metrics), ready: func() (func([]bill) error, error) {
			plugin, err := newAggregator(name)
			return func([]bill) error {
				for _, m := range metrics {
					plugin.Add(m)
				}
				return nil
			}, err
		}})
	}
	for range set.rounds {
		for _, e := range engines {
			if err := ctx.Err(); err != nil {
				return nil, 0, err
			}
			if err := e.round(); err != nil {
				return nil, 0, err
			}
		}
		for _, e := range []*engine{router, sql} {
			difference, err := compare(bank.result, e.result)
			if err != nil {
				return nil, 0, err
			}
			worst = max(worst, difference)
		}
		if worst > tolerance {
			return nil, 0, fmt.Errorf("results differ by %g of the whole", worst)
		}
	}
	return engines, worst, nil
}

// tolerance is how far the sums of a database in float64 may be from ours.
const tolerance = 1e-9

func report(out io.Writer, set settings, engines []*engine, worst float64) {
	base := engines[0]
	fmt.Fprintf(out, "%d meters, %d readings each, %d rounds, %s, DuckDB with %d threads; %.6f kWh\n", set.meters, set.each, set.rounds, runtime.Version(), set.threads, total(base.result))
	fmt.Fprintf(out, "largest difference of any meter's kWh or peak between the engines: %.1e of the whole\n\n", worst)
	fmt.Fprintf(out, "| engine | rows | CPU ns/row | ÷ %s | wall ns/row | allocs/row |\n|---|---:|---:|---:|---:|---:|\n", base.name)
	for _, e := range engines {
		var ratios []float64
		for i := range e.cpu {
			ratios = append(ratios, perRow(e.cpu[i], e.rows)/perRow(base.cpu[i], base.rows))
		}
		fmt.Fprintf(out, "| %s | %d | %.2f | %.1f | %.2f | %.2f |\n", e.name, e.rows,
			perRow(median(e.cpu), e.rows), median(ratios), perRow(median(e.wall), e.rows), float64(median(e.mallocs))/float64(e.rows))
	}
}

func perRow(d time.Duration, rows int) float64 { return float64(d) / float64(rows) }

func median[T int | uint64 | float64 | time.Duration](of []T) T {
	sorted := slices.Sorted(slices.Values(of))
	return sorted[len(sorted)/2]
}
