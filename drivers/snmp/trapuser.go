package snmp

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/fieldtap/fieldtap/internal/snmpwire"
)

// trapUsers are the users of version 3 and the engines that they were heard at.
type trapUsers struct {
	named   map[string][]*trapUser
	engines int // of all users
	most    int
	own     ownEngine
	budget  budget // of keys made for engines that nobody has vouched for
}

// trapUser is one user. Keys are made when they are first needed, so that what a
// password costs, a megabyte of hashing, is paid once.
type trapUser struct {
	authority *authority // of its master keys alone
	level     snmpwire.Flags
	engine    []byte // nil: any
	senders   []netip.Prefix
	cost      float64 // of its keys for one more engine, in tokens

	engines map[string]*trapEngine
	own     *snmpwire.Keys // for our engine
}

// trapEngine is an engine that has proved to know a user's keys.
type trapEngine struct {
	id    string
	keys  *snmpwire.Keys
	clock snmpwire.Clock
	heard time.Time
}

// ownEngine is ours, authoritative for informs.
type ownEngine struct {
	id      []byte
	clock   snmpwire.Clock
	reports uint32 // sent: what the counters in them say
}

const (
	// newEngineRate is for how many new engines keys are made a second: microseconds
	// each, unless a key is extended as Reeder has it, which hashes a megabyte.
	newEngineRate = 1000
	reederCost    = 250
	// maxAlike is how many users of one name may be tried on a message.
	maxAlike = 8
)

func (us *trapUsers) configure(list []TrapUser) []error {
	var faults []error
	us.named = make(map[string][]*trapUser)
	for i, given := range list {
		what := fmt.Sprintf("user %d, %q", i+1, given.User.Name)
		checked, wrong := given.User.checked()
		for _, err := range wrong {
			faults = append(faults, fmt.Errorf("%s: %w", what, err))
		}
		if checked.Context != "" || len(checked.ContextEngineID) > 0 {
			faults = append(faults, fmt.Errorf("%s: traps come from any context", what))
		}
		for _, p := range given.Senders {
			if !p.IsValid() {
				faults = append(faults, fmt.Errorf("%s: a prefix of Senders is not valid", what))
			}
		}
		u := &trapUser{
			authority: newAuthority(checked), level: checked.Level.flags(),
			engine: slices.Clone(checked.EngineID), senders: masked(given.Senders),
			cost: 1, engines: make(map[string]*trapEngine),
		}
		if c := checked.cipher(); c == snmpwire.AES192Reeder || c == snmpwire.AES256Reeder {
			u.cost = reederCost
		}
		alike := us.named[checked.Name]
		for _, other := range alike {
			if bytes.Equal(other.engine, u.engine) && slices.Equal(other.senders, u.senders) {
				faults = append(faults, fmt.Errorf("%s: given twice, and neither EngineID nor Senders tell which is which", what))
				break
			}
		}
		if us.named[checked.Name] = append(alike, u); len(alike) == maxAlike {
			faults = append(faults, fmt.Errorf("%s: more than %d users have this name", what, maxAlike))
		}
	}
	return faults
}

// masked returns prefixes in their canonical form.
func masked(prefixes []netip.Prefix) []netip.Prefix {
	prefixes = slices.Clone(prefixes)
	for i := range prefixes {
		prefixes[i] = prefixes[i].Masked()
	}
	return prefixes
}

// within reports whether an address is in one of the prefixes, or there are none.
func within(prefixes []netip.Prefix, a netip.Addr) bool {
	for _, p := range prefixes {
		if p.Contains(a.WithZone("")) {
			return true
		}
	}
	return len(prefixes) == 0
}

// verdict is what has become of a message.
type verdict uint8

const (
	matched verdict = iota
	unmatched
	repeated
	question
	malformed
	unsupported
	unknownSender
	unauthentic
	untimely
	throttled
)

// judgement is what is known of a message of version 3 that is a trap or inform, or
// why it is none.
type judgement struct {
	verdict verdict
	keys    *snmpwire.Keys // for the reply
	report  snmpwire.Stat  // to be sent, if the message asks for it
}

// accepted is the verdict of messages that are believed, until rules decide.
const accepted = matched

// judge checks a message of version 3 as RFC 3414, section 3.2, has it. A message that
// asks for reports can only be an inform, for which our engine is authoritative; for all
// others it is the sender's. The message is decrypted in place.
func (us *trapUsers) judge(m *snmpwire.MessageV3, message []byte, from netip.Addr, now time.Time) judgement {
	inform := m.Flags&snmpwire.Reportable != 0
	if inform && !bytes.Equal(m.EngineID, us.own.id) {
		return judgement{verdict: question, report: snmpwire.UnknownEngineIDs}
	}
	if n := len(m.EngineID); n < minEngineID || n > snmpwire.MaxEngineID {
		return judgement{verdict: malformed}
	}
	worst := judgement{verdict: unknownSender, report: snmpwire.UnknownUserNames}
	alike := us.named[string(m.User)]
	for pass := range 2 { // those that were heard at this engine come first
		for _, u := range alike {
			known := u.engines[string(m.EngineID)]
			if (pass == 0) != (inform || known != nil) || !within(u.senders, from) {
				continue
			}
			if !inform && len(u.engine) > 0 && !bytes.Equal(u.engine, m.EngineID) {
				continue
			}
			j := us.try(u, known, m, message, inform, now)
			if j.verdict == accepted || j.verdict == untimely || j.verdict == throttled {
				return j
			}
			worst = j
		}
	}
	return worst
}

// try checks a message with the keys of one user.
func (us *trapUsers) try(u *trapUser, known *trapEngine, m *snmpwire.MessageV3, message []byte, inform bool, now time.Time) judgement {
	switch {
	case m.Flags.Level() != u.level:
		return judgement{verdict: unauthentic, report: snmpwire.UnsupportedSecLevels}
	case u.level == 0:
		return judgement{}
	case inform:
		return us.tryInform(u, m, message, now)
	}
	engine := known
	if engine == nil {
		if !us.budget.take(u.cost, now) {
			return judgement{verdict: throttled}
		}
		keys, err := u.authority.localize(m.EngineID)
		if err != nil {
			return judgement{verdict: unauthentic}
		}
		engine = &trapEngine{id: string(m.EngineID), keys: keys}
	}
	if engine.keys.Verify(message, m) != nil {
		return judgement{verdict: unauthentic}
	}
	if known == nil {
		us.remember(u, engine)
	}
	engine.heard = now
	if !engine.clock.Hear(m.Boots, m.Time, now) {
		return judgement{verdict: untimely}
	}
	return decrypted(m, engine.keys)
}

// tryInform is try where our engine is authoritative.
func (us *trapUsers) tryInform(u *trapUser, m *snmpwire.MessageV3, message []byte, now time.Time) judgement {
	if u.own == nil {
		keys, err := u.authority.localize(us.own.id)
		if err != nil {
			return judgement{verdict: unauthentic, report: snmpwire.UnsupportedSecLevels}
		}
		u.own = keys
	}
	if u.own.Verify(message, m) != nil {
		return judgement{verdict: unauthentic, report: snmpwire.WrongDigests}
	}
	boots, seconds := us.own.clock.Now(now)
	if !snmpwire.Fresh(boots, seconds, m.Boots, m.Time) {
		return judgement{verdict: untimely, keys: u.own, report: snmpwire.NotInTimeWindows}
	}
	j := decrypted(m, u.own)
	j.keys = u.own
	return j
}

func decrypted(m *snmpwire.MessageV3, keys *snmpwire.Keys) judgement {
	if m.Flags&snmpwire.Private == 0 {
		return judgement{}
	}
	if _, err := keys.Decrypt(m.Ciphertext[:0], m); err != nil {
		return judgement{verdict: unauthentic, report: snmpwire.DecryptionErrors}
	}
	return judgement{}
}

// remember puts an engine that has proved itself among those of a user.
func (us *trapUsers) remember(u *trapUser, e *trapEngine) {
	if us.engines >= us.most {
		us.forget()
	}
	u.engines[e.id] = e
	us.engines++
}

// forget drops the engine that was silent for longest.
func (us *trapUsers) forget() {
	var owner *trapUser
	var oldest *trapEngine
	for _, alike := range us.named {
		for _, u := range alike {
			for _, e := range u.engines {
				if oldest == nil || e.heard.Before(oldest.heard) {
					owner, oldest = u, e
				}
			}
		}
	}
	if oldest != nil {
		delete(owner.engines, oldest.id)
		us.engines--
	}
}
