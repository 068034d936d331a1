package modbus

import (
	"bytes"
	"encoding/binary"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/fieldtap/fieldtap/acquire"
)

// characters appends to dst, as UTF-8, the text that the registers in raw hold. It
// ends before the first NUL, and spaces at the end are left out. It reports false
// for bytes that are no text in the encoding of t.
func characters(dst, raw []byte, t Type) ([]byte, bool) {
	if t == TextUTF16 {
		return characters16(dst, raw)
	}
	if end := bytes.IndexByte(raw, 0); end >= 0 {
		raw = raw[:end]
	}
	raw = bytes.TrimRight(raw, " ")
	switch t {
	case TextUTF8:
		return append(dst, raw...), utf8.Valid(raw)
	case TextLatin1: // its characters are the first 256 of Unicode
		for _, c := range raw {
			dst = utf8.AppendRune(dst, rune(c))
		}
		return dst, true
	}
	for _, c := range raw {
		if c >= utf8.RuneSelf {
			return dst, false
		}
	}
	return append(dst, raw...), true
}

// characters16 is characters for UTF-16, most significant byte first.
func characters16(dst, raw []byte) ([]byte, bool) {
	for ; len(raw) >= 2; raw = raw[2:] {
		r := rune(binary.BigEndian.Uint16(raw))
		if r == 0 {
			break
		}
		if utf16.IsSurrogate(r) {
			if len(raw) < 4 {
				return dst, false
			}
			r = utf16.DecodeRune(r, rune(binary.BigEndian.Uint16(raw[2:])))
			if r == utf8.RuneError {
				return dst, false
			}
			raw = raw[2:]
		}
		dst = utf8.AppendRune(dst, r)
	}
	return bytes.TrimRight(dst, " "), true
}

// text decodes a point that holds text.
func (d *decoder) text(b *acquire.Batch, raw []byte) (acquire.Value, acquire.Quality) {
	var arranged [2 * maxRegisters]byte
	var encoded [4 * maxRegisters]byte // two characters of Latin-1 are four bytes of UTF-8
	t, ok := characters(encoded[:0], arrange(arranged[:], raw, d.order), d.rule.Type)
	if !ok {
		return acquire.Value{}, acquire.Bad.Because(acquire.Range)
	}
	if len(t) == 0 && d.rule.SunSpec {
		return acquire.Value{}, acquire.Bad.Because(acquire.Sensor)
	}
	return put(b, t)
}

// put makes a value of t, which a batch full of texts refuses.
func put(b *acquire.Batch, t []byte) (acquire.Value, acquire.Quality) {
	v, ok := b.PutText(t)
	if !ok {
		return acquire.Value{}, acquire.Bad.Because(acquire.Range)
	}
	return v, acquire.Good
}
