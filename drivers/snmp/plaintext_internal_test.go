package snmp

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/internal/snmpwire"
)

// sealedFor returns what tells the messages of a user who has met an engine, and its keys.
func sealedFor(t testing.TB, u User, engine []byte) (*plaintext, *snmpwire.Keys) {
	u, faults := u.checked()
	require.Empty(t, faults)
	a := newAuthority(u)
	require.NoError(t, a.meet(engine))
	return &plaintext{authority: a}, a.engine.keys
}

// TestPlaintextOfEveryProtocol: what is opened is what would have been encoded without keys.
func TestPlaintextOfEveryProtocol(t *testing.T) {
	engine := []byte("\x80\x00\x1f\x88\x04engine")
	for auth := MD5; auth <= SHA512; auth++ {
		for priv := PrivProtocol(0); priv <= AES256; priv++ {
			u := User{Name: "u", Auth: auth, AuthKey: "canary-auth-key", Priv: priv, PrivKey: "canary-priv-key"}
			if priv == 0 {
				u.PrivKey = ""
			}
			p, keys := sealedFor(t, u, engine)
			m := snmpwire.MessageV3{ID: 7, MaxSize: 1 << 16, Flags: snmpwire.Reportable, EngineID: engine, Boots: 3, Time: 4711, User: []byte("u")}
			m.Scoped.ContextEngineID, m.Scoped.ContextName = engine, []byte("feeder")
			m.Scoped.PDU = snmpwire.PDU{Type: snmpwire.BulkRequest, RequestID: 7, ErrorIndex: 20, Bindings: snmpwire.AppendQuery(nil, []byte{0x2b, 6, 1})}
			want, err := m.Append(nil, nil)
			require.NoError(t, err)
			assert.Equal(t, want, p.open(want), "what is plain")
			m.Flags |= keys.Level()
			sealed, err := m.Append(nil, keys)
			require.NoError(t, err)
			before := bytes.Clone(sealed)
			assert.Equal(t, want, p.open(sealed), "%v %v", auth, priv)
			assert.Equal(t, before, sealed, "is left for the driver")
			for i := range sealed {
				forged := bytes.Clone(sealed)
				forged[i] ^= 0x10
				assert.Equal(t, forged, p.open(forged), "octet %d is not what was sealed", i)
			}
		}
	}
}

// FuzzPlaintext: of any message comes itself, or one that says the same without keys.
func FuzzPlaintext(f *testing.F) {
	engine := []byte("\x80\x00\x1f\x88\x04engine")
	p, keys := sealedFor(f, User{Name: "u", AuthKey: "canary-auth-key", PrivKey: "canary-priv-key"}, engine)
	m := snmpwire.MessageV3{ID: 7, MaxSize: 1 << 16, EngineID: engine, User: []byte("u"), Flags: keys.Level()}
	m.Scoped.PDU.Type = snmpwire.Response
	sealed, err := m.Append(nil, keys)
	require.NoError(f, err)
	f.Add(sealed)
	f.Add([]byte("\x30\x00"))
	f.Fuzz(func(t *testing.T, message []byte) {
		before := bytes.Clone(message)
		got := p.open(message)
		assert.Equal(t, before, message)
		if bytes.Equal(got, message) {
			return
		}
		var a, b snmpwire.MessageV3
		require.NoError(t, a.Parse(message))
		require.NoError(t, b.Parse(got))
		assert.NotZero(t, a.Flags.Level())
		assert.Zero(t, b.Flags.Level())
		assert.Equal(t, a.ID, b.ID)
		assert.Equal(t, a.User, b.User)
	})
}
