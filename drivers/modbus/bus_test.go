package modbus_test

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/drivers/modbus"
	"github.com/fieldtap/fieldtap/drivers/modbus/modbustest"
)

// A stream that is cancelled before the device takes a byte of its request leaves
// the link to the others; one that is cancelled in the middle of it ends the link,
// but not with the wish of its caller as the reason.
func TestCancelWhileSending(t *testing.T) {
	for _, c := range []struct {
		name string
		took int // bytes of the request that the device takes
	}{{"nothing sent", 0}, {"half sent", 5}} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server, err := modbustest.New(modbustest.Config{Units: map[byte]modbustest.Device{1: ticking{}, 2: ticking{}}})
				require.NoError(t, err)
				defer server.Close()
				ready := make(chan struct{})
				l := &line{server, nil}
				l.bus, err = modbus.NewBus(modbus.BusConfig{Dial: func(context.Context) (net.Conn, error) {
					near, far := net.Pipe()
					go func() {
						far.Read(make([]byte, c.took))
						<-ready
						server.ServeConn(far)
					}()
					return near, nil
				}})
				require.NoError(t, err)
				one, two := l.source(t, modbus.Config{Unit: 1, Timeout: time.Minute}, 4), l.source(t, modbus.Config{Unit: 2}, 4)
				first, err := one.Open(t.Context())
				require.NoError(t, err)
				defer first.Close()
				second, err := two.Open(t.Context())
				require.NoError(t, err)
				defer second.Close()
				gaveUp, result := make(chan error), make(chan error)
				var b acquire.Batch
				ctx, cancel := context.WithCancel(t.Context())
				go func() { gaveUp <- first.Next(ctx, new(acquire.Batch)) }()
				synctest.Wait()
				go func() { result <- second.Next(t.Context(), &b) }()
				synctest.Wait()
				cancel()
				wish := <-gaveUp
				close(ready)
				err = <-result
				require.ErrorIs(t, wish, context.Canceled)
				if c.took == 0 {
					require.NoError(t, err)
					assert.Equal(t, 4, fresh(t, two, &b, 20*time.Millisecond))
					assert.EqualValues(t, 0, one.Stats().Timeouts)
				} else {
					require.Error(t, err)
					assert.False(t, errors.Is(err, context.Canceled), "%v", err)
					assert.EqualValues(t, 1, two.Stats().Failures)
				}
			})
		})
	}
}

// The first stream that finds a bus broken closes the connection: a serial port is
// locked, and many a device serves one client, so that others which have not looked
// yet must not keep it.
func TestBrokenLinkIsClosedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLine(t, modbus.BusConfig{}, modbustest.Config{Units: map[byte]modbustest.Device{1: ticking{}, 2: ticking{}}})
		one, two := l.source(t, modbus.Config{Unit: 1}, 4), l.source(t, modbus.Config{Unit: 2}, 4)
		first, err := one.Open(t.Context())
		require.NoError(t, err)
		second, err := two.Open(t.Context())
		require.NoError(t, err)
		defer second.Close()
		l.server.SetFault(modbustest.HugeLength())
		var b acquire.Batch
		require.Error(t, first.Next(t.Context(), &b))
		require.NoError(t, first.Close())
		synctest.Wait()
		assert.Zero(t, l.server.Stats().Open)
		l.server.SetFault(nil)
		first, err = one.Open(t.Context())
		require.NoError(t, err)
		defer first.Close()
		require.NoError(t, first.Next(t.Context(), &b))
		assert.EqualValues(t, 1, l.server.Stats().Open)
	})
}

// However many wait for a bus that cannot be reached, each attempt speaks for all
// that waited for it.
func TestOneDialForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var dials atomic.Int64
		l := &line{}
		var err error
		l.bus, err = modbus.NewBus(modbus.BusConfig{Dial: func(ctx context.Context) (net.Conn, error) {
			dials.Add(1)
			<-ctx.Done()
			return nil, ctx.Err()
		}})
		require.NoError(t, err)
		const sources = 30
		results := make(chan error)
		start := time.Now()
		for unit := range byte(sources) {
			src := l.source(t, modbus.Config{Unit: unit + 1}, 1)
			go func() {
				_, err := src.Open(t.Context())
				results <- err
			}()
		}
		for range sources {
			require.ErrorIs(t, <-results, context.DeadlineExceeded)
		}
		assert.Equal(t, modbus.DefaultConnectTimeout, time.Since(start))
		assert.EqualValues(t, 1, dials.Load())
	})
}

// Whoever gives up waiting for a dial does not end it for the others.
func TestDialOutlivesItsCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var server *modbustest.Server
		l := newLine(t, modbus.BusConfig{Dial: func(ctx context.Context) (net.Conn, error) {
			select {
			case <-time.After(time.Second):
				return pipe(server)(ctx)
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}}, modbustest.Config{Units: map[byte]modbustest.Device{1: ticking{}, 2: ticking{}}})
		server = l.server
		one, two := l.source(t, modbus.Config{Unit: 1}, 1), l.source(t, modbus.Config{Unit: 2}, 1)
		result := make(chan error)
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		go func() {
			_, err := one.Open(ctx)
			result <- err
		}()
		synctest.Wait()
		stream, err := two.Open(t.Context())
		require.ErrorIs(t, <-result, context.DeadlineExceeded)
		require.NoError(t, err)
		require.NoError(t, stream.Close())
	})
}

// Answers in datagrams of a framing without transaction ids come late, and wait in
// the system's buffer until they are read.
func TestLateAnswersInDatagrams(t *testing.T) {
	for _, mute := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			const timeout = 100 * time.Millisecond
			n := 0
			l := newLine(t, modbus.BusConfig{Framing: modbus.RTU, UDP: true, LateGrace: time.Second}, modbustest.Config{
				Framing: modbustest.RTU, Units: map[byte]modbustest.Device{3: ticking{}}, NoEcho: mute,
				Fault: func(x *modbustest.Exchange) {
					if n++; n%5 == 0 {
						x.Delay = 2 * timeout
					}
				},
			})
			src := l.source(t, modbus.Config{Unit: 3, Timeout: timeout, Interval: -1, MaxTimeouts: 1 << 20, MaxRegisters: 2}, 8)
			stream, err := src.Open(t.Context())
			require.NoError(t, err)
			defer stream.Close()
			var b acquire.Batch
			good := 0
			for src.Stats().Requests < 1000 {
				require.NoError(t, stream.Next(t.Context(), &b))
				good += fresh(t, src, &b, timeout/2+time.Millisecond)
			}
			assert.Greater(t, good, 800)
			assert.NotZero(t, src.Stats().Late)
		})
	}
}

// What one link of a unit owes is not settled by an answer on another.
func TestDoubtsAreOfALink(t *testing.T) {
	for _, mute := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			const timeout = 100 * time.Millisecond
			l := newLine(t, modbus.BusConfig{Framing: modbus.RTU, Links: 2, LateGrace: time.Second}, modbustest.Config{
				Framing: modbustest.RTU, Units: map[byte]modbustest.Device{3: ticking{}}, NoEcho: mute,
				Fault: func(x *modbustest.Exchange) {
					if x.Conn == 1 && x.N%4 == 0 {
						x.Delay = 130 * time.Millisecond
					}
				},
			})
			cfg := modbus.Config{Unit: 3, Timeout: timeout, Interval: 50 * time.Millisecond, MaxTimeouts: 1 << 20, MaxRegisters: 2}
			done := make(chan struct{})
			for range 2 {
				src := l.source(t, cfg, 8)
				stream, err := src.Open(t.Context())
				require.NoError(t, err)
				go func() {
					defer func() { done <- struct{}{} }()
					defer stream.Close()
					var b acquire.Batch
					for range 500 {
						if !assert.NoError(t, stream.Next(t.Context(), &b)) {
							return
						}
						fresh(t, src, &b, timeout/2+time.Millisecond)
					}
				}()
			}
			<-done
			<-done
			assert.EqualValues(t, 2, l.server.Stats().Connections)
		})
	}
}

// A device that serves one client has its connection to itself during a poll only,
// and each connection counts.
func TestRelease(t *testing.T) {
	for _, shared := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			l := newLine(t, modbus.BusConfig{}, modbustest.Config{Units: map[byte]modbustest.Device{1: ticking{}, 2: ticking{}}})
			var sources []*modbus.Source
			for unit := byte(1); unit <= 2; unit++ {
				cfg := modbus.Config{Unit: unit, Release: true, Catalog: acquire.NewCatalog(), Points: []modbus.Point{
					{Name: "p", At: modbus.Holding(0), Type: modbus.Uint16},
				}}
				if shared {
					cfg.Bus = l.bus
				} else {
					cfg.Dial = pipe(l.server)
				}
				src, err := modbus.NewSource(cfg)
				require.NoError(t, err)
				sources = append(sources, src)
			}
			for _, src := range sources {
				stream, err := src.Open(t.Context())
				require.NoError(t, err)
				var b acquire.Batch
				for range 5 {
					require.NoError(t, stream.Next(t.Context(), &b))
					require.Equal(t, 1, fresh(t, src, &b, time.Millisecond))
					synctest.Wait()
					assert.Zero(t, l.server.Stats().Open)
				}
				assert.EqualValues(t, 5, src.Stats().Connects)
				require.NoError(t, stream.Close())
				require.NoError(t, stream.Close())
			}
			assert.EqualValues(t, 10, l.server.Stats().Connections)
		})
	}
}

// What is not sent is neither counted nor traced.
func TestOnlySentRequestsCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var sent int
		r := newRig(t, modbus.Config{MaxGap: -1, Trace: modbus.Trace{Sent: func([]byte) { sent++ }}}, labelled{}, 10, 20, 30)
		r.server.SetFault(modbustest.Drop())
		s := r.open()
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		var b acquire.Batch
		require.ErrorIs(t, s.Next(ctx, &b), context.DeadlineExceeded)
		assert.EqualValues(t, 1, r.source.Stats().Requests)
		assert.Equal(t, 1, sent)
	})
}

// The polls of a source without a pause between them divide what is refused too.
func TestDivisionWithoutInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var addresses []uint16
		for a := range uint16(100) {
			addresses = append(addresses, 100+a)
		}
		r := newRig(t, modbus.Config{Interval: -1}, labelled{holes: map[uint16]bool{137: true}}, addresses...)
		r.server.SetFault(modbustest.Delay(10 * time.Millisecond))
		s := r.open()
		var b acquire.Batch
		for range 3 {
			require.NoError(t, s.Next(t.Context(), &b))
			good, _ := r.check(&b)
			assert.Equal(t, 99, good)
		}
		assert.Len(t, r.source.Plan(), 3)
	})
}

// A device that dies while a block is divided costs one timeout.
func TestDyingWhileDividing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var addresses []uint16
		for a := range uint16(100) {
			addresses = append(addresses, 100+a)
		}
		r := newRig(t, modbus.Config{Interval: 100 * time.Millisecond, MaxTimeouts: 100}, labelled{holes: map[uint16]bool{137: true}}, addresses...)
		r.server.SetFault(modbustest.From(4, modbustest.Drop()))
		s := r.open()
		start := time.Now()
		var b acquire.Batch
		require.NoError(t, s.Next(t.Context(), &b))
		r.check(&b)
		assert.Equal(t, modbus.DefaultTimeout, time.Since(start))
		assert.Empty(t, r.source.Limits().Holes)
	})
}

// An answer that was asked for by nobody and hits an id in the end is not waited for
// in a window either.
func TestWindowFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &hostile{answer: func(c net.Conn, _ int, request []byte) {
			go io.Copy(io.Discard, c) // the other requests of the window
			id := binary.BigEndian.Uint16(request)
			for n := range uint16(1 << 14) {
				if !pour(c, lie(id+1<<13+n)) {
					return
				}
			}
			for pour(c, lie(id)) {
			}
		}}
		r := newRig(t, modbus.Config{Window: 4, Dial: h.dial, MaxGap: -1}, labelled{}, 10, 20, 30, 40)
		s := r.open()
		var b acquire.Batch
		err := s.Next(t.Context(), &b)
		require.Error(t, err)
		assert.Equal(t, acquire.Protocol, acquire.QualityOf(err).Reason())
		assert.EqualValues(t, 256, r.source.Stats().Late)
	})
}

// Another stream's trouble on the bus is no lesson about windows, and nothing is
// sent on a link that is gone.
func TestWindowOnABrokenBus(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLine(t, modbus.BusConfig{}, modbustest.Config{
			Units: map[byte]modbustest.Device{1: ticking{}, 2: ticking{}}, Fault: modbustest.Late(20 * time.Millisecond),
		})
		cfg := modbus.Config{Window: 8, MaxRegisters: 1}
		cfg.Unit = 1
		one := l.source(t, cfg, 8)
		cfg.Unit = 2
		two := l.source(t, cfg, 8)
		open := func(src *modbus.Source) acquire.Stream {
			stream, err := src.Open(t.Context())
			require.NoError(t, err)
			return stream
		}
		first, second := open(one), open(two)
		result := make(chan error)
		go func() { result <- first.Next(t.Context(), new(acquire.Batch)) }()
		synctest.Wait()
		go func() { result <- second.Next(t.Context(), new(acquire.Batch)) }()
		synctest.Wait()
		l.server.Disconnect()
		require.Error(t, <-result)
		require.Error(t, <-result)
		assert.LessOrEqual(t, one.Stats().Requests+two.Stats().Requests, uint64(8))
		require.NoError(t, first.Close())
		require.NoError(t, second.Close())
		for _, src := range []*modbus.Source{one, two} {
			stream := open(src)
			start := time.Now()
			var b acquire.Batch
			require.NoError(t, stream.Next(t.Context(), &b))
			assert.Equal(t, 20*time.Millisecond, time.Since(start), "one window")
			require.NoError(t, stream.Close())
		}
	})
}

// A device that takes requests in advance but works on one at a time is given its
// time for each.
func TestWindowOfASlowDevice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, modbus.Config{Window: 16, Timeout: 500 * time.Millisecond, Interval: 10 * time.Second}, labelled{}, spread(16)...)
		r.server.SetFault(modbustest.Delay(100 * time.Millisecond))
		s := r.open()
		var b acquire.Batch
		for range 3 {
			require.NoError(t, s.Next(t.Context(), &b))
			good, _ := r.check(&b)
			assert.Equal(t, 16, good)
		}
		assert.Zero(t, r.source.Stats().Timeouts)
	})
}

// Late answers to a window are a sign of life, as they are to one request.
func TestWindowLateForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, modbus.Config{Window: 4, Timeout: 300 * time.Millisecond, MaxGap: -1}, labelled{}, 10, 20)
		r.server.SetFault(modbustest.Late(450 * time.Millisecond))
		s := r.open()
		var b acquire.Batch
		for range 20 {
			require.NoError(t, s.Next(t.Context(), &b))
		}
	})
}

// A pause between frames leaves no room for a window.
func TestPauseRulesOutAWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLine(t, modbus.BusConfig{Pause: 30 * time.Millisecond}, modbustest.Config{Units: map[byte]modbustest.Device{1: ticking{}}})
		src := l.source(t, modbus.Config{Unit: 1, Window: 8, MaxRegisters: 1}, 4)
		stream, err := src.Open(t.Context())
		require.NoError(t, err)
		defer stream.Close()
		var b acquire.Batch
		start := time.Now()
		require.NoError(t, stream.Next(t.Context(), &b))
		assert.Equal(t, 90*time.Millisecond, time.Since(start))
	})
}

// A device that refuses everything for a while is not taken for one with holes, and is
// not asked for every value alone at every poll.
func TestRefusingEverythingTeachesNothing(t *testing.T) {
	for _, window := range []int{1, 4} {
		synctest.Test(t, func(t *testing.T) {
			var addresses []uint16
			for a := range uint16(300) {
				addresses = append(addresses, 100+a)
			}
			device := labelled{holes: map[uint16]bool{150: true}}
			r := newRig(t, modbus.Config{Window: window}, device, addresses...)
			r.server.SetFault(modbustest.WithException(modbustest.IllegalDataAddress))
			s := r.open()
			var b acquire.Batch
			for range 10 {
				require.NoError(t, s.Next(t.Context(), &b))
				_, reasons := r.check(&b)
				require.Len(t, reasons, 300)
				require.Equal(t, acquire.Configuration, reasons[0])
			}
			assert.Len(t, r.source.Plan(), 3)
			// Each block whole, then in halves down to single values; after that, whole,
			// and in a window in its halves.
			assert.LessOrEqual(t, r.source.Stats().Requests, uint64(3*(2*300+10)))
			r.server.SetFault(nil)
			for range 3 {
				require.NoError(t, s.Next(t.Context(), &b))
			}
			good, _ := r.check(&b)
			assert.Equal(t, 299, good)
			assert.Len(t, r.source.Plan(), 4)
		})
	}
}

// The polls of units on one bus have their places in the period: a unit that answers
// slowly delays those that come next, and not all; a unit that was away comes back to
// its own, and none moves for one that is added.
func TestPollsHaveTheirPlaces(t *testing.T) {
	for _, f := range []modbus.Framing{modbus.MBAP, modbus.RTU} {
		synctest.Test(t, func(t *testing.T) {
			const units, interval = 10, 5 * time.Second
			devices := make(map[byte]modbustest.Device)
			for unit := byte(1); unit <= units; unit++ {
				devices[unit] = ticking{}
			}
			asked := make(map[byte][]time.Duration) // when, in the period
			begun := time.Now()
			l := newLine(t, modbus.BusConfig{Framing: f}, modbustest.Config{
				Framing: modbustest.Framing(f), Units: devices,
				Fault: func(x *modbustest.Exchange) {
					unit := x.Request.Unit
					asked[unit] = append(asked[unit], time.Since(begun)%interval)
					if unit == 1 {
						x.Delay = 200 * time.Millisecond
					}
				},
			})
			streams := make(map[byte]acquire.Stream)
			poll := func(polls int) {
				clear(asked)
				done := make(chan error)
				for _, s := range streams {
					go func() {
						var b acquire.Batch
						var err error
						for range polls {
							if err == nil {
								err = s.Next(t.Context(), &b)
							}
						}
						done <- err
					}()
				}
				for range streams {
					require.NoError(t, <-done)
				}
			}
			sources := make(map[byte]*modbus.Source)
			open := func(unit byte) {
				if sources[unit] == nil {
					sources[unit] = l.source(t, modbus.Config{Unit: unit, Interval: interval}, 2)
				}
				s, err := sources[unit].Open(t.Context())
				require.NoError(t, err)
				t.Cleanup(func() { s.Close() })
				streams[unit] = s
			}
			for unit := byte(1); unit < units; unit++ {
				open(unit)
			}
			poll(10)
			place := make(map[byte]time.Duration)
			for unit, at := range asked {
				require.Len(t, at, 10)
				place[unit] = at[1] // the first is at once
				for _, when := range at[2:] {
					assert.InDelta(t, place[unit], when, float64(30*time.Millisecond), "unit %d", unit)
				}
				for other, elsewhere := range place {
					assert.True(t, other == unit || max(place[unit]-elsewhere, elsewhere-place[unit]) > 100*time.Millisecond, "%d and %d", unit, other)
				}
			}
			require.NoError(t, streams[3].Close())
			time.Sleep(1234 * time.Millisecond)
			open(3)
			open(units)
			poll(4)
			for unit := byte(1); unit < units; unit++ {
				assert.InDelta(t, place[unit], asked[unit][3], float64(30*time.Millisecond), "unit %d", unit)
			}
		})
	}
}
