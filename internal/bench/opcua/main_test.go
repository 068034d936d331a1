package main

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"
)

// Every client of ours and of gopcua gets whole values.
func TestClients(t *testing.T) {
	server, err := counting(nodes, step)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	for _, c := range clients {
		if c.run == nil || c.name == "many" {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			try(t, settings{client: c.name, endpoint: server.URL(), variables: 20, each: 300 * time.Millisecond})
		})
	}
	t.Run("many", func(t *testing.T) {
		slow, err := counting(2500, time.Second)
		if err != nil {
			t.Fatal(err)
		}
		defer slow.Close()
		if u := try(t, settings{client: "many", endpoint: slow.URL(), variables: 2500, each: 2 * time.Second}); u.Lost > 0 || u.Ready == 0 || u.Heap == 0 {
			t.Errorf("%+v", u)
		}
	})
}

func try(t *testing.T, s settings) (u usage) {
	t.Helper()
	var out strings.Builder
	if err := beClient(context.Background(), s, &out); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(out.String()), &u); err != nil {
		t.Fatal(err)
	}
	if u.Values == 0 || u.Wall == 0 {
		t.Errorf("%+v", u)
	}
	return u
}
