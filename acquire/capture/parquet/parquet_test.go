package parquet_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/acquire/capture"
	"github.com/fieldtap/fieldtap/acquire/capture/capturetest"
	"github.com/fieldtap/fieldtap/acquire/capture/parquet"
	"github.com/fieldtap/fieldtap/units"
)

// recorder is what takes a capture.
type recorder interface {
	capture.BatchWriter
	Event(capture.Event) error
}

// anything writes batches and events of every sort, the same for the same seed;
// strangers are samples of points that are not described.
func anything(t testing.TB, seed uint64, batches int, strangers bool, c *acquire.Catalog, to ...recorder) {
	t.Helper()
	random := rand.New(rand.NewPCG(seed, 7))
	var ids []acquire.PointID
	define := func(name string, unit units.Unit, kind acquire.Kind, role acquire.Role) {
		id, err := c.Define(acquire.Point{Name: name, Unit: unit, Kind: kind, Role: role})
		require.NoError(t, err)
		ids = append(ids, id)
	}
	define("main/P", units.Kilowatt, acquire.KindFloat64, acquire.Gauge)
	define("main/E", units.WattHour, acquire.KindUint64, acquire.Counter)
	define("main/Q", units.Kilovar, acquire.KindInt64, acquire.Gauge)
	define("breaker", units.None, acquire.KindBool, acquire.State)
	define("relay/name", units.None, acquire.KindText, acquire.State)
	values := []func(b *acquire.Batch) acquire.Value{
		func(*acquire.Batch) acquire.Value {
			return acquire.Float64(math.Float64frombits(random.Uint64()))
		},
		func(*acquire.Batch) acquire.Value { return acquire.Float64(float64(random.IntN(100)) / 10) },
		func(*acquire.Batch) acquire.Value { return acquire.Uint64(random.Uint64()) },
		func(*acquire.Batch) acquire.Value { return acquire.Int64(int64(random.Uint64())) },
		func(*acquire.Batch) acquire.Value { return acquire.Bool(random.IntN(2) > 0) },
		func(*acquire.Batch) acquire.Value { return acquire.Value{} },
		func(b *acquire.Batch) acquire.Value {
			v, ok := b.PutText([]byte([]string{"", "open", "zu", "\xff\x00", "äöü"}[random.IntN(5)]))
			require.True(t, ok)
			return v
		},
	}
	qualities := []acquire.Quality{
		acquire.Good, acquire.Good.With(acquire.SourceTime), acquire.Uncertain.Because(acquire.Sensor),
		acquire.Bad.Because(acquire.Communication).WithNative(4711), acquire.Bad, 0xffffffff,
	}
	now := acquire.Instant(1790000000_123456789)
	var b acquire.Batch
	for i := range batches {
		if i == batches/2 {
			define("late/point", units.Volt, acquire.KindFloat64, acquire.Gauge)
		}
		for random.IntN(10) == 0 {
			ev := capture.Event{Kind: capture.EventKind(1 + random.IntN(4)), Time: now, Source: []string{"", "main", "other"}[random.IntN(3)]}
			switch ev.Kind {
			case capture.Failed:
				ev.Quality, ev.Permanent, ev.Text = qualities[random.IntN(5)], random.IntN(2) > 0, "refused: größer"
			case capture.Gap:
				ev.Batches, ev.Samples = random.Uint64N(3), random.Uint64N(9)
			}
			for _, w := range to {
				require.NoError(t, w.Event(ev))
			}
		}
		b.Reset()
		now += acquire.Instant(random.Int64N(2e9))
		b.Received, b.Watermark = now, now-acquire.Instant(random.Int64N(1e9))
		switch random.IntN(8) {
		case 0:
			b.Received = 0
		case 1:
			b.Watermark = 0
		case 2:
			b.Lost = random.Uint64N(100)
		case 3:
			b.Lost = math.MaxUint64
		}
		switch random.IntN(4) {
		case 0:
			b.Points = ids[:1+random.IntN(len(ids))]
		case 1, 2:
			b.Points = ids
		}
		for range random.IntN(12) * random.IntN(2+i%7) {
			s := acquire.Sample{Time: now - acquire.Instant(random.Int64N(1e9)), Point: ids[random.IntN(len(ids))], Quality: qualities[random.IntN(len(qualities))]}
			s.Value = values[random.IntN(len(values))](&b)
			if random.IntN(50) == 0 {
				s.Time = []acquire.Instant{0, math.MinInt64, math.MaxInt64, 1}[random.IntN(4)]
			}
			if random.IntN(100) == 0 && strangers {
				s.Point = []acquire.PointID{0, 1 << 30}[random.IntN(2)]
			}
			b.Append(s)
		}
		for _, w := range to {
			require.NoError(t, w.Write(&b))
		}
	}
}

// text returns all that a capture says as JSON Lines.
func text(t testing.TB, r capture.BatchReader, c *acquire.Catalog, events *[]func(*capture.JSONWriter)) string {
	t.Helper()
	var out bytes.Buffer
	w := capture.NewJSONWriter(&out, c)
	var b acquire.Batch
	for {
		err := r.Next(&b)
		for _, ev := range *events {
			ev(w)
		}
		*events = (*events)[:0]
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		require.NoError(t, w.Write(&b))
	}
	require.NoError(t, w.Flush())
	return out.String()
}

// read returns what a file says as JSON Lines.
func read(t testing.TB, file []byte) string {
	t.Helper()
	c := acquire.NewCatalog()
	var events []func(*capture.JSONWriter)
	r, err := parquet.NewReader(bytes.NewReader(file), int64(len(file)), parquet.ReaderConfig{
		Catalog: c,
		OnEvent: func(ev capture.Event) {
			events = append(events, func(w *capture.JSONWriter) { require.NoError(t, w.Event(ev)) })
		},
	})
	require.NoError(t, err)
	return text(t, r, c, &events)
}

func TestRoundTrip(t *testing.T) {
	for _, rows := range []int{0, 1, 7, 100, 1000} {
		for _, method := range []parquet.Compression{parquet.Zstd, parquet.Snappy, parquet.Uncompressed} {
			for seed := range uint64(3) {
				t.Run(fmt.Sprintf("%d rows, %s, %d", rows, method, seed), func(t *testing.T) {
					var file, want bytes.Buffer
					c := acquire.NewCatalog()
					w, err := parquet.NewWriter(&file, parquet.Config{Catalog: c, RowGroup: rows, Compression: method})
					require.NoError(t, err)
					twin := capture.NewJSONWriter(&want, c)
					anything(t, seed, 100, true, c, w, twin)
					require.NoError(t, twin.Flush())
					require.NoError(t, w.Close())
					require.NoError(t, w.Close())
					assert.Equal(t, uint64(file.Len()), w.Stats().Bytes)
					assert.ErrorIs(t, w.Write(new(acquire.Batch)), parquet.ErrClosed)
					compareLines(t, want.String(), read(t, file.Bytes()))
				})
			}
		}
	}
}

// compareLines fails at the first line that differs.
func compareLines(t *testing.T, want, got string) {
	t.Helper()
	a, b := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range min(len(a), len(b)) {
		require.Equal(t, a[i], b[i], "line %d", i+1)
	}
	require.Len(t, b, len(a))
}

// A capture becomes a table, which becomes a capture again.
func TestCaptureRoundTrip(t *testing.T) {
	dir := t.TempDir()
	first, second := filepath.Join(dir, "first.mcap"), filepath.Join(dir, "second.mcap")
	c := acquire.NewCatalog()
	w, err := capture.Create(first, capture.Config{Catalog: c, MaxSamples: 300})
	require.NoError(t, err)
	anything(t, 1, 500, false, c, w)
	require.NoError(t, w.Close())

	var table bytes.Buffer
	there := acquire.NewCatalog()
	out, err := parquet.NewWriter(&table, parquet.Config{Catalog: there, RowGroup: 777})
	require.NoError(t, err)
	in, err := capture.Open(first, capture.ReaderConfig{Catalog: there, OnEvent: func(ev capture.Event) { require.NoError(t, out.Event(ev)) }})
	require.NoError(t, err)
	require.NoError(t, capture.Copy(out, in))
	require.NoError(t, in.Close())
	require.NoError(t, out.Close())

	back := acquire.NewCatalog()
	w, err = capture.Create(second, capture.Config{Catalog: back})
	require.NoError(t, err)
	r, err := parquet.NewReader(bytes.NewReader(table.Bytes()), int64(table.Len()), parquet.ReaderConfig{Catalog: back, OnEvent: func(ev capture.Event) { require.NoError(t, w.Event(ev)) }})
	require.NoError(t, err)
	require.NoError(t, capture.Copy(w, r))
	require.NoError(t, w.Close())
	capturetest.Equal(t, first, second)
	info, err := os.Stat(first)
	require.NoError(t, err)
	t.Logf("%d bytes as MCAP, %d as Parquet", info.Size(), table.Len())
}
