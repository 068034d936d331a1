package capture

import (
	"cmp"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"slices"
)

// What a summary or a description of points takes at most, in bytes.
const (
	maxSummary  = 256 << 20
	maxMetadata = 16 << 20
)

// survey finds the chunks of the file and reads the descriptions of its points:
// by the index, or if there is none that can be trusted, record by record.
func (r *Reader) survey() ([]entry, error) {
	entries, err := r.readIndex()
	if err == nil {
		r.report.Complete, r.report.Indexed, r.report.End = true, true, r.size
		return entries, nil
	}
	if !errors.Is(err, errIndex) {
		return nil, err
	}
	r.pieces, r.scanned = nil, true
	s := scanner{window: window{src: r.src, size: r.size}, reader: r}
	return s.scan()
}

var errIndex = errors.New("no index")

// readIndex reads the summary of the file. It wraps errIndex if there is none, or
// any doubt about it.
func (r *Reader) readIndex() ([]entry, error) {
	if r.size < int64(len(magic)+tailSize) {
		return nil, errIndex
	}
	var start [len(magic)]byte
	var tail [tailSize]byte
	if err := r.readAt(start[:], 0); err != nil {
		return nil, err
	}
	if err := r.readAt(tail[:], r.size-tailSize); err != nil {
		return nil, err
	}
	if string(start[:]) != magic || string(tail[tailSize-len(magic):]) != magic ||
		tail[0] != opFooter || le.Uint64(tail[1:]) != footerSize {
		return nil, errIndex
	}
	begin, end := le.Uint64(tail[recordHead:]), r.size-tailSize
	if begin < uint64(len(magic)) || begin > uint64(end) || uint64(end)-begin > maxSummary {
		return nil, errIndex
	}
	summary := make([]byte, int(r.size-int64(begin))-len(magic))
	if err := r.readAt(summary, int64(begin)); err != nil {
		return nil, err
	}
	if crc := le.Uint32(summary[len(summary)-4:]); crc != crc32.ChecksumIEEE(summary[:len(summary)-4]) {
		return nil, errIndex
	}
	return r.useSummary(summary[:len(summary)-recordHead-footerSize], int64(begin))
}

func (r *Reader) readAt(b []byte, offset int64) error {
	if n, err := r.src.ReadAt(b, offset); n < len(b) {
		return fmt.Errorf("capture: %w", cmp.Or(err, io.ErrUnexpectedEOF))
	}
	return nil
}

// useSummary takes the chunks from the records of a summary, and the points from
// where it says.
func (r *Reader) useSummary(summary []byte, begin int64) ([]entry, error) {
	var metadata []place
	stated := uint64(0)
	f := fields{b: summary}
	for len(f.b) > 0 {
		var op byte
		if b := f.bytes(1); b != nil {
			op = b[0]
		}
		content := fields{b: f.bytes(f.uint64())}
		if f.short {
			return nil, errIndex
		}
		switch op {
		case opStatistics:
			stated = statedChunks(content.b)
		case opChunkIndex:
			first, last := content.uint64(), content.uint64()
			offset, length := content.uint64(), content.uint64()
			if content.short || !inside(offset, length, begin) {
				return nil, errIndex
			}
			r.pieces = append(r.pieces, piece{place: place{offset: int64(offset), length: int64(length), time: first}, end: last})
		case opMetadataIndex:
			offset, length, name := content.uint64(), content.uint64(), content.text()
			if content.short || !inside(offset, length, begin) {
				return nil, errIndex
			}
			if string(name) == pointsRecord {
				metadata = append(metadata, place{offset: int64(offset), length: int64(length)})
			}
		}
	}
	if len(metadata) == 0 && len(r.pieces) > 0 {
		return nil, errIndex // as of a tool that lists chunks alone
	}
	if uint64(len(r.pieces)) < stated {
		return nil, errIndex
	}
	slices.SortStableFunc(r.pieces, func(a, b piece) int { return cmp.Compare(a.offset, b.offset) })
	for i := range r.pieces[:max(len(r.pieces)-1, 0)] {
		if p := r.pieces[i]; p.offset+p.length > r.pieces[i+1].offset {
			return nil, errIndex // chunks do not overlap
		}
	}
	var entries []entry
	for _, m := range metadata {
		more, err := r.readMetadata(m)
		if err != nil {
			r.damage(piece{place: m, reason: err.Error()})
			continue
		}
		entries = append(entries, more...)
	}
	return entries, nil
}

// statedChunks returns how many chunks the content of a Statistics record counts.
func statedChunks(content []byte) uint64 {
	f := fields{b: content}
	f.bytes(8 + 2 + 4 + 4 + 4)
	return uint64(f.uint32())
}

func inside(offset, length uint64, end int64) bool {
	return offset >= uint64(len(magic)) && offset <= uint64(end) && length >= recordHead && length <= uint64(end)-offset
}

func (r *Reader) readMetadata(m place) ([]entry, error) {
	if m.length > maxMetadata {
		return nil, errPoints
	}
	record := make([]byte, m.length)
	if err := r.readAt(record, m.offset); err != nil {
		return nil, err
	}
	if record[0] != opMetadata || le.Uint64(record[1:]) != uint64(len(record)-recordHead) {
		return nil, errPoints
	}
	entries, ours, err := readPoints(record[recordHead:])
	if !ours && err == nil {
		err = errPoints
	}
	return entries, err
}

// chunk is a Chunk record.
type chunk struct {
	length      uint64 // of the content
	size        uint64 // of the records, before compression
	crc         uint32
	compression string
	stored      uint64 // length of records
	records     []byte // as far as they were given
}

// parseChunk reads the beginning of a Chunk record. It returns false if its
// lengths do not agree.
func parseChunk(record []byte) (c chunk, ok bool) {
	if len(record) < recordHead || record[0] != opChunk {
		return c, false
	}
	c.length = le.Uint64(record[1:])
	f := fields{b: record[recordHead:]}
	f.bytes(8 + 8)
	c.size, c.crc = f.uint64(), f.uint32()
	compression := f.text()
	c.compression = string(compression)
	c.stored = f.uint64()
	if f.short || len(compression) > maxMethod ||
		c.length-plainChunk-uint64(len(compression)) != c.stored || c.compression == "" && c.size != c.stored {
		return c, false
	}
	c.records = f.b[:min(uint64(len(f.b)), c.stored)]
	return c, true
}

// maxMethod is the longest name of a compression.
const maxMethod = 32

// window reads a file through a buffer.
type window struct {
	src   io.ReaderAt
	size  int64
	start int64
	buf   []byte
	err   error // of reading; final
}

// at returns n bytes from offset on, fewer at the end of the file. They are good
// until the next call.
func (w *window) at(offset int64, n int) []byte {
	if w.err != nil || offset < 0 || offset >= w.size {
		return nil
	}
	n = int(min(int64(n), w.size-offset))
	if offset < w.start || offset+int64(n) > w.start+int64(len(w.buf)) {
		load := int(min(int64(max(n, 4<<10)), w.size-offset))
		w.buf = slices.Grow(w.buf[:0], load+slack)[:load]
		w.start = offset
		if got, err := w.src.ReadAt(w.buf, offset); got < load {
			w.err = fmt.Errorf("capture: %w", cmp.Or(err, io.ErrUnexpectedEOF))
			return nil
		}
	}
	from := int(offset - w.start)
	return w.buf[from : from+n : from+n]
}

// scanner finds what is whole in a file without a trustworthy index, and makes
// pieces of it all. No length is believed unless what it belongs to is whole, or
// something plausible follows.
type scanner struct {
	window
	reader  *Reader
	entries []entry
	ended   bool // there is a DataEnd
	chunks  uint64
	stated  uint64 // how many chunks there are to be, 0 if nothing says it
	budget  int64  // bytes whose checksum may still be tried in vain

	// lost is set after damage until a chunk is found that was written where it
	// lies. What looks like a record before that may be part of a text.
	lost bool
}

// scanFactor bounds the time for a file made to look like chunks within chunks.
const scanFactor = 8

func (s *scanner) scan() ([]entry, error) {
	s.budget = scanFactor * (s.size + 1<<20)
	at := int64(len(magic))
	if start := s.at(0, len(magic)); string(start) != magic[:len(start)] {
		at = s.find(0)
		if s.err == nil && at < 0 {
			return nil, fmt.Errorf("capture: %w", ErrFormat)
		}
		if at >= 0 {
			s.skip(0, at)
		}
	}
	for s.err == nil && at < s.size {
		next := s.record(at)
		if next < 0 {
			if next = s.find(at + 1); next < 0 {
				break
			}
			s.skip(at, next)
		}
		at = next
	}
	if s.err != nil {
		return nil, s.err
	}
	if at = min(at, s.size); s.ended && string(s.at(at, len(magic))) == magic {
		at += int64(len(magic))
	}
	r := s.reader
	r.report.Complete, r.report.End = s.ended, at
	if s.stated > s.chunks {
		r.missing = s.stated - s.chunks
	}
	if at < s.size {
		r.pieces = append(r.pieces, piece{place: place{offset: at, length: s.size - at}, reason: "file ends within a record"})
	}
	return s.entries, nil
}

// skip makes a piece of what was not understood.
func (s *scanner) skip(from, to int64) {
	s.lost = true
	s.reader.pieces = append(s.reader.pieces, piece{place: place{offset: from, length: to - from}, reason: "records are damaged"})
}

// record takes the record at offset and returns where the next one lies, or -1
// if it is not to be trusted.
func (s *scanner) record(offset int64) int64 {
	head := s.at(offset, recordHead+plainChunk+maxMethod)
	if len(head) < recordHead {
		return -1
	}
	op, length := head[0], le.Uint64(head[1:])
	if op == 0 || length > uint64(s.size-offset-recordHead) {
		return -1
	}
	size := recordHead + int64(length)
	switch op {
	case opChunk:
		if _, ok := parseChunk(head); !ok || s.lost && !s.whole(offset) {
			return -1
		}
		s.lost = false
		s.chunks++
		s.reader.pieces = append(s.reader.pieces, piece{place: place{offset: offset, length: size}})
	case opMetadata:
		if size > maxMetadata {
			return -1
		}
		content := s.at(offset, int(size))
		if content == nil {
			return -1
		}
		entries, ours, err := readPoints(content[recordHead:])
		if err != nil || !ours && !s.plausible(offset+size, maxUnknown) {
			return -1
		}
		s.entries = append(s.entries, entries...)
	case opDataEnd:
		if length != 4 || s.lost {
			return -1
		}
		s.ended = true
	case opStatistics:
		if !s.plausible(offset, 0) {
			return -1
		}
		if record := s.at(offset, int(size)); record != nil {
			s.stated = statedChunks(record[recordHead:])
		}
	case opMessageIndex:
		f := fields{b: head[recordHead:]}
		f.uint16()
		if n := f.uint32(); f.short || uint64(n)+2+4 != length {
			return -1
		}
	case opHeader, opSchema, opChannel:
		if size > maxMetadata || !fits(op, s.at(offset, int(size))) {
			return -1
		}
	default:
		// What reads as a Chunk but for its opcode is one that is damaged.
		head[0] = opChunk
		_, chunk := parseChunk(head)
		head[0] = op
		if chunk || offset+size != s.size && !s.plausible(offset+size, maxUnknown) {
			return -1
		}
	}
	return offset + size
}

// fits tells whether the lengths within a record add up to its own.
func fits(op byte, record []byte) bool {
	if len(record) < recordHead {
		return false
	}
	f := fields{b: record[recordHead:]}
	strings := 3
	switch op {
	case opHeader:
		strings = 2
	case opSchema:
		f.bytes(2)
	case opChannel:
		f.bytes(2 + 2)
	}
	for range strings {
		f.text()
	}
	return !f.short && len(f.b) == 0
}

// maxUnknown is how many records in a row may be of kinds that are not known.
const maxUnknown = 16

// plausible tells whether a record may begin at offset. One of an unknown kind may
// if what follows it may.
func (s *scanner) plausible(offset int64, unknown int) bool {
	head := s.at(offset, recordHead+plainChunk+maxMethod)
	if string(head) == magic {
		return true
	}
	if len(head) < recordHead {
		return offset == s.size
	}
	op, length := head[0], le.Uint64(head[1:])
	switch op {
	case opChunk:
		_, ok := parseChunk(head)
		return ok
	case opHeader, opSchema, opChannel, opMetadata, opMessageIndex, opChunkIndex, opStatistics, opMetadataIndex, opSummaryOffset:
		return length <= maxMetadata && length <= uint64(s.size-offset-recordHead)
	case opFooter:
		return length == footerSize
	case opDataEnd:
		return length == 4
	case 0:
		return false
	}
	return unknown > 0 && length <= uint64(s.size-offset-recordHead) &&
		s.plausible(offset+recordHead+int64(length), unknown-1)
}

// find returns where the next record lies that is whole, from offset on, or -1: a
// chunk of a block that was written there, or a description of points.
func (s *scanner) find(offset int64) int64 {
	const stride = 256 << 10
	for s.err == nil {
		b := s.at(offset, stride)
		if len(b) == 0 {
			break
		}
		for i := 0; i < len(b); i++ {
			if b[i] != opChunk && b[i] != opMetadata {
				continue
			}
			if s.whole(offset + int64(i)) {
				return offset + int64(i)
			}
			b = s.at(offset, stride) // the look may have moved the window
		}
		offset += int64(len(b))
	}
	return -1
}

// whole tells whether a record at offset is what it claims to be.
func (s *scanner) whole(offset int64) bool {
	head := s.at(offset, recordHead+plainChunk+maxMethod)
	if len(head) < recordHead {
		return false
	}
	op, length := head[0], le.Uint64(head[1:])
	if length > uint64(s.size-offset-recordHead) {
		return false
	}
	size := recordHead + int64(length)
	switch op {
	case opMetadata:
		if size > maxMetadata || s.budget < size {
			return false
		}
		name := fields{b: head[recordHead:]}
		if string(name.text()) != pointsRecord {
			return false
		}
		content := s.at(offset, int(size))
		if content == nil {
			return false
		}
		_, ours, err := readPoints(content[recordHead:])
		if err != nil {
			s.budget -= size
		}
		return ours && err == nil
	case opChunk:
		if _, ok := parseChunk(head); !ok || size > maxChunk || s.budget < size {
			return false
		}
		record := s.at(offset, int(size))
		if record == nil {
			return false
		}
		if s.isOurs(record, offset) {
			return true
		}
		s.budget -= size
	}
	return false
}

// isOurs tells whether a chunk is intact and was written at offset.
func (s *scanner) isOurs(record []byte, offset int64) bool {
	records, err := s.reader.unpack(record)
	if err != nil || len(records) < recordHead+messageHead || records[0] != opMessage {
		return false
	}
	payload := records[recordHead+messageHead:]
	return isBlock(payload) && blockOffset(payload) == offset
}
