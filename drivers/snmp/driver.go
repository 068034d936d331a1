package snmp

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/internal/setting"
	"github.com/fieldtap/fieldtap/units"
)

// Driver makes sources from URLs of the form
//
//	snmp://:COMMUNITY@HOST[:PORT]?point=NAME,OID[,TYPE][,KEY=VALUE...]&point=...
//	snmp://USER:PASSWORD@HOST[:PORT]?...
//	snmp://USER@HOST[:PORT]?...
//
// A community stands where a password does, so that url.URL.Redacted hides it. The
// PASSWORD of a user of version 3 authenticates and encrypts; users with two passwords,
// or whose passwords are to be in no URL, are given to NewDriver and named alone.
//
// TYPE is a type's name such as counter64. The keys of a point are
//
//	unit=kWh              symbol
//	role=counter          gauge, counter, state
//	scale=1/10            ratio, or decimal number
//	na=-1                 sentinel
//	nonnegative           sentinels are all numbers below zero
//	name=2:battery        what a number stands for
//	exponent=OID          power of ten; exponent=OID:TIMES:ZERO, exponent=OID:TIMES:ZERO:floor
//	interval=1m           time from reading to reading
//
// as the fields of Point; na, name and exponent may be given several times. Tables are
//
//	table=PATTERN[,KEY=VALUE...]&column=PATTERN/NAME,OID[,TYPE][,KEY=VALUE...]
//
// as in table=outlet/{index}&column=outlet/{index}/power,1.3.6.1.4.1.318.1.1.26.9.4.3.1.7.
// The keys of a table are label=OID, discontinuity=OID, max_rows=100, interval=1m,
// where=OID:6:7 for a condition on a column, where={3}:6:7 for one on a part of the
// index, as often as there are conditions, and index=KIND, once for each part: integer,
// string, implied, fixed:LENGTH, ip, inet, mac, object, impliedobject. Tables need
// patterns of their own. No spaces surround the commas, and none may be in a name.
//
// Further parameters are
//
//	version=1           2c, 3
//	transport=tcp       udp
//	auth=sha256         md5, sha1, sha224, sha384, sha512
//	priv=aes128         des, aes192, aes256, none
//	extension=reeder    blumenthal
//	context=NAME
//
// and name, interval, timeout, retries, connect_timeout, max_timeouts, max_message,
// max_answer and max_objects, as the fields of Config and Limits.
//
// The zero value knows no users by name. A Driver is immutable and safe for concurrent
// use.
type Driver struct {
	// user finds a user by the name in a URL; nil knows none. It is a function because
	// package fmt prints whatever else lies in a field, keys included.
	user func(name string) (User, bool)
}

// NewDriver returns a Driver that knows users by the names that URLs call them by, which
// need not be those that they have with the agent.
func NewDriver(users map[string]User) Driver {
	known := maps.Clone(users)
	return Driver{func(name string) (User, bool) {
		u, ok := known[name]
		return u, ok
	}}
}

var _ acquire.Driver = Driver{}

// Scheme returns "snmp".
func (Driver) Scheme() string { return "snmp" }

// ParseSource makes the Source that u describes. The error names every fault, and no
// secret.
func (d Driver) ParseSource(u *url.URL, c *acquire.Catalog) (acquire.Source, error) {
	cfg := Config{Catalog: c, Address: u.Host}
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	if u.Fragment != "" {
		fault("# cuts off %q; escape it as %%23", u.Fragment)
	}
	if u.Path != "" && u.Path != "/" {
		fault("path %q means nothing", u.Path)
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		fault("malformed parameters")
	}
	if err := d.login(&cfg, u.User, query); err != nil {
		faults = append(faults, err)
	}
	faults = append(faults, cfg.fields().Query(query)...)
	for _, text := range query["column"] { // now that all tables are known
		p, err := parsePoint("column", text)
		faults = append(faults, err, cfg.join(p))
	}
	if err := errors.Join(faults...); err != nil {
		return nil, fmt.Errorf("snmp: %w", err)
	}
	src, err := NewSource(cfg)
	if err != nil {
		return nil, err
	}
	return src, nil
}

// login takes who we are from the URL.
func (d Driver) login(cfg *Config, info *url.Userinfo, query url.Values) error {
	name := info.Username()
	password, given := info.Password()
	var known User
	ok := false
	if d.user != nil {
		known, ok = d.user(name)
	}
	switch {
	case info == nil:
		return errors.New("neither community nor user: want snmp://:COMMUNITY@HOST or snmp://USER:PASSWORD@HOST")
	case name == "":
		cfg.Community = acquire.Secret(password)
	case given:
		cfg.User = User{Name: name, AuthKey: acquire.Secret(password), PrivKey: acquire.Secret(password)}
		if query.Get("priv") == "none" {
			cfg.User.PrivKey = ""
		}
	case ok:
		cfg.User = known
	default: // it may be a community, and is not repeated
		return errors.New("a user without a password who is not known to the driver; a community stands behind a colon")
	}
	return nil
}

// join puts a column into the table that its name begins with.
func (c *Config) join(p Point) error {
	best := -1
	for i := range c.Tables {
		pattern := c.Tables[i].Name
		if strings.HasPrefix(p.Name, pattern+"/") && (best < 0 || len(pattern) > len(c.Tables[best].Name)) {
			best = i
		}
	}
	if best < 0 {
		return fmt.Errorf("column %q: its name begins with that of no table", p.Name)
	}
	p.Name = strings.TrimPrefix(p.Name, c.Tables[best].Name+"/")
	c.Tables[best].Columns = append(c.Tables[best].Columns, p)
	return nil
}

// fields returns the fields that parameters name.
func (c *Config) fields() setting.Fields {
	return setting.Fields{
		"point":           setting.Parts(&c.Points, func(text string) (Point, error) { return parsePoint("point", text) }),
		"table":           setting.Parts(&c.Tables, parseTable),
		"column":          setting.Ignored(), // they come last
		"name":            setting.Text(&c.Name),
		"context":         setting.Text(&c.User.Context),
		"interval":        setting.Duration(&c.Interval),
		"timeout":         setting.Duration(&c.Timeout),
		"connect_timeout": setting.Duration(&c.ConnectTimeout),
		"retries":         setting.Int(&c.Retries),
		"max_timeouts":    setting.Int(&c.MaxTimeouts),
		"max_message":     setting.Int(&c.MaxMessage),
		"max_answer":      setting.Int(&c.Limits.MaxAnswer),
		"max_objects":     setting.Int(&c.Limits.MaxObjects),
		"version":         setting.Word(&c.Version, map[string]Version{"1": V1, "2c": V2c, "3": V3}),
		"transport":       setting.Word(&c.TCP, map[string]bool{"udp": false, "tcp": true}),
		"auth": setting.Word(&c.User.Auth, map[string]AuthProtocol{
			"md5": MD5, "sha1": SHA1, "sha224": SHA224, "sha256": SHA256, "sha384": SHA384, "sha512": SHA512,
		}),
		"priv": setting.Word(&c.User.Priv, map[string]PrivProtocol{
			"none": 0, "des": DES, "aes128": AES128, "aes192": AES192, "aes256": AES256,
		}),
		"extension": setting.Word(&c.User.Extension, map[string]Extension{"blumenthal": Blumenthal, "reeder": Reeder}),
	}
}

// parsePoint reads "NAME,OID[,TYPE][,KEY=VALUE...]".
func parsePoint(what, text string) (Point, error) {
	fields := strings.Split(text, ",")
	p := Point{Name: fields[0]}
	if len(fields) < 2 {
		return p, fmt.Errorf("%s %q: want a name and an OID", what, text)
	}
	var faults []error
	var err error
	if p.OID, err = ParseOID(fields[1]); err != nil {
		faults = append(faults, fmt.Errorf("malformed OID %q", fields[1]))
	}
	rest := fields[2:]
	if len(rest) > 0 && !strings.Contains(rest[0], "=") {
		at := slices.Index(typeNames[:], rest[0])
		if at < 0 {
			faults = append(faults, fmt.Errorf("unknown type %q", rest[0]))
		}
		p.Type, rest = Type(max(at, 0)), rest[1:]
	}
	faults = append(faults, p.fields().Keys(rest)...)
	return p, setting.About(fmt.Sprintf("%s %q", what, p.Name), faults)
}

// fields returns the fields that keys name.
func (p *Point) fields() setting.Fields {
	return setting.Fields{
		"unit":     setting.Parse(&p.Unit, units.Parse),
		"role":     setting.Named(&p.Role, acquire.Gauge, acquire.Counter, acquire.State),
		"scale":    setting.Parse(&p.Scale, units.ParseScale),
		"interval": setting.Duration(&p.Interval),
		"na": setting.List(&p.Sentinels, func(text string) (int64, bool) {
			n, err := strconv.ParseInt(text, 0, 64)
			return n, err == nil
		}),
		"nonnegative": setting.Flag(&p.NonNegative),
		"name":        setting.Names(&p.Names),
		"exponent":    setting.List(&p.Exponents, parseExponent),
	}
}

// parseExponent reads "OID[:TIMES:ZERO[:floor]]".
func parseExponent(text string) (Exponent, bool) {
	fields := strings.Split(text, ":")
	oid, err := ParseOID(fields[0])
	e := Exponent{OID: oid}
	if err != nil || len(fields) == 2 || len(fields) > 4 {
		return e, false
	}
	if len(fields) > 2 {
		times, timesErr := strconv.Atoi(fields[1])
		zero, zeroErr := strconv.ParseInt(fields[2], 10, 64)
		if timesErr != nil || zeroErr != nil || times == 0 {
			return e, false
		}
		e.Times, e.Zero = times, zero
	}
	if len(fields) == 4 {
		e.Floor = fields[3] == "floor"
		return e, e.Floor
	}
	return e, true
}

// parseTable reads "PATTERN[,KEY=VALUE...]".
func parseTable(text string) (Table, error) {
	fields := strings.Split(text, ",")
	t := Table{Name: fields[0]}
	faults := t.fields().Keys(fields[1:])
	return t, setting.About(fmt.Sprintf("table %q", t.Name), faults)
}

// fields returns the fields that keys name.
func (t *Table) fields() setting.Fields {
	oid := func(text string) (OID, bool) { o, err := ParseOID(text); return o, err == nil }
	return setting.Fields{
		"label":         setting.Read(&t.Label, oid),
		"discontinuity": setting.Read(&t.Discontinuity, oid),
		"max_rows":      setting.Int(&t.MaxRows),
		"interval":      setting.Duration(&t.Interval),
		"where":         setting.List(&t.Where, parseCondition),
		"index":         setting.List(&t.Index, parseIndex),
	}
}

// parseIndex reads "KIND[:LENGTH]".
func parseIndex(text string) (part IndexPart, ok bool) {
	name, length, sized := strings.Cut(text, ":")
	at := slices.Index(indexKindNames[:], name)
	if at < 0 {
		return part, false
	}
	part.Kind, ok = IndexKind(at), true
	if sized {
		n, err := strconv.Atoi(length)
		part.Length, ok = n, err == nil
	}
	return part, ok
}

// parseCondition reads "OID:NUMBER..." or "{PART}:NUMBER...".
func parseCondition(text string) (c Condition, ok bool) {
	fields := strings.Split(text, ":")
	var err error
	if part, index := strings.CutPrefix(fields[0], "{"); index && strings.HasSuffix(part, "}") {
		c.Index, err = strconv.Atoi(strings.TrimSuffix(part, "}"))
	} else {
		c.OID, err = ParseOID(fields[0])
	}
	for _, field := range fields[1:] {
		n, fault := strconv.ParseInt(field, 10, 64)
		c.In, err = append(c.In, n), errors.Join(err, fault)
	}
	return c, err == nil
}
