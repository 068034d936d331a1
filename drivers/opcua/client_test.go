package opcua_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/drivers/opcua"
	"github.com/fieldtap/fieldtap/drivers/opcua/opcuatest"
	"github.com/fieldtap/fieldtap/units"
)

// meters are a plant for the client, with every service and small limits.
func meters(t testing.TB, limits opcuatest.Limits) *opcuatest.Server {
	cfg := opcuatest.Config{
		Namespaces:   []string{"urn:plant:meters"},
		Folders:      []opcuatest.Folder{{ID: "ns=2;s=Plant", Name: "Plant"}},
		Enumerations: []opcuatest.Enumeration{{ID: "ns=2;i=1", Name: "MeterState", Members: []string{"Off", "On"}}},
		Limits:       limits,
	}
	for i := range 20 {
		meter := opcuatest.NodeID(fmt.Sprintf("ns=2;s=Meter%d", i))
		cfg.Folders = append(cfg.Folders, opcuatest.Folder{ID: meter, Parent: "ns=2;s=Plant", Name: fmt.Sprintf("Meter%d", i)})
		cfg.Variables = append(cfg.Variables,
			opcuatest.Variable{
				ID: meter + ".Power", Parent: meter, Name: "Power", Step: time.Second, Historizing: true, Range: &opcuatest.Range{Low: -10, High: 100},
				Unit:  &opcuatest.Unit{ID: opcuatest.Code("KWT"), Symbol: "kW", Description: "kilowatt"},
				Value: func(at time.Time) any { return float64(at.Unix() % 1000) },
			},
			opcuatest.Variable{ID: meter + ".State", Parent: meter, Name: "State", DataType: "ns=2;i=1", Step: time.Second, Value: func(time.Time) any { return int32(1) }},
		)
	}
	s, err := opcuatest.Start(cfg)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, s.Close()) })
	return s
}

func newClient(t testing.TB, s *opcuatest.Server) *opcua.Client {
	c, err := opcua.NewClient(opcua.ClientConfig{Endpoint: s.URL(), Policies: []opcua.Policy{opcua.PolicyNone}})
	require.NoError(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		assert.NoError(t, c.Close(ctx))
	})
	return c
}

func TestClient(t *testing.T) {
	for name, limits := range map[string]opcuatest.Limits{
		"default": {},
		"small":   {Read: 7, Browse: 3, Translate: 5, References: 4, HistoryValues: 9},
	} {
		t.Run(name, func(t *testing.T) {
			s := meters(t, limits)
			c := newClient(t, s)
			var points []opcua.Point
			var states int
			for n, err := range c.Browse(t.Context(), opcua.ObjectsFolder, "Plant/**") {
				require.NoError(t, err)
				if n.Class != opcua.ClassVariable {
					continue
				}
				p, err := n.Point(n.Path)
				require.NoError(t, err)
				if n.BrowseName == "State" {
					assert.Equal(t, acquire.KindText, p.Kind)
					assert.Equal(t, map[int64]string{0: "Off", 1: "On"}, p.Names)
					states++
					continue
				}
				assert.Equal(t, units.Kilowatt, p.Unit)
				assert.Equal(t, acquire.KindFloat64, p.Kind)
				assert.Equal(t, &opcua.Range{Low: -10, High: 100}, n.Normal)
				assert.True(t, n.Historizing)
				points = append(points, p)
			}
			require.Len(t, points, 20)
			assert.Equal(t, 20, states)

			var ids []opcua.NodeID
			var paths []string
			for i, p := range points {
				ids = append(ids, p.Node)
				paths = append(paths, fmt.Sprintf("2:Plant/2:Meter%d/2:Power", i))
			}
			values, err := c.Read(t.Context(), ids...)
			require.NoError(t, err)
			for _, v := range values {
				f, ok := v.Float()
				require.True(t, ok)
				assert.EqualValues(t, v.SourceTime.Time().Unix()%1000, f)
			}
			found, err := c.Translate(t.Context(), opcua.ObjectsFolder, append(paths, "2:Plant/2:None")...)
			require.NoError(t, err)
			require.Len(t, found, 21)
			for i, f := range found[:20] {
				assert.Equal(t, opcua.NodeID(fmt.Sprintf("nsu=urn:plant:meters;s=Meter%d.Power", i)), f.Node)
			}
			assert.Empty(t, found[20].Node)
			assert.NotZero(t, found[20].Status)

			from := acquire.At(time.Unix(time.Now().Unix()-100, 0))
			next := from
			for v, err := range c.History(t.Context(), ids[3], from, from.Add(50*time.Second)) {
				require.NoError(t, err)
				require.Equal(t, next, v.SourceTime, "each second once, in order")
				next = next.Add(time.Second)
			}
			assert.Equal(t, from.Add(50*time.Second), next)
			at, err := c.HistoryAt(t.Context(), ids[3], from.Add(7*time.Second), from)
			require.NoError(t, err)
			require.Len(t, at, 2)
			assert.Equal(t, from.Add(7*time.Second), at[0].SourceTime)
			assert.Equal(t, from, at[1].SourceTime)

			assert.EqualValues(t, 1, s.Stats().Sessions)
			assert.Zero(t, s.Stats().Writes, "nothing is written, called or changed")
		})
	}
}

func TestNodePointRefusals(t *testing.T) {
	good := opcua.Node{ID: "i=1", Class: opcua.ClassVariable, Access: opcua.CurrentRead, Rank: -1, BuiltIn: opcua.TypeDouble}
	_, err := good.Point("p")
	require.NoError(t, err)
	for want, change := range map[string]func(*opcua.Node){
		"Object":            func(n *opcua.Node) { n.Class = opcua.ClassObject },
		"not be read":       func(n *opcua.Node) { n.Access = opcua.CurrentWrite },
		"array":             func(n *opcua.Node) { n.Rank = 1 },
		"not known":         func(n *opcua.Node) { n.BuiltIn = opcua.TypeNull },
		"ExtensionObject":   func(n *opcua.Node) { n.BuiltIn = opcua.TypeExtensionObject },
		"are of type Varia": func(n *opcua.Node) { n.BuiltIn = opcua.TypeVariant },
	} {
		n := good
		change(&n)
		_, err := n.Point("p")
		assert.ErrorContains(t, err, want)
	}
	n := good
	n.BuiltIn, n.Unit = opcua.TypeInt32, units.Stated{Unit: units.Watt, Scale: units.Scale{Num: 1, Den: 10}, Verdict: units.Understood}
	p, err := n.Point("p")
	require.NoError(t, err)
	assert.Equal(t, acquire.KindFloat64, p.Kind, "an integer with a scale")
}

func TestTranslatePaths(t *testing.T) {
	s := meters(t, opcuatest.Limits{})
	c := newClient(t, s)
	for _, bad := range []string{"", "/", "2:", "a//b", "a&"} {
		_, err := c.Translate(t.Context(), opcua.ObjectsFolder, bad)
		assert.Error(t, err, bad)
	}
	assert.Zero(t, s.Stats().Sessions, "nothing is asked when a path is none")
}

// A plant's powers, ready for a Source.
func ExampleClient_Browse() {
	s, err := opcuatest.Start(opcuatest.Config{
		Variables: []opcuatest.Variable{{
			ID: "ns=2;s=Pump.Power", Name: "Power", Step: time.Second, Value: func(time.Time) any { return 7.5 },
			Unit: &opcuatest.Unit{ID: opcuatest.Code("KWT"), Symbol: "kW", Description: "kilowatt"},
		}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer s.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	c, err := opcua.NewClient(opcua.ClientConfig{Endpoint: s.URL(), Policies: []opcua.Policy{opcua.PolicyNone}}) // without security: a simulator on this machine
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close(ctx)
	for n, err := range c.Browse(ctx, opcua.ObjectsFolder, "**/Power") {
		if err != nil {
			fmt.Println(err)
			return
		}
		p, err := n.Point("pump/P")
		fmt.Println(p.Node, p.Kind, p.Unit, err)
		values, err := c.Read(ctx, n.ID)
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(values[0])
	}
	// Output:
	// nsu=urn:fieldtap:opcuatest:plant;s=Pump.Power float64 kW <nil>
	// 7.5
}
