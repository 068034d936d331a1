package opcua

import (
	"encoding/binary"
	"math"
	"testing"

	"github.com/gopcua/opcua/ua"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/internal/uabin"
)

// raw is a structure with a body of bytes, as the gopcua codec sends one.
type raw struct{ Body []byte }

func (r *raw) Encode() ([]byte, error) { return r.Body, nil }

func rawObject(encoding string, body []byte) *ua.ExtensionObject {
	o := &ua.ExtensionObject{TypeID: &ua.ExpandedNodeID{NodeID: ua.MustParseNodeID(encoding)}, Value: &raw{body}}
	o.UpdateMask()
	return o
}

func structureField(name, dataType string, rank int32, optional bool) *ua.StructureField {
	return &ua.StructureField{Name: name, Description: ua.NewLocalizedText(""), DataType: ua.MustParseNodeID(dataType), ValueRank: rank, IsOptional: optional}
}

// structured adds a data type with its encoding to a space.
func structured(s *space, id, encoding, name string, form ua.StructureType, fields ...*ua.StructureField) {
	s.add(id, ua.NodeClassDataType, name, ua.AttributeIDIsAbstract, false, ua.AttributeIDDataTypeDefinition, object(&ua.StructureDefinition{
		DefaultEncodingID: ua.MustParseNodeID(encoding), BaseDataType: ua.NewTwoByteNodeID(22), StructureType: form, Fields: fields,
	}))
	s.add(encoding, ua.NodeClassObject, "Default Binary")
	s.refer(id, encoding, hasEncoding)
}

func typedSpace() *space {
	s := newSpace()
	s.add("i=29", ua.NodeClassDataType, "Enumeration")
	s.add("i=22", ua.NodeClassDataType, "Structure")
	s.add("i=11", ua.NodeClassDataType, "Double")
	s.add("ns=2;i=1", ua.NodeClassDataType, "Phase", ua.AttributeIDDataTypeDefinition, object(&ua.EnumDefinition{Fields: []*ua.EnumField{
		{Value: 1, Name: "L1", DisplayName: ua.NewLocalizedText(""), Description: ua.NewLocalizedText("")},
		{Value: 2, Name: "L2", DisplayName: ua.NewLocalizedText(""), Description: ua.NewLocalizedText("")},
	}}))
	s.refer("i=29", "ns=2;i=1", hasSubtype)
	s.add("ns=2;i=2", ua.NodeClassDataType, "Volts")
	s.refer("i=11", "ns=2;i=2", hasSubtype)
	structured(s, "ns=2;i=10", "ns=2;i=110", "Reading", ua.StructureTypeStructure,
		structureField("Phase", "ns=2;i=1", -1, false), structureField("U", "ns=2;i=2", -1, false), structureField("Tags", "i=12", 1, false))
	structured(s, "ns=2;i=11", "ns=2;i=111", "Report", ua.StructureTypeStructureWithOptionalFields,
		structureField("Name", "i=12", -1, false), structureField("Note", "i=12", -1, true), structureField("Readings", "ns=2;i=10", 1, false), structureField("Count", "i=7", -1, true))
	structured(s, "ns=2;i=12", "ns=2;i=112", "Either", ua.StructureTypeUnion, structureField("Number", "i=11", -1, false), structureField("Reading", "ns=2;i=10", -1, false))
	structured(s, "ns=2;i=13", "ns=2;i=113", "Open", ua.StructureTypeStructure,
		structureField("Any", "i=24", -1, false), structureField("Inner", "i=22", -1, false), structureField("Matrix", "i=6", 2, false))
	structured(s, "ns=2;i=14", "ns=2;i=114", "Node", ua.StructureTypeStructure, structureField("Children", "ns=2;i=14", 1, false))
	structured(s, "ns=2;i=15", "ns=2;i=115", "Endless", ua.StructureTypeStructure, structureField("Self", "ns=2;i=15", -1, false))
	s.add("ns=2;i=16", ua.NodeClassDataType, "Undefined")
	s.refer("i=22", "ns=2;i=16", hasSubtype)
	s.add("ns=2;i=116", ua.NodeClassObject, "Default Binary")
	s.refer("ns=2;i=16", "ns=2;i=116", hasEncoding)
	s.add("ns=2;i=117", ua.NodeClassObject, "Default Binary")
	structured(s, "ns=2;i=18", "ns=2;i=118", "Sub", ua.StructureType(3), structureField("Number", "i=26", -1, true), structureField("Reading", "ns=2;i=10", -1, true))
	structured(s, "ns=2;i=19", "ns=2;i=119", "Odd", ua.StructureTypeStructure, structureField("Rank", "i=6", -2, false))
	structured(s, "ns=2;i=20", "ns=2;i=120", "Abstract", ua.StructureTypeStructure, structureField("Of", "ns=2;i=21", -1, false))
	structured(s, "ns=2;i=21", "ns=2;i=121", "Base", ua.StructureTypeStructure)
	s.nodes["ns=2;i=21"].attributes[ua.AttributeIDIsAbstract] = true
	return s
}

var le = binary.LittleEndian

func u32(b []byte, v uint32) []byte { return le.AppendUint32(b, v) }

func reading(b []byte, phase uint32, volts float64, tags ...string) []byte {
	b = le.AppendUint64(u32(b, phase), math.Float64bits(volts))
	b = u32(b, uint32(len(tags)))
	for _, tag := range tags {
		b = appendText(b, tag)
	}
	return b
}

// sent reads a structure through a client.
func sent(t *testing.T, s *space, encoding string, body []byte) Structure {
	t.Helper()
	s.add("ns=2;s=V", ua.NodeClassVariable, "V", ua.AttributeIDValue, rawObject(encoding, body))
	c, server := s.client(t)
	values, err := c.Read(t.Context(), "ns=2;s=V")
	require.NoError(t, err)
	out, ok := values[0].Structure()
	require.True(t, ok)
	before := len(s.requests)
	again, err := c.Read(t.Context(), "ns=2;s=V")
	require.NoError(t, err)
	assert.Equal(t, values[0].String(), again[0].String())
	assert.Equal(t, before+1, len(s.requests), "definitions are asked for once")
	assert.Equal(t, 1, server.sessions)
	return out
}

func TestStructures(t *testing.T) {
	one := reading(nil, 1, 230.5, "a", "b")
	rest := func(parts ...[]byte) (b []byte) {
		for _, p := range parts {
			b = append(b, p...)
		}
		return b
	}
	inner := append([]byte{1, 2, 110, 0, 1}, appendText(nil, string(one))...)
	for _, c := range []struct {
		name, encoding string
		body           []byte
		want, fault    string
	}{
		{"plain", "ns=2;i=110", one, `Reading{Phase:1(L1) U:230.5 Tags:["a" "b"]}`, ""},
		{"number without a name", "ns=2;i=110", reading(nil, 9, 1), `Reading{Phase:9 U:1 Tags:[]}`, ""},
		{"no optional field", "ns=2;i=111", rest(u32(nil, 0), appendText(nil, "x"), u32(nil, 2), one, one), `Report{Name:"x" Readings:[Reading{Phase:1(L1) U:230.5 Tags:["a" "b"]} Reading{Phase:1(L1) U:230.5 Tags:["a" "b"]}]}`, ""},
		{"optional fields", "ns=2;i=111", rest(u32(nil, 3), appendText(nil, "x"), appendText(nil, "y"), u32(nil, 0), u32(nil, 7)), `Report{Name:"x" Note:"y" Readings:[] Count:7}`, ""},
		{"optional fields of a later version", "ns=2;i=111", rest(u32(nil, 4), appendText(nil, "x"), u32(nil, 0)), "", "not defined"},
		{"union", "ns=2;i=112", rest(u32(nil, 2), one), `Either{Reading:Reading{Phase:1(L1) U:230.5 Tags:["a" "b"]}}`, ""},
		{"empty union", "ns=2;i=112", u32(nil, 0), `Either{}`, ""},
		{"union without such a field", "ns=2;i=112", u32(nil, 3), "", "no field 3"},
		{"any", "ns=2;i=113", rest([]byte{6, 5, 0, 0, 0}, inner, u32(nil, 2), u32(nil, 2), u32(nil, 1), u32(nil, 8), u32(nil, 9)), `Open{Any:5 Inner:Reading{Phase:1(L1) U:230.5 Tags:["a" "b"]} Matrix:[8 9]}`, ""},
		{"matrix that the message cannot hold", "ns=2;i=113", rest([]byte{0}, inner, u32(nil, 2), u32(nil, 1<<30), u32(nil, 1<<30), u32(nil, 8)), "", "length"},
		{"matrix of another rank", "ns=2;i=113", rest([]byte{0}, inner, u32(nil, 1), u32(nil, 1), u32(nil, 8)), "", "dimensions"},
		{"recursive", "ns=2;i=114", rest(u32(nil, 2), u32(nil, 0), u32(nil, 1), u32(nil, 0)), `Node{Children:[Node{Children:[]} Node{Children:[Node{Children:[]}]}]}`, ""},
		{"endless", "ns=2;i=115", []byte{1, 2, 3}, "", "nested"},
		{"undefined", "ns=2;i=116", []byte{1}, "", `does not define data type "Undefined"`},
		{"no data type", "ns=2;i=117", []byte{1}, "", "no data type"},
		{"no such encoding", "ns=2;i=999", []byte{1}, "", "no data type"},
		{"subtypes", "ns=2;i=118", rest([]byte{11}, le.AppendUint64(nil, math.Float64bits(2.5)), inner), `Sub{Number:2.5 Reading:Reading{Phase:1(L1) U:230.5 Tags:["a" "b"]}}`, ""},
		{"value rank", "ns=2;i=119", u32(nil, 1), "", "value rank -2"},
		{"abstract field", "ns=2;i=120", []byte{0}, "", "abstract"},
		{"cut", "ns=2;i=110", one[:len(one)-1], "", "length"},
		{"too long", "ns=2;i=110", append(one[:len(one):len(one)], 0), "", "after the end"},
		{"standard", "i=886", rest(le.AppendUint64(nil, 0), le.AppendUint64(nil, math.Float64bits(9))), `Range{Low:0 High:9}`, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := sent(t, typedSpace(), c.encoding, c.body)
			if c.fault == "" {
				require.NoError(t, got.Err)
				assert.Equal(t, c.want, got.String())
				return
			}
			require.ErrorContains(t, got.Err, c.fault)
			assert.Empty(t, got.Fields, "no field is guessed")
		})
	}
}

func TestStructureArray(t *testing.T) {
	s := typedSpace()
	s.add("ns=2;s=A", ua.NodeClassVariable, "A", ua.AttributeIDValue, []*ua.ExtensionObject{
		rawObject("ns=2;i=110", reading(nil, 1, 1)), rawObject("ns=2;i=999", []byte{1}), rawObject("ns=2;i=110", reading(nil, 2, 2)),
	})
	c, _ := s.client(t)
	values, err := c.Read(t.Context(), "ns=2;s=A")
	require.NoError(t, err)
	require.Equal(t, 3, values[0].Len())
	for i, want := range []string{"Reading{Phase:1(L1) U:1 Tags:[]}", "", "Reading{Phase:2(L2) U:2 Tags:[]}"} {
		got, ok := values[0].At(i).Structure()
		require.True(t, ok)
		if want == "" {
			require.Error(t, got.Err, "one that is not known takes nothing from the others")
			continue
		}
		assert.Equal(t, want, got.String())
	}
	u, ok := values[0].At(2).structures[0].Field("U")
	require.True(t, ok)
	f, _ := u.Float()
	assert.Equal(t, 2.0, f)
}

// TestStructureBomb is a definition by which few bytes hold endless fields.
func TestStructureBomb(t *testing.T) {
	s := newSpace()
	s.add("i=22", ua.NodeClassDataType, "Structure")
	structured(s, "ns=2;i=1000", "ns=2;i=2000", "T0", ua.StructureTypeStructure)
	for level := range 12 {
		var fields []*ua.StructureField
		for range 30 {
			fields = append(fields, structureField("f", "ns=2;i="+itoa(1000+level), -1, false))
		}
		structured(s, "ns=2;i="+itoa(1001+level), "ns=2;i="+itoa(2001+level), "T", ua.StructureTypeStructure, fields...)
	}
	got := sent(t, s, "ns=2;i=2012", []byte{0})
	require.ErrorContains(t, got.Err, "more than")
}

// fuzzTypes are types as a hostile server may define them: of form, with fields that are
// of built-in types and of each other, named f0, f1 and so on.
func fuzzTypes(definition []byte) *types {
	t := newTypes(&link{})
	var made []*dataType
	for i := range 4 {
		made = append(made, &dataType{id: NodeID("i=" + itoa(5000+i)), name: "T", structured: true, builtIn: uabin.TypeExtensionObject})
	}
	next := func() (b byte) {
		if len(definition) > 0 {
			b, definition = definition[0], definition[1:]
		}
		return b
	}
	for _, d := range made {
		d.form = structureType(next() % 5)
		for range next() % 6 {
			f := field{name: "f" + itoa(len(d.fields)), rank: int32(int8(next())) % 4, optional: next()%2 == 1}
			if which := next() % 32; which < 4 {
				f.of = made[which]
			} else {
				f.of = t.known[NodeID("i="+itoa(int(which)))]
			}
			d.fields = append(d.fields, f)
		}
	}
	for _, d := range made {
		t.known[d.id], t.encodings[d.id] = d, d
	}
	return t
}

func FuzzStructure(f *testing.F) {
	f.Add([]byte{0, 2, 255, 0, 11, 1, 0, 12}, reading(nil, 1, 2, "a"))
	f.Add([]byte{2, 1, 255, 0, 0}, []byte{1, 0, 0, 0, 1, 0, 0, 0})
	f.Add([]byte{1, 2, 1, 1, 1, 2, 1, 6, 0, 1, 255, 0, 0}, []byte{1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, definition, body []byte) {
		if len(definition) > 64 || len(body) > 4096 {
			return
		}
		d := decoder{lookup: fuzzTypes(definition).lookup, left: maxParts}
		object := appendText([]byte{1, 0, 0x88, 0x13, 1}, string(body)) // i=5000
		v := Value{variant: uabin.Variant{Type: uabin.TypeExtensionObject, Bytes: object}}
		v.structures = d.objects(v.variant, v, 0)
		require.Len(t, v.structures, 1)
		if v.structures[0].Err != nil {
			require.Empty(t, v.structures[0].Fields)
		}
		require.LessOrEqual(t, len(v.String()), 5*maxPrinted)
	})
}

func FuzzDefinition(f *testing.F) {
	encoded := func(v any) []byte {
		b, err := ua.Encode(v)
		require.NoError(f, err)
		return b
	}
	f.Add(true, encoded(&ua.StructureDefinition{DefaultEncodingID: ua.NewTwoByteNodeID(1), BaseDataType: ua.NewTwoByteNodeID(22), Fields: []*ua.StructureField{structureField("a", "i=11", 1, true)}}))
	f.Add(false, encoded(&ua.EnumDefinition{Fields: []*ua.EnumField{{Value: 1, Name: "L1", DisplayName: ua.NewLocalizedText(""), Description: ua.NewLocalizedText("")}}}))
	f.Fuzz(func(t *testing.T, structure bool, body []byte) {
		number := uint32(uabin.EnumDefinitionID)
		if structure {
			number = uabin.StructureDefinitionID
		}
		var d dataType
		d.definition(uabin.ExtensionObject{Type: uabin.NodeID{Number: number}, Binary: true, Body: body}, nil)
		require.LessOrEqual(t, len(d.fields), maxFields)
		d.settle(func(NodeID) *dataType { return nil })
		if d.fault == nil {
			require.True(t, d.structured, "an enumeration of no known type is not known")
		}
	})
}
