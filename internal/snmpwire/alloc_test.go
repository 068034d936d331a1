package snmpwire_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/internal/snmpwire"
)

// free wants f to allocate nothing once it has run.
func free(t *testing.T, name string, f func() error) {
	t.Helper()
	require.NoError(t, f(), name)
	require.Zero(t, testing.AllocsPerRun(20, func() { _ = f() }), name)
}

func TestAllocs(t *testing.T) {
	msg := response(t, 50)
	var m snmpwire.Message
	require.NoError(t, m.Parse(msg))
	first, _, err := snmpwire.NextBinding(m.PDU.Bindings)
	require.NoError(t, err)
	buf := make([]byte, 0, 4096)
	free(t, "walk", func() error { _, err := walk(msg); return err })
	free(t, "Peek", func() error { _, err := snmpwire.Peek(msg); return err })
	free(t, "Size", func() error { _, err := snmpwire.Size(msg); return err })
	free(t, "CheckOID", func() error { return snmpwire.CheckOID(first.Name) })
	free(t, "Append", func() error { m.Append(buf); return nil })
	free(t, "AppendQuery", func() error { snmpwire.AppendQuery(buf, first.Name); return nil })
	free(t, "AppendBinding", func() error { snmpwire.AppendBinding(buf, first.Name, first.Value); return nil })
	free(t, "AppendOID", func() error { _, err := snmpwire.AppendOID(buf, "1.3.6.1.2.1.1.3.0"); return err })
	free(t, "AppendOIDText", func() error { snmpwire.AppendOIDText(buf, first.Name); return nil })
	free(t, "StatOf", func() error { snmpwire.StatOf(first.Name); return nil })
	var c snmpwire.Clock
	now := time.Unix(1e9, 0)
	free(t, "Clock", func() error { c.Hear(1, 2, now); return nil })
}

func TestAllocsOfV3(t *testing.T) {
	combinations(t, func(t *testing.T, a snmpwire.Auth, p snmpwire.Priv) {
		k := keys(t, a, p, engineID)
		m := answer(t, k.Level(), 50)
		msg, err := m.Append(nil, k)
		require.NoError(t, err)
		buf, plain := make([]byte, 0, len(msg)), make([]byte, 0, len(msg))
		free(t, "read", func() error { return open(msg, plain, k) })
		free(t, "write", func() error { _, err := m.Append(buf, k); return err })
	})
}

// TestAllocsOfFaults wants hostile input to cost no memory.
func TestAllocsOfFaults(t *testing.T) {
	for _, good := range append(messages(t), messagesV3(t)...) {
		require.Zero(t, testing.AllocsPerRun(1, func() {
			for i := range good {
				var m snmpwire.Message
				var v3 snmpwire.MessageV3
				good[i] ^= 0x81
				_ = v3.Parse(good)
				_ = v3.Parse(good[:i])
				_ = m.Parse(good[:i])
				_ = m.Parse(good)
				for list := m.PDU.Bindings; len(list) > 0; {
					_, list, _ = snmpwire.NextBinding(list)
				}
				good[i] ^= 0x81
			}
		}))
	}
}
