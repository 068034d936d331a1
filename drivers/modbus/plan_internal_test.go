package modbus

import (
	"encoding/csv"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
)

// anything are terms that allow all that the protocol does, for free requests of
// any length.
var anything = terms{
	Limits:  Limits{MaxRegisters: HoldingRegisters.limit(), MaxBits: Coils.limit()},
	maxGap:  Coils.limit(),
	request: 5 * time.Millisecond,
}

func TestPlanCoversEveryPointOnce(t *testing.T) {
	for seed := range uint64(500) {
		members := randomMembers(seed)
		for _, gap := range []int{0, 2, 1000} {
			terms := anything
			terms.maxGap, terms.MaxRegisters, terms.MaxBits, terms.even = gap, 10, 10, seed%2 == 0
			seen := map[acquire.PointID]int{}
			var before *block
			for _, b := range plan(members, terms) {
				require.LessOrEqual(t, b.count, terms.limit(b.at.table))
				require.LessOrEqual(t, b.end(), 1<<16)
				for i, m := range b.members {
					seen[m.id]++
					require.Equal(t, b.every, m.every)
					require.Equal(t, b.at.table, m.point.At.table)
					require.GreaterOrEqual(t, m.point.At.offset, b.at.offset)
					require.LessOrEqual(t, m.end(), b.end(), "no value is split")
					require.Equal(t, m.id, b.decoders[i].point)
				}
				if before != nil && before.at.table == b.at.table && before.every == b.every {
					require.LessOrEqual(t, before.at.offset, b.at.offset)
				}
				before = b
			}
			for _, m := range members {
				require.Equal(t, 1, seen[m.id])
			}
		}
	}
}

func randomMembers(seed uint64) []member {
	random := rand.New(rand.NewPCG(seed, 3))
	var members []member
	for i := range 1 + random.IntN(12) {
		p := Point{At: Address{Table(1 + random.IntN(4)), uint16(random.IntN(40))}, Type: Bool}
		if !p.At.table.bits() {
			p.Type = Type(1 + random.IntN(int(Float64)))
		}
		members = append(members, member{acquire.PointID(i + 1), p, 1 + random.IntN(2)})
	}
	return members
}

// cheapest tries every way to put members into blocks, and returns the least
// cost. It knows the rules only: any set of members may make a block.
func cheapest(members []member, t *terms) (least cost, found bool) {
	var sets [][]member
	var try func(i int)
	try = func(i int) {
		if i == len(members) {
			var sum cost
			for _, set := range sets {
				c, ok := priced(set, t)
				if !ok {
					return
				}
				sum = sum.plus(c)
			}
			if !found || sum.compare(least) < 0 {
				least, found = sum, true
			}
			return
		}
		for k := range sets {
			sets[k] = append(sets[k], members[i])
			try(i + 1)
			sets[k] = sets[k][:len(sets[k])-1]
		}
		sets = append(sets, []member{members[i]})
		try(i + 1)
		sets = sets[:len(sets)-1]
	}
	try(0)
	return least, found
}

// priced returns the cost of one block of a set, by looking at every address.
func priced(set []member, t *terms) (cost, bool) {
	table, every := set[0].point.At.table, set[0].every
	start, end := 1<<16, 0
	wanted := map[int]bool{}
	for _, m := range set {
		if m.point.At.table != table || m.every != every {
			return cost{}, false
		}
		for a := int(m.point.At.offset); a < m.end(); a++ {
			wanted[a] = true
			start, end = min(start, a), max(end, a+1)
		}
	}
	hole := func(a int) bool { return t.blocked(table, a, a+1) }
	gap := 0
	for a := start; a < end; a++ {
		if gap++; wanted[a] {
			gap = 0
		}
		if gap > t.maxGap || len(set) > 1 && hole(a) {
			return cost{}, false
		}
	}
	if end-start > t.limit(table) {
		return cost{}, false
	}
	if t.even && !table.bits() && (end-start)%2 != 0 {
		switch {
		case end-start < t.limit(table) && end < 1<<16 && !t.blocked(table, start, end+1):
			end++
		case end-start < t.limit(table) && start > 0 && !t.blocked(table, start-1, end):
			start--
		case len(set) > 1:
			return cost{}, false
		}
	}
	return t.of(table, end-start), true
}

// The planner's choice is as good as the best of all.
func TestPlanEqualsExhaustiveSearch(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 7))
	types := []Type{Uint16, Int16, Float32, Uint32, Float64}
	for range 3000 {
		terms := terms{
			Limits:   Limits{MaxRegisters: 4 + random.IntN(20), MaxBits: 16},
			maxGap:   []int{0, 1, 3, 1000}[random.IntN(4)],
			even:     random.IntN(4) == 0,
			request:  time.Duration(random.IntN(20)) * time.Millisecond,
			register: time.Duration(random.IntN(3)) * time.Millisecond,
		}
		for range random.IntN(3) {
			terms.Holes = append(terms.Holes, Range{Holding(uint16(random.IntN(30))), 1 + random.IntN(3)})
		}
		var members []member
		for i := range 1 + random.IntN(7) {
			members = append(members, member{
				acquire.PointID(i + 1), Point{At: Holding(uint16(random.IntN(30))), Type: types[random.IntN(len(types))]}, 1,
			})
		}
		var got cost
		for _, b := range plan(members, terms) {
			got = got.plus(terms.of(b.at.table, b.count))
		}
		want, _ := cheapest(members, &terms)
		require.Equal(t, want, got, "%+v of %+v", members, terms)
	}
}

// The map of 40 float32 values of the SDM630 meter takes three requests on TCP,
// and on a line of 9600 baud as many as the time of a register and of a request
// ask for.
func TestPlanOfAMeter(t *testing.T) {
	members := readMap(t, "testdata/sdm630.csv")
	require.Len(t, members, 40)
	requests := func(t terms) (n, registers int) {
		for _, b := range plan(members, t) {
			n, registers = n+1, registers+b.count
		}
		return n, registers
	}
	n, registers := requests(anything)
	assert.Equal(t, 3, n)
	assert.Less(t, registers, 200)

	character := Serial{Baud: 9600, Parity: NoParity, DataBits: 8, StopBits: 2}.character()
	line := anything
	line.register = 2 * character
	for _, c := range []struct {
		latency time.Duration
		most    int // longest gap that is worth bridging: 2·gap·t < latency + 20·t
	}{{5 * time.Millisecond, 12}, {50 * time.Millisecond, 31}} {
		line.request = c.latency + 20*character
		for _, b := range plan(members, line) {
			end := b.members[0].end()
			for _, m := range b.members[1:] {
				require.LessOrEqual(t, int(m.point.At.offset)-end, c.most)
				end = max(end, m.end())
			}
		}
	}
}

func readMap(t *testing.T, path string) (members []member) {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	r := csv.NewReader(strings.NewReader(string(text)))
	r.Comment = '#'
	rows, err := r.ReadAll()
	require.NoError(t, err)
	for i, row := range rows {
		n, err := strconv.ParseUint(row[0], 10, 16)
		require.NoError(t, err)
		members = append(members, member{acquire.PointID(i + 1), Point{At: Input(uint16(n)), Type: Float32}, 1})
	}
	return members
}

// A block can be divided as long as it has two values that do not overlap.
func TestHalves(t *testing.T) {
	for seed := range uint64(500) {
		terms := anything
		for _, b := range plan(randomMembers(seed), terms) {
			low, high, between, ok := b.halve()
			if !ok {
				continue
			}
			require.Equal(t, b.members, slices.Concat(low, high))
			require.NotEmpty(t, low)
			require.NotEmpty(t, high)
			for _, m := range low {
				require.LessOrEqual(t, m.end(), int(between.At.offset))
			}
			require.Equal(t, between.end(), int(high[0].point.At.offset))
		}
	}
}

func BenchmarkPlan(b *testing.B) {
	var members []member
	for i := range 2000 {
		members = append(members, member{acquire.PointID(i + 1), Point{At: Holding(uint16(3 * i)), Type: Float32}, 1})
	}
	for b.Loop() {
		plan(members, anything)
	}
}
