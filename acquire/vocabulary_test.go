package acquire_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"sync"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/units"
)

func TestSampleSize(t *testing.T) {
	assert.EqualValues(t, 32, unsafe.Sizeof(acquire.Sample{}))
}

func TestZeroValuesFlatterNobody(t *testing.T) {
	var s acquire.Sample
	assert.True(t, s.Quality.IsBad())
	assert.True(t, s.Value.IsNone())
	assert.Equal(t, "unknown", s.Time.String())
	var c acquire.Catalog
	_, ok := c.Point(s.Point)
	assert.False(t, ok)
}

func TestValue(t *testing.T) {
	tests := []struct {
		value  acquire.Value
		kind   acquire.Kind
		text   string
		number float64
		isNum  bool
	}{
		{acquire.Value{}, acquire.KindNone, "-", 0, false},
		{acquire.Float64(-0.5), acquire.KindFloat64, "-0.5", -0.5, true},
		{acquire.Float64(math.Inf(1)), acquire.KindFloat64, "+Inf", math.Inf(1), true},
		{acquire.Int64(math.MinInt64), acquire.KindInt64, "-9223372036854775808", math.MinInt64, true},
		{acquire.Uint64(math.MaxUint64), acquire.KindUint64, "18446744073709551615", 1 << 64, true},
		{acquire.Bool(true), acquire.KindBool, "true", 0, false},
		{acquire.Bool(false), acquire.KindBool, "false", 0, false},
	}
	for _, test := range tests {
		t.Run(test.text, func(t *testing.T) {
			v := test.value
			assert.Equal(t, test.kind, v.Kind())
			assert.Equal(t, test.kind == acquire.KindNone, v.IsNone())
			assert.Equal(t, test.text, v.String())
			number, ok := v.Number()
			assert.Equal(t, test.isNum, ok)
			assert.Equal(t, test.number, number)

			_, isFloat := v.Float64()
			_, isInt := v.Int64()
			_, isUint := v.Uint64()
			_, isBool := v.Bool()
			assert.Equal(t, test.kind == acquire.KindFloat64, isFloat)
			assert.Equal(t, test.kind == acquire.KindInt64, isInt)
			assert.Equal(t, test.kind == acquire.KindUint64, isUint)
			assert.Equal(t, test.kind == acquire.KindBool, isBool)
		})
	}
}

func TestValueKeepsIntegersExact(t *testing.T) {
	big, ok := acquire.Uint64(1<<53 + 1).Uint64()
	assert.True(t, ok)
	assert.Equal(t, uint64(1<<53+1), big)
	low, ok := acquire.Int64(-1<<53 - 1).Int64()
	assert.True(t, ok)
	assert.Equal(t, int64(-1<<53-1), low)
	assert.NotEqual(t, acquire.Int64(1), acquire.Uint64(1), "kinds are part of the value")
}

func TestNames(t *testing.T) {
	assert.Equal(t, "text", acquire.KindText.String())
	assert.Equal(t, "kind 99", acquire.Kind(99).String())
	assert.Equal(t, "counter", acquire.Counter.String())
	assert.Equal(t, "role 99", acquire.Role(99).String())
	assert.Equal(t, "down", acquire.Down.String())
	assert.Equal(t, "link 99", acquire.Link(99).String())
	assert.Equal(t, "reason 63", acquire.Reason(63).String())
}

func TestQuality(t *testing.T) {
	tests := []struct {
		quality  acquire.Quality
		severity acquire.Quality
		reason   acquire.Reason
		flags    acquire.Flags
		native   uint16
		text     string
	}{
		{0, acquire.Bad, acquire.Unspecified, 0, 0, "bad"},
		{acquire.Good, acquire.Good, acquire.Unspecified, 0, 0, "good"},
		{3, acquire.Bad, acquire.Unspecified, 0, 0, "bad"},
		{acquire.Good.With(acquire.SourceTime), acquire.Good, acquire.Unspecified, acquire.SourceTime, 0, "good [source time]"},
		{acquire.Uncertain.Because(acquire.Sensor), acquire.Uncertain, acquire.Sensor, 0, 0, "uncertain: sensor"},
		{
			acquire.Bad.Because(acquire.Configuration).WithNative(2),
			acquire.Bad, acquire.Configuration, 0, 2, "bad: configuration (code 2)",
		},
		{
			acquire.Bad.Because(acquire.Range).Because(acquire.OutOfService).WithNative(7).WithNative(0xFFFF).
				With(acquire.Overflow).With(acquire.TimeBackwards | acquire.Final),
			acquire.Bad, acquire.OutOfService, acquire.Overflow | acquire.TimeBackwards | acquire.Final, 0xFFFF,
			"bad: out of service (code 65535) [overflow, time backwards, final]",
		},
	}
	for _, test := range tests {
		t.Run(test.text, func(t *testing.T) {
			q := test.quality
			assert.Equal(t, test.severity, q.Severity())
			assert.Equal(t, test.severity == acquire.Good, q.IsGood())
			assert.Equal(t, test.severity == acquire.Uncertain, q.IsUncertain())
			assert.Equal(t, test.severity == acquire.Bad, q.IsBad())
			assert.Equal(t, test.reason, q.Reason())
			assert.Equal(t, test.flags, q.Flags())
			assert.True(t, q.Has(test.flags))
			assert.Equal(t, test.native, q.Native())
			assert.Equal(t, test.text, q.String())
		})
	}
}

func TestQualityPartsStayApart(t *testing.T) {
	for reason := acquire.Unspecified; reason <= acquire.Range; reason++ {
		assert.NotContains(t, reason.String(), "reason ", "a reason without a name")
		for _, severity := range []acquire.Quality{acquire.Bad, acquire.Uncertain, acquire.Good} {
			q := severity.WithNative(0xA5A5).With(0xFF).Because(reason)
			assert.Equal(t, severity, q.Severity())
			assert.Equal(t, reason, q.Reason())
			assert.EqualValues(t, 0xFF, q.Flags())
			assert.EqualValues(t, 0xA5A5, q.Native())
		}
	}
}

func TestInstant(t *testing.T) {
	moment := time.Date(2026, 9, 21, 16, 13, 20, 5, time.FixedZone("CEST", 7200))
	i := acquire.At(moment)
	assert.Equal(t, acquire.Instant(1790000000_000000005), i)
	assert.Equal(t, "2026-09-21T14:13:20.000000005Z", i.String())
	assert.True(t, i.Time().Equal(moment))
	assert.Equal(t, time.UTC, i.Time().Location())
	assert.Equal(t, 1500*time.Millisecond, i.Add(1500*time.Millisecond).Sub(i))

	var unknown acquire.Instant
	assert.Equal(t, "unknown", unknown.String())
	assert.True(t, unknown.Time().IsZero())
	assert.Zero(t, unknown.Add(time.Hour), "unknown stays unknown")
	for _, beyond := range []time.Time{{}, time.Date(1601, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)} {
		assert.Zero(t, acquire.At(beyond), "%v", beyond)
	}
	assert.Negative(t, acquire.At(time.Date(1969, 1, 1, 0, 0, 0, 0, time.UTC)))
}

func TestCatalog(t *testing.T) {
	c := acquire.NewCatalog()
	power := acquire.Point{Name: "main/P", Unit: units.Watt, Kind: acquire.KindFloat64}
	energy := acquire.Point{Name: "main/E", Unit: units.KilowattHour, Kind: acquire.KindUint64, Role: acquire.Counter}
	p := define(t, c, power)
	e := define(t, c, energy)
	assert.Equal(t, []acquire.PointID{1, 2}, []acquire.PointID{p, e})
	assert.Equal(t, p, define(t, c, power), "the same point keeps its id")
	assert.Equal(t, 2, c.Len())

	got, ok := c.Point(e)
	assert.True(t, ok)
	assert.Equal(t, energy, got)
	for _, id := range []acquire.PointID{0, 3, math.MaxUint32} {
		_, ok := c.Point(id)
		assert.False(t, ok, "point %d", id)
	}
	id, ok := c.Lookup("main/E")
	assert.True(t, ok)
	assert.Equal(t, e, id)
	_, ok = c.Lookup("main/Q")
	assert.False(t, ok)
}

func TestCatalogRefuses(t *testing.T) {
	c := acquire.NewCatalog()
	define(t, c, acquire.Point{Name: "taken", Unit: units.Watt, Kind: acquire.KindFloat64})
	tests := []struct {
		name  string
		point acquire.Point
		says  string
	}{
		{"no name", acquire.Point{Kind: acquire.KindBool}, "without a name"},
		{"long name", acquire.Point{Name: strings.Repeat("x", acquire.MaxName+1), Kind: acquire.KindBool}, "256 bytes"},
		{"malformed name", acquire.Point{Name: "\xff", Kind: acquire.KindBool}, "UTF-8"},
		{"no kind", acquire.Point{Name: "x"}, "none"},
		{"unknown kind", acquire.Point{Name: "x", Kind: 77}, "kind 77"},
		{"unknown role", acquire.Point{Name: "x", Kind: acquire.KindBool, Role: 77}, "role 77"},
		{"counting text", acquire.Point{Name: "x", Kind: acquire.KindText, Role: acquire.Counter}, "counter"},
		{"another unit", acquire.Point{Name: "taken", Unit: units.Var, Kind: acquire.KindFloat64}, "already"},
		{"another kind", acquire.Point{Name: "taken", Unit: units.Watt, Kind: acquire.KindInt64}, "already"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			id, err := c.Define(test.point)
			require.Error(t, err)
			assert.Contains(t, err.Error(), test.says)
			assert.Zero(t, id)
		})
	}
	assert.Equal(t, 1, c.Len(), "a refused point takes no id")
}

func TestCatalogTellsWhatIsNew(t *testing.T) {
	var c acquire.Catalog
	name := func(i int) string { return fmt.Sprintf("p%d", i) }
	for i := range 3 {
		define(t, &c, acquire.Point{Name: name(i), Kind: acquire.KindBool})
	}
	var seen []string
	for id, p := range c.After(1) {
		if id == 2 { // points defined meanwhile are included
			define(t, &c, acquire.Point{Name: name(3), Kind: acquire.KindBool})
		}
		seen = append(seen, p.Name)
	}
	assert.Equal(t, []string{"p1", "p2", "p3"}, seen)
	for range c.After(0) {
		break
	}
}

func TestCatalogConcurrently(t *testing.T) {
	var c acquire.Catalog
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for i := range 200 {
				id, err := c.Define(acquire.Point{Name: fmt.Sprint(i), Kind: acquire.KindInt64})
				p, ok := c.Point(id)
				if err != nil || !ok || p.Name != fmt.Sprint(i) {
					t.Errorf("point %d: id %d is %q, error %v", i, id, p.Name, err)
				}
			}
		})
	}
	wg.Wait()
	assert.Equal(t, 200, c.Len())
}

func TestAppendSample(t *testing.T) {
	c := acquire.NewCatalog()
	power := define(t, c, acquire.Point{Name: "P", Unit: units.Kilowatt, Kind: acquire.KindFloat64})
	state := define(t, c, acquire.Point{Name: "mode", Kind: acquire.KindText, Role: acquire.State})
	var b acquire.Batch
	text, ok := b.PutText([]byte("off\n"))
	require.True(t, ok)
	tests := []struct {
		sample acquire.Sample
		batch  *acquire.Batch
		want   string
	}{
		{acquire.Sample{Time: 1, Point: power, Value: acquire.Float64(1.5), Quality: acquire.Good}, nil, "1970-01-01T00:00:00.000000001Z P 1.5 kW good"},
		{acquire.Sample{Point: power}, nil, "unknown P - bad"},
		{acquire.Sample{Point: 9, Value: acquire.Int64(3)}, nil, "unknown point 9 3 bad"},
		{acquire.Sample{Point: state, Value: text, Quality: acquire.Good}, &b, `unknown mode "off\n" good`},
		{acquire.Sample{Point: state, Value: text, Quality: acquire.Good}, nil, "unknown mode text good"},
	}
	for _, test := range tests {
		assert.Equal(t, "> "+test.want, string(c.AppendSample([]byte("> "), test.sample, test.batch)))
	}
}

func TestBatchText(t *testing.T) {
	var b acquire.Batch
	first := putText(t, &b, "first")
	empty := putText(t, &b, "")
	second := putText(t, &b, "second")
	for value, want := range map[acquire.Value]string{first: "first", empty: "", second: "second"} {
		got, ok := b.Text(value)
		assert.True(t, ok, want)
		assert.Equal(t, want, string(got))
		assert.Equal(t, len(got), cap(got), "appending must not reach the neighbour")
	}
	for _, other := range []acquire.Value{{}, acquire.Uint64(1), acquire.Bool(true), acquire.Float64(0)} {
		_, ok := b.Text(other)
		assert.False(t, ok, "%v is no text", other)
	}

	b.Reset()
	for _, stale := range []acquire.Value{first, empty, second} {
		_, ok := b.Text(stale)
		assert.False(t, ok, "text of an earlier filling")
	}
	again := putText(t, &b, "again")
	_, ok := b.Text(first)
	assert.False(t, ok, "an earlier text must not show the present one")
	got, _ := b.Text(again)
	assert.Equal(t, "again", string(got))
}

func TestBatchTextBounds(t *testing.T) {
	var b acquire.Batch
	_, ok := b.PutText(make([]byte, acquire.MaxText+1))
	assert.False(t, ok, "longer than MaxText")
	for range 256 { // 256 × 64 KiB is the whole arena
		_, ok := b.PutText(make([]byte, acquire.MaxText))
		require.True(t, ok)
	}
	v, ok := b.PutText([]byte("x"))
	assert.False(t, ok, "arena full")
	assert.True(t, v.IsNone())
	b.Reset()
	_, ok = b.PutText([]byte("x"))
	assert.True(t, ok, "empty again")
}

func TestBatchReset(t *testing.T) {
	b := acquire.Batch{Received: 1, Watermark: 2, Points: []acquire.PointID{3}, Lost: 4}
	b.Append(acquire.Sample{Point: 3})
	b.Reset()
	assert.Zero(t, b.Received)
	assert.Zero(t, b.Watermark)
	assert.Nil(t, b.Points)
	assert.Zero(t, b.Lost)
	assert.Empty(t, b.Samples)
	assert.Equal(t, 1, cap(b.Samples), "memory is kept")
}

func TestBatchAllocs(t *testing.T) {
	var b acquire.Batch
	text := []byte("running")
	fill := func() {
		b.Reset()
		for p := range acquire.PointID(64) {
			v, _ := b.PutText(text)
			b.Append(acquire.Sample{Point: p, Value: v})
		}
	}
	fill()
	assert.Zero(t, testing.AllocsPerRun(100, fill))
}

func TestOpError(t *testing.T) {
	err := error(&acquire.OpError{Op: "read", Source: "meter", Err: io.ErrUnexpectedEOF})
	assert.Equal(t, "meter: read: unexpected EOF", err.Error())
	assert.ErrorIs(t, err, io.ErrUnexpectedEOF)
}

type refusal struct{ permanent bool }

func (refusal) Error() string            { return "refused" }
func (r refusal) Permanent() bool        { return r.permanent }
func (refusal) Quality() acquire.Quality { return acquire.Bad.Because(acquire.Security).WithNative(5) }

func TestPermanent(t *testing.T) {
	tests := []struct {
		err  error
		want bool
	}{
		{io.EOF, true},
		{io.ErrUnexpectedEOF, false},
		{acquire.ErrClosed, true},
		{context.Canceled, true},
		{errors.New("reset by peer"), false},
		{refusal{true}, true},
		{refusal{false}, false},
		{nil, false},
	}
	for _, test := range tests {
		assert.Equal(t, test.want, acquire.Permanent(test.err), "%v", test.err)
		if test.err != nil {
			wrapped := fmt.Errorf("slot 3: %w", &acquire.OpError{Op: "open", Source: "x", Err: test.err})
			assert.Equal(t, test.want, acquire.Permanent(wrapped), "%v", wrapped)
		}
	}
}

func TestQualityOf(t *testing.T) {
	lost := acquire.Bad.Because(acquire.Communication)
	assert.Equal(t, lost, acquire.QualityOf(errors.New("reset by peer")))
	assert.Equal(t, lost, acquire.QualityOf(nil))
	want := acquire.Bad.Because(acquire.Security).WithNative(5)
	assert.Equal(t, want, acquire.QualityOf(refusal{}))
	assert.Equal(t, want, acquire.QualityOf(fmt.Errorf("login: %w", refusal{})))
	assert.Equal(t, want, acquire.QualityOf(errors.Join(io.ErrNoProgress, refusal{})))
}

func define(t *testing.T, c *acquire.Catalog, p acquire.Point) acquire.PointID {
	t.Helper()
	id, err := c.Define(p)
	require.NoError(t, err)
	return id
}

func putText(t *testing.T, b *acquire.Batch, text string) acquire.Value {
	t.Helper()
	v, ok := b.PutText([]byte(text))
	require.True(t, ok)
	return v
}

func TestCountersOfWhatDoesNotAddUp(t *testing.T) {
	c := acquire.NewCatalog()
	for _, u := range []units.Unit{units.Watt, units.DegreeCelsius, units.PowerFactorOne, units.Percent, units.Hertz} {
		_, err := c.Define(acquire.Point{Name: "E", Unit: u, Kind: acquire.KindUint64, Role: acquire.Counter})
		require.ErrorContains(t, err, `point "E" is a counter in `+u.String()+", but "+u.Kind().String()+" does not add up")
	}
	for i, u := range []units.Unit{units.None, units.KilowattHour, units.VarHour, units.CubicMetre, units.Each, units.Second} {
		_, err := c.Define(acquire.Point{Name: fmt.Sprint(i), Unit: u, Kind: acquire.KindUint64, Role: acquire.Counter})
		require.NoError(t, err)
	}
}
