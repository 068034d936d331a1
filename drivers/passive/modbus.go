package passive

import (
	"bytes"
	"encoding/binary"
)

// Limits of Modbus frames.
const (
	mbapHeader = 7   // with the unit identifier (Messaging on TCP/IP V1.0b, section 3.1.3)
	maxPDU     = 253 // Application Protocol V1.1b3, section 4.1
	maxFrame   = mbapHeader + maxPDU
)

// modbusTalk is a connection that speaks Modbus, in MBAP frames or those of RTU.
type modbusTalk struct {
	d       *decoder
	f       *flow
	streams [2]modbusStream
	framing framing
	proven  bool             // some frame was of it
	waiting []*modbusRequest // oldest first
	heard   bool             // the server has sent something
	missed  uint64           // how often something of the server's was missed: answers may lie in it
}

type modbusStream struct {
	partial []byte // of a frame
	lost    bool   // the beginning of a frame has to be found
	gaps    int
}

// modbusRequest waits for its answer.
type modbusRequest struct {
	talk        *modbusTalk
	id          uint64 // among the pending of the decoder
	transaction uint16
	unit        byte
	sent        Place
	missed      uint64 // of the talk, when it was sent
	size        int
	buffer      [maxPDU]byte
}

func (r *modbusRequest) pdu() []byte    { return r.buffer[:r.size] }
func (r *modbusRequest) number() uint64 { return r.id }
func (r *modbusRequest) settle()        { r.id = 0 }

func (t *modbusTalk) gap(from direction) {
	t.streams[from].gaps++
	t.lose(from, 0)
}

func (t *modbusTalk) join(from direction) { t.streams[from].lost = true }

// lose passes over bytes, those at hand included.
func (t *modbusTalk) lose(from direction, skipped int) {
	s := &t.streams[from]
	t.d.stats.SkippedBytes += uint64(len(s.partial) + skipped)
	s.partial, s.lost = nil, true
	if !t.proven {
		t.framing = undecided
	}
	if from == toClient {
		t.missed++
	}
}

func (t *modbusTalk) data(from direction, b []byte) {
	s := &t.streams[from]
	t.heard = t.heard || from == toClient
	if (t.framing == undecided || s.lost) && !t.find(from, b) {
		t.lose(from, len(b))
		return
	}
	for len(s.partial) > 0 && len(b) > 0 {
		n, ok := t.framing.length(from, s.partial)
		if !ok {
			t.d.stats.Malformed++
			t.lose(from, len(b))
			return
		}
		take := 1 // as long as the length is not known
		if n > 0 {
			take = min(n-len(s.partial), len(b))
		}
		s.partial, b = append(s.partial, b[:take]...), b[take:]
		if n, ok = t.framing.length(from, s.partial); ok && n == len(s.partial) {
			frame := s.partial
			s.partial = nil // the observation keeps it
			t.frame(from, frame)
		}
	}
	for len(b) > 0 {
		n, ok := t.framing.length(from, b)
		if !ok {
			t.d.stats.Malformed++
			t.lose(from, len(b))
			return
		}
		if n == 0 || n > len(b) {
			s.partial = append(make([]byte, 0, maxFrame), b...)
			return
		}
		t.frame(from, b[:n])
		b = b[n:]
	}
}

// find reports whether b begins with a frame. In the middle of a stream that must be a
// segment made of plausible frames from its first byte on; at its start, where nothing
// was missed, it is taken for MBAP unless it is plainly RTU.
func (t *modbusTalk) find(from direction, b []byte) bool {
	s := &t.streams[from]
	switch {
	case t.framing != rtu && mbap.plausible(from, b):
		t.framing = mbap
	case t.framing != mbap && rtu.plausible(from, b):
		t.framing = rtu
	case s.lost:
		return false
	default:
		t.framing = mbap
	}
	s.lost = false
	return true
}

// frame takes one frame.
func (t *modbusTalk) frame(from direction, frame []byte) {
	d := t.d
	t.proven = true
	d.stats.Messages++
	o := d.observe(Modbus, t.f.client, t.f.server, from)
	o.Gaps = t.streams[from].gaps
	m := &o.Modbus
	m.RTU, m.PDU, m.Unit = t.framing == rtu, t.framing.pdu(frame), frame[0]
	if !m.RTU {
		m.Transaction, m.Unit = binary.BigEndian.Uint16(frame), frame[6]
	}
	if from == toServer {
		d.stats.Requests++
		t.ask(o)
		return
	}
	d.stats.Answers++
	if m.PDU[0]&0x80 != 0 {
		d.stats.Exceptions++
	}
	t.answer(o)
}

// maxWaiting is how many requests of one connection may wait for an answer.
const maxWaiting = 256

// ask remembers a request.
func (t *modbusTalk) ask(o *Observation) {
	d := t.d
	if len(t.waiting) == maxWaiting {
		t.waiting[0].expire(forgotten)
	}
	r := d.modbusRequest()
	r.talk, r.transaction, r.unit, r.sent, r.missed = t, o.Modbus.Transaction, o.Modbus.Unit, o.Place, d.since(t.missed)
	r.size = copy(r.buffer[:], o.Modbus.PDU)
	t.waiting = append(t.waiting, r)
	r.id = d.await(r, r.size)
}

// answer finds the request that an answer belongs to. What names it is the transaction
// id, the unit and the function, and on a line the latter two alone. Where requests wait
// that these do not tell apart and the lengths fit, it is nobody's: a late answer must
// not be taken for the next.
func (t *modbusTalk) answer(o *Observation) {
	m := &o.Modbus
	var best *modbusRequest
	at, named, ambiguous := 0, 0, false
	for fitting := range 2 {
		for i, r := range t.waiting {
			if r.transaction != m.Transaction || r.unit != m.Unit || r.buffer[0] != m.PDU[0]&0x7F {
				continue
			}
			if fitting == 0 && !answers(r.pdu(), m.PDU) {
				continue
			}
			named++
			ambiguous = ambiguous || best != nil && !bytes.Equal(best.pdu(), r.pdu())
			best, at = r, i
		}
		if best != nil {
			break
		}
	}
	switch {
	case best == nil:
		t.d.stats.Unpaired++
		o.Err = ErrUnpaired
		return
	case ambiguous:
		t.d.stats.Ambiguous++
		o.Err = ErrAmbiguous
		for i, r := range t.waiting {
			if r.transaction == m.Transaction && r.unit == m.Unit && r.buffer[0] == m.PDU[0]&0x7F {
				t.remove(i)
				break
			}
		}
		return
	}
	// The latest of several that are equal: what is before it was repeated.
	o.Request, m.Request = best.sent, best.pdu()
	for i := at; i >= 0; i-- {
		r := t.waiting[i]
		if r == best || r.transaction == m.Transaction && r.unit == m.Unit && bytes.Equal(r.pdu(), best.pdu()) {
			if r != best {
				t.d.stats.Repeated++
			}
			t.remove(i)
		}
	}
}

func (t *modbusTalk) remove(i int) {
	t.d.spend(t.waiting[i])
	t.waiting = append(t.waiting[:i], t.waiting[i+1:]...)
}

// answers reports whether an answer is as long as a request wants it.
func answers(request, answer []byte) bool {
	if answer[0]&0x80 != 0 {
		return len(answer) == 2
	}
	want := 0
	switch request[0] {
	case 1, 2:
		if len(request) == 5 {
			want = 2 + (int(binary.BigEndian.Uint16(request[3:]))+7)/8
		}
	case 3, 4, 23:
		if len(request) >= 5 {
			want = 2 + 2*int(binary.BigEndian.Uint16(request[3:]))
		}
	case 5, 6, 15, 16:
		return len(answer) == 5 && len(request) >= 3 && bytes.Equal(answer[1:3], request[1:3])
	}
	return want == 0 || len(answer) == want
}

func (r *modbusRequest) expire(why ending) {
	t, d := r.talk, r.talk.d
	d.gone(why)
	for i, other := range t.waiting {
		if other == r {
			t.remove(i)
			break
		}
	}
	if (why == interrupted || why == timedOut && d.spoke(t.f, r.sent.Time)) && t.heard && t.missed == r.missed && !t.f.withholds(toClient) {
		o := d.regret(Modbus, t.f.client, t.f.server, why)
		o.Request = r.sent
		o.Modbus = ModbusMessage{RTU: t.framing == rtu, Transaction: r.transaction, Unit: r.unit, Request: r.pdu()}
	}
}

func (t *modbusTalk) close(orderly bool) {
	why := forgotten
	if orderly {
		why = interrupted
	}
	for len(t.waiting) > 0 {
		t.waiting[0].expire(why)
	}
	for from := range t.streams {
		t.lose(direction(from), 0)
	}
}

// framing is how frames are told apart.
type framing uint8

const (
	undecided framing = iota
	mbap              // Messaging on TCP/IP V1.0b, section 3.1.3
	rtu               // Serial Line V1.02, section 2.5.1, without its silences
)

// length returns how long the frame at the start of b is, 0 as long as b is too short to
// tell, and false where there is none.
func (f framing) length(from direction, b []byte) (int, bool) {
	if f == mbap {
		for i := 2; i < 4 && i < len(b); i++ {
			if b[i] != 0 { // protocol identifier
				return 0, false
			}
		}
		if len(b) < 6 {
			return 0, true
		}
		n := int(binary.BigEndian.Uint16(b[4:]))
		return 6 + n, n >= 2 && n <= 1+maxPDU
	}
	if len(b) < 2 {
		return 0, true
	}
	n, ok := pduSize(from, b[1:])
	if n == 0 || !ok {
		return 0, ok
	}
	if n += 3; len(b) < n {
		return n, true
	}
	return n, crc(b[:n-2]) == binary.LittleEndian.Uint16(b[n-2:])
}

// pdu returns the function code and data of a frame.
func (f framing) pdu(frame []byte) []byte {
	if f == mbap {
		return frame[mbapHeader:]
	}
	return frame[1 : len(frame)-2]
}

// plausible reports whether b is made of whole frames. They have known functions and the
// lengths that belong to them, and then the last of several may not be whole; or their
// lengths alone lead from the first byte of b to the last.
func (f framing) plausible(from direction, b []byte) bool {
	known := true
	for whole := 0; ; whole++ {
		if len(b) == 0 {
			return whole > 0
		}
		n, ok := f.length(from, b)
		if !ok {
			return false
		}
		if n == 0 || n > len(b) {
			return whole > 0 && known
		}
		pdu := f.pdu(b[:n])
		size, ok := pduSize(from, pdu)
		known = known && ok && size == len(pdu)
		b = b[n:]
	}
}

// pduSize returns how long the PDU at the start of b is, 0 as long as b is too short to
// tell, and false for a function whose length nothing tells (Application Protocol V1.1b3,
// section 6).
func pduSize(from direction, b []byte) (int, bool) {
	if len(b) == 0 {
		return 0, true
	}
	counted := func(at, rest int) (int, bool) { // a count of bytes, and what follows it
		if len(b) <= at {
			return 0, true
		}
		n := at + 1 + int(b[at]) + rest
		return n, n <= maxPDU
	}
	if from == toClient {
		switch function := b[0]; {
		case function&0x80 != 0:
			return 2, true
		case function >= 1 && function <= 4, function == 12, function == 17, function == 20, function == 21, function == 23:
			return counted(1, 0)
		case function == 5, function == 6, function == 8, function == 11, function == 15, function == 16:
			return 5, true
		case function == 7:
			return 2, true
		case function == 22:
			return 7, true
		case function == 24:
			if len(b) < 3 {
				return 0, true
			}
			n := 3 + int(binary.BigEndian.Uint16(b[1:]))
			return n, n <= maxPDU
		}
		return 0, false
	}
	switch b[0] {
	case 1, 2, 3, 4, 5, 6, 8:
		return 5, true
	case 7, 11, 12, 17:
		return 1, true
	case 15, 16:
		return counted(5, 0)
	case 20, 21:
		return counted(1, 0)
	case 22:
		return 7, true
	case 23:
		return counted(9, 0)
	case 24:
		return 3, true
	case 43:
		return 4, true // read device identification (section 6.21)
	}
	return 0, false
}

// crc returns the check of an RTU frame (Serial Line V1.02, section 6.2.2).
func crc(b []byte) uint16 {
	sum := uint16(0xFFFF)
	for _, c := range b {
		sum ^= uint16(c)
		for range 8 {
			low := sum & 1
			if sum >>= 1; low != 0 {
				sum ^= 0xA001
			}
		}
	}
	return sum
}
