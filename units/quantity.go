package units

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Quantity is a value with its unit: 16 bytes, comparable, without a pointer. The
// zero value is 0 of the unknown unit.
type Quantity struct {
	Value float64 // how many of Unit; NaN and infinities are values like others
	Unit  Unit    // None if not known
}

// In returns q in another unit, correctly rounded, or a *[KindError]. For more
// than a few values prepare a [Converter] with [Between].
func (q Quantity) In(u Unit) (Quantity, error) {
	c, err := Between(q.Unit, u)
	if err != nil {
		return Quantity{}, err
	}
	return Quantity{c.Convert(q.Value), u}, nil
}

// String returns q as the zero [Format] writes it, "21.4 °C".
func (q Quantity) String() string { return Format{}.String(q) }

// MarshalText returns the shortest number that reads as the value again, and the
// canonical symbol: "21.4 degC". The unknown unit has no symbol, "21.4".
func (q Quantity) MarshalText() ([]byte, error) { return q.AppendText(nil) }

// AppendText appends what [Quantity.MarshalText] returns to b, and allocates
// nothing beyond what b lacks.
func (q Quantity) AppendText(b []byte) ([]byte, error) {
	if q.Unit != None && !q.Unit.Valid() {
		return b, fmt.Errorf("units: %w %v", ErrUnknown, q.Unit)
	}
	return Format{ASCII: true}.Append(b, q), nil
}

// UnmarshalText sets q as [ParseQuantity] does. On error q is unchanged.
func (q *Quantity) UnmarshalText(text []byte) error {
	parsed, err := ParseQuantity(string(text))
	if err != nil {
		return err
	}
	*q = parsed
	return nil
}

// ParseQuantity reads what [Quantity.MarshalText] writes: a decimal number and,
// after one space, a canonical symbol. A number alone has the unknown unit. A
// number beyond the range of float64 wraps [ErrRange], any other text that is no
// number strconv.ErrSyntax, an unknown symbol [ErrUnknown].
func ParseQuantity(s string) (Quantity, error) {
	number, symbol, hasUnit := strings.Cut(s, " ")
	q := Quantity{}
	var err error
	if q.Value, err = strconv.ParseFloat(number, 64); err != nil || strings.ContainsAny(number, "_xX") {
		if errors.Is(err, strconv.ErrRange) {
			return Quantity{}, fmt.Errorf("units: %w %s", ErrRange, quote(number))
		}
		return Quantity{}, fmt.Errorf("units: %w %s", strconv.ErrSyntax, quote(number))
	}
	if hasUnit {
		if q.Unit, err = Parse(symbol); err != nil {
			return Quantity{}, err
		}
	}
	return q, nil
}

// Watts is an amount of active power. Like time.Duration it is a plain number
// with a name: sums, differences and ratios are written with the operators, and
// active power cannot meet reactive power without a conversion in sight.
type Watts float64

// Kilowatts returns p in kW.
func (p Watts) Kilowatts() float64 { return float64(p) / 1000 }

// Quantity returns p with its unit.
func (p Watts) Quantity() Quantity { return Quantity{float64(p), Watt} }

// String returns p to the last digit, with the prefix that suits it: "24.31 kW".
func (p Watts) String() string { return withPrefix.String(p.Quantity()) }

// Append appends the text of String to b.
func (p Watts) Append(b []byte) []byte { return withPrefix.Append(b, p.Quantity()) }

// Vars is an amount of reactive power.
type Vars float64

// Kilovars returns q in kvar.
func (q Vars) Kilovars() float64 { return float64(q) / 1000 }

// Quantity returns q with its unit.
func (q Vars) Quantity() Quantity { return Quantity{float64(q), Var} }

// String returns q to the last digit, with the prefix that suits it: "1.5 kvar".
func (q Vars) String() string { return withPrefix.String(q.Quantity()) }

// Append appends the text of String to b.
func (q Vars) Append(b []byte) []byte { return withPrefix.Append(b, q.Quantity()) }

// VoltAmperes is an amount of apparent power.
type VoltAmperes float64

// KilovoltAmperes returns s in kVA.
func (s VoltAmperes) KilovoltAmperes() float64 { return float64(s) / 1000 }

// Quantity returns s with its unit.
func (s VoltAmperes) Quantity() Quantity { return Quantity{float64(s), VoltAmpere} }

// String returns s to the last digit, with the prefix that suits it: "25 kVA".
func (s VoltAmperes) String() string { return withPrefix.String(s.Quantity()) }

// Append appends the text of String to b.
func (s VoltAmperes) Append(b []byte) []byte { return withPrefix.Append(b, s.Quantity()) }

// Volts is a voltage.
type Volts float64

// Quantity returns v with its unit.
func (v Volts) Quantity() Quantity { return Quantity{float64(v), Volt} }

// String returns v to the last digit, with the prefix that suits it: "230.2 V".
func (v Volts) String() string { return withPrefix.String(v.Quantity()) }

// Append appends the text of String to b.
func (v Volts) Append(b []byte) []byte { return withPrefix.Append(b, v.Quantity()) }

// Amperes is a current.
type Amperes float64

// Quantity returns i with its unit.
func (i Amperes) Quantity() Quantity { return Quantity{float64(i), Ampere} }

// String returns i to the last digit, with the prefix that suits it: "16 A".
func (i Amperes) String() string { return withPrefix.String(i.Quantity()) }

// Append appends the text of String to b.
func (i Amperes) Append(b []byte) []byte { return withPrefix.Append(b, i.Quantity()) }

// withPrefix is how the named amounts print.
var withPrefix = Format{Prefixes: true}
