package passive

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
)

// listener is a conversation that checks what it hears: byte i of a stream is a function
// of i, so that none can be out of its place.
type listener struct {
	t    *testing.T
	d    *decoder
	f    *flow
	at   [2]uint32
	got  [2]int
	gaps [2]int
}

func byteAt(i uint32) byte { return byte(i*2654435761>>24) ^ byte(i) }

func (l *listener) data(from direction, b []byte) {
	start := l.f.halves[from].next - uint32(len(b))
	require.LessOrEqual(l.t, l.at[from], start, "bytes that were given already")
	for i, c := range b {
		if byteAt(start+uint32(i)) != c {
			require.FailNow(l.t, "a byte is out of its place")
		}
	}
	l.at[from] = start + uint32(len(b))
	l.got[from] += len(b)
}

func (l *listener) gap(from direction)  { l.gaps[from]++ }
func (l *listener) join(from direction) {}
func (l *listener) close(bool)          {}

// Segments cut anew at random, repeated, exchanged and lost come out as the stream that
// was sent, but for what was lost everywhere: all of it is given once, in its place.
func TestStreamsAreWhole(t *testing.T) {
	for seed := range uint64(400) {
		rng := rand.New(rand.NewPCG(4, seed))
		cfg, err := ReaderConfig{Files: []string{"x"}}.checked()
		require.NoError(t, err)
		d := newDecoder(cfg)
		const total = 20000
		first := uint32(5) // listener compares without wrap
		type seg struct {
			from, to uint32
		}
		var segs []seg
		there := make([]bool, total)
		lossy := seed%2 == 0
		for at := uint32(0); at < total; {
			n := uint32(1 + rng.IntN(1400))
			end := min(at+n, total)
			if !lossy || rng.IntN(12) != 0 {
				segs = append(segs, seg{at, end})
				for i := at; i < end; i++ {
					there[i] = true
				}
			}
			if rng.IntN(4) == 0 { // again, cut otherwise
				a := uint32(rng.IntN(int(end)))
				b := min(end, a+uint32(rng.IntN(2000)))
				if a < b {
					segs = append(segs, seg{a, b})
					for i := a; i < b; i++ {
						there[i] = true
					}
				}
			}
			at = end
		}
		for range len(segs) / 2 { // neighbours change places
			i := rng.IntN(len(segs) - 1)
			segs[i], segs[i+1] = segs[i+1], segs[i]
		}
		client, server := netip.MustParseAddrPort("10.0.0.1:4000"), netip.MustParseAddrPort("10.0.0.2:502")
		l := &listener{t: t, d: d}
		now := acquire.Instant(1e9)
		send := func(seq uint32, flags byte, b []byte) {
			now += 1e6
			d.reuse()
			d.place, d.now = Place{Frame: 1, Time: now}, now
			packet := binary.BigEndian.AppendUint16(nil, client.Port())
			packet = binary.BigEndian.AppendUint16(packet, server.Port())
			packet = binary.BigEndian.AppendUint32(packet, seq)
			packet = append(packet, 0, 0, 0, 0, 5<<4, flags, 0, 0, 0, 0, 0, 0)
			d.patience()
			d.tcp(&datagram{src: client.Addr(), dst: server.Addr(), proto: protoTCP, payload: append(packet, b...)})
			if l.f == nil {
				l.f = d.newest
				l.f.talk = l
			}
		}
		send(first-1, flagSYN, nil)
		for _, s := range segs {
			b := make([]byte, s.to-s.from)
			for i := range b {
				b[i] = byteAt(first + s.from + uint32(i))
			}
			send(first+s.from, flagACK, b)
		}
		d.flush()
		want := 0
		last := -1
		for i, ok := range there {
			if ok {
				want++
				last = i
			}
		}
		require.Equal(t, want, l.got[toServer], "seed %d", seed)
		require.Equal(t, uint64(last+1-want), d.stats.MissingBytes)
		require.Zero(t, d.held)
		if !lossy {
			require.Zero(t, d.stats.Gaps)
		}
	}
}
