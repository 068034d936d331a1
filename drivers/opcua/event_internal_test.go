package opcua

import (
	"testing"
	"time"

	"github.com/gopcua/opcua/ua"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/internal/uabin"
)

func testEvents(t testing.TB, p EventPoint) (*item, *acquire.Catalog) {
	c := acquire.NewCatalog()
	require.NoError(t, p.faults())
	p = p.withDefaults()
	ids, err := p.define(c)
	require.NoError(t, err)
	it := p.item(ids)
	return &it, c
}

// tell has the samples of one event appended, as a stream does.
func tell(t testing.TB, it *item, b *acquire.Batch, fields uabin.List, received acquire.Instant) bool {
	e, ok := readEvent(fields)
	if !ok {
		return false
	}
	require.False(t, e.overflow)
	var track track
	at, flags := track.stamp(stamps{source: e.at}, received, 0, false)
	before := len(b.Samples)
	it.happen(b, &e, &typeIDs{namespaces: plantNamespaces}, at, flags)
	require.Equal(t, e.samples(), len(b.Samples)-before)
	return true
}

// eventList encodes events as a notification and returns the fields of the first.
func eventList(t testing.TB, values ...any) uabin.List {
	list := &ua.EventFieldList{ClientHandle: 7}
	for _, v := range values {
		list.EventFields = append(list.EventFields, ua.MustVariant(v))
	}
	body, err := ua.Encode(&ua.EventNotificationList{Events: []*ua.EventFieldList{list}})
	require.NoError(t, err)
	events, err := uabin.ExtensionObject{Binary: true, Body: body}.Events()
	require.NoError(t, err)
	require.Equal(t, 1, events.Len)
	r := events.Reader()
	e := r.Event()
	require.EqualValues(t, 7, e.Handle)
	return e.Fields
}

func lines(c *acquire.Catalog, b *acquire.Batch) (out []string) {
	for _, s := range b.Samples {
		out = append(out, string(c.AppendSample(nil, s, b)))
	}
	return out
}

func TestEventDeliver(t *testing.T) {
	at := time.Unix(1000, 0).UTC()
	alarm := []any{ua.NewNumericNodeID(2, 9), "Meter1", at, ua.NewLocalizedText("over voltage"), uint16(800), []byte("id 1"), "U high", true, false, true}
	for _, c := range []struct {
		name   string
		fields []any
		want   []string
	}{
		{"alarm", alarm, []string{
			`1970-01-01T00:16:40Z a/message "over voltage" good [source time]`,
			`1970-01-01T00:16:40Z a/severity 800 good [source time]`,
			`1970-01-01T00:16:40Z a/source "Meter1" good [source time]`,
			`1970-01-01T00:16:40Z a/type "nsu=urn:plant:meters;i=9" good [source time]`,
			`1970-01-01T00:16:40Z a/condition "U high" good [source time]`,
			`1970-01-01T00:16:40Z a/active true good [source time]`,
			`1970-01-01T00:16:40Z a/acked false good [source time]`,
			`1970-01-01T00:16:40Z a/retain true good [source time]`,
		}},
		{"no condition", []any{ua.NewNumericNodeID(0, 2041), "x", at, ua.NewLocalizedText("m"), uint16(1), []byte{1}, nil, nil, nil, nil}, []string{
			`1970-01-01T00:16:40Z a/message "m" good [source time]`,
			`1970-01-01T00:16:40Z a/severity 1 good [source time]`,
			`1970-01-01T00:16:40Z a/source "x" good [source time]`,
			`1970-01-01T00:16:40Z a/type "i=2041" good [source time]`,
		}},
		{"of a server without conditions", []any{ua.NewNumericNodeID(0, 2041), "x", at, ua.NewLocalizedText("m"), uint16(1), []byte{1}}, []string{
			`1970-01-01T00:16:40Z a/message "m" good [source time]`,
			`1970-01-01T00:16:40Z a/severity 1 good [source time]`,
			`1970-01-01T00:16:40Z a/source "x" good [source time]`,
			`1970-01-01T00:16:40Z a/type "i=2041" good [source time]`,
		}},
		{"left out", []any{nil, nil, nil, nil, nil, nil, nil, nil, nil, nil}, []string{
			`1970-01-01T00:33:20Z a/message - bad: sensor`,
			`1970-01-01T00:33:20Z a/severity - bad: sensor`,
			`1970-01-01T00:33:20Z a/source - bad: sensor`,
			`1970-01-01T00:33:20Z a/type - bad: sensor`,
		}},
		{"other types", []any{"t", 1.5, "now", uint16(1), int32(5), 1.5, []string{"a"}, uint16(1), ua.StatusBadUserAccessDenied, int32(1)}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			e, catalog := testEvents(t, EventPoint{Name: "a"})
			var b acquire.Batch
			require.True(t, tell(t, e, &b, eventList(t, c.fields...), second(2000)))
			if c.want != nil {
				assert.Equal(t, c.want, lines(catalog, &b))
				return
			}
			for _, s := range b.Samples {
				if p, _ := catalog.Point(s.Point); p.Name != "a/type" {
					assert.True(t, s.Quality.IsBad(), string(catalog.AppendSample(nil, s, &b)))
					assert.True(t, s.Value.IsNone(), "no value is made up")
				}
			}
		})
	}
	t.Run("another number of fields", func(t *testing.T) {
		e, _ := testEvents(t, EventPoint{Name: "a"})
		var b acquire.Batch
		assert.False(t, tell(t, e, &b, eventList(t, alarm[1:]...), 1))
		assert.Empty(t, b.Samples)
	})
	t.Run("overflow", func(t *testing.T) {
		e, ok := readEvent(eventList(t, append([]any{ua.NewNumericNodeID(0, eventOverflow)}, alarm[1:]...)...))
		require.True(t, ok)
		assert.True(t, e.overflow)
		e, ok = readEvent(eventList(t, append([]any{ua.NewNumericNodeID(2, eventOverflow)}, alarm[1:]...)...))
		require.True(t, ok)
		assert.False(t, e.overflow, "the number in another namespace")
	})
}

func TestEventFilter(t *testing.T) {
	shape := func(p EventPoint) (out []string) {
		e, _ := testEvents(t, p)
		node, err := e.id.resolve(plantNamespaces)
		require.NoError(t, err)
		request, err := e.eventsRequest(node, plantNamespaces, 3, false)
		require.NoError(t, err)
		body, err := ua.Encode(request)
		require.NoError(t, err)
		var back ua.MonitoredItemCreateRequest
		_, err = ua.Decode(body, &back)
		require.NoError(t, err)
		assert.Equal(t, ua.AttributeIDEventNotifier, back.ItemToMonitor.AttributeID)
		filter := back.RequestedParameters.Filter.Value.(*ua.EventFilter)
		require.Len(t, filter.SelectClauses, eventFieldCount)
		assert.Equal(t, "ActiveState", filter.SelectClauses[eventActive].BrowsePath[0].Name)
		assert.Equal(t, "Id", filter.SelectClauses[eventActive].BrowsePath[1].Name)
		for _, e := range filter.WhereClause.Elements {
			text := e.FilterOperator.String()[len("FilterOperator"):]
			for _, o := range e.FilterOperands {
				switch o := o.Value.(type) {
				case *ua.ElementOperand:
					text += " " + itoa(int(o.Index))
				case *ua.LiteralOperand:
					if id := o.Value.NodeID(); id != nil {
						text += " " + id.String()
					} else {
						text += " " + itoa(int(o.Value.Uint()))
					}
				case *ua.SimpleAttributeOperand:
					text += " " + o.BrowsePath[0].Name
				}
			}
			out = append(out, text)
		}
		return out
	}
	assert.Empty(t, shape(EventPoint{Name: "a"}))
	assert.Equal(t, []string{"GreaterThanOrEqual Severity 500"}, shape(EventPoint{Name: "a", MinSeverity: 500}))
	assert.Equal(t, []string{"OfType i=2915"}, shape(EventPoint{Name: "a", Types: []NodeID{"i=2915"}}))
	assert.Equal(t, []string{"And 1 2", "GreaterThanOrEqual Severity 5", "Or 3 4", "OfType i=1", "Or 5 6", "OfType ns=2;i=2", "OfType i=3"},
		shape(EventPoint{Name: "a", MinSeverity: 5, Types: []NodeID{"i=1", "nsu=urn:plant:meters;i=2", "i=3"}}))
	e, _ := testEvents(t, EventPoint{Name: "a", Types: []NodeID{"nsu=urn:none;i=1"}})
	_, err := e.eventsRequest(nil, plantNamespaces, 1, false)
	require.Error(t, err, "a filter that cannot be said is not left out")
	e, _ = testEvents(t, EventPoint{Name: "a"})
	plain, err := e.eventsRequest(nil, plantNamespaces, 1, true)
	require.NoError(t, err)
	assert.Len(t, plain.RequestedParameters.Filter.Value.(*ua.EventFilter).SelectClauses, plainFieldCount)
	assert.EqualValues(t, eventQueue, plain.RequestedParameters.QueueSize)
}

func TestEventPointFaults(t *testing.T) {
	err := EventPoint{Notifier: "x", MinSeverity: 1001, Types: []NodeID{"y"}, Queue: -1}.faults()
	for _, text := range []string{"no name", `"x"`, "1001", `"y"`, "queue of -1"} {
		assert.ErrorContains(t, err, text)
	}
}

func FuzzEvent(f *testing.F) {
	body, err := ua.Encode(&ua.EventNotificationList{Events: []*ua.EventFieldList{{EventFields: []*ua.Variant{
		ua.MustVariant(ua.NewTwoByteNodeID(1)), ua.MustVariant("x"), ua.MustVariant(time.Unix(1, 0)), ua.MustVariant(ua.NewLocalizedText("m")),
		ua.MustVariant(uint16(1)), ua.MustVariant([]byte{1}), ua.MustVariant(nil), ua.MustVariant(true), ua.MustVariant(false), ua.MustVariant(true),
	}}}})
	require.NoError(f, err)
	f.Add(body)
	f.Fuzz(func(t *testing.T, body []byte) {
		events, err := uabin.ExtensionObject{Binary: true, Body: body}.Events()
		if err != nil {
			return
		}
		e, catalog := testEvents(t, EventPoint{Name: "a"})
		r := events.Reader()
		for range events.Len {
			var b acquire.Batch
			happened, ok := readEvent(r.Event().Fields)
			if !ok {
				continue
			}
			e.happen(&b, &happened, &typeIDs{namespaces: plantNamespaces}, 1, 0)
			require.Len(t, b.Samples, happened.samples())
			require.GreaterOrEqual(t, len(b.Samples), leastOfEvent)
			for _, s := range b.Samples {
				p, _ := catalog.Point(s.Point)
				require.Equal(t, s.Value.IsNone(), s.Quality.IsBad())
				if !s.Value.IsNone() {
					require.Equal(t, p.Kind, s.Value.Kind())
				}
			}
		}
	})
}
