package acquire_test

import (
	"errors"
	"net/url"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/acquire/acquiretest"
)

// scheme is a driver whose sources are fakes named like the host of the URL.
type scheme string

func (s scheme) Scheme() string { return string(s) }

func (s scheme) ParseSource(u *url.URL, c *acquire.Catalog) (acquire.Source, error) {
	if u.Host == "" {
		return nil, errors.New("no host")
	}
	id, err := c.Define(acquire.Point{Name: u.Host, Kind: acquire.KindBool})
	return acquiretest.NewFake(u.Hostname(), []acquire.PointID{id}), err
}

func TestRegistry(t *testing.T) {
	r, err := acquire.NewRegistry(scheme("snmp"), scheme("modbus"))
	require.NoError(t, err)
	assert.Equal(t, []string{"modbus", "snmp"}, r.Schemes())

	c := acquire.NewCatalog()
	src, err := r.Source("MODBUS://plc:502/1", c)
	require.NoError(t, err)
	assert.Equal(t, "plc", src.Name())
	assert.Equal(t, 1, c.Len())
}

func TestRegistryRefusesDrivers(t *testing.T) {
	_, err := acquire.NewRegistry(scheme("a"), scheme(""), scheme("a"), nil)
	require.Error(t, err)
	for _, fault := range []string{"no scheme", `two drivers for scheme "a"`, "driver 4 is nil"} {
		assert.Contains(t, err.Error(), fault, "every fault is named at once")
	}
}

func TestRegistryKeepsSecrets(t *testing.T) {
	r, err := acquire.NewRegistry(scheme("modbus"))
	require.NoError(t, err)
	for _, raw := range []string{
		"opcua://user:hunter2@plc",
		"modbus://user:hunter2@plc:x502",
		"modbus://user:hunter2%zz@plc",
		"modbus://user:hunter2",
		"://user:hunter2@plc",
		"user:hunter2@plc",
		"modbus:?password=hunter2",
		"mod\nbus://hunter2",
	} {
		_, err := r.Source(raw, acquire.NewCatalog())
		require.Error(t, err, raw)
		assert.NotContains(t, err.Error(), "hunter2", "in the error of %q", raw)
	}
	var none acquire.Registry
	_, err = none.Source("modbus://plc", acquire.NewCatalog())
	assert.ErrorContains(t, err, `no driver for scheme "modbus"`)
}
