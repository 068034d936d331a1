package replay

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/internal/setting"
)

// Driver makes sources from URLs of the form
//
//	replay:///PATH?KEY=VALUE&...
//
// or replay:PATH for a path relative to the working directory. PATH is a capture,
// or a directory of captures. The keys are
//
//	pace=1                     how fast: 0 as fast as read, 1 as recorded, 60
//	from=2026-11-20T06:00:00Z  bounds of the arrival, RFC 3339
//	to=2026-11-20T18:00:00Z
//	point=NAME                 play this point; may be given several times
//	shift=24h                  add to all times
//	loop=3                     rounds; forever
//	loop_gap=1s                time between rounds
//	incomplete                 accept captures that are cut or damaged
//	name=NAME                  of the source
//
// as the fields of Config. The zero value is ready to use, and safe for concurrent
// use.
type Driver struct{}

var _ acquire.Driver = Driver{}

// Scheme returns "replay".
func (Driver) Scheme() string { return "replay" }

// ParseSource makes the Source that u describes. The error names every fault.
func (Driver) ParseSource(u *url.URL, c *acquire.Catalog) (acquire.Source, error) {
	cfg := Config{Catalog: c}
	var faults []error
	fault := func(format string, args ...any) {
		faults = append(faults, fmt.Errorf("replay: "+format, args...))
	}
	path := u.Path
	if u.Opaque != "" {
		var err error
		if path, err = url.PathUnescape(u.Opaque); err != nil {
			fault("path is malformed")
		}
	}
	switch {
	case u.User != nil || u.Host != "":
		fault("a capture is a file here: want replay:///PATH or replay:PATH")
	case path == "":
		fault("no path of a capture")
	}
	if u.Fragment != "" {
		fault("# cuts off %q; escape it as %%23", u.Fragment)
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		fault("malformed parameters")
	}
	for _, err := range cfg.fields().Query(query) {
		faults = append(faults, fmt.Errorf("replay: %w", err))
	}
	if names := query["point"]; names != nil {
		cfg.Select = func(name string) bool { return slices.Contains(names, name) }
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	src, err := Open(path, cfg)
	if err != nil {
		return nil, err
	}
	return src, nil
}

// fields returns the fields that parameters name.
func (c *Config) fields() setting.Fields {
	return setting.Fields{
		"point":      setting.Ignored(), // read together
		"name":       setting.Text(&c.Name),
		"pace":       setting.Float((*float64)(&c.Pace)),
		"from":       setting.Parse(&c.From, parseInstant),
		"to":         setting.Parse(&c.To, parseInstant),
		"shift":      setting.Duration(&c.Shift),
		"loop_gap":   setting.Duration(&c.LoopGap),
		"incomplete": setting.Flag(&c.Incomplete),
		"loop": setting.Read(&c.Loop, func(text string) (int, bool) {
			if text == "forever" {
				return Forever, true
			}
			n, err := strconv.Atoi(text)
			return n, err == nil && n > 0
		}),
	}
}

func parseInstant(text string) (acquire.Instant, error) {
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return 0, err
	}
	if i := acquire.At(t); i != 0 {
		return i, nil
	}
	return 0, fmt.Errorf("%s is outside 1678 to 2262", text)
}
