package part13_test

import (
	"bufio"
	"math"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/aggregate/part13"
)

// noon is 12:00:00 in the worked tables.
var noon = acquire.At(time.Date(2012, 1, 2, 12, 0, 0, 0, time.UTC))

// historianConfigs are the configurations of A.1.1 to A.1.4.
var historianConfigs = map[string]part13.Config{
	"1": {UseUncertain: true},
	"2": {},
	"3": {Stepped: true, PercentDataGood: 50, PercentDataBad: 50},
	"4": {Stepped: true},
}

// exceptions are rows of the published tables that are not reproduced, and why.
var exceptions = map[string]string{
	"A.5 TimeAverage2 2 5 00:30": "the mean is 27.04545...; the table rounds twice",
	"A.19 Count 1 16 00:32":      "the source leaves the bits of a Bad result out; A.5 shows them for Historian 3",
	"A.19 Count 3 16 00:32":      "the source leaves the bits of a Bad result out; A.5 shows them for Historian 3",
}

func TestAnnexA(t *testing.T) {
	samples := historians(t)
	tables := map[string][]row{}
	var order []string
	for _, f := range csv(t, "testdata/annex_a.csv") {
		name := strings.Join(f[:4], " ")
		if tables[name] == nil {
			order = append(order, name)
		}
		tables[name] = append(tables[name], row{f[4], f[5], f[6]})
	}
	reproduced, excepted := 0, 0
	for _, name := range order {
		t.Run(name, func(t *testing.T) {
			f := strings.Fields(name)
			fn, ok := part13.ParseFunction(f[1])
			require.True(t, ok)
			step, err := strconv.Atoi(f[3])
			require.NoError(t, err)
			got, err := part13.Process(nil, fn, historianConfigs[f[2]], part13.Request{
				Start:    noon,
				End:      noon.Add(100 * time.Second),
				Interval: time.Duration(step) * time.Second,
			}, samples[f[2]])
			require.NoError(t, err)
			byTime := map[acquire.Instant]part13.Result{}
			for _, r := range got {
				byTime[r.Time] = r
			}
			for _, want := range tables[name] {
				key := name + " " + want.at
				r, ok := byTime[clock(t, want.at)]
				fits := ok && want.value == shown(r.Value, want.value) && want.status == strings.ReplaceAll(r.Status.String(), ",", "")
				if why, known := exceptions[key]; known {
					assert.False(t, fits, "%s fits, though excepted: %s", key, why)
					excepted++
					continue
				}
				reproduced++
				assert.True(t, fits, "%s: want %s %s, got %v %v", key, want.value, want.status, r.Value, r.Status)
			}
		})
	}
	t.Logf("%d rows of %d tables reproduced, %d excepted", reproduced, len(order), excepted)
}

type row struct{ at, value, status string }

// shown formats v with as many decimals as the table has.
func shown(v float64, like string) string {
	if math.IsNaN(v) {
		return ""
	}
	decimals := 0
	if _, d, ok := strings.Cut(like, "."); ok {
		decimals = len(d)
	}
	scale := math.Pow(10, float64(decimals))
	if decimals == 0 {
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	return strconv.FormatFloat(math.Round(v*scale)/scale, 'f', decimals, 64)
}

func clock(t testing.TB, at string) acquire.Instant {
	m, s, ok := strings.Cut(at, ":")
	require.True(t, ok)
	d, err := time.ParseDuration(m + "m" + s + "s")
	require.NoError(t, err)
	return noon.Add(d)
}

var codes = map[string]part13.StatusCode{
	"Good": part13.Good, "Uncertain": part13.Uncertain, "Bad": part13.Bad, "BadNoData": part13.BadNoData,
}

func historians(t testing.TB) map[string][]part13.Sample {
	all := map[string][]part13.Sample{}
	for _, f := range csv(t, "testdata/historians.csv") {
		s := part13.Sample{Time: clock(t, f[1]), Value: math.NaN(), Status: codes[f[3]]}
		if f[2] != "" {
			v, err := strconv.ParseFloat(f[2], 64)
			require.NoError(t, err)
			s.Value = v
		}
		n, err := strconv.Atoi(f[4])
		require.NoError(t, err)
		s.Annotations = uint32(n)
		all[f[0]] = append(all[f[0]], s)
	}
	return all
}

func csv(t testing.TB, name string) [][]string {
	f, err := os.Open(name)
	require.NoError(t, err)
	defer f.Close()
	var rows [][]string
	for in := bufio.NewScanner(f); in.Scan(); {
		if line := in.Text(); line != "" && line[0] != '#' {
			rows = append(rows, strings.Split(line, ","))
		}
	}
	return rows
}
