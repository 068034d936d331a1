package replay

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"math"
	"slices"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/acquire/capture"
)

var _ acquire.Historian = (*Source)(nil)

// History iterates over what the captures hold of points, by the time of the samples and
// not by their arrival: late samples come where they belong. Each of the captures is read
// once in full to learn what lies where, by the first call, and again by the first call
// after it has changed; then what can hold samples of the span is read. Memory is bounded,
// however long the span and however late its samples are.
//
// Bounds of arrival, Select and Shift of the Config hold here too; Pace and Loop do not.
// Samples come in the order of time, those of one time in that of their arrival, in
// batches whose Received is the latest recorded arrival of their samples, so that two
// calls yield the same. A sample whose time is unknown is in no span. That a
// capture is not whole is the error after all that could be read, unless the Config
// accepts it.
func (s *Source) History(ctx context.Context, from, to acquire.Instant, points ...acquire.PointID) iter.Seq2[*acquire.Batch, error] {
	return func(yield func(*acquire.Batch, error) bool) {
		err := s.checkSpan(from, to, points)
		if err == nil {
			err = ctx.Err()
		}
		var x *index
		if err == nil {
			x, err = s.indexed(ctx)
		}
		if err == nil {
			p := past{source: s, index: x, points: points, yield: yield}
			if err = p.read(ctx, from, to); err == nil {
				err = s.whole(x.reports())
			}
		}
		if err != nil && !errors.Is(err, errLeft) {
			yield(nil, &acquire.OpError{Op: "history", Source: s.cfg.Name, Err: err})
		}
	}
}

// checkSpan names what keeps a history from being read.
func (s *Source) checkSpan(from, to acquire.Instant, points []acquire.PointID) error {
	var faults []error
	if from == 0 || to == 0 || from >= to {
		faults = append(faults, fmt.Errorf("replay: history from %s to %s: want a span of time", from, to))
	}
	if len(points) == 0 {
		faults = append(faults, errors.New("replay: history of no points"))
	}
	for _, id := range points {
		if !slices.Contains(s.points, id) {
			faults = append(faults, fmt.Errorf("replay: point %d is not of this source", id))
		}
	}
	return errors.Join(faults...)
}

// Bounds of what a history holds at once.
const (
	maxKept      = 1 << 19  // samples
	maxKeptTexts = 16 << 20 // bytes
	pageSamples  = 4096     // of a batch
)

// kept is a sample that waits for those before it.
type kept struct {
	acquire.Sample
	arrival     acquire.Instant
	start, size int32  // of its text
	number      uint32 // in the order in which they were read
}

// past is a History under way. It goes through time in windows: of each, it reads what
// can hold samples of it, puts them in order and yields them. Where a window holds too
// much, its later part is left to the next.
type past struct {
	source *Source
	index  *index
	points []acquire.PointID
	yield  func(*acquire.Batch, error) bool

	wanted   []bool // by point
	from, to acquire.Instant
	kept     []kept
	texts    []byte
	number   uint32 // of the next sample to be kept
	in, out  acquire.Batch
}

// errLeft says that nothing more is wanted.
var errLeft = errors.New("replay: left early")

// errChanged says that a capture is not what it was when its index was made.
var errChanged = errors.New("capture has changed while it was read")

func (p *past) read(ctx context.Context, from, to acquire.Instant) error {
	p.wanted = make([]bool, slices.Max(p.points)+1)
	for _, id := range p.points {
		p.wanted[id] = true
	}
	for p.from = from; p.from < to; p.from = p.to {
		p.to = p.index.window(p.from, to, p.source.cfg.Shift)
		for i, shelf := range p.index.shelves {
			for _, r := range shelf.runs(p.from, p.to, p.source.cfg.Shift) {
				if err := p.collect(ctx, i, r); err != nil {
					return err
				}
			}
		}
		if err := p.give(ctx); err != nil {
			return err
		}
	}
	return nil
}

// collect keeps the samples of the window that arrived within r.
func (p *past) collect(ctx context.Context, file int, r span) (err error) {
	src := p.source
	reader, err := src.reader(src.cfg.Files[file], capture.ReaderConfig{From: r.earliest, To: after(r.latest)})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, reader.Close()) }()
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		arrival, err := reader.Arrival()
		if err == nil {
			err = reader.Next(&p.in)
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if arrival < r.earliest || arrival > r.latest {
			continue // of a bound that is taken for none, as 0 is
		}
		arrival = arrival.Add(src.cfg.Shift)
		for _, sample := range p.in.Samples {
			sample.Time = sample.Time.Add(src.cfg.Shift)
			if sample.Time == 0 || sample.Time < p.from || sample.Time >= p.to || int(sample.Point) >= len(p.wanted) || !p.wanted[sample.Point] {
				continue
			}
			if err := p.keep(ctx, sample, arrival); err != nil {
				return err
			}
		}
	}
	if flaws(reader.Report()) > flaws(p.index.shelves[file].report) {
		return fmt.Errorf("%s: %w", src.cfg.Files[file], errChanged)
	}
	return nil
}

func (p *past) keep(ctx context.Context, sample acquire.Sample, arrival acquire.Instant) error {
	k := kept{Sample: sample, arrival: arrival, number: p.number}
	p.number++ // within a window, which is far from 2^32
	if text, ok := p.in.Text(sample.Value); ok {
		k.start, k.size = int32(len(p.texts)), int32(len(text))
		p.texts = append(p.texts, text...)
	}
	p.kept = append(p.kept, k)
	if len(p.kept) < maxKept && len(p.texts) < maxKeptTexts {
		return nil
	}
	return p.shorten(ctx)
}

// shorten ends the window earlier, so that at most half of what is kept is in it.
func (p *past) shorten(ctx context.Context) error {
	p.sort()
	cut := p.kept[len(p.kept)/2].Time
	if p.from == cut {
		// Half is of one moment, the first of the window: nothing comes before it.
		p.to = p.from + 1
		n := p.before(p.to)
		p.kept = p.kept[:n]
		if n >= maxKept/2 || len(p.texts) >= maxKeptTexts/2 {
			return p.give(ctx)
		}
		return nil
	}
	p.to = cut
	p.kept = p.kept[:p.before(cut)]
	texts := make([]byte, 0, len(p.texts)/2)
	for i := range p.kept {
		k := &p.kept[i]
		text := p.texts[k.start : k.start+k.size]
		k.start = int32(len(texts))
		texts = append(texts, text...)
	}
	p.texts = texts
	return nil
}

// before returns how many of the samples kept, in order, are before t.
func (p *past) before(t acquire.Instant) int {
	n, _ := slices.BinarySearchFunc(p.kept, t, func(k kept, t acquire.Instant) int { return cmp.Compare(k.Time, t) })
	return n
}

// sort puts what is kept in order.
func (p *past) sort() {
	slices.SortFunc(p.kept, func(a, b kept) int {
		return cmp.Or(cmp.Compare(a.Time, b.Time), cmp.Compare(a.arrival, b.arrival), cmp.Compare(a.number, b.number))
	})
}

// give yields what is kept, and keeps nothing any more.
func (p *past) give(ctx context.Context) error {
	p.sort()
	for i := range p.kept {
		k := &p.kept[i]
		sample := k.Sample
		if sample.Value.Kind() == acquire.KindText {
			text := p.texts[k.start : k.start+k.size]
			value, ok := p.out.PutText(text)
			if !ok {
				if err := p.flush(ctx); err != nil {
					return err
				}
				value, _ = p.out.PutText(text)
			}
			sample.Value = value
		}
		sample.Quality = sample.Quality.With(acquire.Backfilled)
		p.out.Append(sample)
		p.out.Received = max(p.out.Received, k.arrival)
		if len(p.out.Samples) >= pageSamples {
			if err := p.flush(ctx); err != nil {
				return err
			}
		}
	}
	p.kept, p.texts = p.kept[:0], p.texts[:0]
	return p.flush(ctx)
}

func (p *past) flush(ctx context.Context) error {
	if len(p.out.Samples) > 0 {
		more := p.yield(&p.out, nil)
		p.out.Reset()
		if !more {
			return errLeft
		}
	}
	return ctx.Err() // which the loop may have ended
}

// after returns the instant after t as a bound, unknown if there is none.
func after(t acquire.Instant) acquire.Instant {
	if t == math.MaxInt64 {
		return 0
	}
	return t + 1
}

// flaws is how much of a capture is damaged or without a name.
func flaws(r capture.Report) uint64 {
	return uint64(len(r.Damage)) + r.MoreDamage + r.Nameless
}
