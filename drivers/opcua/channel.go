package opcua

import (
	"bytes"
	"context"
	"crypto/sha1"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/gopcua/opcua/ua"
	"github.com/gopcua/opcua/uapolicy"

	"github.com/fieldtap/fieldtap/internal/uabin"
)

// Limits of a connection (OPC 10000-6, section 7.1.2).
const (
	ourBuffer  = 64 << 10 // of a chunk, each way
	leastChunk = 8192     // that a peer must take: section 6.7.1
	mostChunk  = 1 << 20  // that we send to a peer that takes more
	mostReason = 4096     // of the text of an error, as section 7.1.2.5 has it
)

// channelConfig is what one secure channel needs to know.
type channelConfig struct {
	url        string // of the endpoint, as the server knows it
	policy     string // URI
	mode       ua.MessageSecurityMode
	key        keyPair // our own; none with mode None
	server     []byte  // the server's certificate, DER and judged already; nil with mode None
	lifetime   time.Duration
	timeout    time.Duration // of hello, and of the first OPN
	maxMessage int           // of a response, in bytes over all its chunks
	now        func() time.Time
	counters   *channelCounters
	plaintext  func(net.Conn) (sent, received func([]byte)) // of ClientConfig
}

// channel is a secure channel over one connection (OPC 10000-6, section 6.7). Its
// requests may come from any goroutine. It starts two goroutines, one that reads
// and one that renews the token; close returns when both have ended.
type channel struct {
	conn net.Conn
	cfg  channelConfig

	sendChunk    int // the largest chunk the server takes
	sendMessage  int // the longest message the server takes; 0: any
	sendChunks   int // the most chunks of a message it takes; 0: any
	asymmetric   seal
	senderHeader []byte // of an OPN, from the policy on

	writing  sync.Mutex // held for the chunks of one message
	out      []byte
	sequence uint32 // of the last chunk sent
	requests uint32 // the last request id
	plain    plaintext

	state    sync.Mutex // guards what follows
	id       uint32     // of the channel, given by the server
	current  token      // what is sent is protected by it
	previous token      // what comes may still be, until the server uses current
	waiting  map[uint32]*call
	answers  uint64 // that somebody waited for
	failure  error  // final

	held     bool   // a session was activated, and not asked to end
	mute     bool   // a request was not answered in time, nor was any other since it was sent
	muteFrom uint32 // the last request before that was seen

	renewing   *call // the OPN under way
	renewNonce []byte

	received uint32 // sequence number of the last chunk received; of the reader
	begun    bool   // there was one

	ended  chan struct{} // closed with failure set
	inner  sync.WaitGroup
	pools  sync.Pool // of *call
	buffer sync.Pool // of *message
}

// token is one SecurityToken with its keys.
type token struct {
	id       uint32
	valid    bool
	seal     seal
	lifetime time.Duration
	since    time.Time
}

// covers reports whether a chunk that names a token's id may be under it. Section
// 6.7.4: an old one holds a quarter of its life longer than it says.
func (t token) covers(id uint32, now time.Time) bool {
	return t.valid && id == t.id && now.Sub(t.since) <= t.lifetime*5/4
}

// call is one request under way.
type call struct {
	id      uint32
	handle  uint32
	answer  chan *message // of one
	sink    chan *call    // if it is not nil, takes the call with got set, in place of answer
	got     *message
	partial *message // chunks so far; of the reader
	chunks  int
	after   uint64 // how many answers there had been when it was sent
}

// message is a response, whole. Its body is valid until release.
type message struct {
	body    []byte
	err     error // in place of a body
	channel *channel
}

func (m *message) release() {
	if m.channel != nil && cap(m.body) <= 4*ourBuffer {
		m.body, m.err = m.body[:0], nil
		m.channel.buffer.Put(m)
	}
}

// openChannel says hello and opens a secure channel on a connection, which it
// closes if that fails.
func openChannel(ctx context.Context, conn net.Conn, cfg channelConfig) (*channel, error) {
	c := &channel{conn: conn, cfg: cfg, waiting: make(map[uint32]*call), ended: make(chan struct{})}
	if cfg.plaintext != nil && cfg.mode != ua.MessageSecurityModeNone {
		c.plain.sent, c.plain.received = cfg.plaintext(conn)
	}
	// The end of ctx interrupts reading and writing.
	stop := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })
	err := c.step(ctx, "Hello", c.hello)
	if err == nil {
		err = c.step(ctx, "OpenSecureChannel", c.open)
	}
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	conn.SetDeadline(time.Time{})
	c.inner.Add(2)
	go c.read()
	go c.keep()
	return c, nil
}

// step does one exchange of the opening within its time, however slowly what belongs to
// it comes.
func (c *channel) step(ctx context.Context, service string, do func() error) error {
	deadline := time.Now().Add(c.cfg.timeout)
	if d, ok := ctx.Deadline(); ok && d.Before(deadline) {
		deadline = d
	}
	if err := c.conn.SetDeadline(deadline); err != nil {
		return lost(err)
	}
	if err := ctx.Err(); err != nil { // what interrupted the connection may be undone now
		return err
	}
	err := do()
	late, ok := errors.AsType[net.Error](err)
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case !ok || !late.Timeout():
		return err
	}
	if d, ok := ctx.Deadline(); ok && !time.Now().Before(d) {
		return context.DeadlineExceeded // the connection saw it first
	}
	c.cfg.counters.timeouts.Add(1)
	return &TimeoutError{Service: service, After: c.cfg.timeout}
}

// hello exchanges hello and acknowledge.
func (c *channel) hello() error {
	hello := binary.LittleEndian.AppendUint32(nil, 0) // protocol version
	hello = binary.LittleEndian.AppendUint32(hello, ourBuffer)
	hello = binary.LittleEndian.AppendUint32(hello, ourBuffer)
	hello = binary.LittleEndian.AppendUint32(hello, uint32(c.cfg.maxMessage))
	hello = binary.LittleEndian.AppendUint32(hello, uint32(c.maxChunks()))
	hello = appendText(hello, c.cfg.url)
	frame := append([]byte("HELF"), 0, 0, 0, 0)
	frame = append(frame, hello...)
	binary.LittleEndian.PutUint32(frame[4:], uint32(len(frame)))
	bare(c.plain.sent, frame)
	if _, err := c.conn.Write(frame); err != nil {
		return lost(err)
	}
	kind, chunk, err := c.readChunk(make([]byte, ourBuffer))
	if err != nil {
		return err
	}
	if kind != "ACKF" {
		return &ProtocolError{Reason: fmt.Sprintf("answer to hello is %q, want ACKF", kind)}
	}
	r := uabin.NewReader(chunk[8:])
	r.Uint32() // protocol version: every one begins like version 0
	receive, _ := r.Uint32(), r.Uint32()
	message, chunks := r.Uint32(), r.Uint32()
	if err := r.End(); err != nil {
		return &ProtocolError{Reason: "acknowledge: " + err.Error()}
	}
	if receive < leastChunk {
		return &ProtocolError{Reason: fmt.Sprintf("server takes chunks of %d bytes, want at least %d", receive, leastChunk)}
	}
	c.sendChunk = int(min(receive, ourBuffer, mostChunk))
	c.sendMessage = int(min(message, math.MaxInt32))
	c.sendChunks = int(min(chunks, math.MaxInt32))
	if c.cfg.mode != ua.MessageSecurityModeNone {
		if err := c.prepare(); err != nil {
			return err
		}
	} else {
		c.senderHeader = appendText(nil, c.cfg.policy)
		c.senderHeader = append(c.senderHeader, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF)
	}
	return nil
}

// prepare makes the asymmetric seal and the header that goes with it.
func (c *channel) prepare() error {
	public, err := uapolicy.PublicKey(c.cfg.server)
	if err != nil {
		return fmt.Errorf("opcua: server's certificate: %w", err)
	}
	algorithm, err := uapolicy.Asymmetric(c.cfg.policy, c.cfg.key.private, public)
	if err != nil {
		return fmt.Errorf("opcua: policy %s: %w", c.cfg.policy, err)
	}
	// OPN are signed and encrypted in mode Sign as well (section 6.7.4).
	c.asymmetric = seal{algorithm, true, public.Size() > 256, c.cfg.key.private.Size() > 256}
	thumbprint := sha1.Sum(c.cfg.server) // SHA-1 is the standard's, for naming a certificate
	c.senderHeader = appendText(nil, c.cfg.policy)
	c.senderHeader = appendText(c.senderHeader, string(c.cfg.key.chain()))
	c.senderHeader = appendText(c.senderHeader, string(thumbprint[:]))
	return nil
}

// maxChunks is how many chunks we take of one message.
func (c *channel) maxChunks() int { return c.cfg.maxMessage/leastChunk + 1 }

// appendText appends a String or ByteString.
func appendText(dst []byte, text string) []byte {
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(text)))
	return append(dst, text...)
}

// open opens the channel: the only exchange before the reader runs.
func (c *channel) open() error {
	nonce, err := c.nonce()
	if err != nil {
		return err
	}
	c.requests = 1
	if err := c.sendOpen(ua.SecurityTokenRequestTypeIssue, c.requests, nonce); err != nil {
		return err
	}
	kind, chunk, err := c.readChunk(make([]byte, ourBuffer))
	if err != nil {
		return err
	}
	if kind != "OPNF" {
		return &ProtocolError{Reason: fmt.Sprintf("answer to OPN is %q, want OPNF", kind)}
	}
	body, request, err := c.openOPN(chunk)
	if err != nil {
		return err
	}
	if request != 1 {
		return &ProtocolError{Reason: fmt.Sprintf("OPN for request %d, want 1", request)}
	}
	return c.install(body, nonce, 1, true)
}

// nonce returns a fresh nonce of the length that the policy has; none with mode
// None.
func (c *channel) nonce() ([]byte, error) {
	if c.asymmetric.algorithm == nil {
		return nil, nil
	}
	return c.asymmetric.algorithm.MakeNonce()
}

// sendOpen sends an OpenSecureChannelRequest.
func (c *channel) sendOpen(kind ua.SecurityTokenRequestType, request uint32, nonce []byte) error {
	at := c.cfg.now()
	body, err := encodeRequest(&ua.OpenSecureChannelRequest{
		RequestType: kind, SecurityMode: c.cfg.mode, ClientNonce: nonce,
		RequestedLifetime: uint32(c.cfg.lifetime / time.Millisecond),
	}, &ua.RequestHeader{Timestamp: at, RequestHandle: request})
	if err != nil {
		return err
	}
	c.writing.Lock()
	defer c.writing.Unlock()
	c.state.Lock()
	id := c.id
	c.state.Unlock()
	c.out = append(c.out[:0], "OPNF\x00\x00\x00\x00"...)
	c.out = binary.LittleEndian.AppendUint32(c.out, id)
	c.out = append(c.out, c.senderHeader...)
	headers := len(c.out)
	c.out = binary.LittleEndian.AppendUint32(c.out, c.nextSequence())
	c.out = binary.LittleEndian.AppendUint32(c.out, request)
	c.out = append(c.out, body...)
	if c.out, err = c.asymmetric.close(c.out, 0, headers); err != nil {
		return err
	}
	if kind == ua.SecurityTokenRequestTypeRenew { // the deadline of an earlier message may be over
		c.state.Lock()
		left := c.current.lifetime / 4
		c.state.Unlock()
		if err := c.conn.SetWriteDeadline(time.Now().Add(left)); err != nil {
			return lost(err)
		}
	}
	c.plain.opening(id, request, kind, c.cfg.lifetime, at)
	if _, err := c.conn.Write(c.out); err != nil {
		return lost(err)
	}
	return nil
}

// openOPN checks an OPN chunk: policy, certificates, signature. What names another
// policy or another certificate than those the channel was made with is refused,
// whatever else it says: a peer without the server's key could say it too.
func (c *channel) openOPN(chunk []byte) (body []byte, request uint32, err error) {
	r := uabin.NewReader(chunk[8:])
	id := r.Uint32()
	policy, certificate, thumbprint := r.Bytes(), r.Bytes(), r.Bytes()
	if r.Err() != nil {
		return nil, 0, &ProtocolError{Reason: "OPN: " + r.Err().Error()}
	}
	headers := len(chunk) - len(r.Rest())
	switch {
	case string(policy) != c.cfg.policy:
		return nil, 0, &SecurityError{Reason: fmt.Sprintf("server opens the channel with policy %.80q, want %q", policy, c.cfg.policy)}
	case c.asymmetric.algorithm == nil:
	case !bytes.Equal(leaf(certificate), leaf(c.cfg.server)):
		return nil, 0, &SecurityError{Reason: "server opens the channel with another certificate"}
	default:
		if want := sha1.Sum(c.cfg.key.certificate); !bytes.Equal(thumbprint, want[:]) {
			return nil, 0, &SecurityError{Reason: "server opens the channel for another certificate"}
		}
	}
	content, err := c.asymmetric.open(chunk, headers)
	if err != nil {
		return nil, 0, &SecurityError{Reason: err.Error()}
	}
	c.plain.opened(id, content)
	body, request, err = c.checkSequence(content)
	if err != nil {
		return nil, 0, err
	}
	c.state.Lock()
	defer c.state.Unlock()
	if c.id != 0 && id != c.id {
		return nil, 0, &ProtocolError{Reason: fmt.Sprintf("OPN of channel %d, want %d", id, c.id)}
	}
	return body, request, nil
}

// checkSequence checks and takes off the sequence header (section 6.7.2.4).
func (c *channel) checkSequence(content []byte) (body []byte, request uint32, err error) {
	if len(content) < sequenceHeader {
		return nil, 0, &ProtocolError{Reason: "chunk without a sequence header"}
	}
	number := binary.LittleEndian.Uint32(content)
	const wrapFrom, wrapTo = math.MaxUint32 - 1024, 1024
	if c.begun && number != c.received+1 && !(c.received > wrapFrom && number < wrapTo) {
		return nil, 0, &SecurityError{Reason: fmt.Sprintf("chunk %d follows chunk %d", number, c.received)}
	}
	c.received, c.begun = number, true
	return content[sequenceHeader:], binary.LittleEndian.Uint32(content[4:]), nil
}

// nextSequence returns the number of the next chunk. Its caller holds writing.
func (c *channel) nextSequence() uint32 {
	c.sequence = sequenceAfter(c.sequence)
	return c.sequence
}

// sequenceAfter returns the sequence number behind another; it wraps as section 6.7.2.4 says.
func sequenceAfter(number uint32) uint32 {
	if number++; number > math.MaxUint32-1024 {
		return 1
	}
	return number
}

// leastLifetime is the shortest life of a token that a server may give: renewing
// more often than every 1.5 s would be an attack on either side.
const leastLifetime = 2 * time.Second

// install takes the token of an OpenSecureChannelResponse into use.
func (c *channel) install(body, nonce []byte, handle uint32, first bool) error {
	r := uabin.NewReader(body)
	header := r.Header()
	switch {
	case r.Err() != nil:
		return &ProtocolError{Reason: "OPN: " + r.Err().Error()}
	case header.Handle != handle:
		return &ProtocolError{Reason: fmt.Sprintf("OPN for handle %d, want %d", header.Handle, handle)}
	case header.ID != uabin.OpenChannelResponseID && header.ID != uabin.ServiceFaultID:
		return &ProtocolError{Reason: fmt.Sprintf("OPN with a body of type i=%d", header.ID)}
	case header.Result.IsBad() || header.ID == uabin.ServiceFaultID:
		return &ServiceError{Service: "OpenSecureChannel", Status: StatusCode(header.Result)}
	}
	m := r.Channel()
	if err := r.End(); err != nil {
		return &ProtocolError{Reason: "OPN: " + err.Error()}
	}
	lifetime := time.Duration(m.Lifetime) * time.Millisecond
	if lifetime < leastLifetime {
		return &ProtocolError{Reason: fmt.Sprintf("server gives tokens a life of %s, want at least %s", lifetime, leastLifetime)}
	}
	t := token{id: m.TokenID, valid: true, lifetime: lifetime, since: c.cfg.now()}
	if c.asymmetric.algorithm != nil {
		if len(m.Nonce) != len(nonce) {
			return &SecurityError{Reason: fmt.Sprintf("server's nonce of %d bytes, want %d", len(m.Nonce), len(nonce))}
		}
		algorithm, err := uapolicy.Symmetric(c.cfg.policy, nonce, bytes.Clone(m.Nonce))
		if err != nil {
			return fmt.Errorf("opcua: policy %s: %w", c.cfg.policy, err)
		}
		t.seal = seal{algorithm: algorithm, encrypt: c.cfg.mode == ua.MessageSecurityModeSignAndEncrypt}
	}
	c.state.Lock()
	defer c.state.Unlock()
	if m.ChannelID == 0 || (!first && m.ChannelID != c.id) {
		return &ProtocolError{Reason: fmt.Sprintf("OPN gives channel %d, had %d", m.ChannelID, c.id)}
	}
	c.id = m.ChannelID
	c.previous, c.current = c.current, t
	return nil
}

// readChunk reads one chunk into buffer: its type and its bytes, headers included.
func (c *channel) readChunk(buffer []byte) (kind string, chunk []byte, err error) {
	if _, err := io.ReadFull(c.conn, buffer[:8]); err != nil {
		return "", nil, lost(err)
	}
	size := binary.LittleEndian.Uint32(buffer[4:])
	kind = chunkKind(buffer)
	if kind == "" {
		return "", nil, &ProtocolError{Reason: fmt.Sprintf("chunk of type %.4q", buffer[:4])}
	}
	if size < 8 || size > uint32(len(buffer)) {
		return "", nil, &ProtocolError{Reason: fmt.Sprintf("chunk of %d bytes, want 8 to %d", size, len(buffer))}
	}
	if _, err := io.ReadFull(c.conn, buffer[8:size]); err != nil {
		return "", nil, lost(err)
	}
	switch kind { // these have no security
	case "ERRF":
		bare(c.plain.received, buffer[:size])
		return "", nil, peerError(buffer[8:size])
	case "ACKF":
		bare(c.plain.received, buffer[:size])
	}
	return kind, buffer[:size], nil
}

// chunkKind returns the type of a chunk without making a string of it.
func chunkKind(b []byte) string {
	switch string(b[:4]) {
	case "MSGF":
		return "MSGF"
	case "MSGC":
		return "MSGC"
	case "MSGA":
		return "MSGA"
	case "OPNF":
		return "OPNF"
	case "ACKF":
		return "ACKF"
	case "ERRF":
		return "ERRF"
	}
	return ""
}

// peerError reads an error message (section 7.1.2.5).
func peerError(body []byte) error {
	r := uabin.NewReader(body)
	status, reason := r.Status(), r.Bytes()
	if r.Err() != nil {
		return &ProtocolError{Reason: "error message: " + r.Err().Error()}
	}
	return &PeerError{Status: StatusCode(status), Reason: printable(reason[:min(len(reason), mostReason)])}
}

// read is the goroutine that takes chunks off the connection until it breaks.
func (c *channel) read() {
	defer c.inner.Done()
	buffer := make([]byte, ourBuffer)
	for {
		kind, chunk, err := c.readChunk(buffer)
		if err == nil {
			err = c.take(kind, chunk)
		}
		if err != nil {
			c.fail(err)
			return
		}
	}
}

// take handles one chunk.
func (c *channel) take(kind string, chunk []byte) error {
	switch kind {
	case "OPNF":
		body, request, err := c.openOPN(chunk)
		if err != nil {
			return err
		}
		return c.renewed(body, request)
	case "MSGF", "MSGC", "MSGA":
	default:
		return &ProtocolError{Reason: fmt.Sprintf("%q in the middle of a channel", kind)}
	}
	if len(chunk) < symmetricHeaders {
		return &ProtocolError{Reason: fmt.Sprintf("%s of %d bytes", kind, len(chunk))}
	}
	channel, id := binary.LittleEndian.Uint32(chunk[8:]), binary.LittleEndian.Uint32(chunk[12:])
	c.state.Lock()
	if channel != c.id {
		c.state.Unlock()
		return &ProtocolError{Reason: fmt.Sprintf("chunk of channel %d, want %d", channel, c.id)}
	}
	current, previous := c.current, c.previous
	c.state.Unlock()
	var content []byte
	err := errTokenUnused
	// Some servers renew a token and keep its id: then only its keys tell which it is.
	both := previous.valid && previous.id == current.id
	original := chunk
	if both {
		original = bytes.Clone(chunk)
	}
	if current.covers(id, c.cfg.now()) {
		if content, err = current.seal.open(chunk, symmetricHeaders); err == nil && (!both || current.seal.algorithm != nil) {
			c.state.Lock()
			c.previous = token{} // the server has the new one: the old one has had its time
			c.state.Unlock()
		}
	}
	if err != nil && previous.covers(id, c.cfg.now()) {
		chunk = original
		content, err = previous.seal.open(chunk, symmetricHeaders)
	}
	if err == errTokenUnused {
		return &SecurityError{Reason: fmt.Sprintf("chunk under token %d, which is not in use", id)}
	}
	if err != nil {
		return &SecurityError{Reason: strings.TrimPrefix(err.Error(), "opcua: refused: ")}
	}
	c.plain.chunk(chunk, content)
	body, request, err := c.checkSequence(content)
	if err != nil {
		return err
	}
	return c.deliver(kind, body, request)
}

// errTokenUnused stands for a token that does not cover a chunk.
var errTokenUnused = errors.New("opcua: token is not in use")

// deliver adds a chunk to the response it belongs to, and the last one of it to
// whoever waits.
func (c *channel) deliver(kind string, body []byte, request uint32) error {
	c.state.Lock()
	k := c.waiting[request]
	c.state.Unlock()
	if k == nil {
		// Nobody waits any more, or ever did. No chunk of it is kept.
		c.cfg.counters.late.Add(1)
		return nil
	}
	if k.partial == nil {
		k.partial, k.chunks = c.blank(), 0
	}
	m := k.partial
	switch k.chunks++; {
	case kind == "MSGA":
		m.err = peerError(body)
	case len(m.body)+len(body) > c.cfg.maxMessage || k.chunks > c.maxChunks():
		m.err = &ServiceError{Service: "response", Status: StatusBadResponseTooLarge}
		c.finish(k, m)
		return &ProtocolError{Reason: fmt.Sprintf("response of more than %d bytes", c.cfg.maxMessage)}
	default:
		m.body = append(m.body, body...)
		if kind == "MSGC" {
			return nil
		}
	}
	c.finish(k, m)
	return nil
}

// blank returns an empty message.
func (c *channel) blank() *message {
	if m, ok := c.buffer.Get().(*message); ok {
		return m
	}
	return &message{channel: c}
}

// finish hands a response to whoever waits for it, if anybody still does.
func (c *channel) finish(k *call, m *message) {
	c.state.Lock()
	still := c.waiting[k.id] == k
	delete(c.waiting, k.id)
	k.partial = nil
	if still {
		c.answers++
		c.mute = false
	}
	c.state.Unlock()
	switch {
	case !still:
		m.release()
	case k.sink != nil:
		k.got = m
		k.sink <- k
	default:
		k.answer <- m
	}
}

// fail ends the channel for a reason: the first one is told to all.
func (c *channel) fail(err error) {
	c.state.Lock()
	if c.failure == nil {
		c.failure = err
		close(c.ended)
	}
	clear(c.waiting)
	c.state.Unlock()
	c.conn.Close()
}

// err returns why the channel has ended, if it has.
func (c *channel) err() error {
	c.state.Lock()
	defer c.state.Unlock()
	return c.failure
}

// partingTime is how long it may take to get the word out that a channel ends.
const partingTime = 200 * time.Millisecond

// close ends the channel and returns when its goroutines have. The server is told, if
// that can be done at once, unless a session is to go on: it outlives its channel as
// section 5.6 of part 4 has it, and some servers end it with CloseSecureChannel.
func (c *channel) close() {
	c.state.Lock()
	silent := c.failure != nil || c.held
	c.state.Unlock()
	if !silent && c.writing.TryLock() {
		c.part()
		c.writing.Unlock()
	}
	c.fail(net.ErrClosed)
	c.inner.Wait()
}

// keep renews the token when three quarters of its life are over (section 6.7.4).
func (c *channel) keep() {
	defer c.inner.Done()
	timer := time.NewTimer(c.renewal())
	defer timer.Stop()
	for {
		select {
		case <-c.ended:
			return
		case <-timer.C:
		}
		if err := c.renew(); err != nil {
			c.fail(err)
			return
		}
		timer.Reset(c.renewal())
	}
}

func (c *channel) renewal() time.Duration {
	c.state.Lock()
	defer c.state.Unlock()
	return c.current.lifetime * 3 / 4
}

func (c *channel) renew() error {
	nonce, err := c.nonce()
	if err != nil {
		return err
	}
	k, err := c.register(nil)
	if err != nil {
		return err
	}
	c.state.Lock()
	c.renewing, c.renewNonce = k, nonce
	left := time.NewTimer(c.current.lifetime / 4)
	c.state.Unlock()
	defer left.Stop()
	if err := c.sendOpen(ua.SecurityTokenRequestTypeRenew, k.id, nonce); err != nil {
		return c.reason(err)
	}
	select {
	case m := <-k.answer:
		return m.err
	case <-left.C:
		return &ProtocolError{Reason: "token was not renewed in time"}
	case <-c.ended:
		return c.err()
	}
}

// renewed takes a new token into use, in the goroutine that reads: the next chunk
// may be under it already.
func (c *channel) renewed(body []byte, request uint32) error {
	c.state.Lock()
	k, nonce := c.renewing, c.renewNonce
	c.renewing, c.renewNonce = nil, nil
	if k != nil {
		delete(c.waiting, k.id)
	}
	c.state.Unlock()
	if k == nil || k.id != request {
		return &ProtocolError{Reason: fmt.Sprintf("OPN for request %d, which asks for none", request)}
	}
	if err := c.install(body, nonce, k.handle, false); err != nil {
		return err
	}
	k.answer <- &message{}
	return nil
}

// register makes room for the answer to a request that is about to be sent.
func (c *channel) register(sink chan *call) (*call, error) {
	k, ok := c.pools.Get().(*call)
	if !ok {
		k = &call{answer: make(chan *message, 1)}
	}
	c.state.Lock()
	defer c.state.Unlock()
	if c.failure != nil {
		return nil, c.failure
	}
	for {
		if c.requests++; c.requests == 0 {
			c.requests++
		}
		if c.waiting[c.requests] == nil {
			break
		}
	}
	k.id, k.handle, k.sink, k.after = c.requests, c.requests, sink, c.answers
	c.waiting[k.id] = k
	return k, nil
}

// forget gives up a request. Its answer, if it still comes, is dropped.
func (c *channel) forget(k *call) {
	c.state.Lock()
	delete(c.waiting, k.id)
	c.state.Unlock()
}

// miss gives up a request that was not answered in time. If nothing at all was answered
// since, and it is not the first one that has met with that, the channel ends: behind half
// a message or noise without end nothing else will ever come.
func (c *channel) miss(k *call, err error) {
	c.cfg.counters.timeouts.Add(1)
	c.state.Lock()
	delete(c.waiting, k.id)
	silent := c.answers == k.after
	again := silent && c.mute && int32(k.id-c.muteFrom) > 0
	if silent && !c.mute {
		c.mute, c.muteFrom = true, c.requests
	}
	c.state.Unlock()
	if again {
		c.fail(err)
	}
}

// encodeRequest returns the body of a request: the id of its encoding, then itself.
func encodeRequest(request ua.Request, header *ua.RequestHeader) ([]byte, error) {
	if header.AuthenticationToken == nil {
		header.AuthenticationToken = ua.NewTwoByteNodeID(0)
	}
	if header.AdditionalHeader == nil {
		header.AdditionalHeader = ua.NewExtensionObject(nil)
	}
	request.SetHeader(header)
	body, err := ua.Encode(request)
	if err != nil {
		return nil, fmt.Errorf("opcua: encoding %T: %w", request, err)
	}
	id := ua.ServiceTypeID(request)
	prefix := []byte{0x01, 0, byte(id), byte(id >> 8)}
	return append(prefix, body...), nil
}

// requestID returns the type of an encoded request, 0 of one that is not encoded here.
func requestID(body []byte) uint16 {
	if len(body) < 4 || body[0] != 0x01 || body[1] != 0 { // a node id of four bytes in namespace 0
		return 0
	}
	return binary.LittleEndian.Uint16(body[2:])
}

// send sends a request and returns at once. Its answer comes to wait.
func (c *channel) send(request ua.Request, authentication *ua.NodeID, timeout time.Duration) (*call, error) {
	k, err := c.register(nil)
	if err != nil {
		return nil, err
	}
	body, err := encodeRequest(request, &ua.RequestHeader{
		AuthenticationToken: authentication, Timestamp: c.cfg.now(), RequestHandle: k.handle, TimeoutHint: uint32(timeout / time.Millisecond),
	})
	if err == nil {
		err = c.write(body, k.id, timeout)
	}
	if err != nil {
		c.forget(k)
		return nil, err
	}
	return k, nil
}

// post sends a request, encoded by encode with the handle it is given, whose answer
// comes to sink, which has room for it. judge says what it is.
func (c *channel) post(encode func(dst []byte, handle uint32) []byte, body []byte, sink chan *call, timeout time.Duration) (*call, []byte, error) {
	k, err := c.register(sink)
	if err != nil {
		return nil, body, err
	}
	body = encode(body[:0], k.handle)
	if err := c.write(body, k.id, timeout); err != nil {
		c.forget(k)
		return nil, body, err
	}
	return k, body, nil
}

// write sends the chunks of one message.
func (c *channel) write(body []byte, request uint32, timeout time.Duration) error {
	if c.sendMessage > 0 && len(body) > c.sendMessage {
		return &ServiceError{Service: "request", Status: StatusBadRequestTooLarge}
	}
	c.writing.Lock()
	defer c.writing.Unlock()
	return c.writeLocked("MSGF", body, request, timeout)
}

// part sends a CloseSecureChannelRequest, which has no answer. Its caller holds writing.
func (c *channel) part() {
	c.state.Lock()
	c.requests++
	request := c.requests
	c.state.Unlock()
	body, err := encodeRequest(&ua.CloseSecureChannelRequest{}, &ua.RequestHeader{Timestamp: c.cfg.now(), RequestHandle: request})
	if err == nil {
		_ = c.writeLocked("CLOF", body, request, partingTime) // the channel ends either way
	}
}

// Encoding ids of the requests that begin and end the use of a channel by a session (OPC
// 10000-6, annex A.3).
const activateSessionRequestID = 467

// writeLocked is write for a message whose last chunk is of a kind. Its caller holds
// writing.
func (c *channel) writeLocked(kind string, body []byte, request uint32, timeout time.Duration) error {
	c.state.Lock()
	id, protection := c.id, c.current
	switch requestID(body) {
	case activateSessionRequestID:
		c.held = true
	case closeSessionRequestID:
		c.held = false
	}
	c.state.Unlock()
	last, whole := kind, body
	room := protection.seal.capacity(c.sendChunk, symmetricHeaders)
	if chunks := (len(body) + room - 1) / room; c.sendChunks > 0 && chunks > c.sendChunks {
		return &ServiceError{Service: "request", Status: StatusBadRequestTooLarge}
	}
	c.out = c.out[:0]
	for first := true; first || len(body) > 0; first = false {
		part := body[:min(room, len(body))]
		body = body[len(part):]
		start := len(c.out)
		kind := last
		if len(body) > 0 {
			kind = "MSGC"
		}
		c.out = append(c.out, kind...)
		c.out = append(c.out, 0, 0, 0, 0)
		c.out = binary.LittleEndian.AppendUint32(c.out, id)
		c.out = binary.LittleEndian.AppendUint32(c.out, protection.id)
		c.out = binary.LittleEndian.AppendUint32(c.out, c.nextSequence())
		c.out = binary.LittleEndian.AppendUint32(c.out, request)
		c.out = append(c.out, part...)
		var err error
		if c.out, err = protection.seal.close(c.out, start, symmetricHeaders); err != nil {
			return err
		}
	}
	// A peer that takes nothing in must not hold anybody: half a message cannot be
	// taken back, so that the end of the time ends the channel.
	err := c.conn.SetWriteDeadline(time.Now().Add(timeout))
	if err == nil {
		c.plain.message(last, id, protection.id, request, whole, c.sendChunk)
		_, err = c.conn.Write(c.out)
	}
	if err != nil {
		return c.broken(err, timeout)
	}
	return nil
}

// broken ends the channel after a write that failed, and returns why.
func (c *channel) broken(err error, timeout time.Duration) error {
	if late, ok := errors.AsType[net.Error](err); ok && late.Timeout() {
		c.cfg.counters.timeouts.Add(1)
		err = &TimeoutError{Service: "connection", After: timeout}
	} else {
		err = c.reason(lost(err))
	}
	c.fail(err)
	return c.err()
}

// reason returns why the connection ends that could not be written to: the server may
// have said it before, and then the goroutine that reads is about to see it. It is err if
// there is nothing else.
func (c *channel) reason(err error) error {
	timer := time.NewTimer(partingTime)
	defer timer.Stop()
	select {
	case <-c.ended:
		return c.err()
	case <-timer.C:
		return err
	}
}

// wait returns the response to a request, checked as far as its header goes, or
// why there is none. A fault of the service is the error of that request alone.
func (c *channel) wait(ctx context.Context, k *call, service string, want uint32, timeout time.Duration) (*message, uabin.Reader, error) {
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	select {
	case m := <-k.answer:
		return c.judge(k, m, service, want)
	case <-ctx.Done():
		c.forget(k)
		return nil, uabin.Reader{}, ctx.Err()
	case <-timer.C:
		err := &TimeoutError{Service: service, After: timeout}
		c.miss(k, err)
		return nil, uabin.Reader{}, err
	case <-c.ended:
		return nil, uabin.Reader{}, c.err()
	}
}

func (c *channel) judge(k *call, m *message, service string, want uint32) (*message, uabin.Reader, error) {
	handle := k.handle
	k.sink, k.got = nil, nil
	c.pools.Put(k)
	if m.err != nil {
		defer m.release()
		return nil, uabin.Reader{}, m.err
	}
	r := uabin.NewReader(m.body)
	header := r.Header()
	var err error
	switch {
	case r.Err() != nil:
		err = &ProtocolError{Reason: service + ": " + r.Err().Error()}
	case header.Handle != handle && (header.Handle != 0 || header.ID != uabin.ServiceFaultID): // some servers give a fault no handle; the request id is right
		err = &ProtocolError{Reason: fmt.Sprintf("%s: answer for handle %d, want %d", service, header.Handle, handle)}
	case header.Result.IsBad() || header.ID == uabin.ServiceFaultID:
		err = &ServiceError{Service: service, Status: StatusCode(header.Result)}
	case header.ID != want:
		err = &ProtocolError{Reason: fmt.Sprintf("%s: answer of type i=%d, want i=%d", service, header.ID, want)}
	}
	if err != nil {
		m.release()
		return nil, uabin.Reader{}, err
	}
	return m, r, nil
}

// request sends a request and waits for its response.
func (c *channel) request(ctx context.Context, request ua.Request, authentication *ua.NodeID, service string, want uint32, timeout time.Duration) (*message, uabin.Reader, error) {
	k, err := c.send(request, authentication, timeout)
	if err != nil {
		return nil, uabin.Reader{}, err
	}
	return c.wait(ctx, k, service, want, timeout)
}
