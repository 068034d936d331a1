// Package interop lets the OPC UA driver speak with a server of other people:
// node-opcua.
//
// It holds tests alone. What they need on Debian:
//
//	apt-get install nodejs npm
//	npm ci --omit=optional --ignore-scripts   # in testdata
//
// A test whose program is missing is skipped and says what to install, and fails
// where CI=true or FIELDTAP_INTEROP=require.
package interop
