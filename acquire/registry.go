package acquire

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
)

// Driver makes sources from URLs, for hosts that read them from files. Go
// programs that know their drivers use the typed constructors instead.
type Driver interface {
	// Scheme is the URL scheme the driver answers to, in lower case, such as
	// "modbus".
	Scheme() string
	// ParseSource makes the source that u describes, with its points defined in
	// c. Its errors name every fault of u and hold no secret.
	ParseSource(u *url.URL, c *Catalog) (Source, error)
}

// Registry knows a set of drivers by their schemes. It is a value made by the
// host: there is no global one, and importing a driver registers nothing.
//
// A Registry is immutable and safe for concurrent use. The zero value knows no
// driver.
type Registry struct{ drivers map[string]Driver }

// NewRegistry returns a Registry of the drivers. It fails if two of them share
// a scheme, or one is nil or has none.
func NewRegistry(drivers ...Driver) (*Registry, error) {
	r := &Registry{drivers: make(map[string]Driver, len(drivers))}
	var faults []error
	for i, d := range drivers {
		if d == nil {
			faults = append(faults, fmt.Errorf("acquire: driver %d is nil", i+1))
			continue
		}
		switch scheme := d.Scheme(); {
		case scheme == "":
			faults = append(faults, fmt.Errorf("acquire: driver %T has no scheme", d))
		case r.drivers[scheme] != nil:
			faults = append(faults, fmt.Errorf("acquire: two drivers for scheme %q", scheme))
		default:
			r.drivers[scheme] = d
		}
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	return r, nil
}

// Source makes the source that rawURL describes, with its points defined in c.
// Nothing is connected to. Errors never repeat the URL, which may hold a
// password: who reads a list of them says which entry it was.
func (r *Registry) Source(rawURL string, c *Catalog) (Source, error) {
	u, err := url.Parse(rawURL)
	if err != nil {
		return nil, errors.New("acquire: source URL is malformed")
	}
	d, ok := r.drivers[u.Scheme]
	if !ok {
		return nil, fmt.Errorf("acquire: no driver for scheme %q; known are %q", u.Scheme, r.Schemes())
	}
	return d.ParseSource(u, c)
}

// Schemes returns the known schemes in alphabetical order.
func (r *Registry) Schemes() []string {
	schemes := make([]string, 0, len(r.drivers))
	for s := range r.drivers {
		schemes = append(schemes, s)
	}
	slices.Sort(schemes)
	return schemes
}
