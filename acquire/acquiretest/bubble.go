package acquiretest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing/synctest"
	"time"

	"github.com/fieldtap/fieldtap/acquire"
)

// slack is what limits are longer than the rule says, so that what happens at
// the last permitted moment is in time.
const slack = time.Millisecond

// reader reads one stream for a check, with a limit to every wait.
type reader struct {
	stream acquire.Stream
	batch  acquire.Batch
}

// errLimit is the error of waits that reached their limit.
var errLimit = errors.New("limit reached")

// open connects to src.
func open(src acquire.Source, limit time.Duration) (*reader, error) {
	ctx, cancel := context.WithTimeout(context.Background(), limit+slack)
	defer cancel()
	stream, err := src.Open(ctx)
	switch {
	case err != nil:
		return nil, fmt.Errorf("Open failed while the device answers: %w", err)
	case stream == nil:
		return nil, errors.New("Open gave neither a stream nor an error")
	}
	return &reader{stream: stream}, nil
}

// next reads one batch, which must come within limit.
func (r *reader) next(limit time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), limit+slack)
	defer cancel()
	err := r.stream.Next(ctx, &r.batch)
	if err != nil && ctx.Err() != nil {
		return fmt.Errorf("no batch and no error within %s: %w", limit, errLimit)
	}
	return err
}

// until reads until done says so, for at most d; then the error is errLimit.
// No batch may take longer than pause.
func (r *reader) until(d, pause time.Duration, done func(*acquire.Batch) (bool, error)) error {
	end := time.Now().Add(d + slack)
	for {
		if err := r.next(pause); err != nil {
			return err
		}
		if time.Now().After(end) {
			return errLimit
		}
		if ok, err := done(&r.batch); ok || err != nil {
			return err
		}
	}
}

// during reads for d and calls f with each batch.
func (r *reader) during(d, pause time.Duration, f func(*acquire.Batch) error) error {
	end := time.Now().Add(d)
	for time.Now().Before(end) {
		if err := r.next(pause); err != nil {
			return err
		}
		if err := f(&r.batch); err != nil {
			return err
		}
	}
	return nil
}

// heard reads until every point of s has a sample for which ok holds, for at
// most d, and returns the points that have none.
func (r *reader) heard(s *Subject, d, pause time.Duration, ok func(acquire.Sample) (bool, error)) (missing []acquire.PointID, err error) {
	wanted := make(map[acquire.PointID]bool)
	for _, p := range s.Source.Points() {
		wanted[p] = true
	}
	err = r.until(d, pause, func(b *acquire.Batch) (bool, error) {
		for _, sample := range b.Samples {
			good, err := ok(sample)
			if err != nil {
				return false, err
			}
			if good {
				delete(wanted, sample.Point)
			}
		}
		return len(wanted) == 0, nil
	})
	return slices.Sorted(maps.Keys(wanted)), err
}

// good reads until every point of s has a good sample.
func (r *reader) good(s *Subject, d, pause time.Duration, when string) error {
	missing, err := r.heard(s, d, pause, func(sample acquire.Sample) (bool, error) { return sample.Quality.IsGood(), nil })
	switch {
	case errors.Is(err, errLimit):
		return fmt.Errorf("%s: %s has no good sample within %s", when, s.name(missing[0]), d)
	case err != nil:
		return fmt.Errorf("%s: %w", when, err)
	}
	return nil
}

// sleep waits for d or the end of ctx, whose error it returns.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// pass lets virtual time pass.
func pass(d time.Duration) { <-time.After(d) }

// stacks are the goroutines of this bubble by number.
type stacks map[int]string

var header = regexp.MustCompile(`^goroutine (\d+) \[.*synctest bubble (\d+)`)

// goroutines returns those of the bubble it is called in, once they have come
// to rest.
func goroutines() stacks {
	synctest.Wait()
	buf := make([]byte, 1<<16)
	for {
		n := runtime.Stack(buf, true)
		if n < len(buf) {
			buf = buf[:n]
			break
		}
		buf = make([]byte, 2*len(buf))
	}
	found := make(stacks)
	bubble := ""
	for stack := range bytes.SplitSeq(buf, []byte("\n\n")) {
		m := header.FindSubmatch(stack)
		if m == nil {
			continue
		}
		if bubble == "" { // the caller's comes first
			bubble = string(m[2])
		}
		if string(m[2]) == bubble {
			if number, err := strconv.Atoi(string(m[1])); err == nil {
				found[number] = string(stack)
			}
		}
	}
	return found
}

// since returns the stacks of goroutines of the bubble that are not in s.
func (s stacks) since() []string {
	var more []string
	for number, stack := range goroutines() {
		if _, ok := s[number]; !ok {
			more = append(more, strings.TrimSpace(stack))
		}
	}
	slices.Sort(more)
	return more
}
