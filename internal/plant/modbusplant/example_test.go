package modbusplant_test

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"net"
	"time"

	"github.com/fieldtap/fieldtap/drivers/modbus/modbustest"
	"github.com/fieldtap/fieldtap/internal/plant"
	"github.com/fieldtap/fieldtap/internal/plant/modbusplant"
)

// The plant over a socket: the incomer's total power and clock.
func Example() {
	p := plant.New(epoch)
	server, err := modbustest.Start(modbustest.Config{
		Units: modbusplant.Devices(p, func() int64 { return epoch + int64(time.Second) }),
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
	if _, err := conn.Write([]byte{0, 1, 0, 0, 0, 6, modbusplant.MainUnit, 4, 0, modbusplant.MainTotalActive, 0, 2}); err != nil {
		fmt.Println(err)
		return
	}
	reply := make([]byte, 13)
	if _, err := io.ReadFull(conn, reply); err != nil {
		fmt.Println(err)
		return
	}
	main, _ := p.Meter(plant.Main)
	fmt.Println("on the wire:", math.Float32frombits(binary.BigEndian.Uint32(reply[9:])))
	fmt.Println("in truth:   ", float32(main.At(epoch+int64(time.Second)).P))
	// Output:
	// on the wire: 113965.24
	// in truth:    113965.24
}
