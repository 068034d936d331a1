package snmptest

import "github.com/fieldtap/fieldtap/internal/snmpwire"

// Version is the version field of a message.
type Version int32

// The versions, by their numbers on the wire.
const (
	V1  Version = 0 // RFC 1157
	V2c Version = 1 // RFC 1901
	V3  Version = 3 // RFC 3412
)

// PDUType is the tag of a PDU.
type PDUType byte

// The PDUs of RFC 1157 and RFC 3416, section 3.
const (
	ReadRequest   PDUType = 0xA0 // GetRequest
	NextRequest   PDUType = 0xA1 // GetNextRequest
	Response      PDUType = 0xA2
	SetRequest    PDUType = 0xA3
	TrapV1        PDUType = 0xA4
	BulkRequest   PDUType = 0xA5 // GetBulkRequest
	InformRequest PDUType = 0xA6
	TrapV2        PDUType = 0xA7
	Report        PDUType = 0xA8
)

// Binding is one variable binding. An identifier that is malformed is sent as 0.0.
type Binding struct {
	OID   string // in digits, without a leading point
	Value Value  // what it is bound to, Null in a request
}

// PDU is a protocol data unit taken apart.
type PDU struct {
	Type      PDUType   // what the PDU is for
	RequestID int32     // tells responses apart
	Status    int32     // error-status; of a GetBulkRequest, non-repeaters
	Index     int32     // error-index; of a GetBulkRequest, max-repetitions
	Bindings  []Binding // in the order of the message
}

// open takes a PDU apart, which has passed wellFormed.
func open(p *snmpwire.PDU) PDU {
	o := PDU{Type: PDUType(p.Type), RequestID: p.RequestID, Status: p.ErrorStatus, Index: p.ErrorIndex}
	for list := p.Bindings; len(list) > 0; {
		b, rest, err := snmpwire.NextBinding(list)
		if err != nil {
			break
		}
		o.Bindings = append(o.Bindings, Binding{string(snmpwire.AppendOIDText(nil, b.Name)), Value{b.Tag, string(b.Value)}})
		list = rest
	}
	return o
}

func (p *PDU) close() snmpwire.PDU {
	return snmpwire.PDU{Type: snmpwire.PDUType(p.Type), RequestID: p.RequestID, ErrorStatus: p.Status, ErrorIndex: p.Index,
		Bindings: closeBindings(p.Bindings)}
}

func closeBindings(bindings []Binding) []byte {
	var list []byte
	for _, b := range bindings {
		name, err := snmpwire.AppendOID(nil, b.OID)
		if err != nil {
			name = []byte{0}
		}
		list = bind(list, name, b.Value)
	}
	return list
}

// Message is a message taken apart.
type Message struct {
	Version   Version // decides which of the other fields count
	Community string  // of versions 1 and 2c
	PDU       PDU     // without type if it is encrypted and could not be read

	// Of version 3. An edited reply is authenticated and encrypted after the edit, as its level says, with the user's keys for its
	// engine.
	ID            int32  // tells answers apart, Reports included
	Level         Level  // how it is secured
	Engine        string // octets of the authoritative engine id
	Boots, Time   int32  // of that engine; time in seconds
	User          string // the name
	ContextEngine string // octets of the id of the engine that has the context
	Context       string // the name
}
