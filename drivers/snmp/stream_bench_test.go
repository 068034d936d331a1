package snmp_test

import (
	"context"
	"net"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/drivers/snmp"
	"github.com/fieldtap/fieldtap/drivers/snmp/snmptest"
)

// polls returns a function that polls an agent on loopback, without a pause.
func polls(t testing.TB, objects snmptest.Objects, cfg snmp.Config) func() *acquire.Batch {
	mib, err := snmptest.NewMIB(objects)
	require.NoError(t, err)
	agent, err := snmptest.Start(snmptest.Config{MIB: mib})
	require.NoError(t, err)
	t.Cleanup(func() { agent.Close() })
	cfg.Address, cfg.Community, cfg.Catalog, cfg.Interval = agent.Address(), "public", acquire.NewCatalog(), -1
	source, err := snmp.NewSource(cfg)
	require.NoError(t, err)
	stream, err := source.Open(t.Context())
	require.NoError(t, err)
	t.Cleanup(func() { stream.Close() })
	var batch acquire.Batch
	ctx := t.Context()
	return func() *acquire.Batch {
		require.NoError(t, stream.Next(ctx, &batch))
		return &batch
	}
}

// sixty are 60 counters, and a table of 4 columns and 200 rows.
func sixty() (snmptest.Objects, snmp.Config) {
	objects := snmptest.Objects{sysUpTime: snmptest.TimeTicks(1234567)}
	var cfg snmp.Config
	for i := range 60 {
		oid := private + ".1." + strconv.Itoa(i+1) + ".0"
		objects[oid] = snmptest.Counter32(uint32(i) << 26)
		cfg.Points = append(cfg.Points, snmp.Point{Name: "s" + strconv.Itoa(i), OID: snmp.OID(oid), Type: snmp.Counter32})
	}
	return objects, cfg
}

func rows200() (snmptest.Objects, snmp.Config) {
	objects := snmptest.Objects{sysUpTime: snmptest.TimeTicks(1234567)}
	table := snmp.Table{Name: "{index}"}
	for _, c := range []uint32{10, 11, 16, 17} {
		table.Columns = append(table.Columns, snmp.Point{Name: strconv.Itoa(int(c)), OID: snmp.OID(ifEntry).Child(c), Type: snmp.Counter32})
		for i := range 200 {
			objects[string(snmp.OID(ifEntry).Child(c, uint32(i+1)))] = snmptest.Counter32(uint32(i) << 24)
		}
	}
	return objects, snmp.Config{Tables: []snmp.Table{table}}
}

func TestPollsDoNotAlloc(t *testing.T) {
	for name, make := range map[string]func() (snmptest.Objects, snmp.Config){"scalars": sixty, "table": rows200, "conditions": mixed} {
		t.Run(name, func(t *testing.T) {
			objects, cfg := make()
			replay := recorded(t, objects, cfg)
			for range 20 {
				replay()
			}
			if n := testing.AllocsPerRun(100, func() { replay() }); n != 0 {
				t.Errorf("%v allocations per poll of %d samples", n, len(replay().Samples))
			}
		})
	}
}

// mixed returns two tables over the same 40 rows, of which some belong to neither.
func mixed() (snmptest.Objects, snmp.Config) {
	objects := snmptest.Objects{sysUpTime: snmptest.Uptime()}
	for i := range 40 {
		sensor(objects, strconv.Itoa(i), int32(3+i%6), int32(i))
	}
	return objects, snmp.Config{Tables: sensors()}
}

// recorded is polls with an agent that allocates nothing: it gives the answers that
// another gave to the same requests.
func recorded(t testing.TB, objects snmptest.Objects, cfg snmp.Config) func() *acquire.Batch {
	mib, err := snmptest.NewMIB(objects)
	require.NoError(t, err)
	agent, err := snmptest.New(snmptest.Config{MIB: mib})
	require.NoError(t, err)
	t.Cleanup(func() { agent.Close() })
	cfg.Community, cfg.Catalog, cfg.Interval = "public", acquire.NewCatalog(), -1
	cfg.Dial = func(context.Context) (net.Conn, error) {
		near, far := net.Pipe()
		go agent.ServeDatagrams(far)
		return &parrot{Conn: near, answers: make(map[string][]byte)}, nil
	}
	source, err := snmp.NewSource(cfg)
	require.NoError(t, err)
	stream, err := source.Open(t.Context())
	require.NoError(t, err)
	t.Cleanup(func() { stream.Close() })
	var batch acquire.Batch
	ctx := t.Context()
	return func() *acquire.Batch {
		require.NoError(t, stream.Next(ctx, &batch))
		return &batch
	}
}

// parrot gives the answers that were given before to the same requests, but for their
// ids. The id of messages of version 2c stands 6 octets behind the community.
type parrot struct {
	net.Conn
	answers map[string][]byte
	request []byte
	pending []byte
}

// requestID returns the four octets of the request id of a message.
func requestID(message []byte) []byte {
	at := 2
	if message[1]&0x80 != 0 {
		at += int(message[1] & 0x7f)
	}
	at += 3 + 2 + len("public") + 2 // version, community, tag and length of the PDU
	if message[at-1]&0x80 != 0 {
		at += int(message[at-1] & 0x7f)
	}
	return message[at+2 : at+6]
}

func (p *parrot) Write(b []byte) (int, error) {
	p.request = append(p.request[:0], b...)
	id := requestID(p.request)
	var wanted [4]byte
	copy(wanted[:], id)
	clear(id)
	answer, ok := p.answers[string(p.request)]
	if !ok {
		if _, err := p.Conn.Write(b); err != nil {
			return 0, err
		}
		answer = make([]byte, 1<<16)
		n, err := p.Conn.Read(answer)
		if err != nil {
			return 0, err
		}
		answer = answer[:n]
		p.answers[string(p.request)] = answer
	}
	copy(requestID(answer), wanted[:])
	p.pending = answer
	return len(b), nil
}

func (p *parrot) Read(b []byte) (int, error) {
	if p.pending == nil {
		return p.Conn.Read(b)
	}
	n := copy(b, p.pending)
	p.pending = nil
	return n, nil
}

func (p *parrot) SetReadDeadline(time.Time) error  { return nil }
func (p *parrot) SetWriteDeadline(time.Time) error { return nil }

func BenchmarkPoll(b *testing.B) {
	for _, c := range []struct {
		name    string
		make    func() (snmptest.Objects, snmp.Config)
		samples int
	}{{"scalars=60", sixty, 60}, {"cells=800", rows200, 800}} {
		for _, way := range []struct {
			name string
			make func(testing.TB, snmptest.Objects, snmp.Config) func() *acquire.Batch
		}{{"decoding", recorded}, {"loopback", polls}} {
			b.Run(c.name+"/"+way.name, func(b *testing.B) {
				objects, cfg := c.make()
				poll := way.make(b, objects, cfg)
				for range 20 {
					poll()
				}
				b.ReportAllocs()
				for b.Loop() {
					poll()
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(c.samples), "ns/varbind")
			})
		}
	}
}
