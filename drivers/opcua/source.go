package opcua

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"slices"
	"sync"
	"time"

	"github.com/fieldtap/fieldtap/acquire"
)

// Defaults of Config.
const (
	DefaultInterval  = 500 * time.Millisecond
	DefaultKeepAlive = time.Second
	DefaultOutage    = time.Minute
	DefaultBuffer    = 1 << 16
)

// Config says which values to acquire from which server. It is given by value; every
// field but Catalog, Points or Events, and what Client needs has a default.
type Config struct {
	// Client is how to reach the server and to log in.
	Client ClientConfig
	// Name identifies the source in errors and statistics. Default: Client.Endpoint.
	Name string
	// Catalog is where the points are defined.
	Catalog *acquire.Catalog
	// Points are the values to acquire, in any order.
	Points []Point
	// Events are the events to acquire, each of which makes several points.
	Events []EventPoint

	// Interval is how often the server is to publish what has changed. Default: 500 ms.
	Interval time.Duration
	// KeepAlive is how long the server may be silent when nothing has changed. Twice
	// that, and no less than one and a half Interval more, ends the stream. Default: 1 s,
	// at least Interval.
	KeepAlive time.Duration
	// Sampling is how often the server is to look at each value. Default: Interval.
	// Negative: as fast as it can.
	Sampling time.Duration
	// Outage is how long the server is to keep changes while we are away: its queues and
	// the life of the subscription are asked for by it. Default: 1 min.
	Outage time.Duration
	// PollInterval is the time from poll to poll of points with Poll. Default: 1 s.
	PollInterval time.Duration
	// Lateness is how much older than its publication a value's time may be: watermarks
	// stay behind by it. Default: Interval and Sampling together, at least 1 s.
	Lateness time.Duration
	// Buffer is how many values wait for a slow consumer before the oldest are dropped; an
	// event counts as eight. Default: 65,536, at least 16 for each point.
	Buffer int
	// Backfill has what is lost with a subscription, or from a full queue of the server, read
	// from the server's history. Such samples have acquire.Backfilled and, coming after
	// newer ones, acquire.TimeBackwards. Events are told apart by their EventId, so that none
	// comes twice; EventPoint tells more. A server without a history is asked once, and what is
	// lost is said as without Backfill.
	Backfill bool
	// MaxPerCall is the most items or nodes in one request, below what the server says
	// its limits are. Default: 1000, and 500 where the server does not say.
	MaxPerCall int
}

// Source acquires values from one server. It is safe for concurrent use.
//
// When a Stream is lost, the Source keeps the session and the subscription for the next
// one, which goes on where the other ended if the server still has them.
type Source struct {
	cfg       Config
	connector *connector
	items     []item
	values    int // the first of items: monitored variables
	monitored int // the first of items, those of events behind the variables; the others are polled
	points    []acquire.PointID
	tally     acquire.Tally
	seed      maphash.Seed // of the keys of events

	mu     sync.Mutex
	kept   *standing // of the stream that was lost last; nil if there is none
	agreed Plan
}

var (
	_ acquire.Source   = (*Source)(nil)
	_ acquire.Reporter = (*Source)(nil)
)

// NewSource returns the Source that cfg describes, with its points defined in
// cfg.Catalog. The error names every fault of cfg or, if it has none, every point that
// the catalog refuses; the others stay defined. Nothing is sent: connecting is left to
// Open.
func NewSource(cfg Config) (*Source, error) {
	cfg, n, err := cfg.checked()
	if err != nil {
		return nil, err
	}
	s := &Source{cfg: cfg, connector: n, seed: maphash.MakeSeed()}
	var faults []error
	for _, p := range cfg.Points {
		id, err := cfg.Catalog.Define(acquire.Point{Name: p.Name, Unit: p.Unit, Kind: p.Kind, Role: p.Role})
		if err != nil {
			faults = append(faults, fmt.Errorf("opcua: %w", err))
		}
		s.points = append(s.points, id)
	}
	for _, p := range cfg.Events {
		ids, err := p.define(cfg.Catalog)
		if err != nil {
			faults = append(faults, err)
		}
		s.points = append(s.points, ids...)
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	s.items, s.monitored = itemsOf(cfg.Points, cfg.Events, s.points, cfg)
	s.values = s.monitored - len(cfg.Events)
	s.cfg.Points, s.cfg.Events = nil, nil // the items have them
	return s, nil
}

// maxPerCall is the most that is put into one request, and perCall what is if the
// server names no limit.
const (
	maxPerCall = 1000
	perCall    = 500
)

// checked returns c with its defaults filled in and its connector, or everything wrong
// with it.
func (c Config) checked() (Config, *connector, error) {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf("opcua: "+format, args...)) }
	n, err := newConnector(c.Client)
	if err != nil {
		faults = append(faults, err)
	} else {
		c.Client = n.cfg
	}
	if c.Catalog == nil {
		fault("no catalog")
	}
	if len(c.Points)+len(c.Events) == 0 {
		fault("no points")
	}
	c.Points, c.Events = slices.Clone(c.Points), slices.Clone(c.Events)
	named := make(map[string]bool, len(c.Points))
	for i, p := range c.Points {
		p = p.withDefaults()
		if err := p.faults(); err != nil {
			faults = append(faults, err)
		}
		switch {
		case p.Name == "":
			fault("point of node %.100q has no name", string(p.Node))
		case named[p.Name]:
			fault("point %q is given twice", p.Name)
		}
		named[p.Name] = true
		c.Points[i] = p
	}
	for i, p := range c.Events {
		p = p.withDefaults()
		if err := p.faults(); err != nil {
			faults = append(faults, err)
		}
		for name := range p.names {
			if named[name] && p.Name != "" {
				fault("point %q is given twice", name)
			}
			named[name] = true
		}
		c.Events[i] = p
	}
	c.Interval = cmp.Or(c.Interval, DefaultInterval)
	c.KeepAlive = cmp.Or(c.KeepAlive, max(DefaultKeepAlive, c.Interval))
	c.Sampling = cmp.Or(c.Sampling, c.Interval)
	c.Outage = cmp.Or(c.Outage, DefaultOutage)
	c.PollInterval = cmp.Or(c.PollInterval, time.Second)
	c.Lateness = cmp.Or(c.Lateness, max(c.Interval+max(c.Sampling, 0), time.Second))
	for _, d := range []struct {
		what  string
		value time.Duration
		least time.Duration
	}{
		{"interval", c.Interval, time.Millisecond},
		{"keep-alive", c.KeepAlive, c.Interval},
		{"outage", c.Outage, time.Millisecond},
		{"poll interval", c.PollInterval, time.Millisecond},
		{"lateness", c.Lateness, 0},
	} {
		if d.value < d.least || d.value > 24*time.Hour {
			fault("%s of %s is not within %s to 24h", d.what, d.value, d.least)
		}
	}
	if c.Sampling > 24*time.Hour {
		fault("sampling of %s is longer than 24h", c.Sampling)
	}
	if c.Buffer = cmp.Or(c.Buffer, max(DefaultBuffer, 16*len(named))); c.Buffer < 1 {
		fault("buffer of %d", c.Buffer)
	}
	if c.MaxPerCall = cmp.Or(c.MaxPerCall, maxPerCall); c.MaxPerCall < 1 || c.MaxPerCall > 1<<16 {
		fault("MaxPerCall of %d is not within 1 to %d", c.MaxPerCall, 1<<16)
	}
	c.Name = cmp.Or(c.Name, c.Client.Endpoint)
	return c, n, errors.Join(faults...)
}

// Name returns Config.Name.
func (s *Source) Name() string { return s.cfg.Name }

// Points returns the points in the order of Config.Points, then those of Config.Events.
func (s *Source) Points() []acquire.PointID { return s.points }

// Stats returns a snapshot of the counters.
func (s *Source) Stats() acquire.Stats {
	st := s.tally.Stats()
	st.Late += s.connector.counters.late.Load()
	st.Timeouts += s.connector.counters.timeouts.Load()
	return st
}

// Open logs in, creates the subscription or takes up the one that was lost, and reads
// nothing yet. Its error is an *acquire.OpError.
func (s *Source) Open(ctx context.Context) (acquire.Stream, error) {
	if err := ctx.Err(); err != nil {
		return nil, &acquire.OpError{Op: "open", Source: s.cfg.Name, Err: err}
	}
	s.tally.Enter(acquire.Connecting, acquire.At(s.cfg.Client.Now()))
	s.mu.Lock()
	old := s.kept
	s.kept = nil
	s.mu.Unlock()
	st, err := s.stand(ctx, old)
	if err != nil {
		s.keep(old)
		now := acquire.At(s.cfg.Client.Now())
		err = &acquire.OpError{Op: "open", Source: s.cfg.Name, Err: err}
		s.tally.Update(func(t *acquire.Stats) {
			t.Failures++
			t.LastError, t.LastErrorAt = err, now
		})
		s.tally.Enter(acquire.Down, now)
		return nil, err
	}
	s.tally.Update(func(t *acquire.Stats) { t.Connects++ })
	s.agree(st)
	return newStream(s, st), nil
}

// keep holds on to what a lost stream stood on, for the next.
func (s *Source) keep(st *standing) {
	if st == nil || st.session == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.kept == nil {
		s.kept = st
	}
}
