package interop_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/drivers/modbus"
)

// Every server is there, and tells what it is, over every transport: by function 43/14, and
// libmodbus, which does not know it, by function 17. On a serial line libmodbus
// does not even refuse it, so that the grace time has to pass before it is asked.
// The bus dials by itself here.
func TestServersAreIdentified(t *testing.T) {
	const unit = 1
	content := image{{unit, modbus.Holding(0), []uint16{4711}}}
	own := acquire.Identity{ // testdata/image.js
		Vendor: "Fieldtap Works", Product: "FT-1000", Version: "1.2.3", URL: "https://example.com/",
		Model: "M1", Name: "Pump house",
		Details: []acquire.Detail{{Name: "product name", Text: "Line meter"}, {Name: "object 128", Text: "private"}},
	}
	t.Parallel()
	for _, peer := range peers {
		t.Run(peer.over.name+" "+peer.name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			said := newTap(peer.over.framing)
			cfg := peer.startOver(t, peer.over, content).bus()
			cfg.Trace.Sent = said.take
			bus, err := modbus.NewBus(cfg)
			require.NoError(t, err)

			probe, err := bus.Unit(unit, time.Second).Probe(ctx)
			require.NoError(t, err)
			assert.Equal(t, "holding 0: 12 67", probe.Said)
			assert.Positive(t, probe.RoundTrip)
			id, err := bus.Unit(unit, time.Second).Identify(ctx)
			require.NoError(t, err)
			if peer.name == libmodbus.name {
				assert.Regexp(t, `^LMB3\.`, id.Product)
				assert.Equal(t, acquire.Identity{Product: id.Product}, id)
			} else {
				assert.Equal(t, own, id)
			}
			said.onlyReads(t)
			t.Logf("%+q, asked by functions %s", id, said)
		})
	}
}
