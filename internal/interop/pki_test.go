package interop_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// operator is a role, which a client's certificate names in an extension of
// Modbus/TCP Security.
const operator = "Operator"

var roleOID = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 50316, 802, 1}

// pki is an authority and what it vouches for.
type pki struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

func newPKI(t *testing.T) *pki {
	t.Helper()
	p := &pki{}
	issued := p.issue(t, &x509.Certificate{
		Subject: pkix.Name{CommonName: "authority"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign,
	})
	p.certificate, p.key = issued.Leaf, issued.PrivateKey.(*ecdsa.PrivateKey)
	return p
}

// issue signs template with a key of its own, the first one with itself.
func (p *pki) issue(t *testing.T, template *x509.Certificate) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template.SerialNumber = big.NewInt(time.Now().UnixNano())
	if template.NotAfter.IsZero() {
		template.NotAfter = time.Now().Add(time.Hour)
	}
	template.NotBefore = template.NotAfter.Add(-24 * time.Hour)
	parent, signer := p.certificate, p.key
	if parent == nil {
		parent, signer = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	require.NoError(t, err)
	leaf, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

// server is the certificate of a server on the loopback interface.
func (p *pki) server(t *testing.T) tls.Certificate {
	t.Helper()
	return p.issue(t, &x509.Certificate{
		Subject: pkix.Name{CommonName: "server"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	})
}

// client is the configuration of a client in a role, none if it is empty.
func (p *pki) client(t *testing.T, role string) *tls.Config {
	t.Helper()
	template := &x509.Certificate{
		Subject:  pkix.Name{CommonName: "client"},
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	if role != "" {
		value, err := asn1.MarshalWithParams(role, "utf8")
		require.NoError(t, err)
		template.ExtraExtensions = []pkix.Extension{{Id: roleOID, Value: value}}
	}
	return &tls.Config{RootCAs: p.pool(), Certificates: []tls.Certificate{p.issue(t, template)}}
}

func (p *pki) pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(p.certificate)
	return pool
}

// serve writes what the server with that certificate reads, and returns the
// directory. It takes clients of p.
func (p *pki) serve(t *testing.T, c tls.Certificate) string {
	t.Helper()
	dir := t.TempDir()
	key, err := x509.MarshalPKCS8PrivateKey(c.PrivateKey)
	require.NoError(t, err)
	for name, blocks := range map[string][]pem.Block{
		"ca.pem":     {{Type: "CERTIFICATE", Bytes: p.certificate.Raw}},
		"server.pem": {{Type: "PRIVATE KEY", Bytes: key}, {Type: "CERTIFICATE", Bytes: c.Leaf.Raw}},
	} {
		var data []byte
		for i := range blocks {
			data = append(data, pem.EncodeToMemory(&blocks[i])...)
		}
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), data, 0o600))
	}
	return dir
}
