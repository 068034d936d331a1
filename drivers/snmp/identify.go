package snmp

import (
	"context"
	"errors"
	"strings"

	"github.com/fieldtap/fieldtap/acquire"
)

var (
	_ acquire.Identifier = (*Agent)(nil)
	_ acquire.Identifier = (*Source)(nil)
)

// errNameless is the error of a device that says nothing of itself.
var errNameless = errors.New("snmp: the agent says nothing of what it is")

// identification is where agents say what they are: the system group (RFC 3418), the
// identification of a UPS (RFC 1628), and the first physical entity, which is mostly
// the device as a whole (RFC 6933).
var identification = [...]struct {
	oid  OID
	name string // of the detail
	as   func(*acquire.Identity) *string
}{
	{"1.3.6.1.2.1.1.1.0", "sysDescr", nil},
	{"1.3.6.1.2.1.1.2.0", "sysObjectID", nil},
	{"1.3.6.1.2.1.1.4.0", "sysContact", nil},
	{"1.3.6.1.2.1.1.5.0", "sysName", func(i *acquire.Identity) *string { return &i.Name }},
	{"1.3.6.1.2.1.1.6.0", "sysLocation", nil},
	{"1.3.6.1.2.1.33.1.1.1.0", "upsIdentManufacturer", func(i *acquire.Identity) *string { return &i.Vendor }},
	{"1.3.6.1.2.1.33.1.1.2.0", "upsIdentModel", func(i *acquire.Identity) *string { return &i.Model }},
	{"1.3.6.1.2.1.33.1.1.3.0", "upsIdentUPSSoftwareVersion", func(i *acquire.Identity) *string { return &i.Version }},
	{"1.3.6.1.2.1.33.1.1.4.0", "upsIdentAgentSoftwareVersion", nil},
	{"1.3.6.1.2.1.33.1.1.5.0", "upsIdentName", nil},
	{"1.3.6.1.2.1.47.1.1.1.1.2.1", "entPhysicalDescr", func(i *acquire.Identity) *string { return &i.Product }},
	{"1.3.6.1.2.1.47.1.1.1.1.8.1", "entPhysicalHardwareRev", nil},
	{"1.3.6.1.2.1.47.1.1.1.1.9.1", "entPhysicalFirmwareRev", func(i *acquire.Identity) *string { return &i.Version }},
	{"1.3.6.1.2.1.47.1.1.1.1.10.1", "entPhysicalSoftwareRev", func(i *acquire.Identity) *string { return &i.Version }},
	{"1.3.6.1.2.1.47.1.1.1.1.11.1", "entPhysicalSerialNum", func(i *acquire.Identity) *string { return &i.Serial }},
	{"1.3.6.1.2.1.47.1.1.1.1.12.1", "entPhysicalMfgName", func(i *acquire.Identity) *string { return &i.Vendor }},
	{"1.3.6.1.2.1.47.1.1.1.1.13.1", "entPhysicalModelName", func(i *acquire.Identity) *string { return &i.Model }},
}

// Identify asks the agent what its device is. All that it says is in the Details,
// under the names of the standards' objects.
func (a *Agent) Identify(ctx context.Context) (acquire.Identity, error) {
	oids := make([]OID, len(identification))
	for i, object := range identification {
		oids[i] = object.oid
	}
	variables, err := a.Get(ctx, oids...)
	if err != nil {
		return acquire.Identity{}, err
	}
	var id acquire.Identity
	for i, v := range variables {
		text := strings.TrimRight(string(v.Bytes()), "\x00 \r\n")
		if o, ok := v.Object(); ok {
			text = string(o)
		}
		if v.Err() != nil || text == "" {
			continue
		}
		object := &identification[i]
		id.Details = append(id.Details, acquire.Detail{Name: object.name, Text: text})
		if object.as == nil {
			continue
		}
		if field := object.as(&id); *field == "" {
			*field = text
		}
	}
	if len(id.Details) == 0 {
		return acquire.Identity{}, errNameless
	}
	return id, nil
}

// Identify asks the agent what its device is, over a connection of its own. See
// Agent.Identify.
func (s *Source) Identify(ctx context.Context) (id acquire.Identity, err error) {
	a := newAgent(s.agent, DefaultMaxObjects)
	defer func() { err = errors.Join(err, a.Close()) }()
	return a.Identify(ctx)
}
