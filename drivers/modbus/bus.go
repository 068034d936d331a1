package modbus

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"maps"
	"math"
	"net"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fieldtap/fieldtap/acquire"
)

// Defaults of BusConfig.
const (
	DefaultPort           = "502" // assigned to Modbus by IANA
	DefaultTLSPort        = "802" // assigned to Modbus/TCP Security by IANA
	DefaultConnectTimeout = 5 * time.Second
	DefaultLateGrace      = 5 * time.Second
)

// BusConfig says how to reach the units behind one connection: a serial line, a
// gateway, a device. It is given by value; what is needed is one of Address,
// Serial and Dial.
type BusConfig struct {
	// Name identifies the bus in the default names of its sources. Default: the
	// address or the path of the serial port.
	Name string
	// Address is the host and port of a device, gateway or converter; without a
	// port, 502, or 802 with TLS.
	Address string
	// Serial is a serial port, in place of Address. Framing is RTU unless it is
	// ASCII.
	Serial Serial
	// Framing is MBAP, RTU or ASCII. RTU and ASCII with an Address is what a
	// converter does that passes serial frames over TCP.
	Framing Framing
	// UDP sends each request in a datagram of its own, in place of a TCP connection.
	UDP bool
	// TLS, if it is not nil, secures the connection as Modbus/TCP Security (V36)
	// asks: TLS 1.2 or newer, certificates on both sides. What the device gives us may
	// depend on the role in our certificate: see Role. It is cloned.
	TLS *tls.Config
	// Dial makes the connection in place of one to Address. It must return when
	// its context ends, and the connection must keep its deadlines, as those of
	// package net and crypto/tls do.
	Dial func(context.Context) (net.Conn, error)
	// Wrap, if it is not nil, is given the function that makes the connection, be it to
	// Address, over TLS, to a serial port, or Dial, and returns the one to be used: a
	// recorder's, for example. It is called once.
	Wrap func(dial func(context.Context) (net.Conn, error)) func(context.Context) (net.Conn, error)
	// ConnectTimeout bounds Open further than its context. Default: 5 s.
	ConnectTimeout time.Duration

	// Links is how many connections may be open at once, shared evenly by the
	// sources. Default: 1.
	Links int
	// Pause is the least time between a frame and the next request. On a serial line
	// it is at least 3.5 characters.
	Pause time.Duration
	// LateGrace is how late an answer may come, where answers do not say what they
	// answer (RTU, ASCII), from a unit that gives no echo to tell by. A device that a
	// request has thrown out of step may need that long to find back. Default: 5 s.
	LateGrace time.Duration

	// Now is the clock for stamps of samples. Default: time.Now.
	Now func() time.Time
	// Trace observes frames and connections. Default: nothing.
	Trace Trace

	certified *certified // what Dial uses for TLS
}

// Trace is a set of functions called with each frame and each secured connection;
// nil ones are left out. They run in the middle of the exchange, and must return at
// once and neither keep nor change the frame.
type Trace struct {
	Sent     func(frame []byte) // about to be written
	Received func(frame []byte) // complete, before any check of its content

	// Secured tells what each new TLS connection rests on, before the first request.
	// With TLS 1.3 the server may still refuse our certificate.
	Secured func(Security)
}

// none reports whether t observes nothing.
func (t *Trace) none() bool { return t.Sent == nil && t.Received == nil && t.Secured == nil }

// Bus is a connection that several sources share, each for a unit of its own:
// their requests take turns in the order of asking, so that none waits for more
// than one request, or one window, of each other. Their polls after the first are spread
// over the period, each source at the same place in it for good. The connection is made when the
// first stream is opened and ends with the last. When it breaks it is closed, and so
// the streams on it end; the first that is opened again makes a new one.
//
// A Bus is safe for concurrent use. Make one with NewBus.
type Bus struct {
	cfg    BusConfig
	shared bool // by sources of others; else each stream has a link of its own

	// transactions holds the id of the latest request on any link. Ids go on from
	// link to link, so that an answer that a gateway owes to a former connection
	// and sends on the next one is known by its id.
	transactions atomic.Uint32

	begun time.Time     // what the slots count from
	slots atomic.Uint32 // given out so far

	dialing chan struct{} // holds one token
	missed  time.Time     // when the latest attempt to connect failed, and why; of who has the token
	refusal error

	mu     sync.Mutex
	links  []*link        // of a shared bus
	habits map[byte]habit // by unit
	owed   map[byte]doubt // by unit, on links that are gone: the next one may be sent it
}

// NewBus returns the Bus that cfg describes. The error names every fault of cfg.
// Nothing is sent: connecting is left to the first stream.
func NewBus(cfg BusConfig) (*Bus, error) {
	cfg, faults := cfg.checked()
	if err := errors.Join(faults...); err != nil {
		return nil, fmt.Errorf("modbus: %w", err)
	}
	return newBus(cfg, true), nil
}

func newBus(cfg BusConfig, shared bool) *Bus {
	b := &Bus{
		cfg: cfg, shared: shared, begun: time.Now(), dialing: make(chan struct{}, 1),
		habits: make(map[byte]habit), owed: make(map[byte]doubt),
	}
	b.dialing <- struct{}{}
	b.transactions.Store(uint32(cfg.Now().UnixMicro())) // not where the process before began
	return b
}

// Name returns BusConfig.Name or its default.
func (b *Bus) Name() string { return b.cfg.Name }

// checked returns c with its defaults filled in, and everything wrong with it.
func (c BusConfig) checked() (BusConfig, []error) {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	serial := c.Serial != (Serial{})
	if c.Framing > ASCII {
		fault("unknown %v", c.Framing)
	}
	switch {
	case serial && (c.Address != "" || c.UDP || c.TLS != nil):
		fault("serial port %q and a network address exclude each other", c.Serial.Port)
	case c.UDP && c.TLS != nil:
		fault("TLS needs TCP")
	case c.TLS != nil && c.Framing != MBAP:
		fault("Modbus/TCP Security knows no %v framing", c.Framing)
	}
	if c.TLS != nil {
		faults = append(faults, checkRoles(c.TLS.Certificates)...)
	}
	if serial {
		if c.Framing == MBAP {
			c.Framing = RTU
		}
		var err error
		if c.Serial, err = c.Serial.checked(c.Framing); err != nil {
			faults = append(faults, err)
		}
	}
	switch {
	case c.Address == "" && !serial && c.Dial == nil:
		fault("no address")
	case c.Address != "":
		var err error
		if c.Address, err = hostPort(c.Address, c.TLS != nil); err != nil {
			faults = append(faults, err)
		}
	}
	for _, d := range []struct {
		name  string
		value *time.Duration
		zero  time.Duration
	}{
		{"connect timeout", &c.ConnectTimeout, DefaultConnectTimeout},
		{"pause", &c.Pause, 0},
		{"late grace", &c.LateGrace, DefaultLateGrace},
	} {
		*d.value = cmp.Or(*d.value, d.zero)
		if *d.value < 0 {
			fault("%s of %s is negative", d.name, *d.value)
		}
	}
	c.Links = cmp.Or(c.Links, 1)
	if c.Links < 1 {
		fault("%d links are too few", c.Links)
	}
	if serial && c.Links > 1 {
		fault("a serial port has one link, not %d", c.Links)
	}
	c.Name = cmp.Or(c.Name, c.Address, c.Serial.Port, "modbus")
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Dial == nil && len(faults) == 0 {
		c.Dial = c.dialer()
	}
	if c.Wrap != nil && c.Dial != nil {
		if c.Dial = c.Wrap(c.Dial); c.Dial == nil {
			fault("wrapping gave no function to dial")
		}
	}
	return c, faults
}

// hostPort returns the address with a port.
func hostPort(address string, secure bool) (string, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil { // no port: a name, an IPv4 address, or an IPv6 address with or without brackets
		host, port = address, DefaultPort
		if secure {
			port = DefaultTLSPort
		}
		if h := len(host); h >= 2 && host[0] == '[' && host[h-1] == ']' {
			host = host[1 : h-1]
		}
	}
	var faults []error
	if host == "" || port == "" {
		faults = append(faults, fmt.Errorf("address %q lacks a host or a port", address))
	}
	if n, err := strconv.Atoi(port); err == nil && (n < 1 || n > 1<<16-1) {
		faults = append(faults, fmt.Errorf("port of address %q is not within 1 to 65535", address))
	}
	return net.JoinHostPort(host, port), errors.Join(faults...)
}

// dialer returns what makes the connection.
func (c *BusConfig) dialer() func(context.Context) (net.Conn, error) {
	address := c.Address
	switch {
	case c.Serial != (Serial{}):
		return c.Serial.open
	case c.TLS != nil:
		c.certified = secured(c.TLS, address)
		return c.certified.dial
	}
	network := "tcp"
	if c.UDP {
		network = "udp"
	}
	return func(ctx context.Context) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, network, address)
	}
}

// packets reports whether each read gives one frame.
func (c *BusConfig) packets() bool { return c.UDP }

// gap returns the least silence in front of a request.
func (c *BusConfig) gap() time.Duration {
	if c.Serial == (Serial{}) {
		return c.Pause
	}
	return max(c.Pause, c.Serial.silence())
}

// slot returns the place of one more source in the period, as a share of it. Each
// multiple of the golden ratio falls into the widest gap that those before it have
// left, so that however many sources there are they are spread about evenly, and none
// moves when one is added.
func (b *Bus) slot() float64 {
	_, share := math.Modf(float64(b.slots.Add(1)-1) * (math.Phi - 1))
	return share
}

// untilSlot returns how long it is until a slot of the period, more than 0 and one
// period at most.
func (b *Bus) untilSlot(slot float64, period time.Duration) time.Duration {
	return period - (time.Since(b.begun)-time.Duration(slot*float64(period))+period)%period
}

// join returns a link for one more stream, new or one with others on it. However
// many wait for a bus that cannot be reached, one attempt speaks for all of them.
func (b *Bus) join(ctx context.Context) (*link, error) {
	if !b.shared {
		return b.dial(ctx)
	}
	asked := time.Now()
	select {
	case <-b.dialing:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { b.dialing <- struct{}{} }()
	if l := b.vacant(); l != nil {
		return l, nil
	}
	if b.missed.After(asked) {
		return nil, b.refusal
	}
	l, err := b.dial(ctx)
	if err != nil {
		if ctx.Err() == nil { // else the attempt was cut short
			b.missed, b.refusal = time.Now(), err
		}
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.links = append(b.links, l)
	return l, nil
}

// vacant returns the sound link with the fewest streams, nil if there is room for
// another link that would have fewer.
func (b *Bus) vacant() *link {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.links = slices.DeleteFunc(b.links, func(l *link) bool { return l.failure() != nil })
	if len(b.links) == 0 {
		return nil
	}
	least := slices.MinFunc(b.links, func(x, y *link) int { return cmp.Compare(x.streams, y.streams) })
	if least.streams > 0 && len(b.links) < b.cfg.Links {
		return nil
	}
	least.streams++
	return least
}

// dial makes a link, for one stream so far.
func (b *Bus) dial(ctx context.Context) (*link, error) {
	ctx, cancel := context.WithTimeout(ctx, b.cfg.ConnectTimeout)
	defer cancel()
	conn, err := b.cfg.Dial(ctx)
	if err == nil && conn == nil {
		err = errors.New("dialling gave no connection")
	}
	if err != nil {
		return nil, judged(err)
	}
	if b.cfg.Trace.Secured != nil {
		if s, ok := b.security(conn); ok {
			b.cfg.Trace.Secured(s)
		}
	}
	l := newLink(b, conn)
	l.streams = 1
	return l, nil
}

// leave takes a stream off its link, which ends with the last one.
func (b *Bus) leave(l *link) error {
	b.mu.Lock()
	l.streams--
	last := l.streams == 0
	if last {
		if i := slices.Index(b.links, l); i >= 0 {
			b.links = slices.Delete(b.links, i, i+1)
		}
	}
	b.mu.Unlock()
	if !last {
		return nil
	}
	return l.hangUp(acquire.ErrClosed)
}

// doubt returns what a unit may still owe on l.
func (b *Bus) doubt(l *link, unit byte) doubt {
	b.mu.Lock()
	defer b.mu.Unlock()
	d := l.doubts[unit]
	d.habit = b.habits[unit]
	return d
}

func (b *Bus) setDoubt(l *link, unit byte, d doubt) {
	b.mu.Lock()
	defer b.mu.Unlock()
	l.doubts[unit], b.habits[unit] = d, d.habit
	switch {
	case !d.owes:
		delete(b.owed, unit)
	case l.failure() != nil:
		b.owed[unit] = d
	}
}

// inherit leaves what units owe on l to the links to come.
func (b *Bus) inherit(l *link) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for unit, d := range l.doubts {
		if d.owes {
			b.owed[unit] = d
		}
	}
}

// inheritance returns what units may owe on a new link.
func (b *Bus) inheritance() map[byte]doubt {
	b.mu.Lock()
	defer b.mu.Unlock()
	return maps.Clone(b.owed)
}
