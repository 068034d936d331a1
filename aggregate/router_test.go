package aggregate_test

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/aggregate"
	"github.com/fieldtap/fieldtap/units"
)

func lines(intervals []aggregate.Interval) string {
	var all []string
	for _, iv := range intervals {
		all = append(all, iv.String())
	}
	return strings.Join(all, "\n")
}

func TestNewRouterNamesEveryFault(t *testing.T) {
	catalog := acquire.NewCatalog()
	for _, p := range []acquire.Point{
		{Name: "P", Unit: units.Watt, Kind: acquire.KindFloat64},
		{Name: "Q", Unit: units.Var, Kind: acquire.KindFloat64},
		{Name: "E", Unit: units.TerawattHour, Kind: acquire.KindUint64, Role: acquire.Counter},
		{Name: "X", Kind: acquire.KindText, Role: acquire.State},
	} {
		_, err := catalog.Define(p)
		require.NoError(t, err)
	}
	_, err := aggregate.NewRouter(catalog,
		aggregate.Metering{Name: "a", Power: "Q", Import: "P", Export: "none", ReactivePower: "X"},
		aggregate.Metering{Name: "a", Power: "P", Rule: 7, MaxGap: -1, Registers: aggregate.Registers{Modulus: 1, MaxPower: math.NaN(), OnReset: 5}},
		aggregate.Metering{Demand: aggregate.Demand{Interval: -1, Offset: 25 * time.Hour}},
		aggregate.Metering{Name: "b", Power: "P", ReactivePower: "P", Import: "E", Demand: aggregate.Block(7 * time.Minute)},
		aggregate.Metering{Name: "c", Power: "P", MaxGap: 3 * time.Minute, Demand: aggregate.Block(time.Second)},
		aggregate.Metering{Name: "d", Power: "P", Demand: aggregate.Block(1500 * time.Millisecond)},
	)
	require.EqualError(t, err, strings.TrimSpace(`
aggregate: a: power point "Q" is in var: want active power, not reactive power
aggregate: a: reactive power point "X" has no known unit: want reactive power
is a state: want a gauge
holds text: want a number
aggregate: a: import point "P" is in W: want active energy, not active power
is a gauge: want a counter
aggregate: a: export point "none" is not in the catalog
aggregate: a: name is used twice
aggregate: a: longest gap -1ns is negative
aggregate: a: unknown rule 7
aggregate: a: registers: modulus 1 leaves no room to count
registers: maximum power NaN W is not within 0 and 4.6 TW
registers: unknown reset policy 5
aggregate: meter 2: no name
aggregate: meter 2: demand interval -1ns is negative
demand offset 25h0m0s is not within 24 h
aggregate: meter 2: no points
aggregate: b: demand interval 7m0s does not divide 24 h
aggregate: b: reactive power point "P" is the power point too
aggregate: c: longest gap 3m0s is more than 128 demand intervals of 1s
aggregate: d: demand interval 1.5s is not in whole seconds`))

	_, err = aggregate.NewRouter(nil)
	require.EqualError(t, err, "aggregate: no catalog")
	_, err = aggregate.NewRouter(catalog)
	require.EqualError(t, err, "aggregate: no meters")
}

// An outage is never billed, whatever the rule.
func TestOutage(t *testing.T) {
	for rule, want := range map[aggregate.Rule]string{
		aggregate.HoldLeft:     "0.033 kWh", // 10 kW held for 12 s: 10 s, and 2 s up to the bad sample
		aggregate.Trapezoid:    "0.028 kWh", // 10 s
		aggregate.MeanOverPast: "0.028 kWh",
	} {
		b := newBench(t, aggregate.Metering{Power: "m/P", Rule: rule})
		b.push(power, 0, 10)
		b.push(power, 10, 10)
		b.sample(power, 12, acquire.Value{}, acquire.Bad.Because(acquire.Communication))
		b.push(power, 600, 50)
		require.Equal(t, want, b.totals().Power.Import.String(), rule)
		require.EqualValues(t, 1, b.totals().Counts.Bad)
		require.Equal(t, 600*time.Second, b.totals().Power.Coverage.Span())
	}
	// Without the bad sample a value is held for MaxGap.
	b := newBench(t, aggregate.Metering{Power: "m/P", MaxGap: 30 * time.Second})
	b.push(power, 0, 36)
	b.push(power, 600, 36)
	require.Equal(t, "0.300 kWh", b.totals().Power.Import.String())
	require.Equal(t, aggregate.Coverage{Good: 30 * time.Second, Missing: 570 * time.Second}, b.totals().Power.Coverage)
}

// 6 kW to -3 kW within 9 s cross zero after 6 s: 18 kJ in, 4.5 kJ out.
func TestTrapezoidSplitsAtZero(t *testing.T) {
	b := newBench(t, aggregate.Metering{Power: "m/P", Rule: aggregate.Trapezoid})
	b.push(power, 0, 6)
	b.push(power, 9, -3)
	got := b.totals().Power
	require.Equal(t, "18000 J", got.Import.Exact())
	require.Equal(t, "4500 J", got.Export.Exact())
}

// A register read at 08:14:50 and 08:15:10 belongs half to each block.
func TestRegisterIsSharedOverTheEdge(t *testing.T) {
	b := newBench(t, aggregate.Metering{Import: "m/EI"})
	require.Empty(t, b.push(imported, 890, 100))
	got := b.push(imported, 910, 101)
	require.Equal(t, "08:00:00-08:15:00 m 0.500 kWh, coverage 1.1 % [partial, gap]", lines(got))
	require.Equal(t, "08:15:00-08:30:00 m 0.500 kWh, coverage 1.1 % [partial, gap]", lines(b.router.Flush(nil)))
}

// A blind hour: blocks close as the watermark passes, and the energy goes to the
// block in which the readings come back, which is no peak.
func TestRegisterGapIsCarried(t *testing.T) {
	b := newBench(t, aggregate.Metering{Import: "m/EI"})
	for s := 0.0; s <= 900; s += 60 {
		b.push(imported, s, s/60)
	}
	require.Equal(t, "08:15:00-08:30:00 m 0.000 kWh, coverage 0 % [gap]", lines(b.pass(1900)))
	got := b.push(imported, 4000, 1015)
	require.Len(t, got, 2)
	for s := 4060.0; s <= 5500; s += 60 {
		got = append(got, b.push(imported, s, 1015+(s-4000)/60)...)
	}
	require.Equal(t, ""+
		"08:30:00-08:45:00 m 0.000 kWh, coverage 0 % [gap]\n"+
		"08:45:00-09:00:00 m 0.000 kWh, coverage 0 % [gap]\n"+
		"09:00:00-09:15:00 m 1008.333 kWh, coverage 55.5 % [gap, carried]\n"+
		"09:15:00-09:30:00 m 15.000 kWh, demand 60.0 kW, coverage 100 %", lines(got))
	totals := b.totals()
	require.Equal(t, aggregate.Peak{Power: 60e3, Start: b.at(0)}, totals.ImportPeak)
	require.Equal(t, aggregate.WattHours(1040000), totals.Registers.Import)
}

func TestRegisterDrops(t *testing.T) {
	type step = float64
	for name, test := range map[string]struct {
		registers aggregate.Registers
		readings  []step // kWh, a minute apart
		kwh       float64
		flags     aggregate.Flags
		counts    aggregate.Counts
	}{
		"lone zero":           {readings: []step{413, 414, 0, 415, 416}, kwh: 3, flags: aggregate.BadReading, counts: aggregate.Counts{Samples: 5, BadReadings: 1}},
		"reset":               {readings: []step{413, 414, 0, 1, 3}, kwh: 4, flags: aggregate.Reset, counts: aggregate.Counts{Samples: 5, Resets: 1}},
		"reset, credited":     {registers: aggregate.Registers{OnReset: aggregate.CreditNew}, readings: []step{413, 414, 2, 3}, kwh: 4, flags: aggregate.Reset | aggregate.Carried, counts: aggregate.Counts{Samples: 4, Resets: 1}},
		"rollover":            {registers: aggregate.Registers{Modulus: 1000, MaxPower: 1e6}, readings: []step{997, 999, 1, 2}, kwh: 5, flags: aggregate.Rollover, counts: aggregate.Counts{Samples: 4, Rollovers: 1}},
		"no rollover: power":  {registers: aggregate.Registers{Modulus: 1000, MaxPower: 1e5}, readings: []step{500, 501, 0, 1}, kwh: 2, flags: aggregate.Reset, counts: aggregate.Counts{Samples: 4, Resets: 1}},
		"no rollover: longer": {registers: aggregate.Registers{Modulus: 1000}, readings: []step{300, 301, 0, 1}, kwh: 2, flags: aggregate.Reset, counts: aggregate.Counts{Samples: 4, Resets: 1}},
		"lone spike":          {registers: aggregate.Registers{MaxPower: 1e6}, readings: []step{10, 11, 9000, 12}, kwh: 2, flags: aggregate.BadReading, counts: aggregate.Counts{Samples: 4, BadReadings: 1}},
		"step confirmed":      {registers: aggregate.Registers{MaxPower: 1e6}, readings: []step{10, 11, 9000, 9001}, kwh: 2, flags: aggregate.Reset, counts: aggregate.Counts{Samples: 4, Resets: 1}},
		"two bad ones":        {registers: aggregate.Registers{MaxPower: 1e6}, readings: []step{10, 11, 9000, 50, 13}, kwh: 3, flags: aggregate.BadReading, counts: aggregate.Counts{Samples: 5, BadReadings: 2}},
		"beyond the modulus":  {registers: aggregate.Registers{Modulus: 1000}, readings: []step{10, 1000, 12}, kwh: 2, flags: aggregate.BadReading, counts: aggregate.Counts{Samples: 2, BadReadings: 1}},
		"negative":            {readings: []step{10, -1, 12}, kwh: 2, flags: aggregate.BadReading, counts: aggregate.Counts{Samples: 2, BadReadings: 1}},
		"in doubt at the end": {readings: []step{10, 12, 3}, kwh: 2, flags: aggregate.BadReading, counts: aggregate.Counts{Samples: 3, BadReadings: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, aggregate.Metering{Import: "m/EI", Registers: test.registers, MaxGap: 5 * time.Minute})
			for i, kwh := range test.readings {
				b.push(imported, float64(60*i), kwh)
			}
			got := b.router.Flush(nil)
			require.Len(t, got, 1)
			require.Equal(t, test.kwh, got[0].Registers.Import.KilowattHours())
			require.Equal(t, test.flags, got[0].Flags&^(aggregate.Gap|aggregate.Partial))
			counts := b.totals().Counts
			counts.Intervals = 0
			require.Equal(t, test.counts, counts)
		})
	}
}

func TestDiscontinuityIsAReset(t *testing.T) {
	b := newBench(t, aggregate.Metering{Import: "m/EI"})
	b.push(imported, 0, 100)
	b.push(imported, 10, 101)
	b.sample(imported, 20, acquire.Float64(150), acquire.Good.With(acquire.Discontinuity))
	b.push(imported, 30, 151)
	require.Equal(t, 2.0, b.totals().Registers.Import.KilowattHours())
	require.EqualValues(t, 1, b.totals().Counts.Resets)
	require.Equal(t, 20*time.Second, b.totals().Registers.Coverage.Good)
}

// The bad sample that tells of a loss may have the time of the last good one.
func TestBadAtTheTimeOfAGoodOne(t *testing.T) {
	for _, rule := range []aggregate.Rule{aggregate.HoldLeft, aggregate.Trapezoid, aggregate.MeanOverPast} {
		b := newBench(t, aggregate.Metering{Power: "m/P", Rule: rule})
		b.push(power, 0, 1)
		b.push(power, 10, 1)
		for range 2 {
			b.sample(power, 10, acquire.Value{}, acquire.Bad.Because(acquire.Communication))
		}
		b.push(power, 10, 5)
		b.push(power, 40, 1)
		b.push(power, 50, 1)
		require.Equal(t, aggregate.Coverage{Good: 20 * time.Second, Missing: 30 * time.Second}, b.totals().Power.Coverage)
		require.Equal(t, aggregate.Counts{Samples: 4, Bad: 1, Duplicates: 1, Late: 1}, b.totals().Counts)
	}
}

func TestCountsOfWhatIsDropped(t *testing.T) {
	b := newBench(t, aggregate.Metering{Power: "m/P"})
	b.push(power, 10, 1)
	b.push(power, 10, 1)
	b.push(power, 10, 2)
	b.push(power, 9, 1)
	b.sample(power, 11, acquire.Float64(1), acquire.Good.With(acquire.TimeBackwards))
	b.sample(power, 12, acquire.Float64(math.NaN()), acquire.Good)
	b.sample(power, 13, acquire.Float64(1e300), acquire.Good)
	b.sample(power, 14, acquire.Bool(true), acquire.Good)
	b.router.Observe(&acquire.Batch{Samples: []acquire.Sample{{Point: b.all[power], Value: acquire.Float64(1), Quality: acquire.Good}, {Point: 99}}})
	require.Equal(t, aggregate.Counts{Samples: 1, Duplicates: 1, Late: 3, Bad: 3, Untimed: 1}, b.totals().Counts)
}

// A sample of a block that the watermark has closed changes nothing.
func TestLateForAClosedBlock(t *testing.T) {
	b := newBench(t, aggregate.Metering{Power: "m/P"})
	b.push(power, 899, 1)
	require.Len(t, b.pass(905), 1)
	b.push(power, 899.5, 5)
	require.EqualValues(t, 1, b.totals().Counts.Late)
	b.push(power, 910, 1)
	require.Equal(t, "11000 J", b.totals().Power.Import.Exact(), "held over the edge")
}

// Silence is told as the watermark passes, block by block for a day and then in
// one piece.
func TestSilence(t *testing.T) {
	b := newBench(t, aggregate.Metering{Power: "m/P"})
	b.push(power, 0, 1)
	got := b.pass(4 * 3600)
	require.Len(t, got, 16)
	require.Equal(t, "11:45:00-12:00:00 m 0.000 kWh, coverage 0 % [gap]", got[15].String())
	got = b.pass(30 * 86400)
	require.Len(t, got, 97-16)
	require.Empty(t, b.pass(31*86400))
	got = b.push(power, 32*86400, 1)
	require.Empty(t, got)
	got = b.push(power, 32*86400+10, 1)
	got = append(got, b.router.Flush(nil)...)
	require.Equal(t, ""+
		"2026-11-21 08:15:00-2026-12-22 08:00:00 m 0.000 kWh, coverage 0 % [gap, silence]\n"+
		"08:00:00-08:15:00 m 0.003 kWh, coverage 1.1 % [partial, gap]", lines(got))
	require.Equal(t, 32*86400*time.Second+15*time.Minute, b.totals().Power.Coverage.Span())
}

// A meter that never says anything has intervals too.
func TestNeverASample(t *testing.T) {
	b := newBench(t, aggregate.Metering{Power: "m/P"})
	require.Empty(t, b.pass(10))
	require.Equal(t, "08:00:00-08:15:00 m 0.000 kWh, coverage 0 % [partial, gap]", lines(b.pass(900)))
	require.Equal(t, "08:15:00-08:30:00 m 0.000 kWh, coverage 0 % [gap]", lines(b.pass(1800)))
}

// One watermark may end the silence of many meters: a call closes some hundreds of
// intervals, the next calls the rest, each meter in order.
func TestManySilentMetersAreTakenInTurns(t *testing.T) {
	r, points, _ := plant(t, 300, acquire.KindFloat64, aggregate.Metering{}, false)
	pass := acquire.Batch{Points: points, Watermark: benchStart}
	require.Empty(t, r.Observe(&pass))
	pass.Watermark = benchStart.Add(time.Hour)
	last := map[string]acquire.Instant{}
	total := 0
	for calls := 0; total < 1200; calls++ {
		require.Less(t, calls, 10)
		got := r.Observe(&pass)
		require.LessOrEqual(t, len(got), 600)
		for _, iv := range got {
			require.Less(t, last[iv.Meter], iv.End)
			last[iv.Meter] = iv.End
		}
		total += len(got)
		pass = acquire.Batch{}
	}
	require.Equal(t, 1200, total)
	require.Empty(t, r.Observe(&pass))
}

// A channel without samples or watermark does not hold the others up for ever.
func TestForced(t *testing.T) {
	b := newBench(t, aggregate.Metering{Power: "m/P", ReactivePower: "m/Q"})
	b.push(reactive, 0, 1)
	var got []aggregate.Interval
	for s := 0.0; s <= 5400; s += 30 {
		got = append(got, b.push(power, s, 4)...)
	}
	require.Equal(t, ""+
		"08:00:00-08:15:00 m 1.000 kWh, demand 4.0 kW, coverage 100 % [gap, forced]\n"+
		"08:15:00-08:30:00 m 1.000 kWh, demand 4.0 kW, coverage 100 % [gap, forced]", lines(got))
	require.EqualValues(t, 2, b.totals().Counts.Forced)
	require.Equal(t, "1.000 kWh", got[0].Power.Import.String())
	require.Equal(t, 15*time.Minute, got[0].ReactivePower.Coverage.Missing)
}

func TestPeaks(t *testing.T) {
	b := newBench(t, aggregate.Metering{Power: "m/P"})
	block := func(n int, kw float64) {
		for s := float64(n * 900); s < float64(n*900+900); s += 60 {
			b.push(power, s, kw)
		}
	}
	for n, kw := range []float64{3, 7, 7, -2, -2, 1} {
		block(n, kw)
	}
	b.push(power, 5400, 1000)
	b.push(power, 5430, 1000)
	b.router.Flush(nil)
	totals := b.totals()
	require.Equal(t, aggregate.Peak{Power: 7000, Start: b.at(900)}, totals.ImportPeak, "the earlier of two")
	require.Equal(t, aggregate.Peak{Power: 2000, Start: b.at(2700)}, totals.ExportPeak)
	require.Equal(t, 30*time.Second, totals.Power.Coverage.Good-5400*time.Second)
}

// The account to bill by is the better covered one.
func TestActive(t *testing.T) {
	b := newBench(t, aggregate.Metering{Power: "m/P", Import: "m/EI", ReactiveImport: "m/RI"})
	var got []aggregate.Interval
	for s := 0.0; s <= 2700; s += 30 {
		got = append(got, b.push(power, s, 8)...)
		got = append(got, b.push(reactiveImported, s, s/600)...)
		if s <= 900 || s == 2700 {
			got = append(got, b.push(imported, s, s/400)...)
		}
	}
	require.Equal(t, ""+
		"08:00:00-08:15:00 m 2.250 kWh, demand 9.0 kW, PF 0.83 (Q1 lag), coverage 100 %\n"+
		"08:15:00-08:30:00 m 2.000 kWh, demand 8.0 kW, PF 0.80 (Q1 lag), coverage 100 % [gap]\n"+
		"08:30:00-08:45:00 m 2.000 kWh, demand 8.0 kW, PF 0.80 (Q1 lag), coverage 100 % [gap, carried]", lines(got))
	_, basis := got[0].Active()
	require.Equal(t, aggregate.FromRegisters, basis)
	_, basis = got[1].Active()
	require.Equal(t, aggregate.FromPower, basis)
	_, basis = got[1].Reactive()
	require.Equal(t, aggregate.FromRegisters, basis)
	_, basis = (&aggregate.Interval{}).Active()
	require.Equal(t, aggregate.NoBasis, basis)
}

// A clock that jumps to the end of time costs neither memory nor minutes.
func TestFarFuture(t *testing.T) {
	for _, rule := range []aggregate.Rule{aggregate.HoldLeft, aggregate.Trapezoid} {
		b := newBench(t, aggregate.Metering{Power: "m/P", ReactivePower: "m/Q", Import: "m/EI", Rule: rule, Demand: aggregate.Block(time.Second)})
		b.push(power, 0, 1)
		b.push(reactive, 0, 1)
		b.push(imported, 0, 1)
		const far = 230 * 365 * 86400
		got := b.push(imported, far, 2)
		got = append(got, b.push(power, far, 1)...)
		got = append(got, b.push(power, far+1, 1)...)
		got = append(got, b.push(power, far+500, 1)...)
		got = append(got, b.router.Flush(nil)...)
		require.Less(t, len(got), 1000)
		next := b.start
		for i := range got {
			require.Equal(t, next, got[i].Start)
			next = got[i].End
		}
		require.Equal(t, aggregate.WattHours(1000), b.totals().Registers.Import)
		b.push(power, 10, 1)
		require.EqualValues(t, 1, b.totals().Counts.Late)
	}
}

// Many meters, of which one never speaks: what each yields does not depend on how
// the samples come in batches.
func TestManyMetersHoweverBatched(t *testing.T) {
	const meters, seconds = 7, 4000
	run := func(size int) map[string]string {
		r, powers, registers := plant(t, meters, acquire.KindFloat64, aggregate.Metering{Rule: aggregate.Trapezoid}, true)
		got := map[string]string{}
		var b acquire.Batch
		observe := func() {
			for _, iv := range r.Observe(&b) {
				got[iv.Meter] += iv.String() + iv.Power.Import.Exact() + iv.Registers.Import.Exact() + "\n"
			}
			b.Reset()
		}
		for s := range seconds {
			at := benchStart.Add(time.Duration(s) * time.Second)
			for i := range meters - 1 {
				b.Append(acquire.Sample{Time: at.Add(time.Duration(i)), Point: powers[i], Value: acquire.Float64(float64((s*i)%11) - 2.5), Quality: acquire.Good})
				b.Append(acquire.Sample{Time: at.Add(time.Duration(i)), Point: registers[i], Value: acquire.Uint64(uint64(s * i / 5)), Quality: acquire.Good})
			}
			if len(b.Samples) >= size {
				observe()
			}
		}
		observe()
		b.Watermark, b.Points = benchStart.Add(seconds*time.Second), append(powers, registers...)
		observe()
		for _, iv := range r.Flush(nil) {
			got[iv.Meter] += iv.String() + iv.Power.Import.Exact() + "\n"
		}
		return got
	}
	want := run(1)
	require.Len(t, want, meters)
	for _, size := range []int{2, 100, 1000, 1 << 20} {
		require.Equal(t, want, run(size), size)
	}
}

// A point may feed several meters, and totals of a stranger are not there.
func TestOnePointTwoMeters(t *testing.T) {
	catalog := acquire.NewCatalog()
	id, err := catalog.Define(acquire.Point{Name: "P", Unit: units.Watt, Kind: acquire.KindInt64})
	require.NoError(t, err)
	r, err := aggregate.NewRouter(catalog,
		aggregate.Metering{Name: "quarters", Power: "P"},
		aggregate.Metering{Name: "hours", Power: "P", Demand: aggregate.Demand{Interval: time.Hour, Offset: -30 * time.Minute}})
	require.NoError(t, err)
	var got []aggregate.Interval
	for s := range 121 {
		at := benchStart.Add(time.Duration(s) * 30 * time.Second)
		got = r.AppendIntervals(got, &acquire.Batch{Samples: []acquire.Sample{{Time: at, Point: id, Value: acquire.Int64(1200), Quality: acquire.Good}}})
	}
	require.Equal(t, ""+
		"08:00:00-08:15:00 quarters 0.300 kWh, demand 1.2 kW, coverage 100 %\n"+
		"07:30:00-08:30:00 hours 0.600 kWh, coverage 50 % [partial, gap]\n"+
		"08:15:00-08:30:00 quarters 0.300 kWh, demand 1.2 kW, coverage 100 %\n"+
		"08:30:00-08:45:00 quarters 0.300 kWh, demand 1.2 kW, coverage 100 %\n"+
		"08:45:00-09:00:00 quarters 0.300 kWh, demand 1.2 kW, coverage 100 %", lines(got))
	_, ok := r.Totals("nobody")
	require.False(t, ok)
}

// TestForeignPoints passes over points of no meter, and of no catalog.
func TestForeignPoints(t *testing.T) {
	catalog := acquire.NewCatalog()
	_, err := catalog.Define(acquire.Point{Name: "P", Unit: units.Watt, Kind: acquire.KindFloat64})
	require.NoError(t, err)
	r, err := aggregate.NewRouter(catalog, aggregate.Metering{Name: "m", Power: "P"})
	require.NoError(t, err)
	var b acquire.Batch
	for _, id := range []acquire.PointID{0, 2, 1 << 31, math.MaxUint32} {
		b.Append(acquire.Sample{Time: 1790000000_000000000, Point: id, Value: acquire.Float64(1), Quality: acquire.Good})
		b.Points = append(b.Points, id)
	}
	b.Watermark = 1790000000_000000000
	assert.Empty(t, r.Observe(&b))
	totals, ok := r.Totals("m")
	assert.True(t, ok)
	assert.Zero(t, totals.Counts)
}
