package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"strings"
	"time"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/aggregate"
	"github.com/fieldtap/fieldtap/drivers/replay"
)

// meter plays captures through meters and writes their intervals.
func (c console) meter(ctx context.Context, flags *flag.FlagSet, args []string) error {
	var (
		sel    selection
		meters []aggregate.Metering
	)
	sel.define(flags)
	pace := flags.Float64("pace", 0, "how many seconds of the capture a second; 0: as fast as it is read")
	flags.Func("meter", "a `meter`: name=N,power=POINT,reactive=POINT,import=POINT,export=POINT,rule=left|trapezoid,demand=15m, "+
		"of which one point is enough", func(text string) error {
		m, err := parseMeter(text)
		meters = append(meters, m)
		return err
	})
	names, err := files(flags, args, 1, 0)
	if err != nil {
		return err
	}
	if len(meters) == 0 {
		return errors.New("meter: no -meter")
	}
	source, err := replay.NewSource(replay.Config{Files: names, Pace: replay.Times(*pace), From: sel.from, To: sel.to, Select: sel.selects()})
	if err != nil {
		return err
	}
	if err := sel.known(source.Catalog()); err != nil {
		return err
	}
	router, err := aggregate.NewRouter(source.Catalog(), meters...)
	if err != nil {
		return err
	}
	stream, err := source.Open(ctx)
	if err != nil {
		return err
	}
	defer stream.Close()
	bar := c.progress()
	defer bar.end()
	show := func(intervals []aggregate.Interval) {
		for _, iv := range intervals {
			bar.end()
			fmt.Fprintln(c.out, iv)
		}
	}
	for b, failed := range acquire.Batches(ctx, stream) {
		if failed != nil { // of a damaged capture, after all that could be read
			err = failed
			break
		}
		show(router.Observe(b))
		bar.add(len(b.Samples))
	}
	show(router.Flush(nil))
	return err
}

// parseMeter reads a meter as the flag -meter has it.
func parseMeter(text string) (aggregate.Metering, error) {
	m := aggregate.Metering{Name: "meter"}
	for _, field := range strings.Split(text, ",") {
		key, value, ok := strings.Cut(field, "=")
		if !ok {
			return m, fmt.Errorf("%q is not KEY=VALUE", field)
		}
		switch key {
		case "name":
			m.Name = value
		case "power":
			m.Power = value
		case "reactive":
			m.ReactivePower = value
		case "import":
			m.Import = value
		case "export":
			m.Export = value
		case "rule":
			switch value {
			case "left":
				m.Rule = aggregate.HoldLeft
			case "trapezoid":
				m.Rule = aggregate.Trapezoid
			default:
				return m, fmt.Errorf("rule %q is none of left, trapezoid", value)
			}
		case "demand":
			d, err := time.ParseDuration(value)
			if err != nil {
				return m, err
			}
			m.Demand = aggregate.Block(d)
		default:
			return m, fmt.Errorf("no key %q", key)
		}
	}
	return m, nil
}
