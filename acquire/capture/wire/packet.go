package wire

import (
	"encoding/binary"
	"net/netip"
)

// Numbers of protocols (IANA, Protocol Numbers).
const (
	protocolTCP    = 6
	protocolUDP    = 17
	protocolNoNext = 59 // IPv6-NoNxt: nothing follows
)

// Flags of TCP (RFC 9293, section 3.1).
const (
	flagFIN = 1 << 0
	flagSYN = 1 << 1
	flagRST = 1 << 2
	flagPSH = 1 << 3
	flagACK = 1 << 4
)

const (
	ipv4Header = 20
	ipv6Header = 40
	tcpHeader  = 20
	udpHeader  = 8

	maxSegment  = 32 << 10                               // payload of a synthetic TCP segment
	maxDatagram = 1<<16 - 1 - ipv4Header - udpHeader     // what a length field of IPv4 can say
	maxHeaders  = ipv6Header + max(tcpHeader, udpHeader) // in front of a payload
)

// packet is an IP packet: what the recorder writes and the reader finds.
type packet struct {
	from, to netip.AddrPort
	protocol byte
	flags    byte   // of TCP
	seq, ack uint32 // of TCP
	payload  []byte
}

// size is the length of the packet with its headers.
func (p *packet) size() int {
	n := ipv4Header
	if p.v6() {
		n = ipv6Header
	}
	switch p.protocol {
	case protocolTCP:
		n += tcpHeader
	case protocolUDP:
		n += udpHeader
	}
	return n + len(p.payload)
}

func (p *packet) v6() bool { return p.from.Addr().Is6() }

// append appends the packet, with checksums. Both addresses must be of one family.
func (p *packet) append(dst []byte) []byte {
	start, n := len(dst), p.size()
	if p.v6() { // RFC 8200, section 3
		dst = append(dst, 6<<4, 0, 0, 0)
		dst = binary.BigEndian.AppendUint16(dst, uint16(n-ipv6Header))
		dst = append(dst, p.protocol, 64)
		from, to := p.from.Addr().As16(), p.to.Addr().As16()
		dst = append(append(dst, from[:]...), to[:]...)
	} else { // RFC 791, section 3.1
		dst = append(dst, 4<<4|ipv4Header/4, 0)
		dst = binary.BigEndian.AppendUint16(dst, uint16(n))
		dst = append(dst, 0, 0, 0x40, 0, 64, p.protocol, 0, 0) // not to be divided
		from, to := p.from.Addr().As4(), p.to.Addr().As4()
		dst = append(append(dst, from[:]...), to[:]...)
		binary.BigEndian.PutUint16(dst[start+10:], ^fold(sum(0, dst[start:])))
	}
	body := len(dst)
	switch p.protocol {
	case protocolTCP: // RFC 9293, section 3.1
		dst = binary.BigEndian.AppendUint16(dst, p.from.Port())
		dst = binary.BigEndian.AppendUint16(dst, p.to.Port())
		dst = binary.BigEndian.AppendUint32(dst, p.seq)
		dst = binary.BigEndian.AppendUint32(dst, p.ack)
		dst = append(dst, tcpHeader/4<<4, p.flags, 0xff, 0xff, 0, 0, 0, 0)
		dst = append(dst, p.payload...)
		binary.BigEndian.PutUint16(dst[body+16:], p.checksum(dst[body:]))
	case protocolUDP: // RFC 768
		dst = binary.BigEndian.AppendUint16(dst, p.from.Port())
		dst = binary.BigEndian.AppendUint16(dst, p.to.Port())
		dst = binary.BigEndian.AppendUint16(dst, uint16(udpHeader+len(p.payload)))
		dst = append(dst, 0, 0)
		dst = append(dst, p.payload...)
		c := p.checksum(dst[body:])
		if c == 0 {
			c = 0xffff // 0 would say that there is none
		}
		binary.BigEndian.PutUint16(dst[body+6:], c)
	}
	return dst
}

// checksum is that of TCP or UDP over the pseudo header and a segment.
func (p *packet) checksum(segment []byte) uint16 {
	s := uint64(p.protocol) + uint64(len(segment))
	if p.v6() {
		from, to := p.from.Addr().As16(), p.to.Addr().As16()
		s = sum(sum(s, from[:]), to[:])
	} else {
		from, to := p.from.Addr().As4(), p.to.Addr().As4()
		s = sum(sum(s, from[:]), to[:])
	}
	return ^fold(sum(s, segment))
}

// sum adds 16-bit words in the manner of RFC 1071, without folding: of b, which
// begins at a word and is padded by a zero.
func sum(s uint64, b []byte) uint64 {
	for ; len(b) >= 2; b = b[2:] {
		s += uint64(b[0])<<8 | uint64(b[1])
	}
	if len(b) == 1 {
		s += uint64(b[0]) << 8
	}
	return s
}

func fold(s uint64) uint16 {
	for s > 0xffff {
		s = s>>16 + s&0xffff
	}
	return uint16(s)
}

// parse reads an IP packet of TCP, UDP or nothing. The payload is part of b. It
// reports false for what is something else, a fragment, or broken; checksums are not
// looked at, which captures on the sending host lack.
func (p *packet) parse(b []byte) bool {
	if len(b) == 0 {
		return false
	}
	var from, to netip.Addr
	switch b[0] >> 4 {
	case 4:
		head := int(b[0]&0xf) * 4
		if head < ipv4Header || len(b) < head {
			return false
		}
		n := int(binary.BigEndian.Uint16(b[2:]))
		if n == 0 {
			n = len(b) // left to the network card
		}
		if n < head || n > len(b) || binary.BigEndian.Uint16(b[6:])&0x3fff != 0 {
			return false
		}
		p.protocol = b[9]
		from, to = netip.AddrFrom4([4]byte(b[12:])), netip.AddrFrom4([4]byte(b[16:]))
		b = b[head:n]
	case 6:
		if len(b) < ipv6Header {
			return false
		}
		n := int(binary.BigEndian.Uint16(b[4:]))
		if n > len(b)-ipv6Header {
			return false
		}
		p.protocol = b[6]
		from, to = netip.AddrFrom16([16]byte(b[8:])), netip.AddrFrom16([16]byte(b[24:]))
		b = b[ipv6Header : ipv6Header+n]
	default:
		return false
	}
	head := 0
	switch p.protocol {
	case protocolTCP:
		if len(b) < tcpHeader {
			return false
		}
		p.seq, p.ack, p.flags = binary.BigEndian.Uint32(b[4:]), binary.BigEndian.Uint32(b[8:]), b[13]
		if head = int(b[12]>>4) * 4; head < tcpHeader || head > len(b) {
			return false
		}
	case protocolUDP:
		if len(b) < udpHeader {
			return false
		}
		n := int(binary.BigEndian.Uint16(b[4:]))
		if n < udpHeader || n > len(b) {
			return false
		}
		head, b = udpHeader, b[:n]
	case protocolNoNext:
		p.from, p.to, p.payload = netip.AddrPortFrom(from, 0), netip.AddrPortFrom(to, 0), nil
		return true
	default:
		return false
	}
	p.from = netip.AddrPortFrom(from, binary.BigEndian.Uint16(b))
	p.to = netip.AddrPortFrom(to, binary.BigEndian.Uint16(b[2:]))
	p.payload = b[head:]
	return true
}
