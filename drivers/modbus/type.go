package modbus

import "strconv"

// Type is how the bits of one or more registers make a value. The zero value
// is Bool in the tables of bits, and an error in the tables of registers.
type Type uint8

// The types. Those of 32 and 64 bits span two and four registers from the
// address of the point on; texts, clocks and the M10K types span as many as
// Point.Length or Point.Layout says.
const (
	Bool    Type = iota + 1 // a coil or discrete input; in registers: false if 0, true if 1
	Int16                   // two's complement
	Uint16                  // unsigned
	Int32                   // two's complement
	Uint32                  // unsigned
	Int64                   // two's complement
	Uint64                  // unsigned
	Float16                 // IEEE 754 binary16
	Float32                 // IEEE 754 binary32
	Float64                 // IEEE 754 binary64

	SignMagnitude16 // the highest bit is the sign, the others are the magnitude
	SignMagnitude32 // the same
	SignMagnitude64 // the same

	BCD16 // four decimal digits of four bits each, unsigned
	BCD32 // eight decimal digits
	BCD64 // sixteen decimal digits

	UintM10K // 2 to 4 registers of four decimal digits each: 0 to 9999
	IntM10K  // 2 to 4 registers of -9999 to 9999

	TextASCII  // text of 7-bit characters, two to the register, the high byte first
	TextLatin1 // text of ISO 8859-1
	TextUTF8   // text of UTF-8
	TextUTF16  // text of UTF-16, one unit to the register

	Seconds32      // unsigned seconds since Point.Epoch
	Seconds64      // two's complement seconds since Point.Epoch
	Milliseconds64 // two's complement milliseconds since Point.Epoch
	CP56Time       // 4 registers: IEC 60870-5-4 binary time 2a of seven octets
	Clock          // date and time of day in the bytes that Point.Layout names
	BCDClock       // the same, each byte two decimal digits

	maxType = BCDClock
)

// class is what types have in common when they are decoded.
type class uint8

const (
	truth class = 1 + iota
	signed
	unsigned
	floating
	signMagnitude
	decimal // packed
	modulo  // registers as digits of base 10,000
	text
	elapsed  // time since an epoch
	calendar // time by year, month, day ...
)

// shape is what is fixed about a type.
type shape struct {
	name        string
	class       class
	least, most int // registers; Point.Length chooses where they differ
}

var shapes = [...]shape{
	{name: "no type"},
	Bool:            {"bool", truth, 1, 1},
	Int16:           {"int16", signed, 1, 1},
	Uint16:          {"uint16", unsigned, 1, 1},
	Int32:           {"int32", signed, 2, 2},
	Uint32:          {"uint32", unsigned, 2, 2},
	Int64:           {"int64", signed, 4, 4},
	Uint64:          {"uint64", unsigned, 4, 4},
	Float16:         {"float16", floating, 1, 1},
	Float32:         {"float32", floating, 2, 2},
	Float64:         {"float64", floating, 4, 4},
	SignMagnitude16: {"signmagnitude16", signMagnitude, 1, 1},
	SignMagnitude32: {"signmagnitude32", signMagnitude, 2, 2},
	SignMagnitude64: {"signmagnitude64", signMagnitude, 4, 4},
	BCD16:           {"bcd16", decimal, 1, 1},
	BCD32:           {"bcd32", decimal, 2, 2},
	BCD64:           {"bcd64", decimal, 4, 4},
	UintM10K:        {"uintm10k", modulo, 2, 4},
	IntM10K:         {"intm10k", modulo, 2, 4},
	TextASCII:       {"ascii", text, 1, maxRegisters},
	TextLatin1:      {"latin1", text, 1, maxRegisters},
	TextUTF8:        {"utf8", text, 1, maxRegisters},
	TextUTF16:       {"utf16", text, 1, maxRegisters},
	Seconds32:       {"seconds32", elapsed, 2, 2},
	Seconds64:       {"seconds64", elapsed, 4, 4},
	Milliseconds64:  {"milliseconds64", elapsed, 4, 4},
	CP56Time:        {"cp56time", calendar, 4, 4},
	Clock:           {"clock", calendar, 2, maxClock / 2},
	BCDClock:        {"bcdclock", calendar, 2, maxClock / 2},
}

// maxRegisters is the most that one answer holds (V1.1b3, section 6.3).
const maxRegisters = 125

// String returns the type's name in lower case, such as "float32".
func (t Type) String() string {
	if int(t) < len(shapes) {
		return shapes[t].name
	}
	return "type " + strconv.Itoa(int(t))
}

// shape returns the zero shape for no type and for unknown ones.
func (t Type) shape() shape {
	if t == 0 || int(t) >= len(shapes) {
		return shape{}
	}
	return shapes[t]
}

func (t Type) class() class { return t.shape().class }

// integer reports whether values are whole numbers before they are scaled.
func (c class) integer() bool {
	switch c {
	case signed, unsigned, signMagnitude, decimal, modulo:
		return true
	}
	return false
}

// number reports whether a scale applies.
func (c class) number() bool { return c.integer() || c == floating }

// patterned reports whether the raw value is one run of bits of which a part may
// be taken, and which coils may make up.
func (c class) patterned() bool { return c.integer() && c != modulo }
