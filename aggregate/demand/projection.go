package demand

import (
	"math"
	"time"

	"github.com/fieldtap/fieldtap/aggregate"
	"github.com/fieldtap/fieldtap/units"
)

// Projected returns the demand that a demand interval ends with if power stays as
// it is: the energy so far and that of the time left, over the whole interval. It
// is the predicted demand of the PowerLogic PM5000 series and of Niagara's demand
// limiting. For rolling demand, so far is that of Register.Current, and left is
// what is left of its last sub-interval.
//
// It reports false where the times do not fit or now is not finite. The predicted
// demand of an ION meter follows changes of power with a speed set from 70 to 99;
// what it computes is not published, and is not offered here.
func Projected(soFar aggregate.Energy, now units.Watts, left, interval time.Duration) (units.Watts, bool) {
	if interval <= 0 || left < 0 || left > interval || math.IsNaN(float64(now)) || math.IsInf(float64(now), 0) {
		return 0, false
	}
	return soFar.Mean(interval) + now*units.Watts(float64(left)/float64(interval)), true
}
