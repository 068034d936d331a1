package snmpwire

import "fmt"

// Version is the version field of a message, which is not its name.
type Version int32

// The versions.
const (
	V1  Version = 0 // RFC 1157
	V2c Version = 1 // RFC 1901
	V3  Version = 3 // RFC 3412
)

// PDUType is the tag of a PDU (RFC 3416, section 3).
type PDUType byte

// The PDUs. SetRequest is known so that it can be refused and counted.
const (
	ReadRequest   PDUType = 0xA0 // GetRequest
	NextRequest   PDUType = 0xA1
	Response      PDUType = 0xA2
	SetRequest    PDUType = 0xA3
	TrapV1        PDUType = 0xA4
	BulkRequest   PDUType = 0xA5
	InformRequest PDUType = 0xA6
	TrapV2        PDUType = 0xA7
	Report        PDUType = 0xA8
)

// PDU is a protocol data unit decoded in place.
type PDU struct {
	Type        PDUType
	RequestID   int32
	ErrorStatus int32  // of a BulkRequest: non-repeaters
	ErrorIndex  int32  // of a BulkRequest: max-repetitions
	Bindings    []byte // encoded variable bindings: see NextBinding

	// Of a TrapV1 alone, in place of the request id and the errors.
	Enterprise   []byte // encoded object identifier
	AgentAddress [4]byte
	GenericTrap  int32
	SpecificTrap int32
	Timestamp    uint32 // of sysUpTime, in hundredths of a second
}

// Message is a message of version 1 or 2 decoded in place.
type Message struct {
	Version   Version // V1 or V2c
	Community []byte  // as it is on the wire: no secret to whoever hears it
	PDU       PDU     // what it carries
}

// Peek returns the version of a message.
func Peek(b []byte) (Version, error) {
	contents, _, err := expect(b, Sequence)
	if err != nil {
		return 0, err
	}
	field, _, err := expect(contents, Integer)
	if err != nil {
		return 0, err
	}
	v, err := Int(field)
	return Version(v), err
}

// Parse decodes a message of version 1 or 2c, which must fill b.
func (m *Message) Parse(b []byte) error {
	contents, rest, err := expect(b, Sequence)
	if err != nil {
		return fmt.Errorf("message: %w", err)
	}
	if len(rest) != 0 {
		return ErrTrailing
	}
	field, contents, err := expect(contents, Integer)
	if err != nil {
		return fmt.Errorf("version: %w", err)
	}
	version, err := Int(field)
	if err != nil {
		return fmt.Errorf("version: %w", err)
	}
	if m.Version = Version(version); m.Version != V1 && m.Version != V2c {
		return fmt.Errorf("snmpwire: version %d, want 0 or 1", version)
	}
	if m.Community, contents, err = expect(contents, OctetString); err != nil {
		return fmt.Errorf("community: %w", err)
	}
	return m.PDU.Parse(contents)
}

// Parse decodes a PDU, which must fill b.
func (p *PDU) Parse(b []byte) error {
	tag, contents, rest, err := Read(b)
	if err != nil {
		return fmt.Errorf("PDU: %w", err)
	}
	if len(rest) != 0 {
		return ErrTrailing
	}
	*p = PDU{Type: PDUType(tag)}
	switch {
	case p.Type == TrapV1:
		contents, err = p.parseTrap(contents)
	case p.Type >= ReadRequest && p.Type <= Report:
		for _, field := range [...]*int32{&p.RequestID, &p.ErrorStatus, &p.ErrorIndex} {
			if contents, err = integer(contents, field); err != nil {
				break
			}
		}
	default:
		return fmt.Errorf("snmpwire: PDU type %#02x", byte(tag))
	}
	if err != nil {
		return fmt.Errorf("PDU %#02x: %w", byte(tag), err)
	}
	if p.Bindings, rest, err = expect(contents, Sequence); err != nil {
		return fmt.Errorf("variable bindings: %w", err)
	}
	if len(rest) != 0 {
		return ErrTrailing
	}
	return nil
}

func integer(b []byte, v *int32) (rest []byte, err error) {
	field, rest, err := expect(b, Integer)
	if err == nil {
		*v, err = Int(field)
	}
	return rest, err
}

func (p *PDU) parseTrap(b []byte) (rest []byte, err error) {
	if p.Enterprise, b, err = expect(b, ObjectID); err != nil {
		return nil, err
	}
	address, b, err := expect(b, IPAddress)
	if err != nil {
		return nil, err
	}
	if copy(p.AgentAddress[:], address) != 4 || len(address) != 4 {
		return nil, ErrRange
	}
	if b, err = integer(b, &p.GenericTrap); err != nil {
		return nil, err
	}
	if b, err = integer(b, &p.SpecificTrap); err != nil {
		return nil, err
	}
	ticks, b, err := expect(b, TimeTicks)
	if err == nil {
		p.Timestamp, err = Uint32(ticks)
	}
	return b, err
}

// Binding is one variable binding decoded in place.
type Binding struct {
	Name  []byte // encoded object identifier, checked
	Tag   Tag    // what Value is
	Value []byte // contents
}

// NextBinding takes the first variable binding off an encoded list.
func NextBinding(list []byte) (b Binding, rest []byte, err error) {
	pair, rest, err := expect(list, Sequence)
	if err != nil {
		return Binding{}, nil, err
	}
	name, pair, err := expect(pair, ObjectID)
	if err != nil {
		return Binding{}, nil, err
	}
	if err := CheckOID(name); err != nil {
		return Binding{}, nil, err
	}
	tag, value, tail, err := Read(pair)
	if err != nil {
		return Binding{}, nil, err
	}
	if len(tail) != 0 {
		return Binding{}, nil, ErrTrailing
	}
	return Binding{name, tag, value}, rest, nil
}

// AppendBinding appends a variable binding whose value is encoded already.
func AppendBinding(dst, name, value []byte) []byte {
	n := headerSize(len(name)) + len(name) + len(value)
	dst = AppendHeader(dst, Sequence, n)
	dst = AppendBytes(dst, ObjectID, name)
	return append(dst, value...)
}

// AppendQuery appends a variable binding without a value, as in a request.
func AppendQuery(dst, name []byte) []byte { return AppendBinding(dst, name, []byte{byte(Null), 0}) }

// Append appends the encoded PDU.
func (p *PDU) Append(dst []byte) []byte {
	var fields [96]byte
	f := fields[:0]
	if p.Type == TrapV1 {
		f = AppendBytes(f, ObjectID, p.Enterprise)
		f = AppendBytes(f, IPAddress, p.AgentAddress[:])
		f = AppendInt(f, Integer, int64(p.GenericTrap))
		f = AppendInt(f, Integer, int64(p.SpecificTrap))
		f = AppendUint(f, TimeTicks, uint64(p.Timestamp))
	} else {
		f = AppendInt(f, Integer, int64(p.RequestID))
		f = AppendInt(f, Integer, int64(p.ErrorStatus))
		f = AppendInt(f, Integer, int64(p.ErrorIndex))
	}
	dst = AppendHeader(dst, Tag(p.Type), len(f)+headerSize(len(p.Bindings))+len(p.Bindings))
	dst = append(dst, f...)
	return AppendBytes(dst, Sequence, p.Bindings)
}

// Append appends the encoded message, of version 1 or 2c.
func (m *Message) Append(dst []byte) []byte {
	// Lengths come before contents: encode behind a header of the largest size,
	// and close the gap.
	const most = 6
	start := len(dst)
	dst = append(dst, make([]byte, most)...)
	dst = AppendInt(dst, Integer, int64(m.Version))
	dst = AppendBytes(dst, OctetString, m.Community)
	dst = m.PDU.Append(dst)
	return closeGap(dst, start, most, Sequence)
}

// closeGap puts the header of what follows start+gap at start.
func closeGap(dst []byte, start, gap int, t Tag) []byte {
	n := len(dst) - start - gap
	head := headerSize(n)
	AppendHeader(dst[start:start], t, n)
	copy(dst[start+head:], dst[start+gap:])
	return dst[:start+head+n]
}
