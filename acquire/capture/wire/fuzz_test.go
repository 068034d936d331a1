package wire_test

import (
	"bytes"
	"encoding/binary"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fieldtap/fieldtap/acquire/capture/wire"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// recordings returns the recordings that the drivers' tests are played.
func recordings(t testing.TB) (files [][]byte) {
	t.Helper()
	for _, driver := range []string{"modbus", "snmp", "opcua"} {
		names, err := filepath.Glob("../../../drivers/" + driver + "/testdata/wire/*.pcapng")
		require.NoError(t, err)
		require.NotEmpty(t, names)
		for _, name := range names {
			b, err := os.ReadFile(name)
			require.NoError(t, err)
			files = append(files, b)
		}
	}
	return files
}

// FuzzRead reads any bytes. What it finds must come from them.
func FuzzRead(f *testing.F) {
	for _, b := range recordings(f) {
		f.Add(b[:min(len(b), 2000)])
	}
	f.Add(foreign(binary.BigEndian, 1))
	f.Fuzz(func(t *testing.T, b []byte) {
		recording, err := wire.Read(bytes.NewReader(b))
		if err != nil {
			assert.Empty(t, recording.Conversations)
			return
		}
		total := 0
		for _, c := range recording.Conversations {
			if !slices.IsSortedFunc(c.Events, func(x, y wire.Event) int { return x.Time.Compare(y.Time) }) {
				t.Fatal("events out of order")
			}
			for _, e := range c.Events {
				total += len(e.Data)
				if e.Kind == 0 || e.Frame == 0 {
					t.Fatalf("event %+v", e)
				}
			}
		}
		if total > len(b) {
			t.Fatalf("%d bytes of data from %d", total, len(b))
		}
	})
}

// FuzzRecord records any bytes of any protocol in any pieces. With secrets it must be the
// same bytes that are read; without, as many, and the same where nothing is masked.
func FuzzRecord(f *testing.F) {
	f.Add(byte(0), []byte{0, 1, 0, 0, 0, 6, 1, 3, 0, 0, 0, 2}, uint64(1))
	f.Add(byte(2), append(getRequest(canary), getRequest(canary)...), uint64(0x10305))
	f.Add(byte(3), append(getRequest(canary), "HTTP/1.1 "+canary...), uint64(7))
	f.Add(byte(4), activate(canary, "F", 1), uint64(0xff11))
	f.Fuzz(func(t *testing.T, kind byte, b []byte, cuts uint64) {
		link := wire.Link{Packets: kind&1 == 1}
		switch kind / 2 % 4 {
		case 0:
			link.Protocol = wire.Modbus{}
		case 1:
			link.Protocol = wire.SNMP{}
		case 2:
			link.Protocol = wire.OPCUA{}
		}
		if len(b) > 1<<16 {
			return
		}
		var pieces []any
		for rest := b; len(rest) > 0; {
			n := min(len(rest), 1+int(cuts&0x3f))
			cuts = cuts>>6 | cuts<<58
			pieces = append(pieces, bytes.Clone(rest[:n]))
			rest = rest[n:]
		}
		use := func(conn net.Conn) {
			buffer := make([]byte, 64)
			for range pieces {
				n, err := conn.Read(buffer)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := conn.Write(buffer[:n]); err != nil {
					t.Fatal(err)
				}
			}
			conn.Close()
		}
		open, _, _ := record(t, wire.Config{Secrets: true}, link, &scripted{answers: pieces}, use)
		masked, _, stats := record(t, wire.Config{}, link, &scripted{answers: pieces}, use)
		for _, kind := range []wire.Kind{wire.Sent, wire.Received} {
			got, hidden := joined(open.Conversations[0].Events, kind), joined(masked.Conversations[0].Events, kind)
			if !bytes.Equal(got, b) {
				t.Fatalf("%v %x, recorded %x", kind, b, got)
			}
			if len(hidden) != len(b) {
				t.Fatalf("%v %d bytes, recorded %d when masked", kind, len(b), len(hidden))
			}
			if stats.Masked == 0 && !bytes.Equal(hidden, b) {
				t.Fatalf("%v %x, recorded %x without masking", kind, b, hidden)
			}
			for i := range b {
				if hidden[i] != b[i] && hidden[i] != 'x' {
					t.Fatalf("byte %d of %x became %x", i, b, hidden[i])
				}
			}
		}
	})
}

// FuzzMatch compares any two messages and answers with any third. A message matches
// itself, and an answer to the recorded request itself is what was recorded.
func FuzzMatch(f *testing.F) {
	for _, b := range recordings(f) {
		recording, err := wire.Read(bytes.NewReader(b))
		require.NoError(f, err)
		for _, c := range recording.Conversations {
			var last []byte
			for i, e := range c.Events {
				if e.Kind == wire.Sent {
					last = e.Data
				}
				if e.Kind == wire.Received && i < 8 {
					f.Add(last, e.Data, last)
				}
			}
		}
	}
	f.Fuzz(func(t *testing.T, recorded, answer, request []byte) {
		before := [][]byte{bytes.Clone(recorded), bytes.Clone(answer), bytes.Clone(request)}
		for _, p := range []wire.Protocol{wire.Modbus{}, wire.ModbusRTU{}, wire.SNMP{}, wire.OPCUA{}} {
			if p.Match(recorded, request) == nil && p.Match(request, recorded) != nil {
				t.Fatalf("%T: %x matches %x in one direction alone", p, recorded, request)
			}
			out := p.Answer([]byte("in front"), answer, recorded, request)
			if string(out[:8]) != "in front" {
				t.Fatalf("%T: answer %x", p, out)
			}
			p.ID(answer)
			if n, err := p.Next(answer); err == nil && n < 0 {
				t.Fatalf("%T: message of %d bytes", p, n)
			}
			if r := p.Redactor(); r != nil {
				m := bytes.Clone(answer)
				if n, err := r.Redact(m); err == nil && (n < 0 || n > len(m)) {
					t.Fatalf("%T: %d of %d bytes masked", p, n, len(m))
				}
			}
		}
		for i, b := range [][]byte{recorded, answer, request} {
			if !bytes.Equal(before[i], b) {
				t.Fatal("an argument was changed")
			}
		}
	})
}

// FuzzPeer plays any events to a driver that does what was recorded. It must get what
// was recorded: all of it, in its order, and nothing else.
func FuzzPeer(f *testing.F) {
	f.Add([]byte("s3r3s2r9r1e"), false)
	f.Add([]byte("r1s3s3r3r4x"), true)
	f.Add([]byte("srs0r0u3z"), true)
	f.Fuzz(func(t *testing.T, script []byte, packets bool) {
		synctest.Test(t, func(t *testing.T) {
			c := wire.Conversation{Packets: packets, Local: netip.MustParseAddrPort("192.0.2.1:1"), Remote: netip.MustParseAddrPort("192.0.2.2:2")}
			start := time.Now()
			at := start
			var want []byte
			letter := byte('a')
			for i, b := range script {
				at = at.Add(time.Duration(b) * time.Millisecond)
				e := wire.Event{Time: at, Frame: i + 1}
				switch {
				case b == 's' || b == 'r':
					e.Kind, e.Data = wire.Sent, bytes.Repeat([]byte{letter}, 1+i%5)
					if b == 'r' {
						e.Kind = wire.Received
						want = append(want, e.Data...)
					}
					letter++
				default:
					continue
				}
				c.Events = append(c.Events, e)
			}
			peer := wire.NewPeer(nil, []wire.Conversation{c})
			conn, err := peer.Dial(t.Context())
			require.NoError(t, err)
			for _, e := range c.Events {
				if e.Kind == wire.Sent {
					if d := e.Time.Sub(c.Events[0].Time) - time.Since(start); d > 0 {
						<-time.After(d)
					}
					_, err := conn.Write(e.Data)
					require.NoError(t, err)
				}
			}
			require.NoError(t, conn.SetReadDeadline(time.Now().Add(time.Hour)))
			var got []byte
			buffer := make([]byte, 16)
			for {
				n, err := conn.Read(buffer)
				if err != nil {
					require.ErrorIs(t, err, os.ErrDeadlineExceeded)
					break
				}
				got = append(got, buffer[:n]...)
			}
			require.Equal(t, string(want), string(got))
			require.NoError(t, peer.Err())
			require.NoError(t, conn.Close())
		})
	})
}

// foreign is a capture as a network card would make it, in Ethernet frames with times
// in microseconds: a request that is sent twice, and its answer.
func foreign(order binary.AppendByteOrder, frames int) []byte {
	block := func(dst []byte, kind uint32, body []byte) []byte {
		for len(body)%4 != 0 {
			body = append(body, 0)
		}
		n := uint32(len(body) + 12)
		dst = order.AppendUint32(dst, kind)
		dst = order.AppendUint32(dst, n)
		dst = append(dst, body...)
		return order.AppendUint32(dst, n)
	}
	head := order.AppendUint32(nil, 0x1A2B3C4D)
	head = order.AppendUint16(head, 1)
	head = order.AppendUint16(head, 0)
	head = order.AppendUint64(head, 1<<64-1)
	b := block(nil, 0x0A0D0D0A, head)
	ethernet := order.AppendUint16(nil, 1)
	ethernet = order.AppendUint16(ethernet, 0)
	b = block(b, 1, order.AppendUint32(ethernet, 65535))
	segment := func(sent bool, flags byte, seq uint32, data string) []byte {
		ip := []byte{0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2}
		tcp := []byte{0xc0, 0, 1, 0xf6}
		if !sent {
			copy(ip[12:], []byte{10, 0, 0, 2, 10, 0, 0, 1})
			tcp = []byte{1, 0xf6, 0xc0, 0}
		}
		tcp = binary.BigEndian.AppendUint32(tcp, seq)
		tcp = append(tcp, 0, 0, 0, 0, 0x60, flags, 0xff, 0xff, 0, 0, 0, 0, 1, 1, 1, 0)
		packet := append(append(ip, tcp...), data...)
		binary.BigEndian.PutUint16(packet[2:], uint16(len(packet)))
		return append([]byte{1, 2, 3, 4, 5, 6, 1, 2, 3, 4, 5, 7, 8, 0}, append(packet, 0, 0, 0)...) // with a trailer
	}
	at := uint64(1_700_000_000_000_000)
	for range frames {
		for _, frame := range [][]byte{
			segment(true, 2, 99, ""), segment(false, 0x12, 499, ""), segment(true, 0x10, 100, ""),
			segment(true, 0x18, 100, "request"), segment(true, 0x18, 100, "request"), segment(false, 0x18, 500, "answer"),
			{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 2, 3, 4, 5, 6, 8, 6, 0, 1}, // ARP
			segment(true, 0x18, 107, "more"), segment(true, 0x18, 114, "gap"), segment(false, 0x14, 506, ""),
		} {
			at += 1000
			p := order.AppendUint32(nil, 0)
			p = order.AppendUint32(p, uint32(at>>32))
			p = order.AppendUint32(p, uint32(at))
			p = order.AppendUint32(p, uint32(len(frame)))
			p = order.AppendUint32(p, uint32(len(frame)))
			b = block(b, 6, append(p, frame...))
		}
	}
	return b
}

func TestCapturesOfOthers(t *testing.T) {
	for _, order := range []binary.AppendByteOrder{binary.LittleEndian, binary.BigEndian} {
		recording, err := wire.Read(bytes.NewReader(foreign(order, 2)))
		require.NoError(t, err)
		require.NoError(t, recording.Torn)
		require.Len(t, recording.Conversations, 2)
		assert.Equal(t, uint64(2), recording.Skipped)
		for i, c := range recording.Conversations {
			assert.Equal(t, "10.0.0.1:49152", c.Local.String())
			assert.Equal(t, "10.0.0.2:502", c.Remote.String())
			assert.Equal(t, []wire.Kind{wire.Opened, wire.Sent, wire.Received, wire.Sent, wire.Sent, wire.Reset}, kinds(c.Events))
			assert.Equal(t, "requestmoregap", string(joined(c.Events, wire.Sent)))
			assert.Equal(t, "answer", string(joined(c.Events, wire.Received)))
			assert.False(t, c.Events[3].Gap)
			assert.True(t, c.Events[4].Gap)
			assert.Equal(t, 10*i+4, c.Events[1].Frame)
			assert.Equal(t, time.UnixMicro(1_700_000_000_000_000+int64(10*i+4)*1000).UTC(), c.Events[1].Time)
		}
	}
}

// A file that is cut anywhere is read as far as it goes.
func TestTornFiles(t *testing.T) {
	for _, b := range recordings(t) {
		whole, err := wire.Read(bytes.NewReader(b))
		require.NoError(t, err)
		require.NoError(t, whole.Torn)
		events := func(r *wire.Recording) (n int) {
			for _, c := range r.Conversations {
				n += len(c.Events)
			}
			return n
		}
		before, torn := 0, 0
		cuts := 0
		for n := 0; n < len(b); n += 61 {
			cuts++
			r, err := wire.Read(bytes.NewReader(b[:n]))
			if err != nil {
				require.ErrorIs(t, err, wire.ErrFormat)
				require.Less(t, n, 100, "in the head")
				continue
			}
			if r.Torn != nil {
				torn++
			}
			got := events(r)
			require.GreaterOrEqual(t, got, before)
			before = got
		}
		assert.InDelta(t, events(whole), before, 1)
		assert.Greater(t, torn, cuts*8/10)
	}
}

func TestNoRecording(t *testing.T) {
	for _, b := range [][]byte{nil, []byte("x"), []byte("no pcapng file at all"), {0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0}} {
		_, err := wire.Read(bytes.NewReader(b))
		assert.ErrorIs(t, err, wire.ErrFormat, "%q", b)
	}
	_, err := wire.Open(filepath.Join(t.TempDir(), "none"))
	assert.ErrorIs(t, err, os.ErrNotExist)
}
