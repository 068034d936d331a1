package interop_test

import (
	"context"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/drivers/snmp"
)

const (
	linkDown   = snmp.OID("1.3.6.1.6.3.1.1.5.3")
	upsOnBatt  = snmp.OID("1.3.6.1.2.1.33.2.1")
	secondsOn  = snmp.OID("1.3.6.1.2.1.33.1.2.2")
	senderOfV3 = "0x8000000001020304"
)

// TestTrapsOfNetSNMP has Net-SNMP's tools send traps and informs in every version
// and pair of protocols. An inform's sender fails unless it is acknowledged.
func TestTrapsOfNetSNMP(t *testing.T) {
	snmptrap, snmpinform := program(t, "snmptrap", "snmp"), program(t, "snmpinform", "snmp")
	var trapUsers []snmp.TrapUser
	for _, u := range users() {
		user := snmp.User{Name: u.name}
		if u.auth == "" {
			user.Level = snmp.NoAuthNoPriv
		} else {
			user.Auth, user.AuthKey = auths[u.auth], authPassword
		}
		if u.priv != "" {
			user.Priv, user.PrivKey = privs[u.priv], privPassword
		}
		trapUsers = append(trapUsers, snmp.TrapUser{User: user})
	}
	address := make(chan net.Addr, 1)
	catalog := acquire.NewCatalog()
	listener, err := snmp.NewTrapListener(snmp.TrapConfig{
		Name: "traps", Catalog: catalog, Communities: []acquire.Secret{"public"}, Users: trapUsers,
		Rules: []snmp.TrapRule{
			{Name: "{sender}/link", Trap: linkDown, Text: "down", Points: []snmp.Point{{Name: "if/{index}", OID: "1.3.6.1.2.1.2.2.1.1"}}},
			{Name: "{sender}/ups", Trap: upsOnBatt, Text: "on battery", Points: []snmp.Point{{Name: "seconds", OID: secondsOn}}},
		},
		Listen: func(ctx context.Context) (net.PacketConn, error) {
			conn, err := new(net.ListenConfig).ListenPacket(ctx, "udp4", "127.0.0.1:0")
			if err == nil {
				address <- conn.LocalAddr()
			}
			return conn, err
		},
	})
	require.NoError(t, err)
	stream, err := listener.Open(t.Context())
	require.NoError(t, err)
	defer stream.Close()
	to := (<-address).String()

	// The senders run beside the one who listens.
	send := func(path string, arguments ...string) error {
		cmd := exec.Command(path, append([]string{"-m", ""}, arguments...)...)
		cmd.Env = append(os.Environ(), "MIBS=", "SNMP_PERSISTENT_DIR="+t.TempDir())
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Logf("%s: %s", strings.Join(cmd.Args, " "), out)
		}
		return err
	}
	type event struct{ name, text string }
	expect := func(what string, want []event, path string, arguments ...string) {
		t.Helper()
		sent := make(chan error, 1)
		go func() { sent <- send(path, arguments...) }()
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		var got []event
		var b acquire.Batch
		for len(got) < len(want) {
			require.NoError(t, stream.Next(ctx, &b), what)
			for _, s := range b.Samples {
				p, _ := catalog.Point(s.Point)
				assert.True(t, s.Quality.IsGood(), "%s: %s", what, s.Quality)
				text, ok := b.Text(s.Value)
				if !ok {
					text = []byte(s.Value.String())
				}
				got = append(got, event{p.Name, string(text)})
			}
		}
		assert.Equal(t, want, got, what)
		select {
		case err := <-sent:
			assert.NoError(t, err, what)
		case <-ctx.Done():
			t.Fatalf("%s: the sender does not end", what)
		}
	}
	link := []event{{"127.0.0.1/link", "down"}, {"127.0.0.1/link/if/7", "7"}}
	ups := []event{{"127.0.0.1/ups", "on battery"}, {"127.0.0.1/ups/seconds", "42"}}
	upsArguments := []string{to, "", string(upsOnBatt), string(secondsOn) + ".0", "i", "42"}

	expect("trap of version 1", link, snmptrap, "-v1", "-c", "public", to, "1.3.6.1.4.1.8072.9999", "127.0.0.1", "2", "0", "100", "1.3.6.1.2.1.2.2.1.1.7", "i", "7")
	expect("trap of version 2c", ups, snmptrap, append([]string{"-v2c", "-c", "public"}, upsArguments...)...)
	expect("inform of version 2c", ups, snmpinform, append([]string{"-v2c", "-c", "public", "-t", "10", "-r", "0"}, upsArguments...)...)
	pairs := 0
	for _, u := range users() {
		security := []string{"-v3", "-u", u.name, "-l", "noAuthNoPriv"}
		if u.auth != "" {
			security = []string{"-v3", "-u", u.name, "-l", "authNoPriv", "-a", u.auth, "-A", authPassword}
		}
		if u.priv != "" {
			security[4] = "authPriv"
			security = append(security, "-x", u.priv, "-X", privPassword)
		}
		expect("trap by "+u.name, ups, snmptrap, slices.Concat(security, []string{"-e", senderOfV3, "-Z", "1,100"}, upsArguments)...)
		expect("inform by "+u.name, ups, snmpinform, slices.Concat(security, []string{"-t", "10", "-r", "0"}, upsArguments)...)
		pairs++
	}
	c := listener.Counters()
	assert.Zero(t, c.Refused())
	assert.Zero(t, c.LostSamples)
	t.Logf("versions 1 and 2c, and %d users of version 3: %d traps and informs, %d of them informs, %d replies", pairs, c.Matched, c.Informs, c.Replies)
}
