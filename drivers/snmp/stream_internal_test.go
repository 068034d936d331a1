package snmp

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/internal/snmpwire"
)

// oracle is a connection that answers every request with the next piece of what it was
// given: an error-status, an error-index, and variable bindings.
type oracle struct {
	net.Conn
	script []byte
	answer []byte
	asked  int
	gave   [][]byte // the variable bindings of its answers
}

func (o *oracle) Write(request []byte) (int, error) {
	var m snmpwire.Message
	if err := m.Parse(request); err != nil {
		return 0, err
	}
	o.asked++
	piece := o.script
	status, index := int32(0), int32(0)
	if len(o.script) >= 4 {
		n := int(o.script[0])<<8 | int(o.script[1])
		status, index = int32(o.script[2]), int32(o.script[3])
		piece = o.script[4:]
		n = min(n, len(piece))
		piece, o.script = piece[:n], piece[n:]
	}
	o.gave = append(o.gave, piece)
	m.PDU = snmpwire.PDU{Type: snmpwire.Response, RequestID: m.PDU.RequestID, ErrorStatus: status, ErrorIndex: index, Bindings: piece}
	o.answer = m.Append(nil)
	return len(request), nil
}

func (o *oracle) Read(b []byte) (int, error) {
	if o.answer == nil {
		return 0, io.ErrUnexpectedEOF
	}
	n := copy(b, o.answer)
	o.answer = nil
	return n, nil
}

func (o *oracle) Close() error                     { return nil }
func (o *oracle) SetDeadline(time.Time) error      { return nil }
func (o *oracle) SetReadDeadline(time.Time) error  { return nil }
func (o *oracle) SetWriteDeadline(time.Time) error { return nil }

// oracular returns the script of one answer.
func oracular(status, index byte, bindings ...[]byte) []byte {
	list := bytes.Join(bindings, nil)
	return append([]byte{byte(len(list) >> 8), byte(len(list)), status, index}, list...)
}

func binding(oid OID, tag snmpwire.Tag, contents ...byte) []byte {
	return snmpwire.AppendBinding(nil, oid.encode(), snmpwire.AppendBytes(nil, tag, contents))
}

// heard opens a source with an oracle behind it.
func heard(t testing.TB, cfg Config, script []byte) (*Source, acquire.Stream, *oracle) {
	t.Helper()
	o := &oracle{script: script}
	cfg.Community, cfg.Catalog, cfg.Interval, cfg.Retries = "public", acquire.NewCatalog(), -1, -1
	cfg.Dial = func(context.Context) (net.Conn, error) { return o, nil }
	source, err := NewSource(cfg)
	require.NoError(t, err)
	stream, err := source.Open(t.Context())
	require.NoError(t, err)
	return source, stream, o
}

// FuzzScalars compares what becomes of the answer to a GET with a plain look at it.
func FuzzScalars(f *testing.F) {
	a, b := OID("1.3.6.1.4.1.1.0"), OID("1.3.6.1.4.1.2.0")
	up := binding(upTime, snmpwire.TimeTicks, 5)
	f.Add(bytes.Join([][]byte{up, binding(a, snmpwire.Counter32, 7), binding(b, snmpwire.Integer, 0xff)}, nil))
	f.Add(bytes.Join([][]byte{up, binding(b, snmpwire.Counter32, 7), binding(a, snmpwire.Integer, 0xff)}, nil))
	f.Add(bytes.Join([][]byte{up, binding(a, snmpwire.NoSuchObject), binding(b, snmpwire.OctetString, 'x'), up}, nil))
	points := []Point{{Name: "a", OID: a, Type: Counter32, Role: acquire.Counter}, {Name: "b", OID: b}}
	f.Fuzz(func(t *testing.T, list []byte) {
		if len(list) > 1<<12 {
			return
		}
		source, stream, _ := heard(t, Config{Points: points}, oracular(0, 0, list))
		defer stream.Close()
		var batch acquire.Batch
		require.NoError(t, stream.Next(t.Context(), &batch))

		want := map[string]string{"a": "bad: protocol", "b": "bad: protocol"}
		var all []snmpwire.Binding
		rest, err := list, error(nil)
		for len(rest) > 0 && err == nil {
			var one snmpwire.Binding
			one, rest, err = snmpwire.NextBinding(rest)
			all = append(all, one)
		}
		if err == nil && len(all) == 3 && oidOf(all[0].Name) == upTime && oidOf(all[1].Name) == a && oidOf(all[2].Name) == b {
			want["a"], want["b"] = plainly(&points[0], all[1].Tag, all[1].Value), plainly(&points[1], all[2].Tag, all[2].Value)
		}
		require.Len(t, batch.Samples, 2)
		for _, s := range batch.Samples {
			p, _ := source.cfg.Catalog.Point(s.Point)
			require.Equal(t, want[p.Name], reading(&batch, s.Value, s.Quality), "%s of %x", p.Name, list)
		}
	})
}

// FuzzTables lets an agent answer the requests for a table with anything, for three polls.
// Each poll has an end, every point one sample at most, and each number was in an answer
// under the name of its cell.
func FuzzTables(f *testing.F) {
	entry := OID("1.3.6.1.4.1.5.1")
	label := binding(entry.Child(1, 7), snmpwire.OctetString, 'x')
	one, two := binding(entry.Child(2, 7), snmpwire.Integer, 1), binding(entry.Child(3, 7), snmpwire.Integer, 2)
	after := binding("1.3.6.1.4.1.6.0", snmpwire.Integer, 9)
	up := binding(upTime, snmpwire.TimeTicks, 5)
	end := binding(entry, snmpwire.EndOfMibView)
	f.Add(oracular(0, 0, up, label, one, two, after, after, after), false)
	f.Add(append(oracular(0, 0, up, label, one), oracular(0, 0, up, two, end)...), false)
	f.Add(append(oracular(5, 2), oracular(0, 0, up, label, one, two)...), true)
	f.Add(append(oracular(1, 0), oracular(2, 1)...), true)
	f.Fuzz(func(t *testing.T, script []byte, single bool) {
		if len(script) > 1<<12 {
			return
		}
		cfg := Config{Tables: []Table{{
			Name: "{label}", Label: entry.Child(1), MaxRows: 5, Discontinuity: entry.Child(4),
			Columns: []Point{{Name: "a", OID: entry.Child(2)}, {Name: "b", OID: entry.Child(3), Exponents: []Exponent{{OID: entry.Child(5)}}}},
		}, {
			Name: "{index}", MaxRows: 5, Where: []Condition{{OID: entry.Child(3), In: []int64{2}}, {Index: 1, In: []int64{7}}},
			Columns: []Point{{Name: "w", OID: entry.Child(2)}},
		}}}
		if single {
			cfg.Version = V1
		}
		source, stream, o := heard(t, cfg, script)
		defer stream.Close()
		var batch acquire.Batch
		for range 3 {
			asked := o.asked
			o.gave = nil
			if err := stream.Next(t.Context(), &batch); err != nil {
				t.Fatal(err)
			}
			if o.asked-asked > 2000 {
				t.Fatalf("%d requests in one poll", o.asked-asked)
			}
			said := make(map[string]bool) // the numbers of column a
			fits := make(map[string]bool) // the rows that the condition is said to hold for
			for _, list := range o.gave {
				for len(list) > 0 {
					cell, rest, err := snmpwire.NextBinding(list)
					if err != nil {
						break
					}
					if oidOf(cell.Name).HasPrefix(entry.Child(2)) {
						said[plainly(&cfg.Tables[0].Columns[0], cell.Tag, cell.Value)] = true
					}
					number, two := bytes.TrimLeft(cell.Value, "\x00"), []byte{2}
					if cell.Tag != snmpwire.OctetString && bytes.Equal(number, two) {
						fits[string(oidOf(cell.Name))] = true
					}
					list = rest
				}
			}
			seen := make(map[acquire.PointID]bool)
			for _, s := range batch.Samples {
				p, ok := source.cfg.Catalog.Point(s.Point)
				if !ok || seen[s.Point] {
					t.Fatalf("sample %v of point %v", s, p)
				}
				seen[s.Point] = true
				if text := reading(&batch, s.Value, s.Quality); bytes.HasSuffix([]byte(p.Name), []byte("/a")) && !s.Value.IsNone() && !said[text] {
					t.Fatalf("%s = %s was never said", p.Name, text)
				}
			}
			for _, s := range batch.Samples {
				p, _ := source.cfg.Catalog.Point(s.Point)
				if index, ok := strings.CutSuffix(p.Name, "/w"); ok && !s.Value.IsNone() && (!fits[string(entry)+".3."+index] || !strings.HasPrefix(index+".", "7.")) {
					t.Fatalf("%s does not belong", p.Name)
				}
			}
			if rows := source.cfg.Catalog.Len(); rows > 3*5 {
				t.Fatalf("%d points", rows)
			}
		}
	})
}

func TestOracle(t *testing.T) {
	_, stream, o := heard(t, Config{Points: []Point{{Name: "a", OID: "1.3.6.1.4.1.1.0"}}}, oracular(0, 0, binding("1.3.6.1.4.1.1.0", snmpwire.Integer, 5)))
	defer stream.Close()
	var batch acquire.Batch
	require.NoError(t, stream.Next(t.Context(), &batch))
	require.Equal(t, "5", fmt.Sprint(batch.Samples[0].Value))
	require.Equal(t, 1, o.asked)
}
