package snmpwire_test

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/internal/snmpwire"
)

// TestFresh is RFC 3414, 3.2, step 7a.
func TestFresh(t *testing.T) {
	for _, v := range []struct {
		ownBoots, ownTime, boots, time int32
		want                           bool
	}{
		{5, 1000, 5, 1000, true},
		{5, 1000, 5, 850, true},
		{5, 1000, 5, 849, false},
		{5, 1000, 5, 1150, true},
		{5, 1000, 5, 1151, false},
		{5, 1000, 4, 1000, false},
		{5, 1000, 6, 1000, false},
		{snmpwire.LatchedBoots, 0, snmpwire.LatchedBoots, 0, false},
		{0, 0, 0, 0, true},
		{5, 0, 5, math.MaxInt32, false},
		{5, math.MaxInt32, 5, 0, false},
	} {
		assert.Equal(t, v.want, snmpwire.Fresh(v.ownBoots, v.ownTime, v.boots, v.time), "%+v", v)
	}
}

// TestClock is RFC 3414, 3.2, step 7b, as a manager meets it.
func TestClock(t *testing.T) {
	start := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	var c snmpwire.Clock
	boots, seconds := c.Now(start)
	require.Zero(t, boots, "a clock that knows nothing sends zeros")
	require.Zero(t, seconds)
	for _, v := range []struct {
		after       time.Duration
		boots, time int32
		want        bool
		nowBoots    int32 // what the manager would send next
		nowTime     int32
	}{
		{0, 7, 1000, true, 7, 1000},
		{10 * time.Second, 7, 1009, true, 7, 1009},   // the agent's clock is slow: follow it
		{20 * time.Second, 7, 1030, true, 7, 1030},   // or fast
		{20 * time.Second, 7, 900, true, 7, 1030},    // an older one, within the window: no step back
		{20 * time.Second, 7, 880, true, 7, 1030},    // the edge
		{20 * time.Second, 7, 879, false, 7, 1030},   // replayed
		{20 * time.Second, 6, 1030, false, 7, 1030},  // from before the last boot
		{170 * time.Second, 7, 1030, true, 7, 1180},  // the edge moves on
		{171 * time.Second, 7, 1030, false, 7, 1181}, // with time
		{200 * time.Second, 8, 3, true, 8, 3},        // restarted
		{201 * time.Second, 7, 1212, false, 8, 4},    // the past is past
		{202 * time.Second, 8, 0, true, 8, 5},        // restarted without counting it, soon after
		{300 * time.Second, 8, 9000, true, 8, 9000},  // the future is believed: it is authentic
		{301 * time.Second, snmpwire.LatchedBoots, 1, false, snmpwire.LatchedBoots, 1},
		{302 * time.Second, snmpwire.LatchedBoots, 2, false, snmpwire.LatchedBoots, 2},
	} {
		now := start.Add(v.after)
		require.Equal(t, v.want, c.Hear(v.boots, v.time, now), "%+v", v)
		boots, seconds := c.Now(now)
		require.Equal(t, []int32{v.nowBoots, v.nowTime}, []int32{boots, seconds}, "%+v", v)
	}
	c = snmpwire.Clock{Boots: 1, Time: math.MaxInt32 - 5, At: start}
	_, seconds = c.Now(start.Add(time.Hour))
	require.Equal(t, int32(math.MaxInt32), seconds, "the largest time is the last")
	_, seconds = c.Now(start.Add(-time.Hour))
	require.Equal(t, int32(math.MaxInt32-5), seconds, "a clock does not go back")
}

func TestStats(t *testing.T) {
	names := map[string]bool{}
	for s := snmpwire.UnsupportedSecLevels; s <= snmpwire.UnknownContexts; s++ {
		require.NoError(t, snmpwire.CheckOID([]byte(s.OID())))
		require.Equal(t, s, snmpwire.StatOf([]byte(s.OID())))
		require.Equal(t, s, snmpwire.StatOf([]byte(s.OID()[:len(s.OID())-1])))
		require.False(t, names[s.String()])
		names[s.String()] = true
	}
	for s, want := range map[snmpwire.Stat]string{
		snmpwire.UnsupportedSecLevels:  "1.3.6.1.6.3.15.1.1.1.0",
		snmpwire.WrongDigests:          "1.3.6.1.6.3.15.1.1.5.0",
		snmpwire.UnknownSecurityModels: "1.3.6.1.6.3.11.2.1.1.0",
		snmpwire.UnknownContexts:       "1.3.6.1.6.3.12.1.5.0",
		snmpwire.UnknownStat:           "",
		99:                             "",
	} {
		require.Equal(t, want, string(snmpwire.AppendOIDText(nil, []byte(s.OID()))))
	}
	require.Equal(t, "unknown", snmpwire.Stat(99).String())
	require.Equal(t, snmpwire.UnknownStat, snmpwire.StatOf(nil))
	require.Equal(t, snmpwire.UnknownStat, snmpwire.StatOf([]byte(snmpwire.WrongDigests.OID()+"\x00")))
}
