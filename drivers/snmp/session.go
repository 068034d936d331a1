package snmp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/fieldtap/fieldtap/internal/snmpwire"
)

// sessionConfig says how to reach one agent. It is what AgentConfig and Config come
// to when they are checked; sessions of the same agent share it.
type sessionConfig struct {
	name       string // of the agent, in logs
	dial       func(context.Context) (net.Conn, error)
	stream     bool // messages follow each other without bounds, as over TCP
	version    snmpwire.Version
	community  []byte     // of versions 1 and 2c
	authority  *authority // of version 3; else nil
	timeout    time.Duration
	retries    int
	maxMessage int
	now        func() time.Time
	logger     *slog.Logger
	trace      Trace
	plaintext  func(net.Conn) (sent, received func([]byte)) // of AgentConfig

	// requests holds the latest request id of any session, so that an answer owed to
	// a former one is known by its id.
	requests atomic.Uint32
}

// Request ids lie in a range whose numbers all take four octets, so that a request
// keeps its length whichever it bears. They come in order, so that none is used
// again within as many requests as the range is long.
const (
	firstID = 0x0080_0000
	idRange = 0x7fff_ffff - firstID + 1
)

// randomStart returns where the ids of a new configuration begin: not where anybody
// can guess, nor where those of the process before did.
func randomStart() uint32 { return rand.Uint32() }

// nextID returns the id of a new request.
func (c *sessionConfig) nextID() int32 {
	return int32(firstID + c.requests.Add(1)%idRange)
}

// Limits on what one request may cost.
const (
	maxTries   = 24  // messages sent for one request, those that find the engine included
	maxForeign = 512 // messages dropped while one request waits
	maxFailing = 64  // failures to receive meanwhile
)

// minBuffer is how large the buffer for answers is before any was larger.
const minBuffer = 4 << 10

// session is one agent over one connection. It has one request in flight, and is used
// by one goroutine at a time.
//
// A request without an answer leaves the session usable: a late answer shows by its
// request id and is dropped. Over TCP, anything that puts the boundaries between
// messages in doubt breaks it for good.
type session struct {
	cfg  *sessionConfig
	conn net.Conn

	tries   [maxTries]try // the latest of the request under way
	tried   int           // how many there were
	out     []byte        // the message sent last
	buf     []byte
	start   int           // received and not consumed: buf[start:end]
	end     int           //
	asked   asked         // steps of the request under way
	slowest time.Duration // answer of late, from the try that it answers; 0 if there was none
	failed  error         // why the session is of no more use
	plain   plaintext

	counts Counters // since they were last collected

	mu      sync.Mutex // guards the deadlines against an interrupt
	writeBy time.Time  // deadline for writing
	watched <-chan struct{}
	unwatch func() bool
	watches sync.WaitGroup
}

// try is one sending of a request.
type try struct {
	id     int32
	number int       // how many there were before
	sent   time.Time // by the clock for stamps
	left   time.Time // the same by the clock that waits go by
	engine *engine   // of version 3, nil: asked for its id
}

// response is the answer to a request. Its slices are views into the buffer of the
// session, valid until the next request.
type response struct {
	PDU            snmpwire.PDU
	Sent, Received time.Time // of the try that was answered
	Boots          int32     // version 3: how often the engine has booted; else 0
}

// Counters count what happened on the wire.
type Counters struct {
	Requests  uint64 // messages sent, repeats included
	Repeats   uint64 // messages sent again because nothing had come
	Timeouts  uint64 // requests without an answer in time
	Late      uint64 // answers dropped because nobody waited for them: late, doubled or foreign
	Malformed uint64 // answers dropped because they break the protocol

	// Of version 3.
	Reports     uint64 // Reports in place of answers, those that finding the engine takes included
	Unauthentic uint64 // messages dropped: a wrong digest, engine or user, undecipherable, or less secure than asked
	Untimely    uint64 // messages dropped that are authentic and outside the time window
}

// add adds the counts of d.
func (c *Counters) add(d *Counters) {
	c.Requests += d.Requests
	c.Repeats += d.Repeats
	c.Timeouts += d.Timeouts
	c.Late += d.Late
	c.Malformed += d.Malformed
	c.Reports += d.Reports
	c.Unauthentic += d.Unauthentic
	c.Untimely += d.Untimely
}

// take returns c and sets it to zero.
func (c *Counters) take() Counters {
	taken := *c
	*c = Counters{}
	return taken
}

var (
	errAgain = errors.New("no answer so far")
	errStep  = errors.New("to be asked again")
	errLarge = errors.New("answer larger than the buffer was")
	errGone  = errors.New("connection closed by the agent")
	errFlood = errors.New("flood of messages that answer nothing")

	errForeign = errors.New("answer to another request")
	longAgo    = time.Unix(1, 0)
)

// openSession connects. Over UDP that sends nothing.
func openSession(ctx context.Context, cfg *sessionConfig) (*session, error) {
	if err := ctx.Err(); err != nil { // which dial may leave to its caller
		return nil, err
	}
	conn, err := cfg.dial(ctx)
	if err != nil {
		return nil, err
	}
	return &session{cfg: cfg, conn: conn, buf: make([]byte, min(minBuffer, cfg.maxMessage+1)), plain: cfg.newPlaintext(conn)}, nil
}

// close closes the connection. It may be called more than once.
func (s *session) close() error {
	s.release()
	if s.conn == nil {
		return nil
	}
	conn := s.conn
	s.conn, s.failed = nil, net.ErrClosed
	return conn.Close()
}

// failure returns why the session is of no more use, nil while it is.
func (s *session) failure() error { return s.failed }

// fail ends the use of the session.
func (s *session) fail(err error) error {
	if s.failed == nil {
		s.failed = err
	}
	return err
}

// roundTrip sends a request of p.Type with p.ErrorStatus (of a bulk request its
// non-repeaters), p.ErrorIndex (its repetitions) and p.Bindings under an id of its
// own, repeats it within the timeout when nothing comes, and returns the answer to
// any of these. An agent that refuses the request has answered it: see
// response.PDU.ErrorStatus.
//
// The error is that of ctx, wraps ErrTimeout, or is a *MessageError or a SecurityFault;
// any other is that of the connection, which is then of no more use, as failure says.
func (s *session) roundTrip(ctx context.Context, p *snmpwire.PDU) (response, error) {
	if s.failed != nil {
		return response{}, s.failed
	}
	a := s.cfg.authority
	if a == nil {
		return s.ask(ctx, p)
	}
	if err := a.permit(time.Now()); err != nil {
		return response{}, err
	}
	answer, err := s.ask(ctx, p)
	a.judged(err, time.Now())
	return answer, err
}

// ask sends a request until it is answered, or there is no more time.
func (s *session) ask(ctx context.Context, p *snmpwire.PDU) (response, error) {
	s.watch(ctx)
	deadline := time.Now().Add(s.cfg.timeout)
	var trouble error
	s.tried, s.asked = 0, asked{}
	wait, left := s.patience(), s.cfg.attempts()
	for {
		left--
		soft := time.Now().Add(wait)
		if left <= 0 || deadline.Sub(soft) < wait/2 {
			soft = deadline // there is no time for another
		}
		if err := s.send(ctx, p, soft, deadline, &trouble); err != nil {
			return response{}, err
		}
		answer, err := s.receive(ctx, soft, &trouble)
		switch {
		case err == nil:
			if t := s.tryOf(answer.PDU.RequestID); t != nil { // which may be an early one of several
				s.slowest = max(time.Since(t.left), s.slowest-s.slowest/8)
			}
			return answer, nil
		case err == errLarge:
			continue
		case err == errStep:
			wait, left = s.patience(), s.cfg.attempts()
			continue
		case err != errAgain:
			return response{}, err
		case s.asked.fault != 0: // who asks on may be locked out
			return response{}, s.asked.fault
		}
		wait *= 2
		if !time.Now().Before(deadline) {
			s.counts.Timeouts++
			return response{}, s.silence(trouble)
		}
	}
}

// silence returns the error of a request that was not answered, where trouble is what
// came instead.
func (s *session) silence(trouble error) error {
	if a := s.cfg.authority; a != nil && a.mute() {
		return fmt.Errorf("%w: %w", NothingDecipherable, ErrTimeout)
	}
	if trouble != nil {
		return fmt.Errorf("%w: %w", ErrTimeout, trouble)
	}
	return ErrTimeout
}

// attempts returns how often a request may be sent. What TCP has taken it delivers.
func (c *sessionConfig) attempts() int {
	if c.stream {
		return 1
	}
	return 1 + c.retries
}

// patience returns how long to wait for an answer before the request is repeated for
// the first time. Each wait is twice the one before, and the last ends with the
// timeout; but an agent that is slow is not asked again before it would have had its
// time.
func (s *session) patience() time.Duration {
	return max(s.cfg.timeout/time.Duration(1<<s.cfg.attempts()-1), 3*s.slowest)
}

// send sends the request once. A datagram that does not leave is one that is lost, and
// trouble says why.
func (s *session) send(ctx context.Context, p *snmpwire.PDU, read, write time.Time, trouble *error) error {
	t := &s.tries[s.tried%maxTries]
	*t = try{id: s.cfg.nextID(), number: s.tried}
	if err := s.compose(t, p); err != nil {
		return err
	}
	if err := s.arm(ctx, read, write); err != nil {
		return err
	}
	t.sent, t.left = s.cfg.now(), time.Now()
	s.tried++
	s.counts.Requests++
	if s.tried > 1+s.asked.steps {
		s.counts.Repeats++
	}
	if s.cfg.trace.Sent != nil {
		s.cfg.trace.Sent(s.out)
	}
	s.plain.tell(s.plain.sent, s.out)
	n, err := s.conn.Write(s.out)
	if !s.cfg.stream && errors.Is(err, syscall.ECONNREFUSED) {
		// The system says so of the datagram before, and has not sent this one.
		n, err = s.conn.Write(s.out)
	}
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		if s.cfg.stream && n > 0 {
			s.fail(fmt.Errorf("request given up half sent: %w", err))
		}
		return ctx.Err()
	case !s.cfg.stream && !errors.Is(err, net.ErrClosed) && !errors.Is(err, io.ErrClosedPipe):
		*trouble = err
		return nil
	}
	return s.fail(err)
}

// compose encodes the message of one try.
func (s *session) compose(t *try, p *snmpwire.PDU) (err error) {
	if a := s.cfg.authority; a != nil {
		s.out, err = a.compose(s.out[:0], t, p, s.cfg.maxMessage, time.Now(), s.asked.probe)
		return err
	}
	m := snmpwire.Message{Version: s.cfg.version, Community: s.cfg.community, PDU: *p}
	m.PDU.RequestID = t.id
	s.out = m.Append(s.out[:0])
	return nil
}

// receive returns the answer to one of the tries, and errAgain when none has come
// until soft. What came instead is counted, and trouble says what it was.
func (s *session) receive(ctx context.Context, soft time.Time, trouble *error) (response, error) {
	failures := 0
	for dropped := 0; dropped < maxForeign; {
		message, err := s.next()
		if err == errLarge {
			s.counts.Malformed++
			return response{}, err
		}
		if err != nil {
			s.counts.Malformed++
			return response{}, s.fail(&MessageError{Err: err})
		}
		if message == nil {
			err := s.read()
			switch {
			case err == nil:
			case ctx.Err() != nil:
				return response{}, ctx.Err()
			case errors.Is(err, os.ErrDeadlineExceeded):
				return response{}, errAgain
			case s.cfg.stream && errors.Is(err, io.EOF): // which, as a final error, would mean that the source is finite
				return response{}, s.fail(errGone)
			case s.cfg.stream || errors.Is(err, net.ErrClosed) || errors.Is(err, io.EOF) || failures == maxFailing:
				return response{}, s.fail(err)
			default: // as when a port is closed: it may open before the time is over
				*trouble = err
				failures++
			}
			continue
		}
		received := s.cfg.now()
		if s.cfg.trace.Received != nil {
			s.cfg.trace.Received(message)
		}
		answer, err := s.open(ctx, message)
		switch err := err.(type) {
		case nil:
			answer.Received = received
			return answer, nil
		case refused:
			return response{}, err.SecurityFault
		case SecurityFault:
			s.asked.fault = err
			dropped++
			continue
		}
		switch {
		case err == errStep:
			return response{}, err
		case err == errForeign:
			s.counts.Late++
		default:
			s.counts.Malformed++
			*trouble = &MessageError{Err: err}
		}
		dropped++
	}
	err := error(&MessageError{Err: errFlood})
	if s.asked.fault != 0 {
		return response{}, s.asked.fault
	}
	if *trouble != nil {
		err = &MessageError{Err: fmt.Errorf("%w: %w", errFlood, *trouble)}
	}
	if s.cfg.stream {
		s.fail(err)
	}
	return response{}, err
}

// open takes a message apart and returns the answer in it, errForeign if it is none
// to this request.
func (s *session) open(ctx context.Context, message []byte) (response, error) {
	version, err := snmpwire.Peek(message)
	if err != nil {
		return response{}, err
	}
	if version != s.cfg.version {
		return response{}, errForeign
	}
	if version == snmpwire.V3 {
		return s.believe(ctx, message)
	}
	var m snmpwire.Message
	if err := m.Parse(message); err != nil {
		return response{}, err
	}
	if m.PDU.Type != snmpwire.Response || string(m.Community) != string(s.cfg.community) {
		return response{}, errForeign
	}
	if t := s.tryOf(m.PDU.RequestID); t != nil {
		return response{PDU: m.PDU, Sent: t.sent}, nil
	}
	return response{}, errForeign
}

// tryOf returns the try with an id, nil if there is none.
func (s *session) tryOf(id int32) *try {
	for i := range s.tries[:min(s.tried, maxTries)] {
		if s.tries[i].id == id {
			return &s.tries[i]
		}
	}
	return nil
}

// next takes the next message out of the buffer, nil if there is none.
func (s *session) next() ([]byte, error) {
	have := s.buf[s.start:s.end]
	if !s.cfg.stream {
		s.start, s.end = 0, 0
		switch {
		case len(have) == 0:
			return nil, nil
		case len(have) == len(s.buf) && len(have) <= s.cfg.maxMessage:
			// The system has cut off what did not fit. It is asked for again.
			s.buf = make([]byte, min(4*len(s.buf), s.cfg.maxMessage+1))
			return nil, errLarge
		}
		return have, nil
	}
	n, err := messageLength(have)
	switch {
	case err != nil:
		return nil, err
	case n > s.cfg.maxMessage:
		return nil, fmt.Errorf("message of %d bytes, more than %d", n, s.cfg.maxMessage)
	case n == 0 || n > len(have):
		s.room(n)
		return nil, nil
	}
	s.start += n
	s.plain.tell(s.plain.received, have[:n])
	return have[:n:n], nil
}

// messageLength returns the length of the message that b begins with, 0 if that does
// not show yet.
func messageLength(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	if b[0] != byte(snmpwire.Sequence) {
		return 0, snmpwire.ErrTag
	}
	if len(b) < 2 {
		return 0, nil
	}
	n, octets := int(b[1]), 0
	if n >= 0x80 {
		if octets = n & 0x7f; octets == 0 || octets > 4 {
			return 0, snmpwire.ErrLength
		}
		if len(b) < 2+octets {
			return 0, nil
		}
		var long int64
		for _, c := range b[2 : 2+octets] {
			long = long<<8 | int64(c)
		}
		if long > 1<<30 {
			return 0, snmpwire.ErrLength
		}
		n = int(long)
	}
	return 2 + octets + n, nil
}

// room makes room for a message of n bytes behind start.
func (s *session) room(n int) {
	have := s.buf[s.start:s.end]
	if n > len(s.buf) {
		s.buf = make([]byte, n)
	}
	s.start, s.end = 0, copy(s.buf, have)
}

// read waits for more bytes, or the next datagram.
func (s *session) read() error {
	if s.start == s.end {
		s.start, s.end = 0, 0
	}
	n, err := s.conn.Read(s.buf[s.end:])
	if n == 0 && err != nil {
		return err
	}
	if !s.cfg.stream { // also what is cut off, and asked for again
		s.plain.tell(s.plain.received, s.buf[s.end:s.end+n])
	}
	s.end += n
	return nil
}

// watch makes the end of ctx interrupt whatever the session waits for. It costs
// nothing while the same context is given again.
func (s *session) watch(ctx context.Context) {
	done := ctx.Done()
	if done == s.watched {
		return
	}
	s.release()
	if done == nil {
		return
	}
	conn := s.conn
	s.watches.Add(1)
	s.watched, s.unwatch = done, context.AfterFunc(ctx, func() {
		defer s.watches.Done()
		s.mu.Lock()
		defer s.mu.Unlock()
		_ = conn.SetDeadline(longAgo) // if it fails, the deadlines that are set still end the wait
		s.writeBy = time.Time{}
	})
}

// release ends what watch began, and waits for it where it is under way: an interrupt
// meant for one request must not hit the next.
func (s *session) release() {
	if s.unwatch != nil && s.unwatch() {
		s.watches.Done()
	}
	s.watches.Wait()
	s.watched, s.unwatch = nil, nil
}

// arm sets the deadlines. Those that an interrupt has set stay. That for writing
// matters little, and costs as much to move as the other, so that one that is far
// away stays.
func (s *session) arm(ctx context.Context, read, write time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	if now := time.Now(); s.writeBy.After(write) || s.writeBy.Sub(now) < write.Sub(now)/2 {
		if err := s.conn.SetWriteDeadline(write); err != nil {
			return s.fail(err)
		}
		s.writeBy = write
	}
	if err := s.conn.SetReadDeadline(read); err != nil {
		return s.fail(err)
	}
	return nil
}
