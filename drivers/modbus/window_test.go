package modbus_test

import (
	"fmt"
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

// spread returns n addresses that make a block each.
func spread(n int) (addresses []uint16) {
	for i := range n {
		addresses = append(addresses, uint16(10+200*i))
	}
	return addresses
}

// A device that takes its time for an answer, but works on many requests at once,
// is read in the time of one window after the other.
func TestWindow(t *testing.T) {
	for _, size := range []int{1, 4, 16} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, modbus.Config{Window: size}, labelled{}, spread(40)...)
				r.server.SetFault(modbustest.Late(20 * time.Millisecond))
				s := r.open()
				var b acquire.Batch
				start := time.Now()
				for range 3 {
					require.NoError(t, s.Next(t.Context(), &b))
					good, _ := r.check(&b)
					require.Equal(t, 40, good)
					took := b.Received.Time().Sub(start) % time.Second
					assert.Equal(t, time.Duration((40+size-1)/size)*20*time.Millisecond, took)
				}
				assert.EqualValues(t, 120, r.source.Stats().Requests)
			})
		})
	}
}

// Answers out of order find their requests.
func TestWindowOutOfOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, modbus.Config{Window: 8}, labelled{}, spread(40)...)
		random := rand.New(rand.NewPCG(1, 1))
		r.server.SetFault(func(x *modbustest.Exchange) { x.Late = time.Duration(random.IntN(50)) * time.Millisecond })
		s := r.open()
		var b acquire.Batch
		for range 50 {
			require.NoError(t, s.Next(t.Context(), &b))
			good, _ := r.check(&b)
			require.Equal(t, 40, good)
		}
	})
}

// A device that twice drops what it gets while it is at work is asked one by one
// from then on, and no value is missing.
func TestWindowFallsBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, modbus.Config{Window: 16, Timeout: 200 * time.Millisecond}, labelled{}, spread(20)...)
		var last time.Time
		r.server.SetFault(func(x *modbustest.Exchange) {
			x.Drop = !last.IsZero() && time.Since(last) == 0 // in one segment with another
			last = time.Now()
			x.Late = time.Millisecond
		})
		s := r.open()
		var b acquire.Batch
		for range 5 {
			require.NoError(t, s.Next(t.Context(), &b))
			good, _ := r.check(&b)
			require.Equal(t, 20, good)
		}
		st := r.source.Stats()
		assert.EqualValues(t, 2*15, st.Timeouts, "twice: once may have been an accident")
		assert.EqualValues(t, 2*(16+19)+3*20, st.Requests)
	})
}

// Refused blocks in a window are divided as others are.
func TestWindowAndRefusals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		addresses := append(spread(20), 11, 13, 215)
		r := newRig(t, modbus.Config{Window: 16}, labelled{holes: map[uint16]bool{12: true, 1010: true}}, addresses...)
		s := r.open()
		var b acquire.Batch
		for range 4 {
			require.NoError(t, s.Next(t.Context(), &b))
			good, reasons := r.check(&b)
			require.Equal(t, len(addresses)-1, good)
			require.Equal(t, []acquire.Reason{acquire.Configuration}, reasons)
		}
		assert.Equal(t, []modbus.Range{{At: modbus.Holding(12), Count: 1}}, r.source.Limits().Holes)
	})
}

// Whatever goes wrong with one answer of a window, no value takes the place of
// another.
func TestWindowNeverMixesValues(t *testing.T) {
	faults := map[string]modbustest.Fault{
		"delay": modbustest.Delay(700 * time.Millisecond), "late": modbustest.Late(700 * time.Millisecond), "drop": modbustest.Drop(),
		"closing": modbustest.Closing(), "resetting": modbustest.Resetting(), "cut": modbustest.Cut(9), "twice": modbustest.Twice(),
		"exception": modbustest.WithException(modbustest.ServerDeviceBusy), "transaction": modbustest.WrongTransaction(),
		"protocol": modbustest.WrongProtocol(), "unit": modbustest.WrongUnit(), "function": modbustest.WrongFunction(),
		"short": modbustest.Short(), "long": modbustest.Long(), "length": modbustest.LyingLength(), "huge": modbustest.HugeLength(),
		"count": modbustest.BadByteCount(), "garbage": modbustest.Garbage(), "noise": modbustest.Noise(1),
		"torn": modbustest.Torn([]int{3, 4}, 10*time.Millisecond), "drip": modbustest.Drip(time.Millisecond),
	}
	for name, fault := range faults {
		t.Run(name, func(t *testing.T) {
			for _, n := range []int{1, 7, 25} {
				synctest.Test(t, func(t *testing.T) {
					r := newRig(t, modbus.Config{Window: 8, Timeout: 500 * time.Millisecond}, labelled{}, spread(20)...)
					r.server.SetFault(modbustest.Nth(n, fault))
					source := acquire.Reconnect(r.source, acquire.Backoff{})
					s, err := source.Open(t.Context())
					require.NoError(t, err)
					defer s.Close()
					var b acquire.Batch
					good := 0
					for range 12 {
						require.NoError(t, s.Next(t.Context(), &b))
						if len(b.Samples) == 20 {
							good, _ = r.check(&b)
						}
					}
					assert.Equal(t, 20, good, "healthy again")
				})
			}
		})
	}
}
