package snmp

import (
	"bytes"
	"net"

	"github.com/fieldtap/fieldtap/internal/snmpwire"
)

// plaintext tells the messages of one connection as a user without keys would have them:
// see AgentConfig.Plaintext. The zero value tells nobody.
type plaintext struct {
	sent, received func(message []byte)
	authority      *authority
	out, scoped    []byte
}

// newPlaintext returns what tells the messages of a connection.
func (c *sessionConfig) newPlaintext(conn net.Conn) (p plaintext) {
	if c.plaintext != nil && c.authority != nil && c.authority.level != 0 {
		p.authority = c.authority
		p.sent, p.received = c.plaintext(conn)
	}
	return p
}

// tell tells a message to one of the functions, if there is one.
func (p *plaintext) tell(told func([]byte), message []byte) {
	if told != nil {
		told(p.open(message))
	}
}

// open returns the plain form of a message, valid until the next call, or the message
// itself: one that is not secured, or that is not proved to be from who has our keys.
func (p *plaintext) open(message []byte) []byte {
	var m snmpwire.MessageV3
	if m.Parse(message) != nil || m.Flags.Level() == 0 {
		return message
	}
	a := p.authority
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, e := range a.engines {
		if !bytes.Equal(e.id, m.EngineID) {
			continue
		}
		if e.keys.Verify(message, &m) != nil {
			return message
		}
		if m.Flags&snmpwire.Private != 0 {
			var err error
			if p.scoped, err = e.keys.Decrypt(p.scoped[:0], &m); err != nil {
				return message
			}
		}
		m.Flags &^= snmpwire.Authenticated | snmpwire.Private
		plain, err := m.Append(p.out[:0], nil)
		if err != nil {
			return message
		}
		p.out = plain
		return plain
	}
	return message
}
