package replay_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/acquire/acquiretest"
	"github.com/fieldtap/fieldtap/acquire/capture"
	"github.com/fieldtap/fieldtap/drivers/replay"
	"github.com/fieldtap/fieldtap/units"
)

// meter records n seconds of a meter in a file, and returns its name.
func meter(t testing.TB, name string, n int) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name+".mcap")
	catalog := acquire.NewCatalog()
	power, err := catalog.Define(acquire.Point{Name: name + "/P", Unit: units.Kilowatt, Kind: acquire.KindFloat64})
	require.NoError(t, err)
	energy, err := catalog.Define(acquire.Point{Name: name + "/E", Unit: units.WattHour, Kind: acquire.KindUint64, Role: acquire.Counter})
	require.NoError(t, err)
	state, err := catalog.Define(acquire.Point{Name: name + "/state", Kind: acquire.KindText, Role: acquire.State})
	require.NoError(t, err)
	w, err := capture.Create(path, capture.Config{Catalog: catalog})
	require.NoError(t, err)
	var b acquire.Batch
	for i := range n {
		now := acquire.Instant(1790000000_000000000 + int64(i)*1e9)
		b.Reset()
		b.Received, b.Watermark, b.Points = now+2e6, now, []acquire.PointID{power, energy, state}
		b.Append(acquire.Sample{Time: now, Point: power, Value: acquire.Float64(97 + float64(i%7)/10), Quality: acquire.Good})
		b.Append(acquire.Sample{Time: now, Point: energy, Value: acquire.Uint64(1000 + uint64(i)), Quality: acquire.Good})
		text, _ := b.PutText([]byte("RUN"))
		b.Append(acquire.Sample{Time: now, Point: state, Value: text, Quality: acquire.Good})
		require.NoError(t, w.Write(&b))
	}
	require.NoError(t, w.Close())
	return path
}

// play reads a source to its end.
func play(t testing.TB, src *replay.Source) (string, error) {
	t.Helper()
	stream, err := src.Open(context.Background())
	require.NoError(t, err)
	defer stream.Close()
	var out bytes.Buffer
	var b acquire.Batch
	for {
		if err := stream.Next(context.Background(), &b); err != nil {
			return out.String(), err
		}
		fmt.Fprintln(&out, b.Received, b.Watermark, b.Points, b.Lost)
		for _, s := range b.Samples {
			fmt.Fprintf(&out, "%s\n", src.Catalog().AppendSample(nil, s, &b))
		}
	}
}

func open(t testing.TB, path string, cfg replay.Config) *replay.Source {
	t.Helper()
	src, err := replay.Open(path, cfg)
	require.NoError(t, err)
	return src
}

// Pace changes when batches come, and nothing else.
func TestPace(t *testing.T) {
	path := meter(t, "main", 61)
	want, err := play(t, open(t, path, replay.Config{}))
	require.ErrorIs(t, err, io.EOF)
	for _, test := range []struct {
		pace replay.Pace
		took time.Duration
	}{
		{replay.AsFastAsRead, 0},
		{replay.AsRecorded, time.Minute},
		{replay.Times(60), time.Second},
		{replay.Times(0.5), 2 * time.Minute},
	} {
		synctest.Test(t, func(t *testing.T) {
			start := time.Now()
			got, err := play(t, open(t, path, replay.Config{Pace: test.pace}))
			require.ErrorIs(t, err, io.EOF)
			require.Equal(t, want, got)
			require.Equal(t, test.took, time.Since(start))
		})
	}
}

func TestWaitIsInterrupted(t *testing.T) {
	path := meter(t, "main", 3)
	synctest.Test(t, func(t *testing.T) {
		stream, err := open(t, path, replay.Config{Pace: replay.Times(0.001)}).Open(t.Context())
		require.NoError(t, err)
		defer stream.Close()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		var b acquire.Batch
		require.NoError(t, stream.Next(ctx, &b))
		start := time.Now()
		err = stream.Next(ctx, &b)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, time.Second, time.Since(start))
		require.Empty(t, b.Samples)
		require.Equal(t, err, stream.Next(t.Context(), &b), "final")
	})
}

func TestBounds(t *testing.T) {
	path := meter(t, "main", 100)
	from := acquire.Instant(1790000010_002000000)
	src := open(t, path, replay.Config{
		From: from, To: from.Add(10 * time.Second), Shift: time.Hour,
		Select: func(name string) bool { return name == "main/E" },
	})
	require.Len(t, src.Points(), 1)
	got, err := play(t, src)
	require.ErrorIs(t, err, io.EOF)
	require.Equal(t, 20, bytes.Count([]byte(got), []byte("\n")))
	require.Contains(t, got, "2026-09-21T15:13:30Z main/E 1010 Wh good\n")
	require.NotContains(t, got, "main/P")
	require.Equal(t, uint64(10), src.Stats().Samples)
}

func TestLoop(t *testing.T) {
	src := open(t, meter(t, "main", 10), replay.Config{Loop: 3, LoopGap: 2 * time.Second})
	stream, err := src.Open(t.Context())
	require.NoError(t, err)
	defer stream.Close()
	var last acquire.Instant
	batches, flagged := 0, 0
	for b, err := range acquire.Batches(t.Context(), stream) {
		require.NoError(t, err)
		require.Greater(t, b.Samples[0].Time, last)
		last = b.Watermark
		if b.Samples[1].Quality.Has(acquire.Discontinuity) {
			require.Equal(t, 0, batches%10)
			flagged++
		}
		require.False(t, b.Samples[0].Quality.Has(acquire.Discontinuity), "a gauge has nothing to fall back")
		batches++
	}
	require.Equal(t, 30, batches)
	require.Equal(t, 2, flagged)
}

// Several captures are one plant.
func TestFiles(t *testing.T) {
	a, b := meter(t, "a", 5), meter(t, "b", 7)
	src, err := replay.NewSource(replay.Config{Files: []string{a, b}})
	require.NoError(t, err)
	require.Len(t, src.Points(), 6)
	got, err := play(t, src)
	require.ErrorIs(t, err, io.EOF)
	require.Equal(t, 12*4, bytes.Count([]byte(got), []byte("\n")))
	require.Len(t, src.Reports(), 2)

	again, err := replay.NewSource(replay.Config{Files: []string{a, b}})
	require.NoError(t, err)
	for range 100 {
		other, _ := play(t, again)
		require.Equal(t, got, other)
	}
}

// A capture that is cut does not end as a whole one does.
func TestIncomplete(t *testing.T) {
	path := meter(t, "main", 10)
	file, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, file[:len(file)/2], 0o600))
	src := open(t, path, replay.Config{})
	part, err := play(t, src)
	var damaged *replay.DamageError
	require.ErrorAs(t, err, &damaged)
	require.False(t, damaged.Reports[0].Complete)
	require.True(t, acquire.Permanent(err))
	require.NotErrorIs(t, err, io.EOF)

	src = open(t, path, replay.Config{Incomplete: true})
	same, err := play(t, src)
	require.ErrorIs(t, err, io.EOF)
	require.Equal(t, part, same)
	require.False(t, src.Reports()[0].Clean())
}

func TestConfigFaults(t *testing.T) {
	_, err := replay.NewSource(replay.Config{Pace: -1, From: 2, To: 1, LoopGap: -1, Loop: -2})
	for _, text := range []string{"Files is empty", "Pace", "From", "LoopGap", "Loop"} {
		require.ErrorContains(t, err, text)
	}
	_, err = replay.Open(filepath.Join(t.TempDir(), "none.mcap"), replay.Config{})
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestDriver(t *testing.T) {
	path := meter(t, "main", 10)
	registry, err := acquire.NewRegistry(replay.Driver{})
	require.NoError(t, err)
	catalog := acquire.NewCatalog()
	src, err := registry.Source("replay://"+path+"?from=2026-09-21T14:13:25Z&to=2026-09-21T14:13:27Z&point=main/P&pace=0&name=x&loop=2", catalog)
	require.NoError(t, err)
	require.Equal(t, "x", src.Name())
	_, ok := catalog.Lookup("main/P")
	require.True(t, ok)
	stream, err := src.Open(t.Context())
	require.NoError(t, err)
	defer stream.Close()
	n := 0
	for _, err := range acquire.Samples(t.Context(), stream) {
		require.NoError(t, err)
		n++
	}
	require.Equal(t, 4, n)

	u, err := url.Parse("replay://host/x?pace=fast&from=now&loop=0&incomplete=yes&nothing=1&shift=1h&shift=2h#x")
	require.NoError(t, err)
	_, err = replay.Driver{}.ParseSource(u, catalog)
	for _, text := range []string{"file here", "pace", "from", "loop", "incomplete", "nothing", "shift", "#"} {
		require.ErrorContains(t, err, text)
	}
}

// What a scripted source delivers, recorded with what happens to its link, is
// what a replay delivers.
func TestRecorded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "x.mcap")
		catalog := acquire.NewCatalog()
		id, err := catalog.Define(acquire.Point{Name: "x", Kind: acquire.KindFloat64})
		require.NoError(t, err)
		fake := acquiretest.NewFake("fake", []acquire.PointID{id},
			acquiretest.Repeat(3, acquiretest.Deliver(acquire.Sample{Point: id, Value: acquire.Float64(1), Quality: acquire.Good}), acquiretest.Wait(time.Second)),
			acquiretest.Outage(10*time.Second, errors.New("cut")),
			acquiretest.Deliver(acquire.Sample{Point: id, Value: acquire.Float64(2), Quality: acquire.Good}))
		w, err := capture.Create(path, capture.Config{Catalog: catalog})
		require.NoError(t, err)
		src := capture.Record(acquire.Reconnect(capture.Record(fake, w), acquire.Backoff{Jitter: -1}), w)
		stream, err := src.Open(t.Context())
		require.NoError(t, err)
		for _, err := range acquire.Batches(t.Context(), stream) {
			require.NoError(t, err)
		}
		require.NoError(t, stream.Close())
		require.NoError(t, w.Close())

		var events []capture.EventKind
		re := open(t, path, replay.Config{OnEvent: func(ev capture.Event) {
			require.Equal(t, "fake", ev.Source)
			events = append(events, ev.Kind)
		}})
		_, err = play(t, re)
		require.ErrorIs(t, err, io.EOF)
		require.Equal(t, capture.Opened, events[0])
		require.Contains(t, events, capture.Failed)
		require.Equal(t, capture.Closed, events[len(events)-1])
		require.Equal(t, w.Stats().Samples, re.Stats().Samples)
	})
}
