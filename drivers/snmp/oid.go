package snmp

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/fieldtap/fieldtap/internal/snmpwire"
)

// OID is an object identifier in dotted decimal without a leading point, such as
// "1.3.6.1.2.1.1.3.0". Two to 128 numbers of 32 bits make one (RFC 2578, section
// 3.5); the zero value is none. OIDs of this form that are equal name the same
// object; ParseOID makes others have it.
type OID string

// ParseOID reads an object identifier in dotted decimal; a leading point is
// allowed. Names of MIB objects are not known here.
func ParseOID(text string) (OID, error) {
	o := OID(strings.TrimPrefix(text, "."))
	if !o.Valid() {
		return "", fmt.Errorf("snmp: %.80q is no object identifier in numbers", text)
	}
	return o, nil
}

// Valid reports whether o is an object identifier in its canonical form.
func (o OID) Valid() bool {
	var encoded [maxOIDBytes]byte
	_, err := snmpwire.AppendOID(encoded[:0], string(o))
	return err == nil && o[0] != '.'
}

// maxOIDBytes is how long an encoded object identifier can be: 32 bits take five
// octets (X.690, 8.19.2).
const maxOIDBytes = 5 * snmpwire.MaxArcs

// Child returns o with arcs appended. Whether the result is not too long is left to
// Valid.
func (o OID) Child(arcs ...uint32) OID {
	child := []byte(o)
	for _, a := range arcs {
		if len(child) > 0 {
			child = append(child, '.')
		}
		child = strconv.AppendUint(child, uint64(a), 10)
	}
	return OID(child)
}

// HasPrefix reports whether o is prefix or lies below it.
func (o OID) HasPrefix(prefix OID) bool {
	return strings.HasPrefix(string(o), string(prefix)) &&
		(len(o) == len(prefix) || prefix == "" || o[len(prefix)] == '.')
}

// Suffix returns the numbers of o behind prefix, and false where prefix is none of o
// or o is malformed.
func (o OID) Suffix(prefix OID) ([]uint32, bool) {
	if !o.HasPrefix(prefix) {
		return nil, false
	}
	return arcs(strings.TrimPrefix(string(o[len(prefix):]), "."))
}

// Compare orders object identifiers as agents do, number by number: it is negative
// if o comes first, and 0 if both are the same. Malformed ones come before all
// others, in the order of their bytes.
func (o OID) Compare(other OID) int {
	a, aOK := arcs(string(o))
	b, bOK := arcs(string(other))
	switch {
	case aOK && bOK:
		return slices.Compare(a, b)
	case aOK:
		return 1
	case bOK:
		return -1
	}
	return strings.Compare(string(o), string(other))
}

// arcs reads the numbers of text.
func arcs(text string) ([]uint32, bool) {
	if text == "" {
		return nil, true
	}
	numbers := make([]uint32, 0, strings.Count(text, ".")+1)
	for part := range strings.SplitSeq(text, ".") {
		n, err := strconv.ParseUint(part, 10, 32)
		if err != nil {
			return nil, false
		}
		numbers = append(numbers, uint32(n))
	}
	return numbers, true
}

// encode returns o as it is on the wire, nil for a malformed one.
func (o OID) encode() []byte {
	encoded, err := snmpwire.AppendOID(nil, string(o))
	if err != nil {
		return nil
	}
	return encoded
}

// oidOf returns the OID of encoded contents that have been checked.
func oidOf(encoded []byte) OID { return OID(snmpwire.AppendOIDText(nil, encoded)) }
