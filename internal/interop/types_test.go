package interop_test

import (
	"fmt"
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
	words []uint16
	value acquire.Value
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
				p := modbus.Point{
					Name: fmt.Sprintf("%s %s %d", kind.typ, l.order, n),
					At:   table(first), Type: kind.typ, Order: l.order,
				}
				all = append(all, expectation{p, words, kind.values[at].value})
				first += uint16(len(words))
			}
		}
	}
	return all
}

// everyBit lays out n bits that repeat with no period of a byte or a word.
func everyBit(table func(uint16) modbus.Address, n int, seed uint32) []expectation {
	all := make([]expectation, n)
	for i := range all {
		seed = seed*1664525 + 1013904223
		bit := uint16(seed >> 31)
		p := modbus.Point{Name: fmt.Sprintf("bit %d", i), At: table(uint16(i)), Type: modbus.Bool}
		all[i] = expectation{p, []uint16{bit}, acquire.Bool(bit == 1)}
	}
	return all
}

func (e expectation) met(s acquire.Sample) bool {
	return s.Quality == acquire.Good && s.Value == e.value && s.Time != 0
}

func TestEveryTypeAndOrderReadsBackRight(t *testing.T) {
	const unit = 17
	const bits = 2*2000 + 5 // two full requests of 2000 bits and one that ends in a byte
	tables := []struct {
		table modbus.Table
		want  []expectation
	}{
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

	for _, impl := range implementations {
		t.Run(impl.name, func(t *testing.T) {
			server := impl.start(t, content)
			result, wrong := newMatrix(), 0
			for _, table := range tables {
				points := make([]modbus.Point, len(table.want))
				for i, e := range table.want {
					points[i] = e.Point
				}
				samples := readOnce(t, server.address(), unit, points)
				for i, e := range table.want {
					ok := e.met(samples[i])
					result.add(table.table, e.Type, e.Order, ok)
					if ok {
						continue
					}
					t.Fail()
					if wrong++; wrong <= 20 { // the matrix tells of the others
						t.Logf("%s, %s: registers %04x gave %s, %s, want %s",
							table.table, e.Name, e.words, samples[i].Value, samples[i].Quality, e.value)
					}
				}
			}
			t.Logf("read from %s, right of all:\n%s", impl.name, result)
		})
	}
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
			samples := readOnce(t, impl.start(t, content).address(), unit, points)
			for i, s := range samples {
				require.Equal(t, acquire.Good, s.Quality, points[i].Name)
				assert.Equal(t, want[i], s.Value, points[i].Name)
			}
		})
	}
}

// matrix counts the values read right, by table, type and order.
type matrix struct {
	columns []modbus.Order
	rows    []cell // in order of arrival, without column
	right   map[cell]int
	all     map[cell]int
}

type cell struct {
	table modbus.Table
	typ   modbus.Type
	order modbus.Order
}

func newMatrix() *matrix {
	m := &matrix{right: make(map[cell]int), all: make(map[cell]int)}
	for _, l := range layouts {
		m.columns = append(m.columns, l.order)
	}
	return m
}

func (m *matrix) add(table modbus.Table, typ modbus.Type, order modbus.Order, ok bool) {
	c := cell{table, typ, order}
	if row := (cell{table: table, typ: typ}); m.all[c] == 0 && order == m.columns[0] {
		m.rows = append(m.rows, row)
	}
	m.all[c]++
	if ok {
		m.right[c]++
	}
}

// String gives a table with one line per table and type, one column per order.
func (m *matrix) String() string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprint(w, "table\ttype")
	for _, order := range m.columns {
		fmt.Fprintf(w, "\t%s", order)
	}
	fmt.Fprintln(w)
	for _, row := range m.rows {
		fmt.Fprintf(w, "%s\t%s", row.table, row.typ)
		for _, order := range m.columns {
			c := cell{row.table, row.typ, order}
			if m.all[c] == 0 {
				fmt.Fprint(w, "\t-")
				continue
			}
			fmt.Fprintf(w, "\t%d/%d", m.right[c], m.all[c])
		}
		fmt.Fprintln(w)
	}
	w.Flush()
	return b.String()
}
