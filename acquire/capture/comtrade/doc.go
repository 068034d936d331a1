// Package comtrade reads recordings of disturbances, as protection relays and fault
// recorders write them, so that they can be captured, replayed and metered as what
// any driver delivers.
//
// A recording is a pair of files, after IEEE Std C37.111-1999 and -2013 (the latter
// is IEC 60255-24:2013), or of the revision of 1991: the configuration (.cfg) names
// the channels, the data file (.dat) holds a record for each moment, as ASCII, BINARY,
// BINARY32 or FLOAT32. A Reader gives them as batches; capture.Copy makes a capture of
// them. NewSingleReader reads the files that hold all in one (.cff).
//
// An analog channel becomes a gauge of float64 in the unit that the configuration
// states, a status channel a truth value. Values are those of the side, primary or
// secondary, that the recorder chose: Channel.Side tells.
//
// # Guarantees
//
//   - A value is a·x+b of its channel, each step rounded to the nearest float64, and then
//     of the scale that its unit's text has. What the file marks as missing, or what is
//     no finite number, is a bad sample without a value.
//   - A unit is never guessed: one that package units does not understand is none.
//   - Times are those of the rates of the configuration, to the nanosecond, or where
//     it has none, those of the records.
//   - A file that ends early, or has more than it says, ends with an error, after all
//     that could be read.
//   - Files of any content are read in bounded memory, without panic. Reading
//     does not allocate for a sample.
package comtrade
