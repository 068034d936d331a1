package snmp_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/drivers/snmp"
	"github.com/fieldtap/fieldtap/drivers/snmp/snmptest"
)

// trapper is a user of version 3, as the listener and as senders know it.
var (
	trapper = snmp.TrapUser{User: snmp.User{Name: "trapper", AuthKey: "authentication", PrivKey: "encryption"}}
	sending = snmptest.User{
		Name: "trapper", Auth: snmptest.SHA256, AuthPassword: "authentication", Priv: snmptest.AES128, PrivPassword: "encryption",
	}
)

// down is what senders say if nothing else matters.
var down = snmptest.Notification{Trap: linkDown, Bindings: ints(ifIndex+".1", 1)}

// captured returns the datagrams of a sender, which do not leave.
func captured(t testing.TB, cfg snmptest.SenderConfig, send func(*snmptest.Sender) error) [][]byte {
	t.Helper()
	var messages [][]byte
	sink, err := net.ListenPacket("udp", "127.0.0.1:0")
	require.NoError(t, err)
	defer sink.Close()
	cfg.Address = sink.LocalAddr().String()
	cfg.Edit = func(m []byte) []byte { messages = append(messages, slices.Clone(m)); return m }
	s, err := snmptest.NewSender(context.Background(), cfg) // not one of a bubble
	require.NoError(t, err)
	defer s.Close()
	require.NoError(t, send(s))
	return messages
}

// trapOf returns one trap.
func trapOf(t testing.TB, cfg snmptest.SenderConfig, n snmptest.Notification) []byte {
	t.Helper()
	return captured(t, cfg, func(s *snmptest.Sender) error { return s.Trap(n) })[0]
}

// informOf returns an inform that nobody answers.
func informOf(t testing.TB, cfg snmptest.SenderConfig) []byte {
	t.Helper()
	return captured(t, cfg, func(s *snmptest.Sender) error {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		s.Inform(ctx, down)
		return nil
	})[0]
}

// piped is a receiver whose socket is in memory, in a bubble of virtual time.
func piped(t *testing.T, cfg snmp.TrapConfig, test func(r *receiver, p *packetPipe)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		p := newPacketPipe()
		cfg.Listen = p.listen
		test(newReceiver(t, cfg), p)
	})
}

func v3(level snmptest.Level) snmptest.SenderConfig {
	return snmptest.SenderConfig{Version: snmptest.V3, User: sending, Level: level, EngineID: []byte("an engine"), Boots: 7, Time: 5000}
}

// TestTrapRefusals says what is not believed, why, and that none of it gives a sample.
func TestTrapRefusals(t *testing.T) {
	sound := trapOf(t, snmptest.SenderConfig{Version: snmptest.V2c}, down)
	edited := func(cfg snmptest.SenderConfig, edit func(*snmptest.SenderConfig)) snmptest.SenderConfig {
		edit(&cfg)
		return cfg
	}
	pdu := func(kind byte) []byte { return bytes.Replace(sound, []byte{0xa7}, []byte{kind}, 1) }
	secured := trapOf(t, v3(snmptest.AuthPriv), down)
	open := trapOf(t, edited(v3(snmptest.NoAuthNoPriv), func(c *snmptest.SenderConfig) { c.User = snmptest.User{Name: "open"} }), down)
	flipped := slices.Clone(secured)
	flipped[len(flipped)-1] ^= 1
	for name, c := range map[string]struct {
		message []byte
		want    snmp.TrapCounters
	}{
		"sound":                       {sound, snmp.TrapCounters{Matched: 1}},
		"sound, open":                 {open, snmp.TrapCounters{Matched: 1}},
		"sound, secured":              {secured, snmp.TrapCounters{Matched: 1}},
		"empty":                       {nil, snmp.TrapCounters{Malformed: 1}},
		"cut":                         {sound[:len(sound)-1], snmp.TrapCounters{Malformed: 1}},
		"followed by something":       {append(slices.Clone(sound), 0), snmp.TrapCounters{Malformed: 1}},
		"garbage":                     {[]byte("GET / HTTP/1.1\r\n\r\n"), snmp.TrapCounters{Malformed: 1}},
		"giant":                       {bytes.Repeat([]byte{0x30}, 65507), snmp.TrapCounters{Malformed: 1}},
		"deep":                        {nested(30000), snmp.TrapCounters{Malformed: 1}},
		"a request":                   {pdu(0xa0), snmp.TrapCounters{Unsupported: 1}},
		"an order":                    {pdu(0xa3), snmp.TrapCounters{Unsupported: 1}},
		"a response":                  {pdu(0xa2), snmp.TrapCounters{Unsupported: 1}},
		"an unknown version":          {bytes.Replace(sound, []byte{2, 1, 1, 4}, []byte{2, 1, 2, 4}, 1), snmp.TrapCounters{Unsupported: 1}},
		"of another community":        {trapOf(t, snmptest.SenderConfig{Version: snmptest.V2c, Community: "publi"}, down), snmp.TrapCounters{Unknown: 1}},
		"of another user":             {trapOf(t, edited(v3(snmptest.AuthPriv), func(c *snmptest.SenderConfig) { c.User.Name = "nobody" }), down), snmp.TrapCounters{Unknown: 1}},
		"of a wrong key":              {trapOf(t, edited(v3(snmptest.AuthPriv), func(c *snmptest.SenderConfig) { c.User.AuthPassword = "authenticatioN" }), down), snmp.TrapCounters{Unauthentic: 1}},
		"of a wrong cipher key":       {trapOf(t, edited(v3(snmptest.AuthPriv), func(c *snmptest.SenderConfig) { c.User.PrivPassword = "encryptioN" }), down), snmp.TrapCounters{Unauthentic: 1}},
		"of another hash":             {trapOf(t, edited(v3(snmptest.AuthPriv), func(c *snmptest.SenderConfig) { c.User.Auth = snmptest.SHA1 }), down), snmp.TrapCounters{Unauthentic: 1}},
		"of a lower level":            {trapOf(t, v3(snmptest.AuthNoPriv), down), snmp.TrapCounters{Unauthentic: 1}},
		"of the lowest level":         {trapOf(t, v3(snmptest.NoAuthNoPriv), down), snmp.TrapCounters{Unauthentic: 1}},
		"changed on the way":          {flipped, snmp.TrapCounters{Unauthentic: 1}},
		"latched":                     {trapOf(t, edited(v3(snmptest.AuthPriv), func(c *snmptest.SenderConfig) { c.Boots = 1<<31 - 1 }), down), snmp.TrapCounters{Untimely: 1}},
		"of another first variable":   {bytes.Replace(sound, []byte("\x2b\x06\x01\x02\x01\x01\x03\x00"), []byte("\x2b\x06\x01\x02\x01\x01\x04\x00"), 1), snmp.TrapCounters{Malformed: 1}},
		"a request of version 3":      {bytes.Replace(open, []byte{0xa7}, []byte{0xa0}, 1), snmp.TrapCounters{Unsupported: 1}},
		"an inform as if a trap":      {bytes.Replace(open, []byte{0xa7}, []byte{0xa6}, 1), snmp.TrapCounters{Unsupported: 1}},
		"without a name":              {without(t, 2), snmp.TrapCounters{Malformed: 1}},
		"without a time":              {without(t, 1), snmp.TrapCounters{Malformed: 1}},
		"of too many variables":       {trapOf(t, snmptest.SenderConfig{Version: snmptest.V2c}, snmptest.Notification{Trap: linkDown, Bindings: slices.Repeat(ints("1.3.6", 1), 1025)}), snmp.TrapCounters{Malformed: 1}},
		"of a generic number too far": {trapOf(t, snmptest.SenderConfig{Version: snmptest.V1}, snmptest.Notification{Enterprise: private, Generic: 7}), snmp.TrapCounters{Malformed: 1}},
		"of a negative number":        {trapOf(t, snmptest.SenderConfig{Version: snmptest.V1}, snmptest.Notification{Enterprise: private, Generic: 6, Specific: -1}), snmp.TrapCounters{Malformed: 1}},
		"an inform of version 1":      {bytes.Replace(informOf(t, snmptest.SenderConfig{Version: snmptest.V2c}), []byte{2, 1, 1, 4}, []byte{2, 1, 0, 4}, 1), snmp.TrapCounters{Unsupported: 1}},
		"an inform for another engine": {informOf(t, v3(snmptest.AuthPriv)),
			snmp.TrapCounters{Questions: 1, Replies: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := public
			cfg.Users = []snmp.TrapUser{trapper, {User: snmp.User{Name: "open", Level: snmp.NoAuthNoPriv}}}
			piped(t, cfg, func(r *receiver, p *packetPipe) {
				p.in <- c.message
				lines := r.until(1)
				c.want.Received = 1
				require.Equal(t, c.want, r.listener.Counters())
				require.Len(t, lines, int(c.want.Matched))
				require.Len(t, p.out, int(c.want.Replies))
			})
		})
	}
}

// without returns a trap that lacks the first of what each must have, or both.
func without(t testing.TB, n int) []byte {
	sound := trapOf(t, snmptest.SenderConfig{Version: snmptest.V2c}, snmptest.Notification{Trap: linkDown})
	time, name := hex.EncodeToString(sound[len(sound)-40:len(sound)-25]), hex.EncodeToString(sound[len(sound)-25:])
	require.True(t, strings.HasPrefix(name, "30"), name)
	list, _ := hex.DecodeString([]string{1: name, 2: time}[n])
	list = append([]byte{0x30, byte(len(list))}, list...)
	pdu := append([]byte{2, 1, 1, 2, 1, 0, 2, 1, 0}, list...)
	message := append([]byte{2, 1, 1, 4, 6}, "public"...)
	message = append(append(message, 0xa7, byte(len(pdu))), pdu...)
	return append([]byte{0x30, byte(len(message))}, message...)
}

// nested returns sequences within each other.
func nested(depth int) []byte {
	var out []byte
	for range depth {
		out = append(out, 0x30, 0x80)
	}
	return out
}

// TestTrapReplay says that a message counts once, and an old one not at all.
func TestTrapReplay(t *testing.T) {
	at := func(boots, seconds int32) []byte {
		cfg := v3(snmptest.AuthPriv)
		cfg.Boots, cfg.Time = boots, seconds
		return trapOf(t, cfg, down)
	}
	first, later, rebooted, older := at(7, 5000), at(7, 5200), at(8, 10), at(7, 5199)
	cfg := public
	cfg.Users = []snmp.TrapUser{trapper}
	piped(t, cfg, func(r *receiver, p *packetPipe) {
		step := func(message []byte, want string) {
			r.Helper()
			before := r.listener.Counters()
			p.in <- message
			r.until(before.Received + 1)
			c := r.listener.Counters()
			got := fmt.Sprintf("%d matched, %d repeated, %d untimely",
				c.Matched-before.Matched, c.Repeated-before.Repeated, c.Untimely-before.Untimely)
			require.Equal(r, want, got)
		}
		taken, doubled, refused := "1 matched, 0 repeated, 0 untimely", "0 matched, 1 repeated, 0 untimely", "0 matched, 0 repeated, 1 untimely"
		step(first, taken)
		step(first, doubled)
		step(later, taken)
		step(first, refused) // 200 s before the latest
		time.Sleep(148 * time.Second)
		step(older, taken) // delayed by nearly the window
		time.Sleep(3 * time.Second)
		step(later, refused) // the engine's time goes on without messages
		step(rebooted, taken)
		step(later, refused)
		step(at(7, 1<<30), refused)
	})
}

// TestTrapUsersOfOneName says that engines and addresses tell users of one name apart.
func TestTrapUsersOfOneName(t *testing.T) {
	user := func(key acquire.Secret) snmp.User { return snmp.User{Name: "trapper", AuthKey: key} }
	bound := user("of one engine")
	bound.EngineID = []byte("engine one")
	cfg := snmp.TrapConfig{Users: []snmp.TrapUser{
		{User: bound},
		{User: user("of our address"), Senders: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}},
		{User: user("of another address"), Senders: []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")}},
		{User: user("of anybody")},
	}}
	sent := func(key, engine string) []byte {
		return trapOf(t, snmptest.SenderConfig{
			Version: snmptest.V3, Level: snmptest.AuthNoPriv, EngineID: []byte(engine), Boots: 1,
			User: snmptest.User{Name: "trapper", Auth: snmptest.SHA256, AuthPassword: key},
		}, down)
	}
	piped(t, cfg, func(r *receiver, p *packetPipe) {
		for _, good := range [][2]string{
			{"of one engine", "engine one"}, {"of our address", "engine one"}, {"of our address", "engine two"}, {"of anybody", "engine three"},
		} {
			p.in <- sent(good[0], good[1])
		}
		r.until(4)
		require.Equal(r, uint64(4), r.listener.Counters().Matched)
		p.in <- sent("of one engine", "engine two")
		p.in <- sent("of another address", "engine one")
		r.until(6)
		require.Equal(r, uint64(2), r.listener.Counters().Unauthentic)
	})
}

// TestTrapNewEngines says that engines which nobody vouches for cost a bounded number of
// keys a second, and that one which has proved itself is heard all the same.
func TestTrapNewEngines(t *testing.T) {
	genuine := trapOf(t, v3(snmptest.AuthPriv), down)
	again := trapOf(t, v3(snmptest.AuthPriv), down)
	forged := func(n int) []byte {
		return bytes.Replace(genuine, []byte("an engine"), fmt.Appendf(nil, "%09d", n), 1)
	}
	piped(t, snmp.TrapConfig{Users: []snmp.TrapUser{trapper}}, func(r *receiver, p *packetPipe) {
		p.in <- genuine
		r.until(1)
		for n := range 3000 {
			p.in <- forged(n)
		}
		p.in <- again
		r.until(3002)
		c := r.listener.Counters()
		require.Equal(r, []uint64{2, 999, 2001}, []uint64{c.Matched, c.Unauthentic, c.Throttled})
		time.Sleep(time.Second)
		p.in <- forged(3000)
		r.until(3003)
		require.Equal(r, uint64(1000), r.listener.Counters().Unauthentic)
	})
}

// TestTrapMaxEngines says that engines are forgotten when there are too many.
func TestTrapMaxEngines(t *testing.T) {
	of := func(engine string, seconds int32) []byte {
		cfg := v3(snmptest.AuthPriv)
		cfg.EngineID, cfg.Time = []byte(engine), seconds
		return trapOf(t, cfg, down)
	}
	piped(t, snmp.TrapConfig{Users: []snmp.TrapUser{trapper}, MaxEngines: 2}, func(r *receiver, p *packetPipe) {
		for i, m := range [][]byte{of("first", 1000), of("second", 1000), of("third", 1000), of("second", 700), of("first", 700)} {
			time.Sleep(time.Millisecond)
			p.in <- m
			r.until(uint64(i + 1))
		}
		c := r.listener.Counters()
		require.Equal(r, []uint64{4, 1}, []uint64{c.Matched, c.Untimely}, "the first is new again, the second is not")
	})
}

// TestTrapOverflow says that what does not fit is counted, in the batch too, and that
// what came first is kept.
func TestTrapOverflow(t *testing.T) {
	var messages [][]byte
	for i := range 2000 {
		messages = append(messages, trapOf(t, snmptest.SenderConfig{Version: snmptest.V2c}, snmptest.Notification{Trap: linkDown, Bindings: ints(fmt.Sprint(ifIndex, ".", i), 1)}))
	}
	cfg := public
	cfg.Buffer = 1 << 16
	piped(t, cfg, func(r *receiver, p *packetPipe) {
		for _, m := range messages {
			p.in <- m
		}
		synctest.Wait()
		c := r.listener.Counters()
		require.Equal(r, uint64(2000), c.Received)
		require.Greater(r, c.Pending, uint64(300))
		require.Equal(r, c.Received, c.Pending+c.Dropped)
		lines := r.until(2000)
		require.Len(r, lines, int(c.Pending))
		require.Equal(r, `192.0.2.1/port/0 = "down", good`, lines[0])
		require.Equal(r, fmt.Sprintf(`192.0.2.1/port/%d = "down", good`, c.Pending-1), lines[len(lines)-1])
		require.Equal(r, c.Dropped, r.lost)
		require.Equal(r, c.Dropped, r.listener.Stats().Lost)

		p.in <- messages[0]
		synctest.Wait()
		require.NoError(r, r.stream.Close())
		require.Equal(r, c.Dropped+1, r.listener.Counters().Dropped, "what was not delivered was dropped")
		require.Zero(r, r.listener.Counters().Pending)
	})
}

// TestTrapMaxPoints says that senders cannot make more points than allowed.
func TestTrapMaxPoints(t *testing.T) {
	cfg := public
	cfg.MaxPoints = 3
	var messages [][]byte
	for i := range 6 {
		messages = append(messages, trapOf(t, snmptest.SenderConfig{Version: snmptest.V2c}, snmptest.Notification{Trap: linkDown, Bindings: ints(fmt.Sprint(ifIndex, ".", i%5), 1)}))
	}
	piped(t, cfg, func(r *receiver, p *packetPipe) {
		for _, m := range messages {
			p.in <- m
		}
		require.Len(r, r.until(6), 4)
		require.Equal(r, uint64(2), r.listener.Counters().LostSamples)
		require.Equal(r, uint64(2), r.lost)
		require.Len(r, r.listener.Points(), 3)
	})
}

// TestTrapReplyRate says that replies are bounded, however many ask for them.
func TestTrapReplyRate(t *testing.T) {
	ask := informOf(t, v3(snmptest.AuthPriv))
	cfg := public
	cfg.Users, cfg.MaxReplies = []snmp.TrapUser{trapper}, 10
	piped(t, cfg, func(r *receiver, p *packetPipe) {
		for range 100 {
			p.in <- ask
		}
		r.until(100)
		c := r.listener.Counters()
		require.Equal(r, []uint64{100, 10, 90}, []uint64{c.Questions, c.Replies, c.ReplyFailures})
		require.Len(r, p.out, 10)
	})
}

func TestTrapClockBackwards(t *testing.T) {
	m := trapOf(t, snmptest.SenderConfig{Version: snmptest.V2c}, down)
	cfg := public
	var shift time.Duration
	cfg.Now = func() time.Time { return time.Now().Add(shift) }
	piped(t, cfg, func(r *receiver, p *packetPipe) {
		p.in <- m
		r.until(1)
		synctest.Wait()
		shift = -time.Hour
		p.in <- m
		require.Equal(r, []string{`192.0.2.1/port/1 = "down", good [time backwards]`}, r.until(2))
	})
}
