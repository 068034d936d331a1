package wire

import "net"

// Plaintext has the messages of a connection recorded in plain form, in place of what is on
// the wire. It is for the field Plaintext of a driver whose protocol encrypts by itself:
//
//	cfg.Plaintext = recorder.Plaintext // of snmp.Config, of opcua.ClientConfig
//
// conn is what this Recorder's Dial has returned, or has a method NetConn that leads there.
// Who reads and writes it gives sent and received each message when it goes and when it has
// come, encoded as the protocol has it without security. Secrets in it are masked as ever.
// An event of kind Decrypted says in the file that this is so. What conn carries from then
// on is only counted, as Stats.Withheld; its opening, troubles and end are recorded
// as those of any other.
//
// Without Config.Plaintext, and for any other connection, both are nil: nothing changes, and
// Stats.Declined counts it. They are safe for concurrent use and keep nothing of a message.
func (r *Recorder) Plaintext(conn net.Conn) (sent, received func(message []byte)) {
	f := flowOf(conn)
	if f == nil || f.r != r || !r.cfg.Plaintext {
		r.mu.Lock()
		r.stats.Declined++
		r.mu.Unlock()
		return nil, nil
	}
	f.decrypt()
	return func(message []byte) { f.plaintext(&f.sent, message) },
		func(message []byte) { f.plaintext(&f.received, message) }
}

// flowOf returns the flow of a connection that is recorded, nil of any other.
func flowOf(c net.Conn) *flow {
	for range 8 { // as many wrappers as anybody has
		switch recorded := c.(type) {
		case *conn:
			return &recorded.flow
		case *secureConn:
			return &recorded.flow
		case interface{ NetConn() net.Conn }:
			c = recorded.NetConn()
		default:
			return nil
		}
	}
	return nil
}

// decrypt leaves what is on the wire out from now on.
func (f *flow) decrypt() {
	f.mu.Lock()
	told := f.decrypted
	f.decrypted = true
	f.mu.Unlock()
	if !told {
		f.event(&Event{Kind: Decrypted})
	}
}

// plaintext records a message that was encrypted on the wire.
func (f *flow) plaintext(d *direction, message []byte) {
	at := f.r.now()
	f.mu.Lock()
	defer f.mu.Unlock()
	f.take(d, at, message)
}
