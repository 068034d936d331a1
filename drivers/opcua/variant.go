package opcua

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/internal/uabin"
)

// Type is a built-in type of OPC 10000-6, section 5.1.2, by its number.
type Type uint8

// The built-in types. Enumerations are Int32, and structures are ExtensionObject.
const (
	TypeNull Type = iota // no value
	TypeBoolean
	TypeSByte
	TypeByte
	TypeInt16
	TypeUInt16
	TypeInt32
	TypeUInt32
	TypeInt64
	TypeUInt64
	TypeFloat
	TypeDouble
	TypeString
	TypeDateTime
	TypeGUID
	TypeByteString
	TypeXMLElement
	TypeNodeID
	TypeExpandedNodeID
	TypeStatusCode
	TypeQualifiedName
	TypeLocalizedText
	TypeExtensionObject
	TypeDataValue
	TypeVariant
	TypeDiagnosticInfo
)

var typeNames = [...]string{
	"Null", "Boolean", "SByte", "Byte", "Int16", "UInt16", "Int32", "UInt32", "Int64", "UInt64", "Float", "Double", "String", "DateTime", "Guid",
	"ByteString", "XmlElement", "NodeId", "ExpandedNodeId", "StatusCode", "QualifiedName", "LocalizedText", "ExtensionObject", "DataValue", "Variant",
	"DiagnosticInfo",
}

// String returns the standard's name of the type.
func (t Type) String() string {
	if int(t) < len(typeNames) {
		return typeNames[t]
	}
	return "type " + strconv.Itoa(int(t))
}

// Value is the value of an attribute as a server told it, or an element of an array, or
// a field of a structure. It is immutable, owns its memory, and may be copied. The zero
// value is none, with a good status.
//
// Its accessors return false where the value is of another type, an array, or none: no
// number is made up, and none is rounded but where Float says so.
type Value struct {
	Status     StatusCode      // of an element or a field: that of the whole
	SourceTime acquire.Instant // when the source had the value; unknown if the server does not say
	ServerTime acquire.Instant // when the server had it; unknown if it does not say

	variant    uabin.Variant
	structures []Structure // decoded, one for each ExtensionObject
	namespaces []string    // for node ids; shared
}

// newValue copies a value out of a message.
func newValue(d uabin.DataValue, namespaces []string) Value {
	at := stampsOf(&d)
	return Value{Status: StatusCode(d.Status), SourceTime: at.source, ServerTime: at.server, variant: cloneVariant(d.Value), namespaces: namespaces}
}

func cloneVariant(v uabin.Variant) uabin.Variant {
	if v.Malformed {
		return uabin.Variant{Malformed: true}
	}
	v.Bytes, v.Dimensions = bytes.Clone(v.Bytes), bytes.Clone(v.Dimensions)
	return v
}

// Type returns the built-in type of the value, or of the elements of an array.
func (v Value) Type() Type { return Type(v.variant.Type) }

// IsNone reports whether there is no value: none was sent, or what was sent contradicts
// itself, such as a matrix whose dimensions do not multiply to its length.
func (v Value) IsNone() bool { return v.variant.Malformed || v.variant.Type == uabin.Null }

// Malformed reports whether what was sent contradicts itself.
func (v Value) Malformed() bool { return v.variant.Malformed }

// IsArray reports whether the value is an array, of one or more dimensions.
func (v Value) IsArray() bool { return v.variant.Array && !v.IsNone() }

// Len returns how many elements an array has, in all dimensions together; 0 if the value
// is no array.
func (v Value) Len() int {
	if !v.IsArray() {
		return 0
	}
	return v.variant.Length
}

// Dimensions returns the length of each dimension of an array, the last of which varies
// fastest; nil if the value is no array.
func (v Value) Dimensions() []int {
	if !v.IsArray() {
		return nil
	}
	if len(v.variant.Dimensions) == 0 {
		return []int{v.variant.Length}
	}
	d := uabin.NewReader(v.variant.Dimensions)
	lengths := make([]int, len(v.variant.Dimensions)/4)
	for i := range lengths {
		lengths[i] = int(d.Int32())
	}
	return lengths
}

// At returns an element of an array, counted from 0 over all dimensions; none if there
// is no such element. Of types without a fixed length, elements in front are passed over
// each time: use All for all of them.
func (v Value) At(i int) Value {
	if i < 0 || i >= v.Len() {
		return Value{Status: v.Status, SourceTime: v.SourceTime, ServerTime: v.ServerTime}
	}
	r := v.variant.Elements()
	if size := width(v.variant.Type); size > 0 {
		r = uabin.NewReader(v.variant.Bytes[i*size:])
	} else {
		for range i {
			r.Element(v.variant.Type)
		}
	}
	return v.with(r.Element(v.variant.Type), i)
}

// All iterates over the elements of an array.
func (v Value) All() func(yield func(int, Value) bool) {
	return func(yield func(int, Value) bool) {
		r := v.variant.Elements()
		for i := range v.Len() {
			if !yield(i, v.with(r.Element(v.variant.Type), i)) {
				return
			}
		}
	}
}

// with returns the value with another content: the element i of it. A Variant is
// replaced by what it holds, and a DataValue with its status and times.
func (v Value) with(e uabin.Variant, i int) Value {
	out := v
	out.structures = nil
	if len(v.structures) > i {
		out.structures = v.structures[i : i+1 : i+1]
	}
	switch e.Type {
	case uabin.TypeVariant:
		r := uabin.NewReader(e.Bytes)
		e = r.Variant()
	case uabin.TypeDataValue:
		r := uabin.NewReader(e.Bytes)
		d := r.DataValue()
		at := stampsOf(&d)
		e, out.Status, out.SourceTime, out.ServerTime = d.Value, StatusCode(d.Status), at.source, at.server
	}
	out.variant = e
	return out
}

// scalar reports whether v is a scalar of a type.
func (v Value) scalar(t uabin.Type) bool {
	return v.variant.Type == t && !v.variant.Array && !v.variant.Malformed
}

// Bool returns a Boolean.
func (v Value) Bool() (value, ok bool) { return v.variant.Bits != 0, v.scalar(uabin.TypeBoolean) }

// Int returns an integer of any length that fits, enumerations among them.
func (v Value) Int() (int64, bool) {
	if v.variant.Array || v.variant.Malformed {
		return 0, false
	}
	switch bits := v.variant.Bits; v.variant.Type {
	case uabin.TypeSByte:
		return int64(int8(bits)), true
	case uabin.TypeInt16:
		return int64(int16(bits)), true
	case uabin.TypeInt32:
		return int64(int32(bits)), true
	case uabin.TypeInt64:
		return int64(bits), true
	case uabin.TypeByte, uabin.TypeUInt16, uabin.TypeUInt32, uabin.TypeUInt64:
		if bits <= math.MaxInt64 {
			return int64(bits), true
		}
	}
	return 0, false
}

// Uint returns an integer of any length that is not negative.
func (v Value) Uint() (uint64, bool) {
	if v.scalar(uabin.TypeUInt64) {
		return v.variant.Bits, true
	}
	n, ok := v.Int()
	if !ok || n < 0 {
		return 0, false
	}
	return uint64(n), true
}

// Float returns any number; integers beyond 2^53 are rounded to the nearest float64.
// NaN and infinities are returned as they are.
func (v Value) Float() (float64, bool) {
	switch {
	case v.scalar(uabin.TypeDouble):
		return math.Float64frombits(v.variant.Bits), true
	case v.scalar(uabin.TypeFloat):
		return float64(math.Float32frombits(uint32(v.variant.Bits))), true
	}
	if n, ok := v.Int(); ok {
		return float64(n), true
	}
	n, ok := v.Uint()
	return float64(n), ok
}

// Text returns a String, XmlElement, LocalizedText or QualifiedName, without the locale
// and the namespace of the last two; false of a null one, and of what is not UTF-8.
func (v Value) Text() (string, bool) {
	if v.variant.Array || v.variant.Malformed {
		return "", false
	}
	var text []byte
	r := uabin.NewReader(v.variant.Bytes)
	switch v.variant.Type {
	case uabin.TypeString, uabin.TypeXMLElement:
		text = v.variant.Bytes
	case uabin.TypeLocalizedText:
		text = r.LocalizedText().Text
	case uabin.TypeQualifiedName:
		text = r.QualifiedName().Name
	}
	if text == nil || !utf8.Valid(text) {
		return "", false
	}
	return string(text), true
}

// Bytes returns a copy of a ByteString, or of the contents of a String or XmlElement;
// false of a null one.
func (v Value) Bytes() ([]byte, bool) {
	if v.scalar(uabin.TypeByteString) || v.scalar(uabin.TypeString) || v.scalar(uabin.TypeXMLElement) {
		return bytes.Clone(v.variant.Bytes), v.variant.Bytes != nil
	}
	return nil, false
}

// Time returns a DateTime; false of none, of the end of time, and of one that an Instant
// does not hold.
func (v Value) Time() (acquire.Instant, bool) {
	if !v.scalar(uabin.TypeDateTime) {
		return 0, false
	}
	ns, ok := uabin.Time(v.variant.Bits).Unix()
	return acquire.Instant(ns), ok
}

// StatusCode returns a StatusCode that is the value itself.
func (v Value) StatusCode() (StatusCode, bool) {
	return StatusCode(v.variant.Bits), v.scalar(uabin.TypeStatusCode)
}

// NodeID returns a NodeId, or an ExpandedNodeId of a node of the same server, with the
// URI of its namespace.
func (v Value) NodeID() (NodeID, bool) {
	r := uabin.NewReader(v.variant.Bytes)
	switch {
	case v.scalar(uabin.TypeNodeID):
		return nameNode(r.NodeID(), v.namespaces), true
	case v.scalar(uabin.TypeExpandedNodeID):
		return nameExpanded(r.ExpandedNodeID(), v.namespaces)
	}
	return "", false
}

// GUID returns a Guid as text in lower case.
func (v Value) GUID() (string, bool) {
	if !v.scalar(uabin.TypeGUID) {
		return "", false
	}
	id := uabin.NodeID{Kind: uabin.GUID, Bytes: v.variant.Bytes}
	return strings.ToLower(string(id.AppendText(nil)[len("g="):])), true
}

// Structure returns a structure, decoded as the server defines it. Its Err tells why it
// could not be.
func (v Value) Structure() (Structure, bool) {
	if !v.scalar(uabin.TypeExtensionObject) {
		return Structure{}, false
	}
	if len(v.structures) != 1 {
		return Structure{Err: errNotDecoded}, true
	}
	return v.structures[0], true
}

// errNotDecoded is a structure that was left as it came: there were too many at once, or
// it is in an array of any types.
var errNotDecoded = errors.New("opcua: structure was not decoded")

// maxPrinted is about how much of a value String prints.
const maxPrinted = 4096

// String returns the value for people, at most about 4 KiB of it. Texts are quoted.
func (v Value) String() string { return string(v.append(nil, 0)) }

func (v Value) append(b []byte, depth int) []byte {
	switch {
	case v.Malformed():
		return append(b, "malformed"...)
	case v.IsNone():
		return append(b, "none"...)
	case depth > 10 || len(b) > maxPrinted:
		return append(b, "..."...)
	case v.IsArray():
		b = append(b, '[')
		for i, e := range v.All() {
			if i > 0 {
				b = append(b, ' ')
			}
			if b = e.append(b, depth+1); len(b) > maxPrinted {
				return append(b, " ...]"...)
			}
		}
		return append(b, ']')
	}
	switch t := v.variant.Type; t {
	case uabin.TypeBoolean:
		return strconv.AppendBool(b, v.variant.Bits != 0)
	case uabin.TypeFloat:
		return strconv.AppendFloat(b, float64(math.Float32frombits(uint32(v.variant.Bits))), 'g', -1, 32)
	case uabin.TypeDouble:
		return strconv.AppendFloat(b, math.Float64frombits(v.variant.Bits), 'g', -1, 64)
	case uabin.TypeDateTime:
		at, _ := v.Time()
		return append(b, at.String()...)
	case uabin.TypeStatusCode:
		return append(b, StatusCode(v.variant.Bits).String()...)
	case uabin.TypeByteString:
		return hex.AppendEncode(b, v.variant.Bytes[:min(len(v.variant.Bytes), maxPrinted/2)])
	case uabin.TypeGUID:
		id, _ := v.GUID()
		return append(b, id...)
	case uabin.TypeNodeID, uabin.TypeExpandedNodeID:
		id, ok := v.NodeID()
		if !ok {
			return append(b, "node of another server"...)
		}
		return append(b, id...)
	case uabin.TypeExtensionObject:
		s, ok := v.Structure()
		if !ok {
			return append(b, "structure"...)
		}
		return s.append(b, depth)
	}
	if text, ok := v.Text(); ok {
		return strconv.AppendQuote(b, text[:min(len(text), maxPrinted)])
	}
	if n, ok := v.Int(); ok {
		return strconv.AppendInt(b, n, 10)
	}
	if n, ok := v.Uint(); ok {
		return strconv.AppendUint(b, n, 10)
	}
	return fmt.Appendf(b, "%s without a value", v.Type())
}
