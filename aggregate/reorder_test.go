package aggregate_test

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/aggregate"
)

const reorderStart = acquire.Instant(1795161600e9)

// note is a sample for people: seconds, value (0 = lost).
type note struct {
	s float64
	v float64
}

func (n note) sample() acquire.Sample {
	s := acquire.Sample{Time: reorderStart + acquire.Instant(n.s*1e9), Point: 1, Quality: acquire.Good, Value: acquire.Float64(n.v)}
	if n.v == 0 {
		s.Value, s.Quality = acquire.Value{}, acquire.Bad
	}
	return s
}

func notes(samples []acquire.Sample) (out []note) {
	for _, s := range samples {
		v, _ := s.Value.Float64()
		out = append(out, note{float64(s.Time-reorderStart) / 1e9, v})
	}
	return out
}

func TestReorder(t *testing.T) {
	points := []acquire.PointID{1}
	for name, test := range map[string]struct {
		config aggregate.ReorderConfig
		come   []note
		mark   float64 // after the last; 0 = none
		want   []note
		counts aggregate.ReorderCounts
	}{
		"by lateness": {
			aggregate.ReorderConfig{Lateness: 3 * time.Second},
			[]note{{1, 10}, {3, 30}, {2, 20}, {5, 50}, {4, 40}, {9, 90}}, 0,
			[]note{{1, 10}, {2, 20}, {3, 30}, {4, 40}, {5, 50}},
			aggregate.ReorderCounts{Samples: 5, Reordered: 2},
		},
		"by watermark": {
			aggregate.ReorderConfig{},
			[]note{{3, 30}, {1, 10}, {2, 20}}, 3,
			[]note{{1, 10}, {2, 20}},
			aggregate.ReorderCounts{Samples: 2, Reordered: 2},
		},
		"too late": {
			aggregate.ReorderConfig{Lateness: time.Second},
			[]note{{1, 10}, {3, 30}, {5, 50}, {2, 20}}, 0,
			[]note{{1, 10}, {3, 30}},
			aggregate.ReorderCounts{Samples: 2, Late: 1},
		},
		"too late, passed on": {
			aggregate.ReorderConfig{Lateness: time.Second, PassLate: true},
			[]note{{1, 10}, {3, 30}, {5, 50}, {2, 20}}, 0,
			[]note{{1, 10}, {3, 30}, {2, 20}},
			aggregate.ReorderCounts{Samples: 2, Late: 1},
		},
		"the first wins": {
			aggregate.ReorderConfig{},
			[]note{{1, 10}, {2, 20}, {1, 11}, {1, 10}}, 5,
			[]note{{1, 10}, {2, 20}},
			aggregate.ReorderCounts{Samples: 2, Duplicates: 1, Corrections: 1},
		},
		"the last wins": {
			aggregate.ReorderConfig{Corrections: aggregate.LastWins},
			[]note{{1, 10}, {2, 20}, {1, 11}, {1, 11}}, 5,
			[]note{{1, 11}, {2, 20}},
			aggregate.ReorderCounts{Samples: 2, Duplicates: 1, Corrections: 1},
		},
		"a loss is no correction": {
			aggregate.ReorderConfig{},
			[]note{{1, 0}, {1, 10}, {1, 0}}, 5,
			[]note{{1, 10}, {1, 0}},
			aggregate.ReorderCounts{Samples: 2, Duplicates: 1, Reordered: 1},
		},
		"no room": {
			aggregate.ReorderConfig{Size: 2},
			[]note{{2, 20}, {3, 30}, {1, 10}, {4, 40}}, 0,
			[]note{{1, 10}, {2, 20}},
			aggregate.ReorderCounts{Samples: 2, Overflows: 2, Reordered: 1},
		},
		"stamped too far ahead": {
			aggregate.ReorderConfig{MaxAhead: time.Minute},
			[]note{{1, 10}, {86400, 1}, {2, 20}}, 9,
			[]note{{1, 10}, {2, 20}},
			aggregate.ReorderCounts{Samples: 2, Ahead: 1},
		},
	} {
		t.Run(name, func(t *testing.T) {
			test.config.Points = points
			r, err := aggregate.NewReorder(test.config)
			require.NoError(t, err)
			var got []note
			b := acquire.Batch{}
			for _, n := range test.come {
				b.Reset()
				b.Received = reorderStart + 10e9
				b.Append(n.sample())
				got = append(got, notes(r.Observe(&b).Samples)...)
			}
			if test.mark != 0 {
				b.Reset()
				b.Watermark, b.Points = reorderStart+acquire.Instant(test.mark*1e9), points
				out := r.Observe(&b)
				require.Equal(t, b.Watermark, out.Watermark)
				got = append(got, notes(out.Samples)...)
			}
			require.Equal(t, test.want, got)
			require.Equal(t, test.counts, r.Counts())
		})
	}
}

func TestReorderFlags(t *testing.T) {
	r, err := aggregate.NewReorder(aggregate.ReorderConfig{Points: []acquire.PointID{1}, Lateness: time.Second})
	require.NoError(t, err)
	b := acquire.Batch{}
	add := func(n note, flags acquire.Flags) {
		s := n.sample()
		s.Quality = s.Quality.With(flags)
		b.Append(s)
	}
	add(note{1, 10}, 0)
	add(note{3, 30}, 0)
	add(note{2.5, 25}, acquire.TimeBackwards) // in order again
	add(note{3, 30}, acquire.Overflow)        // a duplicate that tells of a loss
	add(note{0, 1}, acquire.Discontinuity)    // too late: what went on began after it
	add(note{9, 90}, 0)
	got := r.Observe(&b).Samples
	require.Equal(t, []note{{1, 10}, {2.5, 25}, {3, 30}}, notes(got))
	require.Equal(t, acquire.Good, got[0].Quality)
	require.Equal(t, acquire.Good, got[1].Quality)
	require.Equal(t, acquire.Good.With(acquire.Overflow), got[2].Quality)

	b.Reset()
	b.Watermark, b.Points = reorderStart+20e9, []acquire.PointID{1}
	r.Observe(&b)
	b.Reset()
	add(note{15, 1}, acquire.Discontinuity) // too late, and news
	add(note{21, 2}, 0)
	add(note{23, 4}, 0)
	got = r.Observe(&b).Samples
	require.Equal(t, []note{{21, 2}}, notes(got))
	require.Equal(t, acquire.Good.With(acquire.Discontinuity), got[0].Quality)
}

// A device that sends its reading of a restart twice has restarted once, as a
// Router sees it without the stage.
func TestReorderOfOneRestart(t *testing.T) {
	b := newBench(t, aggregate.Metering{Import: "m/EI", MaxGap: time.Hour, Registers: aggregate.Registers{OnReset: aggregate.CreditNew}})
	r, err := aggregate.NewReorder(aggregate.ReorderConfig{Points: b.all, Lateness: time.Second})
	require.NoError(t, err)
	for _, n := range []note{{0, 100}, {10, 3}, {20, 5}, {10, 3}, {10, 3}, {30, 6}, {40, 7}} {
		s := acquire.Sample{Time: b.at(n.s), Point: b.all[imported], Value: acquire.Float64(n.v), Quality: acquire.Good}
		if n.s == 10 {
			s.Quality = s.Quality.With(acquire.Discontinuity)
		}
		b.router.Observe(r.Observe(&acquire.Batch{Samples: []acquire.Sample{s, s}}))
	}
	b.router.Observe(r.Flush())
	require.Equal(t, aggregate.WattHours(7000), b.totals().Registers.Import)
	require.EqualValues(t, 1, b.totals().Counts.Resets)
}

func TestReorderPasses(t *testing.T) {
	r, err := aggregate.NewReorder(aggregate.ReorderConfig{Points: []acquire.PointID{3}})
	require.NoError(t, err)
	b := acquire.Batch{Received: 7, Lost: 5}
	text, ok := b.PutText([]byte("on"))
	require.True(t, ok)
	b.Append(acquire.Sample{Time: reorderStart, Point: 3, Value: text})
	b.Append(acquire.Sample{Time: 0, Point: 3, Value: acquire.Float64(1)})
	b.Append(acquire.Sample{Time: reorderStart, Point: 2, Value: acquire.Float64(2)})
	b.Append(acquire.Sample{Time: reorderStart, Point: 9, Value: acquire.Float64(3)})
	r2, err := aggregate.NewReorder(aggregate.ReorderConfig{Points: []acquire.PointID{3}, MaxAhead: 1<<63 - 1})
	require.NoError(t, err)
	out := r2.Observe(&b)
	require.Len(t, out.Samples, 4)
	require.EqualValues(t, 5, out.Lost)
	got, ok := out.Text(out.Samples[0].Value)
	require.True(t, ok)
	require.Equal(t, "on", string(got))
	require.Equal(t, b.Samples[1:], out.Samples[1:])
	require.Len(t, r.Observe(&b).Samples, 3, "the text is stamped ahead of its arrival")

	var zero aggregate.Reorder
	require.Len(t, zero.Observe(&b).Samples, 4)
	require.Empty(t, zero.Flush().Samples)
}

func TestNewReorderNamesAllFaults(t *testing.T) {
	_, err := aggregate.NewReorder(aggregate.ReorderConfig{
		Points: []acquire.PointID{0, 7, 7}, Size: 5000, Lateness: -1, MaxAhead: -1, Corrections: 9,
	})
	require.EqualError(t, err, ""+
		"aggregate: reorder: size 5000 is not within 1 and 4096\n"+
		"aggregate: reorder: lateness -1ns is negative\n"+
		"aggregate: reorder: longest time ahead -1ns is negative\n"+
		"aggregate: reorder: unknown correction policy 9\n"+
		"aggregate: reorder: point 0 is none\n"+
		"aggregate: reorder: point 7 is given twice")
	_, err = aggregate.NewReorder(aggregate.ReorderConfig{})
	require.EqualError(t, err, "aggregate: reorder: no points")
}

// sorted is the slow twin: everything that came, sorted, and of each time the
// first or last of a value, and of a loss.
func sorted(came []acquire.Sample, last bool) (out []acquire.Sample) {
	came = slices.Clone(came)
	slices.SortStableFunc(came, func(a, b acquire.Sample) int {
		if a.Time != b.Time {
			return cmp.Compare(a.Time, b.Time)
		}
		return cmp.Compare(b.Quality, a.Quality)
	})
	for _, s := range came {
		n := len(out)
		if n == 0 || out[n-1].Time != s.Time || out[n-1].Quality != s.Quality {
			out = append(out, s)
		} else if last {
			out[n-1] = s
		}
	}
	return out
}

// Whatever the order within the bound, what goes on is the sorted whole.
func checkReorder(t *testing.T, data []byte) {
	d := &dice{data}
	last := d.below(2) == 1
	const lateness = 8
	config := aggregate.ReorderConfig{Points: []acquire.PointID{1, 2}, Size: 64, Lateness: lateness}
	byMark := d.below(2) == 1
	if byMark {
		config.Lateness = 0
	}
	if last {
		config.Corrections = aggregate.LastWins
	}
	r, err := aggregate.NewReorder(config)
	require.NoError(t, err)
	resume := func() {
		state, err := r.MarshalBinary()
		require.NoError(t, err)
		next, err := aggregate.NewReorder(config)
		require.NoError(t, err)
		require.NoError(t, next.UnmarshalBinary(state))
		again, err := next.MarshalBinary()
		require.NoError(t, err)
		require.Equal(t, state, again)
		r = next
	}
	var came, went [3][]acquire.Sample
	now := reorderStart
	b := acquire.Batch{}
	take := func(out *acquire.Batch) {
		for _, s := range out.Samples {
			list := went[s.Point]
			require.True(t, len(list) == 0 || list[len(list)-1].Time <= s.Time)
			went[s.Point] = append(list, s)
		}
	}
	for len(d.data) > 0 {
		if b.Reset(); d.below(8) == 0 {
			resume()
		}
		for range d.below(4) {
			s := acquire.Sample{Point: acquire.PointID(1 + d.below(2)), Quality: acquire.Good, Value: acquire.Int64(int64(d.below(3)))}
			if d.below(6) == 0 {
				s.Quality, s.Value = acquire.Bad, acquire.Value{}
			}
			s.Time = now + acquire.Instant(d.below(lateness))
			came[s.Point] = append(came[s.Point], s)
			b.Append(s)
		}
		if byMark {
			now += acquire.Instant(d.below(3))
			b.Watermark, b.Points = now, config.Points
		} else if d.below(4) == 0 {
			now++ // each point may be at now + 7, and then at now + 1
		}
		take(r.Observe(&b))
	}
	take(r.Flush())
	require.Zero(t, r.Waiting())
	counts := r.Counts()
	require.Zero(t, counts.Late+counts.Overflows+counts.Ahead)
	for p := 1; p <= 2; p++ {
		require.Equal(t, sorted(came[p], last), went[p])
	}
	require.EqualValues(t, len(came[1])+len(came[2]), counts.Samples+counts.Duplicates+counts.Corrections)
}

func TestReorderState(t *testing.T) {
	config := aggregate.ReorderConfig{Points: []acquire.PointID{1, 4}, Size: 4}
	r, err := aggregate.NewReorder(config)
	require.NoError(t, err)
	b := acquire.Batch{}
	for i, v := range []acquire.Value{acquire.Float64(1.5), acquire.Int64(-2), acquire.Uint64(3), acquire.Bool(true), {}, acquire.Float64(7)} {
		b.Append(acquire.Sample{Time: reorderStart + acquire.Instant(9-i), Point: 4, Value: v, Quality: acquire.Good.With(acquire.SourceTime)})
	}
	r.Observe(&b)
	state, err := r.MarshalBinary()
	require.NoError(t, err)
	next, err := aggregate.NewReorder(config)
	require.NoError(t, err)
	fresh, err := next.MarshalBinary()
	require.NoError(t, err)
	for i := range state {
		bad := slices.Clone(state)
		bad[i] ^= 4
		require.Error(t, next.UnmarshalBinary(bad))
		require.Error(t, next.UnmarshalBinary(state[:i]))
	}
	same, _ := next.MarshalBinary()
	require.Equal(t, fresh, same)
	require.NoError(t, next.UnmarshalBinary(state))
	require.Equal(t, r.Counts(), next.Counts())
	require.Equal(t, r.Waiting(), next.Waiting())
	require.Equal(t, r.Flush().Samples, next.Flush().Samples)
	config.Size = 5
	other, err := aggregate.NewReorder(config)
	require.NoError(t, err)
	require.ErrorIs(t, other.UnmarshalBinary(state), aggregate.ErrOtherConfiguration)
}

func TestReorderIsSort(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 1))
	data := make([]byte, 600)
	for range 300 {
		for i := range data {
			data[i] = byte(random.Uint32())
		}
		checkReorder(t, data[:random.IntN(len(data))])
	}
}

func FuzzReorder(f *testing.F) {
	f.Add([]byte{1, 1, 3, 0, 1, 5, 7, 1, 2, 0, 3, 3, 0, 0, 2, 2})
	f.Add([]byte{0, 0, 2, 0, 1, 0, 7, 1, 2, 1, 3, 3, 0, 0, 2, 2})
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) < 2000 {
			checkReorder(t, data)
		}
	})
}

// feed makes batches of a point whose samples come in swapped pairs.
func swappedPairs(b *acquire.Batch, at *acquire.Instant) {
	b.Reset()
	for range 16 {
		for _, d := range [...]acquire.Instant{2, 1} {
			b.Append(acquire.Sample{Time: *at + d*1e9, Point: 1, Quality: acquire.Good, Value: acquire.Float64(1)})
		}
		*at += 2e9
	}
}

func TestReorderAllocs(t *testing.T) {
	r, err := aggregate.NewReorder(aggregate.ReorderConfig{Points: []acquire.PointID{1}, Lateness: 5 * time.Second})
	require.NoError(t, err)
	b, at := acquire.Batch{}, reorderStart
	swappedPairs(&b, &at)
	r.Observe(&b)
	require.Zero(t, testing.AllocsPerRun(100, func() {
		swappedPairs(&b, &at)
		r.Observe(&b)
	}))
	state := make([]byte, 0, 4096)
	require.Zero(t, testing.AllocsPerRun(10, func() { _, _ = r.AppendBinary(state) }))
}

func BenchmarkReorder(b *testing.B) {
	r, err := aggregate.NewReorder(aggregate.ReorderConfig{Points: []acquire.PointID{1}, Lateness: 5 * time.Second})
	require.NoError(b, err)
	batch, at := acquire.Batch{}, reorderStart
	b.ReportAllocs()
	for b.Loop() {
		swappedPairs(&batch, &at)
		r.Observe(&batch)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/32, "ns/sample")
}
