package snmptest_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/gosnmp/gosnmp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/drivers/snmp/snmptest"
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
