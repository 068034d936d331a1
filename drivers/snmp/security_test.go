package snmp_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/drivers/snmp"
	"github.com/fieldtap/fieldtap/drivers/snmp/snmptest"
)

// The users of simulated agents.
var (
	users = []snmptest.User{
		{Name: "alice", Auth: snmptest.SHA256, AuthPassword: "canary-auth-key", Priv: snmptest.AES128, PrivPassword: "canary-priv-key", Least: snmptest.AuthPriv},
		{Name: "bob", Auth: snmptest.SHA1, AuthPassword: "canary-auth-key"},
		{Name: "carol"},
	}
	alice = snmp.User{Name: "alice", AuthKey: "canary-auth-key", PrivKey: "canary-priv-key"}
	bob   = snmp.User{Name: "bob", Auth: snmp.SHA1, AuthKey: "canary-auth-key"}
	carol = snmp.User{Name: "carol", Level: snmp.NoAuthNoPriv}
)

const (
	object = "1.3.6.1.4.1.99.1.0"
	truth  = 4711
)

var truths = snmptest.Objects{object: snmptest.Integer(truth)}

// ask asks for the object, and fails the test if anything but the truth comes as data.
func ask(t testing.TB, a *snmp.Agent) error {
	got, err := a.Get(t.Context(), object)
	if err != nil {
		assert.Nil(t, got)
		return err
	}
	value, ok := got[0].Int64()
	if err := got[0].Err(); err != nil {
		assert.False(t, ok)
		return err
	}
	assert.True(t, ok)
	assert.EqualValues(t, truth, value)
	return nil
}

func TestUsers(t *testing.T) {
	auths := []snmp.AuthProtocol{snmp.MD5, snmp.SHA1, snmp.SHA224, snmp.SHA256, snmp.SHA384, snmp.SHA512}
	privs := []struct {
		agent     snmptest.Priv
		priv      snmp.PrivProtocol
		extension snmp.Extension
	}{
		{snmptest.NoPriv, 0, 0},
		{snmptest.DES, snmp.DES, 0},
		{snmptest.AES128, snmp.AES128, 0},
		{snmptest.AES192, snmp.AES192, snmp.Blumenthal},
		{snmptest.AES256, snmp.AES256, snmp.Blumenthal},
		{snmptest.AES192Reeder, snmp.AES192, snmp.Reeder},
		{snmptest.AES256Reeder, snmp.AES256, snmp.Reeder},
	}
	mib, err := snmptest.NewMIB(truths)
	require.NoError(t, err)
	cfg := snmptest.Config{MIB: mib, Contexts: map[string]*snmptest.MIB{"feeder 3": mib}}
	var ours []snmp.User
	for _, auth := range auths {
		for _, p := range privs {
			u := snmp.User{Name: fmt.Sprint(auth, p.agent), Auth: auth, AuthKey: "canary-auth-key", Priv: p.priv, Extension: p.extension}
			s := snmptest.User{Name: u.Name, Auth: snmptest.Auth(auth), AuthPassword: "canary-auth-key", Priv: p.agent}
			if p.priv != 0 {
				u.PrivKey, s.PrivPassword = "canary-priv-key", "canary-priv-key"
				u.Context = "feeder 3"
			}
			cfg.Users = append(cfg.Users, s)
			ours = append(ours, u)
		}
	}
	server, err := snmptest.Start(cfg)
	require.NoError(t, err)
	defer server.Close()
	for _, u := range ours {
		t.Run(u.Name, func(t *testing.T) {
			a, err := snmp.NewAgent(snmp.AgentConfig{Address: server.Address(), User: u})
			require.NoError(t, err)
			defer a.Close()
			for range 3 {
				assert.NoError(t, ask(t, a))
			}
			// One message finds the engine's id, one its time, three are for us.
			assert.Equal(t, snmp.Counters{Requests: 5, Reports: 2}, a.Counters())
		})
	}
}

func TestWithoutAuthentication(t *testing.T) {
	a, _ := simulate(t, truths, nil, snmp.AgentConfig{User: carol})
	for range 3 {
		assert.NoError(t, ask(t, a))
	}
	assert.Equal(t, snmp.Counters{Requests: 4, Reports: 1}, a.Counters())
}

func TestUserFaults(t *testing.T) {
	tests := []struct {
		user snmp.User
		want []string
	}{
		{snmp.User{Name: "u"}, []string{"no keys"}},
		{snmp.User{AuthKey: "canary-auth-key"}, []string{"name of 0 octets"}},
		{snmp.User{Name: "u", AuthKey: "short"}, []string{"AuthKey of 5 octets"}},
		{snmp.User{Name: "u", PrivKey: "canary-priv-key"}, []string{"AuthKey of 0 octets"}},
		{snmp.User{Name: "u", PrivKey: "canary-priv-key", Level: snmp.NoAuthNoPriv}, []string{"privacy without authentication"}},
		{snmp.User{Name: "u", Level: snmp.AuthPriv, AuthKey: "canary-auth-key"}, []string{"PrivKey of 0 octets"}},
		{snmp.User{Name: "u", Level: 9, Auth: 9, Priv: 9, Extension: 9, EngineID: []byte("1")}, []string{
			"level 9", "authentication protocol 9", "AuthKey of 0", "privacy protocol 9", "PrivKey of 0", "extension 9", "EngineID of 1"}},
	}
	for _, test := range tests {
		_, err := snmp.NewAgent(snmp.AgentConfig{Address: "192.0.2.1", User: test.user})
		for _, want := range test.want {
			assert.ErrorContains(t, err, want)
		}
		assert.ErrorContains(t, err, "snmp: ")
		assert.NotContains(t, fmt.Sprint(err), "canary")
	}
	for _, cfg := range []snmp.AgentConfig{
		{Community: "public", User: alice}, {Version: snmp.V3}, {Version: snmp.V3, Community: "public"}, {Version: snmp.V2c, User: alice},
	} {
		cfg.Address = "192.0.2.1"
		_, err := snmp.NewAgent(cfg)
		assert.Error(t, err)
	}
}

// changed returns alice with something else.
func changed(change func(*snmp.User)) snmp.User {
	u := alice
	change(&u)
	return u
}

func TestWhoIsRefusedDoesNotInsist(t *testing.T) {
	tests := map[string]struct {
		user   snmp.User
		want   snmp.SecurityFault
		logins uint64 // at most, in each attempt
	}{
		"wrong AuthKey":   {changed(func(u *snmp.User) { u.AuthKey = "canary-other-key" }), snmp.WrongDigest, 1},
		"wrong Auth":      {changed(func(u *snmp.User) { u.Auth = snmp.SHA1 }), snmp.WrongDigest, 1},
		"wrong PrivKey":   {changed(func(u *snmp.User) { u.PrivKey = "canary-other-key" }), snmp.DecryptionError, 1},
		"wrong Priv":      {changed(func(u *snmp.User) { u.Priv = snmp.AES256 }), snmp.DecryptionError, 1},
		"unknown user":    {changed(func(u *snmp.User) { u.Name = "mallory" }), snmp.UnknownUser, 1},
		"unknown level":   {snmp.User{Name: "bob", AuthKey: "canary-auth-key", Auth: snmp.SHA1, PrivKey: "canary-priv-key"}, snmp.UnsupportedSecurityLevel, 1},
		"another engine":  {changed(func(u *snmp.User) { u.EngineID = []byte("not it") }), snmp.UnknownEngine, 1},
		"unknown context": {changed(func(u *snmp.User) { u.Context = "nowhere" }), snmp.UnknownContext, 1},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, server := inPipe(t, truths, nil, snmp.AgentConfig{User: test.user})
				lockout := test.want != snmp.UnknownContext
				for range 3 {
					err := ask(t, a)
					require.ErrorIs(t, err, test.want)
					q := acquire.QualityOf(err)
					assert.Equal(t, uint16(test.want), uint16(q>>16))
					assert.Equal(t, lockout, q.Reason() == acquire.Security)
				}
				if !lockout {
					return
				}
				before := server.Stats().Requests
				for range 600 { // a minute's worth of polls, ten minutes long
					time.Sleep(time.Second)
					err := ask(t, a)
					require.Error(t, err)
					require.Equal(t, acquire.Security, acquire.QualityOf(err).Reason())
				}
				assert.LessOrEqual(t, server.Stats().Requests-before, 10*test.logins)
				assert.GreaterOrEqual(t, server.Stats().Requests-before, uint64(9))
			})
		})
	}
}

// inPipe is simulate for a bubble of virtual time.
func inPipe(t testing.TB, objects snmptest.Objects, fault snmptest.Fault, cfg snmp.AgentConfig) (*snmp.Agent, *snmptest.Server) {
	mib, err := snmptest.NewMIB(objects)
	require.NoError(t, err)
	server, err := snmptest.New(snmptest.Config{MIB: mib, Fault: fault, Users: users})
	require.NoError(t, err)
	return joined(t, cfg, server), server
}

// socket is an end of a net.Pipe that takes what comes when it comes, as the system
// does for a socket: whoever sends is not held up.
type socket struct {
	net.Conn
	queue  chan []byte
	closed chan struct{}
	pump   sync.WaitGroup

	mu       sync.Mutex
	deadline time.Time
	moved    chan struct{} // closed when deadline is another
}

// datagrams returns the ends of a connection that carries datagrams.
func datagrams() (near, far net.Conn) {
	end, far := net.Pipe()
	s := &socket{Conn: end, queue: make(chan []byte, 1024), closed: make(chan struct{}), moved: make(chan struct{})}
	s.pump.Go(func() {
		defer close(s.closed)
		for {
			buf := make([]byte, 1<<16)
			n, err := end.Read(buf)
			if err != nil {
				return
			}
			select {
			case s.queue <- buf[:n]:
			default: // lost
			}
		}
	})
	return s, far
}

func (s *socket) Read(b []byte) (int, error) {
	for {
		s.mu.Lock()
		deadline, moved := s.deadline, s.moved
		s.mu.Unlock()
		if !deadline.IsZero() && !time.Now().Before(deadline) {
			return 0, os.ErrDeadlineExceeded
		}
		timer := time.NewTimer(time.Until(deadline))
		select {
		case m := <-s.queue:
			timer.Stop()
			return copy(b, m), nil
		case <-s.closed:
			timer.Stop()
			return 0, io.EOF
		case <-moved:
		case <-timer.C:
		}
		timer.Stop()
	}
}

func (s *socket) SetReadDeadline(t time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.deadline = t
	close(s.moved)
	s.moved = make(chan struct{})
	return nil
}

func (s *socket) SetDeadline(t time.Time) error {
	return errors.Join(s.SetReadDeadline(t), s.SetWriteDeadline(t))
}

func (s *socket) Close() error {
	defer s.pump.Wait()
	return s.Conn.Close()
}

// joined returns a client whose connections lead to the servers, one after the other.
func joined(t testing.TB, cfg snmp.AgentConfig, servers ...*snmptest.Server) *snmp.Agent {
	var serving sync.WaitGroup
	cfg.Dial = func(context.Context) (net.Conn, error) {
		near, far := datagrams()
		server := servers[0]
		if len(servers) > 1 {
			servers = servers[1:]
		}
		serving.Go(func() { server.ServeDatagrams(far) })
		return near, nil
	}
	a, err := snmp.NewAgent(cfg)
	require.NoError(t, err)
	t.Cleanup(func() {
		assert.NoError(t, a.Close())
		serving.Wait()
		for _, s := range servers {
			assert.NoError(t, s.Close())
			assert.Zero(t, s.Sets(), "SetRequests")
		}
	})
	return a
}

var errAny = errors.New("any error")

func TestNothingIsBelievedThatIsNotProved(t *testing.T) {
	stat := func(n string) string { return "1.3.6.1.6.3.15.1.1." + n + ".0" }
	tests := map[string]struct {
		fault   snmptest.Fault
		want    error // nil: some answer is good
		replays bool
	}{
		"wrong digest":                  {snmptest.WrongDigest(), snmp.NotAuthentic, false},
		"another engine":                {snmptest.OtherEngine(), snmp.NotAuthentic, false},
		"another user":                  {snmptest.WithUser("bob"), snmp.Downgraded, false},
		"a user unknown":                {snmptest.WithUser("mallory"), snmp.Downgraded, false},
		"security stripped":             {snmptest.WithLevel(snmptest.NoAuthNoPriv), snmp.Downgraded, false},
		"privacy stripped":              {snmptest.WithLevel(snmptest.AuthNoPriv), snmp.Downgraded, false},
		"boots of before":               {snmptest.OffBoots(-1), snmp.OutOfWindow, false},
		"time of before":                {snmptest.OffTime(-151 * time.Second), snmp.OutOfWindow, false},
		"a replay":                      {snmptest.Frozen(), snmp.ErrTimeout, true},
		"the answer before":             {snmptest.From(2, snmptest.Stale()), snmp.ErrTimeout, true},
		"another context":               {snmptest.OtherContext("feeder 3"), snmp.ErrTimeout, false},
		"another message id":            {snmptest.WrongMessageID(), snmp.ErrTimeout, false},
		"another request id":            {snmptest.WrongRequestID(), snmp.ErrTimeout, false},
		"version 2c":                    {snmptest.WrongVersion(), snmp.ErrTimeout, false},
		"noise":                         {snmptest.Noise(1), snmp.ErrTimeout, false},
		"cut":                           {snmptest.Cut(70), snmp.ErrTimeout, false},
		"the request itself":            {snmptest.WithType(snmptest.ReadRequest), snmp.ErrTimeout, false},
		"a trap":                        {snmptest.WithType(snmptest.TrapV2), snmp.ErrTimeout, false},
		"forged: unknown engine":        {snmptest.Reporting(stat("4"), snmptest.NoAuthNoPriv), snmp.UnknownEngine, false},
		"forged: out of window":         {snmptest.Reporting(stat("2"), snmptest.NoAuthNoPriv), snmp.NotInTimeWindow, false},
		"forged: wrong digest":          {snmptest.Reporting(stat("5"), snmptest.NoAuthNoPriv), snmp.WrongDigest, false},
		"forged: something":             {snmptest.Reporting("1.3.6.1.2.1.1.3.0", snmptest.NoAuthNoPriv), snmp.ReportWithoutReason, false},
		"authentic: out of window":      {snmptest.Reporting(stat("2"), snmptest.AuthNoPriv), snmp.NotInTimeWindow, false},
		"authentic: decryption error":   {snmptest.Reporting(stat("6"), snmptest.AuthNoPriv), snmp.DecryptionError, false},
		"a flood of forged reports":     {snmptest.Chain(snmptest.Reporting(stat("4"), snmptest.NoAuthNoPriv), snmptest.Duplicated(300)), errAny, false},
		"a flood of others":             {snmptest.Chain(snmptest.Reporting(stat("2"), snmptest.NoAuthNoPriv), snmptest.Duplicated(300)), errAny, false},
		"a flood of wrong digests":      {snmptest.Chain(snmptest.WrongDigest(), snmptest.Duplicated(300)), errAny, false},
		"doubled":                       {snmptest.Duplicated(3), nil, false},
		"late by less than the timeout": {snmptest.Late(400 * time.Millisecond), nil, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begin := 4 // when the engine and its time are known, and a first answer has come
				cfg := snmp.AgentConfig{User: alice}
				if test.replays {
					begin, cfg.Retries = 3, -1 // the first answer is what is replayed
				}
				a, server := inPipe(t, truths, snmptest.From(begin, test.fault), cfg)
				time.Sleep(time.Hour)
				require.NoError(t, ask(t, a))
				for range 3 {
					before := server.Stats().Requests
					err := ask(t, a)
					if test.want == nil {
						require.NoError(t, err)
						continue
					}
					if test.want == errAny {
						require.Error(t, err)
						continue
					}
					require.ErrorIs(t, err, test.want)
					if test.want != snmp.ErrTimeout {
						assert.Equal(t, acquire.Security, acquire.QualityOf(err).Reason(), err)
					}
					assert.LessOrEqual(t, server.Stats().Requests-before, uint64(6), "messages for one request")
				}
				// When it is over it is over: nothing forged has been learnt.
				server.SetFault(nil)
				time.Sleep(2 * time.Minute)
				if test.want == errAny {
					for range 3 { // of a flood there is something left to drop
						_ = ask(t, a)
					}
					time.Sleep(2 * time.Minute)
				}
				assert.NoError(t, ask(t, a))
				assert.NoError(t, ask(t, a))
			})
		})
	}
}

func TestFlippedBitsAreNeverData(t *testing.T) {
	for _, user := range []snmp.User{alice, bob} {
		synctest.Test(t, func(t *testing.T) {
			bit := 0
			flip := func(x *snmptest.Exchange) { snmptest.Flipped(bit)(x) }
			a, server := inPipe(t, truths, nil, snmp.AgentConfig{User: user, Retries: -1})
			require.NoError(t, ask(t, a))
			for bit = 0; bit < 8*130; bit += 3 {
				server.SetFault(flip)
				assert.Error(t, ask(t, a), "bit %d", bit)
				server.SetFault(nil)
				time.Sleep(time.Minute)
				require.NoError(t, ask(t, a), "bit %d", bit)
			}
		})
	}
}

func TestTimeGoesOnBetweenMessages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, _ := inPipe(t, truths, nil, snmp.AgentConfig{User: alice})
		require.NoError(t, ask(t, a))
		for _, idle := range []time.Duration{time.Second, 149 * time.Second, 151 * time.Second, time.Hour, 30 * 24 * time.Hour} {
			time.Sleep(idle)
			require.NoError(t, ask(t, a), idle)
		}
		assert.Equal(t, snmp.Counters{Requests: 8, Reports: 2}, a.Counters())
	})
}

func TestRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var engines []snmp.Engine
		a, server := inPipe(t, truths, nil, snmp.AgentConfig{
			User: alice, Trace: snmp.Trace{Engine: func(e snmp.Engine) { engines = append(engines, e) }},
		})
		require.NoError(t, ask(t, a))
		time.Sleep(time.Hour)
		server.Restart()
		time.Sleep(time.Second)
		require.NoError(t, ask(t, a))
		assert.Equal(t, snmp.Counters{Requests: 5, Reports: 3}, a.Counters())
		require.Len(t, engines, 2)
		assert.Equal(t, server.EngineID(), engines[1].ID)
		assert.Equal(t, engines[0].Boots+1, engines[1].Boots)
		assert.EqualValues(t, 1, engines[1].Time)
	})
}

func TestAnotherEngineIsNoticed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		a, server := inPipe(t, truths, nil, snmp.AgentConfig{User: alice, Logger: slog.New(slog.NewTextHandler(&log, nil))})
		require.NoError(t, ask(t, a))
		was := server.EngineID()
		require.NoError(t, server.RestartWithNewEngine())
		err := ask(t, a)
		require.ErrorIs(t, err, snmp.EngineChanged)
		assert.Equal(t, acquire.Security, acquire.QualityOf(err).Reason())
		assert.Contains(t, log.String(), "engine has changed")
		assert.Contains(t, log.String(), fmt.Sprintf("before=%x", was))
		assert.Contains(t, log.String(), fmt.Sprintf("engine=%x", server.EngineID()))
		require.NoError(t, ask(t, a))
		require.NoError(t, ask(t, a))
	})
}

func TestAPinnedEngineStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mib, err := snmptest.NewMIB(truths)
		require.NoError(t, err)
		server, err := snmptest.New(snmptest.Config{MIB: mib, Users: users, EngineID: []byte("the one")})
		require.NoError(t, err)
		a := joined(t, snmp.AgentConfig{User: changed(func(u *snmp.User) { u.EngineID = []byte("the one") })}, server)
		require.NoError(t, ask(t, a))
		assert.Equal(t, snmp.Counters{Requests: 2, Reports: 1}, a.Counters())
		require.NoError(t, server.RestartWithNewEngine())
		for range 3 {
			require.ErrorIs(t, ask(t, a), snmp.UnknownEngine)
		}
		assert.Equal(t, uint64(5), a.Counters().Requests)
	})
}

func TestDoubledReportsSayNothingNew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, server := inPipe(t, truths, snmptest.Duplicated(3), snmp.AgentConfig{User: alice})
		for range 5 {
			require.NoError(t, ask(t, a))
			synctest.Wait()
		}
		assert.EqualValues(t, 7, server.Stats().Requests)
		assert.EqualValues(t, 7, a.Counters().Requests)
	})
}

// An agent that keeps no boots is the same engine in an earlier time after a restart.
func TestAnEngineThatForgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mib, err := snmptest.NewMIB(truths)
		require.NoError(t, err)
		engine := []byte("forgetful")
		start := time.Now()
		old, err := snmptest.New(snmptest.Config{MIB: mib, Users: users, EngineID: engine, Boots: 1})
		require.NoError(t, err)
		time.Sleep(24 * time.Hour)
		young, err := snmptest.New(snmptest.Config{MIB: mib, Users: users, EngineID: engine, Boots: 1})
		require.NoError(t, err)
		a := joined(t, snmp.AgentConfig{User: alice}, old, young)
		require.NoError(t, ask(t, a))
		require.NoError(t, old.Close())
		require.Error(t, ask(t, a)) // the connection is gone
		err = ask(t, a)
		require.ErrorIs(t, err, snmp.EngineTimeBackwards)
		assert.Equal(t, acquire.Security, acquire.QualityOf(err).Reason())
		require.NoError(t, ask(t, a))
		assert.Equal(t, 24*time.Hour, time.Since(start))
	})
}

// An agent that cannot decrypt what we send may just be silent, as net-snmp's is.
func TestSilenceAboutWhatIsEncrypted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const decryptionErrors = "1.3.6.1.6.3.15.1.1.6.0"
		silent := func(x *snmptest.Exchange) {
			x.Drop = slices.ContainsFunc(x.Reply.PDU.Bindings, func(b snmptest.Binding) bool { return b.OID == decryptionErrors })
		}
		a, _ := inPipe(t, truths, silent, snmp.AgentConfig{User: changed(func(u *snmp.User) { u.PrivKey = "canary-other-key" })})
		for range 3 {
			err := ask(t, a)
			require.ErrorIs(t, err, snmp.NothingDecipherable)
			require.ErrorIs(t, err, snmp.ErrTimeout)
			assert.Equal(t, acquire.Security, acquire.QualityOf(err).Reason())
		}
		assert.ErrorIs(t, ask(t, a), snmp.LockedOut)
	})
}

func TestSecretsNeverShow(t *testing.T) {
	var text bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&text, &slog.HandlerOptions{Level: slog.LevelDebug}))
	for _, cfg := range []snmp.AgentConfig{
		{User: changed(func(u *snmp.User) { u.Name = "mallory" })},
		{Community: "canary-community", Timeout: 10 * time.Millisecond},
		{Community: "canary-community", Version: 9},
	} {
		cfg.Logger = logger
		cfg.Address = "127.0.0.1:1"
		_, err := snmp.NewAgent(cfg)
		if err == nil {
			a, server := simulate(t, truths, nil, cfg)
			fmt.Fprintln(&text, ask(t, a), server.RestartWithNewEngine(), ask(t, a))
			fmt.Fprintf(&text, "%v %+v %#v\n", a, a, a)
		}
		fmt.Fprintf(&text, "%v %v %+v %#v\n", err, cfg, cfg, cfg)
	}
	assert.NotContains(t, text.String(), "canary")
}
