package house

import (
	"fmt"
	"go/ast"
	"go/token"
	"go/types"
	"slices"
	"strings"
)

// entry is one line of the API listing: one exported identifier, and the types
// its users get to see.
type entry struct {
	line   string
	symbol string
	pos    token.Pos
	types  []types.Type
}

// API lists what the public packages of the module export, one identifier to a
// line, sorted. Parameter names are left out: renaming one changes no contract.
func (m *Module) API() []string {
	var lines []string
	for _, p := range m.Packages {
		if p.Public() {
			for _, e := range surface(p) {
				lines = append(lines, "pkg "+p.Dir+", "+e.line)
			}
		}
	}
	slices.Sort(lines)
	return lines
}

// surface walks the exported identifiers of a package.
func surface(p *Package) []entry {
	if p.Types == nil {
		return nil
	}
	s := surveyor{p: p, declared: declarations(p)}
	scope := p.Types.Scope()
	for _, name := range scope.Names() {
		if obj := scope.Lookup(name); obj.Exported() {
			s.object(obj)
		}
	}
	return s.entries
}

// surveyor collects the entries of one package.
type surveyor struct {
	p *Package
	// declared holds what stands to the right of each type name: the checker
	// looks through it, a reader does not.
	declared map[types.Object]types.Type
	entries  []entry
}

func declarations(p *Package) map[types.Object]types.Type {
	declared := make(map[types.Object]types.Type)
	for _, f := range p.Files {
		for _, d := range f.Decls {
			if g, ok := d.(*ast.GenDecl); ok && g.Tok == token.TYPE {
				for _, spec := range g.Specs {
					t := spec.(*ast.TypeSpec)
					declared[p.Info.Defs[t.Name]] = p.Info.TypeOf(t.Type)
				}
			}
		}
	}
	return declared
}

func (s *surveyor) add(obj types.Object, symbol, line string, seen ...types.Type) {
	s.entries = append(s.entries, entry{line: line, symbol: symbol, pos: obj.Pos(), types: seen})
}

func (s *surveyor) object(obj types.Object) {
	name, t := obj.Name(), obj.Type()
	switch obj := obj.(type) {
	case *types.Const:
		s.add(obj, name, fmt.Sprintf("const %s %s = %s", name, s.print(t), obj.Val().ExactString()), t)
	case *types.Var:
		s.add(obj, name, fmt.Sprintf("var %s %s", name, s.print(t)), t)
	case *types.Func:
		sig := obj.Signature()
		s.add(obj, name, fmt.Sprintf("func %s%s%s", name, s.parameters(sig.TypeParams()), s.signature(sig)), t)
	case *types.TypeName:
		if obj.IsAlias() {
			s.add(obj, name, fmt.Sprintf("type %s = %s", name, s.print(s.declared[obj])), s.declared[obj])
			return
		}
		s.defined(obj)
	}
}

// defined lists a type, its exported fields and its exported methods.
func (s *surveyor) defined(obj *types.TypeName) {
	name, named := obj.Name(), obj.Type().(*types.Named)
	head := fmt.Sprintf("type %s%s", name, s.parameters(named.TypeParams()))
	switch under := named.Underlying().(type) {
	case *types.Struct:
		s.add(obj, name, head+" struct", s.told(obj)...)
		for field := range under.Fields() {
			switch {
			case field.Embedded() && field.Exported():
				s.add(field, name+"."+field.Name(), fmt.Sprintf("%s struct, embedded %s", head, s.print(field.Type())), field.Type())
			case field.Exported():
				s.add(field, name+"."+field.Name(), fmt.Sprintf("%s struct, %s %s", head, field.Name(), s.print(field.Type())), field.Type())
			}
		}
	case *types.Interface:
		s.interfaceType(obj, head, under)
		return // its methods are listed there
	default:
		s.add(obj, name, fmt.Sprintf("%s %s", head, s.print(under)), s.told(obj)...)
	}
	byValue := types.NewMethodSet(named)
	for sel := range types.NewMethodSet(types.NewPointer(named)).Methods() {
		method := sel.Obj().(*types.Func)
		if !method.Exported() {
			continue
		}
		receiver := "*" + name
		if byValue.Lookup(method.Pkg(), method.Name()) != nil {
			receiver = name
		}
		s.entries = append(s.entries, entry{
			line:   fmt.Sprintf("method (%s) %s%s", receiver, method.Name(), s.signature(sel.Type().(*types.Signature))),
			symbol: name + "." + method.Name(),
			pos:    s.near(method, obj),
			types:  []types.Type{sel.Type()},
		})
	}
}

// told returns the type a declaration is written with, unless it is a literal,
// whose parts are entries of their own.
func (s *surveyor) told(obj *types.TypeName) []types.Type {
	switch t := s.declared[obj].(type) {
	case *types.Struct, *types.Interface, nil:
		return nil
	default:
		return []types.Type{t}
	}
}

func (s *surveyor) interfaceType(obj *types.TypeName, head string, under *types.Interface) {
	var names []string
	hidden := false
	for method := range under.Methods() {
		if !method.Exported() {
			hidden = true
			continue
		}
		names = append(names, method.Name())
	}
	if hidden {
		names = append(names, "unexported methods")
	}
	var seen []types.Type
	for embedded := range under.EmbeddedTypes() {
		seen = append(seen, embedded)
	}
	s.add(obj, obj.Name(), fmt.Sprintf("%s interface { %s }", head, strings.Join(names, ", ")), append(seen, s.told(obj)...)...)
	for method := range under.Methods() {
		if method.Exported() {
			s.entries = append(s.entries, entry{
				line:   fmt.Sprintf("%s interface, %s%s", head, method.Name(), s.signature(method.Signature())),
				symbol: obj.Name() + "." + method.Name(),
				pos:    s.near(method, obj),
				types:  []types.Type{method.Type()},
			})
		}
	}
}

// near returns where an object is declared, or, when that is in another
// package, where the type that brings it in is.
func (s *surveyor) near(obj, owner types.Object) token.Pos {
	if obj.Pkg() == s.p.Types {
		return obj.Pos()
	}
	return owner.Pos()
}

// print names a type as this package's source would, without parameter names.
func (s *surveyor) print(t types.Type) string {
	switch t := t.(type) {
	case *types.Signature:
		return "func" + s.signature(t)
	case *types.Pointer:
		return "*" + s.print(t.Elem())
	case *types.Slice:
		return "[]" + s.print(t.Elem())
	case *types.Array:
		return fmt.Sprintf("[%d]%s", t.Len(), s.print(t.Elem()))
	case *types.Map:
		return fmt.Sprintf("map[%s]%s", s.print(t.Key()), s.print(t.Elem()))
	}
	return types.TypeString(t, func(other *types.Package) string {
		if other == s.p.Types {
			return ""
		}
		return other.Name()
	})
}

// signature prints parameters and results by type.
func (s *surveyor) signature(sig *types.Signature) string {
	list := func(tuple *types.Tuple) []string {
		var out []string
		for v := range tuple.Variables() {
			out = append(out, s.print(v.Type()))
		}
		return out
	}
	params, results := list(sig.Params()), list(sig.Results())
	if last := len(params) - 1; sig.Variadic() {
		params[last] = "..." + strings.TrimPrefix(params[last], "[]")
	}
	text := "(" + strings.Join(params, ", ") + ")"
	switch len(results) {
	case 0:
		return text
	case 1:
		return text + " " + results[0]
	default:
		return text + " (" + strings.Join(results, ", ") + ")"
	}
}

// parameters prints type parameters with their constraints.
func (s *surveyor) parameters(list *types.TypeParamList) string {
	var out []string
	for t := range list.TypeParams() {
		out = append(out, t.Obj().Name()+" "+s.print(t.Constraint()))
	}
	if out == nil {
		return ""
	}
	return "[" + strings.Join(out, ", ") + "]"
}

func checkSurface(m *Module) []Violation {
	var found []Violation
	for _, p := range m.Packages {
		if !p.Public() {
			continue
		}
		for _, e := range surface(p) {
			w := wanderer{m: m, seen: make(map[types.Type]bool)}
			for _, t := range e.types {
				w.visit(t)
			}
			for _, name := range w.foreign {
				found = append(found, m.at(e.pos, p, e.symbol, "exported %s mentions %s: keep other people's types inside", e.symbol, name))
			}
		}
		found = append(found, promotions(m, p)...)
	}
	return found
}

// promotions finds unexported embedded fields of a third-party type: the field
// is hidden, its methods are not.
func promotions(m *Module, p *Package) []Violation {
	var found []Violation
	if p.Types == nil {
		return nil
	}
	scope := p.Types.Scope()
	for _, name := range scope.Names() {
		obj := scope.Lookup(name)
		st, ok := obj.Type().Underlying().(*types.Struct)
		if _, isType := obj.(*types.TypeName); !ok || !isType || !obj.Exported() {
			continue
		}
		for field := range st.Fields() {
			if field.Embedded() && !field.Exported() {
				w := wanderer{m: m, seen: make(map[types.Type]bool)}
				w.visit(field.Type())
				for _, other := range w.foreign {
					found = append(found, m.at(field.Pos(), p, name+"."+field.Name(), "exported %s embeds %s: keep other people's types inside", name, other))
				}
			}
		}
	}
	return found
}

// wanderer finds third-party types that are reachable from a type without
// looking inside exported types of ours: those have entries of their own.
type wanderer struct {
	m       *Module
	seen    map[types.Type]bool
	foreign []string
}

func (w *wanderer) visit(t types.Type) {
	if t == nil || w.seen[t] {
		return
	}
	w.seen[t] = true
	switch t := t.(type) {
	case *types.Alias:
		if w.named(t.Obj()) {
			w.each(t.TypeArgs())
			w.visit(t.Rhs())
		}
	case *types.Named:
		if !w.named(t.Obj()) {
			return
		}
		w.each(t.TypeArgs())
		if obj := t.Obj(); obj.Pkg() != nil && w.m.owns(obj.Pkg().Path()) && !obj.Exported() {
			w.hidden(t)
		}
	case *types.TypeParam:
		w.visit(t.Constraint())
	case *types.Signature:
		for tp := range t.TypeParams().TypeParams() {
			w.visit(tp)
		}
		w.visit(t.Params())
		w.visit(t.Results())
	case *types.Tuple:
		for v := range t.Variables() {
			w.visit(v.Type())
		}
	case *types.Struct:
		for f := range t.Fields() {
			if f.Exported() || f.Embedded() {
				w.visit(f.Type())
			}
		}
	case *types.Interface:
		for f := range t.Methods() {
			if f.Exported() {
				w.visit(f.Type())
			}
		}
		for e := range t.EmbeddedTypes() {
			w.visit(e)
		}
	case *types.Union:
		for term := range t.Terms() {
			w.visit(term.Type())
		}
	case *types.Map:
		w.visit(t.Key())
		w.visit(t.Elem())
	case interface{ Elem() types.Type }: // pointers, slices, arrays, channels
		w.visit(t.Elem())
	}
}

// named notes a third-party name and reports whether to look behind it.
func (w *wanderer) named(obj *types.TypeName) bool {
	pkg := obj.Pkg()
	if pkg == nil || w.m.standard(pkg.Path()) || w.m.owns(pkg.Path()) {
		return true
	}
	w.foreign = append(w.foreign, pkg.Path()+"."+obj.Name())
	return false
}

// hidden looks at what an unexported type of ours shows to those who get hold
// of a value of it.
func (w *wanderer) hidden(t *types.Named) {
	w.visit(t.Underlying())
	for sel := range types.NewMethodSet(types.NewPointer(t)).Methods() {
		if sel.Obj().Exported() {
			w.visit(sel.Type())
		}
	}
}

func (w *wanderer) each(list *types.TypeList) {
	for t := range list.Types() {
		w.visit(t)
	}
}
