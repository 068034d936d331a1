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

// Noise is in front of every answer, as some converters for RS-485 make it. All values
// come through, each in its place, and the noise is counted.
func TestNoiseInFrontOfEachAnswer(t *testing.T) {
	for _, pieces := range [][]int{nil, {1}, {3, 4}, {9}} {
		synctest.Test(t, func(t *testing.T) {
			random := rand.New(rand.NewPCG(5, 6))
			l := newLine(t, modbus.BusConfig{Framing: modbus.RTU}, modbustest.Config{
				Framing: modbustest.RTU, Units: map[byte]modbustest.Device{3: ticking{}},
				Fault: func(x *modbustest.Exchange) {
					x.Wire = func(answer []byte) []byte { return append(noise(random, 1+random.IntN(7)), answer...) }
					x.Pieces, x.Pause = pieces, 30*time.Millisecond
				},
			})
			src := l.source(t, modbus.Config{Unit: 3, MaxRegisters: 2}, 8)
			stream, err := src.Open(t.Context())
			require.NoError(t, err)
			defer stream.Close()
			var b acquire.Batch
			for range 200 {
				require.NoError(t, stream.Next(t.Context(), &b))
				require.Equal(t, 8, fresh(t, src, &b, time.Second))
			}
			stats := src.Stats()
			assert.EqualValues(t, 800, stats.Requests)
			assert.EqualValues(t, 800, stats.Malformed)
		})
	}
}

// noise is n random bytes that do not begin as an answer of unit 3 does, which would
// be taken for a damaged one.
func noise(random *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		if b[i] = byte(random.Uint32()); b[i] == 3 {
			b[i] = 0xFF
		}
	}
	return b
}

// The same with any noise at all, of up to 12 bytes, on a device that often answers too
// late: what comes through is right.
func TestNoiseAndLateAnswers(t *testing.T) {
	for _, mute := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			const timeout = 100 * time.Millisecond
			random := rand.New(rand.NewPCG(8, 9))
			l := newLine(t, modbus.BusConfig{Framing: modbus.RTU, LateGrace: time.Second}, modbustest.Config{
				Framing: modbustest.RTU, Units: map[byte]modbustest.Device{3: ticking{}}, NoEcho: mute,
				Fault: func(x *modbustest.Exchange) {
					if random.IntN(4) == 0 {
						x.Delay = time.Duration(random.Int64N(int64(3 * timeout)))
					}
					x.Wire = func(answer []byte) []byte {
						near := []byte{0, 1, 2, 3, 4, 0x83, 0xFF}
						var b []byte
						for range max(0, random.IntN(20)-7) {
							b = append(b, near[random.IntN(len(near))])
						}
						return append(b, answer...)
					}
				},
			})
			src := l.source(t, modbus.Config{Unit: 3, Timeout: timeout, Interval: -1, MaxTimeouts: 1 << 20, MaxRegisters: 2}, 8)
			stream, err := acquire.Reconnect(src, acquire.Backoff{Min: -1}).Open(t.Context())
			require.NoError(t, err)
			defer stream.Close()
			var b acquire.Batch
			good := 0
			for src.Stats().Requests < 10_000 {
				require.NoError(t, stream.Next(t.Context(), &b))
				good += fresh(t, src, &b, timeout/2+time.Millisecond)
			}
			st := src.Stats()
			t.Logf("%d requests, %d good values, %d timeouts, %d late, %d malformed", st.Requests, good, st.Timeouts, st.Late, st.Malformed)
			assert.Greater(t, good, 2000)
			assert.NotZero(t, st.Malformed)
		})
	}
}

// A converter that listens while it sends gives every request back. What looks like an
// answer then is none, not even where its bytes would fit: the request for bits 800 to
// 818 reads as an answer of three bytes.
func TestOwnRequestIsNoAnswer(t *testing.T) {
	for _, f := range []modbus.Framing{modbus.RTU, modbus.ASCII} {
		for _, noise := range []string{"", "\x00", "\x01", "\xFF\xFF\xFF"} {
			for _, delay := range []time.Duration{0, 50 * time.Millisecond, 700 * time.Millisecond} {
				synctest.Test(t, func(t *testing.T) {
					l := newLine(t, modbus.BusConfig{Framing: f},
						modbustest.Config{Framing: modbustest.Framing(f), Units: map[byte]modbustest.Device{1: labelled{}}})
					l.server.SetFault(func(x *modbustest.Exchange) {
						echo := append([]byte(noise), onLine(f, x.Frame[6:])...)
						x.Wire = func(answer []byte) []byte {
							x.Pieces, x.Pause = []int{len(echo)}, delay
							return append(echo, answer...)
						}
					})
					cfg := modbus.Config{Bus: l.bus, Unit: 1, Catalog: acquire.NewCatalog(), Timeout: 500 * time.Millisecond, MaxGap: -1}
					for i := range uint16(19) {
						cfg.Points = append(cfg.Points, modbus.Point{Name: modbus.Coil(i).String(), At: modbus.Coil(800 + i)})
					}
					cfg.Points = append(cfg.Points, modbus.Point{Name: "r", At: modbus.Holding(10), Type: modbus.Uint16},
						modbus.Point{Name: "s", At: modbus.Holding(20), Type: modbus.Uint16})
					src, err := modbus.NewSource(cfg)
					require.NoError(t, err)
					stream, err := acquire.Reconnect(src, acquire.Backoff{}).Open(t.Context())
					require.NoError(t, err)
					defer stream.Close()
					var b acquire.Batch
					for range 100 {
						require.NoError(t, stream.Next(t.Context(), &b))
						for _, s := range b.Samples {
							require.False(t, s.Quality.IsGood(), "%v %v %q %v", s, f, noise, delay)
						}
					}
				})
			}
		}
	}
}
