package interop_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/drivers/modbus"
)

// expectation is a point together with what must come of it.
type expectation struct {
	modbus.Point
	words   []uint16
	reading reading
}

// everyReading lays out each reading in each order in one table from address
// first on. Backwards, the readings come in reverse order, so that no two tables
// can be taken for each other.
func everyReading(table func(uint16) modbus.Address, first uint16, backwards bool) []expectation {
	var all []expectation
	for _, kind := range readings {
		for _, l := range layouts {
			for n := range kind.values {
				at := n
				if backwards {
					at = len(kind.values) - 1 - n
				}
				words, ok := kind.values[at].words(l)
				if !ok {
					continue
				}
				p := kind.Point
				p.Name = fmt.Sprintf("%d: %s %s", first, kind.Type, l.order)
				p.At, p.Order = table(first), l.order
				all = append(all, expectation{p, words, kind.values[at]})
				first += uint16(len(words))
			}
		}
	}
	return all
}

// everyBit lays out n bits that repeat with no period of a byte or a word. Those at
// both ends are points of their own, sixteen at a time in between are a number,
// whose lowest bit comes first.
func everyBit(table func(uint16) modbus.Address, n int, seed uint32) (all []expectation) {
	const single, run = 200, 16
	for at := 0; at < n; {
		p := modbus.Point{Name: fmt.Sprintf("bit %d", at), At: table(uint16(at)), Type: modbus.Bool}
		if at >= single && n-at > single {
			p.Type, p.Length = modbus.Uint16, run
		}
		var bits []uint16
		number := uint64(0)
		for i := range max(1, p.Length) {
			seed = seed*1664525 + 1013904223
			bits = append(bits, uint16(seed>>31))
			number |= uint64(seed>>31) << i
		}
		value := acquire.Uint64(number)
		if p.Type == modbus.Bool {
			value = acquire.Bool(number == 1)
		}
		all = append(all, expectation{p, bits, reading{value: value}})
		at += len(bits)
	}
	return all
}

// table is what to expect of one of the four.
type table struct {
	table modbus.Table
	want  []expectation
}

// name is the row of the matrix for e: its type, and the table if that is of bits.
func (t table) name(e expectation) string {
	if t.table == modbus.Coils || t.table == modbus.DiscreteInputs {
		return fmt.Sprintf("%s in %s", e.Type, t.table)
	}
	return e.Type.String()
}

func (e expectation) met(s sample) bool {
	same := s.Value == e.reading.value
	if e.reading.value.IsNone() {
		same = s.Value.Kind() == acquire.KindText && s.text == e.reading.text
	}
	return s.Quality == acquire.Good && same && s.Time != 0
}

func TestEveryTypeAndOrderReadsBackRight(t *testing.T) {
	const unit = 17
	const bits = 2*2000 + 5 // two full requests and one that ends in a byte
	tables := []table{
		{modbus.HoldingRegisters, everyReading(modbus.Holding, 0, false)},
		{modbus.InputRegisters, everyReading(modbus.Input, 3, true)},
		{modbus.Coils, everyBit(modbus.Coil, bits, 1)},
		{modbus.DiscreteInputs, everyBit(modbus.Discrete, bits, 2)},
	}
	var content image
	for _, table := range tables {
		for _, e := range table.want {
			content = append(content, run{unit, e.At, e.words})
		}
	}

	var points []modbus.Point
	for _, table := range tables {
		for _, e := range table.want {
			e.Name = table.table.String() + ", " + e.Name
			points = append(points, e.Point)
		}
	}

	byPeer, byOrder := newMatrix("type"), newMatrix("type")
	for _, peer := range peers {
		t.Run(peer.over.name+" "+peer.name, func(t *testing.T) {
			samples := readOnce(t, peer.startOver(t, peer.over, content).config(unit, points))
			wrong := 0
			for _, table := range tables {
				for _, e := range table.want {
					s := samples[0]
					samples = samples[1:]
					ok := e.met(s)
					byPeer.add(table.name(e), peer.over.name+" "+peer.name, ok)
					byOrder.add(table.name(e), e.Order.String(), ok)
					if ok {
						continue
					}
					t.Fail()
					if wrong++; wrong <= 20 { // the matrices tell of the others
						t.Logf("%s, %s: registers %04x gave %s, %s, want %s",
							table.table, e.Name, e.words, s.Value, s.Quality, e.reading.value)
					}
				}
			}
		})
	}
	t.Logf("read right, of all, in every order:\n%s", byPeer)
	t.Logf("read right, of all, from every server:\n%s", byOrder)
}

func TestEndsOfTheAddressSpace(t *testing.T) {
	const unit = 1
	content := image{
		{unit, modbus.Holding(0), []uint16{0xBEEF}},
		{unit, modbus.Holding(65532), []uint16{0x0123, 0x4567, 0x89AB, 0xCDEF}},
		{unit, modbus.Input(65535), []uint16{4711}},
		{unit, modbus.Coil(65535), []uint16{1}},
	}
	points := []modbus.Point{
		{Name: "first", At: modbus.Holding(0), Type: modbus.Uint16},
		{Name: "last four", At: modbus.Holding(65532), Type: modbus.Uint64},
		{Name: "last", At: modbus.Input(65535), Type: modbus.Uint16},
		{Name: "last bit", At: modbus.Coil(65535)},
	}
	want := []acquire.Value{
		acquire.Uint64(0xBEEF), acquire.Uint64(0x0123456789ABCDEF), acquire.Uint64(4711), acquire.Bool(true),
	}
	for _, impl := range implementations {
		t.Run(impl.name, func(t *testing.T) {
			samples := readOnce(t, impl.start(t, content).config(unit, points))
			for i, s := range samples {
				require.Equal(t, acquire.Good, s.Quality, points[i].Name)
				assert.Equal(t, want[i], s.Value, points[i].Name)
			}
		})
	}
}

// matrix counts the values read right, of all, by two properties.
type matrix struct {
	corner        string // of the rows' names
	rows, columns []string
	right, all    map[[2]string]int
}

func newMatrix(corner string) *matrix {
	return &matrix{corner: corner, right: make(map[[2]string]int), all: make(map[[2]string]int)}
}

func (m *matrix) add(row, column string, ok bool) {
	if !slices.Contains(m.rows, row) {
		m.rows = append(m.rows, row)
	}
	if !slices.Contains(m.columns, column) {
		m.columns = append(m.columns, column)
	}
	m.all[[2]string{row, column}]++
	if ok {
		m.right[[2]string{row, column}]++
	}
}

// String gives a table, with a second line of names where those of the columns are
// of two words.
func (m *matrix) String() string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	first, second := m.corner, ""
	for _, column := range m.columns {
		name, rest, _ := strings.Cut(column, " ")
		first, second = first+"\t"+name, second+"\t"+rest
	}
	fmt.Fprintln(w, first)
	if strings.Trim(second, "\t") != "" {
		fmt.Fprintln(w, second)
	}
	for _, row := range m.rows {
		fmt.Fprint(w, row)
		for _, column := range m.columns {
			cell := [2]string{row, column}
			if m.all[cell] == 0 {
				fmt.Fprint(w, "\t-")
				continue
			}
			fmt.Fprintf(w, "\t%d/%d", m.right[cell], m.all[cell])
		}
		fmt.Fprintln(w)
	}
	w.Flush()
	return b.String()
}
