package tariff

import (
	"fmt"
	"math/big"
	"strconv"
	"strings"
)

// Ratio is an exact number: a price a unit, a limit, a share. Den = 0 counts as
// 1, so that the zero value is 0 and Ratio{Num: 3} is 3.
type Ratio struct{ Num, Den int64 }

// ParseRatio reads a decimal number ("0.2931", "-5") or a quotient of integers
// ("1/3"), exactly. A number whose parts do not fit int64 is an error.
func ParseRatio(s string) (Ratio, error) {
	r, err := parseRatio(s)
	if err != nil {
		if len(s) > 64 {
			s = s[:64]
		}
		return Ratio{}, fmt.Errorf("tariff: number %q: %w", s, err)
	}
	return r, nil
}

func parseRatio(s string) (Ratio, error) {
	if num, den, ok := strings.Cut(s, "/"); ok {
		n, err := strconv.ParseInt(num, 10, 64)
		if err != nil {
			return Ratio{}, numError(err)
		}
		d, err := strconv.ParseInt(den, 10, 64)
		switch {
		case err != nil:
			return Ratio{}, numError(err)
		case d <= 0:
			return Ratio{}, strconv.ErrRange
		}
		return Ratio{n, d}, nil
	}
	whole, fraction, point := strings.Cut(s, ".")
	if point && (fraction == "" || strings.Trim(fraction, "0123456789") != "" || strings.Trim(whole, "+-") == "") {
		return Ratio{}, strconv.ErrSyntax
	}
	fraction = strings.TrimRight(fraction, "0")
	if len(fraction) > 18 { // 10^18 is the largest power that fits
		return Ratio{}, strconv.ErrRange
	}
	n, err := strconv.ParseInt(whole+fraction, 10, 64)
	if err != nil {
		return Ratio{}, numError(err)
	}
	den := int64(1)
	for range fraction {
		den *= 10
	}
	return Ratio{n, den}, nil
}

// numError returns what is wrong, without the text.
func numError(err error) error {
	if e, ok := err.(*strconv.NumError); ok {
		return e.Err
	}
	return err
}

// Whole returns n as a Ratio.
func Whole(n int64) Ratio { return Ratio{n, 1} }

// Rat returns r as a new big.Rat.
func (r Ratio) Rat() *big.Rat {
	if r.Den == 0 {
		r.Den = 1
	}
	return big.NewRat(r.Num, r.Den)
}

// IsZero reports whether r is 0.
func (r Ratio) IsZero() bool { return r.Num == 0 }

// String returns the quotient in lowest terms, "3" or "1/3".
func (r Ratio) String() string { return r.Rat().RatString() }
