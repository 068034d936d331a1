// Package interop lets the drivers speak with programs of other people: a driver
// and a simulator by the same hands may agree on the same mistake.
//
// It holds tests alone. The servers are those of libmodbus, pymodbus, and the npm
// packages modbus-serial and jsmodbus:
//
//	           libmodbus  pymodbus  modbus-serial  jsmodbus
//	TCP            x          x           x            x
//	TLS                       x
//	UDP                       x
//	RTU            x          x
//	ASCII                     x
//	RTU on TCP                x
//	ASCII on TCP              x
//
// Against every one of them every type in every byte order reads back right from
// every table, and it says what it is. A server that is killed and comes back is
// told to the host as such; one that stands still and later answers all it was
// asked gives no answer to the wrong request, with transaction ids and on lines
// without; one that answers sixteen requests in another order, or loses some of
// them, gives no wrong value. Over TLS neither side takes a stranger. mbpoll, a
// client, reads modbustest over TCP and RTU.
//
// In all of them the requests on the wire are watched, by a reader of frames of
// their own, and any that is not known to leave a device as it is is a failure:
// functions 1 to 4, 17, 43/14 and, where answers bear no id, the echo of function 8.
// Serial lines are pairs of pseudo terminals with the test in between; over TCP and
// UDP what is written to the socket is watched, over TLS the driver's own trace,
// which is compared with the wire everywhere else.
//
// The servers are small programs in testdata, started by the tests on ports of
// the loopback interface that the system chooses, and ended by them. Certificates
// are made by the tests.
//
// # What others do
//
// Some of it is worth knowing beside the tests:
//
//   - libmodbus drops what is waiting on a connection before it refuses a quantity
//     or a function, so that a window loses requests. On a serial line it answers
//     neither function 8 nor 43, not even by refusing them, and serves one unit.
//   - pymodbus does not answer for units that it does not have, and by default
//     leaves out the header over TLS, where the standard has it. On refusing a
//     client it closes the connection without an alert.
//   - jsmodbus answers requests that come together last one first, and what lies
//     past the end of a table with fewer registers than asked for.
//
// # Running
//
// On Debian or Ubuntu, in the root of a clone:
//
//	apt-get install gcc libmodbus-dev pkg-config python3-pymodbus python3-serial-asyncio mbpoll nodejs npm
//	npm ci --prefix internal/interop/testdata --omit=optional --ignore-scripts
//	go test -v ./internal/interop
//
// With -v the tests print what they saw: the matrices of types by transport and
// server and of types by order, the identifications, and the times of loss and
// recovery. A test whose server is not installed is skipped and names the package;
// with CI=true or FIELDTAP_INTEROP=require in the environment it fails. The whole
// takes about half a minute. Serial lines are laid on Linux only.
package interop
