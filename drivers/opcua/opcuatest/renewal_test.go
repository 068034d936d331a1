package opcuatest_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"math/big"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/drivers/opcua"
	"github.com/fieldtap/fieldtap/drivers/opcua/opcuatest"
)

// replaced puts another server with another certificate in place of the one there is, as
// after a restart, and returns it.
func (s *siege) replaced(t *testing.T, id opcuatest.Identity) *opcuatest.Server {
	t.Helper()
	cfg := s.cfg
	cfg.Identity = id
	next, err := opcuatest.New(cfg)
	require.NoError(t, err)
	s.swap.Lock()
	defer s.swap.Unlock()
	require.NoError(t, s.server.Close())
	s.server = next
	return next
}

// A server whose certificate is renewed by the authority that is trusted is taken up again
// without anybody doing anything; the values lost meanwhile are said to be.
func TestServerRenewed(t *testing.T) {
	k := makeKeys()
	root := certify(t, "urn:authority", k.authority, nil, nil, nil)
	issued := func(key *rsa.PrivateKey, serial int64) opcuatest.Identity {
		c := certify(t, serverURI, key, root, k.authority, func(c *x509.Certificate) { c.SerialNumber = big.NewInt(serial) })
		return opcuatest.Identity{Certificate: append(c.Raw, root.Raw...), Key: key}
	}
	der, err := x509.CreateRevocationList(rand.Reader, &x509.RevocationList{
		Number: big.NewInt(1), ThisUpdate: dawn.AddDate(0, -1, 0), NextUpdate: dawn.AddDate(1, 0, 0),
	}, root, k.authority)
	require.NoError(t, err)
	list, err := x509.ParseRevocationList(der)
	require.NoError(t, err)
	first, second := issued(k.server, 100), issued(k.other, 101)
	synctest.Test(t, func(t *testing.T) {
		w := newWatchOf(t, opcua.SignAndEncrypt, func(s *siege) {
			s.cfg.Identity = first
			s.client.Trust.List = opcua.TrustList{Trusted: []*x509.Certificate{root}, Revocations: []*x509.RevocationList{list}}
		})
		w.read(3 * time.Second)
		w.replaced(t, second)
		w.read(10 * time.Second)
		assert.Less(t, time.Since(w.goodAt), 2*time.Second)
		assert.Zero(t, w.wrong+w.twice)
		assert.Zero(t, w.unsaid)
		assert.NotZero(t, w.bad)
		w.secretless(t, nil)
		require.NoError(t, w.stream.Close())
		require.NoError(t, w.server.Close())
	})
}

// One that was trusted at first use is not any more when it shows another certificate: it
// is told nothing. When an administrator trusts it, what runs goes on by itself.
func TestFirstUseRenewed(t *testing.T) {
	k := makeKeys()
	other := opcuatest.Identity{Certificate: certify(t, serverURI, k.other, nil, nil, nil).Raw, Key: k.other}
	synctest.Test(t, func(t *testing.T) {
		store, err := opcua.OpenStore(t.TempDir())
		require.NoError(t, err)
		w := newWatchOf(t, opcua.SignAndEncrypt, func(s *siege) {
			s.client.Trust = opcua.Trust{Store: store, FirstUse: true}
		})
		w.read(3 * time.Second)
		require.NotZero(t, w.good)
		next := w.replaced(t, other)
		before := w.goodAt
		w.read(10 * time.Second)
		assert.Less(t, w.goodAt.Sub(before), time.Second, "nobody has said that it is the right one")
		refused, ok := errors.AsType[*opcua.CertificateError](w.source.Stats().LastError)
		require.True(t, ok, "%v", w.source.Stats().LastError)
		assert.Equal(t, opcua.StatusBadCertificateUntrusted, refused.Status)
		asked := next.Stats().Requests
		assert.NotZero(t, asked["GetEndpoints"])
		assert.Zero(t, asked["CreateSession"]+asked["ActivateSession"])
		require.NoError(t, store.Trust(refused.Thumbprint))
		w.read(10 * time.Second)
		assert.Less(t, time.Since(w.goodAt), 2*time.Second)
		assert.Zero(t, w.wrong+w.twice)
		assert.Zero(t, w.unsaid)
		w.secretless(t, w.source.Stats().LastError)
		require.NoError(t, w.stream.Close())
		require.NoError(t, w.server.Close())
	})
}

// Nothing is pinned by a server that cannot prove that it has the key of the certificate
// that it shows, in its endpoints or in the channel.
func TestFirstUseOfAnImpostor(t *testing.T) {
	k := makeKeys()
	synctest.Test(t, func(t *testing.T) {
		store, err := opcua.OpenStore(t.TempDir())
		require.NoError(t, err)
		s := newSiege(t, opcua.SignAndEncrypt)
		s.client.Trust = opcua.Trust{Store: store, FirstUse: true}
		s.cfg.Fault = entering(opcuatest.Unproved(opcuatest.Identity{Key: k.other}))
		s.begin(t)
		c, err := opcua.NewClient(s.client)
		require.NoError(t, err)
		_, err = c.Read(t.Context(), "ns=2;s=Number")
		assert.True(t, failed[*opcua.SecurityError]()(nil, err), "%v", err)
		s.replaced(t, opcuatest.Identity{Certificate: certify(t, serverURI, k.authority, nil, nil, nil).Raw, Key: k.authority})
		s.server.SetFault(nil)
		values, err := c.Read(t.Context(), "ns=2;s=Number")
		assert.True(t, right(values, err), "the first one to prove it is the one: %v", err)
		require.NoError(t, c.Close(t.Context()))
		require.NoError(t, s.server.Close())
	})
}

// A stream to a server that says nothing any more is closed as soon as one to any other.
func TestCloseInSilence(t *testing.T) {
	makeKeys()
	synctest.Test(t, func(t *testing.T) {
		w := newWatch(t, opcua.ModeNone)
		w.read(3 * time.Second)
		w.server.SetFault(opcuatest.Silence())
		began := time.Now()
		require.NoError(t, w.stream.Close())
		assert.LessOrEqual(t, time.Since(began), time.Second)
		require.NoError(t, w.server.Close())
	})
}

// Whoever takes the place of the server when the connection is lost gets nothing, however
// often it is tried: neither the password nor the token that stands for the session. The
// server, when it is back, is resumed.
func TestTakeoverAtReconnect(t *testing.T) {
	k := makeKeys()
	other := opcuatest.Identity{Certificate: certify(t, serverURI, k.other, nil, nil, nil).Raw, Key: k.other}
	for name, fault := range map[string]opcuatest.Fault{
		"policy None":                    opcuatest.Downgraded(),
		"certificate and key of another": opcuatest.Impersonated(other),
		"right certificate, wrong key":   opcuatest.Unproved(other),
		"forged":                         opcuatest.On("OpenSecureChannel", opcuatest.Forged()),
	} {
		for _, mode := range secured {
			t.Run(name+"/"+mode.String(), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := newWatch(t, mode)
					w.read(3 * time.Second)
					before := w.server.Stats()
					w.server.SetFault(func(x *opcuatest.Exchange) {
						if x.Opening != nil && !x.Opening.Plain { // the channel of discovery has nothing to be taken
							fault(x)
						}
					})
					w.server.Disconnect()
					w.read(10 * time.Second)
					now := w.server.Stats()
					assert.Greater(t, now.Connections, before.Connections+4, "it is tried")
					for _, service := range []string{"CreateSession", "ActivateSession"} {
						assert.Equal(t, before.Requests[service], now.Requests[service], service)
					}
					assert.True(t, failed[*opcua.SecurityError]()(nil, w.source.Stats().LastError), "%v", w.source.Stats().LastError)
					w.secretless(t, w.source.Stats().LastError)
					w.server.SetFault(nil)
					w.read(10 * time.Second)
					assert.Less(t, time.Since(w.goodAt), 2*time.Second)
					assert.Zero(t, w.wrong+w.twice)
					assert.Zero(t, w.lost, "what the server kept")
					assert.EqualValues(t, 1, w.server.Stats().SessionsCreated)
					require.NoError(t, w.stream.Close())
					require.NoError(t, w.server.Close())
				})
			})
		}
	}
}
