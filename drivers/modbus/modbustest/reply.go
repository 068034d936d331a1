package modbustest

import "encoding/binary"

// Limits of one read: V1.1b3, sections 6.1 to 6.4.
const (
	maxBits      = 2000
	maxRegisters = 125
)

// Request is what a client asked for. Address and Count are those of the functions 1 to 4; for other functions, and for requests
// too short to hold them, they are 0.
type Request struct {
	Transaction uint16 // identifier that the client chose; the reply repeats it
	Unit        byte   // device behind the server, as addressed
	Function    byte   // function code
	Address     uint16 // first address, as on the wire: the first register is 0
	Count       uint16 // number of bits or registers
}

// parseRequest reads a frame whose framing has been checked: it holds at least a header and a function code.
func parseRequest(frame []byte) Request {
	r := Request{
		Transaction: binary.BigEndian.Uint16(frame),
		Unit:        frame[6],
		Function:    frame[7],
	}
	if _, read := tableOf(r.Function); read && len(frame) >= headerLen+5 {
		r.Address = binary.BigEndian.Uint16(frame[8:])
		r.Count = binary.BigEndian.Uint16(frame[10:])
	}
	return r
}

func tableOf(function byte) (Table, bool) {
	switch function {
	case 1:
		return Coils, true
	case 2:
		return DiscreteInputs, true
	case 3:
		return HoldingRegisters, true
	case 4:
		return InputRegisters, true
	}
	return 0, false
}

// respond returns the reply in the memory of c, or nothing where the server stays silent.
// The order of the checks is that of the state diagrams in V1.1b3, sections 6.1 to 6.4.
func (c *conn) respond(r Request, frame []byte) []byte {
	device, known := c.server.units[r.Unit]
	if !known {
		if c.server.ignoreUnknown {
			return nil
		}
		return c.except(r, GatewayTargetFailed)
	}
	if c.server.permit != nil && !c.server.permit(c.role(), r) {
		return c.except(r, IllegalFunction)
	}
	if r.Function == 8 {
		return c.diagnose(r, frame)
	}
	table, readable := tableOf(r.Function)
	if responder, ok := device.(Responder); ok && !readable {
		data, e := responder.Respond(r.Function, frame[headerLen+1:])
		if e != 0 {
			return c.except(r, e)
		}
		reply := append(appendHeader(c.reply[:0], r, r.Function), data[:min(len(data), maxFrame-headerLen-1)]...)
		setLength(reply)
		return reply
	}
	if !readable {
		return c.except(r, IllegalFunction)
	}
	limit := maxRegisters
	if table.bits() {
		limit = maxBits
	}
	count := int(r.Count)
	if len(frame) != headerLen+5 || count < 1 || count > limit {
		return c.except(r, IllegalDataValue) // section 7, code 3: also "the implied length is incorrect"
	}
	if int(r.Address)+count > addresses {
		return c.except(r, IllegalDataAddress)
	}
	reply := appendHeader(c.reply[:0], r, r.Function)
	if table.bits() {
		bits := c.bits[:count]
		clear(bits)
		if e := device.ReadBits(table, r.Address, bits); e != 0 {
			return c.except(r, e)
		}
		reply = appendBits(reply, bits)
	} else {
		registers := c.registers[:count]
		clear(registers)
		if e := device.ReadRegisters(table, r.Address, registers); e != 0 {
			return c.except(r, e)
		}
		reply = append(reply, byte(2*count))
		for _, w := range registers {
			reply = binary.BigEndian.AppendUint16(reply, w)
		}
	}
	setLength(reply)
	return reply
}

// diagnose answers function 8: V1.1b3, section 6.8.
func (c *conn) diagnose(r Request, frame []byte) []byte {
	if c.server.noEcho {
		return nil
	}
	if len(frame) != headerLen+5 || frame[8] != 0 || frame[9] != 0 {
		return c.except(r, IllegalFunction)
	}
	return append(c.reply[:0], frame...)
}

func (c *conn) except(r Request, e Exception) []byte {
	c.server.count(&c.server.stats.Exceptions)
	return appendException(c.reply[:0], r, e)
}

// appendException appends a whole exception frame (V1.1b3, section 7) to the empty dst.
func appendException(dst []byte, r Request, e Exception) []byte {
	dst = append(appendHeader(dst, r, r.Function|0x80), byte(e))
	setLength(dst)
	return dst
}

// appendHeader appends the header, with the length left 0, and the function code.
func appendHeader(dst []byte, r Request, function byte) []byte {
	dst = binary.BigEndian.AppendUint16(dst, r.Transaction)
	return append(dst, 0, 0, 0, 0, r.Unit, function)
}

// setLength makes the length field of a frame agree with the frame.
func setLength(frame []byte) { binary.BigEndian.PutUint16(frame[4:], uint16(len(frame)-6)) }

// appendBits appends the byte count and the bits, the first in the least significant place; unused places are 0.
func appendBits(dst []byte, bits []bool) []byte {
	dst = append(dst, byte((len(bits)+7)/8))
	for len(bits) > 0 {
		n := min(8, len(bits))
		var b byte
		for i, on := range bits[:n] {
			if on {
				b |= 1 << i
			}
		}
		dst, bits = append(dst, b), bits[n:]
	}
	return dst
}
