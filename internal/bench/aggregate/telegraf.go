package main

import (
	"strconv"

	"github.com/influxdata/telegraf"
	"github.com/influxdata/telegraf/metric"
	"github.com/influxdata/telegraf/plugins/aggregators"
	_ "github.com/influxdata/telegraf/plugins/aggregators/basicstats" // count, min, max, mean, variance
	_ "github.com/influxdata/telegraf/plugins/aggregators/derivative" // difference over time
)

// newMetrics builds the rows as Telegraf has them, before the clock starts: one
// metric a reading, tagged with its meter.
func newMetrics(r *rows) []telegraf.Metric {
	tags := make([]map[string]string, r.meters)
	for m := range tags {
		tags[m] = map[string]string{"meter": strconv.Itoa(m)}
	}
	metrics := make([]telegraf.Metric, len(r.meter))
	for i, m := range r.meter {
		metrics[i] = metric.New("power", tags[m], map[string]any{"watts": r.watts[i]}, r.at[i].Time())
	}
	return metrics
}

// newAggregator returns a fresh aggregator plugin by its name, with its defaults.
func newAggregator(name string) (telegraf.Aggregator, error) {
	plugin := aggregators.Aggregators[name]()
	if starter, ok := plugin.(telegraf.Initializer); ok {
		if err := starter.Init(); err != nil {
			return nil, err
		}
	}
	return plugin, nil
}
