package units

// ReadSunSpec reads the units attribute of a SunSpec point. The models use no
// vocabulary: the same unit is spelt in several ways, "C" is the degree Celsius,
// "Secs" the second, and "Tms" a time constant in seconds.
//
// The kind that the point is known to have, or KindNone, settles what the text
// leaves open: "Pct" is [PowerFactorPercent] for a power factor and
// [PercentRelativeHumidity] for a humidity; "S" is siemens for a conductance, the
// second for a duration, and else ambiguous. A kind that does not fit the text
// changes nothing.
//
// Percentages of a reference quantity, such as "% WMax", are [Percent]; which
// quantity it is, the point's name tells. Texts such as
// "SF" and "YYYYMMDD" are no units.
func ReadSunSpec(units string, kind Kind) Stated {
	const d = DialectSunSpec
	if units == "" {
		return refused(d, units, "", NotStated)
	}
	for _, p := range sunSpecPhrases {
		if p.text != units {
			continue
		}
		switch {
		case p.unit == Percent && kind == PowerFactor:
			return understood(d, units, PowerFactorPercent, Scale{})
		case p.unit == Percent && kind == RelativeHumidity:
			return understood(d, units, PercentRelativeHumidity, Scale{})
		case units == "S" && kind == Conductance:
			return understood(d, units, Siemens, Scale{})
		case units == "S" && kind == Duration:
			return understood(d, units, Second, Scale{})
		case p.unit == None:
			return refused(d, units, "", p.verdict)
		}
		return understood(d, units, p.unit, Scale{})
	}
	return refused(d, units, "", Unknown)
}

// SunSpec returns the text that SunSpec models use for u, and whether there is
// one. [ReadSunSpec] with the kind of u reads it back.
func (u Unit) SunSpec() (text string, ok bool) {
	if u == PowerFactorPercent || u == PercentRelativeHumidity {
		return "Pct", true
	}
	for _, p := range sunSpecPhrases {
		if p.unit == u && u != None {
			return p.text, true
		}
	}
	return "", false
}

// sunSpecPhrases are the texts of the SunSpec information models, the one to
// print first.
var sunSpecPhrases = [...]phrase{
	{text: "W", unit: Watt},
	{text: "kW", unit: Kilowatt},
	{text: "VA", unit: VoltAmpere},
	{text: "kVA", unit: Kilovoltampere},
	{text: "var", unit: Var},
	{text: "Var", unit: Var},
	{text: "VAr", unit: Var},
	{text: "VAR", unit: Var},
	{text: "kvar", unit: Kilovar},
	{text: "Wh", unit: WattHour},
	{text: "WH", unit: WattHour},
	{text: "kWh", unit: KilowattHour},
	{text: "VAh", unit: VoltAmpereHour},
	{text: "VAH", unit: VoltAmpereHour},
	{text: "varh", unit: VarHour},
	{text: "Varh", unit: VarHour},
	{text: "VArh", unit: VarHour},
	{text: "Pct", unit: Percent},
	{text: "%", unit: Percent},
	{text: "% WMax", unit: Percent},
	{text: "% VRef", unit: Percent},
	{text: "VNomPct", unit: Percent},
	{text: "WMaxPct", unit: Percent},
	{text: "VarPct", unit: Percent},
	{text: "%WHRtg", unit: Percent},
	{text: "% AhrRtg", unit: Percent},
	{text: "% WMax/min", unit: PercentPerMinute},
	{text: "PF", unit: PowerFactorOne},
	{text: "cos()", unit: PowerFactorOne},
	{text: "C", unit: DegreeCelsius},
	{text: "Secs", unit: Second},
	{text: "Sec", unit: Second},
	{text: "s", unit: Second},
	{text: "Tms", unit: Second},
	{text: "mSecs", unit: Millisecond},
	{text: "ms", unit: Millisecond},
	{text: "Tmh", unit: Hour},
	{text: "h", unit: Hour},
	{text: "Tmd", unit: Day},
	{text: "A", unit: Ampere},
	{text: "V", unit: Volt},
	{text: "Hz", unit: Hertz},
	{text: "Ah", unit: AmpereHour},
	{text: "AH", unit: AmpereHour},
	{text: "kAH", unit: KiloampereHour},
	{text: "ohms", unit: Ohm},
	{text: "kO", unit: Kiloohm},
	{text: "Degrees", unit: Degree},
	{text: "deg", unit: Degree},
	{text: "W/m2", unit: WattPerSquareMetre},
	{text: "W/m^2", unit: WattPerSquareMetre},
	{text: "HPa", unit: Hectopascal},
	{text: "hPa", unit: Hectopascal},
	{text: "mps", unit: MetrePerSecond},
	{text: "m/s", unit: MetrePerSecond},
	{text: "meters", unit: Metre},
	{text: "mm", unit: Millimetre},
	{text: "V/s", unit: VoltPerSecond},
	{text: "W/s", unit: WattPerSecond},
	{text: "A/s", unit: AmperePerSecond},
	{text: "Hz/s", unit: HertzPerSecond},
	{text: "bps", unit: BitPerSecond},
	{text: "Mbps", unit: MegabitPerSecond},
	{text: "S", verdict: Ambiguous},
	{text: "SF", verdict: NotAUnit},
	{text: "Vm", verdict: NotAUnit},
	{text: "DeptRef", verdict: NotAUnit},
	{text: "text", verdict: NotAUnit},
	{text: "YYYYMMDD", verdict: NotAUnit},
	{text: "hhmmss", verdict: NotAUnit},
}
