// Package part13 computes the 37 standard aggregates of OPC UA (OPC 10000-13,
// Aggregates, release 1.05) over raw values of one variable: time-weighted and
// plain averages, totals, extremes, counts, durations, bounds, quality and
// deviations, with the status codes and information bits of the standard.
//
// A request divides a time range into intervals [start, end); each gives one
// value of each function. A Calculator takes raw values as they come, in bounded
// memory; Process does a slice at once.
//
// # Regions and bounds
//
// The raw values divide an interval into regions. A region runs from one value to
// the next, along a straight line or, for Stepped variables, level. At the edges of
// an interval stand bounding values:
//
//   - Simple bounds (3.1.9) come from the nearest raw values. If the one before is
//     Bad there is no bound; if the one after is Bad the value before is held, as
//     Uncertain. They suit reports, since Bad data is never bridged.
//   - Interpolated bounds (3.1.8) come from the nearest values that are not Bad,
//     and are Uncertain if Bad ones lie between. Beyond the last value they are
//     extrapolated, as Uncertain. They suit control, which wants a value always.
//
// Under TreatUncertainAsBad, the default, raw values of Uncertain status are Bad
// in this sense; bounds that are Uncertain themselves are not. A region is Bad if
// it begins with a Bad value. It is Uncertain if it begins with an Uncertain one,
// or if a line is drawn to an end that is not Good. The time of Bad regions is left
// out of averages and totals.
//
// # Functions
//
// Bounds are N none, S simple, I interpolated. The status of a result comes from
// the shares of time or of values against PercentDataBad and PercentDataGood
// (5.4.3.2.1), or is the function's own.
//
//	function                       bounds  status  value
//	Interpolative                  I       bound   at the start of the interval
//	Average                        N       values  mean of Good values
//	TimeAverage                    I       own     mean along straight lines, Bad values skipped
//	TimeAverage2                   S       time    mean over regions that are not Bad
//	Total                          I       own     integral of TimeAverage, in unit x s
//	Total2                         S       time    integral of TimeAverage2, in unit x s
//	Minimum, Maximum               N       own     of Good values, dated at the start
//	Minimum-, MaximumActualTime    N       own     the same with their own time
//	Range                          N       own     Maximum - Minimum
//	Minimum2, Maximum2             S       time    of values and bounds that are not Bad
//	Minimum-, MaximumActualTime2   S       time    the same with their own time
//	Range2                         S       time    Maximum2 - Minimum2
//	AnnotationCount                N       Good    annotations
//	Count                          N       values  Good values
//	DurationInStateZero, -NonZero  S       time    ms from Good points at, not at zero
//	NumberOfTransitions            N       values  changes between values that are not Bad
//	Start, End                     N       raw     first, last raw value, Bad or not
//	Delta                          N       own     last - first Good value
//	StartBound, EndBound           S       bound   at the start, at the end
//	DeltaBounds                    S       own     EndBound - StartBound
//	DurationGood, DurationBad      S       Good    ms from Good, from Bad points
//	PercentGood, PercentBad        S       Good    the same in percent of the interval
//	WorstQuality                   N       Good    worst status of the raw values
//	WorstQuality2                  S       Good    the same with the start bound
//	StandardDeviation-, Variance-  N       own     of Good values; Sample by n-1, Population by n
//
// Own status: Good, or Uncertain_DataSubNormal if anything that is not Good had to
// be passed over or used. Without a value to give, the status is Bad_NoData.
//
// # Edges of the data
//
// An interval before the first raw value or after the last one is Bad_NoData, save
// that TimeAverage, Total and Interpolative are extrapolated beyond the last. An
// interval in which data begins or ends is Partial, and so is one that the request
// cuts short: what lies before the first value is Bad; what lies more than
// Config.Resolution after the last does not count, so that percentages are of the
// shorter length. Average and AnnotationCount are never Partial.
//
// # Backward requests
//
// If the request ends before it starts, its intervals include their later edge and
// exclude the earlier one, and are dated by the later one. StartBound, EndBound,
// DeltaBounds and Interpolative follow that direction. What concerns values within
// an interval stays in order of time: Start, End, Delta, the first of several
// extremes, and the bound of WorstQuality2, which is the earlier one.
//
// # Where the standard disagrees with itself
//
//   - Uncertain data in the shares: see Shares.
//   - With PercentDataGood at 100 - PercentDataBad, 5.4.3.2.1 asks for the Bad share
//     first, while 4.2.1.2 looks at the Good one alone, so that nothing is ever Bad
//     (OPC Foundation issue 6227). The Bad share comes first here, as in Annex A
//     of v1.04.
//   - 5.4.3.8 multiplies TimeAverage by the whole interval, which in the interval
//     where data begins would count the time before. Total is the integral here.
//   - 5.4.3.31 begins DurationGood with the raw value before the interval, Table 42
//     and Annex A with the status of the simple bound. It is the bound here.
//   - TimeAverage draws lines even for Stepped variables (5.4.3.6), between bounds
//     that are stepped (3.1.8).
//   - The text of 5.4.3.37 and 5.4.3.39 makes a deviation Uncertain where values are
//     left out, their tables always Good. The text is followed.
//   - An ActualTime result that is Uncertain has no Calculated bit, as in A.10.
//
// # Guarantees
//
//   - Results follow the worked tables of Annex A; the rows that differ are listed
//     with their reasons in the test that compares them.
//   - Streamed equals sliced: what Calculator gives does not depend on when values
//     come, and Process is the same code.
//   - Push and Next do not allocate. Memory does not grow with the request or the
//     number of values, nor with how long the data is Bad.
//   - Time is integer nanoseconds; shares of time are compared exactly.
//   - A Bad result has the value NaN. No Bad, infinite or NaN value enters one. A
//     result that leaves the range of float64, if only on the way, is
//     Bad_OutOfRange.
//   - No sample is dropped uncounted: see Stats.
package part13
