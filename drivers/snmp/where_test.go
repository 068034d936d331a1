package snmp_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/drivers/snmp"
	"github.com/fieldtap/fieldtap/drivers/snmp/snmptest"
	"github.com/fieldtap/fieldtap/units"
)

// entPhySensorEntry and its columns: type 1, scale 2, precision 3, value 4.
const entPhySensorEntry = "1.3.6.1.2.1.99.1.1.1"

// sensors returns the tables of ENTITY-SENSOR-MIB for volts (ac and dc) and watts.
func sensors() []snmp.Table {
	var tables []snmp.Table
	for _, quantity := range []struct {
		name string
		unit units.Unit
		in   []int64
	}{{"U", units.Volt, []int64{3, 4}}, {"P", units.Watt, []int64{6}}} {
		tables = append(tables, snmp.Table{
			Name:  "sensor/{index}",
			Where: []snmp.Condition{{OID: entPhySensorEntry + ".1", In: quantity.in}},
			Columns: []snmp.Point{{
				Name: quantity.name, OID: entPhySensorEntry + ".4", Type: snmp.Int32, Unit: quantity.unit,
				Exponents: []snmp.Exponent{
					{OID: entPhySensorEntry + ".2", Times: 3, Zero: 9},
					{OID: entPhySensorEntry + ".3", Times: -1, Floor: true},
				},
			}},
		})
	}
	return tables
}

// sensor adds a row of a type, with a value in thousands and one digit behind the point.
func sensor(objects snmptest.Objects, index string, typ, value int32) {
	objects.Row(entPhySensorEntry, index, map[uint32]snmptest.Object{
		1: snmptest.Integer(typ), 2: snmptest.Integer(10), 3: snmptest.Integer(1), 4: snmptest.Integer(value),
	})
}

func TestRowsByWhatTheyAre(t *testing.T) {
	objects := snmptest.Objects{sysUpTime: snmptest.Uptime()}
	sensor(objects, "1", 6, 12)
	sensor(objects, "2", 4, 2305)
	sensor(objects, "3", 8, 215) // celsius: in neither
	sensor(objects, "4", 3, 480)
	inBubble(t, objects, snmp.Config{Tables: sensors()}, func(r *rig) {
		assert.Equal(r, []string{"sensor/1/P = 1200, good", "sensor/2/U = 230500, good", "sensor/4/U = 48000, good"}, r.poll())
		p, _ := r.catalog.Lookup("sensor/1/P")
		point, _ := r.catalog.Point(p)
		assert.Equal(r, units.Watt, point.Unit)
		assert.Equal(r, 3, r.catalog.Len())

		more := make(snmptest.Objects)
		sensor(more, "2", 6, 7)
		sensor(more, "4", 8, 7)
		require.NoError(r, r.mib.Set(more))
		assert.Equal(r, []string{
			"sensor/1/P = 1200, good",
			"sensor/2/P = 700, good",
			"sensor/2/U = -, bad: not found (code 129) [final]",
			"sensor/4/U = -, bad: not found (code 129) [final]",
		}, r.poll())
		assert.Equal(r, []string{"sensor/1/P = 1200, good", "sensor/2/P = 700, good"}, r.poll())
		assert.Zero(r, r.source.Stats().Lost, "what is of another type is not lost")
	})
}

// TestTablesShareColumns has two tables over the same columns cost what one costs.
func TestTablesShareColumns(t *testing.T) {
	objects := snmptest.Objects{sysUpTime: snmptest.Uptime()}
	for i := range 30 {
		sensor(objects, strconv.Itoa(i), 3+3*int32(i%2), int32(i))
	}
	inBubble(t, objects, snmp.Config{Tables: sensors()}, func(r *rig) {
		r.poll()
		plan := r.source.Plan()
		require.Len(r, plan, 1)
		assert.Len(r, plan[0].Objects, 4)
		before := r.agent.Stats().Requests
		assert.Len(r, r.poll(), 30)
		assert.LessOrEqual(r, r.agent.Stats().Requests-before, uint64(plan[0].Packets+1))
	})
}

func TestRowsByTheirIndex(t *testing.T) {
	const value = private + ".40.1.2"
	objects := snmptest.Objects{
		value + ".1.7.1": snmptest.Integer(230), value + ".1.7.5": snmptest.Integer(460), value + ".1.8.5": snmptest.Integer(20),
		value + ".1.9": snmptest.Integer(1),
	}
	tables := []snmp.Table{
		{Name: "{2}", Where: []snmp.Condition{{Index: 3, In: []int64{1}}}, Columns: []snmp.Point{{Name: "U", OID: value, Unit: units.Volt}}},
		{Name: "{2}", Where: []snmp.Condition{{Index: 3, In: []int64{5}}}, Columns: []snmp.Point{{Name: "P", OID: value, Unit: units.Watt}}},
	}
	inBubble(t, objects, snmp.Config{Tables: tables}, func(r *rig) {
		for range 2 {
			assert.Equal(r, []string{"7/P = 460, good", "7/U = 230, good", "8/P = 20, good"}, r.poll())
			assert.Equal(r, uint64(2), r.batch.Lost, "an index without that part, once in each table")
		}
	})
}

// TestTypesThatCannotBeRead wants no value whose unit is not known.
func TestTypesThatCannotBeRead(t *testing.T) {
	objects := snmptest.Objects{sysUpTime: snmptest.Uptime()}
	sensor(objects, "1", 6, 12)
	sensor(objects, "2", 6, 13)
	var log bytes.Buffer
	cfg := snmp.Config{Tables: sensors()[1:], Logger: slog.New(slog.NewTextHandler(&log, nil))}
	inBubble(t, objects, cfg, func(r *rig) {
		both := []string{"sensor/1/P = 1200, good", "sensor/2/P = 1300, good"}
		assert.Equal(r, both, r.poll())

		r.agent.SetFault(snmptest.StatusAt(entPhySensorEntry+".1", 5))
		more := make(snmptest.Objects)
		sensor(more, "1", 4, 12) // unnoticed
		sensor(more, "3", 6, 14)
		require.NoError(r, r.mib.Set(more))
		assert.Equal(r, []string{"sensor/1/P = -, bad: device (code 5)", "sensor/2/P = -, bad: device (code 5)"}, r.poll())
		assert.Equal(r, uint64(1), r.batch.Lost)
		r.agent.SetFault(nil)
		assert.Equal(r, []string{
			"sensor/1/P = -, bad: not found (code 129) [final]", "sensor/2/P = 1300, good", "sensor/3/P = 1400, good",
		}, r.poll())
		assert.Zero(r, r.batch.Lost)
		assert.Empty(r, log.String())

		require.NoError(r, r.mib.Set(snmptest.Objects{entPhySensorEntry + ".1.2": snmptest.Text("watts")}))
		r.mib.Delete(entPhySensorEntry + ".1.3")
		for i, want := range [][]string{{
			"sensor/2/P = -, bad: not found (code 129) [final]", "sensor/3/P = -, bad: not found (code 129) [final]",
		}, nil} {
			assert.Equal(r, want, r.poll(), i)
			assert.Equal(r, uint64(2), r.batch.Lost)
		}
		assert.Equal(r, 1, strings.Count(log.String(), "conditions"))
	})
}

// TestMostRowsAreOfAnotherTable has far more rows than MaxRows, of which few belong.
func TestMostRowsAreOfAnotherTable(t *testing.T) {
	objects := snmptest.Objects{sysUpTime: snmptest.Uptime()}
	for i := range 100 {
		sensor(objects, strconv.Itoa(i), 8, 1)
	}
	sensor(objects, "100", 6, 1)
	sensor(objects, "101", 6, 2)
	tables := sensors()[1:]
	tables[0].MaxRows = 2
	inBubble(t, objects, snmp.Config{Tables: tables}, func(r *rig) {
		for range 3 {
			assert.Equal(r, []string{"sensor/100/P = 100, good", "sensor/101/P = 200, good"}, r.poll())
			assert.Zero(r, r.batch.Lost)
		}
	})
}

// TestConditionsTwin compares tables with conditions, over an agent whose rows come, go
// and change type at random, with a plain look at all of its objects.
func TestConditionsTwin(t *testing.T) {
	const types, values, states = private + ".50.1.1", private + ".50.1.2", private + ".50.1.3"
	column := func(name string) []snmp.Point { return []snmp.Point{{Name: name, OID: values, Type: snmp.Uint32}} }
	tables := []snmp.Table{
		{Name: "{index}", Columns: column("a"), Where: []snmp.Condition{{OID: types, In: []int64{1}}}},
		{Name: "{index}", Columns: column("b"), Where: []snmp.Condition{{OID: types, In: []int64{2, 3}}}},
		{Name: "{index}", Columns: column("c"), Where: []snmp.Condition{{OID: types, In: []int64{1, 2}}, {OID: states, In: []int64{1}}, {Index: 1, In: []int64{1, 2, 3}}}},
		{Name: "{index}", Columns: column("d")},
	}
	for _, version := range []snmp.Version{snmp.V1, snmp.V2c} {
		for _, fault := range []snmptest.Fault{nil, snmptest.TooBigAbove(7)} {
			for seed := range uint64(10) {
				random := rand.New(rand.NewPCG(seed, 9))
				inBubble(t, snmptest.Objects{sysUpTime: snmptest.Uptime()}, snmp.Config{Version: version, Tables: tables}, func(r *rig) {
					r.agent.SetFault(fault)
					alive := make(map[string]bool)
					for range 8 {
						r.mib.Delete(private + ".50")
						objects := make(snmptest.Objects)
						want := make(map[string]string)
						lost := uint64(0)
						for range random.IntN(40) {
							first := random.IntN(5)
							index := fmt.Sprintf("%d.%d", first, random.IntN(6))
							if _, known := objects[values+"."+index]; known {
								continue
							}
							typ, state, value := int64(random.IntN(5)), int64(random.IntN(3)), random.Uint32()
							objects[values+"."+index] = snmptest.Gauge32(value)
							if typ > 0 { // else there is none
								objects[types+"."+index] = snmptest.Integer(int32(typ))
							}
							if objects[states+"."+index] = snmptest.Integer(int32(state)); state == 0 {
								objects[states+"."+index] = snmptest.Text("1") // no number
							}
							for name, there := range map[string]bool{
								"a": typ == 1, "b": typ == 2 || typ == 3, "d": true,
								"c": (typ == 1 || typ == 2) && state == 1 && first >= 1 && first <= 3,
							} {
								if there {
									point := index + "/" + name
									want[point] = fmt.Sprintf("%s = %d, good", point, value)
								}
							}
							if typ == 0 {
								lost += 2 // of a and b
							}
							other := typ > 2 || state > 1 || first < 1 || first > 3
							if !other && (typ == 0 || state == 0) {
								lost++ // of c
							}
						}
						require.NoError(r, r.mib.Set(objects))
						for point := range alive {
							if want[point] == "" {
								want[point] = point + " = -, bad: not found (code 129) [final]"
								delete(alive, point)
							}
						}
						for point, line := range want {
							if strings.HasSuffix(line, "good") {
								alive[point] = true
							}
						}
						if !assert.Equal(r, slices.Sorted(maps.Values(want)), r.poll()) || !assert.Equal(r, lost, r.batch.Lost) {
							r.FailNow()
						}
					}
				})
			}
		}
	}
}

// TestConditionsFromURL has the driver read both kinds of condition.
func TestConditionsFromURL(t *testing.T) {
	const value = private + ".40.1.2"
	objects := snmptest.Objects{value + ".1.5": snmptest.Integer(460), value + ".2.5": snmptest.Integer(20), value + ".1.6": snmptest.Integer(7)}
	objects[private+".40.1.3.1.5"], objects[private+".40.1.3.2.5"] = snmptest.Integer(-1), snmptest.Integer(2)
	mib, err := snmptest.NewMIB(objects)
	require.NoError(t, err)
	agent, err := snmptest.Start(snmptest.Config{MIB: mib})
	require.NoError(t, err)
	defer agent.Close()
	u, err := url.Parse("snmp://:public@" + agent.Address() + "?table=o/{1},where={2}:4:5,where=" + private + ".40.1.3:-1:3&column=o/{1}/P," + value)
	require.NoError(t, err)
	catalog := acquire.NewCatalog()
	source, err := snmp.Driver{}.ParseSource(u, catalog)
	require.NoError(t, err)
	stream, err := source.Open(t.Context())
	require.NoError(t, err)
	defer stream.Close()
	var batch acquire.Batch
	require.NoError(t, stream.Next(t.Context(), &batch))
	require.Len(t, batch.Samples, 1)
	p, _ := catalog.Point(batch.Samples[0].Point)
	assert.Equal(t, "o/1/P", p.Name)
}

func TestConditionFaults(t *testing.T) {
	table := snmp.Table{
		Name: "{index}", Columns: []snmp.Point{{Name: "x", OID: ifEntry + ".10"}}, Index: []snmp.IndexPart{{}, {Kind: snmp.MACIndex}},
		Where: []snmp.Condition{
			{In: []int64{1}}, {OID: "1.x", In: []int64{1}}, {OID: ifEntry + ".1"}, {OID: ifEntry + ".1", Index: 1, In: []int64{1}},
			{Index: 3, In: []int64{1}}, {Index: -1, In: []int64{1}}, {Index: 2, In: []int64{1}},
		},
	}
	_, err := snmp.NewSource(snmp.Config{Address: "192.0.2.1", Community: "public", Catalog: acquire.NewCatalog(), Tables: []snmp.Table{table}})
	require.Error(t, err)
	for _, want := range []string{
		"either a column or a part", `"1.x" is no OID`, "no number will do", "part 3 of an index of 2", "part -1 of an index", "part 2 of the index is no number",
	} {
		assert.ErrorContains(t, err, want)
	}
	assert.Equal(t, 2, strings.Count(err.Error(), "either a column"))
}
