package main

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"
)

// Every client reads every device, whole.
func TestClients(t *testing.T) {
	for _, c := range clients {
		t.Run(c.protocol+" "+c.name, func(t *testing.T) {
			server, err := start(c.protocol)
			if err != nil {
				t.Fatal(err)
			}
			defer server.Close()
			var out strings.Builder
			err = beClient(context.Background(), settings{
				protocol: c.protocol, client: c.name, address: server.Address(), devices: 5, each: 500 * time.Millisecond, period: 50 * time.Millisecond,
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
