// Package load describes how a load behaved: a Summary of one series over time, a
// Sketch of its distribution, Bands of time by level, and from demand intervals
// the load factor and the load duration curve.
//
// All of it is arithmetic on what it is given: it has no clock, and advances on
// the times of samples alone. A Summary weighs each value by the time it stood,
// by the rules of package aggregate: held, joined by straight lines, or a mean
// over the past; no rule bridges more than MaxGap. A Sketch counts weights in
// bins of constant relative width, so that any quantile comes back within a
// stated relative error from bounded memory. Shards of a series are merged and
// give what one pass would have given.
//
// # Guarantees
//
//   - Sums are exact: a Summary keeps the integrals of v and v² of any finite
//     float64 values as integers, so that streamed equals sharded and merged,
//     bit for bit. Mean is the float64 nearest to the exact mean; the standard
//     deviation is never spoilt by cancellation.
//   - A Sketch is a function of the values and weights added, not of their order;
//     merging is exact. A quantile outside what its memory resolves is refused,
//     not guessed.
//   - Bins are cut by the bits of a float64, with no logarithm: results are equal
//     on every machine.
//   - Nothing allocates after New, reading results included, except to marshal.
//   - Input cannot make it panic, marshalled state least of all. What is not used
//     is counted. Configuration is checked by New..., which names all faults at
//     once.
package load
