package modbus_test

import (
	"context"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/drivers/modbus"
	"github.com/fieldtap/fieldtap/drivers/modbus/modbustest"
)

// A probe is one request, and whatever comes of it says who is there.
func TestProbe(t *testing.T) {
	const delay = 70 * time.Millisecond
	for _, c := range []struct {
		name   string
		units  map[byte]modbustest.Device
		fault  modbustest.Fault
		said   string
		reason acquire.Reason // of the error
	}{
		{"there", map[byte]modbustest.Device{1: labelled{}}, modbustest.Delay(delay), "holding 300: 01 2c", 0},
		{"refusing", map[byte]modbustest.Device{1: labelled{holes: map[uint16]bool{300: true}}}, modbustest.Delay(delay),
			"illegal data address (2)", 0},
		{"busy", map[byte]modbustest.Device{1: labelled{}},
			modbustest.Chain(modbustest.WithException(modbustest.ServerDeviceBusy), modbustest.Delay(delay)), "server device busy (6)", 0},
		{"not behind the gateway", nil, nil, "", acquire.Communication},
		{"silent", map[byte]modbustest.Device{1: labelled{}}, modbustest.Drop(), "", acquire.Communication},
		{"gone", map[byte]modbustest.Device{1: labelled{}}, modbustest.Resetting(), "", acquire.Communication},
		{"not Modbus", map[byte]modbustest.Device{1: labelled{}}, modbustest.Garbage(), "", acquire.Protocol},
		{"not the answer", map[byte]modbustest.Device{1: labelled{}}, modbustest.Long(), "", acquire.Protocol},
	} {
		for _, f := range []modbus.Framing{modbus.MBAP, modbus.RTU, modbus.ASCII} {
			t.Run(c.name+"/"+f.String(), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					l := newLine(t, modbus.BusConfig{Framing: f}, modbustest.Config{
						Framing: modbustest.Framing(f), Units: c.units, Fault: c.fault,
					})
					src, err := modbus.NewSource(modbus.Config{Bus: l.bus, Unit: 1, Catalog: acquire.NewCatalog(), Points: []modbus.Point{
						{Name: "asked", At: modbus.Holding(300), Type: modbus.Uint16}, {Name: "not asked", At: modbus.Coil(1)},
					}})
					require.NoError(t, err)
					prober, ok := acquire.As[acquire.Prober](acquire.Reconnect(src, acquire.Backoff{}))
					require.True(t, ok)
					start := time.Now()
					p, err := prober.Probe(t.Context())
					assert.LessOrEqual(t, time.Since(start), modbus.DefaultTimeout+100*time.Millisecond)
					assert.LessOrEqual(t, l.server.Stats().Requests, uint64(1))
					if c.said != "" {
						require.NoError(t, err)
						assert.Equal(t, c.said, p.Said)
						assert.Equal(t, delay, p.RoundTrip)
						assert.Equal(t, acquire.At(time.Now()), p.At)
						return
					}
					require.Error(t, err)
					assert.Zero(t, p)
					if c.reason == acquire.Protocol && f == modbus.ASCII && c.name == "not Modbus" {
						c.reason = acquire.Communication // noise in front of what did not come
					}
					assert.Equal(t, c.reason, acquire.QualityOf(err).Reason(), "%v", err)
					var op *acquire.OpError
					require.ErrorAs(t, err, &op)
					assert.Equal(t, "probe", op.Op)
				})
			})
		}
	}
}

// A probe beside the polls of others takes its turn, which is no part of its round
// trip, and ends with its context.
func TestProbeOnABusyBus(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLine(t, modbus.BusConfig{}, modbustest.Config{
			Units: map[byte]modbustest.Device{1: ticking{}, 2: ticking{}}, PerRequest: 30 * time.Millisecond,
		})
		src := l.source(t, modbus.Config{Unit: 1, Interval: -1}, 4)
		stream, err := src.Open(t.Context())
		require.NoError(t, err)
		defer stream.Close()
		ctx, cancel := context.WithCancel(t.Context())
		polls := make(chan error)
		go func() {
			var b acquire.Batch
			var err error
			for err == nil {
				err = stream.Next(ctx, &b)
			}
			polls <- err
		}()
		for range 10 {
			p, err := l.bus.Unit(2, 0).Probe(t.Context())
			require.NoError(t, err)
			assert.Equal(t, 30*time.Millisecond, p.RoundTrip)
		}
		short, end := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer end()
		_, err = l.bus.Unit(2, 0).Probe(short)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		cancel()
		require.ErrorIs(t, <-polls, context.Canceled)
		assert.EqualValues(t, 1, l.server.Stats().Connections)
	})
}

// Where nobody can be reached the error is that of connecting.
func TestProbeOfNobody(t *testing.T) {
	src, err := modbus.NewSource(modbus.Config{
		Unit: 1, Catalog: acquire.NewCatalog(), Points: []modbus.Point{{Name: "p", At: modbus.Coil(1)}},
		Dial: func(context.Context) (net.Conn, error) { return nil, &net.OpError{Op: "dial", Err: net.ErrClosed} },
	})
	require.NoError(t, err)
	_, err = src.Probe(t.Context())
	require.ErrorIs(t, err, net.ErrClosed)
	assert.Equal(t, acquire.Communication, acquire.QualityOf(err).Reason())
}
