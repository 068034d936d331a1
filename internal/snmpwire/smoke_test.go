package snmpwire_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/internal/snmpwire"
)

func TestRoundTrip(t *testing.T) {
	name, err := snmpwire.AppendOID(nil, ".1.3.6.1.2.1.1.3.0")
	require.NoError(t, err)
	require.Equal(t, "1.3.6.1.2.1.1.3.0", string(snmpwire.AppendOIDText(nil, name)))
	m := snmpwire.Message{Version: snmpwire.V2c, Community: []byte("public"), PDU: snmpwire.PDU{
		Type: snmpwire.Response, RequestID: 1 << 30, Bindings: snmpwire.AppendBinding(nil, name, snmpwire.AppendUint(nil, snmpwire.TimeTicks, 1<<32-1)),
	}}
	b := m.Append(nil)
	var got snmpwire.Message
	require.NoError(t, got.Parse(b))
	require.Equal(t, m, got)
	vb, rest, err := snmpwire.NextBinding(got.PDU.Bindings)
	require.NoError(t, err)
	require.Empty(t, rest)
	v, err := snmpwire.Uint32(vb.Value)
	require.NoError(t, err)
	require.Equal(t, uint32(1<<32-1), v)
}
