package snmpwire

import (
	"bytes"
	"encoding/binary"
	"math"
	"strconv"
)

// MaxArcs is how many sub-identifiers an object identifier may have (RFC 2578,
// section 3.5).
const MaxArcs = 128

// AppendOID appends the encoded contents of the object identifier that text
// names, such as "1.3.6.1.2.1.1.3.0"; a leading point is allowed.
func AppendOID(dst []byte, text string) ([]byte, error) {
	if len(text) > 0 && text[0] == '.' {
		text = text[1:]
	}
	start, arcs := len(dst), 0
	var first uint64
	for arcs == 0 || text != "" {
		end := 0
		for end < len(text) && text[end] != '.' {
			end++
		}
		arc, err := strconv.ParseUint(text[:end], 10, 32)
		if err != nil || (end > 1 && text[0] == '0') || arcs == MaxArcs || end+1 == len(text) {
			return dst[:start], ErrOID
		}
		text = text[min(end+1, len(text)):]
		switch arcs {
		case 0:
			if first = arc; first > 2 {
				return dst[:start], ErrOID
			}
		case 1:
			if (first < 2 && arc > 39) || first*40+arc > math.MaxUint32 {
				return dst[:start], ErrOID
			}
			dst = AppendArc(dst, uint32(first*40+arc))
		default:
			dst = AppendArc(dst, uint32(arc))
		}
		arcs++
	}
	if arcs < 2 {
		return dst[:start], ErrOID
	}
	return dst, nil
}

// AppendArc appends one sub-identifier (X.690, 8.19.2).
func AppendArc(dst []byte, arc uint32) []byte {
	for shift := 28; shift > 0; shift -= 7 {
		if arc>>shift != 0 {
			dst = append(dst, byte(arc>>shift)|0x80)
		}
	}
	return append(dst, byte(arc&0x7f))
}

// NextArc takes the first sub-identifier off encoded contents. The first of an
// object identifier holds two arcs, as 40·first + second.
func NextArc(oid []byte) (arc uint32, rest []byte, err error) {
	var v uint64
	for i, c := range oid {
		v = v<<7 | uint64(c&0x7f)
		if v > math.MaxUint32 {
			return 0, nil, ErrOID
		}
		if c&0x80 == 0 {
			return uint32(v), oid[i+1:], nil
		}
		if v == 0 {
			return 0, nil, ErrOID // a superfluous leading octet
		}
	}
	return 0, nil, ErrOID
}

// CheckOID returns an error unless contents encode an object identifier, each arc
// in as few octets as hold it, so that equal identifiers have equal octets.
func CheckOID(contents []byte) error {
	// Most arcs are single octets: look at eight at once, and at the last eight where
	// that is all.
	const tops = 0x8080808080808080
	if n := len(contents); 8 <= n && n <= 16 &&
		(binary.LittleEndian.Uint64(contents)|binary.LittleEndian.Uint64(contents[n-8:]))&tops == 0 {
		return nil
	}
	arcs := 1 // the first octets hold two
	for i := 0; i < len(contents); arcs++ {
		if i+8 <= len(contents) && binary.LittleEndian.Uint64(contents[i:])&tops == 0 {
			i += 8
			arcs += 7
			continue
		}
		first := i
		for contents[i]&0x80 != 0 {
			if i++; i == len(contents) {
				return ErrOID
			}
		}
		i++
		// A leading 0x80 adds nothing, and 32 bits take five octets, the first of
		// them with four bits of the number.
		if n := i - first; n > 1 && (contents[first] == 0x80 || n > 5 || (n == 5 && contents[first] > 0x8F)) {
			return ErrOID
		}
	}
	if arcs < 2 || arcs > MaxArcs {
		return ErrOID
	}
	return nil
}

// AppendOIDText appends an encoded object identifier in digits, without a leading
// point.
func AppendOIDText(dst, oid []byte) []byte {
	for first := true; len(oid) > 0; first = false {
		arc, rest, err := NextArc(oid)
		if err != nil {
			return append(dst, '?')
		}
		if first {
			top := min(arc/40, 2)
			dst = append(dst, byte('0'+top))
			arc -= 40 * top
		}
		dst = append(dst, '.')
		dst = strconv.AppendUint(dst, uint64(arc), 10)
		oid = rest
	}
	return dst
}

// CompareOID orders encoded object identifiers as SNMP does: arc by arc. Both must
// have passed CheckOID.
func CompareOID(a, b []byte) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	if n == len(a) || n == len(b) {
		return len(a) - len(b)
	}
	// The first difference lies in one arc of each. The longer one is larger:
	// count the octets that follow the difference in its arc.
	ca, cb := continued(a[n:]), continued(b[n:])
	if ca != cb {
		return ca - cb
	}
	return int(a[n]) - int(b[n])
}

func continued(b []byte) int {
	n := 0
	for n < len(b) && b[n]&0x80 != 0 {
		n++
	}
	return n
}

// HasPrefix reports whether oid lies at or below prefix.
func HasPrefix(oid, prefix []byte) bool { return bytes.HasPrefix(oid, prefix) }
