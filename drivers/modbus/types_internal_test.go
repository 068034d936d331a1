package modbus

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/units"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// at returns what the instant is as a value.
func at(t *testing.T, text string) outcome {
	when, err := time.Parse(time.RFC3339Nano, text)
	require.NoError(t, err)
	return good(acquire.Int64(when.UnixNano()))
}

func berlin(t *testing.T) *time.Location { return zoned(t, "Europe/Berlin") }

func zoned(t *testing.T, name string) *time.Location {
	zone, err := time.LoadLocation(name)
	require.NoError(t, err)
	return zone
}

// TestPublishedLayouts decodes registers as the documents named lay them out.
func TestPublishedLayouts(t *testing.T) {
	unsure := func(o outcome, q acquire.Quality) outcome { o.Quality = q; return o }
	for _, c := range []struct {
		name      string
		point     Point
		registers []uint16
		want      outcome
	}{
		// SunSpec Device Information Model Specification: a chain begins with "SunS";
		// a scale factor is a power of ten; 0x8000 is not implemented.
		{"SunSpec identifier", Point{Type: TextASCII, Length: 2}, []uint16{0x5375, 0x6E53}, worded("SunS")},
		{"SunSpec manufacturer", Point{Type: TextUTF8, Length: 4, SunSpec: true}, []uint16{0x4163, 0x6D65, 0, 0}, worded("Acme")},
		{"SunSpec text not implemented", Point{Type: TextUTF8, Length: 2, SunSpec: true}, []uint16{0, 0x4142}, failed(acquire.Sensor)},
		{"SunSpec 230.2 V", Point{Type: Uint16, SunSpec: true, ScaleAt: Holding(3)}, []uint16{2302, 2303, 2304, 0xFFFF}, good(acquire.Float64(230.2))},
		{"SunSpec 12 kW", Point{Type: Int16, SunSpec: true, ScaleAt: Holding(1)}, []uint16{12, 3}, good(acquire.Float64(12000))},
		{"SunSpec value not implemented", Point{Type: Int16, SunSpec: true, ScaleAt: Holding(1)}, []uint16{0x8000, 0xFFFE}, failed(acquire.Sensor)},
		{"SunSpec scale not implemented", Point{Type: Int16, SunSpec: true, ScaleAt: Holding(1)}, []uint16{5, 0x8000}, failed(acquire.Sensor)},
		{"SunSpec scale of 11", Point{Type: Int16, SunSpec: true, ScaleAt: Holding(1)}, []uint16{5, 11}, failed(acquire.Range)},
		{"SunSpec 6553.5 V at night", Point{Type: Uint16, SunSpec: true, ScaleAt: Holding(1)}, []uint16{0xFFFF, 0xFFFF}, failed(acquire.Sensor)},
		{"SunSpec uint32", Point{Type: Uint32, SunSpec: true}, []uint16{0xFFFF, 0xFFFF}, failed(acquire.Sensor)},
		{"SunSpec int64", Point{Type: Int64, SunSpec: true}, []uint16{0x8000, 0, 0, 0}, failed(acquire.Sensor)},
		{"SunSpec float32", Point{Type: Float32, SunSpec: true}, []uint16{0x7FC0, 0}, failed(acquire.Sensor)},
		{"SunSpec float32 of 0", Point{Type: Float32, SunSpec: true}, []uint16{0, 0}, good(acquire.Float64(0))},
		{"SunSpec acc32 of 0", Point{Type: Uint32, SunSpec: true, Sentinels: []Sentinel{{}}}, []uint16{0, 0}, failed(acquire.Sensor)},
		{"SunSpec bitfield16, bit 15", Point{Type: Bool, Bits: Bit(15), SunSpec: true}, []uint16{0x8000}, good(acquire.Bool(true))},
		{"SunSpec bitfield16", Point{Type: Bool, Bits: Bit(15), SunSpec: true}, []uint16{0xFFFF}, failed(acquire.Sensor)},
		{"SunSpec enum16", Point{Type: Uint16, SunSpec: true, Names: map[int64]string{4: "MPPT", 8: "STANDBY"}}, []uint16{4}, worded("MPPT")},
		{"SunSpec enum16, unnamed", Point{Type: Uint16, SunSpec: true, Names: map[int64]string{4: "MPPT"}}, []uint16{9}, worded("9")},
		{"SunSpec enum16 not implemented", Point{Type: Uint16, SunSpec: true, Names: map[int64]string{4: "MPPT"}}, []uint16{0xFFFF}, failed(acquire.Sensor)},
		{"SunSpec model 122, Tms", Point{Type: Seconds32, Epoch: time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)}, []uint16{1, 0x5180}, at(t, "2000-01-02T00:00:00Z")},

		// Schneider Electric FA212766: Mod10 of PM800, CM3000, CM4000, first register lowest.
		{"Mod10 unsigned, 3", Point{Type: UintM10K, Length: 3, Order: CDAB}, []uint16{5678, 1234, 9}, good(acquire.Uint64(9_1234_5678))},
		{"Mod10 signed, 4", Point{Type: IntM10K, Length: 4, Order: CDAB}, []uint16{0xFFFF, 0xD8F1, 0, 0}, good(acquire.Int64(-9999_0001))},
		{"Mod10 most", Point{Type: UintM10K, Length: 4, Order: CDAB}, []uint16{9999, 9999, 9999, 9999}, good(acquire.Uint64(9999_9999_9999_9999))},
		{"Mod10 beyond its digit", Point{Type: UintM10K, Length: 2}, []uint16{0, 10000}, failed(acquire.Range)},

		// Schneider Electric IM400 and EM3000 user manuals: DATETIME, TI081.
		{"TI081", Point{Type: CP56Time}, []uint16{24, 0x061A, 0x0D2D, 30_123}, at(t, "2024-06-26T13:45:30.123Z")},
		{"TI081 in summer time", Point{Type: CP56Time, Zone: berlin(t)}, []uint16{25, 0x0A1A, 0x8200 | 30, 0}, at(t, "2025-10-26T00:30:00Z")},
		{"TI081 in one hour of two", Point{Type: CP56Time, Zone: berlin(t)}, []uint16{25, 0x0A1A, 0x0200 | 30, 0}, unsure(at(t, "2025-10-26T00:30:00Z"), acquire.Uncertain)},
		{"TI081 in no hour", Point{Type: CP56Time, Zone: berlin(t)}, []uint16{25, 0x031E, 0x0200 | 30, 0}, failed(acquire.Range)},
		{"TI081 by the rule beyond the table of a zone", Point{Type: CP56Time, Zone: zoned(t, "Australia/Lord_Howe")}, []uint16{89, 0x0101, 0x0101, 257}, at(t, "2088-12-31T14:01:00.257Z")},
		{"TI081 not synchronised", Point{Type: CP56Time}, []uint16{24, 0x061A, 0x0DAD, 0}, unsure(at(t, "2024-06-26T13:45:00Z"), acquire.Uncertain.Because(acquire.Device))},
		{"TI081 never set", Point{Type: CP56Time}, []uint16{0, 0, 0, 0}, failed(acquire.Range)},
		// IEC 60870-5-4: the octets of binary time 2a in the order of the standard.
		{"CP56Time2a", Point{Type: CP56Time, Order: DCBA}, []uint16{0xAB75, 0x2D0D, 0x1A06, 0x1800}, at(t, "2024-06-26T13:45:30.123Z")},

		// Siemens SICAM FCM manual, B.4: milliseconds, hour and minute, month and day.
		{"SICAM FCM", Point{Type: Clock, Layout: "ffhmMDYY"}, []uint16{30_123, 0x0D2D, 0x061A, 2024}, at(t, "2024-06-26T13:45:30.123Z")},
		// Socomec UPS, 6.14: minutes and seconds, day and hours, month and weekday, year.
		{"Socomec UPS", Point{Type: Clock, Layout: "msDhM__Y"}, []uint16{0x2D1E, 0x1A0D, 0x0603, 24}, at(t, "2024-06-26T13:45:30Z")},
		// Siemens S7 DATE_AND_TIME, and DTL.
		{"S7 DATE_AND_TIME", Point{Type: BCDClock, Layout: "YMDhmsff"}, []uint16{0x2406, 0x2613, 0x4530, 0x1234}, at(t, "2024-06-26T13:45:30.123Z")},
		{"S7 DATE_AND_TIME of A hours", Point{Type: BCDClock, Layout: "YMDhmsff"}, []uint16{0x2406, 0x260A, 0x4530, 0x1234}, failed(acquire.Range)},
		{"S7 DTL", Point{Type: Clock, Layout: "YYMD_hmsnnnn"}, []uint16{2024, 0x061A, 0x040D, 0x2D1E, 0x0754, 0xD4C0}, at(t, "2024-06-26T13:45:30.123Z")},
		{"six registers", Point{Type: Clock, Layout: "YYMMDDhhmmss"}, []uint16{2024, 6, 26, 13, 45, 30}, at(t, "2024-06-26T13:45:30Z")},
		{"six registers, month 13", Point{Type: Clock, Layout: "YYMMDDhhmmss"}, []uint16{2024, 13, 26, 13, 45, 30}, failed(acquire.Range)},
		{"29 February 2023", Point{Type: Clock, Layout: "YYMD"}, []uint16{2023, 0x021D}, failed(acquire.Range)},
		{"Unix time", Point{Type: Seconds32}, []uint16{0x667C, 0x1C6A}, at(t, "2024-06-26T13:49:30Z")},
		{"Unix time after 2038", Point{Type: Seconds32}, []uint16{0x8000, 0}, at(t, "2038-01-19T03:14:08Z")},
		{"Unix milliseconds", Point{Type: Milliseconds64}, []uint16{0, 0, 0, 1500}, at(t, "1970-01-01T00:00:01.5Z")},
		{"before 1970", Point{Type: Seconds64}, []uint16{0xFFFF, 0xFFFF, 0xFFFF, 0xFFFF}, at(t, "1969-12-31T23:59:59Z")},
		{"beyond an Instant", Point{Type: Seconds64}, []uint16{0x7FFF, 0, 0, 0}, failed(acquire.Range)},

		// Socomec, 50000: one character to the register. ABB B23, 0x8960: two.
		{"SOCO", Point{Type: TextUTF16, Length: 4}, []uint16{'S', 'O', 'C', 'O'}, worded("SOCO")},
		{"B23", Point{Type: TextASCII, Length: 2}, []uint16{0x4232, 0x3320}, worded("B23")},
		{"swapped", Point{Type: TextASCII, Length: 2, Order: BADC}, []uint16{0x3242, 0x2033}, worded("B23")},
		{"Latin-1", Point{Type: TextLatin1, Length: 1}, []uint16{0xB030}, worded("°0")},
		{"no ASCII", Point{Type: TextASCII, Length: 1}, []uint16{0xB030}, failed(acquire.Range)},
		{"no UTF-8", Point{Type: TextUTF8, Length: 1}, []uint16{0xB030}, failed(acquire.Range)},
		{"UTF-16 of two units", Point{Type: TextUTF16, Length: 3, Order: BADC}, []uint16{0x3DD8, 0x00DE, 0}, worded("😀")},
		{"UTF-16 of half a pair", Point{Type: TextUTF16, Length: 1}, []uint16{0xD83D}, failed(acquire.Range)},
		{"empty", Point{Type: TextASCII, Length: 1}, []uint16{0x2020}, worded("")},

		// Carlo Gavazzi EM24: 0x7FFF in the high register is an overflow, "EEE".
		{"EM24 overflow", Point{Type: Int32, Order: CDAB, Scale: units.Scale{Den: 10}, Sentinels: []Sentinel{{0x7FFF0000, 0x7FFFFFFF}}}, []uint16{0x1234, 0x7FFF}, failed(acquire.Sensor)},
		{"EM24 voltage", Point{Type: Int32, Order: CDAB, Scale: units.Scale{Den: 10}, Sentinels: []Sentinel{{0x7FFF0000, 0x7FFFFFFF}}}, []uint16{2302, 0}, good(acquire.Float64(230.2))},

		{"bits", Point{Type: Uint16, Bits: Bits{4, 3}}, []uint16{0x0050}, good(acquire.Uint64(5))},
		{"signed bits", Point{Type: Int16, Bits: Bits{4, 3}}, []uint16{0x0050}, good(acquire.Int64(-3))},
		{"bits of two registers", Point{Type: Uint32, Bits: Bits{12, 8}, Order: CDAB}, []uint16{0xA000, 0x000B}, good(acquire.Uint64(0xBA))},
		{"BCD", Point{Type: BCD32, Scale: units.Scale{Num: 10}}, []uint16{0x1234, 0x5678}, good(acquire.Uint64(123456780))},
		{"BCD of A", Point{Type: BCD16}, []uint16{0x00A0}, failed(acquire.Range)},
		{"sign and magnitude", Point{Type: SignMagnitude16}, []uint16{0x8005}, good(acquire.Int64(-5))},
		{"sign and no magnitude", Point{Type: SignMagnitude32}, []uint16{0x8000, 0}, good(acquire.Int64(0))},
	} {
		c.point.At = Holding(0)
		require.NoError(t, c.point.faults(), c.name)
		data := toWire(c.registers, ABCD)
		got := decoded(c.point, data, 0)
		assert.Equal(t, c.want, got, c.name)
		assert.Equal(t, twin(c.point, data, 0), got, "%s: twin", c.name)
	}
}

func TestBitsOfCoils(t *testing.T) {
	// V1.1b3, section 6.1: coils 20 to 38 of the worked example, 0xCD 0x6B 0x05.
	data := []byte{0xCD, 0x6B, 0x05}
	for _, c := range []struct {
		point Point
		want  acquire.Value
	}{
		{Point{At: Coil(19)}, acquire.Bool(true)},
		{Point{At: Coil(20)}, acquire.Bool(false)},
		{Point{At: Coil(19), Type: Uint16, Length: 8}, acquire.Uint64(0xCD)},
		{Point{At: Coil(19), Type: Uint16}, acquire.Uint64(0x6BCD)},
		{Point{At: Coil(27), Type: Int16, Length: 7}, acquire.Int64(0x6B - 128)},
		{Point{At: Coil(23), Type: Uint16, Length: 8}, acquire.Uint64(0xBC)},
		{Point{At: Coil(35), Type: BCD16, Length: 3}, acquire.Uint64(5 & 7)},
		{Point{At: Coil(19), Type: Uint32, Length: 19, Names: map[int64]string{}}, acquire.Value{}},
	} {
		c.point = c.point.withDefaults()
		require.NoError(t, c.point.faults())
		got := decoded(c.point, data, 19)
		if c.want.IsNone() {
			assert.Equal(t, worded("355277"), got)
			continue
		}
		assert.Equal(t, good(c.want), got, "%v %s", c.point.At, c.point.Type)
	}
}

// TestEncodedComesBack lays numbers of every type out in every order.
func TestEncodedComesBack(t *testing.T) {
	for typ := Int16; typ <= IntM10K; typ++ {
		for o := Order(0); o <= maxOrder; o++ {
			lengths := []int{0}
			if typ.class() == modulo {
				lengths = []int{2, 3, 4}
			}
			for _, length := range lengths {
				p := Point{At: Input(7), Type: typ, Order: o, Length: length}
				if p.faults() != nil {
					require.NotZero(t, o&SwapHalves)
					continue
				}
				for _, v := range []int64{0, 1, 42, 2047, -1, -7, -2047} {
					if v < 0 && p.kind() == acquire.KindUint64 {
						continue
					}
					data := toWire(encode(t, p, v), o)
					got := decoded(p, data, 7)
					require.Equal(t, acquire.Good, got.Quality)
					number, _ := got.value.Number()
					require.Equal(t, float64(v), number, "%s %s", typ, o)
				}
			}
		}
	}
}

// encode returns the registers that hold v, which is small.
func encode(t *testing.T, p Point, v int64) []uint16 {
	magnitude, sign := uint64(max(v, -v)), uint64(0)
	if v < 0 {
		sign = 1
	}
	n := p.width()
	var raw uint64
	switch p.Type {
	case BCD16, BCD32, BCD64:
		_, err := fmt.Sscanf(fmt.Sprint(magnitude), "%x", &raw)
		require.NoError(t, err)
	case SignMagnitude16, SignMagnitude32, SignMagnitude64:
		raw = magnitude | sign<<(16*n-1)
	case Float16: // a half is a float32 with less of everything
		if v != 0 {
			b := math.Float32bits(float32(v))
			raw = uint64(b>>31<<15 | (b>>23&0xFF-127+15)<<10 | b>>13&0x3FF)
		}
	case Float32:
		raw = uint64(math.Float32bits(float32(v)))
	case Float64:
		raw = math.Float64bits(float64(v))
	default: // below 10,000, so that M10K is two's complement too
		raw = uint64(v)
		if p.Type == IntM10K {
			raw &= 0xFFFF
		}
	}
	var registers []uint16
	for i := range n {
		registers = append(registers, uint16(raw>>(16*(n-1-i))))
	}
	return registers
}

func TestFaultsOfPoints(t *testing.T) {
	for _, c := range []struct {
		point Point
		want  string
	}{
		{Point{Type: TextASCII}, "type ascii needs a length of 1 to 125 registers"},
		{Point{Type: TextASCII, Length: 126}, "type ascii needs a length of 1 to 125 registers"},
		{Point{Type: UintM10K, Length: 1}, "type uintm10k needs a length of 2 to 4 registers"},
		{Point{Type: Uint32, Length: 3}, "type uint32 spans 2 registers, not 3"},
		{Point{Type: Clock, Layout: "YYMD", Length: 3}, "a layout leaves no length to choose"},
		{Point{At: Coil(0), Type: Uint16, Length: 17}, "length 17 is not within 1 to 16 bits"},
		{Point{At: Coil(0), Type: Bool, Length: 2}, "a bool is one bit, not 2"},
		{Point{At: Coil(0), Type: TextASCII, Length: 2}, "type ascii cannot be read from coils"},
		{Point{At: Coil(0), Type: Uint16, Order: CDAB}, "order CDAB is for registers"},
		{Point{At: Coil(0), Type: Uint16, Bits: Bit(1)}, "type uint16 in coils has no bits to choose"},
		{Point{At: Holding(65534), Type: TextASCII, Length: 3}, "ends beyond address 65535"},
		{Point{Type: UintM10K, Length: 3, Order: SwapHalves}, "is for values of four registers, not uintm10k"},
		{Point{Type: Float32, Bits: Bit(1)}, "type float32 in holding registers has no bits to choose"},
		{Point{Type: Uint16, Bits: Bits{12, 5}}, "bits 12 to 16 are not among 0 to 15"},
		{Point{Type: Uint16, Bits: Bits{12, 0}}, "bits 12 to 11 are not among 0 to 15"},
		{Point{Type: Bool, Bits: Bits{1, 2}}, "a bool is one bit, not 2"},
		{Point{Type: Uint16, Sentinels: []Sentinel{{First: 0x10000}}}, "sentinel 0x10000 is longer than 16 bits"},
		{Point{Type: Uint16, Sentinels: []Sentinel{{5, 4}}}, "sentinel 0x5-0x4 is no range"},
		{Point{Type: TextASCII, Length: 1, Sentinels: []Sentinel{{}}}, "type ascii has no raw number that could be sentinel 0x0"},
		{Point{Type: BCD16, SunSpec: true}, "SunSpec knows no type bcd16 in holding registers"},
		{Point{At: Coil(0), Type: Bool, SunSpec: true}, "SunSpec knows no type bool in coils"},
		{Point{Type: Float32, Names: map[int64]string{}}, "names are for integers without scale and unit"},
		{Point{Type: Uint16, Unit: units.Watt, Names: map[int64]string{}}, "names are for integers without scale and unit"},
		{Point{Type: Uint16, Names: map[int64]string{7: strings.Repeat("x", 257)}}, "name of 7 is longer than 256 bytes"},
		{Point{Type: TextASCII, Length: 1, Scale: units.Scale{Den: 10}}, "type ascii has no scale"},
		{Point{Type: Seconds32, Scale: units.Scale{Den: 10}}, "type seconds32 has no scale"},
		{Point{Type: Seconds32, Unit: units.Second}, "type seconds32 is an instant and has no unit"},
		{Point{Type: Bool, ScaleAt: Holding(9)}, "type bool has no scale"},
		{Point{Type: Uint32, ScaleAt: Input(9)}, "scale register at input 9 cannot be read together with holding 4"},
		{Point{Type: Uint32, ScaleAt: Holding(5)}, "scale register at holding 5 is part of the value"},
		{Point{Type: Uint32, ScaleAt: Holding(9), Scale: units.Scale{Num: 1e15}}, "scale 1000000000000000 is out of range with a scale register"},
		{Point{Type: Uint32, Layout: "YYMD"}, "a layout is for clocks, not for type uint32"},
		{Point{Type: Clock}, "0 bytes are not 1 to 16 registers"},
		{Point{Type: Clock, Layout: "YMD"}, "3 bytes are not 1 to 16 registers"},
		{Point{Type: Clock, Layout: "YMDx"}, `unknown 'x' at 3`},
		{Point{Type: Clock, Layout: "YYYM"}, "3 bytes of Y, want at most 2\nno D"},
		{Point{Type: Clock, Layout: "YMDf"}, "1 bytes of f, want 2"},
		{Point{Type: BCDClock, Layout: "YYMDnnnn"}, "n does not go with decimal digits, nor with f"},
		{Point{Type: BCDClock, Layout: "YYMDff"}, "f without s does not go with decimal digits"},
		{Point{Type: Uint32, Epoch: time.Unix(9, 0)}, "type uint32 counts from no epoch"},
		{Point{Type: Clock, Layout: "YYMD", Epoch: time.Unix(9, 0)}, "type clock counts from no epoch"},
		{Point{Type: Seconds32, Zone: time.UTC}, "type seconds32 has no time zone"},
	} {
		c.point.Name = "p"
		if c.point.At == (Address{}) {
			c.point.At = Holding(4)
		}
		assert.ErrorContains(t, c.point.faults(), c.want)
	}
}

// TestValueAndScaleInOneRequest plans points whose scale register lies before them,
// behind them, and between other points.
func TestValueAndScaleInOneRequest(t *testing.T) {
	members := []member{
		{1, Point{At: Holding(72), Type: Int16, ScaleAt: Holding(76)}, 1},
		{2, Point{At: Holding(73), Type: Int16, ScaleAt: Holding(76)}, 1},
		{3, Point{At: Holding(110), Type: Uint32, ScaleAt: Holding(70)}, 1},
		{4, Point{At: Holding(78), Type: Uint16}, 1},
		{5, Point{At: Holding(140), Type: Uint16, ScaleAt: Holding(139)}, 1},
	}
	narrow := anything
	narrow.MaxRegisters = 42
	for _, terms := range []terms{anything, narrow} {
		data := make([]byte, 2*200)
		put := func(at, v int) { data[2*at], data[2*at+1] = byte(v>>8), byte(v) }
		for at, v := range map[int]int{72: 5, 73: 6, 76: -1, 70: 2, 111: 7, 78: 8, 139: 1, 140: 9} {
			put(at, v)
		}
		got := make(map[acquire.PointID]acquire.Value)
		for _, b := range plan(members, terms) {
			require.LessOrEqual(t, b.count, terms.MaxRegisters)
			var batch acquire.Batch
			start := int(b.at.offset)
			decode(&batch, b.decoders, data[2*start:2*b.end()], 1, acquire.Good)
			for _, s := range batch.Samples {
				got[s.Point] = s.Value
			}
		}
		assert.Equal(t, map[acquire.PointID]acquire.Value{
			1: acquire.Float64(0.5), 2: acquire.Float64(0.6), 3: acquire.Float64(700), 4: acquire.Uint64(8), 5: acquire.Float64(90),
		}, got)
	}
}

// TestDecodeAllocsOfEveryType decodes points of every type into a batch that has
// been used before.
func TestDecodeAllocsOfEveryType(t *testing.T) {
	var decoders []decoder
	var at uint16
	for typ := Bool; typ <= maxType; typ++ {
		p := Point{At: Input(0), Type: typ}
		switch {
		case typ.class() == modulo || typ.class() == text:
			p.Length = 4
		case typ == Clock || typ == BCDClock:
			p.Layout, p.Zone = "YYMDhmsf_f", berlin(t)
		case typ == Uint16:
			p.Names = map[int64]string{1: "one"}
		}
		require.NoError(t, p.faults())
		d := newDecoder(1, p)
		d.offset = int(at)
		at += 2 * uint16(p.width())
		decoders = append(decoders, d)
	}
	data := slices.Repeat([]byte{0x07, 0xE9, 0x03, 0x1E, 0x02, 0x1E, 0x01, 0x01}, 40)
	var batch acquire.Batch
	assert.Zero(t, testing.AllocsPerRun(1000, func() {
		batch.Reset()
		decode(&batch, decoders, data, 1, acquire.Good)
	}))
	assert.Len(t, batch.Samples, int(maxType))
}

func TestPointsOfURLs(t *testing.T) {
	for _, c := range []struct {
		text string
		want Point
	}{
		{"v,holding:72,uint16,scale_at=holding:76,sunspec,unit=V", Point{Type: Uint16, ScaleAt: Holding(76), SunSpec: true, Unit: units.Volt}},
		{"v,holding:72,ascii,length=8,order=BADC", Point{Type: TextASCII, Length: 8, Order: BADC}},
		{"v,holding:72,bool,bits=3", Point{Type: Bool, Bits: Bit(3)}},
		{"v,holding:72,uint16,bits=4-7,name=1:on,name=0:off,role=state", Point{Type: Uint16, Bits: Bits{4, 4}, Role: acquire.State, Names: map[int64]string{0: "off", 1: "on"}}},
		{"v,holding:72,int32,na=0x7fff0000-0x7fffffff,na=5", Point{Type: Int32, Sentinels: []Sentinel{{0x7fff0000, 0x7fffffff}, {First: 5}}}},
		{"v,holding:72,clock,layout=YYMDhm,zone=Europe/Berlin", Point{Type: Clock, Layout: "YYMDhm", Zone: berlin(t)}},
		{"v,holding:72,seconds32,epoch=2000-01-01T00:00:00Z,interval=1m", Point{Type: Seconds32, Epoch: time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC), Interval: time.Minute}},
	} {
		c.want.Name, c.want.At = "v", Holding(72)
		got, err := parsePoint(c.text)
		require.NoError(t, err)
		assert.Equal(t, c.want, got)
		assert.NoError(t, got.faults())
	}
	for typ := Bool; typ <= maxType; typ++ {
		got, ok := parseType(typ.String())
		assert.True(t, ok)
		assert.Equal(t, typ, got)
	}
	_, err := parsePoint("v,holding:72,uint8,scale_at=x,length=0,bits=7-4,na=-1,sunspec=no,name=1,name=a:b,epoch=now,zone=Nowhere,bits=1")
	for _, want := range []string{
		`unknown type "uint8"`, `malformed scale_at "x"`, `malformed length "0"`, `malformed bits "7-4"`, `malformed na "-1"`,
		"sunspec: takes no value", `malformed name "1"`, `malformed name "a:b"`, `"now"`, "unknown time zone Nowhere", "bits is given twice",
	} {
		assert.ErrorContains(t, err, want)
	}
}

// FuzzPoint reads any text as a point of a URL: no panic, and a point without
// faults can be decoded.
func FuzzPoint(f *testing.F) {
	f.Add("v,holding:72,uint16,scale_at=holding:76,sunspec,bits=4-7,na=1,name=1:on")
	f.Add("v,holding:72,clock,layout=YYMDhmsf_f,epoch=2000-01-01T00:00:00Z,zone=Europe/Berlin,length=3")
	f.Fuzz(func(t *testing.T, text string) {
		p, err := parsePoint(text)
		p = p.withDefaults()
		if err != nil || p.faults() != nil || p.span() > maxRegisters {
			return
		}
		start := p.start()
		got := decoded(p, make([]byte, 2*p.span()), start)
		if got.value.Kind() != acquire.KindNone && got.value.Kind() != p.kind() {
			t.Fatalf("%+v gave %s, declared %s", p, got.value.Kind(), p.kind())
		}
	})
}
