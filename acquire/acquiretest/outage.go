package acquiretest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/fieldtap/fieldtap/acquire"
)

const docLiveness = "when a device falls silent, every point gets a bad sample with a reason within one period and one timeout; " +
	"batches keep coming, through acquire.Reconnect if need be, and good samples follow when the device is back; " +
	"the source implements acquire.Reporter and shows the trouble there."

func checkLiveness(tr *trial) error {
	s, err := tr.subject()
	if err != nil {
		return err
	}
	if _, ok := s.stats(); !ok {
		return errors.New("the source has no Stats: a host cannot ask it how it is")
	}
	r, err := open(s.reconnected(), s.Timeout)
	if err != nil {
		return err
	}
	defer r.stream.Close()
	if err := r.good(s, 2*s.bound(), s.pause(), "while the device answers"); err != nil {
		return err
	}
	if st, _ := s.stats(); st.Samples == 0 || st.Since == 0 {
		return fmt.Errorf("good samples came; the Stats of the source say %d samples, link %s since %s", st.Samples, st.Link, st.Since)
	}

	before, start := s.trouble(), time.Now()
	s.Silence()
	missing, err := r.heard(s, s.bound(), s.pause(), func(sample acquire.Sample) (bool, error) {
		if sample.Quality.IsBad() && sample.Quality.Reason() == acquire.Unspecified {
			return false, fmt.Errorf("the device is silent, and the sample that says so has no reason: %s", s.show(sample, &r.batch))
		}
		return sample.Quality.IsBad(), nil
	})
	switch {
	case errors.Is(err, errLimit):
		return fmt.Errorf("the device has been silent for %s, and no sample of %s says so", time.Since(start), s.name(missing[0]))
	case err != nil:
		return err
	}
	if err := r.during(5*s.bound(), s.pause(), func(*acquire.Batch) error { return nil }); err != nil {
		return fmt.Errorf("while the device is silent: %w", err)
	}
	if s.trouble() == before {
		return errors.New("the device is silent, and Stats shows neither timeouts nor failures")
	}

	outage := time.Since(start)
	s.Restore()
	return r.good(s, s.recovery(outage), s.pause(), fmt.Sprintf("the device is back after %s of silence", outage))
}

const docIsolation = "a device that is silent costs others nothing: merged with it, another source of the driver keeps its period exactly."

func checkIsolation(tr *trial) error {
	p, err := newPair(tr)
	if err != nil {
		return err
	}
	defer p.stream.Close()
	if err := p.during(5 * p.well.Period); err != nil {
		return fmt.Errorf("while both devices answer: %w", err)
	}
	p.sick.Silence()
	if err := p.during(5 * p.sick.bound()); err != nil {
		return fmt.Errorf("while the other device is silent: %w", err)
	}
	p.sick.Restore()
	if err := p.during(5 * p.sick.bound()); err != nil {
		return fmt.Errorf("when the other device is back: %w", err)
	}
	return nil
}

// pair is two subjects in one merged stream, of which one will have to suffer.
type pair struct {
	reader
	well, sick *Subject
	latest     map[acquire.PointID]time.Time // when the latest good sample of each of well's points came
}

// newPair opens two subjects and waits until all points of the first are good.
func newPair(tr *trial) (*pair, error) {
	well, err := tr.subject()
	if err != nil {
		return nil, err
	}
	sick, err := tr.subject()
	if err != nil {
		return nil, err
	}
	// Each has a catalog of its own: the points of the second get other ids.
	// It starts so that a request without an answer is under way when the polls
	// of the first fall due.
	other := &renumbered{
		source: sick.reconnected(),
		offset: slices.Max(well.Source.Points()),
		delay:  max(sick.Period-sick.Timeout/2, sick.Period/2),
	}
	merged, err := acquire.Merge(well.reconnected(), other)
	if err != nil {
		return nil, fmt.Errorf("two subjects cannot be merged: %w", err)
	}
	r, err := open(merged, well.Timeout)
	if err != nil {
		return nil, err
	}
	p := &pair{reader: *r, well: well, sick: sick, latest: make(map[acquire.PointID]time.Time)}
	if err := p.good(well, 2*well.bound(), well.pause(), "while both devices answer"); err != nil {
		p.stream.Close()
		return nil, err
	}
	for _, id := range well.Source.Points() {
		p.latest[id] = time.Now()
	}
	return p, nil
}

// during reads for d and sees to it that the healthy device keeps its period.
func (p *pair) during(d time.Duration) error {
	return p.reader.during(d, p.well.pause(), func(b *acquire.Batch) error {
		now := time.Now()
		for _, sample := range b.Samples {
			if !slices.Contains(p.well.Source.Points(), sample.Point) || !sample.Quality.IsGood() {
				continue
			}
			p.latest[sample.Point] = now
		}
		return p.punctual(now)
	})
}

// punctual fails when a point of the healthy device is overdue.
func (p *pair) punctual(now time.Time) error {
	for _, id := range p.well.Source.Points() {
		if gap := now.Sub(p.latest[id]); gap > p.well.Period {
			return fmt.Errorf("%s of the healthy device has had no good sample for %s; its period is %s", p.well.name(id), gap, p.well.Period)
		}
	}
	return nil
}

// renumbered is a source whose points have other ids: those of a second catalog
// as seen from the first. Connecting to it takes delay longer.
type renumbered struct {
	source acquire.Source
	offset acquire.PointID
	delay  time.Duration
}

func (r *renumbered) Name() string              { return r.source.Name() + " (second)" }
func (r *renumbered) Unwrap() acquire.Source    { return r.source }
func (r *renumbered) Points() []acquire.PointID { return r.shifted(r.source.Points()) }

func (r *renumbered) shifted(points []acquire.PointID) []acquire.PointID {
	moved := make([]acquire.PointID, len(points))
	for i, p := range points {
		moved[i] = p + r.offset
	}
	return moved
}

func (r *renumbered) Open(ctx context.Context) (acquire.Stream, error) {
	if err := sleep(ctx, r.delay); err != nil {
		return nil, err
	}
	stream, err := r.source.Open(ctx)
	if err != nil {
		return nil, err
	}
	return &renumberedStream{Stream: stream, source: r}, nil
}

type renumberedStream struct {
	acquire.Stream
	source *renumbered
}

func (s *renumberedStream) Next(ctx context.Context, b *acquire.Batch) error {
	if err := s.Stream.Next(ctx, b); err != nil {
		return err
	}
	b.Points = s.source.shifted(b.Points)
	for i := range b.Samples {
		b.Samples[i].Point += s.source.offset
	}
	return nil
}

const docOneOwner = "a stream is one connection: when its link is cut it fails, or says bad, and never connects anew by itself; " +
	"acquire.Reconnect does, so that the error must not be one that acquire.Permanent takes for the end."

func checkOneOwner(tr *trial) error {
	s, err := tr.subject()
	if err != nil {
		return err
	}
	r, err := open(s.Source, s.Timeout)
	if err != nil {
		return err
	}
	defer r.stream.Close()
	if err := r.good(s, 2*s.bound(), s.bound(), "while the device answers"); err != nil {
		return err
	}
	if s.links() == 0 {
		return errors.New("good samples come and the device sees no link")
	}

	// The device takes new links at once, so that one made anew shows.
	s.Disconnect()
	s.Restore()
	end := time.Now().Add(5 * s.bound())
	for time.Now().Before(end) {
		err := r.next(s.bound())
		if n := s.links(); n != 0 {
			return fmt.Errorf("the link was cut, and the stream made a new one by itself: the device sees %d", n)
		}
		switch {
		case errors.Is(err, errLimit):
			return fmt.Errorf("the link was cut, and Next: %w", err)
		case err != nil && acquire.Permanent(err):
			return fmt.Errorf("the link was cut, and the error of Next is permanent, so that acquire.Reconnect gives up: %w", err)
		}
		if err != nil {
			break
		}
	}
	pass(5 * s.bound())
	if n := s.links(); n != 0 {
		return fmt.Errorf("the stream has failed, and a new link was made in the background: the device sees %d", n)
	}
	if err := r.stream.Close(); err != nil && s.links() != 0 {
		return fmt.Errorf("Close after a failure: %w", err)
	}
	return checkReconnected(s)
}

// checkReconnected cuts the link under acquire.Reconnect.
func checkReconnected(s *Subject) error {
	r, err := open(s.reconnected(), s.Timeout)
	if err != nil {
		return err
	}
	defer r.stream.Close()
	if err := r.good(s, 2*s.bound(), s.pause(), "connected anew"); err != nil {
		return err
	}
	start := time.Now()
	s.Disconnect()
	if err := r.during(5*s.bound(), s.pause(), func(*acquire.Batch) error { return nil }); err != nil {
		return fmt.Errorf("while the device refuses links: %w", err)
	}
	s.Restore()
	outage := time.Since(start)
	return r.good(s, s.recovery(outage), s.pause(), fmt.Sprintf("under acquire.Reconnect, the device takes links again after %s", outage))
}
