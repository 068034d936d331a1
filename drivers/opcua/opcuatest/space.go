package opcuatest

import (
	"errors"
	"fmt"
	"time"

	"github.com/gopcua/opcua/ua"
)

// Folder is an object that holds others.
type Folder struct {
	ID     NodeID // new
	Parent NodeID // empty means the Objects folder
	Name   string // browse name, in the namespace of ID, and display name
	// Type is its type definition. Empty means FolderType.
	Type NodeID
}

// Variable is a variable whose value is a function of time, so that what it is, was and will be never depends on who asked when:
// clients that poll, subscribe and read history must see the same.
type Variable struct {
	ID     NodeID // new
	Parent NodeID // empty means the Objects folder
	Name   string // browse name, in the namespace of ID, and display name
	// Value returns the value at an instant, of the types that [Reading] lists, always of the same one. It is called from several
	// goroutines at once, or instead of it:
	Value func(t time.Time) any
	// Read returns value, status and source timestamp. It goes before Value.
	Read func(t time.Time) Reading
	// Step is how long each value holds: the functions are called with multiples of it since 1970. Zero means
	// that the value changes all the time.
	Step time.Duration
	// DataType is the node of the data type. Empty means the built-in type of the value at New.
	DataType NodeID
	// Unit, Range and Members become the properties EngineeringUnits, EURange and EnumStrings. Those that are nil are not there.
	Unit    *Unit
	Range   *Range
	Members []string
	// Historizing lets clients read history, from Step to Step, which must not be zero then.
	Historizing bool
	// Hidden forbids reading the value: its access level has no bits, and reading answers Bad_NotReadable.
	Hidden bool
}

// Unit is an EUInformation (OPC 10000-8, section 5.6.4).
type Unit struct {
	ID          int32  // the UNECE code as a number: its characters, the last one lowest. See [Code].
	Symbol      string // such as "kW"
	Description string // such as "kilowatt"
	// Namespace of ID. Empty means that of UNECE codes.
	Namespace string
}

// Code returns the number of a UNECE code, such as "KWT" for the kilowatt (OPC 10000-8, section 5.6.4.3).
func Code(code string) int32 {
	var n int32
	for i := range len(code) {
		n = n<<8 | int32(code[i])
	}
	return n
}

// Range is a Range.
type Range struct {
	Low  float64 // in the unit of the variable
	High float64 // the same
}

// StructureType is a data type of structures, with a DataTypeDefinition that clients can read.
type StructureType struct {
	ID       NodeID        // new
	Name     string        // browse name, in the namespace of ID
	Encoding NodeID        // of its binary encoding, new
	Kind     StructureKind // how its fields are sent
	Fields   []Field       // in their order
}

// StructureKind tells how a structure is encoded (OPC 10000-3, section 8.49).
type StructureKind uint8

// The kinds.
const (
	AllFields      StructureKind = iota // each field is sent
	OptionalFields                      // a UInt32 mask first tells which optional ones are
	Union                               // a UInt32 first tells which one is
)

// Field is a field of a structure.
type Field struct {
	Name     string // any
	Type     NodeID // of its data type
	Array    bool   // of one dimension
	Optional bool   // of a structure of OptionalFields
}

// Enumeration is a data type of named numbers, with a DataTypeDefinition.
type Enumeration struct {
	ID      NodeID   // new
	Name    string   // browse name, in the namespace of ID
	Members []string // of 0, 1, ...
}

// node is a node of the address space. All but held never changes.
type node struct {
	id         *ua.NodeID
	class      ua.NodeClass
	name       QualifiedName
	dataType   *ua.NodeID
	rank       int32
	definition any // of a data type: Structure
	references []reference
	variable   *Variable
	constant   any                     // value of what needs no clock
	live       func(now time.Time) any // value of the server's own variables
	events     bool
	held       *Reading // that Server.Set has put in place of the variable's own
}

// reference is a reference between two nodes.
type reference struct {
	kind    uint32 // of the reference type, in namespace 0
	inverse bool
	target  *node
}

// space is the address space of a server.
type space struct {
	nodes map[string]*node
}

// Reference types, OPC 10000-6, NodeIds.csv.
const (
	refReferences   = 31
	refHierarchical = 33
	refChild        = 34
	refOrganizes    = 35
	refEncoding     = 38
	refType         = 40
	refAggregates   = 44
	refSubtype      = 45
	refProperty     = 46
	refComponent    = 47
)

// above returns the supertype of a reference type.
func above(kind uint32) uint32 {
	switch kind {
	case refProperty, refComponent:
		return refAggregates
	case refAggregates, refSubtype:
		return refChild
	case refChild, refOrganizes:
		return refHierarchical
	case refEncoding, refType:
		return 32 // NonHierarchicalReferences
	case refHierarchical, 32:
		return refReferences
	}
	return 0
}

// is reports whether a reference type is another one, or a subtype of it if those count.
func is(kind, of uint32, subtypes bool) bool {
	for k := kind; k != 0; k = above(k) {
		if k == of {
			return true
		}
		if !subtypes {
			return false
		}
	}
	return false
}

func (s *space) find(id *ua.NodeID) *node {
	if id == nil {
		return nil
	}
	return s.nodes[id.String()]
}

func (s *space) number(id uint32) *node { return s.nodes[ua.NewNumericNodeID(0, id).String()] }

// link adds a reference, and its inverse.
func link(from *node, kind uint32, to *node) {
	from.references = append(from.references, reference{kind, false, to})
	to.references = append(to.references, reference{kind, true, from})
}

// add adds a node below a parent.
func (s *space) add(n *node, parent *node, kind uint32, typeDefinition *node) *node {
	s.nodes[n.id.String()] = n
	if parent != nil {
		link(parent, kind, n)
	}
	if typeDefinition != nil { // the way back from types would be long
		n.references = append(n.references, reference{refType, false, typeDefinition})
	}
	return n
}

// constant adds a property or other variable that never changes.
func (s *space) constant(id *ua.NodeID, parent *node, kind uint32, name string, value any) *node {
	k, array := typeOf(value)
	rank := int32(-1)
	if array {
		rank = 1
	}
	t := s.number(68) // PropertyType
	if kind != refProperty {
		t = s.number(63)
	}
	return s.add(&node{id: id, class: ua.NodeClassVariable, name: QualifiedName{Name: name}, dataType: ua.NewNumericNodeID(0, uint32(k)), rank: rank, constant: value}, parent, kind, t)
}

// builtIn are the names of data types by the number of their nodes. Those up to 25 are the built-in ones.
var builtIn = [...]string{
	1: "Boolean", "SByte", "Byte", "Int16", "UInt16", "Int32", "UInt32", "Int64", "UInt64", "Float", "Double", "String", "DateTime", "Guid",
	"ByteString", "XmlElement", "NodeId", "ExpandedNodeId", "StatusCode", "QualifiedName", "LocalizedText", "Structure", "DataValue", "BaseDataType",
	"DiagnosticInfo", "Number", "Integer", "UInteger", "Enumeration",
}

// newSpace returns namespace 0 as far as clients look into it.
func newSpace() *space {
	s := &space{nodes: make(map[string]*node)}
	object := func(id uint32, class ua.NodeClass, name string, parent *node, kind uint32, typed uint32) *node {
		return s.add(&node{id: ua.NewNumericNodeID(0, id), class: class, name: QualifiedName{Name: name}}, parent, kind, s.number(typed))
	}
	base := object(58, ua.NodeClassObjectType, "BaseObjectType", nil, 0, 0)
	folder := object(61, ua.NodeClassObjectType, "FolderType", base, refSubtype, 0)
	variable := object(62, ua.NodeClassVariableType, "BaseVariableType", nil, 0, 0)
	data := object(63, ua.NodeClassVariableType, "BaseDataVariableType", variable, refSubtype, 0)
	object(68, ua.NodeClassVariableType, "PropertyType", variable, refSubtype, 0)
	item := object(2365, ua.NodeClassVariableType, "DataItemType", data, refSubtype, 0)
	object(2368, ua.NodeClassVariableType, "AnalogItemType", item, refSubtype, 0)
	serverType := object(2004, ua.NodeClassObjectType, "ServerType", base, refSubtype, 0)
	event := object(2041, ua.NodeClassObjectType, "BaseEventType", base, refSubtype, 0)
	system := object(2130, ua.NodeClassObjectType, "SystemEventType", event, refSubtype, 0)
	object(2789, ua.NodeClassObjectType, "RefreshRequiredEventType", system, refSubtype, 0)
	_ = serverType

	root := object(84, ua.NodeClassObject, "Root", nil, 0, 61)
	objects := object(85, ua.NodeClassObject, "Objects", root, refOrganizes, 61)
	types := object(86, ua.NodeClassObject, "Types", root, refOrganizes, 61)
	object(87, ua.NodeClassObject, "Views", root, refOrganizes, 61)
	link(object(88, ua.NodeClassObject, "ObjectTypes", types, refOrganizes, 61), refOrganizes, base)
	link(object(89, ua.NodeClassObject, "VariableTypes", types, refOrganizes, 61), refOrganizes, variable)
	dataTypes := object(90, ua.NodeClassObject, "DataTypes", types, refOrganizes, 61)
	referenceTypes := object(91, ua.NodeClassObject, "ReferenceTypes", types, refOrganizes, 61)
	_ = folder

	any := object(24, ua.NodeClassDataType, "BaseDataType", dataTypes, refOrganizes, 0)
	number := object(26, ua.NodeClassDataType, "Number", any, refSubtype, 0)
	integer := object(27, ua.NodeClassDataType, "Integer", number, refSubtype, 0)
	unsigned := object(28, ua.NodeClassDataType, "UInteger", number, refSubtype, 0)
	for id, name := range builtIn {
		parent := any
		switch {
		case id == 0 || id == 24 || id >= 26 && id <= 28:
			continue
		case id == 2 || id == 4 || id == 6 || id == 8:
			parent = integer
		case id == 3 || id == 5 || id == 7 || id == 9:
			parent = unsigned
		case id == 10 || id == 11:
			parent = number
		}
		object(uint32(id), ua.NodeClassDataType, name, parent, refSubtype, 0)
	}
	object(290, ua.NodeClassDataType, "Duration", s.number(11), refSubtype, 0)
	object(294, ua.NodeClassDataType, "UtcTime", s.number(13), refSubtype, 0)
	object(884, ua.NodeClassDataType, "Range", s.number(22), refSubtype, 0)
	object(887, ua.NodeClassDataType, "EUInformation", s.number(22), refSubtype, 0)

	for _, r := range []struct {
		id   uint32
		name string
	}{
		{refReferences, "References"}, {32, "NonHierarchicalReferences"}, {refHierarchical, "HierarchicalReferences"}, {refChild, "HasChild"},
		{refOrganizes, "Organizes"}, {refEncoding, "HasEncoding"}, {refType, "HasTypeDefinition"}, {refAggregates, "Aggregates"},
		{refSubtype, "HasSubtype"}, {refProperty, "HasProperty"}, {refComponent, "HasComponent"},
	} {
		parent, kind := referenceTypes, uint32(refOrganizes)
		if up := above(r.id); up != 0 {
			parent, kind = s.number(up), refSubtype
		}
		object(r.id, ua.NodeClassReferenceType, r.name, parent, kind, 0)
	}
	object(2253, ua.NodeClassObject, "Server", objects, refOrganizes, 2004).events = true
	return s
}

// folder adds a Folder.
func (s *space) folder(f Folder) error {
	id, parent, err := s.place(f.ID, f.Parent)
	if err != nil {
		return fmt.Errorf("opcuatest: folder %q: %w", f.ID, err)
	}
	typed := s.number(61)
	if f.Type != "" {
		t, err := ua.ParseNodeID(string(f.Type))
		if err != nil || s.find(t) == nil {
			return fmt.Errorf("opcuatest: folder %q: type %q is unknown", f.ID, f.Type)
		}
		typed = s.find(t)
	}
	s.add(&node{id: id, class: ua.NodeClassObject, name: QualifiedName{id.Namespace(), f.Name}, events: true}, parent, refOrganizes, typed)
	return nil
}

// place finds out where a new node goes.
func (s *space) place(text, parent NodeID) (*ua.NodeID, *node, error) {
	id, err := ua.ParseNodeID(string(text))
	if err != nil {
		return nil, nil, errors.New("not a node id")
	}
	if s.find(id) != nil {
		return nil, nil, errors.New("there already")
	}
	if parent == "" {
		return id, s.number(85), nil
	}
	up, err := ua.ParseNodeID(string(parent))
	if err != nil || s.find(up) == nil {
		return nil, nil, fmt.Errorf("parent %q is unknown", parent)
	}
	return id, s.find(up), nil
}

// define adds the data types of structures and enumerations.
func (s *space) define(structures []StructureType, enumerations []Enumeration) (faults []error) {
	for _, t := range structures {
		id, _, err := s.place(t.ID, "")
		if err != nil {
			faults = append(faults, fmt.Errorf("opcuatest: structure type %q: %w", t.ID, err))
			continue
		}
		encoding, _, err := s.place(t.Encoding, "")
		if err != nil {
			faults = append(faults, fmt.Errorf("opcuatest: encoding %q: %w", t.Encoding, err))
			continue
		}
		n := s.add(&node{id: id, class: ua.NodeClassDataType, name: QualifiedName{id.Namespace(), t.Name}}, s.number(22), refSubtype, nil)
		s.add(&node{id: encoding, class: ua.NodeClassObject, name: QualifiedName{Name: "Default Binary"}}, n, refEncoding, s.number(58))
		// StructureDefinition (OPC 10000-3, section 8.48): encoding, base type, kind, fields.
		fields := []any{t.Encoding, NodeID("i=22"), int32(t.Kind), int32(len(t.Fields))}
		for _, f := range t.Fields {
			rank := int32(-1)
			if f.Array {
				rank = 1
			}
			fields = append(fields, f.Name, LocalizedText{}, f.Type, rank, []uint32(nil), uint32(0), f.Optional)
		}
		n.definition = Structure{Encoding: "i=122", Fields: fields}
	}
	for _, t := range enumerations {
		id, _, err := s.place(t.ID, "")
		if err != nil {
			faults = append(faults, fmt.Errorf("opcuatest: enumeration %q: %w", t.ID, err))
			continue
		}
		n := s.add(&node{id: id, class: ua.NodeClassDataType, name: QualifiedName{id.Namespace(), t.Name}}, s.number(29), refSubtype, nil)
		fields := []any{int32(len(t.Members))}
		for i, name := range t.Members {
			fields = append(fields, int64(i), LocalizedText{Text: name}, LocalizedText{}, name)
		}
		n.definition = Structure{Encoding: "i=123", Fields: fields}
		s.constant(property(id, "EnumStrings"), n, refProperty, "EnumStrings", texts(t.Members))
	}
	return faults
}

// property returns an id for a property of a node.
func property(of *ua.NodeID, name string) *ua.NodeID {
	return ua.NewStringNodeID(max(1, of.Namespace()), of.String()+"/"+name)
}

func texts(names []string) []LocalizedText {
	out := make([]LocalizedText, len(names))
	for i, name := range names {
		out[i].Text = name
	}
	return out
}

// variable adds a Variable with its properties.
func (s *space) variable(v Variable, now time.Time) error {
	id, parent, err := s.place(v.ID, v.Parent)
	if err != nil {
		return fmt.Errorf("opcuatest: variable %q: %w", v.ID, err)
	}
	var faults []error
	fault := func(format string, args ...any) {
		faults = append(faults, fmt.Errorf("opcuatest: variable %q: "+format, append([]any{v.ID}, args...)...))
	}
	if v.Value == nil && v.Read == nil {
		fault("has no value")
	}
	if v.Step < 0 {
		fault("step %v is negative", v.Step)
	}
	if v.Historizing && v.Step <= 0 {
		fault("history needs a step")
	}
	if len(faults) > 0 {
		return errors.Join(faults...)
	}
	n := &node{id: id, class: ua.NodeClassVariable, name: QualifiedName{id.Namespace(), v.Name}, rank: -1, variable: &v}
	first := n.at(now)
	if err := checkValue(first.Value); err != nil {
		fault("%w", err)
		return errors.Join(faults...)
	}
	kind, array := typeOf(first.Value)
	if array {
		n.rank = 1
	}
	if m, ok := first.Value.(Matrix); ok {
		n.rank = int32(len(m.Dimensions))
	}
	n.dataType = ua.NewNumericNodeID(0, uint32(kind))
	if v.DataType != "" {
		if n.dataType, err = ua.ParseNodeID(string(v.DataType)); err != nil {
			fault("data type %q is no node id", v.DataType)
			return errors.Join(faults...)
		}
	}
	typed := s.number(63)
	if v.Unit != nil || v.Range != nil {
		typed = s.number(2368)
	}
	s.add(n, parent, refComponent, typed)
	if u := v.Unit; u != nil {
		namespace := u.Namespace
		if namespace == "" {
			namespace = "http://www.opcfoundation.org/UA/units/un/cefact"
		}
		s.constant(property(id, "EngineeringUnits"), n, refProperty, "EngineeringUnits",
			Structure{Encoding: "i=889", Fields: []any{namespace, u.ID, LocalizedText{Text: u.Symbol}, LocalizedText{Text: u.Description}}}).dataType = ua.NewNumericNodeID(0, 887)
	}
	if r := v.Range; r != nil {
		s.constant(property(id, "EURange"), n, refProperty, "EURange", Structure{Encoding: "i=886", Fields: []any{r.Low, r.High}}).dataType = ua.NewNumericNodeID(0, 884)
	}
	if v.Members != nil {
		s.constant(property(id, "EnumStrings"), n, refProperty, "EnumStrings", texts(v.Members))
	}
	return nil
}

// at returns what a variable shows at an instant.
func (n *node) at(t time.Time) Reading {
	switch v := n.variable; {
	case n.held != nil:
		return *n.held
	case n.live != nil:
		return Reading{Value: n.live(t), Source: t}
	case v == nil:
		return Reading{Value: n.constant, Source: t}
	default:
		if v.Step > 0 {
			// Since 1970, which Truncate does not count from.
			t = t.Add(-time.Duration(t.UnixNano() % int64(v.Step)))
		}
		r := Reading{}
		if v.Read != nil {
			r = v.Read(t)
		} else {
			r.Value = v.Value(t)
		}
		if r.Source.IsZero() {
			r.Source = t
		}
		return r
	}
}
