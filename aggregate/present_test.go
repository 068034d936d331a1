package aggregate_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/aggregate"
	"github.com/fieldtap/fieldtap/units"
)

// The demand of the present interval if it goes on like this: 9 minutes of 600 kW
// and one of 600 kW, then 400 kW to come.
func TestPresentPredicts(t *testing.T) {
	b := newBench(t, aggregate.Metering{Power: "m/P", Import: "m/EI"})
	_, _, ok := b.router.Present("m")
	require.False(t, ok)
	_, _, ok = b.router.Present("nobody")
	require.False(t, ok)
	for s := 0.0; s <= 600; s += 30 {
		b.push(power, s, 600)
	}
	iv, until, ok := b.router.Present("m")
	require.True(t, ok)
	require.Equal(t, b.at(0), iv.Start)
	require.Equal(t, b.at(900), iv.End)
	require.Equal(t, "100.000 kWh", iv.Power.Import.String())
	require.Equal(t, 600*time.Second, iv.Power.Coverage.Span())
	require.Zero(t, iv.Registers.Coverage.Span())
	require.Equal(t, b.at(0), until, "of the registers, which miss nothing and say nothing")

	m := meterOf(t, aggregate.Series{Unit: units.Kilowatt})
	_, ok = m.Present()
	require.False(t, ok)
	for s := range 21 {
		m.Push(nil, benchStart.Add(time.Duration(s)*30*time.Second), 600, acquire.Good)
	}
	p, ok := m.Present()
	require.True(t, ok)
	soFar, _ := p.Account()
	left := benchStart.Add(15 * time.Minute).Sub(p.End)
	predicted := soFar.Net().Add(aggregate.WattHours(400 * 1000 * int64(left.Minutes()) / 60))
	require.InDelta(t, 533.333, predicted.Mean(15*time.Minute).Kilowatts(), 0.001)

}

// What is present is what the Flush at that time would hand out, and looking at
// it changes nothing.
func TestPresentIsWhatFlushWouldGive(t *testing.T) {
	random := rand.New(rand.NewPCG(81, 82))
	for range 150 {
		s, catalog := write(&dice{data: randomBytes(random, 600)})
		for _, one := range singles(t, s, catalog) {
			b := one.bank(t)
			r, err := aggregate.NewRouter(one.catalog, one.metering)
			require.NoError(t, err)
			for _, e := range one.events {
				one.feed(b, nil, e)
				batch := acquire.Batch{Samples: []acquire.Sample{e.sample}}
				if e.channel < 0 {
					batch = acquire.Batch{Watermark: e.mark, Points: []acquire.PointID{one.point}}
				}
				r.Observe(&batch)
				p, ok := b.Present(1)
				if !ok {
					continue
				}
				iv, until, routed := r.Present("m")
				require.True(t, routed)
				require.Equal(t, p.End, until)
				if !p.Flags.Has(aggregate.BadReading) && !iv.Flags.Has(aggregate.BadReading) {
					require.Equal(t, p.Flags, iv.Flags)
				}
				iv.End, iv.Flags = until, p.Flags
				require.Equal(t, p.Interval("m"), iv)
			}
			p, ok := b.Present(1)
			if !ok {
				continue
			}
			flushed := intervals(b.Flush(nil), 1)
			if len(flushed) > 0 && flushed[0].Start == p.Start {
				want := p.Interval("m")
				require.Equal(t, flushed[0].Power.Net(), want.Power.Net())
				require.Equal(t, flushed[0].Registers.Net(), want.Registers.Net())
			}
		}
	}
}

func TestPresentAllocsNothing(t *testing.T) {
	b := newBench(t, aggregate.Metering{Power: "m/P"})
	b.push(power, 0, 1)
	b.push(power, 1, 1)
	m := meterOf(t, aggregate.Series{Unit: units.Watt})
	m.Push(nil, benchStart, 1, acquire.Good)
	require.Zero(t, testing.AllocsPerRun(10, func() {
		b.router.Present("m")
		m.Present()
	}))
}
