package interop_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/drivers/modbus"
)

// Modbus/TCP Security has both sides prove who they are, and allows no version
// before TLS 1.2. Whatever is wrong with one of them, there is no value. The error
// says what, where it is the driver that refuses; this server closes the
// connection without a word.
func TestSecurity(t *testing.T) {
	const unit = 1
	content := image{{unit, modbus.Holding(0), []uint16{4711}}}
	point := []modbus.Point{{Name: "value", At: modbus.Holding(0), Type: modbus.Uint16}}
	ours, foreign := newPKI(t), newPKI(t)
	anonymous := ours.client(t, operator)
	anonymous.Certificates = nil
	strange := foreign.client(t, operator)
	strange.RootCAs = ours.pool()
	misled := ours.client(t, operator)
	misled.RootCAs = foreign.pool()
	older := ours.client(t, operator)
	older.MinVersion, older.MaxVersion = tls.VersionTLS12, tls.VersionTLS12
	lax := ours.client(t, operator)
	lax.MinVersion = tls.VersionTLS10
	expired := ours.issue(t, &x509.Certificate{
		Subject: pkix.Name{CommonName: "server"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, NotAfter: time.Now().Add(-time.Minute),
	})
	elsewhere := ours.issue(t, &x509.Certificate{
		Subject: pkix.Name{CommonName: "server"}, IPAddresses: []net.IP{net.IPv4(192, 0, 2, 1)},
	})
	refused := acquire.Bad.Because(acquire.Security).WithNative(uint16(modbus.IllegalFunction))

	t.Parallel()
	for _, tt := range []struct {
		name        string
		over        transport
		certificate tls.Certificate
		role        []string
		client      *tls.Config
		quality     acquire.Quality // of the sample, if there is one
		err         string          // else what the error says, a regular expression
	}{
		{"both known", overTLS, ours.server(t), nil, ours.client(t, ""), acquire.Good, ""},
		{"TLS 1.2", overTLS, ours.server(t), nil, older, acquire.Good, ""},
		{"role", overTLS, ours.server(t), []string{operator}, ours.client(t, operator), acquire.Good, ""},
		{"other role", overTLS, ours.server(t), []string{operator}, ours.client(t, "Visitor"), refused, ""},
		{"no role", overTLS, ours.server(t), []string{operator}, ours.client(t, ""), refused, ""},
		{"server of another authority", overTLS, foreign.server(t), nil, ours.client(t, operator), 0, "certificate signed by unknown authority"},
		{"client trusts another authority", overTLS, ours.server(t), nil, misled, 0, "certificate signed by unknown authority"},
		{"client without a certificate", overTLS, ours.server(t), nil, anonymous, 0, "connection (closed by the device|reset by peer)"},
		{"client of another authority", overTLS, ours.server(t), nil, strange, 0, "connection (closed by the device|reset by peer)"},
		{"server's certificate has expired", overTLS, expired, nil, ours.client(t, operator), 0, "certificate has expired"},
		{"server's certificate is for another host", overTLS, elsewhere, nil, ours.client(t, operator), 0, "not 127.0.0.1"},
		{"server knows TLS 1.1 at most", overTLS11, ours.server(t), nil, ours.client(t, operator), 0, "EOF"},
		{"and the client would take that", overTLS11, ours.server(t), nil, lax, 0, "EOF"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			arguments := append([]string{ours.serve(t, tt.certificate)}, tt.role...)
			server := pymodbus.startOver(t, tt.over, content, arguments...)
			cfg := server.config(unit, point)
			cfg.TLS, cfg.Catalog, cfg.Timeout = tt.client, acquire.NewCatalog(), patience
			if tt.over == overTLS11 {
				// The server is in order: who takes TLS 1.1 gets it.
				willing := tt.client.Clone()
				willing.MinVersion, willing.MaxVersion = tls.VersionTLS11, tls.VersionTLS11
				conn, err := tls.Dial("tcp", cfg.Address, willing)
				require.NoError(t, err)
				require.NoError(t, conn.Close())
			}
			s, err := attempt(t, cfg)
			if tt.err != "" {
				require.Error(t, err)
				require.Regexp(t, tt.err, err.Error())
				assert.Zero(t, s.Value)
				return
			}
			require.NoError(t, err)
			require.Equal(t, tt.quality, s.Quality)
			assert.Equal(t, tt.quality.IsGood(), s.Value == acquire.Uint64(4711))
			assert.Equal(t, tt.quality.IsBad(), s.Value.IsNone())
		})
	}
}

// attempt returns the only sample of the first poll, or the error that came in
// place of it or right after it.
func attempt(t *testing.T, cfg modbus.Config) (acquire.Sample, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	src, err := modbus.NewSource(cfg)
	require.NoError(t, err)
	stream, err := src.Open(ctx)
	if err != nil {
		return acquire.Sample{}, err
	}
	defer stream.Close()
	var batch acquire.Batch
	if err := stream.Next(ctx, &batch); err != nil {
		return acquire.Sample{}, err
	}
	require.Len(t, batch.Samples, 1)
	s := batch.Samples[0]
	if s.Quality == acquire.Bad.Because(acquire.Communication) {
		return s, stream.Next(ctx, &batch)
	}
	return s, nil
}
