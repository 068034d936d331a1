package modbus

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fieldtap/fieldtap/acquire"
)

// link is one connection, with one request under way at a time. It knows frames
// and whose turn it is, and nothing of what is in them. The streams that share it
// take turns in the order of asking; all below turn belongs to whoever has it.
//
// A request that gets no answer in time leaves the link usable. Where answers
// bear a transaction id a late one shows by it and is dropped. Where they do not,
// the unit is in doubt until the link is in step with it again: see resync.
// Anything that puts the boundaries between frames in doubt breaks the link for
// good if frames follow each other without a pause, and is waited out if silence
// parts them.
type link struct {
	conn    net.Conn
	framing Framing
	packets bool          // each Read gives one frame, whole or not at all
	gap     time.Duration // least silence in front of a request
	char    time.Duration // time of one character on the line, 0 if it does not matter
	grace   time.Duration // how long an answer may come late where it bears no id
	trace   *Trace
	now     func() time.Time

	bus *Bus // for what outlives the link: transaction ids, and doubts about units

	broken atomic.Pointer[error] // why the link is of no more use
	turn   chan struct{}         // holds one token

	transaction uint16 // of the request under way
	buf         [4 * maxFrame]byte
	start, end  int       // received and not consumed: buf[start:end]
	stale       int       // how many of these came before the request under way was sent
	noisy       bool      // what is on the line is not to be trusted until it falls silent
	active      time.Time // when the line was last busy

	acknowledge func() // makes the system acknowledge what has come at once, if it can

	streams int // that use it; belongs to the Bus
}

// doubt is what is known of answers that a unit may still owe.
type doubt struct {
	owes   bool      // a request was left unanswered
	latest time.Time // when the latest request was sent of which that is so, or echo
	echo   uint16    // data of the latest echo
	asked  int       // echoes left unanswered since then
	gives  bool      // the unit is known to give echoes, or to refuse them
	failed int       // how often it gave none, and answered another request later
}

// The patience with a unit: how many echoes in a row are asked for, of a unit that
// has given one before, until the grace time decides, as another device may have
// taken its place; and how often one that has not may fail to, before it is asked
// for no more.
const (
	maxEchoes = 64
	maxFailed = 2
)

// echoes reports whether to ask the unit for an echo.
func (d doubt) echoes() bool {
	if d.gives {
		return d.asked < maxEchoes
	}
	return d.asked == 0 && d.failed < maxFailed
}

// waits returns how long to leave the unit alone before it is asked again.
func (d doubt) waits(grace time.Duration) time.Duration {
	if !d.owes || d.echoes() {
		return 0
	}
	return max(0, grace-time.Since(d.latest))
}

// maxForeign is how many frames that answer another request are dropped while
// one request waits. A device that keeps the protocol owes one per request that
// timed out; one that floods could otherwise keep a processor busy, and would
// hit the right transaction id in the end.
const maxForeign = 256

// minSilence is the least time without a byte that counts as silence between
// frames. Drivers and USB adapters hand over what they have in portions of some
// milliseconds, whatever the line does.
const minSilence = 20 * time.Millisecond

// caller is one user of a link: a stream, or whoever asks for an identification.
type caller struct {
	unit   byte
	framer framer
	expect int // byte count of the answer to the request under way, -1 if not known
	counts counts

	mu   sync.Mutex
	conn net.Conn // of the link whose turn the caller has, to interrupt

	watched <-chan struct{} // Done of the context that interrupts
	unwatch func() bool
	watches sync.WaitGroup
}

// counts are the counters of a caller since they were last collected.
type counts struct{ requests, timeouts, late, malformed, exceptions uint64 }

var (
	errCut    = errors.New("frame not complete in time")
	errGone   = errors.New("connection closed by the device")
	errFull   = errors.New("request not taken in time")
	errBabble = errors.New("line does not fall silent")
	errOwes   = fmt.Errorf("%w: an answer may still come late", ErrTimeout)
	longAgo   = time.Unix(1, 0)
)

// watch makes the end of ctx interrupt whatever c waits for. It costs nothing
// while the same context is given again.
func (c *caller) watch(ctx context.Context) {
	done := ctx.Done()
	if done == c.watched {
		return
	}
	c.release()
	if done == nil {
		return
	}
	c.watches.Add(1)
	stop := context.AfterFunc(ctx, func() {
		defer c.watches.Done()
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.conn != nil {
			c.conn.SetDeadline(longAgo)
		}
	})
	c.watched, c.unwatch = done, stop
}

// release ends what watch began, and waits for it where it is under way: an
// interrupt meant for one call must not hit the next.
func (c *caller) release() {
	if c.unwatch != nil && c.unwatch() {
		c.watches.Done()
	}
	c.watches.Wait()
	c.watched, c.unwatch = nil, nil
}

// arm sets the deadline of the link that c has the turn of. One that an interrupt
// has set already stays.
func (c *caller) arm(ctx context.Context, l *link, deadline time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	c.conn = l.conn
	return l.conn.SetDeadline(deadline)
}

func (c *caller) disarm() {
	c.mu.Lock()
	c.conn = nil
	c.mu.Unlock()
}

func newLink(b *Bus, conn net.Conn) *link {
	l := &link{
		conn: conn, framing: b.cfg.Framing, packets: b.cfg.packets(),
		gap: b.cfg.gap(), char: b.cfg.Serial.character(), grace: b.cfg.LateGrace,
		trace: &b.cfg.Trace, now: b.cfg.Now, bus: b, turn: make(chan struct{}, 1),
		noisy: !b.cfg.Framing.identified(), // a former connection may have left something behind
	}
	l.turn <- struct{}{}
	if l.acknowledge = quickAck(conn); l.acknowledge == nil {
		l.acknowledge = func() {}
	}
	return l
}

// take waits for the turn. Those who wait get it in the order of asking.
func (l *link) take(ctx context.Context) error {
	select {
	case <-l.turn:
	default:
		select {
		case <-l.turn:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

func (l *link) give() { l.turn <- struct{}{} }

// failure returns why the link is of no more use, nil while it is.
func (l *link) failure() error {
	if err := l.broken.Load(); err != nil {
		return *err
	}
	return nil
}

func (l *link) fail(err error) error {
	l.broken.CompareAndSwap(nil, &err)
	return err
}

// exchange sends request when it is c's turn and returns its answer, valid until
// c's next exchange, with the time midway between sending and receiving. Without an
// answer the error is ErrTimeout, which leaves the link usable unless failure says
// otherwise.
func (l *link) exchange(ctx context.Context, c *caller, request []byte, timeout time.Duration) (answer []byte, at acquire.Instant, err error) {
	now := l.now()
	if !l.framing.identified() {
		// Others have the line meanwhile.
		if err := pause(ctx, min(l.bus.doubt(c.unit).waits(l.grace), timeout)); err != nil {
			return nil, midpoint(now, now), err
		}
	}
	if err := l.take(ctx); err != nil {
		return nil, midpoint(now, now), err
	}
	defer l.give()
	defer c.disarm()
	if err := l.failure(); err != nil { // another stream's doing
		now = l.now()
		return nil, midpoint(now, now), err
	}
	if err := l.settle(ctx, c, timeout); err != nil {
		now = l.now()
		return nil, midpoint(now, now), err
	}
	if l.framing.identified() {
		return l.ask(ctx, c, request, timeout)
	}
	if err := l.resync(ctx, c, timeout); err != nil {
		now = l.now()
		return nil, midpoint(now, now), err
	}
	answer, at, err = l.ask(ctx, c, request, timeout)
	d := l.bus.doubt(c.unit)
	if d.owes = err != nil; d.owes {
		d.latest = time.Now()
	} else if d.asked > 0 {
		d.asked, d.failed = 0, d.failed+1
	}
	l.bus.setDoubt(c.unit, d)
	return answer, at, err
}

// ask sends one request and waits for its answer.
func (l *link) ask(ctx context.Context, c *caller, request []byte, timeout time.Duration) ([]byte, acquire.Instant, error) {
	if l.framing.identified() {
		l.transaction = uint16(l.bus.transactions.Add(1))
		binary.BigEndian.PutUint16(request, l.transaction)
	}
	l.stale = l.end - l.start
	c.counts.requests++
	sent := l.now()
	onTheWay := time.Duration(len(request)) * l.char
	if err := c.arm(ctx, l, time.Now().Add(timeout+onTheWay)); err != nil {
		if ctx.Err() == nil {
			err = l.fail(err)
		}
		return nil, midpoint(sent, sent), err
	}
	if l.trace.Sent != nil {
		l.trace.Sent(request)
	}
	if _, err := l.conn.Write(request); err != nil {
		switch {
		case ctx.Err() != nil:
			err = ctx.Err()
		case errors.Is(err, os.ErrDeadlineExceeded):
			c.counts.timeouts++
			err = fmt.Errorf("%w: %w", ErrTimeout, errFull)
		}
		return nil, midpoint(sent, l.now()), l.fail(err)
	}
	l.busy(onTheWay)
	answer, err := l.receive(ctx, c, request)
	received := l.now()
	if err == nil {
		// The device took the values when the request had arrived and before its answer
		// went out.
		sent, received = sent.Add(onTheWay), received.Add(-time.Duration(len(answer))*l.char)
		if received.Before(sent) {
			received = sent
		}
	}
	return answer, midpoint(sent, received), err
}

// midpoint returns the time midway between the sending of a request and its
// answer, the best estimate of when the device took the values.
func midpoint(sent, received time.Time) acquire.Instant {
	return acquire.At(sent.Add(received.Sub(sent) / 2))
}

// busy notes that the line has been, or will have been after d.
func (l *link) busy(d time.Duration) {
	if l.gap > 0 || !l.framing.identified() {
		l.active = time.Now().Add(d)
	}
}

// receive returns the frame that answers request, and drops those that do not,
// or that began before it was sent.
func (l *link) receive(ctx context.Context, c *caller, request []byte) ([]byte, error) {
	for foreign := 0; ; {
		frame, early, err := l.next()
		switch {
		case err != nil:
			c.counts.malformed++
			return nil, l.garbled(err)
		case frame != nil:
			if l.trace.Received != nil {
				l.trace.Received(frame)
			}
			if !early && l.answers(c, request, frame) {
				return frame, nil
			}
			c.counts.late++
			if foreign++; foreign >= maxForeign {
				return nil, l.fail(l.framing.mismatch(request, frame))
			}
			continue
		}
		if err := l.read(); err != nil {
			return nil, l.silence(ctx, c, err)
		}
	}
}

// next takes the next whole frame out of the buffer, nil if there is none, and
// tells whether it began before the request under way was sent.
func (l *link) next() (frame []byte, early bool, err error) {
	for {
		skip, n, err := l.framing.split(l.buf[l.start:l.end])
		if err != nil {
			return nil, false, err
		}
		l.consume(skip)
		if n > 0 {
			early = l.stale > 0
			frame = l.buf[l.start : l.start+n : l.start+n]
			l.consume(n)
			return frame, early, nil
		}
		if skip == 0 || l.start == l.end {
			return nil, false, nil
		}
	}
}

func (l *link) consume(n int) {
	l.start += n
	l.stale = max(0, l.stale-n)
}

// read waits for more bytes.
func (l *link) read() error {
	switch {
	case l.packets: // what is left of a datagram is no frame, and the next begins anew
		l.start, l.end, l.stale = 0, 0, 0
	case l.start > 0:
		copy(l.buf[:], l.buf[l.start:l.end])
		l.start, l.end = 0, l.end-l.start
	}
	n, err := l.conn.Read(l.buf[l.end:])
	l.end += n
	if n > 0 {
		l.busy(0)
		return nil
	}
	return err
}

// answers reports whether frame is the answer to request or, where that cannot be
// told, may be. What is in it is for the caller to check.
func (l *link) answers(c *caller, request, frame []byte) bool {
	if l.framing.identified() {
		return binary.BigEndian.Uint16(frame) == l.transaction
	}
	unit, function, count, ok := l.framing.peek(frame)
	if !ok {
		return true // damaged: whose it is does not show
	}
	_, asked, _, _ := l.framing.peek(request)
	l.learn(frame)
	switch {
	case unit != c.unit:
		return false
	case (function&^exceptionBit == diagnostics) != (asked == diagnostics):
		return false
	case asked == diagnostics, function == asked|exceptionBit, !l.bus.doubt(c.unit).owes:
		return true
	}
	// The unit may still owe an answer: one that does not fit is that.
	return function == asked && (c.expect < 0 || count == c.expect)
}

// garbled handles bytes that are no frame. Where frames follow each other without
// a pause no later one can be found; where silence parts them, it is waited for.
func (l *link) garbled(err error) error {
	if l.packets {
		l.start, l.end, l.stale = 0, 0, 0
		return err
	}
	if l.framing.identified() {
		return l.fail(err)
	}
	l.noisy = true
	return err
}

// silence tells a missing answer from a broken link.
func (l *link) silence(ctx context.Context, c *caller, err error) error {
	if ctx.Err() != nil {
		// The link is as good as before: the answer on its way is a late one.
		l.noisy = true
		return ctx.Err()
	}
	switch {
	case errors.Is(err, io.EOF): // which, as a final error, would mean that the source is finite
		return l.fail(errGone)
	case !errors.Is(err, os.ErrDeadlineExceeded):
		return l.fail(err)
	}
	c.counts.timeouts++
	if l.end > l.start {
		err := fmt.Errorf("%w: %w", ErrTimeout, errCut)
		if l.framing.identified() {
			return l.fail(err)
		}
		l.noisy = true
		return err
	}
	return ErrTimeout
}

// settle makes the line fit for a request: silent since at least the gap between
// frames and, after anything that was no frame, for longer.
func (l *link) settle(ctx context.Context, c *caller, timeout time.Duration) error {
	if l.framing.identified() || l.packets {
		return l.idle(ctx, l.gap)
	}
	if !l.noisy && l.start == l.end {
		return l.idle(ctx, l.gap)
	}
	limit := time.Now().Add(timeout)
	for quiet := max(minSilence, l.gap); ; {
		l.drop(c)
		if err := c.arm(ctx, l, time.Now().Add(quiet)); err != nil {
			if ctx.Err() == nil {
				err = l.fail(err)
			}
			return err
		}
		err := l.read()
		switch {
		case err == nil && time.Now().After(limit):
			c.counts.malformed++
			return l.fail(errBabble)
		case err == nil:
			continue
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, os.ErrDeadlineExceeded):
			l.start, l.end, l.stale, l.noisy = 0, 0, 0, false // what is left is part of a frame
			return nil
		case errors.Is(err, io.EOF):
			return l.fail(errGone)
		default:
			return l.fail(err)
		}
	}
}

// drop takes all that has come out of the buffer. Frames among it are late, and may
// yet teach something.
func (l *link) drop(c *caller) {
	for {
		frame, _, err := l.next()
		if err != nil {
			l.start = l.end
		}
		if frame == nil {
			break
		}
		c.counts.late++
		l.learn(frame)
		if l.trace.Received != nil {
			l.trace.Received(frame)
		}
	}
	if l.noisy && l.end == len(l.buf) {
		l.start = l.end
	}
}

// learn takes note of a unit that gives echoes.
func (l *link) learn(frame []byte) {
	unit, function, _, ok := l.framing.peek(frame)
	if d := l.bus.doubt(unit); ok && function&^exceptionBit == diagnostics && !d.gives {
		d.gives = true
		l.bus.setDoubt(unit, d)
	}
}

// idle waits until the line has been idle for d.
func (l *link) idle(ctx context.Context, d time.Duration) error {
	if d == 0 {
		return nil
	}
	return pause(ctx, d-time.Since(l.active))
}

// pause lets d pass.
func pause(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// resync brings the link in step with a unit that may owe answers, where these do
// not say what they answer: a late one would be taken for the next. A device
// answers in the order of the requests. So it is asked for an echo of fresh data
// (function 8, sub-function 0, V1.1b3, section 6.8, which changes nothing); when the
// echo comes, or a refusal of it, nothing older can. A unit that gives no echo is
// left alone for the grace time.
func (l *link) resync(ctx context.Context, c *caller, timeout time.Duration) error {
	d := l.bus.doubt(c.unit)
	switch {
	case !d.owes:
		return nil
	case d.waits(l.grace) > 0:
		return errOwes
	case !d.echoes():
		l.noisy = true // whatever came meanwhile is late
		return l.settle(ctx, c, timeout)
	}
	d.echo++
	request, err := c.framer.encode(diagnostics, 0, 0, byte(d.echo>>8), byte(d.echo))
	if err != nil {
		return err
	}
	answer, _, err := l.ask(ctx, c, request, timeout)
	for err == nil {
		var refusal Exception
		data, fault := c.framer.open(diagnostics, request, answer)
		if errors.As(fault, &refusal) || fault == nil && len(data) == 4 && uint16(number(data[2:])) == d.echo {
			l.bus.setDoubt(c.unit, doubt{gives: true, echo: d.echo})
			return nil
		}
		c.counts.late++ // an echo of before, or damaged
		answer, err = l.receive(ctx, c, request)
	}
	echo := d.echo
	d = l.bus.doubt(c.unit) // which receive may know more of
	d.echo, d.latest = echo, time.Now()
	if ctx.Err() == nil {
		d.asked++
	}
	l.bus.setDoubt(c.unit, d)
	return err
}
