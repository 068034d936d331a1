package interop_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/drivers/modbus"
)

func TestRefusedAddressIsAConfigurationFault(t *testing.T) {
	const unit = 1
	content := image{
		{unit, modbus.Coil(0), []uint16{1}},
		{unit, modbus.Discrete(0), []uint16{1}},
		{unit, modbus.Holding(0), []uint16{11}},
		{unit, modbus.Input(0), []uint16{22}},
	}
	points := []modbus.Point{
		{Name: "coil", At: modbus.Coil(0)},
		{Name: "discrete", At: modbus.Discrete(0)},
		{Name: "holding", At: modbus.Holding(0), Type: modbus.Uint16},
		{Name: "input", At: modbus.Input(0), Type: modbus.Uint16},
	}
	absent := []modbus.Point{
		{Name: "absent coil", At: modbus.Coil(9)},
		{Name: "absent discrete", At: modbus.Discrete(9)},
		{Name: "absent holding", At: modbus.Holding(9), Type: modbus.Uint16},
		{Name: "absent input", At: modbus.Input(9), Type: modbus.Uint16},
		{Name: "half absent", At: modbus.Holding(0), Type: modbus.Uint32},
	}
	present := []acquire.Value{acquire.Bool(true), acquire.Bool(true), acquire.Uint64(11), acquire.Uint64(22)}
	refused := acquire.Bad.Because(acquire.Configuration).WithNative(uint16(modbus.IllegalDataAddress))

	for _, impl := range implementations {
		t.Run(impl.name, func(t *testing.T) {
			server := impl.start(t, content)
			// Asked for alone, and together with what the server does have: one
			// request over both is refused, and must not cost the good ones.
			for _, s := range readOnce(t, server.config(unit, absent)) {
				assert.Equal(t, refused, s.Quality)
				assert.True(t, s.Value.IsNone())
			}
			mixed := readOnce(t, server.config(unit, append(points, absent[:4]...)))
			for i, want := range present {
				assert.Equal(t, acquire.Good, mixed[i].Quality, points[i].Name)
				assert.Equal(t, want, mixed[i].Value, points[i].Name)
			}
			for _, s := range mixed[len(present):] {
				assert.Equal(t, refused, s.Quality)
				assert.True(t, s.Value.IsNone())
			}
		})
	}
}

// A gateway that has no such unit may say so, as our libmodbus server does, or
// say nothing, as pymodbus does. Either way the unit cannot be spoken with.
func TestUnitsAreToldApart(t *testing.T) {
	content := image{
		{1, modbus.Holding(0), []uint16{100}},
		{2, modbus.Holding(0), []uint16{200}},
		{247, modbus.Holding(0), []uint16{300}},
	}
	point := []modbus.Point{{Name: "value", At: modbus.Holding(0), Type: modbus.Uint16}}
	for _, impl := range implementations {
		t.Run(impl.name, func(t *testing.T) {
			server := impl.start(t, content)
			for _, r := range content {
				s := readOnce(t, server.config(r.unit, point))[0]
				require.Equal(t, acquire.Good, s.Quality, "unit %d", r.unit)
				assert.Equal(t, acquire.Uint64(uint64(r.words[0])), s.Value, "unit %d", r.unit)
			}

			src := newSource(t, modbus.Config{
				Address: server.address(), Unit: 3, Points: point, Timeout: 200 * time.Millisecond,
			})
			stream, err := src.Open(t.Context())
			require.NoError(t, err)
			defer stream.Close()
			var batch acquire.Batch
			require.NoError(t, stream.Next(t.Context(), &batch))
			require.Len(t, batch.Samples, 1)
			s := batch.Samples[0]
			assert.True(t, s.Quality.IsBad() && s.Value.IsNone())
			assert.Equal(t, acquire.Communication, s.Quality.Reason())
			t.Logf("unit that is not there: %s", s.Quality)
		})
	}
}
