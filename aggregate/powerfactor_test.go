package aggregate_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/aggregate"
	"github.com/fieldtap/fieldtap/units"
)

func TestSignFacts(t *testing.T) {
	sign := func(s string) float64 {
		if s == "-" {
			return -1
		}
		return 1
	}
	for _, row := range rows(t, "sign.csv") {
		f, ok := aggregate.NewPowerFactor(3*sign(row[1]), 4*sign(row[2]))
		require.True(t, ok)
		require.Equal(t, row[0], f.Quadrant.String())
		require.Equal(t, row[3] == "lag", f.Lag())
		require.Equal(t, row[3] == "lead", f.Lead())
		require.Equal(t, 0.6, f.Magnitude)
		require.Equal(t, 0.6*sign(row[4]), f.IEC())
		require.Equal(t, 0.6*sign(row[5]), f.IEEE())
		require.Equal(t, fmt.Sprintf("0.60 (%s %s)", row[0], row[3]), f.String())
		require.Equal(t, row[4]+"0.600", string(f.AppendSigned(nil, aggregate.IEC)))
		require.Equal(t, row[5]+"0.600", string(f.AppendSigned(nil, aggregate.IEEE)))
	}
}

func TestFactorFacts(t *testing.T) {
	for _, row := range rows(t, "factor.csv") {
		f, ok := aggregate.NewPowerFactor(number(t, row[1]), number(t, row[2]))
		require.True(t, ok)
		require.InDelta(t, number(t, row[3]), f.Magnitude, 0.0005, row[0])
	}
}

func TestPowerFactorEdges(t *testing.T) {
	for _, undefined := range [][2]float64{{0, 0}, {math.NaN(), 1}, {1, math.NaN()}, {math.Inf(1), 1}, {1, math.Inf(-1)}} {
		f, ok := aggregate.NewPowerFactor(undefined[0], undefined[1])
		require.False(t, ok)
		require.False(t, f.Defined())
		require.Zero(t, f.Magnitude)
		require.Zero(t, f.Quadrant)
		require.True(t, math.IsNaN(f.IEC()) && math.IsNaN(f.IEEE()))
	}
	unity, ok := aggregate.NewPowerFactor(5, 0)
	require.True(t, ok)
	require.Equal(t, "1.00 (Q1)", unity.String())
	require.Equal(t, 1.0, unity.IEEE())
	require.False(t, unity.Lag() || unity.Lead())
	idle, ok := aggregate.NewPowerFactor(0, -2)
	require.True(t, ok)
	require.Equal(t, "0.00 (Q4 lead)", idle.String())
	huge, ok := aggregate.NewPowerFactor(math.MaxFloat64, math.MaxFloat64)
	require.True(t, ok)
	require.InDelta(t, math.Sqrt2/2, huge.Magnitude, 1e-15)
}

func TestFactorSaysWhyItIsUndefined(t *testing.T) {
	rules, err := aggregate.NewFactors(aggregate.FactorConfig{MinActive: 10, MinShare: 0.01, Nominal: 10000})
	require.NoError(t, err)
	for _, c := range []struct {
		p    units.Watts
		s    units.VoltAmperes
		q    units.Vars
		want aggregate.FactorStatus
		text string
	}{
		{800, 1000, 500, aggregate.FactorDefined, "0.80 (Q1 lag)"},
		{-800, 1000, -500, aggregate.FactorDefined, "0.80 (Q3 lag)"},
		{800, 1000, 0, aggregate.FactorDefined, "0.80 (Q1)"},
		{800, 1000, units.Vars(math.NaN()), aggregate.FactorDefined, "0.80 (no quadrant)"},
		{1005, 1000, 0, aggregate.FactorDefined, "1.00 (Q1)"},
		{1011, 1000, 0, aggregate.FactorContradictory, "undefined: contradictory"},
		{100, 0, 0, aggregate.FactorContradictory, "undefined: contradictory"},
		{0, 0, 0, aggregate.FactorNoFlow, "undefined: no flow"},
		{9.9, 1000, 0, aggregate.FactorLowLoad, "undefined: low load"},
		{50, 99, 0, aggregate.FactorLowLoad, "undefined: low load"},
		{50, 100, 0, aggregate.FactorDefined, "0.50 (Q1)"},
		{100, -1000, 0, aggregate.FactorNotFinite, "undefined: not finite"},
		{100, units.VoltAmperes(math.NaN()), 0, aggregate.FactorNotFinite, "undefined: not finite"},
		{units.Watts(math.Inf(-1)), 1000, 0, aggregate.FactorNotFinite, "undefined: not finite"},
		{100, 1000, units.Vars(math.Inf(1)), aggregate.FactorNotFinite, "undefined: not finite"},
	} {
		f, ok := rules.True(c.p, c.s, c.q)
		require.Equal(t, c.want, f.Status, c.text)
		require.Equal(t, c.want == aggregate.FactorDefined, ok)
		require.Equal(t, c.text, f.String())
		if !ok {
			require.Zero(t, f.Magnitude)
		}
	}
	back, _ := rules.True(-800, 1000, units.Vars(math.NaN()))
	require.Equal(t, -0.8, back.IEC())
	require.True(t, math.IsNaN(back.IEEE()), "without a quadrant there is no IEEE sign")
	require.Equal(t, "-0.800", string(back.AppendSigned(nil, aggregate.IEC)))
	require.Equal(t, "0.80 (no quadrant)", string(back.AppendSigned(nil, aggregate.IEEE)))
}

// A six-pulse rectifier on a sinusoidal voltage: a fundamental in phase and 31 %
// of harmonics. Displacement is unity, the true factor is not.
func TestTrueAndDisplacementDifferByDistortion(t *testing.T) {
	var rules aggregate.Factors
	const u, i1, thd = 230, 10, 0.31
	s := units.VoltAmperes(u * i1 * math.Sqrt(1+thd*thd))
	displacement, ok := rules.Displacement(u*i1, 0)
	require.True(t, ok)
	require.Equal(t, 1.0, displacement.Magnitude)
	factor, ok := rules.True(u*i1, s, 0)
	require.True(t, ok)
	require.InDelta(t, 0.955, factor.Magnitude, 0.0005)
}

func TestFactorConfigNamesAllFaults(t *testing.T) {
	_, err := aggregate.NewFactors(aggregate.FactorConfig{
		MinActive: -1, MinApparent: units.VoltAmperes(math.Inf(1)), MinShare: 0.1, Reactive: 9,
	})
	require.EqualError(t, err, "aggregate: power factor: least active power -1 W is not a magnitude\n"+
		"aggregate: power factor: least apparent power +Inf VA is not a magnitude\n"+
		"aggregate: power factor: least share 0.1 of a nominal power that is not given\n"+
		"aggregate: power factor: choice 9 of reactive energy is unknown")
	_, err = aggregate.NewFactors(aggregate.FactorConfig{MinShare: 2, Nominal: -5})
	require.EqualError(t, err, "aggregate: power factor: nominal apparent power -5 VA is not a magnitude\n"+
		"aggregate: power factor: least share 2 is not within 0 and 1")
}

func TestCountedReactive(t *testing.T) {
	active := aggregate.Account{Import: aggregate.WattHours(1000), Export: aggregate.WattHours(200)}
	reactive := aggregate.ReactiveAccount{Import: aggregate.VarHours(900), Export: aggregate.VarHours(300)}
	for _, c := range []struct {
		counted  aggregate.CountedReactive
		p, q     float64
		quadrant aggregate.Quadrant
	}{
		{aggregate.NetReactive, 800, 600, aggregate.Q1},
		{aggregate.LaggingReactive, 1000, 900, aggregate.Q1},
		{aggregate.GrossReactive, 800, 1200, aggregate.Q1},
	} {
		rules, err := aggregate.NewFactors(aggregate.FactorConfig{Reactive: c.counted})
		require.NoError(t, err)
		f, ok := rules.Energies(active, reactive, 15*time.Minute)
		require.True(t, ok)
		require.InEpsilon(t, c.p/math.Hypot(c.p, c.q), f.Magnitude, 1e-15, c.counted)
		require.Equal(t, c.quadrant, f.Quadrant)
	}
	f, ok := aggregate.Factors{}.Energies(active, reactive, 0)
	require.False(t, ok)
	require.Equal(t, aggregate.FactorIncomplete, f.Status)
}

// A cut-off holds for the mean power of the interval, not for its energy.
func TestCutOffOfEnergies(t *testing.T) {
	rules, err := aggregate.NewFactors(aggregate.FactorConfig{MinActive: 1000})
	require.NoError(t, err)
	active := aggregate.Account{Import: aggregate.WattHours(500)}
	f, ok := rules.Energies(active, aggregate.ReactiveAccount{}, 30*time.Minute)
	require.True(t, ok)
	require.Equal(t, "1.00 (Q1)", f.String())
	f, ok = rules.Energies(active, aggregate.ReactiveAccount{}, 31*time.Minute)
	require.False(t, ok)
	require.Equal(t, aggregate.FactorLowLoad, f.Status)
}

// Published bills: see testdata/README.md.
func TestBillingFacts(t *testing.T) {
	for _, row := range rows(t, "billing.csv") {
		p, q := number(t, row[1]), number(t, row[2])
		f, ok := aggregate.Factors{}.Energies(
			aggregate.Account{Import: aggregate.WattHours(int64(p * 1000))},
			aggregate.ReactiveAccount{Import: aggregate.VarHours(int64(q * 1000))}, time.Hour)
		require.True(t, ok)
		switch row[0] {
		case "excess":
			excess := aggregate.ExcessVars(units.Watts(p*1000), units.Vars(q*1000), units.Scale{Num: 1, Den: 3})
			require.InDelta(t, number(t, row[4]), excess.Kilovars(), 0.05)
		case "adjusted":
			adjusted, ok := f.Adjusted(units.Watts(p*1000), number(t, row[3]))
			require.True(t, ok)
			require.InDelta(t, number(t, row[4]), adjusted.Kilowatts(), 0.05)
		default:
			t.Fatal(row)
		}
	}
	require.Zero(t, aggregate.ExcessVars(1000, 300, units.Scale{Num: 1, Den: 3}))
	require.Equal(t, units.Vars(300), aggregate.ExcessVars(-1000, 300, units.Scale{Num: 1, Den: 3}))
	good, _ := aggregate.Factors{}.Energies(aggregate.Account{Import: aggregate.WattHours(1)}, aggregate.ReactiveAccount{}, time.Hour)
	same, ok := good.Adjusted(800, 0.9)
	require.True(t, ok)
	require.Equal(t, units.Watts(800), same)
	_, ok = aggregate.EnergyPowerFactor{}.Adjusted(800, 0.9)
	require.False(t, ok)
}

// The rounding of whole percents in integers: n percent is right if the factor
// is between n-1/2 and n+1/2, all squared.
func TestWholePercentEqualsItsTwin(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 5))
	for range 20000 {
		p, q := 1+r.Int64N(1e6), r.Int64N(1e6)
		f, ok := aggregate.Factors{}.Energies(aggregate.Account{Import: aggregate.WattHours(p)},
			aggregate.ReactiveAccount{Import: aggregate.VarHours(q)}, time.Hour)
		require.True(t, ok)
		n, ok := f.WholePercent()
		require.True(t, ok)
		square := 40000 * p * p
		low, high := int64(2*n-1), int64(2*n+1)
		require.True(t, n == 0 || low*low*(p*p+q*q) <= square, "%d %d", p, q)
		require.Less(t, square, high*high*(p*p+q*q), "%d %d", p, q)
	}
	_, ok := aggregate.EnergyPowerFactor{}.WholePercent()
	require.False(t, ok)
}

func TestFactorAllocatesNothing(t *testing.T) {
	rules, err := aggregate.NewFactors(aggregate.FactorConfig{MinActive: 10})
	require.NoError(t, err)
	iv := aggregate.Interval{}
	text := make([]byte, 0, 64)
	require.Zero(t, testing.AllocsPerRun(100, func() {
		f, _ := rules.True(800, 1000, 500)
		text = f.AppendSigned(f.Append(text[:0]), aggregate.IEEE)
		rules.Interval(&iv)
	}))
}
