package modbus

import (
	"encoding/binary"
	"math/bits"
	"strconv"
)

// Order is how a device lays the bytes of a value over registers. The protocol
// orders the bytes of one register only (V1.1b3, section 4.2), so that devices
// differ. The names spell where the bytes of a 32-bit value ABCD, A being the
// most significant, appear on the wire; values of 64 bits follow the same rule
// over four registers, and texts and clocks over as many as they have. The zero
// value is ABCD.
//
// SwapHalves may be added to any of the four for a value of four registers,
// making the eight orders seen in the field.
type Order uint8

// The orders. LowWordFirst has no effect on values of one register.
const (
	ABCD Order = 0                           // most significant register first; 64 bits: ABCDEFGH
	CDAB Order = LowWordFirst                // least significant register first; 64 bits: GHEFCDAB
	BADC Order = LowByteFirst                // bytes swapped in each register; 64 bits: BADCFEHG
	DCBA Order = LowWordFirst | LowByteFirst // least significant byte first; 64 bits: HGFEDCBA

	LowWordFirst Order = 1 << 0 // registers in reverse
	LowByteFirst Order = 1 << 1 // bytes of each register swapped
	SwapHalves   Order = 1 << 2 // four registers only: first and second pair exchanged: EFGHABCD

	maxOrder = LowWordFirst | LowByteFirst | SwapHalves
)

// String returns the order as its 32-bit letters, with "+halves" for SwapHalves.
func (o Order) String() string {
	if o > maxOrder {
		return "order " + strconv.Itoa(int(o))
	}
	name := [...]string{"ABCD", "CDAB", "BADC", "DCBA"}[o&DCBA]
	if o&SwapHalves != 0 {
		name += "+halves"
	}
	return name
}

// word returns the register at the start of raw.
func word(raw []byte, o Order) uint16 {
	w := binary.BigEndian.Uint16(raw)
	if o&LowByteFirst != 0 {
		w = bits.ReverseBytes16(w)
	}
	return w
}

// long returns the two registers at the start of raw as one number.
func long(raw []byte, o Order) uint32 {
	v := binary.BigEndian.Uint32(raw)
	switch o & DCBA {
	case CDAB:
		v = bits.RotateLeft32(v, 16)
	case BADC:
		v = bits.RotateLeft32(bits.ReverseBytes32(v), 16)
	case DCBA:
		v = bits.ReverseBytes32(v)
	}
	return v
}

// quad returns the four registers at the start of raw as one number.
func quad(raw []byte, o Order) uint64 {
	if o == ABCD {
		return binary.BigEndian.Uint64(raw)
	}
	first, second := uint64(long(raw, o)), uint64(long(raw[4:], o))
	if (o&LowWordFirst != 0) != (o&SwapHalves != 0) {
		first, second = second, first
	}
	return first<<32 | second
}

// arrange copies the registers in raw to dst, the most significant first and with
// the high byte first in each.
func arrange(dst, raw []byte, o Order) []byte {
	dst = dst[:len(raw)]
	n := len(raw) / 2
	for i := range n {
		from := i
		if o&LowWordFirst != 0 {
			from = n - 1 - i
		}
		if o&SwapHalves != 0 {
			from = (from + n/2) % n
		}
		binary.BigEndian.PutUint16(dst[2*i:], word(raw[2*from:], o))
	}
	return dst
}

// run returns the n bits from bit first of a table on as one number, the first
// being the lowest: the order in which they travel (V1.1b3, section 6.1).
func run(data []byte, first, n int) uint64 {
	var v uint64
	for i := range n {
		at := first + i
		v |= uint64(data[at/8]>>(at%8)&1) << i
	}
	return v
}
