package snmp_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/acquire/capture/wire"
	"github.com/fieldtap/fieldtap/drivers/snmp"
	"github.com/fieldtap/fieldtap/drivers/snmp/snmptest"
	"github.com/fieldtap/fieldtap/internal/snmpwire"
)

// sealed is a driver that polls an agent in messages that are secured.
type sealed struct {
	user  snmp.User
	tcp   bool
	rows  int // of a table that is polled too
	least int // samples
	fault snmptest.Fault
	edit  func(*snmptest.Server, *snmptest.MIB) // at half-time
}

const (
	sealedTime = 10*time.Second + 500*time.Millisecond // ends between polls
	sealedText = "legible-1c93e2"
)

func (s sealed) config(dial func(context.Context) (net.Conn, error)) snmp.Config {
	cfg := snmp.Config{
		Name: "agent", User: s.user, TCP: s.tcp, Dial: dial, Interval: time.Second, Timeout: 700 * time.Millisecond, Retries: 1,
		Points: []snmp.Point{
			{Name: "count", OID: private + ".1.0", Type: snmp.Counter32},
			{Name: "text", OID: private + ".2.0", Type: snmp.Text},
		},
	}
	if s.rows > 0 {
		cfg.Tables = []snmp.Table{{Name: "row/{index}", Columns: []snmp.Point{
			{Name: "value", OID: private + ".7.1.2", Type: snmp.Uint32},
		}}}
	}
	return cfg
}

// follow returns the samples of some seconds in words.
func follow(t *testing.T, cfg snmp.Config) (lines []string) {
	cfg.Catalog = acquire.NewCatalog()
	source, err := snmp.NewSource(cfg)
	require.NoError(t, err)
	stream, err := source.Open(t.Context())
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), sealedTime)
	defer cancel()
	var b acquire.Batch
	for stream.Next(ctx, &b) == nil {
		for _, s := range b.Samples {
			p, _ := cfg.Catalog.Point(s.Point)
			value := s.Value.String()
			if text, ok := b.Text(s.Value); ok {
				value = string(text)
			}
			lines = append(lines, fmt.Sprint(p.Name, " ", s.Time.Time().UTC().Format(time.RFC3339Nano), " ", value, " ", s.Quality))
		}
	}
	assert.ErrorIs(t, ctx.Err(), context.DeadlineExceeded)
	require.NoError(t, stream.Close())
	return lines
}

// live records what the driver says to an agent, and returns the file with the samples.
func (s sealed) live(t *testing.T, record wire.Config, edit func(*snmp.Config, *wire.Recorder)) (file []byte, stats wire.Stats, lines []string) {
	synctest.Test(t, func(t *testing.T) {
		objects := snmptest.Objects{
			private + ".1.0": snmptest.Counter32(0), private + ".2.0": snmptest.Text(sealedText),
			sysUpTime: snmptest.Uptime(),
		}
		for i := range s.rows {
			objects[fmt.Sprint(private, ".7.1.2.", i+1)] = snmptest.Gauge32(uint32(i))
		}
		mib, err := snmptest.NewMIB(objects)
		require.NoError(t, err)
		count := func(x *snmptest.Exchange) {
			for i := range x.Reply.PDU.Bindings {
				if b := &x.Reply.PDU.Bindings[i]; b.OID == private+".1.0" {
					b.Value = snmptest.Counter32(uint32(x.N))
				}
			}
		}
		fault := snmptest.Fault(count)
		if s.fault != nil {
			fault = snmptest.Chain(count, s.fault)
		}
		agent, err := snmptest.New(snmptest.Config{MIB: mib, Users: users, Fault: fault, Latency: 3 * time.Millisecond})
		require.NoError(t, err)
		defer agent.Close()
		var out bytes.Buffer
		recorder, err := wire.NewRecorder(&out, record)
		require.NoError(t, err)
		dial := recorder.Dial(wire.Link{Name: "agent", Protocol: wire.SNMP{}, Packets: !s.tcp}, func(context.Context) (net.Conn, error) {
			if s.tcp {
				near, far := net.Pipe()
				go agent.ServeConn(far)
				return near, nil
			}
			return link(agent.ServeDatagrams), nil
		})
		if s.edit != nil {
			defer time.AfterFunc(sealedTime/2, func() { s.edit(agent, mib) }).Stop()
		}
		cfg := s.config(dial)
		edit(&cfg, recorder)
		lines = follow(t, cfg)
		require.NoError(t, recorder.Close())
		file, stats = out.Bytes(), recorder.Stats()
	})
	return file, stats, lines
}

func withPlaintext(cfg *snmp.Config, r *wire.Recorder) { cfg.Plaintext = r.Plaintext }

// played plays a recording in plain form to a driver whose user has no keys.
func (s sealed) played(t *testing.T, file []byte) (lines []string) {
	recording, err := wire.Read(bytes.NewReader(file))
	require.NoError(t, err)
	synctest.Test(t, func(t *testing.T) {
		peer := wire.NewPeer(wire.SNMP{}, recording.Conversations)
		cfg := s.config(peer.Dial)
		cfg.User = snmp.User{Name: s.user.Name, Context: s.user.Context, Level: snmp.NoAuthNoPriv}
		cfg.Now = peer.Now
		lines = follow(t, cfg)
		assert.NoError(t, peer.Err())
		assert.Zero(t, peer.Left())
		_, beyond := peer.Progress()
		assert.Zero(t, beyond)
	})
	return lines
}

// TestPlaintextIsPlayed: what is secured is recorded as it would be without keys, and gives a
// driver without keys the same samples.
func TestPlaintextIsPlayed(t *testing.T) {
	for name, s := range map[string]sealed{
		"authPriv":      {user: alice},
		"authNoPriv":    {user: bob},
		"over TCP":      {user: alice, tcp: true},
		"table":         {user: alice, rows: 400, least: 4000},
		"late answer":   {user: alice, fault: snmptest.Nth(6, snmptest.Late(900*time.Millisecond))},
		"repeated":      {user: alice, fault: snmptest.Nth(6, snmptest.Silent())},
		"agent's boots": {user: alice, edit: func(s *snmptest.Server, _ *snmptest.MIB) { s.Restart() }},
	} {
		t.Run(name, func(t *testing.T) {
			file, stats, live := s.live(t, wire.Config{Plaintext: true, Buffer: 64 << 20}, withPlaintext)
			assert.GreaterOrEqual(t, len(live), max(20, s.least))
			assert.NotZero(t, stats.Withheld)
			assert.Zero(t, stats.Declined)
			assert.Zero(t, stats.Dropped)
			assert.Contains(t, string(file), sealedText)
			assertPlain(t, file, s.user.Name)
			assert.Equal(t, live, s.played(t, file))
		})
	}
}

// assertPlain asserts that every message of a recording can be read without keys.
func assertPlain(t *testing.T, file []byte, user string) {
	t.Helper()
	recording, err := wire.Read(bytes.NewReader(file))
	require.NoError(t, err)
	for _, c := range recording.Conversations {
		assert.True(t, slices.ContainsFunc(c.Events, func(e wire.Event) bool { return e.Kind == wire.Decrypted }))
		for _, e := range c.Events {
			if e.Kind != wire.Sent && e.Kind != wire.Received {
				continue
			}
			var m snmpwire.MessageV3
			require.NoError(t, m.Parse(e.Data))
			assert.Zero(t, m.Flags.Level())
			assert.Empty(t, m.AuthParams)
			assert.Empty(t, m.PrivacyParams)
			if len(m.EngineID) > 0 && m.Scoped.PDU.Type != snmpwire.Report {
				assert.Equal(t, user, string(m.User))
			}
		}
	}
}

// TestPlaintextIsNotRecordedUnasked: who does not ask for plaintext twice, of the recorder
// and of the driver, has none of it in the file.
func TestPlaintextIsNotRecordedUnasked(t *testing.T) {
	for name, c := range map[string]struct {
		cfg      wire.Config
		edit     func(*snmp.Config, *wire.Recorder)
		declined uint64
	}{
		"by the recorder": {wire.Config{}, withPlaintext, 1},
		"by the driver":   {wire.Config{Plaintext: true}, func(*snmp.Config, *wire.Recorder) {}, 0},
		"by nobody":       {wire.Config{Secrets: true}, func(*snmp.Config, *wire.Recorder) {}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			file, stats, live := sealed{user: alice}.live(t, c.cfg, c.edit)
			assert.GreaterOrEqual(t, len(live), 20)
			assert.Zero(t, stats.Withheld)
			assert.Equal(t, c.declined, stats.Declined)
			assert.NotContains(t, string(file), sealedText)
			object, err := snmpwire.AppendOID(nil, private+".2.0")
			require.NoError(t, err)
			assert.NotContains(t, string(file), string(object), "what is asked for")
			assert.Contains(t, string(file), "alice", "the user, in the open")
		})
	}
}
