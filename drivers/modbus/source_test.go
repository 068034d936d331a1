package modbus_test

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/drivers/modbus"
	"github.com/fieldtap/fieldtap/units"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestEveryFaultIsNamedAtOnce(t *testing.T) {
	_, err := modbus.NewSource(modbus.Config{
		Timeout: -1, ConnectTimeout: -time.Second, MaxRegisters: 126, MaxBits: 2001, MaxTimeouts: -1,
		Points: []modbus.Point{
			{Name: "a"},
			{Name: "b", At: modbus.Holding(0)},
			{Name: "c", At: modbus.Coil(0), Type: modbus.Float32},
			{Name: "d", At: modbus.Input(65533), Type: modbus.Float64},
			{Name: "d", At: modbus.Input(1), Type: modbus.Float32, Order: modbus.SwapHalves},
			{Name: "e", At: modbus.Input(1), Type: 99, Order: 99},
			{Name: "f", At: modbus.Input(1), Type: modbus.Bool, Scale: units.Scale{Den: 10}},
			{At: modbus.Coil(1)},
		},
	})
	require.Error(t, err)
	for _, want := range []string{
		"no address", "no catalog", "timeout of -1ns", "connect timeout of -1s",
		"MaxRegisters of 126", "MaxBits of 2001", "MaxTimeouts of -1",
		`point "a": no address`, `point "b": no type`, `point "c": type float32 cannot be read from coils`,
		`point "d": type float64 at input 65533 ends beyond address 65535`, `point "d" is given twice`,
		`point "d": order ABCD+halves is for values of four registers, not float32`,
		`point "e": unknown type 99`, `point "e": unknown order 99`, `point "f": type bool has no scale`, "point at coil 1 has no name",
	} {
		assert.ErrorContains(t, err, want)
	}

	_, err = modbus.NewSource(modbus.Config{})
	assert.ErrorContains(t, err, "no points")
	_, err = modbus.NewSource(modbus.Config{
		Address: "meter", Catalog: acquire.NewCatalog(), MaxRegisters: 3,
		Points: []modbus.Point{{Name: "p", At: modbus.Input(0), Type: modbus.Float64}},
	})
	assert.ErrorContains(t, err, `point "p": type float64 does not fit 3 registers`)

	catalog := acquire.NewCatalog()
	_, err = catalog.Define(acquire.Point{Name: "p", Kind: acquire.KindFloat64, Unit: units.Watt})
	require.NoError(t, err)
	_, err = modbus.NewSource(modbus.Config{
		Address: "meter", Catalog: catalog,
		Points: []modbus.Point{{Name: "p", At: modbus.Input(0), Type: modbus.Float64, Unit: units.Var}},
	})
	assert.ErrorContains(t, err, `point "p" is defined as float64 gauge in W already, not as float64 gauge in var`)
}

func TestAddresses(t *testing.T) {
	for given, want := range map[string]string{
		"192.0.2.10":       "192.0.2.10:502/7",
		"192.0.2.10:1502":  "192.0.2.10:1502/7",
		"meter.example":    "meter.example:502/7",
		"2001:db8::1":      "[2001:db8::1]:502/7",
		"[2001:db8::1]":    "[2001:db8::1]:502/7",
		"[2001:db8::1]:99": "[2001:db8::1]:99/7",
	} {
		s, err := modbus.NewSource(modbus.Config{
			Address: given, Unit: 7, Catalog: acquire.NewCatalog(),
			Points: []modbus.Point{{Name: "p", At: modbus.Coil(1)}},
		})
		require.NoError(t, err, given)
		assert.Equal(t, want, s.Name())
	}
	for _, bad := range []string{":502", "meter:", "[]", "meter:0", "meter:65536"} {
		_, err := modbus.NewSource(modbus.Config{
			Address: bad, Catalog: acquire.NewCatalog(), Points: []modbus.Point{{Name: "p", At: modbus.Coil(1)}},
		})
		assert.Error(t, err, bad)
	}
}

func TestPointsAreDefinedWithTheirKind(t *testing.T) {
	catalog := acquire.NewCatalog()
	s, err := modbus.NewSource(modbus.Config{
		Dial: func(context.Context) (net.Conn, error) { return nil, nil }, Catalog: catalog,
		Points: []modbus.Point{
			{Name: "breaker", At: modbus.Discrete(3), Role: acquire.State},
			{Name: "E", At: modbus.Input(1), Type: modbus.Uint32, Unit: units.WattHour, Scale: units.Scale{Num: 100}, Role: acquire.Counter},
			{Name: "U", At: modbus.Input(3), Type: modbus.Int16, Unit: units.Volt, Scale: units.Scale{Den: 10}},
			{Name: "Q", At: modbus.Input(4), Type: modbus.Int16, Unit: units.Var},
		},
	})
	require.NoError(t, err)
	var got []acquire.Point
	for _, id := range s.Points() {
		p, ok := catalog.Point(id)
		require.True(t, ok)
		got = append(got, p)
	}
	assert.Equal(t, []acquire.Point{
		{Name: "breaker", Kind: acquire.KindBool, Role: acquire.State},
		{Name: "E", Kind: acquire.KindUint64, Unit: units.WattHour, Role: acquire.Counter},
		{Name: "U", Kind: acquire.KindFloat64, Unit: units.Volt},
		{Name: "Q", Kind: acquire.KindInt64, Unit: units.Var},
	}, got)
}

// TestSourceURL makes the same source from a URL and from a Config.
func TestSourceURL(t *testing.T) {
	registry, err := acquire.NewRegistry(modbus.Driver{})
	require.NoError(t, err)
	catalog := acquire.NewCatalog()
	src, err := registry.Source("modbus://192.0.2.10:1502/3?name=main&interval=2s&timeout=300ms&max_registers=80&max_gap=4"+
		"&point=main/E,input:72,uint64,unit=Wh,role=counter,order=CDAB+halves"+
		"&point=main/U,holding:10,int16,unit=V,scale=1/10"+
		"&point=main/closed,discrete:5,bool,role=state", catalog)
	require.NoError(t, err)
	assert.Equal(t, "main", src.Name())
	plan := src.(*modbus.Source).Plan()
	assert.Equal(t, []modbus.Block{
		{At: modbus.Discrete(5), Count: 1, Points: 1, Every: 1},
		{At: modbus.Holding(10), Count: 1, Points: 1, Every: 1},
		{At: modbus.Input(72), Count: 4, Points: 1, Every: 1},
	}, plan)
	p, ok := catalog.Point(src.Points()[0])
	require.True(t, ok)
	assert.Equal(t, acquire.Point{Name: "main/E", Kind: acquire.KindUint64, Unit: units.WattHour, Role: acquire.Counter}, p)

	_, err = registry.Source("modbus://user:hunter2@meter/300?interval=soon&max_gap=x&colour=red&timeout=1s&timeout=2s"+
		"&point=a,input:1&point=b,input:x,float33,unit=KW,scale=0,order=EFGH,role=dial,size=3#4", catalog)
	require.Error(t, err)
	for _, want := range []string{
		"no user or password", `path "/300" does not end in a unit id`, `interval: "soon"`, `max_gap: "x"`, `unknown parameter "colour"`,
		"timeout is given 2 times", `point "a,input:1": want name, address and type`, `malformed address "input:x"`,
		`unknown type "float33"`, `unknown unit "KW"`, "invalid scale", `malformed order "EFGH"`, `malformed role "dial"`, `unknown key "size"`,
		`# cuts off "4"; escape it as %23`,
	} {
		assert.ErrorContains(t, err, want)
	}
	assert.NotContains(t, err.Error(), "hunter2")
}

func FuzzSourceURL(f *testing.F) {
	f.Add("modbus://h:1/1?point=a,input:1,float32,unit=W,scale=1/10,order=DCBA,role=gauge")
	f.Add("modbus://:502/256?point=,,,&max_gap=-1")
	registry, err := acquire.NewRegistry(modbus.Driver{})
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, text string) {
		src, err := registry.Source(text, acquire.NewCatalog())
		if (src == nil) == (err == nil) {
			t.Fatal("neither a source nor an error, or both")
		}
		if err == nil && len(src.Points()) == 0 {
			t.Fatal("source without points")
		}
	})
}

func TestExceptionsAndTheirQualities(t *testing.T) {
	for e, want := range map[modbus.Exception]string{
		modbus.IllegalFunction:         "bad: configuration (code 1)",
		modbus.IllegalDataAddress:      "bad: configuration (code 2)",
		modbus.IllegalDataValue:        "bad: configuration (code 3)",
		modbus.ServerDeviceFailure:     "bad: device (code 4)",
		modbus.Acknowledge:             "bad: busy (code 5)",
		modbus.ServerDeviceBusy:        "bad: busy (code 6)",
		modbus.MemoryParityError:       "bad: device (code 8)",
		modbus.GatewayPathUnavailable:  "bad: communication (code 10)",
		modbus.GatewayTargetNoResponse: "bad: communication (code 11)",
		200:                            "bad: device (code 200)",
	} {
		assert.Equal(t, want, acquire.QualityOf(e).String())
		assert.Equal(t, e != 200, !strings.HasPrefix(e.Error(), "exception"))
	}
}
