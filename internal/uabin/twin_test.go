package uabin_test

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/internal/uabin"
)

func TestTime(t *testing.T) {
	at := time.Date(2026, 11, 23, 12, 0, 0, 123_456_700, time.UTC)
	ns, ok := uabin.FromUnix(at.UnixNano()).Unix()
	require.True(t, ok)
	assert.Equal(t, at.UnixNano(), ns)
	for _, none := range []uabin.Time{0, -1, math.MaxInt64, math.MinInt64, 1} {
		_, ok := none.Unix()
		assert.False(t, ok, none)
	}
	assert.Equal(t, uabin.Time(116_444_736_000_000_000-1), uabin.FromUnix(-1))
}

func TestMatrix(t *testing.T) {
	// Int16[2][3], then the same with dimensions that do not fit, then a Byte.
	good := []byte{0xC4, 6, 0, 0, 0, 1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 0, 2, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0}
	r := uabin.NewReader(good)
	v := r.Variant()
	require.NoError(t, r.End())
	assert.False(t, v.Malformed)
	assert.Equal(t, 6, v.Length)
	e := v.Elements()
	for i := range 6 {
		assert.EqualValues(t, i+1, e.Element(uabin.TypeInt16).Bits)
	}
	require.NoError(t, e.End())

	for _, dims := range [][2]byte{{2, 4}, {0, 0}, {255, 255}} {
		bad := append([]byte(nil), good...)
		bad[21], bad[25] = dims[0], dims[1]
		bad = append(bad, 3, 77)
		r := uabin.NewReader(bad)
		assert.True(t, r.Variant().Malformed)
		next := r.Variant()
		require.NoError(t, r.End())
		assert.EqualValues(t, 77, next.Bits)
	}
}

func TestDepth(t *testing.T) {
	// A variant of an array of one variant, and so on.
	var deep []byte
	for range 10_000 {
		deep = append(deep, 0x98, 1, 0, 0, 0)
	}
	r := uabin.NewReader(deep)
	r.Variant()
	require.ErrorIs(t, r.Err(), uabin.ErrDepth)
	var diagnostics []byte
	for range 10_000 {
		diagnostics = append(diagnostics, 0x40)
	}
	r = uabin.NewReader(diagnostics)
	r.SkipDiagnostic()
	require.ErrorIs(t, r.Err(), uabin.ErrDepth)
}

func TestLengths(t *testing.T) {
	for _, b := range [][]byte{
		{0x8B, 0xFF, 0xFF, 0xFF, 0x7F},                           // 2^31-1 doubles
		{0x8B, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0},               // two, and room for one
		{0x0C, 5, 0, 0, 0, 'a'},                                  // a string
		{0xC6, 0, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0x7F, 1, 0, 0, 0},   // dimensions
		{0x80 | 22, 0xFF, 0xFF, 0xFF, 0x0F, 0, 0, 0, 0, 0, 0, 0}, // extension objects
	} {
		r := uabin.NewReader(b)
		r.Variant()
		assert.ErrorIs(t, r.Err(), uabin.ErrLength, "% x", b)
	}
	r := uabin.NewReader([]byte{0x8B, 0xFE, 0xFF, 0xFF, 0xFF}) // length -2 is a null array
	v := r.Variant()
	require.NoError(t, r.End())
	assert.Zero(t, v.Length)
}

func FuzzVariant(f *testing.F) {
	f.Add([]byte{0xC4, 6, 0, 0, 0, 1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 0, 2, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		r := uabin.NewReader(b)
		v := r.Variant()
		if r.Err() != nil {
			return
		}
		if v.Array {
			e := v.Elements()
			for range v.Length {
				e.Element(v.Type)
			}
			require.NoError(t, e.End(), "an array that was passed over reads in full")
		}
	})
}

// FuzzMessage reads any bytes as every response.
func FuzzMessage(f *testing.F) {
	f.Add([]byte{1, 0, 0x3D, 3, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, read := range []func(*uabin.Reader){
			func(r *uabin.Reader) { r.Read() }, func(r *uabin.Reader) { r.Session() }, func(r *uabin.Reader) { r.Activated() },
			func(r *uabin.Reader) { r.Endpoints() }, func(r *uabin.Reader) { r.Servers() }, func(r *uabin.Reader) { r.CreatedItems() },
			func(r *uabin.Reader) { r.TransferredAll() }, func(r *uabin.Reader) { r.BrowsedAll() }, func(r *uabin.Reader) { r.Paths() },
			func(r *uabin.Reader) { r.Histories() }, func(r *uabin.Reader) { r.Registered() }, func(r *uabin.Reader) { r.Channel() },
			func(r *uabin.Reader) {
				m := r.Publish()
				d := m.Notification.Data.Reader()
				for range m.Notification.Data.Len {
					o := d.ExtensionObject()
					_, _ = o.Items()
					_, _ = o.Events()
					_, _ = o.StatusChange()
				}
			},
		} {
			r := uabin.NewReader(b)
			r.Header()
			read(&r)
			r = uabin.NewReader(b)
			read(&r)
		}
	})
}
