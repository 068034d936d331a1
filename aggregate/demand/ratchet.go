package demand

import (
	"errors"
	"fmt"
	"math"
	"math/big"
	"strconv"
	"time"

	"github.com/fieldtap/fieldtap/units"
)

// MaxLookback is the longest look-back of a Ratchet, in months.
const MaxLookback = 120

// RatchetConfig says how a tariff makes billing demand of monthly peaks. Months
// are indexed by time.Month less one, so that [0] is January.
type RatchetConfig struct {
	// Lookback is how many months before the present one count; 0 = 11, so that a
	// peak counts for a year.
	Lookback int
	// Percent is the share of a month's peak that counts in the months after it,
	// within 0 and 100; 0 = the month's peak does not ratchet.
	Percent [12]float64
	// Actual are the months in which the month's own peak counts in full; none =
	// all of them.
	Actual [12]bool
	// Minimum is the billing demand that the contract bills in any case.
	Minimum units.Watts
}

// Ratchet computes billing demand. It is a plain value without state, safe to
// share. Make it with NewRatchet.
type Ratchet struct{ config RatchetConfig }

// NewRatchet returns a Ratchet, or every fault of the configuration at once.
func NewRatchet(config RatchetConfig) (Ratchet, error) {
	var faults []error
	if config.Lookback < 0 || config.Lookback > MaxLookback {
		faults = append(faults, fmt.Errorf("demand: look-back of %d months is not within 0 and %d", config.Lookback, MaxLookback))
	}
	for i, p := range config.Percent {
		if !(p >= 0 && p <= 100) {
			faults = append(faults, fmt.Errorf("demand: %v ratchets at %v %%, which is not within 0 and 100", time.Month(i+1), p))
		}
	}
	if m := float64(config.Minimum); !(m >= 0) || math.IsInf(m, 0) {
		faults = append(faults, fmt.Errorf("demand: contract minimum of %v W is not a power", m))
	}
	if len(faults) > 0 {
		return Ratchet{}, errors.Join(faults...)
	}
	if config.Lookback == 0 {
		config.Lookback = 11
	}
	if config.Actual == ([12]bool{}) {
		for i := range config.Actual {
			config.Actual[i] = true
		}
	}
	return Ratchet{config}, nil
}

// MonthPeak is the peak of one month. The zero value is a month without one:
// nothing was measured, or nobody knows.
type MonthPeak struct {
	Power units.Watts // largest demand of the month, not negative
	Known bool        // false: Power says nothing
}

// Basis says where a billing demand comes from.
type Basis uint8

// The bases.
const (
	FromMinimum  Basis = iota // the contract
	FromActual                // the month's own peak
	FromLookback              // the peak of an earlier month
)

// String returns "minimum", "actual" or "look-back".
func (b Basis) String() string {
	switch b {
	case FromMinimum:
		return "minimum"
	case FromActual:
		return "actual"
	case FromLookback:
		return "look-back"
	}
	return "basis " + strconv.Itoa(int(b))
}

// Billed is a billing demand and where it comes from.
type Billed struct {
	Demand  units.Watts // what the month is billed for
	Basis   Basis       // of equal ones the minimum, then the actual peak, then the latest of the earlier ones
	Back    int         // how many months ago the peak was; 0 = this month, or the contract
	Unknown int         // months that count and have no known peak: the demand may be too low
}

// Bill returns the billing demand of a month: the largest of the contract
// minimum, the month's own peak if it counts, and the percentage of each earlier
// peak that its month has. earlier[0] is the month before, earlier[1] the one
// before that; those beyond the look-back are not looked at, and those that it
// lacks are unknown.
//
// An unknown or senseless peak is counted in Unknown and never taken for 0.
// Percentages are rounded once, to the nearest float64. A month that is not one
// of the calendar bills the minimum, with everything unknown.
func (r Ratchet) Bill(month time.Month, own MonthPeak, earlier []MonthPeak) Billed {
	b := Billed{Demand: r.config.Minimum}
	if month < time.January || month > time.December {
		b.Unknown = 1 + r.config.Lookback
		return b
	}
	index := int(month - time.January)
	if r.config.Actual[index] {
		b.consider(own, 100, FromActual, 0)
	}
	for i := range r.config.Lookback {
		var peak MonthPeak
		if i < len(earlier) {
			peak = earlier[i]
		}
		if percent := r.config.Percent[((index-1-i)%12+12)%12]; percent > 0 {
			b.consider(peak, percent, FromLookback, i+1)
		}
	}
	return b
}

func (b *Billed) consider(peak MonthPeak, percent float64, basis Basis, back int) {
	p := float64(peak.Power)
	if !peak.Known || !(p >= 0) || math.IsInf(p, 0) {
		b.Unknown++
		return
	}
	if share := units.Watts(share(p, percent)); share > b.Demand {
		b.Demand, b.Basis, b.Back = share, basis, back
	}
}

// share returns percent of p, the float64 nearest to the exact amount.
func share(p, percent float64) float64 {
	if percent == 100 {
		return p
	}
	exact := new(big.Rat).SetFloat64(p)
	exact.Mul(exact, new(big.Rat).SetFloat64(percent))
	f, _ := exact.Quo(exact, big.NewRat(100, 1)).Float64()
	return f
}
