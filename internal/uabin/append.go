package uabin

import "encoding/binary"

// Encoding ids in namespace 0 of the requests that a client sends all the time (OPC
// 10000-6, annex A.3, NodeIds.csv). They are encoded here.
const (
	ReadRequestID    = 631
	PublishRequestID = 826
)

// null is the length of a String or ByteString that is none, and of an array that is
// none.
const null = "\xFF\xFF\xFF\xFF"

// RequestHeader is a RequestHeader (OPC 10000-4, section 7.33) and what stands before it.
// It asks for no diagnostics, and has no audit entry and no additional header.
type RequestHeader struct {
	ID     uint32 // of the encoding of the request, in namespace 0
	Token  []byte // AuthenticationToken: a NodeId as encoded
	Time   Time   // when the client sends it
	Handle uint32 // by which the response names the request
	Hint   uint32 // how many milliseconds the client waits; 0: it does not say
}

// Append appends what every request begins with.
func (h *RequestHeader) Append(dst []byte) []byte {
	dst = AppendNodeID(dst, 0, Numeric, h.ID, "")
	dst = append(dst, h.Token...)
	dst = binary.LittleEndian.AppendUint64(dst, uint64(h.Time))
	dst = binary.LittleEndian.AppendUint32(dst, h.Handle)
	dst = append(dst, 0, 0, 0, 0) // ReturnDiagnostics
	dst = append(dst, null...)    // AuditEntryId
	dst = binary.LittleEndian.AppendUint32(dst, h.Hint)
	return append(dst, 0, 0, 0) // AdditionalHeader
}

// AppendNodeID appends a NodeId in the shortest of its forms (section 5.2.2.9): a number,
// or an identifier of another kind, which of a GUID is its 16 bytes as encoded.
func AppendNodeID[T ~string | ~[]byte](dst []byte, namespace uint16, kind IDKind, number uint32, identifier T) []byte {
	switch {
	case kind == Numeric && namespace == 0 && number <= 0xFF:
		return append(dst, 0x00, byte(number))
	case kind == Numeric && namespace <= 0xFF && number <= 0xFFFF:
		return append(dst, 0x01, byte(namespace), byte(number), byte(number>>8))
	case kind == Numeric:
		dst = append(dst, 0x02, byte(namespace), byte(namespace>>8))
		return binary.LittleEndian.AppendUint32(dst, number)
	}
	dst = append(dst, 0x02+byte(kind), byte(namespace), byte(namespace>>8))
	if kind != GUID {
		dst = binary.LittleEndian.AppendUint32(dst, uint32(len(identifier)))
	}
	return append(dst, identifier...)
}

// AppendRead appends the body of a ReadRequest as far as its nodes, of which n follow,
// each a NodeId and AppendAttribute. The server is to look at its sources (MaxAge is 0), and
// to give both timestamps.
func AppendRead(dst []byte, n int) []byte {
	const both = 2 // TimestampsToReturn
	dst = append(dst, 0, 0, 0, 0, 0, 0, 0, 0, both, 0, 0, 0)
	return binary.LittleEndian.AppendUint32(dst, uint32(n))
}

// AppendAttribute appends what stands behind the NodeId of a ReadValueId: the whole of an
// attribute, in the server's own encoding.
func AppendAttribute(dst []byte, attribute uint32) []byte {
	dst = binary.LittleEndian.AppendUint32(dst, attribute)
	dst = append(dst, null...)                // IndexRange
	return append(append(dst, 0, 0), null...) // DataEncoding
}

// Acknowledgement is a SubscriptionAcknowledgement: a message that came.
type Acknowledgement struct {
	Subscription uint32 // id of the subscription that it is of
	Sequence     uint32 // number of the message
}

// AppendPublish appends the body of a PublishRequest.
func AppendPublish(dst []byte, acks []Acknowledgement) []byte {
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(acks)))
	for _, a := range acks {
		dst = binary.LittleEndian.AppendUint32(dst, a.Subscription)
		dst = binary.LittleEndian.AppendUint32(dst, a.Sequence)
	}
	return dst
}
