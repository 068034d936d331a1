package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fieldtap/fieldtap/drivers/modbus/modbustest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestEmbed runs the program against a simulated meter, interrupts it after a
// few polls, and looks at what it prints.
func TestEmbed(t *testing.T) {
	var meter modbustest.Image
	require.NoError(t, meter.SetRegisters(modbustest.InputRegisters, 30, 0x47C3, 0x5000, 0x4743, 0x5000)) // 100 kW, 50 kvar
	require.NoError(t, meter.SetRegisters(modbustest.InputRegisters, 40, 0x0012, 0xD687))
	polled := make(chan struct{})
	server, err := modbustest.Start(modbustest.Config{
		Units: map[byte]modbustest.Device{1: &meter},
		// The program asks for the gap too, is refused, and asks twice.
		Fault: modbustest.Nth(8, func(*modbustest.Exchange) { close(polled) }),
	})
	require.NoError(t, err)
	defer server.Close()

	program := filepath.Join(t.TempDir(), "embed")
	built, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput()
	require.NoError(t, err, "%s", built)
	var out bytes.Buffer
	cmd := exec.Command(program, server.Address())
	cmd.Stdout, cmd.Stderr = &out, &out
	require.NoError(t, cmd.Start())
	<-polled
	require.NoError(t, cmd.Process.Signal(os.Interrupt))
	require.NoError(t, cmd.Wait(), "Ctrl-C ends it cleanly: %s", &out)
	assert.Contains(t, out.String(), " main ")
	assert.Contains(t, out.String(), "kWh")
	assert.Contains(t, out.String(), "[partial")
	assert.Zero(t, server.Stats().Writes)
}

// TestReadme holds the program in the README to the one that is run here.
func TestReadme(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	require.NoError(t, err)
	source, err := os.ReadFile("main.go")
	require.NoError(t, err)
	_, body, found := strings.Cut(string(source), "func main() {\n")
	require.True(t, found)
	body, _, _ = strings.Cut(body, "\n}\n")
	for line := range strings.Lines(body) {
		assert.Contains(t, string(readme), strings.TrimSpace(line))
	}
}
