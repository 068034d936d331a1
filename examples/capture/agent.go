package main

import (
	"encoding/binary"
	"fmt"
	"math"
	"net/url"
	"strings"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/drivers/replay"
	"github.com/fieldtap/fieldtap/drivers/snmp/snmptest"
)

// playpen is where Net-SNMP puts objects that are nobody's.
const playpen = "1.3.6.1.4.1.8072.9999.9999"

// agent shows each point of a capture as an object of an SNMP agent.
type agent struct {
	points []acquire.Point
	slot   map[acquire.PointID]int
	mib    *snmptest.MIB
	server *snmptest.Server
}

func startAgent(source *replay.Source, address string) (simulator, error) {
	a := &agent{slot: make(map[acquire.PointID]int), mib: new(snmptest.MIB)}
	for _, id := range source.Points() {
		if p, ok := source.Catalog().Point(id); ok {
			a.slot[id] = len(a.points)
			a.points = append(a.points, p)
		}
	}
	var err error
	a.server, err = snmptest.Start(snmptest.Config{Address: address, MIB: a.mib})
	return a, err
}

func (a *agent) Close() error { return a.server.Close() }

func object(slot int) string { return fmt.Sprintf("%s.%d.0", playpen, slot+1) }

// syntax is the type of a point's object, as the driver names it.
func syntax(k acquire.Kind) string {
	switch k {
	case acquire.KindFloat64:
		return "float"
	case acquire.KindUint64:
		return "counter64"
	case acquire.KindBool, acquire.KindText:
		return k.String()
	}
	return "number"
}

func (a *agent) url() string {
	var u strings.Builder
	fmt.Fprintf(&u, "snmp://:public@%s?name=replay", a.server.Address())
	for i, p := range a.points {
		fmt.Fprintf(&u, "&point=%s,%s,%s", url.QueryEscape(p.Name), object(i), syntax(p.Kind))
		if symbol := p.Unit.Symbol(); symbol != "" {
			fmt.Fprintf(&u, ",unit=%s", url.QueryEscape(symbol))
		}
		fmt.Fprintf(&u, ",role=%s", p.Role)
	}
	return u.String()
}

// show takes the values of a batch. An object is not there where the capture has no
// good value.
func (a *agent) show(b *acquire.Batch) error {
	objects := make(snmptest.Objects)
	for _, s := range b.Samples {
		i, ok := a.slot[s.Point]
		if !ok {
			continue
		}
		var value snmptest.Value
		if s.Quality.IsGood() && s.Value.Kind() == a.points[i].Kind {
			value = encode(b, s.Value)
		}
		objects[object(i)] = value
	}
	return a.mib.Set(objects)
}

// encode makes the object's value. Numbers that SNMP has no type for stand in an Opaque,
// as Net-SNMP writes them.
func encode(b *acquire.Batch, v acquire.Value) snmptest.Value {
	const double, int64Tag = "\x9f\x79\x08", "\x9f\x7a\x08"
	word := func(tag string, w uint64) snmptest.Value {
		return snmptest.Opaque(string(binary.BigEndian.AppendUint64([]byte(tag), w)))
	}
	switch v.Kind() {
	case acquire.KindFloat64:
		f, _ := v.Float64()
		return word(double, math.Float64bits(f))
	case acquire.KindInt64:
		n, _ := v.Int64()
		return word(int64Tag, uint64(n))
	case acquire.KindUint64:
		n, _ := v.Uint64()
		return snmptest.Counter64(n)
	case acquire.KindBool:
		if on, _ := v.Bool(); on {
			return snmptest.Integer(1)
		}
		return snmptest.Integer(2)
	case acquire.KindText:
		if text, ok := b.Text(v); ok {
			return snmptest.Text(string(text))
		}
	}
	return snmptest.Value{}
}
