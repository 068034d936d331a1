//go:build !linux

package interop_test

import (
	"net"
	"testing"

	"github.com/fieldtap/fieldtap/drivers/modbus"
)

// line is a serial line, which the tests can lay on Linux only.
type line struct{ master, device string }

func newLine(t *testing.T, _ modbus.Framing) *line {
	t.Helper()
	t.Skip("serial lines are laid on Linux only")
	return nil
}

func (l *line) far(*testing.T) net.Conn { return nil }

func (l *line) port() modbus.Serial { return modbus.Serial{Port: l.master} }
