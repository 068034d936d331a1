package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync/atomic"

	"github.com/gosnmp/gosnmp"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/drivers/snmp"
	"github.com/fieldtap/fieldtap/units"
)

// What the traps are: upsTrapOnBattery of RFC 1628.
const (
	trapOnBattery    = "1.3.6.1.2.1.33.2.1"
	estimatedMinutes = "1.3.6.1.2.1.33.1.2.3"
	secondsOnBattery = "1.3.6.1.2.1.33.1.2.2"
	lowBattTime      = "1.3.6.1.2.1.33.1.9.7"
)

// receivers say "ready" when they listen, receive until their input ends, and say how
// much, with a remark.
var receivers = map[string]func(ctx context.Context, address string, out io.Writer) error{
	"fieldtap": receiveFieldtap,
	"gosnmp":   receiveGosnmp,
}

// untilInputEnds returns a context that ends when the input does.
func untilInputEnds(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin) // its end is what matters
		cancel()
	}()
	return ctx, cancel
}

func receiveFieldtap(ctx context.Context, address string, out io.Writer) error {
	ctx, cancel := untilInputEnds(ctx)
	defer cancel()
	listener, err := snmp.NewTrapListener(snmp.TrapConfig{
		Address: address, Communities: []acquire.Secret{"public"}, Catalog: acquire.NewCatalog(),
		Rules: []snmp.TrapRule{{Name: "{agent}/on battery", Trap: trapOnBattery, Points: []snmp.Point{
			{Name: "remaining", OID: estimatedMinutes, Type: snmp.Int32, Unit: units.Minute},
			{Name: "elapsed", OID: secondsOnBattery, Type: snmp.Int32, Unit: units.Second},
			{Name: "low", OID: lowBattTime, Type: snmp.Int32, Unit: units.Minute},
		}}},
	})
	if err != nil {
		return err
	}
	stream, err := listener.Open(ctx)
	if err != nil {
		return err
	}
	defer stream.Close()
	fmt.Fprintln(out, "ready")
	samples, lost := 0, uint64(0)
	for b, err := range acquire.Batches(ctx, stream) {
		if err != nil {
			if !errors.Is(err, context.Canceled) {
				return err
			}
			break
		}
		samples += len(b.Samples)
		lost += b.Lost
	}
	c := listener.Counters()
	fmt.Fprintf(out, "%d %d samples; dropped %d, by the kernel %d, refused %d\n", c.Matched, samples, c.Dropped, c.KernelDrops, c.Refused())
	return nil
}

func receiveGosnmp(ctx context.Context, address string, out io.Writer) error {
	ctx, cancel := untilInputEnds(ctx)
	defer cancel()
	var received atomic.Int64
	listener := gosnmp.NewTrapListener()
	listener.Params = &gosnmp.GoSNMP{Version: gosnmp.Version2c, Community: "public"}
	listener.OnNewTrap = func(*gosnmp.SnmpPacket, *net.UDPAddr) { received.Add(1) }
	failed := make(chan error, 1)
	go func() { failed <- listener.Listen(address) }()
	select {
	case err := <-failed:
		return err
	case <-listener.Listening():
	}
	fmt.Fprintln(out, "ready")
	<-ctx.Done()
	fmt.Fprintln(out, received.Load(), "-")
	return nil
}
