package snmp

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"

	"github.com/fieldtap/fieldtap/acquire"
)

// trapSocket reads datagrams into a queue, on a goroutine that does nothing else.
type trapSocket struct {
	conn    net.PacketConn
	udp     *net.UDPConn // conn, if it is one
	buffer  []byte
	control []byte
	dropped uint32 // as the kernel told last
	queue   *trapQueue
	done    chan struct{} // the goroutine has ended
}

func openTrapSocket(ctx context.Context, l *TrapListener, conn net.PacketConn) *trapSocket {
	s := &trapSocket{
		conn: conn, buffer: make([]byte, maxDatagram+1), done: make(chan struct{}),
		queue: &trapQueue{most: l.cfg.Buffer, now: l.cfg.Now, arrived: make(chan struct{}, 1)},
	}
	if udp, ok := conn.(*net.UDPConn); ok {
		s.udp = udp
		granted := readBuffer(udp, l.cfg.ReadBuffer)
		l.granted.Store(int64(granted))
		if granted > 0 && granted < l.cfg.ReadBuffer {
			l.cfg.Logger.LogAttrs(ctx, slog.LevelWarn, "snmp trap socket has a smaller buffer than asked for",
				slog.Int("asked", l.cfg.ReadBuffer), slog.Int("granted", granted))
		}
		if dropCounting(udp) {
			s.control = make([]byte, controlSize())
		}
	}
	go s.run(l)
	return s
}

// run reads until the socket is closed or fails.
func (s *trapSocket) run(l *TrapListener) {
	defer close(s.done)
	told, failures := uint32(0), 0
	for {
		n, from, counted, err := s.receive()
		if err != nil && passing(err) && failures < maxPassing {
			failures++
			continue
		}
		if err != nil {
			_ = s.conn.Close() // it is of no more use
			s.queue.fail(err)
			return
		}
		failures = 0
		if counted {
			l.kernelDrops.Add(uint64(s.dropped - told))
			told = s.dropped
		}
		l.received.Add(1)
		if !s.queue.put(s.buffer[:n], from) {
			l.overflowed.Add(1)
		}
	}
}

func (s *trapSocket) receive() (n int, from netip.AddrPort, counted bool, err error) {
	if s.udp != nil {
		n, from, counted, err = s.read()
	} else {
		var a net.Addr
		n, a, err = s.conn.ReadFrom(s.buffer)
		from = addrPort(a)
	}
	return n, netip.AddrPortFrom(from.Addr().Unmap(), from.Port()), counted, err
}

// maxPassing is how many errors in a row may pass.
const maxPassing = 1000

// passing reports whether reading may go on after err: some systems say in this way
// that nobody took a reply.
func passing(err error) bool {
	return errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.ECONNRESET)
}

// addrPort returns the address of a datagram, zero if it is none of UDP.
func addrPort(a net.Addr) netip.AddrPort {
	switch a := a.(type) {
	case *net.UDPAddr:
		return a.AddrPort()
	case nil:
		return netip.AddrPort{}
	}
	parsed, _ := netip.ParseAddrPort(a.String())
	return parsed
}

// reply sends a datagram.
func (s *trapSocket) reply(message []byte, to netip.AddrPort) error {
	if s.udp != nil {
		_, err := s.udp.WriteToUDPAddrPort(message, to)
		return err
	}
	_, err := s.conn.WriteTo(message, net.UDPAddrFromAddrPort(to))
	return err
}

// close closes the socket, and returns when the goroutine has ended.
func (s *trapSocket) close() {
	_ = s.conn.Close() // whatever it says, reading has ended
	<-s.done
}

// trapQueue holds datagrams between the goroutine that reads them and the one that calls
// Next. It is two buffers: one is filled while the other is used.
type trapQueue struct {
	most    int
	now     func() time.Time
	arrived chan struct{} // something has changed

	mu      sync.Mutex
	filling datagrams
	err     error // the socket has failed
}

// datagrams are datagrams one after the other, in memory that is used again.
type datagrams struct {
	octets []byte
	each   []datagram
	next   int // the first that was not taken
}

type datagram struct {
	from netip.AddrPort
	at   acquire.Instant
	end  int // in octets
}

// perDatagram is what a datagram costs beside its octets.
const perDatagram = 64

// put copies a datagram, and reports false if there is no room.
func (q *trapQueue) put(octets []byte, from netip.AddrPort) bool {
	q.mu.Lock()
	f := &q.filling
	if len(f.octets)+len(octets)+perDatagram*(len(f.each)+1) > q.most {
		q.mu.Unlock()
		return false
	}
	f.octets = append(f.octets, octets...)
	f.each = append(f.each, datagram{from, acquire.At(q.now()), len(f.octets)})
	first := len(f.each) == 1
	q.mu.Unlock()
	if first {
		q.wake()
	}
	return true
}

func (q *trapQueue) fail(err error) {
	q.mu.Lock()
	q.err = err
	q.mu.Unlock()
	q.wake()
}

func (q *trapQueue) wake() {
	select {
	case q.arrived <- struct{}{}:
	default:
	}
}

// swap takes what is there in exchange for a buffer that was used up. Where there is
// nothing, now is a time that whatever comes later is not before, and err why nothing
// will come.
func (q *trapQueue) swap(used *datagrams) (now acquire.Instant, err error) {
	used.octets, used.each, used.next = used.octets[:0], used.each[:0], 0
	q.mu.Lock()
	defer q.mu.Unlock()
	*used, q.filling = q.filling, *used
	if len(used.each) > 0 {
		return 0, nil
	}
	return acquire.At(q.now()), q.err
}

// take returns the next datagram, and false if there is none.
func (d *datagrams) take() (octets []byte, about datagram, ok bool) {
	if d.next == len(d.each) {
		return nil, datagram{}, false
	}
	start := 0
	if d.next > 0 {
		start = d.each[d.next-1].end
	}
	about = d.each[d.next]
	d.next++
	return d.octets[start:about.end:about.end], about, true
}

// left returns how many datagrams were not taken.
func (d *datagrams) left() int { return len(d.each) - d.next }
