package modbustest

import (
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"time"
)

// Exchange is one request together with the reply about to be sent. A [Fault] edits it. The device has been read by then: Delay
// and Late make its values older, while Config.PerRequest passes before the reading. An Exchange is valid during the call of
// the fault only; Frame and Reply are memory of the server.
type Exchange struct {
	Conn int // ordinal of the connection on this server, from 1
	N    int // ordinal of the request on this server, by arrival, from 1

	Request Request // what was asked
	Frame   []byte  // the request as received, header included; not to be changed

	Reply []byte        // everything about to be written, header included; may be edited in place or replaced
	Delay time.Duration // waits before writing and holds up what follows on this connection, as a slow device does
	Late  time.Duration // writes that much later, after Delay, and lets what follows overtake

	Wire func([]byte) []byte // edits what goes out, in the form of the framing; nil leaves it

	Pieces []int         // lengths of the first segments; what is left of Reply follows as the last one
	Pause  time.Duration // between segments

	Drop  bool // writes nothing; already set where the server stays silent by itself
	Close bool // closes the connection after the reply, or in its place if Drop is set
	Reset bool // as Close, but a TCP connection is aborted (RST) and may lose what was written before
}

// Fault edits exchanges. A server calls it for one exchange at a time, whatever the number of connections, so a function
// that keeps a list or a count needs no lock of its own unless others read it.
//
// The ready-made faults leave an exchange as it is where they make no sense, for example [Short] on an exception reply.
// The zero value, nil, changes nothing.
type Fault func(*Exchange)

func (f Fault) apply(x *Exchange) {
	if f != nil {
		f(x)
	}
}

// Delay holds up every reply, and all that follow on its connection, by d.
func Delay(d time.Duration) Fault { return func(x *Exchange) { x.Delay += d } }

// Late sends every reply d later, without holding up those that follow.
func Late(d time.Duration) Fault { return func(x *Exchange) { x.Late += d } }

// Drop sends no reply.
func Drop() Fault { return func(x *Exchange) { x.Drop = true } }

// Closing sends the reply and closes the connection. Together with [Drop] it closes without a reply.
func Closing() Fault { return func(x *Exchange) { x.Close = true } }

// Resetting sends no reply and aborts the connection; over TCP the client sees a reset.
func Resetting() Fault { return func(x *Exchange) { x.Drop, x.Reset = true, true } }

// Cut sends the first n bytes of the reply and closes the connection.
func Cut(n int) Fault {
	return func(x *Exchange) {
		x.Reply = x.Reply[:max(0, min(n, len(x.Reply)))]
		x.Close = true
	}
}

// Torn sends the reply in segments of the given lengths, then the rest, with a pause after each.
func Torn(pieces []int, pause time.Duration) Fault {
	pieces = slices.Clone(pieces)
	return func(x *Exchange) { x.Pieces, x.Pause = pieces, pause }
}

// Drip sends the reply byte by byte with a pause after each.
func Drip(pause time.Duration) Fault {
	return func(x *Exchange) { x.Pieces, x.Pause = slices.Repeat([]int{1}, len(x.Reply)), pause }
}

// Twice sends the reply two times in a row.
func Twice() Fault { return func(x *Exchange) { x.Reply = append(x.Reply, x.Reply...) } }

// WithException answers with the exception e in place of the device's answer.
func WithException(e Exception) Fault {
	return func(x *Exchange) { x.Reply = appendException(x.Reply[:0], x.Request, e) }
}

// WrongTransaction inverts the top bit of the transaction identifier.
func WrongTransaction() Fault { return edit(headerLen, func(f []byte) { f[0] ^= 0x80 }) }

// WrongProtocol sets the protocol identifier, which is 0 for Modbus, to 1.
func WrongProtocol() Fault { return edit(headerLen, func(f []byte) { f[3] = 1 }) }

// WrongUnit inverts all bits of the unit identifier.
func WrongUnit() Fault { return edit(headerLen, func(f []byte) { f[6] ^= 0xFF }) }

// WrongFunction answers with the function code of the sister table: 1 for 2, 3 for 4 and the reverse. An exception stays one.
func WrongFunction() Fault {
	return edit(headerLen+1, func(f []byte) {
		function, exception := f[7]&0x7F, f[7]&0x80
		if function%2 == 1 {
			function++
		} else {
			function--
		}
		f[7] = function&0x7F | exception
	})
}

// Short sends one register, or one byte of bits, less than asked for. The frame is well formed: byte count and length agree.
func Short() Fault {
	return resize(func(x *Exchange, unit int) { x.Reply = x.Reply[:max(dataStart, len(x.Reply)-unit)] })
}

// Long sends one register, or one byte of bits, more than asked for. The frame is well formed: byte count and length agree.
// Of 125 registers it makes 126, and a frame of 262 bytes where the specification ends at 260.
func Long() Fault {
	return resize(func(x *Exchange, unit int) { x.Reply = append(x.Reply, make([]byte, unit)...) })
}

// LyingLength makes the length field claim two bytes more than are sent.
func LyingLength() Fault {
	return edit(headerLen, func(f []byte) { binary.BigEndian.PutUint16(f[4:], uint16(len(f)-6+2)) })
}

// HugeLength makes the length field claim 65535 bytes.
func HugeLength() Fault {
	return edit(headerLen, func(f []byte) { binary.BigEndian.PutUint16(f[4:], 0xFFFF) })
}

// BadByteCount makes the byte count claim two bytes more than the frame holds. The length field stays right.
func BadByteCount() Fault {
	return func(x *Exchange) {
		if carriesData(x.Reply) {
			x.Reply[headerLen+1] += 2
		}
	}
}

// WrongCheck spoils the last byte of the check of an RTU or ASCII frame. A frame of MBAP, which has none, loses its last byte's
// lowest bit.
func WrongCheck() Fault {
	return func(x *Exchange) {
		x.Wire = func(b []byte) []byte {
			at := len(b) - 1
			if at > 2 && b[at] == '\n' {
				at -= 2
			}
			if at >= 0 {
				b[at] ^= 1
			}
			return b
		}
	}
}

// Garbage answers as a web server would: bytes that were never Modbus.
func Garbage() Fault {
	return func(x *Exchange) { x.Reply = append(x.Reply[:0], "HTTP/1.1 400 Bad Request\r\n\r\n"...) }
}

// Noise replaces the reply by random bytes of the same length. Equal seeds give equal bytes. One Noise is for one server.
func Noise(seed uint64) Fault {
	random := rand.NewPCG(seed, seed)
	return func(x *Exchange) {
		for i := range x.Reply {
			x.Reply[i] = byte(random.Uint64())
		}
	}
}

// Once applies f to the first exchange it sees and to no other.
func Once(f Fault) Fault { return Nth(1, f) }

// Nth applies f to the n-th exchange it sees, counted from 1, and to no other. Inside [When], only matching exchanges
// are seen. A number below 1 never comes.
func Nth(n int, f Fault) Fault { return counted(func(seen int) bool { return seen == n }, f) }

// Every applies f to the exchanges k, 2k, 3k and so on that it sees, counted from 1. If k is below 1, to none.
func Every(k int, f Fault) Fault {
	return counted(func(seen int) bool { return k > 0 && seen%k == 0 }, f)
}

// From applies f to the n-th exchange it sees, counted from 1, and to all later ones.
func From(n int, f Fault) Fault { return counted(func(seen int) bool { return seen >= n }, f) }

// When applies f to the requests for which match reports true.
func When(match func(Request) bool, f Fault) Fault {
	return func(x *Exchange) {
		if match(x.Request) {
			f.apply(x)
		}
	}
}

// Chain applies the faults one after the other to each exchange.
func Chain(faults ...Fault) Fault {
	faults = slices.Clone(faults)
	return func(x *Exchange) {
		for _, f := range faults {
			f.apply(x)
		}
	}
}

// counted applies f when due, given how many exchanges it has seen with this one. The count is atomic because one fault may
// serve several servers.
func counted(due func(seen int) bool, f Fault) Fault {
	var seen atomic.Int64
	return func(x *Exchange) {
		if due(int(seen.Add(1))) {
			f.apply(x)
		}
	}
}

// edit changes frames of at least the given length in place.
func edit(least int, change func(frame []byte)) Fault {
	return func(x *Exchange) {
		if len(x.Reply) >= least {
			change(x.Reply)
		}
	}
}

const dataStart = headerLen + 2 // function code and byte count come first

// carriesData tells whether frame is a positive reply to function 1 to 4.
func carriesData(frame []byte) bool {
	if len(frame) < dataStart {
		return false
	}
	_, read := tableOf(frame[headerLen])
	return read
}

// resize changes the data of a positive reply by one unit of its table, in bytes, and makes byte count and length agree again.
func resize(change func(x *Exchange, unit int)) Fault {
	return func(x *Exchange) {
		if !carriesData(x.Reply) {
			return
		}
		unit := 1
		if t, _ := tableOf(x.Reply[headerLen]); t.registers() {
			unit = 2
		}
		change(x, unit)
		x.Reply[headerLen+1] = byte(len(x.Reply) - dataStart)
		setLength(x.Reply)
	}
}
