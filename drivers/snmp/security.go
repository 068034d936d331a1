package snmp

import (
	"strconv"

	"github.com/fieldtap/fieldtap/internal/snmpwire"
)

// Version is a version of the protocol. The zero value means: 3 if there is a User,
// 2c if there is a Community, and is a fault if there is neither.
type Version uint8

// The versions. Versions 1 and 2c send their community for everyone on the way to
// read, and anybody can answer in an agent's name.
const (
	V1  Version = iota + 1 // RFC 1157
	V2c                    // RFC 1901
	V3                     // RFC 3412, with the users of RFC 3414
)

// String returns the version's name, such as "v2c".
func (v Version) String() string {
	switch v {
	case V1:
		return "v1"
	case V2c:
		return "v2c"
	case V3:
		return "v3"
	}
	return "version " + strconv.Itoa(int(v))
}

// wire returns the number of v in messages.
func (v Version) wire() snmpwire.Version {
	switch v {
	case V1:
		return snmpwire.V1
	case V2c:
		return snmpwire.V2c
	}
	return snmpwire.V3
}
