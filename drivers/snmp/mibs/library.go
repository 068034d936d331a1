package mibs

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"slices"
	"strconv"
	"strings"

	"github.com/fieldtap/fieldtap/drivers/snmp"
	"github.com/fieldtap/fieldtap/units"
)

// Object is what a module says of one name.
type Object struct {
	Module string   // that defines it, such as "UPS-MIB"
	Name   string   // its descriptor, such as "upsBatteryVoltage"
	OID    snmp.OID // without an instance
	Kind   Kind
	Syntax string           // as the module has it, such as "Counter32" or "DisplayString"
	Access string           // such as "read-only"; empty for what holds no value
	Units  string           // the UNITS clause; empty if there is none
	Enum   map[int64]string // what the numbers stand for; it must not be changed. Nil if they are numbers
	Index  []string         // of a row: descriptors of the objects that make its index, in order
	// Implied says that the last of Index is written without its length.
	Implied bool
}

// Kind is what an Object is.
type Kind uint8

// The kinds.
const (
	Node         Kind = iota // a place in the tree
	Scalar                   // one value: its instance is ".0"
	Table                    // rows
	Row                      // the columns of one row
	Column                   // one value for each row
	Notification             // a trap or inform
)

// String returns the kind in lower case.
func (k Kind) String() string {
	if int(k) < len(kinds) {
		return kinds[k]
	}
	return "kind " + strconv.Itoa(int(k))
}

var kinds = [...]string{"node", "scalar", "table", "row", "column", "notification"}

// String returns module and descriptor, such as "UPS-MIB::upsBatteryVoltage".
func (o Object) String() string { return o.Module + "::" + o.Name }

// Unit reads the UNITS clause.
func (o Object) Unit() units.Stated { return units.ReadSNMP(o.Units) }

// Library is a set of modules. The zero value is empty. Obtain one from [Read].
type Library struct {
	objects []Object                  // in the order of their OIDs
	names   map[string]map[string]int // index into objects, by descriptor and module
}

// maxFile is how long the text of a module may be. The longest known, of a vendor
// with 4,000 objects, has a tenth of it.
const maxFile = 32 << 20

// Read reads all files of a file system as MIB modules, whatever their names;
// directories within are left out. With the Library comes an error that names each
// file, module or object that is left out and why; the Library is good for all
// others, and never nil.
func Read(files fs.FS) (*Library, error) {
	entries, err := fs.ReadDir(files, ".")
	if err != nil {
		return new(Library), fmt.Errorf("mibs: %w", err)
	}
	var modules []*module
	var faults []error
	for _, entry := range entries {
		if entry.IsDir() {
			continue
		}
		m, err := readModule(files, entry.Name())
		if err != nil {
			faults = append(faults, fmt.Errorf("mibs: %s: %w", entry.Name(), err))
			continue
		}
		if i := slices.IndexFunc(modules, func(other *module) bool { return other.name == m.name }); i >= 0 {
			faults = append(faults, fmt.Errorf("mibs: %s: module %s is in %s already", entry.Name(), m.name, modules[i].file))
			continue
		}
		modules = append(modules, m)
	}
	objects, unknown := resolve(modules)
	l := &Library{objects: objects, names: make(map[string]map[string]int)}
	slices.SortStableFunc(l.objects, func(a, b Object) int {
		return cmp.Or(a.OID.Compare(b.OID), cmp.Compare(a.Module, b.Module))
	})
	for i, o := range l.objects {
		if l.names[o.Name] == nil {
			l.names[o.Name] = make(map[string]int)
		}
		l.names[o.Name][o.Module] = i
	}
	return l, errors.Join(append(faults, unknown...)...)
}

// All yields every object, in the order of their object identifiers.
func (l *Library) All() iter.Seq[Object] { return slices.Values(l.objects) }

// Object finds an object by its descriptor, with its module before it or without,
// such as "UPS-MIB::upsBatteryVoltage" or "upsBatteryVoltage". A descriptor alone
// that several modules have names none of them.
func (l *Library) Object(name string) (Object, error) {
	module, descriptor, qualified := strings.Cut(name, "::")
	if !qualified {
		module, descriptor = "", name
	}
	of := l.names[descriptor]
	if qualified {
		if i, ok := of[module]; ok {
			return l.objects[i], nil
		}
		return Object{}, fmt.Errorf("mibs: no module has %.200q", name)
	}
	if len(of) == 1 {
		for _, i := range of {
			return l.objects[i], nil
		}
	}
	if len(of) == 0 {
		return Object{}, fmt.Errorf("mibs: no module has %.200q", name)
	}
	var modules []string
	for m := range of {
		modules = append(modules, m)
	}
	slices.Sort(modules)
	return Object{}, fmt.Errorf("mibs: %.200q is in %s: say which", name, strings.Join(modules, " and "))
}

// Parse returns the object identifier of a name with the numbers of an instance
// behind it, such as "IF-MIB::ifInOctets.3". Numbers alone are read as they are.
func (l *Library) Parse(name string) (snmp.OID, error) {
	if oid, err := snmp.ParseOID(name); err == nil {
		return oid, nil
	}
	descriptor, instance, has := strings.Cut(name, ".")
	o, err := l.Object(descriptor)
	if err != nil {
		return "", err
	}
	if !has {
		return o.OID, nil
	}
	oid := o.OID + snmp.OID("."+instance)
	if !oid.Valid() {
		return "", fmt.Errorf("mibs: %.200q: an instance is numbers", name)
	}
	return oid, nil
}

// Lookup finds the object that an object identifier is, or else the nearest one
// above it; the numbers behind that are the instance.
func (l *Library) Lookup(oid snmp.OID) (o Object, instance []uint32, ok bool) {
	for name := oid; ; {
		i, found := slices.BinarySearchFunc(l.objects, name, func(o Object, oid snmp.OID) int { return o.OID.Compare(oid) })
		if found {
			instance, ok = oid.Suffix(name)
			return l.objects[i], instance, ok
		}
		above := strings.LastIndexByte(string(name), '.')
		if above < 0 {
			return Object{}, nil, false
		}
		name = name[:above]
	}
}

// Name returns the name of an object identifier as Net-SNMP's tools print it, such
// as "IF-MIB::ifInOctets.3", or its numbers where no module has anything above it.
func (l *Library) Name(oid snmp.OID) string {
	o, instance, ok := l.Lookup(oid)
	if !ok || o.Module == "" {
		return string(oid)
	}
	name := []byte(o.String())
	for _, n := range instance {
		name = append(name, '.')
		name = strconv.AppendUint(name, uint64(n), 10)
	}
	return string(name)
}
