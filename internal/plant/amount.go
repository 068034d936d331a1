package plant

import "math/bits"

// hour is one watt-hour in W·ns, and one var-hour in var·ns.
const hour = 3_600_000_000_000

// amount is an energy, exact to the W·ns: whole watt-hours and a rest of 0 to below one hour. With the rest never negative, the
// hours are the floor of the energy, which is what a register of that resolution shows. An int64 of W·ns would overflow within
// half a day at 200 kW.
type amount struct{ hours, rest int64 }

// product returns factor times n, in W·ns. The factor is not negative, and small enough for the hours to fit: 1e16 with
// 1e9 cycles, or 1e6 W with any int64 of time.
func product(factor, n int64) amount {
	magnitude := uint64(n)
	if n < 0 {
		magnitude = -magnitude
	}
	hi, lo := bits.Mul64(uint64(factor), magnitude)
	q, r := bits.Div64(hi, lo, hour)
	a := amount{int64(q), int64(r)}
	if n < 0 {
		return amount{}.minus(a)
	}
	return a
}

func (a amount) plus(b amount) amount {
	return amount{a.hours + b.hours, a.rest + b.rest}.carry()
}

func (a amount) minus(b amount) amount {
	return amount{a.hours - b.hours, a.rest - b.rest}.carry()
}

// add adds n W·ns; n may be negative.
func (a amount) add(n int64) amount {
	return amount{a.hours + n/hour, a.rest + n%hour}.carry()
}

// carry restores the range of a rest that is off by at most one hour.
func (a amount) carry() amount {
	switch {
	case a.rest >= hour:
		return amount{a.hours + 1, a.rest - hour}
	case a.rest < 0:
		return amount{a.hours - 1, a.rest + hour}
	}
	return a
}

// less tells whether a is less than b.
func (a amount) less(b amount) bool {
	return a.hours < b.hours || a.hours == b.hours && a.rest < b.rest
}

// float returns the energy in Wh.
func (a amount) float() float64 { return float64(a.hours) + float64(a.rest)/hour }
