package snmptest

import (
	"math"
	"time"

	"github.com/fieldtap/fieldtap/internal/snmpwire"
)

// Value is what an object reads: a type and its encoded contents. It is comparable and never changes. The zero value stands
// for an object that is not there at that moment: a GET of it finds no instance, a walk passes over it.
type Value struct {
	tag      snmpwire.Tag
	contents string
}

// Integer is an INTEGER or Integer32.
func Integer(v int32) Value { return parse(snmpwire.AppendInt(nil, snmpwire.Integer, int64(v))) }

// Text is an OCTET STRING with the bytes of s, which need not be text.
func Text(s string) Value { return Value{snmpwire.OctetString, s} }

// Null is a NULL.
func Null() Value { return Value{snmpwire.Null, ""} }

// ObjectID is an OBJECT IDENTIFIER. A malformed one gives an encoding that is malformed as well.
func ObjectID(oid string) Value {
	b, err := snmpwire.AppendOID(nil, oid)
	if err != nil {
		b = []byte{0x80}
	}
	return Value{snmpwire.ObjectID, string(b)}
}

// IPAddress is an IpAddress.
func IPAddress(a [4]byte) Value { return Value{snmpwire.IPAddress, string(a[:])} }

// Counter32 is a Counter32.
func Counter32(v uint32) Value { return parse(snmpwire.AppendUint(nil, snmpwire.Counter32, uint64(v))) }

// Gauge32 is a Gauge32 or Unsigned32.
func Gauge32(v uint32) Value { return parse(snmpwire.AppendUint(nil, snmpwire.Gauge32, uint64(v))) }

// TimeTicks is a TimeTicks, in hundredths of a second.
func TimeTicks(v uint32) Value { return parse(snmpwire.AppendUint(nil, snmpwire.TimeTicks, uint64(v))) }

// Counter64 is a Counter64, which version 1 cannot carry.
func Counter64(v uint64) Value { return parse(snmpwire.AppendUint(nil, snmpwire.Counter64, v)) }

// Opaque is an Opaque with the given contents.
func Opaque(contents string) Value { return Value{snmpwire.Opaque, contents} }

// OpaqueFloat is an Opaque that wraps a 32-bit float, as net-snmp writes it.
func OpaqueFloat(v float32) Value {
	b := math.Float32bits(v)
	return Opaque(string([]byte{0x9F, 0x78, 4, byte(b >> 24), byte(b >> 16), byte(b >> 8), byte(b)}))
}

// NoSuchObject and NoSuchInstance are the exceptions of RFC 3416, section 3, for objects that shall answer with one in
// particular. A walk passes over them.
func NoSuchObject() Value { return Value{snmpwire.NoSuchObject, ""} }

// NoSuchInstance is described at [NoSuchObject].
func NoSuchInstance() Value { return Value{snmpwire.NoSuchInstance, ""} }

// EndOfView is the exception endOfMibView, for faults. A walk passes over an object with this value.
func EndOfView() Value { return Value{snmpwire.EndOfMibView, ""} }

// Raw is a value of any type octet with any contents, valid or not.
func Raw(tag byte, contents []byte) Value { return Value{snmpwire.Tag(tag), string(contents)} }

// Tag returns the type octet, 0 of the zero value.
func (v Value) Tag() byte { return byte(v.tag) }

// Contents returns the encoded contents.
func (v Value) Contents() []byte { return []byte(v.contents) }

// Read returns v: a Value is an [Object] that does not change.
func (v Value) Read(Clock) Value { return v }

func (v Value) append(dst []byte) []byte {
	return append(snmpwire.AppendHeader(dst, v.tag, len(v.contents)), v.contents...)
}

// absent tells whether a walk passes over the value.
func (v Value) absent() bool {
	return v.tag == 0 || v.tag == snmpwire.NoSuchObject || v.tag == snmpwire.NoSuchInstance || v.tag == snmpwire.EndOfMibView
}

// parse takes an encoded value apart.
func parse(encoded []byte) Value {
	tag, contents, _, err := snmpwire.Read(encoded)
	if err != nil {
		return Value{}
	}
	return Value{tag, string(contents)}
}

// Clock is the moment of a reading. All objects of one request are read at the same one.
type Clock struct {
	Now   time.Time     // by the server's clock
	Up    time.Duration // since the agent's last start; an object that restarts with the agent is a function of it
	Boots int32         // how often the agent has started, the engine boots of version 3
}

// Object is something that can be read. [Value] and [Func] are objects. Reads come from several goroutines at once.
type Object interface {
	// Read returns the value at that moment, the zero Value if the object is not there.
	Read(c Clock) Value
}

// Func is an object whose value is computed.
type Func func(c Clock) Value

// Read calls f.
func (f Func) Read(c Clock) Value { return f(c) }

// Uptime is sysUpTime: the time since the last start in hundredths of a second, which starts over after 497 days.
func Uptime() Object {
	return Func(func(c Clock) Value { return TimeTicks(uint32(c.Up / (10 * time.Millisecond))) })
}

// Climb32 is a Counter32 that starts at initial when the agent does, grows by perSecond, and wraps at 2^32.
func Climb32(initial uint32, perSecond uint64) Object {
	return Func(func(c Clock) Value { return Counter32(uint32(climb(uint64(initial), perSecond, c.Up))) })
}

// Climb64 is a Counter64 that starts at initial when the agent does, grows by perSecond, and wraps at 2^64.
func Climb64(initial, perSecond uint64) Object {
	return Func(func(c Clock) Value { return Counter64(climb(initial, perSecond, c.Up)) })
}

// climb returns initial + perSecond·up, modulo 2^64, without rounding but downwards.
func climb(initial, perSecond uint64, up time.Duration) uint64 {
	if up < 0 {
		return initial
	}
	seconds, rest := uint64(up/time.Second), uint64(up%time.Second)
	return initial + perSecond*seconds + fraction(perSecond, rest)
}
