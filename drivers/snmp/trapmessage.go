package snmp

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"iter"
	"net/netip"

	"github.com/fieldtap/fieldtap/internal/snmpwire"
)

// notification is a trap or inform of any version, as version 2 has it. Its slices are
// parts of the datagram, or of scratch.
type notification struct {
	sender netip.Addr // where the datagram came from
	agent  netip.Addr // whose trap it is
	name   []byte     // encoded snmpTrapOID

	// Variables are lists one after the other: version 1 has some of them elsewhere.
	before, list, behind []byte
	scratch              []byte
}

// maxVariables bounds the variables of one trap.
const maxVariables = 1024

var errTrap = errors.New("snmp: not what a trap consists of")

// variables iterates over the variables but snmpTrapOID. What read accepted has no
// faults.
func (n *notification) variables() iter.Seq[snmpwire.Binding] {
	return func(yield func(snmpwire.Binding) bool) {
		for _, list := range [...][]byte{n.before, n.list, n.behind} {
			for len(list) > 0 {
				b, rest, err := snmpwire.NextBinding(list)
				if err != nil || !yield(b) {
					return
				}
				list = rest
			}
		}
	}
}

// read takes the PDU of a trap or inform that came from an address. Nothing of a PDU with
// an error in it is used.
func (n *notification) read(p *snmpwire.PDU, from netip.Addr) error {
	n.sender, n.agent = from, from
	n.before, n.list, n.behind = nil, nil, nil
	if p.Type == snmpwire.TrapV1 {
		return n.readV1(p)
	}
	// RFC 3416, section 4.2.6: the first two are sysUpTime.0 and snmpTrapOID.0.
	first, rest, err := snmpwire.NextBinding(p.Bindings)
	if err != nil {
		return err
	}
	second, others, err := snmpwire.NextBinding(rest)
	if err != nil {
		return err
	}
	if string(first.Name) != trapUpTime || first.Tag != snmpwire.TimeTicks || string(second.Name) != trapName || second.Tag != snmpwire.ObjectID {
		return errTrap
	}
	if _, err := snmpwire.Uint32(first.Value); err != nil {
		return err
	}
	if err := snmpwire.CheckOID(second.Value); err != nil {
		return err
	}
	address, err := n.check(others)
	if err != nil {
		return err
	}
	n.before, n.name, n.list = p.Bindings[:len(p.Bindings)-len(rest)], second.Value, others
	if address.IsValid() {
		n.agent = address
	}
	return nil
}

// check goes through variables, of which the first snmpTrapAddress.0 is returned.
func (n *notification) check(list []byte) (agent netip.Addr, err error) {
	for count := 0; len(list) > 0; count++ {
		b, rest, err := snmpwire.NextBinding(list)
		if err != nil {
			return netip.Addr{}, err
		}
		if count == maxVariables {
			return netip.Addr{}, errTrap
		}
		if !agent.IsValid() && string(b.Name) == trapAddress && b.Tag == snmpwire.IPAddress && len(b.Value) == 4 {
			agent = agentAddress([4]byte(b.Value))
		}
		list = rest
	}
	return agent, nil
}

// agentAddress returns none for the zeros of an agent that has no address.
func agentAddress(a [4]byte) netip.Addr {
	if a == [4]byte{} {
		return netip.Addr{}
	}
	return netip.AddrFrom4(a)
}

// readV1 translates a trap of version 1 (RFC 3584, section 3.1). The community is not
// made a variable.
func (n *notification) readV1(p *snmpwire.PDU) error {
	if _, err := n.check(p.Bindings); err != nil {
		return err
	}
	var value [maxOIDBytes + 16]byte
	s, ok := appendTrapOID(n.scratch[:0], p.Enterprise, p.GenericTrap, p.SpecificTrap)
	if !ok || snmpwire.CheckOID(s) != nil {
		return errTrap
	}
	name := len(s)
	s = snmpwire.AppendBinding(s, []byte(trapUpTime), snmpwire.AppendUint(value[:0], snmpwire.TimeTicks, uint64(p.Timestamp)))
	before := len(s)
	if agent := agentAddress(p.AgentAddress); agent.IsValid() {
		n.agent = agent
		s = snmpwire.AppendBinding(s, []byte(trapAddress), snmpwire.AppendBytes(value[:0], snmpwire.IPAddress, p.AgentAddress[:]))
	}
	s = snmpwire.AppendBinding(s, []byte(trapEnterprise), snmpwire.AppendBytes(value[:0], snmpwire.ObjectID, p.Enterprise))
	n.scratch = s
	n.name, n.before, n.list, n.behind = s[:name], s[name:before], p.Bindings, s[before:]
	return nil
}

// maxTrapText bounds the text of a trap that no rule matches.
const maxTrapText = 4 << 10

// append appends the trap as text: "1.3.6.1.6.3.1.1.5.3: 1.3.6.1.2.1.1.3.0 = TimeTicks:
// 4711, ...", whose end is "..." where it would be longer than most.
func (n *notification) append(dst []byte, most int) []byte {
	start := len(dst)
	dst = snmpwire.AppendOIDText(dst, n.name)
	separator := ": "
	for b := range n.variables() {
		room := most - (len(dst) - start) - len(", ...")
		v := Variable{Syntax: Syntax(b.Tag), name: b.Name, value: b.Value[:min(len(b.Value), max(room, 0))]}
		text := v.String()
		if len(separator)+len(text) > room || len(v.value) < len(b.Value) {
			return append(dst, ", ..."...)
		}
		dst = append(append(dst, separator...), text...)
		separator = ", "
	}
	return dst
}

// knows reports whether a community is one of ours, in a time that does not tell which,
// nor how much of it is right.
func (l *TrapListener) knows(community []byte) bool {
	if len(community) > maxCommunity {
		return false
	}
	sum := sha256.Sum256(community)
	found := 0
	for i := range l.communities {
		found |= subtle.ConstantTimeCompare(sum[:], l.communities[i][:])
	}
	return found == 1
}
