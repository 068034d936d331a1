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

// link is one connection with at most one request under way. It knows frames
// and transaction ids, and nothing of what is in them.
//
// A request that gets no answer in time leaves the link usable: should the
// answer come late, its transaction id tells, and it is dropped. Anything that
// puts the boundaries between frames in doubt breaks the link for good.
type link struct {
	conn         net.Conn
	trace        *Trace
	now          func() time.Time
	transactions *atomic.Uint32 // latest id of the source, see Source

	transaction uint16 // of the request under way
	buf         [8 * maxFrame]byte
	start, end  int   // received and not consumed: buf[start:end]
	stale       int   // how many of these came before the request under way was sent
	broken      error // why the link is of no more use
	closed      bool

	watched <-chan struct{} // Done of the context that interrupts the link
	unwatch func() bool
	watches sync.WaitGroup

	counts counts
}

// maxForeign is how many frames that answer another request are dropped while
// one request waits. A device that keeps the protocol owes one per request that
// timed out; one that floods could otherwise keep a processor busy, and would
// hit the right transaction id in the end.
const maxForeign = 256

// counts are the counters of a link since they were last collected.
type counts struct{ requests, timeouts, late, malformed, exceptions uint64 }

var (
	errCut  = errors.New("frame not complete in time")
	errGone = errors.New("connection closed by the device")
	errFull = errors.New("request not taken in time")
	longAgo = time.Unix(1, 0)
)

// watch makes the end of ctx interrupt whatever the link waits for. It costs
// nothing while the same context is given again.
func (l *link) watch(ctx context.Context) {
	done := ctx.Done()
	if done == l.watched {
		return
	}
	l.release()
	if done == nil {
		return
	}
	l.watches.Add(1)
	stop := context.AfterFunc(ctx, func() {
		defer l.watches.Done()
		l.conn.SetDeadline(longAgo)
	})
	l.watched, l.unwatch = done, stop
}

// release ends what watch began, and waits for it where it is under way: an
// interrupt meant for one call must not hit the next.
func (l *link) release() {
	if l.unwatch != nil && l.unwatch() {
		l.watches.Done()
	}
	l.watches.Wait()
	l.watched, l.unwatch = nil, nil
}

// close ends the connection and waits for what watch started. It is idempotent.
func (l *link) close() error {
	if l.closed {
		return nil
	}
	l.closed = true
	l.release()
	return l.conn.Close()
}

// exchange sends request, under a transaction id of its own, and returns the
// answer of that id, valid until the next exchange, with the time midway between
// sending and receiving. Without an answer the error is ErrTimeout, which breaks
// the link if it came in the middle of a frame; any other error always does.
func (l *link) exchange(ctx context.Context, request []byte, timeout time.Duration) ([]byte, acquire.Instant, error) {
	l.transaction = uint16(l.transactions.Add(1))
	l.stale = l.end - l.start
	binary.BigEndian.PutUint16(request, l.transaction)
	l.counts.requests++
	sent := l.now()
	if err := l.conn.SetDeadline(time.Now().Add(timeout)); err != nil {
		return nil, midpoint(sent, sent), l.fail(err)
	}
	// The deadline just set may have undone that of watch.
	if err := ctx.Err(); err != nil {
		return nil, midpoint(sent, sent), l.fail(err)
	}
	if l.trace.Sent != nil {
		l.trace.Sent(request)
	}
	if _, err := l.conn.Write(request); err != nil {
		if errors.Is(err, os.ErrDeadlineExceeded) && ctx.Err() == nil {
			l.counts.timeouts++
			err = fmt.Errorf("%w: %w", ErrTimeout, errFull)
		}
		return nil, midpoint(sent, l.now()), l.fail(err)
	}
	answer, err := l.receive(ctx)
	return answer, midpoint(sent, l.now()), err
}

// midpoint returns the time midway between the sending of a request and its
// answer, the best estimate of when the device took the values.
func midpoint(sent, received time.Time) acquire.Instant {
	return acquire.At(sent.Add(received.Sub(sent) / 2))
}

// receive returns the frame that bears the present transaction id and drops
// those that do not, or that began before the request was sent.
func (l *link) receive(ctx context.Context) ([]byte, error) {
	for foreign := 0; ; {
		n, err := split(l.buf[l.start:l.end])
		if err != nil {
			l.counts.malformed++
			return nil, l.fail(err)
		}
		if n > 0 {
			frame := l.buf[l.start : l.start+n : l.start+n]
			l.start += n
			if l.trace.Received != nil {
				l.trace.Received(frame)
			}
			id, early := binary.BigEndian.Uint16(frame), l.stale > 0
			l.stale = max(0, l.stale-n)
			if id == l.transaction && !early {
				return frame, nil
			}
			l.counts.late++
			if foreign++; foreign >= maxForeign {
				return nil, l.fail(&FrameError{"transaction id", int(id), int(l.transaction)})
			}
			continue
		}
		if l.start > 0 {
			copy(l.buf[:], l.buf[l.start:l.end])
			l.start, l.end = 0, l.end-l.start
		}
		n, err = l.conn.Read(l.buf[l.end:])
		l.end += n
		if n == 0 && err != nil {
			return nil, l.silence(ctx, err)
		}
	}
}

// silence tells a missing answer from a broken link.
func (l *link) silence(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return l.fail(ctx.Err())
	}
	switch {
	case errors.Is(err, io.EOF): // which, as a final error, would mean that the source is finite
		return l.fail(errGone)
	case !errors.Is(err, os.ErrDeadlineExceeded):
		return l.fail(err)
	}
	l.counts.timeouts++
	if l.end > l.start {
		return l.fail(fmt.Errorf("%w: %w", ErrTimeout, errCut))
	}
	return ErrTimeout
}

func (l *link) fail(err error) error {
	l.broken = err
	return err
}
