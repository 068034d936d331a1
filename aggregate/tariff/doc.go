// Package tariff books the intervals of a meter into registers by time of use,
// and prices them.
//
// A [Calendar] says which energy period and which demand period is in force at
// an instant, and where local days, months and billing periods begin. A [Meter]
// books each closed [aggregate.Interval] into the registers of the period it
// starts in, and yields a [Statement] for each billing period.
//
// # Guarantees
//
//   - Energies are exact: the registers of a statement add up to the intervals
//     booked, to the last quantum.
//   - Observing allocates nothing but what the caller's slice needs to grow.
//   - There is no clock, no goroutine, no lock and no logging.
//   - Nothing is dropped in silence: [Counts] tells.
//   - Input cannot make it panic. A constructor names all faults of its
//     configuration at once.
package tariff
