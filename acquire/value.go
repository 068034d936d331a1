package acquire

import (
	"math"
	"strconv"
)

// Kind says what a Value holds.
type Kind uint8

// The kinds of value.
const (
	KindNone    Kind = iota // no value: a reading that failed
	KindFloat64             // IEEE 754 binary64
	KindInt64               // exact signed integer
	KindUint64              // exact unsigned integer, counters of 64 bits included
	KindBool                // false or true
	KindText                // UTF-8 text in the arena of the batch that carries the sample
)

// String returns the kind's name in lower case, such as "float64".
func (k Kind) String() string {
	switch k {
	case KindNone:
		return "none"
	case KindFloat64:
		return "float64"
	case KindInt64:
		return "int64"
	case KindUint64:
		return "uint64"
	case KindBool:
		return "bool"
	case KindText:
		return "text"
	}
	return "kind " + strconv.Itoa(int(k))
}

// Value is one reading: a number, a truth value, a reference to text, or none.
// It holds no pointer and boxes nothing, and integers of 64 bits stay exact.
//
// The zero value is none. Values of equal kind and content compare equal with
// ==, except NaN payloads (compared by bits) and texts (compared by reference).
type Value struct {
	bits uint64 // number, or for text: offset<<32 | length
	text uint32 // generation of the arena a text refers to
	kind Kind
}

// Float64 returns a Value holding v. NaN and infinities are kept as they are.
func Float64(v float64) Value { return Value{bits: math.Float64bits(v), kind: KindFloat64} }

// Int64 returns a Value holding v exactly.
func Int64(v int64) Value { return Value{bits: uint64(v), kind: KindInt64} }

// Uint64 returns a Value holding v exactly.
func Uint64(v uint64) Value { return Value{bits: v, kind: KindUint64} }

// Bool returns a Value holding v.
func Bool(v bool) Value {
	if v {
		return Value{bits: 1, kind: KindBool}
	}
	return Value{kind: KindBool}
}

// Kind returns what v holds.
func (v Value) Kind() Kind { return v.kind }

// IsNone reports whether v holds nothing.
func (v Value) IsNone() bool { return v.kind == KindNone }

// Float64 returns the float64 in v, and whether v holds one.
func (v Value) Float64() (float64, bool) {
	return math.Float64frombits(v.bits), v.kind == KindFloat64
}

// Int64 returns the signed integer in v, and whether v holds one.
func (v Value) Int64() (int64, bool) { return int64(v.bits), v.kind == KindInt64 }

// Uint64 returns the unsigned integer in v, and whether v holds one.
func (v Value) Uint64() (uint64, bool) { return v.bits, v.kind == KindUint64 }

// Bool returns the truth value in v, and whether v holds one.
func (v Value) Bool() (value, ok bool) { return v.bits != 0, v.kind == KindBool }

// Number returns v as a float64, and whether v is a number. Integers beyond
// 2^53 are rounded to the nearest float64; use Int64 or Uint64 to keep them.
func (v Value) Number() (float64, bool) {
	switch v.kind {
	case KindFloat64:
		return math.Float64frombits(v.bits), true
	case KindInt64:
		return float64(int64(v.bits)), true
	case KindUint64:
		return float64(v.bits), true
	}
	return 0, false
}

// String formats a number or truth value; none gives "-". A text lives in its
// batch, so that String gives "text"; use Batch.Text or Catalog.AppendSample.
func (v Value) String() string { return string(v.append(nil)) }

func (v Value) append(b []byte) []byte {
	switch v.kind {
	case KindFloat64:
		return strconv.AppendFloat(b, math.Float64frombits(v.bits), 'g', -1, 64)
	case KindInt64:
		return strconv.AppendInt(b, int64(v.bits), 10)
	case KindUint64:
		return strconv.AppendUint(b, v.bits, 10)
	case KindBool:
		return strconv.AppendBool(b, v.bits != 0)
	case KindText:
		return append(b, "text"...)
	}
	return append(b, '-')
}
