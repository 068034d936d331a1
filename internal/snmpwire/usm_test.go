package snmpwire_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/des"
	"crypto/fips140"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/internal/snmpwire"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	require.NoError(t, err)
	return b
}

// TestKeyLocalization holds the examples of RFC 3414, A.3.1, A.3.2 and A.5.
func TestKeyLocalization(t *testing.T) {
	engine := unhex(t, "000000000000000000000002")
	for _, v := range []struct {
		auth              snmpwire.Auth
		password          string
		master, localized string
	}{
		{snmpwire.MD5, "maplesyrup", "9faf3283884e92834ebc9847d8edd963", "526f5eed9fcce26f8964c2930787d82b"},
		{snmpwire.SHA1, "maplesyrup", "9fb5cc0381497b3793528939ff788d5d79145211", "6695febc9288e36282235fc7151f128497b38f3f"},
		{snmpwire.MD5, "newsyrup", "", "87021d7bd9d101ba05ea6e3bf9d9bd4a"},
		{snmpwire.SHA1, "newsyrup", "", "78e2dcce79d59403b58c1bbaa5bff46391f1cd25"},
	} {
		master, err := snmpwire.MasterKey(v.auth, []byte(v.password))
		require.NoError(t, err)
		if v.master != "" {
			assert.Equal(t, v.master, hex.EncodeToString(master))
		}
		localized, err := snmpwire.Localize(v.auth, master, engine)
		require.NoError(t, err)
		assert.Equal(t, v.localized, hex.EncodeToString(localized), "%s %s", v.auth, v.password)
	}
}

// TestKeyExtension holds the examples of draft-reeder-snmpv3-usm-3desede-00, appendix
// B, as far as AES-256 needs them.
func TestKeyExtension(t *testing.T) {
	engine := unhex(t, "000000000000000000000002")
	for _, v := range []struct {
		auth snmpwire.Auth
		want string
	}{
		{snmpwire.MD5, "526f5eed9fcce26f8964c2930787d82b79eff44a90650ee0a3a40abfac5acc12"},
		{snmpwire.SHA1, "6695febc9288e36282235fc7151f128497b38f3f9b8b6d78936ba6e7d19dfd9c"},
	} {
		master, err := snmpwire.MasterKey(v.auth, []byte("maplesyrup"))
		require.NoError(t, err)
		key, err := snmpwire.PrivacyKey(v.auth, snmpwire.AES256Reeder, master, engine)
		require.NoError(t, err)
		assert.Equal(t, v.want, hex.EncodeToString(key))
		// The shorter keys are its beginning, and Blumenthal's agree as far as the
		// hash reaches.
		short, err := snmpwire.PrivacyKey(v.auth, snmpwire.AES192Reeder, master, engine)
		require.NoError(t, err)
		assert.Equal(t, key[:24], short)
		other, err := snmpwire.PrivacyKey(v.auth, snmpwire.AES256, master, engine)
		require.NoError(t, err)
		assert.Equal(t, key[:v.auth.KeySize()], other[:v.auth.KeySize()])
		assert.NotEqual(t, key, other)
	}
}

func TestKeysAreRefused(t *testing.T) {
	_, err := snmpwire.MasterKey(snmpwire.SHA1, []byte("7 bytes"))
	require.ErrorIs(t, err, snmpwire.ErrPassword)
	_, err = snmpwire.MasterKey(snmpwire.NoAuth, []byte("long enough"))
	require.ErrorIs(t, err, snmpwire.ErrLevel)
	_, err = snmpwire.MasterKey(7, []byte("long enough"))
	require.ErrorIs(t, err, snmpwire.ErrLevel)
	_, err = snmpwire.Localize(snmpwire.MD5, make([]byte, 15), nil)
	require.ErrorIs(t, err, snmpwire.ErrKey)
	_, err = snmpwire.Localize(snmpwire.NoAuth, nil, nil)
	require.ErrorIs(t, err, snmpwire.ErrLevel)
	_, err = snmpwire.PrivacyKey(snmpwire.MD5, snmpwire.NoPriv, make([]byte, 16), nil)
	require.ErrorIs(t, err, snmpwire.ErrLevel)
	_, err = snmpwire.PrivacyKey(snmpwire.MD5, snmpwire.AES256, make([]byte, 20), nil)
	require.ErrorIs(t, err, snmpwire.ErrKey)
	for a := snmpwire.NoAuth; a <= snmpwire.SHA512+1; a++ {
		for p := snmpwire.NoPriv; p <= snmpwire.AES256Reeder+1; p++ {
			k, err := snmpwire.NewKeys(a, make([]byte, a.KeySize()), p, make([]byte, p.KeySize()))
			switch {
			case !a.Valid() || !p.Valid() || (a == snmpwire.NoAuth && p != snmpwire.NoPriv):
				require.ErrorIs(t, err, snmpwire.ErrLevel)
			default:
				require.NoError(t, err)
				assert.NotContains(t, fmt.Sprintf("%v %+v %#v %x %d %s %q", k, *k, k, *k, k, k, k), "0 0")
			}
			if a.Valid() && p.Valid() {
				_, err = snmpwire.NewKeys(a, make([]byte, a.KeySize()+1), p, make([]byte, p.KeySize()))
				require.Error(t, err)
				_, err = snmpwire.NewKeys(a, make([]byte, a.KeySize()), p, make([]byte, p.KeySize()+1))
				require.Error(t, err)
			}
		}
	}
}

// TestForbidden runs itself once more in FIPS 140-only mode, where some protocols must
// be refused and must not end the process.
func TestForbidden(t *testing.T) {
	if !fips140.Enforced() {
		again := exec.Command(os.Args[0], "-test.run=^TestForbidden$")
		again.Env = append(os.Environ(), "GODEBUG=fips140=only")
		out, err := again.CombinedOutput()
		require.NoError(t, err, "%s", out)
		return
	}
	for a := snmpwire.MD5; a.Valid(); a++ {
		_, err := snmpwire.MasterKey(a, []byte(authPassword))
		_, localizing := snmpwire.Localize(a, make([]byte, a.KeySize()), engineID)
		_, plain := snmpwire.NewKeys(a, make([]byte, a.KeySize()), snmpwire.NoPriv, nil)
		if a <= snmpwire.SHA1 {
			require.ErrorIs(t, err, snmpwire.ErrForbidden)
			require.ErrorIs(t, localizing, snmpwire.ErrForbidden)
			require.ErrorIs(t, plain, snmpwire.ErrForbidden)
			continue
		}
		require.NoError(t, errors.Join(err, localizing, plain))
		_, err = snmpwire.NewKeys(a, make([]byte, a.KeySize()), snmpwire.DES, make([]byte, 16))
		require.ErrorIs(t, err, snmpwire.ErrForbidden)
		k := keys(t, a, snmpwire.AES256, engineID)
		b, err := answer(t, k.Level(), 2).Append(nil, k)
		require.NoError(t, err)
		require.NoError(t, open(b, nil, k))
	}
}

const (
	authPassword = "an authentic password"
	privPassword = "a private password"
)

var engineID = []byte("\x80\x00\x1f\x88\x80\x01\x02\x03\x04\x05")

// keys are those of a user with both passwords above.
func keys(t testing.TB, a snmpwire.Auth, p snmpwire.Priv, engine []byte) *snmpwire.Keys {
	t.Helper()
	var authKey, privKey []byte
	if a != snmpwire.NoAuth {
		master, err := snmpwire.MasterKey(a, []byte(authPassword))
		require.NoError(t, err)
		authKey, err = snmpwire.Localize(a, master, engine)
		require.NoError(t, err)
	}
	if p != snmpwire.NoPriv {
		master, err := snmpwire.MasterKey(a, []byte(privPassword))
		require.NoError(t, err)
		privKey, err = snmpwire.PrivacyKey(a, p, master, engine)
		require.NoError(t, err)
	}
	k, err := snmpwire.NewKeys(a, authKey, p, privKey)
	require.NoError(t, err)
	return k
}

// combinations calls f for each pair of protocols that makes sense.
func combinations(t *testing.T, f func(t *testing.T, a snmpwire.Auth, p snmpwire.Priv)) {
	for a := snmpwire.NoAuth; a.Valid(); a++ {
		for p := snmpwire.NoPriv; p.Valid(); p++ {
			if a == snmpwire.NoAuth && p != snmpwire.NoPriv {
				continue
			}
			t.Run(fmt.Sprintf("%s/%s", a, p), func(t *testing.T) { f(t, a, p) })
		}
	}
}

// answer is a message of n bindings.
func answer(t testing.TB, level snmpwire.Flags, n int) *snmpwire.MessageV3 {
	t.Helper()
	return &snmpwire.MessageV3{
		ID: 4711, MaxSize: 65507, Flags: level, Model: snmpwire.USM,
		EngineID: engineID, Boots: 3, Time: 1234567, User: []byte("reader"),
		Scoped: snmpwire.ScopedPDU{ContextEngineID: engineID, ContextName: []byte("feed A"), PDU: snmpwire.PDU{
			Type: snmpwire.Response, RequestID: 42, Bindings: bindings(t, n),
		}},
	}
}

// bindings are n counters of an interface table.
func bindings(t testing.TB, n int) []byte {
	t.Helper()
	var list []byte
	for i := range n {
		name, err := snmpwire.AppendOID(nil, fmt.Sprintf("1.3.6.1.2.1.31.1.1.1.6.%d", i+1))
		require.NoError(t, err)
		list = snmpwire.AppendBinding(list, name, snmpwire.AppendUint(nil, snmpwire.Counter64, 1<<40+uint64(i)))
	}
	return list
}

func TestSecuredRoundTrip(t *testing.T) {
	combinations(t, func(t *testing.T, a snmpwire.Auth, p snmpwire.Priv) {
		k := keys(t, a, p, engineID)
		// Every length of padding.
		for n := range 12 {
			m := answer(t, k.Level(), 3)
			m.Scoped.ContextName = bytes.Repeat([]byte{'c'}, n)
			prefix := []byte("before")
			b, err := m.Append(prefix, k)
			require.NoError(t, err)
			require.Equal(t, "before", string(b[:6]))
			b = b[6:]
			size, err := snmpwire.Size(b[:6])
			require.NoError(t, err)
			require.Len(t, b, size)

			var got snmpwire.MessageV3
			require.NoError(t, got.Parse(b))
			if a != snmpwire.NoAuth {
				require.NoError(t, k.Verify(b, &got))
			} else {
				require.ErrorIs(t, k.Verify(b, &got), snmpwire.ErrLevel)
			}
			before := bytes.Clone(b)
			if p != snmpwire.NoPriv {
				require.NotContains(t, string(b), string(m.Scoped.PDU.Bindings))
				plain, err := k.Decrypt([]byte("kept"), &got)
				require.NoError(t, err)
				require.Equal(t, "kept", string(plain[:4]))
				require.Equal(t, before, b, "Decrypt wrote into the message")
			}
			require.Equal(t, m.Scoped, got.Scoped)
			require.Equal(t, []any{m.ID, m.MaxSize, m.Flags, m.Model, m.EngineID, m.Boots, m.Time, m.User},
				[]any{got.ID, got.MaxSize, got.Flags, got.Model, got.EngineID, got.Boots, got.Time, got.User})
			if p != snmpwire.NoPriv {
				_, err := k.Decrypt(got.Ciphertext[:0], &got) // in place
				require.NoError(t, err)
				require.Equal(t, m.Scoped, got.Scoped)
			}
		}
	})
}

// TestForgery flips every bit of authentic messages: none may pass, and none may
// panic.
func TestForgery(t *testing.T) {
	combinations(t, func(t *testing.T, a snmpwire.Auth, p snmpwire.Priv) {
		if a == snmpwire.NoAuth {
			return
		}
		k := keys(t, a, p, engineID)
		b, err := answer(t, k.Level(), 1).Append(nil, k)
		require.NoError(t, err)
		for i := range b {
			for bit := range 8 {
				b[i] ^= 1 << bit
				var m snmpwire.MessageV3
				if m.Parse(b) == nil && k.Verify(b, &m) == nil {
					t.Fatalf("octet %d bit %d: forged message verified", i, bit)
				}
				if m.Flags&snmpwire.Private != 0 {
					_, _ = k.Decrypt(nil, &m)
				}
				b[i] ^= 1 << bit
			}
			var m snmpwire.MessageV3
			require.Error(t, m.Parse(b[:i]))
		}
		// The keys of another engine, and those of another protocol.
		var m snmpwire.MessageV3
		require.NoError(t, m.Parse(b))
		require.NoError(t, k.Verify(b, &m))
		require.ErrorIs(t, keys(t, a, p, []byte("another engine")).Verify(b, &m), snmpwire.ErrDigest)
		require.ErrorIs(t, keys(t, a%snmpwire.SHA512+1, p, engineID).Verify(b, &m), snmpwire.ErrDigest)
		// A message that is not the one parsed.
		require.ErrorIs(t, k.Verify(b[:20], &m), snmpwire.ErrDigest)
		require.ErrorIs(t, k.Verify(b, &snmpwire.MessageV3{}), snmpwire.ErrDigest)
	})
}

// TestAppendWithoutKeys wants no message sent below the level it claims.
func TestAppendWithoutKeys(t *testing.T) {
	auth := keys(t, snmpwire.SHA256, snmpwire.NoPriv, engineID)
	full := keys(t, snmpwire.SHA256, snmpwire.AES128, engineID)
	for _, v := range []struct {
		level snmpwire.Flags
		keys  *snmpwire.Keys
	}{
		{snmpwire.Authenticated, nil},
		{snmpwire.Authenticated, keys(t, snmpwire.NoAuth, snmpwire.NoPriv, nil)},
		{snmpwire.Authenticated | snmpwire.Private, nil},
		{snmpwire.Authenticated | snmpwire.Private, auth},
		{snmpwire.Private, full},
	} {
		b, err := answer(t, v.level, 1).Append([]byte("x"), v.keys)
		require.ErrorIs(t, err, snmpwire.ErrLevel)
		require.Equal(t, "x", string(b))
	}
	m := answer(t, snmpwire.Reportable, 1)
	b, err := m.Append(nil, full)
	require.NoError(t, err)
	var got snmpwire.MessageV3
	require.NoError(t, got.Parse(b))
	require.Empty(t, got.AuthParams)
	got.PrivacyParams = make([]byte, 8)
	_, err = full.Decrypt(nil, &got)
	require.ErrorIs(t, err, snmpwire.ErrDecrypt)
	require.Equal(t, m.Scoped, got.Scoped, "what came in the clear was lost")
	_, err = auth.Decrypt(nil, &got)
	require.ErrorIs(t, err, snmpwire.ErrLevel)
}

// TestCiphers compares with the block modes of the standard library, one of them
// deprecated there.
func TestCiphers(t *testing.T) {
	master := bytes.Repeat([]byte{7}, 32)
	for p := snmpwire.DES; p.Valid(); p++ {
		key, err := snmpwire.PrivacyKey(snmpwire.SHA256, p, master, engineID)
		require.NoError(t, err)
		k, err := snmpwire.NewKeys(snmpwire.SHA256, master, p, key)
		require.NoError(t, err)
		for n := range 40 {
			m := answer(t, k.Level(), 1)
			m.Scoped.ContextName = bytes.Repeat([]byte{'c'}, n)
			b, err := m.Append(nil, k)
			require.NoError(t, err)
			var got snmpwire.MessageV3
			require.NoError(t, got.Parse(b))
			plain := make([]byte, len(got.Ciphertext))
			if p == snmpwire.DES {
				require.Equal(t, uint32(m.Boots), binary.BigEndian.Uint32(got.PrivacyParams))
				iv := make([]byte, 8)
				for i := range iv {
					iv[i] = got.PrivacyParams[i] ^ key[8+i]
				}
				block, err := des.NewCipher(key[:8])
				require.NoError(t, err)
				cipher.NewCBCDecrypter(block, iv).CryptBlocks(plain, got.Ciphertext)
			} else {
				iv := binary.BigEndian.AppendUint32(nil, uint32(m.Boots))
				iv = binary.BigEndian.AppendUint32(iv, uint32(m.Time))
				block, err := aes.NewCipher(key)
				require.NoError(t, err)
				decryptCFB(block, append(iv, got.PrivacyParams...), plain, got.Ciphertext)
			}
			ours, err := k.Decrypt(nil, &got)
			require.NoError(t, err)
			require.Equal(t, plain, ours)
			require.Equal(t, m.Scoped, got.Scoped)
		}
	}
}

// decryptCFB is CFB-128 said octet by octet.
func decryptCFB(block cipher.Block, iv, plain, ciphertext []byte) {
	stream := make([]byte, 16)
	for i := range ciphertext {
		if i%16 == 0 {
			block.Encrypt(stream, iv)
		}
		plain[i] = ciphertext[i] ^ stream[i%16]
		iv[i%16] = ciphertext[i]
	}
}

// TestSaltsDiffer wants no salt twice, neither of one holder nor of two.
func TestSaltsDiffer(t *testing.T) {
	for p := snmpwire.DES; p.Valid(); p++ {
		seen := map[string]bool{}
		for range 2 {
			k := keys(t, snmpwire.SHA1, p, engineID)
			for range 100 {
				b, err := answer(t, k.Level(), 1).Append(nil, k)
				require.NoError(t, err)
				var m snmpwire.MessageV3
				require.NoError(t, m.Parse(b))
				require.False(t, seen[string(m.PrivacyParams)])
				seen[string(m.PrivacyParams)] = true
			}
		}
	}
}

// TestDecryptRefuses wants an error for what cannot be a ciphertext.
func TestDecryptRefuses(t *testing.T) {
	for _, p := range []snmpwire.Priv{snmpwire.DES, snmpwire.AES128} {
		k := keys(t, snmpwire.SHA1, p, engineID)
		b, err := answer(t, k.Level(), 2).Append(nil, k)
		require.NoError(t, err)
		var good snmpwire.MessageV3
		require.NoError(t, good.Parse(b))
		for name, change := range map[string]func(m *snmpwire.MessageV3){
			"no salt":    func(m *snmpwire.MessageV3) { m.PrivacyParams = nil },
			"short salt": func(m *snmpwire.MessageV3) { m.PrivacyParams = m.PrivacyParams[:7] },
			"other salt": func(m *snmpwire.MessageV3) { m.PrivacyParams = []byte("otherone") },
			"empty":      func(m *snmpwire.MessageV3) { m.Ciphertext = nil },
			"cut":        func(m *snmpwire.MessageV3) { m.Ciphertext = m.Ciphertext[:len(m.Ciphertext)-16] },
			"odd":        func(m *snmpwire.MessageV3) { m.Ciphertext = m.Ciphertext[:17] },
			"long":       func(m *snmpwire.MessageV3) { m.Ciphertext = append(bytes.Clone(m.Ciphertext), make([]byte, 24)...) },
		} {
			m := good
			change(&m)
			dst, err := k.Decrypt([]byte("x"), &m)
			require.ErrorIs(t, err, snmpwire.ErrDecrypt, name)
			require.Equal(t, byte('x'), dst[0])
			require.Zero(t, m.Scoped)
		}
		if p == snmpwire.DES {
			good.Ciphertext = append(good.Ciphertext, 0) // no whole block
			_, err := k.Decrypt(nil, &good)
			require.ErrorIs(t, err, snmpwire.ErrDecrypt)
		}
	}
}
