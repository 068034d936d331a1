package main

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"

	"github.com/gosnmp/gosnmp"
	"github.com/influxdata/telegraf/logger"
	input "github.com/influxdata/telegraf/plugins/inputs/snmp"
	"github.com/influxdata/toml"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/drivers/snmp"
	"github.com/fieldtap/fieldtap/drivers/snmp/snmptest"
)

const objects = 60

// objectID is the n-th object of an agent, from 0; its value is n+1.
func objectID(n int) string { return fmt.Sprintf("1.3.6.1.4.1.8072.9999.%d.0", n+1) }

// startAgent starts the agent that is all agents.
func startAgent() (device, error) {
	served := snmptest.Objects{"1.3.6.1.2.1.1.3.0": snmptest.Uptime()}
	for n := range objects {
		served[objectID(n)] = snmptest.Gauge32(uint32(n + 1))
	}
	mib, err := snmptest.NewMIB(served)
	if err != nil {
		return nil, err
	}
	return snmptest.Start(snmptest.Config{MIB: mib})
}

// pollAgents reads all agents from one stream.
func pollAgents(ctx context.Context, s settings, l *log) error {
	catalog := acquire.NewCatalog()
	sources := make([]acquire.Source, s.devices)
	agent := make(map[acquire.PointID]int)
	for d := range sources {
		points := make([]snmp.Point, objects)
		for n := range points {
			points[n] = snmp.Point{Name: fmt.Sprintf("%d/%d", d, n), OID: snmp.OID(objectID(n)), Type: snmp.Uint32}
		}
		src, err := snmp.NewSource(snmp.Config{
			Name: fmt.Sprint("agent ", d), Address: s.address, Community: "public", Catalog: catalog, Points: points, Interval: s.period,
		})
		if err != nil {
			return err
		}
		for _, id := range src.Points() {
			agent[id] = d
		}
		sources[d] = delayed{src, fraction(s, d)}
	}
	return follow(ctx, sources, func(b *acquire.Batch) {
		last := b.Samples[len(b.Samples)-1]
		v, ok := last.Value.Uint64()
		l.note(agent[last.Point], len(b.Samples) == objects && last.Quality.IsGood() && ok && v > 0)
	})
}

func pollGosnmp(ctx context.Context, s settings, l *log) error {
	host, port, err := net.SplitHostPort(s.address)
	if err != nil {
		return err
	}
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return err
	}
	ids := make([]string, objects)
	for n := range ids {
		ids[n] = objectID(n)
	}
	return eachWithTicker(ctx, s, l, func(int) (func() (bool, error), error) {
		stock := &gosnmp.GoSNMP{
			Target: host, Port: uint16(number), Community: "public", Version: gosnmp.Version2c,
			Timeout: gosnmp.Default.Timeout, Retries: 3, MaxOids: objects,
		}
		if err := stock.Connect(); err != nil {
			return nil, err
		}
		return func() (bool, error) {
			answer, err := stock.Get(ids)
			if err != nil {
				return false, err
			}
			return len(answer.Variables) == objects && answer.Variables[objects-1].Value == uint(objects), nil
		}, nil
	})
}

// pollTelegrafAgents gathers as Telegraf's agent does.
func pollTelegrafAgents(ctx context.Context, s settings, l *log) error {
	var text strings.Builder
	fmt.Fprintf(&text, "agents = [\"udp://%s\"]\nversion = 2\ntimeout = \"5s\"\nretries = 3\ncommunity = \"public\"\nname = \"device\"\n", s.address)
	for n := range objects {
		fmt.Fprintf(&text, "[[field]]\noid = \".%s\"\nname = \"o%d\"\n", objectID(n), n)
	}
	if err := logger.SetupLogging(&logger.Config{Quiet: true}); err != nil {
		return err
	}
	return eachWithTicker(ctx, s, l, func(int) (func() (bool, error), error) {
		plugin := &input.Snmp{}
		if err := toml.Unmarshal([]byte(text.String()), plugin); err != nil {
			return nil, err
		}
		plugin.Log = logger.New("inputs", "snmp", "")
		plugin.SetTranslator("gosmi") // of names, of which there are none
		if err := plugin.Init(); err != nil {
			return nil, err
		}
		var got gathered
		return func() (bool, error) {
			got = gathered{}
			err := plugin.Gather(&got)
			return got.fields == objects && got.err == nil, err
		}, nil
	})
}
