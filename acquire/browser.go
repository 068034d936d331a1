package acquire

import (
	"context"
	"iter"

	"github.com/fieldtap/fieldtap/units"
)

// Browser is a Source that can ask its device what there is to acquire. Find it with
// As; of a source without it only the documentation of the device tells.
type Browser interface {
	// Browse iterates over the values that the device has and that a pattern matches,
	// whether the source acquires them or not, over a connection of its own where the
	// source has none open that can be shared. Entries are asked for as the iteration
	// goes on: leaving it early ends the questions.
	//
	// A pattern is held against Entry.Name. Its segments are divided by slashes. In a
	// segment an asterisk stands for any text and a question mark for one character;
	// the segment ** stands for any number of levels. The empty pattern matches all. An
	// ampersand before a character makes it an ordinary one.
	//
	// The error, with a zero Entry, is the last step. It is that of ctx when it ends
	// first. Browse may be called at any time, by any goroutine.
	Browse(ctx context.Context, pattern string) iter.Seq2[Entry, error]
}

// Entry is a value that a device has to offer, as far as the device describes it. The
// texts are the device's: print them quoted.
type Entry struct {
	ID          string // what the configuration of the driver calls it
	Name        string // where it is in the device, its parts divided by slashes, written as a pattern is
	Description string // in the device's words
	// Kind is that of points of it; KindNone if no point holds it as it is, as a
	// structure, or if it may not be read.
	Kind Kind
	// Type is what the protocol calls the type of the value; "" if that is not known.
	Type string
	// Array tells that there are many values of Kind, of which a point takes one.
	Array bool
	// Unit is what the device says; its Verdict is not Understood if it says nothing.
	Unit units.Stated
	// Low and High are the range, in the device's unit, in which the value normally is;
	// Ranged is false if the device names none.
	Low, High float64
	Ranged    bool
	// Names are what the numbers of a state stand for; nil if the value is none.
	Names map[int64]string
	// History tells that the device keeps what the value was.
	History bool
}
