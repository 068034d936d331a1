package modbus

import (
	"encoding/binary"
	"math"
	"math/bits"
	"slices"
	"strconv"
	"time"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/units"
)

// decoder turns the registers or bits of one point into a value. It is made once,
// with the plan, and is pure: the same bytes give the same value.
//
// The types that nearly all points have, with nothing said but an order and a plain
// scale, have a kernel of their own; byRule serves all others.
type decoder struct {
	offset  int     // from the start of the block: bytes, or bits in the tables of bits
	divisor float64 // of the kernels that divide
	rule    *rule
	point   acquire.PointID
	kernel  kernel
	order   Order
}

// kernel is a way to decode.
type kernel uint8

const (
	byRule kernel = iota
	bit
	uint16Whole
	uint16Divided
	int16Whole
	int16Divided
	uint32Whole
	uint32Divided
	int32Whole
	int32Divided
	float32Plain
	uint64Whole
	int64Whole
	float64Plain
)

// rule is all that is known about a point.
type rule struct {
	Point
	shape
	length    int // bits of the raw number
	low, size int // bits taken of it
	sentinels []Sentinel
	scale     units.Scale
	factor    int64                        // whole scale of an integer that stays one; 0: float64 by scale
	powers    *[2*maxPower + 1]units.Scale // with the scale register, nil without
	scaleAt   int                          // bytes from the value to the scale register
	epoch     int64                        // in Unix seconds
	century   int
}

func newDecoder(id acquire.PointID, p Point) decoder {
	r := &rule{Point: p, shape: p.Type.shape(), scale: p.Scale.Reduce(), sentinels: slices.Clone(p.Sentinels)}
	r.length = 16 * p.width()
	if p.At.table.bits() {
		r.length = p.width()
	}
	r.size = r.length
	if p.Bits != (Bits{}) {
		r.low, r.size = int(p.Bits.Lowest), int(p.Bits.Count)
	}
	if s, _ := p.notImplemented(); p.SunSpec && (r.class == truth || r.class.integer()) {
		r.sentinels = append(r.sentinels, s)
	}
	if p.whole() {
		r.factor = r.scale.Num
	}
	if p.ScaleAt.table != 0 {
		r.powers, _ = powersOfTen(p.Scale)
		r.scaleAt = 2 * (int(p.ScaleAt.offset) - int(p.At.offset))
	}
	r.century = century
	if !p.Epoch.IsZero() {
		r.epoch, r.century = p.Epoch.Unix(), p.Epoch.Year()
	}
	if r.Zone == nil {
		r.Zone = time.UTC
	}
	return decoder{point: id, order: p.Order, divisor: float64(r.scale.Den), kernel: r.kernel(), rule: r}
}

// kernel returns the kernel that does all that r asks for.
func (r *rule) kernel() kernel {
	if r.sentinels != nil || r.size != r.length || r.powers != nil || r.Names != nil {
		return byRule
	}
	if r.At.table.bits() {
		if r.class == truth {
			return bit
		}
		return byRule
	}
	// One division is the nearest to the quotient of two float64 (IEEE 754-2019,
	// section 4.3), and so to that of two integers that are.
	divided := r.scale.Num == 1 && 1 < r.scale.Den && r.scale.Den <= 1<<53
	switch {
	case r.factor == 1:
		return [...]kernel{Int16: int16Whole, Uint16: uint16Whole, Int32: int32Whole, Uint32: uint32Whole,
			Int64: int64Whole, Uint64: uint64Whole, maxType: byRule}[r.Type]
	case divided:
		return [...]kernel{Int16: int16Divided, Uint16: uint16Divided, Int32: int32Divided, Uint32: uint32Divided,
			maxType: byRule}[r.Type]
	case r.scale == unity:
		return [...]kernel{Float32: float32Plain, Float64: float64Plain, maxType: byRule}[r.Type]
	}
	return byRule
}

var unity = units.Scale{Num: 1, Den: 1}

// decode appends the samples of the points of one block to b: data are the
// registers or bits of the block as they came, q carries the flags.
func decode(b *acquire.Batch, decoders []decoder, data []byte, at acquire.Instant, q acquire.Quality) {
	before := len(b.Samples)
	b.Samples = slices.Grow(b.Samples, len(decoders))[:before+len(decoders)]
	samples := b.Samples[before:]
	for i := range decoders {
		d := &decoders[i]
		s := &samples[i]
		s.Time, s.Point, s.Quality = at, d.point, q
		switch d.kernel {
		case uint16Whole:
			s.Value = acquire.Uint64(uint64(word(data[d.offset:], d.order)))
		case uint16Divided:
			s.Value = acquire.Float64(float64(word(data[d.offset:], d.order)) / d.divisor)
		case int16Whole:
			s.Value = acquire.Int64(int64(int16(word(data[d.offset:], d.order))))
		case int16Divided:
			s.Value = acquire.Float64(float64(int16(word(data[d.offset:], d.order))) / d.divisor)
		case uint32Whole:
			s.Value = acquire.Uint64(uint64(long(data[d.offset:], d.order)))
		case uint32Divided:
			s.Value = acquire.Float64(float64(long(data[d.offset:], d.order)) / d.divisor)
		case int32Whole:
			s.Value = acquire.Int64(int64(int32(long(data[d.offset:], d.order))))
		case int32Divided:
			s.Value = acquire.Float64(float64(int32(long(data[d.offset:], d.order))) / d.divisor)
		case float32Plain:
			raw := long(data[d.offset:], d.order)
			s.Value = acquire.Float64(float64(math.Float32frombits(raw)))
			if raw&0x7f80_0000 == 0x7f80_0000 { // NaN or infinite
				s.Value, s.Quality = acquire.Value{}, (q &^ acquire.Good).Because(acquire.Sensor)
			}
		case uint64Whole:
			s.Value = acquire.Uint64(quad(data[d.offset:], d.order))
		case int64Whole:
			s.Value = acquire.Int64(int64(quad(data[d.offset:], d.order)))
		case float64Plain:
			raw := quad(data[d.offset:], d.order)
			s.Value = acquire.Float64(math.Float64frombits(raw))
			if raw>>52&0x7ff == 0x7ff {
				s.Value, s.Quality = acquire.Value{}, (q &^ acquire.Good).Because(acquire.Sensor)
			}
		case bit: // V1.1b3, section 6.1: the first bit is the lowest of the first byte
			s.Value = acquire.Bool(data[d.offset/8]>>(d.offset%8)&1 != 0)
		default:
			value, quality := d.value(b, data)
			s.Value, s.Quality = value, q&^acquire.Good|quality
		}
	}
}

// bad appends one sample without value per point of the block.
func (b *block) bad(to *acquire.Batch, at acquire.Instant, q acquire.Quality) {
	for i := range b.decoders {
		to.Samples = append(to.Samples, acquire.Sample{Time: at, Point: b.decoders[i].point, Quality: q})
	}
}

// value decodes a point by its rule. The quality is the severity, with the reason
// where it is not good.
func (d *decoder) value(b *acquire.Batch, data []byte) (acquire.Value, acquire.Quality) {
	r := d.rule
	var raw uint64
	switch {
	case r.At.table.bits():
		raw = run(data, d.offset, r.length)
	case r.class == text:
		return d.text(b, data[d.offset:d.offset+r.length/8])
	case r.class == calendar && r.Type != CP56Time:
		return d.clock(data[d.offset : d.offset+r.length/8])
	default:
		raw = d.whole(data)
	}
	for _, s := range r.sentinels {
		if s.First <= raw && raw <= s.last() {
			return acquire.Value{}, acquire.Bad.Because(acquire.Sensor)
		}
	}
	raw = raw >> r.low & (1<<r.size - 1)
	switch r.class {
	case truth:
		if raw > 1 {
			return acquire.Value{}, acquire.Bad.Because(acquire.Range)
		}
		return acquire.Bool(raw != 0), acquire.Good
	case elapsed:
		return d.since(raw)
	case calendar:
		return d.cp56(raw)
	}
	scale := r.scale
	if r.powers != nil {
		power := int16(word(data[d.offset+r.scaleAt:], d.order))
		switch {
		case power == noPower:
			return acquire.Value{}, acquire.Bad.Because(acquire.Sensor)
		case power < -maxPower || power > maxPower:
			return acquire.Value{}, acquire.Bad.Because(acquire.Range)
		}
		scale = r.powers[maxPower+power]
	}
	switch r.class {
	case floating:
		return r.float(raw, scale)
	case signed:
		short := 64 - r.size
		return r.signed(b, int64(raw<<short)>>short, scale)
	case signMagnitude:
		sign := raw >> (r.size - 1)
		v := int64(raw &^ (sign << (r.size - 1)))
		if sign != 0 {
			v = -v
		}
		return r.signed(b, v, scale)
	case decimal:
		v, ok := unpack(raw)
		if !ok {
			return acquire.Value{}, acquire.Bad.Because(acquire.Range)
		}
		return r.unsigned(b, v, scale)
	case modulo:
		v, ok := r.modulo(raw)
		switch {
		case !ok:
			return acquire.Value{}, acquire.Bad.Because(acquire.Range)
		case r.Type == IntM10K:
			return r.signed(b, v, scale)
		}
		return r.unsigned(b, uint64(v), scale)
	}
	return r.unsigned(b, raw, scale)
}

// whole returns the registers of the point as one number.
func (d *decoder) whole(data []byte) uint64 {
	raw := data[d.offset:]
	switch d.rule.length {
	case 16:
		return uint64(word(raw, d.order))
	case 32:
		return uint64(long(raw, d.order))
	case 48:
		var three [8]byte
		arrange(three[2:], raw[:6], d.order)
		return binary.BigEndian.Uint64(three[:])
	}
	return quad(raw, d.order)
}

// unpack returns the number that packed decimal digits make.
func unpack(packed uint64) (uint64, bool) {
	var v, unit uint64 = 0, 1
	for ; packed != 0; packed >>= 4 {
		digit := packed & 0xf
		if digit > 9 {
			return 0, false
		}
		v += digit * unit
		unit *= 10
	}
	return v, true
}

// modulo returns the number whose digits of base 10,000 are the registers in raw.
func (r *rule) modulo(raw uint64) (v int64, ok bool) {
	for shift := r.length - 16; shift >= 0; shift -= 16 {
		digit := int64(uint16(raw >> shift))
		if r.Type == IntM10K {
			digit = int64(int16(digit))
		}
		if digit > 9999 || digit < -9999 {
			return 0, false
		}
		v = v*10_000 + digit
	}
	return v, true
}

func (r *rule) signed(b *acquire.Batch, v int64, scale units.Scale) (acquire.Value, acquire.Quality) {
	switch {
	case r.Names != nil:
		return r.named(b, v)
	case r.factor == 0:
		return acquire.Float64(scale.ApplyInt(v)), acquire.Good
	}
	product := v * r.factor
	if v != 0 && product/v != r.factor {
		return acquire.Value{}, acquire.Bad.Because(acquire.Range)
	}
	return acquire.Int64(product), acquire.Good
}

func (r *rule) unsigned(b *acquire.Batch, v uint64, scale units.Scale) (acquire.Value, acquire.Quality) {
	switch {
	case r.Names != nil && v > math.MaxInt64:
		return put(b, strconv.AppendUint(nil, v, 10))
	case r.Names != nil:
		return r.named(b, int64(v))
	case r.factor > 0:
		hi, lo := bits.Mul64(v, uint64(r.factor))
		if hi != 0 {
			return acquire.Value{}, acquire.Bad.Because(acquire.Range)
		}
		return acquire.Uint64(lo), acquire.Good
	case r.factor < 0 && v > math.MaxInt64:
		return acquire.Value{}, acquire.Bad.Because(acquire.Range)
	case r.factor < 0:
		return r.signed(b, int64(v), scale)
	}
	return acquire.Float64(scale.ApplyUint(v)), acquire.Good
}

// named returns the name of a number of an enumeration, or its digits.
func (r *rule) named(b *acquire.Batch, v int64) (acquire.Value, acquire.Quality) {
	var buffer [maxName]byte
	name, ok := r.Names[v]
	if !ok {
		return put(b, strconv.AppendInt(buffer[:0], v, 10))
	}
	return put(b, buffer[:copy(buffer[:], name)])
}

// float refuses NaN and infinities, with which devices mark a quantity that they
// cannot measure now, and what the scale makes too large.
func (r *rule) float(raw uint64, scale units.Scale) (acquire.Value, acquire.Quality) {
	var v float64
	switch r.Type {
	case Float16:
		v = float16(uint16(raw))
	case Float32:
		v = float64(math.Float32frombits(uint32(raw)))
	default:
		v = math.Float64frombits(raw)
	}
	if scale != unity {
		v = scale.Apply(v)
	}
	if !(math.Abs(v) <= math.MaxFloat64) {
		return acquire.Value{}, acquire.Bad.Because(acquire.Sensor)
	}
	return acquire.Float64(v), acquire.Good
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
