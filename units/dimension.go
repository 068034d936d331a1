package units

import "strconv"

// Dimension holds the exponents of a quantity in the seven base quantities of
// the SI, in the order length, mass, time, electric current, temperature, amount
// of substance, luminous intensity: {2, 1, -3} for power, kg·m²·s⁻³. The zero
// value is the dimension one, which angles, data and counts have too.
//
// It is for diagnostics, and for reading composed units. It never decides a
// conversion: many kinds share a dimension, torque and energy among them.
type Dimension [7]int8

const (
	length = iota
	mass
	time
	current
	temperature
	amount
	luminous
)

// Dimension returns the dimension of the kind, and the dimension one for
// KindNone and numbers that are no kind.
func (k Kind) Dimension() Dimension {
	if k < kindEnd {
		return dimensions[k]
	}
	return Dimension{}
}

// Dimension returns the dimension of the kind of u.
func (u Unit) Dimension() Dimension { return u.Kind().Dimension() }

// Times returns the dimension of a product.
func (d Dimension) Times(e Dimension) Dimension {
	for i := range d {
		d[i] += e[i]
	}
	return d
}

// Per returns the dimension of a quotient.
func (d Dimension) Per(e Dimension) Dimension {
	for i := range d {
		d[i] -= e[i]
	}
	return d
}

// String returns the dimension in SI base units, "kg·m²·s⁻³", and "1" for the
// dimension one.
func (d Dimension) String() string {
	if d == (Dimension{}) {
		return "1"
	}
	var b []byte
	for _, i := range [...]int{mass, length, time, current, temperature, amount, luminous} {
		if d[i] == 0 {
			continue
		}
		if len(b) > 0 {
			b = append(b, "·"...)
		}
		b = append(b, [...]string{"m", "kg", "s", "A", "K", "mol", "cd"}[i]...)
		if d[i] != 1 {
			b = appendSuperscript(b, strconv.Itoa(int(d[i])))
		}
	}
	return string(b)
}

// appendSuperscript appends the digits and minus signs of s, raised.
func appendSuperscript(b []byte, s string) []byte {
	for _, c := range []byte(s) {
		if c == '-' {
			b = append(b, "⁻"...)
			continue
		}
		b = append(b, [...]string{"⁰", "¹", "²", "³", "⁴", "⁵", "⁶", "⁷", "⁸", "⁹"}[(c-'0')%10]...)
	}
	return b
}

// dimensions has no row for the kinds of dimension one.
var dimensions = [kindEnd]Dimension{
	ActivePower:           {length: 2, mass: 1, time: -3},
	ReactivePower:         {length: 2, mass: 1, time: -3},
	ApparentPower:         {length: 2, mass: 1, time: -3},
	ActiveEnergy:          {length: 2, mass: 1, time: -2},
	ReactiveEnergy:        {length: 2, mass: 1, time: -2},
	ApparentEnergy:        {length: 2, mass: 1, time: -2},
	Voltage:               {length: 2, mass: 1, time: -3, current: -1},
	Current:               {current: 1},
	Charge:                {time: 1, current: 1},
	Resistance:            {length: 2, mass: 1, time: -3, current: -2},
	LineResistance:        {length: 1, mass: 1, time: -3, current: -2},
	Conductance:           {length: -2, mass: -1, time: 3, current: 2},
	Conductivity:          {length: -3, mass: -1, time: 3, current: 2},
	Capacitance:           {length: -2, mass: -1, time: 4, current: 2},
	Inductance:            {length: 2, mass: 1, time: -2, current: -2},
	MagneticFlux:          {length: 2, mass: 1, time: -2, current: -1},
	FluxDensity:           {mass: 1, time: -2, current: -1},
	ActivePowerRate:       {length: 2, mass: 1, time: -4},
	VoltageRate:           {length: 2, mass: 1, time: -4, current: -1},
	CurrentRate:           {time: -1, current: 1},
	Frequency:             {time: -1},
	FrequencyRate:         {time: -2},
	RatioRate:             {time: -1},
	AngularVelocity:       {time: -1},
	RotationalFrequency:   {time: -1},
	Duration:              {time: 1},
	CountRate:             {time: -1},
	Temperature:           {temperature: 1},
	TemperatureDifference: {temperature: 1},
	TemperatureRate:       {time: -1, temperature: 1},
	HeatCapacity:          {length: 2, mass: 1, time: -2, temperature: -1},
	SpecificHeat:          {length: 2, time: -2, temperature: -1},
	ThermalConductivity:   {length: 1, mass: 1, time: -3, temperature: -1},
	HeatTransfer:          {mass: 1, time: -3, temperature: -1},
	Length:                {length: 1},
	Area:                  {length: 2},
	Volume:                {length: 3},
	NormalVolume:          {length: 3},
	StandardVolume:        {length: 3},
	VolumeFlow:            {length: 3, time: -1},
	NormalVolumeFlow:      {length: 3, time: -1},
	StandardVolumeFlow:    {length: 3, time: -1},
	Mass:                  {mass: 1},
	MassFlow:              {mass: 1, time: -1},
	Density:               {length: -3, mass: 1},
	Amount:                {amount: 1},
	AmountConcentration:   {length: -3, amount: 1},
	Pressure:              {length: -1, mass: 1, time: -2},
	GaugePressure:         {length: -1, mass: 1, time: -2},
	AbsolutePressure:      {length: -1, mass: 1, time: -2},
	DifferentialPressure:  {length: -1, mass: 1, time: -2},
	PressureRate:          {length: -1, mass: 1, time: -3},
	DynamicViscosity:      {length: -1, mass: 1, time: -1},
	KinematicViscosity:    {length: 2, time: -1},
	Force:                 {length: 1, mass: 1, time: -2},
	Torque:                {length: 2, mass: 1, time: -2},
	MomentOfInertia:       {length: 2, mass: 1},
	Speed:                 {length: 1, time: -1},
	Acceleration:          {length: 1, time: -2},
	Irradiance:            {mass: 1, time: -3},
	Irradiation:           {mass: 1, time: -2},
	PhotonFluxDensity:     {length: -2, time: -1, amount: 1},
	LuminousIntensity:     {luminous: 1},
	LuminousFlux:          {luminous: 1},
	Luminance:             {length: -2, luminous: 1},
	Illuminance:           {length: -2, luminous: 1},
	Radioactivity:         {time: -1},
	ActivityConcentration: {length: -3, time: -1},
	AbsorbedDose:          {length: 2, time: -2},
	DoseEquivalent:        {length: 2, time: -2},
	DoseRate:              {length: 2, time: -3},
	EnergyDensity:         {length: -1, mass: 1, time: -2},
	SpecificEnergy:        {length: 2, time: -2},
	EmissionFactor:        {length: -2, time: 2},
	ActivePulseConstant:   {length: -2, mass: -1, time: 2},
	ReactivePulseConstant: {length: -2, mass: -1, time: 2},
	VolumePulseConstant:   {length: -3},
	DataRate:              {time: -1},
}
