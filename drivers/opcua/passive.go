package opcua

import (
	"errors"
	"fmt"
	"slices"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/internal/uabin"
)

// Decoder turns what others read from a server, or were told by it, into samples, by the
// code that makes those of a Source. It knows nothing of connections, requests and
// subscriptions: whoever feeds it has found out which node a value is of.
//
// A Decoder belongs to one goroutine at a time.
type Decoder struct {
	points []acquire.PointID
	nodes  []node // of items
	items  []item
	tracks []track // of items
	byID   map[NodeID][]int
}

// NewDecoder returns a Decoder of points, defined in c as those of a Source are. Of a
// Point, what is wished of the server does not matter. Points whose Node names its
// namespace by URI wait for Namespaces. The error names every fault.
func NewDecoder(c *acquire.Catalog, points []Point) (*Decoder, error) {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf("opcua: "+format, args...)) }
	if c == nil {
		fault("no catalog")
	}
	if len(points) == 0 {
		fault("no points")
	}
	checked := make([]Point, 0, len(points))
	named := make(map[string]bool, len(points))
	for _, p := range points {
		p = p.withDefaults()
		if err := p.faults(); err != nil {
			faults = append(faults, err)
		}
		switch {
		case p.Name == "":
			fault("point of node %.100q has no name", string(p.Node))
		case named[p.Name]:
			fault("point %q is given twice", p.Name)
		}
		named[p.Name] = true
		checked = append(checked, p)
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	d := &Decoder{byID: make(map[NodeID][]int)}
	known := make(map[NodeID]int)
	for _, p := range checked {
		id, err := c.Define(acquire.Point{Name: p.Name, Unit: p.Unit, Kind: p.Kind, Role: p.Role})
		if err != nil {
			faults = append(faults, fmt.Errorf("opcua: %w", err))
			continue
		}
		d.points = append(d.points, id)
		at, ok := known[p.Node]
		if !ok {
			at = len(d.items)
			known[p.Node] = at
			n, _ := parseNode(string(p.Node)) // it is valid
			d.items, d.nodes = append(d.items, item{id: n}), append(d.nodes, n)
		}
		d.items[at].members = append(d.items[at].members, member{id, newConverter(p)})
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	d.tracks = make([]track, len(d.items))
	for i := range d.tracks {
		d.tracks[i].fresh = true
	}
	d.Namespaces(nil)
	return d, nil
}

// Points returns the points in the order in which they were given. The slice belongs
// to d and is only to be read.
func (d *Decoder) Points() []acquire.PointID { return d.points }

// Namespaces takes the NamespaceArray of the server (OPC 10000-5, section 6.3.1), in
// place of any before.
func (d *Decoder) Namespaces(uris []string) {
	clear(d.byID)
	for i, n := range d.nodes {
		if n.uri != "" {
			index := slices.Index(uris, n.uri)
			if index < 0 || index > 0xFFFF {
				continue
			}
			n.uri, n.index = "", uint16(index)
		}
		id := n.text()
		d.byID[id] = append(d.byID[id], i) // two where one names the namespace by URI
	}
}

// Delivery is how a value came to a client.
type Delivery uint8

// The deliveries. What is read, and the first value of a monitored item, may be as old
// as the value before: its time is then when the server confirmed it.
const (
	Notified      Delivery = iota // by a subscription
	NotifiedFirst                 // by a subscription, as the first value of a monitored item
	Polled                        // by a Read
)

// ErrNotDataValue is the error for bytes that are no DataValue.
var ErrNotDataValue = errors.New("opcua: no DataValue")

// Decode appends to b the samples of the points at node. node is as the server's
// messages have it, by the index of its namespace. value is a DataValue in OPC UA Binary
// (OPC 10000-6, section 5.2.2.17), valid during the call. at is the time of a sample that
// the server gives none: midway between request and answer, or the arrival of a
// notification. A node without points is left alone.
func (d *Decoder) Decode(b *acquire.Batch, node NodeID, value []byte, at acquire.Instant, how Delivery) error {
	items := d.byID[node]
	if len(items) == 0 {
		return nil
	}
	r := uabin.NewReader(value)
	v := r.DataValue()
	if err := r.End(); err != nil {
		d.Fail(b, node, badProtocol, at)
		return fmt.Errorf("%w: %w", ErrNotDataValue, err)
	}
	for _, i := range items {
		t := &d.tracks[i]
		stamp, flags := t.stamp(stampsOf(&v), at, 0, how != Notified || t.fresh)
		d.items[i].deliver(b, &v, stamp, flags)
	}
	return nil
}

// Fail appends a bad sample for each point at node, as where a Read was refused or not
// answered.
func (d *Decoder) Fail(b *acquire.Batch, node NodeID, why acquire.Quality, at acquire.Instant) {
	for _, i := range d.byID[node] {
		stamp, flags := d.tracks[i].stamp(stamps{}, at, 0, false)
		d.items[i].bad(b, stamp, why.With(flags))
	}
}

// Gap notes that notifications are missing: the next sample of each point says so by the
// flag acquire.Overflow.
func (d *Decoder) Gap() {
	for i := range d.tracks {
		d.tracks[i].overflow = true
	}
}

// Has reports whether there are points at node.
func (d *Decoder) Has(node NodeID) bool {
	return len(d.byID[node]) > 0
}
