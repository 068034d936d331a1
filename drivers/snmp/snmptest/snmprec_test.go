package snmptest_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/drivers/snmp/snmptest"
)

func TestParseSnmprec(t *testing.T) {
	o, err := snmptest.ParseSnmprec(strings.NewReader(strings.Join([]string{
		"# recorded by hand",
		"1.3.6.1.2.1.1.1.0|4|a text | with bars",
		"",
		".1.3.6.1.2.1.1.2.0|6|1.3.6.1.4.1.32473.1\r",
		"1.3.6.1.2.1.1.3.0|67|4294967295",
		"1.3.6.1.2.1.2.2.1.6.1|4x|00005e005301",
		"1.3.6.1.2.1.2.2.1.6.2|4|",
		"1.3.6.1.2.1.4.20.1.1.1|64|192.0.2.1",
		"1.3.6.1.2.1.4.20.1.1.2|64x|c0000202",
		"1.3.6.1.4.1.32473.1|2|-5",
		"1.3.6.1.4.1.32473.2|5|",
		"1.3.6.1.4.1.32473.3|65|7",
		"1.3.6.1.4.1.32473.4|66|8",
		"1.3.6.1.4.1.32473.5|68x|9f78043fc00000",
		"1.3.6.1.4.1.32473.6|70|18446744073709551615",
	}, "\n")))
	require.NoError(t, err)
	assert.Equal(t, snmptest.Objects{
		"1.3.6.1.2.1.1.1.0":      snmptest.Text("a text | with bars"),
		"1.3.6.1.2.1.1.2.0":      snmptest.ObjectID("1.3.6.1.4.1.32473.1"),
		"1.3.6.1.2.1.1.3.0":      snmptest.TimeTicks(1<<32 - 1),
		"1.3.6.1.2.1.2.2.1.6.1":  snmptest.Text("\x00\x00\x5e\x00\x53\x01"),
		"1.3.6.1.2.1.2.2.1.6.2":  snmptest.Text(""),
		"1.3.6.1.2.1.4.20.1.1.1": snmptest.IPAddress([4]byte{192, 0, 2, 1}),
		"1.3.6.1.2.1.4.20.1.1.2": snmptest.IPAddress([4]byte{192, 0, 2, 2}),
		"1.3.6.1.4.1.32473.1":    snmptest.Integer(-5),
		"1.3.6.1.4.1.32473.2":    snmptest.Null(),
		"1.3.6.1.4.1.32473.3":    snmptest.Counter32(7),
		"1.3.6.1.4.1.32473.4":    snmptest.Gauge32(8),
		"1.3.6.1.4.1.32473.5":    snmptest.OpaqueFloat(1.5),
		"1.3.6.1.4.1.32473.6":    snmptest.Counter64(1<<64 - 1),
	}, o)
}

func TestParseSnmprecNumeric(t *testing.T) {
	for _, tt := range []struct {
		record string
		after  time.Duration
		want   snmptest.Value
	}{
		{"67:numeric|rate=100,initial=5", 1500 * time.Millisecond, snmptest.TimeTicks(155)},
		{"65:numeric|rate=1000,initial=4294960000,wrap=1", 7 * time.Second, snmptest.Counter32(4294967000)},
		{"65:numeric|rate=1000,initial=4294960000,wrap=1", 8 * time.Second, snmptest.Counter32(704)},
		{"65:numeric|rate=1000,initial=4294960000", time.Hour, snmptest.Counter32(1<<32 - 1)},
		{"70:numeric|rate=1,initial=18446744073709551615,wrap=1", time.Second, snmptest.Counter64(0)},
		{"70:numeric|rate=18446744073709551615,wrap=1", 3 * time.Second, snmptest.Counter64(1<<64 - 3)},
		{"70:numeric|rate=18446744073709551615", 3 * time.Second, snmptest.Counter64(1<<64 - 1)},
		{"66:numeric|min=10,max=19,wrap=1", 25 * time.Second, snmptest.Gauge32(15)},
		{"66:numeric|min=10,max=19", 25 * time.Second, snmptest.Gauge32(19)},
		{"66:numeric|rate=0.5,cumulative=1", 5 * time.Second, snmptest.Gauge32(2)},
		{"66:numeric|rate=-0.5,initial=10", 5 * time.Second, snmptest.Gauge32(7)},
		{"66:numeric|rate=-1,initial=3", 5 * time.Second, snmptest.Gauge32(0)},
		{"66:numeric|rate=-1,initial=3,wrap=1", 5 * time.Second, snmptest.Gauge32(1<<32 - 2)},
		{"2:numeric|min=-5,max=5,rate=2", 2 * time.Second, snmptest.Integer(-1)},
		{"2:numeric|min=-5,max=5,rate=2,initial=4,wrap=1", time.Second, snmptest.Integer(-5)},
		{"2:numeric|initial=2147483647", time.Second, snmptest.Integer(1<<31 - 1)},
	} {
		o, err := snmptest.ParseSnmprec(strings.NewReader("1.3.6.1.1|" + tt.record))
		require.NoError(t, err, tt.record)
		assert.Equal(t, tt.want, o["1.3.6.1.1"].Read(snmptest.Clock{Up: tt.after}), "%s after %v", tt.record, tt.after)
	}
}

func TestParseSnmprecFaults(t *testing.T) {
	for record, want := range map[string]string{
		"1.3.6.1|4":                               "line 1: want identifier",
		"iso.3.6|4|x":                             `"iso.3.6"`,
		"1.3.6.1|four|x":                          "is no number",
		"1.3.6.1|3|x":                             "type 3 is unknown",
		"1.3.6.1|2|x":                             "invalid syntax",
		"1.3.6.1|2|2147483648":                    "out of range",
		"1.3.6.1|65|4294967296":                   "out of range",
		"1.3.6.1|65|-1":                           "invalid syntax",
		"1.3.6.1|4x|0g":                           "invalid byte",
		"1.3.6.1|65x|00":                          "type 65 does not come",
		"1.3.6.1|64x|0000":                        "address of 2 octets",
		"1.3.6.1|64|::1":                          "no IPv4 address",
		"1.3.6.1|6|1.2.":                          "malformed",
		"1.3.6.1|5|x":                             "NULL with a value",
		"1.3.6.1|4:numeric|rate=1":                "type 4 is no number",
		"1.3.6.1|4:error|status=generr":           `variation module "error" is not there`,
		"1.3.6.1|65:numeric|rate":                 "has no value",
		"1.3.6.1|65:numeric|rate=NaN":             "is no rate",
		"1.3.6.1|65:numeric|function=sin":         `option "function"`,
		"1.3.6.1|65:numeric|min=5,max=4":          "want min <= initial <= max",
		"1.3.6.1|65:numeric|initial=4294967296":   "option initial",
		"1.3.6.1|2|1\n.1.3.6.1|2|1":               "line 2: 1.3.6.1 is there twice",
		"1.3.6.1|4|" + strings.Repeat("x", 1<<19): "line 1: ",
	} {
		o, err := snmptest.ParseSnmprec(strings.NewReader(record))
		require.ErrorContains(t, err, want)
		assert.Nil(t, o)
	}
	_, err := snmptest.ParseSnmprec(strings.NewReader(strings.Repeat("x\n", 100)))
	require.Error(t, err)
	assert.Equal(t, 20, strings.Count(err.Error(), "snmptest: line"))
}

// Whatever is parsed is an agent.
func FuzzParseSnmprec(f *testing.F) {
	f.Add("1.3.6.1.2.1.1.1.0|4|a text\n1.3.6.1.2.1.2.2.1.6.1|4x|00005E005301\n1.3.6.1.2.1.1.3.0|67:numeric|rate=100,initial=0\n", int64(5e9))
	f.Add("1.3.6.1|2:numeric|min=-5,max=5,rate=0.3,wrap=1", int64(1<<62))
	f.Fuzz(func(t *testing.T, in string, up int64) {
		o, err := snmptest.ParseSnmprec(strings.NewReader(in))
		if err != nil {
			require.Nil(t, o)
			return
		}
		m, err := snmptest.NewMIB(o)
		require.NoError(t, err)
		require.Equal(t, len(o), m.Len())
		for oid, object := range o {
			require.NotZero(t, object.Read(snmptest.Clock{Up: time.Duration(up)}).Tag(), oid)
		}
	})
}
