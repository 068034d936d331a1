package units

import "fmt"

// KindError reports a conversion between units of different kinds, or with an
// operand that is no known unit.
type KindError struct {
	From Unit // unit of the values at hand
	To   Unit // unit asked for
}

// Error names both units and says why they do not convert.
func (e *KindError) Error() string {
	return fmt.Sprintf("units: cannot convert %v to %v: %s", e.From, e.To, e.reason())
}

func (e *KindError) reason() string {
	for _, u := range [...]Unit{e.From, e.To} {
		switch {
		case u == None:
			return "an unknown unit converts only to itself"
		case !u.Valid():
			return u.String() + " is not a unit of this package"
		}
	}
	from, to := e.From.Kind(), e.To.Kind()
	switch {
	case integrals[from] != KindNone && integrals[from] == to:
		return differByTime(from, to)
	case integrals[to] != KindNone && integrals[to] == from:
		return differByTime(to, from)
	}
	for _, group := range confusions {
		if group.holds(from) && group.holds(to) {
			return fmt.Sprintf("%v and %v %s", from, to, group.why)
		}
	}
	switch {
	case from == PowerFactor || to == PowerFactor:
		return fmt.Sprintf("%v and %v are different kinds: a power factor carries a sign convention and is never a plain number", from, to)
	case isLevel(from) || isLevel(to):
		return fmt.Sprintf("%v and %v are different kinds: a level is a logarithm, to which no ratio leads", from, to)
	case from.Dimension() == to.Dimension():
		return fmt.Sprintf("%v and %v share a dimension but not a kind", from, to)
	}
	return fmt.Sprintf("%v and %v are different kinds", from, to)
}

func differByTime(rate, amount Kind) string {
	if isPower(rate) || isEnergy(amount) {
		return fmt.Sprintf("%v and %v differ by time: energy is power integrated over it", rate, amount)
	}
	return fmt.Sprintf("%v and %v differ by time: the second is the first integrated over it", rate, amount)
}

// integrals holds, for each kind that is a rate, what it sums to over time.
var integrals = [kindEnd]Kind{
	ActivePower:        ActiveEnergy,
	ReactivePower:      ReactiveEnergy,
	ApparentPower:      ApparentEnergy,
	ActivePowerRate:    ActivePower,
	Current:            Charge,
	CurrentRate:        Current,
	VoltageRate:        Voltage,
	Voltage:            MagneticFlux,
	FrequencyRate:      Frequency,
	RatioRate:          Ratio,
	AngularVelocity:    Angle,
	CountRate:          Count,
	VolumeFlow:         Volume,
	NormalVolumeFlow:   NormalVolume,
	StandardVolumeFlow: StandardVolume,
	MassFlow:           Mass,
	TemperatureRate:    TemperatureDifference,
	PressureRate:       DifferentialPressure,
	Speed:              Length,
	Acceleration:       Speed,
	Irradiance:         Irradiation,
	DoseRate:           DoseEquivalent,
	DataRate:           Data,
}

// confusions are kinds that are taken for one another, and what lies between.
var confusions = [...]confusion{
	{[]Kind{ActivePower, ReactivePower, ApparentPower},
		"share a dimension but not a kind, and neither can be had from the other alone"},
	{[]Kind{ActiveEnergy, ReactiveEnergy, ApparentEnergy},
		"share a dimension but not a kind, and neither can be had from the other alone"},
	{[]Kind{ActivePower, ReactivePower, ApparentPower, ActiveEnergy, ReactiveEnergy, ApparentEnergy},
		"differ by time, and by kind of power"},
	{[]Kind{Temperature, TemperatureDifference},
		"are different kinds: a difference of 20 °C is one of 20 K, while a temperature of 20 °C is 293.15 K"},
	{[]Kind{Pressure, GaugePressure, AbsolutePressure, DifferentialPressure},
		"are different kinds: what a pressure is relative to is known to the plant, not to the unit"},
	{[]Kind{Volume, NormalVolume, StandardVolume},
		"are different kinds: between them lie the pressure and the temperature of the gas"},
	{[]Kind{VolumeFlow, NormalVolumeFlow, StandardVolumeFlow},
		"are different kinds: between them lie the pressure and the temperature of the gas"},
	{[]Kind{Mass, Volume, NormalVolume, StandardVolume},
		"are different kinds: between them lies the density"},
	{[]Kind{MassFlow, VolumeFlow, NormalVolumeFlow, StandardVolumeFlow},
		"are different kinds: between them lies the density"},
	{[]Kind{RotationalFrequency, AngularVelocity, Frequency, CountRate},
		"are different kinds: one revolution is one cycle and 2π radians, and an event need not be periodic"},
	{[]Kind{Torque, ActiveEnergy},
		"share a dimension but not a kind: a torque does no work until it turns"},
	{[]Kind{Torque, NormalVolume, NormalVolumeFlow},
		"are different kinds: N.m is the newton metre, the N of Nm3 is for normal conditions"},
	{[]Kind{Irradiance, Illuminance},
		"are different kinds: between them lies the spectrum of the light"},
	{[]Kind{Ratio, VolumeFraction, RelativeHumidity},
		"are different kinds: a percentage is always one of something"},
	{[]Kind{Ratio, Density},
		"are different kinds: between them lies the density of the whole"},
	{[]Kind{VolumeFraction, Density},
		"are different kinds: between them lies the density of the gas"},
}

type confusion struct {
	kinds []Kind
	why   string
}

func (c confusion) holds(k Kind) bool {
	for _, kind := range c.kinds {
		if kind == k {
			return true
		}
	}
	return false
}

func isPower(k Kind) bool {
	return k == ActivePower || k == ReactivePower || k == ApparentPower
}

func isEnergy(k Kind) bool {
	return k == ActiveEnergy || k == ReactiveEnergy || k == ApparentEnergy
}

func isLevel(k Kind) bool {
	return k == LevelDifference || k == PowerLevel || k == SoundLevel || k == Acidity
}
