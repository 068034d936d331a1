package passive

import (
	"encoding/binary"
	"net/netip"
)

// Link types (https://www.tcpdump.org/linktypes.html).
const (
	linkNull     = 0
	linkEthernet = 1
	linkRaw1     = 12 // raw IP, as some systems number it
	linkRaw2     = 14
	linkRaw      = 101
	linkLoop     = 108
	linkCooked   = 113 // Linux cooked capture
	linkIPv4     = 228
	linkIPv6     = 229
	linkCooked2  = 276
)

// EtherTypes (IEEE 802 numbers).
const (
	etherIPv4 = 0x0800
	etherIPv6 = 0x86DD
)

// ipPacket finds the IP packet in a frame. It reports false for other traffic, and an
// unknown link type in known.
func ipPacket(link uint32, b []byte) (ip []byte, known, ok bool) {
	ether := uint16(0)
	switch link {
	case linkEthernet:
		if len(b) < 14 {
			return nil, true, false
		}
		ether, b = binary.BigEndian.Uint16(b[12:]), b[14:]
	case linkCooked:
		if len(b) < 16 {
			return nil, true, false
		}
		ether, b = binary.BigEndian.Uint16(b[14:]), b[16:]
	case linkCooked2:
		if len(b) < 20 {
			return nil, true, false
		}
		ether, b = binary.BigEndian.Uint16(b), b[20:]
	case linkNull, linkLoop:
		// A protocol family in whatever order of bytes; the version below tells which.
		if len(b) < 4 {
			return nil, true, false
		}
		b = b[4:]
	case linkRaw, linkRaw1, linkRaw2, linkIPv4, linkIPv6:
	default:
		return nil, false, false
	}
	for range 4 { // tags of IEEE 802.1Q and 802.1ad
		if ether != 0x8100 && ether != 0x88A8 && ether != 0x9100 {
			break
		}
		if len(b) < 4 {
			return nil, true, false
		}
		ether, b = binary.BigEndian.Uint16(b[2:]), b[4:]
	}
	if ether != 0 && ether != etherIPv4 && ether != etherIPv6 || len(b) == 0 {
		return nil, true, false
	}
	return b, true, true
}

// Protocol numbers of IP (IANA).
const (
	protoTCP = 6
	protoUDP = 17
)

// datagram is what an IP packet carries.
type datagram struct {
	src, dst netip.Addr
	proto    byte
	payload  []byte
	cut      bool // payload is not all of it
	fragment bool // payload is a piece, at offset, of what id names
	offset   int
	more     bool // pieces follow
	id       uint32
}

// parseIP reads the header of an IP packet, and of version 6 those behind it. It reports
// false where it is malformed.
func parseIP(b []byte, d *datagram) bool {
	*d = datagram{}
	if len(b) == 0 {
		return false
	}
	switch b[0] >> 4 {
	case 4:
		return parseIPv4(b, d)
	case 6:
		return parseIPv6(b, d)
	}
	return false
}

func parseIPv4(b []byte, d *datagram) bool {
	header := int(b[0]&15) * 4
	if header < 20 || len(b) < header {
		return false
	}
	total := int(binary.BigEndian.Uint16(b[2:]))
	switch {
	case total == 0: // left to the network card, which cuts it into segments
		total = len(b)
	case total < header:
		return false
	}
	d.cut = total > len(b)
	d.src, d.dst = netip.AddrFrom4([4]byte(b[12:])), netip.AddrFrom4([4]byte(b[16:]))
	d.proto, d.payload = b[9], b[header:min(total, len(b))]
	field := binary.BigEndian.Uint16(b[6:])
	d.offset, d.more = int(field&0x1FFF)*8, field&0x2000 != 0
	d.fragment, d.id = d.more || d.offset > 0, uint32(binary.BigEndian.Uint16(b[4:]))
	return true
}

func parseIPv6(b []byte, d *datagram) bool {
	if len(b) < 40 {
		return false
	}
	length := int(binary.BigEndian.Uint16(b[4:]))
	d.src, d.dst = netip.AddrFrom16([16]byte(b[8:])), netip.AddrFrom16([16]byte(b[24:]))
	next, rest := b[6], b[40:]
	if length == 0 {
		length = len(rest)
	}
	d.cut = length > len(rest)
	rest = rest[:min(length, len(rest))]
	for range 16 { // headers in a row
		size := 0
		switch next {
		case 0, 43, 60: // hop-by-hop, routing, destination options (RFC 8200, section 4)
			if len(rest) < 8 {
				return false
			}
			size = 8 + 8*int(rest[1])
		case 51: // authentication header (RFC 4302)
			if len(rest) < 8 {
				return false
			}
			size = 8 + 4*int(rest[1])
		case 44: // fragment
			if len(rest) < 8 {
				return false
			}
			field := binary.BigEndian.Uint16(rest[2:])
			d.offset, d.more = int(field&^7), field&1 != 0
			d.fragment, d.id = d.more || d.offset > 0, binary.BigEndian.Uint32(rest[4:])
			size = 8
		default:
			d.proto, d.payload = next, rest
			return true
		}
		if size > len(rest) {
			return false
		}
		next, rest = rest[0], rest[size:]
		if d.fragment {
			d.proto, d.payload = next, rest
			return true
		}
	}
	return false
}

// fragments puts IP packets together again. The oldest gives way where there are too
// many, and one whose pieces overlap is thrown away: nobody sends such in good faith.
type fragments struct {
	waiting []*assembly // oldest first
	dropped uint64
}

type assembly struct {
	src, dst netip.Addr
	proto    byte
	id       uint32
	pieces   []piece // in order, without overlap
	total    int     // -1 while the last piece has not come
}

type piece struct {
	offset int
	data   []byte
}

// How many packets may wait for their pieces, of 64 KiB at most each, and for how many.
const (
	maxAssemblies = 64
	maxPieces     = 512
)

// add takes a fragment, and puts the whole datagram into d where it was the last one
// missing.
func (f *fragments) add(d *datagram) bool {
	var a *assembly
	at := 0
	for i, w := range f.waiting {
		if w.id == d.id && w.proto == d.proto && w.src == d.src && w.dst == d.dst {
			a, at = w, i
			break
		}
	}
	if a == nil {
		if len(f.waiting) == maxAssemblies {
			f.dropped++
			f.waiting = append(f.waiting[:0], f.waiting[1:]...)
		}
		a, at = &assembly{src: d.src, dst: d.dst, proto: d.proto, id: d.id, total: -1}, len(f.waiting)
		f.waiting = append(f.waiting, a)
	}
	end := d.offset + len(d.payload)
	broken := end > 1<<16 || len(a.pieces) == maxPieces || d.cut || a.total >= 0 && end > a.total || len(d.payload) == 0
	if !d.more {
		broken = broken || a.total >= 0 && a.total != end
		a.total = end
	}
	place := len(a.pieces)
	for i, p := range a.pieces {
		if p.offset == d.offset && len(p.data) == len(d.payload) {
			return false // sent twice
		}
		if d.offset < p.offset+len(p.data) && p.offset < end {
			broken = true
		}
		if p.offset > d.offset && i < place {
			place = i
		}
	}
	if broken {
		f.dropped++
		f.waiting = append(f.waiting[:at], f.waiting[at+1:]...)
		return false
	}
	a.pieces = append(a.pieces, piece{})
	copy(a.pieces[place+1:], a.pieces[place:])
	a.pieces[place] = piece{d.offset, append([]byte(nil), d.payload...)}
	have := 0
	for _, p := range a.pieces {
		if p.offset != have {
			return false
		}
		have += len(p.data)
	}
	if have != a.total {
		return false
	}
	whole := make([]byte, 0, have)
	for _, p := range a.pieces {
		whole = append(whole, p.data...)
	}
	d.payload, d.fragment = whole, false
	f.waiting = append(f.waiting[:at], f.waiting[at+1:]...)
	return true
}
