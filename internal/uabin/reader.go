package uabin

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// MaxDepth is how deep variants, diagnostics and data values may be nested
// (OPC 10000-6, section 5.1.6, asks for at least 100).
const MaxDepth = 100

// Faults of encoding, wrapped with where they were found.
var (
	ErrTruncated = errors.New("uabin: truncated")
	ErrLength    = errors.New("uabin: length that the message cannot hold")
	ErrDepth     = errors.New("uabin: nested too deep")
	ErrEncoding  = errors.New("uabin: encoding byte not allowed")
	ErrTrailing  = errors.New("uabin: bytes after the end")
)

// Reader reads a message from its start. The zero value reads nothing. It is a
// value: a copy reads on from the same place on its own.
type Reader struct {
	rest  []byte
	err   error
	depth int
}

// NewReader returns a reader of b, which must not change while it is in use.
func NewReader(b []byte) Reader { return Reader{rest: b} }

// Err returns the first fault, if there was one.
func (r *Reader) Err() error { return r.err }

// Rest returns what has not been read.
func (r *Reader) Rest() []byte { return r.rest }

// End returns the first fault, or ErrTrailing if not everything has been read.
func (r *Reader) End() error {
	if r.err == nil && len(r.rest) != 0 {
		return fmt.Errorf("%w: %d", ErrTrailing, len(r.rest))
	}
	return r.err
}

// fail keeps the first fault and lets nothing more be read.
func (r *Reader) fail(err error) {
	if r.err == nil {
		r.err = err
	}
	r.rest = nil
}

// take returns the next n bytes, or nil.
func (r *Reader) take(n int) []byte {
	if n < 0 || n > len(r.rest) {
		r.fail(ErrTruncated)
		return nil
	}
	b := r.rest[:n:n]
	r.rest = r.rest[n:]
	return b
}

// Bool reads a Boolean: every byte but 0 is true (section 5.2.2.1).
func (r *Reader) Bool() bool { return r.Byte() != 0 }

// Byte reads a Byte.
func (r *Reader) Byte() byte {
	if len(r.rest) == 0 {
		r.fail(ErrTruncated)
		return 0
	}
	b := r.rest[0]
	r.rest = r.rest[1:]
	return b
}

// Uint16 reads a UInt16.
func (r *Reader) Uint16() uint16 {
	if len(r.rest) < 2 {
		r.fail(ErrTruncated)
		return 0
	}
	v := binary.LittleEndian.Uint16(r.rest)
	r.rest = r.rest[2:]
	return v
}

// Uint32 reads a UInt32.
func (r *Reader) Uint32() uint32 {
	if len(r.rest) < 4 {
		r.fail(ErrTruncated)
		return 0
	}
	v := binary.LittleEndian.Uint32(r.rest)
	r.rest = r.rest[4:]
	return v
}

// Uint64 reads a UInt64.
func (r *Reader) Uint64() uint64 {
	if len(r.rest) < 8 {
		r.fail(ErrTruncated)
		return 0
	}
	v := binary.LittleEndian.Uint64(r.rest)
	r.rest = r.rest[8:]
	return v
}

// Int32 reads an Int32.
func (r *Reader) Int32() int32 { return int32(r.Uint32()) }

// Float64 reads a Double.
func (r *Reader) Float64() float64 { return math.Float64frombits(r.Uint64()) }

// Time reads a DateTime.
func (r *Reader) Time() Time { return Time(r.Uint64()) }

// Status reads a StatusCode.
func (r *Reader) Status() Status { return Status(r.Uint32()) }

// Bytes reads a String, ByteString or XmlElement. A null one is nil; an empty one
// is not.
func (r *Reader) Bytes() []byte {
	n := r.Int32()
	if n < 0 {
		// Section 5.2.2.4 knows -1 alone as null; other negative lengths are treated
		// alike by the stacks in the field.
		return nil
	}
	if int64(n) > int64(len(r.rest)) {
		r.fail(ErrLength)
		return nil
	}
	return r.take(int(n))
}

// Text reads a String as one of Go, which is a copy. A null one is empty.
func (r *Reader) Text() string { return string(r.Bytes()) }

// Count reads the length of an array whose elements take at least least bytes
// each. A null array has 0 (section 5.2.5).
func (r *Reader) Count(least int) int {
	n := r.Int32()
	if n <= 0 {
		return 0
	}
	if int64(n)*int64(least) > int64(len(r.rest)) {
		r.fail(ErrLength)
		return 0
	}
	return int(n)
}

// enter notes one more level; leave must follow it. It reports whether there is
// room for that.
func (r *Reader) enter() bool {
	if r.depth++; r.depth > MaxDepth {
		r.fail(ErrDepth)
		return false
	}
	return true
}

func (r *Reader) leave() { r.depth-- }
