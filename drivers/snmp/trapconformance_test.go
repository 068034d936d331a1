package snmp_test

import (
	"bytes"
	"context"
	"errors"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/acquire/acquiretest"
	"github.com/fieldtap/fieldtap/drivers/snmp"
	"github.com/fieldtap/fieldtap/drivers/snmp/snmptest"
	"github.com/fieldtap/fieldtap/internal/snmpwire"
)

// TestTrapConformance holds the listener to the contracts of acquire, but for those
// that are about who is asked.
func TestTrapConformance(t *testing.T) {
	const trap = private + ".0.1"
	frame := trapOf(t, snmptest.SenderConfig{Version: snmptest.V2c}, snmptest.Notification{
		Trap: trap, Bindings: ints(private+".1.0", 0x01020304, private+".2.0", 0x01020305),
	})
	saying := func(at time.Time) []byte {
		one := snmpwire.AppendInt(nil, snmpwire.Integer, int64(0x01000000+showing(1, at)))
		two := snmpwire.AppendInt(nil, snmpwire.Integer, int64(0x01000000+showing(2, at)))
		m := bytes.Replace(frame, []byte{2, 4, 1, 2, 3, 4}, one, 1)
		return bytes.Replace(m, []byte{2, 4, 1, 2, 3, 5}, two, 1)
	}
	acquiretest.TestSource(t, func(t *testing.T) *acquiretest.Subject {
		var mu sync.Mutex
		var refusing, silent bool
		var offset time.Duration
		var sockets []*packetPipe
		each := func(f func(p *packetPipe)) {
			mu.Lock()
			defer mu.Unlock()
			for _, p := range sockets {
				f(p)
			}
		}
		send := func(m []byte) {
			each(func(p *packetPipe) {
				select {
				case p.in <- m:
				default:
				}
			})
		}
		catalog := acquire.NewCatalog()
		listener, err := snmp.NewTrapListener(snmp.TrapConfig{
			Name: "clockwork", Communities: []acquire.Secret{"public"}, Catalog: catalog,
			Rules: []snmp.TrapRule{{Name: "event", Trap: trap, Points: []snmp.Point{
				{Name: "1", OID: private + ".1", Type: snmp.Int32}, {Name: "2", OID: private + ".2", Type: snmp.Int32},
			}}},
			Listen: func(context.Context) (net.PacketConn, error) {
				mu.Lock()
				defer mu.Unlock()
				if refusing {
					return nil, errors.New("address in use")
				}
				p := newPacketPipe()
				sockets = append(sockets, p)
				return p, nil
			},
			Now: func() time.Time {
				mu.Lock()
				defer mu.Unlock()
				return time.Now().Add(offset)
			},
		})
		require.NoError(t, err)
		first, err := listener.Open(t.Context())
		require.NoError(t, err)
		send(saying(time.Now()))
		require.NoError(t, first.Next(t.Context(), new(acquire.Batch)))
		require.NoError(t, first.Close())
		require.Len(t, listener.Points(), 3)

		const period = 1900 * time.Millisecond // never at the time of an empty batch
		ended := make(chan struct{})
		var device sync.WaitGroup
		device.Go(func() {
			tick := time.NewTicker(period)
			defer tick.Stop()
			for {
				select {
				case <-ended:
					return
				case now := <-tick.C:
					mu.Lock()
					quiet := silent
					mu.Unlock()
					if !quiet {
						send(saying(now))
					}
				}
			}
		})
		t.Cleanup(func() { close(ended); device.Wait() })
		flooding := make(chan struct{})
		return &acquiretest.Subject{
			Source: listener, Catalog: catalog, Period: period, Timeout: 500 * time.Millisecond,
			Truth: func(p acquire.PointID, at acquire.Instant) acquire.Value {
				switch point, _ := catalog.Point(p); point.Name {
				case "event/1":
					return acquire.Int64(int64(0x01000000 + showing(1, at.Time())))
				case "event/2":
					return acquire.Int64(int64(0x01000000 + showing(2, at.Time())))
				}
				return acquire.Value{}
			},
			Writes: func() uint64 {
				replies := 0
				each(func(p *packetPipe) { replies += len(p.out) })
				return uint64(replies)
			},
			Connections: func() (open int) {
				each(func(p *packetPipe) {
					select {
					case <-p.closed:
					default:
						open++
					}
				})
				return open
			},
			Refuse: func(acquire.PointID) acquire.Quality { return acquire.Bad },
			Silence: func() {
				mu.Lock()
				defer mu.Unlock()
				silent = true
			},
			Late: func(time.Duration) {},
			Disconnect: func() {
				each(func(p *packetPipe) {
					select {
					case p.failed <- errors.New("network is down"):
					default:
					}
				})
				mu.Lock()
				defer mu.Unlock()
				refusing = true
			},
			Flood: func() {
				device.Go(func() {
					tick := time.NewTicker(time.Millisecond)
					defer tick.Stop()
					junk := slices.Repeat([]byte{0x30, 0x84, 0xff}, 300)
					for range 2000 {
						select {
						case <-ended:
							return
						case <-flooding:
							return
						case <-tick.C:
							for range 64 {
								send(junk)
							}
						}
					}
				})
			},
			Restore: func() {
				mu.Lock()
				defer mu.Unlock()
				refusing, silent = false, false
				select {
				case <-flooding:
				default:
					close(flooding)
				}
			},
			Clock: func(d time.Duration) {
				mu.Lock()
				defer mu.Unlock()
				offset += d
			},
			Without: map[string]string{
				"Honesty":  "nothing is read, so that nothing can be refused; TestTrapRefusals and FuzzTrap say what must not be believed",
				"Time":     "nothing is asked: samples bear the time of arrival; TestTrapClockBackwards says the rest",
				"Liveness": "a listener has no period: silence says nothing",
				"Bounded":  "a flood does not make points bad; TestTrapOverflow and TestTrapBursts bound and count it",
			},
		}
	})
}
