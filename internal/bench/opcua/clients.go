package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strconv"
	"time"

	peer "github.com/gopcua/opcua"
	"github.com/gopcua/opcua/ua"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/drivers/opcua"
)

// client is one way to get values.
type client struct {
	name, title string
	what        string // subscribe, read, or many
	// run gets values until the meter has enough. Programs of others are nil.
	run func(ctx context.Context, s settings, m *meter) error
}

var clients = []client{
	{"fieldtap", "fieldtap, Source, to samples", "subscribe", subscribe},
	{"gopcua", "gopcua v0.9.1, Client", "subscribe", subscribePeer},
	{"node-opcua subscribe", "node-opcua 2.186.4", "subscribe", nil},
	{"read", "fieldtap, Client.Read", "read", read},
	{"gopcua-read", "gopcua v0.9.1, Client.Read", "read", readPeer},
	{"node-opcua read", "node-opcua 2.186.4, session.read", "read", nil},
	{"many", "", "many", many},
}

func names() (list []string) {
	for _, c := range clients {
		if c.run != nil {
			list = append(list, c.name)
		}
	}
	return list
}

// beClient gets values, and prints the usage as JSON.
func beClient(ctx context.Context, s settings, out io.Writer) error {
	i := slices.IndexFunc(clients, func(c client) bool { return c.name == s.client && c.run != nil })
	if i < 0 {
		return fmt.Errorf("no client %q", s.client)
	}
	m := &meter{each: s.each, warm: time.Second}
	if err := clients[i].run(ctx, s, m); err != nil {
		return err
	}
	return errors.Join(m.err, json.NewEncoder(out).Encode(m.usage))
}

// meter measures from a while after the first value on, for a time.
type meter struct {
	usage
	each, warm time.Duration
	err        error

	first, start time.Time // zero: not yet
	cpu          float64
	mallocs      uint64
}

// add notes values that have come. It reports whether there are enough.
func (m *meter) add(values int) (enough bool) {
	now := time.Now()
	switch {
	case m.first.IsZero():
		m.first = now
	case m.start.IsZero() && now.Sub(m.first) >= m.warm:
		m.begin(now)
	case !m.start.IsZero():
		if m.Values += values; now.Sub(m.start) >= m.each {
			m.stop(now)
			return true
		}
	}
	return false
}

func (m *meter) begin(now time.Time) {
	var heap runtime.MemStats
	runtime.ReadMemStats(&heap)
	m.start, m.mallocs = now, heap.Mallocs
	m.cpu, m.err = spent()
}

func (m *meter) stop(now time.Time) {
	cpu, err := spent()
	var heap runtime.MemStats
	runtime.ReadMemStats(&heap)
	m.Wall, m.CPU, m.Allocs, m.err = now.Sub(m.start).Seconds(), cpu-m.cpu, heap.Mallocs-m.mallocs, errors.Join(m.err, err)
}

// config returns what our Source is asked for.
func config(s settings) opcua.Config {
	cfg := opcua.Config{
		Client:  opcua.ClientConfig{Endpoint: s.endpoint, Policies: []opcua.Policy{opcua.PolicyNone}},
		Catalog: acquire.NewCatalog(), Interval: publishing, Sampling: step,
	}
	for i := range s.variables {
		cfg.Points = append(cfg.Points, opcua.Point{Name: strconv.Itoa(i), Node: opcua.NodeID(identifier(i)), Queue: queue})
	}
	return cfg
}

func subscribe(ctx context.Context, s settings, m *meter) error {
	source, err := opcua.NewSource(config(s))
	if err != nil {
		return err
	}
	stream, err := source.Open(ctx)
	if err != nil {
		return err
	}
	defer stream.Close()
	var b acquire.Batch
	for {
		if err := stream.Next(ctx, &b); err != nil {
			return err
		}
		good := 0
		for _, sample := range b.Samples {
			if _, ok := sample.Value.Float64(); ok && sample.Quality.IsGood() {
				good++
			}
		}
		if good < len(b.Samples) || b.Lost > 0 {
			return fmt.Errorf("%d of %d samples are good, %d are lost", good, len(b.Samples), b.Lost)
		}
		if m.add(good) {
			return nil
		}
	}
}

// connectPeer logs in with gopcua.
func connectPeer(ctx context.Context, s settings) (*peer.Client, error) {
	c, err := peer.NewClient(s.endpoint, peer.SecurityMode(ua.MessageSecurityModeNone), peer.AutoReconnect(false))
	if err != nil {
		return nil, err
	}
	return c, c.Connect(ctx)
}

func subscribePeer(ctx context.Context, s settings, m *meter) error {
	c, err := connectPeer(ctx, s)
	if err != nil {
		return err
	}
	defer c.Close(context.WithoutCancel(ctx))
	notifications := make(chan *peer.PublishNotificationData, 100)
	subscription, err := c.Subscribe(ctx, &peer.SubscriptionParameters{Interval: publishing}, notifications)
	if err != nil {
		return err
	}
	defer subscription.Cancel(context.WithoutCancel(ctx))
	for from := 0; from < s.variables; from += nodes {
		var items []*ua.MonitoredItemCreateRequest
		for i := from; i < min(from+nodes, s.variables); i++ {
			id, err := ua.ParseNodeID(identifier(i))
			if err != nil {
				return err
			}
			item := peer.NewMonitoredItemCreateRequestWithDefaults(id, ua.AttributeIDValue, uint32(i))
			item.RequestedParameters.SamplingInterval = float64(step.Milliseconds())
			item.RequestedParameters.QueueSize = queue
			items = append(items, item)
		}
		response, err := subscription.Monitor(ctx, ua.TimestampsToReturnBoth, items...)
		if err != nil {
			return err
		}
		for _, r := range response.Results {
			if r.StatusCode != ua.StatusOK {
				return r.StatusCode
			}
		}
	}
	for {
		var n *peer.PublishNotificationData
		select {
		case n = <-notifications:
		case <-ctx.Done():
			return ctx.Err()
		}
		if n.Error != nil {
			return n.Error
		}
		change, ok := n.Value.(*ua.DataChangeNotification)
		if !ok {
			continue
		}
		good := 0
		for _, item := range change.MonitoredItems {
			if _, ok := item.Value.Value.Value().(float64); ok && item.Value.Status>>30 == 0 { // good, whether others were lost or not
				good++
			}
		}
		if good < len(change.MonitoredItems) {
			return fmt.Errorf("%d of %d values are good", good, len(change.MonitoredItems))
		}
		if m.add(good) {
			return nil
		}
	}
}

func read(ctx context.Context, s settings, m *meter) error {
	c, err := opcua.NewClient(opcua.ClientConfig{Endpoint: s.endpoint, Policies: []opcua.Policy{opcua.PolicyNone}})
	if err != nil {
		return err
	}
	defer c.Close(context.WithoutCancel(ctx))
	ids := make([]opcua.NodeID, nodes)
	for i := range ids {
		ids[i] = opcua.NodeID(identifier(i))
	}
	return m.ask(func() error {
		values, err := c.Read(ctx, ids...)
		for _, v := range values {
			if _, ok := v.Float(); !ok {
				return fmt.Errorf("%s is no number", v)
			}
		}
		return err
	})
}

func readPeer(ctx context.Context, s settings, m *meter) error {
	c, err := connectPeer(ctx, s)
	if err != nil {
		return err
	}
	defer c.Close(context.WithoutCancel(ctx))
	request := &ua.ReadRequest{TimestampsToReturn: ua.TimestampsToReturnBoth}
	for i := range nodes {
		id, err := ua.ParseNodeID(identifier(i))
		if err != nil {
			return err
		}
		request.NodesToRead = append(request.NodesToRead, &ua.ReadValueID{NodeID: id, AttributeID: ua.AttributeIDValue})
	}
	return m.ask(func() error {
		response, err := c.Read(ctx, request)
		if err != nil {
			return err
		}
		for _, r := range response.Results {
			if _, ok := r.Value.Value().(float64); !ok {
				return fmt.Errorf("%v is no number", r.Value)
			}
		}
		return nil
	})
}

// ask reads again and again.
func (m *meter) ask(read func() error) error {
	for {
		sent := time.Now()
		if err := read(); err != nil {
			return err
		}
		if !m.start.IsZero() {
			m.Each = append(m.Each, time.Since(sent).Seconds())
		}
		if m.add(nodes) {
			return nil
		}
	}
}

// many subscribes to more items than most servers have, and looks at each value: it must
// be the one after that before.
func many(ctx context.Context, s settings, m *meter) error {
	cfg := config(s)
	cfg.Interval, cfg.Sampling, cfg.Buffer = time.Second, time.Second, 4*s.variables
	began := time.Now()
	source, err := opcua.NewSource(cfg)
	if err != nil {
		return err
	}
	stream, err := source.Open(ctx)
	if err != nil {
		return err
	}
	defer stream.Close()
	latest := make(map[acquire.PointID]float64, s.variables)
	m.warm = 2 * time.Second
	var b acquire.Batch
	for {
		if err := stream.Next(ctx, &b); err != nil {
			return err
		}
		m.Lost += int(b.Lost)
		for _, sample := range b.Samples {
			v, ok := sample.Value.Float64()
			if !ok {
				return fmt.Errorf("quality %s", sample.Quality)
			}
			if last, known := latest[sample.Point]; known && v != last+1 {
				m.Lost += int(v - last - 1)
			}
			latest[sample.Point] = v
		}
		if m.Ready == 0 {
			if len(latest) < s.variables {
				continue
			}
			m.Ready = time.Since(began).Seconds()
			runtime.GC()
			var heap runtime.MemStats
			runtime.ReadMemStats(&heap)
			m.Heap, m.Memory = heap.HeapAlloc, heap.Sys-heap.HeapReleased
		}
		if m.add(len(b.Samples)) {
			return nil
		}
	}
}
