package modbus

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fieldtap/fieldtap/acquire"
)

// Defaults of Config.
const (
	DefaultPort           = "502" // assigned to Modbus by IANA
	DefaultInterval       = time.Second
	DefaultTimeout        = time.Second
	DefaultConnectTimeout = 5 * time.Second
	DefaultMaxTimeouts    = 3
)

// Config says which values to read from which device. It is given by value;
// every field but Catalog, Points and Address or Dial has a default.
type Config struct {
	// Name identifies the source in errors and statistics. Default: address and
	// unit, such as "192.0.2.10:502/1", or "modbus/1" without an address.
	Name string
	// Address is the device's host and port; without a port, 502.
	Address string
	// Unit is the unit id that requests carry. A device reached directly often
	// ignores it; behind a gateway it selects the device.
	Unit byte
	// Catalog is where the points are defined.
	Catalog *acquire.Catalog
	// Points are the values to read, in any order.
	Points []Point

	// Interval is the time from poll to poll. Default: 1 s. Negative: each poll
	// follows the one before without a pause.
	Interval time.Duration
	// Timeout is how long to wait for the answer to one request. Default: 1 s.
	Timeout time.Duration
	// ConnectTimeout bounds Open further than its context. Default: 5 s.
	ConnectTimeout time.Duration
	// MaxTimeouts is how many requests in a row may go unanswered, with nothing
	// at all heard from the device, before the link is given up. Default: 3.
	MaxTimeouts int

	// MaxRegisters is the most registers the device gives in one answer, 1 to
	// 125. Default: 125, the most the protocol allows.
	MaxRegisters int
	// MaxBits is the same for coils and discrete inputs, 1 to 2000. Default: 2000.
	MaxBits int
	// MaxGap is how many addresses that no point asked for a request may bridge
	// to save another request. Default: as many as fit. Negative: none, for
	// devices that refuse to read them. A device that refuses a request with a
	// gap is not asked for that gap again.
	MaxGap int

	// Dial makes the connection in place of a TCP connection to Address. It must
	// return when its context ends, and the connection must keep its deadlines,
	// as those of package net and crypto/tls do.
	Dial func(context.Context) (net.Conn, error)
	// Now is the clock for stamps of samples. Default: time.Now.
	Now func() time.Time
	// Logger receives rare events, such as a refused request. Default: none.
	Logger *slog.Logger
	// Trace observes frames. Default: nothing.
	Trace Trace
}

// Trace is a set of functions called with each frame; nil ones are left out.
// They run in the middle of the exchange, and must return at once and neither
// keep nor change the frame.
type Trace struct {
	Sent     func(frame []byte) // about to be written
	Received func(frame []byte) // complete, before any check of its content
}

// Source reads one unit of a Modbus/TCP device at a fixed interval. It is safe
// for concurrent use.
type Source struct {
	cfg    Config
	points []acquire.PointID
	framer framer
	tally  acquire.Tally

	// transactions holds the id of the latest request of any stream. Ids go on
	// from stream to stream, so that an answer that a gateway owes to a former
	// connection and sends on the next one is known by its id.
	transactions atomic.Uint32

	mu     sync.Mutex
	blocks []*block // the plan as learnt so far; blocks are never changed
}

var (
	_ acquire.Source   = (*Source)(nil)
	_ acquire.Reporter = (*Source)(nil)
)

// NewSource returns the Source that cfg describes, with its points defined in
// cfg.Catalog. The error names every fault of cfg or, if it has none, every
// point that the catalog refuses; the others stay defined. Nothing is sent:
// connecting is left to Open.
func NewSource(cfg Config) (*Source, error) {
	cfg, err := cfg.checked()
	if err != nil {
		return nil, fmt.Errorf("modbus: %w", err)
	}
	s := &Source{cfg: cfg, framer: newFramer(cfg.Unit)}
	s.transactions.Store(uint32(cfg.Now().UnixMicro())) // not where the process before began
	var (
		faults  []error
		members []member
	)
	for _, p := range cfg.Points {
		id, err := cfg.Catalog.Define(acquire.Point{Name: p.Name, Unit: p.Unit, Kind: p.kind(), Role: p.Role})
		if err != nil {
			faults = append(faults, err)
			continue
		}
		s.points = append(s.points, id)
		members = append(members, member{id, p})
	}
	if err := errors.Join(faults...); err != nil {
		return nil, fmt.Errorf("modbus: %s: %w", cfg.Name, err)
	}
	s.blocks = s.plan(members, cfg.MaxGap)
	return s, nil
}

// checked returns c with its defaults filled in, or everything wrong with it.
func (c Config) checked() (Config, error) {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }

	switch {
	case c.Address == "" && c.Dial == nil:
		fault("no address")
	case c.Address != "":
		host, port, err := net.SplitHostPort(c.Address)
		if err != nil { // no port: a name, an IPv4 address, or an IPv6 address with or without brackets
			host, port = c.Address, DefaultPort
			if h := len(host); h >= 2 && host[0] == '[' && host[h-1] == ']' {
				host = host[1 : h-1]
			}
		}
		if host == "" || port == "" {
			fault("address %q lacks a host or a port", c.Address)
		}
		if n, err := strconv.Atoi(port); err == nil && (n < 1 || n > 1<<16-1) {
			fault("port of address %q is not within 1 to 65535", c.Address)
		}
		c.Address = net.JoinHostPort(host, port)
	}
	if c.Catalog == nil {
		fault("no catalog")
	}
	if len(c.Points) == 0 {
		fault("no points")
	}
	named := make(map[string]bool, len(c.Points))
	c.Points = slices.Clone(c.Points)
	for i, p := range c.Points {
		p = p.withDefaults()
		c.Points[i] = p
		if err := p.faults(); err != nil {
			faults = append(faults, err)
		}
		if p.Name == "" {
			fault("point at %s has no name", p.At)
			continue
		}
		if named[p.Name] {
			fault("point %q is given twice", p.Name)
		}
		named[p.Name] = true
	}
	for _, d := range []struct {
		name  string
		value *time.Duration
		zero  time.Duration
	}{
		{"timeout", &c.Timeout, DefaultTimeout},
		{"connect timeout", &c.ConnectTimeout, DefaultConnectTimeout},
	} {
		*d.value = cmp.Or(*d.value, d.zero)
		if *d.value < 0 {
			fault("%s of %s is negative", d.name, *d.value)
		}
	}
	for _, n := range []struct {
		name  string
		value *int
		most  int
		zero  int
	}{
		{"MaxRegisters", &c.MaxRegisters, HoldingRegisters.limit(), HoldingRegisters.limit()},
		{"MaxBits", &c.MaxBits, Coils.limit(), Coils.limit()},
		{"MaxTimeouts", &c.MaxTimeouts, 1 << 30, DefaultMaxTimeouts},
	} {
		*n.value = cmp.Or(*n.value, n.zero)
		if *n.value < 1 || *n.value > n.most {
			fault("%s of %d is not within 1 to %d", n.name, *n.value, n.most)
		}
	}
	for _, p := range c.Points {
		if !p.At.table.bits() && p.span() > c.MaxRegisters {
			fault("point %q: type %s does not fit %d registers", p.Name, p.Type, c.MaxRegisters)
		}
	}
	switch {
	case c.MaxGap == 0:
		c.MaxGap = Coils.limit()
	case c.MaxGap < 0:
		c.MaxGap = 0
	}
	c.Interval = cmp.Or(c.Interval, DefaultInterval)
	if c.Name == "" {
		c.Name = cmp.Or(c.Address, "modbus") + "/" + strconv.Itoa(int(c.Unit))
	}
	if c.Dial == nil {
		address := c.Address
		c.Dial = func(ctx context.Context) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "tcp", address)
		}
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c, errors.Join(faults...)
}

// plan returns blocks with their requests encoded.
func (s *Source) plan(members []member, maxGap int) []*block {
	limit := func(t Table) int {
		if t.bits() {
			return s.cfg.MaxBits
		}
		return s.cfg.MaxRegisters
	}
	blocks := plan(members, limit, maxGap)
	for _, b := range blocks {
		b.frame, _ = s.framer.request(b) // fails for no read request
	}
	return blocks
}

// Name returns Config.Name or its default.
func (s *Source) Name() string { return s.cfg.Name }

// Points returns the points in the order of Config.Points. The slice belongs to
// the source, and so does Batch.Points of its batches: it must not be changed.
func (s *Source) Points() []acquire.PointID { return s.points }

// Stats returns the counters of all streams of the source together, and the
// state of the latest.
func (s *Source) Stats() acquire.Stats { return s.tally.Stats() }

// Plan returns the requests of one poll in ascending order. It may change after
// the device refused a request that bridges a gap.
func (s *Source) Plan() []Block {
	s.mu.Lock()
	defer s.mu.Unlock()
	plan := make([]Block, len(s.blocks))
	for i, b := range s.blocks {
		plan[i] = Block{At: b.at, Count: b.count, Points: len(b.members)}
	}
	return plan
}

// Open connects to the device. The first poll follows with the first Next. An
// error is an *acquire.OpError around that of Dial.
func (s *Source) Open(ctx context.Context) (acquire.Stream, error) {
	s.tally.Enter(acquire.Connecting, acquire.At(s.cfg.Now()))
	var conn net.Conn
	err := ctx.Err() // which Dial may leave to its caller
	if err == nil {
		conn, err = s.dial(ctx)
	}
	if err != nil {
		err = s.fault("open", err)
		now := acquire.At(s.cfg.Now())
		s.tally.Update(func(st *acquire.Stats) {
			st.Failures++
			st.LastError, st.LastErrorAt = err, now
		})
		s.tally.Enter(acquire.Ended, now)
		return nil, err
	}
	s.tally.Update(func(st *acquire.Stats) { st.Connects++ })
	s.mu.Lock()
	defer s.mu.Unlock()
	return newStream(s, conn, s.blocks), nil
}

func (s *Source) dial(ctx context.Context) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.ConnectTimeout)
	defer cancel()
	conn, err := s.cfg.Dial(ctx)
	if err == nil && conn == nil {
		err = errors.New("dialling gave no connection")
	}
	return conn, err
}

// learn replaces the block refused by parts in the plan of later streams.
func (s *Source) learn(refused *block, parts []*block) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.Index(s.blocks, refused)
	if i < 0 {
		return // another stream learnt it first
	}
	s.blocks = slices.Concat(s.blocks[:i], parts, s.blocks[i+1:])
}

func (s *Source) fault(op string, err error) error {
	return &acquire.OpError{Op: op, Source: s.cfg.Name, Err: err}
}
