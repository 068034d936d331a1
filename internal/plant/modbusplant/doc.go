// Package modbusplant puts the simulated plant on Modbus: three meters with three styles of register map, as the field has them.
//
// Addresses count from 0, as on the wire. A triple holds the phases L1, L2, L3 one after the other. Addresses not in the tables do
// not exist: a read that touches one answers exception 2, and so does every read of another table.
//
// Unit 1 is the incomer, all in input registers (function 4), most significant word first (ABCD), one block of 52 registers:
//
//	address  type        quantity
//	0        3×float32   voltage, V
//	6        3×float32   current, A
//	12       3×float32   active power, W
//	18       3×float32   reactive power, var
//	24       3×float32   apparent power, VA
//	30       float32     total active power, W
//	32       float32     total reactive power, var
//	34       float32     total apparent power, VA
//	36       float32     power factor
//	38       float32     frequency, Hz
//	40       uint32      active import, Wh
//	42       uint32      active export, Wh
//	44       uint32      reactive import, varh
//	46       uint32      reactive export, varh
//	48       uint64      meter clock, Unix ns
//
// Unit 2 is the production line, all in holding registers (function 3), least significant word first (CDAB), in two blocks. The
// bytes within a word keep the order of the protocol. Either block begins with the clock, so each is a dated whole:
//
//	address  type        quantity
//	100      uint64      meter clock, Unix ns
//	104      3×int32     voltage, 0.1 V
//	110      3×int32     current, 0.001 A
//	116      3×int32     active power, 0.1 W
//	122      3×int32     reactive power, 0.1 var
//	128      3×int32     apparent power, 0.1 VA
//	134      int32       total active power, 0.1 W
//	136      int32       total reactive power, 0.1 var
//	138      int32       total apparent power, 0.1 VA
//	140      int32       power factor, 0.0001
//	142      int32       frequency, 0.001 Hz
//	200      uint64      meter clock, Unix ns
//	204      uint64      active import, Wh
//	208      uint64      active export, Wh
//	212      uint64      reactive import, varh
//	216      uint64      reactive export, varh
//
// Unit 3 is the battery: input registers (function 4), most significant word first, one block of 68 registers, and bits:
//
//	address  type        quantity
//	300      3×float64   current, A
//	312      3×float64   active power, W
//	324      3×float64   reactive power, var
//	336      float64     total active power, W
//	340      float64     total reactive power, var
//	344      float64     total apparent power, VA
//	348      float64     power factor
//	352      3×int16     voltage, 0.1 V
//	355      int16       frequency, 0.01 Hz
//	356      uint32      active import, Wh
//	358      uint32      active export, Wh
//	360      uint32      reactive import, varh
//	362      uint32      reactive export, varh
//	364      uint64      meter clock, Unix ns
//
//	discrete input 0     breaker closed: always
//	discrete input 1     charging: P > 0
//	discrete input 2     discharging: P < 0
//	coil 0               breaker commanded to close: always
//	coil 1               charging enabled: always
//
// # Guarantees
//
//   - A reply is one snapshot: the time is read once per request, and clock, powers and registers belong to it.
//   - Scaled integers are rounded to the nearest count, halves away from 0. Nothing else is rounded, except to the width of the type.
//   - Nothing can be written. No read allocates.
package modbusplant
