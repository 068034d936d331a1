package interop_test

import (
	"encoding/hex"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/drivers/snmp"
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
	// The tool repeats the last object's name for the end of everything, as often as
	// the agent says so.
	for n := len(objects); n > 0 && strings.HasPrefix(objects[n-1].value, "No more variables left"); n-- {
		objects = objects[:n-1]
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
		return strings.ToLower(kind + " " + strings.TrimSpace(rest))
	}
	t.Fatalf("the tool prints %q", value)
	return ""
}

// ours is a value as canonical has it.
func ours(t *testing.T, v snmp.Variable) object {
	t.Helper()
	require.NoError(t, v.Err())
	o := object{oid: string(v.OID())}
	whole, isWhole := v.Int64()
	switch v.Syntax {
	case snmp.SyntaxInteger:
		o.value = fmt.Sprintf("integer %d", whole)
	case snmp.SyntaxCounter32, snmp.SyntaxGauge32:
		o.value = fmt.Sprintf("%s %d", strings.ToLower(v.Syntax.String()), whole)
	case snmp.SyntaxTimeTicks:
		o.value = fmt.Sprintf("ticks %d", whole)
	case snmp.SyntaxCounter64:
		n, ok := v.Uint64()
		require.True(t, ok)
		isWhole = true
		o.value = fmt.Sprintf("counter64 %d", n)
	case snmp.SyntaxOctetString:
		return object{o.oid, "octets " + hex.EncodeToString(v.Bytes())}
	case snmp.SyntaxIPAddress:
		address, ok := netip.AddrFromSlice(v.Bytes())
		require.True(t, ok)
		return object{o.oid, "ipaddress " + address.String()}
	case snmp.SyntaxObject:
		id, ok := v.Object()
		require.True(t, ok)
		return object{o.oid, "oid " + string(id)}
	case snmp.SyntaxOpaque:
		x, ok := v.Float64()
		require.True(t, ok)
		return object{o.oid, fmt.Sprintf("opaque float: %f", x)}
	default:
		t.Fatalf("walked %s", v)
	}
	require.True(t, isWhole, "%s", v)
	return o
}

// walk walks a subtree with ours.
func walk(t *testing.T, a *snmp.Agent, root snmp.OID) []object {
	t.Helper()
	var objects []object
	for v, err := range a.Walk(t.Context(), root) {
		require.NoError(t, err)
		objects = append(objects, ours(t, v))
	}
	return objects
}

func newAgent(t *testing.T, cfg snmp.AgentConfig) *snmp.Agent {
	t.Helper()
	cfg.Timeout = patience
	a, err := snmp.NewAgent(cfg)
	require.NoError(t, err)
	t.Cleanup(func() { a.Close() })
	return a
}

// TestWalkRecording walks a recording of a switch, which never changes: every
// object must be the same, in the same order.
func TestWalkRecording(t *testing.T) {
	t.Parallel()
	// The simulator is what takes the time, and uses one processor: two of them.
	var want, got []object
	require.True(t, t.Run("walks", func(t *testing.T) {
		t.Run("tool", func(t *testing.T) {
			t.Parallel()
			want = bulkwalk(t, ".1.3", "-v2c", "-c", "switch", startSnmpsim(t, "").address)
		})
		t.Run("ours", func(t *testing.T) {
			t.Parallel()
			got = walk(t, newAgent(t, snmp.AgentConfig{Address: startSnmpsim(t, "").address, Community: "switch"}), "1.3")
		})
	}))
	require.Greater(t, len(want), 50_000)
	for i := range min(len(want), len(got)) {
		require.Equal(t, want[i], got[i], "object %d of %d, and of %d by the tool", i, len(got), len(want))
	}
	require.Equal(t, len(want), len(got))
	t.Logf("%d objects, the same by both", len(got))
}

// TestWalkAgent walks all that Net-SNMP's agent knows of this machine, between two
// walks of the tool: an object that is there in both is there in ours, with a
// value of one of them or, of a number, one between.
func TestWalkAgent(t *testing.T) {
	d := startSnmpd(t)
	for _, c := range []struct {
		name string
		cfg  snmp.AgentConfig
		tool []string
	}{
		{"version 2c", snmp.AgentConfig{Address: d.address, Community: "public"}, []string{"-v2c", "-c", "public", d.address}},
		{"version 2c over TCP", snmp.AgentConfig{Address: d.address, Community: "public", TCP: true}, []string{"-v2c", "-c", "public", "tcp:" + d.address}},
		{"version 3", snmp.AgentConfig{Address: d.address, User: snmp.User{Name: "sha-256-aes", AuthKey: authPassword, PrivKey: privPassword}},
			[]string{"-v3", "-l", "authPriv", "-u", "sha-256-aes", "-a", "SHA-256", "-A", authPassword, "-x", "AES", "-X", privPassword, d.address}},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := bulkwalk(t, ".1.3", c.tool...)
			got := walk(t, newAgent(t, c.cfg), "1.3")
			after := bulkwalk(t, ".1.3", c.tool...)
			compare(t, before, got, after)
		})
	}
	t.Run("version 1", func(t *testing.T) {
		before := bulkwalk(t, ".1.3.6.1.2.1.2", "-v2c", "-c", "public", d.address)
		got := walk(t, newAgent(t, snmp.AgentConfig{Address: d.address, Community: "public", Version: snmp.V1}), "1.3.6.1.2.1.2")
		after := bulkwalk(t, ".1.3.6.1.2.1.2", "-v2c", "-c", "public", d.address)
		compare(t, before, got, after)
	})
}

// clocks are texts that say what time it is.
var clocks = []snmp.OID{"1.3.6.1.2.1.25.1.2.0", "1.3.6.1.4.1.2021.100.4.0"}

// compare holds a walk against one before and one after.
func compare(t *testing.T, before, got, after []object) {
	t.Helper()
	first, second, mine := byOID(t, before), byOID(t, after), byOID(t, got)
	same, between, fleeting := 0, 0, 0
	for oid, was := range first {
		is, still := second[oid]
		value, ok := mine[oid]
		switch {
		case !still:
			fleeting++
		case !ok:
			t.Errorf("%s = %s is missing", oid, was)
		case value == was || value == is:
			same++
		case slices.Contains(clocks, snmp.OID(oid)):
			between++
		case lies(value, was, is):
			between++
		default:
			t.Errorf("%s = %s, want %s or %s", oid, value, was, is)
		}
	}
	for oid := range mine {
		if _, was := first[oid]; !was {
			if _, is := second[oid]; !is {
				fleeting++ // a process, a connection or a mount that came and went
			}
		}
	}
	require.Greater(t, same, len(before)/2)
	require.Less(t, fleeting, 1+len(before)/10)
	t.Logf("%d objects the same, %d between those before and after, %d that came or went", same, between, fleeting)
}

func byOID(t *testing.T, objects []object) map[string]string {
	t.Helper()
	m := make(map[string]string, len(objects))
	for _, o := range objects {
		if was, twice := m[o.oid]; twice {
			t.Errorf("%s twice, as %s and %s", o.oid, was, o.value)
		}
		m[o.oid] = o.value
	}
	return m
}

// lies reports whether a number lies between two others of its type.
func lies(value, a, b string) bool {
	var numbers [3]float64
	kind, _, _ := strings.Cut(value, " ")
	for i, v := range []string{a, value, b} {
		k, digits, ok := strings.Cut(v, " ")
		n, err := strconv.ParseFloat(digits, 64)
		if !ok || k != kind || err != nil {
			return false
		}
		numbers[i] = n
	}
	low, high := min(numbers[0], numbers[2]), max(numbers[0], numbers[2])
	// Gauges, such as free memory, go up and down.
	return numbers[1] >= low && numbers[1] <= high || kind == "gauge32" || kind == "integer"
}
