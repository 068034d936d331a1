package modbus

import (
	"cmp"
	"errors"
	"fmt"
	"time"
)

// DefaultBaud is the rate of a serial port where none is given, the default of
// the Serial Line Specification V1.02, section 3.2.
const DefaultBaud = 19200

// Serial is a serial port and how it is set. Only Port is needed.
type Serial struct {
	Port     string // path, such as /dev/ttyUSB0
	Baud     int    // bits a second, 0 = 19200
	Parity   Parity // zero = even, the default of the specification
	DataBits int    // 0 = 8, in ASCII framing 7
	StopBits int    // 1 or 2; 0 = 1, and 2 without parity, so that a character has 11 bits (section 2.5.1)
}

// Parity is the check bit of a character.
type Parity uint8

// The parities.
const (
	EvenParity Parity = iota
	OddParity
	NoParity
)

// String returns "even", "odd" or "none".
func (p Parity) String() string {
	switch p {
	case EvenParity:
		return "even"
	case OddParity:
		return "odd"
	case NoParity:
		return "none"
	}
	return fmt.Sprintf("parity %d", uint8(p))
}

func (s Serial) checked(f Framing) (Serial, error) {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf("serial port: "+format, args...)) }
	if s.Port == "" {
		fault("no path")
	}
	if s.Baud = cmp.Or(s.Baud, DefaultBaud); s.Baud < 50 || s.Baud > 4000000 {
		fault("%d baud are not within 50 to 4000000", s.Baud)
	}
	if s.Parity > NoParity {
		fault("unknown %v", s.Parity)
	}
	if s.DataBits == 0 {
		s.DataBits = 8
		if f == ASCII {
			s.DataBits = 7
		}
	}
	switch {
	case s.DataBits != 7 && s.DataBits != 8:
		fault("%d data bits are not 7 or 8", s.DataBits)
	case s.DataBits == 7 && f == RTU:
		fault("RTU framing needs 8 data bits, not 7")
	}
	if s.StopBits == 0 {
		s.StopBits = 1
		if s.Parity == NoParity {
			s.StopBits = 2
		}
	}
	if s.StopBits != 1 && s.StopBits != 2 {
		fault("%d stop bits are not 1 or 2", s.StopBits)
	}
	return s, errors.Join(faults...)
}

// character returns the time that one character takes on the line, 0 for no port.
func (s Serial) character() time.Duration {
	if s.Baud == 0 {
		return 0
	}
	bits := 1 + s.DataBits + s.StopBits
	if s.Parity != NoParity {
		bits++
	}
	return time.Duration(bits) * time.Second / time.Duration(s.Baud)
}

// silence returns the time that parts two frames: 3.5 characters, and above
// 19200 baud 1.75 ms (Serial Line Specification V1.02, section 2.5.1.1).
func (s Serial) silence() time.Duration {
	if s.Baud > 19200 {
		return 1750 * time.Microsecond
	}
	return 7 * s.character() / 2
}
