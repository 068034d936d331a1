package units

// The units, by kind and, within one, by size. The comment gives the symbol and
// the exact size in the coherent unit of the kind.
const (
	None Unit = iota // the unknown unit: it converts only to itself

	Microwatt            // uW: 1/1e6 W
	Milliwatt            // mW: 1/1000 W
	KilojoulePerHour     // kJ/h: 5/18 W
	BtuPerHour           // Btu_IT/h: 52,752,792,631/1.8e11 W, the IT Btu per hour
	Watt                 // W: 1 W
	KilocaloriePerHour   // kcal_IT/h: 1163/1000 W, the IT kilocalorie per hour
	MegajoulePerHour     // MJ/h: 2500/9 W
	MetricHorsepower     // hp_metric: 75 kgf·m/s, the PS and the cv
	MechanicalHorsepower // hp_mech: 550 ft·lbf/s
	ElectricHorsepower   // hp_electric: 746 W
	Kilowatt             // kW: 1000 W
	TonOfRefrigeration   // TR: 12,000 Btu/h
	GigajoulePerHour     // GJ/h: 2.5e6/9 W
	Megawatt             // MW: 1e6 W
	GigacaloriePerHour   // Gcal_IT/h: 1,163,000 W, the IT gigacalorie per hour
	Gigawatt             // GW: 1e9 W
	Terawatt             // TW: 1e12 W

	Var     // var: 1 var
	Kilovar // kvar: 1000 var
	Megavar // Mvar: 1e6 var
	Gigavar // Gvar: 1e9 var

	VoltAmpere     // VA: 1 VA
	Kilovoltampere // kVA: 1000 VA
	Megavoltampere // MVA: 1e6 VA
	Gigavoltampere // GVA: 1e9 VA

	Electronvolt         // eV: exactly 1.602176634e-19 J
	Joule                // J: 1 J
	WattSecond           // Ws: 1 J, the joule under its metering name
	MilliwattHour        // mWh: 18/5 J
	CalorieTh            // cal_th: 523/125 J, thermochemical
	CalorieIT            // cal_IT: 10,467/2500 J, International Table
	Kilojoule            // kJ: 1000 J
	Btu                  // Btu_IT: 52,752,792,631/5e7 J, the IT British thermal unit
	WattHour             // Wh: 3600 J
	Kilocalorie          // kcal_IT: 20,934/5 J, International Table
	Megajoule            // MJ: 1e6 J
	KilowattHour         // kWh: 3.6e6 J
	Megacalorie          // Mcal_IT: 4,186,800 J, International Table
	ThermUS              // therm_US: 105,480,400 J, legal in the USA
	ThermEC              // therm_EC: 100,000 IT Btu
	Gigajoule            // GJ: 1e9 J
	MillionBtu           // MMBtu_IT: 1,000,000 IT Btu
	MegawattHour         // MWh: 3.6e9 J
	Gigacalorie          // Gcal_IT: 4,186,800,000 J, International Table
	TonneOfOilEquivalent // toe: 10 IT gigacalories
	Terajoule            // TJ: 1e12 J
	GigawattHour         // GWh: 3.6e12 J
	TerawattHour         // TWh: 3.6e15 J

	VarHour     // varh: 3600 var·s
	KilovarHour // kvarh: 3.6e6 var·s
	MegavarHour // Mvarh: 3.6e9 var·s
	GigavarHour // Gvarh: 3.6e12 var·s

	VoltAmpereHour     // VAh: 3600 VA·s
	KilovoltampereHour // kVAh: 3.6e6 VA·s
	MegavoltampereHour // MVAh: 3.6e9 VA·s
	GigavoltampereHour // GVAh: 3.6e12 VA·s

	Microvolt // uV: 1/1e6 V
	Millivolt // mV: 1/1000 V
	Volt      // V: 1 V
	Kilovolt  // kV: 1000 V
	Megavolt  // MV: 1e6 V

	Microampere // uA: 1/1e6 A
	Milliampere // mA: 1/1000 A
	Ampere      // A: 1 A
	Kiloampere  // kA: 1000 A

	Coulomb         // C: 1 C, the degree Celsius is degC
	MilliampereHour // mAh: 18/5 C
	AmpereHour      // Ah: 3600 C
	KiloampereHour  // kAh: 3.6e6 C

	Microohm // uOhm: 1/1e6 Ohm
	Milliohm // mOhm: 1/1000 Ohm
	Ohm      // Ohm: 1 Ohm
	Kiloohm  // kOhm: 1000 Ohm
	Megaohm  // MOhm: 1e6 Ohm
	Gigaohm  // GOhm: 1e9 Ohm

	OhmPerKilometre // Ohm/km: 1/1000 Ohm/m
	OhmPerMetre     // Ohm/m: 1 Ohm/m

	Microsiemens // uS: 1/1e6 S
	Millisiemens // mS: 1/1000 S
	Siemens      // S: 1 S, the second is s

	MicrosiemensPerCentimetre // uS/cm: 1/10,000 S/m
	MillisiemensPerCentimetre // mS/cm: 1/10 S/m
	SiemensPerMetre           // S/m: 1 S/m

	Nanofarad  // nF: 1/1e9 F
	Microfarad // uF: 1/1e6 F
	Farad      // F: 1 F, the degree Fahrenheit is degF

	Microhenry // uH: 1/1e6 H
	Millihenry // mH: 1/1000 H
	Henry      // H: 1 H, the hour is h

	Weber // Wb: 1 Wb, 1 V·s

	Microtesla // uT: 1/1e6 T
	Millitesla // mT: 1/1000 T
	Tesla      // T: 1 T

	WattPerSecond     // W/s: 1 W/s
	KilowattPerMinute // kW/min: 50/3 W/s
	KilowattPerSecond // kW/s: 1000 W/s
	MegawattPerMinute // MW/min: 50,000/3 W/s

	VoltPerSecond // V/s: 1 V/s

	AmperePerSecond // A/s: 1 A/s

	Millihertz // mHz: 1/1000 Hz
	Hertz      // Hz: 1 Hz
	Kilohertz  // kHz: 1000 Hz
	Megahertz  // MHz: 1e6 Hz
	Gigahertz  // GHz: 1e9 Hz

	MillihertzPerSecond // mHz/s: 1/1000 Hz/s
	HertzPerSecond      // Hz/s: 1 Hz/s

	PowerFactorPercent // PF%: 1/100, power factor times 100, as some inverters publish it
	PowerFactorOne     // PF: 1, power factor as a number from -1 to 1

	PartsPerBillion // ppb: 1/1e9
	PartsPerMillion // ppm: 1/1e6
	Permille        // permille: 1/1000
	Percent         // %: 1/100
	One             // 1: 1

	PercentPerMinute // %/min: 1/6000 1/s
	PercentPerSecond // %/s: 1/100 1/s

	PercentRelativeHumidity // %RH: 1/100

	PartsPerMillionVolume // ppmv: 1/1e6
	PercentVolume         // %vol: 1/100

	Decibel // dB: 1 dB

	DecibelMilliwatt // dBm: 1 dBm, decibels over 1 mW

	DecibelA // dBA: 1 dBA, A-weighted decibels over 20 µPa

	PH // pH: 1 pH

	NephelometricTurbidity // NTU: 1 NTU

	Degree // deg: π/180 rad, which is no ratio of integers
	Radian // rad: 1 rad

	Steradian // sr: 1 sr

	DegreePerSecond // deg/s: π/180 rad/s
	RadianPerSecond // rad/s: 1 rad/s

	RevolutionPerMinute // rpm: 1/60 r/s
	RevolutionPerSecond // r/s: 1 r/s

	Nanosecond  // ns: 1/1e9 s
	Microsecond // us: 1/1e6 s, written us, as every symbol is ASCII
	Millisecond // ms: 1/1000 s
	Second      // s: 1 s
	Minute      // min: 60 s
	Hour        // h: 3600 s
	Day         // d: 86,400 s; a calendar day may be longer or shorter

	Each // each: 1, one thing: a pulse, an event, a switching cycle

	PerHour   // 1/h: 1/3600 1/s
	PerMinute // 1/min: 1/60 1/s
	PerSecond // 1/s: 1 1/s

	DegreeRankine    // degR: 5/9 K
	DegreeFahrenheit // degF: 5/9 K, from a zero at 459.67 °F below absolute zero
	Kelvin           // K: 1 K
	DegreeCelsius    // degC: 1 K, from a zero at 273.15 K

	DeltaDegreeFahrenheit // delta_degF: 5/9 delta_K
	DeltaKelvin           // delta_K: 1 delta_K
	DeltaDegreeCelsius    // delta_degC: 1 delta_K

	KelvinPerHour   // K/h: 1/3600 K/s
	KelvinPerMinute // K/min: 1/60 K/s
	KelvinPerSecond // K/s: 1 K/s

	JoulePerKelvin // J/K: 1 J/K

	JoulePerKilogramKelvin     // J/(kg.K): 1 J/(kg.K)
	KilojoulePerKilogramKelvin // kJ/(kg.K): 1000 J/(kg.K)

	WattPerMetreKelvin // W/(m.K): 1 W/(m.K)

	WattPerSquareMetreKelvin // W/(m2.K): 1 W/(m2.K)

	Micrometre // um: 1/1e6 m
	Millimetre // mm: 1/1000 m
	Centimetre // cm: 1/100 m
	Inch       // in: 127/5000 m
	Foot       // ft: 381/1250 m
	Yard       // yd: 1143/1250 m
	Metre      // m: 1 m, the minute is min
	Kilometre  // km: 1000 m
	Mile       // mi: 201,168/125 m

	SquareMillimetre // mm2: 1/1e6 m2
	SquareCentimetre // cm2: 1/10,000 m2
	SquareFoot       // ft2: 145,161/1,562,500 m2
	SquareMetre      // m2: 1 m2
	Hectare          // ha: 10,000 m2
	SquareKilometre  // km2: 1e6 m2

	Millilitre // mL: 1/1e6 m3
	Litre      // L: 1/1000 m3
	GallonUS   // gal_US: 231 in³
	GallonUK   // gal_UK: 454,609/1e8 m3, the imperial gallon
	CubicFoot  // ft3: 55,306,341/1,953,125,000 m3
	Hectolitre // hL: 1/10 m3
	Barrel     // bbl: 9,936,705,933/6.25e10 m3, the oil barrel of 42 US gallons
	CubicMetre // m3: 1 m3

	NormalLitre      // NL: 1/1000 Nm3
	NormalCubicMetre // Nm3: 1 Nm3, at 0 °C and 101.325 kPa; the newton metre is N.m

	StandardCubicMetre // Sm3: 1 Sm3, at 15 °C and 101.325 kPa

	MillilitrePerMinute // mL/min: 1/6e7 m3/s
	LitrePerHour        // L/h: 1/3.6e6 m3/s
	BarrelPerDay        // bbl/d: 1,104,078,437/6e14 m3/s
	CubicMetrePerDay    // m3/d: 1/86,400 m3/s
	LitrePerMinute      // L/min: 1/60,000 m3/s
	GallonUSPerMinute   // gpm_US: 157,725,491/2.5e12 m3/s
	GallonUKPerMinute   // gpm_UK: 454,609/6e9 m3/s
	CubicMetrePerHour   // m3/h: 1/3600 m3/s
	CubicFootPerMinute  // cfm: 18,435,447/39,062,500,000 m3/s
	LitrePerSecond      // L/s: 1/1000 m3/s
	CubicMetrePerMinute // m3/min: 1/60 m3/s
	CubicMetrePerSecond // m3/s: 1 m3/s

	NormalLitrePerMinute      // NL/min: 1/60,000 Nm3/s
	NormalCubicMetrePerHour   // Nm3/h: 1/3600 Nm3/s
	NormalCubicMetrePerMinute // Nm3/min: 1/60 Nm3/s

	StandardCubicMetrePerDay  // Sm3/d: 1/86,400 Sm3/s
	StandardCubicMetrePerHour // Sm3/h: 1/3600 Sm3/s

	Microgram // ug: 1/1e9 kg
	Milligram // mg: 1/1e6 kg
	Gram      // g: 1/1000 kg
	Ounce     // oz: 45,359,237/1.6e9 kg, avoirdupois
	Pound     // lb: 45,359,237/1e8 kg, avoirdupois
	Kilogram  // kg: 1 kg
	TonUS     // ton_US: 45,359,237/50,000 kg, the short ton of 2000 lb
	Tonne     // t: 1000 kg
	TonUK     // ton_UK: 317,514,659/312,500 kg, the long ton of 2240 lb

	PoundPerHour      // lb/h: 45,359,237/3.6e11 kg/s
	KilogramPerHour   // kg/h: 1/3600 kg/s
	GramPerSecond     // g/s: 1/1000 kg/s
	TonnePerDay       // t/d: 5/432 kg/s
	KilogramPerMinute // kg/min: 1/60 kg/s
	TonnePerHour      // t/h: 5/18 kg/s
	KilogramPerSecond // kg/s: 1 kg/s

	MicrogramPerCubicMetre // ug/m3: 1/1e9 kg/m3
	MicrogramPerLitre      // ug/L: 1/1e6 kg/m3
	MilligramPerCubicMetre // mg/m3: 1/1e6 kg/m3
	MilligramPerLitre      // mg/L: 1/1000 kg/m3
	GramPerCubicMetre      // g/m3: 1/1000 kg/m3
	GramPerLitre           // g/L: 1 kg/m3
	KilogramPerCubicMetre  // kg/m3: 1 kg/m3
	KilogramPerLitre       // kg/L: 1000 kg/m3

	Mole     // mol: 1 mol
	Kilomole // kmol: 1000 mol

	MillimolePerLitre // mmol/L: 1 mol/m3
	MolePerLitre      // mol/L: 1000 mol/m3

	Pascal              // Pa: 1 Pa
	MillimetreOfWater   // mmH2O: 196,133/20,000 Pa, conventional
	Hectopascal         // hPa: 100 Pa
	Millibar            // mbar: 100 Pa
	Torr                // Torr: 1/760 atm
	MillimetreOfMercury // mmHg: 26,664,477,483/2e8 Pa, conventional
	InchOfWater         // inH2O: 24,908,891/1e5 Pa, conventional
	Kilopascal          // kPa: 1000 Pa
	InchOfMercury       // inHg: 3,386,388,640,341/1e9 Pa, conventional
	Psi                 // psi: 1 lbf/in²
	MetreOfWater        // mH2O: 196,133/20 Pa, conventional
	TechnicalAtmosphere // at: 1 kgf/cm²
	Bar                 // bar: 1e5 Pa
	Atmosphere          // atm: 101,325 Pa
	Megapascal          // MPa: 1e6 Pa
	Kilopsi             // ksi: 8,896,443,230,521/1,290,320 Pa
	Gigapascal          // GPa: 1e9 Pa

	MillibarGauge   // mbarg: 100 Pa
	KilopascalGauge // kPag: 1000 Pa
	PsiGauge        // psig: 8,896,443,230,521/1,290,320,000 Pa
	BarGauge        // barg: 1e5 Pa
	MegapascalGauge // MPag: 1e6 Pa

	MillibarAbsolute   // mbara: 100 Pa
	KilopascalAbsolute // kPaa: 1000 Pa
	PsiAbsolute        // psia: 8,896,443,230,521/1,290,320,000 Pa
	BarAbsolute        // bara: 1e5 Pa

	MillibarDifferential // mbard: 100 Pa
	PsiDifferential      // psid: 8,896,443,230,521/1,290,320,000 Pa
	BarDifferential      // bard: 1e5 Pa

	PascalPerSecond // Pa/s: 1 Pa/s

	MillipascalSecond // mPa.s: 1/1000 Pa.s, the centipoise
	PascalSecond      // Pa.s: 1 Pa.s

	SquareMillimetrePerSecond // mm2/s: 1/1e6 m2/s, the centistokes
	SquareMetrePerSecond      // m2/s: 1 m2/s

	Newton        // N: 1 N
	PoundForce    // lbf: 8,896,443,230,521/2e12 N
	KilogramForce // kgf: 196,133/20,000 N
	Kilonewton    // kN: 1000 N
	Meganewton    // MN: 1e6 N

	MillinewtonMetre // mN.m: 1/1000 N.m
	PoundForceInch   // lbf.in: 1,129,848,290,276,167/1e16 N.m
	NewtonMetre      // N.m: 1 N.m, the nanometre is nm, the normal cubic metre Nm3
	PoundForceFoot   // lbf.ft: 3,389,544,870,828,501/2.5e15 N.m
	KilonewtonMetre  // kN.m: 1000 N.m

	KilogramSquareMetre // kg.m2: 1 kg.m2

	MillimetrePerHour   // mm/h: 1/3.6e6 m/s
	MillimetrePerSecond // mm/s: 1/1000 m/s, also the velocity of a vibration
	FootPerMinute       // ft/min: 127/25,000 m/s
	MetrePerMinute      // m/min: 1/60 m/s
	InchPerSecond       // in/s: 127/5000 m/s
	KilometrePerHour    // km/h: 5/18 m/s
	FootPerSecond       // ft/s: 381/1250 m/s
	MilePerHour         // mph: 1397/3125 m/s
	Knot                // kn: 463/900 m/s
	MetrePerSecond      // m/s: 1 m/s

	MillimetrePerSecondSquared // mm/s2: 1/1000 m/s2
	MetrePerSecondSquared      // m/s2: 1 m/s2
	StandardGravity            // gn: 9.80665 m/s²; the gram is g

	WattPerSquareMetre     // W/m2: 1 W/m2
	KilowattPerSquareMetre // kW/m2: 1000 W/m2

	JoulePerSquareMetre        // J/m2: 1 J/m2
	WattHourPerSquareMetre     // Wh/m2: 3600 J/m2
	MegajoulePerSquareMetre    // MJ/m2: 1e6 J/m2
	KilowattHourPerSquareMetre // kWh/m2: 3.6e6 J/m2

	MicromolePerSquareMetreSecond // umol/(m2.s): 1/1e6 mol/(m2.s)

	Candela // cd: 1 cd

	Lumen // lm: 1 lm

	CandelaPerSquareMetre // cd/m2: 1 cd/m2

	Lux     // lx: 1 lx
	Kilolux // klx: 1000 lx

	Becquerel // Bq: 1 Bq

	BecquerelPerCubicMetre // Bq/m3: 1 Bq/m3

	Gray // Gy: 1 Gy

	Microsievert // uSv: 1/1e6 Sv
	Millisievert // mSv: 1/1000 Sv
	Sievert      // Sv: 1 Sv

	MicrosievertPerHour // uSv/h: 1/3.6e9 Sv/s
	MillisievertPerHour // mSv/h: 1/3.6e6 Sv/s

	MegajoulePerCubicMetre    // MJ/m3: 1e6 J/m3
	KilowattHourPerCubicMetre // kWh/m3: 3.6e6 J/m3

	JoulePerKilogram        // J/kg: 1 J/kg
	KilojoulePerKilogram    // kJ/kg: 1000 J/kg
	KilowattHourPerTonne    // kWh/t: 3600 J/kg
	MegajoulePerKilogram    // MJ/kg: 1e6 J/kg
	KilowattHourPerKilogram // kWh/kg: 3.6e6 J/kg

	KilojoulePerKilowattHour // kJ/kWh: 1/3600

	GramPerKilowattHour     // g/kWh: 1/3.6e9 kg/J
	KilogramPerMegawattHour // kg/MWh: 1/3.6e9 kg/J
	KilogramPerKilowattHour // kg/kWh: 1/3.6e6 kg/J
	TonnePerMegawattHour    // t/MWh: 1/3.6e6 kg/J

	PulsePerKilowattHour // imp/kWh: 1/3.6e6 imp/J
	PulsePerWattHour     // imp/Wh: 1/3600 imp/J

	PulsePerKilovarHour // imp/kvarh: 1/3.6e6 imp/(var.s)

	PulsePerCubicMetre // imp/m3: 1 imp/m3
	PulsePerLitre      // imp/L: 1000 imp/m3

	Bit      // bit: 1 bit
	Byte     // B: 8 bit, 8 bit, the octet
	Kilobit  // kbit: 1000 bit
	Kilobyte // kB: 8000 bit
	Kibibyte // KiB: 8192 bit
	Megabit  // Mbit: 1e6 bit
	Megabyte // MB: 8e6 bit
	Mebibyte // MiB: 8,388,608 bit
	Gigabit  // Gbit: 1e9 bit
	Gigabyte // GB: 8e9 bit
	Gibibyte // GiB: 8,589,934,592 bit
	Terabyte // TB: 8e12 bit
	Tebibyte // TiB: 8,796,093,022,208 bit

	BitPerSecond      // bit/s: 1 bit/s
	BytePerSecond     // B/s: 8 bit/s
	KilobitPerSecond  // kbit/s: 1000 bit/s
	KilobytePerSecond // kB/s: 8000 bit/s
	MegabitPerSecond  // Mbit/s: 1e6 bit/s
	MegabytePerSecond // MB/s: 8e6 bit/s
	GigabitPerSecond  // Gbit/s: 1e9 bit/s

	unitEnd
)

// entry is one row of the table: the unit is num/den coherent units of its
// kind, times π where timesPi says so and times 1e-9 where nano does, counted
// from the zero that zeroPoint gives.
type entry struct {
	symbol   string
	kind     Kind
	num, den uint64
}

func timesPi(u Unit) bool { return u == Degree || u == DegreePerSecond }

// nano says that a ratio is 1e9 times too large in the table, whose integers could
// not hold it.
func nano(u Unit) bool { return u == Electronvolt }

// zeroPoint returns by how much a value in u is increased before its unit is
// converted, so that the result counts from absolute zero: 5463/20 for the
// degree Celsius, 0/1 for every unit that already does.
func zeroPoint(u Unit) (num, den int64) {
	switch u {
	case DegreeCelsius:
		return 5463, 20
	case DegreeFahrenheit:
		return 45_967, 100
	}
	return 0, 1
}

func hasZero(u Unit) bool { return u == DegreeCelsius || u == DegreeFahrenheit }

// table holds every unit. It is written by hand from definitions, not imported:
// the public code lists carry wrong factors and shared symbols. Ratios are
// exact and in lowest terms.
//
// Sources: SI Brochure, 9th edition (BIPM 2019), Table 2 for base units, Table 4
// for units with special names, Table 7 for prefixes, Table 8 for minute, hour,
// day and degree; IEC 80000-6 for var and volt ampere; NIST SP 811 (2008),
// appendix B, and what it refers to for units outside the SI.
var table = [unitEnd]entry{
	None: {},

	// Active power. SI Brochure Tables 4 and 7. Btu and kilocalorie: see active energy. Horsepower:
	// NIST SP 811 B.8: 550 ft·lbf/s, 75 kgf·m/s, 746 W. Ton of refrigeration:
	// 12,000 Btu/h.
	Microwatt:            {"uW", ActivePower, 1, 1_000_000},
	Milliwatt:            {"mW", ActivePower, 1, 1000},
	KilojoulePerHour:     {"kJ/h", ActivePower, 5, 18},
	BtuPerHour:           {"Btu_IT/h", ActivePower, 52_752_792_631, 180_000_000_000},
	Watt:                 {"W", ActivePower, 1, 1},
	KilocaloriePerHour:   {"kcal_IT/h", ActivePower, 1163, 1000},
	MegajoulePerHour:     {"MJ/h", ActivePower, 2500, 9},
	MetricHorsepower:     {"hp_metric", ActivePower, 588_399, 800},
	MechanicalHorsepower: {"hp_mech", ActivePower, 37_284_993_579_113_511, 50_000_000_000_000},
	ElectricHorsepower:   {"hp_electric", ActivePower, 746, 1},
	Kilowatt:             {"kW", ActivePower, 1000, 1},
	TonOfRefrigeration:   {"TR", ActivePower, 52_752_792_631, 15_000_000},
	GigajoulePerHour:     {"GJ/h", ActivePower, 2_500_000, 9},
	Megawatt:             {"MW", ActivePower, 1_000_000, 1},
	GigacaloriePerHour:   {"Gcal_IT/h", ActivePower, 1_163_000, 1},
	Gigawatt:             {"GW", ActivePower, 1_000_000_000, 1},
	Terawatt:             {"TW", ActivePower, 1_000_000_000_000, 1},

	// Reactive power. The var, IEC 80000-6.
	Var:     {"var", ReactivePower, 1, 1},
	Kilovar: {"kvar", ReactivePower, 1000, 1},
	Megavar: {"Mvar", ReactivePower, 1_000_000, 1},
	Gigavar: {"Gvar", ReactivePower, 1_000_000_000, 1},

	// Apparent power. The volt ampere, IEC 80000-6.
	VoltAmpere:     {"VA", ApparentPower, 1, 1},
	Kilovoltampere: {"kVA", ApparentPower, 1000, 1},
	Megavoltampere: {"MVA", ApparentPower, 1_000_000, 1},
	Gigavoltampere: {"GVA", ApparentPower, 1_000_000_000, 1},

	// Active energy. The watt hour is 3600 W·s: SI Brochure Table 8 for the hour. Calories and Btu:
	// NIST SP 811 B.8, the IT calorie is 4.1868 J, the thermochemical one 4.184 J, the
	// IT Btu 1055.05585262 J. Therm: 100,000 Btu in the EC, 105,480,400 J by US law.
	// Electronvolt: SI Brochure Table 8.
	Electronvolt:         {"eV", ActiveEnergy, 801_088_317, 5_000_000_000_000_000_000},
	Joule:                {"J", ActiveEnergy, 1, 1},
	WattSecond:           {"Ws", ActiveEnergy, 1, 1},
	MilliwattHour:        {"mWh", ActiveEnergy, 18, 5},
	CalorieTh:            {"cal_th", ActiveEnergy, 523, 125},
	CalorieIT:            {"cal_IT", ActiveEnergy, 10_467, 2500},
	Kilojoule:            {"kJ", ActiveEnergy, 1000, 1},
	Btu:                  {"Btu_IT", ActiveEnergy, 52_752_792_631, 50_000_000},
	WattHour:             {"Wh", ActiveEnergy, 3600, 1},
	Kilocalorie:          {"kcal_IT", ActiveEnergy, 20_934, 5},
	Megajoule:            {"MJ", ActiveEnergy, 1_000_000, 1},
	KilowattHour:         {"kWh", ActiveEnergy, 3_600_000, 1},
	Megacalorie:          {"Mcal_IT", ActiveEnergy, 4_186_800, 1},
	ThermUS:              {"therm_US", ActiveEnergy, 105_480_400, 1},
	ThermEC:              {"therm_EC", ActiveEnergy, 52_752_792_631, 500},
	Gigajoule:            {"GJ", ActiveEnergy, 1_000_000_000, 1},
	MillionBtu:           {"MMBtu_IT", ActiveEnergy, 52_752_792_631, 50},
	MegawattHour:         {"MWh", ActiveEnergy, 3_600_000_000, 1},
	Gigacalorie:          {"Gcal_IT", ActiveEnergy, 4_186_800_000, 1},
	TonneOfOilEquivalent: {"toe", ActiveEnergy, 41_868_000_000, 1},
	Terajoule:            {"TJ", ActiveEnergy, 1_000_000_000_000, 1},
	GigawattHour:         {"GWh", ActiveEnergy, 3_600_000_000_000, 1},
	TerawattHour:         {"TWh", ActiveEnergy, 3_600_000_000_000_000, 1},

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
	Microvolt: {"uV", Voltage, 1, 1_000_000},
	Millivolt: {"mV", Voltage, 1, 1000},
	Volt:      {"V", Voltage, 1, 1},
	Kilovolt:  {"kV", Voltage, 1000, 1},
	Megavolt:  {"MV", Voltage, 1_000_000, 1},

	// Current.
	Microampere: {"uA", Current, 1, 1_000_000},
	Milliampere: {"mA", Current, 1, 1000},
	Ampere:      {"A", Current, 1, 1},
	Kiloampere:  {"kA", Current, 1000, 1},

	// Charge.
	Coulomb:         {"C", Charge, 1, 1},
	MilliampereHour: {"mAh", Charge, 18, 5},
	AmpereHour:      {"Ah", Charge, 3600, 1},
	KiloampereHour:  {"kAh", Charge, 3_600_000, 1},

	// Resistance.
	Microohm: {"uOhm", Resistance, 1, 1_000_000},
	Milliohm: {"mOhm", Resistance, 1, 1000},
	Ohm:      {"Ohm", Resistance, 1, 1},
	Kiloohm:  {"kOhm", Resistance, 1000, 1},
	Megaohm:  {"MOhm", Resistance, 1_000_000, 1},
	Gigaohm:  {"GOhm", Resistance, 1_000_000_000, 1},

	// Resistance per length.
	OhmPerKilometre: {"Ohm/km", LineResistance, 1, 1000},
	OhmPerMetre:     {"Ohm/m", LineResistance, 1, 1},

	// Conductance.
	Microsiemens: {"uS", Conductance, 1, 1_000_000},
	Millisiemens: {"mS", Conductance, 1, 1000},
	Siemens:      {"S", Conductance, 1, 1},

	// Conductivity.
	MicrosiemensPerCentimetre: {"uS/cm", Conductivity, 1, 10_000},
	MillisiemensPerCentimetre: {"mS/cm", Conductivity, 1, 10},
	SiemensPerMetre:           {"S/m", Conductivity, 1, 1},

	// Capacitance.
	Nanofarad:  {"nF", Capacitance, 1, 1_000_000_000},
	Microfarad: {"uF", Capacitance, 1, 1_000_000},
	Farad:      {"F", Capacitance, 1, 1},

	// Inductance.
	Microhenry: {"uH", Inductance, 1, 1_000_000},
	Millihenry: {"mH", Inductance, 1, 1000},
	Henry:      {"H", Inductance, 1, 1},

	// Magnetic flux.
	Weber: {"Wb", MagneticFlux, 1, 1},

	// Magnetic flux density.
	Microtesla: {"uT", FluxDensity, 1, 1_000_000},
	Millitesla: {"mT", FluxDensity, 1, 1000},
	Tesla:      {"T", FluxDensity, 1, 1},

	// Rate of active power.
	WattPerSecond:     {"W/s", ActivePowerRate, 1, 1},
	KilowattPerMinute: {"kW/min", ActivePowerRate, 50, 3},
	KilowattPerSecond: {"kW/s", ActivePowerRate, 1000, 1},
	MegawattPerMinute: {"MW/min", ActivePowerRate, 50_000, 3},

	// Rate of voltage.
	VoltPerSecond: {"V/s", VoltageRate, 1, 1},

	// Rate of current.
	AmperePerSecond: {"A/s", CurrentRate, 1, 1},

	// Frequency.
	Millihertz: {"mHz", Frequency, 1, 1000},
	Hertz:      {"Hz", Frequency, 1, 1},
	Kilohertz:  {"kHz", Frequency, 1000, 1},
	Megahertz:  {"MHz", Frequency, 1_000_000, 1},
	Gigahertz:  {"GHz", Frequency, 1_000_000_000, 1},

	// Rate of frequency.
	MillihertzPerSecond: {"mHz/s", FrequencyRate, 1, 1000},
	HertzPerSecond:      {"Hz/s", FrequencyRate, 1, 1},

	// Power factor. The symbols are ours: in the standards it is a plain number.
	PowerFactorPercent: {"PF%", PowerFactor, 1, 100},
	PowerFactorOne:     {"PF", PowerFactor, 1, 1},

	// Ratio. SI Brochure section 5.4.7.
	PartsPerBillion: {"ppb", Ratio, 1, 1_000_000_000},
	PartsPerMillion: {"ppm", Ratio, 1, 1_000_000},
	Permille:        {"permille", Ratio, 1, 1000},
	Percent:         {"%", Ratio, 1, 100},
	One:             {"1", Ratio, 1, 1},

	// Rate of a ratio.
	PercentPerMinute: {"%/min", RatioRate, 1, 6000},
	PercentPerSecond: {"%/s", RatioRate, 1, 100},

	// Relative humidity.
	PercentRelativeHumidity: {"%RH", RelativeHumidity, 1, 100},

	// Volume fraction.
	PartsPerMillionVolume: {"ppmv", VolumeFraction, 1, 1_000_000},
	PercentVolume:         {"%vol", VolumeFraction, 1, 100},

	// Level difference. IEC 60027-3. Levels stay as they are: nothing else is of their kind.
	Decibel: {"dB", LevelDifference, 1, 1},

	// Power level.
	DecibelMilliwatt: {"dBm", PowerLevel, 1, 1},

	// Sound level.
	DecibelA: {"dBA", SoundLevel, 1, 1},

	// Acidity.
	PH: {"pH", Acidity, 1, 1},

	// Turbidity.
	NephelometricTurbidity: {"NTU", Turbidity, 1, 1},

	// Angle. SI Brochure Tables 4 and 8. The degree is (π/180) rad.
	Degree: {"deg", Angle, 1, 180},
	Radian: {"rad", Angle, 1, 1},

	// Solid angle.
	Steradian: {"sr", SolidAngle, 1, 1},

	// Angular velocity.
	DegreePerSecond: {"deg/s", AngularVelocity, 1, 180},
	RadianPerSecond: {"rad/s", AngularVelocity, 1, 1},

	// Rotational frequency. ISO 80000-3: revolutions per time, not radians.
	RevolutionPerMinute: {"rpm", RotationalFrequency, 1, 60},
	RevolutionPerSecond: {"r/s", RotationalFrequency, 1, 1},

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

	// Count rate.
	PerHour:   {"1/h", CountRate, 1, 3600},
	PerMinute: {"1/min", CountRate, 1, 60},
	PerSecond: {"1/s", CountRate, 1, 1},

	// Temperature. SI Brochure Table 4 for the degree Celsius; NIST SP 811 B.8 for Fahrenheit and
	// Rankine. The zeros of the scales are in zeroPoint.
	DegreeRankine:    {"degR", Temperature, 5, 9},
	DegreeFahrenheit: {"degF", Temperature, 5, 9},
	Kelvin:           {"K", Temperature, 1, 1},
	DegreeCelsius:    {"degC", Temperature, 1, 1},

	// Temperature difference. The same sizes, with no zero.
	DeltaDegreeFahrenheit: {"delta_degF", TemperatureDifference, 5, 9},
	DeltaKelvin:           {"delta_K", TemperatureDifference, 1, 1},
	DeltaDegreeCelsius:    {"delta_degC", TemperatureDifference, 1, 1},

	// Rate of temperature.
	KelvinPerHour:   {"K/h", TemperatureRate, 1, 3600},
	KelvinPerMinute: {"K/min", TemperatureRate, 1, 60},
	KelvinPerSecond: {"K/s", TemperatureRate, 1, 1},

	// Heat capacity.
	JoulePerKelvin: {"J/K", HeatCapacity, 1, 1},

	// Specific heat capacity.
	JoulePerKilogramKelvin:     {"J/(kg.K)", SpecificHeat, 1, 1},
	KilojoulePerKilogramKelvin: {"kJ/(kg.K)", SpecificHeat, 1000, 1},

	// Thermal conductivity.
	WattPerMetreKelvin: {"W/(m.K)", ThermalConductivity, 1, 1},

	// Heat transfer coefficient.
	WattPerSquareMetreKelvin: {"W/(m2.K)", HeatTransfer, 1, 1},

	// Length. International yard and pound agreement, 1959: the yard is 0.9144 m.
	Micrometre: {"um", Length, 1, 1_000_000},
	Millimetre: {"mm", Length, 1, 1000},
	Centimetre: {"cm", Length, 1, 100},
	Inch:       {"in", Length, 127, 5000},
	Foot:       {"ft", Length, 381, 1250},
	Yard:       {"yd", Length, 1143, 1250},
	Metre:      {"m", Length, 1, 1},
	Kilometre:  {"km", Length, 1000, 1},
	Mile:       {"mi", Length, 201_168, 125},

	// Area.
	SquareMillimetre: {"mm2", Area, 1, 1_000_000},
	SquareCentimetre: {"cm2", Area, 1, 10_000},
	SquareFoot:       {"ft2", Area, 145_161, 1_562_500},
	SquareMetre:      {"m2", Area, 1, 1},
	Hectare:          {"ha", Area, 10_000, 1},
	SquareKilometre:  {"km2", Area, 1_000_000, 1},

	// Volume. SI Brochure Table 8 for the litre. The US gallon is 231 in³, the imperial one
	// 4.54609 L (UK Weights and Measures Act 1985), the oil barrel 42 US gallons.
	Millilitre: {"mL", Volume, 1, 1_000_000},
	Litre:      {"L", Volume, 1, 1000},
	GallonUS:   {"gal_US", Volume, 473_176_473, 125_000_000_000},
	GallonUK:   {"gal_UK", Volume, 454_609, 100_000_000},
	CubicFoot:  {"ft3", Volume, 55_306_341, 1_953_125_000},
	Hectolitre: {"hL", Volume, 1, 10},
	Barrel:     {"bbl", Volume, 9_936_705_933, 62_500_000_000},
	CubicMetre: {"m3", Volume, 1, 1},

	// Normal volume. DIN 1343.
	NormalLitre:      {"NL", NormalVolume, 1, 1000},
	NormalCubicMetre: {"Nm3", NormalVolume, 1, 1},

	// Standard volume. ISO 13443.
	StandardCubicMetre: {"Sm3", StandardVolume, 1, 1},

	// Volume flow.
	MillilitrePerMinute: {"mL/min", VolumeFlow, 1, 60_000_000},
	LitrePerHour:        {"L/h", VolumeFlow, 1, 3_600_000},
	BarrelPerDay:        {"bbl/d", VolumeFlow, 1_104_078_437, 600_000_000_000_000},
	CubicMetrePerDay:    {"m3/d", VolumeFlow, 1, 86_400},
	LitrePerMinute:      {"L/min", VolumeFlow, 1, 60_000},
	GallonUSPerMinute:   {"gpm_US", VolumeFlow, 157_725_491, 2_500_000_000_000},
	GallonUKPerMinute:   {"gpm_UK", VolumeFlow, 454_609, 6_000_000_000},
	CubicMetrePerHour:   {"m3/h", VolumeFlow, 1, 3600},
	CubicFootPerMinute:  {"cfm", VolumeFlow, 18_435_447, 39_062_500_000},
	LitrePerSecond:      {"L/s", VolumeFlow, 1, 1000},
	CubicMetrePerMinute: {"m3/min", VolumeFlow, 1, 60},
	CubicMetrePerSecond: {"m3/s", VolumeFlow, 1, 1},

	// Normal volume flow.
	NormalLitrePerMinute:      {"NL/min", NormalVolumeFlow, 1, 60_000},
	NormalCubicMetrePerHour:   {"Nm3/h", NormalVolumeFlow, 1, 3600},
	NormalCubicMetrePerMinute: {"Nm3/min", NormalVolumeFlow, 1, 60},

	// Standard volume flow.
	StandardCubicMetrePerDay:  {"Sm3/d", StandardVolumeFlow, 1, 86_400},
	StandardCubicMetrePerHour: {"Sm3/h", StandardVolumeFlow, 1, 3600},

	// Mass. International yard and pound agreement, 1959: the pound is 0.45359237 kg.
	Microgram: {"ug", Mass, 1, 1_000_000_000},
	Milligram: {"mg", Mass, 1, 1_000_000},
	Gram:      {"g", Mass, 1, 1000},
	Ounce:     {"oz", Mass, 45_359_237, 1_600_000_000},
	Pound:     {"lb", Mass, 45_359_237, 100_000_000},
	Kilogram:  {"kg", Mass, 1, 1},
	TonUS:     {"ton_US", Mass, 45_359_237, 50_000},
	Tonne:     {"t", Mass, 1000, 1},
	TonUK:     {"ton_UK", Mass, 317_514_659, 312_500},

	// Mass flow.
	PoundPerHour:      {"lb/h", MassFlow, 45_359_237, 360_000_000_000},
	KilogramPerHour:   {"kg/h", MassFlow, 1, 3600},
	GramPerSecond:     {"g/s", MassFlow, 1, 1000},
	TonnePerDay:       {"t/d", MassFlow, 5, 432},
	KilogramPerMinute: {"kg/min", MassFlow, 1, 60},
	TonnePerHour:      {"t/h", MassFlow, 5, 18},
	KilogramPerSecond: {"kg/s", MassFlow, 1, 1},

	// Density. The units of a mass concentration are the same, down to a prefix.
	MicrogramPerCubicMetre: {"ug/m3", Density, 1, 1_000_000_000},
	MicrogramPerLitre:      {"ug/L", Density, 1, 1_000_000},
	MilligramPerCubicMetre: {"mg/m3", Density, 1, 1_000_000},
	MilligramPerLitre:      {"mg/L", Density, 1, 1000},
	GramPerCubicMetre:      {"g/m3", Density, 1, 1000},
	GramPerLitre:           {"g/L", Density, 1, 1},
	KilogramPerCubicMetre:  {"kg/m3", Density, 1, 1},
	KilogramPerLitre:       {"kg/L", Density, 1000, 1},

	// Amount of substance.
	Mole:     {"mol", Amount, 1, 1},
	Kilomole: {"kmol", Amount, 1000, 1},

	// Amount concentration.
	MillimolePerLitre: {"mmol/L", AmountConcentration, 1, 1},
	MolePerLitre:      {"mol/L", AmountConcentration, 1000, 1},

	// Pressure. SI Brochure Table 4; NIST SP 811 B.8 for the rest. The atmosphere is 101,325 Pa
	// (10th CGPM 1954), the torr 1/760 of it. Columns of liquid are the conventional
	// ones: mercury of 13,595.1 kg/m³, water of 1000 kg/m³, at 9.80665 m/s².
	Pascal:              {"Pa", Pressure, 1, 1},
	MillimetreOfWater:   {"mmH2O", Pressure, 196_133, 20_000},
	Hectopascal:         {"hPa", Pressure, 100, 1},
	Millibar:            {"mbar", Pressure, 100, 1},
	Torr:                {"Torr", Pressure, 20_265, 152},
	MillimetreOfMercury: {"mmHg", Pressure, 26_664_477_483, 200_000_000},
	InchOfWater:         {"inH2O", Pressure, 24_908_891, 100_000},
	Kilopascal:          {"kPa", Pressure, 1000, 1},
	InchOfMercury:       {"inHg", Pressure, 3_386_388_640_341, 1_000_000_000},
	Psi:                 {"psi", Pressure, 8_896_443_230_521, 1_290_320_000},
	MetreOfWater:        {"mH2O", Pressure, 196_133, 20},
	TechnicalAtmosphere: {"at", Pressure, 196_133, 2},
	Bar:                 {"bar", Pressure, 100_000, 1},
	Atmosphere:          {"atm", Pressure, 101_325, 1},
	Megapascal:          {"MPa", Pressure, 1_000_000, 1},
	Kilopsi:             {"ksi", Pressure, 8_896_443_230_521, 1_290_320},
	Gigapascal:          {"GPa", Pressure, 1_000_000_000, 1},

	// Gauge pressure. The letter at the end is the field's way to say what the pressure is relative to.
	MillibarGauge:   {"mbarg", GaugePressure, 100, 1},
	KilopascalGauge: {"kPag", GaugePressure, 1000, 1},
	PsiGauge:        {"psig", GaugePressure, 8_896_443_230_521, 1_290_320_000},
	BarGauge:        {"barg", GaugePressure, 100_000, 1},
	MegapascalGauge: {"MPag", GaugePressure, 1_000_000, 1},

	// Absolute pressure.
	MillibarAbsolute:   {"mbara", AbsolutePressure, 100, 1},
	KilopascalAbsolute: {"kPaa", AbsolutePressure, 1000, 1},
	PsiAbsolute:        {"psia", AbsolutePressure, 8_896_443_230_521, 1_290_320_000},
	BarAbsolute:        {"bara", AbsolutePressure, 100_000, 1},

	// Differential pressure.
	MillibarDifferential: {"mbard", DifferentialPressure, 100, 1},
	PsiDifferential:      {"psid", DifferentialPressure, 8_896_443_230_521, 1_290_320_000},
	BarDifferential:      {"bard", DifferentialPressure, 100_000, 1},

	// Rate of pressure.
	PascalPerSecond: {"Pa/s", PressureRate, 1, 1},

	// Dynamic viscosity.
	MillipascalSecond: {"mPa.s", DynamicViscosity, 1, 1000},
	PascalSecond:      {"Pa.s", DynamicViscosity, 1, 1},

	// Kinematic viscosity.
	SquareMillimetrePerSecond: {"mm2/s", KinematicViscosity, 1, 1_000_000},
	SquareMetrePerSecond:      {"m2/s", KinematicViscosity, 1, 1},

	// Force. NIST SP 811 B.8; standard gravity is 9.80665 m/s² (3rd CGPM 1901).
	Newton:        {"N", Force, 1, 1},
	PoundForce:    {"lbf", Force, 8_896_443_230_521, 2_000_000_000_000},
	KilogramForce: {"kgf", Force, 196_133, 20_000},
	Kilonewton:    {"kN", Force, 1000, 1},
	Meganewton:    {"MN", Force, 1_000_000, 1},

	// Torque.
	MillinewtonMetre: {"mN.m", Torque, 1, 1000},
	PoundForceInch:   {"lbf.in", Torque, 1_129_848_290_276_167, 10_000_000_000_000_000},
	NewtonMetre:      {"N.m", Torque, 1, 1},
	PoundForceFoot:   {"lbf.ft", Torque, 3_389_544_870_828_501, 2_500_000_000_000_000},
	KilonewtonMetre:  {"kN.m", Torque, 1000, 1},

	// Moment of inertia.
	KilogramSquareMetre: {"kg.m2", MomentOfInertia, 1, 1},

	// Speed. The knot is 1852 m/h, SI Brochure 8th edition Table 8.
	MillimetrePerHour:   {"mm/h", Speed, 1, 3_600_000},
	MillimetrePerSecond: {"mm/s", Speed, 1, 1000},
	FootPerMinute:       {"ft/min", Speed, 127, 25_000},
	MetrePerMinute:      {"m/min", Speed, 1, 60},
	InchPerSecond:       {"in/s", Speed, 127, 5000},
	KilometrePerHour:    {"km/h", Speed, 5, 18},
	FootPerSecond:       {"ft/s", Speed, 381, 1250},
	MilePerHour:         {"mph", Speed, 1397, 3125},
	Knot:                {"kn", Speed, 463, 900},
	MetrePerSecond:      {"m/s", Speed, 1, 1},

	// Acceleration.
	MillimetrePerSecondSquared: {"mm/s2", Acceleration, 1, 1000},
	MetrePerSecondSquared:      {"m/s2", Acceleration, 1, 1},
	StandardGravity:            {"gn", Acceleration, 196_133, 20_000},

	// Irradiance.
	WattPerSquareMetre:     {"W/m2", Irradiance, 1, 1},
	KilowattPerSquareMetre: {"kW/m2", Irradiance, 1000, 1},

	// Irradiation.
	JoulePerSquareMetre:        {"J/m2", Irradiation, 1, 1},
	WattHourPerSquareMetre:     {"Wh/m2", Irradiation, 3600, 1},
	MegajoulePerSquareMetre:    {"MJ/m2", Irradiation, 1_000_000, 1},
	KilowattHourPerSquareMetre: {"kWh/m2", Irradiation, 3_600_000, 1},

	// Photon flux density.
	MicromolePerSquareMetreSecond: {"umol/(m2.s)", PhotonFluxDensity, 1, 1_000_000},

	// Luminous intensity.
	Candela: {"cd", LuminousIntensity, 1, 1},

	// Luminous flux.
	Lumen: {"lm", LuminousFlux, 1, 1},

	// Luminance.
	CandelaPerSquareMetre: {"cd/m2", Luminance, 1, 1},

	// Illuminance.
	Lux:     {"lx", Illuminance, 1, 1},
	Kilolux: {"klx", Illuminance, 1000, 1},

	// Activity.
	Becquerel: {"Bq", Radioactivity, 1, 1},

	// Activity concentration.
	BecquerelPerCubicMetre: {"Bq/m3", ActivityConcentration, 1, 1},

	// Absorbed dose.
	Gray: {"Gy", AbsorbedDose, 1, 1},

	// Dose equivalent.
	Microsievert: {"uSv", DoseEquivalent, 1, 1_000_000},
	Millisievert: {"mSv", DoseEquivalent, 1, 1000},
	Sievert:      {"Sv", DoseEquivalent, 1, 1},

	// Dose equivalent rate.
	MicrosievertPerHour: {"uSv/h", DoseRate, 1, 3_600_000_000},
	MillisievertPerHour: {"mSv/h", DoseRate, 1, 3_600_000},

	// Energy density.
	MegajoulePerCubicMetre:    {"MJ/m3", EnergyDensity, 1_000_000, 1},
	KilowattHourPerCubicMetre: {"kWh/m3", EnergyDensity, 3_600_000, 1},

	// Specific energy.
	JoulePerKilogram:        {"J/kg", SpecificEnergy, 1, 1},
	KilojoulePerKilogram:    {"kJ/kg", SpecificEnergy, 1000, 1},
	KilowattHourPerTonne:    {"kWh/t", SpecificEnergy, 3600, 1},
	MegajoulePerKilogram:    {"MJ/kg", SpecificEnergy, 1_000_000, 1},
	KilowattHourPerKilogram: {"kWh/kg", SpecificEnergy, 3_600_000, 1},

	// Heat rate.
	KilojoulePerKilowattHour: {"kJ/kWh", HeatRate, 1, 3600},

	// Emission factor.
	GramPerKilowattHour:     {"g/kWh", EmissionFactor, 1, 3_600_000_000},
	KilogramPerMegawattHour: {"kg/MWh", EmissionFactor, 1, 3_600_000_000},
	KilogramPerKilowattHour: {"kg/kWh", EmissionFactor, 1, 3_600_000},
	TonnePerMegawattHour:    {"t/MWh", EmissionFactor, 1, 3_600_000},

	// Pulses per active energy. Meter constants, IEC 62053.
	PulsePerKilowattHour: {"imp/kWh", ActivePulseConstant, 1, 3_600_000},
	PulsePerWattHour:     {"imp/Wh", ActivePulseConstant, 1, 3600},

	// Pulses per reactive energy.
	PulsePerKilovarHour: {"imp/kvarh", ReactivePulseConstant, 1, 3_600_000},

	// Pulses per volume.
	PulsePerCubicMetre: {"imp/m3", VolumePulseConstant, 1, 1},
	PulsePerLitre:      {"imp/L", VolumePulseConstant, 1000, 1},

	// Amount of data. IEC 80000-13 for bit, byte and the binary prefixes. The byte is the octet.
	Bit:      {"bit", Data, 1, 1},
	Byte:     {"B", Data, 8, 1},
	Kilobit:  {"kbit", Data, 1000, 1},
	Kilobyte: {"kB", Data, 8000, 1},
	Kibibyte: {"KiB", Data, 8192, 1},
	Megabit:  {"Mbit", Data, 1_000_000, 1},
	Megabyte: {"MB", Data, 8_000_000, 1},
	Mebibyte: {"MiB", Data, 8_388_608, 1},
	Gigabit:  {"Gbit", Data, 1_000_000_000, 1},
	Gigabyte: {"GB", Data, 8_000_000_000, 1},
	Gibibyte: {"GiB", Data, 8_589_934_592, 1},
	Terabyte: {"TB", Data, 8_000_000_000_000, 1},
	Tebibyte: {"TiB", Data, 8_796_093_022_208, 1},

	// Data rate.
	BitPerSecond:      {"bit/s", DataRate, 1, 1},
	BytePerSecond:     {"B/s", DataRate, 8, 1},
	KilobitPerSecond:  {"kbit/s", DataRate, 1000, 1},
	KilobytePerSecond: {"kB/s", DataRate, 8000, 1},
	MegabitPerSecond:  {"Mbit/s", DataRate, 1_000_000, 1},
	MegabytePerSecond: {"MB/s", DataRate, 8_000_000, 1},
	GigabitPerSecond:  {"Gbit/s", DataRate, 1_000_000_000, 1},
}
