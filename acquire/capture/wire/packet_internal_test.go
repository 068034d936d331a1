package wire

import (
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// slowChecksum adds words in one's complement, one by one, as RFC 1071 has it.
func slowChecksum(b []byte) uint16 {
	if len(b)%2 == 1 {
		b = append(b[:len(b):len(b)], 0)
	}
	var sum uint16
	for i := 0; i < len(b); i += 2 {
		word := uint16(b[i])<<8 | uint16(b[i+1])
		before := sum
		sum += word
		if sum < before {
			sum++ // the carry comes round
		}
	}
	return ^sum
}

// What is written has checksums as the slow twin makes them, and is read back.
func TestPacketsAreReadBack(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	addresses := func(v6 bool) (netip.AddrPort, netip.AddrPort) {
		var a, b [16]byte
		for i := range a {
			a[i], b[i] = byte(random.Uint32()), byte(random.Uint32())
		}
		from, to := netip.AddrFrom16(a), netip.AddrFrom16(b)
		if !v6 {
			from, to = netip.AddrFrom4([4]byte(a[:])), netip.AddrFrom4([4]byte(b[:]))
		}
		return netip.AddrPortFrom(from, uint16(random.Uint32())), netip.AddrPortFrom(to, uint16(random.Uint32()))
	}
	for range 2000 {
		v6 := random.IntN(2) == 0
		want := packet{protocol: protocolUDP, payload: make([]byte, random.IntN(200))}
		want.from, want.to = addresses(v6)
		for i := range want.payload {
			want.payload[i] = byte(random.Uint32() >> (random.Uint32() % 32))
		}
		if random.IntN(2) == 0 {
			want.protocol, want.flags, want.seq, want.ack = protocolTCP, flagACK, random.Uint32(), random.Uint32()
		}
		b := want.append(nil)
		require.Len(t, b, want.size())
		var got packet
		require.True(t, got.parse(append(b, 0, 0)), "with a trailer")
		require.Equal(t, want, got)

		// Over the pseudo header and the segment, with the checksum in it, the sum is 0.
		head := ipv4Header
		if v6 {
			head = ipv6Header
		} else {
			require.Zero(t, slowChecksum(b[:head]))
		}
		pseudo := append(want.from.Addr().AsSlice(), want.to.Addr().AsSlice()...)
		pseudo = append(pseudo, 0, want.protocol, byte((len(b)-head)>>8), byte(len(b)-head))
		require.Zero(t, slowChecksum(append(pseudo, b[head:]...)))
	}
}

// A checksum of UDP that comes out as 0 is sent as all ones (RFC 768).
func TestChecksumOfZero(t *testing.T) {
	p := packet{from: netip.MustParseAddrPort("0.0.0.0:0"), to: netip.MustParseAddrPort("0.0.0.0:0"), protocol: protocolUDP, payload: []byte{0, 0}}
	b := p.append(nil)
	rest := ^slowChecksum(append([]byte{0, protocolUDP, 0, byte(len(b) - ipv4Header), 0, 0, 0, 0, 0, byte(len(b) - ipv4Header), 0, 0}, p.payload...))
	p.payload = []byte{byte(^rest >> 8), byte(^rest)}
	b = p.append(nil)
	assert.Equal(t, []byte{0xff, 0xff}, b[ipv4Header+6:ipv4Header+8])
}

func TestComments(t *testing.T) {
	local, remote := netip.MustParseAddrPort("[2001:db8::1]:5"), netip.MustParseAddrPort("[2001:db8::2]:6")
	for _, want := range []Event{
		{Kind: Opened}, {Kind: Opened, Text: `a "name" = with local=1.2.3.4:5 and = signs`},
		{Kind: Failed, Fault: Timeout, After: 1500, Text: "tab\tnew\nline \xff"}, {Kind: Reset, Fault: Other, Text: "ü"},
	} {
		comment := appendComment(nil, &want, local, remote)
		got, l, r, ok := parseComment(string(comment))
		assert.True(t, ok, "%s", comment)
		assert.Equal(t, want, got)
		assert.Equal(t, local, l)
		assert.Equal(t, remote, r)
	}
	for _, s := range []string{
		"", "fieldtap: ", "fieldtap: opened", "fieldtap: unknown local=1.2.3.4:5 remote=1.2.3.4:6", "fieldtap: opened local=x remote=y",
		"fieldtap: opened local=1.2.3.4:5 remote=1.2.3.4:6 text=unquoted", "fieldtap: opened local", "somebody else: opened",
	} {
		_, _, _, ok := parseComment(s)
		assert.False(t, ok, "%q", s)
	}
}
