package units

// ReadSIUnit reads the unit of an IEC 61850 measured value: the SIUnit ordinal
// and the multiplier, an exponent of ten, as in IEC 61850-7-3, Annex A.
//
// Some ordinals are known and refused: 53 (1/s) and 64 (phi) are ambiguous
// between kinds and between degree and radian, and no unit of this package is a
// squared voltage or current, a volt per hertz, or a character. An ordinal that
// the standard leaves free is unknown.
func ReadSIUnit(ordinal, multiplier int) Stated {
	return readOrdinal(DialectSIUnit, siUnits[:], ordinal, multiplier)
}

// ReadESPI reads the unit of a Green Button (NAESB ESPI) or IEEE 2030.5 reading:
// the uom code and the powerOfTenMultiplier. The electrical codes are those of
// IEC 61850-7-3, the others those of IEC 61968-9.
//
// The British thermal unit (132, 133) and the therm (169) are ambiguous: the
// standard does not say which of several that differ.
func ReadESPI(uom, powerOfTen int) Stated {
	return readOrdinal(DialectESPI, espiUnits[:], uom, powerOfTen)
}

// SIUnit returns the IEC 61850-7-3 ordinal and multiplier of u, and whether there
// are any. [ReadSIUnit] reads them back as u, or as the unit u is another name
// of.
func (u Unit) SIUnit() (ordinal, multiplier int, ok bool) {
	if !u.Valid() || timesPi(u) && u != Degree {
		return 0, 0, false
	}
	for _, row := range siUnits {
		if row.unit == u {
			return row.ordinal, 0, true
		}
	}
	for _, row := range siUnits {
		for n := -18; row.unit.Kind() == u.Kind() && n <= 18; n++ {
			if scale, _ := tenTo(n); decimalOf(row.unit, scale) == u {
				return row.ordinal, n, true
			}
		}
	}
	return 0, 0, false
}

// readOrdinal returns what an ordinal and an exponent of ten state in a table.
func readOrdinal(d Dialect, table []ordinalUnit, ordinal, exponent int) Stated {
	for _, row := range table {
		if row.ordinal != ordinal {
			continue
		}
		scale, ok := tenTo(exponent)
		switch {
		case row.unit == None:
			return Stated{Dialect: d, Verdict: row.verdict}
		case !ok:
			return Stated{Dialect: d, Verdict: OutOfRange}
		}
		if u := decimalOf(row.unit, scale); u != None && row.per == 0 {
			return understood(d, "", u, Scale{})
		}
		if scale, err := scale.Mul(Scale{Den: row.per}); err == nil {
			return understood(d, "", row.unit, scale)
		}
		return Stated{Dialect: d, Verdict: OutOfRange}
	}
	return Stated{Dialect: d, Verdict: Unknown}
}

// decimalOf returns the unit that is scale times u and bears the name of u with
// a prefix, or None: the kilowatt hour for the watt hour and 1000.
func decimalOf(u Unit, scale Scale) Unit {
	if scale == (Scale{Num: 1, Den: 1}) {
		return u
	}
	num, den := u.Ratio()
	num, den, ok := product(num, den, uint64(scale.Num), uint64(scale.Den))
	if !ok || num == 0 {
		return None
	}
	for v := None + 1; v < unitEnd; v++ {
		if v.Kind() != u.Kind() {
			continue
		}
		n, d := v.Ratio()
		if n == num && d == den && len(v.Symbol()) == len(u.Symbol())+1 && v.Symbol()[1:] == u.Symbol() {
			return v
		}
	}
	return None
}

// ordinalUnit is what an ordinal stands for: a unit, divided by per where that is
// not zero, or the verdict why there is none.
type ordinalUnit struct {
	ordinal int
	unit    Unit
	per     int64
	verdict Verdict
}

var siUnits = [...]ordinalUnit{
	{ordinal: 1, unit: One},
	{ordinal: 2, unit: Metre},
	{ordinal: 3, unit: Kilogram},
	{ordinal: 4, unit: Second},
	{ordinal: 5, unit: Ampere},
	{ordinal: 6, unit: Kelvin},
	{ordinal: 7, unit: Mole},
	{ordinal: 8, unit: Candela},
	{ordinal: 9, unit: Degree},
	{ordinal: 10, unit: Radian},
	{ordinal: 11, unit: Steradian},
	{ordinal: 21, unit: Gray},
	{ordinal: 22, unit: Becquerel},
	{ordinal: 23, unit: DegreeCelsius},
	{ordinal: 24, unit: Sievert},
	{ordinal: 25, unit: Farad},
	{ordinal: 26, unit: Coulomb},
	{ordinal: 27, unit: Siemens},
	{ordinal: 28, unit: Henry},
	{ordinal: 29, unit: Volt},
	{ordinal: 30, unit: Ohm},
	{ordinal: 31, unit: Joule},
	{ordinal: 32, unit: Newton},
	{ordinal: 33, unit: Hertz},
	{ordinal: 34, unit: Lux},
	{ordinal: 35, unit: Lumen},
	{ordinal: 36, unit: Weber},
	{ordinal: 37, unit: Tesla},
	{ordinal: 38, unit: Watt},
	{ordinal: 39, unit: Pascal},
	{ordinal: 41, unit: SquareMetre},
	{ordinal: 42, unit: CubicMetre},
	{ordinal: 43, unit: MetrePerSecond},
	{ordinal: 44, unit: MetrePerSecondSquared},
	{ordinal: 45, unit: CubicMetrePerSecond},
	{ordinal: 46, verdict: Unsupported}, // m/m³
	{ordinal: 47, verdict: Unsupported}, // M
	{ordinal: 48, unit: KilogramPerCubicMetre},
	{ordinal: 49, unit: SquareMetrePerSecond},
	{ordinal: 50, unit: WattPerMetreKelvin},
	{ordinal: 51, unit: JoulePerKelvin},
	{ordinal: 52, unit: PartsPerMillion},
	{ordinal: 53, verdict: Ambiguous}, // 1/s
	{ordinal: 54, unit: RadianPerSecond},
	{ordinal: 55, unit: WattPerSquareMetre},
	{ordinal: 56, unit: JoulePerSquareMetre},
	{ordinal: 57, unit: SiemensPerMetre},
	{ordinal: 58, unit: KelvinPerSecond},
	{ordinal: 59, unit: PascalPerSecond},
	{ordinal: 60, unit: JoulePerKilogramKelvin},
	{ordinal: 61, unit: VoltAmpere},
	{ordinal: 62, unit: Watt}, // real power
	{ordinal: 63, unit: Var},
	{ordinal: 64, verdict: Ambiguous}, // phi
	{ordinal: 65, unit: PowerFactorOne},
	{ordinal: 66, unit: Weber},          // V·s
	{ordinal: 67, verdict: Unsupported}, // V²
	{ordinal: 68, unit: Coulomb},        // A·s
	{ordinal: 69, verdict: Unsupported}, // A²
	{ordinal: 70, verdict: Unsupported}, // A²·t
	{ordinal: 71, unit: VoltAmpereHour},
	{ordinal: 72, unit: WattHour},
	{ordinal: 73, unit: VarHour},
	{ordinal: 74, verdict: Unsupported}, // V/Hz
	{ordinal: 75, unit: HertzPerSecond},
	{ordinal: 76, verdict: Unsupported}, // char
	{ordinal: 77, verdict: Unsupported}, // char/s
	{ordinal: 78, unit: KilogramSquareMetre},
	{ordinal: 79, unit: Decibel},
	{ordinal: 80, unit: KilojoulePerKilowattHour}, // J/Wh
	{ordinal: 81, unit: WattPerSecond},
	{ordinal: 82, unit: LitrePerSecond},
	{ordinal: 83, unit: DecibelMilliwatt},
	{ordinal: 84, unit: Hour},
	{ordinal: 85, unit: Minute},
	{ordinal: 86, unit: OhmPerMetre},
	{ordinal: 87, unit: PercentPerSecond},
}

var espiUnits = [...]ordinalUnit{
	{ordinal: 0, verdict: NotAUnit}, // not applicable
	{ordinal: 5, unit: Ampere},
	{ordinal: 6, unit: Kelvin},
	{ordinal: 23, unit: DegreeCelsius},
	{ordinal: 29, unit: Volt},
	{ordinal: 31, unit: Joule},
	{ordinal: 33, unit: Hertz},
	{ordinal: 38, unit: Watt},
	{ordinal: 42, unit: CubicMetre},
	{ordinal: 61, unit: VoltAmpere},
	{ordinal: 63, unit: Var},
	{ordinal: 65, unit: PowerFactorOne},
	{ordinal: 67, verdict: Unsupported}, // V²
	{ordinal: 69, verdict: Unsupported}, // A²
	{ordinal: 71, unit: VoltAmpereHour},
	{ordinal: 72, unit: WattHour},
	{ordinal: 73, unit: VarHour},
	{ordinal: 106, unit: AmpereHour},
	{ordinal: 119, unit: CubicFoot},
	{ordinal: 122, unit: CubicFootPerMinute, per: 60}, // ft³/h
	{ordinal: 125, unit: CubicMetrePerHour},
	{ordinal: 128, unit: GallonUS},
	{ordinal: 129, unit: GallonUSPerMinute, per: 60}, // per hour
	{ordinal: 130, unit: GallonUK},
	{ordinal: 131, unit: GallonUKPerMinute, per: 60}, // per hour
	{ordinal: 132, verdict: Ambiguous},               // BTU
	{ordinal: 133, verdict: Ambiguous},               // BTU/h
	{ordinal: 134, unit: Litre},
	{ordinal: 137, unit: LitrePerHour},
	{ordinal: 140, unit: KilopascalGauge, per: 1000},    // Pa
	{ordinal: 155, unit: KilopascalAbsolute, per: 1000}, // Pa
	{ordinal: 169, verdict: Ambiguous},                  // therm
}
