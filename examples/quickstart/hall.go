package main

import (
	"crypto/x509"
	"fmt"
	"io"
	"math"
	"strings"
	"time"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/aggregate"
	"github.com/fieldtap/fieldtap/drivers/opcua"
	"github.com/fieldtap/fieldtap/drivers/opcua/opcuatest"
	"github.com/fieldtap/fieldtap/internal/plant"
	"github.com/fieldtap/fieldtap/internal/plant/opcuaplant"
	"github.com/fieldtap/fieldtap/units"
)

// hall is the plant's machines, a press and a chiller, subscribed to over OPC UA,
// signed and encrypted. Their values bear the machines' own times, to the
// nanosecond, so that nothing but the time between two values is left to explain.
type hall struct {
	source   acquire.Source
	machines []*machine
}

// machine is one of them.
type machine struct {
	name   string
	power  func(t int64) float64 // W
	energy func(t0, t1 int64) float64
	shows  func(t int64) uint64 // the register, Wh
	scale  float64              // of the power as acquired, to W

	points      map[acquire.PointID]string
	latest      map[string]acquire.Sample
	first, last acquire.Instant // times of the power samples
	trapezoids  float64         // the true power at these times, summed as a meter does, Ws
	previous    float64         // the true power at the last
	opening     acquire.Sample  // first and last reading of the register
	closing     acquire.Sample
	wrong       int // values that are not what the plant had at their time
}

const hallPassword = "quickstart-secret"

// newHall serves the machines and makes the source that will be told of their
// changes.
func (s *site) newHall(p *plant.Plant, interval time.Duration) (*hall, error) {
	theirs, err := opcuatest.NewIdentity("urn:quickstart:hall", nil)
	if err != nil {
		return nil, err
	}
	cfg := opcuaplant.Config(p)
	cfg.ApplicationURI, cfg.Identity = "urn:quickstart:hall", theirs
	cfg.Users, cfg.NoAnonymous = map[string]string{"reader": hallPassword}, true
	server, err := opcuatest.Start(cfg)
	if err != nil {
		return nil, err
	}
	s.servers = append(s.servers, server)
	certificate, err := x509.ParseCertificate(theirs.Certificate)
	if err != nil {
		return nil, err
	}
	ours, err := opcua.CreateCertificate(opcua.Template{})
	if err != nil {
		return nil, err
	}
	node := func(name string) opcua.NodeID { return opcua.NodeID("nsu=" + opcuaplant.Namespace + ";s=" + name) }
	source, err := opcua.NewSource(opcua.Config{
		Name: "hall", Catalog: s.catalog, Interval: interval, Sampling: opcuaplant.Step,
		Client: opcua.ClientConfig{
			Endpoint: "opc.tcp://" + server.Address(), Certificate: ours,
			Trust:    opcua.Trust{List: opcua.TrustList{Trusted: []*x509.Certificate{certificate}}, AnyHost: true},
			Identity: opcua.Identity{User: "reader", Password: hallPassword},
		},
		Points: []opcua.Point{
			{Name: "press/P", Node: node("Press.Power"), Unit: units.Watt},
			{Name: "press/import", Node: node("Press.Energy"), Kind: acquire.KindUint64, Unit: units.WattHour, Role: acquire.Counter},
			{Name: "press/state", Node: node("Press.State"), Kind: acquire.KindInt64, Role: acquire.State},
			{Name: "chiller/P", Node: node("Chiller.Power"), Unit: units.Kilowatt},
			{Name: "chiller/supply", Node: node("Chiller.Supply"), Unit: units.DegreeCelsius},
		},
	})
	if err != nil {
		return nil, err
	}
	press, chiller := p.Press(), p.Chiller()
	h := &hall{source: acquire.Reconnect(source, acquire.Backoff{}), machines: []*machine{
		{name: "press", scale: 1, energy: press.Energy, power: func(t int64) float64 { return press.At(t).P },
			shows: func(t int64) uint64 { return press.At(t).EnergyWh }},
		{name: "chiller", scale: 1000, energy: chiller.Energy, power: func(t int64) float64 { return chiller.At(t).P }},
	}}
	for _, m := range h.machines {
		m.points, m.latest = map[acquire.PointID]string{}, map[string]acquire.Sample{}
		for _, id := range source.Points() {
			if point, _ := s.catalog.Point(id); strings.HasPrefix(point.Name, m.name+"/") {
				m.points[id] = strings.TrimPrefix(point.Name, m.name+"/")
			}
		}
	}
	return h, nil
}

// observe takes note of the samples of b that come from the hall.
func (h *hall) observe(b *acquire.Batch) {
	for _, m := range h.machines {
		for _, s := range b.Samples {
			name, ok := m.points[s.Point]
			if !ok {
				continue
			}
			m.latest[name] = s
			switch {
			case !s.Quality.IsGood():
			case name == "P":
				m.tookPower(s)
			case name == "import":
				if m.opening.Time == 0 {
					m.opening = s
				}
				m.closing = s
				if v, _ := s.Value.Uint64(); v != m.shows(int64(s.Time)) {
					m.wrong++
				}
			}
		}
	}
}

func (m *machine) tookPower(s acquire.Sample) {
	v, _ := s.Value.Float64()
	truth := m.power(int64(s.Time))
	if math.Abs(v*m.scale-truth) > 1e-6 {
		m.wrong++
	}
	if m.first == 0 {
		m.first = s.Time
	} else {
		m.trapezoids += (m.previous + truth) / 2 * s.Time.Sub(m.last).Seconds()
	}
	m.last, m.previous = s.Time, truth
}

// judge compares what was metered with the truth of the machines.
func (h *hall) judge(totals func(meter string) (aggregate.Totals, bool), row func(meter, what, got, want, difference, allowed string, ok bool)) {
	for _, m := range h.machines {
		total, _ := totals(m.name)
		if m.first == 0 {
			row(m.name, "no samples", "", "", "", "", false)
			continue
		}
		if m.shows == nil { // its power keeps still for long, and then nothing is told
			p := m.latest["P"]
			v, _ := p.Value.Float64()
			want := m.power(int64(p.Time))
			row(m.name, "power", fmt.Sprintf("%.3f kW", v*m.scale/1000), fmt.Sprintf("%.3f kW", want/1000), fmt.Sprintf("%+.3f kW", (v*m.scale-want)/1000),
				"exact", p.Quality.IsGood() && m.wrong == 0)
			continue
		}
		got, want := total.Power.Import.WattHours(), m.energy(int64(m.first), int64(m.last))
		// What lies between two values is all that a meter cannot know.
		allowed := math.Abs(m.trapezoids/wattSecondsPerWattHour-want) + 1e-6
		row(m.name, "import from power", fmt.Sprintf("%.6f kWh", got/1000), fmt.Sprintf("%.6f kWh", want/1000),
			fmt.Sprintf("%+.3f Wh", got-want), fmt.Sprintf("±%.3f Wh", allowed), math.Abs(got-want) <= allowed && m.wrong == 0)
		if m.opening.Time == 0 {
			continue
		}
		from, _ := m.opening.Value.Uint64()
		to, _ := m.closing.Value.Uint64()
		metered, shown := total.Registers.Import, aggregate.WattHours(int64(to-from))
		row(m.name, "import from register", metered.String(), shown.String(), metered.Sub(shown).String(), "exact", metered == shown)
	}
}

// number returns the latest value of a point of a machine, if it is good.
func (h *hall) number(machine, point string) (float64, bool) {
	for _, m := range h.machines {
		if m.name == machine {
			s := m.latest[point]
			v, ok := s.Value.Number()
			return v, ok && s.Quality.IsGood()
		}
	}
	return 0, false
}

// show formats the latest value of a point of a machine, over div.
func (h *hall) show(machine, point string, div float64, digits int) string {
	v, ok := h.number(machine, point)
	if !ok {
		return "-"
	}
	return fmt.Sprintf("%.*f", digits, v/div)
}

// summary says what was told.
func (h *hall) summary(out io.Writer) {
	st := statsOf(h.source)
	fmt.Fprintf(out, "%-7s %d samples, %d bad, %d lost; %d requests, %d timeouts\n",
		h.source.Name(), st.Samples, st.BadSamples, st.Lost, st.Requests, st.Timeouts)
	if st.LastError != nil {
		fmt.Fprintf(out, "        %v\n", st.LastError)
	}
}
