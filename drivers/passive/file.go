package passive

import (
	"bufio"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"math/bits"
	"path/filepath"

	"github.com/fieldtap/fieldtap/acquire"
)

// Limits of what a file may claim. What is beyond is damage.
const (
	maxPacket     = 1 << 20  // bytes of a packet; libpcap writes 256 KiB at most
	maxBlock      = 16 << 20 // bytes of a block of pcapng
	maxInterfaces = 1 << 12  // of a section of pcapng
)

// DamageError is the end of a capture file that is not whole: cut off, or something that
// cannot be read in its middle. What stands before is read.
type DamageError struct {
	File   string // its path
	Frame  int    // number of the last packet that was read, from 1
	Offset int64  // where the damage was found, in bytes of the uncompressed file
	Err    error  // io.ErrUnexpectedEOF where the file is cut off
}

// Error names the file, the place, and what is wrong there.
func (e *DamageError) Error() string {
	return fmt.Sprintf("passive: %s is not whole behind frame %d, byte %d: %v", filepath.Base(e.File), e.Frame, e.Offset, e.Err)
}

// Unwrap returns the cause.
func (e *DamageError) Unwrap() error { return e.Err }

// Permanent returns true: what is missing stays so.
func (e *DamageError) Permanent() bool { return true }

// Faults of a file.
var (
	errFormat = errors.New("neither pcap nor pcapng")
	errLength = errors.New("length that cannot be")
	errBlock  = errors.New("block that contradicts itself")
)

// packet is one captured packet. Its data is valid until the next one is read.
type packet struct {
	data  []byte
	cut   bool // data is not all that was on the wire
	time  acquire.Instant
	link  uint32 // link type, as https://www.tcpdump.org/linktypes.html numbers them
	frame int    // in its file, from 1
	file  int
}

// clock is how a file, or an interface of pcapng, counts time.
type clock struct {
	binary bool   // units are 2^-power seconds, else 10^-power
	power  uint   // see binary
	offset int64  // seconds to add
	link   uint32 // of the interface
}

// instant returns the time that stamp stands for, 0 if there is none.
func (c clock) instant(stamp uint64) acquire.Instant {
	var seconds, ns uint64
	if c.binary {
		if c.power > 63 {
			return 0
		}
		seconds = stamp >> c.power
		hi, lo := bits.Mul64(stamp&(1<<c.power-1), 1e9)
		ns = lo >> c.power
		if c.power > 0 {
			ns |= hi << (64 - c.power)
		}
	} else {
		if c.power > 19 {
			return 0
		}
		unit := uint64(1)
		for range c.power {
			unit *= 10
		}
		seconds = stamp / unit
		hi, lo := bits.Mul64(stamp%unit, 1e9)
		ns, _ = bits.Div64(hi, lo, unit)
	}
	const most = math.MaxInt64/1_000_000_000 - 1
	if seconds > most || c.offset > most || c.offset < -most {
		return 0
	}
	total := int64(seconds) + c.offset
	if total > most || total < -most {
		return 0
	}
	return acquire.Instant(total*1e9 + int64(ns))
}

// captureFile reads packets of one pcap or pcapng file.
type captureFile struct {
	path   string
	source io.Closer
	r      *bufio.Reader
	offset int64
	frame  int
	buffer []byte

	order      binary.ByteOrder
	blocks     bool // pcapng
	clock      clock
	extra      int     // octets behind the header of a packet: see magicModified
	interfaces []clock // of the section
	snaps      []uint32
	err        error // final
}

// Magic numbers of pcap (draft-ietf-opsawg-pcap, section 4) and block types of pcapng
// (draft-ietf-opsawg-pcapng, section 11.1).
const (
	magicMicro    = 0xA1B2C3D4
	magicNano     = 0xA1B23C4D
	magicModified = 0xA1B2CD34 // of Kuznetsov's libpcap: packets have 8 octets more of header

	blockSection   = 0x0A0D0D0A
	blockInterface = 1
	blockPacket    = 2 // obsolete
	blockSimple    = 3
	blockEnhanced  = 6
	byteOrderMagic = 0x1A2B3C4D
)

// openFile opens a capture, compressed by gzip or not, and reads its head.
func openFile(path string, open func(string) (io.ReadCloser, error)) (*captureFile, error) {
	source, err := open(path)
	if err != nil {
		return nil, fmt.Errorf("passive: %w", err)
	}
	f, err := newFile(path, source)
	if err != nil {
		return nil, errors.Join(err, source.Close())
	}
	f.source = source
	return f, nil
}

func newFile(path string, source io.Reader) (*captureFile, error) {
	f := &captureFile{path: path, r: bufio.NewReaderSize(source, 64<<10)}
	if magic, err := f.r.Peek(2); err == nil && magic[0] == 0x1F && magic[1] == 0x8B { // RFC 1952, section 2.3.1
		z, err := gzip.NewReader(f.r)
		if err != nil {
			return nil, f.damage(err)
		}
		f.r = bufio.NewReaderSize(z, 64<<10)
	}
	magic, err := f.r.Peek(4)
	if err != nil {
		return nil, f.damage(unexpected(err))
	}
	if binary.BigEndian.Uint32(magic) == blockSection {
		f.blocks = true
		return f, nil
	}
	head, err := f.take(24)
	if err != nil {
		return nil, f.damage(err)
	}
	for _, f.order = range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
		switch f.order.Uint32(head) {
		case magicMicro:
			f.clock.power = 6
		case magicNano:
			f.clock.power = 9
		case magicModified:
			f.clock.power, f.extra = 6, 8
		default:
			continue
		}
		f.clock.link = uint32(uint16(f.order.Uint32(head[20:]))) // above it stands how long a check sequence is
		return f, nil
	}
	return nil, f.damage(errFormat)
}

// unexpected returns err, an end in the middle of something as such.
func unexpected(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

func (f *captureFile) damage(err error) error {
	return &DamageError{File: f.path, Frame: f.frame, Offset: f.offset, Err: err}
}

// take reads n octets into the buffer. The error is io.EOF where there are none at all.
func (f *captureFile) take(n int) ([]byte, error) {
	if cap(f.buffer) < n {
		// Grown by what is really there, not by what a length claims.
		have := 0
		for have < n {
			step := min(n, max(4096, 2*have))
			grown := make([]byte, step)
			copy(grown, f.buffer[:have])
			f.buffer = grown
			got, err := io.ReadFull(f.r, f.buffer[have:step])
			have += got
			if err != nil {
				f.offset += int64(have)
				if have > 0 {
					err = unexpected(err)
				}
				return nil, err
			}
		}
		f.offset += int64(n)
		return f.buffer[:n], nil
	}
	got, err := io.ReadFull(f.r, f.buffer[:n])
	f.offset += int64(got)
	return f.buffer[:n], err
}

// skip passes over n octets.
func (f *captureFile) skip(n int) error {
	got, err := f.r.Discard(n)
	f.offset += int64(got)
	return unexpected(err)
}

// next reads the next packet. The error is io.EOF at the end of a whole file, else a
// *DamageError, and final. A packet without a time is one of pcapng's that have none.
func (f *captureFile) next(p *packet) error {
	if f.err == nil {
		var err error
		if f.blocks {
			err = f.nextBlock(p)
		} else {
			err = f.nextRecord(p)
		}
		if err == nil {
			return nil
		}
		if err != io.EOF {
			err = f.damage(err)
		}
		f.err = err
	}
	return f.err
}

// nextRecord reads a packet of pcap.
func (f *captureFile) nextRecord(p *packet) error {
	head, err := f.take(16 + f.extra)
	if err != nil {
		return err
	}
	seconds, fraction := f.order.Uint32(head), f.order.Uint32(head[4:])
	length, wire := f.order.Uint32(head[8:]), f.order.Uint32(head[12:])
	if length > maxPacket {
		return fmt.Errorf("%w: packet of %d bytes", errLength, length)
	}
	data, err := f.take(int(length))
	if err != nil {
		return unexpected(err)
	}
	f.frame++
	unit := int64(1000)
	if f.clock.power == 9 {
		unit = 1
	}
	*p = packet{
		data: data, cut: wire > length, frame: f.frame, link: f.clock.link,
		time: acquire.Instant(int64(seconds)*1e9 + int64(fraction)*unit),
	}
	return nil
}

// nextBlock reads blocks of pcapng up to one that is a packet.
func (f *captureFile) nextBlock(p *packet) error {
	for {
		head, err := f.take(12)
		if err != nil {
			return err
		}
		section := binary.BigEndian.Uint32(head) == blockSection // the same from both ends
		if section {
			switch uint32(byteOrderMagic) {
			case binary.LittleEndian.Uint32(head[8:]):
				f.order = binary.LittleEndian
			case binary.BigEndian.Uint32(head[8:]):
				f.order = binary.BigEndian
			default:
				return errBlock
			}
			f.interfaces, f.snaps = f.interfaces[:0], f.snaps[:0]
		}
		if f.order == nil {
			return errFormat
		}
		kind, length := f.order.Uint32(head), f.order.Uint32(head[4:])
		if length < 12 || length%4 != 0 || length > maxBlock || section && length < 28 {
			return fmt.Errorf("%w: block of %d bytes", errLength, length)
		}
		first := [4]byte(head[8:]) // of the body, or its length once more
		if length == 12 {
			if f.order.Uint32(first[:]) != length {
				return errBlock
			}
			if kind == blockInterface || kind == blockPacket || kind == blockSimple || kind == blockEnhanced {
				return errBlock
			}
			continue
		}
		switch kind {
		case blockInterface, blockPacket, blockSimple, blockEnhanced:
		default:
			if err := f.skip(int(length) - 16); err != nil {
				return err
			}
			if err := f.closing(length); err != nil {
				return err
			}
			continue
		}
		body, err := f.take(int(length) - 16)
		if err != nil {
			return unexpected(err)
		}
		if err := f.closing(length); err != nil {
			return err
		}
		if kind == blockInterface {
			if err := f.describe(first, body); err != nil {
				return err
			}
			continue
		}
		f.frame++
		return f.unpack(p, kind, first, body)
	}
}

// closing reads the length that ends a block, without touching the buffer.
func (f *captureFile) closing(length uint32) error {
	last, err := f.r.Peek(4)
	if err != nil {
		return unexpected(err)
	}
	if f.order.Uint32(last) != length {
		return errBlock
	}
	return f.skip(4)
}

// describe takes an interface description: link type, snap length, and options of which
// 9 is the resolution of times and 14 their offset.
func (f *captureFile) describe(first [4]byte, body []byte) error {
	if len(body) < 4 || len(f.interfaces) == maxInterfaces {
		return errBlock
	}
	c := clock{link: uint32(f.order.Uint16(first[:])), power: 6}
	snap := f.order.Uint32(body)
	for options := body[4:]; len(options) >= 4; {
		code, n := f.order.Uint16(options), int(f.order.Uint16(options[2:]))
		options = options[4:]
		padded := (n + 3) &^ 3
		if code == 0 || padded > len(options) {
			break
		}
		switch {
		case code == 9 && n == 1:
			c.binary, c.power = options[0]&0x80 != 0, uint(options[0]&0x7F)
		case code == 14 && n == 8:
			c.offset = int64(f.order.Uint64(options))
		}
		options = options[padded:]
	}
	f.interfaces, f.snaps = append(f.interfaces, c), append(f.snaps, snap)
	return nil
}

// unpack takes the packet out of a block.
func (f *captureFile) unpack(p *packet, kind uint32, first [4]byte, body []byte) error {
	of, head := f.order.Uint32(first[:]), 16
	switch kind {
	case blockSimple:
		of, head = 0, 0
	case blockPacket:
		of = uint32(f.order.Uint16(first[:]))
	}
	if int64(of) >= int64(len(f.interfaces)) || len(body) < head {
		return errBlock
	}
	c := f.interfaces[of]
	*p = packet{frame: f.frame, link: c.link}
	var length, wire uint32
	if kind == blockSimple {
		wire = f.order.Uint32(first[:])
		length = min(wire, uint32(len(body)))
		if snap := f.snaps[of]; snap != 0 {
			length = min(length, snap)
		}
	} else {
		p.time = c.instant(uint64(f.order.Uint32(body))<<32 | uint64(f.order.Uint32(body[4:])))
		length, wire = f.order.Uint32(body[8:]), f.order.Uint32(body[12:])
	}
	if int64(length) > int64(len(body)-head) || length > maxPacket {
		return fmt.Errorf("%w: packet of %d bytes", errLength, length)
	}
	p.data, p.cut = body[head:head+int(length)], wire > length
	return nil
}

func (f *captureFile) close() error {
	if f.source == nil {
		return nil
	}
	return f.source.Close()
}
