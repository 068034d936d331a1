// Package snmpwire reads and writes SNMP messages, in place and within limits.
//
// It is the pure half of SNMP: bytes in, fields out, with no socket and no clock. The
// driver, its simulator and whoever reads captured packets share it. A decoded message
// is a view: its slices are parts of the datagram and live as long as that does.
//
// Encoding is the BER subset of RFC 3417, section 8: definite lengths, primitive
// strings. What a message may contain is RFC 1157 (version 1), RFC 3416 (version
// 2) and RFC 3412 (version 3). Security of version 3 is the User-based Security Model
// of RFC 3414, with the ciphers of RFC 3826 and the digests of RFC 7860. [Keys] hold
// what it needs of state: one user at one engine. Which user, which level and which
// engine are right is for the session to decide; [Clock] and [Fresh] tell it what is
// timely.
//
// # Leniency
//
// Real agents bend the rules, and these bends are accepted: superfluous leading octets
// of lengths and of numbers; a Counter64, Counter32, Gauge32 or TimeTicks whose first
// bit would make it negative; padding behind a decrypted PDU. A Counter32 above
// 2^32-1 is refused, as is an object identifier that is not encoded in as few octets
// as hold it, since equal ones could not be compared by their octets.
//
// # Guarantees
//
//   - No input makes it panic, loop without end, or allocate.
//   - A length never reaches beyond its container, and bytes after the end of a
//     container are an error.
//   - A number that does not fit its type is an error, never cut.
//   - No message is written below the security level that its flags claim.
//   - A digest is compared in constant time, and no key shows in text.
package snmpwire
