//go:build !linux

package modbus

import "net"

// quickAck does nothing where the system offers no such thing.
func quickAck(net.Conn) func() { return nil }
