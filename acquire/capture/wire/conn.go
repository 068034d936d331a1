package wire

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"
)

// conn is a connection that is recorded.
type conn struct {
	net.Conn
	flow flow
}

// secureConn is one that is recorded above TLS.
type secureConn struct {
	*conn
	secure interface{ ConnectionState() tls.ConnectionState }
}

// ConnectionState lets a driver see that there is TLS, and whose.
func (c *secureConn) ConnectionState() tls.ConnectionState { return c.secure.ConnectionState() }

// wrap begins to record a connection.
func (r *Recorder) wrap(link Link, inner net.Conn) net.Conn {
	c := &conn{Conn: inner}
	secure, isTLS := inner.(interface{ ConnectionState() tls.ConnectionState })
	c.flow.begin(r, link, inner.LocalAddr(), inner.RemoteAddr())
	c.flow.withhold = isTLS && !r.cfg.Plaintext
	c.flow.event(&Event{Kind: Opened, Text: link.Name})
	if isTLS {
		return &secureConn{c, secure}
	}
	return c
}

// Read reads, and records what came or what broke.
func (c *conn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if n > 0 {
		c.flow.data(&c.flow.received, c.flow.r.now(), b[:n])
	}
	if err != nil && faultOf(err) != Timeout && !errors.Is(err, net.ErrClosed) {
		e := Event{Kind: Reset, Fault: faultOf(err), Text: err.Error()}
		if errors.Is(err, io.EOF) {
			e = Event{Kind: Ended}
		}
		c.flow.event(&e)
	}
	return n, err
}

// Write records what is to be sent, and afterwards if it was not.
func (c *conn) Write(b []byte) (int, error) {
	c.flow.data(&c.flow.sent, c.flow.r.now(), b)
	n, err := c.Conn.Write(b)
	if err != nil {
		c.flow.event(&Event{Kind: Unsent, Fault: faultOf(err), Text: err.Error()})
	}
	return n, err
}

// Close closes, and records that.
func (c *conn) Close() error {
	c.flow.event(&Event{Kind: Closed})
	return c.Conn.Close()
}

// packetConn is a packet connection that is recorded.
type packetConn struct {
	net.PacketConn
	flow flow // its remote end is that of the latest datagram
}

func (r *Recorder) listener(link Link, inner net.PacketConn) net.PacketConn {
	c := &packetConn{PacketConn: inner}
	link.Packets = true
	c.flow.begin(r, link, inner.LocalAddr(), nil)
	return c
}

// ReadFrom reads a datagram and records it.
func (c *packetConn) ReadFrom(b []byte) (int, net.Addr, error) {
	n, from, err := c.PacketConn.ReadFrom(b)
	if err == nil {
		c.flow.datagram(&c.flow.received, b[:n], from)
	}
	return n, from, err
}

// WriteTo records a datagram and sends it.
func (c *packetConn) WriteTo(b []byte, to net.Addr) (int, error) {
	c.flow.datagram(&c.flow.sent, b, to)
	return c.PacketConn.WriteTo(b, to)
}

// flow makes packets of what one connection carries.
type flow struct {
	r             *Recorder
	protocol      Protocol
	packets       bool
	withhold      bool
	listening     netip.AddrPort // of a packet connection
	local, remote netip.AddrPort

	mu             sync.Mutex
	sent, received direction
	decrypted      bool // messages come by plaintext: what is on the wire is left out
	ended          bool // no more packets
	finished       bool // the device has closed its side
	packet         packet
	block          packetBlock
}

// direction is one half of a flow.
type direction struct {
	flag     uint32
	seq      uint32   // of the next byte
	redactor Redactor // nil: what comes is recorded at once
	blind    bool     // where messages begin is not known any more: everything is masked
	held     []byte   // the beginning of a message
	pieces   []piece  // of held
}

// piece is a part of what is held, as it was read or written.
type piece struct {
	at time.Time
	n  int
}

const (
	maxHeld   = 1 << 20 // bytes of a message of a stream that is masked
	maxPieces = 1 << 12 // of it; what comes in more is recorded as if it came in fewer
)

func (f *flow) begin(r *Recorder, link Link, local, remote net.Addr) {
	f.r, f.protocol = r, link.Protocol
	f.packets = link.Packets || local != nil && strings.HasPrefix(local.Network(), "udp") ||
		local != nil && local.Network() == "unixgram"
	f.sent.flag, f.received.flag = outbound, inbound
	if link.Protocol != nil && !r.cfg.Secrets {
		f.sent.redactor, f.received.redactor = link.Protocol.Redactor(), link.Protocol.Redactor()
	}
	from, ok := addressOf(local)
	to, also := addressOf(remote)
	if !ok || !also || from.Addr().Is4() != to.Addr().Is4() {
		f.local, f.remote = r.madeUp(link)
	} else {
		f.local, f.remote = from, to
	}
	f.listening = from
	r.mu.Lock()
	r.stats.Connections++
	r.mu.Unlock()
}

// put records a packet of one direction.
func (f *flow) put(d *direction, at time.Time, flags byte, payload, comment []byte) {
	other := &f.received
	if d == other {
		other = &f.sent
	}
	f.packet = packet{from: f.local, to: f.remote, protocol: protocolTCP, flags: flags, seq: d.seq, payload: payload}
	if d == &f.received {
		f.packet.from, f.packet.to = f.remote, f.local
	}
	switch {
	case f.packets && payload == nil:
		f.packet.protocol = protocolNoNext
	case f.packets:
		f.packet.protocol = protocolUDP
	}
	if flags&flagACK != 0 {
		f.packet.ack = other.seq
	}
	d.seq += uint32(len(payload))
	if flags&(flagSYN|flagFIN) != 0 {
		d.seq++
	}
	f.block = packetBlock{at: at, flags: d.flag, comment: comment}
	f.r.put(&f.block, &f.packet)
	f.packet.payload = nil
}

// emit records bytes that may be seen.
func (f *flow) emit(d *direction, at time.Time, b []byte) {
	if f.packets {
		var comment []byte
		if len(b) > maxDatagram {
			comment, b = []byte("fieldtap cut this datagram"), b[:maxDatagram]
		}
		if b == nil {
			b = []byte{}
		}
		f.put(d, at, 0, b, comment)
		return
	}
	for len(b) > 0 {
		n := min(len(b), maxSegment)
		f.put(d, at, flagACK|flagPSH, b[:n], nil)
		b = b[n:]
	}
}

// data records what was read or is to be written.
func (f *flow) data(d *direction, at time.Time, b []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.decrypted {
		f.r.count(0, len(b))
		return
	}
	f.take(d, at, b)
}

// take is data while f.mu is held.
func (f *flow) take(d *direction, at time.Time, b []byte) {
	switch {
	case f.ended:
	case f.withhold:
		f.r.count(0, len(b))
	case d.redactor == nil:
		f.emit(d, at, b)
	case f.packets:
		d.held = append(d.held[:0], b...)
		f.r.count(redact(d.redactor, d.held), 0)
		f.emit(d, at, d.held)
		d.held = d.held[:0]
	default:
		for len(b) > 0 {
			n := min(len(b), maxSegment)
			d.hold(at, b[:n])
			f.release(d)
			b = b[n:]
		}
	}
}

// hold keeps b for when its message is whole.
func (d *direction) hold(at time.Time, b []byte) {
	d.held = append(d.held, b...)
	if last := len(d.pieces) - 1; last >= maxPieces {
		d.pieces[last].n += len(b)
		return
	}
	d.pieces = append(d.pieces, piece{at, len(b)})
}

// redact masks the secrets of a message, or all of it.
func redact(r Redactor, message []byte) int {
	masked, err := r.Redact(message)
	if err != nil {
		return mask(message)
	}
	return masked
}

// release records the messages that are whole.
func (f *flow) release(d *direction) {
	done := 0
	for done < len(d.held) && !d.blind {
		n, err := f.protocol.Next(d.held[done:])
		if err != nil || n > maxHeld || n == 0 && len(d.held)-done > maxHeld {
			d.blind = true
			break
		}
		if n <= 0 || n > len(d.held)-done {
			break
		}
		message := d.held[done : done+n]
		f.r.count(redact(d.redactor, message), 0)
		f.pieces(d, message)
		done += n
	}
	if d.blind {
		f.r.count(mask(d.held[done:]), 0)
		f.pieces(d, d.held[done:])
		done = len(d.held)
	}
	d.held = d.held[:copy(d.held, d.held[done:])]
}

// pieces records b in the pieces it came in.
func (f *flow) pieces(d *direction, b []byte) {
	taken := 0
	for i := range d.pieces {
		p := &d.pieces[i]
		n := min(p.n, len(b))
		f.emit(d, p.at, b[:n])
		b, p.n = b[n:], p.n-n
		if p.n > 0 {
			break
		}
		taken++
		if len(b) == 0 {
			break
		}
	}
	d.pieces = d.pieces[:copy(d.pieces, d.pieces[taken:])]
}

// event records what happened to the connection. What is held until then is masked:
// the rest of it will not come.
func (f *flow) event(e *Event) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.ended || e.Kind == Ended && f.finished {
		return
	}
	at := f.r.now()
	switch e.Kind {
	case Closed, Reset, Ended:
		for _, d := range []*direction{&f.sent, &f.received} {
			if len(d.held) > 0 {
				d.blind = true
				f.release(d)
			}
		}
	}
	comment := appendComment(nil, e, f.local, f.remote)
	switch {
	case f.packets:
		f.put(&f.sent, at, 0, nil, comment)
	case e.Kind == Opened:
		f.put(&f.sent, at, flagSYN, nil, comment)
		f.put(&f.received, at, flagSYN|flagACK, nil, nil)
		f.put(&f.sent, at, flagACK, nil, nil)
	case e.Kind == Ended:
		f.put(&f.received, at, flagFIN|flagACK, nil, comment)
	case e.Kind == Reset:
		f.put(&f.received, at, flagRST|flagACK, nil, comment)
	case e.Kind == Closed:
		f.put(&f.sent, at, flagFIN|flagACK, nil, comment)
	default:
		f.put(&f.sent, at, flagACK, nil, comment)
	}
	f.ended = e.Kind == Closed || e.Kind == Reset && !f.packets
	f.finished = f.finished || e.Kind == Ended
}

// datagram records one of a packet connection.
func (f *flow) datagram(d *direction, b []byte, peer net.Addr) {
	at := f.r.now()
	remote, ok := addressOf(peer)
	f.mu.Lock()
	defer f.mu.Unlock()
	if ok {
		f.remote = remote
		f.local = f.listening
		if remote.Addr().Is4() != f.local.Addr().Is4() { // of a socket for both families
			any := netip.IPv6Unspecified()
			if remote.Addr().Is4() {
				any = netip.IPv4Unspecified()
			}
			f.local = netip.AddrPortFrom(any, f.listening.Port())
		}
	}
	f.take(d, at, b)
}
