package units_test

import (
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"fmt"
	"math"
	"math/big"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/units"
)

// readTable returns the rows of a CSV file below testdata, header dropped.
func readTable(t testing.TB, name string) [][]string {
	t.Helper()
	f, err := os.Open("testdata/" + name)
	require.NoError(t, err)
	defer f.Close()
	r := csv.NewReader(f)
	r.Comment = '#'
	rows, err := r.ReadAll()
	require.NoError(t, err)
	require.NotEmpty(t, rows)
	return rows[1:]
}

func rational(t testing.TB, text string) *big.Rat {
	t.Helper()
	r, ok := new(big.Rat).SetString(text)
	require.True(t, ok, text)
	return r
}

// pi80 is π to 80 digits: what "pi" stands for in a definition.
const pi80 = "3.14159265358979323846264338327950288419716939937510582097494459230781640628620899"

// sizes returns the size of every unit in the coherent unit of its kind, worked
// out from definitions.csv.
func sizes(t testing.TB) map[units.Unit]*big.Rat {
	t.Helper()
	definitions := map[string]string{"pi": pi80}
	rows := readTable(t, "definitions.csv")
	for _, row := range rows {
		definitions[row[0]] = row[2]
	}
	var evaluate func(text string) *big.Rat
	evaluate = func(text string) *big.Rat {
		size := big.NewRat(1, 1)
		for i, piece := range strings.Split(text, "/") {
			for j, factor := range strings.Split(piece, "*") {
				value, ok := new(big.Rat).SetString(factor)
				if !ok {
					require.Contains(t, definitions, factor)
					value = evaluate(definitions[factor])
				}
				if i > 0 && j == 0 {
					size.Quo(size, value)
				} else {
					size.Mul(size, value)
				}
			}
		}
		return size
	}
	all := map[units.Unit]*big.Rat{}
	for _, row := range rows {
		all[parse(t, row[0])] = evaluate(row[2])
	}
	return all
}

// zeros returns by how much a temperature is increased before its degrees are
// converted.
func zeros(u units.Unit) *big.Rat {
	switch u {
	case units.DegreeCelsius:
		return big.NewRat(27315, 100)
	case units.DegreeFahrenheit:
		return big.NewRat(45967, 100)
	}
	return new(big.Rat)
}

// exactly converts x without rounding.
func exactly(size map[units.Unit]*big.Rat, from, to units.Unit, x *big.Rat) *big.Rat {
	y := new(big.Rat).Add(x, zeros(from))
	y.Mul(y, size[from])
	y.Quo(y, size[to])
	return y.Sub(y, zeros(to))
}

func TestEveryUnitIsWhatItsDefinitionSays(t *testing.T) {
	size := sizes(t)
	for _, row := range readTable(t, "definitions.csv") {
		u := parse(t, row[0])
		assert.Equal(t, row[1], u.Kind().String(), row[0])
		num, den := u.Ratio()
		if u == units.Electronvolt || strings.Contains(row[2], "pi") {
			assert.Zero(t, num)
			assert.Zero(t, den)
			continue
		}
		assert.Zero(t, size[u].Cmp(ratio(num, den)), "%v is %v, not %d/%d", u, size[u], num, den)
		assert.Equal(t, size[u].Num().Uint64(), num, "%v is in lowest terms", u)
	}
	for u := range units.All() {
		assert.Contains(t, size, u)
	}
}

func TestExactFactors(t *testing.T) {
	rows := readTable(t, "exact_factors.csv")
	require.Len(t, rows, 107)
	size := sizes(t)
	for _, row := range rows {
		u := parse(t, row[0])
		assert.Equal(t, row[1], u.Kind().String(), row[0])
		if row[2] == "" {
			assert.Equal(t, units.Degree, u, "irrational")
			continue
		}
		want := rational(t, row[2]+"/"+row[3])
		assert.Zero(t, want.Cmp(size[u]), row[0])
		if row[4] != "" {
			assert.Zero(t, rational(t, row[4]).Cmp(zeros(u)), row[0])
		}
	}
}

// caseValues are converted between all pairs of units of one kind in
// exact_factors.csv: the 6,660 cases of TestConversionCases.
var caseValues = []string{"0", "1", "-40", "0.1", "3", "1234.5", "16777217", "4294967295.9", "9007199254740993"}

// caseSum is over one line for each case as others worked it out in rational
// arithmetic: value, units, exact result, nearest float64 to it, nearest float64 to
// the result for the float64 nearest to value, and 1 where one multiply or divide
// by a whole number gives that.
const caseSum = "b959ed5d8afd48ee5d7f471fb26d52f58bedb86705ec3751b40de8ec97e61be4"

func TestConversionCases(t *testing.T) {
	type definition struct {
		symbol       string
		unit         units.Unit
		size, offset *big.Rat
	}
	var kinds []string
	byKind := map[string][]definition{}
	for _, row := range readTable(t, "exact_factors.csv") {
		if row[2] == "" {
			continue
		}
		d := definition{row[0], parse(t, row[0]), rational(t, row[2]+"/"+row[3]), new(big.Rat)}
		if row[4] != "" {
			d.offset = rational(t, row[4])
		}
		if byKind[row[1]] == nil {
			kinds = append(kinds, row[1])
		}
		byKind[row[1]] = append(byKind[row[1]], d)
	}
	sum := sha256.New()
	cases := 0
	for _, kind := range kinds {
		for _, from := range byKind[kind] {
			for _, to := range byKind[kind] {
				if from.unit == to.unit {
					continue
				}
				ratio := new(big.Rat).Quo(from.size, to.size)
				convert := func(x *big.Rat) *big.Rat {
					y := new(big.Rat).Add(x, from.offset)
					y.Mul(y, ratio)
					return y.Sub(y, to.offset)
				}
				single := 0
				if from.offset.Sign() == 0 && to.offset.Sign() == 0 && (ratio.IsInt() || ratio.Num().IsInt64() && ratio.Num().Int64() == 1) {
					single = 1
				}
				c := between(t, from.unit, to.unit)
				for _, text := range caseValues {
					value := rational(t, text)
					x, _ := value.Float64()
					exact := convert(value)
					ofExact, _ := exact.Float64()
					want, _ := convert(new(big.Rat).SetFloat64(x)).Float64()

					assertSame(t, want, c.Convert(x), "%s %v to %v", text, from.unit, to.unit)
					assert.Zero(t, exact.Cmp(c.Rat(value)), "%s %v to %v", text, from.unit, to.unit)
					fmt.Fprintf(sum, "%s,%s,%s,%s/%s,%016x,%016x,%d\n", text, from.symbol, to.symbol,
						exact.Num(), exact.Denom(), math.Float64bits(ofExact), math.Float64bits(want), single)
					cases++
				}
			}
		}
	}
	assert.Equal(t, 6660, cases)
	assert.Equal(t, caseSum, hex.EncodeToString(sum.Sum(nil)))
}
