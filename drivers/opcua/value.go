package opcua

import (
	"encoding/hex"
	"math"
	"math/bits"
	"strconv"
	"unicode/utf8"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/internal/uabin"
	"github.com/fieldtap/fieldtap/units"
)

// Qualities of values that are none.
var (
	badProtocol = acquire.Bad.Because(acquire.Protocol)
	badRange    = acquire.Bad.Because(acquire.Range)
	badSensor   = acquire.Bad.Because(acquire.Sensor)
	badWaiting  = acquire.Bad.Because(acquire.Waiting)

	badConfiguration = acquire.Bad.Because(acquire.Configuration)
)

// converter turns a Variant into the value of a sample. It is made once and is pure:
// the same bytes give the same value.
type converter struct {
	kind    acquire.Kind
	scaled  bool // scale is not 1
	scale   units.Scale
	divisor float64 // of scales 1/n; 0: by scale
	index   []uint32
	path    []hop // of a field
	names   map[int64]string
}

func newConverter(p Point) converter {
	c := converter{kind: p.Kind, scale: p.Scale.Reduce(), names: p.Names}
	c.scaled = c.scale != units.Scale{Num: 1, Den: 1}
	// One division is the nearest to the quotient of two float64 (IEEE 754-2019,
	// section 4.3), and so to that of two integers that are.
	if c.scale.Num == 1 && c.scale.Den > 1 && c.scale.Den <= 1<<53 {
		c.divisor = float64(c.scale.Den)
	}
	c.index, _ = parseIndex(p.Index)
	c.path, _ = parseField(p.Field)
	return c
}

// value converts v, or the field of it that is wanted, whose type is among t. The quality
// is good, or bad with a reason and no value.
func (c *converter) value(b *acquire.Batch, v *uabin.Variant, t *types) (acquire.Value, acquire.Quality) {
	if c.path != nil {
		w, quality := c.walk(v, t)
		if quality.IsBad() {
			return acquire.Value{}, quality
		}
		return c.scalar(b, &w.value)
	}
	if !v.Array && c.index == nil && !v.Malformed && v.Type != uabin.Null {
		return c.scalar(b, v)
	}
	e, quality := c.pick(v)
	if quality.IsBad() {
		return acquire.Value{}, quality
	}
	return c.scalar(b, &e)
}

// pick returns the element of v that is wanted, or v if it is no array.
func (c *converter) pick(v *uabin.Variant) (uabin.Variant, acquire.Quality) {
	switch {
	case v.Malformed:
		return uabin.Variant{}, badProtocol
	case v.Type == uabin.Null:
		return uabin.Variant{}, badSensor
	case v.Array != (c.index != nil):
		return uabin.Variant{}, badProtocol
	case !v.Array:
		return *v, acquire.Good
	}
	e, ok := element(v, c.index)
	if !ok {
		return uabin.Variant{}, badRange
	}
	if e.Type == uabin.TypeVariant {
		r := uabin.NewReader(e.Bytes)
		if e = r.Variant(); r.End() != nil || e.Array || e.Malformed {
			return uabin.Variant{}, badProtocol
		}
		if e.Type == uabin.Null {
			return uabin.Variant{}, badSensor
		}
	}
	return e, acquire.Good
}

// scalar converts what is neither an array nor null.
func (c *converter) scalar(b *acquire.Batch, v *uabin.Variant) (acquire.Value, acquire.Quality) {
	switch v.Type {
	case uabin.TypeBoolean:
		if c.kind == acquire.KindBool {
			return acquire.Bool(v.Bits != 0), acquire.Good
		}
	case uabin.TypeSByte:
		return c.signed(b, int64(int8(v.Bits)))
	case uabin.TypeInt16:
		return c.signed(b, int64(int16(v.Bits)))
	case uabin.TypeInt32:
		return c.signed(b, int64(int32(v.Bits)))
	case uabin.TypeInt64:
		return c.signed(b, int64(v.Bits))
	case uabin.TypeByte, uabin.TypeUInt16, uabin.TypeUInt32, uabin.TypeUInt64:
		return c.unsigned(b, v.Bits)
	case uabin.TypeFloat:
		return c.float(float64(math.Float32frombits(uint32(v.Bits))))
	case uabin.TypeDouble:
		return c.float(math.Float64frombits(v.Bits))
	case uabin.TypeDateTime:
		return c.time(uabin.Time(v.Bits))
	case uabin.TypeStatusCode:
		if !c.scaled && c.names == nil && (c.kind == acquire.KindInt64 || c.kind == acquire.KindUint64) {
			return c.unsigned(b, v.Bits)
		}
	default:
		if c.kind == acquire.KindText && c.names == nil {
			return text(b, v)
		}
	}
	return acquire.Value{}, badProtocol
}

func (c *converter) signed(b *acquire.Batch, v int64) (acquire.Value, acquire.Quality) {
	switch c.kind {
	case acquire.KindFloat64:
		switch {
		case c.divisor != 0 && -1<<53 <= v && v <= 1<<53:
			return acquire.Float64(float64(v) / c.divisor), acquire.Good
		case c.scaled:
			return acquire.Float64(c.scale.ApplyInt(v)), acquire.Good
		}
		return acquire.Float64(float64(v)), acquire.Good
	case acquire.KindInt64:
		product := v * c.scale.Num
		if v != 0 && (product/v != c.scale.Num || v == -1 && c.scale.Num == math.MinInt64) {
			return acquire.Value{}, badRange
		}
		return acquire.Int64(product), acquire.Good
	case acquire.KindUint64:
		if v < 0 {
			return acquire.Value{}, badRange
		}
		return c.unsigned(b, uint64(v))
	case acquire.KindText:
		if c.names != nil {
			return c.named(b, v)
		}
	}
	return acquire.Value{}, badProtocol
}

func (c *converter) unsigned(b *acquire.Batch, v uint64) (acquire.Value, acquire.Quality) {
	switch {
	case c.kind == acquire.KindUint64:
		hi, lo := bits.Mul64(v, uint64(c.scale.Num))
		if hi != 0 {
			return acquire.Value{}, badRange
		}
		return acquire.Uint64(lo), acquire.Good
	case v <= math.MaxInt64:
		return c.signed(b, int64(v))
	case c.kind == acquire.KindFloat64 && c.scaled:
		return acquire.Float64(c.scale.ApplyUint(v)), acquire.Good
	case c.kind == acquire.KindFloat64:
		return acquire.Float64(float64(v)), acquire.Good
	case c.kind == acquire.KindInt64:
		return acquire.Value{}, badRange
	case c.names != nil:
		return put(b, strconv.AppendUint(nil, v, 10))
	}
	return acquire.Value{}, badProtocol
}

func (c *converter) float(x float64) (acquire.Value, acquire.Quality) {
	if c.kind != acquire.KindFloat64 {
		return acquire.Value{}, badProtocol
	}
	if c.scaled {
		x = c.scale.Apply(x)
	}
	if !(math.Abs(x) <= math.MaxFloat64) {
		return acquire.Value{}, badSensor
	}
	return acquire.Float64(x), acquire.Good
}

func (c *converter) time(t uabin.Time) (acquire.Value, acquire.Quality) {
	if c.kind != acquire.KindInt64 || c.scaled {
		return acquire.Value{}, badProtocol
	}
	ns, ok := t.Unix()
	if !ok {
		return acquire.Value{}, badRange
	}
	return acquire.Int64(ns), acquire.Good
}

// named returns the name of a number of an enumeration, or its digits.
func (c *converter) named(b *acquire.Batch, v int64) (acquire.Value, acquire.Quality) {
	if name, ok := c.names[v]; ok {
		return put(b, []byte(name))
	}
	var digits [20]byte
	return put(b, strconv.AppendInt(digits[:0], v, 10))
}

// text returns everything that is no number as text.
func text(b *acquire.Batch, v *uabin.Variant) (acquire.Value, acquire.Quality) {
	r := uabin.NewReader(v.Bytes)
	var local [128]byte
	switch v.Type {
	case uabin.TypeString, uabin.TypeXMLElement:
		return utf8Text(b, v.Bytes)
	case uabin.TypeLocalizedText:
		return utf8Text(b, r.LocalizedText().Text)
	case uabin.TypeQualifiedName:
		name := r.QualifiedName()
		if name.Namespace == 0 || name.Name == nil {
			return utf8Text(b, name.Name)
		}
		full := append(strconv.AppendUint(local[:0], uint64(name.Namespace), 10), ':') // OPC 10000-6, section 5.1.14
		return utf8Text(b, append(full, name.Name...))
	case uabin.TypeByteString:
		if v.Bytes == nil {
			return acquire.Value{}, badSensor
		}
		if len(v.Bytes) > acquire.MaxText/2 {
			return acquire.Value{}, badRange
		}
		return put(b, hex.AppendEncode(local[:0], v.Bytes))
	case uabin.TypeGUID:
		id := uabin.NodeID{Kind: uabin.GUID, Bytes: v.Bytes}
		digits := id.AppendText(local[:0])[len("g="):]
		for i, c := range digits {
			if 'A' <= c && c <= 'F' { // as in node ids
				digits[i] = c | 0x20
			}
		}
		return put(b, digits)
	case uabin.TypeNodeID:
		return utf8Text(b, r.NodeID().AppendText(local[:0]))
	case uabin.TypeExpandedNodeID:
		id := r.ExpandedNodeID()
		full := local[:0]
		if id.ServerIndex != 0 {
			full = append(strconv.AppendUint(append(full, "svr="...), uint64(id.ServerIndex), 10), ';')
		}
		if id.URI != nil {
			full = append(append(append(full, "nsu="...), escape.Replace(string(id.URI))...), ';')
			id.Namespace = 0
		}
		return utf8Text(b, id.AppendText(full))
	}
	return acquire.Value{}, badProtocol
}

// utf8Text puts a text that the server says is UTF-8.
func utf8Text(b *acquire.Batch, s []byte) (acquire.Value, acquire.Quality) {
	switch {
	case s == nil: // null: not the empty text, but none
		return acquire.Value{}, badSensor
	case !utf8.Valid(s):
		return acquire.Value{}, badProtocol
	}
	return put(b, s)
}

func put(b *acquire.Batch, s []byte) (acquire.Value, acquire.Quality) {
	if v, ok := b.PutText(s); ok {
		return v, acquire.Good
	}
	return acquire.Value{}, badRange
}

// element returns one element of an array, and false if there is none.
func element(v *uabin.Variant, index []uint32) (uabin.Variant, bool) {
	at, ok := position(index, v.Dimensions, v.Length)
	if !ok {
		return uabin.Variant{}, false
	}
	if size := width(v.Type); size != 0 {
		from := at * size
		r := uabin.NewReader(v.Bytes[from : from+size])
		return r.Element(v.Type), true
	}
	r := v.Elements()
	for range at {
		r.Element(v.Type)
	}
	e := r.Element(v.Type)
	return e, r.Err() == nil
}

// position returns where in an array an element is, by the encoded dimensions of the
// array, nil of one without, and its length.
func position(index []uint32, dimensions []byte, length int) (int, bool) {
	at := uint64(0)
	switch d := uabin.NewReader(dimensions); {
	case dimensions == nil && len(index) == 1:
		at = uint64(index[0])
	case len(dimensions) != 4*len(index):
		return 0, false
	default:
		// The last dimension varies fastest (OPC 10000-6, section 5.2.2.16).
		for _, i := range index {
			n := d.Uint32()
			if i >= n {
				return 0, false
			}
			at = at*uint64(n) + uint64(i)
		}
	}
	if at >= uint64(length) {
		return 0, false
	}
	return int(at), true
}

// width is how many bytes a value of a type takes; 0 if that varies.
func width(t uabin.Type) int {
	switch t {
	case uabin.TypeBoolean, uabin.TypeSByte, uabin.TypeByte:
		return 1
	case uabin.TypeInt16, uabin.TypeUInt16:
		return 2
	case uabin.TypeInt32, uabin.TypeUInt32, uabin.TypeFloat, uabin.TypeStatusCode:
		return 4
	case uabin.TypeInt64, uabin.TypeUInt64, uabin.TypeDouble, uabin.TypeDateTime:
		return 8
	case uabin.TypeGUID:
		return 16
	}
	return 0
}

// stamps are the times that a DataValue comes with, unknown where there are none or
// none that an Instant holds.
type stamps struct{ source, server acquire.Instant }

func stampsOf(v *uabin.DataValue) (s stamps) {
	if ns, ok := v.SourceTime.Unix(); ok {
		// Beyond the tenth of a microsecond; more than 10,000 is not allowed and taken as
		// the most there is (OPC 10000-6, section 5.2.2.17).
		s.source = acquire.Instant(ns + int64(min(v.SourcePicosecond, 9999))/100)
	}
	if ns, ok := v.ServerTime.Unix(); ok {
		s.server = acquire.Instant(ns + int64(min(v.ServerPicosecond, 9999))/100)
	}
	return s
}

// track is what is remembered of an item from sample to sample.
type track struct {
	latest   acquire.Instant
	sourced  acquire.Instant // latest time by the source
	fresh    bool            // its next value is the first of a new monitored item: it may be an old one
	overflow bool            // values of it were lost since the last sample
	doubt    bool            // that is still to be said, of events
	missing  bool            // events are, since the last message that was complete
}

// lose notes that values were lost.
func (t *track) lose() { t.overflow, t.doubt = true, true }

// stamp chooses the time of a sample and flags it: the source's, else the server's,
// else ours. A value that is read, or the first of a new monitored item, may be as old
// as the last sample; then its time is when the server confirmed it.
func (t *track) stamp(s stamps, ours, promised acquire.Instant, confirms bool) (at acquire.Instant, flags acquire.Flags) {
	floor := max(t.latest, promised)
	switch {
	case s.source != 0 && (!confirms || s.source > t.latest && s.source >= promised || s.server < s.source || s.server < floor):
		at, flags = s.source, acquire.SourceTime
		t.sourced = max(t.sourced, at)
	case s.server != 0:
		at, flags = s.server, acquire.SourceTime
	default:
		at = ours
	}
	if at < floor {
		flags |= acquire.TimeBackwards
	}
	t.latest = max(t.latest, at)
	if t.overflow {
		flags |= acquire.Overflow
		t.overflow = false
	}
	t.fresh = false
	return at, flags
}

// deliver appends a sample per point of an item. Fields of structures are not known to it.
func (it *item) deliver(b *acquire.Batch, v *uabin.DataValue, at acquire.Instant, flags acquire.Flags) {
	it.deliverOf(b, v, at, flags, nil)
}

// deliverOf appends a sample per point of an item, by the types of the server.
func (it *item) deliverOf(b *acquire.Batch, v *uabin.DataValue, at acquire.Instant, flags acquire.Flags, t *types) {
	status := StatusCode(v.Status)
	quality := status.quality()
	if v.Status.Overflow() {
		flags |= acquire.Overflow
	}
	for i := range it.members {
		m := &it.members[i]
		s := acquire.Sample{Time: at, Point: m.id, Quality: quality}
		if !quality.IsBad() {
			var q acquire.Quality
			if s.Value, q = m.convert.value(b, &v.Value, t); q.IsBad() {
				s.Quality = q.WithNative(uint16(status >> 16))
			}
		}
		s.Quality = s.Quality.With(flags)
		b.Append(s)
	}
}

// bad appends a sample without value per point of an item.
func (it *item) bad(b *acquire.Batch, at acquire.Instant, quality acquire.Quality) {
	for i := range it.members {
		b.Append(acquire.Sample{Time: at, Point: it.members[i].id, Quality: quality})
	}
}
