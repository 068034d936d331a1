package modbus

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"github.com/fieldtap/fieldtap/acquire"
)

// stream polls the blocks of a source over one link, on the goroutine of whoever
// calls Next.
type stream struct {
	src    *Source
	caller caller
	link   *link    // nil while released, and after Close
	blocks []*query // of the plan
	asking []*query // of the present poll
	window window
	gone   error // why the device is given up, though the link may be sound
	proven bool  // the device has shown a sign of life
	err    error // final error

	timedOut bool      // some request of the present poll was left unanswered
	busy     []*query  // blocks of the present poll that the device was too busy for
	gave     bool      // the device gave some block of it
	refused  bool      // and refused another
	barren   time.Time // when a poll that divided blocks gave nothing all the same

	version   int // of the source's plan
	schedule  acquire.Schedule
	silent    int // requests in a row without a sign of life
	watermark acquire.Instant
}

// query is a block as one stream asks for it.
type query struct {
	*block
	request []byte
	latest  acquire.Instant // stamp of its latest samples
	refused bool            // in the last poll that asked for it
	owed    bool            // left out of a poll, and due in the next
	asked   int             // tick of the poll that asked for it last, from 1

	denied   int       // how often in a row our role did not suffice
	deniedAt time.Time // when that was last
}

// replan takes over the present plan of the source, if it is another.
func (s *stream) replan() {
	present := s.src.present()
	if s.blocks != nil && present.version == s.version {
		return
	}
	var latest acquire.Instant
	for _, q := range s.blocks {
		latest = max(latest, q.latest)
	}
	s.version, s.blocks = present.version, make([]*query, len(present.blocks))
	for i, b := range present.blocks {
		s.blocks[i] = newQuery(b, latest)
	}
}

func newQuery(b *block, latest acquire.Instant) *query {
	return &query{block: b, request: slices.Clone(b.frame), latest: latest}
}

func newStream(src *Source, l *link) *stream {
	s := &stream{
		src: src, link: l,
		caller:   caller{unit: src.cfg.Unit, framer: src.framer, retries: src.cfg.Retries},
		schedule: acquire.Schedule{Interval: src.cfg.Interval},
	}
	if src.bus.shared && src.cfg.Interval > 0 { // the second poll may be early, and finds its place
		s.schedule.Begin(time.Now().Add(src.bus.untilSlot(src.slot, src.cfg.Interval) - src.cfg.Interval))
	}
	return s
}

// broken returns why the stream cannot go on, nil if it can.
func (s *stream) broken() error {
	if s.gone != nil {
		return s.gone
	}
	return s.link.failure()
}

// Next waits for the next tick and asks for all blocks. If the link breaks in
// the middle, what was answered before is delivered, the rest as bad samples,
// and the following Next fails.
func (s *stream) Next(ctx context.Context, b *acquire.Batch) error {
	if s.err != nil {
		return s.err
	}
	b.Reset()
	skipped, err := s.schedule.Wait(ctx)
	if err != nil {
		return s.end("wait", err)
	}
	if s.link == nil {
		if s.link, err = s.src.bus.join(ctx); err != nil {
			return s.end("open", err)
		}
		s.src.tally.Update(func(st *acquire.Stats) { st.Connects++ })
	}
	s.caller.watch(ctx)
	s.replan()
	b.Lost = s.lost()
	answered := s.poll(ctx, b)
	if ctx.Err() != nil {
		b.Reset()
		return s.end("read", ctx.Err())
	}
	if err := s.broken(); err != nil {
		s.end("read", err)
		if !answered {
			b.Reset()
			return s.err
		}
	}
	if s.src.cfg.Release {
		s.leave()
	}
	b.Received = acquire.At(s.src.cfg.Now())
	s.watermark = max(s.watermark, b.Received)
	b.Watermark, b.Points = s.watermark, s.src.points
	s.count(skipped)
	s.src.tally.Deliver(b)
	if answered && s.err == nil {
		s.src.tally.Enter(acquire.Up, b.Received)
	}
	return nil
}

// leave gives up the link. What is on its way cannot matter: the next one is new.
func (s *stream) leave() error {
	if s.link == nil {
		return nil
	}
	l := s.link
	s.link = nil
	return s.src.bus.leave(l)
}

// lost returns how many samples the polls skipped would have brought.
func (s *stream) lost() (n uint64) {
	for _, q := range s.blocks {
		n += s.schedule.Missed(q.every) * uint64(len(q.members))
	}
	return n
}

// poll asks for every block whose turn it is and reports whether the device
// answered any.
//
// A device that lets a request time out may be gone. So as not to wait once for
// each block, the rest of the poll is given up: at once if nothing was answered
// in this poll, else when the next one is due. What is given up is said to be
// bad, and is asked for first next time.
func (s *stream) poll(ctx context.Context, b *acquire.Batch) (answered bool) {
	var lessons Limits
	due := s.permitted(s.turn(), b)
	s.timedOut, s.busy, s.gave, s.refused = false, s.busy[:0], false, false
	if size := s.src.present().window; size > 1 && len(due) > 1 && s.link.framing.identified() && s.link.gap == 0 {
		due, answered, s.timedOut = s.pollWindow(ctx, b, due, size)
	}
	for i, q := range due {
		if err := s.broken(); err != nil {
			q.bad(b, acquire.At(s.src.cfg.Now()), acquire.QualityOf(err))
			continue
		}
		if s.timedOut && (!answered || s.schedule.Overdue()) {
			for _, unasked := range due[i:] {
				unasked.owed = true
				unasked.bad(b, acquire.At(s.src.cfg.Now()), acquire.Bad.Because(acquire.Communication))
			}
			break
		}
		at, err := s.ask(ctx, q, b)
		switch {
		case err == nil:
			q.refused = false
			answered = true
		case refusal(err) && q.divisible() && time.Since(s.barren) >= barrenPause:
			s.refused = true
			again := q.refused
			q.refused = true
			found := s.divide(ctx, q, b)
			if again {
				lessons.Holes = append(lessons.Holes, found.Holes...)
				lessons.MaxRegisters = max(lessons.MaxRegisters, found.MaxRegisters)
				lessons.MaxBits = max(lessons.MaxBits, found.MaxBits)
			}
			answered = true
		case s.worthAgain(err):
			s.busy = append(s.busy, q)
			answered = true
		default:
			q.bad(b, at, acquire.QualityOf(err))
			answered = answered || s.broken() == nil && !errors.Is(err, ErrTimeout)
		}
	}
	s.insist(ctx, b)
	switch {
	case s.gave:
		s.barren = time.Time{}
	case s.refused: // a device that refuses everything has other troubles
		s.barren, lessons = time.Now(), Limits{}
	}
	if lessons.Holes != nil || lessons.MaxRegisters != 0 || lessons.MaxBits != 0 {
		s.src.learn(lessons)
	}
	return answered
}

// insist asks again, after some time, for the blocks that the device was too busy
// for, as long as the next poll is not due.
func (s *stream) insist(ctx context.Context, b *acquire.Batch) {
	for try := 1; len(s.busy) > 0; try++ {
		wait := s.src.cfg.Timeout / time.Duration(s.src.cfg.Retries+1)
		last := try == s.src.cfg.Retries || s.schedule.Left() < 2*wait
		if acquire.Pause(ctx, min(wait, s.schedule.Left())) != nil {
			return
		}
		again := s.busy[:0]
		for _, q := range s.busy {
			switch at, err := s.ask(ctx, q, b); {
			case err == nil:
			case !last && s.worthAgain(err):
				again = append(again, q)
			default:
				q.bad(b, at, acquire.QualityOf(err))
			}
		}
		s.busy = again
	}
}

// worthAgain reports whether err says that the device will do later what it was
// asked for, and there is time for it.
func (s *stream) worthAgain(err error) bool {
	busy := errors.Is(err, Acknowledge) || errors.Is(err, ServerDeviceBusy)
	return busy && s.src.cfg.Retries > 0 && !s.schedule.Overdue()
}

// turn returns the blocks to ask for in this poll. If the last one left some out,
// those that have not been asked for longest come first.
func (s *stream) turn() []*query {
	s.asking = s.asking[:0]
	owed := false
	for _, q := range s.blocks {
		if q.owed || s.schedule.Turn(q.every) {
			s.asking = append(s.asking, q)
			owed = owed || q.owed
		}
		q.owed = false
	}
	if owed {
		slices.SortStableFunc(s.asking, func(a, b *query) int { return cmp.Compare(a.asked, b.asked) })
	}
	return s.asking
}

// refusal reports whether err says that a request as a whole is not to the
// device's taste, while parts of it may be.
func refusal(err error) bool {
	return errors.Is(err, IllegalDataAddress) || errors.Is(err, IllegalDataValue)
}

func (q *query) divisible() bool {
	_, _, _, ok := q.halve()
	return ok
}

// divide asks for the parts of a block that was refused, halves of halves down to
// single values if need be, and returns what that teaches: the values that are
// refused alone, the gap between two parts that are given each by itself, or, where
// there is no gap between, the length that is given.
func (s *stream) divide(ctx context.Context, q *query, b *acquire.Batch) (found Limits) {
	low, high, between, _ := q.halve()
	whole := 0
	longest := 0
	for _, members := range [][]member{low, high} {
		part := newQuery(s.src.part(members), q.latest)
		if err := s.broken(); err != nil {
			part.bad(b, acquire.At(s.src.cfg.Now()), acquire.QualityOf(err))
			continue
		}
		if s.timedOut && s.schedule.Overdue() {
			part.bad(b, acquire.At(s.src.cfg.Now()), acquire.Bad.Because(acquire.Communication))
			continue
		}
		at, err := s.ask(ctx, part, b)
		q.latest = max(q.latest, part.latest)
		switch {
		case err == nil:
			whole++
			longest = max(longest, part.count)
		case refusal(err) && part.divisible() && !s.spent():
			more := s.divide(ctx, part, b)
			found.Holes = append(found.Holes, more.Holes...)
			found.MaxRegisters = max(found.MaxRegisters, more.MaxRegisters)
			found.MaxBits = max(found.MaxBits, more.MaxBits)
		case refusal(err) && !part.divisible():
			part.bad(b, at, acquire.QualityOf(err))
			found.Holes = append(found.Holes, part.span())
		default:
			part.bad(b, at, acquire.QualityOf(err))
		}
	}
	switch {
	case whole < 2:
	case between.Count > 0:
		found.Holes = append(found.Holes, between)
	case q.at.table.bits():
		found.MaxBits = longest
	default:
		found.MaxRegisters = longest
	}
	return found
}

// barrenPause is how long blocks are not divided after that gave nothing at all.
const barrenPause = time.Minute

// spent reports whether the time for dividing blocks is over. That is done twice in
// an hour or so, and may make a poll late if those follow each other quickly.
func (s *stream) spent() bool {
	return s.schedule.Age() >= max(s.src.cfg.Interval, s.src.cfg.Timeout)
}

// ask sends the request of one block and appends the samples of its answer. On
// an error it appends nothing and returns the stamp for what is to be said.
func (s *stream) ask(ctx context.Context, q *query, b *acquire.Batch) (acquire.Instant, error) {
	late := s.caller.counts.late
	q.asked = s.schedule.Tick() + 1
	s.caller.expect = q.bytes()
	answer, at, err := s.link.exchange(ctx, &s.caller, q.request, s.src.cfg.Timeout)
	switch {
	case err == nil:
		s.silent, s.proven = 0, true
		var data []byte
		if data, err = s.open(q, answer); err == nil {
			s.gave = true
			decode(b, q.decoders, data, at, q.stamp(at, acquire.Good))
			return at, nil
		}
		s.countAnswer(err)
		s.link.distrust(&s.caller, q.request, answer, err)
	case s.caller.counts.late > late:
		s.silent, s.proven = 0, true // too slow, but alive: a new link would not be faster
	case errors.Is(err, ErrTimeout) && !errors.Is(err, errOwes):
		s.unanswered(err)
	}
	s.timedOut = s.timedOut || errors.Is(err, ErrTimeout)
	s.note(ctx, q, err)
	return at, err
}

// open takes an answer apart, and notes whether our role sufficed.
func (s *stream) open(q *query, answer []byte) ([]byte, error) {
	data, err := s.src.framer.data(q.block, q.request, answer)
	switch {
	case err == nil:
		q.denied = 0
	case s.link.secure && err == IllegalFunction:
		q.denied, q.deniedAt = q.denied+1, time.Now()
		err = denied{IllegalFunction}
	}
	return data, err
}

// What our role did not suffice for so often in a row is asked for again after a
// pause only: servers keep a record of each refusal, and may lock us out for many.
const (
	maxDenied   = 3
	deniedPause = time.Minute
)

// permitted takes the blocks out of due that are not to be asked for now, and says so.
func (s *stream) permitted(due []*query, b *acquire.Batch) []*query {
	asked := due[:0]
	for _, q := range due {
		if q.denied < maxDenied || time.Since(q.deniedAt) >= deniedPause {
			asked = append(asked, q)
			continue
		}
		q.bad(b, acquire.At(s.src.cfg.Now()), denied{IllegalFunction}.Quality())
	}
	return asked
}

// countAnswer counts an answer without values.
func (s *stream) countAnswer(err error) {
	if exception := Exception(0); errors.As(err, &exception) {
		s.caller.counts.exceptions++
	} else {
		s.caller.counts.malformed++
	}
}

// unanswered counts a silence of the device. Of a bus that others wait for, one
// that was not there when the stream was opened takes one timeout, and no more
// until it is opened again.
func (s *stream) unanswered(err error) {
	s.silent++
	if s.silent >= s.src.cfg.MaxTimeouts || s.src.bus.shared && !s.proven {
		s.gone = err
	}
}

// bad appends one sample without value per point of q.
func (q *query) bad(b *acquire.Batch, at acquire.Instant, quality acquire.Quality) {
	q.block.bad(b, at, q.stamp(at, quality))
}

// stamp flags quality if the clock ran backwards since q was asked before.
func (q *query) stamp(at acquire.Instant, quality acquire.Quality) acquire.Quality {
	if at < q.latest {
		return quality.With(acquire.TimeBackwards)
	}
	q.latest = at
	return quality
}

// note logs a request that gave no values.
func (s *stream) note(ctx context.Context, q *query, err error) {
	s.src.cfg.Logger.LogAttrs(ctx, slog.LevelDebug, "modbus request failed",
		slog.String("source", s.src.cfg.Name), slog.String("at", q.at.String()), slog.Any("error", err))
}

// count moves the counters of the link to the source.
func (s *stream) count(skipped uint64) {
	c := s.caller.counts
	s.caller.counts = counts{}
	s.src.tally.Update(func(st *acquire.Stats) {
		st.Requests += c.requests
		st.Timeouts += c.timeouts
		st.Late += c.late
		st.Malformed += c.malformed
		st.Exceptions += c.exceptions
		st.Skipped += skipped
	})
}

// end makes err the final error. It counts as a failure of the link unless the
// caller wanted the end.
func (s *stream) end(op string, err error) error {
	s.err = s.src.fault(op, err)
	s.count(0)
	s.src.tally.End(s.err, acquire.At(s.src.cfg.Now()))
	return s.err
}

// Close closes the connection, unless others are on it.
func (s *stream) Close() error {
	if s.err == nil {
		s.end("next", acquire.ErrClosed)
	}
	s.caller.release()
	return s.leave()
}
