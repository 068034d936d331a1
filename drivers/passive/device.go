package passive

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/drivers/modbus"
	"github.com/fieldtap/fieldtap/drivers/opcua"
	"github.com/fieldtap/fieldtap/drivers/snmp"
	"github.com/fieldtap/fieldtap/internal/uabin"
)

// devices are the decoders of one stream.
type devices struct {
	modbus places[*modbus.Decoder]
	snmp   places[*snmp.Decoder]
	served places[*opcuaServer]
	opcua  []*opcuaServer
	traps  []*snmp.TrapDecoder

	appeared []int // points of each of traps

	clocked []acquire.PointID // points whose times are those of the capture
}

// opcuaServer is a decoder whose times are those of its server.
type opcuaServer struct {
	decoder *opcua.Decoder
	promise acquire.Instant
	gaps    map[netip.AddrPort]int // by client
}

func newDevices(c *Config) (*devices, error) {
	d := &devices{}
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
		decoder, err := snmp.NewDecoder(c.Catalog, a.Points)
		if err != nil {
			faults = append(faults, fmt.Errorf("passive: %w", err))
			continue
		}
		d.snmp.add(a.Server, 0, decoder)
		d.clocked = append(d.clocked, decoder.Points()...)
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
		d.traps, d.appeared = append(d.traps, decoder), append(d.appeared, 0)
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
	return decoder.Decode(b, m.Request, m.Message, midway(o.Request.Time, o.Time))
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
