package capture

import (
	"fmt"

	"github.com/fieldtap/fieldtap/acquire"
)

// maxDamage is how many damages a Report lists.
const maxDamage = 1000

// Report tells what a Reader has read, and what it could not read.
type Report struct {
	Blocks   uint64 // read
	Batches  uint64 // returned
	Samples  uint64 // returned
	Events   uint64 // read
	Outside  uint64 // batches read and out of bounds
	Lost     uint64 // samples that the batches say were lost before recording
	Nameless uint64 // samples whose point is not described
	Foreign  uint64 // messages of others, skipped

	// Complete says that the capture was closed by its Writer. One that was not
	// ends where writing ended, as by a crash.
	Complete bool
	// Indexed says that the capture has an index that can be trusted. Without one,
	// the file was searched from its beginning.
	Indexed bool
	// End is the offset up to which the file is made of whole records.
	End int64
	// Damage lists what was skipped, in the order of the file, as far as it has
	// been read; the first 1,000.
	Damage []Damage
	// MoreDamage is how many damages beyond those there are.
	MoreDamage uint64
}

// Damage is a stretch of a file that was skipped. How many samples it held is not
// known; they arrived between After and Before, or somewhat later.
type Damage struct {
	Offset int64           // where it begins
	Length int64           // in bytes
	After  acquire.Instant // time of the last intact block before; unknown if there is none
	Before acquire.Instant // time of the first intact block behind; unknown if there is none
	Reason string          // what is wrong, for people
}

// String formats d for people.
func (d Damage) String() string {
	return fmt.Sprintf("%d bytes at %d between %s and %s: %s", d.Length, d.Offset, d.After, d.Before, d.Reason)
}

// String says in a line whether the capture is whole: "clean", or where it is
// cut, and how many stretches are damaged.
func (r Report) String() string {
	s := fmt.Sprintf("%d blocks, %d batches, %d samples: ", r.Blocks, r.Batches, r.Samples)
	if r.Complete {
		s += "complete"
	} else {
		s += fmt.Sprintf("cut at byte %d", r.End)
	}
	n := uint64(len(r.Damage)) + r.MoreDamage
	switch {
	case n > 0:
		s += fmt.Sprintf(", %d damaged", n)
	case r.Complete:
		s += ", clean"
	}
	return s
}

// Clean reports whether the capture is complete and nothing of it was skipped so
// far.
func (r Report) Clean() bool {
	return r.Complete && len(r.Damage) == 0 && r.Nameless == 0
}

// Report tells what was read so far. It is final once Next has returned io.EOF.
func (r *Reader) Report() Report {
	report := r.report
	report.Damage = append([]Damage(nil), report.Damage...)
	return report
}

func (r *Reader) damage(p piece) {
	if len(r.report.Damage) >= maxDamage {
		r.report.MoreDamage++
		return
	}
	r.report.Damage = append(r.report.Damage, Damage{Offset: p.offset, Length: p.length, After: r.latest, Reason: p.reason})
}
