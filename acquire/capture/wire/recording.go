package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"slices"
	"time"
)

// Recording is what a file holds. Its memory is the caller's.
type Recording struct {
	// Application is who has written the file, as it says.
	Application string
	// Conversations are in the order in which they began.
	Conversations []Conversation
	// Skipped counts packets that are no TCP or UDP over IP, or cut short.
	Skipped uint64
	// Dropped counts packets that the recorder says it has not recorded.
	Dropped uint64
	// Torn says why the file does not end with a whole block, as one does not whose writer
	// was killed; nil if it does. What is in front of that place was read.
	Torn error
}

// Conversation is what happened on one connection, or, between a listener and one
// sender, with one pair of addresses.
type Conversation struct {
	// Name is Link.Name.
	Name string
	// Local is who has connected, or listened; Remote is the device.
	Local, Remote netip.AddrPort
	// Packets says that each Sent and Received is a datagram.
	Packets bool
	// Events are in the order of their times.
	Events []Event
}

// Limits of a file that is read.
const (
	maxBlock         = 16 << 20
	maxInterfaces    = 1 << 10
	maxConversations = 1 << 16
	maxRecording     = 1 << 30
)

var (
	// ErrFormat is wrapped by errors about what is no pcapng file.
	ErrFormat = errors.New("wire: no pcapng file")
	// ErrSize is wrapped by errors about a file beyond what is read: 1 GiB, 1024 interfaces,
	// 65,536 conversations.
	ErrSize = errors.New("wire: recording too large")
)

// Open reads a file; see Read.
func Open(name string) (*Recording, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("wire: %w", err)
	}
	defer f.Close()
	return Read(f)
}

// Read reads a recording, or a pcapng file of others as far as it is simple: IP, raw or
// in Ethernet frames, undivided, in the order of the streams. What was sent twice there is
// taken once; what is missing, or comes out of order, is a gap. A file that is
// damaged is read up to that place; see Recording.Torn. The error is ErrFormat, ErrSize,
// or that of r.
func Read(r io.Reader) (*Recording, error) {
	p := parser{recording: &Recording{}, flows: make(map[flowKey]*track)}
	err := p.run(r)
	for i := range p.recording.Conversations {
		c := &p.recording.Conversations[i]
		slices.SortStableFunc(c.Events, func(x, y Event) int { return x.Time.Compare(y.Time) })
	}
	return p.recording, err
}

type flowKey struct {
	local, remote netip.AddrPort
	udp           bool
}

// track is where a conversation stands.
type track struct {
	at             int // in Conversations
	sent, received half
}

type half struct {
	next  uint32 // sequence number that is expected
	known bool
}

// network is an interface of a file.
type network struct {
	link   uint16
	resol  byte  // if_tsresol
	offset int64 // seconds
}

type parser struct {
	recording  *Recording
	order      binary.ByteOrder
	interfaces []network
	flows      map[flowKey]*track
	frames     int
	gap        bool // packets were lost in front of this one
}

func (p *parser) run(r io.Reader) error {
	var head [12]byte
	var block []byte
	total := int64(0)
	for {
		n, err := io.ReadFull(r, head[:])
		if errors.Is(err, io.EOF) {
			if total == 0 {
				return fmt.Errorf("%w: it is empty", ErrFormat)
			}
			return nil
		}
		if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
			return fmt.Errorf("wire: %w", err)
		}
		fault := func(format string, args ...any) error {
			err := fmt.Errorf(format, args...)
			if total == 0 {
				return fmt.Errorf("%w: %w", ErrFormat, err)
			}
			p.recording.Torn = fmt.Errorf("wire: at byte %d: %w", total, err)
			return nil
		}
		if n < len(head) {
			return fault("%d bytes are left of a block", n)
		}
		if le.Uint32(head[:]) == blockSection { // the same in both orders
			switch uint32(byteOrderMagic) {
			case binary.LittleEndian.Uint32(head[8:]):
				p.order = binary.LittleEndian
			case binary.BigEndian.Uint32(head[8:]):
				p.order = binary.BigEndian
			default:
				return fault("byte order %x", head[8:])
			}
		} else if p.order == nil {
			return fault("begins with %x", head[:4])
		}
		kind, length := p.order.Uint32(head[:]), p.order.Uint32(head[4:])
		if length < blockOverhead || length%4 != 0 || length > maxBlock {
			return fault("block of %d bytes", length)
		}
		if total += int64(length); total > maxRecording {
			return fmt.Errorf("%w: more than %d bytes", ErrSize, int64(maxRecording))
		}
		block = append(block[:0], head[8:]...)
		if length > blockOverhead {
			block, err = readMore(r, block, int(length)-len(head))
		}
		if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			return fmt.Errorf("wire: %w", err)
		}
		if len(block) < int(length)-8 {
			total -= int64(length)
			return fault("%d bytes of a block of %d", len(block)+8, length)
		}
		if p.order.Uint32(block[len(block)-4:]) != length {
			total -= int64(length)
			return fault("block does not end with its length %d", length)
		}
		if err := p.block(kind, block[:len(block)-4]); err != nil {
			if errors.Is(err, ErrSize) {
				return err
			}
			total -= int64(length)
			return fault("%w", err)
		}
	}
}

// readMore appends n bytes of r, in steps, so that a length alone takes no memory.
func readMore(r io.Reader, b []byte, n int) ([]byte, error) {
	for n > 0 {
		step := min(n, 64<<10)
		b = slices.Grow(b, step)
		got, err := io.ReadFull(r, b[len(b):len(b)+step])
		b, n = b[:len(b)+got], n-got
		if err != nil {
			return b, err
		}
	}
	return b, nil
}

var errShort = errors.New("block is too short")

func (p *parser) block(kind uint32, b []byte) error {
	switch kind {
	case blockSection:
		if len(b) < 16 {
			return errShort
		}
		if major := p.order.Uint16(b[4:]); major != 1 {
			return fmt.Errorf("version %d", major)
		}
		p.interfaces = p.interfaces[:0]
		p.options(b[16:], func(code uint16, value []byte) {
			if code == optUserAppl {
				p.recording.Application = string(value)
			}
		})
	case blockInterface:
		if len(b) < 8 {
			return errShort
		}
		if len(p.interfaces) == maxInterfaces {
			return fmt.Errorf("%w: more than %d interfaces", ErrSize, maxInterfaces)
		}
		n := network{link: p.order.Uint16(b), resol: 6}
		p.options(b[8:], func(code uint16, value []byte) {
			switch {
			case code == optTsResol && len(value) == 1:
				n.resol = value[0]
			case code == optTsOffset && len(value) == 8:
				n.offset = int64(p.order.Uint64(value))
			}
		})
		p.interfaces = append(p.interfaces, n)
	case blockStats:
		if len(b) < 12 {
			return errShort
		}
		p.options(b[12:], func(code uint16, value []byte) {
			if code == optIfDrop && len(value) == 8 {
				p.recording.Dropped = max(p.recording.Dropped, p.order.Uint64(value))
			}
		})
	case blockPacket:
		return p.packet(b)
	}
	return nil
}

// options calls each for the options of a block, as far as they are well-formed.
func (p *parser) options(b []byte, each func(code uint16, value []byte)) {
	for len(b) >= 4 {
		code, n := p.order.Uint16(b), int(p.order.Uint16(b[2:]))
		if b = b[4:]; code == optEnd || n > len(b) {
			return
		}
		each(code, b[:n])
		b = b[min(len(b), (n+3)&^3):]
	}
}

// time returns when a packet was captured.
func (n *network) time(units uint64) time.Time {
	perSecond := uint64(1)
	if n.resol&0x80 != 0 {
		perSecond <<= min(n.resol&0x7f, 63)
	} else {
		for range min(n.resol, 19) {
			perSecond *= 10
		}
	}
	seconds, part := units/perSecond, units%perSecond
	// part is less than perSecond, so that this is below 1e9; the precision of a float
	// is asked for by nobody but those whose units are finer than a nanosecond.
	ns := int64(0)
	if perSecond <= 1e9 {
		ns = int64(part * 1e9 / perSecond)
	} else {
		ns = int64(float64(part) / float64(perSecond) * 1e9)
	}
	return time.Unix(int64(seconds)+n.offset, min(ns, 1e9-1)).UTC()
}

// packet takes one Enhanced Packet Block.
func (p *parser) packet(b []byte) error {
	if len(b) < packetFixed {
		return errShort
	}
	number, captured, original := p.order.Uint32(b), p.order.Uint32(b[12:]), p.order.Uint32(b[16:])
	units := uint64(p.order.Uint32(b[4:]))<<32 | uint64(p.order.Uint32(b[8:]))
	if b = b[packetFixed:]; int64(captured) > int64(len(b)) || int64(number) >= int64(len(p.interfaces)) {
		return fmt.Errorf("packet of %d bytes of interface %d", captured, number)
	}
	p.frames++
	frame := b[:captured]
	var comment string
	var flags uint32
	p.options(b[min(len(b), (int(captured)+3)&^3):], func(code uint16, value []byte) {
		switch {
		case code == optComment && len(value) <= 1<<12:
			comment = string(value)
		case code == optFlags && len(value) == 4:
			flags = p.order.Uint32(value)
		case code == optDropCount && len(value) == 8:
			p.gap = p.gap || p.order.Uint64(value) > 0
		}
	})
	n := &p.interfaces[number]
	if n.link == linkEthernet {
		const header = 14
		if len(frame) < header || frame[12] != 0x08 && frame[12] != 0x86 {
			p.recording.Skipped++
			return nil
		}
		frame = frame[header:]
	} else if n.link != linkRaw && n.link != linkIPv4 && n.link != linkIPv6 {
		p.recording.Skipped++
		return nil
	}
	var ip packet
	if captured < original || !ip.parse(frame) {
		p.recording.Skipped++
		return nil
	}
	told, local, remote, ok := parseComment(comment)
	at := n.time(units)
	if !ok {
		if ip.protocol == protocolNoNext {
			p.recording.Skipped++
			return nil
		}
		return p.segment(at, &ip, flags, Event{})
	}
	told.Time, told.Frame = at, p.frames
	if ip.protocol == protocolNoNext {
		return p.datagramEvent(told, local, remote)
	}
	return p.segment(at, &ip, flags, told)
}

// begin adds a conversation.
func (p *parser) begin(key flowKey, name string) (*track, error) {
	if len(p.recording.Conversations) == maxConversations {
		return nil, fmt.Errorf("%w: more than %d conversations", ErrSize, maxConversations)
	}
	t := &track{at: len(p.recording.Conversations)}
	p.flows[key] = t
	p.recording.Conversations = append(p.recording.Conversations,
		Conversation{Name: name, Local: key.local, Remote: key.remote, Packets: key.udp})
	return t, nil
}

// add adds an event to a conversation.
func (p *parser) add(t *track, e Event) {
	e.Gap, p.gap = e.Gap || p.gap, false
	c := &p.recording.Conversations[t.at]
	c.Events = append(c.Events, e)
}

// datagramEvent takes what a Recorder says of a connection of datagrams.
func (p *parser) datagramEvent(told Event, local, remote netip.AddrPort) error {
	key := flowKey{local, remote, true}
	t := p.flows[key]
	if t == nil || told.Kind == Opened || told.Kind == Failed {
		name := ""
		if told.Kind == Opened {
			name = told.Text
		}
		var err error
		if t, err = p.begin(key, name); err != nil {
			return err
		}
	}
	p.add(t, told)
	return nil
}

// segment takes a datagram of UDP or a segment of TCP.
func (p *parser) segment(at time.Time, ip *packet, flags uint32, told Event) error {
	udp := ip.protocol == protocolUDP
	key, sent := flowKey{ip.from, ip.to, udp}, true
	t := p.flows[key]
	if other := (flowKey{ip.to, ip.from, udp}); t == nil && (p.flows[other] != nil || flags&3 == inbound || ip.flags&(flagSYN|flagACK) == flagSYN|flagACK) {
		t, key, sent = p.flows[other], other, false
	}
	fresh := !udp && ip.flags&(flagSYN|flagACK) == flagSYN
	if t == nil || fresh {
		if fresh && !sent {
			key, sent = flowKey{ip.from, ip.to, udp}, true // the other side connects now
		}
		name := ""
		if told.Kind == Opened {
			name = told.Text
		}
		var err error
		if t, err = p.begin(key, name); err != nil {
			return err
		}
		if fresh && told.Kind == 0 {
			told = Event{Kind: Opened}
		}
	}
	event := func(kind Kind) {
		if told.Kind == 0 {
			told.Kind = kind
		}
	}
	told.Time, told.Frame = at, p.frames
	data := Event{Time: at, Frame: p.frames, Kind: Received}
	h := &t.received
	if sent {
		data.Kind, h = Sent, &t.sent
	}
	payload := ip.payload
	if !udp {
		payload, data.Gap = h.take(ip)
	}
	if udp || len(payload) > 0 {
		data.Data = slices.Clone(payload)
		p.add(t, data)
	}
	switch {
	case udp:
	case ip.flags&flagRST != 0:
		if sent {
			event(Closed)
		} else if told.Kind == 0 {
			told.Kind, told.Fault = Reset, Aborted
		}
	case ip.flags&flagFIN != 0 && sent:
		event(Closed)
	case ip.flags&flagFIN != 0:
		event(Ended)
	}
	if told.Kind != 0 {
		p.add(t, told)
	}
	return nil
}

// take returns what of a segment is new, and whether something is missing in front of
// it.
func (h *half) take(ip *packet) (payload []byte, gap bool) {
	start, b := ip.seq, ip.payload
	if ip.flags&flagSYN != 0 {
		h.next, h.known = start+1+uint32(len(b)), true
		return b, false
	}
	if !h.known {
		h.next, h.known = start, true
	}
	if ahead := int32(start - h.next); ahead > 0 {
		gap = len(b) > 0
	} else if behind := uint32(-ahead); ahead < 0 {
		b = b[min(uint32(len(b)), behind):]
	}
	if len(b) > 0 {
		h.next = start + uint32(len(ip.payload))
	}
	return b, gap
}
