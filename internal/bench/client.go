package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"time"

	goburrow "github.com/goburrow/modbus"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/drivers/modbus"
)

// registers is how many are read at once: the most that the protocol allows.
// Register r, counted from 0, holds r+1; there are enough for many requests.
const registers = 125

// client is one way to poll the registers.
type client struct {
	name  string // in the table
	title string
	per   int // requests that one poll makes
	// connect returns a function that makes one request and checks that the
	// answer is whole. It is nil for a client that is a program of its own.
	connect func(ctx context.Context, address string) (poll func() error, closer func() error, err error)
}

var clients = []client{
	{"fieldtap", "fieldtap, 125 samples", 1, func(ctx context.Context, address string) (func() error, func() error, error) {
		return connectFieldtap(ctx, address, registers)
	}},
	{"fieldtap2", "fieldtap, 2 samples", 1, func(ctx context.Context, address string) (func() error, func() error, error) {
		return connectFieldtap(ctx, address, 2)
	}},
	{"fieldtap16", "fieldtap, window 16, 125 samples", many, connectWindow},
	{"goburrow", "goburrow v0.1.0, bytes", 1, connectGoburrow},
	{"libmodbus", "libmodbus (C), registers", 1, nil},
}

// many is how many requests of 125 registers the client with a window makes in one
// poll, each of registers of its own.
const many = 64

// connectWindow reads all registers, 16 requests under way at once.
func connectWindow(ctx context.Context, address string) (func() error, func() error, error) {
	points := make([]modbus.Point, many*registers)
	for r := range points {
		points[r] = modbus.Point{Name: fmt.Sprint("r", r), At: modbus.Holding(uint16(r)), Type: modbus.Uint16}
	}
	src, err := modbus.NewSource(modbus.Config{
		Address: address, Unit: 1, Catalog: acquire.NewCatalog(), Points: points,
		Interval: -1, Timeout: 10 * time.Second, Window: 16,
	})
	if err != nil {
		return nil, nil, err
	}
	if plan := src.Plan(); len(plan) != many {
		return nil, nil, fmt.Errorf("planned %d requests, want %d", len(plan), many)
	}
	stream, err := src.Open(ctx)
	if err != nil {
		return nil, nil, err
	}
	var batch acquire.Batch
	first := src.Points()[0]
	poll := func() error {
		if err := stream.Next(ctx, &batch); err != nil {
			return err
		}
		if len(batch.Samples) != len(points) {
			return fmt.Errorf("poll gave %d samples", len(batch.Samples))
		}
		for i := registers - 1; i < len(batch.Samples); i += registers {
			s := &batch.Samples[i]
			if !s.Quality.IsGood() || s.Value != acquire.Uint64(uint64(s.Point-first)+1) {
				return fmt.Errorf("poll gave %v", *s)
			}
		}
		return nil
	}
	return poll, stream.Close, nil
}

// connectFieldtap spreads n points evenly over the registers, the first and the
// last included, which makes one request of all registers.
func connectFieldtap(ctx context.Context, address string, n int) (func() error, func() error, error) {
	points := make([]modbus.Point, n)
	values := make([]acquire.Value, n)
	for i := range points {
		r := i * (registers - 1) / (n - 1)
		points[i] = modbus.Point{Name: fmt.Sprint("r", r), At: modbus.Holding(uint16(r)), Type: modbus.Uint16}
		values[i] = acquire.Uint64(uint64(r + 1))
	}
	src, err := modbus.NewSource(modbus.Config{
		Address: address, Unit: 1, Catalog: acquire.NewCatalog(), Points: points,
		Interval: -1, Timeout: 10 * time.Second,
	})
	if err != nil {
		return nil, nil, err
	}
	if plan := src.Plan(); len(plan) != 1 || plan[0].Count != registers {
		return nil, nil, fmt.Errorf("planned %v, want one request of %d registers", plan, registers)
	}
	stream, err := src.Open(ctx)
	if err != nil {
		return nil, nil, err
	}
	var batch acquire.Batch
	poll := func() error {
		if err := stream.Next(ctx, &batch); err != nil {
			return err
		}
		last := len(batch.Samples) - 1
		if last != n-1 || !batch.Samples[last].Quality.IsGood() || batch.Samples[last].Value != values[last] {
			return fmt.Errorf("poll gave %v", batch.Samples)
		}
		return nil
	}
	return poll, stream.Close, nil
}

func connectGoburrow(_ context.Context, address string) (func() error, func() error, error) {
	handler := goburrow.NewTCPClientHandler(address)
	handler.SlaveId = 1
	if err := handler.Connect(); err != nil {
		return nil, nil, err
	}
	stock := goburrow.NewClient(handler)
	poll := func() error {
		data, err := stock.ReadHoldingRegisters(0, registers)
		if err != nil {
			return err
		}
		if len(data) != 2*registers || binary.BigEndian.Uint16(data[len(data)-2:]) != registers {
			return fmt.Errorf("read gave %x", data)
		}
		return nil
	}
	return poll, handler.Close, nil
}
