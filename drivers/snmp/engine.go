package snmp

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/fieldtap/fieldtap/internal/snmpwire"
)

// authority is what the sessions with one agent of version 3 know of it: the engine
// that is authoritative for what it says, our keys for it, and its time. It outlives
// the sessions, so that a new one need not find all that out again, and so that those
// who are refused do not come back at once.
type authority struct {
	user          User
	name, context []byte // of user
	level         snmpwire.Flags

	mu       sync.Mutex
	master   [2][]byte // keys of the user, before they are made those for an engine
	engine   *engine   // nil: to be discovered
	engines  []*engine // the latest few, the present one first: none may go back in time unnoticed
	failures int       // security faults in a row
	latest   error     // of these
	until    time.Time // nothing is sent before
}

// engine is one authoritative engine (RFC 3414, section 2.3).
type engine struct {
	id    []byte
	keys  *snmpwire.Keys
	clock snmpwire.Clock
	mute  bool // nothing encrypted has come from it yet
}

// Limits on what an agent of version 3 may cost.
const (
	maxEngines  = 4 // remembered
	maxSteps    = 4 // for one request: messages that found out what its own needs
	maxFailures = 3 // in a row, before it is left alone for lockout after each
	lockout     = time.Minute
)

func newAuthority(u User) *authority {
	return &authority{user: u, name: []byte(u.Name), context: []byte(u.Context), level: u.Level.flags()}
}

// permit returns an error if the agent has refused us so often that it is not to be
// asked now.
func (a *authority) permit(now time.Time) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.failures < maxFailures {
		return nil
	}
	if wait := a.until.Sub(now); wait > 0 {
		return fmt.Errorf("%w: for another %s, because of: %w", LockedOut, wait.Round(time.Second), a.latest)
	}
	a.until = now.Add(lockout)
	return nil
}

// judged takes note of how a request ended.
func (a *authority) judged(err error, now time.Time) {
	if err != nil && !insecure(err) {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if err == nil {
		a.failures, a.latest = 0, nil
		return
	}
	a.failures++
	a.latest = err
	a.until = now.Add(lockout)
}

// mute reports whether the engine has proved to be there, and never answered what was
// encrypted. An agent that cannot decrypt may say so in no other way.
func (a *authority) mute() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.engine != nil && a.engine.mute && !a.engine.clock.At.IsZero()
}

// asked are the steps of one request of version 3 and what was learnt on the way.
type asked struct {
	steps        int
	since        int           // tries before this one are of an earlier step: a report on them says nothing new
	probe        bool          // the next message asks for the engine's id
	rediscovered bool          // an unauthenticated report has made us do so
	fault        SecurityFault // of the latest message that was not believed
}

// compose encodes the request for the present engine, or a question for its id
// (RFC 3414, section 4).
func (a *authority) compose(dst []byte, t *try, p *snmpwire.PDU, maxSize int, now time.Time, probe bool) ([]byte, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.engine == nil && len(a.user.EngineID) > 0 {
		if err := a.meet(a.user.EngineID); err != nil {
			return dst, err
		}
	}
	m := snmpwire.MessageV3{ID: t.id, MaxSize: int32(maxSize), Flags: snmpwire.Reportable}
	if a.engine == nil || probe {
		m.Scoped.PDU = snmpwire.PDU{Type: snmpwire.ReadRequest, RequestID: t.id}
		return m.Append(dst, nil)
	}
	t.engine = a.engine
	m.Flags |= a.level
	m.EngineID = a.engine.id
	if a.level != 0 {
		m.Boots, m.Time = a.engine.clock.Now(now)
	}
	m.User = a.name
	m.Scoped.ContextEngineID, m.Scoped.ContextName = a.contextEngine(a.engine), a.context
	m.Scoped.PDU = *p
	m.Scoped.PDU.RequestID = t.id
	return m.Append(dst, a.engine.keys)
}

// meet makes an engine the present one. The caller holds mu.
func (a *authority) meet(id []byte) error {
	for i, e := range a.engines {
		if bytes.Equal(e.id, id) {
			a.engines = slices.Insert(slices.Delete(a.engines, i, i+1), 0, e)
			a.engine = e
			return nil
		}
	}
	keys, err := a.localize(id)
	if err != nil {
		return err
	}
	a.engine = &engine{id: bytes.Clone(id), keys: keys, mute: a.level&snmpwire.Private != 0}
	a.engines = slices.Insert(a.engines, 0, a.engine)
	a.engines = a.engines[:min(len(a.engines), maxEngines)]
	return nil
}

// localize makes our keys for an engine. The caller holds mu.
func (a *authority) localize(id []byte) (*snmpwire.Keys, error) {
	hash, cipher := a.user.hash(), a.user.cipher()
	passwords := [2]string{string(a.user.AuthKey), string(a.user.PrivKey)}
	var keys [2][]byte
	for i := range keys {
		if i == 0 && hash == snmpwire.NoAuth || i == 1 && cipher == snmpwire.NoPriv {
			continue
		}
		var err error
		if a.master[i] == nil {
			if a.master[i], err = snmpwire.MasterKey(hash, []byte(passwords[i])); err != nil {
				return nil, err
			}
		}
		if i == 0 {
			keys[i], err = snmpwire.Localize(hash, a.master[i], id)
		} else {
			keys[i], err = snmpwire.PrivacyKey(hash, cipher, a.master[i], id)
		}
		if err != nil {
			return nil, err
		}
	}
	return snmpwire.NewKeys(hash, keys[0], cipher, keys[1])
}

// believe checks a message that claims to answer one of the tries, as RFC 3412,
// section 7.2, and RFC 3414, section 3.2, have it. Of the errors, errStep says that
// the request should be sent again at once, a SecurityFault that the message is not to
// be believed, and a refused that an authentic message says so.
func (s *session) believe(ctx context.Context, message []byte) (response, error) {
	var m snmpwire.MessageV3
	if err := m.Parse(message); err != nil {
		return response{}, err
	}
	t := s.tryOf(m.ID)
	if t == nil {
		return response{}, errForeign
	}
	a := s.cfg.authority
	a.mu.Lock()
	defer a.mu.Unlock()
	authentic := m.Flags&snmpwire.Authenticated != 0
	timely := true
	now := time.Now()
	if authentic {
		e := t.engine
		if e == nil || a.level&snmpwire.Authenticated == 0 || !bytes.Equal(m.EngineID, e.id) ||
			!bytes.Equal(m.User, a.name) || e.keys.Verify(message, &m) != nil {
			s.counts.Unauthentic++
			return response{}, NotAuthentic
		}
		if m.Flags&snmpwire.Private != 0 {
			if _, err := e.keys.Decrypt(m.Ciphertext[:0], &m); err != nil {
				s.counts.Unauthentic++
				return response{}, NotDecrypted
			}
			e.mute = false
		}
		before := e.clock
		if timely = e.clock.Hear(m.Boots, m.Time, now); before.At.IsZero() || before.Boots != e.clock.Boots {
			s.heard(e)
		}
	}
	switch m.Scoped.PDU.Type {
	case snmpwire.Report:
		s.counts.Reports++
		return response{}, s.reported(ctx, &m, t, authentic, timely, now)
	case snmpwire.Response:
	default:
		return response{}, errForeign
	}
	switch {
	case m.Flags.Level() != a.level:
		s.counts.Unauthentic++
		return response{}, Downgraded
	case t.engine == nil || m.Scoped.PDU.RequestID != t.id:
		return response{}, errForeign
	case !bytes.Equal(m.EngineID, t.engine.id) || !bytes.Equal(m.User, a.name):
		s.counts.Unauthentic++
		return response{}, NotAuthentic
	case !bytes.Equal(m.Scoped.ContextEngineID, a.contextEngine(t.engine)) || !bytes.Equal(m.Scoped.ContextName, a.context):
		return response{}, errForeign
	case !timely:
		s.counts.Untimely++
		return response{}, OutOfWindow
	}
	return response{PDU: m.Scoped.PDU, Sent: t.sent, Boots: m.Boots}, nil
}

// contextEngine returns the engine that has the context, when e is asked.
func (a *authority) contextEngine(e *engine) []byte {
	if id := a.user.ContextEngineID; len(id) > 0 {
		return id
	}
	return e.id
}

// heard tells of an engine whose boots or existence is news. The caller holds mu.
func (s *session) heard(e *engine) {
	if s.cfg.trace.Engine != nil {
		s.cfg.trace.Engine(Engine{ID: bytes.Clone(e.id), Boots: e.clock.Boots, Time: e.clock.Time})
	}
}

// refused is a SecurityFault that is certain.
type refused struct{ SecurityFault }

// Unwrap returns the fault.
func (r refused) Unwrap() error { return r.SecurityFault }

// reported takes a Report for what it is worth. The caller holds mu of the authority.
func (s *session) reported(ctx context.Context, m *snmpwire.MessageV3, t *try, authentic, timely bool, now time.Time) error {
	if t.number < s.asked.since {
		return errForeign
	}
	a := s.cfg.authority
	fault := ReportWithoutReason
	if b, _, err := snmpwire.NextBinding(m.Scoped.PDU.Bindings); err == nil {
		if stat := snmpwire.StatOf(b.Name); stat != snmpwire.UnknownStat {
			fault = SecurityFault(stat)
		}
	}
	switch {
	case t.engine == nil && len(m.EngineID) > 0: // the engine's id: nobody can vouch for it yet
		return s.discovered(ctx, m.EngineID)
	case t.engine == nil:
		return fault
	case authentic && fault == NotInTimeWindow && timely && s.asked.steps < maxSteps:
		return s.step()
	case a.level == 0 && fault == NotInTimeWindow && s.asked.steps < maxSteps:
		// Nobody without keys is told so, but for who plays what one with keys was told, in
		// plain form.
		return s.step()
	case authentic && !timely:
		// The engine, whose answer bears our fresh message id, has lost its boots or was
		// set back. RFC 3414 would have us refuse it until somebody gives it a new id;
		// agents that keep no boots would be lost with each restart.
		was := t.engine.clock
		t.engine.clock = snmpwire.Clock{Boots: m.Boots, Time: m.Time, At: now, Latest: m.Time}
		s.counts.Untimely++
		s.event(ctx, "snmp engine has gone back in time",
			slog.Int("boots", int(m.Boots)), slog.Int("before", int(was.Boots)))
		s.heard(t.engine)
		return refused{EngineTimeBackwards}
	case authentic:
		return refused{fault}
	case fault == UnknownEngine && len(a.user.EngineID) == 0 && !s.asked.rediscovered && t.engine == a.engine && s.asked.steps < maxSteps:
		s.asked.rediscovered, s.asked.probe = true, true
		return s.step()
	}
	return fault
}

// step lets the request be sent again, with what has been learnt.
func (s *session) step() error {
	s.asked.steps++
	s.asked.since = s.tried
	return errStep
}

// discovered takes the id that an agent gives for its engine. The caller holds mu of
// the authority.
func (s *session) discovered(ctx context.Context, id []byte) error {
	a := s.cfg.authority
	if s.asked.steps >= maxSteps {
		return UnknownEngine
	}
	s.asked.probe = false
	was := a.engine
	if err := a.meet(id); err != nil {
		return err
	}
	if was != nil && was != a.engine {
		s.event(ctx, "snmp engine has changed", slog.String("engine", printable(id)), slog.String("before", printable(was.id)))
		return refused{EngineChanged}
	}
	return s.step()
}

// event logs what is rare and matters.
func (s *session) event(ctx context.Context, text string, attrs ...slog.Attr) {
	attrs = append(attrs, slog.String("agent", s.cfg.name))
	s.cfg.logger.LogAttrs(ctx, slog.LevelWarn, text, attrs...)
}
