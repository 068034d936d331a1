package acquiretest

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/fieldtap/fieldtap/acquire"
)

// archive is a Source that keeps a history, with a flaw.
type archive struct {
	*Fake
	kept    []acquire.Sample
	refused acquire.PointID
	flaw    string
	calls   int
	mu      sync.Mutex
}

var errRefused = errors.New(`point "secret": access denied`)

func (a *archive) History(ctx context.Context, from, to acquire.Instant, points ...acquire.PointID) iter.Seq2[*acquire.Batch, error] {
	return func(yield func(*acquire.Batch, error) bool) {
		var fault error
		for _, id := range points {
			if !slices.Contains(a.Points(), id) {
				fault = errors.New("foreign point")
			}
		}
		switch {
		case a.flaw == "takes any span":
		case from == 0 || to == 0 || from >= to || len(points) == 0:
			fault = errors.New("no span")
		}
		if fault == nil && a.flaw != "is deaf" {
			fault = ctx.Err()
		}
		if fault != nil {
			yield(nil, fault)
			return
		}
		points = slices.Clone(points)
		if a.flaw != "comes twice" {
			points = slices.Compact(points)
		}
		if a.flaw == "forgets" {
			a.mu.Lock()
			a.calls++
			if a.calls > 1 {
				points = points[:len(points)-1]
			}
			a.mu.Unlock()
		}
		for _, id := range points {
			if id == a.refused && a.flaw != "hides a refusal" {
				fault = errRefused
				if a.flaw == "gives all up" {
					break
				}
				continue
			}
			var b acquire.Batch
			for i, s := range a.kept {
				if s.Point != id && a.flaw != "gives all points" || s.Time < from || s.Time > to || s.Time == to && a.flaw != "includes the end" {
					continue
				}
				if s.Time == from && a.flaw == "leaves out the beginning" || i%5 == 4 && a.flaw == "thins" {
					continue
				}
				if a.flaw != "is as if live" {
					s.Quality = s.Quality.With(acquire.Backfilled)
				}
				b.Append(s)
			}
			if a.flaw == "runs backwards" {
				slices.Reverse(b.Samples)
			}
			if a.flaw == "has a watermark" {
				b.Watermark = to
			}
			if len(b.Samples) > 0 && !yield(&b, nil) && a.flaw != "goes on" {
				return
			}
			if err := ctx.Err(); err != nil && a.flaw != "is deaf" && a.flaw != "forgets its context" {
				yield(nil, err)
				return
			}
		}
		switch {
		case fault != nil && a.flaw == "gives a batch and an error":
			yield(new(acquire.Batch), fault)
		case fault != nil:
			yield(nil, fault)
		}
	}
}

func newPast(flaw string) *Past {
	catalog := acquire.NewCatalog()
	var points []acquire.PointID
	for _, name := range []string{"a", "b", "secret"} {
		id, err := catalog.Define(acquire.Point{Name: name, Kind: acquire.KindFloat64})
		if err != nil {
			return nil
		}
		points = append(points, id)
	}
	a := &archive{Fake: NewFake("archive", points), refused: points[2], flaw: flaw}
	for i := range 20 {
		a.kept = append(a.kept, acquire.Sample{
			Time: acquire.Instant(1000 + 10*i), Point: points[i%2], Value: acquire.Float64(float64(i)), Quality: acquire.Good.With(acquire.SourceTime),
		})
	}
	return &Past{Source: a, Catalog: catalog, From: 1000, To: 1195, Kept: a.kept, Refused: points[2:]}
}

// Each flaw fails a check for the reason that it is.
func TestBrokenHistories(t *testing.T) {
	for _, test := range []struct{ flaw, fails, says string }{
		{"", "", ""},
		{"takes any span", "Refusal", "the error <nil>"},
		{"comes twice", "Alone", "comes after one of"},
		{"gives all points", "Alone", "nobody asked"},
		{"hides a refusal", "Whole", "does not name it"},
		{"gives all up", "Whole", "nothing"},
		{"includes the end", "Parts", "not from"},
		{"leaves out the beginning", "Parts", "was kept as"},
		{"thins", "Whole", "was kept as"},
		{"is as if live", "Whole", "without Backfilled"},
		{"runs backwards", "Whole", "comes after one of"},
		{"has a watermark", "Whole", "watermark"},
		{"goes on", "Leaving", "2 steps"},
		{"forgets", "Leaving", "nothing"},
		{"is deaf", "Cancel", "2 steps"},
		{"forgets its context", "Cancel", "2 steps"},
		{"gives a batch and an error", "Whole", "both"},
	} {
		t.Run(test.flaw, func(t *testing.T) {
			failed := make(map[string]string)
			for _, c := range historyChecks {
				if err := c.apply(newPast(test.flaw)); err != nil {
					failed[c.name] = err.Error()
				}
			}
			if test.fails == "" && len(failed) > 0 || !strings.Contains(failed[test.fails], test.says) {
				t.Errorf("want %s to fail and say %q: %s", test.fails, test.says, fmt.Sprint(failed))
			}
		})
	}
}
