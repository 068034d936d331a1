package snmp_test

import (
	"context"
	"fmt"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gosnmp/gosnmp"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/drivers/snmp"
	"github.com/fieldtap/fieldtap/drivers/snmp/snmptest"
)

// upsTrap is a trap of five variables.
func upsTrap(i int) snmptest.Notification {
	return snmptest.Notification{
		Trap: upsOnBatt, Uptime: time.Duration(i) * 10 * time.Millisecond,
		Bindings: ints(upsMinutes+".0", 12, upsSeconds+".0", i, private+".1.0", i),
	}
}

// TestTrapBursts says that of 50,000 traps in bursts of 5,000 over a socket, each is
// received, dropped here, or dropped by the kernel, and counted as that.
func TestTrapBursts(t *testing.T) {
	const burst = 5000
	for name, c := range map[string]struct {
		cfg    snmp.TrapConfig
		bursts uint64
	}{
		"large buffers":          {snmp.TrapConfig{}, 10},
		"small buffer of ours":   {snmp.TrapConfig{Buffer: 1 << 17}, 2},
		"small buffer of kernel": {snmp.TrapConfig{ReadBuffer: 1 << 14}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			cfg, bursts := c.cfg, c.bursts
			cfg.Communities = public.Communities
			r := newReceiver(t, cfg)
			s := r.sender(snmptest.SenderConfig{Version: snmptest.V2c})
			var sent atomic.Uint64
			failed := make(chan error, 1)
			go func() {
				defer close(failed)
				for range bursts {
					if err := s.Burst(burst, upsTrap); err != nil {
						failed <- err
						return
					}
					sent.Add(burst)
				}
			}()
			var good, lost uint64
			next := func() {
				require.NoError(t, r.stream.Next(t.Context(), &r.batch))
				good += uint64(len(r.batch.Samples))
				lost += r.batch.Lost
			}
			for sent.Load() < bursts*burst {
				next()
			}
			require.NoError(t, <-failed)
			// What the kernel dropped last, only the next datagram tells.
			for settled(r.listener.Counters()) < sent.Load() {
				if next(); len(r.batch.Samples) == 0 {
					require.NoError(t, s.Trap(upsTrap(0)))
					sent.Add(1)
				}
			}
			c := r.listener.Counters()
			t.Logf("sent %d: matched %d, dropped %d, kernel %d, with a buffer of %d bytes", sent.Load(), c.Matched, c.Dropped, c.KernelDrops, c.ReadBuffer)
			require.Equal(t, sent.Load(), c.Matched+c.Dropped+c.KernelDrops+c.Refused())
			require.Zero(t, c.Refused())
			require.Equal(t, 4*c.Matched, good)
			require.Equal(t, c.Dropped+c.KernelDrops, lost)
		})
	}
}

// TestTrapAllocs says that a trap whose points exist allocates nothing, in any version.
func TestTrapAllocs(t *testing.T) {
	for name, sender := range map[string]snmptest.SenderConfig{
		"v1":     {Version: snmptest.V1},
		"v2c":    {Version: snmptest.V2c},
		"open":   v3(snmptest.NoAuthNoPriv),
		"auth":   v3(snmptest.AuthNoPriv),
		"secret": v3(snmptest.AuthPriv),
	} {
		t.Run(name, func(t *testing.T) {
			n := upsTrap(1)
			n.Enterprise, n.Generic = linkDown, 3
			user := trapper
			user.User.Level = snmp.Level(sender.Level) + 1
			cfg := public
			cfg.Users = []snmp.TrapUser{user}
			r := newReceiver(t, cfg)
			conn, err := net.Dial("udp", r.address)
			require.NoError(t, err)
			defer conn.Close()
			messages := captured(t, sender, func(s *snmptest.Sender) error { // each with an id of its own
				return s.Burst(301, func(int) snmptest.Notification { return n })
			})
			delivered := 0
			send := func() {
				conn.Write(messages[delivered])
				if err := r.stream.Next(t.Context(), &r.batch); err != nil {
					t.Error(err)
				}
				delivered++
			}
			for range 100 {
				send()
			}
			require.Zero(t, testing.AllocsPerRun(200, send))
			require.Equal(t, uint64(301), r.listener.Counters().Matched)
		})
	}
}

// BenchmarkTrap measures a trap of five variables from its socket to samples, and
// what gosnmp takes to decode it.
func BenchmarkTrap(b *testing.B) {
	b.Run("v2c", func(b *testing.B) { benchmarkTrap(b, snmptest.SenderConfig{Version: snmptest.V2c}) })
	b.Run("v3", func(b *testing.B) { benchmarkTrap(b, v3(snmptest.AuthPriv)) })
	b.Run("gosnmp v2c, decoding alone", func(b *testing.B) {
		message := trapOf(b, snmptest.SenderConfig{Version: snmptest.V2c}, upsTrap(1))
		decoder := &gosnmp.GoSNMP{Version: gosnmp.Version2c, Community: "public"}
		b.ReportAllocs()
		for b.Loop() {
			if _, err := decoder.UnmarshalTrap(message, false); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// benchmarkTrap delivers traps as they are from memory, many to a batch.
func benchmarkTrap(b *testing.B, sender snmptest.SenderConfig) {
	const several = 1 << 15 // more than are remembered as recent
	messages := captured(b, sender, func(s *snmptest.Sender) error { return s.Burst(several, upsTrap) })
	p := newPacketPipe()
	cfg := public
	cfg.Users, cfg.Listen = []snmp.TrapUser{trapper}, p.listen
	r := newReceiver(b, cfg)
	b.ReportAllocs()
	done := uint64(0)
	for b.Loop() {
		p.in <- messages[done%several]
		if done++; done%512 == 0 {
			for c := r.listener.Counters(); c.Received-c.Pending < done; c = r.listener.Counters() {
				if err := r.stream.Next(b.Context(), &r.batch); err != nil {
					b.Fatal(err)
				}
			}
		}
	}
}

// TestTrapTwin holds what we make of a trap against what gosnmp does.
func TestTrapTwin(t *testing.T) {
	cfg := public
	cfg.Unmatched = "any"
	cfg.Rules = []snmp.TrapRule{{Name: "none", Trap: "1.3.9"}}
	r := newReceiver(t, cfg)
	decoder := &gosnmp.GoSNMP{Version: gosnmp.Version2c, Community: "public"}
	s := r.sender(snmptest.SenderConfig{Version: snmptest.V2c})
	for i, value := range []snmptest.Value{
		snmptest.Integer(-5), snmptest.Counter32(1<<32 - 1), snmptest.Gauge32(7), snmptest.TimeTicks(9),
		snmptest.Counter64(1<<64 - 1), snmptest.Text("text"), snmptest.Text("\xff\x00"), snmptest.ObjectID("1.3.6.1.4.1.1"),
	} {
		n := snmptest.Notification{Trap: private + ".0.7", Bindings: []snmptest.Binding{{OID: private + ".1.4294967295", Value: value}}}
		packet, err := decoder.UnmarshalTrap(trapOf(t, snmptest.SenderConfig{Version: snmptest.V2c}, n), false)
		require.NoError(t, err)
		require.NoError(t, s.Trap(n))
		lines := r.until(uint64(i + 1))
		require.Len(t, lines, 1)
		last := packet.Variables[len(packet.Variables)-1]
		text := fmt.Sprint(last.Value)
		switch v := last.Value.(type) {
		case []byte:
			if text = fmt.Sprintf("%q", v); v[0] == 0xff {
				text = fmt.Sprintf("%x", v)
			}
		case string:
			text = v[1:]
		}
		require.Contains(t, lines[0], fmt.Sprintf("%s = ", last.Name[1:]))
		require.Contains(t, lines[0], fmt.Sprintf("%.20q", ": "+text)[1:len(fmt.Sprintf("%.20q", ": "+text))-1])
	}
}

// FuzzTrap says that no datagram makes the listener fail, count wrong, or make something
// up: one of another community or user gives nothing.
func FuzzTrap(f *testing.F) {
	for _, sender := range []snmptest.SenderConfig{
		{Version: snmptest.V1}, {Version: snmptest.V2c}, v3(snmptest.NoAuthNoPriv), v3(snmptest.AuthNoPriv), v3(snmptest.AuthPriv),
	} {
		n := upsTrap(1)
		n.Enterprise, n.Generic, n.Specific = private, 6, 2
		f.Add(trapOf(f, sender, n))
		n.Generic, n.Trap, n.Bindings = 2, down.Trap, down.Bindings
		f.Add(trapOf(f, sender, n))
		if sender.Version != snmptest.V1 {
			f.Add(informOf(f, sender))
		}
	}
	f.Add(nested(100))
	p := newPacketPipe()
	cfg := public
	cfg.Listen, cfg.Unmatched, cfg.MaxReplies = p.listen, "{sender}/{agent}", -1
	cfg.Users = []snmp.TrapUser{trapper, {User: snmp.User{Name: "open", Level: snmp.NoAuthNoPriv}}}
	cfg.Rules = append([]snmp.TrapRule{{Name: "the end", Trap: private + ".0.99"}}, trapRules...)
	r := newReceiver(f, cfg)
	end := trapOf(f, snmptest.SenderConfig{Version: snmptest.V2c}, snmptest.Notification{Trap: private + ".0.99"})
	f.Fuzz(func(t *testing.T, message []byte) {
		if len(message) > 65507 {
			return
		}
		before := r.listener.Counters()
		p.in <- message
		p.in <- end // so that nobody waits for what gives nothing
		samples := 0
		for settled(r.listener.Counters()) < before.Received+2 {
			if err := r.stream.Next(context.Background(), &r.batch); err != nil {
				t.Fatal(err)
			}
			samples += len(r.batch.Samples)
			for _, s := range r.batch.Samples {
				if _, ok := r.catalog.Point(s.Point); !ok || s.Quality.IsGood() && s.Value.Kind() == acquire.KindNone {
					t.Fatalf("a sample that cannot be: %v", s)
				}
			}
		}
		c := r.listener.Counters()
		switch accepted := c.Matched + c.Unmatched - before.Matched - before.Unmatched - 1; {
		case c.Received != before.Received+2 || c.Pending != 0:
			t.Fatalf("two datagrams counted as %d", c.Received-before.Received)
		case accepted == 0 && samples != 1:
			t.Fatalf("%d samples of what was refused", samples-1)
		case accepted == 1 && samples-1+int(c.LostSamples-before.LostSamples) == 0:
			t.Fatal("nothing of what was accepted")
		}
	})
}
