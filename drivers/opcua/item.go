package opcua

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/units"
)

// Point is the value of one variable of a server, or of one element or field of it. Name
// and Node are always needed.
//
// Values must be of a built-in type that Kind can hold exactly; one of another type is
// bad, because of acquire.Protocol, and one that does not fit because of acquire.Range.
//
//	KindFloat64  integers, Float, Double; not NaN and infinities, which are bad: sensor
//	KindInt64    integers, enumerations, DateTime (nanoseconds since 1970 UTC), StatusCode
//	KindUint64   integers that are not negative, StatusCode
//	KindBool     Boolean
//	KindText     String, XmlElement, LocalizedText (its text), QualifiedName, Guid, NodeId,
//	             ByteString (hexadecimal)
//
// Points of the same Node with the same wishes share one monitored item.
type Point struct {
	Name  string       // name of the point in the Catalog
	Node  NodeID       // the variable
	Kind  acquire.Kind // kind of the values; zero: KindFloat64, and KindText with Names
	Scale units.Scale  // value = raw × Scale, in Unit; zero: 1. Kinds of integers take whole ones
	Unit  units.Unit   // unit of the value
	Role  acquire.Role // what the values mean over time

	// Index is the element of an array, counted from 0: "3", and of a matrix "1,0"
	// (a NumericRange of OPC 10000-4, section 7.27, for one element). Default: the
	// variable is no array.
	Index string
	// Field is a field of a structure, as the server defines its type: "Current", and
	// further down "Phase[1].Current", with elements of arrays as in Index. An ampersand
	// before a point, a bracket or an ampersand makes it part of a name. Of an array of
	// structures Index says which one. A structure that has no such field is known when
	// the server has been asked for its definition: then the value is bad because of
	// acquire.Configuration. A field that was not sent is bad because of acquire.Sensor.
	// Default: the variable is no structure.
	Field string
	// Names are what the numbers of an enumeration stand for. With it the value is the
	// name as text, the digits for a number without one. Default: none.
	Names map[int64]string

	// Poll has the value read once in each Config.PollInterval, instead of being told of
	// its changes by the server. What follows is not for such points.
	Poll bool
	// Sampling is how often the server is to look at the value. Default:
	// Config.Sampling. Negative: as fast as the server can.
	Sampling time.Duration
	// Queue is how many changes the server is to keep between two publications, or while
	// we are away. Default: as many as there are in Config.Outage.
	Queue int
	// KeepOldest has the server drop the newest change when the queue is full, in place
	// of the oldest.
	KeepOldest bool
	// Deadband is the smallest change that is told, as the server holds the value, before
	// Scale. Default: every change.
	Deadband float64
	// Percent makes Deadband a percentage of the variable's EURange.
	Percent bool
	// Timestamps tells of new source timestamps as well, though the value is the same.
	Timestamps bool
}

// maxQueue is the longest queue that is asked for unless a Point says otherwise.
const maxQueue = 5000

func (p Point) withDefaults() Point {
	p.Names = maps.Clone(p.Names)
	if p.Kind == acquire.KindNone {
		p.Kind = acquire.KindFloat64
		if p.Names != nil {
			p.Kind = acquire.KindText
		}
	}
	return p
}

// faults returns everything wrong with p by itself.
func (p Point) faults() error {
	var faults []error
	fault := func(format string, args ...any) {
		faults = append(faults, fmt.Errorf("opcua: point %q: %w", p.Name, fmt.Errorf(format, args...)))
	}
	if !p.Node.Valid() {
		_, err := ParseNodeID(string(p.Node))
		if err == nil {
			err = fmt.Errorf("node id %.100q is not in its canonical form", p.Node)
		}
		fault("%s", strings.TrimPrefix(err.Error(), "opcua: "))
	}
	if p.Kind > acquire.KindText {
		fault("no such kind: %d", p.Kind)
	}
	switch scale := p.Scale.Reduce(); {
	case scale == units.Scale{Num: 1, Den: 1}:
	case p.Kind == acquire.KindBool || p.Kind == acquire.KindText:
		fault("a %s has no scale", p.Kind)
	case p.Kind == acquire.KindFloat64:
	case scale.Den != 1:
		fault("scale %s makes no whole numbers of kind %s", p.Scale, p.Kind)
	case p.Kind == acquire.KindUint64 && scale.Num < 0:
		fault("scale %s makes negative numbers of kind %s", p.Scale, p.Kind)
	}
	if p.Names != nil && p.Kind != acquire.KindText {
		fault("names of kind %s, want %s", p.Kind, acquire.KindText)
	}
	if _, err := parseIndex(p.Index); err != nil {
		fault("%w", err)
	}
	if _, err := parseField(p.Field); err != nil {
		fault("%w", err)
	}
	if p.Field != "" && p.Deadband != 0 {
		fault("a deadband is for numbers, not for structures")
	}
	if !(p.Deadband >= 0 && p.Deadband <= math.MaxFloat64) || p.Percent && p.Deadband > 100 {
		fault("deadband of %v", p.Deadband)
	}
	if p.Percent && p.Deadband == 0 {
		fault("percent without a deadband")
	}
	if p.Queue < 0 || int64(p.Queue) > math.MaxUint32 {
		fault("queue of %d", p.Queue)
	}
	if p.Poll && (p.Sampling != 0 || p.Queue != 0 || p.KeepOldest || p.Deadband != 0 || p.Percent || p.Timestamps) {
		fault("polled, and yet with wishes for a monitored item")
	}
	return errors.Join(faults...)
}

// maxIndex is how many dimensions an Index may have.
const maxIndex = 8

// parseIndex reads an index, nil of an empty text.
func parseIndex(text string) (index []uint32, err error) {
	if text == "" {
		return nil, nil
	}
	for part := range strings.SplitSeq(text, ",") {
		n, err := strconv.ParseUint(part, 10, 31)
		if err != nil || len(index) == maxIndex || part != strconv.FormatUint(n, 10) {
			return nil, fmt.Errorf("index %.50q is not that of one element", text)
		}
		index = append(index, uint32(n))
	}
	return index, nil
}

// wishes are what a monitored item is asked for; points with equal ones share it.
type wishes struct {
	node       NodeID
	poll       bool
	sampling   float64 // in milliseconds; 0: as fast as possible
	queue      uint32
	keepOldest bool
	deadband   float64
	percent    bool
	timestamps bool
}

// item is a variable that is monitored or polled, or a notifier, with the points that
// come of it.
type item struct {
	wishes
	id      node
	members []member
	events  *EventPoint // of a notifier
}

// member is a point of an item.
type member struct {
	id      acquire.PointID
	convert converter
}

// itemsOf sorts points into items: the monitored ones, those of events among them, come
// first. ids are those of the points, and then of the events.
func itemsOf(points []Point, events []EventPoint, ids []acquire.PointID, cfg Config) (items []item, monitored int) {
	for _, poll := range []bool{false, true} {
		known := make(map[wishes]int)
		for i, p := range points {
			if p.Poll != poll {
				continue
			}
			w := p.wishes(cfg)
			at, ok := known[w]
			if !ok {
				id, _ := parseNode(string(p.Node)) // it is valid
				at = len(items)
				known[w] = at
				items = append(items, item{wishes: w, id: id})
			}
			items[at].members = append(items[at].members, member{ids[i], newConverter(p)})
		}
		if poll {
			continue
		}
		of := ids[len(points):]
		for _, p := range events {
			items = append(items, p.item(of[:len(eventEndings)]))
			of = of[len(eventEndings):]
		}
		monitored = len(items)
	}
	return items, monitored
}

func (p Point) wishes(cfg Config) wishes {
	if p.Poll {
		return wishes{node: p.Node, poll: true}
	}
	sampling := cmp.Or(p.Sampling, cfg.Sampling)
	queue := p.Queue
	if queue == 0 {
		each := sampling
		if each <= 0 {
			each = cfg.Interval / 10
		}
		queue = int(min(max((cfg.Outage+each-1)/each, 2), maxQueue))
	}
	return wishes{
		node: p.Node, sampling: float64(max(sampling, 0)) / float64(time.Millisecond), queue: uint32(queue), keepOldest: p.KeepOldest,
		deadband: p.Deadband, percent: p.Percent, timestamps: p.Timestamps,
	}
}
