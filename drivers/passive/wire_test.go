package passive_test

import (
	"encoding/binary"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"
	"github.com/stretchr/testify/require"
)

// written is something that one end of a connection sent.
type written struct {
	at         time.Time
	fromServer bool
	data       []byte
}

// recorder notes what passes over connections, for a capture that is made of it later.
type recorder struct {
	client, server netip.AddrPort
	udp            bool

	mu   sync.Mutex
	sent []written
}

func (r *recorder) note(fromServer bool, b []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sent = append(r.sent, written{time.Now(), fromServer, slices.Clone(b)})
}

// tapped is the client's end of a connection.
type tapped struct {
	net.Conn
	r *recorder
}

func (c *tapped) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if n > 0 {
		c.r.note(true, b[:n])
	}
	return n, err
}

func (c *tapped) Write(b []byte) (int, error) {
	c.r.note(false, b) // before the other end can answer
	return c.Conn.Write(b)
}

// link connects to a server in memory, where what either end sends waits as in that of a
// socket.
func (r *recorder) link(serve func(net.Conn)) net.Conn {
	near, theirs := net.Pipe()
	ours, far := net.Pipe()
	go serve(far)
	carry := func(to, from net.Conn) {
		waiting := make(chan []byte, 1000)
		go func() {
			defer close(waiting)
			buffer := make([]byte, 1<<16)
			for {
				n, err := from.Read(buffer)
				if err != nil {
					return
				}
				waiting <- slices.Clone(buffer[:n])
			}
		}()
		for b := range waiting {
			if _, err := to.Write(b); err != nil {
				from.Close()
			}
		}
		to.Close()
	}
	go carry(ours, theirs)
	go carry(theirs, ours)
	return &tapped{near, r}
}

// frame is one packet of a capture.
type frame struct {
	at   time.Time
	data []byte
}

// segmenting is how the bytes of a connection become packets.
type segmenting struct {
	size int  // of a segment at most; 0: as written
	mid  bool // without its beginning
}

// frames returns what was recorded as packets.
func (r *recorder) frames(t testing.TB, s segmenting) (frames []frame) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.udp {
		for _, w := range r.sent {
			frames = append(frames, frame{w.at, r.packet(t, w.fromServer, w.data, 0, 0, "")})
		}
		return frames
	}
	next := map[bool]uint32{false: 0xFFFFFF00, true: 7} // one wraps soon
	if !s.mid && len(r.sent) > 0 {
		at := r.sent[0].at
		frames = append(frames,
			frame{at, r.packet(t, false, nil, next[false]-1, 0, "S")},
			frame{at, r.packet(t, true, nil, next[true]-1, next[false], "SA")},
			frame{at, r.packet(t, false, nil, next[false], next[true], "A")})
	}
	for _, w := range r.sent {
		size := s.size
		if size == 0 {
			size = 1400
		}
		for part := range slices.Chunk(w.data, size) {
			frames = append(frames, frame{w.at, r.packet(t, w.fromServer, part, next[w.fromServer], next[!w.fromServer], "A")})
			next[w.fromServer] += uint32(len(part))
		}
	}
	return frames
}

// packet makes an Ethernet frame.
func (r *recorder) packet(t testing.TB, fromServer bool, payload []byte, seq, ack uint32, flags string) []byte {
	src, dst := r.client, r.server
	if fromServer {
		src, dst = dst, src
	}
	ethernet := &layers.Ethernet{SrcMAC: net.HardwareAddr{2, 0, 0, 0, 0, 1}, DstMAC: net.HardwareAddr{2, 0, 0, 0, 0, 2}, EthernetType: layers.EthernetTypeIPv4}
	var network gopacket.NetworkLayer
	stack := []gopacket.SerializableLayer{ethernet}
	protocol := layers.IPProtocolTCP
	if r.udp {
		protocol = layers.IPProtocolUDP
	}
	if src.Addr().Is4() {
		ip := &layers.IPv4{Version: 4, TTL: 64, Protocol: protocol, SrcIP: src.Addr().AsSlice(), DstIP: dst.Addr().AsSlice()}
		network, stack = ip, append(stack, ip)
	} else {
		ethernet.EthernetType = layers.EthernetTypeIPv6
		ip := &layers.IPv6{Version: 6, HopLimit: 64, NextHeader: protocol, SrcIP: src.Addr().AsSlice(), DstIP: dst.Addr().AsSlice()}
		network, stack = ip, append(stack, ip)
	}
	if r.udp {
		udp := &layers.UDP{SrcPort: layers.UDPPort(src.Port()), DstPort: layers.UDPPort(dst.Port())}
		require.NoError(t, udp.SetNetworkLayerForChecksum(network))
		stack = append(stack, udp)
	} else {
		tcp := &layers.TCP{SrcPort: layers.TCPPort(src.Port()), DstPort: layers.TCPPort(dst.Port()), Seq: seq, Ack: ack, Window: 65535}
		for _, f := range flags {
			switch f {
			case 'S':
				tcp.SYN = true
			case 'A':
				tcp.ACK = true
			case 'F':
				tcp.FIN = true
			case 'R':
				tcp.RST = true
			}
		}
		require.NoError(t, tcp.SetNetworkLayerForChecksum(network))
		stack = append(stack, tcp)
	}
	buffer := gopacket.NewSerializeBuffer()
	stack = append(stack, gopacket.Payload(payload))
	require.NoError(t, gopacket.SerializeLayers(buffer, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, stack...))
	return slices.Clone(buffer.Bytes())
}

// pcapng writes packets, with times to the nanosecond.
func pcapng(t testing.TB, w io.Writer, frames []frame) {
	ng, err := pcapgo.NewNgWriter(w, layers.LinkTypeEthernet)
	require.NoError(t, err)
	for _, f := range frames {
		require.NoError(t, ng.WritePacket(gopacket.CaptureInfo{Timestamp: f.at, CaptureLength: len(f.data), Length: len(f.data)}, f.data))
	}
	require.NoError(t, ng.Flush())
}

// captureOf writes packets into a file of its own.
func captureOf(t testing.TB, frames []frame) string {
	path := filepath.Join(t.TempDir(), "test.pcapng")
	f, err := os.Create(path)
	require.NoError(t, err)
	pcapng(t, f, frames)
	require.NoError(t, f.Close())
	return path
}

func read(t testing.TB, path string) []byte {
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	return b
}

func write(t testing.TB, b []byte) string {
	path := filepath.Join(t.TempDir(), "test.pcap")
	require.NoError(t, os.WriteFile(path, b, 0o600))
	return path
}

// rechunk cuts each message of an OPC UA server without security into two chunks.
func (r *recorder) rechunk() {
	var stream []byte
	var sent []written
	sequence := uint32(0)
	for _, w := range r.sent {
		if !w.fromServer {
			sent = append(sent, w)
			continue
		}
		stream = append(stream, w.data...)
		for len(stream) >= 8 && len(stream) >= int(binary.LittleEndian.Uint32(stream[4:])) {
			chunk := stream[:binary.LittleEndian.Uint32(stream[4:])]
			stream = stream[len(chunk):]
			if string(chunk[:3]) != "MSG" {
				sent = append(sent, written{w.at, true, chunk})
				continue
			}
			body := chunk[24:]
			for i, part := range [][]byte{body[:len(body)/3], body[len(body)/3:]} {
				c := slices.Concat(chunk[:24], part)
				c[3] = "CF"[i]
				binary.LittleEndian.PutUint32(c[4:], uint32(len(c)))
				sequence++
				binary.LittleEndian.PutUint32(c[16:], sequence)
				sent = append(sent, written{w.at, true, c})
			}
		}
	}
	r.sent = sent
}
