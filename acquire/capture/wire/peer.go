package wire

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"
	"time"
)

// ErrEnd is the error of dialling when all conversations of the recording have been
// played.
var ErrEnd = errors.New("wire: the recording has ended")

// Divergence is the error where a driver does something else than what was recorded.
// Everything the Peer has given out fails with it from then on.
type Divergence struct {
	Conversation int    // which one, counted from 1
	Frame        int    // number of the recorded packet
	Reason       string // what is different
	Want, Got    []byte // the message that was recorded, and the one that came
}

// Error names the frame and shows both messages in hexadecimal, the first 256 bytes
// of each.
func (d *Divergence) Error() string {
	const most = 256
	return fmt.Sprintf("wire: conversation %d, frame %d: request %s:\n  want %d bytes: %x\n  got  %d bytes: %x", d.Conversation, d.Frame, d.Reason,
		len(d.Want), d.Want[:min(len(d.Want), most)], len(d.Got), d.Got[:min(len(d.Got), most)])
}

// Peer plays a recording to a driver: it stands where the device stood. Each Dial
// begins the next conversation. What the driver sends must be what was recorded, as far as the
// Protocol compares it; the answers come as long after their requests as they did then,
// their ids made to fit. Of OPC UA, whose requests overlap, one may come up to a second
// earlier than those recorded before it. To what was recorded without an answer, and to what is
// sent after the end of a conversation, the Peer is silent.
//
// A Peer has no goroutines: it acts while the driver reads and writes. It goes by time.Now
// and timers, and so by the clock of a testing/synctest bubble, in which a recorded night
// takes no time. Its methods are safe for concurrent use. Make one with NewPeer.
type Peer struct {
	protocol      Protocol
	conversations []Conversation
	recorded      time.Time // when the recording began
	began         time.Time // when the playing did

	mu      sync.Mutex
	next    int // conversation
	played  int // requests
	beyond  int // requests that were not recorded
	failure *Divergence
}

// NewPeer returns a Peer of the conversations, whose messages p knows; the port of p
// does not matter. With a nil Protocol, each write of the driver must be the one
// that was recorded. A recording of which a part is to be played can be cut by the
// caller. The conversations must not change any more.
func NewPeer(p Protocol, conversations []Conversation) *Peer {
	peer := &Peer{protocol: p, conversations: conversations, began: time.Now()}
	for _, c := range conversations {
		if len(c.Events) > 0 && (peer.recorded.IsZero() || c.Events[0].Time.Before(peer.recorded)) {
			peer.recorded = c.Events[0].Time
		}
	}
	return peer
}

// Now returns the time of the recording that is being played: it begins with the first
// event and goes as fast as time.Now. As a driver's clock it gives samples the times
// that they had.
func (p *Peer) Now() time.Time { return p.recorded.Add(time.Since(p.began)) }

// Err returns the first Divergence, nil as long as there is none.
func (p *Peer) Err() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.failure == nil {
		return nil
	}
	return p.failure
}

// Progress returns how many requests were played as they had been recorded, and how many
// came after the end of a conversation.
func (p *Peer) Progress() (played, beyond int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.played, p.beyond
}

// Left returns how many conversations have not begun.
func (p *Peer) Left() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.conversations) - p.next
}

// Dial begins the next conversation. One that failed when it was recorded fails
// again, after the same time. Later the error is ErrEnd.
func (p *Peer) Dial(ctx context.Context) (net.Conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	p.mu.Lock()
	if p.failure != nil {
		defer p.mu.Unlock()
		return nil, p.failure
	}
	if p.next == len(p.conversations) {
		defer p.mu.Unlock()
		return nil, ErrEnd
	}
	c := &p.conversations[p.next]
	p.next++
	number := p.next
	p.mu.Unlock()
	if len(c.Events) > 0 && c.Events[0].Kind == Failed {
		e := &c.Events[0]
		t := time.NewTimer(e.After)
		defer t.Stop()
		select {
		case <-t.C:
			return nil, e.err()
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	pc := &peerConn{peer: p, number: number, talk: c, script: newScript(p.protocol, c), changed: make(chan struct{})}
	pc.schedule(pc.script.opening, nil, nil, time.Now())
	return pc, nil
}

// diverge keeps the first divergence.
func (p *Peer) diverge(d *Divergence) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.failure == nil {
		p.failure = d
	}
	return p.failure
}

// peerConn is the driver's end of a conversation that is played.
type peerConn struct {
	peer   *Peer
	number int
	talk   *Conversation
	script *script

	mu            sync.Mutex
	next          int           // the first request that was not played
	ahead         []int         // those behind it that were
	in            []byte        // the beginning of one
	due           []due         // what the device does, by time
	recorded      []byte        // the message that begins the present request of a chunker, nil between requests
	begun         []byte        // what came in its place
	latest        uint32        // number of the message given out last, of a sequencer's
	changed       chan struct{} // closed and replaced when something of this has changed
	readBy, write time.Time     // deadlines
	closed        bool
}

// due is something that the device does at a time.
type due struct {
	at    time.Time
	order int
	bytes []byte
	event *Event // nil: bytes
	whole []byte // the message that begins here, to be numbered by a sequencer
	step  uint32
}

// schedule makes replies due, from a request on that came now, in place of recorded.
func (c *peerConn) schedule(replies []reply, recorded, request []byte, now time.Time) {
	for i := range replies {
		r := &replies[i]
		if r.kind != Received {
			c.insert(due{at: now.Add(r.pieces[0].after), order: r.order, event: r.event})
			continue
		}
		bytes := r.bytes
		if c.peer.protocol != nil && request != nil {
			bytes = c.peer.protocol.Answer(nil, r.bytes, recorded, request)
		}
		grown := len(bytes) - len(r.bytes) // ids may take more room, which the last piece has
		var whole []byte
		if r.step != 0 {
			whole = slices.Clone(bytes)
			bytes = whole
		}
		for j, q := range r.pieces {
			n := q.n
			if j == len(r.pieces)-1 {
				n = max(q.n+grown, 0)
			}
			n = min(n, len(bytes))
			c.insert(due{at: now.Add(q.after), order: r.order, bytes: bytes[:n], whole: whole, step: r.step})
			bytes, whole = bytes[n:], nil
		}
	}
}

// insert keeps what the device does in the order in which it did it.
func (c *peerConn) insert(d due) {
	i := len(c.due)
	for i > 0 && c.due[i-1].order > d.order {
		i--
	}
	c.due = slices.Insert(c.due, i, d)
	if i > 0 && c.due[i].at.Before(c.due[i-1].at) {
		c.due[i].at = c.due[i-1].at
	}
	for ; i+1 < len(c.due) && c.due[i+1].at.Before(c.due[i].at); i++ {
		c.due[i+1].at = c.due[i].at
	}
}

// stir wakes whoever waits. The caller holds c.mu.
func (c *peerConn) stir() {
	close(c.changed)
	c.changed = make(chan struct{})
}

// Write takes what the driver sends, and holds it against the recording.
func (c *peerConn) Write(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	switch {
	case c.closed:
		return 0, net.ErrClosed
	case !c.write.IsZero() && !now.Before(c.write):
		return 0, os.ErrDeadlineExceeded
	}
	if err := c.peer.Err(); err != nil {
		return 0, err
	}
	defer c.stir()
	if c.peer.protocol == nil || c.talk.Packets {
		return c.sent(len(b), c.request(b, now))
	}
	c.in = append(c.in, b...)
	for len(c.in) > 0 {
		n, err := c.peer.protocol.Next(c.in)
		if err != nil {
			n = len(c.in) // what it is will show
		}
		if n <= 0 || n > len(c.in) {
			break
		}
		err = c.request(c.in[:n], now)
		c.in = c.in[n:]
		if err != nil {
			return c.sent(len(b), err)
		}
	}
	return len(b), nil
}

// sent is the result of a Write.
func (c *peerConn) sent(n int, err error) (int, error) {
	if err != nil {
		return 0, err
	}
	return n, nil
}

// request plays one request.
func (c *peerConn) request(b []byte, now time.Time) error {
	if c.next == len(c.script.requests) {
		c.peer.mu.Lock()
		c.peer.beyond++
		c.peer.mu.Unlock()
		return nil
	}
	at, err := c.find(b)
	want := &c.script.requests[at]
	if err != nil {
		return c.peer.diverge(&Divergence{
			Conversation: c.number, Frame: want.frame, Reason: err.Error(),
			Want: slices.Clone(want.bytes), Got: slices.Clone(b),
		})
	}
	c.ahead = append(c.ahead, at)
	for i := slices.Index(c.ahead, c.next); i >= 0; i = slices.Index(c.ahead, c.next) {
		c.ahead = slices.Delete(c.ahead, i, i+1)
		c.next++
	}
	c.peer.mu.Lock()
	c.peer.played++
	c.peer.mu.Unlock()
	if c.recorded == nil {
		c.recorded, c.begun = want.bytes, slices.Clone(b)
	}
	c.schedule(want.replies, c.recorded, c.begun, now)
	if p, ok := c.peer.protocol.(chunker); !ok || !p.continues(b) {
		c.recorded, c.begun = nil, nil
	}
	if want.unsent != nil {
		return want.unsent.err()
	}
	return nil
}

// How far a request of a sequencer may have overtaken others.
const (
	mostAhead = 16          // requests
	longAhead = time.Second // from when the one was recorded to when the other was
)

// find returns which recorded request a request is: the first one that was not played or,
// of a sequencer's, one soon after it. An error says how it differs from that first one.
func (c *peerConn) find(b []byte) (at int, err error) {
	first := &c.script.requests[c.next]
	if err = match(c.peer.protocol, first.bytes, b); err == nil {
		return c.next, nil
	}
	if _, concurrent := c.peer.protocol.(sequencer); !concurrent {
		return c.next, err
	}
	for i := c.next + 1; i < min(len(c.script.requests), c.next+mostAhead); i++ {
		r := &c.script.requests[i]
		if r.at.Sub(first.at) > longAhead {
			break
		}
		if !slices.Contains(c.ahead, i) && match(c.peer.protocol, r.bytes, b) == nil {
			return i, nil
		}
	}
	return c.next, err
}

func match(p Protocol, recorded, request []byte) error {
	switch {
	case p != nil:
		return p.Match(recorded, request)
	case string(recorded) != string(request):
		return errDiffers
	}
	return nil
}

// Read gives what is due, and waits for it.
func (c *peerConn) Read(b []byte) (int, error) {
	for {
		c.mu.Lock()
		now := time.Now()
		switch {
		case c.closed:
			c.mu.Unlock()
			return 0, net.ErrClosed
		case !c.readBy.IsZero() && !now.Before(c.readBy):
			c.mu.Unlock()
			return 0, os.ErrDeadlineExceeded
		case c.peer.Err() != nil:
			c.mu.Unlock()
			return 0, c.peer.Err()
		case len(c.due) > 0 && !now.Before(c.due[0].at):
			n, err := c.take(b)
			c.mu.Unlock()
			if n == 0 && err == nil && len(b) > 0 && !c.talk.Packets {
				continue
			}
			return n, err
		}
		until := c.readBy
		if len(c.due) > 0 && (until.IsZero() || c.due[0].at.Before(until)) {
			until = c.due[0].at
		}
		changed := c.changed
		c.mu.Unlock()
		if until.IsZero() {
			<-changed
			continue
		}
		t := time.NewTimer(until.Sub(now))
		select {
		case <-t.C:
		case <-changed:
		}
		t.Stop()
	}
}

// take takes what is due. The end of a stream stays due.
func (c *peerConn) take(b []byte) (int, error) {
	d := &c.due[0]
	switch {
	case d.event != nil && d.event.Kind == Ended:
		return 0, io.EOF
	case d.event != nil:
		err := d.event.err()
		if c.talk.Packets {
			c.due = slices.Delete(c.due, 0, 1)
		}
		return 0, err
	}
	if d.whole != nil {
		c.latest += d.step
		if number := c.peer.protocol.(sequencer).number(d.whole); number != nil {
			le.PutUint32(number, c.latest)
		}
		d.whole = nil
	}
	n := copy(b, d.bytes)
	if d.bytes = d.bytes[n:]; len(d.bytes) == 0 || c.talk.Packets {
		c.due = slices.Delete(c.due, 0, 1)
	}
	return n, nil
}

// Close ends the conversation. What of it was not played is left out.
func (c *peerConn) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return net.ErrClosed
	}
	c.closed = true
	c.stir()
	return nil
}

// LocalAddr returns the address of the recorded driver.
func (c *peerConn) LocalAddr() net.Addr { return c.address(c.talk.Local) }

// RemoteAddr returns the address of the recorded device.
func (c *peerConn) RemoteAddr() net.Addr { return c.address(c.talk.Remote) }

func (c *peerConn) address(at netip.AddrPort) net.Addr {
	if c.talk.Packets {
		return net.UDPAddrFromAddrPort(at)
	}
	return net.TCPAddrFromAddrPort(at)
}

// SetDeadline sets both deadlines.
func (c *peerConn) SetDeadline(t time.Time) error { return c.deadline(t, true, true) }

// SetReadDeadline sets that of Read.
func (c *peerConn) SetReadDeadline(t time.Time) error { return c.deadline(t, true, false) }

// SetWriteDeadline sets that of Write, which never waits.
func (c *peerConn) SetWriteDeadline(t time.Time) error { return c.deadline(t, false, true) }

func (c *peerConn) deadline(t time.Time, read, write bool) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return net.ErrClosed
	}
	if read {
		c.readBy = t
	}
	if write {
		c.write = t
	}
	c.stir()
	return nil
}
