package passive

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/drivers/modbus"
	"github.com/fieldtap/fieldtap/drivers/opcua"
	"github.com/fieldtap/fieldtap/drivers/snmp"
	"github.com/fieldtap/fieldtap/internal/uabin"
	"github.com/fieldtap/fieldtap/units"
)

// Inventory is what there is in captures.
type Inventory struct {
	Files   []string
	Tally   Tally // of the messages
	Stats   Stats
	Devices []Device // by protocol, address and unit
	Damage  error    // nil where all files are whole
	Omitted uint64   // devices and entries of theirs beyond what an Inventory holds
}

// Tally counts something and says when it was.
type Tally struct {
	Count uint64
	First acquire.Instant
	Last  acquire.Instant
}

// Every is the mean time from one to the next; 0 of fewer than two.
func (t Tally) Every() time.Duration {
	if t.Count < 2 {
		return 0
	}
	return t.Last.Sub(t.First) / time.Duration(t.Count-1)
}

func (t *Tally) add(at acquire.Instant) {
	if t.Count == 0 || at < t.First {
		t.First = at
	}
	t.Last = max(t.Last, at)
	t.Count++
}

// Device is a Modbus unit, an SNMP agent or an OPC UA server.
type Device struct {
	Protocol   Protocol
	Server     netip.AddrPort // of a sender of traps without its port
	Unit       byte           // of Modbus
	Clients    int            // addresses that asked it, or that it told, up to 1000
	Messages   Tally
	Requests   uint64
	Answers    uint64 // exceptions included
	Exceptions uint64
	Unanswered uint64
	Traps      uint64 // of SNMP, informs included
	Encrypted  uint64
	Malformed  uint64

	Modbus []ModbusAccess // by function and address
	SNMP   []SNMPObject   // by OID
	OPCUA  []OPCUANode    // by node id
}

// ModbusAccess is what one request of a master asks for, however often.
type ModbusAccess struct {
	Function   byte
	First      uint16 // address; of functions that have none, 0
	Quantity   int    // of registers or bits; of functions that have none, 0
	Requests   Tally
	Exceptions uint64
	Exception  byte   // the last of them
	Answers    uint64 // with values or an acknowledgement
}

// SNMPObject is an object with its instance.
type SNMPObject struct {
	OID    snmp.OID
	Syntax snmp.Syntax // of its last value; 0: it never had one
	Values Tally       // answers with a value
	Failed uint64      // answers without one
	Traps  uint64      // among the Values, those of traps and informs

	text bool // its octets are text
}

// OPCUANode is a variable.
type OPCUANode struct {
	Node   opcua.NodeID
	Type   opcua.Type // of its last value; 0: it never had one
	Array  bool
	Values Tally  // with a good or uncertain status
	Told   uint64 // among all, those of subscriptions
	Failed uint64 // with a bad status
}

// Limits of an Inventory.
const (
	maxDevices = 1 << 12
	maxEntries = 1 << 18 // of all devices together
	maxClients = 1000
)

// Survey reads captures whole and returns what there is in them. Damage of files is
// noted in the Inventory. ctx ends it early, with an error.
func Survey(ctx context.Context, cfg ReaderConfig) (*Inventory, error) {
	r, err := NewReader(cfg)
	if err != nil {
		return nil, err
	}
	s := &survey{
		found: &Inventory{Files: slices.Clone(cfg.Files)}, devices: make(map[deviceKey]*surveyed),
	}
	err = ctx.Err()
	for err == nil {
		var o *Observation
		if o, err = r.next(ctx.Done()); o != nil {
			s.take(o)
		} else if err == nil {
			err = ctx.Err()
		}
	}
	var damage *DamageError
	switch {
	case err == io.EOF:
		err = nil
	case errors.As(err, &damage):
		s.found.Damage, err = err, nil
	}
	s.found.Stats = r.Stats()
	if err = errors.Join(err, r.Close()); err != nil {
		return nil, err
	}
	s.finish()
	return s.found, nil
}

type deviceKey struct {
	protocol Protocol
	server   netip.AddrPort
	unit     byte
}

// survey collects an Inventory.
type survey struct {
	found   *Inventory
	devices map[deviceKey]*surveyed
	entries int
}

type surveyed struct {
	Device
	clients map[netip.Addr]bool
	modbus  map[modbusKey]*ModbusAccess
	snmp    map[snmp.OID]*SNMPObject
	opcua   map[opcua.NodeID]*OPCUANode
}

type modbusKey struct {
	function byte
	first    uint16
	quantity int
}

func (s *survey) take(o *Observation) {
	key := deviceKey{o.Protocol, o.Server, 0}
	if o.Protocol == Modbus {
		key.unit = o.Modbus.Unit
	}
	if trap := o.Protocol == SNMP && (o.SNMP.Type == TrapV1 || o.SNMP.Type == TrapV2); trap {
		key.server = netip.AddrPortFrom(o.Server.Addr(), 0) // they leave from any port
	}
	d := s.devices[key]
	if d == nil {
		if len(s.devices) == maxDevices {
			s.found.Omitted++
			return
		}
		d = &surveyed{
			Device:  Device{Protocol: o.Protocol, Server: key.server, Unit: key.unit},
			clients: make(map[netip.Addr]bool), modbus: make(map[modbusKey]*ModbusAccess),
			snmp: make(map[snmp.OID]*SNMPObject), opcua: make(map[opcua.NodeID]*OPCUANode),
		}
		s.devices[key] = d
	}
	if len(d.clients) < maxClients {
		d.clients[o.Client.Addr()] = true
	}
	if o.Unanswered {
		d.Unanswered++
		return
	}
	s.found.Tally.add(o.Time)
	d.Messages.add(o.Time)
	switch {
	case errors.Is(o.Err, ErrEncrypted):
		d.Encrypted++
	case o.Err != nil && !errors.Is(o.Err, ErrUnpaired) && !errors.Is(o.Err, ErrAmbiguous):
		d.Malformed++
	case o.FromServer:
		d.Answers++
	default:
		d.Requests++
	}
	switch o.Protocol {
	case Modbus:
		s.takeModbus(d, o)
	case SNMP:
		s.takeSNMP(d, o)
	case OPCUA:
		s.takeOPCUA(d, o)
	}
}

// room reports whether the report takes one entry more.
func (s *survey) room() bool {
	if s.entries == maxEntries {
		s.found.Omitted++
		return false
	}
	s.entries++
	return true
}

func (s *survey) takeModbus(d *surveyed, o *Observation) {
	m := &o.Modbus
	request := m.PDU
	if o.FromServer {
		if m.Exception() != 0 {
			d.Exceptions++
		}
		if request = m.Request; request == nil {
			return
		}
	}
	key := modbusKey{function: request[0]}
	switch {
	case len(request) < 5:
	case key.function <= 4, key.function == 15, key.function == 16, key.function == 23:
		key.first, key.quantity = binary.BigEndian.Uint16(request[1:]), int(binary.BigEndian.Uint16(request[3:]))
	case key.function == 5, key.function == 6, key.function == 22:
		key.first, key.quantity = binary.BigEndian.Uint16(request[1:]), 1
	}
	a := d.modbus[key]
	if a == nil {
		if !s.room() {
			return
		}
		a = &ModbusAccess{Function: key.function, First: key.first, Quantity: key.quantity}
		d.modbus[key] = a
	}
	switch {
	case !o.FromServer:
		a.Requests.add(o.Time)
	case m.PDU[0]&0x80 != 0:
		a.Exceptions++
		a.Exception = m.Exception()
	case answers(request, m.PDU):
		a.Answers++
	}
}

func (s *survey) takeSNMP(d *surveyed, o *Observation) {
	m := &o.SNMP
	trap := false
	switch m.Type {
	case TrapV1, TrapV2, InformRequest:
		trap = true
		d.Traps++
		if o.FromServer {
			d.Answers--
		}
	case Response:
		if m.ErrorStatus != snmp.NoError {
			d.Exceptions++
		}
		if m.Request == nil {
			return
		}
	default:
		return
	}
	for v := range m.Variables() {
		oid := v.OID()
		e := d.snmp[oid]
		if e == nil {
			if !s.room() {
				return
			}
			e = &SNMPObject{OID: oid}
			d.snmp[oid] = e
		}
		if v.Err() != nil || v.Syntax == snmp.SyntaxNull || m.ErrorStatus != snmp.NoError {
			e.Failed++
			continue
		}
		e.Syntax, e.text = v.Syntax, readableText(v.Bytes())
		e.Values.add(o.Time)
		if trap {
			e.Traps++
		}
	}
}

// readableText reports whether octets are text that can be read.
func readableText(b []byte) bool {
	return utf8.Valid(b) && !strings.ContainsFunc(string(b), func(r rune) bool { return !unicode.IsPrint(r) && !unicode.IsSpace(r) })
}

func (s *survey) takeOPCUA(d *surveyed, o *Observation) {
	m := &o.OPCUA
	if o.FromServer && uabin.Status(m.Result).IsBad() {
		d.Exceptions++
	}
	if o.Err != nil || !o.FromServer {
		return
	}
	for i := range m.Items {
		item := &m.Items[i]
		if item.Value == nil || item.Node == "" || item.Attribute != AttributeValue {
			continue
		}
		e := d.opcua[item.Node]
		if e == nil {
			if !s.room() {
				return
			}
			e = &OPCUANode{Node: item.Node}
			d.opcua[item.Node] = e
		}
		if m.Service != uabin.ReadResponseID {
			e.Told++
		}
		v, err := item.value()
		if err != nil || v.Status.IsBad() || v.Value.Malformed || v.Value.Type == uabin.Null {
			e.Failed++
			continue
		}
		e.Type, e.Array = opcua.Type(v.Value.Type), v.Value.Array
		e.Values.add(o.Time)
	}
}

func (s *survey) finish() {
	for _, d := range s.devices {
		d.Clients = len(d.clients)
		for _, a := range d.modbus {
			d.Device.Modbus = append(d.Device.Modbus, *a)
		}
		for _, e := range d.snmp {
			d.Device.SNMP = append(d.Device.SNMP, *e)
		}
		for _, n := range d.opcua {
			d.Device.OPCUA = append(d.Device.OPCUA, *n)
		}
		slices.SortFunc(d.Device.Modbus, func(a, b ModbusAccess) int {
			return cmp.Or(cmp.Compare(a.Function, b.Function), cmp.Compare(a.First, b.First), cmp.Compare(a.Quantity, b.Quantity))
		})
		slices.SortFunc(d.Device.SNMP, func(a, b SNMPObject) int { return a.OID.Compare(b.OID) })
		slices.SortFunc(d.Device.OPCUA, func(a, b OPCUANode) int { return cmp.Compare(a.Node, b.Node) })
		s.found.Devices = append(s.found.Devices, d.Device)
	}
	slices.SortFunc(s.found.Devices, func(a, b Device) int {
		return cmp.Or(cmp.Compare(a.Protocol, b.Protocol), a.Server.Compare(b.Server), cmp.Compare(a.Unit, b.Unit))
	})
}

// Config returns a Config for everything that was read with success: a point for each
// register and bit, object, and variable that is no array, named by its device and
// address, with the type that it showed. It is a start, to be cut down and given names,
// scales and units. cfg is what it was made of.
func (v *Inventory) Config(cfg ReaderConfig) Config {
	c := Config{ReaderConfig: cfg}
	for i := range v.Devices {
		d := &v.Devices[i]
		switch d.Protocol {
		case Modbus:
			if points := d.modbusPoints(); points != nil {
				c.Modbus = append(c.Modbus, ModbusDevice{Server: d.Server, Unit: d.Unit, Points: points})
			}
		case SNMP:
			if points := d.snmpPoints(); points != nil {
				c.SNMP = append(c.SNMP, SNMPAgent{Server: d.Server, Points: points})
			}
		case OPCUA:
			if points := d.opcuaPoints(); points != nil {
				c.OPCUA = append(c.OPCUA, OPCUAServer{Server: d.Server, Points: points})
			}
		}
	}
	return c
}

// name returns the name of a point, no longer than a catalog takes it.
func (d *Device) name(address string) string {
	name := d.Server.String() + " " + address
	if d.Protocol == Modbus {
		name = d.Server.String() + "/" + strconv.Itoa(int(d.Unit)) + " " + address
	}
	name = strings.ToValidUTF8(name, "\uFFFD")
	if len(name) <= acquire.MaxName {
		return name
	}
	sum := fnv.New64a()
	_, _ = io.WriteString(sum, name) // it never fails
	short := strings.ToValidUTF8(name[:acquire.MaxName-17], "")
	return fmt.Sprintf("%s~%016x", short, sum.Sum64())
}

func (d *Device) modbusPoints() (points []modbus.Point) {
	tables := map[byte]func(uint16) modbus.Address{1: modbus.Coil, 2: modbus.Discrete, 3: modbus.Holding, 4: modbus.Input}
	for _, function := range slices.Sorted(maps.Keys(tables)) {
		read := make(map[uint16]bool)
		for _, a := range d.Modbus {
			if a.Function == function && a.Answers > 0 {
				for n := range min(a.Quantity, 1<<16-int(a.First)) {
					read[a.First+uint16(n)] = true
				}
			}
		}
		for _, n := range slices.Sorted(maps.Keys(read)) {
			at := tables[function](n)
			p := modbus.Point{Name: d.name(at.String()), At: at}
			if function > 2 {
				p.Type = modbus.Uint16
			}
			points = append(points, p)
		}
	}
	return points
}

func (d *Device) snmpPoints() (points []snmp.Point) {
	for _, e := range d.SNMP {
		p := snmp.Point{Name: d.name(string(e.OID)), OID: e.OID}
		if e.Values.Count == e.Traps {
			continue
		}
		switch e.Syntax {
		case snmp.SyntaxInteger:
			p.Type = snmp.Int32
		case snmp.SyntaxOctetString:
			if p.Type = snmp.Hex; e.text {
				p.Type = snmp.Text
			}
		case snmp.SyntaxObject:
			p.Type = snmp.Object
		case snmp.SyntaxIPAddress:
			p.Type = snmp.IPAddress
		case snmp.SyntaxCounter32:
			p.Type, p.Unit = snmp.Counter32, units.One // of what, only a MIB tells
		case snmp.SyntaxCounter64:
			p.Type, p.Unit = snmp.Counter64, units.One
		case snmp.SyntaxGauge32:
			p.Type = snmp.Uint32
		case snmp.SyntaxTimeTicks:
			p.Type = snmp.TimeTicks
		case snmp.SyntaxOpaque:
			p.Type = snmp.Number
		default:
			continue
		}
		points = append(points, p)
	}
	return points
}

func (d *Device) opcuaPoints() (points []opcua.Point) {
	for _, n := range d.OPCUA {
		p := opcua.Point{Name: d.name(string(n.Node)), Node: n.Node}
		if n.Array || !n.Node.Valid() {
			continue
		}
		switch n.Type {
		case opcua.TypeBoolean:
			p.Kind = acquire.KindBool
		case opcua.TypeFloat, opcua.TypeDouble:
			p.Kind = acquire.KindFloat64
		case opcua.TypeSByte, opcua.TypeInt16, opcua.TypeInt32, opcua.TypeInt64, opcua.TypeDateTime, opcua.TypeStatusCode:
			p.Kind = acquire.KindInt64
		case opcua.TypeByte, opcua.TypeUInt16, opcua.TypeUInt32, opcua.TypeUInt64:
			p.Kind = acquire.KindUint64
		case opcua.TypeString, opcua.TypeXMLElement, opcua.TypeLocalizedText, opcua.TypeQualifiedName, opcua.TypeGUID,
			opcua.TypeNodeID, opcua.TypeExpandedNodeID, opcua.TypeByteString:
			p.Kind = acquire.KindText
		default:
			continue
		}
		points = append(points, p)
	}
	return points
}
