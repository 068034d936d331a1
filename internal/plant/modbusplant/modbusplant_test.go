package modbusplant_test

import (
	"encoding/binary"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/fieldtap/fieldtap/drivers/modbus/modbustest"
	"github.com/fieldtap/fieldtap/internal/plant"
	"github.com/fieldtap/fieldtap/internal/plant/modbusplant"
)

var epoch = time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC).UnixNano()

// clock counts its calls and moves on with each, as time does.
type clock struct{ at, calls int64 }

func (c *clock) now() int64 {
	c.calls++
	c.at += 1_234_567_891
	return c.at
}

func devices(t testing.TB) (map[byte]modbustest.Device, *plant.Plant, *clock) {
	t.Helper()
	p, c := plant.New(epoch), &clock{at: epoch}
	return modbusplant.Devices(p, c.now), p, c
}

// image is what was read, as the bytes of the reply.
type image struct {
	start int
	bytes []byte
}

func read(t testing.TB, d modbustest.Device, table modbustest.Table, start, end int) image {
	t.Helper()
	words := make([]uint16, end-start)
	if e := d.ReadRegisters(table, uint16(start), words); e != 0 {
		t.Fatalf("reading %d to %d: %v", start, end, e)
	}
	m := image{start: start}
	for _, w := range words {
		m.bytes = binary.BigEndian.AppendUint16(m.bytes, w)
	}
	return m
}

func (m image) at(addr, words int) []byte { return m.bytes[2*(addr-m.start):][:2*words] }

// reversed returns the words in reverse order, each with its bytes as they were.
func reversed(b []byte) []byte {
	var r []byte
	for i := len(b) - 2; i >= 0; i -= 2 {
		r = append(r, b[i], b[i+1])
	}
	return r
}

func (m image) uint32(addr int) uint64 { return uint64(binary.BigEndian.Uint32(m.at(addr, 2))) }
func (m image) uint64(addr int) uint64 { return binary.BigEndian.Uint64(m.at(addr, 4)) }
func (m image) uint64Swapped(addr int) uint64 {
	return binary.BigEndian.Uint64(reversed(m.at(addr, 4)))
}
func (m image) float32(addr int) float64 {
	return float64(math.Float32frombits(binary.BigEndian.Uint32(m.at(addr, 2))))
}
func (m image) float64(addr int) float64 { return math.Float64frombits(m.uint64(addr)) }
func (m image) int32Swapped(addr int) float64 {
	return float64(int32(binary.BigEndian.Uint32(reversed(m.at(addr, 2)))))
}
func (m image) int16(addr int) float64 { return float64(int16(binary.BigEndian.Uint16(m.at(addr, 1)))) }

// row is one line of the tables in the package comment.
type row struct {
	what           string
	got, want, off float64 // off is the rounding that the type allows
}

func compare(t *testing.T, rows []row) {
	t.Helper()
	for _, r := range rows {
		if !(math.Abs(r.got-r.want) <= r.off) {
			t.Errorf("%s: %.12g, want %.12g", r.what, r.got, r.want)
		}
	}
}

func counts(t *testing.T, got [4]uint64, want plant.Registers) {
	t.Helper()
	if got != [4]uint64{want.ImportWh, want.ExportWh, want.ReactiveImportVarh, want.ReactiveExportVarh} {
		t.Errorf("registers %v, want %+v", got, want)
	}
}

func TestIncomer(t *testing.T) {
	units, p, c := devices(t)
	for range 40 {
		m := read(t, units[modbusplant.MainUnit], modbustest.InputRegisters, 0, 52)
		truth, _ := p.Meter(plant.Main)
		if at := int64(m.uint64(48)); at != c.at {
			t.Fatalf("clock %d, want %d", at, c.at)
		}
		r := truth.At(c.at)
		const single = 1.0 / (1 << 24)
		var rows []row
		for i, ph := range r.Phases {
			for k, v := range []float64{ph.V, ph.I, ph.P, ph.Q, ph.S} {
				rows = append(rows, row{fmt.Sprint("phase ", i, " quantity ", k), m.float32(6*k + 2*i), v, math.Abs(v) * single})
			}
		}
		for k, v := range []float64{r.P, r.Q, r.S, r.PF, r.Frequency} {
			rows = append(rows, row{fmt.Sprint("total ", k), m.float32(30 + 2*k), v, math.Abs(v) * single})
		}
		compare(t, rows)
		counts(t, [4]uint64{m.uint32(40), m.uint32(42), m.uint32(44), m.uint32(46)}, truth.Registers(c.at))
	}
	if c.calls != 40 {
		t.Errorf("%d looks at the clock for 40 requests", c.calls)
	}
}

func TestLine(t *testing.T) {
	units, p, c := devices(t)
	truth, _ := p.Meter(plant.Line)
	for range 40 {
		m := read(t, units[modbusplant.LineUnit], modbustest.HoldingRegisters, 100, 144)
		if at := int64(m.uint64Swapped(100)); at != c.at {
			t.Fatalf("clock %d, want %d", at, c.at)
		}
		r := truth.At(c.at)
		var rows []row
		for i, ph := range r.Phases {
			for k, v := range []float64{ph.V * 10, ph.I * 1000, ph.P * 10, ph.Q * 10, ph.S * 10} {
				rows = append(rows, row{fmt.Sprint("phase ", i, " quantity ", k), m.int32Swapped(104 + 6*k + 2*i), v, 0.5})
			}
		}
		for k, v := range []float64{r.P * 10, r.Q * 10, r.S * 10, r.PF * 10000, r.Frequency * 1000} {
			rows = append(rows, row{fmt.Sprint("total ", k), m.int32Swapped(134 + 2*k), v, 0.5})
		}
		compare(t, rows)

		m = read(t, units[modbusplant.LineUnit], modbustest.HoldingRegisters, 200, 220)
		if at := int64(m.uint64Swapped(200)); at != c.at {
			t.Fatalf("clock %d, want %d", at, c.at)
		}
		counts(t, [4]uint64{m.uint64Swapped(204), m.uint64Swapped(208), m.uint64Swapped(212), m.uint64Swapped(216)}, truth.Registers(c.at))
	}
}

func TestBattery(t *testing.T) {
	units, p, c := devices(t)
	truth, _ := p.Meter(plant.Battery)
	charged, discharged := 0, 0
	for range 40 {
		m := read(t, units[modbusplant.BatteryUnit], modbustest.InputRegisters, 300, 368)
		if at := int64(m.uint64(364)); at != c.at {
			t.Fatalf("clock %d, want %d", at, c.at)
		}
		r := truth.At(c.at)
		var rows []row
		for i, ph := range r.Phases {
			for k, v := range []float64{ph.I, ph.P, ph.Q} {
				rows = append(rows, row{fmt.Sprint("phase ", i, " quantity ", k), m.float64(300 + 12*k + 4*i), v, 0})
			}
			rows = append(rows, row{fmt.Sprint("voltage ", i), m.int16(352 + i), ph.V * 10, 0.5})
		}
		for k, v := range []float64{r.P, r.Q, r.S, r.PF} {
			rows = append(rows, row{fmt.Sprint("total ", k), m.float64(336 + 4*k), v, 0})
		}
		rows = append(rows, row{"frequency", m.int16(355), r.Frequency * 100, 0.5})
		compare(t, rows)
		counts(t, [4]uint64{m.uint32(356), m.uint32(358), m.uint32(360), m.uint32(362)}, truth.Registers(c.at))

		inputs := make([]bool, 3)
		if e := units[modbusplant.BatteryUnit].ReadBits(modbustest.DiscreteInputs, 0, inputs); e != 0 {
			t.Fatal(e)
		}
		power := truth.At(c.at).P
		if !inputs[0] || inputs[1] != (power > 0) || inputs[2] != (power < 0) {
			t.Errorf("inputs %v at %g W", inputs, power)
		}
		if inputs[1] {
			charged++
		} else {
			discharged++
		}
		coil := make([]bool, 1)
		for addr := range uint16(2) {
			if e := units[modbusplant.BatteryUnit].ReadBits(modbustest.Coils, addr, coil); e != 0 || !coil[0] {
				t.Errorf("coil %d: %v %v", addr, coil, e)
			}
		}
	}
	if charged == 0 || discharged == 0 {
		t.Errorf("charged %d times, discharged %d times", charged, discharged)
	}
}

// Every address of every table of every unit, one by one: what the tables name exists, the rest does not.
func TestHoles(t *testing.T) {
	units, _, _ := devices(t)
	type place struct {
		unit  byte
		table modbustest.Table
	}
	exist := map[place][][2]int{
		{1, modbustest.InputRegisters}:   {{0, 52}},
		{2, modbustest.HoldingRegisters}: {{100, 144}, {200, 220}},
		{3, modbustest.InputRegisters}:   {{300, 368}},
		{3, modbustest.DiscreteInputs}:   {{0, 3}},
		{3, modbustest.Coils}:            {{0, 2}},
	}
	if len(units) != 3 {
		t.Fatalf("%d units", len(units))
	}
	for unit, d := range units {
		for _, table := range []modbustest.Table{modbustest.Coils, modbustest.DiscreteInputs, modbustest.InputRegisters, modbustest.HoldingRegisters} {
			for _, count := range []int{1, 2, 44, 125} {
				for _, addr := range []int{0, 1, 2, 3, 4, 7, 8, 9, 50, 51, 52, 99, 100, 101, 143, 144, 199, 200, 219, 220, 299, 300, 324, 325, 367, 368, 65410} {
					want := modbustest.IllegalDataAddress
					for _, r := range exist[place{unit, table}] {
						if addr >= r[0] && addr+count <= r[1] {
							want = 0
						}
					}
					var got modbustest.Exception
					if table == modbustest.Coils || table == modbustest.DiscreteInputs {
						got = d.ReadBits(table, uint16(addr), make([]bool, count))
					} else {
						got = d.ReadRegisters(table, uint16(addr), make([]uint16, count))
					}
					if got != want {
						t.Errorf("unit %d, %d %v from %d: %v, want %v", unit, count, table, addr, got, want)
					}
				}
			}
		}
	}
}

// A read of any part shows the same bytes as the whole.
func TestParts(t *testing.T) {
	at := epoch
	units := modbusplant.Devices(plant.New(epoch), func() int64 { return at })
	whole := read(t, units[1], modbustest.InputRegisters, 0, 52)
	for start := range 52 {
		for end := start + 1; end <= 52; end++ {
			part := read(t, units[1], modbustest.InputRegisters, start, end)
			if string(part.bytes) != string(whole.at(start, end-start)) {
				t.Fatalf("%d to %d differ from the whole", start, end)
			}
		}
	}
}

func TestNoAllocations(t *testing.T) {
	units, _, _ := devices(t)
	words, on := make([]uint16, 44), make([]bool, 2)
	if n := testing.AllocsPerRun(100, func() {
		if e := units[1].ReadRegisters(modbustest.InputRegisters, 0, words); e != 0 {
			t.Error(e)
		}
		if e := units[2].ReadRegisters(modbustest.HoldingRegisters, 100, words); e != 0 {
			t.Error(e)
		}
		if e := units[3].ReadRegisters(modbustest.InputRegisters, 300, words); e != 0 {
			t.Error(e)
		}
		if e := units[3].ReadBits(modbustest.Coils, 0, on); e != 0 {
			t.Error(e)
		}
	}); n != 0 {
		t.Errorf("%g allocations", n)
	}
}

func BenchmarkReadRegisters(b *testing.B) {
	units, _, _ := devices(b)
	words := make([]uint16, 52)
	b.ReportAllocs()
	for b.Loop() {
		if e := units[1].ReadRegisters(modbustest.InputRegisters, 0, words); e != 0 {
			b.Fatal(e)
		}
	}
}
