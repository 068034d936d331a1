// Package capture records streams of samples in files, and reads them back as
// they were.
//
// A Writer takes batches and writes them in blocks; a Reader returns the same
// batches, with the same samples, times, watermarks and losses, in the same order.
// Record wraps any source, so that all it delivers is recorded on the way. The
// package drivers/replay makes a source of captures again.
//
// # Guarantees
//
//   - What is read equals what was written, to the bit: times, values of every
//     kind, qualities, texts, watermarks, the points they speak for, losses. A batch
//     beyond 1,048,576 samples comes back as several.
//   - A batch is acknowledged when its block has been written. The end of the
//     process costs the open block: by default 16,384 samples, or 1 s.
//   - A damaged block, or a file cut anywhere, costs the blocks that are damaged
//     and none other. What was skipped is told with place, length and reason;
//     nothing is returned whose checksum is wrong.
//   - An error of writing does not hold up acquisition, and with Config.Queue a disk
//     that hangs does not either. It is told, what was not recorded is counted, and a
//     Gap in the capture says so too.
//   - A file of any content is read in bounded memory, without panic.
//   - Reading and writing do not allocate for a sample.
//
// # Layout
//
// A file is an MCAP file of version 0 (https://mcap.dev/spec), which tools for MCAP
// open, index included: Magic, Header, Schema, Channel; then, for each block, a Chunk
// and its MessageIndex, and where points are new before it, Metadata that describes
// them; at last DataEnd, the summary (Schema, Channel, Statistics, ChunkIndex,
// MetadataIndex, SummaryOffset), Footer, Magic. All integers of fixed size are in
// little-endian order.
//
// A Chunk holds one Message, on the channel "/samples" with the encoding
// "fieldtap-block-1". Its sequence counts the blocks of the file from 0. Its log time, and
// so the time in the index, is when the earliest batch of the block arrived; the
// latest arrived less than a minute later.
//
// Metadata records named "fieldtap.points" map the number of each point, in
// decimal, to {"name":…,"unit":…,"kind":…,"role":…}. The last entry, "crc32", is
// the CRC-32 of the entries before it in hexadecimal. The descriptions are repeated
// from time to time and at the end.
//
// # Block
//
// A block stands alone. Below, a number is an unsigned one in base 128, low digits
// first, with the high bit of each byte but the last set; a signed one is doubled, and
// those below zero are doubled, negated and lessened by one. Differences wrap around
// at 64 bits. A run is a step from number to number, signed, doubled, plus 1 if a
// length follows: the number of steps less 2. A list of numbers is made of runs, the first
// step being from 0. A payload is
//
//	"FTB1"
//	offset of the Chunk in the file
//	numbers of batches, samples, events, points, sets of points, texts
//	lengths of the twelve columns
//	the columns
//
// and the columns are
//
//	points    a list of their numbers, in the order in which they appear; a list of
//	          the kind of the first value of each; a list of its qualities
//	firsts    the first value of each: a byte and the bytes that it says; in bits 3 to
//	          5 how many bytes of zero are left out below, in bits 0 to 2 how many
//	          bytes follow, less one; 55 stands for 0, without bytes
//	shapes    for each point, how its values after the first differ from those before:
//	          0 if none does; else a width in bits, plus 128 if most do not; and how many
//	          bits of zero are left out below (a byte)
//	sets      for each, its length and the list of the points
//	texts     for each, its length
//	bytes     of all texts
//	events    for each, the number of batches before it, the kind (a byte), the time
//	          (signed), the quality, whether permanent (a byte), length and bytes of
//	          the source and of the text, the batches and the samples of a gap
//	batches   for each, flags (a byte), the number of samples, the difference of Received
//	          to that of the batch before (signed); with flag 2 how far the watermark
//	          is behind Received (signed), else as before; with flag 1 the samples lost;
//	          with flag 4 the number of the set of points; if it has samples, the
//	          difference of the time of the first to Received, or if that is 0, to the
//	          time of the sample before (signed)
//	steps     the list of the samples' points, as indices in the first column
//	times     for the other samples, the difference to the time before (signed), in
//	          groups: a byte; how many there are, less one; if the byte is 0 each is 0;
//	          if it is 255 each is the number that follows; else they follow, in as many
//	          bits each as it says, together filled up to whole bytes
//	changes   for each sample whose point has another kind of value or another quality
//	          than before: how many samples it is behind the one with the change before;
//	          the kind (a byte), plus 128 if the quality is another, which follows
//	values    for each sample but the first of a point, by which bits its value differs
//	          from that before, in as many bits as the shape says; where most do not
//	          differ, a bit first of whether it does, and no others if not
//
// where "before" is 0 at the beginning of a block. Bits are filled in from the low one of
// each byte. The value of a float is its IEEE 754 word, of a truth value 0 or 1, of a text its
// number; no value leaves what was before.
//
// # Compression
//
// Blocks are compressed by their layout, and by nothing else unless Config.Compressor
// is set. For samples of a plant, zstd on top of it saves a twenty-fifth of the bytes and
// more than halves the speed of writing (internal/bench/capture); it would also be the one dependency of
// this package. What else compressors find, repeated values and steps, the layout has
// taken out. Where values repeat in ways that it does not know, as texts do, set one.
package capture
