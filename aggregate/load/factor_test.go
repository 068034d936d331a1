package load_test

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/aggregate"
	"github.com/fieldtap/fieldtap/aggregate/load"
	"github.com/fieldtap/fieldtap/units"
)

// intervals makes quarter hours of constant power, in kW; a negative one is a gap.
func intervals(t testing.TB, kilowatts ...float64) []aggregate.Interval {
	t.Helper()
	catalog := acquire.NewCatalog()
	p, err := catalog.Define(acquire.Point{Name: "main/P", Unit: units.Kilowatt, Kind: acquire.KindFloat64})
	require.NoError(t, err)
	site, err := aggregate.NewRouter(catalog, aggregate.Metering{Name: "main", Power: "main/P", MaxGap: 15 * time.Minute})
	require.NoError(t, err)
	var batch acquire.Batch
	for i, kw := range append(kilowatts, 0) {
		s := acquire.Sample{Time: morning.Add(time.Duration(i) * 15 * time.Minute), Point: p, Value: acquire.Float64(kw), Quality: acquire.Good}
		if kw < 0 {
			s.Quality = acquire.Bad
		}
		batch.Append(s)
	}
	got := slices.Clone(site.Observe(&batch))
	require.Len(t, got, len(kilowatts))
	return got
}

// The definition of Hydro-Québec: kWh/(kW · h). 7,200 kWh in a month of 720 h with
// a peak of 20 kW are 50 %.
func TestFactor(t *testing.T) {
	for _, c := range []struct {
		energy int64
		peak   units.Watts
		d      time.Duration
		want   float64
		ok     bool
	}{
		{7200e3, 20e3, 720 * time.Hour, 0.5, true},
		{7200e3, 10e3, 720 * time.Hour, 1, true},
		{0, 10e3, 720 * time.Hour, 0, true},
		{7200e3, 0, 720 * time.Hour, 0, false},
		{7200e3, 20e3, 0, 0, false},
		{7200e3, -5, time.Hour, 0, false},
	} {
		got, ok := load.Factor(aggregate.WattHours(c.energy), c.peak, c.d)
		require.Equal(t, c.ok, ok)
		require.Equal(t, c.want, got)
	}
}

func TestProfile(t *testing.T) {
	var p load.Profile
	_, ok := p.LoadFactor()
	require.False(t, ok)
	_, ok = p.Utilization(1)
	require.False(t, ok)
	all := intervals(t, 10, 40, -1, 20, 40, 10)
	for i := range all {
		p.Observe(&all[i])
	}
	complete, incomplete := p.Intervals()
	require.Equal(t, [2]uint64{5, 1}, [2]uint64{complete, incomplete})
	energy, d := p.Energy()
	require.Equal(t, aggregate.WattHours(30e3), energy)
	require.Equal(t, 75*time.Minute, d)
	require.Equal(t, aggregate.Peak{Power: 40e3, Start: all[1].Start}, p.Peak(), "the first of equal ones")
	factor, ok := p.LoadFactor()
	require.True(t, ok)
	require.Equal(t, 0.6, factor)
	full, ok := p.FullLoadTime()
	require.True(t, ok)
	require.Equal(t, 45*time.Minute, full)
	share, ok := p.Utilization(160e3)
	require.True(t, ok)
	require.Equal(t, 0.25, share)
	_, ok = p.Utilization(0)
	require.False(t, ok)
}

func TestCurveEqualsItsTwin(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 12))
	for range 20 {
		kilowatts := make([]float64, 1+r.IntN(40))
		for i := range kilowatts {
			kilowatts[i] = float64(r.IntN(12) - 2)
		}
		all := intervals(t, kilowatts...)
		curve := load.Curve(nil).Append(all...)
		n := 0
		for kw := range 12 {
			above := 0
			for _, x := range kilowatts {
				if x > float64(kw) {
					above++
				}
			}
			require.Equal(t, time.Duration(above)*15*time.Minute, curve.Above(units.Watts(kw*1000)))
		}
		known := slices.DeleteFunc(slices.Clone(kilowatts), func(x float64) bool { return x < 0 })
		slices.SortFunc(known, func(a, b float64) int { return cmp.Compare(b, a) })
		for i, x := range known {
			for _, d := range []time.Duration{1, 15 * time.Minute} {
				got, ok := curve.At(time.Duration(i)*15*time.Minute + d)
				require.True(t, ok)
				require.Equal(t, units.Watts(x*1000), got)
			}
			n++
		}
		require.Len(t, curve, n)
		require.Equal(t, time.Duration(n)*15*time.Minute, curve.Duration())
		_, ok := curve.At(curve.Duration() + 1)
		require.False(t, ok)
		_, ok = curve.At(0)
		require.False(t, ok)
	}
}

func TestProfileAllocatesNothing(t *testing.T) {
	all := intervals(t, 10, 40, -1, 20, 40, 10)
	var p load.Profile
	curve := make(load.Curve, 0, 8)
	require.Zero(t, testing.AllocsPerRun(100, func() {
		p.Observe(&all[0])
		p.LoadFactor()
		curve = curve[:0].Append(all...)
		curve.Above(15e3)
	}))
}
