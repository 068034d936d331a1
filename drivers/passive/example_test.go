package passive_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/drivers/modbus"
	"github.com/fieldtap/fieldtap/drivers/passive"
	"github.com/fieldtap/fieldtap/units"
)

// A meter that somebody else reads: its power, from a capture.
func Example() {
	path, remove := capturedMeter()
	defer remove()
	source, err := passive.NewSource(passive.Config{
		ReaderConfig: passive.ReaderConfig{Files: []string{path}},
		Modbus: []passive.ModbusDevice{{
			Server: netip.MustParseAddrPort("192.0.2.10:502"), Unit: 1,
			Points: []modbus.Point{
				{Name: "main/P", At: modbus.Input(52), Type: modbus.Int32, Scale: units.Scale{Den: 10}, Unit: units.Watt},
			},
		}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx := context.Background()
	stream, err := source.Open(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer stream.Close()
	for batch, err := range acquire.Batches(ctx, stream) {
		if err != nil {
			fmt.Println(err)
			return
		}
		for _, sample := range batch.Samples {
			fmt.Printf("%s\n", source.Catalog().AppendSample(nil, sample, batch))
		}
	}
	// Output:
	// 2026-11-23T08:00:00.004Z main/P 4200 W good
	// 2026-11-23T08:00:01.004Z main/P 4200.1 W good
	// 2026-11-23T08:00:02.004Z main/P 4200.2 W good
}

// What is in this capture?
func ExampleSurvey() {
	path, remove := capturedMeter()
	defer remove()
	inventory, err := passive.Survey(context.Background(), passive.ReaderConfig{Files: []string{path}})
	if err != nil {
		fmt.Println(err)
		return
	}
	inventory.WriteTo(os.Stdout)
	// Output:
	// meter.pcap: 6 packets, 6 messages, 2026-11-23T08:00:00Z to 2026-11-23T08:00:02.008Z (2.01s)
	//
	// Modbus 192.0.2.10:502 unit 1, 1 client, 3 requests, 3 answers
	//   read input registers 52-53  3 requests, every 1s, 3 answered
}

// capturedMeter writes a capture of three polls, of raw IP packets.
func capturedMeter() (path string, remove func()) {
	dir, err := os.MkdirTemp("", "passive")
	if err != nil {
		return "", func() {}
	}
	var file bytes.Buffer
	le := binary.LittleEndian
	file.Write(le.AppendUint32(nil, 0xA1B2C3D4))
	file.Write([]byte{2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 101, 0, 0, 0})
	seq := [2]uint32{1000, 2000}
	send := func(at time.Time, from int, payload []byte) {
		addresses := [2][]byte{{192, 0, 2, 1}, {192, 0, 2, 10}}
		ports := [2]uint16{40000, 502}
		be := binary.BigEndian
		packet := []byte{0x45, 0}
		packet = be.AppendUint16(packet, uint16(40+len(payload)))
		packet = append(packet, 0, 0, 0, 0, 64, 6, 0, 0)
		packet = append(append(packet, addresses[from]...), addresses[1-from]...)
		packet = be.AppendUint16(be.AppendUint16(packet, ports[from]), ports[1-from])
		packet = be.AppendUint32(be.AppendUint32(packet, seq[from]), seq[1-from])
		packet = append(packet, 5<<4, 0x18, 1, 0, 0, 0, 0, 0)
		packet = append(packet, payload...)
		seq[from] += uint32(len(payload))
		head := le.AppendUint32(le.AppendUint32(nil, uint32(at.Unix())), uint32(at.Nanosecond()/1000))
		head = le.AppendUint32(le.AppendUint32(head, uint32(len(packet))), uint32(len(packet)))
		file.Write(append(head, packet...))
	}
	start := time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)
	for i := range byte(3) {
		at := start.Add(time.Duration(i) * time.Second)
		send(at, 0, []byte{0, i, 0, 0, 0, 6, 1, 4, 0, 52, 0, 2})
		send(at.Add(8*time.Millisecond), 1, []byte{0, i, 0, 0, 0, 7, 1, 4, 4, 0, 0, 0xA4, 0x10 + i})
	}
	path = filepath.Join(dir, "meter.pcap")
	if err := os.WriteFile(path, file.Bytes(), 0o600); err != nil {
		fmt.Println(err)
	}
	return path, func() { os.RemoveAll(dir) }
}
