package passive

import (
	"errors"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"time"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/drivers/modbus"
	"github.com/fieldtap/fieldtap/drivers/opcua"
	"github.com/fieldtap/fieldtap/drivers/snmp"
	"github.com/fieldtap/fieldtap/internal/uabin"
)

// devices are the decoders of one stream.
type devices struct {
	modbus places[*modbus.Decoder]
	snmp   places[*agent]
	served places[*opcuaServer]
	opcua  []*opcuaServer
	agents []*agent
	traps  []*snmp.TrapDecoder

	timeout acquire.Instant // after which a request is given up
	busy    []*agent        // of which a table is being read
	looked  acquire.Instant // when it was looked for readings that stand still

	growing  []growing
	appeared []acquire.PointID        // those that were not there from the beginning
	known    map[acquire.PointID]bool // of appeared, and of what growing had then
	clocked  []acquire.PointID        // points whose times are those of the capture
}

// agent is a decoder of SNMP.
type agent struct {
	*snmp.Decoder
	busy bool // a table is being read
}

// growing is a decoder whose points appear as it meets them.
type growing struct {
	points func() []acquire.PointID
	seen   int
}

// opcuaServer is a decoder whose times are those of its server.
type opcuaServer struct {
	decoder *opcua.Decoder
	promise acquire.Instant
	gaps    map[netip.AddrPort]int // by client
}

func newDevices(c *Config) (*devices, error) {
	d := &devices{timeout: acquire.Instant(c.Timeout), known: make(map[acquire.PointID]bool)}
	var faults []error
	for _, m := range c.Modbus {
		decoder, err := modbus.NewDecoder(c.Catalog, m.Points)
		if err != nil {
			faults = append(faults, fmt.Errorf("passive: unit %d: %w", m.Unit, err))
			continue
		}
		d.modbus.add(m.Server, m.Unit, decoder)
		d.clocked = append(d.clocked, decoder.Points()...)
	}
	for _, a := range c.SNMP {
		decoder, err := snmp.NewDecoder(c.Catalog, a.Points, a.Tables...)
		if err != nil {
			faults = append(faults, fmt.Errorf("passive: %w", err))
			continue
		}
		agent := &agent{Decoder: decoder}
		d.agents = append(d.agents, agent)
		d.snmp.add(a.Server, 0, agent)
		d.clocked = append(d.clocked, decoder.Points()...)
		if len(a.Tables) > 0 {
			d.growing = append(d.growing, growing{decoder.Points, len(decoder.Points())})
		}
	}
	for _, o := range c.OPCUA {
		decoder, err := opcua.NewDecoder(c.Catalog, o.Points)
		if err != nil {
			faults = append(faults, fmt.Errorf("passive: %w", err))
			continue
		}
		server := &opcuaServer{decoder: decoder, gaps: make(map[netip.AddrPort]int)}
		d.served.add(o.Server, 0, server)
		d.opcua = append(d.opcua, server)
	}
	for _, t := range c.Traps {
		t.Catalog = c.Catalog
		decoder, err := snmp.NewTrapDecoder(t)
		if err != nil {
			faults = append(faults, fmt.Errorf("passive: traps: %w", err))
			continue
		}
		d.traps = append(d.traps, decoder)
		d.growing = append(d.growing, growing{decoder.Points, 0})
	}
	return d, errors.Join(faults...)
}

// places finds what belongs to a server, and of Modbus to one of its units.
type places[T any] struct {
	wanted []wish[T]
	known  map[unitAt]int // index into wanted, -1: none
}

type unitAt struct {
	server netip.AddrPort
	unit   byte
}

type wish[T any] struct {
	unitAt
	taken bool
	what  T
}

func (p *places[T]) add(server netip.AddrPort, unit byte, what T) {
	p.wanted = append(p.wanted, wish[T]{unitAt{server, unit}, false, what})
}

// maxPlaces bounds what is remembered of servers that nobody asked for.
const maxPlaces = 1 << 16

// at returns what belongs to a server: what names it, else what names its address, else
// what takes any, if no other server has it yet.
func (p *places[T]) at(server netip.AddrPort, unit byte) (what T, ok bool) {
	if len(p.wanted) == 0 {
		return what, false
	}
	at := unitAt{server, unit}
	i, seen := p.known[at]
	if !seen {
		i = -1
		for _, want := range []netip.AddrPort{server, netip.AddrPortFrom(server.Addr(), 0), {}} {
			for j := range p.wanted {
				if w := &p.wanted[j]; i < 0 && w.server == want && w.unit == unit && !w.taken {
					i, w.taken = j, true
				}
			}
		}
		if p.known == nil {
			p.known = make(map[unitAt]int)
		}
		if i >= 0 || len(p.known) < maxPlaces {
			p.known[at] = i
		}
	}
	if i < 0 {
		return what, false
	}
	return p.wanted[i].what, true
}

// midway returns the moment between two, as drivers stamp what they read.
func midway(a, b acquire.Instant) acquire.Instant { return a + (b-a)/2 }

// modbusMessage appends the samples of an answer, or of a request in vain.
func (d *devices) modbusMessage(b *acquire.Batch, o *Observation) error {
	m := &o.Modbus
	if m.Request == nil {
		return nil
	}
	decoder, ok := d.modbus.at(o.Server, m.Unit)
	if !ok {
		return nil
	}
	return decoder.Decode(b, m.Request, m.PDU, midway(o.Request.Time, o.Time))
}

// snmpMessage is the same for SNMP, and for what was sent without being asked for.
func (d *devices) snmpMessage(b *acquire.Batch, o *Observation) error {
	m := &o.SNMP
	switch m.Type {
	case TrapV1, TrapV2, InformRequest:
		if o.Unanswered {
			return nil
		}
		from := o.Client
		if o.FromServer {
			from = o.Server
		}
		for _, t := range d.traps {
			t.Decode(b, m.Message, from, o.Time)
		}
		return nil
	}
	if m.Request == nil {
		return nil
	}
	decoder, ok := d.snmp.at(o.Server, 0)
	if !ok {
		return nil
	}
	received := o.Time
	if o.Unanswered && !o.Interrupted {
		received = min(received, o.Request.Time+d.timeout)
	}
	err := decoder.Overhear(b, snmp.Exchange{
		Client: o.Client.Addr(), Request: m.Request, Answer: m.Message, Sent: o.Request.Time, Received: received,
	})
	if _, reading := decoder.Horizon(); reading && !decoder.busy {
		decoder.busy = true
		d.busy = append(d.busy, decoder)
	}
	return err
}

// pause is how long nothing may be heard of a table that is being read, before what was
// heard of it is given.
const pause = 30 * acquire.Instant(time.Second)

// settle appends what was heard of tables whose reading has stood still until now; at the
// end of the capture, of all.
func (d *devices) settle(b *acquire.Batch, now acquire.Instant, end bool) {
	if !end && now-d.looked < acquire.Instant(tick) {
		return
	}
	d.looked = now
	since := now - max(pause, 2*d.timeout)
	if end {
		since = math.MaxInt64
	}
	for _, a := range d.busy {
		a.Settle(b, since)
	}
}

// horizon returns the moment before which no sample is outstanding of a table that is
// being read, and at most now.
func (d *devices) horizon(now acquire.Instant) acquire.Instant {
	d.busy = slices.DeleteFunc(d.busy, func(a *agent) bool {
		at, reading := a.Horizon()
		if a.busy = reading; reading {
			now = min(now, at)
		}
		return !reading
	})
	return now
}

// grow takes points that are new. The slice of the batches before stays as it was.
func (d *devices) grow() {
	clipped := false
	for i := range d.growing {
		g := &d.growing[i]
		points := g.points()
		for _, id := range points[g.seen:] {
			if d.known[id] { // two rules may share a point
				continue
			}
			if !clipped {
				d.clocked, clipped = slices.Clip(d.clocked), true
			}
			d.known[id] = true
			d.appeared, d.clocked = append(d.appeared, id), append(d.clocked, id)
		}
		g.seen = len(points)
	}
}

// namespaceArray is Server_NamespaceArray (OPC 10000-6, annex A.3).
const namespaceArray opcua.NodeID = "i=2255"

// opcuaMessage appends the samples of a message of a server, or of a Read in vain.
func (s *opcuaServer) opcuaMessage(b *acquire.Batch, o *Observation) (err error) {
	m := &o.OPCUA
	if before, known := s.gaps[o.Client]; o.FromServer && o.Gaps != before {
		if known || len(s.gaps) < maxPlaces {
			s.gaps[o.Client] = o.Gaps
		}
		if o.Gaps > before {
			s.decoder.Gap()
		}
	}
	if m.Lost {
		s.decoder.Gap()
	}
	if o.Unanswered {
		s.fail(b, m.Items, acquire.Bad.Because(acquire.Communication), midway(o.Request.Time, o.Time))
		return nil
	}
	if o.Err != nil || !o.FromServer {
		return nil
	}
	switch {
	case m.Service == uabin.ServiceFaultID || uabin.Status(m.Result).IsBad():
		fault := opcua.ServiceError{Service: "Read", Status: m.Result}
		s.fail(b, m.Items, fault.Quality(), midway(o.Request.Time, o.Time))
	case m.Service == uabin.ReadResponseID:
		for i := range m.Items {
			item := &m.Items[i]
			if item.Attribute != AttributeValue || item.Range != "" || item.Node == "" {
				continue
			}
			if item.Node == namespaceArray {
				s.namespaces(item)
			}
			err = errors.Join(err, s.decoder.Decode(b, item.Node, item.Value, midway(o.Request.Time, o.Time), opcua.Polled))
		}
	case m.Service == uabin.PublishResponseID, m.Service == uabin.RepublishResponseID:
		for i := range m.Items {
			item := &m.Items[i]
			if item.Attribute != AttributeValue || item.Range != "" || item.Node == "" {
				continue
			}
			how := opcua.Notified
			if item.First {
				how = opcua.NotifiedFirst
			}
			err = errors.Join(err, s.decoder.Decode(b, item.Node, item.Value, o.Time, how))
		}
	}
	return err
}

func (s *opcuaServer) fail(b *acquire.Batch, items []OPCUAItem, why acquire.Quality, at acquire.Instant) {
	for i := range items {
		if item := &items[i]; item.Attribute == AttributeValue && item.Range == "" {
			s.decoder.Fail(b, item.Node, why, at)
		}
	}
}

// namespaces takes the namespaces that a client has read.
func (s *opcuaServer) namespaces(item *OPCUAItem) {
	v, err := item.value()
	if err != nil || v.Status.IsBad() || !v.Value.Array || v.Value.Type != uabin.TypeString {
		return
	}
	uris := make([]string, 0, v.Value.Length)
	each := v.Value.Elements()
	for range v.Value.Length {
		uris = append(uris, each.Text())
	}
	if each.Err() == nil {
		s.decoder.Namespaces(uris)
	}
}
