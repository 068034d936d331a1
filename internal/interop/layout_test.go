package interop_test

import (
	"encoding/hex"
	"fmt"
	"math"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/drivers/modbus"
)

// The slow twin of the driver's decoder: tables of letters in place of shifts,
// and bit patterns written by hand in place of conversions.

// layout says where the bytes of a value, A being the most significant, appear
// on the wire. It differs with the number of bytes.
type layout struct {
	order   modbus.Order
	letters map[int]string // by length in bytes
}

var layouts = []layout{
	{modbus.ABCD, map[int]string{2: "AB", 4: "ABCD", 8: "ABCDEFGH", 12: "ABCDEFGHIJKL"}},
	{modbus.CDAB, map[int]string{2: "AB", 4: "CDAB", 8: "GHEFCDAB", 12: "KLIJGHEFCDAB"}},
	{modbus.BADC, map[int]string{2: "BA", 4: "BADC", 8: "BADCFEHG", 12: "BADCFEHGJILK"}},
	{modbus.DCBA, map[int]string{2: "BA", 4: "DCBA", 8: "HGFEDCBA", 12: "LKJIHGFEDCBA"}},
	{modbus.ABCD | modbus.SwapHalves, map[int]string{8: "EFGHABCD"}},
	{modbus.CDAB | modbus.SwapHalves, map[int]string{8: "CDABGHEF"}},
	{modbus.BADC | modbus.SwapHalves, map[int]string{8: "FEHGBADC"}},
	{modbus.DCBA | modbus.SwapHalves, map[int]string{8: "DCBAHGFE"}},
}

// reading is a value as two people would write it down: its bytes, most
// significant first, and what they mean.
type reading struct {
	bytes string // hexadecimal
	value acquire.Value
	text  string // if the value is one
}

// word and instant are values of readings that are texts and times.
func word(bytes, text string) reading { return reading{bytes, acquire.Value{}, text} }

func instant(bytes, at string) reading {
	t, err := time.Parse(time.RFC3339, at)
	if err != nil {
		panic(err)
	}
	return reading{bytes, acquire.Int64(t.UnixNano()), ""}
}

// length is the number of bytes.
func (r reading) length() int { return len(r.bytes) / 2 }

// words lays r out in registers; ok is false where the layout knows no values of
// its length.
func (r reading) words(l layout) (words []uint16, ok bool) {
	letters, ok := l.letters[r.length()]
	if !ok {
		return nil, false
	}
	raw, err := hex.DecodeString(r.bytes)
	if err != nil {
		panic(err)
	}
	wire := ""
	for _, letter := range letters {
		wire += hex.EncodeToString([]byte{raw[letter-'A']})
	}
	for ; wire != ""; wire = wire[4:] {
		w, err := strconv.ParseUint(wire[:4], 16, 16)
		if err != nil {
			panic(err)
		}
		words = append(words, uint16(w))
	}
	return words, true
}

// readings holds a few values of each type: signs, ends of the range,
// bytes that all differ. No two orders lay all of them out alike.
var readings = []struct {
	modbus.Point // its type, with the length or layout that goes with it
	values       []reading
}{
	{modbus.Point{Type: modbus.Bool}, []reading{
		{bytes: "0000", value: acquire.Bool(false)},
		{bytes: "0001", value: acquire.Bool(true)},
		{bytes: "0001", value: acquire.Bool(true)},
		{bytes: "0000", value: acquire.Bool(false)},
	}},
	{modbus.Point{Type: modbus.Int16}, []reading{
		{bytes: "1234", value: acquire.Int64(4660)},
		{bytes: "fffe", value: acquire.Int64(-2)},
		{bytes: "8000", value: acquire.Int64(-32768)},
		{bytes: "7fff", value: acquire.Int64(32767)},
	}},
	{modbus.Point{Type: modbus.Uint16}, []reading{
		{bytes: "1234", value: acquire.Uint64(4660)},
		{bytes: "fffe", value: acquire.Uint64(65534)},
		{bytes: "8000", value: acquire.Uint64(32768)},
		{bytes: "00ff", value: acquire.Uint64(255)},
	}},
	{modbus.Point{Type: modbus.Int32}, []reading{
		{bytes: "12345678", value: acquire.Int64(305419896)},
		{bytes: "fffffffe", value: acquire.Int64(-2)},
		{bytes: "80000001", value: acquire.Int64(-2147483647)},
		{bytes: "7ffffffe", value: acquire.Int64(2147483646)},
	}},
	{modbus.Point{Type: modbus.Uint32}, []reading{
		{bytes: "12345678", value: acquire.Uint64(305419896)},
		{bytes: "fffffffe", value: acquire.Uint64(4294967294)},
		{bytes: "80000001", value: acquire.Uint64(2147483649)},
		{bytes: "000000ff", value: acquire.Uint64(255)},
	}},
	{modbus.Point{Type: modbus.Int64}, []reading{
		{bytes: "0123456789abcdef", value: acquire.Int64(81985529216486895)},
		{bytes: "fffffffffffffffe", value: acquire.Int64(-2)},
		{bytes: "8000000000000001", value: acquire.Int64(-9223372036854775807)},
		{bytes: "0020000000000001", value: acquire.Int64(9007199254740993)}, // 2^53 + 1: no float64 holds it
	}},
	{modbus.Point{Type: modbus.Uint64}, []reading{
		{bytes: "0123456789abcdef", value: acquire.Uint64(81985529216486895)},
		{bytes: "fffffffffffffffe", value: acquire.Uint64(18446744073709551614)},
		{bytes: "8000000000000001", value: acquire.Uint64(9223372036854775809)},
		{bytes: "00000000000000ff", value: acquire.Uint64(255)},
	}},
	{modbus.Point{Type: modbus.Float16}, []reading{
		{bytes: "3e00", value: acquire.Float64(1.5)},
		{bytes: "c248", value: acquire.Float64(-3.140625)},
		{bytes: "7bff", value: acquire.Float64(65504)},                // largest
		{bytes: "0001", value: acquire.Float64(1.0 / (1 << 24))},      // smallest subnormal
		{bytes: "8000", value: acquire.Float64(math.Copysign(0, -1))}, // minus zero
	}},
	{modbus.Point{Type: modbus.Float32}, []reading{
		{bytes: "40490fdb", value: acquire.Float64(3.1415927410125732)},
		{bytes: "c2f6e979", value: acquire.Float64(-123.45600128173828)},
		{bytes: "7f7fffff", value: acquire.Float64(math.MaxFloat32)},
		{bytes: "00000001", value: acquire.Float64(math.SmallestNonzeroFloat32)},
	}},
	{modbus.Point{Type: modbus.Float64}, []reading{
		{bytes: "400921fb54442d18", value: acquire.Float64(math.Pi)},
		{bytes: "c05edd2f1a9fbe77", value: acquire.Float64(-123.456)},
		{bytes: "7fefffffffffffff", value: acquire.Float64(math.MaxFloat64)},
		{bytes: "0000000000000001", value: acquire.Float64(math.SmallestNonzeroFloat64)},
	}},
	{modbus.Point{Type: modbus.SignMagnitude16}, []reading{
		{bytes: "1234", value: acquire.Int64(4660)},
		{bytes: "8001", value: acquire.Int64(-1)},
		{bytes: "ffff", value: acquire.Int64(-32767)},
		{bytes: "7fff", value: acquire.Int64(32767)},
	}},
	{modbus.Point{Type: modbus.SignMagnitude32}, []reading{
		{bytes: "12345678", value: acquire.Int64(305419896)},
		{bytes: "80000001", value: acquire.Int64(-1)},
		{bytes: "fffffffe", value: acquire.Int64(-2147483646)},
		{bytes: "000000ff", value: acquire.Int64(255)},
	}},
	{modbus.Point{Type: modbus.SignMagnitude64}, []reading{
		{bytes: "0123456789abcdef", value: acquire.Int64(81985529216486895)},
		{bytes: "8000000000000001", value: acquire.Int64(-1)},
		{bytes: "ffffffffffffffff", value: acquire.Int64(-math.MaxInt64)},
		{bytes: "00000000000000ff", value: acquire.Int64(255)},
	}},
	{modbus.Point{Type: modbus.BCD16}, []reading{
		{bytes: "1234", value: acquire.Uint64(1234)},
		{bytes: "9876", value: acquire.Uint64(9876)},
		{bytes: "0009", value: acquire.Uint64(9)},
		{bytes: "0900", value: acquire.Uint64(900)},
	}},
	{modbus.Point{Type: modbus.BCD32}, []reading{
		{bytes: "12345678", value: acquire.Uint64(12345678)},
		{bytes: "98765432", value: acquire.Uint64(98765432)},
		{bytes: "00000009", value: acquire.Uint64(9)},
		{bytes: "99999999", value: acquire.Uint64(99999999)},
	}},
	{modbus.Point{Type: modbus.BCD64}, []reading{
		{bytes: "1234567890123456", value: acquire.Uint64(1234567890123456)},
		{bytes: "9876543210987654", value: acquire.Uint64(9876543210987654)},
		{bytes: "0000000000000009", value: acquire.Uint64(9)},
		{bytes: "9999999999999999", value: acquire.Uint64(9999999999999999)},
	}},
	{modbus.Point{Type: modbus.UintM10K, Length: 2}, []reading{
		{bytes: "04d2162e", value: acquire.Uint64(1234_5678)},
		{bytes: "270f0000", value: acquire.Uint64(9999_0000)},
		{bytes: "00000001", value: acquire.Uint64(1)},
		{bytes: "270f270f", value: acquire.Uint64(9999_9999)},
	}},
	{modbus.Point{Type: modbus.IntM10K, Length: 4}, []reading{
		{bytes: "04d2162e00010002", value: acquire.Int64(1234_5678_0001_0002)},
		{bytes: "fffffffe00000000", value: acquire.Int64(-1_0002_0000_0000)},
		{bytes: "00000000000000ff", value: acquire.Int64(255)},
		{bytes: "d8f1d8f1d8f1d8f1", value: acquire.Int64(-9999_9999_9999_9999)},
	}},
	{modbus.Point{Type: modbus.TextASCII, Length: 4}, []reading{
		word("4142434445464748", "ABCDEFGH"),
		word("4d65746572000000", "Meter"),
		word("2073706163652020", " space"),
		word("0000000000000000", ""),
	}},
	{modbus.Point{Type: modbus.TextLatin1, Length: 4}, []reading{
		word("b0432f6dfc726265", "°C/mürbe"),
		word("c4d6dc0000000000", "ÄÖÜ"),
	}},
	{modbus.Point{Type: modbus.TextUTF8, Length: 4}, []reading{
		word("c2b04320e282ac31", "°C €1"),
		word("70756d7065000000", "pumpe"),
	}},
	{modbus.Point{Type: modbus.TextUTF16, Length: 4}, []reading{
		word("0041d83dde000042", "A😀B"),
		word("03a9006d00000000", "Ωm"),
	}},
	{modbus.Point{Type: modbus.Seconds32}, []reading{
		instant("386d4380", "2000-01-01T00:00:00Z"),
		instant("12345678", "1979-09-05T22:51:36Z"),
		instant("ffffffff", "2106-02-07T06:28:15Z"),
	}},
	{modbus.Point{Type: modbus.Seconds64}, []reading{
		instant("00000000386d4380", "2000-01-01T00:00:00Z"),
		instant("0000000100000000", "2106-02-07T06:28:16Z"),
		instant("fffffffffffffffe", "1969-12-31T23:59:58Z"),
	}},
	{modbus.Point{Type: modbus.Milliseconds64}, []reading{
		instant("0000018bcfe5687b", "2023-11-14T22:13:20.123Z"),
		instant("ffffffffffffffff", "1969-12-31T23:59:59.999Z"),
	}},
	{modbus.Point{Type: modbus.CP56Time}, []reading{
		instant("0018061a0d2d75ab", "2024-06-26T13:45:30.123Z"),
		instant("00190102173be95f", "2025-01-02T23:59:59.743Z"),
	}},
	{modbus.Point{Type: modbus.Clock, Layout: "YYMDhms_"}, []reading{
		instant("07e8021d173b1e00", "2024-02-29T23:59:30Z"),
		instant("07d0010203040500", "2000-01-02T03:04:05Z"),
	}},
	{modbus.Point{Type: modbus.Clock, Layout: "YYMMDDhhmmss"}, []reading{
		instant("07e8000c001f0017003b003a", "2024-12-31T23:59:58Z"),
		instant("07d000010002000300040005", "2000-01-02T03:04:05Z"),
	}},
	{modbus.Point{Type: modbus.BCDClock, Layout: "YMDhmsff"}, []reading{
		instant("2402292359591234", "2024-02-29T23:59:59.123Z"),
		instant("0001020304056780", "2000-01-02T03:04:05.678Z"),
	}},
}

// A decoder that takes one order for another must not pass by luck.
func TestReadingsTellOrdersApart(t *testing.T) {
	for _, kind := range readings {
		length := kind.values[0].length()
		seen := make(map[string]string) // letters by registers
		for _, l := range layouts {
			var all []uint16
			for _, r := range kind.values {
				words, _ := r.words(l)
				all = append(all, words...)
			}
			registers := fmt.Sprintf("%04x", all)
			letters, known := seen[registers]
			assert.True(t, !known || letters == l.letters[length], "%s: %s and %s look alike", kind.Type, letters, l.letters[length])
			seen[registers] = l.letters[length]
		}
	}
}
