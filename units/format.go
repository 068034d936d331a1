package units

import (
	"bytes"
	"math"
	"strconv"
)

// Format says how a [Quantity] is written for people. The zero value writes the
// value to the last digit, in the unit it has: "1234.5 kWh", "21.4 °C".
type Format struct {
	// Digits is the number of significant digits, at most 17; 3 gives "1.23 MWh".
	// Zero: as many as it takes to read the same float64 again.
	Digits int

	// Prefixes chooses among the unit and its relatives by metric prefix, such that
	// one to three digits stand before the point: "1.2345 MWh". The digits stay and
	// the point moves, so that nothing is rounded for it; the kind never changes.
	// Units that take no prefix, °C or % or h, stay as they are.
	Prefixes bool

	// ASCII writes the canonical symbol, which [Parse] reads, in place of the
	// proper one: "m3/h" and not "m³/h".
	ASCII bool
}

// Append appends q to b: the number, a space, and the unit. Numbers have no
// exponent between 1e-6 and 1e21. The degree of an angle follows without a space,
// One without a symbol, and the unknown unit as "?". It allocates nothing beyond
// what b lacks.
func (f Format) Append(b []byte, q Quantity) []byte {
	var buffer [32]byte
	text, exp := scientific(buffer[:0], q.Value, min(max(f.Digits, 0), 17))
	if f.Prefixes && q.Value != 0 && !isSpecial(q.Value) {
		u := engineering(q.Unit, exp)
		exp += decades(q.Unit, u)
		q.Unit = u
	}
	b = appendNumber(b, text, exp)
	if f.ASCII {
		if q.Unit != None {
			b = append(b, ' ')
		}
		return append(b, q.Unit.Symbol()...)
	}
	switch q.Unit {
	case One:
		return b
	case Degree:
	default:
		b = append(b, ' ')
	}
	return q.Unit.AppendDisplay(b)
}

// String returns what Append appends.
func (f Format) String(q Quantity) string { return string(f.Append(nil, q)) }

// engineering returns the relative of u by prefix in which a value whose first digit
// stands for 10^exp in u has one to three digits before the point, or the nearest to
// that. To go by the digits, and not by the value converted, keeps them as they are:
// 1e-7 Wh are 0.0001 mWh, and not 0.00009999999999999999.
func engineering(u Unit, exp int) Unit {
	if stem(u) == None {
		return u
	}
	best := u
	for exp+decades(u, best) >= 3 {
		next := relative(best, +1)
		if next == None {
			break
		}
		best = next
	}
	for exp+decades(u, best) < 0 {
		next := relative(best, -1)
		if next == None {
			break
		}
		best = next
	}
	return best
}

// relative returns the next unit of u's kind, going by step, that has the same stem,
// or None.
func relative(u Unit, step int) Unit {
	for v := int(u) + step; Unit(v).Kind() == u.Kind(); v += step {
		if stem(Unit(v)) == stem(u) {
			return Unit(v)
		}
	}
	return None
}

// decades returns n where u is 10^n times v, for units of one stem.
func decades(u, v Unit) int {
	if u == v {
		return 0
	}
	num, den, _ := product(table[u].num, table[u].den, table[v].den, table[v].num)
	n := 0
	for ; num > 1; num /= 10 {
		n++
	}
	for ; den > 1; den /= 10 {
		n--
	}
	return n
}

func isSpecial(x float64) bool { return math.IsNaN(x) || math.IsInf(x, 0) }

// scientific appends x rounded to so many digits, 0 for the shortest text that reads
// as x again, as "-1.234e-05", and returns that and the exponent. A NaN or infinity
// has none.
func scientific(b []byte, x float64, digits int) (text []byte, exp int) {
	b = strconv.AppendFloat(b, x, 'e', digits-1, 64)
	if isSpecial(x) {
		return b, 0
	}
	i := len(b) - 1
	for place := 1; '0' <= b[i] && b[i] <= '9'; i-- {
		exp += place * int(b[i]-'0')
		place *= 10
	}
	if b[i] == '-' {
		exp = -exp
	}
	return b, exp
}

// appendNumber appends the digits of a text that scientific returned, the first of
// them for 10^exp.
func appendNumber(b, text []byte, exp int) []byte {
	end := bytes.IndexByte(text, 'e')
	if end < 0 {
		return append(b, text...) // NaN or an infinity
	}
	if exp < -6 || exp > 20 {
		b = append(append(b, text[:end]...), 'e', '+')
		if exp < 0 {
			b[len(b)-1], exp = '-', -exp
		}
		if exp < 10 {
			b = append(b, '0')
		}
		return strconv.AppendInt(b, int64(exp), 10)
	}
	if text[0] == '-' {
		b, text, end = append(b, '-'), text[1:], end-1
	}
	// The digits are text[0], text[2], text[3] and so on up to the e.
	rest := text[min(2, end):end]
	if exp < 0 {
		b = append(b, "0."...)
		for range -exp - 1 {
			b = append(b, '0')
		}
		b = append(b, text[0])
		return append(b, rest...)
	}
	b = append(b, text[0])
	whole := min(exp, len(rest))
	b = append(b, rest[:whole]...)
	for range exp - whole {
		b = append(b, '0')
	}
	if whole < len(rest) {
		b = append(b, '.')
		b = append(b, rest[whole:]...)
	}
	return b
}

// Display returns the symbol for people: "m³/h", "°C", "µA", "N·m", "kΩ",
// "Btu(IT)/h". It is "?" for [None], and not what [Parse] reads.
func (u Unit) Display() string { return string(u.AppendDisplay(nil)) }

// AppendDisplay appends what [Unit.Display] returns to b. It allocates nothing
// beyond what b lacks.
func (u Unit) AppendDisplay(b []byte) []byte {
	switch u {
	case None:
		return append(b, '?')
	case Permille:
		return append(b, "‰"...)
	case StandardGravity:
		return append(b, "gₙ"...)
	case MillimetreOfWater:
		return append(b, "mmH₂O"...)
	case MetreOfWater:
		return append(b, "mH₂O"...)
	case InchOfWater:
		return append(b, "inH₂O"...)
	}
	return appendProper(b, u.String())
}

// appendProper appends an ASCII symbol with its letters and signs restored.
func appendProper(b []byte, symbol string) []byte {
	open := false // a bracket
	for i := 0; i < len(symbol); i++ {
		rest := symbol[i:]
		c := symbol[i]
		switch {
		case i == 0 && has(rest, "delta_"):
			b = append(b, "Δ"...)
			i += len("delta_") - 1
		case has(rest, "deg"):
			b = append(b, "°"...)
			i += len("deg") - 1
		case has(rest, "Ohm"):
			b = append(b, "Ω"...)
			i += len("Ohm") - 1
		case c == 'u' && i == 0:
			b = append(b, "µ"...)
		case c == '.':
			b = append(b, "·"...)
		case c == '2' && i > 0:
			b = append(b, "²"...)
		case c == '3' && i > 0:
			b = append(b, "³"...)
		case c == '_':
			b, open = append(b, '('), true
		case c == '/' && open:
			b, open = append(b, ")/"...), false
		default:
			b = append(b, c)
		}
	}
	if open {
		b = append(b, ')')
	}
	return b
}

func has(s, prefix string) bool { return len(s) >= len(prefix) && s[:len(prefix)] == prefix }

// stem returns the unit that u is a prefixed form of, itself if it takes prefixes,
// and None if not. Units with one stem are of one kind, and a thousand, or a
// million, apart.
func stem(u Unit) Unit {
	if u < unitEnd {
		return stems[u]
	}
	return None
}

var stems = [unitEnd]Unit{
	Microwatt: Watt, Milliwatt: Watt, Watt: Watt, Kilowatt: Watt, Megawatt: Watt, Gigawatt: Watt, Terawatt: Watt,
	Var: Var, Kilovar: Var, Megavar: Var, Gigavar: Var,
	VoltAmpere: VoltAmpere, Kilovoltampere: VoltAmpere, Megavoltampere: VoltAmpere, Gigavoltampere: VoltAmpere,
	Joule: Joule, Kilojoule: Joule, Megajoule: Joule, Gigajoule: Joule, Terajoule: Joule,
	MilliwattHour: WattHour, WattHour: WattHour, KilowattHour: WattHour, MegawattHour: WattHour, GigawattHour: WattHour, TerawattHour: WattHour,
	VarHour: VarHour, KilovarHour: VarHour, MegavarHour: VarHour, GigavarHour: VarHour,
	VoltAmpereHour: VoltAmpereHour, KilovoltampereHour: VoltAmpereHour, MegavoltampereHour: VoltAmpereHour, GigavoltampereHour: VoltAmpereHour,
	CalorieIT: CalorieIT, Kilocalorie: CalorieIT, Megacalorie: CalorieIT, Gigacalorie: CalorieIT,
	Microvolt: Volt, Millivolt: Volt, Volt: Volt, Kilovolt: Volt, Megavolt: Volt,
	Microampere: Ampere, Milliampere: Ampere, Ampere: Ampere, Kiloampere: Ampere,
	MilliampereHour: AmpereHour, AmpereHour: AmpereHour, KiloampereHour: AmpereHour,
	Microohm: Ohm, Milliohm: Ohm, Ohm: Ohm, Kiloohm: Ohm, Megaohm: Ohm, Gigaohm: Ohm,
	Microsiemens: Siemens, Millisiemens: Siemens, Siemens: Siemens,
	Nanofarad: Farad, Microfarad: Farad, Farad: Farad,
	Microhenry: Henry, Millihenry: Henry, Henry: Henry,
	Microtesla: Tesla, Millitesla: Tesla, Tesla: Tesla,
	WattPerSecond: WattPerSecond, KilowattPerSecond: WattPerSecond,
	Millihertz: Hertz, Hertz: Hertz, Kilohertz: Hertz, Megahertz: Hertz, Gigahertz: Hertz,
	MillihertzPerSecond: HertzPerSecond, HertzPerSecond: HertzPerSecond,
	Nanosecond: Second, Microsecond: Second, Millisecond: Second, Second: Second,
	Micrometre: Metre, Millimetre: Metre, Metre: Metre, Kilometre: Metre,
	Millilitre: Litre, Litre: Litre,
	Microgram: Gram, Milligram: Gram, Gram: Gram, Kilogram: Gram,
	Pascal: Pascal, Kilopascal: Pascal, Megapascal: Pascal, Gigapascal: Pascal,
	Millibar: Bar, Bar: Bar,
	MillibarGauge: BarGauge, BarGauge: BarGauge,
	MillibarAbsolute: BarAbsolute, BarAbsolute: BarAbsolute,
	MillibarDifferential: BarDifferential, BarDifferential: BarDifferential,
	Newton: Newton, Kilonewton: Newton, Meganewton: Newton,
	MillinewtonMetre: NewtonMetre, NewtonMetre: NewtonMetre, KilonewtonMetre: NewtonMetre,
	WattPerSquareMetre: WattPerSquareMetre, KilowattPerSquareMetre: WattPerSquareMetre,
	WattHourPerSquareMetre: WattHourPerSquareMetre, KilowattHourPerSquareMetre: WattHourPerSquareMetre,
	Mole: Mole, Kilomole: Mole,
	Lux: Lux, Kilolux: Lux,
	Microsievert: Sievert, Millisievert: Sievert, Sievert: Sievert,
	MicrosievertPerHour: MicrosievertPerHour, MillisievertPerHour: MicrosievertPerHour,
	Bit: Bit, Kilobit: Bit, Megabit: Bit, Gigabit: Bit,
	Byte: Byte, Kilobyte: Byte, Megabyte: Byte, Gigabyte: Byte, Terabyte: Byte,
	BitPerSecond: BitPerSecond, KilobitPerSecond: BitPerSecond, MegabitPerSecond: BitPerSecond, GigabitPerSecond: BitPerSecond,
	BytePerSecond: BytePerSecond, KilobytePerSecond: BytePerSecond, MegabytePerSecond: BytePerSecond,
}
