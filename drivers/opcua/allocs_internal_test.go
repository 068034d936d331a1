package opcua

import (
	"strconv"
	"testing"
	"time"

	"github.com/gopcua/opcua/ua"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/internal/uabin"
)

// notifications is how many values the message of the benchmarks has.
const notifications = 1000

// publishResponse is a message of 1,000 doubles with both timestamps.
func publishResponse(t testing.TB) []byte {
	data := &ua.DataChangeNotification{}
	at := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	for i := range notifications {
		data.MonitoredItems = append(data.MonitoredItems, &ua.MonitoredItemNotification{
			ClientHandle: handle(i), Value: &ua.DataValue{
				EncodingMask: ua.DataValueValue | ua.DataValueSourceTimestamp | ua.DataValueServerTimestamp,
				Value:        ua.MustVariant(float64(i) / 7), SourceTimestamp: at, ServerTimestamp: at,
			},
		})
	}
	object := ua.NewExtensionObject(data)
	object.UpdateMask()
	body := encodeResponse(&ua.PublishResponse{
		ResponseHeader: responseHeader(1, 0), SubscriptionID: 1, AvailableSequenceNumbers: []uint32{1},
		NotificationMessage: &ua.NotificationMessage{SequenceNumber: 1, PublishTime: at, NotificationData: []*ua.ExtensionObject{object}},
	})
	require.NotNil(t, body)
	return body
}

// bench is a stream without a connection, and the pump that feeds it.
func bench(t testing.TB) (*stream, func()) {
	cfg := Config{
		Client:  ClientConfig{Endpoint: "opc.tcp://192.0.2.1", Policies: []Policy{PolicyNone}},
		Catalog: acquire.NewCatalog(),
	}
	for i := range notifications {
		cfg.Points = append(cfg.Points, Point{Name: strconv.Itoa(i), Node: NodeID("ns=2;i=" + strconv.Itoa(i))})
	}
	src, err := NewSource(cfg)
	require.NoError(t, err)
	q := newQueue(src.items, cfg.Buffer+1<<16)
	st := &standing{src: src, tracks: make([]track, len(src.items)), states: make([]itemState, src.monitored)}
	s := &stream{src: src, st: st, queue: q}
	p := &pump{standing: st, queue: q}
	body := publishResponse(t)
	m := &message{}
	var b acquire.Batch
	return s, func() {
		m.body = body
		r := uabin.NewReader(m.body)
		r.Header()
		answer := r.Publish()
		if r.End() != nil {
			t.Fatal("message cannot be read")
		}
		p.take(m, answer.Notification, false)
		if err := s.Next(t.Context(), &b); err != nil || len(b.Samples) != notifications {
			t.Fatal(err, len(b.Samples))
		}
	}
}

func TestNotificationAllocs(t *testing.T) {
	_, deliver := bench(t)
	deliver()
	require.Zero(t, testing.AllocsPerRun(100, deliver), "of 1,000 notifications, decoded and delivered")
}

func BenchmarkNotification(b *testing.B) {
	_, deliver := bench(b)
	b.ReportAllocs()
	for b.Loop() {
		deliver()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/notifications, "ns/notification")
}

// BenchmarkNotificationGopcua decodes the same message as gopcua's client does.
func BenchmarkNotificationGopcua(b *testing.B) {
	body := publishResponse(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := ua.DecodeService(body); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/notifications, "ns/notification")
}
