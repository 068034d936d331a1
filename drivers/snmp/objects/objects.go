package objects

import (
	"iter"
	"slices"
	"strings"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/drivers/snmp"
	"github.com/fieldtap/fieldtap/units"
)

// Object is what one object of a MIB means. It is a value; its slices must not be
// changed.
type Object struct {
	MIB      string       // the module that defines it, such as "UPS-MIB"
	Name     string       // its descriptor there, such as "upsBatteryVoltage"
	OID      snmp.OID     // without the instance: ".0" of a scalar, the index of a row
	Column   bool         // it is a column of a table; else a scalar
	Quantity string       // what is measured, and where: "voltage.input"; empty if By says it
	Unit     units.Unit   // of the number once it is multiplied by Scale; units.None if By says it
	Scale    units.Scale  // of the number as sent; the zero value is 1
	Role     acquire.Role // what the numbers mean over time
	Absent   Absent       // numbers that stand for none
	By       By           // what else of the row the number depends on
	Of       []snmp.OID   // the columns that say so, in the order of By
	Believed bool         // the MIB's text leaves unit or scale open: what devices are believed to send
}

// Absent says which numbers stand for "not available".
type Absent uint8

// The ways to say so.
const (
	Always   Absent = iota // none do: it is always available
	MinusOne               // -1
	Negative               // all below zero
)

// Is reports whether a number as sent stands for none.
func (a Absent) Is(raw int64) bool {
	return a == MinusOne && raw == -1 || a == Negative && raw < 0
}

// By says by what rule other columns of the same row, or of the row that describes
// it, complete the meaning of a number.
type By uint8

// The rules.
const (
	// Nothing else: Unit and Scale hold.
	Nothing By = iota
	// PowerOfTen: the column holds the power of ten to multiply by, as UnitMultiplier
	// of RFC 7460.
	PowerOfTen
	// EntitySensor: type, scale, precision and status, as RFC 3433 has them. The
	// status must be 1, ok.
	EntitySensor
	// RaritanSensor: unit and number of decimal digits of PDU2-MIB.
	RaritanSensor
	// AllocationUnits: the column holds how many of Unit one of the number is.
	AllocationUnits
)

// String returns module and descriptor, such as "UPS-MIB::upsBatteryVoltage".
func (o Object) String() string { return o.MIB + "::" + o.Name }

// Instance returns the object identifier of a scalar's only instance, and of a
// column's in the row of that index.
func (o Object) Instance(index ...uint32) snmp.OID {
	if !o.Column {
		return o.OID.Child(0)
	}
	return o.OID.Child(index...)
}

// Read completes what the number means by the values of the columns Of, in their
// order. Without By it needs none and returns Unit and Scale. Anything that a rule
// does not know gives a verdict other than units.Understood: no unit is guessed.
func (o Object) Read(of ...int64) units.Stated {
	stated := units.Stated{Unit: o.Unit, Scale: o.Scale, Dialect: units.DialectSNMP, Verdict: units.Understood}
	if len(of) != len(o.Of) {
		return units.Stated{Dialect: units.DialectSNMP, Verdict: units.NotStated}
	}
	switch o.By {
	case PowerOfTen:
		return scaled(stated, of[0])
	case EntitySensor:
		const ok = 1
		if of[3] != ok || !small(of[:3]) {
			return units.Stated{Dialect: units.DialectEntitySensor, Verdict: units.NotStated}
		}
		return units.ReadEntitySensor(int(of[0]), int(of[1]), int(of[2]))
	case RaritanSensor:
		i := slices.IndexFunc(raritanUnits[:], func(u raritanUnit) bool { return u.code == of[0] })
		if i < 0 {
			return units.Stated{Dialect: units.DialectSNMP, Verdict: units.Unknown}
		}
		stated.Unit = raritanUnits[i].unit
		return scaled(stated, -of[1])
	case AllocationUnits:
		if of[0] <= 0 {
			return units.Stated{Dialect: units.DialectSNMP, Verdict: units.OutOfRange}
		}
		stated.Scale = units.Scale{Num: of[0], Den: 1}
	}
	return stated
}

// small reports whether all fit an int of 32 bits.
func small(numbers []int64) bool {
	return !slices.ContainsFunc(numbers, func(n int64) bool { return int64(int32(n)) != n })
}

// scaled multiplies the scale by a power of ten.
func scaled(s units.Stated, power int64) units.Stated {
	const most = 18 // of an int64
	if power < -most || power > most {
		return units.Stated{Dialect: s.Dialect, Verdict: units.OutOfRange}
	}
	ten := units.Scale{Num: 1, Den: 1}
	for range max(power, -power) {
		ten.Num *= 10
	}
	if power < 0 {
		ten = ten.Inverse()
	}
	scale, err := ten.Mul(s.Scale)
	if err != nil {
		return units.Stated{Dialect: s.Dialect, Verdict: units.OutOfRange}
	}
	s.Scale = scale
	return s
}

// raritanUnit is a row of SensorUnitsEnumeration of PDU2-MIB.
type raritanUnit struct {
	code int64
	unit units.Unit
}

var raritanUnits = [...]raritanUnit{
	{1, units.Volt}, {2, units.Ampere}, {3, units.Watt}, {4, units.VoltAmpere}, {5, units.WattHour}, {6, units.VoltAmpereHour},
	{7, units.DegreeCelsius}, {8, units.Hertz}, {9, units.Percent}, {14, units.DegreeFahrenheit}, {23, units.Var},
}

// All yields every object known, module by module and in the order of their object
// identifiers.
func All() iter.Seq[Object] { return slices.Values(table[:]) }

// Lookup finds the object that an object identifier is, or is an instance of.
func Lookup(oid snmp.OID) (Object, bool) {
	for _, o := range table {
		if oid.HasPrefix(o.OID) {
			return o, true
		}
	}
	return Object{}, false
}

// ByName finds an object by its descriptor, with its module before it or without:
// "UPS-MIB::upsBatteryVoltage" or "upsBatteryVoltage". Case matters.
func ByName(name string) (Object, bool) {
	module, descriptor, qualified := strings.Cut(name, "::")
	if !qualified {
		module, descriptor = "", name
	}
	for _, o := range table {
		if o.Name == descriptor && (module == "" || o.MIB == module) {
			return o, true
		}
	}
	return Object{}, false
}
