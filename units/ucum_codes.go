package units

// UCUM returns the code of u in the Unified Code for Units of Measure, such as
// "kW.h", and whether it has one. [ReadUCUM] reads it back.
//
// Some units have none: UCUM knows no var, no power factor, no humidity, no
// gauge or absolute pressure, no temperature difference, no normal or standard
// volume, no revolution and no pulse, which would all be other units with an
// annotation; and its millimetre of mercury is not the conventional one.
func (u Unit) UCUM() (code string, ok bool) {
	if !u.Valid() {
		return "", false
	}
	return ucumCodes[u], ucumCodes[u] != ""
}

// ReadUCUM reads a UCUM code as a unit and an exact scale:
//
//   - the code of a unit, as [Unit.UCUM] gives it, is that unit: "V.A" is the volt
//     ampere and "W" the watt;
//   - any other code that [ParseUCUM] accepts is a unit at a scale if it is made of
//     the same named atoms as the units of one kind: "hW", "kW.h/h", "N.cm".
//
// The dimension alone never decides: "J/m3" is no pressure and "N/m" no
// irradiation. So a code is ambiguous if it shares its dimension with a kind but
// is not made of its atoms ("m2.kg/s3"), if two kinds are made of its atoms
// ("/s", "kg/kg"), and if it has an annotation that could tell kinds apart
// ("V.A{reactive}", "m3{normal}"). Unsupported are a code with an atom outside
// of the subset and a valid code of no kind of this package ("dyn.s/cm5").
func ReadUCUM(code string) Stated {
	if unit := unitOfUCUM(code); unit != None {
		return understood(DialectUCUM, code, unit, Scale{})
	}
	u, v, part := parseUCUM(code)
	if v != Understood {
		return refused(DialectUCUM, code, part, v)
	}
	return u.Unit()
}

// Unit returns what [ReadUCUM] returns for the code that u was parsed from.
func (u UCUM) Unit() Stated {
	u = u.filled()
	if unit := unitOfUCUM(u.code); unit != None {
		return understood(DialectUCUM, u.code, unit, Scale{})
	}
	if u.point != slotNone {
		return u.pointUnit()
	}
	kind, v := u.kind()
	switch {
	case v != Understood:
		return refused(DialectUCUM, u.code, "", v)
	case u.annotated && shared(kind):
		return refused(DialectUCUM, u.code, "", Ambiguous)
	}
	// Rather a unit of the very size than the coherent one at a scale.
	unit, scale := None, Scale{}
	for i, code := range ucumCodes {
		if code == "" || Unit(i).Kind() != kind {
			continue
		}
		c, _, _ := parseUCUM(code)
		if c.point != slotNone {
			continue
		}
		per, fits := u.factor.times(c.factor.inverse())
		s, ok := per.scale()
		switch {
		case !fits || !ok:
		case per == newFactor(1, 0):
			return understood(DialectUCUM, u.code, Unit(i), Scale{})
		case unit == None || coherent(Unit(i)) && !coherent(unit):
			unit, scale = Unit(i), s
		}
	}
	if unit == None {
		return refused(DialectUCUM, u.code, "", OutOfRange)
	}
	return understood(DialectUCUM, u.code, unit, scale)
}

// pointUnit is Unit for a point on a scale of its own, with its prefix.
func (u UCUM) pointUnit() Stated {
	per, unit := u.factor, None
	switch u.point {
	case slotCel:
		unit = DegreeCelsius
	case slotDegF:
		unit = DegreeFahrenheit
	case slotBel:
		unit = Decibel
		per, _ = per.times(newFactor(1, 1))
	default:
		return refused(DialectUCUM, u.code, "", Unsupported)
	}
	scale, ok := per.scale()
	switch {
	case !ok:
		return refused(DialectUCUM, u.code, "", OutOfRange)
	case u.annotated:
		return refused(DialectUCUM, u.code, "", Ambiguous)
	}
	return understood(DialectUCUM, u.code, unit, scale)
}

// unitOfUCUM returns the unit that has this very code, or None.
func unitOfUCUM(code string) Unit {
	for u, c := range ucumCodes {
		if c == code && c != "" {
			return Unit(u)
		}
	}
	return None
}

// kind returns the kind of quantity that u names, or Ambiguous or Unsupported.
// The first unit of a kind that has a code speaks for the kind: its others are
// made of the same named atoms.
func (u UCUM) kind() (Kind, Verdict) {
	if unit := unitOfUCUM(u.code); unit != None {
		return unit.Kind(), Understood
	}
	var seen, named Kind
	kinds, verdict := 0, Unsupported
	for i, code := range ucumCodes {
		kind := Unit(i).Kind()
		if code == "" || kind == seen || u.point == slotNone && kind.Dimension() != u.Dimension() {
			continue
		}
		seen = kind
		c, _, _ := parseUCUM(code)
		if c.dims != u.dims || c.point != u.point {
			continue
		}
		verdict = Ambiguous
		if c.slots == u.slots {
			named = kind
			kinds++
		}
	}
	for slot := ucumBases; slot < ucumSlots; slot++ {
		if u.names&(1<<slot) != 0 && u.slots[slot] == 0 {
			return KindNone, Ambiguous // a poise per bar is a time, but no duration
		}
	}
	if kinds == 1 {
		return named, Understood
	}
	return KindNone, verdict
}

func coherent(u Unit) bool { return table[u].num == 1 && table[u].den == 1 }

// shared reports whether other kinds have the dimension of this one.
func shared(k Kind) bool {
	for other := KindNone + 1; other < kindEnd; other++ {
		if other != k && other.Dimension() == k.Dimension() {
			return true
		}
	}
	return false
}

// ucumCodes holds the code of each unit, empty where UCUM has none.
var ucumCodes = [unitEnd]string{
	Microwatt:                     "uW",
	Milliwatt:                     "mW",
	KilojoulePerHour:              "kJ/h",
	BtuPerHour:                    "[Btu_IT]/h",
	Watt:                          "W",
	KilocaloriePerHour:            "kcal_IT/h",
	MegajoulePerHour:              "MJ/h",
	MechanicalHorsepower:          "[HP]",
	Kilowatt:                      "kW",
	GigajoulePerHour:              "GJ/h",
	Megawatt:                      "MW",
	GigacaloriePerHour:            "Gcal_IT/h",
	Gigawatt:                      "GW",
	Terawatt:                      "TW",
	VoltAmpere:                    "V.A",
	Kilovoltampere:                "kV.A",
	Megavoltampere:                "MV.A",
	Gigavoltampere:                "GV.A",
	Electronvolt:                  "eV",
	Joule:                         "J",
	WattSecond:                    "W.s",
	MilliwattHour:                 "mW.h",
	CalorieTh:                     "cal_th",
	CalorieIT:                     "cal_IT",
	Kilojoule:                     "kJ",
	Btu:                           "[Btu_IT]",
	WattHour:                      "W.h",
	Kilocalorie:                   "kcal_IT",
	Megajoule:                     "MJ",
	KilowattHour:                  "kW.h",
	Megacalorie:                   "Mcal_IT",
	Gigajoule:                     "GJ",
	MillionBtu:                    "10*6.[Btu_IT]",
	MegawattHour:                  "MW.h",
	Gigacalorie:                   "Gcal_IT",
	Terajoule:                     "TJ",
	GigawattHour:                  "GW.h",
	TerawattHour:                  "TW.h",
	VoltAmpereHour:                "V.A.h",
	KilovoltampereHour:            "kV.A.h",
	MegavoltampereHour:            "MV.A.h",
	GigavoltampereHour:            "GV.A.h",
	Microvolt:                     "uV",
	Millivolt:                     "mV",
	Volt:                          "V",
	Kilovolt:                      "kV",
	Megavolt:                      "MV",
	Microampere:                   "uA",
	Milliampere:                   "mA",
	Ampere:                        "A",
	Kiloampere:                    "kA",
	Coulomb:                       "C",
	MilliampereHour:               "mA.h",
	AmpereHour:                    "A.h",
	KiloampereHour:                "kA.h",
	Microohm:                      "uOhm",
	Milliohm:                      "mOhm",
	Ohm:                           "Ohm",
	Kiloohm:                       "kOhm",
	Megaohm:                       "MOhm",
	Gigaohm:                       "GOhm",
	OhmPerKilometre:               "Ohm/km",
	OhmPerMetre:                   "Ohm/m",
	Microsiemens:                  "uS",
	Millisiemens:                  "mS",
	Siemens:                       "S",
	MicrosiemensPerCentimetre:     "uS/cm",
	MillisiemensPerCentimetre:     "mS/cm",
	SiemensPerMetre:               "S/m",
	Nanofarad:                     "nF",
	Microfarad:                    "uF",
	Farad:                         "F",
	Microhenry:                    "uH",
	Millihenry:                    "mH",
	Henry:                         "H",
	Weber:                         "Wb",
	Microtesla:                    "uT",
	Millitesla:                    "mT",
	Tesla:                         "T",
	WattPerSecond:                 "W/s",
	KilowattPerMinute:             "kW/min",
	KilowattPerSecond:             "kW/s",
	MegawattPerMinute:             "MW/min",
	VoltPerSecond:                 "V/s",
	AmperePerSecond:               "A/s",
	Millihertz:                    "mHz",
	Hertz:                         "Hz",
	Kilohertz:                     "kHz",
	Megahertz:                     "MHz",
	Gigahertz:                     "GHz",
	MillihertzPerSecond:           "mHz/s",
	HertzPerSecond:                "Hz/s",
	PartsPerBillion:               "[ppb]",
	PartsPerMillion:               "[ppm]",
	Permille:                      "[ppth]",
	Percent:                       "%",
	One:                           "1",
	PercentPerMinute:              "%/min",
	PercentPerSecond:              "%/s",
	Decibel:                       "dB",
	Degree:                        "deg",
	Radian:                        "rad",
	Steradian:                     "sr",
	DegreePerSecond:               "deg/s",
	RadianPerSecond:               "rad/s",
	Nanosecond:                    "ns",
	Microsecond:                   "us",
	Millisecond:                   "ms",
	Second:                        "s",
	Minute:                        "min",
	Hour:                          "h",
	Day:                           "d",
	PerHour:                       "1/h",
	PerMinute:                     "1/min",
	PerSecond:                     "1/s",
	DegreeRankine:                 "[degR]",
	DegreeFahrenheit:              "[degF]",
	Kelvin:                        "K",
	DegreeCelsius:                 "Cel",
	KelvinPerHour:                 "K/h",
	KelvinPerMinute:               "K/min",
	KelvinPerSecond:               "K/s",
	JoulePerKelvin:                "J/K",
	JoulePerKilogramKelvin:        "J/(kg.K)",
	KilojoulePerKilogramKelvin:    "kJ/(kg.K)",
	WattPerMetreKelvin:            "W/(m.K)",
	WattPerSquareMetreKelvin:      "W/(m2.K)",
	Micrometre:                    "um",
	Millimetre:                    "mm",
	Centimetre:                    "cm",
	Inch:                          "[in_i]",
	Foot:                          "[ft_i]",
	Yard:                          "[yd_i]",
	Metre:                         "m",
	Kilometre:                     "km",
	Mile:                          "[mi_i]",
	SquareMillimetre:              "mm2",
	SquareCentimetre:              "cm2",
	SquareFoot:                    "[sft_i]",
	SquareMetre:                   "m2",
	Hectare:                       "har",
	SquareKilometre:               "km2",
	Millilitre:                    "mL",
	Litre:                         "L",
	GallonUS:                      "[gal_us]",
	GallonUK:                      "[gal_br]",
	CubicFoot:                     "[cft_i]",
	Hectolitre:                    "hL",
	Barrel:                        "[bbl_us]",
	CubicMetre:                    "m3",
	MillilitrePerMinute:           "mL/min",
	LitrePerHour:                  "L/h",
	BarrelPerDay:                  "[bbl_us]/d",
	CubicMetrePerDay:              "m3/d",
	LitrePerMinute:                "L/min",
	GallonUSPerMinute:             "[gal_us]/min",
	GallonUKPerMinute:             "[gal_br]/min",
	CubicMetrePerHour:             "m3/h",
	CubicFootPerMinute:            "[cft_i]/min",
	LitrePerSecond:                "L/s",
	CubicMetrePerMinute:           "m3/min",
	CubicMetrePerSecond:           "m3/s",
	Microgram:                     "ug",
	Milligram:                     "mg",
	Gram:                          "g",
	Ounce:                         "[oz_av]",
	Pound:                         "[lb_av]",
	Kilogram:                      "kg",
	TonUS:                         "[ston_av]",
	Tonne:                         "t",
	TonUK:                         "[lton_av]",
	PoundPerHour:                  "[lb_av]/h",
	KilogramPerHour:               "kg/h",
	GramPerSecond:                 "g/s",
	TonnePerDay:                   "t/d",
	KilogramPerMinute:             "kg/min",
	TonnePerHour:                  "t/h",
	KilogramPerSecond:             "kg/s",
	GramPerLitre:                  "g/L",
	KilogramPerCubicMetre:         "kg/m3",
	KilogramPerLitre:              "kg/L",
	MicrogramPerCubicMetre:        "ug/m3",
	MicrogramPerLitre:             "ug/L",
	MilligramPerCubicMetre:        "mg/m3",
	MilligramPerLitre:             "mg/L",
	GramPerCubicMetre:             "g/m3",
	Mole:                          "mol",
	Kilomole:                      "kmol",
	MillimolePerLitre:             "mmol/L",
	MolePerLitre:                  "mol/L",
	Pascal:                        "Pa",
	MillimetreOfWater:             "mm[H2O]",
	Hectopascal:                   "hPa",
	Millibar:                      "mbar",
	InchOfWater:                   "[in_i'H2O]",
	Kilopascal:                    "kPa",
	Psi:                           "[psi]",
	MetreOfWater:                  "m[H2O]",
	TechnicalAtmosphere:           "att",
	Bar:                           "bar",
	Atmosphere:                    "atm",
	Megapascal:                    "MPa",
	Kilopsi:                       "10*3.[psi]",
	Gigapascal:                    "GPa",
	PascalPerSecond:               "Pa/s",
	MillipascalSecond:             "mPa.s",
	PascalSecond:                  "Pa.s",
	SquareMillimetrePerSecond:     "mm2/s",
	SquareMetrePerSecond:          "m2/s",
	Newton:                        "N",
	PoundForce:                    "[lbf_av]",
	KilogramForce:                 "kgf",
	Kilonewton:                    "kN",
	Meganewton:                    "MN",
	MillinewtonMetre:              "mN.m",
	PoundForceInch:                "[lbf_av].[in_i]",
	NewtonMetre:                   "N.m",
	PoundForceFoot:                "[lbf_av].[ft_i]",
	KilonewtonMetre:               "kN.m",
	KilogramSquareMetre:           "kg.m2",
	MillimetrePerHour:             "mm/h",
	MillimetrePerSecond:           "mm/s",
	FootPerMinute:                 "[ft_i]/min",
	MetrePerMinute:                "m/min",
	InchPerSecond:                 "[in_i]/s",
	KilometrePerHour:              "km/h",
	FootPerSecond:                 "[ft_i]/s",
	MilePerHour:                   "[mi_i]/h",
	Knot:                          "[kn_i]",
	MetrePerSecond:                "m/s",
	MillimetrePerSecondSquared:    "mm/s2",
	MetrePerSecondSquared:         "m/s2",
	StandardGravity:               "[g]",
	WattPerSquareMetre:            "W/m2",
	KilowattPerSquareMetre:        "kW/m2",
	JoulePerSquareMetre:           "J/m2",
	WattHourPerSquareMetre:        "W.h/m2",
	MegajoulePerSquareMetre:       "MJ/m2",
	KilowattHourPerSquareMetre:    "kW.h/m2",
	MicromolePerSquareMetreSecond: "umol/(m2.s)",
	Candela:                       "cd",
	Lumen:                         "lm",
	CandelaPerSquareMetre:         "cd/m2",
	Lux:                           "lx",
	Kilolux:                       "klx",
	Becquerel:                     "Bq",
	BecquerelPerCubicMetre:        "Bq/m3",
	Gray:                          "Gy",
	Microsievert:                  "uSv",
	Millisievert:                  "mSv",
	Sievert:                       "Sv",
	MicrosievertPerHour:           "uSv/h",
	MillisievertPerHour:           "mSv/h",
	MegajoulePerCubicMetre:        "MJ/m3",
	KilowattHourPerCubicMetre:     "kW.h/m3",
	JoulePerKilogram:              "J/kg",
	KilojoulePerKilogram:          "kJ/kg",
	KilowattHourPerTonne:          "kW.h/t",
	MegajoulePerKilogram:          "MJ/kg",
	KilowattHourPerKilogram:       "kW.h/kg",
	KilojoulePerKilowattHour:      "kJ/(kW.h)",
	GramPerKilowattHour:           "g/(kW.h)",
	KilogramPerMegawattHour:       "kg/(MW.h)",
	KilogramPerKilowattHour:       "kg/(kW.h)",
	TonnePerMegawattHour:          "t/(MW.h)",
	Bit:                           "bit",
	Byte:                          "By",
	Kilobit:                       "kbit",
	Kilobyte:                      "kBy",
	Kibibyte:                      "KiBy",
	Megabit:                       "Mbit",
	Megabyte:                      "MBy",
	Mebibyte:                      "MiBy",
	Gigabit:                       "Gbit",
	Gigabyte:                      "GBy",
	Gibibyte:                      "GiBy",
	Terabyte:                      "TBy",
	Tebibyte:                      "TiBy",
	BitPerSecond:                  "bit/s",
	BytePerSecond:                 "By/s",
	KilobitPerSecond:              "kbit/s",
	KilobytePerSecond:             "kBy/s",
	MegabitPerSecond:              "Mbit/s",
	MegabytePerSecond:             "MBy/s",
	GigabitPerSecond:              "Gbit/s",
}
