package demand

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/fieldtap/fieldtap/aggregate"
)

// Incomplete says what demand a window has of which some time is not known.
type Incomplete uint8

// The policies. Energy that is Carried from an earlier time makes no demand under
// any of them.
const (
	// Exclude gives such a window no demand, so that it is never a peak. It is the
	// default: the other two bill a number that nobody measured.
	Exclude Incomplete = iota
	// Nominal divides by the whole demand interval, as ANSI C12 meters do for the
	// interval in which power failed. It understates, and stays aligned.
	Nominal
	// Elapsed divides by the covered time, as the SENTRON PAC3100 does for a
	// period that is cut short. It overstates; Power.Over tells the time.
	Elapsed

	policies
)

// String returns the policy's name in lower case.
func (p Incomplete) String() string {
	switch p {
	case Exclude:
		return "exclude"
	case Nominal:
		return "nominal"
	case Elapsed:
		return "elapsed"
	}
	return "policy " + strconv.Itoa(int(p))
}

// The bounds of a Config.
const (
	MaxSubintervals = 1440 // a day of minutes
	MaxHighest      = 64   // peaks kept
)

// Config says what a Register averages and by which rules. The zero value is
// block demand of active import over 15 minutes.
type Config struct {
	Quantity Quantity // zero = ActiveImport

	// Interval is the demand interval T, the length of a window: a divisor of
	// 24 h; 0 = aggregate.DefaultDemandInterval.
	Interval time.Duration

	// Subintervals is the number n of sub-intervals that a window consists of; 0 or
	// 1 is block demand, more is rolling demand, renewed every Interval/n. A
	// sub-interval is a whole number of seconds and of blocks observed.
	Subintervals int

	// Offset moves the grid of sub-intervals against midnight, as
	// aggregate.Demand.Offset moves that of the blocks; less than 24 h either way.
	Offset time.Duration

	// In counts midnight in a zone; nil = UTC. It needs blocks short enough to fit
	// the zone's grid: 15 minutes for an hourly demand at +05:45.
	In *time.Location

	// Incomplete is the policy for windows with missing time; zero = Exclude.
	Incomplete Incomplete

	// Outage is the longest run of missing time that is not taken for an outage.
	// 0 = no run is: a silent line is no proof of lost power, and Register.PowerUp
	// tells of real outages.
	Outage time.Duration

	// Forgiveness is for how long after power came back demand is ignored, for the
	// sake of cold-load pick-up; 0 = none. Energy is not touched.
	Forgiveness time.Duration

	// Highest is how many of a period's largest windows are kept; 0 = 1, the peak.
	Highest int

	// Lockout is how long a reset keeps out further ones of the same Cause; 0 =
	// none. The ION8650 has 25 days by default, Aclara meters 24 h.
	Lockout time.Duration
}

func (c Config) withDefaults() Config {
	if c.Interval == 0 {
		c.Interval = aggregate.DefaultDemandInterval
	}
	if c.Subintervals == 0 {
		c.Subintervals = 1
	}
	if c.Highest == 0 {
		c.Highest = 1
	}
	if c.In == time.UTC {
		c.In = nil
	}
	return c
}

// validate names every fault of a Config with its defaults filled in.
func (c Config) validate() error {
	const day = 24 * time.Hour
	var faults []error
	fault := func(format string, a ...any) { faults = append(faults, fmt.Errorf("demand: "+format, a...)) }
	if c.Quantity >= quantities {
		fault("unknown %v", c.Quantity)
	}
	if c.Interval < 0 || day%max(c.Interval, 1) != 0 {
		fault("interval %v does not divide 24 h", c.Interval)
	}
	switch {
	case c.Subintervals < 0 || c.Subintervals > MaxSubintervals:
		fault("%d sub-intervals are not within 1 and %d", c.Subintervals, MaxSubintervals)
	case c.Interval%(time.Duration(c.Subintervals)*time.Second) != 0:
		fault("interval %v is not %d sub-intervals of whole seconds", c.Interval, c.Subintervals)
	}
	if c.Offset <= -day || c.Offset >= day {
		fault("offset %v is not within 24 h", c.Offset)
	}
	if c.Incomplete >= policies {
		fault("unknown %v", c.Incomplete)
	}
	for _, d := range [...]struct {
		name string
		d    time.Duration
	}{{"outage", c.Outage}, {"forgiveness", c.Forgiveness}, {"lockout", c.Lockout}} {
		if d.d < 0 || d.d > maxDelay {
			fault("%s %v is not within 0 and 10 years", d.name, d.d)
		}
	}
	if c.Highest < 0 || c.Highest > MaxHighest {
		fault("%d highest windows are not within 1 and %d", c.Highest, MaxHighest)
	}
	return errors.Join(faults...)
}

// maxDelay keeps sums with an instant within 64 bits.
const maxDelay = 3653 * 24 * time.Hour
