package units

import (
	"fmt"
)

// The namespaces of an OPC UA EUInformation whose unitId [ReadEU] understands:
// OPC 10000-8 (Data Access), clauses on the mapping of UN/CEFACT Rec. 20 and of
// IEC 62720 to EUInformation.
const (
	NamespaceUNECE    = "http://www.opcfoundation.org/UA/units/un/cefact"
	NamespaceIEC62720 = "http://www.opcfoundation.org/UA/units/cdd/IEC62720"
)

// EU returns what an OPC UA EUInformation says of u: the UN/CEFACT namespace and
// the unitId, or the IEC 62720 ones for a unit that UN/CEFACT does not have; and
// whether u has either.
func (u Unit) EU() (namespace string, unitID int32, ok bool) {
	if code, ok := u.UNECE(); ok {
		id, ok := uneceID(code)
		return NamespaceUNECE, id, ok
	}
	if code, ok := u.IEC62720(); ok {
		id, ok := iecID(code)
		return NamespaceIEC62720, id, ok
	}
	return "", 0, false
}

// IEC62720 returns the identifier of u in the dictionary of IEC 62720, such as
// "UAA584", and whether it is known.
func (u Unit) IEC62720() (code string, ok bool) {
	if !u.Valid() {
		return "", false
	}
	return iecCodes[u], iecCodes[u] != ""
}

// ReadEU reads the EUInformation of an OPC UA variable. In a namespace that is
// known the unitId decides and the display name is not looked at, because the
// public list shows "kvar" for the megavar, "MW" for a module width and "V" for
// three codes. An id that is not in the table is unknown.
//
// The id -1 says that there is none. Then the display name is read in the manual
// dialect, as it is in a foreign namespace. In the UN/CEFACT namespace a display
// name that the list gives to different units, such as "kvar" and "MW", is
// ambiguous.
func ReadEU(namespace string, unitID int32, displayName string) Stated {
	switch {
	case unitID != -1 && namespace == NamespaceUNECE:
		return readUNECEID(unitID, displayName)
	case unitID != -1 && namespace == NamespaceIEC62720:
		for u, code := range iecCodes {
			if code == "" {
				continue
			}
			if id, ok := iecID(code); ok && id == unitID {
				return understood(DialectEU, displayName, Unit(u), Scale{})
			}
		}
		return refused(DialectEU, displayName, euPart(namespace, unitID), Unknown)
	case namespace == NamespaceUNECE && sharedDisplayName(displayName):
		return refused(DialectEU, displayName, "", Ambiguous)
	}
	s := ReadManual(displayName)
	s.Dialect = DialectEU
	return s
}

// readUNECEID reads a unitId of the UN/CEFACT namespace.
func readUNECEID(unitID int32, displayName string) Stated {
	for u, code := range uneceCodes {
		if id, ok := uneceID(code); ok && id == unitID {
			return understood(DialectEU, displayName, Unit(u), Scale{})
		}
	}
	for _, r := range uneceScaled {
		if id, _ := uneceID(r.code); id == unitID {
			return understood(DialectEU, displayName, r.unit, Scale{Num: r.num, Den: r.den})
		}
	}
	v := Unknown
	for _, code := range ambiguousUNECE {
		if id, _ := uneceID(code); id == unitID {
			v = Ambiguous
		}
	}
	return refused(DialectEU, displayName, euPart(NamespaceUNECE, unitID), v)
}

// euPart names an id in an error.
func euPart(namespace string, unitID int32) string {
	if code := uneceCode(unitID); code != "" && namespace == NamespaceUNECE {
		return fmt.Sprintf("unitId %d (%s)", unitID, code)
	}
	return fmt.Sprintf("unitId %d", unitID)
}

// sharedDisplayName reports whether the code list shows this name for units of
// different size or kind, or, as the bel's "B", for another than is otherwise meant.
func sharedDisplayName(s string) bool {
	switch s {
	case "kvar", "MW", "BtuIT/h", "MJ/m\u00b3", "pH", "rad", "B":
		return true
	}
	return false
}

// uneceID returns the unitId of a common code: its characters as a big-endian
// integer.
func uneceID(code string) (id int32, ok bool) {
	if len(code) < 2 || len(code) > 3 {
		return 0, false
	}
	for _, c := range []byte(code) {
		id = id<<8 | int32(c)
	}
	return id, true
}

// uneceCode returns the two or three characters of a unitId, empty where it
// cannot be a common code.
func uneceCode(id int32) string {
	b := []byte{byte(id >> 16), byte(id >> 8), byte(id)}
	if b[0] == 0 {
		b = b[1:]
	}
	for _, c := range b {
		if (c < '0' || c > '9') && (c < 'A' || c > 'Z') {
			return ""
		}
	}
	if id>>24 != 0 {
		return ""
	}
	return string(b)
}

// iecID returns the unitId of an IEC 62720 identifier: the low five bits of each
// of its six characters, the first one highest.
func iecID(code string) (id int32, ok bool) {
	if len(code) != 6 {
		return 0, false
	}
	for _, c := range []byte(code) {
		id = id<<5 | int32(c&0x1f)
	}
	return id, true
}

// iecCodes holds the identifier of each unit in the IEC 62720 dictionary, where
// it is known.
var iecCodes = [unitEnd]string{
	Microwatt:                  "UAA080",
	Milliwatt:                  "UAA807",
	KilojoulePerHour:           "UAB449",
	BtuPerHour:                 "UAA116",
	Watt:                       "UAA306",
	MetricHorsepower:           "UAA534",
	ElectricHorsepower:         "UAA537",
	Kilowatt:                   "UAA583",
	Megawatt:                   "UAA224",
	Gigawatt:                   "UAA154",
	Terawatt:                   "UAA289",
	Var:                        "UAB023",
	Kilovar:                    "UAA648",
	Megavar:                    "UAB199",
	Gigavar:                    "UAC508",
	VoltAmpere:                 "UAA298",
	Kilovoltampere:             "UAA581",
	Megavoltampere:             "UAA222",
	Gigavoltampere:             "UAB534",
	Electronvolt:               "UAA425",
	Joule:                      "UAA172",
	WattSecond:                 "UAA313",
	CalorieTh:                  "UAA364",
	CalorieIT:                  "UAA361",
	Kilojoule:                  "UAA568",
	Btu:                        "UAA114",
	WattHour:                   "UAA308",
	Kilocalorie:                "UAA589",
	Megajoule:                  "UAA211",
	KilowattHour:               "UAA584",
	ThermUS:                    "UAB223",
	ThermEC:                    "UAB222",
	Gigajoule:                  "UAA152",
	MegawattHour:               "UAA225",
	Terajoule:                  "UAA288",
	GigawattHour:               "UAA155",
	TerawattHour:               "UAA290",
	KilovarHour:                "UAB195",
	MegavarHour:                "UAB198",
	KilovoltampereHour:         "UAB160",
	Microvolt:                  "UAA078",
	Millivolt:                  "UAA804",
	Volt:                       "UAA296",
	Kilovolt:                   "UAA580",
	Megavolt:                   "UAA221",
	Microampere:                "UAA057",
	Milliampere:                "UAA775",
	Ampere:                     "UAA101",
	Kiloampere:                 "UAA557",
	Coulomb:                    "UAA130",
	MilliampereHour:            "UAA777",
	AmpereHour:                 "UAA102",
	KiloampereHour:             "UAB053",
	Microohm:                   "UAA055",
	Milliohm:                   "UAA741",
	Ohm:                        "UAA017",
	Kiloohm:                    "UAA555",
	Megaohm:                    "UAA198",
	Gigaohm:                    "UAA147",
	OhmPerKilometre:            "UAA019",
	OhmPerMetre:                "UAA021",
	Microsiemens:               "UAA074",
	Millisiemens:               "UAA800",
	Siemens:                    "UAA277",
	MicrosiemensPerCentimetre:  "UAA075",
	MillisiemensPerCentimetre:  "UAA801",
	SiemensPerMetre:            "UAA279",
	Nanofarad:                  "UAA903",
	Microfarad:                 "UAA063",
	Farad:                      "UAA144",
	Microhenry:                 "UAA066",
	Millihenry:                 "UAA789",
	Henry:                      "UAA165",
	Weber:                      "UAA317",
	Microtesla:                 "UAA077",
	Millitesla:                 "UAA803",
	Tesla:                      "UAA285",
	VoltPerSecond:              "UAA304",
	Millihertz:                 "UAB698",
	Hertz:                      "UAA170",
	Kilohertz:                  "UAA566",
	Megahertz:                  "UAA209",
	Gigahertz:                  "UAA150",
	PartsPerBillion:            "UAD926",
	PartsPerMillion:            "UAD925",
	Permille:                   "UAA015",
	Percent:                    "UAA000",
	One:                        "UAA915",
	Decibel:                    "UAA409",
	Degree:                     "UAA024",
	Radian:                     "UAA966",
	Steradian:                  "UAA986",
	DegreePerSecond:            "UAA026",
	RadianPerSecond:            "UAA968",
	RevolutionPerMinute:        "UAB231",
	Nanosecond:                 "UAA913",
	Microsecond:                "UAA095",
	Millisecond:                "UAA899",
	Second:                     "UAA972",
	Minute:                     "UAA842",
	Hour:                       "UAA525",
	Day:                        "UAA407",
	DegreeRankine:              "UAA050",
	DegreeFahrenheit:           "UAA039",
	Kelvin:                     "UAA185",
	DegreeCelsius:              "UAA033",
	KelvinPerHour:              "UAA189",
	KelvinPerMinute:            "UAA191",
	KelvinPerSecond:            "UAA192",
	JoulePerKelvin:             "UAA173",
	JoulePerKilogramKelvin:     "UAA176",
	KilojoulePerKilogramKelvin: "UAA571",
	WattPerMetreKelvin:         "UAA309",
	WattPerSquareMetreKelvin:   "UAA311",
	Micrometre:                 "UAA090",
	Millimetre:                 "UAA862",
	Centimetre:                 "UAA375",
	Inch:                       "UAA539",
	Foot:                       "UAA440",
	Yard:                       "UAB030",
	Metre:                      "UAA726",
	Kilometre:                  "UAA637",
	Mile:                       "UAA839",
	SquareMillimetre:           "UAA871",
	SquareCentimetre:           "UAA384",
	SquareFoot:                 "UAA454",
	SquareMetre:                "UAA744",
	Hectare:                    "UAA532",
	SquareKilometre:            "UAA639",
	Millilitre:                 "UAA844",
	Litre:                      "UAA649",
	GallonUS:                   "UAA505",
	GallonUK:                   "UAA500",
	CubicFoot:                  "UAA456",
	Hectolitre:                 "UAA533",
	Barrel:                     "UAA334",
	CubicMetre:                 "UAA757",
	MillilitrePerMinute:        "UAA855",
	LitrePerHour:               "UAA655",
	BarrelPerDay:               "UAA335",
	CubicMetrePerDay:           "UAA760",
	LitrePerMinute:             "UAA659",
	GallonUSPerMinute:          "UAA508",
	GallonUKPerMinute:          "UAA503",
	CubicMetrePerHour:          "UAA763",
	CubicFootPerMinute:         "UAA461",
	LitrePerSecond:             "UAA664",
	CubicMetrePerMinute:        "UAA768",
	CubicMetrePerSecond:        "UAA772",
	Microgram:                  "UAA082",
	Milligram:                  "UAA815",
	Gram:                       "UAA465",
	Ounce:                      "UAA917",
	Pound:                      "UAA669",
	Kilogram:                   "UAA594",
	TonUS:                      "UAB012",
	Tonne:                      "UAA988",
	TonUK:                      "UAB009",
	PoundPerHour:               "UAA682",
	KilogramPerHour:            "UAA607",
	GramPerSecond:              "UAA497",
	TonnePerDay:                "UAA991",
	KilogramPerMinute:          "UAA624",
	TonnePerHour:               "UAB994",
	KilogramPerSecond:          "UAA629",
	GramPerLitre:               "UAA482",
	KilogramPerCubicMetre:      "UAA619",
	KilogramPerLitre:           "UAA612",
	MicrogramPerCubicMetre:     "UAA085",
	MicrogramPerLitre:          "UAA084",
	MilligramPerCubicMetre:     "UAA830",
	MilligramPerLitre:          "UAA827",
	GramPerCubicMetre:          "UAA487",
	Mole:                       "UAA882",
	Kilomole:                   "UAA640",
	MillimolePerLitre:          "UAB500",
	MolePerLitre:               "UAA888",
	Pascal:                     "UAA258",
	MillimetreOfWater:          "UAA875",
	Hectopascal:                "UAA527",
	Millibar:                   "UAA810",
	Torr:                       "UAB022",
	MillimetreOfMercury:        "UAA876",
	InchOfWater:                "UAA553",
	Kilopascal:                 "UAA575",
	InchOfMercury:              "UAA554",
	Psi:                        "UAA701",
	MetreOfWater:               "UAB362",
	TechnicalAtmosphere:        "UAA321",
	Bar:                        "UAA323",
	Atmosphere:                 "UAA322",
	Megapascal:                 "UAA215",
	Kilopsi:                    "UAB138",
	Gigapascal:                 "UAA153",
	PsiAbsolute:                "UAB137",
	MillipascalSecond:          "UAA797",
	PascalSecond:               "UAA265",
	SquareMillimetrePerSecond:  "UAA872",
	SquareMetrePerSecond:       "UAA752",
	Newton:                     "UAA235",
	PoundForce:                 "UAA696",
	KilogramForce:              "UAA632",
	Kilonewton:                 "UAA573",
	Meganewton:                 "UAA213",
	MillinewtonMetre:           "UAA794",
	PoundForceInch:             "UAA699",
	NewtonMetre:                "UAA239",
	PoundForceFoot:             "UAA697",
	KilonewtonMetre:            "UAA574",
	KilogramSquareMetre:        "UAA622",
	MillimetrePerHour:          "UAA866",
	MillimetrePerSecond:        "UAA867",
	FootPerMinute:              "UAA448",
	MetrePerMinute:             "UAA732",
	InchPerSecond:              "UAA542",
	KilometrePerHour:           "UAA638",
	FootPerSecond:              "UAA449",
	MilePerHour:                "UAB111",
	Knot:                       "UAB110",
	MetrePerSecond:             "UAA733",
	MillimetrePerSecondSquared: "UAB400",
	MetrePerSecondSquared:      "UAA736",
	StandardGravity:            "UAA521",
	WattPerSquareMetre:         "UAA310",
	JoulePerSquareMetre:        "UAA179",
	Candela:                    "UAA370",
	Lumen:                      "UAA718",
	CandelaPerSquareMetre:      "UAA371",
	Lux:                        "UAA723",
	Becquerel:                  "UAA111",
	BecquerelPerCubicMetre:     "UAB126",
	Gray:                       "UAA163",
	Millisievert:               "UAA802",
	Sievert:                    "UAA284",
	MicrosievertPerHour:        "UAB466",
	MillisievertPerHour:        "UAB465",
	MegajoulePerCubicMetre:     "UAA212",
	JoulePerKilogram:           "UAA175",
	KilojoulePerKilogram:       "UAA570",
	MegajoulePerKilogram:       "UAB093",
	Bit:                        "UAA339",
	Byte:                       "UAA354",
	Kilobit:                    "UAB159",
	Kilobyte:                   "UAB129",
	Kibibyte:                   "UAA197",
	Megabit:                    "UAB171",
	Megabyte:                   "UAB131",
	Mebibyte:                   "UAA233",
	Gigabit:                    "UAB156",
	Gigabyte:                   "UAB185",
	Gibibyte:                   "UAA162",
	Terabyte:                   "UAB186",
	Tebibyte:                   "UAA295",
	BitPerSecond:               "UAA343",
	BytePerSecond:              "UAB305",
	KilobitPerSecond:           "UAA586",
	KilobytePerSecond:          "UAB306",
	MegabitPerSecond:           "UAA226",
	MegabytePerSecond:          "UAB307",
	GigabitPerSecond:           "UAA156",
}
