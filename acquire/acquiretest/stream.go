package acquiretest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/fieldtap/fieldtap/acquire"
)

const docStream = "a batch is filled or Next fails, never both, and an error is final; " +
	"samples are of points that the source announces and the catalog knows, with values of their kind; " +
	"watermarks never run backwards and are kept; Close may be called again, Next then says acquire.ErrClosed, " +
	"and the source may be opened again."

func checkStream(tr *trial) error {
	s, err := tr.subject()
	if err != nil {
		return err
	}
	if s.Source.Name() == "" {
		return errors.New("the source has no name")
	}
	points := s.Source.Points()
	if len(points) == 0 {
		return errors.New("the source announces no points")
	}
	for _, p := range points {
		if _, ok := s.Catalog.Point(p); !ok {
			return fmt.Errorf("point %d is announced and not defined in the catalog", p)
		}
	}
	if err := checkBatches(s); err != nil {
		return err
	}
	return checkClosed(s)
}

// checkBatches reads a stream, cancels it and closes it.
func checkBatches(s *Subject) error {
	r, err := open(s.Source, s.Timeout)
	if err != nil {
		return err
	}
	defer r.stream.Close()
	var shape shape
	seen := make(map[acquire.PointID]bool)
	for range 5 {
		poison(&r.batch)
		if err := r.next(s.bound()); err != nil {
			return fmt.Errorf("while the device answers, Next failed: %w", err)
		}
		if err := shape.check(s, &r.batch); err != nil {
			return err
		}
		for _, sample := range r.batch.Samples {
			seen[sample.Point] = true
		}
	}
	for _, p := range s.Source.Points() {
		if !seen[p] {
			return fmt.Errorf("%s is announced and has no sample in 5 batches", s.name(p))
		}
	}

	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	var final error
	for range 3 { // whether the end of a context is noticed in time is for Cancel to check
		r.batch.Reset()
		if final = r.stream.Next(ctx, &r.batch); final != nil {
			break
		}
	}
	if final == nil {
		return errors.New("Next goes on after the end of its context")
	}
	if n := len(r.batch.Samples); n > 0 {
		return fmt.Errorf("a call of Next gave both an error (%w) and %d samples", final, n)
	}
	switch again := r.next(s.bound()); {
	case again == nil:
		return fmt.Errorf("an error is not final: after %q, Next gave a batch", final)
	case again.Error() != final.Error():
		return fmt.Errorf("an error is not final: Next said %q first and %q then", final, again)
	}
	return closeTwice(r.stream)
}

// checkClosed opens the source anew and closes it before anything is read.
func checkClosed(s *Subject) error {
	r, err := open(s.Source, s.Timeout)
	if err != nil {
		return fmt.Errorf("the source cannot be opened again: %w", err)
	}
	if err := closeTwice(r.stream); err != nil {
		return err
	}
	if err := r.next(s.bound()); !errors.Is(err, acquire.ErrClosed) {
		return fmt.Errorf("after Close, Next says %v, not acquire.ErrClosed", err)
	}
	r, err = open(s.Source, s.Timeout)
	if err != nil {
		return fmt.Errorf("the source cannot be opened again: %w", err)
	}
	defer r.stream.Close()
	return r.good(s, 2*s.bound(), s.bound(), "opened again")
}

func closeTwice(stream acquire.Stream) error {
	if err := stream.Close(); err != nil {
		return fmt.Errorf("Close failed: %w", err)
	}
	if err := stream.Close(); err != nil {
		return fmt.Errorf("a second Close failed: %w", err)
	}
	return nil
}

const poisoned acquire.PointID = math.MaxUint32

// poison leaves in b what a call of Next must not let stand.
func poison(b *acquire.Batch) {
	b.Reset()
	b.Lost = math.MaxUint64
	b.Points = []acquire.PointID{poisoned}
	b.Append(acquire.Sample{Point: poisoned})
}

// shape holds the batches of one stream to what they promise.
type shape struct {
	received  acquire.Instant
	watermark acquire.Instant
	covered   []acquire.PointID // what watermark speaks for
}

func (sh *shape) check(s *Subject, b *acquire.Batch) error {
	announced := s.Source.Points()
	if b.Lost == math.MaxUint64 || slices.Contains(b.Points, poisoned) {
		return errors.New("Next leaves in the batch what was there before: it must Reset it")
	}
	if b.Received == 0 {
		return errors.New("a batch does not say when it was received")
	}
	for _, p := range b.Points {
		if !slices.Contains(announced, p) {
			return fmt.Errorf("the watermark of a batch speaks for point %d, which the source does not announce", p)
		}
	}
	for _, sample := range b.Samples {
		if err := sh.checkSample(s, b, sample); err != nil {
			return err
		}
	}
	if b.Watermark != 0 {
		if b.Watermark < sh.watermark {
			return fmt.Errorf("the watermark runs backwards, from %s to %s", sh.watermark, b.Watermark)
		}
		sh.watermark, sh.covered = b.Watermark, b.Points
	}
	sh.received = b.Received
	return nil
}

func (sh *shape) checkSample(s *Subject, b *acquire.Batch, sample acquire.Sample) error {
	if sample.Point == poisoned {
		return errors.New("Next adds to the samples that were there before: it must Reset the batch")
	}
	if !slices.Contains(s.Source.Points(), sample.Point) {
		return fmt.Errorf("a sample is of point %d, which the source does not announce", sample.Point)
	}
	p, ok := s.Catalog.Point(sample.Point)
	if !ok {
		return fmt.Errorf("a sample is of point %d, which is not defined in the catalog", sample.Point)
	}
	if sample.Quality.IsGood() && sample.Value.Kind() != p.Kind {
		return fmt.Errorf("a good sample of %s holds a %s; its kind is %s", p.Name, sample.Value.Kind(), p.Kind)
	}
	if _, ok := b.Text(sample.Value); sample.Value.Kind() == acquire.KindText && !ok {
		return fmt.Errorf("a text of %s cannot be read from its batch", p.Name)
	}
	backwards := sample.Quality.Has(acquire.TimeBackwards) || sample.Quality.Has(acquire.Backfilled)
	if sample.Time < sh.watermark && !backwards && slices.Contains(sh.covered, sample.Point) {
		return fmt.Errorf("a sample is older than the watermark before it by %s and not flagged: %s",
			sh.watermark.Sub(sample.Time).Round(time.Nanosecond), s.show(sample, b))
	}
	return nil
}
