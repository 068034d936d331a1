package snmpwire

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
	Type        PDUType // which of the above
	RequestID   int32   // repeated by the answer
	ErrorStatus int32   // of a BulkRequest: non-repeaters
	ErrorIndex  int32   // of a BulkRequest: max-repetitions
	Bindings    []byte  // encoded variable bindings: see NextBinding

	// Of a TrapV1 alone, in place of the request id and the errors.
	Enterprise   []byte  // encoded object identifier, checked
	AgentAddress [4]byte // IPv4; zeros where the agent has none
	GenericTrap  int32   // RFC 1157, section 4.1.6; 6 is a trap of the enterprise
	SpecificTrap int32   // its number there
	Timestamp    uint32  // of sysUpTime, in hundredths of a second
}

// Message is a message of version 1 or 2 decoded in place.
type Message struct {
	Version   Version // V1 or V2c
	Community []byte  // as it is on the wire: no secret to whoever hears it
	PDU       PDU     // what it carries
}

// Peek returns the version of a message, whatever follows it.
func Peek(b []byte) (Version, error) {
	contents, _, err := expect(b, Sequence)
	if err != nil {
		return 0, at(inMessage, err)
	}
	v, _, err := integer(contents)
	return Version(v), at(inVersion, err)
}

// Parse decodes a message of version 1 or 2c, which must fill b. Which PDU fits which
// version is left to the caller.
func (m *Message) Parse(b []byte) error {
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
	if m.Version = Version(version); m.Version != V1 && m.Version != V2c {
		return at(inVersion, ErrSupport)
	}
	if m.Community, contents, err = expect(contents, OctetString); err != nil {
		return at(inCommunity, err)
	}
	return m.PDU.Parse(contents)
}

// Parse decodes a PDU, which must fill b.
func (p *PDU) Parse(b []byte) error {
	*p = PDU{}
	tag, contents, rest, err := Read(b)
	if err != nil {
		return at(inPDU, err)
	}
	if len(rest) != 0 {
		return at(inPDU, ErrTrailing)
	}
	p.Type = PDUType(tag)
	switch {
	case p.Type == TrapV1:
		if contents, err = p.parseTrap(contents); err != nil {
			return at(inTrapHeader, err)
		}
	case p.Type >= ReadRequest && p.Type <= Report:
		if contents, err = p.parseHeader(contents); err != nil {
			return at(inPDUHeader, err)
		}
	default:
		return at(inPDU, ErrSupport)
	}
	if p.Bindings, rest, err = expect(contents, Sequence); err != nil {
		return at(inBindings, err)
	}
	if len(rest) != 0 {
		return at(inBindings, ErrTrailing)
	}
	return nil
}

func (p *PDU) parseHeader(b []byte) (rest []byte, err error) {
	if p.RequestID, b, err = integer(b); err != nil {
		return nil, err
	}
	if p.ErrorStatus, b, err = integer(b); err != nil {
		return nil, err
	}
	p.ErrorIndex, b, err = integer(b)
	return b, err
}

func (p *PDU) parseTrap(b []byte) (rest []byte, err error) {
	if p.Enterprise, b, err = expect(b, ObjectID); err != nil {
		return nil, err
	}
	if err = CheckOID(p.Enterprise); err != nil {
		return nil, err
	}
	address, b, err := expect(b, IPAddress)
	if err != nil {
		return nil, err
	}
	if len(address) != len(p.AgentAddress) {
		return nil, ErrRange
	}
	copy(p.AgentAddress[:], address)
	if p.GenericTrap, b, err = integer(b); err != nil {
		return nil, err
	}
	if p.SpecificTrap, b, err = integer(b); err != nil {
		return nil, err
	}
	ticks, b, err := expect(b, TimeTicks)
	if err == nil {
		p.Timestamp, err = Uint32(ticks)
	}
	return b, err
}

// integer takes an INTEGER off b.
func integer(b []byte) (v int32, rest []byte, err error) {
	field, rest, err := expect(b, Integer)
	if err == nil {
		v, err = Int(field)
	}
	return v, rest, err
}

// natural takes an INTEGER (0..2147483647) off b.
func natural(b []byte) (v int32, rest []byte, err error) {
	if v, rest, err = integer(b); err == nil && v < 0 {
		err = ErrRange
	}
	return v, rest, err
}

// Binding is one variable binding decoded in place.
type Binding struct {
	Name  []byte // encoded object identifier, checked
	Tag   Tag    // what Value is
	Value []byte // contents, unchecked
}

// NextBinding takes the first variable binding off an encoded list.
func NextBinding(list []byte) (b Binding, rest []byte, err error) {
	// Nearly every binding has three lengths of one octet. Where the first is one, the
	// others are too, or would reach beyond it. What does not fit in here is for the
	// careful reader, which also finds the fault.
	if len(list) >= 6 && Tag(list[0]) == Sequence && list[1] < 0x80 && Tag(list[2]) == ObjectID {
		end, value := 2+int(list[1]), 4+int(list[3])
		if value+2 <= end && end <= len(list) && value+2+int(list[value+1]) == end && CheckOID(list[4:value]) == nil {
			return Binding{list[4:value:value], Tag(list[value]), list[value+2 : end : end]}, list[end:], nil
		}
	}
	return nextBinding(list)
}

func nextBinding(list []byte) (b Binding, rest []byte, err error) {
	pair, rest, err := expect(list, Sequence)
	if err != nil {
		return Binding{}, nil, at(inBinding, err)
	}
	if b.Name, pair, err = expect(pair, ObjectID); err == nil {
		err = CheckOID(b.Name)
	}
	if err != nil {
		return Binding{}, nil, at(inName, err)
	}
	if b.Tag, b.Value, pair, err = Read(pair); err != nil {
		return Binding{}, nil, at(inValue, err)
	}
	if len(pair) != 0 {
		return Binding{}, nil, at(inBinding, ErrTrailing)
	}
	return b, rest, nil
}

// AppendBinding appends a variable binding whose value is encoded already.
func AppendBinding(dst, name, value []byte) []byte {
	dst = AppendHeader(dst, Sequence, valueSize(len(name))+len(value))
	dst = AppendBytes(dst, ObjectID, name)
	return append(dst, value...)
}

// AppendQuery appends a variable binding without a value, as in a request.
func AppendQuery(dst, name []byte) []byte {
	dst = AppendHeader(dst, Sequence, valueSize(len(name))+2)
	dst = AppendBytes(dst, ObjectID, name)
	return append(dst, byte(Null), 0)
}

// contentsSize returns how long the encoded contents are.
func (p *PDU) contentsSize() int {
	n := valueSize(len(p.Bindings))
	if p.Type == TrapV1 {
		return n + valueSize(len(p.Enterprise)) + valueSize(len(p.AgentAddress)) +
			intSize(int64(p.GenericTrap)) + intSize(int64(p.SpecificTrap)) + uintSize(uint64(p.Timestamp))
	}
	return n + intSize(int64(p.RequestID)) + intSize(int64(p.ErrorStatus)) + intSize(int64(p.ErrorIndex))
}

// Append appends the encoded PDU.
func (p *PDU) Append(dst []byte) []byte {
	dst = AppendHeader(dst, Tag(p.Type), p.contentsSize())
	if p.Type == TrapV1 {
		dst = AppendBytes(dst, ObjectID, p.Enterprise)
		dst = AppendBytes(dst, IPAddress, p.AgentAddress[:])
		dst = AppendInt(dst, Integer, int64(p.GenericTrap))
		dst = AppendInt(dst, Integer, int64(p.SpecificTrap))
		dst = AppendUint(dst, TimeTicks, uint64(p.Timestamp))
	} else {
		dst = AppendInt(dst, Integer, int64(p.RequestID))
		dst = AppendInt(dst, Integer, int64(p.ErrorStatus))
		dst = AppendInt(dst, Integer, int64(p.ErrorIndex))
	}
	return AppendBytes(dst, Sequence, p.Bindings)
}

// Append appends the encoded message, of version 1 or 2c.
func (m *Message) Append(dst []byte) []byte {
	n := intSize(int64(m.Version)) + valueSize(len(m.Community)) + valueSize(m.PDU.contentsSize())
	dst = AppendHeader(dst, Sequence, n)
	dst = AppendInt(dst, Integer, int64(m.Version))
	dst = AppendBytes(dst, OctetString, m.Community)
	return m.PDU.Append(dst)
}
