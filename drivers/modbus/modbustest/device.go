package modbustest

import "strconv"

// Table is one of the four address spaces of a Modbus device (V1.1b3, section 4.3). The zero value is Coils.
type Table uint8

// The tables, each with the function code that reads it.
const (
	Coils            Table = iota // function 1
	DiscreteInputs                // function 2
	InputRegisters                // function 4
	HoldingRegisters              // function 3
)

// String returns the name of the table, as in "holding registers".
func (t Table) String() string {
	switch t {
	case Coils:
		return "coils"
	case DiscreteInputs:
		return "discrete inputs"
	case InputRegisters:
		return "input registers"
	case HoldingRegisters:
		return "holding registers"
	}
	return "table " + strconv.Itoa(int(t))
}

// bits tells whether the table holds single bits, registers tells whether it holds 16-bit words.
func (t Table) bits() bool      { return t == Coils || t == DiscreteInputs }
func (t Table) registers() bool { return t == InputRegisters || t == HoldingRegisters }

// Exception is the code of an exception reply (V1.1b3, section 7). The zero value means that there is none.
type Exception byte

// The exception codes of V1.1b3, section 7.
const (
	IllegalFunction        Exception = 0x01
	IllegalDataAddress     Exception = 0x02
	IllegalDataValue       Exception = 0x03
	ServerDeviceFailure    Exception = 0x04
	Acknowledge            Exception = 0x05
	ServerDeviceBusy       Exception = 0x06
	MemoryParityError      Exception = 0x08
	GatewayPathUnavailable Exception = 0x0A
	GatewayTargetFailed    Exception = 0x0B // "gateway target device failed to respond"
)

// String returns the code's name in the specification, in lower case.
func (e Exception) String() string {
	switch e {
	case 0:
		return "none"
	case IllegalFunction:
		return "illegal function"
	case IllegalDataAddress:
		return "illegal data address"
	case IllegalDataValue:
		return "illegal data value"
	case ServerDeviceFailure:
		return "server device failure"
	case Acknowledge:
		return "acknowledge"
	case ServerDeviceBusy:
		return "server device busy"
	case MemoryParityError:
		return "memory parity error"
	case GatewayPathUnavailable:
		return "gateway path unavailable"
	case GatewayTargetFailed:
		return "gateway target device failed to respond"
	}
	return "exception " + strconv.Itoa(int(e))
}

// Device answers the reads of one unit id.
//
// The server makes exactly one call per request, after checking the count against the limits of the specification (2000 bits,
// 125 registers) and the end of the address space, so addr+len(dst) is at most 65536 and dst is never empty. dst arrives
// zeroed, is to be filled entirely, and must not be kept. A result other than 0 becomes the exception reply and dst is
// ignored. Calls come from one goroutine per connection: a Device must be safe for concurrent use.
type Device interface {
	// ReadBits reads coils (t is Coils) or discrete inputs, the first from address addr.
	ReadBits(t Table, addr uint16, dst []bool) Exception
	// ReadRegisters reads input registers (t is InputRegisters) or holding registers, the first from address addr.
	ReadRegisters(t Table, addr uint16, dst []uint16) Exception
}

// Responder is a Device that answers other functions as well, those of identification and diagnostics for example.
type Responder interface {
	Device
	// Respond returns what follows the function code in the reply to a request of which data follows it, or an exception. A result
	// longer than a PDU allows is cut. Data must not be kept. Requests with a writing function come here too.
	Respond(function byte, data []byte) ([]byte, Exception)
}
