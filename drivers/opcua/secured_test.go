package opcua_test

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/drivers/opcua"
	"github.com/fieldtap/fieldtap/drivers/opcua/opcuatest"
)

// TestSecuredFaults: resets, a closed session, a dropped subscription and a restart, over
// an encrypted channel and with a password. What the server's queues and history hold
// comes once, and nothing is missing.
func TestSecuredFaults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const every = 50 * time.Millisecond
		identity, err := opcuatest.NewIdentity("urn:fieldtap:opcuatest", nil)
		require.NoError(t, err)
		server, err := opcuatest.New(opcuatest.Config{
			Identity: identity, Users: map[string]string{"reader": "hush"}, NoAnonymous: true,
			Variables: []opcuatest.Variable{{
				ID: "ns=2;s=Seq", Name: "Seq", Step: every, Historizing: true, Value: func(at time.Time) any { return at.UnixNano() / int64(every) },
			}},
		})
		require.NoError(t, err)
		defer server.Close()
		store, err := opcua.OpenStore(t.TempDir())
		require.NoError(t, err)
		var away atomic.Bool
		source, err := opcua.NewSource(opcua.Config{
			Client: opcua.ClientConfig{
				Endpoint: "opc.tcp://192.0.2.1", Trust: opcua.Trust{Store: store, FirstUse: true, AnyHost: true},
				Identity: opcua.Identity{User: "reader", Password: "hush"}, ConnectTimeout: 2 * time.Second, Timeout: time.Second,
				Dial: func(context.Context) (net.Conn, error) {
					if away.Load() {
						return nil, errors.New("no route")
					}
					here, there := net.Pipe()
					go server.ServeConn(there)
					return here, nil
				},
			},
			Name: "plant", Catalog: acquire.NewCatalog(), Sampling: every, Backfill: true,
			Points: []opcua.Point{{Name: "seq", Node: "ns=2;s=Seq", Kind: acquire.KindInt64}},
		})
		require.NoError(t, err)
		stream, err := acquire.Reconnect(source, acquire.Backoff{}).Open(t.Context())
		require.NoError(t, err)
		seen := make(map[int64]int)
		var least, most int64
		var b acquire.Batch
		read := func(d time.Duration) {
			for end := time.Now().Add(d); time.Now().Before(end); {
				require.NoError(t, stream.Next(t.Context(), &b))
				for _, s := range b.Samples {
					if n, ok := s.Value.Int64(); ok {
						if int64(s.Time)%int64(every) != 0 {
							// The first value of a new item, as old as the last one told: it comes with
							// the time at which the server confirmed it.
							assert.Equal(t, 1, seen[n], "value %d is confirmed before it was told", n)
							continue
						}
						if seen[n]++; least == 0 {
							least = n
						}
						most = max(most, n)
						assert.Equal(t, n, int64(s.Time)/int64(every), "a value at another time")
					}
				}
			}
		}
		read(5 * time.Second)
		for range 5 {
			server.Disconnect()
			read(2 * time.Second)
		}
		server.CloseSessions()
		read(5 * time.Second)
		server.DropSubscriptions()
		read(8 * time.Second)
		away.Store(true)
		server.Restart()
		read(8 * time.Second)
		away.Store(false)
		read(10 * time.Second)
		for n, times := range seen {
			assert.Equal(t, 1, times, "value %d came more than once", n)
		}
		assert.Len(t, seen, int(most-least+1), "values that never came")
		assert.Greater(t, len(seen), 700)
		require.NoError(t, stream.Close())
		assert.Zero(t, server.Stats().Writes)
	})
}
