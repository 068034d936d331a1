package snmptest

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"slices"
)

// link is the way back to the sender of a request.
type link interface {
	send(message []byte) error
	foreign(message []byte) error // from another port, where there are ports
	cut()                         // ends a connection
	from() net.Addr
}

// Serve accepts connections from l until l or the server is closed, with the framing of RFC 3430. It closes l. The result is
// nil after [Server.Close], else the error of l.
func (s *Server) Serve(l net.Listener) error {
	if !s.enter(l) {
		return nil
	}
	defer s.leave(l)
	return s.accept(l)
}

// ServePackets answers the datagrams of p until p or the server is closed. It closes p. The result is nil after
// [Server.Close], else the error of p.
func (s *Server) ServePackets(p net.PacketConn) error {
	if !s.enter(p) {
		return nil
	}
	defer s.leave(p)
	return s.receive(p)
}

// ServeConn serves one connection, which carries one message after the other as RFC 3430 says, and returns when it has ended: the
// client closed it, a fault cut it, its framing was lost, or the server was closed. It closes c.
func (s *Server) ServeConn(c net.Conn) {
	if s.enter(c) {
		defer s.leave(c)
		s.stream(c)
	}
}

// ServeDatagrams serves one connection each Read of which gives one message, and each Write sends one: a connected UDP
// socket, or one end of a net.Pipe whose other end stands for one. Replies wait in a queue, as in the memory of a socket, and are
// dropped and counted when it is full: a peer who does not read holds up nothing. It returns when c or the server is closed, and
// closes c.
func (s *Server) ServeDatagrams(c net.Conn) {
	if s.enter(c) {
		defer s.leave(c)
		s.datagrams(c)
	}
}

// Dial returns a new connection to the agent in memory, which carries datagrams, one a Write and one a Read into a buffer that is
// large enough. It fits the Dial function of a driver's configuration and needs no network, so that virtual time works. It never
// waits; the context is not used. The error is net.ErrClosed after [Server.Close].
func (s *Server) Dial(context.Context) (net.Conn, error) {
	client, server := net.Pipe()
	if !s.enter(server) {
		return nil, net.ErrClosed
	}
	go func() {
		defer s.leave(server)
		s.datagrams(server)
	}()
	return client, nil
}

func (s *Server) datagrams(c net.Conn) {
	q := queue{c, make(chan []byte, waiting)}
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case message := <-q.out:
				_, _ = c.Write(message) // on failure the read below has ended as well
			case <-stop:
				return
			}
		}
	}()
	for {
		t := s.task()
		n, err := c.Read(t.buffer())
		if err != nil {
			s.release(t)
			_ = c.Close() // ends a write
			close(stop)
			<-stopped
			return
		}
		s.accepted(t, n, q)
	}
}

func (s *Server) accept(l net.Listener) error {
	for {
		c, err := l.Accept()
		if err != nil {
			if s.ended() {
				return nil
			}
			return err
		}
		if s.enter(c) {
			go func() {
				defer s.leave(c)
				s.stream(c)
			}()
		}
	}
}

func (s *Server) receive(p net.PacketConn) error {
	for {
		t := s.task()
		n, address, err := p.ReadFrom(t.buffer())
		if err != nil {
			s.release(t)
			switch {
			case s.ended():
				return nil
			case errors.Is(err, net.ErrClosed):
				return err
			}
			if ne, ok := errors.AsType[net.Error](err); ok && ne.Timeout() {
				return err
			}
			continue // an ICMP error of an earlier reply, on some systems
		}
		s.accepted(t, n, packets{p, address})
	}
}

func (s *Server) stream(c net.Conn) {
	in := bufio.NewReader(c)
	for {
		t := s.task()
		n, err := readMessage(in, t.buffer())
		if err != nil {
			if errors.Is(err, errFraming) {
				s.count(&s.stats.Malformed)
			}
			s.release(t)
			return
		}
		s.accepted(t, n, wire{c})
	}
}

// errFraming is the end of a stream's framing: what follows cannot be told apart.
var errFraming = errors.New("snmptest: no message")

// readMessage reads one message, which tells its own length, into b.
func readMessage(in io.Reader, b []byte) (int, error) {
	if _, err := io.ReadFull(in, b[:2]); err != nil {
		return 0, err
	}
	head, length := 2, int(b[1])
	if length >= 0x80 {
		size := length & 0x7F
		if size == 0 || size > 4 {
			return 0, errFraming
		}
		if _, err := io.ReadFull(in, b[2:2+size]); err != nil {
			return 0, err
		}
		long := uint64(0)
		for _, c := range b[2 : 2+size] {
			long = long<<8 | uint64(c)
		}
		if long > uint64(len(b)) {
			return 0, errFraming
		}
		head, length = 2+size, int(long)
	}
	if b[0] != 0x30 || head+length > len(b) {
		return 0, errFraming
	}
	_, err := io.ReadFull(in, b[head:head+length])
	return head + length, err
}

// wire is a connection with one peer.
type wire struct{ net.Conn }

func (w wire) send(message []byte) error {
	_, err := w.Write(message)
	return err
}
func (w wire) foreign(message []byte) error { return w.send(message) }
func (w wire) cut()                         { _ = w.Close() }
func (w wire) from() net.Addr               { return w.RemoteAddr() }

// queue is a connection with one peer whose messages wait in memory.
type queue struct {
	net.Conn
	out chan []byte
}

// errFull is a queue that takes no more.
var errFull = errors.New("snmptest: queue of replies is full")

func (q queue) send(message []byte) error {
	select {
	case q.out <- slices.Clone(message):
		return nil
	default:
		return errFull
	}
}
func (q queue) foreign(message []byte) error { return q.send(message) }
func (q queue) cut()                         {}
func (q queue) from() net.Addr               { return q.RemoteAddr() }

// packets is a socket that others use as well.
type packets struct {
	net.PacketConn
	address net.Addr
}

func (p packets) send(message []byte) error {
	_, err := p.WriteTo(message, p.address)
	return err
}

func (p packets) foreign(message []byte) error {
	local, ok := p.LocalAddr().(*net.UDPAddr)
	if !ok {
		return p.send(message)
	}
	other, err := net.ListenUDP("udp", &net.UDPAddr{IP: local.IP, Zone: local.Zone})
	if err != nil {
		return err
	}
	defer other.Close()
	_, err = other.WriteTo(message, p.address)
	return err
}

func (packets) cut()             {}
func (p packets) from() net.Addr { return p.address }
