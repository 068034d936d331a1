package capture_test

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/acquire/capture"
)

// tiny is a capture of a few samples of each kind, as short as can be.
func tiny(t testing.TB, c *acquire.Catalog) []byte {
	ids := points(t, c)[:6]
	var file bytes.Buffer
	w, err := capture.NewWriter(&file, capture.Config{Catalog: c, MaxSamples: 12})
	require.NoError(t, err)
	var b acquire.Batch
	for i := range 4 {
		b.Reset()
		b.Received, b.Watermark, b.Points, b.Lost = acquire.Instant(10+i), acquire.Instant(i), ids, uint64(i)
		text, _ := b.PutText([]byte{'R', 'U', byte(i)})
		for j, v := range []acquire.Value{acquire.Float64(0.1), acquire.Int64(-1), acquire.Uint64(1 << 63), acquire.Bool(true), text, {}} {
			b.Append(acquire.Sample{Time: acquire.Instant(i * j), Point: ids[j], Value: v, Quality: acquire.Quality(i)})
		}
		require.NoError(t, w.Write(&b))
		require.NoError(t, w.Event(capture.Event{Kind: capture.Opened, Source: "x"}))
	}
	require.NoError(t, w.Close())
	return file.Bytes()
}

// A file of any content is read to an end, the same way twice.
func FuzzReader(f *testing.F) {
	file := tiny(f, acquire.NewCatalog())
	f.Add(file)
	f.Add(file[:len(file)*2/3])
	for at := 0; at < len(file); at += len(file) / 20 {
		file[at] ^= 4
		f.Add(bytes.Clone(file))
		file[at] ^= 4
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		read := func() ([]string, string) {
			r, err := capture.NewReader(bytes.NewReader(file), int64(len(file)), capture.ReaderConfig{OnEvent: func(capture.Event) {}})
			if err != nil {
				return nil, err.Error()
			}
			var b acquire.Batch
			var all []string
			samples := uint64(0)
			for {
				err := r.Next(&b)
				if errors.Is(err, io.EOF) {
					break
				}
				require.NoError(t, err)
				if len(all) < 1000 && len(b.Samples) < 1000 && len(b.Points) < 1000 {
					all = append(all, render(&b))
				}
				samples += uint64(len(b.Samples))
				for _, s := range b.Samples {
					if int(s.Point) > r.Catalog().Len() {
						t.Fatal(s)
					}
				}
			}
			require.Equal(t, samples, r.Report().Samples)
			return all, r.Report().String()
		}
		first, report := read()
		again, same := read()
		require.Equal(t, first, again)
		require.Equal(t, report, same)
	})
}

// What is read as JSON Lines is written as the same.
func FuzzJSONReader(f *testing.F) {
	c := acquire.NewCatalog()
	file := tiny(f, c)
	r, err := capture.NewReader(bytes.NewReader(file), int64(len(file)), capture.ReaderConfig{Catalog: c})
	require.NoError(f, err)
	var text bytes.Buffer
	w := capture.NewJSONWriter(&text, c)
	require.NoError(f, w.Event(capture.Event{Kind: capture.Failed, Source: "x", Text: "y"}))
	require.NoError(f, capture.Copy(w, r))
	require.NoError(f, w.Flush())
	f.Add(text.Bytes())
	f.Add(bytes.TrimSpace(text.Bytes()))
	f.Fuzz(func(t *testing.T, text []byte) {
		// A line that does not begin with its brace is read by encoding/json, all of it.
		spaced := append([]byte(" "), bytes.ReplaceAll(text, []byte("\n"), []byte("\n "))...)
		c := acquire.NewCatalog()
		var out, twin bytes.Buffer
		w, slow := capture.NewJSONWriter(&out, c), capture.NewJSONWriter(&twin, c)
		err := capture.Copy(w, capture.NewJSONReader(bytes.NewReader(text), c, nil))
		if len(text) > 0 && text[len(text)-1] != '\n' { // else a line of a space ends it
			same := capture.Copy(slow, capture.NewJSONReader(bytes.NewReader(spaced), c, nil))
			require.Equal(t, err == nil, same == nil, "%v, %v", err, same)
			require.NoError(t, slow.Flush())
		}
		if err != nil {
			return
		}
		require.NoError(t, w.Flush())
		if twin.Len() > 0 {
			require.Equal(t, twin.String(), out.String())
		}
		first := drain(t, capture.NewJSONReader(bytes.NewReader(text), acquire.NewCatalog(), nil))
		require.Equal(t, first, drain(t, capture.NewJSONReader(&out, c, nil)))
	})
}

// What is read as CSV is written as the same.
func FuzzCSVReader(f *testing.F) {
	f.Add([]byte("received,time,point,unit,kind,role,value,holds,quality,status\n" +
		"9,7,P,kW,float64,gauge,97.2,,good,2\n" +
		"9,8,S,,text,state,\"a\"\"b\nc\",,good,2\n" +
		"9,8,S,,text,state,,none,bad,0\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		c := acquire.NewCatalog()
		var out bytes.Buffer
		w := capture.NewCSVWriter(&out, c)
		if capture.Copy(w, capture.NewCSVReader(bytes.NewReader(text), c)) != nil {
			return
		}
		require.NoError(t, w.Flush())
		first := drain(t, capture.NewCSVReader(bytes.NewReader(text), c))
		require.Equal(t, first, drain(t, capture.NewCSVReader(&out, c)))
	})
}
