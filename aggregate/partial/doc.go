// Package partial keeps what metering has made of stretches of time, so that a year can
// be metered from its days, in any order and without its samples: closed intervals, and
// the mergeable states of the series.
//
// A partial aggregate is what databases call a result that is not final: it can be
// merged with its neighbours. Here it is a Part, the state of an aggregate.Shard
// together with the name of the series and the stretch of time that it stands for. A
// Recorder makes one for each day, or whatever length, of a series. A Set takes them back
// in any order, says which are missing, given twice or overlap, and merges them.
//
// Files are MCAP files beside the captures of samples, rather than in them: samples are
// removed after a month, what was made of them is kept for years; and what is derived
// can be made anew, what was recorded cannot. They have two topics, both of JSON with a
// schema, that any tool for MCAP shows:
//
//	/intervals  aggregate.Interval, see its MarshalJSON
//	/partials   {"series":…,"from":…,"to":…,"first":…,"last":…,"state":"…"}
//
// where from is included and to is not, first and last are the times of the outermost
// samples, 0 if there are none, and state is what Shard.AppendBinary gives, in base64.
// Times are nanoseconds since 1970 in UTC.
//
// # Guarantees
//
//   - Parts of all stretches of a series, merged by a Set in whatever order they were
//     added, give the periods and the state, to the last bit, of one Meter that has taken
//     all samples one by one.
//   - A stretch for which there is no part is named, and so is each part that was added
//     twice or overlaps another. Parts that contradict each other are not merged.
//   - An interval reads back as it was.
//   - A part is in the file once Flush has returned nil, and a Recorder flushes each. A
//     file that is cut or damaged costs the chunks that are; Report tells.
//   - A file of any content is read in bounded memory, without panic.
package partial
