package opcua

import (
	"slices"
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

// TestEventAllocs delivers a message of 100 alarms.
func TestEventAllocs(t *testing.T) {
	src, err := NewSource(Config{
		Client:  ClientConfig{Endpoint: "opc.tcp://192.0.2.1", Policies: []Policy{PolicyNone}},
		Catalog: acquire.NewCatalog(), Events: []EventPoint{{Name: "alarms"}},
	})
	require.NoError(t, err)
	q := newQueue(src.items, src.cfg.Buffer)
	st := &standing{src: src, tracks: make([]track, 1), states: make([]itemState, 1), typeIDs: typeIDs{namespaces: plantNamespaces}}
	s := &stream{src: src, st: st, queue: q}
	p := &pump{standing: st, queue: q}
	list := &ua.EventNotificationList{}
	for i := range 100 {
		list.Events = append(list.Events, &ua.EventFieldList{ClientHandle: 1, EventFields: []*ua.Variant{
			ua.MustVariant(ua.NewNumericNodeID(2, uint32(i%7))), ua.MustVariant("Meter1"), ua.MustVariant(time.Unix(1000, 0)), ua.MustVariant(ua.NewLocalizedText("over voltage")),
			ua.MustVariant(uint16(800)), ua.MustVariant("U high"), ua.MustVariant(true), ua.MustVariant(false), ua.MustVariant(true),
		}})
	}
	object := ua.NewExtensionObject(list)
	object.UpdateMask()
	body, err := ua.Encode(&ua.NotificationMessage{SequenceNumber: 1, PublishTime: time.Unix(1000, 0), NotificationData: []*ua.ExtensionObject{object}})
	require.NoError(t, err)
	m := &message{}
	var b acquire.Batch
	deliver := func() {
		m.body = body
		r := uabin.NewReader(m.body)
		p.take(m, r.Notification(), false)
		if err := s.Next(t.Context(), &b); err != nil || len(b.Samples) != 100*len(eventEndings) {
			t.Fatal(err, len(b.Samples))
		}
	}
	deliver()
	require.Zero(t, testing.AllocsPerRun(100, deliver), "of 100 alarms, decoded and delivered")
}

// FuzzNotification puts any notification of a server through pump, queue and stream:
// every sample is of a point of the source, and bad if it has no value.
func FuzzNotification(f *testing.F) {
	body := publishResponse(f)
	r := uabin.NewReader(body)
	r.Header()
	r.Uint32()
	r.Uint32()
	r.Uint32() // one number that is available
	r.Bool()
	f.Add(r.Rest()[:400])
	f.Add([]byte{1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0x34, 3, 1, 8, 0, 0, 0, 0, 0, 0x0A, 0x80, 0, 0, 0, 0})
	f.Add([]byte{1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0x94, 3, 1, 27, 0, 0, 0, 1, 0, 0, 0, 4, 0, 0, 0, 5, 0, 0, 0, 17, 1, 0, 0xDB, 0x0B, 0, 0, 5, 1, 0, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, data []byte) {
		cfg := Config{
			Client:  ClientConfig{Endpoint: "opc.tcp://192.0.2.1", Policies: []Policy{PolicyNone}},
			Catalog: acquire.NewCatalog(), Buffer: 5, Backfill: true,
		}
		for i, kind := range []acquire.Kind{acquire.KindFloat64, acquire.KindText, acquire.KindInt64} {
			cfg.Points = append(cfg.Points, Point{Name: strconv.Itoa(i), Node: NodeID("i=" + strconv.Itoa(i)), Kind: kind})
		}
		cfg.Events = []EventPoint{{Name: "events"}}
		src, err := NewSource(cfg)
		require.NoError(t, err)
		q := newQueue(src.items, cfg.Buffer)
		st := &standing{src: src, tracks: make([]track, 4), states: make([]itemState, 4), missed: newBackfill(4)}
		p := &pump{standing: st, queue: q, settling: &settling{heard: make([]bool, 4), left: 4}}
		s := &stream{src: src, st: st, queue: q}
		for range 2 {
			r := uabin.NewReader(data)
			n := r.Notification()
			if r.Err() != nil {
				return
			}
			p.take(&message{body: data}, n, false)
		}
		latest := make([]acquire.Instant, len(src.points))
		var b acquire.Batch
		for q.head < len(q.entries) {
			require.NoError(t, s.Next(t.Context(), &b))
			for _, x := range b.Samples {
				i := slices.Index(src.points, x.Point)
				require.GreaterOrEqual(t, i, 0)
				require.Equal(t, x.Quality.IsBad(), x.Value.IsNone())
				require.Equal(t, x.Time < latest[i], x.Time < latest[i] && x.Quality.Has(acquire.TimeBackwards))
				latest[i] = max(latest[i], x.Time)
			}
		}
	})
}
