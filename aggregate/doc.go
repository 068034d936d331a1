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
// # Policies
//
// Where the field disagrees there is a named policy with a safe default:
//
//   - Rule: HoldLeft, for it is right for sources that report by exception and
//     never bills an outage. No rule bridges more than MaxGap, one minute unless
//     said otherwise; a held value ends there.
//   - Bad quality, NaN and infinities open a gap up to the next usable sample.
//     Missing time is neither zero nor interpolated. Uncertain samples count and
//     are accounted for as such. A bad reading of a register is passed over: its
//     neighbours know the energy.
//   - A register reading between block edges is shared out in proportion to time
//     (smoothed increase, as PromQL calls it). Over more than MaxGap the energy is
//     kept, but when it flowed is not known: all of it goes to the block in which
//     the gap ends, flagged Carried, with the time counted missing. It does not
//     go back to the blocks between, since these close while the gap lasts.
//   - The same holds where readings are late by more than MaxGap and yet above the
//     last one believed: the clock was set back, so that the time until it has
//     caught up is not known.
//   - A register that drops has rolled over if Registers.Modulus and MaxPower allow
//     it. Where they do not, or are not known, the next reading decides: a lone bad
//     reading books nothing, a new start books what OnReset says, by default
//     nothing.
//   - A meter swap, or a change of transformers, is told by Router.Swap and never
//     guessed: energy before and after is exact.
//   - A pulse output is a register whose counts have an exact PulseWeight, and a
//     PulseMeter makes power of the time between pulses.
//   - A value of HoldLeft is valid for Hold, MaxGap unless said otherwise.
//   - A sample stamped more than MaxAhead after its arrival, one hour unless said
//     otherwise, is refused: it would make all others late until then.
//   - Late samples are counted and dropped. A Reorder before the Router waits for
//     them for a bounded time; a Reviser in its place goes back, and hands out anew
//     the intervals that they change.
//   - Where a meter has registers and power, a Reconciler sets the two against each
//     other, and shows a drift.
//   - Demand is block demand of net energy; incomplete blocks have none and are
//     never a peak, as dividing by the covered time overstates and by
//     the whole understates. Of equal peaks the first counts.
//   - Active picks the account to bill by: the better covered one, registers
//     before power.
//   - A silent meter yields its missing intervals as the watermark passes: 96
//     blocks one by one, then one Interval flagged Silence for the rest, when data
//     comes back.
//   - A channel that falls behind, without a watermark to say so, holds its meter
//     up for twice MaxGap, in whole blocks, and two blocks more. Then its part is
//     missing and the interval is flagged Forced.
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
//   - Memory is bounded and allocated by NewRouter, NewBank and NewMeter; the slices
//     of intervals and periods apart, pushing allocates nothing. (A Shard grows with
//     the periods it has seen.) There is no clock, no goroutine,
//     no lock and no logging.
//   - Nothing is dropped in silence: Counts tells.
//   - Input cannot make it panic, nor can a state that was tampered with. Configuration is checked by NewRouter, which
//     names all faults at once.
package aggregate
