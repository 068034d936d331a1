package opcuatest_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"testing"
	"time"

	"github.com/gopcua/opcua"
	"github.com/gopcua/opcua/ua"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/drivers/opcua/opcuatest"
)

func identity(t *testing.T, uri string) opcuatest.Identity {
	t.Helper()
	id, err := opcuatest.NewIdentity(uri, nil)
	require.NoError(t, err)
	return id
}

// login connects and reads one value.
func login(t *testing.T, s *opcuatest.Server, security opcuatest.Security, own opcuatest.Identity, options ...opcua.Option) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	endpoints, err := opcua.GetEndpoints(ctx, s.URL())
	require.NoError(t, err)
	kind := ua.UserTokenTypeAnonymous
	if options != nil {
		kind = ua.UserTokenTypeUserName
	}
	for _, e := range endpoints {
		if e.SecurityPolicyURI != security.Policy.URI() || e.SecurityMode != ua.MessageSecurityMode(security.Mode) {
			continue
		}
		options = append(options, opcua.SecurityFromEndpoint(e, kind), opcua.AutoReconnect(false))
		if own.Key != nil {
			options = append(options, opcua.Certificate(own.Certificate), opcua.PrivateKey(own.Key))
		}
		c, err := opcua.NewClient(s.URL(), options...)
		require.NoError(t, err)
		if err := c.Connect(ctx); err != nil {
			return err
		}
		defer c.Close(ctx)
		v, err := c.Node(ua.NewNumericNodeID(0, 2259)).Value(ctx)
		if err == nil {
			assert.Equal(t, int32(0), v.Value())
		}
		return err
	}
	t.Fatal("no such endpoint")
	return nil
}

func TestSecurity(t *testing.T) {
	own := identity(t, "urn:client")
	cfg := opcuatest.Config{Identity: identity(t, "urn:fieldtap:opcuatest"), Users: map[string]string{"ada": "s3cret"}}
	s := start(t, cfg)
	for _, p := range []opcuatest.Policy{opcuatest.Basic256Sha256, opcuatest.Aes128Sha256RsaOaep, opcuatest.Aes256Sha256RsaPss} {
		for _, m := range []opcuatest.Mode{opcuatest.Sign, opcuatest.SignAndEncrypt} {
			assert.NoError(t, login(t, s, opcuatest.Security{Policy: p, Mode: m}, own))
			assert.NoError(t, login(t, s, opcuatest.Security{Policy: p, Mode: m}, own, opcua.AuthUsername("ada", "s3cret")))
			assert.ErrorIs(t, login(t, s, opcuatest.Security{Policy: p, Mode: m}, own, opcua.AuthUsername("ada", "wrong")), ua.StatusBadUserAccessDenied)
		}
	}
	assert.EqualValues(t, 6, s.Stats().Refused)

	cfg.Trusted = func([]byte) bool { return false }
	assert.Error(t, login(t, start(t, cfg), opcuatest.Security{Policy: opcuatest.Basic256Sha256, Mode: opcuatest.SignAndEncrypt}, own))
}

// A channel without protection is for discovery, where no endpoint has it.
func TestNoSessionWithoutItsEndpoint(t *testing.T) {
	s := start(t, opcuatest.Config{Identity: identity(t, "urn:fieldtap:opcuatest")})
	c, err := opcua.NewClient(s.URL(), opcua.SecurityMode(ua.MessageSecurityModeNone), opcua.AutoReconnect(false))
	require.NoError(t, err)
	assert.Error(t, c.Connect(t.Context()))
	assert.Zero(t, s.Stats().SessionsCreated)
}

// Keys of more than 2048 bits have padding with a length of two bytes, each way by the receiver's key.
func TestLongKeys(t *testing.T) {
	long := func(uri string) opcuatest.Identity {
		short := identity(t, uri)
		template, err := x509.ParseCertificate(short.Certificate)
		require.NoError(t, err)
		template.PublicKey = nil // or it would have to be the new key
		key, err := rsa.GenerateKey(rand.Reader, 3072)
		require.NoError(t, err)
		der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
		require.NoError(t, err)
		return opcuatest.Identity{Certificate: der, Key: key}
	}
	own, theirs := identity(t, "urn:client"), long("urn:fieldtap:opcuatest")
	for range 2 {
		s := start(t, opcuatest.Config{Identity: theirs, Users: map[string]string{"ada": "s3cret"}})
		for _, p := range []opcuatest.Policy{opcuatest.Basic256Sha256, opcuatest.Aes256Sha256RsaPss} {
			assert.NoError(t, login(t, s, opcuatest.Security{Policy: p, Mode: opcuatest.SignAndEncrypt}, own, opcua.AuthUsername("ada", "s3cret")))
		}
		own, theirs = theirs, own // the other way round; nobody looks at URIs here
	}
}
