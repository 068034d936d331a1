package aggregate_test

import (
	"encoding/json"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/aggregate"
)

// What a Router hands out is the same after it was JSON.
func TestIntervalsAsJSON(t *testing.T) {
	random := rand.New(rand.NewPCG(81, 82))
	seen := 0
	for range 150 {
		s, catalog := write(&dice{data: randomBytes(random, 1500)})
		intervals, _ := play(t, s, catalog, func() bool { return random.IntN(4) == 0 })
		for _, want := range intervals {
			text, err := json.Marshal(want)
			require.NoError(t, err)
			var got aggregate.Interval
			require.NoError(t, json.Unmarshal(text, &got), string(text))
			require.Equal(t, want, got, string(text))
			seen++
		}
	}
	require.Greater(t, seen, 1000)
}

const someInterval = `{"meter":"main","start":900000000000,"end":1800000000000,"channels":["power","import register"],"carried":["import register"],"flags":["gap","carried"],"revision":2,` +
	`"power":{"import_kwh":2,"export_kwh":0,"import":"14400000000000000000000","export":"0","good":600000000000,"uncertain":0,"missing":300000000000},` +
	`"registers":{"import_kwh":0.001,"export_kwh":0,"import":"7200000000000000000","export":"0","good":0,"uncertain":900000000000,"missing":0}}`

func TestIntervalJSONIsChecked(t *testing.T) {
	var iv aggregate.Interval
	require.NoError(t, iv.UnmarshalJSON([]byte(someInterval)))
	again, err := iv.MarshalJSON()
	require.NoError(t, err)
	require.Equal(t, someInterval, string(again))
	require.Equal(t, 2.0, iv.Power.Import.KilowattHours())
	before := iv
	for _, c := range [][2]string{
		{`"end":1800000000000`, `"end":900000000000`},
		{`"end":1800000000000`, `"end":1800000000001`},
		{`"power",`, `"weather",`},
		{`"power","import register"]`, `"import register","power"]`},
		{`"power",`, ``},
		{`["import register"],"flags"`, `["export register"],"flags"`},
		{`"gap","carried"`, `"carried","gap"`},
		{`"gap","carried"`, `"gap","gap"`},
		{`"import_kwh":2,`, `"import_kwh":2.5,`},
		{`"import_kwh":2,`, ``},
		{`"import_kwh":2,`, `"import_kvarh":2,`},
		{`"14400000000000000000000"`, `"014400000000000000000000"`},
		{`"14400000000000000000000"`, `"-14400000000000000000000"`},
		{`"14400000000000000000000"`, `"` + strings.Repeat("9", 39) + `"`},
		{`"good":600000000000`, `"good":-600000000000`},
		{`"revision"`, `"version"`},
		{`}}`, `}},`},
		{`}}`, `}}{}`},
	} {
		text := strings.Replace(someInterval, c[0], c[1], 1)
		require.NotEqual(t, someInterval, text)
		assert.Error(t, iv.UnmarshalJSON([]byte(text)), text)
		assert.Equal(t, before, iv)
	}
	_, err = aggregate.Interval{Meter: "\xff"}.MarshalJSON()
	assert.Error(t, err)
}

func FuzzIntervalJSON(f *testing.F) {
	f.Add(someInterval)
	f.Add(`{"meter":"","start":1,"end":2}`)
	f.Fuzz(func(t *testing.T, text string) {
		var iv, again aggregate.Interval
		if iv.UnmarshalJSON([]byte(text)) != nil {
			return
		}
		own, err := iv.MarshalJSON()
		require.NoError(t, err)
		require.NoError(t, again.UnmarshalJSON(own))
		require.Equal(t, iv, again)
	})
}
