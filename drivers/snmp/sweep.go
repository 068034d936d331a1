package snmp

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"slices"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/internal/snmpwire"
)

// walk is a group of columns that are read together, as one stream does it.
type walk struct {
	cursors []*cursor // of the columns that are asked for
	all     []*cursor // those, and all that share their answers
	active  []*cursor // of the request under way, in the order of its bindings
	limit   int       // repetitions to try, fewer than would fit; 0: none
	only    int       // columns to ask for at once, fewer than all; 0: none

	lost        bool // an answer did not come in time
	cells, idle int  // cells so far, and requests that brought none
}

// cursor is a column with how far it was read.
type cursor struct {
	*column
	rows     *rows
	others   []*cursor // of the column's shared ones
	last     []byte    // name to go on from
	reached  []byte    // name up to which an answer is sound, nil behind the end of all
	expected int       // cells that it had when it was read to its end last
	counted  bool      // it ever was
	cells    int       // cells of this poll
	octets   int       // that they took
	size     int       // octets that a cell takes, about
	given    int       // samples that it brought, lost ones included
	hint     int       // place of the row that is expected next
	skips    int       // cells that the agent failed to give
	ended    bool
	fault    acquire.Quality // why not all cells came, with reason; 0: all came
	failed   bool
	at       acquire.Instant // of the latest packet that told of it
}

// start begins a new walk.
func (c *cursor) start() {
	c.last = append(c.last[:0], c.base...)
	c.cells, c.octets, c.given, c.hint, c.skips = 0, 0, 0, 0, 0
	c.ended, c.failed, c.fault, c.at = false, false, 0, 0
}

// fail ends the column before its end.
func (c *cursor) fail(at acquire.Instant, why acquire.Quality) {
	c.ended, c.failed, c.fault, c.at = true, true, why, max(c.at, at)
}

// cellSize returns how many octets a cell takes, about.
func (c *cursor) cellSize() int {
	if c.cells > 0 {
		return ceil(c.octets, c.cells)
	}
	return c.size
}

// left returns how many cells are expected yet, the end included.
func (c *cursor) left() int {
	switch {
	case !c.counted:
		return 1 << 20
	case c.cells <= c.expected:
		return c.expected - c.cells + 1
	}
	return max(8, c.cells/4)
}

// sweep reads the columns of w to their ends, and reports false where it gives up
// because there is no time.
func (s *stream) sweep(ctx context.Context, w *walk, b *acquire.Batch) bool {
	w.start()
	for w.next() {
		if w.stuck() {
			s.malformed++
			w.fail(s.now(), badProtocol)
			break
		}
		if err := s.broken(); err != nil {
			w.fail(s.now(), acquire.QualityOf(err))
			break
		}
		if s.timedOut && (!s.answered || s.schedule.Overdue()) {
			w.fail(s.now(), acquire.Bad.Because(acquire.Communication))
			return false
		}
		repetitions, upTime := s.compose(w)
		s.session.room(min(2*s.terms.answer, s.src.agent.maxMessage+1)) // or a long datagram would be cut
		answer, at, err := s.exchange(ctx, &s.pdu)
		status := ErrorStatus(answer.PDU.ErrorStatus)
		if status != NoError {
			s.refusals++
			s.note(ctx, w.active[0].base, status)
		}
		switch {
		case ctx.Err() != nil:
			return true
		case errors.Is(err, ErrTimeout) && repetitions > 1 && s.answered && !s.schedule.Overdue() && !w.lost:
			w.lost = true
			s.doubt()
			w.lessen(repetitions)
		case err != nil:
			if errors.Is(err, ErrTimeout) && repetitions > 1 {
				s.doubt()
			}
			s.note(ctx, w.active[0].base, err)
			for _, c := range w.active {
				c.fail(at, acquire.QualityOf(err))
			}
		case status == TooBig && repetitions > 1:
			s.learnAnswer(s.terms.answer / 2)
			w.lessen(repetitions)
		case status == TooBig && len(w.active) > 1:
			w.only = ceil(len(w.active), 2)
		case status != NoError:
			w.refused(s, repetitions, upTime, at, status, int(answer.PDU.ErrorIndex))
		default:
			w.limit, w.lost = 2*w.limit, false
			whole := s.take(w, b, &answer, at, repetitions, upTime)
			if whole && repetitions > 1 {
				s.grow(len(answer.PDU.Bindings))
			}
		}
	}
	w.finish()
	return true
}

// start begins a new walk.
func (w *walk) start() {
	w.limit, w.only, w.cells, w.idle, w.lost = 0, 0, 0, 0, false
	for _, c := range w.all {
		c.start()
	}
}

// next chooses the columns to ask for next, and reports whether there are any.
func (w *walk) next() bool {
	w.active = w.active[:0]
	for _, c := range w.cursors {
		if !c.ended && (w.only == 0 || len(w.active) < w.only) {
			w.active = append(w.active, c)
		}
	}
	return len(w.active) > 0
}

// maxIdle is how many requests in a row may bring nothing: more than it takes to come
// down to one cell of one column.
const maxIdle = 64

// stuck reports whether the agent keeps us busy without giving anything.
func (w *walk) stuck() bool {
	cells := 0
	for _, c := range w.cursors {
		cells += c.cells + c.skips
		if c.ended {
			cells++
		}
	}
	if w.idle++; cells > w.cells {
		w.cells, w.idle = cells, 0
	}
	return w.idle > maxIdle
}

// lessen asks for half as many repetitions.
func (w *walk) lessen(repetitions int) { w.limit = max(repetitions/2, 1) }

// finish remembers how long the columns and their cells were.
func (w *walk) finish() {
	for _, c := range w.cursors {
		c.size = c.cellSize()
		if !c.failed {
			c.expected, c.counted = c.cells, true
		}
	}
}

// fail ends all columns of w that have not ended.
func (w *walk) fail(at acquire.Instant, why acquire.Quality) {
	for _, c := range w.cursors {
		if !c.ended {
			c.fail(at, why)
		}
	}
}

// compose makes the next request of w in s.pdu.
func (s *stream) compose(w *walk) (repetitions int, upTime bool) {
	size, left := 0, 0
	for _, c := range w.active {
		size, left = size+c.cellSize(), max(left, c.left())
	}
	repetitions = s.terms.repetitions(len(w.active), size, left)
	if w.limit > 0 {
		repetitions = min(repetitions, w.limit)
	}
	s.bindings = s.bindings[:0]
	upTime = !s.terms.NoUpTime
	if upTime {
		s.bindings = snmpwire.AppendQuery(s.bindings, s.src.upTimeColumn)
	}
	for _, c := range w.active {
		s.bindings = snmpwire.AppendQuery(s.bindings, c.last)
	}
	s.pdu = snmpwire.PDU{Type: snmpwire.NextRequest, Bindings: s.bindings}
	if !s.terms.single {
		s.pdu.Type, s.pdu.ErrorIndex = snmpwire.BulkRequest, int32(repetitions)
		if upTime {
			s.pdu.ErrorStatus = 1
		}
	}
	return repetitions, upTime
}

// refused takes the refusal of a request.
func (w *walk) refused(s *stream, repetitions int, upTime bool, at acquire.Instant, status ErrorStatus, index int) {
	if upTime {
		if index == 1 {
			s.learnNoUpTime()
			return
		}
		index--
	}
	nothing := s.terms.single && status == NoSuchName // follows (RFC 1157, section 4.1.3)
	switch {
	case repetitions > 1: // up to the row that fails, the others can be had
		w.lessen(repetitions)
	case 1 <= index && index <= len(w.active) && nothing:
		w.active[index-1].end(at)
	case 1 <= index && index <= len(w.active):
		w.active[index-1].skip(at, status)
	case len(w.active) > 1:
		w.only = ceil(len(w.active), 2)
	case nothing:
		w.active[0].end(at)
	default:
		w.active[0].skip(at, status)
	}
}

// end notes that the column is complete.
func (c *cursor) end(at acquire.Instant) { c.ended, c.at = true, max(c.at, at) }

// maxSkips is how many cells may fail in one column before it is given up.
const maxSkips = 8

// skip goes on behind the row that the agent fails to give, where it is known which one
// that is, else it ends the column.
func (c *cursor) skip(at acquire.Instant, status ErrorStatus) {
	c.failed, c.fault, c.at = true, status.Quality(), max(c.at, at)
	if c.skips++; c.skips > maxSkips {
		c.ended = true
		return
	}
	suffix := c.last[len(c.base):]
	for i := c.hint; i < len(c.rows.ordered); i++ {
		if snmpwire.CompareOID(c.rows.ordered[i].index, suffix) > 0 {
			c.last = append(c.last[:len(c.base)], c.rows.ordered[i].index...)
			c.hint = i + 1
			return
		}
	}
	c.ended = true
}

// take takes an answer: cells, and the ends of columns. It reports whether as much came
// as was asked for.
func (s *stream) take(w *walk, b *acquire.Batch, answer *response, at acquire.Instant, repetitions int, upTime bool) bool {
	list := answer.PDU.Bindings
	columns := len(w.active)
	if upTime && len(list) > 0 {
		first, rest, err := snmpwire.NextBinding(list)
		if err != nil {
			w.doubt(s, at)
			return false
		}
		list = rest
		s.upTime(first, s.src.upTime)
	}
	n, ok := w.sound(list)
	switch {
	case !ok || n > columns*repetitions:
		w.doubt(s, at)
		return false
	case n < columns: // not even one of each
		s.scant(w, at, n, repetitions)
	}
	for i := 0; len(list) > 0; i++ {
		binding, rest, _ := snmpwire.NextBinding(list)
		if c := w.active[i%columns]; !c.ended {
			s.cell(c, b, &binding, at, len(list)-len(rest))
		}
		list = rest
	}
	return n == columns*repetitions
}

// sound counts the variable bindings of an answer, and reports whether each follows the
// one before of its column. Of an answer where one does not, none is taken: who knows
// what the others are.
func (w *walk) sound(list []byte) (n int, ok bool) {
	for _, c := range w.active {
		c.reached = c.last
	}
	for ; len(list) > 0; n++ {
		binding, rest, err := snmpwire.NextBinding(list)
		if err != nil {
			return n, false
		}
		c := w.active[n%len(w.active)]
		switch {
		case binding.Tag == snmpwire.EndOfMibView:
			c.reached = nil
		case c.reached == nil || snmpwire.CompareOID(binding.Name, c.reached) <= 0:
			return n, false
		default:
			c.reached = binding.Name
		}
		list = rest
	}
	return n, true
}

// doubt is for an answer that breaks the protocol. Its columns are asked for apart, so
// that it shows which it comes from.
func (w *walk) doubt(s *stream, at acquire.Instant) {
	s.malformed++
	if len(w.active) > 1 {
		w.only = ceil(len(w.active), 2)
		return
	}
	w.active[0].fail(at, badProtocol)
}

// scant is for an answer of n bindings, fewer than columns: the agent had no room for
// more, or breaks the protocol. Columns that moved on have done so.
func (s *stream) scant(w *walk, at acquire.Instant, n, repetitions int) {
	switch {
	case n > 0 && !s.terms.single:
	case repetitions > 1:
		w.lessen(repetitions)
	default:
		w.doubt(s, at)
	}
}

// cell takes one variable binding of a column.
func (s *stream) cell(c *cursor, b *acquire.Batch, cell *snmpwire.Binding, at acquire.Instant, octets int) {
	if cell.Tag == snmpwire.EndOfMibView || !bytes.HasPrefix(cell.Name, c.base) {
		c.end(at)
		return
	}
	c.last = append(c.last[:0], cell.Name...)
	if c.cells++; c.cells > c.limit { // a table without end
		s.lost++
		s.logFull(c.rows)
		c.fail(at, badRange)
		return
	}
	c.octets += octets
	c.at = max(c.at, at)
	s.enter(c, b, cell, at)
	for _, other := range c.others {
		s.enter(other, b, cell, at)
	}
}

// enter puts what a cell says into its row.
func (s *stream) enter(c *cursor, b *acquire.Batch, cell *snmpwire.Binding, at acquire.Instant) {
	suffix := cell.Name[len(c.base):]
	row := c.rows.find(suffix, c.hint)
	if row.place >= 0 {
		c.hint = row.place + 1
	}
	row.poll = s.memory.poll
	switch c.role {
	case pointColumn:
		if row.used = s.memory.poll; row.series == nil {
			c.rows.rename(row)
		}
		value, quality := c.table.decoders[c.index].value(b, cell.Tag, cell.Value)
		b.Samples = append(b.Samples, acquire.Sample{Time: at, Value: value, Quality: quality})
		s.origins = append(s.origins, origin{row: row, cursor: c, sample: len(b.Samples) - 1, epoch: s.memory.epoch})
	case labelColumn:
		if cell.Tag == snmpwire.OctetString {
			c.rows.relabel(row, cell.Value, s.memory.poll)
		}
	case discontinuityColumn:
		row.discontinuity = s.told(cell)
	case exponentColumn:
		row.exponents[c.index] = s.told(cell)
	case conditionColumn:
		row.says[c.index] = s.told(cell)
	}
}

// told reads the number that a cell says of its row.
func (s *stream) told(cell *snmpwire.Binding) exponent {
	e := exponent{poll: s.memory.poll}
	switch cell.Tag {
	case snmpwire.Integer:
		v, err := snmpwire.Int(cell.Value)
		e.value, e.ok = int64(v), err == nil
	case snmpwire.Gauge32, snmpwire.Counter32, snmpwire.TimeTicks:
		v, err := snmpwire.Uint32(cell.Value)
		e.value, e.ok = int64(v), err == nil
	}
	return e
}

// upTime takes what came as sysUpTime.
func (s *stream) upTime(binding snmpwire.Binding, want []byte) {
	if !bytes.Equal(binding.Name, want) || binding.Tag != snmpwire.TimeTicks {
		return
	}
	if ticks, err := snmpwire.Uint32(binding.Value); err == nil && s.memory.clock.restarted(ticks, s.stamped) {
		s.restarted("sysUpTime")
	}
}

// restarted notes that all counters may have started anew.
func (s *stream) restarted(says string) {
	s.memory.epoch++
	s.src.cfg.Logger.Info("snmp agent restarted", slog.String("source", s.src.cfg.Name), slog.String("says", says))
}

// settle turns what the walks of this poll read into samples of points.
func (s *stream) settle(b *acquire.Batch) {
	for _, w := range s.swept {
		for _, c := range w.cursors {
			for _, other := range c.others {
				other.failed, other.fault, other.at = c.failed, c.fault, c.at
			}
		}
	}
	for _, r := range s.memory.tables {
		s.prepare(r)
	}
	dropped := false
	for i := range s.origins {
		o := &s.origins[i]
		sample, column := &b.Samples[o.sample], o.cursor.index
		series, t := o.row.series, o.row.table
		if o.row.standing == excluded {
			dropped = true // not of this table
			continue
		}
		o.cursor.given++
		if !s.placed(o) {
			s.lost++
			dropped = true // the sample has no point
			continue
		}
		c, track := &t.Columns[column], &series.tracks[column]
		switch {
		case o.row.standing == unsettled:
			sample.Value, sample.Quality = acquire.Value{}, o.row.why
		case len(c.Exponents) > 0 && !sample.Value.IsNone():
			if power, ok := o.row.power(t, column, s.memory.poll); ok {
				sample.Value, sample.Quality = t.decoders[column].apply(sample.Value, power)
			} else {
				sample.Value, sample.Quality = acquire.Value{}, badRange
			}
		}
		sample.Point = track.id
		sample.Quality = track.stamp(sample.Time, sample.Quality)
		if c.counts() {
			sample.Quality = track.count(sample.Quality, o.epoch, series.epoch)
		}
		track.poll, track.live = s.memory.poll, true
	}
	if dropped {
		b.Samples = slices.DeleteFunc(b.Samples, func(s acquire.Sample) bool { return s.Point == 0 })
	}
	s.origins = s.origins[:0]
	for _, w := range s.swept {
		for _, c := range w.all {
			if c.role == pointColumn {
				s.miss(c, b)
			}
		}
	}
	for _, r := range s.memory.tables {
		if s.complete(r) || len(r.known) > 2*r.table.longest() {
			r.forget(s.memory.poll)
		}
	}
}

// placed reports whether there is a point for what came of a row, which it defines if it
// is the first.
func (s *stream) placed(o *origin) bool {
	series, column := o.row.series, o.cursor.index
	switch {
	case o.row.standing == mute:
		s.logMute(o.cursor.rows)
		return false
	case series == nil, o.row.standing == unsettled && !series.tracks[column].live:
		return false
	}
	return series.tracks[column].id != 0 || s.define(o.row.table, series, column)
}

// prepare names the rows of a table, and notes which of their counters have restarted.
func (s *stream) prepare(r *rows) {
	s.judge(r)
	labelled := s.unlabelled(r) == 0
	if labelled && r.table.Label != "" {
		r.unlabel(s.memory.poll)
	}
	if len(r.fresh) > 0 && r.name(s.memory.poll, labelled) > 0 {
		s.logFull(r)
	}
	if r.table.Discontinuity == "" {
		return
	}
	for _, series := range r.names {
		if series.owner == nil || series.owner.discontinuity.poll != s.memory.poll || !series.owner.discontinuity.ok {
			continue
		}
		said := series.owner.discontinuity.value
		if series.marked && said != series.discontinuity {
			series.epoch++
		}
		series.discontinuity, series.marked = said, true
	}
}

// unlabelled returns why not all labels of a table were read in this poll, 0 if they were.
func (s *stream) unlabelled(r *rows) acquire.Quality {
	if r.table.Label == "" {
		return 0
	}
	for _, w := range s.swept {
		for _, c := range w.all {
			if c.rows == r && c.role == labelColumn {
				return c.fault
			}
		}
	}
	return acquire.Bad.Because(acquire.Waiting)
}

// complete reports whether all columns of a table were read to their end in this poll.
func (s *stream) complete(r *rows) bool {
	columns := 0
	for _, w := range s.swept {
		for _, c := range w.all {
			if c.rows == r {
				if c.failed {
					return false
				}
				columns++
			}
		}
	}
	return columns == len(r.table.columns)
}

// miss says of the points of a column that gave no cell that they are gone or, where
// the column was not read to its end, why there is no value.
func (s *stream) miss(c *cursor, b *acquire.Batch) {
	for _, series := range c.rows.names {
		track := &series.tracks[c.index]
		if !track.live || track.poll == s.memory.poll {
			continue
		}
		quality := c.fault
		switch {
		case c.failed:
		case len(c.rows.fresh) > 0: // the row may be one of those whose label was not read
			quality = s.unlabelled(c.rows)
		default:
			quality = acquire.Bad.Because(acquire.NotFound).WithNative(uint16(snmpwire.NoSuchInstance)).With(acquire.Final)
			track.live, track.broken = false, c.table.Discontinuity == ""
		}
		b.Samples = append(b.Samples, acquire.Sample{Time: c.at, Point: track.id, Quality: track.stamp(c.at, quality)})
	}
}

// define gives the point of a cell its id.
func (s *stream) define(t *table, series *series, column int) bool {
	track := &series.tracks[column]
	if track.denied {
		return false
	}
	id, err := s.src.define(t.definition(series, column), t.offset+column)
	if err != nil {
		track.denied = true
		s.src.cfg.Logger.Warn("snmp point not defined", slog.String("source", s.src.cfg.Name), slog.Any("error", err))
		return false
	}
	track.id = id
	return true
}

// logFull says once that a table has more rows than may have points.
func (s *stream) logFull(r *rows) {
	if r.full {
		return
	}
	r.full = true
	s.src.cfg.Logger.Warn("snmp table has rows without points", slog.String("source", s.src.cfg.Name),
		slog.String("table", r.table.Name), slog.Int("max_rows", r.table.MaxRows))
}
