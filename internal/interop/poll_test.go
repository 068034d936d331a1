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

// newSource makes a source whose frames and connections are watched until the
// end of the test: only reading functions are sent, what is said to be sent is
// what is on the wire, and no socket is left.
func newSource(t *testing.T, cfg modbus.Config) *watched {
	t.Helper()
	if cfg.Catalog == nil {
		cfg.Catalog = acquire.NewCatalog()
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = 10 * time.Second // a busy machine is not what is tested
	}
	said, seen := newTap(cfg.Framing), (*tap)(nil)
	cfg.Trace.Sent = said.take
	if cfg.Address == "" || cfg.TLS != nil {
		t.Cleanup(func() { said.onlyReads(t) })
	} else {
		var open atomic.Int64
		seen = newTap(cfg.Framing)
		cfg.Dial = func(ctx context.Context) (net.Conn, error) {
			var d net.Dialer
			conn, err := d.DialContext(ctx, map[bool]string{false: "tcp", true: "udp"}[cfg.UDP], cfg.Address)
			if err != nil {
				return nil, err
			}
			open.Add(1)
			return &counted{conn, seen, &open, atomic.Bool{}}, nil
		}
		t.Cleanup(func() {
			seen.onlyReads(t)
			assert.Equal(t, seen.String(), said.String(), "requests on the wire, and as the trace has them")
			assert.Zero(t, open.Load(), "sockets left open")
		})
	}
	src, err := modbus.NewSource(cfg)
	require.NoError(t, err)
	return &watched{src, seen}
}

// watched is a source together with what it has written, nil where it dials by
// itself.
type watched struct {
	*modbus.Source
	seen *tap
}

// counted is a connection that is missed in open until it is closed.
type counted struct {
	net.Conn
	seen   *tap
	open   *atomic.Int64
	closed atomic.Bool
}

func (c *counted) Write(b []byte) (int, error) {
	c.seen.take(b)
	return c.Conn.Write(b)
}

func (c *counted) Close() error {
	if !c.closed.Swap(true) {
		c.open.Add(-1)
	}
	return c.Conn.Close()
}

// sample is one with the text, if that is what it carries.
type sample struct {
	acquire.Sample
	text string
}

// readOnce polls the points once and returns their samples in the order of the
// points.
func readOnce(t *testing.T, cfg modbus.Config) []sample {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	src := newSource(t, cfg)
	stream, err := src.Open(ctx)
	require.NoError(t, err)
	defer stream.Close()
	var batch acquire.Batch
	require.NoError(t, stream.Next(ctx, &batch))

	require.Len(t, batch.Samples, len(cfg.Points), "one sample a point")
	byPoint := make(map[acquire.PointID]acquire.Sample, len(cfg.Points))
	for _, s := range batch.Samples {
		byPoint[s.Point] = s
	}
	samples := make([]sample, len(cfg.Points))
	for i, id := range src.Points() {
		s, ok := byPoint[id]
		require.True(t, ok, "point %q has no sample", cfg.Points[i].Name)
		text, _ := batch.Text(s.Value)
		samples[i] = sample{s, string(text)}
	}
	return samples
}
