package replay

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/acquire/capture"
)

// stream plays the captures once or more.
type stream struct {
	source   *Source
	captures *capture.Merged
	err      error // final

	start   time.Time       // when the first batch was played
	arrival acquire.Instant // of the first batch

	round  int
	offset time.Duration // of this round
	span   span          // of the times of the first round
	reset  []bool        // by point: its counter has been flagged in this round
}

// span is the time between the earliest and the latest of all times seen.
type span struct{ earliest, latest acquire.Instant }

func (s *span) add(t acquire.Instant) {
	if t == 0 {
		return
	}
	if s.earliest == 0 || t < s.earliest {
		s.earliest = t
	}
	if s.latest == 0 || t > s.latest {
		s.latest = t
	}
}

// errSpan says that a capture cannot be looped.
var errSpan = errors.New("times of the capture are too far apart to loop it")

// maxSpan bounds what rounds of a loop add up to.
const maxSpan = 100 * 365 * 24 * time.Hour

func (s *stream) Next(ctx context.Context, b *acquire.Batch) error {
	if s.err == nil {
		if err := s.next(ctx, b); err != nil {
			b.Reset()
			s.end(err)
		}
	}
	if s.err != nil {
		b.Reset()
	}
	return s.err
}

func (s *stream) next(ctx context.Context, b *acquire.Batch) error {
	if err := ctx.Err(); err != nil {
		return s.opError("next", err)
	}
	for {
		err := s.captures.Next(b)
		if err == nil {
			break
		}
		if !errors.Is(err, io.EOF) {
			return s.opError("read", err)
		}
		if err := s.rewind(); err != nil {
			return err
		}
		if err := ctx.Err(); err != nil { // captures may be empty
			return s.opError("next", err)
		}
	}
	s.rebase(b)
	if err := s.wait(ctx, b.Received); err != nil {
		return s.opError("wait", err)
	}
	s.source.tally.Deliver(b)
	return nil
}

// rewind begins the next round, or returns the end of the stream.
func (s *stream) rewind() error {
	src := s.source
	reports := s.captures.Reports()
	src.mu.Lock()
	src.reports = reports
	src.mu.Unlock()
	if err := src.whole(reports); err != nil {
		return s.opError("read", err)
	}
	if s.round++; s.round == src.cfg.Loop || s.span.latest == 0 {
		return io.EOF
	}
	period := s.span.latest.Sub(s.span.earliest) + src.cfg.LoopGap
	if period <= 0 || period > maxSpan || s.offset+period > maxSpan {
		return s.opError("loop", errSpan)
	}
	s.offset += period
	s.reset = make([]bool, src.cfg.Catalog.Len()+1)
	err := s.captures.Close()
	if err == nil {
		var next *capture.Merged
		if next, err = src.open(); err == nil {
			s.captures = next
		}
	}
	if err != nil {
		return s.opError("loop", err)
	}
	return nil
}

// whole returns the DamageError of captures that are not, unless that is accepted.
func (s *Source) whole(reports []capture.Report) error {
	var e DamageError
	for i, r := range reports {
		if !r.Clean() {
			e.Files = append(e.Files, s.cfg.Files[i])
			e.Reports = append(e.Reports, r)
		}
	}
	if len(e.Files) == 0 || s.cfg.Incomplete {
		return nil
	}
	return &e
}

// rebase moves the times of b as far as the configuration wants it.
func (s *stream) rebase(b *acquire.Batch) {
	cfg := &s.source.cfg
	if s.round == 0 && cfg.Loop != 1 {
		s.span.add(b.Received)
		s.span.add(b.Watermark)
		for i := range b.Samples {
			s.span.add(b.Samples[i].Time)
		}
	}
	if shift := cfg.Shift + s.offset; shift != 0 {
		b.Received, b.Watermark = b.Received.Add(shift), b.Watermark.Add(shift)
		for i := range b.Samples {
			b.Samples[i].Time = b.Samples[i].Time.Add(shift)
		}
	}
	if s.round == 0 {
		return
	}
	for i := range b.Samples {
		sample := &b.Samples[i]
		if int64(sample.Point) >= int64(len(s.reset)) || s.reset[sample.Point] || sample.Value.IsNone() {
			continue
		}
		s.reset[sample.Point] = true
		if p, ok := cfg.Catalog.Point(sample.Point); ok && p.Role == acquire.Counter {
			sample.Quality = sample.Quality.With(acquire.Discontinuity)
		}
	}
}

// wait lets the time pass after which a batch is due that arrived at arrival.
func (s *stream) wait(ctx context.Context, arrival acquire.Instant) error {
	pace := s.source.cfg.Pace
	if pace == AsFastAsRead || arrival == 0 {
		return nil
	}
	if s.start.IsZero() {
		s.start, s.arrival = time.Now(), arrival
		return nil
	}
	due := arrival.Sub(s.arrival)
	if pace != AsRecorded { // which a float64 would round
		due = time.Duration(min(float64(due)/float64(pace), float64(maxSpan)))
	}
	wait := time.Until(s.start.Add(due))
	if wait <= 0 {
		return nil
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *stream) opError(op string, err error) error {
	return &acquire.OpError{Op: op, Source: s.source.cfg.Name, Err: err}
}

// end makes err the final error.
func (s *stream) end(err error) {
	s.err = err
	now := acquire.At(time.Now())
	if !errors.Is(err, io.EOF) {
		s.source.tally.Update(func(st *acquire.Stats) { st.LastError, st.LastErrorAt = err, now })
	}
	s.source.tally.Enter(acquire.Ended, now)
}

func (s *stream) Close() error {
	err := s.captures.Close()
	if s.err == nil {
		s.end(s.opError("next", acquire.ErrClosed))
	}
	return err
}
