package opcua

import (
	"errors"
	"testing"
	"time"

	"github.com/gopcua/opcua/ua"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/internal/uabin"
)

// pastSpace keeps values of n seconds from second 1000 on.
func pastSpace(n int) *space {
	s := newSpace()
	s.add("ns=2;s=P", ua.NodeClassVariable, "P")
	for i := range n {
		s.history["ns=2;s=P"] = append(s.history["ns=2;s=P"], &ua.DataValue{
			EncodingMask: ua.DataValueValue | ua.DataValueSourceTimestamp | ua.DataValueStatusCode, Value: ua.MustVariant(int64(i)),
			SourceTimestamp: time.Unix(1000+int64(i), 0), Status: ua.StatusCode(0x40000000 * uint32(i%2)),
		})
	}
	return s
}

func second(n int64) acquire.Instant { return acquire.At(time.Unix(n, 0)) }

func TestHistory(t *testing.T) {
	for _, page := range []int{1000, 7, 1} {
		s := pastSpace(100)
		s.page = page
		c, _ := s.client(t)
		next := int64(10)
		for v, err := range c.History(t.Context(), "nsu=urn:plant:meters;s=P", second(1010), second(1090)) {
			require.NoError(t, err)
			n, ok := v.Int()
			require.True(t, ok)
			require.Equal(t, next, n, "in order, none twice, none left out")
			require.Equal(t, second(1000+next), v.SourceTime)
			require.Equal(t, StatusCode(0x40000000*uint32(next%2)), v.Status)
			next++
		}
		assert.EqualValues(t, 90, next, "from inclusive, to exclusive")
		assert.Zero(t, s.open())
	}
}

func TestHistoryEnds(t *testing.T) {
	last := func(t *testing.T, c *Client, node NodeID, from, to acquire.Instant) (n int, last error) {
		for v, err := range c.History(t.Context(), node, from, to) {
			if last = err; err != nil {
				assert.Zero(t, v)
				continue
			}
			n++
		}
		return n, last
	}
	t.Run("left early", func(t *testing.T) {
		s := pastSpace(100)
		s.page = 10
		c, _ := s.client(t)
		for _, err := range c.History(t.Context(), "ns=2;s=P", second(1), second(2000)) {
			require.NoError(t, err)
			break
		}
		assert.Zero(t, s.open(), "the continuation point is released")
	})
	t.Run("no history", func(t *testing.T) {
		c, server := newSpace().client(t)
		n, err := last(t, c, "i=84", second(1), second(2))
		var refused *ServiceError
		require.ErrorAs(t, err, &refused)
		assert.Equal(t, StatusBadHistoryUnsupported, refused.Status, "the server's own status")
		assert.Zero(t, n)
		assert.Equal(t, 1, server.sessions)
	})
	t.Run("no span", func(t *testing.T) {
		c, _ := pastSpace(1).client(t)
		for _, span := range [][2]acquire.Instant{{0, second(1)}, {second(1), 0}, {second(2), second(1)}, {second(1), second(1)}} {
			_, err := last(t, c, "ns=2;s=P", span[0], span[1])
			require.Error(t, err)
		}
	})
	t.Run("pages without values", func(t *testing.T) {
		s := pastSpace(100)
		s.lie = func(request ua.Request, response ua.Response) ua.Response {
			if r, ok := response.(*ua.HistoryReadResponse); ok {
				r.Results[0].ContinuationPoint = []byte("again")
				r.Results[0].StatusCode = 0
				r.Results[0].HistoryData = object(&ua.HistoryData{})
			}
			return response
		}
		c, _ := s.client(t)
		_, err := last(t, c, "ns=2;s=P", second(1), second(2000))
		var wrong *ProtocolError
		require.ErrorAs(t, err, &wrong)
	})
	t.Run("another type of data", func(t *testing.T) {
		s := pastSpace(100)
		s.lie = func(request ua.Request, response ua.Response) ua.Response {
			if r, ok := response.(*ua.HistoryReadResponse); ok {
				r.Results[0].HistoryData = object(&ua.Range{})
			}
			return response
		}
		c, _ := s.client(t)
		n, err := last(t, c, "ns=2;s=P", second(1), second(2000))
		var wrong *ProtocolError
		require.ErrorAs(t, err, &wrong)
		assert.Zero(t, n)
	})
	t.Run("lost in the middle", func(t *testing.T) {
		s := pastSpace(100)
		s.page = 10
		pages := 0
		s.fault = func(r ua.Request) ua.StatusCode {
			if _, ok := r.(*ua.HistoryReadRequest); ok {
				if pages++; pages == 3 {
					return ua.StatusBadSessionIDInvalid
				}
			}
			return 0
		}
		c, _ := s.client(t)
		n, err := last(t, c, "ns=2;s=P", second(1), second(2000))
		require.Error(t, err)
		assert.Equal(t, 20, n, "values that were told are not told again")
	})
	t.Run("session lost before", func(t *testing.T) {
		s := pastSpace(100)
		c, _ := s.client(t)
		_, err := c.Namespaces(t.Context())
		require.NoError(t, err)
		once := true
		s.fault = func(r ua.Request) ua.StatusCode {
			if once {
				once = false
				return ua.StatusBadSessionClosed
			}
			return 0
		}
		n, err := last(t, c, "ns=2;s=P", second(1), second(2000))
		require.NoError(t, err)
		assert.Equal(t, 100, n)
	})
}

func TestHistoryComputed(t *testing.T) {
	s := pastSpace(100)
	s.page = 3
	c, _ := s.client(t)
	n := int64(0)
	for v, err := range c.HistoryProcessed(t.Context(), "ns=2;s=P", Average, 10*time.Second, second(1000), second(1100)) {
		require.NoError(t, err)
		f, ok := v.Float()
		assert.True(t, ok)
		assert.EqualValues(t, Average, f)
		assert.Equal(t, second(1000+10*n), v.SourceTime)
		n++
	}
	assert.EqualValues(t, 10, n)
	for _, err := range c.HistoryProcessed(t.Context(), "ns=2;s=P", Average, time.Nanosecond, second(1000), second(1100)) {
		require.Error(t, err)
	}
	s.page = 200
	var asked []acquire.Instant
	for i := range int64(1203) {
		asked = append(asked, second(5000-i))
	}
	values, err := c.HistoryAt(t.Context(), "ns=2;s=P", asked...)
	require.NoError(t, err)
	require.Len(t, values, len(asked))
	for i, v := range values {
		require.Equal(t, asked[i], v.SourceTime)
	}
	assert.Zero(t, s.open())
}

func TestAggregateNames(t *testing.T) {
	for a, name := range aggregateNames {
		var back Aggregate
		require.NoError(t, back.UnmarshalText([]byte(name)))
		assert.Equal(t, a, back)
		assert.Equal(t, name, a.String())
	}
	var none Aggregate
	require.Error(t, none.UnmarshalText([]byte("Mean")))
}

// TestHistories reads the history of many variables in the same requests: each value of
// each comes once and in order, whatever limits the server has.
func TestHistories(t *testing.T) {
	const nodes = 12
	for _, page := range []int{1000, 7, 1} {
		for _, most := range []int{1, 5, 50} {
			for _, points := range []int{0, 1, 3} {
				s := newSpace()
				s.page, s.maxPoints = page, points
				var ids []*ua.NodeID
				for i := range nodes {
					id := "ns=2;i=" + itoa(100+i)
					ids = append(ids, ua.MustParseNodeID(id))
					if i == 4 {
						continue // has none
					}
					s.history[id] = nil
					for k := range 3 * i {
						s.history[id] = append(s.history[id], &ua.DataValue{
							EncodingMask: ua.DataValueValue | ua.DataValueSourceTimestamp, Value: ua.MustVariant(int64(k)), SourceTimestamp: time.Unix(1000+int64(k), 0),
						})
					}
				}
				s.fault = func(r ua.Request) ua.StatusCode {
					if h, ok := r.(*ua.HistoryReadRequest); ok && len(h.NodesToRead) > 8 {
						return ua.StatusBadTooManyOperations
					}
					return 0
				}
				c, _ := s.client(t)
				_, err := c.Namespaces(t.Context())
				require.NoError(t, err)
				got := make([]int64, nodes)
				ended := make([]int, nodes)
				pages := 0
				h := histories{
					session: c.link.session, from: second(1000), to: second(1025), page: func() error { pages++; return nil },
					tell: func(which int, d uabin.DataValue) {
						assert.EqualValues(t, got[which], d.Value.Bits, "in order, none twice, none left out")
						got[which]++
					},
					over: func(which int, err error) {
						ended[which]++
						assert.Equal(t, which == 4, err != nil)
					},
				}
				require.NoError(t, h.read(t.Context(), ids, most))
				for i := range nodes {
					assert.Equal(t, 1, ended[i], "the end of each is told")
					if i != 4 {
						assert.EqualValues(t, min(3*i, 25), got[i], "from inclusive, to exclusive")
					}
				}
				assert.Zero(t, s.open())
				if page == 1000 && most == 50 {
					assert.Equal(t, 2, pages, "two halves")
				}
			}
		}
	}
	t.Run("left early", func(t *testing.T) {
		s := pastSpace(100)
		s.page = 10
		c, _ := s.client(t)
		_, err := c.Namespaces(t.Context())
		require.NoError(t, err)
		id := ua.MustParseNodeID("ns=2;s=P")
		enough := errors.New("enough")
		h := histories{session: c.link.session, from: second(1), to: second(2000), tell: func(int, uabin.DataValue) {}, over: func(int, error) {}, page: func() error { return enough }}
		require.ErrorIs(t, h.read(t.Context(), []*ua.NodeID{id, id, id}, 3), enough)
		assert.Zero(t, s.open(), "the continuation points are released")
		h.to = h.from
		require.Error(t, h.read(t.Context(), []*ua.NodeID{id}, 3))
	})
	t.Run("session lost", func(t *testing.T) {
		s := pastSpace(100)
		s.page = 10
		asked := 0
		s.fault = func(r ua.Request) ua.StatusCode {
			if _, ok := r.(*ua.HistoryReadRequest); ok {
				if asked++; asked == 3 {
					return ua.StatusBadSessionClosed
				}
			}
			return 0
		}
		c, _ := s.client(t)
		_, err := c.Namespaces(t.Context())
		require.NoError(t, err)
		n := 0
		h := histories{session: c.link.session, from: second(1), to: second(2000), tell: func(int, uabin.DataValue) { n++ }, page: func() error { return nil },
			over: func(int, error) { t.Error("nothing is known of the history") }}
		require.Error(t, h.read(t.Context(), []*ua.NodeID{ua.MustParseNodeID("ns=2;s=P")}, 1))
		assert.Equal(t, 20, n)
	})
	t.Run("pages without values", func(t *testing.T) {
		s := pastSpace(100)
		s.lie = func(request ua.Request, response ua.Response) ua.Response {
			if r, ok := response.(*ua.HistoryReadResponse); ok {
				for _, result := range r.Results {
					result.ContinuationPoint, result.StatusCode, result.HistoryData = []byte("again"), 0, object(&ua.HistoryData{})
				}
			}
			return response
		}
		c, _ := s.client(t)
		_, err := c.Namespaces(t.Context())
		require.NoError(t, err)
		h := histories{session: c.link.session, from: second(1), to: second(2000), tell: func(int, uabin.DataValue) {}, page: func() error { return nil }, over: func(int, error) {}}
		var wrong *ProtocolError
		require.ErrorAs(t, h.read(t.Context(), []*ua.NodeID{ua.MustParseNodeID("ns=2;s=P"), ua.MustParseNodeID("ns=2;s=P")}, 2), &wrong)
	})
}
