package snmp_test

import (
	"context"
	"errors"
	"net"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/acquire/acquiretest"
	"github.com/fieldtap/fieldtap/drivers/snmp"
	"github.com/fieldtap/fieldtap/drivers/snmp/snmptest"
)

func TestConformance(t *testing.T) {
	scalars := snmp.Config{Limits: snmp.Limits{MaxObjects: 2}}
	table := snmp.Config{Tables: []snmp.Table{{
		Name: "row {index}", Columns: []snmp.Point{{Name: "1", OID: clockTable + ".1"}, {Name: "2", OID: clockTable + ".2"}},
	}}}
	t.Run("scalars", func(t *testing.T) { acquiretest.TestSource(t, conforming(scalars, 5)) })
	t.Run("version 1", func(t *testing.T) {
		cfg := scalars
		cfg.Version = snmp.V1
		acquiretest.TestSource(t, conforming(cfg, 5))
	})
	t.Run("stream of bytes", func(t *testing.T) {
		cfg := scalars
		cfg.TCP = true
		acquiretest.TestSource(t, conforming(cfg, 5))
	})
	t.Run("table", func(t *testing.T) { acquiretest.TestSource(t, conforming(table, 0)) })
	t.Run("scalars and table", func(t *testing.T) { acquiretest.TestSource(t, conforming(table, 3)) })
	t.Run("table of version 1", func(t *testing.T) {
		cfg := table
		cfg.Version = snmp.V1
		acquiretest.TestSource(t, conforming(cfg, 1))
	})
	t.Run("version 3", func(t *testing.T) {
		cfg := table
		cfg.User = snmp.User{Name: "reader", AuthKey: "authentication", PrivKey: "encryption"}
		acquiretest.TestSource(t, conforming(cfg, 2))
	})
}

// The objects of a clockwork: scalars below one, cells below the other. Each shows the
// seconds of the day and its own number.
const (
	clockScalars = private + ".10"
	clockTable   = private + ".11.1"
)

// showing is what the object of a number shows at a time.
func showing(number int, at time.Time) int32 { return int32(at.Unix()%86400/2)*100 + int32(number) }

// conforming returns subjects that read scalars of a clockwork, and its table of three
// rows if cfg says so.
func conforming(cfg snmp.Config, scalars int) acquiretest.NewSubject {
	return func(t *testing.T) *acquiretest.Subject {
		objects := snmptest.Objects{sysUpTime: snmptest.Uptime()}
		numbers, oids := make(map[string]int), make(map[string]string) // by point
		clock := func(point, oid string) {
			n := len(numbers)
			numbers[point], oids[point] = n, oid
			objects[oid] = snmptest.Func(func(c snmptest.Clock) snmptest.Value { return snmptest.Integer(showing(n, c.Now)) })
		}
		cfg := cfg
		cfg.Points = nil
		for i := range scalars {
			name, oid := "scalar "+strconv.Itoa(i), clockScalars+"."+strconv.Itoa(i)+".0"
			clock(name, oid)
			cfg.Points = append(cfg.Points, snmp.Point{Name: name, OID: snmp.OID(oid)})
		}
		if cfg.Tables != nil {
			for _, column := range []string{"1", "2"} {
				for _, row := range []string{"1", "200", "70000"} {
					clock("row "+row+"/"+column, clockTable+"."+column+"."+row)
				}
			}
		}
		mib, err := snmptest.NewMIB(objects)
		require.NoError(t, err)
		agent, err := snmptest.New(snmptest.Config{MIB: mib, Users: []snmptest.User{{
			Name: "reader", Auth: snmptest.SHA256, AuthPassword: "authentication", Priv: snmptest.AES128, PrivPassword: "encryption",
		}}})
		require.NoError(t, err)
		t.Cleanup(func() { agent.Close() })

		var mu sync.Mutex
		var refusing bool
		var offset time.Duration
		var conns []net.Conn
		cfg.Name, cfg.Interval, cfg.Timeout, cfg.Catalog = "clockwork", 2*time.Second, 500*time.Millisecond, acquire.NewCatalog()
		if cfg.User.Name == "" {
			cfg.Community = "public"
		}
		cfg.Dial = func(context.Context) (net.Conn, error) {
			mu.Lock()
			defer mu.Unlock()
			if refusing {
				return nil, errors.New("connection refused")
			}
			serve := agent.ServeDatagrams
			if cfg.TCP {
				serve = agent.ServeConn
			}
			counted := &countedConn{Conn: link(serve)}
			conns = append(conns, counted)
			return counted, nil
		}
		cfg.Now = func() time.Time {
			mu.Lock()
			defer mu.Unlock()
			return time.Now().Add(offset)
		}
		source, err := snmp.NewSource(cfg)
		require.NoError(t, err)
		if cfg.Tables != nil { // whose points are defined when they are met
			first, err := source.Open(t.Context())
			require.NoError(t, err)
			require.NoError(t, first.Next(t.Context(), new(acquire.Batch)))
			require.NoError(t, first.Close())
		}
		name := func(p acquire.PointID) string {
			point, _ := cfg.Catalog.Point(p)
			return point.Name
		}
		return &acquiretest.Subject{
			Source: source, Catalog: cfg.Catalog, Period: cfg.Interval, Timeout: cfg.Timeout,
			Truth: func(p acquire.PointID, at acquire.Instant) acquire.Value {
				return acquire.Float64(float64(showing(numbers[name(p)], at.Time())))
			},
			Writes: agent.Sets,
			Connections: func() (open int) {
				mu.Lock()
				defer mu.Unlock()
				for _, c := range conns {
					if !c.(*countedConn).closed() {
						open++
					}
				}
				return open
			},
			Refuse: func(p acquire.PointID) acquire.Quality {
				const genErr = 5
				agent.SetFault(snmptest.StatusAt(oids[name(p)], genErr))
				return snmp.GenErr.Quality()
			},
			Silence: func() { agent.SetFault(snmptest.Silent()) },
			Late:    func(d time.Duration) { agent.SetFault(snmptest.Late(d)) },
			Disconnect: func() {
				mu.Lock()
				defer mu.Unlock()
				refusing = true
				for _, c := range conns {
					c.Close()
				}
			},
			Flood: func() {
				agent.SetFault(func(x *snmptest.Exchange) {
					switch x.N % 3 {
					case 0:
						snmptest.Chain(snmptest.WrongRequestID(), snmptest.Duplicated(1000))(x)
					case 1:
						snmptest.HugeLength()(x)
					case 2:
						snmptest.Garbage()(x)
					}
				})
			},
			Restore: func() {
				mu.Lock()
				defer mu.Unlock()
				refusing = false
				agent.SetFault(nil)
			},
			Clock: func(d time.Duration) {
				mu.Lock()
				defer mu.Unlock()
				offset += d
			},
		}
	}
}

// countedConn knows whether it was closed.
type countedConn struct {
	net.Conn
	gone bool
	mu   sync.Mutex
}

func (c *countedConn) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.gone = true
	return c.Conn.Close()
}

func (c *countedConn) closed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.gone
}
