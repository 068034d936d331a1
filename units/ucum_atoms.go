package units

// ucumAtom is one atom of the subset: it is n·10^ten of the expression in of.
type ucumAtom struct {
	code   string
	n      uint64
	ten    int8
	of     string   // empty for a base unit
	metric bool     // takes a prefix
	slot   ucumSlot // the exponent it counts in, where it has one of its own
	point  bool     // a point on a scale of its own: it stands alone
}

// ucumSlot numbers the exponents of a parsed code. A unit with a slot of its own
// is remembered by name, so that V.A is not W and N.m is not J although their
// dimensions agree.
type ucumSlot uint8

const (
	slotNone ucumSlot = iota
	slotM             // from here to slotCd in the order of Dimension
	slotG
	slotS
	slotA
	slotK
	slotMol
	slotCd
	slotRad
	slotBit
	slotCel
	slotDegF
	slotBel
	slotNeper
	ucumBases // the slots above are dimensions, those below are names
)

const (
	slotV ucumSlot = ucumBases + iota
	slotN
	slotPa
	slotJ
	slotOhm
	slotSiemens
	slotF
	slotH
	slotWb
	slotT
	slotHz
	slotBq
	slotLm
	slotLx
	slotGy
	slotSv
	slotKat
	slotSr
	slotBd

	ucumSlots
)

// ucumAtoms is the subset, in byte order of the codes. Definitions are those of
// the SI Brochure (9th edition), of the international yard and pound of 1959
// (yard 0.9144 m, pound 0.45359237 kg), of the US survey foot (1200/3937 m) and
// of NIST SP 811; where a code exists in UCUM alone, the number is the one that
// UCUM gives the code.
//
// The watt is defined as J/s and has no name of its own: energy per time is
// active power, and nothing else.
var ucumAtoms = [...]ucumAtom{
	{code: "%", n: 1, ten: -2, of: "1"},
	{code: "'", n: 1, ten: 0, of: "deg/60"},
	{code: "''", n: 1, ten: 0, of: "'/60"},
	{code: "10*", n: 10, of: "1"},
	{code: "10^", n: 10, of: "1"},
	{code: "A", slot: slotA, metric: true},
	{code: "AU", n: 149597870700, of: "m"},
	{code: "B", slot: slotBel, metric: true, point: true},
	{code: "Bd", n: 1, of: "/s", metric: true, slot: slotBd},
	{code: "Bq", n: 1, of: "/s", metric: true, slot: slotBq},
	{code: "By", n: 8, of: "bit", metric: true},
	{code: "C", n: 1, of: "A.s", metric: true},
	{code: "Cel", slot: slotCel, metric: true, point: true},
	{code: "F", n: 1, of: "C/V", metric: true, slot: slotF},
	{code: "G", n: 1, ten: -4, of: "T", metric: true},
	{code: "Gal", n: 1, of: "cm/s2", metric: true},
	{code: "Gy", n: 1, of: "J/kg", metric: true, slot: slotGy},
	{code: "H", n: 1, of: "Wb/A", metric: true, slot: slotH},
	{code: "Hz", n: 1, of: "/s", metric: true, slot: slotHz},
	{code: "J", n: 1, of: "N.m", metric: true, slot: slotJ},
	{code: "K", slot: slotK, metric: true},
	{code: "L", n: 1, of: "dm3", metric: true},
	{code: "N", n: 1, of: "kg.m/s2", metric: true, slot: slotN},
	{code: "Np", slot: slotNeper, metric: true, point: true},
	{code: "Ohm", n: 1, of: "V/A", metric: true, slot: slotOhm},
	{code: "P", n: 1, ten: -1, of: "Pa.s", metric: true},
	{code: "Pa", n: 1, of: "N/m2", metric: true, slot: slotPa},
	{code: "S", n: 1, of: "A/V", metric: true, slot: slotSiemens},
	{code: "St", n: 1, of: "cm2/s", metric: true},
	{code: "Sv", n: 1, of: "J/kg", metric: true, slot: slotSv},
	{code: "T", n: 1, of: "Wb/m2", metric: true, slot: slotT},
	{code: "V", n: 1, of: "J/C", metric: true, slot: slotV},
	{code: "W", n: 1, of: "J/s", metric: true},
	{code: "Wb", n: 1, of: "V.s", metric: true, slot: slotWb},
	{code: "[Btu_IT]", n: 105505585262, ten: -8, of: "J"},
	{code: "[HP]", n: 74569987158227022, ten: -14, of: "W"}, // 550 ft·lbf/s
	{code: "[acr_us]", n: 43560, of: "[ft_us]2"},
	{code: "[bbl_us]", n: 42, of: "[gal_us]"},
	{code: "[c]", n: 299792458, of: "m/s", metric: true},
	{code: "[cft_i]", n: 1, of: "[ft_i]3"},
	{code: "[cin_i]", n: 1, of: "[in_i]3"},
	{code: "[cup_us]", n: 16, of: "[tbs_us]"},
	{code: "[cyd_i]", n: 1, of: "[yd_i]3"},
	{code: "[degF]", slot: slotDegF, point: true},
	{code: "[degR]", n: 5, of: "K/9"},
	{code: "[foz_br]", n: 1, of: "[gal_br]/160"},
	{code: "[foz_us]", n: 1, of: "[gal_us]/128"},
	{code: "[ft_i]", n: 3048, ten: -4, of: "m"},
	{code: "[ft_us]", n: 1200, of: "m/3937"},
	{code: "[fth_i]", n: 6, of: "[ft_i]"},
	{code: "[g]", n: 980665, ten: -5, of: "m/s2", metric: true},
	{code: "[gal_br]", n: 454609, ten: -5, of: "L"},
	{code: "[gal_us]", n: 231, of: "[in_i]3"},
	{code: "[gr]", n: 6479891, ten: -8, of: "g"},
	{code: "[in_i'H2O]", n: 1, of: "m[H2O].[in_i]/m"},
	{code: "[in_i'Hg]", n: 1, of: "m[Hg].[in_i]/m"},
	{code: "[in_i]", n: 254, ten: -4, of: "m"},
	{code: "[in_us]", n: 1, of: "[ft_us]/12"},
	{code: "[kn_i]", n: 1, of: "[nmi_i]/h"},
	{code: "[lb_av]", n: 45359237, ten: -5, of: "g"},
	{code: "[lbf_av]", n: 44482216152605, ten: -13, of: "N"}, // lb·gn
	{code: "[lton_av]", n: 2240, of: "[lb_av]"},
	{code: "[ly]", n: 1, of: "[c].a_j", metric: true},
	{code: "[mi_i]", n: 5280, of: "[ft_i]"},
	{code: "[mi_us]", n: 5280, of: "[ft_us]"},
	{code: "[mil_i]", n: 1, ten: -3, of: "[in_i]"},
	{code: "[nmi_i]", n: 1852, of: "m"},
	{code: "[oz_av]", n: 1, of: "[lb_av]/16"},
	{code: "[pi]", n: 1, of: "1"},
	{code: "[ppb]", n: 1, ten: -9, of: "1"},
	{code: "[ppm]", n: 1, ten: -6, of: "1"},
	{code: "[ppth]", n: 1, ten: -3, of: "1"},
	{code: "[pptr]", n: 1, ten: -12, of: "1"},
	{code: "[psi]", n: 8896443230521, of: "Pa/1290320000"}, // lbf/in²
	{code: "[pt_br]", n: 1, of: "[gal_br]/8"},
	{code: "[pt_us]", n: 1, of: "[gal_us]/8"},
	{code: "[qt_br]", n: 1, of: "[gal_br]/4"},
	{code: "[qt_us]", n: 1, of: "[gal_us]/4"},
	{code: "[sft_i]", n: 1, of: "[ft_i]2"},
	{code: "[sin_i]", n: 1, of: "[in_i]2"},
	{code: "[ston_av]", n: 2000, of: "[lb_av]"},
	{code: "[syd_i]", n: 1, of: "[yd_i]2"},
	{code: "[tbs_us]", n: 1, of: "[foz_us]/2"},
	{code: "[tsp_us]", n: 1, of: "[tbs_us]/3"},
	{code: "[yd_i]", n: 9144, ten: -4, of: "m"},
	{code: "[yd_us]", n: 3, of: "[ft_us]"},
	{code: "a", n: 1, of: "a_j"},
	{code: "a_j", n: 36525, ten: -2, of: "d"},
	{code: "ar", n: 100, of: "m2", metric: true},
	{code: "atm", n: 101325, of: "Pa"},
	{code: "att", n: 980665, ten: -1, of: "Pa"},
	{code: "bar", n: 100000, of: "Pa", metric: true},
	{code: "bit", slot: slotBit, metric: true},
	{code: "cal", n: 4184, ten: -3, of: "J", metric: true},
	{code: "cal_IT", n: 41868, ten: -4, of: "J", metric: true},
	{code: "cal_th", n: 4184, ten: -3, of: "J", metric: true},
	{code: "cd", slot: slotCd, metric: true},
	{code: "d", n: 24, of: "h"},
	{code: "deg", n: 1, of: "[pi].rad/180"},
	{code: "dyn", n: 1, ten: -5, of: "N", metric: true},
	{code: "eV", n: 1602176634, ten: -28, of: "J", metric: true},
	{code: "erg", n: 1, ten: -7, of: "J", metric: true},
	{code: "g", slot: slotG, metric: true},
	{code: "gf", n: 980665, ten: -8, of: "N", metric: true}, // g·gn
	{code: "gon", n: 9, ten: -1, of: "deg"},
	{code: "h", n: 60, of: "min"},
	{code: "kat", n: 1, of: "mol/s", metric: true, slot: slotKat},
	{code: "l", n: 1, of: "dm3", metric: true},
	{code: "lm", n: 1, of: "cd.sr", metric: true, slot: slotLm},
	{code: "lx", n: 1, of: "lm/m2", metric: true, slot: slotLx},
	{code: "m", slot: slotM, metric: true},
	{code: "m[H2O]", n: 980665, ten: -2, of: "Pa", metric: true},
	{code: "m[Hg]", n: 133322, of: "Pa", metric: true},
	{code: "min", n: 60, of: "s"},
	{code: "mo", n: 1, of: "a_j/12"},
	{code: "mol", slot: slotMol, metric: true},
	{code: "rad", slot: slotRad, metric: true},
	{code: "s", slot: slotS, metric: true},
	{code: "sr", n: 1, of: "rad2", metric: true, slot: slotSr},
	{code: "t", n: 1, ten: 6, of: "g", metric: true},
	{code: "wk", n: 7, of: "d"},
}

// ucumPrefix is a prefix: 10^ten, or 2^two for the binary ones of IEC 80000-13.
type ucumPrefix struct {
	code     string
	ten, two int8
}

// ucumPrefixes are those of the SI Brochure, Table 7, and the four binary ones
// that UCUM has. The longer of two that fit comes first.
var ucumPrefixes = [...]ucumPrefix{
	{"da", 1, 0}, {"Ki", 0, 10}, {"Mi", 0, 20}, {"Gi", 0, 30}, {"Ti", 0, 40},
	{"Q", 30, 0}, {"R", 27, 0}, {"Y", 24, 0}, {"Z", 21, 0}, {"E", 18, 0}, {"P", 15, 0}, {"T", 12, 0}, {"G", 9, 0}, {"M", 6, 0},
	{"k", 3, 0}, {"h", 2, 0}, {"d", -1, 0}, {"c", -2, 0}, {"m", -3, 0}, {"u", -6, 0}, {"n", -9, 0}, {"p", -12, 0}, {"f", -15, 0},
	{"a", -18, 0}, {"z", -21, 0}, {"y", -24, 0}, {"r", -27, 0}, {"q", -30, 0},
}
