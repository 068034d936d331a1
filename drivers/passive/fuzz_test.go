package passive_test

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/drivers/modbus"
	"github.com/fieldtap/fieldtap/drivers/opcua"
	"github.com/fieldtap/fieldtap/drivers/passive"
	"github.com/fieldtap/fieldtap/drivers/snmp"
)

// drain reads captures with everything on, and checks what must hold of any.
func drain(t testing.TB, cfg passive.ReaderConfig) passive.Stats {
	r, err := passive.NewReader(cfg)
	if err != nil {
		return passive.Stats{}
	}
	defer r.Close()
	for {
		o, err := r.Next()
		if err != nil {
			var damage *passive.DamageError
			require.True(t, err == io.EOF || errors.As(err, &damage), "%v", err)
			octets, pending := r.Held()
			require.Zero(t, octets, "an account that does not add up")
			require.Zero(t, pending)
			break
		}
		require.NotZero(t, o.Frame)
		octets, _ := r.Held()
		require.GreaterOrEqual(t, octets, 0)
		require.LessOrEqual(t, octets, max(2*cfg.Limits.MaxHeld, 1<<16))
		if o.Err == nil && !o.Unanswered && o.FromServer {
			switch o.Protocol {
			case passive.Modbus:
				require.NotNil(t, o.Modbus.Request, "an answer without a request")
				require.Equal(t, o.Modbus.Request[0], o.Modbus.PDU[0]&0x7F)
			case passive.SNMP:
				if o.SNMP.Type == passive.Response {
					require.NotNil(t, o.SNMP.Request, "an answer without a request")
				}
			}
		}
	}
	s := r.Stats()
	require.LessOrEqual(t, s.Requests+s.Answers, s.Messages)
	require.LessOrEqual(t, s.Unanswered+s.Repeated, s.Requests)
	src, err := passive.NewSource(passive.Config{
		ReaderConfig: cfg, Incomplete: true,
		Modbus: []passive.ModbusDevice{{Unit: 1, Points: []modbus.Point{{Name: "m", At: modbus.Holding(0), Type: modbus.Uint16}}}, {Unit: 7, Points: modbusPoints}},
		SNMP:   []passive.SNMPAgent{{Points: []snmp.Point{{Name: "s", OID: "1.3.6.1.2.1.1.3.0"}}}},
		OPCUA:  []passive.OPCUAServer{{Points: []opcua.Point{{Name: "o", Node: "ns=2;s=told"}}}},
		Traps:  []snmp.TrapConfig{{Communities: []acquire.Secret{"public"}, Unmatched: "traps"}},
	})
	require.NoError(t, err)
	stream, err := src.Open(t.Context())
	require.NoError(t, err)
	defer stream.Close()
	var b acquire.Batch
	for {
		err := stream.Next(t.Context(), &b)
		if err == io.EOF {
			return s
		}
		require.NoError(t, err)
		for _, sample := range b.Samples {
			require.NotZero(t, sample.Point)
			if sample.Quality.IsBad() {
				require.True(t, sample.Value.IsNone())
			}
		}
	}
}

// small bounds the memory of a fuzz run.
var small = passive.Limits{MaxConnections: 8, MaxHeld: 1 << 16, MaxMessage: 1 << 15}

// inMemory makes a capture of bytes.
func inMemory(b []byte) passive.ReaderConfig {
	return passive.ReaderConfig{
		Files: []string{"memory"}, Limits: small,
		Open: func(string) (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b)), nil },
	}
}

// FuzzFile reads any bytes as a capture.
func FuzzFile(f *testing.F) {
	_, r := seed(f)
	var file bytes.Buffer
	pcapng(f, &file, r[:min(len(r), 12)])
	f.Add(file.Bytes())
	f.Add(file.Bytes()[:file.Len()-3])
	var old bytes.Buffer
	w := pcapgo.NewWriterNanos(&old)
	require.NoError(f, w.WriteFileHeader(65535, layers.LinkTypeEthernet))
	for _, p := range r[:min(len(r), 12)] {
		require.NoError(f, w.WritePacket(gopacket.CaptureInfo{Timestamp: p.at, CaptureLength: len(p.data), Length: len(p.data)}, p.data))
	}
	f.Add(old.Bytes())
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	_, _ = z.Write(old.Bytes())
	require.NoError(f, z.Close())
	f.Add(zipped.Bytes())
	f.Fuzz(func(t *testing.T, b []byte) {
		drain(t, inMemory(b))
	})
}

// FuzzStream takes any bytes as what the two ends of a connection sent: each byte pair is
// a length and a direction, then come the bytes.
func FuzzStream(f *testing.F) {
	sent, _ := seed(f)
	var talk []byte
	for _, w := range sent[:min(len(sent), 20)] {
		talk = append(talk, byte(len(w.data)), map[bool]byte{true: 1}[w.fromServer])
		talk = append(talk, w.data...)
	}
	f.Add(uint8(0), talk)
	f.Add(uint8(1), []byte("\x10\x00HELF\x10\x00\x00\x00abcdefgh\x10\x01ACKF\x10\x00\x00\x00abcdefgh"))
	f.Add(uint8(2), []byte("\x1d\x000\x1b\x02\x01\x01\x04\x06public\xa0\x0e\x02\x01\x01\x02\x01\x00\x02\x01\x000\x030\x01\x05"))
	f.Fuzz(func(t *testing.T, what uint8, b []byte) {
		var file bytes.Buffer
		le, be := binary.LittleEndian, binary.BigEndian
		file.Write(le.AppendUint32(nil, 0xA1B2C3D4))
		file.Write([]byte{2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 101, 0, 0, 0})
		ports := [2]uint16{40000, []uint16{502, 4840, 161}[what%3]}
		seq := [2]uint32{}
		at := uint32(1)
		for len(b) >= 2 {
			n, flags := min(int(b[0]), len(b)-2), b[1]
			from := flags & 1
			payload := b[2 : 2+n]
			b = b[2+n:]
			packet := []byte{0x45, 0}
			packet = be.AppendUint16(packet, uint16(40+n))
			packet = append(packet, 0, 0, 0, 0, 64, 6, 0, 0, 10, 0, 0, from, 10, 0, 0, 1-from)
			packet = be.AppendUint16(be.AppendUint16(packet, ports[from]), ports[1-from])
			gap := uint32(flags >> 5) // a hole, now and then
			packet = be.AppendUint32(be.AppendUint32(packet, seq[from]+gap), seq[1-from])
			packet = append(packet, 5<<4, 0x10|flags>>1&7, 1, 0, 0, 0, 0, 0) // FIN, SYN, RST by flags
			packet = append(packet, payload...)
			seq[from] += uint32(n)
			at += uint32(flags>>3&3) * 2
			file.Write(le.AppendUint32(le.AppendUint32(nil, at), 0))
			file.Write(le.AppendUint32(le.AppendUint32(nil, uint32(len(packet))), uint32(len(packet))))
			file.Write(packet)
		}
		drain(t, inMemory(file.Bytes()))
	})
}

// FuzzPackets takes any bytes as frames, of any link type, cut by their first bytes.
func FuzzPackets(f *testing.F) {
	_, frames := seed(f)
	var all []byte
	for _, p := range frames[:min(len(frames), 8)] {
		all = append(append(all, byte(len(p.data))), p.data...)
	}
	f.Add(uint8(0), all)
	f.Add(uint8(4), []byte("\x1c\x45\x00\x00\x1c\x00\x00\x20\x00\x40\x11\x00\x00\x0a\x00\x00\x01\x0a\x00\x00\x02\x00\xa1\x00\xa1\x00\x08\x00\x00"))
	f.Add(uint8(4), []byte("\x38\x60\x00\x00\x00\x00\x10\x2c\x40aaaaaaaaaaaaaaaabbbbbbbbbbbbbbbb\x11\x00\x00\x01\x00\x00\x00\x07\x00\xa1\x00\xa1\x00\x08\x00\x00"))
	links := []uint32{1, 113, 276, 0, 101, 108, 12, 228, 229, 105}
	f.Fuzz(func(t *testing.T, link uint8, b []byte) {
		var file bytes.Buffer
		le := binary.LittleEndian
		file.Write(le.AppendUint32(nil, 0xA1B23C4D))
		file.Write([]byte{2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0})
		file.Write(le.AppendUint32(nil, links[int(link)%len(links)]))
		for at := uint32(1); len(b) > 0; at++ {
			n := min(int(b[0]), len(b)-1)
			file.Write(le.AppendUint32(le.AppendUint32(nil, at), 0))
			file.Write(le.AppendUint32(le.AppendUint32(nil, uint32(n)), uint32(n)))
			file.Write(b[1 : 1+n])
			b = b[1+n:]
		}
		drain(t, inMemory(file.Bytes()))
	})
}

// seed returns a short conversation of Modbus, as written and as frames.
func seed(t testing.TB) ([]written, []frame) {
	r := &recorder{client: netip.MustParseAddrPort("192.0.2.1:40000"), server: netip.MustParseAddrPort("192.0.2.10:502")}
	at := time.Unix(1790000000, 0)
	for i := range byte(10) {
		r.sent = append(r.sent,
			written{at.Add(time.Duration(i) * time.Second), false, []byte{0, i, 0, 0, 0, 6, 7, 3, 0, 0, 0, 2}},
			written{at.Add(time.Duration(i)*time.Second + 5e6), true, []byte{0, i, 0, 0, 0, 7, 7, 3, 4, 1, 2, 3, i}})
	}
	return r.sent, r.frames(t, segmenting{})
}

// Bytes of real conversations, turned over at random, make no panic, and no value that
// is not in what was sent.
func TestDamagedConversations(t *testing.T) {
	_, r := converse(t, 10, nil)
	whole := read(t, captureOf(t, r.frames(t, segmenting{size: 60})))
	for seed := range uint64(200) {
		rng := rand.New(rand.NewPCG(3, seed))
		b := bytes.Clone(whole)
		for range 1 + rng.IntN(20) {
			b[rng.IntN(len(b))] = byte(rng.Uint32())
		}
		drain(t, inMemory(b))
	}
}

// A peer that opens connections, leaves holes and begins messages without end is held
// within the limits.
func TestHostileCaptureIsBounded(t *testing.T) {
	r := &recorder{server: netip.MustParseAddrPort("192.0.2.10:4840")}
	var frames []frame
	at := time.Unix(1790000000, 0)
	big := append([]byte("MSGC\xff\xff\x0f\x00\x01\x00\x00\x00\x01\x00\x00\x00\x01\x00\x00\x00\x01\x00\x00\x00\x01\x00\x77\x02"), make([]byte, 1300)...)
	for i := range 6000 {
		r.client = netip.AddrPortFrom(netip.MustParseAddr("192.0.2.1"), uint16(10000+i%3000))
		frames = append(frames, frame{at, r.packet(t, false, big, 1, 1, "S")}) // with a message that has no end
		frames = append(frames, frame{at, r.packet(t, false, big, uint32(10000*(1+i)), 1, "A")})
		frames = append(frames, frame{at, r.packet(t, true, big, uint32(5000*(1+i)), 1, "A")})
	}
	path := captureOf(t, frames)
	limits := passive.Limits{MaxConnections: 1000, MaxHeld: 1 << 20, MaxMessage: 1 << 20}
	reader, err := passive.NewReader(passive.ReaderConfig{Files: []string{path}, Limits: limits})
	require.NoError(t, err)
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for n := 0; reader.Advance() == nil; n++ {
		octets, _ := reader.Held()
		require.LessOrEqual(t, octets, limits.MaxHeld+1<<16)
		if n%1000 == 0 {
			runtime.GC()
			runtime.ReadMemStats(&after)
			require.Less(t, int64(after.HeapAlloc)-int64(before.HeapAlloc), int64(8<<20))
		}
	}
	octets, _ := reader.Held()
	assert.Zero(t, octets)
	assert.NotZero(t, reader.Stats().DroppedConnections)
	assert.NotZero(t, reader.Stats().Packets)
	require.NoError(t, reader.Close())
}
