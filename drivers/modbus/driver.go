package modbus

import (
	"crypto/tls"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
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
// the commas, and none may be in a name. What leads to the device is said by
//
//	transport=tcp              tls, udp; rtu+tcp or ascii+tcp behind a converter
//	transport=rtu              ascii: a serial port, whose path stands in front of UNIT:
//	                           modbus:///dev/ttyUSB0/7?transport=rtu&baud=9600&parity=none
//	baud, parity, data, stop   of a serial port; parity is even, odd or none
//	connect_timeout=5s         links=1   pause=0s   late_grace=5s
//
// and further parameters are name, interval, timeout, latency, max_timeouts,
// max_registers, max_bits, max_gap, window, even and release (both without a value),
// as the fields of Config.
//
// The zero value gives each source a connection of its own. Sources of a Driver
// made by NewDriver share one where they name the same way to the device, as the
// units of a serial line must. A Driver is safe for concurrent use.
type Driver struct{ buses *buses }

// buses are those that the sources of a Driver share.
type buses struct {
	tls *tls.Config

	mu    sync.Mutex
	known map[string]*Bus
}

// NewDriver returns a Driver whose sources share connections. secure is for those
// with transport=tls; nil if there are none.
func NewDriver(secure *tls.Config) Driver {
	return Driver{&buses{tls: secure.Clone(), known: make(map[string]*Bus)}}
}

var _ acquire.Driver = Driver{}

// Scheme returns "modbus".
func (Driver) Scheme() string { return "modbus" }

// ParseSource makes the Source that u describes. The error names every fault.
func (d Driver) ParseSource(u *url.URL, c *acquire.Catalog) (acquire.Source, error) {
	cfg, way := Config{Catalog: c}, BusConfig{Address: u.Host}
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }

	if u.User != nil {
		fault("the protocol knows no user or password")
	}
	if u.Fragment != "" {
		fault("# cuts off %q; escape it as %%23", u.Fragment)
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		fault("malformed parameters")
	}
	transport := query.Get("transport")
	if err := way.setTransport(transport, d.buses); err != nil {
		faults = append(faults, err)
	}
	path := strings.Trim(u.Path, "/")
	if transport == "rtu" || transport == "ascii" {
		at := strings.LastIndexByte(path, '/')
		if at < 0 || u.Host != "" {
			fault("a serial port is given as modbus:///PATH/UNIT")
		}
		way.Serial.Port, path = "/"+path[:max(at, 0)], path[at+1:]
	}
	unit, err := strconv.ParseUint(path, 10, 8)
	if err != nil {
		fault("path %q does not end in a unit id of 0 to 255", u.Path)
	}
	cfg.Unit = byte(unit)

	fields := cfg.fields(&way)
	for _, name := range slices.Sorted(maps.Keys(query)) { // faults in the same order every time
		values := query[name]
		set, known := fields[name]
		switch {
		case name == "point":
			for _, text := range values {
				p, err := parsePoint(text)
				if err != nil {
					faults = append(faults, err)
				}
				cfg.Points = append(cfg.Points, p)
			}
			continue
		case name == "transport":
		case !known:
			fault("unknown parameter %q", name)
		case set(values[0]) != nil:
			fault("parameter %s: %q is malformed", name, values[0])
		}
		if len(values) > 1 {
			fault("parameter %s is given %d times", name, len(values))
		}
	}
	if err := errors.Join(faults...); err != nil {
		return nil, fmt.Errorf("modbus: %w", err)
	}
	if cfg.Bus, err = d.bus(way); err != nil {
		// Together with what else is wrong.
		cfg.Bus, cfg.Address, cfg.Serial, cfg.Framing = nil, way.Address, way.Serial, way.Framing
		cfg.UDP, cfg.TLS, cfg.ConnectTimeout = way.UDP, way.TLS, way.ConnectTimeout
		if _, other := NewSource(cfg); other != nil {
			return nil, other
		}
		return nil, err
	}
	src, err := NewSource(cfg)
	if err != nil {
		return nil, err
	}
	return src, nil
}

// setTransport puts the transport of that name into c.
func (c *BusConfig) setTransport(name string, b *buses) error {
	switch name {
	case "", "tcp":
	case "udp":
		c.UDP = true
	case "tls":
		if b == nil || b.tls == nil {
			return errors.New("transport tls needs a Driver with a TLS configuration")
		}
		c.TLS = b.tls
	case "rtu", "rtu+tcp", "rtu tcp": // a plus sign in a query stands for a space
		c.Framing = RTU
	case "ascii", "ascii+tcp", "ascii tcp":
		c.Framing = ASCII
	default:
		return fmt.Errorf("unknown transport %q", name)
	}
	return nil
}

// fields returns what sets the field of each parameter.
func (c *Config) fields(way *BusConfig) map[string]func(string) error {
	duration := func(d *time.Duration) func(string) error {
		return func(text string) (err error) { *d, err = time.ParseDuration(text); return err }
	}
	number := func(n *int) func(string) error {
		return func(text string) (err error) { *n, err = strconv.Atoi(text); return err }
	}
	present := func(b *bool) func(string) error {
		return func(text string) error {
			if *b = true; text != "" {
				return errors.New("takes no value")
			}
			return nil
		}
	}
	return map[string]func(string) error{
		"name":          func(text string) error { c.Name = text; return nil },
		"interval":      duration(&c.Interval),
		"timeout":       duration(&c.Timeout),
		"latency":       duration(&c.Latency),
		"max_timeouts":  number(&c.MaxTimeouts),
		"max_registers": number(&c.MaxRegisters),
		"max_bits":      number(&c.MaxBits),
		"max_gap":       number(&c.MaxGap),
		"window":        number(&c.Window),
		"even":          present(&c.EvenCounts),
		"release":       present(&c.Release),

		"connect_timeout": duration(&way.ConnectTimeout),
		"links":           number(&way.Links),
		"pause":           duration(&way.Pause),
		"late_grace":      duration(&way.LateGrace),
		"baud":            number(&way.Serial.Baud),
		"data":            number(&way.Serial.DataBits),
		"stop":            number(&way.Serial.StopBits),
		"parity": func(text string) error {
			for p := EvenParity; p <= NoParity; p++ {
				if p.String() == text {
					way.Serial.Parity = p
					return nil
				}
			}
			return errors.New("unknown parity")
		},
	}
}

// bus returns the bus of a way to a device: the same one for the same way, if the
// sources of d share.
func (d Driver) bus(way BusConfig) (*Bus, error) {
	way, faults := way.checked()
	if err := errors.Join(faults...); err != nil {
		return nil, fmt.Errorf("modbus: %w", err)
	}
	if d.buses == nil {
		return newBus(way, false), nil
	}
	d.buses.mu.Lock()
	defer d.buses.mu.Unlock()
	key := fmt.Sprint(way.Address, way.Serial, way.Framing, way.UDP, way.TLS != nil, way.Links, way.Pause, way.LateGrace, way.ConnectTimeout)
	if d.buses.known[key] == nil {
		d.buses.known[key] = newBus(way, true)
	}
	return d.buses.known[key], nil
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
