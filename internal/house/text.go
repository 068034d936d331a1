package house

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// Both patterns are put together from halves, so that this file passes them.
var (
	// machinePath is a path that exists on one developer's machine.
	machinePath = regexp.MustCompile(`(^|[^\w.~/-])/(` + strings.Join([]string{"work", "root", "home", "Users"}, "|") + `)/[\w.]`)
	// postponed marks what its author meant to do before anybody read it.
	postponed = regexp.MustCompile(`(^|[^\w.])(TO` + `DO|FIX` + `ME)\b`)
)

func checkText(m *Module) []Violation {
	files, err := m.texts()
	if err != nil {
		return []Violation{{Reason: err.Error()}}
	}
	var found []Violation
	for _, name := range files {
		data, err := os.ReadFile(filepath.Join(m.Dir, filepath.FromSlash(name)))
		if err != nil {
			found = append(found, Violation{File: name, Symbol: name, Reason: err.Error()})
			continue
		}
		if bytes.IndexByte(data, 0) >= 0 {
			continue
		}
		line := 0
		for text := range bytes.Lines(data) {
			line++
			if machinePath.Match(text) {
				found = append(found, Violation{File: name, Line: line, Symbol: name,
					Reason: "names a path of somebody's machine: make it relative"})
			}
			if postponed.Match(text) {
				found = append(found, Violation{File: name, Line: line, Symbol: name,
					Reason: "postpones work: do it, or say what the limit is"})
			}
		}
	}
	return found
}

// texts lists the files of the module, nested modules included: those under
// version control where git is at hand, else all. The walk is ours either way,
// because the go command can cache a test result only over files and
// directories that the test itself has opened.
func (m *Module) texts() ([]string, error) {
	tracked := m.tracked()
	var files []string
	err := filepath.WalkDir(m.Dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(m.Dir, name)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		switch {
		case d.IsDir() && (rel == ".git" || rel == brokenOnPurpose || d.Name() == "node_modules"):
			return filepath.SkipDir
		case d.Type().IsRegular() && (tracked == nil || tracked[rel]):
			files = append(files, rel)
		}
		return nil
	})
	return files, err
}

// brokenOnPurpose holds the fixtures that prove these rules.
const brokenOnPurpose = "internal/house/testdata/rules"

// tracked returns the files that git knows, or nil where there is no git or no
// repository.
func (m *Module) tracked() map[string]bool {
	out, err := run(m.Dir, "git", "ls-files", "-z")
	if err != nil {
		return nil
	}
	known := make(map[string]bool)
	for name := range strings.SplitSeq(string(out), "\x00") {
		known[name] = true
	}
	return known
}
