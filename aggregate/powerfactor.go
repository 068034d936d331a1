package aggregate

import (
	"math"
	"strconv"
)

// Quadrant says which way active and reactive power flow, seen by a consumer:
// import is positive. The numbering is that of IEC 62053-23, annex C.
type Quadrant uint8

// The quadrants. The zero Quadrant is none.
const (
	Q1 Quadrant = 1 + iota // imports both: an inductive load, current lags
	Q2                     // exports active, imports reactive: current leads
	Q3                     // exports both: current lags
	Q4                     // imports active, exports reactive: a capacitive load, current leads
)

// String returns "Q1" to "Q4", or "no quadrant".
func (q Quadrant) String() string {
	if q < Q1 || q > Q4 {
		return "no quadrant"
	}
	return "Q" + strconv.Itoa(int(q))
}

// PowerFactor is the ratio of active to apparent power, |P|/S, with the
// quadrant in place of a sign, since the field knows two signs. Over an interval
// it is the factor of the energies, which is what tariffs bill, and not a mean
// of momentary factors. Since it comes from P and Q, distortion is in it only as
// far as the meter's Q has it.
//
// The zero value means nothing; functions that return a PowerFactor return with
// it whether it is defined.
type PowerFactor struct {
	Magnitude float64  // 0 to 1
	Quadrant  Quadrant // which way active and reactive power flow

	unity bool // no reactive power: neither lag nor lead
}

// NewPowerFactor returns the power factor of active power p and reactive power
// q in like units, powers or energies. It reports false if both are zero or
// either is not finite: the factor is then undefined, neither 0 nor 1.
// Of a p or q that is zero the sign counts as positive.
func NewPowerFactor(p, q float64) (PowerFactor, bool) {
	s := math.Hypot(p, q)
	if s == 0 || math.IsInf(p, 0) || math.IsInf(q, 0) || math.IsNaN(s) {
		return PowerFactor{}, false
	}
	if math.IsInf(s, 0) {
		return NewPowerFactor(p/4, q/4)
	}
	f := PowerFactor{Magnitude: math.Abs(p) / s, Quadrant: Q1, unity: q == 0}
	switch {
	case p < 0 && q < 0:
		f.Quadrant = Q3
	case p < 0:
		f.Quadrant = Q2
	case q < 0:
		f.Quadrant = Q4
	}
	return f, true
}

// Lag reports whether the current lags: quadrants 1 and 3, unless there is no
// reactive power.
func (f PowerFactor) Lag() bool { return !f.unity && (f.Quadrant == Q1 || f.Quadrant == Q3) }

// Lead reports whether the current leads: quadrants 2 and 4, unless there is no
// reactive power.
func (f PowerFactor) Lead() bool { return !f.unity && (f.Quadrant == Q2 || f.Quadrant == Q4) }

// IEC returns the power factor with the sign of active power, as meters in IEC
// mode show it: + - - + over the quadrants 1 to 4.
func (f PowerFactor) IEC() float64 {
	if f.Quadrant == Q2 || f.Quadrant == Q3 {
		return -f.Magnitude
	}
	return f.Magnitude
}

// IEEE returns the power factor as meters in IEEE mode show it, negative where
// the current lags: - + - + over the quadrants 1 to 4. At unity, which neither
// lags nor leads, it is positive.
func (f PowerFactor) IEEE() float64 {
	if f.Lag() {
		return -f.Magnitude
	}
	return f.Magnitude
}

// String formats f for people: "0.93 (Q1 lag)".
func (f PowerFactor) String() string { return string(f.Append(nil)) }

// Append appends the text of String to dst.
func (f PowerFactor) Append(dst []byte) []byte {
	dst = strconv.AppendFloat(dst, f.Magnitude, 'f', 2, 64)
	dst = append(dst, " ("...)
	dst = append(dst, f.Quadrant.String()...)
	switch {
	case f.Lag():
		dst = append(dst, " lag"...)
	case f.Lead():
		dst = append(dst, " lead"...)
	}
	return append(dst, ')')
}
