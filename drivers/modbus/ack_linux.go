package modbus

import (
	"net"
	"syscall"
)

// quickAck returns what makes the system acknowledge on conn what has come so far
// and comes next without delay, nil if conn is no TCP connection.
func quickAck(conn net.Conn) func() {
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return nil
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return nil
	}
	set := func(fd uintptr) {
		// Of no harm where it fails: the acknowledgement comes later.
		_ = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_QUICKACK, 1)
	}
	return func() { _ = raw.Control(set) }
}
