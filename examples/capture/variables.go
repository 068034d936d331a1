package main

import (
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/drivers/opcua/opcuatest"
	"github.com/fieldtap/fieldtap/drivers/replay"
)

// The status codes of what has no value (OPC 10000-4, table 171).
const (
	badNoCommunication       opcuatest.Status = 0x80310000
	badWaitingForInitialData opcuatest.Status = 0x80320000
)

// variables shows each point of a capture as a variable of an OPC UA server.
type variables struct {
	points []acquire.Point
	slot   map[acquire.PointID]int
	server *opcuatest.Server
}

func startVariables(source *replay.Source, address string) (simulator, error) {
	v := &variables{slot: make(map[acquire.PointID]int)}
	cfg := opcuatest.Config{Address: address}
	for _, id := range source.Points() {
		p, ok := source.Catalog().Point(id)
		if !ok {
			continue
		}
		zero := zeros[p.Kind]
		cfg.Variables = append(cfg.Variables, opcuatest.Variable{
			ID: variable(len(v.points)), Name: p.Name, Value: func(time.Time) any { return zero },
		})
		v.slot[id] = len(v.points)
		v.points = append(v.points, p)
	}
	var err error
	if v.server, err = opcuatest.Start(cfg); err != nil {
		return nil, err
	}
	for i := range v.points {
		v.server.Set(variable(i), opcuatest.Reading{Status: badWaitingForInitialData})
	}
	return v, nil
}

// zeros are values of the types that variables have.
var zeros = [...]any{
	acquire.KindFloat64: float64(0), acquire.KindInt64: int64(0), acquire.KindUint64: uint64(0),
	acquire.KindBool: false, acquire.KindText: "",
}

func variable(slot int) opcuatest.NodeID {
	return opcuatest.NodeID(fmt.Sprintf("ns=2;i=%d", slot+1))
}

func (v *variables) Close() error { return v.server.Close() }

func (v *variables) url() string {
	var u strings.Builder
	fmt.Fprintf(&u, "opcua://%s?policy=None&name=replay", strings.TrimPrefix(v.server.URL(), "opc.tcp://"))
	for i, p := range v.points {
		fmt.Fprintf(&u, "&point=%s,%s,kind=%s", url.QueryEscape(p.Name), url.QueryEscape(string(variable(i))), p.Kind)
		if symbol := p.Unit.Symbol(); symbol != "" {
			fmt.Fprintf(&u, ",unit=%s", url.QueryEscape(symbol))
		}
		fmt.Fprintf(&u, ",role=%s", p.Role)
	}
	return u.String()
}

// show takes the values of a batch, as of now.
func (v *variables) show(b *acquire.Batch) error {
	for _, s := range b.Samples {
		i, ok := v.slot[s.Point]
		if !ok {
			continue
		}
		reading := opcuatest.Reading{Status: badNoCommunication}
		if s.Quality.IsGood() && s.Value.Kind() == v.points[i].Kind {
			reading = opcuatest.Reading{Value: plain(b, s.Value)}
		}
		v.server.Set(variable(i), reading)
	}
	return nil
}

// plain returns what v holds, as a value of Go.
func plain(b *acquire.Batch, v acquire.Value) any {
	switch v.Kind() {
	case acquire.KindFloat64:
		f, _ := v.Float64()
		return f
	case acquire.KindInt64:
		n, _ := v.Int64()
		return n
	case acquire.KindUint64:
		n, _ := v.Uint64()
		return n
	case acquire.KindBool:
		on, _ := v.Bool()
		return on
	}
	text, _ := b.Text(v)
	return string(text)
}
