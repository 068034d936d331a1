package tariff

import (
	"errors"
	"fmt"
	"math/big"
	"time"

	"github.com/fieldtap/fieldtap/units"
)

// Bill is the cost of one billing period.
type Bill struct {
	Meter    string      // Statement.Meter
	Span                 // the billing period
	Lines    []Line      // one for each item of the price list, in its order
	Total    units.Money // sum of the amounts of the lines
	Complete bool        // whether all lines are
}

// Line is one item of a bill.
type Line struct {
	Item     string      // Item.Name
	Quantity *big.Rat    // what is charged, exactly; the caller's
	Unit     units.Unit  // of Quantity
	Exact    *big.Rat    // the amount in units of the currency, exactly; the caller's
	Amount   units.Money // Exact, rounded once
	Complete bool        // whether the quantity was measured for all of the time it stands for
}

// Floor raises the quantity of an item of a price list for one bill. It is how a
// ratchet, or anything else that earlier months decide, comes into a bill.
type Floor struct {
	Item string // Item.Name
	At   Ratio  // the least quantity charged, in the unit of the item's quantity
}

// Bill prices a statement of the calendar of the list. Each item is computed
// exactly and rounded once. A statement that is not closed is priced as far as it
// goes, and is not complete. An error says that the statement is not of the
// periods or billing periods of the calendar, that a floor is for no item, or
// that an amount is too large, which wraps [units.ErrRange].
func (p *Prices) Bill(s *Statement, floors ...Floor) (Bill, error) {
	var faults []error
	if err := p.fits(s); err != nil {
		faults = append(faults, err)
	}
	for _, f := range floors {
		if !p.has(f.Item) {
			faults = append(faults, fmt.Errorf("tariff: floor of unknown item %q", f.Item))
		}
		if f.At.Den < 0 {
			faults = append(faults, fmt.Errorf("tariff: floor of item %q: a negative denominator", f.Item))
		}
	}
	if len(faults) > 0 {
		return Bill{}, errors.Join(faults...)
	}
	bill := Bill{Meter: s.Meter, Span: s.Span, Complete: true, Lines: make([]Line, 0, len(p.items))}
	total := new(big.Rat)
	for i := range p.items {
		it := &p.items[i]
		line := Line{Item: it.Name, Unit: it.Item.Quantity.Unit()}
		line.Quantity, line.Complete = p.quantity(it, s)
		line.Complete = line.Complete && s.End != 0 && s.Through >= s.End
		atLeast(line.Quantity, it.Minimum)
		for _, f := range floors {
			if f.Item == it.Name {
				atLeast(line.Quantity, f.At)
			}
		}
		line.Exact = price(line.Quantity, it.blocks)
		amount, err := units.NewMoney(line.Exact, p.currency, p.rounding)
		if err != nil {
			return Bill{}, fmt.Errorf("tariff: item %q: %w", it.Name, err)
		}
		line.Amount = amount
		total.Add(total, new(big.Rat).SetInt64(amount.Minor))
		bill.Complete = bill.Complete && line.Complete
		bill.Lines = append(bill.Lines, line)
	}
	if !total.Num().IsInt64() {
		return Bill{}, fmt.Errorf("tariff: total: %w", units.ErrRange)
	}
	bill.Total = units.Money{Minor: total.Num().Int64(), Currency: p.currency}
	return bill, nil
}

// fits reports whether the registers of s are those of the calendar, and its
// billing period is one.
func (p *Prices) fits(s *Statement) error {
	same := s.energyPeriods == len(p.calendar.energy.periods) && s.demandPeriods == len(p.calendar.demand.periods)
	for i := 0; same && i < s.energyPeriods; i++ {
		same = s.energy[i].Period == p.calendar.energy.periods[i]
	}
	for i := 0; same && i < s.demandPeriods; i++ {
		same = s.demand[i].Period == p.calendar.demand.periods[i]
	}
	same = same && (s.End == 0 || p.calendar.BillingPeriod(max(s.Start, earliest)) == s.Span)
	if !same {
		return errors.New("tariff: a statement of another calendar")
	}
	return nil
}

func (p *Prices) has(name string) bool {
	for i := range p.items {
		if p.items[i].Name == name {
			return true
		}
	}
	return false
}

// quantity returns what an item charges by, and whether all of it is known.
func (p *Prices) quantity(it *item, s *Statement) (*big.Rat, bool) {
	switch it.Item.Quantity {
	case BillingPeriods:
		return big.NewRat(1, 1), true
	case Days:
		return p.days(s), true
	case ImportDemand, ExportDemand:
		r := s.DemandTotal()
		if it.period >= 0 {
			r = s.demand[it.period]
		}
		peak := r.Import
		if it.Item.Quantity == ExportDemand {
			peak = r.Export
		}
		return kilowatts(peak), r.Missing == 0
	}
	r := s.EnergyTotal()
	if it.period >= 0 {
		r = s.energy[it.period]
	}
	active, reactive := r.Active.Coverage.Missing == 0, r.Reactive.Coverage.Missing == 0
	switch it.Item.Quantity {
	case ImportEnergy:
		return kilo(r.Active.Import.Rat()), active
	case ExportEnergy:
		return kilo(r.Active.Export.Rat()), active
	case ReactiveImportEnergy:
		return kilo(r.Reactive.Import.Rat()), reactive
	case ReactiveExportEnergy:
		return kilo(r.Reactive.Export.Rat()), reactive
	}
	free := kilo(r.Active.Import.Rat())
	free.Mul(free, it.Allowance.Rat())
	excess := kilo(r.Reactive.Import.Rat())
	if excess.Sub(excess, free).Sign() < 0 {
		excess.SetInt64(0)
	}
	return excess, active && reactive
}

// days counts the local days of the billing period that there were.
func (p *Prices) days(s *Statement) *big.Rat {
	if s.End == 0 {
		return new(big.Rat)
	}
	first, end := p.calendar.dayOf(s.Start), p.calendar.dayOf(s.End)
	n := int64(end - first)
	for day := first; day < end; day++ {
		if p.calendar.midnight(day) == p.calendar.midnight(day+1) {
			n-- // a zone that crosses the date line skips a day
		}
	}
	return new(big.Rat).SetInt64(n)
}

func kilo(r *big.Rat) *big.Rat { return r.Mul(r, big.NewRat(1, 1000)) }

// kilowatts returns the exact mean power of a peak.
func kilowatts(p Peak) *big.Rat {
	if p.Duration <= 0 {
		return new(big.Rat)
	}
	kWh := kilo(p.Energy.Rat())
	return kWh.Mul(kWh, big.NewRat(int64(time.Hour), int64(p.Duration)))
}

// atLeast raises q to the floor.
func atLeast(q *big.Rat, floor Ratio) {
	if f := floor.Rat(); q.Cmp(f) < 0 {
		q.Set(f)
	}
}

// price adds up the blocks of a quantity.
func price(quantity *big.Rat, blocks []block) *big.Rat {
	sum, from := new(big.Rat), new(big.Rat)
	for i, b := range blocks {
		to := quantity
		if i < len(blocks)-1 && quantity.Cmp(b.upTo) > 0 {
			to = b.upTo
		}
		part := new(big.Rat).Sub(to, from)
		sum.Add(sum, part.Mul(part, b.price))
		if from = to; to == quantity {
			break
		}
	}
	return sum
}
