package aggregate_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/aggregate"
	"github.com/fieldtap/fieldtap/units"
)

// history is a column of samples of one series of power.
type history struct {
	series    aggregate.Series
	start     acquire.Instant
	step      time.Duration // of a regular one
	times     []acquire.Instant
	values    []float64
	qualities []acquire.Quality
}

// drawHistory makes a history in runs: of equal steps or not, of one sign or
// both, fine or coarse, with bad samples and jumps between them.
func drawHistory(d *dice, regular bool) *history {
	h := &history{series: aggregate.Series{
		Unit:   pick(d, units.Watt, units.Kilowatt, units.Var),
		Rule:   pick(d, aggregate.HoldLeft, aggregate.Trapezoid, aggregate.MeanOverPast),
		MaxGap: pick(d, 0, time.Second, 2*time.Minute),
		Demand: aggregate.Demand{Interval: pick(d, 0, time.Minute, time.Second), Offset: pick(d, 0, time.Nanosecond)},
	}}
	h.start = benchStart + acquire.Instant(d.below(3))
	h.step = pick(d, time.Second, 100*time.Millisecond, time.Second+1, time.Minute, 17*time.Minute)
	t := h.start
	for len(d.data) > 0 && len(h.values) < 3000 {
		step, jitter, way, mixed := pick(d, time.Second, 50*time.Millisecond, 999999937), d.below(2) == 0, pick(d, 1.0, 1, -1), d.below(4) == 0
		kind, bad := d.below(5), d.below(8)
		level := float64(d.byte()) * 12.345678901
		random := rand.New(rand.NewPCG(uint64(kind), uint64(d.byte())))
		for i := range 1 + 4*d.below(256) {
			v := level + random.Float64()
			switch kind {
			case 0:
				v = math.Trunc(v)
			case 1:
				v = 0
			case 2:
				v = float64(i) * 0.5e-6
			}
			if mixed && i%50 == 7 {
				v = -v
			}
			q := acquire.Good.With(acquire.SourceTime)
			if bad == 0 && i%64 == 3 {
				q, v = pick(d, acquire.Bad, acquire.Uncertain, acquire.Good.With(acquire.Overflow), acquire.Good), pick(d, math.NaN(), 1, 1e300)
			}
			h.times, h.values, h.qualities = append(h.times, t), append(h.values, v*way), append(h.qualities, q)
			t = t.Add(step)
			if jitter {
				t += acquire.Instant(random.IntN(1000))
			}
		}
		switch d.below(6) {
		case 0:
			t -= acquire.Instant(2 * step)
		case 1:
			t += acquire.Instant(time.Hour)
		}
	}
	if regular {
		h.qualities = nil
		for i := range h.values {
			h.times[i] = h.start + acquire.Instant(i)*acquire.Instant(h.step)
		}
	}
	return h
}

func meterOf(t testing.TB, s aggregate.Series) *aggregate.Meter {
	t.Helper()
	plan, err := aggregate.NewPlan(s)
	require.NoError(t, err)
	m, err := aggregate.NewMeter(plan)
	require.NoError(t, err)
	return m
}

// checkColumns compares columns, cut at random, with samples one by one.
func checkColumns(t *testing.T, data []byte) {
	t.Helper()
	d := &dice{data: data}
	regular := d.below(3) == 0
	h := drawHistory(d, regular)
	one, all := meterOf(t, h.series), meterOf(t, h.series)
	plan, err := aggregate.NewPlan(h.series)
	require.NoError(t, err)
	bank, err := aggregate.NewBank(plan, nil, make([]acquire.PointID, 3))
	require.NoError(t, err)
	random := rand.New(rand.NewPCG(5, uint64(len(data))))
	var want, got, banked []aggregate.Period
	var shards []*aggregate.Shard
	var newest acquire.Instant
	for from := 0; from < len(h.values); {
		to := min(len(h.values), from+1+random.IntN(2000))
		times, values, qualities := h.times[from:to], h.values[from:to], []acquire.Quality(nil)
		if h.qualities != nil {
			qualities = h.qualities[from:to]
		}
		slots := make([]uint32, len(times))
		for i := range times {
			q := acquire.Good
			if qualities != nil {
				q = qualities[i]
			}
			want = one.Push(want, times[i], values[i], q)
			slots[i] = 2
		}
		if regular {
			got, err = all.PushRegular(got, times[0], h.step, values)
		} else {
			got, err = all.PushColumns(got, times, values, qualities)
		}
		require.NoError(t, err)
		banked, err = bank.PushColumns(banked, slots, times, values, qualities)
		require.NoError(t, err)
		if times[0] > newest {
			shard, err := aggregate.NewShard(plan)
			require.NoError(t, err)
			shards = append(shards, shard)
		}
		newest = max(newest, slices.Max(times))
		if regular {
			err = shards[len(shards)-1].PushRegular(times[0], h.step, values)
		} else {
			err = shards[len(shards)-1].PushColumns(times, values, qualities)
		}
		require.NoError(t, err)
		from = to
	}
	merged, err := aggregate.NewBank(plan, nil, make([]acquire.PointID, 3))
	require.NoError(t, err)
	var grafted []aggregate.Period
	for _, shard := range shards {
		grafted, err = merged.Merge(grafted, 2, shard)
		require.NoError(t, err)
	}
	grafted = merged.Flush(grafted)
	want, got, banked = one.Flush(want), all.Flush(got), bank.Flush(banked)
	samePeriods(t, want, got)
	require.Equal(t, one.Totals(), all.Totals())
	for i := range want {
		want[i].Slot = 2
	}
	samePeriods(t, want, banked)
	samePeriods(t, want, grafted)
	totals, _ := bank.Totals(2)
	require.Equal(t, one.Totals(), totals)
}

// samePeriods is require.Equal, in less time and print.
func samePeriods(t testing.TB, want, got []aggregate.Period) {
	t.Helper()
	for i := range min(len(want), len(got)) {
		if want[i] != got[i] {
			t.Fatalf("period %d: want %+v, not %+v", i, want[i], got[i])
		}
	}
	if len(want) != len(got) {
		t.Fatalf("want %d periods, not %d", len(want), len(got))
	}
}

func TestColumnsEqualSamples(t *testing.T) {
	random := rand.New(rand.NewPCG(41, 42))
	for range 50 {
		checkColumns(t, randomBytes(random, 300))
	}
}

func FuzzColumns(f *testing.F) {
	random := rand.New(rand.NewPCG(43, 44))
	for range 8 {
		f.Add(randomBytes(random, 200))
	}
	f.Fuzz(func(t *testing.T, data []byte) { checkColumns(t, data[:min(len(data), 400)]) })
}

func TestColumnsThatDoNotFit(t *testing.T) {
	m := meterOf(t, aggregate.Series{Unit: units.Watt})
	_, err := m.PushColumns(nil, make([]acquire.Instant, 2), make([]float64, 1), nil)
	require.EqualError(t, err, "aggregate: columns of different lengths")
	_, err = m.PushColumns(nil, make([]acquire.Instant, 1), make([]float64, 1), make([]acquire.Quality, 2))
	require.Error(t, err)
	_, err = m.PushRegular(nil, benchStart, 0, make([]float64, 2))
	require.EqualError(t, err, "aggregate: step 0s of a regular column is not positive")
	_, err = m.PushRegular(nil, benchStart, 1<<62, make([]float64, 3))
	require.EqualError(t, err, "aggregate: regular column leaves the range of times")
	plan, err := aggregate.NewPlan(aggregate.Series{Unit: units.Watt})
	require.NoError(t, err)
	bank, err := aggregate.NewBank(plan, nil, make([]acquire.PointID, 2))
	require.NoError(t, err)
	_, err = bank.PushColumns(nil, []uint32{0, 2}, make([]acquire.Instant, 2), make([]float64, 2), nil)
	require.EqualError(t, err, "aggregate: no slot 2 in a bank of 2")
	require.Zero(t, meterOf(t, aggregate.Series{Unit: units.Watt}).Totals().Counts)
}
