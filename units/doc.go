// Package units names units of measurement and converts between them exactly.
//
// A [Unit] is a small constant that belongs to one [Kind] of quantity. Kind
// comes before dimension: the watt, the var and the volt ampere share the SI
// dimension of power, yet active, reactive and apparent power are three kinds,
// and nothing converts one into another. Apart are also a temperature and a
// difference of temperatures, a cubic metre of gas and a normal cubic metre, gauge
// and absolute pressure, torque and energy, percent and power factor. There are 342
// units of 92 kinds; a [KindError] says what lies between two of them.
//
// What a device calls its unit is read once: with [Parse] where it is one of our
// symbols, with the reader of its [Dialect] where it is the text or the code of a
// protocol. What to do about it is decided once, with [Between]; the [Converter]
// that comes of it is then applied to every sample. A [Scale] is the step before:
// the exact ratio from a raw register to the device's unit. A pulse input is one,
// too: 1000 imp/kWh is [KilowattHour] at Scale{Den: 1000}.
//
// A [Quantity] is a value with its unit, for places where there are few of them,
// [Format] writes it for people, and a [Price] tells what it costs.
//
// # Guarantees
//
//   - Values convert only within a kind; any other pair is a *[KindError] that
//     says why. Within a kind every pair converts.
//   - Factors are exact ratios of integers, zeros of temperatures exact fractions.
//     [Converter.Convert], [Scale.Apply] and [Scale.ApplyInt] return the float64
//     nearest to the exact result, ties to even, for every input: also between
//     temperatures, also for subnormal numbers. Degree and radian, whose ratio is
//     irrational, convert with 128 bits of π.
//   - [Converter.ConvertInt] never leaves the integers and says what is left over.
//   - Parse never guesses. It knows one symbol for each unit, tells mW from MW,
//     and returns an error for everything else. A dialect that cannot tell says so.
//   - [Format] never changes the kind of a quantity, and never puts a prefix to a
//     unit that takes none.
//   - [Price.Cost] is exact until it is rounded, once, to the minor unit, in the way
//     that the caller names.
//   - The zero [Unit] is [None], the unknown unit, which converts only to itself.
//     The zero [Converter] is the identity, the zero [Scale] is 1.
//   - Convert, ConvertAll, ConvertInt, Apply, ApplyInt, Format.Append and a
//     successful Parse allocate nothing.
//   - There is no state: every value here is immutable and safe for concurrent
//     use. The package imports the standard library alone.
package units
