package house

import (
	"go/ast"
	"go/token"
	"go/types"
	"slices"
	"strings"
)

// ban names things of the standard library that some packages do without.
type ban struct {
	// names are import path, dot, identifier; a last "*" stands for any rest.
	// Without a path they are predeclared.
	names []string
	in    func(*Package) bool
	why   string
}

var bans = []ban{
	{[]string{"time.Sleep"}, everywhere,
		"nothing can interrupt it: select on a timer and on the context"},
	{[]string{"time.Now", "time.Since", "time.Until", "time.After*", "time.Tick*", "time.New*"}, rooms("units/...", "aggregate/..."),
		"time is in the samples: a result must not depend on when it is computed"},
	{[]string{"log.Default", "log.Print*", "log.Fatal*", "log.Panic*", "log.Set*"}, linked,
		"the host owns the log: take a *slog.Logger in the configuration"},
	{[]string{"log/slog.Default", "log/slog.SetDefault", "log/slog.Debug*", "log/slog.Info*", "log/slog.Warn*", "log/slog.Error*", "log/slog.Log"}, linked,
		"the host owns the log: take a *slog.Logger in the configuration"},
	{[]string{"fmt.Print*", "os.Stdout", "os.Stderr", "print", "println"}, linked,
		"the host owns the terminal"},
	{[]string{"os.Exit", "runtime.Goexit"}, linked,
		"the host owns the process: return an error"},
	{[]string{"panic"}, linked,
		"input never panics: return an error"},
	{[]string{"context.Background", "context.TODO"}, called,
		"the caller decides how long to wait: take a context"},
	{[]string{"os.Getenv", "os.LookupEnv", "os.Environ", "os.ExpandEnv"}, (*Package).Public,
		"configuration is in the Config, where a reader sees it"},
	{[]string{"net.Dial*", "net/http.*"}, outside("drivers/..."),
		"only drivers open connections, and only to addresses they were given"},
	{[]string{"os/exec.*"}, outside("internal/..."),
		"a library starts no programs"},
}

func everywhere(*Package) bool { return true }

// linked says whether a package becomes part of other people's programs.
func linked(p *Package) bool { return p.Library() }

// called says whether a package waits on behalf of others. A conformance kit is
// the caller.
func called(p *Package) bool { return p.Library() && !p.TestSupport() }

func rooms(patterns ...string) func(*Package) bool {
	return func(p *Package) bool { return fits(patterns, p.Dir) }
}

func outside(patterns ...string) func(*Package) bool {
	return func(p *Package) bool { return !fits(patterns, p.Dir) }
}

// covers reports whether the ban names a thing.
func (b ban) covers(name string) bool {
	return slices.ContainsFunc(b.names, func(pattern string) bool {
		prefix, open := strings.CutSuffix(pattern, "*")
		return name == pattern || open && strings.HasPrefix(name, prefix)
	})
}

func checkBanned(m *Module) []Violation {
	var found []Violation
	for _, p := range m.Packages {
		for f, info := range p.syntax {
			for _, d := range f.Decls {
				in := declared(d)
				ast.Inspect(d, func(n ast.Node) bool {
					name := referred(info, n)
					if name == "" {
						return true
					}
					for _, b := range bans {
						if b.in(p) && b.covers(name) {
							found = append(found, m.at(n.Pos(), p, in, "%s uses %s: %s", p.Dir, name, b.why))
						}
					}
					return true
				})
			}
		}
	}
	return found
}

// referred names what a node refers to: something in another package, by its
// import path, or something predeclared. It asks the type checker, so that a
// renamed import hides nothing and a local variable called log is no log.
func referred(info *types.Info, n ast.Node) string {
	switch n := n.(type) {
	case *ast.SelectorExpr:
		if x, ok := n.X.(*ast.Ident); ok {
			if pkg, ok := info.Uses[x].(*types.PkgName); ok {
				return pkg.Imported().Path() + "." + n.Sel.Name
			}
		}
	case *ast.Ident:
		switch obj := info.Uses[n].(type) {
		case *types.Builtin:
			return obj.Name()
		case *types.Func, *types.Var:
			// After a dot import nothing but the object says where it is from.
			if pkg := obj.Pkg(); pkg != nil && obj.Parent() == pkg.Scope() {
				return pkg.Path() + "." + obj.Name()
			}
		}
	}
	return ""
}

// declared names a top-level declaration as an [Allowance] would: Func,
// Type.Method, or the first name of a group.
func declared(d ast.Decl) string {
	switch d := d.(type) {
	case *ast.FuncDecl:
		if d.Recv != nil {
			return receiverName(d) + "." + d.Name.Name
		}
		return d.Name.Name
	case *ast.GenDecl:
		for _, spec := range d.Specs {
			switch spec := spec.(type) {
			case *ast.ValueSpec:
				return spec.Names[0].Name
			case *ast.TypeSpec:
				return spec.Name.Name
			}
		}
	}
	return ""
}

func checkInit(m *Module) []Violation {
	var found []Violation
	for _, p := range m.Packages {
		if !p.Library() {
			continue
		}
		for f := range p.syntax {
			for _, d := range f.Decls {
				if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
					found = append(found, m.at(fn.Pos(), p, "init", "%s has an init function: let the host call a constructor", p.Dir))
				}
			}
			for _, spec := range f.Imports {
				if spec.Name != nil && spec.Name.Name == "_" && spec.Path.Value != `"embed"` {
					found = append(found, m.at(spec.Pos(), p, "_", "%s imports %s for what it does on import: let the host call a constructor", p.Dir, spec.Path.Value))
				}
			}
		}
	}
	return found
}

func checkState(m *Module) []Violation {
	var found []Violation
	for _, p := range m.Packages {
		if !p.Library() {
			continue
		}
		for f, info := range p.syntax {
			for _, d := range f.Decls {
				found = append(found, variables(m, p, info, d)...)
				found = append(found, writes(m, p, info, d)...)
			}
		}
	}
	return found
}

// variables finds package-level variables that are made to change: those that
// other packages can assign to, and those of types that exist to be changed.
func variables(m *Module, p *Package, info *types.Info, d ast.Decl) []Violation {
	g, ok := d.(*ast.GenDecl)
	if !ok || g.Tok != token.VAR {
		return nil
	}
	var found []Violation
	for _, spec := range g.Specs {
		for _, id := range spec.(*ast.ValueSpec).Names {
			obj := info.Defs[id]
			if obj == nil || id.Name == "_" {
				continue
			}
			switch {
			case id.IsExported() && p.Public() && !isError(obj.Type()):
				found = append(found, m.at(id.Pos(), p, id.Name,
					"exported variable %s can be assigned from anywhere: make it a constant, a function, or an error sentinel", id.Name))
			case changes(obj.Type()):
				found = append(found, m.at(id.Pos(), p, id.Name,
					"package-level %s is shared state: put it into a value that the host makes", id.Name))
			}
		}
	}
	return found
}

// changes reports whether a type is a lock, a pool, an atomic, or a channel.
func changes(t types.Type) bool {
	if p, ok := t.(*types.Pointer); ok {
		t = p.Elem()
	}
	if n, ok := types.Unalias(t).(*types.Named); ok && n.Obj().Pkg() != nil {
		path := n.Obj().Pkg().Path()
		return path == "sync" || path == "sync/atomic"
	}
	_, ok := t.Underlying().(*types.Chan)
	return ok
}

// isError reports whether a type is the predeclared error.
func isError(t types.Type) bool { return types.Identical(t, types.Universe.Lookup("error").Type()) }

// writes finds assignments, inside functions, to variables of the package.
func writes(m *Module, p *Package, info *types.Info, d ast.Decl) []Violation {
	fn, ok := d.(*ast.FuncDecl)
	if !ok || fn.Body == nil {
		return nil
	}
	var found []Violation
	note := func(target ast.Expr) {
		if v := packageVariable(info, target); v != nil {
			found = append(found, m.at(target.Pos(), p, v.Name(),
				"%s writes to package-level %s: put it into a value that the host makes", declared(d), v.Name()))
		}
	}
	ast.Inspect(fn.Body, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.AssignStmt:
			if n.Tok != token.DEFINE {
				for _, target := range n.Lhs {
					note(target)
				}
			}
		case *ast.IncDecStmt:
			note(n.X)
		case *ast.RangeStmt:
			if n.Tok == token.ASSIGN {
				note(n.Key)
				note(n.Value)
			}
		case *ast.CallExpr:
			switch referred(info, n.Fun) {
			case "delete", "clear", "copy":
				note(n.Args[0])
			}
		}
		return true
	})
	return found
}

// packageVariable returns the package-level variable that an assignment to
// target changes, if any.
func packageVariable(info *types.Info, target ast.Expr) *types.Var {
	for {
		switch x := target.(type) {
		case *ast.ParenExpr:
			target = x.X
		case *ast.IndexExpr:
			target = x.X
		case *ast.SliceExpr:
			target = x.X
		case *ast.StarExpr:
			target = x.X
		case *ast.SelectorExpr:
			if v := global(info.Uses[x.Sel]); v != nil {
				return v // of another package
			}
			target = x.X
		case *ast.Ident:
			return global(info.Uses[x])
		default:
			return nil
		}
	}
}

func global(obj types.Object) *types.Var {
	v, ok := obj.(*types.Var)
	if !ok || v.Pkg() == nil || v.Parent() != v.Pkg().Scope() {
		return nil
	}
	return v
}
