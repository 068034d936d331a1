package snmp

import (
	"bytes"
	"errors"
	"fmt"
	"iter"
	"net/netip"
	"slices"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/internal/snmpwire"
)

// Decoder turns what others asked of an agent into samples: requests and answers from a
// capture, decoded by the code that decodes those of a Source. It knows nothing of
// sockets and retries: whoever feeds it has told the traffic of one agent from that of
// others, and matched answers with their requests.
//
// A Decoder belongs to one goroutine at a time.
type Decoder struct {
	src     *Source           // that defines the points, and does nothing else
	named   map[string][]part // by encoded name
	upTime  string            // sysUpTime, encoded
	clock   clock
	epoch   uint32 // counts restarts of the agent
	touched []*overheard

	request, answer envelope

	tables  []*eavesdrop
	askers  map[netip.Addr]*asker
	open    int // hearings
	held    int // octets of theirs, about
	spare   []*hearing
	order   []netip.Addr
	chains  []*chain // of the present message
	names   [][]byte
	reached [][]byte
}

// overheard is a scalar with what of it stands in the present message.
type overheard struct {
	*scalar
	track
	found []snmpwire.Binding // value and exponents; without a name: not there
	count int                // how many are there
}

// part is one of the objects of a scalar.
type part struct {
	of *overheard
	at int
}

// envelope is a message of any version.
type envelope struct {
	v2    snmpwire.Message
	v3    snmpwire.MessageV3
	pdu   *snmpwire.PDU
	boots int32
}

// ErrEncrypted is the error for a message of version 3 that cannot be read without
// keys.
var ErrEncrypted = errors.New("snmp: message is encrypted")

// ErrNoRead is the error for a request that does not ask for values.
var ErrNoRead = errors.New("snmp: no request to read objects")

// parse reads a message of any version. What is authentic it does not know.
func (e *envelope) parse(message []byte) error {
	version, err := snmpwire.Peek(message)
	if err != nil {
		return &MessageError{Err: err}
	}
	e.boots = 0
	if version == snmpwire.V3 {
		if err := e.v3.Parse(message); err != nil {
			return &MessageError{Err: err}
		}
		if e.v3.Flags&snmpwire.Private != 0 {
			return ErrEncrypted
		}
		e.pdu, e.boots = &e.v3.Scoped.PDU, e.v3.Boots
		return nil
	}
	if err := e.v2.Parse(message); err != nil {
		return &MessageError{Err: err}
	}
	e.pdu = &e.v2.PDU
	return nil
}

// NewDecoder returns a Decoder of points and tables, defined in c as those of a Source
// are. Of both, Interval does not matter. The error names every fault.
func NewDecoder(c *acquire.Catalog, points []Point, tables ...Table) (*Decoder, error) {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	if c == nil {
		fault("no catalog")
	}
	if len(points)+len(tables) == 0 {
		fault("no points")
	}
	checked := make([]Point, 0, len(points))
	names := make(map[string]bool, len(points))
	for _, p := range points {
		p = p.withDefaults()
		what := fmt.Sprintf("point %q", p.Name)
		if err := p.faults(what); err != nil {
			faults = append(faults, err)
		}
		switch {
		case p.Name == "":
			fault("point at %s has no name", p.OID)
		case names[p.Name]:
			fault("%s is given twice", what)
		}
		names[p.Name] = true
		checked = append(checked, p)
	}
	tables = slices.Clone(tables)
	for i := range tables {
		tables[i] = tables[i].withDefaults()
		if err := tables[i].faults(); err != nil {
			faults = append(faults, err)
		}
	}
	if len(faults) > 0 {
		return nil, fmt.Errorf("snmp: %w", errors.Join(faults...))
	}
	d := &Decoder{src: bareSource(c), named: make(map[string][]part), upTime: string(upTime.encode())}
	d.listen(tables)
	for i, p := range checked {
		id, err := d.src.define(acquire.Point{Name: p.Name, Unit: p.Unit, Kind: p.kind(), Role: p.Role}, -1)
		if err != nil {
			faults = append(faults, err)
			continue
		}
		o := &overheard{scalar: newScalar(i, id, p, 1)}
		o.found = make([]snmpwire.Binding, len(o.names))
		for at, name := range o.names {
			d.named[string(name)] = append(d.named[string(name)], part{o, at})
		}
	}
	if err := errors.Join(faults...); err != nil {
		return nil, fmt.Errorf("snmp: %w", err)
	}
	return d, nil
}

// Points returns the points in the order in which they were given, and those of tables,
// in the order in which they appeared. The slice belongs to d and is only to be read; a
// later call may return a longer one.
func (d *Decoder) Points() []acquire.PointID { return d.src.Points() }

// Decode appends to b the samples of the points that an answer gives, or a GetRequest
// asked for in vain. Both are whole messages of version 1, 2c or, where not encrypted,
// 3, valid during the call; digests are not looked at. An empty answer stands for none
// that came. A point with Exponents gives a sample where these stand in the same
// message. at is midway between the two, as a Source stamps its samples; a sample
// earlier than the one before of its point is flagged.
//
// Where an answer to a GetRequest gives no values the samples are bad, as those of a
// Source would be, and the error says why: an ErrorStatus, a *MessageError where it does
// not answer the request, and ErrTimeout where there is none. Of a request that was
// refused for one object, that one is bad and nothing is said of the others; of one that
// is too long an answer, nothing at all. A request that reads no values is ErrNoRead,
// and appends nothing.
func (d *Decoder) Decode(b *acquire.Batch, request, answer []byte, at acquire.Instant) error {
	return d.Overhear(b, Exchange{Request: request, Answer: answer, Sent: at, Received: at})
}

// Overhear does what Decode does, and appends the samples of tables as well. What is
// read of a table stands in many messages: its samples come with the last of them, when
// all columns have been read to their ends, or when the client begins anew; Settle gives
// what was read in part. Without the row's label, or the column of a condition, there
// is no sample, as with a Source, and it counts as Lost.
//
// A table is read by requests for what follows a name, which may begin with its columns
// or with what stands above them, or by requests for its cells. A row that is missing
// from what was read whole is said to be gone, as by a Source. Where a request was not
// answered, or refused, the points of the columns that it asked for have no value; of
// other columns nothing is said.
func (d *Decoder) Overhear(b *acquire.Batch, x Exchange) error {
	if err := d.request.parse(x.Request); err != nil {
		return err
	}
	at := x.Sent + (x.Received-x.Sent)/2
	asked := d.request.pdu
	switch asked.Type {
	case snmpwire.ReadRequest, snmpwire.NextRequest, snmpwire.BulkRequest:
	default:
		return ErrNoRead
	}
	d.forget()
	if len(x.Answer) == 0 {
		return d.fail(b, &x, asked, nil, at, ErrTimeout)
	}
	if err := d.answer.parse(x.Answer); err != nil {
		if errors.Is(err, ErrEncrypted) {
			return err
		}
		return d.fail(b, &x, asked, nil, at, err)
	}
	given := d.answer.pdu
	switch {
	case given.Type == snmpwire.Report:
		return broken("a report in place of an answer")
	case given.Type != snmpwire.Response || given.RequestID != asked.RequestID:
		return d.fail(b, &x, asked, nil, at, broken("PDU of type %#x is no answer to the request", byte(given.Type)))
	case given.ErrorStatus == int32(TooBig):
		return TooBig
	case given.ErrorStatus != 0:
		return d.fail(b, &x, asked, given, at, ErrorStatus(given.ErrorStatus))
	}
	if !d.read(asked, given, at) {
		d.forget()
		return d.fail(b, &x, asked, nil, at, errOthers)
	}
	if d.clock.rebooted(d.answer.boots) {
		d.epoch++
	}
	d.deliver(b, at)
	switch {
	case len(d.tables) == 0:
	case asked.Type == snmpwire.ReadRequest:
		d.cells(b, &x, given.Bindings, 0, 0, at)
	default:
		return d.walked(b, &x, asked, given, at)
	}
	return nil
}

// fail says of what a request asked for in vain that there is no value, and returns why.
// refusal is the answer that refuses it, nil if there is none.
func (d *Decoder) fail(b *acquire.Batch, x *Exchange, asked, refusal *snmpwire.PDU, at acquire.Instant, why error) error {
	index := 0
	if refusal != nil {
		index = int(refusal.ErrorIndex)
	}
	switch {
	case len(d.tables) == 0:
	case asked.Type == snmpwire.ReadRequest:
		d.cells(b, x, asked.Bindings, acquire.QualityOf(why), index, at)
	case refusal != nil:
		d.rejected(b, x, asked, refusal, at)
	case len(x.Answer) == 0:
		d.unanswered(b, x, asked)
	default:
		for _, name := range d.wants(asked) {
			d.refused(b, x, name, acquire.QualityOf(why), at)
		}
	}
	return d.refuse(b, asked, index, at, why)
}

// forget drops what was found in the message before.
func (d *Decoder) forget() {
	for _, o := range d.touched {
		clear(o.found)
		o.count = 0
	}
	d.touched = d.touched[:0]
}

// touch notes that an object of a point stands in the message. Of one that stands there
// twice the first counts.
func (d *Decoder) touch(binding *snmpwire.Binding) {
	for _, p := range d.named[string(binding.Name)] {
		if p.of.count == 0 {
			d.touched = append(d.touched, p.of)
		}
		if slot := &p.of.found[p.at]; slot.Name == nil {
			*slot = *binding
			p.of.count++
		}
	}
}

// read finds the objects of points in an answer, and reports whether it is one: of a
// GetRequest the objects asked for, in their order, and nothing else.
func (d *Decoder) read(asked, given *snmpwire.PDU, at acquire.Instant) bool {
	wanted, list := asked.Bindings, given.Bindings
	for len(list) > 0 {
		binding, rest, err := snmpwire.NextBinding(list)
		if err != nil {
			return false
		}
		list = rest
		if asked.Type == snmpwire.ReadRequest {
			want, others, err := snmpwire.NextBinding(wanted)
			if err != nil || !bytes.Equal(want.Name, binding.Name) {
				return false
			}
			wanted = others
		}
		if binding.Tag == snmpwire.EndOfMibView {
			continue // named by what was asked for
		}
		if binding.Tag == snmpwire.TimeTicks && string(binding.Name) == d.upTime {
			if ticks, err := snmpwire.Uint32(binding.Value); err == nil && d.clock.restarted(ticks, at.Time()) {
				d.epoch++
			}
		}
		d.touch(&binding)
	}
	return asked.Type != snmpwire.ReadRequest || len(wanted) == 0
}

// deliver appends the samples of what was found whole.
func (d *Decoder) deliver(b *acquire.Batch, at acquire.Instant) {
	for _, o := range d.touched {
		if o.count != len(o.found) {
			continue
		}
		value, quality := o.decoder.value(b, o.found[0].Tag, o.found[0].Value)
		if len(o.found) > 1 && !value.IsNone() {
			power, known := 0, true
			for i := range o.found[1:] {
				number, ok := whole(&o.found[i+1])
				n, fits := o.point.Exponents[i].power(number)
				power, known = power+n, known && ok && fits
			}
			if value, quality = o.decoder.apply(value, power); !known {
				value, quality = acquire.Value{}, badRange
			}
		}
		quality = o.stamp(at, quality)
		if o.point.counts() {
			quality = o.track.count(quality, d.epoch, 0)
		}
		b.Append(acquire.Sample{Time: at, Point: o.scalar.id, Value: value, Quality: quality})
	}
}

// whole returns the number that an exponent's object holds.
func whole(binding *snmpwire.Binding) (int64, bool) {
	return Variable{Syntax: Syntax(binding.Tag), value: binding.Value}.Int64()
}

// refuse appends bad samples of the points that a GetRequest asked for, or of the one
// that index, counted from 1, names, and returns why.
func (d *Decoder) refuse(b *acquire.Batch, asked *snmpwire.PDU, index int, at acquire.Instant, why error) error {
	if asked.Type != snmpwire.ReadRequest {
		return why
	}
	list := asked.Bindings
	for i := 1; len(list) > 0; i++ {
		binding, rest, err := snmpwire.NextBinding(list)
		if err != nil {
			break
		}
		list = rest
		if index == 0 || i == index {
			d.touch(&binding)
		}
	}
	quality := acquire.QualityOf(why)
	for _, o := range d.touched {
		if index != 0 || o.count == len(o.found) {
			b.Append(acquire.Sample{Time: at, Point: o.scalar.id, Quality: o.stamp(at, quality)})
		}
	}
	d.forget()
	return why
}

// TrapDecoder turns traps and informs that others received into samples, by the code and
// the rules of a TrapListener.
//
// A TrapDecoder belongs to one goroutine at a time.
type TrapDecoder struct {
	listener *TrapListener
	stream   trapStream
}

// NewTrapDecoder returns a TrapDecoder of what cfg describes. What cfg says of sockets
// and replies does not matter: nothing is listened to, and nothing sent. The error names
// every fault.
func NewTrapDecoder(cfg TrapConfig) (*TrapDecoder, error) {
	l, err := NewTrapListener(cfg)
	if err != nil {
		return nil, err
	}
	return &TrapDecoder{listener: l, stream: trapStream{listener: l}}, nil
}

// Points returns the points that have appeared, in their order. The slice belongs to d
// and is only to be read; a later call may return a longer one.
func (d *TrapDecoder) Points() []acquire.PointID { return d.listener.Points() }

// Counters returns what became of the messages so far.
func (d *TrapDecoder) Counters() TrapCounters { return d.listener.Counters() }

// Decode appends to b the samples of a message that came from an address at a time, and
// adds to its Lost those that it could not make.
func (d *TrapDecoder) Decode(b *acquire.Batch, message []byte, from netip.AddrPort, at acquire.Instant) {
	l := d.listener
	l.mu.Lock()
	defer l.mu.Unlock()
	l.received.Add(1)
	lost := d.stream.deliver(message, datagram{from: from, at: at, end: len(message)}, b, at.Time())
	b.Lost += lost
	l.counters.LostSamples += lost
	d.stream.replies, d.stream.to = d.stream.replies[:0], d.stream.to[:0]
}

// MessageVariables iterates over the variable bindings of a whole message of version 1,
// 2c or, where not encrypted, 3. They are parts of the message. It ends at the first one
// that is malformed.
func MessageVariables(message []byte) iter.Seq[Variable] {
	return func(yield func(Variable) bool) {
		var e envelope
		if e.parse(message) != nil {
			return
		}
		for list := e.pdu.Bindings; len(list) > 0; {
			b, rest, err := snmpwire.NextBinding(list)
			if err != nil || !yield(Variable{Syntax: Syntax(b.Tag), name: b.Name, value: b.Value}) {
				return
			}
			list = rest
		}
	}
}
