package aggregate_test

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/aggregate"
	"github.com/fieldtap/fieldtap/units"
)

// plant is n meters with a power point each, and a register if asked for.
func plant(t testing.TB, n int, kind acquire.Kind, metering aggregate.Metering, register bool) (*aggregate.Router, []acquire.PointID, []acquire.PointID) {
	t.Helper()
	catalog := acquire.NewCatalog()
	meters := make([]aggregate.Metering, n)
	powers, registers := make([]acquire.PointID, n), []acquire.PointID(nil)
	for i := range meters {
		m := metering
		m.Name = fmt.Sprintf("m%d", i)
		m.Power = m.Name + "/P"
		id, err := catalog.Define(acquire.Point{Name: m.Power, Unit: units.Watt, Kind: kind})
		require.NoError(t, err)
		powers[i] = id
		if register {
			m.Import = m.Name + "/E"
			id, err := catalog.Define(acquire.Point{Name: m.Import, Unit: units.WattHour, Kind: acquire.KindUint64, Role: acquire.Counter})
			require.NoError(t, err)
			registers = append(registers, id)
		}
		meters[i] = m
	}
	r, err := aggregate.NewRouter(catalog, meters...)
	require.NoError(t, err)
	return r, powers, registers
}

const benchStart = acquire.Instant(1795161600e9) // 2026-11-20 08:00:00 UTC

// perSample runs round until the benchmark has enough and reports the processor
// time of one of its n samples.
func perSample(b *testing.B, n int, round func()) {
	b.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	b.ReportAllocs()
	start := threadTime()
	for b.Loop() {
		round()
	}
	b.ReportMetric(float64(threadTime()-start)/float64(b.N)/float64(n), "cpu-ns/sample")
}

// later moves all samples by d.
func later(samples []acquire.Sample, d acquire.Instant) {
	for i := range samples {
		samples[i].Time += d
	}
}

// A batch that holds one sample of each meter a second apart, over and over; the
// intervals of 15 minutes that close on the way are part of the cost, and so is
// moving the batch on in time (FillOnly).
func benchmarkPower(b *testing.B, meters int, rule aggregate.Rule, shuffled bool, value func(i int) acquire.Value) {
	r, points, _ := plant(b, meters, acquire.KindFloat64, aggregate.Metering{Rule: rule}, false)
	const size, second = 1000, acquire.Instant(time.Second)
	var batch acquire.Batch
	for i := range max(meters, size) {
		batch.Append(acquire.Sample{Time: benchStart + acquire.Instant(i/meters)*second, Point: points[i%meters], Value: value(i), Quality: acquire.Good.With(acquire.SourceTime)})
	}
	if shuffled {
		rand.Shuffle(len(batch.Samples), func(i, j int) {
			batch.Samples[i], batch.Samples[j] = batch.Samples[j], batch.Samples[i]
		})
	}
	advance := acquire.Instant(len(batch.Samples)/meters) * second
	intervals := 0
	perSample(b, len(batch.Samples), func() {
		intervals += len(r.Observe(&batch))
		later(batch.Samples, advance)
	})
}

func whole(i int) acquire.Value      { return acquire.Float64(float64(1000 + i%7)) }
func fractional(i int) acquire.Value { return acquire.Float64(1000.123456789 * float64(1+i%7)) }
func changing(i int) acquire.Value   { return acquire.Float64(float64(i%7) - 3) }

func BenchmarkPowerHoldLeft(b *testing.B)  { benchmarkPower(b, 1, aggregate.HoldLeft, false, whole) }
func BenchmarkPowerTrapezoid(b *testing.B) { benchmarkPower(b, 1, aggregate.Trapezoid, false, whole) }
func BenchmarkPowerFractional(b *testing.B) {
	benchmarkPower(b, 1, aggregate.HoldLeft, false, fractional)
}
func BenchmarkPowerCrossing(b *testing.B) { benchmarkPower(b, 1, aggregate.Trapezoid, false, changing) }
func BenchmarkPower10kMeters(b *testing.B) {
	benchmarkPower(b, 10000, aggregate.HoldLeft, false, whole)
}
func BenchmarkPower10kMetersShuffled(b *testing.B) {
	benchmarkPower(b, 10000, aggregate.HoldLeft, true, whole)
}

func BenchmarkRegister(b *testing.B) {
	r, _, registers := plant(b, 1, acquire.KindFloat64, aggregate.Metering{Registers: aggregate.Registers{Modulus: 1 << 32, MaxPower: 1e6}}, true)
	const size, second = 1000, acquire.Instant(time.Second)
	n := uint64(0)
	batch := acquire.Batch{Samples: make([]acquire.Sample, size)}
	for i := range batch.Samples {
		n += 3
		batch.Samples[i] = acquire.Sample{Time: benchStart + acquire.Instant(i)*second, Point: registers[0], Value: acquire.Uint64(n), Quality: acquire.Good}
	}
	perSample(b, size, func() {
		r.Observe(&batch)
		for i := range batch.Samples {
			s := &batch.Samples[i]
			last, _ := s.Value.Uint64()
			s.Time += size * second
			s.Value = acquire.Uint64((last + 3*size) & (1<<32 - 1))
		}
	})
}

// One meter, sample by sample, with all that belongs to it.
func BenchmarkMeterPush(b *testing.B) {
	for _, rule := range []aggregate.Rule{aggregate.HoldLeft, aggregate.Trapezoid, aggregate.MeanOverPast} {
		b.Run(rule.String(), func(b *testing.B) {
			benchmarkMeter(b, rule, 1000.123456789)
		})
	}
	b.Run("export", func(b *testing.B) { benchmarkMeter(b, aggregate.HoldLeft, -1000.123456789) })
}

func benchmarkMeter(b *testing.B, rule aggregate.Rule, power float64) {
	m := meterOf(b, aggregate.Series{Unit: units.Watt, Rule: rule})
	at := benchStart
	closed := m.Push(nil, at, 1, acquire.Good)
	var values [1000]float64
	for i := range values {
		values[i] = power * float64(1+i%7)
	}
	perSample(b, len(values), func() {
		t, out := at, closed
		for _, v := range values {
			t += 1e9
			out = m.Push(out[:0], t, v, acquire.Good)
		}
		at, closed = t, out
	})
}

// The same meters in a Bank.
func benchmarkBank(b *testing.B, meters int, rule aggregate.Rule, shuffled bool, value func(i int) acquire.Value) {
	bank, batch := fullBank(b, meters, rule, shuffled, value)
	advance := acquire.Instant(len(batch.Samples)/meters) * acquire.Instant(time.Second)
	closed := bank.AppendPeriods(nil, batch) // the first samples open the series
	later(batch.Samples, advance)
	perSample(b, len(batch.Samples), func() {
		closed = bank.AppendPeriods(closed[:0], batch)
		later(batch.Samples, advance)
	})
}

// fullBank returns a Bank of meters and a batch of one sample of each, or of a
// thousand of them in turns.
func fullBank(t testing.TB, meters int, rule aggregate.Rule, shuffled bool, value func(i int) acquire.Value) (*aggregate.Bank, *acquire.Batch) {
	t.Helper()
	plan, err := aggregate.NewPlan(aggregate.Series{Unit: units.Watt, Rule: rule})
	require.NoError(t, err)
	points := make([]acquire.PointID, meters)
	for i := range points {
		points[i] = acquire.PointID(i + 1)
	}
	bank, err := aggregate.NewBank(plan, nil, points)
	require.NoError(t, err)
	var batch acquire.Batch
	for i := range max(meters, 1000) {
		batch.Append(acquire.Sample{
			Time: benchStart + acquire.Instant(i/meters)*acquire.Instant(time.Second), Point: points[i%meters],
			Value: value(i), Quality: acquire.Good.With(acquire.SourceTime),
		})
	}
	if shuffled {
		rand.Shuffle(len(batch.Samples), func(i, j int) {
			batch.Samples[i], batch.Samples[j] = batch.Samples[j], batch.Samples[i]
		})
	}
	return bank, &batch
}

func BenchmarkBankHoldLeft(b *testing.B) { benchmarkBank(b, 1, aggregate.HoldLeft, false, fractional) }
func BenchmarkBankTrapezoid(b *testing.B) {
	benchmarkBank(b, 1, aggregate.Trapezoid, false, fractional)
}
func BenchmarkBank10kMeters(b *testing.B) {
	benchmarkBank(b, 10000, aggregate.HoldLeft, false, fractional)
}
func BenchmarkBank10kMetersShuffled(b *testing.B) {
	benchmarkBank(b, 10000, aggregate.HoldLeft, true, fractional)
}
func BenchmarkBank1MMetersShuffled(b *testing.B) {
	benchmarkBank(b, 1000000, aggregate.HoldLeft, true, fractional)
}

// The same as columns: one sample of each meter in turns, or in one random order.
func benchmarkBankColumns(b *testing.B, meters int, shuffled bool) {
	plan, err := aggregate.NewPlan(aggregate.Series{Unit: units.Watt})
	require.NoError(b, err)
	bank, err := aggregate.NewBank(plan, nil, make([]acquire.PointID, meters))
	require.NoError(b, err)
	slots, times, values := make([]uint32, meters), make([]acquire.Instant, meters), make([]float64, meters)
	for i := range slots {
		slots[i], times[i], values[i] = uint32(i), benchStart, 1000.123456789*float64(1+i%7)
	}
	if shuffled {
		rand.Shuffle(meters, func(i, j int) { slots[i], slots[j] = slots[j], slots[i] })
	}
	var closed []aggregate.Period
	perSample(b, meters, func() {
		if closed, err = bank.PushColumns(closed[:0], slots, times, values, nil); err != nil {
			b.Fatal(err)
		}
		for i := range times {
			times[i] += 1e9
		}
	})
}

func BenchmarkBankColumns10kMeters(b *testing.B)         { benchmarkBankColumns(b, 10000, false) }
func BenchmarkBankColumns10kMetersShuffled(b *testing.B) { benchmarkBankColumns(b, 10000, true) }

// A thousand meters by columns, whose periods close with every third sample: what
// is more than BankColumns is a third of what it takes to close one.
func BenchmarkBankPeriods(b *testing.B) {
	const meters, moments, step = 1000, 60, acquire.Instant(10e9)
	plan, err := aggregate.NewPlan(aggregate.Series{Unit: units.Watt, Rule: aggregate.Trapezoid, Demand: aggregate.Block(30 * time.Second)})
	require.NoError(b, err)
	bank, err := aggregate.NewBank(plan, nil, make([]acquire.PointID, meters))
	require.NoError(b, err)
	slots, times, values := make([]uint32, meters), make([]acquire.Instant, meters), make([]float64, meters)
	for i := range slots {
		slots[i], times[i], values[i] = uint32(i), benchStart, 1000.123456789*float64(1+i%7)
	}
	closed := make([]aggregate.Period, 0, meters)
	perSample(b, meters*moments, func() {
		for range moments {
			if closed, err = bank.PushColumns(closed[:0], slots, times, values, nil); err != nil {
				b.Fatal(err)
			}
			for i := range times {
				times[i] += step
			}
		}
	})
}

// A column of one meter over and over, of n samples: in the nearest caches, or
// beyond all of them. What it costs to move the times on is not part of it: each
// round is a meter of its own.
func benchmarkColumns(b *testing.B, rule aggregate.Rule, n int, jitter, regular bool) {
	plan, err := aggregate.NewPlan(aggregate.Series{Unit: units.Watt, Rule: rule})
	require.NoError(b, err)
	times, values := make([]acquire.Instant, n), make([]float64, n)
	t := benchStart
	for i := range times {
		times[i], values[i] = t, 1000.123456789*float64(1+i%7)
		t += 1e9
		if jitter {
			t += acquire.Instant(i * 7919 % 1000)
		}
	}
	closed := make([]aggregate.Period, 0, n/800+16)
	perSample(b, n, func() {
		m, err := aggregate.NewMeter(plan)
		if err == nil && regular {
			closed, err = m.PushRegular(closed[:0], benchStart, time.Second, values)
		} else if err == nil {
			closed, err = m.PushColumns(closed[:0], times, values, nil)
		}
		if err != nil {
			b.Fatal(err)
		}
	})
}

const inCache, inMemory = 50_000, 20_000_000 // 0.8 MB, 320 MB

func BenchmarkColumnsCache(b *testing.B) {
	benchmarkColumns(b, aggregate.HoldLeft, inCache, false, false)
}
func BenchmarkColumnsCacheJitter(b *testing.B) {
	benchmarkColumns(b, aggregate.HoldLeft, inCache, true, false)
}
func BenchmarkColumnsCacheTrapezoid(b *testing.B) {
	benchmarkColumns(b, aggregate.Trapezoid, inCache, true, false)
}
func BenchmarkColumnsMemory(b *testing.B) {
	benchmarkColumns(b, aggregate.HoldLeft, inMemory, false, false)
}
func BenchmarkColumnsMemoryJitter(b *testing.B) {
	benchmarkColumns(b, aggregate.HoldLeft, inMemory, true, false)
}
func BenchmarkRegularCache(b *testing.B) {
	benchmarkColumns(b, aggregate.HoldLeft, inCache, false, true)
}
func BenchmarkRegularMemory(b *testing.B) {
	benchmarkColumns(b, aggregate.HoldLeft, inMemory, false, true)
}

// What reading the same 16 bytes a sample costs that does nothing else: the
// bandwidth to hold ColumnsMemory against.
func BenchmarkReadMemory(b *testing.B) {
	times, values := make([]uint64, inMemory), make([]uint64, inMemory)
	for i := range times {
		times[i], values[i] = uint64(i), uint64(i)
	}
	sum := uint64(0)
	perSample(b, inMemory, func() {
		var a, c, d, e uint64
		v := values[:len(times)]
		for i := 0; i+4 <= len(times); i += 4 {
			a += times[i] ^ v[i]
			c += times[i+1] ^ v[i+1]
			d += times[i+2] ^ v[i+2]
			e += times[i+3] ^ v[i+3]
		}
		sum += a + c + d + e
	})
	if sum != 0 {
		b.Fatal(sum)
	}
}

// Moving the batches of the benchmarks above on, to subtract.
func BenchmarkFillOnly(b *testing.B) {
	const size = 1000
	batch := acquire.Batch{Samples: make([]acquire.Sample, size)}
	perSample(b, size, func() { later(batch.Samples, 1e9) })
}

// Batches that close intervals, of power and registers, with watermarks, gaps and
// bad samples, allocate nothing once the Router's slice of intervals has grown.
func TestObserveAllocsNothing(t *testing.T) {
	for _, rule := range []aggregate.Rule{aggregate.HoldLeft, aggregate.Trapezoid, aggregate.MeanOverPast} {
		t.Run(rule.String(), func(t *testing.T) {
			const meters = 10
			r, powers, registers := plant(t, meters, acquire.KindFloat64, aggregate.Metering{
				Rule: rule, Demand: aggregate.Block(time.Minute),
				Registers: aggregate.Registers{Modulus: 1000, MaxPower: 1e6},
			}, true)
			all := append(append([]acquire.PointID(nil), powers...), registers...)
			now, n, closed := benchStart, uint64(0), 0
			var batch acquire.Batch
			run := func() {
				batch.Reset()
				for range 90 {
					now = now.Add(time.Second)
					n++
					for i := range meters {
						p := acquire.Sample{Time: now, Point: powers[i], Value: acquire.Float64(float64(n%9) - 4.5), Quality: acquire.Good}
						e := acquire.Sample{Time: now, Point: registers[i], Value: acquire.Uint64(n % 1000), Quality: acquire.Good}
						if n%17 == 0 {
							p.Quality, p.Value = acquire.Bad.Because(acquire.Communication), acquire.Value{}
						}
						if n%113 == 0 {
							e.Value = acquire.Uint64(0)
						}
						batch.Append(p)
						batch.Append(e)
					}
				}
				if n%4 == 0 {
					now = now.Add(5 * time.Minute)
				}
				batch.Watermark, batch.Points = now, all
				closed += len(r.Observe(&batch))
			}
			for range 8 {
				run()
			}
			before := closed
			require.Zero(t, testing.AllocsPerRun(20, run))
			require.Greater(t, closed, before)
		})
	}
}

func TestFormattingAllocsNothing(t *testing.T) {
	buffer := make([]byte, 0, 256)
	energy := aggregate.WattHours(24310)
	require.Zero(t, testing.AllocsPerRun(10, func() { buffer = energy.Append(buffer[:0]) }))
	require.Equal(t, "24.310 kWh", string(buffer))
	interval := aggregate.Interval{Meter: "main", Start: benchStart, End: benchStart.Add(15 * time.Minute)}
	require.Zero(t, testing.AllocsPerRun(10, func() { buffer = interval.Append(buffer[:0]) }))
}
