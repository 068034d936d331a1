package passive

// Stats counts what a Reader met, above all what it could not decode. Counters are of
// all its files together.
type Stats struct {
	Packets          uint64 // read from files
	Bytes            uint64 // in them, as captured
	UntimedPackets   uint64 // without a time, as simple packet blocks of pcapng are: not decoded
	UnknownLinks     uint64 // packets of a link type that is not known
	OtherPackets     uint64 // of other protocols or ports, and empty ones of connections not begun
	MalformedPackets uint64 // with broken headers of IP, TCP or UDP
	CutPackets       uint64 // captured in part
	DroppedFragments uint64 // IP packets that were not complete, or whose fragments overlap

	Connections        uint64 // TCP connections of ours
	DroppedConnections uint64 // forgotten for MaxConnections: what they had under way is lost
	Datagrams          uint64 // UDP datagrams of ours
	Retransmitted      uint64 // TCP segments with nothing new
	Reordered          uint64 // TCP segments that came before one that belongs before them
	Gaps               uint64 // holes in TCP connections that were not filled
	MissingBytes       uint64 // in these holes
	SkippedBytes       uint64 // passed over behind holes and damage, until a message began, or of messages cut by them

	Messages        uint64 // seen whole
	Requests        uint64 // among them
	Answers         uint64 // among them, exceptions included
	Exceptions      uint64 // answers that refuse
	Notifications   uint64 // traps, and data changes of OPC UA
	Malformed       uint64 // messages, or places in streams, that break the protocol
	Encrypted       uint64 // messages that cannot be read without keys
	Unpaired        uint64 // answers whose request was not captured
	Ambiguous       uint64 // answers that may belong to several requests
	Repeated        uint64 // requests that were made once more before their answer
	Unanswered      uint64 // requests without an answer
	DroppedRequests uint64 // forgotten for a limit, with a connection, or at the end of the capture
	UnknownItems    uint64 // values of monitored items of OPC UA whose making was not captured
}
