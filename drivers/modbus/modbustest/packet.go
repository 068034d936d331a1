package modbustest

import (
	"errors"
	"io"
	"net"
	"sync"
	"time"
)

// ServePackets serves the datagrams of p, until p or the server is closed, each sender as a connection of its own. A datagram
// holds whole requests; a reply goes out in one datagram, in pieces if a fault says so. It closes p. The result is nil after
// [Server.Close], else the error of p.
func (s *Server) ServePackets(p net.PacketConn) error {
	l := &packetListener{PacketConn: p}
	if !s.enterListener(l) {
		return p.Close()
	}
	defer s.leaveListener(l)
	senders := make(map[string]*sender)
	defer func() {
		for _, from := range senders {
			from.end()
		}
	}()
	var buf [1 << 16]byte
	for {
		n, address, err := p.ReadFrom(buf[:])
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				s.mu.Lock()
				defer s.mu.Unlock()
				if s.closed {
					return nil
				}
			}
			return err
		}
		from := senders[address.String()]
		if from == nil || from.ended() {
			from = &sender{PacketConn: p, address: address, in: make(chan []byte, queued), done: make(chan struct{})}
			senders[address.String()] = from
			if c := s.enterConn(from); c != nil {
				go c.serve()
			}
		}
		select {
		case from.in <- append([]byte(nil), buf[:n]...):
		default: // as a network does
		}
	}
}

// packetListener lets Close end the reading of datagrams.
type packetListener struct{ net.PacketConn }

func (*packetListener) Accept() (net.Conn, error) { return nil, net.ErrClosed }
func (l *packetListener) Addr() net.Addr          { return l.LocalAddr() }

// sender makes a connection of the datagrams of one sender.
type sender struct {
	net.PacketConn
	address net.Addr
	in      chan []byte
	rest    []byte // of the datagram last received
	done    chan struct{}
	once    sync.Once
}

func (c *sender) end() { c.once.Do(func() { close(c.done) }) }

func (c *sender) ended() bool {
	select {
	case <-c.done:
		return true
	default:
		return false
	}
}

func (c *sender) Read(b []byte) (int, error) {
	for len(c.rest) == 0 {
		select {
		case c.rest = <-c.in:
		case <-c.done:
			return 0, io.EOF
		}
	}
	n := copy(b, c.rest)
	c.rest = c.rest[n:]
	return n, nil
}

func (c *sender) Write(b []byte) (int, error) {
	if c.ended() {
		return 0, net.ErrClosed
	}
	return c.WriteTo(b, c.address)
}

// Close ends the connection and leaves the socket to the others.
func (c *sender) Close() error {
	c.end()
	return nil
}

func (c *sender) RemoteAddr() net.Addr           { return c.address }
func (*sender) SetDeadline(time.Time) error      { return nil }
func (*sender) SetReadDeadline(time.Time) error  { return nil }
func (*sender) SetWriteDeadline(time.Time) error { return nil }
