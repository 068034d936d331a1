package capture

import (
	"cmp"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/fieldtap/fieldtap/acquire"
)

// repeatPoints is how many bytes lie at least between two full descriptions of
// the points, so that one damaged record does not leave the samples nameless.
const repeatPoints = 4 << 20

// file is one capture being written.
type file struct {
	out        io.Writer
	catalog    *acquire.Catalog
	compressor Compressor // nil: none
	sync       bool       // after each block
	undo       truncater  // out, if half a block can be taken back; else nil
	base       int64      // where in out the capture begins

	offset   int64
	crc      uint32 // of all that was written
	chunks   []place
	metadata []place
	broken   error // no block can be written any more

	described []bool  // by id
	fresh     []entry // to be described with the block being written
	tables    []byte  // the records that describe points, to be repeated
	lengths   []int64 // of each
	tableEnd  int64   // where the latest repetition ends

	buf, raw []byte
}

// truncater is what can take back what was written last, as an os.File can.
type truncater interface {
	io.Seeker
	Truncate(size int64) error
}

func (f *file) compression() string {
	if f.compressor == nil {
		return ""
	}
	return f.compressor.Name()
}

// writeBlock writes what e holds as one chunk. On error nothing of it counts, and
// the file may be broken.
func (f *file) writeBlock(e *encoder, arrival acquire.Instant) error {
	if f.broken != nil {
		return f.broken
	}
	b, metadata, err := f.begin(f.buf[:0]), len(f.metadata), error(nil)
	f.describe(e)
	repeat := f.repeatDue()
	if repeat {
		b = f.repeat(b)
	}
	b, fresh := f.appendFresh(b)
	start := len(b)
	chunk := place{offset: f.offset + int64(start), time: uint64(arrival)}
	b, chunk.raw, err = f.appendChunk(b, e, chunk)
	if err != nil {
		f.metadata = f.metadata[:metadata]
		f.rollback()
		return err
	}
	chunk.length = f.offset + int64(len(b)) - chunk.offset
	b = appendMessageIndex(b, chunk.time)
	f.buf = b
	if err := f.write(b, f.sync); err != nil {
		f.metadata = f.metadata[:metadata]
		return err
	}
	f.chunks = append(f.chunks, chunk)
	for _, m := range f.metadata[fresh:] {
		start := m.offset - chunk.offset + int64(start)
		f.tables = append(f.tables, b[start:start+m.length]...)
		f.lengths = append(f.lengths, m.length)
	}
	if repeat {
		f.tableEnd = f.offset
	}
	return nil
}

// begin appends what a file starts with.
func (f *file) begin(b []byte) []byte {
	if f.offset > 0 {
		return b
	}
	b = append(b, magic...)
	b = appendHeader(b)
	b = appendSchema(b)
	return appendChannel(b)
}

func (f *file) appendChunk(b []byte, e *encoder, c place) ([]byte, uint64, error) {
	start := len(b)
	b = appendHead(b, opChunk)
	b = le.AppendUint64(b, c.time)
	b = le.AppendUint64(b, c.time)
	sizes := len(b)
	b = append(b, make([]byte, 8+4)...)
	b = appendString(b, f.compression())
	b = le.AppendUint64(b, 0)
	records := len(b)
	if f.compressor == nil {
		b = f.appendMessage(b, e, c)
		f.raw = b[records:]
	} else {
		f.raw = f.appendMessage(f.raw[:0], e, c)
		var err error
		if b, err = f.compressor.Append(b, f.raw); err != nil {
			return b, 0, fmt.Errorf("capture: compress: %w", err)
		}
	}
	if len(f.raw) > maxChunk {
		return b, 0, fmt.Errorf("capture: block of %d bytes is longer than %d", len(f.raw), maxChunk)
	}
	le.PutUint64(b[sizes:], uint64(len(f.raw)))
	le.PutUint32(b[sizes+8:], crc32.ChecksumIEEE(f.raw))
	le.PutUint64(b[records-8:], uint64(len(b)-records))
	endRecord(b, start)
	raw := uint64(len(f.raw))
	if f.compressor == nil {
		f.raw = nil
	}
	return b, raw, nil
}

func (f *file) appendMessage(b []byte, e *encoder, c place) []byte {
	start := len(b)
	b = appendHead(b, opMessage)
	b = le.AppendUint16(b, channelID)
	b = le.AppendUint32(b, uint32(len(f.chunks)))
	b = le.AppendUint64(b, c.time)
	b = le.AppendUint64(b, c.time)
	b = e.appendPayload(b, c.offset)
	endRecord(b, start)
	return b
}

// describe collects the points of e that the file does not describe yet.
func (f *file) describe(e *encoder) {
	f.fresh = f.fresh[:0]
	for _, id := range e.ids {
		f.describePoint(id)
	}
	for _, set := range e.sets {
		for _, id := range set {
			f.describePoint(id)
		}
	}
}

func (f *file) describePoint(id acquire.PointID) {
	if int64(id) < int64(len(f.described)) && f.described[id] {
		return
	}
	p, ok := f.catalog.Point(id)
	if !ok {
		return // recorded by its number alone
	}
	if more := int(id) + 1 - len(f.described); more > 0 {
		f.described = append(f.described, make([]bool, more)...)
	}
	f.described[id] = true
	f.fresh = append(f.fresh, entry{id, p})
}

// rollback takes the fresh points as not described.
func (f *file) rollback() {
	for _, e := range f.fresh {
		f.described[e.id] = false
	}
}

// repeatDue tells whether the points are to be described again, which must not
// take more than an eighth of the file.
func (f *file) repeatDue() bool {
	return len(f.tables) > 0 && f.offset-f.tableEnd > max(repeatPoints, 8*int64(len(f.tables)))
}

// repeat appends all descriptions once more and notes where they lie.
func (f *file) repeat(b []byte) []byte {
	at := f.offset + int64(len(b))
	for _, n := range f.lengths {
		f.metadata = append(f.metadata, place{offset: at, length: n})
		at += n
	}
	return append(b, f.tables...)
}

// appendFresh appends the descriptions of the fresh points. It returns the number
// of the first place of metadata that is theirs.
func (f *file) appendFresh(b []byte) ([]byte, int) {
	first := len(f.metadata)
	for rest := f.fresh; len(rest) > 0; {
		n := min(len(rest), maxPointsRecord)
		start := len(b)
		b = appendPoints(b, rest[:n])
		f.metadata = append(f.metadata, place{offset: f.offset + int64(start), length: int64(len(b) - start)})
		rest = rest[n:]
	}
	return b, first
}

// write appends b to the file. After an error the file ends where it did before,
// or is broken.
func (f *file) write(b []byte, flush bool) error {
	n, err := f.out.Write(b)
	if err == nil && n < len(b) {
		err = io.ErrShortWrite
	}
	if s, ok := f.out.(interface{ Sync() error }); ok && err == nil && flush {
		err = s.Sync()
	}
	if err == nil {
		f.crc = crc32.Update(f.crc, crc32.IEEETable, b)
		f.offset += int64(len(b))
		return nil
	}
	f.rollback()
	if f.undo != nil {
		_, seek := f.undo.Seek(f.base+f.offset, io.SeekStart)
		if cmp.Or(f.undo.Truncate(f.base+f.offset), seek) == nil {
			return err
		}
	}
	f.broken = err
	return err
}

// finish writes the points once more, and the summary.
func (f *file) finish() error {
	if f.broken != nil {
		return f.broken
	}
	f.fresh = f.fresh[:0]
	b := f.begin(f.buf[:0])
	b = f.repeat(b)
	b = appendDataEnd(b, crc32.Update(f.crc, crc32.IEEETable, b))
	b = appendSummary(b, f.offset+int64(len(b)), f.chunks, f.metadata, f.compression())
	f.buf = b
	err := f.write(b, true)
	f.broken = errors.New("capture: file is finished")
	return err
}
