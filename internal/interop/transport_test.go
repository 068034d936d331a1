package interop_test

import "github.com/fieldtap/fieldtap/drivers/modbus"

// transport is a way that frames take to a server.
type transport struct {
	name    string // as the programs in testdata know it
	framing modbus.Framing
	serial  bool
	udp     bool
}

var (
	overTCP      = transport{name: "tcp"}
	overTLS      = transport{name: "tls"}
	overUDP      = transport{name: "udp", udp: true}
	rtuOverTCP   = transport{name: "rtu-over-tcp", framing: modbus.RTU}
	asciiOverTCP = transport{name: "ascii-over-tcp", framing: modbus.ASCII}
	rtu          = transport{name: "rtu", framing: modbus.RTU, serial: true}
	ascii        = transport{name: "ascii", framing: modbus.ASCII, serial: true}

	// tcpFlushing is TCP to a server that loses requests which wait while it refuses
	// another.
	tcpFlushing = transport{name: "tcp-flushing"}
	// overTLS11 is TLS 1.1 and nothing newer.
	overTLS11 = transport{name: "tls1.1"}
)

// peers are all the servers on all the transports that they have.
var peers = []struct {
	implementation
	over transport
}{
	{libmodbus, overTCP},
	{pymodbus, overTCP},
	{modbusSerial, overTCP},
	{jsmodbus, overTCP},
	{pymodbus, overTLS},
	{pymodbus, overUDP},
	{libmodbus, rtu},
	{pymodbus, rtu},
	{pymodbus, ascii},
	{pymodbus, rtuOverTCP},
	{pymodbus, asciiOverTCP},
}
