package opcua

import (
	"bytes"
	"cmp"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"
)

// Lengths of the keys of applications, in bits (OPC 10000-7, the policies of section
// 6.6).
const (
	leastKey = 2048
	mostKey  = 4096
)

// maxCertificateFile bounds the files of certificates and keys.
const maxCertificateFile = 256 << 10

// Certificate is an application instance certificate, or that of a user, with its key
// and the certificates of its issuers. It is immutable, and may be copied. The zero
// value is none. Printing it does not show the key.
type Certificate struct{ pair keyPair }

// LoadCertificate reads a certificate and its key from files, as [ParseCertificate]
// does.
func LoadCertificate(certificateFile, keyFile string) (Certificate, error) {
	certificate, err := readFile(certificateFile, maxCertificateFile)
	key, fault := readFile(keyFile, maxCertificateFile)
	if err := errors.Join(err, fault); err != nil {
		return Certificate{}, fmt.Errorf("opcua: %w", err)
	}
	return ParseCertificate(certificate, key)
}

// ParseCertificate reads a certificate, perhaps with those of its issuers behind it, and
// its RSA key of 2048 to 4096 bits: both PEM or DER, the key as PKCS #1 or PKCS #8.
// Encrypted keys are refused: decrypt them first.
func ParseCertificate(certificate, key []byte) (Certificate, error) {
	chain, err := ParseCertificates(certificate)
	if err != nil {
		return Certificate{}, err
	}
	private, err := parseKey(key)
	if err != nil {
		return Certificate{}, err
	}
	return newCertificate(chain, private)
}

// newCertificate puts a key and the first certificate with it together, with their
// issuers from the same list.
func newCertificate(list []*x509.Certificate, private *rsa.PrivateKey) (Certificate, error) {
	own := slices.IndexFunc(list, func(c *x509.Certificate) bool { return private.PublicKey.Equal(c.PublicKey) })
	if own < 0 {
		return Certificate{}, errors.New("opcua: the key is not that of the certificate")
	}
	if bits := private.N.BitLen(); bits < leastKey || bits > mostKey {
		return Certificate{}, fmt.Errorf("opcua: key of %d bits, want %d to %d", bits, leastKey, mostKey)
	}
	return Certificate{keyPair{private: private, certificate: list[own].Raw, parsed: list[own], issuers: issuersOf(list[own], list)}}, nil
}

// issuersOf returns the chain of a certificate, without itself, as far as it is in a
// list.
func issuersOf(c *x509.Certificate, list []*x509.Certificate) (issuers [][]byte) {
	for !isSelfSigned(c) && len(issuers) < maxChain {
		i := slices.IndexFunc(list, func(issuer *x509.Certificate) bool { return issuer != c && signed(issuer, c) })
		if i < 0 {
			break
		}
		c = list[i]
		issuers = append(issuers, c.Raw)
	}
	return issuers
}

// ParseCertificates reads certificates without keys: PEM, or DER one behind the other.
func ParseCertificates(data []byte) ([]*x509.Certificate, error) {
	var chain []*x509.Certificate
	for rest := data; bytes.Contains(rest, []byte("-----BEGIN")); {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("opcua: certificate: %w", err)
		}
		chain = append(chain, c)
	}
	if chain != nil {
		return chain, nil
	}
	chain, err := x509.ParseCertificates(data)
	switch {
	case err != nil:
		return nil, fmt.Errorf("opcua: certificate, neither PEM nor DER: %w", err)
	case len(chain) == 0:
		return nil, errors.New("opcua: no certificate")
	}
	return chain, nil
}

// parseKey reads an RSA key.
func parseKey(data []byte) (*rsa.PrivateKey, error) {
	der := data
	for rest := data; bytes.Contains(rest, []byte("-----BEGIN")); {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if block.Type == "ENCRYPTED PRIVATE KEY" || strings.Contains(block.Headers["Proc-Type"], "ENCRYPTED") {
			return nil, errors.New("opcua: the key is encrypted: decrypt it, and keep it where nobody else can read")
		}
		if strings.HasSuffix(block.Type, "PRIVATE KEY") {
			der = block.Bytes
			break
		}
	}
	if key, err := x509.ParsePKCS1PrivateKey(der); err == nil {
		return key, nil
	}
	key, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		// What is wrong is not said: it could quote the key.
		return nil, errors.New("opcua: the key is neither PKCS #1 nor PKCS #8, in PEM or DER")
	}
	private, ok := key.(*rsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("opcua: key of type %T, want RSA", key)
	}
	return private, nil
}

// IsZero reports whether there is no certificate.
func (c Certificate) IsZero() bool { return c.pair.private == nil }

// Leaf returns the certificate without its key, nil if there is none. It must not be
// changed.
func (c Certificate) Leaf() *x509.Certificate { return c.pair.parsed }

// Thumbprint returns the SHA-1 hash of the certificate in hexadecimal, by which
// administrators of OPC UA know it; "" if there is none.
func (c Certificate) Thumbprint() string {
	if c.IsZero() {
		return ""
	}
	return thumbprint(c.pair.certificate)
}

// ApplicationURI returns the URI of the application that the certificate is for; "" if it
// has none, as those of users.
func (c Certificate) ApplicationURI() string { return applicationURI(c.pair.parsed) }

// String returns the common name and the thumbprint.
func (c Certificate) String() string {
	if c.IsZero() {
		return "no certificate"
	}
	return fmt.Sprintf("%q [%s]", c.pair.parsed.Subject.CommonName, c.Thumbprint())
}

// Format writes what String returns, whatever the verb.
func (c Certificate) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, c.String()) }

// Template says what a certificate that is created contains. The zero value is usable.
type Template struct {
	// ApplicationURI is the URI of the application, which is not to change as long as it
	// is installed. Default: "urn:", the name of the machine and ":fieldtap".
	ApplicationURI string
	// CommonName is how administrators of servers see the application. Default:
	// "fieldtap".
	CommonName string
	// Organization uses the certificate. Default: none.
	Organization string
	// Hosts are DNS names and IP addresses of the machine. Default: its name.
	Hosts []string
	// Bits is the length of the key: 2048, 3072 or 4096. Default: 2048.
	Bits int
	// Validity is how long the certificate is valid, up to 20 years. Default: 5 years.
	Validity time.Duration
	// Now is the clock. Default: time.Now.
	Now func() time.Time
}

const year = 365 * 24 * time.Hour

// backdate is how much earlier a certificate begins to be valid than it was made: the
// clock of a server may be late.
const backdate = time.Hour

// CreateCertificate creates a key and a certificate that is signed with it, with the
// fields of OPC 10000-6, section 6.2.2. A server takes it once its administrator has
// trusted it.
func CreateCertificate(t Template) (Certificate, error) {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf("opcua: "+format, args...)) }
	machine, err := os.Hostname()
	if err != nil || machine == "" {
		machine = "localhost"
	}
	t.ApplicationURI = cmp.Or(t.ApplicationURI, "urn:"+strings.ToLower(machine)+":fieldtap")
	uri, err := url.Parse(t.ApplicationURI)
	if err != nil || uri.Scheme == "" || uri.String() != t.ApplicationURI {
		fault("application URI %.200q is no URI", t.ApplicationURI)
	}
	if t.Bits = cmp.Or(t.Bits, leastKey); t.Bits != 2048 && t.Bits != 3072 && t.Bits != 4096 {
		fault("key of %d bits, want 2048, 3072 or 4096", t.Bits)
	}
	if t.Validity = cmp.Or(t.Validity, 5*year); t.Validity < time.Hour || t.Validity > 20*year {
		fault("validity of %s, want an hour to 20 years", t.Validity)
	}
	if t.Hosts == nil {
		t.Hosts = []string{machine}
	}
	var names []string
	var addresses []net.IP
	for _, host := range t.Hosts {
		if ip := net.ParseIP(host); ip != nil {
			addresses = append(addresses, ip)
		} else if host == "" || strings.ContainsAny(host, " /:@") {
			fault("host %.200q is neither a name nor an address", host)
		} else {
			names = append(names, host)
		}
	}
	if err := errors.Join(faults...); err != nil {
		return Certificate{}, err
	}
	now := time.Now
	if t.Now != nil {
		now = t.Now
	}
	key, err := rsa.GenerateKey(rand.Reader, t.Bits)
	if err != nil {
		return Certificate{}, fmt.Errorf("opcua: creating a key: %w", err)
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return Certificate{}, fmt.Errorf("opcua: creating a certificate: %w", err)
	}
	subject := pkix.Name{CommonName: cmp.Or(t.CommonName, "fieldtap")}
	if t.Organization != "" {
		subject.Organization = []string{t.Organization}
	}
	id := sha1.Sum(x509.MarshalPKCS1PublicKey(&key.PublicKey)) // RFC 5280, section 4.2.1.2: a name, no protection
	template := &x509.Certificate{
		SerialNumber: serial.Add(serial, big.NewInt(1)), Subject: subject, SignatureAlgorithm: x509.SHA256WithRSA,
		NotBefore: now().Add(-backdate), NotAfter: now().Add(t.Validity),
		KeyUsage: applicationUsage | x509.KeyUsageCertSign, // of itself
		// Clients of ours are no servers. Some servers ask for both.
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
		URIs:        []*url.URL{uri}, DNSNames: names, IPAddresses: addresses,
		BasicConstraintsValid: true, SubjectKeyId: id[:], AuthorityKeyId: id[:],
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return Certificate{}, fmt.Errorf("opcua: creating a certificate: %w", err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		return Certificate{}, fmt.Errorf("opcua: creating a certificate: %w", err)
	}
	return newCertificate([]*x509.Certificate{parsed}, key)
}

// applicationUsage is what the key of an application is for (OPC 10000-6, section
// 6.2.2).
const applicationUsage = x509.KeyUsageDigitalSignature | x509.KeyUsageContentCommitment | x509.KeyUsageKeyEncipherment | x509.KeyUsageDataEncipherment

// keyPair is our application instance certificate with its key.
type keyPair struct {
	private     *rsa.PrivateKey
	certificate []byte            // DER
	parsed      *x509.Certificate // the same
	issuers     [][]byte          // DER, from the one that signed it on; may be empty
}

// chain returns the certificate with its issuers behind it, as an OPN carries it
// (OPC 10000-6, section 6.2.3).
func (k keyPair) chain() []byte {
	chain := append([]byte(nil), k.certificate...)
	for _, issuer := range k.issuers {
		chain = append(chain, issuer...)
	}
	return chain
}

// leaf returns the first certificate of a chain in DER, or all of it if it is none.
func leaf(chain []byte) []byte {
	var first asn1.RawValue
	if _, err := asn1.Unmarshal(chain, &first); err != nil {
		return chain
	}
	return first.FullBytes
}

// thumbprint returns the SHA-1 hash of a certificate: a name, no protection.
func thumbprint(der []byte) string {
	sum := sha1.Sum(der)
	return strings.ToUpper(hex.EncodeToString(sum[:]))
}

// subjectAltName is the extension of RFC 5280, section 4.2.1.6.
var subjectAltName = asn1.ObjectIdentifier{2, 5, 29, 17}

// applicationURI returns the first URI among a certificate's alternative names, as it is
// written there: net/url would write some in another way.
func applicationURI(c *x509.Certificate) string {
	if c == nil {
		return ""
	}
	for _, e := range c.Extensions {
		if !e.Id.Equal(subjectAltName) {
			continue
		}
		var names []asn1.RawValue
		if rest, err := asn1.Unmarshal(e.Value, &names); err != nil || len(rest) > 0 {
			return ""
		}
		for _, n := range names {
			if n.Class == asn1.ClassContextSpecific && n.Tag == 6 {
				return string(n.Bytes)
			}
		}
	}
	return ""
}
