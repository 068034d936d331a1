package snmp_test

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/drivers/snmp"
	"github.com/fieldtap/fieldtap/drivers/snmp/snmptest"
)

// rig is a source joined to a simulated agent, in a bubble of virtual time.
type rig struct {
	*testing.T
	mib     *snmptest.MIB
	agent   *snmptest.Server
	catalog *acquire.Catalog
	cfg     snmp.Config
	source  *snmp.Source
	stream  acquire.Stream
	batch   acquire.Batch

	asked   uint64    // requests that the agent had when it was asked for that last
	started time.Time // when the poll before was due
}

// ifEntry and the columns of it that tests use.
const (
	ifEntry         = "1.3.6.1.2.1.2.2.1"
	ifXEntry        = "1.3.6.1.2.1.31.1.1.1"
	sysUpTime       = "1.3.6.1.2.1.1.3.0"
	private         = "1.3.6.1.4.1.99999"
	discontinuity   = ifXEntry + ".19"
	noSuchInstance  = 0x81
	virtualInterval = time.Second
)

// inBubble runs a test with a rig. The configuration is completed by what leads to the
// agent.
func inBubble(t *testing.T, objects snmptest.Objects, cfg snmp.Config, test func(r *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, objects, cfg)
		test(r)
	})
}

func newRig(t *testing.T, objects snmptest.Objects, cfg snmp.Config) *rig {
	mib, err := snmptest.NewMIB(objects)
	require.NoError(t, err)
	agent, err := snmptest.New(snmptest.Config{MIB: mib})
	require.NoError(t, err)
	t.Cleanup(func() { agent.Close() })
	r := &rig{T: t, mib: mib, agent: agent, catalog: acquire.NewCatalog(), cfg: cfg}
	r.cfg.Catalog = r.catalog
	r.cfg.Community = "public"
	r.cfg.Interval = cmp.Or(cfg.Interval, virtualInterval)
	r.cfg.Timeout = cmp.Or(cfg.Timeout, 500*time.Millisecond)
	r.cfg.Dial = func(context.Context) (net.Conn, error) {
		return link(agent.ServeDatagrams), nil
	}
	r.open()
	return r
}

// open makes the source, and a stream of it.
func (r *rig) open() {
	r.Helper()
	source, err := snmp.NewSource(r.cfg)
	require.NoError(r, err)
	r.source = source
	r.reopen()
}

func (r *rig) reopen() {
	stream, err := r.source.Open(r.Context())
	require.NoError(r, err)
	r.stream = stream
	r.Cleanup(func() { stream.Close() })
}

// poll returns the lines of one batch, without times, sorted by point.
func (r *rig) poll() []string {
	r.Helper()
	require.NoError(r, r.stream.Next(r.Context(), &r.batch))
	return r.lines()
}

func (r *rig) lines() []string {
	var lines []string
	for _, s := range r.batch.Samples {
		p, ok := r.catalog.Point(s.Point)
		require.True(r, ok, "sample of no point: %v", s)
		value := s.Value.String()
		if text, ok := r.batch.Text(s.Value); ok {
			value = fmt.Sprintf("%q", text)
		}
		lines = append(lines, fmt.Sprintf("%s = %s, %s", p.Name, value, s.Quality))
	}
	slices.Sort(lines)
	return lines
}

// link joins a new connection to what serves it. What comes from there waits, as in the
// memory of a socket, and is dropped when that is full.
func link(serve func(net.Conn)) net.Conn {
	near, theirs := net.Pipe()
	ours, far := net.Pipe()
	go serve(far)
	go func() {
		defer ours.Close()
		relay(ours, theirs)
	}()
	go func() {
		defer theirs.Close()
		waiting := make(chan []byte, 256)
		go func() {
			defer close(waiting)
			buffer := make([]byte, 1<<16)
			for {
				n, err := ours.Read(buffer)
				if err != nil {
					return
				}
				select {
				case waiting <- slices.Clone(buffer[:n]):
				default:
				}
			}
		}()
		for message := range waiting {
			if _, err := theirs.Write(message); err != nil {
				ours.Close()
			}
		}
	}()
	return near
}

// relay copies messages, one Write for each Read.
func relay(to, from net.Conn) {
	buffer := make([]byte, 1<<16)
	for {
		n, err := from.Read(buffer)
		if err != nil {
			return
		}
		if _, err := to.Write(buffer[:n]); err != nil {
			return
		}
	}
}
