package wire_test

import (
	"bytes"
	"context"
	"fmt"
	"net"

	"github.com/fieldtap/fieldtap/acquire/capture/wire"
)

// A connection is recorded, and what it carried is read back.
func Example() {
	var file bytes.Buffer // an *os.File of a host
	recorder, err := wire.NewRecorder(&file, wire.Config{Name: "plant 7"})
	if err != nil {
		fmt.Println(err)
		return
	}
	link := wire.Link{Name: "main meter", Protocol: wire.Modbus{}}
	dial := recorder.Dial(link, func(context.Context) (net.Conn, error) {
		near, device := net.Pipe() // a net.Dialer of a host
		go func() {
			request := make([]byte, 12)
			_, _ = device.Read(request)
			_, _ = device.Write([]byte{0, 1, 0, 0, 0, 5, 1, 3, 2, 0x12, 0x34})
		}()
		return near, nil
	})

	// What a driver does with its Config.Dial:
	conn, err := dial(context.Background())
	if err != nil {
		fmt.Println(err)
		return
	}
	_, _ = conn.Write([]byte{0, 1, 0, 0, 0, 6, 1, 3, 0, 52, 0, 1})
	_, _ = conn.Read(make([]byte, 260))
	_ = conn.Close()

	if err := recorder.Close(); err != nil {
		fmt.Println(err)
	}
	recording, err := wire.Read(&file)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, c := range recording.Conversations {
		fmt.Println(c.Name, c.Local, c.Remote)
		for _, e := range c.Events {
			fmt.Printf("frame %d, %v: %d bytes\n", e.Frame, e.Kind, len(e.Data))
		}
	}
	// Output:
	// main meter 192.0.2.1:49152 192.0.2.2:502
	// frame 1, opened: 0 bytes
	// frame 4, sent: 12 bytes
	// frame 5, received: 11 bytes
	// frame 6, closed: 0 bytes
}
