package wire

import (
	"encoding/binary"
	"time"
)

// Blocks of pcapng (draft-ietf-opsawg-pcapng, section 4), little-endian.
const (
	blockSection   = 0x0A0D0D0A // section 4.1
	blockInterface = 1          // section 4.2
	blockStats     = 5          // section 4.5
	blockPacket    = 6          // section 4.3, Enhanced Packet Block
	byteOrderMagic = 0x1A2B3C4D

	blockOverhead = 12 // type and both lengths
	packetFixed   = 20 // interface, time, captured and original length
)

// Link types (the registry of LINKTYPE_ values).
const (
	linkEthernet = 1
	linkRaw      = 101 // begins with an IPv4 or IPv6 header
	linkIPv4     = 228
	linkIPv6     = 229
)

// Options of blocks (sections 3.5, 4.1 to 4.3 and 4.5).
const (
	optEnd       = 0
	optComment   = 1
	optUserAppl  = 4 // of a section
	optIfName    = 2
	optTsResol   = 9
	optTsOffset  = 14
	optFlags     = 2 // of a packet: bits 0 and 1 are the direction
	optDropCount = 4 // of a packet: lost between it and the one before
	optIfRecv    = 4 // of statistics
	optIfDrop    = 5

	inbound  = 1
	outbound = 2
)

var le = binary.LittleEndian

// beginBlock appends the head of a block whose length endBlock sets.
func beginBlock(dst []byte, kind uint32) []byte {
	return append(le.AppendUint32(dst, kind), 0, 0, 0, 0)
}

// endBlock ends the block that begins at start.
func endBlock(dst []byte, start int) []byte {
	n := uint32(len(dst) - start + 4)
	le.PutUint32(dst[start+4:], n)
	return le.AppendUint32(dst, n)
}

// pad appends zeros up to a multiple of 4 of the length from start.
func pad(dst []byte, start int) []byte {
	for (len(dst)-start)%4 != 0 {
		dst = append(dst, 0)
	}
	return dst
}

// appendOption appends an option with its padding.
func appendOption[T []byte | string](dst []byte, code uint16, value T) []byte {
	dst = le.AppendUint16(dst, code)
	dst = le.AppendUint16(dst, uint16(len(value)))
	start := len(dst)
	return pad(append(dst, value...), start)
}

// appendHead appends what a file begins with: a section, and an interface of IP
// packets with times in nanoseconds.
func appendHead(dst []byte, application, name string) []byte {
	start := len(dst)
	dst = beginBlock(dst, blockSection)
	dst = le.AppendUint32(dst, byteOrderMagic)
	dst = le.AppendUint16(dst, 1)
	dst = le.AppendUint16(dst, 0)
	dst = le.AppendUint64(dst, 1<<64-1) // length of the section: not said
	dst = appendOption(dst, optUserAppl, application)
	dst = endBlock(le.AppendUint32(dst, optEnd), start)

	start = len(dst)
	dst = beginBlock(dst, blockInterface)
	dst = le.AppendUint16(dst, linkRaw)
	dst = le.AppendUint16(dst, 0)
	dst = le.AppendUint32(dst, 0) // no limit of length
	if name != "" {
		dst = appendOption(dst, optIfName, name)
	}
	dst = appendOption(dst, optTsResol, []byte{9})
	return endBlock(le.AppendUint32(dst, optEnd), start)
}

// packetBlock is what an Enhanced Packet Block says beside the packet.
type packetBlock struct {
	at      time.Time
	flags   uint32
	dropped uint64 // lost in front of it
	comment []byte
}

// size bounds the length of the block around a packet of n bytes.
func (b *packetBlock) size(n int) int {
	const options = 8 + 12 + 4 // flags, drop count, end
	return blockOverhead + packetFixed + n + 3 + options + 4 + len(b.comment) + 3
}

// append appends the block around p.
func (b *packetBlock) append(dst []byte, p *packet) []byte {
	start := len(dst)
	dst = beginBlock(dst, blockPacket)
	dst = le.AppendUint32(dst, 0)
	dst = appendTime(dst, b.at)
	n := uint32(p.size())
	dst = le.AppendUint32(dst, n)
	dst = le.AppendUint32(dst, n)
	dst = pad(p.append(dst), start)
	if len(b.comment) > 0 {
		dst = appendOption(dst, optComment, b.comment)
	}
	dst = le.AppendUint16(dst, optFlags)
	dst = le.AppendUint16(dst, 4)
	dst = le.AppendUint32(dst, b.flags)
	if b.dropped > 0 {
		dst = le.AppendUint16(dst, optDropCount)
		dst = le.AppendUint16(dst, 8)
		dst = le.AppendUint64(dst, b.dropped)
	}
	return endBlock(le.AppendUint32(dst, optEnd), start)
}

// appendStats appends an Interface Statistics Block.
func appendStats(dst []byte, at time.Time, received, dropped uint64) []byte {
	start := len(dst)
	dst = beginBlock(dst, blockStats)
	dst = le.AppendUint32(dst, 0)
	dst = appendTime(dst, at)
	for _, o := range [...]struct {
		code  uint16
		value uint64
	}{{optIfRecv, received}, {optIfDrop, dropped}} {
		dst = le.AppendUint16(dst, o.code)
		dst = le.AppendUint16(dst, 8)
		dst = le.AppendUint64(dst, o.value)
	}
	return endBlock(le.AppendUint32(dst, optEnd), start)
}

// appendTime appends a time in nanoseconds since 1970, upper half first. What is
// before 1970 is 1970.
func appendTime(dst []byte, t time.Time) []byte {
	ns := uint64(max(t.UnixNano(), 0))
	dst = le.AppendUint32(dst, uint32(ns>>32))
	return le.AppendUint32(dst, uint32(ns))
}
