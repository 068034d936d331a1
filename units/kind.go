package units

import "strconv"

// Kind says what sort of quantity a unit measures. It is finer than the SI
// dimension: active, reactive and apparent power are all kg·m²·s⁻³, yet they
// are three kinds, and a conversion never leaves its kind.
//
// The zero value is KindNone. Numbers may shift between releases: persist the
// symbol of a [Unit], not a Kind.
type Kind uint8

// The kinds of quantity. The coherent unit, to which [Unit.Ratio] refers, is
// named beside each.
const (
	KindNone       Kind = iota // not known: the kind of [None]
	ActivePower                // P, watt
	ReactivePower              // Q, var
	ApparentPower              // S, volt ampere
	ActiveEnergy               // ∫P dt, joule
	ReactiveEnergy             // ∫Q dt, var second
	ApparentEnergy             // ∫S dt, volt ampere second
	Voltage                    // U, volt
	Current                    // I, ampere
	Frequency                  // f, hertz
	PowerFactor                // λ = P/S, one; signed by conventions that a plain ratio does not have
	Ratio                      // a part of a whole, one
	Angle                      // radian
	Duration                   // second
	Count                      // a number of things, each

	kindEnd
)

var kindNames = [kindEnd]string{
	KindNone:       "unknown",
	ActivePower:    "active power",
	ReactivePower:  "reactive power",
	ApparentPower:  "apparent power",
	ActiveEnergy:   "active energy",
	ReactiveEnergy: "reactive energy",
	ApparentEnergy: "apparent energy",
	Voltage:        "voltage",
	Current:        "current",
	Frequency:      "frequency",
	PowerFactor:    "power factor",
	Ratio:          "ratio",
	Angle:          "angle",
	Duration:       "duration",
	Count:          "count",
}

// String names the kind in plain English, "reactive energy". A number that is
// no kind prints as "Kind(200)".
func (k Kind) String() string {
	if k < kindEnd {
		return kindNames[k]
	}
	return "Kind(" + strconv.Itoa(int(k)) + ")"
}
