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

func (b *bench) swap(channel int, seconds float64, s aggregate.Swap) []aggregate.Interval {
	b.t.Helper()
	s.Point, s.At = b.all[channel], b.at(seconds)
	got, err := b.router.Swap(nil, s)
	require.NoError(b.t, err)
	return got
}

// Readings of meters that were swapped, as published. The readings are months
// apart, which no MaxGap bridges: the energy is known, when it flowed is not.
func TestSwapFacts(t *testing.T) {
	day := func(s string) acquire.Instant {
		at, err := time.Parse(time.DateOnly, s)
		require.NoError(t, err)
		return acquire.At(at)
	}
	for _, want := range rows(t, "swap_expected.csv") {
		b := newBench(t, aggregate.Metering{Import: "m/EI", Demand: aggregate.Block(24 * time.Hour)})
		var final acquire.Value
		for _, row := range rows(t, "swap_readings.csv") {
			at := day(row[1])
			if row[0] != want[0] || at < day(want[1]) || at > day(want[2]) {
				continue
			}
			v := acquire.Float64(number(t, row[2]))
			switch row[3] {
			case "final":
				final = v
			case "initial":
				_, err := b.router.Swap(nil, aggregate.Swap{Point: b.all[imported], At: at, Final: final, Initial: v})
				require.NoError(t, err)
			default:
				b.router.Observe(&acquire.Batch{Samples: []acquire.Sample{{Time: at, Point: b.all[imported], Value: v, Quality: acquire.Good}}})
			}
		}
		totals := b.totals()
		require.Equal(t, number(t, want[3]), totals.Registers.Import.KilowattHours(), "%v", want)
		require.Zero(t, totals.Counts.Resets+totals.Counts.BadReadings+totals.Counts.Late)
		if want[0] != "plain" {
			require.EqualValues(t, 1, totals.Counts.Swaps)
		}
	}
}

func TestSwap(t *testing.T) {
	final, initial := acquire.Float64(503), acquire.Float64(7)
	for name, test := range map[string]struct {
		swap  aggregate.Swap
		kwh   float64
		flags aggregate.Flags
		power float64 // coverage in seconds
	}{
		"both readings known":       {aggregate.Swap{Final: final, Initial: initial}, 3 + 1, aggregate.Swapped, 60},
		"final reading not known":   {aggregate.Swap{Initial: initial}, 2 + 1, aggregate.Swapped | aggregate.Gap, 50},
		"initial not known":         {aggregate.Swap{Final: final}, 3, aggregate.Swapped | aggregate.Gap, 40},
		"behind other transformers": {aggregate.Swap{Final: final, Initial: initial, Multiplier: aggregate.Ratio{Num: 80, Den: 3}}, 3 + 80./3, aggregate.Swapped, 60},
		"another modulus":           {aggregate.Swap{Final: acquire.Float64(1), Initial: acquire.Float64(98), Registers: aggregate.Registers{Modulus: aggregate.Digits(2)}}, 501 + 10, aggregate.Swapped | aggregate.Rollover, 60},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, aggregate.Metering{Import: "m/EI", Demand: aggregate.Block(time.Minute), Registers: aggregate.Registers{Modulus: 1000}})
			b.push(imported, 0, 500)
			b.push(imported, 20, 502)
			require.Empty(t, b.swap(imported, 30, test.swap))
			b.push(imported, 50, 8)
			got := b.push(imported, 60, 8)
			got = append(got, b.push(imported, 61, 8)...)
			got = append(got, b.router.Flush(nil)...)
			require.NotEmpty(t, got)
			require.InDelta(t, test.kwh, b.totals().Registers.Import.KilowattHours(), 1e-12)
			require.Equal(t, test.flags, got[0].Flags, got[0].Flags.String())
			require.Equal(t, time.Duration(test.power*1e9), got[0].Registers.Coverage.Good)
			require.Zero(t, b.totals().Counts.Resets)
			require.EqualValues(t, 1, b.totals().Counts.Swaps)
		})
	}
}

// A power point behind new transformers: the value before holds up to the change,
// the one after counts from its first sample on.
func TestSwapMultiplierOfPower(t *testing.T) {
	b := newBench(t, aggregate.Metering{Power: "m/P", Multiplier: aggregate.Ratio{Num: 400, Den: 5}})
	b.push(power, 0, 1)
	b.swap(power, 30, aggregate.Swap{Multiplier: aggregate.Ratio{Num: 200, Den: 5}})
	b.push(power, 40, 1)
	b.push(power, 70, 1)
	got := b.totals().Power
	require.Equal(t, 80e3*30+40e3*30, got.Import.Joules())
	require.Equal(t, 60*time.Second, got.Coverage.Good)
	require.Equal(t, 10*time.Second, got.Coverage.Missing)
	require.Equal(t, aggregate.Swapped|aggregate.Gap|aggregate.Partial, b.router.Flush(nil)[0].Flags)
}

func TestSwapRefusesWhatCannotBe(t *testing.T) {
	b := newBench(t, aggregate.Metering{Import: "m/EI", Power: "m/P"})
	b.push(imported, 0, 500)
	b.push(imported, 20, 502)
	for want, s := range map[string]aggregate.Swap{
		"aggregate: swap: point 0 feeds no meter\naggregate: swap: time is not known or out of range\naggregate: swap: multiplier 0/3 is no ratio above 0\naggregate: swap: registers: modulus 1 leaves no room to count": {Multiplier: aggregate.Ratio{Den: 3}, Registers: aggregate.Registers{Modulus: 1}},
		"aggregate: swap: time 2026-11-20 08:00:10 +0000 UTC is before 2026-11-20 08:00:20 +0000 UTC, up to which m is accounted for":                                                                                     {Point: b.all[imported], At: b.at(10)},
		"aggregate: swap: final reading 501 is below the last one":        {Point: b.all[imported], At: b.at(30), Final: acquire.Int64(501)},
		"aggregate: swap: final reading -1 is none":                       {Point: b.all[imported], At: b.at(30), Final: acquire.Int64(-1)},
		"aggregate: swap: initial reading -1 is none":                     {Point: b.all[imported], At: b.at(30), Initial: acquire.Int64(-1)},
		"aggregate: swap: a point of power has no readings and registers": {Point: b.all[power], At: b.at(30), Initial: acquire.Int64(1)},
		"aggregate: swap: kW times 1/7 cannot be counted exactly":         {Point: b.all[power], At: b.at(30), Multiplier: aggregate.Ratio{Num: 1, Den: 7}},
	} {
		before := b.totals()
		got, err := b.router.Swap(nil, s)
		require.EqualError(t, err, want)
		require.Empty(t, got)
		require.Equal(t, before, b.totals())
	}
	_, err := aggregate.NewRouter(acquire.NewCatalog(), aggregate.Metering{Name: "a", Multiplier: aggregate.Ratio{Num: 5}})
	require.ErrorContains(t, err, "aggregate: a: multiplier 5/0 is no ratio above 0")
}

// A final reading that was mistyped is no energy.
func TestSwapRefusesAFinalReadingThatCannotFollow(t *testing.T) {
	for want, test := range map[string]struct {
		registers aggregate.Registers
		final     float64
	}{
		"aggregate: swap: final reading 318 is below the last one":                                     {aggregate.Registers{Modulus: 1e6}, 318},
		"aggregate: swap: final reading 319 is below the last one":                                     {aggregate.Registers{Modulus: 1e6, MaxPower: 1e6}, 319},
		"aggregate: swap: final reading 5100 is more than the maximum power allows since the last one": {aggregate.Registers{Modulus: 1e6, MaxPower: 1e6}, 5100},
		"": {aggregate.Registers{Modulus: 1e6, MaxPower: 1e6}, 510},
	} {
		b := newBench(t, aggregate.Metering{Import: "m/EI", Registers: test.registers})
		b.push(imported, 0, 500)
		_, err := b.router.Swap(nil, aggregate.Swap{Point: b.all[imported], At: b.at(60), Final: acquire.Float64(test.final)})
		if want == "" {
			require.NoError(t, err)
			require.Equal(t, 10.0, b.totals().Registers.Import.KilowattHours())
			continue
		}
		require.EqualError(t, err, want)
		require.True(t, b.totals().Registers.Import.IsZero())
	}
}

// However often meters and transformers change, and wherever readings fall, the
// intervals add up to what each of the meters counted, times its multiplier.
func TestSwapAddsUp(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 8))
	for range 50 {
		b := newBench(t, aggregate.Metering{Import: "m/EI", Demand: aggregate.Block(time.Minute), Registers: aggregate.Registers{Modulus: 1000}})
		var sum, want aggregate.Energy
		take := func(list []aggregate.Interval) {
			for i := range list {
				sum = sum.Add(list[i].Registers.Import)
			}
		}
		multiplier, at, kwh := aggregate.Ratio{Num: 1, Den: 1}, 0.0, uint64(0)
		b.sample(imported, 0, acquire.Uint64(kwh), acquire.Good)
		for range 100 {
			at += random.Float64() * 90
			more := random.Uint64N(30)
			kwh = (kwh + more) % 1000
			want = want.Add(aggregate.WattHours(int64(1000 * more * multiplier.Num / multiplier.Den)))
			if random.IntN(5) > 0 {
				take(b.sample(imported, at, acquire.Uint64(kwh), acquire.Good))
				continue
			}
			initial := random.Uint64N(1000)
			multiplier = aggregate.Ratio{Num: 1 + random.Uint64N(100), Den: 1 + random.Uint64N(2)*4}
			take(b.swap(imported, at, aggregate.Swap{Final: acquire.Uint64(kwh), Initial: acquire.Uint64(initial), Multiplier: multiplier}))
			kwh = initial
		}
		take(b.sample(imported, at+1, acquire.Uint64(kwh), acquire.Good))
		take(b.sample(imported, at+2, acquire.Uint64(kwh), acquire.Good))
		take(b.router.Flush(nil))
		require.Equal(t, want, sum)
		require.Equal(t, want, b.totals().Registers.Import)
	}
}

func TestRatio(t *testing.T) {
	got, ok := aggregate.Ratio{Num: 400, Den: 5}.Times(aggregate.Ratio{Num: 20000, Den: 100})
	require.True(t, ok)
	require.Equal(t, "16000/1", got.String())
	got, ok = aggregate.Ratio{}.Times(aggregate.Ratio{Num: 2, Den: 4})
	require.True(t, ok)
	require.Equal(t, aggregate.Ratio{Num: 1, Den: 2}, got)
	_, ok = aggregate.Ratio{Num: 1<<63 + 1, Den: 1}.Times(aggregate.Ratio{Num: 1<<63 + 3, Den: 1})
	require.False(t, ok)
}

// A Bank does with a slot what a Router does with a meter of that one register.
func TestBankSwap(t *testing.T) {
	plan, err := aggregate.NewPlan(aggregate.Series{Unit: units.KilowattHour, Demand: aggregate.Block(time.Minute), Registers: aggregate.Registers{Modulus: 1000}})
	require.NoError(t, err)
	bank, err := aggregate.NewBank(plan, nil, []acquire.PointID{3})
	require.NoError(t, err)
	b := newBench(t, aggregate.Metering{Import: "m/EI", Demand: aggregate.Block(time.Minute), Registers: aggregate.Registers{Modulus: 1000}})
	require.EqualValues(t, 3, b.all[imported])
	random := rand.New(rand.NewPCG(2, 2))
	var periods []aggregate.Period
	var intervals []aggregate.Interval
	at, kwh := 0.0, uint64(0)
	for range 500 {
		at += random.Float64() * 50
		kwh = (kwh + random.Uint64N(20)) % 1000
		if random.IntN(10) == 0 {
			s := aggregate.Swap{At: b.at(at), Final: acquire.Uint64(kwh), Initial: acquire.Uint64(kwh / 2)}
			kwh /= 2
			intervals = append(intervals, b.swap(imported, at, s)...)
			periods, err = bank.Swap(periods, 0, s)
			require.NoError(t, err)
			continue
		}
		sample := acquire.Sample{Time: b.at(at), Point: 3, Value: acquire.Uint64(kwh), Quality: acquire.Good}
		intervals = append(intervals, b.router.Observe(&acquire.Batch{Samples: []acquire.Sample{sample}})...)
		periods = bank.Push(periods, []acquire.Sample{sample})
	}
	intervals = b.router.Flush(intervals)
	periods = bank.Flush(periods)
	require.Len(t, periods, len(intervals))
	for i := range periods {
		require.Equal(t, intervals[i], periods[i].Interval("m"))
	}
	for want, s := range map[string]aggregate.Swap{
		"aggregate: swap: time is not known or out of range":              {},
		"aggregate: swap: registers and multiplier are those of the plan": {At: b.at(at + 1000), Multiplier: aggregate.Ratio{Num: 2, Den: 1}},
		"aggregate: swap: final reading -1 is none":                       {At: b.at(at + 1000), Final: acquire.Int64(-1)},
	} {
		_, err := bank.Swap(nil, 0, s)
		require.EqualError(t, err, want)
	}
	_, err = bank.Swap(nil, 0, aggregate.Swap{At: b.at(0)})
	require.ErrorContains(t, err, "up to which slot 0 is accounted for")
	_, err = bank.Swap(nil, 1, aggregate.Swap{})
	require.EqualError(t, err, "aggregate: swap: slot 1 is no register")
}
