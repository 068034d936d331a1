package acquiretest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fieldtap/fieldtap/acquire"
)

// Past is a source whose history is under test, and what its device has kept.
type Past struct {
	// Source is an acquire.Historian, or wraps one.
	Source acquire.Source
	// Catalog is where the points of Source are defined.
	Catalog *acquire.Catalog
	// From and To bound a span in which the device has kept something.
	From, To acquire.Instant
	// Kept are the samples that the device has kept in the span, in the order of time
	// for each point, with the qualities that they are to have but for
	// acquire.Backfilled. There are four different times or more, and no texts, and
	// what is kept does not change.
	Kept []acquire.Sample
	// Tick is how fine the times of the device are; 0: 1 ns.
	Tick time.Duration
	// Refused are points of Source whose history the device refuses.
	Refused []acquire.PointID
}

// historyCheck holds a Past to a rule of acquire.Historian.
type historyCheck struct {
	name, doc string
	run       func(*Past, acquire.Historian) error
}

var historyChecks = []historyCheck{
	{"Refusal", "no point, one that is not of the source, or a span of no time, is an error before anything is asked; it is the only step", checkHistoryRefusal},
	{"Whole", "samples are as the device has kept them, neither thinned nor averaged, in the order of time for each point, with Backfilled and without a watermark; " +
		"a point that the device refuses is named in the last step, and takes nothing from the others", checkHistoryWhole},
	{"Alone", "a point that is not asked for does not come, and one that is asked for twice comes once", checkHistoryAlone},
	{"Parts", "a span holds its beginning and not its end, so that spans side by side make up the whole; nothing kept is no error", checkHistoryParts},
	{"Leaving", "leaving the loop early ends the history, and takes nothing from the next", checkHistoryLeaving},
	{"Cancel", "the error is that of the context when it ends first", checkHistoryCancel},
	{"Together", "History may be called at any time, by any goroutine", checkHistoryTogether},
}

// TestHistorian holds a source to the contract of acquire.Historian, each rule as a
// subtest on a Past made by newPast.
func TestHistorian(t *testing.T, newPast func(t *testing.T) *Past) {
	for _, c := range historyChecks {
		t.Run(c.name, func(t *testing.T) {
			if err := c.apply(newPast(t)); err != nil {
				t.Errorf("%s: %s\nThe contract: %s", c.name, err, c.doc)
			}
		})
	}
}

func (c *historyCheck) apply(p *Past) error {
	if p == nil || p.Source == nil || p.Catalog == nil {
		return errors.New("Past lacks its Source or its Catalog")
	}
	h, ok := acquire.As[acquire.Historian](p.Source)
	if !ok {
		return errors.New("the source is no acquire.Historian")
	}
	if n := len(p.times()); n < 4 {
		return fmt.Errorf("Past.Kept has %d different times, which is too few to show anything", n)
	}
	return c.run(p, h)
}

// historyLimit is how long a history may take.
const historyLimit = time.Minute

// steps is what a history yielded.
type steps struct {
	samples []acquire.Sample
	batches int
	err     error // of the last step
}

// read reads a history to its end, and returns what is wrong with its form.
func (p *Past) read(h acquire.Historian, from, to acquire.Instant, points ...acquire.PointID) (s steps, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), historyLimit)
	defer cancel()
	last := make(map[acquire.PointID]acquire.Instant)
	for b, fault := range h.History(ctx, from, to, points...) {
		if s.err != nil {
			return s, errors.New("there is a step after an error")
		}
		if s.err = fault; fault != nil {
			if b != nil {
				return s, errors.New("a step has both a Batch and an error")
			}
			continue
		}
		if b == nil {
			return s, errors.New("a step has neither a Batch nor an error")
		}
		s.batches++
		if b.Watermark != 0 {
			return s, fmt.Errorf("a batch has the watermark %s", b.Watermark)
		}
		for _, sample := range b.Samples {
			shown := p.Catalog.AppendSample(nil, sample, b)
			switch {
			case !slices.Contains(points, sample.Point):
				return s, fmt.Errorf("%s: nobody asked for this point", shown)
			case sample.Time < from || sample.Time >= to:
				return s, fmt.Errorf("%s: not from %s on and before %s", shown, from, to)
			case sample.Time < last[sample.Point]:
				return s, fmt.Errorf("%s: comes after one of %s", shown, last[sample.Point])
			case !sample.Quality.Has(acquire.Backfilled):
				return s, fmt.Errorf("%s: without Backfilled", shown)
			}
			last[sample.Point] = sample.Time
		}
		s.samples = append(s.samples, b.Samples...)
	}
	if ctx.Err() != nil {
		return s, fmt.Errorf("not over within %s", historyLimit)
	}
	return s, nil
}

// times returns the different times of what is kept, in order.
func (p *Past) times() []acquire.Instant {
	var all []acquire.Instant
	for _, s := range p.Kept {
		all = append(all, s.Time)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// points returns the points whose history is not refused.
func (p *Past) points() []acquire.PointID {
	return slices.DeleteFunc(slices.Clone(p.Source.Points()), func(id acquire.PointID) bool { return slices.Contains(p.Refused, id) })
}

// compare says in what samples are not those kept of points within a span.
func (p *Past) compare(got []acquire.Sample, from, to acquire.Instant, points ...acquire.PointID) error {
	for _, id := range points {
		only := func(all []acquire.Sample) []acquire.Sample {
			return slices.DeleteFunc(slices.Clone(all), func(s acquire.Sample) bool { return s.Point != id || s.Time < from || s.Time >= to })
		}
		have, want := only(got), only(p.Kept)
		for i := range want {
			want[i].Quality = want[i].Quality.With(acquire.Backfilled)
			if i >= len(have) || have[i] != want[i] {
				seen := "nothing"
				if i < len(have) {
					seen = string(p.Catalog.AppendSample(nil, have[i], new(acquire.Batch)))
				}
				return fmt.Errorf("of %s to %s: sample %d is %s, and was kept as %s", from, to, i, seen, p.Catalog.AppendSample(nil, want[i], new(acquire.Batch)))
			}
		}
		if len(have) > len(want) {
			return fmt.Errorf("of %s to %s: %d samples where %d were kept, the first too many %s",
				from, to, len(have), len(want), p.Catalog.AppendSample(nil, have[len(want)], new(acquire.Batch)))
		}
	}
	return nil
}

// whole reads the history of points in a span, which is to be without an error.
func (p *Past) whole(h acquire.Historian, from, to acquire.Instant, points ...acquire.PointID) error {
	s, err := p.read(h, from, to, points...)
	if err == nil {
		err = s.err
	}
	if err != nil {
		return err
	}
	return p.compare(s.samples, from, to, points...)
}

func checkHistoryRefusal(p *Past, h acquire.Historian) error {
	points := p.points()
	for _, c := range []struct {
		what     string
		from, to acquire.Instant
		points   []acquire.PointID
	}{
		{"of no points", p.From, p.To, nil},
		{"of no point's id", p.From, p.To, []acquire.PointID{0}},
		{"of a point of nobody beside others", p.From, p.To, append(slices.Clone(points), ^acquire.PointID(0))},
		{"of a span backwards", p.To, p.From, points},
		{"of a span of no time", p.From, p.From, points},
		{"from an unknown time", 0, p.To, points},
		{"to an unknown time", p.From, 0, points},
	} {
		s, err := p.read(h, c.from, c.to, c.points...)
		if err == nil && (s.err == nil || s.batches > 0) {
			err = fmt.Errorf("%d batches and the error %v", s.batches, s.err)
		}
		if err != nil {
			return fmt.Errorf("history %s: %w", c.what, err)
		}
	}
	return nil
}

func checkHistoryWhole(p *Past, h acquire.Historian) error {
	if err := p.whole(h, p.From, p.To, p.points()...); err != nil {
		return err
	}
	if len(p.Refused) == 0 {
		return nil
	}
	s, err := p.read(h, p.From, p.To, append(slices.Clone(p.Refused), p.points()...)...)
	if err == nil {
		err = p.compare(s.samples, p.From, p.To, p.Source.Points()...)
	}
	if err != nil {
		return fmt.Errorf("with points that are refused: %w", err)
	}
	for _, id := range p.Refused {
		if point, _ := p.Catalog.Point(id); s.err == nil || !strings.Contains(s.err.Error(), point.Name) {
			return fmt.Errorf("%s is refused, and the last error %v does not name it", point.Name, s.err)
		}
	}
	return nil
}

func checkHistoryAlone(p *Past, h acquire.Historian) error {
	for _, id := range p.points() {
		if err := p.whole(h, p.From, p.To, id, id); err != nil {
			return err
		}
	}
	return nil
}

func checkHistoryParts(p *Past, h acquire.Historian) error {
	points, times, tick := p.points(), p.times(), acquire.Instant(max(p.Tick, 1))
	n := len(times)
	for _, cut := range []acquire.Instant{times[1], times[n/2], times[n/2] + tick, times[n-1]} {
		if cut <= p.From || cut >= p.To {
			continue
		}
		if err := errors.Join(p.whole(h, p.From, cut, points...), p.whole(h, cut, p.To, points...)); err != nil {
			return err
		}
	}
	if err := p.whole(h, times[1], times[2], points...); err != nil {
		return err
	}
	if times[1]+tick < times[2] {
		return p.whole(h, times[1]+tick, times[2], points...)
	}
	return nil
}

func checkHistoryLeaving(p *Past, h acquire.Historian) error {
	ctx, cancel := context.WithTimeout(context.Background(), historyLimit)
	defer cancel()
	calls := 0
	h.History(ctx, p.From, p.To, p.points()...)(func(*acquire.Batch, error) bool {
		calls++
		return false
	})
	if calls != 1 {
		return fmt.Errorf("%d steps where the loop was left at the first", calls)
	}
	return p.whole(h, p.From, p.To, p.points()...)
}

func checkHistoryCancel(p *Past, h acquire.Historian) error {
	for _, after := range []int{0, 1} {
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		if after == 0 {
			cancel()
		}
		steps, last := 0, error(nil)
		for b, err := range h.History(ctx, p.From, p.To, p.points()...) {
			steps++
			if last = err; (b == nil) == (err == nil) {
				return errors.New("a step has not either a Batch or an error")
			}
			cancel()
		}
		if steps != after+1 || !errors.Is(last, context.Canceled) {
			return fmt.Errorf("the context ends after %d batches: %d steps, the last with the error %v", after, steps, last)
		}
	}
	return p.whole(h, p.From, p.To, p.points()...)
}

func checkHistoryTogether(p *Past, h acquire.Historian) error {
	var wg sync.WaitGroup
	faults := make([]error, 4)
	for i := range faults {
		wg.Go(func() { faults[i] = p.whole(h, p.From, p.To, p.points()...) })
	}
	wg.Wait()
	return errors.Join(faults...)
}
