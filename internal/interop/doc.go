// Package interop lets the drivers speak with programs of other people: a driver
// and a simulator by the same hands may agree on the same mistake.
//
// It holds tests alone. Against libmodbus and pymodbus as servers they show that
// every type in every byte order reads back right from every table, and what a
// refused request becomes; that a server which is killed and comes back is told
// to the host as such; and that one which stands still and later answers all it
// was asked gives no answer to the wrong request. mbpoll, a third client, reads
// modbustest. In all of them the frames on the wire are watched, and any function
// code but 1 to 4 is a failure.
//
// The servers are small programs in testdata, started by the tests on ports of
// the loopback interface that the system chooses, and ended by them.
//
// # Running
//
// On Debian or Ubuntu:
//
//	apt-get install gcc libmodbus-dev pkg-config python3-pymodbus python3-serial-asyncio mbpoll
//	go test -v ./internal/interop
//
// With -v the tests print what they saw: the matrix of types and orders, and the
// times of loss and recovery. A test whose server is not installed is skipped
// and names the package; with CI=true or FIELDTAP_INTEROP=require in the
// environment it fails. The whole takes about ten seconds, which the restarts
// spend waiting in real time.
package interop
