package part13

import "strconv"

// Function is a standard aggregate function. Its number is the NodeId of the
// function's object in namespace 0 (Part 13, 4.2.2; Part 6, Annex A), so that
// Average is ns=0;i=2342. The zero value is no function.
type Function uint32

// The standard aggregate functions, in the order of Part 13, Table 5. The package
// comment tells what each computes.
const (
	Interpolative               Function = 2341
	Average                     Function = 2342
	TimeAverage                 Function = 2343
	TimeAverage2                Function = 11285
	Total                       Function = 2344
	Total2                      Function = 11304
	Minimum                     Function = 2346
	Maximum                     Function = 2347
	MinimumActualTime           Function = 2348
	MaximumActualTime           Function = 2349
	Range                       Function = 2350
	Minimum2                    Function = 11286
	Maximum2                    Function = 11287
	MinimumActualTime2          Function = 11305
	MaximumActualTime2          Function = 11306
	Range2                      Function = 11288
	AnnotationCount             Function = 2351
	Count                       Function = 2352
	DurationInStateZero         Function = 11307
	DurationInStateNonZero      Function = 11308
	NumberOfTransitions         Function = 2355
	Start                       Function = 2357
	End                         Function = 2358
	Delta                       Function = 2359
	StartBound                  Function = 11505
	EndBound                    Function = 11506
	DeltaBounds                 Function = 11507
	DurationGood                Function = 2360
	DurationBad                 Function = 2361
	PercentGood                 Function = 2362
	PercentBad                  Function = 2363
	WorstQuality                Function = 2364
	WorstQuality2               Function = 11292
	StandardDeviationSample     Function = 11426
	VarianceSample              Function = 11428
	StandardDeviationPopulation Function = 11427
	VariancePopulation          Function = 11429
)

// Bounds is the kind of bounding values a function uses.
type Bounds uint8

// The kinds of bounds.
const (
	NoBounds           Bounds = iota // raw values alone
	SimpleBounds                     // from the nearest raw values, Bad or not (3.1.9)
	InterpolatedBounds               // from the nearest non-Bad raw values (3.1.8)
)

// functions is in the order of the constants above. The clause is 5.4.3.4 plus
// the place in the table.
var functions = [...]struct {
	id     Function
	name   string
	clause int
	bounds Bounds
}{
	{Interpolative, "Interpolative", 4, InterpolatedBounds},
	{Average, "Average", 5, NoBounds},
	{TimeAverage, "TimeAverage", 6, InterpolatedBounds},
	{TimeAverage2, "TimeAverage2", 7, SimpleBounds},
	{Total, "Total", 8, InterpolatedBounds},
	{Total2, "Total2", 9, SimpleBounds},
	{Minimum, "Minimum", 10, NoBounds},
	{Maximum, "Maximum", 11, NoBounds},
	{MinimumActualTime, "MinimumActualTime", 12, NoBounds},
	{MaximumActualTime, "MaximumActualTime", 13, NoBounds},
	{Range, "Range", 14, NoBounds},
	{Minimum2, "Minimum2", 15, SimpleBounds},
	{Maximum2, "Maximum2", 16, SimpleBounds},
	{MinimumActualTime2, "MinimumActualTime2", 17, SimpleBounds},
	{MaximumActualTime2, "MaximumActualTime2", 18, SimpleBounds},
	{Range2, "Range2", 19, SimpleBounds},
	{AnnotationCount, "AnnotationCount", 20, NoBounds},
	{Count, "Count", 21, NoBounds},
	{DurationInStateZero, "DurationInStateZero", 22, SimpleBounds},
	{DurationInStateNonZero, "DurationInStateNonZero", 23, SimpleBounds},
	{NumberOfTransitions, "NumberOfTransitions", 24, NoBounds},
	{Start, "Start", 25, NoBounds},
	{End, "End", 26, NoBounds},
	{Delta, "Delta", 27, NoBounds},
	{StartBound, "StartBound", 28, SimpleBounds},
	{EndBound, "EndBound", 29, SimpleBounds},
	{DeltaBounds, "DeltaBounds", 30, SimpleBounds},
	{DurationGood, "DurationGood", 31, SimpleBounds},
	{DurationBad, "DurationBad", 32, SimpleBounds},
	{PercentGood, "PercentGood", 33, SimpleBounds},
	{PercentBad, "PercentBad", 34, SimpleBounds},
	{WorstQuality, "WorstQuality", 35, NoBounds},
	{WorstQuality2, "WorstQuality2", 36, SimpleBounds},
	{StandardDeviationSample, "StandardDeviationSample", 37, NoBounds},
	{VarianceSample, "VarianceSample", 38, NoBounds},
	{StandardDeviationPopulation, "StandardDeviationPopulation", 39, NoBounds},
	{VariancePopulation, "VariancePopulation", 40, NoBounds},
}

// Functions returns the 37 standard functions in the order of the standard.
func Functions() []Function {
	all := make([]Function, len(functions))
	for i := range functions {
		all[i] = functions[i].id
	}
	return all
}

// ParseFunction finds a function by its browse name, such as "TimeAverage2".
func ParseFunction(name string) (Function, bool) {
	for i := range functions {
		if functions[i].name == name {
			return functions[i].id, true
		}
	}
	return 0, false
}

// Valid reports whether f is one of the standard functions.
func (f Function) Valid() bool { return f.index() >= 0 }

// String returns the browse name of f.
func (f Function) String() string {
	if i := f.index(); i >= 0 {
		return functions[i].name
	}
	return "function i=" + strconv.FormatUint(uint64(f), 10)
}

// Clause returns the clause of Part 13 that defines f, such as "5.4.3.7", empty
// if f is not valid.
func (f Function) Clause() string {
	if i := f.index(); i >= 0 {
		return "5.4.3." + strconv.Itoa(functions[i].clause)
	}
	return ""
}

// Bounds returns the kind of bounding values f uses.
func (f Function) Bounds() Bounds {
	if i := f.index(); i >= 0 {
		return functions[i].bounds
	}
	return NoBounds
}

func (f Function) index() int {
	for i := range functions {
		if functions[i].id == f {
			return i
		}
	}
	return -1
}
