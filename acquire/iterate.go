package acquire

import (
	"context"
	"errors"
	"io"
	"iter"
)

// Batches iterates over the batches of s until it ends. The batch is refilled
// at each step and belongs to the loop body until then. An error is yielded
// once, with a nil batch, as the last step; io.EOF just ends the loop. The
// stream stays open: closing it is the caller's.
func Batches(ctx context.Context, s Stream) iter.Seq2[*Batch, error] {
	return func(yield func(*Batch, error) bool) {
		var b Batch
		for {
			if err := s.Next(ctx, &b); err != nil {
				if !errors.Is(err, io.EOF) {
					yield(nil, err)
				}
				return
			}
			if !yield(&b, nil) {
				return
			}
		}
	}
}

// Samples iterates over the single samples of s, like Batches. Texts cannot be
// read this way, as they live in the batch; watermarks and losses are not seen
// either.
func Samples(ctx context.Context, s Stream) iter.Seq2[Sample, error] {
	return func(yield func(Sample, error) bool) {
		for b, err := range Batches(ctx, s) {
			if err != nil {
				yield(Sample{}, err)
				return
			}
			for _, sample := range b.Samples {
				if !yield(sample, nil) {
					return
				}
			}
		}
	}
}
