// Package modbus reads meters and controllers over Modbus/TCP.
//
// A Source is one unit of one device with the points to read from it. When it is
// made, the points are packed into as few requests as the protocol and the
// device's limits allow, and everything else is decided too: byte orders,
// scales, handles. Opened, it polls on the goroutine that calls Next and starts
// none of its own: waiting for the next tick, asking, checking and decoding
// happen in a straight line, and one Batch holds one poll.
//
// The wire is handled by a transport of our own; goburrow/modbus supplies the
// encoding of frames. Each request has one deadline and its own transaction id,
// which no other of the source's latest 65,535 requests had, on whatever
// connection. An answer that comes after its deadline is recognised by its id,
// dropped and counted, so that it is not taken for the answer to another
// request. An answer with the wrong unit, function or length gives bad samples.
// Bytes that leave in doubt where frames begin, and a flood of frames that
// answer nothing, end the stream, for acquire.Reconnect to connect anew.
//
// # Qualities
//
//	exception 1, 2, 3       bad: configuration, with the exception code
//	exception 4, 8, other   bad: device, with the exception code
//	exception 5, 6          bad: busy, with the exception code
//	exception 10, 11        bad: communication, with the exception code
//	no answer in time       bad: communication
//	connection lost         bad: communication
//	answer not as asked     bad: protocol
//	NaN or infinity         bad: sensor
//	sentinel of the point   bad: sensor
//	scale not implemented   bad: sensor
//	bool other than 0 or 1  bad: range
//	integer too large       bad: range
//	no decimal digit        bad: range
//	no text, no such time   bad: range
//	one hour of two         uncertain
//	clock not set           uncertain: device
//
// # Guarantees
//
//   - Only function codes 1 to 4 are sent: nothing that changes a device.
//   - Only Config.Address, or what Config.Dial dials, is connected to.
//   - A sample's value comes from an answer whose transaction id, protocol id,
//     unit, function, byte count and length all match its request. Modbus/TCP
//     has no checksum: a wrong number inside such an answer is not detectable.
//   - Sample.Time is the midpoint of the request that read the value; a value of
//     several registers is never read in two requests.
//   - A device that does not answer yields bad samples in each poll, within one
//     interval and one timeout; after MaxTimeouts the stream ends. One that
//     answers slowly is waited for: a poll lasts one timeout per request at most.
//   - Next returns at the end of its context, and Close leaves neither goroutine
//     nor socket.
//   - Memory does not depend on what the device sends: the plan, and one buffer
//     of 2080 bytes per stream. In steady state a poll into the same Batch
//     allocates 32 bytes per request, in goburrow's decoder, and nothing else.
package modbus
