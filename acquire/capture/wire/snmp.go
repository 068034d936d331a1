package wire

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/fieldtap/fieldtap/internal/snmpwire"
)

// SNMP is SNMP in datagrams or on a stream (RFC 3430). The communities of versions 1
// and 2c are masked. Answers are paired by request id, or by message id of version 3;
// both may differ from the recorded ones, as may the community.
//
// Of version 3 without authentication messages can be played. With it they cannot: the
// digest covers the ids, and no recording holds the key. Match says so.
type SNMP struct{}

var _ Protocol = SNMP{}

// maxSNMP bounds messages on a stream.
const maxSNMP = 1 << 20

// Port returns 161, which IANA has assigned to SNMP.
func (SNMP) Port() uint16 { return 161 }

// Next cuts by the length of the outermost sequence.
func (SNMP) Next(b []byte) (int, error) {
	if len(b) > 0 && b[0] != sequence {
		return 0, fmt.Errorf("wire: SNMP message begins with %#02x", b[0])
	}
	n, err := snmpwire.Size(b)
	if err != nil {
		return 0, fmt.Errorf("wire: SNMP message: %w", err)
	}
	if n > maxSNMP {
		return 0, fmt.Errorf("wire: SNMP message of %d octets, more than %d", n, maxSNMP)
	}
	return n, nil
}

// ID returns the request id, or the message id of version 3. A trap has none.
func (SNMP) ID(message []byte) (uint64, bool) {
	m, ok := parseSNMP(message)
	switch {
	case !ok || m.v3 == nil && m.v2.PDU.Type == snmpwire.TrapV1:
		return 0, false
	case m.v3 != nil:
		return 1<<32 | uint64(uint32(m.v3.ID)), true
	}
	return uint64(uint32(m.v2.PDU.RequestID)), true
}

// Match compares all but ids and the community, and of version 3 engine, boots and time,
// which a driver learns from the answers.
func (SNMP) Match(recorded, request []byte) error {
	a, aok := parseSNMP(recorded)
	b, bok := parseSNMP(request)
	if !aok || !bok {
		if bytes.Equal(recorded, request) {
			return nil
		}
		return errDiffers
	}
	if (a.v3 == nil) != (b.v3 == nil) || a.v3 == nil && a.v2.Version != b.v2.Version {
		return errors.New("is of another version than the recorded request")
	}
	if a.v3 != nil && (a.v3.Flags|b.v3.Flags)&(snmpwire.Authenticated|snmpwire.Private) != 0 {
		return errors.New("is authenticated: version 3 can be played without authentication alone")
	}
	p, q := a.pdu(), b.pdu()
	if p.Type != q.Type || p.ErrorStatus != q.ErrorStatus || p.ErrorIndex != q.ErrorIndex || !bytes.Equal(p.Bindings, q.Bindings) {
		return errDiffers
	}
	if a.v3 != nil && (!bytes.Equal(a.v3.User, b.v3.User) || !bytes.Equal(a.v3.Scoped.ContextName, b.v3.Scoped.ContextName)) {
		return errors.New("has another user or context than the recorded request")
	}
	return nil
}

// Answer replaces ids that are those of the recorded request, and the community. An
// answer that is no SNMP, or authenticated, stays as it is.
func (SNMP) Answer(dst, answer, recorded, request []byte) []byte {
	a, aok := parseSNMP(answer)
	r, rok := parseSNMP(recorded)
	q, qok := parseSNMP(request)
	if !aok || !rok || !qok || (a.v3 == nil) != (r.v3 == nil) || (a.v3 == nil) != (q.v3 == nil) {
		return append(dst, answer...)
	}
	if a.v3 != nil && a.v3.Flags&(snmpwire.Authenticated|snmpwire.Private) != 0 {
		return append(dst, answer...)
	}
	if p := a.pdu(); p.RequestID == r.pdu().RequestID {
		p.RequestID = q.pdu().RequestID
	}
	if a.v3 == nil {
		if bytes.Equal(a.v2.Community, r.v2.Community) {
			a.v2.Community = q.v2.Community
		}
		return a.v2.Append(dst)
	}
	if a.v3.ID == r.v3.ID {
		a.v3.ID = q.v3.ID
	}
	out, err := a.v3.Append(dst, nil)
	if err != nil {
		return append(dst, answer...)
	}
	return out
}

// Redactor returns what masks communities.
func (SNMP) Redactor() Redactor { return communities{} }

// snmpMessage is a message of any version.
type snmpMessage struct {
	v2 snmpwire.Message
	v3 *snmpwire.MessageV3 // nil: v2 holds
}

func parseSNMP(b []byte) (m snmpMessage, ok bool) {
	version, err := snmpwire.Peek(b)
	if err != nil {
		return m, false
	}
	if version == snmpwire.V3 {
		m.v3 = new(snmpwire.MessageV3)
		return m, m.v3.Parse(b) == nil
	}
	return m, m.v2.Parse(b) == nil
}

func (m *snmpMessage) pdu() *snmpwire.PDU {
	if m.v3 != nil {
		return &m.v3.Scoped.PDU
	}
	return &m.v2.PDU
}

// communities masks what is in the place of a community, also in messages that are
// damaged further on: lengths that lead beyond the end are cut.
type communities struct{}

const (
	sequence    = 0x30
	integer     = 0x02
	octetString = 0x04
)

var errNoSNMP = errors.New("wire: no SNMP message")

func (communities) Redact(message []byte) (int, error) {
	body, _, ok := element(message, sequence)
	if !ok {
		return 0, errNoSNMP
	}
	version, rest, ok := element(body, integer)
	if !ok || len(version) == 0 {
		return 0, errNoSNMP
	}
	number := version[len(version)-1]
	if number == byte(snmpwire.V3) {
		return 0, nil
	}
	community, _, ok := element(rest, octetString)
	if !ok || number > byte(snmpwire.V2c) {
		return 0, errNoSNMP
	}
	return mask(community), nil
}

// element returns the contents of the element that b begins with, as far as they are
// there, and what follows it.
func element(b []byte, tag byte) (contents, rest []byte, ok bool) {
	if len(b) < 2 || b[0] != tag {
		return nil, nil, false
	}
	n, head := uint64(b[1]), 2
	if b[1] >= 0x80 { // long form (X.690, clause 8.1.3.5)
		octets := int(b[1] & 0x7f)
		if octets == 0 || octets > 8 || len(b) < 2+octets {
			return nil, nil, false
		}
		n, head = 0, 2+octets
		for _, o := range b[2:head] {
			n = n<<8 | uint64(o)
		}
	}
	b = b[head:]
	end := int(min(n, uint64(len(b))))
	return b[:end], b[end:], true
}
