// Package uabin reads OPC UA Binary (OPC 10000-6, section 5.2) in place and within
// limits.
//
// It is the pure half of OPC UA: bytes in, fields out, with no socket, clock or
// state, shared by the driver and by whoever reads captured traffic. What it reads
// are views: strings, arrays and bodies are parts of the message and live as long
// as that does. Reading scalars, notifications and data values allocates nothing.
//
// A Reader keeps its first error and reads nothing but zeros from then on, so that
// code which reads a structure need not look after each field.
//
// # Guarantees
//
//   - No input makes it panic or loop, or allocate by what a length says: an array of
//     n elements is believed when the rest of the message could hold n of the
//     smallest kind.
//   - Nested variants, diagnostics and extension objects end at MaxDepth.
//   - A value that contradicts itself, such as a matrix whose dimensions do not
//     multiply to its length, is malformed by itself. What follows it is read.
package uabin
