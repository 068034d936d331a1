package opcua

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"math/big"
	rand2 "math/rand/v2"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// noon is when the tests of certificates take place.
var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

var serials atomic.Int64

// shape changes a template that would be right.
type shape func(*x509.Certificate)

// made is a certificate with its key.
type made struct {
	*x509.Certificate
	key *rsa.PrivateKey
}

func (m made) pair() keyPair {
	return keyPair{private: m.key, certificate: m.Raw, parsed: m.Certificate}
}

// issue makes a certificate that its issuer signs, or itself if there is none.
func issue(t *testing.T, name string, key *rsa.PrivateKey, issuer *made, shapes ...shape) made {
	t.Helper()
	u, err := url.Parse(serverURI)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serials.Add(1)), Subject: pkix.Name{CommonName: name}, SignatureAlgorithm: x509.SHA256WithRSA,
		NotBefore: noon.Add(-time.Hour), NotAfter: noon.Add(time.Hour), KeyUsage: applicationUsage | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, URIs: []*url.URL{u}, DNSNames: []string{"plant"},
		IPAddresses: []net.IP{net.IPv4(192, 0, 2, 10)}, BasicConstraintsValid: true,
	}
	for _, s := range shapes {
		s(template)
	}
	parent, signer := template, key
	if issuer != nil {
		parent, signer = issuer.Certificate, issuer.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	require.NoError(t, err)
	c, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return made{c, key}
}

// authority makes the certificate of an authority.
func authority(t *testing.T, name string, key *rsa.PrivateKey, issuer *made, shapes ...shape) made {
	t.Helper()
	return issue(t, name, key, issuer, append([]shape{func(c *x509.Certificate) {
		c.IsCA, c.KeyUsage, c.URIs, c.DNSNames, c.IPAddresses, c.ExtKeyUsage = true, x509.KeyUsageCertSign|x509.KeyUsageCRLSign, nil, nil, nil, nil
		c.SubjectKeyId = []byte(name)
	}}, shapes...)...)
}

// revoke makes a revocation list.
func revoke(t *testing.T, issuer made, change func(*x509.RevocationList), revoked ...made) *x509.RevocationList {
	t.Helper()
	list := &x509.RevocationList{Number: big.NewInt(1), ThisUpdate: noon.Add(-time.Hour), NextUpdate: noon.Add(time.Hour)}
	for _, c := range revoked {
		list.RevokedCertificateEntries = append(list.RevokedCertificateEntries, x509.RevocationListEntry{SerialNumber: c.SerialNumber, RevocationTime: noon.Add(-time.Minute)})
	}
	if change != nil {
		change(list)
	}
	der, err := x509.CreateRevocationList(rand.Reader, list, issuer.Certificate, issuer.key)
	require.NoError(t, err)
	parsed, err := x509.ParseRevocationList(der)
	require.NoError(t, err)
	return parsed
}

func certificates(list ...made) (certificates []*x509.Certificate) {
	for _, m := range list {
		certificates = append(certificates, m.Certificate)
	}
	return certificates
}

func TestJudgement(t *testing.T) {
	rootKey, middleKey, leafKey, otherKey := keyed(t, 0), keyed(t, 1), keyed(t, 2), keyed(t, 3)
	root := authority(t, "root", rootKey, nil)
	middle := authority(t, "middle", middleKey, &root)
	server := issue(t, "server", leafKey, &middle)
	alone := issue(t, "alone", leafKey, nil)
	rootList, middleList := revoke(t, root, nil), revoke(t, middle, nil)
	lists := []*x509.RevocationList{rootList, middleList}
	good := TrustList{Trusted: certificates(root), Issuers: certificates(middle), Revocations: lists}
	self := func(shapes ...shape) made { return issue(t, "self", leafKey, nil, shapes...) }
	// Keys that the rules are to refuse need not be keys that anybody has.
	sized := func(bits int) made {
		n, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), uint(bits-1)))
		require.NoError(t, err)
		n.SetBit(n.SetBit(n, bits-1, 1), 0, 1)
		template := *alone.Certificate
		template.Subject.CommonName, template.AuthorityKeyId = "sized", nil
		der, err := x509.CreateCertificate(rand.Reader, &template, root.Certificate, &rsa.PublicKey{N: n, E: 65537}, root.key)
		require.NoError(t, err)
		c, err := x509.ParseCertificate(der)
		require.NoError(t, err)
		return made{Certificate: c}
	}
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	onCurve := func() made {
		template := *alone.Certificate
		template.SignatureAlgorithm, template.PublicKey = x509.ECDSAWithSHA256, nil
		der, err := x509.CreateCertificate(rand.Reader, &template, &template, &curve.PublicKey, curve)
		require.NoError(t, err)
		c, err := x509.ParseCertificate(der)
		require.NoError(t, err)
		return made{Certificate: c}
	}()
	expiredRoot := authority(t, "root", rootKey, nil, func(c *x509.Certificate) { c.NotAfter = noon.Add(-time.Second) })
	noSigner := authority(t, "no signer", middleKey, &root, func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageCRLSign })
	noAuthority := issue(t, "no authority", middleKey, &root)
	shallow := authority(t, "shallow", rootKey, nil, func(c *x509.Certificate) { c.MaxPathLen, c.MaxPathLenZero = 0, true })
	below := authority(t, "below", middleKey, &shallow)
	forged := self()
	forged.Raw = slices.Clone(forged.Raw)
	forged.Raw[len(forged.Raw)-1] ^= 1
	if forged.Certificate, err = x509.ParseCertificate(forged.Raw); err != nil {
		t.Fatal(err)
	}

	const host = "plant"
	anyhost := func(tr *Trust) { tr.AnyHost = true }
	tests := []struct {
		name   string
		server made
		sent   []made // behind the server's
		list   TrustList
		host   string
		uri    string
		now    time.Time
		trust  func(*Trust)
		want   StatusCode
	}{
		{name: "trusted itself", server: alone, list: TrustList{Trusted: certificates(alone)}},
		{name: "by its authorities", server: server, list: good},
		{name: "by an authority that the server sends the way to", server: server, sent: []made{middle}, list: TrustList{Trusted: certificates(root), Revocations: lists}},
		{name: "by the authority in the middle", server: server, list: TrustList{Trusted: certificates(middle), Issuers: certificates(root), Revocations: lists}},
		{name: "by the authority in the middle, the root sent", server: server, sent: []made{middle, root}, list: TrustList{Trusted: certificates(middle), Revocations: lists}},
		{name: "sent in another order", server: server, sent: []made{root, middle}, list: TrustList{Trusted: certificates(root), Revocations: lists}},
		{name: "an address as the host", server: alone, list: TrustList{Trusted: certificates(alone)}, host: "192.0.2.10"},
		{name: "an address among the names", server: self(func(c *x509.Certificate) { c.DNSNames = []string{"192.0.2.77"} }), host: "192.0.2.77"},
		{name: "the host in capitals", server: alone, list: TrustList{Trusted: certificates(alone)}, host: "PLANT"},

		{name: "nothing trusted", server: alone, want: StatusBadCertificateUntrusted},
		{name: "another one of the same name trusted", server: alone, list: TrustList{Trusted: certificates(issue(t, "alone", otherKey, nil))}, want: StatusBadCertificateUntrusted},
		{name: "only known as an issuer", server: server, list: TrustList{Issuers: certificates(root, middle), Revocations: lists}, want: StatusBadCertificateUntrusted},
		{name: "sends the root of its own", server: server, sent: []made{middle, root}, want: StatusBadCertificateUntrusted},
		{name: "of an authority of the same name", server: func() made {
			false := authority(t, "middle", otherKey, &root)
			return issue(t, "server", leafKey, &false)
		}(), list: good, want: StatusBadCertificateChainIncomplete},
		{name: "issuer missing, nothing trusted", server: server, want: StatusBadCertificateChainIncomplete},
		{name: "issuer missing, itself trusted", server: server, list: TrustList{Trusted: certificates(server)}, want: StatusBadCertificateChainIncomplete},
		{name: "signature not right", server: forged, list: TrustList{Trusted: certificates(forged)}, want: StatusBadCertificateInvalid},

		{name: "expired", server: self(func(c *x509.Certificate) { c.NotAfter = noon.Add(-time.Second) }), want: StatusBadCertificateTimeInvalid},
		{name: "not yet valid", server: self(func(c *x509.Certificate) { c.NotBefore = noon.Add(time.Second) }), want: StatusBadCertificateTimeInvalid},
		{name: "expired within the tolerance", server: self(func(c *x509.Certificate) { c.NotAfter = noon.Add(-time.Second) }), trust: func(tr *Trust) { tr.Tolerance = time.Minute }},
		{name: "not yet valid within the tolerance", server: self(func(c *x509.Certificate) { c.NotBefore = noon.Add(time.Second) }), trust: func(tr *Trust) { tr.Tolerance = time.Minute }},
		{name: "expired beyond the tolerance", server: self(func(c *x509.Certificate) { c.NotAfter = noon.Add(-time.Hour) }), trust: func(tr *Trust) { tr.Tolerance = time.Minute }, want: StatusBadCertificateTimeInvalid},
		{name: "issuer expired", server: issue(t, "server", leafKey, &expiredRoot), list: TrustList{Trusted: certificates(expiredRoot), Revocations: lists}, want: StatusBadCertificateIssuerTimeInvalid},

		{name: "for another host", server: alone, list: TrustList{Trusted: certificates(alone)}, host: "other", want: StatusBadCertificateHostNameInvalid},
		{name: "for another address", server: alone, list: TrustList{Trusted: certificates(alone)}, host: "192.0.2.11", want: StatusBadCertificateHostNameInvalid},
		{name: "for no host", server: self(func(c *x509.Certificate) { c.DNSNames, c.IPAddresses = nil, nil }), want: StatusBadCertificateHostNameInvalid},
		{name: "host in the common name alone", server: issue(t, "plant", leafKey, nil, func(c *x509.Certificate) { c.DNSNames, c.IPAddresses = nil, nil }), want: StatusBadCertificateHostNameInvalid},
		{name: "host waived", server: alone, list: TrustList{Trusted: certificates(alone)}, host: "other", trust: anyhost},

		{name: "of another application", server: alone, list: TrustList{Trusted: certificates(alone)}, uri: "urn:other", want: StatusBadCertificateURIInvalid},
		{name: "of another application by case", server: alone, list: TrustList{Trusted: certificates(alone)}, uri: "urn:Plant:server", want: StatusBadCertificateURIInvalid},
		{name: "of no application", server: self(func(c *x509.Certificate) { c.URIs = nil }), want: StatusBadCertificateURIInvalid},
		{name: "of no application, and none said", server: self(func(c *x509.Certificate) { c.URIs = nil }), uri: "-", want: StatusBadCertificateURIInvalid},

		{name: "no signing", server: self(func(c *x509.Certificate) { c.KeyUsage &^= x509.KeyUsageDigitalSignature }), want: StatusBadCertificateUseNotAllowed},
		{name: "no nonRepudiation", server: self(func(c *x509.Certificate) { c.KeyUsage &^= x509.KeyUsageContentCommitment }), want: StatusBadCertificateUseNotAllowed},
		{name: "no keyEncipherment", server: self(func(c *x509.Certificate) { c.KeyUsage &^= x509.KeyUsageKeyEncipherment }), want: StatusBadCertificateUseNotAllowed},
		{name: "no dataEncipherment", server: self(func(c *x509.Certificate) { c.KeyUsage &^= x509.KeyUsageDataEncipherment }), want: StatusBadCertificateUseNotAllowed},
		{name: "no usage at all", server: self(func(c *x509.Certificate) { c.KeyUsage = 0 }), want: StatusBadCertificateUseNotAllowed},
		{name: "of a client", server: self(func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} }), want: StatusBadCertificateUseNotAllowed},
		{name: "no extended usage", server: self(func(c *x509.Certificate) { c.ExtKeyUsage = nil })},
		{name: "issuer may not sign", server: issue(t, "server", leafKey, &noSigner), list: TrustList{Trusted: certificates(root), Issuers: certificates(noSigner), Revocations: []*x509.RevocationList{rootList, revoke(t, noSigner, nil)}}, want: StatusBadCertificateIssuerUseNotAllowed},
		{name: "issuer is no authority", server: issue(t, "server", leafKey, &noAuthority), list: TrustList{Trusted: certificates(root), Issuers: certificates(noAuthority), Revocations: lists}, want: StatusBadCertificateIssuerUseNotAllowed},
		{name: "path too long", server: issue(t, "server", leafKey, &below), list: TrustList{Trusted: certificates(shallow), Issuers: certificates(below), Revocations: []*x509.RevocationList{revoke(t, shallow, nil), revoke(t, below, nil)}}, want: StatusBadCertificateInvalid},
		{name: "critical extension that nobody knows", server: self(func(c *x509.Certificate) {
			c.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 2, 3}, Critical: true, Value: []byte{5, 0}}}
		}), want: StatusBadCertificateInvalid},

		{name: "key of 1024 bits", server: sized(1024), list: good, want: StatusBadCertificatePolicyCheckFailed},
		{name: "key of more than 4096 bits", server: sized(4104), list: good, want: StatusBadCertificatePolicyCheckFailed},
		{name: "key of 4096 bits", server: sized(4096), list: good},
		{name: "key on a curve", server: onCurve, want: StatusBadCertificatePolicyCheckFailed},

		{name: "revoked", server: server, list: TrustList{Trusted: certificates(root), Issuers: certificates(middle), Revocations: []*x509.RevocationList{rootList, revoke(t, middle, nil, server)}}, want: StatusBadCertificateRevoked},
		{name: "revoked by one of two lists", server: server, list: TrustList{Trusted: certificates(root), Issuers: certificates(middle), Revocations: []*x509.RevocationList{rootList, middleList, revoke(t, middle, nil, server)}}, want: StatusBadCertificateRevoked},
		{name: "revoked by a list that is not current", server: server, list: TrustList{Trusted: certificates(root), Issuers: certificates(middle), Revocations: []*x509.RevocationList{rootList, middleList, revoke(t, middle, func(l *x509.RevocationList) {
			l.ThisUpdate, l.NextUpdate = noon.Add(-2*time.Hour), noon.Add(-time.Hour)
		}, server)}}, want: StatusBadCertificateRevoked},
		{name: "revoked, and lists waived", server: server, list: TrustList{Trusted: certificates(root), Issuers: certificates(middle), Revocations: []*x509.RevocationList{revoke(t, middle, nil, server)}}, trust: func(tr *Trust) { tr.WithoutRevocation = true }, want: StatusBadCertificateRevoked},
		{name: "revoked, and trusted itself", server: server, list: TrustList{Trusted: certificates(server), Issuers: certificates(root, middle), Revocations: []*x509.RevocationList{rootList, revoke(t, middle, nil, server)}}, want: StatusBadCertificateRevoked},
		{name: "issuer revoked", server: server, list: TrustList{Trusted: certificates(root), Issuers: certificates(middle), Revocations: []*x509.RevocationList{revoke(t, root, nil, middle), middleList}}, want: StatusBadCertificateIssuerRevoked},
		{name: "no list", server: server, list: TrustList{Trusted: certificates(root), Issuers: certificates(middle), Revocations: []*x509.RevocationList{rootList}}, want: StatusBadCertificateRevocationUnknown},
		{name: "no list of the root", server: server, list: TrustList{Trusted: certificates(root), Issuers: certificates(middle), Revocations: []*x509.RevocationList{middleList}}, want: StatusBadCertificateIssuerRevocationUnknown},
		{name: "no list, and waived", server: server, list: TrustList{Trusted: certificates(root), Issuers: certificates(middle)}, trust: func(tr *Trust) { tr.WithoutRevocation = true }},
		{name: "list of another of the same name", server: server, list: TrustList{Trusted: certificates(root), Issuers: certificates(middle), Revocations: []*x509.RevocationList{rootList, revoke(t, authority(t, "middle", otherKey, nil), nil)}}, want: StatusBadCertificateRevocationUnknown},
		{name: "list that is too old", server: server, list: TrustList{Trusted: certificates(root), Issuers: certificates(middle), Revocations: []*x509.RevocationList{rootList, revoke(t, middle, func(l *x509.RevocationList) {
			l.ThisUpdate, l.NextUpdate = noon.Add(-2*time.Hour), noon.Add(-time.Hour)
		})}}, want: StatusBadCertificateRevocationUnknown},
		{name: "list of the future", server: server, list: TrustList{Trusted: certificates(root), Issuers: certificates(middle), Revocations: []*x509.RevocationList{rootList, revoke(t, middle, func(l *x509.RevocationList) {
			l.ThisUpdate = noon.Add(time.Minute)
		})}}, want: StatusBadCertificateRevocationUnknown},
		{name: "part of a list", server: server, list: TrustList{Trusted: certificates(root), Issuers: certificates(middle), Revocations: []*x509.RevocationList{rootList, revoke(t, middle, func(l *x509.RevocationList) {
			l.ExtraExtensions = []pkix.Extension{{Id: deltaIndicator, Critical: true, Value: []byte{2, 1, 1}}}
		})}}, want: StatusBadCertificateRevocationUnknown},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			trust := Trust{List: tt.list}
			if tt.server.Subject.CommonName == "self" || tt.server.Subject.CommonName == "plant" || tt.server.Certificate == onCurve.Certificate {
				trust.List.Trusted = append(trust.List.Trusted, tt.server.Certificate)
			}
			if tt.trust != nil {
				tt.trust(&trust)
			}
			p := peer{address: "plant:4840", host: host, application: serverURI}
			if tt.host != "" {
				p.host = tt.host
			}
			if tt.uri != "" {
				p.application = map[string]string{"-": ""}[tt.uri]
				if tt.uri != "-" {
					p.application = tt.uri
				}
			}
			chain := slices.Clone(tt.server.Raw)
			for _, c := range tt.sent {
				chain = append(chain, c.Raw...)
			}
			got, _, err := trust.judge(chain, p, noon, func(err error) { t.Error(err) })
			if tt.want == 0 {
				require.NoError(t, err)
				assert.Equal(t, tt.server.Raw, got.Raw)
				return
			}
			var refused *CertificateError
			require.ErrorAs(t, err, &refused)
			assert.Equal(t, tt.want, refused.Status, "%v", err)
			assert.Equal(t, thumbprint(tt.server.Raw), refused.Thumbprint)
			assert.True(t, refused.Status.security(), "a sample that is lost by it must say so")
			assert.Nil(t, got)
		})
	}
}

// example returns a certificate that is trusted, and what trusts it.
func example(t testing.TB) ([]byte, Trust, peer) {
	t.Helper()
	data, err := os.ReadFile("testdata/server.pem")
	require.NoError(t, err)
	list, err := ParseCertificates(data)
	require.NoError(t, err)
	return list[0].Raw, Trust{List: TrustList{Trusted: list}}, peer{address: "plant:4840", host: "plant", application: serverURI}
}

// No chain of bytes may be judged good but one that begins with what is trusted.
func TestMutatedChains(t *testing.T) {
	raw, trust, p := example(t)
	r := rand2.New(rand2.NewPCG(3, 4))
	good := 0
	for range 20_000 {
		chain := slices.Clone(raw)
		if r.IntN(3) == 0 {
			chain = append(chain, raw...)
		}
		for range 1 + r.IntN(3) {
			i, j := r.IntN(len(chain)), r.IntN(len(chain))
			switch r.IntN(4) {
			case 0:
				chain[i] ^= 1 << r.IntN(8)
			case 1:
				chain[i] = byte(r.IntN(256))
			case 2:
				chain = slices.Delete(chain, i, min(len(chain)-1, i+r.IntN(5))+1)
			case 3:
				copy(chain[i:], chain[j:])
			}
			if len(chain) == 0 {
				chain = []byte{0}
			}
		}
		c, _, err := trust.judge(chain, p, noon, func(err error) { t.Error(err) })
		if err == nil {
			good++
			require.Equal(t, raw, c.Raw)
			require.Equal(t, raw, chain[:len(raw)])
		}
	}
	assert.Positive(t, good, "what stands behind the certificate may be anything that parses")
}

// Reading a chain ends, whatever it is, and so do the checks that need no signature,
// which would take too long under the fuzzer.
func FuzzChain(f *testing.F) {
	raw, trust, p := example(f)
	f.Add(raw)
	f.Add(append(slices.Clone(raw), raw...))
	f.Add([]byte{})
	f.Add([]byte{0x30, 0x80, 0, 0})
	f.Add([]byte{0x30, 0x84, 0xFF, 0xFF, 0xFF, 0xFF})
	f.Fuzz(func(t *testing.T, chain []byte) {
		j := judgement{trust: trust, list: trust.List, peer: p, now: noon}
		server, err := j.parse(chain)
		if err != nil {
			return
		}
		right := true
		for _, check := range []func([]*x509.Certificate) error{j.keys, j.times, j.host, j.application, j.usage} {
			right = check(j.sent) == nil && right
		}
		if right && applicationURI(server) != serverURI {
			t.Fatal("of another application")
		}
	})
}

func TestStoreTrusts(t *testing.T) {
	dir := t.TempDir()
	store, err := OpenStore(dir)
	require.NoError(t, err)
	root := authority(t, "root", keyed(t, 0), nil)
	server := issue(t, "server", keyed(t, 2), &root)
	trust := Trust{Store: store}
	var notes []error
	p := peer{address: "plant:4840", host: "plant", application: serverURI}
	judge := func() error {
		notes = nil
		_, _, err := trust.judge(server.Raw, p, noon, func(err error) { notes = append(notes, err) })
		return err
	}
	status := func(want StatusCode) {
		t.Helper()
		var refused *CertificateError
		require.ErrorAs(t, judge(), &refused)
		assert.Equal(t, want, refused.Status)
	}
	put := func(name string, data []byte) {
		t.Helper()
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), data, 0o600))
	}
	// Each file is found as soon as it is there: nobody starts anything anew.
	status(StatusBadCertificateChainIncomplete)
	put("issuer/certs/root.der", root.Raw)
	status(StatusBadCertificateUntrusted)
	put("trusted/certs/root.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: root.Raw}))
	status(StatusBadCertificateRevocationUnknown)
	put("trusted/crl/root.crl", revoke(t, root, nil).Raw)
	require.NoError(t, judge())
	put("issuer/crl/root.pem", pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: revoke(t, root, nil, server).Raw}))
	status(StatusBadCertificateRevoked)
	require.NoError(t, os.Remove(filepath.Join(dir, "issuer/crl/root.pem")))
	require.NoError(t, judge())
	assert.Empty(t, notes)
	// A certificate that cannot be read trusts nobody and hinders nobody, and is told.
	put("trusted/certs/bad.der", []byte("no certificate"))
	require.NoError(t, judge())
	require.Len(t, notes, 1)
	assert.ErrorContains(t, notes[0], "bad.der")
	// A revocation list that cannot be read may revoke anything.
	put("issuer/crl/bad.crl", []byte("no list"))
	require.Error(t, judge())
	require.NoError(t, os.Remove(filepath.Join(dir, "issuer/crl/bad.crl")))
	require.NoError(t, os.Remove(filepath.Join(dir, "trusted/certs/root.pem")))
	status(StatusBadCertificateUntrusted)
	// Neither may a store that is gone.
	require.NoError(t, os.RemoveAll(filepath.Join(dir, "trusted")))
	require.Error(t, judge())
}

func TestRejectedAreKept(t *testing.T) {
	store, err := OpenStore(t.TempDir())
	require.NoError(t, err)
	trust := Trust{Store: store}
	p := peer{address: "plant:4840", host: "plant", application: serverURI}
	key := keyed(t, 2)
	now := noon
	var first, last made
	for i := range maxRejected + 5 {
		last = issue(t, "../../server", key, nil)
		if i == 0 {
			first = last
		}
		now = now.Add(time.Second)
		for range 2 { // the same one again is no other
			_, _, err := trust.judge(last.Raw, p, now, func(err error) { t.Error(err) })
			require.Error(t, err)
		}
	}
	list, err := store.Rejected()
	require.NoError(t, err)
	assert.Len(t, list, maxRejected)
	assert.True(t, has(list, last.Certificate))
	assert.False(t, has(list, first.Certificate), "the oldest leave")
	require.Error(t, store.Trust(thumbprint(first.Raw)))
	require.NoError(t, store.Trust(thumbprint(last.Raw)))
	_, _, err = trust.judge(last.Raw, p, noon, func(err error) { t.Error(err) })
	require.NoError(t, err)
	list, err = store.Rejected()
	require.NoError(t, err)
	assert.Len(t, list, maxRejected-1)
}

func TestFirstUse(t *testing.T) {
	dir := t.TempDir()
	store, err := OpenStore(dir)
	require.NoError(t, err)
	trust := Trust{Store: store, FirstUse: true}
	key, other := keyed(t, 2), keyed(t, 3)
	first, second := issue(t, "server", key, nil), issue(t, "server", other, nil)
	judge := func(c made, address string, now time.Time) error {
		_, first, err := trust.judge(c.Raw, peer{address: address, host: "plant", application: serverURI}, now, func(err error) { t.Error(err) })
		if first {
			return store.setPin(address, c.Raw)
		}
		return err
	}
	status := func(want StatusCode, err error) {
		t.Helper()
		var refused *CertificateError
		require.ErrorAs(t, err, &refused)
		assert.Equal(t, want, refused.Status)
	}
	// What other rules refuse is not pinned.
	status(StatusBadCertificateTimeInvalid, judge(second, "plant:4840", noon.Add(2*time.Hour)))
	require.NoError(t, judge(first, "plant:4840", noon))
	require.NoError(t, judge(first, "PLANT:4840", noon))
	status(StatusBadCertificateUntrusted, judge(second, "plant:4840", noon))
	status(StatusBadCertificateTimeInvalid, judge(first, "plant:4840", noon.Add(2*time.Hour)))
	require.NoError(t, judge(second, "plant:4841", noon), "another address is another server")
	// Once trusted by hand, it is trusted.
	require.NoError(t, store.Trust(thumbprint(second.Raw)))
	require.NoError(t, judge(second, "plant:4840", noon))
	require.NoError(t, judge(first, "plant:4840", noon))
	// Half a pin trusts nobody.
	name := filepath.Join(dir, "pinned/certs", pinName("plant:4840"))
	require.NoError(t, os.WriteFile(name, first.Raw[:100], 0o600))
	require.Error(t, judge(first, "plant:4840", noon))
	// Of two at the same time one is first.
	require.NoError(t, os.Remove(name))
	require.NoError(t, store.setPin("plant:4840", first.Raw))
	require.NoError(t, store.setPin("plant:4840", first.Raw))
	status(StatusBadCertificateUntrusted, store.setPin("plant:4840", second.Raw))
	// A certificate whose issuer is not known can be pinned, revocation or not.
	root := authority(t, "root", keyed(t, 0), nil)
	require.NoError(t, judge(issue(t, "server", key, &root), "plant:4842", noon))
}
