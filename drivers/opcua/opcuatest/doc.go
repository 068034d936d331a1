// Package opcuatest is an OPC UA server that lives in the test's own process and misbehaves on request.
//
// A [Server] has variables that are functions of time, so what a client polls, is told by a subscription, or reads as history must be
// the same. It speaks OPC UA Binary over TCP ([Start]) or over any connection handed to [Server.ServeConn], such as one
// end of a net.Pipe inside a testing/synctest bubble; in the modes None, Sign and SignAndEncrypt, for users without a name, with
// a password, a certificate or a token. It offers Read, Browse, TranslateBrowsePaths, RegisterNodes, HistoryRead (raw and
// at-time, and of events), subscriptions with queues, deadbands, Republish and transfer, and events. Data types of structures and enumerations have a
// DataTypeDefinition. Before an answer is written, a [Fault] may delay, edit, tear, forge or drop it: as fields, as a message, as chunks
// before they are signed, or as bytes.
//
// The server shares no code with the driver: the secure channel, the encoding of answers and the subscriptions are a second reading of
// OPC 10000-4 and 10000-6. It is no server for a plant: what comes from clients is decoded by a library made for friends.
//
// # Guarantees
//
//   - A variable is read at instants that are multiples of its Step alone. Items are sampled at every instant that is due, however late the
//     goroutine that samples, so a queue that is long enough misses nothing.
//   - Nothing changes a node over the wire. Services that would answer Bad_ServiceUnsupported and are counted in [Stats].Writes.
//   - Limits are held as they are told: a request above them fails as a whole with Bad_TooManyOperations, and the channel goes on.
//   - Faults are deterministic. Only [Mutated] uses random numbers, from the seed it is given.
//   - Waiting uses timers and channels alone, so virtual time works. Create the server inside the bubble that uses it.
//   - [Server.Close] returns after every goroutine of the server has ended.
package opcuatest
