// Package replay is a driver without a device: it plays captures, the files that
// package acquire/capture writes.
//
// A Source delivers what was recorded, in the order of arrival, as fast as it is
// read or in the recorded pace or a multiple of it. Several files play as one plant.
// Nothing is changed unless the Config asks for it: gaps, duplicates, late samples
// and clocks that were set back stay as they were.
//
// A Source is an acquire.Historian too: what asks a historian for a span of time, as that
// of an OPC UA server, runs against captures unchanged.
//
// # Guarantees
//
//   - Two runs deliver the same batches, to the bit, at any pace.
//   - A capture that is cut or damaged is not taken for a whole one: the stream then
//     ends with a DamageError, and not with io.EOF, unless Config.Incomplete
//     accepts it.
//   - A history is that of the times of the samples: one that arrived late is in its place.
//     None comes twice and none is left out, in bounded memory.
//   - Where captures are looped, times go on, and counters that fall back are flagged
//     acquire.Discontinuity.
//   - Waiting is done with package time alone, so that a replay inside a
//     testing/synctest bubble takes no real time.
package replay
