package plant_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/internal/plant"
)

// The energy of machines is the integral of their power, as a sum over small steps has it, and registers show it.
func TestMachineEnergy(t *testing.T) {
	epoch := time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC).UnixNano()
	p := plant.New(epoch)
	for _, m := range []struct {
		name     string
		power    func(t int64) float64
		register func(t int64) uint64
		energy   func(t0, t1 int64) float64
	}{
		{"press", func(t int64) float64 { return p.Press().At(t).P }, func(t int64) uint64 { return p.Press().At(t).EnergyWh }, p.Press().Energy},
		{"chiller", func(t int64) float64 { return p.Chiller().At(t).P }, func(t int64) uint64 { return p.Chiller().At(t).EnergyWh }, p.Chiller().Energy},
	} {
		const step = int64(time.Millisecond)
		sum, last := 0.0, m.register(epoch)
		begin := last
		for at := epoch; at < epoch+int64(150*time.Second); at += step {
			sum += m.power(at+step/2) * float64(step) / float64(time.Hour)
			now := m.register(at + step)
			require.GreaterOrEqual(t, now, last)
			last = now
			if at%(10*int64(time.Second)) == 0 {
				require.InDelta(t, sum, m.energy(epoch, at+step), 1e-4, m.name)
				require.InDelta(t, sum, float64(now-begin), 1.001, m.name)
			}
		}
	}
}

// Strokes are counted as they are made, and none is made while the press is set up.
func TestStrokes(t *testing.T) {
	at := time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC).UnixNano()
	press := plant.New(at).Press()
	begin := press.At(at).Strokes
	assert.EqualValues(t, 0, press.At(at+int64(1499*time.Millisecond)).Strokes-begin)
	assert.EqualValues(t, 1, press.At(at+int64(1500*time.Millisecond)).Strokes-begin)
	assert.EqualValues(t, 30, press.At(at+int64(45*time.Second)).Strokes-begin)
	assert.Equal(t, plant.PressSetup, press.At(at+int64(45*time.Second)).State)
	assert.EqualValues(t, 30, press.At(at+int64(59*time.Second)).Strokes-begin)
	assert.Equal(t, plant.PressWorking, press.At(at+int64(60*time.Second)).State)
	assert.EqualValues(t, 31, press.At(at+int64(61500*time.Millisecond)).Strokes-begin)
}
