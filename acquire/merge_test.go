package acquire_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/acquire/acquiretest"
)

func merge(t testing.TB, sources ...acquire.Source) acquire.Source {
	t.Helper()
	src, err := acquire.Merge(sources...)
	require.NoError(t, err)
	return src
}

func TestMergeRefuses(t *testing.T) {
	one := acquiretest.NewFake("one", []acquire.PointID{1, 2})
	tests := []struct {
		name    string
		sources []acquire.Source
		says    []string
	}{
		{"nil", []acquire.Source{one, nil}, []string{"source 2 is nil"}},
		{"names", []acquire.Source{one, acquiretest.NewFake("one", nil)}, []string{`two sources are named "one"`}},
		{"points", []acquire.Source{one, acquiretest.NewFake("two", []acquire.PointID{2})}, []string{`point 2 is delivered by both "one" and "two"`}},
		{
			"all faults at once",
			[]acquire.Source{nil, one, one},
			[]string{"source 1 is nil", `named "one"`, "point 1 is", "point 2 is"},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := acquire.Merge(test.sources...)
			require.Error(t, err)
			for _, fault := range test.says {
				assert.Contains(t, err.Error(), fault)
			}
		})
	}
}

func TestMergeDescribes(t *testing.T) {
	var sources []acquire.Source
	for i := range 5 {
		sources = append(sources, acquiretest.NewFake(fmt.Sprint("s", i), []acquire.PointID{acquire.PointID(2*i + 1), acquire.PointID(2*i + 2)}))
	}
	src := merge(t, sources...)
	assert.Equal(t, "merge(s0, s1, s2, 2 more)", src.Name())
	assert.Equal(t, []acquire.PointID{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, src.Points())
	group, ok := acquire.As[acquire.Group](acquire.Reconnect(src, plain))
	require.True(t, ok)
	assert.Equal(t, sources, group.Sources())
}

func TestMergeNothing(t *testing.T) {
	s := open(t, merge(t))
	assert.Equal(t, io.EOF, s.Next(t.Context(), new(acquire.Batch)))
}

func TestMergeIsFair(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fast := acquiretest.NewFake("fast", []acquire.PointID{1}, acquiretest.Forever(acquiretest.Deliver(reading(1))))
		slow := acquiretest.NewFake("slow", []acquire.PointID{2}, acquiretest.Repeat(100, acquiretest.Deliver(reading(2))), acquiretest.Silence())
		s := open(t, merge(t, fast, slow))
		var b acquire.Batch
		since := 0 // batches of the fast one in a row
		for got := 0; got < 100; since++ {
			require.NoError(t, s.Next(t.Context(), &b))
			if b.Samples[0].Point == 2 {
				got++
				since = 0
			}
			synctest.Wait() // let both fill their places
			require.Less(t, since, 2, "a source that always has a batch crowds out another")
		}
	})
}

func TestMergeKeepsPeriods(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 2000
		dead := acquiretest.NewFake("dead", []acquire.PointID{n + 1}, acquiretest.Silence())
		unreachable := acquiretest.NewFake("unreachable", []acquire.PointID{n + 2}, acquiretest.Connect(time.Hour))
		sources := []acquire.Source{dead, unreachable}
		for i := range acquire.PointID(n) {
			sources = append(sources, acquiretest.NewFake(fmt.Sprint("s", i), []acquire.PointID{i + 1}, polling(3, i+1), acquiretest.Silence()))
		}
		s := open(t, merge(t, sources...))
		batches, err := read(t, s, time.Minute)
		assert.ErrorIs(t, err, context.DeadlineExceeded)
		require.Len(t, batches, 3*n)
		for i, b := range batches {
			require.Equal(t, time.Duration(i/n+1)*time.Second, b.at, "batch %d is late", i)
		}
		require.NoError(t, s.Close())
	})
}

func TestMergeSaysTheLossOfAMember(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := acquire.At(time.Now())
		ahead := reading(3)
		ahead.Time = start.Add(time.Hour)
		src := merge(t,
			acquiretest.NewFake("refused", []acquire.PointID{1}, acquiretest.Fail(refusal{})),
			acquiretest.NewFake("cut", []acquire.PointID{2, 3}, acquiretest.Deliver(ahead), acquiretest.Wait(time.Second), acquiretest.Fail(errCut)),
			acquiretest.NewFake("finite", []acquire.PointID{4}, polling(3, 4)),
		)
		s := open(t, src)
		batches, err := read(t, s, time.Hour)
		assert.ErrorIs(t, err, errCut)
		assert.ErrorIs(t, err, refusal{})
		assert.NotErrorIs(t, err, io.EOF, "a member that came to its end is no fault")
		_, again := read(t, s, time.Hour)
		assert.Equal(t, err, again)

		lost := make(map[acquire.PointID]acquire.Sample)
		good := 0
		for _, b := range batches {
			for _, s := range b.samples {
				if s.Quality.IsGood() {
					good++
					continue
				}
				assert.NotContains(t, lost, s.Point, "a loss is said once")
				assert.True(t, s.Value.IsNone())
				lost[s.Point] = s
			}
		}
		assert.Equal(t, 4, good)
		require.Len(t, lost, 3)
		assert.Equal(t, acquire.QualityOf(refusal{}), lost[1].Quality)
		assert.Equal(t, acquire.QualityOf(errCut), lost[2].Quality)
		assert.Equal(t, start.Add(time.Hour), lost[3].Time, "not before what the source said last")
	})
}

func TestMergeEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := merge(t,
			acquiretest.NewFake("a", []acquire.PointID{1}, polling(2, 1)),
			acquiretest.NewFake("b", []acquire.PointID{2}, polling(5, 2)),
		)
		batches, err := read(t, open(t, src), time.Hour)
		assert.Equal(t, io.EOF, err)
		assert.Len(t, batches, 7)
	})
}

func TestMergeOfReconnects(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := merge(t,
			acquire.Reconnect(acquiretest.NewFake("a", []acquire.PointID{1},
				polling(2, 1), acquiretest.Outage(5*time.Second, errCut), polling(2, 1)), plain),
			acquire.Reconnect(acquiretest.NewFake("b", []acquire.PointID{2}, polling(20, 2)), plain),
		)
		batches, err := read(t, open(t, src), time.Hour)
		assert.Equal(t, io.EOF, err)
		var ticks []time.Duration
		recovered := 0
		for _, b := range batches {
			for _, s := range b.samples {
				switch {
				case s.Point == 2:
					ticks = append(ticks, b.at)
				case s.Quality.IsGood():
					recovered++
				}
			}
		}
		assert.Equal(t, 4, recovered)
		for i, at := range ticks {
			assert.Equal(t, time.Duration(i+1)*time.Second, at)
		}
	})
}

func TestMergeCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fakes := []*acquiretest.Fake{
			acquiretest.NewFake("busy", []acquire.PointID{1}, acquiretest.Forever(acquiretest.Deliver(reading(1)))),
			acquiretest.NewFake("silent", []acquire.PointID{2}, acquiretest.Silence()),
			acquiretest.NewFake("unreachable", []acquire.PointID{3}, acquiretest.Connect(time.Hour)),
		}
		s := open(t, merge(t, fakes[0], fakes[1], fakes[2]))
		var b acquire.Batch
		require.NoError(t, s.Next(t.Context(), &b))
		synctest.Wait() // a batch is waiting
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		err := s.Next(ctx, &b)
		assert.ErrorIs(t, err, context.Canceled, "a batch that waits does not hide the end of the context")
		assert.Equal(t, err, s.Next(t.Context(), &b), "an error is final")

		start := time.Now()
		require.NoError(t, s.Close())
		require.NoError(t, s.Close(), "Close may be called again")
		assert.Zero(t, time.Since(start))
		for _, f := range fakes {
			assert.Zero(t, f.Connections(), f.Name())
		}
		// synctest.Test fails if a goroutine is left.

		_, err = merge(t, fakes[0]).Open(ctx)
		assert.ErrorIs(t, err, context.Canceled)
	})
}

func TestMergeClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, merge(t, acquiretest.NewFake("a", []acquire.PointID{1}, polling(3, 1))))
		require.NoError(t, s.Close())
		assert.ErrorIs(t, s.Next(t.Context(), new(acquire.Batch)), acquire.ErrClosed)
	})
}

func TestMergeOutlivesOpeningContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		s, err := merge(t, acquiretest.NewFake("a", []acquire.PointID{1}, polling(3, 1))).Open(ctx)
		require.NoError(t, err)
		defer s.Close()
		cancel()
		batches, err := read(t, s, time.Hour)
		assert.Equal(t, io.EOF, err)
		assert.Len(t, batches, 3)
	})
}

func TestMergeIsBackPressure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		delivered := 0
		src := acquiretest.NewFake("a", []acquire.PointID{1}, acquiretest.Forever(acquiretest.Fill(func(*acquire.Batch) { delivered++ })))
		s := open(t, merge(t, src))
		synctest.Wait()
		assert.Equal(t, 1, delivered, "one batch waits, no more")
		require.NoError(t, s.Next(t.Context(), new(acquire.Batch)))
		synctest.Wait()
		assert.Equal(t, 2, delivered)
	})
}

func TestMergeTexts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		say := func(p acquire.PointID, text string) *acquiretest.Fake {
			return acquiretest.NewFake(text, []acquire.PointID{p}, acquiretest.Repeat(3, acquiretest.Wait(time.Second), acquiretest.Fill(func(b *acquire.Batch) {
				v, _ := b.PutText([]byte(text))
				b.Append(acquire.Sample{Point: p, Value: v, Quality: acquire.Good})
				b.Append(acquire.Sample{Point: p, Value: acquire.Uint64(3), Quality: acquire.Good})
			})))
		}
		s := open(t, merge(t, say(1, "one"), say(2, "two"), say(3, "six")))
		var b acquire.Batch
		var kept []acquire.Value
		seen := make(map[string]int)
		for {
			err := s.Next(t.Context(), &b)
			if errors.Is(err, io.EOF) {
				break
			}
			require.NoError(t, err)
			for _, v := range kept {
				_, ok := b.Text(v)
				assert.False(t, ok, "a text of another source's batch is readable")
			}
			text, ok := b.Text(b.Samples[0].Value)
			assert.True(t, ok)
			assert.Equal(t, acquire.Uint64(3), b.Samples[1].Value, "numbers pass unchanged")
			seen[string(text)]++
			kept = append(kept, b.Samples[0].Value)
		}
		assert.Equal(t, map[string]int{"one": 3, "two": 3, "six": 3}, seen)
	})
}

// crowd is n sources that always have a batch of 64 samples ready.
func crowd(tb testing.TB, n int) acquire.Stream {
	var sources []acquire.Source
	for i := range n {
		samples := make([]acquire.Sample, 64)
		for k := range samples {
			samples[k] = reading(acquire.PointID(64*i + k + 1))
		}
		sources = append(sources, acquiretest.NewFake(fmt.Sprint("s", i), nil, acquiretest.Forever(acquiretest.Deliver(samples...))))
	}
	s, err := merge(tb, sources...).Open(tb.Context())
	require.NoError(tb, err)
	tb.Cleanup(func() { s.Close() })
	return s
}

func TestMergeAllocs(t *testing.T) {
	s := crowd(t, 20)
	var b acquire.Batch
	next := func() {
		if err := s.Next(t.Context(), &b); err != nil {
			t.Error(err)
		}
	}
	for range 1000 { // every batch has its memory, every script its place
		next()
	}
	assert.Zero(t, testing.AllocsPerRun(1000, next))
}

func TestReconnectAllocs(t *testing.T) {
	fake := acquiretest.NewFake("meter", []acquire.PointID{1}, acquiretest.Forever(acquiretest.Deliver(reading(1))))
	s := open(t, acquire.Reconnect(fake, acquire.Backoff{}))
	var b acquire.Batch
	next := func() {
		if err := s.Next(t.Context(), &b); err != nil {
			t.Error(err)
		}
	}
	next()
	assert.Zero(t, testing.AllocsPerRun(1000, next))
}

// BenchmarkMerge measures one batch of 64 samples through Merge.
func BenchmarkMerge(b *testing.B) {
	for _, n := range []int{1, 20, 2000} {
		b.Run(fmt.Sprint(n, " sources"), func(b *testing.B) {
			s := crowd(b, n)
			var batch acquire.Batch
			b.ReportAllocs()
			for b.Loop() {
				if err := s.Next(b.Context(), &batch); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
