// Package units holds conversions of this module beside those of other Go
// libraries:
//
//	go test -run Right -v -bench . ./units
//
// Each benchmark converts the same 1024 values, so that a time divided by 1024 is
// that of one conversion; the metric ns/value says it.
package units

import (
	"math"
	"math/big"
	"testing"

	peer "github.com/bcicen/go-units"
	"gonum.org/v1/gonum/unit"

	"github.com/fieldtap/fieldtap/units"
)

var values = func() []float64 {
	xs := make([]float64, 1024)
	for i := range xs {
		xs[i] = 0.1 + float64(i)*1.37
	}
	return xs
}()

var results = make([]float64, len(values))

// each measures convert over all values.
func each(b *testing.B, convert func()) {
	b.Helper()
	b.ReportAllocs()
	for b.Loop() {
		convert()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(values)), "ns/value")
}

func between(b *testing.B, from, to units.Unit) units.Converter {
	b.Helper()
	c, err := units.Between(from, to)
	if err != nil {
		b.Fatal(err)
	}
	return c
}

// BenchmarkMultiplyByHand is the floor: a loop that multiplies by a constant.
func BenchmarkMultiplyByHand(b *testing.B) {
	factor := 1000.0
	each(b, func() {
		factor, out := factor, results
		for i, x := range values {
			out[i] = x * factor
		}
	})
}

// BenchmarkPrepared is a Converter of this module, made once.
func BenchmarkPrepared(b *testing.B) {
	for _, pair := range []struct {
		name     string
		from, to units.Unit
	}{
		{"identity", units.Watt, units.Watt},
		{"kW-W", units.Kilowatt, units.Watt},
		{"W-kW", units.Watt, units.Kilowatt},
		{"MJ-kWh", units.Megajoule, units.KilowattHour},
		{"psi-bar", units.Psi, units.Bar},
		{"deg-rad", units.Degree, units.Radian},
		{"degF-degC", units.DegreeFahrenheit, units.DegreeCelsius},
	} {
		c := between(b, pair.from, pair.to)
		b.Run(pair.name, func(b *testing.B) {
			each(b, func() {
				c, out := c, results // as a program has them: not behind the closure
				for i, x := range values {
					out[i] = c.Convert(x)
				}
			})
		})
		b.Run(pair.name+"/slice", func(b *testing.B) {
			each(b, func() { c.ConvertAll(results, values) })
		})
	}
}

// BenchmarkAtOnce looks the conversion up for every value.
func BenchmarkAtOnce(b *testing.B) {
	each(b, func() {
		for i, x := range values {
			q, err := units.Quantity{Value: x, Unit: units.Kilowatt}.In(units.Watt)
			if err != nil {
				b.Fatal(err)
			}
			results[i] = q.Value
		}
	})
}

// BenchmarkInteger is the path of counters.
func BenchmarkInteger(b *testing.B) {
	c := between(b, units.Megajoule, units.KilowattHour)
	each(b, func() {
		for i := range values {
			whole, _, ok := c.ConvertInt(int64(i))
			if !ok {
				b.Fatal(i)
			}
			results[i] = float64(whole)
		}
	})
}

// BenchmarkBigRat is exact arithmetic, rounded once.
func BenchmarkBigRat(b *testing.B) {
	ratio := big.NewRat(5, 18)
	x := new(big.Rat)
	each(b, func() {
		for i, v := range values {
			results[i], _ = x.Mul(x.SetFloat64(v), ratio).Float64()
		}
	})
}

// BenchmarkGoUnits is github.com/bcicen/go-units.
func BenchmarkGoUnits(b *testing.B) {
	each(b, func() {
		for i, x := range values {
			v, err := peer.ConvertFloat(x, peer.KiloWatt, peer.Watt)
			if err != nil {
				b.Fatal(err)
			}
			results[i] = v.Float()
		}
	})
}

// BenchmarkGonum is gonum.org/v1/gonum/unit, which multiplies by a constant and
// carries a map of dimensions with each quantity.
func BenchmarkGonum(b *testing.B) {
	b.Run("typed", func(b *testing.B) {
		each(b, func() {
			for i, x := range values {
				p := unit.Power(x) * unit.Kilo
				results[i] = float64(p)
			}
		})
	})
	b.Run("checked", func(b *testing.B) {
		kilo := unit.New(unit.Kilo, unit.Dimensions{})
		each(b, func() {
			for i, x := range values {
				p := unit.New(x, unit.Dimensions{unit.MassDim: 1, unit.LengthDim: 2, unit.TimeDim: -3}).Mul(kilo)
				results[i] = p.Value()
			}
		})
	})
}

// TestWhoIsRight counts the values that each way gets wrong by a bit or more,
// against exact arithmetic. It asserts for ours and logs for the peers.
func TestWhoIsRight(t *testing.T) {
	for _, pair := range []struct {
		from, to   units.Unit
		pFrom, pTo peer.Unit
	}{
		{units.Watt, units.Kilowatt, peer.Watt, peer.KiloWatt},
		{units.Joule, units.WattHour, peer.Joule, peer.WattHour},
		{units.Psi, units.Bar, peer.Psi, peer.Bar},
		{units.DegreeFahrenheit, units.DegreeCelsius, peer.Fahrenheit, peer.Celsius},
	} {
		c, err := units.Between(pair.from, pair.to)
		if err != nil {
			t.Fatal(err)
		}
		ours, theirs, worst := 0, 0, 0.0
		for _, x := range values {
			want, _ := c.Rat(new(big.Rat).SetFloat64(x)).Float64()
			if c.Convert(x) != want {
				ours++
			}
			v, err := peer.ConvertFloat(x, pair.pFrom, pair.pTo)
			if err != nil {
				t.Errorf("%v to %v: %v", pair.from, pair.to, err)
				break
			}
			if v.Float() != want {
				theirs++
				worst = max(worst, math.Abs(v.Float()/want-1))
			}
		}
		if ours != 0 {
			t.Errorf("%v to %v: %d values wrong", pair.from, pair.to, ours)
		}
		t.Logf("%v to %v, of %d values: ours %d wrong; go-units %d, worst by %.1e of the value", pair.from, pair.to, len(values), ours, theirs, worst)
	}
}
