package interop_test

import (
	"encoding/hex"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// object is one object of an agent, as text that two programs can agree on: its
// identifier, and its type and value as Net-SNMP's tools print them with octets in
// hexadecimal and numbers bare.
type object struct{ oid, value string }

// bulkwalk walks a subtree with Net-SNMP's tool.
func bulkwalk(t *testing.T, root string, arguments ...string) []object {
	t.Helper()
	path := program(t, "snmpbulkwalk", "snmp")
	cmd := exec.Command(path, append(append([]string{"-m", "", "-Onxet", "-t", "10", "-Cr25"}, arguments...), root)...)
	cmd.Env = append(os.Environ(), "MIBS=", "SNMP_PERSISTENT_DIR="+t.TempDir())
	out, err := cmd.Output()
	require.NoError(t, err, "%s", out)
	return parseWalk(t, string(out))
}

// parseWalk reads what the tool prints. Long strings go over several lines.
func parseWalk(t *testing.T, out string) []object {
	t.Helper()
	var objects []object
	for line := range strings.Lines(out) {
		line = strings.TrimSuffix(line, "\n")
		oid, value, ok := strings.Cut(line, " = ")
		if !ok || !strings.HasPrefix(oid, ".1.") && !strings.HasPrefix(oid, ".0.") && !strings.HasPrefix(oid, ".2.") {
			require.NotEmpty(t, objects, "%q", line)
			objects[len(objects)-1].value += line
			continue
		}
		objects = append(objects, object{oid[1:], value})
	}
	for i := range objects {
		objects[i].value = canonical(t, objects[i].value)
	}
	return objects
}

// canonical brings what the tool prints of one value into one form: of octets the
// hexadecimal digits alone.
func canonical(t *testing.T, value string) string {
	t.Helper()
	if value == `""` {
		return "octets "
	}
	kind, rest, typed := strings.Cut(value, ": ")
	if !typed {
		return "ticks " + strings.TrimSpace(value)
	}
	switch kind {
	case "Hex-STRING":
		raw, err := hex.DecodeString(strings.ReplaceAll(strings.TrimSpace(rest), " ", ""))
		require.NoError(t, err, "%q", value)
		return "octets " + hex.EncodeToString(raw)
	case "OID":
		return "oid " + strings.TrimPrefix(rest, ".")
	case "INTEGER", "Counter32", "Counter64", "Gauge32", "IpAddress", "Opaque":
		return strings.ToLower(kind) + " " + strings.TrimSpace(rest)
	}
	t.Fatalf("the tool prints %q", value)
	return ""
}
