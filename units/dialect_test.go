package units_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/units"
)

// one is the scale as every reader returns it where the text carries none.
var one = units.Scale{Num: 1, Den: 1}

// checkStated holds what is true of anything stated in any dialect.
func checkStated(t testing.TB, s units.Stated, raw string) {
	t.Helper()
	require.Equal(t, raw, s.Raw)
	require.NotContains(t, s.Verdict.String(), "(")
	require.NotContains(t, s.Dialect.String(), "(")
	if s.Understood() {
		require.Equal(t, units.Understood, s.Verdict)
		require.NoError(t, s.Err())
		require.Equal(t, s.Scale.Reduce(), s.Scale)
		require.NotZero(t, s.Scale.Num)
		require.Empty(t, s.Part)
		return
	}
	require.NotEqual(t, units.Understood, s.Verdict)
	require.Equal(t, units.None, s.Unit)
	require.Zero(t, s.Scale)
	require.ErrorIs(t, s.Err(), units.ErrUnknown)
	require.Less(t, len(s.Err().Error()), 500)
}

func TestNothingStated(t *testing.T) {
	var s units.Stated
	assert.False(t, s.Understood())
	assert.EqualError(t, s.Err(), `units: unknown unit: none: "" is not stated`)
	_, err := s.Between(units.Volt)
	assert.ErrorIs(t, err, units.ErrUnknown)
	assert.Equal(t, "Verdict(200)", units.Verdict(200).String())
	assert.Equal(t, "Dialect(200)", units.Dialect(200).String())
}

func TestStatedBetween(t *testing.T) {
	tenth := units.Stated{Unit: units.Millivolt, Scale: units.Scale{Num: 1, Den: 10}, Verdict: units.Understood}
	scale, err := tenth.Between(units.Volt)
	require.NoError(t, err)
	assert.Equal(t, units.Scale{Num: 1, Den: 10000}, scale)
	scale, err = tenth.Between(units.Millivolt)
	require.NoError(t, err)
	assert.Equal(t, units.Scale{Num: 1, Den: 10}, scale)

	var kinds *units.KindError
	_, err = tenth.Between(units.Watt)
	assert.ErrorAs(t, err, &kinds)
	tenth.Unit = units.Degree
	_, err = tenth.Between(units.Radian)
	assert.ErrorIs(t, err, units.ErrRange)
	tenth.Unit = units.DegreeCelsius
	_, err = tenth.Between(units.DegreeFahrenheit)
	assert.ErrorIs(t, err, units.ErrRange)
	scale, err = tenth.Between(units.DegreeCelsius)
	require.NoError(t, err)
	assert.Equal(t, units.Scale{Num: 1, Den: 10}, scale)
}
