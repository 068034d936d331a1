package snmpplant_test

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/gosnmp/gosnmp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/drivers/snmp"
	"github.com/fieldtap/fieldtap/drivers/snmp/objects"
	"github.com/fieldtap/fieldtap/drivers/snmp/snmptest"
	"github.com/fieldtap/fieldtap/internal/plant"
	"github.com/fieldtap/fieldtap/internal/plant/snmpplant"
)

var epoch = time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC)

// walk reads all of an agent at a moment.
func walk(t *testing.T, o snmptest.Objects, at time.Time) map[string]any {
	t.Helper()
	m, err := snmptest.NewMIB(o)
	require.NoError(t, err)
	s, err := snmptest.Start(snmptest.Config{MIB: m, Now: func() time.Time { return at }})
	require.NoError(t, err)
	defer s.Close()
	c := &gosnmp.GoSNMP{Target: "127.0.0.1", Community: "public", Version: gosnmp.Version2c, Timeout: 5 * time.Second, MaxOids: 60}
	_, err = fmt.Sscanf(s.Address(), "127.0.0.1:%d", &c.Port)
	require.NoError(t, err)
	require.NoError(t, c.Connect())
	defer c.Conn.Close()
	all, err := c.BulkWalkAll("1.3.6.1")
	require.NoError(t, err)
	values := make(map[string]any, len(all))
	for _, v := range all {
		values[v.Name[1:]] = v.Value
	}
	require.Len(t, values, len(all))
	return values
}

// What the agents say means what the plant does, by the table of meanings.
func TestMeaning(t *testing.T) {
	p := plant.New(epoch.UnixNano())
	for _, after := range []time.Duration{17 * time.Second, 57 * time.Second, 100 * time.Hour} {
		at := epoch.Add(after)
		ns := at.UnixNano()
		u, d := p.UPS().At(ns), p.PDU()
		r := d.Registers(ns)
		ups, pdu := walk(t, snmpplant.UPS(p), at), walk(t, snmpplant.PDU(p), at)
		check := func(values map[string]any, oid string, want, tolerance float64) {
			t.Helper()
			meaning, ok := objects.Lookup(snmp.OID(oid))
			require.True(t, ok, oid)
			stated := meaning.Read()
			raw, ok := values[oid].(int)
			require.True(t, ok, "%s: %v", oid, values[oid])
			got := stated.Scale.ApplyInt(int64(raw))
			assert.LessOrEqual(t, math.Abs(got-want), tolerance+1e-9, "%s is %g %s, want %g", meaning, got, stated.Unit, want)
		}
		const b, in, out = "1.3.6.1.2.1.33.1.2.", "1.3.6.1.2.1.33.1.3.3.1.", "1.3.6.1.2.1.33.1.4.4.1."
		check(ups, b+"2.0", math.Floor(u.Outage), 0)
		check(ups, b+"3.0", u.Remaining/60, 0.5)
		check(ups, b+"4.0", u.Charge*100, 0.5)
		check(ups, b+"5.0", u.Voltage, 0.05)
		check(ups, b+"6.0", u.Current, 0.05)
		check(ups, b+"7.0", u.Temperature, 0.5)
		check(ups, "1.3.6.1.2.1.33.1.4.2.0", u.OutputFrequency, 0.05)
		for i := range 3 {
			row := fmt.Sprint(".", i+1)
			check(ups, in+"2"+row, u.InputFrequency, 0.05)
			check(ups, in+"3"+row, u.Input[i].V, 0.5)
			check(ups, in+"4"+row, u.Input[i].I, 0.05)
			check(ups, in+"5"+row, u.Input[i].P, 0.5)
			check(ups, out+"2"+row, u.Output[i].V, 0.5)
			check(ups, out+"3"+row, u.Output[i].I, 0.05)
			check(ups, out+"4"+row, u.Output[i].P, 0.5)
			check(ups, out+"5"+row, u.Output[i].P/30, 0.5)
		}
		_, alarm := ups["1.3.6.1.2.1.33.1.6.2.1.2.1"]
		assert.Equal(t, u.OnBattery, alarm, "the row of the alarm")

		const device, phase, outlet = "1.3.6.1.4.1.318.1.1.26.4.3.1.", "1.3.6.1.4.1.318.1.1.26.6.3.1.", "1.3.6.1.4.1.318.1.1.26.9.4.3.1."
		check(pdu, device+"5.1", d.Power(ns)/1000, 0.005)
		check(pdu, device+"9.1", float64(r.Total/100)/10, 0)
		for i := range 3 {
			row := fmt.Sprint(".", i+1)
			check(pdu, phase+"5"+row, d.Phase(i, ns).I, 0.05)
			check(pdu, phase+"6"+row, d.Phase(i, ns).V, 0.5)
			check(pdu, phase+"7"+row, d.Phase(i, ns).P/1000, 0.005)
		}
		for i := range plant.Outlets {
			row := fmt.Sprint(".", i+1)
			check(pdu, outlet+"6"+row, d.Outlet(i, ns).I, 0.05)
			check(pdu, outlet+"7"+row, d.Outlet(i, ns).P, 0.5)
			check(pdu, outlet+"11"+row, float64(r.Outlets[i]/100)/10, 0)
		}
	}
}

func TestAlarm(t *testing.T) {
	p := plant.New(epoch.UnixNano())
	o := snmpplant.UPS(p)
	since := o["1.3.6.1.2.1.33.1.6.2.1.3.1"]
	at := epoch.Add(55 * time.Second)
	assert.Equal(t, snmptest.TimeTicks(9500), since.Read(snmptest.Clock{Now: at, Up: 100 * time.Second}))
	assert.Equal(t, snmptest.TimeTicks(0), since.Read(snmptest.Clock{Now: at, Up: time.Second}), "it began before the agent")
	outages := o["1.3.6.1.2.1.33.1.3.1.0"]
	assert.Equal(t, snmptest.Counter32(0), outages.Read(snmptest.Clock{Now: epoch.Add(49 * time.Second)}))
	assert.Equal(t, snmptest.Counter32(1), outages.Read(snmptest.Clock{Now: at}))
	assert.Equal(t, snmptest.Counter32(60), outages.Read(snmptest.Clock{Now: epoch.Add(time.Hour)}))
}

func TestOnBattery(t *testing.T) {
	p := plant.New(epoch.UnixNano())
	at := epoch.Add(57 * time.Second).UnixNano()
	n := snmpplant.OnBattery(p, at, time.Hour)
	assert.Equal(t, time.Hour, n.Uptime)
	assert.Equal(t, []snmptest.Binding{
		{OID: "1.3.6.1.2.1.33.1.2.3.0", Value: snmptest.Integer(int32(math.Round(p.UPS().At(at).Remaining / 60)))},
		{OID: "1.3.6.1.2.1.33.1.2.2.0", Value: snmptest.Integer(7)},
		{OID: "1.3.6.1.2.1.33.1.9.7.0", Value: snmptest.Integer(1)},
	}, n.Bindings)
}
