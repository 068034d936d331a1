package passive

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"slices"
	"time"

	"github.com/fieldtap/fieldtap/acquire"
)

// Limits bound the memory of a Reader, whatever a capture contains.
type Limits struct {
	// MaxConnections is how many TCP connections, and as many pairs of UDP peers, are
	// followed at once. Beyond it those not heard of for longest are forgotten. Default:
	// 65,536.
	MaxConnections int
	// MaxHeld is how many bytes are kept from packet to packet, about: what came out of
	// order, parts of messages, requests that wait for their answer, monitored items.
	// Default: 256 MiB.
	MaxHeld int
	// MaxMessage is how many bytes a message of OPC UA may have over all its chunks.
	// Default: 16 MiB.
	MaxMessage int
}

// Defaults of Limits and ReaderConfig.
const (
	DefaultMaxConnections = 1 << 16
	DefaultMaxHeld        = 256 << 20
	DefaultMaxMessage     = 16 << 20
	DefaultTimeout        = 5 * time.Second
)

// ReaderConfig says what to read. The zero value of each field but Files is a documented
// default.
type ReaderConfig struct {
	// Files are captures, pcap or pcapng, compressed by gzip or not, of link types
	// Ethernet (with VLAN tags), Linux cooked, loopback and raw IP. Their packets are
	// read in the order of time, as far as each file is in order itself, so that the
	// files of a ring, or of several taps, may be given in any order. Required.
	Files []string
	// Open opens a file of Files, which it may do several times. Default: os.Open.
	Open func(name string) (io.ReadCloser, error)
	// ModbusPorts are the TCP ports of servers that speak Modbus, in MBAP or RTU frames:
	// which of the two is found out. Default: 502.
	ModbusPorts []uint16
	// SNMPPorts are the ports of agents, over UDP and TCP, and of receivers of traps.
	// Default: 161 and 162.
	SNMPPorts []uint16
	// OPCUAPorts are the TCP ports of servers that speak OPC UA Connection Protocol. A
	// connection that is captured from its first byte on is found on any port. Default:
	// 4840.
	OPCUAPorts []uint16
	// Timeout is how long an answer is awaited, by the times of the packets. Default:
	// 5 s.
	Timeout time.Duration
	// Limits bound the memory.
	Limits Limits
}

// checked returns c with its defaults filled in, or everything wrong with it.
func (c ReaderConfig) checked() (ReaderConfig, error) {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf("passive: "+format, args...)) }
	if len(c.Files) == 0 {
		fault("no files")
	}
	c.Files = slices.Clone(c.Files)
	for i, name := range c.Files {
		if slices.Contains(c.Files[:i], name) {
			fault("file %q is given twice", name)
		}
	}
	if c.Open == nil {
		c.Open = func(name string) (io.ReadCloser, error) { return os.Open(name) }
	}
	owner := make(map[uint16]string)
	for _, ports := range []struct {
		what   string
		ports  *[]uint16
		normal []uint16
	}{
		{"ModbusPorts", &c.ModbusPorts, []uint16{502}},
		{"SNMPPorts", &c.SNMPPorts, []uint16{161, 162}},
		{"OPCUAPorts", &c.OPCUAPorts, []uint16{4840}},
	} {
		given := *ports.ports
		if given == nil {
			given = ports.normal
		}
		*ports.ports = slices.Clone(given)
		for _, port := range given {
			switch other := owner[port]; {
			case port == 0:
				fault("%s: no port 0", ports.what)
			case other != "":
				fault("%s: port %d is among %s", ports.what, port, other)
			}
			owner[port] = ports.what
		}
	}
	if c.Timeout = cmp.Or(c.Timeout, DefaultTimeout); c.Timeout < 0 {
		fault("timeout of %s is negative", c.Timeout)
	}
	positive := func(what string, n *int, usual int) {
		if *n = cmp.Or(*n, usual); *n < 1 || *n > 1<<30 {
			fault("Limits.%s of %d is not within 1 to %d", what, *n, 1<<30)
		}
	}
	positive("MaxConnections", &c.Limits.MaxConnections, DefaultMaxConnections)
	positive("MaxHeld", &c.Limits.MaxHeld, DefaultMaxHeld)
	positive("MaxMessage", &c.Limits.MaxMessage, DefaultMaxMessage)
	return c, errors.Join(faults...)
}

// Reader gives the messages that captures contain, one by one: what a Source makes its
// samples of, and a Survey its list. It belongs to one goroutine at a time.
type Reader struct {
	cfg     ReaderConfig
	d       *decoder
	waiting []*queued // files that have not been opened again, the first one last
	open    []*queued // with a packet at hand
	damage  error
	flushed bool
	taken   *queued // whose packet was handed on: it is valid until the next is read
	err     error   // final
}

// queued is a file with its next packet.
type queued struct {
	path   string
	index  int
	begins acquire.Instant // time of its first packet
	file   *captureFile    // nil while it is waiting
	next   packet
	latest acquire.Instant // time of its packets so far: one set back is read in its place
}

// NewReader opens the captures of cfg. The error names every fault of cfg, and every
// file that cannot be read.
func NewReader(cfg ReaderConfig) (*Reader, error) {
	cfg, err := cfg.checked()
	if err != nil {
		return nil, err
	}
	r := &Reader{cfg: cfg, d: newDecoder(cfg)}
	var faults []error
	for i, path := range cfg.Files {
		q := &queued{path: path, index: i}
		if err := q.look(cfg.Open); err != nil {
			faults = append(faults, err)
			continue
		}
		r.waiting = append(r.waiting, q)
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	slices.SortStableFunc(r.waiting, func(a, b *queued) int { return -cmp.Compare(a.begins, b.begins) })
	return r, nil
}

// look finds out when a file begins. An empty one, and one that is cut before its first
// packet, begins at once: reading it tells.
func (q *queued) look(open func(string) (io.ReadCloser, error)) error {
	f, err := openFile(q.path, open)
	if err != nil {
		return err
	}
	var p packet
	for p.time == 0 {
		if err := f.next(&p); err != nil {
			break
		}
	}
	q.begins = p.time
	return f.close()
}

// Next returns the next message. The error is io.EOF at the end of captures that are all
// whole; of others it is a *DamageError, or several joined, after all that could be read.
// It is final.
func (r *Reader) Next() (*Observation, error) { return r.next(nil) }

// next is Next until done is closed. It reports nothing then.
func (r *Reader) next(done <-chan struct{}) (*Observation, error) {
	for packets := 1; ; packets++ {
		if r.d.read < len(r.d.out) {
			o := &r.d.out[r.d.read]
			r.d.read++
			return o, nil
		}
		if r.err != nil {
			return nil, r.err
		}
		if packets%64 == 0 {
			select {
			case <-done:
				return nil, nil
			default:
			}
		}
		if err := r.advance(); err != nil {
			return nil, err
		}
	}
}

// advance takes the next packet.
func (r *Reader) advance() error {
	if r.flushed {
		r.err = r.damage
		if r.err == nil {
			r.err = io.EOF
		}
		return r.err
	}
	q, err := r.earliest()
	if err != nil {
		r.err = err
		return err
	}
	if q == nil {
		r.flushed = true
		r.d.flush()
		return nil
	}
	r.taken = q
	r.d.packet(&q.next)
	return nil
}

// earliest returns the file whose packet at hand is next, after that which was taken
// has been replaced; nil if there is none.
func (r *Reader) earliest() (*queued, error) {
	if r.taken != nil {
		r.step(slices.Index(r.open, r.taken))
		r.taken = nil
	}
	for {
		best := -1
		for i, q := range r.open {
			if best < 0 || q.latest < r.open[best].latest {
				best = i
			}
		}
		if n := len(r.waiting); n > 0 && (best < 0 || r.waiting[n-1].begins < r.open[best].latest) {
			q := r.waiting[n-1]
			r.waiting = r.waiting[:n-1]
			f, err := openFile(q.path, r.cfg.Open)
			if err != nil {
				return nil, err
			}
			q.file = f
			r.open = append(r.open, q)
			r.step(len(r.open) - 1)
			continue
		}
		if best < 0 {
			return nil, nil
		}
		return r.open[best], nil
	}
}

// step reads the next packet of an open file, and closes one that has ended.
func (r *Reader) step(i int) {
	q := r.open[i]
	if err := q.file.next(&q.next); err != nil {
		if err != io.EOF {
			r.damage = errors.Join(r.damage, err)
		}
		_ = q.file.close() // it was only read
		r.open = slices.Delete(r.open, i, i+1)
		return
	}
	q.next.file = q.index
	q.latest = max(q.latest, q.next.time)
}

// All iterates over the messages. After an error other than io.EOF, which it gives with
// no message, it ends.
func (r *Reader) All() iter.Seq2[*Observation, error] {
	return func(yield func(*Observation, error) bool) {
		for {
			o, err := r.Next()
			if err == io.EOF {
				return
			}
			if !yield(o, err) || err != nil {
				return
			}
		}
	}
}

// Stats returns what was met so far.
func (r *Reader) Stats() Stats { return r.d.stats }

// Close closes the files. It is idempotent; Next fails from then on.
func (r *Reader) Close() error {
	var faults []error
	for _, q := range r.open {
		faults = append(faults, q.file.close())
	}
	r.open, r.waiting = nil, nil
	if r.err == nil {
		r.err = acquire.ErrClosed
	}
	r.d.out, r.d.read = nil, 0
	return errors.Join(faults...)
}
