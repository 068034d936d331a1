package snmpwire

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/des"
	"crypto/fips140"
	"crypto/hmac"
	"crypto/md5"
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
)

// Faults of security.
var (
	ErrLevel    = errors.New("snmpwire: security level without keys for it")
	ErrDigest   = errors.New("snmpwire: digest does not match")
	ErrDecrypt  = errors.New("snmpwire: not decrypted to a scoped PDU")
	ErrPassword = errors.New("snmpwire: password shorter than 8 octets")
	ErrKey      = errors.New("snmpwire: key of a wrong length")

	// ErrForbidden is for MD5, SHA-1 and DES in a process that runs in the FIPS 140
	// only mode of Go, where the standard library would panic instead.
	ErrForbidden = errors.New("snmpwire: protocol not allowed in FIPS 140-only mode")
)

// Auth is an authentication protocol. The zero value is none.
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

var auths = [...]struct {
	name        string
	new         func() hash.Hash
	key, digest int // in octets
}{
	NoAuth: {name: "none"},
	MD5:    {"MD5", md5.New, md5.Size, 12},
	SHA1:   {"SHA-1", sha1.New, sha1.Size, 12},
	SHA224: {"SHA-224", sha256.New224, sha256.Size224, 16},
	SHA256: {"SHA-256", sha256.New, sha256.Size, 24},
	SHA384: {"SHA-384", sha512.New384, sha512.Size384, 32},
	SHA512: {"SHA-512", sha512.New, sha512.Size, 48},
}

// Valid reports whether a is one of the above.
func (a Auth) Valid() bool { return int(a) < len(auths) }

// String returns the name of the hash function, such as "SHA-256".
func (a Auth) String() string {
	if !a.Valid() {
		return fmt.Sprintf("Auth(%d)", uint8(a))
	}
	return auths[a].name
}

// check returns an error unless keys can be made for a.
func (a Auth) check() error {
	switch {
	case a == NoAuth || !a.Valid():
		return ErrLevel
	case a <= SHA1 && fips140.Enforced():
		return ErrForbidden
	}
	return nil
}

// KeySize returns how many octets a key has; 0 for NoAuth.
func (a Auth) KeySize() int {
	if !a.Valid() {
		return 0
	}
	return auths[a].key
}

// DigestSize returns how many octets of the HMAC a message carries; 0 for NoAuth.
func (a Auth) DigestSize() int {
	if !a.Valid() {
		return 0
	}
	return auths[a].digest
}

// Priv is a privacy protocol. The zero value is none.
type Priv uint8

// The privacy protocols. Keys of 192 and 256 bits are longer than most hash functions
// make them, and two drafts differ in how to extend them.
const (
	NoPriv       Priv = iota
	DES               // CBC-DES: RFC 3414, section 8
	AES128            // CFB128-AES-128: RFC 3826
	AES192            // extended as in draft-blumenthal-aes-usm-04
	AES256            // extended as in draft-blumenthal-aes-usm-04
	AES192Reeder      // extended as in draft-reeder-snmpv3-usm-3desede-00, as Cisco does
	AES256Reeder      // extended as in draft-reeder-snmpv3-usm-3desede-00, as Cisco does
)

var privs = [...]struct {
	name   string
	key    int // in octets
	reeder bool
}{
	NoPriv:       {name: "none"},
	DES:          {name: "DES", key: 16}, // half of it is for the initial vector
	AES128:       {name: "AES-128", key: 16},
	AES192:       {name: "AES-192", key: 24},
	AES256:       {name: "AES-256", key: 32},
	AES192Reeder: {name: "AES-192 (Reeder)", key: 24, reeder: true},
	AES256Reeder: {name: "AES-256 (Reeder)", key: 32, reeder: true},
}

// Valid reports whether p is one of the above.
func (p Priv) Valid() bool { return int(p) < len(privs) }

// String returns the name of the cipher, such as "AES-128".
func (p Priv) String() string {
	if !p.Valid() {
		return fmt.Sprintf("Priv(%d)", uint8(p))
	}
	return privs[p].name
}

// KeySize returns how many octets a key has; 0 for NoPriv.
func (p Priv) KeySize() int {
	if !p.Valid() {
		return 0
	}
	return privs[p].key
}

// padded returns how long a plaintext of n octets is when encrypted.
func (p Priv) padded(n int) int {
	if p == DES {
		return (n + des.BlockSize - 1) &^ (des.BlockSize - 1)
	}
	return n
}

// MasterKey turns a password into the user's key Ku (RFC 3414, A.2). It hashes one
// megabyte, which takes milliseconds: keep the result. It belongs to the protocol, and
// is as secret as the password. ErrPassword is for less than 8 octets.
func MasterKey(a Auth, password []byte) ([]byte, error) {
	if len(password) < 8 {
		return nil, ErrPassword
	}
	return stretch(a, password)
}

// stretch hashes a megabyte of repetitions.
func stretch(a Auth, secret []byte) ([]byte, error) {
	if err := a.check(); err != nil {
		return nil, err
	}
	const total = 1 << 20
	h := auths[a].new()
	chunk := make([]byte, 0, 4096+len(secret))
	for len(chunk) < 4096 {
		chunk = append(chunk, secret...)
	}
	left := total
	for ; left > len(chunk); left -= len(chunk) {
		h.Write(chunk)
	}
	h.Write(chunk[:left])
	clear(chunk)
	return h.Sum(nil), nil
}

// Localize turns a master key into the one for an engine, Kul (RFC 3414, A.2).
func Localize(a Auth, master, engineID []byte) ([]byte, error) {
	if err := a.check(); err != nil {
		return nil, err
	}
	if len(master) != a.KeySize() {
		return nil, ErrKey
	}
	h := auths[a].new()
	h.Write(master)
	h.Write(engineID)
	h.Write(master)
	return h.Sum(nil), nil
}

// PrivacyKey turns the master key of a privacy password into the key of a cipher for
// an engine: localized, extended where it is too short, and cut. With one of the
// Reeder ciphers an extension costs another megabyte of hashing.
func PrivacyKey(a Auth, p Priv, master, engineID []byte) ([]byte, error) {
	if p == NoPriv || !p.Valid() {
		return nil, ErrLevel
	}
	key, err := Localize(a, master, engineID)
	if err != nil {
		return nil, err
	}
	for last := key; len(key) < p.KeySize(); {
		if privs[p].reeder {
			// The localized key is the next password, of any length.
			if last, err = stretch(a, last); err == nil {
				last, err = Localize(a, last, engineID)
			}
			if err != nil {
				return nil, err
			}
			key = append(key, last...)
			continue
		}
		h := auths[a].new()
		h.Write(key)
		key = h.Sum(key)
	}
	return key[:p.KeySize():p.KeySize()], nil
}

const (
	maxDigest = 48
	saltSize  = 8
	maxBlock  = aes.BlockSize
)

// zeros stand where a digest, a salt or padding comes. It is never written.
var zeros [maxDigest]byte

// Keys are what one user shares with one engine, prepared for use. They serve one
// goroutine at a time, allocate nothing once warm, and show nothing in text.
type Keys struct {
	auth  Auth
	priv  Priv
	mac   hash.Hash    // nil: NoAuth
	block cipher.Block // nil: NoPriv
	preIV [8]byte      // DES
	salt  uint64       // of the last message encrypted

	// Scratch, here because what goes through an interface would escape.
	sum     [sha512.Size]byte
	chain   [maxBlock]byte
	scratch [maxBlock]byte
}

// NewKeys prepares localized keys: authKey as [Localize] and privKey as [PrivacyKey]
// make them, empty for NoAuth and NoPriv. They are not kept. ErrKey is for a wrong
// length, ErrLevel for privacy without authentication.
//
// The salt of what is encrypted counts from a random start, so that two holders of a
// key, or one that starts twice in a second, do not meet (RFC 3826, section 3.1.2.1).
func NewKeys(a Auth, authKey []byte, p Priv, privKey []byte) (*Keys, error) {
	if !a.Valid() || !p.Valid() || (a == NoAuth && p != NoPriv) {
		return nil, ErrLevel
	}
	if len(authKey) != a.KeySize() || len(privKey) != p.KeySize() {
		return nil, ErrKey
	}
	k := &Keys{auth: a, priv: p}
	if a != NoAuth {
		if err := a.check(); err != nil {
			return nil, err
		}
		k.mac = hmac.New(auths[a].new, authKey)
	}
	var err error
	switch p {
	case NoPriv:
		return k, nil
	case DES:
		copy(k.preIV[:], privKey[8:])
		k.block, err = des.NewCipher(privKey[:8])
	default:
		k.block, err = aes.NewCipher(privKey)
	}
	if err != nil {
		return nil, ErrForbidden // the length is right
	}
	var seed [saltSize]byte
	if _, err := rand.Read(seed[:]); err != nil {
		return nil, err
	}
	k.salt = binary.BigEndian.Uint64(seed[:])
	return k, nil
}

// Level returns what the keys can secure.
func (k *Keys) Level() Flags {
	switch {
	case k.block != nil:
		return Authenticated | Private
	case k.mac != nil:
		return Authenticated
	}
	return 0
}

// Format writes the protocols, and no key, whatever the verb is.
func (k Keys) Format(w fmt.State, _ rune) { fmt.Fprintf(w, "keys of %s and %s", k.auth, k.priv) }

// Verify compares the digest of a message with what k makes of it, in constant time
// (RFC 3414, 6.3.2). b must be what m was parsed from, unchanged; it is not written.
func (k *Keys) Verify(b []byte, m *MessageV3) error {
	if k.mac == nil {
		return ErrLevel
	}
	n := k.auth.DigestSize()
	if len(m.AuthParams) != n || m.digestAt+n > len(b) {
		return ErrDigest
	}
	k.digest(b, m.digestAt)
	if subtle.ConstantTimeCompare(k.sum[:n], m.AuthParams) != 1 {
		return ErrDigest
	}
	return nil
}

// sign puts the digest of message b at an offset of it, where zeros are.
func (k *Keys) sign(b []byte, at int) {
	k.digest(b, at)
	copy(b[at:], k.sum[:k.auth.DigestSize()])
}

// digest leaves in k.sum the HMAC of message b with zeros in place of its digest.
func (k *Keys) digest(b []byte, at int) {
	n := k.auth.DigestSize()
	k.mac.Reset()
	k.mac.Write(b[:at])
	k.mac.Write(zeros[:n])
	k.mac.Write(b[at+n:])
	k.mac.Sum(k.sum[:0])
}

// Decrypt decrypts m.Ciphertext into the space behind dst and decodes it into m.Scoped, whose
// slices are parts of what is returned: dst, grown. m.Ciphertext[:0] may be dst, where
// nobody needs the message any more. Padding of less than 17 octets is accepted behind
// the PDU, as RFC 3414, 8.1.1.2 has it for DES and some agents for all. Any error
// wraps ErrDecrypt, but for ErrLevel. Verify first: this is no proof of origin.
func (k *Keys) Decrypt(dst []byte, m *MessageV3) ([]byte, error) {
	if k.block == nil {
		return dst, ErrLevel
	}
	if m.Flags&Private == 0 || len(m.PrivacyParams) != saltSize || len(m.Ciphertext)%k.unit() != 0 {
		return dst, ErrDecrypt
	}
	start := len(dst)
	dst = append(dst, m.Ciphertext...)
	k.vector(m.PrivacyParams, m.Boots, m.Time)
	if k.priv == DES {
		k.decryptCBC(dst[start:])
	} else {
		k.decryptCFB(dst[start:])
	}
	rest, err := m.Scoped.parsePadded(dst[start:])
	if err == nil && len(rest) > maxBlock {
		err = at(inScoped, ErrTrailing)
	}
	if err != nil {
		m.Scoped = ScopedPDU{}
		return dst, ErrDecrypt
	}
	return dst, nil
}

// unit returns what a ciphertext is a multiple of, in octets.
func (k *Keys) unit() int {
	if k.priv == DES {
		return des.BlockSize
	}
	return 1
}

// encrypt encrypts b in place under a new salt, which it writes.
func (k *Keys) encrypt(b, salt []byte, boots, time int32) {
	k.salt++
	if k.priv == DES {
		binary.BigEndian.PutUint32(salt, uint32(boots)) // RFC 3414, 8.1.1.1
		binary.BigEndian.PutUint32(salt[4:], uint32(k.salt))
		k.vector(salt, boots, time)
		k.encryptCBC(b)
		return
	}
	binary.BigEndian.PutUint64(salt, k.salt)
	k.vector(salt, boots, time)
	k.encryptCFB(b)
}

// vector leaves in k.chain the initial vector of a message.
func (k *Keys) vector(salt []byte, boots, time int32) {
	if k.priv == DES {
		subtle.XORBytes(k.chain[:saltSize], salt, k.preIV[:])
		return
	}
	binary.BigEndian.PutUint32(k.chain[:], uint32(boots)) // RFC 3826, 3.1.2.1
	binary.BigEndian.PutUint32(k.chain[4:], uint32(time))
	copy(k.chain[8:], salt)
}

// encryptCFB and decryptCFB are cipher feedback with a segment of one block, as the
// standard library has it only deprecated: k.chain is the ciphertext before.
func (k *Keys) encryptCFB(b []byte) {
	for len(b) > 0 {
		k.block.Encrypt(k.chain[:], k.chain[:])
		n := subtle.XORBytes(b, b[:min(len(b), aes.BlockSize)], k.chain[:])
		copy(k.chain[:], b[:n])
		b = b[n:]
	}
}

func (k *Keys) decryptCFB(b []byte) {
	for len(b) > 0 {
		k.block.Encrypt(k.scratch[:], k.chain[:])
		n := copy(k.chain[:], b)
		subtle.XORBytes(b, b[:n], k.scratch[:])
		b = b[n:]
	}
}

// encryptCBC and decryptCBC are cipher block chaining over whole blocks of DES.
func (k *Keys) encryptCBC(b []byte) {
	chain := k.chain[:des.BlockSize]
	for ; len(b) >= des.BlockSize; b = b[des.BlockSize:] {
		subtle.XORBytes(chain, chain, b)
		k.block.Encrypt(chain, chain)
		copy(b, chain)
	}
}

func (k *Keys) decryptCBC(b []byte) {
	chain, next := k.chain[:des.BlockSize], k.scratch[:des.BlockSize]
	for ; len(b) >= des.BlockSize; b = b[des.BlockSize:] {
		copy(next, b)
		k.block.Decrypt(b, next)
		subtle.XORBytes(b, b[:des.BlockSize], chain)
		copy(chain, next)
	}
}
