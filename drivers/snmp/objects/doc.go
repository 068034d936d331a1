// Package objects says what the numbers of power and energy devices mean over
// SNMP: which quantity, in which unit and scale, and which number stands for none.
//
// A MIB states a unit in words, if at all. PowerNet-MIB, PDU2-MIB and the MIBs of
// Eaton state none in their syntax, and the scale is often part of a sentence. This
// package holds what those texts say about 130 objects of UPS-MIB (RFC 1628),
// PowerNet-MIB, PDU2-MIB, EATON-EPDU-MIB, XUPS-MIB, ENERGY-OBJECT-MIB and
// POWER-ATTRIBUTES-MIB (RFC 7460), ENTITY-SENSOR-MIB (RFC 3433) and
// HOST-RESOURCES-MIB, as data. It reads no MIB files.
//
// Object.Point and Object.Tables turn an object into what an snmp.Source is configured
// with, so that neither unit nor scale is written twice.
//
// # Guarantees
//
//   - The table never changes and is safe for concurrent use.
//   - Where another column decides the scale, Of names it, and Read completes the
//     meaning exactly or says that it cannot. Columns of which that other column lies
//     in a row with a different index, as in eoACPwrAttributesWyePhaseTable, are not
//     in the table.
//   - Counters of energy that a user can reset, or that are no Counter32 or Counter64
//     by type, have the role acquire.Counter all the same. What a fall means is for
//     whoever meters them to say.
package objects
