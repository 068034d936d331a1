package demand_test

import (
	"encoding/csv"
	"math"
	"math/big"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/aggregate"
	"github.com/fieldtap/fieldtap/aggregate/demand"
	"github.com/fieldtap/fieldtap/units"
)

// table reads a file of testdata without its head.
func table(t *testing.T, name string) [][]string {
	t.Helper()
	file, err := os.Open("testdata/" + name)
	require.NoError(t, err)
	defer file.Close()
	in := csv.NewReader(file)
	in.Comment = '#'
	rows, err := in.ReadAll()
	require.NoError(t, err)
	return rows[1:]
}

func number(t *testing.T, s string) float64 {
	t.Helper()
	f, err := strconv.ParseFloat(s, 64)
	require.NoError(t, err)
	return f
}

func TestRatchetOfGeorgia(t *testing.T) {
	config := demand.RatchetConfig{Minimum: 500e3}
	var peaks []demand.MonthPeak // two years, from January
	rows := table(t, "ratchet.csv")
	require.Len(t, rows, 12)
	for year := range 2 {
		for i, row := range rows {
			peaks = append(peaks, demand.MonthPeak{Power: units.Watts(1000 * number(t, row[1+year])), Known: true})
			config.Percent[i], config.Actual[i] = number(t, row[3]), row[4] == "1"
		}
	}
	ratchet, err := demand.NewRatchet(config)
	require.NoError(t, err)
	for i, row := range rows {
		now := 12 + i
		var earlier []demand.MonthPeak
		for back := 1; back <= now; back++ {
			earlier = append(earlier, peaks[now-back])
		}
		billed := ratchet.Bill(time.Month(i+1), peaks[now], earlier)
		assert.Equal(t, 1000*number(t, row[5]), float64(billed.Demand), "%v", time.Month(i+1))
		assert.Zero(t, billed.Unknown)
		if time.Month(i+1) == time.August {
			assert.Equal(t, demand.FromActual, billed.Basis)
		} else {
			assert.Equal(t, demand.FromLookback, billed.Basis)
			assert.Equal(t, time.August, time.Month((now-billed.Back)%12+1), "the peak of August ratchets")
		}
	}
}

func TestRatchetSaysWhatItDoesNotKnow(t *testing.T) {
	config := demand.RatchetConfig{Lookback: 3, Minimum: 100}
	for i := range config.Percent {
		config.Percent[i] = 50
	}
	ratchet, err := demand.NewRatchet(config)
	require.NoError(t, err)
	known := func(p units.Watts) demand.MonthPeak { return demand.MonthPeak{Power: p, Known: true} }
	for _, test := range []struct {
		name    string
		month   time.Month
		own     demand.MonthPeak
		earlier []demand.MonthPeak
		want    demand.Billed
	}{
		{"nothing known", time.May, demand.MonthPeak{}, nil, demand.Billed{Demand: 100, Unknown: 4}},
		{"an unknown peak is not 0 but unknown", time.May, known(150), []demand.MonthPeak{{Power: 9000}, known(400)}, demand.Billed{Demand: 200, Basis: demand.FromLookback, Back: 2, Unknown: 2}},
		{"senseless peaks", time.May, known(units.Watts(math.NaN())), []demand.MonthPeak{known(-1), known(units.Watts(math.Inf(1))), known(80)}, demand.Billed{Demand: 100, Unknown: 3}},
		{"of equal ones the minimum", time.January, known(100), []demand.MonthPeak{known(200), known(0), known(0)}, demand.Billed{Demand: 100}},
		{"of equal ones the actual", time.January, known(300), []demand.MonthPeak{known(600), known(0), known(0)}, demand.Billed{Demand: 300, Basis: demand.FromActual}},
		{"beyond the look-back", time.January, known(0), []demand.MonthPeak{known(0), known(0), known(0), known(1e6)}, demand.Billed{Demand: 100}},
		{"no such month", 13, known(1e6), nil, demand.Billed{Demand: 100, Unknown: 4}},
	} {
		assert.Equal(t, test.want, ratchet.Bill(test.month, test.own, test.earlier), test.name)
	}
}

// The ratchet in exact numbers, month by month on a calendar of its own.
func TestRatchetEqualsTwin(t *testing.T) {
	rnd := rand.New(rand.NewPCG(9, 10))
	for range 300 {
		config := demand.RatchetConfig{Lookback: 1 + rnd.IntN(30), Minimum: units.Watts(rnd.IntN(400))}
		for i := range config.Percent {
			config.Percent[i], config.Actual[i] = float64(rnd.IntN(5)*25), rnd.IntN(2) == 0
		}
		ratchet, err := demand.NewRatchet(config)
		require.NoError(t, err)
		all := config.Actual == [12]bool{}
		month := time.Date(2026, time.Month(1+rnd.IntN(12)), 1, 0, 0, 0, 0, time.UTC)
		peaks := make([]demand.MonthPeak, 1+rnd.IntN(35))
		for i := range peaks {
			peaks[i] = demand.MonthPeak{Power: units.Watts(rnd.IntN(1000)), Known: rnd.IntN(5) > 0}
		}
		want, unknown := big.NewRat(int64(config.Minimum), 1), 0
		for back := range config.Lookback + 1 {
			then := month.AddDate(0, -back, 0).Month() - time.January
			percent := config.Percent[then]
			if back == 0 {
				percent = 0
				if all || config.Actual[then] {
					percent = 100
				}
			}
			if percent == 0 {
				continue
			}
			if back >= len(peaks) || !peaks[back].Known {
				unknown++
				continue
			}
			if share := big.NewRat(int64(peaks[back].Power)*int64(percent), 100); share.Cmp(want) > 0 {
				want = share
			}
		}
		billed := ratchet.Bill(month.Month(), peaks[0], peaks[1:])
		exact, _ := want.Float64()
		require.Equal(t, exact, float64(billed.Demand))
		require.Equal(t, unknown, billed.Unknown)
	}
}

// A percentage is rounded once, and all of a peak is the peak.
func TestRatchetRoundsOnce(t *testing.T) {
	rnd := rand.New(rand.NewPCG(10, 9))
	for range 2000 {
		percent, peak := float64(1+rnd.IntN(100)), math.Ldexp(rnd.Float64(), rnd.IntN(1024))
		config := demand.RatchetConfig{}
		for i := range config.Percent {
			config.Percent[i] = percent
		}
		ratchet, err := demand.NewRatchet(config)
		require.NoError(t, err)
		known := demand.MonthPeak{Power: units.Watts(peak), Known: true}
		want, _ := new(big.Rat).Mul(new(big.Rat).SetFloat64(peak), big.NewRat(int64(percent), 100)).Float64()
		require.Equal(t, want, float64(ratchet.Bill(time.May, demand.MonthPeak{}, []demand.MonthPeak{known}).Demand))
		require.Equal(t, known.Power, ratchet.Bill(time.May, known, nil).Demand)
	}
}

func TestNewRatchetNamesEveryFault(t *testing.T) {
	_, err := demand.NewRatchet(demand.RatchetConfig{Lookback: 121, Percent: [12]float64{1: 101, 2: math.NaN()}, Minimum: -1})
	require.EqualError(t, err, "demand: look-back of 121 months is not within 0 and 120\n"+
		"demand: February ratchets at 101 %, which is not within 0 and 100\n"+
		"demand: March ratchets at NaN %, which is not within 0 and 100\n"+
		"demand: contract minimum of -1 W is not a power")
	assert.Equal(t, "minimum actual look-back basis 3", demand.FromMinimum.String()+" "+demand.FromActual.String()+" "+demand.FromLookback.String()+" "+demand.Basis(3).String())
}

func TestProjectedOfNiagara(t *testing.T) {
	for _, row := range table(t, "projected.csv") {
		minutes := func(i int) time.Duration { return time.Duration(number(t, row[i])) * time.Minute }
		var soFar aggregate.Energy
		for range int(number(t, row[3])) {
			soFar = soFar.Add(aggregate.WattHours(10000))
		}
		for range int(number(t, row[4])) {
			soFar = soFar.Add(fourHundredKilowattMinutes)
		}
		got, ok := demand.Projected(soFar, units.Watts(1000*number(t, row[5])), minutes(1)-minutes(2), minutes(1))
		require.True(t, ok)
		assert.InDelta(t, number(t, row[6]), got.Kilowatts(), 0.0005)
	}
}

// 400 kW for a minute are 24 MJ, of 2·10¹⁵ quanta each joule.
var fourHundredKilowattMinutes = func() aggregate.Energy {
	n := new(big.Int).Mul(big.NewInt(24e6), big.NewInt(2e15))
	hi, lo := new(big.Int).Rsh(n, 64), new(big.Int).And(n, new(big.Int).SetUint64(math.MaxUint64))
	return aggregate.EnergyOf(hi.Uint64(), lo.Uint64())
}()

func TestProjectedRefusesNonsense(t *testing.T) {
	for _, test := range []struct {
		now            units.Watts
		left, interval time.Duration
	}{
		{0, 0, 0}, {0, 1, -1}, {0, -1, 1}, {0, 2, 1}, {units.Watts(math.NaN()), 1, 2}, {units.Watts(math.Inf(-1)), 1, 2},
	} {
		_, ok := demand.Projected(aggregate.Energy{}, test.now, test.left, test.interval)
		assert.False(t, ok, "%+v", test)
	}
	got, ok := demand.Projected(aggregate.WattHours(1000), 5000, 0, time.Hour)
	assert.True(t, ok)
	assert.Equal(t, units.Watts(1000), got, "nothing is left")
	got, ok = demand.Projected(aggregate.WattHours(0), -5000, time.Hour, time.Hour)
	assert.True(t, ok)
	assert.Equal(t, units.Watts(-5000), got)
}
