package aggregate_test

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/aggregate"
)

// single is the part of a script that concerns one channel, as a Metering of a
// Router and as a Series.
type single struct {
	catalog  *acquire.Catalog
	point    acquire.PointID
	metering aggregate.Metering
	series   aggregate.Series
	events   []event
}

// singles cuts a script into its channels.
func singles(t testing.TB, s *script, catalog *acquire.Catalog) []single {
	t.Helper()
	var all []single
	for c, have := range s.have {
		if !have {
			continue
		}
		name := channelPoints[c].name
		id, _ := catalog.Lookup(name)
		point, _ := catalog.Point(id)
		m := aggregate.Metering{Name: "m", Rule: s.metering.Rule, MaxGap: s.metering.MaxGap, Registers: s.metering.Registers, Demand: s.metering.Demand}
		switch c {
		case power:
			m.Power = name
		case reactive:
			m.ReactivePower = name
		case imported, exported:
			m.Import = name
		default:
			m.ReactiveImport = name
		}
		one := single{catalog: catalog, point: id, metering: m, series: aggregate.Series{
			Unit: point.Unit, Rule: m.Rule, MaxGap: m.MaxGap, Registers: m.Registers, Demand: m.Demand,
		}}
		for _, e := range s.events {
			if e.channel < 0 || e.channel == c {
				one.events = append(one.events, e)
			}
		}
		all = append(all, one)
	}
	return all
}

func (s *single) plan(t testing.TB) *aggregate.Plan {
	t.Helper()
	p, err := aggregate.NewPlan(s.series)
	require.NoError(t, err)
	return p
}

// routed is what a Router makes of it.
func (s *single) routed(t testing.TB) ([]aggregate.Interval, aggregate.Totals) {
	t.Helper()
	r, err := aggregate.NewRouter(s.catalog, s.metering)
	require.NoError(t, err)
	var got []aggregate.Interval
	for _, e := range s.events {
		b := acquire.Batch{Samples: []acquire.Sample{e.sample}}
		if e.channel < 0 {
			b = acquire.Batch{Watermark: e.mark, Points: []acquire.PointID{s.point}}
		}
		got = r.AppendIntervals(got, &b)
	}
	got = r.Flush(got)
	totals, _ := r.Totals("m")
	totals.Meter = ""
	return got, totals
}

// banked is what slot 1 of a Bank makes of it.
func (s *single) banked(t testing.TB, random *rand.Rand) ([]aggregate.Interval, aggregate.Totals) {
	t.Helper()
	b, err := aggregate.NewBank(s.plan(t), s.catalog, []acquire.PointID{0, s.point, 0})
	require.NoError(t, err)
	var got []aggregate.Period
	var batch acquire.Batch
	for _, e := range s.events {
		if e.channel >= 0 {
			batch.Append(e.sample)
			if random.IntN(3) == 0 {
				got = b.AppendPeriods(got, &batch)
				batch.Reset()
			}
			continue
		}
		if random.IntN(2) == 0 {
			batch.Watermark, batch.Points = e.mark, []acquire.PointID{s.point, 99}
			got = b.AppendPeriods(got, &batch)
		} else {
			got = b.AppendPeriods(got, &batch)
			for more := true; more; {
				got, more = b.Tick(got, e.mark)
			}
		}
		batch.Reset()
	}
	got = b.AppendPeriods(got, &batch)
	got = b.Flush(got)
	totals, _ := b.Totals(1)
	return intervals(got, 1), totals
}

// intervals returns the periods of one slot as intervals.
func intervals(periods []aggregate.Period, slot uint32) []aggregate.Interval {
	var all []aggregate.Interval
	for i := range periods {
		if periods[i].Slot == slot {
			all = append(all, periods[i].Interval("m"))
		}
	}
	return all
}

// checkBank compares a Bank with a Router channel by channel.
func checkBank(t *testing.T, data []byte) {
	t.Helper()
	s, catalog := write(&dice{data: data})
	random := rand.New(rand.NewPCG(3, uint64(len(data))))
	for _, one := range singles(t, s, catalog) {
		want, wantTotals := one.routed(t)
		got, totals := one.banked(t, random)
		require.Equal(t, len(want), len(got))
		for i := range want {
			require.Equal(t, want[i], got[i], "interval %d", i)
		}
		require.Equal(t, wantTotals, totals)
	}
}

func TestBankEqualsRouter(t *testing.T) {
	random := rand.New(rand.NewPCG(31, 32))
	for range 600 {
		checkBank(t, randomBytes(random, 1500))
	}
}

func FuzzBank(f *testing.F) {
	random := rand.New(rand.NewPCG(33, 34))
	for range 8 {
		f.Add(randomBytes(random, 600))
	}
	f.Fuzz(func(t *testing.T, data []byte) { checkBank(t, data[:min(len(data), 2000)]) })
}

// randomBytes returns up to n bytes.
func randomBytes(random *rand.Rand, n int) []byte {
	data := make([]byte, random.IntN(n))
	for i := range data {
		data[i] = byte(random.Uint32())
	}
	return data
}
