package demand

import (
	"strconv"

	"github.com/fieldtap/fieldtap/aggregate"
	"github.com/fieldtap/fieldtap/units"
)

// Quantity says what a Register averages. A quantity has one direction, as a
// COSEM demand register has: its peak is its largest value. A meter with power in
// both directions gets a Register for each.
type Quantity uint8

// The quantities. Those of active energy are in W, of reactive energy in var, and
// the apparent ones in VA.
const (
	ActiveImport      Quantity = iota // what Account.Import counts; OBIS 1.x
	ActiveExport                      // what Account.Export counts; OBIS 2.x
	ActiveNet                         // import less export, negative while exporting; OBIS 16.x
	ActiveNetExport                   // export less import, negative while importing
	ReactiveImport                    // quadrants 1 and 2; OBIS 3.x
	ReactiveExport                    // quadrants 3 and 4; OBIS 4.x
	ReactiveNet                       // import less export
	ReactiveNetExport                 // export less import

	// ApparentVector is the vector of the energies of the window,
	// √(P²+Q²) of its net active and net reactive energy. What flows forth and
	// back within the window cancels.
	ApparentVector
	// ApparentSubintervals adds up √(P²+Q²) of each sub-interval of the window. It
	// is never below ApparentVector, and equals it for block demand. Neither is
	// the mean of |S|, which interval data do not hold.
	ApparentSubintervals

	quantities
)

var quantityNames = [quantities]string{
	"active import", "active export", "active net", "active net export",
	"reactive import", "reactive export", "reactive net", "reactive net export",
	"apparent vector", "apparent sub-intervals",
}

// String returns the quantity in words, such as "active import".
func (q Quantity) String() string {
	if q >= quantities {
		return "quantity " + strconv.Itoa(int(q))
	}
	return quantityNames[q]
}

// Unit returns the unit of the quantity's demand: units.Watt, units.Var or
// units.VoltAmpere.
func (q Quantity) Unit() (unit units.Unit) {
	switch {
	case q.active():
		return units.Watt
	case q.reactive():
		return units.Var
	case q.apparent():
		return units.VoltAmpere
	}
	return unit
}

func (q Quantity) active() bool   { return q <= ActiveNetExport }
func (q Quantity) reactive() bool { return q >= ReactiveImport && q <= ReactiveNetExport }
func (q Quantity) apparent() bool { return q >= ApparentVector && q < quantities }

// part is what a stretch of time holds of a quantity. Energies of every kind are
// counted in the same quanta, and are carried as active ones here.
type part struct {
	p, q     aggregate.Energy // q only for apparent quantities
	coverage aggregate.Coverage
	flags    Flags
}

// of returns the part of b that counts for the quantity.
func (q Quantity) of(b *Block) part {
	active, reactive := b.Active.Coverage, b.Reactive.Coverage
	var s part
	var carried bool
	switch {
	case q.active():
		s.coverage, carried = active, b.ActiveCarried
	case q.reactive():
		s.coverage, carried = reactive, b.ReactiveCarried
	case active.Span() != 0 && reactive.Span() != 0:
		s.coverage, carried = worse(active, reactive), b.ActiveCarried || b.ReactiveCarried
	}
	if s.coverage.Span() == 0 { // absent
		return part{coverage: aggregate.Coverage{Missing: b.End.Sub(b.Start)}}
	}
	if carried {
		s.flags |= Carried
	}
	switch q {
	case ActiveImport:
		s.p = b.Active.Import
	case ActiveExport:
		s.p = b.Active.Export
	case ActiveNet:
		s.p = b.Active.Net()
	case ActiveNetExport:
		s.p = b.Active.Net().Neg()
	case ReactiveImport:
		s.p = aggregate.EnergyOf(b.Reactive.Import.Quanta())
	case ReactiveExport:
		s.p = aggregate.EnergyOf(b.Reactive.Export.Quanta())
	case ReactiveNet:
		s.p = aggregate.EnergyOf(b.Reactive.Net().Quanta())
	case ReactiveNetExport:
		s.p = aggregate.EnergyOf(b.Reactive.Net().Neg().Quanta())
	default:
		s.p, s.q = b.Active.Net(), aggregate.EnergyOf(b.Reactive.Net().Quanta())
	}
	return s
}

// add adds the part t, of a time beside that of s.
func (s *part) add(t *part) {
	s.p, s.q = s.p.Add(t.p), s.q.Add(t.q)
	s.coverage.Good += t.coverage.Good
	s.coverage.Uncertain += t.coverage.Uncertain
	s.coverage.Missing += t.coverage.Missing
	s.flags |= t.flags
}

// covered returns the time that is known.
func covered(c aggregate.Coverage) int64 { return int64(c.Good + c.Uncertain) }

// worse returns the coverage with more missing, then with more uncertain time.
func worse(c, d aggregate.Coverage) aggregate.Coverage {
	if d.Missing > c.Missing || d.Missing == c.Missing && d.Uncertain > c.Uncertain {
		return d
	}
	return c
}
