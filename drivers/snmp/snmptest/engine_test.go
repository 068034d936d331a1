package snmptest_test

import (
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/gosnmp/gosnmp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/drivers/snmp/snmptest"
	"github.com/fieldtap/fieldtap/internal/snmpwire"
)

var (
	auths = map[snmptest.Auth]gosnmp.SnmpV3AuthProtocol{
		snmptest.NoAuth: gosnmp.NoAuth, snmptest.MD5: gosnmp.MD5, snmptest.SHA1: gosnmp.SHA, snmptest.SHA224: gosnmp.SHA224,
		snmptest.SHA256: gosnmp.SHA256, snmptest.SHA384: gosnmp.SHA384, snmptest.SHA512: gosnmp.SHA512,
	}
	privs = map[snmptest.Priv]gosnmp.SnmpV3PrivProtocol{
		snmptest.NoPriv: gosnmp.NoPriv, snmptest.DES: gosnmp.DES, snmptest.AES128: gosnmp.AES, snmptest.AES192: gosnmp.AES192,
		snmptest.AES256: gosnmp.AES256, snmptest.AES192Reeder: gosnmp.AES192C, snmptest.AES256Reeder: gosnmp.AES256C,
	}
)

// as makes a client one of version 3.
func as(u snmptest.User, context string) func(*gosnmp.GoSNMP) {
	return func(c *gosnmp.GoSNMP) {
		c.Version, c.SecurityModel, c.ContextName = gosnmp.Version3, gosnmp.UserSecurityModel, context
		c.MsgFlags = gosnmp.NoAuthNoPriv
		if u.Auth != snmptest.NoAuth {
			c.MsgFlags = gosnmp.AuthNoPriv
		}
		if u.Priv != snmptest.NoPriv {
			c.MsgFlags = gosnmp.AuthPriv
		}
		c.SecurityParameters = &gosnmp.UsmSecurityParameters{UserName: u.Name,
			AuthenticationProtocol: auths[u.Auth], AuthenticationPassphrase: u.AuthPassword,
			PrivacyProtocol: privs[u.Priv], PrivacyPassphrase: u.PrivPassword}
	}
}

// matrix has a user of every combination.
func matrix() (users []snmptest.User) {
	for a := snmptest.NoAuth; a <= snmptest.SHA512; a++ {
		for p := snmptest.NoPriv; p <= snmptest.AES256Reeder; p++ {
			if a == snmptest.NoAuth && p != snmptest.NoPriv {
				continue
			}
			users = append(users, snmptest.User{Name: fmt.Sprintf("user-%d-%d", a, p),
				Auth: a, AuthPassword: "authentication", Priv: p, PrivPassword: "and privacy"})
		}
	}
	return users
}

// Another implementation reads the agent with every pair of protocols.
func TestMatrix(t *testing.T) {
	users := matrix()
	s := start(t, snmptest.Config{MIB: specimen(t), Users: users, Boots: 7})
	for _, u := range users {
		t.Run(u.Name, func(t *testing.T) {
			c := dial(t, s, as(u, ""))
			for range 2 {
				got, err := c.Get([]string{sysDescr})
				require.NoError(t, err)
				require.Len(t, got.Variables, 1)
				assert.Equal(t, []byte("specimen"), got.Variables[0].Value)
			}
			all, err := c.BulkWalkAll("1.3.6.1")
			require.NoError(t, err)
			assert.Len(t, all, 19)
		})
	}
	st := s.Stats()
	assert.EqualValues(t, len(users), st.UnknownEngineIDs, "one discovery each")
	assert.Zero(t, st.WrongDigests+st.DecryptionErrors+st.NotInTimeWindows+st.UnknownUserNames)
}

func TestRefusals(t *testing.T) {
	right := snmptest.User{Name: "right", Auth: snmptest.SHA256, AuthPassword: "authentication", Priv: snmptest.AES128, PrivPassword: "and privacy"}
	strict := right
	strict.Name, strict.Least = "strict", snmptest.AuthPriv
	s := start(t, snmptest.Config{MIB: specimen(t), Users: []snmptest.User{right, strict},
		Contexts: map[string]*snmptest.MIB{"other": new(snmptest.MIB)}})
	get := func(u snmptest.User, context string) (*gosnmp.SnmpPacket, error) {
		return dial(t, s, func(c *gosnmp.GoSNMP) {
			as(u, context)(c)
			c.Timeout, c.Retries = time.Second, 0
		}).Get([]string{sysDescr})
	}
	alter := func(edit func(*snmptest.User)) snmptest.User {
		u := right
		edit(&u)
		return u
	}

	_, err := get(alter(func(u *snmptest.User) { u.Name = "nobody" }), "")
	require.Error(t, err)
	assert.EqualValues(t, 1, s.Stats().UnknownUserNames)

	_, err = get(alter(func(u *snmptest.User) { u.AuthPassword = "something else" }), "")
	require.Error(t, err)
	assert.EqualValues(t, 1, s.Stats().WrongDigests)

	_, err = get(alter(func(u *snmptest.User) { u.PrivPassword = "something else" }), "")
	require.Error(t, err)
	assert.EqualValues(t, 1, s.Stats().DecryptionErrors)

	got, err := get(right, "other")
	require.NoError(t, err)
	assert.Equal(t, gosnmp.NoSuchObject, got.Variables[0].Type)

	_, _ = get(right, "nowhere")
	assert.EqualValues(t, 1, s.Stats().UnknownContexts)

	got, err = get(alter(func(u *snmptest.User) { u.Name, u.Priv = "strict", snmptest.NoPriv }), "")
	require.NoError(t, err)
	assert.Equal(t, gosnmp.AuthorizationError, got.Error)
	assert.Zero(t, s.Stats().NotInTimeWindows)
}

// reader asks one user's questions in version 3, with nothing but the wire package.
type reader struct {
	t      *testing.T
	conn   net.Conn
	keys   *snmpwire.Keys
	engine string
	boots  int32
	time   int32
	id     int32
}

var closed = snmptest.User{Name: "closed", Auth: snmptest.SHA1, AuthPassword: "authentication", Priv: snmptest.AES128, PrivPassword: "and privacy"}

// localize makes the keys of the user above.
func (r *reader) localize(engine string) {
	auth, err := snmpwire.MasterKey(snmpwire.SHA1, []byte(closed.AuthPassword))
	require.NoError(r.t, err)
	auth, err = snmpwire.Localize(snmpwire.SHA1, auth, []byte(engine))
	require.NoError(r.t, err)
	priv, err := snmpwire.MasterKey(snmpwire.SHA1, []byte(closed.PrivPassword))
	require.NoError(r.t, err)
	priv, err = snmpwire.PrivacyKey(snmpwire.SHA1, snmpwire.AES128, priv, []byte(engine))
	require.NoError(r.t, err)
	r.keys, err = snmpwire.NewKeys(snmpwire.SHA1, auth, snmpwire.AES128, priv)
	require.NoError(r.t, err)
	r.engine = engine
}

func (r *reader) request(edit func(*snmpwire.MessageV3)) []byte {
	r.id++
	m := snmpwire.MessageV3{ID: r.id, MaxSize: 1472, Flags: snmpwire.Authenticated | snmpwire.Private | snmpwire.Reportable,
		EngineID: []byte(r.engine), Boots: r.boots, Time: r.time, User: []byte("closed"), Scoped: snmpwire.ScopedPDU{ContextEngineID: []byte(r.engine),
			PDU: snmpwire.PDU{Type: snmpwire.ReadRequest, RequestID: 4711, Bindings: snmpwire.AppendQuery(nil, oid(r.t, sysDescr))}}}
	if edit != nil {
		edit(&m)
	}
	b, err := m.Append(nil, r.keys)
	require.NoError(r.t, err)
	return b
}

// ask returns the answer, decrypted, and what Verify says of it.
func (r *reader) ask(edit func(*snmpwire.MessageV3)) (m snmpwire.MessageV3, verified error) {
	b := exchange(r.t, r.conn, r.request(edit))
	require.NoError(r.t, m.Parse(b))
	verified = r.keys.Verify(b, &m)
	if verified == nil && m.Flags&snmpwire.Private != 0 {
		_, err := r.keys.Decrypt(nil, &m)
		require.NoError(r.t, err)
	}
	return m, verified
}

// stat is the counter that a Report carries.
func stat(t *testing.T, m snmpwire.MessageV3) snmpwire.Stat {
	require.Equal(t, snmpwire.Report, m.Scoped.PDU.Type)
	b, _, err := snmpwire.NextBinding(m.Scoped.PDU.Bindings)
	require.NoError(t, err)
	return snmpwire.StatOf(b.Name)
}

func newReader(t *testing.T, cfg snmptest.Config) (*snmptest.Server, *reader) {
	cfg.MIB, cfg.Users = specimen(t), []snmptest.User{closed, {Name: "open"}}
	s, err := snmptest.New(cfg)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, s.Close()) })
	r := &reader{t: t, conn: pipe(t, s)}
	r.localize(string(s.EngineID()))
	r.boots, r.time = 1, 0
	return s, r
}

func TestReports(t *testing.T) {
	_, r := newReader(t, snmptest.Config{})
	m, verified := r.ask(nil)
	require.NoError(t, verified)
	assert.Equal(t, snmpwire.Response, m.Scoped.PDU.Type)
	assert.EqualValues(t, 4711, m.Scoped.PDU.RequestID)
	for _, tt := range []struct {
		want   snmpwire.Stat
		level  snmpwire.Flags
		id     int32 // that can be read
		change func(*snmpwire.MessageV3)
	}{
		{snmpwire.UnknownEngineIDs, 0, 4711, func(m *snmpwire.MessageV3) { m.Flags, m.EngineID, m.User = snmpwire.Reportable, nil, nil }},
		{snmpwire.UnknownEngineIDs, 0, 0, func(m *snmpwire.MessageV3) { m.EngineID = []byte("another") }},
		{snmpwire.UnknownUserNames, 0, 0, func(m *snmpwire.MessageV3) { m.User = []byte("nobody") }},
		{snmpwire.UnsupportedSecLevels, 0, 0, func(m *snmpwire.MessageV3) { m.User = []byte("open") }},
		{snmpwire.NotInTimeWindows, snmpwire.Authenticated, 0, func(m *snmpwire.MessageV3) { m.Time += 152 }},
		{snmpwire.NotInTimeWindows, snmpwire.Authenticated, 0, func(m *snmpwire.MessageV3) { m.Boots++ }},
		{snmpwire.UnknownPDUHandlers, snmpwire.Authenticated | snmpwire.Private, 4711, func(m *snmpwire.MessageV3) { m.Scoped.ContextEngineID = []byte("x") }},
		{snmpwire.UnknownContexts, snmpwire.Authenticated | snmpwire.Private, 4711, func(m *snmpwire.MessageV3) { m.Scoped.ContextName = []byte("x") }},
	} {
		m, _ := r.ask(tt.change)
		assert.Equal(t, tt.want, stat(t, m))
		assert.Equal(t, tt.level, m.Flags, tt.want)
		assert.Equal(t, tt.id, m.Scoped.PDU.RequestID, tt.want)
		assert.Equal(t, r.id, m.ID)
		assert.Equal(t, r.engine, string(m.EngineID))
		assert.EqualValues(t, 1, m.Boots)
	}
}

// Who does not want Reports gets none.
func TestNotReportable(t *testing.T) {
	s, r := newReader(t, snmptest.Config{})
	_, err := r.conn.Write(r.request(func(m *snmpwire.MessageV3) {
		m.User = []byte("nobody")
		m.Flags &^= snmpwire.Reportable
	}))
	require.NoError(t, err)
	m, verified := r.ask(nil)
	require.NoError(t, verified)
	assert.Equal(t, r.id, m.ID)
	assert.EqualValues(t, 1, s.Stats().UnknownUserNames)
}

func TestZeroClock(t *testing.T) {
	_, r := newReader(t, snmptest.Config{ZeroClock: true})
	m, _ := r.ask(func(m *snmpwire.MessageV3) { m.EngineID = nil })
	assert.Zero(t, m.Boots)
	m, verified := r.ask(nil)
	require.NoError(t, verified)
	assert.EqualValues(t, 1, m.Boots)
}

func TestRestart(t *testing.T) {
	s, r := newReader(t, snmptest.Config{Boots: 5})
	m, _ := r.ask(nil)
	assert.Equal(t, snmpwire.NotInTimeWindows, stat(t, m))
	assert.EqualValues(t, 5, m.Boots)
	r.boots = 5
	s.Restart()
	m, verified := r.ask(nil)
	require.NoError(t, verified)
	assert.Equal(t, snmpwire.NotInTimeWindows, stat(t, m))
	assert.EqualValues(t, 6, m.Boots)

	require.NoError(t, s.RestartWithNewEngine())
	m, verified = r.ask(nil)
	require.Error(t, verified)
	assert.Equal(t, snmpwire.UnknownEngineIDs, stat(t, m))
	assert.EqualValues(t, 1, m.Boots)
	assert.NotEqual(t, r.engine, string(m.EngineID))
	r.localize(string(m.EngineID))
	r.boots = 1
	_, verified = r.ask(nil)
	require.NoError(t, verified)
}

func TestFaultsOfV3(t *testing.T) {
	s, r := newReader(t, snmptest.Config{})
	good, verified := r.ask(nil)
	require.NoError(t, verified)
	with := func(f snmptest.Fault) (snmpwire.MessageV3, error) {
		s.SetFault(f)
		return r.ask(nil)
	}
	m, verified := with(snmptest.Chain())
	require.NoError(t, verified, "taken apart and put together")
	assert.Equal(t, good.Scoped, m.Scoped)

	_, verified = with(snmptest.WrongDigest())
	require.ErrorIs(t, verified, snmpwire.ErrDigest)

	m, verified = with(snmptest.WithLevel(snmptest.NoAuthNoPriv))
	require.Error(t, verified)
	assert.Zero(t, m.Flags)
	assert.Equal(t, snmpwire.Response, m.Scoped.PDU.Type, "there to be believed")

	m, verified = with(snmptest.WithLevel(snmptest.AuthNoPriv))
	require.NoError(t, verified)
	assert.Equal(t, snmpwire.Authenticated, m.Flags)

	m, verified = with(snmptest.WrongMessageID())
	require.NoError(t, verified)
	assert.NotEqual(t, r.id, m.ID)

	m, verified = with(snmptest.OffTime(-time.Hour))
	require.NoError(t, verified)
	assert.Zero(t, m.Time)

	m, verified = with(snmptest.OffBoots(2))
	require.NoError(t, verified)
	assert.EqualValues(t, 3, m.Boots)

	m, verified = with(snmptest.OtherContext("x"))
	require.NoError(t, verified)
	assert.Equal(t, "x", string(m.Scoped.ContextName))

	m, _ = with(snmptest.WithUser("nobody"))
	assert.Equal(t, "nobody", string(m.User))
	assert.Zero(t, m.Flags, "without keys there is no security")

	own := r.engine
	m, verified = with(snmptest.OtherEngine())
	require.Error(t, verified)
	other := reader{t: t}
	other.localize(string(m.EngineID))
	assert.NotEqual(t, own, other.engine)
	s.SetFault(nil)
	_, verified = r.ask(nil)
	require.NoError(t, verified)

	for range 3 {
		m, verified = with(snmptest.Reporting(text(snmpwire.NotInTimeWindows), snmptest.AuthNoPriv))
		require.NoError(t, verified)
		assert.Equal(t, snmpwire.NotInTimeWindows, stat(t, m))
	}

	s.SetFault(snmptest.Frozen())
	first, verified := r.ask(nil)
	require.NoError(t, verified)
	m, verified = r.ask(nil)
	require.NoError(t, verified, "a replay is authentic")
	assert.Equal(t, first.ID, m.ID)
}

func text(s snmpwire.Stat) string { return string(snmpwire.AppendOIDText(nil, []byte(s.OID()))) }
