package opcua

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync"

	"github.com/gopcua/opcua/ua"

	"github.com/fieldtap/fieldtap/internal/uabin"
)

// Structure is a structured value, taken apart as the server's definition of its type
// says (OPC 10000-3, section 8.49).
type Structure struct {
	Type   NodeID  // the data type; of one that is not known its encoding
	Name   string  // browse name of the data type
	Fields []Field // in the order of the definition
	// Err tells why Fields are not known, and is nil if they are: the server defines the
	// type not at all or in a way that is not understood, or the value is not as its
	// definition says. Then there are no Fields: none is guessed.
	Err error
}

// Field is a field of a Structure. An optional field that was not sent is not among the
// Fields, and of a union there is the one that was sent, or none.
type Field struct {
	Name  string // as it is defined
	Value Value  // none if a variant field was sent empty
	// Symbol is what the number of an enumeration stands for; "" if it has no name or
	// the field is no enumeration.
	Symbol string
}

// Field returns the value of a field, and whether there is one of that name.
func (s Structure) Field(name string) (Value, bool) {
	for _, f := range s.Fields {
		if f.Name == name {
			return f.Value, true
		}
	}
	return Value{}, false
}

// String returns the structure for people, at most about 4 KiB of it.
func (s Structure) String() string { return string(s.append(nil, 0)) }

func (s Structure) append(b []byte, depth int) []byte {
	b = append(b, s.Name...)
	b = append(b, '{')
	if s.Err != nil {
		return append(append(b, s.Err.Error()...), '}')
	}
	for i, f := range s.Fields {
		if i > 0 {
			b = append(b, ' ')
		}
		b = append(append(b, f.Name...), ':')
		if b = f.Value.append(b, depth+1); len(b) > maxPrinted {
			return append(b, " ...}"...)
		}
		if f.Symbol != "" {
			b = fmt.Appendf(b, "(%s)", f.Symbol)
		}
	}
	return append(b, '}')
}

// Bounds of what a server may define, and of what a value may hold.
const (
	maxTypes      = 10_000  // data types of one server
	maxFields     = 1000    // of one structure
	maxNesting    = 50      // of structures within a value
	maxParts      = 100_000 // fields and structures within a value
	maxSupertypes = 32
	maxRounds     = 10 // of types that are only found out while a value is decoded
)

// structureType is how a structure is encoded (OPC 10000-3, section 8.48).
type structureType uint32

const (
	plainStructure structureType = iota
	withOptionalFields
	union
	withSubtypes      // fields may be of subtypes
	unionWithSubtypes // the same of a union
)

// dataType is a data type of a server. It does not change once it is known.
type dataType struct {
	id         NodeID
	name       string
	encoding   NodeID // default binary encoding, of structures
	super      NodeID
	builtIn    uabin.Type // how values are encoded; ExtensionObject with structured: by fields
	structured bool
	abstract   bool
	form       structureType
	fields     []field
	names      map[int64]string // of an enumeration or option set
	fault      error            // why values of it cannot be read
}

// field is a field of a structure.
type field struct {
	name     string
	id       NodeID
	of       *dataType // nil until all types are known
	rank     int32
	optional bool // with subtypes: may be of a subtype
}

// types are the data types of one server that have been asked for. It is safe for
// concurrent use.
type types struct {
	link *link

	mu        sync.Mutex
	known     map[NodeID]*dataType
	encodings map[NodeID]*dataType
	sent      map[sentID]*dataType // encodings, as they are sent
}

// sentID is an id as it is sent.
type sentID struct {
	namespace uint16
	kind      uabin.IDKind
	number    uint32
	bytes     string
}

// standard are structures that servers need not define, being part of what a client must
// know (OPC 10000-8, section 5.6; OPC 10000-3, sections 8.6 and 8.39).
var standard = []dataType{
	{id: "i=884", name: "Range", encoding: "i=886", fields: []field{{name: "Low", id: "i=11"}, {name: "High", id: "i=11"}}},
	{id: "i=887", name: "EUInformation", encoding: "i=889", fields: []field{
		{name: "NamespaceUri", id: "i=12"}, {name: "UnitId", id: "i=6"}, {name: "DisplayName", id: "i=21"}, {name: "Description", id: "i=21"},
	}},
	{id: "i=7594", name: "EnumValueType", encoding: "i=8251", fields: []field{
		{name: "Value", id: "i=8"}, {name: "DisplayName", id: "i=21"}, {name: "Description", id: "i=21"},
	}},
	{id: "i=296", name: "Argument", encoding: "i=298", fields: []field{
		{name: "Name", id: "i=12"}, {name: "DataType", id: "i=17"}, {name: "ValueRank", id: "i=6"}, {name: "ArrayDimensions", id: "i=7", rank: 1}, {name: "Description", id: "i=21"},
	}},
}

func newTypes(l *link) *types {
	t := &types{link: l, known: make(map[NodeID]*dataType), encodings: make(map[NodeID]*dataType), sent: make(map[sentID]*dataType)}
	add := func(d dataType) {
		t.known[d.id] = &d
		if d.encoding != "" {
			t.encodings[d.encoding] = &d
		}
	}
	for n := uabin.TypeBoolean; n <= uabin.TypeDiagnosticInfo; n++ {
		add(dataType{id: NodeID("i=" + strconv.Itoa(int(n))), name: Type(n).String(), builtIn: n, abstract: n == uabin.TypeVariant || n == uabin.TypeExtensionObject})
	}
	for id, name := range map[NodeID]string{"i=26": "Number", "i=27": "Integer", "i=28": "UInteger"} {
		add(dataType{id: id, name: name, builtIn: uabin.TypeVariant, abstract: true})
	}
	add(dataType{id: "i=29", name: "Enumeration", builtIn: uabin.TypeInt32, abstract: true})
	for _, d := range standard {
		d.structured, d.builtIn = true, uabin.TypeExtensionObject
		d.fields = slices.Clone(d.fields)
		for i := range d.fields {
			d.fields[i].of = t.known[d.fields[i].id]
			if d.fields[i].rank == 0 {
				d.fields[i].rank = -1
			}
		}
		add(d)
	}
	return t
}

// lookup returns the type of an encoding, nil if it has not been asked for.
func (t *types) lookup(encoding NodeID) *dataType {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.encodings[encoding]
}

// find returns the type of an encoding as it is sent, nil if it has not been asked for.
func (t *types) find(encoding uabin.NodeID) *dataType {
	t.mu.Lock()
	defer t.mu.Unlock()
	d, ok := t.sent[sentID{encoding.Namespace, encoding.Kind, encoding.Number, string(encoding.Bytes)}]
	if ok {
		return d
	}
	if d = t.encodings[nameNode(encoding, t.link.namespaces)]; d != nil && len(t.sent) < 2*maxTypes {
		t.sent[sentID{encoding.Namespace, encoding.Kind, encoding.Number, string(encoding.Bytes)}] = d
	}
	return d
}

// full reports whether no more encodings are kept, so that it is vain to ask for any.
func (t *types) full() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.encodings) >= 2*maxTypes
}

// byID returns a type, nil if it has not been asked for.
func (t *types) byID(id NodeID) *dataType {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.known[id]
}

// decode takes the structures of a value apart, asking the server for their types where
// these are not known. The error is of the connection; faults of a structure are in it.
func (t *types) decode(ctx context.Context, v *Value) error {
	if v.variant.Type != uabin.TypeExtensionObject || v.variant.Malformed {
		return nil
	}
	for round := 0; ; round++ {
		d := decoder{lookup: t.lookup, namespaces: v.namespaces, left: maxParts}
		v.structures = d.objects(v.variant, *v, 0)
		if len(d.missing) == 0 || round == maxRounds {
			return nil
		}
		if err := t.learnEncodings(ctx, d.missing); err != nil {
			return err
		}
	}
}

// learnEncodings finds the types of encodings. Afterwards each of them is known, be it as
// one that cannot be decoded.
func (t *types) learnEncodings(ctx context.Context, encodings []NodeID) error {
	nodes := make([]*ua.NodeID, 0, len(encodings))
	asked := make([]NodeID, 0, len(encodings))
	failed := func(id NodeID, err error) {
		t.mu.Lock()
		defer t.mu.Unlock()
		if len(t.encodings) < 2*maxTypes {
			t.encodings[id] = &dataType{id: id, fault: err}
		}
	}
	for _, id := range encodings {
		node, err := t.link.resolve(id)
		if err != nil {
			failed(id, err)
			continue
		}
		nodes, asked = append(nodes, node), append(asked, id)
	}
	lists, _, err := t.link.references(ctx, nodes, ua.BrowseDirectionInverse, hasEncoding)
	var owners []NodeID
	if err == nil {
		for _, list := range lists {
			for _, r := range list {
				owners = append(owners, r.id)
				break
			}
		}
		err = t.learn(ctx, owners)
	}
	if err != nil && (t.link.gone(err) || !refused(err)) {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for i, id := range asked {
		d := &dataType{id: id, fault: fmt.Errorf("the server names no data type of encoding %.200s", string(id))}
		switch {
		case err != nil:
			d.fault = fmt.Errorf("data type of encoding %.200s: %w", string(id), err)
		case len(lists[i]) > 0 && t.known[lists[i][0].id] != nil:
			d = t.known[lists[i][0].id]
			if !d.structured && d.fault == nil {
				d = &dataType{id: id, name: d.name, fault: fmt.Errorf("encoding %.200s is of a type that is no structure", string(id))}
			}
		}
		if len(t.encodings) < 2*maxTypes {
			t.encodings[id] = d
		}
	}
	return nil
}

// refused reports whether an error is a server's answer, after which others may go well.
func refused(err error) bool {
	_, ok := errors.AsType[*ServiceError](err)
	return ok || errors.Is(err, errTooManyTypes)
}

var errTooManyTypes = fmt.Errorf("more than %d data types", maxTypes)

// learn asks for data types and all that they are made of.
func (t *types) learn(ctx context.Context, ids []NodeID) error {
	t.mu.Lock()
	known := maps.Clone(t.known)
	t.mu.Unlock()
	fresh := make(map[NodeID]*dataType)
	var pending []NodeID
	want := func(id NodeID) {
		if known[id] == nil && fresh[id] == nil {
			fresh[id] = &dataType{id: id}
			pending = append(pending, id)
		}
	}
	for _, id := range ids {
		want(id)
	}
	for len(pending) > 0 {
		if len(known)+len(fresh) > maxTypes {
			return errTooManyTypes
		}
		asked := pending
		pending = nil
		if err := t.define(ctx, asked, fresh, want); err != nil {
			return err
		}
	}
	find := func(id NodeID) *dataType {
		if d := known[id]; d != nil {
			return d
		}
		return fresh[id]
	}
	for _, d := range fresh {
		d.settle(find)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.known)+len(fresh) > 2*maxTypes {
		return errTooManyTypes
	}
	for id, d := range fresh {
		t.known[id] = d
		if d.encoding != "" && t.encodings[d.encoding] == nil {
			t.encodings[d.encoding] = d
		}
	}
	return nil
}

// define asks for the definitions of data types, and wants the types they are made of.
func (t *types) define(ctx context.Context, ids []NodeID, fresh map[NodeID]*dataType, want func(NodeID)) error {
	l := t.link
	var asked []NodeID
	var nodes []*ua.NodeID
	var reads []attribute
	for _, id := range ids {
		node, err := l.resolve(id)
		if err != nil {
			fresh[id].fault = err
			continue
		}
		asked, nodes = append(asked, id), append(nodes, node)
		reads = append(reads, attribute{node, ua.AttributeIDBrowseName}, attribute{node, ua.AttributeIDIsAbstract}, attribute{node, ua.AttributeIDDataTypeDefinition})
	}
	values, err := l.attributes(ctx, reads)
	if err != nil {
		return err
	}
	lists, _, err := l.references(ctx, nodes, ua.BrowseDirectionInverse, hasSubtype)
	if err != nil {
		return err
	}
	for i, id := range asked {
		d := fresh[id]
		d.name, _ = values[3*i].Text()
		d.abstract, _ = values[3*i+1].Bool()
		if v := values[3*i+2]; v.scalar(uabin.TypeExtensionObject) {
			r := uabin.NewReader(v.variant.Bytes)
			d.definition(r.ExtensionObject(), l.namespaces)
		}
		if len(lists[i]) > 0 && !d.structured {
			d.super = lists[i][0].id
			want(d.super)
		}
		for _, f := range d.fields {
			want(f.id)
		}
	}
	return nil
}

// definition reads a StructureDefinition or an EnumDefinition.
func (d *dataType) definition(o uabin.ExtensionObject, namespaces []string) {
	if o.Type.Namespace != 0 || o.Type.Kind != uabin.Numeric || !o.Binary {
		return
	}
	r := uabin.NewReader(o.Body)
	switch o.Type.Number {
	case uabin.StructureDefinitionID:
		d.structured, d.builtIn = true, uabin.TypeExtensionObject
		if encoding := r.NodeID(); encoding.Number != 0 || encoding.Kind != uabin.Numeric {
			d.encoding = nameNode(encoding, namespaces)
		}
		r.NodeID() // base type, whose fields are among these
		d.form = structureType(r.Uint32())
		n := r.Count(20)
		if n > maxFields {
			d.fault = fmt.Errorf("data type %.100q has %d fields, at most %d are understood", d.name, n, maxFields)
			return
		}
		for range n {
			f := field{name: r.Text()}
			r.LocalizedText()
			f.id = nameNode(r.NodeID(), namespaces)
			f.rank = r.Int32()
			for range r.Count(4) {
				r.Uint32()
			}
			r.Uint32()
			f.optional = r.Bool()
			d.fields = append(d.fields, f)
		}
	case uabin.EnumDefinitionID:
		d.names = make(map[int64]string)
		for range r.Count(14) {
			number := int64(r.Uint64())
			display := r.LocalizedText()
			r.LocalizedText()
			name := r.Text()
			if name == "" {
				name = string(display.Text)
			}
			d.names[number] = name
		}
	default:
		return
	}
	if err := r.End(); err != nil {
		d.fields, d.names = nil, nil
		d.fault = fmt.Errorf("definition of data type %.100q is malformed: %w", d.name, err)
	} else if d.form > unionWithSubtypes {
		d.fault = fmt.Errorf("data type %.100q is a structure of kind %d, which is not known", d.name, d.form)
	}
}

// settle finds out how values of a type are encoded, once all types are there.
func (d *dataType) settle(find func(NodeID) *dataType) {
	for i := range d.fields {
		d.fields[i].of = find(d.fields[i].id)
	}
	if d.structured || d.fault != nil {
		return
	}
	above := d
	for range maxSupertypes {
		if above = find(above.super); above == nil || above.structured {
			break
		}
		if above.super != "" || above.builtIn == 0 {
			continue
		}
		if above.builtIn == uabin.TypeExtensionObject {
			break
		}
		d.builtIn = above.builtIn
		if above.id != "i=29" && d.abstract {
			d.builtIn = uabin.TypeVariant
		}
		return
	}
	d.fault = fmt.Errorf("the server does not define data type %.100q (%.200s)", d.name, string(d.id))
}

// decoder takes one value apart. It asks nobody: encodings that it does not know are
// noted as missing.
type decoder struct {
	lookup     func(encoding NodeID) *dataType
	namespaces []string
	missing    []NodeID
	left       int // of maxParts
}

var (
	errNesting = fmt.Errorf("structures nested deeper than %d", maxNesting)
	errParts   = fmt.Errorf("structure of more than %d fields", maxParts)
)

// objects decodes the ExtensionObjects of a variant. of lends fields its status and times.
func (d *decoder) objects(v uabin.Variant, of Value, depth int) []Structure {
	if v.Type != uabin.TypeExtensionObject || v.Malformed {
		return nil
	}
	r := uabin.NewReader(v.Bytes)
	n := 1
	if v.Array {
		n = v.Length
	}
	if n > d.left {
		return nil // Structure says so
	}
	d.left -= n
	list := make([]Structure, 0, n)
	for range n {
		list = append(list, d.object(r.ExtensionObject(), of, depth))
	}
	return list
}

func (d *decoder) object(o uabin.ExtensionObject, of Value, depth int) (s Structure) {
	defer func() {
		if s.Err != nil {
			s.Fields, s.Err = nil, fmt.Errorf("opcua: %w", s.Err)
		}
	}()
	encoding := nameNode(o.Type, d.namespaces)
	s.Type = encoding
	switch {
	case o.Body == nil:
		s.Err = errors.New("structure without a body")
		return s
	case !o.Binary:
		s.Err = errors.New("structure in XML")
		return s
	}
	t := d.lookup(encoding)
	if t == nil {
		if !slices.Contains(d.missing, encoding) && len(d.missing) < maxTypes {
			d.missing = append(d.missing, encoding)
		}
		s.Err = fmt.Errorf("data type of encoding %.200s is not known", string(encoding))
		return s
	}
	s.Type, s.Name = t.id, t.name
	r := uabin.NewReader(o.Body)
	s.Fields, s.Err = d.structure(&r, t, of, depth)
	if s.Err == nil {
		// What is behind the last field was added by a later version of the type, or by
		// another that goes by the same id: neither is what its definition says.
		if err := r.End(); err != nil {
			s.Err = fmt.Errorf("structure %.100q is not as it is defined: %w", t.name, err)
		}
	}
	return s
}

// structure decodes the fields of a structure.
func (d *decoder) structure(r *uabin.Reader, t *dataType, of Value, depth int) ([]Field, error) {
	switch {
	case t.fault != nil:
		return nil, t.fault
	case depth > maxNesting:
		return nil, errNesting
	case t.abstract:
		return nil, fmt.Errorf("data type %.100q is abstract", t.name)
	}
	list := make([]Field, 0, min(len(t.fields), d.left))
	add := func(f *field) error {
		if d.left--; d.left < 0 {
			return errParts
		}
		v, err := d.field(r, f, t.form, of, depth)
		if err == nil {
			err = r.Err()
		}
		if err != nil {
			return fmt.Errorf("field %.100q of %.100q: %w", f.name, t.name, err)
		}
		out := Field{Name: f.name, Value: v}
		if n, ok := v.Int(); ok && f.of.names != nil {
			out.Symbol = f.of.names[n]
		}
		list = append(list, out)
		return nil
	}
	switch t.form {
	case union, unionWithSubtypes:
		which := r.Uint32()
		if err := r.Err(); err != nil {
			return nil, fmt.Errorf("union %.100q: %w", t.name, err)
		}
		if int64(which) > int64(len(t.fields)) {
			return nil, fmt.Errorf("union %.100q has no field %d", t.name, which)
		}
		if which == 0 {
			return list, nil
		}
		return list, add(&t.fields[which-1])
	}
	mask := ^uint32(0)
	if t.form == withOptionalFields {
		mask = r.Uint32()
	}
	optional := 0
	for i := range t.fields {
		f := &t.fields[i]
		if t.form == withOptionalFields && f.optional {
			bit := optional
			optional++
			if bit >= 32 {
				return nil, fmt.Errorf("data type %.100q has more than 32 optional fields", t.name)
			}
			if mask>>bit&1 == 0 {
				continue
			}
		}
		if err := add(f); err != nil {
			return nil, err
		}
	}
	if t.form == withOptionalFields && optional < 32 && mask>>optional != 0 {
		return nil, fmt.Errorf("structure %.100q has optional fields that are not defined", t.name)
	}
	return list, r.Err()
}

// field decodes one field.
func (d *decoder) field(r *uabin.Reader, f *field, form structureType, of Value, depth int) (Value, error) {
	out := of
	out.structures = nil
	l, err := f.layout(r, form)
	if err != nil {
		return out, err
	}
	out.variant = uabin.Variant{Type: l.how, Array: l.array, Dimensions: slices.Clone(l.dimensions)}
	if l.array {
		out.variant.Length = l.n
	}
	if !l.inline {
		return d.simple(r, out, l.n, depth)
	}
	t := f.of
	out.structures = make([]Structure, 0, min(l.n, d.left+1))
	for range l.n {
		if d.left--; d.left < 0 {
			return out, errParts
		}
		fields, err := d.structure(r, t, of, depth+1)
		if err != nil {
			return out, err
		}
		out.structures = append(out.structures, Structure{Type: t.id, Name: t.name, Fields: fields})
	}
	return out, nil
}

// layout is how a field is sent.
type layout struct {
	how        uabin.Type // of each value; ExtensionObject with inline: by its fields
	inline     bool
	array      bool
	n          int    // values, 1 of a scalar
	dimensions []byte // of a matrix, encoded
}

// layout reads what is sent of a field in front of its values.
func (f *field) layout(r *uabin.Reader, form structureType) (l layout, err error) {
	t := f.of
	if t == nil {
		return l, errUnknownType
	}
	l.how, l.inline, l.n = t.builtIn, t.structured, 1
	if (form == withSubtypes || form == unionWithSubtypes) && f.optional {
		if l.how != uabin.TypeExtensionObject {
			l.how = uabin.TypeVariant
		}
		l.inline = false
	}
	switch {
	case l.inline && t.fault != nil:
		return l, t.fault
	case l.inline && t.abstract:
		return l, fmt.Errorf("data type %.100q is abstract", t.name)
	case !l.inline && l.how == uabin.Null:
		return l, firstOf(t.fault, errUnknownType)
	}
	switch {
	case f.rank == -1:
	case f.rank == 1:
		l.array, l.n = true, r.Count(1)
	case f.rank > 1:
		l.array = true
		dimensions := r.Count(4)
		before := r.Rest()
		product := int64(1)
		for range dimensions {
			// A dimension of less than nothing is nothing.
			if product *= max(int64(r.Int32()), 0); product > int64(len(before)) {
				return l, uabin.ErrLength
			}
		}
		if dimensions == 0 {
			product = 0
		}
		if dimensions != 0 && dimensions != int(f.rank) {
			return l, fmt.Errorf("%d dimensions, want %d", dimensions, f.rank)
		}
		if product > int64(len(r.Rest())) {
			return l, uabin.ErrLength
		}
		l.dimensions, l.n = before[:4*dimensions], int(product)
	default:
		return l, fmt.Errorf("value rank %d in a structure", f.rank)
	}
	return l, nil
}

var errUnknownType = errors.New("its type is not known")

// simple decodes a field of a built-in type, n values of it.
func (d *decoder) simple(r *uabin.Reader, out Value, n, depth int) (Value, error) {
	if how := out.variant.Type; out.variant.Array {
		before := r.Rest()
		for range n {
			if r.Element(how); r.Err() != nil {
				return out, r.Err()
			}
		}
		out.variant.Bytes = slices.Clone(before[:len(before)-len(r.Rest())])
	} else if how == uabin.TypeVariant {
		out.variant = cloneVariant(r.Variant())
	} else {
		out.variant = cloneVariant(r.Element(how))
	}
	if r.Err() == nil && out.variant.Type == uabin.TypeExtensionObject {
		if depth++; depth > maxNesting {
			return out, errNesting
		}
		if max(out.variant.Length, 1) > d.left {
			return out, errParts
		}
		out.structures = d.objects(out.variant, out, depth)
	}
	return out, r.Err()
}

// firstOf returns the first of two errors that is one.
func firstOf(err, or error) error {
	if err != nil {
		return err
	}
	return or
}
