package opcua

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/internal/uabin"
)

// mostSilent is how many reads in a row may go unanswered before the stream ends.
const mostSilent = 2

// polls are the values that are read, in the same requests each time.
type polls struct {
	parts   []*part // of a poll
	unknown []int   // items whose namespace the server does not have
	pending []*part // to be sent as soon as others are answered
	tick    time.Time
	open    int // parts of the present poll that are not over
	silent  int // reads in a row without an answer

	refreshing int // parts of a refresh that are not over
}

// part is one request of a poll.
type part struct {
	items    []int
	rest     []byte // of the request, behind its header; nil: not encoded yet
	refresh  bool   // of monitored items that were not heard of
	sent     time.Time
	deadline time.Time
}

// plan divides the polled items into requests.
func (s *polls) plan(st *standing) {
	s.parts, s.unknown = nil, nil
	var known []int
	for i := st.src.monitored; i < len(st.src.items); i++ {
		if st.nodes[i] == nil {
			s.unknown = append(s.unknown, i)
			continue
		}
		known = append(known, i)
	}
	s.parts = divide(known, st.perRead, false)
	if s.tick.IsZero() && len(st.src.items) > st.src.monitored {
		s.tick = time.Now()
	}
}

func divide(items []int, most int, refresh bool) (parts []*part) {
	for len(items) > 0 {
		n := min(len(items), most)
		parts = append(parts, &part{items: items[:n:n], refresh: refresh})
		items = items[n:]
	}
	return parts
}

// refresh has monitored items read once.
func (s *polls) refresh(st *standing, items []int) {
	parts := divide(items, st.perRead, true)
	s.pending = append(s.pending, parts...)
	s.refreshing += len(parts)
}

// nextPoll returns when a poll, or the answer to one, is due; zero if none is.
func (p *pump) nextPoll() time.Time {
	at := p.polls.tick
	for i := range p.flights {
		if f := p.flights[i]; f.part != nil && (at.IsZero() || f.part.deadline.Before(at)) {
			at = f.part.deadline
		}
	}
	return at
}

// pollDue gives up what is overdue, and begins a poll if it is time.
func (p *pump) pollDue(now time.Time) error {
	for i := 0; i < len(p.flights); {
		f := p.flights[i]
		if f.part == nil || now.Before(f.part.deadline) {
			i++
			continue
		}
		p.channel.forget(f.call)
		p.src.connector.counters.timeouts.Add(1)
		p.flights[i] = p.flights[len(p.flights)-1]
		p.flights = p.flights[:len(p.flights)-1]
		err := &TimeoutError{Service: "Read", After: p.src.cfg.Client.Timeout}
		p.failed(f.part, acquire.QualityOf(err))
		if p.polls.silent++; p.polls.silent >= mostSilent {
			return err
		}
	}
	s := &p.polls
	if !s.tick.IsZero() && !now.Before(s.tick) {
		interval := p.src.cfg.PollInterval
		skipped := uint64(now.Sub(s.tick) / interval)
		s.tick = s.tick.Add(time.Duration(skipped+1) * interval)
		if s.open > 0 { // the poll before is not over
			skipped++
		} else {
			s.open = len(s.parts)
			s.pending = append(s.pending, s.parts...)
			p.sayUnknown()
		}
		if skipped > 0 {
			p.src.tally.Update(func(st *acquire.Stats) { st.Skipped += skipped })
			p.queue.skip(skipped)
		}
	}
	return p.sendReads(now)
}

// sayUnknown says which items cannot be read.
func (p *pump) sayUnknown() {
	if len(p.polls.unknown) == 0 {
		return
	}
	e := entry{kind: statusEntry, received: p.now()}
	for _, i := range p.polls.unknown {
		e.statuses = append(e.statuses, itemStatus{i, StatusBadNodeIDUnknown.quality()})
	}
	p.queue.push(e)
}

// sendReads sends what is pending, as far as there may be so much under way.
func (p *pump) sendReads(now time.Time) error {
	under := 0
	for i := range p.flights {
		if p.flights[i].part != nil {
			under++
		}
	}
	for s := &p.polls; len(s.pending) > 0 && under < mostReads && len(p.flights) < cap(p.sink); under++ {
		next := s.pending[0]
		s.pending = s.pending[:copy(s.pending, s.pending[1:])]
		if err := p.encodeRead(next); err != nil {
			return err
		}
		timeout := p.src.cfg.Client.Timeout
		k, body, err := p.channel.post(func(dst []byte, handle uint32) []byte {
			return append(p.session.begin(dst, uabin.ReadRequestID, handle, timeout), next.rest...)
		}, p.body, p.sink, timeout)
		p.body = body
		if tooLarge(err) {
			if err := p.split(next, err); err != nil {
				return err
			}
			continue
		}
		if err != nil {
			return err
		}
		next.sent, next.deadline = now, now.Add(timeout)
		p.flights = append(p.flights, flight{call: k, part: next})
		p.src.tally.Update(func(s *acquire.Stats) { s.Requests++ })
	}
	return nil
}

// encodeRead encodes the request of a part, but for its header: it is sent again and again.
func (p *pump) encodeRead(next *part) error {
	if next.rest != nil {
		return nil
	}
	rest := uabin.AppendRead(nil, len(next.items))
	for _, i := range next.items {
		node, err := p.nodes[i].Encode()
		if err != nil {
			return fmt.Errorf("opcua: encoding a node id: %w", err)
		}
		rest = uabin.AppendAttribute(append(rest, node...), uint32(AttributeValue))
	}
	next.rest = rest
	return nil
}

// polled handles the answer to a part of a poll.
func (p *pump) polled(f flight) error {
	trip := time.Since(f.part.sent)
	received := p.now()
	m, r, err := p.channel.judge(f.call, f.call.got, "Read", uabin.ReadResponseID)
	p.polls.silent = 0
	if tooLarge(err) {
		p.src.tally.Update(func(s *acquire.Stats) { s.Exceptions++ })
		if err := p.split(f.part, err); err != nil {
			return err
		}
		return p.sendReads(time.Now())
	}
	if fault, ok := errors.AsType[*ServiceError](err); ok {
		p.src.tally.Update(func(s *acquire.Stats) { s.Exceptions++ })
		p.failed(f.part, fault.Quality())
		if fault.Status == StatusBadSessionIDInvalid || fault.Status == StatusBadSessionClosed {
			return err
		}
		return p.sendReads(time.Now())
	}
	if err != nil {
		return err
	}
	results := r.Read().Results
	if err := r.End(); err != nil || results.Len != len(f.part.items) {
		m.release()
		p.src.tally.Update(func(s *acquire.Stats) { s.Malformed++ })
		return &ProtocolError{Reason: "Read: not as many results as nodes"}
	}
	each := results.Reader()
	for _, i := range f.part.items {
		v := each.DataValue()
		p.acquaint(i, &v.Value)
	}
	e := entry{kind: readEntry, message: m, received: received, midpoint: received.Add(-trip / 2), items: p.unheard(f.part)}
	e.list.add(results)
	e.last = p.over(f.part)
	p.queue.push(e)
	return p.sendReads(time.Now())
}

// unheard returns the items of a part in their order. In place of one that was to be
// refreshed, and of which the server has told meanwhile, is -1: its value would be told
// twice.
func (p *pump) unheard(f *part) []int {
	if !f.refresh {
		return f.items
	}
	items := slices.Clone(f.items)
	for k, i := range items {
		if p.settling == nil || p.settling.heard[i] {
			items[k] = -1
		}
	}
	return items
}

// split has a part asked for in halves, now and from now on.
func (p *pump) split(f *part, reason error) error {
	if len(f.items) < 2 {
		p.failed(f, acquire.QualityOf(reason))
		return nil
	}
	p.perRead = min(p.perRead, (len(f.items)+1)/2)
	halves := divide(f.items, (len(f.items)+1)/2, f.refresh)
	p.polls.pending = append(p.polls.pending, halves...)
	if f.refresh {
		p.polls.refreshing += len(halves) - 1
		return nil
	}
	p.polls.open += len(halves) - 1
	p.polls.plan(p.standing)
	return nil
}

// failed says that the values of a part could not be read.
func (p *pump) failed(f *part, quality acquire.Quality) {
	e := entry{kind: statusEntry, received: p.now()}
	for _, i := range p.unheard(f) {
		if i >= 0 {
			e.statuses = append(e.statuses, itemStatus{i, quality})
		}
	}
	e.last = p.over(f)
	p.queue.push(e)
}

// over notes that a part is, and reports whether it was the last of its poll.
func (p *pump) over(f *part) bool {
	if f.refresh {
		if p.polls.refreshing--; p.polls.refreshing == 0 {
			p.settling = nil
		}
		return false
	}
	p.polls.open--
	return p.polls.open == 0
}
