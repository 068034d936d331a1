package opcua_test

import (
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/drivers/opcua"
	"github.com/fieldtap/fieldtap/internal/uabin"
	"github.com/fieldtap/fieldtap/units"
)

// encoded makes a DataValue of an Int32, with source and server times of nanoseconds
// since 1970; 0 leaves one out.
func encoded(n int32, status uint32, source, server int64) []byte {
	le := binary.LittleEndian
	b := []byte{1}
	b = le.AppendUint32(append(b, byte(uabin.TypeInt32)), uint32(n))
	if status != 0 {
		b[0] |= 2
		b = le.AppendUint32(b, status)
	}
	if source != 0 {
		b[0] |= 4
		b = le.AppendUint64(b, uint64(uabin.FromUnix(source)))
	}
	if server != 0 {
		b[0] |= 8
		b = le.AppendUint64(b, uint64(uabin.FromUnix(server)))
	}
	return b
}

func decoderPoints() []opcua.Point {
	return []opcua.Point{
		{Name: "quarter", Node: "ns=2;s=x", Scale: units.Scale{Den: 4}},
		{Name: "whole", Node: "ns=2;s=x", Kind: acquire.KindInt64, Poll: true},
		{Name: "by URI", Node: "nsu=urn:plant;s=x", Kind: acquire.KindInt64},
	}
}

// Values become the samples that a Source would have made.
func TestDecoder(t *testing.T) {
	catalog := acquire.NewCatalog()
	d, err := opcua.NewDecoder(catalog, decoderPoints())
	require.NoError(t, err)
	require.Len(t, d.Points(), 3)
	var b acquire.Batch
	lines := func() (lines []string) {
		for _, s := range b.Samples {
			lines = append(lines, string(catalog.AppendSample(nil, s, &b)))
		}
		b.Reset()
		return lines
	}
	const second = 1_000_000_000
	require.NoError(t, d.Decode(&b, "ns=2;s=x", encoded(7, 0, 100*second, 101*second), 500*second, opcua.NotifiedFirst))
	assert.Equal(t, []string{"1970-01-01T00:01:40Z quarter 1.75 good [source time]", "1970-01-01T00:01:40Z whole 7 good [source time]"}, lines())
	assert.True(t, d.Has("ns=2;s=x"))
	assert.False(t, d.Has("i=1"))
	require.NoError(t, d.Decode(&b, "i=1", []byte("rubbish"), 1, opcua.Polled), "nobody wants it")
	assert.Empty(t, lines())

	d.Namespaces([]string{"http://opcfoundation.org/UA/", "urn:other", "urn:plant"})
	// Read once more, the value is confirmed at the server's time.
	require.NoError(t, d.Decode(&b, "ns=2;s=x", encoded(7, 0, 100*second, 110*second), 500*second, opcua.Polled))
	assert.Equal(t, []string{
		"1970-01-01T00:01:50Z quarter 1.75 good [source time]", "1970-01-01T00:01:50Z whole 7 good [source time]",
		"1970-01-01T00:01:40Z by URI 7 good [source time]",
	}, lines())
	d.Namespaces([]string{"http://opcfoundation.org/UA/"})

	d.Gap()
	require.NoError(t, d.Decode(&b, "ns=2;s=x", encoded(8, 0x80340000, 0, 0), 50*second, opcua.Notified))
	assert.Equal(t, []string{
		"1970-01-01T00:00:50Z quarter - bad: not found (code 32820) [overflow, time backwards]",
		"1970-01-01T00:00:50Z whole - bad: not found (code 32820) [overflow, time backwards]",
	}, lines())
	d.Fail(&b, "ns=2;s=x", acquire.Bad.Because(acquire.Communication), 120*second)
	assert.Equal(t, []string{"1970-01-01T00:02:00Z quarter - bad: communication", "1970-01-01T00:02:00Z whole - bad: communication"}, lines())
	for _, broken := range [][]byte{nil, {1}, append(encoded(1, 0, 0, 0), 0)} {
		require.ErrorIs(t, d.Decode(&b, "ns=2;s=x", broken, 130*second, opcua.Polled), opcua.ErrNotDataValue)
		assert.Equal(t, []string{"1970-01-01T00:02:10Z quarter - bad: protocol", "1970-01-01T00:02:10Z whole - bad: protocol"}, lines())
	}

	_, err = opcua.NewDecoder(nil, []opcua.Point{{Name: "a", Node: "x"}, {Name: "a", Node: "i=1"}, {Node: "i=2"}})
	for _, want := range []string{"opcua: no catalog", `point "a"`, `"a" is given twice`, "has no name"} {
		require.ErrorContains(t, err, want)
	}
}

func TestDecoderAllocs(t *testing.T) {
	d, err := opcua.NewDecoder(acquire.NewCatalog(), decoderPoints())
	require.NoError(t, err)
	var b acquire.Batch
	value := encoded(7, 0, 100, 200)
	assert.Zero(t, testing.AllocsPerRun(100, func() {
		b.Reset()
		if err := d.Decode(&b, "ns=2;s=x", value, 1, opcua.Notified); err != nil || len(b.Samples) != 2 {
			t.Error(err)
		}
	}))
}

// No bytes, however broken, make a value that is good and none, or bad and one.
func FuzzDecoder(f *testing.F) {
	f.Add(encoded(7, 0, 1e18, 1e18))
	f.Add(encoded(7, 0x80340000, 0, 0))
	f.Add([]byte{})
	d, err := opcua.NewDecoder(acquire.NewCatalog(), decoderPoints())
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, value []byte) {
		var b acquire.Batch
		_ = d.Decode(&b, "ns=2;s=x", value, 1, opcua.Polled)
		require.Len(t, b.Samples, 2)
		for _, s := range b.Samples {
			require.Equal(t, s.Quality.IsBad(), s.Value.IsNone())
		}
	})
}
