package units_test

import (
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/units"
)

// withoutEU are the units that neither UN/CEFACT nor IEC 62720 is known to have.
const withoutEU = "kcal_IT/h MJ/h hp_mech TR GJ/h Gcal_IT/h mWh Mcal_IT MMBtu_IT toe varh Gvarh VAh MVAh GVAh " +
	"W/s kW/min kW/s A/s mHz/s Hz/s PF% PF %/min %/s %RH ppmv dBA 1/h 1/min 1/s delta_degF delta_K delta_degC " +
	"NL NL/min Nm3/min mbarg kPag barg MPag mbara kPaa bara mbard psid bard Pa/s kW/m2 Wh/m2 MJ/m2 kWh/m2 " +
	"umol/(m2.s) uSv kWh/t kWh/kg kJ/kWh g/kWh kg/MWh kg/kWh t/MWh imp/kWh imp/Wh imp/kvarh imp/m3 imp/L"

func TestEUOfEveryUnit(t *testing.T) {
	seen := map[string]units.Unit{}
	var without []string
	for u := range units.All() {
		namespace, id, ok := u.EU()
		if !ok {
			assert.Zero(t, id)
			assert.Empty(t, namespace)
			without = append(without, u.Symbol())
			continue
		}
		key := namespace + strconv.Itoa(int(id))
		assert.NotContains(t, seen, key, "%v and %v", u, seen[key])
		seen[key] = u
		assert.Equal(t, units.Stated{Unit: u, Scale: one, Dialect: units.DialectEU, Verdict: units.Understood, Raw: "kvar"}, units.ReadEU(namespace, id, "kvar"))

		if code, ok := u.UNECE(); ok {
			s := units.ReadUNECE(code)
			assert.Equal(t, u, s.Unit)
			assert.Equal(t, one, s.Scale)
			assert.Equal(t, units.NamespaceUNECE, namespace)
		}
		if code, ok := u.IEC62720(); ok {
			assert.Equal(t, u, units.ReadEU(units.NamespaceIEC62720, iecID(code), "").Unit)
		}
	}
	assert.Equal(t, withoutEU, strings.Join(without, " "))
	for _, u := range []units.Unit{units.None, 60000} {
		_, _, ok := u.EU()
		assert.False(t, ok)
		_, ok = u.UNECE()
		assert.False(t, ok)
		_, ok = u.IEC62720()
		assert.False(t, ok)
	}
}

// uneceID and iecID are the algorithms of OPC 10000-8 by arithmetic.
func uneceID(code string) int32 {
	id := 0
	for _, c := range []byte(code) {
		id = id*256 + int(c)
	}
	return int32(id)
}

func iecID(code string) int32 {
	id := 0
	for _, c := range []byte(code) {
		id = id*32 + int(c)%32
	}
	return int32(id)
}

func TestEUUnitIDs(t *testing.T) {
	rows := readTable(t, "eu_unitids.csv")
	require.Len(t, rows, 30)
	understood := 0
	iec := map[string]string{"UAA017": "Ohm", "UAA033": "degC", "UAA172": "J", "UAA539": "in", "UAA497": "g/s"}
	for _, row := range rows {
		id, err := strconv.ParseInt(row[2], 10, 32)
		require.NoError(t, err)
		namespace, want := units.NamespaceUNECE, uneceID(row[1])
		if row[0] != "un/cefact" {
			namespace, want = units.NamespaceIEC62720, iecID(row[1])
		}
		assert.Equal(t, want, int32(id), "%v", row)
		s := units.ReadEU(namespace, int32(id), "")
		checkStated(t, s, "")
		if s.Understood() {
			understood++
			if want, ok := iec[row[1]]; ok {
				assert.Equal(t, want, s.Unit.Symbol())
			}
			_, got, ok := s.Unit.EU()
			assert.True(t, ok)
			if namespace == units.NamespaceUNECE {
				assert.Equal(t, int32(id), got, "%v is %v", row, s.Unit)
			}
		}
	}
	assert.Equal(t, 28, understood, "all but the micronewton and the inch per second squared")
}

// The display name never decides where there is an id.
func TestEUTraps(t *testing.T) {
	for _, test := range []struct {
		code, display string
		want          units.Unit
		scale         units.Scale
	}{
		{"MAR", "kvar", units.Megavar, one},
		{"KVR", "kvar", units.Kilovar, one},
		{"K5", "kvar", units.Kilovar, one},
		{"D44", "var", units.Var, one},
		{"D46", "V\u00b7A", units.VoltAmpere, one},
		{"MAW", "MW", units.Megawatt, one},
		{"VLT", "V", units.Volt, one},
		{"2G", "V", units.Volt, one},
		{"2H", "V", units.Volt, one},
		{"P1", "% or pct", units.Percent, one},
		{"RPM", "r/min", units.RevolutionPerMinute, one},
		{"M46", "r/min", units.RevolutionPerMinute, one},
		{"2I", "BtuIT/h", units.BtuPerHour, one},
		{"E16", "BtuIT/h", units.BtuPerHour, units.Scale{Num: 1_000_000, Den: 1}},
		{"K3", "kvar\u00b7h", units.KilovarHour, one},
		{"MAH", "Mvar\u00b7h", units.MegavarHour, one},
		{"C79", "kVAh", units.KilovoltampereHour, one},
		{"D03", "kW\u00b7h/h", units.Kilowatt, one},
		{"64", "", units.PsiGauge, one},
		{"80", "", units.PsiAbsolute, one},
	} {
		s := units.ReadEU(units.NamespaceUNECE, uneceID(test.code), test.display)
		assert.NoError(t, s.Err(), test.code)
		assert.Equal(t, test.want, s.Unit, test.code)
		assert.Equal(t, test.scale, s.Scale, test.code)
	}
	for _, test := range []struct {
		namespace string
		id        int32
		display   string
		verdict   units.Verdict
	}{
		{units.NamespaceUNECE, uneceID("H77"), "MW", units.Unknown},
		{units.NamespaceUNECE, uneceID("VA"), "V\u00b7A / kg", units.Unknown},
		{units.NamespaceUNECE, uneceID("C97"), "s\u207b\u00b9", units.Ambiguous},
		{units.NamespaceUNECE, 0, "kW", units.Unknown},
		{units.NamespaceUNECE, -2, "kW", units.Unknown},
		{units.NamespaceUNECE, 0x4b574800, "kWh", units.Unknown},
		{units.NamespaceUNECE, -1, "kvar", units.Ambiguous},
		{units.NamespaceUNECE, -1, "MW", units.Ambiguous},
		{units.NamespaceUNECE, -1, "rad", units.Ambiguous},         // C81, and C80 of dose
		{units.NamespaceUNECE, -1, "pH", units.Ambiguous},          // Q30, and C73 the picohenry
		{units.NamespaceUNECE, -1, "MJ/m\u00b3", units.Ambiguous},  // JM, and MNJ of gas
		{units.NamespaceUNECE, -1, "ft\u00b7lbf", units.Ambiguous}, // 85, an energy
		{units.NamespaceUNECE, -1, "B", units.Ambiguous},           // M72, the bel
		{units.NamespaceUNECE, -1, "", units.NotStated},
		{units.NamespaceIEC62720, 1, "kW", units.Unknown},
		{"", -1, "Mw", units.WrongCase},
	} {
		s := units.ReadEU(test.namespace, test.id, test.display)
		assert.Equal(t, test.verdict, s.Verdict, "%v", test)
		checkStated(t, s, test.display)
	}
	assert.EqualError(t, units.ReadEU(units.NamespaceUNECE, uneceID("H77"), "MW").Err(), `units: unknown unit: opcua: "unitId 4732727 (H77)" is unknown`)

	// Without an id, and in a namespace that is the server's own, the name is text.
	assert.Equal(t, units.Kilovar, units.ReadEU("", -1, "kvar").Unit)
	assert.Equal(t, units.Kilowatt, units.ReadEU(units.NamespaceUNECE, -1, "kW").Unit)
	assert.Equal(t, units.DegreeCelsius, units.ReadEU("http://vendor.example/units", 17, "\u00b0C").Unit)
}

func TestUNECE(t *testing.T) {
	for _, test := range []struct {
		code  string
		want  units.Unit
		scale units.Scale
	}{
		{"KWH", units.KilowattHour, one},
		{"D46", units.VoltAmpere, one},
		{"CEL", units.DegreeCelsius, one},
		{"DMT", units.Metre, units.Scale{Num: 1, Den: 10}},
		{"D29", units.Hertz, units.Scale{Num: 1_000_000_000_000, Den: 1}},
		{"NMI", units.Metre, units.Scale{Num: 1852, Den: 1}},
	} {
		s := units.ReadUNECE(test.code)
		assert.Equal(t, test.want, s.Unit, test.code)
		assert.Equal(t, test.scale, s.Scale, test.code)
	}
	for code, verdict := range map[string]units.Verdict{"": units.NotStated, "kwh": units.Unknown, "VA": units.Unknown, "H77": units.Unknown, "C97": units.Ambiguous} {
		s := units.ReadUNECE(code)
		assert.Equal(t, verdict, s.Verdict, code)
		checkStated(t, s, code)
	}
}

func TestReadEUAllocatesNothing(t *testing.T) {
	for _, code := range []string{"KWH", "MAR", "DMT"} {
		id := uneceID(code)
		assert.Zero(t, testing.AllocsPerRun(100, func() {
			if !units.ReadEU(units.NamespaceUNECE, id, "x").Understood() {
				t.Error(code)
			}
			if !units.ReadUNECE(code).Understood() {
				t.Error(code)
			}
		}))
	}
}

func FuzzReadEU(f *testing.F) {
	f.Add(units.NamespaceUNECE, int32(4937544), "kWh")
	f.Add(units.NamespaceIEC62720, int32(705741427), "\u00b0C")
	f.Add(units.NamespaceUNECE, int32(-1), "kvar")
	f.Add("", int32(0), "")
	f.Fuzz(func(t *testing.T, namespace string, id int32, display string) {
		s := units.ReadEU(namespace, id, display)
		checkStated(t, s, display)
		if id != -1 && (namespace == units.NamespaceUNECE || namespace == units.NamespaceIEC62720) {
			again := units.ReadEU(namespace, id, "other")
			require.Equal(t, s.Unit, again.Unit)
			require.Equal(t, s.Scale, again.Scale)
		}
	})
}

func FuzzReadUNECE(f *testing.F) {
	for _, code := range []string{"KWH", "K3", "D46", "2G", ""} {
		f.Add(code)
	}
	f.Fuzz(func(t *testing.T, code string) {
		s := units.ReadUNECE(code)
		checkStated(t, s, code)
		if s.Understood() {
			e := units.ReadEU(units.NamespaceUNECE, uneceID(code), "")
			require.Equal(t, s.Unit, e.Unit)
			require.Equal(t, s.Scale, e.Scale)
		}
	})
}
