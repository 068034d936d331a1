package capture_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/acquire/capture"
	"github.com/fieldtap/fieldtap/units"
)

// points defines a few points of every kind.
func points(t testing.TB, c *acquire.Catalog) []acquire.PointID {
	t.Helper()
	var ids []acquire.PointID
	for i := range 20 {
		p := acquire.Point{Name: fmt.Sprintf("plant/%d ü \"x\"", i), Unit: units.Kilowatt, Kind: acquire.Kind(1 + i%5)}
		switch p.Kind {
		case acquire.KindUint64:
			p.Unit, p.Role = units.KilowattHour, acquire.Counter
		case acquire.KindText, acquire.KindBool:
			p.Unit, p.Role = units.None, acquire.State
		}
		id, err := c.Define(p)
		require.NoError(t, err)
		ids = append(ids, id)
	}
	return ids
}

// anyWord gives words of all sizes.
func anyWord(r *rand.Rand) uint64 {
	switch r.IntN(4) {
	case 0:
		return 0
	case 1:
		return r.Uint64()
	case 2:
		return math.Float64bits(float64(float32(r.NormFloat64())))
	}
	return r.Uint64() >> r.IntN(64) << r.IntN(64)
}

// fill makes a batch of anything that a batch can be.
func fill(r *rand.Rand, b *acquire.Batch, ids []acquire.PointID, now *acquire.Instant) {
	b.Reset()
	*now += acquire.Instant(r.Int64N(2e9))
	if r.IntN(50) == 0 {
		*now -= acquire.Instant(r.Int64N(1e12))
	}
	b.Received, b.Watermark = *now, now.Add(-1000)
	switch r.IntN(20) {
	case 0:
		b.Received = 0
	case 1:
		b.Watermark = acquire.Instant(r.Uint64())
	case 2:
		b.Lost = r.Uint64()
	case 3:
		b.Points = ids
	}
	if r.IntN(3) > 0 {
		b.Points = ids[:1+r.IntN(len(ids))]
	}
	n := r.IntN(40)
	if r.IntN(100) == 0 {
		n = r.IntN(10000)
	}
	var text acquire.Value
	regular := r.IntN(2) == 0
	for i := range n {
		s := acquire.Sample{Time: *now, Quality: acquire.Good, Point: ids[i%len(ids)]}
		switch {
		case regular:
		case r.IntN(10) == 0:
			s.Time = acquire.Instant(r.Uint64())
		default:
			s.Time += acquire.Instant(r.Int64N(1e6) - 5e5)
		}
		if r.IntN(5) == 0 {
			s.Quality = acquire.Quality(r.Uint32() >> r.IntN(32))
		}
		if r.IntN(10) == 0 {
			s.Point = ids[r.IntN(len(ids))]
		}
		kind := acquire.Kind(1 + int(s.Point)%5)
		if r.IntN(10) == 0 {
			kind = acquire.Kind(r.IntN(6))
		}
		switch w := anyWord(r); kind {
		case acquire.KindFloat64:
			s.Value = acquire.Float64(math.Float64frombits(w))
		case acquire.KindInt64:
			s.Value = acquire.Int64(int64(w))
		case acquire.KindUint64:
			s.Value = acquire.Uint64(w)
		case acquire.KindBool:
			s.Value = acquire.Bool(w&1 == 1)
		case acquire.KindText:
			if text.IsNone() || r.IntN(3) == 0 {
				text, _ = b.PutText(bytes.Repeat([]byte("on \xff"), r.IntN(10)))
			}
			s.Value = text
		}
		b.Append(s)
	}
}

// render writes all that a batch says, for comparison.
func render(b *acquire.Batch) string {
	out := make([]byte, 0, 40*(len(b.Samples)+4))
	number := func(x int64) { out = append(strconv.AppendInt(out, x, 10), ' ') }
	number(int64(b.Received))
	number(int64(b.Watermark))
	number(int64(b.Lost))
	for _, id := range b.Points {
		number(int64(id))
	}
	for _, s := range b.Samples {
		out = append(out, '\n')
		number(int64(s.Time))
		number(int64(s.Point))
		number(int64(s.Quality))
		word, _ := s.Value.Uint64()
		out = append(out, s.Value.Kind().String()...)
		if s.Value.Kind() == acquire.KindText {
			text, _ := b.Text(s.Value)
			out = strconv.AppendQuote(out, string(text))
		} else {
			out = strconv.AppendUint(append(out, ' '), word, 16)
		}
	}
	return string(out)
}

// record writes n batches of anything, and returns the file and what it holds.
func record(t testing.TB, seed uint64, n int, cfg capture.Config) ([]byte, []string) {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, 1))
	if cfg.Catalog == nil {
		cfg.Catalog = acquire.NewCatalog()
	}
	ids := points(t, cfg.Catalog)
	var file bytes.Buffer
	w, err := capture.NewWriter(&file, cfg)
	require.NoError(t, err)
	var b acquire.Batch
	var batches []string
	now := acquire.Instant(1790000000_000000000)
	for range n {
		fill(r, &b, ids, &now)
		batches = append(batches, render(&b))
		require.NoError(t, w.Write(&b))
	}
	require.NoError(t, w.Close())
	st := w.Stats()
	require.Equal(t, st.Samples, st.WrittenSamples)
	require.Equal(t, uint64(file.Len()), st.Bytes)
	return file.Bytes(), batches
}

// readAll reads a whole file.
func readAll(t testing.TB, file []byte, cfg capture.ReaderConfig) ([]string, capture.Report) {
	t.Helper()
	if cfg.Catalog == nil { // with the ids of record
		cfg.Catalog = acquire.NewCatalog()
		points(t, cfg.Catalog)
	}
	r, err := capture.NewReader(bytes.NewReader(file), int64(len(file)), cfg)
	require.NoError(t, err)
	defer r.Close()
	var b acquire.Batch
	var batches []string
	for {
		err := r.Next(&b)
		if errors.Is(err, io.EOF) {
			return batches, r.Report()
		}
		require.NoError(t, err)
		batches = append(batches, render(&b))
	}
}

func TestRoundTrip(t *testing.T) {
	for seed := range uint64(12) {
		file, want := record(t, seed, 300, capture.Config{})
		got, report := readAll(t, file, capture.ReaderConfig{})
		require.Equal(t, len(want), len(got), report.String())
		for i := range want {
			require.Equal(t, want[i], got[i], "seed %d, batch %d", seed, i)
		}
		require.True(t, report.Clean(), report.String())
		require.True(t, report.Indexed)
	}
}
