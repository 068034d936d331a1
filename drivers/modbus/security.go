package modbus

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"net"
	"sync/atomic"

	"github.com/fieldtap/fieldtap/acquire"
)

// roleOID is the extension of a certificate that holds the role of its owner
// (MB-TCP-Security V21, section 8.3).
var roleOID = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 50316, 802, 1}

// Role returns the role that a certificate gives its owner in Modbus/TCP Security
// (MB-TCP-Security V21, section 8.3: a UTF8String in the extension
// 1.3.6.1.4.1.50316.802.1), by which a server decides what a client may ask for.
// It is "" for a certificate without the extension; one that is malformed, or there
// twice, is an error. The text is that of whoever issued the certificate: print it
// quoted.
func Role(c *x509.Certificate) (string, error) {
	role, given := "", false
	for _, e := range c.Extensions {
		if !e.Id.Equal(roleOID) {
			continue
		}
		if given {
			return "", errors.New("modbus: certificate with two roles")
		}
		rest, err := asn1.UnmarshalWithParams(e.Value, &role, "utf8")
		if given = true; err != nil || len(rest) > 0 || len(e.Value) == 0 || e.Value[0] != asn1.TagUTF8String {
			return "", errors.New("modbus: role in a certificate is no UTF8String")
		}
	}
	return role, nil
}

// Security is what a TLS connection rests on.
type Security struct {
	Version    uint16 // of TLS, such as tls.VersionTLS13
	Suite      uint16 // cipher suite, named by tls.CipherSuiteName
	Role       string // in our certificate that the server was shown; "" if none was, with Dial, or in a session that another bus began
	ServerRole string // in the certificate of the server; "" without one, or if it is malformed
	Peer       string // common name of the server's certificate
}

// certified dials over TLS, and knows the certificate that it showed last.
type certified struct {
	dialer  *tls.Dialer
	address string
	shown   atomic.Pointer[tls.Certificate] // a session that is resumed goes on with it
}

// secured returns what dials address over TLS.
func secured(c *tls.Config, address string) *certified {
	config := c.Clone()
	config.MinVersion = max(config.MinVersion, tls.VersionTLS12) // MB-TCP-Security V36, R-01
	d := &certified{dialer: &tls.Dialer{Config: config}, address: address}
	choose := config.GetClientCertificate
	if choose == nil {
		choose = func(request *tls.CertificateRequestInfo) (*tls.Certificate, error) {
			for i := range config.Certificates {
				if request.SupportsCertificate(&config.Certificates[i]) == nil {
					return &config.Certificates[i], nil
				}
			}
			return new(tls.Certificate), nil
		}
	}
	config.GetClientCertificate = func(request *tls.CertificateRequestInfo) (*tls.Certificate, error) {
		shown, err := choose(request)
		d.shown.Store(shown)
		return shown, err
	}
	return d
}

func (d *certified) dial(ctx context.Context) (net.Conn, error) {
	conn, err := d.dialer.DialContext(ctx, "tcp", d.address)
	if err != nil {
		return nil, err // not conn, which is no nil interface
	}
	return conn, nil
}

// role returns the role in the certificate that was shown last.
func (d *certified) role() string {
	if d == nil || d.shown.Load() == nil {
		return ""
	}
	role, _ := roleOf(d.shown.Load()) // one that is malformed was refused by checked, or came later
	return role
}

// roleOf returns the role in a certificate with its key.
func roleOf(c *tls.Certificate) (string, error) {
	leaf := c.Leaf
	if leaf == nil && len(c.Certificate) > 0 {
		var err error
		if leaf, err = x509.ParseCertificate(c.Certificate[0]); err != nil {
			return "", err
		}
	}
	if leaf == nil {
		return "", nil
	}
	return Role(leaf)
}

// checkRoles returns what is wrong with the roles of certificates to be shown.
func checkRoles(certificates []tls.Certificate) (faults []error) {
	for i := range certificates {
		if _, err := roleOf(&certificates[i]); err != nil {
			faults = append(faults, fmt.Errorf("TLS certificate %d: %w", i, err))
		}
	}
	return faults
}

// overTLS is a connection of package crypto/tls, or one that wraps it, as that of a
// recorder does.
type overTLS interface {
	ConnectionState() tls.ConnectionState
}

// security returns what conn rests on, and whether that is TLS.
func (b *Bus) security(conn net.Conn) (Security, bool) {
	c, ok := conn.(overTLS)
	if !ok {
		return Security{}, false
	}
	state := c.ConnectionState()
	s := Security{Version: state.Version, Suite: state.CipherSuite, Role: b.cfg.certified.role()}
	if len(state.PeerCertificates) > 0 {
		s.Peer = state.PeerCertificates[0].Subject.CommonName
		s.ServerRole, _ = Role(state.PeerCertificates[0]) // one that is malformed gives no role
	}
	return s, true
}

// securityError is an error of TLS: one of the two sides does not trust the other.
type securityError struct{ error }

func (e securityError) Unwrap() error { return e.error }

// Quality returns the quality of the samples that are lost by it.
func (securityError) Quality() acquire.Quality { return acquire.Bad.Because(acquire.Security) }

// judged tells what TLS refuses from other trouble of a connection.
func judged(err error) error {
	var (
		untrusted *tls.CertificateVerificationError
		alert     *net.OpError
	)
	if errors.As(err, &untrusted) ||
		errors.As(err, &alert) && (alert.Op == "remote error" || alert.Op == "local error") { // as crypto/tls reports alerts
		return securityError{err}
	}
	return err
}

// denied is an exception by which a server of Modbus/TCP Security refuses a role
// (MB-TCP-Security V21, section 8.3). A function that the server does not know
// looks the same.
type denied struct{ Exception }

func (e denied) Unwrap() error { return e.Exception }

// Error says which of the two it may be.
func (e denied) Error() string { return e.Exception.Error() + ": not for our role, or not known" }

// Quality returns the quality of the samples that e was the answer for.
func (e denied) Quality() acquire.Quality {
	return acquire.Bad.Because(acquire.Security).WithNative(uint16(e.Exception))
}
