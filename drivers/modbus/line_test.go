package modbus_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/drivers/modbus"
	"github.com/fieldtap/fieldtap/drivers/modbus/modbustest"
)

// ticking is a device whose every register holds the time at which it is read, in
// milliseconds, plus its own address: an answer that comes late shows by its age,
// one from elsewhere by its address.
type ticking struct{ labelled }

const addresses = 8 // of ticking: the lower three bits

func tick(at time.Time) uint16 { return uint16(at.UnixMilli()) << 3 }

func (ticking) ReadRegisters(_ modbustest.Table, addr uint16, dst []uint16) modbustest.Exception {
	now := tick(time.Now())
	for i := range dst {
		dst[i] = now | (addr+uint16(i))%addresses
	}
	return 0
}

// line joins sources on a bus to simulated units on one line.
type line struct {
	server *modbustest.Server
	bus    *modbus.Bus
}

func newLine(t testing.TB, bus modbus.BusConfig, server modbustest.Config) *line {
	t.Helper()
	s, err := modbustest.New(server)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, s.Close()) })
	if bus.Dial == nil {
		bus.Dial = pipe(s)
	}
	b, err := modbus.NewBus(bus)
	require.NoError(t, err)
	return &line{s, b}
}

// pipe dials a server in memory.
func pipe(s *modbustest.Server) func(context.Context) (net.Conn, error) {
	return func(context.Context) (net.Conn, error) {
		near, theirs := net.Pipe()
		ours, far := net.Pipe()
		go s.ServeConn(far)
		go func() { // what the server sends waits here, as in the memory of a socket
			defer theirs.Close()
			waiting := make(chan []byte, 1000)
			go func() {
				defer ours.Close()
				_, _ = io.Copy(ours, theirs)
			}()
			go func() {
				defer close(waiting)
				var buf [1024]byte
				for {
					n, err := ours.Read(buf[:])
					if err != nil {
						return
					}
					waiting <- slices.Clone(buf[:n])
				}
			}()
			for b := range waiting {
				if _, err := theirs.Write(b); err != nil {
					ours.Close()
				}
			}
		}()
		return near, nil
	}
}

// source reads the registers 0 to n-1 of a unit, each a point of its own block of
// two if apart is true.
func (l *line) source(t testing.TB, cfg modbus.Config, n int) *modbus.Source {
	t.Helper()
	if cfg.Retries == 0 {
		cfg.Retries = -1 // one request, one answer
	}
	cfg.Bus, cfg.Catalog = l.bus, acquire.NewCatalog()
	for i := range n {
		cfg.Points = append(cfg.Points, modbus.Point{
			Name: fmt.Sprintf("%d/%d", cfg.Unit, i), At: modbus.Holding(uint16(i)), Type: modbus.Uint16,
		})
	}
	src, err := modbus.NewSource(cfg)
	require.NoError(t, err)
	return src
}

// fresh asserts that every good sample of b was read when it says, from where it
// says, and returns how many there are.
func fresh(t testing.TB, src *modbus.Source, b *acquire.Batch, within time.Duration) (good int) {
	t.Helper()
	for _, s := range b.Samples {
		if !s.Quality.IsGood() {
			_, isValue := s.Value.Uint64()
			require.False(t, isValue)
			continue
		}
		good++
		v, _ := s.Value.Uint64()
		place := uint16(s.Point - src.Points()[0])
		require.Equal(t, place%addresses, uint16(v)%addresses, "a value of another register")
		age := int16(tick(s.Time.Time())-uint16(v)&^(addresses-1)) >> 3
		require.LessOrEqual(t, max(age, -age), int16(within.Milliseconds())+1, "a value of another time")
	}
	return good
}

func TestFramings(t *testing.T) {
	for _, f := range []struct {
		ours   modbus.Framing
		theirs modbustest.Framing
	}{{modbus.MBAP, modbustest.MBAP}, {modbus.RTU, modbustest.RTU}, {modbus.ASCII, modbustest.ASCII}} {
		t.Run(f.ours.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLine(t, modbus.BusConfig{Framing: f.ours}, modbustest.Config{
					Framing: f.theirs, Units: map[byte]modbustest.Device{7: ticking{}}, PerRequest: 3 * time.Millisecond,
				})
				src := l.source(t, modbus.Config{Unit: 7}, 300) // blocks of 125, 125 and 50
				stream, err := src.Open(t.Context())
				require.NoError(t, err)
				defer stream.Close()
				var b acquire.Batch
				for range 3 {
					require.NoError(t, stream.Next(t.Context(), &b))
					assert.Equal(t, 300, fresh(t, src, &b, 2*time.Millisecond))
				}
				assert.EqualValues(t, 9, src.Stats().Requests)
				assert.Zero(t, l.server.Stats().Malformed)
			})
		})
	}
}

// A device behind a line answers when it likes, and often too late. Its frames do
// not say what they answer, so that only being in step keeps values apart.
func TestLateAnswersOnALine(t *testing.T) {
	for _, c := range []struct {
		name    string
		framing modbus.Framing
		mute    bool // gives no echo
	}{
		{"RTU", modbus.RTU, false},
		{"ASCII", modbus.ASCII, false},
		{"RTU without echo", modbus.RTU, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const timeout = 100 * time.Millisecond
				random := rand.New(rand.NewPCG(1, 2))
				l := newLine(t, modbus.BusConfig{Framing: c.framing, LateGrace: time.Second}, modbustest.Config{
					Framing: modbustest.Framing(c.framing), Units: map[byte]modbustest.Device{3: ticking{}}, NoEcho: c.mute,
					Fault: func(x *modbustest.Exchange) {
						if random.IntN(3) == 0 {
							x.Delay = time.Duration(random.Int64N(int64(3 * timeout)))
						}
					},
				})
				src := l.source(t, modbus.Config{Unit: 3, Timeout: timeout, Interval: -1, MaxTimeouts: 1 << 20, MaxRegisters: 2}, 8)
				stream, err := src.Open(t.Context())
				require.NoError(t, err)
				defer stream.Close()
				var b acquire.Batch
				good := 0
				for src.Stats().Requests < 10000 {
					require.NoError(t, stream.Next(t.Context(), &b))
					// The device takes the value when the request comes and answers after its
					// delay, so that it is up to half a timeout older than the stamp.
					good += fresh(t, src, &b, timeout/2+time.Millisecond)
				}
				st := src.Stats()
				t.Logf("%d requests, %d good values, %d timeouts, %d late", st.Requests, good, st.Timeouts, st.Late)
				assert.Greater(t, good, 5000)
				assert.NotZero(t, st.Late)
			})
		})
	}
}

// A line of 9600 baud carries what it can: our part in the time of a request is
// small.
func TestLineIsTheLimit(t *testing.T) {
	for _, c := range []struct {
		framing modbus.Framing
		baud    int
		bytes   int // of request and answer
	}{
		{modbus.RTU, 9600, 8 + 255},
		{modbus.RTU, 115200, 8 + 255},
		{modbus.ASCII, 19200, 17 + 511},
	} {
		t.Run(fmt.Sprint(c.framing, c.baud), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLine(t, modbus.BusConfig{Framing: c.framing}, modbustest.Config{
					Framing: modbustest.Framing(c.framing), Baud: c.baud, Units: map[byte]modbustest.Device{1: ticking{}},
				})
				src := l.source(t, modbus.Config{Unit: 1, Interval: -1}, 125)
				stream, err := src.Open(t.Context())
				require.NoError(t, err)
				defer stream.Close()
				var b acquire.Batch
				require.NoError(t, stream.Next(t.Context(), &b))
				const polls = 20
				start := time.Now()
				for range polls {
					require.NoError(t, stream.Next(t.Context(), &b))
					require.Equal(t, 125, fresh(t, src, &b, time.Second))
				}
				each := time.Since(start) / polls
				character := 11 * time.Second / time.Duration(c.baud)
				wire := time.Duration(c.bytes)*character + 7*character/2
				t.Logf("%v a request, %v on the wire", each, wire)
				assert.Less(t, float64(each), 1.05*float64(wire))
			})
		})
	}
}

// Thirty units on one bus, five of them dead and two slow: the others keep their
// period.
func TestSharedBus(t *testing.T) {
	for _, f := range []modbus.Framing{modbus.MBAP, modbus.RTU} {
		t.Run(f.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const (
					units    = 30
					interval = 5 * time.Second
					timeout  = 300 * time.Millisecond
				)
				dead := func(unit byte) bool { return unit%6 == 0 }
				slow := func(unit byte) bool { return unit == 7 || unit == 19 }
				devices := make(map[byte]modbustest.Device)
				for unit := byte(1); unit <= units; unit++ {
					if !dead(unit) {
						devices[unit] = ticking{}
					}
				}
				l := newLine(t, modbus.BusConfig{Framing: f}, modbustest.Config{
					Framing: modbustest.Framing(f), Baud: 38400, Units: devices, IgnoreUnknown: true,
					Fault: func(x *modbustest.Exchange) {
						if slow(x.Request.Unit) {
							x.Delay = 250 * time.Millisecond
						}
					},
				})
				catalog := acquire.NewCatalog()
				var sources []acquire.Source
				unitOf := make(map[acquire.PointID]byte)
				for unit := byte(1); unit <= units; unit++ {
					cfg := modbus.Config{Bus: l.bus, Unit: unit, Interval: interval, Timeout: timeout, Catalog: catalog}
					for i := range 10 {
						cfg.Points = append(cfg.Points, modbus.Point{
							Name: fmt.Sprintf("%d/%d", unit, i), At: modbus.Holding(uint16(i)), Type: modbus.Uint16,
						})
					}
					src, err := modbus.NewSource(cfg)
					require.NoError(t, err)
					for _, id := range src.Points() {
						unitOf[id] = unit
					}
					sources = append(sources, acquire.Reconnect(src, acquire.Backoff{}))
				}
				plant, err := acquire.Merge(sources...)
				require.NoError(t, err)
				stream, err := plant.Open(t.Context())
				require.NoError(t, err)
				defer stream.Close()
				latest := make(map[byte]acquire.Instant)
				var worst time.Duration
				polls := 0
				var b acquire.Batch
				start := time.Now()
				for time.Since(start) < 10*time.Minute {
					require.NoError(t, stream.Next(t.Context(), &b))
					if len(b.Samples) == 0 {
						continue
					}
					unit := unitOf[b.Samples[0].Point]
					if dead(unit) || slow(unit) {
						continue
					}
					for _, s := range b.Samples {
						require.True(t, s.Quality.IsGood(), "unit %d: %v", unit, s.Quality)
					}
					at := b.Samples[0].Time
					if before := latest[unit]; before.Time().After(start.Add(interval)) { // each has its place by then
						off := at.Sub(before) - interval
						worst = max(worst, off, -off)
						polls++
					}
					latest[unit] = at
				}
				requests := l.server.Stats().Requests
				t.Logf("%d healthy units, %d polls in 10 minutes, worst deviation from the period %v; %d requests in all",
					len(latest), polls, worst, requests)
				assert.Len(t, latest, units-5-2)
				assert.GreaterOrEqual(t, polls, (units-5-2)*117)
				assert.Less(t, worst, 5*timeout)
			})
		})
	}
}

// When the link of a bus breaks, so do all streams on it, and the first to come
// back makes one new link for all.
func TestBusBreaksForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dials := 0
		var server *modbustest.Server
		l := newLine(t, modbus.BusConfig{Dial: func(ctx context.Context) (net.Conn, error) {
			dials++
			return pipe(server)(ctx)
		}}, modbustest.Config{Units: map[byte]modbustest.Device{1: ticking{}, 2: ticking{}}})
		server = l.server
		one, two := l.source(t, modbus.Config{Unit: 1}, 4), l.source(t, modbus.Config{Unit: 2}, 4)
		var b acquire.Batch
		for round := range 3 {
			first, err := one.Open(t.Context())
			require.NoError(t, err)
			second, err := two.Open(t.Context())
			require.NoError(t, err)
			assert.Equal(t, round+1, dials)
			require.NoError(t, first.Next(t.Context(), &b))
			require.NoError(t, second.Next(t.Context(), &b))
			server.Disconnect()
			for _, stream := range []acquire.Stream{first, second} {
				var op *acquire.OpError
				require.ErrorAs(t, stream.Next(t.Context(), &b), &op)
				require.NoError(t, stream.Close())
				require.NoError(t, stream.Close())
			}
		}
		assert.Zero(t, l.server.Stats().Open)
	})
}

// A stream that is cancelled in the middle of a request leaves the link to the
// others, and its answer to nobody.
func TestCancelLeavesTheBus(t *testing.T) {
	for _, f := range []modbus.Framing{modbus.MBAP, modbus.RTU} {
		t.Run(f.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLine(t, modbus.BusConfig{Framing: f}, modbustest.Config{
					Framing: modbustest.Framing(f), Units: map[byte]modbustest.Device{1: ticking{}, 2: ticking{}}, PerRequest: 50 * time.Millisecond,
				})
				one, two := l.source(t, modbus.Config{Unit: 1}, 4), l.source(t, modbus.Config{Unit: 2}, 4)
				second, err := two.Open(t.Context())
				require.NoError(t, err)
				defer second.Close()
				var b acquire.Batch
				for range 5 {
					first, err := one.Open(t.Context())
					require.NoError(t, err)
					ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
					err = first.Next(ctx, &b)
					require.True(t, errors.Is(err, context.DeadlineExceeded), "%v", err)
					cancel()
					require.NoError(t, first.Close())
					require.NoError(t, second.Next(t.Context(), &b))
					require.Equal(t, 4, fresh(t, two, &b, 150*time.Millisecond))
				}
				first, err := one.Open(t.Context())
				require.NoError(t, err)
				defer first.Close()
				require.NoError(t, first.Next(t.Context(), &b))
				require.Equal(t, 4, fresh(t, one, &b, 60*time.Millisecond))
				assert.EqualValues(t, 1, l.server.Stats().Connections)
			})
		})
	}
}
