package replay

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
)

// An index of any number of stretches is bounded, and loses none of the times in it.
func TestIndexIsBounded(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	sh := shelf{coarse: 1}
	const n = 3*maxStretches + 7
	for i := range n {
		var st stretch
		at := acquire.Instant(1e18 + int64(i)*1e9)
		for range 1 + rng.IntN(6) {
			st.add(at, []acquire.Sample{{Time: at - acquire.Instant(rng.Int64N(1e12))}})
		}
		st.add(at, []acquire.Sample{{Time: at}})
		sh.put(st)
		require.LessOrEqual(t, len(sh.stretches), maxStretches)
	}
	require.GreaterOrEqual(t, sh.coarse, 4)
	for range 1000 {
		at := acquire.Instant(1e18 + rng.Int64N(n)*1e9)
		found := false
		for _, r := range sh.runs(at, at+1, 0) {
			found = found || r.earliest <= at && at <= r.latest
		}
		require.True(t, found)
	}
	runs := sh.runs(1e18, 1e18+acquire.Instant(n*1e9), 0)
	require.Len(t, runs, 1)
}
