package opcua

import (
	"errors"
	"fmt"
	"maps"
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
//	opcua://[USER:PASSWORD@]HOST[:PORT][/PATH]?point=NAME,NODE[,KEY=VALUE...]&point=...
//
// where NODE is a node id such as ns=2;s=Meter1.Power, with its semicolon written %3B,
// as URLs have it. The keys of a point are
//
//	unit=kWh          symbol
//	role=counter      gauge, counter, state
//	kind=int64        float64, int64, uint64, bool, text
//	scale=1/10        ratio, or decimal number
//	index=3           element of an array; of a matrix index=1:0
//	field=Phase[1].I  field of a structure; of a matrix field=M[1:0]
//	name=2:running    what a number stands for
//	poll              read instead of subscribed to
//	sampling=100ms    queue=100    deadband=0.5    percent    keep_oldest    timestamps
//
// as the fields of Point; name may be given several times. Events are parameters
//
//	events=NAME[,NODE][,severity=500][,type=NODE...][,queue=100]
//
// as the fields of EventPoint; type may be given several times. No spaces surround the
// commas, and none may be in a name or node id. Further parameters are name, interval,
// keep_alive, sampling, outage, poll_interval, lateness, buffer, max_per_call and backfill
// (without a value), as the fields of Config, and timeout, connect_timeout, session_timeout, policy and mode, as
// those of ClientConfig; policy may be given several times.
//
// The zero value knows no certificates, and so reaches servers with policy=None only. A
// Driver made by NewDriver has what security needs. A Driver is safe for concurrent use.
type Driver struct{ client *ClientConfig }

// NewDriver returns a Driver whose sources have the fields of client, but for those that
// their URLs give.
func NewDriver(client ClientConfig) Driver { return Driver{&client} }

var _ acquire.Driver = Driver{}

// Scheme returns "opcua".
func (Driver) Scheme() string { return "opcua" }

// ParseSource makes the Source that u describes. The error names every fault, and never
// the password.
func (d Driver) ParseSource(u *url.URL, c *acquire.Catalog) (acquire.Source, error) {
	cfg := Config{Catalog: c}
	if d.client != nil {
		cfg.Client = *d.client
	}
	cfg.Client.Endpoint = (&url.URL{Scheme: "opc.tcp", Host: u.Host, Path: u.Path}).String()
	if u.User != nil {
		password, _ := u.User.Password()
		cfg.Client.Identity = Identity{User: u.User.Username(), Password: acquire.Secret(password)}
	}
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf("opcua: "+format, args...)) }
	if u.Fragment != "" {
		fault("# cuts off %q; escape it as %%23", u.Fragment)
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		fault("malformed parameters: is a semicolon not written as %%3B?")
	}
	fields := cfg.fields()
	if query.Has("policy") {
		cfg.Client.Policies, cfg.Client.Mode = nil, 0
	}
	for _, name := range slices.Sorted(maps.Keys(query)) { // faults in the same order every time
		values := query[name]
		set, known := fields[name]
		switch {
		case name == "point":
			for _, text := range values {
				p, err := parsePoint(text)
				if err != nil {
					faults = append(faults, fmt.Errorf("opcua: %w", err))
				}
				cfg.Points = append(cfg.Points, p)
			}
			continue
		case name == "events":
			for _, text := range values {
				p, err := parseEvents(text)
				if err != nil {
					faults = append(faults, fmt.Errorf("opcua: %w", err))
				}
				cfg.Events = append(cfg.Events, p)
			}
			continue
		case !known:
			fault("unknown parameter %q", name)
			continue
		case len(values) > 1 && name != "policy":
			fault("parameter %s is given %d times", name, len(values))
		}
		for _, value := range values {
			if set(value) != nil {
				fault("parameter %s: %q is malformed", name, value)
			}
		}
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	src, err := NewSource(cfg)
	if err != nil {
		return nil, err
	}
	return src, nil
}

// fields returns what sets the field of each parameter.
func (c *Config) fields() map[string]func(string) error {
	duration := func(d *time.Duration) func(string) error {
		return func(text string) (err error) { *d, err = time.ParseDuration(text); return err }
	}
	number := func(n *int) func(string) error {
		return func(text string) (err error) { *n, err = strconv.Atoi(text); return err }
	}
	return map[string]func(string) error{
		"name":          func(text string) error { c.Name = text; return nil },
		"interval":      duration(&c.Interval),
		"keep_alive":    duration(&c.KeepAlive),
		"sampling":      duration(&c.Sampling),
		"outage":        duration(&c.Outage),
		"poll_interval": duration(&c.PollInterval),
		"lateness":      duration(&c.Lateness),
		"buffer":        number(&c.Buffer),
		"max_per_call":  number(&c.MaxPerCall),
		"backfill": func(text string) error {
			if c.Backfill = true; text != "" {
				return errors.New("takes no value")
			}
			return nil
		},
		"timeout":         duration(&c.Client.Timeout),
		"connect_timeout": duration(&c.Client.ConnectTimeout),
		"session_timeout": duration(&c.Client.SessionTimeout),
		"mode":            func(text string) error { return c.Client.Mode.UnmarshalText([]byte(text)) },
		"policy": func(text string) error {
			var p Policy
			err := p.UnmarshalText([]byte(text))
			c.Client.Policies = append(c.Client.Policies, p)
			return err
		},
	}
}

// parsePoint reads "NAME,NODE[,KEY=VALUE...]".
func parsePoint(text string) (Point, error) {
	fields := strings.Split(text, ",")
	p := Point{Name: fields[0]}
	if len(fields) < 2 {
		return p, fmt.Errorf("point %q: want name and node", text)
	}
	var faults []error
	fault := func(format string, args ...any) {
		faults = append(faults, fmt.Errorf("point %q: "+format, append([]any{p.Name}, args...)...))
	}
	id, err := ParseNodeID(fields[1])
	if err != nil {
		fault("%q is no node id", fields[1])
	}
	p.Node = id
	given := make(map[string]bool)
	for _, field := range fields[2:] {
		key, value, _ := strings.Cut(field, "=")
		if given[key] && key != "name" {
			fault("%s is given twice", key)
		}
		given[key] = true
		if err := p.set(key, value); err != nil {
			fault("%w", err)
		}
	}
	return p, errors.Join(faults...)
}

// parseEvents reads "NAME[,NODE][,KEY=VALUE...]".
func parseEvents(text string) (EventPoint, error) {
	fields := strings.Split(text, ",")
	p := EventPoint{Name: fields[0]}
	var faults []error
	fault := func(format string, args ...any) {
		faults = append(faults, fmt.Errorf("events %q: "+format, append([]any{p.Name}, args...)...))
	}
	given := make(map[string]bool)
	for i, field := range fields[1:] {
		key, value, _ := strings.Cut(field, "=")
		if given[key] && key != "type" {
			fault("%s is given twice", key)
		}
		given[key] = true
		number := func(n *int) {
			var err error
			if *n, err = strconv.Atoi(value); err != nil {
				fault("malformed %s %q", key, value)
			}
		}
		switch key {
		case "severity":
			number(&p.MinSeverity)
		case "queue":
			number(&p.Queue)
		case "type":
			id, err := ParseNodeID(value)
			if err != nil {
				fault("%q is no node id", value)
			}
			p.Types = append(p.Types, id)
		default:
			id, err := ParseNodeID(field)
			if err != nil || i > 0 {
				fault("%q is neither a known key nor the node id behind the name", key)
			}
			p.Notifier = id
		}
	}
	return p, errors.Join(faults...)
}

// set sets the field of p that key stands for.
func (p *Point) set(key, value string) (err error) {
	ok := true
	present := func(b *bool) { *b, ok = true, value == "" }
	switch key {
	case "unit":
		p.Unit, err = units.Parse(value)
	case "role":
		p.Role, ok = named(value, acquire.Gauge, acquire.Counter, acquire.State)
	case "kind":
		p.Kind, ok = named(value, acquire.KindFloat64, acquire.KindInt64, acquire.KindUint64, acquire.KindBool, acquire.KindText)
	case "scale":
		p.Scale, err = units.ParseScale(value)
	case "index":
		p.Index = strings.ReplaceAll(value, ":", ",")
	case "field":
		p.Field = commas(value)
		_, err = parseField(p.Field)
	case "name":
		number, name, _ := strings.Cut(value, ":")
		var n int64
		n, err = strconv.ParseInt(number, 0, 64)
		if p.Names == nil {
			p.Names = make(map[int64]string)
		}
		_, given := p.Names[n]
		p.Names[n], ok = name, name != "" && !given
	case "poll":
		present(&p.Poll)
	case "percent":
		present(&p.Percent)
	case "keep_oldest":
		present(&p.KeepOldest)
	case "timestamps":
		present(&p.Timestamps)
	case "sampling":
		p.Sampling, err = time.ParseDuration(value)
		ok = err == nil
		err = nil
	case "queue":
		p.Queue, err = strconv.Atoi(value)
	case "deadband":
		p.Deadband, err = strconv.ParseFloat(value, 64)
	default:
		return fmt.Errorf("unknown key %q", key)
	}
	if errors.Is(err, strconv.ErrSyntax) || errors.Is(err, strconv.ErrRange) || err == nil && !ok {
		return fmt.Errorf("malformed %s %q", key, value)
	}
	return err
}

// commas returns the path to a field with commas in its indexes, which URLs have as
// colons.
func commas(path string) string {
	b := []byte(path)
	within := false
	for i, c := range b {
		switch {
		case c == '[':
			within = true
		case c == ']':
			within = false
		case c == ':' && within:
			b[i] = ','
		}
	}
	return string(b)
}

// named returns the one of values that is called text.
func named[T fmt.Stringer](text string, values ...T) (v T, ok bool) {
	for _, candidate := range values {
		if candidate.String() == text {
			return candidate, true
		}
	}
	return v, false
}
