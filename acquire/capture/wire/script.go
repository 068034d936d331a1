package wire

import (
	"cmp"
	"slices"
	"time"
)

// script is a conversation made ready to be played.
type script struct {
	requests []request
	opening  []reply // what came before any request, by the time from the opening on
}

// request is a message that the driver is expected to send.
type request struct {
	bytes   []byte
	frame   int
	at      time.Time
	replies []reply
	unsent  *Event // writing it has failed
}

// reply is what the device did, at a time from a request on.
type reply struct {
	order int // among all that the device did
	kind  Kind
	event *Event // of an Ended or Reset
	// bytes are a message, and pieces the way in which it was cut.
	bytes  []byte
	pieces []cut
	step   uint32 // from the number of the message before to its own, of a sequencer's
}

// sequencer is a Protocol whose requests overlap and whose messages are numbered one after
// the other, whatever they answer. A Peer whose driver asks at slightly other times than
// were recorded takes requests and gives answers in another order, and numbers them anew.
type sequencer interface {
	// number returns the part of a message that is its number, four bytes with the lowest
	// first, nil if it has none.
	number(message []byte) []byte
}

// chunker is a Protocol whose requests may be several messages, one right after the other,
// of which the first alone begins with what tells which request it is.
type chunker interface {
	// continues tells whether more of the same request follows a message.
	continues(message []byte) bool
}

// cut is a piece of a message.
type cut struct {
	after time.Duration
	n     int
}

// message is some bytes of one direction that belong together.
type message struct {
	event  *Event // where it ends, or what happened
	bytes  []byte
	pieces []piece
}

// messages puts the events of one direction together as messages. Bytes in which
// none begins are messages as they came.
func messages(p Protocol, c *Conversation, kind Kind) (list []message) {
	var held message
	blind := p == nil || c.Packets
	flush := func() {
		if len(held.bytes) > 0 {
			list = append(list, held)
		}
		held = message{}
	}
	for i := range c.Events {
		e := &c.Events[i]
		if e.Kind != kind {
			continue
		}
		if blind || e.Gap {
			flush()
		}
		if blind {
			list = append(list, message{e, e.Data, []piece{{e.Time, len(e.Data)}}})
			continue
		}
		held.event = e
		held.bytes = append(held.bytes, e.Data...)
		held.pieces = append(held.pieces, piece{e.Time, len(e.Data)})
		for len(held.bytes) > 0 {
			n, err := p.Next(held.bytes)
			if err != nil {
				blind = true
				flush()
				break
			}
			if n <= 0 || n > len(held.bytes) {
				break
			}
			whole := message{event: e, bytes: held.bytes[:n:n]}
			whole.pieces, held.pieces = divide(held.pieces, n)
			held.bytes = held.bytes[n:]
			list = append(list, whole)
		}
	}
	flush()
	return list
}

// divide takes the pieces of the first n bytes off the others.
func divide(pieces []piece, n int) (first, rest []piece) {
	for len(pieces) > 0 && n > 0 {
		take := min(n, pieces[0].n)
		first = append(first, piece{pieces[0].at, take})
		if n -= take; take < pieces[0].n {
			rest := slices.Clone(pieces)
			rest[0].n -= take
			return first, rest
		}
		pieces = pieces[1:]
	}
	return first, pieces
}

// newScript finds out what answers what. An answer belongs to the latest request in
// front of it that has its id, else to the latest request.
func newScript(p Protocol, c *Conversation) *script {
	s := &script{}
	began := time.Time{}
	if len(c.Events) > 0 {
		began = c.Events[0].Time
	}
	for _, m := range messages(p, c, Sent) {
		s.requests = append(s.requests, request{bytes: m.bytes, frame: m.event.Frame, at: m.pieces[0].at})
	}
	for i := range c.Events {
		if e := &c.Events[i]; e.Kind == Unsent {
			if at := s.before(e); at >= 0 {
				s.requests[at].unsent = e
			}
		}
	}
	acts := messages(p, c, Received)
	for i := range c.Events {
		if e := &c.Events[i]; e.Kind == Ended || e.Kind == Reset {
			acts = append(acts, message{event: e, pieces: []piece{{e.Time, 0}}})
		}
	}
	slices.SortStableFunc(acts, func(x, y message) int {
		return cmp.Or(x.pieces[0].at.Compare(y.pieces[0].at), cmp.Compare(x.event.Frame, y.event.Frame))
	})
	numbers, _ := p.(sequencer)
	latest := uint32(0)
	for order, m := range acts {
		first := *m.event
		first.Time = m.pieces[0].at
		at := s.before(&first)
		if p != nil && m.event.Kind == Received {
			if id, ok := p.ID(m.bytes); ok {
				for i := at; i >= 0; i-- {
					if asked, ok := p.ID(s.requests[i].bytes); ok && asked == id {
						at = i
						break
					}
				}
			}
		}
		r := reply{order: order, kind: m.event.Kind, event: m.event, bytes: m.bytes}
		if numbers != nil && r.kind == Received {
			if number := numbers.number(m.bytes); number != nil {
				r.step = le.Uint32(number) - latest
				latest += r.step
			}
		}
		from := began
		if at >= 0 {
			from = s.requests[at].at
		}
		for _, q := range m.pieces {
			r.pieces = append(r.pieces, cut{max(q.at.Sub(from), 0), q.n})
		}
		if at < 0 {
			s.opening = append(s.opening, r)
		} else {
			s.requests[at].replies = append(s.requests[at].replies, r)
		}
	}
	return s
}

// before returns the index of the last request that began before e, -1 if there is
// none.
func (s *script) before(e *Event) int {
	for i := len(s.requests) - 1; i >= 0; i-- {
		r := &s.requests[i]
		if d := r.at.Compare(e.Time); d < 0 || d == 0 && r.frame < e.Frame {
			return i
		}
	}
	return -1
}
