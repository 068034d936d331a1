package snmpwire_test

import (
	"testing"

	"github.com/gosnmp/gosnmp"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/internal/snmpwire"
)

// TestGosnmpReadsOurs has another implementation read what ours writes.
func TestGosnmpReadsOurs(t *testing.T) {
	name, err := snmpwire.AppendOID(nil, "1.3.6.1.2.1.31.1.1.1.6.4000000000")
	require.NoError(t, err)
	m := snmpwire.Message{Version: snmpwire.V2c, Community: []byte("public"), PDU: snmpwire.PDU{
		Type: snmpwire.Response, RequestID: 77, Bindings: snmpwire.AppendBinding(nil, name, snmpwire.AppendUint(nil, snmpwire.Counter64, 1<<64-1)),
	}}
	got, err := (&gosnmp.GoSNMP{Version: gosnmp.Version2c}).SnmpDecodePacket(m.Append(nil))
	require.NoError(t, err)
	require.Equal(t, uint32(77), got.RequestID)
	require.Equal(t, []gosnmp.SnmpPDU{{Name: ".1.3.6.1.2.1.31.1.1.1.6.4000000000", Type: gosnmp.Counter64, Value: uint64(1<<64 - 1)}}, got.Variables)
}
