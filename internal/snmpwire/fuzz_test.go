package snmpwire_test

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/internal/snmpwire"
)

// FuzzMessage compares messages with the twin, and writes what was read: it must be
// read again as the same.
func FuzzMessage(f *testing.F) {
	for _, b := range append(messages(f), messagesV3(f)...) {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		kept := bytes.Clone(b)
		checkTwin(t, b)
		var m, again snmpwire.Message
		if m.Parse(b) == nil {
			require.NoError(t, again.Parse(m.Append(nil)))
			require.True(t, sameMessage(m, again))
		}
		if size, err := snmpwire.Size(b); size > 0 && size <= len(b) {
			require.NoError(t, err)
			checkTwin(t, b[:size])
		} else if m.Parse(b) == nil {
			t.Fatalf("size %d, %v of a message of %d", size, err, len(b))
		}
		require.Equal(t, kept, b, "reading wrote")
	})
}

// FuzzV3 reads a message as its receiver does, with keys that nobody outside has:
// nothing may verify, and what is encrypted must not crash its reader.
func FuzzV3(f *testing.F) {
	for _, b := range messagesV3(f) {
		f.Add(b)
	}
	all := []*snmpwire.Keys{
		keys(f, snmpwire.NoAuth, snmpwire.NoPriv, nil),
		keys(f, snmpwire.MD5, snmpwire.DES, []byte("mine")),
		keys(f, snmpwire.SHA512, snmpwire.AES256, []byte("mine")),
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var m snmpwire.MessageV3
		if m.Parse(b) != nil {
			return
		}
		for _, k := range all {
			require.Error(t, k.Verify(b, &m))
			ours := m
			if plain, err := k.Decrypt(nil, &ours); err == nil {
				require.LessOrEqual(t, len(plain), len(b))
			} else if m.Flags&snmpwire.Private != 0 {
				require.Zero(t, ours.Scoped)
			}
			if m.Flags&snmpwire.Private != 0 {
				continue
			}
			// Written again at the level of the keys, it is read as the same.
			m.Flags = m.Flags&^snmpwire.Authenticated | k.Level()
			written, err := m.Append(nil, k)
			require.NoError(t, err)
			var again snmpwire.MessageV3
			require.NoError(t, again.Parse(written))
			if k.Level() != 0 {
				require.NoError(t, k.Verify(written, &again))
				_, err := k.Decrypt(nil, &again)
				require.NoError(t, err)
			}
			again.AuthParams, again.PrivacyParams, again.Ciphertext = m.AuthParams, m.PrivacyParams, m.Ciphertext
			require.True(t, sameV3(m, again))
			m.Flags &^= snmpwire.Authenticated | snmpwire.Private
		}
	})
}

// FuzzBinding compares the walk over a list, and the numbers in it, with the twin.
func FuzzBinding(f *testing.F) {
	f.Add(bindings(f, 3))
	name, err := snmpwire.AppendOID(nil, "1.3.6.1.4.1.318.1.1.1.2.3.1.0")
	require.NoError(f, err)
	f.Add(snmpwire.AppendQuery(nil, name))
	f.Add(snmpwire.AppendBinding(nil, name, snmpwire.AppendOpaqueFloat(nil, 230.5)))
	f.Add(snmpwire.AppendBinding(nil, name, snmpwire.AppendOpaqueDouble(nil, 230.5)))
	f.Add(snmpwire.AppendBinding(nil, name, snmpwire.AppendInt(nil, snmpwire.Integer, -1)))
	f.Add(snmpwire.AppendBinding(nil, name, snmpwire.AppendBytes(nil, snmpwire.OctetString, make([]byte, 300))))
	f.Fuzz(func(t *testing.T, list []byte) {
		checkBindings(t, list)
		for len(list) > 0 {
			b, rest, err := snmpwire.NextBinding(list)
			if err != nil {
				return
			}
			_, _, _ = snmpwire.OpaqueFloat(b.Value)
			written := snmpwire.AppendBinding(nil, b.Name, snmpwire.AppendBytes(nil, b.Tag, b.Value))
			require.LessOrEqual(t, len(written), len(list)-len(rest), "not the shortest")
			again, none, err := snmpwire.NextBinding(written)
			require.NoError(t, err)
			require.Empty(t, none)
			require.True(t, b.Tag == again.Tag && bytes.Equal(b.Name, again.Name) && bytes.Equal(b.Value, again.Value))
			list = rest
		}
	})
}

// FuzzOID reads two object identifiers, and one as text.
func FuzzOID(f *testing.F) {
	for _, text := range []string{"1.3.6.1.2.1.1.3.0", ".2.999", "0.0", "2.4294967215.4294967295"} {
		b, err := snmpwire.AppendOID(nil, text)
		require.NoError(f, err)
		f.Add(b, []byte("\x2b\x06\x01\x82\x80\x00"), text)
	}
	f.Fuzz(func(t *testing.T, a, b []byte, text string) {
		checkOID(t, a)
		checkOID(t, b)
		if snmpwire.CheckOID(a) == nil && snmpwire.CheckOID(b) == nil {
			checkOrder(t, a, b)
		}
		encoded, err := snmpwire.AppendOID(nil, text)
		if err != nil {
			require.Empty(t, encoded)
			return
		}
		checkOID(t, encoded)
		require.Equal(t, text[len(text)-len(snmpwire.AppendOIDText(nil, encoded)):], string(snmpwire.AppendOIDText(nil, encoded)))
	})
}
