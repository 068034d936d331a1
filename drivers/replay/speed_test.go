package replay_test

import (
	"context"
	"flag"
	"io"
	"path/filepath"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/acquire/capture"
	"github.com/fieldtap/fieldtap/drivers/replay"
)

// plant records n seconds of so many points.
func plant(t testing.TB, n, points int) string {
	path := filepath.Join(t.TempDir(), "plant.mcap")
	catalog := acquire.NewCatalog()
	var ids []acquire.PointID
	for i := range points {
		id, err := catalog.Define(acquire.Point{Name: strconv.Itoa(i), Kind: acquire.KindFloat64})
		require.NoError(t, err)
		ids = append(ids, id)
	}
	w, err := capture.Create(path, capture.Config{Catalog: catalog, MaxDelay: time.Minute})
	require.NoError(t, err)
	var b acquire.Batch
	for i := range n {
		b.Reset()
		b.Received, b.Points = acquire.Instant(1790000000_000000000+int64(i)*1e9), ids
		b.Watermark = b.Received
		for j, id := range ids {
			b.Append(acquire.Sample{Time: b.Received, Point: id, Value: acquire.Float64(float64(float32(i*j) / 7)), Quality: acquire.Good})
		}
		require.NoError(t, w.Write(&b))
	}
	require.NoError(t, w.Close())
	return path
}

func BenchmarkReplay(b *testing.B) {
	src := open(b, plant(b, 4000, 500), replay.Config{})
	var batch acquire.Batch
	samples := 0
	b.ReportAllocs()
	for b.Loop() {
		stream, err := src.Open(b.Context())
		require.NoError(b, err)
		for stream.Next(b.Context(), &batch) == nil {
			samples += len(batch.Samples)
		}
		require.NoError(b, stream.Close())
	}
	b.ReportMetric(float64(samples)/b.Elapsed().Seconds()/1e6, "Msamples/s")
}

// A day of a second each passes as recorded, in virtual time.
func TestDay(t *testing.T) {
	path := meter(t, "main", 86_400)
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		stream, err := open(t, path, replay.Config{Pace: replay.AsRecorded}).Open(t.Context())
		require.NoError(t, err)
		defer stream.Close()
		n := 0
		for _, err := range acquire.Batches(t.Context(), stream) {
			require.NoError(t, err)
			n++
		}
		require.Equal(t, 86_400, n)
		require.Equal(t, 86_399*time.Second, time.Since(start))
	})
}

var day = flag.Int("day", 10, "points of which TestDayOfPlant replays a day")

// A day of a plant passes as recorded, in virtual time. How long that takes by a real
// clock is told, for the table of BENCHMARKS.md: -v -args -day 100.
func TestDayOfPlant(t *testing.T) {
	path := plant(t, 86_400, *day)
	begun := time.Now()
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		stream, err := open(t, path, replay.Config{Pace: replay.AsRecorded}).Open(t.Context())
		require.NoError(t, err)
		defer stream.Close()
		var b acquire.Batch
		samples := 0
		for err = stream.Next(t.Context(), &b); err == nil; err = stream.Next(t.Context(), &b) {
			samples += len(b.Samples)
		}
		require.ErrorIs(t, err, io.EOF)
		require.Equal(t, 86_400**day, samples)
		require.Equal(t, 86_399*time.Second, time.Since(start))
	})
	t.Logf("a day of %d points in %s", *day, time.Since(begun))
}

func TestReplayAllocs(t *testing.T) {
	stream, err := open(t, plant(t, 400, 500), replay.Config{Shift: time.Hour}).Open(t.Context())
	require.NoError(t, err)
	defer stream.Close()
	var b acquire.Batch
	ctx := context.Background()
	next := func() { _ = stream.Next(ctx, &b) }
	for range 50 {
		next()
	}
	require.Zero(t, testing.AllocsPerRun(300, next))
}
