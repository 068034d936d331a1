package interop_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/drivers/snmp"
)

// protocols of ours by the names that other programs have for them.
var (
	auths = map[string]snmp.AuthProtocol{
		"MD5": snmp.MD5, "SHA": snmp.SHA1, "SHA-224": snmp.SHA224, "SHA-256": snmp.SHA256, "SHA-384": snmp.SHA384, "SHA-512": snmp.SHA512,
	}
	privs = map[string]snmp.PrivProtocol{"DES": snmp.DES, "AES": snmp.AES128, "AES-192": snmp.AES192, "AES-256": snmp.AES256}
)

const sysDescr, sysName = snmp.OID("1.3.6.1.2.1.1.1.0"), snmp.OID("1.3.6.1.2.1.1.5.0")

// ask gets one object, and says what came of it.
func ask(t *testing.T, cfg snmp.AgentConfig, oid snmp.OID) (string, error) {
	t.Helper()
	a, err := snmp.NewAgent(cfg)
	require.NoError(t, err)
	defer a.Close()
	variables, err := a.Get(t.Context(), oid)
	if err != nil {
		return "", err
	}
	require.Len(t, variables, 1)
	return string(variables[0].Bytes()), variables[0].Err()
}

// TestSecurityMatrix asks Net-SNMP's agent and that of npm in every pair of
// protocols they know.
func TestSecurityMatrix(t *testing.T) {
	d := startSnmpd(t)
	var table strings.Builder
	fmt.Fprintf(&table, "%-10s", "snmpd")
	for _, priv := range append([]string{"none"}, netsnmpPriv...) {
		fmt.Fprintf(&table, "%10s", priv)
	}
	right := 0
	for _, auth := range netsnmpAuth {
		fmt.Fprintf(&table, "\n%-10s", auth)
		for _, priv := range append([]string{""}, netsnmpPriv...) {
			u := snmp.User{Name: strings.ToLower(auth) + "-none", Auth: auths[auth], AuthKey: authPassword}
			if priv != "" {
				u.Name, u.Priv, u.PrivKey = strings.ToLower(auth+"-"+priv), privs[priv], privPassword
			}
			got, err := ask(t, snmp.AgentConfig{Address: d.address, User: u, Timeout: 5 * time.Second}, sysName)
			if assert.NoError(t, err, "%s", u.Name) && assert.Equal(t, "interop", got, "%s", u.Name) {
				fmt.Fprintf(&table, "%10s", "right")
				right++
			}
		}
	}
	got, err := ask(t, snmp.AgentConfig{Address: d.address, User: snmp.User{Name: "none-none", Level: snmp.NoAuthNoPriv}}, sysName)
	require.NoError(t, err)
	require.Equal(t, "interop", got)
	t.Logf("%d of 30, and noAuthNoPriv\n%s", right, &table)

	node := startNode(t)
	table.Reset()
	right = 0
	extensions := []struct {
		name string
		priv snmp.PrivProtocol
		ext  snmp.Extension
	}{{"none", 0, 0}, {"des", snmp.DES, 0}, {"aes", snmp.AES128, 0}, {"aes256b", snmp.AES256, snmp.Blumenthal}, {"aes256r", snmp.AES256, snmp.Reeder}}
	fmt.Fprintf(&table, "%-10s", "npm")
	for _, x := range extensions {
		fmt.Fprintf(&table, "%10s", x.name)
	}
	for _, auth := range netsnmpAuth {
		fmt.Fprintf(&table, "\n%-10s", auth)
		for _, x := range extensions {
			u := snmp.User{Name: strings.ToLower(strings.ReplaceAll(auth, "-", "")) + "-" + x.name, Auth: auths[auth], AuthKey: authPassword}
			if x.priv != 0 {
				u.Priv, u.PrivKey, u.Extension = x.priv, privPassword, x.ext
			}
			got, err := ask(t, snmp.AgentConfig{Address: node.address, User: u, Timeout: 5 * time.Second}, sysDescr)
			if assert.NoError(t, err, "%s", u.Name) && assert.Equal(t, "an agent on Node", got, "%s", u.Name) {
				fmt.Fprintf(&table, "%10s", "right")
				right++
			}
		}
	}
	t.Logf("%d of 30\n%s", right, &table)
}

// TestSecurityRefusals asks as the wrong one: the error is about security, and
// there is no data.
func TestSecurityRefusals(t *testing.T) {
	t.Parallel()
	d, node := startSnmpd(t), startNode(t)
	good := snmp.User{Name: "sha-256-aes", Auth: snmp.SHA256, AuthKey: authPassword, Priv: snmp.AES128, PrivKey: privPassword}
	goodNode := good
	goodNode.Name = "sha256-aes"
	for _, c := range []struct {
		name   string
		change func(*snmp.User)
	}{
		{"wrong user", func(u *snmp.User) { u.Name = "nobody" }},
		{"wrong authentication key", func(u *snmp.User) { u.AuthKey = "authentication2" }},
		{"wrong privacy key", func(u *snmp.User) { u.PrivKey = "encryption2" }},
		{"wrong authentication protocol", func(u *snmp.User) { u.Auth = snmp.SHA512 }},
		{"wrong privacy protocol", func(u *snmp.User) { u.Priv = snmp.DES }},
		{"wrong engine", func(u *snmp.User) { u.EngineID = []byte{0x80, 0, 0x1F, 0x88, 0x04, 'x', 'y', 'z'} }},
	} {
		for _, over := range []struct {
			agent *agent
			user  snmp.User
		}{{d.agent, good}, {node, goodNode}} {
			if over.agent == node && c.name == "wrong engine" {
				continue // it takes any for its own, and answers authentically as that
			}
			t.Run(c.name+", "+over.agent.name, func(t *testing.T) {
				t.Parallel() // each waits for an answer that does not come
				u := over.user
				c.change(&u)
				got, err := ask(t, snmp.AgentConfig{Address: over.agent.address, User: u, Timeout: 2 * time.Second}, sysDescr)
				require.Error(t, err)
				assert.Empty(t, got)
				t.Log(err)
				// npm's agent answers nothing to what it cannot verify or decrypt.
				var judged interface{ Quality() acquire.Quality }
				if over.agent == d.agent && assert.ErrorAs(t, err, &judged) {
					assert.Equal(t, acquire.Security, judged.Quality().Reason())
				}
			})
		}
	}
}
