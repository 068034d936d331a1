package opcuatest

import (
	"encoding/binary"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gopcua/opcua/ua"
	"github.com/stretchr/testify/require"
)

// crowd returns a subscription of n items that change every 100 ms, at a time of the caller's.
func crowd(tb testing.TB, n int, now *time.Time) *subscription {
	cfg := Config{Now: func() time.Time { return *now }}
	for i := range n {
		cfg.Variables = append(cfg.Variables, Variable{
			ID: NodeID(fmt.Sprintf("ns=2;i=%d", i+1)), Name: strconv.Itoa(i), Step: 100 * time.Millisecond, Value: func(t time.Time) any { return float64(t.UnixNano()) },
		})
	}
	s, err := New(cfg)
	require.NoError(tb, err)
	b := &subscription{server: s, items: make(map[uint32]*item), enabled: true, interval: 100 * time.Millisecond, lifetime: 100, keepAlive: 10}
	for i := range n {
		it, status := s.createItem(b, ua.TimestampsToReturnBoth, &ua.MonitoredItemCreateRequest{
			ItemToMonitor:  &ua.ReadValueID{NodeID: ua.NewNumericNodeID(2, uint32(i+1)), AttributeID: ua.AttributeIDValue},
			MonitoringMode: ua.MonitoringModeReporting, RequestedParameters: &ua.MonitoringParameters{ClientHandle: uint32(i), SamplingInterval: 100, QueueSize: 10, DiscardOldest: true},
		})
		require.Zero(tb, status)
		b.items[it.id] = it
		b.order = append(b.order, it)
	}
	return b
}

// What the server costs must not drown what a client costs beside it.
func BenchmarkNotification(b *testing.B) {
	const n = 10_000
	now := time.Now()
	c := crowd(b, n, &now)
	c.compose()
	count := 0
	for b.Loop() {
		now = now.Add(100 * time.Millisecond)
		for _, i := range c.order {
			i.catchUp(now.UnixNano())
		}
		if len(c.compose()) < n*20 {
			b.Fatal("not all items had news")
		}
		count += n
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(count), "ns/notification")
}

// A queue that overflows says so on the value that has lost its neighbour, and a long absence loses what no queue holds and no more.
func TestOverflow(t *testing.T) {
	now := time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC)
	b := crowd(t, 1, &now)
	b.compose()
	i := b.order[0]
	now = now.Add(time.Second)
	i.catchUp(now.UnixNano())
	require.Len(t, i.queue, 10)
	require.Zero(t, i.queue[0].reading.Status)
	require.Zero(t, b.server.Stats().Overflows)
	now = now.Add(500 * time.Millisecond)
	i.catchUp(now.UnixNano())
	require.Len(t, i.queue, 10)
	require.Equal(t, overflow, i.queue[0].reading.Status)
	require.EqualValues(t, 5, b.server.Stats().Overflows)
	for n, q := range i.queue {
		require.Equal(t, now.Add(-time.Duration(9-n)*100*time.Millisecond).UnixNano(), q.reading.Source.UnixNano())
	}
	i.oldest = false
	now = now.Add(100 * time.Millisecond)
	i.catchUp(now.UnixNano())
	require.Equal(t, overflow, i.queue[9].reading.Status)
	require.Equal(t, now.UnixNano(), i.queue[9].reading.Source.UnixNano())
	now = now.Add(1000 * time.Hour)
	i.catchUp(now.UnixNano())
	require.Len(t, i.queue, 10)
}

// slowly is slice, element by element.
func slowly(list []int32, text string) (out []int32, ok bool) {
	var from, to int
	switch parts := strings.Split(text, ":"); len(parts) {
	case 1:
		n, err := strconv.ParseUint(parts[0], 10, 31)
		if err != nil {
			return nil, false
		}
		from, to = int(n), int(n)
	case 2:
		a, err := strconv.ParseUint(parts[0], 10, 31)
		b, err2 := strconv.ParseUint(parts[1], 10, 31)
		if err != nil || err2 != nil || b <= a {
			return nil, false
		}
		from, to = int(a), int(b)
	default:
		return nil, false
	}
	for i, v := range list {
		if i >= from && i <= to {
			out = append(out, v)
		}
	}
	return out, out != nil
}

func FuzzSlice(f *testing.F) {
	for _, text := range []string{"0", "2", "1:3", "3:1", "2:2", "0:2147483647", "-1", "", ":", "1:", "1:2:3", "99", "+1", "01"} {
		f.Add(text)
	}
	list := []int32{10, 11, 12, 13}
	f.Fuzz(func(t *testing.T, text string) {
		got, status := slice(list, text)
		want, ok := slowly(list, text)
		if ok != (status == 0) || ok && !reflect.DeepEqual(got, any(want)) {
			t.Fatalf("%q: %v %x, want %v %v", text, got, status, want, ok)
		}
	})
}

// DateTime ends at the ends of its range (OPC 10000-6, section 5.2.2.5).
func TestTimeRange(t *testing.T) {
	for _, c := range []struct {
		at   time.Time
		want uint64
	}{
		{time.Time{}, 0},
		{time.Date(1600, 12, 31, 23, 59, 59, 0, time.UTC), 0},
		{time.Date(1601, 1, 1, 0, 0, 0, 100, time.UTC), 1},
		{time.Unix(0, 0), epochDelta},
		{time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC), 2650467743990000000},
		{time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC), 1<<63 - 1},
	} {
		require.Equal(t, c.want, binary.LittleEndian.Uint64(appendTime(nil, c.at)), c.at)
	}
}
