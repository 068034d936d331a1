package modbus

import (
	"bytes"
	"encoding/binary"
	"strconv"

	codec "github.com/goburrow/modbus"

	"github.com/fieldtap/fieldtap/acquire"
)

// Framing is how requests and answers are delimited, addressed and checked on
// the wire. The zero value is MBAP.
type Framing uint8

// The framings.
const (
	// MBAP is the header of Modbus/TCP (Messaging on TCP/IP Implementation Guide
	// V1.0b, section 3.1.3), used on TCP, TLS and UDP. Its transaction id tells
	// which request an answer belongs to.
	MBAP Framing = iota
	// RTU is unit id, PDU and a CRC (Serial Line Specification V1.02, section
	// 2.5.1), on serial lines and behind converters that pass it over TCP.
	RTU
	// ASCII is the same in hexadecimal digits from a colon to CR LF, with an LRC
	// (Serial Line Specification V1.02, section 2.5.2).
	ASCII
)

// String returns "MBAP", "RTU" or "ASCII".
func (f Framing) String() string {
	switch f {
	case MBAP:
		return "MBAP"
	case RTU:
		return "RTU"
	case ASCII:
		return "ASCII"
	}
	return "framing " + strconv.Itoa(int(f))
}

// Sizes on the wire. A PDU has at most 253 bytes (V1.1b3, section 4.1), and
// ASCII spells two digits a byte.
const (
	maxPDU       = 253
	headerSize   = 7 // of MBAP: transaction id, protocol id, length, unit id
	lengthBefore = 6 // bytes in front of those that its length counts
	minLength    = 2 // unit id and function code
	maxLength    = 1 + maxPDU
	maxRTU       = 1 + maxPDU + 2
	maxASCII     = 1 + 2*(1+maxPDU+1) + 2
	maxFrame     = maxASCII
	exceptionBit = 0x80
)

// identified reports whether answers say which request they are for.
func (f Framing) identified() bool { return f == MBAP }

// packager is goburrow's codec for f, which encodes requests and checks answers.
// It is used as a codec alone: it never connects.
func (f Framing) packager(unit byte) codec.Packager {
	switch f {
	case RTU:
		h := codec.NewRTUClientHandler("")
		h.SlaveId = unit
		return h
	case ASCII:
		h := codec.NewASCIIClientHandler("")
		h.SlaveId = unit
		return h
	}
	h := codec.NewTCPClientHandler("")
	h.SlaveId = unit
	return h
}

// framer encodes requests to one unit and opens the answers.
type framer struct {
	framing  Framing
	packager codec.Packager
}

func newFramer(f Framing, unit byte) framer { return framer{f, f.packager(unit)} }

// encode returns the frame of a request. Its transaction id, if it has one, is
// for the link to set.
func (f framer) encode(function byte, data ...byte) ([]byte, error) {
	return f.packager.Encode(&codec.ProtocolDataUnit{FunctionCode: function, Data: data})
}

// request returns the frame that asks for b.
func (f framer) request(b *block) ([]byte, error) {
	data := binary.BigEndian.AppendUint16(nil, b.at.offset)
	return f.encode(b.at.table.function(), binary.BigEndian.AppendUint16(data, uint16(b.count))...)
}

// data checks that answer, a whole frame, is the answer to request, which asks
// for b, and returns the registers or bits in it. The error is an Exception or a
// *FrameError.
func (f framer) data(b *block, request, answer []byte) ([]byte, error) {
	data, err := f.open(b.at.table.function(), request, answer)
	if err != nil {
		return nil, err
	}
	return b.data(data)
}

// data checks what follows the function code in the answer to b, and returns the
// registers or bits in it. The error is a *FrameError.
func (b *block) data(data []byte) ([]byte, error) {
	switch {
	case len(data) == 0:
		return nil, &FrameError{"data length", 0, 1 + b.bytes()}
	case int(data[0]) != b.bytes():
		return nil, &FrameError{"byte count", int(data[0]), b.bytes()}
	case len(data)-1 != b.bytes():
		return nil, &FrameError{"data length", len(data) - 1, b.bytes()}
	}
	return data[1:], nil
}

// open checks that answer, a whole frame, answers request, which calls function,
// and returns what follows the function code. The error is an Exception or a
// *FrameError.
func (f framer) open(function byte, request, answer []byte) ([]byte, error) {
	if least := f.framing.least(); len(answer) < least {
		return nil, &FrameError{"frame length", len(answer), least}
	}
	if f.packager.Verify(request, answer) != nil {
		return nil, f.framing.mismatch(request, answer)
	}
	pdu, err := f.packager.Decode(answer)
	if err != nil {
		return nil, f.framing.damage(answer)
	}
	return answered(function, pdu.FunctionCode, pdu.Data)
}

// answered takes a PDU apart that answers a call of function: it returns the data if
// that was served. The error is an Exception or a *FrameError.
func answered(function, got byte, data []byte) ([]byte, error) {
	switch {
	case got == function|exceptionBit && len(data) != 1:
		return nil, &FrameError{"exception length", len(data), 1}
	case got == function|exceptionBit && data[0] == 0:
		return nil, &FrameError{"exception code", 0, 1} // which Quality could not tell from none
	case got == function|exceptionBit:
		return nil, Exception(data[0])
	case got != function:
		return nil, &FrameError{"function code", int(got), int(function)}
	}
	return data, nil
}

// least returns the length of the shortest frame, that of an exception.
func (f Framing) least() int {
	switch f {
	case RTU:
		return 1 + 2 + 2
	case ASCII:
		return 1 + 2*(1+2+1) + 2
	}
	return headerSize + 2
}

// mismatch names the field of the header in which answer differs.
func (f Framing) mismatch(request, answer []byte) error {
	type field struct {
		name       string
		start, end int
	}
	fields := []field{{"unit id", 0, 1}}
	switch f {
	case MBAP:
		fields = []field{{"transaction id", 0, 2}, {"protocol id", 2, 4}, {"unit id", 6, 7}}
	case RTU:
		if !soundRTU(answer) {
			return f.damage(answer)
		}
	case ASCII:
		got, gotOK := digits(answer[1:])
		want, _ := digits(request[1:])
		if !gotOK || got == want {
			return errDigits
		}
		return &FrameError{"unit id", got, want}
	}
	for _, field := range fields {
		got, want := number(answer[field.start:field.end]), number(request[field.start:field.end])
		if got != want {
			return &FrameError{field.name, got, want}
		}
	}
	return errForeign
}

// damage says what is wrong with the check of a frame.
func (f Framing) damage(answer []byte) error {
	switch f {
	case RTU:
		n := len(answer) - 2
		return &FrameError{"CRC", int(binary.LittleEndian.Uint16(answer[n:])), int(crc16(answer[:n]))}
	case ASCII:
		n := len(answer) - 4
		got, ok := digits(answer[n:])
		if !ok {
			return errDigits
		}
		return &FrameError{"LRC", got, int(lrc(answer[1:n]))}
	}
	return &FrameError{"length", int(binary.BigEndian.Uint16(answer[4:])), len(answer) - lengthBefore}
}

var (
	errForeign  = &textError{"answer does not match its request"}
	errDigits   = &textError{"answer is not in hexadecimal digits"}
	errHeard    = &textError{"our own request came back: the converter must not listen while it sends"}
	errUnframed = &textError{"answer of an unknown function"}
)

// textError is an answer that breaks the protocol where no two numbers tell how.
type textError struct{ text string }

func (e *textError) Error() string { return e.text }

// Quality returns the quality of the samples that the answer was for.
func (e *textError) Quality() acquire.Quality { return acquire.Bad.Because(acquire.Protocol) }

// number returns b, big-endian.
func number(b []byte) (n int) {
	for _, c := range b {
		n = n<<8 | int(c)
	}
	return n
}

// digits reads one byte in hexadecimal digits.
func digits(b []byte) (int, bool) {
	if len(b) < 2 {
		return 0, false
	}
	n, err := strconv.ParseUint(string(b[:2]), 16, 8)
	return int(n), err == nil
}

// crc16 is the check of RTU frames (Serial Line Specification V1.02, section
// 6.2.2). goburrow's packager checks; this one says what it should have been.
func crc16(b []byte) uint16 {
	crc := uint16(0xFFFF)
	for _, c := range b {
		crc ^= uint16(c)
		for range 8 {
			low := crc & 1
			if crc >>= 1; low != 0 {
				crc ^= 0xA001
			}
		}
	}
	return crc
}

// lrc is the check of ASCII frames (Serial Line Specification V1.02, section
// 6.2.1), of bytes in digits.
func lrc(b []byte) (sum byte) {
	for ; len(b) >= 2; b = b[2:] {
		n, _ := digits(b)
		sum -= byte(n)
	}
	return sum
}

// peek returns what a frame of RTU or ASCII begins with: the unit, the function
// and the byte behind it.
func (f Framing) peek(frame []byte) (unit, function byte, next int, ok bool) {
	if f == RTU {
		return frame[0], frame[1], int(frame[2]), true
	}
	var b [3]int
	for i := range b {
		if b[i], ok = digits(frame[min(1+2*i, len(frame)):]); !ok {
			return 0, 0, 0, false
		}
	}
	return byte(b[0]), byte(b[1]), b[2], true
}

// split finds the first frame in buf: buf[skip:skip+n], with n = 0 if buf does
// not hold all of it yet. What is in front of it is noise. It fails if buf does
// not start with a frame, so that the boundaries between frames are lost.
func (f Framing) split(buf []byte) (skip, n int, err error) {
	switch f {
	case RTU:
		n, err = splitRTU(buf)
		return 0, n, err
	case ASCII:
		return splitASCII(buf)
	}
	n, err = splitMBAP(buf)
	return 0, n, err
}

func splitMBAP(buf []byte) (int, error) {
	if len(buf) < lengthBefore {
		return 0, nil
	}
	if id := number(buf[2:4]); id != 0 {
		return 0, &FrameError{"protocol id", id, 0}
	}
	length := number(buf[4:6])
	switch {
	case length < minLength:
		return 0, &FrameError{"length", length, minLength}
	case length > maxLength:
		return 0, &FrameError{"length", length, maxLength}
	case len(buf) < lengthBefore+length:
		return 0, nil
	}
	return lengthBefore + length, nil
}

// splitRTU goes by the length that the function code and byte count imply: the
// silence between frames cannot be relied upon behind a driver, a USB adapter or
// a network.
func splitRTU(buf []byte) (int, error) {
	if len(buf) < 2 {
		return 0, nil
	}
	n, err := answerLength(buf[1:])
	switch {
	case err != nil:
		return 0, err
	case n == 0 || len(buf) < 1+n+2:
		return 0, nil
	}
	return 1 + n + 2, nil
}

// maxNoise is how much noise is looked behind: a few bytes, which some converters
// for RS-485 make of the moment at which the line changes hands. It is less than a
// request for values, which is not to be looked behind: see link.heard.
const maxNoise = 7

// hunt looks for an RTU answer of unit to function, of expect bytes of data where
// that is known (not negative), behind noise. It returns the length of the noise if
// unit, function, length and CRC of what follows all fit; else 0, and whether that
// may change with more bytes, so that what is there is not yet to be given up. What
// begins as the answer should, and any frame whose CRC is right, is no noise.
func hunt(buf []byte, unit, function byte, expect int) (noise int, hope bool) {
	if _, ok := fitsRTU(buf, unit, function, expect); ok {
		return 0, false
	}
	n, err := splitRTU(buf)
	if n > 0 && soundRTU(buf[:n]) {
		return 0, false
	}
	hope = len(buf) <= maxNoise
	for at := 1; at <= maxNoise && at < len(buf); at++ {
		n, ok := fitsRTU(buf[at:], unit, function, expect)
		switch {
		case !ok:
		case n == 0 || at+n > len(buf):
			hope = true
		case soundRTU(buf[at : at+n]):
			return at, false
		}
	}
	return 0, hope && (n > 0 || err != nil)
}

// fitsRTU reports whether frame begins as the answer should, and its length, 0 if
// that is not known yet.
func fitsRTU(frame []byte, unit, function byte, expect int) (length int, ok bool) {
	switch {
	case len(frame) == 0 || frame[0] != unit:
		return 0, false
	case len(frame) == 1:
		return 0, true
	case frame[1] != function && frame[1] != function|exceptionBit:
		return 0, false
	}
	n, err := answerLength(frame[1:])
	switch {
	case err != nil:
		return 0, false
	case n == 0:
		return 0, true
	case frame[1] == function && function <= readInputRegisters && expect >= 0 && n != 2+expect:
		return 0, false
	}
	return 1 + n + 2, true
}

// soundRTU reports whether the CRC of a whole frame is right.
func soundRTU(frame []byte) bool {
	n := len(frame) - 2
	return crc16(frame[:n]) == binary.LittleEndian.Uint16(frame[n:])
}

// splitASCII finds the frame from the last colon in front of a line feed (Serial
// Line Specification V1.02, section 2.5.2.1: a colon always begins a frame).
func splitASCII(buf []byte) (skip, n int, err error) {
	end := bytes.IndexByte(buf, '\n')
	whole := end >= 0
	if !whole {
		end = len(buf)
	}
	start := bytes.LastIndexByte(buf[:end], ':')
	switch {
	case start < 0 && whole:
		return end + 1, 0, nil
	case start < 0:
		return len(buf), 0, nil
	case end-start >= maxASCII:
		return 0, 0, &FrameError{"frame length", end - start + 1, maxASCII}
	case !whole:
		return start, 0, nil
	}
	return start, end + 1 - start, nil
}

// answerLength returns the length of the answer that pdu begins with, 0 if that
// is not known yet, or an error for a function whose answers are not known
// (V1.1b3, section 6).
func answerLength(pdu []byte) (int, error) {
	at := func(i int) int {
		if i < len(pdu) {
			return int(pdu[i])
		}
		return -1
	}
	n := 0
	switch function := pdu[0]; {
	case function&exceptionBit != 0:
		return 2, nil
	case function >= readCoils && function <= readInputRegisters, function == getCommEventLog, function == reportServerID, function == readFileRecord:
		if count := at(1); count >= 0 {
			n = 2 + count
		}
	case function == readExceptionStatus:
		return 2, nil
	case function == diagnostics, function == getCommEventCounter:
		return 5, nil
	case function == readFIFOQueue:
		if len(pdu) >= 3 {
			n = 3 + number(pdu[1:3])
		}
	case function == encapsulatedInterface:
		n = identificationLength(pdu)
	default:
		return 0, errUnframed
	}
	if n > maxPDU {
		return 0, &FrameError{"PDU length", n, maxPDU}
	}
	return n, nil
}

// identificationLength walks the objects of an answer to function 43/14
// (V1.1b3, section 6.21), 0 while it is not complete.
func identificationLength(pdu []byte) int {
	const header = 7 // function, MEI type, code, conformity, more follows, next object, number of objects
	if len(pdu) < header {
		return 0
	}
	n := header
	for range pdu[header-1] {
		if len(pdu) < n+2 {
			return 0
		}
		if n += 2 + int(pdu[n+1]); n > maxPDU {
			return n
		}
	}
	return n
}

// The function codes that read (V1.1b3, section 6). There is none here that
// writes.
const (
	readCoils             = 1
	readDiscreteInputs    = 2
	readHoldingRegisters  = 3
	readInputRegisters    = 4
	readExceptionStatus   = 7
	diagnostics           = 8
	getCommEventCounter   = 11
	getCommEventLog       = 12
	reportServerID        = 17
	readFileRecord        = 20
	readFIFOQueue         = 24
	encapsulatedInterface = 43
)
