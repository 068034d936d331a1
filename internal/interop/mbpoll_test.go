package interop_test

import (
	"fmt"
	"net"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/drivers/modbus"
	"github.com/fieldtap/fieldtap/drivers/modbus/modbustest"
)

// mbpollLine is how mbpoll prints a value, after its address.
var mbpollLine = regexp.MustCompile(`^\[(\d+)\]:\s+(\S+)`)

// mbpoll reads count values from address on and returns them as printed. over is
// where from, in its own words.
func mbpoll(t *testing.T, over []string, kind string, address, count int, more ...string) []string {
	t.Helper()
	args := append([]string{"-a", "1", "-0", "-t", kind,
		"-r", fmt.Sprint(address), "-c", fmt.Sprint(count), "-o", "10", "-1"}, more...)
	out, err := exec.CommandContext(t.Context(), "mbpoll", append(args, over...)...).CombinedOutput()
	require.NoError(t, err, "%s", out)
	var values []string
	for line := range strings.Lines(string(out)) {
		if m := mbpollLine.FindStringSubmatch(line); m != nil {
			values = append(values, m[2])
		}
	}
	require.Len(t, values, count, "%s", out)
	return values
}

// The simulator that the driver's own tests rely on is read by a client that
// shares nothing with either.
func TestSimulatorIsReadRightByMbpoll(t *testing.T) {
	if _, err := exec.LookPath("mbpoll"); err != nil {
		missingDebian(t, "mbpoll", err)
	}
	var device modbustest.Image
	const first, wide = 7, 100
	words := []uint16{0, 1, 255, 256, 4660, 32767, 32768, 65534, 65535}
	bits := []bool{true, false, true, true, false, false, false, true, true, false, true}
	backwards := slices.Clone(words)
	slices.Reverse(backwards)
	inverted := make([]bool, len(bits))
	for i, b := range bits {
		inverted[i] = !b
	}
	require.NoError(t, device.SetRegisters(modbustest.HoldingRegisters, first, words...))
	require.NoError(t, device.SetRegisters(modbustest.InputRegisters, first, backwards...))
	require.NoError(t, device.SetBits(modbustest.Coils, first, bits...))
	require.NoError(t, device.SetBits(modbustest.DiscreteInputs, first, inverted...))
	// 305419896 and 1.5, each with the high word first and with the low one.
	require.NoError(t, device.SetRegisters(modbustest.HoldingRegisters, wide,
		0x1234, 0x5678, 0x5678, 0x1234, 0x3fc0, 0x0000, 0x0000, 0x3fc0))
	units := map[byte]modbustest.Device{1: &device}

	check := func(t *testing.T, server *modbustest.Server, over ...string) {
		for kind, want := range map[string][]uint16{"4:hex": words, "3:hex": backwards} {
			for i, got := range mbpoll(t, over, kind, first, len(want)) {
				assert.Equal(t, fmt.Sprintf("0x%04X", want[i]), got, "type %s, address %d", kind, first+i)
			}
		}
		for kind, want := range map[string][]bool{"0": bits, "1": inverted} {
			for i, got := range mbpoll(t, over, kind, first, len(want)) {
				assert.Equal(t, want[i], got == "1", "type %s, address %d", kind, first+i)
			}
		}
		assert.Equal(t, []string{"305419896"}, mbpoll(t, over, "4:int", wide, 1, "-B"))
		assert.Equal(t, []string{"305419896"}, mbpoll(t, over, "4:int", wide+2, 1))
		assert.Equal(t, []string{"1.5"}, mbpoll(t, over, "4:float", wide+4, 1, "-B"))
		assert.Equal(t, []string{"1.5"}, mbpoll(t, over, "4:float", wide+6, 1))

		stats := server.Stats()
		for f := 1; f <= 4; f++ {
			assert.NotZero(t, stats.Functions[f], "function %d was not asked for", f)
		}
		assert.Zero(t, stats.Writes)
		assert.Zero(t, stats.Malformed)
	}
	t.Run(overTCP.name, func(t *testing.T) {
		server, err := modbustest.Start(modbustest.Config{Units: units})
		require.NoError(t, err)
		defer server.Close()
		host, port, err := net.SplitHostPort(server.Address())
		require.NoError(t, err)
		check(t, server, "-m", "tcp", "-p", port, host)
	})
	t.Run(rtu.name, func(t *testing.T) {
		l := newLine(t, modbus.RTU)
		server, err := modbustest.New(modbustest.Config{Framing: modbustest.RTU, Units: units})
		require.NoError(t, err)
		defer server.Close()
		go server.ServeConn(l.far(t))
		check(t, server, "-m", "rtu", "-b", "115200", "-P", "none", l.master)
	})
}
