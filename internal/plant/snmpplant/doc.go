// Package snmpplant puts the server room of the simulated plant on SNMP: a UPS that speaks UPS-MIB (RFC 1628), and a PDU that speaks
// the rPDU2 group of PowerNet-MIB, as two agents of snmptest would serve them.
//
// [UPS] has the groups of RFC 1628, below 1.3.6.1.2.1.33.1, that read:
//
//	upsIdent      1    manufacturer, model, versions, name
//	upsBattery    2    status, seconds on battery, minutes remaining, charge in %, 0.1 V, 0.1 A out of it, °C
//	upsInput      3    outages counted; a table of three lines: 0.1 Hz, V, 0.1 A, W
//	upsOutput     4    source, 0.1 Hz; a table of three lines: V, 0.1 A, W, load in %
//	upsAlarm      6    alarms present; a table with row 1 as long as the UPS is on battery, and no row otherwise
//	upsConfig     9    rated voltages, frequencies and powers
//
// [PDU] has, below 1.3.6.1.4.1.318.1.1.26:
//
//	rPDU2DeviceStatusTable         4.3    0.01 kW, 0.1 kWh; row 1
//	rPDU2PhaseStatusTable          6.3    0.1 A, V, 0.01 kW; rows 1 to 3
//	rPDU2OutletMeteredStatusTable  9.4.3  name, 0.1 A, W, 0.1 kWh; rows 1 to 24
//
// [OnBattery] is the trap of an outage. Both have the system group. All numbers are INTEGER where the MIBs say so: a register of energy among them.
//
// # Guarantees
//
//   - All objects of one request are of one instant, that of the server's clock.
//   - Numbers are rounded to the nearest count, halves away from 0; energies are rounded down, as a register does, and never
//     fall.
//   - A restart of the agent sets sysUpTime back, and no energy.
package snmpplant
