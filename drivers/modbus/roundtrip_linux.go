package modbus

import (
	"errors"
	"io"
	"net"
	"os"
	"syscall"
)

// roundTrip writes to a TCP connection and waits for what comes next, without the
// look at the connection in between that finds nothing: an answer takes longer than
// a system call. The system tells once that something has come. So the wait begins
// before the writing, and nothing that comes after it is missed; what came before may
// be, and is looked for when the time is up.
type roundTrip struct {
	conn  syscall.RawConn
	out   []byte
	in    []byte
	asked bool
	sent  int
	got   int
	err   error
	step  func(fd uintptr) bool
	look  func(fd uintptr)
}

// newRoundTrip returns nil if conn is no TCP connection.
func newRoundTrip(conn net.Conn) *roundTrip {
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return nil
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return nil
	}
	r := &roundTrip{conn: raw}
	r.step = func(fd uintptr) bool {
		if !r.asked {
			r.asked = true
			r.write(int(fd))
			return r.sent < len(r.out)
		}
		return r.read(int(fd))
	}
	r.look = func(fd uintptr) { r.read(int(fd)) }
	return r
}

// do writes out, unless the deadline for reading is over, and reads into in what comes
// until then. Where not all of out was sent, nothing was read, and an error is that of
// writing; without one, the rest is to be written in another way.
func (r *roundTrip) do(out, in []byte) (sent, got int, err error) {
	r.out, r.in, r.asked, r.sent, r.got, r.err = out, in, false, 0, 0, nil
	err = r.conn.Read(r.step)
	if r.asked && r.sent == len(out) && errors.Is(err, os.ErrDeadlineExceeded) {
		if r.conn.Control(r.look); r.got > 0 || r.err != nil {
			err = nil
		}
	}
	if !r.asked && errors.Is(err, os.ErrDeadlineExceeded) {
		err = nil
	}
	r.out, r.in = nil, nil
	if r.err != nil {
		err = r.err
	}
	return r.sent, r.got, err
}

func (r *roundTrip) write(fd int) {
	for {
		n, err := syscall.Write(fd, r.out)
		switch {
		case err == syscall.EINTR:
			continue
		case err == nil:
			r.sent = n
		case err != syscall.EAGAIN:
			r.err = os.NewSyscallError("write", err)
		}
		return
	}
}

// read reports false if there is nothing to read yet.
func (r *roundTrip) read(fd int) bool {
	for {
		n, err := syscall.Read(fd, r.in)
		switch {
		case err == syscall.EINTR:
			continue
		case err == syscall.EAGAIN:
			return false
		case err != nil:
			r.err = os.NewSyscallError("read", err)
		case n == 0:
			r.err = io.EOF
		default:
			r.got = n
		}
		return true
	}
}
