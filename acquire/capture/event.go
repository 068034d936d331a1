package capture

import (
	"strconv"
	"unicode/utf8"

	"github.com/fieldtap/fieldtap/acquire"
)

// EventKind says what happened to a source or to its recording.
type EventKind uint8

// The kinds of event.
const (
	Opened EventKind = iota + 1 // the source gave a stream
	Failed                      // the source could not be opened, or its stream ended with an error
	Closed                      // the stream was closed, or came to its end
	Gap                         // samples were delivered and not recorded
)

// String returns the kind's name in lower case.
func (k EventKind) String() string {
	switch k {
	case Opened:
		return "opened"
	case Failed:
		return "failed"
	case Closed:
		return "closed"
	case Gap:
		return "gap"
	}
	return "event " + strconv.Itoa(int(k))
}

// Event is something that happened between two batches. It is recorded in its
// place among them.
type Event struct {
	Kind      EventKind       // what happened
	Time      acquire.Instant // when it happened, by the clock of the recorder
	Source    string          // name of the source, at most 255 bytes are kept
	Quality   acquire.Quality // for Failed: what acquire.QualityOf makes of the error
	Permanent bool            // for Failed: acquire.Permanent says that connecting again does not help
	Text      string          // for Failed: what the error says, at most 255 bytes are kept
	Batches   uint64          // for Gap: batches not recorded
	Samples   uint64          // for Gap: samples not recorded
}

const maxEventText = 255

// clip shortens s to what an event keeps, between two characters.
func clip(s string) string {
	if len(s) <= maxEventText {
		return s
	}
	n := maxEventText
	for n > maxEventText-utf8.UTFMax && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
