package snmp_test

import (
	"context"
	"errors"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/drivers/snmp"
	"github.com/fieldtap/fieldtap/drivers/snmp/snmptest"
)

// TestQuietTraps: a listener to which nobody says anything is up when it listens, after an
// outage too.
func TestQuietTraps(t *testing.T) {
	trap := trapOf(t, snmptest.SenderConfig{Version: snmptest.V2c}, snmptest.Notification{Trap: linkDown})
	synctest.Test(t, func(t *testing.T) {
		var socket *packetPipe
		refused := false
		cfg := public
		cfg.Catalog, cfg.Rules = acquire.NewCatalog(), trapRules
		cfg.Listen = func(context.Context) (net.PacketConn, error) {
			if refused {
				return nil, errors.New("address in use")
			}
			socket = newPacketPipe()
			return socket, nil
		}
		listener, err := snmp.NewTrapListener(cfg)
		require.NoError(t, err)
		src := acquire.Reconnect(listener, acquire.Backoff{Jitter: -1})
		stream, err := src.Open(t.Context())
		require.NoError(t, err)
		defer stream.Close()
		link := func() acquire.Link { return src.(acquire.Reporter).Stats().Link }
		var said []acquire.Reason
		var b acquire.Batch
		read := func(d time.Duration) {
			said = nil
			for end := time.Now().Add(d); time.Now().Before(end); {
				require.NoError(t, stream.Next(t.Context(), &b))
				for _, s := range b.Samples {
					if s.Quality.IsBad() {
						said = append(said, s.Quality.Reason())
					}
				}
			}
		}
		read(2 * time.Second)
		assert.Equal(t, acquire.Up, link())
		assert.Empty(t, said)
		socket.in <- trap
		read(2 * time.Second)
		assert.Empty(t, said)
		points := len(listener.Points())
		require.NotZero(t, points)
		refused = true
		socket.fail(errors.New("network is down"))
		read(20 * time.Second)
		assert.Equal(t, acquire.Down, link())
		assert.Len(t, said, points)
		refused = false
		read(10 * time.Second)
		assert.Equal(t, acquire.Up, link(), "without a trap")
		assert.Len(t, said, points)
		for _, reason := range said {
			assert.Equal(t, acquire.Waiting, reason)
		}
		read(time.Hour)
		assert.Empty(t, said)
		assert.Equal(t, acquire.Up, link())
	})
}
