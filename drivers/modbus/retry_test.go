package modbus_test

import (
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/drivers/modbus"
	"github.com/fieldtap/fieldtap/drivers/modbus/modbustest"
)

// One lost answer costs nothing: the request is repeated within its timeout.
func TestLostAnswerIsAskedForAgain(t *testing.T) {
	for _, c := range []struct {
		name    string
		framing modbus.Framing
		udp     bool
	}{{"TCP", modbus.MBAP, false}, {"UDP", modbus.MBAP, true}, {"RTU", modbus.RTU, false}, {"ASCII", modbus.ASCII, false}} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLine(t, modbus.BusConfig{Framing: c.framing, UDP: c.udp}, modbustest.Config{
					Framing: modbustest.Framing(c.framing), Units: map[byte]modbustest.Device{3: ticking{}},
					PerRequest: 5 * time.Millisecond, Fault: modbustest.Every(7, modbustest.Drop()),
				})
				src := l.source(t, modbus.Config{Unit: 3, MaxRegisters: 2, Retries: 4}, 8)
				stream, err := src.Open(t.Context())
				require.NoError(t, err)
				defer stream.Close()
				var b acquire.Batch
				for range 50 {
					require.NoError(t, stream.Next(t.Context(), &b))
					require.Equal(t, 8, fresh(t, src, &b, 200*time.Millisecond))
				}
				assert.NotZero(t, src.Stats().Timeouts)
			})
		})
	}
}

// On a network that loses one datagram in ten, each way, a poll in a thousand at
// most is lost; of three in ten, one in twenty-five.
func TestLossyNetwork(t *testing.T) {
	for _, c := range []struct{ loss, polls float64 }{{0.1, 0.001}, {0.3, 0.04}} {
		synctest.Test(t, func(t *testing.T) {
			random := rand.New(rand.NewPCG(5, 6))
			l := newLine(t, modbus.BusConfig{UDP: true}, modbustest.Config{
				Units: map[byte]modbustest.Device{3: ticking{}}, PerRequest: 5 * time.Millisecond,
				Fault: func(x *modbustest.Exchange) { x.Drop = random.Float64() < 1-(1-c.loss)*(1-c.loss) },
			})
			src := l.source(t, modbus.Config{Unit: 3, Retries: 4}, 8)
			stream, err := acquire.Reconnect(src, acquire.Backoff{}).Open(t.Context())
			require.NoError(t, err)
			defer stream.Close()
			const polls = 8000
			bad := 0
			var b acquire.Batch
			for range polls {
				require.NoError(t, stream.Next(t.Context(), &b))
				if fresh(t, src, &b, 50*time.Millisecond) == 0 {
					bad++
				}
			}
			t.Logf("%.0f %% lost each way: %.3f %% of the polls", 100*c.loss, 100*float64(bad)/polls)
			assert.Less(t, float64(bad)/polls, c.polls)
		})
	}
}

// A device that takes its time is not asked twice: it would not be faster for it.
func TestSlowDeviceIsAskedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, modbus.Config{Retries: 4}, labelled{}, 10)
		random := rand.New(rand.NewPCG(5, 6))
		r.server.SetFault(func(x *modbustest.Exchange) {
			x.Delay = 300*time.Millisecond + time.Duration(random.IntN(600))*time.Millisecond
		})
		s := r.open()
		var b acquire.Batch
		for range 500 {
			require.NoError(t, s.Next(t.Context(), &b))
			good, _ := r.check(&b)
			require.Equal(t, 1, good)
		}
		assert.EqualValues(t, 500, r.source.Stats().Requests)
	})
}

// Repeating makes the news of a loss no later.
func TestRepeatsDelayNoLoss(t *testing.T) {
	for _, f := range []modbus.Framing{modbus.MBAP, modbus.RTU} {
		synctest.Test(t, func(t *testing.T) {
			l := newLine(t, modbus.BusConfig{Framing: f}, modbustest.Config{
				Framing: modbustest.Framing(f), Units: map[byte]modbustest.Device{3: ticking{}},
			})
			src := l.source(t, modbus.Config{Unit: 3, MaxRegisters: 2, Retries: modbus.MaxRetries}, 8)
			stream, err := src.Open(t.Context())
			require.NoError(t, err)
			defer stream.Close()
			var b acquire.Batch
			for range 3 {
				require.NoError(t, stream.Next(t.Context(), &b))
			}
			l.server.SetFault(modbustest.Drop())
			gone := time.Now()
			require.NoError(t, stream.Next(t.Context(), &b))
			assert.Zero(t, fresh(t, src, &b, 0))
			assert.LessOrEqual(t, time.Since(gone), modbus.DefaultInterval+modbus.DefaultTimeout)
			assert.EqualValues(t, 1+modbus.MaxRetries, src.Stats().Timeouts)
			assert.Equal(t, src.Stats().Requests-src.Stats().Timeouts, uint64(12), "each request is answered or not")
		})
	}
}

// A device that says it is busy is asked again while there is time.
func TestBusyDeviceIsAskedAgain(t *testing.T) {
	for _, window := range []int{1, 8} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, modbus.Config{Retries: 4, MaxGap: -1, Window: window}, labelled{}, 10, 20, 30)
			times := 2
			busy := make(map[uint16]int)
			r.server.SetFault(func(x *modbustest.Exchange) {
				if a := x.Request.Address; a == 20 && busy[a] < times {
					busy[a]++
					modbustest.WithException(modbustest.ServerDeviceBusy)(x)
				} else if a == 20 {
					busy[a] = 0
				}
			})
			s := r.open()
			var b acquire.Batch
			start := time.Now()
			for range 10 {
				require.NoError(t, s.Next(t.Context(), &b))
				good, _ := r.check(&b)
				require.Equal(t, 3, good)
			}
			assert.EqualValues(t, 10*5, r.source.Stats().Requests)
			assert.Zero(t, r.source.Stats().Skipped)
			assert.Equal(t, 9400*time.Millisecond, time.Since(start))

			times = 1 << 30 // for ever
			before := r.source.Stats().Requests
			for range 10 {
				require.NoError(t, s.Next(t.Context(), &b))
				good, reasons := r.check(&b)
				require.Equal(t, 2, good)
				require.Equal(t, []acquire.Reason{acquire.Busy}, reasons)
			}
			assert.LessOrEqual(t, r.source.Stats().Requests-before, uint64(10*(2+5)))
			assert.Zero(t, r.source.Stats().Skipped)
		})
	}
}

// After the damage of one answer a line is silent before the next request, and an
// answer of another length than asked for is one to another request.
func TestStrayAnswerOnALine(t *testing.T) {
	for _, f := range []modbus.Framing{modbus.RTU, modbus.ASCII} {
		synctest.Test(t, func(t *testing.T) {
			stray := false
			l := newLine(t, modbus.BusConfig{Framing: f}, modbustest.Config{
				Framing: modbustest.Framing(f), Units: map[byte]modbustest.Device{3: ticking{}},
				Fault: func(x *modbustest.Exchange) {
					if !stray && x.N == 20 { // an answer of two registers first, its own later
						stray = true
						whole := x.Reply
						x.Wire = func(wire []byte) []byte {
							var other []byte
							other = append(other, whole[:6]...)
							other = append(other, 3, 3, 2, 0xAA, 0xAA)
							return append(onLine(f, other[6:]), wire...)
						}
						x.Pieces, x.Pause = []int{len(onLine(f, []byte{3, 3, 2, 0xAA, 0xAA}))}, 10*time.Millisecond
					}
				},
			})
			src := l.source(t, modbus.Config{Unit: 3, MaxRegisters: 2, Interval: -1, Retries: -1}, 8)
			stream, err := src.Open(t.Context())
			require.NoError(t, err)
			defer stream.Close()
			var b acquire.Batch
			for range 20 {
				require.NoError(t, stream.Next(t.Context(), &b))
				fresh(t, src, &b, time.Millisecond)
			}
			assert.True(t, stray)
		})
	}
}
