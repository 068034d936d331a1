package house

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// layer says what the packages of one room may import besides the standard
// library and, where the room is a tree, each other.
type layer struct {
	room string   // a pattern: see matches
	ours []string // rooms of this module, as patterns
	not  []string // packages of the standard library it must do without
	// clients are the modules of others it may import. Nobody else may.
	clients []string
}

// layers are looked up from the top: the first row that fits a package rules it.
var layers = []layer{
	{room: "units/...", not: effects},
	{room: "acquire", ours: []string{"units"}, not: network},
	// It wraps what a host dials, and dials nothing itself.
	{room: "acquire/capture/wire", ours: []string{"units", "internal/..."}, not: network[1:]},
	{room: "acquire/...", ours: []string{"units", "internal/..."}, not: network},
	// It keeps what metering made in the files that captures are kept in.
	{room: "aggregate/partial", ours: []string{"acquire/capture", "acquire", "units", "aggregate"}, not: effects},
	{room: "aggregate/...", ours: []string{"acquire", "units", "internal/..."}, not: effects},

	{room: "drivers/modbus/...", ours: vocabulary, clients: []string{"github.com/goburrow/modbus", "github.com/goburrow/serial"}},
	{room: "drivers/opcua/...", ours: vocabulary, clients: []string{"github.com/gopcua/opcua"}},
	{room: "drivers/*/...", ours: vocabulary},

	// The first program a reader runs brings its own plant, which is not for
	// export.
	{room: "examples/quickstart/...", ours: append([]string{"internal/plant/..."}, public...)},
	{room: "examples/...", ours: public},

	{room: "internal/house", ours: nil},
	{room: "internal/...", ours: public},
}

var (
	// vocabulary is what a driver shares with the rest.
	vocabulary = []string{"acquire/...", "units/...", "internal/..."}
	// public is what everybody outside can import.
	public = []string{"acquire/...", "units/...", "aggregate/...", "drivers/..."}

	// network keeps contracts apart from transports.
	network = []string{"net", "net/http/...", "net/rpc/...", "net/smtp", "net/textproto", "os/exec"}
	// effects keep arithmetic free of anything a test would have to fake.
	effects = append([]string{"os", "log/...", "context", "expvar", "flag", "runtime/..."}, network...)
)

// testClients are modules that any test file may import, and nothing else.
// gosnmp is a second opinion on what SNMP messages say.
var testClients = []string{"github.com/stretchr/testify", "github.com/gosnmp/gosnmp"}

// separate are pairs of rooms of which the first must not even reach the second
// through others: importing one driver compiles no other, and metering and
// drivers never meet.
var separate = [][2]string{
	{"units/...", "acquire/..."},
	{"units/...", "internal/..."},
	{"acquire/...", "drivers/..."},
	{"acquire/...", "aggregate/..."},
	{"aggregate/...", "drivers/..."},
	{"drivers/...", "aggregate/..."},
	{"drivers/*/...", "drivers/..."},
}

// alone are rooms that compile nothing but the standard library and this module.
var alone = []string{"units/...", "acquire/...", "aggregate/..."}

// layerOf finds the row that rules a room.
func layerOf(room string) (layer, bool) {
	i := slices.IndexFunc(layers, func(l layer) bool { return matches(l.room, room) })
	if i < 0 {
		return layer{}, false
	}
	return layers[i], true
}

// fits reports whether any pattern matches.
func fits(patterns []string, room string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return matches(p, room) })
}

// partOf reports whether an import path belongs to one of the modules.
func partOf(modules []string, importPath string) bool {
	return slices.ContainsFunc(modules, func(mod string) bool {
		return importPath == mod || strings.HasPrefix(importPath, mod+"/")
	})
}

func checkImports(m *Module) []Violation {
	var found []Violation
	for _, p := range m.Packages {
		l, ok := layerOf(p.Dir)
		if !ok {
			found = append(found, m.about(p, "%s has no row in the table of layers: say who it is and what it may import", p.Dir))
			continue
		}
		for f := range p.syntax {
			for _, spec := range f.Imports {
				if path, err := strconv.Unquote(spec.Path.Value); err == nil {
					if why := m.forbidden(l, p, path); why != "" {
						found = append(found, m.at(spec.Pos(), p, path, "%s imports %s: %s", p.Dir, path, why))
					}
				}
			}
		}
		for _, f := range p.Tests {
			for _, spec := range f.Imports {
				path, err := strconv.Unquote(spec.Path.Value)
				if err == nil && !m.owns(path) && !m.standard(path) && !partOf(l.clients, path) && !partOf(testClients, path) {
					found = append(found, m.at(spec.Pos(), p, path, "tests of %s import %s: tests may use %s",
						p.Dir, path, strings.Join(slices.Concat(testClients, l.clients), ", ")))
				}
			}
		}
	}
	return found
}

// forbidden says why a package must not import a path, or nothing.
func (m *Module) forbidden(l layer, p *Package, path string) string {
	switch {
	case m.owns(path):
		target := m.room(path)
		root, _ := tree(l.room, p.Dir)
		inTree := strings.HasSuffix(l.room, "/...") && matches(root+"/...", target)
		if !inTree && !fits(l.ours, target) {
			return fmt.Sprintf("of this module, %s may import %s", l.room, orNothing(l.ours))
		}
	case m.standard(path):
		if fits(l.not, path) {
			return fmt.Sprintf("%s does without it", l.room)
		}
	case !partOf(l.clients, path):
		return fmt.Sprintf("of other modules, %s may import %s", l.room, orNothing(l.clients))
	}
	return ""
}

func orNothing(list []string) string {
	if len(list) == 0 {
		return "nothing"
	}
	return strings.Join(list, ", ")
}

func checkReach(m *Module) []Violation {
	var found []Violation
	for _, p := range m.Packages {
		for _, pair := range separate {
			root, ok := tree(pair[0], p.Dir)
			if !ok {
				continue
			}
			if chain := m.chain(p.Path, func(path string) bool {
				// What lies in the package's own tree is not another's.
				return m.owns(path) && matches(pair[1], m.room(path)) && !matches(root+"/...", m.room(path))
			}); chain != nil {
				found = append(found, m.about(p, "%s compiles %s: %s", p.Dir, pair[1], m.route(chain)))
			}
		}
		if !fits(alone, p.Dir) {
			continue
		}
		if chain := m.chain(p.Path, func(path string) bool { return !m.owns(path) && !m.standard(path) }); chain != nil {
			found = append(found, m.about(p, "%s compiles a module of others: %s", p.Dir, m.route(chain)))
		}
	}
	return found
}

// chain returns a shortest path in the import graph to a package that is bad,
// or nil when there is none. It does not enter the standard library.
func (m *Module) chain(from string, bad func(string) bool) []string {
	cameFrom := map[string]string{from: ""}
	for queue := []string{from}; len(queue) > 0; queue = queue[1:] {
		for _, next := range m.imports[queue[0]] {
			if _, seen := cameFrom[next]; seen || m.standard(next) {
				continue
			}
			cameFrom[next] = queue[0]
			if !bad(next) {
				queue = append(queue, next)
				continue
			}
			var route []string
			for at := next; at != ""; at = cameFrom[at] {
				route = append(route, at)
			}
			slices.Reverse(route)
			return route
		}
	}
	return nil
}

// route prints a chain, our packages by room.
func (m *Module) route(chain []string) string {
	names := make([]string, len(chain))
	for i, path := range chain {
		names[i] = path
		if m.owns(path) {
			names[i] = m.room(path)
		}
	}
	return strings.Join(names, " -> ")
}

func checkTesting(m *Module) []Violation {
	support := make(map[string]bool)
	for _, p := range m.Packages {
		support[p.Path] = p.TestSupport()
	}
	var found []Violation
	for _, p := range m.Packages {
		if !p.Public() || p.TestSupport() {
			continue
		}
		for f := range p.syntax {
			for _, spec := range f.Imports {
				path, err := strconv.Unquote(spec.Path.Value)
				if err == nil && (support[path] || matches("testing/...", path)) {
					found = append(found, m.at(spec.Pos(), p, path,
						"%s imports %s: only packages whose name ends in test do", p.Dir, path))
				}
			}
		}
	}
	return found
}
