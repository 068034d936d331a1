package interop_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/drivers/modbus"
)

// line is a serial line: two pseudo terminals, with the test in between that
// passes on what one says to the other and listens to the requests.
type line struct {
	master, device string // paths of the ends
	requests       *tap
	end            *os.File // the master's, kept open: a terminal that nobody has open fails its far side
}

// newLine lays a line until the end of the test.
func newLine(t *testing.T, f modbus.Framing) *line {
	t.Helper()
	near, master, end := terminal(t)
	far, device, _ := terminal(t)
	l := &line{master: master, device: device, requests: newTap(f), end: end}
	done := make(chan error, 2)
	go func() {
		_, err := io.Copy(far, io.TeeReader(near, tapped{l.requests}))
		done <- err
	}()
	go func() {
		_, err := io.Copy(near, far)
		done <- err
	}()
	t.Cleanup(func() {
		near.Close()
		far.Close()
		for range cap(done) {
			if err := <-done; !errors.Is(err, os.ErrClosed) {
				t.Errorf("the line broke: %v", err)
			}
		}
		l.requests.onlyReads(t)
	})
	return l
}

// port is the master's end, for a driver.
func (l *line) port() modbus.Serial {
	// The port before has taken the line for itself, until all have closed it.
	ioctl(int(l.end.Fd()), syscall.TIOCNXCL, nil)
	return modbus.Serial{Port: l.master, Baud: 115200, Parity: modbus.NoParity}
}

// far opens the device's end, for a server in the test's own process.
func (l *line) far(t *testing.T) net.Conn {
	t.Helper()
	f, err := os.OpenFile(l.device, os.O_RDWR|syscall.O_NOCTTY|syscall.O_NONBLOCK, 0)
	require.NoError(t, err)
	return device{f}
}

// device makes a net.Conn of an open terminal.
type device struct{ *os.File }

func (device) LocalAddr() net.Addr  { return nil }
func (device) RemoteAddr() net.Addr { return nil }

// tapped makes a writer of a tap.
type tapped struct{ *tap }

func (w tapped) Write(b []byte) (int, error) {
	w.take(b)
	return len(b), nil
}

// terminal makes a pseudo terminal until the end of the test: its far side, its
// path, and the terminal itself, open and in raw mode.
func terminal(t *testing.T) (far *os.File, path string, end *os.File) {
	t.Helper()
	fd, err := syscall.Open("/dev/ptmx", syscall.O_RDWR|syscall.O_NOCTTY|syscall.O_NONBLOCK|syscall.O_CLOEXEC, 0)
	require.NoError(t, err)
	far = os.NewFile(uintptr(fd), "/dev/ptmx")
	var n, unlock int32
	require.NoError(t, ioctl(fd, syscall.TIOCGPTN, unsafe.Pointer(&n)))
	require.NoError(t, ioctl(fd, syscall.TIOCSPTLCK, unsafe.Pointer(&unlock)))
	path = fmt.Sprintf("/dev/pts/%d", n)
	end, err = os.OpenFile(path, os.O_RDWR|syscall.O_NOCTTY, 0)
	require.NoError(t, err)
	t.Cleanup(func() { end.Close() })
	var settings syscall.Termios
	require.NoError(t, ioctl(int(end.Fd()), syscall.TCGETS, unsafe.Pointer(&settings)))
	settings.Iflag, settings.Oflag, settings.Lflag = 0, 0, 0
	require.NoError(t, ioctl(int(end.Fd()), syscall.TCSETS, unsafe.Pointer(&settings)))
	return far, path, end
}

func ioctl(fd int, request uintptr, arg unsafe.Pointer) error {
	if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, uintptr(fd), request, uintptr(arg)); errno != 0 {
		return errno
	}
	return nil
}
