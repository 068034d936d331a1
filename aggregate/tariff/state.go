package tariff

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"hash/fnv"
	"time"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/aggregate"
)

// ErrState is wrapped by the error for bytes that are no state of the ledger.
var ErrState = errors.New("not a state of this ledger")

// A saved state is, in big-endian order: the version, the fingerprint of the
// configuration, the counts, the statement, the usages open to revision, and the
// CRC-32 (IEEE) of all before it.
const stateVersion = 1

// AppendBinary appends the complete state of l to b. A ledger of the same
// configuration that restores it goes on as l would. The error is always nil.
func (l *Ledger) AppendBinary(b []byte) ([]byte, error) {
	from := len(b)
	w := writer{append(b, stateVersion)}
	w.uint64(l.fingerprint())
	for _, n := range [...]uint64{l.counts.Booked, l.counts.Revised, l.counts.Late, l.counts.Invalid, l.counts.Outside} {
		w.uint64(n)
	}
	s := &l.page.statement
	w.instant(s.Start)
	w.instant(s.End)
	w.instant(s.Through)
	for i := range s.Energy() {
		r := &s.energy[i]
		w.account(&r.Active)
		w.reactive(&r.Reactive)
		for _, n := range [...]int{r.Intervals, r.Incomplete, r.Carried, r.Straddling} {
			w.uint64(uint64(n))
		}
	}
	for i := range s.Demand() {
		r := &s.demand[i]
		w.peak(&r.Import)
		w.peak(&r.Export)
		for _, n := range [...]uint64{uint64(r.Intervals), uint64(r.Incomplete), uint64(r.Straddling), uint64(r.Known), uint64(r.Missing)} {
			w.uint64(n)
		}
	}
	w.uint64(uint64(l.held))
	for i := range l.held {
		w.usage(l.at(i))
	}
	return binary.BigEndian.AppendUint32(w.b, crc32.ChecksumIEEE(w.b[from:])), nil
}

// MarshalBinary returns what AppendBinary appends.
func (l *Ledger) MarshalBinary() ([]byte, error) { return l.AppendBinary(nil) }

// UnmarshalBinary restores the state that AppendBinary saved, of a ledger of the
// same configuration. Everything is checked first: on error, which wraps
// [ErrState], l is as before.
func (l *Ledger) UnmarshalBinary(data []byte) error {
	if l.page.calendar == nil {
		return fmt.Errorf("tariff: %w: the ledger was not made by NewLedger", ErrState)
	}
	end := len(data) - 4
	if end < 1 || data[0] != stateVersion {
		return fmt.Errorf("tariff: %w: too short, or of another version", ErrState)
	}
	if binary.BigEndian.Uint32(data[end:]) != crc32.ChecksumIEEE(data[:end]) {
		return fmt.Errorf("tariff: %w: checksum", ErrState)
	}
	r := reader{b: data[1:end]}
	if r.uint64() != l.fingerprint() {
		return fmt.Errorf("tariff: %w: of another configuration", ErrState)
	}
	restored := Ledger{meter: l.meter, basis: l.basis, page: l.page}
	for _, n := range [...]*uint64{
		&restored.counts.Booked, &restored.counts.Revised, &restored.counts.Late, &restored.counts.Invalid, &restored.counts.Outside,
	} {
		*n = r.uint64()
	}
	s := &restored.page.statement
	s.Start, s.End, s.Through = r.instant(), r.instant(), r.instant()
	for i := range s.Energy() {
		e := &s.energy[i]
		e.Active, e.Reactive = r.account(), r.reactive()
		e.Intervals, e.Incomplete, e.Carried, e.Straddling = r.count(), r.count(), r.count(), r.count()
	}
	for i := range s.Demand() {
		d := &s.demand[i]
		d.Import, d.Export = r.peak(), r.peak()
		d.Intervals, d.Incomplete, d.Straddling = r.count(), r.count(), r.count()
		d.Known, d.Missing = time.Duration(r.uint64()), time.Duration(r.uint64())
	}
	held := r.count()
	if r.short || held > max(len(l.window)-1, 0) || len(r.b) != held*usageSize {
		return fmt.Errorf("tariff: %w: length", ErrState)
	}
	if err := restored.page.check(); err != nil {
		return fmt.Errorf("tariff: %w: %w", ErrState, err)
	}
	// The window is checked in place of a copy, which could be large.
	after := s.Through
	for check := r; len(check.b) > 0; {
		u := check.usage()
		if check.short || !u.valid() || u.Start < after {
			return fmt.Errorf("tariff: %w: an interval open to revision", ErrState)
		}
		after = u.End
	}
	restored.window = l.window
	for i := range held {
		restored.window[i] = r.usage()
	}
	restored.held = held
	*l = restored
	return nil
}

// fingerprint tells configurations apart.
func (l *Ledger) fingerprint() uint64 {
	if l.page.calendar == nil {
		return 0
	}
	h := fnv.New64a()
	var b [25]byte
	binary.BigEndian.PutUint64(b[0:], l.page.calendar.fingerprint)
	binary.BigEndian.PutUint64(b[8:], uint64(l.page.interval))
	binary.BigEndian.PutUint64(b[16:], uint64(len(l.window)))
	b[24] = byte(l.basis)
	h.Write(b[:])
	h.Write([]byte(l.meter))
	return h.Sum64()
}

// check says whether a page could have come about by booking.
func (p *page) check() error {
	s := &p.statement
	if s.End == 0 {
		if s.Start != 0 || s.Through != 0 && !known(s.Through) {
			return errors.New("times outside billing periods")
		}
	} else if !known(s.Through) && s.Through != s.Start || p.calendar.BillingPeriod(max(s.Through, earliest)) != s.Span {
		return errors.New("no such billing period")
	}
	length := max(s.Through.Sub(s.Start), 0)
	if s.End == 0 {
		length = 0
	}
	var active, reactive, demand time.Duration
	var booked, judged int
	for i := range s.Energy() {
		r := &s.energy[i]
		a, q := &r.Active, &r.Reactive
		if a.Import.Sign() < 0 || a.Export.Sign() < 0 || q.Import.Sign() < 0 || q.Export.Sign() < 0 {
			return errors.New("negative energy")
		}
		for _, d := range [...]time.Duration{a.Coverage.Good, a.Coverage.Uncertain, a.Coverage.Missing} {
			if d < 0 || d > length-active {
				return errors.New("more time than has passed")
			}
			active += d
		}
		for _, d := range [...]time.Duration{q.Coverage.Good, q.Coverage.Uncertain, q.Coverage.Missing} {
			if d < 0 || d > length-reactive {
				return errors.New("more time than has passed")
			}
			reactive += d
		}
		if active != reactive || max(r.Incomplete, r.Carried, r.Straddling) > r.Intervals {
			return errors.New("an energy register that contradicts itself")
		}
		booked += r.Intervals
	}
	for i := range s.Demand() {
		r := &s.demand[i]
		for _, d := range [...]time.Duration{r.Known, r.Missing} {
			if d < 0 || d > length-demand {
				return errors.New("more time than has passed")
			}
			demand += d
		}
		for _, peak := range [...]*Peak{&r.Import, &r.Export} {
			if *peak == (Peak{}) {
				continue
			}
			if peak.Energy.Sign() <= 0 || peak.Duration != p.interval || peak.Start < s.Start || peak.End() > s.Through || r.Intervals == 0 {
				return errors.New("a peak that cannot have been")
			}
		}
		if r.Straddling > r.Intervals+r.Incomplete {
			return errors.New("a demand register that contradicts itself")
		}
		judged += r.Intervals + r.Incomplete
	}
	if active != demand || booked != judged {
		return errors.New("energy and demand that contradict each other")
	}
	return nil
}

type writer struct{ b []byte }

func (w *writer) uint64(n uint64)           { w.b = binary.BigEndian.AppendUint64(w.b, n) }
func (w *writer) instant(t acquire.Instant) { w.uint64(uint64(t)) }

func (w *writer) quanta(hi, lo uint64) {
	w.uint64(hi)
	w.uint64(lo)
}

func (w *writer) coverage(c aggregate.Coverage) {
	w.uint64(uint64(c.Good))
	w.uint64(uint64(c.Uncertain))
	w.uint64(uint64(c.Missing))
}

func (w *writer) account(a *aggregate.Account) {
	w.quanta(a.Import.Quanta())
	w.quanta(a.Export.Quanta())
	w.coverage(a.Coverage)
}

func (w *writer) reactive(a *aggregate.ReactiveAccount) {
	w.quanta(a.Import.Quanta())
	w.quanta(a.Export.Quanta())
	w.coverage(a.Coverage)
}

func (w *writer) peak(p *Peak) {
	w.quanta(p.Energy.Quanta())
	w.instant(p.Start)
	w.uint64(uint64(p.Duration))
}

// usageSize is the length of a saved Usage.
const usageSize = 8 + 8 + 2*56 + 8

func (w *writer) usage(u *Usage) {
	w.instant(u.Start)
	w.instant(u.End)
	w.account(&u.Active)
	w.reactive(&u.Reactive)
	facts := uint64(u.Flags) << 1
	if u.Demand {
		facts |= 1
	}
	w.uint64(facts)
}

// reader reads what writer wrote; beyond the end it reads zeros.
type reader struct {
	b     []byte
	short bool // there was less, or more than fits
}

func (r *reader) uint64() uint64 {
	if len(r.b) < 8 {
		r.b, r.short = nil, true
		return 0
	}
	n := binary.BigEndian.Uint64(r.b)
	r.b = r.b[8:]
	return n
}

func (r *reader) instant() acquire.Instant { return acquire.Instant(r.uint64()) }

// count reads a number of intervals, of which there are not more than 2^31-1 in
// a billing period.
func (r *reader) count() int {
	n := r.uint64()
	if n > 1<<31-1 {
		r.short = true
		return 0
	}
	return int(n)
}

func (r *reader) energy() aggregate.Energy {
	hi, lo := r.uint64(), r.uint64()
	return aggregate.EnergyOf(hi, lo)
}

func (r *reader) reactiveEnergy() aggregate.ReactiveEnergy {
	hi, lo := r.uint64(), r.uint64()
	return aggregate.ReactiveEnergyOf(hi, lo)
}

func (r *reader) coverage() aggregate.Coverage {
	good, uncertain, missing := r.uint64(), r.uint64(), r.uint64()
	return aggregate.Coverage{Good: time.Duration(good), Uncertain: time.Duration(uncertain), Missing: time.Duration(missing)}
}

func (r *reader) account() aggregate.Account {
	in, out := r.energy(), r.energy()
	return aggregate.Account{Import: in, Export: out, Coverage: r.coverage()}
}

func (r *reader) reactive() aggregate.ReactiveAccount {
	in, out := r.reactiveEnergy(), r.reactiveEnergy()
	return aggregate.ReactiveAccount{Import: in, Export: out, Coverage: r.coverage()}
}

func (r *reader) peak() Peak {
	energy, start := r.energy(), r.instant()
	return Peak{Energy: energy, Start: start, Duration: time.Duration(r.uint64())}
}

func (r *reader) usage() Usage {
	u := Usage{Start: r.instant(), End: r.instant()}
	u.Active, u.Reactive = r.account(), r.reactive()
	facts := r.uint64()
	r.short = r.short || facts > 1<<17-1
	u.Demand, u.Flags = facts&1 != 0, aggregate.Flags(facts>>1)
	return u
}
