package snmptest

import (
	"net"
	"slices"
	"sync/atomic"
	"time"
)

// Exchange is one request together with the reply about to be sent. A [Fault] edits it. The objects have been read by then:
// Late makes their values older. An Exchange is valid during the call of the fault only.
type Exchange struct {
	N     int      // ordinal of the request on this server, by arrival, from 1
	From  net.Addr // the sender
	Frame []byte   // the request as received; not to be changed, memory of the server

	Request Message // what was asked; not to be changed
	Reply   Message // what will be answered

	Late    time.Duration // sends that much later, and lets what follows overtake
	Copies  int           // how often the reply is sent: 1
	Pieces  []int         // lengths of the first parts, each sent by itself; what is left follows as the last one
	Pause   time.Duration // after each of these; messages that follow may come in between
	Foreign bool          // sends from another port, where there are ports
	Drop    bool          // sends nothing
	Close   bool          // closes the connection after the reply, or in its place; over UDP nothing happens

	wire []func([]byte) []byte
}

// Wire lets edit change the encoded reply, after all edits asked for before. It owns what it gets, and what it returns is sent.
func (x *Exchange) Wire(edit func(message []byte) []byte) { x.wire = append(x.wire, edit) }

// Fault edits exchanges. A server calls it for one exchange at a time, so a function that keeps a list or a count needs no lock of
// its own unless others read it.
//
// The ready-made faults leave an exchange as it is where they make no sense, for example [Swapped] with a single binding.
// The zero value, nil, changes nothing.
type Fault func(*Exchange)

func (f Fault) apply(x *Exchange) {
	if f != nil {
		f(x)
	}
}

// Once applies f to the first exchange it sees and to no other.
func Once(f Fault) Fault { return Nth(1, f) }

// Nth applies f to the n-th exchange it sees, counted from 1, and to no other. Inside [When], only matching exchanges
// are seen. A number below 1 never comes.
func Nth(n int, f Fault) Fault { return counted(func(seen int) bool { return seen == n }, f) }

// First applies f to the first n exchanges it sees.
func First(n int, f Fault) Fault { return counted(func(seen int) bool { return seen <= n }, f) }

// From applies f to the n-th exchange it sees, counted from 1, and to all later ones.
func From(n int, f Fault) Fault { return counted(func(seen int) bool { return seen >= n }, f) }

// Every applies f to the exchanges k, 2k, 3k and so on that it sees, counted from 1. If k is below 1, to none.
func Every(k int, f Fault) Fault {
	return counted(func(seen int) bool { return k > 0 && seen%k == 0 }, f)
}

// When applies f to the requests for which match reports true.
func When(match func(request Message) bool, f Fault) Fault {
	return func(x *Exchange) {
		if match(x.Request) {
			f.apply(x)
		}
	}
}

// Asking matches requests that name an object at or below one of the identifiers, for [When].
func Asking(oids ...string) func(request Message) bool {
	below := slices.Clone(oids)
	return func(m Message) bool {
		return slices.ContainsFunc(m.PDU.Bindings, func(b Binding) bool {
			return slices.ContainsFunc(below, func(oid string) bool { return within(b.OID, oid) })
		})
	}
}

// OfType matches requests of these types, for [When].
func OfType(types ...PDUType) func(request Message) bool {
	types = slices.Clone(types)
	return func(m Message) bool { return slices.Contains(types, m.PDU.Type) }
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

// within tells whether oid lies at or below root.
func within(oid, root string) bool {
	return len(oid) >= len(root) && oid[:len(root)] == root && (len(oid) == len(root) || oid[len(root)] == '.')
}
