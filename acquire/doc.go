// Package acquire is the vocabulary of fieldtap: what a sample is, and how a
// device delivers it.
//
// A Source is one device in one fixed configuration. Opened, it gives a Stream,
// from which the caller pulls: each Next fills a Batch that the caller owns with
// samples of 32 bytes that hold no pointers. A sample names its point by a
// handle; the Catalog knows the point's name, unit and role. Drivers only
// connect, transact, decode and fail. Everything else wraps the same two
// interfaces: Reconnect brings a lost device back, Merge makes one stream of
// thousands.
//
// Trouble comes in three lanes. A wrong configuration is an error of the
// constructor, naming every fault at once. A dead link is an error of the
// stream, and final. A reading that failed is a sample without a value whose
// Quality says why.
//
// Who writes a driver finds here what all drivers need: Schedule says when to poll,
// Tally keeps the counters. The program in examples/driver is a whole one to start from.
//
// # Guarantees
//
// Each holds for every driver and wrapper of this module and has a check of its
// name in the package acquiretest.
//
//   - Honesty: a failed reading is a sample without value, with a reason and the
//     protocol's own code. No value is made up or repeated under a new time.
//   - Liveness: the loss of a device is said by a bad sample per point within one
//     period and one timeout; good ones follow on recovery.
//   - Time: Sample.Time is the device's own where the protocol has one, else the
//     midpoint of its request; a flag says which. Where it runs backwards for a
//     point, the sample is flagged and counted.
//   - Loss: what is skipped or dropped is counted and said.
//   - Isolation: a dead, slow or malicious device costs others nothing.
//   - One owner of reconnect: Reconnect.
//   - Cancel: Next returns within 50 ms of the end of its context; Close leaves
//     no goroutine and no socket behind.
//   - Read-only: no request that changes a device can be made.
//   - Two halves: a driver is a transport given from outside and a decoder, and
//     gives the same samples from the same traffic in every run.
//   - Bounded: every buffer and every length taken from the wire has a limit.
package acquire
