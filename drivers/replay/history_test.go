package replay_test

import (
	"cmp"
	"context"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/acquire/acquiretest"
	"github.com/fieldtap/fieldtap/acquire/capture"
	"github.com/fieldtap/fieldtap/drivers/replay"
)

// script writes a capture of points p0, p1, ... and returns its name. step fills one
// batch after another, until it returns false.
func script(t testing.TB, points int, step func(i int, b *acquire.Batch) bool) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "script.mcap")
	catalog := acquire.NewCatalog()
	for i := range points {
		_, err := catalog.Define(acquire.Point{Name: "p" + string(rune('0'+i)), Kind: acquire.KindFloat64})
		require.NoError(t, err)
	}
	w, err := capture.Create(path, capture.Config{Catalog: catalog})
	require.NoError(t, err)
	var b acquire.Batch
	for i := 0; ; i++ {
		b.Reset()
		if !step(i, &b) {
			break
		}
		require.NoError(t, w.Write(&b))
	}
	require.NoError(t, w.Close())
	return path
}

// told is a sample of a history with its text.
type told struct {
	acquire.Sample
	text string
}

// history reads a history to its end.
func history(t testing.TB, src *replay.Source, from, to acquire.Instant, points ...acquire.PointID) (all []told, batches int, last error) {
	t.Helper()
	for b, err := range src.History(context.Background(), from, to, points...) {
		require.NoError(t, last)
		if last = err; err != nil {
			break
		}
		batches++
		require.NotEmpty(t, b.Samples)
		for _, s := range b.Samples {
			all = append(all, told{s, textOf(b, &s)})
		}
	}
	return all, batches, last
}

// textOf takes a text out of s, so that s can be compared.
func textOf(b *acquire.Batch, s *acquire.Sample) string {
	if s.Value.Kind() != acquire.KindText {
		return ""
	}
	text, ok := b.Text(s.Value)
	s.Value = acquire.Value{}
	if !ok {
		return "unreadable"
	}
	return "text " + string(text)
}

// slowHistory is what a history of captures is to be: all there is, picked out and put in
// order.
func slowHistory(t testing.TB, src *replay.Source, cfg replay.Config, from, to acquire.Instant, points ...acquire.PointID) []told {
	t.Helper()
	type arrived struct {
		told
		at acquire.Instant
	}
	var all []arrived
	for _, name := range cfg.Files {
		r, err := capture.Open(name, capture.ReaderConfig{Catalog: src.Catalog(), From: cfg.From, To: cfg.To})
		require.NoError(t, err)
		var b acquire.Batch
		for {
			at, err := r.Arrival()
			if err != nil {
				require.ErrorIs(t, err, io.EOF)
				break
			}
			require.NoError(t, r.Next(&b))
			for _, s := range b.Samples {
				s.Time = s.Time.Add(cfg.Shift)
				if slices.Contains(points, s.Point) && s.Time != 0 && s.Time >= from && s.Time < to {
					text := textOf(&b, &s)
					s.Quality = s.Quality.With(acquire.Backfilled)
					all = append(all, arrived{told{s, text}, at})
				}
			}
		}
		require.NoError(t, r.Close())
	}
	slices.SortStableFunc(all, func(a, b arrived) int { return cmp.Or(cmp.Compare(a.Time, b.Time), cmp.Compare(a.at, b.at)) })
	var only []told
	for _, a := range all {
		only = append(only, a.told)
	}
	return only
}

const noon = acquire.Instant(1790000000_000000000)

func TestHistorian(t *testing.T) {
	acquiretest.TestHistorian(t, func(t *testing.T) *acquiretest.Past {
		path := script(t, 3, func(i int, b *acquire.Batch) bool {
			now := noon.Add(time.Duration(i) * time.Second)
			b.Received = now.Add(5 * time.Millisecond)
			for p := range acquire.PointID(2) { // the third has no sample at all
				b.Append(acquire.Sample{Time: now, Point: p + 1, Value: acquire.Float64(float64(i)), Quality: acquire.Good.With(acquire.SourceTime)})
			}
			return i < 100
		})
		src := open(t, path, replay.Config{})
		past := &acquiretest.Past{Source: acquire.Reconnect(src, acquire.Backoff{}), Catalog: src.Catalog(), From: noon.Add(10 * time.Second), To: noon.Add(60 * time.Second)}
		for i := 10; i < 60; i++ {
			for p := range acquire.PointID(2) {
				past.Kept = append(past.Kept, acquire.Sample{Time: noon.Add(time.Duration(i) * time.Second), Point: p + 1, Value: acquire.Float64(float64(i)), Quality: acquire.Good.With(acquire.SourceTime)})
			}
		}
		return past
	})
}

// A history equals its slow twin, whatever the captures hold: late samples, clocks that
// are set back, arrivals that are unknown, texts, several files.
func TestHistoryEqualsTwin(t *testing.T) {
	for seed := range uint64(10) {
		rng := rand.New(rand.NewPCG(seed, 7))
		var files []string
		for range 1 + rng.IntN(3) {
			clock := noon
			lag := time.Duration(rng.Int64N(1e9))
			files = append(files, script(t, 4, func(i int, b *acquire.Batch) bool {
				clock = clock.Add(time.Duration(rng.Int64N(100e6)))
				if rng.IntN(200) == 0 {
					clock = clock.Add(-time.Duration(rng.Int64N(200e9)))
				}
				if b.Received = clock; rng.IntN(20) == 0 {
					b.Received = 0
				}
				for range rng.IntN(20 + int(seed/9)*300) { // the last captures are of several stretches
					at := clock.Add(-lag)
					switch rng.IntN(50) {
					case 0:
						at = noon.Add(time.Duration(rng.Int64N(100e9)))
					case 1:
						at = 0
					case 2:
						at = acquire.Instant(rng.Int64N(1000)) - 500
					}
					s := acquire.Sample{Time: at, Point: 1 + acquire.PointID(rng.IntN(4)), Quality: acquire.Good, Value: acquire.Float64(rng.Float64())}
					switch rng.IntN(10) {
					case 0:
						s.Value, s.Quality = acquire.Value{}, acquire.Bad
					case 1:
						s.Value, _ = b.PutText([]byte("RUN STOP FAULT"[:rng.IntN(14)]))
					}
					b.Append(s)
				}
				return i < 2000
			}))
		}
		cfg := replay.Config{Files: files}
		if seed%3 == 1 {
			cfg.Shift = time.Hour
		}
		if seed%4 == 2 {
			cfg.From = noon.Add(20 * time.Second)
		}
		src, err := replay.NewSource(cfg)
		require.NoError(t, err)
		for range 5 {
			from := noon.Add(cfg.Shift + time.Duration(rng.Int64N(100e9)))
			to := from.Add(time.Duration(1 + rng.Int64N(100e9)))
			if rng.IntN(4) == 0 {
				from = -600
			}
			points := src.Points()[:1+rng.IntN(4)]
			got, _, err := history(t, src, from, to, points...)
			require.NoError(t, err)
			want := slowHistory(t, src, cfg, from, to, points...)
			if !slices.Equal(got, want) {
				require.Len(t, got, len(want), "seed %d", seed)
				for i := range got {
					require.Equal(t, want[i], got[i], "seed %d, sample %d", seed, i)
				}
			}
		}
	}
}

// More samples than can be kept at once, in no order at all, and more than that of one
// moment.
func TestHistoryOfMuch(t *testing.T) {
	const batches, each = 150, 5000
	rng := rand.New(rand.NewPCG(1, 2))
	path := script(t, 1, func(i int, b *acquire.Batch) bool {
		b.Received = noon.Add(time.Duration(i) * time.Second)
		for j := range each {
			at := noon.Add(time.Duration(rng.Int64N(300e9)))
			if i >= 20 && i < 135 {
				at = noon.Add(150 * time.Second)
			}
			b.Append(acquire.Sample{Time: at, Point: 1, Quality: acquire.Good, Value: acquire.Uint64(uint64(i*each + j))})
		}
		return i < batches
	})
	src := open(t, path, replay.Config{})
	got, n, err := history(t, src, noon.Add(time.Second), noon.Add(time.Hour), 1)
	require.NoError(t, err)
	require.True(t, slices.Equal(slowHistory(t, src, replay.Config{Files: []string{path}}, noon.Add(time.Second), noon.Add(time.Hour), 1), got))
	require.Greater(t, n, len(got)/5000, "in pages")
}

// More text than can be kept at once.
func TestHistoryOfLongTexts(t *testing.T) {
	long := make([]byte, 60000)
	path := script(t, 1, func(i int, b *acquire.Batch) bool {
		b.Received = noon.Add(time.Duration(i) * time.Second)
		for j := range 10 {
			long[0], long[1] = byte(i), byte(j)
			v, ok := b.PutText(long)
			require.True(t, ok)
			b.Append(acquire.Sample{Time: noon.Add(time.Duration(100-i) * time.Second), Point: 1, Quality: acquire.Good, Value: v})
		}
		return i < 100
	})
	src := open(t, path, replay.Config{})
	got, _, err := history(t, src, noon, noon.Add(time.Hour), 1)
	require.NoError(t, err)
	require.Len(t, got, 1000)
	require.True(t, slices.Equal(slowHistory(t, src, replay.Config{Files: []string{path}}, noon, noon.Add(time.Hour), 1), got))
}

// A capture that is cut has the history that can be read, and an error that says so.
func TestHistoryOfDamaged(t *testing.T) {
	path := meter(t, "main", 30000)
	file, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, file[:len(file)/2], 0o600))
	src := open(t, path, replay.Config{})
	part, _, err := history(t, src, noon, noon.Add(24*time.Hour), src.Points()...)
	var damaged *replay.DamageError
	require.ErrorAs(t, err, &damaged)
	require.NotEmpty(t, part)
	src = open(t, path, replay.Config{Incomplete: true})
	same, _, err := history(t, src, noon, noon.Add(24*time.Hour), src.Points()...)
	require.NoError(t, err)
	require.Equal(t, part, same)
}

// A capture that grows is indexed anew.
func TestHistoryOfGrowing(t *testing.T) {
	path := meter(t, "main", 10)
	src := open(t, path, replay.Config{})
	few, _, err := history(t, src, noon, noon.Add(time.Hour), src.Points()...)
	require.NoError(t, err)
	require.Len(t, few, 30)
	longer, err := os.ReadFile(meter(t, "main", 20))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, longer, 0o600))
	more, _, err := history(t, src, noon, noon.Add(time.Hour), src.Points()...)
	require.NoError(t, err)
	require.Len(t, more, 60)
}
