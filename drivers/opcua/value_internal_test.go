package opcua

import (
	"encoding/hex"
	"fmt"
	"math"
	"math/big"
	"reflect"
	"strconv"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/gopcua/opcua/ua"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/internal/uabin"
	"github.com/fieldtap/fieldtap/units"
)

// slowValue is what a point must show of a value that gopcua decoded, obviously: by
// reflection and big numbers. It knows no arrays.
func slowValue(p Point, v *ua.Variant) (shown string, reason acquire.Reason) {
	if v == nil || v.Type() == ua.TypeIDNull || v.Value() == nil {
		return "", acquire.Sensor
	}
	if v.Has(ua.VariantArrayValues) {
		return "", acquire.Protocol
	}
	number := func(n *big.Int) (string, acquire.Reason) {
		scaled := new(big.Rat).Mul(new(big.Rat).SetInt(n), big.NewRat(p.Scale.Reduce().Num, p.Scale.Reduce().Den))
		switch p.Kind {
		case acquire.KindFloat64:
			f, _ := scaled.Float64()
			return fmt.Sprint(math.Float64bits(f)), 0
		case acquire.KindInt64:
			if !scaled.Num().IsInt64() {
				return "", acquire.Range
			}
			return scaled.Num().String(), 0
		case acquire.KindUint64:
			if !scaled.Num().IsUint64() {
				return "", acquire.Range
			}
			return scaled.Num().String(), 0
		case acquire.KindText:
			if p.Names == nil {
				return "", acquire.Protocol
			}
			if name, ok := p.Names[n.Int64()]; ok && n.IsInt64() {
				return name, 0
			}
			return n.String(), 0
		}
		return "", acquire.Protocol
	}
	text := func(s string) (string, acquire.Reason) {
		switch {
		case p.Kind != acquire.KindText || p.Names != nil, !utf8.ValidString(s):
			return "", acquire.Protocol
		case len(s) > acquire.MaxText:
			return "", acquire.Range
		}
		return s, 0
	}
	switch x := v.Value().(type) {
	case bool:
		if p.Kind != acquire.KindBool {
			return "", acquire.Protocol
		}
		return strconv.FormatBool(x), 0
	case float32, float64:
		if p.Kind != acquire.KindFloat64 {
			return "", acquire.Protocol
		}
		f := p.Scale.Apply(reflect.ValueOf(x).Float())
		if math.IsNaN(f) || math.IsInf(f, 0) {
			return "", acquire.Sensor
		}
		return fmt.Sprint(math.Float64bits(f)), 0
	case ua.StatusCode:
		if p.Kind != acquire.KindInt64 && p.Kind != acquire.KindUint64 || p.Scale.Reduce() != (units.Scale{Num: 1, Den: 1}) {
			return "", acquire.Protocol
		}
		return strconv.FormatUint(uint64(x), 10), 0
	case string:
		return text(x)
	case ua.XMLElement:
		return text(string(x))
	case []byte:
		if p.Kind != acquire.KindText || p.Names != nil {
			return "", acquire.Protocol
		}
		if len(x) > acquire.MaxText/2 {
			return "", acquire.Range
		}
		return hex.EncodeToString(x), 0
	}
	switch r := reflect.ValueOf(v.Value()); r.Kind() {
	case reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return number(big.NewInt(r.Int()))
	case reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return number(new(big.Int).SetUint64(r.Uint()))
	}
	return "?", 0 // not of this twin's
}

// shown is the text of a value, to be compared with the twin's.
func shown(b *acquire.Batch, v acquire.Value) string {
	if s, ok := b.Text(v); ok {
		return string(s)
	}
	if f, ok := v.Float64(); ok {
		return fmt.Sprint(math.Float64bits(f))
	}
	return v.String()
}

// twinPoints are points of every kind.
var twinPoints = []Point{
	{Kind: acquire.KindFloat64}, {Kind: acquire.KindFloat64, Scale: units.Scale{Den: 10}}, {Kind: acquire.KindFloat64, Scale: units.Scale{Num: -3, Den: 7}},
	{Kind: acquire.KindInt64}, {Kind: acquire.KindInt64, Scale: units.Scale{Num: -1000}}, {Kind: acquire.KindUint64}, {Kind: acquire.KindUint64, Scale: units.Scale{Num: 100}},
	{Kind: acquire.KindBool}, {Kind: acquire.KindText}, {Kind: acquire.KindText, Names: map[int64]string{0: "off", 1: "on", -1: "fault"}},
}

// equalsTwin compares what a converter makes of an encoded value with the twin.
func equalsTwin(t *testing.T, encoded []byte) {
	var decoded ua.Variant
	n, err := decoded.Decode(encoded)
	if err != nil || n != len(encoded) {
		return
	}
	r := uabin.NewReader(encoded)
	v := r.Variant()
	if r.End() != nil || v.Malformed {
		return
	}
	for _, p := range twinPoints {
		want, reason := slowValue(p, &decoded)
		if want == "?" {
			continue
		}
		if v.Bytes == nil && !v.Array && (v.Type == uabin.TypeString || v.Type == uabin.TypeXMLElement || v.Type == uabin.TypeByteString) {
			continue // null, which gopcua takes for the empty text
		}
		var b acquire.Batch
		c := newConverter(p)
		got, quality := c.value(&b, &v, nil)
		if reason != 0 {
			require.True(t, got.IsNone(), "%s %v % x", p.Kind, p.Scale, encoded)
			require.Equal(t, reason, quality.Reason(), "%s %v %v % x", p.Kind, p.Scale, p.Names, encoded)
			continue
		}
		require.True(t, quality.IsGood(), "%s %v %v % x: %s", p.Kind, p.Scale, p.Names, encoded, quality)
		require.Equal(t, want, shown(&b, got), "%s %v % x", p.Kind, p.Scale, encoded)
	}
}

// edges are values at which conversions go wrong.
func edges() (all []any) {
	for _, n := range []int64{0, 1, -1, 127, 128, -128, 32767, -32768, 1 << 31, -1 << 31, 1<<53 + 1, -1<<53 - 1, math.MaxInt64, math.MinInt64, math.MaxInt64 / 1000, math.MinInt64/1000 - 1} {
		all = append(all, int8(n), uint8(n), int16(n), uint16(n), int32(n), uint32(n), n, uint64(n), float32(n), float64(n))
	}
	return append(all, true, false, math.NaN(), math.Inf(1), math.Inf(-1), float32(math.Inf(1)), math.MaxFloat64, math.SmallestNonzeroFloat64, math.Copysign(0, -1),
		"", "text", "gr\u00fcn", "\xff", string(make([]byte, acquire.MaxText)), string(make([]byte, acquire.MaxText+1)),
		ua.XMLElement("<a/>"), []byte{1, 2, 255}, make([]byte, acquire.MaxText), ua.StatusBadNodeIDUnknown, []int32{1, 2}, []float64{1})
}

func TestValueEqualsTwin(t *testing.T) {
	for _, x := range edges() {
		v, err := ua.NewVariant(x)
		require.NoError(t, err)
		encoded, err := ua.Encode(v)
		require.NoError(t, err)
		equalsTwin(t, encoded)
	}
}

// FuzzValue reads any bytes as a DataValue, for points of every kind, and compares with
// the twin over gopcua's decoder where that reads them too.
func FuzzValue(f *testing.F) {
	for _, x := range edges() {
		if v, err := ua.NewVariant(x); err == nil {
			if encoded, err := ua.Encode(v); err == nil && len(encoded) < 1000 {
				f.Add(append([]byte{1}, encoded...))
			}
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 1 && data[0] == 1 && data[1]&0x80 == 0 {
			equalsTwin(t, data[1:])
		}
		r := uabin.NewReader(data)
		v := r.DataValue()
		if r.Err() != nil {
			return
		}
		for _, p := range twinPoints {
			for _, index := range []string{"", "0", "3", "1,0"} {
				p.Index = index
				it := item{members: []member{{1, newConverter(p)}}}
				var b acquire.Batch
				var tr track
				at, flags := tr.stamp(stampsOf(&v), 1, 0, false)
				it.deliver(&b, &v, at, flags)
				s := b.Samples[0]
				require.Equal(t, s.Quality.IsBad(), s.Value.IsNone(), "a value that is bad, or none that is not")
				require.True(t, s.Value.IsNone() || s.Value.Kind() == p.Kind)
				require.Equal(t, v.Status.Code(), s.Quality.Native())
				x, number := s.Value.Float64()
				require.False(t, number && (math.IsNaN(x) || math.IsInf(x, 0)))
			}
		}
	})
}

func TestValueTexts(t *testing.T) {
	guid := ua.NewGUID("09087E75-8E5E-499B-954F-F2A9603DB28A")
	for _, c := range []struct {
		value any
		want  string
	}{
		{ua.NewLocalizedTextWithLocale("Pumpe", "de"), "Pumpe"},
		{&ua.QualifiedName{NamespaceIndex: 2, Name: "Power"}, "2:Power"},
		{&ua.QualifiedName{Name: "Power"}, "Power"},
		{guid, "09087e75-8e5e-499b-954f-f2a9603db28a"},
		{ua.NewStringNodeID(3, "Meter"), "ns=3;s=Meter"},
		{ua.NewNumericExpandedNodeID(0, 85), "i=85"},
		{[]byte{0xDE, 0xAD}, "dead"},
	} {
		encoded, err := ua.Encode(ua.MustVariant(c.value))
		require.NoError(t, err)
		r := uabin.NewReader(encoded)
		v := r.Variant()
		require.NoError(t, r.End())
		var b acquire.Batch
		converter := newConverter(Point{Kind: acquire.KindText})
		got, quality := converter.value(&b, &v, nil)
		require.True(t, quality.IsGood(), c.want)
		s, _ := b.Text(got)
		assert.EqualValues(t, c.want, string(s))
	}
}

func TestValueTimes(t *testing.T) {
	c := newConverter(Point{Kind: acquire.KindInt64})
	var b acquire.Batch
	at := time.Date(2026, 11, 23, 12, 0, 0, 100, time.UTC)
	got, quality := c.value(&b, &uabin.Variant{Type: uabin.TypeDateTime, Bits: uint64(uabin.FromUnix(at.UnixNano()))}, nil)
	require.True(t, quality.IsGood())
	assert.Equal(t, acquire.Int64(at.UnixNano()), got)
	for _, far := range []uint64{0, math.MaxInt64, 1} { // none, the end of time, 1601
		_, quality := c.value(&b, &uabin.Variant{Type: uabin.TypeDateTime, Bits: far}, nil)
		assert.Equal(t, acquire.Range, quality.Reason())
	}
}

func TestValueElements(t *testing.T) {
	for _, c := range []struct {
		value any
		index string
		want  float64
		none  acquire.Reason
	}{
		{[]int16{1, -2, 3}, "1", -2, 0},
		{[]int16{1, -2, 3}, "3", 0, acquire.Range},
		{[]int16{1, -2, 3}, "0,1", 0, acquire.Range},
		{[]int16{1, -2, 3}, "", 0, acquire.Protocol},
		{int16(1), "0", 0, acquire.Protocol},
		{[]string{"a", "b"}, "1", 0, acquire.Protocol},
		{[][]float64{{1, 2, 3}, {4, 5, 6}}, "1,0", 4, 0},
		{[][]float64{{1, 2, 3}, {4, 5, 6}}, "0,3", 0, acquire.Range},
		{[][]float64{{1, 2, 3}, {4, 5, 6}}, "2", 0, acquire.Range},
	} {
		encoded, err := ua.Encode(ua.MustVariant(c.value))
		require.NoError(t, err)
		r := uabin.NewReader(encoded)
		v := r.Variant()
		require.NoError(t, r.End())
		var b acquire.Batch
		converter := newConverter(Point{Kind: acquire.KindFloat64, Index: c.index})
		got, quality := converter.value(&b, &v, nil)
		assert.Equal(t, c.none, quality.Reason(), "%v at %s", c.value, c.index)
		if c.none == 0 {
			assert.Equal(t, acquire.Float64(c.want), got)
		}
	}
}

// TestStamp: whose time a sample has, and when it runs backwards.
func TestStamp(t *testing.T) {
	for _, c := range []struct {
		name                     string
		latest, source, server   acquire.Instant
		ours, promised           acquire.Instant
		confirms                 bool
		want                     acquire.Instant
		fromSource, runsBackward bool
	}{
		{"source's", 10, 20, 30, 40, 0, false, 20, true, false},
		{"server's", 10, 0, 30, 40, 0, false, 30, true, false},
		{"ours", 10, 0, 0, 40, 0, false, 40, false, false},
		{"backwards", 10, 5, 30, 40, 0, false, 5, true, true},
		{"behind the promise", 10, 20, 30, 40, 25, false, 20, true, true},
		{"unchanged since", 20, 20, 30, 40, 0, true, 30, true, false},
		{"unchanged since, and long promised", 20, 5, 30, 40, 25, true, 30, true, false},
		{"changed since", 20, 25, 30, 40, 0, true, 25, true, false},
		{"clock set back", 20, 5, 6, 40, 0, true, 5, true, true},
		{"unchanged, without a server's time", 20, 20, 0, 40, 0, true, 20, true, false},
		{"equal is not backwards", 20, 20, 0, 40, 0, false, 20, true, false},
	} {
		tr := track{latest: c.latest}
		at, flags := tr.stamp(stamps{c.source, c.server}, c.ours, c.promised, c.confirms)
		assert.Equal(t, c.want, at, c.name)
		assert.Equal(t, c.fromSource, flags&acquire.SourceTime != 0, c.name)
		assert.Equal(t, c.runsBackward, flags&acquire.TimeBackwards != 0, c.name)
		assert.Equal(t, max(c.latest, c.want), tr.latest, c.name)
	}
}
