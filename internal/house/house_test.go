package house_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/internal/house"
)

var load = sync.OnceValues(func() (*house.Module, error) { return house.Load("../..") })

// repository reads the module this package is in, once for all tests.
func repository(t *testing.T) *house.Module {
	t.Helper()
	m, err := load()
	require.NoError(t, err)
	return m
}

func TestHouse(t *testing.T) {
	m := repository(t)
	var found []house.Violation
	for _, rule := range house.Rules() {
		found = append(found, rule.Check(m)...)
	}
	stand, unused := house.Excuse(found, house.Allowances())
	for _, rule := range house.Rules() {
		t.Run(rule.Name, func(t *testing.T) {
			for _, v := range stand {
				if v.Rule == rule.Name {
					t.Error(v)
				}
			}
			if t.Failed() {
				t.Logf("the rule: %s", rule.Demand)
			}
		})
	}
	for _, a := range unused {
		t.Errorf("the allowance of %s for %s excuses nothing any more: remove it", a.Rule, a.Symbol)
	}
}

func TestAPI(t *testing.T) {
	golden(t, "api.txt", repository(t).API())
}

func TestModules(t *testing.T) {
	lines, err := repository(t).Modules()
	require.NoError(t, err)
	golden(t, "modules.txt", lines)
}

// golden compares lines with a file in testdata, and says what came and went.
func golden(t *testing.T, name string, got []string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		require.NoError(t, os.WriteFile(file, []byte(strings.Join(got, "\n")+"\n"), 0o666))
	}
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	want := strings.Split(strings.TrimSuffix(string(data), "\n"), "\n")
	for _, line := range want {
		if !slices.Contains(got, line) {
			t.Errorf("gone:  %s", line)
		}
	}
	for _, line := range got {
		if !slices.Contains(want, line) {
			t.Errorf("added: %s", line)
		}
	}
	if t.Failed() {
		t.Logf("if that is what you mean: go test ./internal/house -run 'API|Modules' -update")
	}
}
