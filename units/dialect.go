package units

import "fmt"

// Stated is what a device, a document or a server states as the unit of its
// numbers: either a unit and an exact scale, or a verdict why not and the raw
// text. It is never a guess.
//
// A number x from the device is x·Scale in Unit: the text "0.1 Volt DC" is
// [Volt] at 1/10. The zero value states nothing. Raw and Part share memory with
// the text that was read. Values compare by ==.
type Stated struct {
	Unit    Unit    // None unless Verdict is Understood
	Scale   Scale   // in lowest terms; the zero value is 1
	Dialect Dialect // how the text was read
	Verdict Verdict // what came of it
	Raw     string  // the text as it was given; empty for dialects of numbers
	Part    string  // the piece of Raw, or the code, that is to blame; empty where it is all of Raw
}

// Understood reports whether Unit and Scale hold.
func (s Stated) Understood() bool { return s.Verdict == Understood && s.Unit.Valid() }

// Err is nil where the unit was understood. Otherwise it is an error that wraps
// [ErrUnknown], names the dialect and the verdict, and quotes the piece to blame
// (its first 64 bytes).
func (s Stated) Err() error {
	if s.Understood() {
		return nil
	}
	text := s.Raw
	if s.Part != "" {
		text = s.Part
	}
	return fmt.Errorf("units: %w: %v: %s %v", ErrUnknown, s.Dialect, quote(text), s.Verdict)
}

// Between prepares the conversion of the device's numbers into unit to: scale
// and conversion in one exact ratio. The error is that of [Stated.Err], a
// *[KindError], or wraps [ErrRange] where the scale cannot be carried along, as
// between degree and radian or between temperatures in different units.
func (s Stated) Between(to Unit) (Scale, error) {
	if err := s.Err(); err != nil {
		return Scale{}, err
	}
	if s.Unit == to {
		return s.Scale.Reduce(), nil
	}
	c, err := Between(s.Unit, to)
	if err != nil {
		return Scale{}, err
	}
	scale, ok := s.Scale.Then(c)
	if !ok {
		return Scale{}, fmt.Errorf("units: %v times %v to %v: %w", s.Scale, s.Unit, to, ErrRange)
	}
	return scale, nil
}

// Verdict says what came of reading a unit.
type Verdict uint8

// The verdicts.
const (
	NotStated   Verdict = iota // there was no text
	Understood                 // unit and scale hold
	Unknown                    // no text or code that the dialect knows
	Ambiguous                  // it can mean more than one unit
	WrongCase                  // it would be known in another case, and case carries meaning: Mw
	NotAUnit                   // known to be no unit: a format, a placeholder, a reference
	Malformed                  // against the grammar of the dialect
	Unsupported                // known to the dialect or valid in it, but no unit of this package
	OutOfRange                 // understood, but the exact scale does not fit

	verdictEnd
)

var verdictNames = [verdictEnd]string{
	NotStated:   "is not stated",
	Understood:  "is understood",
	Unknown:     "is unknown",
	Ambiguous:   "is ambiguous",
	WrongCase:   "is known only in another case",
	NotAUnit:    "is not a unit",
	Malformed:   "is malformed",
	Unsupported: "is not supported",
	OutOfRange:  "has a scale out of range",
}

// String says the verdict as the rest of a sentence: "is ambiguous".
func (v Verdict) String() string {
	if v < verdictEnd {
		return verdictNames[v]
	}
	return fmt.Sprintf("Verdict(%d)", uint8(v))
}

// Dialect is a way in which units are written.
type Dialect uint8

// The dialects, each with the function that reads it.
const (
	DialectNone         Dialect = iota // none
	DialectManual                      // [ReadManual]
	DialectEU                          // [ReadEU]
	DialectUNECE                       // [ReadUNECE]
	DialectUCUM                        // [ReadUCUM]
	DialectSunSpec                     // [ReadSunSpec]
	DialectSNMP                        // [ReadSNMP]
	DialectEntitySensor                // [ReadEntitySensor]
	DialectSIUnit                      // [ReadSIUnit]
	DialectESPI                        // [ReadESPI]

	dialectEnd
)

var dialectNames = [dialectEnd]string{
	DialectNone:         "none",
	DialectManual:       "manual",
	DialectEU:           "opcua",
	DialectUNECE:        "unece",
	DialectUCUM:         "ucum",
	DialectSunSpec:      "sunspec",
	DialectSNMP:         "snmp",
	DialectEntitySensor: "entity-sensor",
	DialectSIUnit:       "siunit",
	DialectESPI:         "espi",
}

// String names the dialect in lower case: "ucum".
func (d Dialect) String() string {
	if d < dialectEnd {
		return dialectNames[d]
	}
	return fmt.Sprintf("Dialect(%d)", uint8(d))
}

// understood is the good end of every reader.
func understood(d Dialect, raw string, u Unit, scale Scale) Stated {
	return Stated{Unit: u, Scale: scale.Reduce(), Dialect: d, Verdict: Understood, Raw: raw}
}

// refused is the other.
func refused(d Dialect, raw, part string, v Verdict) Stated {
	if part == raw {
		part = ""
	}
	return Stated{Dialect: d, Verdict: v, Raw: raw, Part: part}
}

// tenTo returns 10^n as a scale, and whether it fits.
func tenTo(n int) (Scale, bool) {
	if n < -18 || n > 18 {
		return Scale{}, false
	}
	power := int64(1)
	for range max(n, -n) {
		power *= 10
	}
	if n < 0 {
		return Scale{Num: 1, Den: power}, true
	}
	return Scale{Num: power, Den: 1}, true
}
