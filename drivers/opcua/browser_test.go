package opcua_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/drivers/opcua"
	"github.com/fieldtap/fieldtap/drivers/opcua/opcuatest"
	"github.com/fieldtap/fieldtap/units"
)

func meterSource(t *testing.T, s *opcuatest.Server, points ...opcua.Point) (*opcua.Source, *acquire.Catalog) {
	catalog := acquire.NewCatalog()
	src, err := opcua.NewSource(opcua.Config{
		Client: opcua.ClientConfig{Endpoint: s.URL(), Policies: []opcua.Policy{opcua.PolicyNone}}, Catalog: catalog, Points: points,
	})
	require.NoError(t, err)
	return src, catalog
}

func TestSourceBrowse(t *testing.T) {
	s := meters(t, opcuatest.Limits{Browse: 3, References: 4})
	src, _ := meterSource(t, s, opcua.Point{Name: "x", Node: "i=2258", Kind: acquire.KindInt64})
	browser, ok := acquire.As[acquire.Browser](acquire.Reconnect(src, acquire.Backoff{}))
	require.True(t, ok)
	entries := make(map[string]acquire.Entry)
	for e, err := range browser.Browse(t.Context(), "Plant/*/*") {
		require.NoError(t, err)
		entries[e.Name] = e
	}
	require.Len(t, entries, 40)
	power := entries["Plant/Meter3/Power"]
	assert.Equal(t, units.Kilowatt, power.Unit.Unit)
	power.Unit = units.Stated{}
	assert.Equal(t, acquire.Entry{
		ID: "nsu=urn:plant:meters;s=Meter3.Power", Name: "Plant/Meter3/Power", Kind: acquire.KindFloat64, Type: "Double", Low: -10, High: 100, Ranged: true, History: true,
	}, power)
	state := entries["Plant/Meter3/State"]
	assert.Equal(t, acquire.KindText, state.Kind)
	assert.Equal(t, map[int64]string{0: "Off", 1: "On"}, state.Names)
	assert.False(t, state.Ranged || state.History || state.Array)

	all := 0
	for e, err := range browser.Browse(t.Context(), "") {
		require.NoError(t, err)
		if e.Name == "Server/NamespaceArray" {
			assert.True(t, e.Array)
			assert.Equal(t, acquire.KindText, e.Kind)
		}
		all++
	}
	assert.Greater(t, all, 40)
	for e, err := range browser.Browse(t.Context(), "Plant/**") {
		require.NoError(t, err)
		assert.NotEmpty(t, e.ID)
		break
	}
	for e, err := range browser.Browse(t.Context(), "Plant//x") {
		require.Error(t, err)
		assert.Zero(t, e)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, err := range browser.Browse(ctx, "") {
		assert.ErrorIs(t, err, context.Canceled)
	}
	assert.Zero(t, s.Stats().Sessions, "none is left behind")
	assert.Zero(t, s.Stats().Writes)
}

func TestSourceHistory(t *testing.T) {
	s := meters(t, opcuatest.Limits{History: 3, HistoryValues: 7})
	var points []opcua.Point
	for _, meter := range []string{"0", "1", "2", "3", "4", "5", "6"} {
		points = append(points, opcua.Point{Name: meter, Node: opcua.NodeID("ns=2;s=Meter" + meter + ".Power"), Unit: units.Kilowatt})
	}
	points = append(points, opcua.Point{Name: "state", Node: "ns=2;s=Meter0.State", Kind: acquire.KindInt64}, opcua.Point{Name: "elsewhere", Node: "nsu=urn:none;s=x", Poll: true})
	src, catalog := meterSource(t, s, points...)
	historian, ok := acquire.As[acquire.Historian](acquire.Reconnect(src, acquire.Backoff{}))
	require.True(t, ok)
	from := acquire.At(time.Unix(time.Now().Unix()-100, 0))
	to := from.Add(50 * time.Second)
	read := func(ids ...acquire.PointID) (got map[string]int, last error) {
		got = make(map[string]int)
		for b, err := range historian.History(t.Context(), from, to, ids...) {
			require.NoError(t, last, "an error is the last step")
			if last = err; err != nil {
				assert.Nil(t, b)
				continue
			}
			for _, x := range b.Samples {
				p, _ := catalog.Point(x.Point)
				assert.Equal(t, from.Add(time.Duration(got[p.Name])*time.Second), x.Time, "each second once, in order")
				v, ok := x.Value.Float64()
				assert.True(t, ok)
				assert.EqualValues(t, x.Time.Time().Unix()%1000, v)
				assert.True(t, x.Quality.IsGood() && x.Quality.Has(acquire.Backfilled|acquire.SourceTime))
				got[p.Name]++
			}
		}
		return got, last
	}
	got, err := read(src.Points()[:7]...)
	require.NoError(t, err)
	assert.Equal(t, map[string]int{"0": 50, "1": 50, "2": 50, "3": 50, "4": 50, "5": 50, "6": 50}, got)
	got, err = read(src.Points()[6], src.Points()[6])
	require.NoError(t, err)
	assert.Equal(t, map[string]int{"6": 50}, got, "points that are not asked for do not come")

	got, err = read(src.Points()...)
	assert.Len(t, got, 7, "what is refused takes nothing from the others")
	assert.ErrorContains(t, err, `point "state": opcua: HistoryRead: status 0x80720000`)
	assert.ErrorContains(t, err, `point "elsewhere"`)
	assert.False(t, strings.Contains(err.Error(), `point "0"`))

	for b, err := range historian.History(t.Context(), from, to, src.Points()[0]) {
		require.NoError(t, err)
		require.NotEmpty(t, b.Samples)
		break
	}
	for _, c := range []struct {
		from, to acquire.Instant
		points   []acquire.PointID
	}{{from, to, nil}, {from, to, []acquire.PointID{99}}, {to, from, src.Points()}, {0, to, src.Points()}} {
		before := s.Stats().SessionsCreated
		steps := 0
		for b, err := range historian.History(t.Context(), c.from, c.to, c.points...) {
			require.Error(t, err)
			assert.Nil(t, b)
			steps++
		}
		assert.Equal(t, 1, steps)
		assert.Equal(t, before, s.Stats().SessionsCreated, "nothing is asked")
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	steps := 0
	for b, err := range historian.History(ctx, from, to, src.Points()[:7]...) {
		if steps++; steps == 1 {
			require.NoError(t, err)
			require.NotEmpty(t, b.Samples)
			cancel()
			continue
		}
		assert.ErrorIs(t, err, context.Canceled)
	}
	assert.Equal(t, 2, steps)
	assert.Zero(t, s.Stats().Sessions, "none is left behind")
	assert.Zero(t, s.Stats().Writes)
}

// TestSourceHistoryOfEvents: an error says that there is none, beside what there is.
func TestSourceHistoryOfEvents(t *testing.T) {
	s := meters(t, opcuatest.Limits{})
	src, err := opcua.NewSource(opcua.Config{
		Client:  opcua.ClientConfig{Endpoint: s.URL(), Policies: []opcua.Policy{opcua.PolicyNone}},
		Catalog: acquire.NewCatalog(), Points: []opcua.Point{{Name: "P", Node: "ns=2;s=Meter0.Power"}}, Events: []opcua.EventPoint{{Name: "alarms"}},
	})
	require.NoError(t, err)
	n, last := 0, error(nil)
	for b, err := range src.History(t.Context(), acquire.At(time.Unix(1000, 0)), acquire.At(time.Unix(1010, 0)), src.Points()...) {
		if last = err; err == nil {
			n += len(b.Samples)
		}
	}
	assert.Equal(t, 10, n)
	assert.ErrorContains(t, last, `points "alarms/message", "alarms/severity"`)
}
