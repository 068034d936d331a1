package snmp_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/drivers/snmp"
)

func TestParseOID(t *testing.T) {
	long := "1.3" + strings.Repeat(".4294967295", 126)
	for text, want := range map[string]snmp.OID{
		"1.3.6.1.2.1.1.3.0":  "1.3.6.1.2.1.1.3.0",
		".1.3.6.1.2.1.1.3.0": "1.3.6.1.2.1.1.3.0",
		"0.0":                "0.0",
		"2.4294967215":       "2.4294967215",
		long:                 snmp.OID(long),
		"":                   "",
		".":                  "",
		"1":                  "",
		"1.":                 "",
		"..1.3":              "",
		"1..3":               "",
		"1.3.":               "",
		"1.03":               "",
		"1.40":               "",
		"3.1":                "",
		"1.3.4294967296":     "",
		"1.3.-1":             "",
		"1.3.+1":             "",
		"sysUpTime.0":        "",
		long + ".1":          "",
	} {
		o, err := snmp.ParseOID(text)
		assert.Equal(t, want, o, "%q", text)
		assert.Equal(t, want == "", err != nil, "%q: %v", text, err)
		assert.Equal(t, want != "", o.Valid(), "%q", text)
	}
}

func TestOIDOrderAndPrefix(t *testing.T) {
	ascending := []snmp.OID{"", "1.3", "1.3.6.1", "1.3.6.1.2", "1.3.6.1.2.127", "1.3.6.1.2.128", "1.3.6.1.10", "1.4", "2.0"}
	for i, a := range ascending {
		for j, b := range ascending {
			switch c := a.Compare(b); {
			case i < j:
				assert.Negative(t, c, "%s, %s", a, b)
			case i > j:
				assert.Positive(t, c, "%s, %s", a, b)
			default:
				assert.Zero(t, c, "%s, %s", a, b)
			}
		}
	}
	assert.Negative(t, snmp.OID("x").Compare("1.3"))
	assert.Positive(t, snmp.OID("1.3").Compare("x"))
	assert.Negative(t, snmp.OID("x").Compare("y"))

	entry := snmp.OID("1.3.6.1.2.1.2.2.1")
	assert.True(t, entry.HasPrefix(entry))
	assert.True(t, entry.Child(10, 7).HasPrefix(entry))
	assert.False(t, (entry + "0").HasPrefix(entry))
	assert.False(t, entry.HasPrefix(entry.Child(1)))
	suffix, ok := entry.Child(10, 4294967295).Suffix(entry)
	require.True(t, ok)
	assert.Equal(t, []uint32{10, 4294967295}, suffix)
	suffix, ok = entry.Suffix(entry)
	assert.True(t, ok)
	assert.Empty(t, suffix)
	_, ok = entry.Suffix("1.4")
	assert.False(t, ok)
	assert.Equal(t, snmp.OID("1.3"), snmp.OID("").Child(1, 3))
}
