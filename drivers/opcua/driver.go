package opcua

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/internal/setting"
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
	if query.Has("policy") {
		cfg.Client.Policies, cfg.Client.Mode = nil, 0
	}
	for _, err := range cfg.fields().Query(query) {
		faults = append(faults, fmt.Errorf("opcua: %w", err))
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

// fields returns the fields that parameters name.
func (c *Config) fields() setting.Fields {
	return setting.Fields{
		"point":           setting.Parts(&c.Points, parsePoint),
		"events":          setting.Parts(&c.Events, parseEvents),
		"name":            setting.Text(&c.Name),
		"interval":        setting.Duration(&c.Interval),
		"keep_alive":      setting.Duration(&c.KeepAlive),
		"sampling":        setting.Duration(&c.Sampling),
		"outage":          setting.Duration(&c.Outage),
		"poll_interval":   setting.Duration(&c.PollInterval),
		"lateness":        setting.Duration(&c.Lateness),
		"buffer":          setting.Int(&c.Buffer),
		"max_per_call":    setting.Int(&c.MaxPerCall),
		"backfill":        setting.Flag(&c.Backfill),
		"timeout":         setting.Duration(&c.Client.Timeout),
		"connect_timeout": setting.Duration(&c.Client.ConnectTimeout),
		"session_timeout": setting.Duration(&c.Client.SessionTimeout),
		"mode":            setting.Set(func(text string) error { return c.Client.Mode.UnmarshalText([]byte(text)) }),
		"policy": setting.List(&c.Client.Policies, func(text string) (p Policy, ok bool) {
			err := p.UnmarshalText([]byte(text))
			return p, err == nil
		}),
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
	var ok bool
	if p.Node, ok = readNodeID(fields[1]); !ok {
		faults = append(faults, fmt.Errorf("%q is no node id", fields[1]))
	}
	faults = append(faults, p.fields().Keys(fields[2:])...)
	return p, setting.About(fmt.Sprintf("point %q", p.Name), faults)
}

// readNodeID is ParseNodeID for setting.
func readNodeID(text string) (NodeID, bool) {
	id, err := ParseNodeID(text)
	return id, err == nil
}

// parseEvents reads "NAME[,NODE][,KEY=VALUE...]".
func parseEvents(text string) (EventPoint, error) {
	fields := strings.Split(text, ",")
	p := EventPoint{Name: fields[0]}
	keys := fields[1:]
	if len(keys) > 0 {
		if id, ok := readNodeID(keys[0]); ok {
			p.Notifier, keys = id, keys[1:]
		}
	}
	return p, setting.About(fmt.Sprintf("events %q", p.Name), p.fields().Keys(keys))
}

// fields returns the fields that keys name.
func (p *EventPoint) fields() setting.Fields {
	return setting.Fields{
		"severity": setting.Int(&p.MinSeverity),
		"queue":    setting.Int(&p.Queue),
		"type":     setting.List(&p.Types, readNodeID),
	}
}

// fields returns the fields that keys name.
func (p *Point) fields() setting.Fields {
	return setting.Fields{
		"unit":  setting.Parse(&p.Unit, units.Parse),
		"role":  setting.Named(&p.Role, acquire.Gauge, acquire.Counter, acquire.State),
		"kind":  setting.Named(&p.Kind, acquire.KindFloat64, acquire.KindInt64, acquire.KindUint64, acquire.KindBool, acquire.KindText),
		"scale": setting.Parse(&p.Scale, units.ParseScale),
		"index": setting.Set(func(text string) error { p.Index = strings.ReplaceAll(text, ":", ","); return nil }),
		"field": setting.Set(func(text string) error {
			p.Field = commas(text)
			_, err := parseField(p.Field)
			return err
		}),
		"name":        setting.Names(&p.Names),
		"poll":        setting.Flag(&p.Poll),
		"percent":     setting.Flag(&p.Percent),
		"keep_oldest": setting.Flag(&p.KeepOldest),
		"timestamps":  setting.Flag(&p.Timestamps),
		"sampling":    setting.Duration(&p.Sampling),
		"queue":       setting.Int(&p.Queue),
		"deadband":    setting.Float(&p.Deadband),
	}
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
