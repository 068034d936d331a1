package snmp_test

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/drivers/snmp"
	"github.com/fieldtap/fieldtap/drivers/snmp/snmptest"
	"github.com/fieldtap/fieldtap/units"
)

func TestScalarsAndTable(t *testing.T) {
	objects := snmptest.Objects{
		sysUpTime:        snmptest.Uptime(),
		private + ".1.0": snmptest.Integer(-125),
		private + ".2.0": snmptest.Climb32(1000, 10),
		private + ".3.0": snmptest.Text("UPS \x00"),
		private + ".4.0": snmptest.Integer(2),
	}
	objects.Row(ifEntry, "7", map[uint32]snmptest.Object{10: snmptest.Counter32(70), 16: snmptest.Counter32(71)})
	objects.Row(ifEntry, "300", map[uint32]snmptest.Object{10: snmptest.Counter32(80)})
	inBubble(t, objects, snmp.Config{
		Points: []snmp.Point{
			{Name: "power", OID: private + ".1.0", Type: snmp.Int32, Scale: units.Scale{Den: 10}, Unit: units.Watt},
			{Name: "energy", OID: private + ".2.0", Type: snmp.Counter32, Unit: units.WattHour},
			{Name: "name", OID: private + ".3.0", Type: snmp.Text},
			{Name: "mode", OID: private + ".4.0", Names: map[int64]string{2: "battery"}},
			{Name: "none", OID: private + ".5.0"},
		},
		Tables: []snmp.Table{{Name: "if/{index}", Columns: []snmp.Point{
			{Name: "in", OID: ifEntry + ".10", Type: snmp.Counter32},
			{Name: "out", OID: ifEntry + ".16", Type: snmp.Counter32},
		}}},
	}, func(r *rig) {
		assert.Equal(t, []string{
			`energy = 1000, good`,
			`if/300/in = 80, good`,
			`if/7/in = 70, good`,
			`if/7/out = 71, good`,
			`mode = "battery", good`,
			`name = "UPS", good`,
			`none = -, bad: not found (code 128)`,
			`power = -12.5, good`,
		}, r.poll())
		r.mib.Delete(ifEntry + ".10.300")
		assert.Contains(t, r.poll(), `if/300/in = -, bad: not found (code 129) [final]`)
		assert.NotContains(t, r.poll(), `if/300`)
		assert.Equal(t, uint64(6), r.agent.Stats().Requests)
		assert.Equal(t, acquire.Up, r.source.Stats().Link)
	})
}

func TestConfigNamesEveryFault(t *testing.T) {
	_, err := snmp.NewSource(snmp.Config{
		Address: "192.0.2.1:99999", MaxTimeouts: -1, ConnectTimeout: -1, Interval: 2 * time.Second, Retries: 9,
		Limits: snmp.Limits{MaxAnswer: -1},
		Points: []snmp.Point{
			{},
			{Name: "a", OID: ".1.3.6"},
			{Name: "a", OID: "1.3.6.1", Type: 99},
			{Name: "b", OID: "1.3.6.1", Type: snmp.Text, Scale: units.Scale{Den: 10}, Sentinels: []int64{1}, Unit: units.Watt, Role: acquire.Counter},
			{Name: "c", OID: "1.3.6.1", Interval: 3 * time.Second, Names: map[int64]string{1: "x"}, Unit: units.Watt},
			{Name: "d", OID: "1.3.6.1", Exponents: []snmp.Exponent{{OID: "x", Times: 99}}, Scale: units.Scale{Num: 1 << 62}},
		},
		Tables: []snmp.Table{
			{Name: "t", Columns: []snmp.Point{{Name: "x", OID: "1.3.6"}, {Name: "x", OID: "1.3.6"}, {}}},
			{Name: "{label} {", MaxRows: -1},
			{Name: "{3}", Index: []snmp.IndexPart{{Kind: snmp.ImpliedIndex}, {Kind: snmp.FixedIndex}}, Label: "y", Interval: time.Second},
		},
	})
	require.Error(t, err)
	for _, want := range []string{
		"snmp: ", "port", "neither a user nor a community", "Retries of 9", "no catalog", "connect timeout", "MaxTimeouts of -1", "negative",
		`point "": no OID`, "has no name", `".1.3.6" is no OID`, `point "a" is given twice`, "unknown type 99",
		"type text has no scale", "no raw number", "type text has no unit", "only numbers count",
		"no multiple", "names are for integers", `"x" of an exponent`, "99 times", "out of range with exponents",
		`table "t": its rows would all have this name`, `column "x" is given twice`, "column 1.3.6 is given twice", "column  has no name",
		"malformed braces", "no columns", "MaxRows of -1", "{3} of an index of 2 parts", "only the last part", "length 0", `"y" is no OID`,
	} {
		assert.ErrorContains(t, err, want)
	}
}

func TestIntervals(t *testing.T) {
	objects := snmptest.Objects{private + ".1.0": snmptest.Integer(1), private + ".2.0": snmptest.Integer(2), ifEntry + ".10.1": snmptest.Integer(3)}
	inBubble(t, objects, snmp.Config{
		Points: []snmp.Point{{Name: "often", OID: private + ".1.0"}, {Name: "seldom", OID: private + ".2.0", Interval: 3 * time.Second}},
		Tables: []snmp.Table{{Name: "{index}", Interval: 2 * time.Second, Columns: []snmp.Point{{Name: "x", OID: ifEntry + ".10"}}}},
	}, func(r *rig) {
		var counts []int
		for range 7 {
			counts = append(counts, len(r.poll()))
		}
		assert.Equal(r, []int{3, 1, 2, 2, 2, 1, 3}, counts)
		time.Sleep(6500 * time.Millisecond) // ticks 7 to 12 pass
		r.poll()
		assert.Equal(r, uint64(5), r.source.Stats().Skipped)
		assert.Equal(r, uint64(5+1+2), r.batch.Lost)
	})
}

func TestTablesOfSeveralIntervals(t *testing.T) {
	objects := snmptest.Objects{ifEntry + ".10.1": snmptest.Integer(1), ifEntry + ".11.2": snmptest.Integer(2)}
	inBubble(t, objects, snmp.Config{Tables: []snmp.Table{
		{Name: "slow {index}", Interval: 2 * time.Second, Columns: []snmp.Point{{Name: "x", OID: ifEntry + ".10"}}},
		{Name: "fast {index}", Columns: []snmp.Point{{Name: "x", OID: ifEntry + ".11"}}},
	}}, func(r *rig) {
		both := []string{"fast 2/x = 2, good", "slow 1/x = 1, good"}
		assert.Equal(r, both, r.poll())
		assert.Equal(r, both[:1], r.poll())
		r.mib.Delete(ifEntry + ".10")
		assert.Equal(r, []string{both[0], "slow 1/x = -, bad: not found (code 129) [final]"}, r.poll())
		assert.Equal(r, both[:1], r.poll())
	})
}

func TestNamesOfTwoColumns(t *testing.T) {
	objects := snmptest.Objects{ifEntry + ".10.1": snmptest.Integer(1), ifEntry + ".11.1": snmptest.Integer(2), private + ".1.0": snmptest.Integer(3)}
	inBubble(t, objects, snmp.Config{
		Points: []snmp.Point{{Name: "1/y", OID: private + ".1.0"}},
		Tables: []snmp.Table{
			{Name: "{index}", Columns: []snmp.Point{{Name: "x", OID: ifEntry + ".10"}}},
			{Name: "{1}", Columns: []snmp.Point{{Name: "x", OID: ifEntry + ".11"}, {Name: "y", OID: ifEntry + ".10"}}},
		},
	}, func(r *rig) {
		for range 2 {
			assert.Equal(r, []string{"1/x = 1, good", "1/y = 3, good"}, r.poll(), "no point has two sources")
			assert.Equal(r, uint64(2), r.batch.Lost)
		}
	})
}

func TestStreamsBesideEachOther(t *testing.T) {
	objects := snmptest.Objects{sysUpTime: snmptest.Uptime(), ifEntry + ".10.1": snmptest.Climb32(0, 1), ifEntry + ".10.2": snmptest.Climb32(0, 1)}
	cfg := snmp.Config{Tables: []snmp.Table{{Name: "{index}", Columns: []snmp.Point{{Name: "x", OID: ifEntry + ".10", Type: snmp.Counter32}}}}}
	inBubble(t, objects, cfg, func(r *rig) {
		time.Sleep(time.Minute)
		first := r.stream
		r.poll()
		r.reopen()
		second := r.stream
		assert.Equal(r, []string{"1/x = 60, good", "2/x = 60, good"}, r.poll())
		r.mib.Delete(ifEntry + ".10.2")
		r.agent.Restart()
		for _, stream := range []acquire.Stream{first, second} {
			r.stream = stream
			assert.Equal(r, []string{"1/x = 1, good [discontinuity]", "2/x = -, bad: not found (code 129) [final]"}, r.poll()[:2])
		}
		assert.Len(r, r.source.Points(), 2)
	})
}

// TestRowGoneWhileAway takes a row away while no stream is open.
func TestRowGoneWhileAway(t *testing.T) {
	objects := snmptest.Objects{ifEntry + ".10.1": snmptest.Integer(1), ifEntry + ".10.2": snmptest.Integer(2)}
	cfg := snmp.Config{Tables: []snmp.Table{{Name: "{index}", Columns: []snmp.Point{{Name: "x", OID: ifEntry + ".10"}}}}}
	inBubble(t, objects, cfg, func(r *rig) {
		r.poll()
		require.NoError(r, r.stream.Close())
		r.mib.Delete(ifEntry + ".10.2")
		r.reopen()
		assert.Equal(r, []string{"1/x = 1, good", "2/x = -, bad: not found (code 129) [final]"}, r.poll())
		assert.Equal(r, []string{"1/x = 1, good"}, r.poll())
	})
}

// TestTableThatIsNotThere is no fault: rows may come.
func TestTableThatIsNotThere(t *testing.T) {
	cfg := snmp.Config{Tables: []snmp.Table{{Name: "{index}", Columns: []snmp.Point{{Name: "x", OID: ifEntry + ".10"}}}}}
	inBubble(t, snmptest.Objects{}, cfg, func(r *rig) {
		assert.Empty(r, r.poll())
		require.NoError(r, r.mib.Set(snmptest.Objects{ifEntry + ".10.1": snmptest.Integer(1)}))
		before := r.catalog.Len()
		assert.Equal(r, []string{"1/x = 1, good"}, r.poll())
		assert.Equal(r, before+1, r.catalog.Len())
	})
}

// TestDeadTableSaysNothingIsGone lets an agent die in the middle of a walk.
func TestDeadTableSaysNothingIsGone(t *testing.T) {
	objects := snmptest.Objects{sysUpTime: snmptest.Uptime()}
	for i := range 300 {
		objects[ifEntry+".10."+strconv.Itoa(i)] = snmptest.Integer(int32(i))
	}
	cfg := snmp.Config{
		MaxMessage: 1400, MaxTimeouts: 5, Retries: -1,
		Tables: []snmp.Table{{Name: "{index}", Columns: []snmp.Point{{Name: "x", OID: ifEntry + ".10"}}}},
	}
	inBubble(t, objects, cfg, func(r *rig) {
		r.poll()
		r.agent.SetFault(snmptest.From(3, snmptest.Silent()))
		good := 0
		for _, line := range r.poll() {
			if strings.HasSuffix(line, ", good") {
				good++
			} else {
				assert.Contains(r, line, "= -, bad: communication")
			}
		}
		assert.Positive(r, good)
		assert.Len(r, r.batch.Samples, 300)
		for range 2 {
			for _, line := range r.poll() {
				assert.Contains(r, line, "= -, bad: communication")
			}
		}
		err := r.stream.Next(r.Context(), &r.batch)
		assert.ErrorIs(r, err, snmp.ErrTimeout)
	})
}

// TestSockets reads over the sockets of the system.
func TestSockets(t *testing.T) {
	objects, points := many(40)
	for i := range 300 {
		objects[ifEntry+".10."+strconv.Itoa(i)] = snmptest.Integer(int32(i))
	}
	mib, err := snmptest.NewMIB(objects)
	require.NoError(t, err)
	for _, network := range []string{"udp", "tcp"} {
		agent, err := snmptest.Start(snmptest.Config{Network: network, MIB: mib, Users: []snmptest.User{{
			Name: "reader", Auth: snmptest.SHA256, AuthPassword: "authentication", Priv: snmptest.AES128, PrivPassword: "encryption",
		}}})
		require.NoError(t, err)
		defer agent.Close()
		for _, version := range []snmp.Version{snmp.V1, snmp.V2c, snmp.V3} {
			t.Run(network+" "+version.String(), func(t *testing.T) {
				cfg := snmp.Config{
					Address: agent.Address(), TCP: network == "tcp", Version: version, Catalog: acquire.NewCatalog(), Interval: -1, Points: points,
					Tables: []snmp.Table{{Name: "{index}", Columns: []snmp.Point{{Name: "x", OID: ifEntry + ".10"}}}},
				}
				if version == snmp.V3 {
					cfg.User = snmp.User{Name: "reader", AuthKey: "authentication", PrivKey: "encryption"}
				} else {
					cfg.Community = "public"
				}
				source, err := snmp.NewSource(cfg)
				require.NoError(t, err)
				stream, err := source.Open(t.Context())
				require.NoError(t, err)
				defer stream.Close()
				var batch acquire.Batch
				for range 3 {
					require.NoError(t, stream.Next(t.Context(), &batch))
					assert.Len(t, batch.Samples, 340)
					for _, s := range batch.Samples {
						assert.Equal(t, acquire.Good, s.Quality)
					}
				}
				assert.Zero(t, source.Stats().Malformed)
			})
		}
	}
}
