package demand_test

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/aggregate"
	"github.com/fieldtap/fieldtap/aggregate/demand"
	"github.com/fieldtap/fieldtap/units"
)

func thermal(t testing.TB, config demand.ThermalConfig) *demand.Thermal {
	t.Helper()
	th, err := demand.NewThermal(config)
	require.NoError(t, err)
	return th
}

// A step shows to 90 % after the interval and to 99 % after two, as the figure of
// thermal demand in the PM5100 manual has it, whatever the cadence.
func TestThermalStep(t *testing.T) {
	for _, cadence := range []time.Duration{time.Second, 7 * time.Second, 15 * time.Minute} {
		for _, rule := range []aggregate.Rule{aggregate.HoldLeft, aggregate.Trapezoid, aggregate.MeanOverPast} {
			th := thermal(t, demand.ThermalConfig{MaxGap: time.Hour, Rule: rule})
			th.PowerUp()
			th.Observe(eight, 1000, acquire.Good)
			for at := time.Duration(0); at < 30*time.Minute; {
				next := min(at+cadence, at-at%(15*time.Minute)+15*time.Minute)
				got, ok := th.Observe(eight.Add(next), 1000, acquire.Good)
				require.True(t, ok)
				switch at = next; at {
				case 15 * time.Minute:
					assert.InDelta(t, 900, float64(got), 1e-9)
				case 30 * time.Minute:
					assert.InDelta(t, 990, float64(got), 1e-9)
				}
			}
			assert.Equal(t, eight.Add(30*time.Minute), th.Peak().At)
		}
	}
}

// The closed form of a straight line, against a thousand constant steps in each
// segment.
func TestThermalEqualsTwin(t *testing.T) {
	rnd := rand.New(rand.NewPCG(13, 14))
	const tau = float64(15*time.Minute) / math.Ln10
	for _, rule := range []aggregate.Rule{aggregate.HoldLeft, aggregate.Trapezoid, aggregate.MeanOverPast} {
		th := thermal(t, demand.ThermalConfig{Rule: rule, MaxGap: 10 * time.Minute})
		th.PowerUp()
		at, last := eight, 0.0
		want, highest := 0.0, 0.0
		th.Observe(at, 0, acquire.Good)
		for range 300 {
			dt := time.Duration(1 + rnd.Int64N(int64(5*time.Minute)))
			p := rnd.Float64()*9000 - 3000
			const steps = 1000
			for i := range steps {
				power := last
				switch rule {
				case aggregate.Trapezoid:
					power = last + (p-last)*(float64(i)+0.5)/steps
				case aggregate.MeanOverPast:
					power = p
				}
				want += (power - want) * (1 - math.Exp(-float64(dt)/steps/tau))
				highest = max(highest, want)
			}
			at, last = at.Add(dt), p
			got, ok := th.Observe(at, units.Watts(p), acquire.Good)
			require.True(t, ok)
			require.InDelta(t, want, float64(got), 1e-3, rule)
			require.InDelta(t, highest, float64(th.Peak().Power), 0.02, rule)
			saved, err := th.MarshalBinary()
			require.NoError(t, err)
			again := thermal(t, th.Config())
			require.NoError(t, again.UnmarshalBinary(saved))
			th = again
		}
	}
}

// Where power falls through demand the peak lies between two samples.
func TestThermalPeakWithinARamp(t *testing.T) {
	th := thermal(t, demand.ThermalConfig{Rule: aggregate.Trapezoid, MaxGap: time.Hour})
	th.PowerUp()
	th.Observe(eight, 1000, acquire.Good)
	end, _ := th.Observe(eight.Add(30*time.Minute), -1000, acquire.Good)
	peak := th.Peak()
	require.Less(t, float64(end), float64(peak.Power))
	// At its peak demand equals power.
	falling := 1000 - 2000*float64(peak.At.Sub(eight))/float64(30*time.Minute)
	assert.InDelta(t, falling, float64(peak.Power), 1e-6)
}

func TestThermalGaps(t *testing.T) {
	th := thermal(t, demand.ThermalConfig{Interval: time.Minute, MaxGap: 10 * time.Second})
	at := eight
	observe := func(p float64, q acquire.Quality) bool {
		_, ok := th.Observe(at, units.Watts(p), q)
		at = at.Add(10 * time.Second)
		return ok
	}
	for i := range 13 {
		assert.Equal(t, i == 12, observe(100, acquire.Good), "settled after two intervals")
	}
	assert.True(t, observe(900, acquire.Uncertain))
	assert.True(t, observe(0, acquire.Bad), "what was held counts up to the bad sample")
	assert.False(t, observe(100, acquire.Good), "and nothing after it")
	assert.Equal(t, demand.ThermalCounts{Samples: 16, Bad: 1, Gaps: 1}, th.Counts())
	for range 12 {
		observe(100, acquire.Good)
	}
	_, ok := th.Demand()
	require.True(t, ok)
	at = at.Add(time.Nanosecond)
	assert.False(t, observe(100, acquire.Good), "longer than the longest gap")
	observe(math.NaN(), acquire.Good)
	observe(math.Inf(1), acquire.Good)
	observe(1e300, acquire.Good)
	assert.Equal(t, uint64(4), th.Counts().Bad)

	before := th.Counts()
	th.Observe(at.Add(-10*time.Second), 1, acquire.Good)
	th.Observe(0, 1, acquire.Good)
	assert.Equal(t, before.Rejected+2, th.Counts().Rejected)

	peak := th.Reset()
	assert.Positive(t, float64(peak.Power))
	assert.Equal(t, demand.ThermalPeak{}, th.Peak())
}

func TestNewThermalNamesEveryFault(t *testing.T) {
	_, err := demand.NewThermal(demand.ThermalConfig{Interval: -1, Rule: 9, MaxGap: -1, Settling: -1})
	require.EqualError(t, err, "demand: thermal interval -1ns is not within 1 s and 24 h\n"+
		"demand: unknown rule 9\n"+
		"demand: longest gap -1ns is not within 0 and 24 h\n"+
		"demand: settling time -1ns is not within 0 and 10 years")
}
