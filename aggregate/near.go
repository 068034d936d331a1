package aggregate

import (
	"math"
	"math/bits"

	"github.com/fieldtap/fieldtap/acquire"
)

// near is what samples have to be like for the sum of their powers, each times the
// time since the one before, to be added up in 64 bits. Each of these times is
// taken as least and a rest, which is at most most:
//
//	Σ p·Δt = least·Σ p + Σ p·rest
//
// The second sum is not above most·Σ p. Modulo 2^64 it is exact, and it is made use
// of only where that product fits 64 bits.
type near struct {
	least, most uint64 // ns
	count       int    // how many samples of the expected power fit
}

// How many samples are not worth looking at what they are like, and how many of
// those are not worth trying that way again at once.
const (
	fewSamples = 64
	fewNear    = 16
)

// nearTo returns what to expect of samples like the first of times and of powers of
// about p: times as far apart as the first few are, and twice as much that they
// differ on either side. It reports false where too few of them would fit.
func nearTo(times []acquire.Instant, last acquire.Instant, p, gap uint64) (near, bool) {
	const look, slack = 8, 1000 // samples, ns
	if len(times) < fewSamples {
		return near{}, false
	}
	shortest, longest := uint64(math.MaxUint64), uint64(0)
	for _, t := range times[:look] {
		dt := uint64(t - last)
		shortest, longest, last = min(shortest, dt), max(longest, dt), t
	}
	if shortest == 0 || longest > gap || gap > math.MaxInt64/4 {
		return near{}, false
	}
	around := 2*(longest-shortest) + slack
	n := near{least: 1}
	if shortest > around {
		n.least = shortest - around
	}
	n.most = min(longest+around, gap) - n.least
	if room := 63 - bits.Len64(p) - bits.Len64(n.most); room > 0 {
		n.count = 1 << min(room, 10)
	}
	return n, n.count >= fewSamples
}

// total returns the sum of taken powers, each times the time since the one before,
// in all over ns, and the mean of the powers. They have come to sum, and with the
// rests of their times to weighed, while each was too large by extra. It reports
// false where that was not exact.
func (n *near) total(taken int, sum, weighed, over, extra uint64) (total int128, mean uint64, ok bool) {
	sum -= uint64(taken) * extra
	weighed -= (over - uint64(taken)*n.least) * extra
	hi, _ := bits.Mul64(sum, n.most)
	return product(sum, n.least).add(int128{0, weighed}), sum / uint64(taken), hi == 0
}

// weighNear adds up powers, with runZero in them, and each times the rest of the
// time since the one before, modulo 2^64, and returns how many, both sums and the
// bits of all. The first time is since last. It stops before a power that may be a
// tie and before a time that is not near, or at the last three.
func weighNear(times []acquire.Instant, values []float64, last, least acquire.Instant, most uint64, factor, shift float64) (i int, sum, weighed, seen uint64) {
	values = values[:len(times)]
	last += least
	for ; i < len(times)-3; i += 4 {
		p := math.Float64bits(float64(values[i]*factor) + shift)
		rest := uint64(times[i] - last)
		if p&partMask == 0 || rest > most {
			return i, sum, weighed, seen
		}
		seen |= p
		p >>= partBits
		sum += p
		weighed += p * rest

		p = math.Float64bits(float64(values[i+1]*factor) + shift)
		rest = uint64(times[i+1] - times[i] - least)
		if p&partMask == 0 || rest > most {
			return i + 1, sum, weighed, seen
		}
		seen |= p
		p >>= partBits
		sum += p
		weighed += p * rest

		p = math.Float64bits(float64(values[i+2]*factor) + shift)
		rest = uint64(times[i+2] - times[i+1] - least)
		if p&partMask == 0 || rest > most {
			return i + 2, sum, weighed, seen
		}
		seen |= p
		p >>= partBits
		sum += p
		weighed += p * rest

		p = math.Float64bits(float64(values[i+3]*factor) + shift)
		rest = uint64(times[i+3] - times[i+2] - least)
		last = times[i+3] + least
		if p&partMask == 0 || rest > most {
			return i + 3, sum, weighed, seen
		}
		seen |= p
		p >>= partBits
		sum += p
		weighed += p * rest
	}
	return i, sum, weighed, seen
}

// joinNear is weighNear with the sum of the powers at both ends of each time, of
// which p is the first, with runZero in it. It returns the last of them too.
func joinNear(times []acquire.Instant, values []float64, last, least acquire.Instant, most uint64, factor, shift float64, p uint64) (i int, sum, weighed, seen, final uint64) {
	values = values[:len(times)]
	last += least
	for ; i < len(times)-3; i += 4 {
		q := math.Float64bits(float64(values[i]*factor) + shift)
		rest := uint64(times[i] - last)
		if q&partMask == 0 || rest > most {
			return i, sum, weighed, seen, p
		}
		seen |= q
		q >>= partBits
		p += q
		sum += p
		weighed += p * rest

		p = math.Float64bits(float64(values[i+1]*factor) + shift)
		rest = uint64(times[i+1] - times[i] - least)
		if p&partMask == 0 || rest > most {
			return i + 1, sum, weighed, seen, q
		}
		seen |= p
		p >>= partBits
		q += p
		sum += q
		weighed += q * rest

		q = math.Float64bits(float64(values[i+2]*factor) + shift)
		rest = uint64(times[i+2] - times[i+1] - least)
		if q&partMask == 0 || rest > most {
			return i + 2, sum, weighed, seen, p
		}
		seen |= q
		q >>= partBits
		p += q
		sum += p
		weighed += p * rest

		p = math.Float64bits(float64(values[i+3]*factor) + shift)
		rest = uint64(times[i+3] - times[i+2] - least)
		last = times[i+3] + least
		if p&partMask == 0 || rest > most {
			return i + 3, sum, weighed, seen, q
		}
		seen |= p
		p >>= partBits
		q += p
		sum += q
		weighed += q * rest
	}
	return i, sum, weighed, seen, p
}
