package wire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/fieldtap/fieldtap/internal/uabin"
)

// OPCUA is OPC UA Binary over TCP (OPC 10000-6, section 7.2). Passwords and issued
// tokens of ActivateSession are masked; names of users and the token of a session, which
// ends with it, are not. Chunks of a channel that encrypts are recorded as they are.
//
// Sessions without security can be played, as far as the client sends the same requests
// in the same order; times, nonces and signatures may differ. A driver checks the
// server's times, so give it the clock of the recording: [Peer.Now]. A session with
// security that was recorded in plain form (see [Recorder.Plaintext]) is played, with
// Unsecured, to a driver without security.
type OPCUA struct {
	// Unsecured has endpoints offered as if they had no security, which a driver without
	// would not choose. Logins keep what secures them. A list of endpoints that takes
	// more than one chunk stays as it is.
	Unsecured bool
}

var _ Protocol = OPCUA{}

const (
	uaHeader    = 8       // kind of message and of chunk, size (OPC 10000-6, section 7.1.2.2)
	uaSymmetric = 24      // of a MSG chunk: header, channel, token, sequence number, request id
	uaRequestID = 20      // of a MSG chunk
	maxChunk    = 1 << 24 // what a length is believed to

	// Numbers of encodings (OPC 10000-6, NodeIds.csv).
	createSession   = 461
	activateSession = 467
	userNameToken   = 324
	anonymousToken  = 321
	x509Token       = 327
	issuedToken     = 940
)

// Port returns 4840, which IANA has assigned to OPC UA.
func (OPCUA) Port() uint16 { return 4840 }

// Next cuts by the size in the header of a chunk.
func (OPCUA) Next(b []byte) (int, error) {
	if len(b) < uaHeader {
		return 0, nil
	}
	n := binary.LittleEndian.Uint32(b[4:])
	switch string(b[:3]) {
	case "HEL", "ACK", "ERR", "RHE", "OPN", "CLO", "MSG":
	default:
		return 0, fmt.Errorf("wire: OPC UA chunk of kind %q", b[:3])
	}
	if n < uaHeader || n > maxChunk {
		return 0, fmt.Errorf("wire: OPC UA chunk of %d bytes", n)
	}
	return int(n), nil
}

// ID returns the request id of a chunk. That of an OPN chunk is found without
// security alone.
func (OPCUA) ID(message []byte) (uint64, bool) {
	c := chunkOf(message)
	return uint64(c.request), c.ok
}

// Match compares the kind of chunk; of a request its service, and what stands behind
// its header. Of CreateSession and ActivateSession, which hold nonces, proofs and
// secrets, and of chunks that are not the first of a message or are encrypted, the
// kind alone.
func (OPCUA) Match(recorded, request []byte) error {
	if len(recorded) < uaHeader || len(request) < uaHeader || !bytes.Equal(recorded[:4], request[:4]) {
		return errDiffers
	}
	if string(recorded[:3]) != "MSG" {
		return nil
	}
	a, b := chunkOf(recorded), chunkOf(request)
	if a.ok != b.ok || a.service != b.service {
		return fmt.Errorf("asks for service %d, recorded is %d", b.service, a.service)
	}
	if !a.ok || a.service == createSession || a.service == activateSession {
		return nil
	}
	x, y := uabin.NewReader(a.body), uabin.NewReader(b.body)
	if requestHeader(&x); x.Err() != nil {
		return nil
	}
	if requestHeader(&y); y.Err() != nil {
		return errDiffers
	}
	if !bytes.Equal(x.Rest(), y.Rest()) {
		return errDiffers
	}
	return nil
}

// Answer replaces the request id and the handle of the request and, with Unsecured, what
// endpoints offer.
func (p OPCUA) Answer(dst, answer, recorded, request []byte) []byte {
	start := len(dst)
	dst = append(dst, answer...)
	if p.Unsecured {
		dst = unsecure(dst, start)
	}
	out := dst[start:]
	a, r, q := chunkOf(out), chunkOf(recorded), chunkOf(request)
	if !a.ok || !r.ok || !q.ok || a.request != r.request {
		return dst
	}
	binary.LittleEndian.PutUint32(out[a.idAt:], q.request)
	// A response begins with its type, a time, and the handle.
	x := uabin.NewReader(a.body)
	x.NodeID()
	x.Uint64()
	at := len(a.body) - len(x.Rest())
	if handle := x.Uint32(); x.Err() == nil && handle == r.handle {
		binary.LittleEndian.PutUint32(a.body[at:], q.handle)
	}
	return dst
}

const (
	noPolicy = "http://opcfoundation.org/UA/SecurityPolicy#None" // OPC 10000-7
	noMode   = 1                                                 // OPC 10000-4, section 7.20
)

// unsecure rewrites the chunk that begins at start, if it is a whole GetEndpointsResponse
// (OPC 10000-4, sections 5.5.4 and 7.14).
func unsecure(dst []byte, start int) []byte {
	c := chunkOf(dst[start:])
	if !c.ok || c.service != uabin.EndpointsResponseID {
		return dst
	}
	r := uabin.NewReader(c.body)
	r.Header()
	out := slices.Clone(dst[start : len(dst)-len(r.Rest())])
	n := r.Count(30)
	out = le.AppendUint32(out, uint32(n))
	copied := func(read func()) {
		before := r.Rest()
		read()
		out = append(out, before[:len(before)-len(r.Rest())]...)
	}
	for range n {
		copied(func() {
			r.Bytes() // URL
			r.Application()
			r.Bytes() // certificate
		})
		r.Uint32()
		policy := r.Bytes()
		out = appendBytes(le.AppendUint32(out, noMode), []byte(noPolicy))
		tokens := r.Count(20)
		out = le.AppendUint32(out, uint32(tokens))
		for range tokens {
			t := r.TokenPolicy()
			if len(t.Security) == 0 {
				t.Security = policy // which it goes by
			}
			out = le.AppendUint32(appendBytes(out, t.ID), t.Kind)
			for _, text := range [][]byte{t.Token, t.Issuer, t.Security} {
				out = appendBytes(out, text)
			}
		}
		copied(func() {
			r.Bytes() // transport
			r.Byte()  // level
		})
	}
	if r.End() != nil {
		return dst
	}
	le.PutUint32(out[4:], uint32(len(out)))
	return append(dst[:start], out...)
}

// appendBytes appends a ByteString or String, null where there is none.
func appendBytes(dst, b []byte) []byte {
	if b == nil {
		return le.AppendUint32(dst, 1<<32-1)
	}
	return append(le.AppendUint32(dst, uint32(len(b))), b...)
}

// number returns the sequence number of a chunk (OPC 10000-6, section 6.7.2.4).
func (OPCUA) number(message []byte) []byte {
	if c := chunkOf(message); c.ok {
		return message[c.idAt-4 : c.idAt]
	}
	return nil
}

func (OPCUA) continues(message []byte) bool {
	return len(message) > 3 && message[3] == 'C'
}

// Redactor returns what masks user tokens.
func (OPCUA) Redactor() Redactor { return new(userTokens) }

// chunk is what is legible of a MSG chunk, or of an OPN chunk without security.
type chunk struct {
	ok      bool
	idAt    int // where the request id stands
	request uint32
	handle  uint32 // of a request
	service uint32 // 0 if the body does not begin with a type
	body    []byte // from the type on
}

func chunkOf(message []byte) (c chunk) {
	if len(message) < uaSymmetric {
		return c
	}
	c.idAt = uaRequestID
	switch string(message[:3]) {
	case "MSG", "CLO":
	case "OPN":
		r := uabin.NewReader(message[12:]) // behind the channel id: policy, two certificates, sequence number
		r.Bytes()
		r.Bytes()
		r.Bytes()
		r.Uint32()
		c.idAt = len(message) - len(r.Rest())
		if r.Err() != nil || c.idAt+4 > len(message) {
			return c
		}
	default:
		return c
	}
	c.ok, c.request = true, binary.LittleEndian.Uint32(message[c.idAt:])
	c.body = message[c.idAt+4:]
	r := uabin.NewReader(c.body)
	if t := r.NodeID(); r.Err() == nil && t.Namespace == 0 && t.Kind == uabin.Numeric {
		c.service = t.Number
	}
	r.NodeID() // of a request: the token of the session
	r.Uint64()
	if handle := r.Uint32(); r.Err() == nil {
		c.handle = handle
	}
	return c
}

// requestHeader reads over the type and the header of a request (OPC 10000-4, section
// 7.33).
func requestHeader(r *uabin.Reader) {
	r.NodeID() // type
	r.NodeID() // token of the session
	r.Uint64() // timestamp
	r.Uint32() // handle
	r.Uint32() // diagnostics
	r.Bytes()  // audit entry
	r.Uint32() // timeout
	r.ExtensionObject()
}

// userTokens masks what is secret in the user tokens of ActivateSession. Where a request
// is cut into chunks or cannot be read to the end, the rest of it is masked whole.
type userTokens struct {
	request uint32 // whose further chunks are masked
	masking bool
}

var errNoUA = errors.New("wire: no OPC UA message")

func (t *userTokens) Redact(message []byte) (int, error) {
	if _, err := (OPCUA{}).Next(message); err != nil || len(message) < uaHeader {
		return 0, errNoUA
	}
	if len(message) < uaSymmetric || string(message[:3]) != "MSG" {
		return 0, nil
	}
	c := chunkOf(message)
	last := message[3] != 'C'
	if t.masking && c.request == t.request {
		t.masking = !last
		return mask(c.body), nil
	}
	if c.service != activateSession {
		return 0, nil
	}
	if !last {
		t.request, t.masking = c.request, true
	}
	return maskToken(c.body), nil
}

// maskToken masks the token of an ActivateSessionRequest (OPC 10000-4, section
// 5.6.3.2), and whatever is behind the place where it cannot be read.
func maskToken(body []byte) int {
	r := uabin.NewReader(body)
	requestHeader(&r)
	r.Bytes() // client signature: algorithm
	r.Bytes() // and signature
	for range r.Count(8) {
		r.Bytes() // certificate of software
		r.Bytes() // and its signature
	}
	for range r.Count(4) {
		r.Bytes() // locale
	}
	if r.Err() != nil {
		// The types of service and session say nothing; behind them may be anything.
		h := uabin.NewReader(body)
		h.NodeID()
		h.NodeID()
		h.Uint64()
		h.Uint32()
		if h.Err() != nil {
			return mask(body)
		}
		return mask(h.Rest())
	}
	behind := r.Rest()
	token := r.ExtensionObject()
	if r.Err() != nil || !token.Binary {
		return mask(behind)
	}
	if token.Type.Namespace != 0 || token.Type.Kind != uabin.Numeric {
		return mask(token.Body)
	}
	x := uabin.NewReader(token.Body)
	x.Bytes() // policy
	switch token.Type.Number {
	case anonymousToken, x509Token:
		return 0
	case userNameToken:
		x.Bytes()
	case issuedToken:
	default:
		return mask(token.Body)
	}
	secret := x.Bytes()
	if x.Err() != nil {
		return mask(token.Body)
	}
	return mask(secret)
}
