package snmp

import (
	"bytes"
	"log/slog"
	"math"
	"net/netip"
	"slices"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/internal/snmpwire"
)

// Exchange is a request that somebody made of an agent, and what became of it.
type Exchange struct {
	// Client is who asked: what several clients read of a table at the same time is told
	// apart by it. A program may use a socket for each request, so that it has no port.
	Client   netip.Addr
	Request  []byte          // whole message
	Answer   []byte          // whole message; empty: none came
	Sent     acquire.Instant // when the request was captured
	Received acquire.Instant // when the answer was, or when it was given up
}

// unheard is why a column has no values that the capture does not contain, and untold why
// a row does not show whether it belongs to its table: the agent may have said it. No
// sample is given out with them.
var (
	unheard = acquire.Bad.Because(acquire.Waiting).WithNative(0xFFFF)
	untold  = acquire.Bad.Because(acquire.Waiting).WithNative(0xFFFE)
)

// Bounds of what is kept of tables that are being read.
const (
	maxAskers   = 64       // clients of one agent
	maxChains   = 256      // series of requests of one client
	maxHearings = 32 << 20 // octets of one Decoder, about
	cellOctets  = 64       // that a cell takes beside its name and value, about
)

// eavesdrop is a table that others read. Its rows and names are made by the code of a
// Source: what was heard of one poll is handed to it as if it had been asked for.
type eavesdrop struct {
	stream  *stream
	table   *table
	walk    walk
	cursors []*cursor // of table.columns
}

func newEavesdrop(src *Source, t *table) *eavesdrop {
	e := &eavesdrop{table: t, stream: &stream{src: src, memory: newMemory(nil, []*table{t})}}
	for _, c := range t.columns {
		e.cursors = append(e.cursors, &cursor{column: c, rows: e.stream.memory.tables[0]})
	}
	e.walk.cursors, e.walk.all = e.cursors, e.cursors
	e.stream.swept = []*walk{&e.walk}
	return e
}

// listen makes what d needs to give tables.
func (d *Decoder) listen(tables []Table) {
	d.askers = make(map[netip.Addr]*asker)
	longest := make(map[string]int)
	offset := 0
	for _, t := range tables {
		planned := newTable(0, t, 1)
		planned.offset = offset
		offset += len(t.Columns)
		for _, c := range planned.columns {
			longest[string(c.base)] = max(longest[string(c.base)], c.limit)
		}
		d.tables = append(d.tables, newEavesdrop(d.src, planned))
	}
	for _, e := range d.tables {
		for _, c := range e.table.columns {
			c.limit = longest[string(c.base)]
		}
	}
}

// bareSource returns a Source that only defines points.
func bareSource(c *acquire.Catalog) *Source {
	return &Source{cfg: Config{Name: "snmp", Catalog: c, Logger: slog.New(slog.DiscardHandler)}, owners: make(map[acquire.PointID]int)}
}

// asker is a client with what it is reading.
type asker struct {
	latest acquire.Instant
	chains []*chain
	polls  []poll // by table
}

// poll is the present reading of a table, and what is known of those before: columns are
// read in the same order each time.
type poll struct {
	*hearing                 // nil: there is none
	ranks    []int           // of the columns in the last reading that was whole
	whole    acquire.Instant // when that began, 0: the last was not whole
	period   acquire.Instant // from one to the next, 0: not known
}

// chain is a series of requests of which each goes on where the one before ended.
type chain struct {
	root    []byte // what it began with
	last    []byte // name that the next request has to begin with
	assumed bool   // its beginning was not captured: the root is the column that it was met in
	strayed bool   // and it came to an end of that: the next request tells whether it goes on
	columns []heardAt
}

// heardAt names a column of a table.
type heardAt struct{ table, column int }

// hearing is one reading of a table by one client, as far as it was captured.
type hearing struct {
	columns []heardColumn
	cells   []heardCell
	octets  []byte              // of the cells
	named   map[string]struct{} // cells that were asked for by their names
	left    int                 // columns that are not read to their ends
	begun   int                 // columns that were begun
	first   acquire.Instant
	latest  acquire.Instant
}

// heardColumn is how far a column was read.
type heardColumn struct {
	from     []byte // what it was begun at: the column itself, unless its beginning is missing
	last     []byte // name up to which it is known
	rank     int    // it was begun as the first, the second, and so on; 0: it was not
	ended    bool
	partial  bool // something in between was not captured
	cells    int
	refusal  acquire.Quality // of cells that the agent failed to give, 0: none
	silence  acquire.Quality // of the request to go on, 0: answered
	retry    acquire.Instant // until when a request is a repeat of the one that was not answered
	at       acquire.Instant // of the latest packet that told of it
	received acquire.Instant
}

// heardCell is a variable binding of a column. Its octets follow those of the one before.
type heardCell struct {
	column int
	name   int // octets of its name
	value  int // octets of its value
	tag    snmpwire.Tag
	at     acquire.Instant
	epoch  uint32
	named  bool            // asked for by its name: that it is not there is said of known rows alone
	why    acquire.Quality // there is no value, 0: there is
}

// asker returns what a client is reading.
func (d *Decoder) asker(b *acquire.Batch, client netip.Addr, at acquire.Instant) *asker {
	w := d.askers[client]
	if w == nil {
		if len(d.askers) == maxAskers {
			var oldest netip.Addr
			least := acquire.Instant(math.MaxInt64)
			for addr, other := range d.askers {
				if other.latest < least || other.latest == least && addr.Less(oldest) {
					oldest, least = addr, other.latest
				}
			}
			d.conclude(b, d.askers[oldest])
			delete(d.askers, oldest)
		}
		w = &asker{polls: make([]poll, len(d.tables))}
		d.askers[client] = w
	}
	w.latest = max(w.latest, at)
	return w
}

// conclude gives what was heard of everything that a client is reading.
func (d *Decoder) conclude(b *acquire.Batch, w *asker) {
	for i := range w.polls {
		if w.polls[i].hearing != nil {
			d.settle(b, w, i)
		}
	}
}

// hearing returns the present reading of a table.
func (d *Decoder) hearing(w *asker, table int, at acquire.Instant) *hearing {
	h := w.polls[table].hearing
	if h == nil {
		if n := len(d.spare); n > 0 {
			h, d.spare = d.spare[n-1], d.spare[:n-1]
		} else {
			h = new(hearing)
		}
		h.begin(d.tables[table].table, at)
		w.polls[table].hearing = h
		d.open++
	}
	h.first, h.latest = min(h.first, at), max(h.latest, at)
	return h
}

// begin makes a hearing of nothing yet.
func (h *hearing) begin(t *table, at acquire.Instant) {
	n := len(t.columns)
	h.columns = slices.Grow(h.columns[:0], n)[:n]
	for i := range h.columns {
		c := &h.columns[i]
		*c = heardColumn{from: c.from[:0], last: append(c.last[:0], t.columns[i].base...)}
	}
	if h.named == nil {
		h.named = make(map[string]struct{})
	}
	clear(h.named)
	h.cells, h.octets, h.left, h.begun, h.first, h.latest = h.cells[:0], h.octets[:0], n, 0, at, at
}

// size is about how many octets h takes.
func (h *hearing) size() int { return len(h.octets) + cellOctets*(len(h.cells)+2*len(h.named)) }

// add takes a cell.
func (d *Decoder) add(h *hearing, cell heardCell, name, value []byte) {
	cell.name, cell.value, cell.epoch = len(name), len(value), d.epoch
	before := h.size()
	h.octets = append(append(h.octets, name...), value...)
	h.cells = append(h.cells, cell)
	d.held += h.size() - before
}

// wants returns the names that a request asks for.
func (d *Decoder) wants(asked *snmpwire.PDU) [][]byte {
	d.names = d.names[:0]
	for list := asked.Bindings; len(list) > 0; {
		binding, rest, err := snmpwire.NextBinding(list)
		if err != nil {
			break
		}
		d.names, list = append(d.names, binding.Name), rest
	}
	return d.names
}

// cycle returns how the variable bindings of an answer go with the names of a request:
// the first ones with one each, the others in rounds.
func cycle(asked *snmpwire.PDU, names int) (single, most int) {
	if asked.Type != snmpwire.BulkRequest {
		return 0, names
	}
	single = min(max(int(asked.ErrorStatus), 0), names)
	return single, single + (names-single)*min(max(int(asked.ErrorIndex), 0), math.MaxUint16)
}

// walked takes the answer to a request for what follows some names.
func (d *Decoder) walked(b *acquire.Batch, x *Exchange, asked, given *snmpwire.PDU, at acquire.Instant) error {
	names := d.wants(asked)
	single, most := cycle(asked, len(names))
	if !d.sound(names, given.Bindings, single, most) {
		if len(names)-single == 1 {
			d.refused(b, x, names[single], badProtocol, at)
		}
		return broken("objects that do not follow those asked for")
	}
	w := (*asker)(nil)
	d.chains = d.chains[:0]
	for _, name := range names {
		if !d.concerns(name) {
			d.chains = append(d.chains, nil)
			continue
		}
		if w == nil {
			w = d.asker(b, x.Client, x.Received)
		}
		d.chains = append(d.chains, d.chain(w, name))
	}
	if w == nil {
		return nil
	}
	w.chains = slices.DeleteFunc(w.chains, func(c *chain) bool { return c.strayed })
	d.begin(b, w, names, x)
	for i, list := 0, given.Bindings; len(list) > 0; i++ {
		binding, rest, _ := snmpwire.NextBinding(list)
		list = rest
		if i >= single {
			if c := d.chains[single+(i-single)%(len(names)-single)]; c != nil {
				d.link(b, w, c, &binding, x, at)
			}
		} else if c := d.chains[i]; c != nil {
			d.link(b, w, c, &binding, x, at)
		}
	}
	w.chains = slices.DeleteFunc(w.chains, func(c *chain) bool { return c.last == nil })
	d.ripe(b, w)
	return nil
}

// ripe gives the tables that a client has read to their ends, and what takes too much
// room.
func (d *Decoder) ripe(b *acquire.Batch, w *asker) {
	for i := range w.polls {
		if h := w.polls[i].hearing; h != nil && h.left == 0 {
			d.settle(b, w, i)
		}
	}
	if d.held <= maxHearings {
		return
	}
	for _, client := range d.clients() {
		d.conclude(b, d.askers[client])
	}
}

// sound reports whether each variable binding of an answer follows the name that it was
// asked for by, or the one before.
func (d *Decoder) sound(names [][]byte, list []byte, single, most int) bool {
	d.reached = append(d.reached[:0], names...)
	for i := 0; len(list) > 0; i++ {
		binding, rest, err := snmpwire.NextBinding(list)
		if err != nil || i >= most {
			return false
		}
		at := i
		if i >= single {
			at = single + (i-single)%(len(names)-single)
		}
		switch {
		case binding.Tag == snmpwire.EndOfMibView:
			d.reached[at] = nil
		case d.reached[at] == nil || snmpwire.CompareOID(binding.Name, d.reached[at]) <= 0:
			return false
		default:
			d.reached[at] = binding.Name
		}
		list = rest
	}
	return true
}

// concerns reports whether a walk from a name may come to a column.
func (d *Decoder) concerns(name []byte) bool {
	for _, e := range d.tables {
		for _, c := range e.table.columns {
			if bytes.HasPrefix(c.base, name) || bytes.HasPrefix(name, c.base) {
				return true
			}
		}
	}
	return false
}

// chain returns the chain that a request for a name goes on with; if there is none, it
// begins one.
func (d *Decoder) chain(w *asker, name []byte) *chain {
	for _, c := range w.chains {
		if !bytes.Equal(c.last, name) {
			continue
		}
		if c.strayed { // a walk of more than the column
			c.root, c.assumed, c.strayed = c.root[:0], false, false
			d.span(c)
		}
		return c
	}
	if len(w.chains) == maxChains {
		w.chains = slices.Delete(w.chains, 0, 1)
	}
	c := &chain{root: slices.Clone(name), last: slices.Clone(name)}
	for place, column := range d.asked(name) {
		if len(name) > len(column.base) {
			c.root, c.assumed = append(c.root[:0], column.base...), true
			if h := w.polls[place.table].hearing; h != nil && (h.columns[place.column].rank > 0 || h.columns[place.column].refusal != 0) {
				c.assumed = false // it goes on behind what the agent failed to give
				break
			}
		}
	}
	d.span(c)
	w.chains = append(w.chains, c)
	return c
}

// span finds the columns that a chain may come to.
func (d *Decoder) span(c *chain) {
	c.columns = c.columns[:0]
	for i, e := range d.tables {
		for j, column := range e.table.columns {
			if bytes.HasPrefix(column.base, c.root) {
				c.columns = append(c.columns, heardAt{i, j})
			}
		}
	}
}

// link takes one variable binding of a chain: between the name before and its own there
// is nothing.
func (d *Decoder) link(b *acquire.Batch, w *asker, c *chain, to *snmpwire.Binding, x *Exchange, at acquire.Instant) {
	if c.last == nil {
		return // it has ended
	}
	end := to.Tag == snmpwire.EndOfMibView
	for _, place := range c.columns {
		base := d.tables[place.table].table.columns[place.column].base
		within := bytes.HasPrefix(c.last, base)
		switch {
		case !within && snmpwire.CompareOID(c.last, base) > 0: // behind it
		case !within && !end && snmpwire.CompareOID(to.Name, base) < 0: // before it
		default:
			from := c.last
			if !within {
				from = base
			}
			d.step(b, w, place, from, to, x, at)
		}
	}
	switch {
	case end, !bytes.HasPrefix(to.Name, c.root) && !c.assumed:
		c.last = nil
	default:
		c.last, c.strayed = append(c.last[:0], to.Name...), !bytes.HasPrefix(to.Name, c.root)
	}
}

// column returns a column for a request that asks for what follows a name of it, or for
// the column itself, and nil if the request is a repeat of one that was answered. Where it
// is part of another reading, what was heard before is given first.
func (d *Decoder) column(b *acquire.Batch, w *asker, place heardAt, name []byte, x *Exchange, at acquire.Instant) (*hearing, *heardColumn) {
	h := d.hearing(w, place.table, at)
	switch again, repeat := w.polls[place.table].anew(place.column, name, x); {
	case repeat:
		return nil, nil
	case again:
		d.settle(b, w, place.table)
		h = d.hearing(w, place.table, at)
	}
	return h, &h.columns[place.column]
}

// anew reports whether a request for what follows a name begins another reading, and
// whether it repeats one that was answered.
func (p *poll) anew(column int, name []byte, x *Exchange) (again, repeat bool) {
	c := &p.columns[column]
	switch {
	case c.rank > 0 && snmpwire.CompareOID(name, c.from) <= 0:
		return x.Sent >= c.received, x.Sent < c.received
	case c.rank > 0:
		return false, false
	case c.silence != 0 && x.Sent > c.retry, c.refusal != 0 && bytes.Equal(name, c.last):
		return true, false
	case p.period != 0 && p.begun > 0 && x.Sent-p.first >= p.period:
		return true, false
	case p.ranks != nil: // one that came later was begun already
		for i := range p.columns {
			if p.columns[i].rank > 0 && p.ranks[i] > p.ranks[column] {
				return true, false
			}
		}
	}
	return false, false
}

// begin gives what was heard of tables of which a request begins another reading, before
// any of its columns is taken.
func (d *Decoder) begin(b *acquire.Batch, w *asker, names [][]byte, x *Exchange) {
	for _, name := range names {
		for place, column := range d.asked(name) {
			p := &w.polls[place.table]
			if p.hearing == nil {
				continue
			}
			if len(name) < len(column.base) {
				name = column.base
			}
			if again, _ := p.anew(place.column, name, x); again {
				d.settle(b, w, place.table)
			}
		}
	}
}

// step takes what a link says of one column.
func (d *Decoder) step(b *acquire.Batch, w *asker, place heardAt, from []byte, to *snmpwire.Binding, x *Exchange, at acquire.Instant) {
	column := d.tables[place.table].table.columns[place.column]
	h, c := d.column(b, w, place, from, x, at)
	switch {
	case c == nil || c.ended:
		return
	case c.rank == 0:
		h.begun++
		c.rank, c.from = h.begun, append(c.from[:0], from...)
		c.partial = c.partial || len(from) > len(column.base)
		c.last = append(c.last[:0], from...)
	case snmpwire.CompareOID(from, c.last) > 0:
		c.partial = true
	}
	c.silence, c.at, c.received = 0, max(c.at, at), max(c.received, x.Received)
	switch {
	case to.Tag == snmpwire.EndOfMibView || !bytes.HasPrefix(to.Name, column.base):
		c.ended = true
		h.left--
	case snmpwire.CompareOID(to.Name, c.last) <= 0: // it was read before
	default:
		c.last = append(c.last[:0], to.Name...)
		if c.cells++; c.cells > column.limit { // a table without end
			c.ended, c.refusal = true, badRange
			h.left--
			b.Lost++
			return
		}
		d.add(h, heardCell{column: place.column, tag: to.Tag, at: at}, to.Name, to.Value)
	}
}

// asked iterates over the columns that a request for what follows a name is for.
func (d *Decoder) asked(name []byte) func(yield func(heardAt, *column) bool) {
	return func(yield func(heardAt, *column) bool) {
		for i, e := range d.tables {
			for j, c := range e.table.columns {
				if (bytes.HasPrefix(c.base, name) || bytes.HasPrefix(name, c.base)) && !yield(heardAt{i, j}, c) {
					return
				}
			}
		}
	}
}

// refused notes that the agent failed to give what follows a name.
func (d *Decoder) refused(b *acquire.Batch, x *Exchange, name []byte, why acquire.Quality, at acquire.Instant) {
	for place := range d.asked(name) {
		w := d.asker(b, x.Client, x.Received)
		if _, c := d.column(b, w, place, name, x, at); c != nil {
			c.refusal, c.silence, c.at = why, 0, max(c.at, at)
		}
	}
}

// ended notes that nothing follows a name, as version 1 says it.
func (d *Decoder) ended(b *acquire.Batch, x *Exchange, name []byte, at acquire.Instant) {
	if !d.concerns(name) {
		return
	}
	w := d.asker(b, x.Client, x.Received)
	d.link(b, w, d.chain(w, name), &snmpwire.Binding{Tag: snmpwire.EndOfMibView}, x, at)
	w.chains = slices.DeleteFunc(w.chains, func(c *chain) bool { return c.last == nil })
	d.ripe(b, w)
}

// rejected takes an answer that refuses a request for what follows some names.
func (d *Decoder) rejected(b *acquire.Batch, x *Exchange, asked, given *snmpwire.PDU, at acquire.Instant) {
	names := d.wants(asked)
	single, most := cycle(asked, len(names))
	if most > len(names) {
		return // up to the row that fails, the others can be had
	}
	index := int(given.ErrorIndex) - 1
	if index < 0 || index >= len(names) {
		if len(names)-single != 1 {
			return
		}
		index = single
	}
	status := ErrorStatus(given.ErrorStatus)
	if version, _ := snmpwire.Peek(x.Request); version == snmpwire.V1 && status == NoSuchName { // RFC 1157, section 4.1.3
		d.ended(b, x, names[index], at)
		return
	}
	d.refused(b, x, names[index], status.Quality(), at)
}

// unanswered takes a request for what follows some names that got no answer.
func (d *Decoder) unanswered(b *acquire.Batch, x *Exchange, asked *snmpwire.PDU) {
	names := d.wants(asked)
	if !slices.ContainsFunc(names, d.concerns) {
		return
	}
	w := d.asker(b, x.Client, x.Received)
	d.begin(b, w, names, x)
	for _, name := range names {
		for place, column := range d.asked(name) {
			_, c := d.column(b, w, place, name, x, x.Received)
			switch inside := len(name) > len(column.base); {
			case c == nil || c.ended || snmpwire.CompareOID(name, c.last) < 0 && c.rank > 0: // asked again, and answered
				continue
			case inside && snmpwire.CompareOID(name, c.last) > 0:
				c.partial = true
			}
			c.silence, c.at = acquire.Bad.Because(acquire.Communication), max(c.at, x.Received)
			c.retry = x.Received + (x.Received-x.Sent)/4
		}
	}
}

// cells takes what stands in the answer to a request for objects by their names, or why
// there is nothing.
func (d *Decoder) cells(b *acquire.Batch, x *Exchange, list []byte, why acquire.Quality, index int, at acquire.Instant) {
	var w *asker
	for i := 1; len(list) > 0; i++ {
		binding, rest, err := snmpwire.NextBinding(list)
		if err != nil {
			break
		}
		if list = rest; index != 0 && i != index {
			continue
		}
		for t, e := range d.tables {
			for j, column := range e.table.columns {
				if len(binding.Name) <= len(column.base) || !bytes.HasPrefix(binding.Name, column.base) {
					continue
				}
				if w == nil {
					w = d.asker(b, x.Client, x.Received)
				}
				h := d.hearing(w, t, at)
				if _, twice := h.named[string(binding.Name)]; twice {
					d.settle(b, w, t)
					h = d.hearing(w, t, at)
				}
				h.named[string(binding.Name)] = struct{}{}
				c := &h.columns[j]
				c.at, c.received = max(c.at, at), max(c.received, x.Received)
				d.add(h, heardCell{column: j, tag: binding.Tag, at: at, named: true, why: why}, binding.Name, binding.Value)
			}
		}
	}
	if w != nil {
		d.ripe(b, w)
	}
}

// settle gives what was heard of a table, as a Source does at the end of a poll.
func (d *Decoder) settle(b *acquire.Batch, w *asker, table int) {
	e, p := d.tables[table], &w.polls[table]
	h := p.hearing
	p.remember()
	d.open--
	d.held -= h.size()
	defer func() { d.spare = append(d.spare, h) }()
	s := e.stream
	s.memory.poll++
	s.lost = 0
	for i, c := range e.cursors {
		heard := &h.columns[i]
		c.start()
		c.at, c.ended = heard.at, true
		switch {
		case heard.refusal != 0:
			c.failed, c.fault = true, heard.refusal
		case heard.silence != 0 && !heard.partial:
			c.failed, c.fault = true, heard.silence
		case heard.partial || !heard.ended:
			if c.failed, c.fault = true, unheard; c.role == conditionColumn {
				c.fault = untold
			}
		}
	}
	before := len(b.Samples)
	at := 0
	for i := range h.cells {
		cell := &h.cells[i]
		name := h.octets[at : at+cell.name]
		binding := snmpwire.Binding{Name: name, Tag: cell.tag, Value: h.octets[at+cell.name : at+cell.name+cell.value]}
		at += cell.name + cell.value
		c := e.cursors[cell.column]
		s.memory.epoch = cell.epoch
		if cell.why == 0 && (!cell.named || binding.Tag < snmpwire.NoSuchObject) {
			s.enter(c, b, &binding, cell.at)
			continue
		}
		s.enterNothing(c, b, &binding, cell)
	}
	s.settle(b)
	b.Lost += s.lost
	kept := b.Samples[:before]
	for _, sample := range b.Samples[before:] {
		switch native := sample.Quality.Native(); {
		case sample.Quality.Reason() != acquire.Waiting || native != unheard.Native() && native != untold.Native():
			kept = append(kept, sample)
		case native == untold.Native():
			b.Lost++
		}
	}
	b.Samples = kept
}

// remember learns from a reading that is over.
func (p *poll) remember() {
	h := p.hearing
	p.hearing = nil
	if h.left > 0 || slices.ContainsFunc(h.columns, func(c heardColumn) bool { return c.partial || c.refusal != 0 }) {
		p.whole = 0
		return
	}
	p.ranks = p.ranks[:0]
	for i := range h.columns {
		p.ranks = append(p.ranks, h.columns[i].rank)
	}
	if p.whole != 0 && h.first > p.whole {
		p.period = h.first - p.whole
	}
	p.whole = h.first
}

// enterNothing notes of a cell of a known row that it has no value.
func (s *stream) enterNothing(c *cursor, b *acquire.Batch, binding *snmpwire.Binding, cell *heardCell) {
	row := c.rows.known[string(binding.Name[len(c.base):])]
	if c.role != pointColumn || row == nil || row.series == nil || !row.series.tracks[c.index].live {
		return
	}
	quality := cell.why
	if quality == 0 {
		_, quality = c.table.decoders[c.index].value(b, binding.Tag, binding.Value)
	}
	row.poll, row.used = s.memory.poll, s.memory.poll
	b.Samples = append(b.Samples, acquire.Sample{Time: cell.at, Quality: quality})
	s.origins = append(s.origins, origin{row: row, cursor: c, sample: len(b.Samples) - 1, epoch: cell.epoch})
}

// Horizon returns the moment before which Overhear and Settle give no sample any more of
// a table that is being read, and false if none is.
func (d *Decoder) Horizon() (acquire.Instant, bool) {
	if d.open == 0 {
		return 0, false
	}
	least := acquire.Instant(math.MaxInt64)
	for _, w := range d.askers {
		for i := range w.polls {
			if h := w.polls[i].hearing; h != nil {
				least = min(least, h.first)
			}
		}
	}
	return least, true
}

// Settle appends to b the samples of tables of which nothing was heard since a moment,
// though they were not read to their ends. What was not captured is not said to be gone.
func (d *Decoder) Settle(b *acquire.Batch, since acquire.Instant) {
	if d.open == 0 {
		return
	}
	for _, client := range d.clients() {
		w := d.askers[client]
		for i := range w.polls {
			if h := w.polls[i].hearing; h != nil && h.latest < since {
				d.settle(b, w, i)
			}
		}
		if w.latest < since {
			delete(d.askers, client)
		}
	}
}

// clients returns the clients in order, so that two runs give the same.
func (d *Decoder) clients() []netip.Addr {
	d.order = d.order[:0]
	for client := range d.askers {
		d.order = append(d.order, client)
	}
	slices.SortFunc(d.order, netip.Addr.Compare)
	return d.order
}
