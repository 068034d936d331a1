package opcua

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/bits"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gopcua/opcua/ua"

	"github.com/fieldtap/fieldtap/internal/uabin"
	"github.com/fieldtap/fieldtap/units"
)

// ErrTooManyNodes ends a Browse that has come across more than MaxNodes nodes.
var ErrTooManyNodes = fmt.Errorf("opcua: more than %d nodes: browse from further down, or with a narrower pattern", MaxNodes)

// MaxNodes is how many nodes one Browse looks at.
const MaxNodes = 100_000

// Nodes where browsing begins (OPC 10000-5, section 8).
const (
	RootFolder    NodeID = "i=84"
	ObjectsFolder NodeID = "i=85"
	TypesFolder   NodeID = "i=86"
	ViewsFolder   NodeID = "i=87"
	ServerObject  NodeID = "i=2253"
)

// NodeClass is what a node is (OPC 10000-3, section 8.29).
type NodeClass uint32

// The classes, with the numbers of the standard.
const (
	ClassObject        NodeClass = 1
	ClassVariable      NodeClass = 2
	ClassMethod        NodeClass = 4
	ClassObjectType    NodeClass = 8
	ClassVariableType  NodeClass = 16
	ClassReferenceType NodeClass = 32
	ClassDataType      NodeClass = 64
	ClassView          NodeClass = 128
)

// String returns the standard's name of the class.
func (c NodeClass) String() string {
	names := [...]string{"Object", "Variable", "Method", "ObjectType", "VariableType", "ReferenceType", "DataType", "View"}
	if i := bits.TrailingZeros32(uint32(c)); bits.OnesCount32(uint32(c)) == 1 && i < len(names) {
		return names[i]
	}
	return "class " + strconv.FormatUint(uint64(c), 10)
}

// AccessLevel is what may be done with the value of a variable, a set of bits (OPC
// 10000-3, section 8.57).
type AccessLevel uint8

// The bits that matter to who reads.
const (
	CurrentRead  AccessLevel = 1 << 0
	CurrentWrite AccessLevel = 1 << 1
	HistoryRead  AccessLevel = 1 << 2
)

// Range is a span of values (OPC 10000-8, section 5.6.2).
type Range struct {
	Low  float64 // inclusive
	High float64 // inclusive
}

// Node is a node that Browse found, described as far as the server does. The fields from
// Description on are those of variables; they stay zero where the server does not say.
type Node struct {
	ID             NodeID    // with the URI of its namespace
	Path           string    // browse names from the root of the Browse, as a pattern writes them
	BrowseName     string    // without its namespace
	Namespace      string    // URI of the namespace of BrowseName
	DisplayName    string    // in the language of the server
	Class          NodeClass // what it is
	TypeDefinition NodeID    // of objects and variables

	Description string
	DataType    NodeID      // of the value
	BuiltIn     Type        // how values of DataType are sent; TypeNull if that is not known
	Rank        int         // -1 scalar, 1 and more: dimensions; 0, -2, -3: see ValueRank in OPC 10000-3, section 5.6.2
	Dimensions  []int       // lengths, 0 where they vary
	Access      AccessLevel // of our user, or of anybody if the server does not tell them apart
	Historizing bool        // the server keeps history
	// Unit is what EngineeringUnits say; its Verdict is not Understood if there are none
	// or if they are not known.
	Unit units.Stated
	// Normal is the EURange, in which the value normally is; nil if there is none.
	Normal *Range
	// Names are what the numbers of an enumeration, or of a state, stand for; nil if the
	// variable is neither.
	Names map[int64]string
}

// Browse iterates over the nodes below root whose path of browse names a pattern matches,
// breadth first, so that a node comes after those above it. Each node comes once, by the
// first path found, whatever loops there are. References are hierarchical ones; what is
// on another server, or has an id that no request can carry, is left out, and so are
// properties, which are in Node.
//
// The segments of a pattern are divided by slashes, as in "Plant/*/Power". In a segment
// an asterisk stands for any text and a question mark for one character; the segment **
// stands for any number of levels, at the end for at least one: "**/Power" is every
// Power, and "**" everything. An ampersand before a character makes it an ordinary one.
//
// The error, with a zero Node, ends the iteration. It is ErrTooManyNodes once MaxNodes
// nodes have been seen, and a ServiceError if root cannot be browsed. A node further
// down that cannot be browsed, as the user may not, ends nothing: it has no children.
func (c *Client) Browse(ctx context.Context, root NodeID, pattern string) iter.Seq2[Node, error] {
	return func(yield func(Node, error) bool) {
		p, err := parsePattern(pattern)
		if err != nil {
			yield(Node{}, err)
			return
		}
		w := newWalk(root, p)
		for len(w.queue) > 0 {
			var found []Node
			err := c.do(ctx, func(l *link) (err error) {
				found, err = w.step(ctx, l)
				return err
			})
			if err != nil {
				yield(Node{}, err)
				return
			}
			for _, n := range found {
				if !yield(n, nil) {
					return
				}
			}
		}
	}
}

// pattern is a pattern taken apart. Its states are numbers of segments that have been
// matched, in a set of bits.
type pattern []segment

type segment struct {
	deep bool // **
	text []rune
}

// Wildcards in a segment.
const (
	anyText rune = -1
	anyRune rune = -2
)

// Bounds of patterns and of what they are compared with.
const (
	maxSegments = 32
	maxLevels   = 200
)

func parsePattern(text string) (pattern, error) {
	var p pattern
	for part := range splitPath(text) {
		switch part {
		case "":
			return nil, fmt.Errorf("opcua: pattern %.200q has an empty segment", text)
		case "**":
			if n := len(p); n == 0 || !p[n-1].deep {
				p = append(p, segment{deep: true})
			}
			continue
		}
		var s segment
		escaped := false
		for _, r := range part {
			switch {
			case escaped:
				escaped = false
			case r == '&':
				escaped = true
				continue
			case r == '*':
				r = anyText
			case r == '?':
				r = anyRune
			}
			s.text = append(s.text, r)
		}
		if escaped {
			return nil, fmt.Errorf("opcua: pattern %.200q: an ampersand with nothing behind it", text)
		}
		p = append(p, s)
	}
	if len(p) > maxSegments {
		return nil, fmt.Errorf("opcua: pattern of %d segments, at most %d", len(p), maxSegments)
	}
	if p[len(p)-1].deep {
		p = append(p, segment{text: []rune{anyText}})
	}
	return p, nil
}

// splitPath iterates over the parts of a path, which are still escaped.
func splitPath(text string) iter.Seq[string] {
	return func(yield func(string) bool) {
		from := 0
		for i := 0; i < len(text); i++ {
			switch text[i] {
			case '&':
				i++
			case '/':
				if !yield(text[from:i]) {
					return
				}
				from = i + 1
			}
		}
		yield(text[from:])
	}
}

var escapeName = strings.NewReplacer("&", "&&", "/", "&/", "*", "&*", "?", "&?")

// start returns the states before the first name.
func (p pattern) start() uint64 { return p.close(1) }

// close adds the states that need no name: those behind **.
func (p pattern) close(states uint64) uint64 {
	for i, s := range p {
		if s.deep && states>>i&1 != 0 {
			states |= 1 << (i + 1)
		}
	}
	return states
}

// next returns the states after one more name.
func (p pattern) next(states uint64, name string) (after uint64) {
	for i, s := range p {
		switch {
		case states>>i&1 == 0:
		case s.deep:
			after |= 1 << i
		case matches(s.text, name):
			after |= 1 << (i + 1)
		}
	}
	return p.close(after)
}

// matched reports whether all of the pattern has been matched.
func (p pattern) matched(states uint64) bool { return states>>len(p)&1 != 0 }

// open reports whether names further down may match.
func (p pattern) open(states uint64) bool { return states&(1<<len(p)-1) != 0 }

// matches reports whether a segment matches a name. After a mismatch it goes back to the
// last asterisk alone, which then takes one rune more.
func matches(segment []rune, name string) bool {
	text := []rune(name)
	i, star, mark := 0, -1, 0
	for at := 0; at < len(text); {
		switch {
		case i < len(segment) && segment[i] == anyText:
			star, mark = i, at
			i++
		case i < len(segment) && (segment[i] == anyRune || segment[i] == text[at]):
			i, at = i+1, at+1
		case star >= 0:
			mark++
			i, at = star+1, mark
		default:
			return false
		}
	}
	for i < len(segment) && segment[i] == anyText {
		i++
	}
	return i == len(segment)
}

// walk is a Browse under way.
type walk struct {
	pattern pattern
	seen    map[NodeID]uint64 // states that a node was reached in
	queue   []place
}

// place is a node to be looked at.
type place struct {
	node   Node
	states uint64
	found  bool // it is to be yielded
	root   bool
	depth  int
}

func newWalk(root NodeID, p pattern) *walk {
	return &walk{
		pattern: p, seen: map[NodeID]uint64{root: p.start()},
		queue: []place{{node: Node{ID: root}, states: p.start(), root: true}},
	}
}

// step looks at the next nodes, and returns those of them that the pattern matches. If
// a request fails nothing has changed.
func (w *walk) step(ctx context.Context, l *link) (found []Node, err error) {
	batch := w.queue[:min(int64(len(w.queue)), max(l.browse.Load(), 1))]
	ids := make([]*ua.NodeID, len(batch))
	for i := range batch {
		if ids[i], err = l.resolve(batch[i].node.ID); err != nil {
			return nil, err
		}
	}
	const hierarchical = 33
	lists, statuses, err := l.references(ctx, ids, ua.BrowseDirectionForward, hierarchical)
	if err != nil {
		return nil, err
	}
	if batch[0].root && uabin.Status(statuses[0]).IsBad() {
		return nil, &ServiceError{Service: "Browse", Status: statuses[0]}
	}
	var variables []variable
	for i, p := range batch {
		if !p.found {
			continue
		}
		if p.node.Class == ClassVariable {
			variables = append(variables, variable{at: len(found), id: ids[i], references: lists[i]})
		}
		found = append(found, p.node)
	}
	if err := l.describe(ctx, found, variables); err != nil {
		return nil, err
	}
	w.queue = w.queue[len(batch):]
	for i, p := range batch {
		if err := w.expand(l, p, lists[i]); err != nil {
			return nil, err
		}
	}
	return found, nil
}

// expand queues what is below a node.
func (w *walk) expand(l *link, p place, list []reference) error {
	if !w.pattern.open(p.states) {
		return nil
	}
	for _, r := range list {
		if r.kind == hasProperty {
			continue
		}
		if len(r.name) > maxIdentifier {
			return &ProtocolError{Reason: fmt.Sprintf("Browse: browse name of %d bytes", len(r.name))}
		}
		before := w.seen[r.id]
		states := w.pattern.next(p.states, r.name) &^ before
		if states == 0 {
			continue
		}
		if before == 0 && len(w.seen) >= MaxNodes {
			return ErrTooManyNodes
		}
		w.seen[r.id] = before | states
		below := place{states: states, found: w.pattern.matched(states), depth: p.depth + 1}
		if below.depth > maxLevels {
			return &ProtocolError{Reason: fmt.Sprintf("Browse: nodes more than %d levels deep", maxLevels)}
		}
		if !below.found && !w.pattern.open(states) {
			continue
		}
		path := escapeName.Replace(r.name)
		if p.node.Path != "" {
			path = p.node.Path + "/" + path
		}
		below.node = Node{
			ID: r.id, Path: path, BrowseName: r.name, Namespace: l.namespace(r.namespace), DisplayName: r.display, Class: r.class, TypeDefinition: r.definition,
		}
		w.queue = append(w.queue, below)
	}
	return nil
}

// namespace returns the URI of a namespace, "" if there is none of that index.
func (l *link) namespace(index uint16) string {
	if int(index) < len(l.namespaces) {
		return l.namespaces[index]
	}
	return ""
}

// Types of references (OPC 10000-5, section 11).
const (
	hasEncoding = 38
	hasSubtype  = 45
	hasProperty = 46
)

// reference is one reference of a node, copied out of a message.
type reference struct {
	kind       uint32 // number in namespace 0 of its type; 0: another namespace
	id         NodeID
	node       *ua.NodeID
	name       string // browse name
	namespace  uint16 // of it
	display    string
	class      NodeClass
	definition NodeID
}

// perNode is how many references of one node are asked for at once.
const perNode = 1000

// references returns the references of nodes, of a type and its subtypes, and the status
// of each node. It leaves no continuation point on the server.
func (l *link) references(ctx context.Context, nodes []*ua.NodeID, direction ua.BrowseDirection, kind uint32) (lists [][]reference, statuses []StatusCode, err error) {
	lists, statuses = make([][]reference, len(nodes)), make([]StatusCode, len(nodes))
	var again []int // those for which the server had no continuation point
	err = l.browse.parts(len(nodes), func(from, to int) error {
		for from < to { // no more at a time than there are continuation points
			end := to
			if l.continuations > 0 {
				end = min(end, from+l.continuations)
			}
			which := make([]int, 0, end-from)
			for i := from; i < end; i++ {
				which = append(which, i)
			}
			without, err := l.browsePart(ctx, nodes, which, direction, kind, lists, statuses)
			if err != nil {
				return err
			}
			again = append(again, without...)
			from = end
		}
		return nil
	})
	for _, i := range again {
		if err != nil {
			break
		}
		_, err = l.browsePart(ctx, nodes, []int{i}, direction, kind, lists, statuses)
	}
	if err != nil {
		return nil, nil, err
	}
	return lists, statuses, nil
}

// statusNoContinuationPoints is Bad_NoContinuationPoints.
const statusNoContinuationPoints StatusCode = 0x804B0000

// browsePart browses some nodes to their end, and returns those for which the server had
// no continuation point.
func (l *link) browsePart(ctx context.Context, nodes []*ua.NodeID, which []int, direction ua.BrowseDirection, kind uint32, lists [][]reference, statuses []StatusCode) (without []int, err error) {
	request := &ua.BrowseRequest{View: &ua.ViewDescription{ViewID: ua.NewTwoByteNodeID(0)}, RequestedMaxReferencesPerNode: perNode}
	for _, i := range which {
		lists[i] = nil
		request.NodesToBrowse = append(request.NodesToBrowse, &ua.BrowseDescription{
			NodeID: nodes[i], BrowseDirection: direction, ReferenceTypeID: ua.NewNumericNodeID(0, kind), IncludeSubtypes: true, ResultMask: uint32(ua.BrowseResultMaskAll),
		})
	}
	type open struct {
		which int
		point []byte
	}
	var waiting []open
	defer func() {
		points := make([][]byte, len(waiting))
		for i, w := range waiting {
			points[i] = w.point
		}
		l.release(ctx, points)
	}()
	total := 0
	take := func(i int, b uabin.Browsed) error {
		status := StatusCode(b.Status)
		statuses[i] = status
		if status&0xFFFF0000 == statusNoContinuationPoints {
			lists[i] = nil
			without = append(without, i)
			return nil
		}
		if b.Continuation != nil {
			waiting = append(waiting, open{i, slices.Clone(b.Continuation)})
			if b.References.Len == 0 {
				return &ProtocolError{Reason: "Browse: a continuation point without references"}
			}
		}
		if total += b.References.Len; total > l.mostReferences {
			return ErrTooManyNodes
		}
		each := b.References.Reader()
		for range b.References.Len {
			if r, ok := l.reference(each.Reference()); ok {
				lists[i] = append(lists[i], r)
			}
		}
		return nil
	}
	m, r, err := l.session.request(ctx, request, "Browse", uabin.BrowseResponseID)
	if err != nil {
		return nil, err
	}
	results := r.BrowsedAll()
	if err = complete(&r, "Browse", results, len(which)); err == nil {
		each := results.Reader()
		for _, i := range which {
			err = errors.Join(err, take(i, each.Browsed())) // all continuation points are noted
		}
	}
	m.release()
	for err == nil && len(waiting) > 0 {
		asked := waiting
		err = l.browse.parts(len(asked), func(from, to int) error {
			next := &ua.BrowseNextRequest{}
			for _, w := range asked[from:to] {
				next.ContinuationPoints = append(next.ContinuationPoints, w.point)
			}
			m, r, err := l.session.request(ctx, next, "BrowseNext", uabin.BrowseNextResponseID)
			if err != nil {
				return err
			}
			defer m.release()
			results := r.BrowsedAll()
			if err := complete(&r, "BrowseNext", results, to-from); err != nil {
				return err
			}
			// These points are used up; what comes may bring new ones.
			waiting = slices.DeleteFunc(waiting, func(o open) bool {
				return slices.ContainsFunc(asked[from:to], func(a open) bool { return a.which == o.which })
			})
			each := results.Reader()
			for _, w := range asked[from:to] {
				err = errors.Join(err, take(w.which, each.Browsed()))
			}
			return err
		})
	}
	return without, err
}

// release gives continuation points of Browse back, whatever ended the questions. It
// waits for the answer no longer than ctx.
func (l *link) release(ctx context.Context, points [][]byte) {
	if len(points) == 0 || l.session.channel.err() != nil {
		return
	}
	request := &ua.BrowseNextRequest{ReleaseContinuationPoints: true, ContinuationPoints: points}
	l.dismiss(ctx, request, "BrowseNext", uabin.BrowseNextResponseID)
}

// dismiss sends a request of which nothing but its arrival matters.
func (l *link) dismiss(ctx context.Context, request ua.Request, service string, want uint32) {
	k, err := l.session.channel.send(request, l.session.token, l.session.cfg.request)
	if err != nil {
		return
	}
	m, _, err := l.session.channel.wait(ctx, k, service, want, time.Second)
	if err == nil {
		m.release()
	}
}

// reference copies a reference, and returns false of one to another server.
func (l *link) reference(r uabin.Reference) (reference, bool) {
	id, ok := nameExpanded(r.Node, l.namespaces)
	if !ok {
		return reference{}, false
	}
	out := reference{
		id: id, name: string(r.Name.Name), namespace: r.Name.Namespace, display: string(r.Display.Text), class: NodeClass(r.Class),
	}
	var err error
	if out.node, err = l.resolve(id); err != nil {
		return reference{}, false // in a namespace that the server does not have
	}
	if r.Type.Namespace == 0 && r.Type.Kind == uabin.Numeric {
		out.kind = r.Type.Number
	}
	if r.Definition.Number != 0 || r.Definition.Kind != uabin.Numeric {
		out.definition, _ = nameExpanded(r.Definition, l.namespaces)
	}
	return out, true
}
