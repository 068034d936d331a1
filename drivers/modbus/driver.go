package modbus

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/units"
)

// Driver makes sources from URLs of the form
//
//	modbus://HOST[:PORT]/UNIT?point=NAME,ADDRESS,TYPE[,KEY=VALUE...]&point=...
//
// where ADDRESS is coil:N, discrete:N, holding:N or input:N, counted from 0, and
// TYPE a type's name such as float32. The keys of a point are
//
//	unit=kWh                   symbol
//	role=counter               gauge, counter, state
//	order=CDAB                 ABCD, CDAB, BADC, DCBA, with +halves for 64 bits
//	scale=1/10                 ratio, or decimal number
//	scale_at=holding:40106     register with the power of ten
//	length=8                   registers of a text, bits of a number
//	bits=4-7                   part of a register; bits=3 for one bit
//	na=0x8000                  sentinel, or range: na=0x7fff0000-0x7fffffff
//	sunspec                    the sentinels of SunSpec
//	name=2:running             what a number stands for
//	layout=YYMMDDhhmmss        bytes of a clock
//	epoch=2000-01-01T00:00:00Z what a clock counts from
//	zone=Europe/Berlin         what a clock shows
//	interval=1m                time from reading to reading
//
// as the fields of Point; na and name may be given several times. No spaces surround
// the commas, and none may be in a name. Further parameters are name, interval, timeout, connect_timeout,
// max_timeouts, max_registers, max_bits and max_gap, as the fields of Config.
//
// The zero value is ready to use and safe for concurrent use.
type Driver struct{}

var _ acquire.Driver = Driver{}

// Scheme returns "modbus".
func (Driver) Scheme() string { return "modbus" }

// ParseSource makes the Source that u describes. The error names every fault.
func (Driver) ParseSource(u *url.URL, c *acquire.Catalog) (acquire.Source, error) {
	cfg := Config{Catalog: c, Address: u.Host}
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }

	if u.User != nil {
		fault("the protocol knows no user or password")
	}
	if u.Fragment != "" {
		fault("# cuts off %q; escape it as %%23", u.Fragment)
	}
	unit, err := strconv.ParseUint(strings.Trim(u.Path, "/"), 10, 8)
	if err != nil {
		fault("path %q is not a unit id of 0 to 255", u.Path)
	}
	cfg.Unit = byte(unit)

	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		fault("malformed parameters")
	}
	durations := map[string]*time.Duration{
		"interval": &cfg.Interval, "timeout": &cfg.Timeout, "connect_timeout": &cfg.ConnectTimeout,
	}
	numbers := map[string]*int{
		"max_timeouts": &cfg.MaxTimeouts, "max_registers": &cfg.MaxRegisters, "max_bits": &cfg.MaxBits, "max_gap": &cfg.MaxGap,
	}
	names := make([]string, 0, len(query))
	for name := range query {
		names = append(names, name)
	}
	slices.Sort(names) // faults in the same order every time
	for _, name := range names {
		values := query[name]
		if name == "point" {
			for _, text := range values {
				p, err := parsePoint(text)
				if err != nil {
					faults = append(faults, err)
				}
				cfg.Points = append(cfg.Points, p)
			}
			continue
		}
		if len(values) > 1 {
			fault("parameter %s is given %d times", name, len(values))
		}
		value := values[0]
		var err error
		if d := durations[name]; d != nil {
			*d, err = time.ParseDuration(value)
		} else if n := numbers[name]; n != nil {
			*n, err = strconv.Atoi(value)
		} else if name == "name" {
			cfg.Name = value
		} else {
			fault("unknown parameter %q", name)
		}
		if err != nil {
			fault("parameter %s: %q is malformed", name, value)
		}
	}
	if err := errors.Join(faults...); err != nil {
		return nil, fmt.Errorf("modbus: %w", err)
	}
	src, err := NewSource(cfg)
	if err != nil {
		return nil, err
	}
	return src, nil
}

// parsePoint reads "NAME,ADDRESS,TYPE[,KEY=VALUE...]".
func parsePoint(text string) (Point, error) {
	fields := strings.Split(text, ",")
	p := Point{Name: fields[0]}
	if len(fields) < 3 {
		return p, fmt.Errorf("point %q: want name, address and type", text)
	}
	var faults []error
	fault := func(format string, args ...any) {
		faults = append(faults, fmt.Errorf("point %q: "+format, append([]any{p.Name}, args...)...))
	}
	var ok bool
	if p.At, ok = parseAddress(fields[1]); !ok {
		fault("malformed address %q", fields[1])
	}
	if p.Type, ok = parseType(fields[2]); !ok {
		fault("unknown type %q", fields[2])
	}
	given := make(map[string]bool)
	for _, field := range fields[3:] {
		key, value, _ := strings.Cut(field, "=")
		if given[key] && key != "na" && key != "name" {
			fault("%s is given twice", key)
		}
		given[key] = true
		if err := p.set(key, value); err != nil {
			fault("%w", err)
		}
	}
	return p, errors.Join(faults...)
}

// set sets the field of p that key stands for.
func (p *Point) set(key, value string) (err error) {
	ok := true
	switch key {
	case "unit":
		p.Unit, err = units.Parse(value)
	case "role":
		p.Role, err = parseRole(value)
	case "order":
		p.Order, err = parseOrder(value)
	case "scale":
		p.Scale, err = units.ParseScale(value)
	case "scale_at":
		p.ScaleAt, ok = parseAddress(value)
	case "length":
		p.Length, err = strconv.Atoi(value)
		ok = p.Length > 0
	case "bits":
		p.Bits, ok = parseBits(value)
	case "na":
		var s Sentinel
		s, ok = parseSentinel(value)
		p.Sentinels = append(p.Sentinels, s)
	case "sunspec":
		p.SunSpec, ok = true, value == ""
	case "name":
		number, name, _ := strings.Cut(value, ":")
		var n int64
		n, err = strconv.ParseInt(number, 0, 64)
		if p.Names == nil {
			p.Names = make(map[int64]string)
		}
		_, given := p.Names[n]
		p.Names[n], ok = name, name != "" && !given
	case "layout":
		p.Layout = value
	case "epoch":
		p.Epoch, err = time.Parse(time.RFC3339, value)
	case "zone":
		p.Zone, err = time.LoadLocation(value)
	case "interval":
		p.Interval, err = time.ParseDuration(value)
	default:
		return fmt.Errorf("unknown key %q", key)
	}
	if errors.Is(err, strconv.ErrSyntax) || errors.Is(err, strconv.ErrRange) || err == nil && !ok {
		return fmt.Errorf("malformed %s %q", key, value)
	}
	return err
}

func parseType(text string) (Type, bool) {
	for t := range shapes {
		if t > 0 && shapes[t].name == text {
			return Type(t), true
		}
	}
	return 0, false
}

// parseBits reads what Bits.String wrote, but for "all".
func parseBits(text string) (Bits, bool) {
	first, last, ok := strings.Cut(text, "-")
	if !ok {
		last = first
	}
	low, lowErr := strconv.ParseUint(first, 10, 6)
	high, highErr := strconv.ParseUint(last, 10, 6)
	if lowErr != nil || highErr != nil || high < low {
		return Bits{}, false
	}
	return Bits{uint8(low), uint8(high - low + 1)}, true
}

// parseSentinel reads what Sentinel.String wrote, and decimal numbers.
func parseSentinel(text string) (Sentinel, bool) {
	first, last, ok := strings.Cut(text, "-")
	if !ok {
		last = first
	}
	from, fromErr := strconv.ParseUint(first, 0, 64)
	to, toErr := strconv.ParseUint(last, 0, 64)
	if fromErr != nil || toErr != nil || to < from {
		return Sentinel{}, false
	}
	if to == from {
		to = 0
	}
	return Sentinel{from, to}, true
}

func parseAddress(text string) (Address, bool) {
	word, number, _ := strings.Cut(text, ":")
	n, err := strconv.ParseUint(number, 10, 16)
	if err != nil {
		return Address{}, false
	}
	switch word {
	case "coil":
		return Coil(uint16(n)), true
	case "discrete":
		return Discrete(uint16(n)), true
	case "holding":
		return Holding(uint16(n)), true
	case "input":
		return Input(uint16(n)), true
	}
	return Address{}, false
}

func parseOrder(text string) (Order, error) {
	text = strings.ReplaceAll(text, " ", "+") // what a plus sign in a query stands for
	for o := range maxOrder + 1 {
		if o.String() == text {
			return o, nil
		}
	}
	return 0, fmt.Errorf("unknown order %q", text)
}

func parseRole(text string) (acquire.Role, error) {
	for _, r := range []acquire.Role{acquire.Gauge, acquire.Counter, acquire.State} {
		if r.String() == text {
			return r, nil
		}
	}
	return 0, fmt.Errorf("unknown role %q", text)
}
