package snmp

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
	"time"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/internal/snmpwire"
)

// Defaults of AgentConfig.
const (
	DefaultPort       = "161" // assigned to SNMP by IANA
	DefaultTimeout    = 3 * time.Second
	DefaultRetries    = 2
	DefaultMaxMessage = 65507 // the most that fits a UDP datagram over IPv4
)

// Bounds of AgentConfig.
const (
	MaxRetries    = 5
	minMaxMessage = 484       // RFC 3417, section 3.2
	maxMaxMessage = 16 << 20  // of TCP
	maxDatagram   = 65535 - 8 // of UDP over IPv6
)

// AgentConfig says how to reach one agent. It is given by value; what is needed is
// an Address or Dial, and a Community or a User.
type AgentConfig struct {
	// Address is the host and port of the agent; without a port, 161.
	Address string
	// TCP uses a TCP connection (RFC 3430) in place of datagrams.
	TCP bool
	// Dial makes the connection in place of one to Address: one for datagrams, or one
	// for a stream of bytes if TCP is set. It must return when its context ends, and
	// the connection must keep its deadlines, as those of package net do.
	Dial func(context.Context) (net.Conn, error)

	// Version is the version of the protocol. Default: V3 with a User, V2c with a
	// Community.
	Version Version
	// Community is what versions 1 and 2c have in place of a login. It goes over the
	// network for everyone on the way to read.
	Community acquire.Secret
	// User is who we are to an agent of version 3, in place of a Community.
	User User

	// Timeout is how long to wait for the answer to one request, repeats included.
	// Default: 3 s.
	Timeout time.Duration
	// Retries is how often a request is repeated within its Timeout, up to 5. The time
	// from one to the next doubles, and is longer for an agent that is slow. What goes
	// over TCP is not repeated. Default: 2. Negative: never.
	Retries int
	// MaxMessage is the longest answer that is taken, in bytes. Default: 65,507.
	MaxMessage int

	// MaxObjects is how many objects one Walk of an Agent goes through before it ends
	// with ErrEndless. Default: 100,000.
	MaxObjects int

	// Now is the clock for stamps. Default: time.Now.
	Now func() time.Time
	// Logger receives rare events. Default: none.
	Logger *slog.Logger
	// Trace observes messages. Default: nothing.
	Trace Trace
	// Plaintext has messages with a User whose Level is AuthNoPriv or AuthPriv told to whoever
	// records them, as wire.Recorder.Plaintext does for a file that tools can read and
	// wire.Peer can play. It is given each connection that Dial has made, and what it
	// returns is called with each message as NoAuthNoPriv has it: when it is about to be
	// sent, and when it has come. What was not secured with our keys is told as it came.
	// Both functions may be nil, must return at once, and neither keep nor change the message.
	// Default: nothing is told.
	Plaintext func(net.Conn) (sent, received func(message []byte))
}

// Trace is a set of functions called with each message and each engine; nil ones are
// left out. They run in the middle of the exchange: they must return at once, ask
// nothing of the agent, and neither keep nor change the message. Messages of versions
// 1 and 2c contain the community.
type Trace struct {
	Sent     func(message []byte) // about to be sent
	Received func(message []byte) // before any check of its content

	// Engine tells of the engine of an agent of version 3: when it has proved for the
	// first time that it is the one it says, and whenever it has booted.
	Engine func(Engine)
}

// Engine is the engine of an agent of version 3 (RFC 3414, section 2.2).
type Engine struct {
	ID    []byte // its id
	Boots int32  // how often it has booted
	Time  int32  // for how many seconds it has run since then
}

// checked returns what c comes to, or everything wrong with it.
func (c AgentConfig) checked() (*sessionConfig, []error) {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	switch {
	case c.Address == "" && c.Dial == nil:
		fault("no address")
	case c.Address != "":
		var err error
		if c.Address, err = hostPort(c.Address); err != nil {
			faults = append(faults, err)
		}
	}
	switch user := c.User.given(); {
	case user && c.Community != "":
		fault("a user and a community exclude each other")
	case c.Version == 0 && user:
		c.Version = V3
	case c.Version == 0 && c.Community != "":
		c.Version = V2c
	case c.Version == 0:
		fault("neither a user nor a community")
	case c.Version > V3:
		fault("unknown %s", c.Version)
	case c.Version == V3 && !user:
		fault("%s needs a user", c.Version)
	case c.Version != V3 && c.Community == "":
		fault("%s needs a community", c.Version)
	}
	if c.Version == V3 {
		var wrong []error
		c.User, wrong = c.User.checked()
		faults = append(faults, wrong...)
	}
	c.Timeout = cmp.Or(c.Timeout, DefaultTimeout)
	if c.Timeout < 0 {
		fault("timeout of %s is negative", c.Timeout)
	}
	if c.Retries = cmp.Or(c.Retries, DefaultRetries); c.Retries > MaxRetries {
		fault("Retries of %d are more than %d", c.Retries, MaxRetries)
	}
	most := maxDatagram
	if c.TCP {
		most = maxMaxMessage
	}
	c.MaxMessage = cmp.Or(c.MaxMessage, DefaultMaxMessage)
	if c.MaxMessage < minMaxMessage || c.MaxMessage > most {
		fault("MaxMessage of %d is not within %d to %d", c.MaxMessage, minMaxMessage, most)
	}
	if c.MaxObjects < 0 {
		fault("MaxObjects of %d is negative", c.MaxObjects)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Dial == nil {
		network, address := "udp", c.Address
		if c.TCP {
			network = "tcp"
		}
		c.Dial = func(ctx context.Context) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, network, address)
		}
	}
	if len(faults) > 0 {
		return nil, faults
	}
	s := &sessionConfig{
		name: cmp.Or(c.Address, "snmp"), dial: c.Dial, stream: c.TCP, version: c.Version.wire(), community: []byte(string(c.Community)),
		timeout: c.Timeout, retries: max(c.Retries, 0), maxMessage: c.MaxMessage,
		now: c.Now, logger: c.Logger, trace: c.Trace, plaintext: c.Plaintext,
	}
	if c.Version == V3 {
		s.authority = newAuthority(c.User)
	}
	s.requests.Store(randomStart())
	return s, nil
}

// hostPort returns the address with a port.
func hostPort(address string) (string, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil { // no port: a name, an IPv4 address, or an IPv6 address with or without brackets
		host, port = address, DefaultPort
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

// Agent is a client for single questions to one agent: what Source does not poll. It
// connects with the first question, and again when the connection is lost. Nothing
// that it sends changes anything. It is safe for concurrent use; questions take turns.
type Agent struct {
	cfg        *sessionConfig
	maxObjects int
	turn       chan struct{} // holds one token

	session *session // of who has the turn; nil: none yet

	mu       sync.Mutex
	closed   bool
	counters Counters
	most     int // bytes of an answer, as far as is known
}

// NewAgent returns the Agent that cfg describes. The error names every fault of cfg.
// Nothing is sent.
func NewAgent(cfg AgentConfig) (*Agent, error) {
	checked, faults := cfg.checked()
	if err := errors.Join(faults...); err != nil {
		return nil, fmt.Errorf("snmp: %w", err)
	}
	return newAgent(checked, cmp.Or(cfg.MaxObjects, DefaultMaxObjects)), nil
}

func newAgent(cfg *sessionConfig, maxObjects int) *Agent {
	a := &Agent{cfg: cfg, maxObjects: maxObjects, turn: make(chan struct{}, 1), most: min(maxBudget, cfg.maxMessage)}
	a.turn <- struct{}{}
	return a
}

// Counters returns what has happened on the wire so far.
func (a *Agent) Counters() Counters {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.counters
}

// Close closes the connection, after the question under way. Further ones fail with
// net.ErrClosed. It may be called more than once.
func (a *Agent) Close() error {
	a.mu.Lock()
	a.closed = true
	a.mu.Unlock()
	<-a.turn
	defer func() { a.turn <- struct{}{} }()
	return a.hangUp()
}

func (a *Agent) hangUp() error {
	if a.session == nil {
		return nil
	}
	s := a.session
	a.session = nil
	return s.close()
}

// exchange asks one question when it is the caller's turn, and copies the bindings of
// the answer to memory of the caller.
func (a *Agent) exchange(ctx context.Context, p *snmpwire.PDU, memory *[]byte) (response, error) {
	select {
	case <-a.turn:
	case <-ctx.Done():
		return response{}, ctx.Err()
	}
	defer func() { a.turn <- struct{}{} }()
	if a.isClosed() {
		return response{}, net.ErrClosed
	}
	if a.session == nil {
		s, err := openSession(ctx, a.cfg)
		if err != nil {
			return response{}, err
		}
		a.session = s
	}
	answer, err := a.session.roundTrip(ctx, p)
	*memory = append((*memory)[:0], answer.PDU.Bindings...)
	answer.PDU.Bindings = *memory
	a.collect()
	if a.session.failure() != nil {
		_ = a.hangUp() // it was of no more use
	}
	return answer, err
}

func (a *Agent) isClosed() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.closed
}

// collect adds the counters of the session.
func (a *Agent) collect() {
	taken := a.session.counts.take()
	a.mu.Lock()
	defer a.mu.Unlock()
	a.counters.add(&taken)
}

// bears returns how many bytes an answer may have.
func (a *Agent) bears() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.most
}

// learn takes note of how many bytes an answer may have, after a longer one did not
// come or was too big for the agent.
func (a *Agent) learn(most int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.most = min(a.most, max(most, minMaxMessage))
}

// The limits of one request of Get.
const (
	maxQuery   = 60   // objects
	queryBytes = 1200 // of their names and about what else there is in a packet
)

// Get asks for objects by their full names, those of scalars with the last ".0", and
// returns them in the order of oids; Variable.Err says which of them the agent
// refuses or does not have. The variables belong to the caller.
func (a *Agent) Get(ctx context.Context, oids ...OID) ([]Variable, error) {
	variables := make([]Variable, len(oids))
	var faults []error
	for i, o := range oids {
		if variables[i].name = o.encode(); variables[i].name == nil {
			faults = append(faults, fmt.Errorf("snmp: %.80q is no object identifier in numbers", string(o)))
		}
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	var memory []byte
	for rest := variables; len(rest) > 0; {
		n, size := 0, 0
		for n < min(len(rest), maxQuery) && (n == 0 || size+len(rest[n].name)+6 <= queryBytes) {
			size += len(rest[n].name) + 6
			n++
		}
		if err := a.get(ctx, rest[:n], &memory); err != nil {
			return nil, err
		}
		rest = rest[n:]
	}
	return variables, nil
}

// get asks for the variables in one request, and in more if the agent refuses some.
func (a *Agent) get(ctx context.Context, variables []Variable, memory *[]byte) error {
	asked := make([]*Variable, len(variables))
	for i := range variables {
		asked[i] = &variables[i]
	}
	return a.ask(ctx, asked, memory)
}

func (a *Agent) ask(ctx context.Context, asked []*Variable, memory *[]byte) error {
	for len(asked) > 0 {
		p := snmpwire.PDU{Type: snmpwire.ReadRequest}
		for _, v := range asked {
			p.Bindings = snmpwire.AppendQuery(p.Bindings, v.name)
		}
		answer, err := a.exchange(ctx, &p, memory)
		if err != nil {
			return err
		}
		status, at := ErrorStatus(answer.PDU.ErrorStatus), int(answer.PDU.ErrorIndex)
		switch {
		case status == NoError:
			return fill(asked, *memory)
		case len(asked) == 1:
			asked[0].refusal = status
			return nil
		case status != TooBig && at >= 1 && at <= len(asked):
			asked[at-1].refusal = status
			asked = slices.Delete(asked, at-1, at)
		default:
			half := len(asked) / 2
			if err := a.ask(ctx, slices.Clone(asked[:half]), memory); err != nil {
				return err
			}
			asked = asked[half:]
		}
	}
	return nil
}

// fill gives the variables the values of an answer.
func fill(asked []*Variable, bindings []byte) error {
	for _, v := range asked {
		b, rest, err := snmpwire.NextBinding(bindings)
		if err != nil {
			return &MessageError{Err: err}
		}
		if string(b.Name) != string(v.name) {
			return broken("%s in place of %s", oidOf(b.Name), oidOf(v.name))
		}
		v.Syntax, v.value = Syntax(b.Tag), slices.Clone(b.Value)
		bindings = rest
	}
	if len(bindings) > 0 {
		return broken("more objects than were asked for")
	}
	return nil
}
