package opcuatest_test

import (
	"bytes"
	"context"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/drivers/opcua"
)

// spoiling is a client's end whose writes are changed.
type spoiling struct {
	net.Conn
	edit func([]byte)
}

func (c spoiling) Write(b []byte) (int, error) {
	b = slices.Clone(b)
	c.edit(b)
	return c.Conn.Write(b)
}

// TestIdentities logs in as every kind of user in every mode, rightly and wrongly. What is
// wrong is refused by the server, and told as that.
func TestIdentities(t *testing.T) {
	k := makeKeys()
	const jwt = "header.payload.Canary-8f1c!"
	user := func(key *rsa.PrivateKey, edit func(*x509.Certificate)) (*x509.Certificate, opcua.Certificate) {
		c := certify(t, "urn:user", key, nil, nil, edit)
		der, err := x509.MarshalPKCS8PrivateKey(key)
		require.NoError(t, err)
		own, err := opcua.ParseCertificate(c.Raw, der)
		require.NoError(t, err)
		return c, own
	}
	ada, asAda := user(k.other, nil)
	_, asEve := user(k.authority, nil)
	old, asOld := user(k.other, func(c *x509.Certificate) { c.NotAfter = dawn.Add(-time.Hour) })
	_, err := opcua.ParseCertificate(ada.Raw, must(x509.MarshalPKCS8PrivateKey(k.authority)))
	require.Error(t, err, "the key of another")

	issued := func(token acquire.Secret) opcua.Identity {
		return opcua.Identity{Token: func(context.Context) (acquire.Secret, error) { return token, nil }}
	}
	const (
		denied      = opcua.StatusBadUserAccessDenied
		rejected    = opcua.StatusBadIdentityTokenRejected
		unsigned    = opcua.StatusCode(0x80570000) // Bad_UserSignatureInvalid
		notAnyNamed = opcua.StatusCode(0)
	)
	for _, tt := range []struct {
		name     string
		identity opcua.Identity
		want     opcua.StatusCode
		arrange  func(*siege)
		modes    []opcua.Mode
	}{
		{name: "password", identity: opcua.Identity{User: "operator", Password: canary}},
		{name: "wrong password", identity: opcua.Identity{User: "operator", Password: canary + "?"}, want: denied},
		{name: "no password", identity: opcua.Identity{User: "operator"}, want: denied},
		{name: "unknown user", identity: opcua.Identity{User: "eve", Password: canary}, want: denied},
		{name: "token", identity: issued(jwt)},
		{name: "wrong token", identity: issued(jwt + "?"), want: rejected},
		{name: "token for ten minutes", identity: issued(jwt), arrange: func(s *siege) { s.cfg.TokenExpiry = map[string]time.Time{jwt: dawn.Add(10 * time.Minute)} }},
		{name: "expired token", identity: issued(jwt), want: rejected, arrange: func(s *siege) { s.cfg.TokenExpiry = map[string]time.Time{jwt: dawn.Add(-time.Second)} }},
		{name: "certificate", identity: opcua.Identity{Certificate: asAda}},
		{name: "certificate of another", identity: opcua.Identity{Certificate: asEve}, want: rejected},
		{name: "expired certificate", identity: opcua.Identity{Certificate: asOld}, want: rejected},
		{name: "wrong signature", identity: opcua.Identity{Certificate: asAda}, want: unsigned, modes: modes[:1], arrange: func(s *siege) {
			dial := s.client.Dial
			s.client.Dial = func(ctx context.Context) (net.Conn, error) {
				c, err := dial(ctx)
				return spoiling{c, func(b []byte) {
					if bytes.Contains(b, ada.Raw) { // ActivateSession, which ends with the signature
						b[len(b)-1] ^= 1
					}
				}}, err
			}
		}},
		{name: "anonymous", want: notAnyNamed},
	} {
		for _, mode := range modes {
			if tt.modes != nil && !slices.Contains(tt.modes, mode) {
				continue
			}
			t.Run(tt.name+"/"+mode.String(), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := newSiege(t, mode)
					s.cfg.UserCertificates, s.cfg.Tokens = [][]byte{ada.Raw, old.Raw}, []string{jwt}
					s.client.Identity = tt.identity
					if tt.arrange != nil {
						tt.arrange(s)
					}
					s.begin(t)
					defer func() { assert.NoError(t, s.server.Close()) }()
					c, err := opcua.NewClient(s.client)
					require.NoError(t, err)
					defer c.Close(t.Context())
					values, err := c.Read(t.Context(), "ns=2;s=Number")
					s.secretless(t, err)
					s.tap.mu.Lock()
					assert.False(t, bytes.Contains(s.tap.sent.Bytes(), []byte(jwt)), "the token went in clear")
					s.tap.mu.Unlock()
					switch refused, ok := errors.AsType[*opcua.ServiceError](err); {
					case tt.name == "anonymous": // which the endpoint does not let in, so that nothing is asked
						assert.True(t, failed[*opcua.SecurityError]()(nil, err), "%v", err)
						assert.Zero(t, s.server.Stats().SessionsCreated)
					case tt.want == 0:
						assert.True(t, right(values, err), "%v", err)
						assert.Zero(t, s.server.Stats().Refused)
					default:
						require.True(t, ok, "%T %v", err, err)
						assert.Equal(t, tt.want, refused.Status, "%v", err)
						assert.Equal(t, acquire.Security, refused.Quality().Reason())
						assert.EqualValues(t, 1, s.server.Stats().Refused, "it is not tried twice")
						assert.Zero(t, s.server.Stats().Sessions, "a session is left")
					}
				})
			})
		}
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// A token is issued anew for each login: one that ended since the last is no obstacle.
func TestTokenRenewed(t *testing.T) {
	makeKeys()
	synctest.Test(t, func(t *testing.T) {
		s := newSiege(t, opcua.SignAndEncrypt)
		s.cfg.Tokens = []string{"token 1", "token 2"}
		s.cfg.TokenExpiry = map[string]time.Time{"token 1": time.Now().Add(time.Minute)}
		issued := 0
		s.client.Identity = opcua.Identity{Token: func(context.Context) (acquire.Secret, error) {
			issued++
			return acquire.Secret(fmt.Sprint("token ", issued)), nil
		}}
		s.begin(t)
		defer func() { assert.NoError(t, s.server.Close()) }()
		c, err := opcua.NewClient(s.client)
		require.NoError(t, err)
		defer c.Close(t.Context())
		for i := range 2 {
			values, err := c.Read(t.Context(), "ns=2;s=Number")
			assert.True(t, right(values, err), "%v", err)
			assert.Equal(t, i+1, issued)
			<-time.After(2 * time.Minute)
			s.server.Disconnect()
			synctest.Wait()
		}
	})
}

// An issuer of tokens that hangs holds a login no longer than a login may take, and one
// that fails is named as the reason.
func TestTokenIssuer(t *testing.T) {
	makeKeys()
	synctest.Test(t, func(t *testing.T) {
		s := newSiege(t, opcua.ModeNone)
		s.cfg.Tokens = []string{"token"}
		s.client.ConnectTimeout = 7 * time.Second
		down := errors.New("issuer is down")
		s.client.Identity = opcua.Identity{Token: func(ctx context.Context) (acquire.Secret, error) {
			if down != nil {
				return "", down
			}
			<-ctx.Done()
			return "", ctx.Err()
		}}
		s.begin(t)
		defer func() { assert.NoError(t, s.server.Close()) }()
		c, err := opcua.NewClient(s.client)
		require.NoError(t, err)
		defer c.Close(t.Context())
		_, err = c.Read(t.Context(), "ns=2;s=Number")
		assert.ErrorIs(t, err, down)
		down = nil
		began := time.Now()
		_, err = c.Read(t.Context(), "ns=2;s=Number")
		assert.True(t, failed[*opcua.TimeoutError]()(nil, err), "%v", err)
		assert.LessOrEqual(t, time.Since(began), 8*time.Second)
		assert.Zero(t, s.server.Stats().Requests["ActivateSession"])
	})
}
