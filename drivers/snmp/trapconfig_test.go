package snmp_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/drivers/snmp"
	"github.com/fieldtap/fieldtap/drivers/snmp/snmptest"
	"github.com/fieldtap/fieldtap/internal/snmpwire"
	"github.com/fieldtap/fieldtap/units"
)

// TestTrapConfigFaults says that all faults are named at once, and no secret is.
func TestTrapConfigFaults(t *testing.T) {
	_, err := snmp.NewTrapListener(snmp.TrapConfig{})
	require.EqualError(t, err, "snmp: no catalog\nneither communities nor users\nneither rules nor a point for what is unmatched")

	user := snmp.TrapUser{User: snmp.User{Name: "twice", AuthKey: "hidden password"}}
	_, err = snmp.NewTrapListener(snmp.TrapConfig{
		Address: "192.0.2.1", Catalog: acquire.NewCatalog(),
		Communities: []acquire.Secret{"hidden", ""},
		Users:       []snmp.TrapUser{user, user, {User: snmp.User{Name: "short", AuthKey: "hidden"}, Senders: []netip.Prefix{{}}}, {User: snmp.User{Name: "far", AuthKey: "hidden password", Context: "one"}}},
		EngineID:    []byte("four"), EngineBoots: -1,
		Unmatched: "{index}", MaxPoints: -1, ReadBuffer: -1, Buffer: 1000, MaxEngines: -1,
		Rules: []snmp.TrapRule{
			{},
			{Name: "{index}", Trap: linkDown},
			{Name: "{", Trap: linkDown, Index: "x", Text: strings.Repeat("x", 257)},
			{Name: "points", Trap: linkDown, Senders: []netip.Prefix{{}}, Points: []snmp.Point{
				{Name: "one", OID: ifIndex}, {Name: "one", OID: ifIndex}, {OID: ifIndex}, {Name: "text", OID: ifIndex, Type: snmp.Text, Unit: units.Watt},
				{Name: "{agent}", OID: ifIndex}, {Name: "power", OID: ifIndex, Exponents: []snmp.Exponent{{OID: ifIndex}}},
			}},
			{Name: "many", Trap: linkDown, Points: make([]snmp.Point, 65)},
		},
	})
	require.Error(t, err)
	for _, fault := range []string{
		`address "192.0.2.1" lacks a host or a port`, "community 2 of 0 octets", "user 2, \"twice\": given twice",
		"AuthKey of 6 octets", "a prefix of Senders is not valid", `"far": traps come from any context`,
		"EngineID of 4 octets", "EngineBoots of -1", "{index} cannot be here", "MaxPoints of -1", "ReadBuffer of -1",
		"Buffer of 1000", "MaxEngines of -1", `rule 1, "": no name`, `trap "" is no OID`, `rule 2, "{index}": {index} cannot be here`,
		"malformed braces", `index "x" is no OID`, "text is longer than 256 bytes", `rule 4, "points": a prefix of Senders`,
		`point "one" is given twice`, "has no name", "type text has no unit", "{agent} cannot be here",
		"neither exponents nor an interval", "more than 64 points",
	} {
		require.ErrorContains(t, err, fault)
	}
	require.NotContains(t, err.Error(), "hidden")
}

func TestTrapOID(t *testing.T) {
	for _, c := range []struct {
		enterprise        snmp.OID
		generic, specific int32
		want              snmp.OID
	}{
		{private, 0, 99, "1.3.6.1.6.3.1.1.5.1"},
		{private, 5, 0, "1.3.6.1.6.3.1.1.5.6"},
		{private, 6, 0, private + ".0.0"},
		{private, 6, 1<<31 - 1, private + ".0.2147483647"},
		{private, 7, 0, ""}, {private, -1, 0, ""}, {private, 6, -1, ""}, {"", 6, 1, ""}, {"public", 6, 1, ""},
	} {
		got, err := snmp.TrapOID(c.enterprise, c.generic, c.specific)
		require.Equal(t, c.want, got)
		require.Equal(t, c.want == "", err != nil, "%v", err)
	}
}

// TestTrapEngine says that our own engine has the id that it had, whoever asks.
func TestTrapEngine(t *testing.T) {
	of := func(cfg snmp.TrapConfig) string {
		cfg.Communities, cfg.Catalog, cfg.Unmatched = public.Communities, acquire.NewCatalog(), "any"
		l, err := snmp.NewTrapListener(cfg)
		require.NoError(t, err)
		return fmt.Sprintf("%x", l.EngineID())
	}
	require.Equal(t, of(snmp.TrapConfig{Name: "one"}), of(snmp.TrapConfig{Name: "one"}))
	require.NotEqual(t, of(snmp.TrapConfig{Name: "one"}), of(snmp.TrapConfig{Name: "two"}))
	require.Regexp(t, "^8000000005[0-9a-f]{24}$", of(snmp.TrapConfig{}))
	require.Equal(t, "8000000001020304", of(snmp.TrapConfig{EngineID: []byte{0x80, 0, 0, 0, 1, 2, 3, 4}}))
}

// TestTrapRestart says that a sender who knew us before we were restarted is told the
// time, and comes through.
func TestTrapRestart(t *testing.T) {
	cfg := snmp.TrapConfig{Users: []snmp.TrapUser{trapper}, EngineID: []byte("our own engine"), EngineBoots: 1 << 20}
	r := newReceiver(t, cfg)
	var mu sync.Mutex
	var late snmpwire.MessageV3
	s := r.sender(snmptest.SenderConfig{Version: snmptest.V3, User: sending, Level: snmptest.AuthPriv, Dial: func(context.Context) (net.Conn, error) {
		conn, err := net.Dial("udp", r.address)
		return &listeningConn{conn, func(m []byte) {
			if bytes.Contains(m, []byte(snmpwire.NotInTimeWindows.OID())) {
				mu.Lock()
				defer mu.Unlock()
				_ = late.Parse(bytes.Clone(m))
			}
		}}, err
	}})
	inform := func(r *receiver) {
		acknowledged := make(chan error, 1)
		go func() { acknowledged <- s.Inform(t.Context(), down) }()
		for r.listener.Counters().Matched == 0 {
			r.next()
		}
		require.NoError(t, <-acknowledged)
	}
	inform(r)
	require.NoError(t, r.stream.Close())

	cfg.EngineBoots++
	cfg.Listen = func(ctx context.Context) (net.PacketConn, error) {
		var lc net.ListenConfig
		return lc.ListenPacket(ctx, "udp", r.address)
	}
	again := newReceiver(t, cfg)
	inform(again)
	c := again.listener.Counters()
	require.Equal(t, []uint64{1, 0, 1, 2}, []uint64{c.Untimely, c.Questions, c.Matched, c.Replies})
	mu.Lock()
	defer mu.Unlock()
	require.Equal(t, snmpwire.Authenticated, late.Flags, "or the sender need not believe what time it is")
	require.Equal(t, cfg.EngineBoots, late.Boots)
}

// TestTrapFamilies says that senders of both families come to one socket, and have the
// addresses that they have.
func TestTrapFamilies(t *testing.T) {
	cfg := public
	var port string
	cfg.Rules = []snmp.TrapRule{{Name: "{sender}", Trap: linkDown}}
	cfg.Listen = func(ctx context.Context) (net.PacketConn, error) {
		var lc net.ListenConfig
		conn, err := lc.ListenPacket(ctx, "udp", ":0")
		if err == nil {
			_, port, err = net.SplitHostPort(conn.LocalAddr().String())
		}
		return conn, err
	}
	r := newReceiver(t, cfg)
	sent := uint64(0)
	for _, host := range []string{"127.0.0.1", "::1"} {
		r.address = net.JoinHostPort(host, port)
		s, err := snmptest.NewSender(t.Context(), snmptest.SenderConfig{Version: snmptest.V2c, Address: r.address})
		require.NoError(t, err)
		defer s.Close()
		if err := s.Trap(down); err != nil {
			t.Logf("no %s here: %v", host, err)
			continue
		}
		sent++
		require.Equal(t, []string{host + ` = "` + linkDown + `", good`}, r.until(sent))
	}
	require.NotZero(t, sent)
}

// TestTrapRules says which rule a trap falls to.
func TestTrapRules(t *testing.T) {
	at := func(prefix string) []netip.Prefix { return []netip.Prefix{netip.MustParsePrefix(prefix)} }
	cfg := public
	cfg.Rules = []snmp.TrapRule{
		{Name: "first", Trap: private + ".0.3"},
		{Name: "elsewhere", Trap: private + ".0.1", Senders: at("198.51.100.0/24")},
		{Name: "subtree", Trap: private + ".0", Subtree: true, Senders: at("192.0.2.77/24")},
		{Name: "exact", Trap: private + ".0.1"},
		{Name: "below", Trap: private, Subtree: true},
	}
	var messages [][]byte
	for _, trap := range []string{private + ".0.1", private + ".0.2", private + ".0.3", private + ".1", private, private + "9", linkDown} {
		messages = append(messages, trapOf(t, snmptest.SenderConfig{Version: snmptest.V2c}, snmptest.Notification{Trap: trap}))
	}
	piped(t, cfg, func(r *receiver, p *packetPipe) {
		for _, m := range messages {
			p.in <- m
		}
		var names []string
		for _, line := range r.until(uint64(len(messages))) {
			name, _, _ := strings.Cut(line, " ")
			names = append(names, name)
		}
		require.Equal(r, []string{"subtree", "subtree", "first", "below", "below"}, names)
		require.Equal(r, uint64(2), r.listener.Counters().Unmatched)
	})
}

// TestTrapValues says that a variable which is not what its point has to be gives a bad
// sample, and that one which the trap lacks gives none.
func TestTrapValues(t *testing.T) {
	n := snmptest.Notification{Trap: upsOnBatt, Bindings: []snmptest.Binding{
		{OID: upsMinutes + ".0", Value: snmptest.Text("12")},
		{OID: upsMinutes + ".1", Value: snmptest.NoSuchInstance()},
		{OID: upsMinutes + "1.0", Value: snmptest.Integer(12)}, // another object
	}}
	message := trapOf(t, snmptest.SenderConfig{Version: snmptest.V2c}, n)
	piped(t, public, func(r *receiver, p *packetPipe) {
		p.in <- message
		require.Equal(r, []string{
			`ups = "` + upsOnBatt + `", good`, "ups/uptime = 0, good",
			"ups/minutes = -, bad: protocol", "ups/minutes = -, bad: not found (code 129)",
		}, r.until(1))
	})
}

// TestTrapOpenFails says that a socket which is not to be had is an error of Open.
func TestTrapOpenFails(t *testing.T) {
	cfg := public
	cfg.Catalog, cfg.Unmatched, cfg.Name = acquire.NewCatalog(), "any", "traps"
	cfg.Listen = func(context.Context) (net.PacketConn, error) { return nil, errors.New("address in use") }
	l, err := snmp.NewTrapListener(cfg)
	require.NoError(t, err)
	_, err = l.Open(t.Context())
	require.EqualError(t, err, "traps: open: address in use")
	require.False(t, acquire.Permanent(err))
	require.Equal(t, acquire.Ended, l.Stats().Link)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = l.Open(ended)
	require.ErrorIs(t, err, context.Canceled)
}
