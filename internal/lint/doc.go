// Package lint holds no code. Its module pins the linter, so that the linter's
// dependencies never reach those who import fieldtap. From the repository root:
//
//	go tool -modfile=internal/lint/go.mod staticcheck ./...
//
// Which checks run, and why the others do not, stands in staticcheck.conf at
// the root.
package lint
