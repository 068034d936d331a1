package opcuatest

import (
	"encoding/binary"
	"fmt"
	"math"
	"reflect"
	"time"

	"github.com/gopcua/opcua/ua"
)

// Reading is what a variable shows at one instant. Value is of one of these types, each of which stands for one built-in type of OPC
// 10000-6, table 1:
//
//	nil                             no value
//	bool, int8, uint8, ..., uint64  Boolean, SByte, Byte, ..., UInt64
//	float32, float64                Float, Double
//	string, time.Time, []byte       String, DateTime, ByteString
//	GUID, XML, NodeID, Status       Guid, XmlElement, NodeId, StatusCode
//	ExpandedNodeID                  ExpandedNodeId
//	QualifiedName, LocalizedText    QualifiedName, LocalizedText
//	Structure, Reading              ExtensionObject, DataValue
//
// or a slice of one of them for an array, with Bytes for an array of Byte and []any for an array of Variant; a [Matrix]; or a [Raw].
type Reading struct {
	Value  any
	Status Status
	// Source is the source timestamp. Zero means the instant asked for, rounded down to the variable's Step.
	Source time.Time
}

// Types of values that Go has none for.
type (
	// Bytes is an array of Byte.
	Bytes []byte
	// GUID is a Guid in the order of its text form.
	GUID [16]byte
	// XML is an XmlElement.
	XML string
	// NodeID is a NodeId as text, such as "ns=2;s=Press.Power" or "i=2258".
	NodeID string
	// ExpandedNodeID is an ExpandedNodeId without URI and server index, as text.
	ExpandedNodeID string
	// Status is a StatusCode. The zero value is good.
	Status uint32
	// QualifiedName is a QualifiedName.
	QualifiedName struct {
		Namespace uint16 // index
		Name      string // within it
	}
	// LocalizedText is a LocalizedText. An empty field is not sent.
	LocalizedText struct {
		Locale string // such as "en"
		Text   string // in it
	}
	// Structure is an ExtensionObject: the node id of its encoding, and its fields one after the other, an optional field's mask
	// or a union's switch first.
	Structure struct {
		Encoding NodeID // of the type, not the type itself
		Fields   []any  // of the types of a Reading, or Raw
	}
	// Matrix is an array of more than one dimension. Nothing holds Dimensions against the length of Values, a slice.
	Matrix struct {
		Values     any
		Dimensions []int32
	}
	// Raw is a Variant as it is encoded, or of a field of a [Structure] the field, right or not.
	Raw []byte
)

// Ids of built-in types, OPC 10000-6, table 1.
const (
	typeByteString      = 15
	typeExtensionObject = 22
	typeVariant         = 24
)

// appendVariant appends a Variant. A value of a type that is none of those of [Reading] is sent as null.
func appendVariant(dst []byte, value any) []byte {
	switch v := value.(type) {
	case nil:
		return append(dst, 0)
	case float64: // first, since most are
		return binary.LittleEndian.AppendUint64(append(dst, 11), math.Float64bits(v))
	case Raw:
		return append(dst, v...)
	case Matrix:
		kind, array := typeOf(v.Values)
		if !array {
			return append(dst, 0)
		}
		dst = appendBare(append(dst, kind|0xC0), v.Values)
		dst = binary.LittleEndian.AppendUint32(dst, uint32(len(v.Dimensions)))
		for _, d := range v.Dimensions {
			dst = binary.LittleEndian.AppendUint32(dst, uint32(d))
		}
		return dst
	}
	kind, array := typeOf(value)
	if array {
		kind |= 0x80
	}
	return appendBare(append(dst, kind), value)
}

// typeOf returns the id of the built-in type of a value, or of its elements; 0 for none.
func typeOf(value any) (kind byte, array bool) {
	switch value := value.(type) {
	case nil:
		return 0, false
	case bool, []bool:
		kind = 1
	case int8, []int8:
		kind = 2
	case uint8, Bytes:
		kind = 3
	case int16, []int16:
		kind = 4
	case uint16, []uint16:
		kind = 5
	case int32, []int32:
		kind = 6
	case uint32, []uint32:
		kind = 7
	case int64, []int64:
		kind = 8
	case uint64, []uint64:
		kind = 9
	case float32, []float32:
		kind = 10
	case float64, []float64:
		kind = 11
	case string, []string:
		kind = 12
	case time.Time, []time.Time:
		kind = 13
	case GUID, []GUID:
		kind = 14
	case []byte:
		return typeByteString, false
	case [][]byte:
		return typeByteString, true
	case XML, []XML:
		kind = 16
	case NodeID, []NodeID:
		kind = 17
	case ExpandedNodeID, []ExpandedNodeID:
		kind = 18
	case Status, []Status:
		kind = 19
	case QualifiedName, []QualifiedName:
		kind = 20
	case LocalizedText, []LocalizedText:
		kind = 21
	case Structure, []Structure:
		kind = typeExtensionObject
	case Reading, []Reading:
		kind = 23
	case []any:
		kind = typeVariant
	case Matrix:
		kind, _ = typeOf(value.Values)
		return kind, true
	default:
		return 0, false
	}
	if _, guid := value.(GUID); guid {
		return kind, false
	}
	return kind, reflect.TypeOf(value).Kind() == reflect.Slice
}

// appendBare appends a value without the byte that tells its type, as a field of a structure is.
func appendBare(dst []byte, value any) []byte {
	switch v := value.(type) {
	case bool:
		if v {
			return append(dst, 1)
		}
		return append(dst, 0)
	case int8:
		return append(dst, byte(v))
	case uint8:
		return append(dst, v)
	case int16:
		return binary.LittleEndian.AppendUint16(dst, uint16(v))
	case uint16:
		return binary.LittleEndian.AppendUint16(dst, v)
	case int32:
		return binary.LittleEndian.AppendUint32(dst, uint32(v))
	case uint32:
		return binary.LittleEndian.AppendUint32(dst, v)
	case int64:
		return binary.LittleEndian.AppendUint64(dst, uint64(v))
	case uint64:
		return binary.LittleEndian.AppendUint64(dst, v)
	case float32:
		return binary.LittleEndian.AppendUint32(dst, math.Float32bits(v))
	case float64:
		return binary.LittleEndian.AppendUint64(dst, math.Float64bits(v))
	case string:
		return append(appendLength(dst, len(v)), v...)
	case XML:
		return append(appendLength(dst, len(v)), v...)
	case []byte:
		if v == nil {
			return appendLength(dst, -1)
		}
		return append(appendLength(dst, len(v)), v...)
	case time.Time:
		return appendTime(dst, v)
	case GUID:
		dst = append(dst, v[3], v[2], v[1], v[0], v[5], v[4], v[7], v[6])
		return append(dst, v[8:]...)
	case NodeID:
		return appendNode(dst, string(v))
	case ExpandedNodeID:
		return appendNode(dst, string(v))
	case Status:
		return binary.LittleEndian.AppendUint32(dst, uint32(v))
	case QualifiedName:
		dst = binary.LittleEndian.AppendUint16(dst, v.Namespace)
		return append(appendLength(dst, len(v.Name)), v.Name...)
	case LocalizedText:
		at := len(dst)
		dst = append(dst, 0)
		if v.Locale != "" {
			dst[at] |= 1
			dst = append(appendLength(dst, len(v.Locale)), v.Locale...)
		}
		if v.Text != "" {
			dst[at] |= 2
			dst = append(appendLength(dst, len(v.Text)), v.Text...)
		}
		return dst
	case Structure:
		dst = append(appendNode(dst, string(v.Encoding)), 1, 0, 0, 0, 0)
		at := len(dst)
		for _, field := range v.Fields {
			dst = appendBare(dst, field)
		}
		binary.LittleEndian.PutUint32(dst[at-4:], uint32(len(dst)-at))
		return dst
	case Reading:
		return appendDataValue(dst, v, time.Time{}, ua.TimestampsToReturnSource)
	case Raw:
		return append(dst, v...)
	case Matrix:
		// Of a field: dimensions first (OPC 10000-6, section 5.2.5).
		dst = appendLength(dst, len(v.Dimensions))
		for _, d := range v.Dimensions {
			dst = binary.LittleEndian.AppendUint32(dst, uint32(d))
		}
		return appendElements(dst, v.Values)
	case []any:
		dst = appendLength(dst, len(v))
		for _, e := range v {
			dst = appendVariant(dst, e)
		}
		return dst
	case []float64: // a long one in a hurry
		dst = appendLength(dst, len(v))
		for _, f := range v {
			dst = binary.LittleEndian.AppendUint64(dst, math.Float64bits(f))
		}
		return dst
	case Bytes:
		return append(appendLength(dst, len(v)), v...)
	}
	if _, array := typeOf(value); array {
		dst = appendLength(dst, reflect.ValueOf(value).Len())
		return appendElements(dst, value)
	}
	return dst
}

// appendElements appends what is in a slice.
func appendElements(dst []byte, slice any) []byte {
	v := reflect.ValueOf(slice)
	if v.Kind() != reflect.Slice {
		return dst
	}
	for i := range v.Len() {
		dst = appendBare(dst, v.Index(i).Interface())
	}
	return dst
}

// appendLength appends the length of an array or string; -1 is that of a null one.
func appendLength(dst []byte, n int) []byte { return binary.LittleEndian.AppendUint32(dst, uint32(n)) }

// epochDelta is the time from 1601 to 1970 in 100 ns (OPC 10000-6, section 5.2.2.5).
const epochDelta = 116_444_736_000_000_000

// appendTime appends a DateTime, which ends at the ends of its range.
func appendTime(dst []byte, t time.Time) []byte {
	const first, last = -11_644_473_600, 253_402_300_800 // 1601 and 10000, Unix seconds
	seconds := t.Unix()
	ticks := seconds*10_000_000 + int64(t.Nanosecond()/100) + epochDelta
	switch {
	case seconds < first: // the zero time as well
		ticks = 0
	case seconds >= last:
		ticks = math.MaxInt64
	}
	return binary.LittleEndian.AppendUint64(dst, uint64(ticks))
}

// appendNode appends a NodeId. What is none, which [New] refuses wherever it can, is sent as the null one.
func appendNode(dst []byte, text string) []byte {
	id, err := ua.ParseNodeID(text)
	if err != nil {
		return append(dst, 0, 0)
	}
	b, err := id.Encode()
	if err != nil {
		return append(dst, 0, 0)
	}
	return append(dst, b...)
}

// appendDataValue appends a DataValue.
func appendDataValue(dst []byte, r Reading, server time.Time, stamps ua.TimestampsToReturn) []byte {
	at := len(dst)
	dst = append(dst, 0)
	if r.Value != nil {
		dst[at] |= 1
		dst = appendVariant(dst, r.Value)
	}
	if r.Status != 0 {
		dst[at] |= 2
		dst = binary.LittleEndian.AppendUint32(dst, uint32(r.Status))
	}
	if (stamps == ua.TimestampsToReturnSource || stamps == ua.TimestampsToReturnBoth) && !r.Source.IsZero() {
		dst[at] |= 4
		dst = appendTime(dst, r.Source)
	}
	if (stamps == ua.TimestampsToReturnServer || stamps == ua.TimestampsToReturnBoth) && !server.IsZero() {
		dst[at] |= 8
		dst = appendTime(dst, server)
	}
	return dst
}

// checkValue returns what is wrong with a value that a variable shows.
func checkValue(value any) error {
	switch value.(type) {
	case nil, Raw:
		return nil
	}
	if kind, _ := typeOf(value); kind == 0 {
		return fmt.Errorf("%T stands for no built-in type", value)
	}
	return nil
}

// number returns a value as deadbands see it.
func number(value any) (float64, bool) {
	switch v := value.(type) {
	case float64:
		return v, true
	case float32:
		return float64(v), true
	case int8:
		return float64(v), true
	case uint8:
		return float64(v), true
	case int16:
		return float64(v), true
	case uint16:
		return float64(v), true
	case int32:
		return float64(v), true
	case uint32:
		return float64(v), true
	case int64:
		return float64(v), true
	case uint64:
		return float64(v), true
	}
	return 0, false
}

// same reports whether two values are one. NaN is like NaN, as in an encoded form.
func same(a, b any) bool {
	switch x := a.(type) {
	case float64:
		y, ok := b.(float64)
		return ok && math.Float64bits(x) == math.Float64bits(y)
	case nil:
		return b == nil
	case int32, uint32, int64, uint64, bool, string, Status:
		return a == b
	}
	return reflect.DeepEqual(a, b)
}
