package modbus

import (
	"encoding/binary"
	"math"
	"math/bits"
	"slices"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/units"
)

// decoder turns the registers of one point into a value. It is made once, when
// the source is, and is pure: the same bytes give the same value.
type decoder struct {
	point  acquire.PointID
	offset int // from the start of the block: bytes, or bits in the tables of bits
	typ    Type
	order  Order
	scale  units.Scale
	factor int64 // whole scale of an integer that stays one; 0: float64 by scale
	scaled bool  // scale is not 1
}

func newDecoder(id acquire.PointID, p Point) decoder {
	d := decoder{point: id, typ: p.Type, order: p.Order, scale: p.Scale.Reduce()}
	d.scaled = d.scale != units.Scale{Num: 1, Den: 1}
	if p.whole() {
		d.factor = d.scale.Num
	}
	return d
}

// decode appends the samples of the points of one block to b: data are the
// registers or bits of the block as they came, q carries the flags.
func decode(b *acquire.Batch, decoders []decoder, data []byte, table Table, at acquire.Instant, q acquire.Quality) {
	before := len(b.Samples)
	b.Samples = slices.Grow(b.Samples, len(decoders))[:before+len(decoders)]
	samples := b.Samples[before:]
	if table.bits() {
		for i := range samples {
			// V1.1b3, section 6.1: the first bit is the lowest of the first byte.
			d := &decoders[i]
			bit := data[d.offset/8] >> (d.offset % 8) & 1
			samples[i] = acquire.Sample{Time: at, Point: d.point, Quality: q, Value: acquire.Bool(bit != 0)}
		}
		return
	}
	for i := range samples {
		d := &decoders[i]
		value, reason := d.value(data[d.offset:])
		samples[i] = acquire.Sample{Time: at, Point: d.point, Quality: q, Value: value}
		if reason != acquire.Unspecified {
			samples[i].Quality = (q &^ acquire.Good).Because(reason)
		}
	}
}

// value decodes the point whose first register starts raw. A reason other than
// Unspecified says why there is no value.
func (d *decoder) value(raw []byte) (acquire.Value, acquire.Reason) {
	switch d.typ {
	case Bool:
		switch word(raw, d.order) {
		case 0:
			return acquire.Bool(false), 0
		case 1:
			return acquire.Bool(true), 0
		}
		return acquire.Value{}, acquire.Range
	case Int16:
		return d.signed(int64(int16(word(raw, d.order))))
	case Uint16:
		return d.unsigned(uint64(word(raw, d.order)))
	case Float16:
		return d.float(float16(word(raw, d.order)))
	case Int32:
		return d.signed(int64(int32(long(raw, d.order))))
	case Uint32:
		return d.unsigned(uint64(long(raw, d.order)))
	case Float32:
		return d.float(float64(math.Float32frombits(long(raw, d.order))))
	case Int64:
		return d.signed(int64(quad(raw, d.order)))
	case Uint64:
		return d.unsigned(quad(raw, d.order))
	case Float64:
		return d.float(math.Float64frombits(quad(raw, d.order)))
	}
	return acquire.Value{}, acquire.Range
}

func (d *decoder) signed(v int64) (acquire.Value, acquire.Reason) {
	switch d.factor {
	case 1:
		return acquire.Int64(v), 0
	case 0:
		return acquire.Float64(d.scale.ApplyInt(v)), 0
	}
	product := v * d.factor
	if v != 0 && product/v != d.factor {
		return acquire.Value{}, acquire.Range
	}
	return acquire.Int64(product), 0
}

func (d *decoder) unsigned(v uint64) (acquire.Value, acquire.Reason) {
	switch {
	case d.factor == 1:
		return acquire.Uint64(v), 0
	case d.factor > 1:
		hi, lo := bits.Mul64(v, uint64(d.factor))
		if hi != 0 {
			return acquire.Value{}, acquire.Range
		}
		return acquire.Uint64(lo), 0
	case d.factor < 0 && v > math.MaxInt64:
		return acquire.Value{}, acquire.Range
	case d.factor < 0:
		return d.signed(int64(v))
	}
	return acquire.Float64(d.scale.ApplyUint(v)), 0
}

// float refuses NaN and infinities, with which devices mark a quantity that
// they cannot measure now.
func (d *decoder) float(v float64) (acquire.Value, acquire.Reason) {
	if d.scaled {
		v = d.scale.Apply(v)
	}
	if !(math.Abs(v) <= math.MaxFloat64) {
		return acquire.Value{}, acquire.Sensor
	}
	return acquire.Float64(v), 0
}

// word returns the register at the start of raw.
func word(raw []byte, o Order) uint16 {
	w := binary.BigEndian.Uint16(raw)
	if o&LowByteFirst != 0 {
		w = bits.ReverseBytes16(w)
	}
	return w
}

// long returns the two registers at the start of raw as one number.
func long(raw []byte, o Order) uint32 {
	v := binary.BigEndian.Uint32(raw)
	switch o & DCBA {
	case CDAB:
		v = bits.RotateLeft32(v, 16)
	case BADC:
		v = bits.RotateLeft32(bits.ReverseBytes32(v), 16)
	case DCBA:
		v = bits.ReverseBytes32(v)
	}
	return v
}

// quad returns the four registers at the start of raw as one number.
func quad(raw []byte, o Order) uint64 {
	first, second := uint64(long(raw, o)), uint64(long(raw[4:], o))
	if (o&LowWordFirst != 0) != (o&SwapHalves != 0) {
		first, second = second, first
	}
	return first<<32 | second
}

// float16 widens an IEEE 754 binary16 number, exactly.
func float16(h uint16) float64 {
	sign, exponent, fraction := uint64(h>>15), int(h>>10&0x1f), uint64(h&0x3ff)
	var v float64
	switch exponent {
	case 0x1f:
		v = math.Inf(1)
		if fraction != 0 {
			v = math.NaN()
		}
	case 0:
		v = math.Ldexp(float64(fraction), -24)
	default:
		v = math.Ldexp(float64(fraction|1<<10), exponent-25)
	}
	return math.Copysign(v, 1-2*float64(sign))
}
