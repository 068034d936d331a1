package snmptest

import (
	"errors"
	"fmt"
	"math/bits"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fieldtap/fieldtap/internal/snmpwire"
)

// Objects are objects by the object identifier of their instance, such as "1.3.6.1.2.1.1.3.0". It is a plain map: two writers
// need a lock of their own.
type Objects map[string]Object

// Row puts the cells of a conceptual row into o. Entry is the identifier of the row object, such as "1.3.6.1.2.1.2.2.1" for
// ifEntry, index the suffix that names the row, such as "7", and cells are by column number. It returns o.
func (o Objects) Row(entry, index string, cells map[uint32]Object) Objects {
	for column, cell := range cells {
		o[entry+"."+strconv.FormatUint(uint64(column), 10)+"."+index] = cell
	}
	return o
}

// MIB is a sorted store of objects. Its methods are safe for concurrent use, also while servers read it; one MIB may serve
// many of them. The zero value is empty.
type MIB struct {
	mu      sync.Mutex // of writers
	present atomic.Pointer[[]entry]
}

// entry is one object of a MIB. Entries never change.
type entry struct {
	name   []byte // encoded
	object Object
	fixed  []byte // the whole variable binding, if the object is a Value
}

// NewMIB returns a store with these objects. The error names every malformed identifier and every object that is nil.
func NewMIB(o Objects) (*MIB, error) {
	m := new(MIB)
	if err := m.Set(o); err != nil {
		return nil, err
	}
	return m, nil
}

// Set puts the objects into the store, in place of those that have the same names, all at once: no request sees a part
// of them. The error names every malformed identifier and every object that is nil; then nothing has changed.
func (m *MIB) Set(o Objects) error {
	added := make([]entry, 0, len(o))
	var faults []error
	for oid, object := range o {
		name, err := snmpwire.AppendOID(nil, oid)
		if err != nil {
			faults = append(faults, fmt.Errorf("snmptest: object %q: %w", oid, err))
			continue
		}
		if object == nil {
			faults = append(faults, fmt.Errorf("snmptest: object %q is nil", oid))
			continue
		}
		e := entry{name: name, object: object}
		if v, ok := object.(Value); ok && !v.absent() {
			e.fixed = snmpwire.AppendBinding(nil, name, v.append(nil))
		}
		added = append(added, e)
	}
	if err := errors.Join(faults...); err != nil {
		return err
	}
	slices.SortFunc(added, compareEntries)
	m.mu.Lock()
	defer m.mu.Unlock()
	next := merge(m.entries(), added)
	m.present.Store(&next)
	return nil
}

// Delete takes the objects at or below the given identifiers out of the store, all at once, and returns how many there were.
// An identifier that is malformed names nothing.
func (m *MIB) Delete(oids ...string) int {
	var names [][]byte
	for _, oid := range oids {
		if name, err := snmpwire.AppendOID(nil, oid); err == nil {
			names = append(names, name)
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	old := m.entries()
	next := slices.DeleteFunc(slices.Clone(old), func(e entry) bool {
		return slices.ContainsFunc(names, func(name []byte) bool { return snmpwire.HasPrefix(e.name, name) })
	})
	m.present.Store(&next)
	return len(old) - len(next)
}

// Len returns the number of objects.
func (m *MIB) Len() int { return len(m.entries()) }

func (m *MIB) entries() []entry {
	if p := m.present.Load(); p != nil {
		return *p
	}
	return nil
}

func compareEntries(a, b entry) int { return snmpwire.CompareOID(a.name, b.name) }

// merge returns both sorted lists as one. Of equal names the added one stays.
func merge(old, added []entry) []entry {
	all := make([]entry, 0, len(old)+len(added))
	for len(old) > 0 && len(added) > 0 {
		switch c := compareEntries(old[0], added[0]); {
		case c < 0:
			all, old = append(all, old[0]), old[1:]
		case c == 0:
			old = old[1:]
		default:
			all, added = append(all, added[0]), added[1:]
		}
	}
	return append(append(all, old...), added...)
}

// view is a MIB as one request sees it.
type view struct {
	entries []entry
	clock   Clock
	narrow  bool // version 1: without Counter64
}

func (w *view) search(name []byte) (at int, found bool) {
	return slices.BinarySearchFunc(w.entries, name, func(e entry, name []byte) int { return snmpwire.CompareOID(e.name, name) })
}

// read returns the value of an entry, the zero value if version 1 cannot carry it.
func (w *view) read(e *entry) Value {
	v := e.object.Read(w.clock)
	if w.narrow && v.tag == snmpwire.Counter64 {
		return Value{}
	}
	return v
}

// get appends the binding of an instance, and tells whether it has a value. Otherwise the binding has an exception: no
// instance if anything lies beside the name, else no object.
func (w *view) get(dst, name []byte) ([]byte, bool) {
	at, found := w.search(name)
	if found {
		e := &w.entries[at]
		if e.fixed != nil && !w.narrow {
			return append(dst, e.fixed...), true
		}
		v := w.read(e)
		if !v.absent() {
			return bind(dst, name, v), true
		}
		if v.tag == 0 {
			v.tag = snmpwire.NoSuchInstance
		}
		return bind(dst, name, v), false
	}
	beside := parent(name)
	for _, i := range [...]int{at - 1, at} {
		if i >= 0 && i < len(w.entries) && snmpwire.HasPrefix(w.entries[i].name, beside) {
			return bind(dst, name, NoSuchInstance()), false
		}
	}
	return bind(dst, name, NoSuchObject()), false
}

// place is where a walk stands: at an entry, or with a name that is none.
type place struct {
	name []byte
	next int // the first entry after it
}

func (w *view) place(name []byte) place {
	at, exact := w.search(name)
	if exact {
		at++
	}
	return place{name, at}
}

// next appends the binding of the first instance after a place that has a value, and moves there. At the end of the view it
// appends endOfMibView and stays.
func (w *view) next(dst []byte, p *place) (grown []byte, ok bool) {
	for at := p.next; at < len(w.entries); at++ {
		e := &w.entries[at]
		if e.fixed != nil && !w.narrow {
			*p = place{e.name, at + 1}
			return append(dst, e.fixed...), true
		}
		if v := w.read(e); !v.absent() {
			*p = place{e.name, at + 1}
			return bind(dst, e.name, v), true
		}
	}
	p.next = len(w.entries)
	return bind(dst, p.name, EndOfView()), false
}

func bind(dst, name []byte, v Value) []byte {
	var room [64]byte
	return snmpwire.AppendBinding(dst, name, v.append(room[:0]))
}

// parent returns a name without its last arc.
func parent(name []byte) []byte {
	i := len(name) - 1
	for i > 0 && name[i-1]&0x80 != 0 {
		i--
	}
	return name[:max(i, 0)]
}

// fraction returns perSecond·ns/10^9, rounded down.
func fraction(perSecond, ns uint64) uint64 {
	hi, lo := bits.Mul64(perSecond, ns)
	q, _ := bits.Div64(hi, lo, uint64(time.Second)) // ns is below a second, so hi is below the divisor
	return q
}
