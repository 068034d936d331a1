package opcuatest_test

import (
	"context"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/gopcua/opcua"
	"github.com/gopcua/opcua/id"
	"github.com/gopcua/opcua/ua"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/drivers/opcua/opcuatest"
)

// steps counts the steps since 1970.
func steps(step time.Duration) func(time.Time) any {
	return func(t time.Time) any { return t.UnixNano() / int64(step) }
}

// everything is a server with each kind of thing once.
func everything() opcuatest.Config {
	constant := func(v any) func(time.Time) any { return func(time.Time) any { return v } }
	cfg := opcuatest.Config{
		Folders: []opcuatest.Folder{{ID: "ns=2;s=Line", Name: "Line"}},
		Structures: []opcuatest.StructureType{{ID: "ns=2;i=3000", Name: "Batch", Encoding: "ns=2;i=3001", Fields: []opcuatest.Field{
			{Name: "Number", Type: "i=7"}, {Name: "Recipe", Type: "i=12"}, {Name: "Weights", Type: "i=11", Array: true},
		}}},
		Enumerations: []opcuatest.Enumeration{{ID: "ns=2;i=3002", Name: "Mode", Members: []string{"Off", "Idle", "Run"}}},
		Variables: []opcuatest.Variable{
			{ID: "ns=2;s=Line.Power", Parent: "ns=2;s=Line", Name: "Power", Value: func(t time.Time) any { return float64(t.UnixMilli() % 1000) },
				Unit: &opcuatest.Unit{ID: opcuatest.Code("KWT"), Symbol: "kW", Description: "kilowatt"}, Range: &opcuatest.Range{High: 1000}},
			{ID: "ns=2;s=Seq", Name: "Seq", Value: steps(10 * time.Millisecond), Step: 10 * time.Millisecond, Historizing: true},
			{ID: "ns=2;s=Batch", Name: "Batch", DataType: "ns=2;i=3000", Value: constant(opcuatest.Structure{Encoding: "ns=2;i=3001", Fields: []any{uint32(7), "oak", []float64{1, 2}}})},
			{ID: "ns=2;s=Mode", Name: "Mode", DataType: "ns=2;i=3002", Value: constant(int32(2)), Members: []string{"Off", "Idle", "Run"}},
			{ID: "ns=2;s=Hidden", Name: "Hidden", Value: constant(int32(2)), Hidden: true},
			{ID: "ns=2;s=Bad", Name: "Bad", Read: func(time.Time) opcuatest.Reading { return opcuatest.Reading{Status: 0x808A0000} }},
		},
	}
	for i, v := range kinds {
		cfg.Variables = append(cfg.Variables, opcuatest.Variable{ID: opcuatest.NodeID(fmt.Sprintf("ns=2;s=Kind.%d", i)), Name: fmt.Sprint("Kind", i), Value: constant(v.ours)})
	}
	return cfg
}

var at = time.Date(2024, 2, 29, 12, 0, 0, 123456700, time.UTC)

// kinds are values and how gopcua decodes them.
var kinds = []struct{ ours, theirs any }{
	{true, true}, {int8(-1), int8(-1)}, {uint8(200), uint8(200)}, {int16(-2), int16(-2)}, {uint16(2), uint16(2)}, {int32(-3), int32(-3)}, {uint32(3), uint32(3)},
	{int64(math.MinInt64), int64(math.MinInt64)}, {uint64(math.MaxUint64), uint64(math.MaxUint64)}, {float32(1.5), float32(1.5)}, {2.5, 2.5}, {"Größe", "Größe"}, {"", ""},
	{at, at}, {opcuatest.GUID{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}, ua.NewGUID("01020304-0506-0708-090A-0B0C0D0E0F10")},
	{[]byte{1, 2}, []byte{1, 2}}, {opcuatest.XML("<a/>"), ua.XMLElement("<a/>")}, {opcuatest.NodeID("ns=2;s=a"), ua.NewStringNodeID(2, "a")},
	{opcuatest.Status(0x80340000), ua.StatusBadNodeIDUnknown}, {opcuatest.QualifiedName{Namespace: 2, Name: "n"}, &ua.QualifiedName{NamespaceIndex: 2, Name: "n"}},
	{opcuatest.LocalizedText{Locale: "en", Text: "t"}, &ua.LocalizedText{EncodingMask: 3, Locale: "en", Text: "t"}},
	{[]float64{1, 2}, []float64{1, 2}}, {[]bool{true, false}, []bool{true, false}}, {[]string{"a", ""}, []string{"a", ""}}, {opcuatest.Bytes{1, 2}, ua.ByteArray{1, 2}},
	{[]int16{1}, []int16{1}}, {[][]byte{{1}, {2}}, [][]byte{{1}, {2}}}, {[]time.Time{at}, []time.Time{at}}, {nil, nil},
	{opcuatest.Matrix{Values: []int32{1, 2, 3, 4}, Dimensions: []int32{2, 2}}, [][]int32{{1, 2}, {3, 4}}},
}

func start(t *testing.T, cfg opcuatest.Config) *opcuatest.Server {
	t.Helper()
	s, err := opcuatest.Start(cfg)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, s.Close()) })
	return s
}

func connect(t *testing.T, s *opcuatest.Server, options ...opcua.Option) *opcua.Client {
	t.Helper()
	c, err := opcua.NewClient(s.URL(), append([]opcua.Option{opcua.SecurityMode(ua.MessageSecurityModeNone), opcua.AutoReconnect(false)}, options...)...)
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	require.NoError(t, c.Connect(ctx))
	t.Cleanup(func() { _ = c.Close(context.WithoutCancel(t.Context())) })
	return c
}

func node(t *testing.T, text string) *ua.NodeID {
	n, err := ua.ParseNodeID(text)
	require.NoError(t, err)
	return n
}

func TestRead(t *testing.T) {
	s := start(t, everything())
	c := connect(t, s)
	request := &ua.ReadRequest{TimestampsToReturn: ua.TimestampsToReturnBoth}
	for i := range kinds {
		request.NodesToRead = append(request.NodesToRead, &ua.ReadValueID{NodeID: node(t, fmt.Sprintf("ns=2;s=Kind.%d", i))})
	}
	for _, text := range []string{"ns=2;s=Hidden", "ns=2;s=Bad", "ns=2;s=None", "ns=2;s=Batch", "i=2256"} {
		request.NodesToRead = append(request.NodesToRead, &ua.ReadValueID{NodeID: node(t, text)})
	}
	response, err := c.Read(t.Context(), request)
	require.NoError(t, err)
	for i, k := range kinds {
		assert.Equal(t, ua.StatusOK, response.Results[i].Status)
		if k.theirs == nil {
			assert.Nil(t, response.Results[i].Value.Value())
			continue
		}
		assert.Equal(t, k.theirs, response.Results[i].Value.Value(), "%T", k.ours)
		assert.False(t, response.Results[i].SourceTimestamp.IsZero())
		assert.False(t, response.Results[i].ServerTimestamp.IsZero())
	}
	rest := response.Results[len(kinds):]
	assert.Equal(t, []ua.StatusCode{ua.StatusBadNotReadable, 0x808A0000, ua.StatusBadNodeIDUnknown, ua.StatusBadDataTypeIDUnknown, 0}, // the fourth is gopcua's word for structures
		[]ua.StatusCode{rest[0].Status, rest[1].Status, rest[2].Status, rest[3].Status, rest[4].Status})
	status, ok := rest[4].Value.Value().(*ua.ExtensionObject).Value.(*ua.ServerStatusDataType)
	require.True(t, ok)
	assert.Equal(t, "fieldtap", status.BuildInfo.ManufacturerName)

	part, err := c.Read(t.Context(), &ua.ReadRequest{NodesToRead: []*ua.ReadValueID{
		{NodeID: node(t, "ns=2;s=Kind.21"), AttributeID: ua.AttributeIDValue, IndexRange: "1:5"}, {NodeID: node(t, "ns=2;i=3000"), AttributeID: ua.AttributeIDDataTypeDefinition},
		{NodeID: node(t, "ns=2;i=3002"), AttributeID: ua.AttributeIDDataTypeDefinition}, {NodeID: node(t, "ns=2;s=Line"), AttributeID: ua.AttributeIDValue},
	}})
	require.NoError(t, err)
	assert.Equal(t, []float64{2}, part.Results[0].Value.Value())
	definition := part.Results[1].Value.Value().(*ua.ExtensionObject).Value.(*ua.StructureDefinition)
	require.Len(t, definition.Fields, 3)
	assert.Equal(t, "Weights", definition.Fields[2].Name)
	assert.EqualValues(t, 1, definition.Fields[2].ValueRank)
	assert.Equal(t, "ns=2;i=3001", definition.DefaultEncodingID.String())
	assert.Equal(t, "Run", part.Results[2].Value.Value().(*ua.ExtensionObject).Value.(*ua.EnumDefinition).Fields[2].Name)
	assert.Equal(t, ua.StatusBadAttributeIDInvalid, part.Results[3].Status)
}

func TestBrowseAndTranslate(t *testing.T) {
	cfg := everything()
	cfg.Limits.References = 3
	s := start(t, cfg)
	c := connect(t, s)
	found, err := c.Node(ua.NewNumericNodeID(0, id.ObjectsFolder)).ReferencedNodes(t.Context(), id.HierarchicalReferences, ua.BrowseDirectionForward, ua.NodeClassVariable, true)
	require.NoError(t, err)
	assert.Len(t, found, len(cfg.Variables)-1)
	response, err := send(t, c, &ua.TranslateBrowsePathsToNodeIDsRequest{BrowsePaths: []*ua.BrowsePath{
		{StartingNode: node(t, "ns=2;s=Line.Power"), RelativePath: &ua.RelativePath{Elements: []*ua.RelativePathElement{{ReferenceTypeID: ua.NewNumericNodeID(0, id.HasProperty), TargetName: &ua.QualifiedName{Name: "EngineeringUnits"}}}}},
		{StartingNode: node(t, "ns=2;s=Seq"), RelativePath: &ua.RelativePath{Elements: []*ua.RelativePathElement{{ReferenceTypeID: ua.NewNumericNodeID(0, id.HasProperty), TargetName: &ua.QualifiedName{Name: "EngineeringUnits"}}}}},
	}})
	require.NoError(t, err)
	paths := response.(*ua.TranslateBrowsePathsToNodeIDsResponse)
	assert.Equal(t, ua.StatusBadNoMatch, paths.Results[1].StatusCode)
	v, err := c.Node(paths.Results[0].Targets[0].TargetID.NodeID).Value(t.Context())
	require.NoError(t, err)
	unit := v.Value().(*ua.ExtensionObject).Value.(*ua.EUInformation)
	assert.Equal(t, "kW", unit.DisplayName.Text)
	assert.Equal(t, int32(0x4B5754), unit.UnitID)
}

// send sends any request.
func send(t *testing.T, c *opcua.Client, request ua.Request) (response ua.Response, err error) {
	t.Helper()
	err = c.Send(t.Context(), request, func(r ua.Response) error {
		response = r
		return nil
	})
	return response, err
}

func TestHistory(t *testing.T) {
	cfg := everything()
	cfg.Limits.HistoryValues = 30
	s := start(t, cfg)
	c := connect(t, s)
	end := time.Now().Truncate(time.Second)
	begin := end.Add(-time.Second)
	var got []int64
	var point []byte
	pages := 0
	for {
		r, err := c.HistoryReadRawModified(t.Context(), []*ua.HistoryReadValueID{{NodeID: node(t, "ns=2;s=Seq"), ContinuationPoint: point, DataEncoding: &ua.QualifiedName{}}},
			&ua.ReadRawModifiedDetails{StartTime: begin, EndTime: end})
		require.NoError(t, err)
		pages++
		for _, v := range r.Results[0].HistoryData.Value.(*ua.HistoryData).DataValues {
			got = append(got, v.Value.Int())
			assert.Equal(t, v.Value.Int(), v.SourceTimestamp.UnixNano()/1e7)
		}
		if point = r.Results[0].ContinuationPoint; len(point) == 0 {
			break
		}
	}
	assert.Equal(t, 4, pages)
	require.Len(t, got, 100)
	for i, v := range got {
		assert.Equal(t, begin.UnixNano()/1e7+int64(i), v)
	}
	r, err := c.HistoryReadRawModified(t.Context(), []*ua.HistoryReadValueID{{NodeID: node(t, "ns=2;s=Mode"), DataEncoding: &ua.QualifiedName{}}}, &ua.ReadRawModifiedDetails{StartTime: begin, EndTime: end})
	require.NoError(t, err)
	assert.Equal(t, ua.StatusBadHistoryOperationUnsupported, r.Results[0].StatusCode)
}

// A subscription with a queue that is long enough misses nothing, and repeats nothing.
func TestSubscribe(t *testing.T) {
	s := start(t, everything())
	c := connect(t, s)
	notes := make(chan *opcua.PublishNotificationData, 100)
	sub, err := c.Subscribe(t.Context(), &opcua.SubscriptionParameters{Interval: 50 * time.Millisecond}, notes)
	require.NoError(t, err)
	r, err := sub.Monitor(t.Context(), ua.TimestampsToReturnBoth, &ua.MonitoredItemCreateRequest{
		ItemToMonitor: &ua.ReadValueID{NodeID: node(t, "ns=2;s=Seq"), AttributeID: ua.AttributeIDValue, DataEncoding: &ua.QualifiedName{}}, MonitoringMode: ua.MonitoringModeReporting,
		RequestedParameters: &ua.MonitoringParameters{ClientHandle: 7, SamplingInterval: 10, QueueSize: 100, DiscardOldest: true},
	})
	require.NoError(t, err)
	require.Equal(t, ua.StatusOK, r.Results[0].StatusCode)
	assert.Equal(t, 10.0, r.Results[0].RevisedSamplingInterval)
	var last int64
	for n := 0; n < 50; {
		note := <-notes
		require.NoError(t, note.Error)
		change, ok := note.Value.(*ua.DataChangeNotification)
		if !ok {
			continue
		}
		for _, i := range change.MonitoredItems {
			assert.EqualValues(t, 7, i.ClientHandle)
			v := i.Value.Value.Int()
			if last != 0 {
				assert.Equal(t, last+1, v)
			}
			last = v
			n++
		}
	}
	assert.Equal(t, 1, s.Stats().Items)
	require.NoError(t, sub.Cancel(t.Context()))
	assert.Zero(t, s.Stats().Subscriptions)
}
