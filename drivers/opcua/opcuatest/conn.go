package opcuatest

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gopcua/opcua/ua"
	"github.com/gopcua/opcua/uapolicy"
)

// conn is one connection: what comes is read and answered by one goroutine, what goes is written by another.
type conn struct {
	server *Server
	net    net.Conn
	n      int

	// Of the goroutine that reads.
	url      string // that the client said hello to
	receive  int    // largest chunk the client takes
	partial  []byte
	parts    int
	sequence uint32
	greeted  bool

	channel  uint32
	security Security
	client   []byte // the client's certificate
	opened   bool

	mu         sync.Mutex // guards what both goroutines use
	asymmetric seal
	current    token // what goes is under it
	next       token // what comes may be under it, and then it becomes current
	old        token
	queue      []*response
	wake       chan struct{} // of one
	done       chan struct{} // closed when what reads has ended
	sent       uint32        // sequence number; of the goroutine that writes
}

// token is one security token.
type token struct {
	id    uint32
	valid bool
	seal  seal
}

// response is what is about to be sent. Its kind decides which fields count.
type response struct {
	service   string
	kind      string // "ACK", "OPN", "MSG"
	request   uint32
	handle    uint32
	encoding  uint32
	status    Status
	body      []byte // behind the header
	ack       *Acknowledge
	opening   *Opening
	proof     *Proof
	made      func(Proof) []byte // the body of CreateSession
	note      *Notification
	published func(Notification) []byte
	past      []Past
	recounted func([]Past) []byte // the body of a HistoryRead of events
	renewal   bool
}

func newConn(s *Server, nc net.Conn, n int) *conn {
	return &conn{server: s, net: nc, n: n, wake: make(chan struct{}, 1), done: make(chan struct{})}
}

// cut ends the connection. It does not wait.
func (c *conn) cut() { _ = c.net.Close() }

func (c *conn) serve() {
	defer c.server.leaveConn(c)
	var writer sync.WaitGroup
	writer.Add(1)
	go func() {
		defer writer.Done()
		c.write()
	}()
	if err := c.read(); err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrClosedPipe) && !errors.As(err, new(net.Error)) {
		c.server.mu.Lock()
		c.server.stats.Malformed++
		c.server.mu.Unlock()
		c.refuse(err)
	}
	close(c.done)
	c.cut()
	writer.Wait()
}

// refuse tells the client why its connection ends.
func (c *conn) refuse(err error) {
	status := Status(0x80130000) // Bad_SecurityChecksFailed
	var s ua.StatusCode
	if errors.As(err, &s) {
		status = Status(s)
	}
	frame := binary.LittleEndian.AppendUint32([]byte("ERRF\x00\x00\x00\x00"), uint32(status))
	frame = append(appendLength(frame, len(err.Error())), err.Error()...)
	binary.LittleEndian.PutUint32(frame[4:], uint32(len(frame)))
	if c.net.SetWriteDeadline(time.Now().Add(time.Second)) == nil {
		_, _ = c.net.Write(frame) // it ends either way
	}
}

// read answers what comes, until the connection ends.
func (c *conn) read() error {
	head := make([]byte, 8)
	for {
		if _, err := io.ReadFull(c.net, head); err != nil {
			return err
		}
		size := binary.LittleEndian.Uint32(head[4:])
		if size < 8 || size > uint32(c.server.limits.Buffer) {
			return fmt.Errorf("chunk of %d bytes: %w", size, ua.StatusBadTCPMessageTooLarge)
		}
		chunk := append(slices.Clone(head), make([]byte, size-8)...)
		if _, err := io.ReadFull(c.net, chunk[8:]); err != nil {
			return err
		}
		var err error
		switch kind := string(chunk[:4]); {
		case kind == "HELF" && !c.greeted:
			err = c.hello(chunk[8:])
		case kind == "OPNF" && c.greeted:
			err = c.open(chunk)
		case (kind == "MSGF" || kind == "MSGC" || kind == "MSGA") && c.opened:
			err = c.message(kind, chunk)
		case kind == "CLOF" && c.opened:
			if err = c.message(kind, chunk); err == nil {
				return io.EOF
			}
		default:
			err = fmt.Errorf("chunk of kind %q: %w", kind, ua.StatusBadTCPMessageTypeInvalid)
		}
		if err != nil {
			return err
		}
	}
}

func (c *conn) hello(b []byte) error {
	buf := ua.NewBuffer(b)
	buf.ReadUint32() // every version begins like 0
	receive := buf.ReadUint32()
	buf.ReadUint32()
	buf.ReadUint32()
	buf.ReadUint32()
	c.url = buf.ReadString()
	if buf.Error() != nil || receive < 8192 {
		return fmt.Errorf("hello: %w", ua.StatusBadTCPInternalError)
	}
	c.greeted = true
	c.receive = int(min(receive, 65_535))
	l := c.server.limits
	c.send(&response{service: "Hello", kind: "ACK", ack: &Acknowledge{
		Receive: uint32(l.Buffer), Send: uint32(c.receive), Message: uint32(l.Message), Chunks: uint32(l.Chunks),
	}})
	return nil
}

// open answers an OPN.
func (c *conn) open(chunk []byte) error {
	s := c.server
	buf := ua.NewBuffer(chunk[8:])
	buf.ReadUint32()
	policy, client, thumbprint := buf.ReadString(), buf.ReadBytes(), buf.ReadBytes()
	if buf.Error() != nil {
		return fmt.Errorf("OPN: %w", ua.StatusBadTCPInternalError)
	}
	name, ok := strings.CutPrefix(policy, PolicyNone.URI()[:len(PolicyNone.URI())-4])
	known := ok && (Policy(name) == PolicyNone || slices.ContainsFunc(s.cfg.Security, func(o Security) bool { return o.Policy == Policy(name) }))
	if !known || c.opened && Policy(name) != c.security.Policy {
		return fmt.Errorf("policy %.100q: %w", policy, ua.StatusBadSecurityPolicyRejected)
	}
	headers := 8 + buf.Pos()
	var asymmetric seal
	if Policy(name) != PolicyNone {
		if !bytes.Equal(thumbprint, uapolicy.Thumbprint(leaf(s.cfg.Identity.Certificate))) {
			return fmt.Errorf("for another certificate: %w", ua.StatusBadCertificateInvalid)
		}
		if c.opened && !bytes.Equal(client, c.client) {
			return fmt.Errorf("another certificate of the client: %w", ua.StatusBadCertificateInvalid)
		}
		if s.cfg.Trusted != nil && !s.cfg.Trusted(client) {
			return fmt.Errorf("certificate of the client: %w", ua.StatusBadSecurityChecksFailed)
		}
		var err error
		if asymmetric, err = newAsymmetric(Policy(name), s.cfg.Identity.Key, client); err != nil {
			return fmt.Errorf("%v: %w", err, ua.StatusBadCertificateInvalid)
		}
	}
	content, err := asymmetric.unwrap(chunk, headers)
	if err != nil {
		return fmt.Errorf("OPN: %v: %w", err, ua.StatusBadSecurityChecksFailed)
	}
	body, id, err := c.order(content)
	if err != nil {
		return err
	}
	v, err := decode(body)
	if err != nil {
		return err
	}
	r, ok := v.(*ua.OpenSecureChannelRequest)
	if !ok || c.opened != (r.RequestType == ua.SecurityTokenRequestTypeRenew) || c.opened && Mode(r.SecurityMode) != c.security.Mode {
		return fmt.Errorf("OPN: %w", ua.StatusBadRequestTypeInvalid)
	}
	security := Security{Policy(name), Mode(r.SecurityMode)}
	if security.Policy != PolicyNone && !slices.Contains(s.cfg.Security, security) || (security.Policy == PolicyNone) != (security.Mode == ModeNone) {
		return fmt.Errorf("mode %d: %w", r.SecurityMode, ua.StatusBadSecurityModeRejected)
	}
	var nonce []byte
	t := token{valid: true}
	if security.Policy != PolicyNone {
		nonce = make([]byte, asymmetric.algorithm.NonceLength())
		rand.Read(nonce)
		if len(r.ClientNonce) != len(nonce) {
			return fmt.Errorf("nonce of the client: %w", ua.StatusBadNonceInvalid)
		}
		a, err := uapolicy.Symmetric(policy, nonce, r.ClientNonce)
		if err != nil {
			return err
		}
		t.seal = seal{algorithm: a, encrypt: security.Mode == SignAndEncrypt}
	}
	s.mu.Lock()
	s.stats.Requests["OpenSecureChannel"]++
	t.id = s.next()
	if !c.opened {
		c.channel = s.next()
	}
	s.mu.Unlock()
	lifetime := time.Duration(r.RequestedLifetime) * time.Millisecond
	if lifetime <= 0 || lifetime > s.limits.Token {
		lifetime = s.limits.Token
	}
	renewal := c.opened
	if !renewal {
		c.client, c.security, c.opened = client, security, true
	}
	c.mu.Lock()
	c.asymmetric = asymmetric
	if renewal {
		c.next = t
	} else {
		c.current = t
	}
	c.mu.Unlock()
	c.send(&response{
		service: "OpenSecureChannel", kind: "OPN", request: id, handle: r.RequestHeader.RequestHandle, encoding: 449, renewal: renewal,
		opening: &Opening{
			Policy: policy, Identity: s.cfg.Identity, Thumbprint: uapolicy.Thumbprint(leaf(client)), Nonce: nonce, Channel: c.channel, Token: t.id,
			Lifetime: uint32(lifetime / time.Millisecond), Created: s.cfg.Now(), Plain: security.Policy == PolicyNone,
		},
	})
	return nil
}

// order checks and takes off the sequence header.
func (c *conn) order(content []byte) (body []byte, request uint32, err error) {
	if len(content) < 8 {
		return nil, 0, fmt.Errorf("no sequence header: %w", ua.StatusBadTCPInternalError)
	}
	n := binary.LittleEndian.Uint32(content)
	if c.sequence != 0 && n != c.sequence+1 && !(n < 1024 && c.sequence > 0xFFFF_FBFF) {
		return nil, 0, fmt.Errorf("sequence number %d behind %d: %w", n, c.sequence, ua.StatusBadSequenceNumberInvalid)
	}
	c.sequence = n
	return content[8:], binary.LittleEndian.Uint32(content[4:]), nil
}

// message takes a chunk of a request, and answers the whole of it.
func (c *conn) message(kind string, chunk []byte) error {
	if len(chunk) < 16 || binary.LittleEndian.Uint32(chunk[8:]) != c.channel {
		return fmt.Errorf("another channel: %w", ua.StatusBadTCPSecureChannelUnknown)
	}
	id := binary.LittleEndian.Uint32(chunk[12:])
	c.mu.Lock()
	if c.next.valid && c.next.id == id {
		c.old, c.current, c.next = c.current, c.next, token{}
	}
	protection := c.current
	if protection.id != id && c.old.valid && c.old.id == id {
		protection = c.old
	}
	c.mu.Unlock()
	if protection.id != id {
		return fmt.Errorf("token %d: %w", id, ua.StatusBadSecureChannelTokenUnknown)
	}
	content, err := protection.seal.unwrap(chunk, 16)
	if err != nil {
		return fmt.Errorf("%v: %w", err, ua.StatusBadSecurityChecksFailed)
	}
	body, request, err := c.order(content)
	if err != nil {
		return err
	}
	c.partial = append(c.partial, body...)
	c.parts++
	l := c.server.limits
	switch {
	case kind == "MSGA":
		c.partial, c.parts = c.partial[:0], 0
		return nil
	case l.Message > 0 && len(c.partial) > l.Message || l.Chunks > 0 && c.parts > l.Chunks || len(c.partial) > 64<<20:
		return fmt.Errorf("request of %d bytes: %w", len(c.partial), ua.StatusBadRequestTooLarge)
	case kind == "MSGC":
		return nil
	}
	v, err := decode(c.partial)
	c.partial, c.parts = c.partial[:0], 0
	if errors.Is(err, ua.StatusBadServiceUnsupported) {
		c.send(&response{service: "unknown", kind: "MSG", request: request, status: Status(ua.StatusBadServiceUnsupported)})
		return nil
	}
	if err != nil {
		return err
	}
	if _, ok := v.(*ua.CloseSecureChannelRequest); ok != (kind == "CLOF") {
		return fmt.Errorf("%T in a chunk of kind %q: %w", v, kind, ua.StatusBadTCPMessageTypeInvalid)
	} else if ok {
		c.server.mu.Lock()
		c.server.stats.Requests["CloseSecureChannel"]++
		c.server.mu.Unlock()
		return nil
	}
	r, ok := v.(ua.Request)
	if !ok || r.Header() == nil {
		return fmt.Errorf("%T is no request: %w", v, ua.StatusBadDecodingError)
	}
	c.answer(r, request)
	return nil
}

// decode decodes a request. The decoder below was made for friends.
func decode(b []byte) (v any, err error) {
	defer func() {
		if recover() != nil {
			err = ua.StatusBadDecodingError
		}
	}()
	_, v, err = ua.DecodeService(slices.Clone(b))
	return v, err
}

// send queues a response. What comes after the end is lost.
func (c *conn) send(r *response) {
	c.mu.Lock()
	c.queue = append(c.queue, r)
	c.mu.Unlock()
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// write sends what is queued, in its order.
func (c *conn) write() {
	for {
		c.mu.Lock()
		var r *response
		if len(c.queue) > 0 {
			r = c.queue[0]
			c.queue = c.queue[1:]
		}
		c.mu.Unlock()
		if r == nil {
			select {
			case <-c.wake:
				continue
			case <-c.done:
				return
			}
		}
		if !c.put(r) {
			c.cut()
			// The goroutine that reads ends now, and what it queues meanwhile is lost.
			<-c.done
			return
		}
	}
}

// wait reports whether the time passed before the connection ended.
func (c *conn) wait(d time.Duration) bool {
	if d <= 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-c.done:
		return false
	}
}

// put sends one response as the fault has it, and reports whether the connection goes on.
func (c *conn) put(r *response) bool {
	s := c.server
	s.mu.Lock()
	fault := s.fault
	s.exchanges++
	n := s.exchanges
	s.mu.Unlock()
	x := Exchange{
		Conn: c.n, N: n, Service: r.service, Renewal: r.renewal, Acknowledge: r.ack, Opening: r.opening, Proof: r.proof, Notification: r.note, Past: r.past,
		Status: r.status, Handle: r.handle, Type: r.encoding,
	}
	if fault != nil {
		s.faultTurn <- struct{}{}
		fault(&x)
		<-s.faultTurn
	}
	if !c.wait(x.Delay) {
		return false
	}
	if !x.Drop { // or else it has no sequence numbers, and what follows goes on without a gap
		frames, protect, err := c.encode(r, &x)
		if err != nil {
			return false
		}
		out := slices.Concat(frames...)
		if x.Wire != nil {
			out = x.Wire(out)
		}
		if !c.pour(out, x.Pieces, x.Pause) {
			return false
		}
		for n := 0; x.Endless != nil; n++ {
			b := x.Endless(n)
			if b == nil {
				break
			}
			if _, err := c.net.Write(b); err != nil {
				return false
			}
		}
		for n := 0; x.EndlessChunks != nil; n++ {
			k := x.EndlessChunks(n)
			if k == nil {
				break
			}
			b, err := protect(*k)
			if err != nil {
				return false
			}
			c.sent = k.Sequence
			if _, err := c.net.Write(b); err != nil {
				return false
			}
		}
	}
	if x.Reset {
		if t, ok := c.net.(*net.TCPConn); ok {
			_ = t.SetLinger(0) // it is closed either way
		}
	}
	return !x.Close && !x.Reset
}

// pour writes bytes in pieces.
func (c *conn) pour(out []byte, pieces []int, pause time.Duration) bool {
	for _, n := range pieces {
		if n = min(n, len(out)); n <= 0 {
			continue
		}
		if _, err := c.net.Write(out[:n]); err != nil {
			return false
		}
		if out = out[n:]; len(out) > 0 && !c.wait(pause) {
			return false
		}
	}
	if len(out) == 0 {
		return true
	}
	_, err := c.net.Write(out)
	return err == nil
}

// encode returns the frames of a response, and what protects further chunks as it did these.
func (c *conn) encode(r *response, x *Exchange) (frames [][]byte, protect func(Chunk) ([]byte, error), err error) {
	none := func(Chunk) ([]byte, error) { return nil, errSeal }
	if a := x.Acknowledge; a != nil {
		b := []byte("ACKF\x1c\x00\x00\x00")
		for _, n := range []uint32{a.Version, a.Receive, a.Send, a.Message, a.Chunks} {
			b = binary.LittleEndian.AppendUint32(b, n)
		}
		return [][]byte{b}, none, nil
	}
	var content []byte
	switch {
	case x.Status&0xC000_0000 == 0x8000_0000:
		x.Type = 397 // ServiceFault
	case x.Opening != nil:
		o := x.Opening
		for _, field := range []any{uint32(0), o.Channel, o.Token, o.Created, o.Lifetime, o.Nonce} {
			content = appendBare(content, field)
		}
	case x.Proof != nil && r.made != nil:
		content = r.made(*x.Proof)
	case x.Notification != nil && r.published != nil:
		content = r.published(*x.Notification)
	case r.recounted != nil:
		content = r.recounted(x.Past)
	default:
		content = r.body
	}
	message := appendNumeric(nil, x.Type)
	message = appendTime(message, c.server.cfg.Now())
	message = binary.LittleEndian.AppendUint32(message, x.Handle)
	message = binary.LittleEndian.AppendUint32(message, uint32(x.Status))
	message = append(message, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0)
	message = append(message, content...)
	if x.Body != nil {
		message = x.Body(message)
	}

	c.mu.Lock()
	current, asymmetric := c.current, c.asymmetric
	c.mu.Unlock()
	protection, headers := current.seal, 16
	kind := "MSG"
	var sender []byte
	if o := x.Opening; o != nil {
		kind, protection = "OPN", asymmetric
		sender = appendBare(sender, o.Policy)
		if o.Plain {
			protection = seal{}
			sender = append(sender, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF)
		} else {
			if o.Identity.Key != c.server.cfg.Identity.Key {
				if protection, err = newAsymmetric(c.security.Policy, o.Identity.Key, c.client); err != nil {
					return nil, nil, err
				}
			}
			sender = appendBare(appendBare(sender, o.Identity.Certificate), o.Thumbprint)
		}
		headers = 12 + len(sender)
	}
	protect = func(k Chunk) ([]byte, error) {
		header := append([]byte(k.Kind), 0, 0, 0, 0)
		header = binary.LittleEndian.AppendUint32(header, k.Channel)
		if sender != nil {
			header = append(header, sender...)
		} else {
			header = binary.LittleEndian.AppendUint32(header, k.Token)
		}
		content := binary.LittleEndian.AppendUint32(nil, k.Sequence)
		content = binary.LittleEndian.AppendUint32(content, k.Request)
		b, err := protection.wrap(header, append(content, k.Body...), k.Padding)
		if err != nil {
			return nil, err
		}
		if k.Forge && protection.algorithm != nil {
			b[len(b)-1] ^= 0xFF
		}
		if k.Size != 0 {
			binary.LittleEndian.PutUint32(b[4:], k.Size)
		}
		return b, nil
	}
	room := protection.room(c.receive, headers)
	if x.ChunkSize > 0 {
		room = min(room, x.ChunkSize)
	}
	channel := c.channel
	if x.Opening != nil {
		channel = x.Opening.Channel
	}
	var list []Chunk
	for first := true; first || len(message) > 0; first = false {
		c.sent++
		k := Chunk{Kind: kind + "C", Channel: channel, Token: current.id, Sequence: c.sent, Request: r.request, Body: message[:min(room, len(message))]}
		if message = message[len(k.Body):]; len(message) == 0 {
			k.Kind = kind + "F"
		}
		list = append(list, k)
	}
	if x.Chunks != nil {
		list = x.Chunks(list)
	}
	for _, k := range list {
		b, err := protect(k)
		if err != nil {
			return nil, nil, err
		}
		frames = append(frames, b)
	}
	return frames, protect, nil
}

// appendNumeric appends a node id of namespace 0, always in four bytes.
func appendNumeric(dst []byte, id uint32) []byte { return append(dst, 1, 0, byte(id), byte(id>>8)) }
