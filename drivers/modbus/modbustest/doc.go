// Package modbustest is a Modbus server that lives in the test's own process and misbehaves on request.
//
// A [Server] answers the four read functions (1, 2, 3, 4) from one [Device] per unit id, over real sockets ([Start]) or over
// any connection handed to [Server.ServeConn], such as one end of a net.Pipe inside a testing/synctest bubble; over TLS with
// [Server.Serve], where [Config].Permit may decide on the client's role; over UDP with [Server.ServePackets]. Its [Framing] is that of Modbus/TCP, RTU or ASCII. Before a
// reply is written, a [Fault] may delay, edit, repeat, tear or drop it, so that every broken peer is a line of the test.
// The server shares no code with the driver: it is a second, independent reading of the Modbus Application Protocol
// Specification V1.1b3 and of the Modbus Messaging Implementation Guide V1.0b.
//
// # Guarantees
//
//   - Requests of one connection may be pipelined; they are answered in order, one at a time. Only a [Late] answer overtakes.
//   - One request makes one call of the device, so a reply shows one instant.
//   - Nothing changes a device over the wire: functions other than 1 to 4 answer exception 1, and those that would
//     write are counted in [Stats].Writes.
//   - A stream whose framing is lost (protocol identifier not 0, length outside 2 to 254) is closed and counted.
//   - Faults are deterministic. Only [Noise] uses random numbers, from the seed it is given.
//   - Waiting uses timers and channels alone, so virtual time works. Create the server inside the bubble that uses it.
//   - [Server.Close] returns after every goroutine of the server has ended.
package modbustest
