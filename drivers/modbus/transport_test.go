package modbus_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/drivers/modbus"
	"github.com/fieldtap/fieldtap/drivers/modbus/modbustest"
)

// poll reads some registers of unit 1 over what cfg says, a few times.
func poll(t *testing.T, cfg modbus.Config) (*modbus.Source, error) {
	t.Helper()
	cfg.Unit, cfg.Interval, cfg.Catalog = 1, -1, acquire.NewCatalog()
	cfg.Points = []modbus.Point{
		{Name: "a", At: modbus.Holding(0), Type: modbus.Uint16}, {Name: "b", At: modbus.Holding(1), Type: modbus.Uint16},
	}
	src, err := modbus.NewSource(cfg)
	require.NoError(t, err)
	stream, err := src.Open(t.Context())
	if err != nil {
		return src, err
	}
	defer func() { assert.NoError(t, stream.Close()) }()
	var b acquire.Batch
	for range 20 {
		if err := stream.Next(t.Context(), &b); err != nil {
			return src, err
		}
		require.Equal(t, 2, fresh(t, src, &b, time.Second))
	}
	return src, nil
}

func TestUDPOverSockets(t *testing.T) {
	for _, f := range []modbus.Framing{modbus.MBAP, modbus.RTU, modbus.ASCII} {
		t.Run(f.String(), func(t *testing.T) {
			socket, err := net.ListenPacket("udp", "127.0.0.1:0")
			require.NoError(t, err)
			server, err := modbustest.New(modbustest.Config{
				Framing: modbustest.Framing(f), Units: map[byte]modbustest.Device{1: ticking{}},
			})
			require.NoError(t, err)
			ended := make(chan error, 1)
			go func() { ended <- server.ServePackets(socket) }()
			src, err := poll(t, modbus.Config{Address: socket.LocalAddr().String(), UDP: true, Framing: f})
			require.NoError(t, err)
			assert.EqualValues(t, 20, src.Stats().Requests)
			require.NoError(t, server.Close())
			require.NoError(t, <-ended)

			_, err = poll(t, modbus.Config{Address: socket.LocalAddr().String(), UDP: true, Framing: f})
			require.Error(t, err, "nobody listens")
			assert.Equal(t, acquire.Communication, acquire.QualityOf(err).Reason())
		})
	}
}

// Datagrams that come twice, in another order, from elsewhere, or empty.
func TestUDPIsNoOrderlyNetwork(t *testing.T) {
	socket, err := net.ListenPacket("udp", "127.0.0.1:0")
	require.NoError(t, err)
	server, err := modbustest.New(modbustest.Config{
		Units: map[byte]modbustest.Device{1: ticking{}},
		Fault: func(x *modbustest.Exchange) {
			switch x.N % 5 {
			case 1:
				x.Pieces = []int{len(x.Reply)} // its copy goes out in a datagram of its own
				modbustest.Twice()(x)
			case 3:
				x.Late = 2 * time.Millisecond
			}
		},
	})
	require.NoError(t, err)
	defer server.Close()
	go server.ServePackets(socket)
	foreign, err := net.ListenPacket("udp", "127.0.0.1:0")
	require.NoError(t, err)
	defer foreign.Close()
	src, err := poll(t, modbus.Config{Window: 8, MaxRegisters: 1, Dial: func(ctx context.Context) (net.Conn, error) {
		c, err := new(net.Dialer).DialContext(ctx, "udp", socket.LocalAddr().String())
		if err == nil {
			for id := range 1 << 16 { // from a stranger, with whatever id
				if id%1000 == 0 {
					foreign.WriteTo(lie(uint16(id)), c.LocalAddr())
				}
			}
			foreign.WriteTo(nil, c.LocalAddr())
		}
		return c, err
	}, UDP: true})
	require.NoError(t, err)
	assert.LessOrEqual(t, src.Stats().Timeouts, uint64(2), "but for what this machine takes its time for")
}

// authority signs certificates.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
	pool        *x509.CertPool
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{pool: x509.NewCertPool()}
	signed := a.sign(t, x509.Certificate{
		Subject: pkix.Name{CommonName: "plant"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	})
	var err error
	a.certificate, err = x509.ParseCertificate(signed.Certificate[0])
	require.NoError(t, err)
	a.key = signed.PrivateKey.(*ecdsa.PrivateKey)
	a.pool.AddCert(a.certificate)
	return a
}

// sign returns a certificate by a, or by itself while a has none.
func (a *authority) sign(t *testing.T, template x509.Certificate) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template.SerialNumber = big.NewInt(time.Now().UnixNano())
	if template.NotAfter.IsZero() {
		template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	}
	parent, signer := a.certificate, a.key
	if parent == nil {
		parent, signer = &template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, &template, parent, &key.PublicKey, signer)
	require.NoError(t, err)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func (a *authority) server(t *testing.T) tls.Certificate {
	return a.sign(t, x509.Certificate{
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	})
}

func (a *authority) client(t *testing.T, until time.Time) tls.Certificate {
	return a.sign(t, x509.Certificate{
		Subject: pkix.Name{CommonName: "fieldtap"}, NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: until,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
}

// Modbus/TCP Security: both sides show certificates, and whoever is not trusted gets
// no values and gives none.
func TestTLS(t *testing.T) {
	plant, stranger := newAuthority(t), newAuthority(t)
	serve := func(config *tls.Config) string {
		server, err := modbustest.New(modbustest.Config{Units: map[byte]modbustest.Device{1: ticking{}}})
		require.NoError(t, err)
		t.Cleanup(func() { assert.NoError(t, server.Close()) })
		listener, err := tls.Listen("tcp", "127.0.0.1:0", config)
		require.NoError(t, err)
		go server.Serve(listener)
		return listener.Addr().String()
	}
	mutual := &tls.Config{
		Certificates: []tls.Certificate{plant.server(t)}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: plant.pool,
	}
	tomorrow := time.Now().Add(24 * time.Hour)
	old := mutual.Clone()
	old.MinVersion, old.MaxVersion = tls.VersionTLS10, tls.VersionTLS11
	twelve := mutual.Clone()
	twelve.MaxVersion = tls.VersionTLS12
	for _, c := range []struct {
		name   string
		server *tls.Config
		client *tls.Config
		fault  string // part of the error
	}{
		{"trusted", mutual, &tls.Config{RootCAs: plant.pool, Certificates: []tls.Certificate{plant.client(t, tomorrow)}}, ""},
		{"trusted, TLS 1.2", twelve, &tls.Config{RootCAs: plant.pool, Certificates: []tls.Certificate{plant.client(t, tomorrow)}}, ""},
		{"no client certificate", mutual, &tls.Config{RootCAs: plant.pool}, "certificate required"},
		{"no client certificate, TLS 1.2", twelve, &tls.Config{RootCAs: plant.pool}, "handshake failure"},
		{"client of a stranger", mutual, &tls.Config{RootCAs: plant.pool, Certificates: []tls.Certificate{stranger.client(t, tomorrow)}}, ""},
		{"client certificate ended", mutual,
			&tls.Config{RootCAs: plant.pool, Certificates: []tls.Certificate{plant.client(t, time.Now().Add(-time.Hour))}}, "expired certificate"},
		{"server of a stranger", mutual, &tls.Config{RootCAs: stranger.pool, Certificates: []tls.Certificate{plant.client(t, tomorrow)}}, "unknown authority"},
		{"server of another name", mutual,
			&tls.Config{RootCAs: plant.pool, ServerName: "meter.example", Certificates: []tls.Certificate{plant.client(t, tomorrow)}}, "meter.example"},
		{"TLS 1.1", old,
			&tls.Config{RootCAs: plant.pool, MinVersion: tls.VersionTLS10, Certificates: []tls.Certificate{plant.client(t, tomorrow)}}, "protocol version"},
	} {
		t.Run(c.name, func(t *testing.T) {
			src, err := poll(t, modbus.Config{Address: serve(c.server), TLS: c.client})
			if c.fault == "" && c.name != "client of a stranger" {
				require.NoError(t, err)
				return
			}
			require.Error(t, err)
			assert.ErrorContains(t, err, c.fault)
			assert.Zero(t, src.Stats().Samples-src.Stats().BadSamples)
			assert.EqualValues(t, 1, src.Stats().Failures)
			assert.Equal(t, acquire.Bad.Because(acquire.Security), acquire.QualityOf(err), "%v", err)
		})
	}
}

// A stream that is cancelled on a TLS connection leaves it to the others, or they
// learn that it is gone.
func TestTLSAndCancel(t *testing.T) {
	plant := newAuthority(t)
	server, err := modbustest.New(modbustest.Config{Units: map[byte]modbustest.Device{1: ticking{}, 2: ticking{}}, PerRequest: time.Millisecond})
	require.NoError(t, err)
	defer server.Close()
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{plant.server(t)}})
	require.NoError(t, err)
	go server.Serve(listener)
	bus, err := modbus.NewBus(modbus.BusConfig{Address: listener.Addr().String(), TLS: &tls.Config{RootCAs: plant.pool}})
	require.NoError(t, err)
	l := &line{server, bus}
	one, two := l.source(t, modbus.Config{Unit: 1, Interval: -1}, 4), l.source(t, modbus.Config{Unit: 2, Interval: -1}, 4)
	steady, err := two.Open(t.Context())
	require.NoError(t, err)
	defer steady.Close()
	var b acquire.Batch
	for n := range 50 {
		stream, err := one.Open(t.Context())
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(n)*100*time.Microsecond)
		for err == nil {
			err = stream.Next(ctx, &b)
		}
		cancel()
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.NoError(t, stream.Close())
		require.NoError(t, steady.Next(t.Context(), &b))
		require.Equal(t, 4, fresh(t, two, &b, time.Second))
	}
	assert.Zero(t, two.Stats().Failures)
}
