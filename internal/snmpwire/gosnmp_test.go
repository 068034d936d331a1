package snmpwire_test

import (
	"bytes"
	"math"
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

// TestGosnmpOfEachKind exchanges every type of value, and a trap of version 1.
func TestGosnmpOfEachKind(t *testing.T) {
	object, err := snmpwire.AppendOID(nil, "1.3.6.1.4.1.318")
	require.NoError(t, err)
	var list []byte
	for _, value := range [][]byte{
		snmpwire.AppendInt(nil, snmpwire.Integer, math.MinInt32),
		snmpwire.AppendBytes(nil, snmpwire.OctetString, bytes.Repeat([]byte{0xFF}, 300)),
		snmpwire.AppendBytes(nil, snmpwire.ObjectID, object),
		snmpwire.AppendBytes(nil, snmpwire.IPAddress, []byte{192, 0, 2, 1}),
		snmpwire.AppendUint(nil, snmpwire.Counter32, math.MaxUint32),
		snmpwire.AppendUint(nil, snmpwire.Gauge32, 1<<31),
		snmpwire.AppendUint(nil, snmpwire.TimeTicks, math.MaxUint32),
		snmpwire.AppendUint(nil, snmpwire.Counter64, 1<<63),
		snmpwire.AppendOpaqueFloat(nil, 230.5),
		snmpwire.AppendOpaqueDouble(nil, -1e300),
		snmpwire.AppendBytes(nil, snmpwire.NoSuchInstance, nil),
	} {
		list = snmpwire.AppendBinding(list, object, value)
	}
	m := snmpwire.Message{Version: snmpwire.V2c, Community: []byte("public"), PDU: snmpwire.PDU{Type: snmpwire.Response, RequestID: 1, Bindings: list}}
	got, err := (&gosnmp.GoSNMP{Version: gosnmp.Version2c}).SnmpDecodePacket(m.Append(nil))
	require.NoError(t, err)
	var values []any
	for _, v := range got.Variables {
		values = append(values, v.Value)
	}
	require.Equal(t, []any{math.MinInt32, bytes.Repeat([]byte{0xFF}, 300), ".1.3.6.1.4.1.318", "192.0.2.1", uint(math.MaxUint32), uint(1 << 31),
		uint32(math.MaxUint32), uint64(1 << 63), float32(230.5), -1e300, nil}, values)

	m = snmpwire.Message{Version: snmpwire.V1, Community: []byte("public"), PDU: snmpwire.PDU{Type: snmpwire.TrapV1, Enterprise: object,
		AgentAddress: [4]byte{192, 0, 2, 1}, GenericTrap: 6, SpecificTrap: 5, Timestamp: 1234567, Bindings: bindings(t, 1)}}
	trap, err := (&gosnmp.GoSNMP{Version: gosnmp.Version1}).UnmarshalTrap(m.Append(nil), false)
	require.NoError(t, err)
	require.Equal(t, gosnmp.SnmpTrap{Enterprise: ".1.3.6.1.4.1.318", AgentAddress: "192.0.2.1", GenericTrap: 6, SpecificTrap: 5, Timestamp: 1234567}, trap.SnmpTrap)
	for _, kind := range []gosnmp.PDUType{gosnmp.GetRequest, gosnmp.GetNextRequest, gosnmp.GetBulkRequest} {
		peer := &gosnmp.GoSNMP{Version: gosnmp.Version2c, Community: "public"}
		b, err := peer.SnmpEncodePacket(kind, []gosnmp.SnmpPDU{{Name: ".1.3.6.1.4.1.318", Type: gosnmp.Null}}, 3, 200)
		require.NoError(t, err)
		require.NoError(t, m.Parse(b))
		require.Equal(t, byte(kind), byte(m.PDU.Type))
		require.Equal(t, snmpwire.AppendQuery(nil, object), m.PDU.Bindings)
		if kind == gosnmp.GetBulkRequest {
			require.Equal(t, []int32{3, 200}, []int32{m.PDU.ErrorStatus, m.PDU.ErrorIndex})
		}
		require.Equal(t, b, m.Append(nil))
	}
}

// TestGosnmpSecured exchanges traps of every security level with the other
// implementation, both ways.
func TestGosnmpSecured(t *testing.T) {
	auths := [...]gosnmp.SnmpV3AuthProtocol{gosnmp.NoAuth, gosnmp.MD5, gosnmp.SHA, gosnmp.SHA224, gosnmp.SHA256, gosnmp.SHA384, gosnmp.SHA512}
	privs := [...]gosnmp.SnmpV3PrivProtocol{gosnmp.NoPriv, gosnmp.DES, gosnmp.AES, gosnmp.AES192, gosnmp.AES256, gosnmp.AES192C, gosnmp.AES256C}
	combinations(t, func(t *testing.T, a snmpwire.Auth, p snmpwire.Priv) {
		k := keys(t, a, p, engineID)
		parameters := &gosnmp.UsmSecurityParameters{
			AuthoritativeEngineID: string(engineID), AuthoritativeEngineBoots: 3, AuthoritativeEngineTime: 1234567, UserName: "reader",
			AuthenticationProtocol: auths[a], AuthenticationPassphrase: authPassword,
			PrivacyProtocol: privs[p], PrivacyPassphrase: privPassword,
		}
		require.NoError(t, parameters.InitSecurityKeys())
		peer := &gosnmp.GoSNMP{
			Version: gosnmp.Version3, SecurityModel: gosnmp.UserSecurityModel, MsgFlags: gosnmp.SnmpV3MsgFlags(k.Level()),
			ContextEngineID: string(engineID), ContextName: "feed A", SecurityParameters: parameters,
		}

		ours := answer(t, k.Level(), 3)
		ours.Scoped.PDU.Type = snmpwire.TrapV2
		b, err := ours.Append(nil, k)
		require.NoError(t, err)
		theirs, err := peer.UnmarshalTrap(b, false)
		require.NoError(t, err)
		require.Equal(t, uint32(4711), theirs.MsgID)
		require.Equal(t, uint32(42), theirs.RequestID)
		require.Equal(t, "feed A", theirs.ContextName)
		require.Len(t, theirs.Variables, 3)
		require.Equal(t, gosnmp.SnmpPDU{Name: ".1.3.6.1.2.1.31.1.1.1.6.2", Type: gosnmp.Counter64, Value: uint64(1<<40 + 1)}, theirs.Variables[1])

		b, err = peer.SnmpEncodePacket(gosnmp.SNMPv2Trap, []gosnmp.SnmpPDU{
			{Name: ".1.3.6.1.2.1.31.1.1.1.6.1", Type: gosnmp.Counter64, Value: uint64(1 << 40)},
		}, 0, 0)
		require.NoError(t, err)
		var got snmpwire.MessageV3
		require.NoError(t, got.Parse(b))
		if a != snmpwire.NoAuth {
			require.NoError(t, k.Verify(b, &got))
		}
		if p != snmpwire.NoPriv {
			_, err := k.Decrypt(nil, &got)
			require.NoError(t, err)
		}
		require.Equal(t, []any{int32(3), int32(1234567), "reader", engineID}, []any{got.Boots, got.Time, string(got.User), got.EngineID})
		require.Equal(t, "feed A", string(got.Scoped.ContextName))
		require.Equal(t, snmpwire.TrapV2, got.Scoped.PDU.Type)
		require.Equal(t, bindings(t, 1), got.Scoped.PDU.Bindings)
	})
}
