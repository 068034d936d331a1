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
	return "Q1Q2Q3Q4"[2*(q-Q1):][:2]
}

// FactorStatus says whether a power factor is defined, and if not, why.
type FactorStatus uint8

// The states of a power factor.
const (
	FactorUnknown       FactorStatus = iota // nobody has computed it: the zero value
	FactorDefined                           // magnitude and direction are as they say
	FactorNoFlow                            // neither active nor apparent power: 0/0
	FactorLowLoad                           // below the cut-off of FactorConfig
	FactorNotFinite                         // an input was NaN, infinite or a negative magnitude
	FactorContradictory                     // more active than apparent power, by more than FactorTolerance
	FactorIncomplete                        // an account is absent, misses time or holds energy that is Carried
)

var factorStatusNames = [...]string{"unknown", "defined", "no flow", "low load", "not finite", "contradictory", "incomplete"}

// String returns the state in words, such as "low load".
func (s FactorStatus) String() string {
	if int(s) < len(factorStatusNames) {
		return factorStatusNames[s]
	}
	return "status " + strconv.Itoa(int(s))
}

// SignConvention says what the sign of a power factor means. Meters are set to
// one or the other, and the two disagree in three quadrants of four.
type SignConvention uint8

// The conventions.
const (
	IEC  SignConvention = iota // the sign of active power: + - - + over the quadrants 1 to 4
	IEEE                       // minus where the current lags: - + - +
)

// String returns "IEC" or "IEEE".
func (c SignConvention) String() string {
	switch c {
	case IEC:
		return "IEC"
	case IEEE:
		return "IEEE"
	}
	return "convention " + strconv.Itoa(int(c))
}

// PowerFactor is a ratio of active to apparent power, |P|/S, with the quadrant
// in place of a sign, since the field knows two signs. What it is the factor of
// is said by the type it is found in: TruePowerFactor, DisplacementPowerFactor
// or EnergyPowerFactor. These differ on the same load, and none converts to
// another.
//
// The zero value is not defined; functions that return a PowerFactor also say
// whether it is.
type PowerFactor struct {
	Magnitude float64      // 0 to 1; 0 where not defined
	Quadrant  Quadrant     // which way active and reactive power flow; none where reactive power is not known
	Status    FactorStatus // FactorDefined, or why not

	unity    bool // no reactive power: neither lag nor lead
	exported bool // active power is negative
}

// NewPowerFactor returns the power factor |p|/√(p²+q²) of active power p and
// reactive power q in like units, powers or energies. It reports false if both
// are zero or either is not finite: the factor is then undefined, neither 0 nor
// 1. Of a p or q that is zero the sign counts as positive.
func NewPowerFactor(p, q float64) (PowerFactor, bool) {
	s := math.Hypot(p, q)
	if math.IsInf(s, 0) && !math.IsInf(p, 0) && !math.IsInf(q, 0) {
		return NewPowerFactor(p/4, q/4)
	}
	return newFactor(p, s, q)
}

// newFactor returns |p|/s with the quadrant of p and q. A q that is NaN is not
// known.
func newFactor(p, s, q float64) (PowerFactor, bool) {
	const most = math.MaxFloat64
	switch p := math.Abs(p); {
	case !(p <= most && s >= 0 && s <= most) || math.IsInf(q, 0):
		return PowerFactor{Status: FactorNotFinite}, false
	case s == 0 && p == 0:
		return PowerFactor{Status: FactorNoFlow}, false
	case s == 0 || p/s > 1+FactorTolerance:
		return PowerFactor{Status: FactorContradictory}, false
	}
	return PowerFactor{
		Magnitude: min(math.Abs(p)/s, 1),
		Quadrant:  quadrantOf(p, q),
		Status:    FactorDefined,
		unity:     q == 0,
		exported:  p < 0,
	}, true
}

// quadrantOf returns the quadrant of p and q, of which zero counts as positive;
// none if q is NaN.
func quadrantOf(p, q float64) Quadrant {
	switch {
	case math.IsNaN(q):
		return 0
	case p < 0 && q < 0:
		return Q3
	case p < 0:
		return Q2
	case q < 0:
		return Q4
	}
	return Q1
}

// Defined reports whether f is defined.
func (f PowerFactor) Defined() bool { return f.Status == FactorDefined }

// Lag reports whether the current lags: quadrants 1 and 3, unless there is no
// reactive power.
func (f PowerFactor) Lag() bool { return !f.unity && (f.Quadrant == Q1 || f.Quadrant == Q3) }

// Lead reports whether the current leads: quadrants 2 and 4, unless there is no
// reactive power.
func (f PowerFactor) Lead() bool { return !f.unity && (f.Quadrant == Q2 || f.Quadrant == Q4) }

// IEC returns the power factor with the sign of active power, as meters in IEC
// mode show it: + - - + over the quadrants 1 to 4. It is NaN where not defined.
func (f PowerFactor) IEC() float64 {
	switch {
	case f.Status != FactorDefined:
		return math.NaN()
	case f.exported:
		return -f.Magnitude
	}
	return f.Magnitude
}

// IEEE returns the power factor as meters in IEEE mode show it, negative where
// the current lags: - + - + over the quadrants 1 to 4. At unity, which neither
// lags nor leads, it is positive. It is NaN where not defined, or where the
// quadrant is not known.
func (f PowerFactor) IEEE() float64 {
	switch {
	case f.Status != FactorDefined || f.Quadrant == 0:
		return math.NaN()
	case f.Lag():
		return -f.Magnitude
	}
	return f.Magnitude
}

// String formats f for people: "0.93 (Q1 lag)", or "undefined: low load".
func (f PowerFactor) String() string { return string(f.Append(nil)) }

// Append appends the text of String to dst.
func (f PowerFactor) Append(dst []byte) []byte {
	if f.Status != FactorDefined {
		return f.appendUndefined(dst)
	}
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

// AppendSigned appends f as a meter of that convention shows it, with three
// decimals and a sign: "-0.934". Where the convention has no sign for f, it
// appends the text of String.
func (f PowerFactor) AppendSigned(dst []byte, c SignConvention) []byte {
	x := f.IEC()
	if c == IEEE {
		x = f.IEEE()
	}
	if math.IsNaN(x) {
		return f.Append(dst)
	}
	if !math.Signbit(x) {
		dst = append(dst, '+')
	}
	return strconv.AppendFloat(dst, x, 'f', 3, 64)
}

func (f PowerFactor) appendUndefined(dst []byte) []byte {
	dst = append(dst, "undefined: "...)
	return append(dst, f.Status.String()...)
}
