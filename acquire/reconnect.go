package acquire

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"
)

// Backoff says how Reconnect spaces its attempts. After a loss the wait before
// each attempt is a fifth of how long the outage has lasted, within Min and
// Max: short outages end soon after the device returns, long ones cost little.
// The first good sample ends the outage, or a connection without one that holds
// for Max.
//
// The zero value is the default: 1 s to 30 s, up to 20 % of each wait cut off
// at random so that devices lost together do not return together.
type Backoff struct {
	Min    time.Duration    // shortest wait; 0: 1 s, negative: none
	Max    time.Duration    // longest wait; 0: 30 s, below Min: Min
	Jitter float64          // largest share of a wait cut off at random, up to 1; 0: 0.2, negative: none
	Rand   func() float64   // source of jitter in [0, 1), safe for concurrent use; nil: math/rand/v2
	Now    func() time.Time // clock for stamps, not for waits; nil: time.Now
}

const (
	defaultMinWait = time.Second
	defaultMaxWait = 30 * time.Second
	defaultJitter  = 0.2

	// outageShare makes the n-th wait a fixed share of the outage so far. It
	// gives a 10 s outage waits of 2 s and about 140 attempts in an hour.
	outageShare = 5

	// heartbeat is the longest silence of a stream whose device is away, and how long
	// one that has nothing to tell must hold to be taken for there.
	heartbeat = time.Second
)

func (b Backoff) withDefaults() Backoff {
	switch {
	case b.Min == 0:
		b.Min = defaultMinWait
	case b.Min < 0:
		b.Min = 0
	}
	if b.Max == 0 {
		b.Max = defaultMaxWait
	}
	b.Max = max(b.Max, b.Min)
	switch {
	case b.Jitter == 0:
		b.Jitter = defaultJitter
	case b.Jitter < 0:
		b.Jitter = 0
	}
	b.Jitter = min(b.Jitter, 1)
	if b.Rand == nil {
		b.Rand = rand.Float64
	}
	if b.Now == nil {
		b.Now = time.Now
	}
	return b
}

// wait returns how long to wait for the next attempt, outage after the loss.
func (b Backoff) wait(outage time.Duration) time.Duration {
	w := min(max(outage/outageShare, b.Min), b.Max)
	return w - time.Duration(b.Jitter*b.Rand()*float64(w))
}

// Reconnect returns a Source that delivers what src delivers and connects anew
// when the connection is lost. It is the one place in this module that does so:
// drivers fail, Reconnect returns.
//
// src is not nil. Open does not wait for the device. When the connection is lost, or cannot be
// made at first, the stream says so with one Bad sample per point, whose reason
// QualityOf takes from the error; until the device is back, an empty batch each
// second moves the watermark on. The stream ends only with its context, by
// Close, or by an error that is Permanent, io.EOF included.
//
// The device is back with its first good sample. One that has nothing to tell, as a
// source of events may have for days, is back with the first empty batch later than
// a second after connecting, if a src that is a Reporter says Up; then one Bad sample
// per point, because of Waiting, takes back that the link is lost, unless src itself
// has said how its points are.
//
// A sample that the device stamps earlier than what the stream has promised
// meanwhile is flagged TimeBackwards.
//
// The Source implements Reporter, with the counters of src and the state of the
// link as Reconnect sees it.
func Reconnect(src Source, b Backoff) Source {
	return &reconnector{src: src, backoff: b.withDefaults()}
}

type reconnector struct {
	src     Source
	backoff Backoff
	tally   Tally
}

func (r *reconnector) Name() string      { return r.src.Name() }
func (r *reconnector) Points() []PointID { return r.src.Points() }
func (r *reconnector) Unwrap() Source    { return r.src }

func (r *reconnector) Open(ctx context.Context) (Stream, error) {
	if err := ctx.Err(); err != nil {
		return nil, &OpError{Op: "open", Source: r.Name(), Err: err}
	}
	return &reconnectStream{reconnector: r}, nil
}

// Stats returns the counters of the wrapped source, if it keeps any, with the
// state of the link, the attempts and the samples delivered as seen from here.
func (r *reconnector) Stats() Stats {
	seen := r.tally.Stats()
	inner, ok := As[Reporter](r.src)
	if !ok {
		return seen
	}
	s := inner.Stats()
	s.Link, s.Since, s.NextAttempt = seen.Link, seen.Since, seen.NextAttempt
	s.LastError, s.LastErrorAt = seen.LastError, seen.LastErrorAt
	s.Connects, s.Failures = seen.Connects, seen.Failures
	s.Batches, s.Samples, s.BadSamples = seen.Batches, seen.Samples, seen.BadSamples
	s.Lost, s.TimeFaults = seen.Lost, seen.TimeFaults
	return s
}

type reconnectStream struct {
	*reconnector
	inner   Stream   // nil while down
	attempt *attempt // nil unless connecting
	err     error    // final error

	lost time.Time // start of the outage; zero while data arrive
	next time.Time // when the next attempt is due
	said bool      // the outage has been said to every point

	connected time.Time // when inner was
	heard     bool      // there were samples since
	alive     bool      // it had nothing to tell since, and held

	promised Instant // latest watermark or loss stamp given out
	latest   Instant // latest sample time or watermark given out
}

func (s *reconnectStream) Next(ctx context.Context, b *Batch) error {
	for s.err == nil {
		if s.inner != nil {
			err := s.inner.Next(ctx, b)
			if err == nil {
				s.pass(b)
				return nil
			}
			s.inner.Close()
			s.inner = nil
			if s.fatal(ctx, err) {
				break
			}
			s.fail(err)
			if !s.sayLoss(b, err) {
				s.beat(b)
			}
			return nil
		}
		if wait := time.Until(s.next); wait > 0 {
			if err := sleep(ctx, min(wait, heartbeat)); err != nil {
				s.end(&OpError{Op: "wait", Source: s.Name(), Err: err})
				break
			}
			if wait > heartbeat {
				s.beat(b)
				return nil
			}
		}
		switch err := s.connect(ctx); {
		case err == nil:
		case errors.Is(err, errConnecting):
			s.beat(b)
			return nil
		case s.fatal(ctx, err):
		default:
			s.fail(err)
			if !s.sayLoss(b, err) {
				s.beat(b)
			}
			return nil
		}
	}
	return s.err
}

// errConnecting says that a heartbeat is due before the attempt has ended.
var errConnecting = errors.New("acquire: connecting")

// attempt is one call of Source.Open, on a goroutine of its own so that
// heartbeats go on however long connecting takes.
type attempt struct {
	cancel context.CancelFunc
	done   chan struct{} // closed when inner and err are set
	inner  Stream
	err    error
}

// connect starts an attempt if none is under way, and waits for its end.
func (s *reconnectStream) connect(ctx context.Context) error {
	a := s.attempt
	if a == nil {
		if s.lost.IsZero() { // else Down since the loss, whatever is tried
			s.tally.Enter(Connecting, s.now())
		}
		a = &attempt{done: make(chan struct{})}
		var open context.Context
		open, a.cancel = context.WithCancel(context.WithoutCancel(ctx))
		go func() {
			defer close(a.done)
			a.inner, a.err = s.src.Open(open)
		}()
		s.attempt = a
	}
	due := time.NewTimer(heartbeat)
	defer due.Stop()
	select {
	case <-a.done:
	case <-due.C:
		return errConnecting
	case <-ctx.Done():
		a.cancel()
		return &OpError{Op: "open", Source: s.Name(), Err: ctx.Err()}
	}
	a.cancel()
	s.attempt = nil
	if a.err != nil {
		return a.err
	}
	s.inner = a.inner
	s.connected, s.heard, s.alive = time.Now(), false, false
	s.tally.Update(func(st *Stats) { st.Connects++ })
	return nil
}

func (s *reconnectStream) now() Instant { return At(s.backoff.Now()) }

// pass lets a batch of the device through, after holding it to what the stream
// has promised while the device was away.
func (s *reconnectStream) pass(b *Batch) {
	good, latest := false, max(s.latest, s.promised)
	for i := range b.Samples {
		sample := &b.Samples[i]
		good = good || !sample.Quality.IsBad()
		if sample.Time != 0 && sample.Time < s.promised {
			sample.Quality = sample.Quality.With(TimeBackwards)
		}
		s.latest = max(s.latest, sample.Time)
	}
	if b.Watermark != 0 {
		b.Watermark = max(b.Watermark, s.promised)
		s.latest = max(s.latest, b.Watermark)
	}
	switch {
	case good:
		s.lost, s.said = time.Time{}, false
	case len(b.Samples) == 0 && !s.alive && s.holds():
		s.alive = true
		if s.said && !s.heard {
			s.sayWaiting(b, latest)
		}
		s.said = false
	}
	s.heard = s.heard || len(b.Samples) > 0
	if good || s.alive || s.lost.IsZero() {
		s.tally.Enter(Up, b.Received)
	}
	s.tally.Deliver(b)
}

// holds reports whether the connection stands though nothing has come of it.
func (s *reconnectStream) holds() bool {
	if time.Since(s.connected) < heartbeat {
		return false
	}
	inner, ok := As[Reporter](s.src)
	return !ok || inner.Stats().Link == Up
}

// sayWaiting fills an empty batch with one bad sample per point, no earlier than at:
// what they were said to be when the link was lost is not true any more.
func (s *reconnectStream) sayWaiting(b *Batch, at Instant) {
	for _, p := range s.Points() {
		b.Append(Sample{Time: at, Point: p, Quality: Bad.Because(Waiting)})
	}
}

// fatal ends the stream if err is one that connecting again cannot mend.
func (s *reconnectStream) fatal(ctx context.Context, err error) bool {
	if ctx.Err() == nil && !Permanent(err) {
		return false
	}
	s.end(err)
	return true
}

func (s *reconnectStream) end(err error) {
	s.err = err
	s.tally.Enter(Ended, s.now())
}

// fail notes a lost or refused connection and sets the time of the next attempt.
func (s *reconnectStream) fail(err error) {
	start := time.Now() // waits are measured on the monotonic clock, whatever the host's does
	if s.lost.IsZero() || s.alive && start.Sub(s.connected) >= s.backoff.Max {
		s.lost = start
	}
	wait := s.backoff.wait(start.Sub(s.lost))
	s.next = start.Add(wait)
	now := s.now()
	s.tally.Update(func(st *Stats) {
		st.Failures++
		st.LastError, st.LastErrorAt = err, now
		st.enter(Down, now)
		st.NextAttempt = now.Add(wait)
	})
}

// sayLoss fills b with one bad sample per point, once an outage.
func (s *reconnectStream) sayLoss(b *Batch, err error) bool {
	if s.said {
		return false
	}
	s.said = true
	s.beat(b)
	q := QualityOf(err)
	for _, p := range b.Points {
		b.Append(Sample{Time: b.Watermark, Point: p, Quality: q})
	}
	s.tally.Update(func(st *Stats) {
		st.Samples += uint64(len(b.Samples))
		st.BadSamples += uint64(len(b.Samples))
	})
	return true
}

// beat makes b an empty batch that moves the watermark on.
func (s *reconnectStream) beat(b *Batch) {
	now := s.now()
	s.promised = max(s.promised, now, s.latest)
	b.Reset()
	b.Received, b.Watermark, b.Points = now, s.promised, s.Points()
	s.tally.Update(func(st *Stats) { st.Batches++ })
}

func (s *reconnectStream) Close() error {
	var err error
	if a := s.attempt; a != nil {
		a.cancel()
		<-a.done
		if s.attempt = nil; a.err == nil {
			s.inner = a.inner
		}
	}
	if s.inner != nil {
		err = s.inner.Close()
		s.inner = nil
	}
	if s.err == nil {
		s.end(&OpError{Op: "next", Source: s.Name(), Err: ErrClosed})
	}
	return err
}

// sleep waits for d or the end of ctx, whose error it returns.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
