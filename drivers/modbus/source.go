package modbus

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/fieldtap/fieldtap/acquire"
)

// Defaults of Config.
const (
	DefaultInterval    = time.Second
	DefaultTimeout     = time.Second
	DefaultMaxTimeouts = 3
	DefaultLatency     = 10 * time.Millisecond
	DefaultRetries     = 2
	DefaultUDPRetries  = 4 // one datagram in ten lost each way leaves one poll in 4000 lost
)

// MaxRetries is the most that Config.Retries may be.
const MaxRetries = 9

// Config says which values to read from which device. It is given by value;
// every field but Catalog, Points and what leads to the device has a default.
//
// A device that has its connection to itself is reached by Address, Serial or
// Dial, with the fields beside them; see BusConfig for what each means. Devices
// that share one are given the same Bus instead.
type Config struct {
	// Name identifies the source in errors and statistics. Default: address and
	// unit, such as "192.0.2.10:502/1", or "modbus/1" without an address.
	Name string
	// Address is the device's host and port; without a port, 502, or 802 with TLS.
	Address string
	// Serial is a serial port, in place of Address.
	Serial Serial
	// Framing is MBAP, RTU or ASCII. Default: MBAP, and RTU on a serial port.
	Framing Framing
	// UDP sends each request in a datagram of its own.
	UDP bool
	// TLS, if it is not nil, secures the connection. It is cloned.
	TLS *tls.Config
	// Bus is a connection shared with other sources, in place of all of the above,
	// of Dial and of ConnectTimeout, Now and Trace.
	Bus *Bus
	// Unit is the unit id that requests carry. A device reached directly often
	// ignores it; behind a gateway or on a serial line, where it is not 0, it selects
	// the device.
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
	// Retries is how often a request may be repeated in the same poll, 1 to 9: within
	// its Timeout, when the device is silent for more than three times as long as it
	// has taken for its answers of late and a share of the Timeout; and while the next
	// poll is not due, when the device says that it is busy. A device that is gone is
	// noticed no later for it. Default: 2, and 4 over UDP, which loses datagrams.
	// Negative: never.
	Retries int
	// ConnectTimeout bounds Open further than its context. Default: 5 s.
	ConnectTimeout time.Duration
	// MaxTimeouts is how many requests in a row may go unanswered, repeated or not,
	// with nothing at all heard from the device, before the link is given up.
	// Default: 3.
	MaxTimeouts int

	// Window is how many requests may be under way at once, 1 to 16, for devices that
	// take the next while they work on one (MBAP without a Pause only). A device that
	// loses requests, or the connection, in two windows in a row is asked for one at a
	// time for an hour. Default: 1.
	Window int

	// MaxRegisters is the most registers the device gives in one answer, 1 to
	// 125. Default: 125, the most the protocol allows.
	MaxRegisters int
	// MaxBits is the same for coils and discrete inputs, 1 to 2000. Default: 2000.
	MaxBits int
	// MaxGap is how many addresses that no point asked for a request may bridge
	// to save another request. Default: as many as pay. Negative: none, for
	// devices that refuse to read them.
	MaxGap int
	// Holes are addresses that the device refuses to read: no request contains one,
	// but for that of a point which lies there, alone.
	Holes []Range
	// EvenCounts makes every request one for an even number of registers, for
	// devices that refuse others.
	EvenCounts bool
	// Latency is how long the device takes for any request, whatever its length,
	// about. On a serial line it decides which gaps are worth bridging. Default:
	// 10 ms.
	Latency time.Duration

	// Release closes the connection after each poll and makes it again for the next,
	// for devices that serve one client at a time.
	Release bool

	// Dial makes the connection in place of a TCP connection to Address. It must
	// return when its context ends, and the connection must keep its deadlines,
	// as those of package net and crypto/tls do.
	Dial func(context.Context) (net.Conn, error)
	// Now is the clock for stamps of samples. Default: time.Now.
	Now func() time.Time
	// Logger receives rare events, such as a refused request. Default: none.
	Logger *slog.Logger
	// Trace observes frames and connections. Default: nothing.
	Trace Trace
}

// Source reads one unit of a device at a fixed interval. It is safe
// for concurrent use.
type Source struct {
	cfg    Config
	bus    *Bus
	points []acquire.PointID
	slot   float64 // of its polls in the period of a shared bus
	framer framer
	tally  acquire.Tally

	members []member

	mu      sync.Mutex
	terms   terms     // as learnt so far
	learnt  time.Time // when the last of them was learnt; zero = nothing was
	current knowledge
	losses  int // windows in a row that lost something
}

// knowledge is what streams go by.
type knowledge struct {
	blocks  []*block // the plan; blocks are never changed
	version int      // of blocks
	window  int      // requests under way at once
}

// relearn is after how long what was learnt from refusals is put to the test: a
// device that was being set up may have refused what it gives now.
const relearn = time.Hour

var (
	_ acquire.Source   = (*Source)(nil)
	_ acquire.Reporter = (*Source)(nil)
)

// NewSource returns the Source that cfg describes, with its points defined in
// cfg.Catalog. The error names every fault of cfg or, if it has none, every
// point that the catalog refuses; the others stay defined. Nothing is sent:
// connecting is left to Open.
func NewSource(cfg Config) (*Source, error) {
	cfg, bus, err := cfg.checked()
	if err != nil {
		return nil, fmt.Errorf("modbus: %w", err)
	}
	s := &Source{cfg: cfg, bus: bus, framer: newFramer(bus.cfg.Framing, cfg.Unit)}
	var faults []error
	s.members, faults = define(cfg.Catalog, cfg.Points, s.cfg.every)
	for _, m := range s.members {
		s.points = append(s.points, m.id)
	}
	if err := errors.Join(faults...); err != nil {
		return nil, fmt.Errorf("modbus: %s: %w", cfg.Name, err)
	}
	if bus.shared {
		s.slot = bus.slot()
	}
	s.cfg.Points = nil // the members have them
	s.terms = s.configured()
	s.current.blocks, s.current.window = s.plan(), cfg.Window
	return s, nil
}

// checked returns c with its defaults filled in and its bus, or everything wrong
// with it.
func (c Config) checked() (Config, *Bus, error) {
	bus, faults := c.connection()
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }

	if c.Catalog == nil {
		fault("no catalog")
	}
	points, wrong := checkedPoints(c.Points)
	c.Points, faults = points, append(faults, wrong...)
	for _, d := range []struct {
		name  string
		value *time.Duration
		zero  time.Duration
	}{
		{"timeout", &c.Timeout, DefaultTimeout},
		{"latency", &c.Latency, DefaultLatency},
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
		{"Window", &c.Window, MaxWindow, 1},
	} {
		*n.value = cmp.Or(*n.value, n.zero)
		if *n.value < 1 || *n.value > n.most {
			fault("%s of %d is not within 1 to %d", n.name, *n.value, n.most)
		}
	}
	for _, p := range c.Points {
		switch {
		case p.At.table.bits() && p.span() > c.MaxBits:
			fault("point %q: %d bits do not fit %d", p.Name, p.span(), c.MaxBits)
		case !p.At.table.bits() && p.span() > c.MaxRegisters && p.ScaleAt.table != 0:
			fault("point %q: value and scale register, %d in all, do not fit %d registers", p.Name, p.span(), c.MaxRegisters)
		case !p.At.table.bits() && p.span() > c.MaxRegisters:
			fault("point %q: type %s does not fit %d registers", p.Name, p.Type, c.MaxRegisters)
		}
	}
	for _, r := range c.Holes {
		if r.At.table == 0 || r.Count < 1 || r.end() > 1<<16 {
			fault("hole at %v is no range of addresses", r)
		}
	}
	if c.Retries == 0 {
		c.Retries = DefaultRetries
		if bus != nil && bus.cfg.UDP {
			c.Retries = DefaultUDPRetries
		}
	}
	if c.Retries > MaxRetries {
		fault("Retries of %d are more than %d", c.Retries, MaxRetries)
	}
	c.Retries = max(c.Retries, 0)
	switch {
	case c.MaxGap == 0:
		c.MaxGap = Coils.limit()
	case c.MaxGap < 0:
		c.MaxGap = 0
	}
	c.Interval = cmp.Or(c.Interval, DefaultInterval)
	for _, p := range c.Points {
		switch {
		case p.Interval == 0:
		case p.Interval < 0:
			fault("point %q: interval of %s is negative", p.Name, p.Interval)
		case c.Interval < 0:
			fault("point %q: an interval of its own needs one of the source", p.Name)
		case p.Interval%c.Interval != 0:
			fault("point %q: interval of %s is no multiple of the source's %s", p.Name, p.Interval, c.Interval)
		}
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if bus == nil {
		return c, nil, errors.Join(faults...)
	}
	c.Name = cmp.Or(c.Name, bus.cfg.Name+"/"+strconv.Itoa(int(c.Unit)))
	c.Now = bus.cfg.Now
	return c, bus, errors.Join(faults...)
}

// checkedPoints returns points with their defaults filled in, and everything wrong
// with them.
func checkedPoints(points []Point) (checked []Point, faults []error) {
	if len(points) == 0 {
		faults = append(faults, errors.New("no points"))
	}
	named := make(map[string]bool, len(points))
	for _, p := range points {
		p = p.withDefaults()
		checked = append(checked, p)
		if err := p.faults(); err != nil {
			faults = append(faults, err)
		}
		switch {
		case p.Name == "":
			faults = append(faults, fmt.Errorf("point at %s has no name", p.At))
		case named[p.Name]:
			faults = append(faults, fmt.Errorf("point %q is given twice", p.Name))
		}
		named[p.Name] = true
	}
	return checked, faults
}

// define returns the points as the catalog knows them, and an error for each that it
// refuses.
func define(c *acquire.Catalog, points []Point, every func(Point) int) (members []member, faults []error) {
	for _, p := range points {
		id, err := c.Define(acquire.Point{Name: p.Name, Unit: p.Unit, Kind: p.kind(), Role: p.Role})
		if err != nil {
			faults = append(faults, err)
			continue
		}
		members = append(members, member{id, p, every(p)})
	}
	return members, faults
}

// connection returns the bus of c, nil if what leads to it is wrong.
func (c Config) connection() (*Bus, []error) {
	own := BusConfig{
		Address: c.Address, Serial: c.Serial, Framing: c.Framing, UDP: c.UDP, TLS: c.TLS, Dial: c.Dial,
		ConnectTimeout: c.ConnectTimeout, Now: c.Now, Trace: c.Trace,
	}
	var faults []error
	bus := c.Bus
	if bus == nil {
		if own, faults = own.checked(); len(faults) > 0 {
			return nil, faults
		}
		bus = newBus(own, false)
	} else if own.Address != "" || own.Serial != (Serial{}) || own.Framing != MBAP || own.UDP || own.TLS != nil ||
		own.Dial != nil || own.ConnectTimeout != 0 || own.Now != nil || !own.Trace.none() {
		faults = append(faults, errors.New("a Bus leaves no room for a connection, clock or trace of its own"))
	}
	if c.Unit == 0 && !bus.cfg.Framing.identified() {
		faults = append(faults, errors.New("unit 0 is the broadcast of serial lines: nobody answers"))
	}
	return bus, faults
}

// every returns how many polls there are from one reading of p to the next.
func (c *Config) every(p Point) int {
	if p.Interval <= 0 || c.Interval <= 0 {
		return 1
	}
	return int(p.Interval / c.Interval)
}

// configured returns the terms before anything is learnt.
func (s *Source) configured() terms {
	// An RTU request and its answer have 8 and 5 bytes besides the data, and the
	// silences around them are 7 characters.
	character := s.bus.cfg.Serial.character()
	t := terms{
		Limits:   Limits{MaxRegisters: s.cfg.MaxRegisters, MaxBits: s.cfg.MaxBits, Holes: slices.Clone(s.cfg.Holes)},
		maxGap:   s.cfg.MaxGap,
		even:     s.cfg.EvenCounts,
		request:  s.cfg.Latency + 20*character,
		register: 2 * character,
	}
	if s.bus.cfg.Framing == ASCII {
		t.request, t.register = s.cfg.Latency+30*character, 4*character
	}
	return t
}

// plan returns the blocks on the present terms, with their requests encoded.
func (s *Source) plan() []*block {
	blocks := plan(s.members, s.terms)
	for _, b := range blocks {
		s.encode(b)
	}
	return blocks
}

// part returns the block of some members of another.
func (s *Source) part(members []member) *block {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := newBlock(members, &s.terms)
	s.encode(b)
	return b
}

func (s *Source) encode(b *block) {
	b.frame, _ = s.framer.request(b) // fails for no read request
}

// Name returns Config.Name or its default.
func (s *Source) Name() string { return s.cfg.Name }

// Points returns the points in the order of Config.Points. The slice belongs to
// the source, and so does Batch.Points of its batches: it must not be changed.
func (s *Source) Points() []acquire.PointID { return s.points }

// Stats returns the counters of all streams of the source together, and the
// state of the latest.
func (s *Source) Stats() acquire.Stats { return s.tally.Stats() }

// Plan returns the requests of the polls, those asked for most often first, else in
// ascending order. It may change after the device refused a request.
func (s *Source) Plan() []Block {
	s.mu.Lock()
	defer s.mu.Unlock()
	plan := make([]Block, len(s.current.blocks))
	for i, b := range s.current.blocks {
		plan[i] = Block{At: b.at, Count: b.count, Points: len(b.members), Every: b.every}
	}
	return plan
}

// Limits returns what the device bears: what Config says, and what its refusals
// have taught since. Put into the next Config, they spare the device the refusals.
// What was learnt is forgotten after an hour and, if it still holds, learnt anew.
func (s *Source) Limits() Limits {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.terms.Limits
	l.Holes = slices.Clone(l.Holes)
	return l
}

// Open connects to the device. The first poll follows with the first Next. An
// error is an *acquire.OpError around that of Dial.
func (s *Source) Open(ctx context.Context) (acquire.Stream, error) {
	s.tally.Enter(acquire.Connecting, acquire.At(s.cfg.Now()))
	var l *link
	err := ctx.Err() // which Dial may leave to its caller
	if err == nil {
		l, err = s.bus.join(ctx)
	}
	if err != nil {
		err = s.fault("open", err)
		s.tally.Fail(err, acquire.At(s.cfg.Now()))
		return nil, err
	}
	s.tally.Update(func(st *acquire.Stats) { st.Connects++ })
	return newStream(s, l), nil
}

// present returns what is known, after forgetting what was learnt too long ago.
func (s *Source) present() knowledge {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.learnt.IsZero() && time.Since(s.learnt) >= relearn {
		s.learnt, s.terms, s.current.window = time.Time{}, s.configured(), s.cfg.Window
		s.replan()
	}
	return s.current
}

// replan plans on the present terms. The caller holds mu.
func (s *Source) replan() {
	s.current.blocks = s.plan()
	s.current.version++
}

// bore notes whether the device answered all of a window. After two in a row of
// which it lost something, it is asked for one at a time.
func (s *Source) bore(all bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.losses++; all {
		s.losses = 0
	}
	if s.losses >= 2 {
		s.losses, s.current.window, s.learnt = 0, 1, time.Now()
	}
}

// learn makes lessons part of the terms and plans anew.
func (s *Source) learn(lessons Limits) {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := s.terms.Limits
	for _, hole := range lessons.Holes {
		if !slices.Contains(s.terms.Holes, hole) {
			s.terms.Holes = append(s.terms.Holes, hole)
		}
	}
	if n := lessons.MaxRegisters; n > 0 {
		s.terms.MaxRegisters = min(s.terms.MaxRegisters, max(n, s.longest(false)))
	}
	if n := lessons.MaxBits; n > 0 {
		s.terms.MaxBits = min(s.terms.MaxBits, n)
	}
	if len(s.terms.Holes) == len(before.Holes) && s.terms.MaxRegisters == before.MaxRegisters && s.terms.MaxBits == before.MaxBits {
		return
	}
	s.learnt = time.Now()
	s.replan()
}

// longest returns the length of the longest value, which no limit may undercut.
func (s *Source) longest(bits bool) (n int) {
	for _, m := range s.members {
		if m.point.At.table.bits() == bits {
			n = max(n, m.point.span())
		}
	}
	return n
}

func (s *Source) fault(op string, err error) error {
	return &acquire.OpError{Op: op, Source: s.cfg.Name, Err: err}
}
