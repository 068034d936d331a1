package snmptest

import (
	"crypto/rand"
	"errors"
	"time"

	"github.com/fieldtap/fieldtap/internal/snmpwire"
)

// enterprise is the number that RFC 5612 sets aside for documentation.
const enterprise = "\x80\x00\x7E\xD9"

// newEngineID returns an engine id that no other agent has: of a number of our own choosing (RFC 3411, SnmpEngineID, format 5).
func newEngineID() (string, error) {
	var unique [8]byte
	if _, err := rand.Read(unique[:]); err != nil {
		return "", err
	}
	return enterprise + "\x05" + string(unique[:]), nil
}

// EngineID returns the id of the agent's present engine.
func (s *Server) EngineID() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return []byte(s.engine)
}

// RestartWithNewEngine is [Server.Restart] by an agent that has lost its memory: the engine id is another one and boots
// begin again at 1.
func (s *Server) RestartWithNewEngine() error {
	id, err := newEngineID()
	if err != nil {
		return err
	}
	s.Restart()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.engine, s.boots = id, 1
	return nil
}

// problem is a reason not to answer, and the Report that says so.
type problem struct {
	stat  snmpwire.Stat
	level Level // of the Report
}

// answerV3 handles a message of version 3, as the engine that is authoritative for it (RFC 3414, section 3.2; RFC 3412,
// section 7.2).
func (s *Server) answerV3(t *task) {
	var m snmpwire.MessageV3
	if err := m.Parse(t.in); err != nil {
		switch {
		case m.Model != 0 && m.Model != snmpwire.USM:
			s.report(t, &m, problem{snmpwire.UnknownSecurityModels, NoAuthNoPriv}, true)
		case errors.Is(err, snmpwire.ErrSupport):
			s.report(t, &m, problem{snmpwire.InvalidMsgs, NoAuthNoPriv}, true)
		default:
			s.count(&s.stats.Malformed)
		}
		return
	}
	clock, engine := s.present()
	user, trouble := s.admit(t, &m, clock, engine)
	if trouble.stat != snmpwire.UnknownStat {
		s.report(t, &m, trouble, false)
		return
	}
	level := levelOf(m.Flags)
	mib, ok := s.contexts[string(m.Scoped.ContextName)]
	switch {
	case string(m.Scoped.ContextEngineID) != engine:
		s.report(t, &m, problem{snmpwire.UnknownPDUHandlers, level}, false)
		return
	case !ok:
		s.report(t, &m, problem{snmpwire.UnknownContexts, level}, false)
		return
	}
	if !s.counted(snmpwire.V3, &m.Scoped.PDU) {
		return
	}
	w := view{entries: mib.entries(), clock: clock}
	room := min(s.maxMessage, int(m.MaxSize)) - overheadV3(&m)
	r, err := respond(&w, &m.Scoped.PDU, t.list[:0], room)
	if err != nil {
		s.count(&s.stats.Malformed)
		return
	}
	t.list = r.Bindings[:0]
	if level < user.Least {
		r.ErrorStatus, r.ErrorIndex, r.Bindings = AuthorizationError, 0, m.Scoped.PDU.Bindings
	}
	s.replyV3(t, &m, level, clock, engine, r)
}

// admit decides whether a message may be answered, and decrypts it.
func (s *Server) admit(t *task, m *snmpwire.MessageV3, clock Clock, engine string) (*identity, problem) {
	level := levelOf(m.Flags)
	if string(m.EngineID) != engine {
		return nil, problem{snmpwire.UnknownEngineIDs, NoAuthNoPriv}
	}
	user := s.users[string(m.User)]
	if user == nil {
		return nil, problem{snmpwire.UnknownUserNames, NoAuthNoPriv}
	}
	if !user.offers(level) {
		return nil, problem{snmpwire.UnsupportedSecLevels, NoAuthNoPriv}
	}
	if level == NoAuthNoPriv {
		return user, problem{}
	}
	trouble := problem{}
	err := user.with(engine, func(k *snmpwire.Keys) error {
		if err := k.Verify(t.in, m); err != nil {
			trouble = problem{snmpwire.WrongDigests, NoAuthNoPriv}
			return nil
		}
		if !snmpwire.Fresh(clock.Boots, clock.seconds(), m.Boots, m.Time) {
			trouble = problem{snmpwire.NotInTimeWindows, AuthNoPriv}
			return nil
		}
		if level < AuthPriv {
			return nil
		}
		var err error
		if t.plain, err = k.Decrypt(t.plain[:0], m); err != nil {
			trouble = problem{snmpwire.DecryptionErrors, NoAuthNoPriv}
		}
		return nil
	})
	if err != nil {
		trouble = problem{snmpwire.UnsupportedSecLevels, NoAuthNoPriv} // keys that cannot be made
	}
	return user, trouble
}

// seconds is the engine time.
func (c Clock) seconds() int32 { return int32(c.Up / time.Second) }

// report counts a problem and says so to a sender who wants to hear of it. Mute is for problems with which there is no
// Report.
func (s *Server) report(t *task, m *snmpwire.MessageV3, p problem, mute bool) {
	s.mu.Lock()
	value := s.stats.note(p.stat)
	s.mu.Unlock()
	if mute || m.Flags&snmpwire.Reportable == 0 {
		return
	}
	clock, engine := s.present()
	r := snmpwire.PDU{Type: snmpwire.Report}
	if m.Ciphertext == nil || m.Scoped.PDU.Type != 0 {
		r.RequestID = m.Scoped.PDU.RequestID
	}
	t.list = bind(t.list[:0], []byte(p.stat.OID()), Counter32(uint32(value)))
	r.Bindings = t.list
	s.replyV3(t, m, p.level, clock, engine, r)
}

// replyV3 answers a message of version 3 with a PDU, at a level.
func (s *Server) replyV3(t *task, m *snmpwire.MessageV3, level Level, clock Clock, engine string, r snmpwire.PDU) {
	reply := snmpwire.MessageV3{ID: m.ID, MaxSize: int32(s.maxMessage), Flags: level.flags(), EngineID: []byte(engine),
		Boots: clock.Boots, Time: clock.seconds(), User: m.User,
		Scoped: snmpwire.ScopedPDU{ContextEngineID: []byte(engine), ContextName: m.Scoped.ContextName, PDU: r}}
	if s.zeroClock && level == NoAuthNoPriv {
		reply.Boots, reply.Time = 0, 0
	}
	if t.fault != nil {
		s.disturb(t, openV3(m), openV3(&reply))
		return
	}
	var err error
	if t.out, err = s.seal(t.out[:0], &reply); err == nil && s.wait(t.latency-t.latency/2) {
		s.send(t.link, t.out, false)
	}
}

// seal encodes a message for one of the users.
func (s *Server) seal(dst []byte, m *snmpwire.MessageV3) ([]byte, error) {
	if user := s.users[string(m.User)]; user != nil {
		return user.seal(dst, m)
	}
	return m.Append(dst, nil)
}

// overheadV3 returns how long a response is without its bindings, at most.
func overheadV3(m *snmpwire.MessageV3) int {
	const headers, numbers, secrets = 10 * 4, 3 + 6 + 6 + 3 + 3 + 6 + 6 + 6 + 3 + 6, 48 + 8 + 8
	return headers + numbers + secrets + 2*snmpwire.MaxEngineID + len(m.User) + len(m.Scoped.ContextName)
}

func openV3(m *snmpwire.MessageV3) Message {
	return Message{Version: V3, ID: m.ID, Level: levelOf(m.Flags), Engine: string(m.EngineID), Boots: m.Boots, Time: m.Time,
		User: string(m.User), ContextEngine: string(m.Scoped.ContextEngineID), Context: string(m.Scoped.ContextName),
		PDU: open(&m.Scoped.PDU)}
}

// closeV3 puts a message together that a fault has left.
func (m *Message) closeV3(maxMessage int) snmpwire.MessageV3 {
	return snmpwire.MessageV3{ID: m.ID, MaxSize: int32(maxMessage), Flags: m.Level.flags(), EngineID: []byte(m.Engine),
		Boots: m.Boots, Time: m.Time, User: []byte(m.User),
		Scoped: snmpwire.ScopedPDU{ContextEngineID: []byte(m.ContextEngine), ContextName: []byte(m.Context), PDU: m.PDU.close()}}
}
