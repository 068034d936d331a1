package modbus

import (
	"context"
	"encoding/binary"
	"errors"
	"os"
	"slices"
	"time"

	"github.com/fieldtap/fieldtap/acquire"
)

// MaxWindow is the most requests that may be under way at once.
const MaxWindow = 16

// flight is one request under way in a window.
type flight struct {
	query       *query
	transaction uint16
	sent        time.Time // by the clock for stamps
	deadline    time.Time
}

// window sends requests on a link without waiting for the answers to those before,
// up to size at once, and hands each answer over as it comes. Transaction ids tell
// which is which, in whatever order they come.
type window struct {
	flights [MaxWindow]flight
	under   int // flights[:under] are under way
	out     [MaxWindow * 12]byte
	before  time.Time // when the answer before came
}

// pollWindow asks for all of due at once, as far as the window allows. What it
// leaves undone is for requests one by one: blocks that were refused, and those
// whose answers did not come. It reports whether any did, and whether some did not in
// time.
func (s *stream) pollWindow(ctx context.Context, b *acquire.Batch, due []*query, size int) (rest []*query, answered, timedOut bool) {
	l, c := s.link, &s.caller
	if err := l.take(ctx); err != nil {
		return due, false, false
	}
	defer l.give()
	defer c.disarm()
	w := &s.window
	w.under = 0
	for len(due) > 0 || w.under > 0 {
		frame, early, err := l.next()
		switch {
		case err != nil:
			c.counts.malformed++
			l.fail(err)
		case frame == nil:
			due = w.send(ctx, s, due, size)
			if l.failure() == nil {
				err = w.read(ctx, s, len(due) == 0)
			}
		case l.trace.Received != nil:
			l.trace.Received(frame)
			fallthrough
		default:
			f, ok := w.land(frame)
			if !ok || early {
				c.counts.late++
				continue
			}
			answered = true
			if !w.open(ctx, s, b, f, frame) {
				rest = append(rest, f.query)
			}
		}
		switch {
		case l.failure() != nil:
			s.src.narrow() // it may not bear more than one
			return w.rest(rest, due), answered, false
		case err == nil:
		case ctx.Err() == nil && errors.Is(err, os.ErrDeadlineExceeded) && l.start == l.end:
			c.counts.timeouts += uint64(w.under)
			if answered { // it may have dropped what it could not queue
				s.src.narrow()
			} else {
				s.unanswered(ErrTimeout)
			}
			return w.rest(rest, due), answered, true
		default:
			_ = l.silence(ctx, c, err) // which breaks the link, or leaves it to the end of ctx
			if ctx.Err() == nil {
				s.src.narrow()
			}
			return w.rest(rest, due), answered, false
		}
	}
	return w.rest(rest, due), answered, false
}

// read waits for more of the answers. A device that holds back small segments until
// those before are acknowledged (Nagle's algorithm) would keep the last ones for as
// long as the system delays its acknowledgement, since no request goes along.
func (w *window) read(ctx context.Context, s *stream, last bool) error {
	if err := s.caller.arm(ctx, s.link, w.deadline()); err != nil {
		return err
	}
	if last {
		s.link.acknowledge()
	}
	return s.link.read()
}

// open takes an answer apart, and reports false for a block to be divided.
func (w *window) open(ctx context.Context, s *stream, b *acquire.Batch, f flight, frame []byte) bool {
	s.silent, s.proven = 0, true
	q, received := f.query, s.link.now()
	from := f.sent
	if w.before.After(from) {
		from = w.before // a device that serves one at a time began then
	}
	w.before = received
	at := midpoint(from, received)
	binary.BigEndian.PutUint16(q.request, f.transaction)
	data, err := s.src.framer.data(q.block, q.request, frame)
	if err == nil {
		q.refused = false
		decode(b, q.decoders, data, at, q.stamp(at, acquire.Good))
		return true
	}
	s.countAnswer(err)
	if refusal(err) && q.divisible() {
		return false
	}
	q.bad(b, at, acquire.QualityOf(err))
	s.note(ctx, q, err)
	return true
}

// send puts as many requests under way as there is room for, in one write, and
// returns the others.
func (w *window) send(ctx context.Context, s *stream, due []*query, size int) []*query {
	l, c := s.link, &s.caller
	n := min(size-w.under, len(due))
	if n <= 0 {
		return due
	}
	now, sent, out := time.Now(), l.now(), w.out[:0]
	for _, q := range due[:n] {
		id := uint16(l.bus.transactions.Add(1))
		binary.BigEndian.PutUint16(q.request, id)
		out = append(out, q.request...)
		q.asked = s.tick + 1
		w.flights[w.under] = flight{q, id, sent, now.Add(s.src.cfg.Timeout)}
		w.under++
		if l.trace.Sent != nil {
			l.trace.Sent(q.request)
		}
	}
	if w.under == n { // whatever is in the buffer came before all of these
		l.stale = l.end - l.start
	}
	c.counts.requests += uint64(n)
	err := c.arm(ctx, l, w.deadline())
	if err == nil {
		_, err = l.conn.Write(out)
	}
	if err != nil && ctx.Err() == nil {
		l.fail(err)
	}
	return due[n:]
}

// deadline returns when the oldest request under way should have its answer.
func (w *window) deadline() time.Time {
	oldest := w.flights[0].deadline
	for _, f := range w.flights[1:w.under] {
		if f.deadline.Before(oldest) {
			oldest = f.deadline
		}
	}
	return oldest
}

// land takes the request that frame answers out of those under way.
func (w *window) land(frame []byte) (flight, bool) {
	id := binary.BigEndian.Uint16(frame)
	for i, f := range w.flights[:w.under] {
		if f.transaction == id {
			w.under--
			w.flights[i] = w.flights[w.under]
			return f, true
		}
	}
	return flight{}, false
}

// rest adds what is still under way, and what has not been, to what was refused.
func (w *window) rest(refused, due []*query) []*query {
	rest := slices.Clone(refused)
	for _, f := range w.flights[:w.under] {
		rest = append(rest, f.query)
	}
	w.under = 0
	return append(rest, due...)
}
