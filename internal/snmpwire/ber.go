package snmpwire

import "math"

// Tag is the identifier octet of a value (X.690, 8.1.2).
type Tag byte

// Tags of RFC 1155 and RFC 2578, and the exceptions of RFC 3416, section 3.
const (
	Integer        Tag = 0x02
	OctetString    Tag = 0x04
	Null           Tag = 0x05
	ObjectID       Tag = 0x06
	Sequence       Tag = 0x30
	IPAddress      Tag = 0x40
	Counter32      Tag = 0x41
	Gauge32        Tag = 0x42 // Unsigned32 as well
	TimeTicks      Tag = 0x43
	Opaque         Tag = 0x44
	Counter64      Tag = 0x46
	NoSuchObject   Tag = 0x80
	NoSuchInstance Tag = 0x81
	EndOfMibView   Tag = 0x82
)

// Read takes the first value off b: its tag, its contents and what follows.
// Contents and rest are parts of b. Lengths with superfluous leading octets are
// accepted, as some agents write them; the indefinite form is not.
func Read(b []byte) (t Tag, contents, rest []byte, err error) {
	if len(b) >= 2 && b[1] < 0x80 {
		end := 2 + int(b[1])
		if end > len(b) {
			return 0, nil, nil, ErrTruncated
		}
		return Tag(b[0]), b[2:end:end], b[end:], nil
	}
	n, head, err := length(b)
	if err != nil {
		return 0, nil, nil, err
	}
	if n > len(b)-head {
		return 0, nil, nil, ErrTruncated
	}
	return Tag(b[0]), b[head : head+n : head+n], b[head+n:], nil
}

// length reads tag and length: how long the contents say they are, and how long the
// two themselves are.
func length(b []byte) (n, head int, err error) {
	if len(b) < 2 {
		return 0, 0, ErrTruncated
	}
	n, head = int(b[1]), 2
	if n < 0x80 {
		return n, head, nil
	}
	// Long form: at most four octets, since no message is longer than 2 GiB.
	size := n & 0x7f
	if size == 0 || size > 4 {
		return 0, 0, ErrLength
	}
	if len(b) < 2+size {
		return 0, 0, ErrTruncated
	}
	var long uint32
	for _, c := range b[2 : 2+size] {
		long = long<<8 | uint32(c)
	}
	if long > math.MaxInt32 {
		return 0, 0, ErrLength
	}
	return int(long), head + size, nil
}

// Size returns how many octets the message has that b is the beginning of, so that
// messages can be told apart on a stream (RFC 3430, section 2.1). It is 0 as long as
// b is too short to know. The caller has to set a limit.
func Size(b []byte) (int, error) {
	if len(b) > 0 && Tag(b[0]) != Sequence {
		return 0, at(inMessage, ErrTag)
	}
	n, head, err := length(b)
	switch {
	case err == ErrTruncated:
		return 0, nil
	case err == nil && n > math.MaxInt32-head:
		err = ErrLength
	}
	if err != nil {
		return 0, at(inMessage, err)
	}
	return head + n, nil
}

// expect takes the first value off b, which must have the tag.
func expect(b []byte, want Tag) (contents, rest []byte, err error) {
	t, contents, rest, err := Read(b)
	if err == nil && t != want {
		return nil, nil, ErrTag
	}
	return contents, rest, err
}

// Int reads the contents of an INTEGER of 32 bits. Superfluous leading octets are
// accepted as long as the value fits.
func Int(contents []byte) (int32, error) {
	v, err := Int64(contents)
	if err == nil && int64(int32(v)) != v {
		err = ErrRange
	}
	return int32(v), err
}

// Int64 reads the contents of a signed number of 64 bits. Superfluous leading octets
// are accepted as long as the value fits.
func Int64(contents []byte) (int64, error) {
	if len(contents) == 0 {
		return 0, ErrTruncated
	}
	for ; len(contents) > 8; contents = contents[1:] {
		// The octet must be nothing but the sign of what follows.
		if contents[0] != byte(int8(contents[1])>>7) {
			return 0, ErrRange
		}
	}
	v := int64(int8(contents[0]))
	for _, c := range contents[1:] {
		v = v<<8 | int64(c)
	}
	return v, nil
}

// Uint32 reads the contents of a Counter32, Gauge32 or TimeTicks, as [Uint64] does.
func Uint32(contents []byte) (uint32, error) {
	v, err := Uint64(contents)
	if err == nil && v>>32 != 0 {
		err = ErrRange
	}
	return uint32(v), err
}

// Uint64 reads the contents of a Counter64. A first octet with its top bit set is
// a negative number by the rules, and what many agents send for a large one: it is
// read as they mean it, for its octets. Superfluous leading zeros are accepted.
func Uint64(contents []byte) (uint64, error) {
	if len(contents) == 0 {
		return 0, ErrTruncated
	}
	for len(contents) > 8 {
		if contents[0] != 0 {
			return 0, ErrRange
		}
		contents = contents[1:]
	}
	var v uint64
	for _, c := range contents {
		v = v<<8 | uint64(c)
	}
	return v, nil
}

// AppendHeader appends tag and length.
func AppendHeader(dst []byte, t Tag, length int) []byte {
	switch {
	case length < 0x80:
		return append(dst, byte(t), byte(length))
	case length < 1<<8:
		return append(dst, byte(t), 0x81, byte(length))
	case length < 1<<16:
		return append(dst, byte(t), 0x82, byte(length>>8), byte(length))
	case length < 1<<24:
		return append(dst, byte(t), 0x83, byte(length>>16), byte(length>>8), byte(length))
	}
	return append(dst, byte(t), 0x84, byte(length>>24), byte(length>>16), byte(length>>8), byte(length))
}

// valueSize returns how long a value with contents of the given length is.
func valueSize(length int) int {
	switch {
	case length < 0x80:
		return 2 + length
	case length < 1<<8:
		return 3 + length
	case length < 1<<16:
		return 4 + length
	case length < 1<<24:
		return 5 + length
	}
	return 6 + length
}

// AppendBytes appends a value with the given contents.
func AppendBytes(dst []byte, t Tag, contents []byte) []byte {
	return append(AppendHeader(dst, t, len(contents)), contents...)
}

// AppendInt appends an INTEGER, or another signed value, in as few octets as hold it.
func AppendInt(dst []byte, t Tag, v int64) []byte {
	n := intSize(v) - 2
	dst = append(dst, byte(t), byte(n))
	for i := n - 1; i >= 0; i-- {
		dst = append(dst, byte(v>>(8*i)))
	}
	return dst
}

// intSize returns how long a signed value is.
func intSize(v int64) int {
	n := 3
	for ; v > 127 || v < -128; v >>= 8 {
		n++
	}
	return n
}

// AppendUint appends a Counter32, Gauge32, TimeTicks or Counter64 in as few octets as
// hold it and a sign, which makes nine of the largest.
func AppendUint(dst []byte, t Tag, v uint64) []byte {
	n := uintSize(v) - 2
	dst = append(dst, byte(t), byte(n))
	for i := n - 1; i >= 0; i-- {
		dst = append(dst, byte(v>>(8*i))) // a shift by 64 leaves 0
	}
	return dst
}

// uintSize returns how long an unsigned value is.
func uintSize(v uint64) int {
	n := 3
	for ; v > 127; v >>= 8 {
		n++
	}
	return n
}
