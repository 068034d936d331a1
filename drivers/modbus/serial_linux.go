//go:build linux && (386 || amd64 || arm || arm64 || loong64 || riscv64)

package modbus

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
	"unsafe"
)

// termios2 is the kernel's struct of that name (asm-generic/termbits.h), which
// takes any baud rate as a number.
type termios2 struct {
	iflag, oflag, cflag, lflag uint32
	line                       uint8
	cc                         [19]uint8
	ispeed, ospeed             uint32
}

// Requests and flags of asm-generic/ioctls.h and termbits.h that package syscall
// does not have.
const (
	tcgets2 = 0x802C542A
	tcsets2 = 0x402C542B
	bother  = 0o010000 // the rate is in ospeed
)

// open opens and sets the port, without waiting for a carrier and for us alone.
// The runtime's poller waits for it as for a socket, so that deadlines hold and
// the number of its descriptor does not matter.
func (s Serial) open(context.Context) (net.Conn, error) {
	fd, err := syscall.Open(s.Port, syscall.O_RDWR|syscall.O_NOCTTY|syscall.O_NONBLOCK|syscall.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: s.Port, Err: err}
	}
	if err := s.set(fd); err != nil {
		return nil, fmt.Errorf("serial port %s: %w", s.Port, errors.Join(err, syscall.Close(fd)))
	}
	return port{os.NewFile(uintptr(fd), s.Port)}, nil
}

// set puts the port in raw mode with the given rate and character.
func (s Serial) set(fd int) error {
	var t termios2
	if err := ioctl(fd, tcgets2, unsafe.Pointer(&t)); err != nil {
		return fmt.Errorf("no serial port: %w", err)
	}
	t.iflag, t.oflag, t.lflag = 0, 0, 0
	t.cflag = syscall.CREAD | syscall.CLOCAL | bother | syscall.CS8
	if s.DataBits == 7 {
		t.cflag = t.cflag&^syscall.CSIZE | syscall.CS7
	}
	if s.StopBits == 2 {
		t.cflag |= syscall.CSTOPB
	}
	switch s.Parity {
	case EvenParity:
		t.cflag |= syscall.PARENB
		t.iflag |= syscall.INPCK
	case OddParity:
		t.cflag |= syscall.PARENB | syscall.PARODD
		t.iflag |= syscall.INPCK
	}
	t.cc[syscall.VMIN], t.cc[syscall.VTIME] = 1, 0
	t.ispeed, t.ospeed = uint32(s.Baud), uint32(s.Baud)
	if err := ioctl(fd, tcsets2, unsafe.Pointer(&t)); err != nil {
		return err
	}
	// Two masters on one line take each other's answers.
	return ioctl(fd, syscall.TIOCEXCL, nil)
}

func ioctl(fd int, request uintptr, arg unsafe.Pointer) error {
	if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, uintptr(fd), request, uintptr(arg)); errno != 0 {
		return errno
	}
	return nil
}

// port makes a net.Conn of an open serial port.
type port struct{ *os.File }

// portName is the address of a port.
type portName string

func (portName) Network() string  { return "serial" }
func (n portName) String() string { return string(n) }

func (p port) LocalAddr() net.Addr  { return portName(p.Name()) }
func (p port) RemoteAddr() net.Addr { return portName(p.Name()) }
