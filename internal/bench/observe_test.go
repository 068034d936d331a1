package main

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/aggregate"
	"github.com/fieldtap/fieldtap/units"
)

// fleet is a number of meters, each with active and reactive power and an energy
// register, of which every sample of one second is in one batch.
type fleet struct {
	router *aggregate.Router
	batch  acquire.Batch
	now    acquire.Instant
}

func newFleet(tb testing.TB, meters int) *fleet {
	tb.Helper()
	catalog := acquire.NewCatalog()
	f := &fleet{now: acquire.At(time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC))}
	metering := make([]aggregate.Metering, meters)
	for i := range metering {
		name := fmt.Sprint("meter", i)
		metering[i] = aggregate.Metering{Name: name, Power: name + "/P", ReactivePower: name + "/Q", Import: name + "/E"}
		for _, p := range []acquire.Point{
			{Name: name + "/P", Unit: units.Watt, Kind: acquire.KindFloat64},
			{Name: name + "/Q", Unit: units.Var, Kind: acquire.KindFloat64},
			{Name: name + "/E", Unit: units.WattHour, Kind: acquire.KindUint64, Role: acquire.Counter},
		} {
			id, err := catalog.Define(p)
			require.NoError(tb, err)
			s := acquire.Sample{Point: id, Quality: acquire.Good}
			switch p.Kind {
			case acquire.KindUint64:
				s.Value = acquire.Uint64(0)
			default:
				s.Value = acquire.Float64(36_000)
			}
			f.batch.Append(s)
			f.batch.Points = append(f.batch.Points, id)
		}
	}
	router, err := aggregate.NewRouter(catalog, metering...)
	require.NoError(tb, err)
	f.router = router
	return f
}

// second moves all samples on by a second, in which 36 kW are 10 Wh.
func (f *fleet) second() int {
	f.now = f.now.Add(time.Second)
	f.batch.Received, f.batch.Watermark = f.now, f.now
	for i := range f.batch.Samples {
		s := &f.batch.Samples[i]
		s.Time = f.now
		if wh, ok := s.Value.Uint64(); ok {
			s.Value = acquire.Uint64(wh + 10)
		}
	}
	return len(f.router.Observe(&f.batch))
}

// One operation is one second of all meters, intervals of a quarter of an hour
// included.
func BenchmarkObserve(b *testing.B) {
	for _, meters := range []int{1, 10_000} {
		b.Run(fmt.Sprintf("meters=%d", meters), func(b *testing.B) {
			f := newFleet(b, meters)
			for range 1000 { // past the first intervals: the buffer for them is made once
				f.second()
			}
			seconds := 0
			for b.Loop() {
				f.second()
				seconds++
			}
			samples := float64(seconds) * float64(len(f.batch.Samples))
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/samples, "ns/sample")
			b.ReportAllocs()
		})
	}
}

// What the benchmark pushes is metered, and costs no memory.
func TestFleetIsMetered(t *testing.T) {
	const meters, seconds = 3, 1000
	f := newFleet(t, meters)
	intervals := 0
	for range seconds {
		intervals += f.second()
	}
	require.Equal(t, meters, intervals, "one quarter of an hour each")
	totals, ok := f.router.Totals("meter1")
	require.True(t, ok)
	require.Equal(t, aggregate.WattHours(10*(seconds-1)), totals.Power.Import)
	require.Equal(t, aggregate.WattHours(10*(seconds-1)), totals.Registers.Import)
	require.Zero(t, testing.AllocsPerRun(100, func() { f.second() }))
}
