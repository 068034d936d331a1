package part13_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/aggregate/part13"
)

func TestStatusCode(t *testing.T) {
	s := part13.UncertainDataSubNormal.With(part13.Calculated | part13.Partial)
	assert.Equal(t, part13.StatusCode(0x40A40405), s)
	assert.Equal(t, part13.UncertainDataSubNormal, s.Code())
	assert.True(t, s.IsUncertain() && !s.IsGood() && !s.IsBad())
	assert.True(t, s.Has(part13.Partial) && !s.Has(part13.MultiValue))
	assert.Equal(t, "UncertainDataSubNormal, Calculated, Partial", s.String())
	assert.Equal(t, part13.Good, part13.Good.With(0))
	assert.Zero(t, part13.StatusCode(5).Info(), "without the InfoType the bits mean nothing")
	assert.Equal(t, "0x808b0000", part13.StatusCode(0x808B0000).String())
	assert.True(t, part13.StatusCode(0xC0000000).IsBad(), "the reserved severity")
}

func TestQualities(t *testing.T) {
	for name, c := range map[string]struct {
		quality acquire.Quality
		status  part13.StatusCode
	}{
		"good":              {acquire.Good, part13.Good},
		"good, clamped":     {acquire.Good.WithNative(0x0030), 0x00300000},
		"uncertain":         {acquire.Uncertain, part13.Uncertain},
		"uncertain, native": {acquire.Uncertain.WithNative(0x4092), 0x40920000},
		"bad":               {acquire.Bad, part13.Bad},
		"bad, reason":       {acquire.Bad.Because(acquire.Sensor), 0x808C0000},
		"bad, native":       {acquire.Bad.WithNative(0x809B), part13.BadNoData},
		"modbus exception":  {acquire.Bad.Because(acquire.Busy).WithNative(6), 0x80040000},
		"zero":              {0, part13.Bad},
	} {
		assert.Equal(t, c.status, part13.StatusOf(c.quality), name)
		back := part13.QualityOf(c.status)
		assert.Equal(t, c.quality.Severity(), back.Severity(), name)
		assert.Equal(t, c.status, part13.StatusOf(back), name)
	}
	assert.Equal(t, acquire.Sensor, part13.QualityOf(0x808C0000).Reason())
}

func TestFromAcquired(t *testing.T) {
	for name, c := range map[string]struct {
		in   acquire.Sample
		want part13.Sample
	}{
		"number":   {acquire.Sample{Time: 5, Value: acquire.Float64(1.5), Quality: acquire.Good}, part13.Sample{Time: 5, Value: 1.5}},
		"counter":  {acquire.Sample{Time: 5, Value: acquire.Uint64(7), Quality: acquire.Good}, part13.Sample{Time: 5, Value: 7}},
		"true":     {acquire.Sample{Time: 5, Value: acquire.Bool(true), Quality: acquire.Good}, part13.Sample{Time: 5, Value: 1}},
		"false":    {acquire.Sample{Time: 5, Value: acquire.Bool(false), Quality: acquire.Good}, part13.Sample{Time: 5}},
		"bad":      {acquire.Sample{Time: 5, Value: acquire.Float64(1), Quality: acquire.Bad}, part13.Sample{Time: 5, Status: part13.Bad}},
		"no value": {acquire.Sample{Time: 5, Quality: acquire.Good}, part13.Sample{Time: 5, Status: part13.BadTypeMismatch}},
	} {
		assert.Equal(t, c.want, part13.FromAcquired(c.in), name)
	}
}

func TestFunctions(t *testing.T) {
	all := part13.Functions()
	assert.Len(t, all, 37)
	seen := map[part13.Function]bool{}
	for _, f := range all {
		assert.False(t, seen[f], f.String())
		seen[f] = true
		assert.True(t, f.Valid())
		g, ok := part13.ParseFunction(f.String())
		assert.True(t, ok)
		assert.Equal(t, f, g)
	}
	assert.Equal(t, "5.4.3.7", part13.TimeAverage2.Clause())
	assert.Equal(t, part13.SimpleBounds, part13.TimeAverage2.Bounds())
	assert.Equal(t, part13.InterpolatedBounds, part13.Interpolative.Bounds())
	_, ok := part13.ParseFunction("Median")
	assert.False(t, ok)
	none := part13.Function(0)
	assert.False(t, none.Valid())
	assert.Empty(t, none.Clause())
	assert.Equal(t, part13.NoBounds, none.Bounds())
	assert.Equal(t, "function i=0", none.String())
}
