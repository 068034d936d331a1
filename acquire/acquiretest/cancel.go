package acquiretest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/fieldtap/fieldtap/acquire"
)

const docCancel = "Next returns within 50 ms of the end of its context, whatever the wire does; " +
	"the context of Open bounds connecting only; Close leaves no goroutine and no link."

// promptly is how soon the end of a context is to be noticed.
const promptly = 50 * time.Millisecond

func checkCancel(tr *trial) error {
	s, err := tr.subject()
	if err != nil {
		return err
	}
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	if stream, err := s.Source.Open(ended); err == nil {
		stream.Close()
		return errors.New("Open connects although its context has ended")
	}
	if err := checkOpenContext(s); err != nil {
		return err
	}
	nothing := func() {}
	for _, c := range []struct {
		while string
		begin func()
		after time.Duration // from the last batch to the end of the context
	}{
		{"nothing is due", nothing, s.Period / 3},
		{"the device is silent", s.Silence, s.Period + s.Timeout/3},
		{"the device sends garbage without end", s.Flood, s.Period + s.Timeout/3},
	} {
		if err := cancelled(s, c.begin, c.after); err != nil {
			return fmt.Errorf("while %s: %w", c.while, err)
		}
		s.Restore()
	}
	return nil
}

// checkOpenContext ends the context of Open, which must not end the stream.
func checkOpenContext(s *Subject) error {
	ctx, cancel := context.WithCancel(context.Background())
	stream, err := s.Source.Open(ctx)
	cancel()
	if err != nil {
		return fmt.Errorf("Open failed while the device answers: %w", err)
	}
	r := &reader{stream: stream}
	defer r.stream.Close()
	for range 3 {
		if err := r.next(s.bound()); err != nil {
			return fmt.Errorf("the end of the context of Open ends the stream: %w", err)
		}
	}
	return nil
}

// cancelled ends a stream in the midst of begin, and looks for leftovers.
func cancelled(s *Subject, begin func(), after time.Duration) error {
	before, links := goroutines(), s.links()
	r, err := open(s.Source, s.Timeout)
	if err != nil {
		return err
	}
	if err := r.good(s, 2*s.bound(), s.bound(), "while the device answers"); err != nil {
		r.stream.Close()
		return err
	}
	begin()

	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	ended := make(chan error, 1)
	go func() {
		for {
			if err := r.stream.Next(ctx, &r.batch); err != nil {
				ended <- err
				return
			}
		}
	}()
	pass(after)
	start := time.Now()
	running := len(ended) == 0
	cancel()
	select {
	case err := <-ended:
		if running && !errors.Is(err, context.Canceled) {
			r.stream.Close()
			return fmt.Errorf("the context has ended, and Next says instead: %w", err)
		}
	case <-time.After(promptly + slack):
		select {
		case <-ended:
		case <-time.After(10 * s.bound()):
			return fmt.Errorf("Next has not returned %s after the end of its context", time.Since(start))
		}
		late := time.Since(start)
		r.stream.Close()
		return fmt.Errorf("Next returned %s after the end of its context, more than %s", late, promptly)
	}

	closed := make(chan error, 1)
	go func() { closed <- r.stream.Close() }()
	select {
	case err := <-closed:
		if err != nil && !errors.Is(err, acquire.ErrClosed) {
			return fmt.Errorf("Close: %w", err)
		}
	case <-time.After(s.Timeout + time.Second):
		return fmt.Errorf("Close has not returned after %s", s.Timeout+time.Second)
	}
	if left := before.since(); len(left) > 0 {
		return fmt.Errorf("Close leaves %d goroutines, the first of them:\n%s", len(left), left[0])
	}
	if n := s.links(); n > links {
		return fmt.Errorf("Close leaves %d links open", n-links)
	}
	return nil
}
