package snmpwire

import (
	"errors"
	"strings"
)

// What may be wrong with an encoding. What the readers of messages return wraps one
// of these and says where it was found.
var (
	ErrTruncated = errors.New("snmpwire: truncated")                   // ends before its length says
	ErrLength    = errors.New("snmpwire: length form not allowed")     // indefinite, or more than four octets
	ErrTrailing  = errors.New("snmpwire: bytes after the end")         // in a container, or behind the message
	ErrRange     = errors.New("snmpwire: number out of range")         // or a string of a length its field cannot have
	ErrTag       = errors.New("snmpwire: unexpected tag")              // another type than the field has
	ErrOID       = errors.New("snmpwire: malformed object identifier") // too many arcs, too large, or not minimal
	ErrSupport   = errors.New("snmpwire: not supported")               // another version, PDU or security model
)

// fault is one of the errors above at a place. It is one octet, which fits an error
// interface without allocation: hostile input costs no memory.
type fault uint8

// place says where a fault is, in the upper five bits of it.
type place uint8

const (
	inMessage place = iota
	inVersion
	inCommunity
	inPDU
	inPDUHeader
	inTrapHeader
	inBindings
	inBinding
	inName
	inValue
	inHeader
	inSecurityModel
	inSecurity
	inEngine
	inUser
	inAuthentication
	inPrivacy
	inScoped
	inContext
)

var places = [...]string{
	inMessage:        "message",
	inVersion:        "version",
	inCommunity:      "community",
	inPDU:            "PDU",
	inPDUHeader:      "PDU header",
	inTrapHeader:     "trap header",
	inBindings:       "variable bindings",
	inBinding:        "variable binding",
	inName:           "name of a variable",
	inValue:          "value",
	inHeader:         "header",
	inSecurityModel:  "security model",
	inSecurity:       "security parameters",
	inEngine:         "engine",
	inUser:           "user",
	inAuthentication: "authentication parameters",
	inPrivacy:        "privacy parameters",
	inScoped:         "scoped PDU",
	inContext:        "context",
}

var reasons = [...]error{ErrTruncated, ErrLength, ErrTrailing, ErrRange, ErrTag, ErrOID, ErrSupport}

// at returns err, one of the package's own, with where it was found.
func at(p place, err error) error {
	for i, reason := range reasons {
		if err == reason {
			return fault(p)<<3 | fault(i)
		}
	}
	return err
}

// Error returns the place and the reason.
func (f fault) Error() string {
	const prefix = "snmpwire: "
	return prefix + places[f>>3] + strings.TrimPrefix(reasons[f&7].Error(), prefix[:len(prefix)-2])
}

// Unwrap returns the reason.
func (f fault) Unwrap() error { return reasons[f&7] }
