package driver

import (
	"math"
	"strings"
	"testing"
)

// FuzzParse holds parse to: a value comes from an answer to the request alone,
// and is a number; whatever else comes has a reason.
func FuzzParse(f *testing.F) {
	for _, line := range []string{"3 230.5\n", "3 ERR 7\n", "2 230.5\n", "3 NaN\n", "3 1e999\n", "3 ERR 99999\n", "3\n", ""} {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		v, q, err := parse(line, 3)
		x, ok := v.Number()
		switch {
		case ok != q.IsGood() || ok && err != nil:
			t.Fatalf("%q gives %v, %v, %v", line, v, q, err)
		case ok && (math.IsNaN(x) || math.IsInf(x, 0) || strings.Fields(line)[0] != "3"):
			t.Fatalf("%q gives %v", line, v)
		case !ok && q.Reason() == 0:
			t.Fatalf("%q is bad for no reason", line)
		}
	})
}
