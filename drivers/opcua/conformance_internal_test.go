package opcua

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gopcua/opcua/ua"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/acquire/acquiretest"
)

func TestConformance(t *testing.T) {
	t.Run("subscription", func(t *testing.T) { acquiretest.TestSource(t, conforming(Config{}, 5, 0, 0)) })
	t.Run("polls of two nodes", func(t *testing.T) { acquiretest.TestSource(t, conforming(Config{MaxPerCall: 2}, 0, 5, 0)) })
	t.Run("events", func(t *testing.T) { acquiretest.TestSource(t, conforming(Config{}, 1, 0, 2)) })
}

// showing is what a node of a number shows at a time.
func showing(number int, at time.Time) uint64 { return uint64(at.Unix()%86400/2)*100 + uint64(number) }

// alarming is what an event of a number tells of a time.
func alarming(number int, at time.Time) (severity uint16, active bool) {
	n := showing(number, at)
	return uint16(1 + n%1000), n/100%2 == 0
}

func conforming(cfg Config, monitored, polled, events int) acquiretest.NewSubject {
	return func(t *testing.T) *acquiretest.Subject {
		p := newFakeServer(t)
		cfg := cfg
		cfg.Interval, cfg.PollInterval = 500*time.Millisecond, 2*time.Second
		p.every = cfg.Interval / 2 // often enough: each value holds for 2 s
		cfg.Name, cfg.Catalog = "clockwork", acquire.NewCatalog()
		cfg.Client = ClientConfig{
			Endpoint: "opc.tcp://192.0.2.1", Policies: []Policy{PolicyNone}, Dial: p.dial, Timeout: 800 * time.Millisecond, ConnectTimeout: time.Second,
		}
		numbers := make(map[string]int)
		for i := range monitored + polled {
			name, node := "point "+strconv.Itoa(i), "ns=2;s=clock "+strconv.Itoa(i)
			numbers[name] = i
			p.nodes[node] = func(now time.Time) *ua.DataValue {
				return &ua.DataValue{EncodingMask: ua.DataValueValue, Value: ua.MustVariant(showing(i, now))}
			}
			cfg.Points = append(cfg.Points, Point{Name: name, Node: NodeID(node), Kind: acquire.KindUint64, Poll: i >= monitored})
		}
		for i := range events {
			name, node := "alarms "+strconv.Itoa(i), "ns=2;s=alarms "+strconv.Itoa(i)
			p.notifiers[node] = true
			for ending := range (EventPoint{Name: name}).names {
				numbers[ending] = i
			}
			cfg.Events = append(cfg.Events, EventPoint{Name: name, Notifier: NodeID(node)})
		}
		last := showing(0, time.Now())
		happening := func(now time.Time) {
			if showing(0, now) == last {
				return
			}
			last = showing(0, now)
			for i := range events {
				severity, active := alarming(i, now)
				p.emit("ns=2;s=alarms "+strconv.Itoa(i), map[string]any{
					"EventType": ua.NewNumericNodeID(0, 2915), "SourceName": "clock", "Time": now.Add(p.offset), "Message": ua.NewLocalizedText("tick"),
					"Severity": severity, "ConditionName": "even", "ActiveState/Id": active, "AckedState/Id": active, "Retain": active,
				})
			}
		}
		p.set(func() { p.happening = happening })
		source, err := NewSource(cfg)
		require.NoError(t, err)
		number := func(id acquire.PointID) int {
			point, _ := cfg.Catalog.Point(id)
			return numbers[point.Name]
		}
		return &acquiretest.Subject{
			Source: source, Catalog: cfg.Catalog, Period: 2 * time.Second, Timeout: 800 * time.Millisecond,
			Truth: func(id acquire.PointID, at acquire.Instant) acquire.Value {
				point, _ := cfg.Catalog.Point(id)
				severity, active := alarming(number(id), at.Time())
				switch {
				case point.Kind == acquire.KindText:
					return acquire.Value{}
				case point.Kind == acquire.KindBool:
					return acquire.Bool(active)
				case strings.HasSuffix(point.Name, "/severity"):
					return acquire.Uint64(uint64(severity))
				}
				return acquire.Uint64(showing(number(id), at.Time()))
			},
			Writes: func() uint64 {
				p.mu.Lock()
				defer p.mu.Unlock()
				return p.writes
			},
			Connections: p.open,
			Refuse: func(id acquire.PointID) acquire.Quality {
				node := "ns=2;s=clock " + strconv.Itoa(number(id))
				p.set(func() {
					p.nodes[node] = func(time.Time) *ua.DataValue {
						return &ua.DataValue{EncodingMask: ua.DataValueStatusCode, Status: ua.StatusBadOutOfService}
					}
				})
				return StatusCode(ua.StatusBadOutOfService).quality()
			},
			Silence: func() { p.set(func() { p.silent = true }) },
			Late:    func(d time.Duration) { p.set(func() { p.late = d }) },
			Disconnect: func() {
				p.set(func() { p.refusing = true })
				p.reset(false)
			},
			Flood: func() { p.set(func() { p.flood = true }) },
			Restore: func() {
				p.set(func() {
					p.refusing, p.silent, p.flood, p.late = false, false, false, 0
					for i := range monitored + polled {
						p.nodes["ns=2;s=clock "+strconv.Itoa(i)] = func(now time.Time) *ua.DataValue {
							return &ua.DataValue{EncodingMask: ua.DataValueValue, Value: ua.MustVariant(showing(i, now))}
						}
					}
				})
			},
			Clock: func(d time.Duration) {
				p.set(func() { p.offset += d })
			},
		}
	}
}
