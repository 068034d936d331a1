package snmp

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/internal/snmpwire"
)

// stream polls an agent over one session, on the goroutine of whoever calls Next.
type stream struct {
	src     *Source
	session *session
	memory  *memory
	version int // of the source's plan
	terms   terms
	queries []*query // of the plan
	asking  []*query // of the present poll
	err     error    // final error
	gone    error    // why the agent is given up, though the session may be sound

	// Of the present poll.
	answered bool // some request was answered
	timedOut bool // some request was left unanswered
	swept    []*walk
	origins  []origin
	lost     uint64 // samples without a point

	// Of the present request.
	pdu      snmpwire.PDU
	bindings []byte
	stamped  time.Time     // its midpoint
	took     time.Duration // until its answer came
	quickest time.Duration // that any took

	schedule  acquire.Schedule
	silent    int // requests in a row without an answer
	watermark acquire.Instant
	reasons   map[OID]acquire.Quality // why scalars are asked for alone
	suspect   int                     // bytes of an answer that did not come, 0: none
	proven    bool                    // one came since
	malformed uint64
	refusals  uint64
	skips     uint64
}

// query is a request of the plan as one stream makes it: for scalars, or for columns.
type query struct {
	*get
	walk  *walk
	every int
	owed  bool            // left out of a poll, and due in the next
	asked int             // tick of the poll that made it last, from 1
	why   acquire.Quality // of the samples when it failed last
}

func newStream(src *Source, session *session, m *memory) *stream {
	return &stream{
		src: src, session: session, memory: m, reasons: make(map[OID]acquire.Quality),
		schedule: acquire.Schedule{Interval: src.cfg.Interval},
	}
}

// Next waits for the next tick and asks for everything that is due. What the agent does
// not give is delivered as bad samples.
func (s *stream) Next(ctx context.Context, b *acquire.Batch) error {
	if s.err != nil {
		return s.err
	}
	b.Reset()
	skipped, err := s.schedule.Wait(ctx)
	if err != nil {
		return s.end("wait", err)
	}
	s.skips += skipped
	s.replan()
	if !s.poll(ctx, b) {
		s.discard(b)
		return s.end("read", ctx.Err())
	}
	if err := s.broken(); err != nil {
		s.end("read", err)
		if !s.answered {
			b.Reset()
			return s.err
		}
	}
	b.Lost = s.missed() + s.lost
	b.Received = s.now()
	s.watermark = max(s.watermark, b.Received)
	b.Watermark, b.Points = s.watermark, s.src.Points()
	s.count()
	s.src.tally.Deliver(b)
	if s.answered && s.err == nil {
		s.src.tally.Enter(acquire.Up, b.Received)
	}
	return nil
}

// now returns the time for stamps.
func (s *stream) now() acquire.Instant { return acquire.At(s.src.cfg.Now()) }

// broken returns why the stream cannot go on, nil if it can.
func (s *stream) broken() error {
	if s.gone != nil {
		return s.gone
	}
	return s.session.failure()
}

// missed returns how many samples the polls skipped would have brought.
func (s *stream) missed() (n uint64) {
	for _, q := range s.queries {
		samples := 0
		if q.get != nil {
			samples = len(q.scalars)
		} else {
			for _, c := range q.walk.all {
				samples += c.given
			}
		}
		n += s.schedule.Missed(q.every) * uint64(samples)
	}
	return n
}

// replan takes over the present plan of the source, if it is another.
func (s *stream) replan() {
	present := s.src.present()
	s.terms = present.terms
	if s.queries != nil && present.version == s.version {
		return
	}
	cursors := make(map[*column]*cursor)
	for _, q := range s.queries {
		if q.walk != nil {
			for _, c := range q.walk.all {
				cursors[c.column] = c
			}
		}
	}
	s.version, s.queries = present.version, nil
	for _, g := range present.gets {
		q := &query{get: g, every: g.every, why: acquire.Bad.Because(acquire.Waiting)}
		if why, ok := s.reasons[g.scalars[0].point.OID]; ok && g.alone {
			q.why = why
		}
		s.queries = append(s.queries, q)
	}
	for _, group := range present.walks {
		w := &walk{}
		cursorOf := func(c *column, size int) *cursor {
			known := cursors[c]
			if known == nil {
				known = &cursor{column: c, rows: s.memory.tables[c.table.index], size: size}
			}
			w.all = append(w.all, known)
			return known
		}
		for _, c := range group {
			lead := cursorOf(c.column, c.size)
			lead.others = lead.others[:0]
			for _, other := range c.shared {
				lead.others = append(lead.others, cursorOf(other, c.size))
			}
			w.cursors = append(w.cursors, lead)
		}
		s.queries = append(s.queries, &query{walk: w, every: group[0].table.every})
	}
}

// poll makes every request whose turn it is.
//
// An agent that leaves a request unanswered may be gone. So as not to wait once for
// each, the rest of the poll is given up: at once if nothing was answered in this poll,
// else when the next one is due. What is given up is said to be bad, and is asked for
// first next time.
//
// It reports false if ctx ended before the poll did.
func (s *stream) poll(ctx context.Context, b *acquire.Batch) bool {
	s.memory.poll++
	s.answered, s.timedOut, s.lost = false, false, 0
	s.swept = s.swept[:0]
	due := s.turn()
	retried := longestAlone(due)
	for _, q := range due {
		if q.walk != nil {
			s.swept = append(s.swept, q.walk)
		}
		if err := s.broken(); err != nil {
			q.fail(s, b, acquire.QualityOf(err))
			continue
		}
		if s.timedOut && (!s.answered || s.schedule.Overdue()) {
			q.owed = true
			q.fail(s, b, acquire.Bad.Because(acquire.Communication))
			continue
		}
		switch {
		case q.walk != nil:
			q.asked = s.schedule.Tick() + 1
			q.owed = !s.sweep(ctx, q.walk, b)
		case q.alone && q != retried:
			q.fail(s, b, q.why)
		default:
			q.asked = s.schedule.Tick() + 1
			s.ask(ctx, q, q.get, b)
		}
		if ctx.Err() != nil {
			return false
		}
	}
	s.settle(b)
	s.src.adopt(s)
	return true
}

// discard empties the batch of a poll that did not end. Of the counters whose restart
// nobody hears of now, the next sample tells.
func (s *stream) discard(b *acquire.Batch) {
	for i := range b.Samples {
		if !b.Samples[i].Quality.Has(acquire.Discontinuity) {
			continue
		}
		for j := range s.memory.scalars { // cells of tables have no flags yet
			if track := &s.memory.scalars[j]; track.id == b.Samples[i].Point {
				track.broken = true
			}
		}
	}
	b.Reset()
}

// turn returns the queries of this poll. If the last one left some out, those that have
// not been made for longest come first.
func (s *stream) turn() []*query {
	s.asking = s.asking[:0]
	owed := false
	for _, q := range s.queries {
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

// fail says of everything that q would have brought that there is no value.
func (q *query) fail(s *stream, b *acquire.Batch, why acquire.Quality) {
	if q.walk != nil {
		q.walk.start()
		q.walk.fail(s.now(), why)
		return
	}
	s.say(b, q.get.scalars, s.now(), why)
}

// say appends one sample without value for each scalar.
func (s *stream) say(b *acquire.Batch, scalars []*scalar, at acquire.Instant, why acquire.Quality) {
	for _, scalar := range scalars {
		track := &s.memory.scalars[scalar.index]
		b.Samples = append(b.Samples, acquire.Sample{Time: at, Point: scalar.id, Quality: track.stamp(at, why)})
	}
}

// exchange makes one request. at is the midpoint of the one that was answered, or the
// present.
func (s *stream) exchange(ctx context.Context, p *snmpwire.PDU) (answer response, at acquire.Instant, err error) {
	start := time.Now()
	answer, err = s.session.roundTrip(ctx, p)
	s.took = time.Since(start)
	switch {
	case err == nil:
	case ctx.Err() != nil:
		return response{}, 0, ctx.Err()
	case errors.Is(err, ErrTimeout):
		s.timedOut = true
		if s.silent++; s.silent >= s.src.cfg.MaxTimeouts {
			s.gone = err
		}
		return response{}, s.now(), err
	default:
		if errors.Is(err, EngineChanged) || errors.Is(err, EngineTimeBackwards) {
			s.restarted("engine") // its boots may be the same
		}
		s.silent = 0
		s.answered = s.answered || s.broken() == nil && acquire.QualityOf(err).Reason() != acquire.Security
		return response{}, s.now(), err
	}
	s.silent, s.answered = 0, true
	s.stamped = answer.Sent.Add(answer.Received.Sub(answer.Sent) / 2)
	if s.memory.clock.rebooted(answer.Boots) {
		s.restarted("engine boots")
	}
	if s.quickest == 0 || s.took < s.quickest {
		s.quickest = s.took
	}
	if s.took > s.src.cfg.Timeout/3 && s.took > 2*s.quickest {
		s.terms.answer = max(s.terms.answer/2, leastAnswer)
	}
	return answer, acquire.At(s.stamped), nil
}

// longestAlone returns the query, of those for a scalar that makes requests fail, that
// was made longest ago, nil if there is none.
func longestAlone(queries []*query) (longest *query) {
	for _, q := range queries {
		if q.walk == nil && q.alone && (longest == nil || q.asked < longest.asked) {
			longest = q
		}
	}
	return longest
}

// ask asks for scalars.
func (s *stream) ask(ctx context.Context, q *query, g *get, b *acquire.Batch) {
	if err := s.broken(); err != nil {
		s.say(b, g.scalars, s.now(), acquire.QualityOf(err))
		return
	}
	if s.timedOut && (!s.answered || s.schedule.Overdue()) {
		q.owed = true
		s.say(b, g.scalars, s.now(), acquire.Bad.Because(acquire.Communication))
		return
	}
	s.pdu = snmpwire.PDU{Type: snmpwire.ReadRequest, Bindings: g.bindings}
	answer, at, err := s.exchange(ctx, &s.pdu)
	if ctx.Err() != nil {
		return
	}
	if err == nil && answer.PDU.ErrorStatus != 0 {
		s.divide(ctx, q, g, b, at, ErrorStatus(answer.PDU.ErrorStatus), int(answer.PDU.ErrorIndex))
		return
	}
	if err == nil && !s.read(g, b, &answer, at) {
		s.malformed++
		err = errOthers
	}
	if err != nil {
		s.note(ctx, g.scalars[0].names[0], err)
		s.say(b, g.scalars, at, acquire.QualityOf(err))
		return
	}
	if q.alone {
		s.unlearnRefused(g.scalars[0].point.OID)
	}
}

// errOthers is an answer with other objects than were asked for.
var errOthers = broken("other objects than were asked for")

// read takes the answer to g, and reports whether it is one: the objects that were asked
// for, in their order, and nothing else.
func (s *stream) read(g *get, b *acquire.Batch, answer *response, at acquire.Instant) bool {
	before := len(b.Samples)
	list := answer.PDU.Bindings
	if g.upTime {
		first, rest, err := snmpwire.NextBinding(list)
		if err != nil || !bytes.Equal(first.Name, s.src.upTime) {
			return false
		}
		list = rest
		s.upTime(first, s.src.upTime)
	}
	for _, scalar := range g.scalars {
		var value acquire.Value
		var quality acquire.Quality
		power, known := 0, true
		for i, name := range scalar.names {
			binding, rest, err := snmpwire.NextBinding(list)
			if err != nil || !bytes.Equal(binding.Name, name) {
				b.Samples = b.Samples[:before]
				return false
			}
			list = rest
			if i == 0 {
				value, quality = scalar.decoder.value(b, binding.Tag, binding.Value)
				continue
			}
			said := s.told(&binding)
			n, ok := scalar.point.Exponents[i-1].power(said.value)
			power, known = power+n, known && said.ok && ok
		}
		if len(scalar.names) > 1 && !value.IsNone() {
			if value, quality = scalar.decoder.apply(value, power); !known {
				value, quality = acquire.Value{}, badRange
			}
		}
		b.Samples = append(b.Samples, acquire.Sample{Time: at, Point: scalar.id, Value: value, Quality: quality})
	}
	if len(list) > 0 {
		b.Samples = b.Samples[:before]
		return false
	}
	for i, scalar := range g.scalars {
		track, sample := &s.memory.scalars[scalar.index], &b.Samples[before+i]
		sample.Quality = track.stamp(at, sample.Quality)
		if scalar.point.counts() {
			sample.Quality = track.count(sample.Quality, s.memory.epoch, 0)
		}
	}
	return true
}

// divide asks for the parts of a request that was refused: without the object that the
// agent names, or in halves of halves down to single objects if need be.
func (s *stream) divide(ctx context.Context, q *query, g *get, b *acquire.Batch, at acquire.Instant, status ErrorStatus, index int) {
	s.refusals++
	s.note(ctx, g.scalars[0].names[0], status)
	if g.upTime {
		if index == 1 && status != TooBig {
			s.learnNoUpTime()
			s.ask(ctx, q, newGet(g.scalars, &s.terms), b)
			return
		}
		index--
	}
	if len(g.scalars) == 1 {
		if q.get != g && status != TooBig { // it made the others fail
			s.learnRefused(g.scalars[0].point.OID, status.Quality())
		}
		q.why = status.Quality()
		s.say(b, g.scalars, at, status.Quality())
		return
	}
	if at, ok := g.named(index); ok && status != TooBig {
		named, others := g.scalars[at:at+1], slices.Concat(g.scalars[:at], g.scalars[at+1:])
		s.learnRefused(named[0].point.OID, status.Quality())
		s.say(b, named, s.now(), status.Quality())
		s.ask(ctx, q, newGet(others, &s.terms), b)
		return
	}
	if status == TooBig {
		s.learnAnswer(s.terms.overhead + g.size/2)
	}
	for _, half := range [][]*scalar{g.scalars[:len(g.scalars)/2], g.scalars[len(g.scalars)/2:]} {
		if s.ask(ctx, q, newGet(half, &s.terms), b); ctx.Err() != nil {
			return
		}
	}
}

// named returns the scalar that an error-index, counted from 1 without sysUpTime, names.
func (g *get) named(index int) (int, bool) {
	for i, s := range g.scalars {
		if index >= 1 && index <= len(s.names) {
			return i, true
		}
		index -= len(s.names)
	}
	return 0, false
}

// note logs a request that gave no values.
func (s *stream) note(ctx context.Context, name []byte, err error) {
	if s.src.cfg.Logger.Enabled(ctx, slog.LevelDebug) {
		s.src.cfg.Logger.LogAttrs(ctx, slog.LevelDebug, "snmp request failed", slog.String("source", s.src.cfg.Name),
			slog.String("at", string(oidOf(name))), slog.Any("error", err))
	}
}

// most returns how many bytes of an answer may be aimed at.
func (s *stream) most() int {
	if s.terms.MaxAnswer > 0 {
		return min(s.terms.MaxAnswer, s.src.longest())
	}
	return s.src.longest()
}

// grow makes room for more in the next answer, after one of some octets that was what
// was asked for, unless the agent is slow for it: what any answer takes does not count.
func (s *stream) grow(octets int) {
	s.proven = true
	if (s.took < s.src.cfg.Timeout/6 || s.took < 2*s.quickest) && octets > s.terms.answer/2 {
		s.terms.answer = min(2*s.terms.answer, s.most())
	}
}

// doubt is for an answer that did not come in time. It may have been too long for the
// network. If another of the kind was lost after shorter ones had come, it is.
func (s *stream) doubt() {
	size := s.terms.answer
	if s.proven && s.suspect != 0 && size >= s.suspect/2 && size <= 2*s.suspect {
		s.learnAnswer(size / 2)
	}
	if s.proven || s.suspect == 0 {
		s.suspect, s.proven = size, false
	}
	s.terms.answer = max(size/2, leastAnswer)
}

// learnAnswer learns that the agent gives no longer answers.
func (s *stream) learnAnswer(bytes int) {
	bytes = max(bytes, leastAnswer)
	s.terms.answer = min(s.terms.answer, bytes)
	if s.terms.MaxAnswer == 0 || bytes < s.terms.MaxAnswer {
		s.terms.MaxAnswer = bytes
		s.src.learn(func(l *Limits) { l.MaxAnswer = bytes })
	}
}

// learnNoUpTime learns that the agent has no sysUpTime.
func (s *stream) learnNoUpTime() {
	s.terms.NoUpTime = true
	s.src.learn(func(l *Limits) { l.NoUpTime = true })
}

// learnRefused learns that an object makes the requests fail that it is in, and why.
func (s *stream) learnRefused(o OID, why acquire.Quality) {
	s.reasons[o] = why
	s.src.learn(func(l *Limits) {
		if at, known := slices.BinarySearchFunc(l.Refused, o, OID.Compare); !known {
			l.Refused = slices.Insert(slices.Clone(l.Refused), at, o)
		}
	})
}

// unlearnRefused learns that it does not any more.
func (s *stream) unlearnRefused(o OID) {
	s.src.learn(func(l *Limits) {
		l.Refused = slices.DeleteFunc(slices.Clone(l.Refused), func(r OID) bool { return r == o })
	})
}

// count moves the counters of the session and of the stream to the source.
func (s *stream) count() {
	c := s.session.counts.take()
	skipped, refusals, malformed := s.skips, s.refusals, s.malformed
	s.skips, s.refusals, s.malformed = 0, 0, 0
	s.src.tally.Update(func(st *acquire.Stats) {
		st.Requests += c.Requests
		st.Timeouts += c.Timeouts
		st.Late += c.Late
		st.Malformed += c.Malformed + c.Unauthentic + c.Untimely + malformed
		st.Exceptions += c.Reports + refusals
		st.Skipped += skipped
	})
}

// end makes err the final error. It counts as a failure of the link unless the caller
// wanted the end.
func (s *stream) end(op string, err error) error {
	s.err = s.src.fault(op, err)
	s.count()
	s.src.keep(s.memory)
	s.src.tally.End(s.err, s.now())
	return s.err
}

// Close closes the connection.
func (s *stream) Close() error {
	if s.err == nil {
		s.end("next", acquire.ErrClosed)
	}
	return s.session.close()
}
