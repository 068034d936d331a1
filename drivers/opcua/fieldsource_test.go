package opcua_test

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/drivers/opcua"
	"github.com/fieldtap/fieldtap/drivers/opcua/opcuatest"
)

// lockedBuffer is a log of several goroutines.
type lockedBuffer struct {
	mu sync.Mutex
	bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.Write(p)
}

// TestFields: fields of structures, subscribed to, polled, and from history, of types
// that the server defines; those that it does not have say so.
func TestFields(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		phases := func(at time.Time) []opcuatest.Structure {
			var out []opcuatest.Structure
			for i := range 3 {
				out = append(out, opcuatest.Structure{Encoding: "ns=2;i=101", Fields: []any{"L", float64(at.Unix()*10 + int64(i)), int32(i % 2)}})
			}
			return out
		}
		feeder := func(at time.Time) opcuatest.Structure {
			fields := []any{"feeder", int32(3)}
			for _, p := range phases(at) {
				fields = append(fields, p.Fields...)
			}
			return opcuatest.Structure{Encoding: "ns=2;i=103", Fields: append(fields, uint64(at.Unix()))}
		}
		server, err := opcuatest.New(opcuatest.Config{
			Enumerations: []opcuatest.Enumeration{{ID: "ns=2;i=1", Name: "Direction", Members: []string{"import", "export"}}},
			Structures: []opcuatest.StructureType{
				{ID: "ns=2;i=100", Name: "Phase", Encoding: "ns=2;i=101", Fields: []opcuatest.Field{{Name: "Label", Type: "i=12"}, {Name: "Current", Type: "i=11"}, {Name: "Direction", Type: "ns=2;i=1"}}},
				{ID: "ns=2;i=102", Name: "Feeder", Encoding: "ns=2;i=103", Fields: []opcuatest.Field{{Name: "Name", Type: "i=12"}, {Name: "Phase", Type: "ns=2;i=100", Array: true}, {Name: "Total", Type: "i=9"}}},
			},
			Variables: []opcuatest.Variable{
				{ID: "ns=2;s=Feeder", Name: "Feeder", DataType: "ns=2;i=102", Step: time.Second, Historizing: true, Value: func(at time.Time) any { return feeder(at) }},
				{ID: "ns=2;s=Any", Name: "Any", DataType: "i=22", Step: time.Second, Value: func(at time.Time) any { return phases(at)[1] }},
				{ID: "ns=2;s=Array", Name: "Array", DataType: "ns=2;i=100", Step: time.Second, Value: func(at time.Time) any { return phases(at) }},
				{ID: "ns=2;s=Plain", Name: "Plain", Step: time.Second, Value: func(at time.Time) any { return float64(at.Unix()) }},
			},
		})
		require.NoError(t, err)
		defer server.Close()
		catalog := acquire.NewCatalog()
		var log lockedBuffer
		source, err := opcua.NewSource(opcua.Config{
			Client: opcua.ClientConfig{
				Endpoint: "opc.tcp://192.0.2.1", Policies: []opcua.Policy{opcua.PolicyNone}, Timeout: time.Second, Logger: slog.New(slog.NewTextHandler(&log, nil)),
				Dial: func(context.Context) (net.Conn, error) {
					here, there := net.Pipe()
					go server.ServeConn(there)
					return here, nil
				},
			},
			Catalog: catalog, Backfill: true,
			Points: []opcua.Point{
				{Name: "I1", Node: "ns=2;s=Feeder", Field: "Phase[1].Current"},
				{Name: "direction", Node: "ns=2;s=Feeder", Field: "Phase[1].Direction", Names: map[int64]string{0: "import", 1: "export"}},
				{Name: "total", Node: "ns=2;s=Feeder", Field: "Total", Kind: acquire.KindUint64},
				{Name: "any", Node: "ns=2;s=Any", Field: "Current"},
				{Name: "element", Node: "ns=2;s=Array", Index: "2", Field: "Current"},
				{Name: "polled", Node: "ns=2;s=Feeder", Field: "Phase[0].Current", Poll: true},
				{Name: "no field", Node: "ns=2;s=Feeder", Field: "Phase[1].Voltage"},
				{Name: "no array", Node: "ns=2;s=Feeder", Field: "Total[1]", Kind: acquire.KindUint64},
				{Name: "no element", Node: "ns=2;s=Feeder", Field: "Phase[3].Current"},
				{Name: "no structure", Node: "ns=2;s=Plain", Field: "Current"},
				{Name: "whole structure", Node: "ns=2;s=Feeder", Field: "Phase[1]"},
			},
		})
		require.NoError(t, err)
		stream, err := acquire.Reconnect(source, acquire.Backoff{}).Open(t.Context())
		require.NoError(t, err)
		good := make(map[string]map[acquire.Instant]bool)
		why := make(map[string]acquire.Reason)
		var b acquire.Batch
		read := func(d time.Duration) {
			for end := time.Now().Add(d); time.Now().Before(end); {
				require.NoError(t, stream.Next(t.Context(), &b))
				for _, s := range b.Samples {
					p, _ := catalog.Point(s.Point)
					if s.Quality.IsBad() {
						why[p.Name] = s.Quality.Reason()
						continue
					}
					if good[p.Name] == nil {
						good[p.Name] = make(map[acquire.Instant]bool)
					}
					good[p.Name][s.Time] = true
					seconds := float64(s.Time.Time().Unix())
					switch f, _ := s.Value.Float64(); p.Name {
					case "I1", "any":
						assert.Equal(t, 10*seconds+1, f)
					case "element":
						assert.Equal(t, 10*seconds+2, f)
					case "polled":
						assert.Equal(t, 10*seconds, f)
					case "total":
						n, _ := s.Value.Uint64()
						assert.Equal(t, uint64(seconds), n)
					case "direction":
						text, _ := b.Text(s.Value)
						assert.Equal(t, "export", string(text))
					default:
						t.Errorf("a value of %q", p.Name)
					}
				}
			}
		}
		read(10 * time.Second)
		assert.Equal(t, map[string]acquire.Reason{
			"no field": acquire.Configuration, "no array": acquire.Configuration, "whole structure": acquire.Configuration,
			"no element": acquire.Range, "no structure": acquire.Protocol,
		}, why)
		for _, text := range []string{`no field \"Voltage\"`, `\"Total\" of data type`, `is a structure`} {
			assert.Contains(t, log.String(), text)
		}
		server.Restart()
		read(15 * time.Second)
		for _, name := range []string{"I1", "direction", "total", "any", "element", "polled"} {
			assert.Greater(t, len(good[name]), 20, name)
		}
		first, last := acquire.Instant(1<<62), acquire.Instant(0)
		for at := range good["I1"] {
			if int64(at)%1e9 == 0 {
				first, last = min(first, at), max(last, at)
			}
		}
		for at := first; at < last; at = at.Add(time.Second) {
			assert.True(t, good["I1"][at], "what was missed comes from history: %s", at)
		}
		require.NoError(t, stream.Close())
		assert.Zero(t, server.Stats().Writes)
	})
}

func TestFieldConfig(t *testing.T) {
	_, err := opcua.NewSource(opcua.Config{
		Client: opcua.ClientConfig{Endpoint: "opc.tcp://192.0.2.1", Policies: []opcua.Policy{opcua.PolicyNone}}, Catalog: acquire.NewCatalog(),
		Points: []opcua.Point{{Name: "a", Node: "i=1", Field: "b..c"}, {Name: "d", Node: "i=1", Field: "e", Deadband: 1}},
	})
	assert.ErrorContains(t, err, `point "a": field "b..c": a name is empty`)
	assert.ErrorContains(t, err, "not for structures")
}
