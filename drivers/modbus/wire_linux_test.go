//go:build linux && (386 || amd64 || arm || arm64 || loong64 || riscv64)

package modbus_test

import (
	"bytes"
	"context"
	"net"
	"os"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/acquire/capture/wire"
	"github.com/fieldtap/fieldtap/drivers/modbus"
	"github.com/fieldtap/fieldtap/drivers/modbus/modbustest"
)

// A serial port is recorded as the bus opens it, and what was recorded is played to a
// bus without one.
func TestWireRecordsASerialPort(t *testing.T) {
	path, far := terminal(t)
	server, err := modbustest.New(modbustest.Config{Framing: modbustest.RTU, Units: map[byte]modbustest.Device{1: &counting{}}})
	require.NoError(t, err)
	defer server.Close()
	keep, err := os.OpenFile(path, os.O_RDWR|syscall.O_NOCTTY, 0)
	require.NoError(t, err)
	defer keep.Close()
	go server.ServeConn(far)

	var file bytes.Buffer
	recorder, err := wire.NewRecorder(&file, wire.Config{})
	require.NoError(t, err)
	read := func(cfg modbus.BusConfig) (values []uint64) {
		bus, err := modbus.NewBus(cfg)
		require.NoError(t, err)
		src, err := modbus.NewSource(modbus.Config{
			Name: "meter", Bus: bus, Unit: 1, Catalog: acquire.NewCatalog(), Interval: -1, Retries: -1,
			Points: []modbus.Point{{Name: "count", At: modbus.Holding(0), Type: modbus.Uint16}},
		})
		require.NoError(t, err)
		stream, err := src.Open(t.Context())
		require.NoError(t, err)
		var b acquire.Batch
		for range 5 {
			require.NoError(t, stream.Next(t.Context(), &b))
			n, _ := b.Samples[0].Value.Uint64()
			assert.True(t, b.Samples[0].Quality.IsGood())
			values = append(values, n)
		}
		require.NoError(t, stream.Close())
		return values
	}
	live := read(modbus.BusConfig{
		Serial: modbus.Serial{Port: path, Baud: 115200},
		Wrap: func(dial dialFunc) dialFunc {
			return recorder.Dial(wire.Link{Name: path, Protocol: wire.ModbusRTU{}}, dial)
		},
	})
	require.NoError(t, recorder.Close())
	assert.Equal(t, []uint64{100, 200, 300, 400, 500}, live)
	recording, err := wire.Read(&file)
	require.NoError(t, err)
	require.Len(t, recording.Conversations, 1)
	assert.Equal(t, path, recording.Conversations[0].Name)

	peer := wire.NewPeer(wire.ModbusRTU{}, recording.Conversations)
	assert.Equal(t, live, read(modbus.BusConfig{Framing: modbus.RTU, Dial: peer.Dial}))
	assert.NoError(t, peer.Err())
}

func TestFaultOfWrap(t *testing.T) {
	_, err := modbus.NewBus(modbus.BusConfig{
		Address: "meter", Wrap: func(func(context.Context) (net.Conn, error)) func(context.Context) (net.Conn, error) { return nil },
	})
	assert.ErrorContains(t, err, "modbus: wrapping gave no function to dial")
}
