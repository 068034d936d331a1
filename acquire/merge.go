package acquire

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

// Merge returns a Source that delivers the batches of all of srcs in one
// stream, in the order in which they become ready. It fails if a source is nil,
// two share a name, or two deliver the same point.
//
// Each source runs on a goroutine of its own and has at most one batch waiting,
// so that a fast source cannot crowd out a slow one, and a slow consumer holds
// back each source alike. A batch is delivered whole, with the watermark of the
// source it came from.
//
// Open does not wait for any device. A source that fails takes none other with
// it: its points get one Bad sample each, whose reason QualityOf takes from the
// error, and the others go on; wrap sources in Reconnect to have them come
// back. The stream ends when the last source has: with io.EOF if all came to
// their end, else with the errors of those that failed.
//
// The Source implements Group, and Stats are those of its members: it has none
// of its own. It cannot implement Unwrap, having no single source to unwrap to.
func Merge(srcs ...Source) (Source, error) {
	var faults []error
	names := make(map[string]bool, len(srcs))
	owners := make(map[PointID]string)
	for i, src := range srcs {
		if src == nil {
			faults = append(faults, fmt.Errorf("acquire: merge: source %d is nil", i+1))
			continue
		}
		name := src.Name()
		if names[name] {
			faults = append(faults, fmt.Errorf("acquire: merge: two sources are named %q", name))
		}
		names[name] = true
		for _, p := range src.Points() {
			if other, ok := owners[p]; ok {
				faults = append(faults, fmt.Errorf("acquire: merge: point %d is delivered by both %q and %q", p, other, name))
			}
			owners[p] = name
		}
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	return &merger{sources: append([]Source(nil), srcs...)}, nil
}

type merger struct{ sources []Source }

func (m *merger) Sources() []Source { return m.sources }

// Name lists the first few members.
func (m *merger) Name() string {
	const shown = 3
	var names []string
	for _, src := range m.sources[:min(shown, len(m.sources))] {
		names = append(names, src.Name())
	}
	if more := len(m.sources) - len(names); more > 0 {
		names = append(names, fmt.Sprintf("%d more", more))
	}
	return "merge(" + strings.Join(names, ", ") + ")"
}

func (m *merger) Points() []PointID {
	var points []PointID
	for _, src := range m.sources {
		points = append(points, src.Points()...)
	}
	return points
}

func (m *merger) Open(ctx context.Context) (Stream, error) {
	if err := ctx.Err(); err != nil {
		return nil, &OpError{Op: "open", Source: m.Name(), Err: err}
	}
	run, cancel := context.WithCancel(context.WithoutCancel(ctx))
	s := &mergeStream{
		name:    m.Name(),
		cancel:  cancel,
		ready:   make(chan *feed, len(m.sources)), // one place per feed: sending never blocks
		running: len(m.sources),
	}
	for _, src := range m.sources {
		f := &feed{src: src, taken: make(chan struct{}, 1)}
		s.wg.Go(func() { f.run(run, s.ready) })
	}
	return s, nil
}

// feed is one source of a merged stream. Its batch belongs to its goroutine,
// except between being sent to ready and being taken.
type feed struct {
	src    Source
	batch  Batch
	latest Instant // latest sample time delivered
	err    error   // final error; the feed has ended
	taken  chan struct{}
}

func (f *feed) run(ctx context.Context, ready chan<- *feed) {
	err := f.pump(ctx, ready)
	if ctx.Err() != nil {
		return
	}
	f.batch.Reset()
	if !errors.Is(err, io.EOF) {
		f.sayLoss(err)
	}
	f.err = err
	ready <- f
}

// pump delivers the batches of the source until it fails.
func (f *feed) pump(ctx context.Context, ready chan<- *feed) error {
	stream, err := f.src.Open(ctx)
	if err != nil {
		return err
	}
	defer stream.Close()
	for {
		if err := stream.Next(ctx, &f.batch); err != nil {
			return err
		}
		for i := range f.batch.Samples {
			f.latest = max(f.latest, f.batch.Samples[i].Time)
		}
		ready <- f
		select {
		case <-f.taken:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// sayLoss fills the batch with one bad sample per point.
func (f *feed) sayLoss(err error) {
	now := At(time.Now())
	stamp := max(now, f.latest)
	f.batch.Received, f.batch.Watermark, f.batch.Points = now, stamp, f.src.Points()
	q := QualityOf(err)
	for _, p := range f.batch.Points {
		f.batch.Append(Sample{Time: stamp, Point: p, Quality: q})
	}
}

type mergeStream struct {
	name    string
	cancel  context.CancelFunc
	ready   chan *feed
	wg      sync.WaitGroup
	running int     // feeds that have not ended
	faults  []error // final errors of feeds, io.EOF left out
	err     error   // final error
}

func (s *mergeStream) Next(ctx context.Context, b *Batch) error {
	for s.err == nil {
		if err := ctx.Err(); err != nil { // select below would toss a coin
			s.err = &OpError{Op: "next", Source: s.name, Err: err}
			break
		}
		if s.running == 0 {
			s.err = io.EOF
			if len(s.faults) > 0 {
				s.err = errors.Join(s.faults...)
			}
			break
		}
		select {
		case <-ctx.Done():
			s.err = &OpError{Op: "next", Source: s.name, Err: ctx.Err()}
		case f := <-s.ready:
			b.copyFrom(&f.batch)
			if f.err == nil {
				f.taken <- struct{}{}
				return nil
			}
			s.running--
			if !errors.Is(f.err, io.EOF) {
				s.faults = append(s.faults, f.err)
				return nil
			}
		}
	}
	return s.err
}

func (s *mergeStream) Close() error {
	s.cancel()
	s.wg.Wait()
	if s.err == nil {
		s.err = &OpError{Op: "next", Source: s.name, Err: ErrClosed}
	}
	return nil
}
