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

// newReviser makes a Reviser of the meter "m" with power P in kW and register EI
// in kWh, the points 1 and 2.
func newReviser(t *testing.T, keep aggregate.Revisions, m aggregate.Metering) *aggregate.Reviser {
	t.Helper()
	catalog := acquire.NewCatalog()
	_, err := catalog.Define(acquire.Point{Name: "P", Unit: units.Kilowatt, Kind: acquire.KindFloat64})
	require.NoError(t, err)
	_, err = catalog.Define(acquire.Point{Name: "EI", Unit: units.KilowattHour, Kind: acquire.KindFloat64, Role: acquire.Counter})
	require.NoError(t, err)
	m.Name = "m"
	r, err := aggregate.NewReviser(catalog, keep, m)
	require.NoError(t, err)
	return r
}

func at(point acquire.PointID, seconds, value float64) acquire.Sample {
	return acquire.Sample{Time: second(seconds), Point: point, Value: acquire.Float64(value), Quality: acquire.Good}
}

func revise(r *aggregate.Reviser, samples ...acquire.Sample) []aggregate.Interval {
	return slices.Clone(r.Observe(&acquire.Batch{Samples: samples}))
}

func TestReviseLateSample(t *testing.T) {
	r := newReviser(t, aggregate.Revisions{}, aggregate.Metering{Power: "P", Demand: aggregate.Block(time.Minute)})
	require.Empty(t, revise(r, at(1, 0, 60)))
	got := revise(r, at(1, 60, 60))
	require.Equal(t, "08:00:00-08:01:00 m 1.000 kWh, demand 60.0 kW, coverage 100 %", lines(got))
	require.Zero(t, got[0].Revision)

	got = revise(r, at(1, 30, 120)) // late
	require.Equal(t, "08:00:00-08:01:00 m 1.500 kWh, demand 90.0 kW, coverage 100 % [revised]", lines(got))
	require.EqualValues(t, 1, got[0].Revision)

	require.Empty(t, revise(r, at(1, 30, 120)), "a duplicate")
	require.Empty(t, revise(r, at(1, 30, 90)), "the first wins")
	require.Empty(t, revise(r, at(1, 15, 60)), "nothing comes out different")
	got = revise(r, at(1, 45, 60))
	require.Equal(t, "08:00:00-08:01:00 m 1.250 kWh, demand 75.0 kW, coverage 100 % [revised]", lines(got))
	require.EqualValues(t, 2, got[0].Revision)

	totals, _ := r.Totals("m")
	require.Equal(t, aggregate.WattHours(1250), totals.Power.Import)
	require.EqualValues(t, 75e3, totals.ImportPeak.Power)
	require.EqualValues(t, 1, totals.Counts.Duplicates)
	require.Zero(t, totals.Counts.Late)
	counts, _ := r.Counts("m")
	require.Equal(t, aggregate.RevisionCounts{Inserted: 3, Corrections: 1, Revisions: 2, Replays: 3}, counts)
}

func TestReviseCorrection(t *testing.T) {
	r := newReviser(t, aggregate.Revisions{Corrections: aggregate.LastWins}, aggregate.Metering{Power: "P", Demand: aggregate.Block(time.Minute)})
	revise(r, at(1, 0, 60))
	revise(r, at(1, 60, 60))
	got := revise(r, at(1, 0, 30))
	require.Equal(t, "08:00:00-08:01:00 m 0.500 kWh, demand 30.0 kW, coverage 100 % [revised]", lines(got))
}

// A late reading shares out what had to be carried for want of it.
func TestReviseLateReading(t *testing.T) {
	r := newReviser(t, aggregate.Revisions{}, aggregate.Metering{Import: "EI", MaxGap: time.Minute, Demand: aggregate.Block(time.Minute)})
	revise(r, at(2, 0, 100))
	got := revise(r, at(2, 120, 103))
	require.Equal(t, ""+
		"08:00:00-08:01:00 m 0.000 kWh, coverage 0 % [gap]\n"+
		"08:01:00-08:02:00 m 3.000 kWh, coverage 0 % [gap, carried]", lines(got))
	got = revise(r, at(2, 60, 101))
	require.Equal(t, ""+
		"08:00:00-08:01:00 m 1.000 kWh, demand 60.0 kW, coverage 100 % [revised]\n"+
		"08:01:00-08:02:00 m 2.000 kWh, demand 120.0 kW, coverage 100 % [revised]", lines(got))
}

// What is too old is late, as in a Router.
func TestReviseTooLate(t *testing.T) {
	r := newReviser(t, aggregate.Revisions{Intervals: 2}, aggregate.Metering{Power: "P", Demand: aggregate.Block(time.Minute)})
	for s := 0.0; s <= 300; s += 30 {
		revise(r, at(1, s, 60))
	}
	require.Empty(t, revise(r, at(1, 170, 600)))
	totals, _ := r.Totals("m")
	require.EqualValues(t, 1, totals.Counts.Late)
	require.Len(t, revise(r, at(1, 190, 600)), 1)

	// Few samples are kept: they go first.
	r = newReviser(t, aggregate.Revisions{Intervals: 100, Samples: 8}, aggregate.Metering{Power: "P", Demand: aggregate.Block(time.Minute)})
	for s := 0.0; s <= 300; s += 30 {
		revise(r, at(1, s, 60))
	}
	require.Empty(t, revise(r, at(1, 10, 600)))
	require.NotEmpty(t, revise(r, at(1, 250, 600)))
	counts, _ := r.Counts("m")
	require.EqualValues(t, 2, counts.Shortened)
}

// A day of silence is told as one, until it turns out that it was none.
func TestReviseSilence(t *testing.T) {
	r := newReviser(t, aggregate.Revisions{Intervals: 300}, aggregate.Metering{Power: "P", Demand: aggregate.Block(time.Minute)})
	revise(r, at(1, 0, 60))
	var got []aggregate.Interval
	got = append(got, r.Tick(nil, second(200*60))...)
	got = append(got, revise(r, at(1, 200*60, 60), at(1, 201*60, 60))...)
	require.Len(t, got, 1+96+1+1)
	require.True(t, got[97].Flags.Has(aggregate.Silence))
	require.Equal(t, 103*time.Minute, got[97].Duration())
	again := revise(r, at(1, 150*60, 60))
	var covered time.Duration
	for i := range again {
		require.True(t, again[i].Flags.Has(aggregate.Revised), again[i].String())
		covered += again[i].Duration()
	}
	require.Equal(t, 103*time.Minute, covered, "all of it, and no more")
	totals, _ := r.Totals("m")
	require.Equal(t, aggregate.WattHours(3000), totals.Power.Import)
}

func TestReviseSwap(t *testing.T) {
	r := newReviser(t, aggregate.Revisions{}, aggregate.Metering{Import: "EI", MaxGap: 5 * time.Minute, Demand: aggregate.Block(time.Minute)})
	revise(r, at(2, 0, 100))
	_, err := r.Swap(nil, aggregate.Swap{Point: 2, At: second(90), Final: acquire.Float64(103), Initial: acquire.Float64(7)})
	require.NoError(t, err)
	revise(r, at(2, 180, 9))
	revise(r, at(2, 60, 102)) // of the old meter
	totals, _ := r.Totals("m")
	require.Equal(t, aggregate.WattHours(5000), totals.Registers.Import)
	require.EqualValues(t, 1, totals.Counts.Swaps)
	require.Zero(t, totals.Counts.Resets)
	_, err = r.Swap(nil, aggregate.Swap{Point: 2, At: second(90)})
	require.Error(t, err)
	_, err = r.Swap(nil, aggregate.Swap{Point: 9})
	require.EqualError(t, err, "aggregate: swap: point 9 feeds no meter")
}

// A reading of the new meter at the very time of the change stays one when a late
// reading of the old meter comes, and one of the old meter does too.
func TestReviseSwapAtASample(t *testing.T) {
	for _, before := range []bool{false, true} {
		r := newReviser(t, aggregate.Revisions{}, aggregate.Metering{Import: "EI", MaxGap: 5 * time.Minute, Demand: aggregate.Block(time.Minute)})
		revise(r, at(2, 0, 100))
		change := aggregate.Swap{Point: 2, At: second(60), Final: acquire.Float64(103)}
		if before {
			revise(r, at(2, 60, 103))
			change.Initial = acquire.Float64(7)
		}
		_, err := r.Swap(nil, change)
		require.NoError(t, err)
		if !before {
			revise(r, at(2, 60, 7))
		}
		revise(r, at(2, 120, 9))
		for _, late := range []acquire.Sample{at(2, 30, 101), at(2, 90, 8)} {
			revise(r, late)
			totals, _ := r.Totals("m")
			require.Equal(t, aggregate.WattHours(5000), totals.Registers.Import)
			require.Zero(t, totals.Counts.BadReadings+totals.Counts.Resets+totals.Counts.Late)
		}
	}
}

// A final reading that a late one is at odds with is a bad reading.
func TestReviseSwapAtOdds(t *testing.T) {
	r := newReviser(t, aggregate.Revisions{}, aggregate.Metering{Import: "EI", MaxGap: 5 * time.Minute, Demand: aggregate.Block(time.Minute)})
	revise(r, at(2, 0, 100))
	_, err := r.Swap(nil, aggregate.Swap{Point: 2, At: second(60), Final: acquire.Float64(103), Initial: acquire.Float64(7)})
	require.NoError(t, err)
	revise(r, at(2, 120, 9))
	revise(r, at(2, 30, 105))
	totals, _ := r.Totals("m")
	require.Equal(t, aggregate.WattHours(7000), totals.Registers.Import)
	require.EqualValues(t, 1, totals.Counts.BadReadings)
}

// A change older than what is kept would be forgotten by the next late sample: it is
// refused, by all meters of the point or none.
func TestReviseSwapBeforeWhatIsKept(t *testing.T) {
	r := newReviser(t, aggregate.Revisions{Samples: 8}, aggregate.Metering{Power: "P", Import: "EI", MaxGap: 5 * time.Minute, Demand: aggregate.Block(time.Minute)})
	revise(r, at(2, 0, 100))
	for s := 0.0; s <= 200; s += 10 {
		revise(r, at(1, s, 60))
	}
	change := aggregate.Swap{Point: 2, At: second(30), Final: acquire.Float64(101), Initial: acquire.Float64(7)}
	_, err := r.Swap(nil, change)
	require.ErrorContains(t, err, "aggregate: swap: time 2026-11-20 08:00:30 +0000 UTC is before 2026-11-20 08:02:")
	change.At = second(200)
	_, err = r.Swap(nil, change)
	require.NoError(t, err)
	revise(r, at(1, 195, 60))
	revise(r, at(2, 230, 9))
	totals, _ := r.Totals("m")
	require.Equal(t, aggregate.WattHours(3000), totals.Registers.Import)
	require.EqualValues(t, 1, totals.Counts.Swaps)
}

// However late samples come, in the end the intervals are those of a Router that
// got them in order.
func checkRevise(t *testing.T, data []byte, keep aggregate.Revisions, places int) {
	s, catalog := write(&dice{data})
	var samples []acquire.Sample
	for _, e := range s.events {
		if e.channel >= 0 && e.sample.Time >= second(-1e9) {
			samples = append(samples, e.sample)
		}
	}
	if len(samples) < 3 {
		return
	}
	slices.SortStableFunc(samples, func(a, b acquire.Sample) int { return int(max(-1, min(1, a.Time-b.Time))) })
	seen := map[acquire.PointID]acquire.Instant{}
	samples = slices.DeleteFunc(samples, func(s acquire.Sample) bool { // one of a time is enough here
		twice := seen[s.Point] == s.Time
		seen[s.Point] = s.Time
		return twice
	})
	for i := range samples {
		samples[i].Quality &^= acquire.Quality(0).With(acquire.TimeBackwards)
	}
	points := []acquire.PointID{1, 2, 3, 4, 5, 6}
	end := samples[len(samples)-1].Time + acquire.Instant(2*max(s.metering.MaxGap, s.metering.Hold, time.Minute)+2*time.Hour) // all is decided

	ordered, err := aggregate.NewRouter(catalog, s.metering)
	require.NoError(t, err)
	want := map[acquire.Instant]aggregate.Interval{}
	for i := range samples {
		for _, iv := range ordered.Observe(&acquire.Batch{Samples: samples[i : i+1], Watermark: samples[i].Time, Points: points}) {
			want[iv.Start] = iv
		}
	}
	list, more := ordered.Tick(nil, end)
	for _, iv := range ordered.Flush(list) { // which tells of a silence that lasts
		want[iv.Start] = iv
	}
	require.False(t, more)

	r, err := aggregate.NewReviser(catalog, keep, s.metering)
	require.NoError(t, err)
	random := rand.New(rand.NewPCG(uint64(len(data)), uint64(data[0])))
	rest := slices.Clone(samples)
	for i := range rest[1:] { // some late by so many places
		if j := i + 1 + random.IntN(places); random.IntN(4) == 0 && j < len(rest) {
			late := rest[i+1]
			copy(rest[i+1:j], rest[i+2:j+1])
			rest[j] = late
		}
	}
	got := map[acquire.Instant]aggregate.Interval{}
	take := func(list []aggregate.Interval) {
		for _, iv := range list {
			require.Equal(t, iv.Revision > 0, iv.Flags.Has(aggregate.Revised))
			if _, ok := got[iv.Start]; !ok && iv.Revision == 0 {
				got[iv.Start] = iv
				continue
			}
			for start, was := range got { // what is revised stands for all of its time
				if was.Start < iv.End && iv.Start < was.End {
					require.Greater(t, iv.Revision, was.Revision)
					require.True(t, iv.Flags.Has(aggregate.Revised))
					delete(got, start)
				}
			}
			got[iv.Start] = iv
		}
	}
	for len(rest) > 0 {
		if random.IntN(6) == 0 {
			state, err := r.MarshalBinary()
			require.NoError(t, err)
			next, err := aggregate.NewReviser(catalog, keep, s.metering)
			require.NoError(t, err)
			require.NoError(t, next.UnmarshalBinary(state))
			again, err := next.MarshalBinary()
			require.NoError(t, err)
			require.Equal(t, state, again)
			r = next
		}
		n := 1 // more without a watermark might close intervals by force
		// A watermark of which nobody knows that it lies.
		take(r.Observe(&acquire.Batch{Samples: rest[:n], Watermark: rest[n-1].Time, Points: points}))
		rest = rest[n:]
	}
	take(r.Tick(nil, end))
	take(r.Flush(nil))
	for start, iv := range got {
		iv.Revision, iv.Flags = 0, iv.Flags&^aggregate.Revised
		got[start] = iv
	}
	totals, _ := r.Totals("m")
	counts, _ := r.Counts("m")
	checkSums(t, got, totals)
	if totals.Counts.Late > 0 || counts.Shortened > 0 { // not all could be put in order
		return
	}
	require.Equal(t, len(want), len(got))
	for start, iv := range want {
		require.Equal(t, iv, got[start])
	}
	inOrder, _ := ordered.Totals("m")
	require.Equal(t, inOrder, totals)
}

// checkSums requires that intervals add up to totals.
func checkSums(t *testing.T, list map[acquire.Instant]aggregate.Interval, totals aggregate.Totals) {
	t.Helper()
	var power, registers aggregate.Account
	var reactivePower, reactiveRegisters aggregate.ReactiveAccount
	sum := func(a *aggregate.Account, b aggregate.Account) {
		a.Import, a.Export = a.Import.Add(b.Import), a.Export.Add(b.Export)
	}
	sumReactive := func(a *aggregate.ReactiveAccount, b aggregate.ReactiveAccount) {
		a.Import, a.Export = a.Import.Add(b.Import), a.Export.Add(b.Export)
	}
	for _, iv := range list {
		sum(&power, iv.Power)
		sum(&registers, iv.Registers)
		sumReactive(&reactivePower, iv.ReactivePower)
		sumReactive(&reactiveRegisters, iv.ReactiveRegisters)
	}
	power.Coverage, registers.Coverage = totals.Power.Coverage, totals.Registers.Coverage
	reactivePower.Coverage, reactiveRegisters.Coverage = totals.ReactivePower.Coverage, totals.ReactiveRegisters.Coverage
	require.Equal(t, totals.Power, power)
	require.Equal(t, totals.Registers, registers)
	require.Equal(t, totals.ReactivePower, reactivePower)
	require.Equal(t, totals.ReactiveRegisters, reactiveRegisters)
}

// Enough, and few enough that something becomes too old.
var keeps = [...]aggregate.Revisions{{Intervals: 10000, Samples: 1000}, {Intervals: 4, Samples: 1000}, {Intervals: 100, Samples: 16}}

func TestReviseIsInOrder(t *testing.T) {
	random := rand.New(rand.NewPCG(6, 6))
	for i := range 300 {
		data := make([]byte, 50+random.IntN(1200))
		for i := range data {
			data[i] = byte(random.Uint32())
		}
		checkRevise(t, data, keeps[i%len(keeps)], 1+i%9)
	}
}

func FuzzReviser(f *testing.F) {
	random := rand.New(rand.NewPCG(6, 7))
	for range 4 {
		data := make([]byte, 600)
		for i := range data {
			data[i] = byte(random.Uint32())
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if 0 < len(data) && len(data) < 2000 {
			checkRevise(t, data, keeps[int(data[0])%len(keeps)], 8)
		}
	})
}

// A state that is cut or of another Reviser changes nothing, and changes of meters
// are part of it.
func TestReviserState(t *testing.T) {
	metering := aggregate.Metering{Power: "P", Import: "EI", MaxGap: 5 * time.Minute, Demand: aggregate.Block(time.Minute)}
	r := newReviser(t, aggregate.Revisions{}, metering)
	revise(r, at(2, 0, 100), at(1, 0, 60))
	_, err := r.Swap(nil, aggregate.Swap{Point: 2, At: second(90), Final: acquire.Float64(103), Initial: acquire.Uint64(7), Multiplier: aggregate.Ratio{Num: 3, Den: 2}})
	require.NoError(t, err)
	revise(r, at(2, 180, 9), at(1, 180, 60))
	state, err := r.MarshalBinary()
	require.NoError(t, err)
	next := newReviser(t, aggregate.Revisions{}, metering)
	fresh, err := next.MarshalBinary()
	require.NoError(t, err)
	for i := range state {
		require.ErrorIs(t, next.UnmarshalBinary(state[:i]), aggregate.ErrState)
	}
	same, _ := next.MarshalBinary()
	require.Equal(t, fresh, same)
	require.NoError(t, next.UnmarshalBinary(state))
	for _, one := range []*aggregate.Reviser{r, next} {
		revise(one, at(2, 60, 101), at(1, 30, 90)) // late, of the old meter
		totals, _ := one.Totals("m")
		require.Equal(t, aggregate.WattHours(6000), totals.Registers.Import)
	}
	a, _ := r.MarshalBinary()
	b, _ := next.MarshalBinary()
	require.Equal(t, a, b)
	require.ErrorIs(t, newReviser(t, aggregate.Revisions{Intervals: 3}, metering).UnmarshalBinary(state), aggregate.ErrOtherConfiguration)
}

func TestNewReviserNamesAllFaults(t *testing.T) {
	_, err := aggregate.NewReviser(acquire.NewCatalog(), aggregate.Revisions{Intervals: -1, Samples: 1 << 30, Corrections: 7}, aggregate.Metering{Name: "a"})
	require.EqualError(t, err, ""+
		"aggregate: reviser: -1 intervals kept is not within 1 and 65536\n"+
		"aggregate: reviser: 1073741824 samples kept is not within 1 and 16777216\n"+
		"aggregate: reviser: unknown correction policy 7\n"+
		"aggregate: a: no points")
	_, err = aggregate.NewReviser(nil, aggregate.Revisions{})
	require.EqualError(t, err, "aggregate: no catalog")
	r := newReviser(t, aggregate.Revisions{}, aggregate.Metering{Power: "P"})
	_, ok := r.Totals("other")
	require.False(t, ok)
	_, ok = r.Counts("other")
	require.False(t, ok)
}

// In steady state nothing is allocated, late samples included.
func TestReviseAllocs(t *testing.T) {
	r := newReviser(t, aggregate.Revisions{Intervals: 4, Samples: 64}, aggregate.Metering{Power: "P", Import: "EI", Demand: aggregate.Block(10 * time.Second)})
	b, dst := acquire.Batch{Points: []acquire.PointID{1, 2}}, make([]aggregate.Interval, 0, 64)
	now := 0.0
	step := func() {
		now += 4
		b.Samples = append(b.Samples[:0], at(1, now, 60), at(2, now, now), at(1, now-7, 90))
		b.Watermark = second(now)
		dst = r.AppendIntervals(dst[:0], &b)
	}
	for range 50 {
		step()
	}
	require.Zero(t, testing.AllocsPerRun(200, step))
	counts, _ := r.Counts("m")
	require.Greater(t, counts.Replays, uint64(100))
	state := make([]byte, 0, 1<<16)
	require.Zero(t, testing.AllocsPerRun(10, func() { _, _ = r.AppendBinary(state) }))
}

func BenchmarkReviser(b *testing.B) {
	catalog := acquire.NewCatalog()
	_, err := catalog.Define(acquire.Point{Name: "P", Unit: units.Kilowatt, Kind: acquire.KindFloat64})
	require.NoError(b, err)
	r, err := aggregate.NewReviser(catalog, aggregate.Revisions{}, aggregate.Metering{Name: "m", Power: "P"})
	require.NoError(b, err)
	batch, dst := acquire.Batch{}, make([]aggregate.Interval, 0, 64)
	now := 0.0
	b.ReportAllocs()
	for b.Loop() {
		batch.Samples = batch.Samples[:0]
		for range 32 {
			now++
			batch.Samples = append(batch.Samples, at(1, now, 60))
		}
		dst = r.AppendIntervals(dst[:0], &batch)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/32, "ns/sample")
}
