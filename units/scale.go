package units

import (
	"errors"
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
)

var (
	// ErrScale is wrapped by the error for a text that is no scale.
	ErrScale = errors.New("invalid scale")

	// ErrRange is wrapped by the error for an exact ratio whose parts do not fit
	// their integers.
	ErrRange = errors.New("ratio out of range")
)

// Scale is the exact ratio by which a raw register value is multiplied to give
// the value in the declared unit: 1/10 for a voltage in tenths of a volt. It is
// a ratio because 1/10 is not a float64: raw·0.1 differs from raw/10 for a third
// of all 16-bit values.
//
// A part that is zero counts as 1, so Scale{Den: 10} is 1/10, Scale{Num: 3600}
// is 3600, the zero value is 1, and no scale is zero. Either part may be
// negative, which some meters use to turn the sign of power. Two scales of one
// value are equal by == after [Scale.Reduce].
type Scale struct{ Num, Den int64 }

// ParseScale reads a ratio of integers ("1/10", "-3600") or one decimal number
// ("0.001", "1e-3"), which is taken exactly, not through float64. A sign may
// lead. Spaces, digit separators and a value of zero are errors that wrap
// [ErrScale]; a ratio whose parts do not fit int64 in lowest terms is an error
// that wraps [ErrRange]. Both quote the text (its first 64 bytes). The result is
// in lowest terms.
func ParseScale(s string) (Scale, error) {
	scale, err := parseScale(s)
	if err != nil {
		return Scale{}, fmt.Errorf("units: %w %s", err, quote(s))
	}
	return scale, nil
}

func parseScale(s string) (Scale, error) {
	text, negative := strings.CutPrefix(s, "-")
	if !negative {
		text = strings.TrimPrefix(text, "+")
	}
	num, den, err := ratio(text)
	if err != nil {
		return Scale{}, err
	}
	g := gcd(num, den)
	scale, ok := newScale(num/g, den/g, negative)
	if !ok {
		return Scale{}, ErrRange
	}
	return scale, nil
}

// ratio reads "num/den" or a decimal number. Neither part it returns is zero.
func ratio(s string) (num, den uint64, err error) {
	left, right, found := strings.Cut(s, "/")
	if !found {
		return decimal(s)
	}
	num, numErr := integer(left)
	den, denErr := integer(right)
	switch {
	case errors.Is(numErr, ErrScale) || errors.Is(denErr, ErrScale):
		return 0, 0, ErrScale
	case numErr != nil || denErr != nil:
		return 0, 0, ErrRange
	case num == 0 || den == 0:
		return 0, 0, ErrScale
	}
	return num, den, nil
}

// integer reads one or more decimal digits.
func integer(s string) (uint64, error) {
	if s == "" || strings.Trim(s, "0123456789") != "" {
		return 0, ErrScale
	}
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		return 0, ErrRange
	}
	return n, nil
}

// decimal reads digits with an optional fraction and exponent as a ratio. It
// cancels as it goes: only a ratio too large in lowest terms is out of range.
func decimal(s string) (num, den uint64, err error) {
	mantissa, exponent := s, ""
	if i := strings.IndexAny(s, "eE"); i >= 0 {
		mantissa, exponent = s[:i], s[i+1:]
		if exponent == "" {
			return 0, 0, ErrScale
		}
	}
	whole, fraction, hasPoint := strings.Cut(mantissa, ".")
	if whole == "" || hasPoint && fraction == "" {
		return 0, 0, ErrScale
	}
	if strings.Trim(whole, "0123456789") != "" || strings.Trim(fraction, "0123456789") != "" {
		return 0, 0, ErrScale
	}
	power, err := parseExponent(exponent)
	if err != nil {
		return 0, 0, err
	}
	digits := strings.TrimLeft(whole+fraction, "0")
	if digits == "" {
		return 0, 0, ErrScale
	}
	power -= len(fraction)
	significant := strings.TrimRight(digits, "0")
	power += len(digits) - len(significant)
	num, err = integer(significant)
	if err != nil {
		return longDecimal(significant, power)
	}
	den = 1
	for ; power > 0; power-- {
		if num > math.MaxUint64/10 {
			return 0, 0, ErrRange
		}
		num *= 10
	}
	twos, fives := -power, -power
	for ; twos > 0 && num%2 == 0; twos-- {
		num /= 2
	}
	for ; fives > 0 && num%5 == 0; fives-- {
		num /= 5
	}
	for _, factor := range [...]struct {
		n     int
		value uint64
	}{{twos, 2}, {fives, 5}} {
		for range factor.n {
			if den > math.MaxUint64/factor.value {
				return 0, 0, ErrRange
			}
			den *= factor.value
		}
	}
	return num, den, nil
}

// longDecimal returns digits·10^power in lowest terms, for digits that do not fit
// uint64: those of 2^-40 are 28. The last digit is not 0, so the divisor is at least
// 2^-power, and digits is at most num·10^-power.
func longDecimal(digits string, power int) (num, den uint64, err error) {
	const most = 64
	if power >= 0 || power < -most || len(digits) > 2*most {
		return 0, 0, ErrRange
	}
	n, _ := new(big.Int).SetString(strings.Clone(digits), 10) // a clone, so that no caller's text escapes
	ten := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(-power)), nil)
	r := new(big.Rat).SetFrac(n, ten)
	if !r.Num().IsUint64() || !r.Denom().IsUint64() {
		return 0, 0, ErrRange
	}
	return r.Num().Uint64(), r.Denom().Uint64(), nil
}

// parseExponent reads an optionally signed exponent, 0 for no text. Four digits
// are more than any ratio of int64 needs, for any mantissa of sane length.
func parseExponent(s string) (int, error) {
	if s == "" {
		return 0, nil
	}
	digits, negative := strings.CutPrefix(s, "-")
	if !negative {
		digits = strings.TrimPrefix(digits, "+")
	}
	n, err := integer(digits)
	switch {
	case err != nil:
		return 0, err
	case n > 9999:
		return 0, ErrRange
	case negative:
		return -int(n), nil
	}
	return int(n), nil
}

// String returns the scale as given, not reduced, in the form that [ParseScale]
// reads: "1/10", and "3600" where the divisor is 1.
func (s Scale) String() string {
	num, den, negative := s.parts()
	var b []byte
	if negative {
		b = append(b, '-')
	}
	b = strconv.AppendUint(b, num, 10)
	if den != 1 {
		b = append(b, '/')
		b = strconv.AppendUint(b, den, 10)
	}
	return string(b)
}

// MarshalText returns the text of [Scale.String].
func (s Scale) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText sets s as [ParseScale] does. On error s is unchanged.
func (s *Scale) UnmarshalText(text []byte) error {
	parsed, err := ParseScale(string(text))
	if err != nil {
		return err
	}
	*s = parsed
	return nil
}

// ApplyInt returns raw·Num/Den, the float64 nearest to the exact result, ties to
// even, for every raw and every scale. It is one multiply or one divide when a
// part is 1 and the other and raw are at most 2^53. Zero gives positive zero. It
// allocates nothing.
func (s Scale) ApplyInt(raw int64) float64 {
	s = s.filled()
	switch {
	case !int53(raw):
	case raw == 0:
		return 0
	case s.Den == 1 && int53(s.Num):
		return float64(raw) * float64(s.Num)
	case s.Num == 1 && int53(s.Den):
		return float64(raw) / float64(s.Den)
	}
	num, den, negative := s.parts()
	return signed(round(magnitude(raw), num, den, 0), negative != (raw < 0))
}

// ApplyUint is [Scale.ApplyInt] for unsigned registers and 64-bit counters.
func (s Scale) ApplyUint(raw uint64) float64 {
	if raw <= math.MaxInt64 {
		return s.ApplyInt(int64(raw))
	}
	num, den, negative := s.parts()
	return signed(round(raw, num, den, 0), negative)
}

// Apply returns x·Num/Den, correctly rounded as in [Scale.ApplyInt], for
// registers that hold floating point. NaN passes through; infinities and zeros
// keep or turn their sign with that of the scale. It allocates nothing.
func (s Scale) Apply(x float64) float64 {
	s = s.filled()
	switch {
	case s.Den == 1 && int53(s.Num):
		return x * float64(s.Num)
	case s.Num == 1 && int53(s.Den):
		return x / float64(s.Den)
	}
	num, den, negative := s.parts()
	if x != 0 && !math.IsInf(x, 0) && !math.IsNaN(x) {
		x = mulDiv(x, num, den)
	}
	return signed(x, negative)
}

// Reduce returns the same ratio in lowest terms, with both parts set and the
// sign on Num. Where a part is still 2^63 in magnitude it is math.MinInt64, and
// the other part makes the sign right.
func (s Scale) Reduce() Scale {
	num, den, negative := s.parts()
	g := gcd(num, den)
	reduced, ok := newScale(num/g, den/g, negative)
	if ok {
		return reduced
	}
	// A magnitude of 2^63 converts to math.MinInt64.
	reduced = Scale{Num: int64(num / g), Den: int64(den / g)}
	if (reduced.Num < 0) != (reduced.Den < 0) != negative {
		if reduced.Num == math.MinInt64 {
			reduced.Den = -reduced.Den
		} else {
			reduced.Num = -reduced.Num
		}
	}
	return reduced
}

// Mul returns the product of both scales in lowest terms, or an error that wraps
// [ErrRange].
func (s Scale) Mul(t Scale) (Scale, error) {
	sNum, sDen, sNegative := s.parts()
	tNum, tDen, tNegative := t.parts()
	num, den, fits := product(sNum, sDen, tNum, tDen)
	scale, ok := newScale(num, den, sNegative != tNegative)
	if !fits || !ok {
		return Scale{}, fmt.Errorf("units: %v times %v: %w", s, t, ErrRange)
	}
	return scale, nil
}

// Inverse returns Den/Num, in lowest terms as [Scale.Reduce] gives them.
func (s Scale) Inverse() Scale {
	s = s.filled()
	return Scale{Num: s.Den, Den: s.Num}.Reduce()
}

// Then returns the scale followed by the conversion as one exact ratio, so that
// a raw value is scaled and converted with a single rounding. It reports false,
// and the caller applies both in turn, where the result is no ratio of int64:
// beyond their range, between degree and radian, and between temperatures whose
// zeros differ.
func (s Scale) Then(c Converter) (Scale, bool) {
	cNum, cDen := c.Ratio()
	if cNum == 0 {
		return Scale{}, false
	}
	sNum, sDen, negative := s.parts()
	num, den, ok := product(sNum, sDen, cNum, cDen)
	if !ok {
		return Scale{}, false
	}
	return newScale(num, den, negative)
}

// filled returns s with parts that are zero set to 1.
func (s Scale) filled() Scale {
	if s.Num == 0 {
		s.Num = 1
	}
	if s.Den == 0 {
		s.Den = 1
	}
	return s
}

// parts returns the magnitudes, never zero, and whether the ratio is negative.
func (s Scale) parts() (num, den uint64, negative bool) {
	s = s.filled()
	return magnitude(s.Num), magnitude(s.Den), (s.Num < 0) != (s.Den < 0)
}

// newScale returns the scale with these parts, and whether they fit.
func newScale(num, den uint64, negative bool) (s Scale, ok bool) {
	if num > math.MaxInt64 || den > math.MaxInt64 {
		return Scale{}, false
	}
	s = Scale{Num: int64(num), Den: int64(den)}
	if negative {
		s.Num = -s.Num
	}
	return s, true
}

func magnitude(n int64) uint64 {
	if n < 0 {
		return -uint64(n)
	}
	return uint64(n)
}

// int53 reports whether |n| is at most 2^53, below which every integer is a
// float64.
func int53(n int64) bool { return uint64(n+1<<53) <= 1<<54 }

func signed(x float64, negative bool) float64 {
	if negative {
		return -x
	}
	return x
}
