package interop_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/drivers/modbus"
)

// A search finds the units that are there and the registers that they have.
func TestUnitsAndRangesAreFound(t *testing.T) {
	content := image{
		{1, modbus.Holding(0), make([]uint16, 300)},
		{3, modbus.Holding(0), make([]uint16, 1)},
		{5, modbus.Holding(0), make([]uint16, 1)},
	}
	t.Parallel()
	for _, impl := range implementations {
		t.Run(impl.name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			said := newTap(modbus.MBAP)
			cfg := impl.start(t, content).bus()
			cfg.Trace.Sent = said.take
			bus, err := modbus.NewBus(cfg)
			require.NoError(t, err)

			var units []byte
			for unit, err := range bus.Units(ctx, 1, 6, time.Second) {
				require.NoError(t, err)
				units = append(units, unit)
			}
			assert.Equal(t, []byte{1, 3, 5}, units)
			ranges, err := bus.Unit(1, patience).Ranges(ctx, modbus.HoldingRegisters, 0, 400, 0)
			require.NoError(t, err)
			end := 0 // of what is found without a gap
			for _, r := range ranges {
				require.Equal(t, modbus.Holding(uint16(end)), r.At)
				end += r.Count
			}
			assert.Equal(t, 300, end)
			said.onlyReads(t)
			t.Logf("units %d, %v, by functions %s", units, ranges, said)
		})
	}
}
