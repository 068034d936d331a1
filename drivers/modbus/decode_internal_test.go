package modbus

import (
	"bytes"
	"encoding/binary"
	"math"
	"math/big"
	"slices"
	"strings"
	"testing"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/units"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// wireOrders spells, letter by letter, where the bytes of a value appear. It is
// the slow twin of Order: A is the most significant byte.
var wireOrders = []struct {
	order           Order
	two, four, full string
}{
	{ABCD, "AB", "ABCD", "ABCDEFGH"},
	{CDAB, "AB", "CDAB", "GHEFCDAB"},
	{BADC, "BA", "BADC", "BADCFEHG"},
	{DCBA, "BA", "DCBA", "HGFEDCBA"},
	{ABCD | SwapHalves, "", "", "EFGHABCD"},
	{CDAB | SwapHalves, "", "", "CDABGHEF"},
	{BADC | SwapHalves, "", "", "FEHGBADC"},
	{DCBA | SwapHalves, "", "", "DCBAHGFE"},
}

// lay returns the bytes of value as they travel in the order spelt by letters.
func lay(value uint64, letters string) []byte {
	var b []byte
	for _, l := range letters {
		b = append(b, byte(value>>(8*(len(letters)-1-int(l-'A')))))
	}
	return b
}

func (t Type) letters(o int) string {
	switch t.shape().least {
	case 1:
		return wireOrders[o].two
	case 2:
		return wireOrders[o].four
	}
	return wireOrders[o].full
}

func TestEveryTypeInEveryOrder(t *testing.T) {
	values := []struct {
		typ  Type
		bits uint64
		want acquire.Value
	}{
		{Bool, 1, acquire.Bool(true)},
		{Bool, 0, acquire.Bool(false)},
		{Int16, 0xFF85, acquire.Int64(-123)},
		{Uint16, 0xFF85, acquire.Uint64(65413)},
		{Float16, 0x3555, acquire.Float64(0.333251953125)},
		{Int32, 0xF8A432EB, acquire.Int64(-123456789)},
		{Uint32, 0xF8A432EB, acquire.Uint64(4171510507)},
		{Float32, 0x4048F5C3, acquire.Float64(float64(float32(3.14)))},
		{Int64, 0xFFFFFFFE2329ACCE, acquire.Int64(-8000000818)},
		{Uint64, 0x8123456789ABCDEF, acquire.Uint64(0x8123456789ABCDEF)},
		{Float64, 0x400921FB54442D18, acquire.Float64(math.Pi)},
	}
	for _, v := range values {
		for o := range wireOrders {
			letters := v.typ.letters(o)
			if letters == "" {
				continue
			}
			order := wireOrders[o].order
			d := newDecoder(1, Point{At: Input(0), Type: v.typ, Order: order})
			got, quality := one(&d, lay(v.bits, letters))
			assert.Equal(t, acquire.Good, quality, "%s %s", v.typ, order)
			assert.Equal(t, v.want, got, "%s %s", v.typ, order)
			assert.Equal(t, Point{Type: v.typ}.kind(), got.Kind())
		}
	}
}

// one decodes a single point.
func one(d *decoder, data []byte) (acquire.Value, acquire.Quality) {
	var b acquire.Batch
	decode(&b, []decoder{*d}, data, 1, acquire.Good)
	return b.Samples[0].Value, b.Samples[0].Quality
}

func TestNoValueIsMadeUp(t *testing.T) {
	for _, c := range []struct {
		name  string
		point Point
		bits  uint64
		want  acquire.Reason
	}{
		{"half NaN", Point{Type: Float16}, 0x7E00, acquire.Sensor},
		{"half infinity", Point{Type: Float16}, 0xFC00, acquire.Sensor},
		{"NaN", Point{Type: Float32}, 0x7FC00000, acquire.Sensor},
		{"signalling NaN", Point{Type: Float32}, 0x7F800001, acquire.Sensor},
		{"infinity", Point{Type: Float64}, 0x7FF0000000000000, acquire.Sensor},
		{"scaled to infinity", Point{Type: Float64, Scale: units.Scale{Num: 10}}, 0x7FEFFFFFFFFFFFFF, acquire.Sensor},
		{"bool of 2", Point{Type: Bool}, 2, acquire.Range},
		{"unsigned overflow", Point{Type: Uint64, Scale: units.Scale{Num: 2}}, 1 << 63, acquire.Range},
		{"unsigned to signed overflow", Point{Type: Uint64, Scale: units.Scale{Num: -1}}, 1 << 63, acquire.Range},
		{"signed overflow", Point{Type: Int64, Scale: units.Scale{Num: -1}}, 1 << 63, acquire.Range},
		{"signed overflow by 3", Point{Type: Int64, Scale: units.Scale{Num: 3}}, 1 << 62, acquire.Range},
	} {
		c.point.At = Input(0)
		d := newDecoder(1, c.point)
		v, quality := one(&d, lay(c.bits, c.point.Type.letters(0)))
		assert.Equal(t, acquire.Bad.Because(c.want), quality, c.name)
		assert.True(t, v.IsNone(), c.name)
	}
}

func TestScaledIntegersStayExact(t *testing.T) {
	for _, c := range []struct {
		point Point
		bits  uint64
		want  acquire.Value
	}{
		{Point{Type: Uint32, Scale: units.Scale{Num: 100}}, math.MaxUint32, acquire.Uint64(429496729500)},
		{Point{Type: Int32, Scale: units.Scale{Num: -100}}, 0xFFFFFFFF, acquire.Int64(100)},
		{Point{Type: Uint16, Scale: units.Scale{Num: -1}}, 5, acquire.Int64(-5)},
		{Point{Type: Uint16, Scale: units.Scale{Num: 20, Den: 10}}, 5, acquire.Uint64(10)},
		{Point{Type: Uint16, Scale: units.Scale{Den: 10}}, 2302, acquire.Float64(230.2)},
		{Point{Type: Int16, Scale: units.Scale{Num: 3, Den: 100}}, 7, acquire.Float64(0.21)},
		{Point{Type: Uint64, Scale: units.Scale{Den: 10}}, math.MaxUint64, acquire.Float64(1844674407370955161.5)},
		{Point{Type: Float32, Scale: units.Scale{Num: 1000}}, 0x3F800000, acquire.Float64(1000)},
	} {
		c.point.At = Input(0)
		d := newDecoder(1, c.point)
		got, quality := one(&d, lay(c.bits, c.point.Type.letters(0)))
		assert.Equal(t, acquire.Good, quality)
		assert.Equal(t, c.want, got, "%s × %s", c.point.Type, c.point.Scale)
		assert.Equal(t, c.point.kind(), got.Kind())
	}
}

// TestFloat16 checks all 65,536 numbers against their definition (IEEE 754-2019,
// section 3.4) in exact arithmetic.
func TestFloat16(t *testing.T) {
	for h := range 1 << 16 {
		sign, exponent, fraction := h>>15, h>>10&0x1f, h&0x3ff
		got := float16(uint16(h))
		if exponent == 0x1f {
			assert.Equal(t, fraction != 0, math.IsNaN(got))
			continue
		}
		mantissa, power := big.NewInt(int64(fraction)), -24
		if exponent > 0 {
			mantissa, power = big.NewInt(int64(1<<10|fraction)), exponent-25
		}
		want := new(big.Rat).SetFrac(new(big.Int).Lsh(mantissa, uint(power+24)), big.NewInt(1<<24))
		if sign == 1 {
			want.Neg(want)
		}
		if new(big.Rat).SetFloat64(got).Cmp(want) != 0 || math.Signbit(got) != (sign == 1) {
			t.Fatalf("float16(%#04x) = %v, want %v", h, got, want)
		}
	}
}

// FuzzAnswer feeds any bytes as the answer to a request.
func FuzzAnswer(f *testing.F) {
	fr := newFramer(MBAP, 1)
	blocks := plan([]member{{1, Point{At: Input(0), Type: Float32}, 1}, {2, Point{At: Coil(3), Type: Bool}, 1}}, anything)
	for _, b := range blocks {
		b.frame, _ = fr.request(b)
	}
	f.Add([]byte{0, 1, 0, 0, 0, 7, 1, 4, 4, 0x40, 0x48, 0xF5, 0xC3})
	f.Add([]byte{0, 2, 0, 0, 0, 3, 1, 0x84, 2})
	f.Add([]byte{0, 1, 0, 0, 0, 7})
	f.Fuzz(func(t *testing.T, stream []byte) {
		_, n, err := MBAP.split(stream)
		if err != nil || n == 0 {
			return
		}
		if n > maxFrame || n > len(stream) {
			t.Fatalf("frame of %d bytes from %d", n, len(stream))
		}
		for _, b := range blocks {
			request := slices.Clone(b.frame)
			copy(request, stream[:2])
			data, err := fr.data(b, request, stream[:n])
			if err == nil && len(data) != b.bytes() {
				t.Fatalf("%d bytes of data, want %d", len(data), b.bytes())
			}
			if err != nil && err.Error() == "" {
				t.Fatal("error without words")
			}
			if err == nil {
				var batch acquire.Batch
				decode(&batch, b.decoders, data, 1, acquire.Good)
			}
		}
	})
}

// TestSpecificationExamples decodes the worked examples of the Modbus
// Application Protocol V1.1b3, sections 6.1 to 6.4.
func TestSpecificationExamples(t *testing.T) {
	fr := newFramer(MBAP, 17)
	for _, c := range []struct {
		name    string
		at      Address
		count   int
		request string
		answer  string
		data    []byte
	}{
		{"6.1 read coils", Coil(0x13), 0x13, "01 00 13 00 13", "01 03 CD 6B 05", []byte{0xCD, 0x6B, 0x05}},
		{"6.2 read discrete inputs", Discrete(0xC4), 0x16, "02 00 C4 00 16", "02 03 AC DB 35", []byte{0xAC, 0xDB, 0x35}},
		{"6.3 read holding registers", Holding(0x6B), 3, "03 00 6B 00 03", "03 06 02 2B 00 00 00 64", []byte{0x02, 0x2B, 0, 0, 0, 0x64}},
		{"6.4 read input registers", Input(8), 1, "04 00 08 00 01", "04 02 00 0A", []byte{0, 0x0A}},
	} {
		b := &block{at: c.at, count: c.count}
		request, err := fr.request(b)
		require.NoError(t, err, c.name)
		assert.Equal(t, frame(request[:2], 17, c.request), request, c.name)
		data, err := fr.data(b, request, frame(request[:2], 17, c.answer))
		require.NoError(t, err, c.name)
		assert.Equal(t, c.data, data, c.name)
	}
}

// frame builds a Modbus/TCP frame by hand.
func frame(transaction []byte, unit byte, pdu string) []byte {
	var body []byte
	for field := range strings.FieldsSeq(pdu) {
		n := 0
		for _, c := range field {
			n = n<<4 | strings.IndexRune("0123456789ABCDEF", c)
		}
		body = append(body, byte(n))
	}
	b := append(slices.Clone(transaction), 0, 0)
	b = binary.BigEndian.AppendUint16(b, uint16(len(body)+1))
	return append(append(b, unit), body...)
}

func TestAnswersThatDoNotFit(t *testing.T) {
	fr := newFramer(MBAP, 1)
	b := &block{at: Holding(0), count: 2}
	request, err := fr.request(b)
	require.NoError(t, err)
	id := request[:2]
	for _, c := range []struct {
		name, want string
		answer     []byte
	}{
		{"exception", "illegal data address (2)", frame(id, 1, "83 02")},
		{"exception 0", "answer with exception code 0, want 1", frame(id, 1, "83 00")},
		{"long exception", "answer with exception length 2, want 1", frame(id, 1, "83 02 00")},
		{"unit", "answer with unit id 2, want 1", frame(id, 2, "03 04 00 01 00 02")},
		{"function", "answer with function code 4, want 3", frame(id, 1, "04 04 00 01 00 02")},
		{"exception of another function", "answer with function code 132, want 3", frame(id, 1, "84 02")},
		{"fewer registers", "answer with byte count 2, want 4", frame(id, 1, "03 02 00 01")},
		{"more registers", "answer with byte count 6, want 4", frame(id, 1, "03 06 00 01 00 02 00 03")},
		{"lying byte count", "answer with data length 2, want 4", frame(id, 1, "03 04 00 01")},
		{"no byte count", "answer with frame length 8, want 9", frame(id, 1, "03")},
		{"transaction", "answer with transaction id 65535, want 1", frame([]byte{255, 255}, 1, "03 04 00 01 00 02")},
	} {
		data, err := fr.data(b, request, c.answer)
		assert.Nil(t, data, c.name)
		assert.EqualError(t, err, c.want, c.name)
	}
}

func TestDecodeAllocs(t *testing.T) {
	fr := newFramer(MBAP, 1)
	var members []member
	for i := range 62 {
		members = append(members, member{acquire.PointID(i + 1), Point{At: Input(uint16(2 * i)), Type: Float32}, 1})
	}
	b := plan(members, anything)[0]
	b.frame, _ = fr.request(b)
	answer := append(slices.Clone(b.frame[:4]), 0, byte(3+b.bytes()), 1, 4, byte(b.bytes()))
	answer = append(answer, make([]byte, b.bytes())...)
	var batch acquire.Batch
	// One allocation of 32 bytes per block: the PDU that goburrow's decoder returns.
	allocs := testing.AllocsPerRun(1000, func() {
		batch.Reset()
		data, err := fr.data(b, b.frame, answer)
		if err != nil {
			t.Fatal(err)
		}
		decode(&batch, b.decoders, data, 1, acquire.Good)
	})
	assert.LessOrEqual(t, allocs, 1.0)
	assert.Len(t, batch.Samples, 62)
}

func BenchmarkDecode(b *testing.B) {
	for _, c := range []struct {
		name   string
		points []Point
	}{
		{"uint16", []Point{{Type: Uint16}}},
		{"int16 tenths", []Point{{Type: Int16, Scale: units.Scale{Den: 10}}}},
		{"float32", []Point{{Type: Float32}}},
		{"float32 CDAB", []Point{{Type: Float32, Order: CDAB}}},
		{"uint64", []Point{{Type: Uint64}}},
		{"mixed", []Point{{Type: Float32}, {Type: Uint16}, {Type: Int32, Order: CDAB}, {Type: Int16, Scale: units.Scale{Den: 10}}}},
		{"sentinel", []Point{{Type: Int16, SunSpec: true}}},
		{"scale register", []Point{{Type: Int16, SunSpec: true, ScaleAt: Input(120)}}},
		{"bit field", []Point{{Type: Uint16, Bits: Bits{4, 3}}}},
		{"bcd32", []Point{{Type: BCD32}}},
		{"text of 8", []Point{{Type: TextASCII, Length: 8}}},
		{"cp56time", []Point{{Type: CP56Time}}},
	} {
		var members []member
		for i, at := 0, 0; ; i++ {
			p := c.points[i%len(c.points)]
			p.At = Input(uint16(at))
			if at += p.width(); at > 120 {
				break
			}
			members = append(members, member{acquire.PointID(i + 1), p, 1})
		}
		block := plan(members, anything)[0]
		data := bytes.Repeat([]byte{0, 1, 1, 24, 1, 0, 2, 1}, 32)[:block.bytes()]
		b.Run(c.name, func(b *testing.B) {
			var batch acquire.Batch
			b.ReportAllocs()
			for b.Loop() {
				batch.Reset()
				decode(&batch, block.decoders, data, 1, acquire.Good)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(members)), "ns/sample")
		})
	}
}
