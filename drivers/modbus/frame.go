package modbus

import (
	"encoding/binary"
	"errors"

	codec "github.com/goburrow/modbus"
)

// The MBAP header (Modbus Messaging on TCP/IP Implementation Guide V1.0b,
// section 3.1.3): transaction id, protocol id, length, unit id. The length
// counts the unit id and the PDU, whose first byte is the function code.
const (
	headerSize   = 7
	maxFrame     = 260 // header and a PDU of 253 bytes
	lengthBefore = 6   // bytes in front of those that the length counts
	minLength    = 2   // unit id and function code
	maxLength    = maxFrame - lengthBefore
	exceptionBit = 0x80
)

// framer encodes requests to one unit and checks the answers, by goburrow's
// packager for Modbus/TCP. That does not check that a frame has a whole header;
// data does.
type framer struct{ packager codec.Packager }

func newFramer(unit byte) framer {
	h := codec.NewTCPClientHandler("") // used as packager alone: it never connects
	h.SlaveId = unit
	return framer{h}
}

// request returns the frame that asks for b.
func (f framer) request(b *block) ([]byte, error) {
	data := binary.BigEndian.AppendUint16(nil, b.at.offset)
	data = binary.BigEndian.AppendUint16(data, uint16(b.count))
	return f.packager.Encode(&codec.ProtocolDataUnit{FunctionCode: b.at.table.function(), Data: data})
}

// data checks that answer, a whole frame, is the answer to request, which asks
// for b, and returns the registers or bits in it. The error is an Exception or a
// *FrameError.
func (f framer) data(b *block, request, answer []byte) ([]byte, error) {
	if len(answer) < headerSize+2 {
		return nil, &FrameError{"frame length", len(answer), headerSize + 2 + b.bytes()}
	}
	if f.packager.Verify(request, answer) != nil {
		return nil, mismatch(request, answer)
	}
	pdu, err := f.packager.Decode(answer)
	if err != nil {
		return nil, &FrameError{"length", int(binary.BigEndian.Uint16(answer[4:])), len(answer) - lengthBefore}
	}
	want := b.at.table.function()
	switch {
	case pdu.FunctionCode == want|exceptionBit && len(pdu.Data) != 1:
		return nil, &FrameError{"exception length", len(pdu.Data), 1}
	case pdu.FunctionCode == want|exceptionBit && pdu.Data[0] == 0:
		return nil, &FrameError{"exception code", 0, 1} // which Quality could not tell from none
	case pdu.FunctionCode == want|exceptionBit:
		return nil, Exception(pdu.Data[0])
	case pdu.FunctionCode != want:
		return nil, &FrameError{"function code", int(pdu.FunctionCode), int(want)}
	case int(pdu.Data[0]) != b.bytes():
		return nil, &FrameError{"byte count", int(pdu.Data[0]), b.bytes()}
	case len(pdu.Data)-1 != b.bytes():
		return nil, &FrameError{"data length", len(pdu.Data) - 1, b.bytes()}
	}
	return pdu.Data[1:], nil
}

// mismatch names the field of the header in which answer differs.
func mismatch(request, answer []byte) error {
	for _, field := range []struct {
		name       string
		start, end int
	}{{"transaction id", 0, 2}, {"protocol id", 2, 4}, {"unit id", 6, 7}} {
		got, want := number(answer[field.start:field.end]), number(request[field.start:field.end])
		if got != want {
			return &FrameError{field.name, got, want}
		}
	}
	return errors.New("answer does not match its request")
}

func number(b []byte) (n int) {
	for _, c := range b {
		n = n<<8 | int(c)
	}
	return n
}

// split finds the first frame in buf. It returns its length, 0 if buf does not
// hold all of it yet, or an error if buf does not start with a header: the
// boundaries between frames are lost then.
func split(buf []byte) (int, error) {
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
