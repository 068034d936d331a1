package passive

import (
	"errors"
	"net/netip"
	"slices"

	"github.com/fieldtap/fieldtap/drivers/snmp"
	"github.com/fieldtap/fieldtap/internal/snmpwire"
)

// snmpPeers are a manager and an agent, or a sender of traps and their receiver, as the
// addresses of datagrams name them.
type snmpPeers struct{ client, server netip.AddrPort }

// snmpTalk is what is known of two peers, or of a TCP connection.
type snmpTalk struct {
	d       *decoder
	f       *flow // nil over UDP
	peers   snmpPeers
	waiting []*snmpRequest // oldest first
	heard   bool           // the agent has sent something
	missed  uint64         // gaps in what the agent sent

	older, newer *snmpTalk // of those over UDP
}

// snmpRequest waits for its answer.
type snmpRequest struct {
	talk    *snmpTalk
	id      uint64
	request int32
	version snmpwire.Version
	sent    Place
	missed  uint64
	message []byte
}

func (r *snmpRequest) number() uint64 { return r.id }
func (r *snmpRequest) settle()        { r.id = 0 }

// maxSNMP bounds a message over TCP: RFC 3430 asks for 8192 octets, UDP holds 65,507.
const maxSNMP = 64 << 10

// udp takes a UDP datagram.
func (d *decoder) udp(ip *datagram) {
	b := ip.payload
	if len(b) < 8 {
		d.stats.MalformedPackets++
		return
	}
	src := netip.AddrPortFrom(ip.src, uint16(b[0])<<8|uint16(b[1]))
	dst := netip.AddrPortFrom(ip.dst, uint16(b[2])<<8|uint16(b[3]))
	_, toDst := d.udpPort(dst)
	_, toSrc := d.udpPort(src)
	if !toDst && !toSrc {
		d.stats.OtherPackets++
		return
	}
	length := int(b[4])<<8 | int(b[5])
	switch {
	case length == 0:
		length = len(b)
	case length < 8:
		d.stats.MalformedPackets++
		return
	}
	d.stats.Datagrams++
	d.overdue()
	// Who serves whom is for the PDU to say; this is for the case that it cannot be read.
	server, client := dst, src
	if !toDst {
		server, client = src, dst
	}
	payload := b[8:min(max(length, 8), len(b))]
	d.snmp(payload, src, dst, snmpPeers{client, server}, nil)
}

// snmp takes a message, of a TCP connection or of none.
func (d *decoder) snmp(message []byte, src, dst netip.AddrPort, peers snmpPeers, t *snmpTalk) *Observation {
	d.stats.Messages++
	o := d.observe(SNMP, peers.client, peers.server, toServer)
	o.FromServer = src == peers.server
	m := &o.SNMP
	m.Message = message
	pdu, err := d.wire.parse(message)
	if short, ok := shortTag(message); err != nil && ok {
		if again, err2 := d.wire.parse(short); err2 == nil {
			m.Message, pdu, err = short, again, nil
		} else {
			pdu, err = d.wire.parse(message)
		}
	}
	m.Version, m.Community = d.wire.version(), d.wire.name
	if err != nil {
		o.Err = err
		if errors.Is(err, ErrEncrypted) {
			d.stats.Encrypted++
		} else {
			d.stats.Malformed++
		}
		return o
	}
	m.Type, m.RequestID = PDUType(pdu.Type), pdu.RequestID
	if m.Type != GetBulkRequest {
		m.ErrorStatus, m.ErrorIndex = snmp.ErrorStatus(pdu.ErrorStatus), pdu.ErrorIndex
	}
	switch m.Type {
	case Response, Report:
		peers = snmpPeers{dst, src}
		o.FromServer = true
	case TrapV1, TrapV2: // the device tells: it is the client here, and yet what is served
		peers = snmpPeers{dst, src}
		o.FromServer = true
		d.stats.Notifications++
	default:
		peers = snmpPeers{src, dst}
		o.FromServer = false
	}
	o.Client, o.Server = peers.client, peers.server
	if m.Type == TrapV1 || m.Type == TrapV2 {
		return o
	}
	if t == nil {
		t = d.snmpTalk(peers, !o.FromServer)
	}
	if !o.FromServer {
		d.stats.Requests++
		t.ask(o, d.wire.read)
		return o
	}
	d.stats.Answers++
	if pdu.ErrorStatus != 0 && m.Type == Response {
		d.stats.Exceptions++
	}
	if t != nil {
		t.heard = true
		t.answer(o, d.wire.read)
	} else {
		d.stats.Unpaired++
		o.Err = ErrUnpaired
	}
	return o
}

// snmpTalk returns what is known of peers; if that is nothing, it begins.
func (d *decoder) snmpTalk(peers snmpPeers, begin bool) *snmpTalk {
	t := d.talks[peers]
	if t == nil {
		if !begin {
			return nil
		}
		if len(d.talks) >= d.limits.MaxConnections {
			d.stats.DroppedConnections++
			d.endTalk(d.firstTalk)
		}
		t = &snmpTalk{d: d, peers: peers}
		d.talks[peers] = t
	} else {
		d.unlinkTalk(t)
	}
	t.older = d.lastTalk
	if d.lastTalk != nil {
		d.lastTalk.newer = t
	} else {
		d.firstTalk = t
	}
	d.lastTalk = t
	return t
}

func (d *decoder) unlinkTalk(t *snmpTalk) {
	if t.older != nil {
		t.older.newer = t.newer
	} else {
		d.firstTalk = t.newer
	}
	if t.newer != nil {
		t.newer.older = t.older
	} else {
		d.lastTalk = t.older
	}
	t.older, t.newer = nil, nil
}

func (d *decoder) endTalk(t *snmpTalk) {
	t.end(forgotten)
	d.unlinkTalk(t)
	delete(d.talks, t.peers)
}

// ask remembers a request.
func (t *snmpTalk) ask(o *Observation, version snmpwire.Version) {
	d := t.d
	if len(t.waiting) == maxWaiting {
		t.waiting[0].expire(forgotten)
	}
	r := &snmpRequest{talk: t, request: o.SNMP.RequestID, version: version, sent: o.Place, missed: d.since(t.missed), message: slices.Clone(o.SNMP.Message)}
	t.waiting = append(t.waiting, r)
	r.id = d.await(r, len(r.message))
}

// answer finds the request that an answer belongs to: the latest with its request id, as
// managers repeat requests under the same.
func (t *snmpTalk) answer(o *Observation, version snmpwire.Version) {
	m := &o.SNMP
	found := false
	for i := len(t.waiting) - 1; i >= 0; i-- {
		r := t.waiting[i]
		if r.request != m.RequestID || r.version != version {
			continue
		}
		if found {
			t.d.stats.Repeated++
		} else {
			found = true
			o.Request, m.Request = r.sent, r.message
		}
		t.d.done(r, len(r.message))
		t.waiting = slices.Delete(t.waiting, i, i+1)
	}
	if !found {
		t.d.stats.Unpaired++
		o.Err = ErrUnpaired
	}
}

func (r *snmpRequest) expire(why ending) {
	t, d := r.talk, r.talk.d
	d.gone(why)
	if i := slices.Index(t.waiting, r); i >= 0 {
		t.waiting = slices.Delete(t.waiting, i, i+1)
	}
	d.done(r, len(r.message))
	if why != forgotten && t.heard && t.missed == r.missed &&
		(t.f == nil || !t.f.withholds(toClient) && (why == interrupted || d.spoke(t.f, r.sent.Time))) {
		o := d.regret(SNMP, t.peers.client, t.peers.server, why)
		o.Request = r.sent
		o.SNMP.Request, o.SNMP.RequestID = r.message, r.request
		if pdu, err := d.wire.parse(r.message); err == nil {
			o.SNMP.Version, o.SNMP.Community, o.SNMP.Type = d.wire.version(), d.wire.name, PDUType(pdu.Type)
		}
	}
}

// end gives up what waits.
func (t *snmpTalk) end(why ending) {
	for len(t.waiting) > 0 {
		t.waiting[0].expire(why)
	}
}

// snmpWire parses messages of any version.
type snmpWire struct {
	v2   snmpwire.Message
	v3   snmpwire.MessageV3
	read snmpwire.Version
	name []byte // community or user
	any  bool   // the version could be read
}

// version returns the number by which a version is called.
func (w *snmpWire) version() int {
	switch {
	case !w.any:
		return 0
	case w.read == snmpwire.V3:
		return 3
	}
	return int(w.read) + 1
}

func (w *snmpWire) parse(message []byte) (*snmpwire.PDU, error) {
	w.name, w.any = nil, false
	version, err := snmpwire.Peek(message)
	if err != nil {
		return nil, err
	}
	w.read, w.any = version, true
	if version == snmpwire.V3 {
		w.v3 = snmpwire.MessageV3{}
		err := w.v3.Parse(message)
		w.name = w.v3.User
		if err != nil {
			return nil, err
		}
		if w.v3.Flags&snmpwire.Private != 0 {
			return nil, ErrEncrypted
		}
		return checked(&w.v3.Scoped.PDU)
	}
	w.v2 = snmpwire.Message{}
	err = w.v2.Parse(message)
	w.name = w.v2.Community
	if err != nil {
		return nil, err
	}
	return checked(&w.v2.PDU)
}

// checked goes through the variable bindings: what is malformed in one may be in all.
func checked(p *snmpwire.PDU) (*snmpwire.PDU, error) {
	for list := p.Bindings; len(list) > 0; {
		_, rest, err := snmpwire.NextBinding(list)
		if err != nil {
			return nil, err
		}
		list = rest
	}
	return p, nil
}

// shortTag returns a message whose PDU has its tag in two octets, as generators of odd
// traffic write it against X.690, 8.1.2.2, with the tag that it stands for.
func shortTag(message []byte) ([]byte, bool) {
	tag, contents, rest, err := snmpwire.Read(message)
	if err != nil || tag != snmpwire.Sequence || len(rest) > 0 {
		return nil, false
	}
	_, _, rest, err = snmpwire.Read(contents) // version
	if err == nil {
		_, _, rest, err = snmpwire.Read(rest) // community
	}
	if err != nil || len(rest) < 2 || rest[0] != 0xBF || rest[1] > 8 {
		return nil, false
	}
	head := contents[:len(contents)-len(rest)]
	short := snmpwire.AppendHeader(nil, snmpwire.Sequence, len(contents)-1)
	short = append(append(short, head...), 0xA0|rest[1])
	return append(short, rest[2:]...), true
}

// snmpStream is a TCP connection that speaks SNMP (RFC 3430).
type snmpStream struct {
	d       *decoder
	f       *flow
	talk    snmpTalk
	partial [2][]byte
	lost    [2]bool
	gaps    [2]int
}

func (s *snmpStream) join(from direction) { s.lost[from] = true }

func (s *snmpStream) gap(from direction) {
	s.lose(from, 0)
	s.gaps[from]++
}

func (s *snmpStream) lose(from direction, skipped int) {
	s.d.stats.SkippedBytes += uint64(len(s.partial[from]) + skipped)
	s.d.keep(-len(s.partial[from]))
	s.partial[from], s.lost[from] = nil, true
	if from == toClient {
		s.talk.missed++
	}
}

func (s *snmpStream) data(from direction, b []byte) {
	if s.lost[from] {
		// A segment that begins with a whole message proves itself.
		n, err := snmpwire.Size(b)
		if err != nil || n == 0 || n > len(b) {
			s.lose(from, len(b))
			return
		}
		if _, err := s.d.wire.parse(b[:n]); err != nil && !errors.Is(err, ErrEncrypted) {
			s.lose(from, len(b))
			return
		}
		s.lost[from] = false
	}
	if part := s.partial[from]; len(part) > 0 {
		s.d.keep(-len(part))
		b = append(part, b...)
		s.partial[from] = nil
	}
	src, dst := s.f.client, s.f.server
	if from == toClient {
		src, dst = dst, src
	}
	for len(b) > 0 {
		n, err := snmpwire.Size(b)
		if err != nil || n > maxSNMP || b[0] != byte(snmpwire.Sequence) {
			s.d.stats.Malformed++
			s.lose(from, len(b))
			return
		}
		if n == 0 || n > len(b) {
			if !s.d.keep(len(b)) {
				s.lose(from, len(b))
				return
			}
			s.partial[from] = slices.Clone(b)
			return
		}
		s.d.snmp(b[:n], src, dst, snmpPeers{s.f.client, s.f.server}, &s.talk).Gaps = s.gaps[from]
		b = b[n:]
	}
}

func (s *snmpStream) close(orderly bool) {
	if orderly {
		s.talk.end(interrupted)
	} else {
		s.talk.end(forgotten)
	}
	s.lose(toServer, 0)
	s.lose(toClient, 0)
}
