package aggregate_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/aggregate"
	"github.com/fieldtap/fieldtap/units"
)

// Power reported by exception, at least each ten minutes, beside a register that
// is read each minute.
func TestHold(t *testing.T) {
	b := newBench(t, aggregate.Metering{Power: "m/P", Import: "m/EI", Hold: 10 * time.Minute, MaxGap: time.Minute})
	b.push(power, 0, 6)
	b.push(imported, 0, 100)
	b.push(imported, 120, 101)
	b.push(power, 3*900, 6)
	got := b.push(imported, 3*900, 102)
	require.Equal(t, 1.0, got[0].Power.Import.KilowattHours(), "600 s of 6 kW")
	require.Equal(t, 10*time.Minute, got[0].Power.Coverage.Good)
	require.Equal(t, 15*time.Minute, got[0].Registers.Coverage.Missing)

	for _, m := range []aggregate.Metering{{Hold: -1}, {Rule: aggregate.Trapezoid, Hold: 1}, {Hold: 1000 * time.Hour}} {
		_, err := aggregate.NewRouter(acquire.NewCatalog(), m)
		require.ErrorContains(t, err, "hold")
		_, err = aggregate.NewPlan(aggregate.Series{Rule: m.Rule, Hold: m.Hold})
		require.ErrorContains(t, err, "hold")
	}
}

// One sample, or a watermark, that a wrong clock stamps a day ahead does not make
// a day late.
func TestMaxAhead(t *testing.T) {
	b := newBench(t, aggregate.Metering{Power: "m/P", Import: "m/EI", MaxAhead: 5 * time.Minute})
	feed := func(received, at float64, watermark float64) {
		batch := acquire.Batch{Received: b.at(received), Samples: []acquire.Sample{
			{Time: b.at(at), Point: b.all[power], Value: acquire.Float64(60), Quality: acquire.Good},
			{Time: b.at(at), Point: b.all[imported], Value: acquire.Float64(at / 60), Quality: acquire.Good},
		}}
		if watermark != 0 {
			batch.Watermark, batch.Points = b.at(watermark), b.all
		}
		b.router.Observe(&batch)
	}
	feed(1, 0, 0)
	feed(31, 30, 0)
	feed(61, 86400, 86400)
	feed(61, 361.5, 0)
	feed(61, 361, 0) // just within
	feed(421, 421, 420)
	totals := b.totals()
	require.EqualValues(t, 6, totals.Counts.Ahead)
	require.EqualValues(t, 8, totals.Counts.Samples)
	require.Zero(t, totals.Counts.Late)
	// Where the arrival is not known there is nothing to go by.
	b.push(power, 86400, 1)
	require.EqualValues(t, 6, b.totals().Counts.Ahead)

	_, err := aggregate.NewRouter(acquire.NewCatalog(), aggregate.Metering{Name: "a", MaxAhead: -1})
	require.ErrorContains(t, err, "aggregate: a: longest time ahead -1ns is negative")
}

// The bound is that of each meter which a point feeds.
func TestMaxAheadOfEachMeter(t *testing.T) {
	catalog := acquire.NewCatalog()
	id, err := catalog.Define(acquire.Point{Name: "P", Unit: units.Watt, Kind: acquire.KindFloat64})
	require.NoError(t, err)
	r, err := aggregate.NewRouter(catalog,
		aggregate.Metering{Name: "narrow", Power: "P", MaxAhead: time.Second},
		aggregate.Metering{Name: "wide", Power: "P", MaxAhead: time.Minute})
	require.NoError(t, err)
	r.Observe(&acquire.Batch{Received: second(0), Samples: []acquire.Sample{
		{Time: second(30), Point: id, Value: acquire.Float64(1), Quality: acquire.Good}}})
	narrow, _ := r.Totals("narrow")
	wide, _ := r.Totals("wide")
	require.EqualValues(t, 1, narrow.Counts.Ahead)
	require.Zero(t, narrow.Counts.Samples)
	require.Zero(t, wide.Counts.Ahead)
	require.EqualValues(t, 1, wide.Counts.Samples)
}

// A host whose clock is the watermark of all points needs no batch to close by.
func TestTick(t *testing.T) {
	ticked := newBench(t, aggregate.Metering{Power: "m/P", Import: "m/EI"})
	passed := newBench(t, aggregate.Metering{Power: "m/P", Import: "m/EI"})
	for _, b := range []*bench{ticked, passed} {
		b.push(power, 0, 60)
		b.push(imported, 0, 1000)
		b.push(imported, 60, 1001)
	}
	var got, want []aggregate.Interval
	for _, at := range []float64{30, 899, 900, 1800, 86400} {
		list, more := ticked.router.Tick(nil, ticked.at(at))
		require.False(t, more)
		got = append(got, list...)
		want = append(want, passed.pass(at)...)
	}
	require.Len(t, got, 95) // a reading at the end would belong to the last
	require.Equal(t, lines(want), lines(got))
	list, more := ticked.router.Tick(got[:0], 0)
	require.Empty(t, list)
	require.False(t, more)

	// A long silence comes in parts.
	many := make([]aggregate.Metering, 20)
	catalog := acquire.NewCatalog()
	_, err := catalog.Define(acquire.Point{Name: "P", Unit: units.Watt, Kind: acquire.KindFloat64})
	require.NoError(t, err)
	for i := range many {
		many[i] = aggregate.Metering{Name: string(rune('a' + i)), Power: "P"}
	}
	r, err := aggregate.NewRouter(catalog, many...)
	require.NoError(t, err)
	r.Tick(nil, second(0))
	all, calls := 0, 0
	for more := true; more; calls++ {
		var list []aggregate.Interval
		list, more = r.Tick(nil, second(1e6))
		all += len(list)
	}
	require.Equal(t, 20*96, all)
	require.Greater(t, calls, 1)
}

func TestTickAllocs(t *testing.T) {
	b := newBench(t, aggregate.Metering{Power: "m/P"})
	b.push(power, 0, 60)
	at, dst := b.at(0), make([]aggregate.Interval, 0, 8)
	require.Zero(t, testing.AllocsPerRun(100, func() {
		at += 60e9
		dst, _ = b.router.Tick(dst[:0], at)
	}))
}
