package snmp

import (
	"bytes"
	"slices"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/internal/snmpwire"
)

// memory is what is kept of an agent from poll to poll, and from stream to stream: one
// stream has it at a time.
type memory struct {
	clock   clock
	epoch   uint32  // how often the agent has restarted
	poll    uint32  // number of the present poll
	scalars []track // by scalar.index
	tables  []*rows // by table.index
}

func newMemory(scalars []*scalar, tables []*table) *memory {
	m := &memory{scalars: make([]track, len(scalars)), tables: make([]*rows, len(tables))}
	for _, s := range scalars {
		m.scalars[s.index].id = s.id
	}
	for _, t := range tables {
		m.tables[t.index] = &rows{
			table: t, known: make(map[string]*row), named: make(map[string]*series), doubts: make([]acquire.Quality, len(t.says)),
		}
	}
	return m
}

// rows are the rows of one table.
type rows struct {
	table   *table
	known   map[string]*row    // by index, as it is on the wire: those of the last walk
	ordered []*row             // of known, in the order of their indexes, but for fresh ones
	fresh   []*row             // of known, without a name or with a new label
	named   map[string]*series // by name: all that ever were
	names   []*series          // of named, as they came
	full    bool               // it was said that there is no more room
	mute    bool               // it was said that there are rows without the number of a condition
	doubts  []acquire.Quality  // why the columns of conditions were not read to their end in this poll, 0: they were
}

// row is one row as the agent has it.
type row struct {
	table  *table
	index  []byte
	place  int    // in rows.ordered, -1 if it is not there
	poll   uint32 // that it was last seen in
	series *series
	label  string
	used   uint32 // poll in which it last had a cell of a point
	told   uint32 // poll in which the label was last read
	fresh  bool   // it needs a name

	indexed  standing        // by its index alone
	standing standing        // in this poll
	why      acquire.Quality // it is unsettled

	exponents     []exponent // in the order of table.exponents
	says          []exponent // in the order of table.says
	discontinuity exponent
}

// exponent is a number that a cell said, and in which poll.
type exponent struct {
	value int64
	poll  uint32
	ok    bool
}

// series are the points of all rows of one name, one after the other.
type series struct {
	name          string
	owner         *row // that has the name now
	tracks        []track
	epoch         uint32 // how often the row's counters have restarted
	discontinuity int64  // what its column said last
	marked        bool   // it said something
}

// find returns the row of an index. hint is the place where it is likely to be.
func (r *rows) find(index []byte, hint int) *row {
	if hint < len(r.ordered) && bytes.Equal(r.ordered[hint].index, index) {
		return r.ordered[hint]
	}
	if known := r.known[string(index)]; known != nil {
		return known
	}
	added := &row{table: r.table, index: slices.Clone(index), place: -1, indexed: r.table.indexed(index)}
	added.exponents, added.says = make([]exponent, len(r.table.exponents)), make([]exponent, len(r.table.says))
	r.known[string(index)] = added
	return added
}

// rename puts a row among those that need a name.
func (r *rows) rename(row *row) {
	if !row.fresh {
		row.fresh = true
		r.fresh = append(r.fresh, row)
	}
}

// relabel takes what the label column says of a row.
func (r *rows) relabel(row *row, text []byte, poll uint32) {
	row.told = poll
	if row.label == string(text) {
		return
	}
	row.label = string(text)
	r.rename(row)
}

// name gives fresh rows their names, and reports how many have to go without. Rows
// whose label changed give up their names first, so that two may swap them. Where not
// all labels could be read, rows without one wait.
func (r *rows) name(poll uint32, labelled bool) (refused int) {
	if len(r.fresh) == 0 {
		return 0
	}
	var waiting []*row
	ready := r.fresh[:0]
	for _, row := range r.fresh {
		switch {
		case row.used != poll, row.standing >= mute, row.standing == unsettled && row.series == nil: // without points for now: named when it has some
			row.fresh = false
			row.release()
			continue
		case !labelled && row.told != poll:
			waiting = append(waiting, row)
			continue
		}
		row.fresh = false
		row.release()
		ready = append(ready, row)
	}
	slices.SortFunc(ready, func(a, b *row) int { return snmpwire.CompareOID(a.index, b.index) })
	for _, row := range ready {
		name := r.table.naming.name(row.index, labelText(row.label))
		s := r.named[name]
		if s.taken(poll) {
			name += "#" + suffixText(row.index)
			s = r.named[name]
		}
		switch {
		case s.taken(poll), s == nil && len(r.names) >= r.table.MaxRows:
			refused++
			continue
		case s == nil:
			s = &series{name: name, tracks: make([]track, len(r.table.Columns))}
			r.named[name] = s
			r.names = append(r.names, s)
		}
		if s.owner != nil { // gone
			s.owner.series = nil
		}
		s.owner, row.series = row, s
	}
	r.fresh = append(r.fresh[:0], waiting...)
	return refused
}

// release gives up the name of a row.
func (r *row) release() {
	if r.series != nil {
		r.series.owner, r.series = nil, nil
	}
}

// taken reports whether a row that is there has the name.
func (s *series) taken(poll uint32) bool { return s != nil && s.owner != nil && s.owner.poll == poll }

// unlabel takes the labels off the rows that have none any more, after all were read.
func (r *rows) unlabel(poll uint32) {
	for _, row := range r.ordered {
		if row.poll == poll && row.told != poll && row.label != "" {
			row.label = ""
			r.rename(row)
		}
	}
}

// forget drops the rows that a walk of the whole table has not seen, and puts the others
// in order.
func (r *rows) forget(poll uint32) {
	gone := len(r.ordered) != len(r.known)
	for _, row := range r.ordered {
		gone = gone || row.poll != poll
	}
	if !gone {
		return
	}
	r.ordered = r.ordered[:0]
	for key, row := range r.known {
		if row.poll == poll {
			r.ordered = append(r.ordered, row)
			continue
		}
		row.release()
		delete(r.known, key)
	}
	slices.SortFunc(r.ordered, func(a, b *row) int { return snmpwire.CompareOID(a.index, b.index) })
	for i, row := range r.ordered {
		row.place = i
	}
}

// power returns the power of ten that the exponents of a column come to in a row, and
// false if one of them is unknown in this poll.
func (r *row) power(t *table, column int, poll uint32) (int, bool) {
	sum := 0
	for i, at := range t.powers[column] {
		said := r.exponents[at]
		if said.poll != poll || !said.ok {
			return 0, false
		}
		power, ok := t.Columns[column].Exponents[i].power(said.value)
		if !ok {
			return 0, false
		}
		sum += power
	}
	return sum, true
}

// origin is where a sample of a table came from, which settles what point it is of.
type origin struct {
	row    *row
	cursor *cursor
	sample int    // in the batch
	epoch  uint32 // of the agent, when it was read
}

// definition is the point of a cell.
func (t *table) definition(s *series, column int) acquire.Point {
	c := &t.Columns[column]
	return acquire.Point{Name: s.name + "/" + c.Name, Unit: c.Unit, Kind: c.kind(), Role: c.Role}
}
