package opcuatest_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gopcua/opcua"
	"github.com/gopcua/opcua/ua"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
	driver "github.com/fieldtap/fieldtap/drivers/opcua"
	"github.com/fieldtap/fieldtap/drivers/opcua/opcuatest"
)

// subscribe makes a subscription by hand.
func subscribe(t *testing.T, c *opcua.Client, request ua.CreateSubscriptionRequest, items ...*ua.MonitoredItemCreateRequest) (uint32, []*ua.MonitoredItemCreateResult) {
	t.Helper()
	r, err := send(t, c, &request)
	require.NoError(t, err)
	sub := r.(*ua.CreateSubscriptionResponse).SubscriptionID
	r, err = send(t, c, &ua.CreateMonitoredItemsRequest{SubscriptionID: sub, TimestampsToReturn: ua.TimestampsToReturnBoth, ItemsToCreate: items})
	require.NoError(t, err)
	return sub, r.(*ua.CreateMonitoredItemsResponse).Results
}

// monitor is a request for one item.
func monitor(t *testing.T, node_ string, attribute ua.AttributeID, handle, queue uint32, filter any) *ua.MonitoredItemCreateRequest {
	p := &ua.MonitoringParameters{ClientHandle: handle, SamplingInterval: 10, QueueSize: queue, DiscardOldest: true}
	if filter != nil {
		p.Filter = ua.NewExtensionObject(filter)
	}
	return &ua.MonitoredItemCreateRequest{
		ItemToMonitor: &ua.ReadValueID{NodeID: node(t, node_), AttributeID: attribute, DataEncoding: &ua.QualifiedName{}}, MonitoringMode: ua.MonitoringModeReporting, RequestedParameters: p,
	}
}

// publish asks for one message.
func publish(t *testing.T, c *opcua.Client, acknowledged ...*ua.SubscriptionAcknowledgement) *ua.PublishResponse {
	t.Helper()
	r, err := send(t, c, &ua.PublishRequest{SubscriptionAcknowledgements: acknowledged})
	require.NoError(t, err)
	return r.(*ua.PublishResponse)
}

// told returns the data changes of a message; a keep-alive has none.
func told(p *ua.NotificationMessage) []*ua.MonitoredItemNotification {
	if len(p.NotificationData) == 0 {
		return nil
	}
	return p.NotificationData[0].Value.(*ua.DataChangeNotification).MonitoredItems
}

var fast = ua.CreateSubscriptionRequest{RequestedPublishingInterval: 20, RequestedLifetimeCount: 1000, RequestedMaxKeepAliveCount: 5, PublishingEnabled: true}

func TestDeadbandQueueAndRepublish(t *testing.T) {
	s := start(t, everything())
	c := connect(t, s)
	sub, results := subscribe(t, c, fast,
		monitor(t, "ns=2;s=Line.Power", ua.AttributeIDValue, 1, 3, &ua.DataChangeFilter{Trigger: ua.DataChangeTriggerStatusValue, DeadbandType: uint32(ua.DeadbandTypePercent), DeadbandValue: 10}),
		monitor(t, "ns=2;s=Mode", ua.AttributeIDValue, 2, 2, &ua.DataChangeFilter{Trigger: ua.DataChangeTriggerStatusValue, DeadbandType: uint32(ua.DeadbandTypePercent), DeadbandValue: 10}),
		monitor(t, "ns=2;s=None", ua.AttributeIDValue, 3, 2, nil),
		monitor(t, "ns=2;s=Batch", ua.AttributeIDValue, 4, 2, &ua.DataChangeFilter{Trigger: ua.DataChangeTriggerStatusValue, DeadbandType: uint32(ua.DeadbandTypeAbsolute), DeadbandValue: 10}),
	)
	assert.Equal(t, []ua.StatusCode{0, ua.StatusBadDeadbandFilterInvalid, ua.StatusBadNodeIDUnknown, ua.StatusBadFilterNotAllowed},
		[]ua.StatusCode{results[0].StatusCode, results[1].StatusCode, results[2].StatusCode, results[3].StatusCode})

	// From now on the test says what the value is.
	s.Set("ns=2;s=Line.Power", opcuatest.Reading{Value: 2000.0})
	first := publish(t, c)
	require.NotEmpty(t, told(first.NotificationMessage))
	for _, v := range []float64{2050, 2099, 2101, 2150, 2300, 2600, 3000} { // within 100 of the last that was told, or not
		s.Set("ns=2;s=Line.Power", opcuatest.Reading{Value: v})
	}
	var got []float64
	var last *ua.MonitoredItemNotification
	for len(got) == 0 || got[len(got)-1] != 3000 {
		for _, i := range told(publish(t, c).NotificationMessage) {
			if v := i.Value.Value.Float(); v > 2000 {
				got, last = append(got, v), i
			}
		}
	}
	assert.NotContains(t, got, 2050.0)
	assert.NotContains(t, got, 2099.0)
	assert.NotContains(t, got, 2150.0)
	assert.LessOrEqual(t, len(got), 5)
	assert.EqualValues(t, 1, last.ClientHandle)

	// What was not acknowledged can be had again, and what was cannot.
	again, err := send(t, c, &ua.RepublishRequest{SubscriptionID: sub, RetransmitSequenceNumber: first.NotificationMessage.SequenceNumber})
	require.NoError(t, err)
	assert.Equal(t, first.NotificationMessage, again.(*ua.RepublishResponse).NotificationMessage)
	p := publish(t, c, &ua.SubscriptionAcknowledgement{SubscriptionID: sub, SequenceNumber: first.NotificationMessage.SequenceNumber}, &ua.SubscriptionAcknowledgement{SubscriptionID: sub, SequenceNumber: 4711})
	assert.Equal(t, []ua.StatusCode{0, ua.StatusBadSequenceNumberUnknown}, p.Results)
	assert.NotContains(t, p.AvailableSequenceNumbers, first.NotificationMessage.SequenceNumber)
	assert.Empty(t, told(p.NotificationMessage), "nothing new: a keep-alive")
}

func TestEvents(t *testing.T) {
	s := start(t, everything())
	c := connect(t, s)
	filter := &ua.EventFilter{WhereClause: &ua.ContentFilter{}}
	for _, name := range []string{"Severity", "Message", "SourceName", "Load"} {
		filter.SelectClauses = append(filter.SelectClauses, &ua.SimpleAttributeOperand{
			TypeDefinitionID: ua.NewNumericNodeID(0, 2041), BrowsePath: []*ua.QualifiedName{{Name: name}}, AttributeID: ua.AttributeIDValue,
		})
	}
	_, results := subscribe(t, c, fast, monitor(t, "i=2253", ua.AttributeIDEventNotifier, 9, 10, filter))
	require.Equal(t, ua.StatusOK, results[0].StatusCode)
	s.Emit(opcuatest.Event{Source: "ns=2;s=Line", Name: "Line", Message: "overload", Severity: 700, Fields: map[string]any{"Load": 1.5}})
	for {
		p := publish(t, c)
		if len(p.NotificationMessage.NotificationData) == 0 {
			continue
		}
		list := p.NotificationMessage.NotificationData[0].Value.(*ua.EventNotificationList)
		require.Len(t, list.Events, 1)
		fields := list.Events[0].EventFields
		assert.EqualValues(t, 700, fields[0].Value())
		assert.Equal(t, "overload", fields[1].Value().(*ua.LocalizedText).Text)
		assert.Equal(t, "Line", fields[2].Value())
		assert.Equal(t, 1.5, fields[3].Value())
		return
	}
}

// A subscription outlives its session when it is told to, and goes on in another.
func TestTransfer(t *testing.T) {
	s := start(t, everything())
	a := connect(t, s)
	sub, _ := subscribe(t, a, fast, monitor(t, "ns=2;s=Mode", ua.AttributeIDValue, 5, 1, nil))
	_, err := send(t, a, &ua.CloseSessionRequest{})
	require.NoError(t, err)
	assert.Equal(t, 1, s.Stats().Subscriptions)
	b := connect(t, s)
	r, err := send(t, b, &ua.TransferSubscriptionsRequest{SubscriptionIDs: []uint32{sub, 4711}, SendInitialValues: true})
	require.NoError(t, err)
	results := r.(*ua.TransferSubscriptionsResponse).Results
	assert.Equal(t, []ua.StatusCode{0, ua.StatusBadSubscriptionIDInvalid}, []ua.StatusCode{results[0].StatusCode, results[1].StatusCode})
	for {
		p := publish(t, b)
		assert.Equal(t, sub, p.SubscriptionID)
		if items := told(p.NotificationMessage); len(items) > 0 {
			assert.EqualValues(t, 5, items[0].ClientHandle)
			break
		}
	}
	s.Restart()
	assert.Zero(t, s.Stats().Subscriptions+s.Stats().Sessions)
}

func TestLimitsAndWrites(t *testing.T) {
	cfg := everything()
	cfg.Limits = opcuatest.Limits{Read: 2, Items: 1, Sessions: 1}
	s := start(t, cfg)
	c := connect(t, s)
	one := &ua.ReadValueID{NodeID: node(t, "i=2259"), AttributeID: ua.AttributeIDValue, DataEncoding: &ua.QualifiedName{}}
	_, err := c.Read(t.Context(), &ua.ReadRequest{NodesToRead: []*ua.ReadValueID{one, one}})
	require.NoError(t, err)
	_, err = c.Read(t.Context(), &ua.ReadRequest{NodesToRead: []*ua.ReadValueID{one, one, one}})
	assert.ErrorIs(t, err, ua.StatusBadTooManyOperations)
	s = start(t, everything())
	c = connect(t, s)
	_, err = c.Write(t.Context(), &ua.WriteRequest{NodesToWrite: []*ua.WriteValue{{
		NodeID: node(t, "ns=2;s=Mode"), AttributeID: ua.AttributeIDValue, Value: &ua.DataValue{EncodingMask: ua.DataValueValue, Value: ua.MustVariant(int32(1))},
	}}})
	assert.ErrorIs(t, err, ua.StatusBadServiceUnsupported)
	assert.EqualValues(t, 1, s.Stats().Writes)
}

// The driver's source, in virtual time: a network that is away for seconds again and again loses nothing that queues hold, and
// nothing is told twice.
func TestSourceMissesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := opcuatest.New(everything())
		require.NoError(t, err)
		defer s.Close()
		away := make(chan struct{}, 1) // holds a token while nobody can connect
		catalog := acquire.NewCatalog()
		source, err := driver.NewSource(driver.Config{
			Client: driver.ClientConfig{Endpoint: "opc.tcp://192.0.2.1", Policies: []driver.Policy{driver.PolicyNone}, Dial: func(context.Context) (net.Conn, error) {
				if len(away) > 0 {
					return nil, errors.New("no route")
				}
				here, there := net.Pipe()
				go s.ServeConn(there)
				return here, nil
			}},
			Name: "plant", Catalog: catalog, Sampling: 10 * time.Millisecond, Interval: 200 * time.Millisecond,
			Points: []driver.Point{{Name: "seq", Node: "ns=2;s=Seq", Kind: acquire.KindInt64}},
		})
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		stream, err := acquire.Reconnect(source, acquire.Backoff{}).Open(ctx)
		require.NoError(t, err)
		defer stream.Close()
		var b acquire.Batch
		var last int64
		cuts, good := 0, 0
		for begin, cut := time.Now(), time.Now(); time.Since(begin) < time.Minute; {
			require.NoError(t, stream.Next(ctx, &b))
			assert.Zero(t, b.Lost)
			for _, v := range b.Samples {
				n, ok := v.Value.Int64()
				if !ok || v.Quality.IsBad() {
					continue
				}
				if last != 0 {
					require.Equal(t, last+1, n)
				}
				last = n
				good++
			}
			if time.Since(cut) > 7*time.Second {
				cut = time.Now()
				cuts++
				away <- struct{}{}
				s.Disconnect()
				time.AfterFunc(3*time.Second, func() { <-away })
			}
		}
		assert.Greater(t, cuts, 5)
		assert.Greater(t, good, 5000)
		assert.Zero(t, s.Stats().Overflows)
		assert.Zero(t, s.Stats().Writes)
	})
}

// A server that takes a hundred operations at a time serves two thousand items, and nothing fails on the way.
func TestSourceWithinLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := opcuatest.Config{Limits: opcuatest.Limits{Read: 100, Browse: 100, Translate: 100, Register: 100, History: 100, Items: 100}}
		const n = 2000
		points := make([]driver.Point, n)
		for i := range points {
			id := fmt.Sprintf("ns=2;s=Meter.%d", i)
			cfg.Variables = append(cfg.Variables, opcuatest.Variable{ID: opcuatest.NodeID(id), Name: id, Step: time.Second, Value: steps(time.Second)})
			points[i] = driver.Point{Name: id, Node: driver.NodeID(id), Kind: acquire.KindInt64}
		}
		s, err := opcuatest.New(cfg)
		require.NoError(t, err)
		defer s.Close()
		source, err := driver.NewSource(driver.Config{
			Client: driver.ClientConfig{Endpoint: "opc.tcp://192.0.2.1", Policies: []driver.Policy{driver.PolicyNone}, Dial: func(context.Context) (net.Conn, error) {
				here, there := net.Pipe()
				go s.ServeConn(there)
				return here, nil
			}},
			Name: "plant", Catalog: acquire.NewCatalog(), Points: points,
		})
		require.NoError(t, err)
		stream, err := source.Open(t.Context())
		require.NoError(t, err)
		defer stream.Close()
		var b acquire.Batch
		good := 0
		for begin := time.Now(); time.Since(begin) < 10*time.Second; {
			require.NoError(t, stream.Next(t.Context(), &b))
			for _, v := range b.Samples {
				if v.Quality.IsGood() {
					good++
				}
			}
		}
		assert.InDelta(t, 10*n, good, 2*n)
		st := s.Stats()
		assert.Equal(t, n, st.Items)
		assert.Zero(t, st.Faults)
		assert.EqualValues(t, 1, st.SessionsCreated)
	})
}
