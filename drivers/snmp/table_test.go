package snmp_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/drivers/snmp"
	"github.com/fieldtap/fieldtap/drivers/snmp/snmptest"
)

// TestTablesTwin compares what a source says of tables that change at random with what
// a plain look at all of the agent's objects gives.
func TestTablesTwin(t *testing.T) {
	faults := map[string]func() snmptest.Fault{
		"healthy":         func() snmptest.Fault { return nil },
		"short of room":   func() snmptest.Fault { return snmptest.TooBigAbove(7) },
		"short of octets": func() snmptest.Fault { return snmptest.TooBigAboveBytes(500) },
	}
	for _, version := range []snmp.Version{snmp.V1, snmp.V2c} {
		for _, fault := range slices.Sorted(maps.Keys(faults)) {
			for _, label := range []string{"{index}", "{label}"} {
				t.Run(fmt.Sprintf("%s %s %s", version, fault, label), func(t *testing.T) {
					for seed := range uint64(12) {
						runTablesTwin(t, version, faults[fault](), label, rand.New(rand.NewPCG(seed, 6)))
					}
				})
			}
		}
	}
}

func runTablesTwin(t *testing.T, version snmp.Version, fault snmptest.Fault, name string, random *rand.Rand) {
	tables := []snmp.Table{
		{Name: "a " + name, Columns: columnsOf(private+".20.1", 1, 2, 3)},
		{Name: "b " + name, Columns: columnsOf(private+".20.2", 9, 4)},
		{Name: "c " + name, Columns: columnsOf(private+".20.3", 1)},
	}
	const labels = private + ".20.9.1"
	if name == "{label}" {
		for i := range tables {
			tables[i].Label = snmp.OID(labels)
		}
	}
	cells := make(map[string]uint32) // the contents of the agent, by OID
	texts := make(map[string]string) // of the labels, by index
	objects := snmptest.Objects{sysUpTime: snmptest.Uptime(), private + ".30.0": snmptest.Integer(1)}
	cfg := snmp.Config{Version: version, Tables: tables}
	inBubble(t, objects, cfg, func(r *rig) {
		r.agent.SetFault(fault)
		alive := make(map[string]bool)
		for range 8 {
			change(r, tables, cells, texts, labels, random)
			want := make(map[string]string)
			for _, table := range tables {
				for _, column := range table.Columns {
					for oid, value := range cells {
						index, ok := strings.CutPrefix(oid, string(column.OID)+".")
						if !ok {
							continue
						}
						part := index
						if name == "{label}" {
							part = "#" + index
							if texts[index] != "" {
								part = texts[index]
							}
						}
						point := strings.TrimSuffix(table.Name, name) + part + "/" + column.Name
						want[point] = fmt.Sprintf("%s = %d, good", point, value)
					}
				}
			}
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
			if !assert.Equal(r, slices.Sorted(maps.Values(want)), r.poll()) {
				r.FailNow()
			}
		}
		assert.Zero(r, r.source.Stats().Lost)
	})
}

// columnsOf returns columns of a table, named by their numbers.
func columnsOf(entry snmp.OID, numbers ...uint32) []snmp.Point {
	var columns []snmp.Point
	for _, n := range numbers {
		columns = append(columns, snmp.Point{Name: strconv.Itoa(int(n)), OID: entry.Child(n), Type: snmp.Uint32})
	}
	return columns
}

// change changes the contents of the agent at random: rows come and go, cells are
// missing here and there, numbers change.
func change(r *rig, tables []snmp.Table, cells map[string]uint32, texts map[string]string, labels string, random *rand.Rand) {
	clear(cells)
	clear(texts)
	r.mib.Delete(private + ".20")
	objects := make(snmptest.Objects)
	for _, table := range tables {
		rows := random.IntN(4)
		if random.IntN(3) == 0 {
			rows = random.IntN(60)
		}
		for range rows {
			index := strconv.Itoa(random.IntN(70))
			if random.IntN(4) == 0 {
				index += ".4294967295." + strconv.Itoa(random.IntN(300))
			}
			for _, column := range table.Columns {
				if random.IntN(8) > 0 {
					value := random.Uint32()
					oid := string(column.OID) + "." + index
					cells[oid], objects[oid] = value, snmptest.Gauge32(value)
				}
			}
			if random.IntN(8) > 0 {
				texts[index] = "port " + index
				objects[labels+"."+index] = snmptest.Text(texts[index])
			}
		}
	}
	require.NoError(r, r.mib.Set(objects))
}

func TestLabelsNameRows(t *testing.T) {
	const labels, values = ifXEntry + ".1", ifXEntry + ".6"
	inBubble(t, snmptest.Objects{}, snmp.Config{Tables: []snmp.Table{{
		Name: "if/{label}", Label: labels, Columns: []snmp.Point{{Name: "in", OID: values, Type: snmp.Counter64}},
	}}}, func(r *rig) {
		set := func(rows map[string]string) {
			r.mib.Delete(ifXEntry)
			objects := make(snmptest.Objects)
			for index, label := range rows {
				n, _ := strconv.Atoi(index)
				objects[labels+"."+index], objects[values+"."+index] = snmptest.Text(label), snmptest.Counter64(uint64(n))
			}
			require.NoError(r, r.mib.Set(objects))
		}
		set(map[string]string{"1": "eth0", "2": "eth1", "3": "", "4": "eth1", "5": "a\x01"})
		assert.Equal(r, []string{
			"if/#3/in = 3, good",
			"if/0x6101/in = 5, good",
			"if/eth0/in = 1, good",
			"if/eth1#4/in = 4, good",
			"if/eth1/in = 2, good",
		}, r.poll())
		points := slices.Clone(r.source.Points())

		set(map[string]string{"1": "eth1", "2": "eth0", "9": "wlan"}) // as after a restart that renumbers
		assert.Equal(r, []string{
			"if/#3/in = -, bad: not found (code 129) [final]",
			"if/0x6101/in = -, bad: not found (code 129) [final]",
			"if/eth0/in = 2, good",
			"if/eth1#4/in = -, bad: not found (code 129) [final]",
			"if/eth1/in = 1, good",
			"if/wlan/in = 9, good",
		}, r.poll())

		set(map[string]string{"7": "eth0"})
		r.poll()
		assert.Equal(r, []string{"if/eth0/in = 7, good"}, r.poll())
		set(map[string]string{"1": "eth1", "2": "eth0"})
		assert.Equal(r, []string{"if/eth0/in = 2, good", "if/eth1/in = 1, good [discontinuity]"}, r.poll(),
			"what was away may have started anew")
		assert.Equal(r, points, r.source.Points()[:len(points)])
		assert.Len(r, r.source.Points(), len(points)+1)
	})
}

func TestIndexes(t *testing.T) {
	for _, c := range []struct {
		name  string
		index []snmp.IndexPart
		rows  map[string]string // by index, the names
	}{
		{"{index}", nil, map[string]string{"1.2": "1.2", "0": "0"}},
		{"{2} of {1}", []snmp.IndexPart{{}, {}}, map[string]string{"1.2": "2 of 1", "7": "? of 7"}},
		{"{1}", []snmp.IndexPart{{Kind: snmp.StringIndex}}, map[string]string{"3.97.98.99": "abc", "0": "", "1.0": "0x00"}},
		{"{1}", []snmp.IndexPart{{Kind: snmp.ImpliedIndex}}, map[string]string{"97.98": "ab", "97.300": "97"}},
		{"{1}/{2}", []snmp.IndexPart{{Kind: snmp.FixedIndex, Length: 2}, {}}, map[string]string{"97.98.5": "ab/5"}},
		{"{index}", []snmp.IndexPart{{Kind: snmp.IPIndex}, {}}, map[string]string{"192.0.2.1.80": "192.0.2.1.80"}},
		{"{1}", []snmp.IndexPart{{Kind: snmp.InetIndex}}, map[string]string{"4.192.0.2.1": "192.0.2.1", "16.32.1.13.184.0.0.0.0.0.0.0.0.0.0.0.1": "2001:db8::1", "3.1.2.3": "3"}},
		{"{1}", []snmp.IndexPart{{Kind: snmp.MACIndex}}, map[string]string{"0.27.197.0.0.1": "00:1b:c5:00:00:01"}},
		{"{1}|{2}", []snmp.IndexPart{{Kind: snmp.ObjectIndex}, {Kind: snmp.ImpliedObjectIndex}}, map[string]string{"2.1.3.9.9": "1.3|9.9"}},
	} {
		t.Run(fmt.Sprint(c.name, c.index), func(t *testing.T) {
			objects := make(snmptest.Objects)
			var want []string
			for index, name := range c.rows {
				objects[ifEntry+".10."+index] = snmptest.Integer(1)
				want = append(want, name+"/x = 1, good")
			}
			slices.Sort(want)
			cfg := snmp.Config{Tables: []snmp.Table{{Name: c.name, Index: c.index, Columns: []snmp.Point{{Name: "x", OID: ifEntry + ".10"}}}}}
			inBubble(t, objects, cfg, func(r *rig) { assert.Equal(r, want, r.poll()) })
		})
	}
}

func TestRowsHaveALimit(t *testing.T) {
	objects := make(snmptest.Objects)
	for i := range 10 {
		objects.Row(ifEntry, strconv.Itoa(i), map[uint32]snmptest.Object{10: snmptest.Integer(int32(i))})
	}
	var log bytes.Buffer
	cfg := snmp.Config{
		Tables: []snmp.Table{{Name: "{index}", MaxRows: 6, Columns: []snmp.Point{{Name: "x", OID: ifEntry + ".10"}}}},
		Logger: slog.New(slog.NewTextHandler(&log, nil)),
	}
	inBubble(t, objects, cfg, func(r *rig) {
		for range 3 {
			lines := r.poll()
			require.Len(r, lines, 6)
			assert.Equal(r, "5/x = 5, good", lines[5])
			assert.Equal(r, uint64(4), r.batch.Lost)
		}
		assert.Equal(r, uint64(12), r.source.Stats().Lost)
		assert.Equal(r, 1, strings.Count(log.String(), "rows without points"))
		assert.Equal(r, 6, r.catalog.Len())
	})
}

func TestEndlessTable(t *testing.T) {
	cfg := snmp.Config{
		Tables: []snmp.Table{{Name: "{index}", MaxRows: 50, Columns: []snmp.Point{{Name: "x", OID: ifEntry + ".10"}}}},
		Limits: snmp.Limits{NoUpTime: true},
	}
	inBubble(t, snmptest.Objects{}, cfg, func(r *rig) {
		r.agent.SetFault(snmptest.Endless(ifEntry+".10", snmptest.Integer(1)))
		lines := r.poll()
		assert.Len(r, lines, 50)
		assert.Positive(r, r.batch.Lost)
		assert.Less(r, r.agent.Stats().Requests, uint64(50))
	})
}

// TestLabelsThatCannotBeRead lets the label column fail: rows that have a name keep it,
// others wait for one.
func TestLabelsThatCannotBeRead(t *testing.T) {
	const labels, values = ifXEntry + ".1", ifXEntry + ".6"
	objects := snmptest.Objects{labels + ".1": snmptest.Text("eth0"), values + ".1": snmptest.Counter64(1)}
	inBubble(t, objects, snmp.Config{Tables: []snmp.Table{{
		Name: "if/{label}", Label: labels, Columns: []snmp.Point{{Name: "in", OID: values, Type: snmp.Counter64}},
	}}}, func(r *rig) {
		r.poll()
		r.agent.SetFault(snmptest.StatusAt(labels, 5))
		require.NoError(r, r.mib.Set(snmptest.Objects{labels + ".2": snmptest.Text("eth1"), values + ".2": snmptest.Counter64(2)}))
		assert.Equal(r, []string{"if/eth0/in = 1, good"}, r.poll())
		assert.Equal(r, uint64(1), r.batch.Lost)
		r.agent.SetFault(nil)
		assert.Equal(r, []string{"if/eth0/in = 1, good", "if/eth1/in = 2, good"}, r.poll())
	})
}

// TestRenumberedRowsWithoutLabels has a row move to another index while labels fail: it
// may be any of the new ones, and is not said to be gone.
func TestRenumberedRowsWithoutLabels(t *testing.T) {
	const labels, values = ifXEntry + ".1", ifXEntry + ".6"
	objects := snmptest.Objects{labels + ".1": snmptest.Text("eth0"), values + ".1": snmptest.Counter64(1)}
	inBubble(t, objects, snmp.Config{Tables: []snmp.Table{{
		Name: "{label}", Label: labels, Columns: []snmp.Point{{Name: "in", OID: values, Type: snmp.Counter64}},
	}}}, func(r *rig) {
		r.poll()
		r.agent.SetFault(snmptest.StatusAt(labels, 5))
		r.mib.Delete(labels)
		r.mib.Delete(values)
		require.NoError(r, r.mib.Set(snmptest.Objects{labels + ".2": snmptest.Text("eth0"), values + ".2": snmptest.Counter64(2)}))
		assert.Equal(r, []string{"eth0/in = -, bad: device (code 5)"}, r.poll())
		assert.Equal(r, uint64(1), r.batch.Lost)
		r.agent.SetFault(nil)
		assert.Equal(r, []string{"eth0/in = 2, good"}, r.poll())
	})
}

// TestLabelChangesBehindAHole renames a row while it has no cell.
func TestLabelChangesBehindAHole(t *testing.T) {
	const labels, values = ifXEntry + ".1", ifXEntry + ".6"
	objects := snmptest.Objects{labels + ".1": snmptest.Text("a"), values + ".1": snmptest.Counter64(1)}
	inBubble(t, objects, snmp.Config{Tables: []snmp.Table{{
		Name: "{label}", Label: labels, Columns: []snmp.Point{{Name: "in", OID: values, Type: snmp.Counter64}},
	}}}, func(r *rig) {
		r.poll()
		r.mib.Delete(values)
		require.NoError(r, r.mib.Set(snmptest.Objects{labels + ".1": snmptest.Text("b")}))
		assert.Equal(r, []string{"a/in = -, bad: not found (code 129) [final]"}, r.poll())
		require.NoError(r, r.mib.Set(snmptest.Objects{values + ".1": snmptest.Counter64(2)}))
		assert.Equal(r, []string{"b/in = 2, good"}, r.poll())
	})
}

// TestEmptyTableIsAskedForLittle wants no more than the name behind a table that has no
// rows.
func TestEmptyTableIsAskedForLittle(t *testing.T) {
	objects := snmptest.Objects{sysUpTime: snmptest.Uptime()}
	for i := range 100 { // behind the table
		objects[private+".9."+strconv.Itoa(i)] = snmptest.Integer(1)
	}
	cfg := snmp.Config{Tables: []snmp.Table{{Name: "{index}", Columns: []snmp.Point{{Name: "x", OID: ifEntry + ".10"}}}}}
	inBubble(t, objects, cfg, func(r *rig) {
		r.poll()
		most := 0
		r.agent.SetFault(func(x *snmptest.Exchange) { most = max(most, len(x.Reply.PDU.Bindings)) })
		r.poll()
		assert.Equal(r, 2, most)
	})
}
