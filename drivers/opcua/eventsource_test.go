package opcua_test

import (
	"context"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/fieldtap/fieldtap/acquire"
	"github.com/fieldtap/fieldtap/drivers/opcua"
	"github.com/fieldtap/fieldtap/drivers/opcua/opcuatest"
)

// TestEventSource: alarms of a server that knows them, beside a value, and again after
// the cable was pulled.
func TestEventSource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, err := opcuatest.New(opcuatest.Config{
			Folders: []opcuatest.Folder{{ID: "ns=2;s=Line", Name: "Line"}},
			Variables: []opcuatest.Variable{{
				ID: "ns=2;s=Speed", Parent: "ns=2;s=Line", Name: "Speed", Step: time.Second, Value: func(at time.Time) any { return float64(at.Unix()) },
			}},
		})
		require.NoError(t, err)
		defer server.Close()
		catalog := acquire.NewCatalog()
		source, err := opcua.NewSource(opcua.Config{
			Client: opcua.ClientConfig{
				Endpoint: "opc.tcp://192.0.2.1", Policies: []opcua.Policy{opcua.PolicyNone}, Timeout: time.Second,
				Dial: func(context.Context) (net.Conn, error) {
					here, there := net.Pipe()
					go server.ServeConn(there)
					return here, nil
				},
			},
			Catalog: catalog,
			Points:  []opcua.Point{{Name: "speed", Node: "ns=2;s=Speed"}},
			Events:  []opcua.EventPoint{{Name: "all"}, {Name: "line", Notifier: "ns=2;s=Line"}},
		})
		require.NoError(t, err)
		require.Len(t, source.Points(), 1+8+8)
		stream, err := acquire.Reconnect(source, acquire.Backoff{}).Open(t.Context())
		require.NoError(t, err)
		var got []string
		var b acquire.Batch
		read := func(d time.Duration) {
			got = nil
			for end := time.Now().Add(d); time.Now().Before(end); {
				require.NoError(t, stream.Next(t.Context(), &b))
				for _, s := range b.Samples {
					if p, _ := catalog.Point(s.Point); p.Name != "speed" && s.Quality.IsGood() {
						assert.True(t, s.Quality.Has(acquire.SourceTime))
						s.Time, s.Quality = 0, acquire.Good // TimeBackwards is of acquire.Reconnect
						got = append(got, string(catalog.AppendSample(nil, s, &b))[len(acquire.Instant(0).String())+1:])
					}
				}
			}
		}
		read(2 * time.Second)
		require.Empty(t, got)
		alarm := opcuatest.Event{
			Source: "ns=2;s=Line", Name: "Line", Type: "i=2915", Message: "overload", Severity: 700,
			Fields: map[string]any{"ConditionName": "Overload", "ActiveState/Id": true, "AckedState/Id": false, "Retain": true},
		}
		server.Emit(alarm)
		server.Emit(opcuatest.Event{Name: "Server", Message: "backup done", Severity: 10})
		read(2 * time.Second)
		of := func(name, active string) []string {
			return []string{
				name + `/message "overload" good`, name + `/severity 700 good`, name + `/source "Line" good`, name + `/type "i=2915" good`,
				name + `/condition "Overload" good`, name + `/active ` + active + ` good`, name + `/acked false good`, name + `/retain true good`,
			}
		}
		backup := []string{`all/message "backup done" good`, `all/severity 10 good`, `all/source "Server" good`, `all/type "i=2041" good`}
		assert.ElementsMatch(t, append(append(of("all", "true"), backup...), of("line", "true")...), got)

		server.Disconnect()
		alarm.Fields["ActiveState/Id"] = false
		server.Emit(alarm)
		read(5 * time.Second)
		assert.ElementsMatch(t, append(of("all", "false"), of("line", "false")...), got, "what happened meanwhile, once")
		read(5 * time.Second)
		assert.Empty(t, got)
		require.NoError(t, stream.Close())
		assert.Zero(t, server.Stats().Writes)
	})
}

func TestEventConfig(t *testing.T) {
	client := opcua.ClientConfig{Endpoint: "opc.tcp://192.0.2.1", Policies: []opcua.Policy{opcua.PolicyNone}}
	_, err := opcua.NewSource(opcua.Config{
		Client: client, Catalog: acquire.NewCatalog(),
		Points: []opcua.Point{{Name: "a/severity", Node: "i=1"}},
		Events: []opcua.EventPoint{{Name: "a"}, {Name: "b", MinSeverity: 2000}, {}, {Name: "b"}},
	})
	for _, part := range []string{`"a/severity" is given twice`, `"b/retain" is given twice`, "severity of at least 2000", "no name"} {
		assert.ErrorContains(t, err, part)
	}
	_, err = opcua.NewSource(opcua.Config{Client: client, Catalog: acquire.NewCatalog(), Events: []opcua.EventPoint{{Name: "a"}}})
	assert.NoError(t, err, "events alone are something to acquire")
}
