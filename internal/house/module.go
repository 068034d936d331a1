package house

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// Module is one Go module as the go command sees it on this platform. It is
// read-only after [Load] and may be shared by goroutines.
type Module struct {
	// Dir is the absolute directory of go.mod.
	Dir string
	// Path is the module path.
	Path string
	// Packages are the module's own, in dependency order: each comes after
	// those it imports.
	Packages []*Package

	fset *token.FileSet
	// imports is the import graph of everything compiled, by import path.
	imports map[string][]string
}

// Package is one package of a [Module].
type Package struct {
	// Dir is slash-separated and relative to the module: "drivers/modbus".
	Dir string
	// Path is the import path, Name the identifier after the package keyword.
	Path, Name string
	// Files are compiled here, Elsewhere those that only other platforms
	// compile, Tests the test files of both kinds.
	Files, Elsewhere, Tests []*ast.File
	// Types and Info cover Files. They are incomplete when Errors is not empty.
	Types *types.Package
	Info  *types.Info
	// Errors are what listing, parsing and type checking complained about.
	Errors []error
	// Others has what is known of the identifiers in Elsewhere.
	Others *types.Info
}

// Public reports whether programs outside this module can import the package.
func (p *Package) Public() bool { return p.Library() && !matches("internal/...", p.Dir) }

// Library reports whether the package is linked into other programs: it is
// neither a command nor an example.
func (p *Package) Library() bool { return p.Name != "main" && !matches("examples/...", p.Dir) }

// TestSupport reports whether the package exists to be used by tests, which its
// name says by ending in test, as net/http/httptest does.
func (p *Package) TestSupport() bool { return strings.HasSuffix(p.Name, "test") }

// syntax yields the files of every platform with what is known of each.
func (p *Package) syntax(yield func(*ast.File, *types.Info) bool) {
	for _, f := range p.Files {
		if !yield(f, p.Info) {
			return
		}
	}
	for _, f := range p.Elsewhere {
		if !yield(f, p.Others) {
			return
		}
	}
}

// listed is the part of the go command's package description that we use.
type listed struct {
	Dir, ImportPath, Name, Export string
	Standard                      bool
	Module                        *struct {
		Path, Dir string
		Main      bool
	}
	GoFiles, IgnoredGoFiles, TestGoFiles, XTestGoFiles []string
	Imports                                            []string
	Error                                              *struct{ Err string }
}

// Load reads the module in dir. Packages that do not compile are part of the
// result, with their errors; an error means that there is nothing to check.
func Load(dir string) (*Module, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	all, err := goList(dir, "-e", "-deps",
		"-json=Dir,ImportPath,Name,Standard,Module,GoFiles,IgnoredGoFiles,TestGoFiles,XTestGoFiles,Imports,Error", "./...")
	if err != nil {
		return nil, err
	}
	m := &Module{fset: token.NewFileSet(), imports: make(map[string][]string)}
	var own []listed
	var foreign []string // what our packages import directly from others
	for _, l := range all {
		m.imports[l.ImportPath] = l.Imports
		if l.Module != nil && l.Module.Main {
			own = append(own, l)
			m.Dir, m.Path = l.Module.Dir, l.Module.Path
			foreign = append(foreign, l.Imports...)
		}
	}
	if len(own) == 0 {
		return nil, fmt.Errorf("house: %s has no packages", dir)
	}
	slices.Sort(foreign)
	foreign = slices.DeleteFunc(slices.Compact(foreign), func(p string) bool {
		return p == "unsafe" || p == "C" || m.owns(p)
	})
	lookup, err := exports(m.Dir, foreign)
	if err != nil {
		return nil, err
	}
	imp := &graphImporter{
		own:   make(map[string]*types.Package),
		other: importer.ForCompiler(m.fset, "gc", lookup),
	}
	for _, l := range own {
		p := m.load(l, imp)
		imp.own[p.Path] = p.Types
		m.Packages = append(m.Packages, p)
	}
	return m, nil
}

// load parses and checks one package.
func (m *Module) load(l listed, imp types.Importer) *Package {
	rel, err := filepath.Rel(m.Dir, l.Dir)
	p := &Package{Dir: filepath.ToSlash(rel), Path: l.ImportPath, Name: l.Name}
	if err != nil {
		p.Errors = append(p.Errors, err)
	}
	if l.Error != nil {
		p.Errors = append(p.Errors, errors.New(l.Error.Err))
	}
	parse := func(names []string) []*ast.File {
		var files []*ast.File
		for _, name := range names {
			f, err := parser.ParseFile(m.fset, filepath.Join(l.Dir, name), nil, parser.ParseComments|parser.SkipObjectResolution)
			if err != nil {
				p.Errors = append(p.Errors, err)
			}
			if f != nil {
				files = append(files, f)
			}
		}
		return files
	}
	p.Files = parse(l.GoFiles)
	p.Tests = parse(append(l.TestGoFiles, l.XTestGoFiles...))
	p.Elsewhere = slices.DeleteFunc(parse(l.IgnoredGoFiles), func(f *ast.File) bool {
		// Generators are commands that happen to live here.
		return f.Name.Name != p.Name || strings.HasSuffix(m.fset.File(f.FileStart).Name(), "_test.go")
	})

	p.Info = newInfo()
	conf := types.Config{Importer: imp, Error: func(err error) { p.Errors = append(p.Errors, err) }}
	// Check's own result is the first of the errors that the handler has seen.
	p.Types, _ = conf.Check(p.Path, m.fset, p.Files, p.Info)

	// Files of other platforms are checked for what their identifiers mean, not
	// for correctness: half of what they refer to is not here.
	p.Others = newInfo()
	conf.Error = func(error) {}
	_, _ = conf.Check(p.Path, m.fset, p.Elsewhere, p.Others)
	return p
}

func newInfo() *types.Info {
	return &types.Info{
		Types: make(map[ast.Expr]types.TypeAndValue),
		Defs:  make(map[*ast.Ident]types.Object),
		Uses:  make(map[*ast.Ident]types.Object),
	}
}

// graphImporter finds our packages among those already checked, and others in
// the compiler's export data.
type graphImporter struct {
	own   map[string]*types.Package
	other types.Importer
}

func (g *graphImporter) Import(p string) (*types.Package, error) {
	if own, ok := g.own[p]; ok {
		return own, nil
	}
	return g.other.Import(p)
}

// exports finds the compiler's export data of the packages named.
func exports(dir string, paths []string) (func(string) (io.ReadCloser, error), error) {
	files := make(map[string]string)
	if len(paths) > 0 {
		ls, err := goList(dir, append([]string{"-e", "-export", "-json=ImportPath,Export"}, paths...)...)
		if err != nil {
			return nil, err
		}
		for _, l := range ls {
			files[l.ImportPath] = l.Export
		}
	}
	return func(p string) (io.ReadCloser, error) {
		if files[p] == "" {
			return nil, fmt.Errorf("house: no export data for %s", p)
		}
		return os.Open(files[p])
	}, nil
}

// goList runs go list in dir and decodes its stream of objects.
func goList(dir string, args ...string) ([]listed, error) {
	out, err := run(dir, "go", append([]string{"list"}, args...)...)
	if err != nil {
		return nil, err
	}
	var all []listed
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var l listed
		switch err := d.Decode(&l); {
		case errors.Is(err, io.EOF):
			return all, nil
		case err != nil:
			return nil, fmt.Errorf("house: go list: %w", err)
		}
		all = append(all, l)
	}
}

// run starts a program in dir, without any Go workspace, and returns what it
// prints.
func run(dir, program string, args ...string) ([]byte, error) {
	cmd := exec.Command(program, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOWORK=off")
	var out, complaint bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaint
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("house: %s %s: %w\n%s", program, args[0], err, complaint.Bytes())
	}
	return out.Bytes(), nil
}

// Modules returns the module and all modules it depends on, with versions, one
// to a line, as go list -m all prints them.
func (m *Module) Modules() ([]string, error) {
	out, err := run(m.Dir, "go", "list", "-m", "all")
	if err != nil {
		return nil, err
	}
	return strings.Split(strings.TrimSpace(string(out)), "\n"), nil
}

// owns reports whether an import path belongs to the module.
func (m *Module) owns(importPath string) bool {
	return importPath == m.Path || strings.HasPrefix(importPath, m.Path+"/")
}

// room turns an import path of ours into a path relative to the module.
func (m *Module) room(importPath string) string {
	return path.Clean(strings.TrimPrefix(strings.TrimPrefix(importPath, m.Path), "/"))
}

// standard reports whether an import path is the standard library's: alone of
// all, its first element has no dot.
func (m *Module) standard(importPath string) bool {
	first, _, _ := strings.Cut(importPath, "/")
	return !m.owns(importPath) && !strings.Contains(first, ".")
}

// at makes a violation of a position. A symbol is added by the caller.
func (m *Module) at(pos token.Pos, p *Package, symbol, format string, args ...any) Violation {
	where := m.fset.Position(pos)
	file, err := filepath.Rel(m.Dir, where.Filename)
	if err != nil {
		file = where.Filename
	}
	return Violation{
		File:   filepath.ToSlash(file),
		Line:   where.Line,
		Symbol: p.Dir + "." + symbol,
		Reason: fmt.Sprintf(format, args...),
	}
}

// about makes a violation of a package as a whole: it points at the package
// clause of its first file.
func (m *Module) about(p *Package, format string, args ...any) Violation {
	for _, f := range slices.Concat(p.Files, p.Elsewhere, p.Tests) {
		return m.at(f.Name.Pos(), p, p.Name, format, args...)
	}
	return Violation{File: p.Dir, Symbol: p.Dir + "." + p.Name, Reason: fmt.Sprintf(format, args...)}
}

func checkBuilds(m *Module) []Violation {
	var found []Violation
	for _, p := range m.Packages {
		if len(p.Errors) > 0 {
			v := m.about(p, "%s does not compile: %v", p.Dir, p.Errors[0])
			if e, ok := errors.AsType[types.Error](p.Errors[0]); ok {
				v = m.at(e.Pos, p, p.Name, "%s does not compile: %s", p.Dir, e.Msg)
			}
			found = append(found, v)
		}
	}
	return found
}

// matches reports whether a room fits a pattern: path elements, "*" for any
// one of them, and a last "..." for the room itself and everything below it.
func matches(pattern, room string) bool {
	_, ok := tree(pattern, room)
	return ok
}

// tree is matches, and returns the part of room before the "...".
func tree(pattern, room string) (root string, ok bool) {
	want, have := strings.Split(pattern, "/"), strings.Split(room, "/")
	for i, w := range want {
		switch {
		case w == "..." && i == len(want)-1:
			return strings.Join(have[:i], "/"), true
		case i >= len(have) || w != "*" && w != have[i]:
			return "", false
		}
	}
	return room, len(want) == len(have)
}
