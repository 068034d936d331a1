package tariff

import (
	"errors"
	"math/big"
	"strconv"
	"strings"
)

// Currency is a currency of ISO 4217 with the number of decimals of its minor
// unit: {"EUR", 2}, {"JPY", 0}, {"KWD", 3}.
type Currency struct {
	Code   string // three capital letters
	Digits int    // decimals of an amount, 0 to 4
}

func (c Currency) valid() bool {
	return len(c.Code) == 3 && strings.Trim(c.Code, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == "" && c.Digits >= 0 && c.Digits <= 4
}

// Rounding says which of the two nearest amounts an exact amount in their middle
// becomes. All others become the nearest one.
type Rounding uint8

// The ways to round.
const (
	HalfEven Rounding = iota // the one whose last digit is even (IEEE 754 roundTiesToEven)
	HalfUp                   // the one farther from zero, as in commerce (DIN 1333)
)

// String returns "half even" or "half up".
func (r Rounding) String() string {
	switch r {
	case HalfEven:
		return "half even"
	case HalfUp:
		return "half up"
	}
	return "unknown"
}

// Money is an amount in minor units of its currency: {10461449, {"USD", 2}} is
// 104614.49 USD.
type Money struct {
	Minor    int64    // number of minor units
	Currency Currency // says what they are
}

// String formats m as "104614.49 USD".
func (m Money) String() string {
	sign, digits := "", strconv.FormatInt(m.Minor, 10)
	if digits[0] == '-' {
		sign, digits = "-", digits[1:]
	}
	if n := m.Currency.Digits; n > 0 {
		if short := n + 1 - len(digits); short > 0 {
			digits = strings.Repeat("0", short) + digits
		}
		digits = digits[:len(digits)-n] + "." + digits[len(digits)-n:]
	}
	return sign + digits + " " + m.Currency.Code
}

// round returns the amount nearest to exact.
func (c Currency) round(exact *big.Rat, how Rounding) (Money, error) {
	unit := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(c.Digits)), nil)
	num := new(big.Int).Mul(exact.Num(), unit)
	quotient, rest := new(big.Int).QuoRem(num, exact.Denom(), new(big.Int))
	switch rest.Lsh(rest.Abs(rest), 1).Cmp(exact.Denom()) {
	case 1:
		quotient.Add(quotient, big.NewInt(int64(num.Sign())))
	case 0:
		if how == HalfUp || quotient.Bit(0) == 1 {
			quotient.Add(quotient, big.NewInt(int64(num.Sign())))
		}
	}
	if !quotient.IsInt64() {
		return Money{}, errors.New("tariff: an amount beyond the range of Money")
	}
	return Money{quotient.Int64(), c}, nil
}
