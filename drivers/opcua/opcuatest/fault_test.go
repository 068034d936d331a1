package opcuatest_test

import (
	"context"
	"crypto/x509"
	"errors"
	"math"
	"testing"
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

// Each fault is seen by a client that is careful, as what it is; and nothing of it stays when it is over.
func TestFaults(t *testing.T) {
	other := identity(t, "urn:fieldtap:opcuatest")
	protocol, security, peer, service := is[*opcua.ProtocolError], is[*opcua.SecurityError], is[*opcua.PeerError], is[*opcua.ServiceError]
	faults := []struct {
		name    string
		fault   opcuatest.Fault
		want    func(error) bool // nil for any error, within a short time
		secured bool             // of a channel with signatures alone
	}{
		{"acknowledge of nothing", opcuatest.Acknowledging(opcuatest.Acknowledge{}), protocol, false},
		{"acknowledge of 4 GiB", opcuatest.Acknowledging(opcuatest.Acknowledge{Receive: math.MaxUint32, Send: math.MaxUint32, Message: 10}), nil, false},
		{"half an acknowledge", opcuatest.On("Hello", opcuatest.Cut(14, false)), nil, false},
		{"half an acknowledge, and the end", opcuatest.On("Hello", opcuatest.Cut(14, true)), nil, false},
		{"no acknowledge", opcuatest.On("Hello", opcuatest.Silence()), nil, false},
		{"ERR for hello", opcuatest.On("Hello", opcuatest.Erring(0x80840000, "no")), peer, false},
		{"ERR for OPN", opcuatest.On("OpenSecureChannel", opcuatest.Erring(0x80550000, "policy")), peer, false},
		{"silence at OPN", opcuatest.On("OpenSecureChannel", opcuatest.Silence()), nil, false},
		{"silence at CreateSession", opcuatest.On("CreateSession", opcuatest.Silence()), nil, false},
		{"silence at ActivateSession", opcuatest.On("ActivateSession", opcuatest.Silence()), nil, false},
		{"silence at Read", opcuatest.On("Read", opcuatest.Silence()), nil, false},
		{"reset at Read", opcuatest.On("Read", opcuatest.Resetting()), nil, false},
		{"end at Read", opcuatest.On("Read", opcuatest.All(opcuatest.Silence(), opcuatest.Closing())), nil, false},
		{"other channel", opcuatest.On("Read", opcuatest.WrongChannel()), protocol, false},
		{"other token", opcuatest.On("Read", opcuatest.WrongToken()), security, false},
		{"sequence number left out", opcuatest.On("Read", opcuatest.WrongSequence()), security, false},
		{"answer to no request", opcuatest.On("Read", opcuatest.WrongRequest()), nil, false},
		{"unknown kind", opcuatest.On("Read", opcuatest.WrongKind("MSGX")), protocol, false},
		{"size of 4 GiB", opcuatest.On("Read", opcuatest.WrongSize(math.MaxUint32)), protocol, false},
		{"size of 7", opcuatest.On("Read", opcuatest.WrongSize(7)), protocol, false},
		{"abort", opcuatest.On("Read", opcuatest.Aborting(0x80020000, "no")), peer, false},
		{"endless message", opcuatest.On("Read", opcuatest.EndlessMessage(8000)), nil, false},
		{"endless requests", opcuatest.On("Read", opcuatest.EndlessRequests(8000)), nil, false},
		{"service fault", opcuatest.On("Read", opcuatest.Failing(0x800E0000)), service, false},
		{"other handle", opcuatest.On("Read", opcuatest.WrongHandle()), protocol, false},
		{"other type", opcuatest.On("Read", opcuatest.WrongType(530)), protocol, false},
		{"truncated", opcuatest.On("Read", opcuatest.Truncated(40)), protocol, false},
		{"extended", opcuatest.On("Read", opcuatest.Extended(3)), protocol, false},
		{"string table of 2^31-1", opcuatest.On("Read", opcuatest.StringTable(math.MaxInt32)), protocol, false},
		{"diagnostics in diagnostics", opcuatest.On("Read", opcuatest.Diagnostics(10_000)), protocol, false},
		{"2^31-1 results", opcuatest.On("Read", opcuatest.Results(math.MaxInt32)), protocol, false},
		{"-2 results", opcuatest.On("Read", opcuatest.Results(-2)), protocol, false},
		{"variants in variants", opcuatest.Answering(opcuatest.DeepVariant(50_000)), protocol, false},
		{"array of 2^31-1", opcuatest.Answering(opcuatest.ArrayOf(11, math.MaxInt32)), protocol, false},

		{"policy None in place of the asked one", opcuatest.On("OpenSecureChannel", opcuatest.Downgraded()), security, true},
		{"certificate of another", opcuatest.On("OpenSecureChannel", opcuatest.Impersonated(other)), security, true},
		{"key of another", opcuatest.On("OpenSecureChannel", opcuatest.Unproved(other)), security, true},
		{"OPN forged", opcuatest.On("OpenSecureChannel", opcuatest.Forged()), security, true},
		{"no nonce", opcuatest.WithoutNonce(), nil, true},
		{"forged", opcuatest.On("Read", opcuatest.Forged()), security, true},
		{"another certificate in the session", opcuatest.OtherCertificate(other.Certificate), security, true},
		{"false signature in the session", opcuatest.FalseSignature(), security, true},
		{"no signature in the session", opcuatest.NoSignature(), security, true},
		{"short nonce in the session", opcuatest.ShortNonce(4), security, true},
	}
	server, own := identity(t, "urn:fieldtap:opcuatest"), identity(t, "urn:client")
	for _, mode := range []opcuatest.Mode{opcuatest.ModeNone, opcuatest.SignAndEncrypt} {
		for _, f := range faults {
			if f.secured != (mode != opcuatest.ModeNone) {
				continue
			}
			t.Run(map[opcuatest.Mode]string{opcuatest.ModeNone: "plain", opcuatest.SignAndEncrypt: "secured"}[mode]+"/"+f.name, func(t *testing.T) {
				t.Parallel()
				r := newRig(t, mode, everything(), server, own)
				fault := f.fault
				if f.secured {
					// The first channel of a login looks up endpoints, and is plain.
					fault = func(x *opcuatest.Exchange) {
						if x.Opening == nil || !x.Opening.Plain {
							f.fault(x)
						}
					}
				}
				r.server.SetFault(fault)
				patience := 10 * time.Second
				if f.want == nil {
					patience = 400 * time.Millisecond // there may be nothing to see
				}
				values, err := r.ask(t, patience)
				assert.Error(t, err, "%v", values)
				if f.want != nil {
					assert.True(t, f.want(err), "%T %v", err, err)
				}
				r.server.SetFault(nil)
				values, err = r.ask(t, 10*time.Second)
				require.NoError(t, err)
				n, ok := values[0].Int()
				assert.True(t, ok)
				assert.EqualValues(t, 2, n)
				assert.Zero(t, r.server.Stats().Writes)
			})
		}
	}
}

// Keys are renewed under a client that asks without a pause, and no answer is lost.
func TestRenewal(t *testing.T) {
	t.Parallel()
	cfg := everything()
	cfg.Limits.Token = 2 * time.Second // the driver takes no less
	r := newRig(t, opcuatest.SignAndEncrypt, cfg, identity(t, "urn:fieldtap:opcuatest"), identity(t, "urn:client"))
	r.client.Timeout = 10 * time.Second
	c, err := opcua.NewClient(r.client)
	require.NoError(t, err)
	defer c.Close(t.Context())
	for r.server.Stats().Requests["OpenSecureChannel"] < 4 { // one to look up endpoints, one to open, two to renew
		_, err := c.Read(t.Context(), "ns=2;s=Mode")
		require.NoError(t, err)
	}
	assert.EqualValues(t, 2, r.server.Stats().Connections)
	assert.Zero(t, r.server.Stats().Malformed)
}
