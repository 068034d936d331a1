// Package interop opens recordings of our drivers' connections with tshark, Wireshark on
// the command line.
//
// It holds tests alone. What they need on Debian:
//
//	apt-get install tshark
//
// Without it they are skipped and say so, and fail where CI=true or
// FIELDTAP_INTEROP=require.
package interop
