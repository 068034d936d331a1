package parquet_test

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/acquire/capture"
	"github.com/fieldtap/fieldtap/acquire/capture/parquet"
	"github.com/fieldtap/fieldtap/units"
)

// file returns a file with something of everything.
func file(t testing.TB, cfg parquet.Config, seed uint64, batches int) []byte {
	t.Helper()
	var out bytes.Buffer
	cfg.Catalog = acquire.NewCatalog()
	w, err := parquet.NewWriter(&out, cfg)
	require.NoError(t, err)
	anything(t, seed, batches, true, cfg.Catalog, w)
	require.NoError(t, w.Close())
	return out.Bytes()
}

// whole reads a file to its end, and returns the error that ends it early.
func whole(file []byte) (samples int, err error) {
	r, err := parquet.NewReader(bytes.NewReader(file), int64(len(file)), parquet.ReaderConfig{OnEvent: func(capture.Event) {}})
	if err != nil {
		return 0, err
	}
	var b acquire.Batch
	for {
		switch err := r.Next(&b); {
		case errors.Is(err, parquet.ErrFormat):
			return samples, err
		case errors.Is(err, io.EOF):
			return samples, nil
		case err != nil:
			return samples, err
		}
		samples += len(b.Samples)
	}
}

// A file that is cut is no file.
func TestCut(t *testing.T) {
	b := file(t, parquet.Config{RowGroup: 50}, 3, 8)
	want, err := whole(b)
	require.NoError(t, err)
	require.Positive(t, want)
	for n := range b {
		_, err := whole(b[:n])
		require.Error(t, err, "cut at %d of %d", n, len(b))
	}
}

// A bit that is wrong is found, or lies in what a reader has no use for, such as
// statistics. It makes no other samples.
func TestFlippedBits(t *testing.T) {
	random := rand.New(rand.NewPCG(2, 2))
	for _, method := range []parquet.Compression{parquet.Zstd, parquet.Snappy, parquet.Uncompressed} {
		b := file(t, parquet.Config{RowGroup: 100, Compression: method}, 3, 20)
		want := read(t, b)
		harmless := 0
		for range 500 {
			at, bit := random.IntN(len(b)), byte(1)<<random.IntN(8)
			b[at] ^= bit
			if _, err := whole(b); err == nil {
				harmless++
				got := read(t, b)
				if got != want && !bytes.Contains([]byte(got), []byte(`{"define"`)) {
					t.Fatalf("bit %d of byte %d is read as something else", bit, at)
				}
			}
			b[at] ^= bit
		}
		t.Logf("%s: %d of 500 without consequence", method, harmless)
	}
}

func FuzzReader(f *testing.F) {
	f.Add(file(f, parquet.Config{RowGroup: 40}, 1, 6))
	f.Add(file(f, parquet.Config{RowGroup: 40, Compression: parquet.Snappy, Sorted: true}, 1, 6))
	f.Add(file(f, parquet.Config{Compression: parquet.Uncompressed}, 1, 3))
	f.Add([]byte("PAR1\x00\x00\x00\x00PAR1"))
	f.Fuzz(func(t *testing.T, b []byte) {
		_, _ = whole(b)
	})
}

func TestConfig(t *testing.T) {
	_, err := parquet.NewWriter(nil, parquet.Config{RowGroup: 1 << 21, Compression: 9})
	require.Error(t, err)
	assert.Equal(t, "parquet: nothing to write to\nparquet: Catalog is missing\nparquet: RowGroup 2097152 is not within 0 to 1048576\nparquet: unknown compression 9", err.Error())
	_, err = parquet.NewReader(nil, 0, parquet.ReaderConfig{})
	assert.Error(t, err)
	_, err = parquet.NewReader(bytes.NewReader(nil), 0, parquet.ReaderConfig{})
	assert.ErrorIs(t, err, parquet.ErrFormat)
}

// A point of the catalog that is another than that of the file is a fault.
func TestOtherCatalog(t *testing.T) {
	b := file(t, parquet.Config{}, 1, 20)
	c := acquire.NewCatalog()
	_, err := c.Define(acquire.Point{Name: "main/P", Unit: units.Volt, Kind: acquire.KindInt64})
	require.NoError(t, err)
	_, err = parquet.NewReader(bytes.NewReader(b), int64(len(b)), parquet.ReaderConfig{Catalog: c})
	assert.ErrorContains(t, err, "main/P")
}

// brittle takes some bytes, and then none.
type brittle struct{ left int }

var errFull = errors.New("disk is full")

func (w *brittle) Write(b []byte) (int, error) {
	if w.left -= len(b); w.left < 0 {
		return 0, errFull
	}
	return len(b), nil
}

func TestErrorOfWriting(t *testing.T) {
	c := acquire.NewCatalog()
	id, err := c.Define(acquire.Point{Name: "a", Kind: acquire.KindFloat64})
	require.NoError(t, err)
	for _, room := range []int{0, 10, 3000} {
		w, err := parquet.NewWriter(&brittle{left: room}, parquet.Config{Catalog: c, RowGroup: 10})
		require.NoError(t, err)
		var b acquire.Batch
		b.Append(acquire.Sample{Point: id, Time: 1})
		for i := 0; i < 1000 && err == nil; i++ {
			err = w.Write(&b)
		}
		require.ErrorIs(t, err, errFull)
		require.ErrorIs(t, w.Write(&b), errFull)
		require.ErrorIs(t, w.Event(capture.Event{Kind: capture.Opened}), errFull)
		require.ErrorIs(t, w.Close(), errFull)
	}
	w, err := parquet.NewWriter(io.Discard, parquet.Config{Catalog: c})
	require.NoError(t, err)
	assert.Error(t, w.Event(capture.Event{}))
	require.NoError(t, w.Close())
	assert.ErrorIs(t, w.Event(capture.Event{Kind: capture.Opened}), parquet.ErrClosed)
}

// A text of another batch is an error, and nothing of the batch is written.
func TestStrangeText(t *testing.T) {
	c := acquire.NewCatalog()
	id, err := c.Define(acquire.Point{Name: "a", Kind: acquire.KindText})
	require.NoError(t, err)
	var out bytes.Buffer
	w, err := parquet.NewWriter(&out, parquet.Config{Catalog: c})
	require.NoError(t, err)
	var b acquire.Batch
	v, _ := b.PutText([]byte("old"))
	b.Reset()
	b.Append(acquire.Sample{Point: id, Value: v, Quality: acquire.Good})
	assert.ErrorContains(t, w.Write(&b), `"a"`)
	require.NoError(t, w.Close())
	n, err := whole(out.Bytes())
	assert.NoError(t, err)
	assert.Zero(t, n)
}
