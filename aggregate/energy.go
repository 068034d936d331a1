package aggregate

import (
	"math"
	"math/big"
	"math/bits"
	"strconv"
	"strings"
	"time"

	"github.com/fieldtap/fieldtap/units"
)

// Energy is an exact amount of active energy: a signed integer of 128 bits that
// counts quanta of 0.5 fJ, half a microwatt nanosecond. With power in whole
// microwatts and time in nanoseconds, a held value (2·P·Δt quanta) and a
// trapezoid ((P₁+P₂)·Δt quanta) are both whole numbers, so that sums depend on
// neither order nor grouping.
//
// One watt hour is exactly 7.2·10¹⁸ quanta. The range is ±2.36·10¹⁶ kWh; a sum
// beyond it stays at the end of the range. Values are comparable with ==, and
// the zero value is no energy. Being a value, an Energy is safe to share.
type Energy struct{ quanta int128 }

// ReactiveEnergy is an exact amount of reactive energy, counted as Energy is,
// in half microvar nanoseconds. It is a type of its own because the two must
// never be added. The zero value is no energy.
type ReactiveEnergy struct{ quanta int128 }

// ApparentEnergy is an exact amount of apparent energy, counted as Energy is, in
// half microvoltampere nanoseconds. The zero value is no energy.
type ApparentEnergy struct{ quanta int128 }

// WattHours returns the energy of n watt hours, exactly.
func WattHours(n int64) Energy { return Energy{scaled(n, quantaPerWattHour)} }

// VarHours returns the reactive energy of n var hours, exactly.
func VarHours(n int64) ReactiveEnergy { return ReactiveEnergy{scaled(n, quantaPerWattHour)} }

// Quanta returns e in quanta, as the upper and lower half of a number in two's
// complement.
func (e Energy) Quanta() (hi, lo uint64) { return e.quanta.hi, e.quanta.lo }

// Quanta returns e in quanta, as Energy.Quanta does.
func (e ReactiveEnergy) Quanta() (hi, lo uint64) { return e.quanta.hi, e.quanta.lo }

// Quanta returns e in quanta, as Energy.Quanta does.
func (e ApparentEnergy) Quanta() (hi, lo uint64) { return e.quanta.hi, e.quanta.lo }

// EnergyOf returns the energy of that many quanta. The one number without a
// counterpart of the other sign becomes the end of the range.
func EnergyOf(hi, lo uint64) Energy { return Energy{symmetric(hi, lo)} }

// ReactiveEnergyOf returns the reactive energy of that many quanta, as EnergyOf
// does.
func ReactiveEnergyOf(hi, lo uint64) ReactiveEnergy { return ReactiveEnergy{symmetric(hi, lo)} }

// ApparentEnergyOf returns the apparent energy of that many quanta, as EnergyOf
// does.
func ApparentEnergyOf(hi, lo uint64) ApparentEnergy { return ApparentEnergy{symmetric(hi, lo)} }

func symmetric(hi, lo uint64) int128 {
	if hi == 1<<63 && lo == 0 {
		return limit(-1)
	}
	return int128{hi, lo}
}

// Add returns e+f.
func (e Energy) Add(f Energy) Energy { return Energy{e.quanta.plus(f.quanta)} }

// Sub returns e-f.
func (e Energy) Sub(f Energy) Energy { return Energy{e.quanta.plus(f.quanta.neg())} }

// Neg returns -e.
func (e Energy) Neg() Energy { return Energy{e.quanta.neg()} }

// Cmp returns -1, 0 or +1 as e is less than, equal to or greater than f.
func (e Energy) Cmp(f Energy) int { return e.quanta.cmp(f.quanta) }

// Sign returns -1, 0 or +1 as e is negative, zero or positive.
func (e Energy) Sign() int { return e.quanta.sign() }

// IsZero reports whether e is no energy.
func (e Energy) IsZero() bool { return e.quanta.isZero() }

// WattHours returns e in Wh, the float64 nearest to the exact amount.
func (e Energy) WattHours() float64 { return e.quanta.over(wattHour) }

// KilowattHours returns e in kWh, the float64 nearest to the exact amount.
func (e Energy) KilowattHours() float64 { return e.quanta.over(kilowattHour) }

// Joules returns e in J, the float64 nearest to the exact amount.
func (e Energy) Joules() float64 { return e.quanta.over(joule) }

// Rat returns e in Wh as an exact ratio, for audits. It allocates.
func (e Energy) Rat() *big.Rat { return e.quanta.rat(quantaPerWattHour) }

// String returns e in kWh with three decimals, "24.310 kWh", or below one Wh in
// Wh with six, "0.012500 Wh", rounded to nearest, ties to even.
func (e Energy) String() string { return string(e.Append(nil)) }

// Append appends the text of String to dst. It does not implement
// encoding.TextAppender, because the text is rounded.
func (e Energy) Append(dst []byte) []byte { return e.quanta.appendHours(dst, "Wh") }

// Exact returns all digits of e, in joules: "0.0000000000000005 J" is one
// quantum. Watt hours would need endless digits.
func (e Energy) Exact() string { return e.quanta.exact("J") }

// Add returns e+f.
func (e ReactiveEnergy) Add(f ReactiveEnergy) ReactiveEnergy {
	return ReactiveEnergy{e.quanta.plus(f.quanta)}
}

// Sub returns e-f.
func (e ReactiveEnergy) Sub(f ReactiveEnergy) ReactiveEnergy {
	return ReactiveEnergy{e.quanta.plus(f.quanta.neg())}
}

// Neg returns -e.
func (e ReactiveEnergy) Neg() ReactiveEnergy { return ReactiveEnergy{e.quanta.neg()} }

// Cmp returns -1, 0 or +1 as e is less than, equal to or greater than f.
func (e ReactiveEnergy) Cmp(f ReactiveEnergy) int { return e.quanta.cmp(f.quanta) }

// Sign returns -1, 0 or +1 as e is negative, zero or positive.
func (e ReactiveEnergy) Sign() int { return e.quanta.sign() }

// IsZero reports whether e is no energy.
func (e ReactiveEnergy) IsZero() bool { return e.quanta.isZero() }

// VarHours returns e in varh, the float64 nearest to the exact amount.
func (e ReactiveEnergy) VarHours() float64 { return e.quanta.over(wattHour) }

// KilovarHours returns e in kvarh, the float64 nearest to the exact amount.
func (e ReactiveEnergy) KilovarHours() float64 { return e.quanta.over(kilowattHour) }

// Rat returns e in varh as an exact ratio, for audits. It allocates.
func (e ReactiveEnergy) Rat() *big.Rat { return e.quanta.rat(quantaPerWattHour) }

// String returns e in kvarh with three decimals, or below one varh in varh with
// six, rounded to nearest, ties to even.
func (e ReactiveEnergy) String() string { return string(e.Append(nil)) }

// Append appends the text of String to dst.
func (e ReactiveEnergy) Append(dst []byte) []byte { return e.quanta.appendHours(dst, "varh") }

// Exact returns all digits of e, in var seconds.
func (e ReactiveEnergy) Exact() string { return e.quanta.exact("vars") }

// Add returns e+f.
func (e ApparentEnergy) Add(f ApparentEnergy) ApparentEnergy {
	return ApparentEnergy{e.quanta.plus(f.quanta)}
}

// Sub returns e-f.
func (e ApparentEnergy) Sub(f ApparentEnergy) ApparentEnergy {
	return ApparentEnergy{e.quanta.plus(f.quanta.neg())}
}

// Cmp returns -1, 0 or +1 as e is less than, equal to or greater than f.
func (e ApparentEnergy) Cmp(f ApparentEnergy) int { return e.quanta.cmp(f.quanta) }

// IsZero reports whether e is no energy.
func (e ApparentEnergy) IsZero() bool { return e.quanta.isZero() }

// VoltAmpereHours returns e in VAh, the float64 nearest to the exact amount.
func (e ApparentEnergy) VoltAmpereHours() float64 { return e.quanta.over(wattHour) }

// KilovoltAmpereHours returns e in kVAh, the float64 nearest to the exact amount.
func (e ApparentEnergy) KilovoltAmpereHours() float64 { return e.quanta.over(kilowattHour) }

// Rat returns e in VAh as an exact ratio, for audits. It allocates.
func (e ApparentEnergy) Rat() *big.Rat { return e.quanta.rat(quantaPerWattHour) }

// String returns e in kVAh with three decimals, or below one VAh in VAh with
// six, rounded to nearest, ties to even.
func (e ApparentEnergy) String() string { return string(e.Append(nil)) }

// Append appends the text of String to dst.
func (e ApparentEnergy) Append(dst []byte) []byte { return e.quanta.appendHours(dst, "VAh") }

// Exact returns all digits of e, in volt ampere seconds.
func (e ApparentEnergy) Exact() string { return e.quanta.exact("VAs") }

// Mean returns the mean power of e over d, correctly rounded; 0 if d is not
// positive.
func (e Energy) Mean(d time.Duration) units.Watts { return units.Watts(e.quanta.mean(d)) }

// Mean returns the mean reactive power of e over d, correctly rounded; 0 if d is
// not positive.
func (e ReactiveEnergy) Mean(d time.Duration) units.Vars { return units.Vars(e.quanta.mean(d)) }

// Mean returns the mean apparent power of e over d, correctly rounded; 0 if d is
// not positive.
func (e ApparentEnergy) Mean(d time.Duration) units.VoltAmperes {
	return units.VoltAmperes(e.quanta.mean(d))
}

// mean returns the mean power of x over d, correctly rounded.
func (x int128) mean(d time.Duration) float64 {
	if d <= 0 {
		return 0
	}
	// 2·10⁶ quanta a nanosecond are one watt. Whole seconds have so many factors of
	// two that a century fits; an odd number of nanoseconds beyond 13 days does not.
	const perNano, twos = 2 * microwattsPerWatt >> 7, 7
	more := bits.TrailingZeros64(uint64(d))
	if hi, odd := bits.Mul64(perNano, uint64(d)>>more); hi == 0 {
		return x.over(divisor{odd: odd, twos: twos + more})
	}
	r := new(big.Rat).SetFrac(x.big(), new(big.Int).Mul(big.NewInt(perNano<<twos), big.NewInt(int64(d))))
	f, _ := r.Float64()
	return f
}

// divisor is odd * 2^twos.
type divisor struct {
	odd  uint64
	twos int
}

// The numbers of quanta in a unit, without their factors of two.
var (
	wattHour     = divisor{quantaPerWattHour >> 20, 20}
	kilowattHour = divisor{quantaPerWattHour * 1000 >> 23, 23}
	joule        = divisor{quantaPerWattSecond >> 16, 16}
)

// over returns x/d, the float64 nearest to the exact quotient. The quotient is
// never so small or large that it leaves the normal range.
func (x int128) over(d divisor) float64 {
	if x.isZero() {
		return 0
	}
	a := x.abs()
	up := 128 - a.bitLen() // a 64-bit divisor leaves 65 bits of quotient or more
	q, r := a.shl(up).div(d.odd)
	exp := -up - d.twos
	// Keep 64 bits. The lowest says whether anything nonzero is below it, which is
	// all that the conversion to 53 bits needs to know.
	down := q.bitLen() - 64
	top := q.shr(down)
	if r != 0 || top.shl(down) != q {
		top.lo |= 1
	}
	f := math.Ldexp(float64(top.lo), exp+down)
	if x.sign() < 0 {
		return -f
	}
	return f
}

func (x int128) big() *big.Int {
	a := x.abs()
	n := new(big.Int).SetUint64(a.hi)
	n.Lsh(n, 64).Or(n, new(big.Int).SetUint64(a.lo))
	if x.sign() < 0 {
		n.Neg(n)
	}
	return n
}

func (x int128) rat(perUnit uint64) *big.Rat {
	return new(big.Rat).SetFrac(x.big(), new(big.Int).SetUint64(perUnit))
}

// appendHours appends x in unit (Wh or varh), or thousands of it.
func (x int128) appendHours(dst []byte, unit string) []byte {
	const micro = quantaPerWattHour / 1000000
	if a := x.abs(); a.isZero() || a.cmp(int128{0, quantaPerWattHour}) >= 0 {
		dst = x.appendFixed(dst, quantaPerWattHour, 3)
		dst = append(dst, " k"...)
	} else {
		dst = x.appendFixed(dst, micro, 6)
		dst = append(dst, ' ')
	}
	return append(dst, unit...)
}

// appendFixed appends x/last with its last decimals digits behind a point.
func (x int128) appendFixed(dst []byte, last uint64, decimals int) []byte {
	q, r := x.abs().div(last)
	if r > last-r || r == last-r && q.lo&1 != 0 {
		q = q.add(int128{0, 1})
	}
	if x.sign() < 0 && !q.isZero() {
		dst = append(dst, '-')
	}
	var digits [40]byte // 2^128 has 39
	n := len(digits)
	for i := 0; !q.isZero() || i <= decimals; i++ {
		if i == decimals && i > 0 {
			n--
			digits[n] = '.'
		}
		var d uint64
		q, d = q.div(10)
		n--
		digits[n] = byte('0' + d)
	}
	return append(dst, digits[n:]...)
}

// exact returns all digits of x in watt seconds or var seconds.
func (x int128) exact(unit string) string {
	dst := make([]byte, 0, 64)
	if x.sign() < 0 {
		dst = append(dst, '-')
	}
	// The fraction is below 2·10¹⁵ quanta, each 5 units of the 16th decimal.
	whole, rest := x.abs().div(quantaPerWattSecond)
	dst = whole.appendFixed(dst, 1, 0)
	if rest != 0 {
		digits := strings.TrimRight(strconv.FormatUint(1e16+rest*5, 10), "0")
		dst = append(dst, '.')
		dst = append(dst, digits[1:]...)
	}
	dst = append(dst, ' ')
	return string(append(dst, unit...))
}
