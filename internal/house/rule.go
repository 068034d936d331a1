package house

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Violation is one place that breaks one rule.
type Violation struct {
	// Rule is the name of the broken rule.
	Rule string
	// File is slash-separated and relative to the module's directory; empty
	// when the rule is about no file in particular.
	File string
	// Line counts from 1; 0 when the whole file is meant.
	Line int
	// Symbol is what an [Allowance] can name: a package path relative to the
	// module, a dot, and the enclosing or offending declaration.
	Symbol string
	// Reason says what is wrong and what to do instead.
	Reason string
}

// String formats the violation as compilers do: file:line: rule: reason.
func (v Violation) String() string {
	return fmt.Sprintf("%s:%d: %s: %s", v.File, v.Line, v.Rule, v.Reason)
}

// Rule is a named check over a whole module. It holds no state and may be used
// by several goroutines at once.
type Rule struct {
	// Name is one lower-case word.
	Name string
	// Demand is the rule in one sentence.
	Demand string

	check func(*Module) []Violation
}

// Check returns every violation of the rule, ordered by place.
func (r Rule) Check(m *Module) []Violation {
	found := r.check(m)
	for i := range found {
		found[i].Rule = r.Name
	}
	slices.SortFunc(found, func(a, b Violation) int {
		return cmp.Or(
			strings.Compare(a.File, b.File),
			cmp.Compare(a.Line, b.Line),
			strings.Compare(a.Reason, b.Reason),
		)
	})
	return slices.Compact(found)
}

// Rules returns all rules in the order in which their failures are best read.
func Rules() []Rule {
	return []Rule{
		{"builds", "every package compiles", checkBuilds},
		{"imports", "packages import only what their layer may", checkImports},
		{"reach", "no package reaches, through others, what its layer must not compile", checkReach},
		{"testing", "test support stays out of what programs link", checkTesting},
		{"surface", "no exported identifier mentions a third-party type", checkSurface},
		{"documented", "every exported identifier has a comment", checkDocumented},
		{"package", "every package explains itself; a public one lists guarantees and has an example", checkPackage},
		{"names", "names do not stutter, say Get, say nothing, or hide that a test counts allocations", checkNames},
		{"banned", "library code leaves clock, log, process and network to its host", checkBanned},
		{"init", "nothing happens because a package was imported", checkInit},
		{"state", "no package-level variable changes", checkState},
		{"text", "no file names a developer's machine or postpones its own work", checkText},
	}
}

// Allowance excuses one symbol from one rule.
type Allowance struct {
	// Rule and Symbol select violations; see [Violation].
	Rule, Symbol string
	// Why is the reason a reviewer accepted.
	Why string
}

// Excuse splits the violations into those that stand and, by removing them,
// those that an allowance covers. It also returns the allowances that covered
// nothing: they have outlived their reason.
func Excuse(found []Violation, allowed []Allowance) (stand []Violation, unused []Allowance) {
	used := make([]bool, len(allowed))
	for _, v := range found {
		i := slices.IndexFunc(allowed, func(a Allowance) bool {
			return a.Rule == v.Rule && a.Symbol == v.Symbol
		})
		if i < 0 {
			stand = append(stand, v)
			continue
		}
		used[i] = true
	}
	for i, a := range allowed {
		if !used[i] {
			unused = append(unused, a)
		}
	}
	return stand, unused
}
