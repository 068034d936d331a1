//go:build linux && (386 || amd64 || arm || arm64 || loong64 || riscv64)

package modbus_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/drivers/modbus"
	"github.com/fieldtap/fieldtap/drivers/modbus/modbustest"
)

// terminal makes a pair of a pseudo terminal: the path of a serial port, and what
// is behind it.
func terminal(t *testing.T) (path string, far net.Conn) {
	t.Helper()
	fd, err := syscall.Open("/dev/ptmx", syscall.O_RDWR|syscall.O_NOCTTY|syscall.O_NONBLOCK|syscall.O_CLOEXEC, 0)
	if err != nil {
		t.Skipf("no pseudo terminals: %v", err)
	}
	var n, unlock int32
	for request, arg := range map[uintptr]*int32{syscall.TIOCGPTN: &n, syscall.TIOCSPTLCK: &unlock} {
		if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, uintptr(fd), request, uintptr(unsafe.Pointer(arg))); errno != 0 {
			t.Skipf("no pseudo terminals: %v", errno)
		}
	}
	return fmt.Sprintf("/dev/pts/%d", n), master{os.NewFile(uintptr(fd), "/dev/ptmx")}
}

// master makes a net.Conn of the far end of a pseudo terminal.
type master struct{ *os.File }

func (master) LocalAddr() net.Addr  { return nil }
func (master) RemoteAddr() net.Addr { return nil }

// reads is how many requests each test of late answers on a serial port makes: a line
// has its silences, so that 10,000 take half a minute.
var reads = flag.Uint64("reads", 1000, "requests to make in each test of a serial port")

// A device behind a real serial port of the system answers too late, at random,
// over and over. No value is of another register or of another time.
func TestLateAnswersOnASerialPort(t *testing.T) {
	for _, c := range []struct {
		framing modbus.Framing
		retries int
	}{{modbus.RTU, -1}, {modbus.ASCII, -1}, {modbus.RTU, modbus.DefaultRetries}, {modbus.ASCII, modbus.DefaultRetries}} {
		f := c.framing
		t.Run(fmt.Sprint(f, c.retries), func(t *testing.T) {
			t.Parallel() // each waits most of the time
			path, far := terminal(t)
			const timeout = 10 * time.Millisecond
			random := rand.New(rand.NewPCG(3, 4))
			server, err := modbustest.New(modbustest.Config{
				Framing: modbustest.Framing(f), Units: map[byte]modbustest.Device{3: ticking{}},
				Fault: func(x *modbustest.Exchange) {
					if random.IntN(40) == 0 {
						x.Delay = time.Duration(random.Int64N(int64(3 * timeout)))
					}
				},
			})
			require.NoError(t, err)
			defer server.Close()
			// Opened here as well, so that the far end lives on while ours is closed.
			keep, err := os.OpenFile(path, os.O_RDWR|syscall.O_NOCTTY, 0)
			require.NoError(t, err)
			defer keep.Close()
			go server.ServeConn(far)

			bus, err := modbus.NewBus(modbus.BusConfig{Serial: modbus.Serial{Port: path, Baud: 4000000}, Framing: f, LateGrace: 10 * timeout})
			require.NoError(t, err)
			l := &line{server, bus}
			src := l.source(t, modbus.Config{Unit: 3, Timeout: timeout, Interval: -1, MaxTimeouts: 1 << 20, MaxRegisters: 2, Retries: c.retries}, 8)
			// A machine that stands still in the beginning makes the device seem gone.
			stream, err := acquire.Reconnect(src, acquire.Backoff{Min: -1}).Open(t.Context())
			require.NoError(t, err)
			defer stream.Close()
			var b acquire.Batch
			good := 0
			for src.Stats().Requests < *reads {
				require.NoError(t, stream.Next(t.Context(), &b))
				good += fresh(t, src, &b, time.Second) // of the time that the machine may stand still
			}
			st := src.Stats()
			t.Logf("%d requests, %d good values, %d timeouts, %d late", st.Requests, good, st.Timeouts, st.Late)
			assert.Greater(t, uint64(good), *reads)
		})
	}
}

// A serial port is ours alone, is set as asked, and a path that is none says so.
func TestSerialPort(t *testing.T) {
	path, far := terminal(t)
	defer far.Close()
	server, err := modbustest.New(modbustest.Config{Framing: modbustest.RTU, Units: map[byte]modbustest.Device{3: ticking{}}})
	require.NoError(t, err)
	defer server.Close()
	go server.ServeConn(far)
	open := func(port modbus.Serial) (acquire.Stream, error) {
		src, err := modbus.NewSource(modbus.Config{
			Serial: port, Unit: 3, Catalog: acquire.NewCatalog(),
			Points: []modbus.Point{{Name: "v", At: modbus.Holding(0), Type: modbus.Uint16}},
		})
		require.NoError(t, err)
		return src.Open(t.Context())
	}
	stream, err := open(modbus.Serial{Port: path, Baud: 12345, Parity: modbus.NoParity})
	require.NoError(t, err)
	defer stream.Close()
	var b acquire.Batch
	require.NoError(t, stream.Next(t.Context(), &b))
	assert.True(t, b.Samples[0].Quality.IsGood())

	_, err = open(modbus.Serial{Port: "/dev/null"})
	require.ErrorContains(t, err, "serial port /dev/null: no serial port")
	_, err = open(modbus.Serial{Port: "/nowhere"})
	require.ErrorIs(t, err, os.ErrNotExist)
}

// However many descriptors are open, a serial port is heard.
func TestSerialPortBeyondManyDescriptors(t *testing.T) {
	var limit syscall.Rlimit
	require.NoError(t, syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit))
	if limit.Cur < 1200 {
		t.Skipf("at most %d descriptors", limit.Cur)
	}
	for range 1100 {
		f, err := os.Open(os.DevNull)
		require.NoError(t, err)
		defer f.Close()
	}
	TestSerialPort(t)
}
