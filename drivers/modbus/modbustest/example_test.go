package modbustest_test

import (
	"fmt"
	"io"
	"net"

	"github.com/fieldtap/fieldtap/drivers/modbus/modbustest"
)

// A device with two holding registers, whose second answer is an exception.
func Example() {
	var image modbustest.Image
	if err := image.SetRegisters(modbustest.HoldingRegisters, 107, 0x022B, 0x0064); err != nil {
		fmt.Println(err)
		return
	}
	server, err := modbustest.Start(modbustest.Config{
		Units: map[byte]modbustest.Device{1: &image},
		Fault: modbustest.Nth(2, modbustest.WithException(modbustest.ServerDeviceBusy)),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer server.Close()

	conn, err := net.Dial("tcp", server.Address())
	if err != nil {
		fmt.Println(err)
		return
	}
	defer conn.Close()
	for transaction := byte(1); transaction <= 2; transaction++ {
		// Function 3, two registers from address 107 on.
		if _, err := conn.Write([]byte{0, transaction, 0, 0, 0, 6, 1, 3, 0, 107, 0, 2}); err != nil {
			fmt.Println(err)
			return
		}
		header := make([]byte, 6)
		if _, err := io.ReadFull(conn, header); err != nil {
			fmt.Println(err)
			return
		}
		rest := make([]byte, header[5])
		if _, err := io.ReadFull(conn, rest); err != nil {
			fmt.Println(err)
			return
		}
		fmt.Printf("% x\n", rest)
	}
	fmt.Println("writes:", server.Stats().Writes)
	// Output:
	// 01 03 04 02 2b 00 64
	// 01 83 06
	// writes: 0
}
