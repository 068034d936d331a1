package acquire

import (
	"errors"
	"fmt"
	"iter"
	"strconv"
	"sync"
	"unicode/utf8"

	"github.com/fieldtap/fieldtap/units"
)

// PointID is the handle of a point, issued by a Catalog: dense from 1, so that
// tables indexed by it are slices. 0 is no point. A PointID means something
// only together with its Catalog.
type PointID uint32

// Role says what the numbers of a point mean over time.
type Role uint8

// The roles.
const (
	Gauge   Role = iota // a quantity that rises and falls: power, voltage
	Counter             // a register that accumulates: energy, pulses
	State               // one of few conditions: breaker position, operating mode
)

// String returns the role's name in lower case.
func (r Role) String() string {
	switch r {
	case Gauge:
		return "gauge"
	case Counter:
		return "counter"
	case State:
		return "state"
	}
	return "role " + strconv.Itoa(int(r))
}

// Point describes one measured quantity of one device.
type Point struct {
	Name string     // unique in its Catalog, such as "main/P"; at most MaxName bytes of UTF-8
	Unit units.Unit // unit of the values; units.None if unknown or without meaning
	Kind Kind       // kind of the values of good samples
	Role Role       // what the numbers mean over time
}

// MaxName is the length in bytes of the longest name of a point.
const MaxName = 255

// MaxPoints is how many points one Catalog holds.
const MaxPoints = 1 << 24

// ErrCatalogFull is returned when a Catalog holds MaxPoints points.
var ErrCatalogFull = errors.New("acquire: catalog is full")

// Catalog gives points their ids, once and for ever: it only grows. All sources
// whose streams are merged share one.
//
// A Catalog is safe for concurrent use. The zero value is ready to use. A point
// is defined before the first sample of it is delivered, so that a host that
// compares Len after each batch learns what is new in time.
type Catalog struct {
	mu     sync.RWMutex
	points []Point // points[id-1]
	ids    map[string]PointID
}

// NewCatalog returns an empty Catalog.
func NewCatalog() *Catalog { return new(Catalog) }

// Define issues the id of p. A point defined before with the same description
// keeps its id; the same name with another description is an error, as is an
// empty, overlong or malformed name.
func (c *Catalog) Define(p Point) (PointID, error) {
	if err := p.validate(); err != nil {
		return 0, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if id, ok := c.ids[p.Name]; ok {
		if old := c.points[id-1]; old != p {
			return 0, fmt.Errorf("acquire: point %q is defined as %s %s in %s already, not as %s %s in %s",
				p.Name, old.Kind, old.Role, old.Unit, p.Kind, p.Role, p.Unit)
		}
		return id, nil
	}
	if len(c.points) >= MaxPoints {
		return 0, ErrCatalogFull
	}
	if c.ids == nil {
		c.ids = make(map[string]PointID)
	}
	c.points = append(c.points, p)
	id := PointID(len(c.points))
	c.ids[p.Name] = id
	return id, nil
}

func (p Point) validate() error {
	switch {
	case p.Name == "":
		return errors.New("acquire: point without a name")
	case len(p.Name) > MaxName:
		return fmt.Errorf("acquire: point name of %d bytes is longer than %d", len(p.Name), MaxName)
	case !utf8.ValidString(p.Name):
		return fmt.Errorf("acquire: point name %q is not UTF-8", p.Name)
	case p.Kind == KindNone || p.Kind > KindText:
		return fmt.Errorf("acquire: point %q: kind %s holds no value", p.Name, p.Kind)
	case p.Unit != units.None && !p.Unit.Valid():
		return fmt.Errorf("acquire: point %q: unknown unit %s", p.Name, p.Unit)
	case p.Role > State:
		return fmt.Errorf("acquire: point %q: unknown %s", p.Name, p.Role)
	case p.Role == Counter && (p.Kind == KindBool || p.Kind == KindText):
		return fmt.Errorf("acquire: point %q: a %s cannot be a counter", p.Name, p.Kind)
	case p.Role == Counter && p.Unit != units.One && !p.Unit.Kind().Accumulates(): // one may be a number of things
		return fmt.Errorf("acquire: point %q is a counter in %s, but %s does not add up: want a kind that does, such as energy, volume or a count",
			p.Name, p.Unit, p.Unit.Kind())
	}
	return nil
}

// Point returns the description of id, and whether the Catalog issued it.
func (c *Catalog) Point(id PointID) (Point, bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if id == 0 || uint64(id) > uint64(len(c.points)) { // an int may have 32 bits
		return Point{}, false
	}
	return c.points[id-1], true
}

// Lookup returns the id of the point of that name, and whether there is one.
func (c *Catalog) Lookup(name string) (PointID, bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	id, ok := c.ids[name]
	return id, ok
}

// Len returns how many points are defined; their ids are 1 to Len.
func (c *Catalog) Len() int {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return len(c.points)
}

// After iterates over the points defined after id, in order of their ids;
// After(0) gives all. Points defined during the iteration are included.
func (c *Catalog) After(id PointID) iter.Seq2[PointID, Point] {
	return func(yield func(PointID, Point) bool) {
		for {
			id++
			p, ok := c.Point(id)
			if !ok || !yield(id, p) {
				return
			}
		}
	}
}

// AppendSample appends s to dst as one line for people, without a line feed:
// time, point, value with unit, quality. b is the batch that carries s and is
// used for its text; nil leaves texts unread.
func (c *Catalog) AppendSample(dst []byte, s Sample, b *Batch) []byte {
	p, ok := c.Point(s.Point)
	dst = append(dst, s.Time.String()...)
	dst = append(dst, ' ')
	if ok {
		dst = append(dst, p.Name...)
	} else {
		dst = append(dst, "point "...)
		dst = strconv.AppendUint(dst, uint64(s.Point), 10)
	}
	dst = append(dst, ' ')
	text, isText := []byte(nil), false
	if b != nil {
		text, isText = b.Text(s.Value)
	}
	if isText {
		dst = strconv.AppendQuote(dst, string(text))
	} else {
		dst = s.Value.append(dst)
	}
	if ok && p.Unit != units.None && !s.Value.IsNone() {
		dst = append(dst, ' ')
		dst = append(dst, p.Unit.String()...)
	}
	dst = append(dst, ' ')
	return s.Quality.append(dst)
}
