package snmp

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/units"
)

// Point is one value to be read from an agent: a scalar by itself, or a column of a
// Table for all its rows. Only Name and OID are always needed.
//
// The raw number is compared with the Sentinels, then scaled. Integers of a type
// other than Number whose Scale is a whole number keep their exact value; so do those
// of type Number with Role acquire.Counter. All other numbers become float64, the
// nearest one to raw × Scale. To keep a counter of tenths exact, declare it in a finer
// unit: 0.1 kWh is Unit units.WattHour with Scale{Num: 100}.
type Point struct {
	Name  string       // name of the point in the Catalog; of a column, its part behind that of the row
	OID   OID          // the object with its instance, as in "1.3.6.1.2.1.1.3.0"; of a column without
	Type  Type         // what the agent gives; zero: any number
	Scale units.Scale  // value = raw × Scale, in Unit; zero: 1
	Unit  units.Unit   // unit of the value
	Role  acquire.Role // what the values mean over time

	// Exponents are objects beside this one that hold powers of ten: value = raw ×
	// Scale × 10^(sum of all). The value becomes a float64. A column's are columns of
	// the same rows. Default: none.
	Exponents []Exponent
	// Sentinels are the raw numbers by which the agent says that it has no value, such
	// as -1. Default: none.
	Sentinels []int64
	// NonNegative says that all raw numbers below zero are Sentinels.
	NonNegative bool
	// Names are what the numbers of an enumeration stand for. With it the value is the
	// name as text, the digits for a number without one. Default: the value is the
	// number.
	Names map[int64]string

	// Interval is the time from reading to reading, a multiple of Config.Interval. The
	// columns of a table have that of the table. Default: Config.Interval.
	Interval time.Duration
}

// Exponent is an object that holds a power of ten for a Point: the power is Times ×
// (number − Zero).
//
//	RFC 7460, UnitMultiplier                Exponent{OID: ...}
//	ENTITY-SENSOR-MIB, scale                Exponent{OID: ..., Times: 3, Zero: 9}
//	ENTITY-SENSOR-MIB, precision            Exponent{OID: ..., Times: -1, Floor: true}
//	decimal digits behind the point         Exponent{OID: ..., Times: -1}
type Exponent struct {
	OID   OID   // the object, or the column
	Times int   // zero: 1
	Zero  int64 // the number that stands for 10^0
	Floor bool  // numbers below Zero stand for 10^0 as well
}

// maxPower is the greatest power of ten that Exponents may come to, and the least is
// its negative: from yocto to yotta (RFC 7460, UnitMultiplier).
const maxPower = 24

// power returns the power of ten that number stands for.
func (e *Exponent) power(number int64) (int, bool) {
	if e.Floor && number < e.Zero {
		return 0, true
	}
	if number < math.MinInt32 || number > math.MaxInt32 {
		return 0, false
	}
	n := number - e.Zero
	if n < -maxPower || n > maxPower {
		return 0, false
	}
	return e.times() * int(n), true
}

func (e *Exponent) times() int {
	if e.Times == 0 {
		return 1
	}
	return e.Times
}

// whole reports whether values of p are, and stay, integers.
func (p *Point) whole() bool {
	exact := p.Type.integer() || p.Type == Number && p.Role == acquire.Counter
	return exact && p.Scale.Reduce().Den == 1 && len(p.Exponents) == 0
}

// kind returns the kind of p's values.
func (p *Point) kind() acquire.Kind {
	switch {
	case p.Type == Bool:
		return acquire.KindBool
	case p.Names != nil || p.Type.text():
		return acquire.KindText
	case p.Type == DateAndTime:
		return acquire.KindInt64
	case !p.whole():
		return acquire.KindFloat64
	case p.Type == Int32 || p.Scale.Reduce().Num < 0:
		return acquire.KindInt64
	}
	return acquire.KindUint64
}

// counts reports whether a restart of the agent matters to p.
func (p *Point) counts() bool { return p.Role == acquire.Counter }

// withDefaults fills in what follows from the rest, and shares no memory with p.
func (p Point) withDefaults() Point {
	if p.Role == acquire.Gauge {
		switch {
		case p.Type == Counter32 || p.Type == Counter64:
			p.Role = acquire.Counter
		case p.Names != nil:
			p.Role = acquire.State
		}
	}
	p.Sentinels, p.Names, p.Exponents = slices.Clone(p.Sentinels), maps.Clone(p.Names), slices.Clone(p.Exponents)
	return p
}

// maxName bounds the names of an enumeration.
const maxName = 256

// faults returns everything that is wrong with p, which is called what.
func (p *Point) faults(what string) error {
	var faults []error
	fault := func(format string, args ...any) {
		faults = append(faults, fmt.Errorf("%s: "+format, append([]any{what}, args...)...))
	}
	switch {
	case p.OID == "":
		fault("no OID")
	case !p.OID.Valid():
		fault("%.80q is no OID", string(p.OID))
	}
	if p.Type > maxType {
		fault("unknown %s", p.Type)
		return errors.Join(faults...)
	}
	number := p.Type.number()
	if p.Scale != (units.Scale{}) && !number {
		fault("type %s has no scale", p.Type)
	}
	if p.Scale.Num == math.MinInt64 || p.Scale.Den == math.MinInt64 {
		fault("scale %s is out of range", p.Scale)
	}
	if (len(p.Sentinels) > 0 || p.NonNegative) && !number {
		fault("type %s has no raw number that could be a sentinel", p.Type)
	}
	if p.Unit != units.None && !number {
		fault("type %s has no unit", p.Type)
	}
	if p.Role == acquire.Counter && (!number || p.Names != nil) {
		fault("only numbers count")
	}
	if p.Names != nil && (!p.Type.integer() && p.Type != Number || p.Scale != (units.Scale{}) || p.Unit != units.None || len(p.Exponents) > 0) {
		fault("names are for integers without scale and unit")
	}
	for _, n := range slices.Sorted(maps.Keys(p.Names)) {
		if len(p.Names[n]) > maxName {
			fault("name of %d is longer than %d bytes", n, maxName)
		}
	}
	if len(p.Exponents) > 0 && !number {
		fault("type %s has no exponent", p.Type)
	}
	for _, e := range p.Exponents {
		if !e.OID.Valid() {
			fault("%.80q of an exponent is no OID", string(e.OID))
		}
		if e.Times < -maxPower || e.Times > maxPower {
			fault("exponent %s counts %d times, more than %d", e.OID, e.Times, maxPower)
		}
		if e.Zero < math.MinInt32 || e.Zero > math.MaxInt32 {
			fault("exponent %s is never %d", e.OID, e.Zero)
		}
	}
	if _, ok := powersOfTen(p.Scale); len(p.Exponents) > 0 && !ok {
		fault("scale %s is out of range with exponents", p.Scale)
	}
	if p.Interval < 0 {
		fault("interval of %s is negative", p.Interval)
	}
	return errors.Join(faults...)
}

// powersOfTen returns s × 10^n for n from -maxPower to maxPower, as far as they are
// ratios of int64, and whether 10^±9 are among them. The others are zero.
func powersOfTen(s units.Scale) (*[2*maxPower + 1]units.Scale, bool) {
	var scales [2*maxPower + 1]units.Scale
	if s.Num == math.MinInt64 || s.Den == math.MinInt64 {
		return &scales, false
	}
	scales[maxPower] = s.Reduce()
	least := maxPower
	for _, step := range []units.Scale{{Num: 10}, {Den: 10}} {
		reached := 0
		for n := 1; n <= maxPower; n++ {
			from, to := maxPower+n-1, maxPower+n
			if step.Den != 0 {
				from, to = maxPower-n+1, maxPower-n
			}
			scale, err := scales[from].Mul(step)
			if err != nil {
				break
			}
			scales[to], reached = scale, n
		}
		least = min(least, reached)
	}
	return &scales, least >= 9
}
