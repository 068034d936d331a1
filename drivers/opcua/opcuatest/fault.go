package opcuatest

import (
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"time"
)

// Exchange is one request together with the answer about to be sent. A [Fault] edits it. It is valid during the call of the fault
// only, and the functions it is given are called once, later.
type Exchange struct {
	Conn    int    // ordinal of the connection on this server, from 1
	N       int    // ordinal of the answer on this server, from 1
	Service string // "Hello", "OpenSecureChannel", "Read", "Publish", ...
	Renewal bool   // of an OpenSecureChannel: a later one on its channel

	// One of these is there where it fits, for editing before the answer is encoded.
	Acknowledge  *Acknowledge  // of Hello
	Opening      *Opening      // of OpenSecureChannel
	Proof        *Proof        // of CreateSession
	Notification *Notification // of Publish and Republish
	Past         []Past        // of a HistoryRead of events, by the nodes that were asked for

	Status Status // of the service: what is not good goes out as a ServiceFault
	Handle uint32 // of the request, in the header of the response
	Type   uint32 // of the encoding of the response, in namespace 0
	// Body, if not nil, replaces what is sent as a message: type, header and the rest.
	Body func([]byte) []byte
	// ChunkSize bounds the bytes of a body in one chunk; 0 means what the client takes.
	ChunkSize int
	// Chunks, if not nil, edits the chunks before they are signed and encrypted. What it returns beyond those it got is sent too.
	Chunks func([]Chunk) []Chunk
	// Wire, if not nil, edits what goes out.
	Wire func([]byte) []byte
	// Endless, if not nil, is called for one more piece of what goes out after the answer, until it returns nil or the connection ends. Its
	// argument counts from 0. Pieces are sent as they are.
	Endless func(n int) []byte
	// EndlessChunks is like it for chunks, which are protected as the answer is.
	EndlessChunks func(n int) *Chunk

	Delay  time.Duration // waits before writing and holds up what follows on this connection
	Pieces []int         // lengths of the first segments; what is left follows as the last one
	Pause  time.Duration // between segments
	Drop   bool          // writes nothing
	Close  bool          // closes the connection after the answer, or in its place if Drop is set
	Reset  bool          // as Close, but a TCP connection is aborted
}

// Acknowledge is what the server answers to a hello (OPC 10000-6, section 7.1.2.4).
type Acknowledge struct {
	Version uint32 // of the protocol
	Receive uint32 // bytes of the largest chunk that the server takes
	Send    uint32 // bytes of the largest chunk that it sends
	Message uint32 // bytes of the longest request that it takes; 0 means any
	Chunks  uint32 // of a request; 0 means any number
}

// Opening is what an OPN chunk says.
type Opening struct {
	Policy     string    // URI in the header
	Identity   Identity  // whose certificate is in the header, and whose key signs
	Thumbprint []byte    // of the client's certificate
	Nonce      []byte    // of the server
	Channel    uint32    // id
	Token      uint32    // id
	Lifetime   uint32    // milliseconds
	Created    time.Time // of the token
	Plain      bool      // neither signed nor encrypted, and without certificates
}

// Proof is how a server proves itself in CreateSession.
type Proof struct {
	Certificate []byte  // of the server, DER
	Nonce       []byte  // of the server
	Signature   []byte  // over the client's certificate and nonce
	Algorithm   string  // URI, of Signature
	Timeout     float64 // of the session, milliseconds
}

// Notification is what surrounds a notification message.
type Notification struct {
	Subscription uint32   // id; Republish does not say it
	Sequence     uint32   // number of the message
	Available    []uint32 // numbers that Republish can give; of Publish
	More         bool     // there is more to publish; of Publish
}

// Chunk is one chunk of a message before its protection.
type Chunk struct {
	Kind     string // "MSGF", "MSGC", "MSGA", "OPNF"
	Channel  uint32 // id
	Token    uint32 // id; not in an OPN
	Sequence uint32 // number
	Request  uint32 // id
	Body     []byte // its part of the message
	// Forge leaves a wrong signature, if there is one. Size, if not 0, replaces that in the header.
	Forge bool
	Size  uint32
	// Padding, if not 0, is added to every byte of the padding, the one that says its length among them, and then signed; without
	// encryption, nothing.
	Padding byte
}

// Fault edits exchanges. A server calls it for one exchange at a time, whatever the number of connections, so a function
// that keeps a count needs no lock of its own unless others read it. The ready-made faults leave an exchange as it is where they make no
// sense. The zero value, nil, changes nothing.
type Fault func(*Exchange)

// On limits a fault to answers of one service, by its name without Request: "Read".
func On(service string, f Fault) Fault {
	return func(x *Exchange) {
		if x.Service == service && f != nil {
			f(x)
		}
	}
}

// Nth applies a fault to the n-th exchange that the result sees, from 1, alone.
func Nth(n int, f Fault) Fault {
	return func(x *Exchange) {
		if n--; n == 0 {
			f(x)
		}
	}
}

// After applies a fault to all exchanges but the first n.
func After(n int, f Fault) Fault {
	return func(x *Exchange) {
		if n--; n < 0 {
			f(x)
		}
	}
}

// All applies faults one after the other.
func All(faults ...Fault) Fault {
	faults = slices.Clone(faults)
	return func(x *Exchange) {
		for _, f := range faults {
			if f != nil {
				f(x)
			}
		}
	}
}

// Delay holds up every answer, and all that follow on its connection.
func Delay(d time.Duration) Fault { return func(x *Exchange) { x.Delay += d } }

// Silence sends no answer.
func Silence() Fault { return func(x *Exchange) { x.Drop = true } }

// Closing sends the answer and closes the connection. Together with [Silence] it closes without one.
func Closing() Fault { return func(x *Exchange) { x.Close = true } }

// Resetting sends no answer and aborts the connection; over TCP the client sees a reset.
func Resetting() Fault { return func(x *Exchange) { x.Drop, x.Reset = true, true } }

// Cut sends the first n bytes of the answer and closes the connection, or leaves it open.
func Cut(n int, closing bool) Fault {
	return func(x *Exchange) {
		x.Close = closing
		wire(x, func(b []byte) []byte { return b[:max(0, min(n, len(b)))] })
	}
}

// Drip sends the first n bytes one by one with a pause after each.
func Drip(n int, pause time.Duration) Fault {
	return func(x *Exchange) { x.Pieces, x.Pause = slices.Repeat([]int{1}, n), pause }
}

// Twice sends the answer two times in a row.
func Twice() Fault {
	return func(x *Exchange) { wire(x, func(b []byte) []byte { return append(b, b...) }) }
}

// Instead sends these bytes.
func Instead(b []byte) Fault {
	b = slices.Clone(b)
	return func(x *Exchange) { wire(x, func([]byte) []byte { return slices.Clone(b) }) }
}

// Erring sends an ERR message and closes the connection (OPC 10000-6, section 7.1.2.5).
func Erring(status Status, reason string) Fault {
	b := binary.LittleEndian.AppendUint32([]byte("ERRF\x00\x00\x00\x00"), uint32(status))
	b = append(appendLength(b, len(reason)), reason...)
	binary.LittleEndian.PutUint32(b[4:], uint32(len(b)))
	return All(Instead(b), Closing())
}

// Acknowledging answers hello with other sizes.
func Acknowledging(a Acknowledge) Fault {
	return func(x *Exchange) {
		if x.Acknowledge != nil {
			*x.Acknowledge = a
		}
	}
}

// opening edits the answer to OpenSecureChannel.
func opening(edit func(*Opening)) Fault {
	return func(x *Exchange) {
		if x.Opening != nil {
			edit(x.Opening)
		}
	}
}

// Downgraded opens the channel with policy None, whatever was asked: neither signed nor encrypted, as whoever has no key can.
func Downgraded() Fault {
	return opening(func(o *Opening) { o.Policy, o.Plain = PolicyNone.URI(), true })
}

// Impersonated opens the channel with a certificate of somebody else, signed with that one's key.
func Impersonated(by Identity) Fault { return opening(func(o *Opening) { o.Identity = by }) }

// Unproved opens the channel with the server's certificate, signed with another key.
func Unproved(by Identity) Fault { return opening(func(o *Opening) { o.Identity.Key = by.Key }) }

// WithoutNonce opens the channel without a nonce of the server.
func WithoutNonce() Fault { return opening(func(o *Opening) { o.Nonce = nil }) }

// Lifetime revises the life of tokens, to milliseconds. The server itself goes by what it would have said.
func Lifetime(d time.Duration) Fault {
	return opening(func(o *Opening) { o.Lifetime = uint32(d / time.Millisecond) })
}

// Dated says that tokens were made that much earlier or, if negative, later.
func Dated(ago time.Duration) Fault {
	return opening(func(o *Opening) { o.Created = o.Created.Add(-ago) })
}

// proof edits how the server proves itself.
func proof(edit func(*Proof)) Fault {
	return func(x *Exchange) {
		if x.Proof != nil {
			edit(x.Proof)
		}
	}
}

// OtherCertificate shows a certificate in CreateSession that is not the channel's.
func OtherCertificate(der []byte) Fault { return proof(func(p *Proof) { p.Certificate = der }) }

// FalseSignature signs nothing that was asked for in CreateSession.
func FalseSignature() Fault {
	return proof(func(p *Proof) {
		p.Signature = slices.Clone(p.Signature)
		for i := range p.Signature {
			p.Signature[i] ^= 0x55
		}
	})
}

// NoSignature sends no signature in CreateSession.
func NoSignature() Fault { return proof(func(p *Proof) { p.Signature, p.Algorithm = nil, "" }) }

// ShortNonce sends a nonce of so many bytes in CreateSession.
func ShortNonce(n int) Fault {
	return proof(func(p *Proof) { p.Nonce = p.Nonce[:min(n, len(p.Nonce))] })
}

// Failing answers with a service fault.
func Failing(status Status) Fault {
	return func(x *Exchange) {
		if x.message() {
			x.Status = status
		}
	}
}

// WrongHandle answers for another request, as the header of the response has it.
func WrongHandle() Fault { return func(x *Exchange) { x.Handle ^= 0x5555 } }

// WrongType answers with the right body and the type of another response.
func WrongType(encoding uint32) Fault { return func(x *Exchange) { x.Type = encoding } }

func (x *Exchange) message() bool { return x.Acknowledge == nil && x.Opening == nil }

// wire adds an edit of what goes out.
func wire(x *Exchange, edit func([]byte) []byte) {
	before := x.Wire
	x.Wire = func(b []byte) []byte {
		if before != nil {
			b = before(b)
		}
		return edit(b)
	}
}

// body adds an edit of a message.
func body(edit func([]byte) []byte) Fault {
	return func(x *Exchange) {
		if !x.message() {
			return
		}
		before := x.Body
		x.Body = func(b []byte) []byte {
			if before != nil {
				b = before(b)
			}
			return edit(b)
		}
	}
}

// chunks adds an edit of each chunk.
func chunks(edit func(*Chunk)) Fault {
	return func(x *Exchange) {
		before := x.Chunks
		x.Chunks = func(list []Chunk) []Chunk {
			if before != nil {
				list = before(list)
			}
			for i := range list {
				edit(&list[i])
			}
			return list
		}
	}
}

// Chunked sends messages in chunks of at most n bytes of the body.
func Chunked(n int) Fault { return func(x *Exchange) { x.ChunkSize = n } }

// WrongChannel names another channel.
func WrongChannel() Fault { return chunks(func(c *Chunk) { c.Channel ^= 0x5555 }) }

// WrongToken names a token that the server never gave.
func WrongToken() Fault { return chunks(func(c *Chunk) { c.Token ^= 0x5555 }) }

// WrongSequence leaves out a sequence number of chunks.
func WrongSequence() Fault { return chunks(func(c *Chunk) { c.Sequence += 2 }) }

// WrongRequest answers a request that was never sent.
func WrongRequest() Fault { return chunks(func(c *Chunk) { c.Request ^= 0x555555 }) }

// WrongKind sends chunks of another kind, such as "MSGX" or "OPNF".
func WrongKind(kind string) Fault { return chunks(func(c *Chunk) { c.Kind = kind }) }

// WrongSize announces another size of chunks.
func WrongSize(size uint32) Fault { return chunks(func(c *Chunk) { c.Size = size }) }

// Forged breaks the signature of chunks; without one, nothing.
func Forged() Fault { return chunks(func(c *Chunk) { c.Forge = true }) }

// Mispadded adds a number to every byte of the padding of chunks, under a right signature: only who has the keys can do that.
func Mispadded(by byte) Fault { return chunks(func(c *Chunk) { c.Padding = by }) }

// Aborting sends an abort in place of the last chunk (OPC 10000-6, section 6.7.3).
func Aborting(status Status, reason string) Fault {
	return chunks(func(c *Chunk) {
		if c.Kind == "MSGF" {
			c.Kind = "MSGA"
			c.Body = binary.LittleEndian.AppendUint32(nil, uint32(status))
			c.Body = append(appendLength(c.Body, len(reason)), reason...)
		}
	})
}

// EndlessMessage follows the first chunk of an answer by intermediate ones of that many bytes, without end.
func EndlessMessage(size int) Fault {
	return func(x *Exchange) {
		if !x.message() {
			return
		}
		var model Chunk
		chunks(func(c *Chunk) { c.Kind = "MSGC"; model = *c })(x)
		x.EndlessChunks = func(n int) *Chunk {
			c := model
			c.Sequence, c.Body = model.Sequence+1+uint32(n), make([]byte, size)
			return &c
		}
	}
}

// EndlessRequests sends, in place of an answer, intermediate chunks that each begin an answer to another request.
func EndlessRequests(size int) Fault {
	return func(x *Exchange) {
		if !x.message() {
			return
		}
		EndlessMessage(size)(x)
		next := x.EndlessChunks
		x.EndlessChunks = func(n int) *Chunk {
			c := next(n)
			c.Request += 1000 + uint32(n)
			return c
		}
	}
}

// Truncated cuts messages to their first n bytes.
func Truncated(n int) Fault { return body(func(b []byte) []byte { return b[:min(n, len(b))] }) }

// Extended adds n bytes of zero to messages.
func Extended(n int) Fault {
	return body(func(b []byte) []byte { return append(b, make([]byte, n)...) })
}

// Mutated changes up to n bytes of messages, by a seed.
func Mutated(seed uint64, n int) Fault {
	r := rand.New(rand.NewPCG(seed, 0))
	return body(func(b []byte) []byte {
		for range 1 + r.IntN(max(1, n)) {
			if len(b) == 0 {
				break
			}
			i := r.IntN(len(b))
			switch r.IntN(4) {
			case 0:
				b[i] ^= 1 << r.IntN(8)
			case 1:
				b[i] = byte(r.Uint32())
			case 2:
				if i+4 <= len(b) {
					copy(b[i:], [][]byte{{0xFF, 0xFF, 0xFF, 0x7F}, {0xFF, 0xFF, 0xFF, 0xFF}, {0xFE, 0xFF, 0xFF, 0xFF}, {0, 0, 0, 0x80}}[r.IntN(4)])
				}
			case 3:
				b = b[:i]
			}
		}
		return b
	})
}

// headerEnd is where the body of a response begins behind its type and header, as this server writes them.
const headerEnd = 4 + 8 + 4 + 4 + 1 + 4 + 3

// StringTable announces a string table of so many entries in the header of responses.
func StringTable(n int32) Fault {
	return body(func(b []byte) []byte {
		if len(b) >= headerEnd {
			binary.LittleEndian.PutUint32(b[21:], uint32(n))
		}
		return b
	})
}

// Diagnostics nests the diagnostics in the header of responses so deep.
func Diagnostics(depth int) Fault {
	return body(func(b []byte) []byte {
		if len(b) < headerEnd {
			return b
		}
		return slices.Concat(b[:20], slices.Repeat([]byte{0x40}, depth), []byte{0}, b[21:])
	})
}

// Results announces so many results in responses that are lists, such as that of Read.
func Results(n int32) Fault {
	return body(func(b []byte) []byte {
		if len(b) >= headerEnd+4 {
			binary.LittleEndian.PutUint32(b[headerEnd:], uint32(n))
		}
		return b
	})
}

// Answering sends every result of a Read as this value, such as one of the hostile ones: [DeepVariant], [ArrayOf], [MatrixOf].
func Answering(value any) Fault {
	return On("Read", body(func(b []byte) []byte {
		if len(b) < headerEnd+4 {
			return b
		}
		n := binary.LittleEndian.Uint32(b[headerEnd:])
		b = b[:headerEnd+4]
		for range n {
			b = appendDataValue(b, Reading{Value: value}, time.Time{}, 0)
		}
		return append(b, 0xFF, 0xFF, 0xFF, 0xFF)
	}))
}

// DeepVariant is a variant in a variant, and so on.
func DeepVariant(depth int) Raw { return append(slices.Repeat([]byte{typeVariant}, depth), 1, 1) }

// ArrayOf is an array of a built-in type that announces a length and has no elements.
func ArrayOf(kind byte, length int32) Raw {
	return binary.LittleEndian.AppendUint32([]byte{kind | 0x80}, uint32(length))
}

// MatrixOf is an array of no elements whose dimensions say something else.
func MatrixOf(kind byte, dimensions ...int32) Raw {
	b := binary.LittleEndian.AppendUint32([]byte{kind | 0xC0}, 0)
	b = appendLength(b, len(dimensions))
	for _, d := range dimensions {
		b = binary.LittleEndian.AppendUint32(b, uint32(d))
	}
	return b
}

// notification edits what is published.
func notification(edit func(*Notification)) Fault {
	return func(x *Exchange) {
		if x.Notification != nil {
			edit(x.Notification)
		}
	}
}

// SequenceGap adds n to the sequence number of a message.
func SequenceGap(n uint32) Fault { return notification(func(m *Notification) { m.Sequence += n }) }

// UnknownSubscription publishes for a subscription that nobody asked for.
func UnknownSubscription() Fault {
	return notification(func(m *Notification) { m.Subscription ^= 0x5555 })
}

// AvailableList announces so many messages as there for Republish.
func AvailableList(n int) Fault {
	return notification(func(m *Notification) {
		m.Available = make([]uint32, n)
		for i := range m.Available {
			m.Available[i] = uint32(i + 1)
		}
	})
}
