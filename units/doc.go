// Package units names units of measurement and converts between them exactly.
//
// A [Unit] is a small constant that belongs to one [Kind] of quantity. Kind
// comes before dimension: the watt, the var and the volt ampere share the SI
// dimension of power, yet active, reactive and apparent power are three kinds,
// and nothing converts one into another. What a device calls its unit is read
// once, with [Parse]; what to do about it is decided once, with [Between]; the
// [Converter] that comes of it is then applied to every sample. A [Scale] is the
// step before: the exact ratio from a raw register to the device's unit.
//
// # Guarantees
//
//   - Values convert only within a kind; any other pair is a *[KindError] that
//     says why.
//   - Factors are exact ratios of integers. [Converter.Convert], [Scale.Apply]
//     and [Scale.ApplyInt] return the float64 nearest to the exact result, ties to
//     even, for every input. The one exception is degree to radian and back,
//     whose ratio is irrational: there the error is below 0.51 units in the
//     last place for magnitudes above 1e-290.
//   - Parse never guesses. It knows one symbol for each unit, tells mW from MW,
//     and returns an error for everything else.
//   - The zero [Unit] is [None], the unknown unit, which converts only to itself.
//     The zero [Converter] is the identity, the zero [Scale] is 1.
//   - Convert, Apply, ApplyInt and a successful Parse allocate nothing.
//   - There is no state: every value here is immutable and safe for concurrent
//     use. The package imports the standard library alone.
package units
