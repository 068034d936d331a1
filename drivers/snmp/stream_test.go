package snmp_test

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/drivers/snmp"
	"github.com/fieldtap/fieldtap/drivers/snmp/snmptest"
	"github.com/fieldtap/fieldtap/units"
)

// many returns n scalars, of which number i is i.
func many(n int) (snmptest.Objects, []snmp.Point) {
	objects := snmptest.Objects{sysUpTime: snmptest.Uptime()}
	var points []snmp.Point
	for i := range n {
		oid := fmt.Sprintf("%s.1.%d.0", private, i+1)
		objects[oid] = snmptest.Integer(int32(i))
		points = append(points, snmp.Point{Name: fmt.Sprintf("%03d", i), OID: snmp.OID(oid), Type: snmp.Int32})
	}
	return objects, points
}

// requests returns how many requests the agent had since it was asked last.
func (r *rig) requests() uint64 {
	n := r.agent.Stats().Requests
	defer func() { r.asked = n }()
	return n - r.asked
}

func TestRefusedObjectIsLeftToItself(t *testing.T) {
	for _, version := range []snmp.Version{snmp.V1, snmp.V2c} {
		t.Run(version.String(), func(t *testing.T) {
			objects, points := many(30)
			inBubble(t, objects, snmp.Config{Version: version, Points: points}, func(r *rig) {
				for range 2 {
					r.poll()
				}
				assert.Equal(r, uint64(2), r.requests(), "all in one request each time")
				bad := []string{private + ".1.6", private + ".1.17"}
				r.agent.SetFault(snmptest.Chain(snmptest.StatusAt(bad[0], 5), snmptest.StatusAt(bad[1], 5)))
				want := func(lines []string) {
					r.Helper()
					for i, line := range lines {
						if i == 5 || i == 16 {
							assert.Equal(r, fmt.Sprintf("%03d = -, bad: device (code 5)", i), line)
						} else {
							assert.Equal(r, fmt.Sprintf("%03d = %d, good", i, i), line)
						}
					}
				}
				want(r.poll())
				assert.Equal(r, uint64(3), r.requests())
				assert.Equal(r, []snmp.OID{snmp.OID(bad[0] + ".0"), snmp.OID(bad[1] + ".0")}, r.source.Limits().Refused)
				for range 4 {
					want(r.poll())
					assert.Equal(r, uint64(2), r.requests(), "one with all others, one by turns")
				}
				assert.Equal(r, "get 28 objects", strings.SplitN(r.source.Plan()[0].String(), ",", 2)[0])

				r.agent.SetFault(nil)
				for range 3 {
					r.poll()
				}
				r.requests()
				for i, line := range r.poll() {
					assert.Equal(r, fmt.Sprintf("%03d = %d, good", i, i), line)
				}
				assert.Equal(r, uint64(1), r.requests())
				assert.Empty(r, r.source.Limits().Refused)
			})
		})
	}
}

func TestMissingObjectsOfVersion1(t *testing.T) {
	objects, points := many(10)
	for i := range 10 {
		if i%3 == 0 {
			delete(objects, string(points[i].OID))
		}
	}
	inBubble(t, objects, snmp.Config{Version: snmp.V1, Points: points}, func(r *rig) {
		for range 3 {
			for i, line := range r.poll() {
				if i%3 == 0 {
					assert.Equal(r, fmt.Sprintf("%03d = -, bad: not found (code 2)", i), line)
				} else {
					assert.Equal(r, fmt.Sprintf("%03d = %d, good", i, i), line)
				}
			}
		}
	})
}

// TestRefusedObjectsOfSeveralIntervals wants each to be tried again.
func TestRefusedObjectsOfSeveralIntervals(t *testing.T) {
	objects, points := many(6)
	points[1].Interval, points[2].Interval = 2*time.Second, 2*time.Second
	inBubble(t, objects, snmp.Config{Points: points}, func(r *rig) {
		r.agent.SetFault(snmptest.Chain(
			snmptest.StatusAt(private+".1.1", 5), snmptest.StatusAt(private+".1.2", 5), snmptest.StatusAt(private+".1.3", 5),
		))
		for range 5 {
			r.poll()
		}
		r.agent.SetFault(nil)
		for range 10 {
			r.poll()
		}
		assert.Empty(r, r.source.Limits().Refused)
	})
}

func TestRefusalWithoutIndex(t *testing.T) {
	objects, points := many(16)
	inBubble(t, objects, snmp.Config{Points: points}, func(r *rig) {
		r.agent.SetFault(snmptest.When(snmptest.Asking(private+".1.4"), snmptest.WithStatus(5, 0)))
		for i, line := range r.poll() {
			if i == 3 {
				assert.Equal(r, "003 = -, bad: device (code 5)", line)
			} else {
				assert.Equal(r, fmt.Sprintf("%03d = %d, good", i, i), line)
			}
		}
		r.requests()
		r.poll()
		assert.Equal(r, uint64(2), r.requests())
	})
}

func TestTooBigIsLearnt(t *testing.T) {
	objects, points := many(60)
	inBubble(t, objects, snmp.Config{Points: points}, func(r *rig) {
		r.agent.SetFault(snmptest.TooBigAboveBytes(484))
		good := func() {
			r.Helper()
			for i, line := range r.poll() {
				assert.Equal(r, fmt.Sprintf("%03d = %d, good", i, i), line)
			}
		}
		good()
		good()
		refused := r.source.Stats().Exceptions
		r.requests()
		good()
		assert.Equal(r, refused, r.source.Stats().Exceptions, "what was learnt is not tried again")
		assert.LessOrEqual(r, r.requests(), uint64(6))
		limits := r.source.Limits()
		assert.Positive(r, limits.MaxAnswer)

		time.Sleep(time.Hour) // and then it is
		r.agent.SetFault(nil)
		good()
		r.requests()
		good()
		assert.Equal(r, uint64(1), r.requests())
		assert.Zero(r, r.source.Limits().MaxAnswer)
	})
}

// TestForeignObjectsAreNeverTaken lets an agent answer with something else than was
// asked for.
func TestForeignObjectsAreNeverTaken(t *testing.T) {
	for name, fault := range map[string]snmptest.Fault{
		"swapped":   snmptest.Swapped(),
		"reordered": snmptest.Reordered(),
		"renamed":   snmptest.Renamed(private + ".1.1.0"),
		"missing":   snmptest.Missing(3),
		"extra":     snmptest.Extra(snmptest.Binding{OID: private + ".9.0", Value: snmptest.Integer(1)}),
		"empty":     snmptest.Empty(),
	} {
		t.Run(name, func(t *testing.T) {
			objects, points := many(8)
			inBubble(t, objects, snmp.Config{Points: points}, func(r *rig) {
				r.agent.SetFault(fault)
				for i, line := range r.poll() {
					assert.Equal(r, fmt.Sprintf("%03d = -, bad: protocol", i), line)
				}
				assert.Equal(r, uint64(1), r.source.Stats().Malformed)
				r.agent.SetFault(nil)
				assert.Contains(r, r.poll(), "007 = 7, good")
			})
		})
	}
}

// TestTablesOfHostileAgents wants nothing taken that is not there, and an end.
func TestTablesOfHostileAgents(t *testing.T) {
	for name, fault := range map[string]snmptest.Fault{
		"stuck":     snmptest.Stuck(),
		"backwards": snmptest.Backwards(),
		"empty":     snmptest.Empty(),
		"swapped":   snmptest.Swapped(),
		"renamed":   snmptest.Renamed(ifEntry + ".10.99"),
		"types":     snmptest.WrongTypes(),
		"replaced":  snmptest.Replaced(snmptest.Null()),
		"genErr":    snmptest.WithStatus(5, 2),
		"no index":  snmptest.WithStatus(5, 0),
		"tooBig":    snmptest.WithStatus(1, 0),
		"frozen":    snmptest.Frozen(),
		"giant":     snmptest.Giant(60000),
		"missing":   snmptest.Missing(2),
	} {
		t.Run(name, func(t *testing.T) {
			objects := snmptest.Objects{sysUpTime: snmptest.Uptime()}
			for i := range 40 {
				row := map[uint32]snmptest.Object{10: snmptest.Counter32(uint32(1000 + i)), 11: snmptest.Counter32(uint32(2000 + i))}
				objects.Row(ifEntry, strconv.Itoa(i), row)
			}
			cfg := snmp.Config{MaxTimeouts: 100, Tables: []snmp.Table{{Name: "{index}", Columns: []snmp.Point{
				{Name: "in", OID: ifEntry + ".10", Type: snmp.Counter32}, {Name: "out", OID: ifEntry + ".11", Type: snmp.Counter32},
			}}}}
			right := func(line string) bool {
				var index, value int
				var column string
				if n, _ := fmt.Sscanf(strings.Replace(line, "/", " ", 1), "%d %s = %d, good", &index, &column, &value); n < 3 {
					return false
				}
				return value == map[string]int{"in": 1000, "out": 2000}[column]+index
			}
			inBubble(t, objects, cfg, func(r *rig) {
				for _, line := range r.poll() {
					require.True(r, right(line), line)
				}
				require.Len(r, r.batch.Samples, 80)
				r.requests()
				r.agent.SetFault(fault)
				for range 3 {
					seen := make(map[acquire.PointID]bool)
					for _, line := range r.poll() {
						assert.True(r, right(line) || strings.Contains(line, "bad: ") && (name == "missing" || !strings.Contains(line, "final")), line)
					}
					for _, s := range r.batch.Samples {
						assert.False(r, seen[s.Point], "two samples of one point")
						seen[s.Point] = true
					}
					for _, p := range r.source.Points()[:80] {
						assert.True(r, seen[p] || name == "missing", "a point without any sample")
					}
					assert.LessOrEqual(r, r.requests(), uint64(60))
				}
				r.agent.SetFault(nil)
				r.poll()
				for _, line := range r.poll() {
					assert.True(r, right(line), line)
				}
			})
		})
	}
}

// TestBadCellCostsOnlyItself lets one cell of a table fail.
func TestBadCellCostsOnlyItself(t *testing.T) {
	objects := snmptest.Objects{sysUpTime: snmptest.Uptime()}
	for i := range 200 {
		objects.Row(ifEntry, strconv.Itoa(i), map[uint32]snmptest.Object{10: snmptest.Integer(int32(i)), 11: snmptest.Integer(int32(i))})
	}
	cfg := snmp.Config{Tables: []snmp.Table{{Name: "{index}", Columns: []snmp.Point{{Name: "a", OID: ifEntry + ".10"}, {Name: "b", OID: ifEntry + ".11"}}}}}
	inBubble(t, objects, cfg, func(r *rig) {
		r.poll()
		r.poll()
		r.requests()
		// The walk that would come to row 77 of column 10 fails.
		r.agent.SetFault(func(x *snmptest.Exchange) {
			for i, b := range x.Reply.PDU.Bindings {
				if b.OID == ifEntry+".10.77" {
					x.Reply.PDU.Status, x.Reply.PDU.Index = 5, int32(min(i, 1)+1)
					x.Reply.PDU.Bindings = x.Request.PDU.Bindings
					return
				}
			}
		})
		bad := 0
		for _, line := range r.poll() {
			if !strings.Contains(line, "good") {
				bad++
				assert.Equal(r, "77/a = -, bad: device (code 5)", line)
			}
		}
		assert.Equal(r, 1, bad)
		assert.LessOrEqual(r, r.requests(), uint64(30))
	})
}

// TestTableAtDistance counts the packets of 4 columns of 200 rows, and takes the time
// over a link of 50 ms.
func TestTableAtDistance(t *testing.T) {
	objects := snmptest.Objects{sysUpTime: snmptest.Uptime()}
	for i := range 200 {
		cells := make(map[uint32]snmptest.Object)
		for _, c := range []uint32{10, 11, 16, 17} {
			cells[c] = snmptest.Climb32(uint32(i)<<20, 10)
		}
		objects.Row(ifEntry, strconv.Itoa(i+1), cells)
	}
	cfg := snmp.Config{Tables: []snmp.Table{{Name: "{index}"}}}
	for i, c := range []uint32{10, 11, 16, 17} {
		cfg.Tables[0].Columns = append(cfg.Tables[0].Columns, snmp.Point{Name: strconv.Itoa(i), OID: snmp.OID(ifEntry).Child(c), Type: snmp.Counter32})
	}
	inBubble(t, objects, cfg, func(r *rig) {
		r.agent.SetLatency(50 * time.Millisecond)
		for i, want := range []uint64{4, 1, 1} { // answers of 1,400 octets, then twice as many each time
			due := r.started.Add(virtualInterval)
			if i == 0 {
				due = time.Now()
			}
			assert.Len(r, r.poll(), 800)
			assert.Equal(r, want, r.requests())
			assert.LessOrEqual(r, time.Since(due), 300*time.Millisecond)
			r.started = due
		}
	})
}

// TestSlowAgentIsAskedForLess lets an agent need 1 ms for each object.
func TestSlowAgentIsAskedForLess(t *testing.T) {
	objects := snmptest.Objects{sysUpTime: snmptest.Uptime()}
	for i := range 500 {
		objects.Row(ifEntry, strconv.Itoa(i), map[uint32]snmptest.Object{10: snmptest.Integer(int32(i))})
	}
	cfg := snmp.Config{
		Interval: 10 * time.Second, Timeout: 300 * time.Millisecond, Retries: -1,
		Tables: []snmp.Table{{Name: "{index}", Columns: []snmp.Point{{Name: "x", OID: ifEntry + ".10"}}}},
	}
	inBubble(t, objects, cfg, func(r *rig) {
		most := 0
		r.agent.SetFault(func(x *snmptest.Exchange) {
			n := len(x.Reply.PDU.Bindings)
			most = max(most, n)
			snmptest.Late(time.Duration(n) * time.Millisecond)(x)
		})
		for i := range 6 {
			assert.Len(r, r.poll(), 500, "poll %d", i)
			assert.Zero(r, r.source.Stats().Timeouts, "poll %d", i)
		}
		assert.Less(r, most, 200)
	})
}

// TestDistantAgentIsAskedForMore lets each answer take a second, whatever its length:
// asking for less at a time would take longer.
func TestDistantAgentIsAskedForMore(t *testing.T) {
	objects := snmptest.Objects{sysUpTime: snmptest.Uptime()}
	for i := range 1000 {
		objects.Row(ifEntry, strconv.Itoa(i), map[uint32]snmptest.Object{10: snmptest.Integer(int32(i))})
	}
	cfg := snmp.Config{
		Interval: 30 * time.Second, Timeout: 2 * time.Second, Retries: -1,
		Tables: []snmp.Table{{Name: "{index}", Columns: []snmp.Point{{Name: "x", OID: ifEntry + ".10"}}}},
	}
	inBubble(t, objects, cfg, func(r *rig) {
		r.agent.SetLatency(time.Second)
		for range 3 {
			r.requests()
			assert.Len(r, r.poll(), 1000)
			assert.Zero(r, r.source.Stats().Timeouts)
		}
		assert.LessOrEqual(r, r.requests(), uint64(2))
	})
}

// TestLongAnswersThatGetLost lets every answer of more than 4,000 octets be lost, as
// where fragments are.
func TestLongAnswersThatGetLost(t *testing.T) {
	objects := snmptest.Objects{sysUpTime: snmptest.Uptime()}
	for i := range 600 {
		objects.Row(ifEntry, strconv.Itoa(i), map[uint32]snmptest.Object{10: snmptest.Integer(int32(i))})
	}
	cfg := snmp.Config{
		Interval: 10 * time.Second, Retries: -1,
		Tables: []snmp.Table{{Name: "{index}", Columns: []snmp.Point{{Name: "x", OID: ifEntry + ".10"}}}},
	}
	inBubble(t, objects, cfg, func(r *rig) {
		r.agent.SetFault(func(x *snmptest.Exchange) {
			x.Wire(func(message []byte) []byte { return message })
			if len(x.Reply.PDU.Bindings) > 180 {
				x.Drop = true
			}
		})
		for i := range 8 {
			lines := r.poll()
			for _, line := range lines {
				assert.Contains(r, line, "good", "poll %d", i)
			}
			assert.Len(r, lines, 600)
		}
		timeouts := r.source.Stats().Timeouts
		assert.Positive(r, timeouts)
		assert.LessOrEqual(r, timeouts, uint64(3), "what gets lost is not asked for again and again")
		r.poll()
		assert.Equal(r, timeouts, r.source.Stats().Timeouts)
	})
}

func TestExponents(t *testing.T) {
	const sensors = private + ".40.1"
	objects := snmptest.Objects{
		sysUpTime:        snmptest.Uptime(),
		private + ".1.0": snmptest.Gauge32(1234), private + ".2.0": snmptest.Integer(-2),
		sensors + ".1.7": snmptest.Integer(2301), sensors + ".2.7": snmptest.Integer(9), sensors + ".3.7": snmptest.Integer(1),
		sensors + ".1.8": snmptest.Integer(15), sensors + ".2.8": snmptest.Integer(10), sensors + ".3.8": snmptest.Integer(-8),
		sensors + ".1.9":  snmptest.Integer(15), // without a scale
		sensors + ".1.10": snmptest.Integer(15), sensors + ".2.10": snmptest.Integer(99), sensors + ".3.10": snmptest.Integer(0),
		sensors + ".1.11": snmptest.Integer(-1), sensors + ".2.11": snmptest.Integer(9), sensors + ".3.11": snmptest.Integer(0),
	}
	cfg := snmp.Config{
		Points: []snmp.Point{
			{Name: "p", OID: private + ".1.0", Unit: units.Watt, Exponents: []snmp.Exponent{{OID: private + ".2.0"}}},
			{Name: "q", OID: private + ".1.0", Unit: units.Watt, Exponents: []snmp.Exponent{{OID: private + ".3.0"}}},
		},
		Tables: []snmp.Table{{Name: "{index}", Columns: []snmp.Point{{
			Name: "v", OID: sensors + ".1", Sentinels: []int64{-1},
			Exponents: []snmp.Exponent{{OID: sensors + ".2", Times: 3, Zero: 9}, {OID: sensors + ".3", Times: -1, Floor: true}},
		}}}},
	}
	inBubble(t, objects, cfg, func(r *rig) {
		assert.Equal(r, []string{
			"10/v = -, bad: range", "11/v = -, bad: sensor", "7/v = 230.1, good", "8/v = 15000, good", "9/v = -, bad: range",
			"p = 12.34, good", "q = -, bad: range",
		}, r.poll())
	})
}

func TestSecurityIsNotTriedAgainAndAgain(t *testing.T) {
	objects, points := many(3)
	inBubble(t, objects, snmp.Config{Points: points}, func(r *rig) {
		agent, err := snmptest.New(snmptest.Config{MIB: r.mib, Users: []snmptest.User{{
			Name: "reader", Auth: snmptest.SHA256, AuthPassword: "authentication",
		}}})
		require.NoError(r, err)
		defer agent.Close()
		r.cfg.Community, r.cfg.User = "", snmp.User{Name: "reader", AuthKey: "something else"}
		r.cfg.Dial = func(context.Context) (net.Conn, error) { return link(agent.ServeDatagrams), nil }
		r.open()
		for range 120 {
			for _, line := range r.poll() {
				assert.Contains(r, line, "= -, bad: security")
			}
		}
		assert.LessOrEqual(r, agent.Stats().WrongDigests, uint64(4), "it would look like guessing")
	})
}

// TestSlowAgentIsAskedOnce has an agent answer long after the first wait: the first
// request is repeated, and none that follows.
func TestSlowAgentIsAskedOnce(t *testing.T) {
	const scalar = private + ".1.0"
	cfg := snmp.Config{
		Points: []snmp.Point{{Name: "x", OID: scalar, Type: snmp.Int32}}, Timeout: 2 * time.Second, Interval: 10 * time.Second,
	}
	inBubble(t, snmptest.Objects{scalar: snmptest.Integer(1)}, cfg, func(r *rig) {
		r.agent.SetLatency(time.Second)
		r.poll()
		first := r.source.Stats().Requests
		assert.Greater(r, first, uint64(1))
		for n := range uint64(20) {
			assert.Equal(r, []string{"x = 1, good"}, r.poll())
			assert.Equal(r, first+n+1, r.source.Stats().Requests)
		}

		r.agent.SetLatency(0) // fast again, and soon a lost request is repeated as before
		for range 20 {
			r.poll()
		}
		r.agent.SetFault(snmptest.Once(snmptest.Silent()))
		before := r.source.Stats().Requests
		assert.Equal(r, []string{"x = 1, good"}, r.poll())
		assert.Equal(r, before+2, r.source.Stats().Requests)
	})
}
