package modbus_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/acquire/acquiretest"
	"github.com/fieldtap/fieldtap/drivers/modbus"
	"github.com/fieldtap/fieldtap/drivers/modbus/modbustest"
)

func TestConformance(t *testing.T) {
	t.Run("one request", func(t *testing.T) {
		acquiretest.TestSource(t, conforming(modbus.Config{}))
	})
	t.Run("five requests", func(t *testing.T) {
		acquiretest.TestSource(t, conforming(modbus.Config{MaxGap: -1}))
	})
	t.Run("timeout longer than interval", func(t *testing.T) {
		acquiretest.TestSource(t, conforming(modbus.Config{MaxGap: -1, Timeout: 1500 * time.Millisecond}))
	})
	t.Run("window", func(t *testing.T) {
		acquiretest.TestSource(t, conforming(modbus.Config{MaxGap: -1, Window: 4}))
	})
	t.Run("datagrams", func(t *testing.T) {
		acquiretest.TestSource(t, conforming(modbus.Config{MaxGap: -1, UDP: true}))
	})
	t.Run("RTU", func(t *testing.T) {
		acquiretest.TestSource(t, conforming(modbus.Config{MaxGap: -1, Framing: modbus.RTU}))
	})
	t.Run("ASCII", func(t *testing.T) {
		acquiretest.TestSource(t, conforming(modbus.Config{MaxGap: -1, Framing: modbus.ASCII}))
	})
	for _, f := range []modbus.Framing{modbus.MBAP, modbus.RTU} {
		t.Run("shared bus "+f.String(), func(t *testing.T) {
			acquiretest.TestSource(t, onSharedBus(modbus.Config{MaxGap: -1, Framing: f}))
		})
	}
}

// TestContextPerCall gives each Next a context of its own, ended right after, as
// callers with a limit to each call do.
func TestContextPerCall(t *testing.T) {
	r := newRig(t, modbus.Config{Interval: -1}, labelled{}, 10)
	s := r.open()
	var b acquire.Batch
	for range 5000 {
		ctx, cancel := context.WithCancel(t.Context())
		require.NoError(t, s.Next(ctx, &b))
		cancel()
		good, _ := r.check(&b)
		require.Equal(t, 1, good)
	}
	assert.Zero(t, r.source.Stats().Timeouts, "the end of an earlier context interrupts a later poll")
}

// clockwork is a device whose registers show its time: each holds the seconds of
// the day plus its own address. Registers below 100 exist.
type clockwork struct {
	mu      sync.Mutex
	refused map[uint16]bool
}

// reading is what the register at an address shows at a time.
func reading(address uint16, at time.Time) uint16 {
	return uint16(at.Unix()%86400/2) + address*7
}

func (*clockwork) ReadBits(modbustest.Table, uint16, []bool) modbustest.Exception {
	return modbustest.IllegalFunction
}

func (d *clockwork) ReadRegisters(t modbustest.Table, address uint16, dst []uint16) modbustest.Exception {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := time.Now()
	for i := range dst {
		at := address + uint16(i)
		if at >= 100 || d.refused[at] {
			return modbustest.IllegalDataAddress
		}
		dst[i] = reading(at, now)
	}
	return 0
}

func (d *clockwork) refuse(addresses ...uint16) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.refused = make(map[uint16]bool)
	for _, a := range addresses {
		d.refused[a] = true
	}
}

// conforming returns subjects that read five points of a clockwork.
func conforming(cfg modbus.Config) acquiretest.NewSubject { return subject(cfg, false) }

// onSharedBus is the same for a source on a Bus.
func onSharedBus(cfg modbus.Config) acquiretest.NewSubject { return subject(cfg, true) }

func subject(cfg modbus.Config, shared bool) acquiretest.NewSubject {
	return func(t *testing.T) *acquiretest.Subject {
		device := &clockwork{}
		server, err := modbustest.New(modbustest.Config{
			Framing: modbustest.Framing(cfg.Framing), Units: map[byte]modbustest.Device{1: device},
		})
		require.NoError(t, err)
		t.Cleanup(func() { server.Close() })

		var mu sync.Mutex
		var refusing bool
		var offset time.Duration
		locked := func(change func()) {
			mu.Lock()
			defer mu.Unlock()
			change()
		}
		cfg := cfg
		cfg.Name, cfg.Unit, cfg.Interval, cfg.Catalog = "clockwork", 1, 2*time.Second, acquire.NewCatalog()
		if cfg.Timeout == 0 {
			cfg.Timeout = 500 * time.Millisecond
		}
		if cfg.Timeout > time.Second {
			cfg.Interval = time.Second
		}
		cfg.Dial = func(context.Context) (net.Conn, error) {
			mu.Lock()
			defer mu.Unlock()
			if refusing {
				return nil, errors.New("connection refused")
			}
			if cfg.UDP {
				return pipe(server)(t.Context())
			}
			near, far := net.Pipe()
			go server.ServeConn(far)
			return near, nil
		}
		cfg.Now = func() time.Time {
			mu.Lock()
			defer mu.Unlock()
			return time.Now().Add(offset)
		}
		for _, a := range []uint16{0, 10, 20, 30, 40} {
			cfg.Points = append(cfg.Points, modbus.Point{Name: fmt.Sprint(a), At: modbus.Holding(a), Type: modbus.Uint16})
		}
		framing := cfg.Framing
		if shared {
			cfg.Bus, err = modbus.NewBus(modbus.BusConfig{Framing: cfg.Framing, Dial: cfg.Dial, Now: cfg.Now})
			require.NoError(t, err)
			cfg.Framing, cfg.Dial, cfg.Now = modbus.MBAP, nil, nil
		}
		source, err := modbus.NewSource(cfg)
		require.NoError(t, err)
		address := func(p acquire.PointID) uint16 {
			return cfg.Points[slices.Index(source.Points(), p)].At.Offset()
		}
		return &acquiretest.Subject{
			Source: source, Catalog: cfg.Catalog, Period: cfg.Interval, Timeout: cfg.Timeout,
			Truth: func(p acquire.PointID, at acquire.Instant) acquire.Value {
				return acquire.Uint64(uint64(reading(address(p), at.Time())))
			},
			Writes:      func() uint64 { return server.Stats().Writes },
			Connections: func() int { return int(server.Stats().Open) },
			Refuse: func(p acquire.PointID) acquire.Quality {
				device.refuse(address(p))
				return modbus.IllegalDataAddress.Quality()
			},
			Silence: func() { server.SetFault(modbustest.Drop()) },
			Late: func(d time.Duration) {
				if framing != modbus.MBAP { // a line keeps the order
					server.SetFault(modbustest.Delay(d))
					return
				}
				server.SetFault(modbustest.Late(d))
			},
			Disconnect: func() {
				locked(func() { refusing = true })
				server.Disconnect()
			},
			Flood: func() { server.SetFault(flood(framing, cfg.Timeout)) },
			Restore: func() {
				locked(func() { refusing = false })
				device.refuse()
				server.SetFault(nil)
			},
			Clock: func(d time.Duration) { locked(func() { offset += d }) },
		}
	}
}

// flood sends 8 KiB each millisecond until the request has timed out: by turns
// well-formed answers that nobody asked for, a length beyond the limit, and text.
func flood(f modbus.Framing, timeout time.Duration) modbustest.Fault {
	const portion = 8 << 10
	foreign := []byte{0, 0, 0, 0, 0, 5, 1, 3, 2, 0x12, 0x34}
	pieces := slices.Repeat([]int{portion}, int(timeout/time.Millisecond))
	return func(x *modbustest.Exchange) {
		switch x.N % 3 {
		case 0:
			if f != modbus.MBAP { // of another unit
				x.Wire = func([]byte) []byte { return slices.Repeat(onLine(f, []byte{2, 3, 2, 0x12, 0x34}), 1<<16) }
				x.Pieces, x.Pause = pieces, time.Millisecond
				return
			}
			binary.BigEndian.PutUint16(foreign, x.Request.Transaction^1<<15) // far from those in use
			x.Reply = slices.Repeat(foreign, len(pieces)*portion/len(foreign))
			x.Pieces, x.Pause = pieces, time.Millisecond
		case 1:
			modbustest.HugeLength()(x)
		case 2:
			modbustest.Garbage()(x)
		}
	}
}
