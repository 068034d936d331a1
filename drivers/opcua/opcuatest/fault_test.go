package opcuatest_test

import (
	"context"
	"crypto/x509"
	"errors"
	"io"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/drivers/opcua"
	"github.com/fieldtap/fieldtap/drivers/opcua/opcuatest"
)

// rig is a server and what a client of the driver needs to reach it.
type rig struct {
	server *opcuatest.Server
	client opcua.ClientConfig
}

func newRig(t *testing.T, mode opcuatest.Mode, cfg opcuatest.Config, server, own opcuatest.Identity) rig {
	t.Helper()
	r := rig{client: opcua.ClientConfig{Policies: []opcua.Policy{opcua.PolicyNone}}}
	if mode != opcuatest.ModeNone {
		cfg.Identity = server
		certificate, err := x509.ParseCertificate(cfg.Identity.Certificate)
		require.NoError(t, err)
		key, err := x509.MarshalPKCS8PrivateKey(own.Key)
		require.NoError(t, err)
		r.client.Policies, r.client.Mode = nil, opcua.Mode(mode)
		r.client.Trust.List.Trusted = []*x509.Certificate{certificate}
		r.client.Trust.WithoutRevocation = true
		r.client.Certificate, err = opcua.ParseCertificate(own.Certificate, key)
		require.NoError(t, err)
	}
	r.server = start(t, cfg)
	r.client.Endpoint = r.server.URL()
	return r
}

// ask reads one value with a new client.
func (r rig) ask(t *testing.T, timeout time.Duration) ([]opcua.Value, error) {
	t.Helper()
	r.client.Timeout, r.client.ConnectTimeout = timeout, 2*timeout
	c, err := opcua.NewClient(r.client)
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 5*timeout)
	defer cancel()
	defer c.Close(ctx)
	return c.Read(ctx, "ns=2;s=Mode")
}

// is reports whether an error is of a type.
func is[E error](err error) bool {
	var e E
	return errors.As(err, &e)
}

// Over a real connection a reset is a reset, and what is written to a peer that has left
// fails: the client says why it left, if it said so.
func TestOverTCP(t *testing.T) {
	peer := is[*opcua.PeerError]
	ended := func(err error) bool { return errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) }
	for _, f := range []struct {
		name  string
		fault opcuatest.Fault
		want  func(error) bool
	}{
		{"ERR for hello", opcuatest.On("Hello", opcuatest.Erring(0x80840000, "no")), peer},
		{"ERR for OPN", opcuatest.On("OpenSecureChannel", opcuatest.Erring(0x80550000, "policy")), peer},
		{"ERR for Read", opcuatest.On("Read", opcuatest.Erring(0x80550000, "policy")), peer},
		{"reset at Read", opcuatest.On("Read", opcuatest.Resetting()), ended},
		{"end at Read", opcuatest.On("Read", opcuatest.All(opcuatest.Silence(), opcuatest.Closing())), ended},
		{"endless message", opcuatest.On("Read", opcuatest.EndlessMessage(8000)), func(err error) bool { return is[*opcua.ProtocolError](err) || is[*opcua.ServiceError](err) }},
	} {
		t.Run(f.name, func(t *testing.T) {
			r := newRig(t, opcuatest.ModeNone, everything(), opcuatest.Identity{}, opcuatest.Identity{})
			r.server.SetFault(f.fault)
			_, err := r.ask(t, 10*time.Second)
			assert.True(t, f.want(err), "%T %v", err, err)
			r.server.SetFault(nil)
			values, err := r.ask(t, 10*time.Second)
			require.NoError(t, err)
			n, ok := values[0].Int()
			assert.True(t, ok)
			assert.EqualValues(t, 2, n)
		})
	}
}

// Keys are renewed under a client that asks without a pause, and no answer is lost.
func TestRenewal(t *testing.T) {
	makeKeys()
	synctest.Test(t, func(t *testing.T) {
		s := newSiege(t, opcua.SignAndEncrypt)
		s.cfg.Limits.Token = 2 * time.Second // the driver takes no less
		s.begin(t)
		defer func() { assert.NoError(t, s.server.Close()) }()
		c, err := opcua.NewClient(s.client)
		require.NoError(t, err)
		for range 1000 {
			values, err := c.Read(t.Context(), "ns=2;s=Number")
			require.True(t, right(values, err), "%v", err)
		}
		require.NoError(t, c.Close(t.Context()))
		synctest.Wait()
		stats := s.server.Stats()
		assert.EqualValues(t, 2, stats.Connections)
		assert.GreaterOrEqual(t, stats.Requests["OpenSecureChannel"], uint64(5)) // one to look up endpoints, one to open, the others to renew
		assert.EqualValues(t, 2, stats.Requests["CloseSecureChannel"])
		assert.Zero(t, stats.Malformed)
		assert.Zero(t, stats.Sessions)
	})
}
