package units

// The units, by kind. The comment gives the symbol and the exact size in the
// coherent unit of the kind.
const (
	None Unit = iota // the unknown unit: it converts only to itself

	Milliwatt // mW: 1/1000 W
	Watt      // W: 1 W
	Kilowatt  // kW: 1000 W
	Megawatt  // MW: 1e6 W
	Gigawatt  // GW: 1e9 W
	Terawatt  // TW: 1e12 W

	Var     // var: 1 var
	Kilovar // kvar: 1000 var
	Megavar // Mvar: 1e6 var
	Gigavar // Gvar: 1e9 var

	VoltAmpere     // VA: 1 VA
	Kilovoltampere // kVA: 1000 VA
	Megavoltampere // MVA: 1e6 VA
	Gigavoltampere // GVA: 1e9 VA

	Joule        // J: 1 J
	WattSecond   // Ws: 1 J, the joule under its metering name
	Kilojoule    // kJ: 1000 J
	WattHour     // Wh: 3600 J
	Megajoule    // MJ: 1e6 J
	KilowattHour // kWh: 3.6e6 J
	Gigajoule    // GJ: 1e9 J
	MegawattHour // MWh: 3.6e9 J
	Terajoule    // TJ: 1e12 J
	GigawattHour // GWh: 3.6e12 J
	TerawattHour // TWh: 3.6e15 J

	VarHour     // varh: 3600 var·s
	KilovarHour // kvarh: 3.6e6 var·s
	MegavarHour // Mvarh: 3.6e9 var·s
	GigavarHour // Gvarh: 3.6e12 var·s

	VoltAmpereHour     // VAh: 3600 VA·s
	KilovoltampereHour // kVAh: 3.6e6 VA·s
	MegavoltampereHour // MVAh: 3.6e9 VA·s
	GigavoltampereHour // GVAh: 3.6e12 VA·s

	Millivolt // mV: 1/1000 V
	Volt      // V: 1 V
	Kilovolt  // kV: 1000 V

	Milliampere // mA: 1/1000 A
	Ampere      // A: 1 A
	Kiloampere  // kA: 1000 A

	Millihertz // mHz: 1/1000 Hz
	Hertz      // Hz: 1 Hz
	Kilohertz  // kHz: 1000 Hz

	PowerFactorPercent // PF%: 1/100, power factor times 100, as some inverters publish it
	PowerFactorOne     // PF: 1, power factor as a number from -1 to 1

	PartsPerBillion // ppb: 1/1e9
	PartsPerMillion // ppm: 1/1e6
	Permille        // permille: 1/1000
	Percent         // %: 1/100
	One             // 1: 1

	Degree // deg: π/180 rad, which is no ratio of integers
	Radian // rad: 1 rad

	Nanosecond  // ns: 1/1e9 s
	Microsecond // us: 1/1e6 s, written us, as every symbol is ASCII
	Millisecond // ms: 1/1000 s
	Second      // s: 1 s
	Minute      // min: 60 s
	Hour        // h: 3600 s
	Day         // d: 86,400 s; a calendar day may be longer or shorter

	Each // each: 1, one thing: a pulse, an event, a switching cycle

	unitEnd
)

// entry is one row of the table: the unit is num/den coherent units of its
// kind, times π where timesPi says so.
type entry struct {
	symbol   string
	kind     Kind
	num, den uint64
}

func timesPi(u Unit) bool { return u == Degree }

// table holds every unit. It is written by hand from definitions, not imported:
// the public code lists carry wrong factors and shared symbols. Ratios are
// exact and in lowest terms.
//
// Sources: SI Brochure, 9th edition (BIPM 2019), Table 2 for base units, Table 4
// for units with special names, Table 7 for prefixes, Table 8 for minute, hour,
// day and degree; IEC 80000-6 for var and volt ampere.
var table = [unitEnd]entry{
	None: {},

	// Active power. SI Brochure Tables 4 and 7.
	Milliwatt: {"mW", ActivePower, 1, 1000},
	Watt:      {"W", ActivePower, 1, 1},
	Kilowatt:  {"kW", ActivePower, 1000, 1},
	Megawatt:  {"MW", ActivePower, 1_000_000, 1},
	Gigawatt:  {"GW", ActivePower, 1_000_000_000, 1},
	Terawatt:  {"TW", ActivePower, 1_000_000_000_000, 1},

	// Reactive power: the var, IEC 80000-6.
	Var:     {"var", ReactivePower, 1, 1},
	Kilovar: {"kvar", ReactivePower, 1000, 1},
	Megavar: {"Mvar", ReactivePower, 1_000_000, 1},
	Gigavar: {"Gvar", ReactivePower, 1_000_000_000, 1},

	// Apparent power: the volt ampere, IEC 80000-6.
	VoltAmpere:     {"VA", ApparentPower, 1, 1},
	Kilovoltampere: {"kVA", ApparentPower, 1000, 1},
	Megavoltampere: {"MVA", ApparentPower, 1_000_000, 1},
	Gigavoltampere: {"GVA", ApparentPower, 1_000_000_000, 1},

	// Active energy. The watt hour is 3600 W·s: SI Brochure Table 8 for the hour.
	Joule:        {"J", ActiveEnergy, 1, 1},
	WattSecond:   {"Ws", ActiveEnergy, 1, 1},
	Kilojoule:    {"kJ", ActiveEnergy, 1000, 1},
	WattHour:     {"Wh", ActiveEnergy, 3600, 1},
	Megajoule:    {"MJ", ActiveEnergy, 1_000_000, 1},
	KilowattHour: {"kWh", ActiveEnergy, 3_600_000, 1},
	Gigajoule:    {"GJ", ActiveEnergy, 1_000_000_000, 1},
	MegawattHour: {"MWh", ActiveEnergy, 3_600_000_000, 1},
	Terajoule:    {"TJ", ActiveEnergy, 1_000_000_000_000, 1},
	GigawattHour: {"GWh", ActiveEnergy, 3_600_000_000_000, 1},
	TerawattHour: {"TWh", ActiveEnergy, 3_600_000_000_000_000, 1},

	// Reactive energy.
	VarHour:     {"varh", ReactiveEnergy, 3600, 1},
	KilovarHour: {"kvarh", ReactiveEnergy, 3_600_000, 1},
	MegavarHour: {"Mvarh", ReactiveEnergy, 3_600_000_000, 1},
	GigavarHour: {"Gvarh", ReactiveEnergy, 3_600_000_000_000, 1},

	// Apparent energy.
	VoltAmpereHour:     {"VAh", ApparentEnergy, 3600, 1},
	KilovoltampereHour: {"kVAh", ApparentEnergy, 3_600_000, 1},
	MegavoltampereHour: {"MVAh", ApparentEnergy, 3_600_000_000, 1},
	GigavoltampereHour: {"GVAh", ApparentEnergy, 3_600_000_000_000, 1},

	// Voltage.
	Millivolt: {"mV", Voltage, 1, 1000},
	Volt:      {"V", Voltage, 1, 1},
	Kilovolt:  {"kV", Voltage, 1000, 1},

	// Current.
	Milliampere: {"mA", Current, 1, 1000},
	Ampere:      {"A", Current, 1, 1},
	Kiloampere:  {"kA", Current, 1000, 1},

	// Frequency.
	Millihertz: {"mHz", Frequency, 1, 1000},
	Hertz:      {"Hz", Frequency, 1, 1},
	Kilohertz:  {"kHz", Frequency, 1000, 1},

	// Power factor. The symbols are ours: in the standards it is a plain number.
	PowerFactorPercent: {"PF%", PowerFactor, 1, 100},
	PowerFactorOne:     {"PF", PowerFactor, 1, 1},

	// Ratio. SI Brochure section 5.4.7.
	PartsPerBillion: {"ppb", Ratio, 1, 1_000_000_000},
	PartsPerMillion: {"ppm", Ratio, 1, 1_000_000},
	Permille:        {"permille", Ratio, 1, 1000},
	Percent:         {"%", Ratio, 1, 100},
	One:             {"1", Ratio, 1, 1},

	// Plane angle. SI Brochure Tables 4 and 8. The degree is (π/180) rad.
	Degree: {"deg", Angle, 1, 180},
	Radian: {"rad", Angle, 1, 1},

	// Duration. SI Brochure Tables 2, 7 and 8.
	Nanosecond:  {"ns", Duration, 1, 1_000_000_000},
	Microsecond: {"us", Duration, 1, 1_000_000},
	Millisecond: {"ms", Duration, 1, 1000},
	Second:      {"s", Duration, 1, 1},
	Minute:      {"min", Duration, 60, 1},
	Hour:        {"h", Duration, 3600, 1},
	Day:         {"d", Duration, 86_400, 1},

	// Count.
	Each: {"each", Count, 1, 1},
}

// bySymbol lists the units in byte order of their symbols, for [Parse].
var bySymbol = [...]Unit{
	Percent,
	One,
	Ampere,
	Gigajoule,
	Gigavoltampere,
	GigavoltampereHour,
	Gigawatt,
	GigawattHour,
	Gigavar,
	GigavarHour,
	Hertz,
	Joule,
	Megajoule,
	Megavoltampere,
	MegavoltampereHour,
	Megawatt,
	MegawattHour,
	Megavar,
	MegavarHour,
	PowerFactorOne,
	PowerFactorPercent,
	Terajoule,
	Terawatt,
	TerawattHour,
	Volt,
	VoltAmpere,
	VoltAmpereHour,
	Watt,
	WattHour,
	WattSecond,
	Day,
	Degree,
	Each,
	Hour,
	Kiloampere,
	Kilohertz,
	Kilojoule,
	Kilovolt,
	Kilovoltampere,
	KilovoltampereHour,
	Kilowatt,
	KilowattHour,
	Kilovar,
	KilovarHour,
	Milliampere,
	Millihertz,
	Millivolt,
	Milliwatt,
	Minute,
	Millisecond,
	Nanosecond,
	Permille,
	PartsPerBillion,
	PartsPerMillion,
	Radian,
	Second,
	Microsecond,
	Var,
	VarHour,
}
