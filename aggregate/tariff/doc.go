// Package tariff books the intervals of a meter into registers by time of use,
// and prices them.
//
// A [Calendar] says which energy period and which demand period is in force at an
// instant, and where local days, months and billing periods begin. A [Ledger] books
// each closed [aggregate.Interval] of a meter into the registers of the period it
// starts in, and yields a [Statement] at the end of each billing period. [Prices]
// turn a statement into a [Bill]. Nothing here sees a sample: energies, coverage and
// demand come from the intervals:
//
//	for _, iv := range router.Observe(batch) {
//		for _, statement := range ledger.Observe(nil, &iv) {
//			bill, err := prices.Bill(&statement)
//			...
//		}
//	}
//
// # Calendar
//
// The parts are those of the activity calendar in IEC 62056-6-2 (class 20 and
// special days, class 11), by other names:
//
//   - A [Season] is a stretch of the year, given by first and last day, which may
//     wrap around the end of the year. All seasons together cover each day once.
//   - A [DayType] is a set of weekdays. All together cover each weekday once. A
//     [Holiday] overrides the weekday: a fixed date, the n-th weekday of a month, a
//     day counted from Easter, or explicit dates. [Observed] moves one that falls on
//     a Saturday or Sunday; by default it stays.
//   - A [DayProfile] has the [Switch] times of the days of a season and day type.
//     There is exactly one for each season and day type.
//   - Energy and demand each have a [Schedule] of periods. Without one for demand,
//     that of energy holds for both.
//   - A [Cycle] has the billing periods: from a day of the month at local midnight,
//     for one or more months, or between explicit read dates. The default is
//     calendar months.
//
// # Clock changes
//
// All counting is in UTC; only boundaries are local, and are computed from the
// zone, never by adding 24 h. The rule is the clock on the wall: what is in force
// at an instant is what the calendar says for the date and the time that a clock
// in the zone shows at that instant. Therefore:
//
//   - A switch at a time that is skipped in spring takes effect at the change: a
//     switch at 02:30 in Berlin on 29 March 2026 is at 03:00, which is when 02:00
//     would have been.
//   - A switch at a time that comes twice in autumn takes effect each time. What was
//     in force before it holds again when the clock is set back: 02:00 to 02:30 comes
//     twice, and so does 02:30 to 03:00.
//   - A day begins at the instant from which on no earlier date is shown: most often
//     at 00:00; at the change where 00:00 is skipped (Beirut, 27 March 2022: 01:00);
//     at the second 00:00 where there are two (St John's, 7 November 2010).
//   - Most days have 96 quarter hours, those of a change 92 or 100. They have 94 and
//     98 in Lord Howe, whose clock is changed by half an hour. A year has 35,040 or
//     35,136 in every zone whose base does not change.
//   - [Calendar.Label] tells the two passes of an hour apart by their offset.
//
// The years are 1972, when UTC took its present form, to 2260. Zones are as the
// time package knows them: update its data for the laws of tomorrow.
//
// # Booking
//
//   - An interval belongs whole to the period it starts in, as tariffs have it, and
//     so does its demand. Where a switch is not on an edge of the intervals, for
//     instance with hourly intervals on the hour of UTC and a zone of +05:45,
//     Straddling counts those during which the period changed, in the registers of
//     energy and of demand. Choose a finer interval or [aggregate.Demand].Offset to
//     have none.
//   - Time of which nothing is known is shared out exactly among the periods it
//     covers. This holds for intervals without any coverage, such as those flagged
//     [aggregate.Silence], for time between intervals, and for the part of the first
//     billing period before the first interval. Missing time is neither zero nor
//     estimated.
//   - Energy is that of the meter's registers, or of power integrated for a meter
//     without any: LedgerConfig.Basis. One basis holds for all intervals, unlike
//     the rule of Interval.Active, because registers make up for an outage after
//     it: what power had filled in by then would be billed twice.
//   - Energy that is [aggregate.Carried] counts in the interval that carries it; it
//     may be of another period, and EnergyRegister.Carried counts such intervals.
//   - Maximum demand is the largest net energy of a whole interval of the configured
//     length, by direction. Intervals without a demand are never a peak and are
//     counted. Of equal peaks the first stays. Rolling and thermal demand, ratchets
//     and coincident peaks are of package demand.
//   - Intervals come in the order of time. One that begins before the end of the last
//     is refused and counted as late. With LedgerConfig.Revisable that many intervals
//     stay open: they may come in any order and be replaced, as those of an
//     [aggregate.Reviser] are, and billing periods close as many intervals later.
//   - A billing period closes with the interval that reaches its end, or by
//     [Ledger.Advance].
//
// # Prices
//
//   - Quantities, prices and limits are exact ratios. A price says what it is per,
//     and is of the kind of its quantity: [units.Price]. Each item is computed
//     without rounding and rounded once to the minor unit of the currency (ISO
//     4217), half even by default. The total is the sum of the rounded items.
//   - Tiers are blocks: each part of the quantity costs the price of the tier it
//     lies in. They count within one billing period and one item.
//   - Minimum and [Floor] raise the quantity, not the amount. An allowance of reactive
//     energy is per kWh of the same period.
//   - Fixed items are charged in full for each statement, that of a part of a billing
//     period included.
//   - What was not measured costs nothing, and is said: Line.Complete is false where
//     some of the time behind a quantity is missing.
//
// # Guarantees
//
//   - Energies are exact: the registers of a statement add up to the intervals
//     booked, to the last quantum.
//   - The coverage of the energy registers of a closed statement adds up to the
//     length of the billing period, apart from an interval that straddles its ends.
//   - The period of every instant is that of the clock on the wall; days, months
//     and billing periods adjoin without gap or overlap, in every zone.
//   - Intervals revised in time give the statements that they would have given at
//     first.
//   - A ledger restored from its saved state goes on as the one that saved it. Bytes
//     that are no such state give an error and change nothing.
//   - Observing allocates nothing but what the caller's slice needs to grow. Looking
//     up the period costs one comparison until the next boundary.
//   - There is no clock, no goroutine, no lock and no logging.
//   - Nothing is dropped in silence: [Counts] tells.
//   - Input cannot make it panic. A constructor names all faults of its
//     configuration at once.
package tariff
