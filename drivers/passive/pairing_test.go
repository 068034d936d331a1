package passive_test

import (
	"context"
	"encoding/binary"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/drivers/modbus"
	"github.com/fieldtap/fieldtap/drivers/modbus/modbustest"
	"github.com/fieldtap/fieldtap/drivers/passive"
	"github.com/fieldtap/fieldtap/drivers/snmp"
	"github.com/fieldtap/fieldtap/drivers/snmp/snmptest"
)

// A late answer is not taken for the next one, with ids that are always the same and on a
// line that has none.
func TestLateAnswerIsNobodys(t *testing.T) {
	at := time.Unix(1790000000, 0)
	talk := func(parts ...any) (got []string, stats passive.Stats) {
		r := &recorder{client: netip.MustParseAddrPort("192.0.2.1:40000"), server: netip.MustParseAddrPort("192.0.2.10:502")}
		now := at
		for _, p := range parts {
			switch p := p.(type) {
			case time.Duration:
				now = now.Add(p)
			case string:
				r.sent = append(r.sent, written{now, p[0] == '<', []byte(p[1:])})
				now = now.Add(10 * time.Millisecond)
			}
		}
		got, src := heard(t, passive.Config{
			ReaderConfig: passive.ReaderConfig{Files: []string{captureOf(t, r.frames(t, segmenting{}))}, Timeout: 3 * time.Second},
			Modbus: []passive.ModbusDevice{{Unit: 1, Points: []modbus.Point{
				{Name: "a", At: modbus.Holding(1), Type: modbus.Uint16}, {Name: "b", At: modbus.Holding(2), Type: modbus.Uint16}, {Name: "c", At: modbus.Holding(4), Type: modbus.Uint32},
			}}},
		})
		return got, src.Counters()
	}
	const (
		askA    = ">\x00\x00\x00\x00\x00\x06\x01\x03\x00\x01\x00\x01"
		askB    = ">\x00\x00\x00\x00\x00\x06\x01\x03\x00\x02\x00\x01"
		askC    = ">\x00\x00\x00\x00\x00\x06\x01\x03\x00\x04\x00\x02"
		answer  = "<\x00\x00\x00\x00\x00\x05\x01\x03\x02\x00\x09"
		answerC = "<\x00\x00\x00\x00\x00\x07\x01\x03\x04\x00\x00\x00\x07"
		refused = "<\x00\x00\x00\x00\x00\x03\x01\x83\x02"
	)
	good := func(got []string) (n int) {
		for _, line := range got {
			if strings.HasSuffix(line, " good") {
				n++
			}
		}
		return n
	}
	got, stats := talk(askA, answer, askB, answer)
	assert.Equal(t, 2, good(got))
	assert.Zero(t, stats.Ambiguous)

	// The answer may be A's, which is late, or B's.
	got, stats = talk(askA, time.Second, askB, answer)
	assert.Zero(t, good(got), "%v", got)
	assert.Equal(t, uint64(1), stats.Ambiguous)

	// When A has had its time, the answer is B's.
	got, stats = talk(askB, answer, askA, 4*time.Second, askB, answer)
	assert.Equal(t, 2, good(got))
	assert.Equal(t, uint64(1), stats.Unanswered)
	assert.Contains(t, strings.Join(got, "\n"), "a - bad: communication")

	// A longer answer tells by its length whose it is; one that refuses does not.
	got, stats = talk(askA, askC, answerC, answer)
	assert.Equal(t, 2, good(got))
	assert.Zero(t, stats.Ambiguous)
	got, stats = talk(askA, askC, refused)
	assert.Empty(t, got)
	assert.Equal(t, uint64(1), stats.Ambiguous)

	// Asked twice, answered once: that is one reading, at the second.
	got, stats = talk(askA, time.Second, askA, answer)
	require.Len(t, got, 1)
	assert.Contains(t, got[0], "21.015Z a 9 good")
	assert.Equal(t, uint64(1), stats.Repeated)

	// Nobody asked.
	got, stats = talk(askA, answer, answer)
	assert.Equal(t, 1, good(got))
	assert.Equal(t, uint64(1), stats.Unpaired)
}

// RTU frames over TCP are known by their checks, from the start and in the middle.
func TestRTUOverTCP(t *testing.T) {
	active, r := converse(t, 30, modbustest.Every(11, modbustest.WithException(modbustest.ServerDeviceFailure)), true)
	for _, s := range []segmenting{{}, {size: 100, mid: true}} {
		got, src := heard(t, overheard(captureOf(t, r.frames(t, s))))
		require.Equal(t, byPoint(active), byPoint(got))
		assert.Zero(t, src.Counters().Malformed)
	}
}

// Traps and informs, by the rules of a listener.
func TestTrapsAreHeard(t *testing.T) {
	r := &recorder{client: netip.MustParseAddrPort("192.0.2.7:40000"), server: netip.MustParseAddrPort("192.0.2.1:162"), udp: true}
	for _, version := range []snmptest.Version{snmptest.V1, snmptest.V2c} {
		sender, err := snmptest.NewSender(t.Context(), snmptest.SenderConfig{
			Version: version,
			Dial: func(context.Context) (net.Conn, error) {
				return r.link(func(c net.Conn) { _, _ = c.Read(make([]byte, 1<<16)) }), nil
			},
		})
		require.NoError(t, err)
		require.NoError(t, sender.Trap(snmptest.Notification{
			Trap: "1.3.6.1.6.3.1.1.5.3", Enterprise: "1.3.6.1.4.1.1", Generic: 2, Bindings: []snmptest.Binding{{OID: "1.3.6.1.2.1.2.2.1.1.7", Value: snmptest.Integer(7)}},
		}))
		sender.Close()
	}
	catalog := acquire.NewCatalog()
	got, src := heard(t, passive.Config{
		ReaderConfig: passive.ReaderConfig{Files: []string{captureOf(t, r.frames(t, segmenting{}))}}, Catalog: catalog,
		Traps: []snmp.TrapConfig{{
			Communities: []acquire.Secret{"public"},
			Rules: []snmp.TrapRule{{
				Name: "{sender}/link", Trap: "1.3.6.1.6.3.1.1.5.3", Text: "down", Points: []snmp.Point{{Name: "index", OID: "1.3.6.1.2.1.2.2.1.1"}},
			}},
		}},
	})
	require.Len(t, got, 4, "%v", got)
	assert.Contains(t, got[0], `192.0.2.7/link "down" good`)
	assert.Contains(t, got[1], "192.0.2.7/link/index 7 good")
	assert.Len(t, src.Points(), 2)
	assert.Equal(t, uint64(2), src.Counters().Notifications)
}

// What Survey finds can be read: the points that it proposes give a value each.
func TestSurveyedIsHeard(t *testing.T) {
	_, m := converse(t, 5, nil)
	_, o := subscribe(t, 1)
	cfg := passive.ReaderConfig{Files: []string{captureOf(t, m.frames(t, segmenting{})), captureOf(t, o.frames(t, segmenting{}))}}
	inventory, err := passive.Survey(t.Context(), cfg)
	require.NoError(t, err)
	require.Len(t, inventory.Devices, 2)
	assert.NoError(t, inventory.Damage)
	proposed := inventory.Config(cfg)
	require.Len(t, proposed.Modbus, 1)
	require.Len(t, proposed.OPCUA, 1)
	assert.Equal(t, byte(7), proposed.Modbus[0].Unit)
	got, src := heard(t, proposed)
	valued := make(map[string]bool)
	for _, line := range got {
		if fields := strings.SplitN(line, " ", 2); strings.Contains(line, " good") {
			for _, id := range src.Points() {
				if p, _ := src.Catalog().Point(id); strings.HasPrefix(fields[1], p.Name+" ") {
					valued[p.Name] = true
				}
			}
		}
	}
	assert.Len(t, valued, len(src.Points()))
	assert.Greater(t, len(valued), 20)
	var text strings.Builder
	_, err = inventory.WriteTo(&text)
	require.NoError(t, err)
	for _, want := range []string{"Modbus 192.0.2.10:502 unit 7", "read holding registers", "OPC UA 192.0.2.10:48400", "ns=2;s=told  Int32"} {
		assert.Contains(t, text.String(), want)
	}

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = passive.Survey(ctx, cfg)
	require.ErrorIs(t, err, context.Canceled)
}

// A connection between the same ports whose beginning was not captured is heard from its
// second message on, and a lone segment of nowhere is passed over.
func TestStraySegments(t *testing.T) {
	_, frames := seed(t)
	shifted := func(f frame, by uint32) frame {
		f.data = slices.Clone(f.data)
		const seq, ack = 14 + 20 + 4, 14 + 20 + 8
		binary.BigEndian.PutUint32(f.data[seq:], binary.BigEndian.Uint32(f.data[seq:])+by)
		binary.BigEndian.PutUint32(f.data[ack:], binary.BigEndian.Uint32(f.data[ack:])+by)
		return f
	}
	whole, _ := messages(t, inMemoryAnyLimit(pcap(binary.LittleEndian, 0xA1B23C4D, 1, frames)))
	again := slices.Clone(frames)
	for i := range again {
		if i >= len(again)/2 {
			again[i] = shifted(again[i], 1<<30)
		}
	}
	got, stats := messages(t, inMemoryAnyLimit(pcap(binary.LittleEndian, 0xA1B23C4D, 1, again)))
	assert.Equal(t, len(whole)-2, len(got))
	assert.Equal(t, uint64(2), stats.Gaps)
	lone := slices.Clone(frames)
	lone[7] = shifted(lone[7], 1<<30) // a request: its answer is nobody's
	got, stats = messages(t, inMemoryAnyLimit(pcap(binary.LittleEndian, 0xA1B23C4D, 1, lone)))
	assert.Len(t, got, len(whole)-1)
	assert.Equal(t, uint64(1), stats.Unpaired)
	assert.Zero(t, stats.Unanswered)
	assert.NotZero(t, stats.SkippedBytes)
	for _, line := range got {
		assert.Contains(t, strings.Join(whole, "\n"), line[:len(line)-2])
	}
}
