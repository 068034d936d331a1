package passive

import (
	"iter"
	"net/netip"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/drivers/opcua"
	"github.com/fieldtap/fieldtap/drivers/snmp"
	"github.com/fieldtap/fieldtap/internal/uabin"
)

// Protocol is what is spoken on a connection.
type Protocol uint8

// The protocols.
const (
	Modbus Protocol = iota + 1 // Modbus/TCP, and RTU frames over TCP
	SNMP                       // over UDP and TCP
	OPCUA                      // OPC UA Connection Protocol over TCP
)

// String returns the protocol's name.
func (p Protocol) String() string {
	switch p {
	case Modbus:
		return "Modbus"
	case SNMP:
		return "SNMP"
	case OPCUA:
		return "OPC UA"
	}
	return "no protocol"
}

// Place is where in the captures something stands.
type Place struct {
	File  int             // index into the files of the Reader
	Frame int             // number of the packet in its file, from 1; 0: nowhere
	Time  acquire.Instant // when it was captured
}

// Observation is one message, seen whole: in a packet, or in the last of several that it
// took. It is valid until the next call of Reader.Next, and so is all it refers to.
type Observation struct {
	Place                // of the packet that completed it
	Index       int      // among the messages that this packet completed, from 0
	Protocol    Protocol // which of the three below holds
	Client      netip.AddrPort
	Server      netip.AddrPort // the device
	FromServer  bool           // the server sent it
	Request     Place          // of an answer, the request it belongs to; no Frame: it was not captured
	Unanswered  bool           // no message: a request that got no answer, in vain until Time
	Interrupted bool           // of one that is Unanswered: the connection ended
	// Gaps is how many holes there are before it in what its sender sent on this
	// connection: bytes, and perhaps messages, that were not captured.
	Gaps int

	// Err is why a message could not be read, or only in part: it is malformed, an
	// answer without its request (ErrUnpaired), one that may belong to several
	// (ErrAmbiguous), or encrypted (ErrEncrypted).
	Err error

	Modbus ModbusMessage
	SNMP   SNMPMessage
	OPCUA  OPCUAMessage
}

// ModbusMessage is one PDU with its addressing.
type ModbusMessage struct {
	RTU         bool   // framed as on a serial line, without a transaction id
	Transaction uint16 // transaction id
	Unit        byte   // unit identifier, or address on the line
	PDU         []byte // function code and data; nil if Unanswered
	Request     []byte // PDU of the request: of an answer that has one, or Unanswered
}

// Exception returns the exception code of an answer that is one, else 0.
func (m *ModbusMessage) Exception() byte {
	if len(m.PDU) == 2 && m.PDU[0]&0x80 != 0 {
		return m.PDU[1]
	}
	return 0
}

// SNMPMessage is one message.
type SNMPMessage struct {
	Version     int              // 1, 2 for 2c, or 3
	Community   []byte           // of versions 1 and 2c; of 3 the name of the user
	Type        PDUType          // zero: it could not be read
	RequestID   int32            // of traps of version 1 none
	ErrorStatus snmp.ErrorStatus // of a GetBulkRequest none
	ErrorIndex  int32            // of a GetBulkRequest none
	Message     []byte           // as it was on the wire; nil if Unanswered
	Request     []byte           // the same of the request: of an answer that has one, or Unanswered
}

// Variables returns the variable bindings. They are valid as long as the message.
func (m *SNMPMessage) Variables() iter.Seq[snmp.Variable] { return snmp.MessageVariables(m.Message) }

// PDUType is a kind of SNMP PDU, by its tag (RFC 3416, section 3).
type PDUType byte

// The PDUs.
const (
	GetRequest     PDUType = 0xA0
	GetNextRequest PDUType = 0xA1
	Response       PDUType = 0xA2
	SetRequest     PDUType = 0xA3
	TrapV1         PDUType = 0xA4
	GetBulkRequest PDUType = 0xA5
	InformRequest  PDUType = 0xA6
	TrapV2         PDUType = 0xA7
	Report         PDUType = 0xA8
)

// String returns the standard's name, such as "GetRequest".
func (t PDUType) String() string {
	switch t {
	case GetRequest:
		return "GetRequest"
	case GetNextRequest:
		return "GetNextRequest"
	case Response:
		return "Response"
	case SetRequest:
		return "SetRequest"
	case TrapV1:
		return "Trap"
	case GetBulkRequest:
		return "GetBulkRequest"
	case InformRequest:
		return "InformRequest"
	case TrapV2:
		return "SNMPv2-Trap"
	case Report:
		return "Report"
	}
	return "no PDU"
}

// OPCUAMessage is one message of one or more chunks.
type OPCUAMessage struct {
	Type      string           // of the message: HEL, ACK, OPN, MSG, CLO, ERR or RHE
	Chunk     byte             // of its last chunk: 'F' final, 'A' given up
	Chunks    int              // how many it took
	Size      int              // of the last chunk with its header, in bytes
	Channel   uint32           // id of the secure channel
	RequestID uint32           // of the channel, the same in request and response
	Service   uint32           // id of the encoding of the body, in namespace 0; 0: not readable
	Result    opcua.StatusCode // of a response
	Time      acquire.Instant  // when it was sent, by the sender's clock; 0: it does not say
	// Subscription is that of a CreateMonitoredItems or Publish; 0: none.
	Subscription uint32
	Sequence     uint32 // of the notification of a Publish response
	Lost         bool   // notifications before this one are missing
	// Items are what a Read, Write, CreateMonitoredItems or Publish is about, in their
	// order, and of an Unanswered Read what it asked for.
	Items []OPCUAItem
}

// OPCUAItem is a value, or the wish for one.
type OPCUAItem struct {
	Node      opcua.NodeID // "": of a notification whose monitored item was not seen
	Attribute uint32       // 13 is the value
	Range     string       // the part of an array that was asked for, "" all
	Handle    uint32       // the client's, of a monitored item
	First     bool         // the first value of a monitored item
	Value     []byte       // a DataValue in OPC UA Binary; nil in requests for values
}

// AttributeValue is the attribute of a node that is its value (OPC 10000-4, annex A).
const AttributeValue = 13

// value decodes the DataValue.
func (i *OPCUAItem) value() (uabin.DataValue, error) {
	r := uabin.NewReader(i.Value)
	v := r.DataValue()
	return v, r.End()
}
