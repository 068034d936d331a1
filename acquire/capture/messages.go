package capture

import (
	"cmp"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"slices"

	"github.com/fieldtap/fieldtap/acquire"
)

// What a file of messages holds at most.
const (
	maxTopics       = 1 << 10
	maxMessage      = 16 << 20  // bytes of one, and of the schemas
	maxMessageChunk = 32 << 20  // bytes of a chunk
	messageChunk    = 256 << 10 // bytes after which a chunk is written
)

// Topic is a channel of messages that are no samples: what MCAP calls a channel, and
// its schema.
type Topic struct {
	Name           string // such as "/intervals"; unique in its file
	Encoding       string // of the messages, as MCAP registers them: "json", "protobuf"
	Schema         string // name of the schema
	SchemaEncoding string // as MCAP registers them: "jsonschema"
	SchemaData     []byte // the schema itself
}

// Message is one message of a topic.
type Message struct {
	Topic    string          // name
	Encoding string          // of Data
	Logged   acquire.Instant // what the index goes by
	Made     acquire.Instant // what else the message says of its time
	Data     []byte          // valid until the next call of Next, and only to be read
}

// MessageWriter writes what goes with captures without being samples, such as what
// metering has made of them, into an MCAP file of its own. Messages are collected in
// a chunk with a checksum, which stands alone and is written as a whole: when it has
// 256 KiB, or by Flush. A message is safe in the file once Flush has returned nil.
//
// A MessageWriter belongs to one goroutine at a time.
type MessageWriter struct {
	out      io.Writer
	topics   []Topic
	defs     [][]byte // of each topic, its Schema and Channel records
	offset   int64
	crc      uint32
	chunk    []byte // records of the open chunk
	defined  []bool // by topic, in the open chunk
	indices  [][]messageEntry
	first    uint64
	last     uint64
	open     int      // messages in the open chunk
	sequence []uint32 // by topic
	chunks   []messageChunkPlace
	lowest   uint64
	highest  uint64
	buf      []byte
	err      error // final
}

type messageEntry struct{ time, offset uint64 }

// messageChunkPlace is what the index says of a chunk.
type messageChunkPlace struct {
	first, last      uint64
	offset, length   int64
	raw, indexLength uint64
	indices          []indexPlace
}

type indexPlace struct {
	topic  uint16
	offset int64
}

// NewMessageWriter returns a MessageWriter to w of the topics, which are named by their
// place in the list. The error joins every fault.
func NewMessageWriter(w io.Writer, topics ...Topic) (*MessageWriter, error) {
	var faults []error
	if w == nil {
		faults = append(faults, errors.New("capture: nothing to write to"))
	}
	if len(topics) == 0 || len(topics) > maxTopics {
		faults = append(faults, fmt.Errorf("capture: %d topics are not within 1 to %d", len(topics), maxTopics))
	}
	size := 0
	for i, t := range topics {
		size += len(t.Name) + len(t.Encoding) + len(t.Schema) + len(t.SchemaEncoding) + len(t.SchemaData)
		if t.Name == "" || t.Encoding == "" || t.Schema == "" {
			faults = append(faults, fmt.Errorf("capture: topic %d %q lacks a name, an encoding or a schema", i, t.Name))
		}
		if t.Name == topic || slices.ContainsFunc(topics[:i], func(u Topic) bool { return u.Name == t.Name }) {
			faults = append(faults, fmt.Errorf("capture: topic %q is taken", t.Name))
		}
	}
	if size > maxMessage {
		faults = append(faults, fmt.Errorf("capture: schemas of %d bytes are longer than %d", size, maxMessage))
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	m := &MessageWriter{out: w, topics: slices.Clone(topics), defined: make([]bool, len(topics)), sequence: make([]uint32, len(topics)), indices: make([][]messageEntry, len(topics))}
	for i := range m.topics {
		m.defs = append(m.defs, appendTopic(nil, uint16(i+1), &m.topics[i]))
	}
	return m, nil
}

// appendTopic appends the records that define a topic.
func appendTopic(b []byte, id uint16, t *Topic) []byte {
	start := len(b)
	b = appendHead(b, opSchema)
	b = le.AppendUint16(b, id)
	b = appendString(b, t.Schema)
	b = appendString(b, t.SchemaEncoding)
	b = appendString(b, string(t.SchemaData))
	endRecord(b, start)
	start = len(b)
	b = appendHead(b, opChannel)
	b = le.AppendUint16(b, id)
	b = le.AppendUint16(b, id)
	b = appendString(b, t.Name)
	b = appendString(b, t.Encoding)
	b = appendString(b, "")
	endRecord(b, start)
	return b
}

// Write adds a message to a topic, of which it keeps nothing. An error is final, except
// that of a message longer than 16 MiB or of a topic that there is not.
func (m *MessageWriter) Write(topic int, logged, made acquire.Instant, data []byte) error {
	switch {
	case m.err != nil:
		return m.err
	case topic < 0 || topic >= len(m.topics):
		return fmt.Errorf("capture: there is no topic %d", topic)
	case len(data) > maxMessage:
		return fmt.Errorf("capture: message of %d bytes is longer than %d", len(data), maxMessage)
	}
	if !m.defined[topic] {
		m.defined[topic] = true
		m.chunk = append(m.chunk, m.defs[topic]...)
	}
	at := uint64(logged)
	m.indices[topic] = append(m.indices[topic], messageEntry{at, uint64(len(m.chunk))})
	start := len(m.chunk)
	b := appendHead(m.chunk, opMessage)
	b = le.AppendUint16(b, uint16(topic+1))
	b = le.AppendUint32(b, m.sequence[topic])
	b = le.AppendUint64(b, at)
	b = le.AppendUint64(b, uint64(made))
	b = append(b, data...)
	endRecord(b, start)
	m.chunk = b
	m.sequence[topic]++
	if m.open == 0 {
		m.first, m.last = at, at
	}
	m.first, m.last = min(m.first, at), max(m.last, at)
	m.open++
	if len(m.chunk) >= messageChunk {
		return m.Flush()
	}
	return nil
}

// Flush writes the open chunk.
func (m *MessageWriter) Flush() error {
	if m.err != nil || m.open == 0 {
		return m.err
	}
	b := m.begin(m.buf[:0])
	start := len(b)
	place := messageChunkPlace{first: m.first, last: m.last, offset: m.offset + int64(start), raw: uint64(len(m.chunk))}
	b = appendHead(b, opChunk)
	b = le.AppendUint64(b, m.first)
	b = le.AppendUint64(b, m.last)
	b = le.AppendUint64(b, place.raw)
	b = le.AppendUint32(b, crc32.ChecksumIEEE(m.chunk))
	b = appendString(b, "")
	b = le.AppendUint64(b, place.raw)
	b = append(b, m.chunk...)
	endRecord(b, start)
	place.length = int64(len(b) - start)
	before := len(b)
	for i, entries := range m.indices {
		if len(entries) == 0 {
			continue
		}
		place.indices = append(place.indices, indexPlace{uint16(i + 1), m.offset + int64(len(b))})
		start := len(b)
		b = appendHead(b, opMessageIndex)
		b = le.AppendUint16(b, uint16(i+1))
		b = le.AppendUint32(b, uint32(16*len(entries)))
		for _, e := range entries {
			b = le.AppendUint64(b, e.time)
			b = le.AppendUint64(b, e.offset)
		}
		endRecord(b, start)
		m.indices[i] = entries[:0]
	}
	place.indexLength = uint64(len(b) - before)
	m.chunk, m.open = m.chunk[:0], 0
	clear(m.defined)
	if len(m.chunks) == 0 {
		m.lowest, m.highest = place.first, place.last
	}
	m.lowest, m.highest = min(m.lowest, place.first), max(m.highest, place.last)
	m.chunks = append(m.chunks, place)
	return m.put(b)
}

// begin appends what a file starts with.
func (m *MessageWriter) begin(b []byte) []byte {
	if m.offset > 0 {
		return b
	}
	return appendHeader(append(b, magic...))
}

func (m *MessageWriter) put(b []byte) error {
	m.buf = b
	n, err := m.out.Write(b)
	if err == nil && n < len(b) {
		err = io.ErrShortWrite
	}
	if err != nil {
		m.err = fmt.Errorf("capture: %w", err)
		return m.err
	}
	m.crc = crc32.Update(m.crc, crc32.IEEETable, b)
	m.offset += int64(len(b))
	return nil
}

// Close writes the open chunk and the index. It is idempotent, and does not close what
// is written to. It returns an error if the file is not complete.
func (m *MessageWriter) Close() error {
	if errors.Is(m.err, ErrClosed) {
		return nil
	}
	if err := m.Flush(); err != nil {
		return err
	}
	b := m.begin(nil)
	b = appendDataEnd(b, crc32.Update(m.crc, crc32.IEEETable, b))
	b = m.appendSummary(b, m.offset+int64(len(b)))
	if err := m.put(b); err != nil {
		return err
	}
	m.err = ErrClosed
	return nil
}

// appendSummary appends what follows the DataEnd record, which ends at offset.
func (m *MessageWriter) appendSummary(b []byte, offset int64) []byte {
	begin := len(b)
	at := func() uint64 { return uint64(offset) + uint64(len(b)-begin) }
	var groups []byte
	group := func(op byte, add func()) {
		start := at()
		if add(); at() == start {
			return
		}
		g := len(groups)
		groups = append(appendHead(groups, opSummaryOffset), op)
		groups = le.AppendUint64(groups, start)
		groups = le.AppendUint64(groups, at()-start)
		endRecord(groups, g)
	}
	// The Schema records come before the Channels, each group of one kind.
	group(opSchema, func() {
		for _, def := range m.defs {
			b = append(b, def[:recordHead+le.Uint64(def[1:])]...)
		}
	})
	group(opChannel, func() {
		for _, def := range m.defs {
			b = append(b, def[recordHead+le.Uint64(def[1:]):]...)
		}
	})
	group(opStatistics, func() { b = m.appendStatistics(b) })
	group(opChunkIndex, func() {
		for i := range m.chunks {
			b = m.chunks[i].append(b)
		}
	})
	offsets := at()
	b = append(b, groups...)
	footer := len(b)
	b = appendHead(b, opFooter)
	b = le.AppendUint64(b, uint64(offset))
	b = le.AppendUint64(b, offsets)
	b = le.AppendUint32(b, 0)
	endRecord(b, footer)
	le.PutUint32(b[len(b)-4:], crc32.ChecksumIEEE(b[begin:len(b)-4]))
	return append(b, magic...)
}

func (m *MessageWriter) appendStatistics(b []byte) []byte {
	messages := uint64(0)
	for _, n := range m.sequence {
		messages += uint64(n)
	}
	start := len(b)
	b = appendHead(b, opStatistics)
	b = le.AppendUint64(b, messages)
	b = le.AppendUint16(b, uint16(len(m.topics)))
	b = le.AppendUint32(b, uint32(len(m.topics)))
	b = le.AppendUint32(b, 0)
	b = le.AppendUint32(b, 0)
	b = le.AppendUint32(b, uint32(len(m.chunks)))
	b = le.AppendUint64(b, m.lowest)
	b = le.AppendUint64(b, m.highest)
	b = le.AppendUint32(b, uint32((2+8)*len(m.topics)))
	for i, n := range m.sequence {
		b = le.AppendUint16(b, uint16(i+1))
		b = le.AppendUint64(b, uint64(n))
	}
	endRecord(b, start)
	return b
}

// append appends the ChunkIndex record.
func (c *messageChunkPlace) append(b []byte) []byte {
	start := len(b)
	b = appendHead(b, opChunkIndex)
	b = le.AppendUint64(b, c.first)
	b = le.AppendUint64(b, c.last)
	b = le.AppendUint64(b, uint64(c.offset))
	b = le.AppendUint64(b, uint64(c.length))
	b = le.AppendUint32(b, uint32((2+8)*len(c.indices)))
	for _, i := range c.indices {
		b = le.AppendUint16(b, i.topic)
		b = le.AppendUint64(b, uint64(i.offset))
	}
	b = le.AppendUint64(b, c.indexLength)
	b = appendString(b, "")
	b = le.AppendUint64(b, c.raw)
	b = le.AppendUint64(b, c.raw)
	endRecord(b, start)
	return b
}

// MessageReader reads the messages of an MCAP file in its order, whoever wrote it,
// record by record. Damage costs the chunk that it lies in; Report tells what was left
// out. Messages outside of chunks are skipped, as nothing tells whether they are whole.
//
// A MessageReader belongs to one goroutine at a time.
type MessageReader struct {
	window   scanner
	unpacker Reader // which unpacks chunks
	at       int64
	records  []byte // of the chunk, not read yet
	place    place  // of the chunk
	topics   map[uint16]readTopic
	ended    bool   // there is a DataEnd
	indexed  uint64 // chunks that the index names
	budget   int64
	latest   acquire.Instant
	told     int // damages that have a time behind them
	report   Report
	done     bool
}

type readTopic struct{ name, encoding string }

// NewMessageReader returns a MessageReader of the size bytes of src, which are not to
// change meanwhile. Decompressors are for chunks that other tools have compressed. The
// error wraps ErrFormat if src is no MCAP file.
func NewMessageReader(src io.ReaderAt, size int64, decompressors ...Decompressor) (*MessageReader, error) {
	if src == nil || size < 0 {
		return nil, errors.New("capture: nothing to read from")
	}
	m := &MessageReader{
		window:   scanner{window: window{src: src, size: size}},
		unpacker: Reader{cfg: ReaderConfig{Decompressors: decompressors}},
		topics:   make(map[uint16]readTopic),
		budget:   scanFactor * (size + 1<<20),
	}
	if start := m.window.at(0, len(magic)); string(start) != magic {
		return nil, cmp.Or(m.window.err, fmt.Errorf("capture: %w", ErrFormat))
	}
	m.at = int64(len(magic))
	return m, nil
}

// Next fills m with the next message. It returns io.EOF at the end of what can be read:
// Report tells whether that is the end of the file.
func (r *MessageReader) Next(m *Message) error {
	for {
		for len(r.records) > 0 {
			if r.record(m) {
				return nil
			}
		}
		if err := r.load(); err != nil {
			return err
		}
	}
}

// Report tells what was read so far: messages as Samples, and chunks as Blocks. It is
// final once Next has returned io.EOF.
func (r *MessageReader) Report() Report {
	report := r.report
	report.Damage = slices.Clone(report.Damage)
	return report
}

// load finds the next chunk.
func (r *MessageReader) load() error {
	for !r.done && r.window.err == nil && r.at < r.window.size {
		head := r.window.at(r.at, recordHead+plainChunk+maxMethod)
		if len(head) < recordHead {
			break
		}
		op, length := head[0], le.Uint64(head[1:])
		if op == 0 || length > uint64(r.window.size-r.at-recordHead) {
			if err := r.resync("record is malformed"); err != nil {
				return err
			}
			continue
		}
		size := recordHead + int64(length)
		if op != opChunk && !r.trusted(op, size) {
			if err := r.resync("record is malformed"); err != nil {
				return err
			}
			continue
		}
		switch op {
		case opChunk:
			records, ok := r.chunk(r.at)
			if !ok {
				if err := r.resync("chunk is damaged"); err != nil {
					return err
				}
				continue
			}
			r.records, r.place, r.ended = records, place{offset: r.at, length: size}, false
			r.report.Blocks++
			r.at += size
			return nil
		case opChannel:
			r.define(r.window.at(r.at, int(size)))
		case opChunkIndex:
			r.indexed++
		case opDataEnd:
			r.ended = length == 4
		case opFooter:
			end := r.window.at(r.at+size, len(magic))
			if r.ended && length == footerSize && string(end) == magic && r.at+size+int64(len(magic)) == r.window.size {
				r.report.Complete, r.at, r.done = true, r.window.size, true
				r.report.End = r.at
				if r.indexed > r.report.Blocks && len(r.report.Damage) == 0 {
					r.damage(place{}, fmt.Sprintf("%d chunks of the index are missing", r.indexed-r.report.Blocks))
				}
				return io.EOF
			}
		}
		r.at += size
	}
	if r.window.err != nil {
		return r.window.err
	}
	if !r.done {
		r.done = true
		r.report.End = min(r.at, r.window.size)
		if r.at < r.window.size {
			r.damage(place{offset: r.at, length: r.window.size - r.at}, "file ends within a record")
		}
	}
	return io.EOF
}

// trusted reports whether the length of a record without a checksum can be believed:
// what is known of it adds up, and what follows it may be a record.
func (r *MessageReader) trusted(op byte, size int64) bool {
	switch op {
	case opHeader, opSchema, opChannel:
		if size > maxMessage || !fits(op, r.window.at(r.at, int(size))) {
			return false
		}
	case opMessageIndex:
		head := fields{b: r.window.at(r.at+recordHead, 2+4)}
		head.uint16()
		if n := head.uint32(); head.short || recordHead+2+4+int64(n) != size {
			return false
		}
	case opChunkIndex, opStatistics, opSummaryOffset, opDataEnd, opFooter:
	default:
		// What reads as a Chunk but for its opcode is one that is damaged.
		head := slices.Clone(r.window.at(r.at, recordHead+plainChunk+maxMethod))
		head[0] = opChunk
		if _, ok := parseChunk(head); ok {
			return false
		}
	}
	return r.window.plausible(r.at+size, maxUnknown)
}

// chunk returns the records of the chunk at offset, if it is whole.
func (r *MessageReader) chunk(offset int64) ([]byte, bool) {
	head := r.window.at(offset, recordHead+plainChunk+maxMethod)
	if _, ok := parseChunk(head); !ok {
		return nil, false
	}
	size := recordHead + int64(le.Uint64(head[1:]))
	if size > maxMessageChunk || size > r.window.size-offset || r.budget < size {
		return nil, false
	}
	record := r.window.at(offset, int(size))
	if record == nil {
		return nil, false
	}
	records, err := r.unpacker.unpack(record)
	if err != nil {
		r.budget -= size
	}
	return records, err == nil
}

// resync goes to the next chunk that is whole, or to the end.
func (r *MessageReader) resync(reason string) error {
	const stride = 256 << 10
	from := r.at
	for at := from + 1; at < r.window.size && r.window.err == nil; {
		b := r.window.at(at, stride)
		for i, c := range b {
			if c != opChunk {
				continue
			}
			if _, ok := parseChunk(b[i:]); !ok && len(b)-i >= recordHead+plainChunk+maxMethod {
				continue
			}
			if _, ok := r.chunk(at + int64(i)); ok {
				r.at = at + int64(i)
				r.damage(place{offset: from, length: r.at - from}, reason)
				return nil
			}
			b = r.window.at(at, stride) // the look may have moved the window
		}
		at += int64(max(len(b), 1))
	}
	if r.window.err != nil {
		return r.window.err
	}
	r.damage(place{offset: from, length: r.window.size - from}, reason)
	r.at, r.done, r.report.End = r.window.size, true, from
	return io.EOF
}

func (r *MessageReader) damage(p place, reason string) {
	if len(r.report.Damage) >= maxDamage {
		r.report.MoreDamage++
		return
	}
	r.report.Damage = append(r.report.Damage, Damage{Offset: p.offset, Length: p.length, After: r.latest, Reason: reason})
}

// define takes a Channel record. What it is by the schema does not matter.
func (r *MessageReader) define(record []byte) {
	if len(record) < recordHead || record[0] != opChannel {
		return
	}
	f := fields{b: record[recordHead:]}
	id := f.uint16()
	f.uint16()
	name, encoding := f.text(), f.text()
	if !f.short && len(r.topics) < maxTopics {
		r.topics[id] = readTopic{string(name), string(encoding)}
	}
}

// record takes the next record of the chunk, and fills m if that is a message.
func (r *MessageReader) record(m *Message) bool {
	b := r.records
	r.records = nil
	if len(b) < recordHead || le.Uint64(b[1:]) > uint64(len(b)-recordHead) {
		r.damage(r.place, errChunk.Error())
		return false
	}
	n := recordHead + int(le.Uint64(b[1:]))
	r.records = b[n:]
	if b[0] == opChannel {
		r.define(b[:n])
	}
	if b[0] != opMessage {
		return false
	}
	f := fields{b: b[recordHead:n]}
	id := f.uint16()
	f.uint32()
	logged, made := f.uint64(), f.uint64()
	t, ok := r.topics[id]
	if f.short || !ok {
		r.report.Nameless++
		return false
	}
	*m = Message{Topic: t.name, Encoding: t.encoding, Logged: acquire.Instant(logged), Made: acquire.Instant(made), Data: f.b}
	r.latest = m.Logged
	for ; r.told < len(r.report.Damage); r.told++ {
		r.report.Damage[r.told].Before = m.Logged
	}
	r.report.Samples++
	return true
}
