package aggregate_test

import (
	"math"
	"math/cmplx"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/aggregate"
	"github.com/fieldtap/fieldtap/units"
)

// system is a three-phase load as phasors: what the RMS values come from.
type system struct{ v, i [3]complex128 }

func (s system) powers() (p [3]units.Watts, q [3]units.Vars, apparent [3]units.VoltAmperes) {
	for k := range s.v {
		power := s.v[k] * cmplx.Conj(s.i[k])
		p[k], q[k], apparent[k] = units.Watts(real(power)), units.Vars(imag(power)), units.VoltAmperes(cmplx.Abs(power))
	}
	return p, q, apparent
}

func (s system) wires() (aggregate.FourWire, aggregate.ThreeWire) {
	var w aggregate.FourWire
	for k := range s.v {
		w.Phase[k] = cmplx.Abs(s.v[k])
		w.Line[k] = cmplx.Abs(s.v[k] - s.v[(k+1)%3])
		w.Current[k] = cmplx.Abs(s.i[k])
	}
	w.Neutral = cmplx.Abs(s.i[0] + s.i[1] + s.i[2])
	return w, aggregate.ThreeWire{Line: w.Line, Current: w.Current}
}

// star is a balanced system of 230 V to neutral.
func star() [3]complex128 {
	return [3]complex128{cmplx.Rect(230, 0), cmplx.Rect(230, -2*math.Pi/3), cmplx.Rect(230, 2*math.Pi/3)}
}

// One resistor between phases a and b: each definition has its own power factor.
func TestResistorBetweenTwoPhases(t *testing.T) {
	s := system{v: star()}
	s.i[0] = (s.v[0] - s.v[1]) / 10
	s.i[1] = -s.i[0]
	p, q, apparent := s.powers()
	four, three := s.wires()
	total := p[0] + p[1] + p[2]
	var rules aggregate.Factors
	for _, c := range []struct {
		name string
		s    units.VoltAmperes
		want float64
	}{
		{"vector", aggregate.VectorApparent(p, q), 1},
		{"arithmetic", aggregate.ArithmeticApparent(apparent), math.Sqrt(3) / 2},
		{"effective, four wires", four.EffectiveApparent(), math.Sqrt2 / 2},
		{"effective, three wires", three.EffectiveApparent(), math.Sqrt2 / 2},
	} {
		f, ok := rules.True(total, c.s, 0)
		require.True(t, ok)
		require.InDelta(t, c.want, f.Magnitude, 1e-12, c.name)
	}
}

// One resistor from a phase to neutral: the neutral carries as much as the phase.
func TestResistorToNeutral(t *testing.T) {
	s := system{v: star()}
	s.i[0] = s.v[0] / 10
	four, _ := s.wires()
	require.InDelta(t, 230, four.EffectiveVoltage(), 1e-9)
	require.InDelta(t, 23*math.Sqrt(2.0/3), four.EffectiveCurrent(), 1e-9)
	p, _, _ := s.powers()
	f, ok := aggregate.Factors{}.True(p[0], four.EffectiveApparent(), 0)
	require.True(t, ok)
	require.InDelta(t, 1/math.Sqrt(6), f.Magnitude, 1e-12)
}

// On a balanced load all definitions agree; on any other vector <= arithmetic <=
// effective.
func TestApparentDefinitionsAreOrdered(t *testing.T) {
	r := rand.New(rand.NewPCG(14, 59))
	for n := range 2000 {
		s := system{v: star()}
		for k := range s.i {
			if n%4 == 0 {
				s.i[k] = s.v[k] / complex(10, float64(n%9)-4)
			} else {
				s.i[k] = cmplx.Rect(20*r.Float64(), 2*math.Pi*r.Float64())
			}
		}
		p, q, apparent := s.powers()
		four, _ := s.wires()
		vector, arithmetic, effective := aggregate.VectorApparent(p, q), aggregate.ArithmeticApparent(apparent), four.EffectiveApparent()
		require.LessOrEqual(t, float64(vector), float64(arithmetic)*(1+1e-12))
		require.LessOrEqual(t, float64(arithmetic), float64(effective)*(1+1e-12))
		if n%4 == 0 {
			require.InEpsilon(t, float64(vector), float64(effective), 1e-12)
		}
	}
}

// The formula from three magnitudes equals the symmetrical components of the
// phasors, as there is one triangle with given sides.
func TestVoltageUnbalanceEqualsItsTwin(t *testing.T) {
	r := rand.New(rand.NewPCG(26, 53))
	a := cmplx.Rect(1, 2*math.Pi/3)
	for range 2000 {
		v := star()
		for k := range v {
			v[k] += cmplx.Rect(60*r.Float64(), 2*math.Pi*r.Float64())
		}
		ab, bc, ca := v[0]-v[1], v[1]-v[2], v[2]-v[0]
		positive, negative := ab+a*bc+a*a*ca, ab+a*a*bc+a*ca
		got, ok := aggregate.VoltageUnbalance([3]float64{cmplx.Abs(ab), cmplx.Abs(bc), cmplx.Abs(ca)})
		require.True(t, ok)
		require.InDelta(t, cmplx.Abs(negative)/cmplx.Abs(positive), got, 1e-7)
	}
}

func TestVoltageUnbalanceEdges(t *testing.T) {
	for _, c := range []struct {
		line [3]float64
		want float64
		ok   bool
	}{
		{[3]float64{400, 400, 400}, 0, true},
		{[3]float64{1e300, 1e300, 1e300}, 0, true},
		{[3]float64{400, 400, 0}, 1, true}, // two phases on one conductor
		{[3]float64{0, 0, 0}, 0, false},
		{[3]float64{400, 100, 100}, 0, false}, // no triangle
		{[3]float64{400, math.NaN(), 400}, 0, false},
		{[3]float64{math.Inf(1), 400, 400}, 0, false},
	} {
		got, ok := aggregate.VoltageUnbalance(c.line)
		require.Equal(t, c.ok, ok, "%v", c)
		require.InDelta(t, c.want, got, 1e-7, "%v", c)
	}
}

func TestThreePhaseAllocatesNothing(t *testing.T) {
	s := system{v: star(), i: star()}
	four, three := s.wires()
	p, q, _ := s.powers()
	require.Zero(t, testing.AllocsPerRun(100, func() {
		four.EffectiveApparent()
		three.EffectiveApparent()
		aggregate.VectorApparent(p, q)
		aggregate.VoltageUnbalance(four.Line)
	}))
}
