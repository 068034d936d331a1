package snmp

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/internal/snmpwire"
)

// Request is one request of a Plan, or the series of requests that reads the columns
// of tables.
type Request struct {
	Objects []OID // scalars asked for, or the columns that are read together; sysUpTime is not among them
	Columns bool  // they are columns, read by GETBULK, or GETNEXT in version 1
	Packets int   // requests it takes, about, by the rows that the tables had last
	Bytes   int   // length of the longest answer, about
	Every   int   // made in each poll if 1, in every second if 2, and so on
}

// String formats r as "get 12 objects, 410 bytes", or as "walk 4 columns, 3 packets of
// 5600 bytes".
func (r Request) String() string {
	var b strings.Builder
	if r.Columns {
		fmt.Fprintf(&b, "walk %d columns, %d packets of %d bytes", len(r.Objects), r.Packets, r.Bytes)
	} else {
		fmt.Fprintf(&b, "get %d objects, %d bytes", len(r.Objects), r.Bytes)
	}
	if r.Every > 1 {
		fmt.Fprintf(&b, ", every %d polls", r.Every)
	}
	return b.String()
}

// Limits are what an agent bears. A Source learns them from refusals; a host may keep
// them, as JSON, and put them into the Config of the next Source. The zero value is no
// limit but those of the protocol.
type Limits struct {
	MaxAnswer  int   `json:"max_answer,omitempty"`  // bytes of an answer; 0: Config.MaxMessage
	MaxObjects int   `json:"max_objects,omitempty"` // variable bindings of a request; 0: 100, and 1,000 in answers of tables
	Refused    []OID `json:"refused,omitempty"`     // scalars that make a request fail: asked for by turns, one in a poll
	NoUpTime   bool  `json:"no_up_time,omitempty"`  // the agent has no sysUpTime
}

const (
	firstAnswer  = 1400 // bytes of an answer before anything is known: what an Ethernet frame holds
	leastAnswer  = 200
	maxObjects   = 100  // variable bindings of a GET
	maxCells     = 1000 // variable bindings of the answer to a GETBULK
	expectedRows = 8    // of a table that was never read
)

// upTime is sysUpTime (RFC 3418) and upTimeColumn what a GETNEXT finds it by.
const (
	upTime       OID = "1.3.6.1.2.1.1.3.0"
	upTimeColumn OID = "1.3.6.1.2.1.1.3"
)

// upTimeSize is how many octets sysUpTime takes in an answer.
const upTimeSize = 17

// scalar is a point that is asked for by name.
type scalar struct {
	point   Point
	id      acquire.PointID
	every   int      // polls from one reading to the next
	names   [][]byte // encoded: the object, then its exponents
	size    int      // octets in an answer, about
	decoder decoder
	index   int // among the scalars of the source
}

func newScalar(index int, id acquire.PointID, p Point, every int) *scalar {
	s := &scalar{index: index, id: id, point: p, every: every, decoder: newDecoder(&p)}
	s.names = append(s.names, p.OID.encode())
	s.size = cellSize(len(s.names[0]), p.Type)
	for _, e := range p.Exponents {
		name := e.OID.encode()
		s.names = append(s.names, name)
		s.size += cellSize(len(name), Int32)
	}
	return s
}

// cellSize returns how many octets a variable binding takes in an answer, about.
func cellSize(name int, t Type) int { return name + t.size() + 4 }

// terms are what the agent bears, and what a request costs.
type terms struct {
	Limits
	answer   int  // bytes of an answer aimed at now
	overhead int  // bytes of a message around its variable bindings
	single   bool // version 1: no GETBULK
}

// room returns how many octets of variable bindings an answer of n bytes holds.
func (t *terms) room(n int) int {
	if t.MaxAnswer > 0 {
		n = min(n, t.MaxAnswer)
	}
	return max(n-t.overhead, 1)
}

func (t *terms) objects() int {
	if t.MaxObjects > 0 {
		return min(t.MaxObjects, maxObjects)
	}
	return maxObjects
}

func (t *terms) cells() int {
	if t.MaxObjects > 0 {
		return t.MaxObjects
	}
	return maxCells
}

// get is a request for scalars. It is never changed once planned, so that streams
// share it.
type get struct {
	every    int
	scalars  []*scalar
	upTime   bool   // sysUpTime is asked for first
	bindings []byte // encoded
	size     int    // of the variable bindings of the answer, about
	alone    bool   // one that makes others fail
}

func newGet(scalars []*scalar, t *terms) *get {
	g := &get{every: scalars[0].every, scalars: scalars}
	g.upTime = !t.NoUpTime && slices.ContainsFunc(scalars, func(s *scalar) bool { return s.point.counts() })
	if g.upTime {
		g.bindings = snmpwire.AppendQuery(g.bindings, upTime.encode())
		g.size += upTimeSize
	}
	for _, s := range scalars {
		for _, name := range s.names {
			g.bindings = snmpwire.AppendQuery(g.bindings, name)
		}
		g.size += s.size
	}
	return g
}

// planGets packs scalars into as few requests as the terms allow. Those asked for at
// different rates are not mixed.
func planGets(scalars []*scalar, t *terms) []*get {
	var gets []*get
	var rest []*scalar
	for _, s := range scalars {
		if slices.Contains(t.Refused, s.point.OID) {
			g := newGet([]*scalar{s}, t)
			g.alone = true
			gets = append(gets, g)
			continue
		}
		rest = append(rest, s)
	}
	slices.SortStableFunc(rest, func(a, b *scalar) int {
		return cmp.Or(cmp.Compare(a.every, b.every), snmpwire.CompareOID(a.names[0], b.names[0]))
	})
	for len(rest) > 0 {
		n := 1
		for n < len(rest) && rest[n].every == rest[0].every {
			n++
		}
		for _, group := range pack(rest[:n], t) {
			gets = append(gets, newGet(group, t))
		}
		rest = rest[n:]
	}
	slices.SortStableFunc(gets, func(a, b *get) int {
		return cmp.Or(cmp.Compare(a.every, b.every), snmpwire.CompareOID(a.scalars[0].names[0], b.scalars[0].names[0]))
	})
	return gets
}

// bin is a request that is being packed.
type bin struct{ size, objects int }

// packing is the search for the fewest bins.
type packing struct {
	scalars []*scalar // largest first
	free    bin       // what a bin holds when it is empty
	place   []int     // bin of each scalar
	best    []int
	bins    []bin
	fewest  int
	least   int // there cannot be fewer
	nodes   int // of the search, yet to be spent
}

// searchNodes bounds the search for a better packing than the obvious one. Twenty
// scalars are searched through within it; hundreds are packed well without.
const searchNodes = 50_000

// pack divides scalars, which are in order, into as few groups as fit. Neighbours stay
// together where that costs no request more.
func pack(scalars []*scalar, t *terms) [][]*scalar {
	p := packing{free: bin{t.room(firstAnswer), t.objects()}}
	if !t.NoUpTime && slices.ContainsFunc(scalars, func(s *scalar) bool { return s.point.counts() }) {
		p.free.size, p.free.objects = p.free.size-upTimeSize, max(p.free.objects-1, 1)
	}
	var total bin
	neighbours := [][]*scalar{nil}
	left := p.free
	for _, s := range scalars {
		if last := len(neighbours) - 1; !left.take(s) && neighbours[last] != nil {
			neighbours = append(neighbours, nil)
			left = p.free
			left.take(s)
		}
		last := len(neighbours) - 1
		neighbours[last] = append(neighbours[last], s)
		total.size, total.objects = total.size+min(s.size, p.free.size), total.objects+min(len(s.names), p.free.objects)
	}
	p.least = max(ceil(total.size, p.free.size), ceil(total.objects, p.free.objects))
	p.fewest = len(neighbours)
	if p.fewest == p.least {
		return neighbours
	}
	p.scalars = slices.Clone(scalars)
	slices.SortStableFunc(p.scalars, func(a, b *scalar) int { return cmp.Compare(b.size, a.size) })
	p.place = make([]int, len(scalars))
	p.nodes = searchNodes
	p.search(0)
	if p.best == nil {
		return neighbours
	}
	groups := make([][]*scalar, p.fewest)
	for i, s := range p.scalars {
		groups[p.best[i]] = append(groups[p.best[i]], s)
	}
	for _, g := range groups {
		slices.SortStableFunc(g, func(a, b *scalar) int { return snmpwire.CompareOID(a.names[0], b.names[0]) })
	}
	return groups
}

// take takes the room of s, and reports whether there was enough.
func (b *bin) take(s *scalar) bool {
	if s.size > b.size || len(s.names) > b.objects {
		return false
	}
	b.size, b.objects = b.size-s.size, b.objects-len(s.names)
	return true
}

func ceil(n, d int) int { return (n + d - 1) / d }

// search places scalar i and those that follow: first fit first, and then everything
// else that could take fewer bins.
func (p *packing) search(i int) {
	if i == len(p.scalars) {
		p.fewest, p.best = len(p.bins), slices.Clone(p.place)
		return
	}
	for b := range p.bins {
		before := p.bins[b]
		if slices.Contains(p.bins[:b], before) || !p.bins[b].take(p.scalars[i]) {
			continue // one like it was tried
		}
		p.place[i] = b
		p.search(i + 1)
		p.bins[b] = before
		if p.nodes--; p.nodes <= 0 || p.fewest == p.least {
			return
		}
	}
	if len(p.bins)+1 >= p.fewest {
		return
	}
	fresh := p.free
	fresh.take(p.scalars[i]) // or it has one to itself, though it is too large
	if p.scalars[i].size > p.free.size || len(p.scalars[i].names) > p.free.objects {
		fresh = bin{}
	}
	p.bins = append(p.bins, fresh)
	p.place[i] = len(p.bins) - 1
	p.search(i + 1)
	p.bins = p.bins[:len(p.bins)-1]
}

// column is a column of a table as it is asked for: one of its points, or one that
// says something of the rows.
type column struct {
	table  *table
	base   []byte // encoded
	role   columnRole
	index  int // of the point among the table's columns, of the exponent or condition among its exponents or conditions
	number int // among the columns that are asked for
	first  int // octets that a cell takes in an answer, before any came
	limit  int // cells before it is taken to have no end

	shared []*column // the same column of other tables, or in another role: not asked for again
}

// columnRole is what a column is read for.
type columnRole uint8

const (
	pointColumn columnRole = iota
	labelColumn
	discontinuityColumn
	exponentColumn
	conditionColumn
)

// table is a Table as it is planned.
type table struct {
	Table
	index     int // among the tables of the source
	every     int
	naming    naming
	columns   []*column // what is asked for, in order of OIDs
	decoders  []decoder
	exponents []OID   // the columns that hold exponents
	powers    [][]int // of each column: its exponents, among these
	says      []OID   // the columns that conditions are on
	tests     []int   // of each condition: its column, among these; -1: the index
	counts    bool    // some column is a counter
	offset    int     // of the first column among those of all tables
}

func newTable(index int, t Table, every int) *table {
	p := &table{Table: t, index: index, every: every}
	p.naming.pieces, _ = parsePattern(t.Name)
	p.naming.index = t.Index
	add := func(oid OID, role columnRole, index int, typ Type) {
		c := &column{table: p, base: oid.encode(), role: role, index: index, limit: p.longest()}
		c.first = cellSize(len(c.base)+2, typ)
		p.columns = append(p.columns, c)
	}
	p.powers = make([][]int, len(t.Columns))
	for i := range t.Columns {
		c := &t.Columns[i]
		p.decoders = append(p.decoders, newDecoder(c))
		p.counts = p.counts || c.counts()
		add(c.OID, pointColumn, i, c.Type)
		for _, e := range c.Exponents {
			at := slices.Index(p.exponents, e.OID)
			if at < 0 {
				at = len(p.exponents)
				p.exponents = append(p.exponents, e.OID)
				add(e.OID, exponentColumn, at, Int32)
			}
			p.powers[i] = append(p.powers[i], at)
		}
	}
	for _, c := range t.Where {
		at := -1
		if c.OID != "" {
			if at = slices.Index(p.says, c.OID); at < 0 {
				at = len(p.says)
				p.says = append(p.says, c.OID)
				add(c.OID, conditionColumn, at, Int32)
			}
		}
		p.tests = append(p.tests, at)
	}
	if t.Label != "" {
		add(t.Label, labelColumn, 0, Text)
	}
	if t.Discontinuity != "" {
		add(t.Discontinuity, discontinuityColumn, 0, TimeTicks)
	}
	slices.SortStableFunc(p.columns, func(a, b *column) int { return snmpwire.CompareOID(a.base, b.base) })
	return p
}

// share finds the columns that tables read at the same rate have in common, and returns
// those that are left to be asked for.
func share(tables []*table) []*column {
	type key struct {
		base  string
		every int
	}
	var asked []*column
	first := make(map[key]*column)
	for _, t := range tables {
		for _, c := range t.columns {
			k := key{string(c.base), t.every}
			lead := first[k]
			if lead == nil {
				first[k] = c
				asked = append(asked, c)
				continue
			}
			lead.shared = append(lead.shared, c)
			lead.first, lead.limit = max(lead.first, c.first), max(lead.limit, c.limit)
		}
	}
	return asked
}

// walked is what planning has to know of a column: how long it is.
type walked struct {
	*column
	rows int // that it had last, about
	size int // octets that a cell takes in an answer, about
}

// planWalks divides columns into groups that are read together: neighbours, in the
// order of tables and columns, in the way that takes the fewest packets, and of those
// with the fewest packets the fewest groups.
func planWalks(columns []walked, t *terms) [][]walked {
	var groups [][]walked
	for len(columns) > 0 {
		n := 1
		for n < len(columns) && columns[n].table.every == columns[0].table.every {
			n++
		}
		groups = append(groups, divide(columns[:n], t)...)
		columns = columns[n:]
	}
	return groups
}

func divide(columns []walked, t *terms) [][]walked {
	type cost struct{ packets, groups int }
	best := make([]cost, len(columns)+1) // of the first n columns
	first := make([]int, len(columns)+1) // column that the last group of these begins with
	for n := 1; n <= len(columns); n++ {
		first[n] = -1
		for i := n - 1; i >= 0; i-- {
			packets, ok := t.packets(columns[i:n])
			if !ok {
				break // more columns fit even less
			}
			c := cost{best[i].packets + packets, best[i].groups + 1}
			if first[n] < 0 || cmp.Or(cmp.Compare(c.packets, best[n].packets), cmp.Compare(c.groups, best[n].groups)) < 0 {
				best[n], first[n] = c, i
			}
		}
	}
	var groups [][]walked
	for n := len(columns); n > 0; n = first[n] {
		groups = append(groups, columns[first[n]:n])
	}
	slices.Reverse(groups)
	return groups
}

// maxPackets is where counting the packets of a walk ends.
const maxPackets = 1 << 10

// packets returns how many requests it takes to read columns together, and false if
// one row of them does not fit into an answer.
func (t *terms) packets(columns []walked) (n int, ok bool) {
	if len(columns) > 1 {
		total := upTimeSize
		for _, c := range columns {
			total += c.size
		}
		if total > t.room(t.answer) || len(columns) >= t.objects() {
			return 0, false
		}
	}
	for done := 0; n < maxPackets; n++ {
		var active, size, rows int
		for _, c := range columns {
			if c.rows >= done {
				active, size, rows = active+1, size+c.size, max(rows, c.rows)
			}
		}
		if active == 0 {
			break
		}
		done += t.repetitions(active, size, rows-done+1)
	}
	return n, true
}

// repetitions returns how many rows to ask for of columns whose cells take size octets
// in a row, of which as many as left are expected to come, the end of the columns
// included.
func (t *terms) repetitions(columns, size, left int) int {
	if t.single {
		return 1
	}
	n := min((t.room(t.answer)-upTimeSize)/max(size, 1), t.cells()/columns)
	return max(min(n, left), 1)
}
