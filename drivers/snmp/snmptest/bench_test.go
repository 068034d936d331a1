package snmptest_test

import (
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/drivers/snmp/snmptest"
	"github.com/fieldtap/fieldtap/internal/snmpwire"
)

// instant is a connection that answers the same request n times, without a network.
type instant struct {
	once
	message []byte
	n       int
}

func (c *instant) Read(b []byte) (int, error) {
	if c.n == 0 {
		return c.once.Read(b)
	}
	c.n--
	return copy(b, c.message), nil
}

// table is an agent with four columns of 200 rows, half of them counters that run.
func table(t testing.TB) *snmptest.Server {
	t.Helper()
	o := make(snmptest.Objects)
	for i := range 200 {
		o.Row(ifEntry, strconv.Itoa(i+1), map[uint32]snmptest.Object{
			1: snmptest.Integer(int32(i)), 2: snmptest.Text("port"), 10: snmptest.Climb32(0, 1), 16: snmptest.Climb64(0, 1),
		})
	}
	m, err := snmptest.NewMIB(o)
	require.NoError(t, err)
	s, err := snmptest.New(snmptest.Config{MIB: m, MaxMessage: 1472})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

// The cost of the simulator, to be taken off what a client's benchmark shows. Replies go to the queue of the connection.
func BenchmarkAgent(b *testing.B) {
	var gets []string
	for i := range 15 {
		for _, column := range []string{"1", "2", "10", "16"} {
			gets = append(gets, ifEntry+"."+column+"."+strconv.Itoa(i+1))
		}
	}
	for name, message := range map[string][]byte{
		"Get60":  request(b, snmpwire.V2c, snmpwire.ReadRequest, 0, 0, gets...),
		"Bulk60": request(b, snmpwire.V2c, snmpwire.BulkRequest, 0, 15, ifEntry+".1", ifEntry+".2", ifEntry+".10", ifEntry+".16"),
	} {
		b.Run(name, func(b *testing.B) {
			s := table(b)
			b.ReportAllocs()
			c := &instant{message: message, n: b.N}
			b.ResetTimer()
			s.ServeConn(c)
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/60, "ns/varbind")
		})
	}
}
