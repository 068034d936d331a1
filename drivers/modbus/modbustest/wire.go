package modbustest

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"strings"
)

// Framing is how frames are delimited, addressed and checked on the wire. The zero value is MBAP. Whatever it is, a [Fault] sees
// and edits frames in the form of MBAP, with an ordinal for a transaction identifier.
type Framing uint8

// The framings.
const (
	MBAP  Framing = iota // Modbus/TCP: Messaging Implementation Guide V1.0b, section 3.1.3
	RTU                  // Serial Line Specification V1.02, section 2.5.1
	ASCII                // Serial Line Specification V1.02, section 2.5.2
)

// errLost is the end of the framing: what follows cannot be told apart.
var errLost = errors.New("framing lost")

// errGarbled is a request that is no frame, on a line where the next one can be found all the same.
var errGarbled = errors.New("no frame")

// maxWire is the longest frame of any framing: of ASCII.
const maxWire = 1 + 2*(1+253+1) + 2

// read reads one request into a frame with an MBAP header, whose transaction is left 0, and returns its length. An error other
// than errGarbled ends the connection.
func (f Framing) read(in *bufio.Reader, frame *[maxFrame]byte) (int, error) {
	switch f {
	case RTU:
		return readRTU(in, frame)
	case ASCII:
		return readASCII(in, frame)
	}
	if _, err := io.ReadFull(in, frame[:headerLen]); err != nil {
		return 0, err
	}
	protocol := binary.BigEndian.Uint16(frame[2:])
	length := int(binary.BigEndian.Uint16(frame[4:]))
	if protocol != 0 || length < minLength || length > maxLength {
		return 0, errLost
	}
	n := headerLen - 1 + length
	if _, err := io.ReadFull(in, frame[headerLen:n]); err != nil {
		return 0, err
	}
	return n, nil
}

// readRTU knows the end of a request by its function. What does not fit is dropped together with all that has come so far.
func readRTU(in *bufio.Reader, frame *[maxFrame]byte) (int, error) {
	var b [256]byte
	if _, err := io.ReadFull(in, b[:2]); err != nil {
		return 0, err
	}
	n := 0 // of the whole frame
	switch b[1] {
	case 1, 2, 3, 4, 5, 6, 8:
		n = 8
	case 7, 11, 12, 17:
		n = 4
	case 22:
		n = 10
	case 24:
		n = 6
	case 43:
		n = 7
	case 15, 16, 20, 21, 23:
		at := map[byte]int{15: 6, 16: 6, 20: 2, 21: 2, 23: 10}[b[1]] // of the byte count
		if _, err := io.ReadFull(in, b[2:at+1]); err != nil {
			return 0, err
		}
		n = at + 1 + int(b[at]) + 2
		if n > len(b) {
			return 0, drop(in)
		}
		if _, err := io.ReadFull(in, b[at+1:n]); err != nil {
			return 0, err
		}
		return checkRTU(in, b[:n], frame)
	default:
		return 0, drop(in)
	}
	if _, err := io.ReadFull(in, b[2:n]); err != nil {
		return 0, err
	}
	return checkRTU(in, b[:n], frame)
}

func checkRTU(in *bufio.Reader, b []byte, frame *[maxFrame]byte) (int, error) {
	body := b[:len(b)-2]
	if binary.LittleEndian.Uint16(b[len(b)-2:]) != crc(body) {
		return 0, drop(in)
	}
	return wrap(frame, body), nil
}

// drop discards what has come so far.
func drop(in *bufio.Reader) error {
	if _, err := in.Discard(in.Buffered()); err != nil {
		return err
	}
	return errGarbled
}

// readASCII reads to the end of a line; a frame begins at the last colon in it.
func readASCII(in *bufio.Reader, frame *[maxFrame]byte) (int, error) {
	line, err := in.ReadString('\n')
	if err != nil {
		return 0, err
	}
	line = strings.TrimSuffix(line[strings.LastIndexByte(line, ':')+1:], "\r\n")
	body, err := hex.DecodeString(line)
	if err != nil || len(body) < 3 || len(body) > 1+253+1 {
		return 0, errGarbled
	}
	var sum byte
	for _, c := range body {
		sum += c
	}
	if sum != 0 {
		return 0, errGarbled
	}
	return wrap(frame, body[:len(body)-1]), nil
}

// wrap puts an MBAP header around unit and PDU.
func wrap(frame *[maxFrame]byte, body []byte) int {
	clear(frame[:headerLen])
	n := headerLen - 1 + copy(frame[headerLen-1:], body)
	setLength(frame[:n])
	return n
}

// append appends the wire form of a frame with an MBAP header. What is too short to have one goes out as it is.
func (f Framing) append(dst, frame []byte) []byte {
	if f == MBAP || len(frame) < headerLen {
		return append(dst, frame...)
	}
	body := frame[headerLen-1:]
	if f == RTU {
		dst = append(dst, body...)
		return binary.LittleEndian.AppendUint16(dst, crc(body))
	}
	var sum byte
	dst = append(dst, ':')
	for _, c := range body {
		sum -= c
		dst = append(dst, strings.ToUpper(hex.EncodeToString([]byte{c}))...)
	}
	dst = append(dst, strings.ToUpper(hex.EncodeToString([]byte{sum}))...)
	return append(dst, '\r', '\n')
}

// crc is the check of RTU frames: Serial Line Specification V1.02, section 6.2.2.
func crc(b []byte) uint16 {
	c := uint16(0xFFFF)
	for _, x := range b {
		c ^= uint16(x)
		for range 8 {
			if c&1 != 0 {
				c = c>>1 ^ 0xA001
			} else {
				c >>= 1
			}
		}
	}
	return c
}
