package opcua

import (
	"context"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gopcua/opcua/ua"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
)

// TestSourceOfGopcua acquires from gopcua's server over TCP: None, and the best it has.
func TestSourceOfGopcua(t *testing.T) {
	t.Parallel() // it waits for a real clock
	key := selfSigned(t, "urn:server", 2048)
	address := gopcuaServer(t, key)
	store, err := OpenStore(t.TempDir())
	require.NoError(t, err)
	for _, client := range []ClientConfig{{Policies: []Policy{PolicyNone}}, {Trust: Trust{Store: store, FirstUse: true}}} {
		client.Endpoint = "opc.tcp://" + address
		src, err := NewSource(Config{
			Client: client, Catalog: acquire.NewCatalog(),
			Points: []Point{
				{Name: "now", Node: "i=2258", Kind: acquire.KindInt64}, {Name: "polled", Node: "i=2258", Kind: acquire.KindInt64, Poll: true},
				{Name: "none", Node: "nsu=urn:none;i=1"},
			},
		})
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
		defer cancel()
		stream, err := src.Open(ctx)
		require.NoError(t, err)
		good := make(map[acquire.PointID]bool)
		var b acquire.Batch
		for len(good) < 2 {
			require.NoError(t, stream.Next(ctx, &b))
			for _, s := range b.Samples {
				if s.Point == src.Points()[2] {
					assert.Equal(t, acquire.NotFound, s.Quality.Reason())
					continue
				}
				if s.Quality.IsGood() {
					good[s.Point] = true
				}
			}
		}
		require.NoError(t, stream.Close())
		plan := src.Plan()
		assert.NotZero(t, plan.Subscription)
		assert.Equal(t, DefaultInterval, plan.Interval)
		require.Len(t, plan.Items, 2)
		assert.Equal(t, NodeID("i=2258"), plan.Items[0].Node)
		assert.Equal(t, 1, plan.Items[0].Queue, "gopcua's server keeps one value")

		probe, err := src.Probe(ctx)
		require.NoError(t, err)
		assert.Contains(t, probe.Said, "7 endpoints")
		id, err := src.Identify(ctx)
		require.NoError(t, err)
		assert.NotEmpty(t, id.Details)
	}
}

// TestProbeOfNobody: an error that tells why.
func TestProbeOfNobody(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := l.Addr().String()
	l.Close()
	src, err := NewSource(Config{
		Client:  ClientConfig{Endpoint: "opc.tcp://" + address, Policies: []Policy{PolicyNone}},
		Catalog: acquire.NewCatalog(), Points: []Point{{Name: "x", Node: "i=1"}},
	})
	require.NoError(t, err)
	_, err = src.Probe(t.Context())
	require.Error(t, err)
	assert.Equal(t, acquire.Communication, acquire.QualityOf(err).Reason())
}

// TestWishes: what is asked for of each monitored item, and that points share one.
func TestWishes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newFakeServer(t)
		src, err := NewSource(Config{
			Client:  ClientConfig{Endpoint: "opc.tcp://192.0.2.1", Policies: []Policy{PolicyNone}, Dial: server.dial},
			Catalog: acquire.NewCatalog(), Interval: time.Second, Sampling: 250 * time.Millisecond, Outage: 10 * time.Second,
			Points: []Point{
				{Name: "a0", Node: "i=1", Index: "0"}, {Name: "a1", Node: "i=1", Index: "1"},
				{Name: "b", Node: "i=2", Deadband: 2.5, Sampling: -1, Queue: 7, KeepOldest: true},
				{Name: "c", Node: "i=3", Deadband: 10, Percent: true, Timestamps: true, Sampling: time.Hour},
			},
		})
		require.NoError(t, err)
		stream, err := src.Open(t.Context())
		require.NoError(t, err)
		defer stream.Close()
		require.Len(t, server.asked, 3)
		for i, want := range []struct {
			sampling   float64
			queue      uint32
			discard    bool
			trigger    ua.DataChangeTrigger
			kind       uint32
			deadband   float64
			withFilter bool
		}{
			{250, 40, true, 0, 0, 0, false},
			{0, 7, false, ua.DataChangeTriggerStatusValue, 1, 2.5, true},
			{3_600_000, 2, true, ua.DataChangeTriggerStatusValueTimestamp, 2, 10, true},
		} {
			got := server.asked[i]
			assert.Equal(t, want.sampling, got.SamplingInterval)
			assert.Equal(t, want.queue, got.QueueSize)
			assert.Equal(t, want.discard, got.DiscardOldest)
			filter, ok := got.Filter.Value.(*ua.DataChangeFilter)
			require.Equal(t, want.withFilter, ok)
			if ok {
				assert.Equal(t, want.trigger, filter.Trigger)
				assert.Equal(t, want.kind, filter.DeadbandType)
				assert.Equal(t, want.deadband, filter.DeadbandValue)
			}
		}
	})
}
