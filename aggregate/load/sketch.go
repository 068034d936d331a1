package load

import (
	"errors"
	"fmt"
	"math"
	"math/bits"
)

// The defaults of SketchConfig.
const (
	DefaultError = 0.01 // relative
	DefaultBins  = 2048 // of each sign: 32 KB, and a factor of 4·10⁹ between largest and least
)

// SketchConfig is the configuration of a Sketch. The zero value has the defaults.
type SketchConfig struct {
	Error float64 // largest relative error of a quantile, 0.0001 to 0.2; 0 = DefaultError
	Bins  int     // bins of each sign, 16 to 1,048,576, of 8 bytes each; 0 = DefaultBins
}

// Sketch is a distribution of weighted values in bins of constant relative width,
// as DDSketch (Masson, Rim, Lee: VLDB 2019) has them, but cut by the leading bits
// of the float64 in place of a logarithm: a power of two is 2^k equal bins.
//
// The weights are what the caller counts: 1 for each value, or the nanoseconds
// that it stood, which makes a quantile a statement about time. Memory is
// bounded: of each sign the Bins of largest magnitude are kept apart, what is
// closer to zero is one lump, in which no quantile is given. Zero has a bin
// of its own, which it shares with what is below 2.3·10⁻³⁰⁸.
//
// It is not safe for concurrent use. Make one with NewSketch; the zero value
// refuses all values.
type Sketch struct {
	shift    uint   // of the bits of a float64 to the number of its bin
	zero     uint64 // weight
	total    uint64
	refused  uint64
	min, max float64
	negative side
	positive side
}

// side is the bins of one sign by magnitude: a ring of the weights of the bins
// top-len+1 to top.
type side struct {
	ring  []uint64
	top   int    // number of the bin of the largest magnitude; 0 = none
	below uint64 // weight of the bins that are not kept
}

// NewSketch checks c, names all its faults at once, and allocates all memory that
// the Sketch will ever need.
func NewSketch(c SketchConfig) (*Sketch, error) {
	var faults []error
	if c.Error != 0 && !(c.Error >= 0.0001 && c.Error <= 0.2) {
		faults = append(faults, fmt.Errorf("load: sketch: error %v is not within 0.0001 and 0.2", c.Error))
	}
	if c.Bins != 0 && (c.Bins < 16 || c.Bins > 1<<20) {
		faults = append(faults, fmt.Errorf("load: sketch: %d bins are not within 16 and 1048576", c.Bins))
	}
	if faults != nil {
		return nil, errors.Join(faults...)
	}
	if c.Error == 0 {
		c.Error = DefaultError
	}
	if c.Bins == 0 {
		c.Bins = DefaultBins
	}
	s := &Sketch{shift: fractionBits}
	for s.Error() > c.Error {
		s.shift--
	}
	rings := make([]uint64, 2*c.Bins)
	s.negative.ring, s.positive.ring = rings[:c.Bins:c.Bins], rings[c.Bins:]
	return s, nil
}

const fractionBits = 52

// Error returns the bound of the relative error that holds, at most the one that
// was asked for: 1/(2^(k+1)+1) with 2^k bins to a power of two.
func (s *Sketch) Error() float64 {
	return 1 / float64(uint64(2)<<(fractionBits-s.shift)+1)
}

// Add adds v with a weight. One that is not finite, or a weight beyond which the
// total would not fit in 64 bits, is refused and counted. No weight does nothing.
func (s *Sketch) Add(v float64, weight uint64) {
	sum, carry := bits.Add64(s.total, weight, 0)
	if math.IsNaN(v) || math.IsInf(v, 0) || carry != 0 || s.positive.ring == nil {
		s.refused++
		return
	}
	if weight == 0 {
		return
	}
	if s.total == 0 {
		s.min, s.max = v, v
	}
	s.total = sum
	s.min, s.max = min(s.min, v), max(s.max, v)
	bin := s.bin(v)
	switch {
	case bin == 0:
		s.zero += weight
	case v < 0:
		s.negative.add(bin, weight)
	default:
		s.positive.add(bin, weight)
	}
}

// bin returns the number of the bin of v; 0 for what counts as zero.
func (s *Sketch) bin(v float64) int {
	const least = 0x1p-1022
	v = math.Abs(v)
	if v < least {
		return 0
	}
	return int(math.Float64bits(v) >> s.shift)
}

// middle returns the magnitude from which both ends of a bin are at most Error
// away. The bin holds m to m+1 parts of a power of two, the middle is 2m(m+1)/(2m+1).
func (s *Sketch) middle(bin int) float64 {
	low := math.Float64frombits(uint64(bin) << s.shift)
	perPower := uint64(1) << (fractionBits - s.shift)
	m := float64(perPower + uint64(bin)&(perPower-1))
	return low + low/(2*m+1)
}

func (d *side) add(bin int, weight uint64) {
	if bin > d.top {
		d.raise(bin)
	}
	if bin <= d.top-len(d.ring) {
		d.below += weight
		return
	}
	d.ring[bin%len(d.ring)] += weight
}

// raise makes bin the top. Bins that are no longer kept go to below.
func (d *side) raise(bin int) {
	n := len(d.ring)
	for i := range min(bin-d.top, n) {
		at := (d.top + 1 + i) % n // where the bin n lower is
		d.below += d.ring[at]
		d.ring[at] = 0
	}
	d.top = bin
}

// Total returns the weight of all values.
func (s *Sketch) Total() uint64 { return s.total }

// Refused returns how many values were refused.
func (s *Sketch) Refused() uint64 { return s.refused }

// Min returns the least value, exactly; 0 if there is none.
func (s *Sketch) Min() float64 { return s.min }

// Max returns the largest value, exactly; 0 if there is none.
func (s *Sketch) Max() float64 { return s.max }

// Quantile returns the value at the rank ⌈q·Total⌉, counted by weight from the
// least: the least value v such that values up to v have a share q of the weight.
// It is within Error of that value, relative to it, and exact for the ranks of
// Min and Max. It reports false where q is not within 0 and 1, there are no
// values, or the value is so close to zero that its bin is not kept.
func (s *Sketch) Quantile(q float64) (float64, bool) {
	if !(q >= 0 && q <= 1) || s.total == 0 {
		return 0, false
	}
	rank := rankOf(q, s.total)
	switch rank {
	case 1:
		return s.min, true
	case s.total:
		return s.max, true
	}
	low := s.total - s.zero - s.positive.weight() // of the negative
	switch n := &s.negative; {
	case rank <= low-n.below:
		return s.clamp(-s.middle(n.descend(rank))), true
	case rank <= low:
		return 0, false
	}
	rank -= low
	if rank <= s.zero {
		return s.clamp(0), true
	}
	rank -= s.zero
	if rank <= s.positive.below {
		return 0, false
	}
	return s.clamp(s.middle(s.positive.ascend(rank - s.positive.below))), true
}

func (s *Sketch) clamp(v float64) float64 { return min(max(v, s.min), s.max) }

// rankOf returns ⌈q·total⌉, at least 1. The product is exact.
func rankOf(q float64, total uint64) uint64 {
	fraction, exp := math.Frexp(q)
	hi, lo := bits.Mul64(uint64(fraction*(1<<53)), total)
	shift := 53 - exp // 52 or more
	if shift >= 128 {
		return 1
	}
	var whole, rest uint64
	if shift < 64 {
		whole, rest = hi<<(64-shift)|lo>>shift, lo<<(64-shift)
	} else {
		whole, rest = hi>>(shift-64), lo|hi<<(128-shift)
	}
	if rest != 0 {
		whole++
	}
	return max(whole, 1)
}

func (d *side) weight() uint64 {
	sum := d.below
	for _, w := range d.ring {
		sum += w
	}
	return sum
}

// lowest returns the number of the lowest bin that is kept; numbers start at 1.
func (d *side) lowest() int { return max(d.top-len(d.ring)+1, 1) }

// ascend returns the bin of the rank-th weight from the lowest bin that is kept.
func (d *side) ascend(rank uint64) int {
	for bin := d.lowest(); bin < d.top; bin++ {
		w := d.ring[bin%len(d.ring)]
		if rank <= w {
			return bin
		}
		rank -= w
	}
	return d.top
}

// descend returns the bin of the rank-th weight from the top.
func (d *side) descend(rank uint64) int {
	for bin := d.top; bin > d.lowest(); bin-- {
		w := d.ring[bin%len(d.ring)]
		if rank <= w {
			return bin
		}
		rank -= w
	}
	return d.lowest()
}

// ErrWeight says that a merged sketch would weigh more than 64 bits hold.
var ErrWeight = errors.New("load: the sum of the weights does not fit")

// Merge adds the values of o, as if they had been added to s one by one. It fails
// with ErrConfig where the two differ in configuration, and with ErrWeight; s is
// then unchanged. o is not changed.
func (s *Sketch) Merge(o *Sketch) error {
	if s.shift != o.shift || len(s.positive.ring) != len(o.positive.ring) {
		return ErrConfig
	}
	sum, carry := bits.Add64(s.total, o.total, 0)
	if carry != 0 {
		return ErrWeight
	}
	if s.total == 0 {
		s.min, s.max = o.min, o.max
	} else if o.total != 0 {
		s.min, s.max = min(s.min, o.min), max(s.max, o.max)
	}
	s.total, s.zero, s.refused = sum, s.zero+o.zero, s.refused+o.refused
	s.negative.merge(&o.negative)
	s.positive.merge(&o.positive)
	return nil
}

func (d *side) merge(o *side) {
	if o.top == 0 {
		return
	}
	if o.top > d.top {
		d.raise(o.top)
	}
	d.below += o.below
	for bin := o.lowest(); bin <= o.top; bin++ {
		if w := o.ring[bin%len(o.ring)]; w != 0 {
			d.add(bin, w)
		}
	}
}

// Reset forgets all values and keeps the memory.
func (s *Sketch) Reset() {
	clear(s.negative.ring)
	clear(s.positive.ring)
	*s = Sketch{shift: s.shift, negative: side{ring: s.negative.ring}, positive: side{ring: s.positive.ring}}
}
