// Package house turns the rules of this repository into tests. A rule that no
// test holds is an opinion; these fail `go test ./internal/house`.
//
// [Load] reads a module the way the go command sees it: packages, syntax, types
// and the import graph. A [Rule] is a pure function over that [Module] which
// returns [Violation] values, each with a place and a reason. What is
// allowed to whom stands in tables, in the order in which a reader will ask:
//
//   - layers in layers.go: who may import whom, and whose client library;
//   - bans in bans.go: functions that library code does not call;
//   - allowances in allowances.go: the exceptions, each with its reason.
//
// The exported API of the whole module is a golden file, testdata/api.txt, and
// so is the list of modules the root depends on, testdata/modules.txt. After an
// intended change rewrite both and read the difference before you commit it:
//
//	go test ./internal/house -run 'API|Modules' -update
//
// Every rule is itself proved: a file in testdata/rules holds a small module
// that breaks it, and the violations the rule must report.
//
// # Guarantees
//
//   - Rules read; they never write, and never reach for the network.
//   - A package the tables do not know is a violation, not an exception.
//   - An allowance that no longer excuses anything is a violation.
//   - Files for other platforms are held to the same rules as files for this one.
package house
