package snmptest

import (
	"fmt"
	"sync"

	"github.com/fieldtap/fieldtap/internal/snmpwire"
)

// Auth is an authentication protocol of the User-based Security Model. The zero value is none.
type Auth uint8

// The authentication protocols.
const (
	NoAuth Auth = iota
	MD5         // HMAC-MD5-96: RFC 3414, section 6
	SHA1        // HMAC-SHA-96: RFC 3414, section 7
	SHA224      // HMAC-128-SHA-224: RFC 7860
	SHA256      // HMAC-192-SHA-256: RFC 7860
	SHA384      // HMAC-256-SHA-384: RFC 7860
	SHA512      // HMAC-384-SHA-512: RFC 7860
)

// Priv is a privacy protocol. The zero value is none.
type Priv uint8

// The privacy protocols. The keys of 192 and 256 bits come in two dialects.
const (
	NoPriv       Priv = iota
	DES               // CBC-DES: RFC 3414, section 8
	AES128            // CFB128-AES-128: RFC 3826
	AES192            // extended as in draft-blumenthal-aes-usm-04
	AES256            // extended as in draft-blumenthal-aes-usm-04
	AES192Reeder      // extended as in draft-reeder-snmpv3-usm-3desede-00, as Cisco does
	AES256Reeder      // extended as in draft-reeder-snmpv3-usm-3desede-00, as Cisco does
)

// Level is a security level of version 3. The zero value is the lowest.
type Level uint8

// The levels of RFC 3411, section 3.4.3.
const (
	NoAuthNoPriv Level = iota
	AuthNoPriv
	AuthPriv
)

func levelOf(f snmpwire.Flags) Level {
	switch {
	case f&snmpwire.Private != 0:
		return AuthPriv
	case f&snmpwire.Authenticated != 0:
		return AuthNoPriv
	}
	return NoAuthNoPriv
}

func (l Level) flags() snmpwire.Flags {
	switch {
	case l >= AuthPriv:
		return snmpwire.Authenticated | snmpwire.Private
	case l == AuthNoPriv:
		return snmpwire.Authenticated
	}
	return 0
}

// User is a user of version 3. Passwords have at least 8 octets; they are of tests and not hidden.
type User struct {
	Name         string // 1 to 32 octets
	Auth         Auth   // NoAuth if all shall be open
	AuthPassword string // not read with NoAuth
	Priv         Priv   // not without Auth
	PrivPassword string // not read with NoPriv
	// Least is the lowest level at which the user may read; below it the agent answers authorizationError. The zero value allows
	// every level that the user has keys for.
	Least Level
}

// identity is a user as one engine knows it.
type identity struct {
	User
	authMaster, privMaster []byte

	mu     sync.Mutex // of keys, which serve one at a time; never held while blocking
	engine string
	keys   *snmpwire.Keys
}

func newIdentity(u User) (*identity, error) {
	i := &identity{User: u}
	auth, priv := snmpwire.Auth(u.Auth), snmpwire.Priv(u.Priv)
	fault := func(format string, args ...any) error {
		return fmt.Errorf("snmptest: user %q: "+format, append([]any{u.Name}, args...)...)
	}
	switch {
	case u.Name == "" || len(u.Name) > snmpwire.MaxUser:
		return nil, fault("a name has 1 to %d octets", snmpwire.MaxUser)
	case !auth.Valid():
		return nil, fault("authentication protocol %d is unknown", u.Auth)
	case !priv.Valid():
		return nil, fault("privacy protocol %d is unknown", u.Priv)
	case u.Auth == NoAuth && u.Priv != NoPriv:
		return nil, fault("privacy needs authentication")
	case u.Least > AuthPriv:
		return nil, fault("level %d is unknown", u.Least)
	}
	var err error
	if u.Auth != NoAuth {
		if i.authMaster, err = snmpwire.MasterKey(auth, []byte(u.AuthPassword)); err != nil {
			return nil, fault("authentication: %w", err)
		}
	}
	if u.Priv != NoPriv {
		if i.privMaster, err = snmpwire.MasterKey(auth, []byte(u.PrivPassword)); err != nil {
			return nil, fault("privacy: %w", err)
		}
	}
	return i, nil
}

// with calls do with the user's keys for an engine.
func (i *identity) with(engine string, do func(*snmpwire.Keys) error) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.keys == nil || i.engine != engine {
		keys, err := i.localize(engine)
		if err != nil {
			return err
		}
		i.engine, i.keys = engine, keys
	}
	return do(i.keys)
}

func (i *identity) localize(engine string) (*snmpwire.Keys, error) {
	auth, priv := snmpwire.Auth(i.Auth), snmpwire.Priv(i.Priv)
	var authKey, privKey []byte
	var err error
	if i.Auth != NoAuth {
		if authKey, err = snmpwire.Localize(auth, i.authMaster, []byte(engine)); err != nil {
			return nil, err
		}
	}
	if i.Priv != NoPriv {
		if privKey, err = snmpwire.PrivacyKey(auth, priv, i.privMaster, []byte(engine)); err != nil {
			return nil, err
		}
	}
	return snmpwire.NewKeys(auth, authKey, priv, privKey)
}

// seal encodes a message of this user, secured for the engine that is authoritative for it.
func (i *identity) seal(dst []byte, m *snmpwire.MessageV3) ([]byte, error) {
	if m.Flags.Level() == 0 {
		return m.Append(dst, nil)
	}
	err := i.with(string(m.EngineID), func(k *snmpwire.Keys) (err error) {
		dst, err = m.Append(dst, k)
		return err
	})
	return dst, err
}

// offers tells whether the user has keys for a level.
func (i *identity) offers(l Level) bool {
	return l == NoAuthNoPriv || i.Auth != NoAuth && (l == AuthNoPriv || i.Priv != NoPriv)
}
