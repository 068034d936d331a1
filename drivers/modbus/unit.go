package modbus

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/fieldtap/fieldtap/acquire"
)

// Unit asks a unit on a Bus for what is not read at intervals: what it is, how it
// fares, its files and queues. Each call takes its turn on the bus among the
// streams, and connects if there are none. Nothing here changes the device.
//
// A Unit is safe for concurrent use. The error of a call is an *acquire.OpError
// around an Exception, ErrTimeout, a broken protocol, or that of the connection.
type Unit struct {
	bus     *Bus
	id      byte
	timeout time.Duration
}

// Unit returns the unit of that id, which is given timeout for each answer;
// 0 = DefaultTimeout.
func (b *Bus) Unit(id byte, timeout time.Duration) *Unit {
	return &Unit{b, id, cmp.Or(max(timeout, 0), DefaultTimeout)}
}

// call sends one request and returns a copy of what follows the function code.
func (u *Unit) call(ctx context.Context, op string, function byte, data ...byte) ([]byte, error) {
	l, err := u.bus.join(ctx)
	if err != nil {
		return nil, u.fault(op, err)
	}
	defer u.bus.leave(l)
	answer, err := u.on(ctx, l, function, data...)
	if err != nil {
		return nil, u.fault(op, err)
	}
	return answer, nil
}

func (u *Unit) fault(op string, err error) error {
	return &acquire.OpError{Op: op, Source: u.bus.cfg.Name + "/" + strconv.Itoa(int(u.id)), Err: err}
}

// on is call on a link that is held already.
func (u *Unit) on(ctx context.Context, l *link, function byte, data ...byte) ([]byte, error) {
	answer, _, err := u.timed(ctx, l, function, data...)
	return answer, err
}

// timed is on, and tells how long the device took.
func (u *Unit) timed(ctx context.Context, l *link, function byte, data ...byte) ([]byte, time.Duration, error) {
	c := caller{unit: u.id, framer: newFramer(u.bus.cfg.Framing, u.id), expect: -1}
	c.watch(ctx)
	defer c.release()
	request, err := c.framer.encode(function, data...)
	if err != nil {
		return nil, 0, err
	}
	frame, _, err := l.exchange(ctx, &c, request, u.timeout)
	for errors.Is(err, errOwes) { // at most for the grace time: whoever asks once can wait
		frame, _, err = l.exchange(ctx, &c, request, u.timeout)
	}
	if err != nil {
		return nil, 0, err
	}
	answer, err := c.framer.open(function, request, frame)
	if err != nil {
		l.distrust(&c, request, frame, err)
		if l.secure && err == IllegalFunction {
			err = denied{IllegalFunction}
		}
	}
	return append([]byte(nil), answer...), c.took, err
}

// fits reports an answer of the wrong length.
func fits(data []byte, want int) error {
	if len(data) != want {
		return &FrameError{"data length", len(data), want}
	}
	return nil
}

// ExceptionStatus returns eight bits whose meaning is the device's own (function 7,
// V1.1b3, section 6.7; serial lines only, says the specification).
func (u *Unit) ExceptionStatus(ctx context.Context) (byte, error) {
	data, err := u.call(ctx, "read exception status", readExceptionStatus)
	if err == nil {
		err = fits(data, 1)
	}
	if err != nil {
		return 0, err
	}
	return data[0], nil
}

// Diagnostic is a register or counter of function 8 that can be read without
// changing anything (V1.1b3, section 6.8.1).
type Diagnostic uint16

// The diagnostics.
const (
	DiagnosticRegister    Diagnostic = 2  // bits of the device's own meaning
	BusMessages           Diagnostic = 11 // messages that the device has seen on the line
	BusErrors             Diagnostic = 12 // of these, with a wrong check
	ExceptionsSent        Diagnostic = 13 // exceptions that the device has answered
	MessagesServed        Diagnostic = 14 // messages addressed to the device, or broadcast
	MessagesUnanswered    Diagnostic = 15 // of these, without an answer
	NegativeAcknowledges  Diagnostic = 16 // of these, with a negative acknowledge
	BusyAnswers           Diagnostic = 17 // of these, with "busy"
	CharactersOverrun     Diagnostic = 18 // messages lost because characters came too fast
	lastDiagnostic                   = CharactersOverrun
	firstDiagnosticNumber            = BusMessages
)

// Diagnostic returns one register or counter of function 8.
func (u *Unit) Diagnostic(ctx context.Context, d Diagnostic) (uint16, error) {
	if d != DiagnosticRegister && (d < firstDiagnosticNumber || d > lastDiagnostic) {
		return 0, fmt.Errorf("modbus: diagnostic %d is none that only reads", d)
	}
	data, err := u.call(ctx, "read diagnostic", diagnostics, byte(d>>8), byte(d), 0, 0)
	if err == nil {
		err = fits(data, 4)
	}
	if err == nil && binary.BigEndian.Uint16(data) != uint16(d) {
		err = &FrameError{"sub-function", int(binary.BigEndian.Uint16(data)), int(d)}
	}
	if err != nil {
		return 0, err
	}
	return binary.BigEndian.Uint16(data[2:]), nil
}

// EventCounter returns whether the device is still busy with a program command, and
// how many messages it has completed (function 11, V1.1b3, section 6.9).
func (u *Unit) EventCounter(ctx context.Context) (busy bool, events uint16, err error) {
	data, err := u.call(ctx, "read event counter", getCommEventCounter)
	if err == nil {
		err = fits(data, 4)
	}
	if err != nil {
		return false, 0, err
	}
	return binary.BigEndian.Uint16(data) != 0, binary.BigEndian.Uint16(data[2:]), nil
}

// EventLog returns the latest events of the line as the device has them, newest
// first, a byte each (function 12, V1.1b3, section 6.10), and how many messages it
// has processed.
func (u *Unit) EventLog(ctx context.Context) (events []byte, messages uint16, err error) {
	data, err := u.call(ctx, "read event log", getCommEventLog)
	if err == nil && (len(data) < 7 || int(data[0]) != len(data)-1) {
		err = &FrameError{"data length", len(data), 7}
	}
	if err != nil {
		return nil, 0, err
	}
	return data[7:], binary.BigEndian.Uint16(data[5:]), nil
}

// ServerID returns what the device says of itself in a form of its own
// (function 17, V1.1b3, section 6.13): often an id, whether it runs (0xFF) or not
// (0x00), and some text.
func (u *Unit) ServerID(ctx context.Context) ([]byte, error) {
	data, err := u.call(ctx, "report server id", reportServerID)
	if err == nil && (len(data) < 1 || int(data[0]) != len(data)-1) {
		err = &FrameError{"data length", len(data), 1}
	}
	if err != nil {
		return nil, err
	}
	return data[1:], nil
}

// FileRecord returns n registers of a file from record on (function 20, V1.1b3,
// section 6.14). Files count from 1, records from 0 to 9999, and n is at most 124.
func (u *Unit) FileRecord(ctx context.Context, file, record uint16, n int) ([]uint16, error) {
	const referenceType, most = 6, 124
	if file == 0 || record > 9999 || n < 1 || n > most {
		return nil, fmt.Errorf("modbus: %d registers of file %d from record %d: out of range", n, file, record)
	}
	request := []byte{7, referenceType}
	for _, w := range []uint16{file, record, uint16(n)} {
		request = binary.BigEndian.AppendUint16(request, w)
	}
	data, err := u.call(ctx, "read file record", readFileRecord, request...)
	if err == nil {
		err = fits(data, 1+2+2*n)
	}
	switch {
	case err != nil:
		return nil, err
	case int(data[0]) != 2+2*n:
		return nil, &FrameError{"byte count", int(data[0]), 2 + 2*n}
	case int(data[1]) != 1+2*n:
		return nil, &FrameError{"file response length", int(data[1]), 1 + 2*n}
	case data[2] != referenceType:
		return nil, &FrameError{"reference type", int(data[2]), referenceType}
	}
	return registers(data[3:]), nil
}

// FIFO returns the registers queued at a pointer, 31 at most (function 24, V1.1b3,
// section 6.18). Reading leaves them in the queue.
func (u *Unit) FIFO(ctx context.Context, pointer uint16) ([]uint16, error) {
	const most = 31
	data, err := u.call(ctx, "read FIFO queue", readFIFOQueue, byte(pointer>>8), byte(pointer))
	if err == nil && len(data) < 4 {
		err = &FrameError{"data length", len(data), 4}
	}
	if err != nil {
		return nil, err
	}
	n := int(binary.BigEndian.Uint16(data[2:]))
	switch {
	case n > most:
		return nil, &FrameError{"FIFO count", n, most}
	case int(binary.BigEndian.Uint16(data)) != 2+2*n:
		return nil, &FrameError{"byte count", int(binary.BigEndian.Uint16(data)), 2 + 2*n}
	case len(data) != 4+2*n:
		return nil, &FrameError{"data length", len(data), 4 + 2*n}
	}
	return registers(data[4:]), nil
}

func registers(data []byte) []uint16 {
	out := make([]uint16, len(data)/2)
	for i := range out {
		out[i] = binary.BigEndian.Uint16(data[2*i:])
	}
	return out
}

// maxIdentification is how many answers one identification may take.
const maxIdentification = 32

// Identify returns what the device says it is (function 43/14, V1.1b3, section
// 6.21), as much as it has. A device without that function is asked for its server
// id, whose printable text becomes the Product.
func (u *Unit) Identify(ctx context.Context) (acquire.Identity, error) {
	var id acquire.Identity
	l, err := u.bus.join(ctx)
	if err != nil {
		return id, u.fault("identify", err)
	}
	defer u.bus.leave(l)
	if err = u.objects(ctx, l, &id); err == nil {
		return id, nil
	}
	// On a line, a device that leaves the question unanswered may first be asked for an
	// echo, which it leaves unanswered as well.
	for range 2 {
		data, second := u.on(ctx, l, reportServerID)
		if second == nil && len(data) > 0 && printable(data[1:]) != "" {
			return acquire.Identity{Product: printable(data[1:])}, nil
		}
		if !errors.Is(second, ErrTimeout) {
			break
		}
	}
	return id, u.fault("identify", err)
}

// objects walks the identification objects, extended ones first since they come
// with all others; a device that has fewer says so by its conformity level.
func (u *Unit) objects(ctx context.Context, l *link, id *acquire.Identity) error {
	const readDeviceID = 14
	const basic, extended = 1, 3
	category, next := byte(extended), byte(0)
	seen := make(map[byte]bool)
	for range maxIdentification {
		data, err := u.on(ctx, l, encapsulatedInterface, readDeviceID, category, next)
		if err != nil {
			var exception Exception
			if len(seen) == 0 && category > basic && errors.As(err, &exception) {
				category--
				continue
			}
			return err
		}
		if len(data) < 6 || data[0] != readDeviceID {
			return &FrameError{"data length", len(data), 6}
		}
		more, following, n := data[3] == 0xFF, data[4], int(data[5])
		data = data[6:]
		for range n {
			if len(data) < 2 || len(data) < 2+int(data[1]) {
				return &FrameError{"object length", number(data[min(1, len(data)):min(2, len(data))]), max(0, len(data)-2)}
			}
			object, text := data[0], printable(data[2:2+data[1]])
			data = data[2+data[1]:]
			if !seen[object] {
				seen[object] = true
				identify(id, object, text)
			}
		}
		if !more || following <= next {
			return nil
		}
		next = following
	}
	return &FrameError{"identification objects", maxIdentification, maxIdentification}
}

// identify puts an object in its place (V1.1b3, section 6.21, table of objects).
func identify(id *acquire.Identity, object byte, text string) {
	if text == "" {
		return
	}
	switch object {
	case 0:
		id.Vendor = text
	case 1:
		id.Product = text
	case 2:
		id.Version = text
	case 3:
		id.URL = text
	case 4:
		id.Details = append(id.Details, acquire.Detail{Name: "product name", Text: text})
	case 5:
		id.Model = text
	case 6:
		id.Name = text
	default:
		id.Details = append(id.Details, acquire.Detail{Name: "object " + strconv.Itoa(int(object)), Text: text})
	}
}

// printable returns what of a device's bytes is text.
func printable(b []byte) string {
	text := strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7F || r == utf8.RuneError {
			return -1
		}
		return r
	}, string(b))
	return strings.TrimSpace(text)
}

var _ acquire.Identifier = (*Source)(nil)

// Identify asks the device what it is: see Unit.Identify.
func (s *Source) Identify(ctx context.Context) (acquire.Identity, error) {
	return s.bus.Unit(s.cfg.Unit, s.cfg.Timeout).Identify(ctx)
}
