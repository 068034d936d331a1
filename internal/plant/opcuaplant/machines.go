package opcuaplant

import (
	"time"

	"github.com/fieldtap/fieldtap/drivers/opcua/opcuatest"
	"github.com/fieldtap/fieldtap/internal/plant"
)

// Namespace is the namespace of the machines' nodes.
const Namespace = "urn:fieldtap:plant"

// Step is how long each value holds.
const Step = 100 * time.Millisecond

// Config returns a server of the plant's machines, without security. The caller may add what it lacks.
func Config(p *plant.Plant) opcuatest.Config {
	press := func(read func(plant.PressReading) any) func(time.Time) any {
		return func(t time.Time) any { return read(p.Press().At(t.UnixNano())) }
	}
	chiller := func(read func(plant.ChillerReading) any) func(time.Time) any {
		return func(t time.Time) any { return read(p.Chiller().At(t.UnixNano())) }
	}
	cfg := opcuatest.Config{
		Namespaces: []string{Namespace},
		Folders:    []opcuatest.Folder{{ID: "ns=2;s=Press", Name: "Press"}, {ID: "ns=2;s=Chiller", Name: "Chiller"}},
		Enumerations: []opcuatest.Enumeration{
			{ID: "ns=2;s=PressState", Name: "PressState", Members: []string{"Stopped", "Setup", "Working"}},
		},
	}
	unit := func(code, symbol, description string) *opcuatest.Unit {
		return &opcuatest.Unit{ID: opcuatest.Code(code), Symbol: symbol, Description: description}
	}
	watt, kilowatt := unit("WTT", "W", "watt"), unit("KWT", "kW", "kilowatt")
	wattHour, kilowattHour := unit("WHR", "W·h", "watt hour"), unit("KWH", "kW·h", "kilowatt hour")
	celsius, flow := unit("CEL", "°C", "degree Celsius"), unit("MQH", "m³/h", "cubic metre per hour")
	add := func(folder, name string, unit *opcuatest.Unit, high float64, value func(time.Time) any) *opcuatest.Variable {
		v := opcuatest.Variable{
			ID: opcuatest.NodeID("ns=2;s=" + folder + "." + name), Parent: opcuatest.NodeID("ns=2;s=" + folder), Name: name, Value: value, Step: Step, Unit: unit,
			Historizing: name == "Power" || name == "Energy",
		}
		if high > 0 {
			v.Range = &opcuatest.Range{High: high}
		}
		cfg.Variables = append(cfg.Variables, v)
		return &cfg.Variables[len(cfg.Variables)-1]
	}
	add("Press", "Power", watt, 40_000, press(func(r plant.PressReading) any { return r.P }))
	add("Press", "Energy", wattHour, 0, press(func(r plant.PressReading) any { return r.EnergyWh }))
	add("Press", "Strokes", nil, 0, press(func(r plant.PressReading) any { return r.Strokes }))
	add("Press", "Temperature", celsius, 100, press(func(r plant.PressReading) any { return float32(r.Temperature) }))
	add("Press", "State", nil, 0, press(func(r plant.PressReading) any { return int32(r.State) })).DataType = "ns=2;s=PressState"
	add("Chiller", "Power", kilowatt, 15, chiller(func(r plant.ChillerReading) any { return r.P / 1000 }))
	add("Chiller", "Energy", kilowattHour, 0, chiller(func(r plant.ChillerReading) any { return float64(r.EnergyWh) / 1000 }))
	add("Chiller", "Supply", celsius, 30, chiller(func(r plant.ChillerReading) any { return float32(r.Supply) }))
	add("Chiller", "Return", celsius, 30, chiller(func(r plant.ChillerReading) any { return float32(r.Return) }))
	add("Chiller", "Flow", flow, 5, chiller(func(r plant.ChillerReading) any { return float32(r.Flow) }))
	add("Chiller", "Cooling", nil, 0, chiller(func(r plant.ChillerReading) any { return r.Cooling }))
	return cfg
}
