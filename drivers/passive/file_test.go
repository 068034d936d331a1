package passive_test

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/drivers/passive"
)

// pcap writes packets in the old format by our own hand.
func pcap(order binary.AppendByteOrder, magic, link uint32, frames []frame) []byte {
	var b []byte
	b = order.AppendUint32(b, magic)
	b = order.AppendUint16(order.AppendUint16(b, 2), 4)
	b = order.AppendUint32(order.AppendUint32(b, 0), 0)
	b = order.AppendUint32(order.AppendUint32(b, 65535), link)
	for _, f := range frames {
		fraction := uint32(f.at.Nanosecond())
		if magic != 0xA1B23C4D {
			fraction /= 1000
		}
		b = order.AppendUint32(order.AppendUint32(b, uint32(f.at.Unix())), fraction)
		b = order.AppendUint32(order.AppendUint32(b, uint32(len(f.data))), uint32(len(f.data)))
		if magic == 0xA1B2CD34 {
			b = append(b, 1, 2, 3, 4, 5, 6, 7, 8)
		}
		b = append(b, f.data...)
	}
	return b
}

// messages returns what a Reader sees, a line for each message.
func messages(t testing.TB, cfg passive.ReaderConfig) (lines []string, stats passive.Stats) {
	r, err := passive.NewReader(cfg)
	require.NoError(t, err)
	defer r.Close()
	for o, err := range r.All() {
		require.NoError(t, err)
		lines = append(lines, fmt.Sprintf("%s %d %x %s %d", o.Time, o.Modbus.Transaction, o.Modbus.PDU, o.Client, o.Request.Frame))
	}
	return lines, r.Stats()
}

// The same packets say the same in every format, and on every link.
func TestFormatsAndLinks(t *testing.T) {
	_, frames := seed(t)
	want, _ := messages(t, inMemoryAnyLimit(pcap(binary.LittleEndian, 0xA1B23C4D, 1, frames)))
	require.Len(t, want, 20)
	var ng, zipped bytes.Buffer
	pcapng(t, &ng, frames)
	z := gzip.NewWriter(&zipped)
	_, err := z.Write(ng.Bytes())
	require.NoError(t, err)
	require.NoError(t, z.Close())
	files := map[string][]byte{
		"big endian":   pcap(binary.BigEndian, 0xA1B23C4D, 1, frames),
		"micro":        pcap(binary.BigEndian, 0xA1B2C3D4, 1, frames),
		"modified":     pcap(binary.LittleEndian, 0xA1B2CD34, 1, frames),
		"pcapng":       ng.Bytes(),
		"gzip":         zipped.Bytes(),
		"check in use": pcap(binary.LittleEndian, 0xA1B23C4D, 0x24000001, frames),
	}
	on := func(name string, link uint32, head []byte) {
		var other []frame
		for _, f := range frames {
			other = append(other, frame{f.at, append(slices.Clone(head), f.data[14:]...)})
		}
		files[name] = pcap(binary.LittleEndian, 0xA1B23C4D, link, other)
	}
	mac := make([]byte, 12)
	on("VLAN", 1, append(slices.Clone(mac), 0x81, 0, 0, 7, 8, 0))
	on("two VLANs", 1, append(slices.Clone(mac), 0x88, 0xA8, 0, 7, 0x81, 0, 0, 9, 8, 0))
	on("cooked", 113, append(make([]byte, 14), 8, 0))
	on("cooked with VLAN", 113, append(make([]byte, 14), 0x81, 0, 0, 7, 8, 0))
	on("cooked 2", 276, append([]byte{8, 0}, make([]byte, 18)...))
	on("null", 0, []byte{2, 0, 0, 0})
	on("loop", 108, []byte{0, 0, 0, 2})
	on("raw", 101, nil)
	on("raw 12", 12, nil)
	on("raw 14", 14, nil)
	on("IPv4", 228, nil)
	for name, b := range files {
		got, stats := messages(t, inMemoryAnyLimit(b))
		assert.Equal(t, want, got, name)
		assert.Zero(t, stats.OtherPackets+stats.MalformedPackets+stats.UnknownLinks, name)
	}
	_, stats := messages(t, inMemoryAnyLimit(pcap(binary.LittleEndian, 0xA1B23C4D, 105, frames)))
	assert.Equal(t, uint64(len(frames)), stats.UnknownLinks)
}

func inMemoryAnyLimit(b []byte) passive.ReaderConfig {
	cfg := inMemory(b)
	cfg.Limits = passive.Limits{}
	return cfg
}

// Fragments of IPv4, in any order and repeated, and headers of IPv6 in front.
func TestFragments(t *testing.T) {
	_, frames := seed(t)
	want, _ := messages(t, inMemoryAnyLimit(pcap(binary.LittleEndian, 0xA1B23C4D, 1, frames)))
	var four, six []frame
	for n, f := range frames {
		ip := f.data[14:][:binary.BigEndian.Uint16(f.data[16:])] // without padding
		payload := ip[20:]
		var pieces []frame
		for at := 0; at < len(payload); at += 8 {
			end := min(at+8, len(payload))
			p := append(slices.Clone(ip[:20]), payload[at:end]...)
			binary.BigEndian.PutUint16(p[2:], uint16(len(p)))
			binary.BigEndian.PutUint16(p[4:], uint16(n))
			field := uint16(at / 8)
			if end < len(payload) {
				field |= 0x2000
			}
			binary.BigEndian.PutUint16(p[6:], field)
			pieces = append(pieces, frame{f.at, p})
		}
		slices.Reverse(pieces)
		four = append(append(four, pieces...), frame{f.at, nil})
		four = append(four, pieces[0])

		// hop-by-hop options, then a fragment header of a packet that is whole, then TCP.
		head := append([]byte{0x60, 0, 0, 0, 0, 0, 0, 64}, make([]byte, 32)...)
		head[23], head[39] = ip[15], ip[19]
		head = append(head, 44, 0, 1, 4, 0, 0, 0, 0, 6, 0, 0, 0, 0, 0, 0, byte(n))
		p := append(head, payload...)
		binary.BigEndian.PutUint16(p[4:], uint16(len(p)-40))
		six = append(six, frame{f.at, p})
	}
	four = slices.DeleteFunc(four, func(f frame) bool { return f.data == nil })
	got, stats := messages(t, inMemoryAnyLimit(pcap(binary.LittleEndian, 0xA1B23C4D, 101, four)))
	assert.Equal(t, len(want), len(got))
	assert.Equal(t, uint64(len(frames)), stats.DroppedFragments, "a piece that came after the whole")
	got, _ = messages(t, inMemoryAnyLimit(pcap(binary.LittleEndian, 0xA1B23C4D, 229, six)))
	assert.Equal(t, len(want), len(got))
}

// Times of pcapng, in the units and with the offset that an interface has.
func TestTimesOfInterfaces(t *testing.T) {
	at := time.Date(2026, 11, 23, 8, 0, 0, 123456789, time.UTC)
	_, frames := seed(t)
	data := frames[3].data // the first request
	for _, c := range []struct {
		options []byte
		stamp   uint64
		want    time.Time
	}{
		{nil, uint64(at.UnixMicro()), at.Truncate(time.Microsecond)},
		{[]byte{9, 0, 1, 0, 9, 0, 0, 0}, uint64(at.UnixNano()), at},
		{[]byte{9, 0, 1, 0, 0, 0, 0, 0}, uint64(at.Unix()), at.Truncate(time.Second)},
		{[]byte{9, 0, 1, 0, 0x80 | 20, 0, 0, 0}, uint64(at.Unix())<<20 | 1<<19, at.Truncate(time.Second).Add(time.Second / 2)},
		{[]byte{9, 0, 1, 0, 12, 0, 0, 0}, 1790000_123456789_012, time.Unix(1790000, 123456789)},
		{[]byte{9, 0, 1, 0, 3, 0, 0, 0, 14, 0, 8, 0, 100, 0, 0, 0, 0, 0, 0, 0}, 5250, time.Unix(105, 250e6)},
		{[]byte{9, 0, 1, 0, 0, 0, 0, 0}, 1 << 62, time.Time{}}, // beyond any time
	} {
		le := binary.LittleEndian
		block := func(kind uint32, body []byte) []byte {
			for len(body)%4 != 0 {
				body = append(body, 0)
			}
			b := le.AppendUint32(le.AppendUint32(nil, kind), uint32(12+len(body)))
			return le.AppendUint32(append(b, body...), uint32(12+len(body)))
		}
		file := block(0x0A0D0D0A, []byte{0x4D, 0x3C, 0x2B, 0x1A, 1, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255})
		file = append(file, block(1, append([]byte{1, 0, 0, 0, 0, 0, 0, 0}, c.options...))...)
		file = append(append(file, block(5, []byte("statistics.."))...), block(10, nil)...)
		body := le.AppendUint32(le.AppendUint32(le.AppendUint32(nil, 0), uint32(c.stamp>>32)), uint32(c.stamp))
		body = le.AppendUint32(le.AppendUint32(body, uint32(len(data))), uint32(len(data)))
		file = append(file, block(6, append(body, data...))...)
		file = append(file, block(3, append(le.AppendUint32(nil, uint32(len(data))), data...))...)
		r, err := passive.NewReader(inMemoryAnyLimit(file))
		require.NoError(t, err)
		o, err := r.Next()
		untimed := uint64(1) // the simple block
		if c.want.IsZero() {
			require.ErrorIs(t, err, io.EOF)
			untimed++
		} else {
			require.NoError(t, err)
			assert.Equal(t, c.want.UTC(), o.Time.Time().UTC())
			assert.Equal(t, 1, o.Frame)
			_, err = r.Next()
			require.ErrorIs(t, err, io.EOF)
		}
		assert.Equal(t, untimed, r.Stats().UntimedPackets)
		assert.Equal(t, uint64(2), r.Stats().Packets)
	}
}

// Files of a ring, or of two taps, are one capture, in whatever order they are given.
func TestFilesAreOne(t *testing.T) {
	_, frames := seed(t)
	want, _ := messages(t, inMemoryAnyLimit(pcap(binary.LittleEndian, 0xA1B23C4D, 1, frames)))
	dir := t.TempDir()
	put := func(name string, frames []frame) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, pcap(binary.LittleEndian, 0xA1B23C4D, 1, frames), 0o600))
		return path
	}
	ring := []string{put("c", frames[15:]), put("a", frames[:8]), put("b", frames[8:15]), put("empty", nil)}
	got, _ := messages(t, passive.ReaderConfig{Files: ring})
	require.Equal(t, len(want), len(got))
	for i := range want {
		assert.Equal(t, want[i][:40], got[i][:40]) // but for the numbers of frames
	}
	var one, two []frame
	for i, f := range frames {
		if i%3 == 0 {
			one = append(one, f)
		} else {
			two = append(two, f)
		}
		if i%4 == 0 { // seen by both taps
			one = append(one, f)
		}
	}
	got, stats := messages(t, passive.ReaderConfig{Files: []string{put("two", two), put("one", one)}})
	assert.Len(t, got, len(want))
	assert.Zero(t, stats.Gaps)
}

// The packets of a file are those that another reader of the format finds in it.
func TestReaderEqualsPcapgo(t *testing.T) {
	_, r := converse(t, 3, nil)
	frames := r.frames(t, segmenting{})
	var ng bytes.Buffer
	pcapng(t, &ng, frames)
	for _, b := range [][]byte{pcap(binary.BigEndian, 0xA1B23C4D, 1, frames), ng.Bytes()} {
		var theirs gopacket.PacketDataSource
		var err error
		if theirs, err = pcapgo.NewReader(bytes.NewReader(b)); err != nil {
			theirs, err = pcapgo.NewNgReader(bytes.NewReader(b), pcapgo.DefaultNgReaderOptions)
			require.NoError(t, err)
		}
		next := passive.Packets(t, b)
		for n := 1; ; n++ {
			data, info, err := theirs.ReadPacketData()
			ours, at, link, frame, ok := next()
			require.Equal(t, err == nil, ok)
			if err != nil {
				break
			}
			require.Equal(t, data, ours)
			require.Equal(t, info.Timestamp.UnixNano(), int64(at))
			require.Equal(t, uint32(layers.LinkTypeEthernet), link)
			require.Equal(t, n, frame)
		}
	}
}

// Something else than a capture is said to be so.
func TestNoCapture(t *testing.T) {
	for text, want := range map[string]string{
		"": "unexpected EOF", "abc": "unexpected EOF", "this is no capture of any kind": "neither pcap nor pcapng", "\x1f\x8bno gzip at all": "gzip",
		"\xd4\xc3\xb2\xa1": "unexpected EOF",
	} {
		_, err := passive.NewReader(inMemory([]byte(text)))
		var damage *passive.DamageError
		require.ErrorAs(t, err, &damage, text)
		require.ErrorContains(t, err, want)
		require.ErrorContains(t, err, "memory is not whole")
	}
}
