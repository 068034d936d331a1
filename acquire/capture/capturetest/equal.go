package capturetest

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/acquire/capture"
)

// Equal fails t unless the captures in the files golden and got hold the same: the
// same batches with the same samples, events and points. Files whose names end in
// .jsonl are read as JSON Lines.
func Equal(t testing.TB, golden, got string) {
	t.Helper()
	compare(t, golden, got, false)
}

// EqualSamples fails t unless the files hold the same samples in the same order,
// whatever batches they came in. Files whose names end in .csv are read as CSV.
func EqualSamples(t testing.TB, golden, got string) {
	t.Helper()
	compare(t, golden, got, true)
}

func compare(t testing.TB, golden, got string, samples bool) {
	t.Helper()
	want, err := load(golden, samples)
	if err != nil {
		t.Fatalf("golden capture: %v", err)
	}
	have, err := load(got, samples)
	if err != nil {
		t.Fatalf("capture: %v", err)
	}
	if d := diff(want, have); d != "" {
		t.Errorf("%s (+) differs from %s (-):\n%s", filepath.Base(got), filepath.Base(golden), d)
	}
}

// line is one thing that a capture says.
type line struct {
	text  string // for people
	exact string // all of it, by which lines are compared
}

// load reads a file. A capture that is not whole is an error.
func load(name string, samples bool) ([]line, error) {
	l := loader{samples: samples, catalog: acquire.NewCatalog()}
	switch filepath.Ext(name) {
	case ".jsonl", ".csv":
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		if filepath.Ext(name) == ".jsonl" {
			err = l.read(capture.NewJSONReader(f, l.catalog, l.event))
		} else if err = errors.New("CSV holds samples alone: use EqualSamples"); samples {
			err = l.read(capture.NewCSVReader(f, l.catalog))
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	default:
		r, err := capture.Open(name, capture.ReaderConfig{Catalog: l.catalog, OnEvent: l.event})
		if err != nil {
			return nil, err
		}
		defer r.Close()
		if err := l.read(r); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if report := r.Report(); !report.Clean() {
			return nil, fmt.Errorf("%s is not whole: %s", name, report)
		}
	}
	return l.result(), nil
}

// loader turns a capture into lines.
type loader struct {
	samples bool
	catalog *acquire.Catalog
	used    map[acquire.PointID]bool
	lines   []line
}

func (l *loader) read(r capture.BatchReader) error {
	l.used = make(map[acquire.PointID]bool)
	var b acquire.Batch
	for {
		if err := r.Next(&b); err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
		if !l.samples {
			l.batch(&b)
		}
		for _, s := range b.Samples {
			l.sample(s, &b)
		}
	}
}

func (l *loader) batch(b *acquire.Batch) {
	names := make([]string, len(b.Points))
	for i, id := range b.Points {
		l.used[id] = true
		p, _ := l.catalog.Point(id)
		names[i] = p.Name
	}
	text := fmt.Sprintf("batch received %s, watermark %s, for %d points, lost %d", b.Received, b.Watermark, len(b.Points), b.Lost)
	l.lines = append(l.lines, line{text, fmt.Sprintf("%d %d %d %q", b.Received, b.Watermark, b.Lost, names)})
}

func (l *loader) sample(s acquire.Sample, b *acquire.Batch) {
	l.used[s.Point] = true
	text := l.catalog.AppendSample(nil, s, b)
	p, _ := l.catalog.Point(s.Point)
	if kind := s.Value.Kind(); kind != p.Kind && kind != acquire.KindNone {
		text = fmt.Appendf(text, " (%s)", kind)
	}
	word, _ := s.Value.Uint64()
	var content []byte
	if s.Value.Kind() == acquire.KindText {
		word = 0
		content, _ = b.Text(s.Value)
	}
	exact := fmt.Sprintf("%d %q %s %x %q %x", s.Time, p.Name, s.Value.Kind(), word, content, uint32(s.Quality))
	l.lines = append(l.lines, line{string(text), exact})
}

func (l *loader) event(ev capture.Event) {
	if !l.samples {
		text := fmt.Sprintf("event %s at %s: %s %s", ev.Kind, ev.Time, ev.Source, ev.Text)
		l.lines = append(l.lines, line{text, fmt.Sprintf("%+v %x", ev, uint32(ev.Quality))})
	}
}

// result returns the lines, behind those that describe the points.
func (l *loader) result() []line {
	var all []line
	for id, p := range l.catalog.After(0) {
		if l.used[id] {
			text := fmt.Sprintf("point %s: %s %s, %s", p.Name, p.Kind, p.Unit, p.Role)
			all = append(all, line{text, text})
		}
	}
	slices.SortFunc(all, func(a, b line) int { return strings.Compare(a.text, b.text) })
	return append(all, l.lines...)
}
