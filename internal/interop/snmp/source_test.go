package interop_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/aggregate"
	"github.com/fieldtap/fieldtap/drivers/snmp"
	"github.com/fieldtap/fieldtap/units"
)

// register polls one counter, kept connected and metered as energy: it stands for
// whatever counts.
type register struct {
	t      *testing.T
	stream acquire.Stream
	router *aggregate.Router
	batch  acquire.Batch
	seen   []acquire.Sample // the good ones
	bad    int
}

func newRegister(t *testing.T, cfg snmp.Config, oid snmp.OID) *register {
	t.Helper()
	cfg.Catalog = acquire.NewCatalog()
	cfg.Interval, cfg.Timeout = 200*time.Millisecond, time.Second
	cfg.Points = []snmp.Point{{Name: "E", OID: oid, Type: snmp.Counter32, Unit: units.WattHour, Role: acquire.Counter}}
	source, err := snmp.NewSource(cfg)
	require.NoError(t, err)
	r := &register{t: t}
	r.router, err = aggregate.NewRouter(cfg.Catalog, aggregate.Metering{
		Name: "meter", Import: "E", MaxGap: time.Hour, Registers: aggregate.Registers{Modulus: aggregate.Bits(32), MaxPower: 1e9},
	})
	require.NoError(t, err)
	r.stream, err = acquire.Reconnect(source, acquire.Backoff{Min: 100 * time.Millisecond, Max: 200 * time.Millisecond}).Open(t.Context())
	require.NoError(t, err)
	t.Cleanup(func() { r.stream.Close() })
	return r
}

// until polls until done says so of the samples seen.
func (r *register) until(done func() bool) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), patience)
	defer cancel()
	for !done() {
		require.NoError(r.t, r.stream.Next(ctx, &r.batch))
		for _, s := range r.batch.Samples {
			if s.Quality.IsGood() {
				r.seen = append(r.seen, s)
			} else {
				r.bad++
			}
		}
		r.router.Observe(&r.batch)
	}
}

// value returns the i-th good reading, from the end if i is negative.
func (r *register) value(i int) int64 {
	if i < 0 {
		i += len(r.seen)
	}
	v, ok := r.seen[i].Value.Uint64()
	require.True(r.t, ok)
	return int64(v)
}

func (r *register) total() aggregate.Energy {
	r.router.Flush(nil)
	totals, _ := r.router.Totals("meter")
	return totals.Registers.Import
}

// TestCounterWraps follows a counter of snmpsim over the end of its 32 bits: what is
// counted is exactly what went by.
func TestCounterWraps(t *testing.T) {
	t.Parallel()
	const rate, start = 1000, 1<<32 - 6000
	sim := startSnmpsim(t, "1.3.6.1.2.1.1.1.0|4|simulated\n"+
		"1.3.6.1.2.1.1.3.0|67:numeric|rate=100,initial=0\n"+
		"1.3.6.1.2.1.2.2.1.10.1|65:numeric|rate=1000,initial=4294961296,wrap=1\n")
	r := newRegister(t, snmp.Config{Address: sim.address, Community: "public"}, "1.3.6.1.2.1.2.2.1.10.1")
	wrapped := func() int {
		for i := 1; i < len(r.seen); i++ {
			if r.value(i) < r.value(i-1) {
				return len(r.seen) - i
			}
		}
		return 0
	}
	r.until(func() bool { return wrapped() >= 5 })
	require.GreaterOrEqual(t, r.value(0), int64(start), "it wrapped before it was first read")
	assert.Zero(t, r.bad)
	for _, s := range r.seen {
		assert.False(t, s.Quality.Has(acquire.Discontinuity), "%s", s.Quality)
	}
	want := r.value(-1) + 1<<32 - r.value(0)
	assert.Equal(t, aggregate.WattHours(want), r.total())
	t.Logf("from %d over 2^32 to %d: %s", r.value(0), r.value(-1), r.total())
}

// TestAgentRestart stops Net-SNMP's agent between two polls and starts it again: its
// counters begin anew, which is neither a wrap nor an increment.
func TestAgentRestart(t *testing.T) {
	t.Parallel()
	const received = "1.3.6.1.2.1.11.1.0" // snmpInPkts
	for name, cfg := range map[string]snmp.Config{
		"version 2c": {Community: "public"},
		"version 3":  {User: snmp.User{Name: "sha-256-aes", AuthKey: authPassword, PrivKey: privPassword}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // each with an agent of its own
			d := startSnmpd(t)
			cfg.Address = d.address
			r := newRegister(t, cfg, received)
			r.until(func() bool { return len(r.seen) >= 20 })
			before, last := len(r.seen), r.value(-1)
			d.stop(t)
			d.start(t, d.address)
			r.until(func() bool { return len(r.seen) >= before+5 })
			require.Less(t, r.value(before), last, "a counter that goes on proves nothing")
			assert.True(t, r.seen[before].Quality.Has(acquire.Discontinuity), "%s", r.seen[before].Quality)
			for i, s := range r.seen {
				assert.Equal(t, i == before, s.Quality.Has(acquire.Discontinuity), "reading %d of %d: %s", i, before, s.Quality)
			}
			least, most := last-r.value(0), last-r.value(0)+r.value(-1)
			got := r.total()
			assert.GreaterOrEqual(t, got.WattHours(), float64(least))
			assert.LessOrEqual(t, got.WattHours(), float64(most), "more than was ever counted")
			t.Logf("%d to %d, then %d to %d: %s; %d bad readings between", r.value(0), last, r.value(before), r.value(-1), got, r.bad)
		})
	}
}
