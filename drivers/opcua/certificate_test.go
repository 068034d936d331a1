package opcua_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/drivers/opcua"
)

func block(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

func TestCreateCertificate(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	c, err := opcua.CreateCertificate(opcua.Template{
		ApplicationURI: "urn:gateway:fieldtap", CommonName: "fieldtap at gateway", Organization: "Plant", Hosts: []string{"gateway", "192.0.2.7"},
		Validity: 365 * 24 * time.Hour, Now: func() time.Time { return now },
	})
	require.NoError(t, err)
	leaf := c.Leaf()
	assert.Equal(t, "urn:gateway:fieldtap", c.ApplicationURI())
	assert.Equal(t, []string{"gateway"}, leaf.DNSNames)
	require.Len(t, leaf.IPAddresses, 1)
	assert.Equal(t, "192.0.2.7", leaf.IPAddresses[0].String())
	assert.Equal(t, x509.SHA256WithRSA, leaf.SignatureAlgorithm)
	assert.Equal(t, 2048, leaf.PublicKey.(*rsa.PublicKey).N.BitLen())
	const usage = x509.KeyUsageDigitalSignature | x509.KeyUsageContentCommitment | x509.KeyUsageKeyEncipherment | x509.KeyUsageDataEncipherment | x509.KeyUsageCertSign
	assert.Equal(t, usage, leaf.KeyUsage)
	assert.Contains(t, leaf.ExtKeyUsage, x509.ExtKeyUsageClientAuth)
	assert.False(t, leaf.IsCA)
	assert.True(t, leaf.BasicConstraintsValid)
	assert.Equal(t, leaf.SubjectKeyId, leaf.AuthorityKeyId)
	assert.Equal(t, now.Add(365*24*time.Hour), leaf.NotAfter)
	assert.False(t, leaf.NotBefore.After(now))
	assert.Positive(t, leaf.SerialNumber.Sign())
	assert.NoError(t, leaf.CheckSignature(leaf.SignatureAlgorithm, leaf.RawTBSCertificate, leaf.Signature))
	assert.Len(t, c.Thumbprint(), 40)

	_, err = opcua.CreateCertificate(opcua.Template{ApplicationURI: "no uri", Hosts: []string{"a b"}, Bits: 1024, Validity: time.Second})
	require.Error(t, err)
	for _, fault := range []string{"no uri", "a b", "1024", "validity"} {
		assert.ErrorContains(t, err, fault)
	}
}

func TestParseCertificate(t *testing.T) {
	c, err := opcua.CreateCertificate(opcua.Template{})
	require.NoError(t, err)
	dir := t.TempDir()
	store, err := opcua.OpenStore(dir)
	require.NoError(t, err)
	require.NoError(t, store.SetOwn(c))
	files, err := filepath.Glob(filepath.Join(dir, "own/private/*"))
	require.NoError(t, err)
	require.Len(t, files, 1)
	if info, err := os.Stat(files[0]); assert.NoError(t, err) && runtime.GOOS != "windows" {
		assert.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	}
	data, err := os.ReadFile(files[0])
	require.NoError(t, err)
	first, _ := pem.Decode(data)
	pkcs8 := first.Bytes
	parsed, err := x509.ParsePKCS8PrivateKey(pkcs8)
	require.NoError(t, err)
	key := parsed.(*rsa.PrivateKey)
	pkcs1 := x509.MarshalPKCS1PrivateKey(key)
	der := c.Leaf().Raw

	for name, tt := range map[string]struct{ certificate, key []byte }{
		"PEM, PKCS #8":     {block("CERTIFICATE", der), block("PRIVATE KEY", pkcs8)},
		"PEM, PKCS #1":     {block("CERTIFICATE", der), block("RSA PRIVATE KEY", pkcs1)},
		"DER, PKCS #8":     {der, pkcs8},
		"DER, PKCS #1":     {der, pkcs1},
		"both in one":      {append(block("CERTIFICATE", der), block("PRIVATE KEY", pkcs8)...), append(block("CERTIFICATE", der), block("PRIVATE KEY", pkcs8)...)},
		"text before":      {append([]byte("subject=x\n"), block("CERTIFICATE", der)...), append([]byte("Bag Attributes\n"), block("PRIVATE KEY", pkcs8)...)},
		"others before it": {append(block("CERTIFICATE", another(t)), block("CERTIFICATE", der)...), pkcs8},
		"DER chain":        {append(append([]byte(nil), der...), another(t)...), pkcs8},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := opcua.ParseCertificate(tt.certificate, tt.key)
			require.NoError(t, err)
			assert.Equal(t, c.Thumbprint(), got.Thumbprint())
		})
	}

	elliptical, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	curve, err := x509.MarshalPKCS8PrivateKey(elliptical)
	require.NoError(t, err)
	legacy := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Headers: map[string]string{"Proc-Type": "4,ENCRYPTED", "DEK-Info": "AES-128-CBC,00"}, Bytes: pkcs1})
	for name, tt := range map[string]struct {
		certificate, key []byte
		want             string
	}{
		"encrypted PKCS #8":   {der, block("ENCRYPTED PRIVATE KEY", pkcs8), "encrypted"},
		"encrypted PKCS #1":   {der, legacy, "encrypted"},
		"key of another":      {another(t), pkcs8, "not that of the certificate"},
		"key on a curve":      {der, curve, "RSA"},
		"no key":              {der, nil, "PKCS"},
		"key cut short":       {der, pkcs8[:100], "PKCS"},
		"no certificate":      {nil, pkcs8, "no certificate"},
		"certificate cut":     {der[:100], pkcs8, "certificate"},
		"PEM of something":    {block("CERTIFICATE REQUEST", der), pkcs8, "certificate"},
		"PEM that is not DER": {block("CERTIFICATE", []byte("x")), pkcs8, "certificate"},
		"key for certificate": {block("PRIVATE KEY", pkcs8), pkcs8, "certificate"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := opcua.ParseCertificate(tt.certificate, tt.key)
			require.ErrorContains(t, err, tt.want)
			assert.ErrorContains(t, err, "opcua: ")
			assert.True(t, got.IsZero())
			assert.NotContains(t, err.Error(), string(pkcs8[40:60]))
		})
	}

	loaded, err := opcua.LoadCertificate(filepath.Join(dir, "own/certs", strings.TrimSuffix(filepath.Base(files[0]), ".pem")+".der"), files[0])
	require.NoError(t, err)
	assert.Equal(t, c.Thumbprint(), loaded.Thumbprint())
	_, err = opcua.LoadCertificate(filepath.Join(dir, "none"), filepath.Join(dir, "nothing"))
	assert.ErrorContains(t, err, "none")
	assert.ErrorContains(t, err, "nothing")
	_, err = opcua.LoadCertificate(dir, dir)
	assert.Error(t, err)

	// However it is printed, its key is not.
	private := []*big.Int{key.D, key.Primes[0], key.Primes[1]}
	var text strings.Builder
	identity := opcua.Identity{Certificate: c}
	cfg := opcua.ClientConfig{Certificate: c, Identity: identity}
	for _, v := range []any{c, &c, identity, cfg, &cfg} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			fmt.Fprintf(&text, verb, v)
		}
		slog.New(slog.NewJSONHandler(&text, nil)).Info("x", "v", v)
		slog.New(slog.NewTextHandler(&text, nil)).Info("x", "v", v)
	}
	encoded, err := json.Marshal(struct{ C opcua.Certificate }{c})
	require.NoError(t, err)
	text.Write(encoded)
	for _, n := range private {
		assert.NotContains(t, text.String(), n.String())
		assert.NotContains(t, strings.ToLower(text.String()), n.Text(16))
	}
}

// another returns a certificate whose key nobody keeps.
func another(t *testing.T) []byte {
	t.Helper()
	c, err := opcua.CreateCertificate(opcua.Template{CommonName: "another"})
	require.NoError(t, err)
	return c.Leaf().Raw
}

func TestStoreOwn(t *testing.T) {
	dir := t.TempDir()
	store, err := opcua.OpenStore(dir)
	require.NoError(t, err)
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	template := opcua.Template{CommonName: "../../etc/x", Now: func() time.Time { return now }, Validity: 48 * time.Hour}
	first, err := store.Own(template)
	require.NoError(t, err)
	again, err := store.Own(template)
	require.NoError(t, err)
	assert.Equal(t, first.Thumbprint(), again.Thumbprint(), "it is created once")
	outside, err := filepath.Glob(filepath.Join(filepath.Dir(dir), "*.der"))
	require.NoError(t, err)
	assert.Empty(t, outside)

	// One that begins later is not shown before, and from then on.
	start := now
	now = start.Add(24 * time.Hour)
	second, err := opcua.CreateCertificate(template)
	require.NoError(t, err)
	require.NoError(t, store.SetOwn(second))
	now = start
	early, err := store.Own(template)
	require.NoError(t, err)
	assert.Equal(t, first.Thumbprint(), early.Thumbprint())
	now = start.Add(25 * time.Hour)
	late, err := store.Own(template)
	require.NoError(t, err)
	assert.Equal(t, second.Thumbprint(), late.Thumbprint())
	now = start.Add(1000 * time.Hour)
	ended, err := store.Own(template)
	require.NoError(t, err)
	assert.Equal(t, second.Thumbprint(), ended.Thumbprint(), "of those that ended the last one")

	// A certificate without its key is a fault, not a reason for a new one.
	require.NoError(t, os.RemoveAll(filepath.Join(dir, "own/private")))
	_, err = store.Own(template)
	require.Error(t, err)
	require.NoError(t, os.Mkdir(filepath.Join(dir, "own/private"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "own/private/x.pem"), block("ENCRYPTED PRIVATE KEY", []byte("x")), 0o600))
	_, err = store.Own(template)
	require.ErrorContains(t, err, "encrypted")
	assert.Error(t, store.SetOwn(opcua.Certificate{}))
	_, err = opcua.OpenStore("")
	assert.Error(t, err)
}

// Whatever a file holds: reading it ends, and what is read is a pair that belongs
// together.
func FuzzParseCertificate(f *testing.F) {
	text, err := os.ReadFile("testdata/server.pem")
	require.NoError(f, err)
	first, _ := pem.Decode(text)
	der := first.Bytes
	f.Add(der, []byte("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"))
	f.Add(text, []byte("-----BEGIN ENCRYPTED PRIVATE KEY-----"))
	f.Add([]byte("-----BEGIN"), []byte{0x30, 0x84, 0xFF, 0xFF, 0xFF, 0xFF})
	f.Fuzz(func(t *testing.T, certificate, key []byte) {
		got, err := opcua.ParseCertificate(certificate, key)
		if (err == nil) == got.IsZero() {
			t.Fatal("neither a certificate nor an error, or both")
		}
		list, err := opcua.ParseCertificates(certificate)
		if (err == nil) == (len(list) == 0) {
			t.Fatal("neither certificates nor an error, or both")
		}
		if revoked, err := opcua.ParseRevocationList(certificate); (err == nil) == (revoked == nil) {
			t.Fatal("neither a list nor an error, or both")
		}
	})
}

// An operator trusts a server: the first attempt is refused, and keeps the certificate.
func ExampleStore_Trust() {
	dir, err := os.MkdirTemp("", "pki")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	store, err := opcua.OpenStore(dir)
	if err != nil {
		fmt.Println(err)
		return
	}
	// After a login that was refused with status Bad_CertificateUntrusted:
	list, err := store.Rejected()
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, server := range list {
		fmt.Println(server.Subject, server.DNSNames, server.NotAfter) // and ask the operator
	}
	fmt.Println(store.Trust("0000000000000000000000000000000000000000"))
	// Output: opcua: no rejected certificate "0000000000000000000000000000000000000000"
}
