package opcua

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"

	"github.com/gopcua/opcua/ua"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/internal/uabin"
)

// hop is one part of the path to a field of a structure.
type hop struct {
	name  string
	index []uint32 // of an element; nil: the field is no array
}

// maxPath is how deep a field may lie.
const maxPath = maxNesting

// parseField reads the path to a field, nil of an empty text.
func parseField(text string) (path []hop, err error) {
	if text == "" {
		return nil, nil
	}
	fault := func(what string) error { return fmt.Errorf("field %.200q: %s", text, what) }
	for rest, more := text, true; more; {
		var s hop
		var name strings.Builder
		i := 0
		for ; i < len(rest) && rest[i] != '.' && rest[i] != '['; i++ {
			if rest[i] == '&' {
				if i++; i == len(rest) {
					return nil, fault("an ampersand with nothing behind it")
				}
			}
			name.WriteByte(rest[i])
		}
		if s.name = name.String(); s.name == "" {
			return nil, fault("a name is empty")
		}
		if rest = rest[i:]; strings.HasPrefix(rest, "[") {
			index, behind, ok := strings.Cut(rest[1:], "]")
			if !ok || index == "" {
				return nil, fault("want an index within brackets")
			}
			if s.index, err = parseIndex(index); err != nil {
				return nil, fault(err.Error())
			}
			rest = behind
		}
		if path = append(path, s); len(path) > maxPath {
			return nil, fault("deeper than " + strconv.Itoa(maxPath))
		}
		if rest, more = strings.CutPrefix(rest, "."); !more && rest != "" {
			return nil, fault("want a point behind an index")
		}
	}
	return path, nil
}

// finding is what became of the search for a field.
type finding uint8

const (
	found      finding = iota
	absent             // an optional field, or one of a union, that was not sent; or it is empty
	outside            // the array has no such element
	noField            // there is no such field in the structure as the server defines it
	unreadable         // the value is not as its type is defined, or the type is not known
)

// quality is that of a sample; bad unless the field was found.
func (f finding) quality() acquire.Quality {
	switch f {
	case found:
		return acquire.Good
	case absent:
		return badSensor
	case outside:
		return badRange
	case noField:
		return badConfiguration
	}
	return badProtocol
}

// walker looks for one field in a structure. It passes over all that is in front of the
// field and behind it, since a value that is not as its type is defined must not be
// believed in part. It does on bytes what decoder does, and keeps nothing.
type walker struct {
	types   *types
	left    int           // of maxParts
	value   uabin.Variant // of the field that was found
	missing uabin.NodeID  // encoding that is not known
	lacking bool          // there is one
}

// object looks into an ExtensionObject. Without a path it is of no interest.
func (w *walker) object(o uabin.ExtensionObject, path []hop, depth int) finding {
	switch {
	case o.Body == nil && o.Type.Kind == uabin.Numeric && o.Type.Number == 0:
		return absent // a null structure
	case !o.Binary:
		return unreadable
	}
	t := w.types.find(o.Type)
	if t == nil {
		w.missing, w.lacking = o.Type, true
		return unreadable
	}
	r := uabin.NewReader(o.Body)
	f, ok := w.structure(&r, t, path, depth)
	if !ok || r.End() != nil {
		return unreadable
	}
	return f
}

// structure passes over a structure and looks for a field in it. ok is false if the
// structure is not as it is defined.
func (w *walker) structure(r *uabin.Reader, t *dataType, path []hop, depth int) (f finding, ok bool) {
	if t.fault != nil || t.abstract || depth > maxNesting {
		return unreadable, false
	}
	wanted := -1
	if len(path) > 0 {
		wanted = slices.IndexFunc(t.fields, func(f field) bool { return f.name == path[0].name })
		if f = absent; wanted < 0 {
			f = noField
		}
	}
	if t.form == union || t.form == unionWithSubtypes {
		which := r.Uint32()
		if r.Err() != nil || uint64(which) > uint64(len(t.fields)) {
			return unreadable, false
		}
		if which == 0 {
			return f, true
		}
		at := int(which) - 1
		if at == wanted {
			return w.field(r, &t.fields[at], t.form, path, depth)
		}
		_, ok = w.field(r, &t.fields[at], t.form, nil, depth)
		return f, ok
	}
	mask := ^uint32(0)
	if t.form == withOptionalFields {
		mask = r.Uint32()
	}
	optional := 0
	for i := range t.fields {
		if t.form == withOptionalFields && t.fields[i].optional {
			bit := optional
			if optional++; bit >= 32 {
				return unreadable, false
			}
			if mask>>bit&1 == 0 {
				continue
			}
		}
		var through []hop
		if i == wanted {
			through = path
		}
		g, ok := w.field(r, &t.fields[i], t.form, through, depth)
		if !ok {
			return unreadable, false
		}
		if i == wanted {
			f = g
		}
	}
	if t.form == withOptionalFields && optional < 32 && mask>>optional != 0 {
		return unreadable, false
	}
	return f, r.Err() == nil
}

// field passes over a field, and looks into it if there is a path, which begins with it.
func (w *walker) field(r *uabin.Reader, of *field, form structureType, path []hop, depth int) (f finding, ok bool) {
	if w.left--; w.left < 0 {
		return unreadable, false
	}
	l, err := of.layout(r, form)
	if err != nil {
		return unreadable, false
	}
	at, behind := -1, []hop(nil)
	if len(path) > 0 {
		at, f = 0, found
		behind = path[1:]
		switch index := path[0].index; {
		case l.how == uabin.TypeVariant && !l.array: // what is in it tells
		case l.array != (index != nil):
			at, f = -1, noField
		case l.array:
			if at, ok = position(index, l.dimensions, l.n); !ok {
				at, f = -1, outside
			}
		}
	}
	for i := range l.n {
		switch {
		case l.inline:
			if w.left--; w.left < 0 {
				return unreadable, false
			}
			within := []hop(nil)
			if i == at {
				within = behind
			}
			g, ok := w.structure(r, of.of, within, depth+1)
			if !ok {
				return unreadable, false
			}
			if i == at {
				if f = g; len(behind) == 0 {
					f = noField // a whole structure
				}
			}
		case l.how == uabin.TypeVariant && !l.array:
			if v := r.Variant(); i == at && r.Err() == nil {
				f = w.content(v, path, depth)
			}
		default:
			if v := r.Element(l.how); i == at && r.Err() == nil {
				f = w.end(v, behind, depth)
			}
		}
		if r.Err() != nil {
			return unreadable, false
		}
	}
	return f, true
}

// content looks into what a field of any type holds.
func (w *walker) content(v uabin.Variant, path []hop, depth int) finding {
	switch {
	case v.Malformed:
		return unreadable
	case v.Type == uabin.Null:
		return absent
	case v.Array != (path[0].index != nil):
		return unreadable
	case v.Array:
		e, ok := element(&v, path[0].index)
		if !ok {
			return outside
		}
		v = e
	}
	return w.end(v, path[1:], depth)
}

// end takes a value that is no array for that of the field, unless the path goes on.
func (w *walker) end(v uabin.Variant, path []hop, depth int) finding {
	if v.Type == uabin.TypeVariant {
		r := uabin.NewReader(v.Bytes)
		v = r.Variant()
		switch {
		case r.End() != nil || v.Array || v.Malformed:
			return unreadable
		case v.Type == uabin.Null:
			return absent
		}
	}
	structured := v.Type == uabin.TypeExtensionObject
	switch {
	case structured != (len(path) > 0):
		return noField
	case !structured:
		w.value = v
		return found
	}
	if depth++; depth > maxNesting {
		return unreadable
	}
	r := uabin.NewReader(v.Bytes)
	return w.object(r.ExtensionObject(), path, depth)
}

// walk looks for the field of a point in the value of its variable, an element of it if
// the point names one.
func (c *converter) walk(v *uabin.Variant, t *types) (w walker, quality acquire.Quality) {
	w = walker{types: t, left: maxParts}
	e, quality := c.pick(v)
	switch {
	case quality.IsBad():
		return w, quality
	case e.Type != uabin.TypeExtensionObject || t == nil:
		return w, badProtocol
	}
	r := uabin.NewReader(e.Bytes)
	return w, w.object(r.ExtensionObject(), c.path, 0).quality()
}

// fields reports whether an item has points of fields.
func (it *item) fields() bool {
	return slices.ContainsFunc(it.members, func(m member) bool { return m.convert.path != nil })
}

// acquaint has the types learnt that a value of an item needs and that are not known yet,
// and tells whether the server was asked for them.
func (it *item) acquaint(ctx context.Context, t *types, v *uabin.Variant) (asked bool, err error) {
	for i := range it.members {
		c := &it.members[i].convert
		for round := 0; c.path != nil && round < maxRounds; round++ {
			w, _ := c.walk(v, t)
			if !w.lacking || t.full() {
				break
			}
			asked = true
			if err := t.learnEncodings(ctx, []NodeID{nameNode(w.missing, t.link.namespaces)}); err != nil {
				return asked, err
			}
		}
	}
	return asked, nil
}

// meet learns the types of the variables of which fields are wanted, and says which
// fields they do not have.
func (st *standing) meet(ctx context.Context, resumed bool) error {
	var of []int
	for i := range st.src.items {
		if st.nodes[i] != nil && st.src.items[i].fields() {
			of = append(of, i)
		}
	}
	if len(of) == 0 {
		return nil
	}
	if resumed && st.types != nil {
		st.types.link.session = st.session
		return nil
	}
	l, err := newLink(ctx, st.session)
	if err != nil {
		return err
	}
	st.types = l.types
	asked := make([]attribute, len(of))
	for i, at := range of {
		asked[i] = attribute{st.nodes[at], ua.AttributeIDDataType}
	}
	said, err := l.attributes(ctx, asked)
	if err != nil {
		return err
	}
	var ids []NodeID
	for i := range said {
		if id, ok := said[i].NodeID(); ok {
			ids = append(ids, id)
		}
	}
	if err := l.types.learn(ctx, ids); err != nil && (l.gone(err) || !refused(err)) {
		return err
	}
	for i, at := range of {
		id, _ := said[i].NodeID()
		t := l.types.byID(id)
		for _, m := range st.src.items[at].members {
			if err := t.lacks(m.convert.path); err != nil {
				st.src.cfg.Client.Logger.Warn("opcua: no such field", slog.String("source", st.src.cfg.Name),
					slog.String("node", string(st.src.items[at].node)), slog.Any("error", err))
			}
		}
	}
	return nil
}

// lacks tells why a type has no field of a path; nil if it has, or if only values tell.
func (d *dataType) lacks(path []hop) error {
	t := d
	for _, s := range path {
		if t == nil || !t.structured || t.fault != nil || t.abstract {
			return nil
		}
		i := slices.IndexFunc(t.fields, func(f field) bool { return f.name == s.name })
		if i < 0 {
			return fmt.Errorf("opcua: data type %.100q has no field %.100q", t.name, s.name)
		}
		f := &t.fields[i]
		if rank := f.rank; (rank > 0) != (s.index != nil) && f.of != nil && f.of.builtIn != uabin.TypeVariant {
			return fmt.Errorf("opcua: field %.100q of data type %.100q is of value rank %d", s.name, t.name, rank)
		}
		t = f.of
	}
	if len(path) > 0 && t != nil && t.structured {
		return fmt.Errorf("opcua: field %.100q is a structure, of data type %.100q", path[len(path)-1].name, t.name)
	}
	return nil
}
