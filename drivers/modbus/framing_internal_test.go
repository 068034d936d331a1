package modbus

import (
	"bytes"
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Checks as the Serial Line Specification V1.02 works them out: section 6.2.2 for
// the CRC (02 07 gives 41 12), and the message of 6.2.1's rule for the LRC.
func TestChecks(t *testing.T) {
	assert.EqualValues(t, 0x1241, crc16([]byte{0x02, 0x07}))
	assert.EqualValues(t, 0x4B37, crc16([]byte("123456789")), "the check value of CRC-16/MODBUS")
	assert.EqualValues(t, 0xF1, lrc([]byte("030200000A")), "-(03+02+00+00+0A)")
}

// What goes out in each framing comes apart as what it was, whole or byte by byte,
// with noise in front where the framing allows for it.
func TestFramesComeApart(t *testing.T) {
	for _, f := range []Framing{MBAP, RTU, ASCII} {
		t.Run(f.String(), func(t *testing.T) {
			fr := newFramer(f, 17)
			request, err := fr.encode(readHoldingRegisters, 0, 0x6B, 0, 3)
			require.NoError(t, err)
			answer, err := fr.encode(readHoldingRegisters, 6, 2, 0x2B, 0, 0, 0, 0x64)
			require.NoError(t, err)
			if f == MBAP {
				copy(answer, request[:2])
			}
			noise := ""
			if f == ASCII {
				noise = "\x00:0103\r\nxx:12:"
			}
			stream := append([]byte(noise), answer...)
			var frames int
			start := 0
			for end := 0; end <= len(stream); end++ {
				skip, n, err := f.split(stream[start:end])
				require.NoError(t, err)
				start += skip
				if n == 0 {
					continue
				}
				frame := stream[start : start+n]
				start += n
				data, err := fr.open(readHoldingRegisters, request, frame)
				if len(frame) != len(answer) {
					require.Error(t, err)
					continue
				}
				require.NoError(t, err)
				frames++
				assert.Equal(t, []byte{6, 2, 0x2B, 0, 0, 0, 0x64}, data)
			}
			assert.Equal(t, 1, frames)

			for i := range answer { // a frame with any one bit wrong is not taken for a good one
				for bit := range 8 {
					damaged := bytes.Clone(answer)
					damaged[i] ^= 1 << bit
					skip, n, err := f.split(damaged)
					if err != nil || n == 0 {
						continue
					}
					data, err := fr.open(readHoldingRegisters, request, damaged[skip:skip+n])
					switch {
					case f == MBAP && i > 4: // which has no check
					case f == ASCII && strings.EqualFold(string(damaged), string(answer)): // digits in lower case
					default:
						require.Error(t, err, "byte %d bit %d gave % x", i, bit, data)
					}
				}
			}
		})
	}
}

// Of every function that is called, the length of the answer is known.
func TestLengthsOfAnswers(t *testing.T) {
	for _, c := range []struct {
		pdu  string
		want int
	}{
		{"\x01\x03", 5}, {"\x02", 0}, {"\x03\xFA", 252}, {"\x04\x02", 4}, {"\x83", 2},
		{"\x07", 2}, {"\x08", 5}, {"\x0B", 5}, {"\x0C\x08", 10}, {"\x11\x05", 7}, {"\x14\x06", 8},
		{"\x18\x00", 0}, {"\x18\x00\x06", 9}, {"\xAB", 2},
		{"\x2B\x0E\x01\x01\x00\x00", 0}, {"\x2B\x0E\x01\x01\x00\x00\x01", 0}, {"\x2B\x0E\x01\x01\x00\x00\x01\x00\x04", 13},
		{"\x2B\x0E\x01\x01\x00\x00\x00", 7},
	} {
		n, err := answerLength([]byte(c.pdu))
		require.NoError(t, err, "%x", c.pdu)
		assert.Equal(t, c.want, n, "%x", c.pdu)
	}
	for _, pdu := range []string{"\x06", "\x10", "\x00", "\x03\xFF", "\x18\x01\x00", "\x2B\x0E\x01\x01\x00\x00\x02\x00\xFF\x01\xFF"} {
		_, err := answerLength([]byte(pdu))
		if pdu[0] == encapsulatedInterface {
			continue // is not complete
		}
		require.Error(t, err, "%x", pdu)
	}
}

// FuzzFraming cuts frames out of any bytes and opens them.
func FuzzFraming(f *testing.F) {
	f.Add(byte(0), []byte{0, 1, 0, 0, 0, 7, 1, 4, 4, 0x40, 0x48, 0xF5, 0xC3})
	f.Add(byte(1), []byte{1, 3, 2, 0, 42, 0x39, 0x9B, 1, 0x83, 2, 0xC0, 0xF1})
	f.Add(byte(2), []byte(":010302002AD0\r\nnoise:01:0183027A\r\n"))
	f.Add(byte(1), []byte("\x01\x2B\x0E\x03\x83\xFF\x04\x02\x00\x01A\x01\x01B"))
	f.Fuzz(func(t *testing.T, kind byte, stream []byte) {
		framing := Framing(kind % 3)
		fr := newFramer(framing, 1)
		request, err := fr.encode(readHoldingRegisters, 0, 0, 0, 1)
		require.NoError(t, err)
		b := &block{at: Holding(0), count: 1}
		for len(stream) > 0 {
			skip, n, err := framing.split(stream)
			if err != nil {
				require.NotEmpty(t, err.Error())
				return
			}
			require.LessOrEqual(t, skip+n, len(stream))
			require.LessOrEqual(t, n, maxFrame)
			if skip == 0 && n == 0 {
				return
			}
			frame := stream[skip : skip+n : skip+n]
			stream = stream[skip+n:]
			if n == 0 {
				continue
			}
			if framing == MBAP {
				copy(request, frame[:2])
			} else {
				framing.peek(frame)
			}
			data, err := fr.data(b, request, frame)
			if err == nil {
				require.Len(t, data, 2)
			} else {
				require.NotEmpty(t, err.Error())
			}
			_, _ = fr.open(encapsulatedInterface, request, frame)
		}
	})
}

// FuzzLine asks a unit on a line again and again while any bytes come.
func FuzzLine(f *testing.F) {
	f.Add(byte(0), []byte{1, 3, 2, 0, 42, 0x39, 0x9B, 1, 3, 2, 0, 42, 0x39, 0x9B}, byte(7))
	f.Add(byte(0), []byte{1, 8, 0, 0, 0, 1, 0x21, 0xCB, 1, 3, 2, 0, 42, 0x39, 0x9B}, byte(255))
	f.Add(byte(1), []byte(":010302002AD0\r\n:010302002AD0\r\n"), byte(3))
	f.Add(byte(0), []byte{2, 3, 2, 0, 42, 0, 0, 0xFF, 0xFF, 0xFF}, byte(1))
	f.Fuzz(func(t *testing.T, kind byte, recorded []byte, portion byte) {
		framing := []Framing{RTU, ASCII}[kind%2]
		bus := newBus(BusConfig{
			Framing: framing, Dial: func(context.Context) (net.Conn, error) { return nil, nil }, Now: time.Now, LateGrace: time.Nanosecond,
		}, false)
		c := &tape{recorded: recorded, portion: max(1, int(portion))}
		l, who := newLink(bus, c), &caller{unit: 1, framer: newFramer(framing, 1), expect: 2}
		b := &block{at: Holding(0), count: 1}
		request, err := who.framer.request(b)
		require.NoError(t, err)
		for n := 0; l.failure() == nil && c.read < len(recorded) && n < 1000; n++ {
			frame, _, err := l.exchange(context.Background(), who, request, time.Second)
			if err != nil {
				require.Nil(t, frame)
				continue
			}
			require.LessOrEqual(t, len(frame), maxFrame)
			if data, err := who.framer.data(b, request, frame); err == nil {
				require.Len(t, data, 2)
				require.True(t, bytes.Contains(recorded, frame))
			}
		}
	})
}
