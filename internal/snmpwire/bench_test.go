package snmpwire_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/internal/snmpwire"
)

func response(t testing.TB, n int) []byte {
	m := snmpwire.Message{Version: snmpwire.V2c, Community: []byte("public"), PDU: snmpwire.PDU{
		Type: snmpwire.Response, RequestID: 1 << 30, Bindings: bindings(t, n),
	}}
	return m.Append(nil)
}

// walk reads all of a response as a driver does.
func walk(b []byte) (sum uint64, err error) {
	var m snmpwire.Message
	if err := m.Parse(b); err != nil {
		return 0, err
	}
	for list := m.PDU.Bindings; len(list) > 0; {
		var v snmpwire.Binding
		if v, list, err = snmpwire.NextBinding(list); err != nil {
			return 0, err
		}
		n, err := snmpwire.Uint64(v.Value)
		if err != nil {
			return 0, err
		}
		sum += n
	}
	return sum, nil
}

// BenchmarkWalk reads a response of 50 bindings; the time per binding is reported.
func BenchmarkWalk(b *testing.B) {
	msg := response(b, 50)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := walk(msg); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/50, "ns/binding")
}

func BenchmarkNextBinding(b *testing.B) {
	list := bindings(b, 50)
	b.ReportAllocs()
	for b.Loop() {
		for rest := list; len(rest) > 0; {
			var err error
			if _, rest, err = snmpwire.NextBinding(rest); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/50, "ns/binding")
}

// BenchmarkSecured opens an answer of 50 bindings: parse, verify and decrypt.
func BenchmarkSecured(b *testing.B) {
	for _, v := range []struct {
		name string
		auth snmpwire.Auth
		priv snmpwire.Priv
	}{
		{"noAuth", snmpwire.NoAuth, snmpwire.NoPriv},
		{"MD5-DES", snmpwire.MD5, snmpwire.DES},
		{"SHA1-AES128", snmpwire.SHA1, snmpwire.AES128},
		{"SHA256", snmpwire.SHA256, snmpwire.NoPriv},
		{"SHA256-AES128", snmpwire.SHA256, snmpwire.AES128},
		{"SHA512-AES256", snmpwire.SHA512, snmpwire.AES256},
	} {
		b.Run(v.name, func(b *testing.B) {
			k := keys(b, v.auth, v.priv, engineID)
			msg, err := answer(b, k.Level(), 50).Append(nil, k)
			require.NoError(b, err)
			plain := make([]byte, 0, len(msg))
			b.ReportAllocs()
			for b.Loop() {
				if err := open(msg, plain, k); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// open reads a secured message as a session does.
func open(b, plain []byte, k *snmpwire.Keys) error {
	var m snmpwire.MessageV3
	if err := m.Parse(b); err != nil {
		return err
	}
	level := k.Level()
	if level&snmpwire.Authenticated != 0 {
		if err := k.Verify(b, &m); err != nil {
			return err
		}
	}
	if level&snmpwire.Private != 0 {
		if _, err := k.Decrypt(plain, &m); err != nil {
			return err
		}
	}
	return nil
}
