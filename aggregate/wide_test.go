package aggregate

import (
	"math/big"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

func (w wide) big() *big.Int {
	n := new(big.Int)
	for i := len(w) - 1; i >= 0; i-- {
		n.Lsh(n, 64).Or(n, new(big.Int).SetUint64(w[i]))
	}
	return n
}

// unsigned returns x as an unsigned integer.
func (x int128) unsigned() *big.Int { return wide{x.lo, x.hi}.big() }

// ragged returns a number with a random count of bits, often at the ends.
func ragged(r *rand.Rand) uint64 {
	switch r.IntN(8) {
	case 0:
		return 0
	case 1:
		return 1<<64 - 1
	}
	return r.Uint64() >> r.IntN(64)
}

func TestWideEqualsItsTwin(t *testing.T) {
	r := rand.New(rand.NewPCG(14, 59))
	for range 5000 {
		w, v := wide{ragged(r), ragged(r), ragged(r), ragged(r), ragged(r)}, wide{ragged(r), ragged(r), ragged(r)}
		x := ragged(r)
		require.Equal(t, new(big.Int).Mul(w.big(), new(big.Int).SetUint64(x)).String(), w.times(x).big().String())
		require.Equal(t, new(big.Int).Add(w.big(), v.big()).String(), w.plus(v).big().String())
		require.Equal(t, w.big().Cmp(v.big()) < 0, w.less(v))
		require.Equal(t, w.big().BitLen(), w.bitLen())
		if !w.less(v) {
			require.Equal(t, new(big.Int).Sub(w.big(), v.big()).String(), w.minus(v).big().String())
		}
		y := int128{ragged(r), ragged(r)}
		require.Equal(t, new(big.Int).Mul(y.unsigned(), y.unsigned()).String(), y.squared().big().String())
	}
}

// checkQuotient holds n/d against big.Int, for a quotient below 2^127.
func checkQuotient(t *testing.T, d, q, rest int128) {
	if d.isZero() || q.sign() < 0 || !rest.below(d) {
		return
	}
	// n = q*d + rest
	high := wide{d.lo, d.hi}.times(q.hi)
	n := wide{d.lo, d.hi}.times(q.lo).plus(wide{0, high[0], high[1], high[2], high[3]}).plus(wide{rest.lo, rest.hi})
	want := q.unsigned()
	if new(big.Int).Lsh(rest.unsigned(), 1).Cmp(d.unsigned()) >= 0 {
		want.Add(want, big.NewInt(1))
	}
	require.Equal(t, want.String(), n.over(d).unsigned().String())
}

// checkRoot holds √w to its definition: |w - root²| is least.
func checkRoot(t *testing.T, w wide) {
	want := new(big.Int).Sqrt(w.big())
	next := new(big.Int).Add(want, big.NewInt(1))
	below := new(big.Int).Sub(w.big(), new(big.Int).Mul(want, want))
	if below.Cmp(want) > 0 { // w > root² + root, and so beyond (root+1/2)²
		want = next
	}
	if want.BitLen() > 127 {
		want = limit(1).unsigned()
	}
	require.Equal(t, want.String(), w.root().unsigned().String())
}

func TestQuotientAndRootEqualTheirTwins(t *testing.T) {
	r := rand.New(rand.NewPCG(26, 53))
	for range 5000 {
		checkQuotient(t, int128{ragged(r), ragged(r)}, int128{ragged(r) >> 1, ragged(r)}, int128{ragged(r), ragged(r)})
		checkRoot(t, wide{ragged(r), ragged(r), ragged(r), ragged(r)})
		root := int128{ragged(r), ragged(r)}
		for _, near := range []wide{root.squared(), root.squared().plus(wide{root.lo, root.hi}), root.squared().plus(wide{root.lo, root.hi}).plus(wide{1})} {
			if near.bitLen() <= 256 {
				checkRoot(t, near)
			}
		}
	}
	half := wide{3}.over(int128{0, 2})
	require.Equal(t, int128{0, 2}, half, "halves up")
}

func FuzzQuotientAndRoot(f *testing.F) {
	f.Add(uint64(0), uint64(3), uint64(0), uint64(7), uint64(1))
	f.Add(uint64(1)<<63, uint64(0), uint64(1)<<62, uint64(1), uint64(1)<<63)
	f.Add(^uint64(0), ^uint64(0), ^uint64(0), ^uint64(0), ^uint64(0))
	f.Fuzz(func(t *testing.T, a, b, c, d, e uint64) {
		checkQuotient(t, int128{a, b}, int128{c, d}, int128{0, e})
		checkQuotient(t, int128{0, b}, int128{c, d}, int128{0, e})
		checkRoot(t, wide{a, b, c, d})
	})
}
