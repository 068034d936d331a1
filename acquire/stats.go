package acquire

import (
	"context"
	"errors"
	"io"
	"strconv"
	"sync"
)

// Link is the state of the connection to a device.
type Link uint8

// The states of a link.
const (
	Idle       Link = iota // not opened yet
	Connecting             // trying to connect for the first time
	Up                     // data or keep-alives arrive
	Down                   // lost, or not to be had, until the device is back (see Reconnect)
	Ended                  // closed, or failed for good
)

// String returns the state's name in lower case.
func (l Link) String() string {
	switch l {
	case Idle:
		return "idle"
	case Connecting:
		return "connecting"
	case Up:
		return "up"
	case Down:
		return "down"
	case Ended:
		return "ended"
	}
	return "link " + strconv.Itoa(int(l))
}

// Stats is a snapshot of one source: how it is, since when, and what it has
// counted since it was made. A counter that a driver has no use for stays 0.
type Stats struct {
	Link        Link    // state of the connection
	Since       Instant // when Link was entered
	LastError   error   // latest reason for a failed connection or a lost one; nil if none yet
	LastErrorAt Instant // when LastError happened
	NextAttempt Instant // when the next attempt to connect is due, while Down

	Connects   uint64 // connections made
	Failures   uint64 // connections refused or lost
	Requests   uint64 // requests sent
	Timeouts   uint64 // requests without an answer in time
	Late       uint64 // answers dropped because nobody waited for them: late, doubled or foreign
	Malformed  uint64 // answers dropped because they break the protocol or do not fit the request
	Exceptions uint64 // requests that the device refused
	Skipped    uint64 // polls not made because an earlier one or the consumer took too long
	Batches    uint64 // batches delivered
	Samples    uint64 // samples delivered, bad ones included
	BadSamples uint64 // bad samples delivered
	Lost       uint64 // samples dropped before delivery
	TimeFaults uint64 // samples flagged TimeBackwards
}

// Reporter is implemented by a Source that keeps Stats; find it with As. All
// drivers of this module do, and Reconnect. Merge does not: it is a Group, and
// its members are asked one by one. Where Reporter is absent, a host knows of the
// source only what the stream says.
type Reporter interface {
	// Stats returns a snapshot. It is safe for concurrent use and never blocks
	// on the device.
	Stats() Stats
}

// Tally keeps the Stats of one source on behalf of its driver. It is safe for
// concurrent use; the zero value is Idle.
type Tally struct {
	mu    sync.Mutex
	stats Stats
}

// Update calls f with the counters held still. f must return at once and keep
// no reference.
func (t *Tally) Update(f func(*Stats)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	f(&t.stats)
}

// Enter records that the link is in state l since now, if it was not already.
func (t *Tally) Enter(l Link, now Instant) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.stats.enter(l, now)
}

// Stats returns a snapshot.
func (t *Tally) Stats() Stats {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.stats
}

// Deliver counts the batch b as delivered.
func (t *Tally) Deliver(b *Batch) {
	bad, backwards := uint64(0), uint64(0)
	for i := range b.Samples {
		if b.Samples[i].Quality.IsBad() {
			bad++
		}
		if b.Samples[i].Quality.Has(TimeBackwards) {
			backwards++
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.stats.Batches++
	t.stats.Samples += uint64(len(b.Samples))
	t.stats.BadSamples += bad
	t.stats.TimeFaults += backwards
	t.stats.Lost += b.Lost
}

// Fail records that connecting failed, or that a link was lost, because of err.
func (t *Tally) Fail(err error, now Instant) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.stats.Failures++
	t.stats.LastError, t.stats.LastErrorAt = err, now
	t.stats.enter(Ended, now)
}

// End records that a stream ended with err, its final error. That is a failure of the
// link unless somebody wanted the end: the stream was closed, its context ended, or a
// finite source was read to its end.
func (t *Tally) End(err error, now Instant) {
	if !errors.Is(err, ErrClosed) && !errors.Is(err, io.EOF) &&
		!errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
		t.Fail(err, now)
		return
	}
	t.Enter(Ended, now)
}

func (s *Stats) enter(l Link, now Instant) {
	if s.Link != l {
		s.Link, s.Since = l, now
	}
	if l != Down {
		s.NextAttempt = 0
	}
}
