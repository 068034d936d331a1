package interop_test

import (
	"encoding/hex"
	"fmt"
	"math"
	"strconv"
	"testing"

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
	{modbus.ABCD, map[int]string{2: "AB", 4: "ABCD", 8: "ABCDEFGH"}},
	{modbus.CDAB, map[int]string{2: "AB", 4: "CDAB", 8: "GHEFCDAB"}},
	{modbus.BADC, map[int]string{2: "BA", 4: "BADC", 8: "BADCFEHG"}},
	{modbus.DCBA, map[int]string{2: "BA", 4: "DCBA", 8: "HGFEDCBA"}},
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

// readings holds at least four values of each type: signs, ends of the range,
// bytes that all differ. No two orders lay all of them out alike.
var readings = []struct {
	typ    modbus.Type
	values []reading
}{
	{modbus.Bool, []reading{
		{"0000", acquire.Bool(false)},
		{"0001", acquire.Bool(true)},
		{"0001", acquire.Bool(true)},
		{"0000", acquire.Bool(false)},
	}},
	{modbus.Int16, []reading{
		{"1234", acquire.Int64(4660)},
		{"fffe", acquire.Int64(-2)},
		{"8000", acquire.Int64(-32768)},
		{"7fff", acquire.Int64(32767)},
	}},
	{modbus.Uint16, []reading{
		{"1234", acquire.Uint64(4660)},
		{"fffe", acquire.Uint64(65534)},
		{"8000", acquire.Uint64(32768)},
		{"00ff", acquire.Uint64(255)},
	}},
	{modbus.Int32, []reading{
		{"12345678", acquire.Int64(305419896)},
		{"fffffffe", acquire.Int64(-2)},
		{"80000001", acquire.Int64(-2147483647)},
		{"7ffffffe", acquire.Int64(2147483646)},
	}},
	{modbus.Uint32, []reading{
		{"12345678", acquire.Uint64(305419896)},
		{"fffffffe", acquire.Uint64(4294967294)},
		{"80000001", acquire.Uint64(2147483649)},
		{"000000ff", acquire.Uint64(255)},
	}},
	{modbus.Int64, []reading{
		{"0123456789abcdef", acquire.Int64(81985529216486895)},
		{"fffffffffffffffe", acquire.Int64(-2)},
		{"8000000000000001", acquire.Int64(-9223372036854775807)},
		{"0020000000000001", acquire.Int64(9007199254740993)}, // 2^53 + 1: no float64 holds it
	}},
	{modbus.Uint64, []reading{
		{"0123456789abcdef", acquire.Uint64(81985529216486895)},
		{"fffffffffffffffe", acquire.Uint64(18446744073709551614)},
		{"8000000000000001", acquire.Uint64(9223372036854775809)},
		{"00000000000000ff", acquire.Uint64(255)},
	}},
	{modbus.Float16, []reading{
		{"3e00", acquire.Float64(1.5)},
		{"c248", acquire.Float64(-3.140625)},
		{"7bff", acquire.Float64(65504)},                // largest
		{"0001", acquire.Float64(1.0 / (1 << 24))},      // smallest subnormal
		{"8000", acquire.Float64(math.Copysign(0, -1))}, // minus zero
	}},
	{modbus.Float32, []reading{
		{"40490fdb", acquire.Float64(3.1415927410125732)},
		{"c2f6e979", acquire.Float64(-123.45600128173828)},
		{"7f7fffff", acquire.Float64(math.MaxFloat32)},
		{"00000001", acquire.Float64(math.SmallestNonzeroFloat32)},
	}},
	{modbus.Float64, []reading{
		{"400921fb54442d18", acquire.Float64(math.Pi)},
		{"c05edd2f1a9fbe77", acquire.Float64(-123.456)},
		{"7fefffffffffffff", acquire.Float64(math.MaxFloat64)},
		{"0000000000000001", acquire.Float64(math.SmallestNonzeroFloat64)},
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
			assert.True(t, !known || letters == l.letters[length], "%s: %s and %s look alike", kind.typ, letters, l.letters[length])
			seen[registers] = l.letters[length]
		}
	}
}
