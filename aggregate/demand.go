package aggregate

import (
	"errors"
	"fmt"
	"time"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/units"
)

// DefaultDemandInterval is the demand interval where none is given. A quarter of
// an hour is what most tariffs and meters use.
const DefaultDemandInterval = 15 * time.Minute

// Demand says how time is cut into demand intervals. The intervals are blocks
// [Start, End) of one length, synchronised to the clock: they start at midnight
// UTC plus Offset, and at whole multiples of Interval from there.
//
// The zero value is Block(15 * time.Minute).
type Demand struct {
	Interval time.Duration // length of a block: whole seconds, and a divisor of 24 h; 0 = DefaultDemandInterval
	Offset   time.Duration // moves the grid against UTC; less than 24 h either way
}

// Block returns clock-synchronised block demand over d.
func Block(d time.Duration) Demand { return Demand{Interval: d} }

func (d Demand) withDefaults() Demand {
	if d.Interval == 0 {
		d.Interval = DefaultDemandInterval
	}
	return d
}

func (d Demand) validate() error {
	const day = 24 * time.Hour
	var faults []error
	switch {
	case d.Interval < 0:
		faults = append(faults, fmt.Errorf("demand interval %v is negative", d.Interval))
	case d.Interval%time.Second != 0:
		faults = append(faults, fmt.Errorf("demand interval %v is not in whole seconds", d.Interval))
	case d.Interval != 0 && day%d.Interval != 0:
		faults = append(faults, fmt.Errorf("demand interval %v does not divide 24 h", d.Interval))
	}
	if d.Offset <= -day || d.Offset >= day {
		faults = append(faults, fmt.Errorf("demand offset %v is not within 24 h", d.Offset))
	}
	return errors.Join(faults...)
}

// Peak is the largest demand seen, and the start of the interval it was seen in.
// Of equal ones the earliest counts. The zero value is no peak: there was no
// complete interval with a demand in that direction.
type Peak struct {
	Power units.Watts     // mean over the interval, positive
	Start acquire.Instant // start of the interval; 0 = no peak
}

// peak keeps the exact energy behind a Peak.
type peak struct {
	energy int128
	start  acquire.Instant
}

// see takes note of a net energy; only a strictly larger one replaces the peak.
func (p *peak) see(energy int128, start acquire.Instant) {
	if energy.cmp(p.energy) > 0 {
		p.energy, p.start = energy, start
	}
}

func (p *peak) over(interval time.Duration) Peak {
	return Peak{Power: units.Watts(p.energy.mean(interval)), Start: p.start}
}
