package snmp

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/internal/snmpwire"
)

// TrapRule says what becomes of the traps of one kind: an event, and values of their
// variables.
//
// The event is a sample of the point Name, of kind text: what happened. It comes with
// every trap that matches. The variables that Points name follow if the trap bears them:
// those it lacks give no sample.
type TrapRule struct {
	// Name is the pattern of the name of the event's point, in which
	//
	//	{sender}  stands for the address that the datagram came from
	//	{agent}   for the agent whose trap it is, where somebody passes it on, as the
	//	          trap says (RFC 3584, section 3.1); else the same
	//	{index}   for the numbers behind Index
	//
	// as in "{agent}/link" or "{agent}/outlet/{index}". Rules may share a name: linkDown
	// and linkUp are states of one point then.
	Name string
	// Trap is the snmpTrapOID, such as 1.3.6.1.6.3.1.1.5.3, linkDown. For traps of
	// version 1, see TrapOID.
	Trap OID
	// Subtree takes all traps at or below Trap.
	Subtree bool
	// Senders are the addresses that the rule is for. Default: all.
	Senders []netip.Prefix
	// Text is the value of the event. Default: the trap's OID.
	Text string
	// Index is a column of which the trap bears a variable. Its instance is what
	// {index} stands for, "?" if there is none. Default: {index} does not occur in Name.
	Index OID
	// Points are what becomes of variables: those whose OID is Point.OID or lies below
	// it. The point is named after both, as in "{agent}/link/ifAdminStatus"; in
	// Point.Name {index} stands for the variable's own instance. Exponents and Interval
	// must not be set. Variables are also the sysUpTime of the trap,
	// 1.3.6.1.2.1.1.3.0, and for version 1 its enterprise, 1.3.6.1.6.3.1.1.4.3.0.
	// Counters are not watched for restarts.
	Points []Point
}

// Objects of SNMPv2-MIB and SNMP-COMMUNITY-MIB that notifications consist of.
const (
	trapUpTime     = "\x2b\x06\x01\x02\x01\x01\x03\x00"         // sysUpTime.0
	trapName       = "\x2b\x06\x01\x06\x03\x01\x01\x04\x01\x00" // snmpTrapOID.0
	trapEnterprise = "\x2b\x06\x01\x06\x03\x01\x01\x04\x03\x00" // snmpTrapEnterprise.0
	trapAddress    = "\x2b\x06\x01\x06\x03\x12\x01\x03\x00"     // snmpTrapAddress.0
	genericTraps   = "\x2b\x06\x01\x06\x03\x01\x01\x05"         // snmpTraps
)

// enterpriseSpecific is the generic-trap of what only the enterprise knows (RFC 1157,
// section 4.1.6).
const enterpriseSpecific = 6

// TrapOID returns the snmpTrapOID of a trap of version 1, by its enterprise, generic and
// specific number, as RFC 3584, section 3.1, has it. Its error is for numbers that no
// trap has.
func TrapOID(enterprise OID, generic, specific int32) (OID, error) {
	if !enterprise.Valid() {
		return "", fmt.Errorf("snmp: enterprise %.80q is no OID", string(enterprise))
	}
	encoded, ok := appendTrapOID(nil, enterprise.encode(), generic, specific)
	if !ok {
		return "", fmt.Errorf("snmp: no trap of generic %d and specific %d", generic, specific)
	}
	return oidOf(encoded), nil
}

// appendTrapOID is TrapOID of what is encoded.
func appendTrapOID(dst, enterprise []byte, generic, specific int32) ([]byte, bool) {
	switch {
	case generic < 0 || generic > enterpriseSpecific || specific < 0:
		return dst, false
	case generic < enterpriseSpecific:
		return snmpwire.AppendArc(append(dst, genericTraps...), uint32(generic)+1), true
	}
	dst = append(dst, enterprise...)
	dst = snmpwire.AppendArc(dst, 0)
	return snmpwire.AppendArc(dst, uint32(specific)), true
}

// trapRules are the rules, ready to be used, and the points that came of them.
type trapRules struct {
	catalog   *acquire.Catalog
	exact     map[string][]*trapRule // by Trap: those that may match, in their order
	subtrees  []*trapRule
	unmatched *trapRule // nil: only counted
	most      int
	known     map[string]*trapPoint // by name
	points    []acquire.PointID
	name      []byte
}

// trapRule is one rule.
type trapRule struct {
	order   int
	trap    []byte
	senders []netip.Prefix
	text    []byte // nil: the trap's OID
	index   []byte // nil: none
	name    []trapPiece
	event   acquire.Point // without its name
	points  []trapVariable
}

// trapVariable is a Point of a rule.
type trapVariable struct {
	oid     []byte
	name    []trapPiece
	decoder decoder
	point   acquire.Point // without its name
}

// trapPoint is a point that has appeared.
type trapPoint struct {
	id     acquire.PointID // 0: the catalog refused it
	point  acquire.Point
	latest acquire.Instant // stamp of its latest sample
}

// trapPiece is a part of the name of a point.
type trapPiece struct {
	part trapPart
	text string // of partText
}

type trapPart uint8

const (
	partText trapPart = iota
	partSender
	partAgent
	partIndex
)

var trapWords = map[string]trapPart{"sender": partSender, "agent": partAgent, "index": partIndex}

// parseTrapName takes the pattern of a name apart. Of the words, only those given may
// occur.
func parseTrapName(pattern string, words ...string) ([]trapPiece, error) {
	var pieces []trapPiece
	for pattern != "" {
		open := strings.IndexAny(pattern, "{}")
		if open < 0 {
			return append(pieces, trapPiece{text: pattern}), nil
		}
		if open > 0 {
			pieces = append(pieces, trapPiece{text: pattern[:open]})
		}
		end := strings.IndexByte(pattern, '}')
		if end <= open {
			return nil, errBrace
		}
		word := pattern[open+1 : end]
		if !slices.Contains(words, word) {
			return nil, fmt.Errorf("{%.20s} cannot be here", word)
		}
		pieces = append(pieces, trapPiece{part: trapWords[word]})
		pattern = pattern[end+1:]
	}
	return pieces, nil
}

func (rs *trapRules) configure(c *TrapConfig) []error {
	var faults []error
	rs.catalog, rs.most = c.Catalog, c.MaxPoints
	rs.exact, rs.known = make(map[string][]*trapRule), make(map[string]*trapPoint)
	for i := range c.Rules {
		r, err := newTrapRule(i, &c.Rules[i])
		if err != nil {
			faults = append(faults, err)
			continue
		}
		if c.Rules[i].Subtree {
			rs.subtrees = append(rs.subtrees, r)
		} else {
			rs.exact[string(r.trap)] = append(rs.exact[string(r.trap)], r)
		}
	}
	if c.Unmatched != "" {
		name, err := parseTrapName(c.Unmatched, "sender", "agent")
		if err != nil {
			faults = append(faults, fmt.Errorf("unmatched %q: %w", c.Unmatched, err))
		}
		rs.unmatched = &trapRule{name: name, event: acquire.Point{Kind: acquire.KindText, Role: acquire.State}}
	}
	return faults
}

// newTrapRule prepares a rule, or returns everything that is wrong with it.
func newTrapRule(order int, given *TrapRule) (*trapRule, error) {
	var faults []error
	what := fmt.Sprintf("rule %d, %q", order+1, given.Name)
	fault := func(format string, args ...any) {
		faults = append(faults, fmt.Errorf("%s: "+format, append([]any{what}, args...)...))
	}
	r := &trapRule{
		order: order, trap: given.Trap.encode(), senders: masked(given.Senders), index: given.Index.encode(),
		event: acquire.Point{Kind: acquire.KindText, Role: acquire.State},
	}
	if given.Text != "" {
		r.text = []byte(given.Text)
	}
	if len(given.Text) > maxName {
		fault("text is longer than %d bytes", maxName)
	}
	if !given.Trap.Valid() {
		fault("trap %.80q is no OID", string(given.Trap))
	}
	if given.Index != "" && !given.Index.Valid() {
		fault("index %.80q is no OID", string(given.Index))
	}
	for _, p := range given.Senders {
		if !p.IsValid() {
			fault("a prefix of Senders is not valid")
		}
	}
	words := []string{"sender", "agent", "index"}
	if given.Index == "" {
		words = words[:2]
	}
	var err error
	if r.name, err = parseTrapName(given.Name, words...); err != nil {
		fault("%w", err)
	}
	if given.Name == "" {
		fault("no name")
	}
	named := make(map[string]bool)
	for _, p := range given.Points {
		p = p.withDefaults()
		which := fmt.Sprintf("%s, point %q", what, p.Name)
		if err := p.faults(which); err != nil {
			faults = append(faults, err)
			continue
		}
		switch {
		case p.Name == "":
			fault("point at %s has no name", p.OID)
		case named[p.Name]:
			fault("point %q is given twice", p.Name)
		case len(p.Exponents) > 0 || p.Interval != 0:
			fault("point %q: a trap has neither exponents nor an interval", p.Name)
		}
		named[p.Name] = true
		name, err := parseTrapName(p.Name, "index")
		if err != nil {
			fault("point %q: %w", p.Name, err)
		}
		r.points = append(r.points, trapVariable{
			oid: p.OID.encode(), name: name, decoder: newDecoder(&p),
			point: acquire.Point{Unit: p.Unit, Kind: p.kind(), Role: p.Role},
		})
	}
	if len(given.Points) > maxTrapPoints {
		fault("more than %d points", maxTrapPoints)
	}
	return r, errors.Join(faults...)
}

// maxTrapPoints bounds the points of one rule, each of which every variable is compared
// with.
const maxTrapPoints = 64

// match returns the rule for a trap, nil if there is none.
func (rs *trapRules) match(trap []byte, from netip.Addr) *trapRule {
	var found *trapRule
	for _, r := range rs.exact[string(trap)] {
		if within(r.senders, from) {
			found = r
			break
		}
	}
	for _, r := range rs.subtrees {
		if (found == nil || r.order < found.order) && snmpwire.HasPrefix(trap, r.trap) && within(r.senders, from) {
			return r
		}
	}
	return found
}

// all returns the points.
func (rs *trapRules) all() []acquire.PointID { return rs.points[:len(rs.points):len(rs.points)] }

// writer puts the samples of one trap into a batch.
type writer struct {
	rules *trapRules
	batch *acquire.Batch
	trap  *notification
	at    acquire.Instant
	lost  uint64 // samples without a point
	late  bool   // the clock ran backwards for the whole stream
}

// event writes the samples of a trap that a rule matches.
func (w *writer) event(r *trapRule) {
	value, quality := w.batch.PutText(r.text)
	if r.text == nil {
		value, quality = w.trapOID()
	}
	w.rules.name = w.appendName(w.rules.name[:0], r.name, w.instance(r.index))
	w.put(&r.event, value, good(quality))
	if len(r.points) == 0 {
		return
	}
	base := len(w.rules.name)
	for b := range w.trap.variables() {
		for i := range r.points {
			p := &r.points[i]
			if !snmpwire.HasPrefix(b.Name, p.oid) {
				continue
			}
			name := append(w.rules.name[:base], '/')
			w.rules.name = w.appendName(name, p.name, b.Name[len(p.oid):])
			value, quality := p.decoder.value(w.batch, b.Tag, b.Value)
			w.put(&p.point, value, quality)
		}
	}
}

func good(ok bool) acquire.Quality {
	if !ok {
		return badRange
	}
	return acquire.Good
}

func (w *writer) trapOID() (acquire.Value, bool) {
	var buffer [512]byte
	return w.batch.PutText(snmpwire.AppendOIDText(buffer[:0], w.trap.name))
}

// unknown writes the text of a trap that no rule matches.
func (w *writer) unknown(r *trapRule) {
	var buffer [maxTrapText + 64]byte
	text := w.trap.append(buffer[:0], maxTrapText)
	value, ok := w.batch.PutText(text)
	w.rules.name = w.appendName(w.rules.name[:0], r.name, nil)
	w.put(&r.event, value, good(ok))
}

// instance returns what is behind the object of an index in the first variable of it,
// nil if there is none.
func (w *writer) instance(index []byte) []byte {
	if index == nil {
		return nil
	}
	for b := range w.trap.variables() {
		if snmpwire.HasPrefix(b.Name, index) {
			return b.Name[len(index):]
		}
	}
	return nil
}

func (w *writer) appendName(dst []byte, pieces []trapPiece, index []byte) []byte {
	for i := range pieces {
		switch pieces[i].part {
		case partText:
			dst = append(dst, pieces[i].text...)
		case partSender:
			dst = w.trap.sender.AppendTo(dst)
		case partAgent:
			dst = w.trap.agent.AppendTo(dst)
		case partIndex:
			dst = appendIndex(dst, index)
		}
	}
	return dst
}

// appendIndex appends the numbers of an instance, "?" if there are none.
func appendIndex(dst, index []byte) []byte {
	if len(index) == 0 {
		return append(dst, '?')
	}
	for first := true; len(index) > 0; first = false {
		arc, rest, err := snmpwire.NextArc(index)
		if err != nil {
			break
		}
		if !first {
			dst = append(dst, '.')
		}
		dst, index = strconv.AppendUint(dst, uint64(arc), 10), rest
	}
	return dst
}

// put writes a sample of the point that has the name which is prepared.
func (w *writer) put(definition *acquire.Point, value acquire.Value, quality acquire.Quality) {
	rs := w.rules
	p := rs.known[string(rs.name)]
	if p == nil {
		if p = rs.define(definition); p == nil {
			w.lost++
			return
		}
	}
	if p.id == 0 || !same(&p.point, definition) {
		w.lost++
		return
	}
	if w.at < p.latest || w.late {
		quality = quality.With(acquire.TimeBackwards)
	}
	p.latest = max(p.latest, w.at)
	w.batch.Append(acquire.Sample{Time: w.at, Value: value, Point: p.id, Quality: quality})
}

// same reports whether a point is as another rule would have it.
func same(p, definition *acquire.Point) bool {
	return p.Kind == definition.Kind && p.Unit == definition.Unit && p.Role == definition.Role
}

// define makes the point that has the name which is prepared, nil if there is no room.
func (rs *trapRules) define(definition *acquire.Point) *trapPoint {
	if len(rs.known) >= rs.most {
		return nil
	}
	p := &trapPoint{point: *definition}
	p.point.Name = string(rs.name)
	if id, err := rs.catalog.Define(p.point); err == nil {
		p.id = id
		rs.points = append(rs.points, id)
	}
	rs.known[p.point.Name] = p
	return p
}
