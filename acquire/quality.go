package acquire

import "strconv"

// Quality says how far a sample can be trusted and why: a severity, a reason
// class common to all protocols, flags, and the protocol's own code.
//
// The layout, from the high bit: 16 bits native code, 8 bits flags, 6 bits
// reason, 2 bits severity. The zero value is Bad, so that a sample nobody
// judged is never taken for a good one. Build a Quality from a severity:
//
//	acquire.Bad.Because(acquire.Communication)
//	acquire.Good.With(acquire.SourceTime)
type Quality uint32

// The severities, worst first. Each is a Quality without reason, flags or code.
const (
	Bad       Quality = 0 // the value is absent or must not be used
	Uncertain Quality = 1 // the value may be used with doubt
	Good      Quality = 2 // the value is what the device says it measured
)

// Reason is the class of cause behind a Bad or Uncertain quality. The classes
// follow OPC UA Part 8 (status codes for data access) and OPC DA 3.0 quality
// sub-status, reduced to what a host acts upon.
type Reason uint8

// The reason classes.
const (
	Unspecified   Reason = iota // none given; on a zero Quality: never judged
	Configuration               // the device refuses what was asked: wrong address, function or range
	NotFound                    // the object does not exist, or does not exist any more
	Communication               // no answer, or no link to the device
	Protocol                    // an answer came and broke the protocol's rules
	Device                      // the device reports a fault of its own
	Busy                        // the device asks to be left alone for a while
	Sensor                      // the device marks the measured value as not available
	Security                    // authentication or authorisation failed
	Waiting                     // no value has arrived yet
	OutOfService                // taken out of service on purpose
	Range                       // outside what the point or its kind can hold
)

// String returns the reason's name in lower case, such as "communication".
func (r Reason) String() string {
	switch r {
	case Unspecified:
		return "unspecified"
	case Configuration:
		return "configuration"
	case NotFound:
		return "not found"
	case Communication:
		return "communication"
	case Protocol:
		return "protocol"
	case Device:
		return "device"
	case Busy:
		return "busy"
	case Sensor:
		return "sensor"
	case Security:
		return "security"
	case Waiting:
		return "waiting"
	case OutOfService:
		return "out of service"
	case Range:
		return "range"
	}
	return "reason " + strconv.Itoa(int(r))
}

// Flags are facts beside the severity; several may be set.
type Flags uint8

// The flags.
const (
	SourceTime    Flags = 1 << iota // Sample.Time is the device's own; clear: the midpoint of the request
	Overflow                        // samples of this point were lost just before this one
	TimeBackwards                   // Sample.Time is before an earlier sample of this point
	Backfilled                      // read later from the device's history
	Discontinuity                   // the device says its counter restarted before this sample
	Final                           // the point is gone; no further sample until it comes back

	allFlags = SourceTime | Overflow | TimeBackwards | Backfilled | Discontinuity | Final
)

var flagNames = [...]string{"source time", "overflow", "time backwards", "backfilled", "discontinuity", "final"}

const (
	severityMask = 0x3
	reasonShift  = 2
	reasonMask   = 0x3f
	flagShift    = 8
	nativeShift  = 16
)

// Because returns q with the reason r in place of its own.
func (q Quality) Because(r Reason) Quality {
	return q&^(reasonMask<<reasonShift) | Quality(r&reasonMask)<<reasonShift
}

// With returns q with the flags f added.
func (q Quality) With(f Flags) Quality { return q | Quality(f)<<flagShift }

// WithNative returns q carrying the protocol's own code in place of any other: a Modbus
// exception code, an SNMP error-status, the upper half of an OPC UA StatusCode.
func (q Quality) WithNative(code uint16) Quality {
	return q&(1<<nativeShift-1) | Quality(code)<<nativeShift
}

// Severity returns Bad, Uncertain or Good without reason, flags and code. The
// one unused bit pattern reads as Bad.
func (q Quality) Severity() Quality {
	if s := q & severityMask; s <= Good {
		return s
	}
	return Bad
}

// IsGood reports whether the severity is Good.
func (q Quality) IsGood() bool { return q&severityMask == Good }

// IsUncertain reports whether the severity is Uncertain.
func (q Quality) IsUncertain() bool { return q&severityMask == Uncertain }

// IsBad reports whether the severity is Bad.
func (q Quality) IsBad() bool { return q.Severity() == Bad }

// Reason returns the reason class.
func (q Quality) Reason() Reason { return Reason(q >> reasonShift & reasonMask) }

// Flags returns the flags.
func (q Quality) Flags() Flags { return Flags(q >> flagShift) }

// Has reports whether all of the flags f are set.
func (q Quality) Has(f Flags) bool { return Flags(q>>flagShift)&f == f }

// Native returns the protocol's own code, 0 if it gave none.
func (q Quality) Native() uint16 { return uint16(q >> nativeShift) }

// String formats q for people: "good", "bad: communication",
// "bad: configuration (code 2)", "good [source time]".
func (q Quality) String() string { return string(q.append(nil)) }

func (q Quality) append(b []byte) []byte {
	switch q.Severity() {
	case Good:
		b = append(b, "good"...)
	case Uncertain:
		b = append(b, "uncertain"...)
	default:
		b = append(b, "bad"...)
	}
	if r := q.Reason(); r != Unspecified {
		b = append(b, ": "...)
		b = append(b, r.String()...)
	}
	if n := q.Native(); n != 0 {
		b = append(b, " (code "...)
		b = strconv.AppendUint(b, uint64(n), 10)
		b = append(b, ')')
	}
	if f := q.Flags() & allFlags; f != 0 {
		b = append(b, " ["...)
		first := true
		for i, name := range flagNames {
			if f&(1<<i) == 0 {
				continue
			}
			if !first {
				b = append(b, ", "...)
			}
			b, first = append(b, name...), false
		}
		b = append(b, ']')
	}
	return b
}
