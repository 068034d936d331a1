package parquet

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestHybridRoundTrip(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 1))
	for n := range 400 {
		width := 1 + random.IntN(32)
		values := make([]uint32, n)
		for i := range values {
			if i > 0 && random.IntN(12) > 0 && n%3 > 0 {
				values[i] = values[i-1]
				continue
			}
			values[i] = random.Uint32() >> (32 - width)
		}
		b := appendHybrid([]byte{1}, values, width)[1:]
		got := make([]uint32, n)
		rest, ok := readHybrid(append(b, 7, 7), got, width)
		require.True(t, ok)
		require.Equal(t, []byte{7, 7}, rest)
		require.Equal(t, values, got)
		for cut := range b {
			_, ok := readHybrid(b[:cut], make([]uint32, n), width)
			require.False(t, ok, "cut at %d of %d", cut, len(b))
		}
	}
}

func TestDeltaRoundTrip(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 1))
	for n := range 400 {
		values := make([]int64, n)
		width := random.IntN(65)
		for i := range values {
			values[i] = int64(random.Uint64() >> (64 - width))
			if random.IntN(50) == 0 {
				values[i] = []int64{math.MinInt64, math.MaxInt64, 0, -1}[random.IntN(4)]
			}
		}
		b := appendDelta([]byte{1}, values)[1:]
		got := make([]int64, n)
		require.True(t, readDelta(b, got))
		require.Equal(t, values, got)
		for cut := range b {
			require.False(t, readDelta(b[:cut], make([]int64, n)), "cut at %d of %d", cut, len(b))
		}
		require.False(t, readDelta(append(b, 0), got))
		require.False(t, readDelta(b, make([]int64, n+1)))
	}
}

func FuzzHybrid(f *testing.F) {
	f.Add(appendHybrid(nil, []uint32{1, 2, 3, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 5}, 3), uint16(15), uint8(3))
	f.Fuzz(func(t *testing.T, b []byte, n uint16, width uint8) {
		values := make([]uint32, n%5000)
		readHybrid(b, values, 1+int(width%32))
	})
}

func FuzzDelta(f *testing.F) {
	f.Add(appendDelta(nil, []int64{5, 6, 7, 1 << 40, 3}), uint16(5))
	f.Fuzz(func(t *testing.T, b []byte, n uint16) {
		values := make([]int64, n%5000)
		if readDelta(b, values) {
			again := make([]int64, len(values))
			require.True(t, readDelta(appendDelta(nil, values), again))
			require.Equal(t, values, again)
		}
	})
}
