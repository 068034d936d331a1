package opcuatest

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/binary"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/url"
	"slices"
	"time"

	"github.com/gopcua/opcua/uapolicy"
)

// Policy is the name of a security policy, the part of its URI behind the number sign (OPC 10000-7).
type Policy string

// The policies, the last two of which are out of date.
const (
	PolicyNone          Policy = "None"
	Basic256Sha256      Policy = "Basic256Sha256"
	Aes128Sha256RsaOaep Policy = "Aes128_Sha256_RsaOaep"
	Aes256Sha256RsaPss  Policy = "Aes256_Sha256_RsaPss"
	Basic256            Policy = "Basic256"
	Basic128Rsa15       Policy = "Basic128Rsa15"
)

// URI returns the URI of a policy.
func (p Policy) URI() string { return "http://opcfoundation.org/UA/SecurityPolicy#" + string(p) }

// Mode is a message security mode (OPC 10000-4, section 7.20).
type Mode uint32

// The modes.
const (
	ModeNone       Mode = 1
	Sign           Mode = 2
	SignAndEncrypt Mode = 3
)

// Security is a policy together with a mode.
type Security struct {
	Policy Policy // None goes with ModeNone alone
	Mode   Mode   // the zero value is none of them
}

// Identity is an application instance certificate in DER, with or without its issuers behind it, and its key.
type Identity struct {
	Certificate []byte          // DER
	Key         *rsa.PrivateKey // of the first certificate
}

// NewIdentity makes a certificate signed by itself for an application URI, good from an hour ago for a year, for localhost and
// the loopback addresses, with a new key of 2048 bits. Edit changes the template before it is signed; nil leaves it.
func NewIdentity(uri string, edit func(*x509.Certificate)) (Identity, error) {
	u, err := url.Parse(uri)
	if err != nil {
		return Identity{}, fmt.Errorf("opcuatest: application URI: %w", err)
	}
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return Identity{}, fmt.Errorf("opcuatest: %w", err)
	}
	now := time.Now()
	template := x509.Certificate{
		SerialNumber: big.NewInt(now.UnixNano()), Subject: pkix.Name{CommonName: uri}, NotBefore: now.Add(-time.Hour), NotAfter: now.AddDate(1, 0, 0),
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageContentCommitment | x509.KeyUsageKeyEncipherment | x509.KeyUsageDataEncipherment | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		URIs:        []*url.URL{u}, DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
		BasicConstraintsValid: true, IsCA: true,
	}
	if edit != nil {
		edit(&template)
	}
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, &key.PublicKey, key)
	if err != nil {
		return Identity{}, fmt.Errorf("opcuatest: %w", err)
	}
	return Identity{Certificate: der, Key: key}, nil
}

// seal protects chunks (OPC 10000-6, section 6.7). The zero value protects nothing.
type seal struct {
	algorithm *uapolicy.EncryptionAlgorithm
	encrypt   bool
	// The length of padding has two bytes for keys of more than 2048 bits: the receiver's.
	wideOut, wideIn bool
}

var errSeal = errors.New("signature or encryption of a chunk is not right")

// room returns how many bytes of a body fit a chunk.
func (s seal) room(chunk, headers int) int {
	if s.algorithm == nil {
		return chunk - headers - 8
	}
	room := chunk - headers
	if s.encrypt {
		room = room/s.algorithm.BlockSize()*s.algorithm.PlaintextBlockSize() - 1
		if s.wideOut {
			room--
		}
	}
	return room - 8 - s.algorithm.SignatureLength()
}

// wrap returns a chunk of headers and content with its size and protection. What is wrong is added to its padding.
func (s seal) wrap(header, content []byte, wrong byte) ([]byte, error) {
	if s.algorithm == nil {
		chunk := slices.Concat(header, content)
		binary.LittleEndian.PutUint32(chunk[4:], uint32(len(chunk)))
		return chunk, nil
	}
	signature := s.algorithm.SignatureLength()
	size := len(header) + len(content) + signature
	if s.encrypt {
		lengths := 1
		if s.wideOut {
			lengths = 2
		}
		block := s.algorithm.PlaintextBlockSize()
		padding := block - 1 - (len(content)+lengths+signature+block-1)%block
		content = append(slices.Clone(content), bytes.Repeat([]byte{byte(padding) + wrong}, padding+1)...)
		if s.wideOut {
			content = append(content, byte(padding>>8))
		}
		size = len(header) + (len(content)+signature)/block*s.algorithm.BlockSize()
	}
	chunk := slices.Concat(header, content)
	binary.LittleEndian.PutUint32(chunk[4:], uint32(size))
	signed, err := s.algorithm.Signature(chunk)
	if err != nil {
		return nil, err
	}
	chunk = append(chunk, signed...)
	if !s.encrypt {
		return chunk, nil
	}
	secret, err := s.algorithm.Encrypt(chunk[len(header):])
	if err != nil {
		return nil, err
	}
	return append(chunk[:len(header)], secret...), nil
}

// unwrap returns what a chunk protects: sequence header and body.
func (s seal) unwrap(chunk []byte, header int) ([]byte, error) {
	if s.algorithm == nil {
		return chunk[header:], nil
	}
	if s.encrypt {
		plain, err := s.algorithm.Decrypt(chunk[header:])
		if err != nil {
			return nil, errSeal
		}
		chunk = slices.Concat(chunk[:header], plain)
	}
	end := len(chunk) - s.algorithm.RemoteSignatureLength()
	if end < header+9 || s.algorithm.VerifySignature(chunk[:end], chunk[end:]) != nil {
		return nil, errSeal
	}
	if !s.encrypt {
		return chunk[header:end], nil
	}
	padding := int(chunk[end-1])
	end--
	if s.wideIn {
		padding = padding<<8 | int(chunk[end-1])
		end--
	}
	if end -= padding; end < header+8 {
		return nil, errSeal
	}
	return chunk[header:end], nil
}

// newAsymmetric returns the seal of OPN chunks between a server's key and a client's certificate.
func newAsymmetric(policy Policy, key *rsa.PrivateKey, client []byte) (seal, error) {
	public, err := uapolicy.PublicKey(leaf(client))
	if err != nil {
		return seal{}, err
	}
	a, err := uapolicy.Asymmetric(policy.URI(), key, public)
	if err != nil {
		return seal{}, err
	}
	return seal{a, true, public.Size() > 256, key.Size() > 256}, nil
}

// leaf returns the first certificate of a chain: what keys and signatures belong to. What is no certificate comes back as it is.
func leaf(chain []byte) []byte {
	var first asn1.RawValue
	if rest, err := asn1.Unmarshal(chain, &first); err == nil {
		return chain[:len(chain)-len(rest)]
	}
	return chain
}

// reveal decrypts a secret of a user with whichever policy has the algorithm (OPC 10000-4, section 7.41.2.2).
func reveal(key *rsa.PrivateKey, algorithm string, secret, nonce []byte) ([]byte, bool) {
	if algorithm == "" {
		return secret, true
	}
	if key == nil {
		return nil, false
	}
	for _, p := range []Policy{Basic256Sha256, Aes256Sha256RsaPss, Basic128Rsa15} {
		a, err := uapolicy.Asymmetric(p.URI(), key, &key.PublicKey)
		if err != nil || a.EncryptionURI() != algorithm {
			continue
		}
		plain, err := a.Decrypt(secret)
		if err != nil || len(plain) < 4 {
			return nil, false
		}
		n := int(binary.LittleEndian.Uint32(plain))
		plain = plain[4:]
		if n > len(plain) || n < len(nonce) || !bytes.Equal(plain[n-len(nonce):n], nonce) {
			return nil, false
		}
		return plain[:n-len(nonce)], true
	}
	return nil, false
}
