package aggregate_test

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/aggregate"
	"github.com/fieldtap/fieldtap/units"
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

// Pushing, however, and ticking allocate nothing once the caller's slice has room.
func TestBankAllocsNothing(t *testing.T) {
	for _, rule := range []aggregate.Rule{aggregate.HoldLeft, aggregate.Trapezoid, aggregate.MeanOverPast} {
		bank, batch := fullBank(t, 100, rule, true, changing)
		m := meterOf(t, aggregate.Series{Unit: units.Watt, Rule: rule})
		register := meterOf(t, aggregate.Series{Unit: units.WattHour, MaxGap: time.Hour})
		times, values, slots := make([]acquire.Instant, 100), make([]float64, 100), make([]uint32, 100)
		now := benchStart
		closed := make([]aggregate.Period, 0, 2000)
		total := 0
		require.Zero(t, testing.AllocsPerRun(50, func() {
			closed = bank.AppendPeriods(closed[:0], batch)
			later(batch.Samples, 600e9)
			for i := range times {
				now += 1e9
				times[i], values[i], slots[i] = now+5e9, float64(i%7)-1, uint32(i)
			}
			now += 500e9
			closed, _ = bank.PushColumns(closed, slots, times, values, nil)
			closed, _ = m.PushColumns(closed, times, values, nil)
			closed, _ = m.PushRegular(closed, now+1e9, time.Second, values)
			now += 110e9
			closed = m.Push(closed, now, 1, acquire.Good)
			closed = register.Push(closed, now, float64(now-benchStart)/1e9, acquire.Good)
			closed = register.PushCount(closed, now+1e9, uint64(now-benchStart)/1e9+1, acquire.Good)
			closed = m.Tick(closed, now)
			closed, _ = bank.Tick(closed, now)
			total += len(closed)
		}))
		require.Greater(t, total, 1000)
		closed = bank.Flush(closed)
	}
}

// A bank of many slots, whose samples come in no order, does to each what a Meter
// does.
func TestLargeBankEqualsMeters(t *testing.T) {
	const meters = 1500
	plan, err := aggregate.NewPlan(aggregate.Series{Unit: units.Watt, Demand: aggregate.Block(time.Minute)})
	require.NoError(t, err)
	points := make([]acquire.PointID, meters)
	for i := range points {
		points[i] = acquire.PointID(2*i + 1)
	}
	pushed, err := aggregate.NewBank(plan, nil, points)
	require.NoError(t, err)
	inColumns, err := aggregate.NewBank(plan, nil, points)
	require.NoError(t, err)
	random := rand.New(rand.NewPCG(51, 52))
	single := make([]*aggregate.Meter, meters)
	for i := range single {
		single[i], err = aggregate.NewMeter(plan)
		require.NoError(t, err)
	}
	var want, got, columned []aggregate.Period
	var batch acquire.Batch
	for round := range 8 {
		batch.Reset()
		var slots []uint32
		var times []acquire.Instant
		var values []float64
		var qualities []acquire.Quality
		order := random.Perm(meters)
		if round%3 == 0 {
			slices.Sort(order)
		}
		for _, i := range order {
			at := benchStart + acquire.Instant(round)*20e9 + acquire.Instant(random.IntN(1000))
			v, q := random.NormFloat64()*1000+500, acquire.Good
			if random.IntN(50) == 0 {
				q = acquire.Bad
			}
			batch.Append(acquire.Sample{Time: at, Point: points[i], Value: acquire.Float64(v), Quality: q})
			batch.Append(acquire.Sample{Time: at, Point: acquire.PointID(2*i + 2), Value: acquire.Float64(v), Quality: q}) // feeds nothing
			slots, times, values, qualities = append(slots, uint32(i)), append(times, at), append(values, v), append(qualities, q)
			from := len(want)
			want = single[i].Push(want, at, v, q)
			for n := range want[from:] {
				want[from+n].Slot = uint32(i)
			}
		}
		got = pushed.Push(got, batch.Samples)
		columned, err = inColumns.PushColumns(columned, slots, times, values, qualities)
		require.NoError(t, err)
	}
	require.Greater(t, len(want), meters)
	samePeriods(t, want, got)
	samePeriods(t, want, columned)
	for i := range single {
		first, _ := pushed.Totals(uint32(i))
		second, _ := inColumns.Totals(uint32(i))
		require.Equal(t, single[i].Totals(), first)
		require.Equal(t, first, second)
	}
}

func TestNewPlanNamesEveryFault(t *testing.T) {
	_, err := aggregate.NewPlan(aggregate.Series{
		Unit: units.Volt, Rule: 9, MaxGap: -1, Registers: aggregate.Registers{Modulus: 1}, Demand: aggregate.Block(7 * time.Minute),
		Multiplier: aggregate.Ratio{Num: 1},
	})
	require.EqualError(t, err, ""+
		"aggregate: series: demand interval 7m0s does not divide 24 h\n"+
		"aggregate: series: longest gap -1ns is negative\n"+
		"aggregate: series: unknown rule 9\n"+
		"aggregate: series: multiplier 1/0 is no ratio above 0\n"+
		"aggregate: series: registers: modulus 1 leaves no room to count\n"+
		"aggregate: series: unit V is neither power nor energy, active or reactive")
}

func TestNewBankNamesEveryFault(t *testing.T) {
	catalog := acquire.NewCatalog()
	id, err := catalog.Define(acquire.Point{Name: "P", Unit: units.Kilowatt, Kind: acquire.KindText, Role: acquire.State})
	require.NoError(t, err)
	plan, err := aggregate.NewPlan(aggregate.Series{Unit: units.Watt})
	require.NoError(t, err)
	_, err = aggregate.NewBank(plan, catalog, []acquire.PointID{id, 0, id, 7})
	require.EqualError(t, err, ""+
		"aggregate: bank: point \"P\" is in kW: want W\nis a state: want a gauge\nholds text: want a number\n"+
		"aggregate: bank: point 1 feeds slots 0 and 2\n"+
		"aggregate: bank: point \"P\" is in kW: want W\nis a state: want a gauge\nholds text: want a number\n"+
		"aggregate: bank: point 7 is not in the catalog")
	_, err = aggregate.NewBank(nil, nil, nil)
	require.EqualError(t, err, "aggregate: bank: no plan\naggregate: bank: 0 series: want 1 to 2147483647")
	_, err = aggregate.NewBank(plan, nil, []acquire.PointID{1 << 31})
	require.Error(t, err)
	_, ok := (&aggregate.Bank{}).Totals(0)
	require.False(t, ok)
}
