package opcuaplant_test

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
	"github.com/fieldtap/fieldtap/internal/plant"
	"github.com/fieldtap/fieldtap/internal/plant/opcuaplant"
)

// What the server says is what the plant does, at the time it says.
func TestMeaning(t *testing.T) {
	p := plant.New(time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC).UnixNano())
	s, err := opcuatest.Start(opcuaplant.Config(p))
	require.NoError(t, err)
	defer s.Close()
	c, err := opcua.NewClient(opcua.ClientConfig{Endpoint: s.URL(), Policies: []opcua.Policy{opcua.PolicyNone}})
	require.NoError(t, err)
	defer c.Close(t.Context())
	values, err := c.Read(t.Context(), "ns=2;s=Press.Power", "ns=2;s=Press.Energy", "ns=2;s=Press.State", "ns=2;s=Chiller.Power", "ns=2;s=Chiller.Supply", "ns=2;s=Chiller.Cooling")
	require.NoError(t, err)
	at := func(i int) int64 { return values[i].SourceTime.Time().UnixNano() }
	number := func(i int) float64 {
		f, ok := values[i].Float()
		require.True(t, ok)
		return f
	}
	assert.Zero(t, at(0)%int64(opcuaplant.Step))
	assert.Equal(t, p.Press().At(at(0)).P, number(0))
	energy, ok := values[1].Uint()
	assert.True(t, ok)
	assert.Equal(t, p.Press().At(at(1)).EnergyWh, energy)
	state, ok := values[2].Int()
	assert.True(t, ok)
	assert.EqualValues(t, p.Press().At(at(2)).State, state)
	assert.Equal(t, p.Chiller().At(at(3)).P/1000, number(3))
	assert.Equal(t, float64(float32(p.Chiller().At(at(4)).Supply)), number(4))
	cooling, ok := values[5].Bool()
	assert.True(t, ok)
	assert.Equal(t, p.Chiller().At(at(5)).Cooling, cooling)

	// History has what was, to the same bits.
	end := time.Now().Truncate(time.Second)
	n := 0
	for v, err := range c.History(t.Context(), "ns=2;s=Press.Power", acquire.At(end.Add(-2*time.Second)), acquire.At(end)) {
		require.NoError(t, err)
		f, ok := v.Float()
		require.True(t, ok)
		assert.Equal(t, p.Press().At(v.SourceTime.Time().UnixNano()).P, f)
		n++
	}
	assert.InDelta(t, 20, n, 1)
}

// The press over a socket: its register, and what it stands for.
func Example() {
	p := plant.New(time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC).UnixNano())
	at := time.Date(2026, 11, 20, 1, 0, 0, 0, time.UTC)
	cfg := opcuaplant.Config(p)
	cfg.Now = func() time.Time { return at }
	s, err := opcuatest.Start(cfg)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer s.Close()
	c, err := opcua.NewClient(opcua.ClientConfig{Endpoint: s.URL(), Policies: []opcua.Policy{opcua.PolicyNone}})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx := context.Background()
	defer c.Close(ctx)
	values, err := c.Read(ctx, "ns=2;s=Press.Energy")
	if err != nil {
		fmt.Println(err)
		return
	}
	register, _ := values[0].Uint()
	fmt.Println("on the wire, Wh:", register)
	fmt.Println("in truth, Wh:   ", p.Press().At(at.UnixNano()).EnergyWh)
	// Output:
	// on the wire, Wh: 61218368
	// in truth, Wh:    61218368
}
