package modbus

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// slowHunt is the twin of hunt for answers to reads: it tries every piece of buf, and
// has goburrow's codec judge the check.
func slowHunt(buf []byte, unit, function byte, expect int) int {
	codec := RTU.packager(unit)
	sound := func(b []byte) bool {
		_, err := codec.Decode(b)
		return len(b) >= 4 && err == nil
	}
	answer := func(b []byte) bool {
		switch {
		case len(b) < 5 || b[0] != unit || !sound(b):
			return false
		case b[1] == function|0x80:
			return len(b) == 5
		}
		return b[1] == function && int(b[2]) == len(b)-5 && (expect < 0 || int(b[2]) == expect) && len(b) <= 256
	}
	if n, err := splitRTU(buf); err == nil && n > 0 && sound(buf[:n]) {
		return 0
	}
	// What begins as the answer should is one that is damaged, or not complete.
	if len(buf) > 0 && buf[0] == unit {
		switch {
		case len(buf) == 1, buf[1] == function|0x80:
			return 0
		case buf[1] == function && (len(buf) == 2 || (expect < 0 || int(buf[2]) == expect) && buf[2] <= 251):
			return 0
		}
	}
	for at := 1; at <= 7; at++ {
		for end := at; end <= len(buf); end++ {
			if answer(buf[at:end]) {
				return at
			}
		}
	}
	return 0
}

// rtu frames unit, function and data.
func rtu(body ...byte) []byte { return binary.LittleEndian.AppendUint16(body, crc16(body)) }

// FuzzNoise looks for an answer in any bytes, and compares with the twin.
func FuzzNoise(f *testing.F) {
	f.Add([]byte{0xFF, 0}, byte(4), false)
	f.Add(append([]byte{1}, rtu(1, 3, 2, 0, 42)...), byte(2), false)
	f.Add(append([]byte{1, 3, 4, 1}, rtu(1, 3, 2, 0, 42)...), byte(2), true)
	f.Add(append([]byte{0}, rtu(1, 0x83, 2)...), byte(2), false)
	f.Add(rtu(2, 3, 2, 0, 42), byte(2), false)
	f.Fuzz(func(t *testing.T, buf []byte, count byte, framed bool) {
		buf = buf[:min(len(buf), 300)]
		expect := int(count % 252)
		if framed { // random bytes have no check
			buf = append(buf[:min(len(buf), 10):min(len(buf), 10)], rtu(append([]byte{1, 3, byte(expect)}, make([]byte, expect)...)...)...)
		}
		noise, hope := hunt(buf, 1, 3, expect)
		require.Equal(t, slowHunt(buf, 1, 3, expect), noise)
		if noise == 0 && !hope && len(buf) > 0 {
			// Whatever comes behind it changes nothing, unless this may be a frame.
			n, err := splitRTU(buf)
			if _, fits := fitsRTU(buf, 1, 3, expect); !fits && (n > 0 || err != nil) {
				after := append(buf[:len(buf):len(buf)], rtu(append([]byte{1, 3, byte(expect)}, make([]byte, expect)...)...)...)
				noise, _ = hunt(after, 1, 3, expect)
				require.Zero(t, noise, "given up too early")
			}
		}
	})
}

// The same on many answers behind random noise, cut at random: whole ones are found
// and nothing else is.
func TestNoiseAndItsTwin(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 7))
	found, near := 0, []byte{0, 1, 3, 4, 0x83, 0xFF}
	for range 20_000 {
		var buf []byte
		for range random.IntN(10) {
			buf = append(buf, near[random.IntN(len(near))])
		}
		clean := len(buf) == 0
		expect := 2 * (1 + random.IntN(4))
		answer := []byte{1, 3, byte(expect)}
		for range expect {
			answer = append(answer, near[random.IntN(len(near))])
		}
		answer = rtu(answer...)
		buf = append(buf, answer[:random.IntN(len(answer)+1)]...)
		noise, _ := hunt(buf, 1, 3, expect)
		require.Equal(t, slowHunt(buf, 1, 3, expect), noise, "%x", buf)
		if noise > 0 {
			require.False(t, clean)
			require.Equal(t, answer, buf[noise:])
			found++
		}
	}
	assert.Greater(t, found, 500)
}
