package modbus

import (
	"context"
	"encoding/binary"
	"errors"
	"os"
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
	started     time.Time // the same by the system's
}

// window sends requests on a link without waiting for the answers to those before,
// up to size at once, and hands each answer over as it comes. Transaction ids tell
// which is which, in whatever order they come.
type window struct {
	flights [MaxWindow]flight
	under   int // flights[:under] are under way
	out     [MaxWindow * 12]byte
	heard   time.Time // when the latest answer came; zero = none in this turn

	rest     []*query // to be asked for one by one
	answered bool     // anything was, in this poll
	late     uint64   // counter of late answers when it began
}

// pollWindow asks for all of due, as many at once as the window allows. What it
// leaves undone is for requests one by one: blocks that were refused, and those
// whose answers did not come. It reports whether any did, and whether some did not in
// time.
func (s *stream) pollWindow(ctx context.Context, b *acquire.Batch, due []*query, size int) (rest []*query, answered, timedOut bool) {
	w := &s.window
	w.rest, w.answered, w.late = w.rest[:0], false, s.caller.counts.late
	for len(due) > 0 {
		var more bool
		if due, more, timedOut = s.turnWindow(ctx, b, due, size); !more {
			break
		}
	}
	return append(w.rest, due...), w.answered, timedOut
}

// turnWindow is pollWindow for one turn on the link, which ends after one window if
// others wait. It returns what it has not asked for, and whether to go on with that.
func (s *stream) turnWindow(ctx context.Context, b *acquire.Batch, due []*query, size int) (unasked []*query, more, timedOut bool) {
	l, c, w := s.link, &s.caller, &s.window
	if err := l.take(ctx); err != nil {
		return due, false, false
	}
	defer l.give()
	defer c.disarm()
	if l.failure() != nil { // another stream's doing
		return due, false, false
	}
	w.under, w.heard = 0, time.Time{}
	foreign := 0
	for turn := size; ; {
		frame, early, err := l.next()
		switch {
		case err != nil:
			c.counts.malformed++
			err = l.garbled(err) // which breaks the link, unless it is a datagram
			if foreign++; foreign >= maxForeign {
				l.fail(err)
			}
			err = nil
		case frame == nil:
			if turn > 0 || l.waiting.Load() == 0 {
				before := w.under
				due, err = w.send(ctx, s, due, size)
				turn -= w.under - before
			}
			if w.under == 0 && err == nil {
				s.src.bore(true)
				return due, len(due) > 0, false
			}
			if err == nil {
				err = w.read(ctx, s, len(due) == 0)
			}
		default:
			if l.trace.Received != nil {
				l.trace.Received(frame)
			}
			f, ok := w.land(frame)
			if !ok || early {
				c.counts.late++
				if foreign++; foreign >= maxForeign {
					l.fail(l.framing.mismatch(w.flights[0].query.request, frame))
				}
				break
			}
			foreign, w.answered = 0, true
			if !w.open(ctx, s, b, f, frame) {
				w.rest = append(w.rest, f.query)
			}
		}
		if err == nil && l.failure() == nil {
			continue
		}
		// Nothing more comes of this window.
		for _, f := range w.flights[:w.under] {
			w.rest = append(w.rest, f.query)
		}
		switch {
		case ctx.Err() != nil:
		case l.failure() != nil:
			s.src.bore(false) // it may not bear more than one
		case errors.Is(err, os.ErrDeadlineExceeded) && l.start == l.end:
			timedOut = true
			c.counts.timeouts += uint64(w.under)
			switch {
			case w.answered: // it may have dropped what it could not queue
				s.src.bore(l.packets) // or the network did
			case c.counts.late > w.late:
				s.silent, s.proven = 0, true // too slow, but alive
			default:
				s.unanswered(ErrTimeout)
			}
		default:
			c.counts.timeouts += uint64(w.under) - 1
			_ = l.silence(ctx, c, err) // which breaks the link
			s.src.bore(false)
		}
		return due, false, timedOut
	}
}

// read waits for more of the answers. A device that holds back small segments until
// those before are acknowledged (Nagle's algorithm) would keep the last ones for as
// long as the system delays its acknowledgement, since no request goes along.
func (w *window) read(ctx context.Context, s *stream, last bool) error {
	deadline := w.deadline(s.src.cfg.Timeout)
	if err := s.link.armed(ctx, &s.caller, deadline, deadline); err != nil {
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
	w.heard = time.Now()
	at := midpoint(f.sent, received)
	binary.BigEndian.PutUint16(q.request, f.transaction)
	data, err := s.open(q, frame)
	if err == nil {
		q.refused, s.gave = false, true
		decode(b, q.decoders, data, at, q.stamp(at, acquire.Good))
		return true
	}
	s.countAnswer(err)
	if refusal(err) && q.divisible() {
		return false
	}
	s.note(ctx, q, err)
	if s.worthAgain(err) {
		s.busy = append(s.busy, q)
	} else {
		q.bad(b, at, acquire.QualityOf(err))
	}
	return true
}

// send puts as many requests under way as there is room for, in one write, and
// returns the others.
func (w *window) send(ctx context.Context, s *stream, due []*query, size int) ([]*query, error) {
	l, c := s.link, &s.caller
	n := min(size-w.under, len(due))
	if n <= 0 {
		return due, nil
	}
	deadline := time.Now().Add(s.src.cfg.Timeout)
	if err := l.armed(ctx, c, deadline, deadline); err != nil {
		return due, err
	}
	now, sent, out := time.Now(), l.now(), w.out[:0]
	for _, q := range due[:n] {
		id := uint16(l.bus.transactions.Add(1))
		binary.BigEndian.PutUint16(q.request, id)
		out = append(out, q.request...)
		q.asked = s.schedule.Tick() + 1
		w.flights[w.under] = flight{q, id, sent, now}
		w.under++
		if l.trace.Sent != nil {
			l.trace.Sent(q.request)
		}
	}
	if w.under == n { // whatever is in the buffer came before all of these
		l.stale = l.end - l.start
	}
	c.counts.requests += uint64(n)
	if !l.packets {
		return due[n:], l.write(ctx, c, out, false)
	}
	for _, q := range due[:n] { // each in a datagram of its own
		if err := l.write(ctx, c, q.request, false); err != nil {
			return due[n:], err
		}
	}
	return due[n:], nil
}

// deadline returns when the next answer should have come: a device that takes all
// requests but works on one at a time has its time for each.
func (w *window) deadline(timeout time.Duration) time.Time {
	oldest := w.flights[0].started
	for _, f := range w.flights[1:w.under] {
		if f.started.Before(oldest) {
			oldest = f.started
		}
	}
	if w.heard.After(oldest) {
		oldest = w.heard
	}
	return oldest.Add(timeout)
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
