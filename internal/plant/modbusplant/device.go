package modbusplant

import (
	"math"

	"github.com/fieldtap/fieldtap/drivers/modbus/modbustest"
	"github.com/fieldtap/fieldtap/internal/plant"
)

// Devices returns the plant's meters by unit id, for [modbustest.Config]. The function now gives the present time in Unix
// nanoseconds; it is called once per request, from several goroutines at once.
func Devices(p *plant.Plant, now func() int64) map[byte]modbustest.Device {
	devices := make(map[byte]modbustest.Device)
	add := func(unit byte, name string, d device) {
		if m, ok := p.Meter(name); ok {
			d.meter, d.now = m, now
			devices[unit] = &d
		}
	}
	add(MainUnit, plant.Main, device{
		table: modbustest.InputRegisters, spans: []span{{MainVoltage, MainEnd, fillMain}},
	})
	add(LineUnit, plant.Line, device{
		table: modbustest.HoldingRegisters,
		spans: []span{{LineClock, LineEnd, fillLine}, {LineEnergyClock, LineEnergyEnd, fillLineEnergy}},
	})
	add(BatteryUnit, plant.Battery, device{
		table: modbustest.InputRegisters, spans: []span{{BatteryCurrent, BatteryEnd, fillBattery}},
		inputs: batteryInputs, coils: batteryCoils,
	})
	return devices
}

// device serves one meter.
type device struct {
	meter         *plant.Meter
	now           func() int64
	table         modbustest.Table // that holds its registers
	spans         []span
	inputs, coils func(plant.Reading) bits // nil for none
}

// span is a block of registers without holes, at most as long as one read.
type span struct {
	start, end int
	fill       func(plant.Reading, plant.Registers) block
}

// ReadRegisters implements [modbustest.Device].
func (d *device) ReadRegisters(t modbustest.Table, addr uint16, dst []uint16) modbustest.Exception {
	if t != d.table {
		return modbustest.IllegalDataAddress
	}
	for _, s := range d.spans {
		if int(addr) >= s.start && int(addr)+len(dst) <= s.end {
			at := d.now()
			b := s.fill(d.meter.At(at), d.meter.Registers(at))
			copy(dst, b.words[int(addr)-s.start:])
			return 0
		}
	}
	return modbustest.IllegalDataAddress
}

// ReadBits implements [modbustest.Device].
func (d *device) ReadBits(t modbustest.Table, addr uint16, dst []bool) modbustest.Exception {
	read := d.coils
	if t == modbustest.DiscreteInputs {
		read = d.inputs
	}
	if read == nil {
		return modbustest.IllegalDataAddress
	}
	b := read(d.meter.At(d.now()))
	if int(addr)+len(dst) > b.count {
		return modbustest.IllegalDataAddress
	}
	copy(dst, b.on[addr:])
	return 0
}

// bits are the first bits of a table.
type bits struct {
	count int
	on    [4]bool
}

// block is a filled span. It is handed around by value, which keeps it off the heap. The methods write at an absolute address;
// their names tell the order of words.
type block struct {
	start int
	words [125]uint16
}

func (b *block) word(addr int, w uint16) { b.words[addr-b.start] = w }

// high32 writes the high word first.
func (b *block) high32(addr int, v uint32) {
	b.word(addr, uint16(v>>16))
	b.word(addr+1, uint16(v))
}

// high64 writes the highest word first.
func (b *block) high64(addr int, v uint64) {
	b.high32(addr, uint32(v>>32))
	b.high32(addr+2, uint32(v))
}

// low32 writes the low word first.
func (b *block) low32(addr int, v uint32) {
	b.word(addr, uint16(v))
	b.word(addr+1, uint16(v>>16))
}

// low64 writes the lowest word first.
func (b *block) low64(addr int, v uint64) {
	b.low32(addr, uint32(v))
	b.low32(addr+2, uint32(v>>32))
}

func (b *block) float32(addr int, v float64) { b.high32(addr, math.Float32bits(float32(v))) }
func (b *block) float64(addr int, v float64) { b.high64(addr, math.Float64bits(v)) }

// scaled32 and scaled16 write a number of counts. The powers of the plant are far from the ends of the types.
func (b *block) scaled32(addr int, counts float64) { b.low32(addr, uint32(int32(math.Round(counts)))) }
func (b *block) scaled16(addr int, counts float64) { b.word(addr, uint16(int16(math.Round(counts)))) }
