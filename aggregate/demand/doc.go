// Package demand is the demand register of a meter: mean power over a demand
// interval, its peaks, and what a tariff makes of them.
//
// It works on closed intervals of an aggregate.Router, or on the load profile that
// a host reads out of a meter, and knows neither samples nor protocols. A Register
// follows COSEM interface class 5 (IEC 62056-6-2): blocks make up sub-intervals,
// and the last n sub-intervals make up the window. With each sub-interval a Window
// ends, whose demand is the exact energy of the window over the demand interval T.
// One sub-interval to the window is block demand; more is rolling demand, renewed
// every T/n. The timed sliding window of the PM5500, renewed every 15 s for T up to
// 15 minutes and every minute beyond, is rolling demand of 60 or T/1min
// sub-intervals, from blocks of 15 s or a minute.
//
// Beside it stand what needs no more than demands: Group for coincident peaks,
// Ratchet for billing demand, Projected for the end of the open interval. Thermal
// is the other kind of demand, and takes samples of power.
//
// # Policies
//
// Where meters and tariffs disagree there is a named policy:
//
//   - Missing time: Incomplete. The default Exclude gives no demand, so that a
//     window of which anything is unknown is never a peak. Nominal divides by T, as
//     ANSI C12 meters do: it understates. Elapsed divides by the covered time, as
//     the SENTRON PAC3100 does: it overstates. Uncertain time is covered, and said.
//   - Energy that a register carries over from an earlier time is in no window's
//     demand, under any policy.
//   - Power-up: Register.PowerUp breaks the sub-interval in which power comes back;
//     rolling demand is unknown until n full sub-intervals have passed since, as in
//     ANSI meters. Lost samples are not lost power: a run of missing time counts as
//     an outage only beyond Config.Outage, which is off by default.
//   - Forgiveness: off by default. Windows that overlap with the time after
//     power-up have a demand, flagged Forgiven, that is never a peak. Utilities use
//     some 15 minutes for cold-load pick-up; the ION8000 calls it so.
//   - A rolling window without any known time begins anew, as at the start.
//   - Direction: a Quantity has one, and its peak is its largest value. Of equal
//     peaks the first counts. A known demand of 0 can be a peak.
//   - Apparent demand: ApparentVector of the window's net energies, or
//     ApparentSubintervals, the sum over sub-intervals. They differ, and neither is
//     the mean of |S|.
//   - Reset: adds the peak to the cumulative demand. Config.Lockout keeps out
//     another of the same Cause: off by default; 25 days in the ION8650, 24 h in
//     Aclara meters. A window counts for the period in which it ends.
//   - The clock: sub-intervals begin at midnight UTC plus Config.Offset, like the
//     blocks of a Router, or at midnight in Config.In. A change of the zone that
//     is no multiple of a sub-interval ends the open one early, flagged Shortened,
//     and windows begin anew: the hours of Lord Howe, which shifts by 30 minutes,
//     begin on the full local hour all year round. Other changes do nothing, for
//     time is counted in UTC.
//   - Coincident peak: a member without a demand is missing, not 0. The peak of a
//     reference stands without it; the sum of a group does not.
//
// # Guarantees
//
//   - Demand is exact: sums of aggregate.Energy, compared as energies over times
//     and not as rounded quotients. A square root, and a peak scaled by Elapsed to
//     be cumulated, are rounded once to a quantum of 0.5 fJ; a float64 is the
//     nearest one. Thermal alone is reckoned in float64.
//   - Nothing is made up: a demand that is not known is no number.
//   - Nothing is dropped in silence: Counts, GroupCounts and ThermalCounts tell.
//   - Memory is bounded and allocated by the constructors. Nothing allocates after
//     that; there is no clock, no goroutine, no lock and no logging.
//   - A state saved after any call and taken up by another of the same
//     configuration goes on to the same results, to the bit. A state that is cut or
//     that cannot be is refused, and changes nothing.
//   - Input cannot make it panic. Constructors name all faults of a configuration
//     at once.
package demand
