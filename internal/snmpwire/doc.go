// Package snmpwire reads and writes SNMP messages, in place and within limits.
//
// It is the pure half of SNMP: bytes in, fields out, with no socket, clock or
// state. The driver, its simulator and whoever reads captured packets share it.
// A decoded message is a view: its slices are parts of the datagram and live as
// long as that does. Reading allocates nothing.
//
// Encoding is the BER subset of RFC 3417, section 8: definite lengths, primitive
// strings. What a message may contain is RFC 1157 (version 1), RFC 3416 (version
// 2) and RFC 3412 (version 3).
//
// # Guarantees
//
//   - No input makes it panic, loop or allocate.
//   - A length never reaches beyond its container, and bytes after the end of a
//     container are an error.
//   - A number that does not fit its type is an error, never cut.
package snmpwire
