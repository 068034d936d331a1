package aggregate_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/aggregate"
)

// Without MaxPower a drop by the shorter way round is a rollover only if the next
// reading bears it out.
func TestRolloverIsBorneOut(t *testing.T) {
	for name, test := range map[string]struct {
		readings []float64 // kWh, a minute apart
		kwh      float64
		flags    aggregate.Flags
		counts   aggregate.Counts
	}{
		"lone zero":          {[]float64{600000, 600001, 0, 600002, 600003}, 3, aggregate.BadReading, aggregate.Counts{Samples: 5, BadReadings: 1}},
		"lone zero near top": {[]float64{999998, 999999, 0, 999999, 1}, 1, aggregate.BadReading, aggregate.Counts{Samples: 5, BadReadings: 2}},
		"rollover":           {[]float64{999990, 999999, 5, 6, 8}, 18, aggregate.Rollover, aggregate.Counts{Samples: 5, Rollovers: 1}},
		"rollover to itself": {[]float64{999990, 5, 5}, 15, aggregate.Rollover, aggregate.Counts{Samples: 3, Rollovers: 1}},
		"zeros, then back":   {[]float64{600000, 0, 0, 600001, 600002}, 400001, aggregate.Rollover | aggregate.Reset, aggregate.Counts{Samples: 5, Rollovers: 1, Resets: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, aggregate.Metering{Import: "m/EI", Registers: aggregate.Registers{Modulus: 1000000}, MaxGap: 5 * time.Minute})
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

// MaxPower allows the way round to 0 near the top of a register, where a lone 0 is
// still a bad reading.
func TestLoneZeroNearTheTop(t *testing.T) {
	for name, test := range map[string]struct {
		readings []float64 // kWh, a minute apart
		kwh      float64
		counts   aggregate.Counts
	}{
		"lone zero":        {[]float64{999980, 999990, 0, 999991, 999992}, 12, aggregate.Counts{Samples: 5, BadReadings: 1}},
		"rollover to zero": {[]float64{999980, 999990, 0, 1, 2}, 22, aggregate.Counts{Samples: 5, Rollovers: 1}},
		"and stands still": {[]float64{999980, 999990, 0, 0, 0}, 20, aggregate.Counts{Samples: 5, Rollovers: 1}},
		"rollover beyond":  {[]float64{999980, 999990, 1, 2}, 22, aggregate.Counts{Samples: 4, Rollovers: 1}},
		"started anew":     {[]float64{999000, 999001, 0, 1, 2}, 3, aggregate.Counts{Samples: 5, Resets: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, aggregate.Metering{Import: "m/EI", Registers: aggregate.Registers{Modulus: 1000000, MaxPower: 1e6}, MaxGap: 5 * time.Minute})
			for i, kwh := range test.readings {
				b.push(imported, float64(60*i), kwh)
			}
			totals := b.totals()
			require.Equal(t, test.kwh, totals.Registers.Import.KilowattHours())
			totals.Counts.Intervals = 0
			require.Equal(t, test.counts, totals.Counts)
		})
	}
}

// A device says with a reading that its register started anew. The reading comes
// too late for its interval, what it says does not.
func TestDiscontinuityOfALateReading(t *testing.T) {
	for _, policy := range []aggregate.ResetPolicy{aggregate.CreditNothing, aggregate.CreditNew} {
		b := newBench(t, aggregate.Metering{Import: "m/EI", MaxGap: time.Second, Demand: aggregate.Block(10 * time.Second),
			Registers: aggregate.Registers{OnReset: policy}})
		b.push(imported, 0, 5)
		b.pass(30)
		b.sample(imported, 15, acquire.Float64(40), acquire.Good.With(acquire.Discontinuity))
		b.push(imported, 31, 60)
		b.push(imported, 32, 61)
		totals := b.totals()
		require.EqualValues(t, 1, totals.Counts.Late)
		require.EqualValues(t, 1, totals.Counts.Resets)
		want := 1.0
		if policy == aggregate.CreditNew {
			want = 61
		}
		require.Equal(t, want, totals.Registers.Import.KilowattHours())
	}
}

// A register that moves in steps far above its unit, as a float32 one of many
// kilowatt hours or one with a scale factor does, loses nothing to MaxPower once
// it has been seen to move.
func TestCoarseRegister(t *testing.T) {
	b := newBench(t, aggregate.Metering{Import: "m/EI", Registers: aggregate.Registers{MaxPower: 500e3}})
	const first = 20e6 + 2
	b.push(imported, 0, 20e6)
	b.push(imported, 20, first)
	var last float64
	for s := 21.0; s < 850; s++ { // 450 kW, 2 kWh in 16 s
		last = float64(float32(first + (s-20)/8))
		b.push(imported, s, last)
	}
	got := b.router.Flush(nil)
	require.Len(t, got, 1)
	require.Equal(t, last-20e6, got[0].Registers.Import.KilowattHours())
	require.Equal(t, aggregate.Partial|aggregate.Gap, got[0].Flags|aggregate.Partial)
	counts := b.totals().Counts
	require.Zero(t, counts.BadReadings)
	require.Zero(t, counts.Resets)
}

// A spike within what MaxPower allows since the register moved is no step: the
// next reading does not bear it out.
func TestSpikeOfAnIdleRegister(t *testing.T) {
	b := newBench(t, aggregate.Metering{Import: "m/EI", Registers: aggregate.Registers{MaxPower: 10e3}})
	for s := 0.0; s < 800; s += 10 {
		b.push(imported, s, 100)
	}
	b.push(imported, 800, 101.9)
	b.push(imported, 810, 100)
	b.push(imported, 820, 100)
	got := b.router.Flush(nil)
	require.True(t, got[0].Registers.Import.IsZero())
	require.EqualValues(t, 1, b.totals().Counts.BadReadings)
}

// A register that has stood still for long and starts anew has not rolled over.
func TestResetOfAnIdleRegister(t *testing.T) {
	b := newBench(t, aggregate.Metering{Import: "m/EI", Registers: aggregate.Registers{Modulus: 1000, MaxPower: 10e3}})
	for s := 0.0; s <= 800; s += 10 {
		b.push(imported, s, 999)
	}
	b.push(imported, 810, 0.5)
	b.push(imported, 820, 0.5)
	got := b.router.Flush(nil)
	require.True(t, got[0].Registers.Import.IsZero())
	require.True(t, got[0].Flags.Has(aggregate.Reset))
	require.Zero(t, b.totals().Counts.Rollovers)
}

// A register that steps back a little has not started at zero.
func TestCreditNewIsBoundedByMaxPower(t *testing.T) {
	for maxPower, kwh := range map[float64]float64{0: 412.6, 1e6: 0.1} {
		b := newBench(t, aggregate.Metering{Import: "m/EI", Registers: aggregate.Registers{MaxPower: maxPower, OnReset: aggregate.CreditNew}})
		b.push(imported, 0, 413)
		b.push(imported, 60, 412.5)
		b.push(imported, 120, 412.6)
		require.InDelta(t, kwh, b.totals().Registers.Import.KilowattHours(), 1e-9)
		require.EqualValues(t, 1, b.totals().Counts.Resets)

		b = newBench(t, aggregate.Metering{Import: "m/EI", Registers: aggregate.Registers{MaxPower: maxPower, OnReset: aggregate.CreditNew}})
		b.push(imported, 0, 413)
		b.sample(imported, 60, acquire.Float64(412.5), acquire.Good.With(acquire.Discontinuity))
		b.push(imported, 120, 412.6)
		require.InDelta(t, kwh, b.totals().Registers.Import.KilowattHours(), 1e-9)
	}
}

// What a device says about its counter holds for the next reading if the sample
// it came with is none.
func TestDiscontinuityWithoutAReading(t *testing.T) {
	for name, sample := range map[string]struct {
		at    float64
		value acquire.Value
		q     acquire.Quality
	}{
		"bad":            {20, acquire.Value{}, acquire.Bad.Because(acquire.Communication)},
		"not finite":     {20, acquire.Value{}, acquire.Good},
		"negative":       {20, acquire.Float64(-1), acquire.Good},
		"time backwards": {20, acquire.Float64(150), acquire.Good.With(acquire.TimeBackwards)},
	} {
		b := newBench(t, aggregate.Metering{Import: "m/EI"})
		b.push(imported, 0, 100)
		b.push(imported, 10, 101)
		b.sample(imported, sample.at, sample.value, sample.q.With(acquire.Discontinuity))
		b.push(imported, 30, 160)
		b.push(imported, 40, 161)
		require.Equal(t, 2.0, b.totals().Registers.Import.KilowattHours(), name)
		require.EqualValues(t, 1, b.totals().Counts.Resets, name)
	}
}

// A reading that comes twice is one restart.
func TestDiscontinuityTwice(t *testing.T) {
	b := newBench(t, aggregate.Metering{Import: "m/EI"})
	b.push(imported, 0, 100)
	for range 2 {
		b.sample(imported, 10, acquire.Float64(1), acquire.Good.With(acquire.Discontinuity))
		b.push(imported, 20, 2)
	}
	b.push(imported, 30, 3)
	require.Equal(t, 2.0, b.totals().Registers.Import.KilowattHours())
	require.EqualValues(t, 1, b.totals().Counts.Resets)
}

// Demand and power factor look at the channels they come from: energy carried by
// another register is not theirs.
func TestCarriedElsewhere(t *testing.T) {
	b := newBench(t, aggregate.Metering{Power: "m/P", Import: "m/EI", ReactivePower: "m/Q", ReactiveImport: "m/RI"})
	var got []aggregate.Interval
	for s := 0.0; s <= 900; s += 30 {
		b.push(power, s, 8)
		b.push(reactive, s, 6)
		got = append(got, b.push(imported, s, s/450)...)
		if s == 0 || s == 840 {
			b.push(reactiveImported, s, s/600)
		}
		got = append(got, b.pass(s)...)
	}
	got = append(got, b.pass(960.1)...)
	require.Equal(t, "08:00:00-08:15:00 m 2.000 kWh, demand 8.0 kW, PF 0.80 (Q1 lag), coverage 100 % [gap, carried]", lines(got[:1]))
	require.Equal(t, aggregate.Peak{Power: 8000, Start: b.at(0)}, b.totals().ImportPeak)
}

// A clock that is set back makes readings late until it has caught up. What the
// register counted meanwhile is known, when is not: it is no peak.
func TestClockSetBack(t *testing.T) {
	for _, maxPower := range []float64{0, 100e3} {
		b := newBench(t, aggregate.Metering{Import: "m/EI", Registers: aggregate.Registers{MaxPower: maxPower}})
		kwh := 1000.0
		read := func(from, to float64) (got []aggregate.Interval) {
			for s := from; s <= to; s += 10 {
				got = append(got, b.push(imported, s, kwh)...)
				kwh += 0.125 // 45 kW
			}
			return got
		}
		read(0, 910)
		read(910-3600, 910)
		got := read(920, 2700)
		require.Equal(t, ""+
			"08:15:00-08:30:00 m 56.375 kWh, coverage 98.8 % [gap, carried]\n"+
			"08:30:00-08:45:00 m 11.250 kWh, demand 45.0 kW, coverage 100 %", lines(got))
		require.Equal(t, aggregate.Peak{Power: 45e3, Start: b.at(0)}, b.totals().ImportPeak)
		require.Equal(t, kwh-0.125-1000, b.totals().Registers.Import.KilowattHours())
		require.EqualValues(t, 361, b.totals().Counts.Late)
	}
	// A reading that is delivered again, or a little late, tells nothing of the clock.
	b := newBench(t, aggregate.Metering{Import: "m/EI"})
	for s := 0.0; s <= 900; s += 10 {
		b.push(imported, s, s)
		b.push(imported, s-200, s-200)
		b.push(imported, s-20, s+1)
	}
	require.Equal(t, 15*time.Minute, b.totals().Registers.Coverage.Good)
}

// While a rollover is in doubt the watermark may close the blocks before it: what
// flowed then is carried to the block of the reading in doubt.
func TestRolloverInDoubtWhileBlocksClose(t *testing.T) {
	b := newBench(t, aggregate.Metering{Import: "m/EI", MaxGap: 5 * time.Minute,
		Registers: aggregate.Registers{Modulus: 1000}, Demand: aggregate.Block(time.Minute)})
	b.push(imported, 0, 990)
	b.push(imported, 60, 999)
	b.push(imported, 270, 9)
	got := b.pass(365)
	got = append(got, b.push(imported, 390, 13)...)
	got = append(got, b.push(imported, 420, 14)...)
	require.Equal(t, ""+
		"08:01:00-08:02:00 m 0.000 kWh, coverage 0 % [gap]\n"+
		"08:02:00-08:03:00 m 0.000 kWh, coverage 0 % [gap]\n"+
		"08:03:00-08:04:00 m 0.000 kWh, coverage 0 % [gap]\n"+
		"08:04:00-08:05:00 m 11.000 kWh, coverage 50 % [gap, rollover, carried]\n"+
		"08:05:00-08:06:00 m 2.000 kWh, demand 120.0 kW, coverage 100 %\n"+
		"08:06:00-08:07:00 m 2.000 kWh, demand 120.0 kW, coverage 100 %", lines(got))
}

// A register that moves in steps of 10 kWh: the first step comes before anything
// is known of when it moved last, and belongs to the bill.
func TestResolution(t *testing.T) {
	for _, test := range []struct {
		resolution uint64
		kwh        float64
		refused    uint64
	}{{0, 0, 1}, {10, 10, 0}} {
		b := newBench(t, aggregate.Metering{Import: "m/EI", Registers: aggregate.Registers{MaxPower: 100e3, Resolution: test.resolution}})
		for i, kwh := range []float64{500, 500, 510} {
			b.push(imported, float64(10*i), kwh)
		}
		got := b.router.Flush(nil)
		require.Len(t, got, 1)
		require.Equal(t, test.kwh, got[0].Registers.Import.KilowattHours())
		require.Equal(t, test.refused, b.totals().Counts.BadReadings)
	}
}

// A register in Wh with decimals, as floating-point registers are.
func BenchmarkRegisterFractional(b *testing.B) {
	r, _, registers := plant(b, 1, acquire.KindFloat64, aggregate.Metering{Registers: aggregate.Registers{MaxPower: 1e6}}, true)
	const size, step = 1000, 3.7
	wh := 0.0
	batch := acquire.Batch{Samples: make([]acquire.Sample, size)}
	for i := range batch.Samples {
		batch.Samples[i] = acquire.Sample{Time: benchStart + acquire.Instant(i)*1e9, Point: registers[0], Quality: acquire.Good}
	}
	perSample(b, size, func() {
		for i := range batch.Samples {
			wh += step
			batch.Samples[i].Value = acquire.Float64(wh)
			batch.Samples[i].Time += size * 1e9
		}
		r.Observe(&batch)
	})
}

func TestModulus(t *testing.T) {
	for n, want := range map[int]uint64{1: 10, 6: 1000000, 19: 1e19, 0: 1, -1: 1, 20: 1} {
		require.Equal(t, want, aggregate.Digits(n))
	}
	for n, want := range map[int]uint64{1: 2, 32: 1 << 32, 63: 1 << 63, 64: 0, 0: 1, -1: 1, 65: 1} {
		require.Equal(t, want, aggregate.Bits(n))
	}
}
