package snmp_test

import (
	"context"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/drivers/snmp"
	"github.com/fieldtap/fieldtap/drivers/snmp/snmptest"
)

// counting are counters, and others that are none, as scalars and in a table.
func counting() (snmptest.Objects, snmp.Config) {
	objects := snmptest.Objects{
		sysUpTime:        snmptest.Uptime(),
		private + ".1.0": snmptest.Climb32(4294967290, 2),
		private + ".2.0": snmptest.Climb64(18446744073709551610, 2),
		private + ".3.0": snmptest.Integer(5),
	}
	for _, row := range []string{"1", "2"} {
		objects.Row(ifEntry, row, map[uint32]snmptest.Object{10: snmptest.Climb32(100, 1), 8: snmptest.Integer(1)})
		objects[discontinuity+"."+row] = snmptest.TimeTicks(0)
	}
	return objects, snmp.Config{
		Points: []snmp.Point{
			{Name: "32", OID: private + ".1.0", Type: snmp.Counter32},
			{Name: "64", OID: private + ".2.0", Type: snmp.Counter64},
			{Name: "gauge", OID: private + ".3.0", Type: snmp.Int32},
		},
		Tables: []snmp.Table{{Name: "{index}", Discontinuity: discontinuity, Columns: []snmp.Point{
			{Name: "in", OID: ifEntry + ".10", Type: snmp.Counter32},
			{Name: "status", OID: ifEntry + ".8", Type: snmp.Int32},
		}}},
	}
}

func TestWrapIsNoDiscontinuity(t *testing.T) {
	objects, cfg := counting()
	inBubble(t, objects, cfg, func(r *rig) {
		r.poll()
		r.poll()
		assert.Equal(r, []string{
			"1/in = 102, good", "1/status = 1, good", "2/in = 102, good", "2/status = 1, good",
			"32 = 4294967294, good", "64 = 18446744073709551614, good", "gauge = 5, good",
		}, r.poll())
		lines := r.poll()
		assert.Contains(r, lines, "32 = 0, good", "the wrap is for whoever adds up")
		assert.Contains(r, lines, "64 = 0, good")
	})
}

func TestRestartIsFlaggedOnce(t *testing.T) {
	objects, cfg := counting()
	inBubble(t, objects, cfg, func(r *rig) {
		for _, line := range r.poll() {
			assert.NotContains(r, line, "discontinuity", "of the first samples nothing is known")
		}
		r.poll()
		time.Sleep(1500 * time.Millisecond)
		r.agent.Restart()
		restarted := []string{
			"1/in = 100, good [discontinuity]", "1/status = 1, good", "2/in = 100, good [discontinuity]", "2/status = 1, good",
			"32 = 4294967290, good [discontinuity]", "64 = 18446744073709551610, good [discontinuity]", "gauge = 5, good",
		}
		assert.Equal(r, restarted, r.poll())
		for _, line := range r.poll() {
			assert.NotContains(r, line, "discontinuity")
		}
	})
}

// TestRestartInAPollThatIsCancelled ends the context of a poll behind the packet that
// tells of a restart, and in front of the others.
func TestRestartInAPollThatIsCancelled(t *testing.T) {
	objects, cfg := counting()
	sent := func([]byte) {}
	cfg.Trace.Sent = func(message []byte) { sent(message) }
	inBubble(t, objects, cfg, func(r *rig) {
		r.poll()
		r.poll()
		time.Sleep(1500 * time.Millisecond)
		r.agent.Restart()
		ctx, cancel := context.WithCancel(r.Context())
		defer cancel()
		count := 0
		sent = func([]byte) {
			if count++; count == 2 {
				cancel()
			}
		}
		require.ErrorIs(r, r.stream.Next(ctx, &r.batch), context.Canceled)
		require.Equal(r, 2, count)
		require.Empty(r, r.batch.Samples)
		sent = func([]byte) {}
		r.reopen()
		lines := strings.Join(r.poll(), "\n")
		assert.Regexp(r, `(?m)^32 = .*, good \[discontinuity\]$`, lines)
		assert.Regexp(r, `(?m)^64 = .*, good \[discontinuity\]$`, lines)
		assert.Regexp(r, `(?m)^1/in = .*, good \[discontinuity\]$`, lines)
		assert.NotContains(r, strings.Join(r.poll(), "\n"), "discontinuity")
	})
}

// TestRestartWhileAway restarts the agent while no stream is open, and while the first
// samples after it are bad.
func TestRestartWhileAway(t *testing.T) {
	objects, cfg := counting()
	inBubble(t, objects, cfg, func(r *rig) {
		r.poll()
		require.NoError(r, r.stream.Close())
		time.Sleep(time.Hour)
		r.agent.Restart()
		time.Sleep(10 * time.Minute) // the uptime is greater than before
		r.reopen()
		r.agent.SetFault(snmptest.ReplacedAt(private+".1", snmptest.Text("broken")))
		lines := r.poll()
		assert.Contains(r, lines, "32 = -, bad: protocol")
		assert.Contains(r, lines, "64 = 1194, good [discontinuity]")
		assert.Contains(r, lines, "1/in = 700, good [discontinuity]")
		r.agent.SetFault(nil)
		lines = r.poll()
		assert.Contains(r, lines, "32 = 1196, good [discontinuity]", "the flag is for the first good sample")
		assert.Contains(r, lines, "64 = 1196, good")
	})
}

func TestRowDiscontinuity(t *testing.T) {
	objects, cfg := counting()
	inBubble(t, objects, cfg, func(r *rig) {
		r.poll()
		require.NoError(r, r.mib.Set(snmptest.Objects{discontinuity + ".2": snmptest.TimeTicks(100)}))
		lines := r.poll()
		assert.Contains(r, lines, "1/in = 101, good")
		assert.Contains(r, lines, "2/in = 101, good [discontinuity]")
		assert.Contains(r, lines, "2/status = 1, good")
		assert.Contains(r, r.poll(), "2/in = 102, good")
	})
}

// TestUptimeWraps polls an agent whose sysUpTime reaches 2^32.
func TestUptimeWraps(t *testing.T) {
	objects, cfg := counting()
	objects[sysUpTime] = snmptest.Func(func(c snmptest.Clock) snmptest.Value {
		return snmptest.TimeTicks(uint32(c.Up/(10*time.Millisecond) - 150))
	})
	inBubble(t, objects, cfg, func(r *rig) {
		for range 5 {
			for _, line := range r.poll() {
				assert.NotContains(r, line, "discontinuity")
			}
		}
	})
}

func TestAgentWithoutUptime(t *testing.T) {
	for _, version := range []snmp.Version{snmp.V1, snmp.V2c} {
		objects, cfg := counting()
		delete(objects, sysUpTime)
		cfg.Version = version
		if version == snmp.V1 {
			cfg.Points = cfg.Points[:1] // it has no Counter64
		}
		inBubble(t, objects, cfg, func(r *rig) {
			r.poll()
			assert.Contains(r, r.poll(), "1/in = 101, good")
			assert.Contains(r, r.poll(), "32 = 4294967294, good")
			assert.Equal(r, version == snmp.V1, r.source.Limits().NoUpTime)
		})
	}
}

func TestEngineBootsAreARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mib, err := snmptest.NewMIB(snmptest.Objects{private + ".1.0": snmptest.Climb32(0, 1)})
		require.NoError(t, err)
		agent, err := snmptest.New(snmptest.Config{MIB: mib, Users: []snmptest.User{{
			Name: "reader", Auth: snmptest.SHA256, AuthPassword: "authentication",
		}}})
		require.NoError(t, err)
		defer agent.Close()
		r := &rig{T: t, agent: agent, catalog: acquire.NewCatalog()}
		r.cfg = snmp.Config{
			User:    snmp.User{Name: "reader", AuthKey: "authentication"},
			Catalog: r.catalog, Interval: time.Second, Timeout: 900 * time.Millisecond,
			Points: []snmp.Point{{Name: "e", OID: private + ".1.0", Type: snmp.Counter32}},
			Dial:   func(context.Context) (net.Conn, error) { return link(agent.ServeDatagrams), nil },
		}
		r.open()
		r.poll()
		assert.Equal(t, []string{"e = 1, good"}, r.poll())
		require.NoError(t, agent.RestartWithNewEngine())
		assert.Equal(t, []string{"e = -, bad: security (code 70)"}, r.poll())
		assert.Regexp(t, `^e = \d+, good \[discontinuity\]$`, r.poll()[0], "another agent, though it has booted as often")
		assert.NotContains(t, r.poll()[0], "discontinuity")
		agent.Restart()
		assert.Equal(t, []string{"e = 1, good [discontinuity]"}, r.poll())
		assert.Equal(t, []string{"e = 2, good"}, r.poll())
	})
}
