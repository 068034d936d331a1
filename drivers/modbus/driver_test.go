package modbus_test

import (
	"crypto/tls"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/drivers/modbus"
	"github.com/fieldtap/fieldtap/drivers/modbus/modbustest"
)

func TestTransportsOfURLs(t *testing.T) {
	registry, err := acquire.NewRegistry(modbus.NewDriver(&tls.Config{ServerName: "meter"}))
	require.NoError(t, err)
	const point = "&point=P,holding:0,uint16"
	for text, name := range map[string]string{
		"modbus://meter/1?transport=tcp" + point:                                                         "meter:502/1",
		"modbus://meter/1?transport=udp&window=16" + point:                                               "meter:502/1",
		"modbus://meter/1?transport=tls" + point:                                                         "meter:802/1",
		"modbus://meter:4001/7?transport=rtu+tcp&late_grace=1s" + point:                                  "meter:4001/7",
		"modbus://meter:4001/7?transport=ascii%2Btcp&pause=5ms" + point:                                  "meter:4001/7",
		"modbus:///dev/ttyUSB0/7?transport=rtu&baud=9600&parity=none&stop=2&data=8&even&release" + point: "/dev/ttyUSB0/7",
		"modbus:///dev/ttyUSB0/7?transport=ascii&links=1&connect_timeout=1s&latency=50ms" + point:        "/dev/ttyUSB0/7",
	} {
		src, err := registry.Source(text, acquire.NewCatalog())
		require.NoError(t, err, text)
		assert.Equal(t, name, src.Name(), text)
	}
	plain, err := acquire.NewRegistry(modbus.Driver{})
	require.NoError(t, err)
	for text, want := range map[string]string{
		"modbus://meter/1?transport=tls" + point:                          "transport tls needs a Driver with a TLS configuration",
		"modbus://meter/1?transport=smoke" + point:                        `unknown transport "smoke"`,
		"modbus://meter/1?transport=rtu" + point:                          "a serial port is given as modbus:///PATH/UNIT",
		"modbus:///dev/ttyS0/0?transport=rtu" + point:                     "unit 0 is the broadcast of serial lines",
		"modbus:///dev/ttyS0/1?transport=rtu&parity=strange" + point:      `parameter parity: "strange" is malformed`,
		"modbus:///dev/ttyS0/1?transport=rtu&data=7&baud=3" + point:       "3 baud are not within 50 to 4000000\nserial port: RTU framing needs 8 data bits, not 7",
		"modbus:///dev/ttyS0/1?transport=rtu&links=2&timeout=-1s":         "no points",
		"modbus://meter/1?transport=tcp&transport=udp&even=often" + point: "parameter transport is given 2 times",
	} {
		_, err := plain.Source(text, acquire.NewCatalog())
		assert.ErrorContains(t, err, want, text)
	}
}

// Units behind one address share its connection if their Driver was made for that.
func TestURLsShareConnections(t *testing.T) {
	for name, driver := range map[string]modbus.Driver{"alone": {}, "shared": modbus.NewDriver(nil)} {
		t.Run(name, func(t *testing.T) {
			server, err := modbustest.Start(modbustest.Config{Units: map[byte]modbustest.Device{1: labelled{}, 2: labelled{}}})
			require.NoError(t, err)
			defer server.Close()
			registry, err := acquire.NewRegistry(driver)
			require.NoError(t, err)
			catalog := acquire.NewCatalog()
			for _, unit := range []string{"1", "2"} {
				src, err := registry.Source("modbus://"+server.Address()+"/"+unit+"?point=p"+unit+",holding:5,uint16", catalog)
				require.NoError(t, err)
				stream, err := src.Open(t.Context())
				require.NoError(t, err)
				defer stream.Close()
				var b acquire.Batch
				require.NoError(t, stream.Next(t.Context(), &b))
				assert.Equal(t, acquire.Uint64(5), b.Samples[0].Value)
			}
			assert.EqualValues(t, map[string]int{"alone": 2, "shared": 1}[name], server.Stats().Connections)
		})
	}
}
