// Package snmp reads power devices, and whatever else answers SNMP: versions 1, 2c
// and 3, over UDP and TCP. It changes nothing there.
//
// A Source is one agent with the scalars and the tables to read from it. When it is
// made, scalars are packed into as few requests as fit, columns are put into groups
// that are read together, and everything else is decided too: names on the wire,
// scales, handles. Opened, it polls on the goroutine that calls Next and starts none of
// its own, and one Batch holds one poll. An Agent asks for single objects and walks
// subtrees instead; a TrapListener hears what agents tell of themselves.
//
// The protocol, users and keys of version 3 included, is our own code.
//
// # Scalars
//
// One GET asks for scalars of up to 1,400 bytes of answer, which no network has to
// divide. Where a counter is among them, sysUpTime is in the same packet. An agent that
// finds the answer too big is asked in halves. An object that makes the agent refuse a
// request is found, by the agent's error-index or by halving, within the poll; from then
// on it is asked for by itself, one such object in each poll, and the others in peace.
// Limits returns what was learnt for a host to keep; after an hour it is put to the
// test.
//
// # Tables
//
// One GETBULK asks for rows of several columns, and for sysUpTime with them. It asks for
// 1,400 bytes at first, for twice as many when that came fast, up to Config.MaxMessage,
// for half when an answer takes more than a third of the Timeout or gets lost, and for
// as many rows as there were last time. Version 1 has GETNEXT for a row at a time.
//
// Rows are told apart by their index, which is a part of every name on the wire, so that
// index columns need not be readable. Columns may have holes and lengths of their own.
// The points of a row are defined when the row is met for the first time: a host that
// compares Catalog.Len after each batch learns of them before their first sample. Their
// name is that of the row, by Table.Name, and that of the column:
//
//	Table.Name           index      label   column   point
//	outlet/{index}       3                  power    outlet/3/power
//	{1}/phase/{2}        2.1                U        2/phase/1/U
//	if/{label}           7          eth0    in       if/eth0/in
//	if/{label}           7                  in       if/#7/in
//	if/{label}, 2nd one  9          eth0    in       if/eth0#9/in
//
// The same name is the same point for ever. A cell that is gone, after all of its column
// was read, has one last sample, flagged acquire.Final; when it comes back, samples go on.
// Table.MaxRows bounds how many rows get points, and Table.Where says which rows are
// meant, as where a row's type decides the unit. Columns that several tables have in
// common are read once.
//
// # Counters
//
// Counters stay exact, in 64 bits, and wrap as the agent lets them: adding up is for
// package aggregate. The first good sample of a counter after its agent restarted is
// flagged acquire.Discontinuity. A restart shows by sysUpTime of the same packet, which
// is back without having wrapped, or has grown far less than our clock; by the engine of
// version 3, which has booted, has lost its time, or is another; for one row, by the
// column Table.Discontinuity. A counter whose row was gone is flagged, too, unless that
// column says that nothing happened.
//
// # Qualities
//
//	noSuchObject, noSuchInstance  bad: not found, code 128 or 129
//	row or cell gone              bad: not found, code 129, flagged Final
//	noSuchName of version 1       bad: not found, code 2
//	authorizationError            bad: security, code 16
//	any other error-status        bad: device, with the error-status
//	no answer in time             bad: communication
//	connection lost or refused    bad: communication
//	broken answer                 bad: protocol
//	other objects than asked for  bad: protocol
//	value of another type         bad: protocol
//	version 3: not authentic, ... bad: security, with the SecurityFault
//	sentinel of the point         bad: sensor
//	NaN or infinity               bad: sensor
//	number beyond its kind        bad: range
//	octets that are no text       bad: range
//	exponent unknown              bad: range
//	date without a time zone      uncertain: device
//
// # Guarantees
//
//   - Only GetRequest, GetNextRequest, GetBulkRequest and, by a TrapListener, the
//     Response that an inform is owed are sent: nothing that changes an agent.
//   - Only Config.Address, or what Config.Dial dials, is connected to.
//   - A sample's value comes from an answer whose version, request id and community, or
//     engine, user, digest and time, match the request, and whose names match it: all
//     those of a GET in their order, and of a table names that ascend. Of an answer
//     where any does not, nothing is taken. Versions 1 and 2c prove no origin: whoever
//     can send in the agent's name can answer for it.
//   - Sample.Time is the midpoint of the request that read the value; a clock that runs
//     backwards is flagged.
//   - An agent that does not answer yields bad samples of all its points in each poll,
//     within one interval and one timeout; after MaxTimeouts the stream ends. One
//     request is under way at a time.
//   - No row is said to be gone unless its column was read to the end.
//   - Next returns at the end of its context within 50 ms. Close leaves neither goroutine
//     nor socket.
//   - Memory is bounded by the points, Table.MaxRows and Config.MaxMessage, whatever the
//     agent sends; a walk that goes on without end, or without bringing anything, is
//     ended. In steady state a poll into the same Batch allocates nothing.
//   - Communities and keys are in no error, log or text.
package snmp
