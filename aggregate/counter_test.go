package aggregate

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/units"
)

// The register engine alone, without the way through the Router.
func BenchmarkCounterPush(b *testing.B) {
	conv, err := newConversion(units.WattHour, units.WattHour, quantaPerWattHour)
	require.NoError(b, err)
	fresh := func(b *testing.B) counter {
		c, err := newCounter(channel{maxGap: 60e9, edge: math.MaxInt64, held: good}, conv, Registers{Modulus: 1 << 50, MaxPower: 100e3})
		require.NoError(b, err)
		c.arm(acquire.Uint64(0))
		return c
	}
	b.Run("uint64", func(b *testing.B) {
		c, at, n := fresh(b), acquire.Instant(0), uint64(0)
		for b.Loop() {
			at += 1e9
			n += 3
			if !c.push(at, acquire.Uint64(n), acquire.Good) {
				b.Fatal("not the common case")
			}
		}
		c.rest()
		require.Equal(b, c.energy(n), c.in)
	})
	b.Run("float64", func(b *testing.B) {
		c, at, x := fresh(b), acquire.Instant(0), 0.0
		for b.Loop() {
			at += 1e9
			x += 3
			if !c.push(at, acquire.Float64(x), acquire.Good) {
				b.Fatal("not the common case")
			}
		}
	})
}
