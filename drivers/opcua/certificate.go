package opcua

import (
	"crypto/rsa"
	"encoding/asn1"
)

// keyPair is our application instance certificate with its key.
type keyPair struct {
	private     *rsa.PrivateKey
	certificate []byte   // DER
	issuers     [][]byte // DER, from the one that signed it on; may be empty
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
