package units_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/units"
)

// read reads a text in the dialect that the table of texts names.
func read(t testing.TB, dialect, text string) units.Stated {
	t.Helper()
	switch dialect {
	case "sunspec":
		return units.ReadSunSpec(text, units.KindNone)
	case "snmp":
		return units.ReadSNMP(text)
	case "opcua":
		return units.ReadEU(units.NamespaceUNECE, -1, text)
	case "manual":
		return units.ReadManual(text)
	}
	require.Fail(t, "no dialect "+dialect)
	return units.Stated{}
}

func TestUnitStrings(t *testing.T) {
	rows := readTable(t, "unit_strings.csv")
	require.Len(t, rows, 227)
	for _, row := range rows {
		s := read(t, row[0], row[1])
		checkStated(t, s, row[1])
		if row[2] == "?" {
			assert.False(t, s.Understood(), "%v: %v %v", row, s.Scale, s.Unit)
			assert.NotEqual(t, units.NotStated, s.Verdict, "%v", row)
			continue
		}
		require.NoError(t, s.Err(), "%v", row)
		scale, err := units.ParseScale(row[3])
		require.NoError(t, err)
		assert.Equal(t, row[2], s.Unit.Symbol(), "%v", row)
		assert.Equal(t, scale.Reduce(), s.Scale, "%v", row)
	}
}

// Every canonical symbol is manual text for its unit, and where MIBs leave it
// open, it is refused rather than read as another.
func TestManualReadsEverySymbol(t *testing.T) {
	for u := range units.All() {
		s := units.ReadManual(u.Symbol())
		switch u {
		case units.Coulomb, units.Farad:
			assert.Equal(t, units.Ambiguous, s.Verdict, "%v", u)
		default:
			assert.Equal(t, units.Stated{Unit: u, Scale: one, Dialect: units.DialectManual, Verdict: units.Understood, Raw: u.Symbol()}, s)
		}
		if s = units.ReadSNMP(u.Symbol()); s.Understood() {
			assert.Equal(t, u, s.Unit)
			assert.Equal(t, one, s.Scale)
		} else {
			assert.Equal(t, units.Ambiguous, s.Verdict, "%v", u)
		}
	}
}

func TestManual(t *testing.T) {
	tenth, hundredth := units.Scale{Num: 1, Den: 10}, units.Scale{Num: 1, Den: 100}
	for _, test := range []struct {
		text  string
		unit  units.Unit
		scale units.Scale
	}{
		{"  kW  ", units.Kilowatt, one},
		{"kW h", units.KilowattHour, one},
		{"kW\u00a0h", units.KilowattHour, one},
		{"kW\u22c5h", units.KilowattHour, one},
		{"kvar\u00b7h", units.KilovarHour, one},
		{"kV\u00b7A\u00b7h", units.KilovoltampereHour, one},
		{"\u00b5A", units.Microampere, one},
		{"\u03bcA", units.Microampere, one},
		{"k\u2126", units.Kiloohm, one},
		{"k\u03a9", units.Kiloohm, one},
		{"\u00b0C", units.DegreeCelsius, one},
		{"\u00b0 C", units.DegreeCelsius, one},
		{"\u2103", units.DegreeCelsius, one},
		{"\u2109", units.DegreeFahrenheit, one},
		{"\u00b0", units.Degree, one},
		{"\u0394K", units.DeltaKelvin, one},
		{"m\u00b3/h", units.CubicMetrePerHour, one},
		{"m^3/h", units.CubicMetrePerHour, one},
		{"W/m\u00b2", units.WattPerSquareMetre, one},
		{"W/m^2", units.WattPerSquareMetre, one},
		{"\u2030", units.Permille, one},
		{"0.1 V", units.Volt, tenth},
		{"0.01kWh", units.KilowattHour, hundredth},
		{"1/10 kW", units.Kilowatt, tenth},
		{"10 V", units.Volt, units.Scale{Num: 10, Den: 1}},
		{"10^-3 A", units.Ampere, units.Scale{Num: 1, Den: 1000}},
		{"Wh 10-1", units.WattHour, tenth},
		{"V/100", units.Volt, hundredth},
		{"-W", units.Watt, units.Scale{Num: -1, Den: 1}},
		{"watt-hours", units.WattHour, one},
		{"kilowatt hours", units.KilowattHour, one},
		{"Volts RMS", units.Volt, one},
		{"MVolts", units.Megavolt, one},
		{"mVolts", units.Millivolt, one},
		{"kVAr", units.Kilovar, one},
		{"KWh", units.KilowattHour, one},
		{"bar(g)", units.BarGauge, one},
		{"Nm", units.NewtonMetre, one},
		{"Nm3", units.NormalCubicMetre, one},
		{"N\u00b7m", units.NewtonMetre, one},
		{"deg C", units.DegreeCelsius, one},
		{"1/min", units.PerMinute, one},
		{"nVolts", units.Volt, units.Scale{Num: 1, Den: 1_000_000_000}},
		{"uSec", units.Microsecond, one},
		{"GHertz", units.Gigahertz, one},
		{"1/10th of a volt", units.Volt, units.Scale{Num: 1, Den: 10}},
		{"10^2 V", units.Volt, units.Scale{Num: 100, Den: 1}},
		{"\u0394\u00b0C", units.DeltaDegreeCelsius, one},
		{"kW\u2215m2", units.KilowattPerSquareMetre, one},
		{"kW\u2212h", units.KilowattHour, one},
		{"mm H\u2082O", units.MillimetreOfWater, one},
		{"mg/l", units.MilligramPerLitre, one},
		{"cm/s", units.MetrePerSecond, units.Scale{Num: 1, Den: 100}},
		{"lbf/in\u00b2", units.Psi, one},
		{"-kWh", units.KilowattHour, units.Scale{Num: -1, Den: 1}},
		{"- A h", units.AmpereHour, units.Scale{Num: -1, Den: 1}},
		{"0.1 A h", units.AmpereHour, tenth},
		{"TENTHS OF A VOLT", units.Volt, tenth},
		{"10\u00b3 kWh", units.KilowattHour, units.Scale{Num: 1000, Den: 1}},
		{"\u00d710\u00b3 kWh", units.KilowattHour, units.Scale{Num: 1000, Den: 1}},
		{"\u00d7 10 kWh", units.KilowattHour, units.Scale{Num: 10, Den: 1}},
		{"\u00b710 kWh", units.KilowattHour, units.Scale{Num: 10, Den: 1}},
		{"N\u00d7m", units.NewtonMetre, one},
		{"kN m", units.KilonewtonMetre, one},
		{"cm^2/s", units.SquareMetrePerSecond, units.Scale{Num: 1, Den: 10_000}},
		{"mgram", units.Milligram, one},
		{"MHERTZ", units.Megahertz, one},
		{"0.000000000000000000867361737988403547205962240695953369140625 W", units.Watt, units.Scale{Num: 1, Den: 1 << 60}},
	} {
		s := units.ReadManual(test.text)
		assert.NoError(t, s.Err(), "%q", test.text)
		assert.Equal(t, test.unit, s.Unit, "%q", test.text)
		assert.Equal(t, test.scale, s.Scale, "%q", test.text)
	}
}

// Text that half fits is never half read.
func TestTextRefused(t *testing.T) {
	for _, test := range []struct {
		dialect, text string
		verdict       units.Verdict
	}{
		{"manual", "", units.NotStated},
		{"manual", " \t", units.NotStated},
		{"manual", "kw", units.WrongCase},
		{"manual", "Mw", units.WrongCase},
		{"manual", "hz", units.WrongCase},
		{"manual", "MS", units.WrongCase},
		{"manual", "Msec", units.WrongCase},
		{"manual", "mbps", units.WrongCase},
		{"manual", "MAmps", units.WrongCase},
		{"manual", "N\u00b7m\u00b3", units.Unknown},
		{"manual", "m\u00b7s", units.Unknown},
		{"manual", "C", units.Ambiguous},
		{"manual", "F", units.Ambiguous},
		{"manual", "hp", units.Ambiguous},
		{"manual", "s-1", units.Ambiguous},
		{"manual", "V or A", units.Ambiguous},
		{"manual", "EUR/kWh", units.Unsupported},
		{"manual", "0.1", units.Unknown},
		{"manual", "1th V", units.Unknown},
		{"manual", "2th V", units.Unknown},
		{"manual", "10^-300 V", units.Unknown},
		{"manual", "10^ V", units.Unknown},
		{"manual", "10*3 V", units.Unknown},
		{"manual", "tenthly", units.Unknown},
		{"manual", "0.000000000000000001 um/s2/10", units.Unknown},
		{"manual", "0.000000000000000001 1/1000", units.Unknown},
		{"manual", "0.000000000000000001 nVolts", units.OutOfRange},
		{"manual", "/10", units.Unknown},
		{"manual", "V/12", units.Unknown},
		{"manual", "0.0 V", units.Unknown},
		{"manual", "1/0 V", units.Unknown},
		{"manual", "10^99 V", units.Unknown},
		{"manual", "W AC/DC DC", units.Unknown},
		{"manual", "percent DC", units.Unknown},
		{"manual", "\u732b", units.Unknown},
		{"manual", "\xff", units.Unknown},
		{"manual", strings.Repeat("V ", 100), units.Unknown},
		{"manual", "kW kW", units.Unknown},
		{"manual", "Wh 10-1 10-1", units.Unknown},
		{"manual", "0.1 V/100 A", units.Unknown},
		{"manual", "packets", units.Unknown},
		{"manual", "*C", units.Unknown}, // what was a degree sign once
		{"manual", "^C", units.Unknown},
		{"manual", "^F", units.Unknown},
		{"manual", "C.", units.Unknown},
		{"manual", ".kWh", units.Unknown},
		{"manual", "--kWh", units.Unknown},
		{"manual", "-C", units.Ambiguous},
		{"manual", "2\u00b710 W", units.Unknown},
		{"manual", "5\u00d710\u00b3 W", units.Unknown},
		{"manual", "110\u00b2 W", units.Unknown},
		{"manual", "10.5th V", units.Unknown},
		{"manual", "11th V", units.Unknown},
		{"manual", "2/10th V", units.Unknown},
		{"manual", "MVOLTS", units.WrongCase},
		{"manual", "MWATTS", units.WrongCase},
		{"manual", "MOHMS", units.WrongCase},
		{"manual", "kkilogram", units.Unknown},
		{"manual", "ft\u00b7lbf", units.Ambiguous}, // the symbol of an energy, often written of a torque
		{"manual", "k\x00W", units.Unknown},
		{"manual", "kW\u200b", units.Unknown},
		{"snmp", "*C", units.Unknown},
		{"snmp", "C", units.Ambiguous},
		{"snmp", "Bps", units.Ambiguous},
		{"snmp", "KBps", units.Ambiguous},
		{"snmp", "Mb/s", units.Ambiguous},
		{"snmp", "rps", units.Ambiguous},
		{"snmp", "K", units.Ambiguous},
		{"snmp", "kB", units.Ambiguous},
		{"snmp", "kilobytes", units.Ambiguous},
		{"snmp", "mBytes", units.WrongCase},
		{"snmp", "uS", units.Ambiguous},
		{"snmp", "tenth degrees", units.Ambiguous},
		{"snmp", "Volt; maybe", units.Unknown},
		{"snmp", "seconds since boot", units.Unknown},
		{"snmp", "deg.C x 10", units.Unknown},
		{"snmp", "pkts per sec x100", units.Unknown},
		{"snmp", "dBmV", units.Unknown},
		{"snmp", "TenthdBmV", units.Unknown},
		{"sunspec", "S", units.Ambiguous},
		{"sunspec", "SF", units.NotAUnit},
		{"sunspec", "kwh", units.Unknown},
		{"sunspec", "", units.NotStated},
	} {
		s := read(t, test.dialect, test.text)
		assert.Equal(t, test.verdict, s.Verdict, "%v: %v %v", test, s.Scale, s.Unit)
		checkStated(t, s, test.text)
	}
	assert.EqualError(t, units.ReadManual("Mw").Err(), `units: unknown unit: manual: "Mw" is known only in another case`)
}

func TestSNMP(t *testing.T) {
	for _, test := range []struct {
		text  string
		unit  units.Unit
		scale units.Scale
	}{
		{"packets", units.Each, one},
		{"packets per second", units.PerSecond, one},
		{"packets/sec", units.PerSecond, one},
		{"number of packets", units.Each, one},
		{"bits per second", units.BitPerSecond, one},
		{"Kbps", units.KilobitPerSecond, one},
		{"Kilobits/sec", units.KilobitPerSecond, one},
		{"64 kbps", units.KilobitPerSecond, units.Scale{Num: 64, Den: 1}},
		{"centi-seconds", units.Second, units.Scale{Num: 1, Den: 100}},
		{"1/100th of a Second", units.Second, units.Scale{Num: 1, Den: 100}},
		{"hundredths-seconds", units.Second, units.Scale{Num: 1, Den: 100}},
		{"ThousandthdB", units.Decibel, units.Scale{Num: 1, Den: 1000}},
		{"0.1 Amps-AC-RMS", units.Ampere, units.Scale{Num: 1, Den: 10}},
		{"0.1 \u00b0C", units.DegreeCelsius, units.Scale{Num: 1, Den: 10}},
		{"0.1 ohm", units.Ohm, units.Scale{Num: 1, Den: 10}},
		{"0.01 nm", units.Metre, units.Scale{Num: 1, Den: 100_000_000_000}},
		{"0.01 cos phi", units.PowerFactorOne, units.Scale{Num: 1, Den: 100}},
		{"tens of milliseconds", units.Millisecond, units.Scale{Num: 10, Den: 1}},
	} {
		s := units.ReadSNMP(test.text)
		assert.NoError(t, s.Err(), test.text)
		assert.Equal(t, test.unit, s.Unit, test.text)
		assert.Equal(t, test.scale, s.Scale, test.text)
	}
}

func TestSunSpecKindSettlesWhatIsOpen(t *testing.T) {
	for _, test := range []struct {
		text string
		kind units.Kind
		want units.Unit
	}{
		{"Pct", units.KindNone, units.Percent},
		{"Pct", units.PowerFactor, units.PowerFactorPercent},
		{"Pct", units.RelativeHumidity, units.PercentRelativeHumidity},
		{"Pct", units.Voltage, units.Percent},
		{"S", units.Conductance, units.Siemens},
		{"S", units.Duration, units.Second},
		{"S", units.Voltage, units.None},
		{"C", units.Charge, units.DegreeCelsius},
	} {
		assert.Equal(t, test.want, units.ReadSunSpec(test.text, test.kind).Unit, "%v", test)
	}
	printed := 0
	for u := range units.All() {
		text, ok := u.SunSpec()
		if !ok {
			assert.Empty(t, text)
			continue
		}
		printed++
		s := units.ReadSunSpec(text, u.Kind())
		assert.Equal(t, u, s.Unit, text)
		assert.Equal(t, one, s.Scale)
	}
	assert.Greater(t, printed, 35)
	_, ok := units.None.SunSpec()
	assert.False(t, ok)
}

func TestReadTextAllocatesNothing(t *testing.T) {
	for _, text := range []string{"kW\u00b7h", "0.1 Volt DC", "hundredths of a percent", "volt-amperes reactive", "mWatts/10", "packets"} {
		assert.Zero(t, testing.AllocsPerRun(100, func() {
			if !units.ReadSNMP(text).Understood() {
				t.Error(text)
			}
		}), text)
	}
	assert.Zero(t, testing.AllocsPerRun(100, func() {
		if !units.ReadSunSpec("Varh", units.KindNone).Understood() {
			t.Error("Varh")
		}
	}))
}

func fuzzText(f *testing.F, dialect string) {
	for _, row := range readTable(f, "unit_strings.csv") {
		f.Add(row[1])
	}
	f.Fuzz(func(t *testing.T, text string) {
		s := read(t, dialect, text)
		checkStated(t, s, text)
		if !s.Understood() {
			return
		}
		// Space around changes nothing, and what names milli is never read as mega.
		if dialect != "sunspec" {
			again := read(t, dialect, " "+text+"\t")
			require.Equal(t, s.Unit, again.Unit)
			require.Equal(t, s.Scale, again.Scale)
		}
		if symbol := s.Unit.Symbol(); strings.HasPrefix(symbol, "M") && len(symbol) > 1 {
			require.True(t, strings.ContainsAny(text, "Mm"), text)
			require.False(t, strings.HasPrefix(text, "m") && !strings.HasPrefix(strings.ToLower(text), "meg"), text)
		}
	})
}

func FuzzReadManual(f *testing.F)  { fuzzText(f, "manual") }
func FuzzReadSNMP(f *testing.F)    { fuzzText(f, "snmp") }
func FuzzReadSunSpec(f *testing.F) { fuzzText(f, "sunspec") }

func BenchmarkReadSNMP(b *testing.B) {
	for _, text := range []string{"W", "0.1 Volt DC"} {
		b.Run(text, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if !units.ReadSNMP(text).Understood() {
					b.Fatal(text)
				}
			}
		})
	}
}
