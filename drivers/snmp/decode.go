package snmp

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"math"
	"math/bits"
	"net/netip"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/internal/snmpwire"
	"github.com/fieldtap/fieldtap/units"
)

// decoder turns the value of one variable binding into that of a sample. It is made
// once and is pure: the same bytes give the same value.
type decoder struct {
	typ       Type
	whole     bool // integers stay integers, multiplied by factor
	signed    bool // whole numbers are int64
	scaled    bool // scale is not 1
	factor    int64
	divisor   float64 // of scales 1/n; 0: by scale
	scale     units.Scale
	sentinels []int64
	negative  bool // numbers are sentinels as well
	names     map[int64]string
	powers    *[2*maxPower + 1]units.Scale // with exponents, nil without
}

// Qualities of values that are none.
var (
	badProtocol = acquire.Bad.Because(acquire.Protocol)
	badRange    = acquire.Bad.Because(acquire.Range)
	badSensor   = acquire.Bad.Because(acquire.Sensor)
)

func newDecoder(p *Point) decoder {
	d := decoder{typ: p.Type, scale: p.Scale.Reduce(), sentinels: p.Sentinels, negative: p.NonNegative, names: p.Names}
	d.whole, d.signed = p.whole(), p.kind() == acquire.KindInt64
	d.factor = d.scale.Num
	d.scaled = d.scale != units.Scale{Num: 1, Den: 1}
	// One division is the nearest to the quotient of two float64 (IEEE 754-2019,
	// section 4.3), and so to that of two integers that are.
	if d.scale.Num == 1 && d.scale.Den > 1 && d.scale.Den <= 1<<53 {
		d.divisor = float64(d.scale.Den)
	}
	if len(p.Exponents) > 0 {
		d.powers, _ = powersOfTen(p.Scale)
		d.scale, d.scaled, d.divisor = units.Scale{Num: 1, Den: 1}, false, 0
	}
	return d
}

// value decodes a variable binding. With exponents, what it returns is the raw number
// yet, as a float64 or an integer that apply scales.
func (d *decoder) value(b *acquire.Batch, tag snmpwire.Tag, contents []byte) (acquire.Value, acquire.Quality) {
	switch tag {
	case snmpwire.Counter32, snmpwire.Gauge32, snmpwire.TimeTicks:
		if !d.takes(tag) {
			return acquire.Value{}, badProtocol
		}
		v, err := snmpwire.Uint32(contents)
		if err != nil {
			return acquire.Value{}, badProtocol
		}
		return d.unsigned(b, uint64(v))
	case snmpwire.Counter64:
		if !d.takes(tag) {
			return acquire.Value{}, badProtocol
		}
		v, err := snmpwire.Uint64(contents)
		if err != nil {
			return acquire.Value{}, badProtocol
		}
		return d.unsigned(b, v)
	case snmpwire.Integer:
		return d.integer(b, contents)
	case snmpwire.OctetString:
		return d.octets(b, contents)
	case snmpwire.Opaque:
		return d.opaque(b, contents)
	case snmpwire.IPAddress:
		if d.typ == IPAddress && len(contents) == 4 {
			return address(b, contents)
		}
	case snmpwire.ObjectID:
		return d.object(b, contents)
	case snmpwire.NoSuchObject, snmpwire.NoSuchInstance:
		if len(contents) == 0 {
			return acquire.Value{}, acquire.Bad.Because(acquire.NotFound).WithNative(uint16(tag))
		}
	}
	return acquire.Value{}, badProtocol
}

// takes reports whether unsigned numbers of that tag are of the point's type.
func (d *decoder) takes(tag snmpwire.Tag) bool {
	switch d.typ {
	case Number:
		return true
	case Uint32:
		return tag == snmpwire.Gauge32
	case Counter32:
		return tag == snmpwire.Counter32
	case Counter64:
		return tag == snmpwire.Counter64
	case TimeTicks:
		return tag == snmpwire.TimeTicks
	}
	return false
}

func (d *decoder) integer(b *acquire.Batch, contents []byte) (acquire.Value, acquire.Quality) {
	v, err := snmpwire.Int(contents)
	switch {
	case err != nil:
		return acquire.Value{}, badProtocol
	case d.typ == Bool && (v == 1 || v == 2): // RFC 2579, TruthValue
		return acquire.Bool(v == 1), acquire.Good
	case d.typ == Bool:
		return acquire.Value{}, badRange
	case d.typ != Int32 && d.typ != Number:
		return acquire.Value{}, badProtocol
	}
	return d.number(b, int64(v))
}

// unsigned is for the numbers that have no sign.
func (d *decoder) unsigned(b *acquire.Batch, v uint64) (acquire.Value, acquire.Quality) {
	if v <= math.MaxInt64 {
		return d.number(b, int64(v))
	}
	switch {
	case d.names != nil:
		return put(b, strconv.AppendUint(nil, v, 10))
	case d.powers != nil:
		return acquire.Uint64(v), acquire.Good
	case !d.whole:
		return acquire.Float64(d.scale.ApplyUint(v)), acquire.Good
	case d.factor != 1:
		return acquire.Value{}, badRange
	}
	return acquire.Uint64(v), acquire.Good
}

// number is for all whole numbers of int64.
func (d *decoder) number(b *acquire.Batch, v int64) (acquire.Value, acquire.Quality) {
	if d.negative && v < 0 || d.sentinels != nil && slices.Contains(d.sentinels, v) {
		return acquire.Value{}, badSensor
	}
	switch {
	case d.names != nil:
		return d.named(b, v)
	case d.powers != nil:
		return acquire.Int64(v), acquire.Good
	case d.whole && d.signed:
		product := v * d.factor
		if v != 0 && product/v != d.factor {
			return acquire.Value{}, badRange
		}
		return acquire.Int64(product), acquire.Good
	case d.whole && v < 0: // a counter below zero
		return acquire.Value{}, badRange
	case d.whole:
		hi, lo := bits.Mul64(uint64(v), uint64(d.factor))
		if hi != 0 {
			return acquire.Value{}, badRange
		}
		return acquire.Uint64(lo), acquire.Good
	case d.divisor != 0 && -1<<53 <= v && v <= 1<<53:
		return acquire.Float64(float64(v) / d.divisor), acquire.Good
	case d.scaled:
		return acquire.Float64(d.scale.ApplyInt(v)), acquire.Good
	}
	return acquire.Float64(float64(v)), acquire.Good
}

// float is for numbers that need not be whole. NaN and infinities, with which agents
// mark a quantity that they cannot measure now, are refused, and what the scale makes
// too large.
func (d *decoder) float(x float64) (acquire.Value, acquire.Quality) {
	for _, s := range d.sentinels {
		if x == float64(s) {
			return acquire.Value{}, badSensor
		}
	}
	if d.negative && x < 0 {
		return acquire.Value{}, badSensor
	}
	if d.scaled {
		x = d.scale.Apply(x)
	}
	if !(math.Abs(x) <= math.MaxFloat64) {
		return acquire.Value{}, badSensor
	}
	return acquire.Float64(x), acquire.Good
}

// apply scales a raw number by ten to the power that the exponents came to.
func (d *decoder) apply(raw acquire.Value, power int) (acquire.Value, acquire.Quality) {
	if power < -maxPower || power > maxPower || d.powers[maxPower+power].Den == 0 {
		return acquire.Value{}, badRange
	}
	scale := d.powers[maxPower+power]
	var x float64
	switch raw.Kind() {
	case acquire.KindInt64:
		v, _ := raw.Int64()
		x = scale.ApplyInt(v)
	case acquire.KindUint64:
		v, _ := raw.Uint64()
		x = scale.ApplyUint(v)
	default:
		v, _ := raw.Float64()
		if x = scale.Apply(v); !(math.Abs(x) <= math.MaxFloat64) {
			return acquire.Value{}, badSensor
		}
	}
	return acquire.Float64(x), acquire.Good
}

// named returns the name of a number of an enumeration, or its digits.
func (d *decoder) named(b *acquire.Batch, v int64) (acquire.Value, acquire.Quality) {
	var buffer [maxName]byte
	name, ok := d.names[v]
	if !ok {
		return put(b, strconv.AppendInt(buffer[:0], v, 10))
	}
	return put(b, buffer[:copy(buffer[:], name)])
}

// Numbers inside Opaque are BER once more, under tags of two octets (draft-perkins-
// opaque-01, as Net-SNMP writes them): context class, number 118 to 123.
const (
	opaqueCounter64 = 0x9f76
	opaqueFloat     = 0x9f78
	opaqueDouble    = 0x9f79
	opaqueInt64     = 0x9f7a
	opaqueUint64    = 0x9f7b
)

func (d *decoder) opaque(b *acquire.Batch, contents []byte) (acquire.Value, acquire.Quality) {
	if d.typ == Hex {
		return hexadecimal(b, contents)
	}
	if len(contents) < 3 || int(contents[2]) != len(contents)-3 {
		return acquire.Value{}, badProtocol
	}
	tag, inner := binary.BigEndian.Uint16(contents), contents[3:]
	switch {
	case tag == opaqueFloat && len(inner) == 4 && (d.typ == Float || d.typ == Number && !d.whole):
		return d.float(float64(math.Float32frombits(binary.BigEndian.Uint32(inner))))
	case tag == opaqueDouble && len(inner) == 8 && (d.typ == Float || d.typ == Number && !d.whole):
		return d.float(math.Float64frombits(binary.BigEndian.Uint64(inner)))
	case tag == opaqueCounter64 && (d.typ == Counter64 || d.typ == Number), tag == opaqueUint64 && d.typ == Number:
		if v, err := snmpwire.Uint64(inner); err == nil {
			return d.unsigned(b, v)
		}
	case tag == opaqueInt64 && d.typ == Number && 1 <= len(inner) && len(inner) <= 8:
		v := int64(int8(inner[0]))
		for _, octet := range inner[1:] {
			v = v<<8 | int64(octet)
		}
		return d.number(b, v)
	}
	return acquire.Value{}, badProtocol
}

func (d *decoder) octets(b *acquire.Batch, contents []byte) (acquire.Value, acquire.Quality) {
	switch d.typ {
	case Text, Latin1, Decimal:
		if end := bytes.IndexByte(contents, 0); end >= 0 {
			contents = contents[:end] // some agents count the NUL that ends a string of C
		}
		contents = bytes.TrimRight(contents, " \r\n\t")
		switch {
		case d.typ == Decimal:
			return d.decimal(contents)
		case d.typ == Text && !utf8.Valid(contents):
			return acquire.Value{}, badRange
		case d.typ == Text:
			return put(b, contents)
		}
		var buffer [512]byte
		wide := buffer[:0]
		for _, c := range contents { // its characters are the first 256 of Unicode
			wide = utf8.AppendRune(wide, rune(c))
		}
		return put(b, wide)
	case Hex:
		return hexadecimal(b, contents)
	case MAC:
		if len(contents) == 0 {
			return acquire.Value{}, badSensor
		}
		var buffer [64]byte
		text := buffer[:0]
		for i, c := range contents {
			if i > 0 {
				text = append(text, ':')
			}
			text = hex.AppendEncode(text, []byte{c})
		}
		return put(b, text)
	case IPAddress:
		if len(contents) == 4 || len(contents) == 16 {
			return address(b, contents)
		}
		return acquire.Value{}, badRange
	case DateAndTime:
		return dateAndTime(contents)
	}
	return acquire.Value{}, badProtocol
}

// maxDecimal bounds the length of a number in text.
const maxDecimal = 64

// decimal reads digits with an optional sign, fraction and exponent.
func (d *decoder) decimal(text []byte) (acquire.Value, acquire.Quality) {
	text = bytes.TrimLeft(text, " ")
	if len(text) == 0 || len(text) > maxDecimal {
		return acquire.Value{}, badRange
	}
	for _, c := range text {
		if (c < '0' || c > '9') && c != '+' && c != '-' && c != '.' && c != 'e' && c != 'E' {
			return acquire.Value{}, badRange // hexadecimal, underscores, Inf and NaN
		}
	}
	x, err := strconv.ParseFloat(string(text), 64)
	if err != nil {
		return acquire.Value{}, badRange
	}
	return d.float(x)
}

func hexadecimal(b *acquire.Batch, contents []byte) (acquire.Value, acquire.Quality) {
	var buffer [512]byte
	return put(b, hex.AppendEncode(buffer[:0], contents))
}

// address formats 4 or 16 octets.
func address(b *acquire.Batch, octets []byte) (acquire.Value, acquire.Quality) {
	var buffer [64]byte
	a, _ := netip.AddrFromSlice(octets)
	return put(b, a.AppendTo(buffer[:0]))
}

func (d *decoder) object(b *acquire.Batch, contents []byte) (acquire.Value, acquire.Quality) {
	if d.typ != Object || snmpwire.CheckOID(contents) != nil {
		return acquire.Value{}, badProtocol
	}
	var buffer [512]byte
	return put(b, snmpwire.AppendOIDText(buffer[:0], contents))
}

// dateAndTime decodes RFC 2579, DateAndTime. Without a zone, in its 8 octets, it is
// the agent's local time, which nothing tells: it is taken for UTC and is uncertain.
func dateAndTime(o []byte) (acquire.Value, acquire.Quality) {
	if len(o) != 8 && len(o) != 11 {
		return acquire.Value{}, badRange
	}
	year, month, day := int(binary.BigEndian.Uint16(o)), int(o[2]), int(o[3])
	hour, minute, second, tenth := int(o[4]), int(o[5]), int(o[6]), int(o[7])
	if year == 0 && month == 0 && day == 0 {
		return acquire.Value{}, badSensor // a clock that was never set
	}
	if month < 1 || month > 12 || day < 1 || day > 31 || hour > 23 || minute > 59 || second > 60 || tenth > 9 {
		return acquire.Value{}, badRange
	}
	t := time.Date(year, time.Month(month), day, hour, minute, second, tenth*100_000_000, time.UTC)
	if t.Day() != day && second != 60 { // 30 February
		return acquire.Value{}, badRange
	}
	quality := acquire.Uncertain.Because(acquire.Device)
	if len(o) == 11 {
		if o[8] != '+' && o[8] != '-' || o[9] > 14 || o[10] > 59 {
			return acquire.Value{}, badRange
		}
		east := time.Duration(o[9])*time.Hour + time.Duration(o[10])*time.Minute
		if o[8] == '-' {
			east = -east
		}
		t, quality = t.Add(-east), acquire.Good
	}
	at := acquire.At(t)
	if at == 0 {
		return acquire.Value{}, badRange
	}
	return acquire.Int64(int64(at)), quality
}

// put makes a value of text, which a batch full of texts refuses.
func put(b *acquire.Batch, text []byte) (acquire.Value, acquire.Quality) {
	v, ok := b.PutText(text)
	if !ok {
		return acquire.Value{}, badRange
	}
	return v, acquire.Good
}
