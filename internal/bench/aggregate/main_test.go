package main

import (
	"strings"
	"testing"
)

// A small run holds the engines against each other: they must agree on every
// meter.
func TestEnginesAgree(t *testing.T) {
	var out strings.Builder
	if err := run(t.Context(), []string{"-meters", "50", "-each", "300", "-rounds", "1"}, &out); err != nil {
		t.Fatal(err)
	}
	t.Log("\n" + out.String())
	if got := strings.Count(out.String(), "\n| "); got != 7 {
		t.Errorf("the report has %d rows", got)
	}
}
