package snmp

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"math"
	"math/big"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/internal/snmpwire"
	"github.com/fieldtap/fieldtap/units"
)

// reading is a decoded value in words: "12 uint64", "bad: range".
func reading(b *acquire.Batch, v acquire.Value, q acquire.Quality) string {
	if v.IsNone() {
		return q.String()
	}
	text := v.String()
	if t, ok := b.Text(v); ok {
		text = strconv.Quote(string(t))
	}
	if !q.IsGood() {
		return fmt.Sprintf("%s %s, %s", text, v.Kind(), q)
	}
	return text + " " + v.Kind().String()
}

func TestDecode(t *testing.T) {
	const (
		integer, octets, counter, gauge, ticks = snmpwire.Integer, snmpwire.OctetString, snmpwire.Counter32, snmpwire.Gauge32, snmpwire.TimeTicks
	)
	tenth := units.Scale{Den: 10}
	for _, c := range []struct {
		point    Point
		tag      snmpwire.Tag
		contents string // hexadecimal
		want     string
	}{
		{Point{}, integer, "ff", "-1 float64"},
		{Point{}, gauge, "00ffffffff", "4.294967295e+09 float64"},
		{Point{Scale: tenth}, ticks, "7b", "12.3 float64"},
		{Point{Role: acquire.Counter}, counter, "00ffffffff", "4294967295 uint64"},
		{Point{Role: acquire.Counter}, snmpwire.Counter64, "00ffffffffffffffff", "18446744073709551615 uint64"},
		{Point{Role: acquire.Counter}, integer, "ff", "bad: range"},
		{Point{Role: acquire.Counter}, octets, "31", "bad: protocol"},
		{Point{Type: Int32}, integer, "80000000", "-2147483648 int64"},
		{Point{Type: Int32}, integer, "0080000000", "bad: protocol"},
		{Point{Type: Int32}, integer, "", "bad: protocol"},
		{Point{Type: Int32}, gauge, "01", "bad: protocol"},
		{Point{Type: Int32, Scale: units.Scale{Num: -10}}, integer, "05", "-50 int64"},
		{Point{Type: Int32, Scale: units.Scale{Num: math.MaxInt64}}, integer, "02", "bad: range"},
		{Point{Type: Int32, Sentinels: []int64{-1}}, integer, "ff", "bad: sensor"},
		{Point{NonNegative: true}, integer, "ff", "bad: sensor"},
		{Point{NonNegative: true}, integer, "00", "0 float64"},
		{Point{Type: Float, NonNegative: true}, snmpwire.Opaque, "9f7804c2f60000", "bad: sensor"},
		{Point{Type: Decimal, NonNegative: true}, octets, hex.EncodeToString([]byte("-0.5")), "bad: sensor"},
		{Point{Type: Uint32, Sentinels: []int64{math.MaxUint32}}, gauge, "00ffffffff", "bad: sensor"},
		{Point{Type: Uint32, Scale: units.Scale{Num: 100}}, gauge, "05", "500 uint64"},
		{Point{Type: Uint32}, counter, "05", "bad: protocol"},
		{Point{Type: Uint32}, gauge, "0100000000", "bad: protocol"},
		{Point{Type: Counter32}, counter, "00ffffffff", "4294967295 uint64"},
		{Point{Type: Counter64}, snmpwire.Counter64, "00ffffffffffffffff", "18446744073709551615 uint64"},
		{Point{Type: Counter64, Scale: units.Scale{Num: 10}}, snmpwire.Counter64, "00ffffffffffffffff", "bad: range"},
		{Point{Type: Counter64, Scale: units.Scale{Num: -1}}, snmpwire.Counter64, "00ffffffffffffffff", "bad: range"},
		{Point{Type: Counter64, Scale: tenth}, snmpwire.Counter64, "00ffffffffffffffff", "1.8446744073709553e+18 float64"},
		{Point{Type: Counter64}, snmpwire.Opaque, "9f760105", "5 uint64"},
		{Point{Type: TimeTicks}, ticks, "64", "100 uint64"},
		{Point{Type: Float}, snmpwire.Opaque, "9f780442f60000", "123 float64"},
		{Point{Type: Float, Scale: tenth}, snmpwire.Opaque, "9f780442f60000", "12.3 float64"},
		{Point{}, snmpwire.Opaque, "9f7908405ec00000000000", "123 float64"},
		{Point{Type: Float}, snmpwire.Opaque, "9f78047fc00000", "bad: sensor"},
		{Point{Type: Float}, snmpwire.Opaque, "9f780542f6000000", "bad: protocol"},
		{Point{Type: Float}, snmpwire.Opaque, "9f", "bad: protocol"},
		{Point{}, snmpwire.Opaque, "9f7a01ff", "-1 float64"},
		{Point{}, snmpwire.Opaque, "9f7a00", "bad: protocol"},
		{Point{Type: Decimal}, octets, hex.EncodeToString([]byte(" -12.5\x00")), "-12.5 float64"},
		{Point{Type: Decimal}, octets, hex.EncodeToString([]byte("0x10")), "bad: range"},
		{Point{Type: Decimal}, octets, hex.EncodeToString([]byte("NaN")), "bad: range"},
		{Point{Type: Decimal}, octets, hex.EncodeToString([]byte("n/a")), "bad: range"},
		{Point{Type: Decimal}, octets, "", "bad: range"},
		{Point{Type: Decimal, Sentinels: []int64{-1}}, octets, hex.EncodeToString([]byte("-1.0")), "bad: sensor"},
		{Point{Type: Bool}, integer, "01", "true bool"},
		{Point{Type: Bool}, integer, "02", "false bool"},
		{Point{Type: Bool}, integer, "00", "bad: range"},
		{Point{Type: Bool}, gauge, "01", "bad: protocol"},
		{Point{Names: map[int64]string{2: "on battery"}}, integer, "02", `"on battery" text`},
		{Point{Names: map[int64]string{2: "on battery"}}, integer, "03", `"3" text`},
		{Point{Names: map[int64]string{2: "on battery"}}, octets, "02", "bad: protocol"},
		{Point{Type: Text}, octets, hex.EncodeToString([]byte("Straße  \x00\x00")), `"Straße" text`},
		{Point{Type: Text}, octets, "ff", "bad: range"},
		{Point{Type: Text}, integer, "01", "bad: protocol"},
		{Point{Type: Latin1}, octets, "e4", `"ä" text`},
		{Point{Type: Hex}, octets, "00ff", `"00ff" text`},
		{Point{Type: Hex}, snmpwire.Opaque, "9f", `"9f" text`},
		{Point{Type: MAC}, octets, "001bc5000001", `"00:1b:c5:00:00:01" text`},
		{Point{Type: MAC}, octets, "", "bad: sensor"},
		{Point{Type: IPAddress}, snmpwire.IPAddress, "c0000201", `"192.0.2.1" text`},
		{Point{Type: IPAddress}, snmpwire.IPAddress, "c00002", "bad: protocol"},
		{Point{Type: IPAddress}, octets, "20010db8000000000000000000000001", `"2001:db8::1" text`},
		{Point{Type: IPAddress}, octets, "c00002", "bad: range"},
		{Point{Type: Object}, snmpwire.ObjectID, "2b06010401", `"1.3.6.1.4.1" text`},
		{Point{Type: Object}, snmpwire.ObjectID, "2b80", "bad: protocol"},
		{Point{Type: DateAndTime}, octets, "07c8051a0d1e0f00" + "2d0400", "706901415000000000 int64"}, // RFC 2579: 1992-5-26,13:30:15.0,-4:0
		{Point{Type: DateAndTime}, octets, "07c8051a0d1e0f00", "706887015000000000 int64, uncertain: device"},
		{Point{Type: DateAndTime}, octets, "07c8021e0d1e0f00", "bad: range"},
		{Point{Type: DateAndTime}, octets, "0000000000000000", "bad: sensor"},
		{Point{Type: DateAndTime}, octets, "07c8", "bad: range"},
		{Point{}, snmpwire.NoSuchObject, "", "bad: not found (code 128)"},
		{Point{}, snmpwire.NoSuchInstance, "", "bad: not found (code 129)"},
		{Point{}, snmpwire.EndOfMibView, "", "bad: protocol"},
		{Point{}, snmpwire.Null, "", "bad: protocol"},
		{Point{}, 0x47, "01", "bad: protocol"},
	} {
		contents, err := hex.DecodeString(c.contents)
		assert.NoError(t, err)
		var b acquire.Batch
		p := c.point.withDefaults()
		d := newDecoder(&p)
		v, q := d.value(&b, c.tag, contents)
		assert.Equal(t, c.want, reading(&b, v, q), "%v %+v: %#x %s", p.Type, p.Scale, byte(c.tag), c.contents)
		if !v.IsNone() {
			assert.Equal(t, p.kind(), v.Kind(), "%v: a kind that was not defined", p)
		}
	}
}

// plainly decodes as the RFCs say, with big numbers and no regard for speed.
func plainly(p *Point, tag snmpwire.Tag, contents []byte) string {
	none := func(r acquire.Reason) string { return acquire.Bad.Because(r).String() }
	text := func(s string) string { return strconv.Quote(s) + " text" }
	trimmed := contents
	if i := bytes.IndexByte(trimmed, 0); i >= 0 {
		trimmed = trimmed[:i]
	}
	trimmed = []byte(strings.TrimRight(string(trimmed), " \r\n\t"))

	var whole *big.Int
	bits := 0 // of unsigned numbers
	accepted := p.Type == Number
	switch tag {
	case snmpwire.Integer:
		accepted = accepted || p.Type == Int32 || p.Type == Bool
	case snmpwire.Gauge32:
		bits, accepted = 32, accepted || p.Type == Uint32
	case snmpwire.Counter32:
		bits, accepted = 32, accepted || p.Type == Counter32
	case snmpwire.TimeTicks:
		bits, accepted = 32, accepted || p.Type == TimeTicks
	case snmpwire.Counter64:
		bits, accepted = 64, accepted || p.Type == Counter64
	case snmpwire.NoSuchObject, snmpwire.NoSuchInstance:
		if len(contents) != 0 {
			return none(acquire.Protocol)
		}
		return acquire.Bad.Because(acquire.NotFound).WithNative(uint16(tag)).String()
	case snmpwire.OctetString:
		switch p.Type {
		case Text:
			if !utf8.Valid(trimmed) {
				return none(acquire.Range)
			}
			return text(string(trimmed))
		case Latin1:
			var runes []rune
			for _, c := range trimmed {
				runes = append(runes, rune(c))
			}
			return text(string(runes))
		case Hex:
			return text(fmt.Sprintf("%x", contents))
		case MAC:
			if len(contents) == 0 {
				return none(acquire.Sensor)
			}
			return text(strings.ReplaceAll(fmt.Sprintf("% x", contents), " ", ":"))
		case IPAddress:
			a, ok := netip.AddrFromSlice(contents)
			if !ok {
				return none(acquire.Range)
			}
			return text(a.String())
		case Decimal:
			s := strings.TrimLeft(string(trimmed), " ")
			x, err := strconv.ParseFloat(s, 64)
			if err != nil || len(s) > 64 || strings.Trim(s, "0123456789+-.eE") != "" {
				return none(acquire.Range)
			}
			return plainFloat(p, x)
		case DateAndTime:
			return plainTime(contents)
		}
		return none(acquire.Protocol)
	case snmpwire.IPAddress:
		if p.Type != IPAddress || len(contents) != 4 {
			return none(acquire.Protocol)
		}
		return text(netip.AddrFrom4([4]byte(contents)).String())
	case snmpwire.ObjectID:
		if p.Type != Object || snmpwire.CheckOID(contents) != nil {
			return none(acquire.Protocol)
		}
		return text(string(oidOf(contents)))
	case snmpwire.Opaque:
		if p.Type == Hex {
			return text(fmt.Sprintf("%x", contents))
		}
		if len(contents) < 3 || contents[0] != 0x9f || int(contents[2]) != len(contents)-3 {
			return none(acquire.Protocol)
		}
		inner := contents[3:]
		switch kind := contents[1]; {
		case (kind == 0x78 && len(inner) == 4 || kind == 0x79 && len(inner) == 8) && (p.Type == Float || p.Type == Number && p.Role != acquire.Counter):
			raw := new(big.Int).SetBytes(inner).Uint64()
			if kind == 0x78 {
				return plainFloat(p, float64(math.Float32frombits(uint32(raw))))
			}
			return plainFloat(p, math.Float64frombits(raw))
		case kind == 0x76 && (p.Type == Counter64 || p.Type == Number), kind == 0x7b && p.Type == Number:
			contents, bits, accepted = inner, 64, true
		case kind == 0x7a && p.Type == Number && len(inner) >= 1 && len(inner) <= 8:
			whole = signed(inner)
		default:
			return none(acquire.Protocol)
		}
	default:
		return none(acquire.Protocol)
	}
	if !accepted {
		return none(acquire.Protocol)
	}
	if whole == nil {
		// Numbers beyond their type are errors; a Counter64 with its top bit set is taken
		// for a large number.
		whole = signed(contents)
		switch {
		case len(contents) == 0:
			return none(acquire.Protocol)
		case tag == snmpwire.Integer && (!whole.IsInt64() || whole.Int64() != int64(int32(whole.Int64()))):
			return none(acquire.Protocol)
		case bits == 32:
			v, err := snmpwire.Uint32(contents)
			if err != nil {
				return none(acquire.Protocol)
			}
			whole.SetUint64(uint64(v))
		case bits == 64:
			v, err := snmpwire.Uint64(contents)
			if err != nil {
				return none(acquire.Protocol)
			}
			whole.SetUint64(v)
		}
	}
	if p.Type == Bool {
		switch whole.Int64() {
		case 1:
			return "true bool"
		case 2:
			return "false bool"
		}
		return none(acquire.Range)
	}
	if p.NonNegative && whole.Sign() < 0 || whole.IsInt64() && slices.Contains(p.Sentinels, whole.Int64()) {
		return none(acquire.Sensor)
	}
	if p.Names != nil {
		if name, ok := p.Names[whole.Int64()]; ok && whole.IsInt64() {
			return text(name)
		}
		return text(whole.String())
	}
	scale := p.Scale.Reduce()
	exact := new(big.Rat).Mul(new(big.Rat).SetInt(whole), big.NewRat(scale.Num, scale.Den))
	if p.kind() == acquire.KindFloat64 {
		f, _ := exact.Float64()
		return strconv.FormatFloat(f, 'g', -1, 64) + " float64"
	}
	product := exact.Num()
	if p.kind() == acquire.KindInt64 {
		if !product.IsInt64() || !whole.IsInt64() {
			return none(acquire.Range)
		}
		return product.String() + " int64"
	}
	if !product.IsUint64() {
		return none(acquire.Range)
	}
	return product.String() + " uint64"
}

func signed(contents []byte) *big.Int {
	v := new(big.Int).SetBytes(contents)
	if len(contents) > 0 && contents[0]&0x80 != 0 {
		v.Sub(v, new(big.Int).Lsh(big.NewInt(1), uint(8*len(contents))))
	}
	return v
}

func plainFloat(p *Point, x float64) string {
	for _, s := range p.Sentinels {
		if x == float64(s) {
			return acquire.Bad.Because(acquire.Sensor).String()
		}
	}
	if p.NonNegative && x < 0 {
		return acquire.Bad.Because(acquire.Sensor).String()
	}
	x = p.Scale.Apply(x)
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return acquire.Bad.Because(acquire.Sensor).String()
	}
	return strconv.FormatFloat(x, 'g', -1, 64) + " float64"
}

func plainTime(o []byte) string {
	if len(o) != 8 && len(o) != 11 {
		return "bad: range"
	}
	if bytes.Equal(o[:4], make([]byte, 4)) {
		return "bad: sensor"
	}
	layout, zone := "2006-01-02 15:04:05", "Z"
	if len(o) == 11 {
		if o[8] != '+' && o[8] != '-' || o[9] > 14 || o[10] > 59 {
			return "bad: range"
		}
		zone = fmt.Sprintf("%c%02d:%02d", o[8], o[9], o[10])
	}
	leap := 0
	second := o[6]
	if second == 60 {
		second, leap = 59, 1
	}
	year := int(o[0])<<8 | int(o[1])
	if year > 9999 || o[7] > 9 { // which time.Parse does not know; no Instant either
		return "bad: range"
	}
	if zone == "+00:00" || zone == "-00:00" {
		zone = "Z"
	}
	at, err := time.Parse(layout+"Z07:00", fmt.Sprintf("%04d-%02d-%02d %02d:%02d:%02d%s", year, o[2], o[3], o[4], o[5], second, zone))
	if err != nil {
		return "bad: range"
	}
	at = at.Add(time.Duration(leap)*time.Second + time.Duration(o[7])*100*time.Millisecond)
	instant := acquire.At(at)
	if instant == 0 {
		return "bad: range"
	}
	if len(o) == 8 {
		return fmt.Sprintf("%d int64, uncertain: device", instant)
	}
	return fmt.Sprintf("%d int64", instant)
}

// fuzzed are the points that values are decoded for.
func fuzzed() []Point {
	points := []Point{
		{Scale: units.Scale{Den: 10}},
		{Role: acquire.Counter},
		{Role: acquire.Counter, Scale: units.Scale{Num: 1000}},
		{Sentinels: []int64{-1, 0}},
		{NonNegative: true},
		{Type: Float, NonNegative: true},
		{Names: map[int64]string{1: "one", -1: "minus one"}},
		{Scale: units.Scale{Num: 3, Den: 7}},
		{Type: Int32, Scale: units.Scale{Num: -1}},
		{Type: Int32, Scale: units.Scale{Num: math.MaxInt64}},
		{Type: Counter64, Scale: units.Scale{Num: -7}},
		{Type: Counter64, Scale: units.Scale{Num: 7}},
		{Type: Counter64, Scale: units.Scale{Den: 1000}},
		{Type: Float, Scale: units.Scale{Num: math.MaxInt64}, Sentinels: []int64{1}},
		{Type: Decimal, Scale: units.Scale{Den: 8}},
	}
	for t := range maxType + 1 {
		points = append(points, Point{Type: t})
	}
	for i := range points {
		points[i] = points[i].withDefaults()
	}
	return points
}

func FuzzDecode(f *testing.F) {
	f.Add(byte(snmpwire.Integer), []byte{0xff})
	f.Add(byte(snmpwire.Counter64), []byte{0, 255, 255, 255, 255, 255, 255, 255, 255})
	f.Add(byte(snmpwire.Opaque), []byte{0x9f, 0x78, 4, 0x42, 0xf6, 0, 0})
	f.Add(byte(snmpwire.Opaque), []byte{0x9f, 0x76, 1, 5})
	f.Add(byte(snmpwire.OctetString), []byte("12.5"))
	f.Add(byte(snmpwire.OctetString), []byte{7, 200, 5, 26, 13, 30, 15, 0, '-', 4, 0})
	f.Add(byte(snmpwire.IPAddress), []byte{192, 0, 2, 1})
	f.Add(byte(snmpwire.ObjectID), []byte{0x2b, 6, 1})
	f.Add(byte(snmpwire.NoSuchObject), []byte{})
	points := fuzzed()
	decoders := make([]decoder, len(points))
	for i := range points {
		decoders[i] = newDecoder(&points[i])
	}
	f.Fuzz(func(t *testing.T, tag byte, contents []byte) {
		if len(contents) > 1<<10 {
			return
		}
		var b acquire.Batch
		for i := range decoders {
			b.Reset()
			v, q := decoders[i].value(&b, snmpwire.Tag(tag), contents)
			if v.IsNone() != q.IsBad() {
				t.Fatalf("%v: value %v with quality %v", points[i].Type, v, q)
			}
			if got, want := reading(&b, v, q), plainly(&points[i], snmpwire.Tag(tag), contents); got != want {
				t.Fatalf("%v %v of %+v: %#x %x gives %s, plainly %s", points[i].Role, points[i].Type, points[i].Scale, tag, contents, got, want)
			}
		}
	})
}
