package snmp

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/fieldtap/fieldtap/acquire"
)

// ErrTimeout is the cause when an agent did not answer in time.
var ErrTimeout = errors.New("no answer in time")

// ErrorStatus is the code with which an agent refuses a request (RFC 3416, section
// 3). It is the native code of the samples that the request was for, and an error.
type ErrorStatus int32

// The error-status codes of RFC 3416, section 3. Of these, version 1 knows the first
// five and GenErr (RFC 1157, section 4.1.1).
const (
	NoError             ErrorStatus = 0
	TooBig              ErrorStatus = 1 // the answer would not fit into a message
	NoSuchName          ErrorStatus = 2 // version 1: there is no such object
	BadValue            ErrorStatus = 3
	ReadOnly            ErrorStatus = 4
	GenErr              ErrorStatus = 5 // the agent failed to read an object
	NoAccess            ErrorStatus = 6
	WrongType           ErrorStatus = 7
	WrongLength         ErrorStatus = 8
	WrongEncoding       ErrorStatus = 9
	WrongValue          ErrorStatus = 10
	NoCreation          ErrorStatus = 11
	InconsistentValue   ErrorStatus = 12
	ResourceUnavailable ErrorStatus = 13
	CommitFailed        ErrorStatus = 14
	UndoFailed          ErrorStatus = 15
	AuthorizationError  ErrorStatus = 16 // the user or community may not read the object
	NotWritable         ErrorStatus = 17
	InconsistentName    ErrorStatus = 18
)

// String returns the standard's name with the number, such as "genErr (5)".
func (e ErrorStatus) String() string {
	name := "error-status"
	switch e {
	case NoError:
		name = "noError"
	case TooBig:
		name = "tooBig"
	case NoSuchName:
		name = "noSuchName"
	case BadValue:
		name = "badValue"
	case ReadOnly:
		name = "readOnly"
	case GenErr:
		name = "genErr"
	case NoAccess:
		name = "noAccess"
	case WrongType:
		name = "wrongType"
	case WrongLength:
		name = "wrongLength"
	case WrongEncoding:
		name = "wrongEncoding"
	case WrongValue:
		name = "wrongValue"
	case NoCreation:
		name = "noCreation"
	case InconsistentValue:
		name = "inconsistentValue"
	case ResourceUnavailable:
		name = "resourceUnavailable"
	case CommitFailed:
		name = "commitFailed"
	case UndoFailed:
		name = "undoFailed"
	case AuthorizationError:
		name = "authorizationError"
	case NotWritable:
		name = "notWritable"
	case InconsistentName:
		name = "inconsistentName"
	}
	return name + " (" + strconv.Itoa(int(e)) + ")"
}

// Error returns what String does.
func (e ErrorStatus) Error() string { return e.String() }

// Quality returns the quality of the samples that e was the answer for.
func (e ErrorStatus) Quality() acquire.Quality {
	reason := acquire.Device
	switch e {
	case NoSuchName:
		reason = acquire.NotFound
	case AuthorizationError:
		reason = acquire.Security
	}
	return acquire.Bad.Because(reason).WithNative(uint16(e))
}

// ObjectError is the refusal of one object.
type ObjectError struct {
	OID    OID         // what was asked for; in a walk, the one before: agents do not say which fails
	Next   OID         // in a walk: the next object that was read, "" if there is none below the root
	Status ErrorStatus // what the agent said
}

// Error formats e as "1.3.6.1.2.1.1.1.0: genErr (5)".
func (e *ObjectError) Error() string {
	if e.Next != "" {
		return string(e.OID) + " to " + string(e.Next) + ": " + e.Status.String()
	}
	return string(e.OID) + ": " + e.Status.String()
}

// Unwrap returns the status.
func (e *ObjectError) Unwrap() error { return e.Status }

// Exception is what an agent gives in place of a value (RFC 3416, section 3). Its
// number is the native code of the sample, and it is an error.
type Exception uint8

// The exceptions.
const (
	NoSuchObject   Exception = 0x80 // the agent knows no such object
	NoSuchInstance Exception = 0x81 // the object has no such row
	EndOfMibView   Exception = 0x82 // nothing comes behind
)

// String returns the standard's name, such as "noSuchObject".
func (e Exception) String() string {
	switch e {
	case NoSuchObject:
		return "noSuchObject"
	case NoSuchInstance:
		return "noSuchInstance"
	case EndOfMibView:
		return "endOfMibView"
	}
	return "exception " + strconv.Itoa(int(e))
}

// Error returns what String does.
func (e Exception) Error() string { return e.String() }

// Quality returns the quality of the sample.
func (e Exception) Quality() acquire.Quality {
	return acquire.Bad.Because(acquire.NotFound).WithNative(uint16(e))
}

// MessageError is an answer that breaks the protocol, or that does not fit the
// request it answers.
type MessageError struct {
	Err error // what is wrong with it
}

// Error formats e as "broken answer: cause".
func (e *MessageError) Error() string { return "broken answer: " + e.Err.Error() }

// Unwrap returns the cause.
func (e *MessageError) Unwrap() error { return e.Err }

// Quality returns the quality of the samples that the answer was for.
func (e *MessageError) Quality() acquire.Quality { return acquire.Bad.Because(acquire.Protocol) }

// broken returns a MessageError.
func broken(format string, args ...any) error {
	return &MessageError{Err: fmt.Errorf(format, args...)}
}
