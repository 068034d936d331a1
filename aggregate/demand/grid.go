package demand

import (
	"math"
	"time"

	"github.com/fieldtap/fieldtap/acquire"
)

// grid cuts time into steps that start at midnight plus offset, of UTC or of a
// zone. Where the zone changes by something else than whole steps, the step that
// runs ends, shorter, and a new one begins.
type grid struct {
	step     time.Duration
	offset   time.Duration
	location *time.Location // nil = UTC

	// What holds of the zone within [from, until).
	from, until acquire.Instant
	shift       time.Duration   // local time less UTC
	first, last acquire.Instant // where the change at from or until moves the grid, that; else beyond all time
}

// around returns the step [start, end) that holds t.
func (g *grid) around(t acquire.Instant) (start, end acquire.Instant) {
	if g.location != nil && (t < g.from || t >= g.until) {
		g.look(t)
	}
	shift := acquire.Instant(g.shift - g.offset)
	local, step := t+shift, acquire.Instant(g.step)
	into := local % step
	if into < 0 {
		into += step
	}
	start = t - into
	end = start + step
	if g.location != nil {
		start, end = max(start, g.first), min(end, g.last)
	}
	return start, end
}

// look finds what holds of the zone around t.
func (g *grid) look(t acquire.Instant) {
	local := time.Unix(0, int64(t)).In(g.location)
	g.shift = zoneShift(local)
	g.from, g.until = math.MinInt64, math.MaxInt64
	g.first, g.last = math.MinInt64, math.MaxInt64
	start, end := local.ZoneBounds()
	if !start.IsZero() {
		g.from = acquire.Instant(start.UnixNano())
		if g.moves(start.Add(-1)) {
			g.first = g.from
		}
	}
	if !end.IsZero() {
		g.until = acquire.Instant(end.UnixNano())
		if g.moves(end) {
			g.last = g.until
		}
	}
}

// moves reports whether the zone at a neighbouring instant gives another grid.
func (g *grid) moves(neighbour time.Time) bool {
	return (zoneShift(neighbour)-g.shift)%g.step != 0
}

func zoneShift(local time.Time) time.Duration {
	_, seconds := local.Zone()
	return time.Duration(seconds) * time.Second
}
