package modbus_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/drivers/modbus"
	"github.com/fieldtap/fieldtap/drivers/modbus/modbustest"
)

// roleExtension holds a role as a certificate does, value being its encoding.
func roleExtension(value ...byte) pkix.Extension {
	return pkix.Extension{Id: asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 50316, 802, 1}, Value: value}
}

func utf8(role string) []byte { return append([]byte{0x0C, byte(len(role))}, role...) }

func TestRole(t *testing.T) {
	other := pkix.Extension{Id: asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 50316, 802, 2}, Value: utf8("not this")}
	for _, c := range []struct {
		name       string
		extensions []pkix.Extension
		role       string
		fault      string
	}{
		{"none", nil, "", ""},
		{"another extension", []pkix.Extension{other}, "", ""},
		{"operator", []pkix.Extension{other, roleExtension(utf8("Operator")...)}, "Operator", ""},
		{"umlauts", []pkix.Extension{roleExtension(utf8("Wärter")...)}, "Wärter", ""},
		{"empty text", []pkix.Extension{roleExtension(utf8("")...)}, "", ""},
		{"two", []pkix.Extension{roleExtension(utf8("a")...), roleExtension(utf8("b")...)}, "", "two roles"},
		{"no text", []pkix.Extension{roleExtension(2, 1, 1)}, "", "no UTF8String"},
		{"another kind of text", []pkix.Extension{roleExtension(0x13, 1, 'a')}, "", "no UTF8String"},
		{"not UTF-8", []pkix.Extension{roleExtension(0x0C, 1, 0xFF)}, "", "no UTF8String"},
		{"cut", []pkix.Extension{roleExtension(0x0C, 5, 'a')}, "", "no UTF8String"},
		{"more behind it", []pkix.Extension{roleExtension(0x0C, 1, 'a', 'b')}, "", "no UTF8String"},
		{"nothing", []pkix.Extension{roleExtension()}, "", "no UTF8String"},
	} {
		t.Run(c.name, func(t *testing.T) {
			role, err := modbus.Role(&x509.Certificate{Extensions: c.extensions})
			assert.Equal(t, c.role, role)
			if c.fault == "" {
				assert.NoError(t, err)
			} else {
				assert.ErrorContains(t, err, "modbus: ")
				assert.ErrorContains(t, err, c.fault)
			}
		})
	}
}

func FuzzRole(f *testing.F) {
	f.Add(utf8("Operator"))
	f.Add([]byte{0x0C, 0x81, 1, 'a'})
	f.Fuzz(func(t *testing.T, value []byte) {
		role, err := modbus.Role(&x509.Certificate{Extensions: []pkix.Extension{roleExtension(value...)}})
		if err != nil {
			assert.Empty(t, role)
			return
		}
		again, err := asn1.MarshalWithParams(role, "utf8") // DER has one form for each text
		require.NoError(t, err)
		assert.Equal(t, value, again)
	})
}

// A certificate whose role no server could read is a fault of the configuration.
func TestMalformedRoleOfOurs(t *testing.T) {
	plant := newAuthority(t)
	config := &tls.Config{Certificates: []tls.Certificate{plant.sign(t, x509.Certificate{ExtraExtensions: []pkix.Extension{roleExtension(2, 1, 1)}})}}
	_, err := modbus.NewBus(modbus.BusConfig{Address: "meter", TLS: config})
	require.ErrorContains(t, err, "modbus: TLS certificate 0: ")
	require.ErrorContains(t, err, "no UTF8String")
}

// both are the two configurations of a connection in a role.
func both(t *testing.T, role string) (server, client *tls.Config) {
	plant := newAuthority(t)
	ours := x509.Certificate{Subject: pkix.Name{CommonName: "fieldtap"}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
	if role != "" {
		ours.ExtraExtensions = []pkix.Extension{roleExtension(utf8(role)...)}
	}
	theirs := plant.sign(t, x509.Certificate{
		Subject: pkix.Name{CommonName: "meter 7"}, DNSNames: []string{"meter.example"},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, ExtraExtensions: []pkix.Extension{roleExtension(utf8("Meter")...)},
	})
	now := time.Now() // not that of a bubble
	clock := func() time.Time { return now }
	return &tls.Config{
			Certificates: []tls.Certificate{theirs}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: plant.pool, Time: clock,
		}, &tls.Config{
			RootCAs: plant.pool, Certificates: []tls.Certificate{plant.sign(t, ours)}, ServerName: "meter.example", Time: clock,
		}
}

// The roles of both sides are told with each connection, resumed ones included.
func TestRolesAreTold(t *testing.T) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		t.Run(tls.VersionName(version), func(t *testing.T) {
			theirs, ours := both(t, "Reader")
			theirs.MaxVersion = version
			ours.ClientSessionCache = tls.NewLRUClientSessionCache(1)
			server, err := modbustest.New(modbustest.Config{Units: map[byte]modbustest.Device{1: ticking{}}})
			require.NoError(t, err)
			defer server.Close()
			listener, err := tls.Listen("tcp", "127.0.0.1:0", theirs)
			require.NoError(t, err)
			go server.Serve(listener)
			var told []modbus.Security
			_, err = poll(t, modbus.Config{
				Address: listener.Addr().String(), TLS: ours, Release: true, // a connection for each poll
				Trace: modbus.Trace{Secured: func(s modbus.Security) { told = append(told, s) }},
			})
			require.NoError(t, err)
			require.Len(t, told, 20)
			for _, s := range told {
				assert.NotZero(t, s.Suite)
				s.Suite = 0
				require.Equal(t, modbus.Security{Version: version, Role: "Reader", ServerRole: "Meter", Peer: "meter 7"}, s)
			}
		})
	}
}

// permitting decides as a server with a table of roles and rights does.
func permitting(role string, r modbustest.Request) bool {
	return role == "Reader" && r.Address < 100
}

// A server that decides on roles gives the values that ours may have. What it refuses
// is bad for security, is tried three times, and once a minute from then on.
func TestRoleDecides(t *testing.T) {
	for _, c := range []struct {
		role   string
		window int
		good   int // of the two blocks
	}{{"Reader", 1, 1}, {"Reader", 4, 1}, {"Visitor", 1, 0}, {"", 1, 0}} {
		t.Run(c.role, func(t *testing.T) {
			theirs, ours := both(t, c.role) // keys come from outside the bubble
			synctest.Test(t, func(t *testing.T) {
				server, err := modbustest.New(modbustest.Config{Units: map[byte]modbustest.Device{1: labelled{}}, Permit: permitting})
				require.NoError(t, err)
				t.Cleanup(func() { server.Close() })
				r := newRig(t, modbus.Config{
					Window: c.window, MaxGap: -1, Timeout: 100 * time.Millisecond,
					Dial: func(ctx context.Context) (net.Conn, error) {
						near, far := net.Pipe()
						go server.ServeConn(tls.Server(far, theirs))
						conn := tls.Client(near, ours)
						return conn, conn.HandshakeContext(ctx)
					},
				}, labelled{}, 10, 11, 500, 501)
				s := r.open()
				var b acquire.Batch
				for n := range 600 {
					require.NoError(t, s.Next(t.Context(), &b))
					good, reasons := r.check(&b)
					require.Equal(t, 2*c.good, good, "poll %d", n)
					for _, sample := range b.Samples {
						if !sample.Quality.IsGood() {
							require.Equal(t, acquire.Bad.Because(acquire.Security).WithNative(1), sample.Quality)
							require.WithinDuration(t, time.Now(), sample.Time.Time(), time.Second)
						}
					}
					require.Len(t, reasons, 4-2*c.good)
				}
				refused := server.Stats().Exceptions
				each := uint64(2 - c.good)
				assert.GreaterOrEqual(t, refused, each*11, "asked again now and then")
				assert.LessOrEqual(t, refused, each*13)
				assert.EqualValues(t, 600*uint64(c.good)+refused, server.Stats().Requests)
				assert.EqualValues(t, refused, r.source.Stats().Exceptions)
			})
		})
	}
}

// Rights that are granted later are used within a minute, and from then on in each poll.
func TestRoleIsGrantedLater(t *testing.T) {
	theirs, ours := both(t, "Reader")
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		granted := false
		server, err := modbustest.New(modbustest.Config{
			Units: map[byte]modbustest.Device{1: labelled{}},
			Permit: func(string, modbustest.Request) bool {
				mu.Lock()
				defer mu.Unlock()
				return granted
			},
		})
		require.NoError(t, err)
		t.Cleanup(func() { server.Close() })
		r := newRig(t, modbus.Config{Dial: func(ctx context.Context) (net.Conn, error) {
			near, far := net.Pipe()
			go server.ServeConn(tls.Server(far, theirs))
			conn := tls.Client(near, ours)
			return conn, conn.HandshakeContext(ctx)
		}}, labelled{}, 10, 11)
		s := r.open()
		var b acquire.Batch
		for range 100 {
			require.NoError(t, s.Next(t.Context(), &b))
		}
		mu.Lock()
		granted = true
		mu.Unlock()
		good := 0
		for range 100 {
			require.NoError(t, s.Next(t.Context(), &b))
			n, _ := r.check(&b)
			good += n
		}
		assert.GreaterOrEqual(t, good, 2*40)
		assert.Equal(t, 2, len(b.Samples))
		assert.True(t, b.Samples[0].Quality.IsGood())
	})
}

// A unit asked outside of polls says what a refusal over TLS may mean.
func TestRoleRefusesAUnit(t *testing.T) {
	theirs, ours := both(t, "Visitor")
	server, err := modbustest.New(modbustest.Config{Units: map[byte]modbustest.Device{1: ticking{}}, Permit: permitting})
	require.NoError(t, err)
	defer server.Close()
	listener, err := tls.Listen("tcp", "127.0.0.1:0", theirs)
	require.NoError(t, err)
	go server.Serve(listener)
	bus, err := modbus.NewBus(modbus.BusConfig{Address: listener.Addr().String(), TLS: ours})
	require.NoError(t, err)
	_, err = bus.Unit(1, 0).ServerID(t.Context())
	require.ErrorIs(t, err, modbus.IllegalFunction)
	assert.ErrorContains(t, err, "not for our role, or not known")
	assert.Equal(t, acquire.Bad.Because(acquire.Security).WithNative(1), acquire.QualityOf(err))
}
