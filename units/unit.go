package units

import (
	"errors"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// ErrUnknown is wrapped by the error for a text that is no canonical symbol.
var ErrUnknown = errors.New("unknown unit")

// Unit is a unit of measurement, small and comparable. The zero value is
// [None], the unknown unit.
//
// Numbers may shift between releases: persist the symbol, which is what
// [Unit.MarshalText] yields.
type Unit uint16

// Valid reports whether u is a unit of this package. [None] is not.
func (u Unit) Valid() bool { return None < u && u < unitEnd }

// Kind returns the kind of quantity u measures, KindNone for [None] and for
// numbers that are no unit.
func (u Unit) Kind() Kind {
	if u < unitEnd {
		return table[u].kind
	}
	return KindNone
}

// Ratio returns the exact size of u in the coherent unit of its kind, in lowest
// terms: 3600000/1 for the kilowatt hour, whose coherent unit is the joule.
// It returns 0/0 where no ratio of uint64 exists ([Degree] is π/180 radian, the
// [Electronvolt] too small) and for [None]. That of a temperature is the size of its
// degree and leaves its zero out: convert temperatures with [Between].
func (u Unit) Ratio() (num, den uint64) {
	if !u.Valid() || timesPi(u) || nano(u) {
		return 0, 0
	}
	return table[u].num, table[u].den
}

// Symbol returns the canonical symbol, "kvarh": ASCII, unique, and the one
// text that [Parse] accepts for u. It is empty for [None] and for numbers that
// are no unit.
func (u Unit) Symbol() string {
	if u < unitEnd {
		return table[u].symbol
	}
	return ""
}

// String returns the symbol, "none" for [None], and "Unit(60000)" for a number
// that is no unit.
func (u Unit) String() string {
	switch {
	case u.Valid():
		return table[u].symbol
	case u == None:
		return "none"
	}
	return "Unit(" + strconv.Itoa(int(u)) + ")"
}

// MarshalText returns the symbol, and the empty text for [None]. A number that
// is no unit is an error.
func (u Unit) MarshalText() ([]byte, error) { return u.AppendText(nil) }

// AppendText appends what [Unit.MarshalText] returns to b.
func (u Unit) AppendText(b []byte) ([]byte, error) {
	if u != None && !u.Valid() {
		return b, fmt.Errorf("units: %w %v", ErrUnknown, u)
	}
	return append(b, table[u].symbol...), nil
}

// UnmarshalText sets u as [Parse] does, and to [None] for the empty text. On
// error u is unchanged.
func (u *Unit) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*u = None
		return nil
	}
	parsed, err := Parse(string(text))
	if err != nil {
		return err
	}
	*u = parsed
	return nil
}

// Parse returns the unit whose canonical symbol is s. It is strict: case
// counts (mW is not MW), nothing is trimmed, and no alias, prefix or spelling
// is tried. Any other text, the empty one included, yields [None] and an error
// that wraps [ErrUnknown] and quotes s (its first 64 bytes). Success allocates
// nothing.
func Parse(s string) (Unit, error) {
	i, found := slices.BinarySearchFunc(bySymbol[:], s, func(u Unit, s string) int {
		return strings.Compare(table[u].symbol, s)
	})
	if !found {
		return None, fmt.Errorf("units: %w %s", ErrUnknown, quote(s))
	}
	return bySymbol[i], nil
}

// All yields every valid unit, grouped by kind and ascending within one.
func All() iter.Seq[Unit] {
	return func(yield func(Unit) bool) {
		for u := None + 1; u < unitEnd; u++ {
			if !yield(u) {
				return
			}
		}
	}
}

// quote renders foreign text for an error: escaped, and cut after 64 bytes so
// that a hostile device cannot fill a log with one unit string.
func quote(s string) string {
	const limit = 64
	if len(s) <= limit {
		return strconv.Quote(s)
	}
	cut := limit
	for cut > limit-utf8.UTFMax && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return strconv.Quote(s[:cut]) + "..."
}
