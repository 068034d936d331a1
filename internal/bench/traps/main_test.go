package main

import (
	"os"
	"testing"
	"time"

	"github.com/gosnmp/gosnmp"
)

// All receivers get the same: traps of five variables that they accept.
func TestEncode(t *testing.T) {
	messages, err := encode(3)
	if err != nil {
		t.Fatal(err)
	}
	decoder := &gosnmp.GoSNMP{Version: gosnmp.Version2c, Community: "public"}
	for i, m := range messages {
		packet, err := decoder.UnmarshalTrap(m, false)
		if err != nil {
			t.Fatal(err)
		}
		if n := len(packet.Variables); n != 5 || packet.Variables[3].Value != i {
			t.Errorf("trap %d: %d variables: %v", i, n, packet.Variables)
		}
	}
	if len(messages) != 3 {
		t.Errorf("%d messages", len(messages))
	}
}

// The time of a process grows while it works.
func TestProcessorTime(t *testing.T) {
	before, err := processorTime(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	for start := time.Now(); time.Since(start) < 50*time.Millisecond; {
	}
	if after, err := processorTime(os.Getpid()); err != nil || after <= before {
		t.Errorf("from %s to %s: %v", before, after, err)
	}
}
