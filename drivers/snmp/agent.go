package snmp

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"time"

	"github.com/fieldtap/fieldtap/acquire"
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

	// Now is the clock for stamps. Default: time.Now.
	Now func() time.Time
	// Logger receives rare events. Default: none.
	Logger *slog.Logger
	// Trace observes messages. Default: nothing.
	Trace Trace
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
		now: c.Now, logger: c.Logger, trace: c.Trace,
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
