package wire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
)

// Modbus is Modbus/TCP (Messaging Implementation Guide V1.0b, section 3.1.3), also in
// datagrams. It has no secrets. Answers are paired by transaction id, which may
// differ from the recorded one.
type Modbus struct{}

var _ Protocol = Modbus{}

const (
	mbapHeader = 7 // transaction, protocol, length, unit
	mbapLength = 6 // what the length field does not count
)

// Port returns 502, which IANA has assigned to Modbus.
func (Modbus) Port() uint16 { return 502 }

// Next cuts by the length field, which must be within 2 and 254.
func (Modbus) Next(b []byte) (int, error) {
	if len(b) < mbapLength {
		return 0, nil
	}
	protocol, n := binary.BigEndian.Uint16(b[2:]), int(binary.BigEndian.Uint16(b[4:]))
	if protocol != 0 || n < 2 || n > 254 {
		return 0, fmt.Errorf("wire: MBAP header with protocol %d and length %d", protocol, n)
	}
	return mbapLength + n, nil
}

// ID returns the transaction id.
func (Modbus) ID(message []byte) (uint64, bool) {
	if len(message) < mbapHeader {
		return 0, false
	}
	return uint64(binary.BigEndian.Uint16(message)), true
}

// Match compares all but the transaction id.
func (Modbus) Match(recorded, request []byte) error {
	if len(recorded) < 2 || len(request) < 2 || !bytes.Equal(recorded[2:], request[2:]) {
		return errDiffers
	}
	return nil
}

// Answer replaces the transaction id, if it is that of the recorded request.
func (Modbus) Answer(dst, answer, recorded, request []byte) []byte {
	start := len(dst)
	dst = append(dst, answer...)
	if len(answer) >= 2 && len(recorded) >= 2 && len(request) >= 2 && [2]byte(answer) == [2]byte(recorded) {
		copy(dst[start:], request[:2])
	}
	return dst
}

// Redactor returns nil: there are no secrets.
func (Modbus) Redactor() Redactor { return nil }

var errDiffers = errors.New("differs from the recorded request")

// ModbusRTU is Modbus with the framing of a serial line (Serial Line Specification
// V1.02, section 2.5.1), on a line or through a converter. It has no secrets. Frames
// have no ids and do not tell where they end: what the driver writes at once is one, and
// an answer belongs to the request before it.
type ModbusRTU struct{}

var _ Protocol = ModbusRTU{}

// Port returns 502: tools have to be told that these are RTU frames, as by Wireshark's
// Decode As, "Modbus RTU over TCP".
func (ModbusRTU) Port() uint16 { return 502 }

// Next returns the length of b.
func (ModbusRTU) Next(b []byte) (int, error) { return len(b), nil }

// ID returns false.
func (ModbusRTU) ID([]byte) (uint64, bool) { return 0, false }

// Match compares all but the data and the check of an echo (function 8, sub-function
// 0), by which a driver finds out whether a unit owes an answer.
func (ModbusRTU) Match(recorded, request []byte) error {
	if bytes.Equal(recorded, request) || isEcho(recorded) && isEcho(request) && [4]byte(recorded) == [4]byte(request) {
		return nil
	}
	return errDiffers
}

// Answer gives an echo the data of its request.
func (ModbusRTU) Answer(dst, answer, recorded, request []byte) []byte {
	if isEcho(answer) && bytes.Equal(answer, recorded) && isEcho(request) {
		return append(dst, request...)
	}
	return append(dst, answer...)
}

// Redactor returns nil: there are no secrets.
func (ModbusRTU) Redactor() Redactor { return nil }

// isEcho reports whether a frame is that of function 8, Return Query Data, with a word
// of data: unit, function, sub-function, data, check (Application Protocol V1.1b3,
// section 6.8).
func isEcho(frame []byte) bool {
	return len(frame) == 8 && frame[1] == 8 && frame[2] == 0 && frame[3] == 0
}
