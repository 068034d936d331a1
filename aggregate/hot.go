package aggregate

import (
	"math"
	"math/bits"

	"github.com/fieldtap/fieldtap/acquire"
)

// hot is what common samples change of a gauge of a Bank, and read of it: one
// cache line. Banks keep these in a slab of their own, so that samples of many
// series touch half the memory that the gauges take.
//
// Either a hot is armed, and newer than its gauge, or disarmed, and the gauge is
// what counts: Bank.gauge sees to that. Fields are those of gauge.
type hot struct {
	p      int64
	factor float64
	limit  acquire.Instant
	taken  uint64
	last   acquire.Instant
	maxGap int64
	in     int128
}

// cool writes h back to its gauge, which counts from then on.
func (h *hot) cool(g *gauge) {
	if h.limit == disarmed {
		return
	}
	g.p, g.factor, g.limit, g.taken, g.last, g.in = h.p, h.factor, h.limit, h.taken, h.last, h.in
	h.limit = disarmed
}

// warm makes h newer than g, if g is armed.
func (h *hot) warm(g *gauge) {
	if g.limit != disarmed {
		*h = hot{p: g.p, factor: g.factor, limit: g.limit, taken: g.taken, last: g.last, maxGap: g.maxGap, in: g.in}
	}
}

// common is gauge.common.
func (h *hot) common(t acquire.Instant, q acquire.Quality) (dt uint64, ok bool) {
	dt = uint64(t - h.last)
	return dt, t < h.limit && dt-1 < uint64(h.maxGap) && q&plain == acquire.Good
}

// parts is gauge.parts.
func (h *hot) parts(x float64) uint64 {
	return math.Float64bits(float64(x*h.factor) + roundShift)
}

// take is what gauge.push does with a sample that is known to be common and of
// distinct parts. Twice the mean power is twice that of the last sample, once that
// of each, or twice the new one, as the number of the rule has it.
func (h *hot) take(t acquire.Instant, dt, parts uint64) {
	const above = 64 - powerBits - partBits
	last, p := uint64(h.p), parts<<above>>(above+partBits)
	hi, lo := bits.Mul64(2*last+(p-last)*(h.taken&3), dt)
	h.in.lo, lo = bits.Add64(h.in.lo, lo, 0)
	h.in.hi += hi + lo
	h.last, h.p = t, int64(p)
	h.taken += 4
}
