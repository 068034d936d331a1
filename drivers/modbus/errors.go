package modbus

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/fieldtap/fieldtap/acquire"
)

// ErrTimeout is the cause when a device did not answer in time.
var ErrTimeout = errors.New("no answer in time")

// Exception is the code with which a device refuses a request (Modbus
// Application Protocol V1.1b3, section 7). It is the native code of the samples
// that the request was for, and an error.
type Exception uint8

// The exception codes of the specification.
const (
	IllegalFunction         Exception = 0x01 // the device does not know the function
	IllegalDataAddress      Exception = 0x02 // the device has nothing at an address asked for
	IllegalDataValue        Exception = 0x03 // the device does not take the request's form or length
	ServerDeviceFailure     Exception = 0x04 // the device failed while serving the request
	Acknowledge             Exception = 0x05 // the device needs long for the request
	ServerDeviceBusy        Exception = 0x06 // the device asks to be asked later
	MemoryParityError       Exception = 0x08 // the device found its extended memory damaged
	GatewayPathUnavailable  Exception = 0x0A // the gateway has no path to the unit
	GatewayTargetNoResponse Exception = 0x0B // the unit behind the gateway did not answer
)

// String returns the specification's name in lower case with the number, such
// as "illegal data address (2)".
func (e Exception) String() string {
	name := "exception"
	switch e {
	case IllegalFunction:
		name = "illegal function"
	case IllegalDataAddress:
		name = "illegal data address"
	case IllegalDataValue:
		name = "illegal data value"
	case ServerDeviceFailure:
		name = "server device failure"
	case Acknowledge:
		name = "acknowledge"
	case ServerDeviceBusy:
		name = "server device busy"
	case MemoryParityError:
		name = "memory parity error"
	case GatewayPathUnavailable:
		name = "gateway path unavailable"
	case GatewayTargetNoResponse:
		name = "gateway target device failed to respond"
	}
	return name + " (" + strconv.Itoa(int(e)) + ")"
}

// Error returns what String does.
func (e Exception) Error() string { return e.String() }

// Quality returns the quality of the samples that e was the answer for.
func (e Exception) Quality() acquire.Quality {
	reason := acquire.Device
	switch e {
	case IllegalFunction, IllegalDataAddress, IllegalDataValue:
		reason = acquire.Configuration
	case Acknowledge, ServerDeviceBusy:
		reason = acquire.Busy
	case GatewayPathUnavailable, GatewayTargetNoResponse:
		reason = acquire.Communication
	}
	return acquire.Bad.Because(reason).WithNative(uint16(e))
}

// FrameError is an answer that breaks the protocol, or that does not fit the
// request it claims to answer.
type FrameError struct {
	Field     string // what is wrong, such as "unit id" or "byte count"
	Got, Want int    // what came and what should have; of a length out of range: the limit passed
}

// Error formats e as "answer with unit id 2, want 1".
func (e *FrameError) Error() string {
	return fmt.Sprintf("answer with %s %d, want %d", e.Field, e.Got, e.Want)
}

// Quality returns the quality of the samples that the answer was for.
func (e *FrameError) Quality() acquire.Quality { return acquire.Bad.Because(acquire.Protocol) }
