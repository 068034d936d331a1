package snmptest

import (
	"bufio"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math"
	"math/bits"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/fieldtap/fieldtap/internal/snmpwire"
)

// Limits of a recording.
const (
	longestLine   = 1 << 18 // octets
	mostObjects   = 1 << 20
	reportedLines = 20 // faults named, of any number
)

// ParseSnmprec reads a recording of the simulator snmpsim (.snmprec): one object a line, as identifier, type and value with bars
// between, such as
//
//	1.3.6.1.2.1.1.1.0|4|a text
//	1.3.6.1.2.1.2.2.1.6.1|4x|00005E005301
//	1.3.6.1.2.1.1.3.0|67:numeric|rate=100,initial=0
//
// Types are the numbers of the tags: 2 INTEGER, 4 OCTET STRING, 5 NULL, 6 OBJECT IDENTIFIER, 64 IpAddress, 65 Counter32, 66
// Gauge32, 67 TimeTicks, 68 Opaque, 70 Counter64; an x after 4, 64 and 68 says that the value is in hexadecimal digits. White
// space around a line does not count, nor do empty lines and those that begin with #.
//
// Of the variation modules there is numeric, with rate, initial, min, max, wrap, cumulative and increasing: the value grows by rate per second
// from the agent's start on, and at max it stays, or with wrap=1 goes on at min. What the original computes at random, or by a
// function, is not there.
//
// The error names the lines that cannot be read, the first twenty of them; then there is no result. A line has at most 256 KiB and a
// recording a million objects.
func ParseSnmprec(r io.Reader) (Objects, error) {
	o := make(Objects)
	var faults []error
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, longestLine)
	n := 0
	for lines.Scan() {
		n++
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		oid, object, err := parseRecord(line)
		if err == nil && o[oid] != nil {
			err = fmt.Errorf("%s is there twice", oid)
		}
		if err != nil {
			if faults = append(faults, fmt.Errorf("snmptest: line %d: %w", n, err)); len(faults) == reportedLines {
				break
			}
			continue
		}
		if len(o) == mostObjects {
			return nil, fmt.Errorf("snmptest: line %d: more than %d objects", n, mostObjects)
		}
		o[oid] = object
	}
	if err := lines.Err(); err != nil {
		faults = append(faults, fmt.Errorf("snmptest: line %d: %w", n+1, err))
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	return o, nil
}

func parseRecord(line string) (oid string, o Object, err error) {
	parts := strings.SplitN(line, "|", 3)
	if len(parts) != 3 {
		return "", nil, errors.New("want identifier, type and value with | between")
	}
	name, err := snmpwire.AppendOID(nil, parts[0])
	if err != nil {
		return "", nil, fmt.Errorf("%q: %w", parts[0], err)
	}
	oid = string(snmpwire.AppendOIDText(nil, name))
	kind, module, varied := strings.Cut(parts[1], ":")
	kind, hexadecimal := strings.CutSuffix(kind, "x")
	number, err := strconv.ParseUint(kind, 10, 8)
	if err != nil {
		return "", nil, fmt.Errorf("type %q is no number", parts[1])
	}
	tag := snmpwire.Tag(number)
	switch {
	case varied && module != "numeric":
		return "", nil, fmt.Errorf("variation module %q is not there, only numeric", module)
	case varied:
		o, err = parseNumeric(tag, parts[2])
	case hexadecimal:
		o, err = parseHex(tag, parts[2])
	default:
		o, err = parseValue(tag, parts[2])
	}
	return oid, o, err
}

func parseHex(t snmpwire.Tag, text string) (Object, error) {
	b, err := hex.DecodeString(text)
	switch {
	case err != nil:
		return nil, err
	case t == snmpwire.IPAddress && len(b) != 4:
		return nil, fmt.Errorf("address of %d octets", len(b))
	case t == snmpwire.OctetString, t == snmpwire.IPAddress, t == snmpwire.Opaque:
		return Value{t, string(b)}, nil
	}
	return nil, fmt.Errorf("type %d does not come in hexadecimal digits", t)
}

func parseValue(t snmpwire.Tag, text string) (Object, error) {
	switch t {
	case snmpwire.Integer:
		v, err := strconv.ParseInt(text, 10, 32)
		return Integer(int32(v)), err
	case snmpwire.OctetString, snmpwire.Opaque:
		return Value{t, text}, nil
	case snmpwire.Null:
		if text != "" {
			return nil, fmt.Errorf("NULL with a value %q", text)
		}
		return Null(), nil
	case snmpwire.ObjectID:
		if _, err := snmpwire.AppendOID(nil, text); err != nil {
			return nil, fmt.Errorf("%q: %w", text, err)
		}
		return ObjectID(text), nil
	case snmpwire.IPAddress:
		a, err := netip.ParseAddr(text)
		if err != nil || !a.Is4() {
			return nil, fmt.Errorf("%q is no IPv4 address", text)
		}
		return IPAddress(a.As4()), nil
	case snmpwire.Counter32, snmpwire.Gauge32, snmpwire.TimeTicks:
		v, err := strconv.ParseUint(text, 10, 32)
		return numberOf(t, v), err
	case snmpwire.Counter64:
		v, err := strconv.ParseUint(text, 10, 64)
		return Counter64(v), err
	}
	return nil, fmt.Errorf("type %d is unknown", t)
}

// numberOf is a value of a type that counts.
func numberOf(t snmpwire.Tag, v uint64) Value {
	if t == snmpwire.Integer {
		return Integer(int32(v))
	}
	return parse(snmpwire.AppendUint(nil, t, v))
}

// slope is the variation module numeric. Of an INTEGER, the numbers are those of its 32 bits as they grow from the lowest on: see
// offset.
type slope struct {
	tag      snmpwire.Tag
	min, max uint64
	initial  uint64
	rate     uint64  // per second, if it is whole
	real     float64 // per second, if it is not
	wrap     bool
}

// offset makes the numbers of an INTEGER unsigned.
func (s *slope) offset() uint64 {
	if s.tag == snmpwire.Integer {
		return 1 << 31
	}
	return 0
}

func parseNumeric(t snmpwire.Tag, text string) (Object, error) {
	s := &slope{tag: t, rate: 1}
	switch t {
	case snmpwire.Integer, snmpwire.Counter32, snmpwire.Gauge32, snmpwire.TimeTicks:
		s.max = math.MaxUint32
	case snmpwire.Counter64:
		s.max = math.MaxUint64
	default:
		return nil, fmt.Errorf("type %d is no number", t)
	}
	s.min = s.offset()
	s.initial = s.min
	started := false
	for option := range strings.SplitSeq(text, ",") {
		name, value, ok := strings.Cut(strings.TrimSpace(option), "=")
		if !ok {
			return nil, fmt.Errorf("option %q has no value", option)
		}
		var err error
		switch name {
		case "initial":
			s.initial, err = s.bound(value)
			started = true
		case "min":
			s.min, err = s.bound(value)
		case "max":
			s.max, err = s.bound(value)
		case "rate":
			if s.rate, err = strconv.ParseUint(value, 10, 64); err != nil {
				s.real, err = strconv.ParseFloat(value, 64)
				if err == nil && (math.IsNaN(s.real) || math.IsInf(s.real, 0)) {
					err = fmt.Errorf("%s is no rate", value)
				}
			}
		case "wrap":
			s.wrap, err = strconv.ParseBool(value)
		case "cumulative", "increasing": // it never falls as it is
			_, err = strconv.ParseBool(value)
		default:
			return nil, fmt.Errorf("option %q of the module numeric is not there", name)
		}
		if err != nil {
			return nil, fmt.Errorf("option %s: %w", name, err)
		}
	}
	if !started {
		s.initial = s.min
	}
	if s.min > s.max || s.initial < s.min || s.initial > s.max {
		return nil, errors.New("want min <= initial <= max")
	}
	return s, nil
}

// bound reads a number of the type.
func (s *slope) bound(text string) (uint64, error) {
	if s.tag == snmpwire.Integer {
		v, err := strconv.ParseInt(text, 10, 32)
		return uint64(v + 1<<31), err
	}
	size := 32
	if s.tag == snmpwire.Counter64 {
		size = 64
	}
	return strconv.ParseUint(text, 10, size)
}

// Read implements [Object].
func (s *slope) Read(c Clock) Value {
	return numberOf(s.tag, s.at(max(c.Up, 0))-s.offset())
}

func (s *slope) at(up time.Duration) uint64 {
	room, begin := s.max-s.min, s.initial-s.min
	if s.real != 0 {
		// Floor and modulo of a float64 are whole numbers up to 2^53, more than a fractional rate is good for.
		v := float64(begin) + math.Floor(s.real*up.Seconds())
		switch size := float64(room) + 1; {
		case s.wrap:
			if v = math.Mod(v, size); v < 0 {
				v += size
			}
		case v < 0:
			v = 0
		}
		if v >= float64(room) {
			return s.max
		}
		return s.min + uint64(v)
	}
	seconds, rest := uint64(up/time.Second), uint64(up%time.Second)
	hi, lo := bits.Mul64(s.rate, seconds)
	lo, carry := bits.Add64(lo, fraction(s.rate, rest), 0)
	hi += carry
	lo, carry = bits.Add64(lo, begin, 0)
	hi += carry
	switch {
	case hi == 0 && lo <= room:
		return s.min + lo
	case !s.wrap:
		return s.max
	case room == math.MaxUint64:
		return lo
	}
	return s.min + bits.Rem64(hi, lo, room+1)
}
