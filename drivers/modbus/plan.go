package modbus

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/fieldtap/fieldtap/acquire"
)

// Block is one request of a Plan: a run of registers or bits of one table.
type Block struct {
	At     Address // first register or bit
	Count  int     // registers or bits asked for, those between points included
	Points int     // points decoded from the answer
}

// String formats b as "input 52, length 21, points 4".
func (b Block) String() string {
	return fmt.Sprintf("%s, length %d, points %d", b.At, b.Count, b.Points)
}

// block is one planned request with what to do with its answer. It is never
// changed once planned, so that streams share it.
type block struct {
	at       Address
	count    int
	members  []member
	decoders []decoder // of members, in their order
	frame    []byte    // the request, but for its transaction id
	holes    bool      // covers addresses that no point asked for
}

// member is a point of a block.
type member struct {
	id    acquire.PointID
	point Point
}

func (m member) end() int { return int(m.point.At.offset) + m.point.span() }

// plan packs points into blocks: ascending, bridging at most maxGap addresses
// that nobody asked for, none longer than limits allows, no value split.
func plan(members []member, limit func(Table) int, maxGap int) []*block {
	members = slices.Clone(members)
	slices.SortStableFunc(members, func(a, b member) int {
		return cmp.Or(
			cmp.Compare(a.point.At.table, b.point.At.table),
			cmp.Compare(a.point.At.offset, b.point.At.offset),
			cmp.Compare(b.end(), a.end()),
		)
	})
	var blocks []*block
	var last *block
	for _, m := range members {
		at, end := m.point.At, m.end()
		if last == nil || last.at.table != at.table ||
			int(at.offset)-last.end() > maxGap || end-int(last.at.offset) > limit(at.table) {
			last = &block{at: at}
			blocks = append(blocks, last)
		}
		if int(at.offset) > last.end() && len(last.members) > 0 {
			last.holes = true
		}
		last.count = max(last.count, end-int(last.at.offset))
		last.members = append(last.members, m)
	}
	for _, b := range blocks {
		b.link()
	}
	return blocks
}

func (b *block) end() int { return int(b.at.offset) + b.count }

// link makes the decoders of b's members.
func (b *block) link() {
	b.decoders = make([]decoder, len(b.members))
	for i, m := range b.members {
		d := newDecoder(m.id, m.point)
		d.offset = int(m.point.At.offset - b.at.offset)
		if !b.at.table.bits() {
			d.offset *= 2
		}
		b.decoders[i] = d
	}
}

// bytes returns the length of the data in the answer to b.
func (b *block) bytes() int {
	if b.at.table.bits() {
		return (b.count + 7) / 8
	}
	return 2 * b.count
}
