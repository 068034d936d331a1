package acquire

import (
	"context"
	"errors"
	"io"
)

// ErrClosed is returned by a Stream after Close.
var ErrClosed = errors.New("acquire: stream is closed")

// OpError is the error of one operation on one source. Drivers return it from
// Open and Next, so that a host with many sources sees whose error it is.
type OpError struct {
	Op     string // what was tried, such as "open" or "read"
	Source string // Name of the source
	Err    error  // the cause
}

// Error formats e as "source: op: cause".
func (e *OpError) Error() string { return e.Source + ": " + e.Op + ": " + e.Err.Error() }

// Unwrap returns the cause.
func (e *OpError) Unwrap() error { return e.Err }

// Permanent reports whether connecting again cannot help: the source has ended
// (io.EOF), was closed, was given up by its caller (context.Canceled), or an error in the
// chain has a method Permanent() bool that says so, as for a configuration that
// the device can never serve.
func Permanent(err error) bool {
	if errors.Is(err, io.EOF) || errors.Is(err, ErrClosed) || errors.Is(err, context.Canceled) {
		return true
	}
	var p interface{ Permanent() bool }
	return errors.As(err, &p) && p.Permanent()
}

// QualityOf returns the quality of the samples that say the loss err to their
// points: that of the first error in the chain with a method Quality() Quality,
// else Bad because of Communication.
func QualityOf(err error) Quality {
	var q interface{ Quality() Quality }
	if errors.As(err, &q) {
		return q.Quality()
	}
	return Bad.Because(Communication)
}
