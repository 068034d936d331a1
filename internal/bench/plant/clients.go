package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	goburrow "github.com/goburrow/modbus"
	"github.com/influxdata/telegraf"
	"github.com/influxdata/telegraf/logger"
	"github.com/influxdata/telegraf/metric"
	input "github.com/influxdata/telegraf/plugins/inputs/modbus"
	"github.com/influxdata/toml"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/drivers/modbus"
)

// client is one way to poll the devices until ctx ends.
type client struct {
	protocol string
	name     string
	title    string
	poll     func(ctx context.Context, s settings, l *log) error
}

var clients = []client{
	{"modbus", "fieldtap", "fieldtap, merged, samples", pollFieldtap},
	{"modbus", "goburrow", "goburrow v0.1.0, bytes", pollGoburrow},
	{"modbus", "telegraf", "Telegraf v1.37.2 inputs.modbus, metrics", pollTelegraf},
	{"snmp", "fieldtap", "fieldtap, merged, samples", pollAgents},
	{"snmp", "gosnmp", "gosnmp, variables", pollGosnmp},
	{"snmp", "telegraf", "Telegraf v1.37.2 inputs.snmp, metrics", pollTelegrafAgents},
}

func names() (list []string) {
	for _, c := range clients {
		if !slices.Contains(list, c.name) {
			list = append(list, c.name)
		}
	}
	return list
}

// pollFieldtap reads all devices from one stream. Each source is opened at its share
// of the first period.
func pollFieldtap(ctx context.Context, s settings, l *log) error {
	catalog := acquire.NewCatalog()
	sources := make([]acquire.Source, s.devices)
	device := make(map[acquire.PointID]int)
	for d := range sources {
		points := make([]modbus.Point, registers)
		for r := range points {
			points[r] = modbus.Point{Name: fmt.Sprintf("%d/%d", d, r), At: modbus.Holding(uint16(r)), Type: modbus.Uint16}
		}
		src, err := modbus.NewSource(modbus.Config{
			Name: fmt.Sprint("device ", d), Address: s.address, Unit: 1, Catalog: catalog, Points: points, Interval: s.period,
		})
		if err != nil {
			return err
		}
		device[src.Points()[0]] = d
		sources[d] = delayed{src, fraction(s, d)}
	}
	return follow(ctx, sources, func(b *acquire.Batch) {
		last := b.Samples[len(b.Samples)-1]
		good := len(b.Samples) == registers && last.Quality.IsGood() && last.Value == acquire.Uint64(registers)
		l.note(device[b.Points[0]], good)
	})
}

// follow reads all sources from one stream.
func follow(ctx context.Context, sources []acquire.Source, took func(b *acquire.Batch)) error {
	plant, err := acquire.Merge(sources...)
	if err != nil {
		return err
	}
	stream, err := plant.Open(ctx)
	if err != nil {
		return err
	}
	defer stream.Close()
	var b acquire.Batch
	for {
		if err := stream.Next(ctx, &b); err != nil {
			return err
		}
		if len(b.Samples) == 0 {
			continue
		}
		took(&b)
	}
}

// fraction is the share of the first period after which a device begins.
func fraction(s settings, device int) time.Duration {
	return s.period * time.Duration(device) / time.Duration(s.devices)
}

// delayed is a source opened some time later.
type delayed struct {
	acquire.Source
	by time.Duration
}

func (d delayed) Open(ctx context.Context) (acquire.Stream, error) {
	select {
	case <-time.After(d.by):
		return d.Source.Open(ctx)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// eachWithTicker runs poll for each device once a period, each on a goroutine of its
// own that begins at its share of the first period.
func eachWithTicker(ctx context.Context, s settings, l *log, connect func(device int) (poll func() (good bool, err error), err error)) error {
	var all sync.WaitGroup
	failed := make(chan error, s.devices)
	for d := range s.devices {
		all.Go(func() {
			select {
			case <-time.After(fraction(s, d)):
			case <-ctx.Done():
				return
			}
			poll, err := connect(d)
			if err != nil {
				failed <- err
				return
			}
			ticker := time.NewTicker(s.period)
			defer ticker.Stop()
			for {
				good, err := poll()
				if err != nil {
					failed <- err
					return
				}
				l.note(d, good)
				select {
				case <-ticker.C:
				case <-ctx.Done():
					return
				}
			}
		})
	}
	all.Wait()
	select {
	case err := <-failed:
		return err
	default:
		return ctx.Err()
	}
}

func pollGoburrow(ctx context.Context, s settings, l *log) error {
	return eachWithTicker(ctx, s, l, func(int) (func() (bool, error), error) {
		handler := goburrow.NewTCPClientHandler(s.address)
		handler.SlaveId = 1
		if err := handler.Connect(); err != nil {
			return nil, err
		}
		stock := goburrow.NewClient(handler)
		return func() (bool, error) {
			data, err := stock.ReadHoldingRegisters(0, registers)
			return len(data) == 2*registers && binary.BigEndian.Uint16(data[len(data)-2:]) == registers, err
		}, nil
	})
}

// pollTelegraf gathers as Telegraf's agent does: a goroutine and a ticker for each
// plugin.
func pollTelegraf(ctx context.Context, s settings, l *log) error {
	var text strings.Builder
	fmt.Fprintf(&text, "name = \"device\"\ncontroller = \"tcp://%s\"\nconfiguration_type = \"request\"\n", s.address)
	text.WriteString("[[request]]\nslave_id = 1\nregister = \"holding\"\nbyte_order = \"ABCD\"\nfields = [\n")
	for r := range registers {
		fmt.Fprintf(&text, "{ address=%d, name=\"r%d\", type=\"UINT16\" },\n", r, r)
	}
	text.WriteString("]\n")
	if err := logger.SetupLogging(&logger.Config{Quiet: true}); err != nil {
		return err
	}
	return eachWithTicker(ctx, s, l, func(int) (func() (bool, error), error) {
		plugin := &input.Modbus{Log: logger.New("inputs", "modbus", "")}
		if err := toml.Unmarshal([]byte(text.String()), plugin); err != nil {
			return nil, err
		}
		if err := plugin.Init(); err != nil {
			return nil, err
		}
		var got gathered
		return func() (bool, error) {
			got = gathered{}
			err := plugin.Gather(&got)
			return got.fields == registers && got.err == nil, err
		}, nil
	})
}

// gathered is an accumulator that makes metrics, as the agent's does, and counts
// their fields.
type gathered struct {
	fields int
	err    error
}

func (g *gathered) add(name string, fields map[string]interface{}, tags map[string]string, t []time.Time) {
	at := time.Now()
	if len(t) > 0 {
		at = t[0]
	}
	g.fields += len(metric.New(name, tags, fields, at).FieldList())
}

func (g *gathered) AddFields(name string, fields map[string]interface{}, tags map[string]string, t ...time.Time) {
	g.add(name, fields, tags, t)
}

func (g *gathered) AddGauge(name string, fields map[string]interface{}, tags map[string]string, t ...time.Time) {
	g.add(name, fields, tags, t)
}

func (g *gathered) AddCounter(name string, fields map[string]interface{}, tags map[string]string, t ...time.Time) {
	g.add(name, fields, tags, t)
}

func (g *gathered) AddSummary(name string, fields map[string]interface{}, tags map[string]string, t ...time.Time) {
	g.add(name, fields, tags, t)
}

func (g *gathered) AddHistogram(name string, fields map[string]interface{}, tags map[string]string, t ...time.Time) {
	g.add(name, fields, tags, t)
}

func (g *gathered) AddMetric(m telegraf.Metric)                   { g.fields += len(m.FieldList()) }
func (g *gathered) SetPrecision(time.Duration)                    {}
func (g *gathered) AddError(err error)                            { g.err = err }
func (g *gathered) WithTracking(int) telegraf.TrackingAccumulator { return nil }
