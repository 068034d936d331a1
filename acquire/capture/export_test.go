package capture_test

import (
	"bytes"
	"errors"
	"io"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/acquire/capture"
)

// drain renders all batches of a reader.
func drain(t testing.TB, r capture.BatchReader) []string {
	t.Helper()
	var b acquire.Batch
	var all []string
	for {
		err := r.Next(&b)
		if errors.Is(err, io.EOF) {
			require.ErrorIs(t, r.Next(&b), io.EOF)
			return all
		}
		require.NoError(t, err)
		all = append(all, render(&b))
	}
}

// sameIDs returns a catalog with the ids of record.
func sameIDs(t testing.TB) *acquire.Catalog {
	c := acquire.NewCatalog()
	points(t, c)
	return c
}

// JSON Lines hold all of a capture but the events that are not given to them.
func TestJSONRoundTrip(t *testing.T) {
	for seed := range uint64(3) {
		file, want := record(t, 20+seed, 60, capture.Config{})
		c := sameIDs(t)
		r, err := capture.NewReader(bytes.NewReader(file), int64(len(file)), capture.ReaderConfig{Catalog: c})
		require.NoError(t, err)
		var text bytes.Buffer
		w := capture.NewJSONWriter(&text, c)
		require.NoError(t, capture.Copy(w, r))
		require.NoError(t, w.Flush())
		got := drain(t, capture.NewJSONReader(bytes.NewReader(text.Bytes()), sameIDs(t), nil))
		require.Equal(t, want, got)

		spaced := strings.ReplaceAll(text.String(), `,"status":`, ` , "status" :  `)
		require.Equal(t, want, drain(t, capture.NewJSONReader(strings.NewReader(spaced), sameIDs(t), nil)))
	}
}

func TestJSONEvents(t *testing.T) {
	events := []capture.Event{
		{Kind: capture.Opened, Time: 5, Source: "meter"},
		{Kind: capture.Failed, Time: -1, Source: "<&>\x00", Quality: acquire.Bad.Because(acquire.Device).WithNative(0xffff), Permanent: true, Text: "no \u2028"},
		{Kind: capture.Gap, Time: 1 << 62, Batches: 1 << 63, Samples: 3},
		{Kind: capture.Closed, Time: 7},
	}
	var text bytes.Buffer
	c := acquire.NewCatalog()
	w := capture.NewJSONWriter(&text, c)
	require.NoError(t, w.Event(events[0]))
	require.NoError(t, w.Write(&acquire.Batch{Received: 1}))
	require.NoError(t, w.Event(events[1]))
	require.NoError(t, w.Event(events[2]))
	require.NoError(t, w.Write(&acquire.Batch{Received: 2}))
	require.NoError(t, w.Event(events[3]))
	require.NoError(t, w.Flush())
	var seen []any
	r := capture.NewJSONReader(&text, c, func(ev capture.Event) { seen = append(seen, ev) })
	var b acquire.Batch
	for r.Next(&b) == nil {
		seen = append(seen, int64(b.Received))
	}
	require.Equal(t, []any{events[0], int64(1), events[1], events[2], int64(2), events[3]}, seen)
}

func TestJSONStrict(t *testing.T) {
	const good = `{"define":"P","unit":"kW","kind":"float64","role":"gauge"}
{"batch":1,"received":9,"watermark":8,"lost":0,"points":["P"]}
{"time":7,"point":"P","value":97.2,"unit":"kW","quality":"good","status":2}
`
	drain(t, capture.NewJSONReader(strings.NewReader(good), acquire.NewCatalog(), nil))
	for _, test := range [][2]string{
		{`"kW","kind"`, `"furlong","kind"`},
		{`float64`, `float32`},
		{`gauge`, `gadget`},
		{`"batch":1`, `"batch":2`},
		{`["P"]`, `["Q"]`},
		{`"point":"P"`, `"point":"Q"`},
		{`97.2`, `97.20`},
		{`97.2`, `"97.2"`},
		{`97.2`, `1e999`},
		{`97.2`, `true`},
		{`97.2`, `{"base64":""}`},
		{`"kW","quality"`, `"W","quality"`},
		{`"good"`, `"bad"`},
		{`"status":2`, `"status":4294967298`},
		{`"time":7`, `"time":7.5`},
		{`"time":7`, `"time":7,"time":7`},
		{`"time":7`, `"Time":7`},
		{`"time":7`, `"time":7,"device":1`},
		{`"time":7,"point"`, `"point":"P","time":7,"point"`},
		{"{\"batch\":1,\"received\":9,\"watermark\":8,\"lost\":0,\"points\":[\"P\"]}\n", ""},
		{`{"time"`, `["time"`},
	} {
		text := strings.Replace(good, test[0], test[1], 1)
		require.NotEqual(t, good, text)
		r := capture.NewJSONReader(strings.NewReader(text), acquire.NewCatalog(), nil)
		var b acquire.Batch
		err := r.Next(&b)
		var syntax *capture.SyntaxError
		require.ErrorAs(t, err, &syntax, "%s for %s", test[1], test[0])
		require.Equal(t, err, r.Next(&b), "final")
		require.Empty(t, b.Samples)
	}
}

// CSV holds all of the samples and when they arrived.
func TestCSVRoundTrip(t *testing.T) {
	for seed := range uint64(3) {
		r := rand.New(rand.NewPCG(30+seed, 1))
		c := sameIDs(t)
		ids := points(t, c)
		var text bytes.Buffer
		w := capture.NewCSVWriter(&text, c)
		var b acquire.Batch
		now := acquire.Instant(1790000000_000000000)
		var want []string
		for range 60 {
			fill(r, &b, ids, &now)
			if len(b.Samples) > 100 || b.Received == 0 {
				continue
			}
			require.NoError(t, w.Write(&b))
			b.Watermark, b.Lost, b.Points = 0, 0, nil
			if len(b.Samples) > 0 {
				want = append(want, render(&b))
			}
		}
		require.NoError(t, w.Flush())
		got := drain(t, capture.NewCSVReader(bytes.NewReader(text.Bytes()), sameIDs(t)))
		require.Equal(t, want, got)
	}
}

func TestCSVBatches(t *testing.T) {
	c := sameIDs(t)
	var text bytes.Buffer
	w := capture.NewCSVWriter(&text, c)
	var b acquire.Batch
	for i := range 10_000 {
		b.Append(acquire.Sample{Time: acquire.Instant(i), Point: 1, Value: acquire.Float64(math.Pi)})
	}
	require.NoError(t, w.Write(&b))
	require.NoError(t, w.Flush())
	r := capture.NewCSVReader(&text, c)
	var sizes []int
	for r.Next(&b) == nil {
		sizes = append(sizes, len(b.Samples))
	}
	require.Equal(t, []int{4096, 4096, 1808}, sizes)
}

func TestCSVStrict(t *testing.T) {
	const good = "received,time,point,unit,kind,role,value,holds,quality,status\n" +
		"9,7,P,kW,float64,gauge,97.2,,good,2\n" +
		"9,8,S,,text,state,\"a\"\"b\nc\",,good,2\n" +
		"9,8,S,,text,state,,none,bad,0\n"
	var b acquire.Batch
	c := acquire.NewCatalog()
	r := capture.NewCSVReader(strings.NewReader(good), c)
	require.NoError(t, r.Next(&b))
	require.Len(t, b.Samples, 3)
	text, _ := b.Text(b.Samples[1].Value)
	require.Equal(t, "a\"b\nc", string(text))
	require.ErrorIs(t, r.Next(&b), io.EOF)

	for _, test := range []struct {
		old, with string
		line      int
	}{
		{"received,", "arrived,", 1},
		{",status\n", ",status,more\n", 1},
		{"9,7,P", "nine,7,P", 2},
		{"9,7,P", "9,7.5,P", 2},
		{"9,7,P", "9,7,", 2},
		{"kW", "furlong", 2},
		{"float64", "float32", 2},
		{"gauge", "gadget", 2},
		{"97.2", "97,2", 2},
		{"97.2", "\"97.2\"", 2},
		{"97.2", "", 2},
		{"97.2,", "97.2,float64", 2},
		{"good,2\n", "good,3\n", 2},
		{"good,2\n", "good\n", 2},
		{"good,2\n", "good,2\r\n", 2},
		{"\"a\"\"b", "\"a\"b", 3},
		{"\"a\"\"b", "a\"b", 3},
		{",\"a\"\"b\nc\",", ",a,", 3},
		{"bad,0\n", "bad,0", 5},
		{"8,S,,text,state,,", "8,S,kW,text,state,,", 5},
	} {
		text := strings.Replace(good, test.old, test.with, 1)
		require.NotEqual(t, good, text)
		r := capture.NewCSVReader(strings.NewReader(text), acquire.NewCatalog())
		err := r.Next(&b)
		var syntax *capture.SyntaxError
		require.ErrorAs(t, err, &syntax, "%s for %s", test.with, test.old)
		require.Equal(t, test.line, syntax.Line, "%s for %s: %v", test.with, test.old, err)
		require.Equal(t, err, r.Next(&b), "final")
	}
}
