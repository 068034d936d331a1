package main

import (
	"context"
	"flag"
	"fmt"
	"math"
	"net/url"
	"strings"
	"sync"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/drivers/modbus/modbustest"
	"github.com/fieldtap/fieldtap/drivers/replay"
)

// simulator is a device that shows the latest values of a capture.
type simulator interface {
	// url is the address of all points, for the registry of drivers.
	url() string
	show(b *acquire.Batch) error
	Close() error
}

// serve plays captures as a device: one of Modbus whose input registers show the latest
// values, truth values as 0 and 1, an SNMP agent, or an OPC UA server. It prints the URL by
// which an acquire.Registry with the driver of the protocol reads it; examples/gateway is
// such a reader for Modbus.
func (c console) serve(ctx context.Context, flags *flag.FlagSet, args []string) error {
	var sel selection
	sel.define(flags)
	as := flags.String("as", "modbus", "protocol: modbus, snmp or opcua")
	address := flags.String("address", "127.0.0.1:0", "where to listen; port 0: any that is free")
	pace := flags.Float64("pace", 1, "how many seconds of the capture a second")
	loop := flags.Bool("loop", false, "begin anew at the end")
	names, err := files(flags, args, 1, 0)
	if err != nil {
		return err
	}
	start, ok := map[string]func(*replay.Source, string) (simulator, error){
		"modbus": startDevice, "snmp": startAgent, "opcua": startVariables,
	}[*as]
	if !ok {
		return fmt.Errorf("serve: -as %s is none of modbus, snmp and opcua", *as)
	}
	cfg := replay.Config{Files: names, Pace: replay.Times(*pace), From: sel.from, To: sel.to, Select: sel.selects()}
	if *loop {
		cfg.Loop = replay.Forever
	}
	source, err := replay.NewSource(cfg)
	if err != nil {
		return err
	}
	if err := sel.known(source.Catalog()); err != nil {
		return err
	}
	device, err := start(source, *address)
	if err != nil {
		return err
	}
	defer device.Close()
	fmt.Fprintln(c.out, device.url())

	stream, err := source.Open(ctx)
	if err != nil {
		return err
	}
	defer stream.Close()
	for b, err := range acquire.Batches(ctx, stream) {
		if err != nil {
			if ctx.Err() != nil {
				return nil // interrupted
			}
			return err
		}
		if err := device.show(b); err != nil {
			return err
		}
	}
	fmt.Fprintln(c.err, "the capture is over; its last values stay until you interrupt")
	<-ctx.Done()
	return nil
}

// device shows each point of a capture in four input registers, high word first.
type device struct {
	points []acquire.Point
	slot   map[acquire.PointID]int
	server *modbustest.Server

	mu     sync.RWMutex
	latest []acquire.Value // none: the reading failed, or there is none yet
}

// wide is how many registers a value takes.
const wide = 4

func startDevice(source *replay.Source, address string) (simulator, error) {
	d := &device{slot: make(map[acquire.PointID]int)}
	for _, id := range source.Points() {
		if p, ok := source.Catalog().Point(id); ok && p.Kind != acquire.KindText {
			d.slot[id] = len(d.points)
			d.points = append(d.points, p)
		}
	}
	if n := len(d.points); n == 0 || n*wide > 1<<16 {
		return nil, fmt.Errorf("serve: %d points that are no texts: a device has room for 1 to %d", n, 1<<16/wide)
	}
	d.latest = make([]acquire.Value, len(d.points))
	var err error
	d.server, err = modbustest.Start(modbustest.Config{Address: address, Units: map[byte]modbustest.Device{1: d}})
	return d, err
}

func (d *device) Close() error { return d.server.Close() }

func (d *device) url() string {
	var u strings.Builder
	fmt.Fprintf(&u, "modbus://%s/1?name=replay", d.server.Address())
	for i, p := range d.points {
		form := p.Kind.String()
		if p.Kind == acquire.KindBool {
			form = "uint64"
		}
		fmt.Fprintf(&u, "&point=%s,input:%d,%s", url.QueryEscape(p.Name), i*wide, form)
		if symbol := p.Unit.Symbol(); symbol != "" {
			fmt.Fprintf(&u, ",unit=%s", url.QueryEscape(symbol))
		}
		fmt.Fprintf(&u, ",role=%s", p.Role)
	}
	return u.String()
}

// show takes the values of a batch.
func (d *device) show(b *acquire.Batch) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, s := range b.Samples {
		i, ok := d.slot[s.Point]
		if !ok {
			continue
		}
		d.latest[i] = acquire.Value{}
		if s.Quality.IsGood() && s.Value.Kind() == d.points[i].Kind {
			d.latest[i] = s.Value
		}
	}
	return nil
}

// ReadBits refuses: there are none.
func (d *device) ReadBits(modbustest.Table, uint16, []bool) modbustest.Exception {
	return modbustest.IllegalFunction
}

// ReadRegisters answers an exception where the capture has no good value.
func (d *device) ReadRegisters(t modbustest.Table, addr uint16, dst []uint16) modbustest.Exception {
	if t != modbustest.InputRegisters || int(addr)+len(dst) > wide*len(d.points) {
		return modbustest.IllegalDataAddress
	}
	d.mu.RLock()
	defer d.mu.RUnlock()
	for i := range dst {
		at := int(addr) + i
		var word uint64
		switch v := d.latest[at/wide]; v.Kind() {
		case acquire.KindFloat64:
			f, _ := v.Float64()
			word = math.Float64bits(f)
		case acquire.KindInt64:
			n, _ := v.Int64()
			word = uint64(n)
		case acquire.KindUint64:
			word, _ = v.Uint64()
		case acquire.KindBool:
			if on, _ := v.Bool(); on {
				word = 1
			}
		default:
			return modbustest.ServerDeviceFailure
		}
		dst[i] = uint16(word >> (16 * (wide - 1 - at%wide)))
	}
	return 0
}
