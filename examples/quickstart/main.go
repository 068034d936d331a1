// Quickstart shows the whole way from the wire to kWh, without hardware: it
// serves a simulated plant on loopback sockets, acquires its three meters over
// Modbus/TCP, the UPS and PDU of its server room over SNMP version 3 and the
// machines of its hall over OPC UA in one merged stream, meters them, and in the end
// compares what it found with what the plant knows to be true.
//
//	go run ./examples/quickstart            a table that lives for 15 s, then the summary
//	go run ./examples/quickstart -for 1m    longer; Ctrl-C ends it early and cleanly
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"time"

	"github.com/fieldtap/fieldtap/acquire"
)

type options struct {
	length   time.Duration // how long to acquire
	interval time.Duration // from poll to poll
	demand   time.Duration // length of a demand interval
	live     bool          // redraw a table, as a terminal allows
}

func main() {
	var o options
	flag.DurationVar(&o.length, "for", 15*time.Second, "how long to acquire")
	flag.DurationVar(&o.interval, "interval", 250*time.Millisecond, "time from poll to poll")
	flag.DurationVar(&o.demand, "demand", 5*time.Second, "length of a demand interval, in whole seconds")
	plain := flag.Bool("plain", false, "plain lines, no table")
	flag.Parse()
	o.live = !*plain && terminal(os.Stdout)

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, o, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "quickstart:", err)
		os.Exit(1)
	}
}

// run acquires the plant until o.length is over or ctx ends, and judges it.
func run(ctx context.Context, o options, out io.Writer) (err error) {
	site, err := newSite(o.interval, o.demand)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, site.close()) }()

	ctx, cancel := context.WithTimeout(ctx, o.length)
	defer cancel()
	stream, err := site.source.Open(ctx)
	if err != nil {
		return err
	}
	defer stream.Close()

	screen := newScreen(out, site, o.live)
	for batch, err := range acquire.Batches(ctx, stream) {
		if err != nil {
			if ctx.Err() == nil {
				return err
			}
			break // time is up, or Ctrl-C
		}
		for _, d := range site.devices {
			d.observe(batch)
		}
		site.room.observe(batch)
		site.hall.observe(batch)
		for _, interval := range site.router.Observe(batch) {
			screen.interval(interval)
		}
		screen.refresh()
	}
	for _, interval := range site.router.Flush(nil) {
		screen.interval(interval)
	}
	screen.finish()
	return summarise(out, site, o)
}

// terminal reports whether f is a terminal that takes cursor movements.
func terminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0 && os.Getenv("TERM") != "dumb"
}
