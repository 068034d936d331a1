// Package aggregate turns samples of power and readings of energy registers into
// energy, demand, peaks and power factor for each demand interval of a meter.
//
// A Router takes batches and gives every sample to the channels of the meters it
// feeds. A gauge integrates power between samples by a Rule, a counter takes
// differences between register readings; both book into blocks, the
// clock-synchronised demand intervals [start, end) of their meter. A block closes
// when every channel is decided up to its end: by a sample at or after it, or by a
// watermark after which nothing can change it. Then one Interval with the
// accounts of all channels, their coverage and flags goes to the caller.
//
// A Router is for meters of several channels. A Bank keeps series of one channel
// each, up to millions, with the same engine and results: a Plan, made of a Series,
// says what they are; Periods come out. A Meter is a Bank of one. Both take columns
// besides samples. A Shard is a stretch of a series taken apart from what was
// before, to be merged.
//
// What intervals are for has packages of its own below this one: demand for rolling and thermal
// demand, ratchets and coincident peaks, tariff for calendars, registers by period
// and bills, load for load factor, load duration and quantiles, part13 for the
// aggregates of OPC UA historians.
//
// # Energy from power
//
// Where the field disagrees there is a named policy with a safe default. What it
// rests on, or whom the lack of it has hurt, is in brackets.
//
//   - Rule, default HoldLeft: right for sources that report by exception, and it
//     never bills an outage. Trapezoid is for momentary values read at regular times,
//     MeanOverPast for power registers that are averages themselves. There is no
//     right rectangle, which credits the first value after an outage to all of it
//     (emoncms #1795).
//   - MaxGap, default one minute: no rule bridges more. What is beyond is missing,
//     neither zero nor interpolated.
//   - Hold, default MaxGap: how long a value of HoldLeft is valid.
//   - Bad quality, NaN and infinities open a gap up to the next usable sample.
//     Uncertain samples count, and are accounted for as such, so that the caller can
//     apply PercentGood and PercentBad (OPC UA Part 13) or a threshold of their own.
//   - A line that crosses zero is split at the crossing into import and export, which
//     are the integrals of the positive and the negative part (IEC 62053-23).
//
// # Energy from registers and pulses
//
//   - A reading between block edges is shared out in proportion to time (the smoothed
//     increase of PromQL). Over more than MaxGap the energy is kept, but when it
//     flowed is not known: all of it goes to the block in which the gap ends, flagged
//     Carried, with the time counted missing. It does not go back to the blocks
//     between, since these close while the gap lasts. The same holds where the clock
//     was set back: readings late by more than MaxGap and yet above the last one.
//   - A register that drops has rolled over if Modulus and MaxPower allow it, given as
//     Digits or Bits of the register. Where they do not, or are not known, or the
//     register shows 0, the next reading decides: a lone bad reading books nothing (Home
//     Assistant #182493), a new start books what OnReset says, by default nothing.
//   - A meter swap, or a change of transformers, is told by Router.Swap and never
//     guessed: energy before and after is exact.
//   - A pulse output is a register whose counts have an exact PulseWeight. A PulseMeter
//     makes power of the time between pulses, not of their number in a window, which
//     shows 180 W for 6 W (domoticz #6483).
//   - Where a meter has registers and power, a Reconciler sets the two against each
//     other, and shows a drift. Interval.Active picks the account that covers the
//     interval better, registers before power. A bill must not change its basis from
//     one interval to the next: package tariff keeps to one.
//
// # Time
//
//   - Intervals are counted in UTC and stamped with start and end. The grid is that of
//     midnight UTC plus Demand.Offset; local time begins where local time matters, in
//     packages tariff and demand, and is never reckoned by adding 24 hours.
//   - Series may run free instead, or be cut by demand pulses, each of which marks the
//     start of a period (Sync; SENTRON PAC4200, PowerLogic PM5300).
//   - Late samples are counted and dropped, by default. A Reorder before the Router
//     waits for them for a bounded time; a Reviser in its place goes back, and hands
//     out anew the intervals that they change, flagged Revised.
//   - A sample equal to the one before is a Duplicate; another value at the same time
//     is late, or a correction where there is a Reorder or Reviser.
//   - MaxAhead, default one hour: a sample stamped further ahead of its arrival is
//     refused, since it would make all others late until then.
//   - A silent meter yields its missing intervals as the watermark passes: 96 blocks
//     one by one, then one Interval flagged Silence for the rest, when data comes back.
//   - A channel that falls behind, without a watermark to say so, holds its meter up
//     for twice MaxGap, in whole blocks, and two blocks more. Then its part is missing
//     and the interval is flagged Forced.
//
// # Demand, power factor, apparent power
//
//   - Interval.Demand is block demand of net energy, E/T with E shared out at both
//     edges (PowerLogic PM5500, ION). Incomplete intervals have none and are never a
//     peak, as dividing by the covered time overstates and by the whole understates;
//     package demand has the other policies. Of equal peaks the first counts.
//   - A power factor is a magnitude and a quadrant, and has one of two signs on
//     request: that of active power (IEC) or of lag and lead (IEEE), as the manuals of
//     the Siemens 9410 and PowerLogic PM5500 print them. True, displacement and energy
//     power factor are types of their own.
//   - The power factor of an interval is that of its energies, never a mean of
//     factors. Which kvarh count is a choice of FactorConfig, default net, as is the
//     load below which there is no factor. Undefined is said, with the reason, and is
//     neither 0 nor 1.
//   - Apparent energy is made by an ApparentMethod that is named, as contracts do;
//     there is no default. Apparent power of three phases is a vector sum, an
//     arithmetic sum or effective (IEEE 1459-2010): a load between two phases makes
//     them 1 : 1.15 : 1.41.
//   - Quadrants splits reactive energy into the four registers of IEC 62053-23 from
//     powers that were read together.
//
// # Guarantees
//
//   - Energy is exact: a value is rounded once, to 1 µW or 0.5 fJ, and nothing
//     after that is. Import, export and shares of blocks are split so that the
//     sum of the intervals equals the total, and import less export the integral,
//     to the last quantum.
//   - Results do not depend on how samples are cut into batches: streamed equals
//     batched, bit for bit.
//   - Nor do they depend on whether samples come one by one or in columns, on how a
//     series is cut into Shards and in which pairs these are merged, or on a process
//     that is killed and restored from its state, after whichever sample.
//   - Good, uncertain and missing time add up to the length of each interval.
//   - Whole numbers from registers stay whole numbers; differences of readings
//     telescope without loss.
//   - Memory is bounded and allocated by the constructors; the slices of intervals and
//     periods apart, pushing allocates nothing. (A Shard grows with the periods it has
//     seen.) There is no clock, no goroutine, no lock and no logging.
//   - Nothing is dropped in silence: Counts tells.
//   - Input cannot make it panic, nor can a state that was tampered with. Constructors
//     name all faults of a configuration at once.
package aggregate
