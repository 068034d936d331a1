package tariff

import (
	"errors"
	"fmt"
	"math/big"
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

var quantities = [...]struct{ name, unit string }{
	ImportEnergy:         {"import energy", "kWh"},
	ExportEnergy:         {"export energy", "kWh"},
	ReactiveImportEnergy: {"reactive import energy", "kvarh"},
	ReactiveExportEnergy: {"reactive export energy", "kvarh"},
	ReactiveExcess:       {"reactive excess", "kvarh"},
	ImportDemand:         {"import demand", "kW"},
	ExportDemand:         {"export demand", "kW"},
	BillingPeriods:       {"billing periods", ""},
	Days:                 {"days", "d"},
}

func (q Quantity) valid() bool { return q >= 1 && int(q) < len(quantities) }

// String returns the name of q, "import energy".
func (q Quantity) String() string {
	if !q.valid() {
		return "unknown"
	}
	return quantities[q].name
}

// Unit returns the symbol of the unit of q, "kWh", and "" for BillingPeriods.
func (q Quantity) Unit() string {
	if !q.valid() {
		return ""
	}
	return quantities[q].unit
}

// Prices is a list of prices for the statements of one calendar. It is immutable
// and safe for concurrent use. Make one with [NewPrices].
type Prices struct {
	calendar *Calendar
	currency Currency
	rounding Rounding
	items    []item
}

// PriceConfig describes a price list to [NewPrices].
type PriceConfig struct {
	Calendar *Calendar // required: names the periods
	Currency Currency  // required
	Rounding Rounding  // of the amount of each item; zero = HalfEven
	Items    []Item    // the lines of the bill, in order
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
	UpTo  Ratio // in the unit of the quantity; 0 = no limit, of the last tier only
	Price Ratio // money for each unit; negative = credit
}

// Flat returns the only tier of an item with one price.
func Flat(price Ratio) []Tier { return []Tier{{Price: price}} }

// item is an Item with numbers for names.
type item struct {
	Item
	period int // register, -1 = all
}

// NewPrices returns the price list of a configuration, or an error that names
// all of its faults.
func NewPrices(cfg PriceConfig) (*Prices, error) {
	if cfg.Calendar == nil {
		return nil, errors.New("tariff: prices: no calendar")
	}
	p := &Prices{calendar: cfg.Calendar, currency: cfg.Currency, rounding: cfg.Rounding}
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf("tariff: "+format, args...)) }
	if !cfg.Currency.valid() {
		fault("prices: %q with %d digits is no currency", cfg.Currency.Code, cfg.Currency.Digits)
	}
	if cfg.Rounding > HalfUp {
		fault("prices: unknown rounding")
	}
	names := make(map[string]bool)
	for _, it := range cfg.Items {
		if names[it.Name] {
			fault("item %q is there twice", it.Name)
		}
		names[it.Name] = true
		period, ok := cfg.Calendar.register(it.Quantity, it.Period)
		switch {
		case !it.Quantity.valid():
			fault("item %q: no quantity", it.Name)
		case !ok:
			fault("item %q: unknown period %q of %v", it.Name, it.Period, it.Quantity)
		}
		if it.Minimum.Num < 0 || it.Minimum.Den < 0 {
			fault("item %q: minimum %v", it.Name, it.Minimum)
		}
		if it.Allowance.Num < 0 || it.Allowance.Den < 0 || it.Allowance.Num != 0 && it.Quantity != ReactiveExcess {
			fault("item %q: allowance %v", it.Name, it.Allowance)
		}
		for _, why := range faultsOf(it.Tiers) {
			fault("item %q: %s", it.Name, why)
		}
		it.Tiers = append([]Tier(nil), it.Tiers...)
		p.items = append(p.items, item{it, period})
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

// faultsOf says what is wrong with tiers.
func faultsOf(tiers []Tier) []string {
	if len(tiers) == 0 {
		return []string{"no price"}
	}
	var why []string
	limit := new(big.Rat)
	for i, t := range tiers {
		switch last := i == len(tiers)-1; {
		case t.Price.Den < 0 || t.UpTo.Den < 0:
			why = append(why, fmt.Sprintf("tier %d: a negative denominator", i+1))
		case last && !t.UpTo.IsZero():
			why = append(why, fmt.Sprintf("no price beyond %v", t.UpTo))
		case !last && t.UpTo.Rat().Cmp(limit) <= 0:
			why = append(why, fmt.Sprintf("tier %d: limit %v is not beyond the one before", i+1, t.UpTo))
		}
		limit = t.UpTo.Rat()
	}
	return why
}
