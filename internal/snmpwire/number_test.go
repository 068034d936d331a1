package snmpwire_test

import (
	"bytes"
	"encoding/hex"
	"math"
	"math/big"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/internal/snmpwire"
)

// TestLeniency holds what is accepted beyond the rules, and what is not.
func TestLeniency(t *testing.T) {
	for _, v := range []struct {
		contents string
		want     uint64
		bits     int // the shortest type that takes it; 0: none
	}{
		{"", 0, 0},
		{"00", 0, 32},
		{"ff", 255, 32},
		{"00ff", 255, 32},
		{"ffffffff", math.MaxUint32, 32},
		{"00ffffffff", math.MaxUint32, 32},
		{"0000000000ffffffff", math.MaxUint32, 32},
		{"0100000000", 1 << 32, 64},
		{"8000000000", 1 << 39, 64},
		{"ffffffffffffffff", math.MaxUint64, 64},
		{"00ffffffffffffffff", math.MaxUint64, 64},
		{"0000ffffffffffffffff", math.MaxUint64, 64},
		{"01ffffffffffffffff", 0, 0},
		{"ffffffffffffffffff", 0, 0},
	} {
		b, err := hex.DecodeString(v.contents)
		require.NoError(t, err)
		got, err := snmpwire.Uint64(b)
		assert.Equal(t, v.bits != 0, err == nil, v.contents)
		if err == nil {
			assert.Equal(t, v.want, got, v.contents)
		}
		_, err = snmpwire.Uint32(b)
		assert.Equal(t, v.bits == 32, err == nil, v.contents)
	}
}

// checkNumbers compares the readers of numbers with their twins.
func checkNumbers(t testing.TB, b []byte) {
	t.Helper()
	signed, unsigned := new(big.Int), new(big.Int).SetBytes(b)
	if len(b) > 0 {
		signed = slowSigned(b)
	}
	i64, err := snmpwire.Int64(b)
	require.Equal(t, len(b) > 0 && signed.IsInt64(), err == nil, "%x", b)
	if err == nil {
		require.Equal(t, signed.Int64(), i64, "%x", b)
	}
	i32, err := snmpwire.Int(b)
	require.Equal(t, len(b) > 0 && signed.IsInt64() && int64(int32(signed.Int64())) == signed.Int64(), err == nil, "%x", b)
	if err == nil {
		require.Equal(t, signed.Int64(), int64(i32), "%x", b)
	}
	u64, err := snmpwire.Uint64(b)
	require.Equal(t, len(b) > 0 && unsigned.IsUint64(), err == nil, "%x", b)
	if err == nil {
		require.Equal(t, unsigned.Uint64(), u64, "%x", b)
	}
	u32, err := snmpwire.Uint32(b)
	require.Equal(t, len(b) > 0 && unsigned.BitLen() <= 32, err == nil, "%x", b)
	if err == nil {
		require.Equal(t, unsigned.Uint64(), uint64(u32), "%x", b)
	}
}

// checkWritten reads a number back, and wants it as short as can be.
func checkWritten(t testing.TB, v uint64) {
	t.Helper()
	prefix := []byte{9}
	b := snmpwire.AppendUint(prefix, snmpwire.Counter64, v)[1:]
	tag, contents, rest, err := snmpwire.Read(b)
	require.NoError(t, err)
	require.Equal(t, snmpwire.Counter64, tag)
	require.Empty(t, rest)
	require.Zero(t, new(big.Int).SetUint64(v).Cmp(slowSigned(contents)), "%x", b)
	require.Equal(t, new(big.Int).SetUint64(v).BitLen()/8+1, len(contents))
	got, err := snmpwire.Uint64(contents)
	require.NoError(t, err)
	require.Equal(t, v, got)

	b = snmpwire.AppendInt(prefix, snmpwire.Integer, int64(v))[1:]
	_, contents, _, err = snmpwire.Read(b)
	require.NoError(t, err)
	signed, err := snmpwire.Int64(contents)
	require.NoError(t, err)
	require.Equal(t, int64(v), signed)
	if len(contents) > 1 {
		require.False(t, contents[0] == 0 && contents[1] < 0x80 || contents[0] == 0xff && contents[1] >= 0x80, "%x is not the shortest", b)
	}
}

func TestNumbers(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for shift := range 64 {
		for d := range uint64(5) {
			checkWritten(t, 1<<shift+d-2)
			checkWritten(t, -(1<<shift + d - 2))
		}
	}
	for range 20000 {
		checkWritten(t, random.Uint64()>>random.IntN(64))
		b := make([]byte, random.IntN(14))
		for i := range b {
			b[i] = [...]byte{0, 0xff, 0x7f, 0x80, byte(random.Uint32())}[random.IntN(5)]
		}
		checkNumbers(t, b)
	}
}

func TestOpaqueFloat(t *testing.T) {
	for _, v := range []float64{0, math.Copysign(0, -1), 1.5, -math.MaxFloat32, math.SmallestNonzeroFloat32, math.Inf(1)} {
		for bits, b := range map[int][]byte{32: snmpwire.AppendOpaqueFloat(nil, float32(v)), 64: snmpwire.AppendOpaqueDouble(nil, v)} {
			tag, contents, rest, err := snmpwire.Read(b)
			require.NoError(t, err)
			require.Empty(t, rest)
			require.Equal(t, snmpwire.Opaque, tag)
			got, size, err := snmpwire.OpaqueFloat(contents)
			require.NoError(t, err)
			require.Equal(t, bits, size)
			require.Equal(t, math.Float64bits(v), math.Float64bits(got))
			for i := range contents {
				_, _, err := snmpwire.OpaqueFloat(contents[:i])
				require.Error(t, err)
			}
			_, _, err = snmpwire.OpaqueFloat(append(bytes.Clone(contents), 0))
			require.ErrorIs(t, err, snmpwire.ErrTrailing)
		}
	}
	got, _, err := snmpwire.OpaqueFloat([]byte("\x9f\x78\x04\x42\xf6\xe9\x79")) // what net-snmp sends for 123.456
	require.NoError(t, err)
	require.Equal(t, float64(float32(123.456)), got)
	for contents, want := range map[string]error{
		"":                 snmpwire.ErrTruncated,
		"\x04\x01x":        snmpwire.ErrTag,
		"\x9f\x76\x01\x05": snmpwire.ErrTag, // a Counter64
		"\x9f\x78\x08\x00\x00\x00\x00\x00\x00\x00\x00": snmpwire.ErrRange,
		"\x9f\x79\x04\x00\x00\x00\x00":                 snmpwire.ErrRange,
		"\x9f\x78\x00":                                 snmpwire.ErrRange,
	} {
		_, _, err := snmpwire.OpaqueFloat([]byte(contents))
		require.ErrorIs(t, err, want, "%x", contents)
	}
}
