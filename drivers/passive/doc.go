// Package passive reads what others said to devices: Modbus, SNMP and OPC UA in captures
// of a network, decoded to the samples that the drivers of these protocols give.
//
// A capture goes through four stages, and can be looked at behind the last three. Files
// (pcap, pcapng, compressed by gzip or not) become packets in the order of time; packets
// become datagrams and the byte streams of connections, with fragments and segments put
// in order, repeats dropped and what is missing flagged; a [Reader] finds the messages in
// them, requests paired with answers, as [Observation] values; a [Source] gives the
// samples of the points that are asked for. [Survey] tells what there is to ask for.
//
// The values are made by the decoders of drivers/modbus, drivers/snmp and drivers/opcua:
// registers, orders, scales, sentinels, names, qualities and flags are theirs. Times are
// those of the packets, midway between request and answer, or what an OPC UA server says.
//
// Nothing is sent, no network interface is opened, and no library of the system is
// needed.
//
// # What is decoded
//
//   - Modbus/TCP, and RTU frames over TCP, which are told apart by their content.
//   - SNMP versions 1, 2c and 3 over UDP and TCP. Of version 3, messages that are not
//     encrypted; digests are not checked. Traps and informs by the rules of a
//     TrapListener.
//   - OPC UA Binary over TCP without security, and signed: values of Read, and of
//     subscriptions whose making was captured, also where the server connects to the
//     client. What is encrypted is counted.
//   - Ethernet with VLAN tags, Linux cooked captures, loopback and raw IP; IPv4 and IPv6.
//
// Tables of SNMP are given by column, with the names, conditions and scales of a Source,
// from what clients read by walking or cell by cell. Two clients at one address are not
// told apart.
//
// Not decoded: tunnels, PPP, TLS, history and events of OPC UA, and what is read by ids
// that a server gave out with RegisterNodes. Checksums are not looked at, as those of
// packets captured where they were sent are often not filled in yet.
//
// # Guarantees
//
//   - An answer without its captured request gives no sample, nor does one that may
//     belong to several requests.
//   - A request without an answer gives bad samples, as the driver would, where the
//     capture proves the silence: the device was heard before, nothing that it sent is
//     missing since, and its connection was heard of after the time for an answer. Of
//     datagrams that are not in the capture, nothing tells.
//   - Behind a hole, reading goes on where a message proves itself: its framing leads to
//     the end of the segment, or names the channel that is known.
//   - What is not decoded is counted in [Stats], by cause.
//   - Two runs over the same files give the same batches, to the bit.
//   - A file that is cut or damaged is read as far as it goes, and is not taken for a
//     whole one: the stream ends with a [DamageError] unless Config.Incomplete accepts it.
//   - Memory is bounded by [Limits] whatever the files contain, and beside them by 32 MiB
//     for the tables of each SNMP agent; no input makes it panic.
package passive
