package snmp

import (
	"bytes"
	"context"
	"errors"
	"net"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/internal/snmpwire"
)

const fuzzedID = 0x0102_0304

// waiting returns a session that has sent a request, without a connection.
func waiting(t testing.TB, cfg AgentConfig) *session {
	cfg.Dial = newMirrorDial(t, cfg.User)
	checked, faults := cfg.checked()
	require.Empty(t, faults)
	s := &session{cfg: checked, buf: make([]byte, minBuffer), tried: 1}
	s.tries[0] = try{id: fuzzedID}
	if a := checked.authority; a != nil {
		require.NoError(t, a.meet([]byte("mirrored")))
		a.engine.clock = snmpwire.Clock{Boots: 3, Time: 1000, At: time.Now(), Latest: 1000}
		s.tries[0].engine = a.engine
	}
	return s
}

// answers returns a good answer and others that are nearly as good.
func answers(t testing.TB, u User) (good []byte, others [][]byte) {
	pdu := snmpwire.PDU{Type: snmpwire.Response, RequestID: fuzzedID, Bindings: integerBinding("1.3.6.1.2.1.1.7.0", 72)}
	if !u.given() {
		m := snmpwire.Message{Version: snmpwire.V2c, Community: []byte(secretCommunity), PDU: pdu}
		good = m.Append(nil)
		m.PDU.RequestID++
		return good, [][]byte{m.Append(nil), good[:len(good)-1]}
	}
	mirror := newMirror(t, u)
	m := snmpwire.MessageV3{
		ID: fuzzedID, MaxSize: 1400, Flags: u.Level.flags(), EngineID: mirror.engine, Boots: 3, Time: 1000, User: []byte(u.Name),
		Scoped: snmpwire.ScopedPDU{ContextEngineID: mirror.engine, PDU: pdu},
	}
	message := func(m snmpwire.MessageV3) []byte {
		b, err := m.Append(nil, mirror.keys)
		require.NoError(t, err)
		return b
	}
	good = message(m)
	stripped := m
	stripped.Flags = 0
	report := m
	mirror.report(&report, snmpwire.UnknownEngineIDs)
	timed := m
	mirror.report(&timed, snmpwire.NotInTimeWindows)
	timed.Flags = snmpwire.Authenticated
	late := m
	late.Time = 800
	return good, [][]byte{message(stripped), message(report), message(timed), message(late)}
}

// FuzzAnswer feeds a session whatever may come. Of versions 1 and 2c, which prove
// nothing, only what bears the id and the community is taken. Of version 3 nothing is
// but what was made with the keys.
func FuzzAnswer(f *testing.F) {
	user, faults := User{Name: "u", AuthKey: "canary-key", PrivKey: "canary-key"}.checked()
	require.Empty(f, faults)
	good, others := answers(f, user)
	for _, b := range append(others, good) {
		f.Add(b)
	}
	plain, others := answers(f, User{})
	for _, b := range append(others, plain) {
		f.Add(b)
	}
	v2c := waiting(f, AgentConfig{Community: secretCommunity})
	v3 := waiting(f, AgentConfig{User: user})
	r, err := v3.open(f.Context(), bytes.Clone(good))
	require.NoError(f, err)
	require.EqualValues(f, 72, value(f, r))
	signed := bytes.Clone(r.PDU.Bindings) // the only ones that were, as long as nobody knows the keys

	f.Fuzz(func(t *testing.T, message []byte) {
		if r, err := v2c.open(t.Context(), message); err == nil {
			if r.PDU.RequestID != fuzzedID || r.PDU.Type != snmpwire.Response || !bytes.Contains(message, []byte(secretCommunity)) {
				t.Errorf("% x is taken for an answer", message)
			}
		}
		v3.asked = asked{}
		if r, err := v3.open(t.Context(), bytes.Clone(message)); err == nil && !bytes.Equal(r.PDU.Bindings, signed) {
			t.Errorf("% x is believed", message)
		}
		if a := v3.cfg.authority; a.engine != v3.tries[0].engine || len(a.engines) != 1 || a.engine.clock.Boots != 3 {
			t.Errorf("% x has moved the engine", message)
		}
	})
}

// pieces is a connection that delivers bytes in pieces of given lengths.
type pieces struct {
	net.Conn
	bytes  []byte
	length []byte
	n      int
}

func (p *pieces) Read(b []byte) (int, error) {
	n := len(p.bytes)
	if len(p.length) > 0 {
		n = min(n, 1+int(p.length[p.n%len(p.length)]))
		p.n++
	}
	n = copy(b, p.bytes[:n])
	p.bytes = p.bytes[n:]
	if n == 0 {
		return 0, net.ErrClosed
	}
	return n, nil
}

// FuzzFraming takes a stream of bytes apart into messages, however it is cut into
// pieces, as a twin does that has all of it at once.
func FuzzFraming(f *testing.F) {
	good, others := answers(f, User{})
	stream := bytes.Join(append(others, good, []byte{0x30, 0}, append([]byte{0x30, 0x84, 0, 0, 2, 0}, make([]byte, 512)...), good), nil)
	f.Add(stream, []byte{0})
	f.Add(stream, []byte{6, 200, 0})
	f.Add([]byte{0x30, 0x80, 0, 0}, []byte{})
	f.Add([]byte{0x30, 0x84, 0x7f, 0xff, 0xff, 0xff}, []byte{1})
	f.Fuzz(func(t *testing.T, stream, lengths []byte) {
		const most = 600
		var want [][]byte
		for rest := stream; len(rest) > 0 && rest[0] == 0x30; {
			_, _, after, err := snmpwire.Read(rest)
			if err != nil || len(rest)-len(after) > most {
				break
			}
			want = append(want, rest[:len(rest)-len(after)])
			rest = after
		}
		s := &session{
			cfg:  &sessionConfig{stream: true, maxMessage: most},
			conn: &pieces{bytes: stream, length: lengths}, buf: make([]byte, 8),
		}
		var got [][]byte
		for {
			message, err := s.next()
			if err != nil {
				break
			}
			if message == nil {
				if err := s.read(); err != nil {
					break
				}
				continue
			}
			got = append(got, bytes.Clone(message))
		}
		assert.Equal(t, len(want), len(got))
		for i := range min(len(want), len(got)) {
			assert.Equal(t, want[i], got[i])
		}
		assert.LessOrEqual(t, len(s.buf), most)
	})
}

func TestFewEnginesAreRemembered(t *testing.T) {
	user, faults := User{Name: "u", AuthKey: "canary-key"}.checked()
	require.Empty(t, faults)
	a := newAuthority(user)
	var first *engine
	for i := range byte(20) {
		require.NoError(t, a.meet([]byte{0x80, 0, 0, 0, i}))
		if i == 0 {
			first = a.engine
		}
		if i < maxEngines-1 {
			require.NoError(t, a.meet(first.id))
			require.Same(t, first, a.engine, "an engine that comes back has its clock")
		}
		require.LessOrEqual(t, len(a.engines), maxEngines)
		require.Same(t, a.engine, a.engines[0])
	}
}

// Whoever answers the question for the engine's id once more, with another one, is not
// listened to: the question has been answered.
func TestASecondEngineIsForeign(t *testing.T) {
	user, faults := User{Name: "u", AuthKey: "canary-key"}.checked()
	require.Empty(t, faults)
	s := waiting(t, AgentConfig{User: user})
	a := s.cfg.authority
	a.engine, a.engines = nil, nil
	s.tries[0].engine = nil
	mirror := newMirror(t, user)
	discovery := func(id string) []byte {
		m := snmpwire.MessageV3{ID: fuzzedID, MaxSize: 1400, EngineID: []byte(id)}
		mirror.report(&m, snmpwire.UnknownEngineIDs)
		b, err := m.Append(nil, nil)
		require.NoError(t, err)
		return b
	}
	_, err := s.open(t.Context(), discovery("first"))
	require.Equal(t, errStep, err)
	for range 3 {
		_, err = s.open(t.Context(), discovery("second"))
		require.Equal(t, errForeign, err)
		require.Equal(t, "first", string(a.engine.id))
		require.Len(t, a.engines, 1)
	}

	// One forged report costs one question, which the agent answers.
	s.tries[1] = try{id: fuzzedID + 1, number: 1, engine: a.engine}
	s.tried = 2
	m := snmpwire.MessageV3{ID: fuzzedID + 1, MaxSize: 1400, EngineID: []byte("second")}
	mirror.report(&m, snmpwire.UnknownEngineIDs)
	forged, err := m.Append(nil, nil)
	require.NoError(t, err)
	_, err = s.open(t.Context(), forged)
	require.Equal(t, errStep, err)
	require.True(t, s.asked.probe)
	require.Equal(t, "first", string(a.engine.id))
	_, err = s.open(t.Context(), forged)
	require.Equal(t, errForeign, err)
}

func TestLockoutOutlivesSessions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		wrong := User{Name: "u", AuthKey: "canary-other-key"}
		cfg := AgentConfig{User: wrong, Dial: newMirrorDial(t, User{Name: "u", AuthKey: "canary-key"}), Timeout: time.Second}
		checked, faults := cfg.checked()
		require.Empty(t, faults)
		logins := 0
		for range 600 {
			s, err := openSession(t.Context(), checked)
			require.NoError(t, err)
			_, err = s.roundTrip(t.Context(), &sysServices)
			require.True(t, errors.Is(err, WrongDigest), err)
			if !errors.Is(err, LockedOut) {
				logins++
			}
			require.NoError(t, s.close())
			time.Sleep(time.Second)
		}
		assert.LessOrEqual(t, logins, maxFailures+10)
		assert.GreaterOrEqual(t, logins, maxFailures+9)
	})
}

// forger is a mirror whose answers come behind forged ones.
type forger struct {
	*mirror
	forge func(answer []byte, m snmpwire.MessageV3) [][]byte
	queue [][]byte
}

func (f *forger) Write(b []byte) (int, error) {
	n, err := f.mirror.Write(b)
	if err != nil {
		return n, err
	}
	f.queue = f.queue[:0]
	var m snmpwire.MessageV3
	if err := m.Parse(bytes.Clone(f.answer)); err == nil && m.Flags&snmpwire.Authenticated != 0 {
		f.queue = append(f.queue, f.forge(f.answer, m)...)
	}
	f.queue = append(f.queue, bytes.Clone(f.answer))
	return n, nil
}

func (f *forger) Read(b []byte) (int, error) {
	if len(f.queue) == 0 {
		return 0, os.ErrDeadlineExceeded
	}
	n := copy(b, f.queue[0])
	f.queue = f.queue[1:]
	return n, nil
}

// What comes before the answer and is not proved, takes nothing from it.
func TestTruthBehindForgeries(t *testing.T) {
	user, faults := User{Name: "u", AuthKey: "canary-key"}.checked()
	require.Empty(t, faults)
	f := &forger{mirror: newMirror(t, user)}
	lie := integerBinding("1.3.6.1.2.1.1.7.0", -1)
	f.forge = func(answer []byte, m snmpwire.MessageV3) [][]byte {
		plain := func(change func(*snmpwire.MessageV3)) []byte {
			forged := m
			forged.Flags = 0
			change(&forged)
			b, err := forged.Append(nil, nil)
			require.NoError(t, err)
			return b
		}
		flipped := bytes.Clone(answer)
		flipped[len(flipped)-1] ^= 1
		forgeries := [][]byte{
			flipped, answer[:len(answer)-1], append(bytes.Clone(answer), 0), []byte("garbage"),
			plain(func(m *snmpwire.MessageV3) { m.Scoped.PDU.Bindings = lie }),
			plain(func(m *snmpwire.MessageV3) { m.ID++ }),
		}
		for stat := snmpwire.UnsupportedSecLevels; stat <= snmpwire.UnknownContexts; stat++ {
			if stat != snmpwire.UnknownEngineIDs { // which is put to the test
				forgeries = append(forgeries, plain(func(m *snmpwire.MessageV3) {
					m.Scoped.PDU.Type = snmpwire.Report
					m.Scoped.PDU.Bindings = snmpwire.AppendBinding(nil, []byte(stat.OID()), []byte{byte(snmpwire.Counter32), 1, 1})
				}))
			}
		}
		return forgeries
	}
	s := openTo(t, AgentConfig{User: user, Dial: func(context.Context) (net.Conn, error) { return f, nil }})
	request := snmpwire.PDU{Type: snmpwire.ReadRequest, Bindings: sysServices.Bindings}
	for range 5 {
		r, err := s.roundTrip(t.Context(), &request)
		require.NoError(t, err)
		b, _, err := snmpwire.NextBinding(r.PDU.Bindings)
		require.NoError(t, err)
		require.Equal(t, snmpwire.Gauge32, b.Tag)
	}
	assert.EqualValues(t, 6, s.counts.Requests)
	assert.EqualValues(t, 5*2, s.counts.Unauthentic)
	assert.NotZero(t, s.counts.Malformed)
	assert.NotZero(t, s.counts.Late)
}

func TestSessionsShareAnEngine(t *testing.T) {
	user := User{Name: "u", AuthKey: "canary-key", PrivKey: "canary-key"}
	mirrors := make(chan net.Conn, 4)
	for range cap(mirrors) {
		mirrors <- newMirror(t, user)
	}
	cfg := AgentConfig{User: user, Dial: func(context.Context) (net.Conn, error) { return <-mirrors, nil }}
	checked, faults := cfg.checked()
	require.Empty(t, faults)
	var asking sync.WaitGroup
	for range cap(mirrors) {
		asking.Go(func() {
			s, err := openSession(t.Context(), checked)
			if !assert.NoError(t, err) {
				return
			}
			for range 50 {
				_, err := s.roundTrip(t.Context(), &sysServices)
				assert.NoError(t, err)
			}
			assert.NoError(t, s.close())
		})
	}
	asking.Wait()
	assert.Len(t, checked.authority.engines, 1)
}
