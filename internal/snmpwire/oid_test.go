package snmpwire_test

import (
	"cmp"
	"math/big"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/internal/snmpwire"
)

func TestAppendOID(t *testing.T) {
	long := strings.Repeat(".1", snmpwire.MaxArcs)[1:]
	for text, want := range map[string]string{
		"0.0":                   "0.0",
		"0.39":                  "0.39",
		"1.39":                  "1.39",
		"2.40":                  "2.40",
		"2.999.3":               "2.999.3",
		"2.4294967215":          "2.4294967215",
		".1.3.6.1":              "1.3.6.1",
		"1.3.4294967295":        "1.3.4294967295",
		long:                    long,
		"":                      "",
		".":                     "",
		"1":                     "",
		"1.":                    "",
		".1":                    "",
		"..1.3":                 "",
		"1..3":                  "",
		"1.3.":                  "",
		"3.1":                   "",
		"0.40":                  "",
		"1.40":                  "",
		"2.4294967216":          "",
		"1.3.4294967296":        "",
		"1.3.99999999999999999": "",
		"1.03":                  "",
		"01.3":                  "",
		"1.3.-1":                "",
		"1.3.+1":                "",
		"1.3.1_0":               "",
		"1.3.0x1":               "",
		"1.3. 1":                "",
		"iso.3":                 "",
		long + ".1":             "",
	} {
		got, err := snmpwire.AppendOID([]byte("x"), text)
		require.Equal(t, byte('x'), got[0])
		if want == "" {
			assert.ErrorIs(t, err, snmpwire.ErrOID, "%q", text)
			assert.Equal(t, "x", string(got))
			continue
		}
		require.NoError(t, err, "%q", text)
		require.NoError(t, snmpwire.CheckOID(got[1:]), "%q", text)
		assert.Equal(t, "x"+want, string(snmpwire.AppendOIDText([]byte("x"), got[1:])))
	}
}

// checkOID compares contents with the twin.
func checkOID(t testing.TB, b []byte) {
	t.Helper()
	arcs, ok := slowOID(b)
	require.Equal(t, ok, snmpwire.CheckOID(b) == nil, "%x", b)
	if !ok {
		snmpwire.AppendOIDText(nil, b)
		return
	}
	text := snmpwire.AppendOIDText(nil, b)
	require.Equal(t, slowText(arcs), string(text))
	back, err := snmpwire.AppendOID(nil, string(text))
	require.NoError(t, err)
	require.Equal(t, b, back)
	rest := b
	for _, arc := range arcs {
		var got uint32
		got, rest, err = snmpwire.NextArc(rest)
		require.NoError(t, err)
		require.Equal(t, arc.Uint64(), uint64(got))
	}
	require.Empty(t, rest)
}

// checkOrder compares two good ones with the twin.
func checkOrder(t testing.TB, a, b []byte) {
	t.Helper()
	x, _ := slowOID(a)
	y, _ := slowOID(b)
	want := slices.CompareFunc(x, y, (*big.Int).Cmp)
	require.Equal(t, want, cmp.Compare(snmpwire.CompareOID(a, b), 0), "%x %x", a, b)
	require.Equal(t, -want, cmp.Compare(snmpwire.CompareOID(b, a), 0), "%x %x", a, b)
	below := len(x) >= len(y) && slices.EqualFunc(x[:len(y)], y, func(p, q *big.Int) bool { return p.Cmp(q) == 0 })
	require.Equal(t, below, snmpwire.HasPrefix(a, b), "%x %x", a, b)
}

func TestOIDs(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	var last []byte
	for range 5000 {
		// Arcs near those where an encoding grows, so that many agree for a while.
		var b []byte
		for range 1 + random.IntN(20) {
			arc := uint32(1)<<random.IntN(32) + uint32(random.IntN(3)) - 1
			if random.IntN(2) == 0 {
				arc = uint32(random.IntN(4))
			}
			b = snmpwire.AppendArc(b, arc)
		}
		checkOID(t, b)
		if last != nil {
			checkOrder(t, b, last)
			n := random.IntN(len(last))
			if _, ok := slowOID(last[:n]); ok { // a common beginning
				checkOrder(t, last, append(slices.Clip(last[:n]), b...)[:n+len(b)])
			}
		}
		last = slices.Clone(b)
		for range 2 {
			b[random.IntN(len(b))] = [...]byte{0x80, 0x81, 0x8f, 0x90, 0xff, 0, 0x7f}[random.IntN(7)]
			checkOID(t, b)
		}
	}
	for n := snmpwire.MaxArcs - 3; n < snmpwire.MaxArcs+10; n++ {
		checkOID(t, make([]byte, n))
	}
	checkOID(t, nil)
	// One octet with its top bit, at each place of each length.
	for n := range 40 {
		b := make([]byte, n)
		for i := range b {
			for _, c := range []byte{0x80, 0x81} {
				b[i] = c
				checkOID(t, b)
			}
			b[i] = 0
		}
	}
}
