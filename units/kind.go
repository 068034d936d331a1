package units

import "strconv"

// Kind says what sort of quantity a unit measures. It is finer than the SI
// dimension: active, reactive and apparent power are all kg·m²·s⁻³, yet they
// are three kinds, and a conversion never leaves its kind.
//
// The zero value is KindNone. Numbers may shift between releases: persist the
// symbol of a [Unit], not a Kind.
type Kind uint8

// The kinds of quantity. The coherent unit, to which [Unit.Ratio] refers, is
// named beside each.
const (
	KindNone              Kind = iota // not known: the kind of [None]
	ActivePower                       // P, watt; also mechanical and thermal power, which convert into it
	ReactivePower                     // Q, var
	ApparentPower                     // S, volt ampere
	ActiveEnergy                      // ∫P dt, joule; also heat and work, so that a heat meter's units convert to kWh
	ReactiveEnergy                    // ∫Q dt, var second
	ApparentEnergy                    // ∫S dt, volt ampere second
	Voltage                           // U, volt
	Current                           // I, ampere
	Charge                            // ∫I dt, coulomb
	Resistance                        // R, X and Z, ohm
	LineResistance                    // ohm per metre
	Conductance                       // G, B and Y, siemens
	Conductivity                      // siemens per metre
	Capacitance                       // C, farad
	Inductance                        // L, henry
	MagneticFlux                      // ∫U dt, weber
	FluxDensity                       // B, tesla
	ActivePowerRate                   // a ramp, watt per second
	VoltageRate                       // volt per second
	CurrentRate                       // ampere per second
	Frequency                         // f of something periodic, hertz
	FrequencyRate                     // ROCOF, hertz per second
	PowerFactor                       // λ = P/S, one; signed by conventions that a plain ratio does not have
	Ratio                             // a part of a whole, one
	RatioRate                         // one per second
	RelativeHumidity                  // part of the saturation pressure, one
	VolumeFraction                    // part of the volume of a mixture, one
	LevelDifference                   // ten times the decadic logarithm of a ratio of powers, decibel; no ratio converts it
	PowerLevel                        // level over 1 mW; no ratio converts it
	SoundLevel                        // A-weighted level over 20 µPa; no ratio converts it
	Acidity                           // pH, a logarithm; no ratio converts it
	Turbidity                         // by scattered light, nephelometric turbidity unit
	Angle                             // plane angle, radian
	SolidAngle                        // steradian
	AngularVelocity                   // ω, radian per second: no rotational frequency, which lacks a factor of 2π
	RotationalFrequency               // revolutions per second: no angular velocity, which has a factor of 2π
	Duration                          // t, second
	Count                             // a number of things, each
	CountRate                         // things per second: not a frequency, as they need no period
	Temperature                       // a point on a scale, kelvin
	TemperatureDifference             // a distance between temperatures, kelvin
	TemperatureRate                   // kelvin per second
	HeatCapacity                      // joule per kelvin
	SpecificHeat                      // joule per kilogram kelvin
	ThermalConductivity               // watt per metre kelvin
	HeatTransfer                      // watt per square metre kelvin
	Length                            // metre
	Area                              // square metre
	Volume                            // at the conditions of the process, cubic metre
	NormalVolume                      // of gas as at 0 °C and 101.325 kPa (DIN 1343), cubic metre
	StandardVolume                    // of gas as at 15 °C and 101.325 kPa (ISO 13443), cubic metre
	VolumeFlow                        // at the conditions of the process, cubic metre per second
	NormalVolumeFlow                  // of gas as at 0 °C and 101.325 kPa (DIN 1343), cubic metre per second
	StandardVolumeFlow                // of gas as at 15 °C and 101.325 kPa (ISO 13443), cubic metre per second
	Mass                              // kilogram
	MassFlow                          // kilogram per second
	Density                           // also the mass concentration in a mixture, kilogram per cubic metre
	Amount                            // mole
	AmountConcentration               // mole per cubic metre
	Pressure                          // gauge, absolute or differential, as only the plant knows, pascal
	GaugePressure                     // over the pressure of the air around, pascal
	AbsolutePressure                  // over vacuum, pascal
	DifferentialPressure              // between two places of the plant, pascal
	PressureRate                      // pascal per second
	DynamicViscosity                  // pascal second
	KinematicViscosity                // square metre per second
	Force                             // newton
	Torque                            // newton metre: no energy, though it shares the dimension
	MomentOfInertia                   // kilogram square metre
	Speed                             // also of vibration and rainfall, metre per second
	Acceleration                      // also of vibration, metre per second squared
	Irradiance                        // watt per square metre
	Irradiation                       // radiant exposure, joule per square metre
	PhotonFluxDensity                 // mole per square metre second
	LuminousIntensity                 // candela
	LuminousFlux                      // lumen
	Luminance                         // candela per square metre
	Illuminance                       // lux
	Radioactivity                     // decays per second, becquerel
	ActivityConcentration             // becquerel per cubic metre
	AbsorbedDose                      // gray
	DoseEquivalent                    // sievert
	DoseRate                          // sievert per second
	EnergyDensity                     // energy per volume: calorific value, consumption of a pump, joule per cubic metre
	SpecificEnergy                    // energy per mass, joule per kilogram
	HeatRate                          // heat spent per work done, one
	EmissionFactor                    // mass per energy, kilogram per joule
	ActivePulseConstant               // per joule
	ReactivePulseConstant             // per var second
	VolumePulseConstant               // per cubic metre
	Data                              // bit
	DataRate                          // bit per second

	kindEnd
)

var kindNames = [kindEnd]string{
	KindNone:              "unknown",
	ActivePower:           "active power",
	ReactivePower:         "reactive power",
	ApparentPower:         "apparent power",
	ActiveEnergy:          "active energy",
	ReactiveEnergy:        "reactive energy",
	ApparentEnergy:        "apparent energy",
	Voltage:               "voltage",
	Current:               "current",
	Charge:                "charge",
	Resistance:            "resistance",
	LineResistance:        "resistance per length",
	Conductance:           "conductance",
	Conductivity:          "conductivity",
	Capacitance:           "capacitance",
	Inductance:            "inductance",
	MagneticFlux:          "magnetic flux",
	FluxDensity:           "magnetic flux density",
	ActivePowerRate:       "rate of active power",
	VoltageRate:           "rate of voltage",
	CurrentRate:           "rate of current",
	Frequency:             "frequency",
	FrequencyRate:         "rate of frequency",
	PowerFactor:           "power factor",
	Ratio:                 "ratio",
	RatioRate:             "rate of a ratio",
	RelativeHumidity:      "relative humidity",
	VolumeFraction:        "volume fraction",
	LevelDifference:       "level difference",
	PowerLevel:            "power level",
	SoundLevel:            "sound level",
	Acidity:               "acidity",
	Turbidity:             "turbidity",
	Angle:                 "angle",
	SolidAngle:            "solid angle",
	AngularVelocity:       "angular velocity",
	RotationalFrequency:   "rotational frequency",
	Duration:              "duration",
	Count:                 "count",
	CountRate:             "count rate",
	Temperature:           "temperature",
	TemperatureDifference: "temperature difference",
	TemperatureRate:       "rate of temperature",
	HeatCapacity:          "heat capacity",
	SpecificHeat:          "specific heat capacity",
	ThermalConductivity:   "thermal conductivity",
	HeatTransfer:          "heat transfer coefficient",
	Length:                "length",
	Area:                  "area",
	Volume:                "volume",
	NormalVolume:          "normal volume",
	StandardVolume:        "standard volume",
	VolumeFlow:            "volume flow",
	NormalVolumeFlow:      "normal volume flow",
	StandardVolumeFlow:    "standard volume flow",
	Mass:                  "mass",
	MassFlow:              "mass flow",
	Density:               "density",
	Amount:                "amount of substance",
	AmountConcentration:   "amount concentration",
	Pressure:              "pressure",
	GaugePressure:         "gauge pressure",
	AbsolutePressure:      "absolute pressure",
	DifferentialPressure:  "differential pressure",
	PressureRate:          "rate of pressure",
	DynamicViscosity:      "dynamic viscosity",
	KinematicViscosity:    "kinematic viscosity",
	Force:                 "force",
	Torque:                "torque",
	MomentOfInertia:       "moment of inertia",
	Speed:                 "speed",
	Acceleration:          "acceleration",
	Irradiance:            "irradiance",
	Irradiation:           "irradiation",
	PhotonFluxDensity:     "photon flux density",
	LuminousIntensity:     "luminous intensity",
	LuminousFlux:          "luminous flux",
	Luminance:             "luminance",
	Illuminance:           "illuminance",
	Radioactivity:         "activity",
	ActivityConcentration: "activity concentration",
	AbsorbedDose:          "absorbed dose",
	DoseEquivalent:        "dose equivalent",
	DoseRate:              "dose equivalent rate",
	EnergyDensity:         "energy density",
	SpecificEnergy:        "specific energy",
	HeatRate:              "heat rate",
	EmissionFactor:        "emission factor",
	ActivePulseConstant:   "pulses per active energy",
	ReactivePulseConstant: "pulses per reactive energy",
	VolumePulseConstant:   "pulses per volume",
	Data:                  "amount of data",
	DataRate:              "data rate",
}

// String names the kind in plain English, "reactive energy". A number that is
// no kind prints as "Kind(200)".
func (k Kind) String() string {
	if k < kindEnd {
		return kindNames[k]
	}
	return "Kind(" + strconv.Itoa(int(k)) + ")"
}

// Accumulates reports whether amounts of k add up over time, so that a register
// can count them: energy, volume, mass, charge, things. A power, a temperature or a
// ratio does not. Of what is not known, KindNone, it is not known either, and it
// reports true.
func (k Kind) Accumulates() bool {
	switch k {
	case KindNone,
		ActiveEnergy, ReactiveEnergy, ApparentEnergy, Charge, MagneticFlux,
		Duration, Count, Angle, Length, Volume, NormalVolume, StandardVolume, Mass, Amount,
		Irradiation, AbsorbedDose, DoseEquivalent, Data:
		return true
	}
	return false
}
