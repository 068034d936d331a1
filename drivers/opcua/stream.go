package opcua

import (
	"context"
	"errors"
	"time"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/internal/uabin"
)

// stream gives what the pump of its standing gets, decoded on the goroutine of whoever
// calls Next.
type stream struct {
	src    *Source
	st     *standing
	queue  *queue
	pump   *pump
	closed bool
	lost   bool  // the link is: what it stood on is kept
	err    error // final
}

func newStream(src *Source, st *standing) *stream {
	q := newQueue(src.items, src.cfg.Buffer)
	s := &stream{src: src, st: st, queue: q, pump: newPump(st, q)}
	go s.pump.run()
	return s
}

// Next waits for the next message of the server, or the next part of a poll.
func (s *stream) Next(ctx context.Context, b *acquire.Batch) error {
	if s.err != nil {
		return s.err
	}
	b.Reset()
	for {
		if err := ctx.Err(); err != nil {
			return s.end("next", err)
		}
		e, lost, ok, err := s.queue.pop(s.st.tracks)
		switch {
		case ok:
			if e.kind == gapEntry {
				s.forget()
				e.release()
			}
			b.Lost = lost
			s.doubt(b)
			s.fill(b, &e)
			e.release()
			s.src.tally.Deliver(b)
			s.src.tally.Enter(acquire.Up, b.Received)
			return nil
		case err != nil:
			s.lost = true
			return s.end("read", err)
		}
		select {
		case <-ctx.Done():
		case <-s.queue.ready:
		}
	}
}

// forget notes that values of all monitored items may be lost, and that the next may be
// old ones.
func (s *stream) forget() {
	for i := range s.src.monitored {
		s.st.tracks[i].lose()
		s.st.tracks[i].fresh, s.st.tracks[i].missing = true, true
	}
}

// doubt says of items whose events were lost that nothing is known of them: of what is
// read or told of its changes the next value says all there is to know, of events it
// does not. It comes before the events that follow, and so is not later than they are.
func (s *stream) doubt(b *acquire.Batch) {
	for i := s.src.values; i < s.src.monitored; i++ {
		t := &s.st.tracks[i]
		if said := t.latest != 0; t.doubt && said {
			at, flags := t.stamp(stamps{}, max(t.latest, s.st.promised), s.st.promised, false)
			s.src.items[i].bad(b, at, badWaiting.With(flags))
		}
		t.doubt = false
	}
}

// fill makes samples of an entry.
func (s *stream) fill(b *acquire.Batch, e *entry) {
	b.Received = e.received
	switch e.kind {
	case dataEntry:
		for l := range e.list.all {
			s.notify(b, l, e.received)
		}
		for l := range e.events.all {
			s.happen(b, l, e.received)
		}
	case readEntry:
		each := e.list.first.Reader()
		for _, i := range e.items {
			v := each.DataValue()
			if i < 0 {
				continue
			}
			at, flags := s.st.tracks[i].stamp(stampsOf(&v), e.midpoint, s.st.promised, true)
			s.src.items[i].deliverOf(b, &v, at, flags, s.st.types)
		}
	case historyEntry:
		if e.past != nil {
			s.recall(b, e)
			break
		}
		s.bring(b, e, e.history.Samples)
	case statusEntry:
		for _, x := range e.statuses {
			at, flags := s.st.tracks[x.item].stamp(stamps{}, e.received, s.st.promised, false)
			s.src.items[x.item].bad(b, at, x.quality.With(flags))
		}
	}
	s.seek(e)
	s.promise(e)
	b.Watermark, b.Points = s.st.promised, s.src.points
}

// bring appends samples that a history made.
func (s *stream) bring(b *acquire.Batch, e *entry, samples []acquire.Sample) {
	latest := s.st.tracks[e.item].latest
	for _, x := range samples {
		if text, ok := e.history.Text(x.Value); ok {
			if x.Value, ok = b.PutText(text); !ok {
				x.Value, x.Quality = acquire.Value{}, badRange.With(x.Quality.Flags())
			}
		}
		if x.Time < latest || x.Time < s.st.promised {
			x.Quality = x.Quality.With(acquire.TimeBackwards)
		}
		b.Append(x)
	}
}

// seek has events that are missing looked for in history: from what the last message before
// the loss stands for, until this one was published.
func (s *stream) seek(e *entry) {
	if !s.src.cfg.Backfill || e.promise == 0 {
		return
	}
	for i := s.src.values; i < s.src.monitored; i++ {
		t := &s.st.tracks[i]
		to := e.promise.Add(s.src.cfg.Lateness)
		if from := s.st.published; t.missing && from != 0 && from < to {
			s.st.missed.add(span{i, from, to}, s.src.monitored)
		}
		t.missing = false
	}
}

// notify makes samples of the notifications of a message.
func (s *stream) notify(b *acquire.Batch, l uabin.List, received acquire.Instant) {
	items, tracks := s.src.items, s.st.tracks
	each := l.Reader()
	for range l.Len {
		n := each.Item()
		i, ok := itemOf(n.Handle, items[:s.src.values])
		if !ok {
			s.src.tally.Update(func(st *acquire.Stats) { st.Late++ })
			continue
		}
		t := &tracks[i]
		times := stampsOf(&n.Value)
		if s.src.cfg.Backfill && (t.fresh || n.Value.Status.Overflow()) && t.sourced != 0 && times.source > t.sourced {
			s.st.missed.add(span{i, t.sourced, times.source}, s.src.monitored)
		}
		at, flags := t.stamp(times, received, s.st.promised, t.fresh)
		items[i].deliverOf(b, &n.Value, at, flags, s.st.types)
	}
}

// happen makes samples of the events of a message.
func (s *stream) happen(b *acquire.Batch, l uabin.List, received acquire.Instant) {
	each := l.Reader()
	for range l.Len {
		told := each.Event()
		i, ok := itemOf(told.Handle, s.src.items[:s.src.monitored])
		if !ok || i < s.src.values {
			s.src.tally.Update(func(st *acquire.Stats) { st.Late++ })
			continue
		}
		it, t := &s.src.items[i], &s.st.tracks[i]
		e, ok := readEvent(told.Fields)
		switch {
		case !ok:
			s.src.tally.Update(func(st *acquire.Stats) { st.Malformed++ })
			at, flags := t.stamp(stamps{}, received, s.st.promised, false)
			it.bad(b, at, badProtocol.With(flags))
		case e.overflow:
			b.Lost += leastOfEvent
			t.lose()
			t.missing = true
			s.doubt(b)
		case s.src.cfg.Backfill && !s.st.told[i-s.src.values].live(e.key(s.src.seed), e.at): // history was quicker
		default:
			at, flags := t.stamp(stamps{source: e.at}, received, s.st.promised, false)
			it.happen(b, &e, &s.st.typeIDs, at, flags)
		}
	}
}

// promise moves the watermark on: behind what the server has published, and behind the
// latest sample of each item that is polled, as the next will not be older.
func (s *stream) promise(e *entry) {
	monitored, polled := s.src.monitored > 0, len(s.src.items) > s.src.monitored
	if monitored && e.promise != 0 {
		s.st.published = max(s.st.published, e.promise)
	}
	if polled && e.last {
		least := s.st.tracks[s.src.monitored].latest
		for _, t := range s.st.tracks[s.src.monitored:] {
			least = min(least, t.latest)
		}
		s.st.polled = max(s.st.polled, least)
	}
	at := s.st.published
	switch {
	case polled && monitored:
		at = min(at, s.st.polled)
	case polled:
		at = s.st.polled
	}
	s.st.promised = max(s.st.promised, at)
}

// end makes err the final error. It counts as a failure of the link unless the caller
// wanted the end.
func (s *stream) end(op string, err error) error {
	s.err = &acquire.OpError{Op: op, Source: s.src.cfg.Name, Err: err}
	now := acquire.At(s.src.cfg.Client.Now())
	wanted := errors.Is(err, acquire.ErrClosed) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
	if !wanted {
		s.src.tally.Update(func(st *acquire.Stats) {
			st.Failures++
			st.LastError, st.LastErrorAt = s.err, now
		})
	}
	s.src.tally.Enter(acquire.Ended, now)
	return s.err
}

// Close ends the session and its subscription on the server, unless the link was lost:
// then they are kept for the next stream.
func (s *stream) Close() error {
	if s.closed {
		return nil
	}
	s.closed = true
	if s.err == nil {
		s.end("next", acquire.ErrClosed)
	}
	close(s.pump.stop)
	channel := s.st.session.channel
	timer := time.NewTimer(2 * leaveTime)
	defer timer.Stop()
	select {
	case <-s.pump.done:
	case <-timer.C: // it stands in a write that nobody reads
		channel.fail(acquire.ErrClosed)
		<-s.pump.done
	}
	channel.close()
	<-s.pump.fetched
	if s.lost {
		s.st.lost = time.Now()
		s.src.keep(s.st)
	}
	return nil
}
