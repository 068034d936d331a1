package mibs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strconv"

	"github.com/sleepinggenius2/gosmi/parser"

	"github.com/fieldtap/fieldtap/drivers/snmp"
)

// module is one module as it was parsed.
type module struct {
	name, file string
	nodes      []declared
	imports    map[string]string // module of a descriptor or type
	types      map[string]parser.SyntaxType
}

// declared is a name with its place: below another name, or below a root.
type declared struct {
	object Object
	place  []parser.SubIdentifier
	// trap is a TRAP-TYPE of version 1: below the enterprise, and 0 (RFC 3584, section
	// 3.1).
	enterprise string
	number     uint32
	syntax     string // name of a type whose enumeration it has
	entry      bool   // it has an INDEX or AUGMENTS clause
	augments   string
}

// readModule parses a file. The parser belongs to others: if it panics, the file is
// at fault.
func readModule(files fs.FS, name string) (m *module, err error) {
	defer func() {
		if p := recover(); p != nil {
			m, err = nil, fmt.Errorf("not understood: %v", p)
		}
	}()
	f, err := files.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	bounded := &io.LimitedReader{R: f, N: maxFile + 1}
	parsed, err := parser.Parse(bounded)
	if bounded.N <= 0 {
		return nil, fmt.Errorf("longer than %d bytes", maxFile)
	}
	if err != nil {
		return nil, err
	}
	m = &module{name: string(parsed.Name), file: name, imports: make(map[string]string), types: make(map[string]parser.SyntaxType)}
	for _, i := range parsed.Body.Imports {
		for _, n := range i.Names {
			m.imports[string(n)] = string(i.Module)
		}
	}
	for _, t := range parsed.Body.Types {
		switch {
		case t.TextualConvention != nil:
			m.types[string(t.Name)] = t.TextualConvention.Syntax
		case t.Syntax != nil:
			m.types[string(t.Name)] = *t.Syntax
		case t.Implicit != nil:
			m.types[string(t.Name)] = t.Implicit.Syntax
		}
	}
	if id := parsed.Body.Identity; id != nil {
		m.nodes = append(m.nodes, declared{object: Object{Module: m.name, Name: string(id.Name)}, place: id.Oid.SubIdentifiers})
	}
	for _, n := range parsed.Body.Nodes {
		m.nodes = append(m.nodes, m.declare(n))
	}
	return m, nil
}

func (m *module) declare(n parser.Node) declared {
	d := declared{object: Object{Module: m.name, Name: string(n.Name)}}
	if n.Oid != nil {
		d.place = n.Oid.SubIdentifiers
	}
	switch {
	case n.NotificationType != nil:
		d.object.Kind = Notification
	case n.TrapType != nil && n.SubIdentifier != nil:
		d.object.Kind = Notification
		d.enterprise, d.number = string(n.TrapType.Enterprise), uint32(*n.SubIdentifier)
	case n.ObjectType != nil:
		t := n.ObjectType
		d.object.Kind, d.object.Access, d.object.Units = Scalar, string(t.Access), t.Units
		for _, i := range t.Index {
			d.object.Index = append(d.object.Index, string(i.Name))
			d.object.Implied = i.Implied
		}
		d.entry = len(t.Index) > 0
		if t.Augments != nil {
			d.entry, d.augments = true, string(*t.Augments)
		}
		switch {
		case t.Syntax.Sequence != nil:
			d.object.Kind, d.object.Syntax = Table, "SEQUENCE OF "+string(*t.Syntax.Sequence)
		case t.Syntax.Type != nil:
			d.object.Syntax = string(t.Syntax.Type.Name)
			d.object.Enum = enumeration(t.Syntax.Type.Enum)
			d.syntax = d.object.Syntax
		}
		if d.entry {
			d.object.Kind = Row
		}
	}
	return d
}

// enumeration returns what numbers stand for, or nil.
func enumeration(numbers []parser.NamedNumber) map[int64]string {
	if len(numbers) == 0 {
		return nil
	}
	names := make(map[int64]string, len(numbers))
	for _, n := range numbers {
		if number, err := strconv.ParseInt(n.Value, 10, 64); err == nil {
			names[number] = string(n.Name)
		}
	}
	return names
}

// roots are what every module builds upon (RFC 1155, RFC 2578).
var roots = map[string]snmp.OID{
	"ccitt": "0.0", "zeroDotZero": "0.0", "org": "1.3", "dod": "1.3.6", "internet": "1.3.6.1", "directory": "1.3.6.1.1",
	"mgmt": "1.3.6.1.2", "mib-2": "1.3.6.1.2.1", "transmission": "1.3.6.1.2.1.10", "experimental": "1.3.6.1.3",
	"private": "1.3.6.1.4", "enterprises": "1.3.6.1.4.1", "security": "1.3.6.1.5", "snmpV2": "1.3.6.1.6",
	"snmpDomains": "1.3.6.1.6.1", "snmpProxys": "1.3.6.1.6.2", "snmpModules": "1.3.6.1.6.3",
}

// maxDepth bounds how names hang below names, and types are made of types.
const maxDepth = 128

// library is what resolving works on.
type resolver struct {
	modules map[string]*module
	nodes   map[string]map[string]*declared // by module and descriptor
	found   map[*declared]snmp.OID
}

// resolve puts object identifiers together, and tells what has none.
func resolve(modules []*module) (objects []Object, faults []error) {
	r := resolver{modules: make(map[string]*module), nodes: make(map[string]map[string]*declared), found: make(map[*declared]snmp.OID)}
	for _, m := range modules {
		r.modules[m.name] = m
		r.nodes[m.name] = make(map[string]*declared)
		for i := range m.nodes {
			r.nodes[m.name][m.nodes[i].object.Name] = &m.nodes[i]
		}
	}
	for _, m := range modules {
		rows := make(map[snmp.OID]*declared)
		for i := range m.nodes {
			d := &m.nodes[i]
			oid, err := r.oid(m, d, 0)
			if err != nil {
				faults = append(faults, fmt.Errorf("mibs: %s: %w", d.object, err))
				continue
			}
			d.object.OID = oid
			if d.object.Enum == nil && d.syntax != "" {
				d.object.Enum = r.enum(m, d.syntax, 0)
			}
			if d.entry {
				rows[oid] = d
			}
		}
		for i := range m.nodes {
			d := &m.nodes[i]
			if d.object.OID == "" {
				continue
			}
			if d.augments != "" {
				if _, row := r.find(m, d.augments); row != nil {
					d.object.Index, d.object.Implied = row.object.Index, row.object.Implied
				}
			}
			if d.object.Kind == Scalar && rows[above(d.object.OID)] != nil {
				d.object.Kind = Column
			}
			objects = append(objects, d.object)
		}
	}
	return objects, faults
}

// above returns the object identifier without its last number.
func above(oid snmp.OID) snmp.OID {
	for i := len(oid) - 1; i >= 0; i-- {
		if oid[i] == '.' {
			return oid[:i]
		}
	}
	return ""
}

// find returns what a descriptor names within a module, and the module that has it.
func (r *resolver) find(m *module, name string) (*module, *declared) {
	if d := r.nodes[m.name][name]; d != nil {
		return m, d
	}
	from := r.modules[m.imports[name]]
	if from == nil {
		return nil, nil
	}
	return from, r.nodes[from.name][name]
}

var errLoop = errors.New("names that hang below each other")

// oid puts the identifier of a name together.
func (r *resolver) oid(m *module, d *declared, depth int) (snmp.OID, error) {
	if oid, ok := r.found[d]; ok {
		return oid, nil
	}
	if depth > maxDepth {
		return "", errLoop
	}
	var oid snmp.OID
	if d.enterprise != "" {
		base, err := r.named(m, d.enterprise, depth)
		if err != nil {
			return "", err
		}
		oid = base.Child(0, d.number)
	}
	for i, part := range d.place {
		switch {
		case i == 0 && part.Name != nil:
			name := string(*part.Name)
			if name == "iso" {
				oid = "1"
				continue
			}
			base, err := r.named(m, name, depth)
			if err != nil {
				return "", err
			}
			oid = base
		case part.Number != nil:
			oid = oid.Child(uint32(*part.Number))
		default:
			return "", fmt.Errorf("%q in the middle of an object identifier has no number", *part.Name)
		}
	}
	if !oid.Valid() {
		return "", fmt.Errorf("%.100q is no object identifier", string(oid))
	}
	r.found[d] = oid
	return oid, nil
}

// named returns the identifier of a name that another hangs below.
func (r *resolver) named(m *module, name string, depth int) (snmp.OID, error) {
	if from, parent := r.find(m, name); parent != nil {
		return r.oid(from, parent, depth+1)
	}
	if root, ok := roots[name]; ok {
		return root, nil
	}
	if from, ok := m.imports[name]; ok {
		return "", fmt.Errorf("%s of module %s, which is not there", name, from)
	}
	return "", fmt.Errorf("nothing is called %s", name)
}

// enum returns the enumeration of a type.
func (r *resolver) enum(m *module, name string, depth int) map[int64]string {
	if depth > maxDepth {
		return nil
	}
	t, ok := m.types[name]
	if !ok {
		if m = r.modules[m.imports[name]]; m == nil {
			return nil
		}
		if t, ok = m.types[name]; !ok {
			return nil
		}
	}
	if len(t.Enum) > 0 {
		return enumeration(t.Enum)
	}
	return r.enum(m, string(t.Name), depth+1)
}
