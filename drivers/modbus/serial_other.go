//go:build !linux || !(386 || amd64 || arm || arm64 || loong64 || riscv64)

package modbus

import (
	"context"
	"errors"
	"io"
	"net"
	"time"

	"github.com/goburrow/serial"
)

// open opens the port with goburrow/serial, which knows the serial ports of more
// systems but no deadlines: a goroutine carries what comes to one end of a pipe.
func (s Serial) open(context.Context) (net.Conn, error) {
	parity := map[Parity]string{EvenParity: "E", OddParity: "O", NoParity: "N"}[s.Parity]
	p, err := serial.Open(&serial.Config{
		Address: s.Port, BaudRate: s.Baud, DataBits: s.DataBits, StopBits: s.StopBits, Parity: parity,
		Timeout: 100 * time.Millisecond,
	})
	if err != nil {
		return nil, err
	}
	near, far := net.Pipe()
	c := &carried{Conn: near, port: p, done: make(chan struct{})}
	go c.carry(far)
	return c, nil
}

// carried is a port whose bytes come through a pipe.
type carried struct {
	net.Conn
	port io.ReadWriteCloser
	done chan struct{}
}

func (c *carried) Write(b []byte) (int, error) { return c.port.Write(b) }

// Close returns when the goroutine of open has ended.
func (c *carried) Close() error {
	err := c.Conn.Close()
	<-c.done
	return errors.Join(err, c.port.Close())
}

// carry reads the port until the near end of the pipe is closed.
func (c *carried) carry(far net.Conn) {
	defer close(c.done)
	defer far.Close()
	var buf [maxFrame]byte
	for {
		n, err := c.port.Read(buf[:])
		if n > 0 {
			if _, err := far.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil && !errors.Is(err, serial.ErrTimeout) {
			return
		}
		if err := far.SetDeadline(time.Now()); err != nil {
			return
		}
		if _, err := far.Write(nil); errors.Is(err, io.ErrClosedPipe) {
			return
		}
		if err := far.SetDeadline(time.Time{}); err != nil {
			return
		}
	}
}
