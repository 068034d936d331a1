// Package parquet writes captures as Apache Parquet, for DuckDB, pandas, Polars, Spark
// and whatever else reads tables, and reads such files back as the captures they were.
//
// A file is one long table with a row for each sample, in the order of the capture.
// It says all that the capture says: a Reader returns the same batches again, so that
// a table can be replayed and metered. Parquet is written to be read as a whole: without
// its end a file is nothing, and a crash leaves no end. Record with package capture,
// and convert what is closed.
//
// # Table
//
// A column is null where it does not apply. Times are timestamps of nanoseconds in
// UTC, declared as local ones, because engines that keep instants in microseconds
// (DuckDB's TIMESTAMPTZ) would cut off their last three digits.
//
//	time       timestamp  of the sample; null if unknown
//	point      string     name of the point; "" for one that is not described
//	value      double     every number, integers included, rounded to the nearest double
//	unit       string     symbol of the point's unit
//	quality    string     good, uncertain, bad
//	int64      int64      a signed integer, exactly
//	uint64     uint64     an unsigned integer, exactly
//	bool       bool       a truth value
//	text       string     a text
//	source     string     name of the point up to the first slash, if there is one
//	reason     string     why quality is not good
//	status     uint32     acquire.Quality, with flags and the code of the protocol
//	received   timestamp  when the batch arrived
//	batch      int64      number of the batch, from 1
//	watermark  timestamp  of the batch, in its first row
//	lost       uint64     samples lost before the batch, in its first row
//	set        int64      points that the watermark speaks for, in its first row
//	event      string     kind of an event: see below
//	bytes      binary     a text that is no UTF-8
//
// So sum(lost) is what was lost, and avg(value) by point needs no other column. Which
// of value, int64, uint64, bool, text and bytes is not null says what kind the value
// has; all are null for a reading that failed.
//
// Two kinds of row are no samples, and have no point. A batch without samples has a
// row with received, batch, watermark, lost and set. An event of the recording has one
// with time, event, source, status and quality; of Failed, its text in text and whether
// it is permanent in bool; of a Gap, the batches in uint64 and the samples in lost.
// WHERE point IS NOT NULL leaves samples alone, and so does Config.Sorted, of which
// files have neither those rows nor batches.
//
// The file's metadata holds "fieldtap.version", "1"; "fieldtap.points", a JSON array of
// {"name":…,"unit":…,"kind":…,"role":…,"quantity":…} in order of appearance, quantity
// being the kind of the unit; and "fieldtap.sets", a JSON array of the sets, each an
// array of numbers of points, from 1, 0 being one that is not described.
//
// Units, qualities, names and sources are dictionaries, times and batches differences,
// and pages have checksums and are compressed. A row group has at most
// Config.RowGroup rows, and the least and greatest time in its statistics.
//
// A table with a column for each point is a query away:
//
//	PIVOT (SELECT time_bucket(INTERVAL '1 s', time) AS t, point, value FROM 'day.parquet')
//	ON point USING last(value) GROUP BY t
//
// # Guarantees
//
//   - What is read equals what was written, to the bit: batches, samples, values of every
//     kind, qualities, texts, watermarks, losses, events, and what is known of the
//     points. Sorted files give the samples alone.
//   - A batch beyond 1,048,576 samples comes back as several. The source of an event has
//     what is no UTF-8 in it replaced by U+FFFD.
//   - Writing takes the memory of a row group, whatever the file's length, beside a
//     summary of about 2 KB for each row group before and the points; so does reading.
//   - Writing and reading do not allocate for a sample or a row group.
//   - A Reader takes what Writer writes, and nothing else: checksums, schema, and each
//     column that repeats another are held to it. Files of any content are
//     read without panic, and in bounded memory.
package parquet
