package acquiretest_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/acquire/acquiretest"
)

// Periods of the simulated device and its driver.
const (
	period  = time.Second
	timeout = 400 * time.Millisecond
)

// flaw is one thing that a driver may do wrong.
type flaw string

// device is what the fake drivers read: a few numbers that change each second.
type device struct {
	mu      sync.Mutex
	silent  bool
	down    bool
	flood   bool
	late    time.Duration
	refused map[acquire.PointID]bool
	offset  time.Duration // of the clock that stamps samples
	writes  uint64
	links   map[*link]bool
	changed chan struct{} // closed when a condition changes
}

// link is one connection to a device.
type link struct{ cut chan struct{} }

func newDevice() *device {
	return &device{links: make(map[*link]bool), refused: make(map[acquire.PointID]bool), changed: make(chan struct{})}
}

func (d *device) set(change func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	change()
	close(d.changed)
	d.changed = make(chan struct{})
}

func (d *device) connect() *link {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.down {
		return nil
	}
	l := &link{cut: make(chan struct{})}
	d.links[l] = true
	return l
}

func (d *device) hangUp(l *link) { d.set(func() { delete(d.links, l) }) }

func (d *device) now() time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	return time.Now().Add(d.offset)
}

// truth is the number of a point at a time.
func truth(p acquire.PointID, at time.Time) acquire.Value {
	return acquire.Float64(float64(at.Unix()%1000)*100 + float64(p))
}

// driver is a source on a device, right but for its flaw.
type driver struct {
	device  *device
	catalog *acquire.Catalog
	points  []acquire.PointID
	flaw    flaw
	turn    chan struct{} // shared by all drivers of a bubble, for those that share too much
	release chan struct{} // closed when the test is over
	phase   time.Duration
	pushed  bool // stamps are the device's own
	tally   acquire.Tally
}

func (d *driver) Name() string              { return "meter" }
func (d *driver) Points() []acquire.PointID { return d.points }
func (d *driver) Stats() acquire.Stats      { return d.tally.Stats() }

// mute hides the Stats of a driver.
type mute struct{ acquire.Source }

func (d *driver) Open(ctx context.Context) (acquire.Stream, error) {
	if err := ctx.Err(); err != nil {
		return nil, d.fault("open", err)
	}
	l := d.device.connect()
	if l == nil {
		d.tally.Update(func(st *acquire.Stats) { st.Failures++ })
		return nil, d.fault("open", errors.New("refused"))
	}
	d.tally.Update(func(st *acquire.Stats) { st.Connects++ })
	if d.flaw == "writes" {
		d.device.set(func() { d.device.writes++ })
	}
	s := &stream{driver: d, link: l, due: time.Now().Add(d.phase), latest: make(map[acquire.PointID]acquire.Instant)}
	if d.flaw == "leaves a goroutine" {
		go func() { <-d.release }()
	}
	if d.flaw == "ends with the context of Open" {
		s.opening = ctx
	}
	return s, nil
}

func (d *driver) fault(op string, err error) error {
	return &acquire.OpError{Op: op, Source: d.Name(), Err: err}
}

type stream struct {
	*driver
	link     *link
	err      error
	closed   bool
	opening  context.Context
	due      time.Time
	latest   map[acquire.PointID]acquire.Instant
	last     map[acquire.PointID]acquire.Value
	pending  map[acquire.PointID]acquire.Value // an answer that came too late
	deaf     bool                              // an answer came too late once
	received int
	mark     acquire.Instant
}

// answer is what came of a request.
type answer struct {
	values     map[acquire.PointID]acquire.Value // none for a refused point
	sent, came time.Time
	err        error
}

var (
	errTimeout = errors.New("no answer in time")
	errCut     = errors.New("link was cut")
	errGarbage = errors.New("not a frame")
)

func (s *stream) Next(ctx context.Context, b *acquire.Batch) error {
	if s.err != nil {
		return s.err
	}
	lost := b.Lost
	b.Reset()
	if s.flaw == "adds to the batch before" {
		b.Lost = lost
	}
	if s.opening != nil && s.opening.Err() != nil {
		return s.fail(s.opening.Err())
	}
	if err := s.tick(ctx, b); err != nil {
		return s.cancelled(err, b)
	}
	a := s.ask(ctx)
	switch {
	case ctx.Err() != nil:
		return s.cancelled(ctx.Err(), b)
	case errors.Is(a.err, errCut) && s.flaw == "connects by itself":
		if l := s.device.connect(); l != nil {
			s.link = l
		}
	case errors.Is(a.err, errCut) && s.flaw == "takes a cut for the end":
		return s.fail(io.EOF)
	case errors.Is(a.err, errCut), errors.Is(a.err, errGarbage):
		s.tally.Update(func(st *acquire.Stats) { st.Failures++ })
		return s.fail(a.err)
	case a.err != nil && s.flaw != "counts no trouble":
		s.tally.Update(func(st *acquire.Stats) { st.Timeouts++ })
	}
	s.fill(b, a)
	s.tally.Deliver(b)
	s.tally.Enter(acquire.Up, b.Received)
	return nil
}

func (s *stream) fail(err error) error {
	s.err = s.fault("next", err)
	return s.err
}

func (s *stream) cancelled(err error, b *acquire.Batch) error {
	switch s.flaw {
	case "forgets its error":
		return s.fault("next", err)
	case "gives a batch and an error":
		b.Append(acquire.Sample{Point: s.points[0]})
	}
	return s.fail(err)
}

// tick waits until the next poll is due, and counts those that were missed.
func (s *stream) tick(ctx context.Context, b *acquire.Batch) error {
	if err := ctx.Err(); err != nil && s.flaw != "is deaf to its context" {
		return err
	}
	now := time.Now()
	if missed := now.Sub(s.due) / period; missed > 0 {
		s.due = s.due.Add(missed * period)
		switch s.flaw {
		case "skips in silence":
		case "counts half of what it skips":
			s.tally.Update(func(st *acquire.Stats) { st.Skipped += uint64(missed) / 2 })
		default:
			s.tally.Update(func(st *acquire.Stats) { st.Skipped += uint64(missed) })
			b.Lost = uint64(missed) * uint64(len(s.points))
		}
	}
	if s.flaw == "counts losses that were none" {
		b.Lost++
	}
	t := time.NewTimer(s.due.Sub(now))
	defer t.Stop()
	s.due = s.due.Add(period)
	if s.flaw == "is deaf to its context" {
		<-t.C
		return ctx.Err()
	}
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// ask makes one request of all points.
func (s *stream) ask(ctx context.Context) (a answer) {
	if s.flaw == "shares a lock" {
		select {
		case s.turn <- struct{}{}:
			defer func() { <-s.turn }()
		case <-ctx.Done():
			return answer{err: ctx.Err()}
		}
	}
	d := s.device
	a.sent = d.now()
	deadline := time.NewTimer(timeout)
	defer deadline.Stop()
	var hoard [][]byte
	for {
		d.mu.Lock()
		silent, flood, late, changed, cut := d.silent, d.flood, d.late, d.changed, !d.links[s.link]
		d.mu.Unlock()
		never := deadline.C
		if s.flaw == "waits in silence" && silent || s.flaw == "drowns in a flood" && flood {
			never = nil
		}
		switch {
		case cut:
			return answer{err: errCut, sent: a.sent, came: d.now()}
		case flood && s.flaw == "hoards":
			hoard = append(hoard, make([]byte, 1<<20))
			changed = after(timeout / 50)
		case flood && s.flaw == "believes lengths":
			return answer{err: fmt.Errorf("%w of %d bytes", errGarbage, len(make([]byte, 64<<20)))}
		case flood && s.flaw != "drowns in a flood":
			return answer{err: errGarbage}
		case silent || flood || s.deaf:
		case late > timeout:
			s.deaf = s.flaw == "never gets over a late answer"
			if s.flaw == "takes late answers" && s.pending != nil {
				a.values, s.pending = s.pending, s.values()
				a.came = d.now()
				return a
			}
			s.pending = s.values()
		default:
			a.values = s.values()
			if s.flaw == "takes late answers" && s.pending != nil {
				a.values, s.pending = s.pending, nil
			}
			if late > 0 {
				sleep(ctx, late)
			}
			a.came = d.now()
			return a
		}
		select {
		case <-changed:
		case <-never:
			if hoard != nil {
				return answer{err: errGarbage}
			}
			return answer{err: errTimeout, sent: a.sent, came: d.now()}
		case <-ctx.Done():
			return answer{err: ctx.Err()}
		}
	}
}

func (s *stream) values() map[acquire.PointID]acquire.Value {
	now := time.Now()
	s.device.mu.Lock()
	defer s.device.mu.Unlock()
	values := make(map[acquire.PointID]acquire.Value)
	for _, p := range s.points {
		if values[p] = truth(p, now); s.device.refused[p] {
			values[p] = acquire.Value{}
		}
	}
	return values
}

// fill turns an answer into a batch.
func (s *stream) fill(b *acquire.Batch, a answer) {
	s.received++
	at := acquire.At(a.sent.Add(a.came.Sub(a.sent) / 2))
	if s.flaw == "stamps the arrival" {
		at = acquire.At(a.came)
	}
	b.Received = acquire.At(a.came)
	if s.pushed {
		b.Received = acquire.At(time.Now())
	}
	s.mark = max(s.mark, acquire.At(a.came))
	b.Watermark, b.Points = s.mark, s.points
	if s.flaw == "takes its watermark back" && s.received%2 == 0 {
		b.Watermark = b.Watermark.Add(-period * 3 / 2)
	}
	for _, p := range s.points {
		sample := acquire.Sample{Time: at, Point: p, Value: a.values[p], Quality: acquire.Good}
		switch {
		case a.err != nil && s.flaw == "gives no reason":
			sample.Quality = acquire.Bad
		case a.err != nil:
			sample.Quality = acquire.Bad.Because(acquire.Communication)
		case a.values[p].IsNone() && s.flaw == "repeats the last value":
			sample.Value = s.last[p]
		case a.values[p].IsNone() && s.flaw == "takes no value for NaN":
			sample.Value = acquire.Float64(math.NaN())
		case a.values[p].IsNone() && s.flaw == "keeps the code to itself":
			sample.Quality = acquire.Bad.Because(acquire.Configuration)
		case a.values[p].IsNone():
			sample.Quality = refusal
		}
		if s.pushed {
			sample.Quality = sample.Quality.With(acquire.SourceTime)
			if s.flaw == "stamps its own time as the device's" {
				sample.Time = acquire.At(time.Now())
			}
		}
		if sample.Time < s.latest[p] && s.flaw != "runs backwards unflagged" {
			sample.Quality = sample.Quality.With(acquire.TimeBackwards)
		}
		s.latest[p] = max(s.latest[p], sample.Time)
		b.Append(sample)
	}
	if a.err == nil && !a.values[s.points[0]].IsNone() {
		s.last = a.values
	}
}

func (s *stream) Close() error {
	if s.closed && s.flaw == "closes once" {
		return errors.New("closed already")
	}
	if s.err == nil {
		s.fail(acquire.ErrClosed)
	}
	s.closed = true
	if s.flaw != "leaves its link open" {
		s.device.hangUp(s.link)
	}
	return nil
}

var refusal = acquire.Bad.Because(acquire.Configuration).WithNative(2)

// after returns a channel that is closed after d.
func after(d time.Duration) chan struct{} {
	c := make(chan struct{})
	time.AfterFunc(d, func() { close(c) })
	return c
}

func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

// factory makes the subjects of one flaw.
func factory(f flaw, pushed bool) acquiretest.NewSubject {
	var made atomic.Int64 // the hidden state of one flaw
	turns := make(map[*testing.T]chan struct{})
	return func(t *testing.T) *acquiretest.Subject {
		if turns[t] == nil { // a bubble must not use the channels of another
			turns[t] = make(chan struct{}, 1)
		}
		d := newDevice()
		src := &driver{
			device: d, catalog: acquire.NewCatalog(), flaw: f, turn: turns[t],
			release: make(chan struct{}), pushed: pushed,
		}
		if f == "remembers other runs" {
			src.phase = time.Duration(made.Add(1)) * time.Microsecond
		}
		t.Cleanup(func() { close(src.release) })
		for i := range 3 {
			id, err := src.catalog.Define(acquire.Point{Name: fmt.Sprint("p", i), Kind: acquire.KindFloat64})
			if err != nil {
				t.Fatal(err)
			}
			src.points = append(src.points, id)
		}
		s := &acquiretest.Subject{
			Source: src, Catalog: src.catalog, Period: period, Timeout: timeout,
			Truth: func(p acquire.PointID, at acquire.Instant) acquire.Value { return truth(p, at.Time()) },
			Writes: func() uint64 {
				d.mu.Lock()
				defer d.mu.Unlock()
				return d.writes
			},
			Connections: func() int {
				d.mu.Lock()
				defer d.mu.Unlock()
				return len(d.links)
			},
			Refuse: func(p acquire.PointID) acquire.Quality {
				d.set(func() { d.refused[p] = true })
				return refusal
			},
			Silence:    func() { d.set(func() { d.silent = true }) },
			Late:       func(late time.Duration) { d.set(func() { d.late = late }) },
			Disconnect: func() { d.set(func() { d.down = true; clear(d.links) }) },
			Flood:      func() { d.set(func() { d.flood = true }) },
			Restore: func() {
				d.set(func() { d.silent, d.down, d.flood, d.late = false, false, false, 0; clear(d.refused) })
			},
			Clock: func(move time.Duration) { d.set(func() { d.offset += move }) },
		}
		if f == "has no Stats" {
			s.Source = mute{src}
		}
		return s
	}
}
