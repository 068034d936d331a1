package modbus

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/units"
)

// Point is one value to be read from a device. Only Name and At are always
// needed, and Type in the tables of registers.
//
// The number in the registers, after Order, is compared with the Sentinels; then
// Bits takes its part of it, Type makes it signed or decimal, and Scale and
// ScaleAt scale it.
//
// Integers whose Scale is a whole number keep their exact integer value; all
// other numbers become float64, the nearest one to raw × Scale. To keep a counter
// of tenths exact, declare it in a finer unit: a register of 0.1 kWh is Unit
// units.WattHour with Scale{Num: 100}. Scale{Num: -1} turns the sign.
//
// Clocks give the instant, in nanoseconds since 1970 UTC: an acquire.Instant as
// an int64.
//
// In the tables of bits, an integer or BCD type reads a run of bits as one number,
// the first bit being its lowest.
type Point struct {
	Name  string       // name of the point in the Catalog
	At    Address      // first register, or bit
	Type  Type         // how the bits make a value
	Order Order        // how the bytes are laid out; zero: ABCD
	Scale units.Scale  // value = raw × Scale, in Unit; zero: 1
	Unit  units.Unit   // unit of the value
	Role  acquire.Role // what the values mean over time

	// Interval is the time from reading to reading, a multiple of Config.Interval.
	// Default: Config.Interval.
	Interval time.Duration

	// Length is how many registers a text or a number of one of the M10K types
	// spans, or how many bits a number in a table of bits has. Default: what the
	// type says; texts and M10K numbers have none.
	Length int
	// Bits is the part of a register that holds the value, where several share one.
	// A Bool takes a single bit. Default: all.
	Bits Bits
	// Sentinels are the raw numbers by which the device says that it has no value.
	// NaN and infinities say so without being listed. Default: none.
	Sentinels []Sentinel
	// SunSpec adds what the SunSpec information models call not implemented: 0x8000,
	// 0x80000000 and 0x8000000000000000 for signed integers, all ones for unsigned
	// ones and for bit fields, the empty text. Accumulators say it with 0, which is
	// a number too: list it among Sentinels if it is not to be one.
	SunSpec bool
	// ScaleAt is a register beside the value, read in the same request, that holds a
	// power of ten from -10 to 10: value = raw × Scale × 10^register. SunSpec calls
	// it sunssf. The value becomes a float64. Default: none.
	ScaleAt Address
	// Names are what the numbers of an enumeration stand for. With it the value is
	// the name as text, the digits for a number without one. Default: the value is
	// the number.
	Names map[int64]string

	// Layout names the bytes of a Clock or BCDClock in their order, most significant
	// register and high byte first:
	//
	//	Y   year of the century that Epoch begins
	//	YY  full year
	//	M   month, 1 to 12
	//	D   day, 1 to 31
	//	h   hour, 0 to 23
	//	m   minute
	//	s   second
	//	ff  milliseconds, of the minute if there is no s; in a BCDClock the first
	//	    three of four digits, as in the DATE_AND_TIME of Siemens S7, "YMDhmsff"
	//	n   nanoseconds of the second, nnnn
	//	_   not looked at
	//
	// M, D, h, m and s may be doubled, for a register each. Six registers from year
	// to second are "YYMMDDhhmmss".
	Layout string
	// Epoch is where Seconds32, Seconds64 and Milliseconds64 count from, default 1970,
	// and clocks with a year of one byte, default 2000.
	Epoch time.Time
	// Zone is what the device's clock shows. An hour that occurs twice is taken to be
	// the first and is uncertain, unless the device says which; one that does not
	// occur is bad. Default: UTC.
	Zone *time.Location
}

// Bits is a run of bits of a number, counted from 0, the least significant. The
// zero value is all of them.
type Bits struct {
	Lowest uint8 // first bit of the run
	Count  uint8 // how many; 0 with a Lowest of 0: all
}

// Bit returns the single bit n.
func Bit(n uint8) Bits { return Bits{n, 1} }

// String formats b as "3" for a single bit, "4-7" for a run, and "all".
func (b Bits) String() string {
	switch {
	case b.Count == 0:
		return "all"
	case b.Count == 1:
		return strconv.Itoa(int(b.Lowest))
	}
	return fmt.Sprintf("%d-%d", b.Lowest, b.end()-1)
}

func (b Bits) end() int { return int(b.Lowest) + int(b.Count) }

// Sentinel is a number, or a range of them, that stands for no value. It is
// compared with the bits of the raw value as an unsigned number: -1 in a register
// is 0xffff. The zero value is the number 0.
type Sentinel struct {
	First uint64 // the number, or the first of a range
	Last  uint64 // the last of the range; 0: First is alone
}

// String formats s as "0x8000", or as "0x7fff0000-0x7fffffff".
func (s Sentinel) String() string {
	if s.last() == s.First {
		return fmt.Sprintf("%#x", s.First)
	}
	return fmt.Sprintf("%#x-%#x", s.First, s.Last)
}

func (s Sentinel) last() uint64 {
	if s.Last == 0 {
		return s.First
	}
	return s.Last
}

// whole reports whether values of p are, and stay, integers.
func (p Point) whole() bool {
	return p.Type.class().integer() && p.ScaleAt == (Address{}) && p.Scale.Reduce().Den == 1
}

// kind returns the kind of p's values.
func (p Point) kind() acquire.Kind {
	switch c := p.Type.class(); {
	case c == truth:
		return acquire.KindBool
	case c == text || p.Names != nil:
		return acquire.KindText
	case c == elapsed || c == calendar:
		return acquire.KindInt64
	case !p.whole():
		return acquire.KindFloat64
	case c == signed || c == signMagnitude || p.Type == IntM10K || p.Scale.Reduce().Num < 0:
		return acquire.KindInt64
	}
	return acquire.KindUint64
}

// width returns how many registers, or bits, the value of p has, without its
// scale register.
func (p Point) width() int {
	s := p.Type.shape()
	switch {
	case p.At.table.bits():
		switch {
		case p.Length != 0:
			return p.Length
		case s.class == truth:
			return 1
		}
		return 16 * s.least
	case p.Layout != "":
		return len(p.Layout) / 2
	case s.least != s.most:
		return p.Length
	}
	return s.least
}

// start returns the first address that p covers, which may be its scale register.
func (p Point) start() int {
	if p.ScaleAt.table != 0 {
		return int(min(p.At.offset, p.ScaleAt.offset))
	}
	return int(p.At.offset)
}

// span returns how many registers, or bits, p covers.
func (p Point) span() int {
	end := int(p.At.offset) + p.width()
	if p.ScaleAt.table != 0 {
		end = max(end, int(p.ScaleAt.offset)+1)
	}
	return end - p.start()
}

// withDefaults fills in what follows from the rest, and shares no memory with p.
func (p Point) withDefaults() Point {
	if p.At.table.bits() && p.Type == 0 {
		p.Type = Bool
	}
	if p.Names != nil && p.Role == acquire.Gauge {
		p.Role = acquire.State
	}
	p.Sentinels, p.Names = slices.Clone(p.Sentinels), maps.Clone(p.Names)
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
	case p.Type.class() == 0:
		fault("unknown %s", p.Type)
	default:
		p.lengthFaults(fault)
		p.partFaults(fault)
		p.scaleFaults(fault)
		p.clockFaults(fault)
	}
	p.orderFaults(fault)
	return errors.Join(faults...)
}

func (p Point) lengthFaults(fault func(string, ...any)) {
	s := p.Type.shape()
	switch {
	case p.At.table.bits() && s.class == truth:
		if p.Length < 0 || p.Length > 1 {
			fault("a bool is one bit, not %d", p.Length)
		}
	case p.At.table.bits() && !s.class.patterned():
		fault("type %s cannot be read from %s", p.Type, p.At.table)
		return
	case p.At.table.bits():
		if most := 16 * s.least; p.Length < 0 || p.Length > most {
			fault("length %d is not within 1 to %d bits", p.Length, most)
		}
	case p.Layout == "" && s.least == s.most:
		if p.Length != 0 && p.Length != s.least {
			fault("type %s spans %d registers, not %d", p.Type, s.least, p.Length)
		}
	case s.class == calendar:
		if p.Length != 0 && p.Length != len(p.Layout)/2 {
			fault("a layout leaves no length to choose")
		}
	case p.Length < s.least || p.Length > s.most:
		fault("type %s needs a length of %d to %d registers", p.Type, s.least, s.most)
	}
	if int(p.At.offset)+p.width() > 1<<16 {
		fault("type %s at %s ends beyond address 65535", p.Type, p.At)
	}
}

func (p Point) orderFaults(fault func(string, ...any)) {
	switch {
	case p.Order > maxOrder:
		fault("unknown %s", p.Order)
	case p.Type.class() == 0:
	case p.Order != 0 && p.At.table.bits():
		fault("order %s is for registers", p.Order)
	case p.Order&SwapHalves != 0 && p.width() != 4:
		fault("order %s is for values of four registers, not %s", p.Order, p.Type)
	}
}

// partFaults are those of what is taken of the raw number, and what it means.
func (p Point) partFaults(fault func(string, ...any)) {
	c := p.Type.class()
	length := 16 * p.width()
	if p.At.table.bits() {
		length = p.width()
	}
	switch {
	case p.Bits == (Bits{}):
	case p.At.table.bits() || c != truth && !c.patterned():
		fault("type %s in %s has no bits to choose", p.Type, p.At.table)
	case p.Bits.Count == 0 || p.Bits.end() > length:
		fault("bits %d to %d are not among 0 to %d", p.Bits.Lowest, p.Bits.end()-1, length-1)
	case c == truth && p.Bits.Count != 1:
		fault("a bool is one bit, not %d", p.Bits.Count)
	}
	for _, s := range p.Sentinels {
		switch {
		case c == text || length > 64:
			fault("type %s has no raw number that could be sentinel %s", p.Type, s)
		case s.last() < s.First:
			fault("sentinel %s is no range", s)
		case length < 64 && s.last()>>length != 0:
			fault("sentinel %s is longer than %d bits", s, length)
		}
	}
	if _, ok := p.notImplemented(); p.SunSpec && !ok {
		fault("SunSpec knows no type %s in %s", p.Type, p.At.table)
	}
	if p.Names == nil {
		return
	}
	if !c.integer() || p.Scale != (units.Scale{}) || p.ScaleAt != (Address{}) || p.Unit != units.None {
		fault("names are for integers without scale and unit")
	}
	for _, n := range slices.Sorted(maps.Keys(p.Names)) {
		if len(p.Names[n]) > maxName {
			fault("name of %d is longer than %d bytes", n, maxName)
		}
	}
}

// maxName bounds the names of an enumeration.
const maxName = 256

func (p Point) scaleFaults(fault func(string, ...any)) {
	c := p.Type.class()
	if p.Scale != (units.Scale{}) && !c.number() {
		fault("type %s has no scale", p.Type)
	}
	if p.Scale.Num == minInt64 || p.Scale.Den == minInt64 {
		fault("scale %s is out of range", p.Scale)
	}
	if p.ScaleAt == (Address{}) {
		return
	}
	switch {
	case !c.number():
		fault("type %s has no scale", p.Type)
	case p.At.table.bits() || p.ScaleAt.table != p.At.table:
		fault("scale register at %s cannot be read together with %s", p.ScaleAt, p.At)
	case p.ScaleAt.offset >= p.At.offset && int(p.ScaleAt.offset) < int(p.At.offset)+p.width():
		fault("scale register at %s is part of the value", p.ScaleAt)
	}
	if _, ok := powersOfTen(p.Scale); !ok {
		fault("scale %s is out of range with a scale register", p.Scale)
	}
}

func (p Point) clockFaults(fault func(string, ...any)) {
	c := p.Type.class()
	laid := p.Type == Clock || p.Type == BCDClock
	if (c == elapsed || c == calendar) && p.Unit != units.None {
		fault("type %s is an instant and has no unit", p.Type)
	}
	switch {
	case !laid && p.Layout != "":
		fault("a layout is for clocks, not for type %s", p.Type)
	case laid:
		if err := checkLayout(p.Layout, p.Type == BCDClock); err != nil {
			fault("layout %.40q: %w", p.Layout, err)
		}
	}
	if !p.Epoch.IsZero() && c != elapsed && !(laid && strings.Count(p.Layout, "Y") == 1) {
		fault("type %s counts from no epoch", p.Type)
	}
	if p.Zone != nil && c != calendar {
		fault("type %s has no time zone", p.Type)
	}
}

const minInt64 = -1 << 63
