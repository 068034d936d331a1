package snmp

import (
	"net/netip"
	"strconv"
	"unicode/utf8"

	"github.com/fieldtap/fieldtap/internal/snmpwire"
)

// Syntax is what a value is on the wire: its tag in ASN.1 (RFC 2578, RFC 3416).
type Syntax uint8

// The syntaxes. Those that stand for no value are Exceptions.
const (
	SyntaxInteger     Syntax = 0x02 // INTEGER, Integer32
	SyntaxOctetString Syntax = 0x04
	SyntaxNull        Syntax = 0x05
	SyntaxObject      Syntax = 0x06 // OBJECT IDENTIFIER
	SyntaxIPAddress   Syntax = 0x40 // of four octets
	SyntaxCounter32   Syntax = 0x41
	SyntaxGauge32     Syntax = 0x42 // Unsigned32 as well
	SyntaxTimeTicks   Syntax = 0x43 // hundredths of a second
	SyntaxOpaque      Syntax = 0x44 // anything; of net-snmp, floating-point numbers
	SyntaxCounter64   Syntax = 0x46
)

// exception reports whether s stands for no value.
func (s Syntax) exception() bool { return s >= Syntax(NoSuchObject) && s <= Syntax(EndOfMibView) }

// String returns the standard's name, such as "Counter32".
func (s Syntax) String() string {
	switch s {
	case SyntaxInteger:
		return "INTEGER"
	case SyntaxOctetString:
		return "OCTET STRING"
	case SyntaxNull:
		return "NULL"
	case SyntaxObject:
		return "OBJECT IDENTIFIER"
	case SyntaxIPAddress:
		return "IpAddress"
	case SyntaxCounter32:
		return "Counter32"
	case SyntaxGauge32:
		return "Gauge32"
	case SyntaxTimeTicks:
		return "TimeTicks"
	case SyntaxOpaque:
		return "Opaque"
	case SyntaxCounter64:
		return "Counter64"
	}
	if s.exception() {
		return Exception(s).String()
	}
	return "syntax " + strconv.Itoa(int(s))
}

// Variable is one object with its value, as an agent gave it. Where it comes from says
// how long it is valid.
type Variable struct {
	Syntax Syntax // what the value is

	name, value []byte
	refusal     ErrorStatus
}

// OID returns the object's name.
func (v Variable) OID() OID { return oidOf(v.name) }

// Err returns why there is no value: an Exception or an *ObjectError; nil if there is
// one.
func (v Variable) Err() error {
	switch {
	case v.refusal != NoError:
		return &ObjectError{OID: v.OID(), Status: v.refusal}
	case v.Syntax.exception():
		return Exception(v.Syntax)
	}
	return nil
}

// Int64 returns the value of a whole number other than a Counter64, which may be too
// large; false for anything else and for one that is malformed.
func (v Variable) Int64() (int64, bool) {
	switch v.Syntax {
	case SyntaxInteger:
		n, err := snmpwire.Int(v.value)
		return int64(n), err == nil
	case SyntaxCounter32, SyntaxGauge32, SyntaxTimeTicks:
		n, err := snmpwire.Uint32(v.value)
		return int64(n), err == nil
	}
	return 0, false
}

// Uint64 returns the value of a whole number that cannot be negative: Counter32,
// Gauge32, TimeTicks, Counter64; false for anything else and for one that is
// malformed.
func (v Variable) Uint64() (uint64, bool) {
	switch v.Syntax {
	case SyntaxCounter32, SyntaxGauge32, SyntaxTimeTicks:
		n, err := snmpwire.Uint32(v.value)
		return uint64(n), err == nil
	case SyntaxCounter64:
		n, err := snmpwire.Uint64(v.value)
		return n, err == nil
	}
	return 0, false
}

// Float64 returns the value of a float or double inside an Opaque; false for anything
// else.
func (v Variable) Float64() (float64, bool) {
	if v.Syntax != SyntaxOpaque {
		return 0, false
	}
	x, _, err := snmpwire.OpaqueFloat(v.value)
	return x, err == nil
}

// Bytes returns the octets of an OCTET STRING, IpAddress or Opaque, nil for anything
// else. They are part of v.
func (v Variable) Bytes() []byte {
	switch v.Syntax {
	case SyntaxOctetString, SyntaxIPAddress, SyntaxOpaque:
		return v.value
	}
	return nil
}

// Object returns the value of an OBJECT IDENTIFIER; false for anything else and for
// one that is malformed.
func (v Variable) Object() (OID, bool) {
	if v.Syntax != SyntaxObject || snmpwire.CheckOID(v.value) != nil {
		return "", false
	}
	return oidOf(v.value), true
}

// Clone returns v with memory of its own.
func (v Variable) Clone() Variable {
	v.name = append([]byte(nil), v.name...)
	v.value = append([]byte(nil), v.value...)
	return v
}

// String formats v as "1.3.6.1.2.1.1.3.0 = TimeTicks: 4711": texts quoted, other
// octets in hexadecimal digits.
func (v Variable) String() string {
	head := string(v.OID()) + " = "
	if v.refusal != NoError {
		return head + v.refusal.String()
	}
	head += v.Syntax.String()
	if v.Syntax.exception() {
		return head
	}
	return head + ": " + v.text()
}

func (v Variable) text() string {
	if n, ok := v.Int64(); ok {
		return strconv.FormatInt(n, 10)
	}
	if n, ok := v.Uint64(); ok {
		return strconv.FormatUint(n, 10)
	}
	if x, ok := v.Float64(); ok {
		return strconv.FormatFloat(x, 'g', -1, 64)
	}
	if o, ok := v.Object(); ok {
		return string(o)
	}
	switch {
	case v.Syntax == SyntaxIPAddress && len(v.value) == 4:
		return netip.AddrFrom4([4]byte(v.value)).String()
	case v.Syntax == SyntaxOctetString && printableText(v.value):
		return strconv.Quote(string(v.value))
	}
	return printable(v.value)
}

// printableText reports whether octets are text that can be read.
func printableText(octets []byte) bool {
	if !utf8.Valid(octets) {
		return false
	}
	for _, r := range string(octets) {
		if !strconv.IsPrint(r) && r != '\r' && r != '\n' && r != '\t' {
			return false
		}
	}
	return true
}
