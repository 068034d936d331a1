package units

import (
	"errors"
	"fmt"
	"math"
	"math/big"
	"slices"
	"strings"
)

// UCUM is a code of the Unified Code for Units of Measure, understood: an exact
// factor and a dimension. Make one with [ParseUCUM]. It is wider than [Unit]: it
// holds every code that can be written with the atoms of the subset, such as
// "mL/(8.h.kg)", and converts it to any code of the same dimension. Values are
// immutable and safe for concurrent use. The zero value is the code "1".
type UCUM struct {
	code      string
	factor    factor          // in the base units of dims
	dims      [ucumBases]int8 // exponents, names resolved
	slots     [ucumSlots]int8 // exponents, names kept
	point     ucumSlot        // the scale whose point this is
	names     uint32          // bits of the named slots that occur, even where they cancel
	annotated bool
}

// maxUCUM is the longest code that is read, and so the deepest nesting.
const maxUCUM = 255

// ParseUCUM reads a case-sensitive code of the UCUM subset:
//
//   - the atoms below, with a prefix before those that are metric, and a binary
//     prefix before bit and By;
//   - integer factors, exponents with or without a sign, "." and "/" from left to
//     right, a leading "/", parentheses, "10*" and "10^";
//   - annotations in braces, of printable ASCII. They are checked and change
//     nothing; alone, one is the number 1.
//
// Cel, [degF], B and Np are points on scales of their own: they may have a prefix
// but stand alone.
//
// The atoms of the subset:
//
//	metric: A Bd Bq By C F G Gal Gy H Hz J K L N Ohm P Pa S St Sv T V W Wb [c] [g] [ly] ar
//	    bar bit cal cal_IT cal_th cd dyn eV erg g gf kat l lm lx m m[H2O] m[Hg] mol rad s sr
//	    t
//	plain: % ' '' 10* 10^ AU [Btu_IT] [HP] [acr_us] [bbl_us] [cft_i] [cin_i] [cup_us] [cyd_i]
//	    [degR] [foz_br] [foz_us] [ft_i] [ft_us] [fth_i] [gal_br] [gal_us] [gr] [in_i'H2O]
//	    [in_i'Hg] [in_i] [in_us] [kn_i] [lb_av] [lbf_av] [lton_av] [mi_i] [mi_us] [mil_i]
//	    [nmi_i] [oz_av] [pi] [ppb] [ppm] [ppth] [pptr] [psi] [pt_br] [pt_us] [qt_br] [qt_us]
//	    [sft_i] [sin_i] [ston_av] [syd_i] [tbs_us] [tsp_us] [yd_i] [yd_us] a a_j atm att d
//	    deg gon h min mo wk
//	points: B Cel Np [degF]
//	prefixes: Q R Y Z E P T G M k h da d c m u n p f a z y r q
//	binary: Ki Mi Gi Ti
//
// Any other code is refused whole, with an error that wraps [ErrUnknown] and
// names the piece to blame: an atom outside of the subset, a slip of grammar, a
// number out of range. Success allocates nothing.
func ParseUCUM(code string) (UCUM, error) {
	u, v, part := parseUCUM(code)
	if v != Understood {
		return UCUM{}, refused(DialectUCUM, code, part, v).Err()
	}
	return u, nil
}

// String returns the code as it was written, "1" for the zero value.
func (u UCUM) String() string {
	if u.code == "" {
		return "1"
	}
	return u.code
}

// Dimension returns the dimension of u. Angle, solid angle and data, which this
// package's UCUM keeps apart, have none.
func (u UCUM) Dimension() Dimension {
	var d Dimension
	copy(d[:], u.dims[slotM:slotCd+1])
	if u.point == slotCel || u.point == slotDegF {
		d[temperature] = 1
	}
	return d
}

// Convert returns x, a value in u, as a value in the code to. It is the float64
// nearest to the exact result, unless the ratio holds a power of π or a temperature
// is read off another scale with a prefix: then a few units in the last place may
// be lost. Codes that are not [UCUM.Commensurable] are an error, but for points on
// the scales of one kind, such as Cel, [degF] and K.
func (u UCUM) Convert(x float64, to UCUM) (float64, error) {
	if u.point != to.point {
		return u.convertPoint(x, to)
	}
	f, err := u.per(to)
	if err != nil {
		return 0, err
	}
	pi := math.Pow(math.Pi, float64(f.pi))
	f.pi = 0
	if scale, ok := f.scale(); ok {
		return scale.Apply(x) * pi, nil
	}
	if x == 0 || math.IsInf(x, 0) || math.IsNaN(x) {
		return x, nil
	}
	exact := new(big.Rat).SetFloat64(x)
	y, _ := exact.Mul(exact, f.rat()).Float64()
	return y * pi, nil
}

// convertPoint is Convert between scales with different zeros.
func (u UCUM) convertPoint(x float64, to UCUM) (float64, error) {
	from, target := u.Unit(), to.Unit()
	if err := errors.Join(from.Err(), target.Err()); err != nil {
		return 0, err
	}
	c, err := Between(from.Unit, target.Unit)
	if err != nil {
		return 0, err
	}
	return target.Scale.Inverse().Apply(c.Convert(from.Scale.Apply(x))), nil
}

// Ratio returns the exact number, and the power of π beside it, by which values in
// u are multiplied to give values in the code to. Codes that are not
// [UCUM.Commensurable] are an error, and one that wraps [ErrRange] says that the
// number is beyond reason.
func (u UCUM) Ratio(to UCUM) (ratio *big.Rat, powerOfPi int, err error) {
	f, err := u.per(to)
	if err != nil {
		return nil, 0, err
	}
	return f.rat(), int(f.pi), nil
}

// Commensurable reports whether values in u convert to values in v: the
// dimensions agree, and where both codes name their kind of quantity in the way
// of [UCUM.Unit], the kinds agree too. W and V.A are not commensurable, nor are
// J and N.m.
func (u UCUM) Commensurable(v UCUM) bool {
	u, v = u.filled(), v.filled()
	if u.dims != v.dims || u.point != v.point {
		return false
	}
	if u.slots == v.slots {
		return true
	}
	a, _ := u.kind()
	b, _ := v.kind()
	return a == KindNone || b == KindNone || a == b
}

// per returns the factor from u to v.
func (u UCUM) per(v UCUM) (factor, error) {
	u, v = u.filled(), v.filled()
	if !u.Commensurable(v) {
		return factor{}, fmt.Errorf("units: ucum: %s does not convert to %s", quote(u.code), quote(v.code))
	}
	f, ok := u.factor.times(v.factor.inverse())
	if !ok {
		return factor{}, fmt.Errorf("units: ucum: %s to %s: %w", quote(u.code), quote(v.code), ErrRange)
	}
	return f, nil
}

// filled returns u with the zero value made the number 1.
func (u UCUM) filled() UCUM {
	if u.factor.num == 0 {
		u.code, u.factor = "1", newFactor(1, 0)
	}
	return u
}

// UCUMAtoms returns the atoms of the subset in byte order. The slice is the
// caller's.
func UCUMAtoms() []string {
	codes := make([]string, len(ucumAtoms))
	for i, a := range ucumAtoms {
		codes[i] = a.code
	}
	return codes
}

// parseUCUM returns the code understood, or the verdict and the piece to blame.
func parseUCUM(code string) (u UCUM, v Verdict, part string) {
	if code == "" {
		return UCUM{}, NotStated, ""
	}
	if len(code) > maxUCUM {
		return UCUM{}, OutOfRange, code
	}
	p := ucumParser{code: code}
	u = p.main()
	if !p.failed() && p.pos < len(code) {
		p.fail(Malformed, code[p.pos:])
	}
	if p.failed() {
		return UCUM{}, p.verdict, p.part
	}
	u.code = code
	return u, Understood, ""
}

// ucumParser reads one code by recursive descent, after the grammar of UCUM. The
// first failure stands.
type ucumParser struct {
	code    string
	pos     int
	verdict Verdict // NotStated while all is well
	part    string
}

func (p *ucumParser) fail(v Verdict, part string) {
	if p.verdict == NotStated {
		p.verdict, p.part = v, part
	}
}

func (p *ucumParser) failed() bool { return p.verdict != NotStated }

// accept steps over c if it comes next.
func (p *ucumParser) accept(c byte) bool {
	if p.pos < len(p.code) && p.code[p.pos] == c {
		p.pos++
		return true
	}
	return false
}

// number1 is the code "1", to which the others are multiplied.
func number1() UCUM { return UCUM{factor: factor{num: 1, den: 1}} }

// main reads a whole code or the inside of parentheses, which may start with "/".
func (p *ucumParser) main() UCUM {
	u := number1()
	for n := 0; !p.failed(); n++ {
		exponent := 1
		switch {
		case p.accept('/'):
			exponent = -1
		case n > 0 && !p.accept('.'):
			return u
		}
		start := p.pos
		c := p.component()
		u = p.multiply(u, c, exponent, n == 0, start)
	}
	return u
}

// component reads one term, to which an annotation may be attached.
func (p *ucumParser) component() (c UCUM) {
	rest := p.code[p.pos:]
	switch {
	case rest == "":
		p.fail(Malformed, p.code)
		return c
	case rest[0] == '(':
		p.pos++
		c = p.main()
		if !p.failed() && !p.accept(')') {
			p.fail(Malformed, rest)
		}
		return c
	case rest[0] == '{':
		c = number1()
		c.annotated = true
		p.annotation()
		return c
	case isDigit(rest[0]) && !strings.HasPrefix(rest, "10*") && !strings.HasPrefix(rest, "10^"):
		c = p.number()
	default:
		c = p.symbol()
	}
	if !p.failed() && p.pos < len(p.code) && p.code[p.pos] == '{' {
		c.annotated = true
		p.annotation()
	}
	return c
}

// annotation reads "{...}": printable ASCII without braces.
func (p *ucumParser) annotation() {
	rest := p.code[p.pos:]
	for i := 1; i < len(rest); i++ {
		switch c := rest[i]; {
		case c == '}':
			p.pos += i + 1
			return
		case c == '{' || c < '!' || c > '~':
			p.fail(Malformed, rest)
			return
		}
	}
	p.fail(Malformed, rest)
}

// number reads a positive integer that stands for itself.
func (p *ucumParser) number() UCUM {
	c := number1()
	digits := p.digits()
	n, err := integer(digits)
	switch {
	case err != nil:
		p.fail(OutOfRange, digits)
	case n == 0:
		p.fail(Malformed, digits)
	default:
		c.factor = newFactor(n, 0)
	}
	return c
}

// symbol reads an atom, with its prefix and exponent.
func (p *ucumParser) symbol() UCUM {
	start := p.pos
	name := p.name()
	if name == "" {
		p.fail(Malformed, p.code[p.pos:])
		return UCUM{}
	}
	atom, prefix, ok := findUCUM(name)
	if !ok {
		p.fail(Unsupported, name)
		return UCUM{}
	}
	c := p.atom(atom)
	if prefix != nil {
		f := newFactor(1, int(prefix.ten))
		f.two += int16(prefix.two)
		if c.factor, ok = c.factor.times(f); !ok {
			p.fail(OutOfRange, name)
		}
	}
	if exponent := p.exponent(start); exponent != 1 {
		c = p.multiply(number1(), c, exponent, true, start)
	}
	return c
}

// name steps over the letters of a symbol. Brackets hold anything but brackets.
func (p *ucumParser) name() string {
	start := p.pos
	if strings.HasPrefix(p.code[start:], "10*") || strings.HasPrefix(p.code[start:], "10^") {
		p.pos += 3
		return p.code[start:p.pos]
	}
	for p.pos < len(p.code) {
		switch c := p.code[p.pos]; {
		case c == '[':
			n := strings.IndexByte(p.code[p.pos:], ']')
			if n < 0 {
				p.fail(Malformed, p.code[p.pos:])
				return p.code[start:]
			}
			p.pos += n + 1
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', c == '%', c == '\'', c == '"', c == '_', c == '*', c == '^':
			p.pos++
		default:
			return p.code[start:p.pos]
		}
	}
	return p.code[start:]
}

// exponent reads what may follow a symbol: up to two digits, with or without a
// sign.
func (p *ucumParser) exponent(start int) int {
	sign := 1
	signed := true
	switch {
	case p.accept('-'):
		sign = -1
	case p.accept('+'):
	default:
		signed = false
	}
	digits := p.digits()
	switch {
	case digits == "" && signed:
		p.fail(Malformed, p.code[start:p.pos])
		return 1
	case digits == "":
		return 1
	}
	n, err := integer(digits)
	if err != nil || n == 0 || n > 99 {
		p.fail(OutOfRange, p.code[start:p.pos])
		return 1
	}
	return sign * int(n)
}

func (p *ucumParser) digits() string {
	start := p.pos
	for p.pos < len(p.code) && isDigit(p.code[p.pos]) {
		p.pos++
	}
	return p.code[start:p.pos]
}

// atom returns the atom as a code, resolving its definition.
func (p *ucumParser) atom(a *ucumAtom) (c UCUM) {
	if a.of == "" {
		c = number1()
		c.dims[a.slot] = 1
	} else {
		code, pos := p.code, p.pos
		p.code, p.pos = a.of, 0
		c = p.main()
		c.factor, _ = c.factor.times(newFactor(a.n, int(a.ten)))
		p.code, p.pos = code, pos
	}
	if a.code == "[pi]" {
		c.factor.pi = 1
	}
	if a.slot != slotNone {
		c.slots = [ucumSlots]int8{}
		c.slots[a.slot] = 1
		c.names = 1 << a.slot
	}
	if a.point {
		c.point = a.slot
	}
	return c
}

// multiply returns u·c^exponent. A point on a scale of its own stands alone: it
// comes first, without an exponent, and nothing follows. start is where c began.
func (p *ucumParser) multiply(u, c UCUM, exponent int, first bool, start int) UCUM {
	if p.failed() {
		return u
	}
	if u.point != slotNone || c.point != slotNone && (!first || exponent != 1) {
		p.fail(Malformed, p.code[start:p.pos])
		return u
	}
	f, ok := c.factor.power(exponent)
	if ok {
		u.factor, ok = u.factor.times(f)
	}
	for i, e := range c.dims {
		ok = add(&u.dims[i], e, exponent) && ok
	}
	for i, e := range c.slots {
		ok = add(&u.slots[i], e, exponent) && ok
	}
	u.point = c.point
	u.names |= c.names
	u.annotated = u.annotated || c.annotated
	if !ok {
		p.fail(OutOfRange, p.code[start:p.pos])
	}
	return u
}

// add adds n·e to *sum and reports whether it fits.
func add(sum *int8, e int8, n int) bool {
	s := int(*sum) + int(e)*n
	*sum = int8(s)
	return -128 < s && s < 128
}

// findUCUM returns the atom that is called name, or the atom and prefix that
// make it up.
func findUCUM(name string) (*ucumAtom, *ucumPrefix, bool) {
	if a := ucumAtomOf(name); a != nil {
		return a, nil, true
	}
	for i := range ucumPrefixes {
		prefix := &ucumPrefixes[i]
		rest, ok := strings.CutPrefix(name, prefix.code)
		if !ok {
			continue
		}
		a := ucumAtomOf(rest)
		if a != nil && a.metric && (prefix.two == 0 || a.code == "bit" || a.code == "By") {
			return a, prefix, true
		}
	}
	return nil, nil, false
}

func ucumAtomOf(name string) *ucumAtom {
	i, found := slices.BinarySearchFunc(ucumAtoms[:], name, func(a ucumAtom, name string) int {
		return strings.Compare(a.code, name)
	})
	if !found {
		return nil
	}
	return &ucumAtoms[i]
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }
