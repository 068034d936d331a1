package capturetest_test

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/acquire/acquiretest"
	"github.com/fieldtap/fieldtap/acquire/capture"
	"github.com/fieldtap/fieldtap/acquire/capture/capturetest"
	"github.com/fieldtap/fieldtap/units"
)

// outcome is a test that notes what fails.
type outcome struct {
	testing.TB
	text string
}

func (o *outcome) Helper() {}
func (o *outcome) Errorf(format string, args ...any) {
	o.text += fmt.Sprintf(format, args...)
}
func (o *outcome) Fatalf(format string, args ...any) {
	o.text += fmt.Sprintf(format, args...)
	panic(o)
}

// fails returns what a comparison says.
func fails(t *testing.T, f func(t testing.TB)) string {
	o := &outcome{TB: t}
	func() {
		defer func() {
			if r := recover(); r != nil && r != o {
				panic(r)
			}
		}()
		f(o)
	}()
	return o.text
}

// plant records a hundred samples, which change alters.
func plant(t *testing.T, names []string, change func(i int, s *acquire.Sample, b *acquire.Batch)) string {
	c := acquire.NewCatalog()
	ids := make(map[string]acquire.PointID)
	for _, name := range names {
		id, err := c.Define(acquire.Point{Name: name, Unit: units.Kilowatt, Kind: acquire.KindFloat64})
		require.NoError(t, err)
		ids[name] = id
	}
	var steps []acquiretest.Step
	for i := range 50 {
		steps = append(steps, acquiretest.Fill(func(b *acquire.Batch) {
			b.Received = acquire.Instant(1790000000_000000000 + int64(i)*1e9)
			b.Watermark, b.Points = b.Received, []acquire.PointID{ids["P"], ids["Q"]}
			for _, name := range []string{"P", "Q"} {
				s := acquire.Sample{Time: b.Received, Point: ids[name], Value: acquire.Float64(float64(i)), Quality: acquire.Good}
				if change != nil {
					change(i, &s, b)
				}
				if s.Point != 0 {
					b.Append(s)
				}
			}
		}))
	}
	return capturetest.Record(t, acquiretest.NewFake("plant", nil, steps...), c)
}

func TestEqual(t *testing.T) {
	a := plant(t, []string{"P", "Q"}, nil)
	b := plant(t, []string{"Q", "P"}, nil)
	require.Empty(t, fails(t, func(t testing.TB) { capturetest.Equal(t, a, b) }), "ids play no role")
	require.Empty(t, fails(t, func(t testing.TB) { capturetest.EqualSamples(t, a, b) }))
}

func TestDifferent(t *testing.T) {
	names := []string{"P", "Q"}
	golden := plant(t, names, nil)
	for name, test := range map[string]struct {
		change func(i int, s *acquire.Sample, b *acquire.Batch)
		says   []string
		// samples says whether the samples differ, and not their batches alone.
		samples bool
	}{
		"value": {func(i int, s *acquire.Sample, _ *acquire.Batch) {
			if i == 7 {
				s.Value = acquire.Float64(97.2)
			}
		}, []string{"- 2026-09-21T14:13:27Z P 7 kW good\n", "+ 2026-09-21T14:13:27Z P 97.2 kW good\n"}, true},
		"missing": {func(i int, s *acquire.Sample, b *acquire.Batch) {
			if i == 7 && len(b.Samples) == 1 {
				s.Point = 0
			}
		}, []string{"  2026-09-21T14:13:27Z P 7 kW good\n- 2026-09-21T14:13:27Z Q 7 kW good\n"}, true},
		"quality": {func(i int, s *acquire.Sample, _ *acquire.Batch) {
			if i == 49 {
				s.Quality = acquire.Uncertain.Because(acquire.Range)
			}
		}, []string{"+ 2026-09-21T14:14:09Z P 49 kW uncertain: range"}, true},
		"hidden": {func(i int, s *acquire.Sample, _ *acquire.Batch) {
			if i == 0 {
				s.Value = acquire.Float64(math.Copysign(0, -1))
			}
			if i == 3 {
				s.Quality |= 1 << 15
			}
		}, []string{"P 3 kW good   [", "+ 2026-09-21T14:13:20Z P -0 kW good"}, true},
		"kind": {func(i int, s *acquire.Sample, _ *acquire.Batch) {
			if i == 3 {
				s.Value = acquire.Int64(3)
			}
		}, []string{"3 kW good (int64)"}, true},
		"watermark": {func(i int, _ *acquire.Sample, b *acquire.Batch) {
			if i == 3 {
				b.Watermark++
			}
		}, []string{"watermark 2026-09-21T14:13:23Z", "watermark 2026-09-21T14:13:23.000000"}, false},
		"lost":       {func(i int, _ *acquire.Sample, b *acquire.Batch) { b.Lost = uint64(i / 49) }, []string{"lost 1"}, false},
		"everything": {func(_ int, s *acquire.Sample, _ *acquire.Batch) { s.Time++ }, []string{"and 40 more differences"}, true},
	} {
		got := plant(t, names, test.change)
		text := fails(t, func(t testing.TB) { capturetest.Equal(t, golden, got) })
		for _, want := range test.says {
			require.Contains(t, text, want, name)
		}
		text = fails(t, func(t testing.TB) { capturetest.EqualSamples(t, golden, got) })
		require.Equal(t, test.samples, text != "", name)
	}
}

// The golden file may be text.
func TestText(t *testing.T) {
	golden := plant(t, []string{"P", "Q"}, nil)
	dir := t.TempDir()
	convert := func(ext string, change func(string) string) string {
		c := acquire.NewCatalog()
		r, err := capture.Open(golden, capture.ReaderConfig{Catalog: c})
		require.NoError(t, err)
		defer r.Close()
		var text strings.Builder
		var w interface {
			capture.BatchWriter
			Flush() error
		} = capture.NewJSONWriter(&text, c)
		if ext == ".csv" {
			w = capture.NewCSVWriter(&text, c)
		}
		require.NoError(t, capture.Copy(w, r))
		require.NoError(t, w.Flush())
		name := filepath.Join(dir, "golden"+ext)
		require.NoError(t, os.WriteFile(name, []byte(change(text.String())), 0o600))
		return name
	}
	same := func(s string) string { return s }
	require.Empty(t, fails(t, func(t testing.TB) { capturetest.Equal(t, convert(".jsonl", same), golden) }))
	require.Empty(t, fails(t, func(t testing.TB) { capturetest.EqualSamples(t, convert(".csv", same), golden) }))
	require.Contains(t, fails(t, func(t testing.TB) { capturetest.Equal(t, convert(".csv", same), golden) }), "EqualSamples")
	other := func(s string) string { return strings.Replace(s, `"value":7,`, `"value":8,`, 1) }
	require.Contains(t, fails(t, func(t testing.TB) { capturetest.Equal(t, convert(".jsonl", other), golden) }), "P 8 kW")
}

func TestNotWhole(t *testing.T) {
	golden := plant(t, []string{"P", "Q"}, nil)
	data, err := os.ReadFile(golden)
	require.NoError(t, err)
	cut := filepath.Join(t.TempDir(), "cut.mcap")
	require.NoError(t, os.WriteFile(cut, data[:len(data)-1], 0o600))
	require.Contains(t, fails(t, func(t testing.TB) { capturetest.Equal(t, golden, cut) }), "not whole")
	require.Contains(t, fails(t, func(t testing.TB) { capturetest.Equal(t, cut, golden) }), "not whole")
	require.Contains(t, fails(t, func(t testing.TB) { capturetest.Equal(t, golden, cut+"x") }), "no such file")

	failing := acquiretest.NewFake("meter", nil, acquiretest.Fail(errors.New("link was cut")))
	require.Contains(t, fails(t, func(t testing.TB) {
		stream := acquiretest.NewFake("x", nil, acquiretest.Deliver(), acquiretest.Fail(errors.New("link was cut")))
		capturetest.Record(t, stream, acquire.NewCatalog())
		capturetest.Record(t, failing, acquire.NewCatalog())
	}), "link was cut")
}
