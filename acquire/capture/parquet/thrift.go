package parquet

import (
	"encoding/binary"
	"errors"
)

// What the compact protocol of Thrift calls the types of fields and elements
// (thrift-compact-protocol.md, "Struct encoding").
const (
	thriftTrue   = 1
	thriftFalse  = 2
	thriftByte   = 3
	thriftI16    = 4
	thriftI32    = 5
	thriftI64    = 6
	thriftDouble = 7
	thriftBinary = 8
	thriftList   = 9
	thriftSet    = 10
	thriftMap    = 11
	thriftStruct = 12
)

// maxNesting is how deep the structs of a file may lie in each other.
const maxNesting = 16

// thriftWriter appends structs to b.
type thriftWriter struct {
	b     []byte
	last  int16 // number of the latest field of the innermost struct
	outer []int16
}

// begin begins a struct that is an element of a list, or stands alone.
func (w *thriftWriter) begin() {
	w.outer = append(w.outer, w.last)
	w.last = 0
}

// end ends the innermost struct.
func (w *thriftWriter) end() {
	w.b = append(w.b, 0)
	w.last = w.outer[len(w.outer)-1]
	w.outer = w.outer[:len(w.outer)-1]
}

// field begins a field whose number is above that of the one before.
func (w *thriftWriter) field(number int16, kind byte) {
	w.b = append(w.b, byte(number-w.last)<<4|kind)
	w.last = number
}

func (w *thriftWriter) int32(number int16, x int32) {
	w.field(number, thriftI32)
	w.b = binary.AppendVarint(w.b, int64(x))
}

func (w *thriftWriter) int64(number int16, x int64) {
	w.field(number, thriftI64)
	w.b = binary.AppendVarint(w.b, x)
}

func (w *thriftWriter) bool(number int16, x bool) {
	if x {
		w.field(number, thriftTrue)
		return
	}
	w.field(number, thriftFalse)
}

func (w *thriftWriter) text(number int16, s string) {
	w.field(number, thriftBinary)
	w.element(s)
}

// element appends a text that is an element of a list.
func (w *thriftWriter) element(s string) {
	w.b = binary.AppendUvarint(w.b, uint64(len(s)))
	w.b = append(w.b, s...)
}

// appendLength appends a binary with its length.
func appendLength(b, p []byte) []byte {
	b = binary.AppendUvarint(b, uint64(len(p)))
	return append(b, p...)
}

// list begins a list of n elements of a type.
func (w *thriftWriter) list(number int16, kind byte, n int) {
	w.field(number, thriftList)
	if n < 15 {
		w.b = append(w.b, byte(n)<<4|kind)
		return
	}
	w.b = append(w.b, 15<<4|kind)
	w.b = binary.AppendUvarint(w.b, uint64(n))
}

// structure begins a field that is a struct.
func (w *thriftWriter) structure(number int16) {
	w.field(number, thriftStruct)
	w.begin()
}

var errThrift = errors.New("metadata is malformed")

// thriftReader reads structs from b. After anything that does not fit, bad is set,
// nothing more is read, and everything reads as zero.
type thriftReader struct {
	b   []byte
	bad bool
}

func (r *thriftReader) fail() {
	r.b, r.bad = nil, true
}

func (r *thriftReader) byte() byte {
	if len(r.b) == 0 {
		r.fail()
		return 0
	}
	c := r.b[0]
	r.b = r.b[1:]
	return c
}

func (r *thriftReader) uvarint() uint64 {
	x, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.fail()
		return 0
	}
	r.b = r.b[n:]
	return x
}

func (r *thriftReader) varint() int64 {
	x, n := binary.Varint(r.b)
	if n <= 0 {
		r.fail()
		return 0
	}
	r.b = r.b[n:]
	return x
}

func (r *thriftReader) bytes() []byte {
	n := r.uvarint()
	if n > uint64(len(r.b)) {
		r.fail()
		return nil
	}
	p := r.b[:n]
	r.b = r.b[n:]
	return p
}

// list reads the head of a list and returns how many elements follow, each of which
// takes a byte at least.
func (r *thriftReader) list() (kind byte, n int) {
	head := r.byte()
	kind = head & 15
	count := uint64(head >> 4)
	if count == 15 {
		count = r.uvarint()
	}
	if count > uint64(len(r.b)) {
		r.fail()
		return 0, 0
	}
	return kind, int(count)
}

// fields calls take with each field of a struct, which reads it or leaves it by
// skip.
func (r *thriftReader) fields(take func(number int16, kind byte)) {
	number := int16(0)
	for !r.bad {
		head := r.byte()
		if head == 0 {
			return
		}
		if step := int16(head >> 4); step != 0 {
			number += step
		} else {
			n := r.varint()
			if n < 1 || n > 1<<15-1 {
				r.fail()
				return
			}
			number = int16(n)
		}
		if number <= 0 {
			r.fail()
			return
		}
		take(number, head&15)
	}
}

// want fails unless a field or list is of the type that it should be of.
func (r *thriftReader) want(kind, wanted byte) bool {
	if kind != wanted {
		r.fail()
	}
	return !r.bad
}

func (r *thriftReader) int32(kind byte) int32 {
	if !r.want(kind, thriftI32) {
		return 0
	}
	x := r.varint()
	if x != int64(int32(x)) {
		r.fail()
		return 0
	}
	return int32(x)
}

func (r *thriftReader) int64(kind byte) int64 {
	if !r.want(kind, thriftI64) {
		return 0
	}
	return r.varint()
}

func (r *thriftReader) text(kind byte) []byte {
	if !r.want(kind, thriftBinary) {
		return nil
	}
	return r.bytes()
}

// skip reads a value and forgets it.
func (r *thriftReader) skip(kind byte, depth int) {
	if depth > maxNesting {
		r.fail()
		return
	}
	switch kind {
	case thriftTrue, thriftFalse:
	case thriftByte:
		r.byte()
	case thriftI16, thriftI32, thriftI64:
		r.varint()
	case thriftDouble:
		if len(r.b) < 8 {
			r.fail()
			return
		}
		r.b = r.b[8:]
	case thriftBinary:
		r.bytes()
	case thriftList, thriftSet:
		element, n := r.list()
		for i := 0; i < n && !r.bad; i++ {
			if element == thriftTrue || element == thriftFalse {
				r.byte() // a truth value of a list has a byte of its own
				continue
			}
			r.skip(element, depth+1)
		}
	case thriftStruct:
		r.fields(func(_ int16, kind byte) { r.skip(kind, depth+1) })
	default: // maps are in no struct of Parquet
		r.fail()
	}
}
