package uabin

import (
	"math"
	"strconv"
)

// Status is a StatusCode (OPC 10000-4, section 7.39): two bits of severity, 14 of
// code and 16 of flags.
type Status uint32

// IsGood reports whether the severity is good.
func (s Status) IsGood() bool { return s>>30 == 0 }

// IsUncertain reports whether the severity is uncertain.
func (s Status) IsUncertain() bool { return s>>30 == 1 }

// IsBad reports whether the severity is bad, or none that is known.
func (s Status) IsBad() bool { return s>>31 == 1 }

// Code returns severity and code without the flags, the number that tables name.
func (s Status) Code() uint16 { return uint16(s >> 16) }

// Overflow reports whether the server lost values of a queue before or after this
// one: InfoType is DataValue (bits 10 and 11 are 01) and bit 7 is set.
func (s Status) Overflow() bool { return s>>10&3 == 1 && s>>7&1 == 1 }

// Time is a DateTime: intervals of 100 ns since 1 January 1601 UTC. Zero and less
// is none, and the largest value is the end of time (OPC 10000-6, section
// 5.2.2.5).
type Time int64

// epoch is 1970 in intervals of 100 ns after 1601.
const epoch = 116_444_736_000_000_000

// Unix returns nanoseconds after 1970, if there is a time and they fit an int64:
// from 1677 to 2262.
func (t Time) Unix() (int64, bool) {
	if t <= 0 || t == math.MaxInt64 {
		return 0, false
	}
	d := int64(t) - epoch
	const most = math.MaxInt64 / 100
	if d > most || d < -most {
		return 0, false
	}
	return d * 100, true
}

// FromUnix returns the DateTime of nanoseconds after 1970, rounded down.
func FromUnix(ns int64) Time {
	d := ns / 100
	if ns%100 < 0 {
		d--
	}
	return Time(d + epoch)
}

// IDKind says what identifies a node within its namespace (OPC 10000-3, section
// 8.2).
type IDKind uint8

// The kinds.
const (
	Numeric IDKind = iota // a number
	Named                 // a string
	GUID                  // 16 bytes, as encoded
	Opaque                // a byte string
)

// NodeID is a NodeId. Its Bytes are part of the message.
type NodeID struct {
	Namespace uint16 // index into the server's NamespaceArray
	Kind      IDKind // which of the following holds
	Number    uint32 // of a Numeric
	Bytes     []byte // of the others
}

// NodeID reads a NodeId (section 5.2.2.9).
func (r *Reader) NodeID() NodeID { return r.nodeID(r.Byte()) }

func (r *Reader) nodeID(encoding byte) (id NodeID) {
	switch encoding {
	case 0x00:
		id.Number = uint32(r.Byte())
	case 0x01:
		id.Namespace = uint16(r.Byte())
		id.Number = uint32(r.Uint16())
	case 0x02:
		id.Namespace = r.Uint16()
		id.Number = r.Uint32()
	case 0x03:
		id.Namespace, id.Kind = r.Uint16(), Named
		id.Bytes = r.Bytes()
	case 0x04:
		id.Namespace, id.Kind = r.Uint16(), GUID
		id.Bytes = r.take(16)
	case 0x05:
		id.Namespace, id.Kind = r.Uint16(), Opaque
		id.Bytes = r.Bytes()
	default:
		r.fail(ErrEncoding)
	}
	return id
}

// ExpandedNodeID is an ExpandedNodeId.
type ExpandedNodeID struct {
	NodeID             // its namespace is an index unless URI is given
	URI         []byte // of the namespace; nil if there is none
	ServerIndex uint32 // 0 is the server itself
}

// ExpandedNodeID reads an ExpandedNodeId (section 5.2.2.10).
func (r *Reader) ExpandedNodeID() (id ExpandedNodeID) {
	const uri, server = 0x80, 0x40
	encoding := r.Byte()
	id.NodeID = r.nodeID(encoding &^ (uri | server))
	if encoding&uri != 0 {
		id.URI = r.Bytes()
	}
	if encoding&server != 0 {
		id.ServerIndex = r.Uint32()
	}
	return id
}

// QualifiedName is a QualifiedName; Name is part of the message.
type QualifiedName struct {
	Namespace uint16 // index into the server's NamespaceArray
	Name      []byte // UTF-8
}

// QualifiedName reads a QualifiedName.
func (r *Reader) QualifiedName() QualifiedName {
	return QualifiedName{r.Uint16(), r.Bytes()}
}

// LocalizedText is a LocalizedText; its parts are parts of the message.
type LocalizedText struct {
	Locale []byte // such as "en-US"; nil if there is none
	Text   []byte // UTF-8; nil if there is none
}

// LocalizedText reads a LocalizedText (section 5.2.2.14).
func (r *Reader) LocalizedText() (t LocalizedText) {
	mask := r.Byte()
	if mask&1 != 0 {
		t.Locale = r.Bytes()
	}
	if mask&2 != 0 {
		t.Text = r.Bytes()
	}
	return t
}

// ExtensionObject is a structure in its encoded form.
type ExtensionObject struct {
	Type   NodeID // of its encoding
	Binary bool   // Body is OPC UA Binary; else XML, or there is none
	Body   []byte // nil if there is none
}

// ExtensionObject reads an ExtensionObject (section 5.2.2.15).
func (r *Reader) ExtensionObject() (o ExtensionObject) {
	o.Type = r.NodeID()
	switch r.Byte() {
	case 0:
	case 1:
		o.Binary = true
		o.Body = r.Bytes()
	case 2:
		o.Body = r.Bytes()
	default:
		r.fail(ErrEncoding)
	}
	return o
}

// SkipDiagnostic passes over a DiagnosticInfo (section 5.2.2.12).
func (r *Reader) SkipDiagnostic() {
	for level := 0; ; level++ {
		if level > MaxDepth {
			r.fail(ErrDepth)
			return
		}
		mask := r.Byte()
		for bit := range 4 { // symbolic id, namespace, locale, text
			if mask>>bit&1 != 0 {
				r.Uint32()
			}
		}
		if mask&0x10 != 0 {
			r.Bytes()
		}
		if mask&0x20 != 0 {
			r.Uint32()
		}
		if mask&0x40 == 0 || r.err != nil {
			return
		}
	}
}

// SkipDiagnostics passes over an array of DiagnosticInfo.
func (r *Reader) SkipDiagnostics() {
	for range r.Count(1) {
		r.SkipDiagnostic()
	}
}

// AppendText appends the identifier as OPC 10000-6, section 5.3.1.10, writes it,
// such as "ns=2;s=Meter1.Power".
func (id NodeID) AppendText(dst []byte) []byte {
	if id.Namespace != 0 {
		dst = append(dst, "ns="...)
		dst = strconv.AppendUint(dst, uint64(id.Namespace), 10)
		dst = append(dst, ';')
	}
	const hex = "0123456789ABCDEF"
	switch id.Kind {
	case Numeric:
		dst = append(dst, "i="...)
		dst = strconv.AppendUint(dst, uint64(id.Number), 10)
	case Named:
		dst = append(dst, "s="...)
		dst = append(dst, id.Bytes...)
	case GUID:
		dst = append(dst, "g="...)
		if len(id.Bytes) != 16 {
			return append(dst, '?')
		}
		for i, at := range [16]int{3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15} {
			if i == 4 || i == 6 || i == 8 || i == 10 {
				dst = append(dst, '-')
			}
			dst = append(dst, hex[id.Bytes[at]>>4], hex[id.Bytes[at]&15])
		}
	default:
		dst = append(dst, "b="...)
		dst = appendBase64(dst, id.Bytes)
	}
	return dst
}
