package opcuatest_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/gopcua/opcua"
	"github.com/gopcua/opcua/ua"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/drivers/opcua/opcuatest"
)

func eventFilter(names ...string) *ua.EventFilter {
	filter := &ua.EventFilter{WhereClause: &ua.ContentFilter{}}
	for _, name := range names {
		filter.SelectClauses = append(filter.SelectClauses, &ua.SimpleAttributeOperand{
			TypeDefinitionID: ua.NewNumericNodeID(0, 2041), BrowsePath: []*ua.QualifiedName{{Name: name}}, AttributeID: ua.AttributeIDValue,
		})
	}
	return filter
}

// recount reads the history of events to its end, at most a number in one answer, and returns their messages.
func recount(t *testing.T, c *opcua.Client, notifier string, d ua.ReadEventDetails) (messages []string, pages int, status ua.StatusCode) {
	t.Helper()
	d.Filter = eventFilter("Time", "Message", "EventId")
	details := ua.NewExtensionObject(&d)
	details.UpdateMask()
	var point []byte
	for {
		r, err := send(t, c, &ua.HistoryReadRequest{
			HistoryReadDetails: details, TimestampsToReturn: ua.TimestampsToReturnBoth,
			NodesToRead: []*ua.HistoryReadValueID{{NodeID: node(t, notifier), DataEncoding: &ua.QualifiedName{}, ContinuationPoint: point}},
		})
		require.NoError(t, err)
		result := r.(*ua.HistoryReadResponse).Results[0]
		if result.StatusCode != 0 {
			return messages, pages, result.StatusCode
		}
		pages++
		for _, e := range result.HistoryData.Value.(*ua.HistoryEvent).Events {
			require.Len(t, e.EventFields, 3)
			messages = append(messages, e.EventFields[1].Value().(*ua.LocalizedText).Text)
		}
		if point = result.ContinuationPoint; point == nil || pages == 100 {
			return messages, pages, 0
		}
	}
}

func TestEventHistory(t *testing.T) {
	cfg := everything()
	cfg.EventHistory, cfg.Limits.HistoryValues = 8, 3
	s := start(t, cfg)
	c := connect(t, s)
	begin := time.Unix(1_700_000_000, 0)
	for i := range 10 { // the first two fall out
		e := opcuatest.Event{Message: fmt.Sprint(i), Severity: 1, Time: begin.Add(time.Duration(i) * time.Second), ID: []byte{byte(i)}}
		if i%2 == 0 {
			e.Source = "ns=2;s=Line"
		}
		if i%3 == 0 {
			s.Record(e)
		} else {
			s.Emit(e)
		}
	}
	all := ua.ReadEventDetails{StartTime: begin, EndTime: begin.Add(time.Minute)}
	messages, pages, _ := recount(t, c, "i=2253", all)
	assert.Equal(t, []string{"2", "3", "4", "5", "6", "7", "8", "9"}, messages)
	assert.Equal(t, 3, pages)
	all.NumValuesPerNode = 1
	messages, pages, _ = recount(t, c, "ns=2;s=Line", all)
	assert.Equal(t, []string{"2", "4", "6", "8"}, messages)
	assert.Equal(t, 4, pages)
	messages, _, _ = recount(t, c, "i=2253", ua.ReadEventDetails{StartTime: begin.Add(3 * time.Second), EndTime: begin.Add(5 * time.Second)})
	assert.Equal(t, []string{"3", "4"}, messages, "from inclusive, to exclusive")
	messages, _, _ = recount(t, c, "i=2253", ua.ReadEventDetails{StartTime: begin.Add(5 * time.Second), EndTime: begin.Add(3 * time.Second)})
	assert.Equal(t, []string{"5", "4"}, messages, "backwards")
	_, _, status := recount(t, c, "i=2253", ua.ReadEventDetails{StartTime: begin.Add(time.Hour), EndTime: begin.Add(2 * time.Hour)})
	assert.EqualValues(t, 0x00A50000, status, "Good_NoData")
	_, _, status = recount(t, c, "ns=2;s=Mode", all)
	assert.Equal(t, ua.StatusBadHistoryOperationUnsupported, status)
	for name, fault := range map[string]opcuatest.Fault{
		"for ever": opcuatest.EndlessPast(), "twice": opcuatest.RepeatedPast(), "backwards": opcuatest.DisorderedPast(),
	} {
		s.SetFault(opcuatest.On("HistoryRead", fault))
		messages, pages, _ := recount(t, c, "i=2253", ua.ReadEventDetails{StartTime: begin.Add(3 * time.Second), EndTime: begin.Add(5 * time.Second)})
		switch name {
		case "for ever":
			assert.Equal(t, 100, pages)
		case "twice":
			assert.Equal(t, []string{"3", "4", "3", "4"}, messages)
		case "backwards":
			assert.Equal(t, []string{"4", "3"}, messages)
		}
	}
	without := start(t, everything())
	without.Emit(opcuatest.Event{Message: "x"})
	_, _, status = recount(t, connect(t, without), "i=2253", all)
	assert.Equal(t, ua.StatusBadHistoryOperationUnsupported, status)
	_, err := opcuatest.New(opcuatest.Config{EventHistory: -1})
	assert.ErrorContains(t, err, "history of -1 events")
}

// Events that fall out of a queue leave one that says so.
func TestEventOverflow(t *testing.T) {
	s := start(t, everything())
	c := connect(t, s)
	slow := fast
	slow.RequestedPublishingInterval = 200
	_, results := subscribe(t, c, slow, monitor(t, "i=2253", ua.AttributeIDEventNotifier, 9, 3, eventFilter("EventType", "Message")))
	require.Equal(t, ua.StatusOK, results[0].StatusCode)
	for i := range 10 {
		s.Emit(opcuatest.Event{Message: fmt.Sprint(i), Severity: 1})
	}
	var messages []string
	for !slices.Contains(messages, "i=2041 9") {
		p := publish(t, c)
		for _, data := range p.NotificationMessage.NotificationData {
			for _, e := range data.Value.(*ua.EventNotificationList).Events {
				messages = append(messages, e.EventFields[0].NodeID().String()+" "+e.EventFields[1].Value().(*ua.LocalizedText).Text)
			}
		}
	}
	assert.Equal(t, []string{"i=3035 events were lost", "i=2041 7", "i=2041 8", "i=2041 9"}, messages)
	assert.EqualValues(t, 7, s.Stats().Overflows)
}
