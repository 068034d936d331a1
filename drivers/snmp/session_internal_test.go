package snmp

import (
	"context"
	"errors"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/internal/snmpwire"
)

const secretCommunity = "canary-c0mmunity"

// scripted is an agent on a socket of the loopback interface that does what a
// function says with each datagram.
type scripted struct {
	conn *net.UDPConn
}

// reply sends a message to whoever asked.
type reply func(message []byte)

func startScripted(t testing.TB, serve func(n int, request []byte, send reply)) *scripted {
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	require.NoError(t, err)
	a := &scripted{conn}
	var done sync.WaitGroup
	done.Go(func() {
		buf := make([]byte, 1<<16)
		for got := 1; ; got++ {
			n, from, err := conn.ReadFromUDPAddrPort(buf)
			if err != nil {
				return
			}
			serve(got, buf[:n], func(m []byte) { conn.WriteToUDPAddrPort(m, from) })
		}
	})
	t.Cleanup(func() {
		conn.Close()
		done.Wait()
	})
	return a
}

func (a *scripted) address() string { return a.conn.LocalAddr().String() }

// parsed returns a request of version 1 or 2c.
func parsed(t testing.TB, request []byte) snmpwire.Message {
	var m snmpwire.Message
	if err := m.Parse(request); err != nil {
		t.Errorf("request: %v", err)
	}
	return m
}

// answer returns the message that answers m with one binding.
func answer(m snmpwire.Message, value int64) []byte {
	m.PDU.Type, m.PDU.ErrorStatus, m.PDU.ErrorIndex = snmpwire.Response, 0, 0
	m.PDU.Bindings = integerBinding("1.3.6.1.2.1.1.7.0", value)
	return m.Append(nil)
}

func integerBinding(name OID, value int64) []byte {
	return snmpwire.AppendBinding(nil, name.encode(), snmpwire.AppendInt(nil, snmpwire.Integer, value))
}

var sysServices = snmpwire.PDU{
	Type: snmpwire.ReadRequest, Bindings: snmpwire.AppendQuery(nil, OID("1.3.6.1.2.1.1.7.0").encode()),
}

func openTo(t testing.TB, cfg AgentConfig) *session {
	if cfg.Community == "" && !cfg.User.given() {
		cfg.Community = secretCommunity
	}
	checked, faults := cfg.checked()
	require.Empty(t, faults)
	s, err := openSession(t.Context(), checked)
	require.NoError(t, err)
	t.Cleanup(func() { s.close() })
	return s
}

func value(t testing.TB, r response) int32 {
	b, rest, err := snmpwire.NextBinding(r.PDU.Bindings)
	require.NoError(t, err)
	require.Empty(t, rest)
	require.Equal(t, snmpwire.Integer, b.Tag)
	v, err := snmpwire.Int(b.Value)
	require.NoError(t, err)
	return v
}

func TestRoundTrip(t *testing.T) {
	a := startScripted(t, func(n int, request []byte, send reply) {
		m := parsed(t, request)
		assert.Equal(t, snmpwire.ReadRequest, m.PDU.Type)
		send(answer(m, int64(n)))
	})
	s := openTo(t, AgentConfig{Address: a.address()})
	for i := range int32(3) {
		r, err := s.roundTrip(t.Context(), &sysServices)
		require.NoError(t, err)
		assert.Equal(t, i+1, value(t, r))
		assert.False(t, r.Received.Before(r.Sent))
	}
	assert.Equal(t, Counters{Requests: 3}, s.counts)
}

func TestNothingForeignIsTaken(t *testing.T) {
	tests := map[string]struct {
		disturb func(m snmpwire.Message) []byte
		count   Counters
	}{
		"id of another request":  {func(m snmpwire.Message) []byte { m.PDU.RequestID++; return answer(m, -1) }, Counters{Late: 1}},
		"id 0":                   {func(m snmpwire.Message) []byte { m.PDU.RequestID = 0; return answer(m, -1) }, Counters{Late: 1}},
		"another version":        {func(m snmpwire.Message) []byte { m.Version = snmpwire.V1; return answer(m, -1) }, Counters{Late: 1}},
		"version 3":              {func(m snmpwire.Message) []byte { m.Version = snmpwire.V3; return answer(m, -1) }, Counters{Late: 1}},
		"another community":      {func(m snmpwire.Message) []byte { m.Community = []byte("x"); return answer(m, -1) }, Counters{Late: 1}},
		"our own request":        {func(m snmpwire.Message) []byte { return m.Append(nil) }, Counters{Late: 1}},
		"garbage":                {func(snmpwire.Message) []byte { return []byte("HTTP/1.1 400 Bad Request\r\n") }, Counters{Malformed: 1}},
		"a truncated message":    {func(m snmpwire.Message) []byte { b := answer(m, -1); return b[:len(b)-2] }, Counters{Malformed: 1}},
		"bytes behind a message": {func(m snmpwire.Message) []byte { return append(answer(m, -1), 0) }, Counters{Malformed: 1}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := startScripted(t, func(_ int, request []byte, send reply) {
				m := parsed(t, request)
				send(test.disturb(m))
				send(answer(m, 42))
			})
			s := openTo(t, AgentConfig{Address: a.address()})
			r, err := s.roundTrip(t.Context(), &sysServices)
			require.NoError(t, err)
			assert.EqualValues(t, 42, value(t, r))
			test.count.Requests = 1
			assert.Equal(t, test.count, s.counts)
		})
	}
}

func TestLateAnswerIsNotTheNext(t *testing.T) {
	var late []byte
	a := startScripted(t, func(n int, request []byte, send reply) {
		m := parsed(t, request)
		switch n {
		case 1:
			late = answer(m, 1)
		case 2:
			send(late)
			send(answer(m, 2))
			send(answer(m, 2))
		default:
			send(answer(m, int64(n)))
		}
	})
	s := openTo(t, AgentConfig{Address: a.address(), Timeout: 20 * time.Millisecond, Retries: -1})
	_, err := s.roundTrip(t.Context(), &sysServices)
	require.ErrorIs(t, err, ErrTimeout)
	s.cfg.timeout = DefaultTimeout
	for want := int32(2); want < 4; want++ {
		r, err := s.roundTrip(t.Context(), &sysServices)
		require.NoError(t, err)
		assert.Equal(t, want, value(t, r))
	}
	assert.Equal(t, Counters{Requests: 3, Timeouts: 1, Late: 2}, s.counts)
}

func TestLostRequestIsRepeated(t *testing.T) {
	a := startScripted(t, func(n int, request []byte, send reply) {
		if n == 3 {
			send(answer(parsed(t, request), 3))
		}
	})
	s := openTo(t, AgentConfig{Address: a.address(), Timeout: 350 * time.Millisecond})
	r, err := s.roundTrip(t.Context(), &sysServices)
	require.NoError(t, err)
	assert.EqualValues(t, 3, value(t, r))
	assert.Equal(t, Counters{Requests: 3, Repeats: 2}, s.counts)
}

func TestClosedPortIsATimeout(t *testing.T) {
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	require.NoError(t, err)
	conn.Close()
	s := openTo(t, AgentConfig{Address: conn.LocalAddr().String(), Timeout: 70 * time.Millisecond})
	for range 2 {
		_, err := s.roundTrip(t.Context(), &sysServices)
		require.ErrorIs(t, err, ErrTimeout)
		assert.Equal(t, acquire.Bad.Because(acquire.Communication), acquire.QualityOf(err))
		assert.NoError(t, s.failure())
	}
	assert.Equal(t, Counters{Requests: 6, Repeats: 4, Timeouts: 2}, s.counts)
}

func TestCancelInterrupts(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	a := startScripted(t, func(n int, request []byte, send reply) {
		if n == 1 {
			cancel()
			return
		}
		send(answer(parsed(t, request), 7))
	})
	s := openTo(t, AgentConfig{Address: a.address(), Timeout: time.Hour, Retries: -1})
	_, err := s.roundTrip(ctx, &sysServices)
	require.ErrorIs(t, err, context.Canceled)
	r, err := s.roundTrip(t.Context(), &sysServices)
	require.NoError(t, err)
	assert.EqualValues(t, 7, value(t, r))
}

func TestLargeAnswer(t *testing.T) {
	a := startScripted(t, func(_ int, request []byte, send reply) {
		m := parsed(t, request)
		m.PDU.Type = snmpwire.Response
		long := snmpwire.AppendBytes(nil, snmpwire.OctetString, make([]byte, 60_000))
		m.PDU.Bindings = snmpwire.AppendBinding(nil, OID("1.3.6.1.2.1.1.7.0").encode(), long)
		send(m.Append(nil))
	})
	s := openTo(t, AgentConfig{Address: a.address()})
	for range 2 {
		r, err := s.roundTrip(t.Context(), &sysServices)
		require.NoError(t, err)
		assert.Greater(t, len(r.PDU.Bindings), 60_000)
	}
	assert.Equal(t, Counters{Requests: 4, Repeats: 2, Malformed: 2}, s.counts)

	s = openTo(t, AgentConfig{Address: a.address(), MaxMessage: 1400, Timeout: 50 * time.Millisecond})
	_, err := s.roundTrip(t.Context(), &sysServices)
	require.ErrorIs(t, err, ErrTimeout)
	assert.Equal(t, acquire.Bad.Because(acquire.Protocol), acquire.QualityOf(err))
	assert.Len(t, s.buf, 1401)
}

func TestFloodEndsTheRequest(t *testing.T) {
	a := startScripted(t, func(_ int, request []byte, send reply) {
		m := parsed(t, request)
		for range 20 * maxForeign {
			m.PDU.RequestID++
			send(answer(m, -1))
		}
	})
	s := openTo(t, AgentConfig{Address: a.address(), Timeout: time.Minute})
	_, err := s.roundTrip(t.Context(), &sysServices)
	require.ErrorIs(t, err, errFlood)
	assert.Equal(t, acquire.Bad.Because(acquire.Protocol), acquire.QualityOf(err))
}

// startStream runs an agent on TCP.
func startStream(t testing.TB, serve func(conn net.Conn)) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var done sync.WaitGroup
	done.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			serve(conn)
			conn.Close()
		}
	})
	t.Cleanup(func() {
		l.Close()
		done.Wait()
	})
	return l.Addr().String()
}

func TestStream(t *testing.T) {
	address := startStream(t, func(conn net.Conn) {
		buf := make([]byte, 1<<16)
		var late []byte
		for i := int64(0); ; i++ {
			n, err := conn.Read(buf)
			if err != nil {
				return
			}
			m := parsed(t, buf[:n])
			m.PDU.RequestID--
			b := append(late, answer(m, -1)...)
			m.PDU.RequestID++
			b = append(b, answer(m, i)...)
			for len(b) > 0 { // in small pieces
				k := min(7, len(b))
				if _, err := conn.Write(b[:k]); err != nil {
					return
				}
				b = b[k:]
			}
			late = answer(m, -2)
		}
	})
	s := openTo(t, AgentConfig{Address: address, TCP: true})
	for i := range int32(4) {
		r, err := s.roundTrip(t.Context(), &sysServices)
		require.NoError(t, err)
		assert.Equal(t, i, value(t, r))
	}
	assert.Equal(t, Counters{Requests: 4, Late: 7}, s.counts)
}

func TestBrokenStreamEnds(t *testing.T) {
	tests := map[string]struct {
		bytes []byte
		want  error
	}{
		"no message":        {[]byte("HTTP/1.1"), snmpwire.ErrTag},
		"indefinite length": {[]byte{0x30, 0x80, 0, 0}, snmpwire.ErrLength},
		"length of lengths": {[]byte{0x30, 0x85, 0, 0, 0, 0, 1}, snmpwire.ErrLength},
		"endless":           {[]byte{0x30, 0x84, 0xff, 0xff, 0xff, 0xff}, snmpwire.ErrLength},
		"too long":          {[]byte{0x30, 0x83, 0x10, 0, 0}, nil},
		"closed":            {nil, errGone},
		"cut":               {[]byte{0x30, 0x20, 2}, errGone},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			address := startStream(t, func(conn net.Conn) {
				conn.Read(make([]byte, 1<<10))
				conn.Write(test.bytes)
			})
			s := openTo(t, AgentConfig{Address: address, TCP: true})
			_, err := s.roundTrip(t.Context(), &sysServices)
			require.Error(t, err)
			if test.want != nil {
				require.ErrorIs(t, err, test.want)
			}
			assert.LessOrEqual(t, len(s.buf), minBuffer)
			assert.Equal(t, err, s.failure())
			_, again := s.roundTrip(t.Context(), &sysServices)
			assert.Equal(t, err, again)
		})
	}
}

// mirror is a connection to an agent that answers each request with as many objects as
// it asks for, and allocates nothing.
type mirror struct {
	net.Conn // nil: nothing else is called
	user     User
	keys     *snmpwire.Keys
	engine   []byte
	request  []byte
	answer   []byte
	bindings []byte
}

func newMirror(t testing.TB, u User) *mirror {
	m := &mirror{user: u, engine: []byte("mirrored")}
	if u.given() {
		checked, faults := u.checked()
		require.Empty(t, faults)
		keys, err := newAuthority(checked).localize(m.engine)
		require.NoError(t, err)
		m.keys = keys
	}
	return m
}

func (m *mirror) Write(b []byte) (int, error) {
	m.request = append(m.request[:0], b...)
	if m.keys == nil {
		var message snmpwire.Message
		if err := message.Parse(m.request); err != nil {
			return 0, err
		}
		m.fill(&message.PDU)
		m.answer = message.Append(m.answer[:0])
		return len(b), nil
	}
	var message snmpwire.MessageV3
	if err := message.Parse(m.request); err != nil {
		return 0, err
	}
	message.Boots, message.Time = 3, 1000
	switch {
	case len(message.EngineID) == 0:
		message.EngineID = m.engine
		m.report(&message, snmpwire.UnknownEngineIDs)
	case message.Flags&snmpwire.Authenticated != 0 && m.keys.Verify(m.request, &message) != nil:
		m.report(&message, snmpwire.WrongDigests)
	default:
		if message.Flags&snmpwire.Private != 0 {
			var parsed snmpwire.MessageV3 // with the time that the request was encrypted at
			if err := parsed.Parse(m.request); err != nil {
				return 0, err
			}
			if _, err := m.keys.Decrypt(parsed.Ciphertext[:0], &parsed); err != nil {
				return 0, err
			}
			message.Scoped = parsed.Scoped
		}
		m.fill(&message.Scoped.PDU)
	}
	message.Flags &^= snmpwire.Reportable
	var err error
	m.answer, err = message.Append(m.answer[:0], m.keys)
	return len(b), err
}

func (m *mirror) report(message *snmpwire.MessageV3, stat snmpwire.Stat) {
	message.Flags = 0
	message.Scoped.PDU.Type = snmpwire.Report
	m.bindings = snmpwire.AppendBinding(m.bindings[:0], []byte(stat.OID()), []byte{byte(snmpwire.Counter32), 1, 1})
	message.Scoped.PDU.Bindings = m.bindings
}

// fill makes a request its answer: objects under the names asked for, and of a bulk
// request behind the name.
func (m *mirror) fill(p *snmpwire.PDU) {
	value := [...]byte{byte(snmpwire.Gauge32), 2, 0x12, 0x34}
	m.bindings = m.bindings[:0]
	bulk := p.Type == snmpwire.BulkRequest
	for list := p.Bindings; len(list) > 0; {
		b, rest, err := snmpwire.NextBinding(list)
		if err != nil {
			return
		}
		list = rest
		if !bulk {
			m.bindings = snmpwire.AppendBinding(m.bindings, b.Name, value[:])
			continue
		}
		// Names are 1.3.6.1.4.1 and one more number.
		var name [16]byte
		_, tail, _ := snmpwire.NextArc(b.Name[min(5, len(b.Name)-1):])
		n := uint32(0)
		if len(tail) > 0 {
			n, _, _ = snmpwire.NextArc(tail)
		}
		for i := range uint32(p.ErrorIndex) {
			m.bindings = snmpwire.AppendBinding(m.bindings, snmpwire.AppendArc(append(name[:0], 0x2b, 6, 1, 4, 1, 1), n+i+1), value[:])
		}
	}
	*p = snmpwire.PDU{Type: snmpwire.Response, RequestID: p.RequestID, Bindings: m.bindings}
}

func (m *mirror) Read(b []byte) (int, error)         { return copy(b, m.answer), nil }
func (m *mirror) SetDeadline(time.Time) error        { return nil }
func (m *mirror) SetReadDeadline(t time.Time) error  { return nil }
func (m *mirror) SetWriteDeadline(t time.Time) error { return nil }
func (m *mirror) Close() error                       { return nil }

var mirrored = map[string]AgentConfig{
	"v1":             {Version: V1, Community: secretCommunity},
	"v2c":            {Community: secretCommunity},
	"v3 noAuth":      {User: User{Name: "u", Level: NoAuthNoPriv}},
	"v3 SHA-256":     {User: User{Name: "u", AuthKey: "canary-key"}},
	"v3 AES-128":     {User: User{Name: "u", AuthKey: "canary-key", PrivKey: "canary-key"}},
	"v3 SHA-512 DES": {User: User{Name: "u", Auth: SHA512, AuthKey: "canary-key", Priv: DES, PrivKey: "canary-key"}},
}

// newMirrorDial returns a Dial whose connections lead to one mirror, one at a time.
func newMirrorDial(t testing.TB, u User) func(context.Context) (net.Conn, error) {
	m := newMirror(t, u)
	return func(context.Context) (net.Conn, error) { return m, nil }
}

func openMirror(t testing.TB, cfg AgentConfig) *session {
	cfg.Dial = newMirrorDial(t, cfg.User)
	return openTo(t, cfg)
}

// sixty asks for 60 objects.
func sixty() snmpwire.PDU {
	p := snmpwire.PDU{Type: snmpwire.ReadRequest}
	for i := range uint32(60) {
		p.Bindings = snmpwire.AppendQuery(p.Bindings, OID("1.3.6.1.2.1.2.2.1.10").Child(i).encode())
	}
	return p
}

func TestRoundTripAllocs(t *testing.T) {
	for name, cfg := range mirrored {
		t.Run(name, func(t *testing.T) {
			s := openMirror(t, cfg)
			request := sixty()
			ctx := t.Context()
			trip := func() {
				r, err := s.roundTrip(ctx, &request)
				if err != nil {
					t.Fatal(err)
				}
				n := 0
				for list := r.PDU.Bindings; len(list) > 0; n++ {
					if _, list, err = snmpwire.NextBinding(list); err != nil {
						t.Fatal(err)
					}
				}
				if n != 60 {
					t.Fatal(n)
				}
			}
			trip() // finds the engine, and makes the buffers large enough
			assert.Zero(t, testing.AllocsPerRun(100, trip))
		})
	}
}

func BenchmarkRoundTrip(b *testing.B) {
	for name, cfg := range mirrored {
		b.Run(name, func(b *testing.B) {
			s := openMirror(b, cfg)
			request := sixty()
			ctx := b.Context()
			b.ReportAllocs()
			for b.Loop() {
				if _, err := s.roundTrip(ctx, &request); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkWalk(b *testing.B) {
	cfg := mirrored["v2c"]
	cfg.Dial = newMirrorDial(b, cfg.User)
	a, err := NewAgent(cfg)
	require.NoError(b, err)
	b.ReportAllocs()
	objects := 0
	for b.Loop() {
		for v, err := range a.Walk(b.Context(), "1.3.6.1.4.1.1") {
			if err != nil {
				b.Fatal(err)
			}
			if n, ok := v.Int64(); !ok || n != 0x1234 {
				b.Fatal(v)
			}
			if objects++; objects%5000 == 0 {
				break
			}
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(objects), "ns/object")
}

func TestIDs(t *testing.T) {
	var c sessionConfig
	c.requests.Store(1<<32 - 3)
	seen := make(map[int32]bool)
	for range 1 << 17 {
		id := c.nextID()
		if seen[id] || len(snmpwire.AppendInt(nil, snmpwire.Integer, int64(id))) != 2+4 {
			t.Fatalf("id %d comes twice, or does not take four octets", id)
		}
		seen[id] = true
	}
}

// failing is a connection that does nothing but fail.
type failing struct {
	net.Conn
	write, read error
	reads       int
}

func (f *failing) Write(b []byte) (int, error)       { return 0, f.write }
func (f *failing) SetReadDeadline(t time.Time) error { return nil }
func (f *failing) SetWriteDeadline(time.Time) error  { return nil }
func (f *failing) SetDeadline(time.Time) error       { return nil }
func (f *failing) Close() error                      { return nil }
func (f *failing) Read([]byte) (int, error)          { f.reads++; return 0, f.read }

func TestFailuresOfTheSystem(t *testing.T) {
	unsent, unread := errors.New("message too long"), errors.New("network is down")
	conn := &failing{write: unsent, read: os.ErrDeadlineExceeded}
	dial := func(context.Context) (net.Conn, error) { return conn, nil }
	s := openTo(t, AgentConfig{Dial: dial, Timeout: time.Millisecond})
	_, err := s.roundTrip(t.Context(), &sysServices)
	require.ErrorIs(t, err, ErrTimeout)
	require.ErrorIs(t, err, unsent)
	assert.NoError(t, s.failure())

	conn = &failing{read: unread}
	s = openTo(t, AgentConfig{Dial: dial, Timeout: time.Hour})
	_, err = s.roundTrip(t.Context(), &sysServices)
	require.ErrorIs(t, err, unread)
	assert.Equal(t, acquire.Bad.Because(acquire.Communication), acquire.QualityOf(err))
	assert.Equal(t, maxFailing+1, conn.reads)
	assert.Equal(t, err, s.failure())
}

func TestAddresses(t *testing.T) {
	for address, want := range map[string]string{
		"192.0.2.1":         "192.0.2.1:161",
		"192.0.2.1:1161":    "192.0.2.1:1161",
		"ups.example":       "ups.example:161",
		"2001:db8::1":       "[2001:db8::1]:161",
		"[2001:db8::1]":     "[2001:db8::1]:161",
		"[2001:db8::1]:162": "[2001:db8::1]:162",
	} {
		got, err := hostPort(address)
		assert.NoError(t, err)
		assert.Equal(t, want, got)
	}
	for _, address := range []string{":161", "a:0", "a:65536", "a:"} {
		_, err := hostPort(address)
		assert.Error(t, err, address)
	}
}

func TestAgentConfigFaults(t *testing.T) {
	_, faults := AgentConfig{Address: ":x", Version: 7, Timeout: -1, Retries: 9, MaxMessage: 1}.checked()
	text := errors.Join(faults...).Error()
	for _, want := range []string{"lacks a host", "version 7", "timeout of -1ns", "Retries of 9", "MaxMessage of 1"} {
		assert.Contains(t, text, want)
	}
	_, faults = AgentConfig{}.checked()
	text = errors.Join(faults...).Error()
	assert.Contains(t, text, "no address")
	assert.Contains(t, text, "neither a user nor a community")
	_, faults = AgentConfig{Address: "192.0.2.1", Version: V2c}.checked()
	assert.ErrorContains(t, errors.Join(faults...), "needs a community")
}
