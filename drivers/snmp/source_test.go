package snmp_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

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
