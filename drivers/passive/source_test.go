package passive_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/drivers/modbus"
	"github.com/fieldtap/fieldtap/drivers/modbus/modbustest"
	"github.com/fieldtap/fieldtap/drivers/opcua"
	"github.com/fieldtap/fieldtap/drivers/opcua/opcuatest"
	"github.com/fieldtap/fieldtap/drivers/passive"
	"github.com/fieldtap/fieldtap/drivers/snmp"
	"github.com/fieldtap/fieldtap/drivers/snmp/snmptest"
	"github.com/fieldtap/fieldtap/units"
)

// text returns the samples of a batch as lines, each with all that a sample is.
func lines(c *acquire.Catalog, b *acquire.Batch) (lines []string) {
	for _, s := range b.Samples {
		lines = append(lines, string(c.AppendSample(nil, s, b)))
	}
	return lines
}

// byPoint sorts lines by their point, and leaves those of one point in their order.
func byPoint(all []string) []string {
	name := func(line string) string {
		var at, name string
		_, _ = fmt.Sscan(line, &at, &name)
		return name
	}
	slices.SortStableFunc(all, func(a, b string) int {
		switch {
		case name(a) < name(b):
			return -1
		case name(a) > name(b):
			return 1
		}
		return 0
	})
	return all
}

// heard returns what a Source makes of captures.
func heard(t testing.TB, cfg passive.Config) (samples []string, src *passive.Source) {
	src, err := passive.NewSource(cfg)
	require.NoError(t, err)
	stream, err := src.Open(t.Context())
	require.NoError(t, err)
	defer stream.Close()
	var b acquire.Batch
	promised := make(map[acquire.PointID]acquire.Instant)
	for {
		err := stream.Next(t.Context(), &b)
		if err == io.EOF {
			return samples, src
		}
		require.NoError(t, err)
		for _, s := range b.Samples {
			if s.Time < promised[s.Point] {
				require.True(t, s.Quality.Has(acquire.TimeBackwards), "a watermark was broken in silence")
			}
			require.Contains(t, b.Points, s.Point)
		}
		for _, id := range b.Points {
			require.GreaterOrEqual(t, b.Watermark, promised[id])
			promised[id] = b.Watermark
		}
		samples = append(samples, lines(src.Catalog(), &b)...)
	}
}

// device gives registers that change with each request.
type device struct{ requests uint16 }

func (d *device) ReadRegisters(_ modbustest.Table, addr uint16, dst []uint16) modbustest.Exception {
	d.requests++
	for i := range dst {
		dst[i] = (addr+uint16(i))*257 + d.requests
	}
	return 0
}

func (d *device) ReadBits(_ modbustest.Table, addr uint16, dst []bool) modbustest.Exception {
	d.requests++
	for i := range dst {
		dst[i] = (addr+uint16(i)+d.requests)%3 == 0
	}
	return 0
}

var modbusPoints = []modbus.Point{
	{Name: "float", At: modbus.Holding(0), Type: modbus.Float32, Unit: units.Watt},
	{Name: "swapped", At: modbus.Holding(2), Type: modbus.Uint32, Order: modbus.CDAB},
	{Name: "tenths", At: modbus.Holding(4), Type: modbus.Int16, Scale: units.Scale{Den: 10}},
	{Name: "scaled", At: modbus.Holding(10), Type: modbus.Int16, ScaleAt: modbus.Holding(12)},
	{Name: "text", At: modbus.Holding(20), Type: modbus.TextLatin1, Length: 4},
	{Name: "far", At: modbus.Holding(700), Type: modbus.Uint64},
	{Name: "input", At: modbus.Input(7), Type: modbus.Int64},
	{Name: "coil", At: modbus.Coil(3)},
	{Name: "many", At: modbus.Discrete(9), Type: modbus.Uint16, Length: 16},
}

// converse has the Modbus driver poll, and returns what it delivered and what passed.
func converse(t *testing.T, polls int, fault modbustest.Fault, line ...bool) (active []string, r *recorder) {
	synctest.Test(t, func(t *testing.T) {
		r = &recorder{client: netip.MustParseAddrPort("192.0.2.1:40000"), server: netip.MustParseAddrPort("192.0.2.10:502")}
		framing, theirs := modbus.MBAP, modbustest.MBAP
		if line != nil {
			framing, theirs = modbus.RTU, modbustest.RTU
		}
		server, err := modbustest.New(modbustest.Config{Units: map[byte]modbustest.Device{7: &device{}}, PerRequest: 7 * time.Millisecond, Framing: theirs})
		require.NoError(t, err)
		defer server.Close()
		server.SetFault(fault)
		catalog := acquire.NewCatalog()
		src, err := modbus.NewSource(modbus.Config{
			Dial: func(context.Context) (net.Conn, error) { return r.link(server.ServeConn), nil },
			Unit: 7, Catalog: catalog, Points: modbusPoints, Retries: -1, MaxTimeouts: 100, Interval: 10 * time.Second, Timeout: 900 * time.Millisecond,
			MaxGap: -1, Framing: framing,
		})
		require.NoError(t, err)
		stream, err := src.Open(t.Context())
		require.NoError(t, err)
		defer stream.Close()
		var b acquire.Batch
		for range polls {
			require.NoError(t, stream.Next(t.Context(), &b))
			active = append(active, lines(catalog, &b)...)
		}
	})
	return active, r
}

func overheard(files ...string) passive.Config {
	return passive.Config{
		ReaderConfig: passive.ReaderConfig{Files: files, Timeout: 900 * time.Millisecond},
		Modbus:       []passive.ModbusDevice{{Server: netip.MustParseAddrPort("192.0.2.10:502"), Unit: 7, Points: modbusPoints}},
	}
}

// What the driver reads, heard on the wire, gives the same samples: times, values, texts,
// refusals. However the bytes are cut into segments, and in whatever order these come.
func TestHeardIsAsRead(t *testing.T) {
	fault := modbustest.Every(11, modbustest.WithException(modbustest.ServerDeviceFailure))
	active, r := converse(t, 40, fault)
	require.Greater(t, len(active), 300)
	want := byPoint(active)
	for _, s := range []segmenting{{}, {size: 1}, {size: 7}, {size: 100, mid: true}} {
		frames := r.frames(t, s)
		got, src := heard(t, overheard(captureOf(t, frames)))
		require.Equal(t, want, byPoint(got), "%+v", s)
		assert.Zero(t, src.Counters().Malformed)
		assert.Zero(t, src.Counters().SkippedBytes)

		again, _ := heard(t, overheard(captureOf(t, frames)))
		got, _ = heard(t, overheard(captureOf(t, frames)))
		require.Equal(t, again, got, "two runs differ")

		// Everything twice, and neighbours exchanged: TCP puts that right.
		rng := rand.New(rand.NewPCG(1, uint64(s.size)))
		var mixed []frame
		for _, f := range frames {
			mixed = append(mixed, f)
			if rng.IntN(3) == 0 {
				mixed = append(mixed, f)
			}
		}
		for i := 4; i+1 < len(mixed); i++ { // not those that begin the connection
			if mixed[i].at.Equal(mixed[i+1].at) && rng.IntN(2) == 0 {
				mixed[i], mixed[i+1] = mixed[i+1], mixed[i]
			}
		}
		got, src = heard(t, overheard(captureOf(t, mixed)))
		require.Equal(t, want, byPoint(got), "%+v mixed", s)
		assert.NotZero(t, src.Counters().Retransmitted)
	}
}

// A request without an answer is a bad sample, as in the driver.
func TestSilenceIsHeard(t *testing.T) {
	active, r := converse(t, 12, modbustest.Every(5, modbustest.Drop()))
	got, src := heard(t, overheard(captureOf(t, r.frames(t, segmenting{}))))
	bad := 0
	for _, line := range active {
		if line[len(line)-len("communication"):] == "communication" {
			bad++
		}
	}
	require.NotZero(t, bad)
	assert.NotZero(t, src.Counters().Unanswered)
	silent := 0
	for _, line := range got {
		if line[len(line)-len("communication"):] == "communication" {
			silent++
		}
	}
	assert.NotZero(t, silent)
}

// Where packets are missing from the capture, samples are missing, and none is another
// than the driver's.
func TestHolesTakeNothingForSomethingElse(t *testing.T) {
	active, r := converse(t, 40, nil)
	read := make(map[string]bool)
	for _, line := range active {
		read[line] = true
	}
	for seed := range uint64(30) {
		rng := rand.New(rand.NewPCG(2, seed))
		var frames []frame
		for _, f := range r.frames(t, segmenting{size: []int{0, 5, 50}[seed%3], mid: seed%2 == 0}) {
			if rng.IntN(20) != 0 {
				frames = append(frames, f)
			}
		}
		got, src := heard(t, overheard(captureOf(t, frames)))
		good := 0
		for _, line := range got {
			require.True(t, read[line], "made up, seed %d: %s", seed, line) // silence, too: the device has answered everything
			if strings.HasSuffix(line, " good") {
				good++
			}
		}
		require.Less(t, good, len(active))
		require.NotZero(t, src.Counters().Gaps)
		if seed%3 == 0 { // else hardly a message is whole
			require.Greater(t, good, len(active)/2, "%+v", src.Counters())
		}
	}
}

// SNMP as the driver reads it, over UDP and TCP, in versions 1, 2c and, not encrypted, 3.
func TestSNMPHeardIsAsRead(t *testing.T) {
	for _, way := range []struct {
		version snmp.Version
		tcp     bool
		level   snmp.Level
	}{{snmp.V1, false, 0}, {snmp.V2c, false, 0}, {snmp.V2c, true, 0}, {snmp.V3, false, snmp.AuthNoPriv}, {snmp.V3, false, snmp.AuthPriv}} {
		var active []string
		r := &recorder{client: netip.MustParseAddrPort("[2001:db8::1]:40000"), server: netip.MustParseAddrPort("[2001:db8::10]:161"), udp: !way.tcp}
		points := []snmp.Point{
			{Name: "uptime", OID: "1.3.6.1.2.1.1.3.0", Type: snmp.TimeTicks},
			{Name: "name", OID: "1.3.6.1.2.1.1.5.0", Type: snmp.Text},
			{Name: "load", OID: "1.3.6.1.4.1.1.1.0", Scale: units.Scale{Den: 10}, Unit: units.Watt},
			{Name: "in", OID: "1.3.6.1.2.1.2.2.1.10.1", Type: snmp.Counter32, Unit: units.Byte},
			{Name: "power", OID: "1.3.6.1.4.1.1.2.0", Exponents: []snmp.Exponent{{OID: "1.3.6.1.4.1.1.3.0"}}, Unit: units.Watt},
		}
		synctest.Test(t, func(t *testing.T) {
			n := int32(0)
			mib, err := snmptest.NewMIB(snmptest.Objects{
				"1.3.6.1.2.1.1.3.0": snmptest.Func(func(c snmptest.Clock) snmptest.Value {
					return snmptest.TimeTicks(uint32(c.Up / (10 * time.Millisecond)))
				}),
				"1.3.6.1.2.1.1.5.0":      snmptest.Text("größe"),
				"1.3.6.1.4.1.1.1.0":      snmptest.Func(func(snmptest.Clock) snmptest.Value { n++; return snmptest.Integer(n) }),
				"1.3.6.1.2.1.2.2.1.10.1": snmptest.Func(func(c snmptest.Clock) snmptest.Value { return snmptest.Counter32(uint32(c.Up / time.Second)) }),
				"1.3.6.1.4.1.1.2.0":      snmptest.Integer(4711),
				"1.3.6.1.4.1.1.3.0":      snmptest.Integer(-3),
			})
			require.NoError(t, err)
			agent, err := snmptest.New(snmptest.Config{
				MIB: mib, Latency: 3 * time.Millisecond,
				Users: []snmptest.User{{Name: "reader", Auth: snmptest.SHA256, AuthPassword: "maplesyrup", Priv: snmptest.AES128, PrivPassword: "maplesyrup"}},
			})
			require.NoError(t, err)
			defer agent.Close()
			catalog := acquire.NewCatalog()
			cfg := snmp.Config{
				Dial: func(context.Context) (net.Conn, error) {
					if way.tcp {
						return r.link(agent.ServeConn), nil
					}
					return r.link(agent.ServeDatagrams), nil
				},
				TCP: way.tcp, Version: way.version, Catalog: catalog, Points: points, Interval: time.Second, Timeout: 500 * time.Millisecond,
			}
			if way.version == snmp.V3 {
				cfg.User = snmp.User{Name: "reader", Level: way.level, AuthKey: "maplesyrup"}
				if way.level == snmp.AuthPriv {
					cfg.User.PrivKey = "maplesyrup"
				}
			} else {
				cfg.Community = "public"
			}
			src, err := snmp.NewSource(cfg)
			require.NoError(t, err)
			stream, err := src.Open(t.Context())
			require.NoError(t, err)
			defer stream.Close()
			var b acquire.Batch
			for i := range 30 {
				if i == 20 && way.version != snmp.V3 {
					agent.Restart()
				}
				require.NoError(t, stream.Next(t.Context(), &b))
				active = append(active, lines(catalog, &b)...)
			}
		})
		got, src := heard(t, passive.Config{
			ReaderConfig: passive.ReaderConfig{Files: []string{captureOf(t, r.frames(t, segmenting{}))}},
			SNMP:         []passive.SNMPAgent{{Points: points}},
		})
		if way.level == snmp.AuthPriv {
			assert.Empty(t, got)
			assert.NotZero(t, src.Counters().Encrypted)
			continue
		}
		assert.Equal(t, byPoint(active), byPoint(got), "%+v", way)
		assert.Zero(t, src.Counters().Unpaired)
		if way.version != snmp.V3 {
			assert.Contains(t, fmt.Sprint(got), "discontinuity")
		}
	}
}

var opcuaPoints = []opcua.Point{
	{Name: "told", Node: "ns=2;s=told", Unit: units.Watt, Scale: units.Scale{Den: 4}},
	{Name: "by URI", Node: "nsu=urn:fieldtap:opcuatest:plant;s=polled", Poll: true, Kind: acquire.KindInt64},
	{Name: "text", Node: "ns=2;s=text", Kind: acquire.KindText},
	{Name: "none", Node: "ns=2;s=none", Poll: true},
}

// subscribe has the OPC UA driver acquire, and returns what it delivered and what passed.
func subscribe(t *testing.T, mode opcua.Mode) (active []string, r *recorder) {
	r = &recorder{client: netip.MustParseAddrPort("192.0.2.1:40000"), server: netip.MustParseAddrPort("192.0.2.10:48400")}
	points := opcuaPoints
	synctest.Test(t, func(t *testing.T) {
		var identity opcuatest.Identity
		var err error
		client := opcua.ClientConfig{Endpoint: "opc.tcp://192.0.2.10:48400", Policies: []opcua.Policy{opcua.PolicyNone}}
		security := []opcuatest.Security{{Policy: opcuatest.PolicyNone, Mode: opcuatest.ModeNone}}
		if mode != opcua.ModeNone {
			identity, err = opcuatest.NewIdentity("urn:fieldtap:opcuatest", nil)
			require.NoError(t, err)
			store, err := opcua.OpenStore(t.TempDir())
			require.NoError(t, err)
			client.Policies, client.Mode = nil, mode
			client.Trust = opcua.Trust{Store: store, FirstUse: true, AnyHost: true}
			security = []opcuatest.Security{{Policy: opcuatest.Basic256Sha256, Mode: opcuatest.Sign}}
			if mode == opcua.SignAndEncrypt {
				security[0].Mode = opcuatest.SignAndEncrypt
			}
		}
		server, err := opcuatest.New(opcuatest.Config{
			URL: "opc.tcp://192.0.2.10:48400", Identity: identity, Security: security,
			Variables: []opcuatest.Variable{
				{ID: "ns=2;s=told", Name: "told", Step: 250 * time.Millisecond, Value: func(t time.Time) any { return int32(t.UnixMilli() / 250) }},
				{ID: "ns=2;s=polled", Name: "polled", Step: time.Second, Value: func(t time.Time) any { return t.Unix() }},
				{ID: "ns=2;s=text", Name: "text", Step: 2 * time.Second, Value: func(t time.Time) any { return t.UTC().Format(time.TimeOnly) }},
			},
		})
		require.NoError(t, err)
		defer server.Close()
		catalog := acquire.NewCatalog()
		client.Dial = func(context.Context) (net.Conn, error) {
			// Each login has a connection to look for endpoints, and one to stay.
			r.mu.Lock()
			r.sent = nil
			r.mu.Unlock()
			return r.link(server.ServeConn), nil
		}
		src, err := opcua.NewSource(opcua.Config{
			Client:  client,
			Catalog: catalog, Points: points, Sampling: 250 * time.Millisecond,
		})
		require.NoError(t, err)
		stream, err := src.Open(t.Context())
		require.NoError(t, err)
		defer stream.Close()
		var b acquire.Batch
		for len(active) < 200 {
			require.NoError(t, stream.Next(t.Context(), &b))
			active = append(active, lines(catalog, &b)...)
		}
	})
	return active, r
}

// OPC UA without encryption: what a subscription tells, and what is polled. The server
// is found though its port is not known.
func TestOPCUAHeardIsAsRead(t *testing.T) {
	points := opcuaPoints
	for _, way := range []struct {
		mode opcua.Mode
		segmenting
		chunked bool
	}{{opcua.ModeNone, segmenting{}, false}, {opcua.ModeNone, segmenting{size: 33}, true}, {opcua.Sign, segmenting{}, false}} {
		active, r := subscribe(t, way.mode)
		if way.chunked {
			r.rechunk()
		}
		s := way.segmenting

		got, src := heard(t, passive.Config{
			ReaderConfig: passive.ReaderConfig{Files: []string{captureOf(t, r.frames(t, s))}},
			OPCUA:        []passive.OPCUAServer{{Points: points}},
		})
		want, got := byPoint(slices.Clone(active)), byPoint(got)
		assert.GreaterOrEqual(t, len(got), len(want)) // something was under way at the end
		for _, p := range points {
			of := func(all []string) (some []string) {
				for _, line := range all {
					var at, name string
					_, _ = fmt.Sscan(line, &at, &name)
					if name == p.Name || name == "by" && p.Name == "by URI" {
						some = append(some, line)
					}
				}
				return some
			}
			w, g := of(want), of(got)
			require.NotEmpty(t, w)
			require.GreaterOrEqual(t, len(g), len(w))
			require.Equal(t, w, g[:len(w)], "%s, %+v", p.Name, way)
		}
		assert.Zero(t, src.Counters().Malformed)
		assert.Zero(t, src.Counters().UnknownItems)
	}
}

// What is encrypted gives nothing, and is counted.
func TestEncryptedOPCUA(t *testing.T) {
	_, r := subscribe(t, opcua.SignAndEncrypt)
	got, src := heard(t, passive.Config{
		ReaderConfig: passive.ReaderConfig{Files: []string{captureOf(t, r.frames(t, segmenting{}))}},
		OPCUA:        []passive.OPCUAServer{{Points: opcuaPoints}},
	})
	assert.Empty(t, got)
	assert.Greater(t, src.Counters().Encrypted, uint64(50))
	assert.Zero(t, src.Counters().Malformed)
}

// A client that was connected before the capture began: what it reads is known, what its
// subscription tells is not.
func TestOPCUAJoined(t *testing.T) {
	active, r := subscribe(t, opcua.ModeNone)
	frames := r.frames(t, segmenting{mid: true})
	got, src := heard(t, passive.Config{
		ReaderConfig: passive.ReaderConfig{Files: []string{captureOf(t, frames[len(frames)/2:])}, OPCUAPorts: []uint16{48400}},
		OPCUA:        []passive.OPCUAServer{{Points: append([]opcua.Point{{Name: "polled", Node: "ns=2;s=polled", Kind: acquire.KindInt64}}, opcuaPoints...)}},
	})
	assert.NotZero(t, src.Counters().UnknownItems)
	polled := 0
	for _, line := range got {
		assert.NotContains(t, line, " told ")
		if at, value, ok := strings.Cut(line, " polled "); ok {
			polled++
			assert.Contains(t, active, at+" by URI "+value)
		}
	}
	assert.Greater(t, polled, 10)
}

// Everything wrong is named at once.
func TestEveryFaultIsNamedAtOnce(t *testing.T) {
	_, err := passive.NewSource(passive.Config{
		ReaderConfig: passive.ReaderConfig{ModbusPorts: []uint16{0, 161}, Timeout: -1, Limits: passive.Limits{MaxHeld: -1}},
		Lateness:     -1,
		Modbus:       []passive.ModbusDevice{{Unit: 1, Points: modbusPoints}, {Unit: 1, Points: modbusPoints[:1]}},
	})
	for _, want := range []string{
		"passive: no files", "no port 0", "port 161 is among ModbusPorts", "timeout of -1ns", "MaxHeld of -1", "lateness of -1ns",
		"Modbus unit 1 at invalid AddrPort is given twice", `point "float" is given twice`,
	} {
		require.ErrorContains(t, err, want)
	}
	_, err = passive.NewSource(passive.Config{ReaderConfig: passive.ReaderConfig{Files: []string{"none.pcap", "none.pcap"}}})
	require.ErrorContains(t, err, "no devices and no traps")
	require.ErrorContains(t, err, `"none.pcap" is given twice`)
	_, err = passive.NewSource(passive.Config{
		ReaderConfig: passive.ReaderConfig{Files: []string{"none.pcap"}}, Modbus: []passive.ModbusDevice{{Points: []modbus.Point{{Name: "a"}}}},
	})
	require.ErrorContains(t, err, "no address")
}

// A file that is cut is read to where it is, and not taken for a whole one.
func TestCutFile(t *testing.T) {
	active, r := converse(t, 5, nil)
	frames := r.frames(t, segmenting{})
	path := captureOf(t, frames)
	whole := read(t, path)
	for _, cut := range []int{1, 40, len(whole) / 2} {
		short := write(t, whole[:len(whole)-cut])
		src, err := passive.NewSource(overheard(short))
		require.NoError(t, err)
		stream, err := src.Open(t.Context())
		require.NoError(t, err)
		var b acquire.Batch
		for err == nil {
			err = stream.Next(t.Context(), &b)
		}
		var damage *passive.DamageError
		require.ErrorAs(t, err, &damage)
		require.ErrorIs(t, err, io.ErrUnexpectedEOF)
		assert.True(t, acquire.Permanent(err))
		assert.Empty(t, b.Samples)
		require.NoError(t, stream.Close())
		require.NoError(t, stream.Close())

		cfg := overheard(short)
		cfg.Incomplete = true
		got, _ := heard(t, cfg)
		assert.NotEmpty(t, got)
		assert.Less(t, len(got), len(active))
	}
}

func TestCancel(t *testing.T) {
	_, r := converse(t, 5, nil)
	src, err := passive.NewSource(overheard(captureOf(t, r.frames(t, segmenting{}))))
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	stream, err := src.Open(ctx)
	require.NoError(t, err)
	var b acquire.Batch
	require.NoError(t, stream.Next(ctx, &b))
	cancel()
	require.ErrorIs(t, stream.Next(ctx, &b), context.Canceled)
	require.ErrorIs(t, stream.Next(t.Context(), &b), context.Canceled)
	require.NoError(t, stream.Close())
	_, err = src.Open(ctx)
	require.ErrorIs(t, err, context.Canceled)
	var op *acquire.OpError
	require.True(t, errors.As(err, &op))
}
