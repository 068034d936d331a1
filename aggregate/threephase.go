package aggregate

import (
	"math"

	"github.com/fieldtap/fieldtap/units"
)

// Apparent power of a three-phase load has three definitions, in IEEE 1459-2010,
// clause 3.2.2. On a balanced load they agree. On one resistor between two phases
// they give P, 1.15·P and 1.41·P: what a contract means by kVA it must say.

// VectorApparent returns |ΣP + jΣQ|, the vector apparent power of the phases
// (IEEE 1459-2010, clause 3.2.2). Unbalance does not show in it, and it is what
// follows from the total P and Q of a meter. It is NaN if any of them is and the
// others are finite.
func VectorApparent(p [3]units.Watts, q [3]units.Vars) units.VoltAmperes {
	return units.VoltAmperes(math.Hypot(float64(p[0]+p[1]+p[2]), float64(q[0]+q[1]+q[2])))
}

// ArithmeticApparent returns the sum of the apparent powers of the phases, the
// arithmetic apparent power (IEEE 1459-2010, clause 3.2.2). It is not below the
// vector apparent power.
func ArithmeticApparent(s [3]units.VoltAmperes) units.VoltAmperes { return s[0] + s[1] + s[2] }

// FourWire is what a meter measures in a system of three phases and a neutral:
// RMS values.
type FourWire struct {
	Phase   [3]float64 // V, phases to neutral: a, b, c
	Line    [3]float64 // V, between phases: ab, bc, ca
	Current [3]float64 // A, of the phases
	Neutral float64    // A, of the neutral
}

// EffectiveVoltage returns Ve, the voltage in V to neutral of the balanced system
// with the same losses in shunt loads (IEEE 1459-2010, clause 3.2.2):
//
//	Ve = √((3(Va²+Vb²+Vc²) + Vab²+Vbc²+Vca²)/18)
func (w FourWire) EffectiveVoltage() float64 {
	return math.Sqrt((3*squares(w.Phase) + squares(w.Line)) / 18)
}

// EffectiveCurrent returns Ie, the current in A of the balanced system with the
// same losses in the line, with a neutral like the phases (IEEE 1459-2010, clause
// 3.2.2):
//
//	Ie = √((Ia²+Ib²+Ic²+In²)/3)
func (w FourWire) EffectiveCurrent() float64 {
	return math.Sqrt((squares(w.Current) + w.Neutral*w.Neutral) / 3)
}

// EffectiveApparent returns Se = 3·Ve·Ie, the effective apparent power.
func (w FourWire) EffectiveApparent() units.VoltAmperes {
	return units.VoltAmperes(3 * w.EffectiveVoltage() * w.EffectiveCurrent())
}

// ThreeWire is what a meter measures in a system of three phases without a
// neutral: RMS values.
type ThreeWire struct {
	Line    [3]float64 // V, between phases: ab, bc, ca
	Current [3]float64 // A, of the phases
}

// EffectiveVoltage returns Ve in V (IEEE 1459-2010, clause 3.2.2):
//
//	Ve = √((Vab²+Vbc²+Vca²)/9)
func (w ThreeWire) EffectiveVoltage() float64 { return math.Sqrt(squares(w.Line) / 9) }

// EffectiveCurrent returns Ie in A (IEEE 1459-2010, clause 3.2.2):
//
//	Ie = √((Ia²+Ib²+Ic²)/3)
func (w ThreeWire) EffectiveCurrent() float64 { return math.Sqrt(squares(w.Current) / 3) }

// EffectiveApparent returns Se = 3·Ve·Ie, the effective apparent power.
func (w ThreeWire) EffectiveApparent() units.VoltAmperes {
	return units.VoltAmperes(3 * w.EffectiveVoltage() * w.EffectiveCurrent())
}

// VoltageUnbalance returns u2, the ratio of negative to positive sequence voltage,
// from the RMS voltages between phases in V (IEC 61000-4-30, clause 5.7.1):
//
//	u2 = √((1-√(3-6β))/(1+√(3-6β))), β = ΣU⁴/(ΣU²)²
//
// It reports false where the voltages are zero, not finite, or no triangle. The
// formula holds for the fundamental; harmonics are in it as far as they are in
// the RMS values.
func VoltageUnbalance(line [3]float64) (float64, bool) {
	most := max(math.Abs(line[0]), math.Abs(line[1]), math.Abs(line[2]))
	if !(most > 0 && most <= math.MaxFloat64) {
		return 0, false
	}
	for i := range line {
		line[i] /= most // neither overflow nor underflow
	}
	sum := squares(line)
	var fourths float64
	for _, u := range line {
		fourths += u * u * u * u
	}
	under := 3 - 6*fourths/(sum*sum)
	if under < 0 {
		return 0, false
	}
	root := min(math.Sqrt(under), 1)
	return math.Sqrt((1 - root) / (1 + root)), true
}

func squares(x [3]float64) float64 { return x[0]*x[0] + x[1]*x[1] + x[2]*x[2] }
