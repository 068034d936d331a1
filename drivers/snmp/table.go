package snmp

import (
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/fieldtap/fieldtap/internal/snmpwire"
)

// DefaultMaxRows is the default of Table.MaxRows.
const DefaultMaxRows = 4096

// Table is a conceptual table (RFC 2578, section 7.1.12), or several whose rows have
// the same index, as ifTable and ifXTable. Each row that the agent has gives one point
// for each column, named after both: "outlet/3" and "power" make "outlet/3/power".
type Table struct {
	// Name is the pattern of the names of rows, in which
	//
	//	{index}  stands for the whole index, its parts joined by points
	//	{1}      for its first part, {2} for its second, and so on
	//	{label}  for the text of the column Label
	//
	// as in "outlet/{index}" or "{1}/port/{label}". At least one must occur.
	Name string
	// Columns are the columns to be read. Point.OID is that of the column, such as
	// 1.3.6.1.2.1.2.2.1.10, without any instance.
	Columns []Point
	// Index says what the index is made of, as the INDEX clause does. Its columns need
	// not be readable: the index is part of every name on the wire. Default: numbers.
	Index []IndexPart
	// Label is a column whose text names the row, such as ifName. The name then
	// belongs to the text: a row that comes back under another index has its old
	// points. Where two rows have the same text, and where it is empty, the index
	// follows behind "#". Default: none.
	Label OID
	// Discontinuity is a column that changes when the counters of the row are not what
	// they were, such as ifCounterDiscontinuityTime. Default: none.
	Discontinuity OID
	// Where says which rows have points: those that meet all conditions. It is for
	// tables in which a column holds volts in one row and watts in the next: one Table
	// for each, with the same columns in another unit. What they have in common is read
	// once. A row that changes sides ends in one, with Final samples, and begins in the
	// other. Samples of a row of which the number is missing or unreadable are lost;
	// while the agent fails to give it, points that are there have no value. Default:
	// all rows.
	Where []Condition
	// MaxRows is how many rows may have points, those that are gone included. Samples
	// of others are counted as lost. Default: 4096.
	MaxRows int
	// Interval is the time from reading to reading, a multiple of Config.Interval.
	// Default: Config.Interval.
	Interval time.Duration
}

// IndexPart is one object of an INDEX clause.
type IndexPart struct {
	Kind   IndexKind // how it is written into the name of an instance
	Length int       // octets of a FixedIndex
}

// IndexKind is how an index is written into the name of an instance (RFC 2578, section
// 7.7).
type IndexKind uint8

// The kinds.
const (
	IntegerIndex       IndexKind = iota // one number
	StringIndex                         // a length, and as many octets
	ImpliedIndex                        // octets up to the end: IMPLIED, the last part
	FixedIndex                          // as many octets as Length says
	IPIndex                             // IpAddress: four octets
	InetIndex                           // InetAddress: a length, and 4 or 16 octets
	MACIndex                            // MacAddress: six octets
	ObjectIndex                         // a length, and as many numbers of an OBJECT IDENTIFIER
	ImpliedObjectIndex                  // the same without a length: IMPLIED, the last part
	maxIndexKind       = ImpliedObjectIndex
)

var indexKindNames = [...]string{
	"integer", "string", "implied", "fixed", "ip", "inet", "mac", "object", "impliedobject",
}

// String returns the kind's name in lower case, such as "mac".
func (k IndexKind) String() string {
	if k <= maxIndexKind {
		return indexKindNames[k]
	}
	return "index kind " + strconv.Itoa(int(k))
}

// withDefaults fills in what follows from the rest, and shares no memory with t.
func (t Table) withDefaults() Table {
	t.Columns, t.Index, t.Where = slices.Clone(t.Columns), slices.Clone(t.Index), slices.Clone(t.Where)
	for i := range t.Where {
		t.Where[i].In = slices.Clone(t.Where[i].In)
	}
	for i := range t.Columns {
		t.Columns[i] = t.Columns[i].withDefaults()
	}
	if t.MaxRows == 0 {
		t.MaxRows = DefaultMaxRows
	}
	return t
}

// faults returns everything that is wrong with t.
func (t *Table) faults() error {
	var faults []error
	fault := func(format string, args ...any) {
		faults = append(faults, fmt.Errorf("table %q: "+format, append([]any{t.Name}, args...)...))
	}
	pieces, err := parsePattern(t.Name)
	if err != nil {
		fault("%w", err)
	}
	distinct := false
	for _, p := range pieces {
		distinct = distinct || p.part != verbatim
		switch {
		case p.part == labelPart && t.Label == "":
			fault("{label} without a Label")
		case p.part > 0 && len(t.Index) > 0 && p.part > len(t.Index):
			fault("{%d} of an index of %d parts", p.part, len(t.Index))
		}
	}
	if !distinct && err == nil {
		fault("its rows would all have this name: {index}, {label} or {1} is missing")
	}
	if len(t.Columns) == 0 {
		fault("no columns")
	}
	named, given := make(map[string]bool), make(map[OID]bool)
	for i := range t.Columns {
		c := &t.Columns[i]
		what := fmt.Sprintf("table %q, column %q", t.Name, c.Name)
		if err := c.faults(what); err != nil {
			faults = append(faults, err)
		}
		if c.Interval != 0 {
			fault("column %q: the interval is that of the table", c.Name)
		}
		switch {
		case c.Name == "":
			fault("column %s has no name", c.OID)
		case named[c.Name]:
			fault("column %q is given twice", c.Name)
		}
		if given[c.OID] && c.OID != "" {
			fault("column %s is given twice", c.OID)
		}
		named[c.Name], given[c.OID] = true, true
	}
	for _, o := range []OID{t.Label, t.Discontinuity} {
		if o != "" && !o.Valid() {
			fault("%.80q is no OID", string(o))
		}
	}
	for i := range t.Where {
		if err := t.Where[i].faults(t); err != nil {
			fault("%w", err)
		}
	}
	for i, p := range t.Index {
		switch {
		case p.Kind > maxIndexKind:
			fault("unknown %s", p.Kind)
		case (p.Kind == ImpliedIndex || p.Kind == ImpliedObjectIndex) && i != len(t.Index)-1:
			fault("only the last part of an index can be %s", p.Kind)
		case (p.Kind == FixedIndex) != (p.Length != 0) || p.Length < 0 || p.Length > snmpwire.MaxArcs:
			fault("length %d of an index of kind %s", p.Length, p.Kind)
		}
	}
	if t.MaxRows < 0 || t.MaxRows > 1<<20 {
		fault("MaxRows of %d is not within 1 to %d", t.MaxRows, 1<<20)
	}
	if t.Interval < 0 {
		fault("interval of %s is negative", t.Interval)
	}
	return errors.Join(faults...)
}

// piece is a part of a pattern: text, or what stands for a part of the index.
type piece struct {
	text string
	part int // of the index, from 1; or one of these
}

const (
	verbatim  = 0
	wholePart = -1
	labelPart = -2
)

var errBrace = errors.New("malformed braces")

// parsePattern takes the pattern of a name apart.
func parsePattern(pattern string) ([]piece, error) {
	var pieces []piece
	for pattern != "" {
		open := strings.IndexAny(pattern, "{}")
		if open < 0 {
			return append(pieces, piece{text: pattern}), nil
		}
		if open > 0 {
			pieces = append(pieces, piece{text: pattern[:open]})
		}
		end := strings.IndexByte(pattern, '}')
		if end < open || pattern[open] == '}' {
			return nil, errBrace
		}
		switch word := pattern[open+1 : end]; word {
		case "index":
			pieces = append(pieces, piece{part: wholePart})
		case "label":
			pieces = append(pieces, piece{part: labelPart})
		default:
			n, err := strconv.Atoi(word)
			if err != nil || n < 1 || n > snmpwire.MaxArcs || strconv.Itoa(n) != word {
				return nil, errBrace
			}
			pieces = append(pieces, piece{part: n})
		}
		pattern = pattern[end+1:]
	}
	return pieces, nil
}

// naming makes the names of rows.
type naming struct {
	pieces []piece
	index  []IndexPart
}

// name returns the name of a row, without what makes it unique. A label that is empty
// gives way to the index.
func (n *naming) name(suffix []byte, label string) string {
	var b strings.Builder
	parts, _ := n.parts(suffix)
	for _, p := range n.pieces {
		switch {
		case p.part == verbatim:
			b.WriteString(p.text)
		case p.part == labelPart && label != "":
			b.WriteString(label)
		case p.part == labelPart:
			b.WriteString("#" + strings.Join(parts, "."))
		case p.part == wholePart:
			b.WriteString(strings.Join(parts, "."))
		case p.part <= len(parts):
			b.WriteString(parts[p.part-1])
		default:
			b.WriteString("?")
		}
	}
	return b.String()
}

// parts returns the parts of an index as text. One that is not made as it should be
// gives its numbers, and false.
func (n *naming) parts(suffix []byte) ([]string, bool) {
	numbers, _ := arcs(suffixText(suffix))
	if len(n.index) > 0 {
		if parts, ok := indexParts(n.index, numbers); ok {
			return parts, true
		}
	}
	parts := make([]string, len(numbers))
	for i, a := range numbers {
		parts[i] = strconv.FormatUint(uint64(a), 10)
	}
	return parts, len(n.index) == 0
}

// suffixText returns the encoded numbers behind a column in digits.
func suffixText(suffix []byte) string {
	var text []byte
	for len(suffix) > 0 {
		arc, rest, err := snmpwire.NextArc(suffix)
		if err != nil {
			break
		}
		if text != nil {
			text = append(text, '.')
		}
		text, suffix = strconv.AppendUint(text, uint64(arc), 10), rest
	}
	return string(text)
}

// indexParts reads an index that is made of kinds, and reports whether numbers are one.
func indexParts(kinds []IndexPart, numbers []uint32) ([]string, bool) {
	parts := make([]string, 0, len(kinds))
	for _, k := range kinds {
		length := len(numbers)
		switch k.Kind {
		case IntegerIndex:
			length = 1
		case StringIndex, InetIndex, ObjectIndex:
			if len(numbers) == 0 {
				return nil, false
			}
			length, numbers = int(min(numbers[0], snmpwire.MaxArcs+1)), numbers[1:]
		case FixedIndex:
			length = k.Length
		case IPIndex:
			length = 4
		case MACIndex:
			length = 6
		}
		if length > len(numbers) {
			return nil, false
		}
		part, ok := indexText(k.Kind, numbers[:length])
		if !ok {
			return nil, false
		}
		parts, numbers = append(parts, part), numbers[length:]
	}
	return parts, len(numbers) == 0
}

// indexText formats one part of an index.
func indexText(kind IndexKind, numbers []uint32) (string, bool) {
	switch kind {
	case IntegerIndex, ObjectIndex, ImpliedObjectIndex:
		return strings.TrimPrefix(string(OID("").Child(numbers...)), "."), true
	}
	octets := make([]byte, len(numbers))
	for i, n := range numbers {
		if n > 255 {
			return "", false
		}
		octets[i] = byte(n)
	}
	switch kind {
	case IPIndex, InetIndex:
		a, ok := netip.AddrFromSlice(octets)
		return a.String(), ok
	case MACIndex:
		text := make([]string, len(octets))
		for i, o := range octets {
			text[i] = hex.EncodeToString([]byte{o})
		}
		return strings.Join(text, ":"), true
	}
	return nameText(octets), true
}

// maxLabel is how many bytes of a text may become part of a name.
const maxLabel = 128

// labelText returns a label as part of a name.
func labelText(text string) string {
	text = strings.TrimRight(text, " \x00")
	for len(text) > maxLabel { // where a character ends
		_, n := utf8.DecodeLastRuneInString(text)
		text = text[:len(text)-n]
	}
	return nameText([]byte(text))
}

// nameText returns octets as part of a name: as they are if they can be printed, else
// in hexadecimal.
func nameText(text []byte) string {
	for rest := text; len(rest) > 0; {
		r, n := utf8.DecodeRune(rest)
		if r == utf8.RuneError && n <= 1 || !unicode.IsPrint(r) {
			return "0x" + hex.EncodeToString(text)
		}
		rest = rest[n:]
	}
	return string(text)
}
