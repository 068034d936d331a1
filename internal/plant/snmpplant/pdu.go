package snmpplant

import (
	"strconv"

	"github.com/fieldtap/fieldtap/drivers/snmp/snmptest"
	"github.com/fieldtap/fieldtap/internal/plant"
)

// rPDU2 is the group of PowerNet-MIB.
const rPDU2 = "1.3.6.1.4.1.318.1.1.26."

// PDU returns the objects of the plant's PDU.
func PDU(p *plant.Plant) snmptest.Objects {
	d := p.PDU()
	// of makes an object of what read returns at a time, in Unix nanoseconds.
	of := func(read func(t int64) float64) snmptest.Object {
		return snmptest.Func(func(c snmptest.Clock) snmptest.Value { return rounded(read(c.Now.UnixNano())) })
	}
	// energy makes an object of a register, in 0.1 kWh.
	energy := func(register func(r *plant.PDURegisters) uint64) snmptest.Object {
		return snmptest.Func(func(c snmptest.Clock) snmptest.Value {
			r := d.Registers(c.Now.UnixNano())
			return snmptest.Integer(int32(register(&r) / 100))
		})
	}
	o := system("simulated PDU", "1.3.6.1.4.1.318.1.3.4.6", "pdu")
	o.Row(rPDU2+"4.3.1", "1", map[uint32]snmptest.Object{
		1: snmptest.Integer(1),
		3: snmptest.Text("server room"),
		5: of(func(t int64) float64 { return d.Power(t) / 10 }),
		9: energy(func(r *plant.PDURegisters) uint64 { return r.Total }),
	})
	for i := range 3 {
		o.Row(rPDU2+"6.3.1", strconv.Itoa(i+1), map[uint32]snmptest.Object{
			1: snmptest.Integer(int32(i + 1)),
			3: snmptest.Integer(int32(i + 1)),
			5: of(func(t int64) float64 { return d.Phase(i, t).I * 10 }),
			6: of(func(t int64) float64 { return d.Phase(i, t).V }),
			7: of(func(t int64) float64 { return d.Phase(i, t).P / 10 }),
		})
	}
	for i := range plant.Outlets {
		o.Row(rPDU2+"9.4.3.1", strconv.Itoa(i+1), map[uint32]snmptest.Object{
			1:  snmptest.Integer(int32(i + 1)),
			3:  snmptest.Text("Outlet " + strconv.Itoa(i+1)),
			4:  snmptest.Integer(int32(i + 1)),
			6:  of(func(t int64) float64 { return d.Outlet(i, t).I * 10 }),
			7:  of(func(t int64) float64 { return d.Outlet(i, t).P }),
			11: energy(func(r *plant.PDURegisters) uint64 { return r.Outlets[i] }),
		})
	}
	return o
}
