package units_test

import (
	"math"
	"math/big"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/units"
)

func TestParseScale(t *testing.T) {
	for _, test := range []struct {
		text string
		want units.Scale
	}{
		{"1", units.Scale{Num: 1, Den: 1}},
		{"+1", units.Scale{Num: 1, Den: 1}},
		{"-1", units.Scale{Num: -1, Den: 1}},
		{"1/10", units.Scale{Num: 1, Den: 10}},
		{"-1/10", units.Scale{Num: -1, Den: 10}},
		{"2/20", units.Scale{Num: 1, Den: 10}},
		{"10/1", units.Scale{Num: 10, Den: 1}},
		{"007/0010", units.Scale{Num: 7, Den: 10}},
		{"3600", units.Scale{Num: 3600, Den: 1}},
		{"0.1", units.Scale{Num: 1, Den: 10}},
		{"0.10", units.Scale{Num: 1, Den: 10}},
		{"-0.05", units.Scale{Num: -1, Den: 20}},
		{"1e-3", units.Scale{Num: 1, Den: 1000}},
		{"1E+3", units.Scale{Num: 1000, Den: 1}},
		{"1.5e-3", units.Scale{Num: 3, Den: 2000}},
		{"100e-1", units.Scale{Num: 10, Den: 1}},
		{"1000000e-6", units.Scale{Num: 1, Den: 1}},
		{"1e18", units.Scale{Num: 1e18, Den: 1}},
		{"1e-18", units.Scale{Num: 1, Den: 1e18}},
		{"5e-19", units.Scale{Num: 1, Den: 2e18}},
		{"9223372036854775807", units.Scale{Num: math.MaxInt64, Den: 1}},
		{"18446744073709551614/2", units.Scale{Num: math.MaxInt64, Den: 1}},
		{"1/9223372036854775807", units.Scale{Num: 1, Den: math.MaxInt64}},
		{"0." + strings.Repeat("0", 17) + "1", units.Scale{Num: 1, Den: 1e18}},
		{"1" + strings.Repeat("0", 40) + "e-40", units.Scale{Num: 1, Den: 1}},
		{"0.0000000000009094947017729282379150390625", units.Scale{Num: 1, Den: 1 << 40}},
		{"8388607.9999999999990905052982270717620849609375", units.Scale{Num: 1<<63 - 1, Den: 1 << 40}},
	} {
		got, err := units.ParseScale(test.text)
		if assert.NoError(t, err, test.text) {
			assert.Equal(t, test.want, got, test.text)
			again, err := units.ParseScale(got.String())
			assert.NoError(t, err)
			assert.Equal(t, got, again)
		}
	}
}

func TestParseScaleRefuses(t *testing.T) {
	for _, text := range []string{
		"", "-", "+", "/", "1/", "/10", "1/10/2", "0", "-0", "0.0", "0/1", "1/0", "0/0", "0e5", "e5", "1e", "1e+", "1e-", "1e1.5",
		".", "1.", ".1", " 1", "1 ", "1/ 10", "1_000", "1,000", "0x10", "--1", "+-1", "1/-10", "1/+10", "1.5/2", "1/1e3", "1e3e3",
		"NaN", "Inf", "ten", "１", "1e--3", "1.-5",
	} {
		got, err := units.ParseScale(text)
		assert.ErrorIs(t, err, units.ErrScale, text)
		assert.Zero(t, got)
	}
	for _, text := range []string{
		"9223372036854775808", "1/9223372036854775808", "1e19", "1e-19", "1e9999", "1e-9999", "1e10000", "1e99999999999999999999",
		"99999999999999999999", "99999999999999999999/3", "1.00000000000000000001",
	} {
		got, err := units.ParseScale(text)
		assert.ErrorIs(t, err, units.ErrRange, text)
		assert.Zero(t, got)
	}
	_, err := units.ParseScale("1/0")
	assert.EqualError(t, err, `units: invalid scale "1/0"`)
	_, err = units.ParseScale("1e19")
	assert.EqualError(t, err, `units: ratio out of range "1e19"`)
}

func TestScaleZeroPartsCountAsOne(t *testing.T) {
	var zero units.Scale
	assert.Equal(t, "1", zero.String())
	assert.Equal(t, 230.0, zero.ApplyInt(230))
	assert.Equal(t, 230.5, zero.Apply(230.5))
	assert.Equal(t, units.Scale{Num: 1, Den: 1}, zero.Reduce())
	assert.Equal(t, units.Scale{Num: 1, Den: 1}, zero.Inverse())
	assert.Equal(t, "1/10", units.Scale{Den: 10}.String())
	assert.Equal(t, 23.0, units.Scale{Den: 10}.ApplyInt(230))
	assert.Equal(t, "3600", units.Scale{Num: 3600}.String())
	assert.Equal(t, 7200.0, units.Scale{Num: 3600}.ApplyInt(2))
}

// A meter that sends 2302 tenths of a volt means 230.2, which 2302*0.1 is not.
func TestApplyIntEqualsTheDecimalText(t *testing.T) {
	tenth := units.Scale{Num: 1, Den: 10}
	float, missed := 0.1, 0
	for raw := range 1 << 16 {
		text := strconv.Itoa(raw/10) + "." + strconv.Itoa(raw%10)
		want, err := strconv.ParseFloat(text, 64)
		require.NoError(t, err)
		got := tenth.ApplyInt(int64(raw))
		if got != want {
			t.Fatalf("%d gives %v, want %v", raw, got, want)
		}
		if float64(raw)*float != want {
			missed++
		}
	}
	assert.Equal(t, 22943, missed, "values that a factor of 0.1 gets wrong")
}

// scaleTwin multiplies in rational arithmetic and rounds once. Infinities, NaN and
// zeros are as IEEE 754 has them.
func scaleTwin(x float64, ratio *big.Rat) float64 {
	if x == 0 || math.IsInf(x, 0) || math.IsNaN(x) {
		return x * float64(ratio.Sign())
	}
	exact := new(big.Rat).SetFloat64(x)
	y, _ := exact.Mul(exact, ratio).Float64()
	return y
}

// scales are random ones of every size, and those at the edges of int64.
func scales(n int) []units.Scale {
	r := rand.New(rand.NewPCG(3, 4))
	edges := []int64{1, -1, 2, 3, 10, -10, 1000, 3600, 1<<53 - 1, 1 << 53, 1<<53 + 1, 1e18, math.MaxInt64, -math.MaxInt64, math.MinInt64}
	var all []units.Scale
	for _, num := range edges {
		for _, den := range edges {
			all = append(all, units.Scale{Num: num, Den: den})
		}
	}
	for range n {
		all = append(all, units.Scale{Num: randomInt(r), Den: randomInt(r)})
	}
	return all
}

func randomInt(r *rand.Rand) int64 {
	return int64(r.Uint64())>>r.IntN(63) | 1
}

func rat(s units.Scale) *big.Rat {
	return new(big.Rat).SetFrac(big.NewInt(s.Num), big.NewInt(s.Den))
}

func TestApplyEqualsItsTwin(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	xs := values(4)
	for _, s := range scales(500) {
		exact := rat(s)
		raws := []int64{0, 1, -1, 7, 65535, 1 << 53, 1<<53 + 1, math.MaxInt64, math.MinInt64, randomInt(r), randomInt(r), randomInt(r)}
		for _, raw := range raws {
			product := new(big.Rat).SetInt64(raw)
			want, _ := product.Mul(product, exact).Float64()
			assertSame(t, want, s.ApplyInt(raw), "%d by %v", raw, s)

			product.SetUint64(uint64(raw))
			want, _ = product.Mul(product, exact).Float64()
			assertSame(t, want, s.ApplyUint(uint64(raw)), "%d by %v", uint64(raw), s)
		}
		for _, x := range xs {
			assertSame(t, scaleTwin(x, exact), s.Apply(x), "%v by %v", x, s)
		}
	}
}

func TestScaleArithmetic(t *testing.T) {
	all := scales(20)
	for _, s := range all {
		reduced := s.Reduce()
		assert.Zero(t, rat(s).Cmp(rat(reduced)), "%v", s)
		assert.Equal(t, reduced, reduced.Reduce(), "%v", s)
		inverse := s.Inverse()
		assert.Zero(t, rat(inverse).Cmp(new(big.Rat).Inv(rat(s))), "%v", s)
		assert.Equal(t, reduced, inverse.Inverse(), "%v", s)

		for _, u := range all {
			want := new(big.Rat).Mul(rat(s), rat(u))
			limit := big.NewInt(math.MaxInt64)
			got, err := s.Mul(u)
			if want.Num().CmpAbs(limit) > 0 || want.Denom().Cmp(limit) > 0 {
				require.ErrorIs(t, err, units.ErrRange, "%v times %v", s, u)
				require.Zero(t, got)
				continue
			}
			require.NoError(t, err, "%v times %v", s, u)
			require.Equal(t, units.Scale{Num: want.Num().Int64(), Den: want.Denom().Int64()}, got)
		}
	}
	assert.Equal(t, units.Scale{Num: 1, Den: 2}, units.Scale{Num: 5, Den: 10}.Reduce())
	assert.Equal(t, units.Scale{Num: -1, Den: 2}, units.Scale{Num: 5, Den: -10}.Reduce())
	assert.Equal(t, "-1/9223372036854775808", units.Scale{Num: 1, Den: math.MinInt64}.String())
}

func TestThenRoundsOnce(t *testing.T) {
	conv := between(t, units.KilowattHour, units.Megajoule)
	scale, ok := units.Scale{Den: 10}.Then(conv)
	require.True(t, ok)
	assert.Equal(t, units.Scale{Num: 9, Den: 25}, scale)
	assert.Equal(t, 828.72, scale.ApplyInt(2302))
	assert.Equal(t, 828.7199999999999, conv.Convert(units.Scale{Den: 10}.ApplyInt(2302)))

	scale, ok = units.Scale{Num: -2, Den: 20}.Then(units.Converter{})
	assert.True(t, ok)
	assert.Equal(t, units.Scale{Num: -1, Den: 10}, scale)

	_, ok = units.Scale{}.Then(between(t, units.Degree, units.Radian))
	assert.False(t, ok, "irrational")
	_, ok = units.Scale{Den: 10}.Then(between(t, units.DegreeCelsius, units.DegreeFahrenheit))
	assert.False(t, ok, "no ratio alone")
	_, ok = units.Scale{Den: 10}.Then(between(t, units.DegreeRankine, units.Kelvin))
	assert.True(t, ok)
	_, ok = units.Scale{Num: 1e18}.Then(between(t, units.Day, units.Nanosecond))
	assert.False(t, ok, "beyond int64")
}

func TestScaleAllocatesNothing(t *testing.T) {
	for _, s := range []units.Scale{{}, {Num: 1, Den: 10}, {Num: 3600}, {Num: 3, Den: 7}, {Num: math.MinInt64, Den: 3}} {
		assert.Zero(t, testing.AllocsPerRun(100, func() {
			sink = s.ApplyInt(2302) + s.ApplyUint(math.MaxUint64) + s.Apply(230.2)
		}))
	}
}

func FuzzParseScale(f *testing.F) {
	for _, s := range []string{"1/10", "-3600", "0.001", "1e-3", "1.5E+3", "0", "1/0", "5e-19", "1/010", "9223372036854775808", "1e9999", "", "x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := units.ParseScale(text)
		if err != nil {
			require.Zero(t, got)
			require.Less(t, len(err.Error()), 400)
			return
		}
		require.Positive(t, got.Den)
		require.Equal(t, got, got.Reduce())
		if len(text) < 100 {
			want := new(big.Rat)
			for i, part := range strings.Split(text, "/") {
				// Leading zeros go, as big.Rat would read an octal divisor.
				sign := strings.TrimRight(part[:1], "0123456789")
				value, ok := new(big.Rat).SetString(sign + "0" + strings.TrimLeft(part[len(sign):], "0"))
				require.True(t, ok)
				if i == 0 {
					want = value
				} else {
					want.Quo(want, value)
				}
			}
			require.Zero(t, want.Cmp(rat(got)))
		}
		again, err := units.ParseScale(got.String())
		require.NoError(t, err)
		require.Equal(t, got, again)
	})
}

func BenchmarkApplyInt(b *testing.B) {
	for _, s := range []units.Scale{{}, {Num: 1, Den: 10}, {Num: 3600, Den: 1}, {Num: 3, Den: 7}} {
		b.Run(strings.ReplaceAll(s.String(), "/", "_over_"), func(b *testing.B) {
			b.ReportAllocs()
			raw := int64(2302)
			for b.Loop() {
				sink = s.ApplyInt(raw)
			}
		})
	}
}
