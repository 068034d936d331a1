package units

import (
	"bytes"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxText is the longest unit text that is looked at.
const maxText = 120

// phrase is a unit text, folded by [fold] or [squash], and what it means: the
// unit, divided by per where that is not zero, or the verdict why there is none.
type phrase struct {
	text    string
	unit    Unit
	per     int64
	verdict Verdict
}

// lookUp returns the phrase of a table in byte order of its texts.
func lookUp(table []phrase, text []byte) (phrase, bool) {
	low, high := 0, len(table)
	for low < high {
		i := int(uint(low+high) >> 1)
		switch c := compare(table[i].text, text); {
		case c == 0:
			return table[i], true
		case c < 0:
			low = i + 1
		default:
			high = i
		}
	}
	return phrase{}, false
}

func compare(s string, b []byte) int {
	for i := range min(len(s), len(b)) {
		if s[i] != b[i] {
			return int(s[i]) - int(b[i])
		}
	}
	return len(s) - len(b)
}

// readText reads unit text as people write it, for the manual and SNMP dialects:
// a symbol, or words, with a scale before or after.
func readText(d Dialect, raw string) Stated {
	var folded [2 * maxText]byte
	text, v := fold(folded[:0], raw)
	switch {
	case v != Understood:
		return refused(d, raw, "", v)
	case len(text) == 0:
		return refused(d, raw, "", NotStated)
	}
	t := textReader{dialect: d, raw: raw}
	s := t.whole(text)
	if s.Verdict != Understood {
		return refused(d, raw, "", s.Verdict)
	}
	return s
}

// textReader reads one folded text.
type textReader struct {
	dialect Dialect
	raw     string
}

func (t *textReader) verdict(v Verdict) Stated { return Stated{Verdict: v} }

// whole reads text that may carry a scale before or after the unit.
func (t *textReader) whole(text []byte) Stated {
	if s := t.unit(text); s.Verdict != Unknown {
		return s
	}
	if i := bytes.IndexByte(text, ';'); t.dialect == DialectSNMP && i > 0 && isExample(text[i+1:]) {
		return t.whole(trim(text[:i])) // an example follows
	}
	if bytes.Contains(text, []byte(" or ")) {
		return t.verdict(Ambiguous)
	}
	rest, scale, ok := leadingScale(text)
	if !ok {
		rest, scale, ok = trailingScale(text)
	}
	if !ok || len(rest) == 0 {
		return t.verdict(Unknown)
	}
	s := t.unit(rest)
	if s.Verdict != Understood {
		return s
	}
	product, err := s.Scale.Mul(scale)
	if err != nil {
		return t.verdict(OutOfRange)
	}
	return understood(t.dialect, t.raw, s.Unit, product)
}

// isExample reports whether what follows a semicolon explains the scale.
func isExample(b []byte) bool {
	_, ok := cutPrefix(trim(b), "i.e.")
	return ok
}

// unit reads text without a scale.
func (t *textReader) unit(text []byte) Stated {
	if t.dialect == DialectSNMP {
		if p, ok := lookUp(snmpPhrases[:], text); ok {
			return t.phrase(p)
		}
	}
	if s := t.symbol(text); s.Verdict != Unknown {
		return s
	}
	if s := t.words(text); s.Verdict != Unknown {
		return s
	}
	if wrongCase(text) {
		return t.verdict(WrongCase)
	}
	return t.verdict(Unknown)
}

func (t *textReader) phrase(p phrase) Stated {
	if p.unit == None {
		return t.verdict(p.verdict)
	}
	return understood(t.dialect, t.raw, p.unit, Scale{Den: p.per})
}

// symbol reads a symbol. Case counts; spaces, hyphens, dots and asterisks inside the
// symbols of energies, apparent power, charge and torque do not.
func (t *textReader) symbol(text []byte) Stated {
	if p, ok := lookUp(symbolPhrases[:], text); ok {
		return t.phrase(p)
	}
	if u, ok := symbolUnit(text); ok {
		return understood(t.dialect, t.raw, u, Scale{})
	}
	var space [2 * maxText]byte
	if flat := flattened(space[:0], text); len(flat) != len(text) {
		return t.symbol(flat)
	}
	if closed, ok := closed(space[:0], text); ok {
		u, ok := symbolUnit(closed)
		if !ok {
			if p, found := lookUp(symbolPhrases[:], closed); found {
				u, ok = p.unit, p.per == 0
			}
		}
		if ok && closes(u.Kind()) {
			return understood(t.dialect, t.raw, u, Scale{})
		}
	}
	return t.verdict(Unknown)
}

// closes reports whether the units of a kind are written with and without a
// separator, and are the same without one.
func closes(k Kind) bool {
	switch k {
	case ActiveEnergy, ReactiveEnergy, ApparentEnergy, ApparentPower, Charge, Torque:
		return true
	}
	return false
}

// flattened appends text to b but for the carets of powers: "m^3" is m3. A caret
// elsewhere stays, as "^C" is how a lost degree sign may look.
func flattened(b, text []byte) []byte {
	for i, c := range text {
		if c == '^' && i > 0 && isLetter(text[i-1]) && i+1 < len(text) && isDigit(text[i+1]) {
			continue
		}
		b = append(b, c)
	}
	return b
}

// closed appends text to b but for the separators between its parts, and reports
// whether there are any. One before the first part or after the last separates
// nothing: the "-" of "-kWh" is a sign, the "*" of "*C" may have been a degree.
func closed(b, text []byte) (joined []byte, ok bool) {
	const separators = " .-*"
	if strings.IndexByte(separators, text[0]) >= 0 || strings.IndexByte(separators, text[len(text)-1]) >= 0 {
		return nil, false
	}
	for _, c := range text {
		if strings.IndexByte(separators, c) < 0 {
			b = append(b, c)
		}
	}
	return b, len(b) != len(text)
}

// symbolUnit returns the unit whose canonical symbol text is.
func symbolUnit(text []byte) (Unit, bool) {
	low, high := 0, len(bySymbol)
	for low < high {
		i := int(uint(low+high) >> 1)
		switch c := compare(bySymbol[i].Symbol(), text); {
		case c == 0:
			return bySymbol[i], true
		case c < 0:
			low = i + 1
		default:
			high = i
		}
	}
	return None, false
}

// wrongCase reports whether text is a symbol but for its case.
func wrongCase(text []byte) bool {
	for u := None + 1; u < unitEnd; u++ {
		if len(text) < 6 && strings.EqualFold(table[u].symbol, string(text)) {
			return true
		}
	}
	return false
}

// words reads words, whose case does not matter: "degrees Celsius",
// "milli-volts", "Kilobits/sec".
func (t *textReader) words(text []byte) Stated {
	var space [2 * maxText]byte
	b, circuit := squash(space[:0], text)
	if len(b) < 3 {
		return t.verdict(Unknown)
	}
	if p, ok := lookUp(wordPhrases[:], b); ok {
		return t.word(p, circuit)
	}
	if rest, ten, ok := wordPrefix(b); ok {
		if p, ok := lookUp(wordPhrases[:], rest); ok && p.unit != None {
			return t.prefixed(p, ten, circuit)
		}
	}
	if t.dialect == DialectSNMP {
		if u := countUnit(b); u != None && !circuit {
			return understood(t.dialect, t.raw, u, Scale{})
		}
	}
	rest, ten, ok := letterPrefix(text)
	if !ok {
		return t.verdict(Unknown)
	}
	b, circuit = squash(space[:0], rest)
	p, ok := lookUp(wordPhrases[:], b)
	switch {
	case !ok || p.unit == None:
		return t.verdict(Unknown)
	case ten == 6 && !megaWord(p.unit.Kind(), rest), ten < 0 && (p.unit.Kind() == Data || p.unit.Kind() == DataRate):
		return t.verdict(WrongCase) // Msec, mbps
	}
	return t.prefixed(p, ten, circuit)
}

// word is what a word states, circuit words apart.
func (t *textReader) word(p phrase, circuit bool) Stated {
	if k := p.unit.Kind(); circuit && k != Voltage && k != Current && k != ActivePower {
		return t.verdict(Unknown)
	}
	return t.phrase(p)
}

// countUnit returns the unit of a counting noun, such as packets or packets per
// second, or None.
func countUnit(b []byte) Unit {
	if noun, ok := cutSuffix(b, "persecond"); ok && countNoun(noun) {
		return PerSecond
	}
	if noun, ok := cutSuffix(b, "perminute"); ok && countNoun(noun) {
		return PerMinute
	}
	if noun, ok := cutPrefix(b, "numberof"); ok && countNoun(noun) || countNoun(b) {
		return Each
	}
	return None
}

func countNoun(b []byte) bool {
	for _, noun := range countNouns {
		if compare(noun, b) == 0 {
			return true
		}
	}
	return false
}

// prefixed returns the unit of p with a prefix for a power of ten: the unit that
// has the very name, or else p's at a scale.
func (t *textReader) prefixed(p phrase, ten int, circuit bool) Stated {
	switch {
	case p.unit == Byte || p.unit == BytePerSecond:
		return t.verdict(Ambiguous) // by 1000 or by 1024
	case !prefixable(p.unit) || p.per != 0:
		return t.verdict(Unknown)
	}
	scale, _ := tenTo(ten)
	if u := decimalOf(p.unit, scale); u != None {
		return t.word(phrase{unit: u}, circuit)
	}
	s := t.word(p, circuit)
	if s.Verdict == Understood {
		s.Scale = scale
	}
	return s
}

// prefixable reports whether people put a prefix before the word for u.
func prefixable(u Unit) bool {
	switch u.Kind() {
	case Data, DataRate:
		return u == Bit || u == BitPerSecond
	case Duration:
		return u == Second
	case Temperature:
		return u == DegreeCelsius || u == Kelvin
	case Mass:
		return u == Gram
	case Count, CountRate, Ratio, PowerFactor:
		return u == Percent
	}
	return coherent(u) || u == WattHour || u == VarHour || u == VoltAmpereHour || u == AmpereHour || u == Litre
}

// megaWord reports whether a capital M before word, which names a unit of this
// kind, can only be mega. Before second, ampere or metre it is as likely a slip, and
// where all letters are capitals it says nothing: MVOLTS.
func megaWord(k Kind, word []byte) bool {
	switch k {
	case Frequency, Data, DataRate:
		return true
	case ActivePower, ReactivePower, ApparentPower, ActiveEnergy, ReactiveEnergy, ApparentEnergy,
		Voltage, Resistance:
		return bytes.ContainsFunc(word, unicode.IsLower)
	}
	return false
}

// wordPrefix cuts a prefix that is written out, in lower case.
func wordPrefix(b []byte) (rest []byte, ten int, ok bool) {
	for _, p := range [...]struct {
		word string
		ten  int
	}{
		{"femto", -15}, {"pico", -12}, {"nano", -9}, {"micro", -6}, {"milli", -3}, {"centi", -2}, {"deci", -1},
		{"hecto", 2}, {"kilo", 3}, {"mega", 6}, {"giga", 9}, {"tera", 12},
	} {
		if rest, ok := cutPrefix(b, p.word); ok {
			return rest, p.ten, true
		}
	}
	return nil, 0, false
}

// letterPrefix cuts a prefix letter before a word: mVolts, kOhm, uSec. Its case
// counts, but for k.
func letterPrefix(text []byte) (rest []byte, ten int, ok bool) {
	if len(text) < 4 {
		return nil, 0, false
	}
	switch text[0] {
	case 'n':
		ten = -9
	case 'u':
		ten = -6
	case 'm':
		ten = -3
	case 'k', 'K':
		ten = 3
	case 'M':
		ten = 6
	case 'G':
		ten = 9
	default:
		return nil, 0, false
	}
	return text[1:], ten, true
}

// leadingScale cuts a scale before the unit: "0.1 V", ".01 A", "1/10 dB",
// "10^-3 mA", "tenths of", "1/100th of a", "-dBm".
func leadingScale(text []byte) (rest []byte, scale Scale, ok bool) {
	if rest, ok := cutPrefix(text, "-"); ok && len(rest) > 0 && !isDigit(rest[0]) && rest[0] != '.' {
		return trim(rest), Scale{Num: -1, Den: 1}, true
	}
	b := text
	if rest, ok := cutPrefix(b, "*"); ok {
		b = trim(rest)
	}
	n := 0
	for n < len(b) && (isDigit(b[n]) || b[n] == '.' || b[n] == '/' && n+1 < len(b) && isDigit(b[n+1])) {
		n++
	}
	if n == 0 {
		return leadingFraction(b)
	}
	number := string(b[:n])
	if number[0] == '.' {
		number = "0" + number
	}
	b = b[n:]
	if rest, ok := cutPrefix(b, "^"); ok && number == "10" {
		return powerOfTen(rest)
	}
	scale, err := parseScale(number)
	if err != nil {
		return nil, Scale{}, false
	}
	for _, th := range [...]string{"ths", "th"} {
		if rest, ok := cutPrefix(b, th); ok {
			if powerOfTenDigits([]byte(number)) > 0 {
				scale = scale.Inverse() // 10000th
			} else if !strings.HasPrefix(number, "1/") {
				return nil, Scale{}, false
			}
			b = rest
			break
		}
	}
	if len(b) > 0 && (b[0] == '*' || b[0] == '^' || b[0] == '-' && len(b) > 1 && isDigit(b[1])) {
		return nil, Scale{}, false
	}
	if rest, ok := cutPrefix(b, "-"); ok {
		b = rest
	}
	return ofA(trim(b)), scale, true
}

// leadingFraction cuts a fraction or multiple in words.
func leadingFraction(b []byte) (rest []byte, scale Scale, ok bool) {
	for _, f := range [...]struct {
		word     string
		num, den int64
	}{
		{"tenths", 1, 10}, {"tenth", 1, 10}, {"hundredths", 1, 100}, {"hundredth", 1, 100},
		{"thousandths", 1, 1000}, {"thousandth", 1, 1000}, {"tens", 10, 1}, {"hundreds", 100, 1},
		{"one", 1, 1},
	} {
		if len(b) <= len(f.word) || !equalFold(b[:len(f.word)], f.word) {
			continue
		}
		rest := b[len(f.word):]
		if rest[0] != ' ' && rest[0] != '-' && (rest[0] < 'A' || rest[0] > 'Z') && rest[0] != 'd' {
			continue // another word
		}
		rest = trim(rest)
		if r, ok := cutPrefix(rest, "-"); ok {
			rest = trim(r)
		}
		return ofA(rest), Scale{Num: f.num, Den: f.den}, true
	}
	return nil, Scale{}, false
}

// powerOfTen reads what follows "10^" and cuts it.
func powerOfTen(b []byte) (rest []byte, scale Scale, ok bool) {
	sign := 1
	if r, ok := cutPrefix(b, "-"); ok {
		b, sign = r, -1
	}
	n, digits := 0, 0
	for digits < len(b) && digits < 2 && isDigit(b[digits]) {
		n = 10*n + int(b[digits]-'0')
		digits++
	}
	if digits == 0 || digits < len(b) && isDigit(b[digits]) {
		return nil, Scale{}, false
	}
	scale, ok = tenTo(sign * n)
	return trim(b[digits:]), scale, ok
}

// ofA cuts "of", "of a" and "of an". An "A" without "of" is an ampere.
func ofA(b []byte) []byte {
	for _, word := range [...]string{"of a ", "of an ", "of "} {
		if len(b) > len(word) && equalFold(b[:len(word)], word) {
			return trim(b[len(word):])
		}
	}
	return b
}

// trailingScale cuts a scale after the unit: "V/100", "mA/10", "Wh 10-1", "percent
// times 100". What was multiplied by the device is divided here.
func trailingScale(text []byte) (rest []byte, scale Scale, ok bool) {
	i := len(text)
	for i > 0 && isDigit(text[i-1]) {
		i--
	}
	digits := text[i:]
	if len(digits) == 0 || i == 0 {
		return nil, Scale{}, false
	}
	power := powerOfTenDigits(digits)
	b := text[:i]
	switch {
	case b[i-1] == '/' && power > 0:
		scale, ok = tenTo(-power)
		return trim(b[:i-1]), scale, ok
	case b[i-1] == '-' && len(digits) == 1:
		if rest, ok := cutSuffix(b[:i-1], " 10"); ok {
			scale, ok = tenTo(-int(digits[0] - '0'))
			return trim(rest), scale, ok
		}
	case power > 0:
		if rest, ok := cutSuffix(b, " times "); ok {
			scale, ok = tenTo(-power)
			return trim(rest), scale, ok
		}
	}
	return nil, Scale{}, false
}

// powerOfTenDigits returns n for the digits of 10^n, 0 for any others.
func powerOfTenDigits(digits []byte) int {
	if digits[0] != '1' {
		return 0
	}
	for _, d := range digits[1:] {
		if d != '0' {
			return 0
		}
	}
	return len(digits) - 1
}

// fold appends raw in ASCII: trimmed, runs of white space made one space, and the
// characters that units are written with replaced by one spelling. The Unicode
// twins of micro, ohm, degree and the multiplication dot are one thing.
func fold(b []byte, raw string) ([]byte, Verdict) {
	if len(raw) > maxText {
		return nil, Unknown
	}
	for i, r := range raw {
		switch r {
		case ' ', '\t', '\n', '\r', '\u00a0', '\u2009', '\u202f':
			if len(b) > 0 && b[len(b)-1] != ' ' {
				b = append(b, ' ')
			}
		case '\u00b5', '\u03bc': // micro sign, small mu
			b = append(b, 'u')
		case '\u2126', '\u03a9': // ohm sign, capital omega
			b = append(b, "Ohm"...)
		case '\u00b0', '\u00ba', '\u02da': // degree, masculine ordinal, ring above
			b = append(b, "deg"...)
		case '\u2103':
			b = append(b, "degC"...)
		case '\u2109':
			b = append(b, "degF"...)
		case '\u2082': // subscript
			b = append(b, '2')
		case '\u00b2', '\u00b3': // superscripts
			if len(b) > 0 && isDigit(b[len(b)-1]) {
				b = append(b, '^') // a power of a number
			}
			b = append(b, "23"[r-'\u00b2'])
		case '\u00b7', '\u22c5', '\u2219', '\u2022': // dots
			c := byte('.')
			if after := raw[i+utf8.RuneLen(r):]; after != "" && isDigit(after[0]) {
				c = '*' // no decimal point
			}
			b = append(b, c)
		case '\u00d7': // cross
			b = append(b, '*')
		case '\u2212', '\u2010', '\u2011', '\u2013': // minus, hyphens, dash
			b = append(b, '-')
		case '\u2215', '\u2044': // slashes
			b = append(b, '/')
		case '\u2030':
			b = append(b, "permille"...)
		case '\u20ac':
			b = append(b, "EUR"...)
		case '\u0394', '\u2206': // capital delta, increment
			b = append(b, "delta_"...)
		case utf8.RuneError:
			return nil, Unknown
		default:
			if r < '!' || r > '~' {
				return nil, Unknown
			}
			b = append(b, byte(r))
		}
		if len(b) > maxText {
			return nil, Unknown
		}
	}
	return trim(b), Understood
}

// squash appends text in lower case without separators and with "/" as "per":
// "Bits/sec" is bitspersecond. The words AC, DC and RMS are left out, which only
// a voltage, current or power allows: circuit says that there were any.
func squash(b, text []byte) (squashed []byte, circuit bool) {
	for i := 0; i < len(text); {
		if !isLetter(text[i]) {
			switch c := text[i]; c {
			case '/':
				b = append(b, "per"...)
			case ' ', '-', '_', '.', '(', ')', '*':
			default:
				b = append(b, c)
			}
			i++
			continue
		}
		end := i
		for end < len(text) && isLetter(text[end]) {
			end++
		}
		word := text[i:end]
		after := endsWith(b, "per")
		switch {
		case len(word) < len(text) && (equalFold(word, "ac") || equalFold(word, "dc") || equalFold(word, "rms")):
			circuit = true
		case after && (equalFold(word, "s") || equalFold(word, "sec") || equalFold(word, "seconds")):
			b = append(b, "second"...)
		case after && equalFold(word, "min"):
			b = append(b, "minute"...)
		default:
			for _, c := range word {
				b = append(b, lower(c))
			}
		}
		i = end
	}
	return b, circuit
}

func trim(b []byte) []byte {
	for len(b) > 0 && b[0] == ' ' {
		b = b[1:]
	}
	for len(b) > 0 && b[len(b)-1] == ' ' {
		b = b[:len(b)-1]
	}
	return b
}

func isLetter(c byte) bool { return 'a' <= lower(c) && lower(c) <= 'z' }

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		c += 'a' - 'A'
	}
	return c
}

// equalFold reports whether b is s but for the case of its letters; s is in lower
// case.
func equalFold(b []byte, s string) bool {
	if len(b) != len(s) {
		return false
	}
	for i := range b {
		if lower(b[i]) != s[i] {
			return false
		}
	}
	return true
}

func cutPrefix(b []byte, s string) ([]byte, bool) {
	if len(b) < len(s) || compare(s, b[:len(s)]) != 0 {
		return b, false
	}
	return b[len(s):], true
}

func cutSuffix(b []byte, s string) ([]byte, bool) {
	if !endsWith(b, s) {
		return b, false
	}
	return b[:len(b)-len(s)], true
}

func endsWith(b []byte, s string) bool {
	return len(b) >= len(s) && compare(s, b[len(b)-len(s):]) == 0
}
