// Package interop lets the SNMP driver speak with programs of other people: the
// agent, tools and trap daemon of Net-SNMP, snmpsim, and the npm package net-snmp.
//
// It holds tests alone. What they need on Debian:
//
//	apt-get install snmpd snmp snmptrapd snmpsim nodejs npm
//	npm ci --omit=optional --ignore-scripts   # in testdata
//
// A test whose program is missing is skipped and says what to install, and fails
// where CI=true or FIELDTAP_INTEROP=require.
package interop
