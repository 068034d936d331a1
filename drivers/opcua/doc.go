// Package opcua acquires values from OPC UA servers, over the binary protocol on TCP.
//
// A Source is one server with the points to acquire from it. Opened, it logs in, makes a
// subscription with one monitored item for each variable and each source of events, and
// from then on is told what changes and what happens. One goroutine keeps publish
// requests under way, puts the messages in order, has the server repeat what is missing,
// and hands all to a bounded queue; Next decodes them on the goroutine of its caller.
// Points that say so are read in a fixed interval instead, and Point.Field takes fields
// out of structures, as the server defines them.
// A Client asks a server now and then: it browses, reads, and looks into history; a
// Source does so as an acquire.Browser and acquire.Historian.
//
// Connection, secure channel, session, subscription and the decoding of what a server
// sends are ours, and the encoding of reads and publications; gopcua supplies that of other
// requests and the cryptography.
//
// # Losses
//
// acquire.Reconnect makes a lost connection anew, as with all drivers. The Source keeps
// the session and the subscription for that: the next stream activates the session on a
// new channel, or takes the subscription over into a new session, fetches the messages
// that were published meanwhile, and gets from the queues of the server what was measured
// meanwhile. Values that did not change are read once, since the host was told that they
// are bad. If the server has lost the subscription, it is made anew; then, and where a
// message or a part of a queue is gone, the next sample of each point concerned has
// acquire.Overflow, and with Config.Backfill what is missing is read from the server's
// history, between the last value that came and the first that came again. Where events
// are gone, their points are bad because of acquire.Waiting: EventPoint tells why. With
// Config.Backfill they are read from the server's history as well, from what the last
// message before the loss stands for to the first after it. A value that comes after the loss
// was said has acquire.TimeBackwards, from acquire.Reconnect.
//
// Config.Outage says how long the server is to keep what changes. Servers revise that:
// Plan tells what was agreed on.
//
// # Silence
//
// A server that has nothing to say sends a keep-alive after Config.KeepAlive. When nothing
// comes for twice as long, the stream ends with a TimeoutError, and acquire.Reconnect says
// it of all points. With the defaults that is 2 s after the last message.
//
// # Time
//
// A sample's time is the source timestamp, else the server's, else its arrival, without
// acquire.SourceTime; of an event it is when that occurred. A value that is read, and the first of a new monitored item, may be
// one that was told before: then its time is when the server confirmed it. Watermarks
// follow the publishing time of the server, behind by Config.Lateness.
//
// # Qualities
//
//	status good                   good
//	status uncertain              uncertain
//	status bad                    bad, with a reason by its code; see below
//	value of another type         bad: protocol
//	NaN or infinity, or no value  bad: sensor
//	no such field of a structure  bad: configuration
//	integer too large, no such element, time outside 1678 to 2262
//	                              bad: range
//	silence, connection lost      bad: communication
//	message that breaks the rules bad: protocol
//	certificate, login refused    bad: security
//
// The native code is always the upper half of the status. Statuses that say that there is
// no such node are acquire.NotFound; no access, acquire.Security; no such attribute or
// index, acquire.Configuration; no communication, acquire.Communication; waiting for the
// first value, acquire.Waiting; failed sensor, acquire.Sensor; out of service,
// acquire.OutOfService; out of range, acquire.Range; busy or too much at once,
// acquire.Busy; all else, acquire.Device.
//
// # Guarantees
//
//   - Nothing that changes a server is sent: the package encodes no Write, Call or
//     node management. What it makes on the server are its session and subscription,
//     which Close takes away.
//   - Only the host of the endpoint, or what Dial dials, is connected to.
//   - Messages of a subscription are delivered in their order and once. What is missing
//     is fetched before later ones are delivered, or its loss is said.
//   - A variable that the server refuses is bad with the server's status, is tried again
//     after 10 s to 5 min, and disturbs no other.
//   - Limits of a server on items or nodes in a call are kept, and found out where it
//     does not name them.
//   - A slow consumer costs the oldest values, counted in Batch.Lost, and never more
//     memory than Config.Buffer.
//   - A notification of a number, and an event, are decoded and delivered without an
//     allocation.
package opcua
