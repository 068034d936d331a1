package aggregate

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/units"
)

// The short way into the next period comes to what the way by all cases comes to:
// the same periods and the same state, whatever the rule and the direction.
func TestTakeNextIsTakeGauge(t *testing.T) {
	random := rand.New(rand.NewPCG(71, 72))
	took := 0
	for range 400 {
		plan, err := NewPlan(Series{
			Unit: units.Kilowatt, Rule: Rule(random.IntN(3)), MaxGap: 25 * time.Second, Demand: Block(time.Minute),
			Sync: Sync{By: [...]SyncSource{ByClock, FreeRunning}[random.IntN(2)]},
		})
		require.NoError(t, err)
		points := make([]acquire.PointID, 1)
		short, err := NewBank(plan, nil, points)
		require.NoError(t, err)
		long, err := NewBank(plan, nil, points)
		require.NoError(t, err)
		at, sign := soonest+acquire.Instant(random.Int64N(60e9)), 1.0
		steps := [...]int64{1, 10e9, 20e9, 30e9}
		var got, want []Period
		for range 60 {
			at += acquire.Instant(steps[1+random.IntN(3)])
			if random.IntN(3) == 0 {
				at += acquire.Instant(random.Int64N(9e9))
			}
			if random.IntN(20) == 0 {
				sign = -sign
			}
			s := acquire.Sample{Time: at, Value: acquire.Float64(sign * random.Float64() * 100), Quality: acquire.Good}
			if random.IntN(20) == 0 {
				s.Quality = acquire.Uncertain
			}
			if random.IntN(20) == 0 {
				mark := at + acquire.Instant(random.Int64N(90e9))
				got, want = short.pass(got, 0, mark), long.pass(want, 0, mark)
			}
			d := short.at(0, got)
			x, _ := s.Value.Float64()
			if g := short.gauge(0); d.takeNext(g, s.Time, x, s.Quality) {
				took++
			} else {
				d.takeGauge(g, &s)
			}
			got = d.drop()
			d = long.at(0, want)
			d.takeGauge(long.gauge(0), &s)
			want = d.drop()
			require.Equal(t, want, got)
		}
		a, err := short.AppendBinary(nil)
		require.NoError(t, err)
		b, err := long.AppendBinary(nil)
		require.NoError(t, err)
		require.Equal(t, b, a)
	}
	require.Greater(t, took, 300)
}
