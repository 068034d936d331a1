package main

import (
	"errors"
	"time"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/aggregate"
	"github.com/fieldtap/fieldtap/drivers/modbus"
	"github.com/fieldtap/fieldtap/drivers/modbus/modbustest"
	"github.com/fieldtap/fieldtap/internal/plant"
	"github.com/fieldtap/fieldtap/internal/plant/modbusplant"
	"github.com/fieldtap/fieldtap/units"
)

// meters says where each of the plant's meters keeps its values. No two have
// the same map, types or order of words, as in the field.
var meters = []struct {
	name       string
	unit       byte
	resolution float64 // of the power, W
	points     []modbus.Point
}{
	{plant.Main, modbusplant.MainUnit, 0.02, []modbus.Point{
		{Name: "V", At: modbus.Input(modbusplant.MainVoltage), Type: modbus.Float32, Unit: units.Volt},
		{Name: "P", At: modbus.Input(modbusplant.MainTotalActive), Type: modbus.Float32, Unit: units.Watt},
		{Name: "Q", At: modbus.Input(modbusplant.MainTotalReactive), Type: modbus.Float32, Unit: units.Var},
		{Name: "f", At: modbus.Input(modbusplant.MainFrequency), Type: modbus.Float32, Unit: units.Hertz},
		{Name: "import", At: modbus.Input(modbusplant.MainImport), Type: modbus.Uint32, Unit: units.WattHour, Role: acquire.Counter},
		{Name: "export", At: modbus.Input(modbusplant.MainExport), Type: modbus.Uint32, Unit: units.WattHour, Role: acquire.Counter},
		{Name: "clock", At: modbus.Input(modbusplant.MainClock), Type: modbus.Uint64, Unit: units.Nanosecond},
	}},
	{plant.Line, modbusplant.LineUnit, 0.05, []modbus.Point{
		{Name: "clock", At: modbus.Holding(modbusplant.LineClock), Type: modbus.Uint64, Order: modbus.CDAB, Unit: units.Nanosecond},
		{Name: "V", At: modbus.Holding(modbusplant.LineVoltage), Type: modbus.Int32, Order: modbus.CDAB, Scale: units.Scale{Den: 10}, Unit: units.Volt},
		{Name: "P", At: modbus.Holding(modbusplant.LineTotalActive), Type: modbus.Int32, Order: modbus.CDAB, Scale: units.Scale{Den: 10}, Unit: units.Watt},
		{Name: "Q", At: modbus.Holding(modbusplant.LineTotalReactive), Type: modbus.Int32, Order: modbus.CDAB, Scale: units.Scale{Den: 10}, Unit: units.Var},
		{Name: "f", At: modbus.Holding(modbusplant.LineFrequency), Type: modbus.Int32, Order: modbus.CDAB, Scale: units.Scale{Den: 1000}, Unit: units.Hertz},
		{Name: "energy clock", At: modbus.Holding(modbusplant.LineEnergyClock), Type: modbus.Uint64, Order: modbus.CDAB, Unit: units.Nanosecond},
		{Name: "import", At: modbus.Holding(modbusplant.LineImport), Type: modbus.Uint64, Order: modbus.CDAB, Unit: units.WattHour, Role: acquire.Counter},
		{Name: "export", At: modbus.Holding(modbusplant.LineExport), Type: modbus.Uint64, Order: modbus.CDAB, Unit: units.WattHour, Role: acquire.Counter},
	}},
	{plant.Battery, modbusplant.BatteryUnit, 0, []modbus.Point{
		{Name: "P", At: modbus.Input(modbusplant.BatteryTotalActive), Type: modbus.Float64, Unit: units.Watt},
		{Name: "Q", At: modbus.Input(modbusplant.BatteryTotalReactive), Type: modbus.Float64, Unit: units.Var},
		{Name: "V", At: modbus.Input(modbusplant.BatteryVoltage), Type: modbus.Int16, Scale: units.Scale{Den: 10}, Unit: units.Volt},
		{Name: "f", At: modbus.Input(modbusplant.BatteryFrequency), Type: modbus.Int16, Scale: units.Scale{Den: 100}, Unit: units.Hertz},
		{Name: "import", At: modbus.Input(modbusplant.BatteryImport), Type: modbus.Uint32, Unit: units.WattHour, Role: acquire.Counter},
		{Name: "export", At: modbus.Input(modbusplant.BatteryExport), Type: modbus.Uint32, Unit: units.WattHour, Role: acquire.Counter},
		{Name: "clock", At: modbus.Input(modbusplant.BatteryClock), Type: modbus.Uint64, Unit: units.Nanosecond},
		{Name: "charging", At: modbus.Discrete(modbusplant.BatteryCharging), Role: acquire.State},
	}},
}

// site is the simulated plant, served on loopback, with all that acquires it.
type site struct {
	devices []*device
	room    *room
	hall    *hall
	catalog *acquire.Catalog
	source  acquire.Source    // all devices, each kept connected
	router  *aggregate.Router // one meter per device, and the PDU
	servers []server          // of devices, then of the room, then of the hall
}

// server is a simulated device.
type server interface {
	Address() string
	Close() error
}

// newSite serves the plant and makes the sources that will read it.
func newSite(interval, demand time.Duration) (*site, error) {
	now := func() int64 { return time.Now().UnixNano() }
	simulated := plant.New(now())
	served := modbusplant.Devices(simulated, now)
	s := &site{catalog: acquire.NewCatalog()}
	var (
		sources  []acquire.Source
		metering []aggregate.Metering
	)
	for _, m := range meters {
		server, err := modbustest.Start(modbustest.Config{Units: map[byte]modbustest.Device{m.unit: served[m.unit]}})
		if err != nil {
			return nil, errors.Join(err, s.close())
		}
		s.servers = append(s.servers, server)

		points := make([]modbus.Point, len(m.points))
		for i, p := range m.points {
			p.Name = m.name + "/" + p.Name
			points[i] = p
		}
		source, err := modbus.NewSource(modbus.Config{
			Name: m.name, Address: server.Address(), Unit: m.unit,
			Interval: interval, Catalog: s.catalog, Points: points,
		})
		if err != nil {
			return nil, errors.Join(err, s.close())
		}
		kept := acquire.Reconnect(source, acquire.Backoff{})
		sources = append(sources, kept)
		truth, _ := simulated.Meter(m.name)
		s.devices = append(s.devices, newDevice(m.name, kept, s.catalog, truth, m.resolution))
		metering = append(metering, aggregate.Metering{
			Name:  m.name,
			Power: m.name + "/P", ReactivePower: m.name + "/Q", Rule: aggregate.Trapezoid,
			Import: m.name + "/import", Export: m.name + "/export",
			Demand: aggregate.Block(demand),
		})
	}
	var err error
	if s.room, err = s.newRoom(simulated, interval); err != nil {
		return nil, errors.Join(err, s.close())
	}
	if s.hall, err = s.newHall(simulated, interval); err != nil {
		return nil, errors.Join(err, s.close())
	}
	sources = append(sources, s.room.ups, s.room.pdu, s.hall.source)
	// The PDU's register counts by tenths of a kWh, too coarse for demand: a meter of
	// its own counts it.
	metering = append(metering,
		aggregate.Metering{Name: "pdu", Power: "pdu/P", Rule: aggregate.Trapezoid, Demand: aggregate.Block(demand)},
		aggregate.Metering{Name: pduRegister, Import: "pdu/import"},
		aggregate.Metering{Name: "press", Power: "press/P", Import: "press/import", Rule: aggregate.Trapezoid, Demand: aggregate.Block(demand)},
		aggregate.Metering{Name: "chiller", Power: "chiller/P", Rule: aggregate.HoldLeft, Demand: aggregate.Block(demand)})
	if s.source, err = acquire.Merge(sources...); err != nil {
		return nil, errors.Join(err, s.close())
	}
	if s.router, err = aggregate.NewRouter(s.catalog, metering...); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

// close stops the simulated plant.
func (s *site) close() error {
	var faults []error
	for _, server := range s.servers {
		faults = append(faults, server.Close())
	}
	return errors.Join(faults...)
}
