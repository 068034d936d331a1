package snmp

import "strconv"

// Type is what an agent gives for an object. A value of another type than its point's
// is bad, because of acquire.Protocol. The zero value is Number.
type Type uint8

// The types.
const (
	Number      Type = iota // any of the numbers below but Decimal, whichever comes
	Int32                   // INTEGER, Integer32
	Uint32                  // Unsigned32, Gauge32
	Counter32               // Counter32
	Counter64               // Counter64, also inside Opaque
	TimeTicks               // hundredths of a second
	Float                   // float or double inside Opaque
	Decimal                 // a decimal number in an OCTET STRING, such as "-12.5"
	Bool                    // TruthValue: 1 is true, 2 is false
	Text                    // OCTET STRING of UTF-8, such as DisplayString and SnmpAdminString
	Latin1                  // OCTET STRING of ISO 8859-1
	Hex                     // OCTET STRING or Opaque of any octets, as hexadecimal text
	MAC                     // OCTET STRING of one octet or more, as text such as "00:1b:c5:00:00:01"
	IPAddress               // IpAddress, or OCTET STRING of 4 or 16 octets, as text such as "192.0.2.1"
	Object                  // OBJECT IDENTIFIER, as text in digits
	DateAndTime             // OCTET STRING of 8 or 11 octets (RFC 2579): the instant, in nanoseconds since 1970 UTC
	maxType     = DateAndTime
)

var typeNames = [...]string{
	"number", "int32", "uint32", "counter32", "counter64", "timeticks", "float", "decimal",
	"bool", "text", "latin1", "hex", "mac", "ipaddress", "object", "dateandtime",
}

// String returns the type's name in lower case, such as "counter64".
func (t Type) String() string {
	if t <= maxType {
		return typeNames[t]
	}
	return "type " + strconv.Itoa(int(t))
}

// integer reports whether values are whole numbers before they are scaled.
func (t Type) integer() bool { return Int32 <= t && t <= TimeTicks }

// number reports whether values are numbers, which a scale applies to.
func (t Type) number() bool { return t <= Decimal }

// text reports whether values are texts.
func (t Type) text() bool { return Text <= t && t <= Object }

// size returns about how many octets a value takes in an answer, its tag and length
// included.
func (t Type) size() int {
	switch t {
	case Counter64:
		return 10
	case Text, Latin1, Hex, Object:
		return 34
	case Decimal, DateAndTime, MAC, IPAddress, Float:
		return 13
	case Bool:
		return 3
	}
	return 7
}
