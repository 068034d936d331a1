package snmp_test

import (
	"github.com/fieldtap/fieldtap/drivers/snmp"
	"github.com/fieldtap/fieldtap/drivers/snmp/snmptest"
)

// The users of simulated agents.
var (
	users = []snmptest.User{
		{Name: "alice", Auth: snmptest.SHA256, AuthPassword: "canary-auth-key", Priv: snmptest.AES128, PrivPassword: "canary-priv-key", Least: snmptest.AuthPriv},
		{Name: "bob", Auth: snmptest.SHA1, AuthPassword: "canary-auth-key"},
	}
	alice = snmp.User{Name: "alice", AuthKey: "canary-auth-key", PrivKey: "canary-priv-key"}
	bob   = snmp.User{Name: "bob", Auth: snmp.SHA1, AuthKey: "canary-auth-key"}
)
