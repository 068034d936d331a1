package acquiretest

import (
	"context"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/fieldtap/fieldtap/acquire"
)

// Step is one act of the device behind a Fake. Make steps with the functions
// Deliver, Fill, Wait, Fail, EOF, Outage, Connect, Silence, Repeat and Forever. A Step is
// immutable and may occur in several scripts. The zero Step does nothing.
type Step struct {
	act   act
	d     time.Duration
	err   error
	fill  func(*acquire.Batch)
	body  []Step
	times int // how often body is played; negative: without end
}

type act uint8

const (
	nothing act = iota
	fill
	wait
	fail
	outage
	connect
	silence
	loop
)

// Deliver gives one batch of the samples; none make an empty batch. A sample
// with an unknown time gets the time of delivery, which is also Received and
// the watermark of the batch. The samples are copied.
func Deliver(samples ...acquire.Sample) Step {
	samples = slices.Clone(samples)
	return Fill(func(b *acquire.Batch) {
		for _, s := range samples {
			if s.Time == 0 {
				s.Time = b.Received
			}
			b.Append(s)
		}
	})
}

// Fill gives one batch, filled by f. It comes with Received and Watermark set to
// the present and Points to those of the Fake; f may change them. f is called
// by the goroutine that calls Next and must not keep the batch.
func Fill(f func(b *acquire.Batch)) Step { return Step{act: fill, fill: f} }

// Wait lets d pass before the next step of an open stream.
func Wait(d time.Duration) Step { return Step{act: wait, d: d} }

// Fail ends the connection: Next fails with err, or, when a connection is being
// made, Open does. The script goes on with the next connection.
func Fail(err error) Step { return Step{act: fail, err: err} }

// EOF ends the connection as a finite source does. The end of a script does
// the same, for ever.
func EOF() Step { return Fail(io.EOF) }

// Outage ends the connection with err and refuses new ones with err for d, from
// the moment the script gets here.
func Outage(d time.Duration, err error) Step { return Step{act: outage, d: d, err: err} }

// Connect makes the next connection take d. It means nothing to an open stream.
func Connect(d time.Duration) Step { return Step{act: connect, d: d} }

// Silence lets an open stream wait until its caller gives up. The script ends
// here.
func Silence() Step { return Step{act: silence} }

// Repeat plays the steps n times.
func Repeat(n int, steps ...Step) Step {
	return Step{act: loop, body: slices.Clone(steps), times: max(n, 0)}
}

// Forever plays the steps again and again. They must contain one that waits,
// delivers or fails.
func Forever(steps ...Step) Step {
	return Step{act: loop, body: slices.Clone(steps), times: -1}
}

// Fake is a Source that plays a script, for tests of what consumes sources. The
// script is the life of one device: it goes on from connection to connection,
// and is meant for one open stream at a time. Time is that of package time, so
// that a Fake made inside a testing/synctest bubble lives on virtual time.
//
// Errors come out as the script gives them; those of contexts and of closed
// streams are acquire.OpErrors. A Fake is safe for concurrent use.
type Fake struct {
	name   string
	points []acquire.PointID

	mu       sync.Mutex
	stack    []frame // what is being played, innermost last
	until    time.Time
	attempts []acquire.Instant
	open     int
}

// frame is one list of steps being played.
type frame struct {
	steps []Step
	at    int
	times int // rounds to play, this one included; negative: without end
}

// NewFake returns a Fake that delivers the points and plays the script.
func NewFake(name string, points []acquire.PointID, script ...Step) *Fake {
	return &Fake{
		name:   name,
		points: slices.Clone(points),
		stack:  []frame{{steps: slices.Clone(script), times: 1}},
	}
}

// Name returns the name given to NewFake.
func (f *Fake) Name() string { return f.name }

// Points returns the points given to NewFake. The slice is only to be read.
func (f *Fake) Points() []acquire.PointID { return f.points }

// Attempts returns when Open was called, refused calls included.
func (f *Fake) Attempts() []acquire.Instant {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.attempts)
}

// Connections returns how many streams are open now.
func (f *Fake) Connections() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.open
}

// Open connects, unless the script is at a step that refuses.
func (f *Fake) Open(ctx context.Context) (acquire.Stream, error) {
	if err := ctx.Err(); err != nil {
		return nil, &acquire.OpError{Op: "open", Source: f.name, Err: err}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.attempts = append(f.attempts, acquire.At(time.Now()))
	for {
		switch s := f.peek(); s.act {
		case connect:
			f.pop()
			f.mu.Unlock()
			err := sleep(ctx, s.d)
			f.mu.Lock()
			if err != nil {
				return nil, &acquire.OpError{Op: "open", Source: f.name, Err: err}
			}
		case fail:
			f.pop()
			return nil, s.err
		case outage:
			if f.refusing(s) {
				return nil, s.err
			}
			f.pop()
		default:
			f.open++
			return &fakeStream{fake: f}, nil
		}
	}
}

// peek returns the next step that is not a loop; at the end of the script, EOF.
func (f *Fake) peek() Step {
	for len(f.stack) > 0 {
		top := &f.stack[len(f.stack)-1]
		if top.at == len(top.steps) {
			top.at = 0
			if top.times > 0 {
				top.times--
			}
		}
		if top.times == 0 || len(top.steps) == 0 {
			f.stack = f.stack[:len(f.stack)-1]
			continue
		}
		s := top.steps[top.at]
		switch s.act {
		case loop:
			top.at++
			f.stack = append(f.stack, frame{steps: s.body, times: s.times})
		case nothing:
			top.at++
		default:
			return s
		}
	}
	return EOF()
}

// pop steps over what peek returned.
func (f *Fake) pop() {
	if len(f.stack) > 0 {
		f.stack[len(f.stack)-1].at++
	}
}

// refusing tells whether the outage s, which begins when first asked, lasts.
func (f *Fake) refusing(s Step) bool {
	now := time.Now()
	if f.until.IsZero() {
		f.until = now.Add(s.d)
	}
	if now.Before(f.until) {
		return true
	}
	f.until = time.Time{}
	return false
}

// step takes the next step of an open stream. Outages stay in place, for Open
// to see.
func (f *Fake) step() Step {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.peek()
	if s.act == outage {
		f.refusing(s)
		return s
	}
	if s.act != silence {
		f.pop()
	}
	return s
}

type fakeStream struct {
	fake   *Fake
	err    error // final error
	closed bool
}

func (s *fakeStream) Next(ctx context.Context, b *acquire.Batch) error {
	b.Reset()
	for s.err == nil {
		if err := ctx.Err(); err != nil {
			s.err = s.opError(err)
			break
		}
		switch step := s.fake.step(); step.act {
		case fill:
			now := acquire.At(time.Now())
			b.Received, b.Watermark, b.Points = now, now, s.fake.points
			step.fill(b)
			return nil
		case fail, outage:
			s.err = step.err
		case wait:
			if err := sleep(ctx, step.d); err != nil {
				s.err = s.opError(err)
			}
		case silence:
			<-ctx.Done()
			s.err = s.opError(ctx.Err())
		}
	}
	return s.err
}

func (s *fakeStream) opError(err error) error {
	return &acquire.OpError{Op: "next", Source: s.fake.name, Err: err}
}

func (s *fakeStream) Close() error {
	if s.closed {
		return nil
	}
	s.closed = true
	if s.err == nil {
		s.err = s.opError(acquire.ErrClosed)
	}
	s.fake.mu.Lock()
	s.fake.open--
	s.fake.mu.Unlock()
	return nil
}
