package snmp

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"slices"

	"github.com/fieldtap/fieldtap/internal/snmpwire"
)

// ErrEndless is the cause when a walk came across more objects than
// AgentConfig.MaxObjects, as in a table that an agent makes up as it goes.
var ErrEndless = errors.New("walk does not end")

// Walk goes through the objects below root in the agent's order, or root alone where
// that is an object itself. Each request asks for as many as are likely to fit a
// packet, and for more when that goes well.
//
// Where the agent fails to read an object, the step has a zero Variable and an
// *ObjectError, which says between which names something is missing, and the walk goes
// on behind it if it can. Any other error ends the walk: it is then not complete. A Variable is valid until the next step. Others
// may use the agent meanwhile, the body of the loop among them.
func (a *Agent) Walk(ctx context.Context, root OID) iter.Seq2[Variable, error] {
	return func(yield func(Variable, error) bool) {
		w, err := newWalker(a, root)
		if err != nil {
			yield(Variable{}, err)
			return
		}
		for {
			b, err := w.next(ctx)
			switch {
			case err != nil:
				var object *ObjectError
				if !yield(Variable{}, err) || !errors.As(err, &object) {
					return
				}
			case b.Name == nil:
				return
			case !yield(Variable{Syntax: Syntax(b.Tag), name: b.Name, value: b.Value}, nil):
				return
			}
		}
	}
}

// walker goes through a subtree.
type walker struct {
	agent  *Agent
	root   []byte
	last   []byte // where to go on
	query  []byte // of last
	copy   []byte // memory for answers
	budget int    // bytes to ask for at once
	size   int    // of the latest answer, in bytes
	got    int    // how many objects of it have been taken
	list   []byte // those that have not

	ceiling int // repetitions, near an object that fails; 0 = none
	objects int
	done    bool

	fault    *ObjectError // of what the agent fails to read, until something behind it is found
	siblings int          // names beside it that were tried
	climbed  int          // numbers of its name that were given up, for the next column
	passes   int          // names that were tried for all faults
}

// The limits of a walk.
const (
	DefaultMaxObjects = 100_000

	firstBudget    = 1400     // bytes of an answer that fit a packet of Ethernet
	maxBudget      = 64 << 10 // bytes of the largest datagram
	likelySize     = 32       // bytes of a binding, before any was seen
	maxRepetitions = 200      // whatever objects come next: an agent may say nothing where 64 KiB do not hold them
	maxSiblings    = 3        // numbers tried beside that of an object that fails
	maxPasses      = 64       // of a walk
)

func newWalker(a *Agent, root OID) (*walker, error) {
	encoded := root.encode()
	if encoded == nil {
		return nil, fmt.Errorf("snmp: %.80q is no object identifier in numbers", string(root))
	}
	return &walker{agent: a, root: encoded, last: slices.Clone(encoded), budget: min(firstBudget, a.bears())}, nil
}

// next returns the next object, without a name at the end. After an error other than
// an *ObjectError the walk is over.
func (w *walker) next(ctx context.Context) (snmpwire.Binding, error) {
	for len(w.list) == 0 {
		if w.done {
			return snmpwire.Binding{}, nil
		}
		if b, err := w.ask(ctx); err != nil || b.Name != nil {
			return b, err
		}
		if fault := w.fault; fault != nil && len(w.list) > 0 {
			w.fault, w.ceiling = nil, 0
			if b, _, err := snmpwire.NextBinding(w.list); err == nil && b.Tag != snmpwire.EndOfMibView && snmpwire.HasPrefix(b.Name, w.root) {
				fault.Next = oidOf(b.Name)
			}
			return snmpwire.Binding{}, fault
		}
	}
	b, rest, err := snmpwire.NextBinding(w.list)
	if err != nil {
		return snmpwire.Binding{}, w.end(&MessageError{Err: err})
	}
	switch w.list = rest; {
	case b.Tag == snmpwire.EndOfMibView:
		return w.finish(ctx)
	case snmpwire.CompareOID(b.Name, w.last) <= 0:
		return snmpwire.Binding{}, w.end(broken("%s follows %s, which is out of order", oidOf(b.Name), oidOf(w.last)))
	case !snmpwire.HasPrefix(b.Name, w.root):
		return w.finish(ctx)
	case b.Tag == snmpwire.NoSuchObject || b.Tag == snmpwire.NoSuchInstance:
		return snmpwire.Binding{}, w.end(broken("%s is told to be the next object, and not to exist", oidOf(b.Name)))
	case w.objects >= w.agent.maxObjects:
		return snmpwire.Binding{}, w.end(fmt.Errorf("snmp: %w: more than %d objects", ErrEndless, w.objects))
	}
	w.last = append(w.last[:0], b.Name...)
	w.objects++
	w.got++
	return b, nil
}

// end ends the walk.
func (w *walker) end(err error) error {
	w.done, w.list = true, nil
	return err
}

// finish ends a walk at the end of the subtree. Where that has nothing below its root,
// the root may be an object itself.
func (w *walker) finish(ctx context.Context) (snmpwire.Binding, error) {
	w.end(nil)
	if w.fault != nil {
		return snmpwire.Binding{}, w.fault
	}
	if w.objects > 0 || w.passes > 0 {
		return snmpwire.Binding{}, nil
	}
	return w.fetch(ctx, w.root)
}

// ask asks for more. What it returns itself is an object that was asked for by name.
func (w *walker) ask(ctx context.Context) (snmpwire.Binding, error) {
	a := w.agent
	w.query = snmpwire.AppendQuery(w.query[:0], w.last)
	p := snmpwire.PDU{Type: snmpwire.NextRequest, Bindings: w.query}
	repetitions := w.repetitions()
	if a.cfg.version != snmpwire.V1 {
		p.Type, p.ErrorIndex = snmpwire.BulkRequest, int32(repetitions)
	}
	answer, err := a.exchange(ctx, &p, &w.copy)
	if errors.Is(err, ErrTimeout) && repetitions > 1 && !insecure(err) {
		// Too long for the agent, or for something on the way: begin anew with one.
		a.learn(repetitions * w.likely() / 2)
		w.budget = w.likely()
		return snmpwire.Binding{}, nil
	}
	if err != nil {
		return snmpwire.Binding{}, w.end(err)
	}
	status := ErrorStatus(answer.PDU.ErrorStatus)
	switch {
	case status == NoError && len(w.copy) > 0:
		if w.got > 0 && w.ceiling == 0 {
			w.budget = min(2*w.budget, a.bears())
		}
		w.list, w.size, w.got = w.copy, len(w.copy), 0
		return snmpwire.Binding{}, nil
	case status == NoSuchName && a.cfg.version == snmpwire.V1:
		return w.finish(ctx)
	case repetitions > 1 && (status == NoError || status == TooBig || status == ResourceUnavailable):
		w.ceiling = repetitions / 2
		w.budget = w.ceiling * w.likely()
		a.learn(w.budget)
		return snmpwire.Binding{}, nil
	case repetitions > 1:
		w.ceiling = repetitions / 2
		return snmpwire.Binding{}, nil
	case status == NoError:
		return snmpwire.Binding{}, w.end(broken("answer without objects"))
	}
	return snmpwire.Binding{}, w.pass(ctx, status)
}

// likely returns how many bytes a binding is likely to have.
func (w *walker) likely() int {
	if w.got == 0 {
		return likelySize
	}
	return max(w.size/w.got, 1)
}

// repetitions returns how many objects to ask for.
func (w *walker) repetitions() int {
	if w.agent.cfg.version == snmpwire.V1 {
		return 1
	}
	n := min(max(w.budget/w.likely(), 1), maxRepetitions)
	if w.ceiling > 0 {
		n = min(n, w.ceiling)
	}
	return n
}

// pass goes on behind an object that the agent fails to read, and whose name it does
// not tell: with the next few names in its column, and then behind the column. Of
// each it asks for the object itself as well, which the agent would leave out.
func (w *walker) pass(ctx context.Context, status ErrorStatus) error {
	if w.fault == nil {
		w.fault = &ObjectError{OID: oidOf(w.last), Status: status}
		w.siblings, w.climbed = 0, 0
	}
	root := oidOf(w.root)
	numbers, _ := oidOf(w.last).Suffix(root)
	numbers = w.beyond(numbers)
	if w.passes++; len(numbers) == 0 || w.passes > maxPasses {
		return w.end(w.fault)
	}
	name := root.Child(numbers...).encode()
	b, err := w.fetch(ctx, name)
	switch {
	case err != nil:
		return err
	case b.Name != nil:
		w.list, w.size, w.got = w.copy, len(w.copy), 0
	default:
		w.last = append(w.last[:0], name...)
	}
	return nil
}

// beyond returns the numbers of a name behind that with the given ones, none if there
// is no more.
func (w *walker) beyond(numbers []uint32) []uint32 {
	if w.climbed > 0 && w.siblings == 0 { // the next column, of which the first row fails too
		for ; w.climbed > 0; w.climbed-- {
			numbers = append(numbers, 1)
		}
		return numbers
	}
	w.siblings++
	for len(numbers) > 0 && (w.siblings > maxSiblings || numbers[len(numbers)-1] == math.MaxUint32) {
		numbers = numbers[:len(numbers)-1]
		w.siblings = 0
		w.climbed++
	}
	if len(numbers) > 0 {
		numbers[len(numbers)-1]++
	}
	return numbers
}

// fetch asks for one object by its name, and returns none if it cannot be had.
func (w *walker) fetch(ctx context.Context, name []byte) (snmpwire.Binding, error) {
	w.query = snmpwire.AppendQuery(w.query[:0], name)
	p := snmpwire.PDU{Type: snmpwire.ReadRequest, Bindings: w.query}
	answer, err := w.agent.exchange(ctx, &p, &w.copy)
	if err != nil {
		return snmpwire.Binding{}, w.end(err)
	}
	if ErrorStatus(answer.PDU.ErrorStatus) != NoError {
		return snmpwire.Binding{}, nil
	}
	b, rest, err := snmpwire.NextBinding(w.copy)
	switch {
	case err != nil:
		return snmpwire.Binding{}, w.end(&MessageError{Err: err})
	case len(rest) != 0 || string(b.Name) != string(name):
		return snmpwire.Binding{}, w.end(broken("answer is not about %s", oidOf(name)))
	case Syntax(b.Tag).exception():
		return snmpwire.Binding{}, nil
	}
	return b, nil
}
