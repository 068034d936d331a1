// Package snmptest is an SNMP agent that lives in the test's own process and misbehaves on request.
//
// A [Server] answers GET, GETNEXT and GETBULK of versions 1, 2c and 3 from a [MIB], a sorted store of objects whose values
// are fixed or functions of time. It listens on UDP or TCP ([Start]), or in memory, also inside a testing/synctest bubble: its
// method [Server.Dial] fits the Dial of a driver's configuration. Before a reply leaves, a [Fault] may delay, edit, repeat,
// damage or drop it, so that every broken agent is a line of the test; one that changes nothing sees what is asked.
// [ParseSnmprec] loads the recordings of snmpsim. A [Sender] emits traps and informs.
//
// Rows come and go by [MIB.Set] and [MIB.Delete], or by objects that at times have no value. A counter that is a function of
// [Clock].Up starts anew with the agent ([Server.Restart]); one of [Clock].Now goes on.
//
// Object identifiers are text in digits without a leading point, as in "1.3.6.1.2.1.1.3.0". The package does not import
// the driver, so that the driver's own tests can import it.
//
// # Guarantees
//
//   - A request sees one state of the MIB at one instant, sysUpTime included.
//   - Nothing can be written: a SetRequest is refused and counted in [Stats].Sets.
//   - What is neither a request nor from a known community or user is answered as the standard says, mostly not at all, and
//     counted.
//   - Requests do not wait for each other: [Config].Latency and [Late] hold up one reply alone.
//   - Faults are deterministic. Only [Noise] uses random numbers, from the seed it is given.
//   - Waiting uses timers and channels alone, so virtual time works. Create the server inside the bubble that uses it.
//   - [Server.Close] returns after every goroutine of the server has ended.
package snmptest
