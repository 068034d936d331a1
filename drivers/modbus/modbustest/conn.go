package modbustest

import (
	"bufio"
	"encoding/binary"
	"errors"
	"net"
	"slices"
	"sync"
	"time"
)

// Frame layout: Messaging Implementation Guide V1.0b, section 3.1.3. The header is transaction (2 bytes), protocol (2), length (2,
// counting what follows it) and unit (1); then the PDU.
const (
	headerLen = 7
	maxFrame  = 260 // V1.1b3, section 4.1: 253 bytes of PDU and the header

	minLength = 2            // the unit and a function code
	maxLength = maxFrame - 6 // what the length field may say
	queued    = 64           // requests a connection may have waiting; more are held up by the transport
	maxReply  = 2 * maxFrame // room for the ready-made faults to append without a new buffer
)

// conn is one connection: a reader takes requests apart, one goroutine answers them in order, late answers have a goroutine each.
type conn struct {
	server  *Server
	net     net.Conn
	ordinal int

	queue chan arrival
	done  chan struct{} // closed by cut
	once  sync.Once

	// turn holds one token: whoever writes a reply, however slowly, is alone. A channel for the reason given at faultTurn.
	turn chan struct{}
	late sync.WaitGroup

	// Memory of the answering goroutine.
	current   arrival
	exchange  Exchange
	reply     [maxReply]byte
	bits      [maxBits]bool
	registers [maxRegisters]uint16
}

// arrival is one request as it came.
type arrival struct {
	ordinal int
	length  int
	frame   [maxFrame]byte
}

func newConn(s *Server, nc net.Conn, ordinal int) *conn {
	return &conn{
		server:  s,
		net:     nc,
		ordinal: ordinal,
		queue:   make(chan arrival, queued),
		done:    make(chan struct{}),
		turn:    make(chan struct{}, 1),
	}
}

// cut ends the connection: reads, writes and waits of all its goroutines return.
func (c *conn) cut() {
	c.once.Do(func() {
		close(c.done)
		_ = c.net.Close() // nobody is left to tell
	})
}

func (c *conn) serve() {
	defer c.server.leaveConn(c)
	answering := make(chan struct{})
	go func() {
		defer close(answering)
		for c.current = range c.queue {
			if !c.answer() {
				c.cut()
				return
			}
		}
	}()
	c.read()
	c.cut()
	close(c.queue)
	<-answering
	c.late.Wait()
}

// read queues requests until the connection ends or its framing is lost.
func (c *conn) read() {
	in := bufio.NewReaderSize(c.net, maxWire)
	var a arrival
	for {
		n, err := c.server.framing.read(in, &a.frame)
		switch {
		case errors.Is(err, errGarbled):
			c.server.count(&c.server.stats.Malformed)
			continue
		case errors.Is(err, errLost):
			c.server.count(&c.server.stats.Malformed)
			return
		case err != nil:
			return
		}
		a.length = n
		a.ordinal = c.server.received(a.frame[headerLen])
		if c.server.framing != MBAP {
			binary.BigEndian.PutUint16(a.frame[:], uint16(a.ordinal))
		}
		select {
		case c.queue <- a:
		case <-c.done:
			return
		}
	}
}

// answer handles the current request and tells whether the connection goes on.
func (c *conn) answer() bool {
	if !c.wait(c.server.perRequest + c.server.onTheWay(c.current.frame[:c.current.length])) {
		return false
	}
	frame := c.current.frame[:c.current.length]
	x := &c.exchange
	*x = Exchange{Conn: c.ordinal, N: c.current.ordinal, Frame: frame, Request: parseRequest(frame)}
	x.Reply = c.respond(x.Request, frame)
	x.Drop = len(x.Reply) == 0
	if fault := c.server.currentFault(); fault != nil {
		if !c.apply(fault, x) {
			return false
		}
	}
	if !c.wait(x.Delay) {
		return false
	}
	if x.Late > 0 {
		postponed := *x
		postponed.Reply = slices.Clone(x.Reply)
		postponed.Pieces = slices.Clone(x.Pieces)
		c.late.Go(func() {
			if !c.wait(postponed.Late) || !c.send(&postponed) {
				c.cut()
			}
		})
		return true
	}
	return c.send(x)
}

// apply runs the fault alone among all connections.
func (c *conn) apply(fault Fault, x *Exchange) bool {
	select {
	case c.server.faultTurn <- struct{}{}:
	case <-c.done:
		return false
	}
	defer func() { <-c.server.faultTurn }()
	fault(x)
	return true
}

// send writes the reply in its pieces and tells whether the connection goes on.
func (c *conn) send(x *Exchange) bool {
	if !x.Drop && len(x.Reply) > 0 {
		select {
		case c.turn <- struct{}{}:
		case <-c.done:
			return false
		}
		ok := c.write(x)
		<-c.turn
		if !ok {
			return false
		}
		c.server.count(&c.server.stats.Replies)
	}
	if x.Reset {
		if tcp, ok := c.net.(interface{ SetLinger(seconds int) error }); ok {
			_ = tcp.SetLinger(0) // on failure the close below is an orderly one
		}
	}
	return !x.Close && !x.Reset
}

func (c *conn) write(x *Exchange) bool {
	if !c.wait(c.server.silence() + c.server.onTheWay(x.Reply)) {
		return false
	}
	rest := x.Reply
	if c.server.framing != MBAP {
		rest = c.server.framing.append(nil, x.Reply)
	}
	if x.Wire != nil {
		rest = x.Wire(rest)
	}
	for _, n := range x.Pieces {
		if n <= 0 {
			continue
		}
		if n >= len(rest) {
			break
		}
		if _, err := c.net.Write(rest[:n]); err != nil {
			return false
		}
		rest = rest[n:]
		if !c.wait(x.Pause) {
			return false
		}
	}
	_, err := c.net.Write(rest)
	return err == nil
}

// wait lets d pass and tells whether the connection is still there.
func (c *conn) wait(d time.Duration) bool {
	if d <= 0 {
		select {
		case <-c.done:
			return false
		default:
			return true
		}
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-c.done:
		return false
	}
}
