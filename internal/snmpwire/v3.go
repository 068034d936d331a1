package snmpwire

// Flags are the msgFlags of a version 3 message (RFC 3412, section 6.4).
type Flags byte

// The flags. Private without Authenticated does not exist.
const (
	Authenticated Flags = 1 << iota // its digest can be verified
	Private                         // its PDU is encrypted
	Reportable                      // whoever cannot read it may say so in a Report
)

// Level returns the flags that say how a message is secured.
func (f Flags) Level() Flags { return f & (Authenticated | Private) }

// USM is the number of the User-based Security Model (RFC 3411, section 5), the only
// one this package reads.
const USM = 3

// Limits of fields of a version 3 message.
const (
	MaxEngineID       = 32  // octets of an engine id (RFC 3411, SnmpEngineID)
	MaxUser           = 32  // octets of a user name (RFC 3414, section 2.4)
	MinMaxSize  int32 = 484 // what everyone must be able to receive (RFC 3412, section 6.3)
)

// MessageV3 is a message of version 3 with the User-based Security Model, decoded in
// place. What Parse yields is a claim: nothing in it is true before [Keys.Verify]
// said so, and the caller has checked engine, user, level and time.
type MessageV3 struct {
	ID      int32 // tells answers apart: a Report may lack the request id
	MaxSize int32 // the longest message that the sender can receive, in octets
	Flags   Flags // how it is secured
	Model   int32 // USM; another one is read as far as here

	// The security parameters (RFC 3414, section 2.4).
	EngineID      []byte // of the authoritative engine; empty in a discovery
	Boots, Time   int32  // of that engine; time in seconds
	User          []byte
	AuthParams    []byte // the digest; empty where there is none
	PrivacyParams []byte // the salt; empty where there is none

	Ciphertext []byte    // of a Private message, in place of Scoped, until [Keys.Decrypt]
	Scoped     ScopedPDU // what it carries

	digestAt int // where AuthParams begin in the message
}

// ScopedPDU is a PDU and the context it is about (RFC 3411, section 3.3.1).
type ScopedPDU struct {
	ContextEngineID []byte // whose objects: mostly those of the authoritative engine
	ContextName     []byte // which of them; mostly empty
	PDU             PDU
}

// Parse decodes a message of version 3, which must fill b. After an error the fields
// before the fault are set: ID, Flags and Model are, when the security model is not
// supported.
func (m *MessageV3) Parse(b []byte) error {
	*m = MessageV3{}
	contents, rest, err := expect(b, Sequence)
	if err != nil {
		return at(inMessage, err)
	}
	if len(rest) != 0 {
		return at(inMessage, ErrTrailing)
	}
	version, contents, err := integer(contents)
	if err != nil {
		return at(inVersion, err)
	}
	if Version(version) != V3 {
		return at(inVersion, ErrSupport)
	}
	header, contents, err := expect(contents, Sequence)
	if err != nil {
		return at(inHeader, err)
	}
	if err := m.parseHeader(header); err != nil {
		return at(inHeader, err)
	}
	if m.Model != USM {
		return at(inSecurityModel, ErrSupport)
	}
	security, data, err := expect(contents, OctetString)
	if err != nil {
		return at(inSecurity, err)
	}
	after, err := m.parseSecurity(security)
	if err != nil {
		return err
	}
	m.digestAt = len(b) - len(data) - after - len(m.AuthParams)
	if m.Flags&Private == 0 {
		return m.Scoped.parse(data)
	}
	if m.Ciphertext, rest, err = expect(data, OctetString); err != nil {
		return at(inScoped, err)
	}
	if len(rest) != 0 {
		return at(inScoped, ErrTrailing)
	}
	return nil
}

func (m *MessageV3) parseHeader(b []byte) (err error) {
	if m.ID, b, err = natural(b); err != nil {
		return err
	}
	if m.MaxSize, b, err = natural(b); err != nil {
		return err
	}
	flags, b, err := expect(b, OctetString)
	if err != nil {
		return err
	}
	if m.MaxSize < MinMaxSize || len(flags) != 1 {
		return ErrRange
	}
	m.Flags = Flags(flags[0])
	if m.Model, b, err = natural(b); err != nil {
		return err
	}
	if m.Flags.Level() == Private {
		return ErrSupport
	}
	if len(b) != 0 {
		return ErrTrailing
	}
	return nil
}

// parseSecurity reads UsmSecurityParameters and returns how many octets follow the
// digest in them.
func (m *MessageV3) parseSecurity(b []byte) (after int, err error) {
	b, rest, err := expect(b, Sequence)
	if err == nil && len(rest) != 0 {
		err = ErrTrailing
	}
	if err != nil {
		return 0, at(inSecurity, err)
	}
	if m.EngineID, b, err = text(b, MaxEngineID); err != nil {
		return 0, at(inEngine, err)
	}
	if m.Boots, b, err = natural(b); err != nil {
		return 0, at(inEngine, err)
	}
	if m.Time, b, err = natural(b); err != nil {
		return 0, at(inEngine, err)
	}
	if m.User, b, err = text(b, MaxUser); err != nil {
		return 0, at(inUser, err)
	}
	if m.AuthParams, b, err = text(b, maxDigest); err != nil {
		return 0, at(inAuthentication, err)
	}
	after = len(b)
	if m.PrivacyParams, b, err = text(b, saltSize); err != nil {
		return 0, at(inPrivacy, err)
	}
	if len(b) != 0 {
		return 0, at(inSecurity, ErrTrailing)
	}
	return after, nil
}

// text takes an OCTET STRING of at most most octets off b.
func text(b []byte, most int) (v, rest []byte, err error) {
	if v, rest, err = expect(b, OctetString); err == nil && len(v) > most {
		return nil, nil, ErrRange
	}
	return v, rest, err
}

// parse decodes a scoped PDU, which must fill b.
func (s *ScopedPDU) parse(b []byte) error {
	rest, err := s.parsePadded(b)
	if err == nil && len(rest) != 0 {
		return at(inScoped, ErrTrailing)
	}
	return err
}

// parsePadded decodes the scoped PDU at the beginning of b.
func (s *ScopedPDU) parsePadded(b []byte) (rest []byte, err error) {
	*s = ScopedPDU{}
	b, rest, err = expect(b, Sequence)
	if err != nil {
		return nil, at(inScoped, err)
	}
	if s.ContextEngineID, b, err = text(b, MaxEngineID); err != nil {
		return nil, at(inContext, err)
	}
	if s.ContextName, b, err = expect(b, OctetString); err != nil {
		return nil, at(inContext, err)
	}
	return rest, s.PDU.Parse(b)
}

func (s *ScopedPDU) contentsSize() int {
	return valueSize(len(s.ContextEngineID)) + valueSize(len(s.ContextName)) + valueSize(s.PDU.contentsSize())
}

func (s *ScopedPDU) append(dst []byte) []byte {
	dst = AppendHeader(dst, Sequence, s.contentsSize())
	dst = AppendBytes(dst, OctetString, s.ContextEngineID)
	dst = AppendBytes(dst, OctetString, s.ContextName)
	return s.PDU.Append(dst)
}

// Append appends the encoded message, encrypted and authenticated by k as Flags say;
// without either, k may be nil. Model, AuthParams, PrivacyParams and Ciphertext are
// not read: they come from USM, k and Scoped. The error is [ErrLevel] where k lacks
// what Flags demand; dst is then as it was.
func (m *MessageV3) Append(dst []byte, k *Keys) ([]byte, error) {
	var digest, salt int
	if m.Flags&Authenticated != 0 {
		if k == nil || k.mac == nil {
			return dst, ErrLevel
		}
		digest = k.auth.DigestSize()
	}
	scoped := valueSize(m.Scoped.contentsSize())
	data := scoped
	if m.Flags&Private != 0 {
		if k == nil || k.block == nil || digest == 0 {
			return dst, ErrLevel
		}
		salt = saltSize
		scoped = k.priv.padded(scoped)
		data = valueSize(scoped)
	}
	header := intSize(int64(m.ID)) + intSize(int64(m.MaxSize)) + 3 + intSize(USM)
	usm := valueSize(len(m.EngineID)) + intSize(int64(m.Boots)) + intSize(int64(m.Time)) +
		valueSize(len(m.User)) + valueSize(digest) + valueSize(salt)
	start := len(dst)

	dst = AppendHeader(dst, Sequence, intSize(int64(V3))+valueSize(header)+valueSize(valueSize(usm))+data)
	dst = AppendInt(dst, Integer, int64(V3))
	dst = AppendHeader(dst, Sequence, header)
	dst = AppendInt(dst, Integer, int64(m.ID))
	dst = AppendInt(dst, Integer, int64(m.MaxSize))
	dst = append(dst, byte(OctetString), 1, byte(m.Flags))
	dst = AppendInt(dst, Integer, USM)

	dst = AppendHeader(dst, OctetString, valueSize(usm))
	dst = AppendHeader(dst, Sequence, usm)
	dst = AppendBytes(dst, OctetString, m.EngineID)
	dst = AppendInt(dst, Integer, int64(m.Boots))
	dst = AppendInt(dst, Integer, int64(m.Time))
	dst = AppendBytes(dst, OctetString, m.User)
	dst = AppendBytes(dst, OctetString, zeros[:digest])
	digestAt := len(dst) - digest
	dst = AppendBytes(dst, OctetString, zeros[:salt])
	saltAt := len(dst) - salt

	if m.Flags&Private == 0 {
		dst = m.Scoped.append(dst)
	} else {
		dst = AppendHeader(dst, OctetString, scoped)
		plain := len(dst)
		dst = m.Scoped.append(dst)
		dst = append(dst, zeros[:scoped-(len(dst)-plain)]...)
		k.encrypt(dst[plain:], dst[saltAt:saltAt+saltSize], m.Boots, m.Time)
	}
	if digest != 0 {
		k.sign(dst[start:], digestAt-start)
	}
	return dst, nil
}
