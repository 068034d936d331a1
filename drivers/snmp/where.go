package snmp

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"

	"github.com/fieldtap/fieldtap/acquire"
)

// Condition says of which rows a Table consists: those whose number is one of In. The
// number is what a column of the row holds, or a part of its index:
//
//	ENTITY-SENSOR-MIB, sensors in watts     Condition{OID: "1.3.6.1.2.1.99.1.1.1.1", In: []int64{6}}
//	PDU2-MIB, outlets, active power         Condition{Index: 3, In: []int64{5}}
type Condition struct {
	OID   OID     // the column, of integers
	Index int     // in its place, which part of the index, from 1: an IntegerIndex
	In    []int64 // the numbers that will do
}

// faults returns everything that is wrong with c, a condition of t.
func (c *Condition) faults(t *Table) error {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf("condition: "+format, args...)) }
	switch {
	case (c.OID == "") == (c.Index == 0):
		fault("either a column or a part of the index, not both")
	case c.OID != "" && !c.OID.Valid():
		fault("%.80q is no OID", string(c.OID))
	case c.Index < 0 || len(t.Index) > 0 && c.Index > len(t.Index):
		fault("part %d of an index of %d parts", c.Index, len(t.Index))
	case c.Index > 0 && len(t.Index) > 0 && t.Index[c.Index-1].Kind != IntegerIndex:
		fault("part %d of the index is no number", c.Index)
	}
	if len(c.In) == 0 {
		fault("no number will do")
	}
	return errors.Join(faults...)
}

// standing is whether a row has points. Where several conditions disagree, the greatest
// counts.
type standing uint8

const (
	belongs   standing = iota // it meets all conditions
	unsettled                 // a column could not be read: what it was it is, without values
	mute                      // it says nothing, or no number, of what is asked
	excluded                  // its number is another
)

// longest returns how many cells a column may have before the table is taken to be
// without end. Of rows that do not belong to it there may be many.
func (t *table) longest() int {
	if len(t.Where) > 0 {
		return 2*max(t.MaxRows, DefaultMaxRows) + 1
	}
	return 2*t.MaxRows + 1
}

// indexed returns the standing of a row by the conditions on its index.
func (t *table) indexed(index []byte) standing {
	if !slices.ContainsFunc(t.Where, func(c Condition) bool { return c.Index > 0 }) {
		return belongs
	}
	parts, sound := t.naming.parts(index)
	found := belongs
	for i := range t.Where {
		c := &t.Where[i]
		switch {
		case c.Index == 0:
		case !sound || c.Index > len(parts):
			found = max(found, mute)
		default:
			n, err := strconv.ParseInt(parts[c.Index-1], 10, 64)
			if err != nil {
				found = max(found, mute)
			} else if !slices.Contains(c.In, n) {
				found = excluded
			}
		}
	}
	return found
}

// judge finds out whether a row belongs to its table, and where that does not show, why.
// doubts are why the columns of conditions were not read to their ends.
func (r *row) judge(doubts []acquire.Quality, poll uint32) {
	t := r.table
	r.standing, r.why = r.indexed, 0
	for i := range t.Where {
		at := t.tests[i]
		if at < 0 {
			continue
		}
		said := r.says[at]
		switch {
		case said.poll != poll && doubts[at] != 0:
			if r.standing < unsettled {
				r.standing, r.why = unsettled, doubts[at]
			}
		case said.poll != poll || !said.ok:
			r.standing = max(r.standing, mute)
		case !slices.Contains(t.Where[i].In, said.value):
			r.standing = excluded
		}
	}
}

// judge finds out which rows of this poll belong to the table. Those that do not give up
// their names.
func (s *stream) judge(r *rows) {
	if len(r.table.Where) == 0 {
		return
	}
	for i := range r.doubts {
		r.doubts[i] = acquire.Bad.Because(acquire.Communication) // left out of this poll
	}
	for _, w := range s.swept {
		for _, c := range w.all {
			if c.rows == r && c.role == conditionColumn {
				r.doubts[c.index] = c.doubt()
			}
		}
	}
	for _, row := range r.fresh {
		row.judge(r.doubts, s.memory.poll)
	}
	for _, series := range r.names {
		row := series.owner
		if row == nil || row.poll != s.memory.poll {
			continue
		}
		if row.judge(r.doubts, s.memory.poll); row.standing >= mute {
			row.release()
		}
	}
}

// doubt returns why the column was not read to its end, 0 if it was.
func (c *cursor) doubt() acquire.Quality {
	if !c.failed {
		return 0
	}
	return cmp.Or(c.fault, acquire.Bad.Because(acquire.Communication))
}

// logMute says once that rows of a table do not say whether they belong to it.
func (s *stream) logMute(r *rows) {
	if r.mute {
		return
	}
	r.mute = true
	s.src.cfg.Logger.Warn("snmp table has rows that its conditions cannot be put to",
		slog.String("source", s.src.cfg.Name), slog.String("table", r.table.Name))
}
