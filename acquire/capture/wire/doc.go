// Package wire records what goes over a driver's connection, and plays it to the driver
// again.
//
// A Recorder wraps the function by which a driver dials, and writes both directions as a
// pcapng file that Wireshark opens. Read returns the conversations of such a file. A Peer
// stands where the device stood: it answers the real driver as the device did, as late,
// as wrong and as torn. In a testing/synctest bubble this takes no time, so that trouble
// at a plant becomes a test of ten lines:
//
//	recording, err := wire.Open("testdata/late.pcapng")
//	...
//	synctest.Test(t, func(t *testing.T) {
//		peer := wire.NewPeer(wire.Modbus{}, recording.Conversations)
//		source, err := modbus.NewSource(modbus.Config{Dial: peer.Dial, ...})
//		...
//	})
//
// Package capture records samples; this one records what samples were made of.
//
// # What is recorded
//
// The recorder sees the bytes that a driver reads and writes, with their times, not
// packets of a network. The file has IP packets all the same (LINKTYPE_RAW), because
// every tool reads them: with the addresses of the connection or, where it has none, 192.0.2.1
// and 192.0.2.2; a handshake, sequence numbers and ends of TCP; checksums that are
// right. A packet is what one read or write has moved, so that its boundaries and those of
// the real packets differ. What happened besides (opened, not opened, reset, closed) is a
// comment on a packet; of datagrams, on an empty packet made for it.
//
// A serial line, whose port is opened by the driver (modbus.BusConfig.Wrap records it
// then), is recorded as RTU frames in TCP. Wireshark has a dissector for these
// (Decode As, Modbus RTU over TCP), while the link types for serial lines need a set-up for
// every file.
//
// # Secrets
//
// A Protocol masks what it knows to be secret, by as many letters, so that a dissector has
// nothing to complain about: communities of SNMP, passwords and tokens of OPC UA. Of a
// stream whose messages cannot be told apart any more, and of a datagram that is no
// message, everything is masked. Config.Secrets turns this off. What is not masked: names of
// users, ids of sessions, values.
//
// Encryption is recorded as it is on the wire. TLS is seen by whoever records the
// connection below it:
//
//	dial := recorder.Dial(wire.Link{Name: "meter"}, dialTCP)
//	cfg.Dial = func(ctx context.Context) (net.Conn, error) {
//		conn, err := dial(ctx)
//		...
//		client := tls.Client(conn, config)
//		return client, client.HandshakeContext(ctx)
//	}
//
// A connection of package crypto/tls that is given to a Recorder shows plaintext. It is
// recorded if Config.Plaintext says so, and else counted as withheld. What OPC UA and SNMP
// version 3 encrypt themselves is recorded in plain form, in place of what was on the
// wire, if both Config.Plaintext and the driver's own Plaintext ask for it, as by
// cfg.Plaintext = recorder.Plaintext. It is played to a driver that is configured without
// security; OPCUA.Unsecured has the Peer offer that.
//
// # Playing
//
// Requests are compared with the recording by the Protocol, which leaves aside what differs
// from run to run, such as transaction ids; an answer gets the id of the request that it
// meets. Answers come as long after their requests as they were recorded: after
// the request with the same id, else after the latest one. So an answer that was late is
// late again, also for a driver that asks at other times. The first request
// that differs ends it all with a Divergence, which names the frame.
//
// What cannot be played: what is recorded encrypted, or authenticated by keys; and what a driver sends
// only after it has measured times on a real clock.
//
// # Guarantees
//
//   - Recording adds no error and no waiting to a connection. What a slow disk does not
//     take is dropped and counted; after the first error of writing nothing more is
//     written, everything is counted, and Err says why.
//   - Memory is bounded: twice Config.Buffer for a Recorder, and 1 MiB in each direction
//     of a stream that is masked.
//   - In steady state a read or a write allocates nothing.
//   - No byte that a Protocol knows to be secret reaches the writer.
//   - Times of one recorder do not go backwards, whatever is done to the clock.
//   - A file whose writer was killed is read up to its last whole block; a file of any
//     content is read without panic, and in memory in proportion to its length.
//   - A Peer gives out nothing that was not recorded, ids and masked secrets aside, and
//     has no goroutine.
package wire
