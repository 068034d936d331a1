package interop_test

import (
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/drivers/snmp"
	"github.com/fieldtap/fieldtap/drivers/snmp/snmptest"
	"github.com/fieldtap/fieldtap/internal/plant"
	"github.com/fieldtap/fieldtap/internal/plant/snmpplant"
)

// TestToolsWalkTheSimulator has Net-SNMP's tools walk the simulated agent, whose
// clock stands still, in every version and every pair of protocols.
func TestToolsWalkTheSimulator(t *testing.T) {
	at := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	p := plant.New(at.Add(-time.Hour).UnixNano())
	objects := snmpplant.UPS(p)
	maps.Copy(objects, snmpplant.PDU(p))
	mib, err := snmptest.NewMIB(objects)
	require.NoError(t, err)
	users := []snmptest.User{{Name: "none-none"}}
	simAuth := map[string]snmptest.Auth{"MD5": snmptest.MD5, "SHA": snmptest.SHA1, "SHA-224": snmptest.SHA224, "SHA-256": snmptest.SHA256, "SHA-384": snmptest.SHA384, "SHA-512": snmptest.SHA512}
	simPriv := map[string]snmptest.Priv{"": snmptest.NoPriv, "DES": snmptest.DES, "AES": snmptest.AES128, "AES-192": snmptest.AES192, "AES-256": snmptest.AES256}
	for auth, a := range simAuth {
		for priv, p := range simPriv {
			users = append(users, snmptest.User{Name: auth + "-" + priv, Auth: a, AuthPassword: authPassword, Priv: p, PrivPassword: privPassword})
		}
	}
	server, err := snmptest.Start(snmptest.Config{MIB: mib, Users: users, Now: func() time.Time { return at }})
	require.NoError(t, err)
	defer server.Close()

	want := walk(t, newAgent(t, snmp.AgentConfig{Address: server.Address(), Community: "public"}), "1.3")
	require.Greater(t, len(want), 200) // but for what is there in an outage alone
	same := func(name string, arguments ...string) {
		t.Helper()
		assert.Equal(t, want, bulkwalk(t, ".1.3", append(arguments, server.Address())...), name)
	}
	same("version 2c", "-v2c", "-c", "public")
	same("no security", "-v3", "-l", "noAuthNoPriv", "-u", "none-none")
	for auth := range simAuth {
		for priv := range simPriv {
			arguments := []string{"-v3", "-u", auth + "-" + priv, "-a", auth, "-A", authPassword, "-l", "authNoPriv"}
			if priv != "" {
				arguments = append(arguments[:len(arguments)-1], "authPriv", "-x", priv, "-X", privPassword)
			}
			same(fmt.Sprintf("%s and %s", auth, strings.TrimPrefix(priv+" encryption", " ")), arguments...)
		}
	}
	assert.Zero(t, server.Sets())
	t.Logf("%d objects, walked in version 2c, noAuthNoPriv and %d pairs of protocols", len(want), len(simAuth)*len(simPriv))
}
