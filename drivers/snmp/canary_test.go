package snmp_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/drivers/snmp"
)

// TestNothingPrintsSecrets prints all that holds a community or a key, in every way.
func TestNothingPrintsSecrets(t *testing.T) {
	const canary = "canary-52c1"
	catalog := acquire.NewCatalog()
	user := snmp.User{Name: "u", AuthKey: canary, PrivKey: canary}
	points := []snmp.Point{{Name: "up", OID: "1.3.6.1.2.1.1.3.0"}}
	byCommunity := snmp.Config{Address: "127.0.0.1:1", Community: canary, Catalog: catalog, Points: points}
	byUser := snmp.Config{Address: "127.0.0.1:1", User: user, Catalog: catalog, Points: points}
	asked := snmp.AgentConfig{Address: "127.0.0.1:1", User: user}
	heard := snmp.TrapConfig{Catalog: catalog, Communities: []acquire.Secret{canary}, Users: []snmp.TrapUser{{User: user}}, Unmatched: "trap"}
	source, err := snmp.NewSource(byCommunity)
	require.NoError(t, err)
	source3, err := snmp.NewSource(byUser)
	require.NoError(t, err)
	agent, err := snmp.NewAgent(asked)
	require.NoError(t, err)
	listener, err := snmp.NewTrapListener(heard)
	require.NoError(t, err)
	for _, v := range []any{
		byCommunity, byUser, asked, heard, user, source, source3, agent, listener, snmp.NewDriver(map[string]snmp.User{"u": user}),
	} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			text := fmt.Sprintf(verb, v)
			assert.NotContains(t, text, canary, "%T by %s", v, verb)
			assert.NotContains(t, text, fmt.Sprintf("%x", canary), "%T by %s", v, verb)
		}
	}
}
