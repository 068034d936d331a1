package modbus

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Table is one of the four tables of the Modbus data model (Modbus Application
// Protocol V1.1b3, section 4.3). The zero value is no table.
type Table uint8

// The tables, in the order of the function codes that read them.
const (
	Coils            Table = iota + 1 // single bits, read-write in the device; function code 1
	DiscreteInputs                    // single bits, read-only; function code 2
	HoldingRegisters                  // 16-bit registers, read-write in the device; function code 3
	InputRegisters                    // 16-bit registers, read-only; function code 4
)

// String returns the table's name, such as "input registers".
func (t Table) String() string {
	switch t {
	case Coils:
		return "coils"
	case DiscreteInputs:
		return "discrete inputs"
	case HoldingRegisters:
		return "holding registers"
	case InputRegisters:
		return "input registers"
	}
	return "table " + strconv.Itoa(int(t))
}

// function returns the code of the function that reads t: the tables are
// numbered by it.
func (t Table) function() byte { return byte(t) }

// bits reports whether t holds single bits.
func (t Table) bits() bool { return t == Coils || t == DiscreteInputs }

// limit is the most that one request may read of t (V1.1b3, sections 6.1 to
// 6.4): 2000 bits or 125 registers.
func (t Table) limit() int {
	if t.bits() {
		return 2000
	}
	return 125
}

// Address is a place in a table: the address that travels in the request,
// counted from 0. Device manuals often print it with an offset: register 40053,
// or 53 of a list that starts at 1, is Holding(52). The zero value is no address.
type Address struct {
	table  Table
	offset uint16
}

// Coil returns the address of a coil.
func Coil(offset uint16) Address { return Address{Coils, offset} }

// Discrete returns the address of a discrete input.
func Discrete(offset uint16) Address { return Address{DiscreteInputs, offset} }

// Holding returns the address of a holding register, or of the first register
// of a value that spans several.
func Holding(offset uint16) Address { return Address{HoldingRegisters, offset} }

// Input returns the address of an input register, or of the first register of a
// value that spans several.
func Input(offset uint16) Address { return Address{InputRegisters, offset} }

// Table returns the table that a lies in.
func (a Address) Table() Table { return a.table }

// Offset returns the place in the table, counted from 0.
func (a Address) Offset() uint16 { return a.offset }

// String formats a as "input 52", in the words of the constructors.
func (a Address) String() string {
	word := "no address"
	switch a.table {
	case Coils:
		word = "coil "
	case DiscreteInputs:
		word = "discrete "
	case HoldingRegisters:
		word = "holding "
	case InputRegisters:
		word = "input "
	default:
		return word
	}
	return word + strconv.Itoa(int(a.offset))
}

// MarshalText formats a as "input:52", the form of a Driver's URL.
func (a Address) MarshalText() ([]byte, error) {
	if a.table == 0 {
		return nil, errors.New("modbus: no address")
	}
	return []byte(strings.Replace(a.String(), " ", ":", 1)), nil
}

// UnmarshalText sets a to what MarshalText wrote. On error a is unchanged.
func (a *Address) UnmarshalText(text []byte) error {
	parsed, ok := parseAddress(string(text))
	if !ok {
		return fmt.Errorf("modbus: malformed address %.40q", text)
	}
	*a = parsed
	return nil
}
