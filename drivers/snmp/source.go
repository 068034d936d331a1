package snmp

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/internal/snmpwire"
)

// Defaults of Config.
const (
	DefaultInterval       = 10 * time.Second
	DefaultMaxTimeouts    = 3
	DefaultConnectTimeout = 5 * time.Second
)

// Config says which values to read from which agent. It is given by value; every field
// but Catalog, Points or Tables, and what leads to the agent has a default.
type Config struct {
	// Name identifies the source in errors and statistics. Default: the address, or
	// "snmp" without one.
	Name string
	// Address is the host and port of the agent; without a port, 161.
	Address string
	// TCP uses a TCP connection (RFC 3430) in place of datagrams.
	TCP bool
	// Dial makes the connection in place of one to Address: one for datagrams, or one
	// for a stream of bytes if TCP is set. It must return when its context ends, and
	// the connection must keep its deadlines, as those of package net do.
	Dial func(context.Context) (net.Conn, error)
	// ConnectTimeout bounds Open further than its context. Default: 5 s.
	ConnectTimeout time.Duration

	// Version is the version of the protocol. Default: V3 with a User, V2c with a
	// Community.
	Version Version
	// Community is what versions 1 and 2c have in place of a login. It goes over the
	// network for everyone on the way to read.
	Community acquire.Secret
	// User is who we are to an agent of version 3, in place of a Community.
	User User

	// Catalog is where the points are defined.
	Catalog *acquire.Catalog
	// Points are the scalars to read, in any order.
	Points []Point
	// Tables are the tables to read. Their points are defined as their rows appear.
	Tables []Table

	// Interval is the time from poll to poll. Default: 10 s. Negative: each poll
	// follows the one before without a pause.
	Interval time.Duration
	// Timeout is how long to wait for the answer to one request, repeats included.
	// Default: 3 s.
	Timeout time.Duration
	// Retries is how often a request is repeated within its Timeout, up to 5. Default:
	// 2. Negative: never. See AgentConfig.Retries.
	Retries int
	// MaxTimeouts is how many requests in a row may go unanswered, repeated or not,
	// before the stream ends. Default: 3.
	MaxTimeouts int
	// MaxMessage is the longest answer that is taken, in bytes. Tables are asked for in
	// answers of 1,400 bytes at first, and of up to as many if the agent gives them
	// fast. Default: 65,507.
	MaxMessage int
	// Limits are what the agent is known to bear. Default: nothing is known.
	Limits Limits

	// Now is the clock for stamps of samples. Default: time.Now.
	Now func() time.Time
	// Logger receives rare events, such as a restart of the agent. Default: none.
	Logger *slog.Logger
	// Trace observes messages. Default: nothing.
	Trace Trace
	// Plaintext has secured messages of version 3 told in plain form; see
	// AgentConfig.Plaintext. Default: nothing is told.
	Plaintext func(net.Conn) (sent, received func(message []byte))
}

// Source reads scalars and tables of one agent at a fixed interval. It is safe for
// concurrent use.
type Source struct {
	cfg     Config
	agent   *sessionConfig
	scalars []*scalar
	tables  []*table
	tally   acquire.Tally

	upTime, upTimeColumn []byte // encoded
	communityBytes       int    // of each message of versions 1 and 2c

	mu      sync.Mutex
	points  []acquire.PointID
	owners  map[acquire.PointID]int // by point: its column among those of all tables, -1 of a scalar
	learnt  time.Time               // when the last of the terms was learnt; zero = nothing was
	stale   bool                    // the plan does not fit what is known
	columns []walked
	current knowledge
	memory  *memory // nil while a stream has it
}

// knowledge is what streams go by.
type knowledge struct {
	terms   terms
	gets    []*get
	walks   [][]walked
	version int // of the plan
}

// relearn is after how long what was learnt from refusals is put to the test: an agent
// that was being set up may have refused what it gives now.
const relearn = time.Hour

var (
	_ acquire.Source   = (*Source)(nil)
	_ acquire.Reporter = (*Source)(nil)
)

// NewSource returns the Source that cfg describes, with the points of its scalars
// defined in cfg.Catalog. The error names every fault of cfg or, if it has none, every
// point that the catalog refuses; the others stay defined. Nothing is sent: connecting
// is left to Open.
func NewSource(cfg Config) (*Source, error) {
	cfg, agent, err := cfg.checked()
	if err != nil {
		return nil, fmt.Errorf("snmp: %w", err)
	}
	s := &Source{
		cfg: cfg, agent: agent, upTime: upTime.encode(), upTimeColumn: upTimeColumn.encode(),
		owners: make(map[acquire.PointID]int), communityBytes: len(cfg.Community),
	}
	// Package fmt prints unexported fields without asking them: what is secret stays
	// behind the pointer to what the sessions need.
	s.cfg.Community, s.cfg.User.AuthKey, s.cfg.User.PrivKey = "", "", ""
	var faults []error
	for i, p := range cfg.Points {
		id, err := s.define(acquire.Point{Name: p.Name, Unit: p.Unit, Kind: p.kind(), Role: p.Role}, -1)
		if err != nil {
			faults = append(faults, err)
			continue
		}
		s.scalars = append(s.scalars, newScalar(i, id, p, cfg.every(p.Interval)))
	}
	if err := errors.Join(faults...); err != nil {
		return nil, fmt.Errorf("snmp: %s: %w", cfg.Name, err)
	}
	offset := 0
	for i, t := range cfg.Tables {
		planned := newTable(i, t, cfg.every(t.Interval))
		planned.offset = offset
		offset += len(t.Columns)
		s.tables = append(s.tables, planned)
	}
	slices.SortStableFunc(s.tables, func(a, b *table) int { return cmp.Compare(a.every, b.every) })
	for i, c := range share(s.tables) {
		c.number = i
		s.columns = append(s.columns, walked{column: c, rows: expectedRows, size: c.first})
	}
	s.current.terms = s.configured()
	s.plan()
	s.memory = newMemory(s.scalars, s.tables)
	return s, nil
}

// checked returns c with its defaults filled in and what leads to the agent, or
// everything wrong with it.
func (c Config) checked() (Config, *sessionConfig, error) {
	agent, faults := AgentConfig{
		Address: c.Address, TCP: c.TCP, Dial: c.Dial, Version: c.Version, Community: c.Community, User: c.User,
		Timeout: c.Timeout, Retries: c.Retries, MaxMessage: c.MaxMessage, Now: c.Now, Logger: c.Logger, Trace: c.Trace,
		Plaintext: c.Plaintext,
	}.checked()
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	if c.Catalog == nil {
		fault("no catalog")
	}
	if len(c.Points) == 0 && len(c.Tables) == 0 {
		fault("neither points nor tables")
	}
	c.Interval = cmp.Or(c.Interval, DefaultInterval)
	interval := func(what string, d time.Duration) {
		switch {
		case d <= 0: // negative: said already
		case c.Interval < 0:
			fault("%s: an interval of its own needs one of the source", what)
		case d%c.Interval != 0:
			fault("%s: interval of %s is no multiple of the source's %s", what, d, c.Interval)
		}
	}
	named := make(map[string]bool)
	c.Points, c.Tables = slices.Clone(c.Points), slices.Clone(c.Tables)
	for i := range c.Points {
		c.Points[i] = c.Points[i].withDefaults()
		p := &c.Points[i]
		what := fmt.Sprintf("point %q", p.Name)
		if err := p.faults(what); err != nil {
			faults = append(faults, err)
		}
		switch {
		case p.Name == "":
			fault("point at %s has no name", p.OID)
		case named[p.Name]:
			fault("%s is given twice", what)
		}
		named[p.Name] = true
		interval(what, p.Interval)
	}
	for i := range c.Tables {
		c.Tables[i] = c.Tables[i].withDefaults()
		t := &c.Tables[i]
		if err := t.faults(); err != nil {
			faults = append(faults, err)
		}
		interval(fmt.Sprintf("table %q", t.Name), t.Interval)
	}
	c.Limits.Refused = slices.Clone(c.Limits.Refused)
	slices.SortFunc(c.Limits.Refused, OID.Compare)
	if l := c.Limits; l.MaxAnswer < 0 || l.MaxObjects < 0 {
		fault("a limit of %d bytes or %d objects is negative", l.MaxAnswer, l.MaxObjects)
	}
	c.ConnectTimeout = cmp.Or(c.ConnectTimeout, DefaultConnectTimeout)
	if c.ConnectTimeout < 0 {
		fault("connect timeout of %s is negative", c.ConnectTimeout)
	}
	if c.MaxTimeouts = cmp.Or(c.MaxTimeouts, DefaultMaxTimeouts); c.MaxTimeouts < 1 {
		fault("MaxTimeouts of %d are less than 1", c.MaxTimeouts)
	}
	if len(faults) > 0 {
		return c, nil, errors.Join(faults...)
	}
	c.Name = cmp.Or(c.Name, c.Address, "snmp")
	c.Now, c.Logger, c.Timeout = agent.now, agent.logger, agent.timeout
	return c, agent, nil
}

// every returns how many polls there are from one reading to the next.
func (c *Config) every(d time.Duration) int {
	if d <= 0 || c.Interval <= 0 {
		return 1
	}
	return int(d / c.Interval)
}

// configured returns the terms before anything is learnt.
func (s *Source) configured() terms {
	t := terms{Limits: s.cfg.Limits, single: s.agent.version == snmpwire.V1}
	t.overhead = 40 + s.communityBytes
	if s.agent.version == snmpwire.V3 { // RFC 3412, section 6, with the largest digest and ids
		t.overhead = 220 + len(s.cfg.User.Name) + len(s.cfg.User.Context)
	}
	t.answer = min(firstAnswer, s.longest())
	if t.MaxAnswer > 0 {
		t.answer = min(t.answer, t.MaxAnswer)
	}
	return t
}

// longest returns how many bytes of an answer may be aimed at, so that one with longer
// values than were expected is taken yet.
func (s *Source) longest() int { return s.agent.maxMessage - s.agent.maxMessage/8 }

// plan plans on the present terms. The caller holds mu, or is alone.
func (s *Source) plan() {
	s.current.gets = planGets(s.scalars, &s.current.terms)
	s.current.walks = planWalks(slices.Clone(s.columns), &s.current.terms)
	s.current.version++
	s.stale = false
}

// Name returns Config.Name or its default.
func (s *Source) Name() string { return s.cfg.Name }

// Points returns the points of scalars, in the order of Config.Points, and those of
// tables, in the order in which they appeared. The slice belongs to the source, and so
// does Batch.Points of its batches: it must not be changed. It does not change itself: a
// later call may return a longer one.
func (s *Source) Points() []acquire.PointID {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.points[:len(s.points):len(s.points)]
}

// Stats returns the counters of all streams of the source together, and the state of
// the latest. Exceptions are refusals of whole requests; samples of rows beyond
// Table.MaxRows are Lost.
func (s *Source) Stats() acquire.Stats { return s.tally.Stats() }

// Plan returns the requests of the polls, those made most often first. It changes as
// the source learns how long tables are and what the agent bears.
func (s *Source) Plan() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stale {
		s.plan()
	}
	t := &s.current.terms
	var plan []Request
	for _, g := range s.current.gets {
		r := Request{Packets: 1, Bytes: t.overhead + g.size, Every: g.every}
		for _, scalar := range g.scalars {
			for i := range scalar.names {
				r.Objects = append(r.Objects, oidOf(scalar.names[i]))
			}
		}
		plan = append(plan, r)
	}
	for _, group := range s.current.walks {
		r := Request{Columns: true, Every: group[0].table.every}
		size, rows := 0, 0
		for _, c := range group {
			r.Objects = append(r.Objects, oidOf(c.base))
			size, rows = size+c.size, max(rows, c.rows)
		}
		r.Packets, _ = t.packets(group)
		r.Bytes = t.overhead + upTimeSize + size*t.repetitions(len(group), size, rows+1)
		plan = append(plan, r)
	}
	slices.SortStableFunc(plan, func(a, b Request) int { return cmp.Compare(a.Every, b.Every) })
	return plan
}

// Limits returns what the agent bears: what Config says, and what its refusals have
// taught since. Put into the next Config, they spare the agent the refusals. What was
// learnt is forgotten after an hour and, if it still holds, learnt anew.
func (s *Source) Limits() Limits {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.current.terms.Limits
	l.Refused = slices.Clone(l.Refused)
	return l
}

// Open connects to the agent; over UDP that sends nothing. The first poll follows with
// the first Next. An error is an *acquire.OpError around that of Dial.
func (s *Source) Open(ctx context.Context) (acquire.Stream, error) {
	s.tally.Enter(acquire.Connecting, acquire.At(s.cfg.Now()))
	bounded, cancel := context.WithTimeout(ctx, s.cfg.ConnectTimeout)
	defer cancel()
	session, err := openSession(bounded, s.agent)
	if err != nil {
		err = s.fault("open", err)
		s.tally.Fail(err, acquire.At(s.cfg.Now()))
		return nil, err
	}
	s.tally.Update(func(st *acquire.Stats) { st.Connects++ })
	return newStream(s, session, s.recall()), nil
}

// recall returns what is known of the agent, or the knowledge of nothing while another
// stream has it.
func (s *Source) recall() *memory {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.memory
	if s.memory = nil; m == nil {
		m = newMemory(s.scalars, s.tables)
	}
	return m
}

// keep takes back what recall gave.
func (s *Source) keep(m *memory) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.memory = m
}

// define gives a point its id. A name that another column has is refused.
func (s *Source) define(p acquire.Point, owner int) (acquire.PointID, error) {
	id, err := s.cfg.Catalog.Define(p)
	if err != nil {
		return 0, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch other, ok := s.owners[id]; {
	case ok && other != owner:
		return 0, fmt.Errorf("point %q is that of another column, too", p.Name)
	case !ok:
		s.owners[id] = owner
		s.points = append(s.points, id)
	}
	return id, nil
}

// present returns what is known, after forgetting what was learnt too long ago.
func (s *Source) present() knowledge {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.learnt.IsZero() && time.Since(s.learnt) >= relearn {
		s.learnt, s.stale = time.Time{}, true
		answer := s.current.terms.answer
		s.current.terms = s.configured()
		s.current.terms.answer = max(s.current.terms.answer, answer)
	}
	if s.stale {
		s.plan()
	}
	return s.current
}

// learn makes a lesson part of the terms, and has the plan made anew before the next
// poll.
func (s *Source) learn(lesson func(*Limits)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	lesson(&s.current.terms.Limits)
	s.learnt, s.stale = time.Now(), true
}

// adopt takes from a stream how long tables are, and how long the answers that the
// agent gives. What has not changed much leaves the plan as it is.
func (s *Source) adopt(from *stream) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if answer := from.terms.answer; answer != s.current.terms.answer {
		s.current.terms.answer, s.stale = answer, s.stale || len(s.columns) > 0
	}
	for _, w := range from.swept {
		for _, c := range w.cursors {
			planned := &s.columns[c.number]
			if !c.failed && differs(c.cells, planned.rows) {
				planned.rows, s.stale = c.cells, true
			}
			if differs(c.size, planned.size) {
				planned.size, s.stale = c.size, true
			}
		}
	}
}

// differs reports whether a number is another by more than a quarter.
func differs(now, planned int) bool {
	return 4*max(now-planned, planned-now) > max(planned, 8)
}

func (s *Source) fault(op string, err error) error {
	return &acquire.OpError{Op: op, Source: s.cfg.Name, Err: err}
}
