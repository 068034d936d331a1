package modbustest

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"sync"
	"time"
)

// Config describes a [Server]. The zero value is a server on a free loopback port that knows no unit.
type Config struct {
	// Address is where [Start] listens, as host:port. Empty means 127.0.0.1:0, a free port. [New] does not use it.
	Address string
	// Units holds the device behind each unit id. The map is copied, the devices are used where they are.
	Units map[byte]Device
	// Framing of all connections. The zero value is MBAP.
	Framing Framing
	// Baud, if it is not 0, lets requests and replies take the time that their bytes need on a serial line of that rate with 11 bits
	// a character, and parts them by 3.5 characters of silence.
	Baud int
	// NoEcho leaves function 8 unanswered. Otherwise sub-function 0 gives its echo, and others an exception.
	NoEcho bool
	// IgnoreUnknown leaves requests to other unit ids without a reply, as a serial line does.
	// Otherwise they answer exception 11, as a gateway does.
	IgnoreUnknown bool
	// Permit decides on each request by the role that the certificate of its client names (Modbus/TCP Security V21, section 8.3);
	// the role is "" without TLS, without a certificate, and without a role in it. What is not permitted answers exception 1.
	// Nil permits everything. It is called by one goroutine for each connection.
	Permit func(role string, r Request) bool
	// Fault edits every exchange. Nil means none. See [Server.SetFault].
	Fault Fault
	// PerRequest is the time the server takes for each request before it reads the device.
	// Requests of one connection queue behind each other.
	PerRequest time.Duration
}

// Server is a Modbus server on connections: TCP, TLS, or a serial line that looks like one. Its methods are safe for concurrent use. Obtain one from [Start] or [New].
type Server struct {
	units         map[byte]Device
	ignoreUnknown bool
	noEcho        bool
	framing       Framing
	baud          int
	perRequest    time.Duration
	permit        func(role string, r Request) bool
	address       string

	// faultTurn holds one token: a Fault sees one exchange at a time. It is a channel and not a mutex because a fault may
	// block on something in its test, and only channels count as blocked for testing/synctest.
	faultTurn chan struct{}
	running   sync.WaitGroup // everything Close waits for

	mu        sync.Mutex // never held while blocking
	closed    bool
	listeners map[net.Listener]struct{}
	conns     map[*conn]struct{}
	fault     Fault
	stats     Stats
}

// Stats counts what happened on a [Server] since it was made.
type Stats struct {
	Connections uint64      // accepted or handed to ServeConn
	Open        uint64      // of these, still open
	Requests    uint64      // whole requests received
	Functions   [256]uint64 // the same by function code
	Writes      uint64      // requests with a function that would change a device: 5, 6, 15, 16, 21, 22, 23
	Exceptions  uint64      // exception replies built by the server itself, before a fault edited them
	Replies     uint64      // replies written entirely, edited or not
	Malformed   uint64      // connections closed because their framing was lost
}

// New returns a server that does not listen: give it connections with [Server.ServeConn] or [Server.Serve].
// The error names every fault of cfg.
func New(cfg Config) (*Server, error) {
	var faults []error
	for unit, d := range cfg.Units {
		if d == nil {
			faults = append(faults, fmt.Errorf("modbustest: unit %d has no device", unit))
		}
	}
	if cfg.Framing > ASCII {
		faults = append(faults, fmt.Errorf("modbustest: unknown framing %d", cfg.Framing))
	}
	if cfg.Baud < 0 {
		faults = append(faults, fmt.Errorf("modbustest: rate of %d baud is negative", cfg.Baud))
	}
	if cfg.PerRequest < 0 {
		faults = append(faults, fmt.Errorf("modbustest: processing time %v is negative", cfg.PerRequest))
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	return &Server{
		units:         maps.Clone(cfg.Units),
		ignoreUnknown: cfg.IgnoreUnknown,
		noEcho:        cfg.NoEcho,
		framing:       cfg.Framing,
		baud:          cfg.Baud,
		perRequest:    cfg.PerRequest,
		permit:        cfg.Permit,
		faultTurn:     make(chan struct{}, 1),
		listeners:     make(map[net.Listener]struct{}),
		conns:         make(map[*conn]struct{}),
		fault:         cfg.Fault,
	}, nil
}

// Start returns a server that listens on cfg.Address and accepts connections until [Server.Close].
func Start(cfg Config) (*Server, error) {
	s, err := New(cfg)
	if err != nil {
		return nil, err
	}
	address := cfg.Address
	if address == "" {
		address = "127.0.0.1:0"
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("modbustest: %w", err)
	}
	s.address = l.Addr().String()
	s.enterListener(l)
	go func() {
		defer s.leaveListener(l)
		_ = s.accept(l) // Close ends it
	}()
	return s, nil
}

// Address returns the host:port that [Start] listens on, with the actual port. It is empty for a server made by [New].
func (s *Server) Address() string { return s.address }

// Serve accepts connections from l, which may be a TLS listener, until l or the server is closed. It closes l.
// The result is nil after [Server.Close], else the error of l.
func (s *Server) Serve(l net.Listener) error {
	if !s.enterListener(l) {
		return l.Close()
	}
	defer s.leaveListener(l)
	return s.accept(l)
}

// ServeConn serves one connection and returns when it has ended: the client closed it, a fault or [Server.Disconnect] cut it,
// its framing was lost, or the server was closed. It closes c. The end of the input ends the connection at once:
// replies still waiting are not sent.
func (s *Server) ServeConn(c net.Conn) {
	if conn := s.enterConn(c); conn != nil {
		conn.serve()
	}
}

// SetFault replaces the present fault; nil means none. It takes effect with the next request that the server turns to.
func (s *Server) SetFault(f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault = f
}

// Stats returns the counters as they stand.
func (s *Server) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.stats
	st.Open = uint64(len(s.conns))
	return st
}

// Disconnect cuts all present connections and keeps listening. It does not wait for them to end, so a fault may call it.
func (s *Server) Disconnect() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		c.cut()
	}
}

// Close stops listening, cuts all connections and returns after every goroutine of the server, and every call of
// [Server.ServeConn] and [Server.Serve], has ended. It may be called again. A fault must not call it: it would wait for itself.
func (s *Server) Close() error {
	s.mu.Lock()
	s.closed = true
	var errs []error
	for l := range s.listeners {
		if err := l.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	for c := range s.conns {
		c.cut()
	}
	s.mu.Unlock()
	s.running.Wait()
	return errors.Join(errs...)
}

// accept hands connections of l to goroutines of their own. It returns nil when the server was closed.
func (s *Server) accept(l net.Listener) error {
	for {
		c, err := l.Accept()
		if err != nil {
			s.mu.Lock()
			defer s.mu.Unlock()
			if s.closed {
				return nil
			}
			return err
		}
		if conn := s.enterConn(c); conn != nil {
			go conn.serve()
		}
	}
}

func (s *Server) enterListener(l net.Listener) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.listeners[l] = struct{}{}
	s.running.Add(1)
	return true
}

func (s *Server) leaveListener(l net.Listener) {
	_ = l.Close() // a second close of a listener that Close has closed
	s.mu.Lock()
	delete(s.listeners, l)
	s.mu.Unlock()
	s.running.Done()
}

// enterConn registers nc, or closes it and returns nil when the server is closed.
func (s *Server) enterConn(nc net.Conn) *conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		_ = nc.Close()
		return nil
	}
	s.stats.Connections++
	c := newConn(s, nc, int(s.stats.Connections))
	s.conns[c] = struct{}{}
	s.running.Add(1)
	return c
}

func (s *Server) leaveConn(c *conn) {
	s.mu.Lock()
	delete(s.conns, c)
	s.mu.Unlock()
	s.running.Done()
}

// received counts a request and returns its ordinal.
func (s *Server) received(function byte) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stats.Requests++
	s.stats.Functions[function]++
	switch function {
	case 5, 6, 15, 16, 21, 22, 23:
		s.stats.Writes++
	}
	return int(s.stats.Requests)
}

func (s *Server) count(counter *uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	*counter++
}

func (s *Server) currentFault() Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.fault
}

// onTheWay returns the time that a frame needs on the line.
func (s *Server) onTheWay(frame []byte) time.Duration {
	if s.baud == 0 {
		return 0
	}
	return time.Duration(len(s.framing.append(nil, frame))) * 11 * time.Second / time.Duration(s.baud)
}

// silence returns the time between a request and its reply that tells the end of the request.
func (s *Server) silence() time.Duration {
	if s.baud == 0 {
		return 0
	}
	return 7 * 11 * time.Second / 2 / time.Duration(s.baud)
}
