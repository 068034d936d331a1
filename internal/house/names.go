package house

import (
	"go/ast"
	"path"
	"regexp"
	"slices"
	"strings"
)

// hollow are package names that say nothing about what is inside.
var hollow = []string{"base", "common", "core", "helper", "helpers", "manager", "misc", "models", "pkg", "shared", "types", "util", "utils"}

// getter matches an accessor that says Get.
var getter = regexp.MustCompile(`^Get[A-Z0-9]`)

func checkNames(m *Module) []Violation {
	var found []Violation
	for _, p := range m.Packages {
		if slices.Contains(hollow, path.Base(p.Dir)) {
			found = append(found, m.about(p, "package name %s says nothing: name what it provides", path.Base(p.Dir)))
		}
		found = append(found, countingTests(m, p)...)
		if !p.Library() {
			continue
		}
		for _, e := range surface(p) {
			name := e.symbol[strings.LastIndexByte(e.symbol, '.')+1:]
			if getter.MatchString(name) && !strings.HasPrefix(e.line, "type ") {
				found = append(found, m.at(e.pos, p, e.symbol, "%s: an accessor is named after what it returns, without Get", e.symbol))
			}
			if name == e.symbol && stutters(p.Name, name) {
				found = append(found, m.at(e.pos, p, e.symbol, "%s.%s repeats the package name", p.Name, name))
			}
		}
	}
	return found
}

// stutters reports whether an identifier opens with its package's name and goes
// on: modbus.ModbusSource, but neither units.Unit nor profile.Profile.
func stutters(pkg, name string) bool {
	if len(name) <= len(pkg) || !strings.EqualFold(name[:len(pkg)], pkg) {
		return false
	}
	next := name[len(pkg)]
	return next < 'a' || next > 'z'
}

// countingTests finds tests that count allocations and do not say so. The race
// detector allocates on its own account, so those tests run apart from it, and
// their names are how they are told apart.
func countingTests(m *Module, p *Package) []Violation {
	var found []Violation
	for _, f := range p.Tests {
		for _, d := range f.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok || !strings.HasPrefix(fn.Name.Name, "Test") || strings.Contains(fn.Name.Name, "Alloc") {
				continue
			}
			ast.Inspect(fn, func(n ast.Node) bool {
				if sel, ok := n.(*ast.SelectorExpr); ok && sel.Sel.Name == "AllocsPerRun" {
					found = append(found, m.at(fn.Pos(), p, fn.Name.Name, "%s counts allocations: put Alloc into its name", fn.Name.Name))
				}
				return true
			})
		}
	}
	return found
}
