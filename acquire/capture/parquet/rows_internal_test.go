package parquet

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/acquire/capture"
	"github.com/fieldtap/fieldtap/units"
)

// pagesOf returns the pages of the first row group, each behind its length, and the
// number of rows: dictionary and data of each column, of which the first may be empty.
func pagesOf(t testing.TB) (file, pages []byte, rows int) {
	t.Helper()
	var out bytes.Buffer
	c := acquire.NewCatalog()
	w, err := NewWriter(&out, Config{Catalog: c, Compression: Uncompressed})
	require.NoError(t, err)
	var ids []acquire.PointID
	for _, p := range []acquire.Point{
		{Name: "main/P", Unit: units.Kilowatt, Kind: acquire.KindFloat64},
		{Name: "E", Unit: units.WattHour, Kind: acquire.KindUint64, Role: acquire.Counter},
		{Name: "relay/label", Kind: acquire.KindText},
	} {
		id, err := c.Define(p)
		require.NoError(t, err)
		ids = append(ids, id)
	}
	require.NoError(t, w.Event(capture.Event{Kind: capture.Failed, Time: 5, Source: "main", Text: "no", Permanent: true}))
	var b acquire.Batch
	b.Received, b.Watermark, b.Points, b.Lost = 20, 19, ids, 3
	text, _ := b.PutText([]byte("a"))
	raw, _ := b.PutText([]byte("\xff"))
	for _, s := range []acquire.Sample{
		{Time: 10, Point: ids[0], Value: acquire.Float64(1.5), Quality: acquire.Good},
		{Time: 11, Point: ids[1], Value: acquire.Uint64(7), Quality: acquire.Good},
		{Time: 12, Point: ids[2], Value: text, Quality: acquire.Uncertain.Because(acquire.Sensor)},
		{Time: 13, Point: ids[2], Value: raw, Quality: acquire.Good},
		{Time: 14, Point: ids[0], Value: acquire.Int64(-3), Quality: acquire.Good},
		{Time: 15, Point: ids[0], Value: acquire.Bool(true)},
		{Point: ids[0]},
	} {
		b.Append(s)
	}
	require.NoError(t, w.Write(&b))
	b.Reset()
	require.NoError(t, w.Write(&b))
	require.NoError(t, w.Event(capture.Event{Kind: capture.Gap, Time: 50, Batches: 1, Samples: 2}))
	require.NoError(t, w.Close())

	file = out.Bytes()
	r, err := NewReader(bytes.NewReader(file), int64(len(file)), ReaderConfig{})
	require.NoError(t, err)
	rows, err = r.placeChunks()
	require.NoError(t, err)
	for _, place := range r.places {
		rest := file[place.start : place.start+place.length]
		var parts [2][]byte
		for len(rest) > 0 {
			var h pageHeader
			var packed []byte
			h, packed, rest, err = pageHead(rest)
			require.NoError(t, err)
			parts[min(1, pageDictionary-h.kind)] = packed
		}
		for _, part := range parts {
			pages = le.AppendUint16(pages, uint16(len(part)))
			pages = append(pages, part...)
		}
	}
	return file, pages, rows
}

// FuzzRows reads row groups whose pages have right checksums and say anything.
func FuzzRows(f *testing.F) {
	file, pages, rows := pagesOf(f)
	f.Add(pages, uint16(rows), false)
	f.Add(pages, uint16(rows), true)
	f.Fuzz(func(t *testing.T, pages []byte, n uint16, sorted bool) {
		r, err := NewReader(bytes.NewReader(file), int64(len(file)), ReaderConfig{OnEvent: func(capture.Event) {}})
		require.NoError(t, err)
		rows := 1 + int(n%2000)
		r.sorted, r.left, r.total = sorted, 0, 0
		for c := range r.cols {
			col := &r.cols[c]
			var parts [2][]byte
			for i := range parts {
				if len(pages) < 2 {
					return
				}
				n := min(int(le.Uint16(pages)), len(pages)-2)
				parts[i], pages = pages[2:2+n], pages[2+n:]
			}
			dictionary := len(parts[0]) > 0
			encoding := schema[c].encoding
			if dictionary {
				col.dict = parts[0]
				entries := 0
				for at := 0; at < len(col.dict); entries++ {
					size := 0
					if schema[c].physical == typeByteArray && len(col.dict)-at >= 4 {
						size = int(min(le.Uint32(col.dict[at:]), 1<<20))
					}
					at += 4 + size
				}
				if !col.readDictionary(c, entries, rows) {
					return
				}
			} else if encoding == encodingRLEDictionary {
				encoding = encodingPlain
			}
			col.body = parts[1]
			if col.readData(c, rows, encoding, dictionary) != nil &&
				col.readData(c, rows, encodingPlain, false) != nil {
				return
			}
		}
		if r.usePoints() != nil {
			return
		}
		r.judge = make([]judged, len(r.cols[colStatus].numbers))
		for i, q := range r.cols[colStatus].numbers {
			r.judge[i] = judged{acquire.Quality(q), unseen, unseen}
		}
		r.rows = rows
		var b acquire.Batch
		for err == nil {
			err = r.Next(&b)
		}
		require.True(t, errors.Is(err, ErrFormat) || errors.Is(err, io.EOF), err)
	})
}
