package opcua

import (
	"strconv"
	"testing"

	"github.com/gopcua/opcua/ua"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/internal/uabin"
)

// TestRefreshLosesRace has the server tell of a value while it is being read since it had
// not: it is not told twice, nor said to be bad when the read fails.
func TestRefreshLosesRace(t *testing.T) {
	response := &ua.ReadResponse{ResponseHeader: responseHeader(1, ua.StatusOK)}
	cfg := Config{
		Client:  ClientConfig{Endpoint: "opc.tcp://192.0.2.1", Policies: []Policy{PolicyNone}},
		Catalog: acquire.NewCatalog(), Buffer: 3,
	}
	for i := range 3 {
		cfg.Points = append(cfg.Points, Point{Name: strconv.Itoa(i), Node: NodeID("i=" + strconv.Itoa(i))})
		response.Results = append(response.Results, &ua.DataValue{EncodingMask: ua.DataValueValue, Value: ua.MustVariant(float64(i))})
	}
	src, err := NewSource(cfg)
	require.NoError(t, err)
	q := newQueue(src.items, cfg.Buffer)
	st := &standing{src: src, tracks: make([]track, 3), states: make([]itemState, 3)}
	s := &stream{src: src, st: st, queue: q}
	p := &pump{standing: st, queue: q, settling: &settling{heard: []bool{false, true, false}, left: 2}}
	p.polls.refreshing = 2
	refreshed := &part{items: []int{0, 1, 2}, refresh: true}

	r := uabin.NewReader(encodeResponse(response))
	r.Header()
	read := entry{kind: readEntry, items: p.unheard(refreshed)}
	read.list.add(r.Read().Results)
	require.NoError(t, r.End())
	q.push(read)
	var b acquire.Batch
	require.NoError(t, s.Next(t.Context(), &b))
	require.Len(t, b.Samples, 2)
	for i, at := range []int{0, 2} {
		v, _ := b.Samples[i].Value.Float64()
		assert.Equal(t, src.points[at], b.Samples[i].Point)
		assert.EqualValues(t, at, v)
	}

	p.failed(refreshed, acquire.Bad)
	require.NoError(t, s.Next(t.Context(), &b))
	require.Len(t, b.Samples, 2)

	q.push(read) // and the buffer is full
	q.push(read)
	require.NoError(t, s.Next(t.Context(), &b))
	assert.EqualValues(t, 2, b.Lost, "what was not to be told is not lost")
}
