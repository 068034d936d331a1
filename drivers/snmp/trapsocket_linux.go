package snmp

import (
	"encoding/binary"
	"net"
	"net/netip"
	"syscall"
)

// dropCounting has the kernel tell, with each datagram, how many it had to drop before.
func dropCounting(conn *net.UDPConn) bool {
	ok := false
	control(conn, func(fd int) {
		ok = syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_RXQ_OVFL, 1) == nil
	})
	return ok
}

// readBuffer asks for a buffer of the kernel, and returns the bytes that it grants, 0 for
// unknown. What goes beyond the limit for all takes a privilege, and is tried.
func readBuffer(conn *net.UDPConn, size int) int {
	granted := 0
	control(conn, func(fd int) {
		if syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_RCVBUFFORCE, size) != nil {
			_ = syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_RCVBUF, size) // what is granted tells
		}
		// The kernel doubles what it is asked for, for its own needs (socket(7)).
		if n, err := syscall.GetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_RCVBUF); err == nil {
			granted = n / 2
		}
	})
	return granted
}

func control(conn *net.UDPConn, f func(fd int)) {
	if raw, err := conn.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) { f(int(fd)) }) // a closed socket fails at the first read
	}
}

// controlSize returns how many octets of control messages there may be.
func controlSize() int { return syscall.CmsgSpace(4) }

// read reads a datagram. Told is how many the kernel has dropped since the socket was
// opened, modulo 2^32, if it says so.
func (s *trapSocket) read() (n int, from netip.AddrPort, told bool, err error) {
	n, octets, _, from, err := s.udp.ReadMsgUDPAddrPort(s.buffer, s.control)
	header := syscall.CmsgLen(0)
	if err != nil || octets < header+4 {
		return n, from, false, err
	}
	typ := int(binary.NativeEndian.Uint32(s.control[header-4:]))
	level := int(binary.NativeEndian.Uint32(s.control[header-8:]))
	if level != syscall.SOL_SOCKET || typ != syscall.SO_RXQ_OVFL {
		return n, from, false, nil
	}
	s.dropped = binary.NativeEndian.Uint32(s.control[header:])
	return n, from, true, nil
}
