package interop_test

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/fieldtap/fieldtap/drivers/modbus"
)

// tap listens to requests, counts them by function, and takes down whatever it
// does not know to leave a device as it is. It reads frames by rules of its own.
type tap struct {
	framing modbus.Framing

	mu      sync.Mutex
	pending []byte
	counts  map[string]int // requests by function
	most    int            // requests heard at once
	other   []string
}

func newTap(f modbus.Framing) *tap { return &tap{framing: f, counts: make(map[string]int)} }

// take listens to the next bytes, which need not end with a frame.
func (w *tap) take(b []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.pending = append(w.pending, b...)
	for now := 1; ; now++ {
		pdu, n := w.next()
		if n == 0 {
			return
		}
		w.most = max(w.most, now)
		w.pending = w.pending[n:]
		name, reads := w.function(pdu)
		if !reads {
			w.other = append(w.other, fmt.Sprintf("% x", pdu))
		}
		w.counts[name]++
	}
}

// next returns the first request that is pending, from the function code on, and
// the length of its frame, 0 if it is not complete.
func (w *tap) next() (pdu []byte, frame int) {
	p := w.pending
	switch w.framing {
	case modbus.ASCII:
		end := bytes.Index(p, []byte("\r\n"))
		if end < 0 {
			return nil, 0
		}
		raw, err := hex.DecodeString(strings.TrimPrefix(string(p[:end]), ":"))
		if err != nil || p[0] != ':' || len(raw) < 3 {
			return p[:end], end + 2
		}
		return raw[1 : len(raw)-1], end + 2
	case modbus.RTU:
		// Requests have no length: it follows from the function.
		length := map[byte]int{1: 8, 2: 8, 3: 8, 4: 8, 8: 8, 17: 4, 43: 7}
		if len(p) < 2 {
			return nil, 0
		}
		n := length[p[1]]
		switch {
		case n == 0:
			return p[1:], len(p)
		case len(p) < n:
			return nil, 0
		}
		return p[1 : n-2], n
	}
	if len(p) < 7 {
		return nil, 0
	}
	n := 6 + int(p[4])<<8 + int(p[5])
	if len(p) < n {
		return nil, 0
	}
	return p[7:n], n
}

// function names the function of a request, and tells whether it is one of the
// few that only read.
func (w *tap) function(pdu []byte) (name string, reads bool) {
	switch {
	case len(pdu) == 5 && pdu[0] >= 1 && pdu[0] <= 4:
		return fmt.Sprint(pdu[0]), true
	case len(pdu) == 5 && pdu[0] == 8 && pdu[1] == 0 && pdu[2] == 0:
		return "8/0", w.framing != modbus.MBAP // an echo, needed where answers bear no id
	case len(pdu) == 1 && pdu[0] == 17:
		return "17", true
	case len(pdu) == 4 && pdu[0] == 43 && pdu[1] == 14:
		return "43/14", true
	case len(pdu) == 0:
		return "none", false
	}
	return fmt.Sprint(pdu[0]), false
}

// onlyReads asserts that there were requests, and none that might change a
// device.
func (w *tap) onlyReads(t *testing.T) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	assert.NotEmpty(t, w.counts, "requests")
	assert.Empty(t, w.other, "requests that are not known to leave a device as it is")
	assert.Empty(t, w.pending, "bytes that make no request")
}

// String gives how often each function was called, as "3: 12, 4: 5".
func (w *tap) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var all []string
	for name, n := range w.counts {
		all = append(all, fmt.Sprintf("%s: %d", name, n))
	}
	slices.Sort(all)
	return strings.Join(all, ", ")
}

// A writing function must not pass the tap in any framing.
func TestTapSeesWrites(t *testing.T) {
	for _, request := range []struct {
		framing modbus.Framing
		frame   string
	}{
		{modbus.MBAP, "\x00\x01\x00\x00\x00\x06\x01\x06\x00\x00\x00\x01"},
		{modbus.MBAP, "\x00\x01\x00\x00\x00\x06\x01\x08\x00\x01\x00\x00"},
		{modbus.MBAP, "\x00\x01\x00\x00\x00\x05\x01\x2b\x0d\x00\x00"},
		{modbus.RTU, "\x01\x05\x00\x00\xff\x00\x8c\x3a"},
		{modbus.RTU, "\x01\x08\x00\x04\x00\x00\x00\x00"},
		{modbus.ASCII, ":010600000001F8\r\n"},
		{modbus.ASCII, ":zz\r\n"},
	} {
		read := map[modbus.Framing]string{
			modbus.MBAP: "\x00\x01\x00\x00\x00\x06\x01\x03\x00\x00\x00\x01",
			modbus.RTU:  "\x01\x03\x00\x00\x00\x01\x84\x0a", modbus.ASCII: ":010300000001FB\r\n",
		}[request.framing]
		w := newTap(request.framing)
		for _, b := range []byte(read + request.frame) {
			w.take([]byte{b})
		}
		assert.Equal(t, 1, w.counts["3"], "%s: reads", request.framing)
		assert.NotEmpty(t, append(w.other, string(w.pending)), "%s: % x", request.framing, request.frame)
	}
}
