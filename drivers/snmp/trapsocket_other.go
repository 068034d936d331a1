//go:build !linux

package snmp

import (
	"net"
	"net/netip"
)

// dropCounting does nothing: there is no way to know.
func dropCounting(*net.UDPConn) bool { return false }

// readBuffer asks for a buffer of the kernel. What it grants is unknown.
func readBuffer(conn *net.UDPConn, size int) int {
	_ = conn.SetReadBuffer(size) // nothing tells what it comes to
	return 0
}

func controlSize() int { return 0 }

// read reads a datagram.
func (s *trapSocket) read() (n int, from netip.AddrPort, told bool, err error) {
	n, from, err = s.udp.ReadFromUDPAddrPort(s.buffer)
	return n, from, false, err
}
