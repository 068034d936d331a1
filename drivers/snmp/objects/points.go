package objects

import (
	"fmt"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/drivers/snmp"
	"github.com/fieldtap/fieldtap/units"
)

// Point returns the point that reads o: a scalar, or without an index the column of a
// table, or of one row. Its name is that given. It fails for columns whose unit another
// column decides, which Tables is for, and for those that others multiply by other than
// powers of ten.
func (o Object) Point(name string, index ...uint32) (snmp.Point, error) {
	if o.By != Nothing && o.By != PowerOfTen {
		return snmp.Point{}, fmt.Errorf("objects: what %s means is different from row to row", o)
	}
	p := o.point(name)
	if !o.Column || len(index) > 0 {
		p.OID = o.Instance(index...)
		for i := range p.Exponents {
			p.Exponents[i].OID = p.Exponents[i].OID.Child(index...)
		}
	}
	return p, nil
}

// point returns the column o, as far as it is the same in all rows.
func (o Object) point(name string) snmp.Point {
	p := snmp.Point{Name: name, OID: o.OID, Unit: o.Unit, Scale: o.Scale, Role: o.Role, NonNegative: o.Absent == Negative}
	if o.Absent == MinusOne {
		p.Sentinels = []int64{-1}
	}
	if o.By == PowerOfTen {
		p.Exponents = []snmp.Exponent{{OID: o.Of[0]}}
	}
	return p
}

// Tables returns what reads the column o of all rows: one table or, where another column
// decides the unit, one for each unit. Rows are named by pattern, as snmp.Table.Name says,
// and points in them name. Rows of which the agent says that there is no value, or whose
// unit is not known, have no points.
//
// It fails for scalars, and for columns that others multiply by other than powers of ten.
func (o Object) Tables(pattern, name string) ([]snmp.Table, error) {
	switch {
	case !o.Column:
		return nil, fmt.Errorf("objects: %s is no column of a table", o)
	case o.By == EntitySensor:
		return o.entitySensors(pattern, name), nil
	case o.By == RaritanSensor:
		return o.raritanSensors(pattern, name), nil
	}
	p, err := o.Point(name)
	if err != nil {
		return nil, err
	}
	return []snmp.Table{{Name: pattern, Columns: []snmp.Point{p}}}, nil
}

// entitySensors returns a table for each type of sensor (RFC 3433, EntitySensorDataType)
// that has a unit.
func (o Object) entitySensors(pattern, name string) (tables []snmp.Table) {
	const (
		unscaled = 9  // EntitySensorDataScale: units
		tera     = 13 // the last whose power of ten is plain; see units.ReadEntitySensor
		ok       = 1  // EntitySensorStatus
	)
	typ, scale, precision, status := o.Of[0], o.Of[1], o.Of[2], o.Of[3]
	scales := make([]int64, tera)
	for i := range scales {
		scales[i] = int64(i + 1)
	}
	for sensor := range 16 {
		stated := units.ReadEntitySensor(sensor, unscaled, 0)
		if stated.Verdict != units.Understood {
			continue
		}
		p := o.point(name)
		p.Type, p.Unit, p.Scale = snmp.Int32, stated.Unit, stated.Scale
		p.Exponents = []snmp.Exponent{{OID: scale, Times: 3, Zero: unscaled}, {OID: precision, Times: -1, Floor: true}}
		tables = append(tables, snmp.Table{Name: pattern, Columns: []snmp.Point{p}, Where: []snmp.Condition{
			{OID: typ, In: []int64{int64(sensor)}}, {OID: scale, In: scales}, {OID: status, In: []int64{ok}},
		}})
	}
	return tables
}

// raritanSensors returns a table for each unit of a sensor.
func (o Object) raritanSensors(pattern, name string) (tables []snmp.Table) {
	for _, u := range raritanUnits {
		p := o.point(name)
		p.Unit = u.unit
		if energy := u.unit.Kind(); energy == units.WattHour.Kind() || energy == units.VoltAmpereHour.Kind() {
			p.Role = acquire.Counter
		}
		p.Exponents = []snmp.Exponent{{OID: o.Of[1], Times: -1}}
		tables = append(tables, snmp.Table{Name: pattern, Columns: []snmp.Point{p}, Where: []snmp.Condition{{OID: o.Of[0], In: []int64{u.code}}}})
	}
	return tables
}
