package interop

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/acquire/capture/wire"
	"github.com/fieldtap/fieldtap/drivers/modbus"
	"github.com/fieldtap/fieldtap/drivers/modbus/modbustest"
	"github.com/fieldtap/fieldtap/drivers/opcua"
	"github.com/fieldtap/fieldtap/drivers/opcua/opcuatest"
	"github.com/fieldtap/fieldtap/drivers/snmp"
	"github.com/fieldtap/fieldtap/drivers/snmp/snmptest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// need ends the test for want of tshark.
func need(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("tshark"); err != nil {
		const what = "apt-get install tshark"
		if os.Getenv("CI") == "true" || os.Getenv("FIELDTAP_INTEROP") == "require" {
			t.Fatalf("%v: %s", err, what)
		}
		t.Skipf("%v: %s", err, what)
	}
}

// secrets are what must be in no recording.
var secrets = []string{"canary-community", "canary-password", "canary-private"}

// recording is a file that is written while a driver works.
type recording struct {
	*wire.Recorder
	path  string
	ports map[string]bool // of servers, as tshark -d wants them: "tcp.port==5020"
	mu    sync.Mutex
}

// record makes a recording of what use does.
func record(t *testing.T, use func(*recording)) *recording {
	t.Helper()
	r := &recording{path: filepath.Join(t.TempDir(), "wire.pcapng"), ports: map[string]bool{}}
	file, err := os.Create(r.path)
	require.NoError(t, err)
	// What is encrypted stays so unless the driver is asked to tell it, too.
	r.Recorder, err = wire.NewRecorder(file, wire.Config{Name: t.Name(), Plaintext: true})
	require.NoError(t, err)
	use(r)
	require.NoError(t, r.Close())
	require.NoError(t, file.Close())
	stats := r.Stats()
	assert.Zero(t, stats.Dropped)
	raw, err := os.ReadFile(r.path)
	require.NoError(t, err)
	for _, s := range secrets {
		assert.False(t, bytes.Contains(raw, []byte(s)), "%q is in the recording", s)
	}
	return r
}

// dial returns a recorded dial function.
func (r *recording) dial(p wire.Protocol, network, address string) func(context.Context) (net.Conn, error) {
	_, port, _ := net.SplitHostPort(address)
	r.mu.Lock()
	r.ports[network+".port=="+port] = true
	r.mu.Unlock()
	return r.Dial(wire.Link{Name: "device", Protocol: p}, func(ctx context.Context) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, address)
	})
}

// anonymous is a connection whose addresses nobody knows, as of a serial line: the
// recorder makes them up, with the port of the protocol.
type anonymous struct{ net.Conn }

func (anonymous) LocalAddr() net.Addr  { return nil }
func (anonymous) RemoteAddr() net.Addr { return nil }

// dialAnonymously is dial for them.
func (r *recording) dialAnonymously(p wire.Protocol, network, address string) func(context.Context) (net.Conn, error) {
	link := wire.Link{Name: "device", Protocol: p, Packets: network == "udp"}
	return r.Dial(link, func(ctx context.Context) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, address)
		return anonymous{conn}, err
	})
}

// dissect has tshark read the recording, with a dissector for the ports, asserts that it
// finds nothing wrong and that some packets are of the protocol, and returns what it finds
// in fields: of each packet that has any of them, the contents of each.
func (r *recording) dissect(t *testing.T, dissector, protocol string, fields ...string) (packets [][][]string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	args := []string{
		"-n", "-r", r.path, "-T", "fields", "-E", "separator=/t", "-E", "aggregator=|",
		"-o", "tcp.check_checksum:TRUE", "-o", "udp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE",
	}
	for port := range r.ports {
		args = append(args, "-d", port+","+dissector)
		if transport, number, _ := strings.Cut(port, ".port=="); strings.HasPrefix(dissector, "mb") {
			// By the port it tells requests from answers.
			args = append(args, "-o", dissector+"."+transport+".port:"+number)
		}
	}
	judged := []string{
		"frame.number", "frame.protocols", "_ws.malformed", "_ws.expert.severity", "_ws.expert.message",
		"ip.checksum.status", "tcp.checksum.status", "udp.checksum.status", "tcp.analysis.flags",
		"frame.comment",
	}
	for _, f := range slices.Concat(judged, fields) {
		args = append(args, "-e", f)
	}
	var stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, "tshark", args...)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	require.NoError(t, err, "%s", stderr.String())
	const (
		good = "1" // of a checksum
		note = 4 << 20
	)
	seen := 0
	for line := range strings.Lines(string(out)) {
		columns := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		require.Len(t, columns, len(judged)+len(fields), "%q", line)
		frame, protocols := columns[0], strings.Split(columns[1], ":")
		assert.Empty(t, columns[2], "frame %s is malformed", frame)
		for severity := range strings.SplitSeq(columns[3], "|") {
			if n, err := strconv.Atoi(severity); severity != "" && (err != nil || n > note) {
				assert.Fail(t, "expert information", "frame %s: %s: %s", frame, columns[3], columns[4])
			}
		}
		assert.Equal(t, good, columns[5], "checksum of IP, frame %s", frame)
		for i, transport := range []string{"tcp", "udp"} {
			if slices.Contains(protocols, transport) {
				assert.Equal(t, good, columns[6+i], "checksum of %s, frame %s", transport, frame)
			}
		}
		if !strings.HasPrefix(columns[9], "fieldtap: decrypted") { // an empty packet, which acknowledges nothing new
			assert.Empty(t, columns[8], "analysis of TCP, frame %s", frame)
		}
		if slices.Contains(protocols, protocol) {
			seen++
		}
		var packet [][]string
		some := false
		for _, c := range columns[len(judged):] {
			var contents []string
			if c != "" {
				contents, some = strings.Split(c, "|"), true
			}
			packet = append(packet, contents)
		}
		if some {
			packets = append(packets, packet)
		}
	}
	assert.NotZero(t, seen, "no packet is of %s", protocol)
	return packets
}

// poll returns the values of all good samples of some batches, in their order.
func poll(t *testing.T, src acquire.Source, batches int) (values []acquire.Value) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	stream, err := src.Open(ctx)
	require.NoError(t, err)
	defer stream.Close()
	var b acquire.Batch
	for range batches {
		require.NoError(t, stream.Next(ctx, &b))
		for _, s := range b.Samples {
			require.True(t, s.Quality.IsGood(), "%v", s.Quality)
			values = append(values, s.Value)
		}
	}
	return values
}

// counting is a Modbus device whose every register holds another number at each read.
type counting struct{ reads atomic.Uint32 }

func (*counting) ReadBits(modbustest.Table, uint16, []bool) modbustest.Exception {
	return modbustest.IllegalFunction
}

func (d *counting) ReadRegisters(_ modbustest.Table, addr uint16, dst []uint16) modbustest.Exception {
	n := d.reads.Add(1)
	for i := range dst {
		dst[i] = uint16(n)*1000 + addr + uint16(i)
	}
	return 0
}

func TestModbus(t *testing.T) {
	need(t)
	for _, c := range []struct {
		name, network, dissector string
		framing                  modbus.Framing
		served                   modbustest.Framing
		protocol                 wire.Protocol
		window                   int
	}{
		{"tcp", "tcp", "mbtcp", modbus.MBAP, modbustest.MBAP, wire.Modbus{}, 1},
		{"tcp, four requests under way", "tcp", "mbtcp", modbus.MBAP, modbustest.MBAP, wire.Modbus{}, 4},
		{"udp", "udp", "", modbus.MBAP, modbustest.MBAP, wire.Modbus{}, 1}, // whose ports tshark cannot be told
		{"rtu over tcp", "tcp", "mbrtu", modbus.RTU, modbustest.RTU, wire.ModbusRTU{}, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg := modbustest.Config{Units: map[byte]modbustest.Device{1: &counting{}}, Framing: c.served}
			var address string
			if c.network == "udp" {
				server, err := modbustest.New(cfg)
				require.NoError(t, err)
				defer server.Close()
				socket, err := net.ListenPacket("udp", "127.0.0.1:0")
				require.NoError(t, err)
				go server.ServePackets(socket)
				address = socket.LocalAddr().String()
			} else {
				server, err := modbustest.Start(cfg)
				require.NoError(t, err)
				defer server.Close()
				address = server.Address()
			}
			var values []acquire.Value
			r := record(t, func(r *recording) {
				dial := r.dial
				if c.dissector == "" {
					dial = r.dialAnonymously
				}
				source := modbus.Config{
					Name: "meter", Unit: 1, Catalog: acquire.NewCatalog(), Framing: c.framing, UDP: c.network == "udp",
					Dial: dial(c.protocol, c.network, address), Interval: -1, Window: c.window, MaxGap: -1,
				}
				for i := range uint16(20) {
					source.Points = append(source.Points, modbus.Point{
						Name: fmt.Sprint(i), At: modbus.Holding(i + i/5*10), Type: modbus.Uint16,
					})
				}
				src, err := modbus.NewSource(source)
				require.NoError(t, err)
				values = poll(t, src, 50)
			})
			var want, got []uint64
			for _, packet := range r.dissect(t, c.dissector, "modbus", "modbus.regval_uint16") {
				for _, text := range packet[0] {
					n, err := strconv.ParseUint(text, 10, 16)
					require.NoError(t, err)
					got = append(got, n)
				}
			}
			for _, v := range values {
				n, ok := v.Uint64()
				require.True(t, ok)
				want = append(want, n)
			}
			assert.Equal(t, want, got)
		})
	}
}

func TestSNMP(t *testing.T) {
	need(t)
	const root = "1.3.6.1.4.1.99999.7"
	var reads atomic.Uint32
	objects := snmptest.Objects{}
	for i := range 10 {
		objects[fmt.Sprintf("%s.%d.0", root, i+1)] = snmptest.Func(func(snmptest.Clock) snmptest.Value { return snmptest.Gauge32(reads.Add(1)) })
	}
	mib, err := snmptest.NewMIB(objects)
	require.NoError(t, err)
	for _, c := range []struct {
		name, network string
		cfg           snmp.Config
		values        bool // legible
		told          bool // in plain form
	}{
		{"v1", "udp", snmp.Config{Version: snmp.V1, Community: "canary-community"}, true, false},
		{"v2c", "udp", snmp.Config{Community: "canary-community"}, true, false},
		{"v2c over tcp", "tcp", snmp.Config{Community: "canary-community", TCP: true}, true, false},
		{"v3, open", "udp", snmp.Config{User: snmp.User{Name: "open", Level: snmp.NoAuthNoPriv}}, true, false},
		{"v3, authenticated", "udp", snmp.Config{User: snmp.User{Name: "reader", Level: snmp.AuthNoPriv, AuthKey: "canary-password"}}, true, false},
		{"v3, encrypted", "udp", snmp.Config{User: snmp.User{Name: "reader", AuthKey: "canary-password", PrivKey: "canary-private"}}, false, false},
		{"v3, authenticated, in plain form", "udp", snmp.Config{User: snmp.User{Name: "reader", Level: snmp.AuthNoPriv, AuthKey: "canary-password"}}, true, true},
		{"v3, encrypted, in plain form", "udp", snmp.Config{User: snmp.User{Name: "reader", AuthKey: "canary-password", PrivKey: "canary-private"}}, true, true},
		{"v3, encrypted, in plain form over tcp", "tcp", snmp.Config{TCP: true, User: snmp.User{Name: "reader", AuthKey: "canary-password", PrivKey: "canary-private"}}, true, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			agent, err := snmptest.Start(snmptest.Config{
				Network: c.network, MIB: mib, Communities: map[string]*snmptest.MIB{"canary-community": mib},
				Users: []snmptest.User{
					{Name: "open"},
					{Name: "reader", Auth: snmptest.SHA256, AuthPassword: "canary-password", Priv: snmptest.AES128, PrivPassword: "canary-private"},
				},
			})
			require.NoError(t, err)
			defer agent.Close()
			var values []acquire.Value
			r := record(t, func(r *recording) {
				cfg := c.cfg
				cfg.Name, cfg.Catalog, cfg.Interval, cfg.Dial = "agent", acquire.NewCatalog(), -1, r.dial(wire.SNMP{}, c.network, agent.Address())
				if c.told {
					cfg.Plaintext = r.Plaintext
				}
				for i := range 10 {
					cfg.Points = append(cfg.Points, snmp.Point{
						Name: fmt.Sprint(i), OID: snmp.OID(fmt.Sprintf("%s.%d.0", root, i+1)), Type: snmp.Uint32,
					})
				}
				src, err := snmp.NewSource(cfg)
				require.NoError(t, err)
				values = poll(t, src, 20)
			})
			var want, got []uint64
			for _, packet := range r.dissect(t, "snmp", "snmp", "snmp.value.g32") {
				for _, text := range packet[0] {
					n, err := strconv.ParseUint(text, 10, 32)
					require.NoError(t, err)
					got = append(got, n)
				}
			}
			if !c.values {
				assert.Empty(t, got)
				return
			}
			for _, v := range values {
				n, ok := v.Uint64()
				require.True(t, ok)
				want = append(want, n)
			}
			assert.Equal(t, want, got)
		})
	}
}

func TestTraps(t *testing.T) {
	need(t)
	var values []acquire.Value
	r := record(t, func(r *recording) {
		addresses := make(chan string, 1)
		listener, err := snmp.NewTrapListener(snmp.TrapConfig{
			Communities: []acquire.Secret{"canary-community"}, Catalog: acquire.NewCatalog(), Unmatched: "{agent}/trap",
			Listen: r.Listen(wire.Link{Name: "traps", Protocol: wire.SNMP{}}, func(context.Context) (net.PacketConn, error) {
				socket, err := net.ListenPacket("udp", "127.0.0.1:0")
				if err == nil {
					addresses <- socket.LocalAddr().String()
				}
				return socket, err
			}),
		})
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		stream, err := listener.Open(ctx)
		require.NoError(t, err)
		defer stream.Close()
		address := <-addresses
		_, port, err := net.SplitHostPort(address)
		require.NoError(t, err)
		r.ports["udp.port=="+port] = true
		sender, err := snmptest.NewSender(ctx, snmptest.SenderConfig{Address: address, Version: snmptest.V2c, Community: "canary-community"})
		require.NoError(t, err)
		defer sender.Close()
		require.NoError(t, sender.Trap(snmptest.Notification{Trap: "1.3.6.1.6.3.1.1.5.3"}))
		informed := make(chan error, 1)
		go func() { informed <- sender.Inform(ctx, snmptest.Notification{Trap: "1.3.6.1.6.3.1.1.5.4"}) }()
		var b acquire.Batch
		for len(values) < 2 {
			require.NoError(t, stream.Next(ctx, &b))
			for _, s := range b.Samples {
				values = append(values, s.Value)
			}
		}
		require.NoError(t, <-informed)
	})
	var data []string // the numbers of PDUs: trap, inform, response
	for _, packet := range r.dissect(t, "snmp", "snmp", "snmp.data", "snmp.community") {
		data = append(data, packet[0]...)
		assert.Equal(t, []string{"xxxxxxxxxxxxxxxx"}, packet[1])
	}
	assert.Equal(t, []string{"7", "6", "2"}, data)
}

func TestOPCUA(t *testing.T) {
	need(t)
	identity, err := opcuatest.NewIdentity("urn:fieldtap:opcuatest", nil)
	require.NoError(t, err)
	for _, c := range []struct {
		name   string
		open   bool
		told   bool // in plain form
		server opcuatest.Config
	}{
		{"open", true, false, opcuatest.Config{}},
		{"encrypted, in plain form", false, true, opcuatest.Config{Identity: identity, Users: map[string]string{"reader": "canary-password"}, NoAnonymous: true}},
		{"encrypted", false, false, opcuatest.Config{Identity: identity, Users: map[string]string{"reader": "canary-password"}, NoAnonymous: true}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var reads atomic.Int64
			c.server.Variables = []opcuatest.Variable{{
				ID: "ns=2;s=Power", Name: "Power", Step: time.Millisecond, DataType: "i=11",
				Value: func(time.Time) any { return float64(reads.Add(1)) + 0.25 },
			}}
			server, err := opcuatest.Start(c.server)
			require.NoError(t, err)
			defer server.Close()
			var values []acquire.Value
			r := record(t, func(r *recording) {
				client := opcua.ClientConfig{
					Endpoint: server.URL(), Dial: r.dial(wire.OPCUA{}, "tcp", server.Address()),
					Policies: []opcua.Policy{opcua.PolicyNone},
				}
				if !c.open {
					store, err := opcua.OpenStore(t.TempDir())
					require.NoError(t, err)
					client.Policies, client.Trust = nil, opcua.Trust{Store: store, FirstUse: true, AnyHost: true}
					client.Identity = opcua.Identity{User: "reader", Password: "canary-password"}
				}
				if c.told {
					client.Plaintext = r.Plaintext
				}
				src, err := opcua.NewSource(opcua.Config{
					Client: client, Name: "server", Catalog: acquire.NewCatalog(), PollInterval: 20 * time.Millisecond,
					Points: []opcua.Point{{Name: "power", Node: "ns=2;s=Power", Kind: acquire.KindFloat64, Poll: true}},
				})
				require.NoError(t, err)
				values = poll(t, src, 10)
			})
			var got []float64
			for _, packet := range r.dissect(t, "opcua", "opcua", "opcua.Double") {
				for _, text := range packet[0] {
					v, err := strconv.ParseFloat(text, 64)
					require.NoError(t, err)
					got = append(got, v)
				}
			}
			if !c.open && !c.told {
				assert.Empty(t, got)
				return
			}
			for _, v := range values {
				f, ok := v.Float64()
				require.True(t, ok)
				require.False(t, math.IsNaN(f))
				assert.True(t, slices.Contains(got, f), "%v is not among what tshark reads", f)
			}
		})
	}
}
