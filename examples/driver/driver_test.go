package driver_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/acquire/acquiretest"
	"github.com/fieldtap/fieldtap/examples/driver"
	"github.com/stretchr/testify/require"
)

// device is a simulated device, and how it misbehaves.
type device struct {
	mu      sync.Mutex
	links   map[net.Conn]bool
	silent  bool
	down    bool
	flood   bool
	late    time.Duration
	refused int           // number that is refused; -1: none
	offset  time.Duration // of the clock that stamps samples
	writes  uint64        // requests other than R
}

func (d *device) do(f func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f()
}

// value is what number i shows at a time: another one each second.
func value(i int, at time.Time) float64 { return float64(at.Unix()%1000*10 + int64(i)) }

func (d *device) dial(context.Context) (net.Conn, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.down {
		return nil, errors.New("connection refused")
	}
	near, far := net.Pipe()
	d.links[far] = true
	go d.serve(far)
	return near, nil
}

// serve answers until the link ends. A late answer is written by a goroutine of
// its own, since a pipe has no buffer and requests are to be read meanwhile.
func (d *device) serve(link net.Conn) {
	defer d.do(func() { delete(d.links, link); link.Close() })
	for requests := bufio.NewScanner(link); requests.Scan(); {
		var i int
		if _, err := fmt.Sscanf(requests.Text(), "R %d", &i); err != nil {
			d.do(func() { d.writes++ })
			continue
		}
		var now device
		d.do(func() { now.silent, now.flood, now.late, now.refused = d.silent, d.flood, d.late, d.refused })
		answer := fmt.Sprintf("%d %g\n", i, value(i, time.Now()))
		if i == now.refused {
			answer = fmt.Sprintf("%d ERR 7\n", i)
		}
		switch {
		case now.flood:
			for pause := time.NewTicker(time.Millisecond); ; <-pause.C {
				if _, err := link.Write(make([]byte, 64<<10)); err != nil {
					return
				}
			}
		case !now.silent:
			time.AfterFunc(now.late, func() { link.Write([]byte(answer)) })
		}
	}
}

func TestConformance(t *testing.T) {
	acquiretest.TestSource(t, func(t *testing.T) *acquiretest.Subject {
		d := &device{links: make(map[net.Conn]bool), refused: -1}
		catalog := acquire.NewCatalog()
		source, err := driver.NewSource(driver.Config{
			Name: "device", Catalog: catalog, Points: []string{"a", "b", "c"},
			Interval: time.Second, Timeout: 400 * time.Millisecond, Dial: d.dial,
			Now: func() (now time.Time) { d.do(func() { now = time.Now().Add(d.offset) }); return now },
		})
		require.NoError(t, err)
		number := func(p acquire.PointID) int { return int(p) - 1 } // ids are dense from 1
		return &acquiretest.Subject{
			Source: source, Catalog: catalog, Period: time.Second, Timeout: 400 * time.Millisecond,
			Truth: func(p acquire.PointID, at acquire.Instant) acquire.Value {
				return acquire.Float64(value(number(p), at.Time()))
			},
			Writes:      func() (n uint64) { d.do(func() { n = d.writes }); return n },
			Connections: func() (n int) { d.do(func() { n = len(d.links) }); return n },
			Refuse: func(p acquire.PointID) acquire.Quality {
				d.do(func() { d.refused = number(p) })
				return acquire.Bad.Because(acquire.Configuration).WithNative(7)
			},
			Silence: func() { d.do(func() { d.silent = true }) },
			Late:    func(by time.Duration) { d.do(func() { d.late = by }) },
			Disconnect: func() {
				d.do(func() {
					d.down = true
					for link := range d.links {
						link.Close()
					}
				})
			},
			Flood:   func() { d.do(func() { d.flood = true }) },
			Restore: func() { d.do(func() { d.silent, d.down, d.flood, d.late, d.refused = false, false, false, 0, -1 }) },
			Clock:   func(by time.Duration) { d.do(func() { d.offset += by }) },
		}
	})
}
