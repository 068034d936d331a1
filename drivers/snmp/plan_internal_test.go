package snmp

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
)

// scalarsOf returns scalars of the given sizes in answers.
func scalarsOf(sizes []int) []*scalar {
	var scalars []*scalar
	for i, size := range sizes {
		s := newScalar(i, acquire.PointID(i+1), Point{OID: OID("1.3.6.1").Child(uint32(i))}, 1)
		s.size = size
		scalars = append(scalars, s)
	}
	return scalars
}

// TestPackTwin compares the packing of scalars with the best of all there are.
func TestPackTwin(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 6))
	for range 400 {
		sizes := make([]int, 1+random.IntN(8))
		for i := range sizes {
			sizes[i] = 1 + random.IntN(12)
		}
		terms := &terms{Limits: Limits{MaxAnswer: 12, MaxObjects: 2 + random.IntN(4), NoUpTime: true}}
		groups := pack(scalarsOf(sizes), terms)
		seen := make(map[int]bool)
		for _, g := range groups {
			total := 0
			for i, s := range g {
				require.False(t, seen[s.index], "asked for twice")
				seen[s.index] = true
				total += s.size
				require.True(t, i == 0 || g[i-1].index < s.index, "out of order")
			}
			require.LessOrEqual(t, total, 12)
			require.LessOrEqual(t, len(g), terms.MaxObjects)
		}
		require.Len(t, seen, len(sizes), "not asked for")
		require.Len(t, groups, fewestBins(sizes, 12, terms.MaxObjects), "%v", sizes)
	}
}

// fewestBins tries every way to put things into bins.
func fewestBins(sizes []int, room, most int) int {
	best := len(sizes)
	bins := make([][]int, 0, len(sizes))
	var try func(i int)
	try = func(i int) {
		if i == len(sizes) {
			best = min(best, len(bins))
			return
		}
		for b := range bins {
			total := sizes[i]
			for _, s := range bins[b] {
				total += s
			}
			if total <= room && len(bins[b]) < most {
				bins[b] = append(bins[b], sizes[i])
				try(i + 1)
				bins[b] = bins[b][:len(bins[b])-1]
			}
		}
		bins = append(bins, []int{sizes[i]})
		try(i + 1)
		bins = bins[:len(bins)-1]
	}
	try(0)
	return best
}

func TestPackHundreds(t *testing.T) {
	sizes := make([]int, 600)
	for i := range sizes {
		sizes[i] = 21
	}
	terms := &terms{overhead: 46, Limits: Limits{NoUpTime: true}}
	groups := pack(scalarsOf(sizes), terms)
	perPacket := (firstAnswer - 46) / 21
	assert.Len(t, groups, (600+perPacket-1)/perPacket)
	assert.Equal(t, 0, groups[0][0].index, "neighbours stay together")
	assert.Equal(t, perPacket, groups[1][0].index)
}

func TestPackKeepsTooLargeAlone(t *testing.T) {
	terms := &terms{Limits: Limits{MaxAnswer: 10, NoUpTime: true}}
	groups := pack(scalarsOf([]int{4, 99, 4}), terms)
	assert.Len(t, groups, 2)
}

func TestPlanGets(t *testing.T) {
	scalars := []*scalar{
		newScalar(0, 1, Point{OID: "1.3.6.1.5.0", Role: acquire.Counter}, 1),
		newScalar(1, 2, Point{OID: "1.3.6.1.4.0"}, 1),
		newScalar(2, 3, Point{OID: "1.3.6.1.3.0"}, 6),
		newScalar(3, 4, Point{OID: "1.3.6.1.2.0"}, 1),
	}
	gets := planGets(scalars, &terms{Limits: Limits{Refused: []OID{"1.3.6.1.4.0"}}})
	require.Len(t, gets, 3)
	assert.Len(t, gets[0].scalars, 2)
	assert.True(t, gets[0].upTime, "a counter needs sysUpTime beside it")
	assert.Equal(t, 3, gets[0].scalars[0].index)
	assert.True(t, gets[1].alone)
	assert.False(t, gets[1].upTime)
	assert.Equal(t, 6, gets[2].every)
}

// TestWalksTwin compares the grouping of columns with the best of all divisions into
// runs of neighbours, whose packets are counted row by row.
func TestWalksTwin(t *testing.T) {
	random := rand.New(rand.NewPCG(2, 6))
	for range 500 {
		table := &table{every: 1}
		columns := make([]walked, 1+random.IntN(7))
		for i := range columns {
			columns[i] = walked{column: &column{table: table}, rows: random.IntN(12), size: 1 + random.IntN(40)}
		}
		terms := &terms{answer: 20 + random.IntN(150), Limits: Limits{MaxObjects: 3 + random.IntN(20)}, single: random.IntN(4) == 0}
		groups := planWalks(columns, terms)
		total, members := 0, 0
		for _, g := range groups {
			n, ok := terms.packets(g)
			require.True(t, ok)
			total, members = total+n, members+len(g)
		}
		require.Equal(t, len(columns), members)
		best := 1 << 30
		for cuts := range 1 << (len(columns) - 1) { // bit i: a group ends behind column i
			packets, start := 0, 0
			for i := range columns {
				if i == len(columns)-1 || cuts>>i&1 != 0 {
					packets += slowPackets(columns[start:i+1], terms)
					start = i + 1
				}
			}
			best = min(best, packets)
		}
		require.Equal(t, best, total, "%v, %+v", describe(columns), terms)
	}
}

func describe(columns []walked) string {
	var b strings.Builder
	for _, c := range columns {
		fmt.Fprintf(&b, "%d×%d ", c.rows, c.size)
	}
	return b.String()
}

// slowPackets counts the packets of a walk by filling each with one row after the other.
func slowPackets(columns []walked, t *terms) int {
	row := 0
	for _, c := range columns {
		row += c.size
	}
	room := t.answer - upTimeSize
	if len(columns) > 1 && (row > room || len(columns)+1 > t.MaxObjects) {
		return 1 << 20
	}
	seen := make([]int, len(columns)) // names, that of the end included
	for packets := 0; ; packets++ {
		var active []int
		for i, c := range columns {
			if seen[i] <= c.rows {
				active = append(active, i)
			}
		}
		if len(active) == 0 {
			return packets
		}
		for bytes, cells, rows := 0, 0, 0; ; rows++ {
			need, wanted := 0, false
			for _, i := range active {
				need += columns[i].size
				wanted = wanted || seen[i] <= columns[i].rows
			}
			fits := bytes+need <= room && cells+len(active) <= t.MaxObjects && !t.single
			if !wanted || rows > 0 && !fits {
				break
			}
			for _, i := range active {
				seen[i]++
			}
			bytes, cells = bytes+need, cells+len(active)
		}
	}
}
