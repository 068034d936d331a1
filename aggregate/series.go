package aggregate

import (
	"errors"
	"fmt"
	"time"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/units"
)

// Series describes series of one kind, each a single channel: power that is
// integrated, or readings of a register that are subtracted. Meters that are to
// set several channels against each other are Meterings of a Router.
type Series struct {
	// Unit is that of the values, and says what they are: a unit of active or
	// reactive power makes a gauge, one of active or reactive energy a counter.
	Unit      units.Unit
	Rule      Rule          // how samples of power become energy; zero = HoldLeft
	MaxGap    time.Duration // longest time between two samples that is bridged; 0 = DefaultMaxGap
	Hold      time.Duration // how long a value of HoldLeft stays valid; 0 = MaxGap; the other rules hold nothing
	Registers Registers     // what is known of a register; with a Weight, Unit is none, units.One or units.Each
	Demand    Demand        // how time is cut into periods; zero = 15 minutes
	Sync      Sync          // what the periods are synchronised to; zero = the clock. By pulses they differ in length, so that Totals has no peaks

	Multiplier Ratio // what the values times this is what flows; zero = 1
}

// Plan is a Series made ready: checked, with unit and policies turned into
// numbers. It is never changed and may be shared by any number of Banks and
// Meters and by all goroutines.
type Plan struct {
	series   Series
	kind     slot
	interval acquire.Instant
	offset   acquire.Instant // 0 <= offset < interval
	convert  conversion
	gauge    gauge   // as it starts, for a series of power
	counter  counter // the same for a register
	alone    uint64  // fingerprint of a Bank of one series without a point
}

// NewPlan checks a Series and makes it ready. The error joins every fault.
func NewPlan(s Series) (*Plan, error) {
	var faults []error
	fault := func(err error) { faults = append(faults, fmt.Errorf("aggregate: series: %w", err)) }
	if s.MaxGap == 0 {
		s.MaxGap = DefaultMaxGap
	}
	s.Demand = s.Demand.withDefaults()
	if err := s.Demand.validate(); err != nil {
		fault(err)
	} else if s.MaxGap > s.Demand.Interval*maxGapBlocks {
		fault(fmt.Errorf("longest gap %v is more than %d demand intervals of %v", s.MaxGap, maxGapBlocks, s.Demand.Interval))
	}
	if s.MaxGap < 0 {
		fault(fmt.Errorf("longest gap %v is negative", s.MaxGap))
	}
	switch {
	case s.Hold < 0:
		fault(fmt.Errorf("hold %v is negative", s.Hold))
	case s.Hold != 0 && s.Rule != HoldLeft:
		fault(fmt.Errorf("hold %v has no meaning for rule %v", s.Hold, s.Rule))
	case s.Hold > s.Demand.Interval*maxGapBlocks:
		fault(fmt.Errorf("hold %v is more than %d demand intervals of %v", s.Hold, maxGapBlocks, s.Demand.Interval))
	case s.Hold == 0:
		s.Hold = s.MaxGap
	}
	if s.Rule > MeanOverPast {
		fault(fmt.Errorf("unknown %v", s.Rule))
	}
	if err := s.Sync.validate(s.Demand.Interval, max(s.MaxGap, s.Hold)); err != nil {
		fault(err)
	}
	if err := s.Multiplier.validate(); err != nil {
		fault(err)
	}
	if err := s.Registers.validate(); err != nil {
		fault(err)
	}
	p := &Plan{series: s}
	weighed := s.Registers.Weight != PulseWeight{}
	switch kind := s.Unit.Kind(); {
	case weighed && (kind == units.KindNone || s.Unit == units.One || s.Unit == units.Each):
		p.kind = importSlot
	case weighed:
		fault(fmt.Errorf("unit %v is not for counts of pulses", s.Unit))
	case kind == units.ActivePower:
		p.kind = activePowerSlot
	case kind == units.ReactivePower:
		p.kind = reactivePowerSlot
	case kind == units.ActiveEnergy:
		p.kind = importSlot
	case kind == units.ReactiveEnergy:
		p.kind = reactiveImportSlot
	default:
		fault(fmt.Errorf("unit %v is neither power nor energy, active or reactive", s.Unit))
	}
	if len(faults) != 0 {
		return nil, errors.Join(faults...)
	}
	var err error
	from := origin{unit: s.Unit, registers: s.Registers, multiplier: s.Multiplier}
	if p.convert, err = from.conversion(kinds[p.kind].base, kinds[p.kind].parts); err != nil {
		fault(fmt.Errorf("values cannot be counted: %w", err))
		return nil, errors.Join(faults...)
	}
	p.interval = acquire.Instant(s.Demand.Interval)
	p.offset = (acquire.Instant(s.Demand.Offset)%p.interval + p.interval) % p.interval
	c := channel{maxGap: int64(s.MaxGap), slot: p.kind}
	if p.isGauge() {
		if s.Rule == HoldLeft {
			c.maxGap = int64(s.Hold)
		}
		p.gauge = newGauge(c, p.convert, s.Rule)
	} else if p.counter, err = newCounter(c, p.convert, s.Registers); err != nil {
		fault(err)
	}
	p.alone = p.identityOf(make([]acquire.PointID, 1))
	return p, errors.Join(faults...)
}

// isGauge reports whether p is for power, and not for registers.
func (p *Plan) isGauge() bool { return p.kind <= reactivePowerSlot }

// reactive reports whether s counts reactive power or energy.
func (s slot) reactive() bool { return s == reactivePowerSlot || s >= reactiveImportSlot }

// Fits reports what keeps a point from feeding a series of p: another unit, role
// or kind of value. It returns nil if nothing does.
func (p *Plan) Fits(point acquire.Point) error {
	var faults []error
	if point.Unit != p.series.Unit {
		faults = append(faults, fmt.Errorf("is in %v: want %v", point.Unit, p.series.Unit))
	}
	if want := kinds[p.kind].role; point.Role != want {
		faults = append(faults, fmt.Errorf("is a %v: want a %v", point.Role, want))
	}
	if point.Kind < acquire.KindFloat64 || point.Kind > acquire.KindUint64 {
		faults = append(faults, fmt.Errorf("holds %v: want a number", point.Kind))
	}
	return errors.Join(faults...)
}
