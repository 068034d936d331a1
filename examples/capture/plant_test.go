package main

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"hash"
	"io"
	"math"
	"net"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/acquire/capture"
	"github.com/fieldtap/fieldtap/aggregate"
	"github.com/fieldtap/fieldtap/drivers/modbus"
	"github.com/fieldtap/fieldtap/drivers/modbus/modbustest"
	"github.com/fieldtap/fieldtap/drivers/replay"
	"github.com/fieldtap/fieldtap/drivers/snmp"
	"github.com/fieldtap/fieldtap/drivers/snmp/snmptest"
	"github.com/fieldtap/fieldtap/internal/plant"
	"github.com/fieldtap/fieldtap/internal/plant/modbusplant"
	"github.com/fieldtap/fieldtap/internal/plant/snmpplant"
	"github.com/fieldtap/fieldtap/units"
)

// TestReplayIsExact records the plant of the quickstart for a minute, its devices
// speaking Modbus and SNMP, one link cut on the way. What a program makes of each
// of 300 replays, at three paces, is byte for byte what it made of the plant.
func TestReplayIsExact(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const length = time.Minute
		name := filepath.Join(t.TempDir(), "plant.mcap")
		live, catalog, cut := plantSource(t)
		w, err := capture.Create(name, capture.Config{Catalog: catalog})
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), length)
		defer cancel()
		time.AfterFunc(length/2, cut)
		want := judge(t, ctx, capture.Record(live, w), catalog)
		require.NoError(t, w.Close())

		stats := w.Stats()
		require.Equal(t, want.count, stats.WrittenSamples)
		require.Greater(t, want.count, uint64(8_000))
		require.NotZero(t, want.bad, "the cut link is part of it")
		require.Greater(t, want.intervals, 4*5)

		started := time.Now()
		slowest := time.Duration(0)
		for range runs {
			for _, pace := range []replay.Pace{replay.AsRecorded, replay.Times(60), replay.AsFastAsRead} {
				source, err := replay.NewSource(replay.Config{Files: []string{name}, Pace: pace})
				require.NoError(t, err)
				began := time.Now()
				got := judge(t, t.Context(), source, source.Catalog())
				slowest = max(slowest, time.Since(began))
				require.Equal(t, want, got, "pace %v", pace)
			}
		}
		assert.InDelta(t, length.Seconds(), slowest.Seconds(), 1, "as recorded means in its time")
		t.Logf("%d samples (%d bad), %d intervals; %s of virtual time in %d replays", want.count, want.bad, want.intervals, time.Since(started), 3*runs)
	})
}

// verdict is all that a program makes of a stream.
type verdict struct {
	samples, results [sha256.Size]byte // of all samples, and of all intervals, totals included
	count, bad       uint64
	intervals        int
}

// judge reads src to its end, or that of ctx, and meters it.
func judge(t *testing.T, ctx context.Context, src acquire.Source, catalog *acquire.Catalog) verdict {
	t.Helper()
	var meters []aggregate.Metering
	for _, name := range []string{plant.Main, plant.Line, plant.Battery} {
		meters = append(meters, aggregate.Metering{Name: name, Power: name + "/P", Import: name + "/import", Export: name + "/export",
			Rule: aggregate.Trapezoid, Demand: aggregate.Block(10 * time.Second)})
	}
	meters = append(meters, aggregate.Metering{Name: "pdu", Power: "pdu/P", Rule: aggregate.Trapezoid, Demand: aggregate.Block(10 * time.Second)})
	router, err := aggregate.NewRouter(catalog, meters...)
	require.NoError(t, err)
	stream, err := src.Open(ctx)
	require.NoError(t, err)
	defer stream.Close()

	var (
		v       verdict
		b       acquire.Batch
		samples = sha256.New()
		results = sha256.New()
	)
	take := func(intervals []aggregate.Interval) {
		for i := range intervals {
			results.Write(append(intervals[i].Append(nil), intervals[i].Power.Import.Exact()...))
			results.Write([]byte(intervals[i].Registers.Import.Exact()))
			v.intervals++
		}
	}
	for {
		err := stream.Next(ctx, &b)
		if errors.Is(err, io.EOF) || ctx.Err() != nil {
			break
		}
		require.NoError(t, err)
		digest(samples, catalog, &b)
		for _, s := range b.Samples {
			v.count++
			if !s.Quality.IsGood() {
				v.bad++
			}
		}
		take(router.Observe(&b))
	}
	take(router.Flush(nil))
	state, err := router.MarshalBinary()
	require.NoError(t, err)
	results.Write(state)
	samples.Sum(v.samples[:0])
	results.Sum(v.results[:0])
	return v
}

// digest adds every bit of a batch. Points count by name: their numbers belong to
// the catalog.
func digest(h hash.Hash, catalog *acquire.Catalog, b *acquire.Batch) {
	word := binary.LittleEndian.AppendUint64
	out := word(word(word(nil, uint64(b.Received)), uint64(b.Watermark)), b.Lost)
	named := func(id acquire.PointID) {
		p, _ := catalog.Point(id)
		out = append(append(out, p.Name...), 0)
	}
	for _, id := range b.Points {
		named(id)
	}
	for _, s := range b.Samples {
		named(s.Point)
		out = word(word(out, uint64(s.Time)), uint64(s.Value.Kind())<<32|uint64(s.Quality))
		if text, ok := b.Text(s.Value); ok {
			out = append(out, text...)
		} else if f, ok := s.Value.Float64(); ok {
			out = word(out, math.Float64bits(f))
		} else {
			out = append(out, s.Value.String()...)
		}
	}
	h.Write(out)
}

// plantSource serves the plant in memory and returns what reads it, kept connected,
// and a function that cuts the link of the incomer.
func plantSource(t *testing.T) (src acquire.Source, catalog *acquire.Catalog, cut func()) {
	t.Helper()
	now := func() int64 { return time.Now().UnixNano() }
	simulated := plant.New(now())
	catalog = acquire.NewCatalog()
	var sources []acquire.Source
	add := func(src acquire.Source, err error) {
		require.NoError(t, err)
		sources = append(sources, acquire.Reconnect(src, acquire.Backoff{}))
	}

	server, err := modbustest.New(modbustest.Config{Units: modbusplant.Devices(simulated, now), PerRequest: 3 * time.Millisecond})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.Close()) })
	counter := func(name string, at modbus.Address, typ modbus.Type, order modbus.Order) modbus.Point {
		return modbus.Point{Name: name, At: at, Type: typ, Order: order, Unit: units.WattHour, Role: acquire.Counter}
	}
	for _, m := range []struct {
		name   string
		unit   byte
		points []modbus.Point
	}{
		{plant.Main, modbusplant.MainUnit, []modbus.Point{
			{Name: "main/P", At: modbus.Input(modbusplant.MainTotalActive), Type: modbus.Float32, Unit: units.Watt},
			{Name: "main/V", At: modbus.Input(modbusplant.MainVoltage), Type: modbus.Float32, Unit: units.Volt},
			counter("main/import", modbus.Input(modbusplant.MainImport), modbus.Uint32, modbus.ABCD),
			counter("main/export", modbus.Input(modbusplant.MainExport), modbus.Uint32, modbus.ABCD),
		}},
		{plant.Line, modbusplant.LineUnit, []modbus.Point{
			{Name: "line/P", At: modbus.Holding(modbusplant.LineTotalActive), Type: modbus.Int32, Order: modbus.CDAB, Scale: units.Scale{Den: 10}, Unit: units.Watt},
			counter("line/import", modbus.Holding(modbusplant.LineImport), modbus.Uint64, modbus.CDAB),
			counter("line/export", modbus.Holding(modbusplant.LineExport), modbus.Uint64, modbus.CDAB),
		}},
		{plant.Battery, modbusplant.BatteryUnit, []modbus.Point{
			{Name: "battery/P", At: modbus.Input(modbusplant.BatteryTotalActive), Type: modbus.Float64, Unit: units.Watt},
			counter("battery/import", modbus.Input(modbusplant.BatteryImport), modbus.Uint32, modbus.ABCD),
			counter("battery/export", modbus.Input(modbusplant.BatteryExport), modbus.Uint32, modbus.ABCD),
			{Name: "battery/charging", At: modbus.Discrete(modbusplant.BatteryCharging), Role: acquire.State},
		}},
	} {
		add(modbus.NewSource(modbus.Config{
			Name: m.name, Unit: m.unit, Catalog: catalog, Points: m.points, Interval: 250 * time.Millisecond,
			Dial: func(context.Context) (net.Conn, error) {
				near, far := net.Pipe()
				go server.ServeConn(far)
				return near, nil
			},
		}))
	}

	mib, err := snmptest.NewMIB(snmpplant.PDU(simulated))
	require.NoError(t, err)
	agent, err := snmptest.New(snmptest.Config{MIB: mib, Latency: 2 * time.Millisecond})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, agent.Close()) })
	add(snmp.NewSource(snmp.Config{
		Name: "pdu", Community: "public", Catalog: catalog, Dial: agent.Dial, Interval: 250 * time.Millisecond,
		Points: []snmp.Point{
			{Name: "pdu/P", OID: "1.3.6.1.4.1.318.1.1.26.4.3.1.5.1", Unit: units.Kilowatt, Scale: units.Scale{Den: 100}},
			{Name: "pdu/name", OID: "1.3.6.1.2.1.1.5.0", Type: snmp.Text, Role: acquire.State},
		},
		Tables: []snmp.Table{{Name: "pdu/outlet {index}", Columns: []snmp.Point{
			{Name: "P", OID: "1.3.6.1.4.1.318.1.1.26.9.4.3.1.7", Unit: units.Watt},
		}}},
	}))
	src, err = acquire.Merge(sources...)
	require.NoError(t, err)
	return src, catalog, server.Disconnect
}

// An unfinished capture of the plant is a file that verify does not pass.
func TestUnfinished(t *testing.T) {
	name := record(t, "main")
	content, err := os.ReadFile(name)
	require.NoError(t, err)
	cut := filepath.Join(t.TempDir(), "cut.mcap")
	require.NoError(t, os.WriteFile(cut, content[:len(content)*3/4], 0o600))
	out, err := try(t, "verify", cut)
	assert.Error(t, err)
	assert.Contains(t, out, "cut")
}
