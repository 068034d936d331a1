package opcua

import (
	"bytes"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/fieldtap/fieldtap/acquire"
)

// Statuses of certificates (OPC 10000-4, section 6.1.3, table "Certificate validation
// steps"; numbers of OPC 10000-6, annex A.2).
const (
	StatusBadCertificateInvalid                 StatusCode = 0x80120000
	StatusBadCertificateTimeInvalid             StatusCode = 0x80140000
	StatusBadCertificateIssuerTimeInvalid       StatusCode = 0x80150000
	StatusBadCertificateHostNameInvalid         StatusCode = 0x80160000
	StatusBadCertificateURIInvalid              StatusCode = 0x80170000
	StatusBadCertificateUseNotAllowed           StatusCode = 0x80180000
	StatusBadCertificateIssuerUseNotAllowed     StatusCode = 0x80190000
	StatusBadCertificateUntrusted               StatusCode = 0x801A0000
	StatusBadCertificateRevocationUnknown       StatusCode = 0x801B0000
	StatusBadCertificateIssuerRevocationUnknown StatusCode = 0x801C0000
	StatusBadCertificateRevoked                 StatusCode = 0x801D0000
	StatusBadCertificateIssuerRevoked           StatusCode = 0x801E0000
	StatusBadCertificateChainIncomplete         StatusCode = 0x810D0000
	StatusBadCertificatePolicyCheckFailed       StatusCode = 0x81140000
)

// CertificateError is a certificate that a server showed and that is refused.
type CertificateError struct {
	Status     StatusCode // the standard's, which names the rule that was broken
	Reason     string     // the rule in words
	Subject    string     // of the certificate that broke it, as far as it can be printed; "" if unreadable
	Thumbprint string     // SHA-1 in hexadecimal of the server's own certificate
}

// Error tells which certificate was refused, and why.
func (e *CertificateError) Error() string {
	return fmt.Sprintf("opcua: certificate %s refused, status %s: %s (%q)", e.Thumbprint, e.Status, e.Reason, e.Subject)
}

// Quality is bad: security.
func (e *CertificateError) Quality() acquire.Quality {
	return acquire.Bad.Because(acquire.Security).WithNative(uint16(e.Status >> 16))
}

// Bounds of what a server may show.
const (
	maxChain      = 10      // certificates
	maxChainBytes = 1 << 16 // of all of them
	maxIssuerKey  = 8192    // bits
	maxSteps      = 100     // signatures checked while a chain is built
)

// TrustList is a list of certificates that an application trusts, as values.
type TrustList struct {
	// Trusted are servers' own certificates, and those of authorities whose certificates
	// are all trusted.
	Trusted []*x509.Certificate
	// Issuers are certificates of authorities that are needed to complete chains. They are
	// not trusted by that.
	Issuers []*x509.Certificate
	// Revocations are the lists of certificates that authorities have revoked.
	Revocations []*x509.RevocationList
}

// Trust says which servers are trusted. Every certificate is judged at each connection,
// before anything secret is said. The zero value trusts none.
type Trust struct {
	// Store is a directory with trusted certificates. It is read anew at each connection.
	// What is refused is kept there for an administrator.
	Store *Store
	// List is trusted together with what is in Store.
	List TrustList
	// FirstUse trusts whatever certificate the endpoint shows at the first connection, and
	// only that one from then on. It is kept in Store, which must be given. Whoever is on
	// the way at the first connection can read and change everything, ever after.
	FirstUse bool

	// AnyHost waives that the certificate names the host of the configured endpoint.
	AnyHost bool
	// WithoutRevocation waives that there must be a current revocation list of each
	// authority. A list that is there still holds.
	WithoutRevocation bool
	// Tolerance is how far our clock may be off from times in certificates and revocation
	// lists, up to a day. Default: 0.
	Tolerance time.Duration
}

// faults returns everything wrong with t.
func (t Trust) faults() (faults []error) {
	if t.FirstUse && t.Store == nil {
		faults = append(faults, errors.New("opcua: trust at first use without a store"))
	}
	if t.Tolerance < 0 || t.Tolerance > 24*time.Hour {
		faults = append(faults, fmt.Errorf("opcua: tolerance of %s is not within 0 to 24h", t.Tolerance))
	}
	if slices.Contains(t.List.Trusted, nil) || slices.Contains(t.List.Issuers, nil) || slices.Contains(t.List.Revocations, nil) {
		faults = append(faults, errors.New("opcua: a certificate or revocation list of the trust list is nil"))
	}
	return faults
}

// peer is who should be at the other end.
type peer struct {
	address     string // host and port, as configured
	host        string // the host of address
	application string // URI that discovery gave
}

// judge judges the chain that a server showed, and tells whether it is good only because
// this is its first use: then it is to be pinned, once the server has proved that it has
// the key. What in the Store cannot be read is given to note; where that could make a
// difference to the worse, nothing is trusted.
func (t Trust) judge(chain []byte, p peer, now time.Time, note func(error)) (server *x509.Certificate, first bool, err error) {
	list := t.List
	if t.Store != nil {
		stored, skipped, err := t.Store.trustList()
		if err != nil {
			return nil, false, err
		}
		for _, err := range skipped {
			note(err)
		}
		list.Trusted = append(slices.Clip(list.Trusted), stored.Trusted...)
		list.Issuers = append(slices.Clip(list.Issuers), stored.Issuers...)
		list.Revocations = append(slices.Clip(list.Revocations), stored.Revocations...)
	}
	j := judgement{trust: t, list: list, peer: p, now: now}
	server, err = j.parse(chain)
	if err == nil && t.FirstUse {
		if j.pinned, err = t.Store.pin(p.address); err != nil {
			return nil, false, err
		}
	}
	if err == nil {
		err = j.judge(server)
	}
	if refused, ok := errors.AsType[*CertificateError](err); ok {
		refused.Thumbprint = thumbprint(leaf(chain))
		if t.Store != nil && server != nil {
			if err := t.Store.reject(server, now); err != nil {
				note(err)
			}
		}
	}
	if err != nil {
		return nil, false, err
	}
	return server, j.first, nil
}

// judgement is one certificate being judged, by the steps of OPC 10000-4, section 6.1.3,
// in their order.
type judgement struct {
	trust  Trust
	list   TrustList
	peer   peer
	now    time.Time
	pinned []byte // the certificate seen at first use; nil if there is none
	first  bool   // this is the first use
	sent   []*x509.Certificate
	steps  int
}

func refuse(c *x509.Certificate, status StatusCode, format string, args ...any) error {
	e := &CertificateError{Status: status, Reason: fmt.Sprintf(format, args...)}
	if c != nil {
		e.Subject = subject(c)
	}
	return e
}

// subject returns the name of a certificate for reading.
func subject(c *x509.Certificate) string {
	name := printable([]byte(c.Subject.String()))
	return name[:min(len(name), 200)]
}

// parse reads the chain that a server showed.
func (j *judgement) parse(chain []byte) (*x509.Certificate, error) {
	if len(chain) > maxChainBytes {
		return nil, refuse(nil, StatusBadCertificateInvalid, "chain of %d bytes, at most %d are taken", len(chain), maxChainBytes)
	}
	for rest := chain; len(rest) > 0; {
		der := leaf(rest)
		c, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, refuse(nil, StatusBadCertificateInvalid, "certificate %d of the chain: %s", len(j.sent)+1, printable([]byte(err.Error())))
		}
		if j.sent = append(j.sent, c); len(j.sent) > maxChain {
			return nil, refuse(nil, StatusBadCertificateInvalid, "chain of more than %d certificates", maxChain)
		}
		rest = rest[len(der):]
	}
	if len(j.sent) == 0 {
		return nil, refuse(nil, StatusBadCertificateInvalid, "no certificate")
	}
	return j.sent[0], nil
}

// judge judges the certificate of a server.
func (j *judgement) judge(server *x509.Certificate) error {
	// A signature cannot be checked with a key that is not RSA, or is too long.
	if err := key(server, leastKey, mostKey); err != nil {
		return err
	}
	chain, complete := j.build(server)
	trusted := slices.ContainsFunc(chain, func(c *x509.Certificate) bool { return has(j.list.Trusted, c) })
	for _, check := range []func(chain []*x509.Certificate) error{j.signatures, j.keys} {
		if err := check(chain); err != nil {
			return err
		}
	}
	switch {
	case trusted && !complete:
		return refuse(chain[len(chain)-1], StatusBadCertificateChainIncomplete, "its issuer is not known: put the issuer's certificate into issuer/certs")
	case trusted:
	case j.pinned != nil && !bytes.Equal(j.pinned, server.Raw):
		return refuse(server, StatusBadCertificateUntrusted, "the endpoint had another certificate at first use, %s", thumbprint(j.pinned))
	case j.pinned != nil:
	case j.trust.FirstUse:
		j.first = true
	case !complete:
		return refuse(chain[len(chain)-1], StatusBadCertificateChainIncomplete, "its issuer is not known, and it is not trusted")
	default:
		return refuse(server, StatusBadCertificateUntrusted, "neither it nor an issuer of it is trusted")
	}
	if !trusted {
		chain = chain[:1] // pinned: no authority is relied upon
	}
	for _, check := range []func(chain []*x509.Certificate) error{j.times, j.host, j.application, j.usage, j.constraints} {
		if err := check(chain); err != nil {
			return err
		}
	}
	return j.revocation(chain)
}

func has(list []*x509.Certificate, c *x509.Certificate) bool {
	return slices.ContainsFunc(list, c.Equal)
}

// isSelfSigned reports whether a certificate names itself as its issuer. Its signature is
// checked elsewhere.
func isSelfSigned(c *x509.Certificate) bool {
	return bytes.Equal(c.RawIssuer, c.RawSubject) && (len(c.AuthorityKeyId) == 0 || len(c.SubjectKeyId) == 0 || bytes.Equal(c.AuthorityKeyId, c.SubjectKeyId))
}

// signed reports whether an issuer has signed a certificate, by name and signature.
func signed(issuer, c *x509.Certificate) bool {
	public, ok := issuer.PublicKey.(*rsa.PublicKey)
	return ok && public.N.BitLen() <= maxIssuerKey && bytes.Equal(issuer.RawSubject, c.RawIssuer) &&
		issuer.CheckSignature(c.SignatureAlgorithm, c.RawTBSCertificate, c.Signature) == nil
}

// build returns the chain of a certificate, itself first, and whether it is complete up
// to one that is signed by itself. A complete chain with something trusted in it is
// preferred to any other, then a complete one, then the longest.
func (j *judgement) build(server *x509.Certificate) (best []*x509.Certificate, complete bool) {
	candidates := slices.Concat(j.list.Trusted, j.list.Issuers, j.sent)
	rank := 0
	var extend func(chain []*x509.Certificate, trusted bool)
	extend = func(chain []*x509.Certificate, trusted bool) {
		last := chain[len(chain)-1]
		trusted = trusted || has(j.list.Trusted, last)
		whole := isSelfSigned(last)
		value := len(chain)
		if whole {
			value += 2 * maxChain
		}
		if whole && trusted {
			value += 2 * maxChain
		}
		if value > rank {
			rank, best, complete = value, slices.Clone(chain), whole
		}
		if whole || len(chain) == maxChain {
			return
		}
		for i, issuer := range candidates {
			if !bytes.Equal(issuer.RawSubject, last.RawIssuer) || has(chain, issuer) || has(candidates[:i], issuer) {
				continue
			}
			if j.steps++; j.steps > maxSteps {
				return
			}
			if signed(issuer, last) {
				extend(append(slices.Clip(chain), issuer), trusted)
			}
		}
	}
	extend([]*x509.Certificate{server}, false)
	return best, complete
}

// signatures checks the one signature that building the chain has not: that of the last
// certificate by itself. That of a certificate whose issuer is not known remains unchecked,
// and the chain is refused, or the certificate is pinned.
func (j *judgement) signatures(chain []*x509.Certificate) error {
	for _, c := range chain {
		switch c.SignatureAlgorithm {
		case x509.SHA256WithRSA, x509.SHA384WithRSA, x509.SHA512WithRSA, x509.SHA256WithRSAPSS, x509.SHA384WithRSAPSS, x509.SHA512WithRSAPSS:
		default:
			return refuse(c, StatusBadCertificatePolicyCheckFailed, "signed by %s, want RSA with SHA-256 or more", c.SignatureAlgorithm)
		}
	}
	root := chain[len(chain)-1]
	if !isSelfSigned(root) {
		return nil
	}
	if err := key(root, leastKey, maxIssuerKey); err != nil {
		return err
	}
	if !signed(root, root) {
		return refuse(root, StatusBadCertificateInvalid, "its signature is not right")
	}
	return nil
}

// keys checks kind and length of the keys.
func (j *judgement) keys(chain []*x509.Certificate) error {
	for _, issuer := range chain[1:] {
		if err := key(issuer, leastKey, maxIssuerKey); err != nil {
			return err
		}
	}
	return nil
}

func key(c *x509.Certificate, least, most int) error {
	public, ok := c.PublicKey.(*rsa.PublicKey)
	if !ok {
		return refuse(c, StatusBadCertificatePolicyCheckFailed, "key of %s, want RSA", c.PublicKeyAlgorithm)
	}
	if bits := public.N.BitLen(); bits < least || bits > most {
		return refuse(c, StatusBadCertificatePolicyCheckFailed, "key of %d bits, want %d to %d", bits, least, most)
	}
	return nil
}

// times checks that all are valid now.
func (j *judgement) times(chain []*x509.Certificate) error {
	for i, c := range chain {
		status := StatusBadCertificateTimeInvalid
		if i > 0 {
			status = StatusBadCertificateIssuerTimeInvalid
		}
		switch {
		case j.now.Add(j.trust.Tolerance).Before(c.NotBefore):
			return refuse(c, status, "not valid before %s", c.NotBefore.UTC().Format(time.RFC3339))
		case j.now.Add(-j.trust.Tolerance).After(c.NotAfter):
			return refuse(c, status, "not valid after %s", c.NotAfter.UTC().Format(time.RFC3339))
		}
	}
	return nil
}

// host checks that the server's certificate names the host that we were told to connect
// to.
func (j *judgement) host(chain []*x509.Certificate) error {
	if j.trust.AnyHost {
		return nil
	}
	server := chain[0]
	if server.VerifyHostname(j.peer.host) == nil {
		return nil
	}
	// Many devices write addresses among the names.
	if ip := net.ParseIP(j.peer.host); ip != nil && slices.ContainsFunc(server.DNSNames, func(name string) bool { return ip.Equal(net.ParseIP(name)) }) {
		return nil
	}
	var names []string
	for _, name := range server.DNSNames[:min(len(server.DNSNames), 10)] {
		names = append(names, name[:min(len(name), 80)])
	}
	for _, ip := range server.IPAddresses[:min(len(server.IPAddresses), 10)] {
		names = append(names, ip.String())
	}
	return refuse(server, StatusBadCertificateHostNameInvalid, "it is for %q, not for host %q", names, j.peer.host)
}

// application checks that the certificate is that of the application that discovery
// named.
func (j *judgement) application(chain []*x509.Certificate) error {
	uri := applicationURI(chain[0])
	if uri == "" || uri != j.peer.application {
		return refuse(chain[0], StatusBadCertificateURIInvalid, "it is for application %.200q, the endpoint is of %.200q", uri, j.peer.application)
	}
	return nil
}

// usage checks what keys may be used for (OPC 10000-6, section 6.2.2).
func (j *judgement) usage(chain []*x509.Certificate) error {
	server := chain[0]
	if missing := applicationUsage &^ server.KeyUsage; missing != 0 {
		return refuse(server, StatusBadCertificateUseNotAllowed, "its key may not be used for %s", usages(missing))
	}
	if len(server.ExtKeyUsage)+len(server.UnknownExtKeyUsage) > 0 &&
		!slices.Contains(server.ExtKeyUsage, x509.ExtKeyUsageServerAuth) && !slices.Contains(server.ExtKeyUsage, x509.ExtKeyUsageAny) {
		return refuse(server, StatusBadCertificateUseNotAllowed, "it is not for servers")
	}
	for _, issuer := range chain[1:] {
		if !issuer.BasicConstraintsValid || !issuer.IsCA || issuer.KeyUsage&x509.KeyUsageCertSign == 0 {
			return refuse(issuer, StatusBadCertificateIssuerUseNotAllowed, "it may not sign certificates")
		}
	}
	return nil
}

func usages(u x509.KeyUsage) string {
	var names []string
	for _, one := range []struct {
		bit  x509.KeyUsage
		name string
	}{
		{x509.KeyUsageDigitalSignature, "digitalSignature"}, {x509.KeyUsageContentCommitment, "nonRepudiation"},
		{x509.KeyUsageKeyEncipherment, "keyEncipherment"}, {x509.KeyUsageDataEncipherment, "dataEncipherment"},
	} {
		if u&one.bit != 0 {
			names = append(names, one.name)
		}
	}
	return strings.Join(names, ", ")
}

// constraints has crypto/x509 check what is left: lengths of paths, constraints on names
// and critical extensions that it does not know.
func (j *judgement) constraints(chain []*x509.Certificate) error {
	at := j.now
	for _, c := range chain { // within the tolerance
		if at.Before(c.NotBefore) {
			at = c.NotBefore
		}
	}
	for _, c := range chain {
		if at.After(c.NotAfter) {
			at = c.NotAfter
		}
	}
	roots, between := x509.NewCertPool(), x509.NewCertPool()
	roots.AddCert(chain[len(chain)-1])
	for _, c := range chain {
		between.AddCert(c)
	}
	_, err := chain[0].Verify(x509.VerifyOptions{
		Roots: roots, Intermediates: between, CurrentTime: at, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	})
	if err != nil {
		text := printable([]byte(err.Error()))
		return refuse(chain[0], StatusBadCertificateInvalid, "%s", text[:min(len(text), 300)])
	}
	return nil
}

// Extensions of revocation lists that hold only a part of what is revoked (RFC 5280,
// sections 5.2.4 and 5.2.5).
var (
	deltaIndicator     = asn1.ObjectIdentifier{2, 5, 29, 27}
	distributionPoints = asn1.ObjectIdentifier{2, 5, 29, 28}
)

// revocation checks every certificate of a complete chain against the lists of its
// issuer.
func (j *judgement) revocation(chain []*x509.Certificate) error {
	for i := range len(chain) - 1 {
		c, issuer := chain[i], chain[i+1]
		revoked, unknown := StatusBadCertificateRevoked, StatusBadCertificateRevocationUnknown
		if i > 0 {
			revoked, unknown = StatusBadCertificateIssuerRevoked, StatusBadCertificateIssuerRevocationUnknown
		}
		current, stale := false, false
		for _, list := range j.list.Revocations {
			if !bytes.Equal(list.RawIssuer, issuer.RawSubject) || list.CheckSignatureFrom(issuer) != nil {
				continue
			}
			for _, entry := range list.RevokedCertificateEntries {
				if entry.SerialNumber.Cmp(c.SerialNumber) == 0 {
					return refuse(c, revoked, "its issuer revoked it on %s", entry.RevocationTime.UTC().Format(time.RFC3339))
				}
			}
			partial := slices.ContainsFunc(list.Extensions, func(e pkix.Extension) bool {
				return e.Id.Equal(deltaIndicator) || e.Id.Equal(distributionPoints)
			})
			late := !list.NextUpdate.IsZero() && j.now.Add(-j.trust.Tolerance).After(list.NextUpdate)
			early := j.now.Add(j.trust.Tolerance).Before(list.ThisUpdate)
			if late || early {
				stale = true
			} else if !partial {
				current = true
			}
		}
		if !current && !j.trust.WithoutRevocation {
			reason := "there is no revocation list of its issuer"
			if stale {
				reason = "the revocation list of its issuer is not current"
			}
			return refuse(c, unknown, "%s, %q", reason, subject(issuer))
		}
	}
	return nil
}
