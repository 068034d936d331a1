// Package interop lets the OPC UA driver speak with a server of other people:
// node-opcua.
//
// It holds tests alone. What they need on Debian:
//
//	apt-get install nodejs npm
//	npm ci --omit=optional --ignore-scripts   # in testdata
//
// The tests of faults are short unless they are told:
//
//	go test ./internal/interop/opcua -run Faults -v -timeout 40m -full
//
// has outages last as long as in the tables of BENCHMARKS.md, kills a server a
// hundred times, and judges times, for which the machine must be quiet.
//
// A test whose program is missing is skipped and says what to install, and fails
// where CI=true or FIELDTAP_INTEROP=require.
package interop
