// Package snmp reads power devices and whatever else answers SNMP: versions 1, 2c
// and 3.
package snmp
