package units

import (
	"slices"
	"testing"
)

// lookUp halves these tables, so that a row out of order would never be found.
func TestPhrasesAreInOrder(t *testing.T) {
	for name, table := range map[string][]phrase{"symbol": symbolPhrases[:], "snmp": snmpPhrases[:], "word": wordPhrases[:]} {
		for i, p := range table {
			if i > 0 && table[i-1].text >= p.text {
				t.Errorf("%s: %q before %q", name, table[i-1].text, p.text)
			}
			if got, ok := lookUp(table, []byte(p.text)); !ok || got != p {
				t.Errorf("%s: %q is not found", name, p.text)
			}
			if (p.unit == None) == (p.verdict == NotStated) {
				t.Errorf("%s: %q is neither a unit nor refused", name, p.text)
			}
		}
	}
	for _, p := range wordPhrases {
		if b, circuit := squash(nil, []byte(p.text)); string(b) != p.text || circuit {
			t.Errorf("%q is not as squash leaves it", p.text)
		}
	}
	if !slices.IsSorted(countNouns[:]) {
		t.Error("countNouns are out of order")
	}
	if !slices.IsSortedFunc(uneceScaled[:], func(a, b scaledCode) int { return compare(a.code, []byte(b.code)) }) {
		t.Error("uneceScaled are out of order")
	}
	// A phrase never hides the symbol of another unit.
	for _, p := range symbolPhrases {
		if u, ok := symbolUnit([]byte(p.text)); ok && p.unit != u && p.verdict != Ambiguous {
			t.Errorf("%q hides %v", p.text, u)
		}
	}
}
