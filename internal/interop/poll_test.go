package interop_test

import (
	"context"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/drivers/modbus"
)

// function is where a Modbus/TCP frame carries its function code.
const function = 7

// newSource makes a source whose frames and connections are watched until the
// end of the test: only reading functions are sent, and no socket is left.
func newSource(t *testing.T, cfg modbus.Config) *modbus.Source {
	t.Helper()
	if cfg.Catalog == nil {
		cfg.Catalog = acquire.NewCatalog()
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = 10 * time.Second // a busy machine is not what is tested
	}
	var requests, others, open atomic.Int64
	cfg.Trace.Sent = func(frame []byte) {
		requests.Add(1)
		if f := frame[function]; f < 1 || f > 4 {
			others.Add(1)
		}
	}
	cfg.Dial = func(ctx context.Context) (net.Conn, error) {
		var d net.Dialer
		conn, err := d.DialContext(ctx, "tcp", cfg.Address)
		if err != nil {
			return nil, err
		}
		open.Add(1)
		return &counted{conn, &open, atomic.Bool{}}, nil
	}
	t.Cleanup(func() {
		assert.NotZero(t, requests.Load(), "requests sent")
		assert.Zero(t, others.Load(), "requests with a function code outside 1 to 4")
		assert.Zero(t, open.Load(), "sockets left open")
	})
	src, err := modbus.NewSource(cfg)
	require.NoError(t, err)
	return src
}

// counted is a connection that is missed in open until it is closed.
type counted struct {
	net.Conn
	open   *atomic.Int64
	closed atomic.Bool
}

func (c *counted) Close() error {
	if !c.closed.Swap(true) {
		c.open.Add(-1)
	}
	return c.Conn.Close()
}

// readOnce polls the points once and returns their samples in the order of the
// points.
func readOnce(t *testing.T, address string, unit byte, points []modbus.Point) []acquire.Sample {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	src := newSource(t, modbus.Config{Address: address, Unit: unit, Points: points})
	stream, err := src.Open(ctx)
	require.NoError(t, err)
	defer stream.Close()
	var batch acquire.Batch
	require.NoError(t, stream.Next(ctx, &batch))

	require.Len(t, batch.Samples, len(points), "one sample a point")
	byPoint := make(map[acquire.PointID]acquire.Sample, len(points))
	for _, s := range batch.Samples {
		byPoint[s.Point] = s
	}
	samples := make([]acquire.Sample, len(points))
	for i, id := range src.Points() {
		s, ok := byPoint[id]
		require.True(t, ok, "point %q has no sample", points[i].Name)
		samples[i] = s
	}
	return samples
}
