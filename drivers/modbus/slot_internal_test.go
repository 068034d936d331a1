package modbus

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// However many sources share a bus, no gap between their places is wide, and none is
// narrow.
func TestSlotsAreSpread(t *testing.T) {
	b := newBus(BusConfig{Now: time.Now}, true)
	var slots []float64
	for n := 1; n <= 250; n++ {
		slots = append(slots, b.slot())
		sorted := slices.Sorted(slices.Values(slots))
		sorted = append(sorted, sorted[0]+1)
		for i, s := range sorted[:n] {
			gap := (sorted[i+1] - s) * float64(n)
			require.LessOrEqual(t, gap, 2.62, "%d sources", n)
			require.GreaterOrEqual(t, gap, 0.38, "%d sources", n)
		}
	}
}

func TestUntilSlot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const period = 5 * time.Second
		b := newBus(BusConfig{Now: time.Now}, true)
		start := time.Now()
		for range 200 {
			for slot := 0.0; slot < 1; slot += 0.099 {
				wait := b.untilSlot(slot, period)
				require.Greater(t, wait, time.Duration(0))
				require.LessOrEqual(t, wait, period)
				place := time.Since(start) + wait - time.Duration(slot*float64(period))
				assert.Zero(t, place%period)
			}
			time.Sleep(337 * time.Millisecond)
		}
	})
}
