package modbus

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/units"
)

// Type is how the bits of one or more registers make a number. The zero value
// is Bool in the tables of bits, and an error in the tables of registers.
type Type uint8

// The types. A point of 32 or 64 bits spans two or four registers from its
// address on.
const (
	Bool    Type = iota + 1 // a coil or discrete input; in registers: false if 0, true if 1
	Int16                   // two's complement
	Uint16                  // unsigned
	Int32                   // two's complement
	Uint32                  // unsigned
	Int64                   // two's complement
	Uint64                  // unsigned
	Float16                 // IEEE 754 binary16
	Float32                 // IEEE 754 binary32
	Float64                 // IEEE 754 binary64
)

var typeNames = [...]string{"no type", "bool", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float16", "float32", "float64"}

// String returns the type's name in lower case, such as "float32".
func (t Type) String() string {
	if int(t) < len(typeNames) {
		return typeNames[t]
	}
	return "type " + strconv.Itoa(int(t))
}

// registers returns how many registers a value spans.
func (t Type) registers() int {
	switch t {
	case Int32, Uint32, Float32:
		return 2
	case Int64, Uint64, Float64:
		return 4
	}
	return 1
}

func (t Type) float() bool  { return t >= Float16 }
func (t Type) signed() bool { return t == Int16 || t == Int32 || t == Int64 }

// Order is how a device lays the bytes of a value over registers. The protocol
// orders the bytes of one register only (V1.1b3, section 4.2), so that devices
// differ. The names spell where the bytes of a 32-bit value ABCD, A being the
// most significant, appear on the wire; values of 64 bits follow the same rule
// over four registers. The zero value is ABCD.
//
// SwapHalves may be added to any of the four for a 64-bit value, making the
// eight orders seen in the field.
type Order uint8

// The orders. LowWordFirst has no effect on values of one register.
const (
	ABCD Order = 0                           // most significant register first; 64 bits: ABCDEFGH
	CDAB Order = LowWordFirst                // least significant register first; 64 bits: GHEFCDAB
	BADC Order = LowByteFirst                // bytes swapped in each register; 64 bits: BADCFEHG
	DCBA Order = LowWordFirst | LowByteFirst // least significant byte first; 64 bits: HGFEDCBA

	LowWordFirst Order = 1 << 0 // registers in reverse
	LowByteFirst Order = 1 << 1 // bytes of each register swapped
	SwapHalves   Order = 1 << 2 // 64 bits only: first and second pair of registers exchanged: EFGHABCD
)

// String returns the order as its 32-bit letters, with "+halves" for SwapHalves.
func (o Order) String() string {
	if o > LowWordFirst|LowByteFirst|SwapHalves {
		return "order " + strconv.Itoa(int(o))
	}
	name := [...]string{"ABCD", "CDAB", "BADC", "DCBA"}[o&(LowWordFirst|LowByteFirst)]
	if o&SwapHalves != 0 {
		name += "+halves"
	}
	return name
}

// Point is one value to be read from a device.
//
// Integers whose Scale is a whole number keep their exact integer value; all
// other numbers become float64, the nearest one to raw × Scale. To keep a counter
// of tenths exact, declare it in a finer unit: a register of 0.1 kWh is Unit
// units.WattHour with Scale{Num: 100}.
type Point struct {
	Name  string       // name of the point in the Catalog
	At    Address      // first register, or bit
	Type  Type         // how the bits make a number
	Order Order        // how the bytes are laid out; zero: ABCD
	Scale units.Scale  // value = raw × Scale, in Unit; zero: 1
	Unit  units.Unit   // unit of the value
	Role  acquire.Role // what the values mean over time

	// Interval is the time from reading to reading, a multiple of Config.Interval.
	// Default: Config.Interval.
	Interval time.Duration
}

// whole reports whether values of p stay integers.
func (p Point) whole() bool {
	return !p.Type.float() && p.Type != Bool && p.Scale.Reduce().Den == 1
}

// kind returns the kind of p's values.
func (p Point) kind() acquire.Kind {
	switch {
	case p.Type == Bool:
		return acquire.KindBool
	case !p.whole():
		return acquire.KindFloat64
	case p.Type.signed() || p.Scale.Reduce().Num < 0:
		return acquire.KindInt64
	}
	return acquire.KindUint64
}

// span returns how many registers, or bits, p covers.
func (p Point) span() int {
	if p.At.table.bits() {
		return 1
	}
	return p.Type.registers()
}

// withDefaults fills in the type that follows from the table.
func (p Point) withDefaults() Point {
	if p.At.table.bits() && p.Type == 0 {
		p.Type = Bool
	}
	return p
}

// faults returns everything that is wrong with p, apart from its name.
func (p Point) faults() error {
	var faults []error
	fault := func(format string, args ...any) {
		faults = append(faults, fmt.Errorf("point %q: "+format, append([]any{p.Name}, args...)...))
	}
	switch {
	case p.At.table == 0:
		fault("no address")
	case p.Type == 0:
		fault("no type")
	case p.Type > Float64:
		fault("unknown %s", p.Type)
	case p.At.table.bits() && p.Type != Bool:
		fault("type %s cannot be read from %s", p.Type, p.At.table)
	case int(p.At.offset)+p.span() > 1<<16:
		fault("type %s at %s ends beyond address 65535", p.Type, p.At)
	}
	if p.Order > LowWordFirst|LowByteFirst|SwapHalves {
		fault("unknown %s", p.Order)
	}
	if p.Order&SwapHalves != 0 && p.span() != 4 {
		fault("order %s is for values of 64 bits, not %s", p.Order, p.Type)
	}
	if p.Type == Bool && p.Scale != (units.Scale{}) {
		fault("a bool has no scale")
	}
	if p.Scale.Num == minInt64 || p.Scale.Den == minInt64 {
		fault("scale %s is out of range", p.Scale)
	}
	return errors.Join(faults...)
}

const minInt64 = -1 << 63
