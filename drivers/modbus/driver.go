package modbus

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/internal/setting"
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
	fields["transport"] = setting.Text(&transport) // the path hangs on it, see above
	faults = append(faults, fields.Query(query)...)
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

// fields returns the fields that parameters name.
func (c *Config) fields(way *BusConfig) setting.Fields {
	return setting.Fields{
		"name":          setting.Text(&c.Name),
		"interval":      setting.Duration(&c.Interval),
		"timeout":       setting.Duration(&c.Timeout),
		"latency":       setting.Duration(&c.Latency),
		"max_timeouts":  setting.Int(&c.MaxTimeouts),
		"max_registers": setting.Int(&c.MaxRegisters),
		"max_bits":      setting.Int(&c.MaxBits),
		"max_gap":       setting.Int(&c.MaxGap),
		"window":        setting.Int(&c.Window),
		"even":          setting.Flag(&c.EvenCounts),
		"release":       setting.Flag(&c.Release),
		"point":         setting.Parts(&c.Points, parsePoint),

		"connect_timeout": setting.Duration(&way.ConnectTimeout),
		"links":           setting.Int(&way.Links),
		"pause":           setting.Duration(&way.Pause),
		"late_grace":      setting.Duration(&way.LateGrace),
		"baud":            setting.Int(&way.Serial.Baud),
		"data":            setting.Int(&way.Serial.DataBits),
		"stop":            setting.Int(&way.Serial.StopBits),
		"parity":          setting.Named(&way.Serial.Parity, EvenParity, OddParity, NoParity),
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
	var ok bool
	if p.At, ok = parseAddress(fields[1]); !ok {
		faults = append(faults, fmt.Errorf("malformed address %q", fields[1]))
	}
	if p.Type, ok = parseType(fields[2]); !ok {
		faults = append(faults, fmt.Errorf("unknown type %q", fields[2]))
	}
	faults = append(faults, p.fields().Keys(fields[3:])...)
	return p, setting.About(fmt.Sprintf("point %q", p.Name), faults)
}

// fields returns the fields that keys name.
func (p *Point) fields() setting.Fields {
	return setting.Fields{
		"unit":     setting.Parse(&p.Unit, units.Parse),
		"role":     setting.Named(&p.Role, acquire.Gauge, acquire.Counter, acquire.State),
		"order":    setting.Read(&p.Order, parseOrder),
		"scale":    setting.Parse(&p.Scale, units.ParseScale),
		"scale_at": setting.Read(&p.ScaleAt, parseAddress),
		"length": setting.Read(&p.Length, func(text string) (int, bool) {
			n, err := strconv.Atoi(text)
			return n, err == nil && n > 0
		}),
		"bits":     setting.Read(&p.Bits, parseBits),
		"na":       setting.List(&p.Sentinels, parseSentinel),
		"sunspec":  setting.Flag(&p.SunSpec),
		"name":     setting.Names(&p.Names),
		"layout":   setting.Text(&p.Layout),
		"epoch":    setting.Parse(&p.Epoch, func(text string) (time.Time, error) { return time.Parse(time.RFC3339, text) }),
		"zone":     setting.Parse(&p.Zone, time.LoadLocation),
		"interval": setting.Duration(&p.Interval),
	}
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

func parseOrder(text string) (Order, bool) {
	text = strings.ReplaceAll(text, " ", "+") // what a plus sign in a query stands for
	for o := range maxOrder + 1 {
		if o.String() == text {
			return o, true
		}
	}
	return 0, false
}
