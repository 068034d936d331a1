package modbus

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/units"
	"github.com/stretchr/testify/require"
)

// toWire lays out the registers of a value, most significant first, as a device
// of the order o does. It and fromWire are the slow twins of Order for any length.
func toWire(registers []uint16, o Order) []byte {
	r := slices.Clone(registers)
	if o&LowWordFirst != 0 {
		slices.Reverse(r)
	}
	if o&SwapHalves != 0 {
		r = append(slices.Clone(r[len(r)/2:]), r[:len(r)/2]...)
	}
	var b []byte
	for _, v := range r {
		if o&LowByteFirst != 0 {
			b = append(b, byte(v), byte(v>>8))
		} else {
			b = append(b, byte(v>>8), byte(v))
		}
	}
	return b
}

func fromWire(data []byte, o Order) []uint16 {
	var r []uint16
	for ; len(data) > 0; data = data[2:] {
		if o&LowByteFirst != 0 {
			r = append(r, uint16(data[1])<<8|uint16(data[0]))
		} else {
			r = append(r, uint16(data[0])<<8|uint16(data[1]))
		}
	}
	if o&SwapHalves != 0 {
		r = append(slices.Clone(r[len(r)/2:]), r[:len(r)/2]...)
	}
	if o&LowWordFirst != 0 {
		slices.Reverse(r)
	}
	return r
}

func TestWireTwinsAgreeWithTheLetters(t *testing.T) {
	for _, o := range wireOrders {
		value := uint64(0x0123456789ABCDEF)
		registers := []uint16{0x0123, 0x4567, 0x89AB, 0xCDEF}
		require.Equal(t, lay(value, o.full), toWire(registers, o.order), "%s", o.order)
		require.Equal(t, registers, fromWire(lay(value, o.full), o.order), "%s", o.order)
		if o.four != "" {
			require.Equal(t, lay(0x01234567, o.four), toWire(registers[:2], o.order), "%s", o.order)
		}
	}
}

// outcome is a decoded value with its text, comparable.
type outcome struct {
	value acquire.Value
	text  string
	acquire.Quality
}

func good(v acquire.Value) outcome     { return outcome{value: v, Quality: acquire.Good} }
func worded(s string) outcome          { return outcome{text: s, Quality: acquire.Good} }
func failed(r acquire.Reason) outcome  { return outcome{Quality: acquire.Bad.Because(r)} }
func (o outcome) equal(p outcome) bool { return o == p || o.Quality == p.Quality && zeros(o, p) }
func zeros(o, p outcome) bool {
	a, ok := o.value.Float64()
	b, also := p.value.Float64()
	return ok && also && a == b
}

// decoded runs the decoder of p on data, whose first bit or register is the one at
// address first.
func decoded(p Point, data []byte, first int) outcome {
	d := newDecoder(1, p)
	d.offset = int(p.At.offset) - first
	if !p.At.table.bits() {
		d.offset *= 2
	}
	var b acquire.Batch
	decode(&b, []decoder{d}, data, 1, acquire.Good)
	s := b.Samples[0]
	if words, ok := b.Text(s.Value); ok {
		return outcome{text: string(words), Quality: s.Quality}
	}
	return outcome{value: s.Value, Quality: s.Quality}
}

// twin decodes p the plain way: binary digits, exact ratios, tables.
func twin(p Point, data []byte, first int) outcome {
	start, width := int(p.At.offset)-first, p.width()
	var digits string
	var registers []uint16
	if p.At.table.bits() {
		for i := range width {
			bit := data[(start+i)/8] >> ((start + i) % 8) & 1
			digits = strconv.Itoa(int(bit)) + digits
		}
	} else {
		registers = fromWire(data[2*start:2*(start+width)], p.Order)
		for _, r := range registers {
			digits += fmt.Sprintf("%016b", r)
		}
	}
	switch p.Type {
	case TextASCII, TextLatin1, TextUTF8, TextUTF16:
		return twinText(p, registers)
	case CP56Time, Clock, BCDClock:
		if p.Type != CP56Time || !twinAbsent(p, digits) {
			return twinClock(p, registers)
		}
	}
	if twinAbsent(p, digits) {
		return failed(acquire.Sensor)
	}
	if p.Bits.Count > 0 {
		end := len(digits) - int(p.Bits.Lowest)
		digits = digits[end-int(p.Bits.Count) : end]
	}
	if p.Type == Bool {
		switch strings.TrimLeft(digits, "0") {
		case "":
			return good(acquire.Bool(false))
		case "1":
			return good(acquire.Bool(true))
		}
		return failed(acquire.Range)
	}
	power := int16(0)
	if p.ScaleAt.table != 0 {
		at := 2 * (int(p.ScaleAt.offset) - first)
		power = int16(fromWire(data[at:at+2], p.Order&LowByteFirst)[0])
		switch {
		case power == -32768:
			return failed(acquire.Sensor)
		case power < -10 || power > 10:
			return failed(acquire.Range)
		}
	}
	v, reason := twinNumber(p.Type, digits, registers)
	if reason != 0 {
		return failed(reason)
	}
	if p.Type == Seconds32 || p.Type == Seconds64 || p.Type == Milliseconds64 {
		return twinElapsed(p, v)
	}
	if p.Names != nil {
		if name, ok := p.Names[v.Num().Int64()]; ok && v.Num().IsInt64() {
			return worded(name)
		}
		return worded(v.Num().String())
	}
	scale := p.Scale.Reduce()
	v.Mul(v, big.NewRat(scale.Num, scale.Den))
	ten := new(big.Rat).SetInt(new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(max(power, -power))), nil))
	if power < 0 {
		ten.Inv(ten)
	}
	v.Mul(v, ten)
	switch p.kind() {
	case acquire.KindInt64:
		if !v.Num().IsInt64() {
			return failed(acquire.Range)
		}
		return good(acquire.Int64(v.Num().Int64()))
	case acquire.KindUint64:
		if !v.Num().IsUint64() {
			return failed(acquire.Range)
		}
		return good(acquire.Uint64(v.Num().Uint64()))
	}
	nearest, _ := v.Float64()
	if math.IsInf(nearest, 0) {
		return failed(acquire.Sensor)
	}
	return good(acquire.Float64(nearest))
}

func twinAbsent(p Point, digits string) bool {
	raw, _ := strconv.ParseUint(digits, 2, 64)
	for _, s := range p.Sentinels {
		if raw == s.First || s.Last != 0 && raw >= s.First && raw <= s.Last {
			return true
		}
	}
	if !p.SunSpec {
		return false
	}
	if !strings.Contains(digits, "0") {
		return p.Type == Uint16 || p.Type == Uint32 || p.Type == Uint64 || p.Type == Bool || p.Bits.Count > 0
	}
	if p.Type == Int16 || p.Type == Int32 || p.Type == Int64 {
		return p.Bits.Count == 0 && digits == "1"+strings.Repeat("0", len(digits)-1)
	}
	return false
}

func twinNumber(t Type, digits string, registers []uint16) (*big.Rat, acquire.Reason) {
	natural := func(text string) *big.Int {
		n, ok := new(big.Int).SetString("0"+text, 2)
		if !ok {
			panic(text)
		}
		return n
	}
	v := natural(digits)
	switch t {
	case Int16, Int32, Int64, Seconds64, Milliseconds64:
		if digits[0] == '1' {
			v.Sub(v, new(big.Int).Lsh(big.NewInt(1), uint(len(digits))))
		}
	case SignMagnitude16, SignMagnitude32, SignMagnitude64:
		v = natural(digits[1:])
		if digits[0] == '1' {
			v.Neg(v)
		}
	case BCD16, BCD32, BCD64:
		var text string
		for digits = strings.Repeat("0", (64-len(digits))%4) + digits; digits != ""; digits = digits[4:] {
			digit := natural(digits[:4])
			if digit.Cmp(big.NewInt(9)) > 0 {
				return nil, acquire.Range
			}
			text += digit.String()
		}
		v.SetString(text, 10)
	case UintM10K, IntM10K:
		v.SetInt64(0)
		for _, r := range registers {
			digit := int64(r)
			if t == IntM10K && digit > 32767 {
				digit -= 65536
			}
			if digit < -9999 || digit > 9999 {
				return nil, acquire.Range
			}
			v.Mul(v, big.NewInt(10000)).Add(v, big.NewInt(digit))
		}
	case Float16, Float32, Float64:
		exponents := map[Type]int{Float16: 5, Float32: 8, Float64: 11}[t]
		exponent, fraction := natural(digits[1:1+exponents]).Int64(), digits[1+exponents:]
		if exponent == 1<<exponents-1 {
			return nil, acquire.Sensor
		}
		mantissa := natural("1" + fraction)
		if exponent == 0 {
			mantissa, exponent = natural(fraction), 1
		}
		power := exponent - (1<<(exponents-1) - 1) - int64(len(fraction))
		two := new(big.Rat).SetInt(new(big.Int).Lsh(big.NewInt(1), uint(max(power, -power))))
		if power < 0 {
			two.Inv(two)
		}
		r := new(big.Rat).Mul(new(big.Rat).SetInt(mantissa), two)
		if digits[0] == '1' {
			r.Neg(r)
		}
		return r, 0
	}
	return new(big.Rat).SetInt(v), 0
}

func twinElapsed(p Point, v *big.Rat) outcome {
	epoch := int64(0)
	if !p.Epoch.IsZero() {
		epoch = p.Epoch.Unix()
	}
	quantum := int64(1e9)
	if p.Type == Milliseconds64 {
		quantum = 1e6
	}
	ns := new(big.Int).Mul(v.Num(), big.NewInt(quantum))
	ns.Add(ns, new(big.Int).Mul(big.NewInt(epoch), big.NewInt(1e9)))
	// The last second of either end is given up, for plain code.
	if limit := big.NewInt(9_223_372_035e9 + 999_999_999); new(big.Int).Abs(ns).Cmp(limit) > 0 {
		return failed(acquire.Range)
	}
	return good(acquire.Int64(ns.Int64()))
}

func twinText(p Point, registers []uint16) outcome {
	var s string
	if p.Type == TextUTF16 {
		if end := slices.Index(registers, 0); end >= 0 {
			registers = registers[:end]
		}
		for i, r := range registers { // none but pairs of surrogates, high and low
			high, low := r&0xFC00 == 0xD800, r&0xFC00 == 0xDC00
			if high && (i+1 == len(registers) || registers[i+1]&0xFC00 != 0xDC00) ||
				low && (i == 0 || registers[i-1]&0xFC00 != 0xD800) {
				return failed(acquire.Range)
			}
		}
		s = string(utf16.Decode(registers))
	} else {
		raw, _, _ := bytes.Cut(toWire(registers, ABCD), []byte{0})
		for _, c := range raw {
			if p.Type == TextASCII && c > 127 {
				return failed(acquire.Range)
			}
			if p.Type == TextLatin1 {
				s += string(rune(c))
			} else {
				s += string([]byte{c})
			}
		}
		if !utf8.ValidString(s) {
			return failed(acquire.Range)
		}
	}
	if s = strings.TrimRight(s, " "); s == "" && p.SunSpec {
		return failed(acquire.Sensor)
	}
	return worded(s)
}

// twinClock writes the time as text, and looks for the instants at which a clock
// in the zone shows that text.
func twinClock(p Point, registers []uint16) outcome {
	b := toWire(registers, ABCD)
	var shows string
	uncertain, summer := false, false
	if p.Type == CP56Time {
		ms := int(b[6])<<8 | int(b[7])
		shows = fmt.Sprintf("%04d-%02d-%02d %02d:%02d:%02d.%09d", 2000+int(b[1]&127), b[2]&15, b[3]&31,
			b[4]&31, b[5]&63, ms/1000, ms%1000*1e6)
		uncertain, summer = b[5]&128 != 0, b[4]&128 != 0
	} else {
		var text [256]string // digits of each field, hexadecimal or decimal
		for i, l := range []byte(p.Layout) {
			text[l] += fmt.Sprintf("%02x", b[i])
		}
		base := 16
		if p.Type == BCDClock {
			base = 10
		}
		number := func(l byte) int {
			n, err := strconv.ParseInt("0"+text[l], base, 64)
			if err != nil {
				return 1e9 // more than any field holds
			}
			return int(n)
		}
		year, second, nanos := number('Y'), number('s'), number('n')
		if len(text['Y']) == 2 {
			century := 2000
			if !p.Epoch.IsZero() {
				century = p.Epoch.Year()
			}
			year += century
		}
		ms := number('f')
		if p.Type == BCDClock {
			ms /= 10
		}
		if text['s'] == "" {
			second, ms = ms/1000, ms%1000
		}
		if ms > 999 {
			return failed(acquire.Range)
		}
		shows = fmt.Sprintf("%04d-%02d-%02d %02d:%02d:%02d.%09d", year, number('M'), number('D'),
			number('h'), number('m'), second, nanos+ms*1e6)
	}
	const layout = "2006-01-02 15:04:05.000000000"
	zone := p.Zone
	if zone == nil {
		zone = time.UTC
	}
	there, err := time.Parse(layout, shows)
	if err != nil {
		return failed(acquire.Range)
	}
	offsets := make(map[int]bool)
	for hours := range 60 {
		_, offset := there.Add(time.Duration(hours-30) * time.Hour).In(zone).Zone()
		offsets[offset] = true
	}
	var found []time.Time
	for offset := range offsets {
		if t := there.Add(-time.Duration(offset) * time.Second); t.In(zone).Format(layout) == shows {
			found = append(found, t)
		}
	}
	slices.SortFunc(found, time.Time.Compare)
	if len(found) == 0 {
		return failed(acquire.Range)
	}
	t := found[0]
	limit := big.NewInt(9_223_372_035)
	if new(big.Int).Abs(big.NewInt(t.Unix())).Cmp(limit) > 0 {
		return failed(acquire.Range)
	}
	o := good(acquire.Int64(t.UnixNano()))
	if len(found) == 2 && !summer {
		o.Quality = acquire.Uncertain
	}
	if uncertain {
		o.Quality = acquire.Uncertain.Because(acquire.Device)
	}
	return o
}

var layouts = []string{
	"YYMMDDhhmmss", "YMDhmsff", "_YMDhmsf", "ffhmDMYY", "msDhM_YY", "msDhYM", "YYMD_hmsnnnn", "YYMD", "_Y_M_D_h_m_s", "MDYhms",
}

var zones = []string{"UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"}

// anyPoint makes a point from r, half of the time a plausible one; it may be
// faulty.
func anyPoint(r *rand.Rand) Point {
	p := Point{Name: "p", At: Holding(uint16(10 + r.IntN(4))), Type: Type(1 + r.IntN(int(maxType)))}
	p.Order = Order(r.IntN(int(maxOrder + 1)))
	c := p.Type.class()
	switch {
	case c == modulo:
		p.Length = 2 + r.IntN(3)
	case c == text:
		p.Length = 1 + r.IntN(6)
	case p.Type == Clock || p.Type == BCDClock:
		p.Layout = layouts[r.IntN(len(layouts))]
	case c.patterned() && r.IntN(4) == 0:
		p.At, p.Order = Coil(uint16(10+r.IntN(9))), 0
		p.Length = r.IntN(17)
	}
	if p.width() != 4 {
		p.Order &^= SwapHalves
	}
	if c == calendar {
		p.Zone, _ = time.LoadLocation(zones[r.IntN(len(zones))])
	}
	if (c == elapsed || strings.Count(p.Layout, "Y") == 1) && r.IntN(2) == 0 {
		p.Epoch = time.Date(1900+50*r.IntN(4), 1, 1, 0, 0, 0, 0, time.UTC)
	}
	if (c == truth || c.patterned()) && !p.At.table.bits() && r.IntN(3) == 0 {
		low := r.IntN(16 * p.width())
		p.Bits = Bits{uint8(low), uint8(1 + r.IntN(16*p.width()-low))}
		if c == truth {
			p.Bits.Count = 1
		}
	}
	if c.number() && r.IntN(2) == 0 {
		p.Scale = []units.Scale{{Den: 10}, {Num: 100}, {Num: -1}, {Num: 3, Den: 7}, {Num: -1, Den: 1000}, {Num: 1 << 40}}[r.IntN(6)]
		if c == floating && r.IntN(4) == 0 {
			p.Scale.Num = 1
		}
	}
	switch {
	case r.IntN(4) == 0 && c.number() && !p.At.table.bits():
		p.ScaleAt = Holding(uint16(r.IntN(30)))
	case r.IntN(6) == 0 && c.integer() && p.Scale == units.Scale{}:
		p.Names = map[int64]string{0: "off", 1: "on", -1: "torn"}
	}
	if r.IntN(4) == 0 && c != text {
		p.Sentinels = []Sentinel{{First: uint64(r.IntN(4))}, {1 << 14, 1<<14 + 99}}
	}
	p.SunSpec = r.IntN(4) == 0
	return p
}

// anyData makes the content of 32 registers, often with special numbers in it.
func anyData(r *rand.Rand) []byte {
	data := make([]byte, 64)
	for i := range data {
		switch r.IntN(8) {
		case 0:
			data[i] = byte(r.Uint32())
		case 1:
			data[i] = 0xFF
		case 2:
			data[i] = 0x80
		case 3:
			data[i] = byte('0' + r.IntN(75))
		default:
			data[i] = byte(r.IntN(24))
		}
	}
	if r.IntN(3) == 0 {
		fill := []byte{0, 0x80, 0xFF, 1}[r.IntN(4)]
		from := r.IntN(64)
		for i := from; i < min(from+8, 64); i++ {
			data[i] = fill
		}
	}
	return data
}

// plausible makes registers that p may have: digits, times about the days on which
// clocks change, small numbers, sentinels.
func plausible(r *rand.Rand, p Point) []byte {
	b := make([]byte, 2*p.width())
	when := []time.Time{ // in the zones of above, in 2025
		time.Date(2025, 10, 26, 0, 0, 0, 0, time.UTC), time.Date(2025, 3, 30, 0, 0, 0, 0, time.UTC),
		time.Date(2025, 11, 2, 0, 0, 0, 0, time.UTC), time.Date(2025, 4, 5, 23, 0, 0, 0, time.UTC),
	}[r.IntN(4)].Add(time.Duration(r.Int64N(int64(6 * time.Hour))))
	pack := func(n int) byte { // of a BCD clock
		if p.Type == BCDClock {
			return byte(n/10%10<<4 | n%10)
		}
		return byte(n)
	}
	switch c := p.Type.class(); {
	case len(p.Sentinels) > 0 && r.IntN(4) == 0:
		b[len(b)-1] = byte(p.Sentinels[0].First)
	case p.Type == Milliseconds64 || p.Type == Seconds64:
		binary.BigEndian.PutUint64(b, r.Uint64()>>(22+r.IntN(40)))
	case c == decimal:
		for i := range b {
			b[i] = byte(r.IntN(10)<<4 | r.IntN(10))
		}
	case c == modulo:
		for i := 0; i < len(b); i += 2 {
			binary.BigEndian.PutUint16(b[i:], uint16(r.IntN(10_000)*(1-2*r.IntN(2))))
		}
	case p.Type == CP56Time:
		summer := r.IntN(2) << 7
		copy(b, []byte{0, 25, byte(when.Month()), byte(when.Day()), byte(when.Hour() | summer), byte(when.Minute()), 0xAB, 0xCD})
	case c == calendar:
		number := map[rune]int{'M': int(when.Month()), 'D': when.Day(), 'h': when.Hour(), 'm': when.Minute(), 's': when.Second()}
		wide := strings.Contains(p.Layout, "YY")
		for i, l := range p.Layout {
			switch {
			case l == 'Y' && wide && strings.IndexByte(p.Layout, 'Y') == i:
				b[i] = map[Type]byte{Clock: 2025 >> 8, BCDClock: 0x20}[p.Type]
			case l == 'Y' && wide:
				b[i] = map[Type]byte{Clock: 2025 & 255, BCDClock: 0x25}[p.Type]
			case l == 'Y':
				b[i] = pack(25)
			case strings.LastIndexByte(p.Layout, byte(l)) == i:
				b[i] = pack(number[l])
			}
		}
	default:
		b[len(b)-1] = byte(r.IntN(3))
	}
	return toWire(fromWire(b, ABCD), p.Order)
}

func TestDecodeEqualsTwin(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 5))
	seen := make(map[string]int)
	for range 100_000 {
		p, data := anyPoint(r), anyData(r)
		if p.faults() != nil {
			seen["faulty"]++
			continue
		}
		if r.IntN(2) == 0 && !p.At.table.bits() {
			copy(data[2*p.At.offset:], plausible(r, p))
		}
		got, want := decoded(p, data, 0), twin(p, data, 0)
		if !got.equal(want) {
			t.Fatalf("%+v\non % x\ngot  %v %q %v\nwant %v %q %v", p, data, got.value, got.text, got.Quality, want.value, want.text, want.Quality)
		}
		seen[p.Type.String()+" "+got.Quality.String()]++
		if got.value.Kind() != acquire.KindNone && got.value.Kind() != p.kind() {
			t.Fatalf("%+v gave %s, declared %s", p, got.value.Kind(), p.kind())
		}
	}
	for typ := Bool; typ <= maxType; typ++ {
		require.Greater(t, seen[typ.String()+" good"], 50, "%s; %v", typ, seen)
	}
	require.Greater(t, seen["clock uncertain"], 3, "%v", seen)
	require.Greater(t, seen["cp56time uncertain"], 3, "%v", seen)
}

// FuzzDecode decodes any registers by any point, and compares with the twin.
func FuzzDecode(f *testing.F) {
	for seed := range uint64(40) {
		f.Add(seed, anyData(rand.New(rand.NewPCG(seed, 1))))
	}
	f.Fuzz(func(t *testing.T, seed uint64, data []byte) {
		p := anyPoint(rand.New(rand.NewPCG(seed, 0)))
		if p.faults() != nil || len(data) < 64 {
			return
		}
		got, want := decoded(p, data, 0), twin(p, data, 0)
		if !got.equal(want) {
			t.Fatalf("%+v\non % x\ngot  %v %q %v\nwant %v %q %v", p, data, got.value, got.text, got.Quality, want.value, want.text, want.Quality)
		}
	})
}
