package passive

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"time"

	"github.com/fieldtap/fieldtap/acquire"
)

// direction is who sent something.
type direction uint8

const (
	toServer direction = iota
	toClient
)

// conversation makes messages of what the two ends of a connection sent.
type conversation interface {
	// data takes the next bytes that one of them sent: of one segment, in order and
	// without repeats. They are valid during the call.
	data(from direction, b []byte)
	// gap says that bytes which it sent were not captured.
	gap(from direction)
	// join says that the beginning of what it sends was not captured.
	join(from direction)
	// close says that the connection is over, and its memory to be given back.
	close(orderly bool)
}

// flow is one TCP connection.
type flow struct {
	key            flowKey
	client, server netip.AddrPort
	halves         [2]half
	talk           conversation
	hello          bool // it begins with the first message of OPC UA
	protocol       Protocol
	last           acquire.Instant
	over           bool            // both ends have finished, or one has reset it
	waiting        bool            // in decoder.holes
	held           acquire.Instant // since when

	older, newer *flow
}

// flowKey names a connection, from whichever end.
type flowKey struct{ low, high netip.AddrPort }

func keyOf(a, b netip.AddrPort) flowKey {
	if a.Compare(b) > 0 {
		a, b = b, a
	}
	return flowKey{a, b}
}

// half is what one end sends.
type half struct {
	begun   bool
	next    uint32          // sequence number of the next byte
	syn     bool            // the beginning was seen,
	first   uint32          // at this sequence number
	held    []segment       // beyond a hole, in order, without overlap
	octets  int             // in held
	since   acquire.Instant // when the hole was seen first
	acked   uint32          // what the other end has acknowledged
	hasAck  bool
	fin     bool   // the end has been announced,
	finAt   uint32 // at this sequence number
	closing bool   // and reached
	ahead   bool   // the segment at hand lies beyond a hole
	stray   bool   // the last segment was far from all before it,
	after   uint32 // and ended here
}

// farAway is the distance between sequence numbers from which on a segment is no part of
// a stream, but damaged, or of another connection between the same ports.
const farAway = 1 << 26

type segment struct {
	seq   uint32
	data  []byte
	place Place // where it was captured
}

// Patience with holes. What the receiver has acknowledged was sent and not captured, or
// is a little late in the capture; what it has not will be sent again.
const (
	holeAcked   = time.Millisecond
	holeUnacked = 3 * time.Second
)

// TCP flags (RFC 9293, section 3.1).
const (
	flagFIN = 1 << iota
	flagSYN
	flagRST
	_
	flagACK
)

// tcp takes a TCP segment.
func (d *decoder) tcp(ip *datagram) {
	b := ip.payload
	if len(b) < 20 {
		d.stats.MalformedPackets++
		return
	}
	header := int(b[12]>>4) * 4
	if header < 20 || header > len(b) {
		d.stats.MalformedPackets++
		return
	}
	src := netip.AddrPortFrom(ip.src, binary.BigEndian.Uint16(b))
	dst := netip.AddrPortFrom(ip.dst, binary.BigEndian.Uint16(b[2:]))
	seq, ack := binary.BigEndian.Uint32(b[4:]), binary.BigEndian.Uint32(b[8:])
	flags, payload := b[13], b[header:]
	key := keyOf(src, dst)
	f := d.flows[key]
	if f == nil {
		if f = d.begin(key, src, dst, flags, payload); f == nil {
			d.stats.OtherPackets++
			return
		}
	}
	if f.talk == nil {
		f.talk = d.converse(f)
		if f.hello { // nothing was sent before, by either end
			f.halves[toServer] = half{begun: true, next: seq}
			f.halves[toClient] = half{begun: true, next: ack}
		}
	}
	d.touch(f)
	from := toServer
	if src == f.server && dst == f.client {
		from = toClient
	}
	mine, other := &f.halves[from], &f.halves[1-from]
	if flags&flagSYN != 0 {
		if again := mine.syn && mine.first == seq; !again && (mine.begun || f.over) {
			d.restart(f)
		}
		if !mine.begun {
			mine.begun, mine.next = true, seq+1
		}
		mine.syn, mine.first = true, seq
		seq++
	}
	if flags&flagACK != 0 {
		if away := int32(ack - other.next); other.begun && away < farAway && (!other.hasAck || int32(ack-other.acked) > 0) {
			other.acked, other.hasAck = ack, true
		}
	}
	mine.ahead = mine.begun && int32(seq-mine.next) > 0
	d.overdue()
	mine.ahead = false
	if len(other.held) > 0 {
		d.fill(f, 1-from, false) // before what may be the answer to it
	}
	if len(payload) > 0 || flags&flagFIN != 0 {
		d.receive(f, from, seq, payload)
	}
	if flags&flagFIN != 0 && !ip.cut {
		mine.fin, mine.finAt = true, seq+uint32(len(payload))
	}
	d.finish(f, flags&flagRST != 0)
}

// begin decides whether a connection is one of ours, and who serves it.
func (d *decoder) begin(key flowKey, src, dst netip.AddrPort, flags byte, payload []byte) *flow {
	if flags&flagSYN == 0 && len(payload) == 0 {
		return nil // what it carries is told by something it carries
	}
	toDst, dstOurs := d.tcpPort(dst)
	toSrc, srcOurs := d.tcpPort(src)
	f := &flow{key: key, client: src, server: dst, protocol: toDst}
	switch {
	case dstOurs && srcOurs && flags&(flagSYN|flagACK) == flagSYN|flagACK, srcOurs && !dstOurs:
		f.client, f.server, f.protocol = dst, src, toSrc
	case dstOurs:
	case len(payload) >= 8 && (string(payload[:4]) == "HELF" || string(payload[:4]) == "RHEF"):
		f.protocol, f.hello = OPCUA, true // it says so itself, whatever the port
	default:
		return nil
	}
	for len(d.flows) >= d.limits.MaxConnections {
		d.stats.DroppedConnections++
		d.drop(d.oldest)
	}
	d.stats.Connections++
	d.flows[key] = f
	d.link(f)
	return f
}

// restart begins a connection anew between ports that had one before.
func (d *decoder) restart(f *flow) {
	d.end(f)
	d.stats.Connections++
	f.halves, f.over = [2]half{}, false
	f.talk = d.converse(f)
}

// receive takes bytes that begin at a sequence number.
func (d *decoder) receive(f *flow, from direction, seq uint32, b []byte) {
	h := &f.halves[from]
	if f.over {
		if fresh := int32(seq + uint32(len(b)) - h.next); fresh > 0 {
			d.stats.SkippedBytes += uint64(min(int(fresh), len(b)))
		} else if len(b) > 0 {
			d.stats.Retransmitted++
		}
		return
	}
	if !h.begun {
		h.begun, h.next = true, seq
		f.talk.join(from)
	}
	if away := int32(seq - h.next); (away > farAway || away < -farAway) && len(b) > 0 {
		if !h.stray || h.after != seq {
			h.stray, h.after = true, seq+uint32(len(b))
			d.stats.SkippedBytes += uint64(len(b))
			return
		}
		// Two in a row: the connection began anew, and its beginning was not captured.
		d.fill(f, from, true)
		d.stats.Gaps++
		f.talk.gap(from)
		h.next = seq
	}
	h.stray = false
	if behind := int32(h.next - seq); behind > 0 {
		if int(behind) >= len(b) {
			if len(b) > 0 {
				d.stats.Retransmitted++
			}
			return
		}
		b, seq = b[behind:], h.next
	}
	if len(b) == 0 {
		return
	}
	if seq == h.next && len(h.held) == 0 {
		h.next += uint32(len(b))
		f.talk.data(from, b)
		return
	}
	if seq == h.next {
		h.next += uint32(len(b))
		f.talk.data(from, b)
		d.drain(f, from, false)
		return
	}
	d.hold(f, from, seq, b)
}

// hold keeps bytes beyond a hole, those that are not held yet.
func (d *decoder) hold(f *flow, from direction, seq uint32, b []byte) {
	h := &f.halves[from]
	d.stats.Reordered++
	at := 0
	for ; at < len(h.held) && len(b) > 0; at++ {
		s := &h.held[at]
		ahead := int32(s.seq - seq)
		if ahead > 0 {
			if int(ahead) >= len(b) {
				break
			}
			d.insert(h, at, seq, b[:ahead])
			at++
			s = &h.held[at]
			b, seq = b[ahead:], s.seq
		}
		if past := int64(int32(s.seq-seq)) + int64(len(s.data)); past > 0 {
			if past >= int64(len(b)) {
				b = nil
				break
			}
			b, seq = b[past:], seq+uint32(past)
		}
	}
	if len(b) > 0 {
		d.insert(h, at, seq, b)
	}
	if len(h.held) == 0 {
		return
	}
	if h.since == 0 {
		h.since = max(d.now, 1)
	}
	if !f.waiting {
		f.waiting, f.held = true, d.now
		d.holes = append(d.holes, f)
	}
	for h.octets > d.limits.MaxHeld/4 || d.held > d.limits.MaxHeld {
		d.skip(f, from)
		if len(h.held) == 0 {
			break
		}
	}
	d.fill(f, from, false)
}

func (d *decoder) insert(h *half, at int, seq uint32, b []byte) {
	h.held = slices.Insert(h.held, at, segment{seq, slices.Clone(b), d.place})
	h.octets += cost(b)
	d.held += cost(b)
}

// cost is the memory that held bytes take, about.
func cost(b []byte) int { return len(b) + 64 }

// drain hands on what follows without a hole. It was complete when the hole was filled;
// behind one that was given up, when it was captured.
func (d *decoder) drain(f *flow, from direction, givenUp bool) {
	h := &f.halves[from]
	present := d.place
	d.givenUp = givenUp
	defer func() { d.place, d.givenUp = present, false }()
	for len(h.held) > 0 {
		s := h.held[0]
		behind := int32(h.next - s.seq)
		if behind < 0 {
			h.since = max(d.now, 1) // the next hole
			return
		}
		h.held = slices.Delete(h.held, 0, 1)
		h.octets -= cost(s.data)
		d.held -= cost(s.data)
		if int(behind) < len(s.data) {
			h.next = s.seq + uint32(len(s.data))
			if givenUp {
				d.place = s.place
			}
			f.talk.data(from, s.data[behind:])
		}
	}
	h.since = 0
}

// skip gives up the first hole.
func (d *decoder) skip(f *flow, from direction) {
	h := &f.halves[from]
	missing := h.held[0].seq - h.next
	d.stats.Gaps++
	d.stats.MissingBytes += uint64(missing)
	h.next += missing
	f.talk.gap(from)
	d.drain(f, from, true)
}

// fill gives up holes that will not be filled any more; all of them, at the end.
func (d *decoder) fill(f *flow, from direction, all bool) {
	h := &f.halves[from]
	for len(h.held) > 0 {
		waited := d.now.Sub(h.since)
		if waited < 0 { // the clock was set back
			h.since, waited = max(d.now, 1), 0
		}
		acked := h.hasAck && int32(h.acked-h.held[0].seq) >= 0
		if !all && waited < holeUnacked && !(acked && waited >= holeAcked) {
			return
		}
		d.skip(f, from)
	}
}

// withholds reports whether an end has sent bytes that were not handed on: they are held,
// or the other end has acknowledged them and they were not captured.
func (f *flow) withholds(from direction) bool {
	h := &f.halves[from]
	return h.ahead || len(h.held) > 0 || h.hasAck && int32(h.acked-h.next) > 0
}

// spoke reports whether anything was captured of a connection since a request was overdue:
// before, nothing tells whether its answer is missing from the capture alone.
func (d *decoder) spoke(f *flow, sent acquire.Instant) bool { return f.last.Sub(sent) > d.timeout }

// patience gives up holes of all connections that have waited long enough. It is called
// for each packet, and looks at one connection.
func (d *decoder) patience() {
	if len(d.holes) == 0 {
		return
	}
	d.hole = (d.hole + 1) % len(d.holes)
	f := d.holes[d.hole]
	if !f.over {
		d.fill(f, toServer, false)
		d.fill(f, toClient, false)
	}
	if len(f.halves[0].held)+len(f.halves[1].held) == 0 {
		f.waiting = false
		d.holes = slices.Delete(d.holes, d.hole, d.hole+1)
		d.hole = 0
	}
}

// finish looks whether a connection is over.
func (d *decoder) finish(f *flow, reset bool) {
	if f.over {
		return
	}
	for from := range f.halves {
		h := &f.halves[from]
		h.closing = h.fin && int32(h.next-h.finAt) >= 0
	}
	if reset || f.halves[0].closing && f.halves[1].closing {
		d.end(f)
	}
}

// end hands on what is held and ends the conversation. The flow stays known, so that
// what is sent once more is told from a new connection.
func (d *decoder) end(f *flow) {
	if f.over {
		return
	}
	d.fill(f, toServer, true)
	d.fill(f, toClient, true)
	f.over = true
	f.talk.close(true)
}

// drop forgets a connection.
func (d *decoder) drop(f *flow) {
	if !f.over {
		d.fill(f, toServer, true)
		d.fill(f, toClient, true)
		f.over = true
		f.talk.close(false)
	}
	d.unlink(f)
	delete(d.flows, f.key)
}

// link makes f the newest, unlink takes it out of the list, and touch moves it.
func (d *decoder) link(f *flow) {
	f.older, f.newer = d.newest, nil
	if d.newest != nil {
		d.newest.newer = f
	} else {
		d.oldest = f
	}
	d.newest = f
}

func (d *decoder) unlink(f *flow) {
	if f.older != nil {
		f.older.newer = f.newer
	} else {
		d.oldest = f.newer
	}
	if f.newer != nil {
		f.newer.older = f.older
	} else {
		d.newest = f.older
	}
	f.older, f.newer = nil, nil
}

func (d *decoder) touch(f *flow) {
	f.last = d.now
	if d.newest != f {
		d.unlink(f)
		d.link(f)
	}
}
