package capture

import (
	"encoding/binary"
	"hash/crc32"
)

// What the MCAP specification calls the records of a file, version 0
// (https://mcap.dev/spec). Others are skipped.
const (
	opHeader        = 0x01
	opFooter        = 0x02
	opSchema        = 0x03
	opChannel       = 0x04
	opMessage       = 0x05
	opChunk         = 0x06
	opMessageIndex  = 0x07
	opChunkIndex    = 0x08
	opStatistics    = 0x0b
	opMetadata      = 0x0c
	opMetadataIndex = 0x0d
	opSummaryOffset = 0x0e
	opDataEnd       = 0x0f
)

const (
	magic = "\x89MCAP0\r\n"

	recordHead  = 1 + 8                       // opcode and length of the content
	chunkHead   = 8 + 8 + 8 + 4               // times, size and checksum of the records
	messageHead = 2 + 4 + 8 + 8               // channel, sequence, times
	footerSize  = 8 + 8 + 4                   // content of a Footer
	tailSize    = recordHead + footerSize + 8 // Footer and magic
	plainChunk  = chunkHead + 4 + 8           // content of an uncompressed Chunk before its records
)

// The one schema and channel of a capture, by which readers of others list it.
const (
	schemaID   = 1
	channelID  = 1
	schemaName = "fieldtap.Block"
	encoding   = "fieldtap-block-1"
	topic      = "/samples"
)

var le = binary.LittleEndian

// appendHead begins a record; endRecord fills in its length.
func appendHead(b []byte, op byte) []byte {
	return append(b, op, 0, 0, 0, 0, 0, 0, 0, 0)
}

func endRecord(b []byte, start int) {
	le.PutUint64(b[start+1:], uint64(len(b)-start-recordHead))
}

func appendString(b []byte, s string) []byte {
	b = le.AppendUint32(b, uint32(len(s)))
	return append(b, s...)
}

func appendHeader(b []byte) []byte {
	start := len(b)
	b = appendHead(b, opHeader)
	b = appendString(b, "")
	b = appendString(b, "fieldtap")
	endRecord(b, start)
	return b
}

func appendSchema(b []byte) []byte {
	start := len(b)
	b = appendHead(b, opSchema)
	b = le.AppendUint16(b, schemaID)
	b = appendString(b, schemaName)
	b = appendString(b, encoding)
	b = appendString(b, "")
	endRecord(b, start)
	return b
}

func appendChannel(b []byte) []byte {
	start := len(b)
	b = appendHead(b, opChannel)
	b = le.AppendUint16(b, channelID)
	b = le.AppendUint16(b, schemaID)
	b = appendString(b, topic)
	b = appendString(b, encoding)
	b = appendString(b, "")
	endRecord(b, start)
	return b
}

func appendDataEnd(b []byte, crc uint32) []byte {
	start := len(b)
	b = appendHead(b, opDataEnd)
	b = le.AppendUint32(b, crc)
	endRecord(b, start)
	return b
}

// place is where a record lies in the file, its head included.
type place struct {
	offset int64
	length int64
	time   uint64 // of a Chunk: log time of its message
	raw    uint64 // of a Chunk: size of its records before compression
}

func appendChunkIndex(b []byte, c place, compression string) []byte {
	start := len(b)
	b = appendHead(b, opChunkIndex)
	b = le.AppendUint64(b, c.time)
	b = le.AppendUint64(b, c.time)
	b = le.AppendUint64(b, uint64(c.offset))
	b = le.AppendUint64(b, uint64(c.length))
	b = le.AppendUint32(b, 2+8)
	b = le.AppendUint16(b, channelID)
	b = le.AppendUint64(b, uint64(c.offset+c.length))
	b = le.AppendUint64(b, messageIndexSize)
	b = appendString(b, compression)
	b = le.AppendUint64(b, uint64(c.length)-recordHead-plainChunk-uint64(len(compression)))
	b = le.AppendUint64(b, c.raw)
	endRecord(b, start)
	return b
}

// messageIndexSize is the length of the MessageIndex behind a chunk of one message.
const messageIndexSize = recordHead + 2 + 4 + 8 + 8

func appendMessageIndex(b []byte, time uint64) []byte {
	start := len(b)
	b = appendHead(b, opMessageIndex)
	b = le.AppendUint16(b, channelID)
	b = le.AppendUint32(b, 8+8)
	b = le.AppendUint64(b, time)
	b = le.AppendUint64(b, 0)
	endRecord(b, start)
	return b
}

func appendMetadataIndex(b []byte, m place) []byte {
	start := len(b)
	b = appendHead(b, opMetadataIndex)
	b = le.AppendUint64(b, uint64(m.offset))
	b = le.AppendUint64(b, uint64(m.length))
	b = appendString(b, pointsRecord)
	endRecord(b, start)
	return b
}

func appendStatistics(b []byte, chunks, metadata []place) []byte {
	var first, last uint64
	for i, c := range chunks {
		if i == 0 {
			first = c.time
		}
		first, last = min(first, c.time), max(last, c.time)
	}
	start := len(b)
	b = appendHead(b, opStatistics)
	b = le.AppendUint64(b, uint64(len(chunks)))
	b = le.AppendUint16(b, 1)
	b = le.AppendUint32(b, 1)
	b = le.AppendUint32(b, 0)
	b = le.AppendUint32(b, uint32(len(metadata)))
	b = le.AppendUint32(b, uint32(len(chunks)))
	b = le.AppendUint64(b, first)
	b = le.AppendUint64(b, last)
	b = le.AppendUint32(b, 2+8)
	b = le.AppendUint16(b, channelID)
	b = le.AppendUint64(b, uint64(len(chunks)))
	endRecord(b, start)
	return b
}

// appendSummary appends all that follows the DataEnd record of a file, which
// ends at offset: what lets a reader find everything without reading it all.
func appendSummary(b []byte, offset int64, chunks, metadata []place, compression string) []byte {
	begin := len(b)
	at := func() uint64 { return uint64(offset) + uint64(len(b)-begin) }
	var groups []byte
	group := func(op byte, add func()) {
		start := at()
		add()
		if at() == start {
			return
		}
		g := len(groups)
		groups = appendHead(groups, opSummaryOffset)
		groups = append(groups, op)
		groups = le.AppendUint64(groups, start)
		groups = le.AppendUint64(groups, at()-start)
		endRecord(groups, g)
	}
	group(opSchema, func() { b = appendSchema(b) })
	group(opChannel, func() { b = appendChannel(b) })
	group(opStatistics, func() { b = appendStatistics(b, chunks, metadata) })
	group(opChunkIndex, func() {
		for _, c := range chunks {
			b = appendChunkIndex(b, c, compression)
		}
	})
	group(opMetadataIndex, func() {
		for _, m := range metadata {
			b = appendMetadataIndex(b, m)
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

// fields reads the content of a record. After a field that does not fit, short
// is set and everything reads as zero.
type fields struct {
	b     []byte
	short bool
}

func (f *fields) bytes(n uint64) []byte {
	if n > uint64(len(f.b)) {
		f.b, f.short = nil, true
		return nil
	}
	part := f.b[:n:n]
	f.b = f.b[n:]
	return part
}

func (f *fields) uint16() uint16 {
	if p := f.bytes(2); p != nil {
		return le.Uint16(p)
	}
	return 0
}

func (f *fields) uint32() uint32 {
	if p := f.bytes(4); p != nil {
		return le.Uint32(p)
	}
	return 0
}

func (f *fields) uint64() uint64 {
	if p := f.bytes(8); p != nil {
		return le.Uint64(p)
	}
	return 0
}

// text reads what the specification calls a String, and also an Array or a Map.
func (f *fields) text() []byte { return f.bytes(uint64(f.uint32())) }
