package snmpwire_test

import (
	"bytes"
	"math/big"
	"strings"

	"github.com/fieldtap/fieldtap/internal/snmpwire"
)

// The slow twin: the same rules once more, in the plainest code, with numbers of any
// size and without a thought for speed. Tests and fuzzing compare the two.

type node struct {
	tag      snmpwire.Tag
	contents []byte
}

// slowFirst takes a value off b.
func slowFirst(b []byte) (n node, rest []byte, ok bool) {
	if len(b) < 2 {
		return node{}, nil, false
	}
	tag, length, b := b[0], big.NewInt(int64(b[1])), b[2:]
	if long := int(length.Int64()) - 0x80; long >= 0 {
		if long == 0 || long > 4 || long > len(b) {
			return node{}, nil, false
		}
		length.SetBytes(b[:long])
		b = b[long:]
	}
	if length.Cmp(big.NewInt(int64(len(b)))) > 0 {
		return node{}, nil, false
	}
	n.tag, n.contents = snmpwire.Tag(tag), b[:length.Int64()]
	return n, b[length.Int64():], true
}

// slowFields splits b into values of the given tags and nothing else.
func slowFields(b []byte, tags ...snmpwire.Tag) (contents [][]byte, ok bool) {
	for _, tag := range tags {
		n, rest, ok := slowFirst(b)
		if !ok || (n.tag != tag && tag != 0) {
			return nil, false
		}
		contents, b = append(contents, n.contents), rest
	}
	return contents, len(b) == 0
}

// slowSigned reads a number in two's complement.
func slowSigned(b []byte) *big.Int {
	v := new(big.Int).SetBytes(b)
	if b[0] >= 0x80 {
		v.Sub(v, new(big.Int).Lsh(big.NewInt(1), uint(8*len(b))))
	}
	return v
}

// slowInts reads numbers between lowest and 2147483647.
func slowInts(lowest int64, fields ...[]byte) (values []int32, ok bool) {
	for _, f := range fields {
		if len(f) == 0 {
			return nil, false
		}
		v := slowSigned(f)
		if v.Cmp(big.NewInt(lowest)) < 0 || v.Cmp(big.NewInt(1<<31-1)) > 0 {
			return nil, false
		}
		values = append(values, int32(v.Int64()))
	}
	return values, true
}

const lowestInt = -1 << 31

// slowOID returns the sub-identifiers of encoded contents.
func slowOID(b []byte) (arcs []*big.Int, ok bool) {
	for len(b) > 0 {
		if b[0] == 0x80 {
			return nil, false
		}
		v := new(big.Int)
		for {
			if len(b) == 0 {
				return nil, false
			}
			c := b[0]
			b = b[1:]
			v.Lsh(v, 7).Or(v, big.NewInt(int64(c&0x7f)))
			if v.BitLen() > 32 {
				return nil, false
			}
			if c < 0x80 {
				break
			}
		}
		arcs = append(arcs, v)
	}
	return arcs, len(arcs) > 0 && len(arcs)+1 <= snmpwire.MaxArcs
}

// slowText renders sub-identifiers.
func slowText(arcs []*big.Int) string {
	top := big.NewInt(0)
	second := new(big.Int).Set(arcs[0])
	for top.Int64() < 2 && second.Int64() >= 40 {
		top.Add(top, big.NewInt(1))
		second.Sub(second, big.NewInt(40))
	}
	words := []string{top.String(), second.String()}
	for _, arc := range arcs[1:] {
		words = append(words, arc.String())
	}
	return strings.Join(words, ".")
}

// slowPDU decodes what must be one PDU.
func slowPDU(b []byte) (p snmpwire.PDU, ok bool) {
	n, rest, ok := slowFirst(b)
	if !ok || len(rest) != 0 || n.tag < 0xA0 || n.tag > 0xA8 {
		return p, false
	}
	p.Type = snmpwire.PDUType(n.tag)
	if p.Type != snmpwire.TrapV1 {
		fields, ok := slowFields(n.contents, snmpwire.Integer, snmpwire.Integer, snmpwire.Integer, snmpwire.Sequence)
		if !ok {
			return p, false
		}
		ints, ok := slowInts(lowestInt, fields[:3]...)
		if !ok {
			return p, false
		}
		p.RequestID, p.ErrorStatus, p.ErrorIndex, p.Bindings = ints[0], ints[1], ints[2], fields[3]
		return p, true
	}
	fields, ok := slowFields(n.contents, snmpwire.ObjectID, snmpwire.IPAddress, snmpwire.Integer, snmpwire.Integer, snmpwire.TimeTicks, snmpwire.Sequence)
	if !ok || len(fields[1]) != 4 || len(fields[4]) == 0 {
		return p, false
	}
	if _, ok := slowOID(fields[0]); !ok {
		return p, false
	}
	ints, ok := slowInts(lowestInt, fields[2:4]...)
	ticks := new(big.Int).SetBytes(fields[4])
	if !ok || ticks.BitLen() > 32 {
		return p, false
	}
	p.Enterprise, p.AgentAddress, p.Bindings = fields[0], [4]byte(fields[1]), fields[5]
	p.GenericTrap, p.SpecificTrap, p.Timestamp = ints[0], ints[1], uint32(ticks.Uint64())
	return p, true
}

// slowMessage decodes a message of version 1 or 2c.
func slowMessage(b []byte) (m snmpwire.Message, ok bool) {
	outer, ok := slowFields(b, snmpwire.Sequence)
	if !ok {
		return m, false
	}
	version, rest, ok := slowFirst(outer[0])
	if !ok || version.tag != snmpwire.Integer {
		return m, false
	}
	community, pdu, ok := slowFirst(rest)
	if !ok || community.tag != snmpwire.OctetString {
		return m, false
	}
	v, ok := slowInts(0, version.contents)
	if !ok || v[0] > 1 {
		return m, false
	}
	m.Version, m.Community = snmpwire.Version(v[0]), community.contents
	m.PDU, ok = slowPDU(pdu)
	return m, ok
}

// slowV3 decodes a message of version 3.
func slowV3(b []byte) (m snmpwire.MessageV3, ok bool) {
	outer, ok := slowFields(b, snmpwire.Sequence)
	if !ok {
		return m, false
	}
	fields, ok := slowFields(outer[0], snmpwire.Integer, snmpwire.Sequence, snmpwire.OctetString, 0)
	if !ok {
		return m, false
	}
	header, ok := slowFields(fields[1], snmpwire.Integer, snmpwire.Integer, snmpwire.OctetString, snmpwire.Integer)
	if !ok {
		return m, false
	}
	ints, ok := slowInts(0, fields[0], header[0], header[1], header[3])
	if !ok || ints[0] != 3 || ints[2] < 484 || len(header[2]) != 1 || ints[3] != 3 {
		return m, false
	}
	m.ID, m.MaxSize, m.Flags, m.Model = ints[1], ints[2], snmpwire.Flags(header[2][0]), ints[3]
	if m.Flags&3 == 2 {
		return m, false
	}
	inner, ok := slowFields(fields[2], snmpwire.Sequence)
	if !ok {
		return m, false
	}
	usm, ok := slowFields(inner[0], snmpwire.OctetString, snmpwire.Integer, snmpwire.Integer, snmpwire.OctetString, snmpwire.OctetString, snmpwire.OctetString)
	if !ok || len(usm[0]) > 32 || len(usm[3]) > 32 || len(usm[4]) > 48 || len(usm[5]) > 8 {
		return m, false
	}
	if ints, ok = slowInts(0, usm[1], usm[2]); !ok {
		return m, false
	}
	m.EngineID, m.Boots, m.Time, m.User, m.AuthParams, m.PrivacyParams = usm[0], ints[0], ints[1], usm[3], usm[4], usm[5]
	data := slowLast(outer[0])
	switch {
	case m.Flags&snmpwire.Private != 0 && data.tag == snmpwire.OctetString:
		m.Ciphertext = data.contents
		return m, true
	case m.Flags&snmpwire.Private != 0 || data.tag != snmpwire.Sequence:
		return m, false
	}
	context, rest, ok := slowFirst(data.contents)
	if !ok || context.tag != snmpwire.OctetString || len(context.contents) > 32 {
		return m, false
	}
	name, rest, ok := slowFirst(rest)
	if !ok || name.tag != snmpwire.OctetString {
		return m, false
	}
	m.Scoped.ContextEngineID, m.Scoped.ContextName = context.contents, name.contents
	m.Scoped.PDU, ok = slowPDU(rest)
	return m, ok
}

// slowLast returns the last of the values in b.
func slowLast(b []byte) node {
	n, rest, ok := slowFirst(b)
	if ok && len(rest) > 0 {
		return slowLast(rest)
	}
	return n
}

// samePDU, sameMessage and sameV3 compare by contents: an absent string equals an empty one.
func samePDU(a, b snmpwire.PDU) bool {
	return a.Type == b.Type && a.RequestID == b.RequestID && a.ErrorStatus == b.ErrorStatus && a.ErrorIndex == b.ErrorIndex &&
		bytes.Equal(a.Bindings, b.Bindings) && bytes.Equal(a.Enterprise, b.Enterprise) && a.AgentAddress == b.AgentAddress &&
		a.GenericTrap == b.GenericTrap && a.SpecificTrap == b.SpecificTrap && a.Timestamp == b.Timestamp
}

func sameMessage(a, b snmpwire.Message) bool {
	return a.Version == b.Version && bytes.Equal(a.Community, b.Community) && samePDU(a.PDU, b.PDU)
}

func sameV3(a, b snmpwire.MessageV3) bool {
	return a.ID == b.ID && a.MaxSize == b.MaxSize && a.Flags == b.Flags && a.Model == b.Model &&
		bytes.Equal(a.EngineID, b.EngineID) && a.Boots == b.Boots && a.Time == b.Time && bytes.Equal(a.User, b.User) &&
		bytes.Equal(a.AuthParams, b.AuthParams) && bytes.Equal(a.PrivacyParams, b.PrivacyParams) && bytes.Equal(a.Ciphertext, b.Ciphertext) &&
		bytes.Equal(a.Scoped.ContextEngineID, b.Scoped.ContextEngineID) && bytes.Equal(a.Scoped.ContextName, b.Scoped.ContextName) &&
		samePDU(a.Scoped.PDU, b.Scoped.PDU)
}
