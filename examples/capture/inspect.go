package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"text/tabwriter"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/acquire/capture"
)

// tally is what info says of a point.
type tally struct {
	samples, bad uint64
	first, last  acquire.Instant // of the times of its samples
}

// info says what is in captures: their span, how whole they are, and each point.
func (c console) info(ctx context.Context, flags *flag.FlagSet, args []string) error {
	names, err := files(flags, args, 1, 0)
	if err != nil {
		return err
	}
	var flaws []error
	for _, name := range names {
		flaws = append(flaws, c.infoOf(ctx, name))
	}
	return errors.Join(flaws...)
}

func (c console) infoOf(ctx context.Context, name string) error {
	bar := c.progress()
	defer bar.end()
	cat := acquire.NewCatalog()
	events := make(map[capture.EventKind]int)
	in, err := open(name, cat, selection{}, func(ev capture.Event) { events[ev.Kind]++ }, bar)
	if err != nil {
		return err
	}
	defer in.close()
	var (
		first, last acquire.Instant // arrivals
		batches     uint64
		points      []tally // by id
	)
	err = copyAll(ctx, writer(func(b *acquire.Batch) error {
		batches++
		if b.Received != 0 {
			if first == 0 {
				first = b.Received
			}
			last = b.Received
		}
		for _, s := range b.Samples {
			for int(s.Point) >= len(points) {
				points = append(points, tally{})
			}
			p := &points[s.Point]
			p.samples++
			if !s.Quality.IsGood() {
				p.bad++
			}
			if p.first == 0 {
				p.first = s.Time
			}
			p.last = s.Time
		}
		return nil
	}), in, bar)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	bar.end()
	fmt.Fprintf(c.out, "%s\n", name)
	if in.reader != nil {
		fmt.Fprintf(c.out, "  %s\n", in.reader.Report())
		if stat, err := os.Stat(name); err == nil && in.reader.Report().Samples > 0 {
			fmt.Fprintf(c.out, "  %d bytes, %.2f a sample\n", stat.Size(), float64(stat.Size())/float64(in.reader.Report().Samples))
		}
	}
	fmt.Fprintf(c.out, "  %d batches from %s to %s, %s\n", batches, first, last, last.Sub(first))
	for kind := capture.Opened; kind <= capture.Gap; kind++ {
		if events[kind] > 0 {
			fmt.Fprintf(c.out, "  %d times %s\n", events[kind], kind)
		}
	}
	table := tabwriter.NewWriter(c.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "  point\tunit\tkind\trole\tsamples\tnot good\tfirst\tlast")
	for id, p := range cat.After(0) {
		var t tally
		if int(id) < len(points) {
			t = points[id]
		}
		fmt.Fprintf(table, "  %s\t%s\t%s\t%s\t%d\t%d\t%s\t%s\n", p.Name, p.Unit, p.Kind, p.Role, t.samples, t.bad, t.first, t.last)
	}
	if len(points) > 0 && points[0].samples > 0 { // of no point: their descriptions are lost
		fmt.Fprintf(table, "  (no name)\t\t\t\t%d\t%d\t%s\t%s\n", points[0].samples, points[0].bad, points[0].first, points[0].last)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	return in.flaws()
}

// writer makes a BatchWriter of a function.
type writer func(*acquire.Batch) error

func (w writer) Write(b *acquire.Batch) error { return w(b) }

// cat writes the samples of captures, one capture after the other.
func (c console) cat(ctx context.Context, flags *flag.FlagSet, args []string) error {
	var sel selection
	sel.define(flags)
	form := flags.String("as", "text", "`form`: text, csv, jsonl")
	names, err := files(flags, args, 1, 0)
	if err != nil {
		return err
	}
	var bar *progress // samples on the same terminal show progress enough
	if f, ok := c.out.(*os.File); ok && !terminal(f) {
		bar = c.progress()
		defer bar.end()
	}
	cat := acquire.NewCatalog()
	out, err := newText(*form, c.out, nil, cat)
	if err != nil {
		return err
	}
	var flaws []error
	for _, name := range names {
		flaws = append(flaws, pour(ctx, out, name, cat, sel, bar))
	}
	return errors.Join(append(flaws, out.Close(), sel.known(cat))...)
}

// verify reads all of each capture and says whether it is whole, and if not, where
// it is damaged.
func (c console) verify(ctx context.Context, flags *flag.FlagSet, args []string) error {
	names, err := files(flags, args, 1, 0)
	if err != nil {
		return err
	}
	bar := c.progress()
	defer bar.end()
	bad := 0
	for _, name := range names {
		whole, err := c.verifyOf(ctx, name, bar)
		if err != nil {
			return err
		}
		if !whole {
			bad++
		}
	}
	if bad > 0 {
		return fmt.Errorf("%d of %d not whole", bad, len(names))
	}
	return nil
}

func (c console) verifyOf(ctx context.Context, name string, bar *progress) (whole bool, err error) {
	in, err := open(name, acquire.NewCatalog(), selection{}, nil, bar)
	if err != nil {
		if errors.Is(err, capture.ErrFormat) {
			fmt.Fprintln(c.out, err)
			return false, nil
		}
		return false, err
	}
	defer in.close()
	var wrong *capture.SyntaxError
	err = copyAll(ctx, writer(func(*acquire.Batch) error { return nil }), in, bar)
	bar.end()
	switch {
	case errors.As(err, &wrong):
		fmt.Fprintf(c.out, "%s: %v\n", name, err)
		return false, nil
	case err != nil:
		return false, fmt.Errorf("%s: %w", name, err)
	case in.reader == nil:
		fmt.Fprintf(c.out, "%s: clean\n", name)
		return true, nil
	}
	report := in.reader.Report()
	fmt.Fprintf(c.out, "%s: %s\n", name, report)
	for _, d := range report.Damage {
		fmt.Fprintf(c.out, "  %s\n", d)
	}
	if report.MoreDamage > 0 {
		fmt.Fprintf(c.out, "  and %d more\n", report.MoreDamage)
	}
	return report.Clean() && report.Nameless == 0, nil
}

// pour writes a file with its events to out, and returns what was wrong with it.
func pour(ctx context.Context, out output, name string, cat *acquire.Catalog, sel selection, bar *progress) error {
	var failed error
	in, err := open(name, cat, sel, func(ev capture.Event) {
		if err := out.Event(ev); err != nil && failed == nil {
			failed = err
		}
	}, bar)
	if err != nil {
		return err
	}
	if err := copyAll(ctx, out, in, bar); err != nil {
		return errors.Join(fmt.Errorf("%s: %w", name, err), in.close())
	}
	return errors.Join(failed, in.flaws(), in.close())
}
