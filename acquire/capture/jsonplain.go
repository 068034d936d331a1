package capture

import (
	"bytes"
	"math"
	"strconv"

	"github.com/fieldtap/fieldtap/acquire"
)

// Nearly all lines are samples, and as JSONWriter writes them to the byte. They are
// read here, without encoding/json and without allocating. What is read is written
// again and compared with the line: what differs in anything is left to the reader
// of any line, which knows what is wrong with it, if anything is.

// plain takes a line apart from its beginning.
type plain struct {
	rest []byte
	ok   bool
}

// skip skips s.
func (p *plain) skip(s string) {
	if len(p.rest) < len(s) || string(p.rest[:len(s)]) != s {
		p.ok = false
		return
	}
	p.rest = p.rest[len(s):]
}

// upTo returns what is left up to the next c, and skips both.
func (p *plain) upTo(c byte) []byte {
	i := bytes.IndexByte(p.rest, c)
	if i < 0 {
		p.ok = false
		return nil
	}
	part := p.rest[:i]
	p.rest = p.rest[i+1:]
	return part
}

func (p *plain) signed(end byte) int64 {
	x, err := strconv.ParseInt(string(p.upTo(end)), 10, 64)
	p.ok = p.ok && err == nil
	return x
}

func (p *plain) unsigned(end byte) uint64 {
	x, err := strconv.ParseUint(string(p.upTo(end)), 10, 64)
	p.ok = p.ok && err == nil
	return x
}

// plainSample adds the sample of the line to b, if it is one of the plain form.
func (r *JSONReader) plainSample(b *acquire.Batch) bool {
	line := r.in.Bytes()
	l := plain{line, true}
	l.skip(`{"time":`)
	time := l.signed(',')
	l.skip(`"point":"`)
	name := l.upTo('"')
	l.skip(`,"value":`)
	if !l.ok {
		return false
	}
	id, ok := r.ids[string(name)]
	if !ok {
		return false
	}
	p := r.names.point(id)

	quoted := len(l.rest) > 0 && l.rest[0] == '"'
	var value []byte
	if quoted {
		l.skip(`"`)
		value = l.upTo('"')
		l.skip(`,`)
	} else {
		value = l.upTo(',')
	}
	kind := p.Kind
	if bytes.HasPrefix(l.rest, []byte(`"holds":"`)) {
		l.skip(`"holds":"`)
		kind, ok = parseKind(string(l.upTo('"')))
		l.skip(`,`)
	}
	at := bytes.LastIndex(l.rest, []byte(`"status":`))
	if !ok || at < 0 {
		return false
	}
	l.rest = l.rest[at:]
	l.skip(`"status":`)
	status := l.unsigned('}')
	if !l.ok || len(l.rest) > 0 || status > math.MaxUint32 {
		return false
	}

	s := acquire.Sample{Time: acquire.Instant(time), Point: id, Quality: acquire.Quality(status)}
	var text []byte
	switch {
	case !quoted && string(value) == "null":
	case kind == acquire.KindText:
		if text = value; !quoted {
			return false
		}
	default:
		var err error
		if s.Value, err = parseNumber(string(value), kind); err != nil {
			return false
		}
	}
	if text != nil {
		// Written as a text before it is put in the batch, which cannot be undone.
		r.scratch.Reset()
		s.Value, ok = r.scratch.PutText(text)
	}
	r.own = appendSampleLine(r.own[:0], &s, p, text, r.names.quality(s.Quality))
	if !ok || !bytes.Equal(r.own, line) {
		return false
	}
	if text != nil {
		if s.Value, ok = b.PutText(text); !ok {
			return false
		}
	}
	b.Append(s)
	return true
}

// plainBatch begins the batch of the line, if it is one of the plain form, of the same
// points as the one before.
func (r *JSONReader) plainBatch(b *acquire.Batch) bool {
	line := r.in.Bytes()
	l := plain{line, true}
	l.skip(`{"batch":`)
	number := l.unsigned(',')
	l.skip(`"received":`)
	received := l.signed(',')
	l.skip(`"watermark":`)
	watermark := l.signed(',')
	l.skip(`"lost":`)
	lost := l.unsigned('}')
	if !l.ok || len(l.rest) > 0 || number != r.batches+1 {
		return false
	}
	b.Received, b.Watermark, b.Lost = acquire.Instant(received), acquire.Instant(watermark), lost
	r.own = appendBatchLine(r.own[:0], number, b, &r.names, true)
	if !bytes.Equal(r.own, line) {
		b.Reset()
		return false
	}
	if r.batches++; len(r.points) > 0 {
		b.Points = r.points
	}
	return true
}
