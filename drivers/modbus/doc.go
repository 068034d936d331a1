// Package modbus reads meters and controllers over Modbus, on whatever carries it.
//
// A Source is one unit of one device with the points to read from it. When it is
// made, the points are packed into as few requests as the protocol and the
// device's limits allow, and everything else is decided too: byte orders,
// scales, handles. Opened, it polls on the goroutine that calls Next and starts
// none of its own: waiting for the next tick, asking, checking and decoding
// happen in a straight line, and one Batch holds one poll.
//
// The wire is handled by transports of our own; goburrow/modbus supplies the
// encoding of frames, and the serial ports of systems other than Linux.
//
// # Transports and framings
//
//	Modbus/TCP             Address
//	Modbus/TCP Security    Address and TLS: TLS 1.2 or newer, certificates on both sides, role
//	Modbus over UDP        Address and UDP
//	serial line, RTU       Serial
//	serial line, ASCII     Serial and Framing
//	serial frames over TCP Address and Framing: a converter or gateway that passes them
//	serial frames over UDP Address, UDP and Framing
//	anything else          Dial: any net.Conn that keeps its deadlines
//
// MBAP, the framing of Modbus/TCP, has a transaction id, which no other of the bus's
// latest 65,535 requests had, on whatever connection. An answer that comes after its
// deadline is recognised by it, dropped and counted. RTU and ASCII have none: there a
// unit that left a request unanswered is in doubt, and before it is asked for values
// again it is asked for an echo of fresh data (function 8), which comes after all
// that is older. A unit that gives no echo is left alone for LateGrace. Up to seven
// bytes of noise in front of an RTU answer, as converters for RS-485 make them, are
// passed over and counted as malformed, if unit, function, length and CRC of what
// follows fit; our own request in front of it is not. A damaged answer is followed by silence on the line, as the 3.5 characters of the
// specification are not to be seen behind drivers and networks. All of this rests on
// a line keeping the order of what it carries; of serial frames over UDP, a network
// that reorders takes that away, while MBAP bears it.
//
// # Sharing
//
// Sources of several units behind one serial line or gateway share a Bus. Their
// requests take turns in the order of asking, and their polls are spread over the
// period; each has its own timeout, so that a unit that is dead costs the others one timeout each time that it is tried: with
// acquire.Reconnect, once per back-off. A Bus has one connection, or as many as
// Links says, made with the first stream and closed with the last or when it breaks.
// Release closes it between polls, for devices that serve one client.
//
// # Windows, repeats and what is learnt
//
// Window lets a source have up to 16 requests under way, for a device that can (MBAP
// without a Pause). Others have their turn after each window. Answers may come in any
// order. A device that loses something in two windows in a row is asked for one at a
// time for an hour.
//
// Retries lets a request be repeated within its own timeout when the device is silent
// for much longer than of late, or within the poll when it says that it is busy. The
// loss of a device is noticed no later for it.
//
// A block that the device refuses with exception 2 or 3 is divided in the same poll,
// down to single values if need be. What two polls in a row teach becomes part of the
// Plan for an hour: addresses not to be bridged, and how long an answer may be.
// Timeouts and a busy device teach nothing of that. Limits returns it for a host to
// keep.
//
// # Security
//
// In Modbus/TCP Security the certificate of a client names its role, and the server
// decides on it. Role reads it, and Trace.Secured tells both sides' with each
// connection. A server refuses with exception 1, which over TLS is taken for that; a
// block that was refused three times in a row is asked for once a minute.
//
// # Functions
//
// Polls use functions 1 to 4, and on lines the echo of function 8. A Unit of a Bus
// asks for what is not polled: exception status (7), diagnostic counters (8), event
// counter and log (11, 12), server id (17), file records (20), FIFO queues (24), and
// identification (43/14), which is Source.Identify as well. Source.Probe and
// Unit.Probe ask whether anybody is there; Bus.Units, Unit.Ranges and Orders help to
// find out what. There is no function that writes.
//
// # Traffic of others
//
// A Decoder makes samples of requests and answers that were captured or overheard, as a
// Source with the same points would have made them.
//
// # Qualities
//
//	exception 1, 2, 3       bad: configuration, with the exception code
//	exception 1 over TLS    bad: security, with the exception code
//	refused by TLS          bad: security
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
//   - Only functions that read are sent: nothing that changes a device.
//   - Only Config.Address or its serial port, or what Config.Dial dials, is
//     connected to.
//   - A sample's value comes from an answer whose transaction id, protocol id,
//     unit, function, byte count and length all match its request; on a line, whose
//     check, unit, function, byte count and length do, from a unit that owes no other.
//     Modbus/TCP has no checksum: a wrong number inside such an answer is not
//     detectable.
//   - Sample.Time is the midpoint of the request that read the value; a value of
//     several registers is never read in two requests.
//   - A device that does not answer yields bad samples in each poll, within one
//     interval and one timeout; after MaxTimeouts the stream ends. One that
//     answers slowly is waited for: a poll lasts one timeout per request at most.
//   - Bytes that leave in doubt where frames begin, and a flood of frames that
//     answer nothing, end the link, for acquire.Reconnect to connect anew; where
//     silence or datagrams part frames, they are passed over.
//   - Next returns at the end of its context, which breaks the link of no other
//     source unless a request was half sent. Close leaves neither goroutine nor
//     socket, and a link that breaks is closed at once.
//   - Memory does not depend on what the device sends: the plan, and one buffer
//     of 2080 bytes per link. In steady state a poll into the same Batch
//     allocates 32 bytes per request, in goburrow's decoder, and nothing else.
package modbus
