package modbus

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/fieldtap/fieldtap/acquire"
)

// Decoder turns what others asked of a unit into samples: requests and answers from a
// capture, or overheard on a line, decoded by the code that decodes those of a Source.
// It knows nothing of frames, units and connections: whoever feeds it has told the
// traffic of one unit from that of others, and matched answers with their requests.
//
// A Decoder belongs to one goroutine at a time.
type Decoder struct {
	points   []acquire.PointID
	members  []member  // by table and address
	decoders []decoder // of members
	latest   []acquire.Instant
	seen     map[Range]*heard
}

// heard is a request that was heard before.
type heard struct {
	block
	which []int // member of the Decoder that each of the block's decoders is for
}

// maxSeen is how many different requests a Decoder keeps ready. What asks at random is
// no master of a plant, and is decoded a little slower.
const maxSeen = 1 << 12

// NewDecoder returns a Decoder of points, defined in c as those of a Source are. Of a
// Point, Interval does not matter. The error names every fault.
func NewDecoder(c *acquire.Catalog, points []Point) (*Decoder, error) {
	points, faults := checkedPoints(points)
	if c == nil {
		faults = append(faults, errors.New("no catalog"))
	}
	for _, p := range points {
		if p.At.table != 0 && p.span() > p.At.table.limit() {
			faults = append(faults, fmt.Errorf("point %q is longer than any answer", p.Name))
		}
	}
	if err := errors.Join(faults...); err != nil {
		return nil, fmt.Errorf("modbus: %w", err)
	}
	members, faults := define(c, points, func(Point) int { return 1 })
	if err := errors.Join(faults...); err != nil {
		return nil, fmt.Errorf("modbus: %w", err)
	}
	d := &Decoder{latest: make([]acquire.Instant, len(members)), seen: make(map[Range]*heard)}
	for _, m := range members {
		d.points = append(d.points, m.id)
	}
	slices.SortStableFunc(members, member.compare)
	d.members = members
	for _, m := range members {
		d.decoders = append(d.decoders, newDecoder(m.id, m.point))
	}
	return d, nil
}

// Points returns the points in the order in which they were given. The slice belongs
// to d and is only to be read.
func (d *Decoder) Points() []acquire.PointID { return d.points }

// ErrNoRead is the error for a request that does not read bits or registers by
// functions 1 to 4, or not as the protocol has it.
var ErrNoRead = errors.New("modbus: no request to read bits or registers")

// Decode appends to b the samples of the points that lie wholly in what request asks
// for, with the values in answer. Both are PDUs: function code and data, without unit,
// header and check, valid during the call. at is midway between them, as a Source
// stamps its samples; a sample earlier than the one before of its point is flagged.
//
// Where answer gives no values the samples are bad, as those of a Source would be, and
// the error says why: an Exception, a *FrameError where it does not answer request, and
// ErrTimeout where it is empty, since none came. Only what a Source would ask for again
// at once, in halves or after a refusal for being busy, it does not report. A request
// that is none to read bits or registers is ErrNoRead, and appends nothing.
func (d *Decoder) Decode(b *acquire.Batch, request, answer []byte, at acquire.Instant) error {
	h, err := d.hear(request)
	if err != nil {
		return err
	}
	function := h.at.table.function()
	var data []byte
	if len(answer) == 0 {
		err = ErrTimeout
	} else if data, err = answered(function, answer[0], answer[1:]); err == nil {
		data, err = h.data(data)
	}
	before := len(b.Samples)
	if err == nil {
		decode(b, h.decoders, data, at, acquire.Good)
	} else {
		h.bad(b, at, acquire.QualityOf(err))
	}
	for i, member := range h.which {
		if s := &b.Samples[before+i]; at < d.latest[member] {
			s.Quality = s.Quality.With(acquire.TimeBackwards)
		} else {
			d.latest[member] = at
		}
	}
	return err
}

// hear returns what request asks for.
func (d *Decoder) hear(request []byte) (*heard, error) {
	if len(request) != 5 || request[0] < readCoils || request[0] > readInputRegisters {
		return nil, ErrNoRead
	}
	table := Table(request[0])
	r := Range{Address{table, binary.BigEndian.Uint16(request[1:])}, int(binary.BigEndian.Uint16(request[3:]))}
	if h := d.seen[r]; h != nil {
		return h, nil
	}
	if r.Count < 1 || r.Count > table.limit() {
		return nil, ErrNoRead
	}
	h := &heard{block: block{at: r.At, count: r.Count}}
	for i, m := range d.members {
		if m.point.At.table != table || m.point.start() < int(r.At.offset) || m.end() > r.end() {
			continue
		}
		x := d.decoders[i]
		x.offset = m.offset(r.At)
		h.decoders, h.which = append(h.decoders, x), append(h.which, i)
	}
	if len(d.seen) < maxSeen {
		d.seen[r] = h
	}
	return h, nil
}
