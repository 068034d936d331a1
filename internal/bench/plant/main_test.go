package main

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/fieldtap/fieldtap/drivers/modbus/modbustest"
)

// Every client reads every device, whole.
func TestClients(t *testing.T) {
	server, err := modbustest.Start(modbustest.Config{Units: map[byte]modbustest.Device{1: counting{}}})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	for _, c := range clients {
		t.Run(c.name, func(t *testing.T) {
			var out strings.Builder
			err := beClient(context.Background(), settings{
				client: c.name, address: server.Address(), devices: 5, each: 500 * time.Millisecond, period: 50 * time.Millisecond,
			}, &out)
			if err != nil {
				t.Fatal(err)
			}
			var u usage
			if err := json.Unmarshal([]byte(out.String()), &u); err != nil {
				t.Fatal(err)
			}
			if u.Polls < 10 || u.Bad > 0 {
				t.Errorf("%+v", u)
			}
		})
	}
}
