// Package mibs gives the objects of SNMP their names, from MIB modules that the
// caller has: "UPS-MIB::upsBatteryVoltage.0" for 1.3.6.1.2.1.33.1.2.5.0, with the
// UNITS clause, the enumeration and the index that the module states.
//
// It is a module of its own, so that the driver stays without a parser of MIBs. The
// grammar is that of gosmi's parser package, which has no state; names and object
// identifiers are put together here. A [Library] is a value: as many as wanted may
// be made, at the same time.
//
// A module that cannot be read costs its own names and those that hang below it,
// and nothing else: [Read] returns what could be read together with an error that
// tells of each fault. The roots that every module builds upon, down to mib-2 and
// enterprises, are known without SNMPv2-SMI.
//
// # Guarantees
//
//   - Nothing is read but the files of the file system given; nothing is printed.
//   - A Library never changes and is safe for concurrent use.
//   - A unit that a UNITS clause does not state clearly is none: see
//     [units.ReadSNMP].
package mibs
