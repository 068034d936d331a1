package wire

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// DefaultBuffer is Config.Buffer where none is given: 1 MiB.
const DefaultBuffer = 1 << 20

// minBuffer holds a packet of any size.
const minBuffer = 128 << 10

// Config says how to record. The zero value masks secrets, leaves out what encrypted
// connections carry, and holds up to 1 MiB back from a slow disk.
type Config struct {
	// Name says in the file what was recorded, such as the site.
	Name string
	// Secrets has passwords and communities recorded as they are. Otherwise a Protocol's
	// Redactor masks them, before anything is kept.
	Secrets bool
	// Plaintext has recorded what encrypted links carry: connections of package crypto/tls,
	// and those whose driver is given the method Plaintext. Otherwise what the former carry
	// is only counted, as Stats.Withheld (record the connection below to have what is on
	// the wire), and of the latter is recorded what is on the wire.
	Plaintext bool
	// Buffer is how many bytes may wait to be written, at least 128 KiB. What does not fit
	// is dropped and counted. Twice as much memory is used at the most.
	// 0: DefaultBuffer.
	Buffer int
	// Now is the clock. nil: time.Now.
	Now func() time.Time
}

// Link says what a connection carries. The zero value is a stream of bytes that nobody
// here understands.
type Link struct {
	// Name is recorded with the connection.
	Name string
	// Protocol finds what is secret, and the port where there is none. nil: nothing
	// is masked.
	Protocol Protocol
	// Packets says that each read and each write is a message of its own. Connections of
	// UDP say so themselves.
	Packets bool
}

// Stats counts what a Recorder has done with packets and bytes.
type Stats struct {
	Connections uint64 // made
	Packets     uint64 // recorded, those made up for handshakes and events among them
	Dropped     uint64 // packets not recorded: the buffer was full, writing had failed, or the Recorder was closed
	Written     uint64 // bytes of the file
	Masked      uint64 // bytes of secrets, and of what might be one
	Withheld    uint64 // bytes of encrypted connections that were left out
	Declined    uint64 // connections whose plaintext was offered, and not taken
}

// Recorder writes the traffic of connections as a pcapng file. It has a goroutine,
// which writes and ends with Close; connections only fill its buffer. Its methods are
// safe for concurrent use. Make one with NewRecorder.
type Recorder struct {
	cfg   Config
	began time.Time
	w     io.Writer
	done  chan struct{}

	latest atomic.Int64 // what now has returned, in nanoseconds since began

	mu     sync.Mutex
	wake   sync.Cond
	fill   []byte // whole blocks
	spare  []byte
	filled uint64 // packets in fill
	lost   uint64 // packets since the last one that was recorded
	hosts  uint16 // made up so far
	stats  Stats
	err    error
	closed bool
}

// NewRecorder returns a Recorder that writes to w, whole blocks at a time and from one
// goroutine. The file is complete after Close, and readable before. w stays the
// caller's. The error names every fault of cfg.
func NewRecorder(w io.Writer, cfg Config) (*Recorder, error) {
	var faults []error
	if w == nil {
		faults = append(faults, errors.New("wire: nothing to write to"))
	}
	if cfg.Buffer == 0 {
		cfg.Buffer = DefaultBuffer
	}
	if cfg.Buffer < minBuffer {
		faults = append(faults, fmt.Errorf("wire: Config.Buffer is %d: want %d at least", cfg.Buffer, minBuffer))
	}
	if len(cfg.Name) > maxText {
		faults = append(faults, fmt.Errorf("wire: Config.Name has %d bytes: want %d at most", len(cfg.Name), maxText))
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	r := &Recorder{cfg: cfg, began: cfg.Now(), w: w, done: make(chan struct{})}
	r.wake.L = &r.mu
	r.fill = appendHead(nil, "fieldtap", cfg.Name)
	go r.run()
	return r, nil
}

// now returns the time, by the clock's monotonic reading if it has one: a clock that is
// set puts nothing out of order. One that goes backwards all the same stands still.
func (r *Recorder) now() time.Time {
	since := int64(r.cfg.Now().Sub(r.began))
	for {
		latest := r.latest.Load()
		if since <= latest {
			return r.began.Add(time.Duration(latest))
		}
		if r.latest.CompareAndSwap(latest, since) {
			return r.began.Add(time.Duration(since))
		}
	}
}

// run writes what is there until Close.
func (r *Recorder) run() {
	defer close(r.done)
	r.mu.Lock()
	defer r.mu.Unlock()
	for {
		for len(r.fill) == 0 && !r.closed {
			r.wake.Wait()
		}
		if r.closed && r.err == nil {
			r.fill = appendStats(r.fill, r.now(), r.stats.Packets, r.stats.Dropped)
		}
		blocks, packets, last := r.fill, r.filled, r.closed
		r.fill, r.spare, r.filled = r.spare[:0], nil, 0
		if r.err == nil && len(blocks) > 0 {
			r.mu.Unlock()
			n, err := r.w.Write(blocks)
			r.mu.Lock()
			if err == nil && n < len(blocks) {
				err = io.ErrShortWrite
			}
			r.stats.Written += uint64(max(n, 0))
			if err != nil {
				r.err = fmt.Errorf("wire: recording ended: %w", err)
				r.stats.Packets -= packets
				r.stats.Dropped += packets
			}
		}
		r.spare = blocks[:0]
		if last {
			return
		}
	}
}

// Close writes what is left and returns the error of writing, if there was one. It
// waits for the writer. Connections go on unrecorded.
func (r *Recorder) Close() error {
	r.mu.Lock()
	r.closed = true
	r.wake.Signal()
	r.mu.Unlock()
	<-r.done
	return r.Err()
}

// Err returns why nothing is recorded any more, nil while all is well.
func (r *Recorder) Err() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.err
}

// Stats returns the counters as they stand.
func (r *Recorder) Stats() Stats {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.stats
}

// put records a packet, or counts it.
func (r *Recorder) put(b *packetBlock, p *packet) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed || r.err != nil || len(r.fill)+b.size(p.size()) > r.cfg.Buffer {
		r.stats.Dropped++
		r.lost++
		return
	}
	b.dropped, r.lost = r.lost, 0
	r.fill = b.append(r.fill, p)
	r.filled++
	r.stats.Packets++
	r.wake.Signal()
}

// count adds to what was masked and withheld.
func (r *Recorder) count(masked, withheld int) {
	if masked == 0 && withheld == 0 {
		return
	}
	r.mu.Lock()
	r.stats.Masked += uint64(masked)
	r.stats.Withheld += uint64(withheld)
	r.mu.Unlock()
}

// Dial returns a function that dials as dial does and records the connection, as a
// driver's Config.Dial for example. The connection behaves as the one that dial made:
// no error and no delay comes from recording. Its type is another, though, so that a driver
// loses what it does with connections of known types alone. One of package crypto/tls
// keeps its ConnectionState.
func (r *Recorder) Dial(link Link, dial func(context.Context) (net.Conn, error)) func(context.Context) (net.Conn, error) {
	return func(ctx context.Context) (net.Conn, error) {
		began := r.now()
		inner, err := dial(ctx)
		if err != nil || inner == nil {
			r.failed(link, began, err)
			return inner, err
		}
		return r.wrap(link, inner), nil
	}
}

// Listen does for a packet connection, such as that of a listener for traps, what Dial
// does for others.
func (r *Recorder) Listen(link Link, listen func(context.Context) (net.PacketConn, error)) func(context.Context) (net.PacketConn, error) {
	return func(ctx context.Context) (net.PacketConn, error) {
		inner, err := listen(ctx)
		if err != nil || inner == nil {
			return inner, err
		}
		return r.listener(link, inner), nil
	}
}

// Addresses that are made up for connections without, of a range kept for
// documentation (RFC 5737), and the ports of a client (RFC 6335, section 6).
const firstPort = 49152

func (r *Recorder) madeUp(link Link) (local, remote netip.AddrPort) {
	r.mu.Lock()
	defer r.mu.Unlock()
	port := uint16(9) // discard
	if link.Protocol != nil {
		port = link.Protocol.Port()
	}
	local = netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, 1}), firstPort+r.hosts%(1<<16-firstPort))
	r.hosts++
	return local, netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, 2}), port)
}

// failed records an attempt that came to nothing.
func (r *Recorder) failed(link Link, began time.Time, err error) {
	if err == nil {
		err = errors.New("dialling gave no connection")
	}
	local, remote := r.madeUp(link)
	var op *net.OpError
	packets := link.Packets || errors.As(err, &op) && strings.HasPrefix(op.Net, "udp")
	if errors.As(err, &op) && op.Addr != nil {
		if a, ok := addressOf(op.Addr); ok {
			remote = a
			if a.Addr().Is6() {
				local = netip.AddrPortFrom(netip.MustParseAddr("2001:db8::1"), local.Port()) // RFC 3849
			}
		}
	}
	at := r.now()
	e := Event{Kind: Failed, Fault: faultOf(err), After: at.Sub(began), Text: err.Error()}
	p := packet{from: local, to: remote, protocol: protocolTCP, flags: flagSYN}
	if packets {
		p.protocol = protocolNoNext
	}
	r.put(&packetBlock{at: at, flags: outbound, comment: appendComment(nil, &e, local, remote)}, &p)
}

// addressOf returns an address of IP, without zone.
func addressOf(a net.Addr) (netip.AddrPort, bool) {
	var at netip.AddrPort
	switch a := a.(type) {
	case *net.TCPAddr:
		at = a.AddrPort()
	case *net.UDPAddr:
		at = a.AddrPort()
	case nil:
	default:
		at, _ = netip.ParseAddrPort(a.String()) // not valid where there is none
	}
	return netip.AddrPortFrom(at.Addr().Unmap().WithZone(""), at.Port()), at.IsValid()
}
