package opcua

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/gopcua/opcua/ua"
	"github.com/gopcua/opcua/uapolicy"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// played is a connection from which bytes come as they were recorded, and to which
// anything may be written.
type played struct {
	net.Conn
	in io.Reader
}

func (p played) Read(b []byte) (int, error)       { return p.in.Read(b) }
func (p played) Write(b []byte) (int, error)      { return len(b), nil }
func (p played) Close() error                     { return nil }
func (p played) SetDeadline(time.Time) error      { return nil }
func (p played) SetWriteDeadline(time.Time) error { return nil }

// keysOf returns the seals of the two ends of a channel.
func keysOf(t testing.TB, policy Policy, encrypt bool) (client, server seal) {
	t.Helper()
	if policy == PolicyNone {
		return seal{}, seal{}
	}
	near, far := bytes.Repeat([]byte{1}, 32), bytes.Repeat([]byte{2}, 32)
	a, err := uapolicy.Symmetric(policy.uri(), near, far)
	require.NoError(t, err)
	b, err := uapolicy.Symmetric(policy.uri(), far, near)
	require.NoError(t, err)
	return seal{algorithm: a, encrypt: encrypt}, seal{algorithm: b, encrypt: encrypt}
}

// listening is a channel that has asked for the answers 1 to 3, and reads what comes.
func listening(in io.Reader, protection seal, maxMessage int) (*channel, []*call) {
	c := &channel{
		conn: played{in: in}, waiting: make(map[uint32]*call), ended: make(chan struct{}), id: 7,
		current: token{id: 9, valid: true, seal: protection, lifetime: time.Hour, since: noon},
		cfg: channelConfig{
			policy: PolicyNone.uri(), mode: ua.MessageSecurityModeNone, maxMessage: maxMessage, now: func() time.Time { return noon },
			counters: new(channelCounters), timeout: time.Second,
		},
	}
	var calls []*call
	for range 3 {
		k, err := c.register(nil)
		if err != nil {
			return nil, nil
		}
		calls = append(calls, k)
	}
	c.inner.Add(1)
	return c, calls
}

// step of a script: one chunk that a server sends.
type chunked struct {
	kind    string
	channel uint32
	token   uint32
	skip    uint32 // sequence numbers left out
	request uint32
	body    []byte
	spoil   bool // one bit of what goes out
}

// script makes chunks of any bytes: mostly right ones, so that what is behind the checks
// is reached as well.
func script(b []byte) (chunks []chunked) {
	next := func() byte {
		if len(b) == 0 {
			return 0
		}
		v := b[0]
		b = b[1:]
		return v
	}
	for len(b) > 0 && len(chunks) < 64 {
		what := next()
		s := chunked{kind: []string{"MSGF", "MSGC", "MSGC", "MSGA"}[what&3], channel: 7, token: 9, request: uint32(next() & 7)}
		n := int(next()) << (what >> 2 & 3)
		s.body = slices.Clone(b[:min(n, len(b))])
		b = b[len(s.body):]
		switch what >> 4 {
		case 15:
			s.channel = 8
		case 14:
			s.token = 10
		case 13:
			s.skip = 1
		case 12:
			s.spoil = true
		case 11:
			s.kind = "OPNF"
		case 10:
			s.kind = "ERRF"
		}
		chunks = append(chunks, s)
	}
	return chunks
}

// assembled is what a channel must make of a script, the slow way: all bodies together
// when the last has come. It stops at the first thing that is wrong.
func assembled(chunks []chunked, maxMessage, maxChunks int, protected bool) (answers map[uint32][]byte, aborted map[uint32]bool) {
	answers, aborted = make(map[uint32][]byte), make(map[uint32]bool)
	parts := make(map[uint32][][]byte)
	for _, s := range chunks {
		switch {
		case s.kind[:3] != "MSG", s.channel != 7, s.token != 9, s.skip != 0, s.spoil && protected:
			return answers, aborted
		case s.spoil: // somewhere, and nothing tells where
			return nil, nil
		case s.request < 1 || s.request > 3:
			continue
		}
		_, answered := answers[s.request]
		if answered || aborted[s.request] {
			continue
		}
		if s.kind == "MSGA" {
			aborted[s.request] = true
			if len(parts[s.request])+1 > maxChunks {
				aborted[s.request] = true
			}
			continue
		}
		parts[s.request] = append(parts[s.request], s.body)
		whole := bytes.Join(parts[s.request], nil)
		if len(whole) > maxMessage || len(parts[s.request]) > maxChunks {
			return answers, aborted
		}
		if s.kind == "MSGF" {
			answers[s.request] = whole
		}
	}
	return answers, aborted
}

// FuzzChunks holds what a channel makes of chunks, protected or not, against a slow twin.
func FuzzChunks(f *testing.F) {
	f.Add([]byte{0, 1, 4, 'a', 'b', 'c', 'd', 1, 2, 2, 'x', 'y', 0, 2, 1, 'z'}, byte(0))
	f.Add([]byte{1, 1, 4, 'a', 'b', 'c', 'd', 0xC0, 1, 2, 'x', 'y', 3, 2, 1, 'z'}, byte(1))
	f.Add([]byte{1, 1, 1, 'a', 3, 1, 8, 0, 0, 2, 0x80, 0xFF, 0xFF, 0xFF, 0xFF, 0, 3, 0}, byte(2))
	f.Add(bytes.Repeat([]byte{0x0D, 1, 255}, 60), byte(3))
	f.Fuzz(func(t *testing.T, b []byte, how byte) {
		policy := []Policy{PolicyNone, Basic256Sha256, Aes128Sha256RsaOaep, Aes256Sha256RsaPss}[how&3]
		client, server := keysOf(t, policy, how&4 != 0)
		const maxMessage = 9000 // two chunks
		chunks := script(b)
		var wire []byte
		sequence := uint32(41)
		for _, s := range chunks {
			start := len(wire)
			wire = append(wire, s.kind...)
			wire = append(wire, 0, 0, 0, 0)
			wire = binary.LittleEndian.AppendUint32(wire, s.channel)
			wire = binary.LittleEndian.AppendUint32(wire, s.token)
			sequence += 1 + s.skip
			wire = binary.LittleEndian.AppendUint32(wire, sequence)
			wire = binary.LittleEndian.AppendUint32(wire, s.request)
			wire = append(wire, s.body...)
			var err error
			wire, err = server.close(wire, start, 16)
			require.NoError(t, err)
			if s.spoil {
				wire[start+16+int(how)%(len(wire)-start-16)] ^= 1
			}
		}
		c, calls := listening(bytes.NewReader(wire), client, maxMessage)
		c.received, c.begun = 41, true
		want, aborted := assembled(chunks, maxMessage, c.maxChunks(), policy != PolicyNone)
		c.read()
		require.Error(t, c.err())
		for _, k := range calls {
			select {
			case m := <-k.answer:
				if want == nil {
					continue
				}
				body, ok := want[k.id]
				require.Equal(t, ok, m.err == nil, "%v", m.err)
				require.Equal(t, aborted[k.id], m.err != nil && errorsIsPeer(m.err))
				if ok {
					require.True(t, bytes.Equal(body, m.body))
				}
			default:
				if want != nil {
					require.NotContains(t, want, k.id)
				}
			}
			select {
			case <-k.answer:
				t.Fatal("answered twice")
			default:
			}
		}
	})
}

// errorsIsPeer reports whether an error is an abort, or the fault in one.
func errorsIsPeer(err error) bool {
	_, told := errors.AsType[*PeerError](err)
	_, garbled := errors.AsType[*ProtocolError](err)
	return told || garbled
}

// FuzzStream gives a channel any bytes, and the opening of one too: it ends, with an error
// that says why, and has kept no more than one response of each request.
func FuzzStream(f *testing.F) {
	ack := []byte("ACKF\x1c\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00")
	f.Add(ack)
	opened := append([]byte("OPNF"), 0, 0, 0, 0, 7, 0, 0, 0)
	opened = appendText(opened, PolicyNone.uri())
	opened = append(opened, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 1, 0, 0, 0, 1, 0, 0, 0)
	opened = append(opened, encodeResponse(&ua.OpenSecureChannelResponse{
		ResponseHeader: responseHeader(1, 0), SecurityToken: &ua.ChannelSecurityToken{ChannelID: 7, TokenID: 9, CreatedAt: noon, RevisedLifetime: 3_600_000},
	})...)
	binary.LittleEndian.PutUint32(opened[4:], uint32(len(opened)))
	f.Add(append(slices.Clone(ack), opened...))
	f.Add([]byte("ERRF\x10\x00\x00\x00\x00\x00\x80\x80\xFF\xFF\xFF\xFF"))
	f.Add([]byte("MSGF\x18\x00\x00\x00\x07\x00\x00\x00\x09\x00\x00\x00\x01\x00\x00\x00\x01\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, calls := listening(bytes.NewReader(b), seal{}, leastChunk)
		c.read()
		require.Error(t, c.err())
		for _, k := range calls {
			if k.partial != nil {
				assert.LessOrEqual(t, len(k.partial.body), leastChunk)
			}
		}
		cfg := c.cfg
		cfg.lifetime, cfg.timeout = time.Hour, time.Second
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		c, err := openChannel(ctx, played{in: bytes.NewReader(b)}, cfg)
		if err != nil {
			require.Nil(t, c)
			return
		}
		require.NotZero(t, c.id)
		require.GreaterOrEqual(t, c.current.lifetime, leastLifetime)
		require.GreaterOrEqual(t, c.sendChunk, leastChunk)
		c.close()
	})
}

// unpadded is what an end takes off decrypted content, as OPC 10000-6, section 6.7.2.5 has
// it, byte for byte: the size of the padding, the padding, and for long keys the high byte
// of the size behind it.
func unpadded(content []byte, long bool) ([]byte, bool) {
	for size := range math.MaxUint16 + 1 {
		tail := []byte{byte(size)} // of the whole: what says the size
		if long {
			tail = append(tail, byte(size>>8))
		} else if size > math.MaxUint8 {
			break
		}
		if !bytes.HasSuffix(content, tail) {
			continue
		}
		whole := append([]byte{byte(size)}, bytes.Repeat([]byte{byte(size)}, size)...)
		if long {
			whole = append(whole, byte(size>>8))
		}
		rest, ok := bytes.CutSuffix(content, whole)
		return rest, ok && len(rest) >= sequenceHeader
	}
	return nil, false
}

// FuzzSeal opens chunks whose content is anything under a right signature, and such as
// are anything themselves; what was closed opens again, and has the size that was promised.
func FuzzSeal(f *testing.F) {
	f.Add([]byte("header of sequence and a body"), byte(0))
	f.Add(append([]byte("sequence"), bytes.Repeat([]byte{3}, 4)...), byte(1))
	f.Add(append([]byte("sequence"), 2, 2, 2, 0), byte(4+1))
	f.Add([]byte("abc"), byte(2)) // two bytes of 2 where three would be padding
	f.Fuzz(func(t *testing.T, b []byte, how byte) {
		policy := []Policy{Basic256Sha256, Aes128Sha256RsaOaep, Aes256Sha256RsaPss, Basic256}[how&3]
		long, encrypt := how&4 != 0, how&8 == 0
		client, server := keysOf(t, policy, encrypt)
		client.longIn, server.longOut = long, long
		header := []byte("MSGF\x00\x00\x00\x00\x07\x00\x00\x00\x09\x00\x00\x00")
		if len(b) > 1<<14 {
			b = b[:1<<14]
		}

		// Anything.
		chunk := append(slices.Clone(header), b...)
		if _, err := client.open(chunk, len(header)); err == nil {
			t.Fatal("a chunk that nobody signed")
		}

		// A right one.
		content := append([]byte("sequence"), b...)
		closed, err := server.close(append(slices.Clone(header), content...), 0, len(header))
		require.NoError(t, err)
		require.EqualValues(t, len(closed), binary.LittleEndian.Uint32(closed[4:]))
		for size := len(closed); size < len(closed)+3 && encrypt; size++ {
			room := server.capacity(size, len(header))
			require.True(t, (len(b) <= room) || size < len(closed), "%d bytes do not fit %d, they say", len(b), size)
		}
		spoilt := slices.Clone(closed)
		opened, err := client.open(closed, len(header))
		require.NoError(t, err)
		require.True(t, bytes.Equal(content, opened))
		spoilt[int(how)*31%len(spoilt)] ^= 0x10
		if _, err := client.open(spoilt, len(header)); err == nil {
			t.Fatal("a chunk that was changed")
		}

		// Any padding, signed and encrypted as it is.
		if !encrypt {
			return
		}
		a := server.algorithm
		plain, signature := a.PlaintextBlockSize(), a.SignatureLength()
		content = append(content, b...)
		for (len(content)+signature)%plain != 0 {
			content = append(content, byte(how))
		}
		chunk = append(slices.Clone(header), content...)
		binary.LittleEndian.PutUint32(chunk[4:], uint32(len(chunk)+signature))
		signed, err := a.Signature(chunk)
		require.NoError(t, err)
		secret, err := a.Encrypt(append(slices.Clone(content), signed...))
		require.NoError(t, err)
		want, ok := unpadded(content, long)
		got, err := client.open(append(slices.Clone(header), secret...), len(header))
		// The signature is over a size in the header, which stays as it was signed.
		if err != nil {
			got, err = client.open(append(slices.Clone(chunk[:len(header)]), secret...), len(header))
		}
		require.Equal(t, ok, err == nil, "%v", err)
		if ok {
			require.True(t, bytes.Equal(want, got))
		}
	})
}
