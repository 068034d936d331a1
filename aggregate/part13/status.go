package part13

import (
	"strconv"

	"github.com/fieldtap/fieldtap/acquire"
)

// StatusCode is an OPC UA status code as it goes over the wire (Part 4, 7.38):
// the upper half is the code, the lower half flags. The two highest bits are the
// severity. The zero value is Good, as in the standard.
type StatusCode uint32

// The codes this package gives or looks for (Part 4, Table 177 and Part 8, A.4.3.2).
const (
	Good                   StatusCode = 0x00000000
	Uncertain              StatusCode = 0x40000000
	UncertainDataSubNormal StatusCode = 0x40A40000 // from fewer Good values than asked for
	Bad                    StatusCode = 0x80000000
	BadOutOfRange          StatusCode = 0x803C0000
	BadTypeMismatch        StatusCode = 0x80740000
	BadNoData              StatusCode = 0x809B0000
	BadBoundNotFound       StatusCode = 0x80D70000
	BadBoundNotSupported   StatusCode = 0x80D80000
)

// Info is the set of information bits that say where an aggregated value comes
// from (Part 13, 5.3.3; bits 0 to 4 of a status code, Part 4, Table 175). A value
// without Calculated and Interpolated is Raw.
type Info uint32

// The information bits.
const (
	Calculated   Info = 0x01 // computed from several values
	Interpolated Info = 0x02 // a point on the line through its neighbours
	Partial      Info = 0x04 // the interval is cut by the request or by the extent of the data
	ExtraData    Info = 0x08 // hides other data with the same timestamp
	MultiValue   Info = 0x10 // several values match; the first is given
)

const (
	infoMask     = 0x1F
	infoTypeData = 0x0400 // InfoType DataValue: the bits above apply (Part 4, Table 174)
	infoTypeMask = 0x0C00
	codeMask     = 0xFFFF0000
	severityBits = 0xC0000000
)

// IsGood reports whether the severity is Good.
func (s StatusCode) IsGood() bool { return s&severityBits == Good }

// IsUncertain reports whether the severity is Uncertain.
func (s StatusCode) IsUncertain() bool { return s&severityBits == Uncertain }

// IsBad reports whether the severity is Bad. The reserved pattern reads as Bad.
func (s StatusCode) IsBad() bool { return s&Bad != 0 }

// Code returns s without the flags of its lower half.
func (s StatusCode) Code() StatusCode { return s & codeMask }

// With returns s with the bits of i added.
func (s StatusCode) With(i Info) StatusCode {
	if i == 0 {
		return s
	}
	return s&^infoTypeMask | infoTypeData | StatusCode(i&infoMask)
}

// Info returns the information bits, none if the code carries no such bits.
func (s StatusCode) Info() Info {
	if s&infoTypeMask != infoTypeData {
		return 0
	}
	return Info(s & infoMask)
}

// Has reports whether all bits of i are set.
func (s StatusCode) Has(i Info) bool { return s.Info()&i == i }

// String formats s as the tables of Part 13 do: "Good, Calculated, Partial".
func (s StatusCode) String() string {
	var b []byte
	switch c := s.Code(); c {
	case Good:
		b = append(b, "Good"...)
	case Uncertain:
		b = append(b, "Uncertain"...)
	case UncertainDataSubNormal:
		b = append(b, "UncertainDataSubNormal"...)
	case Bad:
		b = append(b, "Bad"...)
	case BadNoData:
		b = append(b, "BadNoData"...)
	default:
		b = append(b, "0x"...)
		b = strconv.AppendUint(b, uint64(c), 16)
	}
	for _, n := range infoNames {
		if s.Has(n.bit) {
			b = append(append(b, ", "...), n.name...)
		}
	}
	return string(b)
}

var infoNames = [...]struct {
	bit  Info
	name string
}{
	{Calculated, "Calculated"},
	{Interpolated, "Interpolated"},
	{Partial, "Partial"},
	{ExtraData, "ExtraData"},
	{MultiValue, "MultipleValues"},
}

// severity ranks codes: 0 Good, 1 Uncertain, 2 Bad.
func (s StatusCode) severity() class {
	switch {
	case s.IsBad():
		return bad
	case s.IsUncertain():
		return uncertain
	}
	return good
}

// badCodes pairs reason classes with the status codes of Part 4, Table 177 and
// Part 8, A.4.3.2 that say the same.
var badCodes = [...]struct {
	reason acquire.Reason
	code   StatusCode
}{
	{acquire.Communication, 0x80050000}, // Bad_CommunicationError
	{acquire.Protocol, 0x80070000},      // Bad_DecodingError
	{acquire.Busy, 0x80040000},          // Bad_ResourceUnavailable
	{acquire.Security, 0x801F0000},      // Bad_UserAccessDenied
	{acquire.Waiting, 0x80320000},       // Bad_WaitingForInitialData
	{acquire.Range, BadOutOfRange},
	{acquire.NotFound, 0x803E0000},      // Bad_NotFound
	{acquire.Configuration, 0x80890000}, // Bad_ConfigurationError
	{acquire.Device, 0x808B0000},        // Bad_DeviceFailure
	{acquire.Sensor, 0x808C0000},        // Bad_SensorFailure
	{acquire.OutOfService, 0x808D0000},  // Bad_OutOfService
}

// StatusOf returns the status code of a quality. A native code is the upper half
// of a status code if its severity is that of q; codes of other protocols do not
// pass that test, or mean no more than Good. Otherwise the reason decides.
func StatusOf(q acquire.Quality) StatusCode {
	native := StatusCode(q.Native()) << 16
	switch q.Severity() {
	case acquire.Good:
		// Good codes of the standard begin at 0x002D; smaller ones are another
		// protocol's.
		if native.IsGood() && native >= 0x002D0000 {
			return native
		}
		return Good
	case acquire.Uncertain:
		if native.IsUncertain() {
			return native
		}
		return Uncertain
	}
	if native.IsBad() {
		return native
	}
	for _, c := range badCodes {
		if c.reason == q.Reason() {
			return c.code
		}
	}
	return Bad
}

// QualityOf returns the quality of a status code: its severity, the reason class
// where one is known, and the upper half as native code.
func QualityOf(s StatusCode) acquire.Quality {
	q := acquire.Good
	switch {
	case s.IsBad():
		q = acquire.Bad
		for _, c := range badCodes {
			if c.code == s.Code() {
				q = q.Because(c.reason)
				break
			}
		}
	case s.IsUncertain():
		q = acquire.Uncertain
	}
	return q.WithNative(uint16(s >> 16))
}
