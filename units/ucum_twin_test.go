package units

import (
	"math/big"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
)

// term is one factor of a random code, in its parts.
type term struct {
	divide   bool
	prefix   *ucumPrefix
	atom     *ucumAtom
	exponent int
}

// TestUCUMTwin builds random codes from parts, works out factor and dimension
// from the parts by big arithmetic, and parses the code.
func TestUCUMTwin(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	fitted := 0
	for range 3000 {
		var code strings.Builder
		want, pi := big.NewRat(1, 1), 0
		dims := [ucumBases]int{}
		n := 1 + r.IntN(5)
		for i := range n {
			p := randomTerm(r)
			switch {
			case p.divide:
				code.WriteByte('/')
			case i > 0:
				code.WriteByte('.')
			}
			// A group of one term changes nothing.
			group := r.IntN(5) == 0
			if group {
				code.WriteByte('(')
			}
			if p.prefix != nil {
				code.WriteString(p.prefix.code)
			}
			code.WriteString(p.atom.code)
			if p.exponent != 1 {
				code.WriteString(strconv.Itoa(p.exponent))
			}
			if group {
				code.WriteByte(')')
			}

			unit, _, _ := parseUCUM(p.atom.code)
			size := unit.factor.rat()
			if p.prefix != nil {
				size.Mul(size, power(big.NewRat(10, 1), int(p.prefix.ten)))
				size.Mul(size, power(big.NewRat(2, 1), int(p.prefix.two)))
			}
			exponent := p.exponent
			if p.divide {
				exponent = -exponent
			}
			want.Mul(want, power(size, exponent))
			pi += exponent * int(unit.factor.pi)
			for i, e := range unit.dims {
				dims[i] += exponent * int(e)
			}
		}
		got, v, part := parseUCUM(code.String())
		if v == OutOfRange {
			continue
		}
		if v != Understood {
			t.Fatalf("%s: %v at %q", code.String(), v, part)
		}
		fitted++
		if got.factor.rat().Cmp(want) != 0 || int(got.factor.pi) != pi {
			t.Fatalf("%s: got %v, want %v", code.String(), got.factor.rat(), want)
		}
		for i, e := range got.dims {
			if int(e) != dims[i] {
				t.Fatalf("%s: dimension %d is %d, want %d", code.String(), i, e, dims[i])
			}
		}
	}
	if fitted < 2000 {
		t.Fatalf("only %d codes were in range", fitted)
	}
}

func randomTerm(r *rand.Rand) term {
	for {
		p := term{divide: r.IntN(3) == 0, atom: &ucumAtoms[r.IntN(len(ucumAtoms))], exponent: 1}
		if p.atom.point {
			continue
		}
		if p.atom.metric && r.IntN(2) == 0 {
			p.prefix = &ucumPrefixes[r.IntN(len(ucumPrefixes))]
			a, prefix, _ := findUCUM(p.prefix.code + p.atom.code)
			if a != p.atom || prefix != p.prefix {
				continue // binary, or another atom's name
			}
		}
		if r.IntN(3) == 0 {
			p.exponent = [...]int{-3, -2, -1, 2, 3}[r.IntN(5)]
		}
		return p
	}
}

func power(x *big.Rat, n int) *big.Rat {
	p := big.NewRat(1, 1)
	for range max(n, -n) {
		p.Mul(p, x)
	}
	if n < 0 {
		p.Inv(p)
	}
	return p
}

// A power of ten never overflows a factor, and what does not fit a scale says so.
func TestFactorScale(t *testing.T) {
	for _, test := range []struct {
		n    uint64
		ten  int
		want Scale
		ok   bool
	}{
		{1, 0, Scale{1, 1}, true},
		{25, -2, Scale{1, 4}, true},
		{1, 18, Scale{1e18, 1}, true},
		{1, -18, Scale{1, 1e18}, true},
		{1, 19, Scale{}, false},
		{1, -19, Scale{}, false},
		{1 << 63, -3, Scale{1152921504606846976, 125}, true},
		{9, 18, Scale{9e18, 1}, true},
	} {
		got, ok := newFactor(test.n, test.ten).scale()
		if got != test.want || ok != test.ok {
			t.Errorf("%d·10^%d: got %v %v", test.n, test.ten, got, ok)
		}
	}
	if _, ok := (factor{num: 1, den: 1, pi: 1}).scale(); ok {
		t.Error("π is no ratio")
	}
}

// The documentation of the subset lists every atom and prefix, and no other.
func TestUCUMSubsetIsDocumented(t *testing.T) {
	source, err := os.ReadFile("ucum.go")
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ := strings.Cut(string(source), "// The atoms of the subset:\n")
	text, _, ok := strings.Cut(text, "// Any other code")
	if !ok {
		t.Fatal("no table in the documentation of ParseUCUM")
	}
	listed := map[string]bool{}
	for word := range strings.FieldsSeq(strings.ReplaceAll(text, "//", " ")) {
		if !strings.HasSuffix(word, ":") {
			listed[word] = true
		}
	}
	for _, a := range ucumAtoms {
		if !listed[a.code] {
			t.Errorf("atom %s is not documented", a.code)
		}
		delete(listed, a.code)
	}
	for _, p := range ucumPrefixes {
		if !listed[p.code] && ucumAtomOf(p.code) == nil {
			t.Errorf("prefix %s is not documented", p.code)
		}
		delete(listed, p.code)
	}
	for word := range listed {
		t.Errorf("%s is documented but unknown", word)
	}
}
