package snmptest_test

import (
	"net"
	"testing"
	"time"

	"github.com/gosnmp/gosnmp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/drivers/snmp/snmptest"
)

const (
	sysDescr  = "1.3.6.1.2.1.1.1.0"
	sysUpTime = "1.3.6.1.2.1.1.3.0"
	ifEntry   = "1.3.6.1.2.1.2.2.1"
	ifHC      = "1.3.6.1.2.1.31.1.1.1.6"
)

// specimen has one object of each type and a table of three rows.
func specimen(t testing.TB) *snmptest.MIB {
	t.Helper()
	o := snmptest.Objects{
		sysDescr:                  snmptest.Text("specimen"),
		"1.3.6.1.2.1.1.2.0":       snmptest.ObjectID("1.3.6.1.4.1.32473.1"),
		sysUpTime:                 snmptest.Uptime(),
		"1.3.6.1.4.1.32473.1.1.0": snmptest.Integer(-7),
		"1.3.6.1.4.1.32473.1.2.0": snmptest.IPAddress([4]byte{192, 0, 2, 1}),
		"1.3.6.1.4.1.32473.1.3.0": snmptest.Gauge32(1<<32 - 1),
		"1.3.6.1.4.1.32473.1.4.0": snmptest.OpaqueFloat(1.5),
	}
	for i, index := range []string{"1", "2", "10"} {
		o.Row(ifEntry, index, map[uint32]snmptest.Object{
			1:  snmptest.Integer(int32(i)),
			2:  snmptest.Text("port " + index),
			10: snmptest.Climb32(1<<32-100, 50),
		})
		o[ifHC+"."+index] = snmptest.Counter64(1<<63 + uint64(i))
	}
	m, err := snmptest.NewMIB(o)
	require.NoError(t, err)
	return m
}

func start(t testing.TB, cfg snmptest.Config) *snmptest.Server {
	t.Helper()
	s, err := snmptest.Start(cfg)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, s.Close()) })
	return s
}

// dial returns another implementation's client, connected to s.
func dial(t testing.TB, s *snmptest.Server, edit func(*gosnmp.GoSNMP)) *gosnmp.GoSNMP {
	t.Helper()
	a, err := net.ResolveUDPAddr("udp", s.Address())
	require.NoError(t, err)
	c := &gosnmp.GoSNMP{Target: a.IP.String(), Port: uint16(a.Port), Community: "public", Version: gosnmp.Version2c,
		Timeout: 5 * time.Second, MaxOids: 100, Transport: "udp"}
	if edit != nil {
		edit(c)
	}
	require.NoError(t, c.Connect())
	t.Cleanup(func() { c.Conn.Close() })
	return c
}

func TestGet(t *testing.T) {
	for _, network := range []string{"udp", "tcp"} {
		t.Run(network, func(t *testing.T) {
			s := start(t, snmptest.Config{MIB: specimen(t), Network: network})
			c := dial(t, s, func(c *gosnmp.GoSNMP) { c.Transport = network })
			got, err := c.Get([]string{sysDescr, "1.3.6.1.4.1.32473.1.1.0", ifHC + ".10", ifEntry + ".2.10", ifEntry + ".2.11", "1.3.6.1.2.1.99.1.0"})
			require.NoError(t, err)
			require.Equal(t, gosnmp.NoError, got.Error)
			assert.Equal(t, []gosnmp.SnmpPDU{
				{Name: "." + sysDescr, Type: gosnmp.OctetString, Value: []byte("specimen")},
				{Name: ".1.3.6.1.4.1.32473.1.1.0", Type: gosnmp.Integer, Value: -7},
				{Name: "." + ifHC + ".10", Type: gosnmp.Counter64, Value: uint64(1<<63 + 2)},
				{Name: "." + ifEntry + ".2.10", Type: gosnmp.OctetString, Value: []byte("port 10")},
				{Name: "." + ifEntry + ".2.11", Type: gosnmp.NoSuchInstance},
				{Name: ".1.3.6.1.2.1.99.1.0", Type: gosnmp.NoSuchObject},
			}, got.Variables)
		})
	}
}

func TestWalk(t *testing.T) {
	s := start(t, snmptest.Config{MIB: specimen(t)})
	for _, version := range []gosnmp.SnmpVersion{gosnmp.Version1, gosnmp.Version2c} {
		c := dial(t, s, func(c *gosnmp.GoSNMP) { c.Version = version })
		walk, want := c.BulkWalkAll, 19
		if version == gosnmp.Version1 {
			walk, want = c.WalkAll, 16 // without the three Counter64
		}
		all, err := walk("1.3.6.1")
		require.NoError(t, err)
		assert.Len(t, all, want)
		column, err := walk(ifEntry + ".2")
		require.NoError(t, err)
		require.Len(t, column, 3)
		assert.Equal(t, []byte("port 10"), column[2].Value)
	}
}
