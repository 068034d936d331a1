package modbus

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/fieldtap/fieldtap/acquire"
)

// Block is one request of a Plan: a run of registers or bits of one table.
type Block struct {
	At     Address // first register or bit
	Count  int     // registers or bits asked for, those between points included
	Points int     // points decoded from the answer
	Every  int     // asked for in each poll if 1, in every second if 2, and so on
}

// String formats b as "input 52, length 21, points 4".
func (b Block) String() string {
	text := fmt.Sprintf("%s, length %d, points %d", b.At, b.Count, b.Points)
	if b.Every > 1 {
		text += fmt.Sprintf(", every %d polls", b.Every)
	}
	return text
}

// Range is a run of addresses of one table.
type Range struct {
	At    Address `json:"at"`    // first
	Count int     `json:"count"` // how many
}

// String formats r as "holding 100, length 8".
func (r Range) String() string { return fmt.Sprintf("%s, length %d", r.At, r.Count) }

func (r Range) end() int { return int(r.At.offset) + r.Count }

// Limits are what a device bears. A Source learns them from refusals; a host may
// keep them, as JSON, and put them into the Config of the next Source.
type Limits struct {
	MaxRegisters int     `json:"max_registers"`   // in one answer
	MaxBits      int     `json:"max_bits"`        // in one answer
	Holes        []Range `json:"holes,omitempty"` // addresses that requests must not contain; a point there is asked for alone
}

// block is one planned request with what to do with its answer. It is never
// changed once planned, so that streams share it.
type block struct {
	at       Address
	count    int
	every    int
	members  []member
	decoders []decoder // of members, in their order
	frame    []byte    // the request, but for its transaction id
}

// member is a point of a block.
type member struct {
	id    acquire.PointID
	point Point
	every int // polls from one reading to the next
}

// at returns the first address of m, and end the one after its last: its scale
// register may lie before its value, or behind.
func (m member) at() Address { return Address{m.point.At.table, uint16(m.point.start())} }
func (m member) end() int    { return m.point.start() + m.point.span() }

// offset returns where the value itself begins in what is read from at on: in bits, or
// in bytes of registers.
func (m member) offset(at Address) int {
	offset := int(m.point.At.offset - at.offset)
	if at.table.bits() {
		return offset
	}
	return 2 * offset
}

// compare orders members as they lie in a block.
func (m member) compare(o member) int {
	return cmp.Or(
		cmp.Compare(m.point.At.table, o.point.At.table),
		cmp.Compare(m.point.start(), o.point.start()),
		cmp.Compare(o.end(), m.end()),
	)
}

// terms are what requests cost and what the device bears.
type terms struct {
	Limits
	maxGap   int           // addresses between points that a request may bridge
	even     bool          // an even number of registers in each request
	request  time.Duration // of each request, whatever its length
	register time.Duration // of each register in its answer
}

func (t *terms) limit(table Table) int {
	if table.bits() {
		return t.MaxBits
	}
	return t.MaxRegisters
}

// blocked reports whether some hole lies in the addresses from start to end.
func (t *terms) blocked(table Table, start, end int) bool {
	return slices.ContainsFunc(t.Holes, func(r Range) bool {
		return r.At.table == table && int(r.At.offset) < end && start < r.end()
	})
}

// cost of a plan: time first, then requests, then addresses.
type cost struct {
	time      time.Duration
	requests  int
	addresses int
}

func (c cost) plus(d cost) cost {
	return cost{c.time + d.time, c.requests + d.requests, c.addresses + d.addresses}
}

func (c cost) compare(d cost) int {
	return cmp.Or(cmp.Compare(c.time, d.time), cmp.Compare(c.requests, d.requests), cmp.Compare(c.addresses, d.addresses))
}

// of returns the cost of one request.
func (t *terms) of(table Table, count int) cost {
	c := cost{t.request, 1, count}
	if table.bits() {
		count = (count + 15) / 16
	}
	c.time += time.Duration(count) * t.register
	return c
}

// plan packs members into the blocks that cost least. Blocks ascend, no value is
// split, and members asked for at different rates are not mixed. In the order of
// their addresses an optimal block takes neighbours, so that a member's best
// predecessor decides: the cost is that of members times the longest block. A
// member in a hole is left out of this, and asked for alone.
func plan(members []member, t terms) []*block {
	var blocks []*block
	members = slices.Clone(members)
	members = slices.DeleteFunc(members, func(m member) bool {
		alone := t.blocked(m.point.At.table, m.point.start(), m.end())
		if alone {
			blocks = append(blocks, newBlock([]member{m}, &t))
		}
		return alone
	})
	slices.SortStableFunc(members, func(a, b member) int {
		return cmp.Or(cmp.Compare(a.every, b.every), a.compare(b))
	})
	extents := make([]extent, len(members))
	for i, m := range members {
		extents[i] = m.extent()
	}
	best := make([]cost, len(members)+1) // of the first n members
	first := make([]int, len(members)+1) // member that the last block of these begins with
	for n := 1; n <= len(members); n++ {
		first[n] = -1
	}
	for i := range members {
		for n, g := i+1, (group{}); n <= len(members) && g.take(extents[n-1], &t); n++ {
			at, count, ok := g.extent(&t)
			if !ok {
				continue
			}
			c := best[i].plus(t.of(at.table, count))
			if first[n] < 0 || c.compare(best[n]) < 0 {
				best[n], first[n] = c, i
			}
		}
	}
	for n := len(members); n > 0; n = first[n] {
		blocks = append(blocks, newBlock(members[first[n]:n], &t))
	}
	slices.SortStableFunc(blocks, func(a, b *block) int {
		return cmp.Or(
			cmp.Compare(a.every, b.every),
			cmp.Compare(a.at.table, b.at.table),
			cmp.Compare(a.at.offset, b.at.offset),
		)
	})
	return blocks
}

// group is a run of members that may make a block.
type group struct {
	at    Address
	end   int
	every int
	size  int
}

// extent is what of a member decides about its block.
type extent struct{ table, start, end, every int }

func (m member) extent() extent {
	return extent{int(m.point.At.table), m.point.start(), m.end(), m.every}
}

// take adds a member, and reports false if no block with it, or with more, can be.
func (g *group) take(m extent, t *terms) bool {
	if g.size == 0 {
		*g = group{Address{Table(m.table), uint16(m.start)}, m.end, m.every, 1}
		return true
	}
	if m.table != int(g.at.table) || m.every != g.every ||
		m.start-g.end > t.maxGap || max(g.end, m.end)-int(g.at.offset) > t.limit(g.at.table) {
		return false
	}
	g.end, g.size = max(g.end, m.end), g.size+1
	return len(t.Holes) == 0 || !t.blocked(g.at.table, int(g.at.offset), g.end)
}

// extent returns what a request for g asks for, and whether it may be asked.
func (g *group) extent(t *terms) (Address, int, bool) {
	at, count := g.at, g.end-int(g.at.offset)
	if !t.even || at.table.bits() || count%2 == 0 {
		return at, count, true
	}
	if count < t.limit(at.table) {
		switch start := int(at.offset); {
		case g.end < 1<<16 && !t.blocked(at.table, start, g.end+1):
			return at, count + 1, true
		case start > 0 && !t.blocked(at.table, start-1, g.end):
			return Address{at.table, at.offset - 1}, count + 1, true
		}
	}
	return at, count, g.size == 1 // there is nothing better for it
}

// newBlock makes the block of members, which are in order.
func newBlock(members []member, t *terms) *block {
	var g group
	free := terms{Limits: Limits{MaxRegisters: 1 << 16, MaxBits: 1 << 16}, maxGap: 1 << 16}
	for _, m := range members {
		g.take(m.extent(), &free)
	}
	at, count, _ := g.extent(t)
	b := &block{at: at, count: count, every: g.every, members: members}
	b.decoders = make([]decoder, len(members))
	for i, m := range members {
		d := newDecoder(m.id, m.point)
		d.offset = m.offset(at)
		b.decoders[i] = d
	}
	return b
}

func (b *block) end() int { return int(b.at.offset) + b.count }

// bytes returns the length of the data in the answer to b.
func (b *block) bytes() int {
	if b.at.table.bits() {
		return (b.count + 7) / 8
	}
	return 2 * b.count
}

// halve returns the members of b in two parts: on both sides of its widest gap or,
// where it has none, of its middle; and the addresses between. It reports false if
// b cannot be divided.
func (b *block) halve() (low, high []member, between Range, ok bool) {
	end, at, widest, middle := 0, -1, 0, int(b.at.offset)+b.count/2
	for i, m := range b.members {
		start := m.point.start()
		if i > 0 && start >= end {
			gap := start - end
			nearer := at >= 0 && abs(start-middle) < abs(b.members[at].point.start()-middle)
			if at < 0 || gap > widest || gap == widest && nearer {
				at, widest = i, gap
				between = Range{Address{b.at.table, uint16(end)}, gap}
			}
		}
		end = max(end, m.end())
	}
	if at < 0 {
		return nil, nil, Range{}, false
	}
	return b.members[:at], b.members[at:], between, true
}

func abs(n int) int { return max(n, -n) }

// span returns the addresses that the members of b cover, without what evenness
// adds.
func (b *block) span() Range {
	end := 0
	for _, m := range b.members {
		end = max(end, m.end())
	}
	at := b.members[0].at()
	return Range{at, end - int(at.offset)}
}
