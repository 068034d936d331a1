package units

import (
	"math"
	"math/big"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// wides returns n numbers of up to so many bits whose words are often at their
// edges, where carries and corrections are.
func wides(n, bits int) []wide {
	r := rand.New(rand.NewPCG(5, 6))
	all := make([]wide, n)
	for i := range all {
		for j := range all[i] {
			all[i][j] = [...]uint64{0, 1, math.MaxUint64, 1 << 63, r.Uint64(), r.Uint64()}[r.IntN(6)]
		}
		all[i] = all[i].shifted(-(len(all[i])*64 - 1 - r.IntN(bits)))
	}
	return all
}

func TestWideIsBigInt(t *testing.T) {
	numbers := wides(400, 255)
	full := new(big.Int).Lsh(big.NewInt(1), 256)
	for i, w := range numbers {
		v := numbers[(i*7+3)%len(numbers)]
		require.Equal(t, w.big().BitLen(), w.bitLen())
		require.Equal(t, w.big().Cmp(v.big()) < 0, w.less(v))
		mod := func(n *big.Int) string { return n.Mod(n, full).String() }
		require.Equal(t, mod(new(big.Int).Add(w.big(), v.big())), w.plus(v).big().String())
		require.Equal(t, mod(new(big.Int).Sub(w.big(), v.big())), w.minus(v).big().String())
		require.Equal(t, mod(new(big.Int).Mul(w.big(), new(big.Int).SetUint64(v[0]))), w.times(v[0]).big().String())
		for _, n := range []int{0, 1, 63, 64, 65, 128, 191, 255} {
			require.Equal(t, mod(new(big.Int).Lsh(w.big(), uint(n))), w.shifted(n).big().String(), n)
			require.Equal(t, new(big.Int).Rsh(w.big(), uint(n)).String(), w.shifted(-n).big().String(), n)
		}
	}
}

func TestQuotientIsBigInt(t *testing.T) {
	numerators, denominators := wides(3000, 250), wides(2999, 190)
	for i := range 60_000 {
		n, d := numerators[i%len(numerators)], denominators[i%len(denominators)]
		if d == (wide{}) {
			continue
		}
		q, exp, isExact := quotient(n, d)
		if n == (wide{}) {
			require.Zero(t, q)
			require.True(t, isExact)
			continue
		}
		require.EqualValues(t, 1, q>>63, "64 bits")
		// q·d·2^exp <= n < (q+1)·d·2^exp
		ratio := new(big.Rat).SetFrac(n.big(), d.big())
		two := new(big.Rat).SetFrac(new(big.Int).Lsh(big.NewInt(1), uint(max(exp, 0))), new(big.Int).Lsh(big.NewInt(1), uint(max(-exp, 0))))
		low := new(big.Rat).SetInt(new(big.Int).SetUint64(q))
		high := new(big.Rat).Add(low, big.NewRat(1, 1))
		require.GreaterOrEqual(t, ratio.Cmp(low.Mul(low, two)), 0, "%v / %v", n, d)
		require.Negative(t, ratio.Cmp(high.Mul(high, two)), "%v / %v", n, d)
		require.Equal(t, ratio.Cmp(low) == 0, isExact, "%v / %v", n, d)
	}
}
