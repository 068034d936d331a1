package wire

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unicode/utf8"
)

// Kind is what an Event tells.
type Kind uint8

// The kinds.
const (
	Opened   Kind = iota + 1 // the connection was made
	Failed                   // it could not be made
	Sent                     // bytes to the device
	Received                 // bytes from the device
	Unsent                   // the bytes before were not sent, or not all of them
	Ended                    // the device has closed its side
	Reset                    // the connection broke
	Closed                   // our side closed it
	// From here on Sent and Received are what the connection carried encrypted, in plain
	// form: see Recorder.Plaintext.
	Decrypted
)

// String returns a word, such as "sent".
func (k Kind) String() string {
	if name, ok := kindNames[k]; ok {
		return name
	}
	return "kind(" + strconv.Itoa(int(k)) + ")"
}

var kindNames = map[Kind]string{
	Opened: "opened", Failed: "failed", Sent: "sent", Received: "received",
	Unsent: "unsent", Ended: "ended", Reset: "reset", Closed: "closed",
	Decrypted: "decrypted",
}

// Fault is the sort of trouble behind a Failed, Unsent or Reset. The zero value is
// none.
type Fault uint8

// The faults.
const (
	Refused Fault = iota + 1 // nobody listens there
	Aborted                  // the connection was reset
	Timeout                  // nothing came in time
	Other                    // anything else: Event.Text has it
)

// String returns a word, such as "refused".
func (f Fault) String() string {
	if name, ok := faultNames[f]; ok {
		return name
	}
	return "fault(" + strconv.Itoa(int(f)) + ")"
}

var faultNames = map[Fault]string{0: "none", Refused: "refused", Aborted: "aborted", Timeout: "timeout", Other: "other"}

// faultOf sorts an error of a connection.
func faultOf(err error) Fault {
	var timeout net.Error
	switch {
	case err == nil:
		return 0
	case errors.Is(err, syscall.ECONNREFUSED):
		return Refused
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, io.ErrClosedPipe):
		return Aborted
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded),
		errors.As(err, &timeout) && timeout.Timeout():
		return Timeout
	}
	return Other
}

// failure is an error of a recorded connection: it reads as the recorded one, and is
// what the system would have said.
type failure struct {
	text  string
	cause error
}

func (e *failure) Error() string { return e.text }
func (e *failure) Unwrap() error { return e.cause }

// err returns an error of the sort that was recorded.
func (e *Event) err() error {
	f := &failure{text: e.Text}
	switch e.Fault {
	case Refused:
		f.cause = syscall.ECONNREFUSED
	case Timeout:
		f.cause = context.DeadlineExceeded
	case Aborted:
		f.cause = syscall.ECONNRESET
	}
	if f.text == "" {
		f.text = "wire: recorded: " + e.Fault.String()
	}
	return f
}

// Event is one thing that happened on a connection.
type Event struct {
	// Time is when it happened. Of one recorder, times never go backwards.
	Time time.Time
	// Frame is the number of its packet in the file, counted from 1 as Wireshark does.
	Frame int
	// Kind is what happened.
	Kind Kind
	// Data are the bytes of a Sent or a Received: of a stream any piece of it, else a
	// datagram.
	Data []byte
	// Gap says that bytes or packets in front of this one are missing.
	Gap bool
	// Fault is the sort of trouble of a Failed, Unsent or Reset.
	Fault Fault
	// After is how long a Failed had been tried.
	After time.Duration
	// Text is the name of the connection that was Opened, or of trouble the error.
	Text string
}

const (
	commentPrefix = "fieldtap: "
	maxText       = 200 // bytes of a name or of an error that are recorded
)

// appendComment appends what the comment of an event's packet says.
func appendComment(dst []byte, e *Event, local, remote netip.AddrPort) []byte {
	dst = append(dst, commentPrefix...)
	dst = append(dst, e.Kind.String()...)
	dst = append(dst, " local="...)
	dst = local.AppendTo(dst)
	dst = append(dst, " remote="...)
	dst = remote.AppendTo(dst)
	if e.Fault != 0 {
		dst = append(dst, " fault="...)
		dst = append(dst, e.Fault.String()...)
	}
	if e.After != 0 {
		dst = append(dst, " after="...)
		dst = append(dst, e.After.String()...)
	}
	if text := e.Text; text != "" {
		for len(text) > maxText || len(text) > 0 && !utf8.ValidString(text) && len(text) > maxText-utf8.UTFMax {
			text = text[:len(text)-1]
		}
		dst = append(dst, " text="...)
		dst = strconv.AppendQuoteToASCII(dst, text)
	}
	return dst
}

// parseComment reads what appendComment wrote, and reports false for anything else.
func parseComment(s string) (e Event, local, remote netip.AddrPort, ok bool) {
	s, ok = strings.CutPrefix(s, commentPrefix)
	if !ok {
		return e, local, remote, false
	}
	word, rest, _ := strings.Cut(s, " ")
	for k, name := range kindNames {
		if name == word {
			e.Kind = k
		}
	}
	for rest != "" && e.Kind != 0 {
		name, value, found := strings.Cut(rest, "=")
		if !found {
			return e, local, remote, false
		}
		var err error
		if name == "text" {
			e.Text, err = strconv.Unquote(value)
			rest = ""
		} else {
			value, rest, _ = strings.Cut(value, " ")
		}
		switch name {
		case "local":
			local, err = netip.ParseAddrPort(value)
		case "remote":
			remote, err = netip.ParseAddrPort(value)
		case "after":
			e.After, err = time.ParseDuration(value)
		case "fault":
			for f, name := range faultNames {
				if name == value {
					e.Fault = f
				}
			}
		}
		if err != nil {
			return e, local, remote, false
		}
	}
	return e, local, remote, e.Kind != 0 && local.IsValid() && remote.IsValid()
}
