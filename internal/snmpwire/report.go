package snmpwire

import "strings"

// Stat is a counter that a Report carries: why a message was not answered.
type Stat uint8

// The counters of the User-based Security Model (RFC 3414, section 5), of message
// processing (RFC 3412, section 5), and of contexts (RFC 3413, section 4.1.2).
const (
	UnknownStat           Stat = iota
	UnsupportedSecLevels       // the user has no keys for the level
	NotInTimeWindows           // boots or time are not the engine's
	UnknownUserNames           // no such user
	UnknownEngineIDs           // another engine, or the question for its id
	WrongDigests               // another authentication key or protocol
	DecryptionErrors           // another privacy protocol, or nonsense
	UnknownSecurityModels      // no User-based Security Model
	InvalidMsgs                // fields that contradict each other
	UnknownPDUHandlers         // nobody there for the PDU
	UnavailableContexts        // context known, and not there
	UnknownContexts            // no such context
)

var stats = [...]struct{ name, oid string }{
	UnknownStat:           {"unknown", ""},
	UnsupportedSecLevels:  {"usmStatsUnsupportedSecLevels", usmStats + "\x01\x00"},
	NotInTimeWindows:      {"usmStatsNotInTimeWindows", usmStats + "\x02\x00"},
	UnknownUserNames:      {"usmStatsUnknownUserNames", usmStats + "\x03\x00"},
	UnknownEngineIDs:      {"usmStatsUnknownEngineIDs", usmStats + "\x04\x00"},
	WrongDigests:          {"usmStatsWrongDigests", usmStats + "\x05\x00"},
	DecryptionErrors:      {"usmStatsDecryptionErrors", usmStats + "\x06\x00"},
	UnknownSecurityModels: {"snmpUnknownSecurityModels", mpdStats + "\x01\x00"},
	InvalidMsgs:           {"snmpInvalidMsgs", mpdStats + "\x02\x00"},
	UnknownPDUHandlers:    {"snmpUnknownPDUHandlers", mpdStats + "\x03\x00"},
	UnavailableContexts:   {"snmpUnavailableContexts", targetObjects + "\x04\x00"},
	UnknownContexts:       {"snmpUnknownContexts", targetObjects + "\x05\x00"},
}

const (
	usmStats      = "\x2b\x06\x01\x06\x03\x0f\x01\x01" // 1.3.6.1.6.3.15.1.1
	mpdStats      = "\x2b\x06\x01\x06\x03\x0b\x02\x01" // 1.3.6.1.6.3.11.2.1
	targetObjects = "\x2b\x06\x01\x06\x03\x0c\x01"     // 1.3.6.1.6.3.12.1
)

// String returns the name in the MIB, such as "usmStatsWrongDigests".
func (s Stat) String() string {
	if int(s) >= len(stats) {
		s = UnknownStat
	}
	return stats[s].name
}

// OID returns the encoded object identifier of the counter's instance; empty for
// UnknownStat.
func (s Stat) OID() string {
	if int(s) >= len(stats) {
		s = UnknownStat
	}
	return stats[s].oid
}

// StatOf returns the counter that an encoded object identifier names, with its
// instance or without it, as some agents send it; UnknownStat for any other.
func StatOf(name []byte) Stat {
	for s := UnsupportedSecLevels; int(s) < len(stats); s++ {
		if oid := stats[s].oid; string(name) == oid || string(name) == strings.TrimSuffix(oid, "\x00") {
			return s
		}
	}
	return UnknownStat
}
