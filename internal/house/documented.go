package house

import (
	"go/ast"
	"go/token"
	"regexp"
	"slices"
	"strings"
)

func checkDocumented(m *Module) []Violation {
	var found []Violation
	for _, p := range m.Packages {
		if !p.Library() {
			continue
		}
		for f := range p.syntax {
			r := reader{m: m, p: p}
			for _, d := range f.Decls {
				r.declaration(d)
			}
			found = append(found, r.found...)
		}
	}
	return found
}

// reader looks for identifiers that a stranger would have to guess at.
type reader struct {
	m     *Module
	p     *Package
	found []Violation
}

func (r *reader) miss(id *ast.Ident, symbol string) {
	r.found = append(r.found, r.m.at(id.Pos(), r.p, symbol, "exported %s has no comment", symbol))
}

func (r *reader) declaration(d ast.Decl) {
	switch d := d.(type) {
	case *ast.FuncDecl:
		symbol, visible := d.Name.Name, d.Name.IsExported()
		if d.Recv != nil {
			receiver := receiverName(d)
			symbol, visible = receiver+"."+symbol, visible && ast.IsExported(receiver)
		}
		if visible && d.Doc.Text() == "" {
			r.miss(d.Name, symbol)
		}
	case *ast.GenDecl:
		for _, spec := range d.Specs {
			switch spec := spec.(type) {
			case *ast.TypeSpec:
				if spec.Name.IsExported() {
					if !said(spec.Doc, spec.Comment) && (d.Lparen.IsValid() || !said(d.Doc)) {
						r.miss(spec.Name, spec.Name.Name)
					}
					about := spec.Doc
					if about == nil && !d.Lparen.IsValid() {
						about = d.Doc
					}
					r.members(spec.Name.Name, about, spec.Type)
				}
			case *ast.ValueSpec:
				for _, id := range spec.Names {
					// A comment above a group of constants explains them all.
					if id.IsExported() && !said(spec.Doc, spec.Comment, d.Doc) {
						r.miss(id, id.Name)
					}
				}
			}
		}
	}
}

// members looks at the fields of a struct or the methods of an interface, whose
// own comment is about.
func (r *reader) members(owner string, about *ast.CommentGroup, t ast.Expr) {
	switch t := t.(type) {
	case *ast.StructType:
		r.fields(owner, about, t.Fields)
	case *ast.InterfaceType:
		for _, method := range t.Methods.List {
			for _, id := range method.Names {
				if id.IsExported() && !said(method.Doc, method.Comment) {
					r.miss(id, owner+"."+id.Name)
				}
			}
		}
	}
}

// fields accepts, besides a field's own comment, one on the struct or at the
// head of an unbroken run of fields that speaks of the field by name.
func (r *reader) fields(owner string, about *ast.CommentGroup, list *ast.FieldList) {
	var head *ast.CommentGroup
	last := token.NoPos
	for _, f := range list.List {
		if f.Doc != nil || last != token.NoPos && r.line(f.Pos()) > r.line(last)+1 {
			head = f.Doc
		}
		last = f.End()
		for _, id := range f.Names {
			if id.IsExported() && !said(f.Doc, f.Comment) && !mentions(head, id.Name) && !mentions(about, id.Name) {
				r.miss(id, owner+"."+id.Name)
			}
		}
		if st, ok := f.Type.(*ast.StructType); ok && len(f.Names) > 0 && f.Names[0].IsExported() {
			r.fields(owner+"."+f.Names[0].Name, f.Doc, st.Fields)
		}
	}
}

func (r *reader) line(pos token.Pos) int { return r.m.fset.Position(pos).Line }

// said reports whether any of the comments has text.
func said(comments ...*ast.CommentGroup) bool {
	return slices.ContainsFunc(comments, func(c *ast.CommentGroup) bool { return c.Text() != "" })
}

// mentions reports whether a comment has name as a word.
func mentions(c *ast.CommentGroup, name string) bool {
	return regexp.MustCompile(`\b` + name + `\b`).MatchString(c.Text())
}

// receiverName returns the name of the type a method belongs to.
func receiverName(d *ast.FuncDecl) string {
	t := d.Recv.List[0].Type
	for {
		switch x := t.(type) {
		case *ast.StarExpr:
			t = x.X
		case *ast.IndexExpr:
			t = x.X
		case *ast.IndexListExpr:
			t = x.X
		case *ast.ParenExpr:
			t = x.X
		case *ast.Ident:
			return x.Name
		default:
			return ""
		}
	}
}

// guarantees finds the heading by which a package comment introduces its list.
var guarantees = regexp.MustCompile(`(?m)^# Guarantees$`)

func checkPackage(m *Module) []Violation {
	var found []Violation
	for _, p := range m.Packages {
		var doc strings.Builder
		var inDoc string
		for f := range p.syntax {
			text := f.Doc.Text()
			doc.WriteString(text)
			if name := m.fset.Position(f.Pos()).Filename; strings.HasSuffix(name, "/doc.go") {
				inDoc = text
			}
		}
		switch {
		case doc.Len() == 0 && len(p.Files) > 0:
			found = append(found, m.about(p, "package %s has no comment", p.Dir))
			continue
		case !p.Public():
			continue
		}
		if !guarantees.MatchString(inDoc) {
			found = append(found, m.about(p, `package %s has no doc.go with a "# Guarantees" section`, p.Dir))
		}
		if !hasExample(p) {
			found = append(found, m.about(p, "package %s has no Example in its tests", p.Dir))
		}
	}
	return found
}

func hasExample(p *Package) bool {
	for _, f := range p.Tests {
		for _, d := range f.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && strings.HasPrefix(fn.Name.Name, "Example") {
				return true
			}
		}
	}
	return false
}
