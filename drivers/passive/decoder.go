package passive

import (
	"errors"
	"net/netip"
	"time"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/drivers/opcua"
	"github.com/fieldtap/fieldtap/drivers/snmp"
)

// Why a message is not decoded, or not to the end.
var (
	// ErrUnpaired is for an answer whose request was not captured.
	ErrUnpaired = errors.New("passive: the request of this answer was not captured")
	// ErrAmbiguous is for an answer that may belong to several requests.
	ErrAmbiguous = errors.New("passive: the answer may belong to several requests")
	// ErrEncrypted is for a message that cannot be read without keys.
	ErrEncrypted = snmp.ErrEncrypted
	// ErrMalformed is for a message of OPC UA that breaks the protocol. Those of SNMP say
	// what it is that they break.
	ErrMalformed = errors.New("passive: malformed message")

	errAborted = errors.New("passive: given up by its sender")
	errCount   = errors.New("not as many results as nodes")
)

// decoder turns packets into observations. It belongs to one goroutine.
type decoder struct {
	limits Limits
	tcpPorts,
	udpPorts map[uint16]Protocol
	timeout time.Duration
	stats   Stats

	place Place
	now   acquire.Instant // of the packet at hand
	// givenUp is set while data from behind a hole is handed on: answers to the requests in
	// it may have gone by.
	givenUp bool
	due     bool // it is time to look what is overdue
	ip      datagram
	parts   fragments

	flows          map[flowKey]*flow
	oldest, newest *flow
	holes          []*flow // with something held
	hole           int     // index into it, looked at last

	talks               map[snmpPeers]*snmpTalk
	firstTalk, lastTalk *snmpTalk
	wire                snmpWire

	subscriptions map[subscriptionKey]*subscription
	nodes         map[string]opcua.NodeID
	items         []OPCUAItem // of the observations at hand
	text          []byte

	held int // octets, about

	timers  []timer // of the pending, oldest first
	first   int     // index into timers: those before are over
	pending int     // how many are not over
	serial  uint64

	free, spent []*modbusRequest // spent: still seen by observations
	out         []Observation
	read        int // of out
	index       int // of the message to come, in its packet
}

// waiter is a request that waits for its answer.
type waiter interface {
	number() uint64 // that await gave it, 0 when it is over
	settle()        // it is over
	expire(why ending)
}

// ending is why nobody waits for an answer any more.
type ending uint8

const (
	timedOut    ending = iota // it did not come in time
	interrupted               // the connection ended
	forgotten                 // for a limit, or with the capture
)

// gone counts a request that ends so.
func (d *decoder) gone(why ending) {
	if why == forgotten {
		d.stats.DroppedRequests++
	} else {
		d.stats.Unanswered++
	}
}

// timer is a waiter with the time when it was sent. One whose number is another by now
// is over.
type timer struct {
	waiter
	serial uint64
	sent   acquire.Instant
}

func (t *timer) over() bool { return t.number() != t.serial }

func newDecoder(c ReaderConfig) *decoder {
	d := &decoder{
		limits: c.Limits, timeout: c.Timeout,
		tcpPorts: make(map[uint16]Protocol), udpPorts: make(map[uint16]Protocol),
		flows: make(map[flowKey]*flow), talks: make(map[snmpPeers]*snmpTalk),
		subscriptions: make(map[subscriptionKey]*subscription), nodes: make(map[string]opcua.NodeID),
	}
	for _, port := range c.ModbusPorts {
		d.tcpPorts[port] = Modbus
	}
	for _, port := range c.SNMPPorts {
		d.tcpPorts[port], d.udpPorts[port] = SNMP, SNMP
	}
	for _, port := range c.OPCUAPorts {
		d.tcpPorts[port] = OPCUA
	}
	return d
}

func (d *decoder) tcpPort(a netip.AddrPort) (Protocol, bool) {
	p, ok := d.tcpPorts[a.Port()]
	return p, ok
}

func (d *decoder) udpPort(a netip.AddrPort) (Protocol, bool) {
	p, ok := d.udpPorts[a.Port()]
	return p, ok
}

// converse begins the conversation of a connection.
func (d *decoder) converse(f *flow) conversation {
	switch f.protocol {
	case Modbus:
		return &modbusTalk{d: d, f: f}
	case SNMP:
		return &snmpStream{d: d, f: f, talk: snmpTalk{d: d, f: f, peers: snmpPeers{f.client, f.server}}}
	}
	return &opcuaTalk{d: d, f: f, client: f.client, server: f.server}
}

// packet takes the next packet, when all observations have been read.
func (d *decoder) packet(p *packet) {
	d.reuse()
	d.stats.Packets++
	d.stats.Bytes += uint64(len(p.data))
	if p.time == 0 {
		d.stats.UntimedPackets++
		return
	}
	d.place = Place{File: p.file, Frame: p.frame, Time: p.time}
	d.now = p.time
	d.patience()
	d.due = true
	d.carry(p)
	if d.due {
		d.overdue()
	}
}

// carry takes what a packet carries.
func (d *decoder) carry(p *packet) {
	ip, known, ok := ipPacket(p.link, p.data)
	switch {
	case !known:
		d.stats.UnknownLinks++
		return
	case !ok:
		d.stats.OtherPackets++
		return
	case !parseIP(ip, &d.ip):
		d.stats.MalformedPackets++
		return
	}
	if d.ip.proto != protoTCP && d.ip.proto != protoUDP {
		d.stats.OtherPackets++
		return
	}
	if d.ip.cut = d.ip.cut || p.cut && len(d.ip.payload) == 0; d.ip.cut {
		d.stats.CutPackets++
	}
	if d.ip.fragment {
		whole := d.parts.add(&d.ip)
		d.stats.DroppedFragments = d.parts.dropped
		if !whole {
			return
		}
	}
	if d.ip.proto == protoTCP {
		d.tcp(&d.ip)
	} else {
		d.udp(&d.ip)
	}
}

// flush ends everything, at the end of the last file.
func (d *decoder) flush() {
	d.reuse()
	for d.oldest != nil {
		d.drop(d.oldest)
	}
	for d.firstTalk != nil {
		d.endTalk(d.firstTalk)
	}
	d.stats.DroppedFragments += uint64(len(d.parts.waiting))
	d.parts.waiting = nil
}

// reuse takes back the memory of observations that have been read.
func (d *decoder) reuse() {
	d.out, d.read, d.index, d.items = d.out[:0], 0, 0, d.items[:0]
	d.free = append(d.free, d.spent...)
	clear(d.spent)
	d.spent = d.spent[:0]
}

// observe appends an observation. It is good until the next call.
func (d *decoder) observe(p Protocol, client, server netip.AddrPort, from direction) *Observation {
	index := d.index
	d.index++
	d.out = append(d.out, Observation{
		Place: d.place, Index: index, Protocol: p, Client: client, Server: server, FromServer: from == toClient,
	})
	return &d.out[len(d.out)-1]
}

// regret appends the observation of a request in vain.
func (d *decoder) regret(p Protocol, client, server netip.AddrPort, why ending) *Observation {
	o := d.observe(p, client, server, toServer)
	d.index--
	o.Index, o.Unanswered, o.Interrupted = 0, true, why == interrupted
	return o
}

// keep notes that n octets more are held, or less, and reports whether that is allowed.
func (d *decoder) keep(n int) bool {
	d.held += n
	return d.held <= d.limits.MaxHeld
}

// await has a request of some octets expire in time, and returns its number.
func (d *decoder) await(w waiter, octets int) uint64 {
	for !d.keep(octets+pendingSize) && d.pending > 0 {
		d.keep(-octets - pendingSize)
		d.head().expire(forgotten)
	}
	d.serial++
	d.pending++
	if d.first > 1024 && d.first > len(d.timers)/2 || len(d.timers) > 2*d.pending+1024 {
		kept := d.timers[:0]
		for _, t := range d.timers[d.first:] {
			if !t.over() {
				kept = append(kept, t)
			}
		}
		clear(d.timers[len(kept):])
		d.timers, d.first = kept, 0
	}
	d.timers = append(d.timers, timer{w, d.serial, d.place.Time})
	return d.serial
}

// pendingSize is what a pending request takes beside its octets.
const pendingSize = 256

// done notes that a request of some octets is over.
func (d *decoder) done(w waiter, octets int) {
	d.pending--
	d.keep(-octets - pendingSize)
	w.settle()
}

// overdue gives up requests that have waited too long. Of a TCP segment, what it
// acknowledges is looked at before, and its data after.
func (d *decoder) overdue() {
	d.due = false
	for t := d.head(); t != nil && d.now.Sub(t.sent) > d.timeout; t = d.head() {
		t.expire(timedOut)
	}
}

// head returns the pending request that was sent first, nil if there is none.
func (d *decoder) head() *timer {
	for d.first < len(d.timers) {
		if t := &d.timers[d.first]; !t.over() {
			return t
		}
		d.timers[d.first] = timer{}
		d.first++
	}
	d.timers, d.first = d.timers[:0], 0
	return nil
}

// modbusRequest returns memory for a request, and spend takes it back.
func (d *decoder) modbusRequest() *modbusRequest {
	n := len(d.free)
	if n == 0 {
		return new(modbusRequest)
	}
	r := d.free[n-1]
	d.free = d.free[:n-1]
	return r
}

func (d *decoder) spend(r *modbusRequest) {
	d.done(r, r.size)
	d.spent = append(d.spent, r)
}

// since returns the mark of what was missed for a request: one that no present mark
// equals where an answer may have been missed before the request was seen.
func (d *decoder) since(missed uint64) uint64 {
	if d.givenUp {
		return ^uint64(0)
	}
	return missed
}

// horizon returns the moment before which no answer will be stamped any more that comes
// after now.
func (d *decoder) horizon(now acquire.Instant) acquire.Instant {
	if len(d.holes) > 0 {
		now = min(now, d.holes[0].held)
	}
	if head := d.head(); head != nil {
		return midway(min(head.sent, now), now)
	}
	return now
}
