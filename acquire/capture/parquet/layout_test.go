package parquet_test

import (
	"bytes"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/acquire/capture"
	"github.com/fieldtap/fieldtap/acquire/capture/parquet"
)

// A sorted file has the samples, all of them, by time within each row group.
func TestSorted(t *testing.T) {
	var plain bytes.Buffer
	c := acquire.NewCatalog()
	w := capture.NewJSONWriter(&plain, c)
	anything(t, 5, 300, true, c, w)
	require.NoError(t, w.Flush())

	var out bytes.Buffer
	catalog := acquire.NewCatalog()
	table, err := parquet.NewWriter(&out, parquet.Config{Catalog: catalog, Sorted: true, RowGroup: 500})
	require.NoError(t, err)
	anything(t, 5, 300, true, catalog, table)
	require.NoError(t, table.Close())

	r, err := parquet.NewReader(bytes.NewReader(out.Bytes()), int64(out.Len()), parquet.ReaderConfig{OnEvent: func(capture.Event) { t.Error("event") }})
	require.NoError(t, err)
	var b acquire.Batch
	var times []acquire.Instant
	for err = r.Next(&b); err == nil; err = r.Next(&b) {
		assert.LessOrEqual(t, len(b.Samples), 4096)
		assert.Zero(t, b.Watermark)
		assert.Zero(t, b.Lost)
		for _, s := range b.Samples {
			times = append(times, s.Time)
		}
	}
	require.ErrorIs(t, err, io.EOF)
	require.Len(t, times, int(table.Stats().Samples))
	for len(times) > 0 {
		n := min(500, len(times))
		assert.True(t, slices.IsSorted(times[:n]))
		times = times[n:]
	}
	samples := func(text string) []string {
		var lines []string
		for line := range strings.Lines(text) {
			if strings.HasPrefix(line, `{"time"`) {
				lines = append(lines, line)
			}
		}
		slices.Sort(lines)
		return lines
	}
	assert.Equal(t, samples(plain.String()), samples(read(t, out.Bytes())))
}

// A batch beyond the greatest comes back as several, of which the last alone promises
// something, and the first alone has losses.
func TestGreatBatch(t *testing.T) {
	var out bytes.Buffer
	c := acquire.NewCatalog()
	id, err := c.Define(acquire.Point{Name: "a", Kind: acquire.KindBool})
	require.NoError(t, err)
	w, err := parquet.NewWriter(&out, parquet.Config{Catalog: c})
	require.NoError(t, err)
	var b acquire.Batch
	b.Received, b.Watermark, b.Points, b.Lost = 10, 9, []acquire.PointID{id}, 3
	for i := range 1<<20 + 5 {
		b.Append(acquire.Sample{Time: acquire.Instant(i + 1), Point: id, Value: acquire.Bool(i%3 == 0), Quality: acquire.Good})
	}
	require.NoError(t, w.Write(&b))
	require.NoError(t, w.Close())
	assert.Equal(t, uint64(2), w.Stats().Batches)

	r, err := parquet.NewReader(bytes.NewReader(out.Bytes()), int64(out.Len()), parquet.ReaderConfig{Catalog: c})
	require.NoError(t, err)
	var got acquire.Batch
	require.NoError(t, r.Next(&got))
	assert.Equal(t, b.Samples[:1<<20], got.Samples)
	assert.Equal(t, acquire.Instant(10), got.Received)
	assert.Zero(t, got.Watermark)
	assert.Empty(t, got.Points)
	assert.Equal(t, uint64(3), got.Lost)
	require.NoError(t, r.Next(&got))
	assert.Equal(t, b.Samples[1<<20:], got.Samples)
	assert.Equal(t, acquire.Instant(9), got.Watermark)
	assert.Equal(t, b.Points, got.Points)
	assert.Zero(t, got.Lost)
	require.ErrorIs(t, r.Next(&got), io.EOF)
}

// Much text ends a row group, and a batch, in time.
func TestMuchText(t *testing.T) {
	var out bytes.Buffer
	c := acquire.NewCatalog()
	id, err := c.Define(acquire.Point{Name: "a", Kind: acquire.KindText})
	require.NoError(t, err)
	w, err := parquet.NewWriter(&out, parquet.Config{Catalog: c})
	require.NoError(t, err)
	var b acquire.Batch
	v, ok := b.PutText(bytes.Repeat([]byte("x"), acquire.MaxText))
	require.True(t, ok)
	const samples = 600 // 37 MiB
	for i := range samples {
		b.Append(acquire.Sample{Time: acquire.Instant(i + 1), Point: id, Value: v, Quality: acquire.Good})
	}
	require.NoError(t, w.Write(&b))
	require.NoError(t, w.Close())
	assert.Equal(t, uint64(3), w.Stats().RowGroups)
	n, err := whole(out.Bytes())
	require.NoError(t, err)
	assert.Equal(t, samples, n)
}

// Writing and reading take no memory for a sample or for a row group. Reading is seen
// with Snappy: the library for zstd keeps tables in a pool, which the collector empties.
func TestAllocs(t *testing.T) {
	c, batches := plant(200)
	w, err := parquet.NewWriter(io.Discard, parquet.Config{Catalog: c, RowGroup: 10_000})
	require.NoError(t, err)
	write(t, w, batches)
	write(t, w, batches)
	perRun := testing.AllocsPerRun(5, func() { write(t, w, batches) }) // ten row groups
	// The metadata of the row groups grows by doubling.
	assert.LessOrEqual(t, perRun, 1.0)
	require.NoError(t, w.Close())

	var out bytes.Buffer
	w, err = parquet.NewWriter(&out, parquet.Config{Catalog: c, RowGroup: 10_000, Compression: parquet.Snappy})
	require.NoError(t, err)
	for range 8 {
		write(t, w, batches)
	}
	require.NoError(t, w.Close())
	r, err := parquet.NewReader(bytes.NewReader(out.Bytes()), int64(out.Len()), parquet.ReaderConfig{})
	require.NoError(t, err)
	var b acquire.Batch
	next := func() {
		for range 100 { // five row groups
			require.NoError(t, r.Next(&b))
		}
	}
	next()
	next()
	assert.Zero(t, testing.AllocsPerRun(10, next))
}
