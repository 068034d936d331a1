package units

import (
	"math"
	"math/big"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func rat(x float64) *big.Rat { return new(big.Rat).SetFloat64(x) }

// split must leave the ratio between the ends that the proof of convertRatio
// states, and be exact where it says nothing is left.
func TestSplitEnclosesEveryRatio(t *testing.T) {
	lowest, highest := new(big.Rat).Sub(big.NewRat(1, 1), rat(0x1p-49)), new(big.Rat).Sub(big.NewRat(1, 1), rat(0x1p-50))
	within := func(num, den wide, high, low float64, what ...any) {
		require.Positive(t, high, what...)
		left := new(big.Rat).Sub(new(big.Rat).SetFrac(num.big(), den.big()), rat(high))
		if low == 0 {
			require.Zero(t, left.Sign(), what...)
			return
		}
		require.Less(t, high*0x1p-300, low, what...)
		require.Less(t, low, high*0x1p-52, what...)
		part := new(big.Rat).Quo(rat(low), left)
		require.Positive(t, part.Cmp(lowest), what...)
		require.Negative(t, part.Cmp(highest), what...)
	}
	for from := None + 1; from < unitEnd; from++ {
		for to := None + 1; to < unitEnd; to++ {
			if from.Kind() == to.Kind() {
				num, den := ratioOf(from, to)
				high, low := split(num, den)
				within(num, den, high, low, "%v to %v", from, to)
			}
		}
	}
	for _, n := range wides(200, 145) {
		for _, d := range wides(50, 145) {
			if n != (wide{}) && d != (wide{}) {
				high, low := split(n, d)
				within(n, d, high, low, "%v/%v", n, d)
			}
			if n, d := n[0]%maxTerm, d[0]>>14; n != 0 && d != 0 {
				high, low := split64(n, d)
				within(wide{n}, wide{d}, high, low, "%v/%v", n, d)
			}
		}
	}
}

// The zero of an affine plan has the bits that the proof of convertAffine allows it,
// and its two parts are the zero but for the last place of the smaller.
func TestZerosOfTemperatures(t *testing.T) {
	n := 0
	for from := None + 1; from < unitEnd; from++ {
		for to := None + 1; to < unitEnd; to++ {
			if from == to || from.Kind() != to.Kind() || !hasZero(from) && !hasZero(to) {
				continue
			}
			n++
			c := newConverter(from, to)
			require.Greater(t, c.plan, byRatio)
			f, u := c.units()
			assert.Equal(t, from, f)
			assert.Equal(t, to, u)
			num, den, shift := affineTerms(from, to)
			zero, rest := math.Float64frombits(uint64(c.plan&^unitsMask)), math.Float64frombits(c.last)
			assert.Less(t, math.Abs(zero), 0x1p9)
			assert.Equal(t, math.Trunc(zero*0x1p19), zero*0x1p19)
			assert.Less(t, math.Abs(rest), 0x1p-18)
			left := new(big.Rat).Sub(big.NewRat(shift, den), rat(zero))
			left.Sub(left, rat(rest)).Add(left, rat(doubt))
			assert.LessOrEqual(t, left.Abs(left).Cmp(rat(0x1p-72)), 0)
			assert.Less(t, float64(num)/float64(den), 2.0)
		}
	}
	assert.Positive(t, n)
}
