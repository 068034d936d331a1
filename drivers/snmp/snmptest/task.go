package snmptest

import (
	"errors"
	"time"

	"github.com/fieldtap/fieldtap/internal/snmpwire"
)

// task is one request on its way through the server, and its memory.
type task struct {
	link    link
	ordinal int
	in      []byte // the request
	out     []byte // the reply
	list    []byte // its bindings
	plain   []byte // the request decrypted
	latency time.Duration
	fault   Fault
}

func (s *Server) task() *task {
	select {
	case t := <-s.idle:
		return t
	default:
		return &task{in: make([]byte, 0, s.maxMessage+1)} // what fills it was too long
	}
}

func (t *task) buffer() []byte { return t.in[:cap(t.in)] }

func (s *Server) release(t *task) {
	t.link, t.fault = nil, nil
	select {
	case s.idle <- t:
	default:
	}
}

// accepted takes a request of n octets in the task's buffer, and answers it at once, or in a goroutine of its own if that takes
// time.
func (s *Server) accepted(t *task, n int, from link) {
	t.in, t.link = t.in[:n], from
	s.mu.Lock()
	s.stats.Requests++
	t.ordinal, t.latency, t.fault = int(s.stats.Requests), s.latency, s.fault
	if t.latency > 0 && !s.hold() {
		s.mu.Unlock()
		s.release(t)
		return
	}
	s.mu.Unlock()
	if t.latency == 0 {
		s.answer(t)
		s.release(t)
		return
	}
	go func() {
		defer s.letGo()
		if s.wait(t.latency / 2) {
			s.answer(t)
		}
		s.release(t)
	}()
}

// hold accounts for a reply that is held up, unless there are too many. The caller has the lock.
func (s *Server) hold() bool {
	if s.closed {
		return false
	}
	if s.held == waiting {
		s.stats.Overrun++
		return false
	}
	s.held++
	s.running.Add(1)
	return true
}

func (s *Server) letGo() {
	s.mu.Lock()
	s.held--
	s.mu.Unlock()
	s.running.Done()
}

// answer handles a request that has arrived.
func (s *Server) answer(t *task) {
	if len(t.in) > s.maxMessage {
		s.count(&s.stats.Malformed)
		return
	}
	if version, err := snmpwire.Peek(t.in); err == nil && version == snmpwire.V3 {
		s.answerV3(t)
		return
	}
	s.answerCommunity(t)
}

// answerCommunity handles a message of version 1 or 2c.
func (s *Server) answerCommunity(t *task) {
	var m snmpwire.Message
	if err := m.Parse(t.in); err != nil {
		s.count(&s.stats.Malformed)
		return
	}
	mib, ok := s.communities[string(m.Community)]
	if !ok {
		s.count(&s.stats.UnknownCommunity)
		return
	}
	if !s.counted(m.Version, &m.PDU) {
		return
	}
	clock, _ := s.present()
	w := view{entries: mib.entries(), clock: clock, narrow: m.Version == snmpwire.V1}
	r, err := respond(&w, &m.PDU, t.list[:0], s.maxMessage-overhead(&m))
	if err != nil {
		s.count(&s.stats.Malformed)
		return
	}
	t.list = r.Bindings[:0]
	reply := snmpwire.Message{Version: m.Version, Community: m.Community, PDU: r}
	if t.fault != nil {
		s.disturb(t, openCommunity(&m), openCommunity(&reply))
		return
	}
	t.out = reply.Append(t.out[:0])
	if s.wait(t.latency - t.latency/2) {
		s.send(t.link, t.out, false)
	}
}

// overhead returns how long a response is without its bindings, at most.
func overhead(m *snmpwire.Message) int {
	const headers, version, numbers = 5 + 4 + 4 + 4, 3, 6 + 3 + 6
	return headers + version + numbers + len(m.Community)
}

// counted counts a request by its type and tells whether it is one.
func (s *Server) counted(v snmpwire.Version, p *snmpwire.PDU) bool {
	n := uint64(0)
	for list := p.Bindings; len(list) > 0; n++ {
		var err error
		if _, list, err = snmpwire.NextBinding(list); err != nil {
			break // respond finds it again
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	st := &s.stats
	switch {
	case p.Type == snmpwire.ReadRequest:
		st.Gets++
	case p.Type == snmpwire.NextRequest:
		st.Nexts++
	case p.Type == snmpwire.BulkRequest && v != snmpwire.V1:
		st.Bulks++
	case p.Type == snmpwire.SetRequest:
		st.Sets++
	default:
		st.Malformed++
		return false
	}
	st.Bindings += n
	return true
}

func (s *Server) send(l link, message []byte, foreign bool) {
	send := l.send
	if foreign {
		send = l.foreign
	}
	switch err := send(message); {
	case err == nil:
		s.count(&s.stats.Replies)
	case errors.Is(err, errFull):
		s.count(&s.stats.Overrun)
	} // else the peer has gone
}

// later runs what has to wait in a goroutine that Close waits for.
func (s *Server) later(d time.Duration, do func()) {
	s.mu.Lock()
	ok := s.hold()
	s.mu.Unlock()
	if !ok {
		return
	}
	go func() {
		defer s.letGo()
		if s.wait(d) {
			do()
		}
	}()
}

// disturb lets the fault edit the exchange and sends what comes of it.
func (s *Server) disturb(t *task, request, reply Message) {
	x := &Exchange{N: t.ordinal, From: t.link.from(), Frame: t.in, Request: request, Reply: reply, Copies: 1}
	select {
	case s.faultTurn <- struct{}{}:
	case <-s.done:
		return
	}
	t.fault(x)
	message := s.encode(x)
	x.Drop = x.Drop || message == nil
	<-s.faultTurn
	to := t.link
	deliver := func() {
		for range x.Copies {
			if !x.Drop && !s.sendPieces(to, message, x) {
				return
			}
		}
		if x.Close {
			to.cut()
		}
	}
	rest := t.latency - t.latency/2
	switch {
	case x.Late > 0 || x.Pause > 0:
		s.later(rest+x.Late, deliver)
	case s.wait(rest):
		deliver()
	}
}

// sendPieces sends a message in the pieces that a fault wants, and tells whether the server is still there.
func (s *Server) sendPieces(l link, message []byte, x *Exchange) bool {
	for _, n := range x.Pieces {
		if n <= 0 || n >= len(message) {
			continue
		}
		s.send(l, message[:n], x.Foreign)
		message = message[n:]
		if !s.wait(x.Pause) {
			return false
		}
	}
	s.send(l, message, x.Foreign)
	return true
}

func openCommunity(m *snmpwire.Message) Message {
	return Message{Version: Version(m.Version), Community: string(m.Community), PDU: open(&m.PDU)}
}

// encode returns the message that a fault has left, nil if there is none.
func (s *Server) encode(x *Exchange) []byte {
	if x.Drop {
		return nil
	}
	var message []byte
	if x.Reply.Version == V3 {
		m := x.Reply.closeV3(s.maxMessage)
		var err error
		if message, err = s.seal(nil, &m); err != nil {
			m.Flags = 0 // no keys: send it open
			if message, err = m.Append(nil, nil); err != nil {
				return nil
			}
		}
	} else {
		m := snmpwire.Message{Version: snmpwire.Version(x.Reply.Version), Community: []byte(x.Reply.Community), PDU: x.Reply.PDU.close()}
		message = m.Append(nil)
	}
	for _, edit := range x.wire {
		message = edit(message)
	}
	return message
}
