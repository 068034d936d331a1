package uabin

import (
	"encoding/base64"
	"math"
)

func appendBase64(dst, b []byte) []byte { return base64.StdEncoding.AppendEncode(dst, b) }

// Type is the number of a built-in type (OPC 10000-6, section 5.1.2).
type Type uint8

// The built-in types.
const (
	Null                Type = 0
	TypeBoolean         Type = 1
	TypeSByte           Type = 2
	TypeByte            Type = 3
	TypeInt16           Type = 4
	TypeUInt16          Type = 5
	TypeInt32           Type = 6
	TypeUInt32          Type = 7
	TypeInt64           Type = 8
	TypeUInt64          Type = 9
	TypeFloat           Type = 10
	TypeDouble          Type = 11
	TypeString          Type = 12
	TypeDateTime        Type = 13
	TypeGUID            Type = 14
	TypeByteString      Type = 15
	TypeXMLElement      Type = 16
	TypeNodeID          Type = 17
	TypeExpandedNodeID  Type = 18
	TypeStatusCode      Type = 19
	TypeQualifiedName   Type = 20
	TypeLocalizedText   Type = 21
	TypeExtensionObject Type = 22
	TypeDataValue       Type = 23
	TypeVariant         Type = 24
	TypeDiagnosticInfo  Type = 25
	maxType             Type = 31 // 26 to 31 are reserved, and read as a ByteString
)

// least is how many bytes the smallest value of a type takes.
var least = [maxType + 1]int{
	TypeBoolean: 1, TypeSByte: 1, TypeByte: 1, TypeInt16: 2, TypeUInt16: 2, TypeInt32: 4, TypeUInt32: 4, TypeInt64: 8, TypeUInt64: 8,
	TypeFloat: 4, TypeDouble: 8, TypeString: 4, TypeDateTime: 8, TypeGUID: 16, TypeByteString: 4, TypeXMLElement: 4, TypeNodeID: 2,
	TypeExpandedNodeID: 2, TypeStatusCode: 4, TypeQualifiedName: 6, TypeLocalizedText: 1, TypeExtensionObject: 3, TypeDataValue: 1,
	TypeVariant: 1, TypeDiagnosticInfo: 1,
	26: 4, 27: 4, 28: 4, 29: 4, 30: 4, 31: 4,
}

// Variant is a value with its type, decoded as far as its end is known: the bits of
// a number, and the bytes of everything else.
type Variant struct {
	Type      Type   // of the value, or of each element
	Array     bool   // Bytes are Length elements, without the length
	Malformed bool   // it contradicts itself: it has no value
	Length    int    // of an array
	Bits      uint64 // of a scalar up to 8 bytes, zero extended as it was encoded
	// Bytes are the contents of a scalar String, ByteString, XmlElement or Guid, the
	// encoded form of any other scalar that is no number, and that of the elements of
	// an array. They are part of the message.
	Bytes []byte
	// Dimensions are those of a matrix, 4 bytes each as encoded; nil if there are none.
	Dimensions []byte
}

// Variant reads a Variant (section 5.2.2.16).
func (r *Reader) Variant() (v Variant) {
	const array, dimensions = 0x80, 0x40
	encoding := r.Byte()
	v.Type = Type(encoding & 0x3f)
	if v.Type > maxType {
		r.fail(ErrEncoding)
		return v
	}
	if encoding&array == 0 {
		r.scalar(&v)
		// Dimensions without an array mean nothing: section 5.2.2.16 sets the bit for
		// arrays alone.
		v.Malformed = v.Malformed || encoding&dimensions != 0
		return v
	}
	v.Array = true
	v.Length = r.Count(least[v.Type])
	if v.Type == Null && v.Length > 0 {
		v.Malformed, v.Length = true, 0
	}
	before := r.rest
	r.skip(v.Type, v.Length)
	v.Bytes = consumed(before, r.rest)
	if encoding&dimensions != 0 {
		n := r.Count(4)
		v.Dimensions = r.take(4 * n)
		if !fits(v.Dimensions, v.Length) {
			v.Malformed = true
		}
	}
	return v
}

// consumed returns the bytes by which after is shorter than before.
func consumed(before, after []byte) []byte {
	n := len(before) - len(after)
	return before[:n:n]
}

// fits reports whether dimensions multiply to the length.
func fits(dimensions []byte, length int) bool {
	product := int64(1)
	for d := NewReader(dimensions); len(d.rest) > 0; {
		n := d.Int32()
		if n < 0 {
			return false
		}
		if product *= int64(n); product > math.MaxInt32 {
			return false
		}
	}
	return product == int64(length)
}

// scalar reads one value of v's type.
func (r *Reader) scalar(v *Variant) {
	switch v.Type {
	case Null:
	case TypeBoolean, TypeSByte, TypeByte:
		v.Bits = uint64(r.Byte())
	case TypeInt16, TypeUInt16:
		v.Bits = uint64(r.Uint16())
	case TypeInt32, TypeUInt32, TypeFloat, TypeStatusCode:
		v.Bits = uint64(r.Uint32())
	case TypeInt64, TypeUInt64, TypeDouble, TypeDateTime:
		v.Bits = r.Uint64()
	case TypeGUID:
		v.Bytes = r.take(16)
	case TypeNodeID, TypeExpandedNodeID, TypeQualifiedName, TypeLocalizedText, TypeExtensionObject, TypeDataValue, TypeVariant, TypeDiagnosticInfo:
		// A Variant within a Variant must be an array of them (section 5.1.6); one that
		// is not is read all the same, for the sake of what follows.
		before := r.rest
		r.skip(v.Type, 1)
		v.Bytes = consumed(before, r.rest)
	default:
		v.Bytes = r.Bytes()
	}
}

// skip passes over n values of a type.
func (r *Reader) skip(t Type, n int) {
	switch size := least[t]; t {
	case Null:
	case TypeBoolean, TypeSByte, TypeByte, TypeInt16, TypeUInt16, TypeInt32, TypeUInt32, TypeInt64, TypeUInt64, TypeFloat, TypeDouble,
		TypeDateTime, TypeGUID, TypeStatusCode:
		r.take(n * size)
	default:
		for range n {
			if r.err != nil {
				return
			}
			r.skipOne(t)
		}
	}
}

func (r *Reader) skipOne(t Type) {
	if !r.enter() {
		return
	}
	defer r.leave()
	switch t {
	case TypeNodeID:
		r.NodeID()
	case TypeExpandedNodeID:
		r.ExpandedNodeID()
	case TypeQualifiedName:
		r.QualifiedName()
	case TypeLocalizedText:
		r.LocalizedText()
	case TypeExtensionObject:
		r.ExtensionObject()
	case TypeDataValue:
		r.DataValue()
	case TypeVariant:
		r.Variant()
	case TypeDiagnosticInfo:
		r.SkipDiagnostic()
	default:
		r.Bytes()
	}
}

// Elements returns a reader of an array's elements.
func (v Variant) Elements() Reader { return NewReader(v.Bytes) }

// Element reads the next element of an array of a type, as a scalar.
func (r *Reader) Element(t Type) Variant {
	v := Variant{Type: t}
	r.scalar(&v)
	return v
}

// DataValue is a DataValue. Fields that were not sent are zero: a Status of zero is
// good, as section 5.2.2.17 has it.
type DataValue struct {
	Value            Variant // Null if none was sent
	Status           Status
	SourceTime       Time   // zero if none was sent
	ServerTime       Time   // zero if none was sent
	SourcePicosecond uint16 // in intervals of 10 ps, beyond SourceTime
	ServerPicosecond uint16 // the same of ServerTime
}

// DataValue reads a DataValue (section 5.2.2.17).
func (r *Reader) DataValue() (v DataValue) {
	mask := r.Byte()
	if mask&0x01 != 0 {
		if !r.enter() {
			return v
		}
		v.Value = r.Variant()
		r.leave()
	}
	if mask&0x02 != 0 {
		v.Status = r.Status()
	}
	if mask&0x04 != 0 {
		v.SourceTime = r.Time()
	}
	if mask&0x10 != 0 {
		v.SourcePicosecond = r.Uint16()
	}
	if mask&0x08 != 0 {
		v.ServerTime = r.Time()
	}
	if mask&0x20 != 0 {
		v.ServerPicosecond = r.Uint16()
	}
	return v
}
