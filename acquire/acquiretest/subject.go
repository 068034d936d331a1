package acquiretest

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fieldtap/fieldtap/acquire"
)

// Subject is a source under test together with the simulated device that it
// reads and the handles on that device. Each check asks for a new one, inside
// the testing/synctest bubble in which it runs.
//
// The device answers over an in-memory link, such as a net.Pipe, that the driver
// is given in place of dialling. Goroutines that serve one link end with it;
// others are started when the Subject is made and ended by t.Cleanup. A net.Pipe
// has no buffer: a device that writes while the driver does, as one whose answers
// come late, must go on reading, with the write on another goroutine. The first
// seven fields are about a well-behaved device; the functions after them make it
// misbehave until Restore. They are called from the goroutine that reads the
// stream, between two calls of Next or beside one, and return at once. A check
// that needs a function that is nil fails.
type Subject struct {
	// Source is the driver's own, not wrapped in anything. It reads at least one
	// point.
	Source acquire.Source
	// Catalog is where the points of Source are defined.
	Catalog *acquire.Catalog
	// Period is the longest time from one batch to the next while the device
	// answers: the interval of polls or of keep-alives. The device has something
	// new for every point at least once in each Period.
	Period time.Duration
	// Timeout is the longest time the driver waits for the device before it
	// says that there is no answer.
	Timeout time.Duration

	// Truth returns the value that the device held for p at a time; none for
	// text, and where there is none. Values change from Period to Period, so that
	// one repeated or mixed up shows, and hold still within one.
	Truth func(p acquire.PointID, at acquire.Instant) acquire.Value
	// Writes returns how many requests came that would change the device.
	Writes func() uint64
	// Connections returns how many links to the device are open.
	Connections func() int

	// Refuse makes the device refuse to give p, and returns the quality that the
	// samples of p must have then: reason and native code.
	Refuse func(p acquire.PointID) acquire.Quality
	// Silence makes the device stop answering. Links stay open.
	Silence func()
	// Late makes every answer come d after its request, each on its own: a second
	// request does not wait for the answer to the first.
	Late func(d time.Duration)
	// Disconnect cuts all links; the device refuses new ones.
	Disconnect func()
	// Flood makes the device send what it should not, without end: frames that
	// nobody asked for, lengths beyond all limits, garbage. So that virtual time
	// passes, it sends in portions with a pause between, such as 64 KiB each
	// millisecond.
	Flood func()
	// Restore ends what the functions above began.
	Restore func()
	// Clock moves the clock that stamps the samples by d: the device's own for
	// samples with acquire.SourceTime, else the one given to the driver.
	Clock func(d time.Duration)

	// Without lists checks that do not apply, by name, with the reason. It is
	// for protocols that lack what a check is about, and shows in the log.
	Without map[string]string
}

// controls are the optional functions of a Subject by name.
func (s *Subject) controls() map[string]bool {
	return map[string]bool{
		"Truth":       s.Truth != nil,
		"Writes":      s.Writes != nil,
		"Connections": s.Connections != nil,
		"Refuse":      s.Refuse != nil,
		"Silence":     s.Silence != nil,
		"Late":        s.Late != nil,
		"Disconnect":  s.Disconnect != nil,
		"Flood":       s.Flood != nil,
		"Restore":     s.Restore != nil,
		"Clock":       s.Clock != nil,
	}
}

// faults returns everything that keeps c from using s.
func (s *Subject) faults(c *Check) error {
	if s == nil {
		return errors.New("there is no Subject")
	}
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	if s.Source == nil {
		fault("Subject.Source is nil")
	}
	if s.Catalog == nil {
		fault("Subject.Catalog is nil")
	}
	if s.Period <= 0 {
		fault("Subject.Period is %s", s.Period)
	}
	if s.Timeout <= 0 {
		fault("Subject.Timeout is %s", s.Timeout)
	}
	controls := s.controls()
	for _, name := range c.Needs {
		if !controls[name] {
			fault("the check needs Subject.%s, which is nil; give it, or name the check in Subject.Without", name)
		}
	}
	for name, reason := range s.Without {
		if !slices.ContainsFunc(Checks(), func(c Check) bool { return c.Name == name }) {
			fault("Subject.Without names %q, which is no check", name)
		}
		if reason == "" {
			fault("Subject.Without gives no reason for %s", name)
		}
	}
	return errors.Join(faults...)
}

// bound is how long a fault may stay unsaid: until the next poll, and its
// timeout.
func (s *Subject) bound() time.Duration { return s.Period + s.Timeout }

// recovery is how long the return of a device may stay unsaid, after an outage:
// an attempt just under way times out, the back-off runs, the first poll comes.
func (s *Subject) recovery(outage time.Duration) time.Duration {
	return s.Timeout + max(outage/5, time.Second) + s.bound()
}

// reconnected returns the source as hosts use it, with an exact back-off.
func (s *Subject) reconnected() acquire.Source {
	return acquire.Reconnect(s.Source, acquire.Backoff{Jitter: -1})
}

// pause is the longest silence of the reconnected source: one wait of a
// heartbeat, and what the driver takes then.
func (s *Subject) pause() time.Duration { return s.bound() + time.Second }

// stats returns the Stats of the source, and whether it keeps any. Those of an
// acquire.Group are the sums of its members', as far as checks look at them.
func (s *Subject) stats() (acquire.Stats, bool) { return statsOf(s.Source) }

func statsOf(src acquire.Source) (sum acquire.Stats, ok bool) {
	if r, ok := acquire.As[acquire.Reporter](src); ok {
		return r.Stats(), true
	}
	group, ok := acquire.As[acquire.Group](src)
	if !ok {
		return acquire.Stats{}, false
	}
	for _, member := range group.Sources() {
		st, ok := statsOf(member)
		if !ok {
			return acquire.Stats{}, false
		}
		sum.Since = max(sum.Since, st.Since)
		sum.Failures += st.Failures
		sum.Timeouts += st.Timeouts
		sum.Malformed += st.Malformed
		sum.Exceptions += st.Exceptions
		sum.Skipped += st.Skipped
		sum.Samples += st.Samples
		sum.TimeFaults += st.TimeFaults
	}
	return sum, true
}

// trouble sums up the counters of what goes wrong on a link.
func (s *Subject) trouble() uint64 {
	st, _ := s.stats()
	return st.Failures + st.Timeouts + st.Malformed + st.Exceptions
}

// links returns Connections once all that goes on has come to rest.
func (s *Subject) links() int {
	synctest.Wait()
	return s.Connections()
}

// name returns the name of a point for messages.
func (s *Subject) name(id acquire.PointID) string {
	if p, ok := s.Catalog.Point(id); ok {
		return p.Name
	}
	return fmt.Sprintf("point %d", id)
}

// show returns a sample as text for messages.
func (s *Subject) show(sample acquire.Sample, b *acquire.Batch) string {
	return string(s.Catalog.AppendSample(nil, sample, b))
}

// NewSubject makes a Subject in its initial state. It is called inside a
// testing/synctest bubble, with the bubble's t, and fails t where it cannot.
type NewSubject func(t *testing.T) *Subject
