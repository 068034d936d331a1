package aggregate_test

import (
	"encoding"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/aggregate"
	"github.com/fieldtap/fieldtap/units"
)

// resumable is what keeps a state, with how to go on with it.
type resumable struct {
	state interface {
		encoding.BinaryMarshaler
		encoding.BinaryUnmarshaler
	}
	run func(from acquire.Instant)
}

// stages returns one of each kind that works beside or before a Router.
func stages(t testing.TB) []resumable {
	t.Helper()
	pulses, err := aggregate.NewPulseMeter(aggregate.Pulses{Weight: aggregate.PulsesPerKilowattHour(1000), Modulus: 1000, MaxPower: 1e6})
	require.NoError(t, err)
	quadrants, err := aggregate.NewQuadrants(aggregate.QuadrantConfig{Rule: aggregate.Trapezoid, MaxSkew: time.Second})
	require.NoError(t, err)
	reconciler, err := aggregate.NewReconciler(aggregate.Tolerance{Resolution: aggregate.WattHours(1), Accuracy: 0.01, MaxPower: 1e6})
	require.NoError(t, err)
	reorder, err := aggregate.NewReorder(aggregate.ReorderConfig{Points: []acquire.PointID{1, 2}, Size: 4, Lateness: 5 * time.Second})
	require.NoError(t, err)
	catalog := acquire.NewCatalog()
	for _, point := range []acquire.Point{{Name: "P", Unit: units.Kilowatt}, {Name: "EI", Unit: units.KilowattHour, Role: acquire.Counter}} {
		point.Kind = acquire.KindFloat64
		_, err := catalog.Define(point)
		require.NoError(t, err)
	}
	metering := aggregate.Metering{Name: "m", Power: "P", Import: "EI", Demand: aggregate.Block(time.Minute)}
	reviser, err := aggregate.NewReviser(catalog, aggregate.Revisions{Intervals: 3, Samples: 16}, metering)
	require.NoError(t, err)
	router, err := aggregate.NewRouter(catalog, metering)
	require.NoError(t, err)
	batch := func(from acquire.Instant) *acquire.Batch {
		b := &acquire.Batch{Watermark: from.Add(30 * time.Second), Points: []acquire.PointID{1, 2}}
		for i := range 20 {
			at := from.Add(time.Duration(i*37%20) * 11 * time.Second)
			b.Append(acquire.Sample{Time: at, Point: acquire.PointID(1 + i%2), Value: acquire.Float64(float64(i) / 3), Quality: acquire.Good})
		}
		return b
	}
	return []resumable{
		{pulses, func(from acquire.Instant) {
			for i := range 20 {
				pulses.Read(from.Add(time.Duration(i)*time.Second), uint64(i*i*7%1000))
				pulses.Power(from)
			}
			pulses.Pulse(from.Add(time.Hour))
			pulses.Energy()
		}},
		{&quadrants, func(from acquire.Instant) {
			var got []aggregate.QuadrantInterval
			for i := range 20 {
				at := from.Add(time.Duration(i*i) * time.Second)
				got = quadrants.Push(got, at, units.Watts(100-13*i), units.Vars(7*i-50), acquire.Good)
				got = quadrants.PushReactive(got, at.Add(time.Second), 5, acquire.Good)
			}
			quadrants.Tick(got, from.Add(24*time.Hour))
			quadrants.Total()
		}},
		{reconciler, func(from acquire.Instant) {
			list := router.Observe(batch(from))
			for i := range list {
				reconciler.Compare(&list[i])
			}
			reconciler.Percent()
		}},
		{reorder, func(from acquire.Instant) {
			reorder.Observe(batch(from))
			reorder.Observe(batch(from.Add(time.Hour)))
			reorder.Flush()
			reorder.Observe(batch(from.Add(time.Hour)))
		}},
		{reviser, func(from acquire.Instant) {
			reviser.Observe(batch(from))
			_, _ = reviser.Swap(nil, aggregate.Swap{Point: 1, At: from.Add(10 * time.Minute), Multiplier: aggregate.Ratio{Num: 3, Den: 2}})
			_, _ = reviser.Swap(nil, aggregate.Swap{Point: 2, At: from.Add(11 * time.Minute), Initial: acquire.Uint64(3)})
			reviser.Observe(batch(from.Add(8 * time.Minute)))
			reviser.Observe(batch(from.Add(9 * time.Minute)))
			reviser.Totals("m")
		}},
	}
}

// checkHostileStage restores a state that was tampered with, and goes on: whatever
// comes of it, it does not panic.
func checkHostileStage(t *testing.T, which int, state []byte) (taken bool) {
	s := stages(t)[which]
	if s.state.UnmarshalBinary(seal(state)) != nil {
		return false
	}
	s.run(pulseStart.Add(2 * time.Hour))
	s.run(pulseStart.Add(24 * time.Hour))
	_, err := s.state.MarshalBinary()
	require.NoError(t, err)
	return true
}

func TestHostileStages(t *testing.T) {
	random := rand.New(rand.NewPCG(4, 2))
	for which := range stages(t) {
		s := stages(t)[which]
		s.run(pulseStart)
		state, err := s.state.MarshalBinary()
		require.NoError(t, err)
		taken := 0
		for range 300 {
			bad := slices.Clone(state)
			for range 1 + random.IntN(3) {
				at := 15 + random.IntN(len(bad)-15)
				switch random.IntN(3) {
				case 0:
					bad[at] ^= 1 << random.IntN(8)
				case 1:
					bad[at] = byte(random.Uint32())
				default:
					bad[at] = [...]byte{0, 1, 0x7f, 0x80, 0xff}[random.IntN(5)]
				}
			}
			if checkHostileStage(t, which, bad) {
				taken++
			}
		}
		require.Greater(t, taken, 2, "%T", s.state)
	}
}

func FuzzHostileStage(f *testing.F) {
	for which := range stages(f) {
		s := stages(f)[which]
		s.run(pulseStart)
		state, err := s.state.MarshalBinary()
		require.NoError(f, err)
		f.Add(byte(which), state)
	}
	f.Fuzz(func(t *testing.T, which byte, state []byte) {
		checkHostileStage(t, int(which)%5, state)
	})
}
