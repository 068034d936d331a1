// Package interop has captures read by the MCAP libraries of other people: the
// reference reader in Go, and the one in TypeScript, npm's @mcap/core, on Node.
//
// It holds tests alone. What they need besides Go:
//
//	apt-get install nodejs npm
//	npm ci --omit=optional --ignore-scripts   # in testdata
//
// A test whose program is missing is skipped and says what to install, and fails
// where CI=true or FIELDTAP_INTEROP=require.
package interop
