package snmptest

import (
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/fieldtap/fieldtap/internal/snmpwire"
)

// Silent sends no reply.
func Silent() Fault { return func(x *Exchange) { x.Drop = true } }

// Late sends every reply d later, without holding up those that follow.
func Late(d time.Duration) Fault { return func(x *Exchange) { x.Late += d } }

// Duplicated sends the reply n times in a row.
func Duplicated(n int) Fault { return func(x *Exchange) { x.Copies = n } }

// ForeignSource sends the reply from another port. Over a connection it changes nothing.
func ForeignSource() Fault { return func(x *Exchange) { x.Foreign = true } }

// Torn sends the reply in parts of the given lengths, then the rest, with a pause after each. Over UDP each is a datagram.
func Torn(pieces []int, pause time.Duration) Fault {
	pieces = slices.Clone(pieces)
	return func(x *Exchange) { x.Pieces, x.Pause = pieces, pause }
}

// Closing closes the connection after the reply. Together with [Silent] it closes without one.
func Closing() Fault { return func(x *Exchange) { x.Close = true } }

// Stale answers with the reply to the request before, as it went out or would have. The first request has no answer. In
// version 3 it is a replay: authentic, and too old sooner or later.
func Stale() Fault {
	var before []byte
	return func(x *Exchange) {
		old := before
		if old == nil {
			x.Copies = 0 // encoded all the same, to have something for the next time
		}
		x.Wire(func(m []byte) []byte {
			before = m
			return slices.Clone(old)
		})
	}
}

// Frozen answers every request with the reply to the first that it sees, however old that is.
func Frozen() Fault {
	var first []byte
	return func(x *Exchange) {
		x.Wire(func(m []byte) []byte {
			if first == nil {
				first = m
			}
			return slices.Clone(first)
		})
	}
}

// Faults of the header.

// WithRequestID answers under the given request id; 0 is what some clients take for anything.
func WithRequestID(id int32) Fault { return func(x *Exchange) { x.Reply.PDU.RequestID = id } }

// WrongRequestID inverts a bit of the request id.
func WrongRequestID() Fault { return func(x *Exchange) { x.Reply.PDU.RequestID ^= 0x100 } }

// WrongCommunity answers with another community.
func WrongCommunity() Fault { return func(x *Exchange) { x.Reply.Community += "x" } }

// WrongVersion answers in another version: 1 for 2c, 2c for 1 and 3.
func WrongVersion() Fault {
	return func(x *Exchange) {
		if x.Reply.Version == V2c {
			x.Reply.Version = V1
		} else {
			x.Reply.Version = V2c
		}
	}
}

// WithType answers with a PDU of another type, such as GetRequest or Report.
func WithType(t PDUType) Fault { return func(x *Exchange) { x.Reply.PDU.Type = t } }

// WithStatus answers with an error-status and an error-index, of whatever sense, and the bindings of the request.
func WithStatus(status, index int32) Fault {
	return func(x *Exchange) {
		x.Reply.PDU.Status, x.Reply.PDU.Index = status, index
		x.Reply.PDU.Bindings = slices.Clone(x.Request.PDU.Bindings)
	}
}

// StatusAt answers with an error-status whenever an object at or below oid is asked for or would be told, and with the index of
// the binding that it is asked with.
func StatusAt(oid string, status int32) Fault {
	return func(x *Exchange) {
		asked := x.Request.PDU
		at := slices.IndexFunc(asked.Bindings, func(b Binding) bool {
			return asked.Type == ReadRequest && within(b.OID, oid)
		})
		if at < 0 {
			at = slices.IndexFunc(x.Reply.PDU.Bindings, func(b Binding) bool {
				return b.Value.tag != snmpwire.EndOfMibView && within(b.OID, oid)
			})
			if fixed := int(max(asked.Status, 0)); asked.Type == BulkRequest && at >= fixed && len(asked.Bindings) > fixed {
				at = fixed + (at-fixed)%(len(asked.Bindings)-fixed)
			}
		}
		if at >= 0 {
			WithStatus(status, int32(at+1))(x)
		}
	}
}

// TooBigAbove answers tooBig to requests of more than n bindings, and cuts answers to a GetBulkRequest after n.
func TooBigAbove(n int) Fault {
	return func(x *Exchange) {
		switch {
		case x.Request.PDU.Type == BulkRequest:
			x.Reply.PDU.Bindings = x.Reply.PDU.Bindings[:min(n, len(x.Reply.PDU.Bindings))]
		case len(x.Request.PDU.Bindings) > n:
			WithStatus(TooBig, 0)(x)
			if x.Request.Version != V1 {
				x.Reply.PDU.Bindings = nil
			}
		}
	}
}

// TooBigAboveBytes answers tooBig to whatever needs more than n octets of bindings, a GetBulkRequest included, as agents with a
// small buffer do.
func TooBigAboveBytes(n int) Fault {
	return func(x *Exchange) {
		if len(closeBindings(x.Reply.PDU.Bindings)) > n {
			WithStatus(TooBig, 0)(x)
			if x.Request.Version != V1 {
				x.Reply.PDU.Bindings = nil
			}
		}
	}
}

// Faults of the bindings.

// Stuck answers GETNEXT and GETBULK with the very names that were asked with: a walk that believes it never ends.
func Stuck() Fault {
	return func(x *Exchange) {
		if asked := x.Request.PDU.Bindings; walking(x) && len(asked) > 0 {
			for i := range x.Reply.PDU.Bindings {
				x.Reply.PDU.Bindings[i].OID = asked[i%len(asked)].OID
			}
		}
	}
}

// Backwards reverses the order of the bindings of a GETBULK, so that its names fall. With fewer than two it changes nothing.
func Backwards() Fault {
	return func(x *Exchange) {
		if x.Request.PDU.Type == BulkRequest {
			slices.Reverse(x.Reply.PDU.Bindings)
		}
	}
}

// Endless answers every GETNEXT and GETBULK with names below column that grow for ever, column.1, column.2
// and so on, all with that value.
func Endless(column string, v Value) Fault {
	return func(x *Exchange) {
		asked := x.Request.PDU
		if !walking(x) || len(asked.Bindings) == 0 {
			return
		}
		rows := 1
		if asked.Type == BulkRequest {
			rows = min(max(int(asked.Index), 0), 1000/len(asked.Bindings)+1)
		}
		x.Reply.PDU.Status, x.Reply.PDU.Index, x.Reply.PDU.Bindings = 0, 0, nil
		names := make([]string, len(asked.Bindings))
		for i, b := range asked.Bindings {
			names[i] = b.OID
		}
		for range rows {
			for i, name := range names {
				names[i] = following(name, column)
				x.Reply.PDU.Bindings = append(x.Reply.PDU.Bindings, Binding{names[i], v})
			}
		}
	}
}

// following returns a name below column that comes after name.
func following(name, column string) string {
	rest, ok := strings.CutPrefix(name, column+".")
	if !ok {
		return column + ".1"
	}
	last := rest[strings.LastIndexByte(rest, '.')+1:]
	if n, err := strconv.ParseUint(last, 10, 32); err == nil && n < 1<<32-1 {
		return name[:len(name)-len(last)] + strconv.FormatUint(n+1, 10)
	}
	return name + ".1"
}

// Giant answers with strings of n octets in place of all values. Bindings after the first 16 MiB of them are left out. More than 65507
// octets are no datagram, and are not sent over UDP.
func Giant(n int) Fault {
	v := Text(strings.Repeat("x", max(n, 0)))
	return func(x *Exchange) {
		b := x.Reply.PDU.Bindings
		x.Reply.PDU.Bindings = b[:min(len(b), 1<<24/max(n, 1)+1)]
		Replaced(v)(x)
	}
}

// Replaced answers with v in place of all values, of whatever type they are: exceptions, NULL, or a type that nobody expects.
func Replaced(v Value) Fault {
	return func(x *Exchange) {
		for i := range x.Reply.PDU.Bindings {
			x.Reply.PDU.Bindings[i].Value = v
		}
	}
}

// ReplacedAt is [Replaced] for the objects at or below oid alone.
func ReplacedAt(oid string, v Value) Fault {
	return func(x *Exchange) {
		for i, b := range x.Reply.PDU.Bindings {
			if within(b.OID, oid) {
				x.Reply.PDU.Bindings[i].Value = v
			}
		}
	}
}

// WrongTypes answers numbers as strings of their octets, and all else as the INTEGER 1.
func WrongTypes() Fault {
	return func(x *Exchange) {
		for i, b := range x.Reply.PDU.Bindings {
			switch b.Value.tag {
			case snmpwire.Integer, snmpwire.Counter32, snmpwire.Gauge32, snmpwire.TimeTicks, snmpwire.Counter64:
				x.Reply.PDU.Bindings[i].Value.tag = snmpwire.OctetString
			default:
				x.Reply.PDU.Bindings[i].Value = Integer(1)
			}
		}
	}
}

// LongNumbers gives every number nine octets more than it needs in front, not zeros: no type can hold it.
func LongNumbers() Fault {
	return func(x *Exchange) {
		for i, b := range x.Reply.PDU.Bindings {
			switch b.Value.tag {
			case snmpwire.Integer, snmpwire.Counter32, snmpwire.Gauge32, snmpwire.TimeTicks, snmpwire.Counter64:
				x.Reply.PDU.Bindings[i].Value.contents = strings.Repeat("\x01", 9) + b.Value.contents
			}
		}
	}
}

// EmptyNumbers sends numbers without any octets.
func EmptyNumbers() Fault {
	return func(x *Exchange) {
		for i, b := range x.Reply.PDU.Bindings {
			switch b.Value.tag {
			case snmpwire.Integer, snmpwire.Counter32, snmpwire.Gauge32, snmpwire.TimeTicks, snmpwire.Counter64:
				x.Reply.PDU.Bindings[i].Value.contents = ""
			}
		}
	}
}

// Swapped exchanges the names of the first two bindings, so that values stand under each other's.
func Swapped() Fault {
	return func(x *Exchange) {
		if b := x.Reply.PDU.Bindings; len(b) > 1 {
			b[0].OID, b[1].OID = b[1].OID, b[0].OID
		}
	}
}

// Reordered exchanges the first two bindings, names and values.
func Reordered() Fault {
	return func(x *Exchange) {
		if b := x.Reply.PDU.Bindings; len(b) > 1 {
			b[0], b[1] = b[1], b[0]
		}
	}
}

// Renamed answers under the given name in place of all others.
func Renamed(oid string) Fault {
	return func(x *Exchange) {
		for i := range x.Reply.PDU.Bindings {
			x.Reply.PDU.Bindings[i].OID = oid
		}
	}
}

// Missing leaves out the binding at index i, counted from 0.
func Missing(i int) Fault {
	return func(x *Exchange) {
		if b := x.Reply.PDU.Bindings; i >= 0 && i < len(b) {
			x.Reply.PDU.Bindings = slices.Delete(slices.Clone(b), i, i+1)
		}
	}
}

// Empty answers without any bindings, and without an error.
func Empty() Fault { return func(x *Exchange) { x.Reply.PDU.Bindings = nil } }

// Extra adds bindings at the end.
func Extra(bindings ...Binding) Fault {
	bindings = slices.Clone(bindings)
	return func(x *Exchange) { x.Reply.PDU.Bindings = append(slices.Clone(x.Reply.PDU.Bindings), bindings...) }
}

func walking(x *Exchange) bool {
	return x.Request.PDU.Type == NextRequest || x.Request.PDU.Type == BulkRequest
}

// Faults of the encoding.

// Garbage answers as a web server would: bytes that were never SNMP.
func Garbage() Fault { return replace([]byte("HTTP/1.1 400 Bad Request\r\n\r\n")) }

// Noise replaces the reply by random octets of the same length. Equal seeds give equal octets. One Noise is for one server.
func Noise(seed uint64) Fault {
	random := rand.NewPCG(seed, seed)
	return reshape(func(m []byte) []byte {
		for i := range m {
			m[i] = byte(random.Uint64())
		}
		return m
	})
}

// Cut sends the first n octets of the reply.
func Cut(n int) Fault {
	return reshape(func(m []byte) []byte { return m[:max(0, min(n, len(m)))] })
}

// Padded sends n zeros after the message.
func Padded(n int) Fault {
	return reshape(func(m []byte) []byte { return append(m, make([]byte, max(n, 0))...) })
}

// HeaderOnly sends a message with nothing in it.
func HeaderOnly() Fault { return replace([]byte{0x30, 0x00}) }

// BadLength lets the message claim two octets more than it has.
func BadLength() Fault {
	return reshape(func(m []byte) []byte {
		_, contents, _, err := snmpwire.Read(m)
		if err != nil {
			return m
		}
		return append(snmpwire.AppendHeader(nil, snmpwire.Sequence, len(contents)+2), contents...)
	})
}

// HugeLength lets the message claim 4 GiB less one octet.
func HugeLength() Fault { return retitle(0x84, 0xFF, 0xFF, 0xFF, 0xFF) }

// IndefiniteLength gives the message a length that is not told, which SNMP does not have (RFC 3417, section 8).
func IndefiniteLength() Fault { return retitle(0x80) }

// LongLength tells the length in four octets, as some agents do. It is allowed, and a decoder has to read it.
func LongLength() Fault {
	return reshape(func(m []byte) []byte {
		_, contents, _, err := snmpwire.Read(m)
		if err != nil {
			return m
		}
		n := len(contents)
		return append([]byte{0x30, 0x84, byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}, contents...)
	})
}

// Nested answers with n sequences within each other.
func Nested(n int) Fault {
	var m []byte
	for range n {
		m = append(snmpwire.AppendHeader(nil, snmpwire.Sequence, len(m)), m...)
	}
	return replace(m)
}

// Flipped inverts one bit of the message, counted from its first octet's top bit; beyond the end, from the beginning again. In
// version 3 the digest is not made to fit.
func Flipped(bit int) Fault {
	return reshape(func(m []byte) []byte {
		if len(m) > 0 && bit >= 0 {
			m[bit/8%len(m)] ^= 0x80 >> (bit % 8)
		}
		return m
	})
}

func reshape(edit func([]byte) []byte) Fault { return func(x *Exchange) { x.Wire(edit) } }

func replace(message []byte) Fault {
	return reshape(func([]byte) []byte { return slices.Clone(message) })
}

// retitle replaces the length of the message.
func retitle(length ...byte) Fault {
	return reshape(func(m []byte) []byte {
		_, contents, _, err := snmpwire.Read(m)
		if err != nil {
			return m
		}
		return slices.Concat([]byte{byte(snmpwire.Sequence)}, length, contents)
	})
}

// Faults of version 3. They leave other versions alone.

// WrongDigest inverts a bit of the digest.
func WrongDigest() Fault {
	return reshape(func(m []byte) []byte {
		var v snmpwire.MessageV3
		if v.Parse(m) == nil && len(v.AuthParams) > 0 {
			v.AuthParams[0] ^= 1
		}
		return m
	})
}

// WithLevel answers at another level: with NoAuthNoPriv the security is stripped, and the answer could be anybody's.
func WithLevel(l Level) Fault { return ofV3(func(x *Exchange) { x.Reply.Level = l }) }

// WithUser answers as another user. One that the server knows signs with its own keys.
func WithUser(name string) Fault { return ofV3(func(x *Exchange) { x.Reply.User = name }) }

// OtherEngine answers as another engine, with the user's keys for it: authentic, but not the agent that was asked.
func OtherEngine() Fault {
	return ofV3(func(x *Exchange) {
		x.Reply.Engine = enterprise + "\x04another"
		x.Reply.ContextEngine = x.Reply.Engine
	})
}

// OtherContext answers about another context.
func OtherContext(name string) Fault { return ofV3(func(x *Exchange) { x.Reply.Context = name }) }

// WrongMessageID answers under another message id.
func WrongMessageID() Fault { return ofV3(func(x *Exchange) { x.Reply.ID ^= 0x100 }) }

// OffTime answers with an engine time that is off by d, whole seconds of it. More than 150 seconds are out of the window.
func OffTime(d time.Duration) Fault {
	return ofV3(func(x *Exchange) { x.Reply.Time = int32(max(0, int64(x.Reply.Time)+int64(d/time.Second))) })
}

// OffBoots answers with engine boots that are off by n.
func OffBoots(n int32) Fault {
	return ofV3(func(x *Exchange) { x.Reply.Boots = max(0, x.Reply.Boots+n) })
}

// Reporting answers every request with a Report of that counter, such as "1.3.6.1.6.3.15.1.1.2.0" for
// usmStatsNotInTimeWindows, at that level: a client that corrects itself and asks again must give up at some time.
func Reporting(oid string, l Level) Fault {
	var n uint32
	return ofV3(func(x *Exchange) {
		n++
		x.Reply.Level = l
		x.Reply.PDU = PDU{Type: Report, RequestID: x.Request.PDU.RequestID, Bindings: []Binding{{oid, Counter32(n)}}}
	})
}

func ofV3(f Fault) Fault {
	return func(x *Exchange) {
		if x.Reply.Version == V3 {
			f(x)
		}
	}
}
