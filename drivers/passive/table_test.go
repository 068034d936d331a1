package passive_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/drivers/passive"
	"github.com/fieldtap/fieldtap/drivers/snmp"
	"github.com/fieldtap/fieldtap/drivers/snmp/snmptest"
	"github.com/fieldtap/fieldtap/units"
)

// Entries of the simulated agent.
const (
	ports   = "1.3.6.1.2.1.2.2.1"
	names   = "1.3.6.1.2.1.31.1.1.1"
	sensors = "1.3.6.1.2.1.99.1.1.1"
)

// tables are one with labels and counters over two entries, and two of the same columns
// whose rows are told apart by what they measure.
func tables() []snmp.Table {
	exponents := []snmp.Exponent{{OID: sensors + ".2", Times: 3, Zero: 9}, {OID: sensors + ".3", Times: -1, Floor: true}}
	return []snmp.Table{
		{Name: "port/{label}", Label: names + ".1", Discontinuity: names + ".19", Columns: []snmp.Point{
			{Name: "in", OID: names + ".6", Type: snmp.Counter64, Unit: units.Byte},
			{Name: "state", OID: ports + ".8", Names: map[int64]string{1: "up", 2: "down"}},
			{Name: "speed", OID: ports + ".5", Type: snmp.Uint32, Scale: units.Scale{Den: 10}},
		}},
		{Name: "sensor/{index}", Where: []snmp.Condition{{OID: sensors + ".1", In: []int64{3, 4}}}, Columns: []snmp.Point{
			{Name: "U", OID: sensors + ".4", Type: snmp.Int32, Unit: units.Volt, Exponents: exponents},
		}},
		{Name: "sensor/{index}", Where: []snmp.Condition{{OID: sensors + ".1", In: []int64{6}}}, Columns: []snmp.Point{
			{Name: "P", OID: sensors + ".4", Type: snmp.Int32, Unit: units.Watt, Exponents: exponents},
		}},
	}
}

// shuffle lets rows come, change and go.
func shuffle(t testing.TB, mib *snmptest.MIB, random *rand.Rand) {
	for i := range uint32(12) {
		index := strconv.Itoa(int(i*i + 1))
		switch random.IntN(6) {
		case 0:
			for _, column := range []string{ports + ".8", ports + ".5", names + ".1", names + ".6", names + ".19"} {
				mib.Delete(column + "." + index)
			}
		case 1:
			mib.Delete(names + ".1." + index)
		case 2:
			for c := range uint32(4) {
				mib.Delete(fmt.Sprintf("%s.%d.%s", sensors, c+1, index))
			}
		case 3, 4:
			objects := make(snmptest.Objects)
			objects.Row(ports, index, map[uint32]snmptest.Object{8: snmptest.Integer(1 + random.Int32N(3)), 5: snmptest.Gauge32(random.Uint32())})
			objects.Row(names, index, map[uint32]snmptest.Object{
				1: snmptest.Text("p" + strconv.Itoa(random.IntN(9))), 6: snmptest.Counter64(random.Uint64()), 19: snmptest.TimeTicks(random.Uint32N(2)),
			})
			require.NoError(t, mib.Set(objects))
		case 5:
			objects := make(snmptest.Objects)
			objects.Row(sensors, index, map[uint32]snmptest.Object{
				1: snmptest.Integer(3 + random.Int32N(4)), 2: snmptest.Integer(8 + random.Int32N(3)), 3: snmptest.Integer(random.Int32N(3)), 4: snmptest.Integer(random.Int32()),
			})
			require.NoError(t, mib.Set(objects))
		}
	}
}

// polled has the SNMP driver poll an agent, and returns what it delivered and what
// passed.
func polled(t *testing.T, cfg snmp.Config, fault snmptest.Fault, polls int, random *rand.Rand) (active []string, lost uint64, r *recorder) {
	r = &recorder{client: netip.MustParseAddrPort("192.0.2.1:40000"), server: netip.MustParseAddrPort("192.0.2.20:161"), udp: true}
	synctest.Test(t, func(t *testing.T) {
		mib, err := snmptest.NewMIB(snmptest.Objects{
			"1.3.6.1.2.1.1.3.0": snmptest.Uptime(), "1.3.6.1.2.1.1.5.0": snmptest.Text("agent"), "1.3.6.1.4.1.1.0": snmptest.Integer(1),
		})
		require.NoError(t, err)
		agent, err := snmptest.New(snmptest.Config{
			MIB: mib, Latency: 3 * time.Millisecond, Users: []snmptest.User{{Name: "reader", Auth: snmptest.SHA256, AuthPassword: "maplesyrup"}},
		})
		require.NoError(t, err)
		defer agent.Close()
		catalog := acquire.NewCatalog()
		cfg.Dial = func(context.Context) (net.Conn, error) { return r.link(agent.ServeDatagrams), nil }
		cfg.Catalog, cfg.Interval, cfg.Timeout = catalog, time.Second, 200*time.Millisecond
		if cfg.Version == snmp.V3 {
			cfg.User = snmp.User{Name: "reader", Level: snmp.AuthNoPriv, AuthKey: "maplesyrup"}
		} else {
			cfg.Community = "public"
		}
		src, err := snmp.NewSource(cfg)
		require.NoError(t, err)
		stream, err := src.Open(t.Context())
		require.NoError(t, err)
		defer stream.Close()
		agent.SetFault(fault)
		var b acquire.Batch
		for i := range polls {
			shuffle(t, mib, random)
			if i == polls/2 && cfg.Version != snmp.V3 {
				agent.Restart()
			}
			require.NoError(t, stream.Next(t.Context(), &b))
			active = append(active, lines(catalog, &b)...)
			lost += b.Lost
		}
	})
	return active, lost, r
}

// same demands that lines are the same, and shows the first that are not.
func same(t testing.TB, want, got []string, format string, args ...any) {
	t.Helper()
	for i := range want {
		if i >= len(got) || want[i] != got[i] {
			t.Fatalf("%s: line %d of %d, %d\nwant %v\ngot  %v", fmt.Sprintf(format, args...), i, len(want), len(got),
				strings.Join(want[i:min(i+5, len(want))], "\n     "), strings.Join(got[min(i, len(got)):min(i+5, len(got))], "\n     "))
		}
	}
	require.Len(t, got, len(want))
}

func overheardTables(files ...string) passive.Config {
	return passive.Config{
		ReaderConfig: passive.ReaderConfig{Files: files, Timeout: 200 * time.Millisecond},
		SNMP: []passive.SNMPAgent{{
			Points: []snmp.Point{{Name: "name", OID: "1.3.6.1.2.1.1.5.0", Type: snmp.Text}}, Tables: tables(),
		}},
	}
}

// Tables that the driver walks through, heard on the wire, give the same samples: names
// by labels, what rows are by conditions, scales by exponents, counters that start anew,
// rows that are gone.
func TestTablesHeardAsRead(t *testing.T) {
	for _, way := range []struct {
		version snmp.Version
		fault   func() snmptest.Fault
	}{
		{snmp.V1, nil}, {snmp.V2c, nil}, {snmp.V3, nil},
		{snmp.V2c, func() snmptest.Fault { return snmptest.TooBigAbove(7) }},
		{snmp.V2c, func() snmptest.Fault { return snmptest.TooBigAboveBytes(300) }},
		{snmp.V1, func() snmptest.Fault { return snmptest.TooBigAbove(5) }},
		{snmp.V2c, func() snmptest.Fault { return snmptest.StatusAt(ports+".8.26", 5) }},
	} {
		var fault snmptest.Fault
		if way.fault != nil {
			fault = way.fault()
		}
		cfg := snmp.Config{Version: way.version, Points: overheardTables().SNMP[0].Points, Tables: tables()}
		active, lost, r := polled(t, cfg, fault, 40, rand.New(rand.NewPCG(1, uint64(way.version))))
		got, src := heard(t, overheardTables(captureOf(t, r.frames(t, segmenting{}))))
		require.Greater(t, len(active), 500)
		same(t, byPoint(active), byPoint(got), "%+v", way)
		assert.Equal(t, lost, src.Stats().Lost)
		all := strings.Join(got, "\n")
		for _, want := range []string{"[final", "discontinuity", "/U ", "/P ", "port/#"} {
			if way.version == snmp.V2c || want != "discontinuity" {
				assert.Contains(t, all, want, "%+v", way)
			}
		}
		assert.Zero(t, src.Counters().Unpaired)
		assert.Equal(t, len(src.Points()), src.Catalog().Len())
	}
}
