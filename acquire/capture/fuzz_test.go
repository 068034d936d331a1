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

// A file of any content is read to an end, the same way twice.
func FuzzReader(f *testing.F) {
	file, _ := record(f, 41, 6, capture.Config{MaxSamples: 40})
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
					require.LessOrEqual(t, int(s.Point), r.Catalog().Len())
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
	file, _ := record(f, 42, 1, capture.Config{})
	c := sameIDs(f)
	r, err := capture.NewReader(bytes.NewReader(file), int64(len(file)), capture.ReaderConfig{Catalog: c})
	require.NoError(f, err)
	var text bytes.Buffer
	w := capture.NewJSONWriter(&text, c)
	require.NoError(f, w.Event(capture.Event{Kind: capture.Failed, Source: "x", Text: "y"}))
	require.NoError(f, capture.Copy(w, r))
	require.NoError(f, w.Flush())
	f.Add(text.Bytes())
	f.Fuzz(func(t *testing.T, text []byte) {
		c := acquire.NewCatalog()
		var out bytes.Buffer
		w := capture.NewJSONWriter(&out, c)
		if capture.Copy(w, capture.NewJSONReader(bytes.NewReader(text), c, nil)) != nil {
			return
		}
		require.NoError(t, w.Flush())
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
