package house_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/internal/house"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// TestRules proves each rule on modules that break it. A fixture is one file
// named rule-variant.txt: an explanation, then files under headers of the form
// "-- name --". The section "want" holds what all rules together must report,
// so a fixture also shows that no other rule cries.
func TestRules(t *testing.T) {
	fixtures, err := filepath.Glob("testdata/rules/*.txt")
	require.NoError(t, err)
	proved := make(map[string]bool)
	for _, file := range fixtures {
		name := strings.TrimSuffix(filepath.Base(file), ".txt")
		rule, _, _ := strings.Cut(name, "-")
		proved[rule] = true
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, want := unpack(t, file)
			m, err := house.Load(dir)
			require.NoError(t, err)
			var got strings.Builder
			for _, r := range house.Rules() {
				for _, v := range r.Check(m) {
					got.WriteString(v.String() + "\n")
				}
			}
			if *update {
				want = got.String()
				rewrite(t, file, want)
			}
			assert.Equal(t, want, got.String())
			if rule != "none" {
				assert.Contains(t, want, ": "+rule+": ", "a fixture breaks the rule it is named after")
			}
		})
	}
	for _, rule := range house.Rules() {
		assert.True(t, proved[rule.Name], "no fixture proves the rule %q", rule.Name)
	}
	assert.True(t, proved["none"], "no fixture proves that a good module passes")
}

// unpack writes the files of a fixture into a new directory.
func unpack(t *testing.T, file string) (dir, want string) {
	t.Helper()
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	_, sections, _ := strings.Cut(string(data), "-- ")
	dir = t.TempDir()
	for section := range strings.SplitSeq(sections, "\n-- ") {
		name, text, ok := strings.Cut(section, " --\n")
		require.True(t, ok, "%s: a section without a name: %q", file, section)
		if name == "want" {
			return dir, text
		}
		if text != "" {
			text += "\n" // the separator's
		}
		target := filepath.Join(dir, filepath.FromSlash(name))
		require.NoError(t, os.MkdirAll(filepath.Dir(target), 0o777))
		require.NoError(t, os.WriteFile(target, []byte(text), 0o666))
	}
	t.Fatalf("%s has no section for what it wants", file)
	return "", ""
}

// rewrite replaces what a fixture expects, which is its last section.
func rewrite(t *testing.T, file, want string) {
	t.Helper()
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	before, _, ok := strings.Cut(string(data), "-- want --\n")
	require.True(t, ok, "%s has no section for what it wants", file)
	require.NoError(t, os.WriteFile(file, []byte(before+"-- want --\n"+want), 0o666))
}

func TestListing(t *testing.T) {
	const file = "testdata/listing.txt"
	dir, want := unpack(t, file)
	m, err := house.Load(dir)
	require.NoError(t, err)
	got := strings.Join(m.API(), "\n") + "\n"
	if *update {
		want = got
		rewrite(t, file, want)
	}
	assert.Equal(t, want, got)
}

func TestExcuse(t *testing.T) {
	found := []house.Violation{
		{Rule: "banned", Symbol: "units.Must"},
		{Rule: "banned", Symbol: "units.Other"},
	}
	stand, unused := house.Excuse(found, []house.Allowance{
		{Rule: "banned", Symbol: "units.Must", Why: "a constant that does not parse is our own fault"},
		{Rule: "init", Symbol: "units.Must", Why: "same symbol, other rule"},
	})
	require.Len(t, stand, 1)
	assert.Equal(t, "units.Other", stand[0].Symbol)
	require.Len(t, unused, 1)
	assert.Equal(t, "init", unused[0].Rule)
}

// TestText makes its files on the spot: they would otherwise break the rule, or
// be no text, where they lie.
func TestText(t *testing.T) {
	const later, broken = "TO" + "DO", "FIX" + "ME"
	files := map[string]string{
		"go.mod":  "module example.com/field\n",
		"plan.go": "// Package plan plans.\npackage plan\n\n// " + later + ": everything.\n",
		"a.md":    "fine\n\n(" + broken + ")\n",
		"b.md":    "context." + later + " and " + later + "S are fine\n",
		"c.bin":   "\x00 " + later + "\n",
		"d.md":    "/" + "work/main\n/" + "root/go",
	}
	dir := t.TempDir()
	for name, text := range files {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o666))
	}
	m, err := house.Load(dir)
	require.NoError(t, err)
	rules := house.Rules()
	i := slices.IndexFunc(rules, func(r house.Rule) bool { return r.Name == "text" })
	var got []string
	for _, v := range rules[i].Check(m) {
		got = append(got, fmt.Sprintf("%s:%d", v.File, v.Line))
	}
	assert.Equal(t, []string{"a.md:3", "d.md:1", "d.md:2", "plan.go:4"}, got)
}
