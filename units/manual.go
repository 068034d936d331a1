package units

// ReadManual reads a unit as data sheets, tools and people write it. It is lenient
// about spaces, Unicode twins (both micro signs, both ohm signs, degree signs,
// superscripts, dots), names in words, and about K for kilo and the case of var,
// where nothing else can be meant. It is strict about any case that carries
// meaning: mW and MW stay apart, and "kw", "Mw" and "k" are known only in another
// case. A scale may stand before or after ("0.1 V", "V/100", "Wh 10-1").
//
// Every canonical symbol is read as its unit, but for "C" and "F", which are
// ambiguous with the degrees. Ambiguous too are names that measure differently
// from country to country: hp, Btu, gal. Prices are unsupported.
func ReadManual(text string) Stated { return readText(DialectManual, text) }
