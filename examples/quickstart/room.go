package main

import (
	"fmt"
	"io"
	"math"
	"time"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/aggregate"
	"github.com/fieldtap/fieldtap/drivers/snmp"
	"github.com/fieldtap/fieldtap/drivers/snmp/objects"
	"github.com/fieldtap/fieldtap/drivers/snmp/snmptest"
	"github.com/fieldtap/fieldtap/internal/plant"
	"github.com/fieldtap/fieldtap/internal/plant/snmpplant"
	"github.com/fieldtap/fieldtap/units"
)

// room is the plant's server room, read over SNMP version 3: a UPS by UPS-MIB, and
// a PDU by PowerNet-MIB, whose outlets are found as they are read.
type room struct {
	ups, pdu acquire.Source
	simulate *plant.Plant
	started  time.Time // when the agents did: their sysUpTime counts from then
	catalog  *acquire.Catalog

	points map[acquire.PointID]string // those of both, as they become known
	known  acquire.PointID            // the last point looked at
	latest map[string]acquire.Sample

	first, last    acquire.Instant // stamps of the power samples
	cubes          float64         // sum of the cubes of the times between them, s³
	stamp          time.Duration   // largest distance of a stamp from the agent's clock
	readings       [2]uint64       // first and last of the register
	opening, final acquire.Instant // when, by the agent's clock
}

// pduRegister names the meter of the PDU's register.
const pduRegister = "pdu register"

// tick is how long sysUpTime stands still.
const tick = 10 * time.Millisecond

// reader is the user of both agents.
var reader = snmptest.User{Name: "reader", Auth: snmptest.SHA256, AuthPassword: "quickstart-auth", Priv: snmptest.AES128, PrivPassword: "quickstart-priv"}

// object returns a point for an object that package objects knows, as PowerNet-MIB
// and UPS-MIB define it.
func object(point, name string, index ...uint32) (snmp.Point, error) {
	o, ok := objects.ByName(name)
	if !ok {
		return snmp.Point{}, fmt.Errorf("no object %s", name)
	}
	p := snmp.Point{Name: point, OID: o.OID, Unit: o.Unit, Scale: o.Scale, Role: o.Role}
	if len(index) > 0 || !o.Column {
		p.OID = o.Instance(index...)
	}
	return p, nil
}

// newRoom serves the server room and makes the sources that will read it.
func (s *site) newRoom(p *plant.Plant, interval time.Duration) (*room, error) {
	r := &room{
		simulate: p, started: time.Now(), catalog: s.catalog,
		points: map[acquire.PointID]string{}, latest: map[string]acquire.Sample{},
	}
	var faults []error
	need := func(point, name string, index ...uint32) snmp.Point {
		o, err := object(point, name, index...)
		faults = append(faults, err)
		return o
	}
	upTime := snmp.Point{OID: "1.3.6.1.2.1.1.3.0", Type: snmp.TimeTicks, Unit: units.Second, Scale: units.Scale{Den: 100}}
	clock := func(point string) snmp.Point {
		p := upTime
		p.Name = point
		return p
	}
	// A register of tenths of a kilowatt-hour stays exact in watt-hours.
	register := need("pdu/import", "rPDU2DeviceStatusEnergy", 1)
	register.Unit, register.Scale = units.WattHour, units.Scale{Num: 100}
	upsPoints := []snmp.Point{
		clock("ups/up"), need("ups/charge", "upsEstimatedChargeRemaining"), need("ups/V", "upsBatteryVoltage"),
		need("ups/f", "upsOutputFrequency"), need("ups/on battery", "upsSecondsOnBattery"),
	}
	upsLines := []snmp.Table{{Name: "ups/line {index}", Columns: []snmp.Point{need("P", "upsOutputPower"), need("I", "upsOutputCurrent")}}}
	pduPoints := []snmp.Point{clock("pdu/up"), need("pdu/P", "rPDU2DeviceStatusPower", 1), register}
	outlets := []snmp.Table{{Name: "pdu/outlet {index}", Columns: []snmp.Point{need("P", "rPDU2OutletMeteredStatusPower"), need("I", "rPDU2OutletMeteredStatusCurrent")}}}
	for _, err := range faults {
		if err != nil {
			return nil, err
		}
	}
	var err error
	if r.ups, err = s.agent("ups", snmpplant.UPS(p), interval, upsPoints, upsLines); err != nil {
		return nil, err
	}
	r.pdu, err = s.agent("pdu", snmpplant.PDU(p), interval, pduPoints, outlets)
	return r, err
}

// agent serves objects and makes the source that reads them.
func (s *site) agent(name string, served snmptest.Objects, interval time.Duration, points []snmp.Point, tables []snmp.Table) (acquire.Source, error) {
	mib, err := snmptest.NewMIB(served)
	if err != nil {
		return nil, err
	}
	server, err := snmptest.Start(snmptest.Config{MIB: mib, Users: []snmptest.User{reader}})
	if err != nil {
		return nil, err
	}
	s.servers = append(s.servers, server)
	source, err := snmp.NewSource(snmp.Config{
		Name: name, Address: server.Address(), Interval: interval, Catalog: s.catalog, Points: points, Tables: tables,
		User: snmp.User{
			Name: reader.Name, Auth: snmp.SHA256, AuthKey: acquire.Secret(reader.AuthPassword),
			Priv: snmp.AES128, PrivKey: acquire.Secret(reader.PrivPassword),
		},
	})
	if err != nil {
		return nil, err
	}
	return acquire.Reconnect(source, acquire.Backoff{}), nil
}

// observe takes note of the samples of b that come from the room.
func (r *room) observe(b *acquire.Batch) {
	for id, p := range r.catalog.After(r.known) {
		if len(p.Name) > 4 && (p.Name[:4] == "ups/" || p.Name[:4] == "pdu/") {
			r.points[id] = p.Name
		}
		r.known = id
	}
	fresh := map[string]acquire.Sample{}
	for _, s := range b.Samples {
		if name, ok := r.points[s.Point]; ok {
			fresh[name], r.latest[name] = s, s
		}
	}
	p, up, reading := fresh["pdu/P"], fresh["pdu/up"], fresh["pdu/import"]
	if !p.Quality.IsGood() || !up.Quality.IsGood() || !reading.Quality.IsGood() {
		return
	}
	seconds, _ := up.Value.Float64()
	at := acquire.Instant(r.started.Add(time.Duration(math.Round(seconds*100)) * tick).UnixNano())
	r.stamp = max(r.stamp, p.Time.Sub(at).Abs())
	value, _ := reading.Value.Uint64()
	if whole, ok := reading.Value.Int64(); ok {
		value = uint64(whole)
	}
	if r.first == 0 {
		r.first, r.last, r.opening, r.readings[0] = p.Time, p.Time, at, value
	}
	r.cubes += math.Pow(p.Time.Sub(r.last).Seconds(), 3)
	r.last, r.final, r.readings[1] = p.Time, at, value
}

// number returns the latest value of a point, if it is good.
func (r *room) number(point string) (float64, bool) {
	s := r.latest[point]
	v, ok := s.Value.Number()
	return v, ok && s.Quality.IsGood()
}

// outlets returns how many outlets were found, and what they take together.
func (r *room) outlets() (count int, watts float64) {
	for i := range plant.Outlets {
		if p, ok := r.number(fmt.Sprintf("pdu/outlet %d/P", i+1)); ok {
			count, watts = count+1, watts+p
		}
	}
	return count, watts
}

// resolution of rPDU2DeviceStatusPower, in W: half of 0.01 kW.
const resolution = 5.0

// judge compares what was metered with the truth of the room.
func (r *room) judge(integrated, metered aggregate.Energy, row func(meter, what, got, want, difference, allowed string, ok bool)) {
	if r.first == 0 {
		row("pdu", "no samples", "", "", "", "", false)
		return
	}
	pdu, bound := r.simulate.PDU(), r.simulate.PDU().Bound()
	span := r.last.Sub(r.first).Seconds()
	allowed := (bound.Curvature*r.cubes/12 + (bound.Slope*(r.stamp+tick).Seconds()+resolution)*span) / wattSecondsPerWattHour
	got, want := integrated.WattHours(), pdu.Energy(int64(r.first), int64(r.last))
	row("pdu", "import from power", fmt.Sprintf("%.6f kWh", got/1000), fmt.Sprintf("%.6f kWh", want/1000),
		fmt.Sprintf("%+.3f Wh", got-want), fmt.Sprintf("±%.3f Wh", allowed), math.Abs(got-want) <= allowed)

	shown := aggregate.WattHours(int64(r.readings[1] - r.readings[0]))
	exact := metered == shown && shows(pdu, r.readings[0], r.opening) && shows(pdu, r.readings[1], r.final)
	row("pdu", "import from register", metered.String(), shown.String(), metered.Sub(shown).String(), "exact", exact)

	count, watts := r.outlets()
	device, _ := r.number("pdu/P")
	// Each outlet rounds to 1 W, the device to 10 W, and they may be of two requests.
	slack := plant.Outlets*0.5 + resolution + bound.Slope*2*(r.stamp+tick).Seconds()
	row("pdu", fmt.Sprintf("%d outlets together", count), fmt.Sprintf("%.0f W", watts), fmt.Sprintf("%.0f W", device*1000),
		fmt.Sprintf("%+.0f W", watts-device*1000), fmt.Sprintf("±%.0f W", slack), count == plant.Outlets && math.Abs(watts-device*1000) <= slack)

	charge, ok := r.number("ups/charge")
	seconds, upOK := r.number("ups/up")
	truth := r.simulate.UPS().At(r.started.Add(time.Duration(math.Round(seconds*100))*tick).UnixNano()).Charge * 100
	row("ups", "battery charge", fmt.Sprintf("%.0f %%", charge), fmt.Sprintf("%.1f %%", truth), fmt.Sprintf("%+.1f %%", charge-truth), "±0.6 %",
		ok && upOK && math.Abs(charge-truth) <= 0.6)
}

// shows reports whether the PDU's register, of 100 Wh a count, shows a reading at the
// time that its clock told: within one tick of that clock, and what the start took.
func shows(pdu *plant.PDU, reading uint64, at acquire.Instant) bool {
	early, late := pdu.Registers(int64(at.Add(-tick))).Total, pdu.Registers(int64(at.Add(3*tick))).Total
	return reading >= early/100*100 && reading <= late/100*100
}

// summary says what was read, and how.
func (r *room) summary(out io.Writer) {
	for _, source := range []acquire.Source{r.ups, r.pdu} {
		st := statsOf(source)
		fmt.Fprintf(out, "%-7s %d samples, %d bad, %d lost; %d requests, %d timeouts\n",
			source.Name(), st.Samples, st.BadSamples, st.Lost, st.Requests, st.Timeouts)
	}
}
