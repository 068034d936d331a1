package passive

import (
	"bytes"
	"testing"

	"github.com/fieldtap/fieldtap/acquire"
)

// Held returns how many octets r holds by its own account, those of subscriptions apart,
// and how many requests wait.
func (r *Reader) Held() (octets, pending int) {
	octets = r.d.held
	for _, s := range r.d.subscriptions {
		octets -= monitoredSize * (1 + len(s.items))
	}
	return octets, r.d.pending
}

// Advance takes the next packet, without its messages.
func (r *Reader) Advance() error {
	r.d.out, r.d.read = r.d.out[:0], 0
	return r.advance()
}

// Packets returns a function that gives the packets of a file, one after the other.
func Packets(t testing.TB, b []byte) func() (data []byte, at acquire.Instant, link uint32, frame int, ok bool) {
	f, err := newFile("memory", bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	return func() ([]byte, acquire.Instant, uint32, int, bool) {
		var p packet
		if f.next(&p) != nil {
			return nil, 0, 0, 0, false
		}
		return p.data, p.time, p.link, p.frame, true
	}
}
