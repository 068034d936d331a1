package part13_test

import (
	"encoding/binary"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/aggregate/part13"
)

func at(seconds int) acquire.Instant { return noon.Add(time.Duration(seconds) * time.Second) }

func TestFaultsAreNamedAtOnce(t *testing.T) {
	_, err := part13.NewCalculator(
		part13.Config{PercentDataGood: 101, PercentDataBad: 102, Shares: 7, Resolution: -1},
		part13.Request{Interval: -time.Second},
		part13.Average, part13.Average, 2345,
	)
	require.Error(t, err)
	for _, want := range []string{
		"PercentDataGood 101 is above 100", "PercentDataBad 102 is above 100", "no rule 7", "Resolution -1ns is negative",
		"Start is unknown", "Interval -1s is negative", "Average is asked for twice", "function i=2345 is not standard",
	} {
		assert.ErrorContains(t, err, want)
	}
	for name, c := range map[string]struct {
		cfg  part13.Config
		req  part13.Request
		fs   []part13.Function
		want string
	}{
		"percentages": {part13.Config{PercentDataGood: 30, PercentDataBad: 60}, part13.Request{Start: at(0), End: at(1)}, []part13.Function{part13.Count}, "below 100"},
		"equal":       {part13.Config{}, part13.Request{Start: at(0), End: at(0)}, []part13.Function{part13.Count}, "Bad_InvalidArgument"},
		"endless":     {part13.Config{}, part13.Request{Start: at(0)}, []part13.Function{part13.Count}, "must be an Interval"},
		"nothing":     {part13.Config{}, part13.Request{Start: at(0), End: at(1)}, nil, "no function"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := part13.NewCalculator(c.cfg, c.req, c.fs...)
			assert.ErrorContains(t, err, c.want)
		})
	}
}

// Table 1 of 3.1.6.
func TestInterpolationExamples(t *testing.T) {
	samples := []part13.Sample{{Time: at(0), Value: 10}, {Time: at(10), Value: 20}, {Time: at(20), Value: 30}}
	for _, c := range []struct {
		at              int
		sloped, stepped float64
	}{{5, 15, 10}, {8, 18, 10}, {15, 25, 20}, {25, 35, 30}, {27, 37, 30}} {
		req := part13.Request{Start: at(c.at), End: at(c.at + 1)}
		r, err := part13.Process(nil, part13.Interpolative, part13.Config{UseSlopedExtrapolation: true}, req, samples)
		require.NoError(t, err)
		assert.Equal(t, c.sloped, r[0].Value)
		r, err = part13.Process(nil, part13.Interpolative, part13.Config{Stepped: true, UseSlopedExtrapolation: true}, req, samples)
		require.NoError(t, err)
		assert.Equal(t, c.stepped, r[0].Value)
	}
}

// Table 12 of 5.4.2.2.
func TestIntervals(t *testing.T) {
	type pair struct {
		start, end int
		partial    bool
	}
	for name, c := range map[string]struct {
		start, end, step int
		want             []pair
	}{
		"one for all":       {0, 30, 0, []pair{{0, 30, false}}},
		"even":              {0, 30, 10, []pair{{0, 10, false}, {10, 20, false}, {20, 30, false}}},
		"last cut":          {0, 25, 10, []pair{{0, 10, false}, {10, 20, false}, {20, 25, true}}},
		"longer than range": {0, 25, 40, []pair{{0, 25, true}}},
		"backward":          {30, 0, 10, []pair{{30, 20, false}, {20, 10, false}, {10, 0, false}}},
		"backward cut":      {30, 5, 10, []pair{{30, 20, false}, {20, 10, false}, {10, 5, true}}},
		"backward at once":  {30, 5, 0, []pair{{30, 5, false}}},
	} {
		t.Run(name, func(t *testing.T) {
			samples := []part13.Sample{{Time: at(-1), Value: 1}, {Time: at(31), Value: 2}}
			req := part13.Request{Start: at(c.start), End: at(c.end), Interval: time.Duration(c.step) * time.Second}
			for _, f := range []part13.Function{part13.TimeAverage, part13.TimeAverage2} {
				rs, err := part13.Process(nil, f, part13.Config{}, req, samples)
				require.NoError(t, err)
				var got []pair
				for _, r := range rs {
					assert.Equal(t, r.Start, r.Time)
					got = append(got, pair{int((r.Start - noon) / 1e9), int((r.End - noon) / 1e9), r.Status.Has(part13.Partial)})
				}
				assert.Equal(t, c.want, got)
			}
		})
	}
}

// A backward interval includes its later end and excludes the earlier one.
func TestBackward(t *testing.T) {
	samples := []part13.Sample{{Time: at(0), Value: 1}, {Time: at(10), Value: 5}, {Time: at(20), Value: 3}, {Time: at(30), Value: 9}}
	req := part13.Request{Start: at(20), End: at(0), Interval: 10 * time.Second}
	for f, want := range map[part13.Function][]float64{
		part13.Average:           {3, 5},
		part13.Interpolative:     {3, 5},
		part13.StartBound:        {3, 5},
		part13.EndBound:          {5, 1},
		part13.DeltaBounds:       {2, -4},
		part13.TimeAverage2:      {4, 3},
		part13.Maximum2:          {5, 5},
		part13.Count:             {1, 1},
		part13.MaximumActualTime: {3, 5},
	} {
		rs, err := part13.Process(nil, f, part13.Config{}, req, samples)
		require.NoError(t, err)
		require.Len(t, rs, 2)
		assert.Equal(t, want, []float64{rs[0].Value, rs[1].Value}, f.String())
	}
	rs, err := part13.Process(nil, part13.MaximumActualTime2, part13.Config{}, req, samples)
	require.NoError(t, err)
	assert.Equal(t, at(10).Add(time.Millisecond), rs[0].Time, "just within the excluded end")
	assert.Equal(t, "Good, Interpolated", rs[0].Status.String())
	assert.Equal(t, at(10), rs[1].Time)
}

func TestResultsComeWhenDecided(t *testing.T) {
	c, err := part13.NewCalculator(part13.Config{}, part13.Request{Start: at(0), End: at(30), Interval: 10 * time.Second},
		part13.Average, part13.TimeAverage)
	require.NoError(t, err)
	push := func(s part13.Sample, want ...string) {
		require.NoError(t, c.Push(s))
		var got []string
		for r, ok := c.Next(); ok; r, ok = c.Next() {
			got = append(got, r.Function.String()+" "+r.Start.Time().Format("05"))
		}
		assert.Equal(t, want, got)
	}
	push(part13.Sample{Time: at(0), Value: 1})
	push(part13.Sample{Time: at(9), Value: 1})
	push(part13.Sample{Time: at(11), Status: part13.Bad}, "Average 00")
	push(part13.Sample{Time: at(21), Status: part13.Bad}, "Average 10")
	push(part13.Sample{Time: at(25), Value: 2}, "TimeAverage 00", "TimeAverage 10")
	assert.False(t, c.Done())
	push(part13.Sample{Time: at(35), Value: 2}, "Average 20", "TimeAverage 20")
	assert.True(t, c.Done())
	push(part13.Sample{Time: at(36), Value: 2})
	require.NoError(t, c.Close())
	_, more := c.Next()
	assert.False(t, more)
	assert.True(t, c.Done())
}

func TestRefusals(t *testing.T) {
	c, err := part13.NewCalculator(part13.Config{}, part13.Request{Start: at(0), Interval: time.Second}, part13.Average)
	require.NoError(t, err)
	require.NoError(t, c.Push(part13.Sample{Time: at(0), Value: 1}))
	assert.ErrorIs(t, c.Push(part13.Sample{Time: at(0), Value: 1}), part13.ErrOrder)
	assert.ErrorIs(t, c.Push(part13.Sample{Value: 1}), part13.ErrOrder, "unknown time")
	require.NoError(t, c.Push(part13.Sample{Time: at(0), Status: part13.BadNoData}), "a placeholder has no place in the order")
	require.NoError(t, c.Push(part13.Sample{Time: at(0) + 1, Value: math.NaN()}))
	require.NoError(t, c.Push(part13.Sample{Time: at(2), Value: 1}))
	assert.ErrorIs(t, c.Push(part13.Sample{Time: at(3), Value: 1}), part13.ErrPending)
	assert.ErrorIs(t, c.Close(), part13.ErrPending)
	for r, ok := c.Next(); ok; r, ok = c.Next() {
		assert.True(t, r.Status.IsBad() == math.IsNaN(r.Value))
	}
	require.NoError(t, c.Close())
	require.NoError(t, c.Close())
	assert.ErrorIs(t, c.Push(part13.Sample{Time: at(3), Value: 1}), part13.ErrClosed)
	assert.Equal(t, part13.Stats{Samples: 3, Placeholders: 1, NotFinite: 1, OutOfOrder: 2}, c.Stats())

	dst := []part13.Result{{Value: 7}}
	got, err := part13.Process(dst, part13.Average, part13.Config{}, part13.Request{Start: at(0), Interval: time.Second},
		[]part13.Sample{{Time: at(0)}, {Time: at(5)}, {Time: at(4)}})
	assert.ErrorIs(t, err, part13.ErrOrder)
	assert.ErrorContains(t, err, "sample 2")
	assert.Equal(t, dst, got)
}

func TestNoDataAtAll(t *testing.T) {
	for _, f := range part13.Functions() {
		rs, err := part13.Process(nil, f, part13.Config{}, part13.Request{Start: at(0), End: at(20), Interval: 10 * time.Second}, nil)
		require.NoError(t, err)
		require.Len(t, rs, 2)
		for _, r := range rs {
			assert.Equal(t, part13.BadNoData, r.Status)
			assert.True(t, math.IsNaN(r.Value))
		}
		rs, err = part13.Process(nil, f, part13.Config{}, part13.Request{Start: at(0), Interval: 10 * time.Second}, nil)
		require.NoError(t, err)
		assert.Empty(t, rs, "without an end there is no interval without data")
	}
}

func TestOverflowIsSaid(t *testing.T) {
	samples := []part13.Sample{{Time: at(0), Value: math.MaxFloat64}, {Time: at(1), Value: math.MaxFloat64}, {Time: at(20)}}
	for _, f := range []part13.Function{part13.Average, part13.Total2, part13.Total} {
		rs, err := part13.Process(nil, f, part13.Config{}, part13.Request{Start: at(0), End: at(10)}, samples)
		require.NoError(t, err)
		assert.Equal(t, part13.BadOutOfRange, rs[0].Status, f.String())
		assert.True(t, math.IsNaN(rs[0].Value))
	}
}

// The two rules differ where data is Uncertain: [12:01:00, 12:01:05) of Historian 1
// ends at an Uncertain bound, [12:00:40, 12:00:45) of Historian 2 has nothing Good.
func TestShares(t *testing.T) {
	samples := historians(t)
	for _, c := range []struct {
		historian  string
		at         int
		three, two string
	}{
		{"1", 60, "UncertainDataSubNormal, Calculated", "Good, Calculated"},
		{"2", 40, "UncertainDataSubNormal, Calculated", "Bad, Calculated"},
	} {
		cfg := historianConfigs[c.historian]
		for shares, want := range map[part13.Shares]string{part13.ThreeShares: c.three, part13.TwoShares: c.two} {
			cfg.Shares = shares
			rs, err := part13.Process(nil, part13.TimeAverage2, cfg, part13.Request{Start: at(c.at), End: at(c.at + 5)}, samples[c.historian])
			require.NoError(t, err)
			assert.Equal(t, want, rs[0].Status.String())
		}
	}
}

func TestPushAllocNothing(t *testing.T) {
	c, err := part13.NewCalculator(part13.Config{}, part13.Request{Start: at(0), Interval: time.Minute}, part13.Functions()...)
	require.NoError(t, err)
	now := at(0)
	var last part13.Result
	assert.Zero(t, testing.AllocsPerRun(10000, func() {
		s := part13.Sample{Time: now, Value: float64(now / 1e9 % 17)}
		if now/1e9%11 == 0 {
			s.Status = part13.Bad
		}
		now += 7e9
		if err := c.Push(s); err != nil {
			panic(err)
		}
		for r, ok := c.Next(); ok; r, ok = c.Next() {
			last = r
		}
	}))
	assert.NotZero(t, last.Function)
}

func FuzzAnything(f *testing.F) {
	f.Add(int64(1), int64(100), int64(7), []byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21}, uint8(0))
	f.Add(int64(math.MinInt64), int64(math.MaxInt64), int64(math.MaxInt64), make([]byte, 63), uint8(7))
	f.Add(int64(math.MaxInt64), int64(math.MinInt64), int64(math.MaxInt64/3), make([]byte, 63), uint8(2))
	f.Fuzz(func(t *testing.T, start, end, step int64, data []byte, flags uint8) {
		cfg := part13.Config{UseUncertain: flags&1 != 0, Stepped: flags&2 != 0, UseSlopedExtrapolation: flags&4 != 0}
		req := part13.Request{Start: acquire.Instant(start), End: acquire.Instant(end), Interval: time.Duration(step)}
		c, err := part13.NewCalculator(cfg, req, part13.Functions()...)
		if err != nil {
			return
		}
		given := 0
		take := func() bool {
			for r, ok := c.Next(); ok; r, ok = c.Next() {
				if given++; given > 2000 {
					return false
				}
				if r.Status.IsBad() != math.IsNaN(r.Value) {
					t.Fatalf("%+v", r)
				}
				switch r.Function {
				case part13.PercentGood, part13.PercentBad:
					if r.Value < 0 || r.Value > 100 {
						t.Fatalf("%+v", r)
					}
				}
				low, high := min(r.Start, r.End), max(r.Start, r.End)
				if low >= high || r.Time < low || r.Time > high {
					t.Fatalf("%+v", r)
				}
			}
			return true
		}
		for len(data) >= 21 {
			s := part13.Sample{
				Time:   acquire.Instant(binary.LittleEndian.Uint64(data)),
				Value:  math.Float64frombits(binary.LittleEndian.Uint64(data[8:])),
				Status: part13.StatusCode(binary.LittleEndian.Uint32(data[16:])),
			}
			data = data[21:]
			if err := c.Push(s); err != nil && err != part13.ErrOrder {
				t.Fatal(err)
			}
			if !take() {
				return
			}
		}
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
		take()
	})
}

func BenchmarkPush(b *testing.B) {
	for name, fs := range map[string][]part13.Function{
		"TimeAverage2": {part13.TimeAverage2},
		"TimeAverage":  {part13.TimeAverage},
		"all":          part13.Functions(),
	} {
		b.Run(name, func(b *testing.B) {
			c, err := part13.NewCalculator(part13.Config{}, part13.Request{Start: at(0), Interval: 15 * time.Minute}, fs...)
			require.NoError(b, err)
			s := part13.Sample{Time: at(0)}
			b.ReportAllocs()
			for b.Loop() {
				s.Time += 1e9
				s.Value = float64(s.Time & 1023)
				if err := c.Push(s); err != nil {
					b.Fatal(err)
				}
				for _, ok := c.Next(); ok; _, ok = c.Next() {
				}
			}
		})
	}
}

// A line between values whose difference is no float64 has its points all the
// same, and an extreme beside it stays what it is.
func TestLineBetweenHugeValues(t *testing.T) {
	huge := math.MaxFloat64
	samples := []part13.Sample{{Time: noon, Value: -huge}, {Time: noon.Add(40 * time.Second), Value: huge}, {Time: noon.Add(80 * time.Second), Value: huge}}
	req := part13.Request{Start: noon.Add(10 * time.Second), End: noon.Add(40 * time.Second), Interval: 10 * time.Second}
	for f, want := range map[part13.Function][]float64{
		part13.Interpolative: {-huge / 2, 0, huge / 2},
		part13.StartBound:    {-huge / 2, 0, huge / 2},
		part13.Minimum2:      {-huge / 2, 0, huge / 2},
		part13.Maximum2:      {0, huge / 2, huge},
	} {
		got, err := part13.Process(nil, f, part13.Config{}, req, samples)
		require.NoError(t, err)
		require.Len(t, got, len(want))
		for i, r := range got {
			assert.True(t, r.Status.IsGood(), "%v %v", f, r.Status)
			assert.InDelta(t, want[i]/huge, r.Value/huge, 1e-15, f)
		}
	}
}
