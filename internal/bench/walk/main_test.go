package main

import (
	"context"
	"testing"
)

// Every client of this program reads the whole table.
func TestClients(t *testing.T) {
	server, err := agent(30)
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	for _, c := range clients {
		if c.read == nil {
			continue
		}
		for columns, want := range map[int]int{0: 2 * 30 * columns, 4: 2 * 30 * 4} {
			n, err := c.read(context.Background(), server.Address(), table, columns, 2)
			if err != nil || n != want {
				t.Errorf("%s read %d objects, want %d: %v", c.name, n, want, err)
			}
		}
	}
}
