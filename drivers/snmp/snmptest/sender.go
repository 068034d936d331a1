package snmptest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"time"

	"github.com/fieldtap/fieldtap/internal/snmpwire"
)

// Names of the first two bindings of a notification (RFC 3416, section 4.2.6).
const (
	sysUpTime   = "1.3.6.1.2.1.1.3.0"
	snmpTrapOID = "1.3.6.1.6.3.1.1.4.1.0"
)

// Notification is what a trap or an inform says.
type Notification struct {
	// Trap names what has happened: the snmpTrapOID of versions 2c and 3.
	Trap string
	// Uptime of the agent.
	Uptime time.Duration
	// Bindings follow sysUpTime and snmpTrapOID.
	Bindings []Binding

	// Of a trap of version 1, in place of Trap (RFC 1157, section 4.1.6).
	Enterprise   string  // identifier
	AgentAddress [4]byte // of the agent, whoever passes the trap on
	Generic      int32   // 6 for a trap of the enterprise
	Specific     int32   // number of such a trap
}

// SenderConfig describes a [Sender].
type SenderConfig struct {
	// Network is "udp", which empty means as well, or "tcp".
	Network string
	// Address of the receiver, as host:port.
	Address string
	// Dial, if it is not nil, makes the connection in place of Network and Address. Each Write sends one message, and, unless Network is
	// "tcp", each Read gives one.
	Dial func(context.Context) (net.Conn, error)
	// Version of the messages. The zero value is V1, which has no informs.
	Version Version
	// Community of versions 1 and 2c. Empty means "public".
	Community string
	// User of version 3, and Level, for which the user must have keys.
	User User
	// Level of version 3. See User.
	Level Level
	// Context of version 3.
	Context string
	// EngineID of the sender, which is authoritative for its traps in version 3. Nil means one of its own. For informs the receiver
	// is authoritative.
	EngineID []byte
	// Boots and Time of that engine. The time does not pass.
	Boots, Time int32
	// Edit, if it is not nil, changes the encoded message before it is sent.
	Edit func(message []byte) []byte
}

// Sender emits traps and informs. It serves one goroutine at a time. Obtain one from [NewSender].
type Sender struct {
	cfg  SenderConfig
	user *identity
	conn net.Conn
	id   int32
	buf  []byte

	// The receiver's engine, once it has answered a discovery.
	engine      string
	boots, time int32
}

// NewSender returns a sender to one receiver. The context bounds connecting alone. The error names every fault of cfg.
func NewSender(ctx context.Context, cfg SenderConfig) (*Sender, error) {
	var faults []error
	s := &Sender{cfg: cfg}
	switch {
	case cfg.Version == V3:
		var err error
		if s.user, err = newIdentity(cfg.User); err != nil {
			faults = append(faults, err)
		} else if cfg.Level > AuthPriv || !s.user.offers(cfg.Level) {
			faults = append(faults, fmt.Errorf("snmptest: user %q has no keys for level %d", cfg.User.Name, cfg.Level))
		}
	case cfg.Version != V1 && cfg.Version != V2c:
		faults = append(faults, fmt.Errorf("snmptest: version %d is unknown", cfg.Version))
	}
	if len(cfg.EngineID) == 0 {
		id, err := newEngineID()
		if err != nil {
			faults = append(faults, err)
		}
		s.cfg.EngineID = []byte(id)
	}
	if cfg.Boots < 0 || cfg.Time < 0 {
		faults = append(faults, fmt.Errorf("snmptest: boots %d or time %d is negative", cfg.Boots, cfg.Time))
	}
	if cfg.Community == "" {
		s.cfg.Community = "public"
	}
	if cfg.Network == "" {
		s.cfg.Network = "udp"
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	dial := cfg.Dial
	if dial == nil {
		dial = func(ctx context.Context) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, s.cfg.Network, cfg.Address)
		}
	}
	var err error
	if s.conn, err = dial(ctx); err != nil {
		return nil, fmt.Errorf("snmptest: %w", err)
	}
	return s, nil
}

// Close closes the socket.
func (s *Sender) Close() error { return s.conn.Close() }

// LocalAddr returns the address that the receiver sees.
func (s *Sender) LocalAddr() net.Addr { return s.conn.LocalAddr() }

// EngineID returns the id under which traps of version 3 are sent.
func (s *Sender) EngineID() []byte { return slices.Clone(s.cfg.EngineID) }

// Trap sends a trap and waits for nothing.
func (s *Sender) Trap(n Notification) error { return s.Burst(1, func(int) Notification { return n }) }

// Burst sends count traps as fast as the socket takes them, which is faster than a receiver with a small buffer takes them; each
// gets the ordinals from 0.
func (s *Sender) Burst(count int, each func(i int) Notification) error {
	for i := range count {
		n := each(i)
		message, err := s.message(&n, snmpwire.TrapV2, string(s.cfg.EngineID), s.cfg.Boots, s.cfg.Time)
		if err != nil {
			return err
		}
		if _, err := s.conn.Write(message); err != nil {
			return fmt.Errorf("snmptest: trap %d of %d: %w", i+1, count, err)
		}
	}
	return nil
}

// ErrVersion is an inform in version 1, which has none.
var ErrVersion = errors.New("snmptest: version 1 has no informs")

// ErrRefused is an inform whose receiver answered otherwise than with an acknowledgement.
var ErrRefused = errors.New("snmptest: inform refused")

// Inform sends an inform once, in version 3 after a discovery of the receiver's engine, and waits for its acknowledgement or for
// the end of ctx, whose error is then returned. What comes in between and does not belong to it is passed over.
func (s *Sender) Inform(ctx context.Context, n Notification) error {
	if s.cfg.Version == V1 {
		return ErrVersion
	}
	woken := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		_ = s.conn.SetReadDeadline(time.Unix(1, 0)) // on failure the read has ended as well
		close(woken)
	})
	defer func() {
		if !stop() {
			<-woken
			_ = s.conn.SetReadDeadline(time.Time{})
		}
	}()
	// A Report corrects what is known about the receiver: at most its engine, then its time.
	for range 3 {
		message, err := s.message(&n, snmpwire.InformRequest, s.engine, s.boots, s.time)
		if err != nil {
			return err
		}
		if _, err := s.conn.Write(message); err != nil {
			return fmt.Errorf("snmptest: inform: %w", err)
		}
		again, err := s.acknowledged(ctx)
		if err != nil || !again {
			return err
		}
	}
	return ErrRefused
}

// acknowledged waits for the answer to the message sent last, and tells whether it asks for another try.
func (s *Sender) acknowledged(ctx context.Context) (again bool, err error) {
	b := make([]byte, largestMessage+1)
	for {
		n, err := s.read(b)
		if err != nil {
			if ctx.Err() != nil {
				return false, ctx.Err()
			}
			return false, fmt.Errorf("snmptest: inform: %w", err)
		}
		if s.cfg.Version == V3 {
			var m snmpwire.MessageV3
			if m.Parse(b[:n]) != nil || m.ID != s.id {
				continue
			}
			if s.verify(b[:n], &m) != nil {
				continue
			}
			if m.Scoped.PDU.Type == snmpwire.Report {
				known := s.engine == string(m.EngineID) && s.boots == m.Boots && s.time == m.Time
				s.engine, s.boots, s.time = string(m.EngineID), m.Boots, m.Time
				if known {
					return false, ErrRefused
				}
				return true, nil
			}
			if levelOf(m.Flags) != s.cfg.Level || m.Scoped.PDU.Type != snmpwire.Response || m.Scoped.PDU.RequestID != s.id {
				continue
			}
			return false, refused(&m.Scoped.PDU)
		}
		var m snmpwire.Message
		if m.Parse(b[:n]) == nil && m.PDU.Type == snmpwire.Response && m.PDU.RequestID == s.id {
			return false, refused(&m.PDU)
		}
	}
}

// verify authenticates and decrypts an answer.
func (s *Sender) verify(message []byte, m *snmpwire.MessageV3) error {
	if m.Flags.Level() == 0 {
		return nil
	}
	return s.user.with(string(m.EngineID), func(k *snmpwire.Keys) error {
		err := k.Verify(message, m)
		if err == nil && m.Flags&snmpwire.Private != 0 {
			_, err = k.Decrypt(nil, m)
		}
		return err
	})
}

func refused(p *snmpwire.PDU) error {
	if p.ErrorStatus != NoError {
		return fmt.Errorf("%w: error-status %d", ErrRefused, p.ErrorStatus)
	}
	return nil
}

func (s *Sender) read(b []byte) (int, error) {
	if s.cfg.Network == "udp" {
		return s.conn.Read(b)
	}
	return readMessage(s.conn, b)
}

// message encodes a notification, for an engine that is authoritative.
func (s *Sender) message(n *Notification, t snmpwire.PDUType, engine string, boots, seconds int32) ([]byte, error) {
	s.id++
	if s.id <= 0 {
		s.id = 1
	}
	ticks := uint32(n.Uptime / (10 * time.Millisecond))
	p := snmpwire.PDU{Type: t, RequestID: s.id}
	if s.cfg.Version == V1 {
		name, err := snmpwire.AppendOID(nil, n.Enterprise)
		if err != nil {
			return nil, fmt.Errorf("snmptest: enterprise %q: %w", n.Enterprise, err)
		}
		p = snmpwire.PDU{Type: snmpwire.TrapV1, Enterprise: name, AgentAddress: n.AgentAddress, GenericTrap: n.Generic,
			SpecificTrap: n.Specific, Timestamp: ticks, Bindings: closeBindings(n.Bindings)}
	} else {
		p.Bindings = closeBindings(slices.Concat([]Binding{{sysUpTime, TimeTicks(ticks)}, {snmpTrapOID, ObjectID(n.Trap)}}, n.Bindings))
	}
	var err error
	if s.cfg.Version == V3 {
		m := snmpwire.MessageV3{ID: s.id, MaxSize: largestMessage, Flags: s.cfg.Level.flags(), EngineID: []byte(engine), Boots: boots,
			Time: seconds, User: []byte(s.cfg.User.Name),
			Scoped: snmpwire.ScopedPDU{ContextEngineID: s.cfg.EngineID, ContextName: []byte(s.cfg.Context), PDU: p}}
		if t == snmpwire.InformRequest {
			m.Flags |= snmpwire.Reportable
			if engine == "" { // a discovery (RFC 3414, section 4)
				m.Flags, m.User = snmpwire.Reportable, nil
			}
		}
		if s.buf, err = s.user.seal(s.buf[:0], &m); err != nil {
			return nil, err
		}
	} else {
		m := snmpwire.Message{Version: snmpwire.Version(s.cfg.Version), Community: []byte(s.cfg.Community), PDU: p}
		s.buf = m.Append(s.buf[:0])
	}
	if s.cfg.Edit != nil {
		return s.cfg.Edit(s.buf), nil
	}
	return s.buf, nil
}
