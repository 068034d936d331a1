package snmptest

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/fieldtap/fieldtap/internal/snmpwire"
)

// Config describes a [Server]. The zero value is an agent with an empty MIB and the community "public" on a free loopback port.
type Config struct {
	// Network is what [Start] listens on: "udp", "udp4", "udp6", or "tcp", "tcp4", "tcp6" with the framing of RFC 3430. Empty
	// means "udp". [New] does not use it.
	Network string
	// Address is where [Start] listens, as host:port. Empty means 127.0.0.1:0, a free port.
	Address string
	// MIB is what the agent serves. Nil means an empty one.
	MIB *MIB
	// Communities are what versions 1 and 2c may read, by community. Nil means that "public" reads MIB.
	Communities map[string]*MIB
	// Users are those of version 3. Passwords are turned into keys once, which takes some milliseconds each.
	Users []User
	// Contexts are what version 3 may read, by context name; all users may. The context "" reads MIB, unless it is here.
	Contexts map[string]*MIB
	// EngineID is the id of the agent's engine, of 5 to 32 octets. Nil means one of its own that no other agent has.
	EngineID []byte
	// Boots is how often the engine has started. 0 means 1.
	Boots int32
	// ZeroClock leaves boots and time 0 in what is not authenticated, as in the answer to a discovery. RFC 3414, section 3.1, has
	// it so; most agents tell their time all the same.
	ZeroClock bool
	// MaxMessage is the longest message that the agent sends and takes, in octets: longer answers are cut or refused as the standard
	// says, longer requests are malformed. 0 means 65507, the largest UDP datagram; the least is 484 (RFC 3417, section 3.2).
	MaxMessage int
	// Latency is the time on the way: half of it passes before the objects are read and half after. Requests do not wait for
	// each other. See [Server.SetLatency].
	Latency time.Duration
	// Fault edits every exchange. Nil means none. See [Server.SetFault].
	Fault Fault
	// Now gives the time. Nil means time.Now.
	Now func() time.Time
}

const (
	largestMessage = 65507 // RFC 768 and RFC 791: 65535 less the headers
	leastMessage   = 484
	waiting        = 1 << 12 // replies that may be held up at a time; beyond, requests are dropped and counted
)

// Server is an SNMP agent. Its methods are safe for concurrent use. Obtain one from [Start] or [New].
type Server struct {
	communities map[string]*MIB
	users       map[string]*identity
	contexts    map[string]*MIB
	zeroClock   bool
	maxMessage  int
	now         func() time.Time
	address     string

	// faultTurn holds one token: a Fault sees one exchange at a time. It is a channel and not a mutex because a fault may
	// block on something in its test, and only channels count as blocked for testing/synctest.
	faultTurn chan struct{}
	idle      chan *task // tasks to use again
	done      chan struct{}
	running   sync.WaitGroup // everything Close waits for

	mu      sync.Mutex // never held while blocking
	closed  bool
	sockets map[closer]struct{}
	held    int
	started time.Time
	engine  string
	boots   int32
	latency time.Duration
	fault   Fault
	stats   Stats
}

// closer is what Close has to close: listeners, sockets, connections.
type closer interface{ Close() error }

// Stats counts what happened on a [Server] since it was made.
type Stats struct {
	Requests         uint64 // messages received, broken ones included
	Gets             uint64 // GetRequests answered, before a fault
	Nexts            uint64 // GetNextRequests
	Bulks            uint64 // GetBulkRequests
	Sets             uint64 // SetRequests, all refused
	Bindings         uint64 // variable bindings asked for, by all of these
	Replies          uint64 // messages sent, edited or not
	Malformed        uint64 // messages dropped because they are not SNMP, or no request
	UnknownCommunity uint64 // messages dropped for their community
	Overrun          uint64 // messages dropped because too many replies were being held up

	// Messages of version 3 that were not answered but with a Report, by what it counts (RFC 3414, section 5; RFC 3412, section 5;
	// RFC 3413, section 4.1.2).
	UnsupportedSecLevels  uint64 // the user has no keys for the level
	NotInTimeWindows      uint64 // other boots, or a time more than 150 s off
	UnknownUserNames      uint64 // no such user
	UnknownEngineIDs      uint64 // discoveries among them
	WrongDigests          uint64 // another authentication key or protocol
	DecryptionErrors      uint64 // another privacy key or protocol
	UnknownSecurityModels uint64 // without a Report
	InvalidMsgs           uint64 // without a Report
	UnknownPDUHandlers    uint64 // for another context engine
	UnknownContexts       uint64 // no such context
}

// note counts a problem and returns how many of the kind there were.
func (st *Stats) note(stat snmpwire.Stat) uint64 {
	counters := map[snmpwire.Stat]*uint64{
		snmpwire.UnsupportedSecLevels:  &st.UnsupportedSecLevels,
		snmpwire.NotInTimeWindows:      &st.NotInTimeWindows,
		snmpwire.UnknownUserNames:      &st.UnknownUserNames,
		snmpwire.UnknownEngineIDs:      &st.UnknownEngineIDs,
		snmpwire.WrongDigests:          &st.WrongDigests,
		snmpwire.DecryptionErrors:      &st.DecryptionErrors,
		snmpwire.UnknownSecurityModels: &st.UnknownSecurityModels,
		snmpwire.InvalidMsgs:           &st.InvalidMsgs,
		snmpwire.UnknownPDUHandlers:    &st.UnknownPDUHandlers,
		snmpwire.UnknownContexts:       &st.UnknownContexts,
	}
	n := counters[stat]
	*n++
	return *n
}

// New returns an agent that does not listen: give it connections with its Serve methods. The error names every fault of cfg.
func New(cfg Config) (*Server, error) {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf("snmptest: "+format, args...)) }
	if cfg.MIB == nil {
		cfg.MIB = new(MIB)
	}
	if cfg.Communities == nil {
		cfg.Communities = map[string]*MIB{"public": cfg.MIB}
	}
	communities := make(map[string]*MIB, len(cfg.Communities))
	for name, m := range cfg.Communities {
		if m == nil {
			fault("community %q has no MIB", name)
		}
		communities[name] = m
	}
	users := make(map[string]*identity, len(cfg.Users))
	for _, u := range cfg.Users {
		if users[u.Name] != nil {
			fault("user %q is there twice", u.Name)
		}
		i, err := newIdentity(u)
		if err != nil {
			faults = append(faults, err)
		}
		users[u.Name] = i
	}
	contexts := map[string]*MIB{"": cfg.MIB}
	for name, m := range cfg.Contexts {
		if m == nil {
			fault("context %q has no MIB", name)
		}
		contexts[name] = m
	}
	engine := string(cfg.EngineID)
	if engine == "" {
		id, err := newEngineID()
		if err != nil {
			faults = append(faults, err)
		}
		engine = id
	} else if len(engine) < 5 || len(engine) > snmpwire.MaxEngineID {
		fault("engine id of %d octets, want 5 to %d", len(engine), snmpwire.MaxEngineID)
	}
	if cfg.Boots < 0 {
		fault("boots %d is negative", cfg.Boots)
	}
	if cfg.MaxMessage == 0 {
		cfg.MaxMessage = largestMessage
	}
	if cfg.MaxMessage < leastMessage || cfg.MaxMessage > largestMessage {
		fault("longest message of %d octets, want %d to %d", cfg.MaxMessage, leastMessage, largestMessage)
	}
	if cfg.Latency < 0 {
		fault("latency %v is negative", cfg.Latency)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	return &Server{
		communities: communities,
		users:       users,
		contexts:    contexts,
		zeroClock:   cfg.ZeroClock,
		maxMessage:  cfg.MaxMessage,
		now:         cfg.Now,
		faultTurn:   make(chan struct{}, 1),
		idle:        make(chan *task, 16),
		done:        make(chan struct{}),
		sockets:     make(map[closer]struct{}),
		started:     cfg.Now(),
		engine:      engine,
		boots:       max(cfg.Boots, 1),
		latency:     cfg.Latency,
		fault:       cfg.Fault,
	}, nil
}

// Start returns an agent that listens on cfg.Address and answers until [Server.Close].
func Start(cfg Config) (*Server, error) {
	s, err := New(cfg)
	if err != nil {
		return nil, err
	}
	if cfg.Network == "" {
		cfg.Network = "udp"
	}
	if cfg.Address == "" {
		cfg.Address = "127.0.0.1:0"
	}
	if strings.HasPrefix(cfg.Network, "tcp") {
		l, err := net.Listen(cfg.Network, cfg.Address)
		if err != nil {
			return nil, fmt.Errorf("snmptest: %w", err)
		}
		s.address = l.Addr().String()
		s.enter(l)
		go func() {
			defer s.leave(l)
			_ = s.accept(l) // Close ends it
		}()
		return s, nil
	}
	p, err := net.ListenPacket(cfg.Network, cfg.Address)
	if err != nil {
		return nil, fmt.Errorf("snmptest: %w", err)
	}
	s.address = p.LocalAddr().String()
	s.enter(p)
	go func() {
		defer s.leave(p)
		_ = s.receive(p) // Close ends it
	}()
	return s, nil
}

// Address returns the host:port that [Start] listens on, with the actual port. It is empty for a server made by [New].
func (s *Server) Address() string { return s.address }

// SetFault replaces the present fault; nil means none. It takes effect with the next request that the server turns to.
func (s *Server) SetFault(f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault = f
}

// SetLatency replaces the latency for requests that come from now on. A negative one counts as 0.
func (s *Server) SetLatency(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.latency = max(d, 0)
}

// Restart lets the agent start anew: its uptime is 0, its boots are one more, and objects that count since the start
// begin again. Connections stay.
func (s *Server) Restart() {
	now := s.now()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.started = now
	s.boots++
}

// Stats returns the counters as they stand.
func (s *Server) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stats
}

// Sets returns how many SetRequests have come: a client that only reads sends none.
func (s *Server) Sets() uint64 { return s.Stats().Sets }

// Close stops listening, cuts all connections and returns after every goroutine of the server, and every call of its Serve
// methods, has ended. It may be called again. A fault must not call it: it would wait for itself.
func (s *Server) Close() error {
	s.mu.Lock()
	var errs []error
	if !s.closed {
		s.closed = true
		close(s.done)
		for c := range s.sockets {
			if err := c.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
				errs = append(errs, err)
			}
		}
	}
	s.mu.Unlock()
	s.running.Wait()
	return errors.Join(errs...)
}

// present returns the present moment of the agent and its engine.
func (s *Server) present() (c Clock, engine string) {
	now := s.now()
	s.mu.Lock()
	defer s.mu.Unlock()
	return Clock{Now: now, Up: max(now.Sub(s.started), 0), Boots: s.boots}, s.engine
}

// enter registers what Close has to close, or closes it and returns false when the server is closed.
func (s *Server) enter(c closer) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		_ = c.Close() // nobody is left to tell
		return false
	}
	s.sockets[c] = struct{}{}
	s.running.Add(1)
	return true
}

func (s *Server) leave(c closer) {
	_ = c.Close() // a second close of what Close has closed
	s.mu.Lock()
	delete(s.sockets, c)
	s.mu.Unlock()
	s.running.Done()
}

// ended tells whether an error is that of the closed server.
func (s *Server) ended() bool {
	select {
	case <-s.done:
		return true
	default:
		return false
	}
}

func (s *Server) count(counter *uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	*counter++
}

// wait lets d pass and tells whether the server is still there.
func (s *Server) wait(d time.Duration) bool {
	if d <= 0 {
		return !s.ended()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-s.done:
		return false
	}
}
