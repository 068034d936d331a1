package opcua_test

import (
	"testing"
	"time"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/acquire/acquiretest"
	"github.com/fieldtap/fieldtap/drivers/opcua"
	"github.com/fieldtap/fieldtap/drivers/opcua/opcuatest"
	"github.com/fieldtap/fieldtap/units"
)

// TestHistorian: the history of a server keeps the contract that all histories keep,
// however few nodes and values the server gives in one answer.
func TestHistorian(t *testing.T) {
	for name, limits := range map[string]opcuatest.Limits{
		"wide":   {},
		"narrow": {History: 2, HistoryValues: 3},
	} {
		t.Run(name, func(t *testing.T) {
			acquiretest.TestHistorian(t, func(t *testing.T) *acquiretest.Past {
				s := meters(t, limits)
				points := []opcua.Point{{Name: "state", Node: "ns=2;s=Meter0.State", Kind: acquire.KindInt64}}
				for _, meter := range []string{"1", "2", "3"} {
					points = append(points, opcua.Point{Name: meter, Node: opcua.NodeID("ns=2;s=Meter" + meter + ".Power"), Unit: units.Kilowatt})
				}
				src, catalog := meterSource(t, s, points...)
				from := acquire.At(time.Unix(time.Now().Unix()-100, 0))
				past := &acquiretest.Past{Source: src, Catalog: catalog, From: from, To: from.Add(20 * time.Second), Tick: 100 * time.Nanosecond, Refused: src.Points()[:1]}
				for _, id := range src.Points()[1:] {
					for at := from; at < past.To; at = at.Add(time.Second) {
						past.Kept = append(past.Kept, acquire.Sample{
							Time: at, Point: id, Value: acquire.Float64(float64(at.Time().Unix() % 1000)), Quality: acquire.Good.With(acquire.SourceTime),
						})
					}
				}
				return past
			})
		})
	}
}
