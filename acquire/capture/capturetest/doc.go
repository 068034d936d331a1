// Package capturetest compares captures in tests: what a program made of a plant
// against what it made before, sample by sample.
//
// A golden file is a capture, or its text as JSON Lines, which people can read and
// review. Record makes the other side from any source. Points are compared by their
// names, so that the order in which catalogs were filled plays no role.
//
// # Guarantees
//
//   - Equal means equal to the bit: times, values, kinds, qualities, watermarks and
//     the points they speak for, losses, events, and what is known of the points.
//   - A capture that is cut or damaged equals nothing.
//   - A difference is told with time, name, value and quality of the samples on both
//     sides, and those around it.
package capturetest
