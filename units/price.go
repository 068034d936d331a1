package units

import (
	"errors"
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
)

// ErrCurrency is wrapped by the error for a text that is no ISO 4217 code.
var ErrCurrency = errors.New("invalid currency")

// Currency is an ISO 4217 alphabetic code. The zero value is no currency.
type Currency [3]byte

// ParseCurrency reads three capital letters, "EUR". It has no list of the codes in
// force. The error wraps [ErrCurrency].
func ParseCurrency(code string) (Currency, error) {
	if len(code) == 3 {
		if c := Currency([]byte(code)); c.Valid() {
			return c, nil
		}
	}
	return Currency{}, fmt.Errorf("units: %w %s: want three capital letters, as in ISO 4217", ErrCurrency, quote(code))
}

// Valid reports whether c is three capital letters.
func (c Currency) Valid() bool {
	for _, letter := range c {
		if letter < 'A' || letter > 'Z' {
			return false
		}
	}
	return true
}

// String returns the code, and "???" for what is none.
func (c Currency) String() string {
	if !c.Valid() {
		return "???"
	}
	return string(c[:])
}

// MinorDigits returns how many decimal places the minor unit has, column E of ISO
// 4217 table A.1: 2 for EUR, whose minor unit is the cent, 0 for JPY, 3 for KWD.
// Codes without an entry here have 2.
func (c Currency) MinorDigits() int {
	switch string(c[:]) {
	case "BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "UYI", "VND", "VUV", "XAF", "XOF", "XPF":
		return 0
	case "BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND":
		return 3
	case "CLF", "UYW":
		return 4
	}
	return 2
}

// Price is an exact amount of money per unit of a quantity, "0.2875 EUR/kWh". It
// may be negative or zero. Make one with [NewPrice] or [ParsePrice]; the zero value
// is no price. It is immutable and comparable: two prices of one amount are equal.
type Price struct {
	num, den int64 // in lowest terms, den positive
	currency Currency
	per      Unit
}

// NewPrice returns the price of num/den units of the currency for one unit of per;
// a den of zero counts as 1. The error joins every fault: a negative den, a text
// that is no currency, a unit that is unknown, or that is a temperature, of which
// there is no amount.
func NewPrice(num, den int64, currency string, per Unit) (Price, error) {
	c, err := ParseCurrency(currency)
	faults := []error{err}
	if den < 0 {
		faults = append(faults, fmt.Errorf("units: price with a divisor of %d", den))
	}
	if !per.Valid() {
		faults = append(faults, fmt.Errorf("units: price per %w %v", ErrUnknown, per))
	}
	if per.Kind() == Temperature {
		faults = append(faults, fmt.Errorf("units: price per %v: a temperature is no amount", per))
	}
	if err := errors.Join(faults...); err != nil {
		return Price{}, err
	}
	return newPrice(big.NewRat(num, max(den, 1)), c, per)
}

func newPrice(amount *big.Rat, c Currency, per Unit) (Price, error) {
	if !amount.Num().IsInt64() || !amount.Denom().IsInt64() {
		return Price{}, fmt.Errorf("units: price per %v: %w", per, ErrRange)
	}
	return Price{amount.Num().Int64(), amount.Denom().Int64(), c, per}, nil
}

// ParsePrice reads an amount, a space, a currency, a stroke, and a unit: "0.2875
// EUR/kWh", "-12.5 EUR/MWh", "1/3 USD/m3". The amount is as [ParseScale] reads it, or
// zero.
func ParsePrice(s string) (Price, error) {
	number, rest, _ := strings.Cut(s, " ")
	currency, symbol, _ := strings.Cut(rest, "/")
	amount := Scale{Num: 0, Den: 1}
	var faults []error
	if !isZero(number) {
		var err error
		amount, err = ParseScale(number)
		faults = append(faults, err)
	}
	per, err := Parse(symbol)
	if faults = append(faults, err); err != nil {
		per = Each // so that it is said once
	}
	p, err := NewPrice(amount.Num, amount.Den, currency, per)
	if err := errors.Join(append(faults, err)...); err != nil {
		return Price{}, fmt.Errorf("units: price %s: %w", quote(s), err)
	}
	return p, nil
}

// isZero reports whether s is 0, with or without a sign and decimal places.
func isZero(s string) bool {
	if s != "" && (s[0] == '-' || s[0] == '+') {
		s = s[1:]
	}
	whole, fraction, hasPoint := strings.Cut(s, ".")
	return whole != "" && hasPoint == (fraction != "") && strings.Trim(whole+fraction, "0") == ""
}

// Currency returns the currency.
func (p Price) Currency() Currency { return p.currency }

// Per returns the unit whose amount of 1 has this price.
func (p Price) Per() Unit { return p.per }

// Rat returns the amount of money, in units of the currency, in a new Rat.
func (p Price) Rat() *big.Rat { return big.NewRat(p.num, max(p.den, 1)) }

// In returns the same price per another unit, exactly: 287.5 EUR/MWh for 0.2875
// EUR/kWh. The error is a *[KindError], or wraps [ErrRange].
func (p Price) In(per Unit) (Price, error) {
	c, err := Between(per, p.per)
	if err != nil {
		return Price{}, err
	}
	amount := c.Rat(p.Rat())
	if amount == nil {
		return Price{}, fmt.Errorf("units: price per %v: %w", per, ErrRange)
	}
	return newPrice(amount, p.currency, per)
}

// String returns the text that [ParsePrice] reads: a decimal where there is one,
// else a ratio.
func (p Price) String() string {
	amount := p.Rat()
	text := amount.RatString()
	if digits, finite := amount.FloatPrec(); finite {
		text = amount.FloatString(digits)
	}
	return text + " " + p.currency.String() + "/" + p.per.String()
}

// MarshalText returns the text of [Price.String]. The zero Price is an error.
func (p Price) MarshalText() ([]byte, error) {
	if p.den == 0 {
		return nil, fmt.Errorf("units: no price: %w", ErrCurrency)
	}
	return []byte(p.String()), nil
}

// UnmarshalText sets p as [ParsePrice] does. On error p is unchanged.
func (p *Price) UnmarshalText(text []byte) error {
	parsed, err := ParsePrice(string(text))
	if err != nil {
		return err
	}
	*p = parsed
	return nil
}

// Cost returns what q costs: the exact value of q times the exact price, rounded
// once, to the minor unit. Errors are a *[KindError] where q is of another kind
// than the price, and one that wraps [ErrRange] for a value that is not finite and
// a cost beyond int64.
func (p Price) Cost(q Quantity, r Rounding) (Money, error) {
	if math.IsNaN(q.Value) || math.IsInf(q.Value, 0) {
		return Money{}, fmt.Errorf("units: cost of %v: %w", q, ErrRange)
	}
	return p.CostRat(new(big.Rat).SetFloat64(q.Value), q.Unit, r)
}

// CostRat is [Price.Cost] for an amount that is no float64: a counter, or an exact
// energy. It does not change amount.
func (p Price) CostRat(amount *big.Rat, u Unit, r Rounding) (Money, error) {
	if p.den == 0 {
		return Money{}, fmt.Errorf("units: no price: %w", ErrCurrency)
	}
	c, err := Between(u, p.per)
	if err != nil {
		return Money{}, err
	}
	cost := c.Rat(amount)
	if cost == nil {
		return Money{}, fmt.Errorf("units: cost of an amount in %v: %w", u, ErrRange)
	}
	return NewMoney(cost.Mul(cost, p.Rat()), p.currency, r)
}

// Money is a sum in a currency.
type Money struct {
	Minor    int64    // in minor units: 1234 cents are 12.34 EUR
	Currency Currency // says what the minor unit is
}

// NewMoney returns the exact sum, in units of the currency, rounded once to the
// minor unit. It does not change sum, which is not nil. The error joins a c that
// is no currency, which wraps [ErrCurrency], and a sum beyond int64, which wraps
// [ErrRange].
func NewMoney(sum *big.Rat, c Currency, r Rounding) (Money, error) {
	var faults []error
	if !c.Valid() {
		faults = append(faults, fmt.Errorf("units: money: %w", ErrCurrency))
	}
	minor := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(c.MinorDigits())), nil)
	rounded := r.round(new(big.Rat).Mul(sum, new(big.Rat).SetInt(minor)))
	if !rounded.IsInt64() {
		faults = append(faults, fmt.Errorf("units: money in %v: %w", c, ErrRange))
	}
	if len(faults) > 0 {
		return Money{}, errors.Join(faults...)
	}
	return Money{rounded.Int64(), c}, nil
}

// String returns "12.34 EUR", with the decimal places that the currency has.
func (m Money) String() string {
	digits := strconv.FormatUint(magnitude(m.Minor), 10)
	if places := m.Currency.MinorDigits(); places > 0 {
		if missing := places + 1 - len(digits); missing > 0 {
			digits = strings.Repeat("0", missing) + digits
		}
		cut := len(digits) - places
		digits = digits[:cut] + "." + digits[cut:]
	}
	if m.Minor < 0 {
		digits = "-" + digits
	}
	return digits + " " + m.Currency.String()
}

// Rounding says which way a sum goes that is no whole number of minor units. The
// zero value is HalfEven.
type Rounding uint8

// The ways to round.
const (
	HalfEven         Rounding = iota // to the nearest, from the middle to the even one
	HalfAwayFromZero                 // to the nearest, from the middle away from zero: commercial rounding
	TowardZero                       // the part below the minor unit is dropped
	AwayFromZero                     // any part below the minor unit counts as a whole
)

// Valid reports whether r is one of the ways to round.
func (r Rounding) Valid() bool { return r <= AwayFromZero }

// String names the rounding, "half even".
func (r Rounding) String() string {
	if r.Valid() {
		return [...]string{"half even", "half away from zero", "toward zero", "away from zero"}[r]
	}
	return "Rounding(" + strconv.Itoa(int(r)) + ")"
}

// round returns x as a whole number. A number that is no rounding rounds half to
// even.
func (r Rounding) round(x *big.Rat) *big.Int {
	whole, rest := new(big.Int).QuoRem(x.Num(), x.Denom(), new(big.Int))
	if rest.Sign() == 0 {
		return whole
	}
	middle := new(big.Int).Lsh(rest, 1).CmpAbs(x.Denom()) // the rest against a half
	up := middle > 0 || middle == 0 && whole.Bit(0) == 1
	switch r {
	case HalfAwayFromZero:
		up = middle >= 0
	case TowardZero:
		up = false
	case AwayFromZero:
		up = true
	}
	if up {
		whole.Add(whole, big.NewInt(int64(x.Sign())))
	}
	return whole
}
