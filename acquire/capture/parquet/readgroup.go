package parquet

import (
	"encoding/binary"
	"hash/crc32"
	"io"

	"github.com/fieldtap/fieldtap/acquire"
)

// columnReader is a column of a row group.
type columnReader struct {
	all, some bool     // whether all rows are not null, or any is
	mask      []uint32 // which are, if some are and not all
	at        int      // of the next value, in what follows
	ints      []int64
	index     []uint32
	texts     []textRef // in body
	body      []byte    // of the data page
	terms     []textRef // of the dictionary, in dict
	dict      []byte
	numbers   []uint32 // the dictionary of statuses
}

// there reports whether the column is not null in a row.
func (c *columnReader) there(row int) bool {
	return c.all || c.some && c.mask[row] != 0
}

// entry returns a text of the dictionary.
func (c *columnReader) entry(i int32) []byte {
	t := c.terms[i]
	return c.dict[t.start:t.end]
}

// text returns the next text and goes past it.
func (c *columnReader) text() []byte {
	t := c.texts[c.at]
	c.at++
	return c.body[t.start:t.end]
}

// indexOf returns the index that a row has, if that stands for s, and unseen if not.
// No text is null.
func (c *columnReader) indexOf(row int, s string) int32 {
	switch there := c.there(row); {
	case s == "" && !there:
		return null
	case s == "" || !there:
		return unseen
	}
	i := int32(c.index[c.at])
	if string(c.entry(i)) != s {
		return unseen
	}
	return i
}

// chunkPlace is where the pages of a column lie.
type chunkPlace struct {
	start, length int64
	codec         int32
}

// load reads the next row group.
func (r *Reader) load() error {
	for c := range r.cols {
		if col := &r.cols[c]; r.rows > 0 && col.at != len(col.ints)+len(col.index)+len(col.texts) {
			return malformed("%s: %w", schema[c].name, errOther)
		}
	}
	if r.left == 0 {
		if r.total != 0 {
			return malformed("%d rows are missing", r.total)
		}
		return io.EOF
	}
	r.left--
	r.group++
	r.rows, r.row = 0, 0
	rows, err := r.placeChunks()
	if err != nil {
		return err
	}
	for c := range r.cols {
		if err := r.column(c, rows); err != nil {
			return malformed("%s: %w", schema[c].name, err)
		}
	}
	if err := r.usePoints(); err != nil {
		return err
	}
	r.judge = resize(r.judge, len(r.cols[colStatus].numbers))
	for i, q := range r.cols[colStatus].numbers {
		r.judge[i] = judged{acquire.Quality(q), unseen, unseen}
	}
	r.rows = rows
	r.total -= int64(rows)
	return nil
}

// placeChunks reads the metadata of a row group.
func (r *Reader) placeChunks() (int, error) {
	t, rows, n := &r.groups, int64(0), 0
	t.fields(func(number int16, kind byte) {
		switch number {
		case 1:
			if !t.want(kind, thriftList) {
				return
			}
			element, count := t.list()
			if count != columns {
				t.fail()
			}
			for ; n < columns && t.want(element, thriftStruct); n++ {
				r.places[n] = t.columnChunk()
			}
		case 3:
			rows = t.int64(kind)
		default:
			t.skip(kind, 0)
		}
	})
	if t.bad || n != columns {
		return 0, malformed("%w", errThrift)
	}
	if rows <= 0 || rows > maxRowGroup || rows > r.total {
		return 0, malformed("%d rows, of %d left", rows, r.total)
	}
	return int(rows), nil
}

// columnChunk reads what the metadata says of a column.
func (r *thriftReader) columnChunk() (p chunkPlace) {
	var data, dictionary int64
	r.fields(func(number int16, kind byte) {
		if number != 3 || !r.want(kind, thriftStruct) {
			r.skip(kind, 1)
			return
		}
		r.fields(func(number int16, kind byte) {
			switch number {
			case 4:
				p.codec = r.int32(kind)
			case 7:
				p.length = r.int64(kind)
			case 9:
				data = r.int64(kind)
			case 11:
				dictionary = r.int64(kind)
			default:
				r.skip(kind, 2)
			}
		})
	})
	p.start = data
	if dictionary != 0 {
		p.start = dictionary
	}
	return p
}

// column reads the pages of a column.
func (r *Reader) column(c, rows int) error {
	col, place := &r.cols[c], r.places[c]
	col.at = 0
	col.ints, col.index, col.texts, col.terms, col.numbers = col.ints[:0], col.index[:0], col.texts[:0], col.terms[:0], col.numbers[:0]
	if place.start < int64(len(magic)) || place.length < 0 || place.length > 2*maxPage || place.start > r.size-place.length {
		return errPage
	}
	r.buf = resize(r.buf, int(place.length))
	if err := r.readAt(r.buf, place.start); err != nil {
		return err
	}
	b, dictionary := r.buf, false
	for {
		h, packed, rest, err := pageHead(b)
		if err != nil {
			return err
		}
		b = rest
		if h.kind == pageDictionary && !dictionary && schema[c].encoding == encodingRLEDictionary && h.encoding == encodingPlain {
			dictionary = true
			if col.dict, err = r.unpack.decode(col.dict, packed, place.codec, h.size); err != nil {
				return err
			}
			if !col.readDictionary(c, h.values, rows) {
				return errValues
			}
			continue
		}
		if h.kind != pageData || h.values != rows || len(b) > 0 {
			return errPage
		}
		if col.body, err = r.unpack.decode(col.body, packed, place.codec, h.size); err != nil {
			return err
		}
		return col.readData(c, rows, h.encoding, dictionary)
	}
}

// head is what stands before a page.
type pageHeader struct {
	kind, encoding int32
	size, values   int
}

// pageHead reads the head of a page and checks what follows it.
func pageHead(b []byte) (h pageHeader, packed, rest []byte, err error) {
	t := thriftReader{b: b}
	var size, compressed, values, crc int32
	sealed := false
	t.fields(func(number int16, kind byte) {
		switch number {
		case 1:
			h.kind = t.int32(kind)
		case 2:
			size = t.int32(kind)
		case 3:
			compressed = t.int32(kind)
		case 4:
			crc, sealed = t.int32(kind), true
		case 5, 7:
			if !t.want(kind, thriftStruct) {
				return
			}
			t.fields(func(number int16, kind byte) {
				switch number {
				case 1:
					values = t.int32(kind)
				case 2:
					h.encoding = t.int32(kind)
				default:
					t.skip(kind, 1)
				}
			})
		default:
			t.skip(kind, 0)
		}
	})
	if t.bad || size < 0 || size > maxPage || compressed < 0 || int64(compressed) > int64(len(t.b)) || values < 0 || !sealed {
		return h, nil, nil, errPage
	}
	h.size, h.values = int(size), int(values)
	packed, rest = t.b[:compressed], t.b[compressed:]
	if crc32.ChecksumIEEE(packed) != uint32(crc) {
		return h, nil, nil, errChecksum
	}
	return h, packed, rest, nil
}

// readDictionary reads a dictionary, which has no more entries than there are rows.
func (c *columnReader) readDictionary(number, entries, rows int) bool {
	if entries == 0 || entries > rows {
		return false
	}
	if schema[number].physical == typeInt32 {
		if len(c.dict) != 4*entries {
			return false
		}
		for at := 0; at < len(c.dict); at += 4 {
			c.numbers = append(c.numbers, le.Uint32(c.dict[at:]))
		}
		return true
	}
	var ok bool
	c.terms, ok = readTexts(c.terms, c.dict, 0, entries)
	return ok
}

// readTexts reads n byte arrays, which end where b does.
func readTexts(dst []textRef, b []byte, at, n int) ([]textRef, bool) {
	for range n {
		if len(b)-at < 4 {
			return dst, false
		}
		size := le.Uint32(b[at:])
		at += 4
		if uint64(size) > uint64(len(b)-at) {
			return dst, false
		}
		dst = append(dst, textRef{at, at + int(size)})
		at += int(size)
	}
	return dst, at == len(b)
}

// readData reads the data page that is in body.
func (c *columnReader) readData(number, rows int, encoding int32, dictionary bool) error {
	b, present, err := c.readLevels(rows)
	if err != nil {
		return err
	}
	want := schema[number].encoding
	if present == 0 {
		want = encodingPlain
	}
	if encoding != want || dictionary != (encoding == encodingRLEDictionary) {
		return errPage
	}
	ok := true
	switch {
	case encoding == encodingRLEDictionary:
		entries := len(c.terms) + len(c.numbers)
		c.index = resize(c.index, present)
		if ok = len(b) > 0 && int(b[0]) == widthOf(entries); ok {
			b, ok = readHybrid(b[1:], c.index, widthOf(entries))
		}
		for _, i := range c.index {
			ok = ok && int64(i) < int64(entries)
		}
		ok = ok && len(b) == 0
	case present == 0:
		ok = len(b) == 0
	case encoding == encodingDelta:
		c.ints = resize(c.ints, present)
		ok = readDelta(b, c.ints)
	case schema[number].physical == typeByteArray:
		c.texts, ok = readTexts(c.texts, c.body, len(c.body)-len(b), present)
	case schema[number].physical == typeBoolean:
		if ok = len(b) == (present+7)/8; ok {
			for i := range present {
				c.ints = append(c.ints, int64(b[i/8]>>(i%8)&1))
			}
		}
	default:
		if ok = len(b) == 8*present; ok {
			c.ints = resize(c.ints, present)
			for i := range c.ints {
				c.ints[i] = int64(le.Uint64(b[8*i:]))
			}
		}
	}
	if !ok {
		return errValues
	}
	return nil
}

// readLevels reads which rows are not null, and returns what lies behind and how many
// they are.
func (c *columnReader) readLevels(rows int) (rest []byte, present int, err error) {
	if len(c.body) < 4 {
		return nil, 0, errLevels
	}
	n := le.Uint32(c.body)
	if uint64(n) > uint64(len(c.body)-4) {
		return nil, 0, errLevels
	}
	levels, rest := c.body[4:4+int(n)], c.body[4+int(n):]
	if run, at := binary.Uvarint(levels); run == uint64(rows)<<1 && at == len(levels)-1 && levels[at] <= 1 {
		c.all, c.some = levels[at] == 1, levels[at] == 1
		return rest, rows * int(levels[at]), nil
	}
	c.mask = resize(c.mask, rows)
	if left, ok := readHybrid(levels, c.mask, 1); !ok || len(left) > 0 {
		return nil, 0, errLevels
	}
	for _, there := range c.mask {
		present += int(there)
	}
	c.all, c.some = present == rows, present > 0
	return rest, present, nil
}

// usePoints finds the points of the row group.
func (r *Reader) usePoints() error {
	col := &r.cols[colPoint]
	r.locals = resize(r.locals, len(col.terms))
	for i := range r.locals {
		name := col.entry(int32(i))
		l := local{unit: unseen, source: unseen}
		if len(name) > 0 {
			number, ok := r.byName[string(name)]
			if !ok {
				return malformed("point %q is not described", name)
			}
			l.number, l.id = number, r.points[number-1]
		}
		r.locals[i] = l
	}
	return nil
}
