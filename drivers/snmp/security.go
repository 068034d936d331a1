package snmp

import (
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/internal/snmpwire"
)

// Version is a version of the protocol. The zero value means: 3 if there is a User,
// 2c if there is a Community, and is a fault if there is neither or both.
type Version uint8

// The versions. Versions 1 and 2c send their community for everyone on the way to
// read, and anybody there can answer in an agent's name.
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

// Level is how messages of version 3 are secured (RFC 3411, section 3.4.3).
type Level uint8

// The levels. The zero value is the highest that the keys of a User allow.
const (
	NoAuthNoPriv Level = iota + 1 // like version 2c: anybody can read and forge
	AuthNoPriv                    // authentic and fresh, for everyone to read
	AuthPriv                      // authentic, fresh and encrypted
)

// String returns the name of RFC 3411, such as "authPriv".
func (l Level) String() string {
	switch l {
	case NoAuthNoPriv:
		return "noAuthNoPriv"
	case AuthNoPriv:
		return "authNoPriv"
	case AuthPriv:
		return "authPriv"
	}
	return "level " + strconv.Itoa(int(l))
}

// flags returns the msgFlags of l.
func (l Level) flags() snmpwire.Flags {
	switch l {
	case AuthNoPriv:
		return snmpwire.Authenticated
	case AuthPriv:
		return snmpwire.Authenticated | snmpwire.Private
	}
	return 0
}

// AuthProtocol is how messages are authenticated. The zero value is SHA256 where
// there is a key.
type AuthProtocol uint8

// The authentication protocols. MD5 and SHA1 are for agents that have no other.
const (
	MD5    AuthProtocol = iota + 1 // HMAC-MD5-96: RFC 3414, section 6
	SHA1                           // HMAC-SHA-96: RFC 3414, section 7
	SHA224                         // HMAC-128-SHA-224: RFC 7860
	SHA256                         // HMAC-192-SHA-256: RFC 7860
	SHA384                         // HMAC-256-SHA-384: RFC 7860
	SHA512                         // HMAC-384-SHA-512: RFC 7860
)

// String returns the name of the hash function, such as "SHA-256".
func (a AuthProtocol) String() string {
	if a == 0 || !snmpwire.Auth(a).Valid() {
		return "authentication protocol " + strconv.Itoa(int(a))
	}
	return snmpwire.Auth(a).String()
}

// PrivProtocol is how messages are encrypted. The zero value is AES128 where there
// is a key.
type PrivProtocol uint8

// The privacy protocols. DES is for agents that have no other. AES192 and AES256 are
// in no standard: which Extension an agent has is to be tried.
const (
	DES    PrivProtocol = iota + 1 // CBC-DES: RFC 3414, section 8
	AES128                         // CFB128-AES-128: RFC 3826
	AES192                         // draft-blumenthal-aes-usm-04
	AES256                         // draft-blumenthal-aes-usm-04
)

// String returns the name of the cipher, such as "AES-128".
func (p PrivProtocol) String() string {
	if p < DES || p > AES256 {
		return "privacy protocol " + strconv.Itoa(int(p))
	}
	return snmpwire.Priv(p).String()
}

// Extension is how the key of AES192 and AES256 is made where the hash function of
// the AuthProtocol gives too few bits.
type Extension uint8

// The extensions.
const (
	Blumenthal Extension = iota // draft-blumenthal-aes-usm-04: most agents
	Reeder                      // draft-reeder-snmpv3-usm-3desede-00: Cisco, and some more
)

// String returns the name of the author whose draft it is.
func (e Extension) String() string {
	switch e {
	case Blumenthal:
		return "Blumenthal"
	case Reeder:
		return "Reeder"
	}
	return "extension " + strconv.Itoa(int(e))
}

// User is who we are to an agent of version 3 (RFC 3414). The zero value is nobody.
type User struct {
	// Name is the user's name, up to 32 octets.
	Name string
	// Level is how messages are secured, both ways. Default: as the keys allow; without
	// any, NoAuthNoPriv must be asked for.
	Level Level

	// Auth is how messages are authenticated. Default: SHA256.
	Auth AuthProtocol
	// AuthKey is the password that the key for that is made from, of 8 octets or more
	// (RFC 3414, section 11.2).
	AuthKey acquire.Secret

	// Priv is how messages are encrypted. Default: AES128.
	Priv PrivProtocol
	// PrivKey is the password that the key for that is made from, likewise. It may be
	// the same.
	PrivKey acquire.Secret
	// Extension is how long keys are made from short ones. Default: Blumenthal.
	Extension Extension

	// EngineID is the id of the agent's engine, 5 to 32 octets. Default: whatever the
	// agent says that it is. With one, another is refused, so that nobody can put an
	// engine of his own in front of us to try passwords on what we send it.
	EngineID []byte
	// Context is the name of the collection of objects that is asked for. Default: the
	// agent's default context.
	Context string
	// ContextEngineID is the engine that has that context, where an agent speaks for
	// others. Default: the agent's own.
	ContextEngineID []byte
}

// given reports whether u says anything.
func (u *User) given() bool {
	return u.Name != "" || u.Level != 0 || u.Auth != 0 || u.AuthKey != "" || u.Priv != 0 || u.PrivKey != "" ||
		u.Extension != 0 || len(u.EngineID) > 0 || u.Context != "" || len(u.ContextEngineID) > 0
}

// minPassword is the least length of a password (RFC 3414, section 11.2).
const minPassword = 8

// checked returns u with its defaults filled in, and everything wrong with it.
func (u User) checked() (User, []error) {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf("user: "+format, args...)) }
	if u.Name == "" || len(u.Name) > snmpwire.MaxUser {
		fault("name of %d octets is not within 1 to %d", len(u.Name), snmpwire.MaxUser)
	}
	auth, priv := u.AuthKey != "" || u.Auth != 0, u.PrivKey != "" || u.Priv != 0
	switch {
	case u.Level > AuthPriv:
		fault("unknown %s", u.Level)
	case u.Level == 0 && priv:
		u.Level = AuthPriv
	case u.Level == 0 && auth:
		u.Level = AuthNoPriv
	case u.Level == 0:
		fault("no keys: that takes Level NoAuthNoPriv")
	}
	if auth || u.Level >= AuthNoPriv {
		if u.Auth == 0 {
			u.Auth = SHA256
		}
		if u.Auth > SHA512 {
			fault("unknown %s", u.Auth)
		}
		if n := len(u.AuthKey); n < minPassword {
			fault("AuthKey of %d octets is shorter than %d", n, minPassword)
		}
	}
	if priv || u.Level == AuthPriv {
		if u.Priv == 0 {
			u.Priv = AES128
		}
		if u.Priv > AES256 {
			fault("unknown %s", u.Priv)
		}
		if n := len(u.PrivKey); n < minPassword {
			fault("PrivKey of %d octets is shorter than %d", n, minPassword)
		}
		if !auth && u.Level != AuthPriv {
			fault("privacy without authentication")
		}
	}
	if u.Extension > Reeder {
		fault("unknown %s", u.Extension)
	}
	for _, id := range []struct {
		name  string
		value []byte
	}{{"EngineID", u.EngineID}, {"ContextEngineID", u.ContextEngineID}} {
		if n := len(id.value); n != 0 && (n < minEngineID || n > snmpwire.MaxEngineID) {
			fault("%s of %d octets is not within %d to %d", id.name, n, minEngineID, snmpwire.MaxEngineID)
		}
	}
	u.EngineID, u.ContextEngineID = slices.Clone(u.EngineID), slices.Clone(u.ContextEngineID)
	if n := len(u.Context); n > maxContext {
		fault("context of %d octets is longer than %d", n, maxContext)
	}
	return u, faults
}

const (
	minEngineID = 5   // RFC 3411, SnmpEngineID
	maxContext  = 255 // RFC 3411, SnmpAdminString
)

// cipher returns the cipher with its extension.
func (u *User) cipher() snmpwire.Priv {
	switch {
	case u.Level != AuthPriv:
		return snmpwire.NoPriv
	case u.Extension == Reeder && u.Priv == AES192:
		return snmpwire.AES192Reeder
	case u.Extension == Reeder && u.Priv == AES256:
		return snmpwire.AES256Reeder
	}
	return snmpwire.Priv(u.Priv)
}

// hash returns the authentication protocol, if messages are authenticated.
func (u *User) hash() snmpwire.Auth {
	if u.Level < AuthNoPriv {
		return snmpwire.NoAuth
	}
	return snmpwire.Auth(u.Auth)
}

// SecurityFault is why nothing of what came from an agent of version 3 can be
// believed, or why it believes nothing of ours. Zero is none. It is the native code of the samples
// that the request was for, and an error.
type SecurityFault uint8

// The faults. The first are what agents report (RFC 3414, section 5; RFC 3412,
// section 5; RFC 3413, section 4.1.2); mostly that is not authenticated, and cannot be,
// since they share no key with us then.
const (
	UnsupportedSecurityLevel SecurityFault = 1 // the user has no keys there for the level
	NotInTimeWindow          SecurityFault = 2 // our notion of the engine's time is not its own
	UnknownUser              SecurityFault = 3
	UnknownEngine            SecurityFault = 4
	WrongDigest              SecurityFault = 5 // another AuthKey or Auth
	DecryptionError          SecurityFault = 6 // another PrivKey, Priv or Extension
	UnknownSecurityModel     SecurityFault = 7
	InvalidMessage           SecurityFault = 8
	UnknownPDUHandler        SecurityFault = 9
	UnavailableContext       SecurityFault = 10
	UnknownContext           SecurityFault = 11
)

// The faults that we find.
const (
	ReportWithoutReason SecurityFault = iota + 64 // the agent reports something unknown
	NotAuthentic                                  // the answer's digest is wrong, or its engine or user is another
	Downgraded                                    // the answer is secured less than was asked
	NotDecrypted                                  // the answer's PDU does not decrypt
	OutOfWindow                                   // the answer is authentic and old
	EngineTimeBackwards                           // the engine has forgotten its boots or time; it is believed from the next request on
	EngineChanged                                 // there is another engine than before; it is asked from the next request on
	NothingDecipherable                           // the engine is authentic, and has never answered anything encrypted: PrivKey, Priv, Extension or Context may be wrong
	LockedOut                                     // too many of these in a row: nothing was sent
)

// String says in words what the fault is, with its number.
func (f SecurityFault) String() string {
	text := "security fault"
	switch f {
	case UnsupportedSecurityLevel:
		text = "agent reports an unsupported security level"
	case NotInTimeWindow:
		text = "agent reports a message outside its time window"
	case UnknownUser:
		text = "agent reports an unknown user"
	case UnknownEngine:
		text = "agent reports an unknown engine id"
	case WrongDigest:
		text = "agent reports a wrong digest"
	case DecryptionError:
		text = "agent reports that it cannot decrypt"
	case UnknownSecurityModel:
		text = "agent reports an unknown security model"
	case InvalidMessage:
		text = "agent reports an invalid message"
	case UnknownPDUHandler:
		text = "agent reports that nobody handles the request"
	case UnavailableContext:
		text = "agent reports an unavailable context"
	case UnknownContext:
		text = "agent reports an unknown context"
	case ReportWithoutReason:
		text = "agent reports something unknown"
	case NotAuthentic:
		text = "answer is not authentic"
	case Downgraded:
		text = "answer is less secure than was asked"
	case NotDecrypted:
		text = "answer does not decrypt"
	case OutOfWindow:
		text = "answer is outside the time window"
	case EngineTimeBackwards:
		text = "engine has gone back in time"
	case EngineChanged:
		text = "engine has changed"
	case NothingDecipherable:
		text = "engine is authentic and answers nothing encrypted"
	case LockedOut:
		text = "not asked, after too many refusals"
	}
	return text + " (" + strconv.Itoa(int(f)) + ")"
}

// Error returns what String does.
func (f SecurityFault) Error() string { return f.String() }

// Quality returns the quality of the samples that the request was for.
func (f SecurityFault) Quality() acquire.Quality {
	reason := acquire.Security
	if f >= UnknownSecurityModel && f <= UnknownContext {
		reason = acquire.Configuration
	}
	return acquire.Bad.Because(reason).WithNative(uint16(f))
}

// insecure reports whether err is about credentials, so that trying on may lock us out.
func insecure(err error) bool {
	var f SecurityFault
	return errors.As(err, &f) && f.Quality().Reason() == acquire.Security
}

// printable returns an engine id in hexadecimal digits.
func printable(id []byte) string { return hex.EncodeToString(id) }
