package snmp_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/drivers/snmp"
	"github.com/fieldtap/fieldtap/drivers/snmp/snmptest"
	"github.com/fieldtap/fieldtap/internal/snmpwire"
	"github.com/fieldtap/fieldtap/units"
)

// Traps and objects of tests.
const (
	linkDown    = "1.3.6.1.6.3.1.1.5.3"
	linkUp      = "1.3.6.1.6.3.1.1.5.4"
	ifIndex     = ifEntry + ".1"
	upsOnBatt   = "1.3.6.1.2.1.33.2.0.1"
	upsMinutes  = "1.3.6.1.2.1.33.1.2.3"
	upsSeconds  = "1.3.6.1.2.1.33.1.2.2"
	enterprise3 = "1.3.6.1.6.3.1.1.4.3.0"
)

var trapRules = []snmp.TrapRule{
	{Name: "{agent}/port/{index}", Trap: linkDown, Text: "down", Index: ifIndex},
	{Name: "{agent}/port/{index}", Trap: linkUp, Text: "up", Index: ifIndex},
	{Name: "ups", Trap: upsOnBatt, Points: []snmp.Point{
		{Name: "minutes", OID: upsMinutes, Type: snmp.Int32, Unit: units.Minute},
		{Name: "on battery", OID: upsSeconds, Type: snmp.Int32, Unit: units.Second},
		{Name: "uptime", OID: sysUpTime, Type: snmp.TimeTicks, Unit: units.Second, Scale: units.Scale{Den: 100}},
	}},
	{Name: "{sender}/vendor", Trap: private, Subtree: true, Points: []snmp.Point{
		{Name: "{index}/value", OID: private + ".7"},
		{Name: "enterprise", OID: enterprise3, Type: snmp.Object},
	}},
}

// receiver is a listener with an open stream, on a socket of the loopback.
type receiver struct {
	testing.TB
	catalog  *acquire.Catalog
	listener *snmp.TrapListener
	stream   acquire.Stream
	address  string
	batch    acquire.Batch
	lost     uint64
	lines    []string
}

func newReceiver(t testing.TB, cfg snmp.TrapConfig) *receiver {
	r := &receiver{TB: t, catalog: acquire.NewCatalog()}
	cfg.Catalog = r.catalog
	if cfg.Rules == nil {
		cfg.Rules = trapRules
	}
	if cfg.Listen == nil {
		cfg.Listen = func(ctx context.Context) (net.PacketConn, error) {
			var lc net.ListenConfig
			conn, err := lc.ListenPacket(ctx, "udp", "127.0.0.1:0")
			if err == nil {
				r.address = conn.LocalAddr().String()
			}
			return conn, err
		}
	}
	var err error
	r.listener, err = snmp.NewTrapListener(cfg)
	require.NoError(t, err)
	r.stream, err = r.listener.Open(t.Context())
	require.NoError(t, err)
	t.Cleanup(func() { r.stream.Close() })
	return r
}

// sender returns a sender to the receiver.
func (r *receiver) sender(cfg snmptest.SenderConfig) *snmptest.Sender {
	cfg.Address = r.address
	s, err := snmptest.NewSender(r.Context(), cfg)
	require.NoError(r, err)
	r.Cleanup(func() { s.Close() })
	return s
}

// settled is how many datagrams something has become of.
func settled(c snmp.TrapCounters) uint64 { return c.Received - c.Pending + c.KernelDrops }

// until reads batches until n datagrams are settled, and returns the lines of their
// samples, in order.
func (r *receiver) until(n uint64) []string {
	for settled(r.listener.Counters()) < n {
		r.next()
	}
	lines := r.lines
	r.lines = nil
	return lines
}

func (r *receiver) next() {
	ctx, cancel := context.WithTimeout(r.Context(), 20*time.Second)
	defer cancel()
	require.NoError(r, r.stream.Next(ctx, &r.batch))
	r.lost += r.batch.Lost
	for _, s := range r.batch.Samples {
		p, ok := r.catalog.Point(s.Point)
		require.True(r, ok, "sample of no point: %v", s)
		value := s.Value.String()
		if text, ok := r.batch.Text(s.Value); ok {
			value = fmt.Sprintf("%q", text)
		}
		r.lines = append(r.lines, fmt.Sprintf("%s = %s, %s", p.Name, value, s.Quality))
		require.LessOrEqual(r, s.Time, r.batch.Watermark)
	}
}

func ints(pairs ...any) []snmptest.Binding {
	var list []snmptest.Binding
	for i := 0; i < len(pairs); i += 2 {
		list = append(list, snmptest.Binding{OID: pairs[i].(string), Value: snmptest.Integer(int32(pairs[i+1].(int)))})
	}
	return list
}

// public takes versions 1 and 2c.
var public = snmp.TrapConfig{Communities: []acquire.Secret{"public", "second"}}

func TestTrapVersions(t *testing.T) {
	cfg := public
	cfg.Users = []snmp.TrapUser{{User: snmp.User{Name: "trapper", AuthKey: "authentication", PrivKey: "encryption"}}}
	cfg.Unmatched = "{agent}/other"
	r := newReceiver(t, cfg)
	user := snmptest.User{Name: "trapper", Auth: snmptest.SHA256, AuthPassword: "authentication", Priv: snmptest.AES128, PrivPassword: "encryption"}
	v2 := r.sender(snmptest.SenderConfig{Version: snmptest.V2c})
	v3 := r.sender(snmptest.SenderConfig{Version: snmptest.V3, User: user, Level: snmptest.AuthPriv, Boots: 3, Time: 1000})
	v1 := r.sender(snmptest.SenderConfig{Version: snmptest.V1, Community: "second"})

	down := snmptest.Notification{Trap: linkDown, Bindings: ints(ifIndex+".17", 17)}
	require.NoError(t, v2.Trap(down))
	require.Equal(t, []string{`127.0.0.1/port/17 = "down", good`}, r.until(1))

	onBattery := snmptest.Notification{
		Trap: upsOnBatt, Uptime: 1500 * time.Millisecond, Bindings: ints(upsMinutes+".0", 12, upsSeconds+".0", 30),
	}
	require.NoError(t, v3.Trap(onBattery))
	require.Equal(t, []string{
		`ups = "` + upsOnBatt + `", good`, "ups/uptime = 1.5, good", "ups/minutes = 12, good", "ups/on battery = 30, good",
	}, r.until(2))

	require.NoError(t, v1.Trap(snmptest.Notification{
		Enterprise: private, Generic: 3, AgentAddress: [4]byte{192, 0, 2, 9}, Bindings: ints(ifIndex+".2", 2),
	}))
	require.NoError(t, v1.Trap(snmptest.Notification{
		Enterprise: private, Generic: 6, Specific: 44, Bindings: ints(private+".7.1.2", 5),
	}))
	require.Equal(t, []string{
		`192.0.2.9/port/2 = "up", good`,
		`127.0.0.1/vendor = "` + private + `.0.44", good`,
		"127.0.0.1/vendor/1.2/value = 5, good",
		`127.0.0.1/vendor/enterprise = "` + private + `", good`,
	}, r.until(4))

	require.NoError(t, v2.Trap(snmptest.Notification{Trap: "1.3.6.1.4.1.5.6", Bindings: ints("1.3.6.1.4.1.5.7", -1)}))
	require.Equal(t, []string{
		`127.0.0.1/other = "1.3.6.1.4.1.5.6: 1.3.6.1.2.1.1.3.0 = TimeTicks: 0, 1.3.6.1.4.1.5.7 = INTEGER: -1", good`,
	}, r.until(5))
	require.Equal(t, uint64(4), r.listener.Counters().Matched)
	require.Equal(t, uint64(1), r.listener.Counters().Unmatched)
	require.Len(t, r.listener.Points(), 10)
}

func TestTrapInforms(t *testing.T) {
	cfg := public
	cfg.Users = []snmp.TrapUser{
		{User: snmp.User{Name: "private", AuthKey: "authentication", PrivKey: "encryption"}},
		{User: snmp.User{Name: "authentic", AuthKey: "authentication", Auth: snmp.SHA512}},
		{User: snmp.User{Name: "open", Level: snmp.NoAuthNoPriv}},
	}
	r := newReceiver(t, cfg)
	senders := []*snmptest.Sender{
		r.sender(snmptest.SenderConfig{Version: snmptest.V2c}),
		r.sender(snmptest.SenderConfig{Version: snmptest.V3, Level: snmptest.AuthPriv, User: snmptest.User{
			Name: "private", Auth: snmptest.SHA256, AuthPassword: "authentication", Priv: snmptest.AES128, PrivPassword: "encryption",
		}}),
		r.sender(snmptest.SenderConfig{Version: snmptest.V3, Level: snmptest.AuthNoPriv, User: snmptest.User{
			Name: "authentic", Auth: snmptest.SHA512, AuthPassword: "authentication",
		}}),
		r.sender(snmptest.SenderConfig{Version: snmptest.V3, User: snmptest.User{Name: "open"}}),
	}
	for i, s := range senders {
		var wait sync.WaitGroup
		wait.Go(func() {
			for range 3 { // the second knows the engine
				if err := s.Inform(t.Context(), snmptest.Notification{Trap: linkDown, Bindings: ints(ifIndex+".1", 1)}); err != nil {
					t.Error(i, err)
				}
			}
		})
		for want := uint64(3*i + 3); r.listener.Counters().Matched < want; {
			r.next()
		}
		wait.Wait()
	}
	c := r.listener.Counters()
	require.Equal(t, uint64(12), c.Informs)
	require.Zero(t, c.Repeated)
	require.Zero(t, c.Refused()-c.Untimely)
	require.Equal(t, c.Received, c.Replies, "each inform and each question has its answer")
	require.Equal(t, slices.Repeat([]string{`127.0.0.1/port/1 = "down", good`}, 12), r.lines)
}

// TestTrapInformRefused says that an inform which is not to be believed is refused with
// the reason, and gives nothing.
func TestTrapInformRefused(t *testing.T) {
	sound := snmptest.SenderConfig{Version: snmptest.V3, User: sending, Level: snmptest.AuthPriv}
	for name, c := range map[string]struct {
		edit func(*snmptest.SenderConfig)
		want func(snmp.TrapCounters) uint64
		why  snmpwire.Stat
	}{
		"user":       {func(c *snmptest.SenderConfig) { c.User.Name = "nobody" }, func(c snmp.TrapCounters) uint64 { return c.Unknown }, snmpwire.UnknownUserNames},
		"key":        {func(c *snmptest.SenderConfig) { c.User.AuthPassword = "authenticatioN" }, func(c snmp.TrapCounters) uint64 { return c.Unauthentic }, snmpwire.WrongDigests},
		"cipher key": {func(c *snmptest.SenderConfig) { c.User.PrivPassword = "encryptioN" }, func(c snmp.TrapCounters) uint64 { return c.Unauthentic }, snmpwire.DecryptionErrors},
		"level":      {func(c *snmptest.SenderConfig) { c.Level = snmptest.AuthNoPriv }, func(c snmp.TrapCounters) uint64 { return c.Unauthentic }, snmpwire.UnsupportedSecLevels},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // nothing is delivered, so that each takes the second of an empty batch
			var mu sync.Mutex
			var reports []string
			cfg := snmp.TrapConfig{Users: []snmp.TrapUser{trapper}}
			r := newReceiver(t, cfg)
			sender := sound
			c.edit(&sender)
			sender.Dial = func(context.Context) (net.Conn, error) {
				conn, err := net.Dial("udp", r.address)
				return &listeningConn{conn, func(m []byte) {
					mu.Lock()
					defer mu.Unlock()
					reports = append(reports, string(m))
				}}, err
			}
			s := r.sender(sender)
			refused := make(chan error, 1)
			go func() { refused <- s.Inform(t.Context(), down) }()
			for c.want(r.listener.Counters()) == 0 {
				r.next()
			}
			require.ErrorIs(t, <-refused, snmptest.ErrRefused)
			require.Empty(t, r.lines)
			require.Zero(t, r.listener.Counters().Matched)
			mu.Lock()
			defer mu.Unlock()
			require.Contains(t, reports[len(reports)-1], c.why.OID())
		})
	}
}

// listeningConn tells of all that is received.
type listeningConn struct {
	net.Conn
	heard func([]byte)
}

func (c *listeningConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.heard(b[:n])
	return n, err
}

// TestTrapInformOnce says that an inform whose answer got lost is answered again and
// delivered once.
func TestTrapInformOnce(t *testing.T) {
	r := newReceiver(t, public)
	var sent []byte
	s := r.sender(snmptest.SenderConfig{Version: snmptest.V2c, Edit: func(m []byte) []byte { sent = slices.Clone(m); return m }})
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	require.Error(t, s.Inform(ended, snmptest.Notification{Trap: linkDown}), "nobody waits for the answer")
	r.until(1)
	conn, err := net.Dial("udp", r.address)
	require.NoError(t, err)
	defer conn.Close()
	for range 3 {
		conn.Write(sent)
	}
	r.until(4)
	c := r.listener.Counters()
	require.Equal(t, []uint64{2, 2, 4}, []uint64{c.Matched, c.Repeated, c.Replies}, "from another port it is another inform")
}

// TestTrapCancelKeepsInforms says that an inform is acknowledged if and only if it was
// delivered, also where the context ends in the middle of a batch.
func TestTrapCancelKeepsInforms(t *testing.T) {
	var informs [][]byte
	for range 5 {
		informs = append(informs, informOf(t, snmptest.SenderConfig{Version: snmptest.V2c}))
		informs[len(informs)-1][17] = byte(len(informs)) // the request id
	}
	synctest.Test(t, func(t *testing.T) {
		first, second := newPacketPipe(), newPacketPipe()
		sockets := []*packetPipe{first, second}
		cfg := public
		cfg.Listen = func(context.Context) (net.PacketConn, error) {
			p := sockets[0]
			sockets = sockets[1:]
			return p, nil
		}
		r := newReceiver(t, cfg)
		for _, m := range informs {
			first.in <- m
		}
		synctest.Wait()
		ending := &endingContext{Context: t.Context(), after: 3}
		require.NoError(t, r.stream.Next(ending, &r.batch))
		require.Len(t, r.batch.Samples, 3)
		require.Len(t, first.out, 3)
		require.ErrorIs(t, r.stream.Next(ending, &r.batch), context.Canceled)
		require.NoError(t, r.stream.Close())
		require.Equal(t, uint64(2), r.listener.Counters().Dropped)

		var err error
		r.stream, err = r.listener.Open(t.Context())
		require.NoError(t, err)
		for _, m := range informs {
			second.in <- m
		}
		require.Len(t, r.until(10), 2)
		c := r.listener.Counters()
		require.Equal(t, []uint64{5, 3, 8}, []uint64{c.Matched, c.Repeated, c.Replies})
		require.NoError(t, r.stream.Close())
	})
}

// endingContext ends when it was asked so often whether it has.
type endingContext struct {
	context.Context
	after int
}

func (c *endingContext) Err() error {
	if c.after--; c.after < 0 {
		return context.Canceled
	}
	return nil
}

func TestTrapCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPacketPipe()
		cfg := public
		cfg.Listen = p.listen
		r := newReceiver(t, cfg)
		began := time.Now()
		require.NoError(t, r.stream.Next(t.Context(), &r.batch))
		require.Equal(t, time.Second, time.Since(began), "an empty batch a second says that we listen")
		require.Empty(t, r.batch.Samples)
		require.Equal(t, acquire.At(time.Now()), r.batch.Watermark)
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		began = time.Now()
		require.ErrorIs(t, r.stream.Next(ctx, &r.batch), context.DeadlineExceeded)
		require.Equal(t, 100*time.Millisecond, time.Since(began))
		require.ErrorIs(t, r.stream.Next(t.Context(), &r.batch), context.DeadlineExceeded)
		require.NoError(t, r.stream.Close())
		require.NoError(t, r.stream.Close())
		require.Equal(t, acquire.Ended, r.listener.Stats().Link)
	})
}

func TestTrapSocketDies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPacketPipe()
		cfg := public
		cfg.Listen = p.listen
		r := newReceiver(t, cfg)
		p.fail(errors.New("gone"))
		err := r.stream.Next(t.Context(), &r.batch)
		require.ErrorContains(t, err, "gone")
		require.False(t, acquire.Permanent(err))
		require.Equal(t, acquire.Ended, r.listener.Stats().Link)
		require.Equal(t, uint64(1), r.listener.Stats().Failures)
	})
}

// packetPipe is a socket in memory.
type packetPipe struct {
	in     chan []byte
	failed chan error
	closed chan struct{}
	once   sync.Once
	out    [][]byte
}

func newPacketPipe() *packetPipe {
	return &packetPipe{in: make(chan []byte, 1<<16), failed: make(chan error, 1), closed: make(chan struct{})}
}

func (p *packetPipe) listen(context.Context) (net.PacketConn, error) { return p, nil }
func (p *packetPipe) fail(err error)                                 { p.failed <- err }

func (p *packetPipe) ReadFrom(b []byte) (int, net.Addr, error) {
	select {
	case m := <-p.in:
		return copy(b, m), &net.UDPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 1234}, nil
	case err := <-p.failed:
		return 0, nil, err
	case <-p.closed:
		return 0, nil, net.ErrClosed
	}
}

func (p *packetPipe) WriteTo(b []byte, _ net.Addr) (int, error) {
	p.out = append(p.out, slices.Clone(b))
	return len(b), nil
}

func (p *packetPipe) Close() error                     { p.once.Do(func() { close(p.closed) }); return nil }
func (p *packetPipe) LocalAddr() net.Addr              { return &net.UDPAddr{} }
func (p *packetPipe) SetDeadline(time.Time) error      { return nil }
func (p *packetPipe) SetReadDeadline(time.Time) error  { return nil }
func (p *packetPipe) SetWriteDeadline(time.Time) error { return nil }

// TestTrapInformReplay says that an authentic inform counts once, also where somebody
// sends it again from another address.
func TestTrapInformReplay(t *testing.T) {
	cfg := public
	cfg.Users = []snmp.TrapUser{trapper}
	r := newReceiver(t, cfg)
	var sent []byte
	s := r.sender(snmptest.SenderConfig{
		Version: snmptest.V3, User: sending, Level: snmptest.AuthPriv,
		Edit: func(m []byte) []byte { sent = slices.Clone(m); return m },
	})
	informed := make(chan error, 1)
	go func() { informed <- s.Inform(t.Context(), snmptest.Notification{Trap: linkDown}) }()
	for r.listener.Counters().Informs == 0 {
		r.next()
	}
	require.NoError(t, <-informed)
	require.Len(t, r.lines, 1)
	r.lines = nil
	before := r.listener.Counters()
	conn, err := net.Dial("udp", r.address)
	require.NoError(t, err)
	defer conn.Close()
	for range 3 {
		conn.Write(sent)
	}
	require.Empty(t, r.until(before.Received+3))
	c := r.listener.Counters()
	require.Equal(t, []uint64{1, 3}, []uint64{c.Matched + c.Unmatched, c.Repeated})
}
