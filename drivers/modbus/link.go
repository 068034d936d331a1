package modbus

import (
	"bytes"
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
	secure  bool          // over TLS
	packets bool          // each Read gives one frame, whole or not at all
	gap     time.Duration // least silence in front of a request
	char    time.Duration // time of one character on the line, 0 if it does not matter
	grace   time.Duration // how long an answer may come late where it bears no id
	trace   *Trace
	now     func() time.Time

	bus    *Bus           // for what outlives the link: transaction ids, and doubts about units
	doubts map[byte]doubt // by unit; under the lock of the Bus

	broken  atomic.Pointer[error] // why the link is of no more use
	turn    chan struct{}         // holds one token
	waiting atomic.Int32          // how many wait for it

	tries      [maxTries]try // tries[:tried] are those of the request under way
	tried      int
	buf        [4 * maxFrame]byte
	start, end int       // received and not consumed: buf[start:end]
	stale      int       // how many of these came before the request under way was sent
	noisy      bool      // what is on the line is not to be trusted until it falls silent
	active     time.Time // when the line was last busy

	writeBy time.Time // deadline for writing; under the lock of the caller that has the turn

	trip   *roundTrip // for requests by themselves; nil where conn allows none
	unread error      // what the latest trip found in place of an answer

	acknowledge func() // makes the system acknowledge what has come at once, if it can

	streams int // that use it; belongs to the Bus
}

// try is one sending of a request.
type try struct {
	transaction uint16
	sent        time.Time // by the clock for stamps
}

// doubt is what is known of answers that a unit may still owe on a link.
type doubt struct {
	owes   bool      // a request was left unanswered
	latest time.Time // when the latest request was sent of which that is so, or echo
	echo   uint16    // data of the latest echo
	asked  int       // echoes left unanswered since then
	habit            // of the unit, whatever the link
}

// habit is what is known of how a unit takes requests for an echo.
type habit struct {
	gives  bool // it is known to give echoes, or to refuse them
	failed int  // how often it gave none, and answered another request later
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

// maxTries is how often one request may be sent.
const maxTries = 1 + MaxRetries

// writeGrace is how long a request that is being written may take when its caller
// gives up.
const writeGrace = 20 * time.Millisecond

// minSilence is the least time without a byte that counts as silence between
// frames. Drivers and USB adapters hand over what they have in portions of some
// milliseconds, whatever the line does.
const minSilence = 20 * time.Millisecond

// caller is one user of a link: a stream, or whoever asks for an identification.
type caller struct {
	unit   byte
	framer framer
	expect int // byte count of the answer to the request under way, -1 if not known
	answer [maxFrame]byte
	counts counts

	retries int           // how often a request is repeated
	took    time.Duration // latest answer, from the first sending of its request
	slowest time.Duration // answer of late, 0 if there was none
	noise   bool          // what came in place of its latest answer was damaged

	mu   sync.Mutex
	link *link // whose turn the caller has, to interrupt

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
	errAgain  = errors.New("no answer so far")
	errHalf   = errors.New("request given up half sent")
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
		if l := c.link; l != nil {
			// A request that is just being written goes out, if the device takes it:
			// one cut short would cost the others on the link their connection.
			l.conn.SetReadDeadline(longAgo)
			l.conn.SetWriteDeadline(time.Now().Add(writeGrace))
			l.writeBy = time.Time{}
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

// arm sets the deadlines of the link that c has the turn of. Those that an interrupt
// has set already stay. That for writing matters little, and costs as much to move
// as the other, so that an earlier one stays while it is far away.
func (c *caller) arm(ctx context.Context, l *link, read, write time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	c.link = l
	if now := time.Now(); l.writeBy.After(write) || l.writeBy.Sub(now) < write.Sub(now)/2 {
		if err := l.conn.SetWriteDeadline(write); err != nil {
			return err
		}
		l.writeBy = write
	}
	return l.conn.SetReadDeadline(read)
}

func (c *caller) disarm() {
	c.mu.Lock()
	c.link = nil
	c.mu.Unlock()
}

func newLink(b *Bus, conn net.Conn) *link {
	l := &link{
		conn: conn, framing: b.cfg.Framing, packets: b.cfg.packets(),
		gap: b.cfg.gap(), char: b.cfg.Serial.character(), grace: b.cfg.LateGrace,
		trace: &b.cfg.Trace, now: b.cfg.Now, bus: b, turn: make(chan struct{}, 1),
		noisy: !b.cfg.Framing.identified(), // a former connection may have left something behind
	}
	l.doubts = b.inheritance()
	if l.doubts == nil {
		l.doubts = make(map[byte]doubt)
	}
	l.turn <- struct{}{}
	_, l.secure = conn.(overTLS)
	l.trip = newRoundTrip(conn)
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
		l.waiting.Add(1)
		defer l.waiting.Add(-1)
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

// fail breaks the link and closes the connection: a serial port is locked and some
// devices serve one client, so that it would be in the way of the next one.
func (l *link) fail(err error) error {
	_ = l.hangUp(err) // it was of no more use
	return err
}

// hangUp closes the connection, once.
func (l *link) hangUp(err error) error {
	if !l.broken.CompareAndSwap(nil, &err) {
		return nil
	}
	l.bus.inherit(l)
	return l.conn.Close()
}

// exchange sends request when it is c's turn and returns its answer, valid until
// c's next exchange, with the time midway between sending and receiving. Without an
// answer the error is ErrTimeout, which leaves the link usable unless failure says
// otherwise.
func (l *link) exchange(ctx context.Context, c *caller, request []byte, timeout time.Duration) (answer []byte, at acquire.Instant, err error) {
	now := l.now()
	if !l.framing.identified() {
		// Others have the line meanwhile.
		if err := acquire.Pause(ctx, min(l.bus.doubt(l, c.unit).waits(l.grace), timeout)); err != nil {
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
	l.noisy, c.noise = l.noisy || c.noise, false
	if err := l.settle(ctx, c, timeout); err != nil {
		now = l.now()
		return nil, midpoint(now, now), err
	}
	if l.framing.identified() {
		answer, at, err = l.ask(ctx, c, request, timeout, c.retries)
		return c.keep(l, answer), at, err
	}
	if err := l.resync(ctx, c, timeout); err != nil {
		now = l.now()
		return nil, midpoint(now, now), err
	}
	answer, at, err = l.ask(ctx, c, request, timeout, c.retries)
	d := l.bus.doubt(l, c.unit)
	if err == nil && d.asked > 0 {
		d.asked, d.failed = 0, d.failed+1
	}
	if d.owes = err != nil || l.tried > 1; d.owes {
		d.latest = time.Now()
	}
	l.bus.setDoubt(l, c.unit, d)
	return c.keep(l, answer), at, err
}

// keep returns the answer in memory of c: that of the link belongs to whoever has
// the turn next.
func (c *caller) keep(l *link, answer []byte) []byte {
	if answer == nil || !l.bus.shared {
		return answer
	}
	return c.answer[:copy(c.answer[:], answer)]
}

// ask sends a request and waits for its answer. If none comes for longer than the
// unit has taken of late, it is sent again, so often at most, within the same
// timeout; the answer to any of these will do.
func (l *link) ask(ctx context.Context, c *caller, request []byte, timeout time.Duration, retries int) ([]byte, acquire.Instant, error) {
	onTheWay := time.Duration(len(request)) * l.char
	start := time.Now()
	deadline := start.Add(timeout + onTheWay)
	l.stale = l.end - l.start
	patience := c.patience(timeout, retries) + onTheWay
	for l.tried = 0; ; {
		soft := start.Add(time.Duration(l.tried+1) * patience)
		if l.tried >= retries || deadline.Sub(soft) < patience/2 {
			soft = deadline // there is no time for another
		}
		var err error
		if l.tried == 0 || time.Until(deadline) > patience/4 {
			err = l.send(ctx, c, request, soft, deadline)
		} else { // the machine stood still
			soft, err = deadline, l.armed(ctx, c, deadline, deadline)
		}
		if err != nil {
			now := l.now()
			return nil, midpoint(now, now), err
		}
		l.busy(onTheWay)
		answer, first, err := l.receive(ctx, c, request, soft, deadline)
		if err == errAgain {
			if err = l.idle(ctx, l.gap); err == nil {
				continue
			}
		}
		c.counts.timeouts += uint64(l.tried - 1) // each but one goes without an answer
		sent, received := l.tries[first].sent, l.now()
		if err != nil {
			return nil, midpoint(l.tries[0].sent, received), err
		}
		c.took = time.Since(start)
		if l.tried == 1 {
			c.slowest = max(c.took, c.slowest-c.slowest/16, 1)
		}
		// The device took the values when the request had arrived and before its answer
		// went out.
		sent, received = sent.Add(onTheWay), received.Add(-time.Duration(len(answer))*l.char)
		if received.Before(sent) {
			received = sent
		}
		return answer, midpoint(sent, received), nil
	}
}

// patience returns how long to wait for an answer before the request is repeated:
// not before a slow device would have had its time.
func (c *caller) patience(timeout time.Duration, retries int) time.Duration {
	if c.slowest == 0 {
		return timeout
	}
	return max(timeout/time.Duration(retries+1), 3*c.slowest)
}

// send writes a request once, and sets the deadlines for its answer and for itself.
func (l *link) send(ctx context.Context, c *caller, request []byte, read, write time.Time) error {
	if err := l.armed(ctx, c, read, write); err != nil {
		return err
	}
	t := try{sent: l.now()}
	if l.framing.identified() {
		t.transaction = uint16(l.bus.transactions.Add(1))
		binary.BigEndian.PutUint16(request, t.transaction)
	}
	l.tries[l.tried] = t
	l.tried++
	c.counts.requests++
	if l.trace.Sent != nil {
		l.trace.Sent(request)
	}
	if l.trip == nil || l.tried > 1 || l.start != l.end {
		return l.write(ctx, c, request, false)
	}
	return l.travel(ctx, c, request)
}

// travel writes a request and waits for what comes next, all in one.
func (l *link) travel(ctx context.Context, c *caller, request []byte) error {
	l.start, l.end, l.stale = 0, 0, 0
	sent, got, err := l.trip.do(request, l.buf[:])
	switch {
	case sent < len(request) && err != nil:
		return l.fail(err)
	case sent < len(request):
		return l.write(ctx, c, request[sent:], sent > 0)
	}
	if l.end, l.unread = got, err; got > 0 {
		l.busy(0)
	}
	return nil
}

// armed is arm, after which a link that cannot be waited for is broken.
func (l *link) armed(ctx context.Context, c *caller, read, write time.Time) error {
	err := c.arm(ctx, l, read, write)
	if err != nil && ctx.Err() == nil {
		l.fail(err)
	}
	return err
}

// write writes one or more requests. One that was cut short leaves the device with
// part of a frame, and the link of no more use; half tells that part of it is sent
// already.
func (l *link) write(ctx context.Context, c *caller, b []byte, half bool) error {
	n, err := l.conn.Write(b)
	if err == nil {
		return nil
	}
	half = half || n > 0 || l.secure // which counts no bytes of a record that went out in part
	switch {
	case ctx.Err() != nil:
		if half {
			l.fail(errHalf) // to the others on the link: they have not given up
		}
		return ctx.Err()
	case errors.Is(err, os.ErrDeadlineExceeded):
		c.counts.timeouts++
		if err = fmt.Errorf("%w: %w", ErrTimeout, errFull); !half {
			return err
		}
	}
	return l.fail(judged(err))
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

// receive returns the frame that answers request, and which of its tries, and drops
// frames that do not, or that began before it was sent. When nothing has come until
// soft, the error is errAgain; what has begun to come is given until deadline.
func (l *link) receive(ctx context.Context, c *caller, request []byte, soft, deadline time.Time) (answer []byte, try int, err error) {
	var spoilt error // what a datagram was no frame for
	for foreign := 0; ; {
		var (
			frame []byte
			early bool
			err   error
		)
		switch hope := l.sift(c, request); {
		case l.heard(l.buf[l.start:l.end], request):
			l.consume(len(request))
			err = errHeard
		case !hope || l.packets:
			if frame, early, err = l.next(); frame != nil && l.heard(frame, request) {
				frame, err = nil, errHeard
			}
		}
		switch {
		case err != nil:
			c.counts.malformed++
			if err = l.garbled(err); !l.packets {
				return nil, 0, err
			}
			if foreign++; foreign >= maxForeign {
				return nil, 0, l.fail(err)
			}
			spoilt = err
			continue
		case frame != nil:
			if l.trace.Received != nil {
				l.trace.Received(frame)
			}
			if try, ok := l.answers(c, request, frame); ok && !early {
				return frame, try, nil
			}
			c.counts.late++
			if foreign++; foreign >= maxForeign {
				return nil, 0, l.fail(l.framing.mismatch(request, frame))
			}
			continue
		}
		err = l.read()
		if err != nil && soft.Before(deadline) && ctx.Err() == nil && errors.Is(err, os.ErrDeadlineExceeded) {
			if l.start == l.end {
				return nil, 0, errAgain
			}
			soft = deadline
			err = l.armed(ctx, c, deadline, deadline)
		}
		if err != nil {
			err = l.silence(ctx, c, err)
			if spoilt != nil && err == ErrTimeout {
				err = fmt.Errorf("%w: %w", err, spoilt)
			}
			return nil, 0, err
		}
	}
}

// heard reports whether b begins with our own request, which a converter gives back
// that listens while it sends. On such a line the echo that brings it in step would prove
// nothing, so that no answer behind it is taken.
func (l *link) heard(b, request []byte) bool {
	if l.framing.identified() || !bytes.HasPrefix(b, request) {
		return false
	}
	_, function, _, ok := l.framing.peek(request)
	return ok && function != diagnostics
}

// sift passes over noise in front of an RTU answer to request, and reports whether
// the answer may still be on its way behind bytes that are none.
func (l *link) sift(c *caller, request []byte) (hope bool) {
	if l.framing != RTU || l.start == l.end {
		return false
	}
	noise, hope := hunt(l.buf[l.start:l.end], request[0], request[1], c.expect)
	if noise > 0 {
		c.counts.malformed++
		l.consume(noise)
		return false
	}
	return hope
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
	if err := l.unread; err != nil {
		l.unread = nil
		return err
	}
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
// told, may be; and to which of its tries. What is in it is for the caller to check.
func (l *link) answers(c *caller, request, frame []byte) (try int, ok bool) {
	if l.framing.identified() {
		id := binary.BigEndian.Uint16(frame)
		for i, t := range l.tries[:l.tried] {
			if t.transaction == id {
				binary.BigEndian.PutUint16(request, id)
				return i, true
			}
		}
		return 0, false
	}
	unit, function, count, ok := l.framing.peek(frame)
	if !ok || l.framing == RTU && !soundRTU(frame) {
		return 0, true // damaged: whose it is does not show
	}
	_, asked, _, _ := l.framing.peek(request)
	l.learn(frame)
	switch {
	case unit != c.unit:
		return 0, false
	case (function&^exceptionBit == diagnostics) != (asked == diagnostics):
		return 0, false
	case asked == diagnostics, function == asked|exceptionBit, !l.bus.doubt(l, c.unit).owes:
		return 0, true
	}
	// The unit may still owe an answer: one that does not fit is that.
	return 0, function == asked && (c.expect < 0 || count == c.expect)
}

// distrust takes note of an answer that was not as asked. Where answers bear no id,
// one that does not fit belongs to another request or is noise, so that the right one
// may be still to come. One that fits but for its check is the right one, damaged.
func (l *link) distrust(c *caller, request, answer []byte, err error) {
	var refusal Exception
	if l.framing.identified() || errors.As(err, &refusal) {
		return
	}
	var wrong *FrameError
	if !errors.As(err, &wrong) || wrong.Field == "CRC" || wrong.Field == "LRC" {
		c.noise = true
		unit, function, count, ok := l.framing.peek(answer)
		_, asked, _, _ := l.framing.peek(request)
		if ok && unit == c.unit && (function == asked|exceptionBit || function == asked && (c.expect < 0 || count == c.expect)) {
			return
		}
	}
	d := l.bus.doubt(l, c.unit)
	d.owes, d.latest = true, time.Now()
	l.bus.setDoubt(l, c.unit, d)
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
		return l.fail(judged(err))
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
	if l.framing.identified() || !l.noisy && l.start == l.end {
		return l.idle(ctx, l.gap)
	}
	limit := time.Now().Add(timeout)
	for quiet := max(minSilence, l.gap); ; {
		l.drop(c)
		silent := time.Now().Add(quiet)
		if err := l.armed(ctx, c, silent, silent); err != nil {
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
	if d := l.bus.doubt(l, unit); ok && function&^exceptionBit == diagnostics && !d.gives {
		d.gives = true
		l.bus.setDoubt(l, unit, d)
	}
}

// idle waits until the line has been idle for d.
func (l *link) idle(ctx context.Context, d time.Duration) error {
	if d == 0 {
		return nil
	}
	return acquire.Pause(ctx, d-time.Since(l.active))
}

// resync brings the link in step with a unit that may owe answers, where these do
// not say what they answer: a late one would be taken for the next. A device
// answers in the order of the requests. So it is asked for an echo of fresh data
// (function 8, sub-function 0, V1.1b3, section 6.8, which changes nothing); when the
// echo comes, or a refusal of it, nothing older can. A unit that gives no echo is
// left alone for the grace time.
func (l *link) resync(ctx context.Context, c *caller, timeout time.Duration) error {
	d := l.bus.doubt(l, c.unit)
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
	answer, _, err := l.ask(ctx, c, request, timeout, 0)
	for err == nil {
		var refusal Exception
		data, fault := c.framer.open(diagnostics, request, answer)
		if errors.As(fault, &refusal) || fault == nil && len(data) == 4 && uint16(number(data[2:])) == d.echo {
			l.bus.setDoubt(l, c.unit, doubt{echo: d.echo, habit: habit{gives: true}})
			return nil
		}
		c.counts.late++ // an echo of before, or damaged
		answer, _, err = l.receive(ctx, c, request, time.Time{}, time.Time{})
	}
	echo := d.echo
	d = l.bus.doubt(l, c.unit) // which receive may know more of
	d.echo, d.latest = echo, time.Now()
	if ctx.Err() == nil {
		d.asked++
	}
	l.bus.setDoubt(l, c.unit, d)
	return err
}
