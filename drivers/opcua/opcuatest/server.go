package opcuatest

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/gopcua/opcua/ua"
)

// Config describes a [Server]. The zero value is a server without security and without variables, on a free loopback port.
type Config struct {
	// Address is where [Start] listens, as host:port. Empty means 127.0.0.1:0, a free port. [New] does not use it.
	Address string
	// URL is what endpoints say. Empty means opc.tcp:// and the address listened on, or what a client said hello to.
	URL string
	// ApplicationURI is index 1 of the NamespaceArray. Empty means urn:fieldtap:opcuatest. Namespaces are those from index 2 on;
	// none means one, urn:fieldtap:opcuatest:plant.
	ApplicationURI string
	Namespaces     []string

	Folders      []Folder        // each behind its parent
	Structures   []StructureType // data types
	Enumerations []Enumeration   // data types
	Variables    []Variable      // below objects and folders, or each other

	// Identity is the server's certificate and key. Without one, Security must be None alone.
	Identity Identity
	// Security are the policies and modes offered. Nil means None without an Identity, else Basic256Sha256, Aes128Sha256RsaOaep and
	// Aes256Sha256RsaPss, each with Sign and SignAndEncrypt, and not None.
	Security []Security
	// Trusted decides on a client's certificate. Nil trusts all.
	Trusted func(certificate []byte) bool

	// Users are passwords by name. Whoever is not in it is refused. Passwords are taken encrypted alone, if there is an Identity.
	Users map[string]string
	// UserCertificates are certificates in DER whose owners may log in while they are valid, Tokens are issued tokens, and TokenExpiry
	// says when some of them end.
	UserCertificates [][]byte
	Tokens           []string
	TokenExpiry      map[string]time.Time
	// NoAnonymous refuses whoever does not say who they are.
	NoAnonymous bool

	// EventHistory is how many events the server keeps for HistoryRead, the last ones. Zero means that there is no history of events.
	EventHistory int

	// Limits are what the server holds requests to.
	Limits Limits
	// Fault edits every exchange. Nil means none. See [Server.SetFault].
	Fault Fault
	// Now is the server's clock. Nil means time.Now. Intervals are measured by timers and not by it.
	Now func() time.Time
}

// Limits are held, and those of operations can be read below ServerCapabilities. Zero means no limit unless it says otherwise.
type Limits struct {
	Read, Browse, Translate, Register, History, Items int // operations in one request; Items are monitored items
	// Sessions and Subscriptions bound how many there are; MonitoredItems of one subscription.
	Sessions, Subscriptions, MonitoredItems int
	// PublishRequests bounds those waiting in a session; 0 means 100. More answer Bad_TooManyPublishRequests.
	PublishRequests int
	// Queue bounds the queue of an item; 0 means 5,000. Retained bounds the messages kept for Republish; 0 means 100.
	Queue, Retained int
	// HistoryValues bounds the values, or events, of one answer for one node; 0 means 10,000. References does for browsing; 0 means 1,000.
	HistoryValues, References int
	// Publishing and Sampling are the shortest intervals; 0 means 10 ms and 0: an item without a Step is sampled every
	// 10 ms at the most.
	Publishing, Sampling time.Duration
	// Session is the longest timeout of a session; 0 means an hour. Token is the longest life of a token; 0 means an hour.
	Session, Token time.Duration
	// Buffer is the size of chunks taken, at least 8192; 0 means 65,535. Message and Chunks bound a request; 0 means no limit, and that
	// is what the server says.
	Buffer, Message, Chunks int
	// KeepAlive bounds the keep-alive count; 0 means no limit.
	KeepAlive int
}

func (l Limits) withDefaults() Limits {
	preset := func(n *int, value int) {
		if *n == 0 {
			*n = value
		}
	}
	preset(&l.PublishRequests, 100)
	preset(&l.Queue, 5000)
	preset(&l.Retained, 100)
	preset(&l.HistoryValues, 10_000)
	preset(&l.References, 1000)
	preset(&l.Buffer, 65_535)
	if l.Publishing == 0 {
		l.Publishing = 10 * time.Millisecond
	}
	if l.Session == 0 {
		l.Session = time.Hour
	}
	if l.Token == 0 {
		l.Token = time.Hour
	}
	return l
}

// Server is an OPC UA server. Its methods are safe for concurrent use. Obtain one from [Start] or [New].
type Server struct {
	cfg     Config
	limits  Limits
	space   *space
	address string
	started time.Time

	// faultTurn holds one token: a Fault sees one exchange at a time. Only channels count as blocked for testing/synctest.
	faultTurn chan struct{}
	running   sync.WaitGroup // everything Close waits for

	mu            sync.Mutex // never held while blocking
	closed        bool
	listeners     map[net.Listener]struct{}
	conns         map[*conn]struct{}
	fault         Fault
	stats         Stats
	last          uint32 // id given: of channels, tokens, sessions, subscriptions, items
	exchanges     int
	sessions      map[string]*session // by authentication token
	subscriptions map[uint32]*subscription
	watchers      map[*node]map[*item]struct{}
	events        uint64      // that happened
	past          []*happened // the last ones of them
}

// Stats counts what happened on a [Server] since it was made, and what there is.
type Stats struct {
	Connections     uint64            // accepted or handed to ServeConn
	Open            uint64            // of these, still open
	Requests        map[string]uint64 // by the name of the service, such as "Read"
	Writes          uint64            // requests that would change something: Write, Call, HistoryUpdate, node management
	Faults          uint64            // service faults, before a Fault edited anything
	Malformed       uint64            // connections closed because what came was no OPC UA, or not protected as it must be
	SessionsCreated uint64            // those that are no more among them
	Sessions        int               // there are
	Subscriptions   int               // there are
	Items           int               // monitored items there are
	Notifications   uint64            // values and events published
	Overflows       uint64            // values that fell out of the queues of items
	Refused         uint64            // logins refused
}

// New returns a server that does not listen: give it connections with [Server.ServeConn] or [Server.Serve].
// The error names every fault of cfg.
func New(cfg Config) (*Server, error) {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.ApplicationURI == "" {
		cfg.ApplicationURI = "urn:fieldtap:opcuatest"
	}
	if cfg.Namespaces == nil {
		cfg.Namespaces = []string{"urn:fieldtap:opcuatest:plant"}
	}
	keyed := cfg.Identity.Key != nil
	if cfg.Security == nil {
		cfg.Security = []Security{{PolicyNone, ModeNone}}
		if keyed {
			cfg.Security = nil
			for _, p := range []Policy{Aes256Sha256RsaPss, Aes128Sha256RsaOaep, Basic256Sha256} {
				cfg.Security = append(cfg.Security, Security{p, SignAndEncrypt}, Security{p, Sign})
			}
		}
	}
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf("opcuatest: "+format, args...)) }
	if keyed != (len(cfg.Identity.Certificate) > 0) {
		fault("an identity is a certificate and a key")
	}
	for _, o := range cfg.Security {
		switch {
		case (o.Policy == PolicyNone) != (o.Mode == ModeNone):
			fault("policy %s does not go with mode %d", o.Policy, o.Mode)
		case o.Policy != PolicyNone && !keyed:
			fault("policy %s needs an identity", o.Policy)
		}
		if !slices.Contains([]Policy{PolicyNone, Basic256Sha256, Aes128Sha256RsaOaep, Aes256Sha256RsaPss, Basic256, Basic128Rsa15}, o.Policy) || o.Mode < ModeNone || o.Mode > SignAndEncrypt {
			fault("policy %q or mode %d is unknown", o.Policy, o.Mode)
		}
	}
	l := cfg.Limits
	for _, n := range []int{l.Read, l.Browse, l.Translate, l.Register, l.History, l.Items, l.Sessions, l.Subscriptions, l.MonitoredItems, l.PublishRequests, l.Queue, l.Retained,
		l.HistoryValues, l.References, l.Buffer, l.Message, l.Chunks, l.KeepAlive} {
		if n < 0 {
			fault("a limit is negative")
			break
		}
	}
	if min(l.Publishing, l.Sampling, l.Session, l.Token) < 0 {
		fault("a limit of time is negative")
	}
	if l.Buffer != 0 && l.Buffer < 8192 {
		fault("buffer of %d bytes, want at least 8192", l.Buffer)
	}
	if cfg.EventHistory < 0 {
		fault("history of %d events", cfg.EventHistory)
	}
	s := &Server{
		cfg: cfg, limits: l.withDefaults(), space: newSpace(), started: cfg.Now(), faultTurn: make(chan struct{}, 1), fault: cfg.Fault,
		listeners: make(map[net.Listener]struct{}), conns: make(map[*conn]struct{}), sessions: make(map[string]*session),
		subscriptions: make(map[uint32]*subscription), watchers: make(map[*node]map[*item]struct{}), stats: Stats{Requests: make(map[string]uint64)},
	}
	s.describe()
	for _, f := range cfg.Folders {
		if err := s.space.folder(f); err != nil {
			faults = append(faults, err)
		}
	}
	faults = append(faults, s.space.define(cfg.Structures, cfg.Enumerations)...)
	for _, v := range cfg.Variables {
		if err := s.space.variable(v, s.started); err != nil {
			faults = append(faults, err)
		}
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	return s, nil
}

// describe adds what the server tells of itself (OPC 10000-5, section 6.3.1).
func (s *Server) describe() {
	number := func(id uint32) *ua.NodeID { return ua.NewNumericNodeID(0, id) }
	server := s.space.number(2253)
	s.space.constant(number(2255), server, refProperty, "NamespaceArray", append([]string{"http://opcfoundation.org/UA/", s.cfg.ApplicationURI}, s.cfg.Namespaces...))
	s.space.constant(number(2254), server, refProperty, "ServerArray", []string{s.cfg.ApplicationURI})
	s.space.constant(number(2267), server, refProperty, "ServiceLevel", byte(255))
	build := Structure{Encoding: "i=340", Fields: []any{"urn:fieldtap:opcuatest", "fieldtap", "opcuatest", "1", "1", s.started}}
	status := s.space.constant(number(2256), server, refComponent, "ServerStatus", nil)
	status.dataType = number(862)
	status.live = func(now time.Time) any {
		fields := append([]any{s.started, now, int32(0)}, build.Fields...)
		return Structure{Encoding: "i=864", Fields: append(fields, uint32(0), LocalizedText{})}
	}
	s.space.constant(number(2257), status, refComponent, "StartTime", s.started)
	s.space.constant(number(2258), status, refComponent, "CurrentTime", time.Time{}).live = func(now time.Time) any { return now }
	s.space.constant(number(2259), status, refComponent, "State", int32(0)).dataType = number(852) // Running
	s.space.constant(number(2260), status, refComponent, "BuildInfo", build).dataType = number(338)
	capabilities := s.space.add(&node{id: number(2268), class: ua.NodeClassObject, name: QualifiedName{Name: "ServerCapabilities"}}, server, refComponent, s.space.number(58))
	limits := s.space.add(&node{id: number(11704), class: ua.NodeClassObject, name: QualifiedName{Name: "OperationLimits"}}, capabilities, refComponent, s.space.number(61))
	for _, l := range []struct {
		id    uint32
		name  string
		value int
	}{
		{11705, "MaxNodesPerRead", s.limits.Read}, {12165, "MaxNodesPerHistoryReadData", s.limits.History}, {11710, "MaxNodesPerBrowse", s.limits.Browse},
		{11711, "MaxNodesPerRegisterNodes", s.limits.Register}, {11712, "MaxNodesPerTranslateBrowsePathsToNodeIds", s.limits.Translate},
		{11714, "MaxMonitoredItemsPerCall", s.limits.Items},
	} {
		s.space.constant(number(l.id), limits, refProperty, l.name, uint32(l.value))
	}
}

// Start returns a server that listens on cfg.Address and accepts connections until [Server.Close].
func Start(cfg Config) (*Server, error) {
	s, err := New(cfg)
	if err != nil {
		return nil, err
	}
	s.address = cfg.Address
	if s.address == "" {
		s.address = "127.0.0.1:0"
	}
	if err := s.Up(); err != nil {
		return nil, err
	}
	return s, nil
}

// Address returns the host:port that [Start] listens on, with the actual port. It is empty for a server made by [New].
func (s *Server) Address() string { return s.address }

// URL returns the endpoint's URL, for a server that was started.
func (s *Server) URL() string {
	if s.cfg.URL != "" {
		return s.cfg.URL
	}
	return "opc.tcp://" + s.address
}

// Up listens again after [Server.Down], on the same address.
func (s *Server) Up() error {
	l, err := net.Listen("tcp", s.address)
	if err != nil {
		return fmt.Errorf("opcuatest: %w", err)
	}
	if !s.enterListener(l) {
		return errors.Join(net.ErrClosed, l.Close())
	}
	s.address = l.Addr().String()
	go func() {
		defer s.leaveListener(l)
		_ = s.accept(l) // Close or Down ends it
	}()
	return nil
}

// Down stops listening and cuts all connections. Sessions and subscriptions go on, as behind a cable that was pulled; [Server.Restart]
// ends them. It does not wait.
func (s *Server) Down() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for l := range s.listeners {
		_ = l.Close()
	}
	for c := range s.conns {
		c.cut()
	}
}

// Serve accepts connections from l until l or the server is closed. It closes l.
// The result is nil after [Server.Close] and [Server.Down], else the error of l.
func (s *Server) Serve(l net.Listener) error {
	if !s.enterListener(l) {
		return l.Close()
	}
	defer s.leaveListener(l)
	return s.accept(l)
}

// ServeConn serves one connection and returns when it has ended. It closes c.
func (s *Server) ServeConn(c net.Conn) {
	if conn := s.enterConn(c); conn != nil {
		conn.serve()
	}
}

// SetFault replaces the present fault; nil means none. It takes effect with the next answer.
func (s *Server) SetFault(f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault = f
}

// Stats returns the counters as they stand. The map belongs to the caller.
func (s *Server) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.stats
	st.Requests = maps.Clone(st.Requests)
	st.Open = uint64(len(s.conns))
	st.Sessions, st.Subscriptions = len(s.sessions), len(s.subscriptions)
	for _, b := range s.subscriptions {
		st.Items += len(b.items)
	}
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

// Restart cuts all connections, ends all sessions and subscriptions, and takes back what [Server.Set] has set, as a process that
// was killed and is back at once. Variables go on as they are functions of time.
func (s *Server) Restart() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		c.cut()
	}
	s.endSessions()
	for _, b := range s.subscriptions {
		s.endSubscription(b)
	}
	for _, n := range s.space.nodes {
		n.held = nil
	}
}

// CloseSessions ends all sessions with their subscriptions and leaves the connections, as an administrator does.
func (s *Server) CloseSessions() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.endSessions()
}

// DropSubscriptions forgets all subscriptions without a word.
func (s *Server) DropSubscriptions() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, b := range s.subscriptions {
		s.endSubscription(b)
	}
}

// Set puts a reading in place of a variable's own, and takes it for a sample of every item that watches it; a zero Source is the
// present. It reports whether there is such a variable. History does not know of it.
func (s *Server) Set(id NodeID, r Reading) bool {
	n := s.lookup(id)
	if n == nil || n.variable == nil {
		return false
	}
	if r.Source.IsZero() {
		r.Source = s.cfg.Now()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	n.held = &r
	for i := range s.watchers[n] {
		i.sample(r, s.cfg.Now())
	}
	return true
}

// Unset gives a variable back its own readings.
func (s *Server) Unset(id NodeID) {
	if n := s.lookup(id); n != nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		n.held = nil
	}
}

func (s *Server) lookup(id NodeID) *node {
	n, err := ua.ParseNodeID(string(id))
	if err != nil {
		return nil
	}
	return s.space.find(n)
}

// Close stops listening, cuts all connections, ends all sessions, and returns after every goroutine of the server, and every call of
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
	s.endSessions()
	for _, b := range s.subscriptions {
		s.endSubscription(b)
	}
	s.mu.Unlock()
	s.running.Wait()
	return errors.Join(errs...)
}

// accept hands connections of l to goroutines of their own. It returns nil when l was closed.
func (s *Server) accept(l net.Listener) error {
	for {
		c, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
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
	_ = l.Close() // a second close
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
	for _, e := range s.sessions {
		if e.conn == c {
			e.conn, e.publishing = nil, nil
		}
	}
	s.mu.Unlock()
	s.running.Done()
}

// next returns a new id. The caller holds mu.
func (s *Server) next() uint32 {
	s.last++
	return s.last
}
