package parquet

import (
	"errors"
	"fmt"
	"hash/crc32"

	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
)

// Compression is a method by which pages are compressed.
type Compression uint8

// The methods. All readers of Parquet know them.
const (
	Zstd   Compression = iota // small
	Snappy                    // fast
	Uncompressed
)

// codecs are the numbers of the methods in files.
var codecs = [...]int32{Zstd: 6, Snappy: 1, Uncompressed: 0}

// String returns the name of the method in lower case.
func (c Compression) String() string {
	switch c {
	case Zstd:
		return "zstd"
	case Snappy:
		return "snappy"
	case Uncompressed:
		return "uncompressed"
	}
	return fmt.Sprintf("compression %d", uint8(c))
}

// compressor compresses pages.
type compressor struct {
	method Compression
	zstd   *zstd.Encoder
}

func newCompressor(method Compression) (c compressor, err error) {
	c.method = method
	switch method {
	case Zstd:
		c.zstd, err = zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderCRC(false))
	case Snappy, Uncompressed:
	default:
		err = fmt.Errorf("parquet: unknown %s", method)
	}
	return c, err
}

// append appends src, compressed, to dst.
func (c *compressor) append(dst, src []byte) []byte {
	switch c.method {
	case Zstd:
		return c.zstd.EncodeAll(src, dst)
	case Snappy:
		n := len(dst)
		dst = resizeTail(dst, snappy.MaxEncodedLen(len(src)))
		return dst[:n+len(snappy.Encode(dst[n:], src))]
	}
	return append(dst, src...)
}

// resizeTail adds n bytes to b, whose contents do not matter.
func resizeTail(b []byte, n int) []byte {
	if need := len(b) + n; need > cap(b) {
		b = append(b[:cap(b)], make([]byte, need-cap(b))...)[:len(b)]
	}
	return b[:len(b)+n]
}

// decompressor undoes what a compressor did.
type decompressor struct {
	zstd *zstd.Decoder
}

var errPage = errors.New("page is malformed")

// decode decompresses src to size bytes, into dst if it has room.
func (d *decompressor) decode(dst, src []byte, codec int32, size int) ([]byte, error) {
	switch codec {
	case codecs[Uncompressed]:
		if len(src) != size {
			return dst, errPage
		}
		return append(dst[:0], src...), nil
	case codecs[Snappy]:
		if n, err := snappy.DecodedLen(src); err != nil || n != size {
			return dst, errPage
		}
		out, err := snappy.Decode(resize(dst, size), src)
		if err != nil {
			return dst, errPage
		}
		return out, nil
	case codecs[Zstd]:
		if d.zstd == nil {
			var err error
			d.zstd, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecodeAllCapLimit(true), zstd.WithDecoderMaxMemory(maxPage), zstd.WithDecoderMaxWindow(maxPage))
			if err != nil {
				return dst, fmt.Errorf("zstd: %w", err)
			}
		}
		dst = resize(dst, size)
		out, err := d.zstd.DecodeAll(src, dst[:0:size])
		if err != nil || len(out) != size {
			return dst, errPage
		}
		return out, nil
	}
	return dst, fmt.Errorf("compression %d is not one of this package", codec)
}

// chunk is what the metadata says of one column of a row group.
type chunk struct {
	dictionary   int64 // where its page lies, 0: none
	data         int64 // where the data page lies
	uncompressed int64 // bytes of the pages, heads included
	compressed   int64 // the same in the file
	nulls        int64
	coded        bool // the values are in the encoding of the column; else plain
	bounded      bool // min and max are known
	min, max     []byte
}

// pageWriter makes pages. It keeps its memory.
type pageWriter struct {
	codec compressor
	head  thriftWriter
	body  []byte // of a page, before compression
	out   []byte // the pages of a column
	mask  []uint32
	ints  []int64
	index []uint32
	bools []bool
	least []byte // statistics
	most  []byte
}

// page appends a page whose content is in body.
func (p *pageWriter) page(kind int32, values int, encoding int32) (uncompressed int) {
	t := &p.head
	t.b = t.b[:0]
	start := len(p.out)
	p.out = p.codec.append(p.out, p.body)
	packed := p.out[start:]
	t.begin()
	t.int32(1, kind)
	t.int32(2, int32(len(p.body)))
	t.int32(3, int32(len(packed)))
	t.int32(4, int32(crc32.ChecksumIEEE(packed)))
	if kind == pageDictionary {
		t.structure(7)
		t.int32(1, int32(values))
		t.int32(2, encoding)
		t.end()
	} else {
		t.structure(5)
		t.int32(1, int32(values))
		t.int32(2, encoding)
		t.int32(3, encodingRLE)
		t.int32(4, encodingRLE)
		t.end()
	}
	t.end()
	// The head is to stand before what it tells the length of.
	n := len(t.b)
	p.out = append(p.out, t.b...)
	copy(p.out[start+n:], p.out[start:len(p.out)-n])
	copy(p.out[start:], t.b)
	return len(p.body) + n
}

// levels begins the body of a data page: which rows are not null.
func (p *pageWriter) levels(rows, present int) {
	p.body = append(p.body[:0], 0, 0, 0, 0)
	switch present {
	case rows, 0:
		p.body = appendRun(p.body, rows, uint32(min(present, 1)), 1)
	default:
		p.body = appendHybrid(p.body, p.mask, 1)
	}
	le.PutUint32(p.body, uint32(len(p.body)-4))
}

// nulls writes a column without values.
func (p *pageWriter) nulls(rows int) chunk {
	p.levels(rows, 0)
	return p.data(rows, rows, encodingPlain, chunk{})
}

// data ends a column with the data page that is in body.
func (p *pageWriter) data(rows, nulls int, encoding int32, c chunk) chunk {
	c.data = int64(len(p.out))
	c.uncompressed += int64(p.page(pageData, rows, encoding))
	c.compressed = int64(len(p.out))
	c.nulls, c.coded = int64(nulls), encoding != encodingPlain
	return c
}

// gather takes the rows of a column that are not null.
func (p *pageWriter) gather(values []int64, null int64) {
	p.mask, p.ints = resize(p.mask, len(values)), resize(p.ints, len(values))
	n := 0
	for i, v := range values {
		p.ints[n] = v
		there := uint32(1)
		if v == null {
			there = 0
		}
		p.mask[i] = there
		n += int(there)
	}
	p.ints = p.ints[:n]
}

// sparse begins a column with few values, which set adds in order of their rows.
func (p *pageWriter) sparse(rows int) {
	p.mask, p.ints = resize(p.mask, rows), p.ints[:0]
	clear(p.mask)
}

func (p *pageWriter) set(row int, v int64) {
	p.mask[row] = 1
	p.ints = append(p.ints, v)
}

// deltas writes ints as differences.
func (p *pageWriter) deltas(rows int) chunk {
	if len(p.ints) == 0 {
		return p.nulls(rows)
	}
	lowest, highest := p.ints[0], p.ints[0]
	for _, v := range p.ints {
		lowest, highest = min(lowest, v), max(highest, v)
	}
	p.least = le.AppendUint64(p.least[:0], uint64(lowest))
	p.most = le.AppendUint64(p.most[:0], uint64(highest))
	p.levels(rows, len(p.ints))
	p.body = appendDelta(p.body, p.ints)
	return p.data(rows, rows-len(p.ints), encodingDelta, chunk{bounded: true, min: p.least, max: p.most})
}

// words writes ints, or the bits of doubles, as they are.
func (p *pageWriter) words(rows int) chunk {
	if len(p.ints) == 0 {
		return p.nulls(rows)
	}
	p.levels(rows, len(p.ints))
	for _, v := range p.ints {
		p.body = le.AppendUint64(p.body, uint64(v))
	}
	return p.data(rows, rows-len(p.ints), encodingPlain, chunk{})
}

// texts writes ints, which are indices, and a dictionary of texts.
func (p *pageWriter) texts(rows int, list []string) chunk {
	if len(p.ints) == 0 {
		return p.nulls(rows)
	}
	p.body = p.body[:0]
	least, most := list[0], list[0]
	for _, s := range list {
		p.body = appendBytes(p.body, s)
		least, most = min(least, s), max(most, s)
	}
	p.least, p.most = append(p.least[:0], least...), append(p.most[:0], most...)
	return p.indices(rows, len(list), chunk{bounded: true, min: p.least, max: p.most})
}

// numbers writes ints, which are indices, and a dictionary of numbers.
func (p *pageWriter) numbers(rows int, list []uint32) chunk {
	if len(p.ints) == 0 {
		return p.nulls(rows)
	}
	p.body = p.body[:0]
	for _, n := range list {
		p.body = le.AppendUint32(p.body, n)
	}
	return p.indices(rows, len(list), chunk{})
}

// indices writes the dictionary that is in body, and indices into it.
func (p *pageWriter) indices(rows, entries int, c chunk) chunk {
	c.uncompressed = int64(p.page(pageDictionary, entries, encodingPlain))
	c.dictionary = 1 // its place is known, and not 0, once the column is written
	p.index = resize(p.index, len(p.ints))
	for i, v := range p.ints {
		p.index[i] = uint32(v)
	}
	p.levels(rows, len(p.ints))
	width := widthOf(entries)
	p.body = append(p.body, byte(width))
	p.body = appendHybrid(p.body, p.index, width)
	return p.data(rows, rows-len(p.ints), encodingRLEDictionary, c)
}
