package opcua

import (
	"strings"
	"testing"

	"github.com/gopcua/opcua/ua"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/internal/uabin"
)

func TestParseField(t *testing.T) {
	for text, want := range map[string][]hop{
		"":                  nil,
		"Current":           {{name: "Current"}},
		"Phase[1].Current":  {{"Phase", []uint32{1}}, {"Current", nil}},
		"M[1,0]":            {{"M", []uint32{1, 0}}},
		"a&.b&[&&.c[2].d e": {{name: "a.b[&"}, {"c", []uint32{2}}, {name: "d e"}},
		"a].b":              {{name: "a]"}, {name: "b"}},
	} {
		got, err := parseField(text)
		require.NoError(t, err, text)
		assert.Equal(t, want, got, text)
	}
	for _, text := range []string{".", "a.", ".a", "a..b", "a[", "a[]", "a[x]", "a[-1]", "a[1", "a[1]b", "a[1][2]", "[1]", "a&", "a[1:2]", "a[01]", strings.Repeat("a.", maxPath) + "a"} {
		_, err := parseField(text)
		assert.Error(t, err, text)
	}
}

// slowly looks for a field in a structure that was taken apart.
func slowly(t *types, v Value, path []hop) (uabin.Variant, finding) {
	for {
		if v.variant.Malformed {
			return uabin.Variant{}, unreadable
		}
		r := uabin.NewReader(v.variant.Bytes)
		if v.variant.Type == uabin.TypeExtensionObject && !v.variant.Array && len(path) > 0 && v.structures[0].Err != nil {
			if o := r.ExtensionObject(); o.Body == nil && o.Type.Number == 0 && o.Type.Kind == uabin.Numeric {
				return uabin.Variant{}, absent
			}
			return uabin.Variant{}, unreadable
		}
		structured := v.variant.Type == uabin.TypeExtensionObject
		switch {
		case structured != (len(path) > 0):
			return uabin.Variant{}, noField
		case !structured:
			return v.variant, found
		}
		s := v.structures[0]
		d := t.known[s.Type]
		var declared *field
		for i := range d.fields {
			if d.fields[i].name == path[0].name {
				declared = &d.fields[i]
			}
		}
		if declared == nil {
			return uabin.Variant{}, noField
		}
		at, ok := s.Field(path[0].name)
		anything := declared.of.builtIn == uabin.TypeVariant || (d.form == withSubtypes || d.form == unionWithSubtypes) && declared.optional && declared.of.builtIn != uabin.TypeExtensionObject
		switch index := path[0].index; {
		case !ok:
			return uabin.Variant{}, absent
		case anything && declared.rank == -1:
			switch {
			case at.variant.Malformed:
				return uabin.Variant{}, unreadable
			case at.variant.Type == uabin.Null:
				return uabin.Variant{}, absent
			case at.variant.Array != (index != nil):
				return uabin.Variant{}, unreadable
			}
		case (declared.rank > 0) != (index != nil):
			return uabin.Variant{}, noField
		}
		if path[0].index != nil {
			i, ok := position(path[0].index, at.variant.Dimensions, at.variant.Length)
			if !ok {
				return uabin.Variant{}, outside
			}
			elements := at.variant.Type
			at = at.At(i)
			switch {
			case elements != uabin.TypeVariant:
			case at.variant.Array || at.variant.Malformed:
				return uabin.Variant{}, unreadable
			case at.variant.Type == uabin.Null:
				return uabin.Variant{}, absent
			}
		}
		if at.variant.Type == uabin.TypeExtensionObject && len(at.structures) == 0 { // in a variant within an array
			d := decoder{lookup: t.lookup, left: maxParts}
			at.structures = d.objects(at.variant, at, 0)
		}
		v, path = at, path[1:]
	}
}

// FuzzField looks for fields in values of any types, in both ways.
func FuzzField(f *testing.F) {
	f.Add([]byte{0, 2, 255, 0, 11, 1, 0, 12}, reading(nil, 1, 2, "a"), "f1[0]")
	f.Add([]byte{0, 2, 255, 0, 11, 1, 0, 12}, reading(nil, 1, 2, "a"), "f0")
	f.Add([]byte{2, 1, 255, 0, 0}, []byte{1, 0, 0, 0, 1, 0, 0, 0}, "f0.f0")
	f.Add([]byte{1, 2, 1, 1, 1, 2, 1, 6, 0, 1, 255, 0, 0}, []byte{1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0}, "f0[0].f0")
	f.Add([]byte{0, 2, 255, 0, 24, 1, 0, 1, 0, 2, 255, 0, 10, 255, 0, 12}, []byte{0x86, 1, 0, 0, 0, 7, 0, 0, 0, 1, 0, 0, 0, 1, 2, 3, 4, 1, 0, 0, 0, 'x'}, "f1[0].f1")
	f.Add([]byte{0, 1, 255, 0, 22}, []byte{1, 0, 0x88, 0x13, 1, 0, 0, 0, 0}, "f0.f0")
	f.Fuzz(func(t *testing.T, definition, body []byte, text string) {
		path, err := parseField(text)
		if err != nil || path == nil || len(definition) > 64 || len(body) > 4096 {
			return
		}
		types := fuzzTypes(definition)
		object := appendText([]byte{1, 0, 0x88, 0x13, 1}, string(body)) // i=5000
		v := Value{variant: uabin.Variant{Type: uabin.TypeExtensionObject, Bytes: object}}
		d := decoder{lookup: types.lookup, left: maxParts}
		v.structures = d.objects(v.variant, v, 0)
		if err := v.structures[0].Err; err != nil && (strings.Contains(err.Error(), errParts.Error()) || strings.Contains(err.Error(), errNesting.Error())) || d.left < maxParts/2 {
			return // what is beside the path counts for one and not for the other
		}
		value, want := slowly(types, v, path)
		c := converter{path: path}
		w, got := c.walk(&v.variant, types)
		require.Equal(t, want.quality(), got, v.String())
		if want == found {
			require.Equal(t, value.Type, w.value.Type)
			require.Equal(t, value.Bits, w.value.Bits)
			require.Equal(t, string(value.Bytes), string(w.value.Bytes))
		}
	})
}

// TestFieldAllocs: a field behind texts, arrays and structures.
func TestFieldAllocs(t *testing.T) {
	s := typedSpace()
	c, _ := s.client(t)
	body := append(appendText(u32(nil, 0), "feeder 7"), u32(nil, 2)...)
	body = reading(reading(body, 1, 230.5, "a", "b"), 2, 231.5)
	s.add("ns=2;s=V", ua.NodeClassVariable, "V", ua.AttributeIDValue, rawObject("ns=2;i=111", body))
	values, err := c.Read(t.Context(), "ns=2;s=V")
	require.NoError(t, err)
	types := c.link.types
	src, err := NewSource(Config{
		Client: ClientConfig{Endpoint: "opc.tcp://192.0.2.1", Policies: []Policy{PolicyNone}}, Catalog: acquire.NewCatalog(),
		Points: []Point{{Name: "U", Node: "ns=2;s=V", Field: "Readings[1].U"}, {Name: "phase", Node: "ns=2;s=V", Field: "Readings[0].Phase", Kind: acquire.KindInt64}},
	})
	require.NoError(t, err)
	require.Len(t, src.items, 1, "one monitored item for all fields")
	var b acquire.Batch
	data := uabin.DataValue{Value: values[0].variant}
	deliver := func() {
		b.Reset()
		src.items[0].deliverOf(&b, &data, 1, 0, types)
	}
	deliver()
	u, _ := b.Samples[0].Value.Float64()
	assert.Equal(t, 231.5, u)
	phase, _ := b.Samples[1].Value.Int64()
	assert.EqualValues(t, 1, phase)
	assert.Zero(t, testing.AllocsPerRun(100, deliver))
	b.Reset()
	src.items[0].deliver(&b, &data, 1, 0)
	for _, x := range b.Samples {
		assert.Equal(t, badProtocol, x.Quality, "without definitions")
	}
}
