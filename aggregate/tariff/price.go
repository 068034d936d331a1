package tariff

import (
	"errors"
	"fmt"
	"math/big"
	"strconv"

	"github.com/fieldtap/fieldtap/units"
)

// Quantity is what an item of a price list is charged by.
type Quantity uint8

// The quantities.
const (
	ImportEnergy         Quantity = iota + 1 // kWh imported
	ExportEnergy                             // kWh exported
	ReactiveImportEnergy                     // kvarh imported
	ReactiveExportEnergy                     // kvarh exported
	ReactiveExcess                           // kvarh imported beyond Item.Allowance for each kWh imported
	ImportDemand                             // kW, maximum demand of import
	ExportDemand                             // kW, maximum demand of export
	BillingPeriods                           // 1 for each statement
	Days                                     // local days of the billing period
)

var quantities = [...]struct {
	name string
	unit units.Unit
}{
	ImportEnergy:         {"import energy", units.KilowattHour},
	ExportEnergy:         {"export energy", units.KilowattHour},
	ReactiveImportEnergy: {"reactive import energy", units.KilovarHour},
	ReactiveExportEnergy: {"reactive export energy", units.KilovarHour},
	ReactiveExcess:       {"reactive excess", units.KilovarHour},
	ImportDemand:         {"import demand", units.Kilowatt},
	ExportDemand:         {"export demand", units.Kilowatt},
	BillingPeriods:       {"billing periods", units.Each},
	Days:                 {"days", units.Day},
}

func (q Quantity) valid() bool { return q >= 1 && int(q) < len(quantities) }

// String returns the name of q, "import energy".
func (q Quantity) String() string {
	if !q.valid() {
		return "Quantity(" + strconv.Itoa(int(q)) + ")"
	}
	return quantities[q].name
}

// Unit returns the unit of q, [units.KilowattHour] of an energy, and the zero Unit
// for what is no quantity.
func (q Quantity) Unit() units.Unit {
	if !q.valid() {
		return 0
	}
	return quantities[q].unit
}

// Prices is a list of prices for the statements of one calendar. It is immutable
// and safe for concurrent use. Make one with [NewPrices].
type Prices struct {
	calendar *Calendar
	currency units.Currency
	rounding units.Rounding
	items    []item
}

// PriceConfig describes a price list to [NewPrices].
type PriceConfig struct {
	Calendar *Calendar      // required: names the periods
	Items    []Item         // the lines of the bill, in order, all in one currency; at least one
	Rounding units.Rounding // of the amount of each item; zero = units.HalfEven
}

// Item is one line of a price list.
type Item struct {
	Name      string   // for the bill; unique
	Quantity  Quantity // what is charged
	Period    string   // energy or demand period; "" = the sum over all energy periods, the maximum over all demand periods
	Tiers     []Tier   // blocks of the quantity with a price each; at least one
	Minimum   Ratio    // the least quantity that is charged, as by contract; not negative
	Allowance Ratio    // of ReactiveExcess: kvarh free of charge for each kWh; not negative
}

// Tier is a block of a quantity: what lies between the limit of the tier before
// and its own costs Price a unit.
type Tier struct {
	UpTo  Ratio       // in the unit of the quantity; 0 = no limit, of the last tier only
	Price units.Price // per a unit of the kind of the quantity: EUR/kWh, EUR/MWh, EUR/kW, EUR/each, EUR/d; negative = credit
}

// Flat returns the only tier of an item with one price.
func Flat(price units.Price) []Tier { return []Tier{{Price: price}} }

// item is an Item with numbers for names.
type item struct {
	Item
	period int // register, -1 = all
	blocks []block
}

// block is a Tier in the unit of the quantity. Both are read only.
type block struct{ upTo, price *big.Rat }

// NewPrices returns the price list of a configuration, or an error that names
// all of its faults.
func NewPrices(cfg PriceConfig) (*Prices, error) {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf("tariff: "+format, args...)) }
	if cfg.Calendar == nil {
		fault("prices: no calendar")
	}
	if !cfg.Rounding.Valid() {
		fault("prices: no way to round %d", uint8(cfg.Rounding))
	}
	if len(cfg.Items) == 0 {
		fault("prices: no item")
	}
	p := &Prices{calendar: cfg.Calendar, rounding: cfg.Rounding}
	names := make(map[string]bool)
	for _, it := range cfg.Items {
		if names[it.Name] {
			fault("item %q is there twice", it.Name)
		}
		names[it.Name] = true
		compiled := item{Item: it}
		switch {
		case !it.Quantity.valid():
			fault("item %q: no quantity", it.Name)
		case cfg.Calendar != nil:
			var ok bool
			if compiled.period, ok = cfg.Calendar.register(it.Quantity, it.Period); !ok {
				fault("item %q: unknown period %q of %v", it.Name, it.Period, it.Quantity)
			}
		}
		if it.Minimum.Num < 0 || it.Minimum.Den < 0 {
			fault("item %q: minimum %v", it.Name, it.Minimum)
		}
		if it.Allowance.Num < 0 || it.Allowance.Den < 0 || it.Allowance.Num != 0 && it.Quantity != ReactiveExcess {
			fault("item %q: allowance %v", it.Name, it.Allowance)
		}
		var why []string
		compiled.blocks, why = p.blocks(it.Quantity, it.Tiers)
		for _, why := range why {
			fault("item %q: %s", it.Name, why)
		}
		p.items = append(p.items, compiled)
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	return p, nil
}

// register returns the number of the register of a period, -1 for all, and
// whether there is such a period.
func (c *Calendar) register(q Quantity, period string) (int, bool) {
	if period == "" {
		return -1, true
	}
	var names []string
	switch q {
	case ImportEnergy, ExportEnergy, ReactiveImportEnergy, ReactiveExportEnergy, ReactiveExcess:
		names = c.energy.periods
	case ImportDemand, ExportDemand:
		names = c.demand.periods
	}
	i := index(names, period)
	return i, i >= 0
}

// blocks compiles tiers, or says what is wrong with them. The first price of all
// has the currency of the list.
func (p *Prices) blocks(q Quantity, tiers []Tier) (blocks []block, why []string) {
	if len(tiers) == 0 {
		return nil, []string{"no price"}
	}
	fault := func(format string, args ...any) { why = append(why, fmt.Sprintf(format, args...)) }
	limit := new(big.Rat)
	for i, t := range tiers {
		b := block{upTo: t.UpTo.Rat(), price: new(big.Rat)}
		switch last := i == len(tiers)-1; {
		case t.UpTo.Den < 0:
			fault("tier %d: a negative denominator", i+1)
		case last && !t.UpTo.IsZero():
			fault("no price beyond %v", t.UpTo)
		case !last && b.upTo.Cmp(limit) <= 0:
			fault("tier %d: limit %v is not beyond the one before", i+1, t.UpTo)
		}
		limit = b.upTo
		currency := t.Price.Currency()
		switch {
		case !currency.Valid():
			fault("tier %d: no price", i+1)
		case !p.currency.Valid():
			p.currency = currency
		case p.currency != currency:
			fault("tier %d: in %v, and others in %v", i+1, currency, p.currency)
		}
		if currency.Valid() && q.valid() {
			if each, err := t.Price.In(q.Unit()); err != nil {
				fault("tier %d: %v", i+1, err)
			} else {
				b.price = each.Rat()
			}
		}
		blocks = append(blocks, b)
	}
	return blocks, why
}
