package wire

// Protocol knows the messages of a protocol, as far as recording and playing them
// need it. Methods must be safe for concurrent use, accept any bytes, and keep none.
type Protocol interface {
	// Port is the port written for a device whose connection has no address, by
	// which tools tell the protocol.
	Port() uint16
	// Next returns the length of the message that b begins with: more than len(b)
	// where the rest is still to come, and 0 where b is too short to tell. An error
	// says that b does not begin with a message. It is not asked about datagrams.
	Next(b []byte) (int, error)
	// ID returns what an answer has in common with its request, and false if the
	// message has nothing of the kind.
	ID(message []byte) (id uint64, ok bool)
	// Match returns nil if a request says what the recorded one says, leaving aside what
	// differs from run to run (ids, times, secrets that were masked), else what is
	// different.
	Match(recorded, request []byte) error
	// Answer appends to dst the recorded answer to the recorded request, made
	// to fit the request that stands in its place.
	Answer(dst, answer, recorded, request []byte) []byte
	// Redactor returns what masks the secrets of one direction of one
	// connection, nil if the protocol has none.
	Redactor() Redactor
}

// Redactor masks the secrets in the messages of one direction, in their order. It is
// used by one goroutine at a time.
type Redactor interface {
	// Redact overwrites the secrets in a whole message, which stays as long and as
	// well-formed as it was, and returns how many bytes it has masked. An error says that
	// the message is not understood; its caller masks it entirely.
	Redact(message []byte) (masked int, err error)
}

// mask overwrites b with letters, which are legible wherever text may be.
func mask(b []byte) int {
	for i := range b {
		b[i] = 'x'
	}
	return len(b)
}
