package aggregate_test

import (
	"math/big"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/aggregate"
)

// run gives a meter of 60 kW for hours, with a register that moves by whole kWh
// and is by factor off, sampled every ten seconds, and reconciles its intervals.
func reconcile(t *testing.T, hours int, factor float64, tolerance aggregate.Tolerance, lost func(s int) bool) (all []aggregate.Reconciliation, r *aggregate.Reconciler) {
	t.Helper()
	b := newBench(t, aggregate.Metering{Power: "m/P", Import: "m/EI"})
	r, err := aggregate.NewReconciler(tolerance)
	require.NoError(t, err)
	take := func(list []aggregate.Interval) {
		for i := range list {
			all = append(all, r.Compare(&list[i]))
		}
	}
	for s := 0; s <= hours*3600; s += 10 {
		if lost == nil || !lost(s) {
			take(b.push(power, float64(s), 60))
		}
		take(b.push(imported, float64(s), float64(int(float64(s)/60*factor))))
	}
	return all, r
}

func TestReconcileAgrees(t *testing.T) {
	all, r := reconcile(t, 10, 1, aggregate.Tolerance{Resolution: aggregate.WattHours(1000)}, nil)
	require.Len(t, all, 40)
	for _, c := range all {
		require.True(t, c.Compared)
		require.False(t, c.Beyond || c.Drifting, "%+v", c)
		require.Equal(t, aggregate.WattHours(2000), c.Allowed)
		require.Equal(t, aggregate.WattHours(2000), c.DriftAllowed, "steps do not add up")
	}
	percent, ok := r.Percent()
	require.True(t, ok)
	require.InDelta(t, 0, percent, 0.2)
}

// A register that runs 2 % fast: no quarter hour shows it behind steps of 1 kWh,
// the drift does.
func TestReconcileDrift(t *testing.T) {
	all, r := reconcile(t, 10, 1.02, aggregate.Tolerance{Resolution: aggregate.WattHours(1000), Accuracy: 0.005}, nil)
	drifting := -1
	for i, c := range all {
		require.False(t, c.Beyond)
		if c.Drifting && drifting < 0 {
			drifting = i
		}
	}
	require.InDelta(t, 9, drifting, 3)
	require.True(t, all[len(all)-1].Drifting)
	percent, _ := r.Percent()
	require.InDelta(t, 2, percent, 0.3)
}

// A wrong multiplier shows in the first interval.
func TestReconcileBeyond(t *testing.T) {
	all, _ := reconcile(t, 1, 2, aggregate.Tolerance{Resolution: aggregate.WattHours(1000), Accuracy: 0.02}, nil)
	require.True(t, all[0].Beyond && all[0].Drifting)
	require.Equal(t, aggregate.WattHours(15000), all[0].Net)
}

// Where power misses time, the register knows more, by no more than MaxPower makes
// in that time.
func TestReconcileMissingTime(t *testing.T) {
	lost := func(s int) bool { return s%3600 >= 1000 && s%3600 < 1400 }
	all, _ := reconcile(t, 4, 1, aggregate.Tolerance{Resolution: aggregate.WattHours(1000)}, lost)
	compared := 0
	for _, c := range all {
		require.False(t, c.Beyond || c.Drifting)
		if c.Compared {
			compared++
		}
	}
	require.Equal(t, 12, compared)
	all, _ = reconcile(t, 4, 1, aggregate.Tolerance{Resolution: aggregate.WattHours(1000), MaxPower: 70e3}, lost)
	for i, c := range all {
		require.True(t, c.Compared)
		require.False(t, c.Beyond || c.Drifting)
		if i%4 == 1 {
			require.Greater(t, c.Net.KilowattHours(), 4.5)
			require.Equal(t, 1, c.Allowed.Cmp(aggregate.WattHours(2000)))
		}
	}
}

// Registers and power miss different halves of an interval in which 1 kW goes in
// first, and out then: both accounts are right, and 1 kWh apart.
func TestReconcileMissesBothSides(t *testing.T) {
	b := newBench(t, aggregate.Metering{Power: "m/P", Import: "m/EI", Export: "m/EE", Demand: aggregate.Block(time.Hour), MaxGap: 30 * time.Minute, Hold: 30 * time.Minute})
	b.push(power, 0, 1)
	b.sample(power, 1800, acquire.Value{}, acquire.Bad)
	for _, s := range []float64{0, 1800, 3600} {
		quality := acquire.Good
		if s == 0 {
			quality = acquire.Bad
		}
		b.sample(imported, s, acquire.Float64(100), quality)
		b.sample(exported, s, acquire.Float64(50+max(0, s-1800)/3600), quality)
	}
	list := b.pass(3600)
	require.Len(t, list, 1)
	r, err := aggregate.NewReconciler(aggregate.Tolerance{MaxPower: 1000})
	require.NoError(t, err)
	c := r.Compare(&list[0])
	require.True(t, c.Compared)
	require.Equal(t, aggregate.WattHours(-1000), c.Net)
	require.Equal(t, aggregate.WattHours(1000), c.Allowed)
	require.False(t, c.Beyond || c.Drifting)
	// The same interval again, as a revision of it would come, is no more drift.
	again := r.Compare(&list[0])
	require.False(t, again.Compared)
	require.Equal(t, c.Drift, again.Drift)
	require.Equal(t, c.DriftAllowed, again.DriftAllowed)
}

func TestReconcilerState(t *testing.T) {
	tolerance := aggregate.Tolerance{Resolution: aggregate.WattHours(1000), Accuracy: 0.005, MaxPower: 70e3}
	lost := func(s int) bool { return s%5000 >= 1000 && s%5000 < 1400 }
	b := newBench(t, aggregate.Metering{Power: "m/P", Import: "m/EI"})
	one, err := aggregate.NewReconciler(tolerance)
	require.NoError(t, err)
	two, err := aggregate.NewReconciler(tolerance)
	require.NoError(t, err)
	compared := 0
	for s := 0; s <= 20000; s += 10 {
		if !lost(s) {
			b.push(power, float64(s), 60)
		}
		for _, iv := range b.push(imported, float64(s), float64(s/59)) {
			require.Equal(t, one.Compare(&iv), two.Compare(&iv))
			require.Equal(t, one, two)
			compared++
			state, err := one.MarshalBinary()
			require.NoError(t, err)
			two, _ = aggregate.NewReconciler(tolerance)
			require.NoError(t, two.UnmarshalBinary(state))
			state[len(state)-9] ^= 1
			require.ErrorIs(t, two.UnmarshalBinary(state), aggregate.ErrState)
		}
	}
	require.Greater(t, compared, 10)
	other, _ := aggregate.NewReconciler(aggregate.Tolerance{})
	state, _ := one.MarshalBinary()
	require.ErrorIs(t, other.UnmarshalBinary(state), aggregate.ErrOtherConfiguration)
}

// The bounds are what a slow twin says in rationals.
func TestReconcileTwin(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 7))
	b := newBench(t, aggregate.Metering{Power: "m/P", Import: "m/EI", Export: "m/EE", Rule: aggregate.Trapezoid, Demand: aggregate.Block(time.Minute)})
	tolerance := aggregate.Tolerance{Resolution: aggregate.WattHours(3), Accuracy: 0.25, MaxPower: 1000}
	r, err := aggregate.NewReconciler(tolerance)
	require.NoError(t, err)
	drift, flow, unseen, ends, within := new(big.Rat), new(big.Rat), new(big.Rat), int64(0), false
	in, out := 0.0, 0.0
	for s := 0; s < 20000; s += 5 {
		quality := acquire.Good
		if random.IntN(20) == 0 {
			quality = acquire.Bad
		}
		list := b.sample(power, float64(s), acquire.Float64(random.NormFloat64()*1000), quality)
		in += float64(random.IntN(3))
		out += float64(random.IntN(3))
		list = append(list, b.push(imported, float64(s), in)...)
		list = append(list, b.push(exported, float64(s), out)...)
		for i := range list {
			iv := &list[i]
			got := r.Compare(iv)
			missing := max(iv.Registers.Coverage.Missing, iv.Power.Coverage.Missing)
			require.Equal(t, missing < iv.Duration() && !iv.Flags.Has(aggregate.Carried), got.Compared)
			if got.Compared {
				net := iv.Registers.Net().Sub(iv.Power.Net())
				require.Equal(t, net, got.Net)
				part := new(big.Rat).Add(iv.Registers.Import.Rat(), iv.Registers.Export.Rat())
				more := big.NewRat(1000*int64(iv.Registers.Coverage.Missing+iv.Power.Coverage.Missing), 3600e9)
				interior := int64(0)
				if iv.Registers.Coverage.Missing > 0 {
					interior = 4
				}
				allowed := new(big.Rat).Mul(part, big.NewRat(1, 4))
				allowed.Add(allowed, more).Add(allowed, big.NewRat(3*(4+interior), 1))
				nearly(t, allowed, got.Allowed)
				require.Equal(t, new(big.Rat).Abs(net.Rat()).Cmp(got.Allowed.Rat()) > 0, got.Beyond)
				drift.Add(drift, net.Rat())
				flow.Add(flow, part)
				unseen.Add(unseen, more)
				if ends += interior; !within {
					ends += 4
				}
			}
			within = got.Compared
			require.Zero(t, drift.Cmp(got.Drift.Rat()))
			allowed := new(big.Rat).Mul(flow, big.NewRat(1, 4))
			nearly(t, allowed.Add(allowed, unseen).Add(allowed, big.NewRat(3*ends, 1)), got.DriftAllowed)
			require.Equal(t, new(big.Rat).Abs(drift).Cmp(got.DriftAllowed.Rat()) > 0, got.Drifting)
		}
	}
	require.Greater(t, ends, int64(0))
}

// nearly requires that got is want but for a rounding to quanta.
func nearly(t *testing.T, want *big.Rat, got aggregate.Energy) {
	t.Helper()
	d := new(big.Rat).Sub(want, got.Rat())
	require.Negative(t, d.Abs(d).Cmp(big.NewRat(8, 7200000000000000000)), "%v %v", want.FloatString(20), got)
}

func TestReconcilerFaults(t *testing.T) {
	_, err := aggregate.NewReconciler(aggregate.Tolerance{Resolution: aggregate.WattHours(-1), Accuracy: 2, MaxPower: -1})
	require.EqualError(t, err, ""+
		"aggregate: reconciler: resolution -0.001 kWh is negative\n"+
		"aggregate: reconciler: accuracy 2 is not within 0 and 1\n"+
		"aggregate: reconciler: maximum power -1 is not within 0 and 4.6 TW")
	var zero aggregate.Reconciler
	require.False(t, zero.Compare(&aggregate.Interval{}).Compared)
	_, ok := zero.Percent()
	require.False(t, ok)
}

func TestReconcileAllocs(t *testing.T) {
	b := newBench(t, aggregate.Metering{Power: "m/P", Import: "m/EI"})
	b.push(power, 0, 60)
	b.push(imported, 0, 1)
	b.push(imported, 30, 1)
	iv := b.router.Flush(nil)[0]
	r, err := aggregate.NewReconciler(aggregate.Tolerance{MaxPower: 1e6})
	require.NoError(t, err)
	require.Zero(t, testing.AllocsPerRun(100, func() { r.Compare(&iv) }))
	state := make([]byte, 0, 1024)
	require.Zero(t, testing.AllocsPerRun(10, func() { _, _ = r.AppendBinary(state) }))
}
