package acquire

import (
	"context"
	"iter"
)

// Historian is a Source that can ask its device what its points were. Find it with As;
// what the device of a source without it had to say is over.
type Historian interface {
	// History iterates over the samples that the device has kept of points of the
	// source, from an instant on and before another, over a connection of its own where
	// the source has none open that can be shared. They are as the device has kept them,
	// neither thinned nor averaged, and have Backfilled; of each point they are in the
	// order of time. A point comes without others in between, or together with others,
	// as the device answers.
	//
	// The Batch is refilled at each step and belongs to the loop body until then. It has
	// no watermark. What is next is asked for when the loop goes on: leaving it early
	// ends the questions.
	//
	// An error, with a nil Batch, is the last step. A point whose history the device
	// refuses is named in it, and takes nothing from the others; one that the device has
	// kept nothing of is none. No point, one that is not of the source, or a span of no time,
	// is an error before anything is asked. The error is that of ctx when it ends first.
	// History may be called at any time, by any goroutine.
	History(ctx context.Context, from, to Instant, points ...PointID) iter.Seq2[*Batch, error]
}
