package aggregate

import (
	"bytes"
	"math"
	"reflect"
	"slices"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/units"
)

// leaves calls visit with each number and truth value in v, unexported ones
// included, as something that can be set.
func leaves(v reflect.Value, path string, visit func(path string, v reflect.Value)) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			leaves(v.Field(i), path+"."+v.Type().Field(i).Name, visit)
		}
	case reflect.Array:
		leaves(v.Index(0), path, visit)
	case reflect.Bool, reflect.Float64,
		reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		visit(path, reflect.NewAt(v.Type(), unsafe.Pointer(v.UnsafeAddr())).Elem())
	default:
		visit(path, v)
	}
}

// alter changes a leaf, where that is possible.
func alter(v reflect.Value) {
	switch {
	case v.Kind() == reflect.Bool:
		v.SetBool(!v.Bool())
	case v.CanFloat():
		v.SetFloat(v.Float() + 1)
	case v.CanInt():
		v.SetInt(v.Int() ^ 4)
	case v.CanUint():
		v.SetUint(v.Uint() ^ 4)
	}
}

// notWritten returns the leaves of T that make no difference to what write writes,
// whichever of the values they are changed in.
func notWritten[T any](write func(*codec, *T), values ...T) []string {
	written := func(x T) []byte {
		var k codec
		write(&k, &x)
		return k.data
	}
	var paths []string
	differs := map[string]bool{}
	for _, x := range values {
		want := written(x)
		leaves(reflect.ValueOf(&x).Elem(), "", func(path string, v reflect.Value) {
			if !slices.Contains(paths, path) {
				paths = append(paths, path)
			}
			var old reflect.Value
			if v.CanSet() {
				old = reflect.New(v.Type()).Elem()
				old.Set(v)
			}
			alter(v)
			if !bytes.Equal(want, written(x)) {
				differs[path] = true
			}
			if v.CanSet() {
				v.Set(old)
			}
		})
	}
	return slices.DeleteFunc(paths, func(path string) bool { return differs[path] })
}

// A field that is added to what a state has to hold is either written with the
// state or listed here, as configuration or as what follows from the rest.
func TestEveryFieldIsWritten(t *testing.T) {
	require.Equal(t, []string{
		".factor",         // configuration
		".limit",          // arm finds it
		".channel.maxGap", // configuration, and so on
		".channel.meter", ".channel.slot",
	}, notWritten(func(k *codec, g *gauge) { g.fields(k) }, gauge{limit: disarmed}))

	running := counter{maxPower: 1, doubtAt: 1, parts: 1, value: math.NaN()}
	running.limit, running.edge = 1<<40, 1<<40
	doubting := running
	doubting.limit = disarmed
	require.Equal(t, []string{
		".usual.soon", ".usual.span", ".usual.step", ".usual.ceiling", ".usual.tick", ".usual.reach", // learnt anew
		".value", // rest makes base of it
		".rate",  // configuration
		".whole.ceiling", ".whole.widest", ".whole.grain", ".real.ceiling", ".real.widest", ".real.grain", ".tick",
		".channel.maxGap", ".channel.meter", ".channel.slot",
		".first", // count at rest
		".creditNew",
		".conversion.mul", ".conversion.more", ".conversion.parts", ".conversion.shift", ".conversion.factor",
		".unit.hi", ".unit.lo", ".parts", ".slack.hi", ".slack.lo", ".modulus.hi", ".modulus.lo", ".maxPower",
	}, notWritten(func(k *codec, c *counter) { c.fields(k) }, running, doubting))

	require.Empty(t, notWritten(func(k *codec, c *Counts) { c.fields(k) }, Counts{}))
	require.Empty(t, notWritten(func(k *codec, r *record) { r.fields(k) }, record{}))
	require.Equal(t, []string{".touched"}, // only such are written
		notWritten(func(k *codec, b *block) { b.fields(k) }, block{}))
	require.Equal(t, []string{
		".router", ".name", ".index", ".channels", ".refs", // configuration
		".grid.interval", ".grid.offset", ".maxAhead",
		".ring", ".oldest", // block by block, the oldest first
	}, notWritten(func(k *codec, m *meter) { m.fields(k) }, meter{}))
	require.Equal(t, []string{".unit"}, // of the point, which a swap keeps
		notWritten(func(k *codec, o *origin) { o.fields(k) }, origin{unit: units.Watt, registers: Registers{Weight: PulseWeight{1, units.WattHour, 1}}, multiplier: Ratio{1, 1}}))
}

// Each of the registers' policies makes another configuration.
func TestEveryPolicyCountsForTheFingerprint(t *testing.T) {
	written := func(k *codec, s *Series) {
		n := fingerprint(*s)
		word(k, &n)
	}
	require.Empty(t, notWritten(written, Series{Unit: units.Watt, Registers: Registers{Weight: PulseWeight{Unit: units.WattHour}}}))
}

// What a merged shard has counted is added, each kind of it. Intervals are those
// that were handed out.
func TestEveryCountIsMerged(t *testing.T) {
	var counts, sum Counts
	leaves(reflect.ValueOf(&counts).Elem(), "", func(_ string, v reflect.Value) { v.SetUint(3) })
	sum.addEvents(&counts)
	sum.addEvents(&counts)
	leaves(reflect.ValueOf(&sum).Elem(), "", func(path string, v reflect.Value) {
		if path != ".Intervals" {
			require.EqualValues(t, 6, v.Uint(), path)
		}
	})
}
