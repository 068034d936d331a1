package snmpwire

import (
	"errors"
	"fmt"
)

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

// Faults of encoding. They are wrapped with where they were found.
var (
	ErrTruncated = errors.New("snmpwire: truncated")
	ErrLength    = errors.New("snmpwire: length form not allowed")
	ErrTrailing  = errors.New("snmpwire: bytes after the end")
	ErrRange     = errors.New("snmpwire: number out of range")
	ErrTag       = errors.New("snmpwire: unexpected tag")
)

// Read takes the first value off b: its tag, its contents and what follows.
// Contents and rest are parts of b.
func Read(b []byte) (t Tag, contents, rest []byte, err error) {
	if len(b) < 2 {
		return 0, nil, nil, ErrTruncated
	}
	t = Tag(b[0])
	n, head := int(b[1]), 2
	if n >= 0x80 {
		// Long form: at most four octets, since no message is longer than 2 GiB.
		// Leading zeros are allowed, and some agents write them.
		size := n & 0x7f
		if size == 0 || size > 4 {
			return 0, nil, nil, ErrLength
		}
		if len(b) < 2+size {
			return 0, nil, nil, ErrTruncated
		}
		var long uint64
		for _, c := range b[2 : 2+size] {
			long = long<<8 | uint64(c)
		}
		head += size
		if long > uint64(len(b)-head) {
			return 0, nil, nil, ErrTruncated
		}
		n = int(long)
	}
	if n > len(b)-head {
		return 0, nil, nil, ErrTruncated
	}
	return t, b[head : head+n : head+n], b[head+n:], nil
}

// expect takes the first value off b, which must have the tag.
func expect(b []byte, want Tag) (contents, rest []byte, err error) {
	t, contents, rest, err := Read(b)
	if err == nil && t != want {
		err = tagError{t, want}
	}
	return contents, rest, err
}

type tagError struct{ got, want Tag }

func (e tagError) Error() string {
	return fmt.Sprintf("snmpwire: tag %#02x, want %#02x", byte(e.got), byte(e.want))
}

func (e tagError) Unwrap() error { return ErrTag }

// Int reads the contents of an INTEGER of 32 bits. Superfluous leading octets are
// accepted as long as the value fits.
func Int(contents []byte) (int32, error) {
	if len(contents) == 0 {
		return 0, ErrTruncated
	}
	v := int64(int8(contents[0]))
	for _, c := range contents[1:] {
		if v > 1<<39 || v < -1<<39 {
			return 0, ErrRange
		}
		v = v<<8 | int64(c)
	}
	if int64(int32(v)) != v {
		return 0, ErrRange
	}
	return int32(v), nil
}

// Uint32 reads the contents of a Counter32, Gauge32 or TimeTicks.
func Uint32(contents []byte) (uint32, error) {
	v, err := Uint64(contents)
	if err == nil && v>>32 != 0 {
		err = ErrRange
	}
	return uint32(v), err
}

// Uint64 reads the contents of a Counter64. A first octet with its top bit set is
// a negative number by the rules, and what many agents send for a large one: it is
// read as they mean it, if all is no more than eight octets.
func Uint64(contents []byte) (uint64, error) {
	if len(contents) == 0 {
		return 0, ErrTruncated
	}
	var v uint64
	for _, c := range contents {
		if v>>56 != 0 {
			return 0, ErrRange
		}
		v = v<<8 | uint64(c)
	}
	return v, nil
}

// AppendHeader appends tag and length.
func AppendHeader(dst []byte, t Tag, length int) []byte {
	dst = append(dst, byte(t))
	switch {
	case length < 0x80:
		return append(dst, byte(length))
	case length < 1<<8:
		return append(dst, 0x81, byte(length))
	case length < 1<<16:
		return append(dst, 0x82, byte(length>>8), byte(length))
	case length < 1<<24:
		return append(dst, 0x83, byte(length>>16), byte(length>>8), byte(length))
	}
	return append(dst, 0x84, byte(length>>24), byte(length>>16), byte(length>>8), byte(length))
}

// headerSize returns how long tag and length are.
func headerSize(length int) int {
	switch {
	case length < 0x80:
		return 2
	case length < 1<<8:
		return 3
	case length < 1<<16:
		return 4
	case length < 1<<24:
		return 5
	}
	return 6
}

// AppendBytes appends a value with the given contents.
func AppendBytes(dst []byte, t Tag, contents []byte) []byte {
	return append(AppendHeader(dst, t, len(contents)), contents...)
}

// AppendInt appends an INTEGER, or another signed value, in as few octets as hold it.
func AppendInt(dst []byte, t Tag, v int64) []byte {
	n := 1
	for w := v; w > 127 || w < -128; w >>= 8 {
		n++
	}
	dst = append(dst, byte(t), byte(n))
	for i := n - 1; i >= 0; i-- {
		dst = append(dst, byte(v>>(8*i)))
	}
	return dst
}

// AppendUint appends a Counter32, Gauge32, TimeTicks or Counter64.
func AppendUint(dst []byte, t Tag, v uint64) []byte {
	n := 1
	for w := v; w > 127; w >>= 8 {
		n++
	}
	dst = append(dst, byte(t), byte(n))
	for i := n - 1; i >= 0; i-- {
		if i == 8 {
			dst = append(dst, 0)
			continue
		}
		dst = append(dst, byte(v>>(8*i)))
	}
	return dst
}
