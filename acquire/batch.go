package acquire

import "math"

// MaxText is the length in bytes of the longest text a sample can carry. Longer
// texts are refused by PutText.
const MaxText = 64 << 10

// maxArena bounds the memory for texts of one batch.
const maxArena = 16 << 20

// Batch is what one call of Stream.Next delivers. It belongs to the caller, who
// passes the same Batch again and again: Next refills it, so its contents are
// valid until the next call. A Sample copied out stays valid, except that a
// text can only be read through the batch it came in.
//
// An empty batch is legal: it says that time has passed and nothing changed. A
// stream that may have no sample for long, as one of events, gives one each second
// or keep-alive for as long as its connection holds, and none when it does not.
// The zero value is ready to use. A Batch must not be used by two goroutines
// at once.
type Batch struct {
	// Received is when the response or notification arrived here.
	Received Instant
	// Watermark promises that no later batch of this stream carries a sample of
	// Points older than this. Unknown (0) promises nothing.
	Watermark Instant
	// Points are the points that Watermark speaks for, usually all points of
	// the source the batch comes from. The slice belongs to the stream and is
	// only to be read; its contents do not change.
	Points []PointID
	// Lost is how many samples were dropped since the previous batch.
	Lost uint64
	// Samples are the readings, in time order for each point.
	Samples []Sample

	arena      []byte
	generation uint32
}

// Reset empties b for refilling and keeps its memory. Implementations of
// Stream.Next call it first. Texts of samples copied out before are unreadable
// afterwards.
func (b *Batch) Reset() {
	b.Received, b.Watermark, b.Points, b.Lost = 0, 0, nil, 0
	b.Samples = b.Samples[:0]
	b.arena = b.arena[:0]
	b.generation++
}

// Append adds one sample.
func (b *Batch) Append(s Sample) { b.Samples = append(b.Samples, s) }

// PutText copies text into b and returns the Value that refers to it, for use
// in a sample of this batch. It returns false, and no value, for a text longer
// than MaxText or when the batch holds 16 MiB of text already.
func (b *Batch) PutText(text []byte) (Value, bool) {
	if len(text) > MaxText || len(b.arena)+len(text) > maxArena {
		return Value{}, false
	}
	offset := len(b.arena)
	b.arena = append(b.arena, text...)
	return Value{bits: uint64(offset)<<32 | uint64(len(text)), text: b.generation, kind: KindText}, true
}

// Text returns the bytes of a text value of this batch, valid until the batch
// is refilled and not to be changed. It returns false if v is no text, or comes
// from an earlier filling of the batch.
func (b *Batch) Text(v Value) ([]byte, bool) {
	offset, length := v.bits>>32, v.bits&math.MaxUint32
	if v.kind != KindText || v.text != b.generation || offset+length > uint64(len(b.arena)) {
		return nil, false
	}
	return b.arena[offset : offset+length : offset+length], true
}

// copyFrom refills b with what other holds, texts included, in memory of its
// own. Texts get the generation of b: that of other may be one that b has had,
// from another batch.
func (b *Batch) copyFrom(other *Batch) {
	b.Received, b.Watermark, b.Points, b.Lost = other.Received, other.Watermark, other.Points, other.Lost
	b.Samples = append(b.Samples[:0], other.Samples...)
	b.arena = append(b.arena[:0], other.arena...)
	b.generation++
	for i := range b.Samples {
		v := &b.Samples[i].Value
		switch {
		case v.kind != KindText:
		case v.text == other.generation:
			v.text = b.generation
		default: // unreadable in other, and to stay so
			v.text = b.generation - 1
		}
	}
}
