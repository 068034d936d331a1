package acquire

import "context"

// Source is one device in one fixed configuration, ready to be connected to. It
// is what a driver's constructor returns, and what Reconnect, Merge and other
// wrappers take and give. A Source is safe for concurrent use and may be opened
// again after its Stream has ended; each Stream is an independent connection.
//
// A wrapper of a single Source implements Unwrap() Source, so that As finds the
// optional interfaces of what it wraps.
type Source interface {
	// Name identifies the source in errors and statistics. It holds no secret.
	Name() string
	// Points returns the points whose samples the source delivers. The slice is
	// only to be read. It may be longer at a later call where points are
	// discovered, never shorter.
	Points() []PointID
	// Open connects, or fails if ctx has ended already. ctx bounds connecting
	// only: cancelling it later does not end the Stream. An error that Permanent
	// reports will not go away.
	Open(ctx context.Context) (Stream, error)
}

// Stream is one connection delivering batches. Next and Close are called by one
// goroutine at a time; to end a Next from elsewhere, cancel its context.
type Stream interface {
	// Next waits for the next batch and fills b with it, or fails and leaves
	// nothing in b to be used: never both. Any error is final: the same is
	// returned ever after, and Close remains to be called. A finite source ends
	// with io.EOF. When ctx ends, Next returns its error within 50 ms whatever
	// the device does; that too is final, so a ctx with a deadline is no way to
	// look whether a batch is there.
	//
	// Not calling Next is back-pressure: polled sources skip ticks, pushed
	// sources drop their oldest samples; both say so.
	Next(ctx context.Context, b *Batch) error
	// Close ends the connection and returns after every goroutine and socket of
	// the stream is gone. It is idempotent.
	Close() error
}

// As returns the first of src and the sources it wraps that implements T, an
// optional interface such as Reporter, and whether there is one.
func As[T any](src Source) (T, bool) {
	for src != nil {
		if t, ok := src.(T); ok {
			return t, true
		}
		wrapper, ok := src.(interface{ Unwrap() Source })
		if !ok {
			break
		}
		src = wrapper.Unwrap()
	}
	var none T
	return none, false
}

// Group is implemented by a Source made of several, such as that of Merge. It
// does not unwrap: optional interfaces are asked of each member.
type Group interface {
	// Sources returns the members. The slice is only to be read.
	Sources() []Source
}
