package units

// ReadSNMP reads the text of a UNITS clause of an SNMP MIB, whose case, spelling
// and scale are the author's: "0.1 Volt DC", "hundredths of a percent",
// "MegaHertz", "dBm/10". Nouns that counters count ("packets") are [Each], with
// "per second" [PerSecond].
//
// Ambiguous are what MIBs leave open: degrees, single capital letters, kilobytes
// (KBytes alone is defined, as 1024 bytes) and one unit or another. A text after
// a semicolon is dropped if it begins with "i.e.".
func ReadSNMP(units string) Stated { return readText(DialectSNMP, units) }
