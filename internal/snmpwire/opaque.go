package snmpwire

import (
	"encoding/binary"
	"math"
)

// Opaque numbers: an Opaque whose contents are one value again, with a tag of two
// octets (0x9F and the type). No RFC has them but a draft of 1997,
// draft-perkins-opaque-01; agents of the net-snmp family send them.
const (
	opaqueFloat  = 0x78 // four octets, IEEE 754
	opaqueDouble = 0x79 // eight octets, IEEE 754
)

// OpaqueFloat reads the contents of an Opaque that wraps a float or a double. bits
// says which: 32 or 64. ErrTag is for any other contents.
func OpaqueFloat(contents []byte) (v float64, bits int, err error) {
	if len(contents) < 3 {
		return 0, 0, ErrTruncated
	}
	if contents[0] != 0x9F {
		return 0, 0, ErrTag
	}
	// The rest is a value by itself, whose tag is the type.
	t, number, rest, err := Read(contents[1:])
	switch {
	case err != nil:
		return 0, 0, err
	case len(rest) != 0:
		return 0, 0, ErrTrailing
	case t != opaqueFloat && t != opaqueDouble:
		return 0, 0, ErrTag
	case t == opaqueFloat && len(number) == 4:
		return float64(math.Float32frombits(binary.BigEndian.Uint32(number))), 32, nil
	case t == opaqueDouble && len(number) == 8:
		return math.Float64frombits(binary.BigEndian.Uint64(number)), 64, nil
	}
	return 0, 0, ErrRange
}

// AppendOpaqueFloat appends an Opaque that wraps a float.
func AppendOpaqueFloat(dst []byte, v float32) []byte {
	dst = append(dst, byte(Opaque), 7, 0x9F, opaqueFloat, 4)
	return binary.BigEndian.AppendUint32(dst, math.Float32bits(v))
}

// AppendOpaqueDouble appends an Opaque that wraps a double.
func AppendOpaqueDouble(dst []byte, v float64) []byte {
	dst = append(dst, byte(Opaque), 11, 0x9F, opaqueDouble, 8)
	return binary.BigEndian.AppendUint64(dst, math.Float64bits(v))
}
