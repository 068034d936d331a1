package opcua

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gopcua/opcua/server"
	"github.com/gopcua/opcua/ua"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/internal/uabin"
)

// selfSigned makes an application instance certificate.
func selfSigned(t *testing.T, uri string, bits int) keyPair {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, bits)
	require.NoError(t, err)
	u, err := url.Parse(uri)
	require.NoError(t, err)
	template := x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: uri},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageContentCommitment | x509.KeyUsageKeyEncipherment | x509.KeyUsageDataEncipherment | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		URIs:        []*url.URL{u}, DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		BasicConstraintsValid: true, IsCA: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, &key.PublicKey, key)
	require.NoError(t, err)
	return keyPair{private: key, certificate: der}
}

// gopcuaServer runs gopcua's server, of which the simulator is made.
func gopcuaServer(t *testing.T, key keyPair) (address string) {
	t.Helper()
	probe, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	port := probe.Addr().(*net.TCPAddr).Port
	probe.Close()
	options := []server.Option{
		server.EndPoint("127.0.0.1", port), server.EnableSecurity("None", ua.MessageSecurityModeNone), server.EnableAuthMode(ua.UserTokenTypeAnonymous),
		server.PrivateKey(key.private), server.Certificate(key.certificate),
	}
	for _, policy := range []string{"Basic256Sha256", "Aes128_Sha256_RsaOaep", "Aes256_Sha256_RsaPss"} {
		options = append(options, server.EnableSecurity(policy, ua.MessageSecurityModeSign), server.EnableSecurity(policy, ua.MessageSecurityModeSignAndEncrypt))
	}
	s := server.New(options...)
	require.NoError(t, s.Start(context.Background()))
	t.Cleanup(func() { s.Close() })
	return probe.Addr().String()
}

func TestChannelWithGopcua(t *testing.T) {
	for _, bits := range []int{2048, 3072} {
		own, theirs := selfSigned(t, "urn:client", bits), selfSigned(t, "urn:server", 5120-bits)
		address := gopcuaServer(t, theirs)
		for _, policy := range []string{ua.SecurityPolicyURINone, ua.SecurityPolicyURIBasic256Sha256, ua.SecurityPolicyURIAes128Sha256RsaOaep, ua.SecurityPolicyURIAes256Sha256RsaPss} {
			for _, mode := range []ua.MessageSecurityMode{ua.MessageSecurityModeNone, ua.MessageSecurityModeSign, ua.MessageSecurityModeSignAndEncrypt} {
				if (policy == ua.SecurityPolicyURINone) != (mode == ua.MessageSecurityModeNone) {
					continue
				}
				t.Run(policy[strings.LastIndex(policy, "#")+1:]+" "+mode.String(), func(t *testing.T) {
					conn, err := net.Dial("tcp", address)
					require.NoError(t, err)
					cfg := channelConfig{
						url: "opc.tcp://" + address, policy: policy, mode: mode, lifetime: time.Hour, timeout: 10 * time.Second, maxMessage: 1 << 20, now: time.Now, counters: new(channelCounters),
					}
					if mode != ua.MessageSecurityModeNone {
						cfg.key, cfg.server = own, theirs.certificate
					}
					ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
					defer cancel()
					c, err := openChannel(ctx, conn, cfg)
					require.NoError(t, err)
					defer c.close()
					for range 3 {
						m, r, err := c.request(ctx, &ua.GetEndpointsRequest{EndpointURL: cfg.url}, nil, "GetEndpoints", uabin.EndpointsResponseID, 5*time.Second)
						require.NoError(t, err)
						list := r.Endpoints()
						require.NoError(t, r.End())
						assert.Equal(t, 7, list.Len)
						each := list.Reader()
						for range list.Len {
							e := each.Endpoint()
							assert.Equal(t, cfg.url, strings.TrimSuffix(string(e.URL), "/"))
						}
						m.release()
						require.NoError(t, c.renew())
					}

					endpoints, err := discover(ctx, c, 5*time.Second)
					require.NoError(t, err)
					i := slices.IndexFunc(endpoints, func(e endpoint) bool { return e.policy == policy && e.mode == mode })
					require.GreaterOrEqual(t, i, 0)
					s, err := createSession(ctx, c, sessionConfig{
						name: "test", application: "urn:client", timeout: time.Minute, request: 5 * time.Second, identity: anonymous{},
						endpoint: endpoints[i], maxMessage: cfg.maxMessage,
					})
					require.NoError(t, err)
					require.NoError(t, s.activate(ctx))
					m, r, err := s.request(ctx, &ua.ReadRequest{NodesToRead: []*ua.ReadValueID{
						{NodeID: ua.NewNumericNodeID(0, 2258), AttributeID: ua.AttributeIDValue, DataEncoding: &ua.QualifiedName{}}, // Server_ServerStatus_CurrentTime
						{NodeID: ua.NewNumericNodeID(0, 999_999), AttributeID: ua.AttributeIDValue, DataEncoding: &ua.QualifiedName{}},
					}}, "Read", uabin.ReadResponseID)
					require.NoError(t, err)
					results := r.Read().Results
					require.NoError(t, r.End())
					require.Equal(t, 2, results.Len)
					each := results.Reader()
					now := each.DataValue()
					assert.Equal(t, uabin.TypeDateTime, now.Value.Type)
					ns, ok := uabin.Time(now.Value.Bits).Unix()
					assert.True(t, ok)
					assert.WithinDuration(t, time.Now(), time.Unix(0, ns), time.Minute)
					assert.Equal(t, uint16(StatusBadNodeIDUnknown>>16), each.DataValue().Status.Code())
					m.release()
					s.close(ctx, true)
				})
			}
		}
	}
}
