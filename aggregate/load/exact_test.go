package load

import (
	"math"
	"math/big"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// nearest returns the float64 nearest to n * 2^exp, ties to even.
func nearest(n *big.Int, exp int) float64 {
	x := new(big.Rat).SetInt(n)
	power := new(big.Rat).SetInt(new(big.Int).Lsh(big.NewInt(1), uint(max(exp, -exp))))
	if exp < 0 {
		power.Inv(power)
	}
	f, _ := x.Mul(x, power).Float64()
	return f
}

// Numbers at ties, just above and just below, normal and not.
func TestNumberEqualsItsTwin(t *testing.T) {
	r := rand.New(rand.NewPCG(13, 14))
	for range 20000 {
		m := 1<<63 | r.Uint64()>>r.IntN(64)
		if r.IntN(2) == 0 { // close to a tie
			m = m>>12<<12 | 1<<(r.IntN(12)) + uint64(r.IntN(3)) - 1 | 1<<63
		}
		exp := []int{-1140, -1138, -1137, -1120, -1086, -1085, -1084, -63, 0, 900}[r.IntN(10)]
		require.Equal(t, nearest(new(big.Int).SetUint64(m), exp), number(m, exp), "%#x %d", m, exp)
	}
	for _, half := range []uint64{1 << 63, 3 << 62} { // half and three quarters of the least number
		require.Equal(t, nearest(new(big.Int).SetUint64(half), -1138), number(half, -1138))
	}
}

func TestTopEqualsItsTwin(t *testing.T) {
	r := rand.New(rand.NewPCG(15, 16))
	for range 20000 {
		x := make([]uint64, 1+r.IntN(5))
		for i := range x {
			if r.IntN(3) == 0 {
				x[i] = 1 << r.IntN(64)
			}
		}
		if r.IntN(2) == 0 {
			x[len(x)-1] = 1<<63 | 1<<10 // a tie, but for what is below
		}
		n := new(big.Int)
		for i := len(x) - 1; i >= 0; i-- {
			n.Lsh(n, 64).Or(n, new(big.Int).SetUint64(x[i]))
		}
		m, exp := top(x, false)
		require.Equal(t, nearest(n, 0), number(m, exp), "%#x", x)
		m, exp = top(x, true)
		if n.Sign() != 0 {
			n.Lsh(n, 400).Add(n, big.NewInt(1))
			require.Equal(t, nearest(n, -400), number(m, exp), "%#x and more", x)
		}
	}
}

func TestPartsMakeTheValue(t *testing.T) {
	r := rand.New(rand.NewPCG(17, 18))
	for range 2000 {
		v := math.Float64frombits(r.Uint64() >> 1)
		if math.IsNaN(v) || math.IsInf(v, 0) {
			continue
		}
		m, exp := parts(v)
		require.GreaterOrEqual(t, exp, 0)
		require.Equal(t, v, nearest(new(big.Int).SetUint64(m), exp-1074))
	}
}
